//! What an ID token proves (OpenID Connect Core 1.0, 3.1.3.7).

use std::{collections::HashSet, fmt};

use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;

use crate::keys::Keys;

/// The algorithms that a token may be signed with: those with a public key. `none` is no signature, and a secret that both sides have
/// (`HS256`) is one that whoever sees the public key could try to pass off.
pub const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// How far the clocks of the provider and of this machine may be apart, in seconds.
const SKEW: f64 = 60.0;

/// How long ago a token may have been issued, in seconds. It is fetched in the moment in which it is made.
const OLDEST: f64 = 600.0;

/// The longest subject (OpenID Connect Core 1.0, 2).
const LONGEST_SUBJECT: usize = 255;

/// What a token must be for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) nonce: &'a str,
}

/// Why a token proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    Unreadable,
    Algorithm,
    /// The provider may have a new key.
    UnknownKey,
    SeveralKeys,
    Signature,
    Issuer,
    Subject,
    Audience,
    AuthorizedParty,
    Expired,
    NotYet,
    IssuedAt,
    Nonce,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreadable => "the ID token is no signed JWT",
            Self::Algorithm => "the ID token is signed by an algorithm that is not taken",
            Self::UnknownKey => "the ID token is signed with a key that the provider does not publish",
            Self::SeveralKeys => "the ID token does not say which of several keys it is signed with",
            Self::Signature => "the ID token's signature is wrong",
            Self::Issuer => "the ID token is of another issuer (iss)",
            Self::Subject => "the ID token is about nobody (sub)",
            Self::Audience => "the ID token is for another client (aud)",
            Self::AuthorizedParty => "the ID token was issued to another client (azp)",
            Self::Expired => "the ID token is no longer valid (exp), or the clocks are apart",
            Self::NotYet => "the ID token is not valid yet (nbf), or the clocks are apart",
            Self::IssuedAt => {
                "the ID token was issued long ago or in the future (iat), or the clocks are apart"
            }
            Self::Nonce => "the ID token is of another log-in (nonce)",
        })
    }
}

/// The claims of a token whose signature is of one of these keys, and which is for this log-in at this moment, in Unix seconds.
pub(crate) fn verify(
    token: &str,
    keys: &Keys,
    expected: Expected<'_>,
    now: i64,
) -> Result<Map<String, Value>, Flaw> {
    let claims = signed(token, keys)?;
    check(&claims, expected, now)?;
    Ok(claims)
}

fn signed(token: &str, keys: &Keys) -> Result<Map<String, Value>, Flaw> {
    // A name that the library does not know, as `none`, is a header that cannot be read.
    let header = decode_header(token).map_err(|_| Flaw::Unreadable)?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(Flaw::Algorithm);
    }
    let key = keys.find(header.kid.as_deref(), header.alg)?;
    let mut only_signature = Validation::new(header.alg);
    only_signature.validate_exp = false;
    only_signature.validate_aud = false;
    only_signature.required_spec_claims = HashSet::new();
    decode(token, &key, &only_signature).map(|token| token.claims).map_err(|_| Flaw::Signature)
}

#[expect(clippy::cast_precision_loss, reason = "seconds of this epoch are exact in a float")]
fn check(claims: &Map<String, Value>, expected: Expected<'_>, now: i64) -> Result<(), Flaw> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let second = |name: &str| claims.get(name).and_then(Value::as_f64);
    let now = now as f64;
    let ensure = |holds: bool, flaw: Flaw| if holds { Ok(()) } else { Err(flaw) };

    ensure(text("iss") == Some(expected.issuer), Flaw::Issuer)?;
    let subject = text("sub").unwrap_or_default();
    ensure(!subject.is_empty() && subject.len() <= LONGEST_SUBJECT, Flaw::Subject)?;
    let (ours, others) = audience(claims.get("aud"), expected.client_id);
    ensure(ours, Flaw::Audience)?;
    let party = claims.get("azp");
    ensure(!others || party.is_some(), Flaw::AuthorizedParty)?;
    ensure(party.is_none_or(|party| party.as_str() == Some(expected.client_id)), Flaw::AuthorizedParty)?;
    ensure(second("exp").is_some_and(|exp| now < exp + SKEW), Flaw::Expired)?;
    ensure(claims.get("nbf").is_none() || second("nbf").is_some_and(|nbf| nbf <= now + SKEW), Flaw::NotYet)?;
    let issued = |iat: f64| iat <= now + SKEW && now <= iat + OLDEST;
    ensure(second("iat").is_some_and(issued), Flaw::IssuedAt)?;
    let nonce = text("nonce").unwrap_or_default();
    ensure(bool::from(nonce.as_bytes().ct_eq(expected.nonce.as_bytes())), Flaw::Nonce)
}

/// Whether a token is for this client, and whether for others too.
fn audience(aud: Option<&Value>, client_id: &str) -> (bool, bool) {
    match aud {
        Some(Value::String(one)) => (one == client_id, false),
        Some(Value::Array(several)) => {
            (several.iter().any(|one| one.as_str() == Some(client_id)), several.len() > 1)
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => (false, false),
    }
}

#[cfg(test)]
mod tests;
