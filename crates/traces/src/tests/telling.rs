//! The task that tells, from a store to a collector over real HTTP.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use genesys_types::Span as Length;
use opentelemetry_proto::tonic::trace::v1::Span;
use orchestrator::{Clock, ManualClock};
use store::{MemoryStore, Store as _};
use tokio::time::sleep;
use uuid::Uuid;

use super::{
    collector::{Answer, TestCollector},
    life::{Life, START, attribute},
};
use crate::{Setup, Traces, endpoint, headers, reader::READER};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(15);

struct World {
    store: Arc<MemoryStore>,
    clock: Arc<ManualClock>,
    traces: Traces,
}

impl World {
    fn of(store: Arc<MemoryStore>, setup: Setup) -> Self {
        let clock = Arc::new(ManualClock::new(START + Length::from_secs(300)));
        let traces = Traces::start(setup, Arc::clone(&store) as _, Arc::clone(&clock) as _).unwrap();
        Self { store, clock, traces }
    }

    fn new(collector: &str, change: impl FnOnce(&mut Setup)) -> Self {
        Self::of(Arc::new(MemoryStore::new()), setup(collector, change))
    }

    async fn stop(&self) -> Duration {
        let begun = Instant::now();
        self.traces.stop(Duration::from_secs(20)).await;
        begun.elapsed()
    }
}

fn setup(collector: &str, change: impl FnOnce(&mut Setup)) -> Setup {
    let endpoint = Some(endpoint(collector).unwrap());
    let mut setup = Setup { endpoint, timeout: Duration::from_secs(2), ..Setup::default() };
    change(&mut setup);
    setup
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "it does not come: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn ends_and_ghosts_are_told_and_what_goes_on_is_not() {
    let collector = TestCollector::listen(&[]).await;
    let secret = "Authorization: Bearer planted".to_owned().into();
    let world = World::new(&collector.url(), |setup| setup.headers = headers(&[secret]).unwrap());
    Life::new(1).keep(&world.store).await;
    for life in [Life::closed(2), Life::ghost(3)] {
        life.keep(&world.store).await;
    }
    until("two are told", || collector.roots().len() == 2).await;
    world.stop().await;
    let mut roots = collector.roots();
    roots.sort_unstable();
    assert_eq!(roots, [2, 3]);
    let (headers, request) = collector.taken().remove(0);
    assert_eq!(headers["authorization"], "Bearer planted");
    let resource = &request.resource_spans[0];
    let attributes = &resource.resource.as_ref().unwrap().attributes;
    assert_eq!(attribute(attributes, "service.name"), "closeout");
    assert_eq!(resource.scope_spans[0].scope.as_ref().unwrap().name, "closeout");
    let of = |key: u8| collector.spans().into_iter().filter(move |span| span.trace_id[15] == key);
    assert_eq!(of(2).map(|span| span.span_id).collect::<Vec<_>>(), ids(&Life::closed(2).told()[0]));
}

fn ids(spans: &[Span]) -> Vec<Vec<u8>> {
    spans.iter().map(|span| span.span_id.clone()).collect()
}

#[tokio::test]
async fn a_busy_collector_is_asked_again_when_it_wants() {
    let collector = TestCollector::listen(&[Answer::Busy(1), Answer::Status(429)]).await;
    let world = World::new(&collector.url(), |_| {});
    let begun = Instant::now();
    Life::closed(2).keep(&world.store).await;
    until("it is told", || collector.roots() == [2]).await;
    assert!(begun.elapsed() >= Duration::from_millis(1_500), "{:?}", begun.elapsed());
    assert_eq!(collector.requests(), 3);
    world.stop().await;
}

#[tokio::test]
async fn what_ends_while_the_collector_is_away_is_told_when_it_is_back() {
    let place = TestCollector::listen(&[]).await;
    let address = place.address.clone();
    drop(place);
    let world = World::new(&format!("http://{address}"), |_| {});
    for key in 1..=3 {
        Life::closed(key).keep(&world.store).await;
    }
    sleep(Duration::from_millis(1_500)).await;
    let collector = TestCollector::listen_at(&address, &[]).await;
    until("all are told", || collector.roots().len() == 3).await;
    world.stop().await;
}

#[tokio::test]
async fn what_ended_too_long_ago_is_dropped_and_the_next_is_told() {
    let collector = TestCollector::listen(&[Answer::Status(503); 2]).await;
    let world = World::new(&collector.url(), |setup| setup.keep = Duration::from_secs(600));
    Life::closed(1).keep(&world.store).await;
    until("it is tried", || collector.requests() == 1).await;
    // Beyond `keep`: the batch in hand is dropped after its next try, and so is what waits behind it.
    Life::closed(2).keep(&world.store).await;
    world.clock.advance(Length::from_secs(900));
    until("the one in hand is given up", || collector.requests() == 2).await;
    let mut recent = Life::closed(3);
    let late = world.clock.now().since(START);
    recent.lines.iter_mut().for_each(|line| line.at += i64::from(late.millis()));
    recent.keep(&world.store).await;
    until("the recent one is told", || collector.roots() == [3]).await;
    world.stop().await;
}

