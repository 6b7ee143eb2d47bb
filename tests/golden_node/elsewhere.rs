//! Recordings that are about something else than what a node answers, and where that is tested; or about something
//! that our node does not have.

use std::fmt;

use crate::differences::matches;

/// Some recordings and why they are not asked again here.
pub struct Elsewhere {
    /// The recordings; `*` is any text.
    pub recordings: &'static [&'static str],
    /// Why not here.
    pub reason: &'static str,
}

impl Elsewhere {
    /// Whether it speaks about the recording called `name`.
    pub fn is_about(&self, name: &str) -> bool {
        self.recordings.iter().any(|pattern| matches(pattern, name))
    }
}

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.recordings.join(" "), self.reason)
    }
}

pub const ELSEWHERE: &[Elsewhere] = &[
    Elsewhere {
        recordings: &["check_api_key_missing", "triggerchallenge_no_auth"],
        reason: "who may ask is the authority's matter (F9): tests/federation/callers.rs",
    },
    Elsewhere {
        recordings: &["check_method_*", "check_trailing_slash"],
        reason: "paths and methods are the edge's",
    },
    Elsewhere {
        recordings: &["fed_url_no_scheme", "fed_server_definition_gone*", "fed_unknown_module"],
        reason: "such a configuration is refused at load: src/config/compile/mfa",
    },
    Elsewhere {
        recordings: &["fed_tls_noverify_selfsigned"],
        reason: "certificates are the connection's matter, and nothing here has one",
    },
    Elsewhere {
        recordings: &["check_revoked_*", "check_maxsuccess_*"],
        reason: "our tokens are disabled or removed, not revoked, and have no number of uses",
    },
    Elsewhere {
        recordings: &["fed_policy_add_user", "fed_policy_no_detail_*", "fed_policy_tokentype"],
        reason: "there are no policies that change a node's answer",
    },
];
