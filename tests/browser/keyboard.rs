//! Every page can be used without a mouse; `loops` does it with the loop page.

use crate::browser::{Browser, ENTER};
use crate::stage::Stage;

#[track_caller]
fn enter(browser: &Browser, label: &str) {
    browser.tab_to(label);
    browser.press(ENTER);
}

#[test]
fn a_person_gets_everywhere_with_tab_and_enter() {
    let stage = Stage::with_choice();
    let browser = Browser::start();
    browser.open(&stage.portal("/"));
    browser.sees_refusal(401, "Log in");
    enter(&browser, "Log in with Slave");
    browser.sees("Your applications");
    browser.tab_to("wiki");
    browser.picture("menu-focus");
    browser.press(ENTER);
    browser.sees_app(&stage.app("/"));

    browser.open(&stage.foreign("/links"));
    browser.click("Kittens");
    browser.sees("Log out?");
    enter(&browser, "Stay logged in");
    browser.sees("Your applications");
    enter(&browser, "Log out everywhere");
    browser.sees("You are logged out");
    enter(&browser, "Log in again");
    browser.sees_refusal(401, "Log in");
    browser.open(&stage.portal("/?lmAuth=2_Slave&url=nonsense"));
    browser.sees_refusal(401, "Return address not valid");
    browser.picture("refused-return-url");
    enter(&browser, "Try again");
    browser.sees_refusal(401, "Log in");
}
