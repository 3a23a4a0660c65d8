//! A clean close, and the ways in which its proof may come.

use closure_machine::{
    Announcement::{Accepted, AlreadyClosed, Closed, Confirmed, ParticipantClosed},
    Evidence, Order, ProofSource, Reply, Request, WrapperClose,
};
use genesys_types::Span;

use crate::language::*;

#[test]
fn a_clean_closure_costs_three_calls() {
    Story::begin()
        .asked(Request::Read)
        .told(&[Accepted])
        .sees(guest_is_on())
        .asked(CLOSE_GUEST)
        .accepted()
        .asked_nothing()
        .is("awaiting_confirmation")
        .told(&[ParticipantClosed])
        .hears(guest_left(TAB))
        .asked(CLOSE_WRAPPER)
        .told(&[Confirmed])
        .accepted()
        .is("closed")
        .told(&[Closed])
        .made_calls(3)
        .stays_over();
}

#[test]
fn a_conversation_that_has_ended_costs_one_call() {
    Story::begin()
        .sees(all_is_over())
        .is("already_closed")
        .told(&[Accepted, AlreadyClosed])
        .made_calls(1)
        .stays_over();
}

#[test]
fn a_conversation_that_everybody_left_and_that_has_not_ended_is_closed() {
    Story::begin()
        .sees(scene().guest_left(TAB).agent_left())
        .asked(CLOSE_WRAPPER)
        .accepted()
        .is("closed")
        .made_calls(2);
}

#[test]
fn a_conversation_that_only_a_wrap_up_keeps_open_is_found_closed() {
    Story::begin()
        .sees(scene().guest_left(TAB).agent_left().owing_a_wrap_up())
        .is("already_closed")
        .made_calls(1);
}

#[test]
fn a_guest_who_left_before_is_not_asked() {
    Story::begin()
        .sees(guest_is_gone())
        .asked(CLOSE_WRAPPER)
        .accepted()
        .is("closed")
        .told(&[Accepted, Confirmed, Closed])
        .made_calls(2);
}

#[test]
fn an_event_that_shows_the_whole_end_saves_the_wrappers_call() {
    Story::begin()
        .closes_the_guest()
        .hears(conversation(scene().guest_left(TAB).agent_left().ended()))
        .asked_nothing()
        .is("closed")
        .made_calls(2)
        .told(&[Accepted, ParticipantClosed, Confirmed, Closed]);
}

#[test]
fn a_lost_webhook_is_made_good_by_a_read() {
    Story::begin()
        .closes_the_guest()
        .wakes_after(20)
        .asked(Request::Read)
        .sees(guest_is_gone())
        .asked(CLOSE_WRAPPER)
        .where_it_holds(|closure| closure.proof().is_some_and(|proof| proof.source == ProofSource::ReadBack))
        .accepted()
        .is("closed");
}

#[test]
fn a_webhook_that_beats_the_reply_wins() {
    Story::begin()
        .sees(guest_is_on())
        .asked(CLOSE_GUEST)
        .hears(guest_left(TAB))
        .asked(CLOSE_WRAPPER)
        .finds_stale(2, Reply::Failed)
        .finds_stale(2, Reply::Conflict)
        .finds_stale(2, Reply::Unknown)
        .finds_stale(2, Reply::Accepted(None))
        .accepted()
        .is("closed")
        .made_calls(3);
}

#[test]
fn a_webhook_during_a_backoff_wins() {
    Story::begin()
        .sees(guest_is_on())
        .answers(Reply::Failed)
        .asked_nothing()
        .hears(guest_left(TAB))
        .asked(CLOSE_WRAPPER)
        .accepted()
        .is("closed");
}

#[test]
fn a_webhook_during_a_pause_for_the_quota_wins() {
    Story::begin()
        .sees(guest_is_on())
        .answers(Reply::RateLimited(Span::from_secs(30)))
        .hears(guest_left(TAB))
        .asked(CLOSE_WRAPPER)
        .accepted()
        .is("closed");
}

#[test]
fn a_webhook_before_the_first_read_is_kept_to_itself() {
    Story::begin().ignores(guest_left(TAB)).is("verifying");
}

#[test]
fn a_duplicate_webhook_has_no_effect() {
    Story::begin().closes_the_guest().hears(guest_left(TAB)).ignores(guest_left(TAB)).is("closing_wrapper");
}

#[test]
fn a_confirmation_without_a_permit_waits_for_one() {
    Story::begin()
        .closes_the_guest()
        .without_permit()
        .hears(guest_left(TAB))
        .asked_nothing()
        .is("closing_wrapper")
        .waits_for_a_permit()
        .with_permit()
        .wakes_after(0)
        .asked(CLOSE_WRAPPER)
        .accepted()
        .is("closed");
}

#[test]
fn the_way_of_the_evidence_is_kept() {
    for source in [ProofSource::Webhook, ProofSource::Notification, ProofSource::QueueEvent] {
        Story::begin()
            .closes_the_guest()
            .hears(guest_left(TAB).by(source))
            .accepted()
            .is("closed")
            .where_it_holds(|closure| closure.proof().is_some_and(|proof| proof.source == source));
    }
}

