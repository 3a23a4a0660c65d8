//! Reports out: a receiver on loopback is told of closures, signed, also when the service is killed meanwhile.

use std::time::Duration;

use closeout_tests::{RECEIVER_SECRET, Receiver, Scene, SceneOptions, run, wait_until};
use genesys_simulator::{ChaosSpec, FaultRule, NewConversation, Preset};
use serde_json::{Value, json};

use crate::command_line::command;

async fn deliveries(scene: &Scene, query: &str, many: usize) -> Vec<Value> {
    let found = wait_until(Duration::from_secs(20), || async {
        let (_, page) = scene.ask("GET", &format!("/v1/deliveries{query}"), None).await;
        page["items"].as_array().filter(|items| items.len() == many).cloned()
    });
    found.await.unwrap_or_else(|| panic!("there are not {many} deliveries{query}: {}", scene.log()))
}

#[tokio::test]
async fn a_producer_is_told_of_each_event_that_it_named_once_and_signed() {
    let receiver = Receiver::listen().await;
    let chat = format!(
        "[[callback]]\nname = \"chat\"\nurl = \"{}\"\nformat = \"chat\"\non = [\"failed\"]\n",
        receiver.url()
    );
    let scene = Scene::begin(receiver.tables(&chat)).await;
    let made = scene.simulator.create(&NewConversation::default()).unwrap()[0];
    let body = json!({
        "conversationId": made.conversation_id,
        "callback": { "url": receiver.url(), "on": ["confirmed", "closed", "ghost"] },
        "labels": { "team": "checkout" },
    });
    let (status, closure) = scene.ask("POST", "/v1/closures?wait=20s", Some(body)).await;
    assert_eq!((status, closure["state"].as_str()), (200, Some("closed")), "{closure}");
    deliveries(&scene, "?result=delivered", 2).await;
    let verified = receiver.verified();
    let mut types: Vec<_> = verified.iter().map(|(_, event)| event["type"].as_str().unwrap()).collect();
    types.sort_unstable();
    assert_eq!(types, ["closeout.closure.closed.v1", "closeout.closure.confirmed.v1"]);
    for (id, event) in &verified {
        assert_eq!(event["id"], json!(id));
        assert_eq!(event["subject"], json!(made.conversation_id));
        assert_eq!(event["data"]["id"], closure["id"]);
        assert_eq!(event["data"]["labels"], json!({ "team": "checkout" }));
        assert_eq!(event["data"]["confirmedBy"]["adapter"], "relay");
    }
    let log = deliveries(&scene, "", 2).await;
    assert_eq!(log[0]["url"], format!("http://{}/closed", receiver.place));
    let (status, _) = scene
        .ask("POST", &format!("/v1/deliveries/{}/redeliver", log[0]["id"].as_str().unwrap()), None)
        .await;
    assert_eq!(status, 202);
    let again =
        wait_until(Duration::from_secs(10), || async { (receiver.verified().len() == 3).then_some(()) });
    again.await.expect("it is told again");
}

