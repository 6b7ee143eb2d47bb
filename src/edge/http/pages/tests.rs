//! Tests of the pages: every page in every language, with harmless and with hostile values.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use actix_web::body::MessageBody as _;
use regex::Regex;

use super::language::MISSING;
use super::*;

const LANGUAGES: [&str; 3] = ["en", "de", "fr"];

fn pages() -> Pages {
    Pages::new(Some(Logo::BuiltIn)).unwrap()
}

fn text(response: HttpResponse) -> String {
    let bytes = response.into_body().try_into_bytes().unwrap_or_else(|_| panic!("a stream"));
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn html(pages: &Pages, page: &Page<'_>, language: &str) -> String {
    text(pages.answer(StatusCode::OK, page, Some(language.as_bytes()), &[]))
}

fn value<'a>(response: &'a HttpResponse, name: &str) -> &'a str {
    let mut values = response.headers().get_all(name);
    let first = values.next().unwrap_or_else(|| panic!("no {name}"));
    assert_eq!(values.next(), None, "{name} twice");
    first.to_str().unwrap()
}

/// Calls `check` with every page there is, all foreign values being `foreign`, and with its number.
fn each_page(foreign: &str, mut check: impl FnMut(&Page<'_>, u8)) {
    let choices: [Box<str>; 2] = ["2_Slave".into(), foreign.into()];
    let applications = [
        MenuEntry { name: foreign, url: "https://app.example.com/" },
        MenuEntry { name: "Wiki", url: "https://wiki.example.com/?a=b&c" },
    ];
    for return_url in [None, Some(foreign)] {
        for number in [1, 9] {
            check(&Page::Choice { choices: &choices, return_url, number }, number);
        }
        for everywhere in [false, true] {
            check(&Page::ConfirmLogout { return_url, everywhere }, 0);
        }
    }
    for number in 0..=255 {
        for class in [Class::Login, Class::Throttled, Class::Unavailable] {
            check(&Page::Refused { number, class, reference: foreign }, number);
        }
    }
    for class in [Class::Forbidden, Class::MasterRefused, Class::FactorNeeded, Class::BadRequest] {
        let portal = "https://auth.example.com/";
        check(&Page::Denied { class, reference: foreign, portal }, 24);
    }
    for class in [Class::Throttled, Class::Unavailable] {
        let portal = "https://auth.example.com/sso/";
        check(&Page::Denied { class, reference: foreign, portal }, 24);
    }
    for applications in [&applications[..], &[]] {
        check(&Page::Menu { user: foreign, applications }, 0);
    }
    for (everywhere, return_refused) in [(false, false), (false, true), (true, false), (true, true)]
    {
        check(&Page::LoggedOut { everywhere, return_refused }, 47);
    }
    for (return_url, next_poll) in [(None, None), (Some(foreign), None), (Some(foreign), Some(3))] {
        for refusal in [None, Some(Class::FactorRefused), Some(Class::Throttled)] {
            let form = SecondFactor {
                user: foreign,
                token: "0badcafe",
                return_url,
                transaction: foreign,
                message: foreign,
                next_poll,
                is_poll: next_poll.is_some(),
                refusal,
            };
            check(&Page::SecondFactor(form), 0);
        }
    }
    for cause in [
        LoopCause::CookieNotReturned,
        LoopCause::PlainHttp,
        LoopCause::OtherHost(foreign.into()),
        LoopCause::PortalOverHttp,
    ] {
        for return_url in ["", foreign] {
            let page = Page::Loop { cause: &cause, host: foreign, reference: foreign, return_url };
            check(&page, 24);
        }
    }
}

/// Keys with their variables, attributes as `key.attribute`.
fn keys(source: &str) -> BTreeMap<String, BTreeSet<String>> {
    let key = Regex::new(r"^([a-z][a-z0-9-]*) = \S").unwrap();
    let attribute = Regex::new(r"^    \.([a-z]+) = \S").unwrap();
    let variable = Regex::new(r"\{ \$([a-z-]+) \}").unwrap();
    let mut keys = BTreeMap::new();
    let mut parent = String::new();
    for line in source.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let name = if let Some(found) = key.captures(line) {
            parent = found[1].to_owned();
            parent.clone()
        } else {
            let found = attribute.captures(line).unwrap_or_else(|| panic!("what is this? {line}"));
            format!("{parent}.{}", &found[1])
        };
        let variables = variable.captures_iter(line).map(|found| found[1].to_owned()).collect();
        assert!(keys.insert(name, variables).is_none(), "twice: {line}");
    }
    keys
}

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn templates() -> Vec<String> {
    let folder = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("templates")).unwrap();
    folder.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect()
}

#[test]
fn all_languages_have_the_same_keys_with_the_same_variables() {
    let english = keys(&file("locales/en.ftl"));
    for language in LANGUAGES {
        assert_eq!(keys(&file(&format!("locales/{language}.ftl"))), english, "{language}");
    }
}

