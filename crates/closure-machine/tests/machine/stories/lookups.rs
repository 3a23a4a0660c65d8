//! A command that names no conversation: it is looked up, and nothing that is found is trusted.

use closure_machine::{
    Act,
    Announcement::{Accepted, AlreadyClosed, Blocked, Failed, GhostDetected},
    BlockReason, Findings, OtherClosure, Policy, Reply, Request, Step,
};
use genesys_types::Span;

use crate::language::*;

#[test]
fn what_is_found_is_read_before_anything_is_asked() {
    Story::seeking()
        .is("resolving")
        .asked(Request::LookUp)
        .answers(fit(&[CONVERSATION]))
        .is("verifying")
        .asked(Request::Read)
        .where_it_holds(|closure| closure.conversation == Some(CONVERSATION))
        .closes_the_guest()
        .hears(guest_left(TAB))
        .asked(CLOSE_WRAPPER)
        .accepted()
        .is("closed")
        .made_calls(4);
}

#[test]
fn what_is_found_and_has_ended_meanwhile_is_already_closed() {
    Story::seeking()
        .answers(fit(&[CONVERSATION]))
        .sees(all_is_over())
        .is("already_closed")
        .told(&[Accepted, AlreadyClosed]);
}

#[test]
fn what_is_found_and_is_not_there_fails_as_any_other() {
    let mut story = Story::seeking().answers(fit(&[CONVERSATION]));
    while !story.is_over() {
        story = story.asked(Request::Read).answers(Reply::NotFound);
        story = if story.is_over() { story } else { story.wakes() };
    }
    story.is("failed: not_found");
}

#[test]
fn nothing_that_fits_is_looked_for_two_minutes_and_not_often() {
    let mut story = Story::seeking();
    while !story.is_over() {
        story = story.asked(Request::LookUp).answers(fit(&[]));
        story = if story.is_over() { story } else { story.is("resolving").wakes_between(3, 60) };
    }
    assert_eq!(story.now.since(START), Span::from_secs(120));
    let looks = story.closure.calls;
    assert!((5..=8).contains(&looks), "{looks}");
    story.is("failed: not_found").told(&[Accepted, Failed]);
}

#[test]
fn what_appears_in_time_is_taken_and_its_guest_has_its_own_grace() {
    Story::seeking()
        .answers(fit(&[]))
        .wakes_between(3, 4)
        .answers(fit(&[CONVERSATION]))
        .sees(scene().queue_on())
        .is("verifying")
        .where_it_holds(|closure| closure.missed_at.is_some_and(|at| at > START));
}

#[test]
fn of_several_none_is_taken() {
    Story::seeking()
        .answers(fit(&[CONVERSATION, OTHER_CONVERSATION]))
        .is("failed: ambiguous_target")
        .asked_nothing()
        .told(&[Accepted, Failed])
        .where_it_holds(|closure| {
            let sought = closure.sought.as_ref().expect("it has a target");
            closure.conversation.is_none() && sought.candidates.len() == 2
        })
        .stays_over();
}

#[test]
fn a_conversation_that_another_closure_closes_is_left_to_it() {
    let story = Story::seeking().answers(taken()).is("failed: open_elsewhere").told(&[Accepted, Failed]);
    assert_eq!(story.closure.conversation, None);
    let sought = story.closure.sought.expect("it has a target");
    assert_eq!((sought.other, sought.candidates.len()), (Some(OtherClosure(0xc10)), 1));
    assert_eq!(sought.candidates[0].conversation, CONVERSATION);
}

#[test]
fn a_lookup_that_got_no_answer_is_made_again() {
    Story::seeking()
        .gets_no_answer()
        .is("resolving")
        .wakes()
        .asked(Request::LookUp)
        .answers(Reply::Failed)
        .wakes()
        .answers(fit(&[CONVERSATION]))
        .is("verifying");
}

#[test]
fn a_lookup_that_cannot_be_made_is_held_and_made_again_later() {
    let mut story = Story::seeking_under(|policy| policy.max_attempts = 2);
    story = story.answers(Reply::NotSent).wakes().answers(Reply::NotSent).is("ghost: unreachable");
    story
        .told(&[Accepted, GhostDetected])
        .forbids(Act::Force)
        .wakes()
        .asked(Request::LookUp)
        .answers(fit(&[CONVERSATION]))
        .is("verifying")
        .sees(guest_is_on())
        .asked(CLOSE_GUEST);
}

#[test]
fn a_question_that_is_refused_is_held_at_once() {
    Story::seeking().answers(Reply::Rejected).is("ghost: rejected").wakes().asked(Request::LookUp);
}

#[test]
fn a_missing_permission_blocks_and_is_named() {
    let missing = "analytics:conversationDetail:view";
    Story::seeking()
        .answers(Reply::Forbidden(Some(missing.into())))
        .is("blocked: permission")
        .told(&[Accepted, Blocked])
        .where_it_holds(|closure| {
            let Step::Blocked(block) = &closure.step else { return false };
            block.why == BlockReason::Permission(Some(missing.into()))
        })
        .wakes_after(300)
        .asked(Request::LookUp)
        .answers(fit(&[CONVERSATION]))
        .is("verifying")
        .asked(Request::Read);
}

#[test]
fn a_quota_that_is_used_up_is_waited_for() {
    Story::seeking()
        .answers(Reply::RateLimited(Span::from_secs(60)))
        .is("resolving")
        .wakes_between(60, 75)
        .asked(Request::LookUp);
}

#[test]
fn a_lookup_has_time_for_many_pages() {
    let Policy { lookup_timeout, call_timeout, .. } = Policy::default();
    assert!(lookup_timeout.millis() > 10 * call_timeout.millis());
    Story::seeking()
        .later(lookup_timeout.millis() / 1_000 - 1)
        .answers(fit(&[CONVERSATION]))
        .is("verifying")
        .asked(Request::Read)
        .wakes_after(call_timeout.millis() / 1_000);
    Story::seeking().wakes_after(lookup_timeout.millis() / 1_000).is("resolving");
}

#[test]
fn operators_look_now_begin_again_or_call_it_off() {
    let waiting = || Story::seeking().answers(fit(&[])).later(1);
    waiting().acts(Act::Verify).is("resolving").asked(Request::LookUp);
    waiting().acts(Act::Retry).is("resolving").asked(Request::LookUp);
    waiting().acts(Act::Cancel).is("cancelled");
    waiting().acts(Act::Resolve).is("resolved");
    waiting().forbids(Act::Force);
    Story::seeking().forbids(Act::Force).acts(Act::Cancel).is("cancelled");
}

#[test]
fn no_event_moves_what_is_not_found_yet() {
    Story::seeking()
        .ignores(guest_left(TAB))
        .ignores(somebody_left())
        .ignores(conversation(all_is_over()))
        .answers(fit(&[]))
        .ignores(guest_left(TAB));
}

#[test]
fn what_is_for_later_is_looked_up_later() {
    Story::seeking_not_before(Span::from_secs(3_600))
        .is("scheduled")
        .asked_nothing()
        .wakes_after(3_600)
        .is("resolving")
        .asked(Request::LookUp);
}

#[test]
fn an_answer_that_belongs_to_no_lookup_counts_as_none() {
    let reply = || Reply::LookedUp(Findings::Open(Vec::new()));
    Story::begin().answers(reply()).is("verifying").wakes().asked(Request::Read);
    Story::begin()
        .sees(guest_is_on())
        .asked(CLOSE_GUEST)
        .answers(reply())
        .is("awaiting_confirmation")
        .wakes()
        .asked(Request::Read);
}
