//! Who a question is about: names and realms as they were typed, and the users that are known.
//!
//! Must not know: tokens, stores.

use std::collections::{BTreeSet, HashMap};

use crate::mfa::settings::{User, Users};

/// A user's name and realm as the local node knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// The name alone; empty if nobody was named.
    pub user: Box<str>,
    /// The realm, lower case.
    pub realm: Box<str>,
}

/// Users by realm and name.
type Listed = HashMap<(Box<str>, Box<str>), Vec<User>>;

/// The users of the file, and the realms that there are.
#[derive(Debug)]
pub(super) struct People {
    default_realm: Box<str>,
    realms: BTreeSet<Box<str>>,
    resolvers: BTreeSet<Box<str>>,
    /// A name may stand in several resolvers, the first of which counts. `None` without a file.
    users: Option<Listed>,
}

impl People {
    pub(super) fn new(users: Option<Users>, default_realm: &str) -> Self {
        let default_realm: Box<str> = default_realm.to_lowercase().into();
        let mut realms = BTreeSet::from([default_realm.clone()]);
        let mut resolvers = BTreeSet::new();
        let users = users.map(|Users(list)| {
            let mut users = Listed::with_capacity(list.len());
            for user in list {
                let realm: Box<str> = user.realm.to_lowercase().into();
                realms.insert(realm.clone());
                resolvers.insert(user.resolver.clone());
                users.entry((realm, user.name.clone())).or_default().push(user);
            }
            users
        });
        Self { default_realm, realms, resolvers, users }
    }

    /// The realms that there are: the default one and those of the users.
    pub(super) fn realms(&self) -> impl Iterator<Item = &str> {
        self.realms.iter().map(AsRef::as_ref)
    }

    /// Source: eduMFA, golden `check_user_at_realm_ok`, `check_realm_param_beats_at`,
    /// `check_realm_backslash_user_ok`, `check_unknown_realm_at`, `check_user_spaces_ok`. Other than there, what
    /// stands in front of a backslash is cut off only if it is a realm.
    pub(super) fn resolve(&self, user: &str, realm: &str) -> Who {
        let user = user.trim();
        let known = |realm: &str| {
            let realm = realm.to_lowercase();
            self.realms.contains(realm.as_str()).then_some(realm)
        };
        let split =
            user.rsplit_once('@').and_then(|(name, realm)| Some((name, known(realm)?))).or_else(
                || user.split_once('\\').and_then(|(realm, name)| Some((name, known(realm)?))),
            );
        let (user, named) = split.map_or((user, None), |(name, realm)| (name, Some(realm)));
        let realm = match realm.trim() {
            "" => named.unwrap_or_else(|| self.default_realm.to_string()),
            realm => realm.to_lowercase(),
        };
        Who { user: user.into(), realm: realm.into() }
    }

    /// Whether there is a file, so that who is not in it does not exist.
    pub(super) const fn are_listed(&self) -> bool {
        self.users.is_some()
    }

    /// The user, from the file; from this resolver, if one is named.
    pub(super) fn find(&self, who: &Who, resolver: &str) -> Option<&User> {
        let key = (who.realm.clone(), who.user.clone());
        let mut users = self.users.as_ref()?.get(&key)?.iter();
        users.find(|user| resolver.is_empty() || *user.resolver == *resolver)
    }

    /// Whether somebody is in this resolver; without a file nobody can tell, so any may exist.
    pub(super) fn has_resolver(&self, resolver: &str) -> bool {
        !self.are_listed() || self.resolvers.contains(resolver)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mfa::node::local::testing::users;

    fn people() -> People {
        People::new(Some(users(&[("alice", "crealm", "a"), ("alice", "Second", "b")])), "CRealm")
    }

    #[test]
    fn a_realm_is_cut_off_a_name_only_if_there_is_such_a_realm() {
        for (user, realm, expected) in [
            ("alice", "", ("alice", "crealm")),
            (" alice ", "", ("alice", "crealm")),
            ("alice@second", "", ("alice", "second")),
            ("alice@SECOND", "", ("alice", "second")),
            ("alice@crealm", "second", ("alice", "second")),
            ("alice@nosuch", "", ("alice@nosuch", "crealm")),
            ("alice@nosuch", "second", ("alice@nosuch", "second")),
            ("a@b@second", "", ("a@b", "second")),
            ("second\\alice", "", ("alice", "second")),
            ("nosuch\\alice", "", ("nosuch\\alice", "crealm")),
            ("alice", "NOSUCH", ("alice", "nosuch")),
            ("", "", ("", "crealm")),
            ("@", "", ("@", "crealm")),
        ] {
            let who = people().resolve(user, realm);
            assert_eq!((&*who.user, &*who.realm), expected, "{user} {realm}");
        }
    }

    #[test]
    fn a_user_is_found_in_its_own_realm_and_resolver() {
        let (people, who) = (people(), people().resolve("alice@second", ""));
        assert_eq!(&*people.find(&who, "").unwrap().resolver, "b");
        assert!(people.find(&who, "b").is_some() && people.find(&who, "a").is_none());
        assert!(people.find(&people.resolve("Alice", ""), "").is_none());
        assert!(people.has_resolver("a") && !people.has_resolver("c"));
        assert_eq!(people.realms().collect::<Vec<_>>(), ["crealm", "second"]);
        assert!(People::new(None, "r").has_resolver("any"));
    }
}
