//! Hosts as they may be written: names, and `*.` before one for everything below it.

use crate::domain::host;

/// Why a text is not a host of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// A wildcard for everything.
    #[error("'*' alone would take every host; write e.g. *.example.com")]
    Everything,
    /// A host with a port.
    #[error("'{0}' has a port, and rules do not know ports; write the name alone")]
    Port(String),
    /// No host at all.
    #[error("'{0}' is not a host; write e.g. app.example.com or *.apps.example.com")]
    Malformed(String),
}

/// A canonical host, or `*.` and one.
///
/// # Errors
/// Report it; the message holds the remedy.
pub fn canonical(written: &str) -> Result<String, HostError> {
    if matches!(written, "*" | "*.") {
        return Err(HostError::Everything);
    }
    let (wildcard, name) = match written.strip_prefix("*.") {
        Some(name) => ("*.", name),
        None => ("", written),
    };
    let malformed = || HostError::Malformed(written.to_owned());
    let host = host::canonical(name.as_bytes()).map_err(|_| malformed())?;
    let after_address = name.rsplit(']').next().unwrap_or(name);
    if after_address.contains(':') {
        return Err(HostError::Port(written.to_owned()));
    }
    if !wildcard.is_empty() && host.starts_with('[') {
        return Err(malformed());
    }
    Ok(format!("{wildcard}{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_canonical() {
        for (written, expected) in [
            ("App.Example.com.", "app.example.com"),
            ("*.Apps.example.com", "*.apps.example.com"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("[2001:DB8::1]", "[2001:db8::1]"),
        ] {
            assert_eq!(canonical(written).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn what_is_not_one_host_is_refused() {
        for written in ["*", "*.", "*.*.example.com", "a*.example.com", "a b", "", "*.[::1]", "a/b"]
        {
            assert!(canonical(written).is_err(), "{written}");
        }
        assert_eq!(canonical("a:80"), Err(HostError::Port("a:80".into())));
        assert_eq!(canonical("[::1]:80"), Err(HostError::Port("[::1]:80".into())));
    }
}
