//! The wrapper's close, after the guest is proven gone.

use closure_machine::{Reply, Request};
use genesys_types::Span;

use crate::language::*;

fn at_the_wrapper() -> Story {
    Story::begin().closes_the_guest().hears(guest_left(TAB)).asked(CLOSE_WRAPPER)
}

#[test]
fn an_answer_that_still_shows_the_queue_is_not_believed() {
    at_the_wrapper()
        .answers(Reply::Accepted(Some(guest_is_gone())))
        .is("closing_wrapper: look")
        .wakes_after(10)
        .asked(Request::Read)
        .sees(scene().guest_left(TAB).ended())
        .is("closed")
        .made_calls(4);
}

#[test]
fn an_answer_that_shows_only_the_guests_old_leg_is_believed() {
    at_the_wrapper().answers(Reply::Accepted(Some(scene().guest_on(TAB)))).is("closed");
}

#[test]
fn a_conversation_that_stays_open_is_asked_three_times_and_then_a_ghost() {
    let open = || scene().guest_left(TAB).agent_on();
    let mut story = at_the_wrapper();
    for round in 1..=3 {
        story = story
            .asked(CLOSE_WRAPPER)
            .answers(Reply::Accepted(Some(open())))
            .wakes_after(10)
            .asked(Request::Read)
            .sees(open())
            .asked_nothing()
            .wakes_after(10)
            .sees(open());
        if round < 3 {
            story = story.asked(CLOSE_WRAPPER);
        }
    }
    story
        .is("ghost: conversation_open")
        .wakes()
        .asked(Request::Read)
        .sees(open())
        .is("ghost: conversation_open")
        .wakes()
        .sees(scene().guest_left(TAB).agent_left())
        .is("closed");
}

#[test]
fn a_refused_wrapper_is_read_and_asked_again_a_bounded_number_of_times() {
    for refusal in [Reply::Conflict, Reply::Rejected] {
        let mut story = at_the_wrapper();
        for _ in 1..story.policy.max_attempts {
            story = story
                .asked(CLOSE_WRAPPER)
                .answers(refusal.clone())
                .is("closing_wrapper: look")
                .wakes()
                .asked(Request::Read)
                .sees(guest_is_gone())
                .asked_nothing()
                .wakes_after(10)
                .sees(guest_is_gone());
        }
        story.asked(CLOSE_WRAPPER).answers(refusal).is("ghost: rejected");
    }
}

#[test]
fn a_wrapper_whose_outcome_stays_unknown_is_unreachable() {
    for outcome in [Reply::Unknown, Reply::Failed] {
        let mut story = at_the_wrapper();
        for _ in 1..story.policy.max_attempts {
            story = story
                .asked(CLOSE_WRAPPER)
                .answers(outcome.clone())
                .wakes()
                .asked(Request::Read)
                .sees(guest_is_gone())
                .wakes_after(10)
                .sees(guest_is_gone());
        }
        story.asked(CLOSE_WRAPPER).answers(outcome).is("ghost: unreachable");
    }
}

#[test]
fn a_pause_for_the_quota_is_not_charged_to_the_wrapper() {
    let mut story = at_the_wrapper();
    for _ in 0..20 {
        story = story
            .asked(CLOSE_WRAPPER)
            .answers(Reply::RateLimited(Span::from_secs(1)))
            .where_it_holds(|closure| closure.wrapper_asks == 0)
            .wakes_between(1, 2);
    }
    story.accepted().is("closed");
}

#[test]
fn an_event_of_the_whole_end_overtakes_the_wrappers_close() {
    at_the_wrapper().hears(conversation(scene().guest_left(TAB).ended())).is("closed");
    at_the_wrapper()
        .answers(Reply::Failed)
        .is("closing_wrapper: look")
        .hears(conversation(all_is_over()))
        .asked_nothing()
        .is("closed");
}
