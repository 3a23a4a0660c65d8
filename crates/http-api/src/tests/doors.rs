//! Who may enter where; what is there at all; health.

use axum::body::Body;
use serde_json::{Value, json};

use super::world::{Answer, KEYS, World, request};
use crate::{
    Reload, Role,
    openapi::path_parameter,
    route::{Method, Route, Shape},
    routes::ROUTES,
};

/// Who may use each route: nobody's key (`-`), and the roles submit, read, operate and admin by their first letters.
const ADMITTED: &[(&str, &str)] = &[
    ("POST /v1/closures", "soa"),
    ("GET /v1/closures", "roa"),
    ("GET /v1/closures/{id}", "sroa"),
    ("GET /v1/closures/{id}/timeline", "roa"),
    ("GET /v1/closures/{id}/explain", "roa"),
    ("GET /v1/closures/{id}/events", "roa"),
    ("POST /v1/closures/{id}/retry", "oa"),
    ("POST /v1/closures/{id}/cancel", "oa"),
    ("POST /v1/closures/{id}/verify", "oa"),
    ("POST /v1/closures/{id}/force", "oa"),
    ("POST /v1/closures/{id}/resolve", "oa"),
    ("GET /v1/conversations/{conversationId}/closures", "roa"),
    ("GET /v1/events", "roa"),
    ("POST /v1/batches", "soa"),
    ("GET /v1/batches", "roa"),
    ("GET /v1/batches/{id}", "sroa"),
    ("GET /v1/batches/{id}/items", "sroa"),
    ("POST /v1/batches/{id}/execute", "oa"),
    ("POST /v1/batches/{id}/pause", "oa"),
    ("POST /v1/batches/{id}/resume", "oa"),
    ("POST /v1/batches/{id}/cancel", "oa"),
    ("GET /v1/ghosts", "roa"),
    ("GET /v1/ghosts/summary", "roa"),
    ("GET /v1/ghosts/report", "roa"),
    ("POST /v1/ghosts/{id}/claim", "oa"),
    ("POST /v1/ghosts/{id}/snooze", "oa"),
    ("POST /v1/ghosts/{id}/comment", "oa"),
    ("POST /v1/outgoing/pause", "oa"),
    ("POST /v1/outgoing/resume", "oa"),
    ("GET /v1/adapters", "roa"),
    ("GET /v1/hooks/received", "roa"),
    ("GET /v1/deliveries", "roa"),
    ("GET /v1/deliveries/{id}", "roa"),
    ("POST /v1/deliveries/{id}/redeliver", "oa"),
    ("GET /v1/sources", "roa"),
    ("POST /v1/sources/{name}/pause", "oa"),
    ("POST /v1/sources/{name}/resume", "oa"),
    ("GET /v1/dead-letters", "roa"),
    ("GET /v1/dead-letters/{id}", "oa"),
    ("POST /v1/dead-letters/{id}/redrive", "oa"),
    ("POST /v1/dead-letters/{id}/discard", "oa"),
    ("GET /v1/audit", "roa"),
    ("GET /v1/whoami", "sroa"),
    ("GET /v1/config", "a"),
    ("GET /livez", "-sroa"),
    ("GET /readyz", "-sroa"),
    ("GET /metrics", "roa"),
    ("GET /version", "-sroa"),
    ("GET /openapi.json", "-sroa"),
    ("GET /asyncapi.json", "-sroa"),
    ("GET /schemas/events.json", "-sroa"),
    ("GET /docs", "-sroa"),
];

fn letter(role: Role) -> char {
    match role {
        Role::Submit => 's',
        Role::Read => 'r',
        Role::Operate => 'o',
        Role::Admin => 'a',
    }
}

fn method(route: &Route) -> &'static str {
    match route.method {
        Method::Get => "GET",
        Method::Post => "POST",
    }
}

