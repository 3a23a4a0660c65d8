//! Where may be posted to: hosts that the configuration lists, and addresses that are public or listed themselves.

use std::{
    collections::BTreeSet,
    error::Error,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use url::{Host, Url};

/// The longest URL of a callback, in bytes.
const LONGEST_URL: usize = 2_048;

/// The hosts that may be posted to.
#[derive(Debug, Clone, Default)]
pub struct AllowedHosts(Vec<Place>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    host: Host,
    /// `None` for the port that the scheme has by itself.
    port: Option<u16>,
}

/// The ports that the schemes have by themselves, https and, on loopback, http.
const USUAL_PORTS: [u16; 2] = [443, 80];

/// A text that is neither a host nor a host with a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidHost(String);

impl fmt::Display for InvalidHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a host, such as shop.example, shop.example:8443 or 10.1.2.3", self.0)
    }
}

impl Error for InvalidHost {}

/// Why nothing may be posted to a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Forbidden {
    /// It is no URL with a host.
    NotAUrl,
    /// It has more than 2,048 bytes.
    TooLong,
    /// It holds a user name or a password.
    Credentials,
    /// It is not https; plain http goes to loopback only.
    NotHttps,
    /// Its host is not listed, or not with this port.
    NotListed(String),
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAUrl => f.write_str("it is not a URL such as https://shop.example/hooks/closed"),
            Self::TooLong => write!(f, "it has more than {LONGEST_URL} bytes"),
            Self::Credentials => {
                f.write_str("it holds a user name or a password; callbacks are signed instead")
            }
            Self::NotHttps => f.write_str("it is not https; plain http is for loopback only"),
            Self::NotListed(place) => write!(f, "{place} is not in callbacks.allowed_hosts"),
        }
    }
}

impl Error for Forbidden {}

impl AllowedHosts {
    /// Reads the list: `host` for the scheme's own port, `host:port` for that port and no other. An address in the list stands
    /// for itself, also where a listed name leads to it: that is how private networks are allowed. With a port it stands for
    /// what is posted to that port; without one the port of the name counts.
    ///
    /// # Errors
    ///
    /// [`InvalidHost`] for the first text that is neither.
    pub fn read(texts: &[String]) -> Result<Self, InvalidHost> {
        texts
            .iter()
            .map(|text| place(text).ok_or_else(|| InvalidHost(text.clone())))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether nothing is listed.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads a URL and checks all that can be checked without looking its host up.
    ///
    /// # Errors
    ///
    /// See [`Forbidden`].
    pub fn check(&self, text: &str) -> Result<Url, Forbidden> {
        if text.len() > LONGEST_URL {
            return Err(Forbidden::TooLong);
        }
        let url = Url::parse(text).map_err(|_| Forbidden::NotAUrl)?;
        let Some(host) = url.host() else { return Err(Forbidden::NotAUrl) };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Forbidden::Credentials);
        }
        if !(url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&host))) {
            return Err(Forbidden::NotHttps);
        }
        let (own, port) = (url.port().is_none(), url.port_or_known_default());
        let holds = |place: &Place| match place.port {
            None => own,
            Some(listed) => port == Some(listed),
        };
        if self.0.iter().any(|place| place.host == host.to_owned() && holds(place)) {
            return Ok(url);
        }
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        Err(Forbidden::NotListed(format!("{host}{port}")))
    }

    /// Every port that may be posted to.
    pub(crate) fn ports(&self) -> BTreeSet<u16> {
        self.0.iter().filter_map(|place| place.port).chain(USUAL_PORTS).collect()
    }

    /// Whether a connection may go to this address and port, to which the name `host` leads.
    pub fn may_connect(&self, host: &str, address: IpAddr, port: u16) -> bool {
        let itself = match address {
            IpAddr::V4(address) => Host::<String>::Ipv4(address),
            IpAddr::V6(address) => Host::<String>::Ipv6(address),
        };
        is_public(address)
            || self
                .0
                .iter()
                .any(|place| place.host == itself && place.port.is_none_or(|listed| listed == port))
            || (host == "localhost" && address.is_loopback())
    }
}

