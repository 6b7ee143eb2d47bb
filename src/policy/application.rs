//! Applications, found by host: exact names first, then the longest wildcard (SEMANTICS R3).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::domain::location::Location;
use crate::domain::target::PathForms;
use crate::policy::export::Exports;
use crate::policy::host_tree::HostTree;
use crate::policy::rule::Rules;

/// An application's place in the configuration; key of caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ApplicationId(pub u32);

/// A protected virtual host.
#[derive(Debug)]
pub struct Application {
    /// Its place in the configuration.
    pub id: ApplicationId,
    /// Its configured name; label of metrics.
    pub name: Arc<str>,
    /// Its place in `config.yaml`.
    pub at: Location,
    /// What it reads in paths besides the canonical spelling.
    pub path_forms: PathForms,
    /// Who may do what.
    pub rules: Rules,
    /// What it is told.
    pub exports: Exports,
    /// Where people begin; `None` keeps it out of their menu.
    pub url: Option<Url>,
    /// For how long an allow may be reused without asking; zero: not at all (SEMANTICS D5).
    pub reuse: Duration,
    /// Whether every request is refused for now.
    pub in_maintenance: bool,
    /// Whether it is told who is asking in a signed token, too (SEMANTICS R5).
    pub assertion: bool,
    /// Whether a second factor may ride along with a request (SEMANTICS F11).
    pub factor_in_request: bool,
}

/// A host that two applications claim.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("host '{0}' is already taken by another application; give each host to one")]
pub struct HostTaken(pub String);

/// All applications, by host.
#[derive(Debug, Default)]
pub struct Applications {
    list: Vec<Application>,
    names: HashMap<Arc<str>, u32>,
    exact: HashMap<Box<str>, u32>,
    wildcard: HostTree,
}

impl Applications {
    /// Adds an application; its hosts follow with [`Applications::add_host`].
    pub fn add(
        &mut self,
        name: Arc<str>,
        path_forms: PathForms,
        rules: Rules,
        exports: Exports,
        url: Option<Url>,
    ) -> ApplicationId {
        let id = ApplicationId(u32::try_from(self.list.len()).unwrap_or(u32::MAX));
        self.names.insert(Arc::clone(&name), id.0);
        let reuse = Duration::ZERO;
        self.list.push(Application {
            id,
            name,
            at: Location::default(),
            path_forms,
            rules,
            exports,
            url,
            reuse,
            in_maintenance: false,
            assertion: false,
            factor_in_request: false,
        });
        id
    }

    /// Says where `application` was written.
    pub fn place(&mut self, application: ApplicationId, at: Location) {
        if let Some(application) = self.list.get_mut(application.0 as usize) {
            application.at = at;
        }
    }

    /// Lets allows of `application` be reused for `time` without asking.
    pub fn let_reuse(&mut self, application: ApplicationId, time: Duration) {
        if let Some(application) = self.list.get_mut(application.0 as usize) {
            application.reuse = time;
        }
    }

    /// Has every request to `application` refused for now.
    pub fn suspend(&mut self, application: ApplicationId) {
        if let Some(application) = self.list.get_mut(application.0 as usize) {
            application.in_maintenance = true;
        }
    }

    /// Lets `application` have signed assertions.
    pub fn let_assert(&mut self, application: ApplicationId) {
        if let Some(application) = self.list.get_mut(application.0 as usize) {
            application.assertion = true;
        }
    }

    /// Lets a second factor ride along with requests to `application`.
    pub fn let_factors_ride(&mut self, application: ApplicationId) {
        if let Some(application) = self.list.get_mut(application.0 as usize) {
            application.factor_in_request = true;
        }
    }

    /// Makes `application` answer for `host`: a canonical name, or `*.` and one.
    ///
    /// # Errors
    /// The host is taken: name both places to the operator.
    pub fn add_host(&mut self, application: ApplicationId, host: &str) -> Result<(), HostTaken> {
        let taken = match host.strip_prefix("*.") {
            Some(suffix) => self.wildcard.insert(suffix, application.0),
            None => match self.exact.entry(host.into()) {
                Entry::Occupied(taken) => Some(*taken.get()),
                Entry::Vacant(free) => {
                    free.insert(application.0);
                    None
                }
            },
        };
        match taken {
            Some(_) => Err(HostTaken(host.to_owned())),
            None => Ok(()),
        }
    }

    /// The application of a canonical host: one hash for an exact name, one a label otherwise.
    #[must_use]
    pub fn find(&self, host: &str) -> Option<&Application> {
        let index = self.exact.get(host).copied().or_else(|| self.wildcard.find(host))?;
        self.list.get(index as usize)
    }

    /// The application of that name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Application> {
        let index = self.names.get(name)?;
        self.list.get(*index as usize)
    }

    /// All applications, in the order of the configuration.
    pub fn iter(&self) -> impl Iterator<Item = &Application> {
        self.list.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applications(hosts: &[(&str, &[&str])]) -> Applications {
        let mut applications = Applications::default();
        for (name, hosts) in hosts {
            let id = applications.add(
                (*name).into(),
                PathForms::STRICT,
                Rules::default(),
                Exports::new(Box::new([])),
                None,
            );
            for host in *hosts {
                applications.add_host(id, host).unwrap();
            }
        }
        applications
    }

    #[test]
    fn exact_names_come_before_the_longest_wildcard() {
        let applications = applications(&[
            ("wide", &["*.example.com"]),
            ("deep", &["*.apps.example.com"]),
            ("exact", &["wiki.apps.example.com", "example.com"]),
        ]);
        let name = |host| applications.find(host).map(|a| a.name.to_string());
        assert_eq!(name("wiki.apps.example.com").as_deref(), Some("exact"));
        assert_eq!(name("a.apps.example.com").as_deref(), Some("deep"));
        assert_eq!(name("a.b.apps.example.com").as_deref(), Some("deep"));
        assert_eq!(name("apps.example.com").as_deref(), Some("wide"));
        assert_eq!(name("a.example.com").as_deref(), Some("wide"));
        assert_eq!(name("example.com").as_deref(), Some("exact"));
    }

    #[test]
    fn labels_are_matched_whole() {
        // A45.
        let applications = applications(&[("wide", &["*.example.com"])]);
        for stranger in ["evilexample.com", "example.com.evil.test", "example.com", "com", ""] {
            assert!(applications.find(stranger).is_none(), "{stranger}");
        }
    }

    #[test]
    fn only_an_application_that_may_be_reused_is() {
        let mut applications =
            applications(&[("a", &["a.example.com"]), ("b", &["b.example.com"])]);
        applications.let_reuse(ApplicationId(1), Duration::from_secs(2));
        applications.let_reuse(ApplicationId(7), Duration::from_secs(7));
        let reuse = |host| applications.find(host).map(|found| found.reuse);
        assert_eq!(reuse("a.example.com"), Some(Duration::ZERO));
        assert_eq!(reuse("b.example.com"), Some(Duration::from_secs(2)));
    }

    #[test]
    fn a_host_belongs_to_one_application() {
        let mut applications = applications(&[("a", &["a.example.com"]), ("b", &[])]);
        let error = applications.add_host(ApplicationId(1), "a.example.com").unwrap_err();
        assert_eq!(error, HostTaken("a.example.com".into()));
        assert_eq!(applications.find("a.example.com").map(|a| a.id), Some(ApplicationId(0)));
    }
}
