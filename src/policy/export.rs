//! Exports: the headers that an application gets, rendered from an identity.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;

use crate::domain::decision::{ExportedHeader, ExportedHeaders};
use crate::domain::time::Timestamp;

/// What an export is rendered from: the session's view of an identity.
pub trait IdentityView {
    /// The login.
    fn user(&self) -> &str;
    /// The realm, often empty.
    fn realm(&self) -> &str;
    /// The master that asserted it.
    fn master(&self) -> &str;
    /// The authentication level.
    fn level(&self) -> u8;
    /// The registered client address.
    fn client(&self) -> IpAddr;
    /// When the session was opened.
    fn created(&self) -> Timestamp;
    /// Calls `each` with every value of the variable `name`.
    fn values(&self, name: &str, each: &mut dyn FnMut(&str));
}

/// Where an export's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Variable {
    /// An exported variable; its values are joined with the separator it came with.
    Attribute {
        /// The variable's name.
        name: Box<str>,
        /// What joins several values.
        joiner: Box<str>,
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

    fn render(&self, identity: &dyn IdentityView) -> String {
        match self {
            Self::Attribute { name, joiner } => {
                let mut text = String::new();
                identity.values(name, &mut |value| {
                    if !text.is_empty() {
                        text.push_str(joiner);
                    }
                    text.push_str(value);
                });
                text
            }
            Self::User => identity.user().to_owned(),
            Self::Realm => identity.realm().to_owned(),
            Self::Master => identity.master().to_owned(),
            Self::AuthLevel => identity.level().to_string(),
            Self::ClientAddress => identity.client().to_string(),
            Self::Created => identity.created().as_seconds().to_string(),
        }
    }
}

/// One header of an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// The header's name, lower case.
    pub header: Arc<str>,
    /// Its source.
    pub variable: Variable,
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
    /// How many values held control bytes and were sent empty instead.
    pub dropped: usize,
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

    /// Renders every export for `identity`. A value with control bytes is sent empty: it could
    /// split a header somewhere on its way.
    #[must_use]
    pub fn render(&self, identity: &dyn IdentityView) -> Rendered {
        let mut dropped = 0;
        let headers = self.exports.iter().map(|export| {
            let mut value = export.variable.render(identity);
            if value.bytes().any(|b| b < b' ' || b == 0x7f) {
                value.clear();
                dropped += 1;
            }
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
    use crate::domain::network::LOOPBACK;

    struct Someone(Vec<(&'static str, Vec<String>)>);

    impl IdentityView for Someone {
        fn user(&self) -> &'static str {
            "dwho"
        }
        fn realm(&self) -> &'static str {
            ""
        }
        fn master(&self) -> &'static str {
            "sso"
        }
        fn level(&self) -> u8 {
            2
        }
        fn client(&self) -> IpAddr {
            LOOPBACK
        }
        fn created(&self) -> Timestamp {
            Timestamp::from_millis(7999)
        }
        fn values(&self, name: &str, each: &mut dyn FnMut(&str)) {
            self.0.iter().filter(|(n, _)| *n == name).flat_map(|(_, v)| v).for_each(|v| each(v));
        }
    }

    fn exports(list: &[(&str, Variable)]) -> Exports {
        let export = |(header, variable): &(&str, Variable)| Export {
            header: (*header).into(),
            variable: variable.clone(),
        };
        Exports::new(list.iter().map(export).collect())
    }

    fn attribute(name: &str) -> Variable {
        Variable::Attribute { name: name.into(), joiner: ";".into() }
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

    proptest! {
        #[test]
        fn exports_never_hold_control_bytes(value in any::<String>()) {
            let exports = exports(&[("x", attribute("v"))]);
            let rendered = exports.render(&Someone(vec![("v", vec![value])]));
            let bytes = &rendered.headers[0].value;
            prop_assert!(bytes.iter().all(|&b| b >= b' ' && b != 0x7f));
        }
    }
}
