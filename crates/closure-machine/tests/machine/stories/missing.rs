//! What should be there and is not, and what is not yet to be done.

use closure_machine::{
    Announcement::{Accepted, Failed},
    Reply, Request,
};
use genesys_types::{LegState, Purpose, Snapshot, Span};

use crate::language::*;

/// Looks until the grace is over.
#[track_caller]
fn looks_in_vain(mut story: Story, reply: &Reply) -> Story {
    while !story.is_over() {
        story = story.asked(Request::Read).answers(reply.clone());
        if !story.is_over() {
            story = story.is("verifying").wakes_between(0, 30);
        }
    }
    let looked_for = story.now.since(START);
    assert_eq!(looked_for, Span::from_secs(30));
    story
}

#[test]
fn a_conversation_that_is_never_found_fails_after_half_a_minute() {
    looks_in_vain(Story::begin(), &Reply::NotFound).is("failed: not_found").told(&[Accepted, Failed]);
}

#[test]
fn a_conversation_without_a_guest_fails_after_half_a_minute() {
    looks_in_vain(Story::begin(), &Reply::Saw(scene().queue_on())).is("failed: participant_not_found");
    looks_in_vain(Story::begin(), &Reply::Saw(Snapshot::default())).is("failed: participant_not_found");
}

#[test]
fn a_named_participant_that_is_missing_fails_after_half_a_minute() {
    looks_in_vain(Story::naming(STRANGER), &Reply::Saw(guest_is_on())).is("failed: participant_not_found");
}

#[test]
fn a_named_participant_that_is_no_guest_fails_at_once() {
    for (who, purpose) in [(AGENT, Purpose::Agent), (QUEUE, Purpose::Acd), (STRANGER, Purpose::Flow)] {
        let seen = guest_is_on().leg(who, DESK, purpose, LegState::Connected);
        Story::naming(who).sees(seen).is("failed: participant_not_guest").made_calls(1);
    }
}

#[test]
fn a_named_participant_of_another_purpose_is_taken_for_the_guest() {
    let seen = scene().leg(STRANGER, TAB, Purpose::Other, LegState::Connected);
    Story::naming(STRANGER).sees(seen).asked(Request::CloseParticipant(STRANGER));
}

#[test]
fn a_guest_that_appears_in_time_is_closed() {
    Story::begin()
        .answers(Reply::NotFound)
        .wakes()
        .sees(scene().queue_on())
        .is("verifying")
        .wakes()
        .sees(guest_is_on())
        .asked(CLOSE_GUEST);
}

#[test]
fn nothing_is_done_before_its_time() {
    Story::not_before(Span::from_secs(3_600))
        .is("scheduled")
        .asked_nothing()
        .later(3_599)
        .sleeps_on()
        .wakes_after(1)
        .is("verifying")
        .asked(Request::Read);
}

#[test]
fn a_time_that_has_passed_is_now() {
    Story::not_before(Span::ZERO).is("verifying").asked(Request::Read);
}
