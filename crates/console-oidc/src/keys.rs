//! The keys that a provider publishes, and which of them a token may be signed with.

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;

use crate::token::{ALGORITHMS, Flaw};

/// More keys than any provider publishes.
const MOST: usize = 100;

/// The keys of a provider that can be read; others it may have for others.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keys(Vec<Jwk>);

#[derive(Deserialize)]
struct Published {
    keys: Vec<Value>,
}

impl Keys {
    /// Reads what stands at the provider's `jwks_uri`.
    pub(crate) fn read(text: &[u8]) -> Result<Self, String> {
        let published: Published = serde_json::from_slice(text)
            .map_err(|error| format!("the keys of the provider cannot be read: {error}"))?;
        let read = published.keys.into_iter().take(MOST).filter_map(|key| serde_json::from_value(key).ok());
        Ok(Self(read.collect()))
    }

    /// How many of them fit one of [`ALGORITHMS`].
    pub(crate) fn usable(&self) -> usize {
        let usable = |key: &&Jwk| {
            ALGORITHMS.iter().any(|algorithm| fits(key, *algorithm)) && DecodingKey::from_jwk(key).is_ok()
        };
        self.0.iter().filter(usable).count()
    }

    /// The key that a token names, or the only one that fits where it names none.
    pub(crate) fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<DecodingKey, Flaw> {
        let named = |key: &&Jwk| kid.is_none() || key.common.key_id.as_deref() == kid;
        let mut fitting = self.0.iter().filter(named).filter(|key| fits(key, algorithm));
        let found = fitting.next().ok_or(Flaw::UnknownKey)?;
        if fitting.next().is_some() {
            return Err(Flaw::SeveralKeys);
        }
        DecodingKey::from_jwk(found).map_err(|_| Flaw::UnknownKey)
    }
}

/// Whether a key is for signatures by this algorithm. A key of one kind is never used for another.
fn fits(key: &Jwk, algorithm: Algorithm) -> bool {
    let kind = match (&key.algorithm, algorithm) {
        (
            AlgorithmParameters::RSA(_),
            Algorithm::RS256
            | Algorithm::RS384
            | Algorithm::RS512
            | Algorithm::PS256
            | Algorithm::PS384
            | Algorithm::PS512,
        ) => true,
        (AlgorithmParameters::EllipticCurve(key), Algorithm::ES256) => key.curve == EllipticCurve::P256,
        (AlgorithmParameters::EllipticCurve(key), Algorithm::ES384) => key.curve == EllipticCurve::P384,
        (AlgorithmParameters::OctetKeyPair(key), Algorithm::EdDSA) => key.curve == EllipticCurve::Ed25519,
        (_, _) => false,
    };
    let signs = matches!(key.common.public_key_use, None | Some(PublicKeyUse::Signature));
    let verifies =
        key.common.key_operations.as_ref().is_none_or(|allowed| allowed.contains(&KeyOperations::Verify));
    let meant = key.common.key_algorithm.is_none_or(|meant| meant == KeyAlgorithm::from(algorithm));
    kind && signs && verifies && meant
}
