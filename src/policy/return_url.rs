//! Where the portal may send people back to (SEMANTICS P3).
//!
//! A return URL comes from whoever made the link, so only a URL that every browser reads alike is
//! taken, and only one that leads to an application, to the portal or to a trusted domain. What is
//! sent back is written anew from the parse, never the text that came.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use url::Url;

use crate::domain::host;
use crate::domain::limits::RETURN_URL_BYTES;
use crate::policy::application::Applications;

/// Standard alphabet; padding may be missing, as many links leave it out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A domain that return URLs may lead to although no application has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustedDomain {
    /// This host only.
    Exact(Box<str>),
    /// Hosts below this one, by label.
    Below(Box<str>),
}

/// Which return URLs are taken.
#[derive(Debug, Clone)]
pub struct ReturnUrls {
    /// The portal's canonical host.
    pub portal_host: Box<str>,
    /// `portal.trusted_domains`.
    pub trusted: Vec<TrustedDomain>,
}

/// Why a return URL is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReturnUrlError {
    /// Not base64, or not one absolute http(s) URL that all programs read alike.
    #[error("malformed return URL")]
    Malformed,
    /// It leads to a host that is not ours, or carries a user.
    #[error("foreign return URL")]
    Foreign,
}

/// A URL that it is safe to send a browser to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnUrl {
    url: Url,
    host: Box<str>,
}

impl ReturnUrl {
    /// The whole URL, for `Location`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// Its canonical host.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether it is reached over TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Scheme, host and port, as a Content-Security-Policy names them.
    #[must_use]
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }
}

impl ReturnUrls {
    /// Reads `encoded`, the base64 of a URL, as it stood in a form or a query.
    ///
    /// # Errors
    /// Do not redirect: tell the person that the address is not one to go back to.
    pub fn accept(
        &self,
        encoded: &str,
        applications: &Applications,
    ) -> Result<ReturnUrl, ReturnUrlError> {
        if encoded.len() > RETURN_URL_BYTES.div_ceil(3) * 4 {
            return Err(ReturnUrlError::Malformed);
        }
        // A `+` that a link did not escape arrives as a blank.
        let bytes =
            BASE64.decode(encoded.replace(' ', "+")).map_err(|_| ReturnUrlError::Malformed)?;
        let url = parse(&bytes)?;
        let host = url
            .host_str()
            .and_then(|host| host::canonical(host.as_bytes()).ok())
            .ok_or(ReturnUrlError::Malformed)?
            .into_owned();
        let has_user = !url.username().is_empty() || url.password().is_some();
        if has_user || !self.leads_home(&host, applications) {
            return Err(ReturnUrlError::Foreign);
        }
        Ok(ReturnUrl { url, host: host.into() })
    }

    fn leads_home(&self, host: &str, applications: &Applications) -> bool {
        host == &*self.portal_host
            || applications.find(host).is_some()
            || self.trusted.iter().any(|trusted| match trusted {
                TrustedDomain::Exact(name) => host == &**name,
                TrustedDomain::Below(name) => {
                    host.strip_suffix(&**name).is_some_and(|labels| labels.ends_with('.'))
                }
            })
    }
}