#[test]
fn every_text_that_is_used_exists_and_every_text_that_exists_is_used() {
    let in_template = Regex::new(r#"say\("([a-z0-9-]+)"\)"#).unwrap();
    let in_view =
        Regex::new(r#""((?:choice|menu|logged|confirm|denied|error|loop|factor)-[a-z0-9-]+)""#)
            .unwrap();
    let mut used = BTreeSet::new();
    for (pattern, source) in templates()
        .iter()
        .map(|source| (&in_template, source.as_str()))
        .chain([(&in_view, include_str!("views.rs"))])
    {
        used.extend(pattern.captures_iter(source).map(|found| found[1].to_owned()));
    }
    let existing: BTreeSet<_> =
        keys(&file("locales/en.ftl")).into_keys().filter(|key| !key.contains('.')).collect();
    assert_eq!(used, existing);
}

#[test]
fn no_page_misses_a_text_or_a_value_in_any_language() {
    let pages = pages();
    for language in LANGUAGES {
        each_page("plain", |page, _| {
            let response = pages.answer(StatusCode::OK, page, Some(language.as_bytes()), &[]);
            assert_eq!(value(&response, "content-language"), language);
            let html = text(response);
            assert!(!html.contains(MISSING) && !html.contains("{$"), "{html}");
        });
    }
}

#[test]
fn every_page_is_whole() {
    let pages = pages();
    for language in LANGUAGES {
        each_page("plain", |page, number| {
            let html = html(&pages, page, language);
            let base = if let Page::Denied { portal, .. } = page {
                portal
            } else if matches!(page, Page::SecondFactor(SecondFactor { is_poll: true, .. })) {
                "../"
            } else {
                ""
            };
            for part in [
                &format!("<html lang=\"{language}\">"),
                "<title>",
                "<h1>",
                "<main>",
                "</main>",
                "</html>",
                "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">",
                "<meta name=\"robots\" content=\"noindex\">",
                &format!("<meta name=\"vouchsafe-error\" content=\"{number}\">"),
                &format!("<link rel=\"stylesheet\" href=\"{base}assets/portal.css\">"),
                &format!("<link rel=\"icon\" href=\"{base}assets/icon.svg\">"),
            ] {
                assert_eq!(html.matches(part).count(), 1, "{part} in\n{html}");
            }
            assert!(!html.contains("<title></title>") && !html.contains("<h1></h1>"), "{html}");
        });
    }
}

#[test]
fn no_page_holds_anything_that_runs_or_styles_itself() {
    let pages = pages();
    let active = Regex::new(r"(?i)<script|<style|<svg|<iframe|\sstyle=|\son[a-z]+=|javascript:");
    let active = active.unwrap();
    each_page("plain", |page, _| assert!(!active.is_match(&html(&pages, page, "en"))));
    assert!(!active.is_match(&text(Pages::sheet())));
    assert!(
        !templates().iter().any(|source| source.contains("safe }}") || source.contains("|safe"))
    );
}

#[test]
fn what_comes_from_outside_is_escaped_exactly_once() {
    let pages = pages();
    let hostile = "<script>\"'&amp;";
    let escaped = "&#60;script&#62;&#34;&#39;&#38;amp;";
    let encoded = "%3Cscript%3E%22%27%26amp%3B";
    for language in LANGUAGES {
        each_page(hostile, |page, _| {
            let html = html(&pages, page, language);
            assert!(!html.contains("<script") && !html.contains("&#38;#"), "{html}");
            // Every attribute ends where it should: quotes come in pairs on each line.
            assert!(html.lines().all(|line| line.matches('"').count() % 2 == 0), "{html}");
            let expected: &[(&str, usize)] = match *page {
                Page::Choice { return_url: None, .. } => &[(escaped, 1), (encoded, 1)],
                Page::Choice { .. } => &[(escaped, 1), (encoded, 3)],
                Page::Refused { .. }
                | Page::Denied { .. }
                | Page::Menu { applications: [], .. }
                | Page::ConfirmLogout { return_url: Some(_), .. } => &[(escaped, 1)],
                Page::Menu { .. } => &[(escaped, 2), ("?a=b&#38;c", 1)],
                Page::SecondFactor(form) => match (form.return_url, form.next_poll) {
                    (None, _) => &[(escaped, 3), (encoded, 0)],
                    (Some(_), None) => &[(escaped, 4), (encoded, 0)],
                    (Some(_), Some(_)) => &[(escaped, 4), (encoded, 2)],
                },
                Page::Loop { return_url: "", .. } => &[(encoded, 0)],
                Page::Loop { .. } => &[(encoded, 1)],
                Page::LoggedOut { .. } | Page::ConfirmLogout { return_url: None, .. } => {
                    &[(escaped, 0)]
                }
            };
            for (text, times) in expected {
                assert_eq!(html.matches(text).count(), *times, "{text} in\n{html}");
            }
        });
    }
    let cause = LoopCause::OtherHost("<b>".into());
    let html = html(
        &pages,
        &Page::Loop { cause: &cause, host: "<i>", reference: "<u>", return_url: "" },
        "en",
    );
    for (escaped, raw) in [("&#60;b&#62;", "<b>"), ("&#60;i&#62;", "<i>"), ("&#60;u&#62;", "<u>")] {
        assert!(html.contains(escaped) && !html.contains(raw), "{html}");
    }
}

#[test]
fn a_page_has_all_headers() {
    let page = Page::LoggedOut { everywhere: false, return_refused: false };
    let response = pages().answer(StatusCode::BAD_REQUEST, &page, Some(b"fr"), &[]);
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    for (name, expected) in [
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
        ("content-language", "fr"),
        ("vary", "Accept-Language, Accept"),
        (
            "content-security-policy",
            "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
             base-uri 'none'; frame-ancestors 'none'",
        ),
    ] {
        assert_eq!(value(&response, name), expected);
    }
}

#[test]
fn forms_may_lead_to_named_origins_and_to_nothing_else() {
    let page = Page::Menu { user: "dwho", applications: &[] };
    let targets = [
        "https://app.example.com",
        "http://localhost:8080",
        "https://",
        "https://a; script-src *",
        "https://a, b",
        "https://*",
        "*",
        "'unsafe-inline'",
        "javascript:x",
        "https://a\r\nX: y",
        "",
    ];
    let response = pages().answer(StatusCode::OK, &page, None, &targets);
    assert_eq!(
        value(&response, "content-security-policy"),
        "default-src 'none'; style-src 'self'; img-src 'self'; \
         form-action 'self' https://app.example.com http://localhost:8080; \
         base-uri 'none'; frame-ancestors 'none'"
    );
}

#[test]
fn choices_are_links_that_carry_the_way_back() {
    let choices: [Box<str>; 3] = ["2_Slave".into(), "10 Master_of_A&B".into(), "3".into()];
    let page = Page::Choice { choices: &choices, return_url: Some("aHR0cA+/="), number: 9 };
    let html = html(&pages(), &page, "en");
    for link in [
        r#"<a href="./?lmAuth=2_Slave&#38;url=aHR0cA%2B%2F%3D">Log in with Slave</a>"#,
        r#"<a href="./?lmAuth=10+Master_of_A%26B&#38;url=aHR0cA%2B%2F%3D">Log in with Master of A&#38;B</a>"#,
        r#"<a href="./?lmAuth=3&#38;url=aHR0cA%2B%2F%3D">Log in with 3</a>"#,
    ] {
        assert!(html.contains(link), "{html}");
    }
    assert!(!html.contains("<form"), "{html}");
}

#[test]
fn the_choice_shows_the_logo_if_there_is_one() {
    let page = Page::Choice { choices: &[], return_url: None, number: 9 };
    assert!(html(&pages(), &page, "en").contains(r#"<img class="logo" src="assets/logo" alt="">"#));
    let without = Pages::new(None).unwrap().answer(StatusCode::OK, &page, None, &[]);
    assert!(!text(without).contains("<img"));
}

#[test]
fn a_foreign_logout_asks_and_carries_its_wishes() {
    let html =
        html(&pages(), &Page::ConfirmLogout { return_url: Some("aHR0"), everywhere: true }, "en");
    for part in [
        r#"<form class="actions" method="post" action="logout">"#,
        r#"<input type="hidden" name="logout" value="1">"#,
        r#"<input type="hidden" name="url" value="aHR0">"#,
        r#"<input type="hidden" name="all" value="1">"#,
    ] {
        assert!(html.contains(part), "{html}");
    }
}

#[test]
fn refusals_have_sentences_of_their_own() {
    let pages = pages();
    let known = [1, 4, 8, 9, 37, 40, 41, 47, 75, 109];
    let sentence = |number| {
        let page = Page::Refused { number, class: Class::Login, reference: "" };
        let html = html(&pages, &page, "en");
        html.split("<p>").nth(1).unwrap().to_owned()
    };
    let sentences: BTreeSet<_> = known.into_iter().chain([24]).map(sentence).collect();
    assert_eq!(sentences.len(), known.len() + 1);
    assert_eq!(sentence(24), sentence(200));
}

#[test]
fn a_refusal_says_what_to_do_and_what_to_tell() {
    let page = Page::Refused { number: 75, class: Class::MasterRefused, reference: "4f1c" };
    insta::assert_snapshot!(html(&pages(), &page, "en"), @r#"
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="robots" content="noindex">
    <meta name="vouchsafe-error" content="75">
    <title>The login was not accepted</title>
    <link rel="stylesheet" href="assets/portal.css">
    <link rel="icon" href="assets/icon.svg">
    </head>
    <body>
    <main>
    <h1>The login was not accepted</h1>
    <p>Your request did not come through the login system, or the login system could not prove itself.</p>
    <p>If this happens again, tell your administrator the reference below.</p>
    <p class="actions"><a class="button" href="./">Try again</a></p>
    <ul class="facts">
    <li>Error 75</li>
    <li>Class <code>master-refused</code></li>
    <li>Reference <code>4f1c</code></li>
    </ul>
    </main>
    </body>
    </html>
    "#);
}

#[test]
fn workers_share_the_pages() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&pages());
}
