//! The slave backend: what an admitted master says about a user.
//!
//! Source: LemonLDAP::NG, "Slave", its "Slave parameters"; SEMANTICS M3, M4.

use smallvec::SmallVec;

use crate::domain::decision::Reason;
use crate::domain::encoding::Encoding;
use crate::domain::header::{HeaderName, HeaderView};
use crate::domain::identity::{Asserted, Attribute, items};
use crate::domain::limits::{ATTRIBUTE_BYTES, ATTRIBUTE_VALUES, ATTRIBUTES_BYTES, LOGIN_BYTES};
use crate::policy::trust::{Admitted, ambiguous};

/// One exported variable: which header it is read from, and how.
#[derive(Debug, Clone)]
pub struct ExportedVariable {
    /// The variable's name.
    pub name: Box<str>,
    /// The master's header.
    pub header: HeaderName,
    /// How the master writes a value into it.
    pub encoding: Encoding,
    /// What separates the items of a list; without it the value is one text.
    pub separator: Option<Box<str>>,
}

/// Reads a master's headers.
#[derive(Debug, Clone)]
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
        let (mut received, mut kept) = (0, 0);
        for variable in &self.exported_vars {
            let Some(value) = headers.unique(variable.header.lower()).map_err(ambiguous)? else {
                continue;
            };
            received += value.len();
            if value.len() > ATTRIBUTE_BYTES || received > ATTRIBUTES_BYTES {
                return Err(Reason::OversizedAttribute);
            }
            let Some((attribute, bytes)) = variable.read(value)? else { continue };
            // Latin-1 grows when it is decoded.
            kept += bytes;
            if bytes > ATTRIBUTE_BYTES || kept > ATTRIBUTES_BYTES {
                return Err(Reason::OversizedAttribute);
            }
            attributes.push(attribute);
        }
        Ok(attributes)
    }
}

impl ExportedVariable {
    /// The attribute that `value` is and its bytes; `None` for an empty one.
    fn read<'a>(&'a self, value: &'a [u8]) -> Result<Option<(Attribute<'a>, usize)>, Reason> {
        let separator = self.separator.as_deref();
        if let Some(text) = self.encoding.plain(value) {
            bounded(text, separator)?;
            let attribute = Attribute::received(&self.name, text, separator);
            return Ok((!text.is_empty()).then_some((attribute, text.len())));
        }
        let values = self.decoded(value)?;
        let bytes = values.iter().map(|value| value.len()).sum();
        let attribute = Attribute::decoded(&self.name, values.into());
        Ok((bytes > 0).then_some((attribute, bytes)))
    }

    /// Every value of a header that is not the text itself. A separator inside of an encoded value is a
    /// part of it, so a list is split before its items are decoded. Outer blanks are cut afterwards: a
    /// header cannot carry them, so an application would see another value than the rules did.
    fn decoded(&self, value: &[u8]) -> Result<Vec<Box<str>>, Reason> {
        let separator = self.separator.as_deref();
        let malformed = |_| Reason::MalformedAttribute;
        if !self.encoding.can_hold_separators() {
            let text = std::str::from_utf8(value).map_err(|_| Reason::MalformedAttribute)?;
            bounded(text, separator)?;
            return items(text, separator)
                .map(|item| self.encoding.decode(item.as_bytes()).map_err(malformed))
                .map(|text| text.map(|text| text.trim_matches(' ').into()))
                .filter(|text: &Result<Box<str>, _>| {
                    !text.as_ref().is_ok_and(|text| text.is_empty())
                })
                .collect();
        }
        // A byte is a character: split before or after, the items are the same.
        let text = self.encoding.decode(value).map_err(malformed)?;
        bounded(&text, separator)?;
        Ok(items(&text, separator).map(Into::into).collect())
    }
}

