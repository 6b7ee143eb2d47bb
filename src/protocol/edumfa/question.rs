//! What a node is asked, as bytes.
//!
//! A JSON body goes unharmed through eduMFA, which takes a second layer of percent signs off forms and queries
//! (golden cases `special_*`). Must not know where the node is, nor what else stands in the request's head.

use std::net::IpAddr;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

use crate::domain::node::{Event, Question};
use crate::protocol::edumfa::hops;

/// A request's method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Parameters stand in the query, and there is no body.
    Get,
    /// Parameters stand in a JSON body.
    Post,
}

/// The method for an event: eduMFA answers a POST to polltransaction with 405 (golden case `poll_pending`).
#[must_use]
pub const fn method(event: Event) -> Method {
    match event {
        Event::Check | Event::Trigger => Method::Post,
        Event::Poll => Method::Get,
    }
}

/// The path, to be put behind the node's URL.
#[must_use]
pub const fn path(event: Event, samlcheck: bool) -> &'static str {
    match event {
        Event::Check if samlcheck => "/validate/samlcheck",
        Event::Check => "/validate/check",
        Event::Trigger => "/validate/triggerchallenge",
        Event::Poll => "/validate/polltransaction",
    }
}

/// The query of a poll, without `?`; `hop` is what [`hops::next_hops`] gave. Percent signs stand in two layers, as
/// eduMFA takes off two unless the User-Agent is one of its own.
#[must_use]
pub fn query(question: &Question<'_>, hop: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in [("transaction_id", question.transaction), (hops::PARAMETER, hop)] {
        if !value.is_empty() {
            query.append_pair(name, &utf8_percent_encode(value, NON_ALPHANUMERIC).to_string());
        }
    }
    query.finish()
}

/// The body of a POST: one JSON object, in which only what is set stands; `hop` is what [`hops::next_hops`] gave.
///
/// A secret that is no UTF-8 is sent with U+FFFD in it: no node accepts it, as if it were wrong.
#[must_use]
pub fn body(question: &Question<'_>, hop: &str) -> Zeroizing<Vec<u8>> {
    let secret = question.secret.map(|secret| String::from_utf8_lossy(secret.expose()));
    let secret = secret.map(|text| Zeroizing::new(text.into_owned()));
    let client = question.client.as_ref().map(IpAddr::to_string).unwrap_or_default();
    let texts = [
        ("user", question.user),
        ("realm", question.realm),
        ("resolver", question.resolver),
        ("serial", question.serial),
        ("type", question.token_type),
        ("transaction_id", question.transaction),
        ("otponly", if question.otp_only { "1" } else { "" }),
        ("client", &client),
        (hops::PARAMETER, hop),
    ];
    let texts = texts.into_iter().filter(|(_, value)| !value.is_empty());
    // An empty secret is one: it triggers challenges of tokens without a PIN.
    let texts = texts.chain(secret.as_ref().map(|secret| ("pass", secret.as_str())));
    // Six bytes a byte at worst, so that it does not move and leave copies of the secret behind.
    let size = texts.clone().map(|(name, value)| name.len() + 6 * value.len() + 6).sum::<usize>();
    let mut body = Zeroizing::new(Vec::with_capacity(size + 2));
    for (name, value) in texts {
        let mark = if body.is_empty() { b'{' } else { b',' };
        body.push(mark);
        write_text(&mut body, name);
        body.push(b':');
        write_text(&mut body, value);
    }
    if body.is_empty() {
        body.push(b'{');
    }
    body.push(b'}');
    body
}

/// A JSON text, byte by byte: nothing of it is kept elsewhere.
fn write_text(body: &mut Vec<u8>, text: &str) {
    body.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => body.extend([b'\\', byte]),
            0..b' ' => {
                body.extend(b"\\u00");
                body.extend([byte >> 4, byte & 15].map(|digit| match digit {
                    0..10 => b'0' + digit,
                    _ => b'a' + digit - 10,
                }));
            }
            _ => body.push(byte),
        }
    }
    body.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::node::Holder;
    use crate::domain::secret::Secret;

    fn question(secret: Option<&Secret>) -> Question<'_> {
        Question {
            event: Event::Check,
            user: "carol",
            realm: "",
            resolver: "",
            serial: "",
            token_type: "",
            secret,
            transaction: "",
            attributes: false,
            otp_only: false,
            client: None,
            holder: Holder::Caller("192.0.2.1"),
            authorization: None,
            hops: "0000000f",
        }
    }

    fn sent(question: &Question<'_>, hop: &str) -> Value {
        serde_json::from_slice(&body(question, hop)).unwrap()
    }

    #[test]
    fn only_what_is_set_is_sent() {
        assert_eq!(sent(&question(None), ""), json!({ "user": "carol" }));
        assert_eq!(sent(&Question { user: "", ..question(None) }, ""), json!({}));
        let secret = Secret::new(b"p%41+& \xc3\xbc\"\\\n".to_vec());
        let full = Question {
            realm: "crealm",
            resolver: "cpasswd",
            serial: "S1",
            token_type: "hotp",
            transaction: "0123",
            otp_only: true,
            client: Some("203.0.113.9".parse().unwrap()),
            ..question(Some(&secret))
        };
        let expected = json!({
            "user": "carol", "realm": "crealm", "resolver": "cpasswd", "serial": "S1", "type": "hotp",
            "pass": "p%41+& ü\"\\\n", "transaction_id": "0123", "otponly": "1", "client": "203.0.113.9",
            "vouchsafe_hops": "0000000a",
        });
        assert_eq!(sent(&full, "0000000a"), expected);
    }

    #[test]
    fn an_empty_secret_is_sent() {
        let secret = Secret::new(Vec::new());
        assert_eq!(sent(&question(Some(&secret)), ""), json!({ "user": "carol", "pass": "" }));
    }

    #[test]
    fn a_poll_is_a_get() {
        assert_eq!(
            (method(Event::Poll), path(Event::Poll, false)),
            (Method::Get, "/validate/polltransaction")
        );
        let poll = Question { transaction: "0123", ..question(None) };
        assert_eq!(
            query(&poll, "0000000a,0000000b"),
            "transaction_id=0123&vouchsafe_hops=0000000a%252C0000000b"
        );
        assert_eq!(
            query(&Question { transaction: "a&b%41", ..poll }, ""),
            "transaction_id=a%2526b%252541"
        );
    }

    #[test]
    fn each_event_has_its_path() {
        assert_eq!(path(Event::Check, false), "/validate/check");
        assert_eq!(path(Event::Check, true), "/validate/samlcheck");
        assert_eq!(path(Event::Trigger, false), "/validate/triggerchallenge");
        assert_eq!((method(Event::Check), method(Event::Trigger)), (Method::Post, Method::Post));
    }

    proptest! {
        #[test]
        fn any_secret_arrives_as_it_is(text: String) {
            let secret = Secret::new(text.clone().into_bytes());
            let sent = body(&question(Some(&secret)), "");
            let read: Value = serde_json::from_slice(&sent).unwrap();
            prop_assert_eq!(&read["pass"], &text);
        }
    }
}
