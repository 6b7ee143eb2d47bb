use proptest::prelude::*;

use super::*;

const FORM: Option<&str> = Some("application/x-www-form-urlencoded");

fn form(body: &str) -> Incoming<'_> {
    Incoming {
        event: Event::Check,
        query: "",
        content_type: FORM,
        body: body.as_bytes(),
        user_agent: Some("golden/1.0"),
        transaction: None,
    }
}

fn json_body(body: &str) -> Incoming<'_> {
    Incoming { content_type: Some("application/json"), ..form(body) }
}

fn pass(request: &Incoming<'_>) -> String {
    let secret = Parameters::read(request).unwrap().secret.unwrap();
    String::from_utf8(secret.expose().to_vec()).unwrap()
}

#[track_caller]
fn is_malformed(request: &Incoming<'_>, why: Malformed) {
    assert_eq!(Parameters::read(request).map(|_| ()), Err(why));
}

#[test]
fn json_beats_the_query_which_beats_the_form_and_the_first_beats_the_second() {
    assert_eq!(pass(&form("user=carol&pass=1&pass=2")), "1");
    assert_eq!(pass(&Incoming { query: "pass=q", ..form("user=carol&pass=f") }), "q");
    assert_eq!(pass(&Incoming { query: "user=carol&pass=q", ..json_body(r#"{"pass":"j"}"#) }), "j");
    assert_eq!(pass(&Incoming { query: "user=carol&pass=q", ..form("") }), "q");
}

#[test]
fn json_needs_no_content_type() {
    let body = r#"{"user":"carol","pass":"x"}"#;
    for content_type in [None, Some("application/json; charset=utf-8"), Some("text/plain")] {
        assert_eq!(pass(&Incoming { content_type, ..form(body) }), "x");
    }
}

#[test]
fn a_multipart_form_is_a_form() {
    let body = "--b\r\nContent-Disposition: form-data; name=\"user\"\r\n\r\ncarol\r\n--b\r\nContent-Disposition: form-data; name=\"pass\"\r\n\r\ncspas%73\r\n--b--\r\n";
    let content_type = Some("multipart/form-data; boundary=b");
    assert_eq!(pass(&Incoming { content_type, ..form(body) }), "cspass");
    is_malformed(
        &Incoming { content_type: Some("multipart/form-data"), ..form(body) },
        Malformed::Body,
    );
}

#[test]
fn a_second_layer_of_quotes_is_taken_off_by_user_agent() {
    for (user_agent, expected) in [
        (None, "aA"),
        (Some(""), "aA"),
        (Some("golden/1.0"), "aA"),
        (Some("python-requests/2.33.0"), "aA"),
        (Some("simplesamlphp"), "aA"),
        (Some("simpleSAMLphp2"), "aA"),
        (Some("(weird)"), "a%41"),
        (Some("ümlaut"), "a%41"),
        (Some("simpleSAMLphp/2.0"), "a%41"),
        (Some("eduMFA-cp"), "a%41"),
        (Some("eduMFA-LDAP-Proxy/1 (x)"), "a%41"),
        (Some("privacyIDEA-LDAP-Proxy"), "a%41"),
        (Some("privacyidea-cp/3.5"), "a%41"),
    ] {
        let body = "user=carol&pass=a%2541";
        assert_eq!(pass(&Incoming { user_agent, ..form(body) }), expected, "{user_agent:?}");
        let query = Incoming { user_agent, query: body, ..form("") };
        assert_eq!(pass(&query), expected, "{user_agent:?}");
        let json = Incoming { user_agent, ..json_body(r#"{"user":"carol","pass":"a%41"}"#) };
        assert_eq!(pass(&json), "a%41", "JSON is never quoted");
    }
}

#[test]
fn what_edumfa_forwards_is_quoted_once() {
    let body = "user=carol&pass=a%2541&increase_failcounter_on_challenge=False";
    let forwarded = Incoming { user_agent: Some("python-requests/2.33.0"), ..form(body) };
    assert_eq!(pass(&forwarded), "a%41");
    assert!(Parameters::read(&forwarded).unwrap().is_federated());
    assert_eq!(pass(&form(body)), "aA", "another program may not say so");
    assert!(!Parameters::read(&form("user=carol&pass=x")).unwrap().is_federated());
}

#[test]
fn bytes_that_are_no_text_and_lone_percent_signs_are_read_as_python_does() {
    assert_eq!(pass(&form("user=carol&pass=%25FC%25,100%2525")), "\u{fffd}%,100%");
}

#[test]
fn all_that_is_known_is_read() {
    let read = Parameters::read(&form(
        "user=+Carol+&realm=+CRealm&resolver=R&serial=S&type=hotp&pass=&state=17&otponly=1&client=::ffff:192.0.2.1&nonce=n&vouchsafe_hops=0000000a,0000000b&x=y",
    ))
    .unwrap();
    assert_eq!((&*read.user, &*read.realm, &*read.resolver), ("Carol", "crealm", "R"));
    assert_eq!((&*read.serial, &*read.token_type, &*read.transaction), ("S", "hotp", "17"));
    assert_eq!(read.secret.as_ref().unwrap().expose(), b"");
    assert_eq!((read.otp_only, read.client), (true, Some("192.0.2.1".parse().unwrap())));
    assert_eq!((read.nonce.as_deref(), &*read.hops), (Some("n"), "0000000a,0000000b"));
    assert!(read.is_federated());
    assert_eq!(format!("{read:?}"), "Parameters { is_federated: true, .. }");
}

#[test]
fn a_transaction_id_counts_more_than_a_state() {
    let read = |body| Parameters::read(&form(body)).unwrap().transaction;
    assert_eq!(&*read("user=u&pass=&state=1&transaction_id=2"), "2");
    assert_eq!(&*read("user=u&pass=&state=1&transaction_id="), "1");
}

#[test]
fn only_a_yes_leaves_the_pin_out() {
    for no in ["0", "false", "no", "", "2"] {
        assert!(!Parameters::read(&form(&format!("user=u&pass=&otponly={no}"))).unwrap().otp_only);
    }
    for yes in ["1", r#""1""#, "true"] {
        let body = format!(r#"{{"user":"u","pass":"","otponly":{yes}}}"#);
        assert!(Parameters::read(&json_body(&body)).unwrap().otp_only, "{yes}");
    }
}

#[test]
fn what_is_missing_or_odd_is_told_in_edumfas_words_and_order() {
    for (body, why) in [
        ("", Malformed::NoSubject),
        ("pass=x", Malformed::NoSubject),
        ("user=+&serial=&pass=x", Malformed::NoSubject),
        ("serial=C-HOTP%2A", Malformed::Serial),
        ("user=al%252525ice", Malformed::User),
        ("user=alice", Malformed::NoSecret),
        ("user=u&pass=x&vouchsafe_hops=x", Malformed::Value),
    ] {
        is_malformed(&form(body), why);
    }
    is_malformed(&Incoming { event: Event::Poll, ..form("user=u") }, Malformed::NoTransaction);
    assert!(Parameters::read(&Incoming { event: Event::Trigger, ..form("user=u") }).is_ok());
    assert_eq!(Malformed::NoSecret.to_string(), "Missing parameter: 'pass'");
}

#[test]
fn a_transaction_may_stand_in_the_path() {
    let poll =
        Incoming { event: Event::Poll, transaction: Some("0123"), ..form("transaction_id=9") };
    assert_eq!(&*Parameters::read(&poll).unwrap().transaction, "0123");
}

#[test]
fn json_that_edumfa_fails_at_is_refused() {
    for body in [r#"{"user": "#, "[1,2]", r#""x""#, r#"{"user":"a","user":"b","pass":"x"}"#] {
        is_malformed(&json_body(body), Malformed::Body);
    }
    for body in [r#"{"user":"a","pass":123456}"#, r#"{"user":["a"],"pass":""}"#] {
        is_malformed(&json_body(body), Malformed::Value);
    }
    let odd = r#"{"user":"a","pass":"x","l":[1,2],"d":{"a":1},"n":null,"t":true,"realm":null}"#;
    assert_eq!(pass(&json_body(odd)), "x");
}

#[test]
fn what_is_too_long_or_too_many_is_refused() {
    let secret = "s".repeat(FACTOR_SECRET_BYTES);
    assert_eq!(pass(&form(&format!("user=u&pass={secret}"))), secret);
    is_malformed(&form(&format!("user=u&pass={secret}s")), Malformed::Value);
    let many = format!("user=u&pass=x{}", "&a=b".repeat(VALIDATE_PARAMETERS - 2));
    assert!(Parameters::read(&form(&many)).is_ok());
    is_malformed(&Incoming { query: "c=d", ..form(&many) }, Malformed::TooMany);
    is_malformed(&form(&"a&".repeat(VALIDATE_BYTES / 2)), Malformed::TooMany);
    is_malformed(&form(&"a".repeat(VALIDATE_BYTES + 1)), Malformed::TooMany);
    is_malformed(
        &Incoming { query: &"a".repeat(VALIDATE_BYTES + 1), ..form("") },
        Malformed::TooMany,
    );
}

proptest! {
    #[test]
    fn any_bytes_are_parameters_or_malformed(query: String, body: Vec<u8>, content_type in prop_oneof![
        Just(None), Just(FORM), Just(Some("application/json")), Just(Some("multipart/form-data; boundary=b"))
    ], user_agent: Option<String>, transaction: Option<String>) {
        for event in Event::ALL {
            let _ = Parameters::read(&Incoming {
                event,
                query: &query,
                content_type,
                body: &body,
                user_agent: user_agent.as_deref(),
                transaction: transaction.as_deref(),
            });
        }
    }

    #[test]
    fn a_secret_arrives_whole_from_a_form_that_is_quoted_twice(secret in ".{0,100}") {
        use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
        let once = utf8_percent_encode(&secret, NON_ALPHANUMERIC).to_string();
        let body = form_urlencoded::Serializer::new("user=u".to_owned()).append_pair("pass", &once).finish();
        prop_assert_eq!(pass(&form(&body)), secret);
    }
}
