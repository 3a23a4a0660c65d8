//! Signs outgoing deliveries.

use std::error::Error;
use std::fmt;

use hmac::Mac as _;

use crate::headers::read_message_id;
use crate::secret::Secret;
use crate::verify::{Envelope, feed};
use crate::{HmacScheme, SignatureLayout, SignedContent};

/// A reason for which a delivery cannot be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CannotSign {
    /// The scheme signs a message id and none was given.
    NoMessageId,
    /// The message id is not 1 to 256 visible ASCII characters without a full stop or the scheme's separator.
    MalformedMessageId,
    /// The time lies before 1970, which timestamps cannot express.
    TimeBefore1970,
    /// The hook holds no key that signs.
    NoKey,
}

impl fmt::Display for CannotSign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoMessageId => "the scheme signs a message id and none was given",
            Self::MalformedMessageId => {
                "the message id is not 1 to 256 visible ASCII characters without a full stop or separator"
            }
            Self::TimeBefore1970 => "the time lies before 1970",
            Self::NoKey => "there is no key to sign with",
        })
    }
}

impl Error for CannotSign {}

/// Makes the headers with the first secret's signature.
pub(crate) fn sign(
    scheme: &HmacScheme,
    secrets: &[Secret],
    message_id: Option<&str>,
    now_unix_seconds: i64,
    body: &[u8],
) -> Result<Vec<(String, String)>, CannotSign> {
    let id = outgoing_id(scheme, message_id)?;
    if now_unix_seconds < 0 {
        return Err(CannotSign::TimeBefore1970);
    }
    let time = now_unix_seconds.to_string();
    let mut mac = secrets.first().and_then(Secret::mac).ok_or(CannotSign::NoKey)?;
    let envelope = Envelope { id: id.map(str::as_bytes), time: Some(time.as_bytes()) };
    feed(&mut mac, scheme, scheme.content, envelope, body);
    let tag = scheme.encoding.encode(&mac.finalize().into_bytes());
    let signature = match &scheme.layout {
        SignatureLayout::Single { prefix } | SignatureLayout::SpaceSeparated { prefix } => {
            format!("{prefix}{tag}")
        }
        SignatureLayout::Fields { time: name, signature } => format!("{name}={time},{signature}={tag}"),
    };
    let named = |name: &Option<String>, value: Option<String>| name.clone().zip(value);
    Ok([
        named(&scheme.id_header, id.map(str::to_owned)),
        named(&scheme.timestamp_header, Some(time)),
        Some((scheme.signature_header.clone(), signature)),
    ]
    .into_iter()
    .flatten()
    .collect())
}

/// Takes only ids that a receiver of the same scheme accepts.
fn outgoing_id<'a>(scheme: &HmacScheme, id: Option<&'a str>) -> Result<Option<&'a str>, CannotSign> {
    let signed = scheme.content == SignedContent::IdTimestampBody;
    match id {
        None if signed => Err(CannotSign::NoMessageId),
        Some(id) if scheme.id_header.is_some() => {
            let readable = read_message_id(id.as_bytes()).is_ok();
            if !readable || (signed && id.contains(&scheme.separator)) {
                return Err(CannotSign::MalformedMessageId);
            }
            Ok(Some(id))
        }
        Some(_) | None => Ok(None),
    }
}
