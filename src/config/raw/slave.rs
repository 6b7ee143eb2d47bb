//! `slave`: masters and what is read from their headers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::defaults;
use crate::config::raw_value::{OneOrMany, Ordered, RawLogo, RawSecret};
use crate::config::raw_variable::RawVariable;

/// What a backend may be used for.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawRole {
    /// Logging in.
    Authentication,
    /// Reading exported variables.
    Users,
}

/// The slave backend.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawSlave {
    /// Level of the sessions it opens, 0 to 255. Default: 2.
    pub auth_level: u8,
    /// The master's header with the login. Required.
    #[schemars(with = "String")]
    pub user_header: Option<String>,
    /// Regular expression that a login must match as a whole; bytes, ASCII classes.
    /// Default: `^[\w.\-@]+$`.
    pub user_pattern: String,
    /// `authentication`, and `users` to read `exported_vars` too. Default: both.
    pub roles: Vec<RawRole>,
    /// Who may assert identities; of several that match a request the first is taken. Default: nobody.
    pub masters: Vec<RawMaster>,
    /// Variables, each with the master's header that it is read from. Default: none.
    pub exported_vars: Ordered<RawVariable>,
    /// Picture on the page of `portal.choice`: `true` for the built-in one, or the path of your own (png,
    /// svg, jpg, webp or gif, at most 256 KiB). Default: false.
    #[schemars(with = "RawLogo")]
    pub display_logo: Option<RawLogo>,
}

/// A master.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawMaster {
    /// Its name: 1 to 32 of `a-z 0-9 _ -`. Required.
    #[schemars(with = "String")]
    pub name: Option<String>,
    /// Where it speaks from: addresses and CIDR networks, a list or one text separated by blanks or
    /// commas. Default: empty, which is not checked.
    pub ips: OneOrMany,
    /// The header by which it proves itself. Default: empty, which is not checked.
    pub control_header: String,
    /// What that header must hold: a text, `{ file: ... }`, `{ env: ... }`, or a list of them while you
    /// rotate. Default: none.
    #[schemars(with = "RawSecret")]
    pub control_content: Option<RawSecret>,
    /// The realm of its users. Default: empty.
    pub realm: String,
    /// Whether the address left of the master in `X-Forwarded-For` is the user's. Default: false.
    pub reports_client: bool,
    /// A field of the client's certificate that it must pass on. Default: not checked.
    #[schemars(with = "RawCertificate")]
    pub certificate: Option<RawCertificate>,
    /// Must be true for a master with neither `ips` nor `control_header`: anybody may then assert
    /// anything. Default: false.
    pub anyone: bool,
}

/// A certificate check.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawCertificate {
    /// The header that carries the field. Required.
    #[schemars(with = "String")]
    pub header: Option<String>,
    /// Regular expression that the whole value must match; bytes, ASCII classes. Required.
    #[schemars(with = "String")]
    pub pattern: Option<String>,
}

impl Default for RawSlave {
    fn default() -> Self {
        Self {
            auth_level: defaults::AUTH_LEVEL,
            user_header: None,
            user_pattern: defaults::USER_PATTERN.to_owned(),
            roles: vec![RawRole::Authentication, RawRole::Users],
            masters: Vec::new(),
            exported_vars: Ordered::default(),
            display_logo: None,
        }
    }
}
