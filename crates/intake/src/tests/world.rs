//! One organisation whose guests stay until they are closed, and a queue before it.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use closure_machine::{Act, Command, Policy, Reply, Request as Call, Subject, Target};
use genesys_client::Class;
use genesys_types::{ConversationId, Leg, LegState, Organisation, Purpose, Snapshot, Span, Time, WrapUp};
use orchestrator::{
    CallDetails, CallFacts, Clock, Config, Operation, Orchestrator, OrganisationSetup, Outcome, Permit,
    Record, Remote, Said,
};
use queue::{Headers, MemoryQueue, Outgoing, Source};
use sha2::{Digest, Sha256};
use store::{Filter, MemoryStore, Order, Store};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{Asked, Commands, Decoder, Refusal, Replies, Setup, SourceStanding, Sources};

/// Far longer than anything here takes, on a clock that moves by itself.
const BOUND: Duration = Duration::from_secs(3_600);

/// How long the broker holds a message for whoever received it.
const HELD: Duration = Duration::from_secs(30);

/// The clock of Tokio, which moves by itself when nobody has anything to do.
struct VirtualClock(Instant);

impl Clock for VirtualClock {
    fn now(&self) -> Time {
        let passed = i64::try_from(self.0.elapsed().as_millis()).unwrap();
        Time::from_millis(1_795_252_504_712 + passed)
    }
}

/// Where every conversation has one guest, who is there until the wrapper is closed.
#[derive(Default)]
struct Guests {
    gone: Mutex<HashSet<ConversationId>>,
}

#[async_trait]
impl Remote for Guests {
    fn try_permit(&self, _: Class) -> Result<Permit, Duration> {
        Ok(Permit::new(()))
    }

    async fn changed(&self) {
        std::future::pending::<()>().await;
    }

