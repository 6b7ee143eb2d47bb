//! New tokens: random secrets and serials, and what an authenticator reads them from.
//!
//! Must not know: stores. What is made here is shown once.

use std::fmt;
use std::fmt::Write as _;

use data_encoding::{BASE32_NOPAD, HEXUPPER};
use fast_qr::{ECL, QRBuilder};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

use crate::domain::secret::Secret;
use crate::mfa::settings::TokenKind;
use crate::mfa::token::hotp::{Algorithm, Digits};
use crate::mfa::token::record::Token;

/// What stays as it is in a URI: RFC 3986's unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Empty modules around a QR code, as the standard wants them.
const QUIET: isize = 4;

/// The system gave no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no random bytes to be had")]
pub struct NoEntropy;

/// A text is too long for a QR code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text is too long for a QR code")]
pub struct TooLong;

/// A secret of as many random bytes as the algorithm wants.
///
/// # Errors
/// The system gave no random bytes.
pub fn random_secret(algorithm: Algorithm) -> Result<Secret, NoEntropy> {
    let mut bytes = vec![0; algorithm.secret_bytes()];
    getrandom::fill(&mut bytes).map_err(|_| NoEntropy)?;
    Ok(Secret::new(bytes))
}

/// A serial as eduMFA makes them: what kind it is, and eight random hex digits.
///
/// # Errors
/// The system gave no random bytes.
pub fn random_serial(kind: TokenKind) -> Result<Box<str>, NoEntropy> {
    let prefix = match kind {
        TokenKind::Hotp => "OATH",
        TokenKind::Totp => "TOTP",
        TokenKind::Spass => "SPASS",
        TokenKind::Password => "PW",
    };
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_err(|_| NoEntropy)?;
    Ok(format!("{prefix}{}", HEXUPPER.encode(&bytes)).into())
}

/// What an authenticator has to know. Its `Debug` shows no secret.
pub struct Enrolment {
    is_timed: bool,
    account: Box<str>,
    secret: Secret,
    algorithm: Algorithm,
    digits: Digits,
    period: u64,
    counter: u64,
}

impl fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Enrolment(..)")
    }
}

impl Enrolment {
    /// Out of a token that was just made. The account is its owner, else its serial.
    #[must_use]
    pub fn of(token: Token) -> Self {
        Self {
            is_timed: token.kind == TokenKind::Totp,
            account: token.owner.map_or(token.serial, |owner| owner.user),
            secret: token.secret,
            algorithm: token.algorithm,
            digits: token.digits,
            period: token.period,
            counter: token.next,
        }
    }

    /// The secret in base32, for typing.
    #[must_use]
    pub fn base32(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE32_NOPAD.encode(self.secret.expose()))
    }

    /// The URI that authenticators read.
    ///
    /// Source: the "Key Uri Format" of Google Authenticator.
    #[must_use]
    pub fn uri(&self, issuer: &str) -> Zeroizing<String> {
        let (kind, moving, from) = if self.is_timed {
            ("totp", "period", self.period)
        } else {
            ("hotp", "counter", self.counter)
        };
        let encode = |text: &str| utf8_percent_encode(text, ENCODED).to_string();
        // A colon is what parts issuer and account.
        let issuer = encode(&issuer.replace(':', " "));
        let account = encode(&self.account.replace(':', " "));
        let (secret, algorithm) = (self.base32(), self.algorithm.as_str());
        let digits = u8::from(self.digits);
        let mut uri = Zeroizing::new(String::with_capacity(512));
        // Writing to a text does not fail.
        let _ = write!(
            uri,
            "otpauth://{kind}/{issuer}:{account}?secret={}&issuer={issuer}&algorithm={algorithm}\
             &digits={digits}&{moving}={from}",
            *secret
        );
        uri
    }
}

/// A QR code of `text` for a terminal: two modules a character, dark on light whatever the terminal's colours are
/// set to, as light modules are drawn and dark ones left out.
///
/// # Errors
/// The text is too long.
pub fn qr_code(text: &str) -> Result<Zeroizing<String>, TooLong> {
    let code = QRBuilder::new(text).ecl(ECL::L).build().map_err(|_| TooLong)?;
    let size = isize::try_from(code.size).map_err(|_| TooLong)?;
    let is_dark = |row: isize, column: isize| {
        let inside = |place: isize| usize::try_from(place).ok().filter(|&place| place < code.size);
        let place = inside(row).zip(inside(column));
        let index = place.map(|(row, column)| row * code.size + column);
        index.and_then(|index| code.data.get(index)).is_some_and(|module| module.value())
    };
    let mut drawn = Zeroizing::new(String::with_capacity(16384));
    let mut row = -QUIET;
    while row < size + QUIET {
        for column in -QUIET..size + QUIET {
            drawn.push(match (is_dark(row, column), is_dark(row + 1, column)) {
                (false, false) => '█',
                (false, true) => '▀',
                (true, false) => '▄',
                (true, true) => ' ',
            });
        }
        drawn.push('\n');
        row += 2;
    }
    Ok(drawn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mfa::token::record::Owner;

    fn token(kind: TokenKind, user: &str) -> Token {
        let owner = Owner { user: user.into(), realm: "r".into(), resolver: "".into() };
        let secret = Secret::new(b"12345678901234567890".to_vec());
        Token { owner: Some(owner), next: 3, ..Token::new("OATH1", kind, secret) }
    }

    #[test]
    fn a_uri_has_everything_in_it_and_nothing_that_could_be_misread() {
        let uri = |kind, user, issuer| Enrolment::of(token(kind, user)).uri(issuer).to_string();
        assert_eq!(
            uri(TokenKind::Totp, "dwho", "Vouchsafe"),
            "otpauth://totp/Vouchsafe:dwho?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Vouchsafe\
             &algorithm=SHA1&digits=6&period=30"
        );
        assert_eq!(
            uri(TokenKind::Hotp, "ü?&:/#@x", "A & B: ü"),
            "otpauth://hotp/A%20%26%20B%20%20%C3%BC:%C3%BC%3F%26%20%2F%23%40x?secret=\
             GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=A%20%26%20B%20%20%C3%BC&algorithm=SHA1&digits=6\
             &counter=3"
        );
        assert_eq!(format!("{:?}", Enrolment::of(token(TokenKind::Totp, "x"))), "Enrolment(..)");
    }

    #[test]
    fn serials_and_secrets_are_random_and_of_the_right_form() {
        let serial = random_serial(TokenKind::Totp).unwrap();
        assert!(serial.len() == 12 && serial.starts_with("TOTP"), "{serial}");
        assert_ne!(serial, random_serial(TokenKind::Totp).unwrap());
        for algorithm in Algorithm::ALL {
            assert_eq!(random_secret(algorithm).unwrap().expose().len(), algorithm.secret_bytes());
        }
    }

    #[test]
    fn a_qr_code_is_square_and_has_its_finder_in_the_corner() {
        let code = qr_code("otpauth://totp/x").unwrap();
        let lines: Vec<Vec<char>> = code.lines().map(|line| line.chars().collect()).collect();
        let width = lines[0].len();
        assert!(lines.iter().all(|line| line.len() == width));
        assert_eq!(lines.len(), width.div_ceil(2));
        let drawn = |row: usize| lines[row][4..11].iter().collect::<String>();
        assert_eq!([drawn(2), drawn(3)], [" ▄▄▄▄▄ ", " █   █ "]);
        assert!(qr_code(&"x".repeat(5000)).is_err());
    }
}
