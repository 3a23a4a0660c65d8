//! Refusals, failures in passing, and outcomes that nobody knows.

use closure_machine::{
    Announcement::{Accepted, Blocked},
    GhostReason, Order, Reply, Request,
};
use genesys_types::Span;

use crate::language::*;

/// The guest's close is refused again and again; after each refusal a read decides.
#[track_caller]
fn refused_until_a_ghost(refusal: &Reply) -> Story {
    let mut story = Story::begin().sees(guest_is_on()).asked(CLOSE_GUEST);
    for _ in 1..story.policy.max_attempts {
        story = story
            .answers(refusal.clone())
            .asked_nothing()
            .is("verifying")
            .wakes()
            .asked(Request::Read)
            .sees(guest_is_on())
            .asked(CLOSE_GUEST);
    }
    story.answers(refusal.clone()).is("ghost: rejected")
}

#[test]
fn a_storm_of_conflicts_ends_as_rejected() {
    refused_until_a_ghost(&Reply::Conflict).made_calls(16);
}

#[test]
fn a_storm_of_bad_requests_ends_as_rejected() {
    refused_until_a_ghost(&Reply::Rejected);
}

#[test]
fn a_storm_of_not_found_for_the_participant_ends_as_rejected() {
    refused_until_a_ghost(&Reply::NotFound);
}

#[test]
fn a_rejected_ghost_asks_once_at_every_look_and_stays_rejected() {
    let mut story = refused_until_a_ghost(&Reply::Conflict);
    for _ in 0..4 {
        story = story
            .wakes()
            .asked(Request::Read)
            .sees(guest_is_on())
            .asked(CLOSE_GUEST)
            .answers(Reply::Conflict)
            .is("ghost: rejected");
    }
}

#[test]
fn a_conflict_is_read_and_never_taken_for_closed() {
    Story::begin()
        .sees(guest_is_on())
        .answers(Reply::Conflict)
        .wakes_between(0, 1)
        .asked(Request::Read)
        .sees(guest_is_gone())
        .asked(CLOSE_WRAPPER)
        .accepted()
        .is("closed");
}

#[test]
fn refusals_are_waited_out_longer_and_longer() {
    let mut story = Story::begin().sees(guest_is_on());
    for most in [1, 2, 4, 8, 16, 32, 60] {
        story = story.answers(Reply::Conflict).wakes_between(most * 3 / 4, most).sees(guest_is_on());
    }
}

#[test]
fn a_failure_of_the_close_is_read_before_it_is_asked_again() {
    Story::begin()
        .sees(guest_is_on())
        .answers(Reply::Failed)
        .is("awaiting_confirmation")
        .wakes_between(0, 1)
        .asked(Request::Read)
        .sees(guest_is_on())
        .asked_nothing()
        .wakes_after(10)
        .asked(Request::Read)
        .sees(guest_is_on())
        .asked(CLOSE_GUEST)
        .accepted()
        .hears(guest_left(TAB))
        .accepted()
        .is("closed");
}

#[test]
fn a_storm_of_failures_is_charged_once_a_round() {
    let mut story = Story::under(|policy| policy.deadline = Span::from_secs(3_600)).sees(guest_is_on());
    for _ in 0..story.policy.max_attempts {
        story = story
            .asked(CLOSE_GUEST)
            .answers(Reply::Failed)
            .wakes()
            .sees(guest_is_on())
            .wakes_after(10)
            .sees(guest_is_on());
    }
    story
        .asked(CLOSE_GUEST)
        .answers(Reply::Failed)
        .wakes()
        .sees(guest_is_on())
        .wakes()
        .sees(guest_is_on())
        .is("ghost: unreachable");
}

#[test]
fn an_outage_longer_than_the_deadline_heals_by_itself() {
    let mut story = Story::begin().sees(guest_is_on());
    while story.haunted().is_none() {
        story = story.asked(CLOSE_GUEST).answers(Reply::Failed).wakes().sees(guest_is_on());
        story = story.wakes_after(10).sees(guest_is_on());
    }
    story
        .is("ghost: unreachable")
        .wakes()
        .asked(Request::Read)
        .sees(guest_is_on())
        .asked(CLOSE_GUEST)
        .accepted()
        .hears(guest_left(TAB))
        .accepted()
        .is("closed");
}

#[test]
fn a_failure_of_the_first_guests_close_does_not_cost_the_second_guest_a_round() {
    let mut story = Story::begin().sees(guest_is_on().friend_on());
    for _ in 0..2 {
        story = story
            .asked(CLOSE_GUEST)
            .answers(Reply::Failed)
            .wakes_between(0, 4)
            .asked(CLOSE_FRIEND)
            .answers(Reply::Failed)
            .wakes_between(0, 4)
            .asked(Request::Read)
            .sees(guest_is_on().friend_on())
            .wakes_after(10)
            .sees(guest_is_on().friend_on());
    }
    story.asked(CLOSE_GUEST).where_it_holds(|closure| closure.rounds == 1);
}

