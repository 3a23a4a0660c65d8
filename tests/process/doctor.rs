//! `closeout doctor`: a healthy installation, and each thing that is wrong with its fix and exit code.

use std::time::Duration;

use closeout_tests::{Ended, Scene, SceneOptions, run, wait_until};
use genesys_simulator::{
    ConversationDisconnect, DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET, DEFAULT_QUEUE, Dialect,
    DisconnectNotice, JournalKind, JournalQuery, MessengerSetting, NewConversation, OauthClient, Trigger,
    TriggerKind,
};
use serde_json::Value;

const SECRET: (&str, &str) = ("GENESYSCLOUD_OAUTHCLIENT_SECRET", DEFAULT_CLIENT_SECRET);

/// Runs the doctor with the scene's configuration and these variables on top of the usual ones.
async fn doctor(scene: &Scene, arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
    let folder = scene.folder.path().to_path_buf();
    let usual = [("GENESYSCLOUD_OAUTHCLIENT_ID", DEFAULT_CLIENT_ID), SECRET];
    let key = scene.environment().into_iter().filter(|(name, _)| *name == "CLOSEOUT_TOKEN");
    let environment: Vec<(String, String)> = usual
        .into_iter()
        .chain(key)
        .chain(environment.iter().copied())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let arguments: Vec<String> =
        ["doctor"].iter().chain(arguments).map(|&argument| argument.to_owned()).collect();
    tokio::task::spawn_blocking(move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let environment: Vec<(&str, &str)> =
            environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        run(&folder, &arguments, &environment)
    })
    .await
    .unwrap()
}

async fn online(scene: &Scene, environment: &[(&str, &str)]) -> (i32, Vec<Value>) {
    let ended = doctor(scene, &["--online", "-o", "ndjson"], environment).await;
    (ended.code, checks(&ended))
}

fn checks(ended: &Ended) -> Vec<Value> {
    ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{ended:?}")))
        .collect()
}

fn check<'a>(checks: &'a [Value], name: &str, about: &str) -> &'a Value {
    let found = checks
        .iter()
        .find(|check| check["check"] == name && check["about"].as_str().unwrap_or_default() == about);
    found.unwrap_or_else(|| panic!("no check {name} {about} in {checks:?}"))
}

/// The one check that is wrong.
fn wrong(checks: &[Value]) -> &Value {
    let wrong: Vec<_> = checks.iter().filter(|check| check["result"] == "wrong").collect();
    let [only] = wrong.as_slice() else { panic!("not one is wrong: {checks:?}") };
    only
}

#[tokio::test]
async fn a_healthy_installation_ends_with_0_and_nothing_is_written() {
    let mut scene = Scene::begin(SceneOptions::default()).await;
    let made = scene.simulator.create(&NewConversation::default()).unwrap()[0];
    scene.close(made.conversation_id, "20s").await;
    let before = scene.simulator.journal(&JournalQuery::default()).entries.len();
    let table = doctor(&scene, &["--online"], &[]).await;
    assert_eq!(table.code, 0, "{table:?}");
    for says in ["RESULT", "permission main conversation:communication:disconnect", "is ready"] {
        assert!(table.stdout.contains(says), "no {says}: {}", table.stdout);
    }
    for secret in [DEFAULT_CLIENT_SECRET, "a secret of the scene", "sim-"] {
        assert!(!table.stdout.contains(secret) && !table.stderr.contains(secret), "{table:?}");
    }
    let entries = scene.simulator.journal(&JournalQuery::default()).entries;
    let calls = entries[before..].iter().filter(|entry| entry.kind == JournalKind::Call);
    let calls: Vec<_> = calls.map(|entry| entry.what.as_str()).collect();
    assert!(calls.len() <= 8, "{calls:?}");
    let reads =
        |call: &&str| call.starts_with("GET ") || call.starts_with("HEAD ") || **call == *"POST /oauth/token";
    assert!(calls.iter().all(reads), "{calls:?}");

    let (code, running) = online(&scene, &[]).await;
    assert_eq!(code, 0, "{running:?}");
    assert_eq!(check(&running, "events", "relay")["result"], "ok");
    assert_eq!(check(&running, "messenger", "main")["result"], "ok");
    scene.kill();
    let (code, away) = online(&scene, &[]).await;
    assert_eq!(code, 0, "{away:?}");
    let events = check(&away, "events", "relay");
    assert_eq!(events["result"], "not_checked");
    assert!(events["fix"].as_str().unwrap().contains("closeout hooks sign --hook relay"), "{events}");
}

