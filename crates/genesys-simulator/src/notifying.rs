//! Happenings told on the sockets of notifications, with the faults that strike events on their way.

use std::sync::Arc;

use serde_json::json;

use crate::chaos::{ChaosSpec, Preset};
use crate::clock::Millis;
use crate::conversation::Conversation;
use crate::events::Event;
use crate::journal::{JournalKind, Note};
use crate::publishing::{ECHO_MS, USUAL_LATENESS_MS};
use crate::random::Draw;
use crate::views;
use crate::world::{Task, World};

/// A frame on its way.
#[derive(Debug)]
pub(crate) struct Notification {
    topic: String,
    frame: String,
    event: Arc<Event>,
    fault: Option<&'static str>,
}

impl World {
    /// Tells of a happening on every topic that somebody is subscribed to. Faults are the same as on webhooks, and strike
    /// the same conversations.
    pub(crate) fn publish_to_sockets(&self, talk: &mut Conversation, chaos: &ChaosSpec, event: &Arc<Event>) {
        let queue = format!("v2.routing.queues.{}.conversations", talk.queue);
        let messages = format!("{queue}.messages");
        let detail = event.topic_name();
        let mut bodies = Vec::new();
        if detail != messages && self.sockets.is_wanted(&detail) {
            bodies.push((detail, event.written_detail()));
        }
        if self.sockets.is_wanted(&messages) {
            bodies.push((messages, views::message_conversation(talk)));
        }
        if self.sockets.is_wanted(&queue) {
            bodies.push((queue, views::conversation(talk)));
        }
        if bodies.is_empty() {
            return;
        }
        let seed = self.seed();
        let strikes = |preset| chaos.touching(preset, seed, talk.id).filter(|_| event.ends_guest);
        let mut due = self.clock.now();
        let mut fault = None;
        if strikes(Preset::LostWebhook).is_some() {
            fault = Some(Preset::LostWebhook.name());
        } else if let Some(rule) = strikes(Preset::LateWebhook) {
            let longest = rule.delay_ms.unwrap_or(USUAL_LATENESS_MS);
            let late = Draw::new(seed, talk.id, "lateness", 0).between(longest / 2, longest);
            due += Millis::try_from(late).unwrap_or(0);
            fault = Some(Preset::LateWebhook.name());
        }
        if fault == Some(Preset::LostWebhook.name()) {
            for (topic, _) in bodies {
                let note = Note::new(JournalKind::Event, Some(talk.id), topic);
                self.note(note.fault(fault).detail("never sent on a socket"));
            }
            return;
        }
        let reordered = strikes(Preset::Reordered).is_some();
        let copies = if chaos.touching(Preset::DuplicateWebhook, seed, talk.id).is_some() { 2 } else { 1 };
        due += self.delay(self.config.event_delay, talk, "socket-delay");
        for (topic, body) in bodies {
            let frame = json!({
                "topicName": topic, "version": "2", "eventBody": body, "metadata": { "CorrelationId": event.id },
            });
            for copy in 0..copies {
                let notification = Notification {
                    topic: topic.clone(),
                    frame: frame.to_string(),
                    event: Arc::clone(event),
                    fault,
                };
                // What comes after it overtakes it.
                let behind = if reordered { 10 * ECHO_MS } else { 0 };
                self.schedule.add(due + behind + ECHO_MS * copy, Task::Notify(notification));
            }
        }
    }

    /// Sends a frame to whoever listens; nobody is told of it later.
    pub(crate) fn notify(&self, notification: &Notification) {
        let Notification { topic, frame, event, fault } = notification;
        let (heard, missed) = self.sockets.send(topic, frame);
        if heard > 0 {
            self.mark_event_shown(event);
        }
        if missed > 0 {
            self.tally().events_lost += 1;
        }
        let note = Note::new(JournalKind::Delivery, Some(event.conversation), topic.clone()).fault(*fault);
        self.note(note.detail(format!("on {heard} sockets; {missed} channels did not listen")));
    }
}
