//! The world: one remote side that knows the truth, and any number of drivers on one store.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use closure_machine::{Command, Heard, Policy, ProofSource, Reply, Request, What};
use genesys_client::Class;
use genesys_types::{
    CommunicationId, ConversationId, Leg, LegState, Organisation, ParticipantId, Purpose, Snapshot, Span,
    Time, WrapUp,
};
use orchestrator::{
    CallDetails, CallFacts, Clock, Config, Delivery, Orchestrator, OrganisationSetup, Outcome, Permit,
    Record, Remote, Said, Submission, Submitted,
};
use store::{
    ClosureKey, Commit, CommitRefused, Filter, InboxEntry, KeyEntry, MemoryStore, Millis, Order, PlacedLine,
    Quarantined, Row, Store, StoreUnavailable, Tally,
};
use tokio::{sync::Notify, time::Instant};
use uuid::Uuid;

/// Time as tokio's paused clock tells it.
pub struct VirtualClock(Instant);

impl Clock for VirtualClock {
    fn now(&self) -> Time {
        let passed = i64::try_from(self.0.elapsed().as_millis()).unwrap();
        Time::from_millis(1_795_255_200_000 + passed)
    }
}

/// What goes wrong with one call.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// It is answered so and has no effect.
    Instead(Reply),
    /// It has its effect, and its answer is lost.
    AnswerLost,
    /// It is answered with 2xx, and nothing follows.
    Ignored,
}

impl Fault {
    /// Whether the remote side looks at the call at all. What it turns away unseen may be asked again.
    fn is_looked_at(&self) -> bool {
        !matches!(
            self,
            Self::Instead(
                Reply::NotSent | Reply::RateLimited(_) | Reply::Forbidden(_) | Reply::Unauthenticated
            )
        )
    }
}

#[derive(Debug, Default)]
pub struct Truth {
    pub legs: BTreeMap<CommunicationId, (ParticipantId, Purpose, bool)>,
    pub ended: bool,
    pub calls: Vec<Request>,
    pub wrapper_asked_while_guest_was_there: u32,
    pub asked_since_read: Vec<Request>,
    pub repeated: u32,
    pub webhooks: VecDeque<Heard>,
}

/// The remote side of one organisation.
pub struct SimRemote {
    pub truth: Mutex<BTreeMap<ConversationId, Truth>>,
    faults: Mutex<BTreeMap<u64, Fault>>,
    calls: AtomicU64,
    permits: Mutex<Option<u32>>,
    changed: Notify,
    pub webhooks: AtomicBool,
    pub webhook_after: Mutex<Duration>,
    listener: Mutex<Option<Orchestrator>>,
    clock: Arc<VirtualClock>,
}

impl SimRemote {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ConversationId, Truth>> {
        self.truth.lock().unwrap()
    }

    /// Lets the call number `n` (from 1, over all conversations) go wrong.
    pub fn fault(&self, n: u64, fault: Fault) {
        self.faults.lock().unwrap().insert(n, fault);
    }

    /// Hands out that many permits and no more, until more are given.
    pub fn limit_permits(&self, permits: u32) {
        *self.permits.lock().unwrap() = Some(permits);
        self.changed.notify_waiters();
    }

    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    fn snapshot(truth: &Truth, now: Time) -> Snapshot {
        let legs = truth.legs.iter().map(|(communication, (participant, purpose, there))| Leg {
            participant: *participant,
            communication: Some(*communication),
            purpose: *purpose,
            state: if *there { LegState::Connected } else { LegState::Disconnected },
            disconnect_type: None,
            disconnected_at: None,
            wrap_up: WrapUp::NotRequired,
            user: None,
            queue: None,
        });
        Snapshot { ended_at: truth.ended.then_some(now), legs: legs.collect() }
    }

    fn perform(&self, conversation: ConversationId, request: Request, ignored: bool) -> Reply {
        let now = self.clock.now();
        let mut all = self.lock();
        let Some(truth) = all.get_mut(&conversation) else { return Reply::NotFound };
        if ignored {
            return if request.is_write() {
                Reply::Accepted(None)
            } else {
                Reply::Saw(Self::snapshot(truth, now))
            };
        }
        match request {
            Request::Read => {
                truth.asked_since_read.clear();
                Reply::Saw(Self::snapshot(truth, now))
            }
            Request::CloseParticipant(participant) => {
                for (communication, leg) in &mut truth.legs {
                    if leg.0 == participant && leg.2 {
                        leg.2 = false;
                        truth.webhooks.push_back(Heard {
                            source: ProofSource::Webhook,
                            occurred_at: now,
                            what: What::GuestLeft {
                                participant: Some(participant),
                                communication: Some(*communication),
                            },
                        });
                    }
                }
                Reply::Accepted(None)
            }
            Request::CloseWrapper(_) | Request::Disconnect => {
                truth.legs.values_mut().for_each(|leg| leg.2 = false);
                truth.ended = true;
                Reply::Accepted(Some(Self::snapshot(truth, now)))
            }
            Request::GiveWrapUp { .. } => Reply::Accepted(None),
        }
    }

