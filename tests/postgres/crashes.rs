//! The service is killed, and the server is.

use std::time::Duration;

use closeout_tests::wait_until;
use genesys_simulator::NewConversation;
use serde_json::json;

use crate::setting::{closed, restart_server, scene, store};

#[tokio::test]
async fn killed_in_the_middle_the_service_closes_all_two_hundred() {
    let mut scene = scene(&store()).await;
    let made = scene.simulator.create(&NewConversation::default().count(200)).unwrap();
    for (number, conversation) in made.iter().enumerate() {
        scene.close(conversation.conversation_id, "0s").await;
        if number % 70 == 60 {
            closed(&scene, 20).await;
            scene.kill();
            scene.start().await;
        }
    }
    closed(&scene, made.len()).await;
    let verdict = scene.simulator.verdict();
    assert!(verdict.clean, "{verdict:?}");
    assert_eq!(verdict.conversations_open, 0);
}

#[tokio::test]
async fn the_server_crashes_and_nothing_that_was_accepted_is_lost() {
    let scene = scene(&store()).await;
    let made = scene.simulator.create(&NewConversation::default().count(90)).unwrap();
    for (number, conversation) in made.iter().enumerate() {
        // What is refused while the server is away is asked for again, as a producer does.
        let body = json!({ "conversationId": conversation.conversation_id });
        let accepted = wait_until(Duration::from_secs(20), || async {
            let (status, answer) = scene.ask("POST", "/v1/closures", Some(body.clone())).await;
            assert!(matches!(status, 200 | 202 | 503), "{status} {answer}");
            (status != 503).then_some(())
        });
        assert!(accepted.await.is_some(), "the service does not come back: {}", scene.log());
        if number % 30 == 29 {
            restart_server().await;
        }
    }
    closed(&scene, made.len()).await;
    let verdict = scene.simulator.verdict();
    assert!(verdict.clean, "{verdict:?}");
    assert_eq!(verdict.conversations_open, 0);
}
