//! Absolute URLs of places: the portal's, and where an application begins.

use url::Url;

use crate::domain::host;

/// A URL that is one place for every program that reads it.
#[derive(Debug)]
pub struct Place {
    /// The URL, with a path.
    pub url: Url,
    /// Its canonical host.
    pub host: Box<str>,
}

/// Why a text is not such a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It is relative, of another scheme, or holds what no URL holds.
    #[error("not an absolute http or https URL; write e.g. https://auth.example.com/")]
    NotAbsolute,
    /// It holds a user.
    #[error("the URL holds a user or a password; remove them")]
    Userinfo,
    /// It ends in a query or a fragment.
    #[error("the URL holds a query or a fragment; it must end with its path")]
    Tail,
}

/// Reads an absolute http(s) URL that ends with its path.
///
/// # Errors
/// Report it; the message holds the remedy.
pub fn absolute(written: &str) -> Result<Place, UrlError> {
    // The parser would quietly drop or turn round what does not belong into a URL.
    let clean = !written.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\');
    let url = Url::parse(written).ok().filter(|_| clean).ok_or(UrlError::NotAbsolute)?;
    let prefix = if url.scheme() == "https" { "https://" } else { "http://" };
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
    Ok(Place { url, host })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_place_is_refused() {
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
            assert_eq!(absolute(written).map(|_| ()), Err(expected), "{written}");
        }
    }

    #[test]
    fn the_host_is_canonical() {
        let place = absolute("HTTPS://App.Example.com.:8443/wiki").unwrap();
        assert_eq!(&*place.host, "app.example.com");
        assert_eq!(place.url.as_str(), "https://app.example.com.:8443/wiki");
    }
}
