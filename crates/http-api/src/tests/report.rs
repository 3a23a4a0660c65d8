//! The ghost report of the service.

use serde_json::{Value, json};

use super::world::World;

#[tokio::test(start_paused = true)]
async fn the_report_tells_all_that_is_known_of_each_ghost_the_oldest_first() {
    let world = World::new().await;
    let ids = [world.ghost(1).await, world.ghost(2).await];
    let report = world.get_as("read", "/v1/ghosts/report", &[("host", "closeout.example")]).await.ok(200);
    assert_eq!((&report["total"], &report["server"]), (&json!(2), &json!("closeout.example")));
    assert_eq!(report.get("cut"), None, "it is whole");
    let document = world.get("/openapi.json").await.ok(200);
    let described = &document["components"]["schemas"]["ReportedGhost"]["properties"];
    for (one, id) in report["ghosts"].as_array().unwrap().iter().zip(&ids) {
        assert!(one.as_object().unwrap().keys().all(|member| described[member].is_object()), "{one}");
        let listed = world.get(&format!("/v1/ghosts?q={id}")).await.ok(200);
        assert_eq!(one["ghost"], listed["items"][0]);
        assert_eq!(one["explanation"], world.get(&format!("/v1/closures/{id}/explain")).await.ok(200));
        let timeline = world.get(&format!("/v1/closures/{id}/timeline")).await.ok(200);
        assert_eq!(one["timeline"], timeline["items"]);
    }
}

#[tokio::test(start_paused = true)]
async fn every_form_says_that_it_is_what_it_is_and_that_it_was_cut() {
    let world = World::new().await;
    let ids = [world.ghost(1).await, world.ghost(2).await];
    let csv = world.get("/v1/ghosts/report?format=csv").await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8; header=present");
    let lines: Vec<_> = csv.text.lines().collect();
    assert!(lines.len() == 3 && lines[0].starts_with("id,conversation,reason,since,"), "{lines:?}");
    assert!(lines[1].starts_with(&ids[0]) && lines[2].starts_with(&ids[1]), "{lines:?}");
    let page = world.get("/v1/ghosts/report?format=html").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let policy = page.header("content-security-policy");
    assert!(
        policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
        "{policy}"
    );
    for (name, value) in [("x-content-type-options", "nosniff"), ("cache-control", "no-store")] {
        assert_eq!((page.header(name), csv.header(name)), (value, value));
    }
    assert!(page.text.contains("<title>2 ghosts") && !page.text.contains("There are more"), "{}", page.text);
    let cut = "There are more ghosts: these are the 1 that were accepted first.";
    let json = world.get("/v1/ghosts/report?limit=1").await.ok(200);
    assert_eq!((&json["total"], &json["ghosts"][0]["ghost"]["id"]), (&json!(1), &json!(ids[0])));
    assert!(json["cut"].as_str().unwrap().starts_with(cut), "{json}");
    for form in ["csv", "html"] {
        let short = world.get(&format!("/v1/ghosts/report?limit=1&format={form}")).await.text;
        assert!(short.contains(cut) && short.contains(&ids[0]) && !short.contains(&ids[1]), "{short}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_report_is_narrowed_as_the_list_is() {
    let world = World::new().await;
    let id = world.ghost(1).await;
    for (query, total) in [
        ("reason=no_confirmation", 1),
        ("reason=rejected", 0),
        ("source=http", 1),
        ("until=1h", 0),
        ("since=1h", 1),
        ("organisation=main", 1),
        (&*format!("q={id}"), 1),
    ] {
        let report = world.get(&format!("/v1/ghosts/report?{query}")).await.ok(200);
        assert_eq!(report["total"], total, "{query}");
    }
    let others = world.get_as("stranger", "/v1/ghosts/report?format=html", &[]).await;
    assert!(others.text.contains("No ghosts") && !others.text.contains(&id), "{}", others.text);
    for (query, field) in [("format=pdf", "format"), ("limit=501", "limit"), ("sort=acceptedAt", "sort")] {
        let problem: Value =
            world.get(&format!("/v1/ghosts/report?{query}")).await.problem(422, "invalid_field");
        assert_eq!(problem["field"], field);
    }
}
