//! The session cookie does not come back: after a few rounds the portal says so, and why, before the browser
//! gives up by itself.

use serde_json::json;

use crate::browser::{Browser, ENTER};
use crate::stage::{HOSTS, Stage};
use crate::support::daemon::replace;

#[track_caller]
fn sees_loop(browser: &Browser, cause: &str) {
    browser.sees_refusal(403, "Your login does not last");
    assert_eq!(browser.error_number(), "24");
    let text = browser.text("main");
    assert!(text.contains(cause), "{cause:?} is not in\n{text}");
}

#[test]
fn a_browser_that_blocks_cookies_is_told_so() {
    let stage = Stage::without_choice();
    let blocked = json!({ "profile.default_content_setting_values.cookies": 2 });
    let browser = Browser::with(HOSTS, &blocked);
    let cause = "Your browser does not keep the cookie, or does not send it to app.example.com.";
    browser.open(&stage.app("/page?x=1"));
    sees_loop(&browser, cause);
    browser.picture("loop-cookies-blocked");
    // Without the mouse, and as often as somebody likes.
    browser.tab_to("Try again");
    browser.press(ENTER);
    sees_loop(&browser, cause);
}

#[test]
fn a_page_over_plain_http_that_needs_a_secure_cookie_is_named() {
    let stage = Stage::without_choice_and(|config| replace(&config, "secured: 2,", "secured: 1,"));
    let browser = Browser::start();
    browser.open(&stage.app_over_http("/page"));
    sees_loop(
        &browser,
        "You opened app.example.com with http://, but the cookie is only sent over https://.",
    );
    browser.picture("loop-plain-http");
    browser.open(&stage.app("/page"));
    assert_eq!(browser.sees_app(&stage.app("/page")).all("Auth-User"), ["dwho"]);
}

#[test]
fn an_application_beyond_the_cookies_host_is_named() {
    let stage = Stage::without_choice_and(|config| {
        let line = config.lines().find(|line| line.starts_with("  domain:"));
        replace(&config, line.expect("the shipped file has a domain"), "")
    });
    let browser = Browser::start();
    browser.open(&stage.app("/page"));
    sees_loop(
        &browser,
        "The cookie is meant for auth.example.com, but the page is on app.example.com",
    );
    browser.picture("loop-other-host");
    browser.open(&stage.portal("/"));
    browser.sees("Your applications");
    let cookie = browser.cookie("__Host-vouchsafe").unwrap();
    assert_eq!((cookie.domain.as_str(), cookie.secure), ("auth.example.com", true));
}
