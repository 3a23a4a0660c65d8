//! The command line against a running service: outputs and exit codes of interfaces §4.

use closeout_tests::{Ended, Scene, SceneOptions, run};
use genesys_simulator::{AgentPresence, ChaosSpec, FaultRule, NewConversation, Preset};
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) async fn command(scene: &Scene, arguments: &[&str]) -> Ended {
    let folder = scene.folder.path().to_path_buf();
    let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    let environment = scene.environment().map(|(name, value)| (name.to_owned(), value.to_owned()));
    tokio::task::spawn_blocking(move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let environment: Vec<(&str, &str)> =
            environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        run(&folder, &arguments, &environment)
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn a_closure_is_made_shown_and_explained() {
    let scene = Scene::begin(SceneOptions::default()).await;
    let made = scene.simulator.create(&NewConversation::default()).unwrap()[0];
    let conversation = made.conversation_id.to_string();
    let closed = command(&scene, &["close", &conversation, "--wait", "20s", "-o", "json"]).await;
    assert_eq!(closed.code, 0, "{closed:?}");
    let printed: Value = serde_json::from_str(&closed.stdout).unwrap();
    let closure = if printed.is_array() { &printed[0] } else { &printed };
    assert_eq!(closure["state"], "closed");
    let id = closure["id"].as_str().unwrap();
    for (arguments, says) in [
        (vec!["get", id], "closed"),
        (vec!["get", id], "order=guest_first"),
        (vec!["timeline", id], "heard"),
        (vec!["explain", id], "webhook"),
        (vec!["list"], "closed"),
        (vec!["get", &conversation, "-o", "id"], id),
    ] {
        let shown = command(&scene, &arguments).await;
        assert_eq!(shown.code, 0, "{arguments:?}: {shown:?}");
        assert!(shown.stdout.contains(says), "{arguments:?} does not say {says:?}: {}", shown.stdout);
    }
}

#[tokio::test]
async fn what_was_closed_is_told_as_that_however_many_before_it_are_stuck() {
    let scene = Scene::begin(SceneOptions::default()).await;
    let never = ChaosSpec::none().with(FaultRule::new(Preset::LostWebhook).times(u32::MAX));
    let stuck = NewConversation { chaos: Some(never), count: Some(64), ..NewConversation::default() };
    let mut made = scene.simulator.create(&stuck).unwrap();
    made.extend(scene.simulator.create(&NewConversation::default().count(3)).unwrap());
    let ids: String = made.iter().map(|made| format!("{}\n", made.conversation_id)).collect();
    std::fs::write(scene.folder.path().join("ids"), ids).unwrap();
    let line = ["close", "--file", "ids", "--yes", "--evidence", "webhook_only", "--deadline", "5m"];
    let ended = command(&scene, &[&line[..], &["--wait", "5s", "-o", "json"]].concat()).await;
    let told: Vec<Value> = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"));
    assert_eq!(told.len(), 67);
    assert!(told[..64].iter().all(|closure| closure["state"] == "awaiting_confirmation"), "{told:?}");
    for closure in &told[64..] {
        assert_eq!(closure["state"], "closed", "{closure}");
    }
}

#[tokio::test]
async fn exit_codes_tell_what_happened() {
    let scene = Scene::begin(SceneOptions::default()).await;
    let nobody = Uuid::new_v4().to_string();
    let with_agent = NewConversation::default().agent(AgentPresence::Connected);
    let agent = scene.simulator.create(&with_agent).unwrap()[0].conversation_id.to_string();
    let refused = command(&scene, &["close", &agent, "--wait", "20s"]).await;
    assert_eq!(refused.code, 8, "failed: {refused:?}");
    assert!(
        refused.stderr.contains("an agent is connected") && refused.stderr.contains("fix: "),
        "{refused:?}"
    );
    let again = command(&scene, &["cancel", &agent]).await;
    assert_eq!(again.code, 5, "conflict: {again:?}");
    assert!(again.stderr.contains("closeout explain cl_") && !again.stderr.contains("GET "), "{again:?}");
    let missing = command(&scene, &["get", &nobody]).await;
    assert_eq!(missing.code, 3, "not found: {missing:?}");
    let wrong = command(&scene, &["get", "no-id-at-all"]).await;
    assert_eq!(wrong.code, 2, "usage: {wrong:?}");
    let unreachable = run(
        scene.folder.path(),
        &["get", &nobody, "--server", "http://127.0.0.1:9"],
        &[("CLOSEOUT_TOKEN", "any")],
    );
    assert_eq!(unreachable.code, 10, "unreachable: {unreachable:?}");
    let stranger = run(
        scene.folder.path(),
        &["get", &nobody, "--server", &scene.base],
        &[("CLOSEOUT_TOKEN", "a wrong key")],
    );
    assert_eq!(stranger.code, 4, "not allowed: {stranger:?}");
}

#[test]
fn an_explanation_has_no_csv_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let asked = run(folder.path(), &["explain", &Uuid::new_v4().to_string(), "-o", "csv"], &[]);
    assert_eq!(asked.code, 2, "{asked:?}");
    assert!(asked.stderr.contains("no form csv"), "{asked:?}");
}

#[tokio::test]
async fn calls_to_genesys_are_stopped_and_let_go_on() {
    let scene = Scene::begin(SceneOptions::default()).await;
    let paused = command(&scene, &["outgoing", "pause", "--reason", "maintenance", "-o", "id"]).await;
    assert_eq!((paused.code, paused.stdout.as_str()), (0, "main\n"), "{paused:?}");
    let made = scene.simulator.create(&NewConversation::default()).unwrap()[0];
    let conversation = made.conversation_id.to_string();
    assert_eq!(command(&scene, &["close", &conversation]).await.code, 0);
    let list = command(&scene, &["list"]).await;
    assert!(list.stdout.contains("organisation_paused"), "{}", list.stdout);
    let status = command(&scene, &["outgoing", "status", "-o", "json"]).await;
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!(
        (&status[0]["paused"], &status[0]["queued"]),
        (&Value::Bool(true), &Value::from(1)),
        "{status}"
    );
    assert_eq!(command(&scene, &["outgoing", "resume"]).await.code, 0);
    let closed = command(&scene, &["close", &conversation, "--wait", "20s"]).await;
    assert_eq!(closed.code, 0, "{closed:?}");
}

#[test]
fn every_command_teaches_how_it_is_used() {
    let folder = tempfile::tempdir().unwrap();
    for command in [
        "demo",
        "dev",
        "serve",
        "close",
        "get",
        "list",
        "watch",
        "timeline",
        "explain",
        "ghosts",
        "hooks",
        "config",
        "sim",
        "store",
        "outgoing",
        "doctor",
        "adapters",
        "deliveries",
        "sources",
        "dead",
        "bundle",
    ] {
        let help = run(folder.path(), &[command, "--help"], &[]);
        assert_eq!(help.code, 0, "{command}");
        assert!(help.stdout.contains("Usage:"), "{command}: {}", help.stdout);
    }
}

#[test]
fn a_signature_is_made_checked_and_a_wrong_one_explained() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("body.json"), br#"{"state":"disconnected"}"#).unwrap();
    let with = |act: &'static str, scheme: &'static str| {
        vec![
            "hooks",
            act,
            "--verify",
            scheme,
            "--secret",
            "a-secret-token-longer-than-15-chars",
            "--body",
            "body.json",
        ]
    };
    let signed = run(folder.path(), &with("sign", "hub-sha256-base64"), &[]);
    assert_eq!(signed.code, 0, "{signed:?}");
    let header = signed.stdout.trim();
    let check = |scheme, header| {
        let mut arguments = with("verify", scheme);
        arguments.extend(["-H", header]);
        run(folder.path(), &arguments, &[])
    };
    assert_eq!(check("hub-sha256-base64", header).code, 0);
    let read_wrongly = check("hub-sha256-hex", header);
    assert_eq!(read_wrongly.code, 4, "{read_wrongly:?}");
    let said = format!("{}{}", read_wrongly.stdout, read_wrongly.stderr);
    assert!(said.contains("matches if it is read as base64"), "{said}");
}