fn bounded(text: &str, separator: Option<&str>) -> Result<(), Reason> {
    if separator.is_some() && items(text, separator).nth(ATTRIBUTE_VALUES).is_some() {
        return Err(Reason::OversizedAttribute);
    }
    Ok(())
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
            encoding: Encoding::Utf8,
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

    /// The values of one variable that the master writes so.
    fn values(
        encoding: Encoding,
        separator: Option<&str>,
        value: impl AsRef<[u8]>,
    ) -> Result<Vec<String>, Reason> {
        let variable = ExportedVariable {
            name: "v".into(),
            header: name("V"),
            encoding,
            separator: separator.map(Into::into),
        };
        let backend = SlaveBackend { exported_vars: vec![variable], ..backend() };
        let headers = [("v", value.as_ref())].into_iter().collect::<HeaderList<'_>>();
        let attributes = backend.attributes(&headers)?;
        Ok(attributes.iter().flat_map(Attribute::values).map(str::to_owned).collect())
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
    fn a_text_is_read_as_the_master_wrote_it() {
        for (encoding, value) in [
            (Encoding::Utf8, "Amélie; x".as_bytes()),
            (Encoding::Latin1, b"Am\xe9lie; x"),
            (Encoding::Percent, b"Am%c3%a9lie; x"),
            (Encoding::Base64, b"QW3DqWxpZTsgeA=="),
            (Encoding::Rfc8187, b"iso-8859-1'fr'Am%E9lie%3B%20x"),
        ] {
            assert_eq!(values(encoding, None, value).unwrap(), ["Amélie; x"], "{encoding:?}");
            assert_eq!(values(encoding, None, "").unwrap(), [""; 0], "{encoding:?}");
        }
    }

    #[test]
    fn a_separator_inside_of_an_encoded_item_does_not_split_it() {
        for (encoding, value) in [
            (Encoding::Percent, "a%3Bb; ;plain;%20c%20;%20"),
            (Encoding::Base64, "YTti; ;cGxhaW4=;IGMg;IA=="),
            (Encoding::Rfc8187, "UTF-8''a%3Bb; ;utf-8''plain;UTF-8''%20c%20;UTF-8''"),
        ] {
            let read = values(encoding, Some(";"), value).unwrap();
            assert_eq!(read, ["a;b", "plain", "c"], "{encoding:?}");
        }
        assert_eq!(values(Encoding::Latin1, Some("§"), b"\xe9\xa7 b").unwrap(), ["é", "b"]);
    }

    #[test]
    fn what_is_not_in_the_variables_encoding_denies() {
        for (encoding, value) in [
            (Encoding::Utf8, &b"\xe9"[..]),
            (Encoding::Percent, b"%e9"),
            (Encoding::Percent, b"50%"),
            (Encoding::Base64, b"QQ"),
            (Encoding::Base64, b"\xe9"),
            (Encoding::Rfc8187, b"plain"),
        ] {
            let denied = Err(Reason::MalformedAttribute);
            assert_eq!(values(encoding, None, value), denied, "{encoding:?}");
            let list = [b"\t;", value].concat();
            assert_eq!(values(encoding, Some(";"), list), denied, "{encoding:?}");
        }
    }

    #[test]
    fn bounds_hold_for_what_was_received_and_for_what_was_decoded() {
        let oversized = Err(Reason::OversizedAttribute);
        let long = |unit: &[u8], count: usize| unit.repeat(count);
        let half = ATTRIBUTE_BYTES / 2;
        assert!(values(Encoding::Latin1, None, long(b"\xe9", half)).is_ok());
        assert_eq!(values(Encoding::Latin1, None, long(b"\xe9", half + 1)), oversized);
        assert!(values(Encoding::Percent, None, long(b"%41", ATTRIBUTE_BYTES / 3)).is_ok());
        let escaped = long(b"%41", ATTRIBUTE_BYTES / 3 + 1);
        assert_eq!(values(Encoding::Percent, None, escaped), oversized);
        for (encoding, item) in [
            (Encoding::Percent, &b"%41;"[..]),
            (Encoding::Latin1, b"\xe9;"),
            (Encoding::Utf8, b"a;"),
        ] {
            let list = |count| values(encoding, Some(";"), long(item, count));
            let most = ATTRIBUTE_VALUES.min(ATTRIBUTE_BYTES / item.len());
            assert_eq!(list(most).unwrap().len(), most, "{encoding:?}");
            assert_eq!(list(most + 1), oversized, "{encoding:?}");
        }
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
                    encoding: Encoding::Utf8,
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
