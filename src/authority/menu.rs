//! The menu: the applications that a person may begin with.

use crate::authority::Authority;
use crate::domain::target::Target;
use crate::policy::rule::Effect;

/// One application of a menu.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MenuEntry<'a> {
    /// Its configured name.
    pub name: &'a str,
    /// Where it begins.
    pub url: &'a str,
}

impl Authority {
    /// The applications whose first page the rules open to a session, in the order of the
    /// configuration. It is everybody's menu as long as no rule asks whose session it is.
    #[must_use]
    pub fn menu(&self) -> Vec<MenuEntry<'_>> {
        let opens = |effect| match effect {
            Effect::Allow(requirement) => !requirement.master,
            Effect::Unprotect | Effect::Skip => true,
            Effect::Deny => false,
        };
        self.policy
            .applications
            .iter()
            .filter_map(|application| {
                let url = application.url.as_ref()?;
                let target = Target::parse(url.path().as_bytes(), application.path_forms).ok()?;
                let verdict = application.rules.verdict("GET", &target)?;
                opens(verdict.effect)
                    .then(|| MenuEntry { name: &application.name, url: url.as_str() })
            })
            .collect()
    }
}
