//! Round trips, and changed deliveries of which none may be taken.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use proptest::prelude::*;
use webhook_signature::{
    Encoding, HmacScheme, KeyForm, Refused, Scheme, SecretString, SignatureLayout, SignedContent,
    WebhookSignature,
};

const NOW: i64 = 1_700_000_000;

/// Every scheme that proves something, with two secrets in the form it needs. The own schemes go through all layouts,
/// encodings and contents.
fn hooks() -> Vec<(Scheme, [&'static str; 2])> {
    const TEXTS: [&str; 2] = ["c2f1c9b0-7a64-4a5e-9a53-0d3a2f6f1c55", "the secret that is going away"];
    const ENCODED: [&str; 2] = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "C2FVsBQIhrscChlQIMV+b5sSYspob7oD"];
    let mut hooks = vec![
        (Scheme::HubSha256Base64, TEXTS),
        (Scheme::HubSha256Hex, TEXTS),
        (Scheme::StandardWebhooks, ENCODED),
        (Scheme::Hmac(HmacScheme::slack()), TEXTS),
        (Scheme::Hmac(HmacScheme::stripe()), TEXTS),
        (Scheme::Bearer, ["kb1c-7fce-8d1f-4e2a-93b6", "another-static-key-of-32-bytes.."]),
        (Scheme::Basic, ["genesys:a password of 24 bytes", "relay:another password: long"]),
        (Scheme::Header("X-Api-Key".into()), ["kb1c-7fce-8d1f-4e2a-93b6", "a key with spaces inside it"]),
    ];
    for content in SignedContent::ALL {
        for encoding in Encoding::ALL {
            for layout in layouts() {
                let has_time = content != SignedContent::Body;
                let time_is_a_field = matches!(layout, SignatureLayout::Fields { .. });
                if time_is_a_field && !has_time {
                    continue;
                }
                let scheme = HmacScheme {
                    layout,
                    encoding,
                    content,
                    content_prefix: "relay|".into(),
                    separator: "|".into(),
                    timestamp_header: (has_time && !time_is_a_field).then(|| "X-Time".into()),
                    id_header: Some("X-Id".into()),
                    ..HmacScheme::over_body("X-Signature")
                };
                hooks.push((Scheme::Hmac(scheme.clone()), TEXTS));
                hooks.push((Scheme::Hmac(HmacScheme { key: KeyForm::Base64, ..scheme }), ENCODED));
            }
        }
    }
    hooks
}

fn layouts() -> [SignatureLayout; 3] {
    [
        SignatureLayout::Single { prefix: String::new() },
        SignatureLayout::SpaceSeparated { prefix: "s1,".into() },
        SignatureLayout::Fields { time: "time".into(), signature: "tag".into() },
    ]
}

fn hook(scheme: &Scheme, secrets: &[&str]) -> WebhookSignature {
    let secrets = secrets.iter().map(|secret| SecretString::from(*secret)).collect();
    WebhookSignature::new(scheme.clone(), secrets).unwrap()
}

fn lines(headers: &[(String, Vec<u8>)]) -> impl Iterator<Item = (&str, &[u8])> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
}

fn signed(hook: &WebhookSignature, id: &str, body: &[u8]) -> Vec<(String, Vec<u8>)> {
    let headers = hook.sign(Some(id), NOW, body).unwrap();
    headers.into_iter().map(|(name, value)| (name, value.into_bytes())).collect()
}

/// Whether the header's value is under the scheme's protection. An id outside the signature is only a claim.
fn is_protected(scheme: &Scheme, header: &str) -> bool {
    match scheme {
        Scheme::Hmac(own) => {
            own.content == SignedContent::IdTimestampBody || own.id_header.as_deref() != Some(header)
        }
        Scheme::HubSha256Base64 | Scheme::HubSha256Hex | Scheme::StandardWebhooks => true,
        Scheme::Bearer | Scheme::Basic | Scheme::Header(_) | Scheme::Unsigned => true,
    }
}

fn signs(scheme: &Scheme) -> bool {
    !matches!(scheme, Scheme::Bearer | Scheme::Basic | Scheme::Header(_) | Scheme::Unsigned)
}

/// The authorization scheme's name has no case, so another case of it is no forgery.
fn is_same_authorization(scheme: &Scheme, at: usize, old: u8, new: u8) -> bool {
    let word = if matches!(scheme, Scheme::Bearer | Scheme::Basic) { scheme.name().len() } else { 0 };
    at < word && old.eq_ignore_ascii_case(&new)
}

