//! The quota of Genesys, enforced by the simulator.

use std::time::Duration;

use closeout_tests::{Scene, SceneOptions, wait_until};
use genesys_simulator::NewConversation;

#[tokio::test]
async fn a_backlog_is_drained_within_the_quota_and_no_call_is_refused() {
    let scene = Scene::begin(SceneOptions { requests: Some(60), ..SceneOptions::default() }).await;
    let made = scene.simulator.create(&NewConversation::default().count(100)).unwrap();
    for one in &made {
        scene.close(one.conversation_id, "0s").await;
    }
    let done = wait_until(Duration::from_secs(60), || async {
        let (_, page) = scene.ask("GET", "/v1/closures?limit=500&state=closed", None).await;
        (page["items"].as_array()?.len() == made.len()).then_some(())
    });
    assert!(done.await.is_some(), "{}", scene.log());
    let verdict = scene.simulator.verdict();
    assert_eq!(verdict.rate_limited, 0, "{verdict:?}");
    assert_eq!(verdict.calls, 300, "three calls for each of 100 closures: {verdict:?}");
}
