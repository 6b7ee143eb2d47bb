//! Logout: of one session, of all of them, and on to somewhere else.

use crate::browser::Browser;
use crate::stage::{Stage, parameter};

#[test]
fn the_menus_button_ends_the_session_and_the_application_needs_a_new_one() {
    let stage = Stage::without_choice();
    let browser = Browser::start();
    browser.open(&stage.app("/"));
    browser.sees_app(&stage.app("/"));
    let session = browser.session();
    browser.open(&stage.portal("/"));
    browser.sees("Your applications");
    assert_eq!(browser.session(), session);
    browser.click("Log out");
    browser.sees("You are logged out");
    browser.picture("logged-out");
    assert_eq!(browser.error_number(), "47");
    assert!(browser.text("main").contains("Your session in this browser has ended."));
    assert_eq!((browser.cookie("vouchsafe"), browser.cookie("vouchsafehttp")), (None, None));
    assert!(!stage.is_alive(&session));
    // The master still knows the person.
    browser.open(&stage.app("/page"));
    browser.sees_app(&stage.app("/page"));
    assert_ne!(browser.session(), session);
    assert!(stage.is_alive(&browser.session()));
}

#[test]
fn a_logout_with_a_way_on_leads_there_if_the_place_is_ours() {
    let stage = Stage::without_choice();
    let browser = Browser::start();
    browser.open(&stage.app("/"));
    browser.sees_app(&stage.app("/"));
    let session = browser.session();
    let page = stage.app("/page?x=%2F&y=it%27s");
    browser.open(&stage.portal(&format!("/logout?url={}", parameter(&page))));
    browser.sees_app(&page);
    assert!(!stage.is_alive(&session));
    assert_ne!(browser.session(), session);
    // This one is not ours.
    let page = stage.foreign("/links");
    browser.open(&stage.portal(&format!("/logout?url={}", parameter(&page))));
    browser.sees("You are logged out");
    browser.picture("logged-out-return-refused");
    assert!(browser.text("main").contains("an address that is not allowed here"));
}

#[test]
fn a_logout_everywhere_ends_the_session_of_another_browser() {
    let stage = Stage::without_choice();
    let (here, there) = (Browser::start(), Browser::start());
    let page = stage.app("/");
    let sessions = [&here, &there].map(|browser| {
        browser.open(&page);
        browser.sees_app(&page);
        browser.session()
    });
    assert_ne!(sessions[0], sessions[1]);
    assert!(sessions.iter().all(|session| stage.is_alive(session)));
    here.open(&stage.portal("/"));
    here.click("Log out everywhere");
    here.sees("You are logged out");
    here.picture("logged-out-everywhere");
    assert!(here.text("main").contains("All your sessions have ended"));
    assert!(sessions.iter().all(|session| !stage.is_alive(session)));
    there.open(&page);
    there.sees_app(&page);
    assert!(!sessions.contains(&there.session()));
}
