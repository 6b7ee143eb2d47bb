use proptest::prelude::*;

use super::*;
use crate::domain::header::HeaderList;
use crate::domain::network::{LOOPBACK, parse_chain};

fn name(text: &str) -> HeaderName {
    HeaderName::parse(text).unwrap()
}

fn master(label: &str, ips: &str, contents: &[&str]) -> Master {
    Master {
        name: label.into(),
        networks: Networks::parse(ips).unwrap(),
        control: (!contents.is_empty()).then(|| Control {
            header: name("control"),
            contents: contents.iter().map(|c| SecretDigest::of(c.as_bytes())).collect(),
        }),
        certificate: None,
        realm: "".into(),
        reports_client: false,
    }
}

fn trust(masters: Vec<Master>) -> Trust {
    Trust::new(TrustedProxies::parse("127.0.0.0/8").unwrap(), masters, vec![name("Auth-User")])
}

fn list<'a>(headers: &[(&'a str, &'a str)]) -> HeaderList<'a> {
    headers.iter().map(|(n, v)| (*n, v.as_bytes())).collect::<HeaderList<'_>>()
}

fn admit<'t>(
    trust: &'t Trust,
    chain: &str,
    headers: &[(&str, &str)],
) -> Result<Standing<'t>, Reason> {
    trust.admit(Peer::Address(LOOPBACK), &parse_chain(chain.as_bytes()).unwrap(), &list(headers))
}

#[track_caller]
fn admitted(trust: &Trust, chain: &str, headers: &[(&str, &str)], expected: &str) {
    let standing = admit(trust, chain, headers).unwrap();
    assert_eq!(&*standing.admitted.unwrap().master().name, expected);
}

#[track_caller]
fn nobody(trust: &Trust, chain: &str, headers: &[(&str, &str)], why: NotAdmitted) {
    assert_eq!(admit(trust, chain, headers).unwrap().admitted.unwrap_err(), why, "{chain}");
}

#[track_caller]
fn denied(trust: &Trust, chain: &str, headers: &[(&str, &str)], reason: Reason) {
    assert_eq!(admit(trust, chain, headers).unwrap_err(), reason, "{chain} {headers:?}");
}

#[test]
fn the_caller_is_the_rightmost_address_that_is_no_trusted_proxy() {
    let trust = trust(vec![master("sso", "10.0.0.1", &["password"])]);
    let control = [("control", "password")];
    admitted(&trust, "10.0.0.1", &control, "sso");
    admitted(&trust, "1.1.1.1, 10.0.0.1, 127.0.0.2", &control, "sso");
    // A16: the client wrote the master's address in front of its own.
    nobody(&trust, "10.0.0.1, 203.0.113.9", &control, NotAdmitted::Address);
    let caller = |chain| admit(&trust, chain, &[]).unwrap().caller.to_string();
    assert_eq!(caller("127.0.0.9, 127.0.0.2"), "127.0.0.9");
    assert_eq!(caller("203.0.113.9, 127.0.0.2"), "203.0.113.9");
}

