//! The stored form of a record. Names here never change; a field that is gone stays readable, a new one has a default.

mod handling;
mod known;
mod life;
mod sought;

use std::{str::FromStr, sync::Arc};

use closure_machine::{Closure, Ghost, GuestLeg, GuestReturn, Proof};
use genesys_types::{CommunicationId, ConversationId, Organisation, ParticipantId, QueueId, Time, UserId};
use serde::{Deserialize, Serialize};
use store::Row;
use uuid::Uuid;

use self::{
    handling::StoredHandling,
    known::{StoredConfirmedBy, StoredLeg, StoredOverrides, StoredProof, StoredReturn, StoredWrapUp},
    life::{StoredGhost, StoredStep, StoredTurn},
    sought::StoredSought,
};
use crate::{
    further_ids,
    record::{Callback, Overrides, Record, ReplyTo, Said},
    trace_parent::TraceParent,
};

/// The only form so far. A reader refuses a larger number in plain words.
const FORM: u8 = 1;

/// Writes the two directions between an enum of the machine and its stored form.
macro_rules! same_names {
    ($ours:ty, $stored:ty { $($name:ident => $stored_name:ident),+ $(,)? }) => {
        impl From<$ours> for $stored {
            fn from(value: $ours) -> Self {
                match value { $(<$ours>::$name => Self::$stored_name),+ }
            }
        }
        impl From<$stored> for $ours {
            fn from(value: $stored) -> Self {
                match value { $(<$stored>::$stored_name => Self::$name),+ }
            }
        }
    };
}

pub(crate) use same_names;

#[derive(Serialize, Deserialize)]
struct StoredRecord {
    form: u8,
    step: StoredStep,
    turn: StoredTurn,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    named: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sought: Option<StoredSought>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    guests: Vec<StoredLeg>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended: Option<StoredProof>,
    #[serde(default, skip_serializing_if = "is_default")]
    wrap_up: StoredWrapUp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agent: Option<(Uuid, Option<Uuid>, Option<Uuid>)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agent_queue: Option<Uuid>,
    #[serde(default, skip_serializing_if = "is_default")]
    calls: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first_asked_at: Option<i64>,
    #[serde(default, skip_serializing_if = "is_default")]
    rounds: u8,
    #[serde(default, skip_serializing_if = "is_default")]
    refused: u8,
    #[serde(default, skip_serializing_if = "is_default")]
    faults: u8,
    #[serde(default, skip_serializing_if = "is_default")]
    wrapper_asks: u8,
    #[serde(default, skip_serializing_if = "is_default")]
    wrapper_accepted: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    wrap_up_tried: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    forced: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    doubtful: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    still_there_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    missed_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    haunted: Option<StoredGhost>,
    #[serde(default, skip_serializing_if = "is_default")]
    following: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    follows: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    returned: Option<StoredReturn>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    followed_by: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    confirmed_by: Option<StoredConfirmedBy>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    participant_closed_at: Option<i64>,
    #[serde(default, skip_serializing_if = "is_default")]
    further_requests: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    handling: Option<StoredHandling>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seen_in: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlations: Option<Box<[String]>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    overrides: Option<StoredOverrides>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    callback: Option<(String, Vec<String>)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reply: Option<StoredReplyTo>,
    /// As `traceparent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredReplyTo {
    address: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlation: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
}

impl From<StoredReplyTo> for ReplyTo {
    fn from(stored: StoredReplyTo) -> Self {
        Self { address: stored.address, correlation: stored.correlation, trace: stored.trace }
    }
}

