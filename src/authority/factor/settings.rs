//! What an operator may set about checks of second factors, checked.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::network::Networks;
use crate::domain::secret::SecretDigest;

/// What a checked factor is worth, and who may ask for checks.
#[derive(Debug)]
pub struct FactorSettings {
    /// The least level of a session that has a factor.
    pub auth_level: u8,
    /// Whether an acceptance that names no token counts (F1).
    pub accept_without_serial: bool,
    /// Who may ask at `/validate/*`; `None`: nobody, there is no such thing.
    pub validate: Option<ValidateSettings>,
    /// How failures slow down.
    pub regulation: RegulationSettings,
    /// Realms that are cut off a user's name before failures are counted: spellings of one user are one. Lower case.
    pub realms: Vec<Box<str>>,
}

/// Who may ask at `/validate/*` (F9). Where both are set, both are needed.
#[derive(Debug, Default)]
pub struct ValidateSettings {
    /// From where; empty is not asked for.
    pub callers: Networks,
    /// With one of these keys; empty is not asked for.
    pub keys: Vec<ApiKey>,
    /// Who is believed about the client's address.
    pub override_client: Networks,
}

/// A key of callers of `/validate/*`.
#[derive(Debug)]
pub struct ApiKey {
    /// `key-1`, `key-2`, ... in the order of the file; challenges belong to it.
    pub name: Arc<str>,
    /// Itself.
    pub digest: SecretDigest,
}

/// How failures slow down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegulationSettings {
    /// Failures of one user from one client that cost nothing.
    pub free_failures: u32,
    /// The pause after the next one; each further one doubles it.
    pub pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// Failures a minute of one client over all users.
    pub per_client: u32,
}

impl Default for RegulationSettings {
    fn default() -> Self {
        Self {
            free_failures: 5,
            pause: Duration::from_secs(1),
            longest_pause: Duration::from_mins(5),
            per_client: 30,
        }
    }
}
