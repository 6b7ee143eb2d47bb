//! A browser, and what a person does with it: open, read, click, press keys, look.
//!
//! Whatever needs a page waits until it is there; a failure tells what is there instead.

use std::cell::RefCell;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::driver::Driver;
use crate::stage::HOSTS;
use crate::support::echo::Asked;
use crate::support::wait_for;

/// Keys as WebDriver writes them.
pub const TAB: &str = "\u{E004}";
pub const ENTER: &str = "\u{E007}";

/// Under this key WebDriver hands out elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// More presses of Tab than any page has stops.
const STOPS: usize = 10;

/// A browser of one person. When it goes out of scope, nothing unread may stand in its console.
pub struct Browser {
    driver: Driver,
    /// All that its console has said, for the reader of a failure.
    said: RefCell<Vec<String>>,
}

/// A cookie as the browser keeps it.
#[derive(Debug, PartialEq, Eq)]
pub struct Cookie {
    pub value: String,
    pub domain: String,
    pub secure: bool,
    pub http_only: bool,
    pub same_site: String,
    /// Whether it outlives the browser.
    pub lasts: bool,
}

impl Browser {
    /// A new one.
    pub fn start() -> Self {
        Self::with(HOSTS, &json!({}))
    }

    /// One that resolves names by `hosts` and has these preferences of Chromium.
    pub fn with(hosts: &str, preferences: &Value) -> Self {
        Self { driver: Driver::start(hosts, preferences), said: RefCell::default() }
    }

    /// Opens an address as if it were typed.
    #[track_caller]
    pub fn open(&self, url: &str) {
        self.post("url", &json!({ "url": url }));
    }

    /// What stands in the address bar.
    #[track_caller]
    pub fn address(&self) -> String {
        text(&self.get("url"))
    }

    /// Waits for a page of the portal by its heading.
    #[track_caller]
    pub fn sees(&self, heading: &str) {
        wait_for(&format!("a page {heading:?}"), || {
            self.try_text("h1").filter(|found| found == heading)
        });
    }

    /// Waits for a page of the portal with an error's status. Chromium complains about that in the console,
    /// and that must be all.
    #[track_caller]
    pub fn sees_refusal(&self, status: u16, heading: &str) {
        let mut console = Vec::new();
        wait_for(&format!("a page {heading:?} with status {status}"), || {
            console.extend(self.console());
            let line = format!(
                "SEVERE {} - Failed to load resource: the server responded with a status of {status} ",
                self.address()
            );
            let is_told = console.iter().any(|told: &String| told.starts_with(&line));
            (is_told && self.try_text("h1")? == heading).then_some(())
        });
        assert_eq!(console.len(), 1, "{console:?}");
    }

    /// Waits for a page of the application, and returns what the application was asked.
    #[track_caller]
    pub fn sees_app(&self, url: &str) -> Asked {
        wait_for(url, || (self.address() == url).then_some(()));
        Asked::read(self.text("pre").as_bytes())
    }

    /// The text of the first element that fits the selector.
    #[track_caller]
    pub fn text(&self, css: &str) -> String {
        wait_for(&format!("{css} on the page"), || self.try_text(css))
    }

    /// The number in the page's `vouchsafe-error`.
    #[track_caller]
    pub fn error_number(&self) -> String {
        let meta = self.find("css selector", "meta[name=vouchsafe-error]").unwrap();
        text(&self.get(&format!("element/{meta}/attribute/content")))
    }

    /// Clicks the link or button with this text.
    #[track_caller]
    pub fn click(&self, label: &str) {
        let xpath = format!("(//a|//button)[normalize-space()='{label}']");
        let element =
            wait_for(&format!("{label:?} to click on"), || self.find("xpath", &xpath).ok());
        self.post(&format!("element/{element}/click"), &json!({}));
    }

