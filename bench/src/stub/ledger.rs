//! What the stub has seen of each conversation, and the counts that judge the service.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use dashmap::DashMap;
use serde::Serialize;
use tokio::sync::oneshot;
use uuid::Uuid;

/// One conversation that the service has asked about.
#[derive(Default, Clone)]
struct Seen {
    reads: u32,
    participant_closes: u32,
    wrapper_closes: u32,
    webhook_sent: bool,
    ended_at: Option<Box<str>>,
}

/// How a conversation stands, as a read tells it.
pub struct Standing {
    /// Whether the guest has left. True from the first attempt to send the webhook.
    pub guest_gone: bool,
    /// When the conversation ended, if it has.
    pub ended_at: Option<Box<str>>,
}

/// Everything the stub remembers: conversations seen, counts, and who waits for an end.
#[derive(Default)]
pub struct Ledger {
    seen: DashMap<Uuid, Seen>,
    watchers: DashMap<Uuid, oneshot::Sender<Instant>>,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    tokens: AtomicU64,
    reads: AtomicU64,
    repeated_reads: AtomicU64,
    participant_closes: AtomicU64,
    wrapper_closes: AtomicU64,
    wrapper_closes_before_webhook: AtomicU64,
    repeated_participant_closes: AtomicU64,
    repeated_wrapper_closes: AtomicU64,
    refused_requests: AtomicU64,
    webhooks_sent: AtomicU64,
    webhooks_answered: AtomicU64,
    webhooks_refused: AtomicU64,
    webhooks_without_answer: AtomicU64,
    webhooks_given_up: AtomicU64,
    webhook_delay_us: AtomicU64,
}

/// The counts at one moment; the stub's answer to `GET /_stub/report`.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StubReport {
    /// Conversations that the service has asked about.
    pub conversations: u64,
    /// Conversations whose wrapper was closed.
    pub ended: u64,
    /// Access tokens issued.
    pub tokens: u64,
    /// `GET` of a conversation.
    pub reads: u64,
    /// Reads of a conversation that had been read before.
    pub repeated_reads: u64,
    /// `PATCH` of a participant.
    pub participant_closes: u64,
    /// `PATCH` of a conversation.
    pub wrapper_closes: u64,
    /// Wrapper closes that came before the webhook was sent: each one is a broken promise.
    pub wrapper_closes_before_webhook: u64,
    /// The same participant closed again.
    pub repeated_participant_closes: u64,
    /// The same wrapper closed again.
    pub repeated_wrapper_closes: u64,
    /// Requests answered with 4xx: wrong route, id, token or body.
    pub refused_requests: u64,
    /// Webhooks of which at least one attempt was made.
    pub webhooks_sent: u64,
    /// Webhooks answered with 2xx.
    pub webhooks_answered: u64,
    /// Attempts answered with anything else.
    pub webhooks_refused: u64,
    /// Attempts without an answer.
    pub webhooks_without_answer: u64,
    /// Webhooks abandoned after the last attempt.
    pub webhooks_given_up: u64,
    /// Mean time from the answer to the participant's `PATCH` to the first attempt, in microseconds.
    pub mean_webhook_delay_us: u64,
}

/// A count that the HTTP side or the relay raises.
#[derive(Debug, Clone, Copy)]
pub enum Tally {
    /// An access token was issued.
    Token,
    /// A request was refused.
    RefusedRequest,
    /// A webhook was answered with 2xx.
    WebhookAnswered,
    /// An attempt was answered with another status.
    WebhookRefused,
    /// An attempt had no answer.
    WebhookWithoutAnswer,
    /// A webhook was abandoned.
    WebhookGivenUp,
}

impl Ledger {
    /// Raises one count.
    pub fn count(&self, tally: Tally) {
        let counter = match tally {
            Tally::Token => &self.counts.tokens,
            Tally::RefusedRequest => &self.counts.refused_requests,
            Tally::WebhookAnswered => &self.counts.webhooks_answered,
            Tally::WebhookRefused => &self.counts.webhooks_refused,
            Tally::WebhookWithoutAnswer => &self.counts.webhooks_without_answer,
            Tally::WebhookGivenUp => &self.counts.webhooks_given_up,
        };
        raise(counter);
    }

