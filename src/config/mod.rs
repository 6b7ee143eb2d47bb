//! `config.yaml`: from text with positions to every floor's settings.
//!
//! The only module that knows YAML. [`load`] returns all errors of a file at once, each with its place and
//! its remedy; what it returns needs no further checks.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::domain::secret::Secret;
use crate::policy::Policy;
use crate::session::settings::SessionSettings;
use crate::telemetry::log::LogSettings;

/// Where the daemon listens.
#[derive(Debug, Clone)]
pub struct ListenSettings {
    /// Subrequests and the portal.
    pub public: SocketAddr,
    /// Metrics and health; `None` is off.
    pub admin: Option<SocketAddr>,
}

/// The portal, as people and redirects see it.
#[derive(Debug, Clone)]
pub struct PortalSettings {
    /// Its URL, with a trailing slash.
    pub url: Box<str>,
    /// Values of `lmAuth` that mean the slave backend; `None` ignores `lmAuth`.
    pub choice: Option<Vec<Box<str>>>,
}

/// Where records live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreSettings {
    /// In this process only.
    Memory,
    /// In a redb file.
    Embedded {
        /// The file; its folder is created if absent.
        path: PathBuf,
    },
}

/// Where a key comes from. Nothing is created here: that is the daemon's first start.
#[derive(Debug)]
pub enum KeySource {
    /// A file, created with a random key if absent.
    File(PathBuf),
    /// The key itself, from an environment variable.
    Given(Secret),
}

/// A checked configuration.
#[derive(Debug)]
pub struct Settings {
    /// Listeners.
    pub listen: ListenSettings,
    /// The portal.
    pub portal: PortalSettings,
    /// What decides.
    pub policy: Policy,
    /// Sessions.
    pub sessions: SessionSettings,
    /// The key of fingerprints.
    pub sessions_key: KeySource,
    /// The store.
    pub store: StoreSettings,
    /// The log.
    pub log: LogSettings,
    /// The audit file; `None` writes audit lines to the log.
    pub audit: Option<PathBuf>,
    /// What is allowed but probably not meant; one line each.
    pub warnings: Vec<String>,
}