#[test]
fn an_unknown_outcome_is_read_twice_before_the_close_is_asked_again() {
    Story::begin()
        .sees(guest_is_on())
        .asked(CLOSE_GUEST)
        .gets_no_answer()
        .asked_nothing()
        .is("awaiting_confirmation")
        .wakes_between(0, 2)
        .asked(Request::Read)
        .sees(guest_is_on())
        .wakes_after(10)
        .asked(Request::Read)
        .sees(guest_is_on())
        .asked(CLOSE_GUEST)
        .where_it_holds(|closure| closure.rounds == 1);
}

#[test]
fn an_unreadable_answer_is_an_unknown_outcome() {
    Story::begin().sees(guest_is_on()).answers(Reply::Unknown).wakes_between(0, 2).asked(Request::Read);
}

#[test]
fn an_answer_that_comes_after_its_time_is_stale() {
    Story::begin()
        .sees(guest_is_on())
        .gets_no_answer()
        .finds_stale(2, Reply::Accepted(None))
        .is("awaiting_confirmation");
}

#[test]
fn too_many_requests_are_waited_out_and_not_charged() {
    let mut story = Story::begin().sees(guest_is_on());
    for _ in 0..20 {
        story = story
            .asked(CLOSE_GUEST)
            .answers(Reply::RateLimited(Span::from_secs(60)))
            .is("closing_participant")
            .where_it_holds(|closure| closure.first_asked_at.is_none() && closure.refused == 0)
            .wakes_between(60, 75);
    }
    story.asked(CLOSE_GUEST).accepted().hears(guest_left(TAB)).accepted().is("closed");
}

#[test]
fn a_guest_who_left_while_the_quota_was_used_up_is_found_closed() {
    Story::begin()
        .sees(scene().guest_on(TAB))
        .answers(Reply::RateLimited(Span::from_secs(60)))
        .hears(conversation(all_is_over()))
        .is("already_closed");
}

#[test]
fn too_many_requests_do_not_hide_that_a_close_was_asked_before() {
    Story::begin()
        .becomes_a_ghost()
        .later(5)
        .acts(closure_machine::Act::Retry)
        .asked(Request::Read)
        .later(1)
        .sees(guest_is_on())
        .asked(CLOSE_GUEST)
        .answers(Reply::RateLimited(Span::from_secs(60)))
        .where_it_holds(|closure| closure.first_asked_at.is_some())
        .hears(conversation(all_is_over()))
        .is("closed");
}

#[test]
fn a_call_that_never_left_is_made_again() {
    let mut story = Story::begin().sees(guest_is_on());
    for _ in 1..story.policy.max_attempts {
        story = story.asked(CLOSE_GUEST).answers(Reply::NotSent).is("closing_participant").wakes();
    }
    story.asked(CLOSE_GUEST).answers(Reply::NotSent).is("ghost: unreachable");
}

#[test]
fn calls_that_never_leave_are_not_charged_as_the_guests_return() {
    let mut story = Story::begin().sees(guest_is_on());
    for _ in 0..5 {
        while story.haunted().is_none() || !matches!(story.closure.step, closure_machine::Step::Ghost(_)) {
            story = story.asked(CLOSE_GUEST).answers(Reply::NotSent);
            if !matches!(story.closure.step, closure_machine::Step::Ghost(_)) {
                story = story.wakes();
            }
        }
        story = story.is("ghost: unreachable").wakes().asked(Request::Read).sees(guest_is_on());
    }
    story.asked(CLOSE_GUEST).accepted().hears(guest_left(TAB)).accepted().is("closed");
}

#[test]
fn a_read_that_fails_is_made_again_a_bounded_number_of_times() {
    for failure in [Reply::Failed, Reply::NotSent, Reply::Unknown, Reply::Rejected, Reply::Conflict] {
        let mut story = Story::begin();
        for _ in 1..story.policy.max_attempts {
            story = story.answers(failure.clone()).is("verifying").wakes().asked(Request::Read);
        }
        story
            .answers(failure)
            .is("ghost: unreachable")
            .wakes()
            .asked(Request::Read)
            .sees(guest_is_on())
            .asked(CLOSE_GUEST)
            .accepted()
            .hears(guest_left(TAB))
            .accepted()
            .is("closed");
    }
}

