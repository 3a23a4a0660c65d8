//! Webhook signature schemes: bytes in, verdict out.
//!
//! A [`WebhookSignature`] is a [`Scheme`] together with the secrets of one hook. It verifies what came in, signs what
//! goes out, and explains a refusal:
//!
//! ```text
//!  headers ┐                                   ┌─► Verified   (id, time, which secret)
//!  body    ├─► find lines ─► tag ─► window ────┤
//!  now     ┘   (each once)  (every secret)     └─► Refused    (a constant reason)
//! ```
//!
//! The crate reads no clock, writes no log, waits for nothing and parses no JSON. It always works on the bytes as
//! they were received. It never takes a shortened tag, never falls back to another scheme, hash or encoding, and
//! never accepts an empty secret. Tags are compared in constant time against every secret that is held.
//!
//! | scheme | proves the sender | proves the time | note |
//! | --- | --- | --- | --- |
//! | [`Scheme::StandardWebhooks`] | yes | yes | preferred |
//! | [`Scheme::Hmac`] | yes | when the time is signed | own layouts, Slack, Stripe |
//! | [`Scheme::HubSha256Base64`], [`Scheme::HubSha256Hex`] | yes | no | a genuine delivery can be replayed |
//! | [`Scheme::Bearer`], [`Scheme::Basic`], [`Scheme::Header`] | holds a key | no | the body is not protected |
//! | [`Scheme::Unsigned`] | no | no | must be spelt out |

mod configuration;
mod credential;
mod diagnose;
mod encoding;
mod headers;
mod hmac_scheme;
mod misreading;
mod refused;
mod scheme;
mod secret;
mod sign;
mod verify;

use std::fmt;

pub use configuration::{ConfigurationError, UnknownName, ordinal};
pub use diagnose::{Diagnosis, Finding};
pub use encoding::Encoding;
pub use hmac_scheme::{HmacScheme, KeyForm, MAX_TOLERANCE_SECONDS, SignatureLayout, SignedContent};
pub use misreading::{BodyChange, KeyReading};
pub use refused::{Refused, Verified};
pub use scheme::{Scheme, Strength};
pub use secrecy::SecretString;
pub use secret::{MINIMUM_DECODED_SECRET_BYTES, MINIMUM_SECRET_BYTES};
pub use sign::CannotSign;

use scheme::Method;
use secret::{MinimumLength, Secret};

/// The signature scheme of one hook together with its secrets.
///
/// Several secrets are held while one is being replaced: a delivery is taken when any of them made its signature,
/// and the first one signs. The secrets do not show in `Debug` and are wiped from memory on drop.
pub struct WebhookSignature {
    scheme: Scheme,
    method: Method,
    secrets: Vec<Secret>,
}

impl WebhookSignature {
    /// Pairs a scheme with the secrets of the hook, the current secret first.
    ///
    /// # Errors
    ///
    /// Refuses settings that could not be verified safely: no secret (unless the scheme is
    /// [`Scheme::Unsigned`], which takes none), a secret below the scheme's minimum length
    /// ([`MINIMUM_SECRET_BYTES`], or [`MINIMUM_DECODED_SECRET_BYTES`] for base64 secrets), a secret in the wrong
    /// form, and a description of an own scheme that is ambiguous or incomplete.
    pub fn new(scheme: Scheme, secrets: Vec<SecretString>) -> Result<Self, ConfigurationError> {
        Self::assemble(scheme, secrets, MinimumLength::OfTheScheme)
    }

