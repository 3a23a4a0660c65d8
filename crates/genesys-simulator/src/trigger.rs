//! Events on demand: genuine, forged, replayed, or about a conversation of somebody else.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::calls::claimed_end;
use crate::conversation::{Happening, Purpose, What};
use crate::events::{Event, Topic, event_id};
use crate::journal::{JournalKind, Note};
use crate::relay::{Adapter, Delivery, Outcome};
use crate::signing::Authenticity;
use crate::world::World;

/// What kind of event to send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TriggerKind {
    /// Properly signed, whether or not what it says has happened.
    #[default]
    Genuine,
    /// Signed with a key that the receiver does not hold.
    Forged,
    /// Sent without a signature.
    Unsigned,
    /// Changed after it was signed.
    Altered,
    /// The newest genuine event of the conversation once more, byte for byte.
    Replayed,
    /// Properly signed, about a conversation that does not exist here.
    Foreign,
}

/// An event on demand.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Trigger {
    /// The conversation concerned; needed for everything but `foreign`.
    pub conversation_id: Option<Uuid>,
    /// The participant concerned; the first guest when absent.
    pub participant_id: Option<Uuid>,
    /// The last part of the topic: `customer.end` (the default), `user.end`, `acd.end`, `wrapup`, `acw` or
    /// `conversations.messages`. Which one is sent follows from the participant's purpose; a contradiction is refused.
    pub event: Option<String>,
    /// What kind of event to send.
    pub kind: TriggerKind,
    /// The name of the one adapter to use; all of them when absent.
    pub adapter: Option<String>,
}

/// What an adapter's receiver answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TriggerResult {
    /// The adapter's name.
    pub adapter: String,
    /// The status that was answered; absent when there was no answer or nothing could be sent.
    pub status: Option<u16>,
    /// Why there is no status.
    pub error: Option<String>,
}

/// Why nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CannotTrigger {
    /// There is no such conversation.
    NoConversation,
    /// The conversation has no such participant, or no guest.
    NoParticipant,
    /// There is no such event, or it does not go with the participant.
    NoEvent,
    /// Nothing was sent yet that could be replayed.
    NothingToReplay,
}

impl std::fmt::Display for CannotTrigger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoConversation => "there is no such conversation",
            Self::NoParticipant => "the conversation has no such participant",
            Self::NoEvent => "there is no such event for this participant",
            Self::NothingToReplay => "no event of this conversation was sent yet",
        })
    }
}

impl std::error::Error for CannotTrigger {}

impl World {
    /// Sends an event once to each adapter and answers what the receivers said.
    pub(crate) async fn trigger(
        self: &Arc<Self>,
        wanted: &Trigger,
    ) -> Result<Vec<TriggerResult>, CannotTrigger> {
        let adapters: Vec<Arc<Adapter>> = self
            .relay
            .adapters()
            .iter()
            .filter(|adapter| wanted.adapter.as_deref().is_none_or(|name| adapter.config.name == name))
            .cloned()
            .collect();
        if wanted.kind == TriggerKind::Replayed {
            return self.replay(wanted, &adapters).await;
        }
        let event = Arc::new(self.event_on_demand(wanted)?);
        let authenticity = match wanted.kind {
            TriggerKind::Genuine | TriggerKind::Foreign | TriggerKind::Replayed => Authenticity::Genuine,
            TriggerKind::Forged => Authenticity::WrongKey,
            TriggerKind::Unsigned => Authenticity::Unsigned,
            TriggerKind::Altered => Authenticity::Altered,
        };
        let mut results = Vec::new();
        for adapter in adapters {
            let name = adapter.config.name.clone();
            let (done, arrived) = tokio::sync::oneshot::channel();
            let delivery = Delivery {
                event: Arc::clone(&event),
                adapter,
                authenticity,
                // The last try: an event on demand is sent once.
                attempt: self.config.delivery_attempts,
                fault: Some("on demand"),
                done: Some(done),
                followed_by: None,
            };
            Arc::clone(self).deliver(delivery).await;
            results.push(result(name, arrived.await.unwrap_or(Outcome::NotExpressible)));
        }
        Ok(results)
    }

