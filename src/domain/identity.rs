//! Who somebody is: the words that a master asserts and that a session keeps.

use std::net::IpAddr;

/// One exported variable and its values, borrowed from wherever they stand unless they were decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// The variable's name as configured.
    pub name: &'a str,
    values: Values<'a>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Values<'a> {
    /// As received; split when they are asked for, so that it costs nothing to have them.
    Received {
        text: &'a str,
        separator: Option<&'a str>,
    },
    Decoded(Box<[Box<str>]>),
}

impl<'a> Attribute<'a> {
    /// One whose text is the header's value; with a separator it is a list.
    #[must_use]
    pub const fn received(name: &'a str, text: &'a str, separator: Option<&'a str>) -> Self {
        Self { name, values: Values::Received { text, separator } }
    }

    /// One whose values had to be decoded; none of them is empty.
    #[must_use]
    pub const fn decoded(name: &'a str, values: Box<[Box<str>]>) -> Self {
        Self { name, values: Values::Decoded(values) }
    }

    /// The values: one for a text, the trimmed non-empty items for a list.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        let (text, separator, decoded) = match &self.values {
            Values::Received { text, separator } => (*text, *separator, &[][..]),
            Values::Decoded(values) => ("", None, &**values),
        };
        items(text, separator).chain(decoded.iter().map(|value| &**value))
    }
}

/// The text itself, or the trimmed non-empty items of a list; nothing for an empty one.
pub fn items<'t>(text: &'t str, separator: Option<&str>) -> impl Iterator<Item = &'t str> {
    let list = separator.map(|by| text.split(by));
    let single = if separator.is_none() { Some(text) } else { None };
    list.into_iter()
        .flatten()
        .map(|item| item.trim_matches(' '))
        .filter(|item| !item.is_empty())
        .chain(single.filter(|text| !text.is_empty()))
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

    /// Calls `each` with the name and every value of every variable that a master sent.
    fn each_value(&self, each: &mut dyn FnMut(&str, &str));

    /// Calls `each` with every value of `variable`, be it sent or defined in the configuration.
    ///
    /// # Errors
    /// What defines it failed: whoever asks must refuse (R4).
    fn values(&self, variable: &str, each: &mut dyn FnMut(&str)) -> Result<(), Undefined> {
        self.each_value(&mut |name, value| {
            if name == variable {
                each(value);
            }
        });
        Ok(())
    }
}

/// A macro, or the condition of a group, has no value for this identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a macro or the condition of a group has no value")]
pub struct Undefined;

impl IdentityView for Asserted<'_> {
    fn owner(&self) -> Owner<'_> {
        self.owner()
    }

    fn level(&self) -> u8 {
        self.level
    }

    fn each_value(&self, each: &mut dyn FnMut(&str, &str)) {
        for attribute in &self.attributes {
            attribute.values().for_each(|value| each(attribute.name, value));
        }
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

    fn values(text: &str, separator: Option<&str>) -> Vec<String> {
        Attribute::received("groups", text, separator).values().map(str::to_owned).collect()
    }

    #[test]
    fn a_list_has_trimmed_items_and_a_text_is_one_value() {
        assert_eq!(values("admins; users;;  a b ", Some(";")), ["admins", "users", "a b"]);
        assert_eq!(values("admins; users", None), ["admins; users"]);
        assert_eq!(values("", None), [""; 0]);
        assert_eq!(values(" ; ", Some(";")), [""; 0]);
    }

    #[test]
    fn decoded_values_are_not_split_again() {
        let values = ["a;b".into(), " c".into()];
        let attribute = Attribute::decoded("groups", values.into());
        assert_eq!(attribute.values().collect::<Vec<_>>(), ["a;b", " c"]);
    }

    #[test]
    fn an_attribute_is_as_small_as_three_texts() {
        // Eight of them stand on the stack of every decision about a master's request.
        assert!(size_of::<Attribute<'_>>() <= 3 * size_of::<&str>());
    }
}
