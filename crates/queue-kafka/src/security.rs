//! How brokers are spoken to, and how this client proves who it is.

use std::fmt;

use rdkafka::ClientConfig;
use secrecy::{ExposeSecret as _, SecretString};

/// Whether this build has TLS and SCRAM: both are OpenSSL's in the client library.
pub const SPEAKS_TLS: bool = cfg!(feature = "tls");

/// Who this client is, and how it proves that.
#[derive(Debug, Clone)]
pub struct Login {
    /// By which exchange.
    pub mechanism: Mechanism,
    /// The user.
    pub user: String,
    /// The password.
    pub password: SecretString,
}

/// The exchange by which a user proves to know its password (SASL).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// The password itself is sent.
    Plain,
    /// A proof made with SHA-256.
    ScramSha256,
    /// A proof made with SHA-512.
    ScramSha512,
}

impl Mechanism {
    /// Whether it is there only where TLS is.
    pub const fn needs_openssl(self) -> bool {
        match self {
            Self::Plain => false,
            Self::ScramSha256 | Self::ScramSha512 => true,
        }
    }

    /// The name, as brokers know it.
    const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Tells the client library. `authorities` are certificates in PEM to trust beside those of the machine.
pub(crate) fn secure(config: &mut ClientConfig, tls: bool, authorities: Option<&str>, login: Option<&Login>) {
    let protocol = match (tls, login) {
        (false, None) => "plaintext",
        (true, None) => "ssl",
        (false, Some(_)) => "sasl_plaintext",
        (true, Some(_)) => "sasl_ssl",
    };
    config.set("security.protocol", protocol);
    if tls {
        trust(config, authorities);
    }
    if let Some(Login { mechanism, user, password }) = login {
        config.set("sasl.mechanisms", mechanism.name());
        config.set("sasl.username", user).set("sasl.password", password.expose_secret());
    }
}

/// The library's own search knows neither `SSL_CERT_FILE` nor a second place beside the first.
#[cfg(feature = "tls")]
fn trust(config: &mut ClientConfig, authorities: Option<&str>) {
    use base64::{Engine as _, prelude::BASE64_STANDARD};

    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!(%error, "a certificate of the machine cannot be read");
    }
    let pem = |der: &[u8]| {
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", BASE64_STANDARD.encode(der))
    };
    let mut all: String = found.certs.iter().map(|one| pem(one)).collect();
    all.extend(authorities);
    if !all.is_empty() {
        config.set("ssl.ca.pem", all);
    }
}

/// The client library refuses the protocol, in words.
#[cfg(not(feature = "tls"))]
fn trust(_: &mut ClientConfig, _: Option<&str>) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocol_is_what_is_asked_for() {
        let login = Login {
            mechanism: Mechanism::ScramSha256,
            user: "closeout".to_owned(),
            password: "planted".to_owned().into(),
        };
        for (tls, login, protocol) in [
            (false, None, "plaintext"),
            (true, None, "ssl"),
            (false, Some(&login), "sasl_plaintext"),
            (true, Some(&login), "sasl_ssl"),
        ] {
            let mut config = ClientConfig::new();
            secure(&mut config, tls, None, login);
            assert_eq!(config.get("security.protocol"), Some(protocol));
            assert_eq!(config.get("sasl.mechanisms"), login.map(|_| "SCRAM-SHA-256"));
            assert_eq!(config.get("sasl.password"), login.map(|_| "planted"));
        }
        assert!(!format!("{login:?}").contains("planted"), "a password does not print");
    }

    #[test]
    fn the_client_library_takes_what_this_build_has_and_refuses_the_rest() {
        use rdkafka::producer::BaseProducer;

        let login = |mechanism| {
            Some(Login { mechanism, user: "closeout".to_owned(), password: "planted".to_owned().into() })
        };
        for (tls, login, needs_openssl) in [
            (false, login(Mechanism::Plain), false),
            (false, login(Mechanism::ScramSha256), true),
            (false, login(Mechanism::ScramSha512), true),
            (true, login(Mechanism::Plain), true),
            (true, None, true),
        ] {
            let mut config = ClientConfig::new();
            config.set("bootstrap.servers", "127.0.0.1:1");
            secure(&mut config, tls, None, login.as_ref());
            let made = config.create::<BaseProducer>();
            assert_eq!(made.is_ok(), SPEAKS_TLS || !needs_openssl, "{tls} {login:?}: {:?}", made.err());
        }
    }
}
