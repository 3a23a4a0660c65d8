//! What is believed, and what is not.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::*;
use crate::forge::{Signer, key_set};

const NOW: i64 = 1_800_000_000;

const EXPECTED: Expected<'static> =
    Expected { issuer: "https://id.example", client_id: "closeout", nonce: "the nonce of this log-in" };

fn claims() -> Value {
    json!({ "iss": "https://id.example", "sub": "1", "aud": "closeout", "exp": NOW + 300, "iat": NOW - 1,
        "nonce": "the nonce of this log-in" })
}

fn keys(signers: &[&Signer]) -> Keys {
    let published: Vec<_> = signers.iter().map(|signer| signer.published()).collect();
    Keys::read(&key_set(&published)).unwrap()
}

fn verdict(token: &str, keys: &Keys) -> Result<(), Flaw> {
    verify(token, keys, EXPECTED, NOW).map(|_| ())
}

#[test]
fn a_token_of_each_kind_of_key_is_believed() {
    for algorithm in [Algorithm::RS256, Algorithm::PS384, Algorithm::ES256, Algorithm::EdDSA] {
        let signer = Signer::new(algorithm, "k1");
        let read = verify(&signer.sign(&claims()), &keys(&[&signer]), EXPECTED, NOW).unwrap();
        assert_eq!(read["sub"], "1", "{algorithm:?}");
        let stranger = Signer::new(algorithm, "k1");
        assert_eq!(
            verdict(&stranger.sign(&claims()), &keys(&[&signer])),
            Err(Flaw::Signature),
            "{algorithm:?}"
        );
    }
}

#[test]
fn each_claim_is_looked_at() {
    let signer = Signer::new(Algorithm::ES256, "k1");
    let keys = keys(&[&signer]);
    let gone = Value::Null;
    for (name, value, expected) in [
        ("iss", json!("https://id.example/"), Err(Flaw::Issuer)),
        ("iss", gone.clone(), Err(Flaw::Issuer)),
        ("sub", json!(""), Err(Flaw::Subject)),
        ("sub", json!(7), Err(Flaw::Subject)),
        ("sub", json!("x".repeat(256)), Err(Flaw::Subject)),
        ("aud", json!("another"), Err(Flaw::Audience)),
        ("aud", json!([]), Err(Flaw::Audience)),
        ("aud", json!(["another", "third"]), Err(Flaw::Audience)),
        ("aud", gone.clone(), Err(Flaw::Audience)),
        ("aud", json!(["closeout"]), Ok(())),
        ("aud", json!(["closeout", "another"]), Err(Flaw::AuthorizedParty)),
        ("azp", json!("another"), Err(Flaw::AuthorizedParty)),
        ("azp", json!(["closeout"]), Err(Flaw::AuthorizedParty)),
        ("azp", json!("closeout"), Ok(())),
        ("exp", json!(NOW - 59), Ok(())),
        ("exp", json!(NOW - 60), Err(Flaw::Expired)),
        ("exp", json!("2999-01-01"), Err(Flaw::Expired)),
        ("exp", gone.clone(), Err(Flaw::Expired)),
        ("nbf", json!(NOW + 60), Ok(())),
        ("nbf", json!(NOW + 61), Err(Flaw::NotYet)),
        ("nbf", json!("soon"), Err(Flaw::NotYet)),
        ("iat", json!(NOW + 60), Ok(())),
        ("iat", json!(NOW + 61), Err(Flaw::IssuedAt)),
        ("iat", json!(NOW - 600), Ok(())),
        ("iat", json!(NOW - 601), Err(Flaw::IssuedAt)),
        ("iat", gone.clone(), Err(Flaw::IssuedAt)),
        ("nonce", json!("the nonce of another"), Err(Flaw::Nonce)),
        ("nonce", json!(""), Err(Flaw::Nonce)),
        ("nonce", gone, Err(Flaw::Nonce)),
    ] {
        let mut claims = claims();
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
        assert_eq!(verdict(&signer.sign(&claims), &keys), expected, "{name}: {value}");
    }
    let mut both = claims();
    both["aud"] = json!(["another", "closeout"]);
    both["azp"] = json!("closeout");
    assert_eq!(verdict(&signer.sign(&both), &keys), Ok(()));
}

