//! One organisation with one guest, and a queue before it.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use closure_machine::{Command, Policy, Reply, Request as Call, Subject, Target};
use evidence_log::{ReceivedFilter, ReceivedLog};
use evidence_sqs::{Adapter, Decoder, Redrive, Setup};
use genesys_client::Class;
use genesys_types::{ConversationId, Leg, LegState, Purpose, Snapshot, Span, WrapUp};
use orchestrator::{
    CallDetails, CallFacts, Config, Orchestrator, OrganisationSetup, Outcome, Permit, Record, Remote, Said,
    Submission, Submitted, SystemClock, names,
};
use store::{ClosureKey, MemoryStore, Store};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::queue::MemoryQueue;

pub const CONVERSATION: &str = "7d1b5a44-3f0e-4d0c-9f4e-0a6c2b7e9a11";
pub const GUEST: &str = "c0a5e2d6-6c2c-4b9e-8a57-1f3b5f9d2e01";
pub const SESSION: &str = "11111111-aaaa-4aaa-8aaa-000000000001";
pub const OURS: &str = "aws.partner/genesys.com/cloud/0f1e2d3c-0000-4000-8000-000000000001";

/// Far longer than anything here takes, on a clock that moves by itself.
const BOUND: Duration = Duration::from_secs(3_600);

/// Where the guest is there until it is closed, and the wrapper until it is.
#[derive(Default)]
pub struct ScriptedRemote {
    wrapper_is_closed: AtomicBool,
    pub calls: Mutex<Vec<Call>>,
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
                let guest = Leg {
                    participant: GUEST.parse().unwrap(),
                    communication: Some(SESSION.parse().unwrap()),
                    purpose: Purpose::Customer,
                    state: if over { LegState::Disconnected } else { LegState::Connected },
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

pub struct World {
    pub queue: Arc<MemoryQueue>,
    pub store: Arc<MemoryStore>,
    pub driver: Orchestrator,
    pub remote: Arc<ScriptedRemote>,
    pub log: ReceivedLog,
    pub stop: CancellationToken,
    pub adapter: Adapter,
}

impl World {
    pub async fn begin(redrive: Redrive) -> Self {
        Self::with(Arc::new(MemoryQueue::new(redrive)), None).await
    }

    pub async fn with(queue: Arc<MemoryQueue>, source: Option<&str>) -> Self {
        let store = Arc::new(MemoryStore::new());
        let remote = Arc::new(ScriptedRemote::default());
        let setup = OrganisationSetup {
            name: "main".parse().unwrap(),
            policy: Policy { confirm_within: Span::from_secs(100_000), ..Policy::default() },
            remote: Arc::clone(&remote) as Arc<dyn Remote>,
            max_open: 10,
        };
        let driver = Orchestrator::start(Config {
            store: Arc::clone(&store) as Arc<dyn Store>,
            clock: Arc::new(SystemClock::default()),
            organisations: vec![setup],
            sole_owner: true,
            retention: Span::from_secs(3_600),
            inbox_retention: Span::from_secs(48 * 3_600),
        })
        .await
        .unwrap();
        let setup = Setup {
            name: "eventbridge".to_owned(),
            organisation: "main".parse().unwrap(),
            decoder: Decoder::EventBridge,
            source: source.map(|source| source.parse().unwrap()),
        };
        let stop = CancellationToken::new();
        let adapter = Adapter::start(driver.clone(), queue.clone(), setup, stop.clone());
        Self { queue, store, driver, remote, log: adapter.log(), stop, adapter }
    }

    /// Has the conversation closed up to where its event is awaited.
    pub async fn closure_that_waits(&self) -> ClosureKey {
        let submission = Submission {
            organisation: "main".parse().unwrap(),
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

    pub async fn reaches(&self, key: ClosureKey, state: &str) -> Arc<Record> {
        let is_there = |record: &Record| names::state(&record.closure) == state;
        let record = self.driver.wait_for(key, BOUND, is_there).await.unwrap().unwrap();
        assert!(is_there(&record), "{state} is awaited, and it is {}", names::state(&record.closure));
        record
    }

    /// The results of all that came in, the first first.
    pub fn results(&self) -> Vec<&'static str> {
        let all = self.log.recent(&ReceivedFilter::default());
        all.iter().rev().map(|received| received.result.name()).collect()
    }
}

/// Waits for a state, on a clock that moves by itself when nobody works.
pub async fn until(what: &str, is_so: impl Fn() -> bool) {
    let give_up = Instant::now() + BOUND;
    while !is_so() {
        assert!(Instant::now() < give_up, "{what} does not come about");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The end of the guest, as EventBridge tells it.
pub fn guest_left(id: &str, source: &str) -> String {
    told(id, source, "customer.end", "CLIENT")
}

pub fn told(id: &str, source: &str, topic: &str, disconnect: &str) -> String {
    format!(
        r#"{{"version": "0", "id": "{id}", "detail-type": "v2.detail.events.conversation.{{id}}.{topic}",
            "source": "{source}/suffix", "account": "123456789012", "time": "2026-11-21T10:00:02Z", "region": "eu-central-1",
            "resources": [], "detail": {{"topicName": "v2.detail.events.conversation.{CONVERSATION}.{topic}",
            "version": "2", "eventBody": {{"eventTime": 1795255200000, "conversationId": "{CONVERSATION}",
            "participantId": "{GUEST}", "sessionId": "{SESSION}", "disconnectType": "{disconnect}"}}, "metadata": {{}}}}}}"#
    )
}
