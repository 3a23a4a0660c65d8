//! What a source is made of.

use std::{error::Error, fmt, path::PathBuf, time::Duration};

use secrecy::SecretString;

/// Where commands stand, and how to get there.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The servers, as `nats://127.0.0.1:4222` or `tls://nats.example:4222`; several of one cluster.
    pub servers: Vec<String>,
    /// The stream.
    pub stream: String,
    /// The subject that holds commands; nothing for all of the stream's. Only for a consumer that is not there yet.
    pub subject: Option<String>,
    /// The name of the durable consumer. All replicas of a service share one.
    pub consumer: String,
    /// How long a message is held for whoever received it. Only for a consumer that is not there yet.
    pub ack_wait: Duration,
    /// Who this is.
    pub auth: Auth,
    /// Certificates to trust beside those of the machine.
    pub ca_file: Option<PathBuf>,
    /// A certificate of this client, and its key.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
}

/// How this client proves who it is.
#[derive(Debug, Clone, Default)]
pub enum Auth {
    /// Not at all.
    #[default]
    Nothing,
    /// A token.
    Token(SecretString),
    /// A user and a password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: SecretString,
    },
    /// A file of credentials (JWT and seed), as `nsc` writes it.
    Credentials(PathBuf),
}

/// Why a source cannot be opened, however long one waits.
#[derive(Debug)]
pub struct OpenError {
    pub(crate) what: &'static str,
    pub(crate) source: Box<dyn Error + Send + Sync>,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}