/// Each case goes through all hooks, so a few are enough; `PROPTEST_CASES` asks for more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").map_or(48, |cases| cases.parse().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_a_scheme_signs_it_verifies(
        body in proptest::collection::vec(any::<u8>(), 0..200),
        id in "[a-zA-Z0-9_-]{1,40}",
        drift in -300_i64..=300,
    ) {
        for (scheme, secrets) in hooks() {
            let both = hook(&scheme, &secrets);
            for (index, secret) in secrets.iter().enumerate() {
                let headers = signed(&hook(&scheme, &[secret]), &id, &body);
                let verified = both.verify(lines(&headers), &body, NOW + drift);
                let verified = verified.unwrap_or_else(|refused| panic!("{scheme:?}: {refused}"));
                prop_assert_eq!(verified.secret_index, Some(index));
                if let Some(signed_id) = verified.message_id {
                    prop_assert_eq!(&signed_id, &id);
                    prop_assert_eq!(verified.signed_at, Some(NOW));
                }
            }
        }
    }

    #[test]
    fn a_single_changed_byte_of_any_protected_header_is_refused(
        body in proptest::collection::vec(any::<u8>(), 0..60),
        at in any::<prop::sample::Index>(),
        flip in 1_u8..=255,
    ) {
        for (scheme, secrets) in hooks() {
            let hook = hook(&scheme, &secrets);
            let headers = signed(&hook, "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W", &body);
            for line in (0..headers.len()).filter(|line| is_protected(&scheme, &headers[*line].0)) {
                let mut forged = headers.clone();
                let value = &mut forged[line].1;
                let at = at.index(value.len());
                let old = value[at];
                value[at] ^= flip;
                if is_same_authorization(&scheme, at, old, value[at]) {
                    continue;
                }
                prop_assert!(hook.verify(lines(&forged), &body, NOW).is_err(), "{:?} {:?}", scheme, forged);
            }
        }
    }

    #[test]
    fn a_single_changed_byte_of_a_signed_body_is_refused(
        body in proptest::collection::vec(any::<u8>(), 1..200),
        at in any::<prop::sample::Index>(),
        flip in 1_u8..=255,
    ) {
        let mut forged = body.clone();
        forged[at.index(body.len())] ^= flip;
        for (scheme, secrets) in hooks().into_iter().filter(|(scheme, _)| signs(scheme)) {
            let hook = hook(&scheme, &secrets);
            let headers = signed(&hook, "msg_1", &body);
            prop_assert_eq!(hook.verify(lines(&headers), &forged, NOW), Err(Refused::WrongSignature));
        }
    }

    #[test]
    fn a_single_changed_byte_of_the_key_is_refused(
        body in proptest::collection::vec(any::<u8>(), 0..60),
        at in any::<prop::sample::Index>(),
        letter in "[a-zA-Z0-9]",
    ) {
        for (scheme, [secret, _]) in hooks() {
            let headers = signed(&hook(&scheme, &[secret]), "msg_1", &body);
            let fixed = if secret.starts_with("whsec_") { "whsec_".len() } else { 0 };
            let at = fixed + at.index(secret.len() - fixed);
            let other = format!("{}{letter}{}", &secret[..at], &secret[at + 1..]);
            if other == secret {
                continue;
            }
            // A changed secret that is no longer fit for the scheme cannot take anything either.
            let Ok(hook) = WebhookSignature::new(scheme.clone(), vec![SecretString::from(other)]) else {
                continue;
            };
            prop_assert!(hook.verify(lines(&headers), &body, NOW).is_err(), "{:?}", scheme);
        }
    }

    #[test]
    fn no_input_makes_verification_or_diagnosis_panic(
        headers in proptest::collection::vec((
            prop::sample::select(vec![
                "X-Hub-Signature-256", "webhook-id", "webhook-timestamp", "webhook-signature", "Stripe-Signature",
                "X-Slack-Signature", "X-Slack-Request-Timestamp", "Authorization", "X-Api-Key", "X-Signature",
                "X-Time", "X-Id",
            ]),
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..80),
                "(sha256=|v1,|v0=|t=[0-9]{1,20},v1=|s1,|time=[0-9]{1,3},tag=)?[A-Za-z0-9+/=_, -]{0,90}"
                    .prop_map(String::into_bytes),
            ],
        ), 0..6),
        body in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..60),
            r#"[\{\[]["a-z:,\\u0-9{}\[\] é]{0,40}"#.prop_map(String::into_bytes),
        ],
        now in any::<i64>(),
    ) {
        for (scheme, secrets) in hooks().into_iter().step_by(3) {
            let hook = hook(&scheme, &secrets);
            let lines: Vec<(&str, &[u8])> =
                headers.iter().map(|(name, value)| (*name, value.as_slice())).collect();
            prop_assert!(hook.verify(lines.iter().copied(), &body, now).is_err());
            let diagnosis = hook.diagnose(lines.iter().copied(), &body, now);
            prop_assert!(!diagnosis.findings.is_empty());
        }
    }
}

