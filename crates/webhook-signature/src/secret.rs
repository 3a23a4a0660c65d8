//! Secrets: read once, kept in types that do not print, wiped on drop.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use crate::scheme::{Method, Place};
use crate::{ConfigurationError, KeyForm};

/// Least length in bytes of a secret whose text is the key, and of static keys and passwords. 16 bytes are the least
/// that Genesys Open Messaging accepts ("longer than 15 characters").
pub const MINIMUM_SECRET_BYTES: usize = 16;

/// Least length in bytes of a base64 secret once decoded: the lower bound of the Standard Webhooks specification.
pub const MINIMUM_DECODED_SECRET_BYTES: usize = 24;

/// The prefix that marks a shared secret of Standard Webhooks.
pub(crate) const SHARED_SECRET_PREFIX: &str = "whsec_";

/// The keyed hash of one secret, ready to be fed.
pub(crate) type Mac = Hmac<Sha256>;

/// One secret of a hook.
pub(crate) struct Secret {
    text: SecretString,
    key: Key,
}

enum Key {
    Mac(Box<Mac>),
    /// SHA-256 of the whole credential. Two digests are compared in the same time whatever the lengths of the
    /// credentials, which a comparison of the texts themselves would tell.
    Credential(Zeroizing<[u8; 32]>),
}

/// Whether the least lengths hold.
#[derive(Clone, Copy)]
pub(crate) enum MinimumLength {
    /// As the scheme demands.
    OfTheScheme,
    /// Any secret that is not empty: only to compare a refused delivery with readings of the configured secret.
    OneByte,
}

impl Secret {
    /// Reads a secret's text as the scheme demands and checks its length.
    pub(crate) fn read(
        index: usize,
        text: SecretString,
        method: &Method,
        minimum: MinimumLength,
    ) -> Result<Self, ConfigurationError> {
        let raw = text.expose_secret();
        let key = match method {
            Method::Hmac(scheme) => {
                let bytes = match scheme.key {
                    KeyForm::Text => Zeroizing::new(raw.as_bytes().to_vec()),
                    KeyForm::Base64 => decode_shared_secret(index, raw)?,
                };
                let least = match scheme.key {
                    KeyForm::Text => MINIMUM_SECRET_BYTES,
                    KeyForm::Base64 => MINIMUM_DECODED_SECRET_BYTES,
                };
                check_length(index, bytes.len(), least, minimum)?;
                Key::Mac(Box::new(keyed(&bytes)))
            }
            Method::Credential(place) => {
                check_credential(index, raw, place, minimum)?;
                Key::Credential(digest(&credential(raw, place)))
            }
            Method::Unsigned => return Err(ConfigurationError::SecretWithoutUse),
        };
        Ok(Self { text, key })
    }

    /// Takes key bytes of any length but zero, for published test vectors.
    pub(crate) fn of_raw_key(index: usize, key: &[u8]) -> Result<Self, ConfigurationError> {
        check_length(index, key.len(), 1, MinimumLength::OneByte)?;
        let text = SecretString::from(String::from_utf8_lossy(key).into_owned());
        Ok(Self { text, key: Key::Mac(Box::new(keyed(key))) })
    }

    /// The configured text.
    pub(crate) fn text(&self) -> &str {
        self.text.expose_secret()
    }

    /// A fresh keyed hash, for schemes that sign.
    pub(crate) fn mac(&self) -> Option<Mac> {
        match &self.key {
            Key::Mac(mac) => Some(mac.as_ref().clone()),
            Key::Credential(_) => None,
        }
    }

    /// SHA-256 of the credential, for schemes with a static key.
    pub(crate) fn credential_digest(&self) -> Option<&[u8; 32]> {
        match &self.key {
            Key::Mac(_) => None,
            Key::Credential(digest) => Some(digest),
        }
    }
}

/// Keys the hash. HMAC takes keys of every length, the empty one too, which is why lengths are checked before.
pub(crate) fn keyed(key: &[u8]) -> Mac {
    Mac::new_from_slice(key).expect("HMAC takes keys of every length")
}

/// SHA-256 of a credential.
pub(crate) fn digest(credential: &[u8]) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(Sha256::digest(credential).into())
}

/// What a sender writes into the header after the name of the authorization scheme, if there is one.
pub(crate) fn credential(text: &str, place: &Place) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(match place {
        Place::Bearer | Place::Header(_) => text.as_bytes().to_vec(),
        Place::Basic => STANDARD.encode(text).into_bytes(),
    })
}

fn decode_shared_secret(index: usize, text: &str) -> Result<Zeroizing<Vec<u8>>, ConfigurationError> {
    if text.starts_with("whsk_") || text.starts_with("whpk_") {
        return Err(ConfigurationError::AsymmetricKey { index });
    }
    let encoded = text.strip_prefix(SHARED_SECRET_PREFIX).unwrap_or(text);
    STANDARD.decode(encoded).map(Zeroizing::new).map_err(|_| ConfigurationError::SecretNotBase64 { index })
}

fn check_credential(
    index: usize,
    text: &str,
    place: &Place,
    minimum: MinimumLength,
) -> Result<(), ConfigurationError> {
    let printable = match place {
        Place::Bearer => text.bytes().all(|byte| byte.is_ascii_graphic()),
        // Spaces at the ends would be lost on the way, those inside are kept.
        Place::Header(_) => {
            text.trim() == text && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
        }
        Place::Basic => !text.bytes().any(|byte| byte.is_ascii_control()),
    };
    if !printable {
        return Err(ConfigurationError::SecretNotPrintable { index });
    }
    let guarded = match place {
        Place::Bearer | Place::Header(_) => text,
        Place::Basic => match text.split_once(':') {
            _ if text.is_empty() => text,
            Some((user, password)) if !user.is_empty() => password,
            Some(_) | None => return Err(ConfigurationError::CredentialsWithoutUser { index }),
        },
    };
    check_length(index, guarded.len(), MINIMUM_SECRET_BYTES, minimum)
}

fn check_length(
    index: usize,
    bytes: usize,
    of_the_scheme: usize,
    minimum: MinimumLength,
) -> Result<(), ConfigurationError> {
    let minimum = match minimum {
        MinimumLength::OfTheScheme => of_the_scheme,
        MinimumLength::OneByte => 1,
    };
    if bytes == 0 {
        return Err(ConfigurationError::EmptySecret { index });
    }
    if bytes < minimum {
        return Err(ConfigurationError::ShortSecret { index, bytes, minimum });
    }
    Ok(())
}
