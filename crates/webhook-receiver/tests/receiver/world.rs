//! One organisation with one guest, and hooks of every kind before it.

use std::{
    cell::RefCell,
    io,
    sync::{
        Arc, Mutex, Once,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::{Router, body::Body};
use bytes::Bytes;
use closure_machine::{Command, Policy, Reply, Request as Call, Subject, Target};
use genesys_client::Class;
use genesys_types::{ConversationId, Leg, LegState, Organisation, Purpose, Snapshot, Span, WrapUp};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use orchestrator::{
    CallDetails, CallFacts, Config, Orchestrator, OrganisationSetup, Outcome, Permit, Record, Remote, Said,
    Submission, Submitted, SystemClock, names,
};
use store::{ClosureKey, InboxEntry, MemoryStore};
use tower::ServiceExt as _;
use tracing::Level;
use webhook_receiver::{Decoder, Hook, Received, ReceivedFilter, ReceivedLog, Receiver};
use webhook_signature::{Scheme, SecretString, WebhookSignature};

/// The receiver's wall clock: 2026-11-21T10:00:00Z.
pub const NOW: i64 = 1_795_255_200;
pub const CONVERSATION: &str = "7d1b5a44-3f0e-4d0c-9f4e-0a6c2b7e9a11";
pub const GUEST: &str = "c0a5e2d6-6c2c-4b9e-8a57-1f3b5f9d2e01";
pub const SESSION: &str = "11111111-aaaa-4aaa-8aaa-000000000001";
pub const SECRET: &str = "canary-secret-of-the-hook-1";
pub const OTHER_SECRET: &str = "canary-secret-of-the-hook-2";

/// Far longer than anything here takes.
const BOUND: Duration = Duration::from_secs(20);

/// Where the guest of [`CONVERSATION`] is there until it is closed, and the wrapper until it is.
#[derive(Default)]
struct ScriptedRemote {
    wrapper_is_closed: AtomicBool,
    calls: Mutex<Vec<Call>>,
}

#[async_trait]
impl Remote for ScriptedRemote {
    fn try_permit(&self, _: Class) -> Result<Permit, Duration> {
        Ok(Permit::new(()))
    }

    async fn changed(&self) {
        std::future::pending::<()>().await;
    }

    async fn call(&self, _: Permit, _: ConversationId, call: Call, _: CallDetails) -> Outcome {
        self.calls.lock().unwrap().push(call);
        let reply = match call {
            Call::Read => {
                let over = self.wrapper_is_closed.load(Ordering::SeqCst);
                let state = if over { LegState::Disconnected } else { LegState::Connected };
                let guest = Leg {
                    participant: GUEST.parse().unwrap(),
                    communication: Some(SESSION.parse().unwrap()),
                    purpose: Purpose::Customer,
                    state,
                    disconnect_type: None,
                    disconnected_at: None,
                    wrap_up: WrapUp::NotRequired,
                    user: None,
                    queue: None,
                };
                Reply::Saw(Snapshot { ended_at: None, legs: vec![guest] })
            }
            Call::CloseWrapper(_) => {
                self.wrapper_is_closed.store(true, Ordering::SeqCst);
                Reply::Accepted(None)
            }
            Call::CloseParticipant(_) | Call::GiveWrapUp { .. } | Call::Disconnect => Reply::Accepted(None),
            Call::LookUp => Reply::Rejected,
        };
        Outcome { reply, facts: CallFacts::default() }
    }

    async fn look_up(&self, _: Permit, _: &Target) -> Outcome {
        Outcome { reply: Reply::Rejected, facts: CallFacts::default() }
    }
}

/// Everything at once.
pub struct World {
    pub router: Router,
    pub received: ReceivedLog,
    pub store: Arc<MemoryStore>,
    pub driver: Orchestrator,
    /// How often a signature was looked at: each look asks the clock once.
    pub verifications: Arc<AtomicUsize>,
    remote: Arc<ScriptedRemote>,
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl World {
    /// A world with the hooks `signed` (GitHub's scheme, one secret, decoder `auto`) and `open` (unsigned), both of
    /// the organisation `main`.
    pub async fn begin() -> Self {
        let unsigned = WebhookSignature::new(Scheme::Unsigned, Vec::new()).unwrap();
        Self::with(vec![hook("signed", "main", signature(&[SECRET])), hook("open", "main", unsigned)]).await
    }

    pub async fn with(hooks: Vec<Hook>) -> Self {
        log_by_thread();
        let store = Arc::new(MemoryStore::new());
        let remote = Arc::new(ScriptedRemote::default());
        let setup = |name: &str| OrganisationSetup {
            name: name.parse().unwrap(),
            policy: Policy::default(),
            remote: Arc::clone(&remote) as Arc<dyn Remote>,
            max_open: 10,
        };
        let driver = Orchestrator::start(Config {
            store: Arc::clone(&store) as Arc<dyn store::Store>,
            clock: Arc::new(SystemClock::default()),
            organisations: vec![setup("main"), setup("other")],
            sole_owner: true,
            retention: Span::from_secs(3_600),
            inbox_retention: Span::from_secs(48 * 3_600),
        })
        .await
        .unwrap();
        let verifications = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&verifications);
        let receiver = Receiver::new(driver.clone(), hooks).unwrap().with_wall_clock(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            NOW
        });
        let received = receiver.received();
        Self { router: receiver.router(), received, store, driver, remote, verifications }
    }

    /// Sends a request as it is.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        Answer { status: head.status, headers: head.headers, body: body.collect().await.unwrap().to_bytes() }
    }

    /// Posts JSON with these headers.
    pub async fn post(&self, hook: &str, headers: &[(String, String)], body: &str) -> Answer {
        self.send(request(hook, headers, body.to_owned())).await
    }

    /// Posts JSON to the hook `signed`, signed with its secret.
    pub async fn post_signed(&self, body: &str) -> Answer {
        self.post("signed", &signed_by(&signature(&[SECRET]), body), body).await
    }

    /// Has the conversation closed up to where its webhook is awaited.
    pub async fn closure_that_waits(&self) -> ClosureKey {
        let submission = Submission {
            organisation: organisation(),
            command: Command {
                subject: Subject::Conversation(CONVERSATION.parse().unwrap()),
                participant: None,
                not_before: None,
                follows: 0,
            },
            said: Said::default(),
            source: Arc::from("test"),
            key: None,
            follows: None,
        };
        let Submitted::Accepted(record) = self.driver.submit(submission).await.unwrap() else {
            panic!("a new closure");
        };
        self.reaches(record.key, "awaiting_confirmation").await;
        record.key
    }

    /// The closure once it is in this state.
    pub async fn reaches(&self, key: ClosureKey, state: &str) -> Arc<Record> {
        let is_there = |record: &Record| names::state(&record.closure) == state;
        let record = self.driver.wait_for(key, BOUND, is_there).await.unwrap().unwrap();
        assert!(is_there(&record), "{state} is awaited, and it is {}", names::state(&record.closure));
        record
    }

    pub async fn state(&self, key: ClosureKey) -> &'static str {
        names::state(&self.driver.closure(key).await.unwrap().unwrap().closure)
    }

    pub async fn inbox(&self) -> Vec<InboxEntry> {
        self.driver.inbox(100).await.unwrap()
    }

    /// What came in last.
    pub fn last(&self) -> Received {
        self.received.recent(&ReceivedFilter::default()).remove(0)
    }

    /// The results of all that came in, the first first.
    pub fn results(&self) -> Vec<&'static str> {
        let all = self.received.recent(&ReceivedFilter::default());
        all.iter().rev().map(|received| received.result.name()).collect()
    }

    pub fn calls(&self) -> Vec<Call> {
        self.remote.calls.lock().unwrap().clone()
    }
}

