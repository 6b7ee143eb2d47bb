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
#[derive(Debug, Clone)]
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

    /// The same, but every master that has to prove itself does so with `content`. For a rehearsal, where
    /// nobody has to prove anything and the real contents are known to nobody.
    #[must_use]
    pub fn rehearsed(mut self, content: &[u8]) -> Self {
        let digest = SecretDigest::of(content);
        for control in self.masters.iter_mut().filter_map(|master| master.control.as_mut()) {
            control.contents.push(digest.clone());
        }
        self
    }

    /// Where a request of `master` could come from: an address of its own that is no proxy's, if it has one.
    #[must_use]
    pub fn address_of(&self, master: &Master) -> Option<IpAddr> {
        let is_proxy = |address: &IpAddr| self.trusted_proxies.networks.contains(*address);
        let mut own = master.networks.samples();
        own.clone().find(|address| !is_proxy(address)).or_else(|| own.next())
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

    /// One of those who may speak for a client, for asking in its name; `None` if nobody may.
    #[must_use]
    pub fn trusted_peer(&self) -> Option<Peer> {
        let TrustedProxies { networks, unix } = &self.trusted_proxies;
        networks.samples().next().map(Peer::Address).or(unix.then_some(Peer::Unix))
    }

    /// Whether `peer` may speak for a client.
    #[must_use]
    pub fn is_trusted_proxy(&self, peer: Peer) -> bool {
        self.trusted_proxies.contains(peer)
    }

    /// The rightmost address in the chain that is not a trusted proxy, else the leftmost, else the peer (T3); and
    /// its place in the chain.
    #[must_use]
    pub fn caller(&self, peer: Peer, chain: &Chain) -> Option<(usize, IpAddr)> {
        let proxies = &self.trusted_proxies.networks;
        let place = chain.iter().rposition(|hop| !proxies.contains(*hop)).unwrap_or(0);
        let reported = chain.get(place).copied();
        Some((place, reported.or_else(|| peer.address())?))
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
        let (caller_at, caller) = self.caller(peer, chain).ok_or(Reason::NoClientAddress)?;
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
mod tests;
