//! Exports: the headers that an application gets, rendered from an identity.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;

use crate::domain::decision::{ExportedHeader, ExportedHeaders};
use crate::domain::encoding::{DropReason, Encoding};
use crate::domain::identity::IdentityView;
use crate::domain::time::Timestamp;
use crate::policy::expr::ValueExpression;

/// What an export is rendered from: an identity, and what a session knows besides.
pub trait SessionView: IdentityView {
    /// The registered client address.
    fn client(&self) -> IpAddr;
    /// When the session was opened.
    fn created(&self) -> Timestamp;
    /// Whether a second factor was checked for it, and counts.
    fn has_factor(&self) -> bool;
}

/// A variable whose value can be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Variable {
    /// An exported variable or a macro; its values are joined with the separator it came with.
    Attribute {
        /// The variable's name.
        name: Box<str>,
        /// What joins several values.
        joiner: Box<str>,
        /// Whether the application is to split what it gets.
        is_list: bool,
    },
    /// `user`: the login.
    User,
    /// `realm`: the realm of the master.
    Realm,
    /// `master`: the name of the master.
    Master,
    /// `auth_level`: the level as a number.
    AuthLevel,
    /// `ipAddr`: the client address that was registered when the session was opened.
    ClientAddress,
    /// `created`: when the session was opened, in seconds since the epoch.
    Created,
}

impl Variable {
    /// The variables that exist without being exported by a master.
    pub const BUILT_IN: &[&str] = &["user", "realm", "master", "auth_level", "ipAddr", "created"];

    /// The built-in variable called `name`.
    #[must_use]
    pub fn built_in(name: &str) -> Option<Self> {
        Some(match name {
            "user" => Self::User,
            "realm" => Self::Realm,
            "master" => Self::Master,
            "auth_level" => Self::AuthLevel,
            "ipAddr" => Self::ClientAddress,
            "created" => Self::Created,
            _ => return None,
        })
    }

    /// What it is called in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Attribute { name, .. } => name,
            Self::User => "user",
            Self::Realm => "realm",
            Self::Master => "master",
            Self::AuthLevel => "auth_level",
            Self::ClientAddress => "ipAddr",
            Self::Created => "created",
        }
    }

    fn render(
        &self,
        identity: &dyn SessionView,
        encoding: Encoding,
    ) -> Result<Vec<u8>, DropReason> {
        match self {
            Self::Attribute { name, joiner, is_list } => {
                let mut joined = Joined::new(encoding, joiner, *is_list);
                let read = identity.values(name, &mut |value| joined.push(value));
                read.map_err(|_| DropReason::Failed).and(joined.bytes)
            }
            Self::User => encoding.encode(identity.owner().user),
            Self::Realm => encoding.encode(identity.owner().realm),
            Self::Master => encoding.encode(identity.owner().master),
            Self::AuthLevel => encoding.encode(&identity.level().to_string()),
            Self::ClientAddress => encoding.encode(&identity.client().to_string()),
            Self::Created => encoding.encode(&identity.created().as_seconds().to_string()),
        }
    }
}

/// Where an export's value comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A variable.
    Variable(Variable),
    /// An expression; if it is a list, its items are joined with this.
    Expression(ValueExpression, Box<str>),
}

impl Source {
    /// What it is called in the log.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Variable(variable) => variable.name(),
            Self::Expression(..) => "(expression)",
        }
    }

    fn render(
        &self,
        identity: &dyn SessionView,
        encoding: Encoding,
    ) -> Result<Vec<u8>, DropReason> {
        match self {
            Self::Variable(variable) => variable.render(identity, encoding),
            Self::Expression(expression, joiner) => {
                let made = expression.of(identity).map_err(|_| DropReason::Failed)?;
                let mut joined = Joined::new(encoding, joiner, expression.is_list());
                made.values().iter().for_each(|value| joined.push(value));
                joined.bytes
            }
        }
    }
}

/// Values behind each other, each encoded by itself: what separates them stands in none of them. One
/// that cannot be said takes the others with it, for half a list is another list.
struct Joined<'a> {
    encoding: Encoding,
    joiner: &'a str,
    is_list: bool,
    bytes: Result<Vec<u8>, DropReason>,
}

impl<'a> Joined<'a> {
    const fn new(encoding: Encoding, joiner: &'a str, is_list: bool) -> Self {
        Self { encoding, joiner, is_list, bytes: Ok(Vec::new()) }
    }

