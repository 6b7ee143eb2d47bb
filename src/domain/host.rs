//! Host names in their one canonical spelling (SEMANTICS R3).

use std::borrow::Cow;

use crate::domain::limits::HOST_BYTES;

/// A host name that must not be looked up: empty, doubled by a comma, with userinfo, or not a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed host")]
pub struct MalformedHost;

/// Folds case, drops the port and one trailing dot, turns Unicode into `xn--`.
///
/// Borrows when the host is already canonical, which it is behind nginx.
///
/// # Errors
/// Deny the request: a comma, `@`, blanks, control bytes, an empty name or label, a bad port.
pub fn canonical(raw: &[u8]) -> Result<Cow<'_, str>, MalformedHost> {
    let text = std::str::from_utf8(raw).map_err(|_| MalformedHost)?;
    let name = without_port(text)?;
    let name = name.strip_suffix('.').unwrap_or(name);
    if let Some(address) = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let address: std::net::Ipv6Addr = address.parse().map_err(|_| MalformedHost)?;
        return Ok(Cow::Owned(format!("[{address}]")));
    }
    let name = if name.is_ascii() {
        if name.bytes().any(|b| b.is_ascii_uppercase()) {
            Cow::Owned(name.to_ascii_lowercase())
        } else {
            Cow::Borrowed(name)
        }
    } else {
        Cow::Owned(idna::domain_to_ascii(name).map_err(|_| MalformedHost)?)
    };
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    let labels_are_good =
        name.split('.').all(|label| (1..=63).contains(&label.len()) && label.bytes().all(plain));
    if labels_are_good && name.len() <= HOST_BYTES { Ok(name) } else { Err(MalformedHost) }
}

fn without_port(text: &str) -> Result<&str, MalformedHost> {
    let after_address = text.rfind(']').map_or(0, |at| at + 1);
    let Some(colon) = text.get(after_address..).and_then(|rest| rest.find(':')) else {
        return Ok(text);
    };
    let (name, port) = text.split_at_checked(after_address + colon).ok_or(MalformedHost)?;
    let digits = port.get(1..).unwrap_or_default();
    let good = digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse::<u16>().is_ok();
    if good { Ok(name) } else { Err(MalformedHost) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn is(raw: &str, expected: &str) {
        assert_eq!(canonical(raw.as_bytes()).as_deref(), Ok(expected), "{raw}");
    }

    #[test]
    fn all_spellings_of_a_host_are_one() {
        for raw in [
            "app.example.com",
            "APP.example.com",
            "app.example.com.",
            "app.example.com:443",
            "App.Example.COM.:8443",
        ] {
            is(raw, "app.example.com");
        }
        is("bücher.example", "xn--bcher-kva.example");
        is("BÜCHER.example", "xn--bcher-kva.example");
        is("[2001:DB8::1]:443", "[2001:db8::1]");
        is("127.0.0.1:8080", "127.0.0.1");
    }

    #[test]
    fn what_is_not_one_host_is_refused() {
        for raw in [
            "",
            ".",
            ":80",
            "a,b",
            "u@app.example.com",
            "app.example.com..",
            "a b",
            "a\tb",
            "a/b",
            "a%00",
            "app.example.com:",
            "app.example.com:99999",
            "app.example.com:8x",
            "app:80:80",
            "[::1",
            "::1",
            ".example.com",
            "a\0b",
            "*.example.com",
        ] {
            assert_eq!(canonical(raw.as_bytes()), Err(MalformedHost), "{raw:?}");
        }
        assert_eq!(canonical(b"\xff"), Err(MalformedHost));
    }

    #[test]
    fn a_host_is_at_most_so_long() {
        let label = "a".repeat(63);
        let long = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        assert_eq!(long.len(), HOST_BYTES);
        assert!(canonical(long.as_bytes()).is_ok());
        assert_eq!(canonical(format!("{long}a").as_bytes()), Err(MalformedHost));
    }
}
