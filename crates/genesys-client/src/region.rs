//! Where an organisation lives: the base addresses of the API and of the login service.

use std::{error::Error, fmt};

use genesys_types::ConversationId;
use url::{Host, Url};

/// All regions of API.md §3: the AWS name in the API's spelling, and the base domain.
const REGIONS: [(&str, &str); 18] = [
    ("us_east_1", "mypurecloud.com"),
    ("us_east_2", "use2.us-gov-pure.cloud"),
    ("us_west_2", "usw2.pure.cloud"),
    ("ca_central_1", "cac1.pure.cloud"),
    ("mx_central_1", "mxc1.pure.cloud"),
    ("sa_east_1", "sae1.pure.cloud"),
    ("eu_central_1", "mypurecloud.de"),
    ("eu_central_2", "euc2.pure.cloud"),
    ("eu_west_1", "mypurecloud.ie"),
    ("eu_west_2", "euw2.pure.cloud"),
    ("me_central_1", "mec1.pure.cloud"),
    ("ap_south_1", "aps1.pure.cloud"),
    ("ap_northeast_1", "mypurecloud.jp"),
    ("ap_northeast_2", "apne2.pure.cloud"),
    ("ap_northeast_3", "apne3.pure.cloud"),
    ("ap_southeast_1", "apse1.pure.cloud"),
    ("ap_southeast_2", "mypurecloud.com.au"),
    ("eusc_de_east_1", "edee1.eusc-pure.cloud"),
];

/// Families of domains under which Genesys adds regions every few months; a new one needs no new release of this crate.
const FAMILIES: [&str; 3] = [".pure.cloud", ".us-gov-pure.cloud", ".eusc-pure.cloud"];

/// The hosts' first labels that belong to a region's base domain.
const LABELS: [&str; 4] = ["api.", "login.", "apps.", "webmessaging."];

/// How unlike a name may be to be offered as a near match (Jaro-Winkler similarity, found by trying typing errors).
const NEAR: f64 = 0.82;

/// The base addresses of one organisation: where the API is, and where tokens come from.
///
/// Both are https, except on loopback, and carry neither credentials nor query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    api: Url,
    login: Url,
}

/// A text from which no address can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvalidRegion {
    /// The text is neither a known region, nor a base domain of Genesys Cloud, nor a URL.
    Unknown {
        /// What was given.
        given: Box<str>,
        /// Known names that look like it, most alike first.
        near: Vec<&'static str>,
    },
    /// The text is a URL that cannot be a base address.
    Url {
        /// What was given, without any credentials that it held.
        given: Box<str>,
        /// What is wrong with it, in plain words.
        reason: &'static str,
    },
}

impl Region {
    /// Reads a region from an AWS name (`eu-central-1` or `eu_central_1`), a base domain (`mypurecloud.de`), a host of
    /// it (`api.mypurecloud.de`), or a URL (`https://gateway.example/genesys`, `http://127.0.0.1:8081`).
    ///
    /// A URL stands for API and login alike, unless it is one of Genesys' own hosts, of which both are then derived.
    ///
    /// # Errors
    /// Says which known regions look like the text, or why the URL cannot be used.
    pub fn parse(text: &str) -> Result<Self, InvalidRegion> {
        let text = text.trim();
        if text.contains("://") {
            let base = base_url(text)?;
            let domain = base.host_str().and_then(base_domain);
            return match domain {
                Some(domain) if base.port().is_none() && base.path() == "/" => Ok(Self::of_domain(&domain)),
                Some(_) | None => Ok(Self { login: base.clone(), api: base }),
            };
        }
        let folded = text.to_ascii_lowercase();
        let aws_name = folded.replace('-', "_");
        if let Some((_, domain)) = REGIONS.iter().find(|(name, _)| *name == aws_name) {
            return Ok(Self::of_domain(domain));
        }
        match base_domain(&folded) {
            Some(domain) => Ok(Self::of_domain(&domain)),
            None => Err(unknown(text)),
        }
    }

    /// Replaces the API's address, as when a gateway or a stub stands between.
    ///
    /// # Errors
    /// When the text is not a URL that can be a base address.
    pub fn with_api_base_url(self, text: &str) -> Result<Self, InvalidRegion> {
        Ok(Self { api: base_url(text.trim())?, ..self })
    }

    /// Replaces the login service's address.
    ///
    /// # Errors
    /// When the text is not a URL that can be a base address.
    pub fn with_login_base_url(self, text: &str) -> Result<Self, InvalidRegion> {
        Ok(Self { login: base_url(text.trim())?, ..self })
    }

    /// Makes a region of two addresses alone, for a configuration that names no region.
    ///
    /// # Errors
    /// When a text is not a URL that can be a base address.
    pub fn from_base_urls(api: &str, login: &str) -> Result<Self, InvalidRegion> {
        Ok(Self { api: base_url(api.trim())?, login: base_url(login.trim())? })
    }

    /// Returns the API's base address, for example `https://api.mypurecloud.de/`.
    pub fn api(&self) -> &Url {
        &self.api
    }