#[test]
fn no_signature_and_one_by_the_public_key_are_worth_nothing() {
    let signer = Signer::new(Algorithm::RS256, "k1");
    let keys = keys(&[&signer]);
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    for name in ["none", "None", "NONE", ""] {
        let unsigned = format!("{}.{}.", part(json!({ "alg": name, "kid": "k1" })), part(claims()));
        assert_eq!(verdict(&unsigned, &keys), Err(Flaw::Unreadable), "{name}");
    }
    // What a library that takes any key for any algorithm would take for its secret.
    let public = signer.published();
    for secret in [public["n"].as_str().unwrap().to_owned(), public.to_string()] {
        let header = Header { kid: Some("k1".to_owned()), ..Header::new(Algorithm::HS256) };
        let token =
            encode(&header, &claims(), &EncodingKey::from_secret(secret.as_bytes()).unwrap()).unwrap();
        assert_eq!(verdict(&token, &keys), Err(Flaw::Algorithm));
    }
    // A provider that publishes a secret does not make it a key.
    let shared = Keys::read(&key_set(&[json!({ "kty": "oct", "kid": "k1", "k": "c2VjcmV0" })])).unwrap();
    let header = Header { kid: Some("k1".to_owned()), ..Header::new(Algorithm::HS256) };
    let token = encode(&header, &claims(), &EncodingKey::from_secret(b"secret").unwrap()).unwrap();
    assert_eq!(verdict(&token, &shared), Err(Flaw::Algorithm));
    let signed = signer.sign(&claims());
    let (body, signature) = signed.rsplit_once('.').unwrap();
    let other = signer.sign(&json!({ "sub": "2" }));
    let foreign = format!("{body}.{}", other.rsplit_once('.').unwrap().1);
    for (token, flaw) in [
        (format!("{body}."), Flaw::Signature),
        (foreign, Flaw::Signature),
        (format!("{body}.{signature}.x"), Flaw::Unreadable),
        (String::new(), Flaw::Unreadable),
        ("a.b.c".to_owned(), Flaw::Unreadable),
    ] {
        assert_eq!(verdict(&token, &keys), Err(flaw), "{token}");
    }
}

#[test]
fn a_header_cannot_bring_its_own_key() {
    let (ours, theirs) = (Signer::new(Algorithm::ES256, "k1"), Signer::new(Algorithm::ES256, "k1"));
    let jwk = serde_json::from_value(theirs.published()).unwrap();
    let header = Header {
        kid: Some("k1".to_owned()),
        jwk: Some(jwk),
        jku: Some("https://evil.example/jwks".to_owned()),
        ..Header::new(Algorithm::ES256)
    };
    let token = theirs.sign_with(&header, &claims());
    assert_eq!(verdict(&token, &keys(&[&ours])), Err(Flaw::Signature));
}

#[test]
fn the_key_is_the_one_that_the_token_names_and_is_for_signatures() {
    let (old, new) = (Signer::new(Algorithm::RS256, "old"), Signer::new(Algorithm::RS256, "new"));
    let token = new.sign(&claims());
    assert_eq!(verdict(&token, &keys(&[&old])), Err(Flaw::UnknownKey));
    assert_eq!(verdict(&token, &keys(&[&old, &new])), Ok(()), "after the keys were changed");
    assert_eq!(
        verdict(&old.sign(&claims()), &keys(&[&new])),
        Err(Flaw::UnknownKey),
        "a key that was withdrawn"
    );

    let unnamed = new.sign_by(Algorithm::RS256, &claims());
    assert_eq!(verdict(&unnamed, &keys(&[&new])), Ok(()), "the only one");
    assert_eq!(verdict(&unnamed, &keys(&[&old, &new])), Err(Flaw::SeveralKeys));
    let elliptic = Signer::new(Algorithm::ES256, "other");
    assert_eq!(verdict(&unnamed, &keys(&[&elliptic, &new])), Ok(()), "the only one of its kind");

    for (field, value) in [
        ("use", json!("enc")),
        ("alg", json!("RS512")),
        ("key_ops", json!(["encrypt"])),
        ("kty", json!("XYZ")),
    ] {
        let mut published = new.published();
        published[field] = value.clone();
        let keys = Keys::read(&key_set(&[published])).unwrap();
        assert_eq!(verdict(&token, &keys), Err(Flaw::UnknownKey), "{field}: {value}");
    }
    let odd = [json!({ "kty": "AKP", "alg": "ML-DSA-44" }), json!(7), new.published()];
    assert_eq!(
        verdict(&token, &Keys::read(&key_set(&odd)).unwrap()),
        Ok(()),
        "what others need does not disturb"
    );
}
