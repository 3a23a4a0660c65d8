//! Published and derived signature vectors, run through the same door as deliveries.
//!
//! Every file's cases are counted, so that a lost file or case fails. Where the vectors and the reference libraries
//! differ, the README beside the vectors says which choice holds.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use webhook_signature::{
    ConfigurationError, HmacScheme, Refused, Scheme, SecretString, Verified, WebhookSignature,
};

/// The one case that is not applicable: it is signed with Ed25519 (`v1a`), which is not offered. It must be refused.
const ED25519_ONLY: &str = "sw-004-v1a-ed25519";

#[test]
fn standard_webhooks_vectors_hold() {
    let file: SchemeFile = read("standard-webhooks.json");
    let (own, foreign): (Vec<Case>, Vec<Case>) =
        file.vectors.into_iter().partition(|case| case.id != ED25519_ONLY);
    assert_eq!((own.len(), foreign.len()), (55, 1));
    let accepted = run(&Scheme::StandardWebhooks, &own, &[]);
    assert_eq!(accepted, 10);

    let Case { headers, now, .. } = &foreign[0];
    let hook = WebhookSignature::new(Scheme::StandardWebhooks, secrets(&own[0])).unwrap();
    let verdict = hook.verify(lines(headers), &body(&foreign[0]), now.unwrap());
    assert_eq!(verdict, Err(Refused::OtherSignatureVersion));
}

#[test]
fn standard_webhooks_secrets_that_are_unfit_are_refused_at_construction() {
    let file: SchemeFile = read("standard-webhooks.json");
    let verdicts: Vec<(String, ConfigurationError)> = file
        .configuration
        .into_iter()
        .map(|case| {
            assert!(case.expect.ends_with("error"), "{}", case.id);
            let secrets = vec![SecretString::from(case.secret)];
            (case.id, WebhookSignature::new(Scheme::StandardWebhooks, secrets).unwrap_err())
        })
        .collect();
    let index = 0;
    let expected = [
        ("sw-201-empty-secret", ConfigurationError::EmptySecret { index }),
        ("sw-202-prefix-only", ConfigurationError::EmptySecret { index }),
        ("sw-203-not-base64", ConfigurationError::SecretNotBase64 { index }),
        ("sw-204-under-24-bytes", ConfigurationError::ShortSecret { index, bytes: 5, minimum: 24 }),
        ("sw-205-private-key-given", ConfigurationError::AsymmetricKey { index }),
    ];
    assert_eq!(verdicts, expected.map(|(id, error)| (id.to_owned(), error)));
}

#[test]
fn hub_hex_vectors_hold() {
    let file: SchemeFile = read("x-hub-signature-256-hex.json");
    assert_eq!(file.vectors.len(), 17);
    // octokit's tests sign with `mysecret`, `development` and `foo`.
    let with_short_secrets = [
        "gh-002-octokit",
        "gh-003-octokit-unicode",
        "gh-004-octokit-escape",
        "gh-101-wrong-secret",
        "gh-102-word",
    ];
    assert_eq!(run(&Scheme::HubSha256Hex, &file.vectors, &with_short_secrets), 5);
}

#[test]
fn genesys_open_messaging_vectors_hold() {
    let file: SchemeFile = read("genesys-open-messaging.json");
    assert_eq!(file.vectors.len(), 19);
    // Its wrong secret, `another-secret`, has 14 bytes.
    assert_eq!(run(&Scheme::HubSha256Base64, &file.vectors, &["gc-108-wrong-secret"]), 7);
}

#[test]
fn slack_vectors_hold_in_the_own_scheme() {
    let file: SchemeFile = read("slack-v0.json");
    assert_eq!(file.vectors.len(), 6);
    assert_eq!(run(&Scheme::Hmac(HmacScheme::slack()), &file.vectors, &[]), 1);
}

#[test]
fn stripe_vectors_hold_in_the_own_scheme() {
    let file: SchemeFile = read("stripe-v1.json");
    assert_eq!(file.vectors.len(), 14);
    assert_eq!(run(&Scheme::Hmac(HmacScheme::stripe()), &file.vectors, &[]), 5);
}

#[test]
fn rfc_4231_full_tags_are_taken_and_its_truncated_tag_is_refused() {
    let file: RfcFile = read("rfc4231-hmac-sha256.json");
    let verdicts: Vec<bool> =
        file.vectors.iter().map(|case| takes_tag(&case.key_hex, &case.data_hex, &case.tag_hex)).collect();
    assert_eq!(verdicts, [true, true, true, true, false, true, true]);
}

#[test]
fn wycheproof_tags_are_taken_only_when_valid_and_complete() {
    let file: WycheproofFile = read("wycheproof-hmac-sha256.json");
    let (mut taken, mut refused, mut truncated) = (0, 0, 0);
    for group in &file.test_groups {
        for case in &group.tests {
            let expected = case.result == "valid" && group.tag_size == 256;
            assert_eq!(takes_tag(&case.key, &case.msg, &case.tag), expected, "tcId {}", case.tc_id);
            match (expected, group.tag_size) {
                (true, _) => taken += 1,
                (false, 256) => refused += 1,
                (false, _) => truncated += 1,
            }
        }
    }
    assert_eq!((taken, refused, truncated), (33, 54, 87));
    assert_eq!(taken + refused + truncated, file.number_of_tests);
}

