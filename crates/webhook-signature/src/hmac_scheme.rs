//! The description of an HMAC-SHA256 signature: where it stands, how it is written and what it covers.
//!
//! The named schemes are descriptions too, so every signature is verified by the same code.

use std::str::FromStr;

use crate::{ConfigurationError, Encoding, UnknownName};

/// Longest tolerance in seconds: a day, because received message ids are remembered for at least 25 hours, and a
/// delivery must not stay valid for longer than its repeat would be noticed.
pub const MAX_TOLERANCE_SECONDS: u32 = 86_400;

/// Tolerance in seconds of Standard Webhooks, Slack and Stripe alike.
const USUAL_TOLERANCE_SECONDS: u32 = 300;

/// How the signature header is laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignatureLayout {
    /// One signature behind a prefix, which may be empty: `sha256=<tag>`.
    Single {
        /// What stands before the tag.
        prefix: String,
    },
    /// Signatures parted by single spaces, each behind its version: `v1,<tag> v1,<tag>`. Entries with another
    /// prefix are passed over.
    SpaceSeparated {
        /// What stands before each tag that is taken; never empty.
        prefix: String,
    },
    /// Fields parted by commas: `t=<time>,v1=<tag>,v1=<tag>`. Fields with other names are passed over.
    Fields {
        /// The name of the field with the time, which must come exactly once.
        time: String,
        /// The name of the fields with the tags that are taken.
        signature: String,
    },
}

/// What the signature covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedContent {
    /// The raw body.
    Body,
    /// The time, the separator and the raw body.
    TimestampBody,
    /// The message id, the separator, the time, the separator and the raw body.
    IdTimestampBody,
}

/// How a secret's text becomes the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyForm {
    /// The text itself is the key, with any `whsec_` left in it.
    Text,
    /// The text is base64 with padding, after an optional `whsec_`.
    Base64,
}

/// The layout of an HMAC-SHA256 signature: a header, an encoding, the signed content, the key.
///
/// ```
/// use webhook_signature::{Encoding, HmacScheme, SecretString, Scheme, SignatureLayout, SignedContent, WebhookSignature};
///
/// let relay = HmacScheme {
///     layout: SignatureLayout::Single { prefix: "v1=".into() },
///     encoding: Encoding::Hex,
///     content: SignedContent::TimestampBody,
///     timestamp_header: Some("X-Relay-Time".into()),
///     ..HmacScheme::over_body("X-Relay-Signature")
/// };
/// let secrets = vec![SecretString::from("a secret of the relay")];
/// let hook = WebhookSignature::new(Scheme::Hmac(relay), secrets)?;
///
/// let sent = hook.sign(None, 1_700_000_000, b"{}")?;
/// let lines = sent.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
/// assert_eq!(hook.verify(lines, b"{}", 1_700_000_010)?.signed_at, Some(1_700_000_000));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HmacScheme {
    /// The header that carries the signature.
    pub signature_header: String,
    /// How that header is laid out.
    pub layout: SignatureLayout,
    /// How each tag is written.
    pub encoding: Encoding,
    /// How a secret becomes the key.
    pub key: KeyForm,
    /// What the signature covers.
    pub content: SignedContent,
    /// A constant that is signed before everything else, such as Slack's `v0:`. Usually empty.
    pub content_prefix: String,
    /// What parts id, time and body in the signed content. It must not be empty or hold a digit when there is a
    /// time, or the parts could be cut in two ways.
    pub separator: String,
    /// The header with the time in Unix seconds, when the time is signed and is not a field of the signature.
    pub timestamp_header: Option<String>,
    /// The header with the message id. Outside [`SignedContent::IdTimestampBody`] the id is not signed and is
    /// reported as a claim only.
    pub id_header: Option<String>,
    /// How far the signed time may lie from the clock in seconds, on both sides and inclusively; at most
    /// [`MAX_TOLERANCE_SECONDS`].
    pub tolerance_seconds: u32,
}

