//! Ghosts, acts, and words.

use callbacks::{Advisor as _, Hint};
use closure_machine::{Evidence, Policy, Reply};
use genesys_types::Span;
use orchestrator::parse_closure_id;
use orchestrator::{CallFacts, Outcome};
use serde_json::{Value, json};

use crate::{GhostAdvice, access::Role, spans::Stamp};

use super::world::{World, key};

#[tokio::test(start_paused = true)]
async fn a_ghost_is_listed_with_what_is_missing_and_what_can_be_done() {
    let world = World::new().await;
    let id = world.ghost(1).await;
    let list = world.get_as("read", "/v1/ghosts", &[]).await.ok(200);
    let item = &list["items"][0];
    assert_eq!(item["id"], json!(id));
    let ghost = &item["ghost"];
    assert_eq!(ghost["reason"], "no_confirmation");
    assert_eq!(ghost["nextLook"], item["nextWakeAt"]);
    assert!(ghost["missing"][0].as_str().unwrap().contains("2f7b0010-0000-0000-0000-000000000001"));
    let commands: Vec<_> =
        ghost["suggested"].as_array().unwrap().iter().map(|act| act["command"].as_str().unwrap()).collect();
    assert_eq!(
        commands,
        [
            format!("closeout verify {id}"),
            format!("closeout retry {id}"),
            format!("closeout force {id} --reason \"…\""),
            format!("closeout resolve {id} --reason \"…\""),
            format!("closeout cancel {id}"),
        ]
    );
    let record = world.orchestrator.closure(parse_closure_id(&id).unwrap()).await.unwrap().unwrap();
    let hint = GhostAdvice(world.orchestrator.clone()).hint(&record);
    let first = &ghost["suggested"][0];
    let words = format!("{} `{}`", first["what"].as_str().unwrap(), first["command"].as_str().unwrap());
    let page = ghost["genesysPage"].as_str().map(str::to_owned);
    assert_eq!(hint, Hint { first: Some(words), page }, "a chat is told the same");
    let none = world.get("/v1/ghosts?reason=rejected").await.ok(200);
    assert_eq!(none["items"], json!([]));
    let summary = world.get("/v1/ghosts/summary").await.ok(200);
    assert_eq!((&summary["total"], &summary["byReason"]), (&json!(1), &json!({ "no_confirmation": 1 })));
    assert_eq!(summary["groups"][0]["organisation"], "main");
}

