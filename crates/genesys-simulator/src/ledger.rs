//! What each conversation went through, and the judgement over a whole run.

use std::collections::HashMap;

use serde::Serialize;
use uuid::Uuid;

use crate::clock::Millis;

/// How many offences are listed one by one; beyond it they are only counted.
const LISTED_OFFENCES: usize = 1_000;

/// The account of one conversation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    /// Calls that named the conversation.
    pub calls: u32,
    /// Reads that were answered with 200.
    pub reads: u32,
    /// The last close of each target that may have had an effect, as the number of reads before it.
    closes: HashMap<CloseTarget, u32>,
}

/// What a close was aimed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum CloseTarget {
    Participant(Uuid),
    Communication(Uuid),
    Wrapper,
    /// The conversation is to be forgotten, after it was closed.
    Purge,
}

impl Ledger {
    /// Notes a close and answers whether the same one was asked before without a read in between.
    ///
    /// A call that was refused before it was looked at (401, 403, 429) is not noted: repeating it is right.
    pub(crate) fn note_close(&mut self, target: CloseTarget, status: u16) -> bool {
        let repeated = self.closes.get(&target) == Some(&self.reads);
        if !matches!(status, 401 | 403 | 429) {
            self.closes.insert(target, self.reads);
        }
        repeated
    }

    /// Notes that a wrap-up was given or skipped: a close of the whole that was refused for want of it may be asked again.
    pub(crate) fn note_wrap_up(&mut self) {
        self.closes.remove(&CloseTarget::Wrapper);
    }
}

/// Something a client should not have done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Offence {
    /// `wrapper-closed-before-guest`, `wrapper-closed-before-proof`, `repeated-close` or `repeated-wrapper-close`.
    pub what: &'static str,
    /// The conversation concerned.
    pub conversation_id: Uuid,
    /// When it was done, in milliseconds of the simulator's time since 1970.
    pub at_ms: Millis,
}

/// Running counts of a run; the verdict is drawn from them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub wrapper_closes: u64,
    pub wrapper_closes_before_guest_gone: u64,
    pub wrapper_closes_before_proof: u64,
    pub wrapper_closes_over_unseen_leg: u64,
    pub wrapper_closes_with_guest: u64,
    pub forced: u64,
    pub forced_before_proof: u64,
    pub repeated_closes: u64,
    pub repeated_wrapper_closes: u64,
    pub forged_sent: u64,
    pub forged_accepted: u64,
    pub rate_limited: u64,
    pub calls: u64,
    pub events_published: u64,
    pub events_lost: u64,
    pub deliveries: u64,
    pub deliveries_given_up: u64,
    pub offences: Vec<Offence>,
}

impl Tally {
    pub(crate) fn offend(&mut self, what: &'static str, conversation_id: Uuid, at_ms: Millis) {
        if self.offences.len() < LISTED_OFFENCES {
            self.offences.push(Offence { what, conversation_id, at_ms });
        }
    }
}

/// The simulator's own judgement over everything since the start or the last reset.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// Whether nothing was closed too early and nothing was closed twice without a read in between.
    pub clean: bool,
    /// Conversations that exist, and those that were purged.
    pub conversations: u64,
    /// Conversations that have not ended.
    pub conversations_open: u64,
    /// Conversations with a guest who is still connected.
    pub guests_connected: u64,
    /// Closes of whole conversations that were carried out, or that were answered as if they were; `forced` counts the
    /// emergency disconnects.
    pub wrapper_closes: u64,
    /// Wrapper closes that came while a guest leg, which the client could know of, was still connected.
    pub wrapper_closes_before_guest_gone: u64,
    /// Wrapper closes that came after the guest was gone, but before an event or a read had shown it.
    pub wrapper_closes_before_proof: u64,
    /// Wrapper closes over a connected guest leg that no read and no event had shown; not held against the client.
    pub wrapper_closes_over_unseen_leg: u64,
    /// Closes of the whole that took a connected guest along, in a dialect that has no close for the guest alone; not
    /// held against the client.
    pub wrapper_closes_with_guest: u64,
    /// Emergency disconnects (`POST …/disconnect`) that were accepted. They exist to end what shows no proof, so they
    /// are not held against the client; who expects none compares this with 0.
    pub forced: u64,
    /// Of these, the ones that came while a guest leg was connected, or before its end had been shown.
    pub forced_before_proof: u64,
    /// The same close of the same participant or communication, without a read in between.
    pub repeated_closes: u64,
    /// The same close, or the same purge, of the same conversation, without a read in between.
    pub repeated_wrapper_closes: u64,
    /// Forged, unsigned or altered events that were sent.
    pub forged_sent: u64,
    /// Of these, the ones that the receiver answered with 2xx.
    pub forged_accepted: u64,
    /// Calls answered with 429, by the quota or by a storm.
    pub rate_limited: u64,
    /// Calls of the platform's API, whatever the answer, token calls aside.
    pub calls: u64,
    /// Calls that named a conversation, per conversation that was named at all.
    pub calls_per_conversation: f64,
    /// The most calls that one conversation took.
    pub most_calls_for_one_conversation: u64,
    /// Events that came about, each counted once.
    pub events_published: u64,
    /// Events withheld from every adapter by a fault.
    pub events_lost: u64,
    /// Sendings of events, repeats included.
    pub deliveries: u64,
    /// Events that an adapter was never able to deliver.
    pub deliveries_given_up: u64,
    /// The first 1,000 offences.
    pub offences: Vec<Offence>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_close_without_a_read_in_between_is_a_repeat() {
        let mut ledger = Ledger::default();
        let target = CloseTarget::Participant(Uuid::from_u128(1));
        assert!(!ledger.note_close(target, 202));
        assert!(ledger.note_close(target, 202));
        ledger.reads += 1;
        assert!(!ledger.note_close(target, 202));
    }

    #[test]
    fn a_close_refused_at_the_door_may_be_asked_again() {
        for status in [401, 403, 429] {
            let mut ledger = Ledger::default();
            assert!(!ledger.note_close(CloseTarget::Wrapper, status));
            assert!(!ledger.note_close(CloseTarget::Wrapper, 200));
        }
    }

    #[test]
    fn a_close_that_lacked_a_wrap_up_may_be_asked_again_once_it_is_given() {
        let mut ledger = Ledger::default();
        assert!(!ledger.note_close(CloseTarget::Wrapper, 400));
        ledger.note_wrap_up();
        assert!(!ledger.note_close(CloseTarget::Wrapper, 400));
        assert!(ledger.note_close(CloseTarget::Wrapper, 200));
    }

    #[test]
    fn a_close_of_somebody_else_is_no_repeat() {
        let mut ledger = Ledger::default();
        assert!(!ledger.note_close(CloseTarget::Participant(Uuid::from_u128(1)), 202));
        assert!(!ledger.note_close(CloseTarget::Participant(Uuid::from_u128(2)), 202));
        assert!(!ledger.note_close(CloseTarget::Wrapper, 200));
    }
}
