//! Agents, and the wrap-ups that they owe.

use closure_machine::{
    Act, AgentConnected,
    Announcement::{Accepted, Blocked, Failed, GhostDetected},
    Order, Policy, Reply, Request, WrapUpPolicy,
};
use genesys_types::{QueueId, Snapshot, Span, WrapUp, WrapUpCodeId};

use crate::language::*;

const GIVE_WRAP_UP: Request = Request::GiveWrapUp { participant: AGENT, communication: Some(DESK) };

fn with_agent() -> Snapshot {
    scene().guest_on(TAB).agent_on()
}

fn waiting_for_agents() -> Story {
    Story::under(|policy| policy.agent_connected = AgentConnected::Wait)
}

#[test]
fn a_connected_agent_is_a_clear_refusal() {
    Story::begin().sees(with_agent()).is("failed: agent_connected").made_calls(1).told(&[Accepted, Failed]);
}

#[test]
fn an_agent_in_after_call_work_is_left_alone() {
    Story::begin().sees(scene().guest_on(TAB).agent_left().owing_a_wrap_up()).asked(CLOSE_GUEST);
}

#[test]
fn an_agent_may_be_allowed() {
    Story::under(|policy| policy.agent_connected = AgentConnected::Allow)
        .sees(with_agent())
        .asked(CLOSE_GUEST)
        .accepted()
        .hears(guest_left(TAB))
        .asked(CLOSE_WRAPPER)
        .answers(Reply::Accepted(Some(scene().guest_left(TAB).agent_left())))
        .is("closed");
}

#[test]
fn an_agent_may_be_waited_for() {
    waiting_for_agents()
        .sees(with_agent())
        .is("verifying")
        .asked_nothing()
        .wakes_after(10)
        .sees(with_agent())
        .wakes_after(10)
        .sees(scene().guest_on(TAB).agent_left())
        .asked(CLOSE_GUEST);
}

#[test]
fn an_agent_is_not_waited_for_for_ever() {
    let mut story = waiting_for_agents().sees(with_agent());
    while story.haunted().is_none() {
        story = story.wakes_between(1, 10).sees(with_agent());
    }
    assert_eq!(story.now.since(START), Span::from_secs(120));
    story
        .is("ghost: agent_still_connected")
        .told(&[Accepted, GhostDetected])
        .wakes()
        .sees(with_agent())
        .is("ghost: agent_still_connected")
        .wakes()
        .sees(scene().guest_on(TAB).agent_left())
        .asked(CLOSE_GUEST);
}

#[test]
fn a_guest_who_leaves_does_not_cut_off_the_agent_that_is_waited_for() {
    let mut story = waiting_for_agents().sees(with_agent());
    while story.haunted().is_none() {
        story = story.wakes().sees(with_agent());
    }
    story
        .later(1)
        .hears(guest_left(TAB))
        .asked(Request::Read)
        .sees(scene().guest_left(TAB).agent_on())
        .is("ghost: agent_still_connected")
        .wakes()
        .sees(scene().guest_left(TAB).agent_left().queue_on())
        .asked(CLOSE_WRAPPER);
}

#[test]
fn a_guest_who_leaves_while_blocked_does_not_cut_off_the_agent_that_is_waited_for() {
    waiting_for_agents()
        .sees(with_agent())
        .wakes()
        .answers(Reply::Forbidden(None))
        .is("blocked: permission")
        .hears(guest_left(TAB))
        .asked_nothing()
        .is("blocked: permission")
        .wakes()
        .asked(Request::Read);
}

#[test]
fn an_agent_who_joins_while_we_wait_is_not_cut_off() {
    Story::begin()
        .closes_the_guest()
        .wakes()
        .sees(scene().guest_left(TAB).agent_on())
        .is("ghost: agent_still_connected")
        .wakes()
        .sees(scene().guest_left(TAB).agent_left().queue_on())
        .asked(CLOSE_WRAPPER);
}

#[test]
fn an_agent_whom_a_read_showed_is_not_cut_off_by_an_event() {
    Story::begin()
        .closes_the_guest()
        .wakes()
        .sees(with_agent())
        .is("awaiting_confirmation")
        .hears(guest_left(TAB))
        .asked(Request::Read)
        .sees(scene().guest_left(TAB).agent_on())
        .is("ghost: agent_still_connected");
    waiting_for_agents()
        .sees(with_agent())
        .wakes()
        .answers(Reply::NotFound)
        .is("ghost: no_confirmation")
        .later(1)
        .hears(guest_left(TAB))
        .asked(Request::Read);
}

#[test]
fn an_agent_who_joined_is_not_cut_off_by_another_round() {
    Story::begin()
        .closes_the_guest()
        .wakes()
        .sees(with_agent())
        .wakes_after(10)
        .sees(with_agent())
        .asked_nothing()
        .is("ghost: agent_still_connected")
        .wakes()
        .sees(with_agent())
        .is("ghost: agent_still_connected")
        .wakes()
        .sees(guest_is_on())
        .asked(CLOSE_GUEST)
        .accepted()
        .hears(guest_left(TAB))
        .asked(CLOSE_WRAPPER);
}

