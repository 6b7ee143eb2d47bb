//! Browsers that go round between an application and the portal because the cookie does not return.
//!
//! Two small memories find them, and a mark in the URL joins the two, because a client may have
//! another address at the portal than at the application. The application's side counts how often one
//! client was challenged for one page, and marks the way to the portal once that is suspicious.
//! The portal's side remembers whom it sent back there. A mark that is younger than the last sending
//! back says that somebody came from there with nothing in hand: thirty tabs that were all challenged
//! before the first login carry older marks, so they are no loop.
//!
//! What is forgotten here costs a few more rounds, which the browser itself bounds.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::domain::identity::Owner;
use crate::domain::time::Timestamp;
use crate::policy::return_url::ReturnUrl;
use crate::session::cookie::SessionCookies;

/// Rounds that are further apart are no loop of a browser.
const WINDOW: Duration = Duration::from_secs(30);
/// From this challenge for the same page on, the way to the portal is marked.
const SUSPICIOUS_CHALLENGES: u32 = 4;
/// Returns with nothing in hand from which on it is a loop.
const LOOP_RETURNS: u32 = 2;
/// Pairs that each memory holds.
const ENTRIES: u64 = 20_000;

/// Why the cookie probably does not return.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoopCause {
    /// The portal itself is reached over plain HTTP, where browsers drop `Secure` cookies.
    PortalOverHttp,
    /// The page is plain HTTP and the cookie is `Secure`.
    PlainHttp,
    /// The cookie is not for the page's host, but for this domain or host.
    OtherHost(Box<str>),
    /// Nothing forbids it: the browser blocks cookies, or something between drops them.
    CookieNotReturned,
}

/// How often something happened, and when last.
#[derive(Debug, Clone, Copy)]
struct Seen {
    times: u32,
    last: Timestamp,
}

/// Both memories.
#[derive(Debug)]
pub struct LoginLoops {
    hasher: RandomState,
    challenged: Cache<u64, Seen>,
    sent_back: Cache<u64, Seen>,
}

impl Default for LoginLoops {
    fn default() -> Self {
        let memory = || {
            Cache::builder()
                .max_capacity(ENTRIES)
                .eviction_policy(EvictionPolicy::lru())
                .time_to_idle(WINDOW * 2)
                .build()
        };
        Self { hasher: RandomState::new(), challenged: memory(), sent_back: memory() }
    }
}

impl LoginLoops {
    /// Notes that `client` is challenged for `url`, and returns a mark for the way to the portal if
    /// that happens suspiciously often.
    #[must_use]
    pub fn challenged(&self, client: &[u8], url: &str, now: Timestamp) -> Option<u64> {
        let key = self.hasher.hash_one((client, url));
        let seen = note(&self.challenged, key, now);
        (seen.times >= SUSPICIOUS_CHALLENGES).then(|| now.as_millis())
    }

    /// Notes that `owner` is to be sent back to `url`; false if that would be one more round of a loop.
    pub fn may_send_back(
        &self,
        owner: Owner<'_>,
        url: &str,
        mark: Option<u64>,
        now: Timestamp,
    ) -> bool {
        let key = self.hasher.hash_one((owner, url));
        let mark = mark.map(Timestamp::from_millis);
        // A mark from the future is made up.
        let mark = mark.filter(|mark| *mark <= now && now.since(*mark) < WINDOW);
        let before = self.sent_back.get(&key).filter(|seen| now.since(seen.last) < WINDOW);
        if let (Some(before), Some(mark)) = (before, mark)
            && before.times >= LOOP_RETURNS
            && mark > before.last
        {
            // Whoever tries again begins anew.
            self.sent_back.invalidate(&key);
            return false;
        }
        note(&self.sent_back, key, now);
        true
    }
}

fn note(memory: &Cache<u64, Seen>, key: u64, now: Timestamp) -> Seen {
    let entry = memory.entry(key).and_upsert_with(|entry| {
        let before = entry.map(moka::Entry::into_value);
        let before = before.filter(|seen| now.since(seen.last) < WINDOW);
        Seen { times: before.map_or(0, |seen| seen.times).saturating_add(1), last: now }
    });
    entry.into_value()
}