#[tokio::test]
async fn a_wrong_secret_and_an_unknown_client_are_told_apart() {
    let scene = Scene::begin(SceneOptions::default()).await;
    let (code, checks) = online(&scene, &[(SECRET.0, "planted-wrong")]).await;
    let token = wrong(&checks);
    assert_eq!((code, &token["check"], &token["exit"]), (4, &"token".into(), &4.into()), "{checks:?}");
    assert!(token["what"].as_str().unwrap().contains("secret is wrong"), "{token}");
    let fix = token["fix"].as_str().unwrap();
    assert!(fix.contains(SECRET.0) && fix.contains("Admin > Integrations > OAuth"), "{fix}");
    assert!(!token.to_string().contains("planted"), "{token}");
    let (code, checks) = online(&scene, &[("GENESYSCLOUD_OAUTHCLIENT_ID", "nobody")]).await;
    assert_eq!(code, 4, "{checks:?}");
    assert!(
        wrong(&checks)["what"].as_str().unwrap().contains("does not know this OAuth client"),
        "{checks:?}"
    );
    let (code, checks) = online(&scene, &[("CLOSEOUT_GENESYS__MAIN__ACCESS_TOKEN", "planted-old")]).await;
    assert_eq!(code, 4, "{checks:?}");
    assert!(wrong(&checks)["fix"].as_str().unwrap().contains("in place of access_token"), "{checks:?}");
}

#[tokio::test]
async fn a_missing_permission_is_named() {
    let scene = Scene::begin(SceneOptions::default()).await;
    let admit = |permissions: &[&str]| {
        let client = OauthClient::new(DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET);
        scene.simulator.admit_client(client.with_permissions(permissions.iter().copied()));
    };
    for (held, missing) in [
        ("conversation:communication:disconnect", "conversation:communication:view"),
        ("conversation:communication:view", "conversation:communication:disconnect"),
    ] {
        admit(&[held]);
        let (code, checks) = online(&scene, &[]).await;
        let permission = wrong(&checks);
        assert_eq!(code, 4, "{checks:?}");
        assert_eq!(permission["about"], format!("main {missing}"));
        let path = missing.replace(':', " > ");
        assert!(permission["fix"].as_str().unwrap().contains(&path), "{permission}");
    }
    admit(&["conversation:communication:view", "conversation:communication:disconnect"]);
    let (code, checks) = online(&scene, &[]).await;
    assert_eq!(code, 0, "{checks:?}");
    let messenger = check(&checks, "messenger", "main");
    assert_eq!(messenger["result"], "not_checked");
    assert!(messenger["fix"].as_str().unwrap().contains("webDeployments > deployment > view"), "{messenger}");
    let wrap_up = "closing.wrap_up={ id = \"6e2d4c3b-1a09-4f8e-9d7c-5b4a3f2e1d06\" }";
    let ended = doctor(&scene, &["--online", "-o", "ndjson", "--set", wrap_up], &[]).await;
    assert_eq!(
        (ended.code, ended.stdout.contains("main conversation:participant:wrapup")),
        (4, true),
        "{ended:?}"
    );
}

