//! A simulated Genesys, the driver, and an adapter between them.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use closure_machine::{Command, Policy, Subject};
use evidence_log::ReceivedLog;
use genesys_client::{Client, ClientConfig, Credentials, QuotaConfig, Region};
use genesys_simulator::{
    DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET, DEFAULT_QUEUE, DelayRange, NewConversation, Quota, Simulator,
    SimulatorBuilder,
};
use genesys_types::{ConversationId, Span};
use notification_socket::{Adapter, Limits, Settings, StandingBoard};
use orchestrator::{
    Config, GenesysRemote, Orchestrator, OrganisationSetup, Record, Said, Submission, Submitted, SystemClock,
};
use store::{ClosureKey, MemoryStore};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long a test waits for a state before it fails.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct World {
    pub simulator: Simulator,
    pub driver: Orchestrator,
    pub board: StandingBoard,
    pub log: ReceivedLog,
    adapter: Option<Adapter>,
    stop: CancellationToken,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub fn quick() -> SimulatorBuilder {
    Simulator::builder()
        .quota(Quota::unlimited())
        .effect_delay(DelayRange::millis(1, 10))
        .event_delay(DelayRange::millis(1, 20))
}

/// Reconnects fast, as every connection of these tests is short.
pub fn hasty() -> Limits {
    Limits {
        lasting: Span::from_millis(20),
        backoff: Span::from_millis(10),
        backoff_most: Span::from_millis(100),
        ..Limits::default()
    }
}

/// A policy under which only events, and reads after a gap, lead on in the time of a test.
pub fn patient() -> Policy {
    Policy { confirm_within: Span::from_secs(300), deadline: Span::from_secs(600), ..Policy::default() }
}

pub fn messages() -> Box<str> {
    format!("v2.routing.queues.{DEFAULT_QUEUE}.conversations.messages").into()
}

impl World {
    pub async fn begin(builder: SimulatorBuilder, policy: Policy) -> Self {
        Self::listening_to(builder, policy, vec![messages()], hasty()).await
    }

    pub async fn listening_to(
        builder: SimulatorBuilder,
        policy: Policy,
        topics: Vec<Box<str>>,
        limits: Limits,
    ) -> Self {
        let simulator = builder.build().unwrap();
        let stop = CancellationToken::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (serving, stopping) = (simulator.clone(), stop.clone());
        tokio::spawn(async move { serving.serve(listener, stopping).await });
        let credentials =
            Credentials::Client { id: DEFAULT_CLIENT_ID.into(), secret: DEFAULT_CLIENT_SECRET.into() };
        let name: genesys_types::Organisation = "main".parse().unwrap();
        let mut config = ClientConfig::new(name.clone(), Region::parse(&address).unwrap(), credentials);
        config.quota = QuotaConfig { requests_per_window: 0, max_in_flight: 32, ..QuotaConfig::default() };
        let client = Client::new(config).unwrap();
        let driver = Orchestrator::start(Config {
            store: Arc::new(MemoryStore::new()),
            clock: Arc::new(SystemClock::default()),
            organisations: vec![OrganisationSetup {
                name: name.clone(),
                policy,
                remote: Arc::new(GenesysRemote::new(client.clone())),
                max_open: 10_000,
            }],
            sole_owner: true,
            retention: Span::from_secs(86_400),
            inbox_retention: Span::from_secs(26 * 3_600),
        })
        .await
        .unwrap();
        let settings = Settings { name: "socket".to_owned(), organisation: name, topics, limits };
        let adapter = Adapter::start(settings, client, driver.clone(), stop.clone());
        let (board, log) = (adapter.board(), adapter.log());
        let world = Self { simulator, driver, board, log, adapter: Some(adapter), stop };
        world.until("the adapter listens", || world.listens()).await;
        world
    }

    pub fn listens(&self) -> bool {
        self.board.standing().connected_since.is_some()
            && self.simulator.channels().iter().any(|one| one.open)
    }

    pub async fn stopped(mut self) {
        self.stop.cancel();
        self.adapter.take().unwrap().stopped().await;
    }

    /// A conversation with a guest, and the closure of it.
    pub async fn submit(&self) -> (uuid::Uuid, ClosureKey) {
        let made = self.simulator.create(&NewConversation::default()).unwrap()[0];
        let submission = Submission {
            organisation: "main".parse().unwrap(),
            command: Command {
                subject: Subject::Conversation(ConversationId::from_uuid(made.conversation_id)),
                participant: None,
                not_before: None,
                follows: 0,
            },
            said: Said::default(),
            source: Arc::from("test"),
            key: None,
            follows: None,
        };
        match self.driver.submit(submission).await.unwrap() {
            Submitted::Accepted(record)
            | Submitted::Attached(record)
            | Submitted::Repeated { record, .. } => (made.conversation_id, record.key),
        }
    }

    /// The closure, closed.
    pub async fn closed(&self, key: ClosureKey) -> Arc<Record> {
        let ended = |record: &Record| record.closure.has_ended();
        let record = self.driver.wait_for(key, PATIENCE, ended).await.unwrap().unwrap();
        assert_eq!(orchestrator::names::state(&record.closure), "closed", "{:?}", record.closure);
        record
    }

    pub async fn until(&self, what: &str, holds: impl Fn() -> bool) {
        eventually(what, || std::future::ready(holds())).await;
    }
}

pub async fn eventually<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
