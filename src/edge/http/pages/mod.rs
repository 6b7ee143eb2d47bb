//! The portal's pages for people: plain HTML without a script, in the languages of `locales/`.
//!
//! Must not know: sessions, policy, configuration, who asks and why. It gets what stands on a page and
//! makes an answer of it; routes, status codes and cookies are the caller's. All links are relative, so
//! that a proxy may put the portal below a path: pages work at `/`, `/logout` and `/mfa`, and only there; the one for a
//! second factor at `/mfa/poll` too.

mod assets;
mod language;
mod views;

#[cfg(test)]
mod tests;

pub use assets::Logo;
pub use language::PagesError;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use crate::authority::loops::LoopCause;
use crate::authority::menu::MenuEntry;
use crate::domain::decision::Class;
use crate::edge::http::pages::language::Languages;

/// One page and all that stands on it; every text is shown as it is, whatever it holds.
#[derive(Debug, Clone, Copy)]
pub enum Page<'a> {
    /// How do you want to log in?
    Choice {
        /// The accepted values of `lmAuth`, one link each.
        choices: &'a [Box<str>],
        /// The value of `url=` to carry on: form-decoded once, still Base64.
        return_url: Option<&'a str>,
        /// 9 on first access, 1 when a session had expired.
        number: u8,
    },
    /// No.
    Refused {
        /// LemonLDAP::NG's error number.
        number: u8,
        /// All that the client may learn of the reason.
        class: Class,
        /// What the operator finds in the log.
        reference: &'a str,
    },
    /// An application's proxy refused; shown on the application's own host.
    Denied {
        /// All that the client may learn of the reason.
        class: Class,
        /// What the operator finds in the log.
        reference: &'a str,
        /// The portal's URL, from where the page gets its looks.
        portal: &'a str,
    },
    /// What the user may open.
    Menu {
        /// The login.
        user: &'a str,
        /// In the order in which they are listed.
        applications: &'a [MenuEntry<'a>],
    },
    /// A logout is done.
    LoggedOut {
        /// All sessions of the user, not only this browser's.
        everywhere: bool,
        /// Whether there was an address to go on to which is not allowed.
        return_refused: bool,
    },
    /// Do you want to log out? For browsers that a foreign site led here; the answer is a POST to `logout`.
    ConfirmLogout {
        /// The value of `url=` to carry on: form-decoded once, still Base64.
        return_url: Option<&'a str>,
        /// As in `LoggedOut`.
        everywhere: bool,
    },
    /// What is your second factor?
    SecondFactor(SecondFactor<'a>),
    /// The browser comes back again and again without the cookie.
    Loop {
        /// The likely cause.
        cause: &'a LoopCause,
        /// The host that the browser comes from; the portal's own for `PortalOverHttp`.
        host: &'a str,
        /// What the operator finds in the log.
        reference: &'a str,
        /// The value of `url=` to try again with: form-decoded once, still Base64; empty without one.
        return_url: &'a str,
    },
}

/// The form for a second factor.
#[derive(Debug, Clone, Copy)]
pub struct SecondFactor<'a> {
    /// Whose it is.
    pub user: &'a str,
    /// What the form carries, so that no other page can send it.
    pub token: &'a str,
    /// The value of `url=` to carry on: form-decoded once, still Base64.
    pub return_url: Option<&'a str>,
    /// The id of the challenge that is answered; empty if there is none.
    pub transaction: &'a str,
    /// A node's words about it, unverified.
    pub message: &'a str,
    /// If the page polls by itself: how often it has done so.
    pub next_poll: Option<u32>,
    /// Whether the page stands at `mfa/poll` rather than at `mfa`.
    pub is_poll: bool,
    /// Why the last try was refused.
    pub refusal: Option<Class>,
}

/// All texts and pictures, prepared once and shared by all workers.
#[derive(Debug)]
pub struct Pages {
    languages: Languages,
    logo: Option<Logo>,
}

