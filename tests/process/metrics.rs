//! The page of metrics: what dashboards and alarms are built on.

use std::collections::BTreeSet;

use closeout_tests::{Scene, SceneOptions};
use genesys_simulator::{AgentPresence, NewConversation};

async fn page(scene: &Scene) -> String {
    let [_, (_, key)] = scene.environment();
    let request = reqwest::Client::new().get(format!("{}/metrics", scene.base)).bearer_auth(key);
    request.send().await.unwrap().text().await.unwrap()
}

/// The series of counters whose labels are known before anything happens.
fn counters(page: &str) -> BTreeSet<&str> {
    let series = page.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '));
    let name = |series: &str| series.split('{').next().unwrap_or_default().to_owned();
    series
        .map(|(series, _)| series)
        .filter(|series| {
            name(series).ends_with("_total") && name(series) != "closeout_genesys_requests_total"
        })
        .collect()
}

#[tokio::test]
async fn counters_are_there_from_the_start_and_no_new_ones_appear() {
    let scene = Scene::begin(SceneOptions::default()).await;
    let begun = page(&scene).await;
    for line in [
        "closeout_closures_total{org=\"main\",outcome=\"closed\"} 0",
        "closeout_ghosts_total{org=\"main\",reason=\"no_confirmation\"} 0",
        "closeout_hooks_received_total{name=\"relay\",result=\"refused\"} 0",
        "closeout_http_connections_cut_total{reason=\"head_too_slow\"} 0",
        "closeout_quarantined 0",
        "# TYPE closeout_commands_received_total counter",
        "# HELP closeout_quarantined Stored records",
    ] {
        assert!(begun.contains(line), "{line} is not in\n{begun}");
    }
    let with_agent = NewConversation::default().agent(AgentPresence::Connected);
    let agent = scene.simulator.create(&with_agent).unwrap()[0];
    let made = scene.simulator.create(&NewConversation::default()).unwrap()[0];
    scene.close(agent.conversation_id, "20s").await;
    scene.close(made.conversation_id, "20s").await;
    scene.ask("POST", "/v1/outgoing/pause", None).await;
    scene.ask("POST", "/hooks/relay", Some(serde_json::json!({}))).await;
    scene.ask("POST", "/hooks/stranger", Some(serde_json::json!({}))).await;
    let after = page(&scene).await;
    assert!(after.contains("closeout_closures_total{org=\"main\",outcome=\"closed\"} 1"), "{after}");
    let (known, seen) = (counters(&begun), counters(&after));
    assert_eq!(seen.difference(&known).collect::<Vec<_>>(), Vec::<&&str>::new(), "these came later");
}
