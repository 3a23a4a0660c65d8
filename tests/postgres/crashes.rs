//! The service is killed; what the database does stands in [`crate::away`].

use genesys_simulator::NewConversation;

use crate::setting::{closed, scene, store};

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
