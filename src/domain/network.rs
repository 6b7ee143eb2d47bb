//! Addresses and lists of networks, compared as numbers and never as text.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use smallvec::SmallVec;

use crate::domain::limits::CHAIN_ADDRESSES;

/// Addresses that proxies reported, in the order of the header: the client first.
pub type Chain = SmallVec<[IpAddr; 4]>;

/// Why one entry of a network list was refused. The text names the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Neither an address nor a CIDR network.
    #[error("'{0}' is not an IP address or a CIDR network; write e.g. 10.0.0.5 or 10.0.0.0/8")]
    Malformed(String),
    /// An address with a prefix that does not cover it exactly.
    #[error(
        "'{written}' has host bits set; write {network} for the network or {address} for the one host"
    )]
    HostBits {
        /// The entry as written.
        written: String,
        /// The network it lies in.
        network: IpNet,
        /// The address without its prefix.
        address: IpAddr,
    },
}

/// A list of networks; an empty one contains nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// Reads entries separated by blanks or commas.
    ///
    /// # Errors
    /// The first entry that is not an address or network in canonical form (SEMANTICS T5): host bits,
    /// octal or hexadecimal numbers, zone ids and names are refused. Show it to the operator.
    pub fn parse(list: &str) -> Result<Self, NetworkError> {
        list.split(|c: char| c == ',' || c.is_ascii_whitespace())
            .filter(|entry| !entry.is_empty())
            .map(parse_network)
            .collect::<Result<Vec<_>, _>>()
            .map(Self)
    }

    /// Adds the networks of `other`.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether no network is listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `address` (already canonical) lies in one of the networks.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// One address of each network, in order.
    pub fn samples(&self) -> impl Iterator<Item = IpAddr> + Clone {
        self.0.iter().map(IpNet::addr)
    }

    /// A network of this list that shares addresses with one of `other`, if any.
    #[must_use]
    pub fn overlap(&self, other: &Self) -> Option<IpNet> {
        self.0.iter().copied().find(|mine| {
            other.0.iter().any(|theirs| mine.contains(theirs) || theirs.contains(mine))
        })
    }
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        self.0.iter().try_for_each(|network| {
            write!(f, "{separator}{network}")?;
            separator = " ";
            Ok(())
        })
    }
}

fn parse_network(entry: &str) -> Result<IpNet, NetworkError> {
    let malformed = || NetworkError::Malformed(entry.to_owned());
    let (address, prefix) = match entry.split_once('/') {
        None => (entry, None),
        Some((address, prefix)) => (address, Some(parse_prefix(prefix).ok_or_else(malformed)?)),
    };
    let written: IpAddr = address.parse().map_err(|_| malformed())?;
    let network = match (written, fold(written)) {
        (IpAddr::V6(_), IpAddr::V4(v4)) => {
            // A mapped network is the v4 network of its last 32 bits.
            let prefix = prefix.unwrap_or(128).checked_sub(96).ok_or_else(malformed)?;
            Ipv4Net::new(v4, prefix).map(IpNet::V4)
        }
        (_, IpAddr::V4(v4)) => Ipv4Net::new(v4, prefix.unwrap_or(32)).map(IpNet::V4),
        (_, IpAddr::V6(v6)) => Ipv6Net::new(v6, prefix.unwrap_or(128)).map(IpNet::V6),
    }
    .map_err(|_| malformed())?;
    if network.addr() == network.network() {
        Ok(network)
    } else {
        Err(NetworkError::HostBits {
            written: entry.to_owned(),
            network: network.trunc(),
            address: network.addr(),
        })
    }
}

fn parse_prefix(prefix: &str) -> Option<u8> {
    let plain = (1..=3).contains(&prefix.len())
        && prefix.bytes().all(|b| b.is_ascii_digit())
        && (prefix == "0" || !prefix.starts_with('0'));
    plain.then(|| prefix.parse().ok()).flatten()
}

