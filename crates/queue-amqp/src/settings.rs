//! Where the queue is, and how it is read.

use std::{fmt, time::Duration};

use lapin::{tcp::OwnedTLSConfig, uri::AMQPUri};
use secrecy::{ExposeSecret, SecretString};

/// How many messages RabbitMQ sends ahead of what is settled, unless told otherwise: two batches of the taker.
const PREFETCH: u16 = 200;

/// How long a message is held for whoever received it, unless told otherwise: well below the 30 minutes after which RabbitMQ
/// itself closes the channel (`consumer_timeout`).
const HELD: Duration = Duration::from_secs(300);

/// Seconds between heartbeats, unless the address says otherwise. Twice this without a sign of life ends a connection.
const HEARTBEAT: u16 = 10;

/// Names of AMQP have at most this many bytes.
pub(crate) const LONGEST_NAME: usize = 255;

/// Where the queue is, and how it is read.
#[derive(Clone)]
pub struct Settings {
    pub(crate) uri: AMQPUri,
    pub(crate) queue: String,
    pub(crate) prefetch: u16,
    pub(crate) held: Duration,
    pub(crate) authorities: Option<String>,
}

/// Shows neither user nor password.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("host", &self.uri.authority.host)
            .field("port", &self.uri.authority.port)
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}

/// Settings that cannot be meant, in words for the operator. They hold no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidSettings(String);

impl fmt::Display for InvalidSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidSettings {}

impl Settings {
    /// The queue at an address `amqps://user:password@host:5671/vhost` (or `amqp://`; without a path the virtual host is `/`).
    ///
    /// # Errors
    ///
    /// The address is none, or the name of the queue is empty or longer than 255 bytes.
    pub fn new(url: &SecretString, queue: &str) -> Result<Self, InvalidSettings> {
        // What the parser says may repeat the address.
        let mut uri: AMQPUri = url.expose_secret().parse().map_err(|_| {
            InvalidSettings("not an address of AMQP, as in amqps://user:password@host:5671/vhost".to_owned())
        })?;
        if uri.vhost.is_empty() {
            let why = "the virtual host has no name: leave out the / at the end for the usual one";
            return Err(InvalidSettings(why.to_owned()));
        }
        uri.query.heartbeat.get_or_insert(HEARTBEAT);
        if queue.is_empty() || queue.len() > LONGEST_NAME {
            return Err(InvalidSettings("the name of a queue has 1 to 255 bytes".to_owned()));
        }
        Ok(Self { uri, queue: queue.to_owned(), prefetch: PREFETCH, held: HELD, authorities: None })
    }

    /// Who this is; without it what the address says, and else the user `guest`, whom RabbitMQ lets in from its own machine only.
    #[must_use]
    pub fn with_user(mut self, user: &str, password: &SecretString) -> Self {
        user.clone_into(&mut self.uri.authority.userinfo.username);
        password.expose_secret().clone_into(&mut self.uri.authority.userinfo.password);
        self
    }

    /// How many messages RabbitMQ sends ahead of what is settled; at least 1. Without this: 200.
    #[must_use]
    pub fn with_prefetch(self, prefetch: u16) -> Self {
        Self { prefetch: prefetch.max(1), ..self }
    }

    /// How long a message is held for whoever received it before it is given back. Without this: 5 minutes.
    #[must_use]
    pub fn with_held(self, held: Duration) -> Self {
        Self { held, ..self }
    }

    /// Certificates in PEM of authorities that are believed beside those of the system.
    #[must_use]
    pub fn with_authorities(self, pem: String) -> Self {
        Self { authorities: Some(pem), ..self }
    }

    /// Whether the connection is encrypted.
    pub fn is_encrypted(&self) -> bool {
        matches!(self.uri.scheme, lapin::uri::AMQPScheme::AMQPS)
    }

    /// Host, port and virtual host, without user and password.
    pub fn broker(&self) -> String {
        let AMQPUri { authority, vhost, .. } = &self.uri;
        let shown = if vhost == "/" { String::new() } else { format!(" {vhost}") };
        format!("{}://{}:{}{shown}", self.uri.scheme, authority.host, authority.port)
    }

    /// The queue.
    pub fn queue(&self) -> &str {
        &self.queue
    }

    pub(crate) fn tls(&self) -> OwnedTLSConfig {
        OwnedTLSConfig { identity: None, cert_chain: self.authorities.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str, queue: &str) -> Result<Settings, InvalidSettings> {
        Settings::new(&SecretString::from(url), queue)
    }

    #[test]
    fn addresses_are_read_and_get_a_heartbeat() {
        let plain = settings("amqp://user:secret@broker", "orders").expect("it is one");
        assert_eq!((plain.broker().as_str(), plain.is_encrypted()), ("amqp://broker:5672", false));
        assert_eq!(plain.uri.query.heartbeat, Some(HEARTBEAT));
        let own = settings("amqps://broker:5671/shop?heartbeat=30", "orders").expect("it is one");
        assert_eq!((own.broker().as_str(), own.is_encrypted()), ("amqps://broker:5671 shop", true));
        assert_eq!(own.uri.query.heartbeat, Some(30));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_without_its_secret() {
        let long = "q".repeat(256);
        for (url, queue) in [
            ("http://user:secret@broker", "orders"),
            ("secret", "orders"),
            ("amqp://broker", ""),
            ("amqp://broker", &long),
            ("amqp://broker/", "orders"),
        ] {
            let refused = settings(url, queue).expect_err("it is none");
            assert!(!refused.to_string().contains("secret"), "{refused}");
        }
        let settings = settings("amqp://user:secret@broker", "orders").expect("it is one");
        assert!(!format!("{settings:?}").contains("secret"));
    }
}
