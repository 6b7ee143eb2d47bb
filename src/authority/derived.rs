//! What definitions made of identities, kept: rules ask on each request, and before there is a session.
//!
//! The key is the identity itself, not a session's: the master's word on a request and the session that
//! remembers it are one entry, so rules and exports cannot see two values. Nothing becomes stale, for a value
//! is a function of its key.

use std::cell::OnceCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use smallvec::SmallVec;

use crate::domain::identity::{IdentityView, Owner, Undefined};
use crate::policy::definitions::{Definitions, Derived};
use crate::policy::expr::Failure;

/// Bytes of results that are kept; losing one costs computing it again.
const MAX_BYTES: u64 = 32 << 20;
const ENTRY_OVERHEAD: usize = 300;
/// A usual identity; a larger one costs an allocation.
const STACK_BYTES: usize = 1024;

/// Everything that a definition may depend on, packed: every text behind its length.
type Packed = SmallVec<[u8; STACK_BYTES]>;

/// Macros and groups by identity.
#[derive(Debug)]
pub struct Derivations {
    definitions: Arc<Definitions>,
    /// Clients choose identities within what a master says, so it has moka's own hasher, which is keyed.
    cache: Cache<Box<[u8]>, Arc<Derived>>,
    /// Which failures the log knows already.
    told: Box<[AtomicBool]>,
}

impl Derivations {
    pub fn new(definitions: Arc<Definitions>) -> Self {
        let cache = Cache::<Box<[u8]>, Arc<Derived>>::builder()
            .max_capacity(MAX_BYTES)
            .weigher(|key, derived| {
                let bytes = key.len() + derived.size() + ENTRY_OVERHEAD;
                u32::try_from(bytes).unwrap_or(u32::MAX)
            })
            .eviction_policy(EvictionPolicy::lru())
            .build();
        let told = (0..definitions.count()).map(|_| AtomicBool::new(false)).collect();
        Self { definitions, cache, told }
    }

    /// `who` with what the definitions make of it, which is looked at once something asks for it.
    pub const fn complete<'a>(&'a self, who: &'a dyn IdentityView) -> Completed<'a> {
        Completed { who, derivations: self, derived: OnceCell::new() }
    }

    /// The names of all variables that definitions make, or add to.
    pub fn names(&self) -> Vec<&str> {
        self.definitions.names()
    }

    /// What `who` is called in logs, unless it is the login.
    pub fn trace_name(&self, who: &dyn IdentityView) -> Option<Box<str>> {
        self.definitions.trace_name(who)
    }

    fn of(&self, who: &dyn IdentityView) -> Arc<Derived> {
        let key = packed(who);
        if let Some(derived) = self.cache.get(key.as_slice()) {
            return derived;
        }
        let derived = self.definitions.derive(who, |at, kind, name, failure| {
            self.tell(at, kind, name, failure);
        });
        let derived = Arc::new(derived);
        self.cache.insert(key.as_slice().into(), Arc::clone(&derived));
        derived
    }

    /// Tells the operator that a definition fails; once for each, because users can repeat it.
    fn tell(&self, at: usize, kind: &'static str, name: &str, failure: Failure) {
        let is_news = self.told.get(at).is_some_and(|told| !told.swap(true, Ordering::Relaxed));
        if is_news {
            tracing::warn!(
                kind,
                name,
                cause = %failure,
                "a macro or the condition of a group fails; rules that ask for it deny, exports of it are not sent"
            );
        }
    }
}

fn packed(who: &dyn IdentityView) -> Packed {
    let mut packed = Packed::new();
    let mut add = |text: &str| {
        packed.extend_from_slice(&text.len().to_le_bytes());
        packed.extend_from_slice(text.as_bytes());
    };
    let Owner { master, realm, user } = who.owner();
    [master, realm, user].into_iter().for_each(&mut add);
    who.each_value(&mut |name, value| {
        add(name);
        add(value);
    });
    packed
}

/// An identity with what the definitions make of it.
pub struct Completed<'a> {
    who: &'a dyn IdentityView,
    derivations: &'a Derivations,
    derived: OnceCell<Arc<Derived>>,
}

impl IdentityView for Completed<'_> {
    fn owner(&self) -> Owner<'_> {
        self.who.owner()
    }

    fn level(&self) -> u8 {
        self.who.level()
    }

    fn each_value(&self, each: &mut dyn FnMut(&str, &str)) {
        self.who.each_value(each);
    }

    fn values(&self, variable: &str, each: &mut dyn FnMut(&str)) -> Result<(), Undefined> {
        match self.derivations.definitions.find(variable) {
            None => self.who.values(variable, each),
            Some(defined) => {
                let derived = self.derived.get_or_init(|| self.derivations.of(self.who));
                derived.values(defined, each)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An identity of these texts.
    #[derive(Debug, Clone, PartialEq)]
    struct Someone([String; 3], Vec<(String, String)>);

    impl IdentityView for Someone {
        fn owner(&self) -> Owner<'_> {
            let [master, realm, user] = &self.0;
            Owner { master, realm, user }
        }

        fn level(&self) -> u8 {
            2
        }

        fn each_value(&self, each: &mut dyn FnMut(&str, &str)) {
            self.1.iter().for_each(|(name, value)| each(name, value));
        }
    }

    fn someone() -> impl Strategy<Value = Someone> {
        let text = || "[ab]{0,2}";
        (prop::array::uniform3(text()), prop::collection::vec((text(), text()), 0..3))
            .prop_map(|(owner, values)| Someone(owner, values))
    }

    proptest! {
        #[test]
        fn two_identities_are_one_entry_only_if_they_are_one(one in someone(), other in someone()) {
            prop_assert_eq!(packed(&one) == packed(&other), one == other);
        }
    }

    #[test]
    fn a_text_that_moves_to_the_next_place_makes_another_identity() {
        let texts = |owner: [&str; 3]| Someone(owner.map(str::to_owned), Vec::new());
        let value = |name: &str, value: &str| {
            Someone(texts(["m", "", "u"]).0, vec![(name.to_owned(), value.to_owned())])
        };
        assert_ne!(packed(&texts(["ab", "", "c"])), packed(&texts(["a", "b", "c"])));
        assert_ne!(packed(&value("ab", "c")), packed(&value("a", "bc")));
        assert_ne!(packed(&value("", "")), packed(&texts(["m", "", "u"])));
    }
}
