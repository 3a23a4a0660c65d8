//! The journal: one line per transition, with the evidence for it.

use closure_machine::{
    Act, Announcement, BlockReason, Closure, Event, Findings, Reply, Request, Step, Target, What,
    WrapperClose,
};
use genesys_types::{LegState, Purpose, Snapshot, Time};
use serde::{Deserialize, Serialize};
use store::{ClosureKey, Line};
use uuid::Uuid;

use crate::{
    batch_id, closure_id,
    handling::{Note, Word},
    names,
    record::Record,
    remote::{CallFacts, Remote},
};

/// One line as it is stored and shown. Field names never change.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The state before; `None` at acceptance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The state after.
    pub to: String,
    /// Why the path is not the happy one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The call that was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<Answered>,
    /// The event that arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<HeardLine>,
    /// What an operator did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<OperatorLine>,
    /// The call that is made because of this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asks: Option<Asks>,
    /// What is told to the outside because of this.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub announces: Vec<String>,
    /// The closure that is opened because the guest came back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub followed_by: Option<String>,
    /// When the closure wakes next, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake_at: Option<i64>,
}

/// The answer to a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answered {
    /// The call's number.
    pub call: u32,
    /// What was asked.
    pub request: String,
    /// What came of it.
    pub reply: String,
    /// The HTTP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Genesys' error code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Genesys' words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What Genesys' support asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// The permission that is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_permission: Option<String>,
    /// How long it took, in milliseconds.
    #[serde(default)]
    pub took_ms: u64,
    /// What a read showed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saw: Option<Seen>,
    /// What a lookup found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Vec<Fitting>>,
}

/// A conversation that a lookup found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fitting {
    /// The conversation.
    pub conversation: String,
    /// When it began, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<i64>,
    /// Its queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
}

/// What a read or an event showed of the conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// Whether the conversation has ended.
    pub ended: bool,
    /// Its legs, as `purpose state`.
    pub legs: Vec<String>,
}

/// An event that arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeardLine {
    /// The kind of evidence.
    pub kind: String,
    /// The adapter.
    pub adapter: String,
    /// The type of the event.
    pub event_type: String,
    /// The id of the event.
    pub event_id: String,
    /// When it happened, in milliseconds since 1970.
    pub occurred_at: i64,
    /// The participant it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub participant: Option<String>,
    /// The communication it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub communication: Option<String>,
    /// The conversation as it showed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saw: Option<Seen>,
}

/// What an operator did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OperatorLine {
    /// What.
    pub act: String,
    /// Who: the name of the key.
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Until when a snooze lasts, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
    /// Whose claim it takes over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_over_from: Option<String>,
    /// The batch that the act is a row of, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<String>,
}

/// A call that is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Asks {
    /// Its number.
    pub call: u32,
    /// What is asked.
    pub request: String,
    /// The participant it concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub participant: Option<String>,
    /// The verb and path, as far as the id of the conversation.
    pub http: String,
}

/// What brought a transition about, beside the event itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cause {
    pub(crate) facts: Option<CallFacts>,
    pub(crate) adapter: Option<AdapterFacts>,
    pub(crate) operator: Option<(String, Option<String>)>,
    /// The batch that the act is a row of.
    pub(crate) batch: Option<Uuid>,
    /// What the operator says, where the act is to say something.
    pub(crate) note: Option<Note>,
    /// The key for a closure that is opened if the guest turns out to have come back.
    pub(crate) followed_by: Option<ClosureKey>,
}

impl Cause {
    /// The claim of somebody else, where the operator claims the ghost too.
    pub(crate) fn other_claim<'a>(&self, record: &'a Record) -> Option<&'a Word> {
        let (Some(Note::Claim { .. }), Some((by, _))) = (&self.note, &self.operator) else { return None };
        record.handling.as_ref()?.held_by_another(by)
    }

    /// The same, where it hinders the operator, who does not mean to take it over.
    pub(crate) fn hindering_claim<'a>(&self, record: &'a Record) -> Option<&'a Word> {
        let takes_over = matches!(self.note, Some(Note::Claim { take_over: true }));
        self.other_claim(record).filter(|_| !takes_over)
    }
}

/// Where an event came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AdapterFacts {
    pub(crate) adapter: String,
    pub(crate) event_type: String,
    pub(crate) event_id: String,
}

