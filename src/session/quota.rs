//! Quotas on opening sessions, so that nobody fills a store by asking (SEMANTICS S10).

use std::net::IpAddr;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

type Limiter<K, C> = RateLimiter<K, DashMapStateStore<K>, C, NoOpMiddleware<<C as Clock>::Instant>>;

use crate::domain::network::site;
use crate::session::settings::Quotas;

/// More sessions than the quota allows; refuse to open another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many sessions opened")]
pub struct QuotaExceeded;

/// Counts openings by client and by master.
pub struct OpeningQuotas<C: Clock = DefaultClock> {
    by_client: Limiter<IpAddr, C>,
    by_master: Limiter<Box<str>, C>,
}

/// Who opens a session, as far as quotas care.
#[derive(Debug, Clone, Copy)]
pub struct Opener<'a> {
    /// The master that asserted the identity.
    pub master: &'a str,
    /// The client, if the master reports it; without that all users share the master's address,
    /// and a quota by address would lock all of them out.
    pub client: Option<IpAddr>,
}

impl OpeningQuotas {
    /// Quotas on the process's own clock.
    #[must_use]
    pub fn new(quotas: Quotas) -> Self {
        Self::with_clock(quotas, DefaultClock::default())
    }
}

impl<C: Clock + Clone> OpeningQuotas<C> {
    /// Quotas on a clock of the caller's.
    pub fn with_clock(quotas: Quotas, clock: C) -> Self {
        let by_client = Quota::per_minute(quotas.per_client);
        let by_master = Quota::per_minute(quotas.per_master);
        Self {
            by_client: RateLimiter::new(by_client, DashMapStateStore::default(), clock.clone()),
            by_master: RateLimiter::new(by_master, DashMapStateStore::default(), clock),
        }
    }

    /// Takes one opening from the quotas of `opener`.
    ///
    /// # Errors
    /// A quota is used up: the client's is asked first, so one client cannot use up its master's.
    pub fn take(&self, opener: Opener<'_>) -> Result<(), QuotaExceeded> {
        if let Some(client) = opener.client {
            self.by_client.check_key(&site(client)).map_err(|_| QuotaExceeded)?;
        }
        self.by_master.check_key(&opener.master.into()).map_err(|_| QuotaExceeded)
    }

    /// Forgets clients whose quota is whole again; called with every sweep.
    pub fn forget_idle(&self) {
        self.by_client.retain_recent();
        self.by_client.shrink_to_fit();
    }
}

impl<C: Clock> std::fmt::Debug for OpeningQuotas<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OpeningQuotas({} clients)", self.by_client.len())
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use governor::clock::FakeRelativeClock;

    use super::*;

    fn quotas(
        per_client: u32,
        per_master: u32,
        clock: &FakeRelativeClock,
    ) -> OpeningQuotas<FakeRelativeClock> {
        let count = |n| NonZeroU32::new(n).unwrap();
        let quotas = Quotas { per_client: count(per_client), per_master: count(per_master) };
        OpeningQuotas::with_clock(quotas, clock.clone())
    }

    fn opener(client: &str) -> Opener<'static> {
        Opener { master: "sso", client: Some(client.parse().unwrap()) }
    }

    #[test]
    fn a_client_that_opens_too_many_is_stopped_and_others_are_not() {
        let clock = FakeRelativeClock::default();
        let quotas = quotas(3, 100, &clock);
        let opened = |client| (0..10).filter(|_| quotas.take(opener(client)).is_ok()).count();
        assert_eq!(opened("203.0.113.7"), 3);
        assert_eq!(opened("203.0.113.8"), 3);
        assert_eq!(opened("2001:db8::1"), 3);
        assert_eq!(opened("2001:db8::2"), 0);
        assert_eq!(opened("2001:db8:0:1::2"), 3);
        clock.advance(Duration::from_secs(61));
        assert_eq!(opened("203.0.113.7"), 3);
    }

    #[test]
    fn users_of_a_master_that_reports_no_clients_share_only_the_masters_quota() {
        let quotas = quotas(1, 5, &FakeRelativeClock::default());
        let opener = Opener { master: "sso", client: None };
        assert_eq!((0..10).filter(|_| quotas.take(opener).is_ok()).count(), 5);
        assert!(quotas.take(Opener { master: "other", client: None }).is_ok());
    }
}
