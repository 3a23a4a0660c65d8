//! The schemes that a hook can name, and how each of them verifies.

use std::fmt;

use crate::hmac_scheme::is_header_name;
use crate::{ConfigurationError, Encoding, HmacScheme};

/// The way in which the deliveries of a hook prove themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scheme {
    /// `X-Hub-Signature-256: sha256=<base64>` over the raw body, as Genesys Open Messaging signs.
    HubSha256Base64,
    /// `X-Hub-Signature-256: sha256=<hex>` over the raw body, as GitHub, Meta and many relays sign.
    HubSha256Hex,
    /// Standard Webhooks 1.0: `webhook-id`, `webhook-timestamp` and `webhook-signature: v1,<base64>` over
    /// `id.timestamp.body`, 300 seconds both ways. The asymmetric `v1a` is not taken.
    StandardWebhooks,
    /// An own layout of an HMAC-SHA256 signature.
    Hmac(HmacScheme),
    /// `Authorization: Bearer <key>`. Whoever sees one delivery can forge others.
    Bearer,
    /// `Authorization: Basic <base64 of user:password>`. Whoever sees one delivery can forge others.
    Basic,
    /// A static key as the whole value of a header with this name. Whoever sees one delivery can forge others.
    Header(String),
    /// Nothing is checked: anybody who reaches the hook is believed.
    Unsigned,
}

/// How much a scheme proves, from most to least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strength {
    /// The sender, the body and the time are proven, so an old delivery cannot be sent again.
    SignedWithTime,
    /// The sender and the body are proven; a genuine delivery can be sent again by whoever has seen it.
    Signed,
    /// The sender holds a key that is sent along; the body is not protected.
    StaticKey,
    /// Nothing is proven.
    Nothing,
}

impl Scheme {
    /// The name used in settings, such as `hub-sha256-base64`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::HubSha256Base64 => "hub-sha256-base64",
            Self::HubSha256Hex => "hub-sha256-hex",
            Self::StandardWebhooks => "standard-webhooks",
            Self::Hmac(_) => "hmac",
            Self::Bearer => "bearer",
            Self::Basic => "basic",
            Self::Header(_) => "header",
            Self::Unsigned => "unsigned",
        }
    }

    /// How much a delivery under this scheme proves.
    #[must_use]
    pub fn strength(&self) -> Strength {
        match self {
            Self::StandardWebhooks => Strength::SignedWithTime,
            Self::Hmac(scheme) if scheme.content.has_time() => Strength::SignedWithTime,
            Self::HubSha256Base64 | Self::HubSha256Hex | Self::Hmac(_) => Strength::Signed,
            Self::Bearer | Self::Basic | Self::Header(_) => Strength::StaticKey,
            Self::Unsigned => Strength::Nothing,
        }
    }

    /// Checks the scheme's settings and says how it verifies.
    pub(crate) fn method(&self) -> Result<Method, ConfigurationError> {
        let method = match self {
            Self::HubSha256Base64 => Method::Hmac(HmacScheme::hub_sha256(Encoding::Base64)),
            Self::HubSha256Hex => Method::Hmac(HmacScheme::hub_sha256(Encoding::Hex)),
            Self::StandardWebhooks => Method::Hmac(HmacScheme::standard_webhooks()),
            Self::Hmac(scheme) => Method::Hmac(scheme.clone()),
            Self::Bearer => Method::Credential(Place::Bearer),
            Self::Basic => Method::Credential(Place::Basic),
            Self::Header(name) => Method::Credential(Place::Header(name.clone())),
            Self::Unsigned => Method::Unsigned,
        };
        match &method {
            Method::Hmac(scheme) => scheme.check()?,
            Method::Credential(Place::Header(name)) if !is_header_name(name) => {
                return Err(ConfigurationError::HeaderName { setting: "header" });
            }
            Method::Credential(_) | Method::Unsigned => {}
        }
        Ok(method)
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The three ways of verifying that all schemes come down to.
pub(crate) enum Method {
    Hmac(HmacScheme),
    Credential(Place),
    Unsigned,
}

/// Where a static key stands.
pub(crate) enum Place {
    Bearer,
    Basic,
    Header(String),
}
