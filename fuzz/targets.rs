//! What is fuzzed: each parser of foreign bytes, and the whole decision about a stranger's request.
//!
//! `fuzz/fuzz_targets` gives these functions random bytes, `tests/fuzz_corpus.rs` the files of
//! `fuzz/corpus`. A crash becomes a unit test beside the parser, and its input a file of the corpus.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::Url;
use vouchsafe::config;
use vouchsafe::domain::decision::{Decision, Reason};
use vouchsafe::domain::encoding::Encoding;
use vouchsafe::domain::header::HeaderList;
use vouchsafe::domain::host;
use vouchsafe::domain::limits::{
    CHAIN_ADDRESSES, COOKIE_CANDIDATES, FACTOR_SECRET_BYTES, FACTOR_TEXT_BYTES, NODE_ITEMS,
    NODE_TEXT_BYTES,
};
use vouchsafe::domain::network::{LOOPBACK, parse_chain};
use vouchsafe::domain::node::{Event, Verdict};
use vouchsafe::domain::request::{Peer, Scheme};
use vouchsafe::domain::target::{PathForms, Target};
use vouchsafe::domain::time::Timestamp;
use vouchsafe::edge::http::nginx;
use vouchsafe::import::{edumfa, llng};
use vouchsafe::policy::application::Applications;
use vouchsafe::policy::expr::names::Variable;
use vouchsafe::policy::expr::{Expression, ExpressionError, Failure};
use vouchsafe::policy::return_url::{ReturnUrls, TrustedDomain};
use vouchsafe::policy::rule::clause::{Facts, Who};
use vouchsafe::protocol::edumfa::document::{Endpoint, Reply, Said, render};
use vouchsafe::protocol::edumfa::request::{Incoming, Parameters};
use vouchsafe::protocol::edumfa::{answer, hops};
use vouchsafe::session::cookie::SessionCookies;
use vouchsafe::session::record::Session;
use vouchsafe::session::settings::{CookieSettings, SameSite, SecuredMode};
use vouchsafe::store::Record;

use crate::targets::installation::{Installation, PROXY, at};

#[path = "../tests/decisions/installation.rs"]
#[expect(dead_code, reason = "shared with tests/decisions, which uses more of it")]
mod installation;

/// Runs the target of that name on `input`; it panics if something is wrong with what it does.
pub fn run(target: &str, input: &[u8]) {
    match target {
        "target_path" => target_path(input),
        "host" => host_name(input),
        "forwarded_for" => forwarded_for(input),
        "cookie" => cookie(input),
        "record" => record(input),
        "return_url" => return_url(input),
        "config" => configuration(input),
        "encoding" => encoding(input),
        "expression" => expression(input),
        "nginx_question" => nginx_question(input),
        "llng" => llng(input),
        "node_answer" => node_answer(input),
        "validate_request" => validate_request(input),
        "edumfa" => edumfa(input),
        other => panic!("no such target: {other}"),
    }
}

/// Neither compiling nor asking panics inside the library, and asking twice says the same.
fn expression(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let variable = |(name, is_list): (&str, bool)| Variable { name: name.into(), is_list };
    let variables = [("mail", false), ("groups", true)].map(variable);
    let expression = match Expression::compile(text, &variables) {
        Ok(expression) => expression,
        Err(error) => {
            assert_ne!(error, ExpressionError::Unreadable);
            return;
        }
    };
    let facts = Facts {
        method: "GET",
        host: "app.example.com",
        scheme: Scheme::Https,
        query: Some(b"page=1&page=2&flag"),
        client: LOOPBACK,
        now: Timestamp::default(),
        who: Who::Nobody,
    };
    let value = expression.holds(b"/v1/x", &facts);
    assert_ne!(value, Err(Failure::Panicked));
    assert_eq!(value, expression.holds(b"/v1/x", &facts));
}

