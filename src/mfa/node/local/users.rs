//! The users' file as CSV. (As YAML it is read where YAML is read.) Must not know: tokens, where the file lies.

use crate::domain::limits::{FACTOR_TEXT_BYTES, IMPORT_BYTES, NODE_ITEMS, NODE_TEXT_BYTES};
use crate::mfa::settings::{User, Users};

/// Columns of an attribute; those in front are name, realm and resolver.
const COLUMNS: [&str; 3] = ["user", "realm", "resolver"];

/// What is wrong with a users' file, and where; lines count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct UsersError {
    /// The line.
    pub line: u64,
    /// What is wrong there.
    pub what: &'static str,
}

impl Users {
    /// Reads `text`. Its first line names the columns: `user`, `realm` and `resolver`, the latter two of which may be
    /// missing; all others are attributes. An empty attribute is none. Blank lines and lines that begin with `#` are
    /// left out.
    ///
    /// # Errors
    /// The first line that is wrong.
    pub fn from_csv(text: &str, default_realm: &str) -> Result<Self, UsersError> {
        let at = |line, what| UsersError { line, what };
        if text.len() > IMPORT_BYTES {
            return Err(at(1, "the file is too large"));
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .comment(Some(b'#'))
            .from_reader(text.as_bytes());
        let broken = |error: &csv::Error| {
            let line = error.position().map_or(1, csv::Position::line);
            at(line, "the line has another number of columns than the first one")
        };
        let header = reader.headers().map_err(|error| broken(&error))?.clone();
        let column =
            |name: &str| header.iter().position(|column| column.eq_ignore_ascii_case(name));
        let [name, realm, resolver] = COLUMNS.map(column);
        let name = name.ok_or_else(|| at(1, "there is no column 'user'"))?;
        let is_own = |place| Some(place) == realm || Some(place) == resolver || place == name;
        let attributes: Vec<_> =
            header.iter().enumerate().filter(|&(place, _)| !is_own(place)).collect();
        if attributes.len() > NODE_ITEMS || attributes.iter().any(|(_, name)| name.is_empty()) {
            return Err(at(1, "a column has no name, or there are too many"));
        }
        let mut users = Vec::new();
        for row in reader.records() {
            let row = row.map_err(|error| broken(&error))?;
            let line = row.position().map_or(0, csv::Position::line);
            let text = |place: Option<usize>| place.and_then(|place| row.get(place)).unwrap_or("");
            let name = text(Some(name));
            let own = [name, text(realm), text(resolver)];
            if name.is_empty() || own.iter().any(|text| text.len() > FACTOR_TEXT_BYTES) {
                return Err(at(line, "a user, realm or resolver is missing or too long"));
            }
            if row
                .iter()
                .any(|text| text.len() > NODE_TEXT_BYTES || text.contains(char::is_control))
            {
                return Err(at(line, "a text is too long or has control characters"));
            }
            let realm = if text(realm).is_empty() { default_realm } else { text(realm) };
            let attributes = attributes.iter().filter_map(|&(place, name)| {
                let value = row.get(place).filter(|value| !value.is_empty())?;
                Some((name.into(), value.into()))
            });
            users.push(User {
                name: name.into(),
                realm: realm.to_lowercase().into(),
                resolver: text(resolver).into(),
                attributes: attributes.collect(),
            });
        }
        Ok(Self(users))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_have_a_realm_a_resolver_and_attributes() {
        let text = "\u{feff}realm, user ,resolver,email,room\n# nobody\n\nCRealm,alice,r1,a@x,\n,bob,,\"b, c\",7\n";
        let Users(users) = Users::from_csv(text, "default").unwrap();
        let row = |user: &User| {
            let attributes = user.attributes.iter().map(|(n, v)| format!("{n}={v}"));
            (user.name.to_string(), user.realm.to_string(), attributes.collect::<Vec<_>>())
        };
        assert_eq!(row(&users[0]), ("alice".into(), "crealm".into(), vec!["email=a@x".into()]));
        let bob = ("bob".into(), "default".into(), vec!["email=b, c".into(), "room=7".into()]);
        assert_eq!(row(&users[1]), bob);
        assert_eq!(users.len(), 2);
        assert_eq!(Users::from_csv("user\nx\n", "r").unwrap().0.len(), 1);
    }

    #[test]
    fn an_error_names_its_line() {
        let long = format!("user\n{}\n", "x".repeat(FACTOR_TEXT_BYTES + 1));
        let wide = format!("user,{}\n", "a,".repeat(NODE_ITEMS + 1));
        for (text, line) in [
            ("", 1),
            ("name\nx\n", 1),
            ("user,realm\nx,r\ny\n", 3),
            ("user,realm\nx,r\n,r\n", 3),
            ("user,\nx,y\n", 1),
            ("user,a\nx,\"one\ntwo\"\n", 2),
            (&long, 2),
            (&wide, 1),
        ] {
            assert_eq!(Users::from_csv(text, "r").unwrap_err().line, line, "{text}");
        }
    }
}