#[test]
fn several_guests_are_all_closed() {
    Story::begin()
        .sees(guest_is_on().friend_on())
        .asked(CLOSE_GUEST)
        .accepted()
        .asked(CLOSE_FRIEND)
        .accepted()
        .is("awaiting_confirmation")
        .hears(guest_left(TAB))
        .asked_nothing()
        .is("awaiting_confirmation")
        .hears(participant_left(FRIEND))
        .asked(CLOSE_WRAPPER)
        .accepted()
        .is("closed");
}

#[test]
fn several_legs_of_one_guest_need_one_call_and_proof_for_each() {
    Story::begin()
        .sees(guest_is_on().guest_on(RELOADED))
        .asked(CLOSE_GUEST)
        .accepted()
        .is("awaiting_confirmation")
        .hears(guest_left(RELOADED))
        .is("awaiting_confirmation")
        .hears(guest_left(TAB))
        .asked(CLOSE_WRAPPER)
        .accepted()
        .made_calls(3);
}

#[test]
fn the_second_guests_close_is_not_asked_when_it_left_by_itself() {
    Story::begin()
        .sees(guest_is_on().friend_on())
        .asked(CLOSE_GUEST)
        .without_permit()
        .accepted()
        .is("closing_participant")
        .hears(participant_left_leg(FRIEND))
        .with_permit()
        .wakes_after(20)
        .asked(Request::Read)
        .sees(guest_is_gone().friend_left())
        .asked(CLOSE_WRAPPER);
}

fn participant_left_leg(who: genesys_types::ParticipantId) -> Word {
    let mut word = participant_left(who);
    word.what = closure_machine::What::GuestLeft { participant: Some(who), communication: Some(FRIENDS_TAB) };
    word
}

#[test]
fn a_policy_that_wants_an_event_does_not_take_a_read() {
    Story::under(|policy| policy.evidence = Evidence::WebhookOnly)
        .closes_the_guest()
        .wakes_after(20)
        .sees(guest_is_gone())
        .asked_nothing()
        .is("awaiting_confirmation")
        .wakes_after(100)
        .sees(guest_is_gone())
        .is("ghost: no_confirmation")
        .later(60)
        .hears(guest_left(TAB))
        .asked(CLOSE_WRAPPER)
        .accepted()
        .is("closed");
}

#[test]
fn a_policy_that_wants_an_event_takes_a_guest_that_was_gone_before() {
    Story::under(|policy| policy.evidence = Evidence::WebhookOnly)
        .sees(guest_is_gone())
        .asked(CLOSE_WRAPPER)
        .accepted()
        .is("closed");
}

#[test]
fn a_policy_that_wants_an_event_takes_the_event_of_the_whole_end_after_a_read_of_it() {
    Story::under(|policy| policy.evidence = Evidence::WebhookOnly)
        .closes_the_guest()
        .wakes_after(20)
        .sees(all_is_over())
        .is("awaiting_confirmation")
        .hears(conversation(scene().queue_on().ended()))
        .is("closed")
        .where_it_holds(|closure| closure.ended.is_some_and(|proof| proof.source == ProofSource::QueueEvent));
}

#[test]
fn conversation_first_closes_all_with_one_call_and_waits_for_proof() {
    Story::under(|policy| policy.order = Order::ConversationFirst)
        .sees(guest_is_on())
        .asked(CLOSE_WRAPPER)
        .accepted()
        .asked_nothing()
        .is("awaiting_confirmation")
        .hears(guest_left(TAB))
        .asked_nothing()
        .is("closed")
        .made_calls(2);
}

#[test]
fn conversation_first_without_an_event_reads() {
    Story::under(|policy| policy.order = Order::ConversationFirst)
        .sees(guest_is_on())
        .accepted()
        .wakes_after(20)
        .asked(Request::Read)
        .sees(all_is_over())
        .is("closed")
        .made_calls(3);
}

#[test]
fn conversation_first_does_not_believe_the_reply() {
    Story::under(|policy| policy.order = Order::ConversationFirst)
        .sees(guest_is_on())
        .answers(Reply::Accepted(Some(all_is_over())))
        .is("awaiting_confirmation")
        .wakes_after(20)
        .asked(Request::Read)
        .sees(all_is_over())
        .is("closed");
}

#[test]
fn conversation_first_asks_again_after_two_reads_that_show_the_guest() {
    Story::under(|policy| policy.order = Order::ConversationFirst)
        .sees(guest_is_on())
        .accepted()
        .finds_the_guest_still_there()
        .asked(CLOSE_WRAPPER)
        .accepted()
        .finds_the_guest_still_there()
        .asked(CLOSE_WRAPPER)
        .accepted()
        .finds_the_guest_still_there()
        .is("ghost: no_confirmation");
}

#[test]
fn the_wrapper_may_be_closed_by_delete() {
    Story::under(|policy| policy.wrapper_close = WrapperClose::Delete)
        .closes_the_guest()
        .hears(guest_left(TAB))
        .asked(Request::CloseWrapper(WrapperClose::Delete))
        .accepted()
        .is("closed");
}
