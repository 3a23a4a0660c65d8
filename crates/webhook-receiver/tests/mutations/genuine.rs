//! Hooks of every scheme, each with deliveries that it takes.

use std::fmt;

use webhook_signature::{
    Encoding, HmacScheme, KeyForm, Scheme, SecretString, SignatureLayout, SignedContent, WebhookSignature,
};

/// The time of the receiver's clock, and about that of the deliveries.
pub const NOW: i64 = 1_795_255_200;

/// Both are fit for every signature, as text and as base64, so that one secret is tried under all schemes.
pub const SECRETS: [&str; 2] =
    ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"];

/// A hook, and what is genuine to it.
pub struct Stage {
    pub scheme: Scheme,
    pub secrets: [String; 2],
    pub hook: WebhookSignature,
    pub genuine: Vec<Genuine>,
}

/// A delivery as its sender made it.
pub struct Genuine {
    pub id: String,
    pub time: i64,
    pub body: Vec<u8>,
    pub headers: Vec<(String, Vec<u8>)>,
}

/// A delivery as it comes in, and when.
#[derive(Clone)]
pub struct Sent {
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
    pub now: i64,
}

impl Stage {
    fn new(scheme: Scheme) -> Self {
        let secrets = match scheme {
            Scheme::Basic => SECRETS.map(|secret| format!("genesys:{secret}")),
            Scheme::HubSha256Base64
            | Scheme::HubSha256Hex
            | Scheme::StandardWebhooks
            | Scheme::Hmac(_)
            | Scheme::Bearer
            | Scheme::Header(_)
            | Scheme::Unsigned => SECRETS.map(str::to_owned),
        };
        let hook = hook(&scheme, &secrets);
        // Each body under both secrets, so that a signature by either is known when it comes again.
        let genuine = bodies().into_iter().zip(0_i64..).flat_map(|(body, number)| {
            let (id, time) = (format!("msg_{number}x2KWPBgLlAfxdpx2AI54pPJ85f4W"), NOW - 7 * number);
            let of = |secret: &String| {
                let headers = signed(&hook_of(&scheme, secret).unwrap(), &id, time, &body);
                Genuine { headers, id: id.clone(), time, body: body.clone() }
            };
            secrets.each_ref().map(of)
        });
        let genuine = genuine.collect();
        Self { genuine, scheme, secrets, hook }
    }

    /// Whether the body is under the scheme's protection. Whoever holds a static key may send any body.
    pub fn signs(&self) -> bool {
        self.hmac().is_some()
    }

    /// The layout of the signature; `None` for static keys.
    pub fn hmac(&self) -> Option<HmacScheme> {
        let over = |encoding| HmacScheme {
            layout: SignatureLayout::Single { prefix: "sha256=".into() },
            encoding,
            ..HmacScheme::over_body("X-Hub-Signature-256")
        };
        match &self.scheme {
            Scheme::Hmac(own) => Some(own.clone()),
            Scheme::HubSha256Base64 => Some(over(Encoding::Base64)),
            Scheme::HubSha256Hex => Some(over(Encoding::Hex)),
            Scheme::StandardWebhooks => Some(HmacScheme {
                layout: SignatureLayout::SpaceSeparated { prefix: "v1,".into() },
                key: KeyForm::Base64,
                content: SignedContent::IdTimestampBody,
                timestamp_header: Some("webhook-timestamp".into()),
                id_header: Some("webhook-id".into()),
                ..HmacScheme::over_body("webhook-signature")
            }),
            Scheme::Bearer | Scheme::Basic | Scheme::Header(_) | Scheme::Unsigned => None,
        }
    }
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.headers {
            writeln!(f, "{name:?}: \"{}\"", value.escape_ascii())?;
        }
        write!(f, "\"{}\" at {}", self.body.escape_ascii(), self.now)
    }
}

impl Genuine {
    /// The delivery, unchanged and in time.
    pub fn as_sent(&self) -> Sent {
        Sent { headers: self.headers.clone(), body: self.body.clone(), now: NOW }
    }
}

