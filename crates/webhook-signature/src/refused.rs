//! The verdict on a delivery.

use std::error::Error;
use std::fmt;

/// What is known of a delivery whose signature is right.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verified {
    /// The message id that the signature covers. It identifies the delivery and can be used to find repeats.
    pub message_id: Option<String>,
    /// An id that came in a header outside the signature. Anybody who replays the delivery can change it, so it is
    /// for reading only and never for finding repeats.
    pub claimed_id: Option<String>,
    /// The time that the signature covers, in seconds since 1970-01-01 UTC.
    pub signed_at: Option<i64>,
    /// Which of the hook's secrets fitted, counted from 0; `None` only for the scheme `unsigned`.
    pub secret_index: Option<usize>,
}

/// Why a delivery must not be taken. It holds nothing of the delivery and nothing of the secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refused {
    /// A header that the scheme needs is missing.
    MissingHeader,
    /// A header of the scheme came on more than one line.
    RepeatedHeader,
    /// The signature header is not written as the scheme demands.
    MalformedSignature,
    /// The signature header holds signatures, none of them of the version that the scheme takes.
    OtherSignatureVersion,
    /// The signature header holds more than 16 signatures.
    TooManySignatures,
    /// The time is not written as plain decimal seconds.
    MalformedTimestamp,
    /// The message id is not 1 to 256 visible ASCII characters without a full stop.
    MalformedMessageId,
    /// No secret of the hook made this signature for this body.
    WrongSignature,
    /// The static key or the credentials are not those of the hook.
    WrongKey,
    /// The signature is right, and its time is too far from the clock in either direction.
    OutsideWindow,
}

impl Refused {
    /// Every reason, for tables of counters.
    pub const ALL: [Self; 10] = [
        Self::MissingHeader,
        Self::RepeatedHeader,
        Self::MalformedSignature,
        Self::OtherSignatureVersion,
        Self::TooManySignatures,
        Self::MalformedTimestamp,
        Self::MalformedMessageId,
        Self::WrongSignature,
        Self::WrongKey,
        Self::OutsideWindow,
    ];

    /// The short constant name of the reason, for metrics, listings and answers.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::MissingHeader => "missing_header",
            Self::RepeatedHeader => "repeated_header",
            Self::MalformedSignature => "malformed_signature",
            Self::OtherSignatureVersion => "other_signature_version",
            Self::TooManySignatures => "too_many_signatures",
            Self::MalformedTimestamp => "malformed_timestamp",
            Self::MalformedMessageId => "malformed_message_id",
            Self::WrongSignature => "wrong_signature",
            Self::WrongKey => "wrong_key",
            Self::OutsideWindow => "outside_window",
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MissingHeader => "A header that the signature scheme needs is missing.",
            Self::RepeatedHeader => "A header of the signature scheme came more than once.",
            Self::MalformedSignature => "The signature header is not written as the scheme demands.",
            Self::OtherSignatureVersion => "No signature has the version that the scheme takes.",
            Self::TooManySignatures => "The signature header holds more than 16 signatures.",
            Self::MalformedTimestamp => "The timestamp is not plain decimal seconds.",
            Self::MalformedMessageId => {
                "The message id is not 1 to 256 visible ASCII characters without a full stop."
            }
            Self::WrongSignature => "The signature was not made with a secret of this hook for this body.",
            Self::WrongKey => "The key or the credentials are not those of this hook.",
            Self::OutsideWindow => "The signed time is too far from the clock of the receiver.",
        })
    }
}

impl Error for Refused {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_refusal_has_its_own_name_and_sentence() {
        let names: BTreeSet<_> = Refused::ALL.iter().map(|refused| refused.reason()).collect();
        let sentences: BTreeSet<_> = Refused::ALL.iter().map(ToString::to_string).collect();
        assert_eq!(names.len(), Refused::ALL.len());
        assert_eq!(sentences.len(), Refused::ALL.len());
    }
}
