//! What is taken up to its limit and refused one beyond: the limits of `docs/interfaces.md`, one row each.

use std::time::Duration;

use axum::body::Body;
use futures_util::future::join_all;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::world::{START, World, end_of_guest, request};

/// The largest body of every request but a batch, in bytes.
const LARGEST_BODY: usize = 64 * 1_024;

/// A time so many seconds after the clock of the world.
fn ahead(seconds: i64) -> String {
    // The clock's fraction of a second is above zero, so a whole second is never reached by rounding down.
    jiff::Timestamp::from_second(START / 1_000 + seconds).unwrap().to_string()
}

fn labels(many: usize) -> Value {
    (0..many).map(|number| (format!("n{number}"), json!("x"))).collect::<serde_json::Map<_, _>>().into()
}

/// A field of a command, a value at the limit, and one beyond.
fn fields_of_a_command() -> Vec<(&'static str, Value, Value)> {
    const MONTH: i64 = 30 * 24 * 3_600;
    let text = |length: usize| "\u{e9}".repeat(length);
    let label = |length: usize| json!({ "team": text(length) });
    let name = |length: usize| json!({ "x".repeat(length): "checkout" });
    let code = |length: usize| json!({ "wrapUp": { "name": text(length) } });
    let notes = |length: usize| json!({ "wrapUp": { "name": "Closed", "notes": text(length) } });
    let deadline = |text: &str| json!({ "deadline": text });
    let url = |length: usize| {
        let begin = "https://shop.example/";
        json!({ "url": format!("{begin}{}", "a".repeat(length - begin.len())) })
    };
    vec![
        ("reason", json!(text(200)), json!(text(201))),
        ("labels", labels(16), labels(17)),
        ("labels", label(256), label(257)),
        ("labels", name(64), name(65)),
        ("labels", name(1), json!({ "": "checkout" })),
        ("policy", code(256), code(257)),
        ("policy", notes(1_000), notes(1_001)),
        ("policy", deadline("PT72H"), deadline("PT72H1S")),
        ("policy", deadline("PT1S"), deadline("PT0S")),
        ("notBefore", json!(ahead(MONTH)), json!(ahead(MONTH + 1))),
        ("callback", url(2_048), url(2_049)),
    ]
}

#[tokio::test(start_paused = true)]
async fn every_field_of_a_command_is_taken_up_to_its_limit() {
    let world = World::new().await;
    for ((field, at, beyond), number) in fields_of_a_command().into_iter().zip(1..) {
        let told = format!("row {number}, {field}");
        let of = |value| json!({ "conversationId": world.conversation(number), (field): value });
        let problem = world.post("/v1/closures", of(beyond)).await.problem(422, "invalid_field");
        assert!(problem["field"].as_str().unwrap().starts_with(field), "{told}: {problem}");
        let taken = world.post("/v1/closures", of(at)).await;
        assert_eq!(taken.status, StatusCode::ACCEPTED, "{told}: {}", taken.text);
    }
}

#[tokio::test(start_paused = true)]
async fn every_target_is_taken_up_to_its_limit() {
    let world = World::new().await;
    let attribute = |name: usize, value: usize| json!({ "attribute": { "name": "n".repeat(name), "value": "v".repeat(value) } });
    let external = |length: usize| json!({ "externalId": "x".repeat(length) });
    for (at, beyond) in [
        (external(256), external(257)),
        (external(1), external(0)),
        (attribute(128, 1), attribute(129, 1)),
        (attribute(1, 1_024), attribute(1, 1_025)),
    ] {
        let problem =
            world.post("/v1/closures", json!({ "target": beyond })).await.problem(422, "invalid_field");
        assert!(problem["field"].as_str().unwrap().starts_with("target."), "{problem}");
        let taken = world.post("/v1/closures", json!({ "target": at })).await;
        assert_eq!(taken.status, StatusCode::ACCEPTED, "{}", taken.text);
    }
}

