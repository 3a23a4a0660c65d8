//! Events that say less than they seem to.

use closure_machine::{ProofSource, Reply, Request, What};
use genesys_types::Span;

use crate::language::*;

#[test]
fn an_event_of_a_stranger_proves_nothing() {
    Story::begin().closes_the_guest().ignores(participant_left(STRANGER));
}

#[test]
fn an_event_that_is_older_than_the_intent_proves_nothing() {
    Story::begin().closes_the_guest().ignores(participant_left(GUEST).of(Span::from_secs(61)));
}

#[test]
fn clocks_may_differ_by_a_minute() {
    Story::begin()
        .closes_the_guest()
        .hears(participant_left(GUEST).of(Span::from_secs(60)))
        .asked(CLOSE_WRAPPER);
}

#[test]
fn an_event_that_names_the_leg_counts_however_old_it_is() {
    Story::begin().closes_the_guest().hears(guest_left(TAB).of(Span::from_secs(86_400))).asked(CLOSE_WRAPPER);
}

#[test]
fn an_event_of_an_unknown_leg_is_confirmed_by_a_read() {
    Story::begin()
        .closes_the_guest()
        .later(3)
        .hears(guest_left(RELOADED))
        .asked(Request::Read)
        .sees(guest_is_on())
        .asked_nothing()
        .is("awaiting_confirmation");
}

#[test]
fn a_proof_waits_for_a_read_that_may_show_the_guest_back() {
    let read = || Story::begin().closes_the_guest().wakes_after(20).asked(Request::Read);
    read()
        .hears(guest_left(TAB))
        .asked_nothing()
        .is("awaiting_confirmation")
        .sees(scene().guest_left(TAB).guest_on(RELOADED))
        .is("closing_participant");
    read().hears(guest_left(TAB)).asked_nothing().sees(guest_is_on()).asked(CLOSE_WRAPPER);
    read().hears(guest_left(TAB)).asked_nothing().answers(Reply::Failed).asked(CLOSE_WRAPPER);
    read().hears(guest_left(TAB)).asked_nothing().gets_no_answer().asked(CLOSE_WRAPPER);
}

#[test]
fn an_event_that_names_nobody_is_confirmed_by_a_read() {
    Story::begin()
        .closes_the_guest()
        .later(3)
        .hears(somebody_left())
        .asked(Request::Read)
        .ignores(somebody_left())
        .sees(guest_is_gone())
        .asked(CLOSE_WRAPPER)
        .accepted()
        .is("closed");
}

#[test]
fn a_hint_before_anything_was_asked_is_nothing() {
    Story::begin().sees(guest_is_on().agent_on()).is("failed: agent_connected");
    Story::under(|policy| policy.agent_connected = closure_machine::AgentConnected::Wait)
        .sees(guest_is_on().agent_on())
        .is("verifying")
        .ignores(somebody_left())
        .ignores(participant_left(GUEST));
}

#[test]
fn a_participants_end_does_not_say_which_of_several_legs_ended() {
    Story::begin()
        .sees(scene().guest_on(TAB).guest_on(RELOADED))
        .accepted()
        .later(1)
        .hears(participant_left(GUEST))
        .asked(Request::Read)
        .sees(scene().guest_left(TAB).guest_on(RELOADED))
        .is("awaiting_confirmation")
        .later(1)
        .hears(participant_left(GUEST))
        .asked(CLOSE_WRAPPER);
}

#[test]
fn the_late_end_of_an_earlier_leg_does_not_prove_the_present_one() {
    Story::begin()
        .sees(scene().guest_left(TAB).guest_on(RELOADED))
        .asked(CLOSE_GUEST)
        .accepted()
        .later(2)
        .hears(participant_left(GUEST).of(Span::from_secs(30)))
        .asked(Request::Read)
        .is("awaiting_confirmation");
}

#[test]
fn the_present_legs_end_counts_though_an_earlier_one_ended_before() {
    Story::begin()
        .sees(scene().guest_left(TAB).guest_on(RELOADED))
        .accepted()
        .later(2)
        .hears(participant_left(GUEST))
        .asked(CLOSE_WRAPPER);
}

#[test]
fn an_older_connected_does_not_undo_a_disconnected() {
    Story::begin()
        .sees(guest_is_on().friend_on())
        .accepted()
        .accepted()
        .hears(guest_left(TAB))
        .ignores(conversation(guest_is_on().friend_on()))
        .wakes()
        .sees(guest_is_on().friend_left())
        .asked(CLOSE_WRAPPER);
}

#[test]
fn a_conversation_event_that_shows_nothing_new_is_ignored() {
    Story::begin().closes_the_guest().ignores(conversation(guest_is_on()));
}

#[test]
fn a_conversation_event_proves_the_legs_that_it_shows_gone() {
    Story::begin()
        .closes_the_guest()
        .hears(conversation(guest_is_gone()))
        .asked(CLOSE_WRAPPER)
        .ignores(conversation(guest_is_gone()))
        .hears(conversation(all_is_over()))
        .is("closed")
        .where_it_holds(|closure| {
            closure.proof().is_some_and(|proof| proof.source == ProofSource::QueueEvent)
        });
}

#[test]
fn a_conversation_event_that_shows_the_guest_on_another_leg_leads_back_to_verifying() {
    Story::begin()
        .closes_the_guest()
        .hears(conversation(guest_is_gone().guest_on(RELOADED)))
        .is("verifying")
        .asked(Request::Read)
        .sees(guest_is_gone().guest_on(RELOADED))
        .asked(CLOSE_GUEST)
        .where_it_holds(|closure| closure.rounds == 2)
        .accepted()
        .hears(guest_left(RELOADED))
        .asked(CLOSE_WRAPPER);
}

#[test]
fn the_wrapper_is_not_closed_when_an_event_shows_that_the_guest_is_back() {
    Story::begin()
        .closes_the_guest()
        .without_permit()
        .hears(guest_left(TAB))
        .is("closing_wrapper")
        .with_permit()
        .hears(conversation(guest_is_gone().guest_on(RELOADED)))
        .asked(Request::Read);
}

#[test]
fn a_guest_who_comes_back_under_its_own_close_is_read_before_it_is_asked_again() {
    for reply in [Reply::Unknown, Reply::Accepted(None), Reply::Failed] {
        Story::begin()
            .sees(guest_is_on())
            .asked(CLOSE_GUEST)
            .hears(conversation(guest_is_on().guest_on(RELOADED)))
            .asked_nothing()
            .answers(reply)
            .is("verifying");
    }
}

#[test]
fn an_event_without_ids_never_proves() {
    let word = somebody_left();
    assert!(matches!(word.what, What::GuestLeft { participant: None, communication: None }));
    Story::begin().closes_the_guest().later(1).hears(word).is("awaiting_confirmation");
}

#[test]
fn an_event_and_reads_that_contradict_it_are_a_mismatch() {
    let mut story = Story::begin().closes_the_guest().later(1).hears(somebody_left()).asked(Request::Read);
    while story.haunted().is_none() {
        story = story.sees(guest_is_on());
        if matches!(story.closure.step, closure_machine::Step::ClosingParticipant) {
            story = story.accepted();
        }
        if story.haunted().is_none() {
            story = story.wakes();
        }
    }
    story.is("ghost: confirmation_mismatch");
}