    fn push(&mut self, value: &str) {
        let item = self.item(value);
        match (&mut self.bytes, item) {
            (Ok(bytes), Ok(item)) => bytes.extend(item),
            (Ok(_), Err(reason)) => self.bytes = Err(reason),
            (Err(_), _) => {}
        }
    }

    /// The value's bytes, behind those of the separator if another value stands before it.
    fn item(&self, value: &str) -> Result<Vec<u8>, DropReason> {
        let item = self.encoding.encode(value)?;
        if self.is_list && self.encoding.can_hold_separators() && value.contains(self.joiner) {
            return Err(DropReason::Separator);
        }
        if self.bytes.as_ref().is_ok_and(Vec::is_empty) {
            return Ok(item);
        }
        let joiner = self.encoding.separator(self.joiner).ok_or(DropReason::Separator)?;
        Ok([joiner, item].concat())
    }
}

/// One header of an application.
#[derive(Debug, Clone)]
pub struct Export {
    /// The header's name, lower case.
    pub header: Arc<str>,
    /// Where its value comes from.
    pub source: Source,
    /// How the application wants it.
    pub encoding: Encoding,
}

/// The exports of one application.
#[derive(Debug, Clone)]
pub struct Exports {
    exports: Box<[Export]>,
    nobody: Arc<ExportedHeaders>,
}

/// What rendering made of an identity.
#[derive(Debug)]
pub struct Rendered {
    /// Each header once.
    pub headers: Box<[ExportedHeader]>,
    /// Which of them have no value because theirs must not be sent, by their places, and why.
    pub dropped: Vec<(usize, DropReason)>,
}

impl Exports {
    /// Prepares the headers that are sent when there is nobody: every name, no value.
    #[must_use]
    pub fn new(exports: Box<[Export]>) -> Self {
        let empty = |export: &Export| ExportedHeader {
            name: Arc::clone(&export.header),
            value: Bytes::new(),
        };
        let headers = exports.iter().map(empty).collect();
        let nobody = Arc::new(ExportedHeaders { headers, subject: None });
        Self { exports, nobody }
    }

    /// Every export with an empty value, so that the proxy overwrites what the client sent.
    #[must_use]
    pub const fn nobody(&self) -> &Arc<ExportedHeaders> {
        &self.nobody
    }

    /// The export at `place`, as it is named in [`Rendered::dropped`].
    #[must_use]
    pub fn at(&self, place: usize) -> Option<&Export> {
        self.exports.get(place)
    }