/// The one spelling of an address: `::ffff:a.b.c.d` is `a.b.c.d`; compatible and NAT64 forms are not.
#[must_use]
pub const fn fold(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// The address in 16 bytes, v4 as mapped; for keys and records.
#[must_use]
pub const fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// The inverse of [`octets`].
#[must_use]
pub const fn from_octets(octets: [u8; 16]) -> IpAddr {
    fold(IpAddr::V6(Ipv6Addr::from_octets(octets)))
}

/// An address list that could not be read exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed address list")]
pub struct MalformedChain;

/// Reads an `X-Forwarded-For` value: addresses separated by commas, nothing else.
///
/// # Errors
/// Any element that is not exactly one address (ports, brackets, names, `unknown`, empty), or more
/// than [`CHAIN_ADDRESSES`] of them: deny the request (SEMANTICS T2).
pub fn parse_chain(value: &[u8]) -> Result<Chain, MalformedChain> {
    let text = std::str::from_utf8(value).map_err(|_| MalformedChain)?;
    let mut chain = Chain::new();
    for element in text.split(',') {
        if chain.len() == CHAIN_ADDRESSES {
            return Err(MalformedChain);
        }
        let address: IpAddr =
            element.trim_matches([' ', '\t']).parse().map_err(|_| MalformedChain)?;
        chain.push(fold(address));
    }
    Ok(chain)
}

/// The loopback address, the default of values that never come from a network.
pub const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Whose an address is where clients are counted: an IPv6 client owns a /64, so all of it is one.
#[must_use]
pub fn site(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V4(_) => client,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[track_caller]
    fn refused(entry: &str) {
        assert!(Networks::parse(entry).is_err(), "{entry} must be refused");
    }

    #[test]
    fn entries_are_separated_by_blanks_and_commas() {
        let list = Networks::parse("127.0.0.1 10.0.0.0/8,192.0.2.0/24 , 2001:db8::/32").unwrap();
        for inside in ["127.0.0.1", "10.255.0.1", "192.0.2.7", "2001:db8::7"] {
            assert!(list.contains(ip(inside)), "{inside}");
        }
        for outside in ["127.0.0.2", "11.0.0.1", "192.0.3.1", "2001:db9::1"] {
            assert!(!list.contains(ip(outside)), "{outside}");
        }
    }

    #[test]
    fn addresses_are_numbers_not_patterns() {
        // A09, A10: the reference lets 1.2.1.8 in for 192.168.1.1.
        let list = Networks::parse("192.168.1.1 10.9.1.2 3.4.5.6").unwrap();
        for stranger in ["1.2.1.8", "1.2.168.1", "1.2.3.4", "2.3.4.5"] {
            assert!(!list.contains(ip(stranger)), "{stranger}");
        }
    }

    #[test]
    fn every_spelling_of_an_ipv6_address_is_the_same_address() {
        let list = Networks::parse("2001:0DB8:0:0::1").unwrap();
        assert!(list.contains(ip("2001:db8::1")));
    }

    #[test]
    fn mapped_addresses_are_folded_and_compatible_ones_are_not() {
        let list = Networks::parse("10.0.0.1").unwrap();
        assert!(list.contains(fold(ip("::ffff:10.0.0.1"))));
        assert!(!list.contains(fold(ip("64:ff9b::10.0.0.1"))));
        assert!(!list.contains(fold(ip("::10.0.0.1"))));
        assert!(Networks::parse("::ffff:10.0.0.0/104").unwrap().contains(ip("10.1.2.3")));
    }

    #[test]
    fn sloppy_entries_are_refused() {
        for entry in [
            "10.0.0.5/8",
            "010.0.0.1",
            "0x0a.0.0.1",
            "10.1",
            "fe80::1%eth0",
            "localhost",
            "10.0.0.0/33",
            "10.0.0.0/08",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.1-10.0.0.9",
            "a;b",
            "::ffff:10.0.0.0/90",
        ] {
            refused(entry);
        }
    }

    #[test]
    fn host_bits_are_refused_with_both_remedies() {
        let error = Networks::parse("10.0.0.5/8").unwrap_err().to_string();
        assert!(
            error.contains("10.0.0.0/8") && error.contains("10.0.0.5 for the one host"),
            "{error}"
        );
    }

    #[test]
    fn a_chain_is_addresses_and_nothing_else() {
        let chain = parse_chain(b"203.0.113.7, ::ffff:10.0.0.1,2001:db8::1").unwrap();
        assert_eq!(chain.as_slice(), [ip("203.0.113.7"), ip("10.0.0.1"), ip("2001:db8::1")]);
        for bad in [
            &b""[..],
            b",",
            b"1.2.3.4,",
            b"unknown",
            b"1.2.3.4:80",
            b"[::1]",
            b"\xff",
            b"1.2.3.4 5.6.7.8",
            b"010.0.0.1",
            b"fe80::1%1",
            b"\"1.2.3.4\"",
            b"for=1.2.3.4",
        ] {
            assert_eq!(parse_chain(bad), Err(MalformedChain), "{bad:?}");
        }
    }

    #[test]
    fn a_chain_has_at_most_so_many_addresses() {
        let long = vec!["10.0.0.1"; CHAIN_ADDRESSES].join(",");
        assert_eq!(parse_chain(long.as_bytes()).unwrap().len(), CHAIN_ADDRESSES);
        assert_eq!(parse_chain(format!("{long},10.0.0.1").as_bytes()), Err(MalformedChain));
    }

    #[test]
    fn octets_round_trip() {
        for address in ["10.0.0.1", "2001:db8::1"] {
            assert_eq!(from_octets(octets(ip(address))), ip(address));
        }
    }
}