/// A request that the route takes, about this closure and conversation.
async fn fitting(
    world: &World,
    route: &Route,
    key: &str,
    closure: &str,
    conversation: &str,
) -> http::Request<Body> {
    let batch = match route.path.starts_with("/v1/batches/") {
        true => world.batch_for(route.path).await,
        false => Value::Null,
    };
    let delivery = super::deliveries::id();
    let letter = match route.path.starts_with("/v1/dead-letters/") {
        true => super::queues::letter(world, conversation).await,
        false => String::new(),
    };
    let value = match path_parameter(route.path) {
        Some("id") if route.path.starts_with("/v1/deliveries/") => &delivery,
        Some("id") if route.path.starts_with("/v1/dead-letters/") => &letter,
        Some("name") => "orders",
        Some("id") if route.path.starts_with("/v1/batches/") => batch["id"].as_str().unwrap(),
        Some("id") => closure,
        Some(_) | None => conversation,
    };
    let path = match path_parameter(route.path) {
        Some(name) => route.path.replace(&format!("{{{name}}}"), value),
        None => route.path.to_owned(),
    };
    let body = match route.doc.body.as_ref().map(|body| body.schema) {
        Some("ClosureRequest") => json!({ "conversationId": conversation }).to_string(),
        Some(_) if route.path.ends_with("/snooze") => json!({ "until": "2026-11-22T10:00:00Z" }).to_string(),
        Some(_) if route.path.ends_with("/comment") => json!({ "comment": "a test" }).to_string(),
        Some("BatchRow") => json!([{ "conversationId": conversation }]).to_string(),
        Some("BatchExecution") => {
            json!({ "confirmToken": batch["confirmToken"], "reason": "a test" }).to_string()
        }
        Some(_) => json!({ "reason": "a test" }).to_string(),
        None => String::new(),
    };
    request(method(route), key, &path, &[], Body::from(body))
}

#[tokio::test(start_paused = true)]
async fn every_route_admits_exactly_the_roles_of_the_table() {
    let world = World::new().await;
    let conversation = world.conversation(1);
    let mut ghosts = 10..;
    for route in ROUTES {
        let name = format!("{} {}", method(route), route.path);
        let admitted = ADMITTED.iter().find(|(route, _)| *route == name);
        let (_, admitted) = admitted.unwrap_or_else(|| panic!("{name} has no row in the table"));
        for (key, role) in [("", None), ("nobody", None)].into_iter().chain(
            KEYS.iter()
                .filter(|(_, _, organisation)| *organisation == "main")
                .map(|(key, role, _)| (*key, Some(*role))),
        ) {
            let about_a_letter = route.path.starts_with("/v1/dead-letters/");
            let ghost = if admitted.contains('o') && route.path.contains("{id}/") && !about_a_letter {
                world.ghost(ghosts.next().unwrap()).await
            } else {
                world.submit(&conversation).await
            };
            let answer = world.send(fitting(&world, route, key, &ghost, &conversation).await).await;
            let may = admitted.contains(role.map_or('-', letter));
            match (may, role) {
                (true, _) => {
                    assert!(answer.status.is_success(), "{name} as {key}: {} {}", answer.status, answer.text);
                }
                (false, None) => {
                    answer.problem(401, "unauthenticated");
                    assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"closeout\"");
                }
                (false, Some(_)) => {
                    let problem = answer.problem(403, "role_too_small");
                    let needed = route.need.least_role().unwrap().name();
                    assert!(problem["detail"].as_str().unwrap().contains(needed), "{problem}");
                }
            }
        }
    }
    assert_eq!(ADMITTED.len(), ROUTES.len(), "the table has a row for a route that is gone");
}

#[tokio::test(start_paused = true)]
async fn no_answer_is_kept_on_the_way_or_taken_for_another_type() {
    let world = World::new().await;
    let conversation = world.conversation(1);
    let ghost = world.ghost(2).await;
    let strict = |answer: &Answer, name: &str| {
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{name}");
        assert_eq!(answer.header("cache-control"), "no-store", "{name}");
    };
    for route in ROUTES {
        for key in ["admin", "submit", ""] {
            let answer = world.send(fitting(&world, route, key, &ghost, &conversation).await).await;
            strict(&answer, route.path);
        }
    }
    for path in ["/v1/nothing", "/v1/closures/cl_x"] {
        strict(&world.get(path).await, path);
    }
    strict(&world.send(request("PUT", "admin", "/v1/closures", &[], Body::empty())).await, "PUT");
}

