//! Each preset does what its name says, and the same seed decides the same.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use genesys_simulator::{
    AgentPresence, ChaosSpec, CreatedConversation, FaultRule, JournalKind, JournalQuery, NewConversation,
    Preset,
};
use serde_json::{Value, json};
use support::{Receiver, Remote, eventually, quick};

/// A simulator under one rule, with a receiver and one conversation.
async fn under(rule: FaultRule) -> (Remote, Receiver, CreatedConversation) {
    let receiver = Receiver::start().await;
    let chaos = ChaosSpec::none().with(rule);
    let remote = Remote::start(quick().webhook(receiver.webhook()).chaos(chaos)).await;
    let made = remote.make(&NewConversation::default());
    (remote, receiver, made)
}

#[tokio::test]
async fn without_faults_a_close_is_told_once() {
    let (remote, receiver, made) = under(FaultRule::new(Preset::LostWebhook).rate(0.0)).await;
    assert_eq!(remote.close_guest(&made).await.status, 202);
    let told = receiver.until_about(made.participant_id, 1).await;
    assert_eq!(told[0]["state"], "disconnected");
    assert_eq!(told[0]["conversationId"], json!(made.conversation_id));
    assert_eq!(remote.close_wrapper(made.conversation_id).await.status, 200);
    let verdict = remote.simulator.verdict();
    assert!(verdict.clean, "{verdict:?}");
    assert_eq!((verdict.conversations_open, verdict.most_calls_for_one_conversation), (0, 2));
}

#[tokio::test]
async fn a_lost_webhook_never_comes_although_the_guest_is_gone() {
    let (remote, receiver, made) = under(FaultRule::new(Preset::LostWebhook)).await;
    remote.close_guest(&made).await;
    remote.until_the_guest_is_gone(made.conversation_id).await;
    // The queue's event is published after the guest's, so its arrival shows that the guest's was left out.
    remote.close_wrapper(made.conversation_id).await;
    receiver.until(1).await;
    assert!(receiver.about(made.participant_id).is_empty());
    assert_eq!(remote.simulator.verdict().events_lost, 1);
    assert_eq!(remote.simulator.verdict().wrapper_closes_before_proof, 1);
}

#[tokio::test]
async fn a_late_webhook_waits_for_its_time() {
    let (remote, receiver, made) = under(FaultRule::new(Preset::LateWebhook).delay_ms(3_600_000)).await;
    remote.close_guest(&made).await;
    remote.until_the_guest_is_gone(made.conversation_id).await;
    remote.close_wrapper(made.conversation_id).await;
    receiver.until(1).await;
    assert!(receiver.about(made.participant_id).is_empty(), "the queue's event overtakes it");
    remote.simulator.advance_clock(Duration::from_secs(3_600));
    receiver.until_about(made.participant_id, 1).await;
}

#[tokio::test]
async fn a_duplicate_webhook_has_the_same_id_and_body() {
    let (remote, receiver, made) = under(FaultRule::new(Preset::DuplicateWebhook)).await;
    remote.close_guest(&made).await;
    let told = receiver.until_about(made.participant_id, 2).await;
    assert_eq!(told[0], told[1]);
}

#[tokio::test]
async fn a_reordered_connected_comes_after_the_newer_disconnected() {
    let (remote, receiver, made) = under(FaultRule::new(Preset::Reordered)).await;
    remote.close_guest(&made).await;
    let told = receiver.until_about(made.participant_id, 2).await;
    let states: Vec<&Value> = told.iter().map(|body| &body["state"]).collect();
    assert_eq!(states, ["disconnected", "connected"]);
    assert!(told[1]["occurredAt"].as_str() < told[0]["occurredAt"].as_str());
    assert_ne!(told[0]["eventId"], told[1]["eventId"]);
}

#[tokio::test]
async fn a_bad_signature_comes_while_the_guest_is_connected_and_the_genuine_one_follows() {
    let (remote, receiver, made) = under(FaultRule::new(Preset::BadSignature)).await;
    remote.close_guest(&made).await;
    receiver.until_about(made.participant_id, 1).await;
    eventually("accounted for", || async { remote.simulator.verdict().forged_sent == 1 }).await;
    assert_eq!(receiver.received().into_iter().filter(|one| !one.genuine).count(), 1);
    assert_eq!(remote.simulator.verdict().forged_accepted, 0);
}

