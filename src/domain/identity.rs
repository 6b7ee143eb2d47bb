//! Who somebody is: the words that a master asserts and that a session keeps.

use std::net::IpAddr;

/// One exported variable and its values, borrowed from wherever they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// The variable's name as configured.
    pub name: &'a str,
    /// The value as received.
    pub text: &'a str,
    /// What separates items where the variable is a list.
    pub separator: Option<&'a str>,
}

impl<'a> Attribute<'a> {
    /// The values: one for a text, the trimmed non-empty items for a list.
    pub fn values(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let separator = self.separator;
        let list = separator.map(|by| self.text.split(by));
        let single = if separator.is_none() { Some(self.text) } else { None };
        list.into_iter()
            .flatten()
            .map(|item| item.trim_matches(' '))
            .filter(|item| !item.is_empty())
            .chain(single.filter(|text| !text.is_empty()))
    }
}

/// An identity asserted by an accredited master on this request, borrowed from its headers.
#[derive(Debug, Clone)]
pub struct Asserted<'a> {
    /// The master's name.
    pub master: &'a str,
    /// The realm that the master speaks for.
    pub realm: &'a str,
    /// The login.
    pub user: &'a str,
    /// The level that the slave backend gives.
    pub level: u8,
    /// The client's address.
    pub client: IpAddr,
    /// The same, if it is the master's word and not just the master's own address.
    pub reported_client: Option<IpAddr>,
    /// Exported variables that are present, in the order of the configuration.
    pub attributes: smallvec::SmallVec<[Attribute<'a>; 8]>,
}

/// Whose a session is: equal in all three parts, byte for byte, is the same user (SEMANTICS S1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Owner<'a> {
    /// The master's name.
    pub master: &'a str,
    /// The realm that the master speaks for.
    pub realm: &'a str,
    /// The login.
    pub user: &'a str,
}

impl<'a> Asserted<'a> {
    /// Whom the master asserts.
    #[must_use]
    pub const fn owner(&self) -> Owner<'a> {
        Owner { master: self.master, realm: self.realm, user: self.user }
    }
}

/// Somebody as rules see them, be it a session or what a master asserts before there is one.
pub trait IdentityView {
    /// Whose identity it is.
    fn owner(&self) -> Owner<'_>;

    /// The level.
    fn level(&self) -> u8;

    /// Whether `value` is the variable's value, or one of them if it is a list.
    fn has(&self, variable: &str, value: &str) -> bool;
}

impl IdentityView for Asserted<'_> {
    fn owner(&self) -> Owner<'_> {
        self.owner()
    }

    fn level(&self) -> u8 {
        self.level
    }

    fn has(&self, variable: &str, value: &str) -> bool {
        let named = self.attributes.iter().filter(|attribute| attribute.name == variable);
        named.flat_map(Attribute::values).any(|one| one == value)
    }
}

/// A session's key in caches and stores: a hash from which no cookie can be made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionKey(pub [u8; 32]);

impl std::fmt::Debug for SessionKey {
    /// The short form: enough to find a session in two logs, not enough to find it in a dump.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().take(6).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values<'a>(text: &'a str, separator: Option<&'a str>) -> Vec<&'a str> {
        Attribute { name: "groups", text, separator }.values().collect()
    }

    #[test]
    fn a_list_has_trimmed_items_and_a_text_is_one_value() {
        assert_eq!(values("admins; users;;  a b ", Some(";")), ["admins", "users", "a b"]);
        assert_eq!(values("admins; users", None), ["admins; users"]);
        assert_eq!(values("", None), Vec::<&str>::new());
        assert_eq!(values(" ; ", Some(";")), Vec::<&str>::new());
    }
}