/// An absolute http(s) URL. What the WHATWG parser would quietly repair is refused instead.
fn parse(bytes: &[u8]) -> Result<Url, ReturnUrlError> {
    let unreadable = |b: &u8| *b <= b' ' || *b == 0x7f || b"\\<>\"".contains(b);
    if bytes.len() > RETURN_URL_BYTES || bytes.iter().any(unreadable) {
        return Err(ReturnUrlError::Malformed);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| ReturnUrlError::Malformed)?;
    let starts = |prefix: &str| {
        text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    if !starts("http://") && !starts("https://") {
        return Err(ReturnUrlError::Malformed);
    }
    Url::parse(text).map_err(|_| ReturnUrlError::Malformed)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
    use proptest::prelude::*;

    use super::*;
    use crate::domain::target::PathForms;
    use crate::policy::export::Exports;
    use crate::policy::rule::Rules;

    fn applications() -> Applications {
        let mut applications = Applications::default();
        let exports = Exports::new(Box::new([]));
        let wiki =
            applications.add(Arc::from("wiki"), PathForms::STRICT, Rules::default(), exports, None);
        for host in ["app.example.com", "*.apps.example.com"] {
            applications.add_host(wiki, host).unwrap();
        }
        applications
    }

    fn accept(url: &[u8]) -> Result<String, ReturnUrlError> {
        let urls = ReturnUrls {
            portal_host: "auth.example.com".into(),
            trusted: vec![
                TrustedDomain::Exact("trusted.test".into()),
                TrustedDomain::Below("below.test".into()),
            ],
        };
        let accepted = urls.accept(&STANDARD.encode(url), &applications());
        assert_eq!(
            accepted,
            urls.accept(&STANDARD_NO_PAD.encode(url).replace('+', " "), &applications())
        );
        accepted.map(|url| url.as_str().to_owned())
    }

    #[test]
    fn urls_of_applications_of_the_portal_and_of_trusted_domains_are_taken_raw() {
        for url in [
            "https://app.example.com/",
            "http://app.example.com:19880/admin?x=1",
            "https://app.example.com/file%23a?x=1",
            "https://app.example.com/a%3Fb/100%25/a%2Fb",
            "https://app.example.com/a;x=1/group%2fname;y//b",
            "https://app.example.com/it's?q=a|b^{c}",
            "https://x.y.apps.example.com/?a=b&c=d",
            "https://auth.example.com/",
            "https://trusted.test/x",
            "https://www.below.test/x",
        ] {
            assert_eq!(accept(url.as_bytes()).as_deref(), Ok(url));
        }
        let folded = accept(b"HTTPS://APP.Example.com./x");
        assert_eq!(folded.as_deref(), Ok("https://app.example.com./x"));
    }

    #[test]
    fn urls_that_lead_elsewhere_are_foreign() {
        // A73.
        for url in [
            "https://evil.test/",
            "https://app.example.com@evil.test/",
            "https://user@app.example.com/",
            "https://:@evil.test/",
            "https://user:password@app.example.com/",
            "https://app.example.com.evil.test/",
            "https://evilapp.example.com.test/",
            "https://notapps.example.com/",
            "https://below.test/",
            "https://xbelow.test/",
            "https://x.trusted.test/",
            "http:///evil.test/",
            "https://[::1]/",
            "https://127.0.0.1/",
        ] {
            assert_eq!(accept(url.as_bytes()), Err(ReturnUrlError::Foreign), "{url}");
        }
    }

    #[test]
    fn what_programs_read_in_different_ways_is_malformed() {
        for url in [
            "",
            "/relative",
            "//evil.test",
            "///evil.test",
            "/\\evil.test",
            "/%5cevil.test",
            "https:evil.test",
            "https:/app.example.com/",
            "javascript:alert(1)",
            "data:text/html,x",
            "ftp://app.example.com/",
            "http://evil.test\\@app.example.com/",
            "https://app.example.com\\.evil.test/",
            "https://app.example.com/\r\nX-Evil: 1",
            "https://app.example.com/a b",
            " https://app.example.com/",
            "https://app.example.com/\t",
            "https://app.example.com/\0",
            "https://app.example.com/'<script>",
            "https://app.example.com/\"",
            "https://app.example.com:99999/",
            "https:///",
            "https://",
        ] {
            assert_eq!(accept(url.as_bytes()), Err(ReturnUrlError::Malformed), "{url:?}");
        }
        assert_eq!(accept(b"https://app.example.com/\xff"), Err(ReturnUrlError::Malformed));
        let long = format!("https://app.example.com/{}", "a".repeat(RETURN_URL_BYTES - 24));
        assert!(accept(long.as_bytes()).is_ok());
        assert_eq!(accept(format!("{long}a").as_bytes()), Err(ReturnUrlError::Malformed));
    }

    #[test]
    fn what_is_not_base64_is_malformed() {
        let urls = ReturnUrls { portal_host: "auth.example.com".into(), trusted: Vec::new() };
        for text in ["http://app.example.com/", "a_b-c", "%%%", "aHR0c", "é"] {
            let refused = urls.accept(text, &applications());
            assert_eq!(refused, Err(ReturnUrlError::Malformed), "{text}");
        }
    }

    #[test]
    fn a_host_that_is_no_application_is_found_out_in_any_spelling() {
        assert_eq!(accept("https://аpp.example.com/".as_bytes()), Err(ReturnUrlError::Foreign));
        assert_eq!(accept(b"https://%65vil.test/"), Err(ReturnUrlError::Foreign));
        assert!(accept(b"https://%61pp.example.com/").is_ok());
    }

    proptest! {
        /// A74: whatever is accepted leads home, as the parser of browsers reads it.
        #[test]
        fn no_accepted_url_leads_anywhere_else(
            scheme in "(http|https|HTTP|ftp|javascript)?:?[/\\\\]{0,3}",
            middle in "[a-z.@:\\\\/%?#\\[\\]0-9 \t-]{0,12}",
            host in "(app\\.example\\.com|evil\\.test|auth\\.example\\.com)?",
            tail in "[@.:/\\\\?#%a-z0-9]{0,12}(evil\\.test)?",
        ) {
            let text = format!("{scheme}{middle}{host}{tail}");
            if let Ok(url) = accept(text.as_bytes()) {
                let read = Url::parse(&url).unwrap();
                let host = read.host_str().unwrap().trim_end_matches('.');
                prop_assert!(
                    matches!(host, "app.example.com" | "auth.example.com" | "trusted.test")
                        || host.ends_with(".apps.example.com") || host.ends_with(".below.test"),
                    "{text} became {url}"
                );
                prop_assert!(read.username().is_empty() && read.password().is_none());
                prop_assert!(url.bytes().all(|b| b > b' ' && b < 0x7f && !b"\\\"<>".contains(&b)));
            }
        }
    }
}