    async fn call(&self, _: Permit, conversation: ConversationId, call: Call, _: CallDetails) -> Outcome {
        let mut gone = self.gone.lock().unwrap();
        let reply = match call {
            Call::Read => {
                let state =
                    if gone.contains(&conversation) { LegState::Disconnected } else { LegState::Connected };
                let guest = Leg {
                    participant: Uuid::from_u128(conversation.uuid().as_u128() + 1)
                        .to_string()
                        .parse()
                        .unwrap(),
                    communication: Some(conversation.to_string().parse().unwrap()),
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
            Call::CloseParticipant(_) => {
                gone.insert(conversation);
                Reply::Accepted(None)
            }
            Call::CloseWrapper(_) | Call::GiveWrapUp { .. } | Call::Disconnect => Reply::Accepted(None),
            Call::LookUp => Reply::Rejected,
        };
        Outcome { reply, facts: CallFacts::default() }
    }

    async fn look_up(&self, _: Permit, _: &Target) -> Outcome {
        Outcome { reply: Reply::Rejected, facts: CallFacts::default() }
    }
}

/// Reads the id of a conversation, and refuses it as long as it is told to.
#[derive(Default)]
pub(super) struct Ids {
    pub(super) refuses: AtomicBool,
}

impl Commands for Ids {
    fn read(&self, _: &Organisation, body: &[u8], _: Time) -> Result<Asked, Refusal> {
        let refused = |reason| Refusal { reason, field: None, detail: "It is no command.".to_owned() };
        if self.refuses.load(Ordering::SeqCst) {
            return Err(refused("invalid_field"));
        }
        let text = std::str::from_utf8(body).ok().and_then(|text| text.parse().ok());
        let conversation: ConversationId = text.ok_or_else(|| refused("invalid_json"))?;
        let subject = Subject::Conversation(conversation);
        Ok(Asked {
            command: Command { subject, participant: None, not_before: None, follows: 0 },
            said: Said::default(),
            digest: Sha256::digest(body).into(),
            dry_run: false,
        })
    }
}

pub(super) struct World {
    pub(super) queue: MemoryQueue,
    pub(super) store: Arc<MemoryStore>,
    pub(super) driver: Orchestrator,
    pub(super) commands: Arc<Ids>,
    pub(super) sources: Sources,
    replies: Replies,
    stop: CancellationToken,
}

impl World {
    pub(super) async fn begin() -> Self {
        Self::with(1_000, Replies::default()).await
    }

    pub(super) async fn with(max_open: usize, replies: Replies) -> Self {
        let store = Arc::new(MemoryStore::new());
        let setup = OrganisationSetup {
            name: "main".parse().unwrap(),
            policy: Policy { confirm_within: Span::from_secs(20), ..Policy::default() },
            remote: Arc::new(Guests::default()),
            max_open,
        };
        let driver = Orchestrator::start(Config {
            store: Arc::clone(&store) as Arc<dyn Store>,
            clock: Arc::new(VirtualClock(Instant::now())),
            organisations: vec![setup],
            sole_owner: true,
            retention: Span::from_secs(30 * 86_400),
            inbox_retention: Span::from_secs(48 * 3_600),
        })
        .await
        .unwrap();
        let queue = MemoryQueue::new(HELD);
        let commands = Arc::new(Ids::default());
        let stop = CancellationToken::new();
        let sources = start(&store, &driver, &commands, &queue, &replies, &stop);
        Self { queue, store, driver, commands, sources, replies, stop }
    }

    /// Stops the sources and starts them again, on the same store and queue.
    pub(super) async fn restart(&mut self) {
        self.stop_sources().await;
        self.stop = CancellationToken::new();
        let Self { store, driver, commands, queue, replies, stop, .. } = &*self;
        self.sources = start(store, driver, commands, queue, replies, stop);
    }

    pub(super) async fn stop_sources(&self) {
        self.stop.cancel();
        self.sources.stopped(BOUND).await;
    }

    /// Publishes a command for the conversation with this number.
    pub(super) fn command(&self, number: u32) {
        self.publish(Some(&format!("order-{number}")), None, &conversation(number));
    }

    pub(super) fn publish(&self, id: Option<&str>, reply_to: Option<&str>, body: &str) {
        self.queue.publish(Outgoing {
            id: id.map(str::to_owned),
            headers: Headers::default(),
            reply_to: reply_to.map(str::to_owned),
            body: Bytes::from(body.to_owned()),
        });
    }

    pub(super) async fn closures(&self) -> Vec<Record> {
        let rows = self.store.list(&Filter::default(), Order::OldestFirst, None, 10_000).await.unwrap();
        rows.iter().map(|row| Record::from_row(row).unwrap()).collect()
    }

    pub(super) async fn standing(&self) -> SourceStanding {
        self.sources.standings().await.unwrap().swap_remove(0)
    }

    /// Calls off every open closure.
    pub(super) async fn cancel_all(&self) {
        for record in self.closures().await.into_iter().filter(|record| !record.closure.has_ended()) {
            let operation = Operation {
                act: Act::Cancel,
                by: "ops".to_owned(),
                role: "operate",
                reason: None,
                batch: None,
                note: None,
                if_version: None,
            };
            self.driver.act(record.key, operation).await.unwrap();
        }
    }
}

fn start(
    store: &Arc<MemoryStore>,
    driver: &Orchestrator,
    commands: &Arc<Ids>,
    queue: &MemoryQueue,
    replies: &Replies,
    stop: &CancellationToken,
) -> Sources {
    let setup = Setup {
        name: "orders".to_owned(),
        kind: "memory",
        organisation: "main".parse().unwrap(),
        decoder: Decoder::Plain,
        replies: replies.clone(),
    };
    let source: Arc<dyn Source> = Arc::new(queue.source());
    Sources::start(
        Arc::clone(store) as Arc<dyn Store>,
        driver.clone(),
        Arc::clone(commands) as Arc<dyn Commands>,
        vec![(setup, source)],
        Some("https://closeout.example".to_owned()),
        stop,
    )
}

/// The conversation with this number.
pub(super) fn conversation(number: u32) -> String {
    Uuid::from_u128(0x2f7b_f00a_0fc2_4d6a_9b56_0000_0000_0000 + u128::from(number) * 0x100).to_string()
}

/// Moves virtual time on until it is so.
pub(super) async fn until<T>(what: &str, is_so: impl AsyncFn() -> Option<T>) -> T {
    let end = Instant::now() + BOUND;
    while Instant::now() < end {
        if let Some(it) = is_so().await {
            return it;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{what}: it did not come to be");
}