#[test]
fn an_agent_whom_a_ghosts_look_showed_is_not_cut_off_after_a_block() {
    Story::begin()
        .sees(guest_is_on())
        .answers(Reply::Conflict)
        .wakes()
        .sees(with_agent())
        .is("ghost: agent_still_connected")
        .wakes()
        .answers(Reply::Forbidden(None))
        .hears(guest_left(TAB))
        .asked_nothing()
        .is("blocked: permission")
        .wakes()
        .asked(Request::Read);
}

#[test]
fn conversation_first_does_not_ask_twice_when_a_probe_is_overtaken() {
    Story::under(|policy| policy.order = Order::ConversationFirst)
        .sees(scene().guest_on(TAB))
        .asked(CLOSE_WRAPPER)
        .answers(Reply::Forbidden(None))
        .wakes()
        .asked(CLOSE_WRAPPER)
        .hears(guest_left(TAB))
        .asked_nothing()
        .accepted()
        .is("closed");
}

fn owing() -> Snapshot {
    scene().guest_left(TAB).agent_left().owing_a_wrap_up().queue_on()
}

#[test]
fn a_wrap_up_that_nobody_configured_is_a_ghost() {
    Story::begin()
        .closes_the_guest()
        .wakes()
        .sees(owing())
        .asked(CLOSE_WRAPPER)
        .answers(Reply::WrapUpRequired)
        .asked_nothing()
        .is("ghost: wrapup_pending")
        .where_it_holds(|closure| closure.wrap_up == WrapUp::Pending)
        .wakes()
        .asked(Request::Read)
        .sees(owing())
        .asked_nothing()
        .is("ghost: wrapup_pending")
        .wakes()
        .sees(all_is_over())
        .is("closed");
}

#[test]
fn a_configured_wrap_up_is_given_once() {
    let code = WrapUpCodeId::from_uuid(uuid::Uuid::from_u128(7));
    let named = WrapUpPolicy::Named("Closed by backend".into());
    for configured in [WrapUpPolicy::Skip, WrapUpPolicy::Code(code), named] {
        let asked = Story::under(|policy| policy.wrap_up = configured)
            .sees(owing())
            .answers(Reply::WrapUpRequired)
            .asked(GIVE_WRAP_UP);
        asked.clone().accepted().asked(CLOSE_WRAPPER).accepted().is("closed").made_calls(4);
        asked
            .clone()
            .accepted()
            .asked(CLOSE_WRAPPER)
            .answers(Reply::WrapUpRequired)
            .asked_nothing()
            .is("ghost: wrapup_pending");
        asked.clone().answers(Reply::Rejected).is("ghost: wrapup_pending");
        asked.clone().answers(Reply::NotFound).is("ghost: wrapup_pending");
        asked.clone().answers(Reply::Forbidden(None)).is("blocked: permission").wakes().asked(GIVE_WRAP_UP);
        asked.answers(Reply::RateLimited(Span::from_secs(1))).wakes().asked(GIVE_WRAP_UP);
    }
}

#[test]
fn a_wrap_up_whose_fate_is_unknown_is_read_for_and_given_again_where_it_is_demanded_again() {
    let unknown = Story::under(|policy| policy.wrap_up = WrapUpPolicy::Skip)
        .sees(owing())
        .answers(Reply::WrapUpRequired)
        .asked(GIVE_WRAP_UP)
        .answers(Reply::Unknown)
        .asked_nothing()
        .wakes()
        .asked(Request::Read);
    unknown.clone().sees(all_is_over()).is("already_closed");
    let again = unknown.sees(owing()).wakes().asked(Request::Read).sees(owing()).asked(CLOSE_WRAPPER);
    again.clone().accepted().is("closed");
    let given = again.answers(Reply::WrapUpRequired).asked(GIVE_WRAP_UP);
    given.clone().accepted().asked(CLOSE_WRAPPER).accepted().is("closed");
    given.accepted().asked(CLOSE_WRAPPER).answers(Reply::WrapUpRequired).is("ghost: wrapup_pending");
}

#[test]
fn wrap_ups_that_are_cut_off_again_and_again_come_to_an_end() {
    let mut story = Story::under(|policy| policy.wrap_up = WrapUpPolicy::Skip)
        .sees(owing())
        .answers(Reply::WrapUpRequired)
        .asked(GIVE_WRAP_UP);
    let most = u32::from(Policy::default().max_attempts);
    for cut in 1.. {
        assert!(cut <= most, "it goes on and on");
        story = story.answers(Reply::Unknown);
        if cut == most {
            break;
        }
        story = story.wakes().asked(Request::Read).sees(owing()).wakes().sees(owing()).asked(CLOSE_WRAPPER);
        story = story.answers(Reply::WrapUpRequired).asked(GIVE_WRAP_UP);
    }
    story.asked_nothing().is("ghost: unreachable");
}

