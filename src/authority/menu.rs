//! The menu: the applications that a person may begin with.

use crate::authority::Authority;
use crate::domain::explanation::Happening;
use crate::domain::request::Scheme;
use crate::domain::target::Target;
use crate::domain::time::Timestamp;
use crate::policy::rule::clause::{Facts, Who};
use crate::policy::rule::{Effect, Outcome, Verdict};
use crate::session::record::Session;

/// One application of a menu.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MenuEntry<'a> {
    /// Its configured name.
    pub name: &'a str,
    /// Where it begins.
    pub url: &'a str,
}

impl Authority {
    /// The applications whose first page the rules open to `session`, in the order of the configuration.
    #[must_use]
    pub fn menu(&self, session: &Session, now: Timestamp) -> Vec<MenuEntry<'_>> {
        let opens = |effect, scheme| match effect {
            Effect::Allow(requirement) => {
                let met = self.met_for(requirement, session, scheme, now, &mut Happening);
                !requirement.master && met.is_ok()
            }
            Effect::Unprotect | Effect::Skip => true,
            Effect::Deny | Effect::Logout | Effect::Maintenance => false,
        };
        let completed = self.derivations.complete(session);
        self.policy
            .applications
            .iter()
            .filter_map(|application| {
                let url = application.url.as_ref()?;
                let target = Target::parse(url.path().as_bytes(), application.path_forms).ok()?;
                let who = Who::Somebody(&completed);
                let client = session.client();
                let scheme = if url.scheme() == "http" { Scheme::Http } else { Scheme::Https };
                let host = url.host_str().unwrap_or_default();
                let query = url.query().map(str::as_bytes);
                let facts = Facts { method: "GET", host, scheme, query, client, now, who };
                match application.rules.outcome(&target, &facts, &mut Happening) {
                    Outcome::Matched(Verdict { effect, .. }) if opens(effect, scheme) => {
                        Some(MenuEntry { name: &application.name, url: url.as_str() })
                    }
                    Outcome::Matched(_)
                    | Outcome::Unmatched
                    | Outcome::Undecided
                    | Outcome::Failed { .. } => None,
                }
            })
            .collect()
    }
}