#[tokio::test(start_paused = true)]
async fn every_list_and_wait_is_taken_up_to_its_limit() {
    let world = World::new().await;
    let closure = world.submit(&world.conversation(1)).await;
    world.until(&closure, "closed").await;
    for path in [
        "/v1/closures",
        "/v1/ghosts",
        "/v1/ghosts/report",
        "/v1/hooks/received",
        "/v1/deliveries",
        "/v1/batches",
        "/v1/dead-letters",
        "/v1/audit",
    ] {
        for (limit, status) in [(1, 200), (500, 200), (501, 422), (0, 422)] {
            let answer = world.get(&format!("{path}?limit={limit}")).await;
            assert_eq!(answer.status, status, "{path} {limit}: {}", answer.text);
        }
    }
    let path = format!("/v1/closures/{closure}");
    for (wait, status) in [("5m", 200), ("300s", 200), ("301s", 422), ("6m", 422), ("0s", 200)] {
        assert_eq!(world.get(&format!("{path}?wait={wait}")).await.status, status, "{wait}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_act_is_taken_up_to_its_limit() {
    let world = World::new().await;
    let ghost = world.ghost(1).await;
    let month = 30 * 24 * 3_600;
    let said = |field: &str, length: usize| json!({ (field): "x".repeat(length) });
    let now = world.orchestrator.now().millis() / 1_000 - START / 1_000;
    for (act, at, beyond) in [
        ("claim", said("reason", 1_000), said("reason", 1_001)),
        ("comment", said("comment", 1_000), said("comment", 1_001)),
        // An hour for the time that passes meanwhile.
        ("snooze", json!({ "until": ahead(now + month) }), json!({ "until": ahead(now + month + 3_600) })),
    ] {
        let path = format!("/v1/ghosts/{ghost}/{act}");
        world.post(&path, beyond).await.problem(422, "invalid_field");
        let taken = world.post(&path, at).await;
        assert!(taken.status.is_success(), "{act}: {}", taken.text);
    }
    let path = format!("/v1/closures/{ghost}/resolve");
    world.post(&path, said("reason", 1_001)).await.problem(422, "invalid_field");
    assert!(world.post(&path, said("reason", 1_000)).await.status.is_success());
}

#[tokio::test(start_paused = true)]
async fn a_key_and_a_body_are_taken_up_to_their_limits() {
    let world = World::new().await;
    let body = json!({ "conversationId": world.conversation(1) });
    for (length, status) in [(255, 202), (256, 400)] {
        let key = "k".repeat(length);
        let answer = world.post_as("admin", "/v1/closures", body.clone(), &[("idempotency-key", &key)]).await;
        assert_eq!(answer.status, status, "{length}: {}", answer.text);
    }
    // As it is announced, and in pieces of which nobody knows how many come.
    for in_pieces in [false, true] {
        for (length, code) in [(LARGEST_BODY, None), (LARGEST_BODY + 1, Some("body_too_large"))] {
            let text = body.to_string();
            let text = format!("{}{text}", " ".repeat(length - text.len()));
            let body = match in_pieces {
                false => Body::from(text),
                true => Body::from_stream(futures_util::stream::iter(
                    text.into_bytes()
                        .chunks(1_000)
                        .map(|piece| Ok::<_, std::io::Error>(piece.to_vec()))
                        .collect::<Vec<_>>(),
                )),
            };
            let answer = world.send(request("POST", "admin", "/v1/closures", &[], body)).await;
            match code {
                Some(code) => drop(answer.problem(413, code)),
                None => assert!(answer.status.is_success(), "{length}: {}", answer.text),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_taken_up_to_its_limits() {
    let world = World::new().await;
    let row = |number: u128| format!("{{\"conversationId\":\"{}\"}}\n", world.conversation(number));
    let send = async |text: String| {
        let kind = [("content-type", "application/x-ndjson")];
        world.send(request("POST", "admin", "/v1/batches", &kind, Body::from(text))).await
    };
    let rows: String = (1..=10_000).map(row).collect();
    assert_eq!(send(rows.clone()).await.status, StatusCode::CREATED);
    let problem = send(rows + &row(10_001)).await;
    assert!(problem.status.is_client_error(), "{}", problem.text);
    assert!(problem.text.contains("10000"), "{}", problem.text);
    let wide =
        |length: usize| row(1).replacen('{', &format!("{{{}", " ".repeat(length + 1 - row(1).len())), 1);
    for (length, out) in [(8_192, 0), (8_193, 1)] {
        let batch = send(wide(length)).await.ok(201);
        assert_eq!(batch["progress"]["skipped"], out, "{batch}");
    }
    let file = |length: usize| format!("{}{}", row(1), "\n".repeat(length - row(1).len()));
    assert_eq!(send(file(4_000_000)).await.status, StatusCode::CREATED);
    send(file(4_000_001)).await.problem(413, "body_too_large");
}

/// Commands whose commits are under way while the store takes longer than a command may wait: more than may be so at once.
const FLOOD: u128 = 300;

#[tokio::test(start_paused = true)]
async fn a_command_that_finds_no_place_is_shed_and_taken_when_the_flood_is_over() {
    let world = World::new().await;
    let wave = |first: u128| {
        let ids: Vec<_> = (first..first + FLOOD).map(|number| world.conversation(number)).collect();
        let post = |id| world.post("/v1/closures", json!({ "conversationId": id }));
        join_all(ids.into_iter().map(post))
    };
    let command = json!({ "conversationId": world.conversation(0) });
    let key = [("idempotency-key", "order-8812")];
    let post = || world.post_as("submit", "/v1/closures", command.clone(), &key);
    world.store.answer_after(Duration::from_millis(150));
    // The first have been answered late when it comes, and the others are under way.
    let (first, others, shed) = tokio::join!(
        wave(1),
        async {
            sleep(Duration::from_millis(100)).await;
            wave(1_000).await
        },
        async {
            sleep(Duration::from_millis(200)).await;
            (post().await, world.get("/v1/whoami").await)
        },
    );
    let (shed, looked) = shed;
    let problem = shed.problem(503, "overloaded");
    assert_eq!((shed.header("retry-after"), &problem["retryable"]), ("1", &json!(true)), "{problem}");
    assert!(problem["fix"].as_str().unwrap().contains("Retry-After"), "{problem}");
    assert_eq!(looked.status, StatusCode::OK, "looking is not shed");
    for taken in first.iter().chain(&others) {
        assert_eq!(taken.status, StatusCode::ACCEPTED, "what came before is taken: {}", taken.text);
    }
    let history = format!("/v1/conversations/{}/closures", world.conversation(0));
    assert_eq!(world.get(&history).await.ok(200)["items"], json!([]), "nothing is kept of it");
    world.store.answer_after(Duration::ZERO);
    sleep(Duration::from_secs(1)).await;
    let taken = post().await.ok(202);
    assert_eq!(taken["attached"], false, "{taken}");
    world.until(taken["id"].as_str().unwrap(), "closed").await;
}

#[tokio::test(start_paused = true)]
async fn commands_that_find_no_place_are_refused_in_turn_and_none_waits_longer_than_a_second() {
    let world = &World::new().await;
    let wave = |first: u128, number: u128| {
        let ids: Vec<_> = (first..first + number).map(|number| world.conversation(number)).collect();
        join_all(ids.into_iter().map(|id| async move {
            let begun = tokio::time::Instant::now();
            let answer = world.post("/v1/closures", json!({ "conversationId": id })).await;
            (answer, begun.elapsed())
        }))
    };
    // As many as are refused in a second.
    let cores = std::thread::available_parallelism().unwrap().get() as u128;
    world.store.answer_after(Duration::from_millis(150));
    let (_, _, (refused, looked)) = tokio::join!(
        wave(1, FLOOD),
        async {
            sleep(Duration::from_millis(100)).await;
            wave(1_000, FLOOD).await
        },
        async {
            sleep(Duration::from_millis(200)).await;
            tokio::join!(wave(10_000, 1_000 * cores), async {
                sleep(Duration::from_millis(10)).await;
                let begun = tokio::time::Instant::now();
                world.get("/v1/whoami").await.ok(200);
                begun.elapsed()
            })
        },
    );
    let mut waited = Vec::new();
    for (answer, after) in refused {
        answer.problem(503, "overloaded");
        assert_eq!(answer.header("retry-after"), "1");
        waited.push(after);
    }
    waited.sort();
    assert!(waited[0] < Duration::from_millis(10), "the first are told at once: {:?}", waited[0]);
    let longest = *waited.last().unwrap();
    assert!(longest > Duration::from_millis(800) && longest < Duration::from_millis(1_010), "{longest:?}");
    assert!(looked < Duration::from_millis(10), "nobody else waits: {looked:?}");
}

/// Keeps the thread busy for so long by the machine's clock, and lets the runtime count it.
async fn compute(time: Duration) {
    let begun = std::time::Instant::now();
    while begun.elapsed() < time {
        let piece = std::time::Instant::now();
        while piece.elapsed() < Duration::from_millis(1) {
            std::hint::spin_loop();
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_is_shed_where_much_is_in_hand_and_the_processor_has_no_time_to_spare() {
    let world = World::new().await;
    let event = |number: u128| {
        let conversation = world.conversation(number).parse().unwrap();
        world.orchestrator.deliver(end_of_guest(conversation, world.orchestrator.now()))
    };
    let post = || world.post("/v1/closures", json!({ "conversationId": world.conversation(0) }));
    // Quick enough that the store does not fall behind.
    world.store.answer_after(Duration::from_millis(50));
    compute(Duration::from_millis(300)).await;
    post().await.ok(202);
    let ((), (), shed) = tokio::join!(
        async { drop(join_all((1_000..1_000 + 3 * FLOOD).map(event)).await) },
        async {
            sleep(Duration::from_millis(10)).await;
            // Nobody has measured yet, so this one may be taken.
            drop(post().await);
        },
        async {
            sleep(Duration::from_millis(20)).await;
            compute(Duration::from_millis(300)).await;
            post().await
        },
    );
    shed.problem(503, "overloaded");
    post().await.ok(202);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_events_sheds_commands_and_a_flood_of_commands_no_event() {
    let world = World::new().await;
    let event = |number: u128| {
        let conversation = world.conversation(number).parse().unwrap();
        world.orchestrator.deliver(end_of_guest(conversation, world.orchestrator.now()))
    };
    let wave = |first: u128| join_all((first..first + FLOOD).map(event));
    world.store.answer_after(Duration::from_millis(150));
    let (first, others, (shed, heard)) = tokio::join!(
        wave(1),
        async {
            sleep(Duration::from_millis(100)).await;
            wave(1_000).await
        },
        async {
            sleep(Duration::from_millis(200)).await;
            let command = json!({ "conversationId": world.conversation(0) });
            (world.post("/v1/closures", command).await, event(5_000).await)
        },
    );
    shed.problem(503, "overloaded");
    assert!(heard.is_ok() && first.iter().chain(&others).all(Result::is_ok), "every event is taken");
}