    /// Renders every export for `identity`. A value that must not be sent is empty: one with control
    /// bytes could split a header somewhere on its way, or what the application makes of it.
    #[must_use]
    pub fn render(&self, identity: &dyn SessionView) -> Rendered {
        let mut dropped = Vec::new();
        let headers = self.exports.iter().enumerate().map(|(place, export)| {
            let rendered = export.source.render(identity, export.encoding);
            let value = rendered.unwrap_or_else(|reason| {
                dropped.push((place, reason));
                Vec::new()
            });
            ExportedHeader { name: Arc::clone(&export.header), value: Bytes::from(value) }
        });
        let headers = headers.collect();
        Rendered { headers, dropped }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::identity::Owner;
    use crate::domain::network::LOOPBACK;

    struct Someone(Vec<(&'static str, Vec<String>)>);

    impl IdentityView for Someone {
        fn owner(&self) -> Owner<'_> {
            Owner { master: "sso", realm: "", user: "dwho" }
        }
        fn level(&self) -> u8 {
            2
        }
        fn each_value(&self, each: &mut dyn FnMut(&str, &str)) {
            self.0.iter().for_each(|(n, values)| values.iter().for_each(|v| each(n, v)));
        }
    }

    impl SessionView for Someone {
        fn client(&self) -> IpAddr {
            LOOPBACK
        }
        fn created(&self) -> Timestamp {
            Timestamp::from_millis(7999)
        }
        fn has_factor(&self) -> bool {
            false
        }
    }

    fn exports(list: &[(&str, Variable)]) -> Exports {
        let export = |(header, variable): &(&str, Variable)| Export {
            header: (*header).into(),
            source: Source::Variable(variable.clone()),
            encoding: Encoding::Utf8,
        };
        Exports::new(list.iter().map(export).collect())
    }

    fn attribute(name: &str) -> Variable {
        Variable::Attribute { name: name.into(), joiner: ";".into(), is_list: true }
    }

    /// What an application gets of these groups in this encoding.
    fn groups(encoding: Encoding, values: &[&str]) -> Result<Vec<u8>, DropReason> {
        let values = values.iter().map(|&value| value.to_owned()).collect();
        attribute("v").render(&Someone(vec![("v", values)]), encoding)
    }

    fn text(headers: &[ExportedHeader]) -> Vec<String> {
        headers
            .iter()
            .map(|h| format!("{}={}", h.name, String::from_utf8_lossy(&h.value)))
            .collect()
    }

    #[test]
    fn every_export_is_there_once_and_empty_when_unset() {
        let exports = exports(&[
            ("auth-user", Variable::User),
            ("auth-mail", attribute("mail")),
            ("auth-groups", attribute("groups")),
            ("auth-ip", Variable::ClientAddress),
            ("auth-since", Variable::Created),
        ]);
        let identity = Someone(vec![("groups", vec!["a".into(), "b".into()])]);
        assert_eq!(
            text(&exports.render(&identity).headers),
            [
                "auth-user=dwho",
                "auth-mail=",
                "auth-groups=a;b",
                "auth-ip=127.0.0.1",
                "auth-since=7",
            ]
        );
        assert_eq!(
            text(&exports.nobody().headers),
            ["auth-user=", "auth-mail=", "auth-groups=", "auth-ip=", "auth-since=",]
        );
    }

    #[test]
    fn a_built_in_variable_is_called_as_it_was_configured() {
        for name in Variable::BUILT_IN {
            assert_eq!(Variable::built_in(name).unwrap().name(), *name);
        }
    }

    #[test]
    fn items_of_a_list_are_encoded_one_by_one() {
        for (encoding, expected) in [
            (Encoding::Utf8, &b"caf\xc3\xa9;b c"[..]),
            (Encoding::Latin1, b"caf\xe9;b c"),
            (Encoding::Percent, b"caf%C3%A9;b%20c"),
            (Encoding::Base64, b"Y2Fmw6k=;YiBj"),
            (Encoding::Rfc8187, b"UTF-8''caf%C3%A9;UTF-8''b%20c"),
        ] {
            assert_eq!(groups(encoding, &["café", "b c"]).as_deref(), Ok(expected));
            assert_eq!(groups(encoding, &[]), Ok(Vec::new()), "an unset one is empty");
        }
    }

    #[test]
    fn an_item_cannot_pass_for_two() {
        for encoding in [Encoding::Utf8, Encoding::Latin1] {
            for values in [&["users;admins"][..], &["users", "x;admins"]] {
                assert_eq!(groups(encoding, values), Err(DropReason::Separator));
            }
        }
        let escaped = groups(Encoding::Percent, &["users;admins"]);
        assert_eq!(escaped.as_deref(), Ok(&b"users%3Badmins"[..]));
        let text = Variable::Attribute { name: "v".into(), joiner: ";".into(), is_list: false };
        let identity = Someone(vec![("v", vec!["no;list".into()])]);
        assert_eq!(text.render(&identity, Encoding::Utf8).as_deref(), Ok(&b"no;list"[..]));
    }

    #[test]
    fn one_value_that_cannot_be_said_takes_the_export_and_no_other_with_it() {
        let exports = exports(&[("x", attribute("v")), ("auth-user", Variable::User)]);
        for bad in ["a\r\nX-Inject: b", "\0", "\u{85}"] {
            let identity = Someone(vec![("v", vec!["good".into(), bad.into(), "good".into()])]);
            let rendered = exports.render(&identity);
            assert_eq!(text(&rendered.headers), ["x=", "auth-user=dwho"]);
            assert_eq!(rendered.dropped, [(0, DropReason::ControlBytes)]);
            for &encoding in Encoding::ALL {
                assert_eq!(groups(encoding, &["good", bad]), Err(DropReason::ControlBytes));
            }
        }
        assert_eq!(groups(Encoding::Latin1, &["a", "€"]), Err(DropReason::NotLatin1));
    }

    proptest! {
        #[test]
        fn exports_never_hold_control_bytes(value in any::<String>(), encoding in 0..5_usize) {
            let variable = attribute("v");
            let source = Source::Variable(variable);
            let export = Export { header: "x".into(), source, encoding: Encoding::ALL[encoding] };
            let exports = Exports::new([export].into());
            let rendered = exports.render(&Someone(vec![("v", vec![value])]));
            let bytes = &rendered.headers[0].value;
            prop_assert!(bytes.iter().all(|&b| b >= b' ' && b != 0x7f));
            prop_assert!(rendered.dropped.is_empty() || bytes.is_empty());
        }
    }
}
