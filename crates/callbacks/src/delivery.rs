//! One event for one receiver, as it is kept.

use genesys_types::{Organisation, Time};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{ClosureKey, DeliveryRow};
use uuid::Uuid;

use crate::{
    fate::{Fate, Outcome, Tries},
    setup::Receiver,
};

/// What became of a delivery, as it is stored, listed and counted.
pub const RESULTS: [&str; 8] = [WAITING, DELIVERED, GONE, FAILED, GIVEN_UP, REFUSED, HELD, WITHDRAWN];

/// It was not taken yet, and is tried again.
pub(crate) const WAITING: &str = "waiting";
/// The receiver has it.
const DELIVERED: &str = "delivered";
/// The receiver answered 410.
const GONE: &str = "gone";
/// The receiver answered several times in a row that it does not take it as it is.
const FAILED: &str = "failed";
/// It was tried for as long as is allowed.
const GIVEN_UP: &str = "given_up";
/// It may not be sent.
const REFUSED: &str = "refused";
/// A ghost that is kept while no adapter is heard.
pub(crate) const HELD: &str = "held";
/// A ghost that healed while it was kept, and was told to nobody.
pub(crate) const WITHDRAWN: &str = "withdrawn";

/// When what is held is due: the end of the year 9999. It is not settled, so it is not pruned.
const NEVER: Time = Time::from_millis(253_402_300_799_000);

/// What a delivery is about.
#[derive(Debug)]
pub(crate) struct Occasion<'a> {
    /// The closure; nil where it is about none.
    pub(crate) closure: ClosureKey,
    pub(crate) organisation: &'a Organisation,
    pub(crate) id: String,
    pub(crate) event_type: &'a str,
}

/// Who is told.
#[derive(Debug)]
pub(crate) struct To {
    receiver: Option<String>,
    url: Option<String>,
    lane: String,
}

impl To {
    /// A `[[callback]]` table.
    pub(crate) fn receiver(receiver: &Receiver) -> Self {
        let lane = format!("{} {}", place(&receiver.url), receiver.name);
        Self { receiver: Some(receiver.name.clone()), url: None, lane }
    }

    /// The callback of a command.
    pub(crate) fn command(url: &str) -> Self {
        let lane = url::Url::parse(url).map(|url| place(&url).to_owned()).unwrap_or_default();
        Self { receiver: None, url: Some(url.to_owned()), lane }
    }
}

/// Host and port of a URL.
fn place(url: &url::Url) -> &str {
    &url[url::Position::BeforeHost..url::Position::AfterPort]
}

/// A delivery. Stored names never change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    /// The key.
    pub key: Uuid,
    /// The closure.
    pub closure: ClosureKey,
    /// Its organisation.
    pub organisation: String,
    /// What it waits in line with: the host, with its port where that is not the scheme's own; for a `[[callback]]` table,
    /// after a blank, also its name. A receiver that is stuck holds up no other one.
    pub lane: String,
    /// What became of it.
    pub result: String,
    /// When it is tried next.
    pub due_at: Option<Time>,
    /// When this was written.
    pub updated_at: Time,
    /// What is sent, and what came of it.
    pub body: Body,
}

