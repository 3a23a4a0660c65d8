//! The world: one remote side that knows the truth, and any number of drivers on one store.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use closure_machine::{Command, Heard, Policy, Subject, Target};
use genesys_types::{CommunicationId, ConversationId, Organisation, ParticipantId, Purpose, Span};
use orchestrator::{Config, Delivery, Orchestrator, OrganisationSetup, Record, Said, Submission, Submitted};
use store::{ClosureKey, MemoryStore};
use uuid::Uuid;

pub use crate::remote::{Fault, SimRemote, Truth};
use crate::{
    lifeline::{Fleet, Lifeline},
    remote::{Connection, MachineClock},
};

/// Everything at once.
pub struct World {
    pub remote: Arc<SimRemote>,
    pub store: Arc<MemoryStore>,
    pub driver: Orchestrator,
    pub alive: Arc<AtomicBool>,
    pub policy: Policy,
    /// By how many milliseconds the machine's clock is ahead of the true time at the next start.
    pub clock_ahead: i64,
    /// Where it is one of several.
    fleet: Option<Arc<Fleet>>,
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
        Self::with_remote(SimRemote::begin(), policy, commits).await
    }

    /// A world whose remote side closes whole conversations only.
    pub async fn closing_whole_conversations() -> Self {
        let remote = SimRemote::begin();
        remote.whole_only.store(true, Ordering::SeqCst);
        Self::with_remote(remote, Policy::default(), u64::MAX).await
    }

    pub async fn with_remote(remote: Arc<SimRemote>, policy: Policy, commits: u64) -> Self {
        Self::one_of(None, remote, policy, commits).await
    }

    /// A world whose driver works beside others.
    pub async fn of_several() -> Self {
        Self::of_several_with(Policy::default()).await
    }

    pub async fn of_several_with(policy: Policy) -> Self {
        Self::one_of(Some(Arc::default()), SimRemote::begin(), policy, u64::MAX).await
    }

    async fn one_of(fleet: Option<Arc<Fleet>>, remote: Arc<SimRemote>, policy: Policy, commits: u64) -> Self {
        let store = Arc::new(MemoryStore::new());
        let (driver, alive) = Self::drive(&remote, &store, &policy, commits, fleet.as_ref(), 0).await;
        *remote.listener.lock().unwrap() = Some(driver.clone());
        Self { remote, store, driver, alive, policy, clock_ahead: 0, fleet }
    }

    /// Another driver of the same fleet, and what it lives by.
    pub async fn another(&self) -> (Orchestrator, Arc<AtomicBool>) {
        assert!(self.fleet.is_some(), "the world is one of several");
        Self::drive(&self.remote, &self.store, &self.policy, u64::MAX, self.fleet.as_ref(), self.clock_ahead)
            .await
    }

    async fn drive(
        remote: &Arc<SimRemote>,
        store: &Arc<MemoryStore>,
        policy: &Policy,
        commits: u64,
        fleet: Option<&Arc<Fleet>>,
        ahead: i64,
    ) -> (Orchestrator, Arc<AtomicBool>) {
        let alive = Arc::new(AtomicBool::new(true));
        let lifeline = Lifeline {
            inner: Arc::clone(store),
            alive: Arc::clone(&alive),
            commits_left: AtomicU64::new(commits),
            fleet: fleet.map(|fleet| fleet.join(&alive, &remote.clock)),
        };
        let connection = Connection { remote: Arc::clone(remote), alive: Arc::clone(&alive) };
        let driver = Orchestrator::start(Config {
            store: Arc::new(lifeline),
            clock: Arc::new(MachineClock { truth: Arc::clone(&remote.clock), ahead }),
            organisations: vec![OrganisationSetup {
                name: organisation(),
                policy: policy.clone(),
                remote: Arc::new(connection),
                max_open: remote.max_open.load(Ordering::SeqCst),
            }],
            sole_owner: fleet.is_none(),
            retention: Span::from_secs(30 * 24 * 3_600),
            inbox_retention: Span::from_secs(48 * 3_600),
        })
        .await
        .unwrap();
        (driver, alive)
    }

    /// Kills the driver and starts another one on the same store.
    pub async fn restart(&mut self) {
        self.restart_crashing_after(u64::MAX).await;
    }

    /// Kills the driver and starts another one, which dies right after its commit number `commits`.
    pub async fn restart_crashing_after(&mut self, commits: u64) {
        self.alive.store(false, Ordering::SeqCst);
        self.driver.stop(Duration::ZERO).await;
        let (driver, alive) = Self::drive(
            &self.remote,
            &self.store,
            &self.policy,
            commits,
            self.fleet.as_ref(),
            self.clock_ahead,
        )
        .await;
        *self.remote.listener.lock().unwrap() = Some(driver.clone());
        self.driver = driver;
        self.alive = alive;
    }

    /// A conversation with one guest.
    pub fn guest(&self) -> ConversationId {
        self.conversation(&[Purpose::Customer])
    }

    /// A conversation with one guest, which lookups find.
    pub fn known_guest(&self, external_id: &'static str) -> ConversationId {
        let conversation = self.guest();
        self.truth(conversation, |truth| truth.external_id = Some(external_id));
        conversation
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
        command: Command {
            subject: Subject::Conversation(conversation),
            participant: None,
            not_before: None,
            follows: 0,
        },
        said: Said::default(),
        source: Arc::from("test"),
        key: None,
        follows: None,
    }
}

/// A command for whatever conversation has this external id.
pub fn seeking(external_id: &str) -> Submission {
    let mut submission = submission(ConversationId::from_uuid(Uuid::nil()));
    submission.command.subject = Subject::Sought(Target::ExternalId(external_id.into()));
    submission
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
