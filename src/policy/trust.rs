//! Who is believed: proxies about addresses, masters about identities (SEMANTICS T, M1, M3).
//!
//! [`Admitted`] is the proof that a master was recognised on this very request. Only
//! [`Trust::admit`] makes one, and reading a master's headers demands it.

use std::net::IpAddr;
use std::sync::Arc;

use crate::domain::decision::Reason;
use crate::domain::header::{AmbiguousHeader, HeaderName, HeaderView};
use crate::domain::limits::CONTROL_BYTES;
use crate::domain::network::{Chain, NetworkError, Networks};
use crate::domain::request::Peer;
use crate::domain::secret::SecretDigest;

/// The header by which a master proves itself, and the contents that do.
#[derive(Debug, Clone)]
pub struct Control {
    /// The control header's name.
    pub header: HeaderName,
    /// Every accepted content; several during a rotation.
    pub contents: Vec<SecretDigest>,
}

/// A header that carries a field of the client's certificate, checked by the master's TLS end.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The header's name.
    pub header: HeaderName,
    /// What the whole value must match.
    pub pattern: regex::bytes::Regex,
}

/// Who may assert identities.
#[derive(Debug, Clone)]
pub struct Master {
    /// Its configured name; label of metrics.
    pub name: Arc<str>,
    /// Where it speaks from; empty means anywhere.
    pub networks: Networks,
    /// Its proof, if it has to give one.
    pub control: Option<Control>,
    /// The certificate field it must pass on, if any.
    pub certificate: Option<Certificate>,
    /// The realm of its users.
    pub realm: Arc<str>,
    /// Whether the address to its left in the chain is the user's.
    pub reports_client: bool,
}

impl Master {
    fn speaks_from(&self, caller: IpAddr) -> bool {
        self.networks.is_empty() || self.networks.contains(caller)
    }
}

/// Proof that `master` was admitted on this request, at stage `control`.
#[derive(Debug, Clone, Copy)]
pub struct Admitted<'p> {
    master: &'p Master,
    /// Whose address rules, records and fingerprints use.
    client: IpAddr,
}

impl<'p> Admitted<'p> {
    /// The master that proved itself.
    #[must_use]
    pub const fn master(&self) -> &'p Master {
        self.master
    }

    /// The client's address, as this master reports it.
    #[must_use]
    pub const fn client(&self) -> IpAddr {
        self.client
    }
}

/// What the addresses and the trust headers of a request amount to.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'p> {
    /// The rightmost address that is not a trusted proxy.
    pub caller: IpAddr,
    /// The end user's address.
    pub client: IpAddr,
    /// The master that speaks, if one proved itself.
    pub admitted: Result<Admitted<'p>, NotAdmitted>,
}

/// Why nobody was admitted although nothing was wrong enough to deny.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAdmitted {
    /// The caller is no master's address; its master headers count as absent.
    Address,
    /// A master's address without the control header.
    Control,
}

/// Who may speak for a client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    /// By address.
    pub networks: Networks,
    /// Whether everybody may who can open a unix socket of ours: the file's mode guards that.
    pub unix: bool,
}

impl TrustedProxies {
    /// The word that stands for the peers of unix sockets.
    const UNIX: &str = "unix";

    /// Reads entries separated by blanks or commas: networks, and `unix`.
    ///
    /// # Errors
    /// As [`Networks::parse`].
    pub fn parse(list: &str) -> Result<Self, NetworkError> {
        let (mut proxies, mut networks) = (Self::default(), Vec::new());
        for entry in list.split(|c: char| c == ',' || c.is_ascii_whitespace()) {
            if entry == Self::UNIX {
                proxies.unix = true;
            } else {
                networks.push(entry);
            }
        }
        proxies.networks = Networks::parse(&networks.join(" "))?;
        Ok(proxies)
    }

    /// Adds those of `other`.
    pub fn extend(&mut self, other: Self) {
        self.networks.extend(other.networks);
        self.unix |= other.unix;
    }

    /// Whether nobody may.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty() && !self.unix
    }

    fn contains(&self, peer: Peer) -> bool {
        match peer {
            Peer::Address(address) => self.networks.contains(address),
            Peer::Unix => self.unix,
            Peer::Unknown => false,
        }
    }
}

/// Proxies, masters, and the names of all trust headers.
#[derive(Debug)]
pub struct Trust {
    trusted_proxies: TrustedProxies,
    masters: Vec<Master>,
    trust_headers: Vec<HeaderName>,
}