/// What is sent, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Body {
    /// The event's id.
    pub event_id: String,
    /// The type of event.
    pub event_type: String,
    /// The receiver's name in the configuration, where its URL and secret stand; `None` for the callback of one closure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiver: Option<String>,
    /// The URL that a command named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The body of the request, byte for byte the same at every try.
    pub payload: String,
    /// When it was noted, in milliseconds since 1970.
    pub noted_at: i64,
    /// When its tries began, in milliseconds since 1970: at first, or when an operator asked for more.
    pub tried_since: i64,
    /// How often it was tried since then.
    #[serde(default)]
    pub attempts: u32,
    /// How many of the latest tries in a row were refused as they are.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub refusals: u32,
    /// When it was tried last, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tried_at: Option<i64>,
    /// What the receiver answered to the last try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why the last try failed, in words without secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Owed {
    /// An event that is owed from now on.
    pub(crate) fn new(key: Uuid, occasion: Occasion<'_>, to: To, payload: &Value, now: Time) -> Self {
        Self {
            key,
            closure: occasion.closure,
            organisation: occasion.organisation.as_str().to_owned(),
            lane: to.lane,
            result: WAITING.to_owned(),
            due_at: Some(now),
            updated_at: now,
            body: Body {
                event_id: occasion.id,
                event_type: occasion.event_type.to_owned(),
                receiver: to.receiver,
                url: to.url,
                payload: payload.to_string(),
                noted_at: now.millis(),
                tried_since: now.millis(),
                attempts: 0,
                refusals: 0,
                tried_at: None,
                status: None,
                why: None,
            },
        }
    }

    /// Keeps it back.
    pub(crate) fn hold(&mut self) {
        HELD.clone_into(&mut self.result);
        self.due_at = Some(NEVER);
    }

    pub(crate) fn is_held(&self) -> bool {
        self.result == HELD
    }

    /// Whether its receiver never got it, because it was kept.
    pub(crate) fn is_untold(&self) -> bool {
        self.result == HELD || self.result == WITHDRAWN
    }

    /// Settles it without telling anybody.
    pub(crate) fn withdraw(&mut self, now: Time) {
        WITHDRAWN.clone_into(&mut self.result);
        self.due_at = None;
        self.updated_at = now;
    }

    /// Whether both go to the same receiver.
    pub(crate) fn goes_where(&self, other: &Self) -> bool {
        (&self.body.receiver, &self.body.url) == (&other.body.receiver, &other.body.url)
    }

    /// When it is tried next; nothing while it is held, and once it is settled.
    pub fn next_try_at(&self) -> Option<Time> {
        self.due_at.filter(|at| *at < NEVER)
    }

    /// Reads a row; nothing where it cannot be read.
    pub(crate) fn read(row: &DeliveryRow) -> Option<Self> {
        Some(Self {
            key: row.key,
            closure: row.closure,
            organisation: row.organisation.clone(),
            lane: row.lane.clone(),
            result: row.result.clone(),
            due_at: row.due_at.map(Time::from_millis),
            updated_at: Time::from_millis(row.updated_at),
            body: serde_json::from_slice(&row.body).ok()?,
        })
    }

    pub(crate) fn row(&self) -> DeliveryRow {
        DeliveryRow {
            key: self.key,
            closure: self.closure,
            organisation: self.organisation.clone(),
            lane: self.lane.clone(),
            result: self.result.clone(),
            due_at: self.due_at.map(Time::millis),
            updated_at: self.updated_at.millis(),
            body: serde_json::to_vec(&self.body).expect("a body has no key that is not a text").into(),
        }
    }

    /// Counts a try, and answers what was tried up to now.
    pub(crate) fn count(&mut self, outcome: &Outcome) -> Tries {
        let body = &mut self.body;
        body.attempts = body.attempts.saturating_add(1);
        body.refusals = if outcome.refusal().is_some() { body.refusals.saturating_add(1) } else { 0 };
        Tries { all: body.attempts, refused: body.refusals, since: Time::from_millis(body.tried_since) }
    }

    /// Notes what came of a try, and what becomes of the delivery.
    pub(crate) fn tried(&mut self, outcome: Outcome, fate: Fate, now: Time) {
        self.updated_at = now;
        self.body.tried_at = Some(now.millis());
        let refusal = outcome.refusal().map(str::to_owned);
        (self.body.status, self.body.why) = match outcome {
            Outcome::Answered { status, .. } => (Some(status), refusal),
            Outcome::NoAnswer(why) => (None, Some(why.to_owned())),
            Outcome::NotSent(why) => (None, Some(why)),
        };
        (self.result, self.due_at) = match fate {
            Fate::Delivered => (DELIVERED.to_owned(), None),
            Fate::Gone => (GONE.to_owned(), None),
            Fate::Failed => (FAILED.to_owned(), None),
            Fate::Again(at) => (WAITING.to_owned(), Some(at)),
            Fate::GivenUp => (GIVEN_UP.to_owned(), None),
            Fate::Refused => (REFUSED.to_owned(), None),
        };
    }

    /// Begins the tries anew.
    pub(crate) fn begin_again(&mut self, now: Time) {
        WAITING.clone_into(&mut self.result);
        self.due_at = Some(now);
        self.updated_at = now;
        self.body.tried_since = now.millis();
        self.body.attempts = 0;
        self.body.refusals = 0;
    }

    /// The host, with its port where that is not the scheme's own.
    pub fn host(&self) -> &str {
        self.lane.split_once(' ').map_or(self.lane.as_str(), |(host, _)| host)
    }

    /// What may be shown of where it goes. What stands in a query, or in the URL of a configured receiver, may be a secret.
    pub fn shown_url(&self) -> String {
        match self.body.url.as_deref().and_then(|url| url::Url::parse(url).ok()) {
            Some(mut url) => {
                url.set_query(None);
                url.into()
            }
            None => format!("//{}/", self.host()),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference to the field")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A word for the metrics: how a try ended.
pub(crate) const fn counted(fate: Fate) -> &'static str {
    match fate {
        Fate::Delivered => DELIVERED,
        Fate::Gone => GONE,
        Fate::Failed => FAILED,
        Fate::Again(_) => "retry",
        Fate::GivenUp => GIVEN_UP,
        Fate::Refused => REFUSED,
    }
}
