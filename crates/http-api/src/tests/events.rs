//! The streams of events. Time is paused, so a wait costs nothing and what is told does not depend on speed.

use std::{collections::BTreeMap, time::Duration};

use axum::body::{Body, BodyDataStream};
use futures_util::{FutureExt as _, StreamExt as _};
use genesys_types::Time;
use http::{HeaderMap, StatusCode};
use orchestrator::parse_closure_id;
use serde_json::{Value, json};
use store::Store as _;
use tower::ServiceExt as _;

use super::world::{KEYS, START, World, key, request};
use crate::Role;

/// A stream that is read as a browser does.
struct Reader {
    body: BodyDataStream,
    text: String,
    /// The place to go on behind.
    last: Option<String>,
}

/// One event, or a comment without one.
#[derive(Debug, Clone, PartialEq)]
struct Block {
    id: Option<String>,
    event: Option<String>,
    data: Value,
}

impl Block {
    fn read(text: &str) -> Self {
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        assert!(text.lines().filter(|line| line.starts_with("data: ")).count() <= 1, "{text}");
        let data = field("data: ").map(|data| serde_json::from_str(&data).unwrap()).unwrap_or_default();
        Self { id: field("id: "), event: field("event: "), data }
    }
}

impl Reader {
    /// What comes next; nothing once the stream has ended.
    async fn next(&mut self) -> Option<Block> {
        loop {
            if let Some((first, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (Block::read(first), rest.to_owned());
                self.text = rest;
                self.last = block.id.clone().or(self.last.take());
                return Some(block);
            }
            let piece = self.body.next().await?.unwrap();
            self.text.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }

    /// The next event, whatever else is said before it.
    async fn event(&mut self) -> Option<Block> {
        loop {
            let block = self.next().await?;
            if block.event.is_some() {
                return Some(block);
            }
        }
    }

    /// Everything to the end of the stream.
    async fn rest(&mut self) -> Vec<Block> {
        let mut all = Vec::new();
        while let Some(block) = self.event().await {
            all.push(block);
        }
        all
    }

    /// So many events.
    async fn events(&mut self, many: usize) -> Vec<Block> {
        let mut all = Vec::new();
        while all.len() < many {
            all.push(self.event().await.expect("the stream goes on"));
        }
        all
    }
}

impl World {
    async fn open(&self, key: &str, path: &str, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap, Reader) {
        let request = request("GET", key, path, headers, Body::empty());
        let (head, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        (head.status, head.headers, Reader { body: body.into_data_stream(), text: String::new(), last: None })
    }

    async fn stream(&self, path: &str) -> Reader {
        let (status, _, reader) = self.open("read", path, &[]).await;
        assert_eq!(status, 200, "{}", reader.text);
        reader
    }

    async fn behind(&self, path: &str, last: &str) -> Reader {
        let (status, _, reader) = self.open("read", path, &[("last-event-id", last)]).await;
        assert_eq!(status, 200);
        reader
    }

    /// A closure that is to begin tomorrow. Until then nothing more is told of it than that it was accepted.
    async fn of_tomorrow(&self, number: u128) -> String {
        let tomorrow = Time::from_millis(START + 24 * 3_600_000);
        let not_before = jiff::Timestamp::from_millisecond(tomorrow.millis()).unwrap().to_string();
        let body = json!({ "conversationId": self.conversation(number), "notBefore": not_before });
        self.post("/v1/closures", body).await.ok(202)["id"].as_str().unwrap().to_owned()
    }

    async fn closed(&self, number: u128) -> String {
        let id = self.submit(&self.conversation(number)).await;
        self.until(&id, "closed").await;
        id
    }
}

fn types(blocks: &[Block]) -> Vec<&str> {
    blocks.iter().filter_map(|block| block.event.as_deref()).collect()
}

/// Which events they are. An event of the past has members that were not known when it happened, such as `participantId`.
fn ids(blocks: &[Block]) -> Vec<&str> {
    blocks.iter().filter_map(|block| block.id.as_deref()).collect()
}

/// What is told of a closure that closes.
const LIFE: [&str; 4] = [
    "closeout.closure.accepted.v1",
    "closeout.closure.participant-closed.v1",
    "closeout.closure.confirmed.v1",
    "closeout.closure.closed.v1",
];

#[tokio::test(start_paused = true)]
async fn a_closure_is_told_from_its_first_event_to_its_end_and_the_stream_ends() {
    let world = World::new().await;
    let id = world.submit(&world.conversation(1)).await;
    let path = format!("/v1/closures/{id}/events");
    let (status, headers, mut reader) = world.open("read", &path, &[]).await;
    assert_eq!(status, 200);
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("x-accel-buffering", "no"),
    ] {
        assert_eq!(headers[name], value);
    }
    let told = reader.rest().await;
    assert_eq!(types(&told), LIFE);
    let timeline = world.get(&format!("/v1/closures/{id}/timeline")).await.ok(200);
    let lines: BTreeMap<_, _> = timeline["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (line["sequence"].as_u64().unwrap(), line["id"].clone()))
        .collect();
    for block in &told {
        let event = &block.data;
        assert_eq!((&event["id"], &event["type"]), (&json!(block.id), &json!(block.event)));
        assert_eq!(event["data"]["id"], id);
        let line = lines[&event["data"]["sequence"].as_u64().unwrap()].as_str().unwrap().to_owned();
        assert!(block.id.as_ref().unwrap().starts_with(&line), "{line} {block:?}");
    }
    // All of it again, once it has ended; and no reason to come again for who has all.
    assert_eq!(ids(&world.stream(&path).await.rest().await), ids(&told));
    let last = reader.last.unwrap();
    let answer = world.get_as("read", &path, &[("last-event-id", &last)]).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
}

#[tokio::test(start_paused = true)]
async fn it_is_the_event_that_callbacks_are_told() {
    let world = World::new().await;
    let id = world.closed(1).await;
    let told = world.stream(&format!("/v1/closures/{id}/events")).await.rest().await;
    let placed = world.store.journal(parse_closure_id(&id).unwrap()).await.unwrap();
    let row = world.store.load(parse_closure_id(&id).unwrap()).await.unwrap().unwrap();
    let record = orchestrator::Record::from_row(&row).unwrap();
    let usual: Vec<_> = placed.iter().flat_map(|line| callbacks::usual_events(&record, line, None)).collect();
    assert_eq!(usual.len(), 1);
    let last = told.last().unwrap();
    assert_eq!(last.data.to_string(), usual[0].event);
    assert_eq!(last.id.as_ref(), Some(&usual[0].id));
}

#[tokio::test(start_paused = true)]
async fn a_stream_goes_on_behind_every_event_without_loss_or_repetition() {
    let world = World::new().await;
    let mut all = world.stream("/v1/events").await;
    let mut closures = Vec::new();
    for number in 1..=20 {
        closures.push(world.submit(&world.conversation(number)).await);
    }
    let told = all.events(80).await;
    let places: Vec<_> = told.iter().map(|block| block.id.clone().unwrap()).collect();
    for id in &closures {
        let of_one: Vec<_> = told.iter().filter(|block| block.data["data"]["id"] == **id).cloned().collect();
        assert_eq!(types(&of_one), LIFE);
        let path = format!("/v1/closures/{id}/events");
        assert_eq!(ids(&world.stream(&path).await.rest().await), ids(&of_one));
        for (n, block) in of_one.iter().enumerate().take(3) {
            let rest = world.behind(&path, block.id.as_deref().unwrap()).await.rest().await;
            assert_eq!(ids(&rest), ids(&of_one[n + 1..]));
        }
    }
    for (n, place) in places.iter().enumerate().take(79) {
        let mut again = world.behind("/v1/events", place).await;
        assert_eq!(again.event().await.unwrap().id, told[n + 1].id, "behind {place}");
    }
    let mut whole = world.behind("/v1/events", "ev_0000000000000000").await;
    assert_eq!(ids(&whole.events(80).await), ids(&told));
    // The header is newer than the address of a browser that comes again; without one the parameter counts.
    let path = format!("/v1/events?lastEventId={}", places[0]);
    assert_eq!(world.stream(&path).await.event().await.unwrap().id, told[1].id);
    assert_eq!(world.behind(&path, &places[40]).await.event().await.unwrap().id, told[41].id);
}

#[tokio::test(start_paused = true)]
async fn several_events_of_one_line_are_told_one_by_one() {
    let world = World::new().await;
    let id = world.submit(&world.conversation(1)).await;
    *world.remote.mute.lock().unwrap() = true;
    world.until(&id, "closed").await;
    let path = format!("/v1/closures/{id}/events");
    let told = world.stream(&path).await.rest().await;
    let ghost = world.ghost(2).await;
    let resolve = format!("/v1/closures/{ghost}/resolve");
    world.post(&resolve, json!({ "reason": "seen elsewhere" })).await.ok(202);
    let path = format!("/v1/closures/{ghost}/events");
    let healed = world.stream(&path).await.rest().await;
    let several: Vec<_> =
        told.iter().chain(&healed).filter(|block| block.id.as_ref().unwrap().contains('-')).collect();
    assert!(!several.is_empty(), "no line tells of two events: {told:?} {healed:?}");
    for block in several {
        let of = if healed.contains(block) { &healed } else { &told };
        let path = format!("/v1/closures/{}/events", block.data["data"]["id"].as_str().unwrap());
        let at = of.iter().position(|one| one == block).unwrap();
        let place = block.id.as_deref().unwrap();
        assert_eq!(world.behind(&path, place).await.rest().await, of[at + 1..]);
        assert_eq!(world.behind("/v1/events", place).await.event().await.as_ref(), Some(&of[at + 1]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_all_begins_now_and_tells_where_that_is() {
    let world = World::new().await;
    world.closed(1).await;
    let mut reader = world.stream("/v1/events").await;
    let begin = reader.next().await.unwrap();
    assert_eq!((begin.event, begin.data), (None, Value::Null));
    drop(reader);
    // Who was cut before the first event has lost nothing.
    let id = world.closed(2).await;
    let mut again = world.behind("/v1/events", &begin.id.unwrap()).await;
    let told = again.events(4).await;
    assert_eq!(types(&told), LIFE);
    assert!(told.iter().all(|block| block.data["data"]["id"] == id));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_wanted_is_left_out_and_the_place_moves_on_all_the_same() {
    let world = World::new().await;
    let mut ends = world
        .stream("/v1/events?type=closeout.closure.closed.v1,closeout.closure.failed.v1&organisation=main")
        .await;
    let begin = ends.next().await.unwrap();
    let ids = [world.closed(1).await, world.closed(2).await];
    let told = ends.events(2).await;
    assert!(told.iter().all(|block| block.event.as_deref() == Some("closeout.closure.closed.v1")));
    assert_eq!([0, 1].map(|n| told[n].data["data"]["id"].clone()), ids.map(Value::from));
    let mut none = world.behind("/v1/events?type=closeout.closure.blocked.v1", &begin.id.unwrap()).await;
    let beat = none.next().await.unwrap();
    assert_eq!((beat.event.clone(), beat.id), (None, ends.last.clone()));
    let slip = world.get_as("read", "/v1/events?type=closeout.closure.close.v1", &[]).await;
    let problem = slip.problem(422, "invalid_field");
    assert!(
        problem["detail"].as_str().unwrap().contains("Did you mean \"closeout.closure.closed.v1\"?"),
        "{problem}"
    );
    world.get_as("read", "/v1/events?organisation=other", &[]).await.problem(422, "invalid_field");
    world.get_as("read", "/v1/events?typ=x", &[]).await.problem(422, "invalid_field");
    world.get_as("read", "/v1/closures/cl_1/events", &[]).await.problem(422, "invalid_field");
}

#[tokio::test(start_paused = true)]
async fn a_key_is_told_of_its_organisations_alone() {
    let world = World::new().await;
    let (_, _, mut mine) = world.open("read", "/v1/events", &[]).await;
    let (_, _, mut theirs) = world.open("stranger", "/v1/events", &[]).await;
    let id = world.submit(&world.conversation(1)).await;
    let body = json!({ "conversationId": world.conversation(2) });
    let other = world.post_as("stranger", "/v1/closures", body, &[]).await.ok(202)["id"].clone();
    let of = |blocks: Vec<Block>| blocks.into_iter().map(|block| block.data["data"]["id"].clone());
    assert!(of(mine.events(4).await).all(|told| told == id));
    assert!(of(theirs.events(2).await).all(|told| told == other));
    let path = format!("/v1/closures/{id}/events");
    world.get_as("stranger", &path, &[]).await.problem(404, "no_such_closure");
    for name in ["submit", "nobody"] {
        for path in [&path, "/v1/events"] {
            assert!(
                matches!(world.get_as(name, path, &[]).await.status.as_u16(), 401 | 403),
                "{name} {path}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_last_event_that_is_none_is_refused() {
    let world = World::new().await;
    let id = world.closed(1).await;
    for path in ["/v1/events".to_owned(), format!("/v1/closures/{id}/events")] {
        for last in ["7", "ev_7", "ev_000000000000000g", "ev_0000000000000001-", "\u{fc}"] {
            let problem =
                world.get_as("read", &path, &[("last-event-id", last)]).await.problem(400, "invalid_header");
            assert_eq!(problem["field"], "Last-Event-ID");
        }
        let problem =
            world.get_as("read", &format!("{path}?lastEventId=7"), &[]).await.problem(422, "invalid_field");
        assert_eq!(
            problem["detail"],
            "lastEventId cannot be used: the id of an event looks like ev_00000000000001f4; it was \"7\"."
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_quiet_stream_says_every_15_seconds_that_it_is_there() {
    let world = World::new().await;
    let later = world.of_tomorrow(1).await;
    let mut all = world.stream("/v1/events").await;
    let place = all.next().await.unwrap().id;
    let mut one = world.stream(&format!("/v1/closures/{later}/events")).await;
    assert_eq!(types(&one.events(1).await), LIFE[..1]);
    for reader in [&mut all, &mut one] {
        for _ in 0..3 {
            let before = tokio::time::Instant::now();
            let beat = reader.next().await.unwrap();
            assert_eq!((beat.event, beat.data), (None, Value::Null));
            assert_eq!(before.elapsed().as_secs(), 15);
        }
    }
    assert_eq!(all.last, place);
}

#[tokio::test(start_paused = true)]
async fn there_is_room_for_64_streams_and_a_client_that_leaves_makes_room() {
    let world = World::new().await;
    let readers: Vec<_> = (0..9).map(|number| format!("reader-{number}")).collect();
    let of_the_world = KEYS.map(|(name, role, organisation)| key(name, role, &[organisation]));
    let of_readers = readers.iter().map(|name| key(name, Role::Read, &["main"]));
    world.keys.replace(of_the_world.into_iter().chain(of_readers).collect());
    let ghost = world.ghost(1).await;
    let of_ghost = format!("/v1/closures/{ghost}/events");
    let mut open = Vec::new();
    for (number, reader) in readers[..8].iter().enumerate() {
        let path = if number % 2 == 0 { "/v1/events" } else { of_ghost.as_str() };
        for _ in 0..8 {
            let (status, _, stream) = world.open(reader, path, &[]).await;
            assert_eq!(status, 200);
            open.push(stream);
        }
    }
    let last = readers[8].as_str();
    let refused = world.get_as(last, "/v1/events", &[]).await;
    assert_eq!(refused.header("retry-after"), "10");
    assert_eq!(refused.problem(503, "too_many_streams")["retryable"], true);
    world.get_as(last, &of_ghost, &[]).await.problem(503, "too_many_streams");
    drop(open.pop());
    let (_, _, mut reader) = world.open(last, "/v1/events", &[]).await;
    reader.next().await.unwrap();
    drop((open, reader));
    // All that follow are told, however many there are.
    let mut many = Vec::new();
    for reader in readers[..8].iter().flat_map(|reader| [reader; 8]) {
        many.push(world.open(reader, "/v1/events", &[]).await.2);
    }
    *world.remote.deaf.lock().unwrap() = false;
    let id = world.closed(2).await;
    for reader in &mut many {
        assert!(reader.events(4).await.iter().all(|block| block.data["data"]["id"] == id));
    }
}

#[tokio::test(start_paused = true)]
async fn one_key_has_16_streams_and_takes_the_room_of_no_other() {
    let world = World::new().await;
    let mut open = Vec::new();
    for _ in 0..16 {
        open.push(world.stream("/v1/events").await);
    }
    let refused = world.get_as("read", "/v1/events", &[]).await;
    assert_eq!(refused.header("retry-after"), "10");
    let problem = refused.problem(503, "too_many_streams");
    assert_eq!(problem["detail"], "The key \"read\" has 16 streams of events open, and may have no more.");
    let (status, _, _others) = world.open("operate", "/v1/events", &[]).await;
    assert_eq!(status, 200);
    drop(open.pop());
    drop(world.stream("/v1/events").await);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_holds_up_nobody_and_finds_all_when_it_reads() {
    let world = World::new().await;
    let (mut slow, mut quick) = (world.stream("/v1/events").await, world.stream("/v1/events").await);
    slow.next().await.unwrap();
    for number in 1..=50 {
        world.closed(number).await;
    }
    let told = quick.events(200).await;
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert!(slow.text.is_empty());
    // No more than one page comes at a time, whatever has piled up in the store.
    let piece = slow.body.next().await.unwrap().unwrap();
    let text = String::from_utf8(piece.to_vec()).unwrap();
    let count = text.matches("\n\n").count();
    assert!((1..=128).contains(&count), "{count}");
    slow.text = text;
    assert_eq!(ids(&slow.events(200).await), ids(&told));
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_its_key_and_shrinks_with_it() {
    let world = World::new().await;
    let later = world.of_tomorrow(1).await;
    let path = format!("/v1/closures/{later}/events");
    let (mut all, mut one) = (world.stream("/v1/events").await, world.stream(&path).await);
    all.next().await.unwrap();
    one.events(1).await;
    world.keys.replace(vec![key("read", Role::Submit, &["main"]), key("admin", Role::Admin, &["main"])]);
    assert_eq!(all.next().await, None, "at the next beat");
    assert_eq!(one.next().await, None);
    world
        .keys
        .replace(vec![key("read", Role::Read, &["main", "other"]), key("admin", Role::Admin, &["main"])]);
    let (mut all, mut one) = (world.stream("/v1/events").await, world.stream(&path).await);
    let begin = all.next().await.unwrap();
    one.events(1).await;
    world.keys.replace(vec![key("read", Role::Read, &["other"]), key("admin", Role::Admin, &["main"])]);
    let cancel = format!("/v1/closures/{later}/cancel");
    world.post(&cancel, json!({ "reason": "not wanted any more" })).await.ok(202);
    let beat = all.next().await.unwrap();
    assert_eq!(beat.event, None, "what it may not see any more is not told: {begin:?}");
    assert_eq!(one.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn streams_end_with_the_service() {
    let world = World::new().await;
    let later = world.of_tomorrow(1).await;
    let (mut all, mut one) =
        (world.stream("/v1/events").await, world.stream(&format!("/v1/closures/{later}/events")).await);
    all.next().await.unwrap();
    one.events(1).await;
    let (waits, stop) = (all.next(), world.stop.clone());
    let (ended, ()) = tokio::join!(waits, async { stop.cancel() });
    assert_eq!(ended, None);
    assert_eq!(one.next().await, None);
    let refused = world.get_as("read", "/v1/events", &[]).await;
    refused.problem(503, "stopping");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_makes_a_stream_wait_and_loses_nothing() {
    let world = World::new().await;
    let mut reader = world.stream("/v1/events").await;
    let begin = reader.next().await.unwrap().id;
    world.closed(1).await;
    world.store.set_unavailable(true);
    let beat = reader.next().await.unwrap();
    assert_eq!((beat.event, beat.id), (None, begin));
    world.get_as("read", "/v1/events", &[]).await.problem(503, "store_unavailable");
    world.store.set_unavailable(false);
    assert_eq!(types(&reader.events(4).await), LIFE);
}

#[tokio::test(start_paused = true)]
async fn what_was_pruned_is_told_as_a_gap_once() {
    let world = World::new().await;
    let first = world.stream(&format!("/v1/closures/{}/events", world.closed(1).await)).await.rest().await;
    let place = first[0].id.as_deref().unwrap();
    world.closed(2).await;
    let month = Duration::from_secs(31 * 24 * 3_600);
    tokio::time::advance(month).await;
    // The next sweep.
    tokio::time::sleep(Duration::from_secs(601)).await;
    assert_eq!(world.store.tally(&store::Filter::default()).await.unwrap(), [], "all was pruned");
    let mut all = world.behind("/v1/events", place).await;
    let gap = all.event().await.unwrap();
    assert_eq!((gap.id, gap.event.as_deref()), (None, Some("gap")));
    assert_eq!(gap.data["after"], place);
    assert!(gap.data["says"].as_str().unwrap().contains("may be missing"), "{gap:?}", gap = gap.data);
    let id = world.closed(3).await;
    assert_eq!(types(&all.events(4).await), LIFE);
    // A place that this store never gave: what comes now is told, and not held back until its numbers are reached.
    let mut far = world.behind("/v1/events", "ev_00000000000fffff").await;
    assert_eq!(far.event().await.unwrap().event.as_deref(), Some("gap"));
    let next = world.closed(4).await;
    let told = far.events(4).await;
    assert!(told.iter().all(|block| block.data["data"]["id"] == next), "{id} {told:?}");
    // And behind one that is young there is none.
    let mut young = world.behind("/v1/events", all.last.as_deref().unwrap()).await;
    assert_eq!(types(&young.events(4).await), LIFE);
}

#[tokio::test(start_paused = true)]
async fn nobody_looks_out_for_nobody() {
    let world = World::new().await;
    let reader = world.stream("/v1/events").await;
    drop(reader);
    tokio::time::sleep(Duration::from_secs(5)).await;
    // Whoever comes after that is told all the same.
    let mut reader = world.stream("/v1/events").await;
    reader.next().await.unwrap();
    assert!(reader.next().now_or_never().is_none());
    world.closed(1).await;
    assert_eq!(types(&reader.events(4).await), LIFE);
}
