//! The signature debugger: each usual mistake is made, and must be named.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use webhook_signature::{
    BodyChange, Encoding, Finding, HmacScheme, KeyForm, KeyReading, Refused, Scheme, SecretString,
    SignatureLayout, SignedContent, WebhookSignature,
};

const NOW: i64 = 1_700_000_000;
const TEXT: &str = "c2f1c9b0-7a64-4a5e-9a53-0d3a2f6f1c55";
const ENCODED: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn hook(scheme: Scheme, secret: &str) -> WebhookSignature {
    WebhookSignature::new(scheme, vec![SecretString::from(secret)]).unwrap()
}

fn own(layout: HmacScheme) -> WebhookSignature {
    hook(Scheme::Hmac(layout), TEXT)
}

/// What the receiver finds in a delivery that the sender signed over `signed` and that arrived as `received`.
fn findings(
    sender: &WebhookSignature,
    receiver: &WebhookSignature,
    signed: &[u8],
    received: &[u8],
) -> Vec<Finding> {
    let headers = sender.sign(Some("msg_1"), NOW, signed).unwrap();
    explained(receiver, &headers, received, NOW)
}

fn explained(hook: &WebhookSignature, headers: &[(String, String)], body: &[u8], now: i64) -> Vec<Finding> {
    let lines = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let diagnosis = hook.diagnose(lines, body, now);
    assert!(diagnosis.verdict.is_err());
    diagnosis.findings
}

#[test]
fn a_good_delivery_needs_no_explanation() {
    let hook = hook(Scheme::HubSha256Hex, TEXT);
    let headers = hook.sign(None, NOW, b"{}").unwrap();
    let lines = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let diagnosis = hook.diagnose(lines, b"{}", NOW);
    assert!(diagnosis.verdict.is_ok());
    assert_eq!(diagnosis.findings, []);
}

#[test]
fn the_other_encoding_is_named() {
    let base64 = hook(Scheme::HubSha256Base64, TEXT);
    let hex = hook(Scheme::HubSha256Hex, TEXT);
    let found = |found| vec![Finding::OtherEncoding { found }];
    assert_eq!(findings(&hex, &base64, b"{}", b"{}"), found("hex"));
    assert_eq!(findings(&base64, &hex, b"{}", b"{}"), found("base64"));

    let mut headers = hex.sign(None, NOW, b"{}").unwrap();
    headers[0].1 = headers[0].1.to_uppercase().replace("SHA256", "sha256");
    assert_eq!(explained(&hex, &headers, b"{}", NOW), found("upper-case hex"));

    let mut headers = base64.sign(None, NOW, b"{}").unwrap();
    headers[0].1 = headers[0].1.trim_end_matches('=').to_owned();
    assert_eq!(explained(&base64, &headers, b"{}", NOW), found("base64 without padding"));
}

#[test]
fn a_body_that_was_changed_on_its_way_is_recognised() {
    let hook = hook(Scheme::HubSha256Base64, TEXT);
    let cases: [(&[u8], &[u8], BodyChange); 9] = [
        (b"{\"a\": 1}", b"{\"a\": 1}\n", BodyChange::WithoutFinalNewline),
        (b"{\"a\": 1}\n", b"{\"a\": 1}", BodyChange::WithFinalNewline),
        (b"{\n\"a\": 1}", b"{\r\n\"a\": 1}", BodyChange::UnixLineEnds),
        (b"{\r\n\"a\": 1}", b"{\n\"a\": 1}", BodyChange::WindowsLineEnds),
        (b"{}", b"\xef\xbb\xbf{}", BodyChange::WithoutByteOrderMark),
        (b"{\"a\":1}", b"{ \"a\" : 1 }", BodyChange::CompactJson),
        ("{\"a\":\"é\"}".as_bytes(), b"{\"a\": \"\\u00e9\"}", BodyChange::CompactJson),
        (b"{\"a\": \"\\u00e9\"}", "{\"a\":\"é\"}".as_bytes(), BodyChange::SpacedAsciiJson),
        (b"", b"{\"a\": 1}", BodyChange::Empty),
    ];
    for (signed, received, change) in cases {
        assert_eq!(findings(&hook, &hook, signed, received), [Finding::OtherBody { change }], "{change}");
    }
}

#[test]
fn a_secret_that_the_sender_reads_in_another_way_is_recognised() {
    let with_prefix = format!("whsec_{ENCODED}");
    let receiver = hook(Scheme::StandardWebhooks, ENCODED);
    let cases = [(ENCODED, KeyReading::Text), (with_prefix.as_str(), KeyReading::TextWithPrefix)];
    for (senders_text, reading) in cases {
        let sender = hook(Scheme::Hmac(standard_webhooks_with_text_key()), senders_text);
        let found = findings(&sender, &receiver, b"{}", b"{}");
        assert_eq!(found, [Finding::OtherKey { secret_index: 0, reading }]);
    }

    let trimmed = hook(Scheme::HubSha256Hex, TEXT);
    let with_newline = hook(Scheme::HubSha256Hex, &format!("{TEXT}\n"));
    let found = findings(&trimmed, &with_newline, b"{}", b"{}");
    assert_eq!(found, [Finding::OtherKey { secret_index: 0, reading: KeyReading::Trimmed }]);
    let found = findings(&with_newline, &trimmed, b"{}", b"{}");
    assert_eq!(found, [Finding::OtherKey { secret_index: 0, reading: KeyReading::WithNewline }]);
}

