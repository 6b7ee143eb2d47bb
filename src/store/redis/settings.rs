//! Where Redis is and how it is spoken to. Must not know: YAML, files.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use crate::domain::secret::Secret;

/// A server: a name or an address, and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// A host name or an address, an IPv6 one without brackets.
    pub host: Box<str>,
    /// The port.
    pub port: u16,
}

/// Who is to be asked where the records are.
#[derive(Debug, Clone)]
pub enum Servers {
    /// One server, which has them all.
    One(Place),
    /// Sentinels, most of which name the server that has them all.
    Sentinel(SentinelSettings),
    /// Some servers of a cluster, which know all of them.
    Cluster(Vec<Place>),
}

/// How sentinels are asked.
#[derive(Debug, Clone)]
pub struct SentinelSettings {
    /// All of them: fewer than most of these do not say which server it is.
    pub places: Vec<Place>,
    /// What they call the server.
    pub primary: Box<str>,
    /// Who asks, of the sentinels themselves.
    pub account: Account,
}

/// Who we are.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// The user; `None` is the default one.
    pub username: Option<Box<str>>,
    /// The password; UTF-8.
    pub password: Option<Arc<Secret>>,
}

/// On how many replicas a careful write is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replicas {
    /// On one, if the primary has lately had any.
    Auto,
    /// On exactly so many.
    Exactly(u16),
}

/// How changes by other nodes are heard of; the same on all nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invalidation {
    /// The server says which of our keys were changed, whoever did it.
    Tracking,
    /// Whoever changes a record publishes its key.
    PubSub,
}

/// How the servers are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat {
    /// How often.
    pub every: Duration,
    /// How long an answer may take.
    pub deadline: Duration,
}

/// All of it.
#[derive(Clone)]
pub struct RedisSettings {
    /// The servers.
    pub servers: Servers,
    /// Who we are.
    pub account: Account,
    /// The number of the database; 0 in a cluster.
    pub database: u32,
    /// What every name of ours begins with: letters, digits, `.`, `_` and `-`.
    pub prefix: Box<str>,
    /// How long a call may take in all.
    pub timeout: Duration,
    /// How careful writes are confirmed.
    pub replicas: Replicas,
    /// How changes are heard of.
    pub invalidation: Invalidation,
    /// How servers and sentinels prove themselves; `None` is clear text.
    pub tls: Option<Arc<ClientConfig>>,
    /// How servers are watched.
    pub heartbeat: Heartbeat,
}

impl Heartbeat {
    /// From one beat to the end of the next, at worst.
    #[must_use]
    pub fn round(self) -> Duration {
        self.every + self.deadline
    }

    /// How long what was heard is believed: two beats may be as far apart.
    #[must_use]
    pub fn lease(self) -> Duration {
        self.round() * 2
    }
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self { every: Duration::from_millis(250), deadline: Duration::from_millis(500) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = (&self.host, self.port);
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { servers, account, database, prefix, timeout, replicas, invalidation, .. } = self;
        f.debug_struct("RedisSettings")
            .field("servers", servers)
            .field("account", account)
            .field("database", database)
            .field("prefix", prefix)
            .field("timeout", timeout)
            .field("replicas", replicas)
            .field("invalidation", invalidation)
            .field("tls", &self.tls.is_some())
            .field("heartbeat", &self.heartbeat)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_shown_as_it_is_written_in_urls() {
        let place = |host: &str| Place { host: host.into(), port: 6379 }.to_string();
        assert_eq!(place("redis.example.com"), "redis.example.com:6379");
        assert_eq!(place("::1"), "[::1]:6379");
    }
}