#[tokio::test]
async fn a_receiver_that_takes_forgeries_is_found_out() {
    let (remote, receiver, made) = under(FaultRule::new(Preset::BadSignature)).await;
    receiver.answer_next(&[204, 204]);
    remote.close_guest(&made).await;
    eventually("accounted for", || async { remote.simulator.verdict().forged_accepted == 1 }).await;
}

#[tokio::test]
async fn an_early_webhook_arrives_before_the_reply() {
    let (remote, receiver, made) = under(FaultRule::new(Preset::EarlyWebhook)).await;
    assert_eq!(remote.close_guest(&made).await.status, 202);
    assert_eq!(receiver.about(made.participant_id).len(), 1, "it is there when the reply is");
}

#[tokio::test]
async fn an_accepted_close_may_do_nothing_for_a_while() {
    let (remote, receiver, made) = under(FaultRule::new(Preset::AcceptedButOpen).times(2)).await;
    for _ in 0..2 {
        assert_eq!(remote.close_guest(&made).await.status, 202);
        assert!(remote.guest_is_connected(made.conversation_id));
        remote.read(made.conversation_id).await;
    }
    assert_eq!(remote.close_guest(&made).await.status, 202);
    receiver.until_about(made.participant_id, 1).await;
    assert!(remote.simulator.verdict().clean);
}

#[tokio::test]
async fn a_wrapper_close_may_do_nothing_either() {
    let mut rule = FaultRule::new(Preset::AcceptedButOpen).times(2);
    rule.wrapper_too = true;
    let (remote, _receiver, made) = under(rule).await;
    assert_eq!(remote.close_guest(&made).await.status, 202);
    let answer = remote.close_wrapper(made.conversation_id).await;
    assert_eq!((answer.status, answer.json().get("endTime")), (200, None));
    assert!(remote.close_wrapper(made.conversation_id).await.json()["endTime"].is_string());
}

#[tokio::test]
async fn a_storm_of_conflicts_passes() {
    let (remote, _receiver, made) = under(FaultRule::new(Preset::ConflictStorm)).await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        assert_eq!(remote.read(made.conversation_id).await.status, 200, "reads are spared");
        statuses.push(remote.close_guest(&made).await.status);
    }
    assert_eq!(statuses, [409, 409, 202]);
}

#[tokio::test]
async fn a_storm_of_limits_names_the_wait() {
    let (remote, _receiver, made) = under(FaultRule::new(Preset::RateLimitStorm).delay_ms(2_500)).await;
    let refused = remote.read(made.conversation_id).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("3")));
    assert_eq!(remote.read(made.conversation_id).await.status, 429);
    assert_eq!(remote.read(made.conversation_id).await.status, 200);
    assert_eq!(remote.simulator.verdict().rate_limited, 2);
}

#[tokio::test]
async fn a_storm_of_server_errors_sometimes_does_the_work() {
    let chaos = ChaosSpec::none().with(FaultRule::new(Preset::ServerErrorStorm).times(1));
    let remote = Remote::start(quick().seed(3).chaos(chaos)).await;
    let all = remote.simulator.create(&NewConversation::default().count(40)).unwrap();
    for made in &all {
        let status = remote.close_wrapper(made.conversation_id).await.status;
        assert!((500..=504).contains(&status), "{status}");
    }
    let done = all.iter().filter(|made| !remote.guest_is_connected(made.conversation_id)).count();
    assert!((1..40).contains(&done), "{done} of 40 took effect");
}

#[tokio::test]
async fn a_token_expires_in_the_middle_and_a_new_one_works() {
    let (mut remote, _receiver, made) = under(FaultRule::new(Preset::TokenExpiry)).await;
    for _ in 0..2 {
        let refused = remote.read(made.conversation_id).await;
        assert_eq!((refused.status, &refused.json()["code"]), (401, &json!("credentials.expired")));
    }
    remote.token = remote.log_in("simulator-client", "simulator-secret").await;
    assert_eq!(remote.read(made.conversation_id).await.status, 200);
}