#[test]
fn a_unix_peer_is_a_trusted_proxy_only_if_unix_is_listed() {
    let trusts = |list: &str, peer| {
        let proxies = TrustedProxies::parse(list).unwrap();
        Trust::new(proxies, vec![], vec![]).is_trusted_proxy(peer)
    };
    for list in ["", "127.0.0.0/8", "0.0.0.0/0 ::/0"] {
        assert!(!trusts(list, Peer::Unix), "{list}");
    }
    for list in ["unix", "127.0.0.1,unix", "10.0.0.0/8 unix"] {
        assert!(trusts(list, Peer::Unix), "{list}");
    }
    assert!(!trusts("unix", Peer::Address(LOOPBACK)));
    assert!(trusts("unix 127.0.0.1", Peer::at("::ffff:127.0.0.1".parse().unwrap())));
    // Nobody knows who that was.
    assert!(!trusts("0.0.0.0/0 ::/0 unix", Peer::Unknown));
    for wrong in ["Unix", "unix:", "unix/8", "unix:/run/x.sock"] {
        assert!(TrustedProxies::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_peer_without_an_address_is_nobodys_caller() {
    // Not even of a master that is believed anywhere.
    let trust = trust(vec![master("sso", "", &["password"])]);
    let control = list(&[("control", "password")]);
    for peer in [Peer::Unix, Peer::Unknown] {
        let refused = trust.admit(peer, &Chain::new(), &control).unwrap_err();
        assert_eq!(refused, Reason::NoClientAddress, "{peer:?}");
        let chain = parse_chain(b"203.0.113.9").unwrap();
        let standing = trust.admit(peer, &chain, &control).unwrap();
        assert_eq!(standing.caller.to_string(), "203.0.113.9");
    }
}

#[test]
fn only_the_exact_control_content_admits() {
    // A01, A02, A04.
    let trust = trust(vec![master("sso", "10.0.0.1", &["p+ss(w0rd$", "s3cret!"])]);
    admitted(&trust, "10.0.0.1", &[("control", "p+ss(w0rd$")], "sso");
    admitted(&trust, "10.0.0.1", &[("Control", "s3cret!")], "sso");
    for wrong in [".*", "\\w+", "s3cret", "S3CRET!", "x|", "(", "", "s3cret! "] {
        denied(&trust, "10.0.0.1", &[("control", wrong)], Reason::ControlMismatch);
    }
    let long = "x".repeat(CONTROL_BYTES + 1);
    denied(&trust, "10.0.0.1", &[("control", &long)], Reason::ControlMismatch);
    nobody(&trust, "10.0.0.1", &[], NotAdmitted::Control);
    nobody(&trust, "10.0.0.2", &[("control", "wrong")], NotAdmitted::Address);
}

#[test]
fn a_trust_header_that_stands_twice_or_has_a_look_alike_is_denied() {
    // A05, A21, A22, A27.
    let trust = trust(vec![master("sso", "10.0.0.1", &["password"])]);
    let control = ("control", "password");
    denied(&trust, "10.0.0.1", &[control, control], Reason::DuplicateHeader);
    denied(&trust, "10.0.0.1", &[("control", "wrong"), control], Reason::DuplicateHeader);
    denied(
        &trust,
        "10.0.0.1",
        &[control, ("Auth-User", "a"), ("AUTH-USER", "b")],
        Reason::DuplicateHeader,
    );
    denied(&trust, "10.0.0.1", &[control, ("Auth_User", "a")], Reason::AliasedHeader);
    denied(&trust, "10.0.0.1", &[("Auth.User", "a")], Reason::AliasedHeader);
    nobody(&trust, "10.0.0.9", &[("Auth_User", "a"), ("Auth-User", "b")], NotAdmitted::Address);
}

#[test]
fn of_several_masters_the_first_that_matches_entirely_is_taken() {
    let trust = trust(vec![
        master("old", "10.0.0.0/8", &["old"]),
        master("new", "10.0.0.0/8", &["new"]),
        master("open", "10.9.0.0/16", &[]),
    ]);
    admitted(&trust, "10.0.0.1", &[("control", "new")], "new");
    admitted(&trust, "10.9.0.1", &[("control", "neither")], "open");
    admitted(&trust, "10.9.0.1", &[("control", "old")], "old");
    denied(&trust, "10.0.0.1", &[("control", "neither")], Reason::ControlMismatch);
}

#[test]
fn a_master_without_addresses_is_believed_anywhere_with_its_control() {
    let trust = trust(vec![master("sso", "", &["password"])]);
    admitted(&trust, "203.0.113.9", &[("control", "password")], "sso");
    denied(&trust, "203.0.113.9", &[("control", "x")], Reason::ControlMismatch);
}

#[test]
fn a_certificate_must_match_as_a_whole() {
    let mut sso = master("sso", "10.0.0.1", &[]);
    sso.certificate = Some(Certificate {
        header: name("Ssl-Client-Dn"),
        pattern: regex::bytes::Regex::new(r"\A(?:CN=master)\z").unwrap(),
    });
    let trust = trust(vec![sso]);
    admitted(&trust, "10.0.0.1", &[("ssl-client-dn", "CN=master")], "sso");
    denied(&trust, "10.0.0.1", &[("ssl-client-dn", "CN=master2")], Reason::CertificateMismatch);
    denied(&trust, "10.0.0.1", &[], Reason::CertificateMismatch);
}

#[test]
fn a_reporting_masters_client_stands_to_its_left() {
    let mut sso = master("sso", "10.0.0.1", &["password"]);
    sso.reports_client = true;
    let trust = trust(vec![sso]);
    let control = [("control", "password")];
    let client = |chain| admit(&trust, chain, &control).map(|s| s.client.to_string());
    assert_eq!(client("203.0.113.7, 10.0.0.1, 127.0.0.2"), Ok("203.0.113.7".into()));
    assert_eq!(client("10.0.0.1"), Err(Reason::NoClientAddress));
    assert_eq!(admit(&trust, "203.0.113.7, 10.0.0.1", &[]).unwrap().client.to_string(), "10.0.0.1");
}

proptest! {
    #[test]
    fn a_stranger_is_never_admitted(address: [u8; 4], value in "\\PC{0,20}") {
        let ip = std::net::Ipv4Addr::from(address);
        prop_assume!(!ip.is_loopback() && ip.octets()[0] != 10);
        let trust = trust(vec![master("sso", "10.0.0.0/8", &["password"])]);
        let standing = admit(&trust, &ip.to_string(), &[("control", &value)]).unwrap();
        prop_assert_eq!(standing.admitted.unwrap_err(), NotAdmitted::Address);
    }
}
