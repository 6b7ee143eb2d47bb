//! An application is opened, and nobody is asked for anything.

use serde_json::json;

use crate::browser::{Browser, Cookie};
use crate::stage::{HOSTS_WITHOUT_MASTER, Stage};

/// The cookie as it must be, but for its value.
#[track_caller]
fn check_cookie(browser: &Browser, name: &str, secure: bool) {
    let Some(Cookie { value, .. }) = browser.cookie(name) else { panic!("no {name}") };
    assert!(value.len() == 64 && value.bytes().all(|b| b.is_ascii_hexdigit()), "{name}={value}");
    let expected = Cookie {
        value,
        domain: ".example.com".to_owned(),
        secure,
        http_only: true,
        same_site: "Lax".to_owned(),
        lasts: false,
    };
    assert_eq!(browser.cookie(name), Some(expected), "{name}");
}

#[test]
fn a_person_opens_a_page_of_an_application_and_is_there_without_any_prompt() {
    let stage = Stage::without_choice();
    let browser = Browser::start();
    let page = stage.app("/page?x=1");
    browser.open(&page);
    let asked = browser.sees_app(&page);
    browser.picture("application");
    assert_eq!(asked.target(), "/page?x=1");
    assert_eq!(asked.all("Auth-User"), ["dwho"]);
    assert_eq!(asked.all("Auth-Mail"), ["dwho@example.com"]);
    assert_eq!(asked.all("Auth-Groups"), ["users;timelords"]);
    check_cookie(&browser, "vouchsafe", true);
    check_cookie(&browser, "vouchsafehttp", false);
    // As it was typed, whatever it is.
    for path in [
        "/a%20b/it's%C3%A9?x=%2F&y=it%27s&z=%2520+|#a%20part",
        "/100%25?",
        "/a%23b//c%3Fd?url=https://app.example.com/&lmAuth=x;y",
        "/?",
        "/",
    ] {
        browser.forget_cookies();
        browser.open(&stage.app(path));
        let asked = browser.sees_app(&stage.app(path));
        assert_eq!(asked.target(), path.split('#').next().unwrap());
        assert_eq!(asked.all("Auth-User"), ["dwho"]);
    }
}

#[test]
fn what_a_browser_says_in_the_masters_or_the_daemons_name_counts_for_nothing() {
    let stage = Stage::without_choice();
    let browser = Browser::start();
    let claims = json!({
        "CN": "root", "control": "password", "User-Email": "root@example.com", "Auth-Groups": "wheel",
        "Auth-User": "root", "X-Vouchsafe-User": "root", "X-Forwarded-For": "127.0.0.2",
    });
    browser.devtools("Network.enable", &json!({}));
    browser.devtools("Network.setExtraHTTPHeaders", &json!({ "headers": claims }));
    let page = stage.app("/page");
    browser.open(&page);
    let asked = browser.sees_app(&page);
    assert_eq!(asked.all("Auth-User"), ["dwho"]);
    assert_eq!(asked.all("Auth-Mail"), ["dwho@example.com"]);
    assert!(!asked.text().contains("root") && !asked.text().contains("password"), "{asked:?}");
}

#[test]
fn who_reaches_the_portal_around_the_master_is_not_logged_in_and_is_told_so() {
    let stage = Stage::with_choice();
    let browser = Browser::with(HOSTS_WITHOUT_MASTER, &json!({}));
    browser.open(&stage.app("/page"));
    browser.sees_refusal(401, "Log in");
    browser.click("Log in with Slave");
    browser.sees_refusal(401, "The login was not accepted");
    browser.picture("refused");
    assert_eq!(browser.error_number(), "75");
    assert_eq!(browser.cookie("vouchsafe"), None);
}