#[test]
fn a_repeated_or_missing_header_is_refused_in_every_scheme() {
    for (scheme, secrets) in hooks() {
        let hook = hook(&scheme, &secrets);
        let headers = signed(&hook, "msg_1", b"{}");
        for line in 0..headers.len() {
            let mut doubled = headers.clone();
            doubled.push(headers[line].clone());
            let verdict = hook.verify(lines(&doubled), b"{}", NOW);
            assert_eq!(verdict, Err(Refused::RepeatedHeader), "{scheme:?}");
            let mut without = headers.clone();
            let (name, _) = without.remove(line);
            if is_protected(&scheme, &name) {
                let verdict = hook.verify(lines(&without), b"{}", NOW);
                assert_eq!(verdict, Err(Refused::MissingHeader), "{scheme:?} without {name}");
            }
            let is_needed = hook.needed_headers().contains(&name.as_str());
            assert_eq!(is_needed, is_protected(&scheme, &name), "{scheme:?} says that it needs {name}");
        }
    }
}

#[test]
fn the_window_ends_at_the_tolerance_on_both_sides() {
    for (scheme, secrets) in hooks() {
        let hook = hook(&scheme, &secrets);
        let headers = signed(&hook, "msg_1", b"{}");
        let signed_at = hook.verify(lines(&headers), b"{}", NOW).unwrap().signed_at;
        for (now, inside) in [(NOW - 301, false), (NOW - 300, true), (NOW + 300, true), (NOW + 301, false)] {
            let verdict = hook.verify(lines(&headers), b"{}", now).map(|_| ());
            let expected = if inside || signed_at.is_none() { Ok(()) } else { Err(Refused::OutsideWindow) };
            assert_eq!(verdict, expected, "{scheme:?} at {now}");
        }
        for now in [i64::MIN, i64::MAX] {
            assert_eq!(hook.verify(lines(&headers), b"{}", now).is_ok(), signed_at.is_none());
        }
    }
}

#[test]
fn an_id_outside_the_signature_is_only_a_claim() {
    let scheme = HmacScheme { id_header: Some("X-Id".into()), ..HmacScheme::over_body("X-Signature") };
    let hook = hook(&Scheme::Hmac(scheme), &["a secret of the relay"]);
    let mut headers = signed(&hook, "one", b"{}");
    headers[0].1 = b"two".to_vec();
    let verified = hook.verify(lines(&headers), b"{}", NOW).unwrap();
    assert_eq!((verified.message_id, verified.claimed_id.as_deref()), (None, Some("two")));
}

#[test]
fn an_id_that_holds_the_separator_is_refused_though_its_signature_is_right() {
    // `a|1` at time 2 and `a` at time 1 with the body `2|x` sign the same bytes.
    let scheme = HmacScheme {
        content: SignedContent::IdTimestampBody,
        separator: "|".into(),
        timestamp_header: Some("X-Time".into()),
        id_header: Some("X-Id".into()),
        ..HmacScheme::over_body("X-Signature")
    };
    let hook = hook(&Scheme::Hmac(scheme), &["a secret of the relay"]);
    let mut headers: Vec<_> = hook.sign(Some("a"), 1, b"2|x").unwrap();
    for (name, value) in &mut headers {
        match name.as_str() {
            "X-Id" => *value = "a|1".into(),
            "X-Time" => *value = "2".into(),
            _ => {}
        }
    }
    let lines = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    assert_eq!(hook.verify(lines, b"x", 2), Err(Refused::MalformedMessageId));
}

#[test]
fn a_list_is_refused_when_its_time_or_its_entries_are_in_doubt() {
    let stripe = hook(&Scheme::Hmac(HmacScheme::stripe()), &["a secret of the relay"]);
    let (_, value) = stripe.sign(None, NOW, b"{}").unwrap().remove(0);
    let filled = format!("{value}{}", ",v0=x".repeat(15));
    assert!(stripe.verify([("Stripe-Signature", filled.as_bytes())], b"{}", NOW).is_ok());
    let cases = [
        (format!("t=1,{value}"), Refused::MalformedSignature),
        (format!("{value},t={NOW}"), Refused::MalformedSignature),
        (format!("{value},"), Refused::MalformedSignature),
        (format!("{value},=x"), Refused::MalformedSignature),
        (value.replace(',', ", "), Refused::OtherSignatureVersion),
        (value.replace("t=", "T="), Refused::MalformedTimestamp),
        (format!("{filled},v0=x"), Refused::TooManySignatures),
    ];
    for (doubtful, expected) in cases {
        let verdict = stripe.verify([("Stripe-Signature", doubtful.as_bytes())], b"{}", NOW);
        assert_eq!(verdict, Err(expected), "{doubtful}");
    }
}
