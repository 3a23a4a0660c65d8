//! One API, its driver, and a remote side that does what it is asked unless it is told otherwise. Time is tokio's, paused.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use axum::{Router, body::Body};
use batches::{Batches, NoHerald, Schedule};
use closure_machine::{Candidate, Findings, Heard, Policy, ProofSource, Reply, Request, Target, What};
use genesys_client::{Class, Quota};
use genesys_types::{
    CommunicationId, ConversationId, Leg, LegState, ParticipantId, Purpose, QueueId, Snapshot, Span, Time,
    WrapUp,
};
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use orchestrator::{
    CallDetails, CallFacts, Clock, Config, Delivery, OPEN_PAGE, OpenOne, OpenPage, OpenQuery, Orchestrator,
    OrganisationSetup, Outcome, Permit, Remote, parse_closure_id,
};
use queue::MemoryQueue;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use store::{MemoryStore, Store as _};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use uuid::Uuid;

use crate::{
    AccessKey, ApiState, HookStanding, Keys, MetricsPage, ReceivedHook, ReceivedHooks, Role, RowReader,
    ShownConfiguration, Version, router,
};

/// What is counted.
const METRICS: &str = "closeout_up 1\ncloseout_closures_open{org=\"main\",state=\"ghost\"} 1\ncloseout_adapter_silent{adapter=\"relay\"} 0\n";

/// When every test begins.
pub(super) const START: i64 = 1_795_252_504_712;

struct VirtualClock(Instant);

impl Clock for VirtualClock {
    fn now(&self) -> Time {
        Time::from_millis(START + i64::try_from(self.0.elapsed().as_millis()).unwrap())
    }
}

/// What the remote side knows of a conversation.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Truth {
    pub(super) guest_left: bool,
    pub(super) agent: bool,
    pub(super) ended: bool,
    /// An agent of this queue has left and not given the wrap-up.
    pub(super) wraps_up_for: Option<QueueId>,
    /// An agent of this queue has left, and owes nothing.
    pub(super) was_left_by: Option<QueueId>,
}

/// The remote side of every organisation.
#[derive(Default)]
pub(super) struct TestRemote {
    pub(super) truth: Mutex<BTreeMap<ConversationId, Truth>>,
    /// The open conversations of each external id.
    pub(super) known: Mutex<BTreeMap<String, Vec<ConversationId>>>,
    /// What is answered to the next calls instead.
    pub(super) instead: Mutex<VecDeque<Outcome>>,
    /// What is listed as open.
    pub(super) listed: Mutex<Vec<OpenOne>>,
    /// Whether closes have an effect.
    pub(super) deaf: Mutex<bool>,
    /// Whether an event tells of the guest's end.
    pub(super) mute: Mutex<bool>,
    /// Whether the quota is used up.
    pub(super) used_up: Mutex<bool>,
    /// What an organisation may ask, where it has a limit.
    pub(super) quota: OnceLock<Quota>,
    listener: OnceLock<Orchestrator>,
}

impl TestRemote {
    fn answer(&self, conversation: ConversationId, request: Request) -> Reply {
        let deaf = *self.deaf.lock().unwrap();
        let mut all = self.truth.lock().unwrap();
        let Some(truth) = all.get_mut(&conversation) else { return Reply::NotFound };
        match request {
            Request::LookUp => panic!("a lookup is asked of no conversation"),
            Request::Read => Reply::Saw(snapshot(conversation, *truth)),
            Request::CloseParticipant(_) => {
                truth.guest_left |= !deaf;
                if !deaf && !*self.mute.lock().unwrap() {
                    self.tell(conversation);
                }
                Reply::Accepted(None)
            }
            Request::CloseWrapper(_) | Request::Disconnect => {
                truth.ended |= !deaf;
                Reply::Accepted(None)
            }
            Request::GiveWrapUp { .. } => Reply::Accepted(None),
        }
    }

