//! Tokens as CSV: with a header, or as eduMFA's "OATH CSV" without one.
//!
//! With a header the columns are `serial`, `secret`, `type`, `digits`, `period`, `counter`, `algorithm`, `user`,
//! `realm`, `pin`, `description`, in any order, of which only `secret` has to be there. Without, a line is `serial,
//! secret, type, digits, period or counter`, of which the last three may be missing; if the first line is
//! `# version: 2`, user, resolver and realm stand in front. Must not know: stores.

use ::csv::{ReaderBuilder, StringRecord, Trim};
use data_encoding::{BASE32_NOPAD, HEXUPPER};

use crate::domain::limits::IMPORT_BYTES;
use crate::domain::secret::Secret;
use crate::mfa::node::local::NewToken;
use crate::mfa::settings::TokenKind;
use crate::mfa::token::hotp::{Algorithm, Digits};
use crate::mfa::token::import::ImportError;

/// Which column is what.
struct Columns(Vec<String>);

impl Columns {
    fn positional(names: &[&str]) -> Self {
        Self(names.iter().map(|&name| name.to_owned()).collect())
    }

    fn get<'a>(&self, row: &'a StringRecord, name: &str) -> Option<&'a str> {
        let place = self.0.iter().position(|column| column == name)?;
        row.get(place).filter(|text| !text.is_empty())
    }
}

/// The tokens of a file.
///
/// # Errors
/// The first line that is wrong. Lines of types that are none of ours are wrong too: nothing is left out silently.
pub fn read(text: &str) -> Result<Vec<NewToken>, ImportError> {
    if text.len() > IMPORT_BYTES {
        return Err(ImportError::at(1, "the file is too large"));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let has_owners = text.lines().next().is_some_and(is_version_2);
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .comment(Some(b'#'))
        .from_reader(text.as_bytes());
    let mut columns = Columns::positional(if has_owners {
        &["user", "resolver", "realm", "serial", "secret", "type", "digits", "moving"]
    } else {
        &["serial", "secret", "type", "digits", "moving"]
    });
    let mut tokens = Vec::new();
    for (place, row) in reader.records().enumerate() {
        let row = row.map_err(|error| {
            let line = error.position().map_or(1, ::csv::Position::line);
            ImportError::at(line, "the line cannot be read")
        })?;
        let line = row.position().map_or(0, ::csv::Position::line);
        if place == 0 && row.iter().any(is_header) {
            columns = header(&row, line)?;
            continue;
        }
        if row.len() > columns.0.len() {
            return Err(ImportError::at(line, "the line has more columns than are known"));
        }
        tokens.push(token(&columns, &row).map_err(|what| ImportError::at(line, what))?);
    }
    Ok(tokens)
}

fn is_version_2(line: &str) -> bool {
    let version = line.strip_prefix('#').and_then(|rest| rest.trim().strip_prefix("version:"));
    version.is_some_and(|version| version.trim() == "2")
}

/// Words that are neither serials that anybody gives nor secrets.
fn is_header(text: &str) -> bool {
    ["secret", "otpkey", "seed"].iter().any(|name| text.eq_ignore_ascii_case(name))
}

fn header(row: &StringRecord, line: u64) -> Result<Columns, ImportError> {
    let mut names: Vec<String> = Vec::with_capacity(row.len());
    for text in row {
        let name = text.to_ascii_lowercase();
        let name = match name.as_str() {
            "otpkey" | "seed" => "secret",
            "otplen" => "digits",
            "timestep" => "period",
            "hashlib" => "algorithm",
            own @ ("serial" | "secret" | "type" | "digits" | "period" | "counter" | "algorithm"
            | "user" | "realm" | "resolver" | "pin" | "description") => own,
            _ => return Err(ImportError::at(line, format!("the column {text:?} is unknown"))),
        };
        if names.iter().any(|other| other == name) {
            return Err(ImportError::at(line, format!("the column {text:?} stands twice")));
        }
        names.push(name.to_owned());
    }
    Ok(Columns(names))
}

fn token(columns: &Columns, row: &StringRecord) -> Result<NewToken, &'static str> {
    let text = |name: &str| columns.get(row, name);
    let number = |name: &str| -> Result<Option<u64>, &'static str> {
        text(name).map(str::parse).transpose().map_err(|_| "a number is expected")
    };
    let kind = match text("type") {
        None => TokenKind::Hotp,
        Some(name) => TokenKind::of(name)
            .filter(|kind| matches!(kind, TokenKind::Hotp | TokenKind::Totp))
            .ok_or("the type is neither hotp nor totp")?,
    };
    let mut new = NewToken::new(kind);
    new.serial = text("serial").map(Into::into);
    new.secret = Some(secret(text("secret").ok_or("there is no secret")?)?);
    if let Some(digits) = number("digits")? {
        let digits = u8::try_from(digits).ok().and_then(|digits| Digits::try_from(digits).ok());
        new.digits = digits.ok_or("there are neither 6 nor 8 digits")?;
    }
    let moving = number("moving")?;
    let (period, counter) = match kind {
        TokenKind::Totp => (number("period")?.or(moving), None),
        TokenKind::Hotp | TokenKind::Spass | TokenKind::Password => {
            (None, number("counter")?.or(moving))
        }
    };
    new.period = period.unwrap_or(new.period);
    new.counter = counter.unwrap_or(0);
    if let Some(name) = text("algorithm") {
        new.algorithm = Algorithm::of(name).ok_or("the algorithm is unknown")?;
    }
    new.user = text("user").unwrap_or("").into();
    new.realm = text("realm").unwrap_or("").into();
    new.description = text("description").unwrap_or("").into();
    new.pin = Secret::new(text("pin").unwrap_or("").as_bytes().to_vec());
    Ok(new)
}