#[tokio::test]
async fn what_is_refused_is_dropped_and_what_is_taken_in_part_is_not_sent_again() {
    for answer in [Answer::Status(400), Answer::Partly(3)] {
        let collector = TestCollector::listen(&[answer]).await;
        let world = World::new(&collector.url(), |_| {});
        Life::closed(1).keep(&world.store).await;
        until("it is tried", || collector.requests() == 1).await;
        Life::closed(2).keep(&world.store).await;
        until("the next one is told", || collector.roots().contains(&2)).await;
        assert_eq!(collector.requests(), 2, "{answer:?}");
        world.stop().await;
    }
}

#[tokio::test]
async fn a_restart_tells_nothing_twice_and_a_crash_the_same_again() {
    let collector = TestCollector::listen(&[]).await;
    let world = World::new(&collector.url(), |_| {});
    Life::closed(1).keep(&world.store).await;
    until("it is told", || collector.roots() == [1]).await;
    world.stop().await;
    assert!(world.store.cursor(READER).await.unwrap() > 0);
    let first = collector.spans();

    let again = World::of(Arc::clone(&world.store), setup(&collector.url(), |_| {}));
    sleep(Duration::from_millis(1_200)).await;
    again.stop().await;
    assert_eq!(collector.requests(), 1);

    // Whoever lost the cursor sends the same bytes.
    let lost = World::new(&collector.url(), |_| {});
    Life::closed(1).keep(&lost.store).await;
    until("it is told again", || collector.roots() == [1, 1]).await;
    assert_eq!(collector.spans().split_off(first.len()), first);
    lost.stop().await;
}

#[tokio::test]
async fn what_ends_at_the_last_moment_is_told_and_a_stop_waits_for_no_collector() {
    let collector = TestCollector::listen(&[]).await;
    let world = World::new(&collector.url(), |_| {});
    Life::closed(1).keep(&world.store).await;
    until("the first is told", || collector.roots() == [1]).await;
    Life::closed(2).keep(&world.store).await;
    let took = world.stop().await;
    assert_eq!(collector.roots(), [1, 2]);
    assert!(took < Duration::from_secs(2), "{took:?}");

    let silent = TestCollector::listen(&[Answer::Never, Answer::Never]).await;
    let world = World::new(&silent.url(), |setup| setup.timeout = Duration::from_secs(60));
    Life::closed(1).keep(&world.store).await;
    until("it is tried", || silent.requests() == 1).await;
    let took = world.stop().await;
    assert!(took < Duration::from_secs(4), "{took:?}");
}

#[tokio::test]
async fn a_share_is_told_and_producers_decide_for_theirs() {
    let collector = TestCollector::listen(&[]).await;
    let world = World::new(&collector.url(), |setup| setup.percent = 0);
    let unsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    for (key, trace) in [(1, None), (2, Some(unsampled)), (3, Some(super::life::TRACE))] {
        let mut life = Life::closed(key);
        life.record.said = Life::of(Uuid::from_u128(key), trace, true).record.said;
        life.keep(&world.store).await;
    }
    let mut ghost = Life::ghost(4);
    ghost.record.said = None;
    ghost.keep(&world.store).await;
    until("those are told that are wanted", || collector.roots().len() == 2).await;
    world.stop().await;
    assert_eq!(collector.roots(), [3, 4]);
}

#[tokio::test]
async fn many_share_requests_of_a_bounded_size() {
    let collector = TestCollector::listen(&[]).await;
    let world = World::new(&collector.url(), |_| {});
    for key in 0..500 {
        Life::closed(key).keep(&world.store).await;
    }
    until("all are told", || collector.roots().len() == 500).await;
    world.stop().await;
    let sizes: Vec<_> = collector
        .taken()
        .iter()
        .map(|(_, request)| request.resource_spans[0].scope_spans[0].spans.len())
        .collect();
    assert!(sizes.iter().all(|size| *size < 600) && sizes.len() < 50, "{sizes:?}");
}

#[tokio::test]
async fn without_an_endpoint_nothing_is_read() {
    let store = Arc::new(MemoryStore::new());
    let world = World::of(Arc::clone(&store), Setup::default());
    Life::closed(1).keep(&store).await;
    assert!(world.stop().await < Duration::from_millis(500));
    assert_eq!(store.cursor(READER).await.unwrap(), 0);
}
