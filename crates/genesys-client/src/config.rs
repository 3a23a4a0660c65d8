//! What a client needs to know: where, as whom, and how much at once.

use std::{error::Error, fmt, time::Duration};

use genesys_types::Organisation;
use secrecy::SecretString;

use crate::{LookupConfig, QuotaConfig, Region};

/// How a client proves who it is.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// An OAuth client of the grant type client credentials. Tokens are fetched and renewed.
    Client {
        /// The OAuth client's id.
        id: Box<str>,
        /// The OAuth client's secret. It is never printed.
        secret: SecretString,
    },
    /// A ready access token (`GENESYSCLOUD_ACCESS_TOKEN`). It cannot be renewed: once it is refused, every call fails
    /// as unauthenticated until the credentials are replaced.
    AccessToken(SecretString),
}

/// The configuration of a client for one organisation.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// The organisation's name in this installation; it labels metrics and logs.
    pub organisation: Organisation,
    /// Where the API and the login service are.
    pub region: Region,
    /// As whom to call.
    pub credentials: Credentials,
    /// How many requests may be sent, and at once.
    pub quota: QuotaConfig,
    /// How conversations are looked up.
    pub lookup: LookupConfig,
    /// How long a connection may take to stand: name, TCP and TLS. Default 3 s.
    pub connect_timeout: Duration,
    /// How long one operation may take in all, with the token and the one repeat that it may need. Default 10 s.
    pub request_timeout: Duration,
}

impl ClientConfig {
    /// Returns a configuration with the defaults of the fields' descriptions.
    pub fn new(organisation: Organisation, region: Region, credentials: Credentials) -> Self {
        Self {
            organisation,
            region,
            credentials,
            quota: QuotaConfig::default(),
            lookup: LookupConfig::default(),
            connect_timeout: Duration::from_secs(3),
            request_timeout: Duration::from_secs(10),
        }
    }
}

/// Why no client can be made of a configuration.
#[derive(Debug)]
pub enum ConfigError {
    /// The OAuth client's id, its secret or the access token is empty, or has characters that no header can carry.
    Credentials {
        /// Which of them.
        what: &'static str,
    },
    /// A time-out, the quota's window or the number of calls at once is zero.
    Zero {
        /// The setting's name.
        setting: &'static str,
    },
    /// The HTTP client could not be built, for example because this machine has no root certificates.
    Http(reqwest::Error),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credentials { what } => {
                write!(
                    f,
                    "{what} is empty or has characters that cannot be sent (blanks, control characters)"
                )
            }
            Self::Zero { setting } => write!(f, "{setting} must be more than zero"),
            Self::Http(_) => f.write_str(
                "the HTTP client could not be built; are root certificates installed, or SSL_CERT_FILE set?",
            ),
        }
    }
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Http(source) => Some(source),
            Self::Credentials { .. } | Self::Zero { .. } => None,
        }
    }
}
