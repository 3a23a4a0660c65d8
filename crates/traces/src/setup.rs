//! Where traces are sent, and which.

use std::{collections::HashMap, error::Error, fmt, time::Duration};

use genesys_types::Organisation;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

/// Where collectors of OTLP/HTTP take traces, below their address.
const PATH: &str = "v1/traces";

/// All that is configured.
#[derive(Clone)]
pub struct Setup {
    /// Where batches are posted to; without it nothing is sent.
    pub endpoint: Option<Url>,
    /// What is sent with each batch; values are marked as secrets.
    pub headers: HeaderMap,
    /// `service.name`.
    pub service: String,
    /// Of so many in a hundred closures whose producer names no trace.
    pub percent: u8,
    /// Whether ghosts and failures are sent in any case.
    pub trouble_always: bool,
    /// How long one request may take in all.
    pub timeout: Duration,
    /// What ended longer ago than this is not sent any more.
    pub keep: Duration,
    /// Where the calls of each organisation go.
    pub places: HashMap<Organisation, Place>,
}

/// Where calls go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// `server.address`.
    pub host: String,
    /// `server.port`.
    pub port: u16,
}

impl Place {
    /// The place that a URL names; nothing where it names no host.
    pub fn of(url: &Url) -> Option<Self> {
        Some(Self { host: url.host_str()?.to_owned(), port: url.port_or_known_default()? })
    }
}

impl Default for Setup {
    /// Nothing is sent. The rest is as in the table of defaults of the configuration.
    fn default() -> Self {
        Self {
            endpoint: None,
            headers: HeaderMap::new(),
            service: "closeout".to_owned(),
            percent: 100,
            trouble_always: true,
            timeout: Duration::from_secs(10),
            keep: Duration::from_secs(900),
            places: HashMap::new(),
        }
    }
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup")
            .field("endpoint", &self.endpoint.as_ref().and_then(Url::host_str))
            .field("service", &self.service)
            .field("percent", &self.percent)
            .finish_non_exhaustive()
    }
}

/// The address to post to: that of a collector, with `v1/traces` below it where it is not there already, as
/// `OTEL_EXPORTER_OTLP_ENDPOINT` means it.
///
/// # Errors
///
/// Half a sentence that says what is wrong.
pub fn endpoint(text: &str) -> Result<Url, String> {
    let wrong = || "is not an address such as http://collector:4318".to_owned();
    let mut url = Url::parse(text).map_err(|_| wrong())?;
    if !matches!(url.scheme(), "http" | "https") || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a user or a password; write them into traces.headers".to_owned());
    }
    let path = url.path().trim_end_matches('/');
    if !path.ends_with(PATH) {
        let path = format!("{path}/{PATH}");
        url.set_path(&path);
    }
    Ok(url)
}

/// Headers that cannot be sent. Their text is not repeated: it is a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidHeaders;

impl fmt::Display for InvalidHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a header is written as Name: value, one in each text")
    }
}

impl Error for InvalidHeaders {}

/// Reads headers, each as `Name: value`.
///
/// # Errors
///
/// [`InvalidHeaders`] where one is none.
pub fn headers(texts: &[SecretString]) -> Result<HeaderMap, InvalidHeaders> {
    let one = |text: &SecretString| {
        let (name, value) = text.expose_secret().split_once(':')?;
        let mut value = HeaderValue::try_from(value.trim()).ok()?;
        value.set_sensitive(true);
        Some((HeaderName::try_from(name.trim()).ok()?, value))
    };
    texts.iter().map(|text| one(text).ok_or(InvalidHeaders)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_added_where_it_is_missing() {
        for (given, meant) in [
            ("http://localhost:4318", "http://localhost:4318/v1/traces"),
            ("http://localhost:4318/", "http://localhost:4318/v1/traces"),
            ("http://localhost:4318/v1/traces", "http://localhost:4318/v1/traces"),
            ("https://otlp.example/otlp", "https://otlp.example/otlp/v1/traces"),
        ] {
            assert_eq!(endpoint(given).unwrap().as_str(), meant);
        }
        for wrong in ["localhost:4318", "collector", "grpc://c:4317", "http://c/?a=b", "http://u:p@c"] {
            assert!(endpoint(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn headers_are_read_and_do_not_show() {
        let given = |text: &str| headers(&[text.to_owned().into()]);
        let read = given("Authorization: Basic cGxhbnRlZA==").unwrap();
        assert_eq!(read["authorization"], "Basic cGxhbnRlZA==");
        assert!(!format!("{read:?}").contains("cGxhbnRlZA"));
        assert_eq!(given("Authorization"), Err(InvalidHeaders));
        assert_eq!(given("a b: c"), Err(InvalidHeaders));
    }
}
