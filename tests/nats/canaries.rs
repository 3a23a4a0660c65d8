//! What a producer sends of a guest, and the broker's secret: in the dead letters that hold it for an operator, and nowhere else.

use closeout_tests::{
    Nats, PATIENCE, Scene, SceneOptions, Search, search_the_command_line, search_the_console,
    search_the_interface, wait_until,
};
use genesys_simulator::NewConversation;
use serde_json::json;

/// The server asks for no token, and is given this one.
const TOKEN: &str = "canarytokenofthebroker";

/// What a producer sends beside, in texts that no page writes in another way.
const PERSONAL: [&str; 3] = ["Canarygivenname", "4915canaryphone", "canarymessagetext"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_queue_tells_of_guests_is_in_dead_letters_alone_and_its_secret_nowhere() {
    let nats = Nats::begin().await;
    let source = format!("{}token = \"{TOKEN}\"\n", nats.source());
    let environment = vec![("RUST_LOG".to_owned(), "trace".to_owned())];
    let mut scene =
        Scene::begin(SceneOptions { callbacks: source, environment, ..SceneOptions::default() }).await;
    let mut guest = NewConversation::default();
    let [name, phone, text] = PERSONAL;
    guest.attributes.insert("name".to_owned(), name.to_owned());
    guest.attributes.insert("phone".to_owned(), phone.to_owned());
    let made = scene.simulator.create(&guest).unwrap()[0];
    nats.publish("order-1", None, &json!({ "conversationId": made.conversation_id })).await;
    nats.publish("order-2", None, &json!({ "conversationId": phone, "name": name })).await;
    nats.publish("order-3", None, &json!({ "conversationId": made.conversation_id, "text": text })).await;
    let taken = wait_until(PATIENCE, || async { (nats.held("CLOSURES").await? == 0).then_some(()) });
    assert!(taken.await.is_some(), "{}", scene.log());
    let closed = wait_until(PATIENCE, || async {
        scene.closures().await.into_iter().find(|closure| closure["state"] == "closed")
    });
    let id = closed.await.unwrap()["id"].as_str().unwrap().to_owned();

    let [_, (_, key)] = scene.environment();
    let secrets = [TOKEN, key].map(str::to_owned);
    let conversation = made.conversation_id.to_string();
    let mut search = Search::of(secrets.into_iter().chain(PERSONAL.map(str::to_owned)), &conversation);
    search_the_interface(&scene, &mut search, &id, &conversation).await;
    search_the_console(&scene, &mut search).await;
    search_the_command_line(&scene, &mut search, &id).await;
    for arguments in [&["sources", "list"][..], &["dead", "list", "-o", "json"]] {
        let ended = scene.closeout(arguments).await;
        search.look(&format!("closeout {arguments:?}"), ended.stdout.as_bytes());
    }
    assert_eq!(scene.terminate(), 0);
    let log = scene.log();
    search.look("the log", log.as_bytes());
    assert!(log.contains("TRACE") && log.contains(&conversation), "everything is logged");
    assert!(search.places > 60, "only {} places were searched", search.places);
    // The store holds dead letters as they came, and the broker's secret not.
    search.needles.retain(|needle| !PERSONAL.contains(&needle.as_str()));
    let stored = std::fs::read(scene.folder.path().join("closeout.db")).unwrap();
    search.look("closeout.db", &stored);
    let source = b"source:orders";
    assert!(stored.windows(source.len()).any(|window| window == source), "the commands' keys are in it");
}
