//! What is taken for proof.

use closure_machine::{Command, GuestLeg, Proof, Subject};
use genesys_types::{CommunicationId, ConversationId, ParticipantId, Time};
use uuid::Uuid;

use super::*;

const ASKED: Time = Time::from_millis(1_000_000);

/// When analytics have caught up.
const SOON: Time = Time::from_millis(1_015_000);

fn participant(number: u128) -> ParticipantId {
    ParticipantId::from_uuid(Uuid::from_u128(number))
}

fn communication(number: u128) -> CommunicationId {
    CommunicationId::from_uuid(Uuid::from_u128(number))
}

fn guest(number: u128) -> GuestLeg {
    GuestLeg {
        participant: participant(number),
        communication: Some(communication(number)),
        asked_at: Some(ASKED),
        accepted: true,
        gone: None,
    }
}

fn waiting(guests: Vec<GuestLeg>) -> Closure {
    let conversation = ConversationId::from_uuid(Uuid::from_u128(7));
    let command = Command {
        subject: Subject::Conversation(conversation),
        participant: None,
        not_before: None,
        follows: 0,
    };
    let policy = Policy::default();
    let moment = closure_machine::Moment { now: ASKED, may_call: false };
    let mut closure = closure_machine::accept(&command, &policy, moment).next;
    closure.step = Step::AwaitingConfirmation;
    closure.first_asked_at = Some(ASKED);
    closure.guests = guests;
    closure
}

fn over(ended_at: Option<i64>, legs: &[(u128, u128)]) -> Over {
    let leg = |(who, what): &(u128, u128)| OverLeg {
        participant: participant(*who),
        communication: communication(*what),
        ended_at: ASKED + Span::from_millis(400),
    };
    Over {
        conversation: ConversationId::from_uuid(Uuid::from_u128(7)),
        ended_at: ended_at.map(Time::from_millis),
        guest_is_there: false,
        legs: legs.iter().map(leg).collect(),
    }
}

/// How many legs are proven one by one, and whether the whole is.
fn proven(closure: &Closure, over: &Over) -> (usize, bool) {
    let all = proofs(closure, over);
    assert!(all.iter().all(|heard| heard.source == ProofSource::ReadBack));
    let whole = all.iter().any(|heard| matches!(heard.what, What::Conversation(_)));
    (all.iter().filter(|heard| matches!(heard.what, What::GuestLeft { .. })).count(), whole)
}

#[test]
fn a_leg_proves_by_its_communication_and_the_whole_by_an_end_after_our_asking() {
    let proof = Proof { source: ProofSource::Webhook, at: ASKED, before_asking: false };
    let gone = GuestLeg { gone: Some(proof), ..guest(1) };
    let unnamed = GuestLeg { communication: None, ..guest(1) };
    let table = [
        (vec![guest(1)], over(None, &[(1, 1)]), (1, false)),
        (vec![guest(1)], over(None, &[(1, 2), (2, 1), (9, 9)]), (0, false)),
        (vec![guest(1)], over(None, &[]), (0, false)),
        (vec![guest(1), guest(2)], over(None, &[(2, 2)]), (1, false)),
        (vec![guest(1), guest(2)], over(None, &[(1, 1), (2, 2)]), (2, false)),
        (vec![gone, guest(2)], over(None, &[(1, 1)]), (0, false)),
        (vec![unnamed.clone()], over(None, &[(1, 1)]), (0, false)),
        (vec![unnamed], over(Some(1_000_000), &[]), (0, true)),
        (vec![guest(1)], over(Some(1_000_000), &[(1, 1)]), (0, true)),
        // It ended, and was taken up again before our close.
        (vec![guest(1)], over(Some(999_999), &[]), (0, false)),
        (vec![guest(1)], over(Some(999_999), &[(1, 1)]), (1, false)),
    ];
    for (guests, over, expected) in table {
        let closure = waiting(guests);
        assert_eq!(proven(&closure, &over), expected, "{:?} {over:?}", closure.guests);
    }
}

#[test]
fn a_leg_that_ended_before_its_close_was_asked_proves_nothing() {
    let ended = |at: Time| {
        let mut over = over(None, &[(1, 1)]);
        over.legs[0].ended_at = at;
        over
    };
    let closure = waiting(vec![guest(1)]);
    assert_eq!(proven(&closure, &ended(ASKED - Span::from_millis(1))), (0, false));
    assert_eq!(proven(&closure, &ended(ASKED)), (1, false));
    let unasked = waiting(vec![GuestLeg { asked_at: None, ..guest(1) }]);
    assert_eq!(proven(&unasked, &ended(ASKED)), (0, false));
}

#[test]
fn nothing_proves_while_the_guest_is_shown_there() {
    let there = Over { guest_is_there: true, ..over(Some(1_000_000), &[(1, 1)]) };
    assert_eq!(proven(&waiting(vec![guest(1)]), &there), (0, false));
}

#[test]
fn only_a_first_read_that_can_prove_something_is_taken_together() {
    let policy = Policy::default();
    let ready = waiting(vec![guest(1)]);
    assert!(may_be_read_together(&ready, &policy, SOON));
    assert!(!may_be_read_together(&ready, &policy, SOON - Span::from_millis(1)), "within the lag");
    let strict = Policy { evidence: Evidence::WebhookOnly, ..Policy::default() };
    assert!(!may_be_read_together(&ready, &strict, SOON));
    let mut second = ready.clone();
    second.still_there_at = Some(ASKED);
    let mut doubtful = ready.clone();
    doubtful.doubtful = true;
    let unnamed = waiting(vec![GuestLeg { communication: None, ..guest(1) }]);
    let mut earlier = ready;
    earlier.step = Step::ClosingParticipant;
    for other in [second, doubtful, earlier, unnamed] {
        assert!(!may_be_read_together(&other, &policy, SOON), "{other:?}");
    }
}