#[tokio::test]
async fn a_reloaded_guest_has_a_new_leg_that_nobody_closed() {
    let (remote, _receiver, made) = under(FaultRule::new(Preset::GuestReloads)).await;
    assert_eq!(remote.close_guest(&made).await.status, 202);
    let talk = remote.read(made.conversation_id).await.json();
    let guests: Vec<&Value> =
        talk["participants"].as_array().unwrap().iter().filter(|p| p["purpose"] == "customer").collect();
    let states: Vec<&Value> = guests.iter().map(|p| &p["messages"][0]["state"]).collect();
    assert_eq!(states, ["disconnected", "connected"]);
    let new = guests[1]["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(remote.close_participant(made.conversation_id, new).await.status, 202);
    remote.until_the_guest_is_gone(made.conversation_id).await;
}

#[tokio::test]
async fn about_half_of_the_reloads_are_not_told() {
    let receiver = Receiver::start().await;
    let builder = quick().seed(1).webhook(receiver.webhook()).chaos(ChaosSpec::of(Preset::GuestReloads));
    let remote = Remote::start(builder).await;
    for made in remote.simulator.create(&NewConversation::default().count(40)).unwrap() {
        remote.close_guest(&made).await;
    }
    let verdict = remote.simulator.verdict();
    assert_eq!(verdict.events_published, 40);
    assert!((8..=32).contains(&verdict.events_lost), "{}", verdict.events_lost);
}

#[tokio::test]
async fn a_close_over_a_leg_that_nobody_could_know_of_is_no_offence() {
    let receiver = Receiver::start().await;
    let remote = Remote::start(quick().webhook(receiver.webhook())).await;
    let made = remote.make(&NewConversation::default());
    remote.close_guest(&made).await;
    receiver.until_about(made.participant_id, 1).await;
    remote.simulator.act_as_guest(made.conversation_id, genesys_simulator::GuestAct::Return);
    remote.close_wrapper(made.conversation_id).await;
    let verdict = remote.simulator.verdict();
    assert!(verdict.clean);
    assert_eq!(verdict.wrapper_closes_over_unseen_leg, 1);
}

#[tokio::test]
async fn an_agent_is_connected_or_owes_a_wrap_up() {
    for (preset, state, wraps_up) in
        [(Preset::AgentConnected, "connected", false), (Preset::WrapupRequired, "disconnected", true)]
    {
        let (remote, _receiver, made) = under(FaultRule::new(preset)).await;
        let talk = remote.read(made.conversation_id).await.json();
        let agent =
            talk["participants"].as_array().unwrap().iter().find(|p| p["purpose"] == "agent").unwrap();
        assert_eq!(agent["messages"][0]["state"], state, "{preset:?}");
        assert_eq!(agent["wrapupRequired"], json!(wraps_up), "{preset:?}");
    }
}

#[tokio::test]
async fn a_fault_for_one_conversation_leaves_the_others_alone() {
    let remote = Remote::start(quick()).await;
    let all = remote.simulator.create(&NewConversation::default().count(2)).unwrap();
    remote.simulator.set_chaos_of(&[all[0].conversation_id], &ChaosSpec::of(Preset::ConflictStorm));
    assert_eq!(remote.close_guest(&all[0]).await.status, 409);
    assert_eq!(remote.close_guest(&all[1]).await.status, 202);
    remote.simulator.set_chaos_of(&[all[1].conversation_id], &ChaosSpec::of(Preset::AgentConnected));
    let shown = remote.simulator.conversation(all[1].conversation_id).unwrap();
    assert!(shown.to_string().contains("\"agent\""), "the agent comes in at once");
}

#[tokio::test]
async fn closing_too_early_and_twice_is_held_against_the_client() {
    let remote = Remote::start(quick()).await;
    let all = remote.simulator.create(&NewConversation::default().count(2)).unwrap();
    remote.close_wrapper(all[0].conversation_id).await;
    remote.close_guest(&all[1]).await;
    remote.close_guest(&all[1]).await;
    let verdict = remote.simulator.verdict();
    assert!(!verdict.clean);
    assert_eq!((verdict.wrapper_closes_before_guest_gone, verdict.repeated_closes), (1, 1));
    let what: Vec<&str> = verdict.offences.iter().map(|offence| offence.what).collect();
    assert_eq!(what, ["wrapper-closed-before-guest", "repeated-close"]);
}

#[tokio::test]
async fn a_forced_teardown_is_counted_apart_and_hides_no_early_close() {
    let remote = Remote::start(quick()).await;
    let all = remote.simulator.create(&NewConversation::default().count(3)).unwrap();
    let force = async |id: uuid::Uuid| {
        let path = format!("/api/v2/conversations/{id}/disconnect");
        assert_eq!(remote.call(reqwest::Method::POST, &path, None).await.status, 202);
    };
    force(all[0].conversation_id).await;
    let lost = ChaosSpec::of(Preset::LostWebhook);
    remote.simulator.set_chaos_of(&[all[1].conversation_id, all[2].conversation_id], &lost);
    for made in &all[1..] {
        remote.close_guest(made).await;
        remote.until_the_guest_is_gone(made.conversation_id).await;
    }
    force(all[1].conversation_id).await;
    let verdict = remote.simulator.verdict();
    assert!(verdict.clean && verdict.offences.is_empty(), "{verdict:?}");
    assert_eq!((verdict.forced, verdict.forced_before_proof, verdict.wrapper_closes), (2, 2, 0));
    remote.read(all[1].conversation_id).await;
    force(all[1].conversation_id).await;
    remote.close_wrapper(all[2].conversation_id).await;
    let verdict = remote.simulator.verdict();
    assert_eq!((verdict.forced, verdict.forced_before_proof), (3, 2), "a read had shown the end");
    assert_eq!((verdict.clean, verdict.wrapper_closes_before_proof), (false, 1), "the same, not forced");
}

#[tokio::test]
async fn a_wrap_up_followed_by_a_close_is_no_repeat() {
    let remote = Remote::start(quick()).await;
    let made = remote.make(&NewConversation::default());
    let path = format!(
        "/api/v2/conversations/messages/{}/participants/{}",
        made.conversation_id, made.participant_id
    );
    let skip = json!({ "wrapupSkipped": true });
    assert_eq!(remote.call(reqwest::Method::PATCH, &path, Some(skip)).await.status, 202);
    assert_eq!(remote.close_guest(&made).await.status, 202);
    assert!(remote.simulator.verdict().clean);
}

#[tokio::test]
async fn a_read_is_proof_and_allows_the_next_close() {
    let (remote, _receiver, made) = under(FaultRule::new(Preset::LostWebhook)).await;
    remote.close_guest(&made).await;
    remote.until_the_guest_is_gone(made.conversation_id).await;
    remote.read(made.conversation_id).await;
    remote.close_wrapper(made.conversation_id).await;
    assert!(remote.simulator.verdict().clean);
}

#[tokio::test]
async fn the_same_seed_decides_the_same_and_another_does_not() {
    let first = decisions(11).await;
    assert_eq!(first, decisions(11).await);
    assert_ne!(first, decisions(12).await);
}

/// Makes the same calls under a mix of faults, in an order that concurrency decides, and answers what each
/// conversation went through.
async fn decisions(seed: u64) -> Vec<Vec<(String, Option<u16>, Option<&'static str>)>> {
    let chaos = ChaosSpec { presets: Preset::ALL.into_iter().map(FaultRule::new).collect(), rate: Some(0.3) };
    let chaos = ChaosSpec {
        presets: chaos.presets.into_iter().filter(|r| r.preset != Preset::TokenExpiry).collect(),
        ..chaos
    };
    let remote = Remote::start(quick().seed(seed).chaos(chaos)).await;
    let all =
        remote.simulator.create(&NewConversation::default().count(60).agent(AgentPresence::None)).unwrap();
    let remote = std::sync::Arc::new(remote);
    let calls = all.iter().copied().map(|made| {
        let remote = std::sync::Arc::clone(&remote);
        tokio::spawn(async move {
            remote.read(made.conversation_id).await;
            remote.close_guest(&made).await;
            remote.read(made.conversation_id).await;
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    all.iter()
        .map(|made| {
            let query = JournalQuery {
                conversation_id: Some(made.conversation_id),
                kind: Some(JournalKind::Call),
                ..JournalQuery::default()
            };
            let entries = remote.simulator.journal(&query).entries;
            entries.into_iter().map(|entry| (entry.what, entry.status, entry.fault)).collect()
        })
        .collect()
}
