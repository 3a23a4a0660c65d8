//! What operators do.

use closure_machine::{
    Act,
    Announcement::{Accepted, Blocked, Cancelled, GhostCleared, Resolved},
    Reply, Request,
};
use genesys_types::Span;

use crate::language::*;

#[test]
fn a_closure_can_be_cancelled_at_any_time() {
    Story::not_before(Span::from_secs(60)).acts(Act::Cancel).is("cancelled").told(&[Accepted, Cancelled]);
    Story::begin().acts(Act::Cancel).is("cancelled").stays_over();
    Story::begin().sees(guest_is_on()).acts(Act::Cancel).is("cancelled");
    Story::begin().closes_the_guest().acts(Act::Cancel).is("cancelled");
    Story::begin()
        .answers(Reply::Unauthenticated)
        .acts(Act::Cancel)
        .is("cancelled")
        .told(&[Accepted, Blocked, Cancelled]);
}

#[test]
fn a_ghost_can_be_resolved() {
    let story = Story::begin().becomes_a_ghost().acts(Act::Resolve).is("resolved").stays_over();
    assert_eq!(story.told[story.told.len() - 2..], [GhostCleared, Resolved]);
}

#[test]
fn a_ghost_can_be_looked_at_now() {
    Story::begin().becomes_a_ghost().acts(Act::Verify).asked(Request::Read).is("ghost: no_confirmation");
}

#[test]
fn a_look_that_an_operator_orders_puts_the_next_one_off_no_further_than_the_second() {
    let mut story = Story::begin().becomes_a_ghost();
    for _ in 0..8 {
        story = story.wakes().sees(guest_is_on());
    }
    for _ in 0..4 {
        story = story.later(30).acts(Act::Verify).asked(Request::Read).sees(guest_is_on());
    }
    let story = story.is("ghost: no_confirmation").wakes_between(600, 750);
    let began = story.now.since(story.closure.accepted_at);
    assert_eq!(story.haunted().map(|(_, age)| age < began), Some(true), "it is as old as before");
}

#[test]
fn a_closure_that_waits_for_an_event_can_be_looked_at_now() {
    Story::begin().closes_the_guest().acts(Act::Verify).asked(Request::Read).forbids(Act::Verify);
}

#[test]
fn there_is_nothing_to_verify_while_something_else_is_under_way() {
    Story::begin().forbids(Act::Verify).sees(guest_is_on()).forbids(Act::Verify);
    Story::begin().answers(Reply::Unauthenticated).forbids(Act::Verify);
    Story::not_before(Span::from_secs(60)).forbids(Act::Verify);
}

#[test]
fn a_retry_reads_before_it_asks_and_has_fresh_rounds() {
    Story::begin()
        .becomes_a_ghost()
        .acts(Act::Retry)
        .is("verifying")
        .asked(Request::Read)
        .sees(guest_is_on())
        .asked(CLOSE_GUEST)
        .accepted()
        .finds_the_guest_still_there()
        .asked(CLOSE_GUEST)
        .accepted()
        .finds_the_guest_still_there()
        .asked(CLOSE_GUEST)
        .accepted()
        .finds_the_guest_still_there()
        .is("ghost: no_confirmation");
}

#[test]
fn a_retry_does_not_forget_that_the_wrapper_was_asked() {
    Story::begin()
        .closes_the_guest()
        .hears(guest_left(TAB))
        .asked(CLOSE_WRAPPER)
        .without_permit()
        .answers(Reply::Accepted(Some(guest_is_gone().guest_on(RELOADED))))
        .is("verifying")
        .acts(Act::Retry)
        .with_permit()
        .wakes()
        .answers(Reply::Forbidden(None))
        .hears(guest_left(RELOADED))
        .asked_nothing()
        .wakes()
        .asked(Request::Read);
}

#[test]
fn a_retry_of_a_blocked_closure_probes_now() {
    Story::begin()
        .sees(guest_is_on())
        .answers(Reply::Forbidden(None))
        .acts(Act::Retry)
        .asked(Request::Read)
        .sees(guest_is_on())
        .asked(CLOSE_GUEST);
}

