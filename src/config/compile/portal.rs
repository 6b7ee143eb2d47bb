//! `portal`: its URL and the values of `lmAuth`.

use url::Url;

use crate::config::PortalSettings;
use crate::config::compile::Compiler;
use crate::config::key_path::KeyPath;
use crate::config::raw::{RawBackend, RawPortal};
use crate::domain::host;

/// Where the portal is, for the cookies' checks.
pub struct Origin {
    /// Its canonical host.
    pub host: Box<str>,
    /// Whether browsers reach it over TLS.
    pub is_https: bool,
}

/// The portal's settings and its origin.
pub struct Portal {
    /// The settings.
    pub settings: PortalSettings,
    /// The origin.
    pub origin: Origin,
}

/// Checks `portal`, but for the cookies' domain.
pub fn portal(raw: &RawPortal, compiler: &mut Compiler<'_>) -> Option<Portal> {
    let parent = KeyPath::of("portal");
    let choice = raw.choice.as_ref().map(|choice| {
        if choice.0.is_empty() {
            let text = "no value of lmAuth is accepted, so nobody can log in; leave `choice` out to \
                        ignore lmAuth";
            compiler.warn(&parent.key("choice"), text);
        }
        let slave = |(name, backend): &(String, RawBackend)| match backend {
            RawBackend::Slave => name.as_str().into(),
        };
        choice.0.iter().map(slave).collect()
    });
    let written = compiler.required(&parent, "url", raw.url.as_deref())?;
    let path = parent.key("url");
    let (url, origin) = compiler.checked(&path, parse_url(written))?;
    Some(Portal { settings: PortalSettings { url, choice }, origin })
}

/// Why a text cannot be the portal's URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum UrlError {
    #[error("not an absolute http or https URL; write e.g. https://auth.example.com/")]
    NotAbsolute,
    #[error("the URL holds a user or a password; remove them")]
    Userinfo,
    #[error("the URL holds a query or a fragment; it must end with its path")]
    Tail,
}

fn parse_url(written: &str) -> Result<(Box<str>, Origin), UrlError> {
    // The parser would quietly drop or turn round what does not belong into a URL.
    let clean = !written.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\');
    let mut url = Url::parse(written).ok().filter(|_| clean).ok_or(UrlError::NotAbsolute)?;
    let is_https = url.scheme() == "https";
    let prefix = if is_https { "https://" } else { "http://" };
    let absolute = written.get(..prefix.len()).is_some_and(|p| p.eq_ignore_ascii_case(prefix));
    let host = url.host_str().and_then(|host| host::canonical(host.as_bytes()).ok());
    let (true, Some(host)) = (absolute, host) else { return Err(UrlError::NotAbsolute) };
    let host = host.as_ref().into();
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UrlError::Userinfo);
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(UrlError::Tail);
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok((url.as_str().into(), Origin { host, is_https }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_end_with_a_slash() {
        for (written, expected) in [
            ("https://auth.example.com", "https://auth.example.com/"),
            ("HTTP://Auth.Example.com:80/sso", "http://auth.example.com/sso/"),
            ("https://[::1]:8443/", "https://[::1]:8443/"),
        ] {
            assert_eq!(&*parse_url(written).map_err(|e| e.to_string()).unwrap().0, expected);
        }
    }

    #[test]
    fn what_is_not_the_place_of_a_portal_is_refused() {
        for (written, expected) in [
            ("auth.example.com", UrlError::NotAbsolute),
            ("//auth.example.com/", UrlError::NotAbsolute),
            ("/", UrlError::NotAbsolute),
            ("ftp://auth.example.com/", UrlError::NotAbsolute),
            ("https:auth.example.com", UrlError::NotAbsolute),
            ("https:\\\\auth.example.com", UrlError::NotAbsolute),
            ("https://auth.example.com /", UrlError::NotAbsolute),
            ("https://u@auth.example.com/", UrlError::Userinfo),
            ("https://u:p@auth.example.com/", UrlError::Userinfo),
            ("https://auth.example.com/?a", UrlError::Tail),
            ("https://auth.example.com/#a", UrlError::Tail),
        ] {
            assert_eq!(parse_url(written).map(|(url, _)| url).unwrap_err(), expected, "{written}");
        }
    }
}
