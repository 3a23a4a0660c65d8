//! Looking at closures.

use std::time::Duration;

use closure_machine::Reply;
use genesys_client::{Class, Quota, QuotaConfig};
use genesys_types::Time;
use orchestrator::{CallFacts, Outcome};
use serde_json::{Value, json};

use super::world::{Truth, World};
use crate::{AdapterStanding, RefusedTopic};

/// Two adapters, of two organisations.
pub(super) fn adapters() -> Vec<AdapterStanding> {
    let of = |name: &str, organisation: &str| AdapterStanding {
        name: name.to_owned(),
        kind: "notifications",
        organisation: organisation.parse().unwrap(),
        connected_since: None,
        last_event_at: Some(Time::from_millis(1_795_255_200_000)),
        refused: vec![RefusedTopic {
            topic: "v2.users.x.conversations".to_owned(),
            reason: Some("missing permissions".to_owned()),
            missing_permissions: vec!["conversation:communication:view".to_owned()],
        }],
        gaps: 2,
        read_back: 7,
    };
    vec![of("socket", "main"), of("theirs", "foreign")]
}

#[tokio::test(start_paused = true)]
async fn adapters_are_shown_to_keys_of_their_organisation() {
    let world = World::new().await;
    let shown = world.get_as("read", "/readyz?verbose", &[]).await.ok(200);
    assert_eq!(
        shown["adapters"],
        json!([{
            "name": "socket", "kind": "notifications", "organisation": "main", "connectedSince": null,
            "lastEventAt": "2026-11-21T10:00:00.000Z", "gaps": 2, "readBack": 7,
            "refusedTopics": [{ "topic": "v2.users.x.conversations", "reason": "missing permissions",
                                "missingPermissions": ["conversation:communication:view"] }],
        }])
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_the_quota_is_shown_where_there_is_one() {
    let world = World::new().await;
    let left = async || world.get("/readyz?verbose").await.ok(200)["organisations"][0]["quotaLeft"].clone();
    assert_eq!(left().await, Value::Null);
    let quota = Quota::new(QuotaConfig::default(), genesys_client::monotonic_clock(), 1);
    assert!(world.remote.quota.set(quota.clone()).is_ok());
    assert_eq!(left().await, 300);
    let mut permit = quota.try_take(Class::Close).unwrap();
    permit.sent();
    assert_eq!(left().await, 299);
}

#[tokio::test(start_paused = true)]
async fn every_closure_has_its_page_at_genesys_and_a_list_leaves_it_out() {
    let world = World::new().await;
    let conversation = world.conversation(1);
    let closure = world.post("/v1/closures?wait=1m", json!({ "conversationId": conversation })).await.ok(200);
    let id = closure["id"].as_str().unwrap();
    let closure = world.get(&format!("/v1/closures/{id}")).await.ok(200);
    assert_eq!(
        (&closure["state"], &closure["genesysPage"]),
        (&json!("closed"), &json!(format!("https://apps.example/{conversation}")))
    );
    assert!(world.get("/v1/closures").await.ok(200)["items"][0].get("genesysPage").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_known_is_answered_304() {
    let world = World::new().await;
    *world.remote.mute.lock().unwrap() = true;
    let id = world.submit(&world.conversation(1)).await;
    world.until(&id, "awaiting_confirmation").await;
    let path = format!("/v1/closures/{id}");
    let tag = world.get(&path).await.header("etag").to_owned();
    let answer = world.get_as("read", &path, &[("if-none-match", &tag)]).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (304, ""));
    assert_eq!(world.get_as("read", &path, &[("if-none-match", "\"1\"")]).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_ends_with_the_closure_or_with_its_next_version() {
    let world = World::new().await;
    *world.remote.mute.lock().unwrap() = true;
    let conversation = world.conversation(1);
    let id = world.submit(&conversation).await;
    world.until(&id, "awaiting_confirmation").await;
    let path = format!("/v1/closures/{id}?wait=10s");
    let before = world.get(&path).await.ok(200);
    assert_eq!(before["waitSatisfied"], false);
    let tag = format!("\"{}\"", before["version"]);

    world.remote.tell(conversation.parse().unwrap());
    let next = world.get_as("read", &path, &[("if-none-match", &tag)]).await.ok(200);
    assert_eq!(next["version"].as_u64(), before["version"].as_u64().map(|version| version + 1));
    assert_eq!(next["state"], "closing_wrapper");

    let end = world.get(&path).await.ok(200);
    assert_eq!((&end["state"], &end["waitSatisfied"]), (&json!("closed"), &json!(true)));
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_when_the_closure_is_held_and_begins_anew_for_whoever_knows() {
    let refused = |reply: Reply| Outcome { reply, facts: CallFacts::default() };
    for (replies, state) in
        [(vec![Reply::Forbidden(None)], "blocked"), (vec![Reply::Unauthenticated], "blocked")]
            .into_iter()
            .chain([(vec![Reply::Rejected; 8], "ghost")])
    {
        let world = World::new().await;
        world.remote.instead.lock().unwrap().extend(replies.into_iter().map(refused));
        let begun = tokio::time::Instant::now();
        let body = json!({ "conversationId": world.conversation(1) });
        let held = world.post("/v1/closures?wait=5m", body.clone()).await.ok(202);
        assert_eq!((&held["state"], &held["waitSatisfied"]), (&json!(state), &json!(false)), "{held}");
        assert!(begun.elapsed() < Duration::from_secs(250), "{state}: {:?}", begun.elapsed());

        // Whoever asks for the same closure learns of it at once, and so does who knows another version.
        let path = format!("/v1/closures/{}", held["id"].as_str().unwrap());
        let begun = tokio::time::Instant::now();
        assert_eq!(world.post("/v1/closures?wait=30s", body).await.ok(202)["state"], state);
        let other = [("if-none-match", "\"1\"")];
        assert_eq!(world.get_as("read", &format!("{path}?wait=30s"), &other).await.ok(200)["state"], state);
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());

        // To who says nothing of what is known, it is no news: no loop without a pause.
        let again = world.get(&format!("{path}?wait=30s")).await.ok(200);
        assert_eq!((&again["state"], &again["waitSatisfied"]), (&json!(state), &json!(false)));
        assert!(begun.elapsed() >= Duration::from_secs(30), "{:?}", begun.elapsed());
        let healed = world.get(&format!("{path}?wait=5m")).await.ok(200);
        assert_eq!((&healed["state"], &healed["waitSatisfied"]), (&json!("closed"), &json!(true)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_closure_that_is_not_there_is_404_and_a_text_that_is_no_id_422() {
    let world = World::new().await;
    world.get("/v1/closures/cl_00000000000000000000000000").await.problem(404, "no_such_closure");
    for path in
        ["/v1/closures/x", "/v1/closures/x/timeline", "/v1/conversations/x/closures", "/v1/closures?q=cl_x"]
    {
        world.get(path).await.problem(422, "invalid_field");
    }
}

fn ids(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().unwrap().iter();
    items.map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_list_is_paged_without_gaps_in_both_orders() {
    let world = World::new().await;
    let mut all = Vec::new();
    for number in 1..=7 {
        all.push(world.submit(&world.conversation(number)).await);
        tokio::time::advance(Duration::from_millis(10)).await;
    }
    for sort in ["acceptedAt", "-acceptedAt"] {
        let mut found = Vec::new();
        let mut cursor = String::new();
        loop {
            let list = world.get(&format!("/v1/closures?sort={sort}&limit=3{cursor}")).await.ok(200);
            found.extend(ids(&list));
            let Some(next) = list["nextCursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        if sort.starts_with('-') {
            found.reverse();
        }
        assert_eq!(found, all, "{sort}");
    }
    let first = world.get("/v1/closures?limit=3").await.ok(200);
    let cursor = first["nextCursor"].as_str().unwrap();
    for other in ["state=ghost&", "sort=acceptedAt&"] {
        let problem =
            world.get(&format!("/v1/closures?{other}cursor={cursor}")).await.problem(422, "invalid_field");
        assert_eq!(problem["field"], "cursor");
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_is_narrowed_by_every_filter() {
    let world = World::new().await;
    let agent = world.conversation_with(1, Truth { agent: true, ..Truth::default() });
    let failed = world.submit(&agent).await;
    let labelled = json!({ "conversationId": world.conversation(2), "labels": { "team": "checkout" } });
    let closed = world.post("/v1/closures?wait=30s", labelled).await.ok(200);
    let closed_id = closed["id"].as_str().unwrap().to_owned();
    tokio::time::advance(Duration::from_secs(7_200)).await;
    let late = world.submit(&world.conversation(3)).await;
    world.until(&late, "closed").await;
    let participant = closed["participantId"].as_str().unwrap();
    let cases: Vec<(String, Vec<&String>)> = vec![
        ("state=failed".to_owned(), vec![&failed]),
        ("state=failed,closed&until=1h".to_owned(), vec![&closed_id, &failed]),
        ("state=failed&state=closed&since=1h".to_owned(), vec![&late]),
        ("reason=agent_connected".to_owned(), vec![&failed]),
        ("label.team=checkout".to_owned(), vec![&closed_id]),
        ("label.team=other".to_owned(), vec![]),
        ("source=http".to_owned(), vec![&late, &closed_id, &failed]),
        ("source=batch".to_owned(), vec![]),
        ("source=guest-returned".to_owned(), vec![]),
        (format!("q={agent}"), vec![&failed]),
        (format!("q={closed_id}"), vec![&closed_id]),
        (format!("q={closed_id}&state=failed"), vec![]),
        (format!("q={participant}"), vec![&closed_id]),
        ("since=2026-11-21T10:00:00Z".to_owned(), vec![&late]),
        ("organisation=main&state=closed&since=1h".to_owned(), vec![&late]),
    ];
    for (query, expected) in cases {
        let list = world.get(&format!("/v1/closures?{query}")).await.ok(200);
        assert_eq!(ids(&list).iter().collect::<Vec<_>>(), expected, "{query}");
    }
    let history = world.get(&format!("/v1/conversations/{agent}/closures")).await.ok(200);
    assert_eq!(ids(&history), [failed]);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_filter_is_refused_with_the_nearest_known_word() {
    let world = World::new().await;
    for (query, field, hint) in [
        ("state=closd", "state", "\"closed\""),
        ("reason=no_confirm", "reason", "\"no_confirmation\""),
        ("stat=closed", "stat", "\"state\""),
        ("source=htpp", "source", "\"http\""),
        ("since=yesterday", "since", "1h"),
        ("sort=updatedAt", "sort", "acceptedAt"),
        ("limit=501", "limit", "500"),
        ("organisation=other", "organisation", "other"),
        ("cursor=abc", "cursor", "list"),
    ] {
        let problem = world.get(&format!("/v1/closures?{query}")).await.problem(422, "invalid_field");
        assert_eq!(problem["field"], field);
        assert!(problem["detail"].as_str().unwrap().contains(hint), "{problem}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_came_in_is_narrowed_by_known_words_only() {
    let world = World::new().await;
    for (query, field, hint) in
        [("result=takn", "result", "\"taken\""), ("hook=open-mesaging", "hook", "\"open-messaging\"")]
    {
        let problem = world.get(&format!("/v1/hooks/received?{query}")).await.problem(422, "invalid_field");
        assert_eq!(problem["field"], field);
        assert!(problem["detail"].as_str().unwrap().contains(hint), "{problem}");
    }
    for query in ["result=taken&hook=open-messaging", "hook=(unknown)"] {
        world.get(&format!("/v1/hooks/received?{query}")).await.ok(200);
    }
    let ghosts = world.get("/v1/ghosts?source=sqs").await.problem(422, "invalid_field");
    assert_eq!(ghosts["field"], "source");
}

#[tokio::test(start_paused = true)]
async fn the_timeline_is_the_evidence_in_order() {
    let world = World::new().await;
    let conversation = world.conversation(1);
    let id = world.submit(&conversation).await;
    world.until(&id, "closed").await;
    let timeline = world.get(&format!("/v1/closures/{id}/timeline")).await.ok(200);
    assert_eq!(timeline["conversationId"], json!(conversation));
    let items = timeline["items"].as_array().unwrap();
    let steps: Vec<_> =
        items.iter().map(|item| (item["kind"].as_str().unwrap(), item["to"].as_str().unwrap())).collect();
    assert_eq!(
        steps,
        [
            ("accepted", "verifying"),
            ("replied", "closing_participant"),
            ("replied", "awaiting_confirmation"),
            ("heard", "closing_wrapper"),
            ("replied", "closed"),
        ]
    );
    assert_eq!(items[1]["answered"]["saw"]["legs"], json!(["customer connected", "acd connected"]));
    assert_eq!(items[3]["heard"]["adapter"], "eventbridge");
    assert_eq!(items[3]["heard"]["occurredAt"].as_str().unwrap().len(), 24);
    assert_eq!(items[4]["announces"], json!(["closeout.closure.closed.v1"]));
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_read_is_told_of_and_counted() {
    let world = World::new().await;
    let id = world.submit(&world.conversation(1)).await;
    world.until(&id, "closed").await;
    let sound = world.get_as("read", "/readyz?verbose", &[]).await.ok(200);
    assert_eq!(sound["quarantined"], 0);
    world.spoil(&id).await;
    for path in ["", "/timeline", "/explain"] {
        let answer = world.get(&format!("/v1/closures/{id}{path}")).await;
        assert_eq!(answer.problem(500, "unreadable_record")["closure"], json!(id), "{path}");
    }
    let act = world.post(&format!("/v1/closures/{id}/verify"), Value::Null).await;
    act.problem(500, "unreadable_record");
    let stranger = world.get_as("stranger", &format!("/v1/closures/{id}"), &[]).await;
    stranger.problem(404, "no_such_closure");
    let verbose = world.get_as("read", "/readyz?verbose", &[]).await.ok(200);
    assert_eq!((&verbose["quarantined"], &verbose["ready"]), (&json!(1), &json!(true)));
}

#[tokio::test(start_paused = true)]
async fn a_parameter_that_a_path_does_not_take_is_refused_and_livez_is_lenient() {
    let world = World::new().await;
    let conversation = world.conversation(1);
    for path in [
        "/v1/ghosts?state=ghost",
        &format!("/v1/conversations/{conversation}/closures?state=closed"),
        "/version?state=x",
        "/openapi.json?state=x",
        "/asyncapi.json?state=x",
        "/schemas/events.json?state=x",
        "/docs?state=x",
        "/v1/whoami?state=x",
        "/v1/config?state=x",
        "/readyz?state=x",
    ] {
        let problem = world.get(path).await.problem(422, "invalid_field");
        assert_eq!(problem["field"], "state", "{path}");
        assert!(!problem["detail"].as_str().unwrap().contains("mean"), "{problem}");
    }
    assert_eq!(world.get("/readyz?verbose=maybe").await.problem(422, "invalid_field")["field"], "verbose");
    world.get("/livez?probe=1").await.ok(200);
}

#[tokio::test]
async fn an_id_that_is_none_is_named_with_what_ids_look_like_and_where_they_are_listed() {
    let world = World::new().await;
    for (list, begins) in [
        ("/v1/closures", "cl_"),
        ("/v1/batches", "bt_"),
        ("/v1/deliveries", "dv_"),
        ("/v1/dead-letters", "dl_"),
    ] {
        let refused = world.get(&format!("{list}/nope")).await.problem(422, "invalid_field");
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.contains("\"nope\"") && detail.contains(begins), "{list}: {detail}");
        assert_eq!(refused["fix"], format!("Give one of the ids that GET {list} lists."));
        let cursor = world.get(&format!("{list}?cursor=nope")).await.problem(422, "invalid_field");
        assert!(!cursor["fix"].as_str().unwrap().contains(" lists."), "{list}: {cursor}");
    }
}
