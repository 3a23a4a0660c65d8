//! Ghosts: held without proof, looked at again, healed by late evidence, given up in the end.

use closure_machine::{
    Announcement::{Accepted, Closed, Confirmed, Failed, GhostCleared, GhostDetected, ParticipantClosed},
    GhostReason, Reply, Request,
};
use genesys_types::Span;

use crate::language::*;

#[test]
fn three_rounds_without_proof_are_a_ghost() {
    Story::begin().becomes_a_ghost().asked_nothing().told(&[
        Accepted,
        ParticipantClosed,
        ParticipantClosed,
        ParticipantClosed,
        GhostDetected,
    ]);
}

#[test]
fn one_read_that_shows_the_guest_is_not_enough_to_ask_again() {
    Story::begin()
        .closes_the_guest()
        .wakes_after(20)
        .sees(guest_is_on())
        .asked_nothing()
        .wakes_after(10)
        .sees(guest_is_gone())
        .asked(CLOSE_WRAPPER);
}

#[test]
fn the_deadline_makes_a_ghost_although_rounds_are_left() {
    Story::under(|policy| policy.deadline = Span::from_secs(25))
        .closes_the_guest()
        .finds_the_guest_still_there()
        .is("ghost: no_confirmation");
}

#[test]
fn a_late_webhook_heals_a_ghost() {
    let story = Story::begin().becomes_a_ghost();
    let forgotten = story.told.len();
    assert!(forgotten > 0);
    let mut story = story.later(200).hears(guest_left(TAB)).asked(CLOSE_WRAPPER);
    story.told.drain(..forgotten);
    story.told(&[Confirmed, GhostCleared]).accepted().is("closed").told(&[Closed]);
}

#[test]
fn a_look_that_shows_the_guest_gone_heals_a_ghost() {
    Story::begin()
        .becomes_a_ghost()
        .wakes_between(300, 375)
        .asked(Request::Read)
        .sees(guest_is_gone())
        .asked(CLOSE_WRAPPER)
        .accepted()
        .is("closed");
}

#[test]
fn a_hint_makes_a_ghost_look_at_once() {
    Story::begin()
        .becomes_a_ghost()
        .later(1)
        .hears(somebody_left())
        .asked(Request::Read)
        .sees(guest_is_gone())
        .asked(CLOSE_WRAPPER);
}

#[test]
fn a_ghost_is_looked_at_at_growing_intervals_and_given_up_after_three_days() {
    let mut story = Story::begin().becomes_a_ghost();
    let began = story.now;
    let mut last = Span::ZERO;
    let mut looks = 0;
    while !story.is_over() {
        let before = story.now;
        story = story.wakes().asked(Request::Read).sees(guest_is_on());
        let waited = story.now.since(before);
        let cut_short = story.is_over();
        assert!(cut_short || waited.millis() * 5 / 4 >= last.millis(), "{waited} after {last}");
        last = waited;
        looks += 1;
        assert!(looks < 100);
    }
    assert_eq!(story.now.since(began), Span::from_secs(72 * 3_600));
    assert!(looks > 10, "only {looks} looks");
    let story = story.is("failed: abandoned").stays_over();
    assert_eq!(story.told.last(), Some(&Failed));
    assert_eq!(story.told.iter().filter(|told| **told == GhostDetected).count(), 1);
    assert!(!story.told.contains(&GhostCleared));
}

#[test]
fn a_ghosts_age_goes_on_while_it_is_asked_again() {
    let mut story = Story::begin().sees(guest_is_on());
    while story.haunted().is_none() {
        story = story.answers(Reply::Conflict);
        if story.haunted().is_none() {
            story = story.wakes().sees(guest_is_on());
        }
    }
    let began = story.now;
    while !story.is_over() {
        story = story.wakes().asked(Request::Read).sees(guest_is_on()).asked(CLOSE_GUEST);
        assert_eq!(story.haunted(), Some((GhostReason::Rejected, story.now.since(began))));
        story = story.answers(Reply::Conflict);
    }
    let story = story.is("failed: abandoned");
    assert_eq!(story.told.iter().filter(|told| **told == GhostDetected).count(), 1);
}

#[test]
fn a_ghost_of_the_wrapper_is_given_up_too() {
    let mut story = Story::begin().closes_the_guest().hears(guest_left(TAB)).asked(CLOSE_WRAPPER);
    let mut answered = 0;
    while !story.is_over() {
        story = match story.closure.turn {
            closure_machine::Turn::InFlight { request: Request::CloseWrapper(_), .. } => {
                story.answers(Reply::Conflict)
            }
            closure_machine::Turn::InFlight { .. } => story.sees(guest_is_gone()),
            closure_machine::Turn::Due { .. } | closure_machine::Turn::Over => story.wakes(),
        };
        answered += 1;
        assert!(answered < 1_000, "the ghost is never given up: {:#?}", story.closure);
    }
    let story = story.is("failed: abandoned");
    assert_eq!(story.told.iter().filter(|told| **told == GhostDetected).count(), 1);
    assert!(!story.told.contains(&GhostCleared));
}

#[test]
fn a_ghost_whose_looks_fail_keeps_its_reason() {
    let mut story = Story::begin().becomes_a_ghost();
    for failure in [Reply::Failed, Reply::NotSent, Reply::Unknown, Reply::NotFound] {
        story = story.wakes().asked(Request::Read).answers(failure).is("ghost: no_confirmation");
    }
}

#[test]
fn a_ghost_waits_for_quota_like_everybody() {
    Story::begin()
        .becomes_a_ghost()
        .wakes()
        .answers(Reply::RateLimited(Span::from_secs(40)))
        .is("ghost: no_confirmation")
        .wakes_between(40, 50)
        .asked(Request::Read)
        .answers(Reply::Forbidden(None))
        .is("blocked: permission")
        .wakes_after(300)
        .sees(guest_is_gone())
        .asked(CLOSE_WRAPPER);
}
