//! Session cookies: which names there are, what is read under them, how they are set.

use cookie::{Cookie, SameSite as CookieSameSite};
use smallvec::SmallVec;

use crate::domain::decision::{CookiesLeft, SetCookie};
use crate::domain::limits::{COOKIE_CANDIDATES, COOKIE_LINES};
use crate::domain::request::Scheme;
use crate::session::id::SessionId;
use crate::session::settings::{CookieSettings, SameSite, SecuredMode};

/// The cookies of one installation.
#[derive(Debug)]
pub struct SessionCookies {
    settings: CookieSettings,
    main: String,
    http: Option<String>,
}

/// Which cookie a value came under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// The main cookie, the only one where there is no double one.
    Main,
    /// The cookie for plain HTTP.
    PlainHttp,
}

/// What a request carried under the session cookie's name.
#[derive(Debug)]
pub struct Presented {
    /// The cookie that was read.
    pub half: Half,
    /// Well-formed ids, each once, at most [`COOKIE_CANDIDATES`].
    pub ids: SmallVec<[SessionId; 1]>,
    /// Whether there was any value, well-formed or not.
    pub any: bool,
}

impl SessionCookies {
    /// A `Secure` cookie without domain gets the `__Host-` prefix, and only that name is read (S6).
    #[must_use]
    pub fn new(settings: CookieSettings) -> Self {
        let host_only = settings.domain.is_none() && settings.secured != SecuredMode::Unsecured;
        let prefix = if host_only { "__Host-" } else { "" };
        let main = format!("{prefix}{}", settings.name);
        let is_double = matches!(
            settings.secured,
            SecuredMode::DoubleCookie | SecuredMode::DoubleCookieOneSession
        );
        let http = is_double.then(|| format!("{}http", settings.name));
        Self { settings, main, http }
    }

    /// Whether there is a cookie for plain HTTP besides the main one.
    #[must_use]
    pub const fn is_double(&self) -> bool {
        self.http.is_some()
    }

    /// Whether browsers return the main cookie over TLS only.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.settings.secured != SecuredMode::Unsecured
    }

    /// The domain that the cookies are for; `None` is the one host that set them.
    #[must_use]
    pub fn domain(&self) -> Option<&str> {
        self.settings.domain.as_deref()
    }

    /// The ids of a subrequest. With a double cookie, a request over plain HTTP is read under
    /// `<name>http` only, every other under the main name only.
    #[must_use]
    pub fn read(&self, lines: &[&[u8]], scheme: Scheme) -> Presented {
        match (&self.http, scheme) {
            (Some(http), Scheme::Http) => read_named(lines, http, Half::PlainHttp),
            _ => self.read_main(lines),
        }
    }

    /// The ids under the main name, all that the portal believes.
    #[must_use]
    pub fn read_main(&self, lines: &[&[u8]]) -> Presented {
        read_named(lines, &self.main, Half::Main)
    }

    /// What an application may see of the client's cookies.
    #[must_use]
    pub fn without_own(&self, lines: &[&[u8]]) -> CookiesLeft {
        let pairs =
            || lines.iter().flat_map(|line| line.split(|&b| b == b';')).map(<[u8]>::trim_ascii);
        if !pairs().any(|pair| self.mentions_own(pair)) {
            return CookiesLeft::Unchanged;
        }
        // A pair that only holds one of ours, joined on by some program, goes as a whole.
        let rest: Vec<&[u8]> =
            pairs().filter(|pair| !pair.is_empty() && !self.mentions_own(pair)).collect();
        if rest.is_empty() {
            CookiesLeft::Nothing
        } else {
            CookiesLeft::Some(rest.join(&b"; "[..]))
        }
    }

    /// Whether a pair is one of our cookies, or has one of them in it behind a comma, a quote or a blank.
    fn mentions_own(&self, pair: &[u8]) -> bool {
        let words = pair.split(|b| b", \t\"".contains(b));
        let name = |word: &[u8]| word.split(|&b| b == b'=').next().unwrap_or_default().to_owned();
        let base = self.settings.name.as_bytes();
        words.map(name).any(|name| {
            let name = name.strip_prefix(b"__Host-").unwrap_or(&name);
            name.strip_prefix(base).is_some_and(|rest| matches!(rest, b"" | b"http"))
        })
    }

    /// The cookies of a session that was just opened.
    #[must_use]
    pub fn set(&self, id: &SessionId, id_http: Option<&SessionId>) -> Vec<SetCookie> {
        let mut cookies = vec![self.build(&self.main, id.to_hex(), self.is_secure())];
        if let (Some(name), Some(id)) = (&self.http, id_http) {
            cookies.push(self.build(name, id.to_hex(), false));
        }
        cookies.into_iter().map(|cookie| SetCookie(cookie.to_string())).collect()
    }

    /// Makes the browser forget its main cookie.
    #[must_use]
    pub fn delete_main(&self) -> SetCookie {
        deletion(self.build(&self.main, String::new(), self.is_secure()))
    }

    /// Makes the browser forget every session cookie.
    #[must_use]
    pub fn delete_all(&self) -> Vec<SetCookie> {
        let http = self.http.iter().map(|name| deletion(self.build(name, String::new(), false)));
        std::iter::once(self.delete_main()).chain(http).collect()
    }

    fn build<'c>(&self, name: &'c str, value: String, secure: bool) -> Cookie<'c> {
        let same_site = match (self.settings.same_site, secure) {
            (SameSite::Strict, _) => CookieSameSite::Strict,
            // Browsers drop a cookie with SameSite=None that is not Secure.
            (SameSite::Lax, _) | (SameSite::None, false) => CookieSameSite::Lax,
            (SameSite::None, true) => CookieSameSite::None,
        };
        let mut cookie = Cookie::build((name, value))
            .path("/")
            .http_only(true)
            .secure(secure)
            .same_site(same_site);
        if let Some(domain) = &self.settings.domain {
            cookie = cookie.domain(domain.to_string());
        }
        cookie.build()
    }
}

