//! The slave backend: what an admitted master says about a user.
//!
//! Source: LemonLDAP::NG, "Slave", its "Slave parameters"; SEMANTICS M3, M4.

use smallvec::SmallVec;

use crate::domain::decision::Reason;
use crate::domain::header::{HeaderName, HeaderView};
use crate::domain::identity::{Asserted, Attribute};
use crate::domain::limits::{ATTRIBUTE_BYTES, ATTRIBUTE_VALUES, ATTRIBUTES_BYTES, LOGIN_BYTES};
use crate::policy::trust::{Admitted, ambiguous};

/// One exported variable: which header it is read from, and how.
#[derive(Debug, Clone)]
pub struct ExportedVariable {
    /// The variable's name.
    pub name: Box<str>,
    /// The master's header.
    pub header: HeaderName,
    /// What separates the items of a list; without it the value is one text.
    pub separator: Option<Box<str>>,
}

/// Reads a master's headers.
#[derive(Debug)]
pub struct SlaveBackend {
    /// Level of the sessions it opens.
    pub auth_level: u8,
    /// The login header.
    pub user_header: HeaderName,
    /// What the whole login must match.
    pub user_pattern: regex::bytes::Regex,
    /// Exported variables; empty if the role `users` is off.
    pub exported_vars: Vec<ExportedVariable>,
}

