//! The database goes away under load: it is restarted, it crashes, the connection to it is cut, it falls silent. The service stays
//! what it is, one process that nobody starts again.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use closeout_tests::{Scene, SceneOptions, wait_until};
use genesys_simulator::{JournalKind, JournalQuery, NewConversation, Simulator};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    proxy::{Mode, Proxy},
    setting::{restart_server, store, through},
};

/// How long the database is cut off, and how long it is silent; longer by `CLOSEOUT_AWAY_SECONDS`.
const AWAY: Duration = Duration::from_secs(5);

/// Within what the service is to be at work again: 5 s are promised, the rest is for a machine that has other work.
const BACK_WITHIN: Duration = Duration::from_secs(20);

/// Longer than all that the store and the service wait for: the longest is a read, with 30 s.
const MINUTE: Duration = Duration::from_secs(60);

/// Within what it is promised to be at work again after a minute.
const PROMISED: Duration = Duration::from_secs(5);

/// Producers, and the pause of each after a closure that was accepted.
const PRODUCERS: usize = 8;
const PAUSE: Duration = Duration::from_millis(60);

/// Closures between two troubles.
const USUAL: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_is_away_nothing_is_accepted_and_afterwards_all_goes_on() {
    let given = std::env::var("CLOSEOUT_AWAY_SECONDS").ok();
    let away = given.map_or(AWAY, |text| Duration::from_secs(text.parse().unwrap()));
    let (scene, proxy, load) = begin().await;
    for mode in ["fast", "immediate"] {
        load.works("under load", USUAL, BACK_WITHIN).await;
        restart_server(mode).await;
        load.works(&format!("after a restart ({mode})"), PRODUCERS, BACK_WITHIN).await;
    }
    for mode in [Mode::Closed, Mode::Silent] {
        load.works("under load", USUAL, BACK_WITHIN).await;
        away_for(away, mode, &proxy, &load, &scene).await;
        load.works(&format!("after {away:?} {mode:?}"), PRODUCERS, BACK_WITHIN).await;
    }
    end(scene, load).await;
}