    /// Returns the login service's base address, for example `https://login.mypurecloud.de/`.
    pub fn login(&self) -> &Url {
        &self.login
    }

    /// Whether both addresses are on this machine, so that neither proxy nor certificate is ever needed.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.api) && is_loopback(&self.login)
    }

    /// Returns the first of both addresses that is at Genesys: any host under a domain of its regions, also of regions that
    /// are newer than the table.
    pub fn at_genesys(&self) -> Option<&Url> {
        [&self.api, &self.login].into_iter().find(|url| url.host_str().is_some_and(is_genesys))
    }

    /// Where a person sees a conversation in Genesys Cloud's own pages; `None` where neither the API nor the login service is at
    /// Genesys. A gateway before the API leaves the login service, and so the region, where it was.
    ///
    /// The address is what the admin page shows in a browser; no document promises it, and it was not tried.
    pub fn page_of(&self, conversation: ConversationId) -> Option<String> {
        let of_region = |url: &Url| url.host_str().and_then(base_domain).filter(|_| url.port().is_none());
        let domain = of_region(&self.api).or_else(|| of_region(&self.login))?;
        Some(format!("https://apps.{domain}/directory/#/analytics/interactions/{conversation}/admin/details"))
    }

    /// Whether a WebSocket at this address belongs to the organisation: wss on a host of the same domain as the API or the
    /// login service, or ws on loopback where both are there. Tokens are in such addresses, so nobody else gets one.
    pub fn holds_socket(&self, url: &Url) -> bool {
        if !url.username().is_empty() || url.password().is_some() {
            return false;
        }
        match url.scheme() {
            "ws" => self.is_loopback() && is_loopback(url),
            "wss" => {
                let host = url.host_str().unwrap_or_default();
                [&self.api, &self.login].into_iter().filter_map(Url::host_str).any(|known| {
                    let domain = base_domain(known).unwrap_or_else(|| known.to_owned());
                    host.strip_suffix(domain.as_str())
                        .is_some_and(|labels| labels.is_empty() || labels.ends_with('.'))
                })
            }
            _ => false,
        }
    }

    fn of_domain(domain: &str) -> Self {
        let at = |label: &str| {
            Url::parse(&format!("https://{label}.{domain}/")).expect("a checked domain makes a URL")
        };
        Self { api: at("api"), login: at("login") }
    }
}

/// Returns the base domain of Genesys Cloud that a host belongs to, if it does to one.
fn base_domain(host: &str) -> Option<String> {
    let host = host.strip_suffix('.').unwrap_or(host);
    let bare = LABELS.iter().find_map(|label| host.strip_prefix(label)).unwrap_or(host);
    let known = REGIONS.iter().any(|(_, domain)| *domain == bare);
    let new_in_family = FAMILIES.iter().any(|family| {
        bare.strip_suffix(family).is_some_and(|label| {
            !label.is_empty() && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        })
    });
    (known || new_in_family).then(|| bare.to_owned())
}

/// Whether a host stands under a domain of Genesys Cloud, whatever its first labels are.
fn is_genesys(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let under = |domain: &str| {
        host.strip_suffix(domain).is_some_and(|labels| labels.is_empty() || labels.ends_with('.'))
    };
    REGIONS.iter().any(|(_, domain)| under(domain)) || FAMILIES.iter().any(|family| under(&family[1..]))
}

fn base_url(text: &str) -> Result<Url, InvalidRegion> {
    let refuse = |reason| InvalidRegion::Url { given: without_credentials(text), reason };
    let mut url = Url::parse(text).map_err(|_| refuse("it is not a URL"))?;
    let problem = match url.scheme() {
        _ if !url.username().is_empty() || url.password().is_some() => Some("it must not hold credentials"),
        _ if url.query().is_some() || url.fragment().is_some() => Some("it must have neither ? nor #"),
        "https" if url.has_host() => None,
        "http" if is_loopback(&url) => None,
        "http" => Some("http is allowed on loopback only; use https"),
        _ => Some("it must begin with https://"),
    };
    if let Some(reason) = problem {
        return Err(refuse(reason));
    }
    if !url.path().ends_with('/') {
        let with_slash = format!("{}/", url.path());
        url.set_path(&with_slash);
    }
    Ok(url)
}

fn without_credentials(text: &str) -> Box<str> {
    match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}://…{}", &text[..scheme], &text[at..]).into(),
        _ => text.chars().take(200).collect::<String>().into(),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn unknown(text: &str) -> InvalidRegion {
    let folded = text.to_ascii_lowercase().replace('-', "_");
    let mut near: Vec<(f64, &'static str)> = REGIONS
        .iter()
        .flat_map(|(name, domain)| [*name, *domain])
        .map(|name| (strsim::jaro_winkler(&folded, name), name))
        .filter(|(alike, _)| *alike >= NEAR)
        .collect();
    near.sort_by(|left, right| right.0.total_cmp(&left.0));
    near.truncate(4);
    InvalidRegion::Unknown {
        given: text.chars().take(100).collect::<String>().into(),
        near: near.into_iter().map(|(_, name)| name).collect(),
    }
}

impl fmt::Display for InvalidRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { given, near } if near.is_empty() => write!(
                f,
                "unknown region {given:?}; give an AWS name such as eu-central-1, a base domain such as \
                 mypurecloud.de, or a URL"
            ),
            Self::Unknown { given, near } => {
                // The configuration writes AWS names as AWS does.
                write!(f, "unknown region {given:?}; near are {}", near.join(", ").replace('_', "-"))
            }
            Self::Url { given, reason } => write!(f, "{given:?} cannot be a base address: {reason}"),
        }
    }
}