/// A configuration of LemonLDAP::NG, or lines of Perl: whatever is made of it is a good configuration.
fn llng(input: &[u8]) {
    let lines = String::from_utf8_lossy(input);
    let mut rules = serde_json::Map::new();
    for (number, line) in lines.lines().enumerate() {
        rules.insert(format!("^/{number}"), line.into());
        rules.insert(line.to_owned(), "accept".into());
    }
    let rules = serde_json::Value::Object(rules);
    let wrapped = serde_json::json!({
        "portal": "https://auth.example.com/",
        "authentication": "Slave",
        "slaveUserHeader": "CN",
        "slaveMasterIP": "10.0.0.1",
        "locationRules": { "app.example.com": rules },
        "exportedHeaders": { "app.example.com": { "Auth-Value": lines } },
        "macros": { "uid": "$ENV{HTTP_AUTH_USER}", "value": lines },
        "groups": { "some": lines },
    });
    for bytes in [input.to_vec(), wrapped.to_string().into_bytes()] {
        let Ok(import) = llng::import(&bytes) else { continue };
        let checked = config::parse(&import.config, Path::new("no/such/folder"), &|_| None);
        assert!(checked.is_ok(), "{:?}\n{}", checked.err(), import.config);
    }
}

/// A configuration without second factors.
const FACTORLESS: &str = "
trusted_proxies: [127.0.0.1]
portal: { url: 'https://auth.example.com' }
slave: { user_header: CN, masters: [{ name: sso, control_header: control, control_content: opensesame }] }
applications: [{ name: a, hosts: [a.example.com], rules: [{ effect: allow }] }]
";

/// A file of eduMFA, or lines that are conditions, `name: value`: whatever is made of it is a good configuration, and
/// no handler of it is active with fewer conditions than it had.
fn edumfa(input: &[u8]) {
    let lines = String::from_utf8_lossy(input);
    let conditions: serde_json::Map<_, _> = lines
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let count = conditions.len();
    let wrapped = serde_json::json!({
        "edumfaserver": { "lab": { "url": "https://mfa.lab.example.com" } },
        "event": [{
            "name": lines, "active": true, "event": "validate_check", "handlermodule": "Federation", "action": "forward",
            "conditions": conditions, "options": { "eduMFA": "lab", "realm": lines },
        }],
    });
    for (bytes, count) in [(input.to_vec(), None), (wrapped.to_string().into_bytes(), Some(count))]
    {
        let Ok(import) = edumfa::import(&[("input", &bytes)]) else { continue };
        let whole = format!("{FACTORLESS}{}", import.config);
        let settings = config::parse(&whole, Path::new("no/such/folder"), &|_| None);
        let mfa =
            settings.unwrap_or_else(|errors| panic!("{errors}\n{whole}")).mfa.expect("a section");
        for handler in mfa.federation.handlers.iter().filter(|handler| handler.is_active) {
            assert!(count.is_none_or(|count| handler.conditions.len() == count), "{whole}");
        }
    }
}

/// What was accepted has the readings that the application may have, and leads nowhere else.
fn target_path(input: &[u8]) {
    let strict = Target::parse(input, PathForms::STRICT);
    for accepted in [
        PathForms::STRICT,
        PathForms { parameters: true, encoded_slash: false },
        PathForms { parameters: false, encoded_slash: true },
        PathForms::ALL,
    ] {
        let Ok(target) = Target::parse(input, accepted) else { continue };
        assert_eq!(target.raw().as_bytes(), input);
        let forms: Vec<&[u8]> = target.forms().collect();
        assert!(forms.len() <= 5 && forms.first() == Some(&target.path()));
        assert_eq!(forms.iter().collect::<HashSet<_>>().len(), forms.len(), "{target:?}");
        for path in forms {
            has_one_reading(path, accepted);
        }
        // A flag changes nothing about what is accepted without it.
        if let Ok(strict) = &strict {
            assert_eq!(&target, strict);
        }
    }
}

fn has_one_reading(path: &[u8], accepted: PathForms) {
    assert!(path.starts_with(b"/"));
    assert!(path.iter().all(|&byte| byte >= b' ' && byte != 0x7f && byte != b'\\'));
    assert!(accepted.parameters || !path.contains(&b';'));
    assert!(!path.windows(2).any(|pair| pair == b"//"));
    let name = |segment: &[u8]| segment.split(|&byte| byte == b';').next().unwrap().to_vec();
    let names = path.split(|&byte| byte == b'/').map(name);
    assert!(!names.into_iter().any(|name| matches!(&*name, b"." | b"..")));
    let encoded = path
        .windows(3)
        .filter(|part| part[0] == b'%' && part[1..].iter().all(u8::is_ascii_hexdigit));
    assert!(encoded.into_iter().all(|part| accepted.encoded_slash && part == b"%2F"));
}