/// The key that `text` writes, in hex digits or else base32: a secret that could be both, which takes 16 letters or digits out of `A-F2-7`, is hex,
/// as in eduMFA.
///
/// # Errors
/// It is neither.
pub fn secret(text: &str) -> Result<Secret, &'static str> {
    let text = zeroize::Zeroizing::new(text.replace([' ', '-'], "").to_ascii_uppercase());
    let bytes = HEXUPPER.decode(text.as_bytes());
    let bytes = bytes.or_else(|_| BASE32_NOPAD.decode(text.trim_end_matches('=').as_bytes()));
    bytes.map(Secret::new).map_err(|_| "the secret is neither hex nor base32")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_without_a_header_are_edumfas() {
        let text = "# a comment\n\nOATH1, 3132333435363738393031323334353637383930\n\
                    OATH2,3132333435363738393031323334353637383930,hotp,8,7\r\n\
                    TOTP1,GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ,TOTP,6,60\n";
        let tokens = read(text).unwrap();
        let rows: Vec<_> = tokens
            .iter()
            .map(|t| (t.serial.as_deref().unwrap(), t.kind, t.digits, t.period, t.counter))
            .collect();
        assert_eq!(
            rows,
            [
                ("OATH1", TokenKind::Hotp, Digits::Six, 30, 0),
                ("OATH2", TokenKind::Hotp, Digits::Eight, 30, 7),
                ("TOTP1", TokenKind::Totp, Digits::Six, 60, 0),
            ]
        );
        for token in &tokens {
            assert_eq!(token.secret.as_ref().unwrap().expose(), b"12345678901234567890");
        }
        let owned =
            read("# version: 2\nalice,res,realm,S,3132333435363738393031,hotp,6,0\n").unwrap();
        assert_eq!((&*owned[0].user, &*owned[0].realm), ("alice", "realm"));
    }

    #[test]
    fn a_header_says_which_column_is_what() {
        let text = "user,realm,type,secret,pin,algorithm,period,serial\n\
                    bob,r,totp,gezd gnbv gy3t qojq gezd gnbv gy3t qojq,1234,sha256,60,\n";
        let tokens = read(text).unwrap();
        let token = &tokens[0];
        assert_eq!((token.algorithm, token.period), (Algorithm::Sha256, 60));
        assert_eq!((token.pin.expose(), token.serial.is_none()), (&b"1234"[..], true));
        assert!(!format!("{token:?}").contains("1234"));
    }

    #[test]
    fn an_error_names_its_line_and_no_secret() {
        for (text, line) in [
            ("A,0011223344556677889900\nB,xyz!\n", 2),
            ("A\n", 1),
            ("A,0011223344556677889900,ocra\n", 1),
            ("A,0011223344556677889900,hotp,7\n", 1),
            ("A,0011223344556677889900,hotp,6,many\n", 1),
            ("A,0011223344556677889900,hotp,6,1,x\n", 1),
            ("secret,colour\n0011,red\n", 1),
            ("secret,seed\n0011,red\n", 1),
            ("secret,algorithm\n0011,md5\n", 2),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error.line, line, "{text}");
            assert!(!error.to_string().contains("xyz") && !error.to_string().contains("0011"));
        }
    }
}