#[tokio::test(start_paused = true)]
async fn the_configuration_and_the_metrics_of_others_are_shown_to_nobody_else() {
    let world = World::new().await;
    let entry = |value: &str| json!({ "value": value, "origin": "closeout.toml, line 3" });
    world.configuration.replace(json!({
        "server.listen": entry("127.0.0.1:8080"),
        "genesys.main.region": entry("eu-central-1"), "genesys.other.region": entry("us-east-1"),
        "confirm.0.name": entry("relay"), "confirm.0.organisation": entry("main"),
    }));
    let seen = world.get_as("stranger", "/v1/config", &[]).await.ok(200);
    assert_eq!(
        seen,
        json!({ "server.listen": entry("127.0.0.1:8080"), "genesys.other.region": entry("us-east-1") })
    );
    assert_eq!(world.get("/v1/config").await.ok(200)["confirm.0.name"], entry("relay"));
    let metrics = async |key: &str| world.get_as(key, "/metrics", &[]).await.text;
    assert_eq!(metrics("stranger").await, "closeout_up 1\n");
    let of_main = metrics("read").await;
    assert!(of_main.contains("org=\"main\"") && of_main.contains("adapter=\"relay\""), "{of_main}");
}

#[tokio::test(start_paused = true)]
async fn a_stranger_sees_nothing_of_another_organisation() {
    let world = World::new().await;
    let conversation = world.conversation(1);
    let closed = world.submit(&conversation).await;
    world.until(&closed, "closed").await;
    let ghost = world.ghost(2).await;
    for route in ROUTES {
        for id in [&closed, &ghost] {
            let answer = world.send(fitting(&world, route, "stranger", id, &conversation).await).await;
            let name = route.path;
            if name.starts_with("/v1/sources/") {
                answer.problem(404, "no_such_source");
            } else if name.starts_with("/v1/dead-letters/") {
                answer.problem(404, "no_such_dead_letter");
            } else if name.starts_with("/v1/deliveries/") {
                answer.problem(404, "no_such_delivery");
            } else if name.starts_with("/v1/batches/") {
                answer.problem(404, "no_such_batch");
            } else if path_parameter(name) == Some("id") {
                answer.problem(404, "no_such_closure");
            } else {
                assert!(answer.status.is_success(), "{name}: {}", answer.text);
                let own =
                    ["/openapi.json", "/asyncapi.json", "/schemas/events.json", "/docs"].contains(&name);
                assert!(
                    own || !answer.text.contains("main"),
                    "{name} shows another organisation: {}",
                    answer.text
                );
                assert!(!answer.text.contains(id.as_str()), "{name}: {}", answer.text);
            }
        }
    }
    let mine =
        world.post_as("stranger", "/v1/closures", json!({ "conversationId": conversation }), &[]).await;
    assert_eq!(mine.json()["organisation"], "other");
}