    /// Notes a read and tells how the conversation stands.
    pub fn read(&self, conversation: Uuid) -> Standing {
        raise(&self.counts.reads);
        let mut seen = self.seen.entry(conversation).or_default();
        seen.reads += 1;
        if seen.reads > 1 {
            raise(&self.counts.repeated_reads);
        }
        Standing { guest_gone: seen.webhook_sent, ended_at: seen.ended_at.clone() }
    }

    /// Notes that the participant was asked to leave; true when this was the first time.
    pub fn close_participant(&self, conversation: Uuid) -> bool {
        raise(&self.counts.participant_closes);
        let mut seen = self.seen.entry(conversation).or_default();
        seen.participant_closes += 1;
        let first = seen.participant_closes == 1;
        if !first {
            raise(&self.counts.repeated_participant_closes);
        }
        first
    }

    /// Notes that the wrapper was closed, and tells whoever waits for it that this happened at `at`.
    ///
    /// `end_time` becomes the conversation's end, unless it has one.
    pub fn close_wrapper(&self, conversation: Uuid, at: Instant, end_time: &str) -> Standing {
        raise(&self.counts.wrapper_closes);
        let standing = {
            let mut seen = self.seen.entry(conversation).or_default();
            seen.wrapper_closes += 1;
            if seen.wrapper_closes > 1 {
                raise(&self.counts.repeated_wrapper_closes);
            }
            if !seen.webhook_sent {
                raise(&self.counts.wrapper_closes_before_webhook);
            }
            let ended_at = seen.ended_at.get_or_insert_with(|| end_time.into()).clone();
            Standing { guest_gone: true, ended_at: Some(ended_at) }
        };
        if let Some((_, watcher)) = self.watchers.remove(&conversation) {
            // The watcher may have given up waiting; then nobody needs the news.
            let _ = watcher.send(at);
        }
        standing
    }

    /// Notes the first attempt to send the webhook, `delay_us` after it was due to be scheduled.
    pub fn webhook_sent(&self, conversation: Uuid, delay_us: u64) {
        self.seen.entry(conversation).or_default().webhook_sent = true;
        raise(&self.counts.webhooks_sent);
        self.counts.webhook_delay_us.fetch_add(delay_us, Ordering::Relaxed);
    }

    /// Waits for the close of a wrapper. A second watcher of the same conversation replaces the first.
    pub fn watch(&self, conversation: Uuid) -> oneshot::Receiver<Instant> {
        let (tell, told) = oneshot::channel();
        self.watchers.insert(conversation, tell);
        told
    }

    /// Stops waiting for the close of a wrapper.
    pub fn unwatch(&self, conversation: Uuid) {
        self.watchers.remove(&conversation);
    }

    /// How many participants were asked to leave, counting each conversation once.
    pub fn participants_asked(&self) -> u64 {
        // Repeats first: each was counted as a close before it was counted as a repeat.
        let repeats = load(&self.counts.repeated_participant_closes);
        load(&self.counts.participant_closes) - repeats
    }

    /// How many wrappers were closed, counting each conversation once.
    pub fn wrappers_closed(&self) -> u64 {
        let repeats = load(&self.counts.repeated_wrapper_closes);
        load(&self.counts.wrapper_closes) - repeats
    }

