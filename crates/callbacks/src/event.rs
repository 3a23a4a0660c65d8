//! What is told: a CloudEvent of a closure, or one line for a chat.

use genesys_types::Time;
use orchestrator::{Entry, Record, closure_id, names};
use serde_json::{Map, Value, json};
use store::{Millis, PlacedLine};

use crate::{
    advice::Hint,
    place::EventPlace,
    wish::{USUAL, wants},
};

/// An event as whoever publishes it elsewhere than by HTTP needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// Its id, the same by every way and at every try: its place, written.
    pub id: String,
    /// Where it stands in the outbox.
    pub place: EventPlace,
    /// Its type.
    pub event_type: String,
    /// The event in the structured mode of CloudEvents 1.0, as JSON on one line.
    pub event: String,
}

/// The events of a journal line that are told to whoever does not say what it wants to know: every end, and ghosts. A line that
/// cannot be read tells nothing. Without a `public_url` its links are paths.
pub fn usual_events(record: &Record, placed: &PlacedLine, public_url: Option<&str>) -> Vec<Announced> {
    announced(record, placed, public_url, |event| wants(USUAL, event))
}

/// Every event of a journal line, in order. A line that cannot be read tells nothing. Without a `public_url` its links are paths.
pub fn every_event(record: &Record, placed: &PlacedLine, public_url: Option<&str>) -> Vec<Announced> {
    announced(record, placed, public_url, |_| true)
}

fn announced(
    record: &Record,
    placed: &PlacedLine,
    public_url: Option<&str>,
    wanted: impl Fn(&str) -> bool,
) -> Vec<Announced> {
    let Ok(entry) = serde_json::from_slice::<Entry>(&placed.line.body) else { return Vec::new() };
    let told = |(index, event): (usize, &String)| {
        let told = Told { record, entry: &entry, placed, event, index, public_url };
        wanted(event).then(|| Announced {
            id: told.id(),
            place: told.place(),
            event_type: event.clone(),
            event: told.cloud_event().to_string(),
        })
    };
    entry.announces.iter().enumerate().filter_map(told).collect()
}

/// One event of one closure, as its journal line told it.
#[derive(Debug)]
pub(crate) struct Told<'a> {
    pub(crate) record: &'a Record,
    pub(crate) entry: &'a Entry,
    pub(crate) placed: &'a PlacedLine,
    /// The type of event (interfaces §7).
    pub(crate) event: &'a str,
    /// Which of the line's events it is.
    pub(crate) index: usize,
    /// Where people reach this service, if that is known: no slash at its end.
    pub(crate) public_url: Option<&'a str>,
}

impl Told<'_> {
    /// The event's id, the same for every receiver and every try.
    pub(crate) fn id(&self) -> String {
        self.place().to_string()
    }

    fn place(&self) -> EventPlace {
        let position = self.placed.position;
        if self.index + 1 == self.entry.announces.len() {
            EventPlace::end_of(position)
        } else {
            EventPlace { position, index: self.index }
        }
    }

    /// The event in the structured mode of CloudEvents 1.0.
    pub(crate) fn cloud_event(&self) -> Value {
        let mut event = json!({
            "specversion": "1.0",
            "id": self.id(),
            "source": format!("/closeout/{}", self.record.organisation),
            "type": self.event,
            "time": stamp(self.placed.line.at),
            "datacontenttype": "application/json",
            "data": self.data(),
        });
        if let Some(conversation) = self.record.closure.conversation {
            event["subject"] = Value::from(conversation.to_string());
        }
        event
    }

    /// The closure as it stood after the line: state and reason are the line's own, as the closure may have gone on.
    fn data(&self) -> Value {
        let Told { record, entry, placed, .. } = self;
        let said = record.said.as_ref();
        let labels: Map<String, Value> = said
            .map(|said| {
                said.labels.iter().map(|(name, value)| (name.clone(), Value::from(value.clone()))).collect()
            })
            .unwrap_or_default();
        json!({
            "id": closure_id(record.key),
            "organisation": record.organisation.as_str(),
            "conversationId": record.closure.conversation.map(|id| id.to_string()),
            "participantId": record.participant().map(|id| id.to_string()),
            "sequence": placed.line.sequence,
            "state": entry.to,
            "reason": entry.reason,
            "confirmedBy": self.confirmed_by(),
            "requestReason": said.and_then(|said| said.reason.clone()),
            "labels": labels,
            "links": {
                "self": self.link(""),
                "timeline": self.link("/timeline"),
                "explain": self.link("/explain"),
            },
        })
    }

    /// What proved that the guest is gone, where that was known when the line was written.
    fn confirmed_by(&self) -> Value {
        let known = |at: Time| at.millis() <= self.placed.line.at;
        match self.record.confirmed_by.as_deref().filter(|proof| known(proof.at)) {
            Some(proof) => json!({
                "kind": names::proof_source(proof.kind),
                "adapter": proof.adapter,
                "eventType": proof.event_type,
                "eventId": proof.event_id,
                "receivedAt": stamp(proof.at.millis()),
            }),
            None => Value::Null,
        }
    }

    /// One line in plain words, with what can be done, in the JSON that incoming webhooks of Slack and of Teams both take.
    pub(crate) fn chat(&self, hint: &Hint) -> Value {
        let conversation = self.record.closure.conversation.map_or_else(
            || "a conversation that is still looked up".to_owned(),
            |id| format!("conversation {id}"),
        );
        let reason = self.entry.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        let Hint { first, page } = hint;
        let sentences = [
            Some(format!(
                "{}: {conversation} of {}{reason}.",
                in_words(self.event),
                self.record.organisation
            )),
            first.clone(),
            page.as_ref().map(|page| format!("At Genesys: {page}")),
            Some(self.more()),
        ];
        json!({ "text": sentences.into_iter().flatten().collect::<Vec<_>>().join(" ") })
    }

    /// Where a person finds the rest. A path alone leads nowhere from a chat.
    fn more(&self) -> String {
        match self.public_url {
            Some(_) => self.link("/explain"),
            None => format!("`closeout explain {}`", closure_id(self.record.key)),
        }
    }

    fn link(&self, rest: &str) -> String {
        format!("{}/v1/closures/{}{rest}", self.public_url.unwrap_or_default(), closure_id(self.record.key))
    }
}

/// An event in plain words; its type where this version knows none.
fn in_words(event: &str) -> &str {
    match event {
        "closeout.closure.accepted.v1" => "Closure accepted",
        "closeout.closure.participant-closed.v1" => "The guest's close was taken",
        "closeout.closure.confirmed.v1" => "The guest is proven to be gone",
        "closeout.closure.closed.v1" => "Closed",
        "closeout.closure.already-closed.v1" => "Had ended already",
        "closeout.closure.blocked.v1" => "Blocked: Genesys refuses the credential or a permission",
        "closeout.closure.ghost-detected.v1" => "Ghost: not proven to be closed",
        "closeout.closure.ghost-cleared.v1" => "No ghost any more",
        "closeout.closure.failed.v1" => "Failed to close",
        "closeout.closure.cancelled.v1" => "Closure called off",
        "closeout.closure.resolved.v1" => "Settled by an operator",
        "closeout.closure.guest-returned.v1" => "The guest came back after the end",
        other => other,
    }
}

/// RFC 3339 in UTC, with milliseconds.
pub(crate) fn stamp(millis: Millis) -> String {
    let at = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{at:.3}")
}