impl Trust {
    /// `slave_headers`: login and exported variables, which count as trust headers besides the
    /// masters' own.
    #[must_use]
    pub fn new(
        trusted_proxies: TrustedProxies,
        masters: Vec<Master>,
        slave_headers: Vec<HeaderName>,
    ) -> Self {
        let mut trust_headers = slave_headers;
        for master in &masters {
            trust_headers.extend(master.control.iter().map(|control| control.header.clone()));
            trust_headers.extend(master.certificate.iter().map(|field| field.header.clone()));
        }
        trust_headers.sort();
        trust_headers.dedup();
        Self { trusted_proxies, masters, trust_headers }
    }

    /// The masters, in the order of the configuration.
    #[must_use]
    pub fn masters(&self) -> &[Master] {
        &self.masters
    }

    /// Headers that must never reach an application.
    #[must_use]
    pub fn trust_headers(&self) -> &[HeaderName] {
        &self.trust_headers
    }

    /// Whether `peer` may speak for a client.
    #[must_use]
    pub fn is_trusted_proxy(&self, peer: Peer) -> bool {
        self.trusted_proxies.contains(peer)
    }

    /// Finds the caller, the client and the master that speaks.
    ///
    /// `chain` is empty only for a portal request without any forwarding header: then the peer is
    /// the caller (T3).
    ///
    /// # Errors
    /// No caller, because that peer has no address: not even a master that is believed anywhere is
    /// believed then, as nobody could say where it spoke from. M1's denials, whatever the cookie says: a trust header doubled or aliased from a master's
    /// address, a control header that is present and wrong, a certificate that does not match; and
    /// a master that reports its client but reported none (T4).
    pub fn admit(
        &self,
        peer: Peer,
        chain: &Chain,
        headers: &dyn HeaderView,
    ) -> Result<Standing<'_>, Reason> {
        let proxies = &self.trusted_proxies.networks;
        let caller_at = chain.iter().rposition(|hop| !proxies.contains(*hop)).unwrap_or(0);
        let reported = chain.get(caller_at).copied();
        let caller = reported.or_else(|| peer.address()).ok_or(Reason::NoClientAddress)?;
        let nobody = |why| Ok(Standing { caller, client: caller, admitted: Err(why) });
        if !self.masters.iter().any(|master| master.speaks_from(caller)) {
            return nobody(NotAdmitted::Address);
        }
        for header in &self.trust_headers {
            headers.unique(header.lower()).map_err(ambiguous)?;
        }
        let Some(master) = self.recognise(caller, headers)? else {
            return nobody(NotAdmitted::Control);
        };
        check_certificate(master, headers)?;
        let client = if master.reports_client {
            let left = caller_at.checked_sub(1).and_then(|at| chain.get(at));
            *left.ok_or(Reason::NoClientAddress)?
        } else {
            caller
        };
        Ok(Standing { caller, client, admitted: Ok(Admitted { master, client }) })
    }

    /// The first master whose addresses and control both match.
    fn recognise(
        &self,
        caller: IpAddr,
        headers: &dyn HeaderView,
    ) -> Result<Option<&Master>, Reason> {
        let mut wrong = false;
        for master in self.masters.iter().filter(|master| master.speaks_from(caller)) {
            let Some(control) = &master.control else { return Ok(Some(master)) };
            match headers.unique(control.header.lower()).map_err(ambiguous)? {
                None => {}
                Some(value) if content_matches(control, value) => return Ok(Some(master)),
                Some(_) => wrong = true,
            }
        }
        if wrong { Err(Reason::ControlMismatch) } else { Ok(None) }
    }
}

/// Byte-exact and in constant time over all configured contents.
fn content_matches(control: &Control, value: &[u8]) -> bool {
    if value.len() > CONTROL_BYTES {
        return false;
    }
    let candidate = SecretDigest::of(value);
    control.contents.iter().fold(false, |found, content| content.matches(&candidate) | found)
}

fn check_certificate(master: &Master, headers: &dyn HeaderView) -> Result<(), Reason> {
    let Some(certificate) = &master.certificate else { return Ok(()) };
    match headers.unique(certificate.header.lower()).map_err(ambiguous)? {
        Some(value) if certificate.pattern.is_match(value) => Ok(()),
        _ => Err(Reason::CertificateMismatch),
    }
}

/// The reason for a header that cannot be read.
#[must_use]
pub const fn ambiguous(error: AmbiguousHeader) -> Reason {
    match error {
        AmbiguousHeader::Doubled => Reason::DuplicateHeader,
        AmbiguousHeader::Aliased => Reason::AliasedHeader,
    }
}

#[cfg(test)]
mod tests {
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
        trust.admit(
            Peer::Address(LOOPBACK),
            &parse_chain(chain.as_bytes()).unwrap(),
            &list(headers),
        )
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
        assert_eq!(
            admit(&trust, "203.0.113.7, 10.0.0.1", &[]).unwrap().client.to_string(),
            "10.0.0.1"
        );
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
}