#[test]
fn a_retry_of_a_scheduled_closure_begins_now() {
    Story::not_before(Span::from_secs(60)).acts(Act::Retry).asked(Request::Read);
}

#[test]
fn nothing_is_retried_while_it_is_under_way() {
    Story::begin().forbids(Act::Retry).sees(guest_is_on()).forbids(Act::Retry).accepted().forbids(Act::Retry);
    Story::begin().becomes_a_ghost().wakes().forbids(Act::Retry);
}

#[test]
fn a_force_tears_down_and_is_proven_by_a_read() {
    Story::begin()
        .becomes_a_ghost()
        .acts(Act::Force)
        .is("closing_wrapper: forced")
        .asked(Request::Disconnect)
        .forbids(Act::Force)
        .accepted()
        .is("awaiting_confirmation")
        .wakes_after(1)
        .asked(Request::Read)
        .sees(all_is_over())
        .is("closed");
}

#[test]
fn a_force_does_not_wait_for_the_call_under_way() {
    Story::begin()
        .sees(guest_is_on())
        .asked(CLOSE_GUEST)
        .acts(Act::Force)
        .asked(Request::Disconnect)
        .finds_stale(2, Reply::Accepted(None));
}

#[test]
fn a_force_of_a_conversation_that_was_never_read_is_proven_by_a_read() {
    Story::begin().acts(Act::Force).accepted().wakes_after(1).sees(all_is_over()).is("closed");
}

#[test]
fn a_force_without_effect_is_a_ghost() {
    Story::begin()
        .closes_the_guest()
        .acts(Act::Force)
        .accepted()
        .wakes_after(1)
        .sees(guest_is_on())
        .wakes_after(10)
        .sees(guest_is_on())
        .asked_nothing()
        .is("ghost: no_confirmation");
}

#[test]
fn a_force_that_is_refused_is_a_ghost() {
    Story::begin().sees(guest_is_on()).acts(Act::Force).answers(Reply::Rejected).is("ghost: rejected");
}

#[test]
fn a_force_that_did_not_leave_is_tried_again() {
    Story::begin()
        .acts(Act::Force)
        .answers(Reply::NotSent)
        .is("closing_wrapper: forced")
        .wakes()
        .asked(Request::Disconnect)
        .answers(Reply::RateLimited(Span::from_secs(5)))
        .wakes_between(5, 7)
        .asked(Request::Disconnect);
}

#[test]
fn a_webhook_during_a_force_is_taken() {
    Story::begin()
        .sees(guest_is_on())
        .acts(Act::Force)
        .hears(guest_left(TAB))
        .accepted()
        .wakes()
        .sees(guest_is_gone())
        .is("closed");
    Story::begin().sees(guest_is_on()).acts(Act::Force).hears(conversation(all_is_over())).is("closed");
}

#[test]
fn too_many_requests_at_a_force_do_not_hide_that_the_guests_close_was_asked() {
    Story::begin()
        .closes_the_guest()
        .later(1)
        .acts(Act::Force)
        .answers(Reply::RateLimited(Span::from_secs(5)))
        .where_it_holds(|closure| closure.first_asked_at.is_some());
}

#[test]
fn a_note_is_taken_of_a_ghost_alone_and_changes_nothing_but_the_version() {
    let ghost = Story::begin().becomes_a_ghost();
    let (before, told) = (ghost.closure.clone(), ghost.told.len());
    let noted = ghost.acts(Act::Note).is("ghost: no_confirmation");
    assert_eq!(noted.told.len(), told);
    let same = closure_machine::Closure { sequence: before.sequence, ..noted.closure.clone() };
    assert_eq!((same, noted.closure.sequence), (before.clone(), before.sequence + 1));
    Story::begin().becomes_a_ghost().wakes().acts(Act::Note).is("ghost: no_confirmation");
    Story::begin().forbids(Act::Note).sees(guest_is_on()).forbids(Act::Note).accepted().forbids(Act::Note);
    Story::not_before(Span::from_secs(60)).forbids(Act::Note);
    Story::begin().answers(Reply::Unauthenticated).forbids(Act::Note);
}