/// Everything that a line is made of.
pub(crate) struct Happening<'a> {
    pub(crate) before: Option<&'a Closure>,
    pub(crate) event: Option<&'a Event>,
    pub(crate) next: &'a Closure,
    pub(crate) asks: Option<closure_machine::Call>,
    pub(crate) announces: &'a [Announcement],
    pub(crate) cause: &'a Cause,
    /// The closure that is opened because of this.
    pub(crate) followed_by: Option<ClosureKey>,
    pub(crate) now: Time,
    /// Whose claim an operator takes over.
    pub(crate) taken_over_from: Option<String>,
    /// Where the call is made, as far as that is known.
    pub(crate) remote: Option<&'a dyn Remote>,
}

impl Happening<'_> {
    /// The line. Of several announcements it carries the last one in the outbox; all stand in its body.
    pub(crate) fn line(&self) -> Line {
        let entry = self.entry();
        let body = serde_json::to_vec(&entry).expect("an entry has no key that is not a text");
        let told = self.announces.last().map(|last| names::announcement(*last).to_owned());
        Line {
            sequence: self.next.sequence,
            at: self.now.millis(),
            kind: self.kind().to_owned(),
            announcement: told,
            body: body.into(),
        }
    }

    fn kind(&self) -> &'static str {
        match self.event {
            None => "accepted",
            Some(Event::Woke) => "woke",
            Some(Event::Replied { .. }) => "replied",
            Some(Event::Heard(_)) => "heard",
            // Nobody acts when the time of a snooze is over.
            Some(Event::Act(Act::Note)) if self.cause.note.is_none() => "snooze_over",
            Some(Event::Act(_)) => "acted",
            Some(Event::Missed) => "missed",
        }
    }

    fn entry(&self) -> Entry {
        Entry {
            from: self.before.map(|before| names::state(before).to_owned()),
            to: names::state(self.next).to_owned(),
            reason: names::reason(self.next).map(str::to_owned),
            answered: self.answered(),
            heard: self.heard(),
            operator: self.operator(),
            asks: self.asks.map(|call| asks(call, self.next, self.remote)),
            announces: self.announces.iter().map(|told| names::announcement(*told).to_owned()).collect(),
            followed_by: self.followed_by.map(closure_id),
            wake_at: self.next.wake_at().map(Time::millis),
        }
    }

    fn answered(&self) -> Option<Answered> {
        let Some(Event::Replied { call, reply }) = self.event else { return None };
        let facts = self.cause.facts.clone().unwrap_or_default();
        let request = self.before.and_then(|before| match before.turn {
            closure_machine::Turn::InFlight { request, .. } => Some(request),
            closure_machine::Turn::Due { .. } | closure_machine::Turn::Over => None,
        });
        Some(Answered {
            call: call.0,
            request: request.as_ref().map_or("read", names::request).to_owned(),
            reply: names::reply(reply).to_owned(),
            status: facts.status,
            code: facts.code,
            message: facts.message,
            correlation_id: facts.correlation_id,
            missing_permission: missing_permission(&self.next.step),
            took_ms: facts.took_ms,
            saw: match reply {
                Reply::Saw(snapshot) | Reply::Accepted(Some(snapshot)) => Some(seen(snapshot)),
                Reply::LookedUp(_)
                | Reply::Accepted(None)
                | Reply::NotFound
                | Reply::Conflict
                | Reply::WrapUpRequired
                | Reply::NoWrapUpCode
                | Reply::Rejected
                | Reply::Forbidden(_)
                | Reply::Unauthenticated
                | Reply::RateLimited(_)
                | Reply::NotSent
                | Reply::Failed
                | Reply::Unknown => None,
            },
            found: found(reply),
        })
    }

    fn heard(&self) -> Option<HeardLine> {
        let Some(Event::Heard(heard)) = self.event else { return None };
        let adapter = self.cause.adapter.clone()?;
        let (participant, communication, saw) = match &heard.what {
            What::GuestLeft { participant, communication }
            | What::GuestCame { participant, communication } => {
                (participant.map(|id| id.to_string()), communication.map(|id| id.to_string()), None)
            }
            What::Conversation(snapshot) => (None, None, Some(seen(snapshot))),
        };
        Some(HeardLine {
            kind: names::proof_source(heard.source).to_owned(),
            adapter: adapter.adapter,
            event_type: adapter.event_type,
            event_id: adapter.event_id,
            occurred_at: heard.occurred_at.millis(),
            participant,
            communication,
            saw,
        })
    }

    fn operator(&self) -> Option<OperatorLine> {
        let Some(Event::Act(act)) = self.event else { return None };
        let (by, reason) = self.cause.operator.clone()?;
        let note = self.cause.note.as_ref();
        let act = note.map_or_else(|| names::act(*act), Note::name).to_owned();
        let until = note.and_then(Note::until).map(Time::millis);
        let batch = self.cause.batch.map(batch_id);
        Some(OperatorLine { act, by, reason, until, taken_over_from: self.taken_over_from.clone(), batch })
    }
}