    async fn replay(
        &self,
        wanted: &Trigger,
        adapters: &[Arc<Adapter>],
    ) -> Result<Vec<TriggerResult>, CannotTrigger> {
        let conversation = wanted.conversation_id.ok_or(CannotTrigger::NoConversation)?;
        let mut results = Vec::new();
        for adapter in adapters {
            let name = &adapter.config.name;
            if let Some(sent) = self.relay.newest_sent(conversation, Some(name)) {
                let outcome = self.relay.post(sent).await;
                self.tally().deliveries += 1;
                let what = "the newest event once more, byte for byte";
                let mut note = Note::new(JournalKind::Delivery, Some(conversation), what);
                note.status = outcome.status();
                self.note(note.fault(Some("on demand")).detail(format!("to {name}")));
                results.push(result(name.clone(), outcome));
            }
        }
        if results.is_empty() { Err(CannotTrigger::NothingToReplay) } else { Ok(results) }
    }

    fn event_on_demand(&self, wanted: &Trigger) -> Result<Event, CannotTrigger> {
        let asked = match &wanted.event {
            Some(name) => Some(Topic::named(name).ok_or(CannotTrigger::NoEvent)?),
            None => None,
        };
        if wanted.kind == TriggerKind::Foreign {
            return self.foreign_event();
        }
        let id = wanted.conversation_id.ok_or(CannotTrigger::NoConversation)?;
        let mut talk = self.find(id).ok_or(CannotTrigger::NoConversation)?;
        let participant = match (wanted.participant_id, asked) {
            (Some(id), _) => talk.participant(id).ok_or(CannotTrigger::NoParticipant)?,
            (None, Some(Topic::UserEnd | Topic::WrapUp | Topic::AfterCallWork)) => {
                let mut agents = talk.participants.iter().filter(|p| p.purpose == Purpose::Agent);
                agents.next().ok_or(CannotTrigger::NoParticipant)?
            }
            (None, Some(Topic::AcdEnd)) => {
                let mut queues = talk.participants.iter().filter(|p| p.purpose == Purpose::Acd);
                queues.next().ok_or(CannotTrigger::NoParticipant)?
            }
            (None, Some(Topic::CustomerEnd | Topic::QueueConversation) | None) => {
                talk.guests().next().ok_or(CannotTrigger::NoParticipant)?
            }
        };
        let purpose = participant.purpose;
        let end = claimed_end(&talk, participant.id, self.clock.now()).ok_or(CannotTrigger::NoParticipant)?;
        let what = match asked {
            Some(Topic::QueueConversation) => What::LegConnected,
            Some(Topic::WrapUp) => What::WrapUpGiven,
            Some(Topic::AfterCallWork) => What::AfterCallWorkEnded,
            Some(Topic::CustomerEnd | Topic::UserEnd | Topic::AcdEnd) | None => end.what,
        };
        if asked.is_some_and(|asked| asked != Topic::of(what, purpose)) {
            return Err(CannotTrigger::NoEvent);
        }
        let event_id = event_id(self.seed(), id, talk.arise("event-id"));
        Ok(Event::of(&talk, Happening { what, ..end }, event_id))
    }

    /// Describes the end of a guest in a conversation that is made for the purpose and thrown away.
    fn foreign_event(&self) -> Result<Event, CannotTrigger> {
        let elsewhere = crate::population::NewConversation::default();
        let created = self.create(&elsewhere).map_err(|_| CannotTrigger::NoConversation)?;
        let id = created.first().ok_or(CannotTrigger::NoConversation)?.conversation_id;
        let (_, talk) = self.conversations.remove(&id).ok_or(CannotTrigger::NoConversation)?;
        let guest = talk.guests().next().ok_or(CannotTrigger::NoParticipant)?.id;
        let end = claimed_end(&talk, guest, self.clock.now()).ok_or(CannotTrigger::NoParticipant)?;
        Ok(Event::of(&talk, end, event_id(self.seed(), id, 0)))
    }
}

fn result(adapter: String, outcome: Outcome) -> TriggerResult {
    let status = outcome.status();
    let error = match outcome {
        Outcome::Answered(_) => None,
        Outcome::NoAnswer(why) => Some(why),
        Outcome::NotExpressible => Some("the adapter's format cannot tell this event".into()),
    };
    TriggerResult { adapter, status, error }
}
