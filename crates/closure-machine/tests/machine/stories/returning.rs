//! Guests who come back.

use closure_machine::{
    Act,
    Announcement::{
        Accepted, AlreadyClosed, Closed, Confirmed, GhostCleared, GhostDetected, GuestReturned,
        ParticipantClosed,
    },
    Event, GuestReturn, GuestReturns, Moment, Order, Policy, Rejected, Reply, Request, step,
};
use genesys_types::{Snapshot, Span};

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

/// A closure that has ended, ten seconds ago.
fn closed(change: impl FnOnce(&mut Policy)) -> Story {
    Story::under(change).closes_the_guest().hears(guest_left(TAB)).accepted().is("closed").later(10)
}

#[test]
fn a_guest_who_comes_back_after_the_end_does_not_open_the_closure() {
    closed(|_| {})
        .hears(conversation(came_back(2)))
        .asked_nothing()
        .nothing_follows()
        .is("closed")
        .told(&[Accepted, ParticipantClosed, Confirmed, Closed, GuestReturned])
        .stays_over();
}

#[test]
fn a_return_is_marked_with_the_leg_that_the_event_named() {
    let story = closed(|_| {}).hears(guest_came(Some(leg(2))).of(Span::from_secs(3)));
    let at = story.now - Span::from_secs(3);
    let expected = GuestReturn { at, participant: Some(GUEST), communication: Some(leg(2)), reopens: false };
    assert_eq!(story.closure.returned, Some(expected));
}

#[test]
fn a_return_is_marked_once() {
    let story = closed(|policy| policy.guest_returns = GuestReturns::UpToThree)
        .hears(conversation(came_back(2)))
        .one_follows();
    for word in [conversation(came_back(2)), conversation(came_back(3)), guest_came(Some(leg(4)))] {
        let heard = word.at(story.now);
        let moment = Moment { now: story.now, may_call: true };
        let again = step(&story.closure, &Event::Heard(heard), &story.policy, moment);
        assert_eq!(again, Err(Rejected::NothingNew));
    }
}

#[test]
fn late_word_of_a_leg_that_is_gone_is_no_return() {
    closed(|policy| policy.guest_returns = GuestReturns::Once)
        .stays_over_at(conversation(came_back(1)))
        .stays_over_at(guest_came(Some(TAB)));
}

#[test]
fn word_from_before_the_end_is_no_return() {
    let before = Span::from_secs(11);
    closed(|policy| policy.guest_returns = GuestReturns::Once)
        .stays_over_at(conversation(came_back(2)).of(before))
        .stays_over_at(guest_came(Some(leg(2))).of(before));
}

#[test]
fn without_the_name_of_the_leg_the_event_must_be_younger_than_clocks_differ() {
    let story = closed(|_| {}).stays_over_at(guest_came(None));
    story.later(51).hears(guest_came(None)).told(&[
        Accepted,
        ParticipantClosed,
        Confirmed,
        Closed,
        GuestReturned,
    ]);
}

#[test]
fn a_participant_who_was_not_there_before_is_new_whatever_its_leg_is_called() {
    closed(|_| {}).hears(conversation(without_names(came_back(1).friend_on()))).is("closed").told(&[
        Accepted,
        ParticipantClosed,
        Confirmed,
        Closed,
        GuestReturned,
    ]);
    closed(|_| {}).stays_over_at(conversation(without_names(came_back(1))));
}

/// As the topic of a queue's messages shows it: without communications.
fn without_names(mut seen: Snapshot) -> Snapshot {
    seen.legs.iter_mut().for_each(|leg| leg.communication = None);
    seen
}

#[test]
fn a_conversation_that_has_ended_has_no_guest_who_came_back() {
    closed(|_| {}).stays_over_at(conversation(came_back(2).ended()));
}

#[test]
fn a_guest_who_comes_back_to_what_was_found_closed_is_marked() {
    Story::begin()
        .sees(all_is_over())
        .is("already_closed")
        .later(10)
        .hears(conversation(came_back(2)))
        .told(&[Accepted, AlreadyClosed, GuestReturned]);
}

#[test]
fn an_end_that_claims_nothing_is_not_contradicted_by_a_guest() {
    for act in [Act::Cancel, Act::Resolve] {
        Story::begin().closes_the_guest().acts(act).later(10).stays_over_at(conversation(came_back(2)));
    }
    Story::begin()
        .sees(guest_is_on().agent_on())
        .is("failed: agent_connected")
        .later(10)
        .stays_over_at(conversation(came_back(2)));
}

#[test]
fn as_many_closures_follow_one_another_as_the_policy_says() {
    for (returns, most) in [(GuestReturns::Never, 0), (GuestReturns::Once, 1), (GuestReturns::UpToThree, 3)] {
        for follows in 0..5 {
            let ended = Story::following(follows, |policy| policy.guest_returns = returns)
                .closes_the_guest()
                .hears(guest_left(TAB))
                .accepted()
                .later(10)
                .hears(conversation(came_back(2)));
            if follows < most {
                ended.one_follows()
            } else {
                ended.nothing_follows()
            };
        }
    }
}

#[test]
fn a_guest_who_is_told_there_on_another_leg_is_read_before_the_wrapper_is_closed() {
    Story::begin()
        .closes_the_guest()
        .ignores(guest_came(None))
        .ignores(guest_came(Some(TAB)))
        .hears(guest_came(Some(leg(2))))
        .asked(Request::Read)
        .sees(came_back(2))
        .asked(CLOSE_GUEST)
        .accepted()
        .hears(guest_left(leg(2)))
        .asked(CLOSE_WRAPPER);
}
