//! The templates of `templates/`, and what each gets to show.
//!
//! Must not know: HTTP. Values go in as they are: every `{{ .. }}` of an `.html` template is escaped.

use askama::Template;
use fluent_bundle::FluentArgs;

use crate::authority::loops::LoopCause;
use crate::authority::menu::MenuEntry;
use crate::domain::decision::Class;
use crate::edge::http::pages::language::Language;
use crate::edge::http::pages::{Page, SecondFactor};

/// Error numbers of LemonLDAP::NG's portal that a page has by itself.
mod number {
    pub const OK: u8 = 0;
    pub const SESSION_EXPIRED: u8 = 1;
    pub const ERROR: u8 = 24;
    pub const LOGOUT: u8 = 47;
}

/// What every page has.
struct Frame<'a> {
    language: &'a Language,
    values: FluentArgs<'a>,
    number: u8,
    title: String,
    /// Where the style sheet lies: nothing on the portal itself.
    base: &'a str,
}

impl<'a> Frame<'a> {
    fn new(language: &'a Language, values: FluentArgs<'a>, number: u8, title: &str) -> Self {
        let title = language.say(title, &values);
        Self { language, values, number, title, base: "" }
    }

    fn language(&self) -> &'static str {
        self.language.tag()
    }

    fn say(&self, key: &str) -> String {
        self.language.say(key, &self.values)
    }
}

#[derive(Template)]
#[template(path = "choice.html")]
struct Choice<'a> {
    frame: Frame<'a>,
    logo: bool,
    expired: bool,
    choices: Vec<Link>,
}

/// A value of `lmAuth` to click on.
struct Link {
    address: String,
    label: String,
}

#[derive(Template)]
#[template(path = "refused.html")]
struct Refused<'a> {
    frame: Frame<'a>,
    sentence: String,
    class: &'static str,
    reference: &'a str,
}

#[derive(Template)]
#[template(path = "denied.html")]
struct Denied<'a> {
    frame: Frame<'a>,
    sentence: String,
    class: &'static str,
    reference: &'a str,
}

#[derive(Template)]
#[template(path = "menu.html")]
struct Menu<'a> {
    frame: Frame<'a>,
    applications: &'a [MenuEntry<'a>],
}

#[derive(Template)]
#[template(path = "logged_out.html")]
struct LoggedOut<'a> {
    frame: Frame<'a>,
    everywhere: bool,
    return_refused: bool,
}

#[derive(Template)]
#[template(path = "confirm_logout.html")]
struct ConfirmLogout<'a> {
    frame: Frame<'a>,
    return_url: Option<&'a str>,
    everywhere: bool,
}

#[derive(Template)]
#[template(path = "second_factor.html")]
struct FactorForm<'a> {
    frame: Frame<'a>,
    refusal: Option<String>,
    message: &'a str,
    token: &'a str,
    return_url: Option<&'a str>,
    transaction: &'a str,
    /// Where the browser goes by itself.
    poll: Option<String>,
    is_polled: bool,
}

#[derive(Template)]
#[template(path = "loop.html")]
struct Loop<'a> {
    frame: Frame<'a>,
    cause: String,
    user: String,
    administrator: String,
    again: String,
    reference: &'a str,
}

/// The HTML of a page; `logo` if there is one to show.
pub fn render(page: &Page<'_>, language: &Language, logo: bool) -> askama::Result<String> {
    match *page {
        Page::Choice { choices, return_url, number } => {
            let frame = Frame::new(language, FluentArgs::new(), number, "choice-title");
            let links = choices.iter().map(|choice| link(language, choice, return_url)).collect();
            let expired = number == number::SESSION_EXPIRED;
            Choice { frame, logo, expired, choices: links }.render()
        }
        Page::Refused { number, class, reference } => {
            let key = refusal_key(number, class);
            let values = values(&[("number", &number.to_string())]);
            let frame = Frame::new(language, values, number, &format!("{key}.title"));
            let sentence = frame.say(key);
            Refused { frame, sentence, class: class.as_str(), reference }.render()
        }
        Page::Denied { class, reference, portal } => {
            let key = denial_key(class);
            let frame =
                Frame::new(language, FluentArgs::new(), number::ERROR, &format!("{key}.title"));
            let (sentence, frame) = (frame.say(key), Frame { base: portal, ..frame });
            Denied { frame, sentence, class: class.as_str(), reference }.render()
        }
        Page::Menu { user, applications } => {
            let frame = Frame::new(language, values(&[("user", user)]), number::OK, "menu-title");
            Menu { frame, applications }.render()
        }
        Page::LoggedOut { everywhere, return_refused } => {
            let frame = Frame::new(language, FluentArgs::new(), number::LOGOUT, "logged-out-title");
            LoggedOut { frame, everywhere, return_refused }.render()
        }
        Page::ConfirmLogout { return_url, everywhere } => {
            let frame = Frame::new(language, FluentArgs::new(), number::OK, "confirm-title");
            ConfirmLogout { frame, return_url, everywhere }.render()
        }
        Page::SecondFactor(factor) => factor_form(factor, language),
        Page::Loop { cause, host, reference, return_url } => {
            let (key, cookie_domain) = loop_key(cause);
            let values = values(&[("host", host), ("cookie-domain", cookie_domain)]);
            let frame = Frame::new(language, values, number::ERROR, "loop-title");
            let user = frame.say(&format!("{key}.user"));
            let administrator = frame.say(&format!("{key}.administrator"));
            let cause = frame.say(key);
            let return_url = Some(return_url).filter(|url| !url.is_empty());
            let again = address(None, return_url);
            Loop { frame, cause, user, administrator, again, reference }.render()
        }
    }
}

