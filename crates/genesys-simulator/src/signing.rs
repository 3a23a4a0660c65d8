//! Signs what goes out, genuinely or as a forger would.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use webhook_signature::{
    CannotSign, ConfigurationError, Encoding, HmacScheme, Scheme, SignatureLayout, SignedContent,
    WebhookSignature,
};

use crate::config::Signing;

/// What is wrong with a delivery on purpose, if anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Authenticity {
    Genuine,
    /// Signed with a key that the receiver does not hold.
    WrongKey,
    /// Sent without any signature.
    Unsigned,
    /// The signature belongs to another body.
    Altered,
}

impl Authenticity {
    pub(crate) const FORGERIES: [Self; 3] = [Self::WrongKey, Self::Unsigned, Self::Altered];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Genuine => "genuine",
            Self::WrongKey => "wrong key",
            Self::Unsigned => "unsigned",
            Self::Altered => "altered after signing",
        }
    }
}

/// Why an adapter's signing cannot be used.
#[derive(Debug)]
pub struct SigningUnusable(String);

impl fmt::Display for SigningUnusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SigningUnusable {}

impl From<ConfigurationError> for SigningUnusable {
    fn from(error: ConfigurationError) -> Self {
        Self(error.to_string())
    }
}

/// The two hands that can sign for an adapter: the genuine one and a forger's.
#[derive(Debug)]
pub(crate) struct Signer {
    genuine: WebhookSignature,
    forger: WebhookSignature,
    protects_body: bool,
}

impl Signer {
    pub(crate) fn new(signing: &Signing) -> Result<Self, SigningUnusable> {
        let (scheme, secret) = scheme(signing)?;
        let protects_body =
            !matches!(scheme, Scheme::Bearer | Scheme::Basic | Scheme::Header(_) | Scheme::Unsigned);
        let forged = match scheme {
            Scheme::Unsigned => Vec::new(),
            Scheme::StandardWebhooks => vec![SecretString::from(STANDARD.encode([0x66_u8; 32]))],
            Scheme::Basic => vec![SecretString::from("forger:a-password-nobody-gave-out")],
            Scheme::HubSha256Base64
            | Scheme::HubSha256Hex
            | Scheme::Hmac(_)
            | Scheme::Bearer
            | Scheme::Header(_) => {
                vec![SecretString::from("a-key-that-nobody-has-given-out")]
            }
        };
        let genuine = WebhookSignature::new(scheme.clone(), secret.into_iter().collect())?;
        Ok(Self { genuine, forger: WebhookSignature::new(scheme, forged)?, protects_body })
    }

    pub(crate) fn scheme(&self) -> &'static str {
        self.genuine.scheme().name()
    }

    /// Answers the headers for a body. Where the scheme does not protect the body, an altered body cannot be told
    /// from a genuine one, so a forger's key is used instead.
    pub(crate) fn headers(
        &self,
        authenticity: Authenticity,
        id: &str,
        unix_seconds: i64,
        body: &[u8],
    ) -> Result<Vec<(String, String)>, CannotSign> {
        match authenticity {
            Authenticity::Genuine => self.genuine.sign(Some(id), unix_seconds, body),
            Authenticity::WrongKey => self.forger.sign(Some(id), unix_seconds, body),
            Authenticity::Unsigned => Ok(Vec::new()),
            Authenticity::Altered if self.protects_body => self.genuine.sign(Some(id), unix_seconds, b"{}"),
            Authenticity::Altered => self.forger.sign(Some(id), unix_seconds, body),
        }
    }
}

fn scheme(signing: &Signing) -> Result<(Scheme, Option<SecretString>), SigningUnusable> {
    let (scheme, secret) = match signing {
        Signing::HubSha256Base64 { secret } => (Scheme::HubSha256Base64, secret),
        Signing::HubSha256Hex { secret } => (Scheme::HubSha256Hex, secret),
        Signing::StandardWebhooks { secret } => (Scheme::StandardWebhooks, secret),
        Signing::Hmac { header, prefix, encoding, timestamp_header, id_header, secret } => {
            let encoding = Encoding::ALL
                .into_iter()
                .find(|known| known.name() == encoding)
                .ok_or_else(|| SigningUnusable(format!("`{encoding}` is not an encoding of signatures")))?;
            let content =
                if timestamp_header.is_some() { SignedContent::TimestampBody } else { SignedContent::Body };
            let own = HmacScheme {
                layout: SignatureLayout::Single { prefix: prefix.clone() },
                encoding,
                content,
                timestamp_header: timestamp_header.clone(),
                id_header: id_header.clone(),
                ..HmacScheme::over_body(header)
            };
            (Scheme::Hmac(own), secret)
        }
        Signing::Bearer { secret } => (Scheme::Bearer, secret),
        Signing::Basic { secret } => (Scheme::Basic, secret),
        Signing::Header { header, secret } => (Scheme::Header(header.clone()), secret),
        Signing::Unsigned => return Ok((Scheme::Unsigned, None)),
    };
    Ok((scheme, Some(secret.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_255_200;

    #[test]
    fn what_is_genuine_verifies_and_what_is_forged_does_not() {
        let text = || SecretString::from("a-secret-token-longer-than-15-chars");
        let base64 = SecretString::from(STANDARD.encode([7_u8; 32]));
        let own = Signing::Hmac {
            header: "X-Relay-Signature".into(),
            prefix: "v1=".into(),
            encoding: "hex".into(),
            timestamp_header: Some("X-Relay-Time".into()),
            id_header: None,
            secret: text(),
        };
        let schemes = [
            Signing::HubSha256Base64 { secret: text() },
            Signing::HubSha256Hex { secret: text() },
            Signing::StandardWebhooks { secret: base64 },
            own,
            Signing::Bearer { secret: text() },
            Signing::Basic { secret: SecretString::from("relay:a-password-of-some-length") },
            Signing::Header { header: "X-Key".into(), secret: text() },
        ];
        for signing in schemes {
            let signer = Signer::new(&signing).unwrap();
            assert!(taken(&signer, &signing, Authenticity::Genuine), "{signing:?}");
            for forgery in Authenticity::FORGERIES {
                assert!(!taken(&signer, &signing, forgery), "{signing:?} {forgery:?}");
            }
        }
    }

    #[test]
    fn a_secret_that_is_too_short_is_refused() {
        let short = Signing::HubSha256Hex { secret: SecretString::from("short") };
        assert!(Signer::new(&short).unwrap_err().to_string().contains("secret"));
    }

    #[test]
    fn the_published_open_messaging_vectors_come_out() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/fixtures/genesys/samples/open-messaging/signature-vectors.json"
        );
        let file: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let vectors = file["vectors"].as_array().unwrap();
        assert!(!vectors.is_empty());
        for vector in vectors {
            let secret = SecretString::from(vector["secret"].as_str().unwrap());
            let signer = Signer::new(&Signing::HubSha256Base64 { secret }).unwrap();
            let body = vector["body"].as_str().unwrap().as_bytes();
            let headers = signer.headers(Authenticity::Genuine, "id", NOW, body).unwrap();
            assert_eq!(headers[0].1, vector["value"].as_str().unwrap(), "{}", vector["label"]);
        }
    }

    fn taken(signer: &Signer, signing: &Signing, authenticity: Authenticity) -> bool {
        let body = br#"{"state":"disconnected"}"#;
        let headers = signer.headers(authenticity, "id-1", NOW, body).unwrap();
        let (scheme, secret) = scheme(signing).unwrap();
        let receiver = WebhookSignature::new(scheme, secret.into_iter().collect()).unwrap();
        receiver.verify(headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes())), body, NOW).is_ok()
    }
}
