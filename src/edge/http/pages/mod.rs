//! The portal's pages for people: plain HTML without a script, in the languages of `locales/`.
//!
//! Must not know: sessions, policy, configuration, who asks and why. It gets what stands on a page and
//! makes an answer of it; routes, status codes and cookies are the caller's. All links are relative, so
//! that a proxy may put the portal below a path: pages work at `/` and at `/logout`, and only there.

mod assets;
mod language;
mod views;

#[cfg(test)]
mod tests;

pub use assets::Logo;
pub use language::PagesError;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};

use crate::authority::loops::LoopCause;
use crate::authority::menu::MenuEntry;
use crate::domain::decision::Class;
use crate::edge::http::pages::language::Languages;

/// Also what a page has whose `form_targets` cannot be said in a header.
const NO_TARGETS: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

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

    /// A page in the language that fits `accept_language` best.
    ///
    /// `form_targets` are the origins (`https://app.example.com`) to which an answer to a form of this page
    /// may redirect; what is not an origin is left out.
    #[must_use]
    pub fn answer(
        &self,
        status: StatusCode,
        page: &Page<'_>,
        accept_language: Option<&[u8]>,
        form_targets: &[&str],
    ) -> HttpResponse {
        let language = self.languages.choose(accept_language);
        let html = match views::render(page, language, self.logo.is_some()) {
            Ok(html) => html,
            Err(error) => {
                tracing::error!(%error, "a page cannot be rendered");
                return HttpResponse::InternalServerError()
                    .insert_header((header::CACHE_CONTROL, "no-store"))
                    .finish();
            }
        };
        HttpResponse::build(status)
            .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .insert_header((header::X_FRAME_OPTIONS, "DENY"))
            // With `no-referrer`, browsers would send `Origin: null` along with our own forms.
            .insert_header((header::REFERRER_POLICY, "same-origin"))
            .insert_header((header::CONTENT_LANGUAGE, language.tag()))
            .insert_header((header::VARY, "Accept-Language, Accept"))
            .insert_header((header::CONTENT_SECURITY_POLICY, content_security_policy(form_targets)))
            .body(html)
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

/// Nothing but our own sheet, pictures and forms. Browsers apply `form-action` to redirects after a form too,
/// so the places to which a form may lead in the end have to be named.
fn content_security_policy(form_targets: &[&str]) -> HeaderValue {
    let mut targets = String::new();
    for target in form_targets.iter().filter(|target| is_origin(target)) {
        targets.push(' ');
        targets.push_str(target);
    }
    if targets.is_empty() {
        return NO_TARGETS;
    }
    let policy = format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'{targets}; \
         base-uri 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).unwrap_or(NO_TARGETS)
}

/// Whether a text may stand in the policy: scheme, host, port, and nothing that begins another directive.
fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| {
        !host.is_empty()
            && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b))
    })
}
