//! Turns happenings into events on their way, with the faults that strike webhooks.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::chaos::{ChaosSpec, Preset};
use crate::clock::Millis;
use crate::conversation::{Conversation, Happening, What};
use crate::events::{Event, Topic, event_id};
use crate::journal::{JournalKind, Note};
use crate::random::Draw;
use crate::relay::{Adapter, Delivery, Outcome};
use crate::signing::Authenticity;
use crate::world::{Task, World};

/// The longest delay of a late event when the rule gives none, in milliseconds: longer than a patient reader
/// waits between two reads, shorter than a demonstration.
pub(crate) const USUAL_LATENESS_MS: u64 = 5_000;

/// The time between an event and its duplicates, in milliseconds.
pub(crate) const ECHO_MS: Millis = 15;

/// Told of the first sendings of an event, one receiver per webhook.
pub(crate) type Waiting = Vec<oneshot::Receiver<Outcome>>;

/// How one event is to be sent.
struct Sending {
    due: Millis,
    copies: u64,
    /// Whether a reply is held back until the event has arrived.
    awaited: bool,
    /// Whether an older event follows.
    reordered: bool,
    fault: Option<&'static str>,
}

impl World {
    /// Publishes happenings of a conversation. When a closed guest's event must come early, it is sent at once and
    /// `early` gets what tells of its arrival.
    pub(crate) fn publish(&self, talk: &mut Conversation, happened: &[Happening], early: &mut Waiting) {
        let chaos = self.chaos_of(talk);
        for happening in happened {
            self.note_change(talk, *happening);
            self.time_out_later(talk, *happening);
            let id = event_id(self.seed(), talk.id, talk.arise("event-id"));
            let event = Arc::new(Event::of(talk, *happening, id));
            let told =
                event.topic == Topic::QueueConversation || self.publish_event(talk, &chaos, &event, early);
            // What loses the one loses the other: both take the same way.
            if told {
                self.publish_to_queue(talk, &event);
            }
            self.publish_to_sockets(talk, &chaos, &event);
        }
    }

    /// Sends an event to every adapter; answers `false` when it is lost.
    fn publish_event(
        &self,
        talk: &mut Conversation,
        chaos: &ChaosSpec,
        event: &Arc<Event>,
        early: &mut Waiting,
    ) -> bool {
        self.tally().events_published += 1;
        let now = self.clock.now();
        let usual = now + self.delay(self.config.event_delay, talk, "event-delay");
        if event.ends_guest && chaos.strikes(Preset::LostWebhook, self.seed(), talk).is_some() {
            self.lose(event, Preset::LostWebhook.name());
            return false;
        }
        if event.ends_guest && silently_reloaded(talk, event) {
            self.lose(event, Preset::GuestReloads.name());
            return false;
        }
        let sending = self.sending(talk, chaos, event, usual);
        let mut note = Note::new(JournalKind::Event, Some(talk.id), event.topic_name()).fault(sending.fault);
        note.detail = Some(format!("event {}", event.id));
        self.note(note);
        let stale = sending.reordered.then(|| self.stale_forerunner(talk, event));
        for adapter in self.relay.adapters().iter() {
            for copy in 0..sending.copies {
                let due = sending.due + ECHO_MS * Millis::try_from(copy).unwrap_or(0);
                let mut delivery = delivery(event, adapter, sending.fault);
                if sending.awaited && copy == 0 {
                    let (done, arrived) = oneshot::channel();
                    delivery.done = Some(done);
                    early.push(arrived);
                }
                if let Some(stale) = stale.as_ref().filter(|_| copy == 0) {
                    let follower = self::delivery(stale, adapter, Some(Preset::Reordered.name()));
                    delivery.followed_by = Some(Box::new(follower));
                }
                self.schedule.add(due, Task::Deliver(delivery));
            }
        }
        true
    }

    fn sending(&self, talk: &mut Conversation, chaos: &ChaosSpec, event: &Event, usual: Millis) -> Sending {
        let seed = self.seed();
        let mut sending = Sending { due: usual, copies: 1, awaited: false, reordered: false, fault: None };
        if let Some(copies) = self.copies(talk, chaos) {
            sending.copies = copies;
            sending.fault = Some(Preset::DuplicateWebhook.name());
        }
        if !event.ends_guest {
            return sending;
        }
        if chaos.strikes(Preset::Reordered, seed, talk).is_some() {
            sending.reordered = true;
            sending.fault = Some(Preset::Reordered.name());
        }
        if let Some(rule) = chaos.strikes(Preset::LateWebhook, seed, talk) {
            let longest = rule.delay_ms.unwrap_or(USUAL_LATENESS_MS);
            let mut draw = Draw::new(seed, talk.id, "lateness", 0);
            sending.due += Millis::try_from(draw.between(longest / 2, longest)).unwrap_or(0);
            sending.fault = Some(Preset::LateWebhook.name());
        } else if chaos.touching(Preset::EarlyWebhook, seed, talk.id).is_some() {
            sending.due = self.clock.now();
            sending.awaited = true;
            sending.fault = Some(Preset::EarlyWebhook.name());
        }
        sending
    }

