//! Many closures whose webhooks were lost, read back over HTTP with few requests.

use std::{collections::BTreeMap, time::Duration};

use closeout_tests::{Scene, SceneOptions, wait_until};
use futures_util::{StreamExt as _, stream};
use genesys_simulator::{
    ChaosSpec, JournalKind, JournalQuery, NewConversation, OauthClient, Preset, SimulatorBuilder,
};
use serde_json::{Value, json};

const MANY: &str = "POST /api/v2/analytics/conversations/details/query";

/// A scene in which no webhook comes, and every closure is read back after a while.
async fn deaf(adjust: impl FnOnce(SimulatorBuilder) -> SimulatorBuilder) -> Scene {
    let closing = "read_back = \"together\"\nconfirm_within = \"16s\"\ndeadline = \"60s\"\nstale_read_gap = \"500ms\"\n";
    deaf_with(closing.to_owned(), adjust).await
}

async fn deaf_with(closing: String, adjust: impl FnOnce(SimulatorBuilder) -> SimulatorBuilder) -> Scene {
    let options = SceneOptions { closing, ..SceneOptions::default() };
    let scene = Scene::begin_with(options, |builder| adjust(builder.journal_capacity(100_000))).await;
    scene.simulator.set_webhooks(Vec::new()).unwrap();
    scene
}

/// Closes so many sessions, and answers with the closures once all are closed.
async fn close(scene: &Scene, many: u32) -> Vec<Value> {
    let made = scene.simulator.create(&NewConversation::default().count(many)).unwrap();
    // At once: asked for one after the other on a busy machine, few would become due together.
    let asked = stream::iter(made).map(|made| async move {
        let body = json!({ "conversationId": made.conversation_id });
        let (status, closure) = scene.ask("POST", "/v1/closures", Some(body)).await;
        assert_eq!(status, 202, "{closure}");
        closure["id"].as_str().unwrap().to_owned()
    });
    let ids: Vec<String> = asked.buffered(32).collect().await;
    let all = wait_until(Duration::from_secs(90), || async {
        (scene.count(&["closed"]).await >= ids.len()).then_some(())
    });
    assert!(all.await.is_some(), "not all are closed: {}", scene.log());
    let mut closures = Vec::new();
    for id in ids {
        closures.push(scene.ask("GET", &format!("/v1/closures/{id}"), None).await.1);
    }
    closures
}

/// How often each call was made.
fn calls(scene: &Scene) -> (usize, usize) {
    let query =
        JournalQuery { kind: Some(JournalKind::Call), limit: Some(100_000), ..JournalQuery::default() };
    let mut made = BTreeMap::new();
    for entry in scene.simulator.journal(&query).entries {
        let which = if entry.what == MANY {
            "many"
        } else if entry.what.starts_with("GET /api/v2/conversations/") {
            "one"
        } else {
            "other"
        };
        *made.entry(which).or_insert(0) += 1;
    }
    (made.get("one").copied().unwrap_or(0), made.get("many").copied().unwrap_or(0))
}

fn assert_read_back(closures: &[Value]) {
    for closure in closures {
        assert_eq!(closure["confirmedBy"]["kind"], "read-back", "{closure}");
    }
}

#[tokio::test]
async fn a_thousand_lost_webhooks_take_a_tenth_of_a_request_each_or_less() {
    let scene = deaf(|builder| builder).await;
    let closures = close(&scene, 1_000).await;
    assert_read_back(&closures);
    let (one, many) = calls(&scene);
    assert!(one >= 1_000, "each is read before its close");
    let read_back = one - 1_000 + many;
    assert!(read_back <= 100, "{read_back} requests read 1,000 closures back");
    assert!(scene.simulator.verdict().clean, "{:?}", scene.simulator.verdict());
}

#[tokio::test]
async fn unless_it_is_configured_each_is_read_alone() {
    let closing = "confirm_within = \"16s\"\ndeadline = \"60s\"\nstale_read_gap = \"500ms\"\n".to_owned();
    let scene = deaf_with(closing, |builder| builder).await;
    assert_read_back(&close(&scene, 30).await);
    assert_eq!(calls(&scene), (60, 0), "a read before the close, and one after");
}

#[tokio::test]
async fn a_service_that_is_killed_while_many_are_read_loses_none() {
    let mut scene = deaf(|builder| builder).await;
    let made = scene.simulator.create(&NewConversation::default().count(120)).unwrap();
    for made in made {
        let body = json!({ "conversationId": made.conversation_id });
        let (status, closure) = scene.ask("POST", "/v1/closures", Some(body)).await;
        assert_eq!(status, 202, "{closure}");
    }
    let asked = wait_until(Duration::from_secs(60), || async { (calls(&scene).1 > 0).then_some(()) });
    assert!(asked.await.is_some(), "nothing was read together: {}", scene.log());
    scene.kill();
    scene.start().await;
    let all = wait_until(Duration::from_secs(90), || async {
        (scene.count(&["closed"]).await >= 120).then_some(())
    });
    assert!(all.await.is_some(), "not all are closed: {}", scene.log());
    assert!(scene.simulator.verdict().clean, "{:?}", scene.simulator.verdict());
}

#[tokio::test]
async fn a_guest_who_reloads_is_not_closed_over_unseen() {
    let scene = deaf(|builder| builder).await;
    scene.simulator.set_chaos(ChaosSpec::of(Preset::GuestReloads));
    close(&scene, 60).await;
    let verdict = scene.simulator.verdict();
    assert!(verdict.clean, "{verdict:?}");
}

#[tokio::test]
async fn where_analytics_lag_or_are_forbidden_each_is_read_alone() {
    let lagging = deaf(|builder| builder.analytics_lag(Duration::from_secs(3_600))).await;
    assert_read_back(&close(&lagging, 40).await);
    let (one, many) = calls(&lagging);
    assert!(one >= 80 && many >= 1, "{one} and {many}");
    assert!(lagging.simulator.verdict().clean, "{:?}", lagging.simulator.verdict());

    let forbidden = deaf(|builder| builder).await;
    let (id, secret) = (genesys_simulator::DEFAULT_CLIENT_ID, genesys_simulator::DEFAULT_CLIENT_SECRET);
    let permissions = ["conversation:communication:view", "conversation:communication:disconnect"];
    forbidden.simulator.admit_client(OauthClient::new(id, secret).with_permissions(permissions));
    assert_read_back(&close(&forbidden, 40).await);
    let (_, ready) = forbidden.ask("GET", "/readyz?verbose", None).await;
    assert!(ready["organisations"][0]["readsAloneUntil"].is_string(), "{ready}");
    assert!(ready["organisations"][0]["blockedUntil"].is_null(), "{ready}");
    let told = forbidden.log().matches("many conversations may not be read with one request").count();
    assert_eq!(told, 1, "{}", forbidden.log());
    assert!(forbidden.simulator.verdict().clean, "{:?}", forbidden.simulator.verdict());
}