impl SlaveBackend {
    /// The identity that the master asserts.
    ///
    /// # Errors
    /// `LoginMissing` if there is no login or an empty one: on a subrequest that is "no identity",
    /// at the portal error 4. Any other reason is a denial (M1, M3).
    pub fn read<'a>(
        &'a self,
        admitted: &Admitted<'a>,
        headers: &'a dyn HeaderView,
    ) -> Result<Asserted<'a>, Reason> {
        let login = headers.unique(self.user_header.lower()).map_err(ambiguous)?;
        let user = self.login(login.unwrap_or_default())?;
        Ok(Asserted {
            master: &admitted.master().name,
            realm: &admitted.master().realm,
            user,
            level: self.auth_level,
            client: admitted.client(),
            reported_client: admitted.master().reports_client.then(|| admitted.client()),
            attributes: self.attributes(headers)?,
        })
    }

    fn login<'a>(&self, value: &'a [u8]) -> Result<&'a str, Reason> {
        if value.iter().all(|b| matches!(b, b' ' | b'\t')) {
            return Err(Reason::LoginMissing);
        }
        if value.len() > LOGIN_BYTES || !self.user_pattern.is_match(value) {
            return Err(Reason::MalformedLogin);
        }
        std::str::from_utf8(value).map_err(|_| Reason::MalformedLogin)
    }

    fn attributes<'a>(
        &'a self,
        headers: &'a dyn HeaderView,
    ) -> Result<SmallVec<[Attribute<'a>; 8]>, Reason> {
        let mut attributes = SmallVec::new();
        let mut total = 0;
        for variable in &self.exported_vars {
            let Some(value) = headers.unique(variable.header.lower()).map_err(ambiguous)? else {
                continue;
            };
            total += value.len();
            if value.len() > ATTRIBUTE_BYTES || total > ATTRIBUTES_BYTES {
                return Err(Reason::OversizedAttribute);
            }
            let text = std::str::from_utf8(value).map_err(|_| Reason::MalformedAttribute)?;
            let attribute =
                Attribute { name: &variable.name, text, separator: variable.separator.as_deref() };
            if attribute.separator.is_some() && attribute.values().nth(ATTRIBUTE_VALUES).is_some() {
                return Err(Reason::OversizedAttribute);
            }
            if !text.is_empty() {
                attributes.push(attribute);
            }
        }
        Ok(attributes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::header::HeaderList;
    use crate::domain::network::{Networks, parse_chain};
    use crate::domain::request::Peer;
    use crate::policy::trust::{Master, Trust, TrustedProxies};

    fn name(text: &str) -> HeaderName {
        HeaderName::parse(text).unwrap()
    }

    fn backend() -> SlaveBackend {
        let variable = |name_: &str, header: &str, separator: Option<&str>| ExportedVariable {
            name: name_.into(),
            header: name(header),
            separator: separator.map(Into::into),
        };
        SlaveBackend {
            auth_level: 2,
            user_header: name("Auth-User"),
            user_pattern: regex::bytes::RegexBuilder::new(r"\A(?:^[\w.\-@]+$)\z")
                .unicode(false)
                .build()
                .unwrap(),
            exported_vars: vec![
                variable("mail", "User-Email", None),
                variable("groups", "Auth-Groups", Some(";")),
            ],
        }
    }

    type Lists = Vec<(String, Vec<String>)>;

    fn read(headers: &[(&str, &[u8])]) -> Result<(String, Lists), Reason> {
        let master = Master {
            name: "sso".into(),
            networks: Networks::parse("10.0.0.1").unwrap(),
            control: None,
            certificate: None,
            realm: "".into(),
            reports_client: false,
        };
        let trust = Trust::new(TrustedProxies::default(), vec![master], vec![]);
        let headers = headers.iter().copied().collect::<HeaderList<'_>>();
        let standing = trust
            .admit(
                Peer::at("10.0.0.1".parse().unwrap()),
                &parse_chain(b"10.0.0.1").unwrap(),
                &headers,
            )
            .unwrap();
        let backend = backend();
        let asserted = backend.read(&standing.admitted.unwrap(), &headers)?;
        let attributes = asserted
            .attributes
            .iter()
            .map(|a| (a.name.to_owned(), a.values().map(str::to_owned).collect()))
            .collect();
        Ok((asserted.user.to_owned(), attributes))
    }

    #[track_caller]
    fn login(value: &[u8], expected: Result<&str, Reason>) {
        let user = read(&[("auth-user", value)]).map(|(user, _)| user);
        assert_eq!(user, expected.map(str::to_owned), "{value:?}");
    }

    #[test]
    fn a_login_is_taken_byte_for_byte_or_not_at_all() {
        // A28.
        for good in ["dwho", "0", "ADMIN", "a@x.org@evil.test", "d-w.h_o"] {
            login(good.as_bytes(), Ok(good));
        }
        for missing in ["", " ", "\t "] {
            login(missing.as_bytes(), Err(Reason::LoginMissing));
        }
        for bad in [
            &b"../../etc"[..],
            b"a b",
            b"a,b",
            b"a%00b",
            "admin\u{a0}".as_bytes(),
            "Amélie".as_bytes(),
            b"Am\xe9lie",
            b"dwho\n",
            b" dwho",
        ] {
            login(bad, Err(Reason::MalformedLogin));
        }
        login(&[b'a'; LOGIN_BYTES + 1], Err(Reason::MalformedLogin));
        login(&vec![b'a'; 65536], Err(Reason::MalformedLogin));
    }

    #[test]
    fn exported_variables_reach_the_identity_and_lists_are_lists() {
        let (_, attributes) = read(&[
            ("Auth-User", b"dwho"),
            ("User-Email", b"dwho@example.com, see; there"),
            ("Auth-Groups", b"admins; users;;"),
        ])
        .unwrap();
        assert_eq!(
            attributes,
            [
                ("mail".to_owned(), vec!["dwho@example.com, see; there".to_owned()]),
                ("groups".to_owned(), vec!["admins".to_owned(), "users".to_owned()]),
            ]
        );
    }

    #[test]
    fn absent_and_empty_variables_are_absent() {
        let (_, attributes) = read(&[("auth-user", b"dwho"), ("user-email", b"")]).unwrap();
        assert_eq!(attributes, []);
    }

    #[test]
    fn variables_that_cannot_be_kept_deny() {
        let with =
            |value: &[u8]| read(&[("auth-user", b"dwho"), ("user-email", value)]).unwrap_err();
        assert_eq!(with(b"\xe9"), Reason::MalformedAttribute);
        assert_eq!(with(&[b'a'; ATTRIBUTE_BYTES + 1]), Reason::OversizedAttribute);
        let almost = vec![b'a'; ATTRIBUTE_BYTES];
        let all = SlaveBackend {
            exported_vars: (0..=ATTRIBUTES_BYTES / ATTRIBUTE_BYTES)
                .map(|n| ExportedVariable {
                    name: "v".into(),
                    header: name(&format!("h{n}")),
                    separator: None,
                })
                .collect(),
            ..backend()
        };
        let names: Vec<String> =
            (0..=ATTRIBUTES_BYTES / ATTRIBUTE_BYTES).map(|n| format!("h{n}")).collect();
        let list = |count: usize| {
            names
                .iter()
                .take(count)
                .map(|n| (n.as_str(), almost.as_slice()))
                .collect::<HeaderList<'_>>()
        };
        assert!(all.attributes(&list(names.len() - 1)).is_ok());
        assert_eq!(all.attributes(&list(names.len())).unwrap_err(), Reason::OversizedAttribute);
        let many = ";a".repeat(ATTRIBUTE_VALUES + 1);
        let groups = read(&[("auth-user", b"dwho"), ("auth-groups", many.as_bytes())]);
        assert_eq!(groups.unwrap_err(), Reason::OversizedAttribute);
    }
}