    /// The counts at this moment.
    pub fn report(&self) -> StubReport {
        let counts = &self.counts;
        let webhooks_sent = load(&counts.webhooks_sent);
        StubReport {
            conversations: self.seen.len() as u64,
            ended: self.wrappers_closed(),
            tokens: load(&counts.tokens),
            reads: load(&counts.reads),
            repeated_reads: load(&counts.repeated_reads),
            participant_closes: load(&counts.participant_closes),
            wrapper_closes: load(&counts.wrapper_closes),
            wrapper_closes_before_webhook: load(&counts.wrapper_closes_before_webhook),
            repeated_participant_closes: load(&counts.repeated_participant_closes),
            repeated_wrapper_closes: load(&counts.repeated_wrapper_closes),
            refused_requests: load(&counts.refused_requests),
            webhooks_sent,
            webhooks_answered: load(&counts.webhooks_answered),
            webhooks_refused: load(&counts.webhooks_refused),
            webhooks_without_answer: load(&counts.webhooks_without_answer),
            webhooks_given_up: load(&counts.webhooks_given_up),
            mean_webhook_delay_us: load(&counts.webhook_delay_us) / webhooks_sent.max(1),
        }
    }

    /// Forgets every conversation and every count.
    pub fn reset(&self) {
        self.seen.clear();
        self.watchers.clear();
        let c = &self.counts;
        for counter in [
            &c.tokens,
            &c.reads,
            &c.repeated_reads,
            &c.participant_closes,
            &c.wrapper_closes,
            &c.wrapper_closes_before_webhook,
            &c.repeated_participant_closes,
            &c.repeated_wrapper_closes,
            &c.refused_requests,
            &c.webhooks_sent,
            &c.webhooks_answered,
            &c.webhooks_refused,
            &c.webhooks_without_answer,
            &c.webhooks_given_up,
            &c.webhook_delay_us,
        ] {
            counter.store(0, Ordering::Relaxed);
        }
    }
}

fn raise(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn load(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONVERSATION: Uuid = Uuid::from_u128(7);

    #[test]
    fn a_wrapper_closed_before_its_webhook_is_counted() {
        let ledger = Ledger::default();
        assert!(ledger.close_participant(CONVERSATION));
        ledger.close_wrapper(CONVERSATION, Instant::now(), "t");
        assert_eq!(ledger.report().wrapper_closes_before_webhook, 1);
    }

    #[test]
    fn a_wrapper_closed_after_its_webhook_is_in_order() {
        let ledger = Ledger::default();
        assert!(!ledger.read(CONVERSATION).guest_gone);
        ledger.close_participant(CONVERSATION);
        assert!(!ledger.read(CONVERSATION).guest_gone);
        ledger.webhook_sent(CONVERSATION, 2500);
        assert!(ledger.read(CONVERSATION).guest_gone);
        ledger.close_wrapper(CONVERSATION, Instant::now(), "t");
        let report = ledger.report();
        assert_eq!((report.wrapper_closes_before_webhook, report.ended), (0, 1));
        assert_eq!((report.reads, report.repeated_reads), (3, 2));
        assert_eq!(report.mean_webhook_delay_us, 2500);
    }

    #[test]
    fn a_repeated_call_is_counted_and_changes_nothing() {
        let ledger = Ledger::default();
        assert!(ledger.close_participant(CONVERSATION));
        assert!(!ledger.close_participant(CONVERSATION));
        ledger.webhook_sent(CONVERSATION, 0);
        ledger.close_wrapper(CONVERSATION, Instant::now(), "first");
        let standing = ledger.close_wrapper(CONVERSATION, Instant::now(), "second");
        assert_eq!(standing.ended_at.as_deref(), Some("first"));
        let report = ledger.report();
        assert_eq!((report.repeated_participant_closes, report.repeated_wrapper_closes), (1, 1));
        assert_eq!((ledger.participants_asked(), ledger.wrappers_closed()), (1, 1));
    }

    #[tokio::test]
    async fn a_watcher_learns_when_the_wrapper_was_closed() {
        let ledger = Ledger::default();
        let told = ledger.watch(CONVERSATION);
        let at = Instant::now();
        ledger.close_wrapper(CONVERSATION, at, "t");
        assert_eq!(told.await.unwrap(), at);
    }

    #[test]
    fn a_reset_forgets_everything() {
        let ledger = Ledger::default();
        ledger.close_participant(CONVERSATION);
        ledger.count(Tally::Token);
        ledger.reset();
        let report = ledger.report();
        assert_eq!((report.conversations, report.participant_closes, report.tokens), (0, 0, 0));
    }
}
