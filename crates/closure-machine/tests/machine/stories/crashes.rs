//! A crash between the commit and the reply looks like a lost reply: the closure is woken when the call's time is up.

use closure_machine::{Act, Request, WrapUpPolicy};

use crate::language::*;

#[test]
fn a_crash_at_the_first_read_reads_again() {
    Story::begin()
        .gets_no_answer()
        .wakes_between(0, 1)
        .asked(Request::Read)
        .sees(guest_is_on())
        .asked(CLOSE_GUEST);
}

#[test]
fn a_crash_at_the_guests_close_reads_before_anything_else() {
    Story::begin()
        .sees(guest_is_on())
        .gets_no_answer()
        .is("awaiting_confirmation")
        .wakes_between(0, 2)
        .asked(Request::Read)
        .sees(guest_is_gone())
        .asked(CLOSE_WRAPPER)
        .accepted()
        .is("closed");
}

#[test]
fn a_crash_at_the_read_back_reads_again() {
    Story::begin()
        .closes_the_guest()
        .wakes_after(20)
        .gets_no_answer()
        .is("awaiting_confirmation")
        .wakes_between(0, 1)
        .asked(Request::Read)
        .sees(guest_is_gone())
        .asked(CLOSE_WRAPPER);
}

#[test]
fn a_crash_at_the_wrappers_close_reads_before_anything_else() {
    Story::begin()
        .closes_the_guest()
        .hears(guest_left(TAB))
        .gets_no_answer()
        .is("closing_wrapper: look")
        .wakes_between(0, 1)
        .asked(Request::Read)
        .sees(all_is_over())
        .is("closed");
}

#[test]
fn a_crash_at_the_wrap_up_reads_before_anything_else() {
    let owing = || scene().guest_left(TAB).agent_left().owing_a_wrap_up().queue_on();
    Story::under(|policy| policy.wrap_up = WrapUpPolicy::Skip)
        .sees(owing())
        .answers(closure_machine::Reply::WrapUpRequired)
        .asked(Request::GiveWrapUp { participant: AGENT, communication: Some(DESK) })
        .gets_no_answer()
        .wakes()
        .asked(Request::Read)
        .sees(owing())
        .wakes()
        .sees(owing())
        .asked(CLOSE_WRAPPER)
        .accepted()
        .is("closed");
}

#[test]
fn a_crash_at_the_teardown_reads_before_anything_else() {
    Story::begin()
        .acts(Act::Force)
        .gets_no_answer()
        .wakes_between(0, 1)
        .asked(Request::Read)
        .sees(all_is_over())
        .is("closed");
}

#[test]
fn a_crash_at_a_ghosts_look_leaves_the_ghost() {
    Story::begin().becomes_a_ghost().wakes().gets_no_answer().is("ghost: no_confirmation");
}