fn found(reply: &Reply) -> Option<Vec<Fitting>> {
    let candidates = match reply {
        Reply::LookedUp(Findings::Open(candidates)) => candidates.as_slice(),
        Reply::LookedUp(Findings::Taken(candidate, _)) => std::slice::from_ref(candidate),
        Reply::Saw(_)
        | Reply::Accepted(_)
        | Reply::NotFound
        | Reply::Conflict
        | Reply::WrapUpRequired
        | Reply::NoWrapUpCode
        | Reply::Rejected
        | Reply::Forbidden(_)
        | Reply::Unauthenticated
        | Reply::RateLimited(_)
        | Reply::NotSent
        | Reply::Failed
        | Reply::Unknown => return None,
    };
    let fitting = |candidate: &closure_machine::Candidate| Fitting {
        conversation: candidate.conversation.to_string(),
        started_at: candidate.started_at.map(Time::millis),
        queue: candidate.queue.map(|queue| queue.to_string()),
    };
    Some(candidates.iter().map(fitting).collect())
}

fn missing_permission(step: &Step) -> Option<String> {
    let Step::Blocked(block) = step else { return None };
    match &block.why {
        BlockReason::Permission(missing) => missing.as_deref().map(str::to_owned),
        BlockReason::Credential => None,
    }
}

pub(crate) fn seen(snapshot: &Snapshot) -> Seen {
    let leg = |leg: &genesys_types::Leg| {
        let purpose = match leg.purpose {
            Purpose::Customer => "customer",
            Purpose::Agent => "agent",
            Purpose::Acd => "acd",
            Purpose::Flow => "flow",
            Purpose::Other => "other",
        };
        let state = match leg.state {
            LegState::Alerting => "alerting",
            LegState::Connected => "connected",
            LegState::Parked => "parked",
            LegState::Disconnected => "disconnected",
            LegState::Other => "other",
        };
        format!("{purpose} {state}")
    };
    Seen { ended: snapshot.ended_at.is_some(), legs: snapshot.legs.iter().map(leg).collect() }
}

/// A call as the remote side makes it.
pub(crate) fn asks(call: closure_machine::Call, closure: &Closure, remote: Option<&dyn Remote>) -> Asks {
    let shown =
        remote.and_then(|remote| match (call.request, closure.conversation, closure.sought.as_deref()) {
            (Request::LookUp, _, Some(sought)) => remote.shows_look_up(&sought.target),
            (request, Some(conversation), _) => remote.shows(conversation, request),
            (_, None, _) => None,
        });
    // Without a conversation nothing but a lookup is asked.
    let conversation = closure.conversation.map(|conversation| conversation.to_string()).unwrap_or_default();
    let (participant, http) = match call.request {
        Request::LookUp => {
            let path = match closure.sought.as_deref().map(|sought| &sought.target) {
                Some(Target::Attribute { .. }) => "conversations/participants/attributes/search",
                Some(Target::ExternalId(_)) | None => "analytics/conversations/details/query",
            };
            (None, format!("POST /api/v2/{path}"))
        }
        Request::Read => (None, format!("GET /api/v2/conversations/{conversation}")),
        Request::CloseParticipant(participant) => (
            Some(participant.to_string()),
            format!("PATCH /api/v2/conversations/messages/{conversation}/participants/{participant}"),
        ),
        Request::CloseWrapper(WrapperClose::Patch) => {
            (None, format!("PATCH /api/v2/conversations/messages/{conversation}"))
        }
        Request::CloseWrapper(WrapperClose::Delete) => {
            (None, format!("DELETE /api/v2/conversations/{conversation}"))
        }
        Request::GiveWrapUp { participant, .. } => (
            Some(participant.to_string()),
            format!("POST /api/v2/conversations/messages/{conversation}/participants/{participant}/…/wrapup"),
        ),
        Request::Disconnect => (None, format!("POST /api/v2/conversations/{conversation}/disconnect")),
    };
    let http = shown.unwrap_or(http);
    Asks { call: call.id.0, request: names::request(&call.request).to_owned(), participant, http }
}

#[cfg(test)]
mod tests {
    use super::Entry;

    #[test]
    fn a_line_from_before_batches_were_named_is_read_and_stays_as_it_is() {
        let old =
            r#"{"from":"ghost","to":"resolved","operator":{"act":"resolve","by":"ann","reason":"seen"}}"#;
        let entry: Entry = serde_json::from_str(old).unwrap();
        assert_eq!(entry.operator.as_ref().unwrap().batch, None);
        assert_eq!(serde_json::to_string(&entry).unwrap(), old);
    }
}
