//! Several daemons that share their sessions, and an nginx in front of all of them.

use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use crate::support::command::{self, Said};
use crate::support::daemon::{Daemon, replace};
use crate::support::redis::{Cluster, Redis, Watched};
use crate::support::temporary_folder;

/// What the shipped file says about the store.
const STORE: &str = "store: { kind: embedded, path: data/sessions.redb }";

/// What it says about the key of sessions.
const KEY: &str = "key: { file: data/sessions.key }";

/// `sessions.store` for this server.
pub fn store_at(redis: &Redis) -> String {
    format!("{{ kind: redis, url: \"redis://{}\" }}", redis.address)
}

/// `sessions.store` for what these sentinels watch.
pub fn store_watched(watched: &Watched) -> String {
    let urls: Vec<_> = watched
        .sentinels
        .iter()
        .map(|sentinel| format!("\"redis://{}\"", sentinel.address))
        .collect();
    format!(
        "{{ kind: redis, urls: [{}], sentinel: {{ master: {} }} }}",
        urls.join(", "),
        Watched::NAME
    )
}

/// `sessions.store` for this cluster.
pub fn store_in(cluster: &Cluster) -> String {
    let urls: Vec<_> =
        cluster.servers().map(|server| format!("\"redis://{}\"", server.address)).collect();
    format!("{{ kind: redis, urls: [{}] }}", urls.join(", "))
}

/// Daemons with one store and one key.
pub struct Nodes {
    pub daemons: Vec<Daemon>,
    _folder: TempDir,
}

impl Nodes {
    /// Starts `count` of them with this `sessions.store`.
    pub fn start(count: usize, store: &str) -> Self {
        Self::start_with(count, store, "")
    }

    /// The same with more keys below `sessions`.
    pub fn start_with(count: usize, store: &str, sessions: &str) -> Self {
        let folder = temporary_folder();
        let key = folder.path().join("sessions.key");
        std::fs::write(&key, [7; 32]).unwrap();
        std::fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
        let configured = |config: String| {
            let store = format!("store: {store}\n{sessions}");
            let key = format!("key: {{ file: \"{}\" }}", key.display());
            let config = replace(&replace(&config, STORE, &store), KEY, &key);
            format!("{config}\naudit: {{ path: data/audit.jsonl }}\n")
        };
        let daemons = (0..count).map(|_| Daemon::start_with(configured)).collect();
        Self { daemons, _folder: folder }
    }

    /// Where each of them is asked.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.daemons.iter().map(|daemon| daemon.public).collect()
    }

    /// Runs the command with the configuration of one of them.
    pub fn run(&self, node: usize, arguments: &[&str]) -> Said {
        command::run(&self.daemons[node].path("config.yaml"), arguments, "")
    }
}