#[tokio::test]
async fn a_region_that_does_not_answer_is_10() {
    let scene = Scene::begin(SceneOptions::default()).await;
    let elsewhere = "genesys.main.region=http://127.0.0.1:9";
    let ended = doctor(&scene, &["--online", "-o", "ndjson", "--set", elsewhere], &[]).await;
    let found = checks(&ended);
    assert_eq!((ended.code, &wrong(&found)["check"]), (10, &"reach".into()), "{ended:?}");
    assert!(wrong(&found)["fix"].as_str().unwrap().contains("port 443"), "{found:?}");
    let no_name = "genesys.main.region=https://no-such-host.invalid";
    let ended = doctor(&scene, &["--online", "--set", no_name], &[]).await;
    assert_eq!(ended.code, 10, "{ended:?}");
    assert!(ended.stdout.contains("its name is not resolved"), "{}", ended.stdout);
}

#[tokio::test]
async fn a_broken_configuration_is_2_and_the_rest_is_looked_at_all_the_same() {
    let scene = Scene::begin(SceneOptions::default()).await;
    for (setting, name) in
        [("closing.deadlin=1s", "configuration"), ("closing.evidence=hope", "configuration")]
    {
        let ended = doctor(&scene, &["-o", "ndjson", "--set", setting], &[]).await;
        let found = checks(&ended);
        assert_eq!((ended.code, &wrong(&found)["check"]), (2, &name.into()), "{ended:?}");
        assert_eq!(check(&found, "port", "")["result"], "ok", "{found:?}");
        assert_eq!(check(&found, "store", "")["result"], "ok", "{found:?}");
    }
    let short = [("CLOSEOUT_CONFIRM__0__SECRETS", "planted")];
    let ended = doctor(&scene, &["--online", "-o", "ndjson"], &short).await;
    let found = checks(&ended);
    let hook = wrong(&found);
    assert_eq!(
        (ended.code, &hook["check"], &hook["about"]),
        (2, &"hook".into(), &"relay".into()),
        "{ended:?}"
    );
    assert!(hook["what"].as_str().unwrap().contains("at least 16 are needed"), "{hook}");
    assert!(hook["fix"].as_str().unwrap().contains("openssl rand -base64 32"), "{hook}");
    assert!(!ended.stdout.contains("planted"), "{ended:?}");
    assert_eq!(check(&found, "genesys", "")["result"], "not_checked");
}

#[tokio::test]
async fn a_forged_event_and_a_silent_messenger_are_warned_of() {
    let off = ConversationDisconnect { enabled: false, kind: DisconnectNotice::Send };
    let silent = MessengerSetting { conversation_disconnect: off };
    let scene = Scene::begin_with(SceneOptions::default(), |builder| builder.messenger(silent)).await;
    let made = scene.simulator.create(&NewConversation::default()).unwrap()[0];
    let forged = Trigger {
        conversation_id: Some(made.conversation_id),
        kind: TriggerKind::Forged,
        ..Trigger::default()
    };
    scene.simulator.trigger(&forged).await.unwrap();
    let refused = wait_until(Duration::from_secs(10), || async {
        let (code, checks) = online(&scene, &[]).await;
        let events = check(&checks, "events", "relay").clone();
        (events["result"] == "warning").then_some((code, events, check(&checks, "messenger", "main").clone()))
    });
    let (code, events, messenger) = refused.await.unwrap();
    assert_eq!(code, 0, "warnings are no fault");
    assert!(events["what"].as_str().unwrap().contains("Nobody was believed"), "{events}");
    assert_eq!(messenger["result"], "warning");
    assert!(messenger["fix"].as_str().unwrap().contains("switch Conversation Disconnect on"), "{messenger}");
    let stranger = doctor(&scene, &["-o", "ndjson"], &[("CLOSEOUT_TOKEN", "a wrong key")]).await;
    let events = checks(&stranger);
    let events = check(&events, "events", "relay");
    assert_eq!((stranger.code, &events["result"]), (0, &"not_checked".into()), "{stranger:?}");
    assert!(events["fix"].as_str().unwrap().contains("--role read"), "{events}");
}