#[tokio::test]
async fn what_is_owed_is_told_after_a_kill() {
    let receiver = Receiver::listen().await;
    receiver.answers_with(0);
    let mut scene = Scene::begin(receiver.tables("")).await;
    let made = scene.simulator.create(&NewConversation::default().count(5)).unwrap();
    for made in &made {
        let callback = json!({ "url": receiver.url(), "on": ["closed"] });
        let body = json!({ "conversationId": made.conversation_id, "callback": callback });
        // A receiver that never answers holds up no closure.
        let (_, closure) = scene.ask("POST", "/v1/closures?wait=20s", Some(body)).await;
        assert_eq!(closure["state"], "closed", "{closure}");
    }
    // Some wait for an answer, and one at least waits for its turn, as four of a host are under way at once.
    let posted =
        wait_until(Duration::from_secs(10), || async { (receiver.verified().len() >= 4).then_some(()) });
    posted.await.expect("the first ones are posted");
    scene.kill();
    receiver.answers_with(204);
    scene.start().await;
    let told = deliveries(&scene, "?result=delivered", made.len()).await;
    let ids: std::collections::BTreeSet<_> =
        told.iter().map(|told| told["eventId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), made.len(), "each event once: {told:?}");
    let got: std::collections::BTreeSet<_> = receiver.verified().into_iter().map(|(id, _)| id).collect();
    assert_eq!(got.len(), made.len());
}

#[tokio::test]
async fn a_callback_to_a_host_that_is_not_allowed_is_refused() {
    let receiver = Receiver::listen().await;
    let scene = Scene::begin(receiver.tables("")).await;
    let made = scene.simulator.create(&NewConversation::default()).unwrap()[0];
    for url in
        ["https://169.254.169.254/latest/meta-data", "http://127.0.0.1:1/closed", "https://shop.example/"]
    {
        let body = json!({ "conversationId": made.conversation_id, "callback": { "url": url } });
        let (status, problem) = scene.ask("POST", "/v1/closures", Some(body)).await;
        assert_eq!((status, &problem["field"]), (422, &json!("callback.url")), "{problem}");
        assert!(problem["fix"].as_str().unwrap().contains("callbacks.allowed_hosts"), "{problem}");
    }
    assert_eq!(scene.count(&["accepted"]).await, 0);
}

#[tokio::test]
async fn deliveries_and_adapters_are_seen_and_repeated_from_the_command_line() {
    let receiver = Receiver::listen().await;
    receiver.answers_with(410);
    let scene = Scene::begin(receiver.tables("")).await;
    let made = scene.simulator.create(&NewConversation::default()).unwrap()[0];
    let callback = json!({ "url": receiver.url(), "on": ["closed"] });
    let body = json!({ "conversationId": made.conversation_id, "callback": callback });
    let (_, closure) = scene.ask("POST", "/v1/closures?wait=20s", Some(body)).await;
    assert_eq!(closure["state"], "closed", "{closure}");
    deliveries(&scene, "?result=gone", 1).await;
    let conversation = made.conversation_id.to_string();
    let list = command(&scene, &["deliveries", "list", "--closure", &conversation, "-o", "csv"]).await;
    let row = list.stdout.lines().nth(1).unwrap_or_default();
    assert!(row.contains(",closeout.closure.closed.v1,cl_") && row.contains(",gone,1,410,"), "{list:?}");
    let id = command(&scene, &["deliveries", "list", "--result", "gone", "-o", "id"]).await.stdout;
    let id = id.trim();
    let none = command(&scene, &["deliveries", "list", "--result", "delivered"]).await;
    assert_eq!((none.code, none.stdout.as_str(), none.stderr.trim()), (0, "", "no delivery matches"));
    let shown = command(&scene, &["deliveries", "show", id]).await;
    let at = format!("http://{}/closed\n", receiver.place);
    assert!(shown.stdout.contains(&at) && !shown.stdout.contains("8812"), "no query: {shown:?}");
    receiver.answers_with(204);
    let again = command(&scene, &["deliveries", "redeliver", id, "-o", "json"]).await;
    let again: Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!((&again["id"], &again["result"]), (&json!(id), &json!("waiting")));
    deliveries(&scene, "?result=delivered", 1).await;
    let ids: Vec<_> = receiver.verified().into_iter().map(|(id, _)| id).collect();
    assert_eq!((ids.len(), &ids[0]), (2, &ids[1]), "one id at every try");
    let unknown = command(&scene, &["deliveries", "show", "dv_01jd5w3k9m2q8r7tb4x0y6z1ne"]).await;
    assert_eq!(unknown.code, 3, "{unknown:?}");
    assert_eq!(command(&scene, &["deliveries", "redeliver", "dv_1"]).await.code, 2);
    assert_eq!(command(&scene, &["deliveries", "redeliver", id, id]).await.code, 2, "several need --yes");
    let adapters = command(&scene, &["adapters", "-o", "csv"]).await;
    assert!(adapters.stdout.contains("\nrelay,main,20"), "{adapters:?}");
}

#[tokio::test]
async fn ghosts_of_a_silent_time_are_told_once_after_it_and_over_a_restart() {
    let receiver = Receiver::listen().await;
    let secret = format!("secret = \"{RECEIVER_SECRET}\"\n");
    let table = format!("[[callback]]\nname = \"events\"\nurl = \"{}\"\n{secret}", receiver.url());
    let mut scene = Scene::begin(SceneOptions {
        lookup: "[ghosts]\nsilent_adapter_after = \"2s\"\n".to_owned(),
        closing: "confirm_within = \"500ms\"\ndeadline = \"3s\"\nstale_read_gap = \"500ms\"\n".to_owned(),
        ..receiver.tables(&table)
    })
    .await;
    let told = |event: &str| {
        let verified = receiver.verified();
        verified.into_iter().filter(|(_, one)| one["type"] == event).map(|(_, one)| one).collect::<Vec<_>>()
    };
    let (silent, recovered) = ("closeout.adapter.silent.v1", "closeout.adapter.recovered.v1");
    scene.simulator.set_webhooks(Vec::new()).unwrap();
    let open = scene.simulator.create(&NewConversation::default()).unwrap()[0];
    assert_eq!(scene.close(open.conversation_id, "30s").await["state"], "closed");
    let known = wait_until(Duration::from_secs(20), || async { (told(silent).len() == 1).then_some(()) });
    known.await.unwrap_or_else(|| panic!("{}", scene.log()));
    assert_eq!(told(silent)[0]["data"]["adapter"], "relay");

    let never = ChaosSpec::none().with(FaultRule::new(Preset::AcceptedButOpen).times(u32::MAX));
    let stuck = NewConversation { chaos: Some(never), ..NewConversation::default() };
    let mut ids = Vec::new();
    for made in scene.simulator.create(&stuck.count(4)).unwrap() {
        let closure = scene.close(made.conversation_id, "0s").await;
        ids.push(closure["id"].as_str().unwrap().to_owned());
    }
    let held = deliveries(&scene, "?result=held", 4).await;
    assert!(held.iter().all(|one| one["nextTryAt"].is_null()), "{held:?}");
    scene.kill();
    scene.start().await;
    let healed = command(&scene, &["resolve", &ids[0], "--reason", "looked at by hand"]).await;
    assert_eq!(healed.code, 0, "{healed:?}");
    deliveries(&scene, "?result=withdrawn", 1).await;
    let ghost = "closeout.closure.ghost-detected.v1";
    assert_eq!((told(ghost).len(), told(silent).len()), (0, 1), "{}", scene.log());

    scene.simulator.set_webhooks(vec![scene.relay.clone()]).unwrap();
    let open = scene.simulator.create(&NewConversation::default()).unwrap()[0];
    assert_eq!(scene.close(open.conversation_id, "30s").await["state"], "closed");
    let after = wait_until(Duration::from_secs(20), || async { (told(ghost).len() == 3).then_some(()) });
    after.await.unwrap_or_else(|| panic!("{}", scene.log()));
    deliveries(&scene, "?result=held", 0).await;
    let mut ghosts: Vec<_> = told(ghost).into_iter().map(|one| one["data"]["id"].clone()).collect();
    ghosts.sort_by_key(ToString::to_string);
    ids.remove(0);
    ids.sort();
    assert_eq!(ghosts, ids);
    assert_eq!((told(silent).len(), told(recovered).len()), (1, 1));
}

#[tokio::test]
async fn a_table_is_told_what_a_scheduled_scan_has_found_and_how_its_batch_ended() {
    let receiver = Receiver::listen().await;
    let table = format!(
        "[[callback]]\nname = \"night\"\nurl = \"{}\"\nsecret = \"{RECEIVER_SECRET}\"\non = [\"batch_found\", \"batch_finished\"]\n",
        receiver.url()
    );
    let mut scene = Scene::begin(receiver.tables(&table)).await;
    let two_days = Some(48 * 3_600_000);
    let wanted = NewConversation { count: Some(3), open_for_ms: two_days, ..NewConversation::default() };
    scene.simulator.create(&wanted).unwrap();
    scene.kill();
    let path = scene.configuration();
    let configuration = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{configuration}\n[[scan]]\nname = \"nightly\"\n")).unwrap();
    scene.start().await;
    let told = |word: &'static str| {
        let receiver = &receiver;
        wait_until(Duration::from_secs(30), move || async move {
            let mut all = receiver.verified().into_iter();
            all.find(|(_, event)| event["type"] == format!("closeout.batch.{word}.v1"))
        })
    };
    let (id, found) = told("found").await.unwrap_or_else(|| panic!("never told: {}", scene.log()));
    let batch = found["subject"].as_str().unwrap();
    assert_eq!(id, format!("ev_{batch}_found"));
    assert_eq!((&found["data"]["by"], &found["data"]["progress"]["queued"]), (&json!("nightly"), &json!(3)));
    assert_eq!(found["data"]["state"], "preview", "as it is once it is told");
    let shown = wait_until(Duration::from_secs(10), || async {
        let (_, shown) = scene.ask("GET", &format!("/v1/batches/{batch}"), None).await;
        (shown["state"] == "preview").then_some(shown)
    });
    let shown = shown.await.expect("what was found can be looked at");
    let execution = json!({ "confirmToken": shown["confirmToken"], "reason": "stuck" });
    let (status, _) = scene.ask("POST", &format!("/v1/batches/{batch}/execute"), Some(execution)).await;
    assert_eq!(status, 202);
    let (id, finished) = told("finished").await.unwrap_or_else(|| panic!("never told: {}", scene.log()));
    assert_eq!(id, format!("ev_{batch}_finished"));
    assert_eq!(
        (&finished["data"]["state"], &finished["data"]["progress"]["closed"]),
        (&json!("finished"), &json!(3))
    );
    let told: Vec<_> = receiver.verified().into_iter().map(|(id, _)| id).collect();
    assert_eq!(told.len(), 2, "each once: {told:?}");
}

