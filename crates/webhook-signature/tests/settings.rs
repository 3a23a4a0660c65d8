//! What a hook can be built from, and that its secrets stay inside.

use webhook_signature::{
    CannotSign, ConfigurationError, Encoding, HmacScheme, Refused, Scheme, SecretString, SignedContent,
    Strength, WebhookSignature,
};

const LONG: &str = "exactly-16-bytes";

fn build(scheme: &Scheme, secrets: &[&str]) -> Result<WebhookSignature, ConfigurationError> {
    WebhookSignature::new(scheme.clone(), secrets.iter().map(|text| SecretString::from(*text)).collect())
}

fn schemes_with_a_text_secret() -> [Scheme; 5] {
    [
        Scheme::HubSha256Base64,
        Scheme::HubSha256Hex,
        Scheme::Hmac(HmacScheme::slack()),
        Scheme::Bearer,
        Scheme::Header("X-Api-Key".into()),
    ]
}

#[test]
fn a_text_secret_has_at_least_16_bytes() {
    for scheme in schemes_with_a_text_secret() {
        assert!(build(&scheme, &[LONG]).is_ok(), "{scheme}");
        let short = build(&scheme, &[LONG, &LONG[1..]]).unwrap_err();
        assert_eq!(short, ConfigurationError::ShortSecret { index: 1, bytes: 15, minimum: 16 });
        assert_eq!(build(&scheme, &[""]).unwrap_err(), ConfigurationError::EmptySecret { index: 0 });
        assert_eq!(build(&scheme, &[]).unwrap_err(), ConfigurationError::NoSecret);
    }
}

#[test]
fn the_constructor_for_published_keys_refuses_the_empty_key_too() {
    let built = WebhookSignature::with_keys_of_published_vectors(Scheme::HubSha256Hex, &[b""]);
    assert_eq!(built.unwrap_err(), ConfigurationError::EmptySecret { index: 0 });
}

#[test]
fn a_decoded_secret_has_at_least_24_bytes() {
    let of_24 = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    assert!(build(&Scheme::StandardWebhooks, &[of_24]).is_ok());
    let short = build(&Scheme::StandardWebhooks, &[&of_24[4..]]).unwrap_err();
    assert_eq!(short, ConfigurationError::ShortSecret { index: 0, bytes: 21, minimum: 24 });
}

#[test]
fn credentials_have_a_user_and_a_password_of_at_least_16_bytes() {
    let index = 0;
    assert!(build(&Scheme::Basic, &["genesys:exactly-16-bytes"]).is_ok());
    let cases = [
        ("exactly-16-bytes", ConfigurationError::CredentialsWithoutUser { index }),
        (":exactly-16-bytes", ConfigurationError::CredentialsWithoutUser { index }),
        ("a-long-user-name:short", ConfigurationError::ShortSecret { index, bytes: 5, minimum: 16 }),
        ("genesys:", ConfigurationError::EmptySecret { index }),
        ("", ConfigurationError::EmptySecret { index }),
    ];
    for (text, expected) in cases {
        assert_eq!(build(&Scheme::Basic, &[text]).unwrap_err(), expected, "{text}");
    }
}

#[test]
fn a_static_key_that_no_header_can_carry_is_refused() {
    let expected = ConfigurationError::SecretNotPrintable { index: 0 };
    for text in ["a key with a newline\n", "clé de plus de seize octets", " leading-space-in-key"] {
        for scheme in [Scheme::Bearer, Scheme::Header("X-Api-Key".into())] {
            assert_eq!(build(&scheme, &[text]).unwrap_err(), expected, "{scheme} {text:?}");
        }
    }
    let nameless = build(&Scheme::Header("X Api Key".into()), &[LONG]);
    assert_eq!(nameless.unwrap_err(), ConfigurationError::HeaderName { setting: "header" });
}

#[test]
fn unsigned_takes_everything_and_no_secret() {
    let hook = build(&Scheme::Unsigned, &[]).unwrap();
    assert_eq!(hook.verify([], b"anything", 0).unwrap().secret_index, None);
    assert_eq!(hook.sign(None, 0, b"anything"), Ok(Vec::new()));
    assert_eq!(build(&Scheme::Unsigned, &[LONG]).unwrap_err(), ConfigurationError::SecretWithoutUse);
}

#[test]
fn secrets_show_neither_in_debug_nor_in_errors() {
    let canary = "canary-secret-7f3a";
    for scheme in schemes_with_a_text_secret() {
        let hook = build(&scheme, &[canary]).unwrap();
        let debug = format!("{hook:?} {:?}", hook.diagnose([], canary.as_bytes(), 0));
        assert!(!debug.contains("canary"), "{debug}");
    }
    for (scheme, text) in [
        (Scheme::StandardWebhooks, "whsec_canary!"),
        (Scheme::Basic, "canary-without-colon"),
        (Scheme::Bearer, "canary"),
        (Scheme::Header("X-Api-Key".into()), "canary-with-newline\n"),
    ] {
        let error = build(&scheme, &[text]).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    }
}

#[test]
fn the_same_key_under_another_scheme_takes_nothing() {
    let base64 = build(&Scheme::HubSha256Base64, &[LONG]).unwrap();
    let hex = build(&Scheme::HubSha256Hex, &[LONG]).unwrap();
    let sent = base64.sign(None, 0, b"{}").unwrap();
    let lines = sent.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    assert_eq!(hex.verify(lines, b"{}", 0), Err(Refused::MalformedSignature));
}

#[test]
fn signing_refuses_what_a_receiver_would_refuse() {
    let hook = build(&Scheme::StandardWebhooks, &["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]).unwrap();
    assert_eq!(hook.sign(None, 0, b""), Err(CannotSign::NoMessageId));
    assert_eq!(hook.sign(Some("a.b"), 0, b""), Err(CannotSign::MalformedMessageId));
    assert_eq!(hook.sign(Some(""), 0, b""), Err(CannotSign::MalformedMessageId));
    assert_eq!(hook.sign(Some("a"), -1, b""), Err(CannotSign::TimeBefore1970));
}

#[test]
fn schemes_say_how_much_they_prove() {
    assert_eq!(Scheme::StandardWebhooks.strength(), Strength::SignedWithTime);
    assert_eq!(Scheme::Hmac(HmacScheme::slack()).strength(), Strength::SignedWithTime);
    assert_eq!(Scheme::Hmac(HmacScheme::over_body("X-Signature")).strength(), Strength::Signed);
    assert_eq!(Scheme::HubSha256Base64.strength(), Strength::Signed);
    assert_eq!(Scheme::Basic.strength(), Strength::StaticKey);
    assert_eq!(Scheme::Unsigned.strength(), Strength::Nothing);
}

#[test]
fn an_unknown_name_in_the_settings_is_answered_with_the_known_ones() {
    let error = "Base64".parse::<Encoding>().unwrap_err().to_string();
    assert_eq!(error, "`Base64` is not known here; choose one of hex, base64, base64url, base64url-padded");
    assert!("body.timestamp".parse::<SignedContent>().is_err());
    assert_eq!("timestamp.body".parse::<SignedContent>(), Ok(SignedContent::TimestampBody));
}