#[tokio::test(start_paused = true)]
async fn what_operators_say_of_a_ghost_is_shown_everywhere_and_goes_with_it() {
    let world = World::new().await;
    let id = world.ghost(1).await;
    let before = world.get(&format!("/v1/closures/{id}")).await.ok(200);
    let now = before["timings"]["acceptedAt"].as_str().unwrap();
    let until = format!("{}T23:59:59.000Z", &now[..10]);
    let say = async |what: &str, body: Value| {
        world.post_as("operate", &format!("/v1/ghosts/{id}/{what}"), body, &[]).await
    };
    let claimed = say("claim", json!({})).await.ok(200);
    let again = say("claim", json!({})).await.ok(200);
    assert_eq!(claimed["version"], again["version"], "saying it again changes nothing");
    let snooze = json!({ "until": until, "reason": "the region is down" });
    say("snooze", snooze.clone()).await.ok(200);
    let said = say("comment", json!({ "comment": "<b>ask Ann</b>" })).await.ok(200);
    for unchanged in ["state", "reason", "nextWakeAt", "attempts", "apiCalls"] {
        assert_eq!(said[unchanged], before[unchanged], "{unchanged}");
    }

    let handling = &world.get("/v1/ghosts").await.ok(200)["items"][0]["ghost"]["handling"];
    assert_eq!((&handling["claimed"]["by"], &handling["snoozedUntil"]), (&json!("operate"), &json!(until)));
    assert_eq!(handling["comment"]["text"], "<b>ask Ann</b>");
    let explained = world.get(&format!("/v1/closures/{id}/explain")).await.ok(200);
    assert_eq!(&explained["handling"], handling);
    assert!(explained["text"].as_str().unwrap().contains("operate snoozed it until"), "{explained}");
    let timeline = world.get(&format!("/v1/closures/{id}/timeline")).await.ok(200);
    let acts: Vec<_> = timeline["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|item| item["operator"]["act"].as_str())
        .collect();
    assert_eq!(acts, ["claim", "snooze", "comment"]);
    let snoozed =
        timeline["items"].as_array().unwrap().iter().find(|item| item["operator"]["act"] == "snooze");
    assert_eq!(snoozed.unwrap()["operator"]["until"], json!(until));

    say("claim", json!({ "who": "Ann" })).await.problem(422, "invalid_field");
    say("comment", json!({})).await.problem(422, "invalid_field");
    for wrong in ["2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z", "tomorrow"] {
        say("snooze", json!({ "until": wrong })).await.problem(422, "invalid_field");
    }
    world
        .post_as("operate", &format!("/v1/closures/{id}/resolve"), json!({ "reason": "gone" }), &[])
        .await
        .ok(202);
    for (what, body) in [("claim", json!({})), ("snooze", snooze), ("comment", json!({ "comment": "late" }))]
    {
        let refused = say(what, body).await;
        assert_eq!(refused.status, 409, "{what}: {}", refused.text);
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_of_somebody_else_is_taken_over_on_purpose_only() {
    let world = World::new().await;
    let id = world.ghost(1).await;
    let path = format!("/v1/ghosts/{id}/claim");
    let claim = async |key: &str, body: Value| world.post_as(key, &path, body, &[]).await;
    claim("operate", json!({ "reason": "on it" })).await.ok(200);
    let since = Stamp(world.orchestrator.now()).to_string();
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    for body in [json!({}), json!({ "takeOver": false })] {
        let refused = claim("admin", body).await.problem(409, "claimed_by_another");
        assert_eq!(refused["detail"], format!("operate sees to it since {since}: \"on it\"."));
        assert!(refused["fix"].as_str().unwrap().contains("--take-over"), "{refused}");
    }
    let handling = |list: Value| list["items"][0]["ghost"]["handling"].clone();
    assert_eq!(handling(world.get("/v1/ghosts").await.ok(200))["claimed"]["by"], "operate");
    claim("operate", json!({ "reason": "still on it" })).await.ok(200);
    claim("admin", json!({ "takeOver": "yes" })).await.problem(422, "invalid_field");
    world.post_as("admin", &format!("/v1/ghosts/{id}/comment"), json!({ "comment": "?" }), &[]).await.ok(200);
    claim("admin", json!({ "takeOver": true })).await.ok(200);
    assert_eq!(handling(world.get("/v1/ghosts").await.ok(200))["claimed"]["by"], "admin");
    claim("operate", json!({})).await.problem(409, "claimed_by_another");
    let timeline = world.get(&format!("/v1/closures/{id}/timeline")).await.ok(200);
    let last = timeline["items"].as_array().unwrap().last().unwrap();
    assert_eq!(last["operator"]["takenOverFrom"], "operate");
    assert_eq!(last["says"], "admin took it over from operate.");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_snooze_stands_in_the_timeline() {
    let world = World::new().await;
    let id = world.ghost(1).await;
    let until = Stamp(world.orchestrator.now() + Span::from_secs(60)).to_string();
    world.post(&format!("/v1/ghosts/{id}/snooze"), json!({ "until": until })).await.ok(200);
    tokio::time::sleep(std::time::Duration::from_secs(61)).await;
    let timeline = world.get(&format!("/v1/closures/{id}/timeline")).await.ok(200);
    let last = timeline["items"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["kind"], &last["at"]), (&json!("snooze_over"), &json!(until)));
    assert_eq!(last["says"], "The snooze is over: the ghost is told again.");
    assert_eq!(last["announces"], json!(["closeout.closure.ghost-detected.v1"]));
    assert_eq!(world.get("/v1/ghosts").await.ok(200)["items"][0]["ghost"].get("handling"), None);
}

#[tokio::test(start_paused = true)]
async fn every_suggested_act_is_taken() {
    let world = World::new().await;
    for (number, act) in (1..).zip(["verify", "retry", "force", "resolve", "cancel"]) {
        let id = world.ghost(number).await;
        let closure = world
            .post_as(
                "operate",
                &format!("/v1/closures/{id}/{act}"),
                json!({ "reason": "seen in Genesys" }),
                &[],
            )
            .await
            .ok(202);
        assert_eq!(closure["id"], json!(id), "{act}");
        let timeline = world.get(&format!("/v1/closures/{id}/timeline")).await.ok(200);
        let ordered: Vec<_> =
            timeline["items"].as_array().unwrap().iter().filter(|item| item["kind"] == "acted").collect();
        assert_eq!(
            ordered[0]["operator"],
            json!({ "act": act, "by": "operate", "reason": "seen in Genesys" })
        );
    }
}

#[tokio::test(start_paused = true)]
async fn force_and_resolve_need_a_reason() {
    let world = World::new().await;
    let id = world.ghost(1).await;
    for act in ["force", "resolve"] {
        let path = format!("/v1/closures/{id}/{act}");
        for body in [Value::Null, json!({}), json!({ "reason": " " }), json!({ "reason": null })] {
            let problem = world.post(&path, body).await.problem(422, "invalid_field");
            assert_eq!(problem["field"], "reason");
            assert!(problem["fix"].as_str().unwrap().contains("{\"reason\": \""), "{problem}");
        }
        world.post(&path, json!({ "why": "x" })).await.problem(422, "invalid_field");
    }
    world.post(&format!("/v1/closures/{id}/cancel"), Value::Null).await.ok(202);
}

#[tokio::test(start_paused = true)]
async fn an_act_on_another_version_changes_nothing() {
    let world = World::new().await;
    let id = world.ghost(1).await;
    let closure = world.get(&format!("/v1/closures/{id}")).await;
    let tag = closure.header("etag").to_owned();
    let path = format!("/v1/closures/{id}/cancel");
    let with_sign = tag.replacen('"', "\"+", 1);
    for wrong in ["\"1\"", "W/\"1\"", "x", &with_sign] {
        world
            .post_as("operate", &path, Value::Null, &[("if-match", wrong)])
            .await
            .problem(412, "version_changed");
    }
    let cancelled = world.post_as("operate", &path, Value::Null, &[("if-match", &tag)]).await;
    assert_eq!(cancelled.ok(202)["outcome"], "cancelled");
    assert_ne!(cancelled.header("etag"), tag);
}

#[tokio::test(start_paused = true)]
async fn an_act_that_does_not_fit_is_a_conflict() {
    let world = World::new().await;
    let id = world.submit(&world.conversation(1)).await;
    world.until(&id, "closed").await;
    let problem =
        world.post(&format!("/v1/closures/{id}/retry"), Value::Null).await.problem(409, "act_does_not_fit");
    assert_eq!(problem["closure"], json!(id));
    assert!(problem["detail"].as_str().unwrap().contains("has ended as closed"), "{problem}");
    let fix = problem["fix"].as_str().unwrap();
    assert!(
        fix.starts_with("Nothing can be done about it any more: it ended as closed at 2026-"),
        "{problem}"
    );
    world
        .post("/v1/closures/cl_00000000000000000000000000/retry", Value::Null)
        .await
        .problem(404, "no_such_closure");
}

#[tokio::test(start_paused = true)]
async fn outgoing_calls_stop_and_go_on() {
    let world = World::new().await;
    let paused =
        world.post_as("operate", "/v1/outgoing/pause", json!({ "organisation": "main" }), &[]).await.ok(200);
    assert_eq!(paused, json!({ "organisation": "main", "paused": true }));
    let id = world.submit(&world.conversation(1)).await;
    let waiting = world.get(&format!("/v1/closures/{id}?wait=60s")).await.ok(200);
    assert_eq!((&waiting["state"], &waiting["apiCalls"]), (&json!("accepted"), &json!(0)));
    let words = world.get(&format!("/v1/closures/{id}/explain")).await.ok(200);
    assert!(words["waitsFor"].as_str().unwrap().contains("an operator has paused"), "{words}");
    assert_eq!(waiting["waitingFor"], "organisation_paused");
    let list = world.get("/v1/closures").await.ok(200);
    assert_eq!(list["items"][0]["waitingFor"], "organisation_paused");
    let ready = world.get("/readyz?verbose").await.ok(200);
    let organisation = json!({
        "name": "main", "open": 1, "queued": 1, "quotaLeft": null, "blockedUntil": null, "blockedBy": null, "missingPermission": null,
        "paused": true, "readsAloneUntil": null,
    });
    assert_eq!(ready["organisations"], json!([organisation]));
    let hooks = json!([{ "name": "open-messaging", "organisation": "main", "lastRefusedAt": null,
                         "lastEventAt": "2026-11-21T09:15:04.712Z" }]);
    assert_eq!((&ready["hooks"], ready["storeTookMs"].is_u64()), (&hooks, true));

    world.post_as("operate", "/v1/outgoing/resume", Value::Null, &[]).await.ok(200);
    assert_eq!(world.get(&format!("/v1/closures/{id}?wait=60s")).await.ok(200)["state"], "closed");
    let problem = world.post("/v1/outgoing/pause", json!({ "organisation": "other" })).await;
    problem.problem(422, "unknown_organisation");
}

#[tokio::test(start_paused = true)]
async fn a_key_for_several_organisations_says_whose_calls_are_to_stop() {
    let world = World::new().await;
    world.keys.replace(vec![key("both", Role::Operate, &["main", "other"])]);
    for act in ["pause", "resume"] {
        let path = format!("/v1/outgoing/{act}");
        let problem =
            world.post_as("both", &path, Value::Null, &[]).await.problem(422, "unknown_organisation");
        assert_eq!(problem["field"], "organisation");
        assert!(problem["detail"].as_str().unwrap().contains("main, other: name one"), "{problem}");
    }
    let paused = world.post_as("both", "/v1/outgoing/pause", json!({ "organisation": "other" }), &[]).await;
    assert_eq!(paused.ok(200), json!({ "organisation": "other", "paused": true }));
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_its_share_of_the_quota_says_so() {
    let world = World::new().await;
    *world.remote.used_up.lock().unwrap() = true;
    let id = world.submit(&world.conversation(1)).await;
    let path = format!("/v1/closures/{id}");
    assert_eq!(world.get(&format!("{path}?wait=5s")).await.ok(200)["waitingFor"], "quota");
    *world.remote.used_up.lock().unwrap() = false;
    assert_eq!(world.until(&id, "closed").await["waitingFor"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_blocked_organisation_says_so() {
    let world = World::new().await;
    let refused = Reply::Forbidden(Some("conversation:communication:view".into()));
    let outcome = Outcome { reply: refused, facts: CallFacts::default() };
    world.remote.instead.lock().unwrap().push_back(outcome);
    let first = world.submit(&world.conversation(1)).await;
    world.until(&first, "blocked").await;
    let second = world.submit(&world.conversation(2)).await;
    let waiting = world.get(&format!("/v1/closures/{second}")).await.ok(200);
    assert_eq!(
        (&waiting["state"], &waiting["waitingFor"]),
        (&json!("accepted"), &json!("organisation_blocked"))
    );
    let organisation = &world.get("/readyz?verbose").await.ok(200)["organisations"][0];
    assert!(organisation["blockedUntil"].is_string(), "{organisation}");
    assert_eq!(organisation["blockedBy"], "permission");
    assert_eq!(organisation["missingPermission"], "conversation:communication:view");
    let closed = world.until(&second, "closed").await;
    assert_eq!(closed["waitingFor"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn an_explanation_can_be_read_as_text() {
    let world = World::new().await;
    let id = world.ghost(1).await;
    let path = format!("/v1/closures/{id}/explain");
    let json = world.get(&path).await.ok(200);
    let text = world.get_as("read", &path, &[("accept", "text/plain")]).await;
    assert_eq!(text.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(json["text"], json!(text.text));
    for part in
        ["A ghost:", "Missing:", "What can be done:", "What happened:", &format!("closeout verify {id}")]
    {
        assert!(text.text.contains(part), "{part} is not in\n{}", text.text);
    }
}

#[tokio::test(start_paused = true)]
async fn a_ghost_of_a_paused_organisation_is_told_to_be_resumed_first() {
    let world = World::new().await;
    let id = world.ghost(1).await;
    world.post("/v1/outgoing/pause", Value::Null).await.ok(200);
    let resume = "closeout outgoing resume --organisation main";
    let closure = world.get(&format!("/v1/closures/{id}")).await.ok(200);
    assert!(closure["problem"]["fix"].as_str().unwrap().contains(resume), "{closure}");
    let explanation = world.get(&format!("/v1/closures/{id}/explain")).await.ok(200);
    assert_eq!(explanation["next"][0]["command"], resume);
    let ghosts = world.get("/v1/ghosts").await.ok(200);
    assert_eq!(ghosts["items"][0]["ghost"]["suggested"], explanation["next"]);
    world.post("/v1/outgoing/resume", Value::Null).await.ok(200);
    let closure = world.get(&format!("/v1/closures/{id}")).await.ok(200);
    assert!(closure["problem"]["fix"].as_str().unwrap().contains("closeout verify"), "{closure}");
}

#[tokio::test(start_paused = true)]
async fn a_ghost_that_only_lacks_its_event_is_to_be_settled() {
    let world = World::with(Policy { evidence: Evidence::WebhookOnly, ..Policy::default() }, 10).await;
    *world.remote.mute.lock().unwrap() = true;
    let id = world.submit(&world.conversation(1)).await;
    let ghost = world.until(&id, "ghost").await;
    let problem = &ghost["problem"];
    assert!(problem["detail"].as_str().unwrap().contains("a read shows the guest gone"), "{problem}");
    assert!(problem["fix"].as_str().unwrap().contains(&format!("closeout resolve {id}")), "{problem}");
}