/// Why the session's cookie does not reach `page`, as far as its attributes tell.
#[must_use]
pub fn cause_of(
    cookies: &SessionCookies,
    page: &ReturnUrl,
    portal_host: &str,
    portal_is_https: bool,
) -> LoopCause {
    let domain = cookies.domain();
    let is_within = match domain {
        Some(domain) => page
            .host()
            .strip_suffix(domain)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
        None => page.host() == portal_host,
    };
    if !is_within {
        LoopCause::OtherHost(domain.unwrap_or(portal_host).into())
    } else if !page.is_https() && cookies.is_secure() && !cookies.is_double() {
        LoopCause::PlainHttp
    } else if page.is_https() && cookies.is_secure() && !portal_is_https {
        LoopCause::PortalOverHttp
    } else {
        LoopCause::CookieNotReturned
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::application::Applications;
    use crate::policy::return_url::{ReturnUrls, TrustedDomain};
    use crate::session::settings::{CookieSettings, SameSite, SecuredMode};

    const DWHO: Owner<'_> = Owner { master: "sso", realm: "", user: "dwho" };
    const PAGE: &str = "https://app.example.com/";

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + millis)
    }

    /// How many rounds a browser makes that never returns a cookie, one each `step` milliseconds.
    fn rounds(loops: &LoginLoops, step: u64) -> Option<u64> {
        (0..20).find(|round| {
            let mark = loops.challenged(b"192.0.2.1", PAGE, at(round * step));
            !loops.may_send_back(DWHO, PAGE, mark, at(round * step + step / 2))
        })
    }

    #[test]
    fn a_browser_without_cookies_is_stopped_before_it_stops_itself() {
        // Browsers follow 20 redirects, and each round takes two.
        for step in [2, 100, 5_000] {
            assert_eq!(rounds(&LoginLoops::default(), step), Some(3), "{step} ms");
        }
        assert_eq!(rounds(&LoginLoops::default(), WINDOW.as_secs() * 1000 + 1), None);
    }

    #[test]
    fn whoever_tries_again_after_the_page_begins_anew() {
        let loops = LoginLoops::default();
        assert!(rounds(&loops, 10).is_some());
        assert!(loops.may_send_back(DWHO, PAGE, None, at(100)));
    }

    #[test]
    fn thirty_tabs_of_one_page_that_were_challenged_before_the_login_are_no_loop() {
        // A79.
        let loops = LoginLoops::default();
        let marks: Vec<_> =
            (0..30).map(|tab| loops.challenged(b"192.0.2.1", PAGE, at(tab))).collect();
        assert!(marks.iter().any(Option::is_some));
        for (tab, mark) in (0..).zip(marks.into_iter().rev()) {
            assert!(loops.may_send_back(DWHO, PAGE, mark, at(100 + tab)), "tab {tab}");
        }
    }

    #[test]
    fn another_user_another_page_and_another_client_are_not_part_of_a_loop() {
        let loops = LoginLoops::default();
        for round in 0..10 {
            let mark = loops.challenged(b"192.0.2.1", PAGE, at(round * 10));
            let user = format!("user{round}");
            let owner = Owner { user: &user, ..DWHO };
            assert!(loops.may_send_back(owner, PAGE, mark, at(round * 10 + 5)));
            let page = format!("{PAGE}{round}");
            assert_eq!(loops.challenged(b"192.0.2.1", &page, at(round * 10)), None);
            assert_eq!(loops.challenged(user.as_bytes(), PAGE, at(round * 10)), None);
        }
    }

    #[test]
    fn a_made_up_mark_makes_no_loop() {
        let loops = LoginLoops::default();
        for mark in [None, Some(0), Some(u64::MAX), Some(at(0).as_millis())] {
            for round in 0..10 {
                assert!(loops.may_send_back(DWHO, PAGE, mark, at(10 + round)), "{mark:?}");
            }
        }
    }

    #[test]
    fn the_cause_is_told_from_the_cookies_attributes() {
        let cookies = |secured, domain: Option<&str>| {
            let domain = domain.map(Into::into);
            let same_site = SameSite::Lax;
            SessionCookies::new(CookieSettings { name: "sso".into(), secured, same_site, domain })
        };
        let urls = ReturnUrls {
            portal_host: "auth.example.com".into(),
            trusted: ["example.com", "badexample.com"]
                .map(|d| TrustedDomain::Below(d.into()))
                .into(),
        };
        let cause = |cookies: &SessionCookies, page: &str, portal_is_https| {
            use base64::Engine as _;
            let page = base64::engine::general_purpose::STANDARD.encode(page);
            let page = urls.accept(&page, &Applications::default()).unwrap();
            cause_of(cookies, &page, "auth.example.com", portal_is_https)
        };
        let double = cookies(SecuredMode::DoubleCookie, Some("example.com"));
        assert_eq!(cause(&double, PAGE, true), LoopCause::CookieNotReturned);
        assert_eq!(cause(&double, "http://app.example.com/", false), LoopCause::CookieNotReturned);
        assert_eq!(cause(&double, PAGE, false), LoopCause::PortalOverHttp);
        let other = LoopCause::OtherHost("example.com".into());
        assert_eq!(cause(&double, "https://x.badexample.com/", true), other);
        let secured = cookies(SecuredMode::Secured, Some("example.com"));
        assert_eq!(cause(&secured, "http://app.example.com/", true), LoopCause::PlainHttp);
        let host_only = cookies(SecuredMode::Secured, None);
        let other = LoopCause::OtherHost("auth.example.com".into());
        assert_eq!(cause(&host_only, PAGE, true), other);
    }
}