    fn copies(&self, talk: &mut Conversation, chaos: &ChaosSpec) -> Option<u64> {
        chaos.strikes(Preset::DuplicateWebhook, self.seed(), talk)?;
        Some(Draw::new(self.seed(), talk.id, "copies", 0).between(2, 3))
    }

    /// Tells the webhooks that subscribe to the queue how the conversation stands.
    fn publish_to_queue(&self, talk: &mut Conversation, event: &Event) {
        let adapters = self.relay.adapters();
        if !adapters.iter().any(|adapter| adapter.config.queue_topic) {
            return;
        }
        let id = event_id(self.seed(), talk.id, talk.arise("event-id"));
        let retold = Arc::new(event.for_queue(talk, id));
        let due = self.clock.now() + self.delay(self.config.event_delay, talk, "queue-event-delay");
        for adapter in adapters.iter().filter(|adapter| adapter.config.queue_topic) {
            self.schedule.add(due, Task::Deliver(delivery(&retold, adapter, None)));
        }
    }

    /// Makes an event from before the end, which says that the participant is connected.
    fn stale_forerunner(&self, talk: &mut Conversation, event: &Event) -> Arc<Event> {
        let id = event_id(self.seed(), talk.id, talk.arise("event-id"));
        let mut then = talk.clone();
        for participant in &mut then.participants {
            participant.ended_at = participant.ended_at.filter(|at| *at < event.occurred_at);
            for leg in &mut participant.legs {
                leg.ended = leg.ended.filter(|(at, _)| *at < event.occurred_at);
            }
        }
        // A second before the end, but not before the beginning, and in any case before the end.
        let at = (event.occurred_at - 1_000).max(talk.started_at).min(event.occurred_at - 1);
        let what = What::LegConnected;
        let connected = Happening { what, participant: event.participant, leg: event.leg, at };
        Arc::new(Event::of(&then, connected, id))
    }

    /// Sends a forged event that claims the end of a guest leg.
    pub(crate) fn forge_guest_end(
        &self,
        talk: &mut Conversation,
        happening: Happening,
        authenticity: Authenticity,
    ) {
        let id = event_id(self.seed(), talk.id, talk.arise("event-id"));
        let forged = Arc::new(Event::of(talk, happening, id));
        for adapter in self.relay.adapters().iter() {
            let mut delivery = delivery(&forged, adapter, Some(Preset::BadSignature.name()));
            delivery.authenticity = authenticity;
            self.schedule.add(self.clock.now(), Task::Deliver(delivery));
        }
    }

    fn lose(&self, event: &Event, fault: &'static str) {
        self.tally().events_lost += 1;
        let note = Note::new(JournalKind::Event, Some(event.conversation), event.topic_name());
        self.note(note.fault(Some(fault)).detail("never sent"));
    }

    fn note_change(&self, talk: &Conversation, happening: Happening) {
        let purpose = talk.participant(happening.participant).map_or("participant", |p| p.purpose.name());
        let what = match happening.what {
            What::LegConnected => format!("{purpose} connected"),
            What::LegEnded(how) => format!("{purpose} disconnected ({})", how.name()),
            What::WrapUpGiven => format!("{purpose} wrapped up"),
            What::AfterCallWorkEnded => format!("{purpose} finished after-call work"),
        };
        let detail = format!("participant {}, communication {}", happening.participant, happening.leg);
        self.note(Note::new(JournalKind::Change, Some(talk.id), what).detail(detail));
    }

    fn time_out_later(&self, talk: &Conversation, happening: Happening) {
        let Some(participant) = talk.participant(happening.participant) else { return };
        if !matches!(happening.what, What::LegEnded(_)) || !participant.in_after_call_work() {
            return;
        }
        if let Some(timeout) = participant.wrap_up.timeout_ms {
            let due = self.clock.now().saturating_add(Millis::try_from(timeout).unwrap_or(Millis::MAX));
            let task = Task::TimeOutWrapUp { conversation: talk.id, participant: participant.id };
            self.schedule.add(due, task);
        }
    }
}

/// A reload may end the old leg without a word to anybody: the browser is the same, only the session is new.
fn silently_reloaded(talk: &Conversation, event: &Event) -> bool {
    talk.occasions.get("silent-reload").is_some_and(|times| *times > 0)
        && talk
            .guests()
            .flat_map(|p| &p.legs)
            .any(|leg| leg.is_connected() && leg.id != event.leg && !leg.known)
}

fn delivery(event: &Arc<Event>, adapter: &Arc<Adapter>, fault: Option<&'static str>) -> Delivery {
    Delivery {
        event: Arc::clone(event),
        adapter: Arc::clone(adapter),
        authenticity: Authenticity::Genuine,
        attempt: 1,
        fault,
        done: None,
        followed_by: None,
    }
}
