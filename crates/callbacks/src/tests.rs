//! The service against a receiver that does as it is told, in virtual time; and against a real one on loopback.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use axum::{
    Router,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect},
    routing::post,
};
use closure_machine::{Command, Moment, Policy, Subject, accept};
use genesys_types::{ConversationId, Time};
use orchestrator::{Callback, Clock, Entry, Record, Said};
use secrecy::SecretString;
use serde_json::Value;
use store::{Commit, DeliveryFilter, Line, MemoryStore, Store};
use tokio::{net::TcpListener, time::Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use webhook_signature::{Scheme, WebhookSignature};

use crate::{
    Advisor, AllowedHosts, Callbacks, Ears, Format, Hint, NoAdapters, NoAdvice, NotTaken, Owed, Receiver,
    Setup,
    fate::Outcome,
    outbox::{Outbox, Place, READER},
    post::{HttpPost, Letter, Post, that_may_be_connected_to},
    silence::{Held, tests::Scripted},
};

mod attacks;
mod chats;
mod silence;

const START: i64 = 1_795_252_504_712;
const CLOSED: &str = "closeout.closure.closed.v1";

struct VirtualClock(Instant);

impl Clock for VirtualClock {
    fn now(&self) -> Time {
        Time::from_millis(START + i64::try_from(self.0.elapsed().as_millis()).unwrap())
    }
}

/// A receiver for each host: the answers that it gives in turn, the last of them for ever.
#[derive(Default)]
struct Receivers {
    answers: Mutex<HashMap<String, Vec<Outcome>>>,
    got: Mutex<Vec<(String, Instant, String)>>,
}

impl Receivers {
    fn answer(&self, host: &str, outcomes: impl IntoIterator<Item = Outcome>) {
        self.answers.lock().unwrap().insert(host.to_owned(), outcomes.into_iter().collect());
    }

    fn got(&self, host: &str) -> Vec<(Instant, String)> {
        let got = self.got.lock().unwrap();
        got.iter().filter(|(to, ..)| to == host).map(|(_, at, id)| (*at, id.clone())).collect()
    }
}

#[async_trait]
impl Post for Receivers {
    async fn post(&self, letter: Letter) -> Outcome {
        // By name and path where a test says so, else by name alone.
        let full = format!(
            "{}{}",
            &letter.url[url::Position::BeforeHost..url::Position::AfterPort],
            letter.url.path()
        );
        let known = self.answers.lock().unwrap().contains_key(&full);
        let host = if known { full } else { letter.url.host_str().unwrap().to_owned() };
        let id = letter.signature.iter().find(|(name, _)| name == "webhook-id").unwrap().1.clone();
        self.got.lock().unwrap().push((host.clone(), Instant::now(), id));
        let outcome = {
            let mut all = self.answers.lock().unwrap();
            let answers = all.get_mut(&host).unwrap();
            if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() }
        };
        if matches!(outcome, Outcome::NoAnswer(_)) {
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
        outcome
    }
}

fn status(status: u16) -> Outcome {
    Outcome::Answered { status, retry_after: None }
}

fn signature() -> Arc<WebhookSignature> {
    let secret = SecretString::from("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz".to_owned());
    Arc::new(WebhookSignature::new(Scheme::StandardWebhooks, vec![secret]).unwrap())
}

fn setup(hosts: &[&str]) -> Setup {
    let hosts: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
    Setup { allowed: AllowedHosts::read(&hosts).unwrap(), signature: Some(signature()), ..Setup::default() }
}

struct World {
    store: Arc<MemoryStore>,
    ears: Arc<Scripted>,
    receivers: Arc<Receivers>,
    callbacks: Callbacks,
    stop: CancellationToken,
}

impl World {
    fn new(setup: Setup) -> Self {
        Self::with(setup, Arc::new(MemoryStore::new()), Arc::new(Receivers::default()))
    }

    fn with(setup: Setup, store: Arc<MemoryStore>, receivers: Arc<Receivers>) -> Self {
        Self::hearing(Arc::default(), setup, store, receivers)
    }

    fn hearing(
        ears: Arc<Scripted>,
        setup: Setup,
        store: Arc<MemoryStore>,
        receivers: Arc<Receivers>,
    ) -> Self {
        let clock = Arc::new(VirtualClock(Instant::now()));
        let stop = CancellationToken::new();
        let shared = Arc::clone(&store) as Arc<dyn Store>;
        let post = Arc::clone(&receivers) as Arc<dyn Post>;
        let heard = Arc::clone(&ears) as Arc<dyn Ears>;
        let callbacks = Callbacks::start(setup, shared, clock, heard, Arc::new(NoAdvice), post, stop.clone());
        Self { store, ears, receivers, callbacks, stop }
    }

    async fn owed(&self) -> Vec<Owed> {
        self.callbacks.list(&DeliveryFilter::default(), None, 1_000).await.unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Commits a closure with a callback, and the line that announces these events.
async fn announce(store: &MemoryStore, url: Option<&str>, on: &[&str], events: &[&str]) -> Uuid {
    announce_at(store, url, on, events, START).await
}

async fn announce_at(store: &MemoryStore, url: Option<&str>, on: &[&str], events: &[&str], at: i64) -> Uuid {
    let conversation = ConversationId::from_uuid(Uuid::new_v4());
    let command = Command {
        subject: Subject::Conversation(conversation),
        participant: None,
        not_before: None,
        follows: 0,
    };
    let moment = Moment { now: Time::from_millis(START), may_call: true };
    let on = on.iter().map(|word| (*word).to_owned()).collect();
    let record = Record {
        key: Uuid::now_v7(),
        organisation: "main".parse().unwrap(),
        closure: accept(&command, &Policy::default(), moment).next,
        said: Some(Box::new(Said {
            callback: url.map(|url| Callback { url: url.to_owned(), on }),
            labels: vec![("team".to_owned(), "checkout".to_owned())],
            ..Said::default()
        })),
        source: Arc::from("http"),
        updated_at: Time::from_millis(START),
        confirmed_by: None,
        participant_closed_at: None,
        follows: None,
        followed_by: None,
        further_requests: 0,
        handling: None,
        seen_in: None,
        correlations: None,
    };
    let announces: Vec<_> = events.iter().map(|event| (*event).to_owned()).collect();
    let entry = Entry { to: "closed".to_owned(), announces, ..Entry::default() };
    let line = Line {
        sequence: 1,
        at,
        kind: "replied".to_owned(),
        announcement: events.last().map(|event| (*event).to_owned()),
        body: serde_json::to_vec(&entry).unwrap().into(),
    };
    store
        .commit(Commit { closure: Some((record.row(), 0)), lines: vec![line], ..Commit::default() })
        .await
        .unwrap();
    record.key
}

/// Moves virtual time on until it is so, at most ten days.
async fn until<T>(what: impl AsyncFn() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(10 * 86_400);
    while Instant::now() < end {
        if let Some(it) = what().await {
            return it;
        }
        tokio::time::advance(Duration::from_millis(250)).await;
        tokio::task::yield_now().await;
    }
    panic!("it did not come to be");
}

#[tokio::test(start_paused = true)]
async fn every_event_in_on_is_told_once_and_no_other() {
    let world = World::new(setup(&["shop.example"]));
    world.receivers.answer("shop.example", [status(204)]);
    let events = ["closeout.closure.participant-closed.v1", "closeout.closure.confirmed.v1", CLOSED];
    announce(&world.store, Some("https://shop.example/a?key=secret"), &["closed", "confirmed"], &events)
        .await;
    let owed = until(async || Some(world.owed().await).filter(|owed| owed.len() == 2)).await;
    until(async || world.owed().await.iter().all(|owed| owed.result == "delivered").then_some(())).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let mut got: Vec<_> = world.receivers.got("shop.example").into_iter().map(|(_, id)| id).collect();
    got.sort();
    assert_eq!(got, ["ev_0000000000000001", "ev_0000000000000001-1"]);
    assert_eq!(owed[0].shown_url(), "https://shop.example/a", "a query may hold a secret");
    let event: Value = serde_json::from_str(&owed[0].body.payload).unwrap();
    assert_eq!(event["type"], owed[0].body.event_type);
    assert_eq!(event["data"]["labels"]["team"], "checkout");
    assert_eq!(event["data"]["sequence"], 1);
    assert_eq!(event["subject"], event["data"]["conversationId"]);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_fails_is_tried_at_growing_intervals_and_given_up_after_twelve_tries() {
    let world = World::new(setup(&["shop.example"]));
    world.receivers.answer("shop.example", [status(500)]);
    announce(&world.store, Some("https://shop.example/"), &["closed"], &[CLOSED]).await;
    let owed = until(async || world.owed().await.pop().filter(|owed| owed.result == "given_up")).await;
    assert_eq!((owed.body.attempts, owed.body.status), (12, Some(500)));
    let at: Vec<_> = world.receivers.got("shop.example").into_iter().map(|(at, _)| at).collect();
    assert_eq!(at.len(), 12);
    let waits: Vec<_> = at.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
    for (wait, whole) in waits.iter().zip([5.0, 15.0, 45.0, 135.0, 405.0, 1_215.0, 3_600.0]) {
        assert!((whole / 2.0..=whole + 1.0).contains(wait), "{waits:?}");
    }
    world.receivers.answer("shop.example", [status(200)]);
    world.callbacks.redeliver(owed.key).await.unwrap().unwrap();
    until(async || world.owed().await.pop().filter(|owed| owed.result == "delivered")).await;
    assert_eq!(world.receivers.got("shop.example").len(), 13);
}

#[tokio::test(start_paused = true)]
async fn what_a_receiver_refuses_as_it_is_fails_after_three_tries_in_a_row() {
    let world = World::new(setup(&["shop.example", "hiccup.example"]));
    world.receivers.answer("shop.example", [status(500), status(401), status(503), status(401)]);
    world.receivers.answer("hiccup.example", [status(404), status(404), status(204)]);
    announce(&world.store, Some("https://shop.example/"), &["closed"], &[CLOSED]).await;
    announce(&world.store, Some("https://hiccup.example/"), &["closed"], &[CLOSED]).await;
    let settled = |owed: &[Owed]| owed.len() == 2 && owed.iter().all(|owed| owed.due_at.is_none());
    let mut owed = until(async || Some(world.owed().await).filter(|owed| settled(owed))).await;
    owed.sort_by(|one, other| one.lane.cmp(&other.lane));
    assert_eq!((owed[0].result.as_str(), owed[0].body.attempts), ("delivered", 3));
    let failed = &owed[1];
    assert_eq!((failed.result.as_str(), failed.body.attempts, failed.body.status), ("failed", 6, Some(401)));
    assert_eq!(failed.body.why.as_deref(), Some("the receiver lets nobody in with this signature"));
    // An operator who has put it right begins anew, with three tries again.
    world.callbacks.redeliver(failed.key).await.unwrap().unwrap();
    until(async || (world.receivers.got("shop.example").len() == 9).then_some(())).await;
    until(async || world.owed().await.iter().all(|owed| owed.due_at.is_none()).then_some(())).await;
    assert_eq!(world.receivers.got("shop.example").len(), 9);
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_410_ends_it_and_one_of_429_is_waited_for() {
    let world = World::new(setup(&["gone.example", "busy.example"]));
    world.receivers.answer("gone.example", [status(410)]);
    let busy = Outcome::Answered { status: 429, retry_after: Some(Duration::from_secs(120)) };
    world.receivers.answer("busy.example", [busy, status(200)]);
    announce(&world.store, Some("https://gone.example/"), &["closed"], &[CLOSED]).await;
    announce(&world.store, Some("https://busy.example/"), &["closed"], &[CLOSED]).await;
    let settled = |owed: &[Owed]| owed.len() == 2 && owed.iter().all(|owed| owed.due_at.is_none());
    let owed = until(async || Some(world.owed().await).filter(|owed| settled(owed))).await;
    let mut results: Vec<_> = owed.into_iter().map(|owed| owed.result).collect();
    results.sort();
    assert_eq!((results[0].as_str(), results[1].as_str()), ("delivered", "gone"));
    assert_eq!(world.receivers.got("gone.example").len(), 1);
    let at = world.receivers.got("busy.example");
    assert!(at[1].0 - at[0].0 >= Duration::from_secs(120), "{at:?}");
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_never_answers_holds_up_nobody_else() {
    let world = World::new(setup(&["dead.example", "shop.example"]));
    world.receivers.answer("dead.example", [Outcome::NoAnswer("no answer in time")]);
    world.receivers.answer("shop.example", [status(200)]);
    for _ in 0..300 {
        announce(&world.store, Some("https://dead.example/"), &["closed"], &[CLOSED]).await;
    }
    announce(&world.store, Some("https://shop.example/"), &["closed"], &[CLOSED]).await;
    let begun = Instant::now();
    until(async || (!world.receivers.got("shop.example").is_empty()).then_some(())).await;
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert!(world.receivers.got("dead.example").len() <= 4);
}

#[tokio::test(start_paused = true)]
async fn what_was_noted_and_not_posted_is_posted_after_the_next_start() {
    let store = Arc::new(MemoryStore::new());
    announce(&store, Some("https://shop.example/"), &["closed"], &[CLOSED]).await;
    // The process ends between the note and the post.
    let setup = setup(&["shop.example"]);
    let outbox = Outbox {
        store: &*store,
        setup: &setup,
        clock: &orchestrator::SystemClock::default(),
        ears: &NoAdapters,
        advisor: &NoAdvice,
    };
    let now = Time::from_millis(START);
    let mut place = Place::read(&*store, now).await.unwrap();
    let passed = outbox.pass(&mut place, &mut Held::default(), now).await.unwrap();
    assert_eq!((passed.lines, passed.owed), (1, 1));
    let receivers = Arc::new(Receivers::default());
    receivers.answer("shop.example", [status(200)]);
    let world = World::with(setup.clone(), store, receivers);
    until(async || world.owed().await.pop().filter(|owed| owed.result == "delivered")).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.receivers.got("shop.example").len(), 1, "the line is not passed twice");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_makes_nobody_be_told_over_and_over() {
    let world = World::new(setup(&["shop.example"]));
    world.receivers.answer("shop.example", [Outcome::NoAnswer("the connection broke off"), status(200)]);
    announce(&world.store, Some("https://shop.example/"), &["closed"], &[CLOSED]).await;
    until(async || (!world.receivers.got("shop.example").is_empty()).then_some(())).await;
    world.store.set_unavailable(true);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(world.receivers.got("shop.example").len(), 1);
    world.store.set_unavailable(false);
    until(async || world.owed().await.pop().filter(|owed| owed.result == "delivered")).await;
    assert_eq!(world.receivers.got("shop.example").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_not_allowed_any_more_is_not_posted_to() {
    let store = Arc::new(MemoryStore::new());
    announce(&store, Some("https://shop.example/"), &["closed"], &[CLOSED]).await;
    let world = World::with(setup(&["other.example"]), store, Arc::new(Receivers::default()));
    let owed = until(async || world.owed().await.pop().filter(|owed| owed.result == "refused")).await;
    assert_eq!(owed.body.why.unwrap(), "shop.example is not in callbacks.allowed_hosts");
    assert!(world.receivers.got("shop.example").is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_happened_long_ago_is_told_to_nobody() {
    let world = World::new(setup(&["shop.example"]));
    let before = START - 73 * 3_600_000;
    announce_at(&world.store, Some("https://shop.example/"), &["closed"], &[CLOSED], before).await;
    until(async || (world.store.cursor(READER).await.unwrap() == 1).then_some(())).await;
    assert!(world.owed().await.is_empty());
}

#[test]
fn a_command_is_told_why_its_callback_cannot_be_taken() {
    let check = |setup: Setup, url: &str| {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _guard = runtime.enter();
        let clock = Arc::new(VirtualClock(Instant::now()));
        let (ears, post) = (Arc::new(NoAdapters), Arc::new(Receivers::default()));
        Callbacks::start(setup, store, clock, ears, Arc::new(NoAdvice), post, CancellationToken::new())
            .check(url)
    };
    assert_eq!(check(setup(&["shop.example"]), "https://shop.example/a"), Ok(()));
    assert_eq!(check(setup(&[]), "https://shop.example/a"), Err(NotTaken::NotConfigured));
    let unsigned = Setup { signature: None, ..setup(&["shop.example"]) };
    assert_eq!(check(unsigned, "https://shop.example/a"), Err(NotTaken::NotConfigured));
    assert!(matches!(check(setup(&["shop.example"]), "https://a.example/"), Err(NotTaken::Forbidden(_))));
}

/// A receiver on loopback, and every request that it got.
async fn real_receiver() -> (String, Arc<Mutex<Vec<(HeaderMap, String)>>>) {
    let got = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&got);
    let take = move |headers: HeaderMap, body: String| async move {
        keep.lock().unwrap().push((headers, body));
        StatusCode::NO_CONTENT
    };
    let busy = || async { (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "7")]).into_response() };
    let never = || async { std::future::pending::<StatusCode>().await };
    let huge = || async { vec![b'a'; 4 * 1024 * 1024] };
    let router = Router::new()
        .route("/take", post(take))
        .route("/busy", post(busy))
        .route("/never", post(never))
        .route("/huge", post(huge))
        .route("/elsewhere", post(|| async { Redirect::temporary("/take") }));
    let listener = TcpListener::bind("127.0.0.1:443").await.unwrap();
    let place = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (place, got)
}

fn letter(url: &str) -> Letter {
    Letter {
        url: url.parse().unwrap(),
        content_type: "application/json",
        signature: Vec::new(),
        body: "{}".to_owned(),
    }
}

#[tokio::test]
async fn answers_of_a_real_receiver_are_read_and_redirects_are_not_followed() {
    let (place, got) = real_receiver().await;
    let allowed = AllowedHosts::read(std::slice::from_ref(&place)).unwrap();
    let http = HttpPost::new(allowed, Duration::from_secs(2)).unwrap();
    let at = |path: &str| letter(&format!("http://{place}{path}"));
    assert_eq!(http.post(at("/take")).await, status(204));
    assert_eq!(http.post(at("/elsewhere")).await, status(307));
    assert_eq!(http.post(at("/nowhere")).await, status(404));
    assert_eq!(http.post(at("/huge")).await, status(200));
    let busy = Outcome::Answered { status: 503, retry_after: Some(Duration::from_secs(7)) };
    assert_eq!(http.post(at("/busy")).await, busy);
    assert_eq!(http.post(at("/never")).await, Outcome::NoAnswer("no answer in time"));
    assert_eq!(got.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_name_that_leads_to_addresses_that_are_not_allowed_is_not_connected_to() {
    let found = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
    let allowed = AllowedHosts::read(&["shop.example".to_owned()]).unwrap();
    let all = found(&["127.0.0.1:443", "93.184.215.14:443", "10.0.0.1:443"]);
    assert_eq!(
        that_may_be_connected_to(&allowed, "shop.example", all).unwrap(),
        found(&["93.184.215.14:443"])
    );
    let private = found(&["127.0.0.1:443", "[::1]:443", "169.254.169.254:443"]);
    let error = that_may_be_connected_to(&allowed, "shop.example", private).unwrap_err();
    assert_eq!(error.to_string(), "the name leads to no address that is allowed");
}

#[tokio::test]
async fn a_real_receiver_gets_signed_events_and_a_chat_its_line() {
    let (place, got) = real_receiver().await;
    let receiver = |name: &str, on: &str, format, signature| Receiver {
        name: name.to_owned(),
        organisation: "main".parse().unwrap(),
        url: format!("http://{place}/take").parse().unwrap(),
        on: vec![on.to_owned()],
        format,
        signature,
    };
    let mut setup = setup(&[&place]);
    setup.receivers = vec![
        receiver("events", "closed", Format::CloudEvents, Some(signature())),
        receiver("chat", "ghost", Format::Chat, None),
    ];
    let store = Arc::new(MemoryStore::new());
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    let ghost = "closeout.closure.ghost-detected.v1";
    let key = announce_at(&store, None, &[], &[ghost, CLOSED], now).await;
    let clock = Arc::new(orchestrator::SystemClock::default());
    let stop = CancellationToken::new();
    let post = Arc::new(HttpPost::new(setup.allowed.clone(), setup.timeout).unwrap());
    let callbacks =
        Callbacks::start(setup, store, clock, Arc::new(NoAdapters), Arc::new(NoAdvice), post, stop.clone());
    let end = Instant::now() + Duration::from_secs(10);
    while got.lock().unwrap().len() < 2 {
        assert!(Instant::now() < end, "{:?}", callbacks.list(&DeliveryFilter::default(), None, 9).await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stop.cancel();
    callbacks.stopped(Duration::from_secs(5)).await;
    let got = got.lock().unwrap();
    let (signed, chats): (Vec<_>, Vec<_>) =
        got.iter().partition(|(headers, _)| headers.contains_key("webhook-signature"));
    let (headers, body) = signed[0];
    let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    signature().verify(headers, body.as_bytes(), now / 1_000).unwrap();
    let event: Value = serde_json::from_str(body).unwrap();
    assert_eq!((event["type"].as_str(), event["specversion"].as_str()), (Some(CLOSED), Some("1.0")));
    assert_eq!(event["data"]["id"], orchestrator::closure_id(key));
    let chat: Value = serde_json::from_str(&chats[0].1).unwrap();
    assert!(
        chat["text"].as_str().unwrap().starts_with("Ghost: not proven to be closed: conversation "),
        "{chat}"
    );
    assert_eq!(chat.as_object().unwrap().len(), 1);
}
