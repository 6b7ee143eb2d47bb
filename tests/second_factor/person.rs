//! A browser with a person in front of it: keeps cookies, reads forms, follows what it is told.

use std::net::{IpAddr, SocketAddr};

use form_urlencoded::Serializer;
use url::Url;

use crate::support::client::{Answer, Request};
use crate::world::{APP, NAVIGATION, PORTAL, STRANGER, login};

/// The cookie that counts.
pub const COOKIE: &str = "vouchsafe";

/// A person with one session.
pub struct Person {
    pub front: SocketAddr,
    pub id: String,
    pub address: IpAddr,
}

impl Person {
    /// Somebody who has just logged in through `front`.
    #[track_caller]
    pub fn logged_in(front: SocketAddr, user: &str) -> Self {
        Self { front, id: login(front, user), address: STRANGER }
    }

    /// A request to `host` as this browser sends it when a person follows a link.
    pub fn visit(&self, host: &str, target: &str) -> Request {
        self.request("GET", host, target).headers(NAVIGATION)
    }

    /// A request with nothing but the cookie.
    pub fn request(&self, method: &str, host: &str, target: &str) -> Request {
        let cookie = format!("{COOKIE}={}", self.id);
        Request::new(method, host, target).header("Cookie", &cookie).from(self.address)
    }

    /// Opens a page of the application.
    #[track_caller]
    pub fn page(&self, target: &str) -> Answer {
        self.visit(APP, target).send(self.front)
    }

    /// Opens a page of the application, is sent to the form for the factor, and opens that.
    #[track_caller]
    pub fn sent_to_form(&self, target: &str) -> Form {
        let answer = self.page(target);
        assert_eq!(answer.status, 302, "{answer}");
        assert_eq!(answer.one("X-Vouchsafe-Reason"), Some("factor-needed"), "{answer}");
        assert_eq!(answer.all("Set-Cookie"), [""; 0], "{answer}");
        let location = Url::parse(answer.one("Location").unwrap()).unwrap();
        assert_eq!((location.host_str(), location.path()), (Some(PORTAL), "/mfa"), "{location}");
        Form::read(&self.visit(PORTAL, &location[url::Position::BeforePath..]).send(self.front))
    }

    /// Sends a form from the page where it stands.
    #[track_caller]
    pub fn send(&mut self, form: &Form, otp: &str) -> Answer {
        let answer = self.posting(&form.body(otp)).send(self.front);
        self.take(&answer);
        answer
    }

    /// A form on its way to the portal.
    pub fn posting(&self, body: &str) -> Request {
        self.request("POST", PORTAL, "/mfa")
            .headers(NAVIGATION)
            .header("Origin", &format!("http://{PORTAL}"))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(body)
    }

    /// Keeps the cookie that an answer sets.
    pub fn take(&mut self, answer: &Answer) {
        for line in answer.all("Set-Cookie") {
            if let Some(value) = line.strip_prefix(&format!("{COOKIE}=")) {
                value.split(';').next().unwrap().clone_into(&mut self.id);
            }
        }
    }
}

/// The form for a second factor, as it stands on a page.
#[derive(Debug, Clone)]
pub struct Form {
    pub html: String,
    fields: Vec<(String, String)>,
}

impl Form {
    /// Reads the page of a good answer.
    #[track_caller]
    pub fn read(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{answer}");
        Self::again(answer)
    }

    /// Reads the page of any answer.
    #[track_caller]
    pub fn again(answer: &Answer) -> Self {
        let html = String::from_utf8(answer.body.clone()).unwrap();
        assert!(html.contains("name=\"otp\""), "no form: {answer}");
        assert!(!html.to_ascii_lowercase().contains("<script"), "{html}");
        let policy = answer.one("Content-Security-Policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none';") && !policy.contains("script"),
            "{policy}"
        );
        assert_eq!(answer.one("Cache-Control"), Some("no-store"), "{answer}");
        let fields = html.split("<input type=\"hidden\" ").skip(1).map(|input| {
            let value = |name: &str| {
                let (_, rest) = input.split_once(&format!("{name}=\"")).unwrap();
                rest.split('"').next().unwrap().replace("&#38;", "&")
            };
            (value("name"), value("value"))
        });
        let fields = fields.collect();
        Self { html, fields }
    }

    /// A hidden field, empty if there is none.
    pub fn field(&self, name: &str) -> &str {
        let mut fields = self.fields.iter().filter(|(known, _)| known == name);
        fields.next().map_or("", |(_, value)| value)
    }

    /// The same form with another value in a hidden field.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(known, _)| known != name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What a browser sends once `otp` was typed.
    pub fn body(&self, otp: &str) -> String {
        let mut body = Serializer::new(String::new());
        body.extend_pairs(&self.fields).append_pair("otp", otp).finish()
    }

    /// Where the page goes by itself, as a target of the portal.
    pub fn refresh(&self) -> Option<String> {
        let (_, rest) = self.html.split_once("http-equiv=\"refresh\" content=\"3; url=")?;
        let address = rest.split('"').next()?.replace("&#38;", "&");
        Some(format!("/{}", address.trim_start_matches("../")))
    }
}