#[test]
fn a_delivery_for_another_hook_is_told_as_that() {
    let folder = tempfile::tempdir().unwrap();
    let hook = |name: &str, verify: &str, secret: &str| {
        format!(
            "[[confirm]]\nname = \"{name}\"\nkind = \"webhook\"\nverify = \"{verify}\"\nsecrets = [\"{secret}\"]\n"
        )
    };
    let configuration = [
        "[genesys.main]\nregion = \"eu-central-1\"\nclient_id = \"c\"\nclient_secret = \"s\"\n".to_owned(),
        hook("orders", "hub-sha256-base64", "the secret of orders, long enough"),
        hook("support", "hub-sha256-base64", "the secret of support, long enough"),
        hook("shop", "hub-sha256-hex", "the secret of shop, long enough too"),
    ];
    std::fs::write(folder.path().join("closeout.toml"), configuration.concat()).unwrap();
    std::fs::write(folder.path().join("body.json"), br#"{"state":"disconnected"}"#).unwrap();
    let signed = run(folder.path(), &["hooks", "sign", "--hook", "support", "--body", "body.json"], &[]);
    assert_eq!(signed.code, 0, "{signed:?}");
    let verify = |hook: &str, header: &str| {
        run(folder.path(), &["hooks", "verify", "--hook", hook, "--body", "body.json", "-H", header], &[])
    };
    assert_eq!(verify("support", signed.stdout.trim()).code, 0);
    let refused = verify("orders", signed.stdout.trim());
    assert_eq!(refused.code, 4, "{refused:?}");
    assert!(refused.stdout.contains("It fits the hook \"support\""), "{refused:?}");
    assert!(!refused.stdout.contains("the secret of support"), "{refused:?}");
    // The sender has the secret of a hook that is signed in another way.
    let flags = ["--verify", "hub-sha256-base64", "--secret", "the secret of shop, long enough too"];
    let line = [&["hooks", "sign", "--body", "body.json"][..], &flags].concat();
    let mixed = verify("orders", run(folder.path(), &line, &[]).stdout.trim());
    assert_eq!(mixed.code, 4, "{mixed:?}");
    assert!(mixed.stdout.contains("a secret of the hook \"shop\""), "{mixed:?}");
    assert!(!mixed.stdout.contains("No usual mistake"), "{mixed:?}");
    let forged = signed.stdout.trim().replace("sha256=", "sha256=A");
    assert!(!verify("orders", &forged).stdout.contains("fits the hook"));
}

#[tokio::test]
async fn a_bundle_holds_what_support_asks_for_and_nothing_that_people_wrote() {
    let scene = Scene::begin(SceneOptions::default()).await;
    let made = scene.simulator.create(&NewConversation::default()).unwrap()[0];
    let body = json!({ "conversationId": made.conversation_id, "reason": "canary-reason",
        "labels": { "who": "canary-label" } });
    let (_, closure) = scene.ask("POST", "/v1/closures?wait=20s", Some(body)).await;
    assert_eq!(closure["state"], "closed", "{closure}");
    let conversation = made.conversation_id.to_string();
    let bundle = command(&scene, &["bundle", &conversation, "--file", "bundle.json"]).await;
    assert_eq!(bundle.code, 0, "{bundle:?}");
    let text = std::fs::read_to_string(scene.folder.path().join("bundle.json")).unwrap();
    for secret in ["canary", "a secret of the scene", genesys_simulator::DEFAULT_CLIENT_SECRET] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
    let bundle: Value = serde_json::from_str(&text).unwrap();
    // A webhook that is late makes one read more; each answer of the timeline has its id here.
    let answered = |line: &Value| line["answered"]["correlationId"].as_str().map(str::to_owned);
    let list = |name: &str| bundle[name].as_array().unwrap().clone();
    let ids: Vec<_> = list("timeline").iter().filter_map(answered).collect();
    let told: Vec<_> =
        list("correlationIds").iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(told, ids, "{text}");
    assert_eq!(ids.len(), usize::try_from(closure["apiCalls"].as_u64().unwrap()).unwrap(), "{text}");
    assert_eq!(bundle["closure"]["id"], closure["id"]);
    assert!(bundle["timeline"].as_array().unwrap().len() >= 4, "{text}");
    assert!(!bundle["received"].as_array().unwrap().is_empty(), "{text}");
    assert_eq!(bundle["adapters"]["items"][0]["adapter"], "relay", "{text}");
    assert!(bundle["configuration"].is_object() && bundle["readiness"]["ready"] == true, "{text}");
}