#[tokio::test]
async fn a_clock_that_is_off_by_minutes_is_2() {
    let scene = Scene::begin(SceneOptions::default()).await;
    scene.simulator.advance_clock(Duration::from_secs(60));
    let (code, checks) = online(&scene, &[]).await;
    assert_eq!((code, &check(&checks, "clock", "main")["result"]), (0, &"warning".into()), "{checks:?}");
    scene.simulator.advance_clock(Duration::from_secs(600));
    let (code, checks) = online(&scene, &[]).await;
    assert_eq!((code, &wrong(&checks)["about"]), (2, &"main".into()), "{checks:?}");
    assert!(wrong(&checks)["fix"].as_str().unwrap().contains("timedatectl"), "{checks:?}");
}

#[test]
fn the_help_lists_every_call_before_it_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let help = run(folder.path(), &["doctor", "--help"], &[]);
    assert_eq!(help.code, 0);
    for call in [
        "POST /oauth/token",
        "/api/v2/tokens/me",
        "/api/v2/authorization/subjects/me?includeFullRoles=true",
        "/api/v2/conversations/<random id>",
        "/api/v2/organizations/limits/namespaces/platform.api",
        "/api/v2/webdeployments/deployments?expand=configuration",
        "Exit codes",
    ] {
        assert!(help.stdout.contains(call), "no {call}: {}", help.stdout);
    }
}

#[tokio::test]
async fn a_code_that_no_queue_has_and_a_topic_that_is_refused_are_found_before_they_are_missed() {
    let confirm = format!(
        "[[confirm]]\nname = \"socket\"\nkind = \"notifications\"\nqueues = [\"{DEFAULT_QUEUE}\"]\n\
         topics = [\"v2.routing.nothing\"]\n"
    );
    let wrap_up = |name: &str| format!("wrap_up = {{ name = \"{name}\" }}\n");
    let options = SceneOptions {
        closing: wrap_up("Closd by backend"),
        confirm: Some(confirm),
        ..SceneOptions::default()
    };
    let scene = Scene::begin(options).await;
    let (code, checks) = online(&scene, &[]).await;
    let name = wrong(&checks);
    assert_eq!((code, &name["check"]), (2, &"wrap-up".into()), "{checks:?}");
    assert!(name["what"].as_str().unwrap().contains("Closed by backend"), "it lists the codes: {name}");
    let socket = check(&checks, "socket", "main socket");
    assert_eq!(socket["result"], "warning", "{socket}");
    assert!(socket["what"].as_str().unwrap().contains("1 of 3 topics are refused:"), "{socket}");

    let scene =
        Scene::begin(SceneOptions { closing: wrap_up("Closed by backend"), ..SceneOptions::default() }).await;
    let (code, checks) = online(&scene, &[]).await;
    assert_eq!(code, 0, "{checks:?}");
    assert_eq!(check(&checks, "wrap-up", "main \"Closed by backend\"")["result"], "ok");
}

#[tokio::test]
async fn the_service_of_the_configuration_is_asked_whatever_the_environment_names() {
    let scene = Scene::begin(SceneOptions::default()).await;
    let (code, checks) = online(&scene, &[("CLOSEOUT_SERVER", "http://127.0.0.1:9")]).await;
    assert_eq!(code, 0, "{checks:?}");
    let events = check(&checks, "events", "relay");
    assert!(!events["what"].as_str().unwrap().contains("127.0.0.1:9"), "{events}");
}

#[tokio::test]
async fn a_dialect_is_told_with_what_it_lacks() {
    let dialect = Dialect::MessagingVersionedPut;
    let genesys = format!("dialect = \"{}\"", dialect.name());
    let options = SceneOptions { genesys, ..SceneOptions::default() };
    let scene = Scene::begin_with(options, |builder| builder.dialect(dialect)).await;
    let (_, checks) = online(&scene, &[]).await;
    let dialect = check(&checks, "dialect", "main");
    for words in ["messaging-versioned-put", "conversation_first", "no search"] {
        assert!(dialect["what"].as_str().unwrap().contains(words), "{dialect}");
    }
}
