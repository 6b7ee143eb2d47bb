//! Whether a page of another site made the browser ask (SEMANTICS P4).
//!
//! Browsers say so themselves; programs say nothing, and nobody can make them ask. What cannot be
//! understood counts as foreign.

use url::Url;

use crate::domain::header::{HeaderList, HeaderView as _};
use crate::domain::host;

/// Judges by `Sec-Fetch-Site` and `Origin`; both absent is no browser, or one that was asked by hand.
pub fn is_cross_site(headers: &HeaderList<'_>, portal_host: &str) -> bool {
    let from_elsewhere = match headers.unique("sec-fetch-site") {
        Ok(None | Some(b"same-origin" | b"same-site" | b"none")) => false,
        Ok(Some(_)) | Err(_) => true,
    };
    let is_foreign = match headers.unique("origin") {
        Ok(None) => false,
        Ok(Some(origin)) => !is_ours(origin, portal_host, headers),
        Err(_) => true,
    };
    from_elsewhere || is_foreign
}

/// Whether an origin is the portal's: the configured one, or the one that this very request is for.
fn is_ours(origin: &[u8], portal_host: &str, headers: &HeaderList<'_>) -> bool {
    let origin = std::str::from_utf8(origin).ok().and_then(|origin| Url::parse(origin).ok());
    let Some(name) = origin.as_ref().and_then(Url::host_str) else { return false };
    let Ok(name) = host::canonical(name.as_bytes()) else { return false };
    let asked = headers.unique("host").ok().flatten();
    let asked = asked.and_then(|host| host::canonical(host).ok());
    name == portal_host || asked.is_some_and(|asked| asked == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn judged(headers: &[(&str, &str)], expected: bool) {
        let list = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
        let list = list.chain([("host", &b"127.0.0.1:9080"[..])]).collect::<HeaderList<'_>>();
        assert_eq!(is_cross_site(&list, "auth.example.com"), expected, "{headers:?}");
    }

    #[test]
    fn programs_and_our_own_pages_may_ask() {
        judged(&[], false);
        judged(&[("sec-fetch-site", "same-origin")], false);
        judged(&[("sec-fetch-site", "same-site")], false);
        judged(&[("sec-fetch-site", "none")], false);
        judged(&[("origin", "https://auth.example.com")], false);
        judged(&[("origin", "https://AUTH.example.com:8443")], false);
        judged(&[("origin", "http://127.0.0.1:9080"), ("sec-fetch-site", "same-origin")], false);
    }

    #[test]
    fn pages_of_others_may_not_and_neither_may_what_is_not_understood() {
        // A78.
        judged(&[("sec-fetch-site", "cross-site")], true);
        judged(&[("sec-fetch-site", "cross-site"), ("origin", "https://auth.example.com")], true);
        judged(&[("sec-fetch-site", "")], true);
        judged(&[("sec-fetch-site", "none"), ("sec-fetch-site", "none")], true);
        judged(&[("origin", "null")], true);
        judged(&[("origin", "")], true);
        judged(&[("origin", "https://evil.test")], true);
        judged(&[("origin", "https://app.example.com"), ("sec-fetch-site", "same-site")], true);
        judged(&[("origin", "https://auth.example.com.evil.test")], true);
        judged(&[("origin", "https://auth.example.com@evil.test")], true);
        judged(&[("origin", "data:,x")], true);
        judged(&[("origin", "https://auth.example.com"), ("origin", "null")], true);
        judged(&[("Sec_Fetch_Site", "none")], true);
    }
}
