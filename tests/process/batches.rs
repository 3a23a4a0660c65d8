//! Batches over the command line, and over sudden deaths of the service.

use std::{collections::BTreeSet, time::Duration};

use closeout_tests::{Ended, Scene, SceneOptions, wait_until};
use genesys_simulator::NewConversation;
use serde_json::Value;

fn begin() -> SceneOptions {
    SceneOptions {
        closing: "confirm_within = \"1s\"\ndeadline = \"60s\"\n".to_owned(),
        ..SceneOptions::default()
    }
}

/// Makes conversations, and a file of them.
fn rows(scene: &Scene, number: u32, file: &str) -> Vec<String> {
    let made = scene
        .simulator
        .create(&NewConversation { count: Some(number), ..NewConversation::default() })
        .unwrap();
    let ids: Vec<String> = made.iter().map(|made| made.conversation_id.to_string()).collect();
    let text: String = match file.rsplit('.').next() {
        Some("csv") => format!(
            "conversationId,label.team\n{}",
            ids.iter().map(|id| format!("{id},ops\n")).collect::<String>()
        ),
        _ => ids.iter().map(|id| format!("{{\"conversationId\":\"{id}\"}}\n")).collect(),
    };
    std::fs::write(scene.folder.path().join(file), text).unwrap();
    ids
}

/// The one batch that a command has answered with.
fn batch(ended: &Ended) -> Value {
    assert_eq!(ended.code, 0, "{ended:?}");
    let list: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"));
    list[0].clone()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

async fn progress(scene: &Scene, id: &str) -> Value {
    let (status, batch) = scene.ask("GET", &format!("/v1/batches/{id}"), None).await;
    assert_eq!(status, 200, "{batch}");
    batch
}

/// The batch once `wanted` holds of it.
async fn until(scene: &Scene, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let found = wait_until(Duration::from_secs(90), || async {
        let batch = progress(scene, id).await;
        wanted(&batch).then_some(batch)
    });
    match found.await {
        Some(found) => found,
        None => panic!("it never came to that: {} {}", progress(scene, id).await, scene.log()),
    }
}

#[tokio::test]
async fn a_file_is_previewed_executed_and_waited_for() {
    let scene = Scene::begin(begin()).await;
    let ids = rows(&scene, 20, "rows.csv");
    let path = scene.folder.path().join("rows.csv");
    let good = std::fs::read_to_string(&path).unwrap();
    let broken = format!("# stuck since noon\n\n{good}  # no id\nnot-an-id,ops\n{},ops\n", ids[0]);
    std::fs::write(&path, broken).unwrap();
    let file = path.to_str().unwrap();
    let shown = scene.closeout(&["batch", "preview", "--file", file, "-o", "json"]).await;
    let previewed = batch(&shown);
    for says in [
        "row 21 (line 25) is left out: malformed",
        "it says: not-an-id,ops",
        "row 22 (line 26) is left out: duplicate",
        "20 of 22 would be closed",
    ] {
        assert!(shown.stderr.contains(says), "no {says}: {}", shown.stderr);
    }
    let (id, token) = (text(&previewed["id"]), text(&previewed["confirmToken"]));
    let how = format!("closeout batch execute {id} --reason WHY --token {token}");
    let later = scene.closeout(&["batch", "show", id]).await;
    assert!(later.stderr.contains(&how) && shown.stderr.contains(&how), "{later:?}");
    let other = scene.closeout(&["batch", "execute", id, "--token", "no", "--reason", "x"]).await;
    assert_eq!(other.code, 5, "{other:?}");
    assert_eq!(progress(&scene, id).await["state"], "preview");
    let run =
        ["batch", "execute", id, "--token", token, "--reason", "cleanup", "--wait", "60s", "-o", "json"];
    let done = batch(&scene.closeout(&run).await);
    assert_eq!((&done["state"], &done["progress"]["closed"]), (&"finished".into(), &20.into()), "{done}");
    let again = batch(&scene.closeout(&run).await);
    assert_eq!(again["progress"], done["progress"]);
    assert_eq!(scene.count(&["closed"]).await, 20);
    let over = scene.closeout(&["batch", "show", id]).await;
    assert!(!over.stderr.contains("batch execute"), "{over:?}");
    let skipped = scene.closeout(&["batch", "show", id, "--rows", "--state", "skipped", "-o", "csv"]).await;
    assert_eq!(skipped.stdout.lines().count(), 3, "{skipped:?}");
    let listed = scene.closeout(&["batch", "list", "-o", "id"]).await;
    assert_eq!(listed.stdout.trim(), id);
    let again = scene.closeout(&["batch", "preview", "--state", "closed", "--label", "team=ops"]).await;
    let narrowed = "it is of the closures that match state=closed,label.team=ops\n";
    assert!(again.code == 0 && again.stderr.contains(narrowed), "{again:?}");
}

#[tokio::test]
async fn no_row_is_lost_or_submitted_twice_when_the_service_is_killed_in_the_midst_of_500() {
    let mut scene = Scene::begin(begin()).await;
    let ids = rows(&scene, 500, "rows.ndjson");
    let file = scene.folder.path().join("rows.ndjson");
    let shown = scene.closeout(&["batch", "preview", "--file", file.to_str().unwrap(), "-o", "json"]).await;
    let previewed = batch(&shown);
    let (id, token) = (text(&previewed["id"]), text(&previewed["confirmToken"]));
    let execute = ["batch", "execute", id, "--token", token, "--reason", "outage", "-o", "json"];
    batch(&scene.closeout(&execute).await);
    let queued = |batch: &Value| batch["progress"]["queued"].as_u64().unwrap();
    for left in [430, 330, 230] {
        until(&scene, id, |batch| queued(batch) < left).await;
        scene.kill();
        scene.start().await;
    }
    batch(&scene.closeout(&["batch", "pause", id, "-o", "json"]).await);
    let before = progress(&scene, id).await;
    assert!(queued(&before) > 0, "{before}");
    scene.kill();
    scene.start().await;
    let all_settled = |batch: &Value| batch["progress"]["submitted"] == 0;
    let paused = until(&scene, id, all_settled).await;
    assert_eq!((text(&paused["state"]), queued(&paused)), ("paused", queued(&before)), "{paused}");
    batch(&scene.closeout(&["batch", "resume", id, "-o", "json"]).await);
    let done = until(&scene, id, |batch| batch["state"] == "finished").await;
    assert_eq!(done["progress"]["closed"], 500, "{done}");

    let (_, page) = scene.ask("GET", "/v1/closures?source=batch&limit=500", None).await;
    assert!(page["nextCursor"].is_null(), "more closures than rows");
    let closed: Vec<&str> =
        page["items"].as_array().unwrap().iter().map(|one| text(&one["conversationId"])).collect();
    assert_eq!(closed.len(), 500, "a row has two closures, or none");
    assert_eq!(closed.into_iter().collect::<BTreeSet<_>>(), ids.iter().map(String::as_str).collect());
    let verdict = scene.simulator.verdict();
    assert!(verdict.clean, "{verdict:?}");
}
