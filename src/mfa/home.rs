//! Homes: which server has accepted a user before, so that it is asked first and others are spared (SEMANTICS F5).
//!
//! Only a matter of order, and only in this process: what is forgotten is learned again. Must not know: whether a
//! server may be asked.

use moka::sync::Cache;

/// Homes that are kept; of more the least used are forgotten.
const HOMES: u64 = 100_000;

/// Where users were accepted, by realm and user.
#[derive(Debug)]
pub struct Homes(Cache<(Box<str>, Box<str>), usize>);

impl Default for Homes {
    fn default() -> Self {
        Self(Cache::new(HOMES))
    }
}

impl Homes {
    /// The server that accepted this user the last time.
    #[must_use]
    pub fn of(&self, realm: &str, user: &str) -> Option<usize> {
        self.0.get(&key(realm, user))
    }

    /// This server accepted the user, with a serial.
    pub fn learn(&self, realm: &str, user: &str, server: usize) {
        self.0.insert(key(realm, user), server);
    }

    /// It did not, this time.
    pub fn forget(&self, realm: &str, user: &str) {
        self.0.invalidate(&key(realm, user));
    }
}

fn key(realm: &str, user: &str) -> (Box<str>, Box<str>) {
    (realm.into(), user.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_of_one_user_in_one_realm_until_it_is_forgotten() {
        let homes = Homes::default();
        homes.learn("hq", "alice", 1);
        assert_eq!(homes.of("hq", "alice"), Some(1));
        assert_eq!((homes.of("hq", "Alice"), homes.of("", "alice")), (None, None));
        homes.learn("hq", "alice", 2);
        assert_eq!(homes.of("hq", "alice"), Some(2));
        homes.forget("hq", "alice");
        assert_eq!(homes.of("hq", "alice"), None);
    }
}
