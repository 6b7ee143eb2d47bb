//! A real Prometheus that scrapes one address, and its checker.

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::client::Request;
use super::{children, free_address, programs, temporary_folder, wait_for};

/// A running Prometheus. Dropping it ends it.
pub struct Prometheus {
    address: SocketAddr,
    _folder: TempDir,
    child: Child,
}

impl Prometheus {
    /// Starts one that scrapes `target` every second.
    pub fn start(target: SocketAddr) -> Self {
        let address = free_address();
        let folder = temporary_folder();
        let config = folder.path().join("prometheus.yml");
        let scrape = format!(
            "global: {{ scrape_interval: 1s, scrape_timeout: 1s }}\n\
             scrape_configs: [ {{ job_name: vouchsafe, static_configs: [ {{ targets: ['{target}'] }} ] }} ]\n"
        );
        std::fs::write(&config, scrape).unwrap();
        let arguments = [
            format!("--config.file={}", config.display()),
            format!("--web.listen-address={address}"),
            format!("--storage.tsdb.path={}", folder.path().join("data").display()),
            "--log.level=warn".to_owned(),
        ];
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = folder.path().join("output");
        let child = children::start(&programs::prometheus(), &arguments, &output, "KILL");
        Self { address, _folder: folder, child }
    }

    /// Waits until `query` has a result and returns its first value.
    #[track_caller]
    pub fn wait_for_value(&self, query: &str) -> String {
        wait_for(&format!("prometheus knows {query}"), || self.value(query))
    }

    /// The first value of `query` now, if there is one.
    pub fn value(&self, query: &str) -> Option<String> {
        let target = format!("/api/v1/query?query={query}");
        let host = self.address.to_string();
        let answer = Request::new("GET", &host, &target).try_send(self.address).ok()?;
        let result: Value = serde_json::from_slice(&answer.body).ok()?;
        Some(result["data"]["result"][0]["value"][1].as_str()?.to_owned())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        children::stop(&mut self.child);
    }
}

/// Runs `promtool check metrics` over `text` and returns its complaints.
pub fn complaints(text: &[u8]) -> String {
    let mut command = Command::new(programs::promtool());
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    if output.status.success() { said } else { format!("{}\n{said}", output.status) }
}