#[test]
fn a_name_that_means_no_code_is_a_ghost_that_blocks_nobody_and_asks_nothing_again() {
    let mut story = Story::under(|policy| policy.wrap_up = WrapUpPolicy::Named("Clsoed".into()))
        .sees(owing())
        .answers(Reply::WrapUpRequired)
        .asked(GIVE_WRAP_UP)
        .answers(Reply::NoWrapUpCode)
        .asked_nothing()
        .is("ghost: wrapup_pending");
    for _ in 0..4 {
        story = story.wakes().asked(Request::Read).sees(owing()).asked_nothing().is("ghost: wrapup_pending");
    }
    assert_eq!(story.told.iter().filter(|told| **told == GhostDetected).count(), 1);
    assert!(!story.told.contains(&Blocked));
    // Whoever has put the code in place says so, and it is tried once more.
    let tried = story.acts(Act::Retry).sees(owing()).answers(Reply::WrapUpRequired).asked(GIVE_WRAP_UP);
    tried.accepted().asked(CLOSE_WRAPPER).accepted().is("closed");
}

#[test]
fn the_queue_of_the_agent_who_owes_is_kept_also_where_an_answer_does_not_tell_it() {
    let queue = QueueId::from_uuid(uuid::Uuid::from_u128(11));
    let mut seen = owing();
    for leg in seen.legs.iter_mut().filter(|leg| leg.participant == AGENT) {
        leg.queue = Some(queue);
    }
    Story::under(|policy| policy.wrap_up = WrapUpPolicy::Named("Closed by backend".into()))
        .sees(seen)
        .where_it_holds(|closure| closure.agent_queue == Some(queue))
        .answers(Reply::Failed)
        .wakes()
        .sees(owing())
        .where_it_holds(|closure| closure.agent_queue == Some(queue));
}

#[test]
fn an_event_of_the_end_overtakes_the_wrap_up() {
    Story::under(|policy| policy.wrap_up = WrapUpPolicy::Skip)
        .sees(owing())
        .answers(Reply::WrapUpRequired)
        .asked(GIVE_WRAP_UP)
        .hears(conversation(all_is_over()))
        .is("already_closed");
}

#[test]
fn a_wrap_up_that_nobody_owes_is_not_given() {
    Story::under(|policy| policy.wrap_up = WrapUpPolicy::Skip)
        .sees(guest_is_gone())
        .answers(Reply::WrapUpRequired)
        .is("ghost: wrapup_pending");
}

fn only_the_wrap_up_is_left() -> Snapshot {
    scene().guest_left(TAB).agent_left().owing_a_wrap_up()
}

#[test]
fn everybody_gone_is_closed_although_a_wrap_up_is_pending_unless_genesys_demands_it() {
    let asked =
        Story::begin().closes_the_guest().wakes().sees(only_the_wrap_up_is_left()).asked(CLOSE_WRAPPER);
    asked.clone().accepted().is("closed").where_it_holds(|closure| closure.wrap_up == WrapUp::Pending);
    asked.answers(Reply::WrapUpRequired).is("ghost: wrapup_pending");
}

#[test]
fn what_tells_of_the_guests_end_does_not_decide_whether_a_wrap_up_is_given() {
    for wrap_up in [WrapUpPolicy::None, WrapUpPolicy::Skip] {
        let closing = || {
            Story::under(|policy| policy.wrap_up = wrap_up.clone())
                .sees(scene().guest_on(TAB).agent_left().owing_a_wrap_up())
                .asked(CLOSE_GUEST)
                .accepted()
        };
        closing().hears(guest_left(TAB)).asked(CLOSE_WRAPPER);
        closing().hears(conversation(only_the_wrap_up_is_left())).asked(CLOSE_WRAPPER);
        closing().wakes().sees(only_the_wrap_up_is_left()).asked(CLOSE_WRAPPER);
    }
}

#[test]
fn a_wrap_up_that_was_asked_for_is_given_also_where_everybody_was_gone_before() {
    Story::under(|policy| policy.wrap_up = WrapUpPolicy::Skip)
        .sees(only_the_wrap_up_is_left())
        .asked(CLOSE_WRAPPER)
        .answers(Reply::WrapUpRequired)
        .asked(GIVE_WRAP_UP)
        .accepted()
        .asked(CLOSE_WRAPPER)
        .accepted()
        .is("closed");
}

#[test]
fn conversation_first_stays_pending_however_often_it_is_looked_at() {
    let seen = || scene().guest_on(TAB).agent_left().owing_a_wrap_up();
    let mut story = Story::under(|policy| policy.order = Order::ConversationFirst)
        .sees(seen())
        .asked(CLOSE_WRAPPER)
        .answers(Reply::WrapUpRequired)
        .is("ghost: wrapup_pending");
    for _ in 0..4 {
        story = story
            .wakes()
            .sees(seen())
            .asked(CLOSE_WRAPPER)
            .answers(Reply::WrapUpRequired)
            .is("ghost: wrapup_pending");
    }
    let story = story.later(1).hears(guest_left(TAB)).asked(Request::Read);
    assert_eq!(story.told.iter().filter(|told| **told == GhostDetected).count(), 1);
}
