//! Read together with others, a conversation is shown without having been asked for alone. It counts as a read does.

use closure_machine::{Evidence, ProofSource, Request};

use crate::language::*;

#[test]
fn a_leg_that_is_shown_as_over_is_proof() {
    Story::begin()
        .closes_the_guest()
        .later(20)
        .hears(guest_left(TAB).by(ProofSource::ReadBack))
        .asked(CLOSE_WRAPPER)
        .where_it_holds(|closure| closure.proof().is_some_and(|proof| proof.source == ProofSource::ReadBack))
        .accepted()
        .is("closed")
        .made_calls(3);
}

#[test]
fn the_end_of_the_whole_leaves_nothing_to_close() {
    Story::begin()
        .closes_the_guest()
        .later(20)
        .hears(conversation(scene().guest_left(TAB).ended()).by(ProofSource::ReadBack))
        .is("closed")
        .made_calls(2);
}

#[test]
fn of_two_legs_one_is_not_enough() {
    Story::begin()
        .sees(guest_is_on().guest_on(RELOADED))
        .accepted()
        .later(20)
        .hears(guest_left(TAB).by(ProofSource::ReadBack))
        .is("awaiting_confirmation")
        .hears(guest_left(RELOADED).by(ProofSource::ReadBack))
        .asked(CLOSE_WRAPPER);
}

#[test]
fn a_leg_of_somebody_else_proves_nothing() {
    Story::begin()
        .closes_the_guest()
        .later(20)
        .ignores(conversation(scene().guest_on(TAB).queue_on()).by(ProofSource::ReadBack))
        .is("awaiting_confirmation")
        .wakes_after(0)
        .asked(Request::Read);
}

#[test]
fn a_policy_that_wants_an_event_takes_it_no_more_than_a_read() {
    Story::under(|policy| policy.evidence = Evidence::WebhookOnly)
        .closes_the_guest()
        .later(10)
        .hears(guest_left(TAB).by(ProofSource::ReadBack))
        .asked_nothing()
        .is("awaiting_confirmation")
        .hears(conversation(scene().guest_left(TAB).ended()).by(ProofSource::ReadBack))
        .is("awaiting_confirmation")
        .hears(guest_left(TAB))
        .asked(CLOSE_WRAPPER);
}