fn place(text: &str) -> Option<Place> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            (host, Some(port.parse().ok().filter(|port| *port != 0)?))
        }
        Some(_) | None => (text, None),
    };
    let bare = host.is_empty() || host.contains(['/', '@', '*']);
    (!bare).then(|| Host::parse(host).ok()).flatten().map(|host| Place { host, port })
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// Whether an address belongs to the public Internet (IANA special-purpose registries). An IPv4 address that is wrapped in an
/// IPv6 one is judged as itself.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        || address.is_documentation()
        // This network, carrier-grade NAT, protocol assignments, benchmarks, reserved.
        || a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0)
        || (a == 198 && (b & 0xfe) == 18)
        || a >= 240;
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let wrapped = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        // Mapped, NAT64, 6to4.
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => wrapped(high, low),
        // Teredo and other protocol assignments, documentation.
        [0x2001, second, ..] if second < 0x200 || second == 0xdb8 => false,
        // Global unicast is 2000::/3 and nothing else.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(hosts: &[&str]) -> AllowedHosts {
        AllowedHosts::read(&hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn only_what_is_listed_may_be_posted_to() {
        let allowed = allowed(&[
            "shop.example",
            "shop.example:8443",
            "127.0.0.1:9000",
            "localhost:9000",
            "[::1]:9000",
            "other.example:443",
            "odd.example:8443",
            "127.0.0.1:80",
            "[::1]",
        ]);
        let not_listed = |place: &str| Err(Forbidden::NotListed(place.to_owned()));
        let cases = [
            ("https://shop.example/hooks?a=b", Ok(())),
            ("https://SHOP.example:443/", Ok(())),
            ("https://shop.example:8443/", Ok(())),
            ("http://127.0.0.1:9000/", Ok(())),
            ("http://0x7f.1:9000/", Ok(())),
            ("http://localhost:9000/", Ok(())),
            ("http://[::1]:9000/", Ok(())),
            ("https://other.example/", Ok(())),
            ("https://other.example:443/", Ok(())),
            ("https://odd.example:8443/", Ok(())),
            ("https://odd.example/", not_listed("odd.example")),
            ("https://other.example:8443/", not_listed("other.example:8443")),
            ("http://127.0.0.1/", Ok(())),
            ("http://127.0.0.1:80/", Ok(())),
            ("https://127.0.0.1/", not_listed("127.0.0.1")),
            ("https://127.0.0.1:80/", Ok(())),
            ("http://[::1]/", Ok(())),
            ("https://[::1]/", Ok(())),
            ("http://localhost/", not_listed("localhost")),
            ("https://shop.example:8444/", not_listed("shop.example:8444")),
            ("https://a.shop.example/", not_listed("a.shop.example")),
            ("https://shop.example.evil.example/", not_listed("shop.example.evil.example")),
            ("http://127.0.0.1:9001/", not_listed("127.0.0.1:9001")),
            ("https://169.254.169.254/", not_listed("169.254.169.254")),
            ("http://shop.example/", Err(Forbidden::NotHttps)),
            ("ftp://shop.example/", Err(Forbidden::NotHttps)),
            ("https://user@shop.example/", Err(Forbidden::Credentials)),
            ("https://:secret@shop.example/", Err(Forbidden::Credentials)),
            ("shop.example", Err(Forbidden::NotAUrl)),
            ("mailto:a@shop.example", Err(Forbidden::NotAUrl)),
        ];
        for (url, expected) in cases {
            assert_eq!(allowed.check(url).map(drop), expected, "{url}");
        }
        let long = format!("https://shop.example/{}", "a".repeat(LONGEST_URL));
        assert_eq!(allowed.check(&long), Err(Forbidden::TooLong));
    }

    #[test]
    fn a_name_that_leads_to_a_private_address_is_not_followed() {
        let allowed = allowed(&["shop.example", "10.1.2.3"]);
        for (address, may) in [
            ("93.184.215.14", true),
            ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", true),
            ("10.1.2.3", true),
            ("10.1.2.4", false),
            ("127.0.0.1", false),
            ("0.0.0.0", false),
            ("169.254.169.254", false),
            ("172.16.0.1", false),
            ("192.168.1.1", false),
            ("100.64.0.1", false),
            ("192.0.0.8", false),
            ("198.18.0.1", false),
            ("224.0.0.1", false),
            ("240.0.0.1", false),
            ("::", false),
            ("::1", false),
            ("::ffff:10.1.2.4", false),
            ("::ffff:93.184.215.14", true),
            ("64:ff9b::a00:1", false),
            ("2002:a00:1::", false),
            ("2001::1", false),
            ("2001:db8::1", false),
            ("fd00::1", false),
            ("fe80::1", false),
            ("ff02::1", false),
        ] {
            assert_eq!(allowed.may_connect("shop.example", address.parse().unwrap(), 443), may, "{address}");
        }
        assert!(allowed.may_connect("localhost", "127.0.0.1".parse().unwrap(), 9_000));
        assert!(!allowed.may_connect("localhost", "10.1.2.4".parse().unwrap(), 9_000));
    }

    #[test]
    fn an_address_with_a_port_is_one_for_that_port_also_behind_a_name() {
        let allowed =
            allowed(&["shop.example", "shop.example:8443", "10.1.2.3:8443", "10.1.2.4", "[fd00::1]:8443"]);
        for (address, port, may) in [
            ("10.1.2.3", 8_443, true),
            ("10.1.2.3", 443, false),
            ("10.1.2.4", 443, true),
            ("10.1.2.4", 8_443, true),
            ("fd00::1", 8_443, true),
            ("fd00::1", 443, false),
            ("93.184.215.14", 443, true),
        ] {
            assert_eq!(
                allowed.may_connect("shop.example", address.parse().unwrap(), port),
                may,
                "{address} {port}"
            );
        }
        assert_eq!(allowed.ports().into_iter().collect::<Vec<_>>(), [80, 443, 8_443]);
    }

    #[test]
    fn a_list_with_anything_but_hosts_is_refused() {
        for text in [
            "",
            "*",
            "*.shop.example",
            "https://shop.example",
            "shop.example/hooks",
            "a@shop.example",
            "shop.example:x",
            "shop.example:0",
            "shop.example:",
        ] {
            assert!(AllowedHosts::read(&[text.to_owned()]).is_err(), "{text}");
        }
    }
}
