//! A session as policy sees it.

use std::net::IpAddr;

use crate::domain::time::Timestamp;
use crate::policy::export::IdentityView;
use crate::session::record::Session;

/// Shows a session to the policy floor, which does not know sessions.
pub struct Portrait<'s>(pub &'s Session);

impl IdentityView for Portrait<'_> {
    fn user(&self) -> &str {
        self.0.user()
    }

    fn realm(&self) -> &str {
        self.0.realm()
    }

    fn master(&self) -> &str {
        self.0.master()
    }

    fn level(&self) -> u8 {
        self.0.level()
    }

    fn client(&self) -> IpAddr {
        self.0.client()
    }

    fn created(&self) -> Timestamp {
        self.0.created()
    }

    fn values(&self, name: &str, each: &mut dyn FnMut(&str)) {
        self.0.each_value(|candidate, value| {
            if candidate == name {
                each(value);
            }
        });
    }
}