    fn record(&self, conversation: ConversationId, request: Request, looked_at: bool) {
        let mut all = self.lock();
        let Some(truth) = all.get_mut(&conversation) else { return };
        truth.calls.push(request);
        if request.is_write() && looked_at {
            if truth.asked_since_read.contains(&request) {
                truth.repeated += 1;
            }
            truth.asked_since_read.push(request);
        }
        let guest_is_there =
            truth.legs.values().any(|(_, purpose, there)| *purpose == Purpose::Customer && *there);
        if matches!(request, Request::CloseWrapper(_)) && guest_is_there {
            truth.wrapper_asked_while_guest_was_there += 1;
        }
    }

    async fn send_webhooks(&self, conversation: ConversationId) {
        let delay = *self.webhook_after.lock().unwrap();
        tokio::time::sleep(delay).await;
        loop {
            let heard = self.lock().get_mut(&conversation).and_then(|truth| truth.webhooks.pop_front());
            let Some(heard) = heard else { return };
            if !self.webhooks.load(Ordering::SeqCst) {
                continue;
            }
            let event_id = Uuid::new_v4().to_string();
            // A real relay repeats until it is answered.
            for _ in 0..20 {
                let listener = self.listener.lock().unwrap().clone();
                let Some(listener) = listener else { return };
                if listener.deliver(delivery(conversation, heard.clone(), &event_id)).await.is_ok() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
    }
}

/// One driver's view of the remote side. A driver that has crashed reaches nothing.
struct Connection {
    remote: Arc<SimRemote>,
    alive: Arc<AtomicBool>,
}

#[async_trait]
impl Remote for Connection {
    fn try_permit(&self, _class: Class) -> Result<Permit, Duration> {
        match &mut *self.remote.permits.lock().unwrap() {
            None => Ok(Permit::new(())),
            Some(0) => Err(Duration::from_secs(1)),
            Some(left) => {
                *left -= 1;
                Ok(Permit::new(()))
            }
        }
    }

    async fn changed(&self) {
        self.remote.changed.notified().await;
    }

    async fn call(
        &self,
        _: Permit,
        conversation: ConversationId,
        request: Request,
        _: CallDetails,
    ) -> Outcome {
        let remote = &self.remote;
        if !self.alive.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        let number = remote.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let fault = remote.faults.lock().unwrap().remove(&number);
        remote.record(conversation, request, fault.as_ref().is_none_or(Fault::is_looked_at));
        let reply = match fault {
            Some(Fault::Instead(reply)) => reply,
            Some(Fault::AnswerLost) => {
                remote.perform(conversation, request, false);
                Reply::Unknown
            }
            Some(Fault::Ignored) => remote.perform(conversation, request, true),
            None => remote.perform(conversation, request, false),
        };
        let sender = Arc::clone(remote);
        tokio::spawn(async move { sender.send_webhooks(conversation).await });
        tokio::time::sleep(Duration::from_millis(5)).await;
        Outcome { reply, facts: CallFacts { status: Some(200), ..CallFacts::default() } }
    }
}

/// A store as one driver sees it: from a certain commit on, the driver is as good as dead.
pub struct Lifeline {
    inner: Arc<MemoryStore>,
    alive: Arc<AtomicBool>,
    commits_left: AtomicU64,
}

impl Lifeline {
    fn check_alive(&self) -> Result<(), StoreUnavailable> {
        match self.alive.load(Ordering::SeqCst) {
            true => Ok(()),
            false => Err(StoreUnavailable { why: "this driver has crashed".to_owned() }),
        }
    }
}

#[async_trait]
impl Store for Lifeline {
    async fn commit(&self, commit: Commit) -> Result<(), CommitRefused> {
        self.check_alive().map_err(CommitRefused::Unavailable)?;
        // As a commit to a disk it is under way for a while before and after it is durable.
        tokio::task::yield_now().await;
        let result = self.inner.commit(commit).await;
        tokio::task::yield_now().await;
        if self.commits_left.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.alive.store(false, Ordering::SeqCst);
            // The commit is durable and nobody learns of it.
            return Err(CommitRefused::Unavailable(StoreUnavailable {
                why: "crashed after the commit".to_owned(),
            }));
        }
        result
    }

    async fn load(&self, key: ClosureKey) -> Result<Option<Row>, StoreUnavailable> {
        self.check_alive()?;
        self.inner.load(key).await
    }

    async fn open_of(&self, organisation: &str, conversation: Uuid) -> Result<Option<Row>, StoreUnavailable> {
        self.inner.open_of(organisation, conversation).await
    }

    async fn due(&self, now: Millis, limit: usize) -> Result<Vec<Row>, StoreUnavailable> {
        self.check_alive()?;
        self.inner.due(now, limit).await
    }

    async fn open_after(
        &self,
        after: Option<ClosureKey>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreUnavailable> {
        self.inner.open_after(after, limit).await
    }

    async fn list(
        &self,
        filter: &Filter,
        order: Order,
        after: Option<(Millis, ClosureKey)>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreUnavailable> {
        self.inner.list(filter, order, after, limit).await
    }

    async fn tally(&self, filter: &Filter) -> Result<Vec<Tally>, StoreUnavailable> {
        self.inner.tally(filter).await
    }

    async fn journal(&self, key: ClosureKey) -> Result<Vec<PlacedLine>, StoreUnavailable> {
        self.inner.journal(key).await
    }

    async fn announcements(&self, after: u64, limit: usize) -> Result<Vec<PlacedLine>, StoreUnavailable> {
        self.inner.announcements(after, limit).await
    }

    async fn switch(&self, name: &str) -> Result<bool, StoreUnavailable> {
        self.inner.switch(name).await
    }

    async fn set_switch(&self, name: &str, on: bool) -> Result<(), StoreUnavailable> {
        self.check_alive()?;
        self.inner.set_switch(name, on).await
    }

    async fn cursor(&self, name: &str) -> Result<u64, StoreUnavailable> {
        self.inner.cursor(name).await
    }

    async fn move_cursor(&self, name: &str, position: u64) -> Result<(), StoreUnavailable> {
        self.inner.move_cursor(name, position).await
    }

    async fn key(&self, scope: &str, key: &str) -> Result<Option<KeyEntry>, StoreUnavailable> {
        self.inner.key(scope, key).await
    }

    async fn inbox(&self, limit: usize) -> Result<Vec<InboxEntry>, StoreUnavailable> {
        self.inner.inbox(limit).await
    }

    async fn quarantine(&self, record: Quarantined) -> Result<(), StoreUnavailable> {
        self.inner.quarantine(record).await
    }

    async fn quarantined(&self) -> Result<Vec<Quarantined>, StoreUnavailable> {
        self.inner.quarantined().await
    }

    async fn prune(
        &self,
        rows_before: Millis,
        inbox_before: Millis,
        limit: usize,
    ) -> Result<u64, StoreUnavailable> {
        self.inner.prune(rows_before, inbox_before, limit).await
    }

    async fn close(&self) -> Result<(), StoreUnavailable> {
        self.inner.close().await
    }

    async fn check(&self) -> Result<(), StoreUnavailable> {
        self.check_alive()?;
        self.inner.check().await
    }
}

/// Everything at once.
pub struct World {
    pub remote: Arc<SimRemote>,
    pub store: Arc<MemoryStore>,
    pub driver: Orchestrator,
    pub alive: Arc<AtomicBool>,
    pub policy: Policy,
}

impl World {
    pub async fn begin() -> Self {
        Self::with_policy(Policy::default()).await
    }

    pub async fn with_policy(policy: Policy) -> Self {
        Self::crashing_after(policy, u64::MAX).await
    }

    /// A world whose first driver dies right after its commit number `commits`.
    pub async fn crashing_after(policy: Policy, commits: u64) -> Self {
        let clock = Arc::new(VirtualClock(Instant::now()));
        let remote = Arc::new(SimRemote {
            truth: Mutex::default(),
            faults: Mutex::default(),
            calls: AtomicU64::new(0),
            permits: Mutex::new(None),
            changed: Notify::new(),
            webhooks: AtomicBool::new(true),
            webhook_after: Mutex::new(Duration::from_millis(20)),
            listener: Mutex::default(),
            clock,
        });
        let store = Arc::new(MemoryStore::new());
        let (driver, alive) = Self::drive(&remote, &store, &policy, commits, true).await;
        *remote.listener.lock().unwrap() = Some(driver.clone());
        Self { remote, store, driver, alive, policy }
    }

    pub async fn drive(
        remote: &Arc<SimRemote>,
        store: &Arc<MemoryStore>,
        policy: &Policy,
        commits: u64,
        sole_owner: bool,
    ) -> (Orchestrator, Arc<AtomicBool>) {
        let alive = Arc::new(AtomicBool::new(true));
        let lifeline = Lifeline {
            inner: Arc::clone(store),
            alive: Arc::clone(&alive),
            commits_left: AtomicU64::new(commits),
        };
        let connection = Connection { remote: Arc::clone(remote), alive: Arc::clone(&alive) };
        let driver = Orchestrator::start(Config {
            store: Arc::new(lifeline),
            clock: Arc::clone(&remote.clock) as Arc<dyn Clock>,
            organisations: vec![OrganisationSetup {
                name: organisation(),
                policy: policy.clone(),
                remote: Arc::new(connection),
                max_open: 1_000,
            }],
            sole_owner,
            retention: Span::from_secs(30 * 24 * 3_600),
            inbox_retention: Span::from_secs(48 * 3_600),
        })
        .await
        .unwrap();
        (driver, alive)
    }

    /// Kills the driver and starts another one on the same store.
    pub async fn restart(&mut self) {
        self.alive.store(false, Ordering::SeqCst);
        self.driver.stop(Duration::ZERO).await;
        let (driver, alive) = Self::drive(&self.remote, &self.store, &self.policy, u64::MAX, true).await;
        *self.remote.listener.lock().unwrap() = Some(driver.clone());
        self.driver = driver;
        self.alive = alive;
    }

    /// A conversation with one guest.
    pub fn guest(&self) -> ConversationId {
        self.conversation(&[Purpose::Customer])
    }

    pub fn conversation(&self, legs: &[Purpose]) -> ConversationId {
        let conversation = ConversationId::from_uuid(Uuid::new_v4());
        let leg = |purpose: &Purpose| {
            let communication = CommunicationId::from_uuid(Uuid::new_v4());
            (communication, (ParticipantId::from_uuid(Uuid::new_v4()), *purpose, true))
        };
        let truth = Truth { legs: legs.iter().map(leg).collect(), ..Truth::default() };
        self.remote.lock().insert(conversation, truth);
        conversation
    }

    pub async fn submit(&self, conversation: ConversationId) -> Arc<Record> {
        match self.driver.submit(submission(conversation)).await.unwrap() {
            Submitted::Accepted(record)
            | Submitted::Attached(record)
            | Submitted::Repeated { record, .. } => record,
        }
    }

    /// The closure once it is in one of these states, in at most ten virtual days.
    pub async fn settled(&self, key: ClosureKey, states: &[&str]) -> Arc<Record> {
        let wait = Duration::from_secs(10 * 24 * 3_600);
        let is_settled = |record: &Record| states.contains(&orchestrator::names::state(&record.closure));
        let record = self.driver.wait_for(key, wait, is_settled).await.unwrap().expect("the closure exists");
        assert!(is_settled(&record), "{:?} after ten days", record.closure.step);
        record
    }

    pub async fn closed(&self, key: ClosureKey) -> Arc<Record> {
        self.settled(key, &["closed", "already_closed", "failed", "cancelled", "resolved"]).await
    }

    pub fn truth<T>(&self, conversation: ConversationId, look: impl FnOnce(&mut Truth) -> T) -> T {
        look(self.remote.lock().get_mut(&conversation).expect("the conversation exists"))
    }

    /// What must hold at the end of every story.
    pub fn assert_sound(&self, conversation: ConversationId) {
        self.truth(conversation, |truth| {
            assert_eq!(truth.wrapper_asked_while_guest_was_there, 0, "{:?}", truth.calls);
            assert_eq!(truth.repeated, 0, "asked twice between two reads: {:?}", truth.calls);
        });
    }
}

pub fn organisation() -> Organisation {
    "main".parse().unwrap()
}

pub fn submission(conversation: ConversationId) -> Submission {
    Submission {
        organisation: organisation(),
        command: Command { conversation, participant: None, not_before: None },
        said: Said::default(),
        source: Arc::from("test"),
        key: None,
    }
}

pub fn delivery(conversation: ConversationId, heard: Heard, event_id: &str) -> Delivery {
    Delivery {
        organisation: organisation(),
        adapter: "hook".to_owned(),
        event_type: "v2.detail.events.conversation.{id}.customer.end".to_owned(),
        event_id: event_id.to_owned(),
        digest: [7; 32],
        received_at: heard.occurred_at,
        conversation: Some(conversation),
        heard: Some(heard),
    }
}