/// A stage for every scheme that proves something; the own schemes go through all layouts, encodings, contents and keys.
pub fn stages() -> Vec<Stage> {
    let mut schemes = vec![
        Scheme::HubSha256Base64,
        Scheme::HubSha256Hex,
        Scheme::StandardWebhooks,
        Scheme::Hmac(HmacScheme::slack()),
        Scheme::Hmac(HmacScheme::stripe()),
        Scheme::Bearer,
        Scheme::Basic,
        Scheme::Header("X-Api-Key".into()),
    ];
    for content in SignedContent::ALL {
        for encoding in Encoding::ALL {
            for layout in layouts() {
                let has_time = content != SignedContent::Body;
                let time_is_a_field = matches!(layout, SignatureLayout::Fields { .. });
                if time_is_a_field && !has_time {
                    continue;
                }
                for key in [KeyForm::Text, KeyForm::Base64] {
                    schemes.push(Scheme::Hmac(HmacScheme {
                        layout: layout.clone(),
                        encoding,
                        key,
                        content,
                        timestamp_header: (has_time && !time_is_a_field).then(|| "X-Time".into()),
                        id_header: Some("X-Id".into()),
                        ..HmacScheme::over_body("X-Signature")
                    }));
                }
            }
        }
    }
    schemes.into_iter().map(Stage::new).collect()
}

fn layouts() -> [SignatureLayout; 3] {
    [
        SignatureLayout::Single { prefix: String::new() },
        SignatureLayout::SpaceSeparated { prefix: "v1,".into() },
        SignatureLayout::Fields { time: "t".into(), signature: "v1".into() },
    ]
}

fn hook(scheme: &Scheme, secrets: &[String]) -> WebhookSignature {
    let secrets = secrets.iter().map(|secret| SecretString::from(secret.as_str())).collect();
    WebhookSignature::new(scheme.clone(), secrets).unwrap()
}

/// A hook with one secret, if the scheme takes that.
pub fn hook_of(scheme: &Scheme, secret: &str) -> Option<WebhookSignature> {
    WebhookSignature::new(scheme.clone(), vec![SecretString::from(secret)]).ok()
}

/// The headers that this hook sends.
pub fn signed(hook: &WebhookSignature, id: &str, time: i64, body: &[u8]) -> Vec<(String, Vec<u8>)> {
    let headers = hook.sign(Some(id), time, body).unwrap();
    headers.into_iter().map(|(name, value)| (name, value.into_bytes())).collect()
}

/// Bodies of all forms, each of which ends a guest's leg.
fn bodies() -> Vec<Vec<u8>> {
    const CONVERSATION: &str = "7d1b5a44-3f0e-4d0c-9f4e-0a6c2b7e9a11";
    const GUEST: &str = "c0a5e2d6-6c2c-4b9e-8a57-1f3b5f9d2e01";
    const LEG: &str = "5b2f9f3c-88d1-4a7e-bb55-0d7c54e2aa10";
    let event = format!(
        r#"{{"eventTime":{NOW}000,"conversationId":"{CONVERSATION}","participantId":"{GUEST}","sessionId":"{LEG}","disconnectType":"CLIENT"}}"#
    );
    let topic = format!("v2.detail.events.conversation.{CONVERSATION}.customer.end");
    let any_topic = "v2.detail.events.conversation.{id}.customer.end";
    let plain = format!(
        r#"{{"eventId":"e-1","conversationId":"{CONVERSATION}","participantId":"{GUEST}","state":"disconnected","note":"zu Ende \u00e9 é"}}"#
    );
    [
        format!(r#"{{"topicName":"{topic}","version":"2","eventBody":{event}}}"#),
        format!(
            r#"{{"version":"0","id":"58fb5dac-0000-4000-8000-000000000001","detail-type":"{any_topic}","detail":{{"topicName":"{topic}","eventBody":{event}}}}}"#
        ),
        format!(
            r#"{{"specversion":"1.0","id":"a-1","source":"relay","type":"closed","data":{plain}}}"#
        ),
        plain,
    ]
    .map(String::into_bytes)
    .into()
}
