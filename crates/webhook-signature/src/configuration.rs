//! Why a hook's settings cannot be used. None of these names a secret's text.

use std::error::Error;
use std::fmt;

/// A reason for which a scheme and its secrets cannot be used.
///
/// `index` counts the secrets from 0 in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigurationError {
    /// The scheme verifies with a secret and none was given.
    NoSecret,
    /// The scheme `unsigned` was given a secret, so somebody expects a check that would not happen.
    SecretWithoutUse,
    /// A secret is empty, or holds nothing behind `whsec_`.
    EmptySecret {
        /// Which secret.
        index: usize,
    },
    /// A secret is shorter than the scheme allows.
    ShortSecret {
        /// Which secret.
        index: usize,
        /// Its length in bytes: decoded for base64 secrets, the password alone for `basic`.
        bytes: usize,
        /// The least length in bytes.
        minimum: usize,
    },
    /// A secret must be base64 after an optional `whsec_` and is not.
    SecretNotBase64 {
        /// Which secret.
        index: usize,
    },
    /// A key of the asymmetric scheme (`whsk_`, `whpk_`) was given where a shared secret is needed.
    AsymmetricKey {
        /// Which secret.
        index: usize,
    },
    /// A static key holds characters that no header can carry unchanged.
    SecretNotPrintable {
        /// Which secret.
        index: usize,
    },
    /// The credentials of `basic` are not of the form `user:password`.
    CredentialsWithoutUser {
        /// Which secret.
        index: usize,
    },
    /// A header name is empty or holds a character that header names cannot have.
    HeaderName {
        /// The setting that names the header.
        setting: &'static str,
    },
    /// Two settings name the same header.
    SameHeader {
        /// One of the two settings.
        setting: &'static str,
    },
    /// The signed content has a time and no header or field carries it.
    NoPlaceForTime,
    /// A header or field for the time is named and the time is not part of the signed content.
    TimeNotSigned,
    /// The time is named both as a header and as a field of the signature header.
    TwoPlacesForTime,
    /// The signed content has an id and no header carries it.
    NoPlaceForId,
    /// The separator is empty or starts with a digit, so that a time could be read in two ways.
    Separator,
    /// A prefix or field name is missing or holds characters that would break its header apart.
    Prefix,
    /// The tolerance is longer than a message id is remembered for.
    Tolerance {
        /// The longest tolerance in seconds.
        maximum: u32,
    },
}

/// How people count the secrets of a hook, whose index begins at 0: `first`, `second`, …
#[must_use]
pub fn ordinal(index: usize) -> String {
    match index {
        0 => "first".to_owned(),
        1 => "second".to_owned(),
        2 => "third".to_owned(),
        more => format!("{}th", more.saturating_add(1)),
    }
}

impl fmt::Display for ConfigurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSecret => f.write_str("the scheme needs at least one secret"),
            Self::SecretWithoutUse => f.write_str(
                "the scheme `unsigned` checks nothing and takes no secret; choose a scheme that signs",
            ),
            Self::EmptySecret { index } => write!(f, "the {} secret is empty", ordinal(*index)),
            Self::ShortSecret { index, bytes, minimum } => {
                write!(f, "the {} secret has {bytes} bytes; at least {minimum} are needed", ordinal(*index))
            }
            Self::SecretNotBase64 { index } => {
                write!(
                    f,
                    "the {} secret is not base64 (with padding, after an optional `whsec_`)",
                    ordinal(*index)
                )
            }
            Self::AsymmetricKey { index } => {
                write!(
                    f,
                    "the {} secret is a key of the asymmetric scheme; a shared `whsec_` secret is needed",
                    ordinal(*index)
                )
            }
            Self::SecretNotPrintable { index } => {
                write!(f, "the {} secret holds characters that a header cannot carry", ordinal(*index))
            }
            Self::CredentialsWithoutUser { index } => {
                write!(f, "the {} secret must have the form `user:password`", ordinal(*index))
            }
            Self::HeaderName { setting } => write!(f, "`{setting}` is not a valid header name"),
            Self::SameHeader { setting } => {
                write!(f, "`{setting}` names a header that has another use already")
            }
            Self::NoPlaceForTime => {
                f.write_str("the signed content has a time; name the header that carries it")
            }
            Self::TimeNotSigned => {
                f.write_str("a place for the time is named, but the time is not part of the signed content")
            }
            Self::TwoPlacesForTime => {
                f.write_str("the time is named both as a header and as a field of the signature header")
            }
            Self::NoPlaceForId => {
                f.write_str("the signed content has an id; name the header that carries it")
            }
            Self::Separator => {
                f.write_str("the separator of the signed content must not be empty or start with a digit")
            }
            Self::Prefix => f.write_str(
                "a prefix or field name must be visible ASCII, without the characters that part its header, \
                 and not empty in a list",
            ),
            Self::Tolerance { maximum } => write!(f, "the tolerance must not exceed {maximum} seconds"),
        }
    }
}

impl Error for ConfigurationError {}

/// A name in the settings that stands for nothing, together with the names that do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownName {
    /// The name that was given.
    pub given: String,
    /// The names that may stand there.
    pub known: &'static [&'static str],
}

impl UnknownName {
    pub(crate) fn new(given: &str, known: &'static [&'static str]) -> Self {
        Self { given: given.to_owned(), known }
    }
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not known here; choose one of {}", self.given, self.known.join(", "))
    }
}

impl Error for UnknownName {}