    /// Sends the event of the guest's end.
    pub(super) fn tell(&self, conversation: ConversationId) {
        let orchestrator = self.listener.get().unwrap().clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let delivery = end_of_guest(conversation, orchestrator.now());
            orchestrator.deliver(delivery).await.unwrap();
        });
    }
}

/// The event of a guest's end.
pub(super) fn end_of_guest(conversation: ConversationId, at: Time) -> Delivery {
    Delivery {
        organisation: "main".parse().unwrap(),
        adapter: "eventbridge".to_owned(),
        event_type: "v2.detail.events.conversation.{id}.customer.end".to_owned(),
        event_id: format!("event-of-{conversation}"),
        digest: [0; 32],
        received_at: at,
        conversation: Some(conversation),
        heard: Some(Heard {
            source: ProofSource::Webhook,
            occurred_at: at,
            what: What::GuestLeft {
                participant: Some(guest(conversation)),
                communication: Some(session(conversation)),
            },
        }),
    }
}

#[async_trait]
impl Remote for TestRemote {
    fn try_permit(&self, _: Class) -> Result<Permit, Duration> {
        if *self.used_up.lock().unwrap() { Err(Duration::from_secs(1)) } else { Ok(Permit::new(())) }
    }

    async fn changed(&self) {
        std::future::pending::<()>().await;
    }

    async fn call(
        &self,
        _: Permit,
        conversation: ConversationId,
        request: Request,
        _: CallDetails,
    ) -> Outcome {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let instead = self.instead.lock().unwrap().pop_front();
        instead.unwrap_or_else(|| {
            let reply = self.answer(conversation, request);
            let facts = CallFacts { status: Some(200), took_ms: 5, ..CallFacts::default() };
            Outcome { reply, facts }
        })
    }

    async fn look_up(&self, _: Permit, target: &Target) -> Outcome {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let instead = self.instead.lock().unwrap().pop_front();
        let found = match target {
            Target::ExternalId(id) => self.known.lock().unwrap().get(&**id).cloned(),
            Target::Attribute { name, value } => {
                self.known.lock().unwrap().get(&format!("{name}={value}")).cloned()
            }
        };
        instead.unwrap_or_else(|| {
            let candidate = |conversation| Candidate {
                conversation,
                started_at: Some(Time::from_millis(START)),
                queue: None,
            };
            let found = found.unwrap_or_default().into_iter().map(candidate).collect();
            let facts = CallFacts { status: Some(200), took_ms: 5, ..CallFacts::default() };
            Outcome { reply: Reply::LookedUp(Findings::Open(found)), facts }
        })
    }
}

impl TestRemote {
    async fn list(&self, page: usize) -> Result<OpenPage, Outcome> {
        tokio::time::sleep(Duration::from_millis(5)).await;
        if let Some(instead) = self.instead.lock().unwrap().pop_front() {
            return Err(instead);
        }
        let listed = self.listed.lock().unwrap();
        let shown: Vec<_> = listed.iter().skip((page - 1) * OPEN_PAGE).take(OPEN_PAGE).cloned().collect();
        Ok(OpenPage { rows: shown.len(), promised: Some(listed.len() as u64), shown })
    }
}

struct Connection(Arc<TestRemote>);

#[async_trait]
impl Remote for Connection {
    fn try_permit(&self, class: Class) -> Result<Permit, Duration> {
        self.0.try_permit(class)
    }

    fn quota(&self) -> Option<&Quota> {
        self.0.quota.get()
    }

    fn page_of(&self, conversation: ConversationId) -> Option<String> {
        Some(format!("https://apps.example/{conversation}"))
    }

    async fn changed(&self) {
        self.0.changed().await;
    }

    async fn call(
        &self,
        permit: Permit,
        conversation: ConversationId,
        request: Request,
        details: CallDetails,
    ) -> Outcome {
        self.0.call(permit, conversation, request, details).await
    }