impl HmacScheme {
    /// A signature over the raw body in base64 without a prefix, to start an own description from.
    #[must_use]
    pub fn over_body(signature_header: &str) -> Self {
        Self {
            signature_header: signature_header.to_owned(),
            layout: SignatureLayout::Single { prefix: String::new() },
            encoding: Encoding::Base64,
            key: KeyForm::Text,
            content: SignedContent::Body,
            content_prefix: String::new(),
            separator: ".".to_owned(),
            timestamp_header: None,
            id_header: None,
            tolerance_seconds: USUAL_TOLERANCE_SECONDS,
        }
    }

    /// The signatures of Slack: `X-Slack-Signature: v0=<hex>` over `v0:{time}:{body}`.
    #[must_use]
    pub fn slack() -> Self {
        Self {
            layout: SignatureLayout::Single { prefix: "v0=".to_owned() },
            encoding: Encoding::Hex,
            content: SignedContent::TimestampBody,
            content_prefix: "v0:".to_owned(),
            separator: ":".to_owned(),
            timestamp_header: Some("X-Slack-Request-Timestamp".to_owned()),
            ..Self::over_body("X-Slack-Signature")
        }
    }

    /// The signatures of Stripe: `Stripe-Signature: t=<time>,v1=<hex>` over `{time}.{body}`, the key being the
    /// secret's text with its `whsec_`.
    #[must_use]
    pub fn stripe() -> Self {
        Self {
            layout: SignatureLayout::Fields { time: "t".to_owned(), signature: "v1".to_owned() },
            encoding: Encoding::Hex,
            content: SignedContent::TimestampBody,
            ..Self::over_body("Stripe-Signature")
        }
    }

    pub(crate) fn hub_sha256(encoding: Encoding) -> Self {
        Self {
            layout: SignatureLayout::Single { prefix: "sha256=".to_owned() },
            encoding,
            ..Self::over_body("X-Hub-Signature-256")
        }
    }

    pub(crate) fn standard_webhooks() -> Self {
        Self {
            layout: SignatureLayout::SpaceSeparated { prefix: "v1,".to_owned() },
            key: KeyForm::Base64,
            content: SignedContent::IdTimestampBody,
            timestamp_header: Some("webhook-timestamp".to_owned()),
            id_header: Some("webhook-id".to_owned()),
            ..Self::over_body("webhook-signature")
        }
    }

    /// Refuses a description that is incomplete or that could be read in two ways.
    pub(crate) fn check(&self) -> Result<(), ConfigurationError> {
        self.check_header_names()?;
        self.check_layout()?;
        let time_is_a_field = matches!(self.layout, SignatureLayout::Fields { .. });
        match (self.content.has_time(), time_is_a_field, self.timestamp_header.is_some()) {
            (_, true, true) => return Err(ConfigurationError::TwoPlacesForTime),
            (true, false, false) => return Err(ConfigurationError::NoPlaceForTime),
            (false, true, false) | (false, false, true) => return Err(ConfigurationError::TimeNotSigned),
            (true, true, false) | (true, false, true) | (false, false, false) => {}
        }
        if self.content == SignedContent::IdTimestampBody && self.id_header.is_none() {
            return Err(ConfigurationError::NoPlaceForId);
        }
        let cuts_one_way =
            !self.separator.is_empty() && !self.separator.bytes().any(|byte| byte.is_ascii_digit());
        if self.content.has_time() && !cuts_one_way {
            return Err(ConfigurationError::Separator);
        }
        if self.tolerance_seconds > MAX_TOLERANCE_SECONDS {
            return Err(ConfigurationError::Tolerance { maximum: MAX_TOLERANCE_SECONDS });
        }
        Ok(())
    }

    fn check_header_names(&self) -> Result<(), ConfigurationError> {
        let named = [
            ("signature header", Some(&self.signature_header)),
            ("timestamp header", self.timestamp_header.as_ref()),
            ("id header", self.id_header.as_ref()),
        ];
        for (index, (setting, name)) in named.iter().enumerate() {
            let Some(name) = name else { continue };
            if !is_header_name(name) {
                return Err(ConfigurationError::HeaderName { setting });
            }
            let taken = named[..index].iter().filter_map(|(_, earlier)| *earlier);
            if taken.into_iter().any(|earlier| earlier.eq_ignore_ascii_case(name)) {
                return Err(ConfigurationError::SameHeader { setting });
            }
        }
        Ok(())
    }