/// Both attributes, because old browsers know only the second one.
fn deletion(mut cookie: Cookie<'_>) -> SetCookie {
    cookie.set_max_age(cookie::time::Duration::ZERO);
    cookie.set_expires(cookie::time::OffsetDateTime::UNIX_EPOCH);
    SetCookie(cookie.to_string())
}

/// Reads every value under `name`. Values that are no ids count as present and are skipped, so a
/// sibling domain's junk cannot hide a good session (S5).
fn read_named(lines: &[&[u8]], name: &str, half: Half) -> Presented {
    let mut presented = Presented { half, ids: SmallVec::new(), any: false };
    let pairs = lines.iter().take(COOKIE_LINES).flat_map(|line| line.split(|&b| b == b';'));
    let values = pairs.filter_map(|pair| {
        let pair = pair.trim_ascii();
        pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")
    });
    for value in values.take(COOKIE_CANDIDATES) {
        presented.any = true;
        if let Some(id) = SessionId::parse(value)
            && !presented.ids.contains(&id)
        {
            presented.ids.push(id);
        }
    }
    presented
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies(secured: SecuredMode, domain: Option<&str>, same_site: SameSite) -> SessionCookies {
        SessionCookies::new(CookieSettings {
            name: "sso".into(),
            secured,
            same_site,
            domain: domain.map(Into::into),
        })
    }

    fn id(digit: char) -> String {
        digit.to_string().repeat(64)
    }

    fn read(cookies: &SessionCookies, lines: &[&str], scheme: Scheme) -> (Vec<String>, bool) {
        let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
        let presented = cookies.read(&lines, scheme);
        (presented.ids.iter().map(SessionId::to_hex).collect(), presented.any)
    }

    #[test]
    fn an_application_sees_every_cookie_but_ours() {
        let cookies = cookies(SecuredMode::DoubleCookie, Some("example.com"), SameSite::Lax);
        let left = |lines: &[&str]| {
            let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
            match cookies.without_own(&lines) {
                CookiesLeft::Unchanged => "unchanged".to_owned(),
                CookiesLeft::Some(rest) => String::from_utf8(rest).unwrap(),
                CookiesLeft::Nothing => "nothing".to_owned(),
            }
        };
        for (lines, expected) in [
            (&["a=1; b=sso"][..], "unchanged"),
            (&["ssox=1; xsso=2; sso-http=3; my.sso=4"], "unchanged"),
            (&[], "unchanged"),
            (&["sso=1"], "nothing"),
            (&["sso=1; ssohttp=2", "__Host-sso=3; __Host-ssohttp=4;"], "nothing"),
            (&["a=1; sso=2; b=3"], "a=1; b=3"),
            (&["a=1", "sso=2;b=3"], "a=1; b=3"),
            (&[";; sso = 2;a=1;;"], "a=1"),
            (&["a=1,sso=2; b=3"], "b=3"),
            (&["a=\"sso=2\"; b=3"], "b=3"),
            (&["sso"], "nothing"),
        ] {
            assert_eq!(left(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn an_id_is_found_among_other_cookies_and_junk() {
        // A55.
        let cookies = cookies(SecuredMode::Unsecured, None, SameSite::Lax);
        let good = format!("sso={}", id('a'));
        let found = (vec![id('a')], true);
        for line in [
            good.clone(),
            format!("x=1; {good}; y=2"),
            format!(";;;;{good};"),
            format!("sso=\"\"; sso=%ff; {good}"),
            format!("mysso={}; {good}", id('b')),
            format!("sso-x={}; {good}", id('b')),
        ] {
            assert_eq!(read(&cookies, &[&line], Scheme::Https), found, "{line}");
        }
        assert_eq!(read(&cookies, &["x=1", &good], Scheme::Https), found);
        for nothing in ["", "sso", ";;;;", "x=1", "SSO=1"] {
            assert_eq!(read(&cookies, &[nothing], Scheme::Https), (vec![], false), "{nothing}");
        }
        for junk in ["sso=", "sso=%ff", "sso=\"\"", "sso=é"] {
            assert_eq!(read(&cookies, &[junk], Scheme::Https), (vec![], true), "{junk}");
        }
    }

    #[test]
    fn at_most_four_values_are_tried_and_each_once() {
        let cookies = cookies(SecuredMode::Unsecured, None, SameSite::Lax);
        let line: Vec<_> = "aabcde".chars().map(|c| format!("sso={}", id(c))).collect();
        assert_eq!(
            read(&cookies, &[&line.join("; ")], Scheme::Http).0,
            [id('a'), id('b'), id('c')]
        );
    }

    #[test]
    fn so_many_cookie_lines_are_read_and_no_more() {
        let cookies = cookies(SecuredMode::Unsecured, None, SameSite::Lax);
        let good = format!("sso={}", id('a'));
        let behind = |lines: usize| {
            let mut all = vec!["x=1"; lines];
            all.push(&good);
            read(&cookies, &all, Scheme::Http).1
        };
        assert!(behind(COOKIE_LINES - 1));
        assert!(!behind(COOKIE_LINES));
    }

    #[test]
    fn with_a_double_cookie_each_scheme_reads_its_own_name() {
        let cookies = cookies(SecuredMode::DoubleCookie, Some("example.com"), SameSite::Lax);
        let line = format!("sso={}; ssohttp={}", id('a'), id('b'));
        assert_eq!(read(&cookies, &[&line], Scheme::Https).0, [id('a')]);
        assert_eq!(read(&cookies, &[&line], Scheme::Http).0, [id('b')]);
        let swapped = format!("sso={}", id('b'));
        assert_eq!(read(&cookies, &[&swapped], Scheme::Http), (vec![], false));
    }

    fn set(cookies: &SessionCookies) -> Vec<String> {
        let parse = |c| SessionId::parse(id(c).as_bytes()).unwrap();
        cookies
            .set(&parse('a'), cookies.is_double().then(|| parse('b')).as_ref())
            .into_iter()
            .map(|c| c.0)
            .collect()
    }

    #[test]
    fn attributes_follow_the_mode() {
        let (a, b) = (id('a'), id('b'));
        assert_eq!(
            set(&cookies(SecuredMode::DoubleCookie, Some("example.com"), SameSite::Lax)),
            [
                format!("sso={a}; HttpOnly; SameSite=Lax; Secure; Path=/; Domain=example.com"),
                format!("ssohttp={b}; HttpOnly; SameSite=Lax; Path=/; Domain=example.com"),
            ]
        );
        assert_eq!(
            set(&cookies(SecuredMode::Secured, None, SameSite::None)),
            [format!("__Host-sso={a}; HttpOnly; SameSite=None; Secure; Path=/")]
        );
        assert_eq!(
            set(&cookies(SecuredMode::Unsecured, None, SameSite::Strict)),
            [format!("sso={a}; HttpOnly; SameSite=Strict; Path=/")]
        );
    }

    #[test]
    fn with_the_host_prefix_only_the_prefixed_name_is_read() {
        let cookies = cookies(SecuredMode::Secured, None, SameSite::Lax);
        assert_eq!(read(&cookies, &[&format!("sso={}", id('a'))], Scheme::Https), (vec![], false));
        assert_eq!(
            read(&cookies, &[&format!("__Host-sso={}", id('a'))], Scheme::Https).0,
            [id('a')]
        );
    }
}