    async fn open_conversations(&self, _: Permit, _: &OpenQuery, page: usize) -> Result<OpenPage, Outcome> {
        self.0.list(page).await
    }

    async fn look_up(&self, permit: Permit, target: &Target) -> Outcome {
        self.0.look_up(permit, target).await
    }
}

fn guest(conversation: ConversationId) -> ParticipantId {
    ParticipantId::from_uuid(Uuid::from_u128(conversation.uuid().as_u128() ^ (1 << 100)))
}

fn session(conversation: ConversationId) -> CommunicationId {
    CommunicationId::from_uuid(Uuid::from_u128(conversation.uuid().as_u128() ^ (2 << 100)))
}

fn snapshot(conversation: ConversationId, truth: Truth) -> Snapshot {
    let leg = |purpose, participant, communication, there: bool| Leg {
        participant,
        communication,
        purpose,
        state: if there { LegState::Connected } else { LegState::Disconnected },
        disconnect_type: None,
        disconnected_at: None,
        wrap_up: WrapUp::NotRequired,
        user: None,
        queue: None,
    };
    let there = !truth.ended;
    let mut legs = vec![
        leg(Purpose::Customer, guest(conversation), Some(session(conversation)), there && !truth.guest_left),
        leg(Purpose::Acd, ParticipantId::from_uuid(Uuid::from_u128(9)), None, there),
    ];
    if truth.was_left_by.is_some() {
        let agent = leg(Purpose::Agent, ParticipantId::from_uuid(Uuid::from_u128(12)), None, false);
        legs.push(Leg { wrap_up: WrapUp::Done, queue: truth.was_left_by, ..agent });
    }
    if truth.wraps_up_for.is_some() {
        let agent = leg(Purpose::Agent, ParticipantId::from_uuid(Uuid::from_u128(11)), None, false);
        legs.push(Leg { wrap_up: WrapUp::Pending, queue: truth.wraps_up_for, ..agent });
    }
    if truth.agent {
        legs.push(leg(Purpose::Agent, ParticipantId::from_uuid(Uuid::from_u128(10)), None, there));
    }
    Snapshot { ended_at: truth.ended.then_some(Time::from_millis(START)), legs }
}

/// Hooks that received two requests.
struct TwoHooks;

impl ReceivedHooks for TwoHooks {
    fn results(&self) -> Vec<&'static str> {
        vec!["taken", "bad_signature"]
    }

    fn standings(&self) -> Vec<HookStanding> {
        let standing = |organisation: &str, last_event_at| HookStanding {
            name: "open-messaging".to_owned(),
            organisation: organisation.parse().unwrap(),
            last_event_at,
            last_refused_at: None,
        };
        vec![standing("main", Some(Time::from_millis(START))), standing("other", None)]
    }

    fn latest(&self, wanted: &dyn Fn(&ReceivedHook) -> bool, limit: usize) -> Vec<ReceivedHook> {
        let received = |result: &str, organisation: &str| ReceivedHook {
            at: Time::from_millis(START),
            hook: "open-messaging".to_owned(),
            organisation: Some(organisation.parse().unwrap()),
            result: result.to_owned(),
            why: None,
            event_type: None,
            event_id: None,
            conversation: None,
        };
        [received("taken", "main"), received("bad_signature", "other")]
            .into_iter()
            .filter(|hook| wanted(hook))
            .take(limit)
            .collect()
    }
}

/// One API and everything behind it.
pub(super) struct World {
    pub(super) router: Router,
    pub(super) orchestrator: Orchestrator,
    pub(super) remote: Arc<TestRemote>,
    pub(super) store: Arc<MemoryStore>,
    /// Where the commands of the source `orders` come from, which is `main`'s.
    pub(super) queue: MemoryQueue,
    /// Who may call.
    pub(super) keys: Keys,
    /// What `/v1/config` says, and how it was last read again.
    pub(super) configuration: ShownConfiguration,
    /// Ends the streams.
    pub(super) stop: CancellationToken,
}