/// The two that take a minute run beside other tests: `tests/postgres/run` begins them first, with a database of their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_minute_without_a_connection_is_refused_and_over_within_five_seconds() {
    a_minute(Mode::Closed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_minute_of_silence_is_refused_and_over_within_five_seconds() {
    a_minute(Mode::Silent).await;
}

async fn a_minute(mode: Mode) {
    let (scene, proxy, load) = begin().await;
    load.works("under load", USUAL, BACK_WITHIN).await;
    away_for(MINUTE, mode, &proxy, &load, &scene).await;
    load.works(&format!("after a minute {mode:?}"), 1, PROMISED).await;
    load.works("and later", USUAL, BACK_WITHIN).await;
    end(scene, load).await;
}

/// A service with a proxy before its database, under load.
async fn begin() -> (Scene, Proxy, Load) {
    let (store, proxy) = through(&store()).await;
    let scene = Scene::begin(SceneOptions {
        // A commit in doubt may hold the intent of a call that was never made; it counts as lost after 20 s.
        closing: "confirm_within = \"1s\"\ndeadline = \"300s\"\nstale_read_gap = \"500ms\"\n".to_owned(),
        store: Some(store),
        environment: vec![("RUST_LOG".to_owned(), "warn".to_owned())],
        ..SceneOptions::default()
    })
    .await;
    let load = Load::begin(&scene);
    (scene, proxy, load)
}

/// Ends the load, and looks for all that was accepted.
async fn end(mut scene: Scene, load: Load) {
    let accepted = load.end().await;
    all_are_closed(&scene, &accepted).await;
    // What the service knows by heart does not count.
    scene.kill();
    scene.start().await;
    all_are_closed(&scene, &accepted).await;
    let verdict = scene.simulator.verdict();
    assert!(verdict.clean, "{verdict:?}");
}

/// Keeps the database away, and looks at what the service says and does meanwhile.
async fn away_for(away: Duration, mode: Mode, proxy: &Proxy, load: &Load, scene: &Scene) {
    proxy.set(mode);
    load.state.period.fetch_add(1, Ordering::SeqCst);
    // What was under way comes to an end.
    tokio::time::sleep(away / 2).await;
    let simulator = &scene.simulator;
    let (calls, newest) = (simulator.verdict().calls, newest(simulator));
    tokio::time::sleep(away / 2).await;
    let (status, _) = scene.ask("GET", "/livez", None).await;
    assert_eq!(status, 200);
    assert_eq!(simulator.verdict().calls, calls, "nobody calls Genesys without a store");
    assert_eq!(taken_since(simulator, newest), 0, "no webhook is taken without a store");
    // In silence a question waits for its time-out, which a short one does not pass.
    if mode == Mode::Closed || away >= MINUTE {
        let (status, _) = scene.ask("GET", "/readyz", None).await;
        assert_eq!(status, 503, "it is not ready");
        assert!(load.state.refused.load(Ordering::SeqCst) > 0, "requests are refused");
    }
    // Before the proxy opens: what is accepted from here on may be durable.
    load.state.period.fetch_add(1, Ordering::SeqCst);
    proxy.set(Mode::Open);
}

fn newest(simulator: &Simulator) -> u64 {
    simulator.journal(&JournalQuery { limit: Some(0), ..JournalQuery::default() }).newest
}

/// How many webhooks were answered with 2xx since then.
fn taken_since(simulator: &Simulator, since: u64) -> usize {
    let query = JournalQuery {
        kind: Some(JournalKind::Delivery),
        since: Some(since),
        limit: Some(100_000),
        ..JournalQuery::default()
    };
    let entries = simulator.journal(&query).entries;
    entries.iter().filter(|entry| entry.status.is_some_and(|status| (200..300).contains(&status))).count()
}

/// Waits until none is open, and looks for each that was accepted.
async fn all_are_closed(scene: &Scene, accepted: &BTreeSet<String>) {
    let closed = wait_until(Duration::from_secs(120), || async {
        let all = closures(scene).await;
        let open = all.values().any(|state| !matches!(state.as_str(), "closed" | "already_closed"));
        let none = !open && scene.simulator.verdict().conversations_open == 0;
        // Looking at all of them is work.
        tokio::time::sleep(Duration::from_millis(200)).await;
        none.then_some(all)
    });
    let Some(all) = closed.await else {
        let mut all = closures(scene).await;
        all.retain(|_, state| !matches!(state.as_str(), "closed" | "already_closed"));
        panic!("{all:?} {:?} {}", scene.simulator.verdict(), scene.log());
    };
    let lost: Vec<_> = accepted.iter().filter(|id| !all.contains_key(*id)).collect();
    assert!(lost.is_empty(), "of {} that were accepted, these are lost: {lost:?}", accepted.len());
}

/// The states of all closures.
async fn closures(scene: &Scene) -> BTreeMap<String, String> {
    let (mut all, mut cursor) = (BTreeMap::new(), String::new());
    loop {
        let (status, page) = scene.ask("GET", &format!("/v1/closures?limit=500{cursor}"), None).await;
        assert_eq!(status, 200, "{page}");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        all.extend(
            page["items"].as_array().unwrap().iter().map(|one| (text(&one["id"]), text(&one["state"]))),
        );
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

/// Producers that ask for closures until told to end.
struct Load {
    state: Arc<State>,
    producers: JoinSet<()>,
    end: CancellationToken,
    begun: Instant,
}

struct State {
    simulator: Simulator,
    client: reqwest::Client,
    url: String,
    token: String,
    /// Odd while the database is away.
    period: AtomicU64,
    accepted: Mutex<BTreeSet<String>>,
    refused: AtomicU64,
}

impl Load {
    fn begin(scene: &Scene) -> Self {
        let state = Arc::new(State {
            simulator: scene.simulator.clone(),
            client: reqwest::Client::builder().timeout(Duration::from_secs(60)).build().unwrap(),
            url: format!("{}/v1/closures", scene.base),
            token: scene.environment()[1].1.to_owned(),
            period: AtomicU64::new(0),
            accepted: Mutex::default(),
            refused: AtomicU64::new(0),
        });
        let (mut producers, end) = (JoinSet::new(), CancellationToken::new());
        for _ in 0..PRODUCERS {
            let (state, end) = (Arc::clone(&state), end.clone());
            producers.spawn(async move {
                while !end.is_cancelled() {
                    state.close_one().await;
                    tokio::time::sleep(PAUSE).await;
                }
            });
        }
        Self { state, producers, end, begun: Instant::now() }
    }

    /// Waits until so many closures were accepted and as many have ended, and says how long that took.
    async fn works(&self, when: &str, number: usize, within: Duration) {
        let from = Instant::now();
        let (accepted, ended) = (self.accepted() + number, self.ended() + number as u64);
        let accepts = wait_until(within, || async { (self.accepted() >= accepted).then(|| from.elapsed()) });
        let ends = wait_until(within, || async { (self.ended() >= ended).then(|| from.elapsed()) });
        let (accepts, ends) = tokio::join!(accepts, ends);
        let accepts = accepts.unwrap_or_else(|| panic!("{when}: nothing is accepted"));
        let ends = ends.unwrap_or_else(|| panic!("{when}: nothing ends"));
        println!("{when}: {number} were accepted within {accepts:.2?}, and {number} ended within {ends:.2?}");
    }

    fn accepted(&self) -> usize {
        self.state.accepted.lock().unwrap().len()
    }

    fn ended(&self) -> u64 {
        self.state.simulator.verdict().wrapper_closes
    }

    /// Ends it, and answers the closures that were accepted.
    async fn end(mut self) -> BTreeSet<String> {
        self.end.cancel();
        while let Some(ended) = self.producers.join_next().await {
            ended.unwrap();
        }
        let refused = self.state.refused.load(Ordering::SeqCst);
        println!("{} accepted, {refused} times refused, in {:?}", self.accepted(), self.begun.elapsed());
        std::mem::take(&mut *self.state.accepted.lock().unwrap())
    }
}

impl State {
    /// Asks for a closure until it is accepted.
    async fn close_one(&self) {
        let made = self.simulator.create(&NewConversation::default()).unwrap();
        let conversation = made[0].conversation_id.to_string();
        let body = json!({ "conversationId": conversation });
        let accepted = wait_until(Duration::from_secs(120), || async {
            let asked = self.client.post(&self.url).bearer_auth(&self.token);
            let before = self.period.load(Ordering::SeqCst);
            let answer = asked.header("idempotency-key", &conversation).json(&body).send().await.unwrap();
            let after = self.period.load(Ordering::SeqCst);
            let status = answer.status().as_u16();
            if status == 503 {
                assert!(answer.headers().contains_key("retry-after"), "{answer:?}");
                self.refused.fetch_add(1, Ordering::SeqCst);
                return None;
            }
            assert!(matches!(status, 200 | 202), "{answer:?}");
            let was_away = before % 2 == 1 && before == after;
            assert!(!was_away, "accepted although the database was away: {answer:?}");
            let closure: Value = answer.json().await.unwrap();
            Some(closure["id"].as_str().unwrap().to_owned())
        });
        let id = accepted.await.expect("the service comes back");
        self.accepted.lock().unwrap().insert(id);
    }
}