/// A canonical name is its own canonical name.
fn host_name(input: &[u8]) {
    let Ok(name) = host::canonical(input) else { return };
    assert_eq!(host::canonical(name.as_bytes()).as_deref(), Ok(&*name));
    assert!(name.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase()));
}

fn forwarded_for(input: &[u8]) {
    let Ok(chain) = parse_chain(input) else { return };
    assert!((1..=CHAIN_ADDRESSES).contains(&chain.len()));
    assert!(chain.iter().all(|address| address.to_canonical() == *address));
}

/// What is accepted leads to a host of ours, as the parser of browsers reads it.
fn return_url(input: &[u8]) {
    let urls = ReturnUrls {
        portal_host: "auth.example.com".into(),
        trusted: vec![TrustedDomain::Below("trusted.test".into())],
    };
    let as_it_is = std::str::from_utf8(input).map(str::to_owned);
    for encoded in as_it_is.into_iter().chain([STANDARD.encode(input)]) {
        let Ok(accepted) = urls.accept(&encoded, &Applications::default()) else { continue };
        let read = Url::parse(accepted.as_str()).unwrap();
        let host = read.host_str().unwrap().trim_end_matches('.').to_owned();
        assert!(host == "auth.example.com" || host.ends_with(".trusted.test"), "{accepted:?}");
        assert!(matches!(read.scheme(), "http" | "https"));
        assert!(read.username().is_empty() && read.password().is_none());
        assert!(accepted.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
    }
}

/// Lines of the input are Cookie headers.
fn cookie(input: &[u8]) {
    let lines: Vec<&[u8]> = input.split(|&byte| byte == b'\n').collect();
    for secured in [
        SecuredMode::Unsecured,
        SecuredMode::Secured,
        SecuredMode::DoubleCookie,
        SecuredMode::DoubleCookieOneSession,
    ] {
        let domain = Some("example.com".into());
        let settings =
            CookieSettings { name: "sid".into(), secured, same_site: SameSite::Lax, domain };
        let cookies = SessionCookies::new(settings);
        for presented in [
            cookies.read(&lines, Scheme::Http),
            cookies.read(&lines, Scheme::Https),
            cookies.read_main(&lines),
        ] {
            assert!(presented.ids.len() <= COOKIE_CANDIDATES);
            assert!(presented.any || presented.ids.is_empty());
        }
    }
}

/// What can be viewed can be read in every part, and touched.
fn record(input: &[u8]) {
    let view = |bytes: Arc<[u8]>| {
        Session::view(&Record { bytes, expires: Timestamp::default(), revision: 1 })
    };
    let Ok(session) = view(input.into()) else { return };
    let _ = (session.user(), session.realm(), session.master(), session.level());
    let _ = (session.client(), session.created(), session.last_use(), session.attributes_at());
    let _ = (session.partner(), session.kind(), session.size());
    let mut values = 0;
    session.each_value(|name, value| values += name.len() + value.len());
    assert!(values <= input.len() * 2, "values are parts of the record");
    let factors: usize = session.factors().map(|factor| factor.serial().len()).sum();
    assert!(factors <= input.len(), "factors are parts of the record");
    assert!(session.factor_at().is_some() || session.factors().next().is_none());
    let hour = Duration::from_secs(3600);
    let _ = session.standing(hour, hour, at(0));
    let touched = view(session.touched(at(7))).expect("a touched record is a record");
    assert_eq!((touched.last_use(), touched.user()), (at(7), session.user()));
}

/// What can be read in an encoding is written so that it is read again, or not at all.
fn encoding(input: &[u8]) {
    for &encoding in Encoding::ALL {
        let decoded = encoding.decode(input);
        if let Some(plain) = encoding.plain(input) {
            assert_eq!(decoded.as_deref(), Ok(plain));
        }
        let Ok(text) = decoded else { continue };
        for &other in Encoding::ALL {
            let Ok(written) = other.encode(&text) else { continue };
            assert_eq!(other.decode(&written).as_deref(), Ok(&*text), "{other:?}");
            assert!(written.iter().all(|&byte| byte >= b' ' && byte != 0x7f), "{other:?}");
            assert!(
                other.can_hold_separators() || written.iter().all(u8::is_ascii_graphic),
                "{other:?}"
            );
        }
    }
}

/// Any text is a configuration or a list of errors that can be printed.
fn configuration(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Err(errors) = config::parse(text, Path::new("no/such/folder"), &|_| None) {
        assert!(!errors.to_string().is_empty());
    }
}

/// What accepts says so strictly, texts are bounded, and what we make of an answer is read as the same.
fn node_answer(input: &[u8]) {
    for event in Event::ALL {
        for (status, samlcheck) in
            [200, 400, 403, 404, 500].map(|status| [(status, false), (status, true)]).concat()
        {
            let Ok(answer) = answer::read(event, samlcheck, status, input) else { continue };
            if answer.verdict == Verdict::Accepted {
                let document: serde_json::Value = serde_json::from_slice(input).unwrap();
                let value = &document["result"]["value"];
                let value = if samlcheck && event == Event::Check { &value["auth"] } else { value };
                assert!(status == 200 && document["result"]["status"] == true && *value == true);
            }
            assert!(
                answer.message.len() <= NODE_TEXT_BYTES && answer.challenges.len() <= NODE_ITEMS
            );
            assert!(
                answer.serial.len() <= FACTOR_TEXT_BYTES && answer.attributes.len() <= NODE_ITEMS
            );
            let said = Said::Answer(Endpoint::Check, &answer);
            let reply = Reply { said, nonce: None, now: at(0), origin: &answer.origin };
            let (status, body) = render(&reply, None);
            if let Ok(again) = answer::read(Event::Check, false, status, &body) {
                assert_eq!(again.verdict, answer.verdict);
            }
        }
    }
}

/// Lines of the input are the query, the User-Agent and the Content-Type; the rest is the body.
fn validate_request(input: &[u8]) {
    let mut parts = input.splitn(4, |&byte| byte == b'\n');
    let mut line = || std::str::from_utf8(parts.next().unwrap_or_default()).ok();
    let (Some(query), Some(user_agent), Some(content_type)) = (line(), line(), line()) else {
        return;
    };
    let body = parts.next().unwrap_or_default();
    for event in Event::ALL {
        for transaction in [None, Some(query)] {
            let (user_agent, content_type) = (Some(user_agent), Some(content_type));
            let request = Incoming { event, query, content_type, body, user_agent, transaction };
            let Ok(read) = Parameters::read(&request) else { continue };
            let secret = read.secret.as_ref().map(|secret| secret.expose().len());
            assert!(secret.is_none_or(|length| length <= FACTOR_SECRET_BYTES));
            assert!(event != Event::Check || secret.is_some());
            assert!(read.hops.is_empty() || hops::is_marker(&read.hops));
            if let Ok(next) = hops::next_hops(&read.hops, "0123abcd") {
                assert!(hops::is_marker(&next));
            }
        }
    }
}

/// Lines of the input are headers, `name: value`, in the name of somebody who does not know the
/// master's secret: he is never let in as anybody.
fn nginx_question(input: &[u8]) {
    if input.windows(SECRET.len()).any(|part| part == SECRET) {
        return;
    }
    let mut headers = HeaderList::default();
    let mut cookies = Vec::new();
    for line in input.split(|&byte| byte == b'\n') {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
        let Ok(name) = std::str::from_utf8(&line[..colon]) else { continue };
        let value = line[colon + 1..].trim_ascii();
        headers.push(name, value);
        if name.eq_ignore_ascii_case("cookie") {
            cookies.push(value);
        }
    }
    let request = nginx::ask(&headers, &cookies, Peer::at(PROXY.parse().expect("an address")));
    let decision = INSTALLATION.with(|(runtime, installation)| {
        runtime.block_on(installation.authority.decide(&request, at(1)))
    });
    match decision {
        Decision::Allow(grant) => {
            assert!(matches!(grant.reason, Reason::Skipped | Reason::Unprotected), "{grant:?}");
            assert!(
                grant.exports.headers.iter().all(|header| header.value.is_empty()),
                "{grant:?}"
            );
            assert!(grant.cookies.is_empty(), "{grant:?}");
        }
        Decision::Unavailable(reason) => panic!("nothing failed, but {reason:?}"),
        Decision::Challenge(_) | Decision::Deny(_) => {}
    }
}

/// What the masters of the installation prove themselves with.
const SECRET: &[u8] = b"opensesame";

thread_local! {
    /// One installation for all inputs, with somebody logged in who could be taken for.
    static INSTALLATION: (tokio::runtime::Runtime, Installation) = {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let installation = runtime.block_on(async {
            let installation = Installation::usual();
            installation.login("dwho", at(0)).await;
            installation
        });
        (runtime, installation)
    };
}
