//! From which address a request comes.

use std::{net::IpAddr, str::FromStr};

use ntex::http::{HeaderMap, header::HeaderName};
use serde::Deserialize;

/// Proxies name whom they speak for; the newest is last.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Addresses with a common beginning, such as `10.0.0.0/8`; without a slash it is one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Network {
    base: IpAddr,
    bits: u32,
}

/// The text is not a [`Network`].
#[derive(Debug, Clone, thiserror::Error)]
#[error("`{0}` is neither an address nor a network; write it like 10.0.0.7 or 10.0.0.0/8")]
pub struct NotANetwork(String);

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let wrong = || NotANetwork(text.to_owned());
        let (base, bits) = text.split_once('/').map_or((text, None), |(base, bits)| (base, Some(bits)));
        let base: IpAddr = base.parse().map_err(|_| wrong())?;
        let width = if base.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(width), str::parse).map_err(|_| wrong())?;
        if bits > width { Err(wrong()) } else { Ok(Self { base, bits }) }
    }
}

impl TryFrom<String> for Network {
    type Error = NotANetwork;

    fn try_from(text: String) -> Result<Self, NotANetwork> {
        text.parse()
    }
}

impl Network {
    pub(crate) fn contains(self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let shift = 32 - self.bits;
                base.to_bits().checked_shr(shift) == address.to_bits().checked_shr(shift)
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let shift = 128 - self.bits;
                base.to_bits().checked_shr(shift) == address.to_bits().checked_shr(shift)
            }
            _ => false,
        }
    }
}

/// The address of the client: the peer, unless that is one of `proxies`; then the last address in
/// `X-Forwarded-For` that is none of them. What stands before it could be anybody's invention.
pub(crate) fn of_client(peer: IpAddr, headers: &HeaderMap, proxies: &[Network]) -> IpAddr {
    let trusted = |address: IpAddr| proxies.iter().any(|proxy| proxy.contains(address));
    let mut client = peer.to_canonical();
    let lists: Vec<_> = headers.get_all(FORWARDED_FOR).filter_map(|value| value.to_str().ok()).collect();
    for named in lists.iter().rev().flat_map(|list| list.rsplit(',')) {
        let Some(named) = trusted(client).then(|| named.trim().parse::<IpAddr>().ok()).flatten() else {
            break;
        };
        client = named.to_canonical();
    }
    client
}

/// Whom an address stands for: whoever has one address of IPv6 has 2⁶⁴ of them.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use ntex::http::header::HeaderValue;

    use super::*;

    fn check(peer: &str, forwarded: &[&'static str], expected: &str) {
        let proxies = ["10.0.0.0/8".parse().unwrap(), "2001:db8::7".parse().unwrap()];
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, HeaderValue::from_static(value));
        }
        let found = of_client(peer.parse().unwrap(), &headers, &proxies);
        assert_eq!(found, expected.parse::<IpAddr>().unwrap(), "{peer} {forwarded:?}");
    }

    #[test]
    fn only_proxies_are_believed() {
        check("192.0.2.1", &[], "192.0.2.1");
        check("192.0.2.1", &["198.51.100.9"], "192.0.2.1");
        check("10.1.2.3", &["198.51.100.9"], "198.51.100.9");
        check("::ffff:10.1.2.3", &["198.51.100.9"], "198.51.100.9");
        check("2001:db8::7", &["2001:db8::8"], "2001:db8::8");
    }

    #[test]
    fn what_a_client_says_of_itself_is_not_believed() {
        check("10.1.2.3", &["203.0.113.1, 198.51.100.9"], "198.51.100.9");
        check("10.1.2.3", &["203.0.113.1, 198.51.100.9, 10.9.9.9"], "198.51.100.9");
        check("10.1.2.3", &["203.0.113.1", "198.51.100.9"], "198.51.100.9");
        check("10.1.2.3", &["203.0.113.1, nonsense"], "10.1.2.3");
        check("10.1.2.3", &[""], "10.1.2.3");
    }

    #[test]
    fn networks_are_read_and_mistakes_named() {
        let all: Network = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains("203.0.113.1".parse().unwrap()));
        assert!(!all.contains("::1".parse().unwrap()));
        for wrong in ["", "10.0.0.0/33", "10.0.0.0/x", "localhost", "10.0.0.0/"] {
            let error = wrong.parse::<Network>().unwrap_err().to_string();
            assert!(error.contains("write it like"), "{error}");
        }
    }
}