#[tokio::test(start_paused = true)]
async fn every_json_answer_has_the_members_that_are_described() {
    let world = World::new().await;
    let conversation = world.conversation(1);
    let ghost = world.ghost(2).await;
    let description: Value = world.get("/openapi.json").await.ok(200);
    for route in ROUTES.iter().filter(|route| route.method == Method::Get) {
        let Some(schema) = route.doc.answers.iter().find_map(|reply| match reply.shape {
            Shape::Json(schema) | Shape::JsonOrText(schema) | Shape::Report(schema)
                if reply.status == 200 =>
            {
                Some(schema)
            }
            Shape::Json(_)
            | Shape::JsonOrText(_)
            | Shape::Report(_)
            | Shape::AnyJson
            | Shape::Text
            | Shape::Page
            | Shape::Events
            | Shape::Empty => None,
        }) else {
            continue;
        };
        let answer = world.send(fitting(&world, route, "admin", &ghost, &conversation).await).await.ok(200);
        let described = &description["components"]["schemas"][schema]["properties"];
        for member in answer.as_object().unwrap().keys() {
            assert!(described[member].is_object(), "{schema} does not describe {member}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_a_problem_too() {
    let world = World::new().await;
    world.get("/v1/closure").await.problem(404, "no_such_route");
    world.get("/").await.problem(404, "no_such_route");
    let answer = world.send(request("DELETE", "admin", "/v1/closures", &[], Body::empty())).await;
    answer.problem(405, "method_not_allowed");
    let allowed = answer.header("allow");
    assert!(allowed.contains("GET") && allowed.contains("POST"), "{allowed}");
}

#[tokio::test(start_paused = true)]
async fn readiness_follows_the_store_and_the_stop_and_nothing_else() {
    let world = World::new().await;
    let ready = world.send(request("GET", "", "/readyz", &[], Body::empty())).await.ok(200);
    assert_eq!(ready, json!({ "ready": true, "store": true, "stopping": false }));
    let verbose = world.send(request("GET", "", "/readyz?verbose", &[], Body::empty())).await.ok(200);
    assert_eq!(verbose["organisations"], Value::Null, "without a key nothing is told of organisations");
    assert!(verbose["note"].as_str().unwrap().contains("role read"), "{verbose}");
    world.store.set_unavailable(true);
    assert_eq!(world.get("/readyz").await.ok(200)["store"], true, "a check holds for a second");
    let second = std::time::Duration::from_secs(1);
    tokio::time::advance(second).await;
    assert_eq!(world.get("/readyz").await.ok(503)["store"], false);
    world.get("/livez").await.ok(200);
    world.store.set_unavailable(false);
    tokio::time::advance(second).await;
    world.get("/readyz").await.ok(200);
    world.orchestrator.stop(std::time::Duration::from_secs(1)).await;
    assert_eq!(world.get("/readyz").await.ok(503)["stopping"], true);
    world.get("/livez").await.ok(200);
}

#[tokio::test(start_paused = true)]
async fn a_reload_is_told_to_whoever_looks_and_why_it_was_refused_to_an_admin() {
    let world = World::new().await;
    let told =
        async |key: &str| world.get_as(key, "/readyz?verbose", &[]).await.ok(200)["lastReload"].clone();
    assert_eq!(told("admin").await, Value::Null);
    let at = world.orchestrator.now();
    let why = "tokens.toml, line 3: the role \"root\" is not known";
    world.configuration.reloaded(Reload { at, refused: Some(why.to_owned()) });
    let refused = told("admin").await;
    assert_eq!((&refused["accepted"], &refused["why"]), (&json!(false), &json!(why)));
    assert!(refused["at"].is_string(), "{refused}");
    assert_eq!(told("read").await["why"], Value::Null, "it may not see the configuration");
    assert_eq!(told("submit").await, Value::Null);
    assert_eq!(world.get("/v1/config").await.ok(200)["server"]["listen"], "127.0.0.1:8080");
    world.configuration.reloaded(Reload { at, refused: None });
    let accepted = told("read").await;
    assert_eq!((&accepted["accepted"], &accepted["why"]), (&json!(true), &Value::Null));
}

#[tokio::test(start_paused = true)]
async fn the_rest_says_what_it_is() {
    let world = World::new().await;
    assert_eq!(world.get("/version").await.ok(200), json!({ "version": "1.2.3", "commit": null }));
    assert_eq!(
        world.get_as("submit", "/v1/whoami", &[]).await.ok(200),
        json!({ "name": "submit", "role": "submit", "organisations": ["main"] })
    );
    assert_eq!(world.get("/v1/config").await.ok(200)["server"]["listen"], "127.0.0.1:8080");
    let metrics = world.get_as("read", "/metrics", &[]).await;
    assert!(metrics.text.starts_with("closeout_up 1\n"), "{}", metrics.text);
    assert!(metrics.header("content-type").starts_with("text/plain; version=0.0.4"));
    assert_eq!(world.get("/v1/adapters").await.ok(200)["items"], json!([]));
    world.get("/v1/adapters?name=x").await.problem(422, "invalid_field");
    let received = world.get("/v1/hooks/received").await.ok(200);
    assert_eq!(received["items"].as_array().unwrap().len(), 1, "{received}");
    assert_eq!(world.get("/v1/hooks/received?result=bad_signature").await.ok(200)["items"], json!([]));
}
