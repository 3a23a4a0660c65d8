//! What is heard counts, what is lost is read back, and what is refused is told.

use std::time::Duration;

use closure_machine::{Policy, ProofSource};
use evidence_log::{HookResult, ReceivedFilter};
use genesys_simulator::{
    ChaosSpec, DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET, DEFAULT_QUEUE, FaultRule, OauthClient, Preset,
    SocketAct,
};
use genesys_types::Span;
use notification_socket::Limits;

use serde_json::json;

use crate::world::{World, hasty, messages, patient, quick};

#[tokio::test]
async fn an_event_on_the_queue_proves_that_the_guest_is_gone() {
    let all_media: Box<str> = format!("v2.routing.queues.{DEFAULT_QUEUE}.conversations").into();
    for topic in [messages(), all_media] {
        let world = World::listening_to(quick(), patient(), vec![topic.clone()], hasty()).await;
        let (conversation, key) = world.submit().await;
        let closed = world.closed(key).await;
        let by = closed.confirmed_by.as_deref().unwrap();
        assert_eq!((by.kind, by.adapter.as_deref()), (ProofSource::Notification, Some("socket")), "{topic}");
        assert_eq!(world.simulator.conversation(conversation).unwrap()["calls"], 3);
        assert!(world.simulator.verdict().clean);
        assert!(world.board.standing().last_event_at.is_some());
        world.stopped().await;
    }
}

#[tokio::test]
async fn what_came_in_is_listed_also_where_it_cannot_be_read() {
    let world = World::begin(quick(), patient()).await;
    let (conversation, key) = world.submit().await;
    world.closed(key).await;
    let all = ReceivedFilter::default();
    let listed = |result| world.log.recent(&ReceivedFilter { result: Some(result), ..all.clone() });
    let taken = listed(HookResult::Taken).pop().unwrap();
    assert_eq!((taken.hook.as_deref(), taken.reason), (Some("socket"), None));
    assert_eq!(taken.conversation.map(|id| id.uuid()), Some(conversation));
    for frame in [json!({ "topicName": messages(), "eventBody": { "participants": "secret" } }), json!(7)] {
        assert_eq!(world.simulator.tell_sockets(&messages(), &frame), 1);
    }
    world.until("both are listed", || listed(HookResult::Undecodable).len() == 2).await;
    let refused = listed(HookResult::Undecodable);
    assert!(refused.iter().all(|one| one.reason.is_some() && one.event_id.is_none()), "{refused:?}");
    assert!(!format!("{refused:?}").contains("secret"));
    // Events that follow on the guest's end may still come in.
    let readable = || {
        let all = world.log.recent(&all).into_iter().filter(|one| one.result != HookResult::Undecodable);
        all.map(|one| one.at).max()
    };
    world
        .until("what cannot be read is no event", || world.board.standing().last_event_at == readable())
        .await;
    assert!(world.listens(), "and no reason to leave");
}

#[tokio::test]
async fn an_event_that_is_lost_is_made_good_by_a_read_at_its_time() {
    let policy = Policy { confirm_within: Span::from_secs(1), ..Policy::default() };
    let world = World::begin(quick().chaos(ChaosSpec::of(Preset::LostWebhook)), policy).await;
    let (_, key) = world.submit().await;
    let closed = world.closed(key).await;
    assert_eq!(closed.confirmed_by.as_deref().unwrap().kind, ProofSource::ReadBack);
}

#[tokio::test]
async fn late_doubled_and_reordered_events_come_to_the_same_end() {
    for preset in [Preset::LateWebhook, Preset::DuplicateWebhook, Preset::Reordered] {
        let chaos = ChaosSpec::none().with(FaultRule::new(preset).delay_ms(200));
        let world = World::begin(quick().chaos(chaos), patient()).await;
        let mut keys = Vec::new();
        for _ in 0..10 {
            keys.push(world.submit().await.1);
        }
        for key in keys {
            let closed = world.closed(key).await;
            assert_eq!(closed.confirmed_by.as_deref().unwrap().kind, ProofSource::Notification, "{preset:?}");
        }
        assert!(world.simulator.verdict().clean, "{preset:?}");
    }
}

#[tokio::test]
async fn a_refused_topic_is_shown_with_the_permission_that_is_missing() {
    let may_close = ["conversation:communication:disconnect"];
    let client = OauthClient::new(DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET).with_permissions(may_close);
    let topics = vec![messages(), "v2.routing.nothing".into()];
    let world = World::listening_to(quick().client(client), patient(), topics, hasty()).await;
    let refused = world.board.standing().refused;
    assert_eq!(refused[0].missing_permissions, ["conversation:communication:view"]);
    assert_eq!(
        (refused[1].topic.as_str(), refused[1].reason.as_deref()),
        ("v2.routing.nothing", Some("unknown topic"))
    );
}

#[tokio::test]
async fn a_closing_that_is_told_leaves_no_gap() {
    let world = World::begin(quick(), patient()).await;
    assert_eq!(world.simulator.act_on_sockets(SocketAct::Announce, None), 1);
    world.until("two channels are open", || world.simulator.channels().len() == 2).await;
    world
        .until("both listen", || world.simulator.channels().iter().filter(|one| one.open).count() == 2)
        .await;
    // The old one is let go once the new one is subscribed, and not before.
    world
        .until("the old one is gone", || {
            world.simulator.channels().iter().filter(|one| one.open).count() == 1
        })
        .await;
    world.simulator.advance_clock(Duration::from_secs(61));
    let (_, key) = world.submit().await;
    world.closed(key).await;
    let standing = world.board.standing();
    assert_eq!((standing.gaps, standing.connected_since.is_some()), (1, true), "only the start was a gap");
}

#[tokio::test]
async fn what_is_taken_away_is_got_back() {
    let world = World::begin(quick(), patient()).await;
    for (gaps, act) in [(2, SocketAct::Unsubscribe), (3, SocketAct::Cut)] {
        assert_eq!(world.simulator.act_on_sockets(act, None), 1);
        world.until("it listens again", || world.board.standing().gaps == gaps && world.listens()).await;
        let (_, key) = world.submit().await;
        world.closed(key).await;
    }
    // With a token that was revoked the next call fails, and gets a new one.
    assert_eq!(world.simulator.act_on_sockets(SocketAct::Revoke, None), 1);
    world.until("a new channel takes over", || world.simulator.channels().len() >= 4).await;
    let (_, key) = world.submit().await;
    world.closed(key).await;
}

#[tokio::test]
async fn a_connection_that_has_died_in_silence_is_noticed() {
    let limits =
        Limits { ping_after: Span::from_millis(200), pong_within: Span::from_millis(200), ..hasty() };
    let world = World::listening_to(quick(), patient(), vec![messages()], limits).await;
    // Pings are answered, so a quiet connection stays.
    tokio::time::timeout(
        Duration::from_millis(700),
        world.until("a gap", || world.board.standing().gaps > 1),
    )
    .await
    .unwrap_err();
    world.simulator.act_on_sockets(SocketAct::Silence, None);
    world.until("it listens again", || world.board.standing().gaps == 2 && world.listens()).await;
}