impl Error for InvalidRegion {}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(text: &str) -> (String, String) {
        let region = Region::parse(text).unwrap();
        (region.api.to_string(), region.login.to_string())
    }

    #[test]
    fn every_spelling_of_a_region_leads_to_the_same_hosts() {
        let frankfurt =
            ("https://api.mypurecloud.de/".to_owned(), "https://login.mypurecloud.de/".to_owned());
        for text in [
            "eu-central-1",
            "eu_central_1",
            "EU_CENTRAL_1",
            "mypurecloud.de",
            "api.mypurecloud.de",
            "https://api.mypurecloud.de",
            "https://login.mypurecloud.de/",
            " mypurecloud.de ",
        ] {
            assert_eq!(hosts(text), frankfurt, "{text}");
        }
    }

    #[test]
    fn every_region_of_the_table_is_known_by_name_and_by_domain() {
        for (name, domain) in REGIONS {
            assert_eq!(hosts(name), hosts(domain), "{name}");
            assert_eq!(hosts(name).0, format!("https://api.{domain}/"));
        }
    }

    #[test]
    fn a_url_stands_for_both_hosts_and_keeps_its_path() {
        assert_eq!(hosts("http://127.0.0.1:8081").0, "http://127.0.0.1:8081/");
        assert_eq!(hosts("http://[::1]:8081").1, "http://[::1]:8081/");
        assert_eq!(hosts("http://localhost:8081").1, "http://localhost:8081/");
        assert_eq!(hosts("https://gateway.example/genesys").0, "https://gateway.example/genesys/");
    }

    #[test]
    fn a_region_that_is_newer_than_this_table_is_taken_by_its_domain() {
        assert_eq!(hosts("euc9.pure.cloud").0, "https://api.euc9.pure.cloud/");
        assert!(Region::parse("evil.example.pure.cloud").is_err());
    }

    #[test]
    fn an_unknown_region_names_the_near_ones() {
        let said = Region::parse("eu-centrl-1").unwrap_err().to_string();
        assert!(said.contains("eu-central-1"), "{said}");
        let said = Region::parse("mypurecloud.dee").unwrap_err().to_string();
        assert!(said.contains("mypurecloud.de"), "{said}");
        let said = Region::parse("mars").unwrap_err().to_string();
        assert!(said.contains("AWS name"), "{said}");
    }

    #[test]
    fn http_is_for_loopback_only() {
        for refused in [
            "http://gateway.example",
            "http://10.0.0.7:8081",
            "ftp://127.0.0.1",
            "https://user:secret@gateway.example",
            "https://gateway.example/?a=b",
            "https://gateway.example/#x",
            "http://127.0.0.1.example.com",
            "http://",
        ] {
            let error = Region::parse(refused).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn genesys_own_hosts_are_told_from_gateways() {
        for (text, at) in [
            ("eu-central-1", Some("https://api.mypurecloud.de/")),
            ("https://api.mypurecloud.de", Some("https://api.mypurecloud.de/")),
            ("https://proxy.api.mypurecloud.de/x", Some("https://proxy.api.mypurecloud.de/x/")),
            ("https://API.USW2.PURE.CLOUD.:8443", Some("https://api.usw2.pure.cloud.:8443/")),
            ("https://api.euc9.pure.cloud", Some("https://api.euc9.pure.cloud/")),
            ("https://gateway.example/api.mypurecloud.de", None),
            ("https://notmypurecloud.de", None),
            ("https://mypurecloud.de.example", None),
            ("http://127.0.0.1:8081", None),
        ] {
            let region = Region::parse(text).unwrap();
            assert_eq!(region.at_genesys().map(Url::as_str), at, "{text}");
        }
        let half =
            Region::parse("eu-central-1").unwrap().with_api_base_url("https://gateway.example").unwrap();
        assert_eq!(half.at_genesys().map(Url::as_str), Some("https://login.mypurecloud.de/"));
    }

    #[test]
    fn each_address_can_be_replaced_on_its_own() {
        let region = Region::parse("eu-central-1").unwrap().with_api_base_url("http://127.0.0.1:1").unwrap();
        assert_eq!(region.api().as_str(), "http://127.0.0.1:1/");
        assert_eq!(region.login().as_str(), "https://login.mypurecloud.de/");
        assert!(!region.is_loopback());
        assert!(region.with_login_base_url("http://127.0.0.1:1").unwrap().is_loopback());
    }
}
