//! What a simulator is built with: clients, quota, delays, and the webhooks it calls.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::chaos::ChaosSpec;
use crate::dialect::Dialect;
use crate::population::MessengerSetting;

/// The client id that is known when no other client is configured.
pub const DEFAULT_CLIENT_ID: &str = "simulator-client";
/// The secret of [`DEFAULT_CLIENT_ID`]. It protects nothing: the simulator holds no data.
pub const DEFAULT_CLIENT_SECRET: &str = "simulator-secret";

/// An OAuth client that may ask for tokens.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OauthClient {
    /// The client's id.
    pub id: String,
    /// The client's secret.
    pub secret: SecretString,
    /// The permissions of its roles; all of them when absent.
    #[serde(default)]
    pub permissions: Option<BTreeSet<String>>,
}

impl OauthClient {
    /// Describes a client with every permission.
    pub fn new(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { id: id.into(), secret: SecretString::from(secret.into()), permissions: None }
    }

    /// Narrows the client to the given permissions, such as `conversation:communication:view`.
    #[must_use]
    pub fn with_permissions<S: Into<String>>(mut self, permissions: impl IntoIterator<Item = S>) -> Self {
        self.permissions = Some(permissions.into_iter().map(Into::into).collect());
        self
    }
}

/// How many requests one token may make in one window of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Requests per window; no limit, and no rate headers, when absent.
    pub requests: Option<u32>,
    /// The length of the window. It starts with a token's first request and starts anew when it has run out.
    pub window: Duration,
}

impl Quota {
    /// Allows so many requests a minute.
    pub fn per_minute(requests: u32) -> Self {
        Self { requests: Some(requests), window: Duration::from_secs(60) }
    }

    /// Sets no limit.
    pub fn unlimited() -> Self {
        Self { requests: None, window: Duration::from_secs(60) }
    }
}

impl Default for Quota {
    /// The documented limit of a client-credentials token: 300 requests a minute.
    fn default() -> Self {
        Self::per_minute(300)
    }
}

/// A span from which delays are drawn, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DelayRange {
    /// The shortest delay in milliseconds.
    pub min_ms: u64,
    /// The longest delay in milliseconds.
    pub max_ms: u64,
}

impl DelayRange {
    /// Describes the span between two delays in milliseconds.
    pub const fn millis(min_ms: u64, max_ms: u64) -> Self {
        Self { min_ms, max_ms }
    }
}

/// How a webhook's body is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BodyFormat {
    /// The plain body `{"eventId", "conversationId", "participantId", "state", "occurredAt"}`.
    #[default]
    Closeout,
    /// An Amazon EventBridge envelope around the notification.
    Eventbridge,
    /// A notification as the notification socket carries it: `topicName` and `eventBody`.
    GenesysNotification,
    /// A CloudEvent in structured mode whose `data` is the event body.
    Cloudevents,
}

/// How a webhook's requests are signed.
///
/// The simulator signs; whether the receiver verifies is the receiver's affair.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "verify", rename_all_fields = "camelCase")]
pub enum Signing {
    /// `X-Hub-Signature-256: sha256=<base64>` over the raw body.
    HubSha256Base64 {
        /// The shared secret, taken as text.
        secret: SecretString,
    },
    /// `X-Hub-Signature-256: sha256=<hex>` over the raw body.
    HubSha256Hex {
        /// The shared secret, taken as text.
        secret: SecretString,
    },
    /// `webhook-id`, `webhook-timestamp` and `webhook-signature` of Standard Webhooks.
    StandardWebhooks {
        /// The shared secret: base64, with or without `whsec_`.
        secret: SecretString,
    },
    /// HMAC-SHA256 in a layout of one's own.
    Hmac {
        /// The header with the signature.
        header: String,
        /// What stands before the signature in its header.
        #[serde(default)]
        prefix: String,
        /// How the signature is written: `hex`, `base64`, `base64url` or `base64url-padded`.
        #[serde(default = "hex")]
        encoding: String,
        /// The header with the time. When it is given, `<time>.<body>` is signed, otherwise the body alone.
        #[serde(default)]
        timestamp_header: Option<String>,
        /// The header with the event's id, which is not signed.
        #[serde(default)]
        id_header: Option<String>,
        /// The shared secret, taken as text.
        secret: SecretString,
    },
    /// `Authorization: Bearer <secret>`.
    Bearer {
        /// The static key.
        secret: SecretString,
    },
    /// `Authorization: Basic <base64 of user:password>`.
    Basic {
        /// User and password, joined by a colon.
        secret: SecretString,
    },
    /// A static key in a header of one's own.
    Header {
        /// The header's name.
        header: String,
        /// The static key.
        secret: SecretString,
    },
    /// No proof of origin at all.
    Unsigned,
}

fn hex() -> String {
    String::from("hex")
}

