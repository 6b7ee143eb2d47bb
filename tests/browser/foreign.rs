//! What pages of another site can make a browser do at the portal (P4): nothing that the person does not see.

use serde_json::Value;

use crate::browser::Browser;
use crate::stage::{Stage, parameter};

/// A browser with a session.
fn logged_in(stage: &Stage) -> (Browser, String) {
    let browser = Browser::start();
    browser.open(&stage.app("/"));
    browser.sees_app(&stage.app("/"));
    let session = browser.session();
    (browser, session)
}

#[test]
fn a_link_of_another_site_to_the_logout_makes_the_person_be_asked() {
    let stage = Stage::without_choice();
    let (browser, session) = logged_in(&stage);
    for (link, button) in
        [("Kittens", "Log out"), ("Ponies", "Log out"), ("Puppies", "Log out everywhere")]
    {
        browser.open(&stage.foreign("/links"));
        browser.click(link);
        browser.sees("Log out?");
        browser.picture(&format!("confirm-{}", link.to_lowercase()));
        assert_eq!(browser.text("button"), button, "{link}");
        assert!(stage.is_alive(&session), "{link}");
    }
    browser.click("Stay logged in");
    browser.sees("Your applications");
    assert_eq!(browser.session(), session);
    assert!(stage.is_alive(&session));
    // Who confirms is logged out, and sent on.
    let page = stage.app("/page");
    browser.open(&stage.foreign(&format!("/links?url={}", parameter(&page))));
    browser.click("Ponies");
    browser.sees("Log out?");
    browser.click("Log out");
    // Out of the portal's form, through a challenge, and a new login: the page's policy lets all of it pass.
    browser.sees_app(&page);
    assert!(!stage.is_alive(&session));
    assert_ne!(browser.session(), session);
}

#[test]
fn a_form_of_another_site_is_refused_and_the_session_lives_on() {
    let stage = Stage::without_choice();
    let (browser, session) = logged_in(&stage);
    for button in ["Kittens", "Puppies"] {
        browser.open(&stage.foreign("/forms"));
        browser.click(button);
        browser.sees_refusal(403, "Something went wrong");
        assert!(stage.is_alive(&session), "{button}");
        assert_eq!(browser.session(), session, "{button}");
    }
    browser.picture("refused-cross-site");
    browser.open(&stage.portal("/"));
    browser.sees("Your applications");
    assert_eq!(browser.session(), session);
}

#[test]
fn another_site_cannot_show_the_portal_in_a_frame() {
    let stage = Stage::without_choice();
    let (browser, session) = logged_in(&stage);
    browser.open(&stage.foreign("/frame"));
    browser.sees("Frame");
    browser.picture("frame");
    let console = browser.complaints(1);
    assert!(console[0].contains("frame-ancestors 'none'"), "{console:?}");
    browser.enter_frame();
    assert_eq!(browser.script("return document.querySelector('main')"), Value::Null);
    assert!(stage.is_alive(&session));
}

#[test]
fn nothing_that_gets_into_a_page_runs_or_loads() {
    let stage = Stage::without_choice();
    let browser = Browser::start();
    browser.open(&stage.portal("/"));
    browser.sees("Your applications");
    browser.script(
        "const add = (name, values) => document.body.append(Object.assign(document.createElement(name), values));
         add('script', { textContent: 'document.title = \"mine\"' });
         add('style', { textContent: 'main { display: none }' });
         add('img', { src: 'https://evil.test/x.png' });",
    );
    let console = browser.complaints(3);
    let violated = |directive: &str| {
        let told =
            |line: &&String| line.contains("Content Security Policy") && line.contains(directive);
        console.iter().filter(told).count()
    };
    let directives = ["default-src 'none'", "style-src 'self'", "img-src 'self'"];
    assert_eq!(directives.map(violated), [1, 1, 1], "{console:?}");
    assert_eq!(browser.script("return document.title"), "Your applications");
    browser.sees("Your applications");
}
