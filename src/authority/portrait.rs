//! A session as policy sees it.

use std::net::IpAddr;

use crate::authority::derived::Completed;
use crate::domain::identity::{IdentityView, Owner, Undefined};
use crate::domain::time::Timestamp;
use crate::policy::export::SessionView;
use crate::session::record::Session;

/// A session with the level that counts on a request: over plain HTTP it may be less than the session's (S6).
#[derive(Clone, Copy)]
pub struct AtLevel<'s> {
    /// The session.
    pub session: &'s Session,
    /// The level that counts.
    pub level: u8,
}

impl IdentityView for AtLevel<'_> {
    fn owner(&self) -> Owner<'_> {
        self.session.owner()
    }

    fn level(&self) -> u8 {
        self.level
    }

    fn each_value(&self, each: &mut dyn FnMut(&str, &str)) {
        self.session.each_value(each);
    }
}

impl SessionView for AtLevel<'_> {
    fn client(&self) -> IpAddr {
        self.session.client()
    }

    fn created(&self) -> Timestamp {
        self.session.created()
    }

    fn has_factor(&self) -> bool {
        self.level == self.session.level() && self.session.factor_at().is_some()
    }
}

/// A session whose identity has what the definitions make of it.
pub struct Portrait<'s> {
    /// The session.
    pub session: AtLevel<'s>,
    /// Its identity.
    pub identity: Completed<'s>,
}

impl IdentityView for Portrait<'_> {
    fn owner(&self) -> Owner<'_> {
        self.session.session.owner()
    }

    fn level(&self) -> u8 {
        self.session.level
    }

    fn each_value(&self, each: &mut dyn FnMut(&str, &str)) {
        self.identity.each_value(each);
    }

    fn values(&self, variable: &str, each: &mut dyn FnMut(&str)) -> Result<(), Undefined> {
        self.identity.values(variable, each)
    }
}

impl SessionView for Portrait<'_> {
    fn client(&self) -> IpAddr {
        self.session.session.client()
    }

    fn created(&self) -> Timestamp {
        self.session.session.created()
    }

    fn has_factor(&self) -> bool {
        self.session.has_factor()
    }
}