impl Pages {
    /// Reads the bundled languages.
    ///
    /// # Errors
    ///
    /// If one of them cannot be read; a test proves that they can.
    pub fn new(logo: Option<Logo>) -> Result<Self, PagesError> {
        Ok(Self { languages: Languages::bundled()?, logo })
    }

    /// A page in the language that fits `accept_language` best, with the headers that belong to it.
    ///
    /// `form_targets` are the origins (`https://app.example.com`) to which an answer to a form of this page
    /// may redirect; what is not an origin is left out.
    #[must_use]
    pub fn write(
        &self,
        page: &Page<'_>,
        accept_language: Option<&[u8]>,
        form_targets: &[&str],
    ) -> Written {
        let language = self.languages.choose(accept_language);
        let html = views::render(page, language, self.logo.is_some()).unwrap_or_else(|error| {
            tracing::error!(%error, "a page cannot be rendered");
            String::new()
        });
        let source =
            if let Page::Denied { portal, .. } = page { origin_of(portal) } else { "'self'" };
        let headers = vec![
            ("content-type", "text/html; charset=utf-8".to_owned()),
            ("cache-control", "no-store".to_owned()),
            ("x-content-type-options", "nosniff".to_owned()),
            ("x-frame-options", "DENY".to_owned()),
            // With `no-referrer`, browsers would send `Origin: null` along with our own forms.
            ("referrer-policy", "same-origin".to_owned()),
            ("content-language", language.tag().to_owned()),
            ("vary", "Accept-Language, Accept".to_owned()),
            ("content-security-policy", content_security_policy(source, form_targets)),
        ];
        Written { headers, html }
    }

    /// The same as an answer of the portal.
    #[must_use]
    pub fn answer(
        &self,
        status: StatusCode,
        page: &Page<'_>,
        accept_language: Option<&[u8]>,
        form_targets: &[&str],
    ) -> HttpResponse {
        let Written { headers, html } = self.write(page, accept_language, form_targets);
        let mut response = HttpResponse::build(status);
        for header in headers {
            response.insert_header(header);
        }
        response.body(html)
    }

    /// `GET assets/portal.css`, the one style sheet of all pages.
    #[must_use]
    pub fn sheet() -> HttpResponse {
        assets::sheet()
    }

    /// `GET assets/icon.svg`, on every page.
    #[must_use]
    pub fn icon() -> HttpResponse {
        assets::icon()
    }

    /// `GET assets/logo`; 404 without one.
    #[must_use]
    pub fn logo(&self) -> HttpResponse {
        assets::logo(self.logo.as_ref())
    }
}

/// A page as text, and the headers that belong to it.
#[derive(Debug)]
pub struct Written {
    /// Lower-case names, values without control bytes.
    pub headers: Vec<(&'static str, String)>,
    /// The page.
    pub html: String,
}

/// Nothing but the portal's sheet and pictures and our own forms. Browsers apply `form-action` to redirects
/// after a form too, so the places to which a form may lead in the end have to be named.
fn content_security_policy(source: &str, form_targets: &[&str]) -> String {
    let targets = form_targets.iter().filter(|target| is_origin(target));
    let targets: String = targets.flat_map(|target| [" ", target]).collect();
    format!(
        "default-src 'none'; style-src {source}; img-src {source}; form-action 'self'{targets}; \
         base-uri 'none'; frame-ancestors 'none'"
    )
}

/// Scheme, host and port of a URL; our own if it has none.
fn origin_of(url: &str) -> &str {
    let end = url.find("://").and_then(|at| Some(at + 3 + url.get(at + 3..)?.find('/')?));
    end.and_then(|end| url.get(..end)).filter(|origin| is_origin(origin)).unwrap_or("'self'")
}

/// Whether a text may stand in the policy: scheme, host, port, and nothing that begins another directive.
fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| {
        !host.is_empty()
            && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b))
    })
}