impl From<&ReplyTo> for StoredReplyTo {
    fn from(reply: &ReplyTo) -> Self {
        let ReplyTo { address, correlation, trace } = reply.clone();
        Self { address, correlation, trace }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Writes a record. The columns of the row are not repeated.
pub(crate) fn write(record: &Record) -> Vec<u8> {
    serde_json::to_vec(&StoredRecord::from(record)).expect("a record has no key that is not a text")
}

/// Reads a row.
pub(crate) fn read(row: &Row) -> Result<Record, String> {
    let stored: StoredRecord = serde_json::from_slice(&row.body).map_err(|error| error.to_string())?;
    if stored.form > FORM {
        return Err(format!("it is of form {} and this program reads forms up to {FORM}", stored.form));
    }
    if row.conversation.is_none() && stored.sought.is_none() {
        return Err("it names neither a conversation nor a target".to_owned());
    }
    let organisation = Organisation::from_str(&row.organisation).map_err(|error| error.to_string())?;
    let time = Time::from_millis;
    let said = Said {
        reason: stored.reason,
        overrides: stored.overrides.map(Overrides::from).unwrap_or_default(),
        labels: further_ids::without(&row.labels),
        callback: stored.callback.map(|(url, on)| Callback { url, on }),
        reply: stored.reply.map(ReplyTo::from),
        trace: stored.trace.as_deref().and_then(TraceParent::parse),
    };
    let closure = Closure {
        sequence: row.version,
        accepted_at: time(row.created_at),
        conversation: row.conversation.map(ConversationId::from_uuid),
        sought: stored.sought.map(|sought| Box::new(sought.into())),
        named: stored.named.map(ParticipantId::from_uuid),
        step: stored.step.into(),
        turn: stored.turn.into(),
        guests: stored.guests.into_iter().map(GuestLeg::from).collect(),
        ended: stored.ended.map(Proof::from),
        wrap_up: stored.wrap_up.into(),
        agent: stored.agent.map(|(participant, communication, user)| {
            (
                ParticipantId::from_uuid(participant),
                communication.map(CommunicationId::from_uuid),
                user.map(UserId::from_uuid),
            )
        }),
        agent_queue: stored.agent_queue.map(QueueId::from_uuid),
        calls: stored.calls,
        first_asked_at: stored.first_asked_at.map(time),
        rounds: stored.rounds,
        refused: stored.refused,
        faults: stored.faults,
        wrapper_asks: stored.wrapper_asks,
        wrapper_accepted: stored.wrapper_accepted,
        wrap_up_tried: stored.wrap_up_tried,
        forced: stored.forced,
        doubtful: stored.doubtful,
        still_there_at: stored.still_there_at.map(time),
        missed_at: stored.missed_at.map(time),
        haunted: stored.haunted.map(Ghost::from),
        follows: stored.following,
        returned: stored.returned.map(GuestReturn::from),
    };
    let record = Record {
        key: row.key,
        organisation,
        closure,
        said: (said != Said::default()).then(|| Box::new(said)),
        source: Arc::from(row.source.as_str()),
        updated_at: time(row.updated_at),
        confirmed_by: stored.confirmed_by.map(|confirmed| Box::new(confirmed.into())),
        participant_closed_at: stored.participant_closed_at.map(time),
        follows: stored.follows,
        followed_by: stored.followed_by,
        further_requests: stored.further_requests,
        handling: stored.handling.map(|handling| Box::new(handling.into())),
        seen_in: stored.seen_in.map(QueueId::from_uuid),
        correlations: stored.correlations,
    };
    // A snooze of before it woke anybody has the closure's own time.
    let wakes = [record.wake_at(), record.closure.wake_at()].map(|at| at.map(Time::millis));
    if !wakes.contains(&row.wake_at) || record.closure.has_ended() != row.ended {
        return Err("its columns contradict its state".to_owned());
    }
    Ok(record)
}

impl From<&Record> for StoredRecord {
    fn from(record: &Record) -> Self {
        let closure = &record.closure;
        let said = record.said.as_deref();
        Self {
            form: FORM,
            step: (&closure.step).into(),
            turn: (&closure.turn).into(),
            named: closure.named.map(ParticipantId::uuid),
            sought: closure.sought.as_deref().map(StoredSought::from),
            guests: closure.guests.iter().map(StoredLeg::from).collect(),
            ended: closure.ended.map(StoredProof::from),
            wrap_up: closure.wrap_up.into(),
            agent: closure.agent.map(|(participant, communication, user)| {
                (participant.uuid(), communication.map(CommunicationId::uuid), user.map(UserId::uuid))
            }),
            agent_queue: closure.agent_queue.map(QueueId::uuid),
            calls: closure.calls,
            first_asked_at: closure.first_asked_at.map(Time::millis),
            rounds: closure.rounds,
            refused: closure.refused,
            faults: closure.faults,
            wrapper_asks: closure.wrapper_asks,
            wrapper_accepted: closure.wrapper_accepted,
            wrap_up_tried: closure.wrap_up_tried,
            forced: closure.forced,
            doubtful: closure.doubtful,
            still_there_at: closure.still_there_at.map(Time::millis),
            missed_at: closure.missed_at.map(Time::millis),
            haunted: closure.haunted.map(StoredGhost::from),
            following: closure.follows,
            follows: record.follows,
            returned: closure.returned.map(StoredReturn::from),
            followed_by: record.followed_by,
            confirmed_by: record.confirmed_by.as_deref().map(StoredConfirmedBy::from),
            participant_closed_at: record.participant_closed_at.map(Time::millis),
            further_requests: record.further_requests,
            handling: record.handling.as_deref().map(StoredHandling::from),
            seen_in: record.seen_in.map(QueueId::uuid),
            correlations: record.correlations.clone(),
            reason: said.and_then(|said| said.reason.clone()),
            overrides: record.overrides().map(StoredOverrides::from),
            callback: said.and_then(|said| said.callback.as_ref()).map(|to| (to.url.clone(), to.on.clone())),
            reply: said.and_then(|said| said.reply.as_ref()).map(StoredReplyTo::from),
            trace: said.and_then(|said| said.trace).map(|trace| trace.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use closure_machine::{Command, Moment, Policy, Subject, accept};

    use super::*;
    use crate::handling::{Handling, Word};

    #[test]
    fn the_queue_of_the_agents_leg_is_kept_and_may_be_missing() {
        let command = Command {
            subject: Subject::Conversation(ConversationId::from_uuid(Uuid::from_u128(1))),
            participant: None,
            not_before: None,
            follows: 0,
        };
        let moment = Moment { now: Time::from_millis(1_000), may_call: true };
        for queue in [None, Some(QueueId::from_uuid(Uuid::from_u128(2)))] {
            let mut closure = accept(&command, &Policy::default(), moment).next;
            closure.agent = Some((ParticipantId::from_uuid(Uuid::from_u128(3)), None, None));
            closure.agent_queue = queue;
            let record = Record {
                key: Uuid::from_u128(4),
                organisation: "main".parse().unwrap(),
                closure,
                said: None,
                source: Arc::from("http"),
                updated_at: moment.now,
                confirmed_by: None,
                participant_closed_at: None,
                follows: None,
                followed_by: None,
                further_requests: queue.map_or(0, |_| 39),
                seen_in: queue,
                correlations: None,
                handling: queue.map(|_| {
                    let word = Word { by: "ops".to_owned(), at: moment.now, text: Some("seen".to_owned()) };
                    Box::new(Handling {
                        claimed: Some(word.clone()),
                        snoozed: Some((moment.now, word)),
                        comment: None,
                    })
                }),
            };
            let row = record.row();
            for name in ["agent_queue", "handling", "seen_in"] {
                assert_eq!(String::from_utf8_lossy(&row.body).contains(name), queue.is_some());
            }
            assert_eq!(Record::from_row(&row), Ok(record));
        }
    }

    #[test]
    fn where_to_publish_the_ending_and_the_producers_trace_are_kept() {
        let command = Command {
            subject: Subject::Conversation(ConversationId::from_uuid(Uuid::from_u128(1))),
            participant: None,
            not_before: None,
            follows: 0,
        };
        let moment = Moment { now: Time::from_millis(1_000), may_call: true };
        let reply = |correlation: Option<&str>| ReplyTo {
            address: "closures.replies.7".to_owned(),
            correlation: correlation.map(str::to_owned),
            trace: None,
        };
        let trace = TraceParent::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        for (reply, trace) in
            [(None, trace), (Some(reply(None)), None), (Some(reply(Some("order-8812"))), trace)]
        {
            let said =
                Said { reason: Some("done".to_owned()), reply: reply.clone(), trace, ..Said::default() };
            let record = Record {
                key: Uuid::from_u128(4),
                organisation: "main".parse().unwrap(),
                closure: accept(&command, &Policy::default(), moment).next,
                said: Some(Box::new(said)),
                source: Arc::from("orders"),
                updated_at: moment.now,
                confirmed_by: None,
                participant_closed_at: None,
                follows: None,
                followed_by: None,
                further_requests: 0,
                handling: None,
                seen_in: None,
                correlations: None,
            };
            let row = record.row();
            assert_eq!(String::from_utf8_lossy(&row.body).contains("reply"), reply.is_some());
            assert_eq!(String::from_utf8_lossy(&row.body).contains("0af76519"), trace.is_some());
            assert_eq!(Record::from_row(&row), Ok(record));
        }
    }
}
