//! Nobody listened for a while: what was waited for may have come and gone.

use closure_machine::{Evidence, Reply, Request};

use crate::language::*;

#[test]
fn whoever_waited_is_read_at_once() {
    Story::begin()
        .closes_the_guest()
        .later(3)
        .misses_events()
        .asked(Request::Read)
        .sees(guest_is_gone())
        .asked(CLOSE_WRAPPER)
        .accepted()
        .is("closed");
}

#[test]
fn without_a_permit_the_read_is_due_and_queues() {
    Story::begin()
        .closes_the_guest()
        .later(3)
        .without_permit()
        .misses_events()
        .asked_nothing()
        .misses_nothing()
        .with_permit()
        .wakes_after(0)
        .asked(Request::Read);
}

#[test]
fn a_read_before_the_time_that_shows_the_guest_leaves_the_wait_as_it_was() {
    Story::begin()
        .closes_the_guest()
        .later(3)
        .misses_events()
        .sees(guest_is_on())
        .asked_nothing()
        .is("awaiting_confirmation")
        .where_it_holds(|closure| closure.still_there_at.is_none() && closure.rounds == 1)
        .wakes_after(17)
        .asked(Request::Read)
        .sees(guest_is_on())
        .wakes_after(10)
        .sees(guest_is_on())
        .asked(CLOSE_GUEST);
}

#[test]
fn the_event_may_still_come_after_that_read() {
    Story::begin()
        .closes_the_guest()
        .later(3)
        .misses_events()
        .sees(guest_is_on())
        .later(1)
        .hears(guest_left(TAB))
        .asked(CLOSE_WRAPPER);
}

#[test]
fn each_time_that_nobody_listened_costs_one_read() {
    Story::begin()
        .closes_the_guest()
        .later(3)
        .misses_events()
        .misses_nothing()
        .sees(guest_is_on())
        .later(3)
        .misses_events()
        .asked(Request::Read)
        .misses_nothing()
        .made_calls(4);
}

#[test]
fn a_read_that_is_refused_in_passing_is_made_again() {
    Story::begin()
        .closes_the_guest()
        .later(3)
        .misses_events()
        .answers(Reply::Failed)
        .is("awaiting_confirmation")
        .wakes()
        .asked(Request::Read);
}

#[test]
fn a_ghost_is_looked_at_at_once() {
    Story::begin()
        .becomes_a_ghost()
        .later(3)
        .misses_events()
        .asked(Request::Read)
        .sees(guest_is_gone())
        .asked(CLOSE_WRAPPER);
}

#[test]
fn whoever_waits_for_no_event_is_left_alone() {
    Story::begin().misses_nothing();
    Story::begin().sees(guest_is_on()).asked(CLOSE_GUEST).misses_nothing();
    Story::begin().closes_the_guest().hears(guest_left(TAB)).asked(CLOSE_WRAPPER).misses_nothing();
    Story::seeking().misses_nothing();
}

#[test]
fn a_policy_that_wants_an_event_reads_no_second_time_what_a_read_has_shown() {
    Story::under(|policy| policy.evidence = Evidence::WebhookOnly)
        .closes_the_guest()
        .later(3)
        .misses_events()
        .asked(Request::Read)
        .sees(guest_is_gone())
        .is("awaiting_confirmation")
        .later(3)
        .misses_nothing();
}