    /// Presses one key.
    #[track_caller]
    pub fn press(&self, key: &str) {
        let strokes = ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key }));
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": strokes });
        self.post("actions", &json!({ "actions": [keyboard] }));
    }

    /// Presses Tab until the link or button with this text has the focus.
    #[track_caller]
    pub fn tab_to(&self, label: &str) {
        let mut passed = Vec::new();
        for _ in 0..STOPS {
            self.press(TAB);
            let focused = self.driver.command("GET", "element/active", &Value::Null).unwrap();
            let name = text(&self.get(&format!("element/{}/text", text(&focused[ELEMENT]))));
            if name == label {
                let ring =
                    self.script("return getComputedStyle(document.activeElement).outlineStyle");
                assert_eq!(ring, "solid", "{label:?} does not show that it has the focus");
                return;
            }
            passed.push(name);
        }
        panic!("Tab does not reach {label:?}, but {passed:?}");
    }

    /// The cookie called `name`, as far as the page at hand would get it.
    #[track_caller]
    pub fn cookie(&self, name: &str) -> Option<Cookie> {
        let cookies = self.get("cookie");
        let cookie = cookies.as_array().unwrap().iter().find(|cookie| cookie["name"] == name)?;
        Some(Cookie {
            value: text(&cookie["value"]),
            domain: text(&cookie["domain"]),
            secure: cookie["secure"].as_bool().unwrap(),
            http_only: cookie["httpOnly"].as_bool().unwrap(),
            same_site: text(&cookie["sameSite"]),
            lasts: cookie.get("expiry").is_some(),
        })
    }

    /// Deletes the cookies that the page at hand would get.
    #[track_caller]
    pub fn forget_cookies(&self) {
        self.driver.command("DELETE", "cookie", &Value::Null).unwrap();
    }

    /// The id in the session cookie, which must be there.
    #[track_caller]
    pub fn session(&self) -> String {
        self.cookie("vouchsafe").expect("a session cookie").value
    }

    /// Waits for so many lines in the console, and no more.
    #[track_caller]
    pub fn complaints(&self, count: usize) -> Vec<String> {
        let mut console = Vec::new();
        wait_for(&format!("{count} lines in the console"), || {
            console.extend(self.console());
            (console.len() >= count).then_some(())
        });
        assert_eq!(console.len(), count, "{console:?}");
        console
    }

    /// Takes what stands in the console by now: violated policies, failed loads, scripts' errors.
    #[track_caller]
    fn console(&self) -> Vec<String> {
        let entries = self.post("se/log", &json!({ "type": "browser" }));
        let line = |entry: &Value| format!("{} {}", text(&entry["level"]), text(&entry["message"]));
        let lines: Vec<String> = entries.as_array().unwrap().iter().map(line).collect();
        self.said.borrow_mut().extend_from_slice(&lines);
        lines
    }

    /// Gives a command of Chromium's own.
    #[track_caller]
    pub fn devtools(&self, command: &str, parameters: &Value) {
        self.post("goog/cdp/execute", &json!({ "cmd": command, "params": parameters }));
    }

    /// What a script returns that runs in the page.
    #[track_caller]
    pub fn script(&self, body: &str) -> Value {
        self.post("execute/sync", &json!({ "script": body, "args": [] }))
    }

    /// Goes on in the first frame of the page.
    #[track_caller]
    pub fn enter_frame(&self) {
        self.post("frame", &json!({ "id": 0 }));
    }

    /// Keeps a picture of the page, if somebody wants to look at it.
    #[track_caller]
    pub fn picture(&self, name: &str) {
        let Some(folder) = std::env::var_os("VOUCHSAFE_SCREENSHOTS") else { return };
        let png = STANDARD.decode(text(&self.get("screenshot"))).unwrap();
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(Path::new(&folder).join(format!("{name}.png")), png).unwrap();
    }

    fn try_text(&self, css: &str) -> Option<String> {
        // Between the two commands the page may go away, and its elements with it.
        let element = self.find("css selector", css).ok()?;
        let path = format!("element/{element}/text");
        self.driver.command("GET", &path, &Value::Null).ok().map(|value| text(&value))
    }

    fn find(&self, using: &str, value: &str) -> Result<String, String> {
        let query = json!({ "using": using, "value": value });
        self.driver.command("POST", "element", &query).map(|found| text(&found[ELEMENT]))
    }

    #[track_caller]
    fn get(&self, path: &str) -> Value {
        let value = self.driver.command("GET", path, &Value::Null);
        value.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    #[track_caller]
    fn post(&self, path: &str, body: &Value) -> Value {
        let value = self.driver.command("POST", path, body);
        value.unwrap_or_else(|error| panic!("{path} {body}: {error}"))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for path in ["url", "source"] {
                let value = format!("{:?}", self.driver.command("GET", path, &Value::Null));
                // Chromium's own error pages hold a whole game.
                eprintln!("--- {path}\n{}", value.chars().take(4000).collect::<String>());
            }
            eprintln!("--- the console so far\n{}", self.said.borrow().join("\n"));
            eprintln!("--- chromedriver's log\n{}", self.driver.log());
            return;
        }
        let console = self.console();
        assert!(console.is_empty(), "the browser's console says\n{}", console.join("\n"));
    }
}

#[track_caller]
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}