    /// Builds a hook from keys that published test vectors use and that [`WebhookSignature::new`] refuses as too
    /// short, such as RFC 4231's `Jefe` or GitHub's `mysecret`, or whose bytes are no text.
    ///
    /// It exists for tests only. An empty key is refused here too.
    #[doc(hidden)]
    pub fn with_keys_of_published_vectors(
        scheme: Scheme,
        keys: &[&[u8]],
    ) -> Result<Self, ConfigurationError> {
        let method = scheme.method()?;
        let secrets = keys
            .iter()
            .enumerate()
            .map(|(index, key)| Secret::of_raw_key(index, key))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { scheme, method, secrets })
    }

    /// Whether a delivery would be taken if a secret of another hook were one of this hook: for explaining a refusal, and never for
    /// taking anything.
    pub fn holds_with_a_secret_of<'a>(
        &self,
        other: &Self,
        headers: &(impl IntoIterator<Item = (&'a str, &'a [u8])> + Clone),
        body: &[u8],
        now: i64,
    ) -> bool {
        other.secrets.iter().any(|secret| {
            let text = SecretString::from(secret.text());
            let borrowed = Self::assemble(self.scheme.clone(), vec![text], MinimumLength::OneByte);
            borrowed.is_ok_and(|hook| hook.verify(headers.clone(), body, now).is_ok())
        })
    }

    fn assemble(
        scheme: Scheme,
        texts: Vec<SecretString>,
        minimum: MinimumLength,
    ) -> Result<Self, ConfigurationError> {
        let method = scheme.method()?;
        if texts.is_empty() && !matches!(method, Method::Unsigned) {
            return Err(ConfigurationError::NoSecret);
        }
        let secrets = texts
            .into_iter()
            .enumerate()
            .map(|(index, text)| Secret::read(index, text, &method, minimum))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { scheme, method, secrets })
    }

    /// The scheme that deliveries are verified with.
    #[must_use]
    pub fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// The number of secrets held: two or more during a rotation, none for [`Scheme::Unsigned`].
    #[must_use]
    pub fn secrets_held(&self) -> usize {
        self.secrets.len()
    }

    /// The names of the headers without which no delivery is taken, the one with the signature or the key first; none for
    /// [`Scheme::Unsigned`].
    #[must_use]
    pub fn needed_headers(&self) -> Vec<&str> {
        match &self.method {
            Method::Hmac(scheme) => scheme.needed_headers(),
            Method::Credential(place) => vec![place.header()],
            Method::Unsigned => Vec::new(),
        }
    }

    /// Decides whether a delivery is genuine.
    ///
    /// `headers` are the header lines as received, in any order and with repeated lines kept; names are compared
    /// without regard to case. `body` is the body as received, byte for byte. `now_unix_seconds` is the wall clock
    /// in whole seconds since 1970-01-01 UTC.
    ///
    /// The tag is compared in constant time with that of every secret, and all of them are tried whatever the
    /// outcome. The time window is looked at only after the tag fits, so [`Refused::OutsideWindow`] means that the
    /// sender is genuine.
    ///
    /// # Errors
    ///
    /// A [`Refused`] says why the delivery must not be taken. It holds nothing of the delivery or of the secrets.
    pub fn verify<'a, H>(&self, headers: H, body: &[u8], now_unix_seconds: i64) -> Result<Verified, Refused>
    where
        H: IntoIterator<Item = (&'a str, &'a [u8])>,
    {
        match &self.method {
            Method::Hmac(scheme) => verify::verify(scheme, &self.secrets, headers, body, now_unix_seconds),
            Method::Credential(place) => credential::verify(place, &self.secrets, headers),
            Method::Unsigned => Ok(Verified::default()),
        }
    }

    /// Makes the headers that carry the signature of an outgoing delivery, as name and value.
    ///
    /// The first secret signs. `message_id` is needed where the scheme signs an id, is sent unsigned where the
    /// scheme only names an id header, and is not used otherwise. For [`Scheme::Bearer`], [`Scheme::Basic`] and
    /// [`Scheme::Header`] the returned value holds the key itself and must not be logged.
    ///
    /// # Errors
    ///
    /// Fails when the scheme signs an id and none is given, when the id is one that a receiver must refuse, or
    /// when the time lies before 1970.
    pub fn sign(
        &self,
        message_id: Option<&str>,
        now_unix_seconds: i64,
        body: &[u8],
    ) -> Result<Vec<(String, String)>, CannotSign> {
        match &self.method {
            Method::Hmac(scheme) => sign::sign(scheme, &self.secrets, message_id, now_unix_seconds, body),
            Method::Credential(place) => Ok(credential::present(place, &self.secrets)),
            Method::Unsigned => Ok(Vec::new()),
        }
    }

    /// Verifies a delivery and, when it is refused, searches for the usual mistake that explains it.
    ///
    /// It is meant for an operator with a refused delivery in hand. It tries some hundreds of readings of the
    /// delivery, so it does not belong on the path of deliveries, and its findings must not be shown to senders:
    /// they would tell a forger what to change. Nothing in the findings is a secret or a part of the body.
    pub fn diagnose<'a, H>(&self, headers: H, body: &[u8], now_unix_seconds: i64) -> Diagnosis
    where
        H: IntoIterator<Item = (&'a str, &'a [u8])>,
    {
        let headers: Vec<(&str, &[u8])> = headers.into_iter().collect();
        diagnose::diagnose(self, &headers, body, now_unix_seconds)
    }
}

impl fmt::Debug for WebhookSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookSignature")
            .field("scheme", &self.scheme)
            .field("secrets_held", &self.secrets.len())
            .finish_non_exhaustive()
    }
}
