//! One message: read, deliver, note.

use std::sync::{Arc, PoisonError};

use closure_machine::{Heard, ProofSource};
use event_bodies::Reading;
use evidence_log::{DeadLetter, HookResult, Received};
use genesys_types::Time;
use orchestrator::Delivery;
use sha2::{Digest as _, Sha256};

use super::Intake;
use crate::{
    fate::Met,
    metrics,
    queue::Message,
    reading::{Read, read},
};

impl Intake {
    /// Takes a message. When this answers [`Met::Committed`], its event is durable.
    pub(super) async fn take(&self, message: &Message) -> Met {
        let at = self.orchestrator.now();
        match read(&message.body, self.setup.decoder, self.setup.source.as_ref()) {
            Read::Event(reading, body) => self.deliver(at, *reading, &body).await,
            Read::Foreign => {
                self.note(self.entry(at, HookResult::Foreign));
                Met::Foreign
            }
            Read::Unreadable(reason, detail) => {
                let new = self.unreadable.lock().unwrap_or_else(PoisonError::into_inner).is_new(&message.id);
                if new {
                    self.bury(at, message, reason, detail);
                }
                Met::Unreadable
            }
        }
    }

    async fn deliver(&self, at: Time, reading: Reading, body: &str) -> Met {
        let delivery = self.delivery(at, reading, body);
        let about = Received {
            event_type: Some(delivery.event_type.clone()),
            event_id: Some(delivery.event_id.clone()),
            conversation: delivery.conversation,
            ..self.entry(at, HookResult::Unavailable)
        };
        match self.orchestrator.deliver(delivery).await {
            Ok(delivered) => {
                self.note(Received { result: delivered.into(), ..about });
                Met::Committed(delivered)
            }
            Err(unavailable) => {
                tracing::warn!(
                    adapter = &*self.name,
                    %unavailable,
                    "an event could not be stored: it stays in the queue"
                );
                self.note(Received { reason: Some("store_unavailable"), ..about });
                Met::StoreAway
            }
        }
    }

    fn delivery(&self, at: Time, reading: Reading, body: &str) -> Delivery {
        let digest: [u8; 32] = Sha256::digest(body.as_bytes()).into();
        let occurred_at = reading.happened_at.unwrap_or(at);
        Delivery {
            organisation: self.setup.organisation.clone(),
            adapter: self.setup.name.clone(),
            event_type: reading.event_type,
            event_id: reading.event_id.unwrap_or_else(|| hex(&digest)),
            digest,
            received_at: at,
            conversation: reading.conversation,
            heard: reading.what.map(|what| Heard { source: ProofSource::QueueEvent, occurred_at, what }),
        }
    }

    fn bury(&self, at: Time, message: &Message, reason: &'static str, detail: String) {
        tracing::warn!(
            adapter = &*self.name,
            message.id,
            reason,
            "a message cannot be read: it is kept as a dead letter"
        );
        let body = message.body.as_bytes();
        let letter = DeadLetter {
            at,
            hook: Arc::clone(&self.name),
            reason,
            detail,
            digest: Sha256::digest(body).into(),
            length: body.len(),
            body: DeadLetter::first_bytes(body),
        };
        self.log.bury(0, letter);
        self.note(Received { reason: Some(reason), ..self.entry(at, HookResult::Undecodable) });
    }

    fn entry(&self, at: Time, result: HookResult) -> Received {
        Received {
            at,
            hook: Some(Arc::clone(&self.name)),
            result,
            reason: None,
            event_type: None,
            event_id: None,
            conversation: None,
        }
    }

    fn note(&self, received: Received) {
        metrics::message(&self.name, received.result.name());
        self.log.note(Some(0), received);
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