#[test]
fn a_clock_that_is_off_is_told_in_seconds() {
    let hook = hook(Scheme::StandardWebhooks, ENCODED);
    let headers = hook.sign(Some("msg_1"), NOW, b"{}").unwrap();
    let late = explained(&hook, &headers, b"{}", NOW + 3_600);
    assert_eq!(late, [Finding::ClockOff { seconds: -3_600 }]);
    assert!(late[0].to_string().contains("3600 s before"));
    assert_eq!(explained(&hook, &headers, b"{}", NOW - 301), [Finding::ClockOff { seconds: 301 }]);

    let headers = hook.sign(Some("msg_1"), NOW * 1000, b"{}").unwrap();
    assert_eq!(explained(&hook, &headers, b"{}", NOW), [Finding::TimeInMilliseconds]);
}

#[test]
fn missing_and_repeated_headers_are_named() {
    let hook = hook(Scheme::StandardWebhooks, ENCODED);
    let mut headers = hook.sign(Some("msg_1"), NOW, b"{}").unwrap();
    let (name, _) = headers.remove(1);
    assert_eq!(explained(&hook, &headers, b"{}", NOW)[0], Finding::HeaderMissing { name });
    let doubled = headers[0].clone();
    let name = doubled.0.clone();
    headers.push(doubled);
    assert!(explained(&hook, &headers, b"{}", NOW).contains(&Finding::HeaderRepeated { name }));
}

#[test]
fn a_delivery_of_another_scheme_is_named_and_tried() {
    let sender = hook(Scheme::HubSha256Hex, ENCODED);
    let receiver = hook(Scheme::StandardWebhooks, ENCODED);
    let found = findings(&sender, &receiver, b"{}", b"{}");
    assert!(found.contains(&Finding::OtherScheme { scheme: "hub-sha256-hex", fits: true }));
    assert!(!found.iter().any(|finding| matches!(finding, Finding::OtherScheme { fits: false, .. })));

    let stranger = hook(Scheme::Hmac(HmacScheme::stripe()), "the secret of somebody else");
    let found = findings(&stranger, &receiver, b"{}", b"{}");
    assert!(found.contains(&Finding::OtherScheme { scheme: "stripe", fits: false }));
}

#[test]
fn other_content_and_another_prefix_are_recognised() {
    let over_body = HmacScheme::over_body("X-Signature");
    let with_time = HmacScheme {
        content: SignedContent::TimestampBody,
        timestamp_header: Some("X-Time".into()),
        ..over_body.clone()
    };
    let mut headers = own(over_body.clone()).sign(None, NOW, b"{}").unwrap();
    headers.push(("X-Time".into(), NOW.to_string()));
    let found = explained(&own(with_time), &headers, b"{}", NOW);
    assert_eq!(found, [Finding::OtherContent { signed: SignedContent::Body }]);

    let prefix = "sha256=".to_owned();
    let prefixed = HmacScheme { layout: SignatureLayout::Single { prefix }, ..over_body.clone() };
    let found = findings(&own(over_body), &own(prefixed), b"{}", b"{}");
    assert_eq!(found, [Finding::OtherLayout]);
}

#[test]
fn two_mistakes_at_once_are_both_named() {
    let hex = own(HmacScheme { encoding: Encoding::Hex, ..HmacScheme::over_body("X-Signature") });
    let base64 = own(HmacScheme::over_body("X-Signature"));
    let expected =
        [Finding::OtherEncoding { found: "hex" }, Finding::OtherBody { change: BodyChange::CompactJson }];
    assert_eq!(findings(&hex, &base64, b"{\"a\":1}", b"{\"a\": 1}"), expected);
}

#[test]
fn a_static_key_without_its_authorization_scheme_is_recognised() {
    let bearer = hook(Scheme::Bearer, TEXT);
    let headers = [("Authorization".to_owned(), TEXT.to_owned())];
    assert_eq!(explained(&bearer, &headers, b"", NOW), [Finding::OtherLayout]);
    let missing = explained(&bearer, &[], b"", NOW);
    assert_eq!(missing, [Finding::HeaderMissing { name: "Authorization".into() }]);
}

#[test]
fn a_stranger_is_not_explained_away() {
    let sender = hook(Scheme::HubSha256Base64, "the secret of somebody else");
    let receiver = hook(Scheme::HubSha256Base64, TEXT);
    let found = findings(&sender, &receiver, b"{\"a\": 1}", b"{\"a\": 1}");
    assert_eq!(found, [Finding::NothingFits]);
    let headers = sender.sign(None, NOW, b"{}").unwrap();
    let lines = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    assert_eq!(receiver.verify(lines, b"{}", NOW), Err(Refused::WrongSignature));
}

/// Standard Webhooks as some senders get it wrong: the secret's text is the key.
fn standard_webhooks_with_text_key() -> HmacScheme {
    HmacScheme {
        layout: SignatureLayout::SpaceSeparated { prefix: "v1,".into() },
        key: KeyForm::Text,
        content: SignedContent::IdTimestampBody,
        timestamp_header: Some("webhook-timestamp".into()),
        id_header: Some("webhook-id".into()),
        ..HmacScheme::over_body("webhook-signature")
    }
}
