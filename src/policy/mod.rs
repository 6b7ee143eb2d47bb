//! The pure rules: who is trusted, what a master asserts, what an application allows.
//!
//! Must not know: stores, sessions' life, HTTP, YAML, the clock. Everything here is compiled once at
//! load; asking it allocates nothing and cannot fail except into a [`Reason`](crate::domain::decision::Reason).

pub mod application;
pub mod assertion;
pub mod definitions;
pub mod export;
pub mod expr;
pub mod host_tree;
pub mod return_url;
pub mod rule;
pub mod slave;
pub mod trust;

use std::sync::Arc;

use crate::policy::application::Applications;
use crate::policy::assertion::Assertions;
use crate::policy::definitions::Definitions;
use crate::policy::return_url::ReturnUrls;
use crate::policy::slave::SlaveBackend;
use crate::policy::trust::Trust;

/// Everything that decides, compiled from one configuration.
#[derive(Debug)]
pub struct Policy {
    /// Proxies and masters.
    pub trust: Trust,
    /// Reads a master's headers.
    pub slave: SlaveBackend,
    /// Macros and groups.
    pub definitions: Arc<Definitions>,
    /// Protected virtual hosts.
    pub applications: Applications,
    /// Signs for the applications that want it; `None` without a key.
    pub assertions: Option<Assertions>,
    /// Where people may be sent back to after a login or a logout.
    pub return_urls: ReturnUrls,
}
