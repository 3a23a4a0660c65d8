//! Keys of a provider for tests, and tokens that are signed with them.

use aws_lc_rs::{
    encoding::AsDer as _,
    rand::SystemRandom,
    rsa,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use serde_json::{Value, json};

/// What stands before the PKCS #1 key in the PKCS #8 of an RSA key of 2,048 bits.
const PKCS8_HEAD: usize = 26;

/// A key with its id.
pub(crate) struct Signer {
    algorithm: Algorithm,
    key: EncodingKey,
    kid: &'static str,
}

impl Signer {
    pub(crate) fn new(algorithm: Algorithm, kid: &'static str) -> Self {
        let random = SystemRandom::new();
        let key = if algorithm == Algorithm::ES256 {
            let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
            EncodingKey::from_ec_der(pair.as_ref())
        } else if algorithm == Algorithm::EdDSA {
            EncodingKey::from_ed_der(Ed25519KeyPair::generate_pkcs8v1(&random).unwrap().as_ref())
        } else {
            let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
            EncodingKey::from_rsa_der(&pair.as_der().unwrap().as_ref()[PKCS8_HEAD..])
        };
        Self { algorithm, key, kid }
    }

    /// Its public side, as a provider publishes it.
    pub(crate) fn published(&self) -> Value {
        let mut jwk =
            serde_json::to_value(Jwk::from_encoding_key(&self.key, self.algorithm).unwrap()).unwrap();
        jwk["kid"] = json!(self.kid);
        jwk["use"] = json!("sig");
        jwk
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.kid.to_owned()), ..Header::new(self.algorithm) };
        self.sign_with(&header, claims)
    }

    /// Signs whatever stands in the header.
    pub(crate) fn sign_with(&self, header: &Header, claims: &Value) -> String {
        encode(header, claims, &self.key).unwrap()
    }

    /// Signs by another algorithm of its kind, and names no key.
    pub(crate) fn sign_by(&self, algorithm: Algorithm, claims: &Value) -> String {
        self.sign_with(&Header::new(algorithm), claims)
    }
}

/// What a provider publishes at its `jwks_uri`.
pub(crate) fn key_set(keys: &[Value]) -> Vec<u8> {
    json!({ "keys": keys }).to_string().into_bytes()
}