fn factor_form(factor: SecondFactor<'_>, language: &Language) -> askama::Result<String> {
    let SecondFactor { user, token, return_url, transaction, message, .. } = factor;
    let base = if factor.is_poll { "../" } else { "" };
    let frame = Frame::new(language, values(&[("user", user)]), number::OK, "factor-title");
    let frame = Frame { base, ..frame };
    let poll = factor.next_poll.map(|polls| {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("transaction_id", transaction).append_pair("polls", &polls.to_string());
        query.extend_pairs(return_url.map(|url| ("url", url)));
        format!("{base}mfa/poll?{}", query.finish())
    });
    let refusal = factor
        .refusal
        .map(|class| if class == Class::Throttled { "factor-throttled" } else { "factor-refused" });
    let refusal = refusal.map(|key| frame.say(key));
    let is_polled = factor.is_poll;
    FactorForm { frame, refusal, message, token, return_url, transaction, poll, is_polled }.render()
}

/// Values for the variables of texts; always as text, so that no language writes 1 024 for a number.
fn values<'a>(pairs: &[(&'static str, &str)]) -> FluentArgs<'a> {
    pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
}

/// The text of an error number.
const fn refusal_key(number: u8, class: Class) -> &'static str {
    match (number, class) {
        (1, _) => "error-1",
        (4, _) => "error-4",
        (8, _) => "error-8",
        (9, _) => "error-9",
        (37, _) => "error-37",
        (40, _) => "error-40",
        (41, Class::Throttled) => "error-41-throttled",
        (41, _) => "error-41",
        (47, _) => "error-47",
        (75, _) => "error-75",
        (109, _) => "error-109",
        _ => "error-other",
    }
}

/// The text for a class of denials.
const fn denial_key(class: Class) -> &'static str {
    match class {
        Class::MasterRefused => "denied-master",
        Class::FactorNeeded | Class::FactorRefused | Class::FactorPending => "denied-factor",
        Class::BadRequest => "denied-request",
        Class::Throttled => "denied-throttled",
        Class::Unavailable => "denied-unavailable",
        Class::Allowed | Class::Login | Class::Forbidden => "denied-forbidden",
    }
}

/// The text of a cause, and the domain that it names.
fn loop_key(cause: &LoopCause) -> (&'static str, &str) {
    match cause {
        LoopCause::CookieNotReturned => ("loop-cookie-not-returned", ""),
        LoopCause::PlainHttp => ("loop-plain-http", ""),
        LoopCause::OtherHost(cookie_domain) => ("loop-other-host", cookie_domain),
        LoopCause::PortalOverHttp => ("loop-portal-over-http", ""),
    }
}

/// A link, not a form: Chrome applies `form-action` to wherever an answer to a form redirects.
fn link(language: &Language, choice: &str, return_url: Option<&str>) -> Link {
    let values = values(&[("choice", &display_name(choice))]);
    Link {
        address: address(Some(choice), return_url),
        label: language.say("choice-entry", &values),
    }
}

/// The portal with these parameters; right from both `/` and `/logout`.
fn address(lm_auth: Option<&str>, return_url: Option<&str>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(lm_auth.map(|value| ("lmAuth", value)));
    query.extend_pairs(return_url.map(|value| ("url", value)));
    let query = query.finish();
    if query.is_empty() { "./".to_owned() } else { format!("./?{query}") }
}

/// A value of `lmAuth` as LemonLDAP::NG shows it: the digits in front only sort, `_` is a blank.
fn display_name(choice: &str) -> String {
    let name = choice.trim_start_matches(|c: char| c.is_ascii_digit()).replace('_', " ");
    let name = name.trim();
    if name.is_empty() { choice.to_owned() } else { name.to_owned() }
}