/// Runs the cases, signs the accepted ones again, and returns how many were accepted.
///
/// `with_short_secrets` are the cases whose published secret is refused as too short by the public constructor. The
/// test first sees it refused, and then uses the constructor that exists for published keys: what these cases show is
/// how signatures are compared, and only that.
fn run(scheme: &Scheme, cases: &[Case], with_short_secrets: &[&str]) -> usize {
    let mut accepted = 0;
    let mut short = Vec::new();
    for case in cases {
        let hook = WebhookSignature::new(scheme.clone(), secrets(case)).unwrap_or_else(|error| {
            assert!(matches!(error, ConfigurationError::ShortSecret { .. }), "{}: {error}", case.id);
            short.push(case.id.as_str());
            let texts = case.texts();
            let keys: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
            WebhookSignature::with_keys_of_published_vectors(scheme.clone(), &keys).unwrap()
        });
        // Schemes without a time must not look at the clock, so any will do.
        let now = case.now.unwrap_or(i64::MIN);
        let verdict = hook.verify(lines(&case.headers), &body(case), now);
        match case.expect.as_str() {
            "accept" => {
                let verified = verdict.unwrap_or_else(|refused| panic!("{}: {refused}", case.id));
                signing_gives_a_published_line(&hook, &verified, case);
                accepted += 1;
            }
            "reject" => assert!(verdict.is_err(), "{} was taken", case.id),
            other => panic!("{}: unknown expectation {other}", case.id),
        }
    }
    assert_eq!(short, with_short_secrets);
    accepted
}

/// Signs what the case signs and finds the signature in the case, when the case was signed by the first secret.
fn signing_gives_a_published_line(hook: &WebhookSignature, verified: &Verified, case: &Case) {
    if verified.secret_index != Some(0) {
        return;
    }
    let id = verified.message_id.as_deref();
    let made = hook.sign(id, verified.signed_at.unwrap_or(0), &body(case)).unwrap();
    for (name, value) in made {
        let (_, published) =
            case.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(&name)).unwrap();
        let tag = value.rsplit_once("v1=").map_or(value.as_str(), |(_, tag)| tag);
        assert!(published.contains(tag), "{}: {name}: {value} is not in {published}", case.id);
    }
}

fn takes_tag(key: &str, message: &str, tag: &str) -> bool {
    let key = hex(key);
    let hook = WebhookSignature::with_keys_of_published_vectors(Scheme::HubSha256Hex, &[&key]).unwrap();
    let header = format!("sha256={tag}");
    hook.verify([("X-Hub-Signature-256", header.as_bytes())], &hex(message), 0).is_ok()
}

fn lines(headers: &[(String, String)]) -> impl Iterator<Item = (&str, &[u8])> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))
}

fn secrets(case: &Case) -> Vec<SecretString> {
    case.texts().into_iter().map(SecretString::from).collect()
}

fn body(case: &Case) -> Vec<u8> {
    match (&case.body_base64, &case.body_utf8) {
        (Some(encoded), _) => STANDARD.decode(encoded).unwrap(),
        (None, Some(text)) => text.clone().into_bytes(),
        (None, None) => panic!("{} has no body", case.id),
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digit).collect()
}

fn read<T: DeserializeOwned>(name: &str) -> T {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/webhook-vectors");
    let path = folder.join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

#[derive(Deserialize)]
struct SchemeFile {
    vectors: Vec<Case>,
    #[serde(default)]
    configuration: Vec<SecretCase>,
}

#[derive(Deserialize)]
struct SecretCase {
    id: String,
    secret: String,
    expect: String,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    expect: String,
    now: Option<i64>,
    secrets: Option<Vec<String>>,
    secrets_utf8: Option<Vec<String>>,
    secret_utf8: Option<String>,
    headers: Vec<(String, String)>,
    body_base64: Option<String>,
    body_utf8: Option<String>,
}

impl Case {
    fn texts(&self) -> Vec<String> {
        let several = self.secrets.clone().or_else(|| self.secrets_utf8.clone());
        several.or_else(|| self.secret_utf8.clone().map(|secret| vec![secret])).unwrap()
    }
}

#[derive(Deserialize)]
struct RfcFile {
    vectors: Vec<RfcCase>,
}

#[derive(Deserialize)]
struct RfcCase {
    key_hex: String,
    data_hex: String,
    tag_hex: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WycheproofFile {
    number_of_tests: usize,
    test_groups: Vec<WycheproofGroup>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WycheproofGroup {
    tag_size: u32,
    tests: Vec<WycheproofCase>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WycheproofCase {
    tc_id: u32,
    key: String,
    msg: String,
    tag: String,
    result: String,
}