    fn check_layout(&self) -> Result<(), ConfigurationError> {
        let visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        let field = |name: &str| !name.is_empty() && visible(name) && !name.contains([',', '=']);
        let sound = match &self.layout {
            SignatureLayout::Single { prefix } => visible(prefix),
            SignatureLayout::SpaceSeparated { prefix } => !prefix.is_empty() && visible(prefix),
            SignatureLayout::Fields { time, signature } => {
                field(time) && field(signature) && time != signature
            }
        };
        if sound { Ok(()) } else { Err(ConfigurationError::Prefix) }
    }
}

impl SignedContent {
    /// Every content, in the order in which settings list them.
    pub const ALL: [Self; 3] = [Self::Body, Self::TimestampBody, Self::IdTimestampBody];

    /// The name used in settings: `body`, `timestamp.body` or `id.timestamp.body`, whatever the separator.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::TimestampBody => "timestamp.body",
            Self::IdTimestampBody => "id.timestamp.body",
        }
    }

    pub(crate) const fn has_time(self) -> bool {
        matches!(self, Self::TimestampBody | Self::IdTimestampBody)
    }
}

impl FromStr for SignedContent {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .into_iter()
            .find(|content| content.name() == text)
            .ok_or_else(|| UnknownName::new(text, &["body", "timestamp.body", "id.timestamp.body"]))
    }
}

/// Tells whether a text is a header name: one or more token characters (RFC 9110, section 5.6.2).
pub(crate) fn is_header_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_descriptions_of_the_named_schemes_are_sound() {
        for scheme in [
            HmacScheme::over_body("X-Signature"),
            HmacScheme::hub_sha256(Encoding::Hex),
            HmacScheme::standard_webhooks(),
            HmacScheme::slack(),
            HmacScheme::stripe(),
        ] {
            assert_eq!(scheme.check(), Ok(()));
        }
    }

    #[test]
    fn a_description_that_could_be_read_in_two_ways_is_refused() {
        let slack = HmacScheme::slack;
        let stripe = HmacScheme::stripe;
        let cases = [
            (HmacScheme { separator: String::new(), ..slack() }, ConfigurationError::Separator),
            (HmacScheme { separator: "-1-".into(), ..slack() }, ConfigurationError::Separator),
            (HmacScheme { timestamp_header: None, ..slack() }, ConfigurationError::NoPlaceForTime),
            (HmacScheme { content: SignedContent::Body, ..slack() }, ConfigurationError::TimeNotSigned),
            (HmacScheme { content: SignedContent::Body, ..stripe() }, ConfigurationError::TimeNotSigned),
            (
                HmacScheme { timestamp_header: Some("X-Time".into()), ..stripe() },
                ConfigurationError::TwoPlacesForTime,
            ),
            (
                HmacScheme { content: SignedContent::IdTimestampBody, ..slack() },
                ConfigurationError::NoPlaceForId,
            ),
            (
                HmacScheme { timestamp_header: Some("x-slack-signature".into()), ..slack() },
                ConfigurationError::SameHeader { setting: "timestamp header" },
            ),
            (
                HmacScheme { signature_header: "X Signature".into(), ..slack() },
                ConfigurationError::HeaderName { setting: "signature header" },
            ),
            (
                HmacScheme { layout: SignatureLayout::SpaceSeparated { prefix: String::new() }, ..slack() },
                ConfigurationError::Prefix,
            ),
            (
                HmacScheme { tolerance_seconds: MAX_TOLERANCE_SECONDS + 1, ..slack() },
                ConfigurationError::Tolerance { maximum: MAX_TOLERANCE_SECONDS },
            ),
        ];
        for (scheme, expected) in cases {
            assert_eq!(scheme.check(), Err(expected));
        }
    }
}