#[test]
fn a_missing_permission_blocks_and_one_probe_goes_on() {
    let since = START;
    Story::begin()
        .sees(guest_is_on())
        .asked(CLOSE_GUEST)
        .answers(Reply::Forbidden(Some("conversation:communication:disconnect".into())))
        .is("blocked: permission")
        .told(&[Accepted, Blocked])
        .where_it_holds(|closure| closure.first_asked_at.is_none() && closure.refused == 0)
        .wakes_after(300)
        .asked(CLOSE_GUEST)
        .answers(Reply::Forbidden(None))
        .is("blocked: permission")
        .told(&[])
        .where_it_holds(
            |closure| matches!(&closure.step, closure_machine::Step::Blocked(block) if block.since == since),
        )
        .wakes_after(300)
        .asked(CLOSE_GUEST)
        .accepted()
        .is("awaiting_confirmation")
        .hears(guest_left(TAB))
        .accepted()
        .is("closed");
}

#[test]
fn a_blocked_closure_goes_on_before_its_probe_when_there_is_a_permit_for_it() {
    let blocked = Story::begin()
        .sees(guest_is_on())
        .asked(CLOSE_GUEST)
        .answers(Reply::Forbidden(None))
        .is("blocked: permission")
        .later(1);
    blocked.clone().without_permit().sleeps_on();
    blocked.lifted().asked(CLOSE_GUEST).accepted().is("awaiting_confirmation");
}

#[test]
fn a_probe_that_was_not_looked_at_leaves_the_closure_blocked() {
    for reply in [Reply::RateLimited(Span::from_secs(10)), Reply::NotSent] {
        Story::begin()
            .sees(guest_is_on())
            .answers(Reply::Unauthenticated)
            .is("blocked: credential")
            .told(&[Accepted, Blocked])
            .wakes_after(300)
            .answers(reply)
            .is("blocked: credential")
            .wakes()
            .asked(CLOSE_GUEST)
            .answers(Reply::Unauthenticated)
            .is("blocked: credential")
            .told(&[])
            .where_it_holds(|closure| {
                matches!(&closure.step, closure_machine::Step::Blocked(block) if block.since == START)
            });
    }
}

#[test]
fn a_block_goes_on_where_it_began() {
    Story::begin().answers(Reply::Unauthenticated).is("blocked: credential").wakes().asked(Request::Read);
    Story::begin()
        .closes_the_guest()
        .wakes()
        .answers(Reply::Forbidden(None))
        .is("blocked: permission")
        .wakes_after(300)
        .asked(Request::Read)
        .sees(guest_is_gone())
        .asked(CLOSE_WRAPPER)
        .answers(Reply::Forbidden(None))
        .is("blocked: permission")
        .wakes_after(300)
        .asked(CLOSE_WRAPPER)
        .accepted()
        .is("closed");
    Story::begin()
        .acts(closure_machine::Act::Force)
        .answers(Reply::Forbidden(None))
        .wakes_after(300)
        .asked(Request::Disconnect);
}

#[test]
fn a_confirmation_leads_on_even_while_blocked() {
    Story::begin()
        .closes_the_guest()
        .wakes()
        .answers(Reply::Unauthenticated)
        .hears(guest_left(TAB))
        .asked(CLOSE_WRAPPER)
        .accepted()
        .is("closed");
}

#[test]
fn not_found_after_proof_means_closed() {
    Story::begin()
        .closes_the_guest()
        .hears(guest_left(TAB))
        .asked(CLOSE_WRAPPER)
        .answers(Reply::NotFound)
        .is("closed");
}

#[test]
fn not_found_without_proof_is_a_ghost() {
    Story::begin().closes_the_guest().wakes().answers(Reply::NotFound).is("ghost: no_confirmation");
}

#[test]
fn conversation_first_reads_twice_after_an_unknown_outcome() {
    for outcome in [Reply::Unknown, Reply::Failed] {
        Story::under(|policy| policy.order = Order::ConversationFirst)
            .sees(guest_is_on())
            .asked(CLOSE_WRAPPER)
            .answers(outcome)
            .wakes()
            .asked(Request::Read)
            .sees(guest_is_on())
            .asked_nothing()
            .wakes_after(10)
            .asked(Request::Read)
            .sees(guest_is_on())
            .asked(CLOSE_WRAPPER);
    }
}

#[test]
fn conversation_first_reads_after_an_unknown_outcome_even_when_the_guest_is_proven_gone() {
    Story::under(|policy| policy.order = Order::ConversationFirst)
        .sees(guest_is_on())
        .answers(Reply::Unknown)
        .hears(guest_left(TAB))
        .asked_nothing()
        .wakes()
        .asked(Request::Read)
        .sees(all_is_over())
        .is("closed");
}

#[test]
fn conversation_first_counts_a_refusal_once() {
    let mut story = Story::under(|policy| policy.order = Order::ConversationFirst).sees(guest_is_on());
    for _ in 1..story.policy.max_attempts {
        story = story.asked(CLOSE_WRAPPER).answers(Reply::Conflict).wakes().sees(guest_is_on());
    }
    let story = story.asked(CLOSE_WRAPPER).answers(Reply::Conflict).is("ghost: rejected");
    assert_eq!(story.haunted(), Some((GhostReason::Rejected, Span::ZERO)));
}