/// A webhook to which events are posted.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookAdapter {
    /// The adapter's name in the journal.
    pub name: String,
    /// Where the events are posted to.
    pub url: String,
    /// How they are signed.
    #[serde(flatten)]
    pub signing: Signing,
    /// How their bodies are written.
    #[serde(default)]
    pub format: BodyFormat,
    /// Whether every change of a conversation is told too, as the queue topic tells it, and not only the ends of legs.
    #[serde(default)]
    pub queue_topic: bool,
    /// Headers that are sent along unchanged.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

impl WebhookAdapter {
    /// Describes a webhook that gets plain bodies.
    pub fn new(name: impl Into<String>, url: impl Into<String>, signing: Signing) -> Self {
        Self {
            name: name.into(),
            url: url.into(),
            signing,
            format: BodyFormat::default(),
            queue_topic: false,
            headers: BTreeMap::new(),
        }
    }

    /// Chooses how the bodies are written.
    #[must_use]
    pub fn format(mut self, format: BodyFormat) -> Self {
        self.format = format;
        self
    }

    /// Tells every change of a conversation too, as the queue's topic does.
    #[must_use]
    pub fn of_the_queue_too(mut self) -> Self {
        self.queue_topic = true;
        self
    }
}

/// What a wrap-up by a service leads to. Genesys staff say that wrap-up belongs to the user; what the service
/// answers to a client-credentials token is not documented.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServiceWrapUp {
    /// The code is taken.
    #[default]
    Taken,
    /// The call is answered as if the code were taken, and nothing happens.
    Ignored,
    /// The call is refused with 403.
    Refused,
}

/// What is answered when somebody is disconnected who has already gone; not documented by Genesys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RepeatedDisconnect {
    /// 400 `conversation.error.participant.no.active.conversations`.
    #[default]
    BadRequest,
    /// 202, as the first time.
    Accepted,
    /// 404 `not.found`.
    NotFound,
    /// 409 `general.conflict`.
    Conflict,
}

/// Everything a simulator is built with.
#[derive(Clone, Debug)]
pub struct Config {
    /// The seed of every draw.
    pub seed: u64,
    /// The organisation's id, as `tokens/me` and EventBridge sources tell it.
    pub organisation: Uuid,
    /// The OAuth clients that are known.
    pub clients: Vec<OauthClient>,
    /// How long a token is valid.
    pub token_lifetime: Duration,
    /// The quota of each token.
    pub quota: Quota,
    /// Whether all tokens of a client share one quota, as several services have to assume that use one client.
    pub quota_of_clients: bool,
    /// The time between an accepted (202) close and its effect.
    pub effect_delay: DelayRange,
    /// The time between a happening and the sending of its event.
    pub event_delay: DelayRange,
    /// How far analytics lag behind.
    pub analytics_lag: Duration,
    /// How many journal entries are kept; the oldest go first.
    pub journal_capacity: usize,
    /// The webhooks that are called at the start.
    pub webhooks: Vec<WebhookAdapter>,
    /// The wait before the first repeat of a failed delivery; it doubles with every repeat.
    pub retry_backoff: Duration,
    /// How often one delivery is tried at most.
    pub delivery_attempts: u32,
    /// The faults at the start.
    pub chaos: ChaosSpec,
    /// What a wrap-up by a service leads to.
    pub service_wrap_up: ServiceWrapUp,
    /// What is answered when somebody is disconnected who has already gone.
    pub repeated_disconnect: RepeatedDisconnect,
    /// What the configuration of the Messenger deployment says; conversations have a setting of their own.
    pub messenger: MessengerSetting,
    /// The recipe that is spoken beside the platform's API; none when absent.
    pub dialect: Option<Dialect>,
}

impl Default for Config {
    /// One client with every permission, the documented quota and token life (300 a minute, 24 h), no faults, no
    /// webhooks, no dialect; delays of a few dozen milliseconds and an analytics lag of three seconds, which are invented.
    fn default() -> Self {
        Self {
            seed: 0,
            organisation: Uuid::from_u128(0x32aa_07aa_db1b_4987_abd0_9483_601e_c29d),
            clients: vec![OauthClient::new(DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET)],
            token_lifetime: Duration::from_secs(86_400),
            quota: Quota::default(),
            quota_of_clients: false,
            effect_delay: DelayRange::millis(5, 40),
            event_delay: DelayRange::millis(1, 20),
            analytics_lag: Duration::from_secs(3),
            journal_capacity: 100_000,
            webhooks: Vec::new(),
            retry_backoff: Duration::from_millis(500),
            delivery_attempts: 5,
            chaos: ChaosSpec::none(),
            service_wrap_up: ServiceWrapUp::default(),
            repeated_disconnect: RepeatedDisconnect::default(),
            messenger: MessengerSetting::default(),
            dialect: None,
        }
    }
}