/// An answer, read.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}: {self:?}")).to_str().unwrap()
    }

    /// Asserts that this is a problem of that status and code, and returns it.
    #[track_caller]
    pub(super) fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["type"], format!("urn:closeout:problem:{code}"));
        for member in ["title", "detail", "fix"] {
            assert!(problem[member].as_str().is_some_and(|text| text.len() > 8), "{member}: {problem}");
        }
        assert!(problem["retryable"].is_boolean());
        problem
    }

    #[track_caller]
    pub(super) fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/json");
        self.json()
    }
}

/// The keys of the world: one for each role in `main`, and an admin of `other`.
pub(super) const KEYS: [(&str, Role, &str); 5] = [
    ("submit", Role::Submit, "main"),
    ("read", Role::Read, "main"),
    ("operate", Role::Operate, "main"),
    ("admin", Role::Admin, "main"),
    ("stranger", Role::Admin, "other"),
];

/// A key of this role for these organisations.
pub(super) fn key(name: &str, role: Role, organisations: &[&str]) -> AccessKey {
    AccessKey {
        name: name.to_owned(),
        sha256: Sha256::digest(format!("key-of-{name}")).into(),
        role,
        organisations: organisations.iter().map(|name| name.parse().unwrap()).collect(),
    }
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with(Policy::default(), 1_000).await
    }

    pub(super) async fn with(policy: Policy, max_open: usize) -> Self {
        Self::scheduled(policy, max_open, Vec::new()).await
    }

    /// One that scans at intervals.
    pub(super) async fn scheduled(policy: Policy, max_open: usize, schedules: Vec<Schedule>) -> Self {
        let remote = Arc::new(TestRemote::default());
        let store = Arc::new(MemoryStore::new());
        let setup = |name: &str| OrganisationSetup {
            name: name.parse().unwrap(),
            policy: policy.clone(),
            remote: Arc::new(Connection(Arc::clone(&remote))),
            max_open,
        };
        let orchestrator = Orchestrator::start(Config {
            store: Arc::clone(&store) as Arc<dyn store::Store>,
            clock: Arc::new(VirtualClock(Instant::now())),
            organisations: vec![setup("main"), setup("other")],
            sole_owner: true,
            retention: Span::from_secs(30 * 24 * 3_600),
            inbox_retention: Span::from_secs(25 * 3_600),
        })
        .await
        .unwrap();
        assert!(remote.listener.set(orchestrator.clone()).is_ok());
        let keys = Keys::new(KEYS.map(|(name, role, organisation)| key(name, role, &[organisation])).into());
        let stop = CancellationToken::new();
        let batches = Batches::start(
            Arc::clone(&store) as Arc<dyn store::Store>,
            orchestrator.clone(),
            Arc::new(RowReader),
            Arc::new(NoHerald),
            schedules,
            CancellationToken::new(),
        );
        let callbacks = super::deliveries::callbacks(&store).await;
        let queue = MemoryQueue::new(Duration::from_secs(30));
        let sources = super::queues::sources(&store, &orchestrator, &callbacks, &queue);
        let configuration = ShownConfiguration::new(json!({ "server": { "listen": "127.0.0.1:8080" } }));
        let router = router(ApiState {
            orchestrator: orchestrator.clone(),
            store: Arc::clone(&store) as Arc<dyn store::Store>,
            keys: keys.clone(),
            version: Version { version: "1.2.3", commit: None },
            configuration: configuration.clone(),
            received: Arc::new(TwoHooks),
            adapters: Arc::new(super::looks::adapters),
            callbacks,
            batches,
            sources,
            metrics: MetricsPage { render: Arc::new(|| METRICS.to_owned()), open: false },
            connections: 1_000_000,
            stop: stop.clone(),
        });
        Self { router, orchestrator, remote, store, queue, keys, configuration, stop }
    }

    /// The id of a conversation that is there.
    pub(super) fn conversation(&self, number: u128) -> String {
        self.conversation_with(number, Truth::default())
    }

    pub(super) fn conversation_with(&self, number: u128, truth: Truth) -> String {
        let id = ConversationId::from_uuid(Uuid::from_u128((0x2f7b << 112) | number));
        self.remote.truth.lock().unwrap().insert(id, truth);
        id.to_string()
    }

    /// Lets lookups find these conversations under an external id, or under `name=value`.
    pub(super) fn known(&self, id: &str, conversations: &[&str]) {
        let conversations = conversations.iter().map(|id| id.parse().unwrap()).collect();
        self.remote.known.lock().unwrap().insert(id.to_owned(), conversations);
    }

    /// The answer to a request; of a stream its first piece.
    pub(super) async fn send(&self, request: http::Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, mut body) = response.into_parts();
        if head.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream") {
            let piece = body.frame().await.unwrap().unwrap().into_data().unwrap();
            let text = String::from_utf8(piece.to_vec()).unwrap();
            return Answer { status: head.status, headers: head.headers, text };
        }
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status,
            headers: head.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.get_as("admin", path, &[]).await
    }

    pub(super) async fn get_as(&self, key: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(request("GET", key, path, headers, Body::empty())).await
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Answer {
        self.post_as("admin", path, body, &[]).await
    }

    pub(super) async fn post_as(
        &self,
        key: &str,
        path: &str,
        body: Value,
        headers: &[(&str, &str)],
    ) -> Answer {
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        self.send(request("POST", key, path, headers, body)).await
    }

    /// Requests the close of a conversation and returns the closure's id.
    /// The `traceparent` that is kept of a closure's command.
    pub(super) async fn trace_of(&self, id: &str) -> Option<String> {
        let key = parse_closure_id(id).unwrap();
        let record = self.orchestrator.closure(key).await.unwrap().unwrap();
        Some(record.said.as_ref()?.trace?.to_string())
    }

    pub(super) async fn submit(&self, conversation: &str) -> String {
        let answer = self.post("/v1/closures", json!({ "conversationId": conversation })).await.ok(202);
        answer["id"].as_str().unwrap().to_owned()
    }

    /// The closure, once it is in this state. Time is virtual, so the bound costs nothing.
    pub(super) async fn until(&self, id: &str, state: &str) -> Value {
        for _ in 0..10_000 {
            let closure = self.get(&format!("/v1/closures/{id}")).await.ok(200);
            if closure["state"] == state {
                return closure;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{id} never became {state}");
    }

    /// Makes the stored record of a closure unreadable.
    pub(super) async fn spoil(&self, id: &str) {
        let key = parse_closure_id(id).unwrap();
        let row = self.store.load(key).await.unwrap().unwrap();
        let version = row.version;
        let garbled = store::Row { body: "{\"form\":1".into(), version: version + 1, ..row };
        let commit = store::Commit { closure: Some((garbled, version)), ..store::Commit::default() };
        self.store.commit(commit).await.unwrap();
    }

    /// A ghost: its close was accepted, nothing follows, and its time is over.
    pub(super) async fn ghost(&self, number: u128) -> String {
        self.ghost_of(&self.conversation(number)).await
    }

    /// The same of a conversation that there is.
    pub(super) async fn ghost_of(&self, conversation: &str) -> String {
        *self.remote.deaf.lock().unwrap() = true;
        let id = self.submit(conversation).await;
        self.until(&id, "ghost").await;
        id
    }
}

pub(super) fn request(
    method: &str,
    key: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Body,
) -> http::Request<Body> {
    let mut request = http::Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    if !key.is_empty() {
        request = request.header(header::AUTHORIZATION, format!("Bearer key-of-{key}"));
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body).unwrap()
}
