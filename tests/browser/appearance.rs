//! The portal in the language, the size and the colors that somebody prefers.

use serde_json::json;

use crate::browser::Browser;
use crate::stage::{HOSTS, Stage};

#[test]
fn the_menu_speaks_german_or_french_and_fits_a_telephone_in_a_dark_room() {
    let stage = Stage::without_choice();
    let german = json!({ "intl.accept_languages": "de-AT,de,en" });
    let browser = Browser::with(HOSTS, &german);
    let opens = |tag: &str, heading: &str, user: &str| {
        browser.open(&stage.portal("/"));
        browser.sees(heading);
        browser.picture(&format!("menu-{tag}"));
        let language = browser.script("return document.documentElement.lang");
        assert!(tag.starts_with(language.as_str().unwrap()), "{language}");
        let text = browser.text("main");
        assert!(text.contains(user), "{text}");
    };
    opens("de", "Ihre Anwendungen", "Sie sind angemeldet als dwho.");

    let telephone = json!({ "width": 360, "height": 640, "deviceScaleFactor": 2, "mobile": true });
    browser.devtools("Emulation.setDeviceMetricsOverride", &telephone);
    let dark = json!({ "features": [{ "name": "prefers-color-scheme", "value": "dark" }] });
    browser.devtools("Emulation.setEmulatedMedia", &dark);
    opens("de-telephone-dark", "Ihre Anwendungen", "Sie sind angemeldet als dwho.");
    assert_eq!(browser.script("return document.documentElement.scrollWidth"), 360);
    let color = |property: &str| {
        browser.script(&format!("return getComputedStyle(document.body).{property}"))
    };
    assert_eq!(color("backgroundColor"), "rgb(30, 37, 45)");
    assert_eq!(color("color"), "rgb(230, 235, 240)");
    browser.devtools("Emulation.clearDeviceMetricsOverride", &json!({}));
    browser.devtools("Emulation.setEmulatedMedia", &json!({}));

    let french = json!({ "userAgent": "", "acceptLanguage": "fr-CA,en" });
    browser.devtools("Emulation.setUserAgentOverride", &french);
    opens("fr", "Vos applications", "Vous êtes connecté en tant que dwho.");
}
