//! The portal itself: how to log in, and what there is to open.

use crate::browser::Browser;
use crate::stage::Stage;

#[test]
fn the_portal_asks_how_to_log_in_and_then_shows_the_applications_or_the_one_that_was_wanted() {
    let stage = Stage::with_choice();
    let browser = Browser::start();
    browser.open(&stage.portal("/"));
    browser.sees_refusal(401, "Log in");
    browser.picture("choice");
    assert_eq!(browser.error_number(), "9");
    assert_ne!(browser.script("return document.querySelector('img.logo').naturalWidth"), 0);
    assert_eq!(browser.cookie("vouchsafe"), None);
    browser.click("Log in with Slave");
    browser.sees("Your applications");
    browser.picture("menu");
    assert_eq!(browser.error_number(), "0");
    assert!(browser.text("main").contains("You are logged in as dwho."));
    browser.click("wiki");
    assert_eq!(browser.sees_app(&stage.app("/")).all("Auth-User"), ["dwho"]);

    // Who had wanted an application arrives there, by the same question.
    browser.forget_cookies();
    let page = stage.app("/a%20page?x=%2F&y=it%27s");
    browser.open(&page);
    browser.sees_refusal(401, "Log in");
    browser.click("Log in with Slave");
    assert_eq!(browser.sees_app(&page).all("Auth-User"), ["dwho"]);
}