impl Answer {
    /// The body as a problem.
    pub fn problem(&self) -> serde_json::Value {
        assert_eq!(self.headers["content-type"], "application/problem+json");
        serde_json::from_slice(&self.body).unwrap()
    }
}

pub fn organisation() -> Organisation {
    "main".parse().unwrap()
}

pub fn signature(secrets: &[&str]) -> WebhookSignature {
    let secrets = secrets.iter().map(|secret| SecretString::from(*secret)).collect();
    WebhookSignature::new(Scheme::HubSha256Hex, secrets).unwrap()
}

pub fn hook(name: &str, organisation: &str, signature: WebhookSignature) -> Hook {
    Hook {
        name: name.to_owned(),
        organisation: organisation.parse().unwrap(),
        signature,
        decoder: Decoder::Auto,
    }
}

pub fn signed_by(signature: &WebhookSignature, body: &str) -> Vec<(String, String)> {
    signature.sign(Some("msg_1"), NOW, body.as_bytes()).unwrap()
}

pub fn request(hook: &str, headers: &[(String, String)], body: impl Into<Body>) -> Request<Body> {
    let mut builder = Request::builder()
        .method(Method::POST)
        .uri(format!("/hooks/{hook}"))
        .header("content-type", "application/json");
    for (name, value) in headers {
        builder = builder.header(name, value);
    }
    builder.body(body.into()).unwrap()
}

/// The end of the guest, as Genesys' own notification tells it.
pub fn guest_left() -> String {
    format!(
        r#"{{"topicName": "v2.detail.events.conversation.{CONVERSATION}.customer.end", "version": "2",
            "eventBody": {{"eventTime": {NOW}000, "conversationId": "{CONVERSATION}",
            "participantId": "{GUEST}", "sessionId": "{SESSION}", "disconnectType": "CLIENT"}}}}"#
    )
}

/// The plain form, with an id of its own.
pub fn plain(event_id: &str, state: &str) -> String {
    format!(
        r#"{{"eventId": "{event_id}", "conversationId": "{CONVERSATION}", "participantId": "{GUEST}",
            "communicationId": "{SESSION}", "state": "{state}"}}"#
    )
}

thread_local! {
    /// What was logged since the world on this thread began. The runtime of a test has no other thread.
    static LOGGED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// All that was logged since the world on this thread began.
pub fn logged_by_this_test() -> String {
    LOGGED.with_borrow(|logged| String::from_utf8(logged.clone()).unwrap())
}

/// One subscriber for the whole process: tracing remembers for each callsite whether anybody listens, so tests with
/// and without a subscriber of their own would disturb each other.
fn log_by_thread() {
    static ONCE: Once = Once::new();
    LOGGED.take();
    ONCE.call_once(|| {
        tracing_subscriber::fmt().with_max_level(Level::TRACE).with_writer(|| ThisThread).init();
    });
}

struct ThisThread;

impl io::Write for ThisThread {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOGGED.with_borrow_mut(|logged| logged.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