#[test]
fn the_check_warns_of_a_receiver_that_would_not_hear_why_no_ghosts_come() {
    let folder = tempfile::tempdir().unwrap();
    let checked = |on: &str| {
        let text = format!(
            "[genesys.main]\nregion = \"eu-central-1\"\nclient_id = \"c\"\nclient_secret = \"s\"\n[[confirm]]\nname = \"relay\"\n\
             kind = \"webhook\"\nverify = \"bearer\"\nsecrets = [\"a-secret-of-more-than-16-bytes\"]\n[callbacks]\n\
             allowed_hosts = [\"chat.example\"]\n[[callback]]\nname = \"chat\"\nformat = \"chat\"\n\
             url = \"https://chat.example/a\"\non = [{on}]\n"
        );
        let initialised = run(folder.path(), &["config", "init"], &[]);
        assert_eq!(initialised.code, 0, "{initialised:?}");
        std::fs::write(folder.path().join("closeout.toml"), text).unwrap();
        let checked = run(folder.path(), &["config", "check"], &[]);
        let examined = run(folder.path(), &["doctor"], &[]);
        for file in ["closeout.toml", "tokens.toml"] {
            std::fs::remove_file(folder.path().join(file)).unwrap();
        }
        assert_eq!(checked.code, 0, "{checked:?}");
        (checked.stderr, format!("{}{}", examined.stdout, examined.stderr))
    };
    let (checked_text, examined) = checked("\"ghost\"");
    assert!(checked_text.contains("warning: the receiver chat is told of ghosts"), "{checked_text}");
    assert!(examined.contains("add \"adapter_silent\" to `on`"), "{examined}");
    let (checked_text, examined) = checked("\"ghost\", \"adapter_silent\"");
    assert!(!checked_text.contains("receiver chat") && !examined.contains("adapter_silent"), "{examined}");
}
