//! A remote side that closes nobody alone: the conversation is closed first, and the guest's end is proven all the same.

use closure_machine::{AgentConnected, Order, Request, WrapperClose};
use genesys_types::Purpose;
use orchestrator::{Overrides, Said, Submitted, names};

use crate::world::{Fault, World, organisation, submission};

fn guest_first() -> Said {
    let overrides = Overrides { order: Some(Order::GuestFirst), ..Overrides::default() };
    Said { overrides, ..Said::default() }
}

#[tokio::test(start_paused = true)]
async fn the_whole_is_closed_once_and_its_answer_is_no_evidence() {
    let world = World::closing_whole_conversations().await;
    let conversation = world.guest();
    let record = world.submit(conversation).await;
    let closed = world.closed(record.key).await;
    assert_eq!(names::state(&closed.closure), "closed");
    let calls = world.truth(conversation, |truth| truth.calls.clone());
    assert_eq!(calls, [Request::Read, Request::CloseWrapper(WrapperClose::Patch), Request::Read]);
    assert!(closed.confirmed_by.is_some());
    let lines = world.driver.timeline(record.key).await.unwrap();
    let asked: Vec<_> =
        lines.iter().filter_map(|line| line.entry.asks.clone()).map(|asks| asks.http).collect();
    assert_eq!(asked[1], format!("POST /whole/{conversation}"), "the journal tells the call that was made");
    assert!(asked[0].starts_with("GET /api/v2/conversations/"));
}

#[tokio::test(start_paused = true)]
async fn a_command_that_wants_another_order_gets_the_one_that_there_is() {
    let world = World::closing_whole_conversations().await;
    let conversation = world.guest();
    let said = guest_first();
    let policy = world.driver.policy_with(&organisation(), &said.overrides).unwrap();
    assert_eq!(policy.order, Order::ConversationFirst);
    let wanted = orchestrator::Submission { said, ..submission(conversation) };
    let plan = world.driver.plan(&wanted).await.unwrap();
    let requests: Vec<_> = plan.calls.iter().map(|asks| asks.request.as_str()).collect();
    assert_eq!((requests, plan.state), (vec!["read", "close_wrapper"], "closed"));
    assert_eq!(plan.calls[1].http, format!("POST /whole/{conversation}"));
    let Submitted::Accepted(record) = world.driver.submit(wanted.clone()).await.unwrap() else { panic!() };
    assert_eq!(world.driver.policy_of(&record).order, Order::ConversationFirst);
    let again = world.driver.submit(wanted).await.unwrap();
    assert!(matches!(again, Submitted::Attached(_)), "an order that nobody has contradicts nothing");
    assert_eq!(names::state(&world.closed(record.key).await.closure), "closed");
}

#[tokio::test(start_paused = true)]
async fn a_close_without_effect_or_with_a_conflict_is_read_before_it_is_asked_again() {
    for fault in [
        Fault::Ignored,
        Fault::AnswerLost,
        Fault::Instead(closure_machine::Reply::Conflict),
        Fault::Instead(closure_machine::Reply::Unknown),
    ] {
        let world = World::closing_whole_conversations().await;
        world.remote.fault(2, fault.clone());
        let conversation = world.guest();
        let closed = world.closed(world.submit(conversation).await.key).await;
        assert_eq!(names::state(&closed.closure), "closed", "{fault:?}");
        world.truth(conversation, |truth| {
            assert!(truth.ended, "{fault:?}");
            assert_eq!(truth.repeated, 0, "{fault:?}: {:?}", truth.calls);
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_connected_agent_is_spared_here_too() {
    let world = World::closing_whole_conversations().await;
    let conversation = world.conversation(&[Purpose::Customer, Purpose::Agent]);
    assert_eq!(world.policy.agent_connected, AgentConnected::Refuse);
    let failed = world.closed(world.submit(conversation).await.key).await;
    assert_eq!(names::reason(&failed.closure), Some("agent_connected"));
    assert_eq!(world.truth(conversation, |truth| truth.calls.clone()), [Request::Read]);
}
