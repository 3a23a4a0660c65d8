//! Guests who come back.

use closure_machine::{
    Announcement::{Accepted, Closed, Confirmed, GhostCleared, GhostDetected, ParticipantClosed},
    Order, Reply, Request,
};
use genesys_types::Snapshot;

use crate::language::*;

/// The guest left on all legs but the latest.
fn came_back(legs: u128) -> Snapshot {
    (1..legs).fold(scene(), |seen, earlier| seen.guest_left(leg(earlier))).guest_on(leg(legs)).queue_on()
}

#[test]
fn a_guest_who_comes_back_while_we_wait_is_closed_again() {
    Story::begin()
        .closes_the_guest()
        .wakes_after(20)
        .sees(came_back(2))
        .asked(CLOSE_GUEST)
        .accepted()
        .ignores(guest_left(leg(1)))
        .hears(guest_left(leg(2)))
        .asked(CLOSE_WRAPPER)
        .accepted()
        .is("closed")
        .told(&[Accepted, ParticipantClosed, ParticipantClosed, Confirmed, Closed]);
}

#[test]
fn a_guest_who_comes_back_three_times_is_a_ghost() {
    Story::begin()
        .closes_the_guest()
        .wakes()
        .sees(came_back(2))
        .asked(CLOSE_GUEST)
        .accepted()
        .wakes()
        .sees(came_back(3))
        .asked(CLOSE_GUEST)
        .accepted()
        .wakes()
        .sees(came_back(4))
        .asked_nothing()
        .is("ghost: reopened_by_guest");
}

#[test]
fn a_guest_who_comes_back_and_then_leaves_by_itself_heals_the_ghost() {
    let mut story = Story::begin().sees(came_back(1));
    for legs in 2..=4 {
        story = story.accepted().wakes().sees(came_back(legs));
    }
    story
        .is("ghost: reopened_by_guest")
        .told(&[Accepted, ParticipantClosed, ParticipantClosed, ParticipantClosed, GhostDetected])
        .hears(guest_left(leg(4)))
        .asked(CLOSE_WRAPPER)
        .told(&[Confirmed, GhostCleared])
        .accepted()
        .is("closed");
}

#[test]
fn a_guest_who_comes_back_under_the_wrappers_close_is_closed_again() {
    Story::begin()
        .closes_the_guest()
        .hears(guest_left(leg(1)))
        .asked(CLOSE_WRAPPER)
        .answers(Reply::Accepted(Some(came_back(2))))
        .is("verifying")
        .asked(Request::Read)
        .sees(came_back(2))
        .asked(CLOSE_GUEST)
        .accepted()
        .hears(guest_left(leg(2)))
        .asked(Request::Read)
        .sees(scene().guest_left(leg(1)).guest_left(leg(2)).queue_on())
        .asked(CLOSE_WRAPPER)
        .accepted()
        .is("closed");
}

#[test]
fn a_wrapper_that_was_asked_is_read_before_it_is_asked_again_even_after_a_block() {
    Story::begin()
        .closes_the_guest()
        .hears(guest_left(leg(1)))
        .answers(Reply::Accepted(Some(came_back(2))))
        .asked(Request::Read)
        .answers(Reply::Forbidden(None))
        .is("blocked: permission")
        .hears(guest_left(leg(2)))
        .asked_nothing()
        .wakes()
        .asked(Request::Read);
}

#[test]
fn a_guest_who_comes_back_during_a_block_is_read_before_it_is_asked_again() {
    Story::begin()
        .sees(guest_is_on().friend_on())
        .asked(CLOSE_GUEST)
        .accepted()
        .asked(CLOSE_FRIEND)
        .answers(Reply::Forbidden(None))
        .is("blocked: permission")
        .hears(conversation(guest_is_on().guest_on(leg(2)).friend_left()))
        .wakes()
        .asked(Request::Read)
        .is("blocked: permission");
}

#[test]
fn a_guest_who_comes_back_under_every_close_of_the_wrapper_is_a_ghost() {
    let all_left = |legs| (1..=legs).fold(scene(), |seen, earlier| seen.guest_left(leg(earlier))).queue_on();
    let mut story = Story::begin().sees(came_back(1));
    for legs in 1..=3 {
        story = story.asked(CLOSE_GUEST).accepted().hears(guest_left(leg(legs)));
        if legs > 1 {
            story = story.asked(Request::Read).sees(all_left(legs));
        }
        story = story
            .asked(CLOSE_WRAPPER)
            .answers(Reply::Accepted(Some(came_back(legs + 1))))
            .asked(Request::Read)
            .sees(came_back(legs + 1));
    }
    story.is("ghost: reopened_by_guest");
}

#[test]
fn conversation_first_closes_a_guest_who_comes_back() {
    Story::under(|policy| policy.order = Order::ConversationFirst)
        .sees(came_back(1))
        .asked(CLOSE_WRAPPER)
        .accepted()
        .wakes_after(20)
        .sees(came_back(2))
        .asked(CLOSE_WRAPPER)
        .accepted()
        .hears(guest_left(leg(2)))
        .is("closed");
}

#[test]
fn a_guest_who_comes_back_after_the_end_does_not_open_the_closure() {
    Story::begin().closes_the_guest().hears(guest_left(TAB)).accepted().is("closed").stays_over();
}
