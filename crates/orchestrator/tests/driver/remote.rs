//! The remote side: one that knows the truth, and what goes wrong with calls to it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use closure_machine::{Candidate, Findings, Heard, ProofSource, Reply, Request, Target, What};
use genesys_client::{Class, Over, OverLeg};
use genesys_types::{
    CommunicationId, ConversationId, Leg, LegState, ParticipantId, Purpose, Snapshot, Span, Time, WrapUp,
};
use orchestrator::{CallDetails, CallFacts, Clock, Orchestrator, Outcome, Permit, ReadTogether, Remote};
use tokio::{sync::Notify, time::Instant};
use uuid::Uuid;

use crate::world::delivery;

/// Time as tokio's paused clock tells it.
pub struct VirtualClock(Instant);

impl Default for VirtualClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Time {
        let passed = i64::try_from(self.0.elapsed().as_millis()).unwrap();
        Time::from_millis(1_795_255_200_000 + passed)
    }
}

/// The clock of a machine, which differs from the true time by so many milliseconds.
pub struct MachineClock {
    pub truth: Arc<VirtualClock>,
    pub ahead: i64,
}

impl Clock for MachineClock {
    fn now(&self) -> Time {
        Time::from_millis(self.truth.now().millis() + self.ahead)
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
    /// By what a lookup finds it while it is open.
    pub external_id: Option<&'static str>,
    pub legs: BTreeMap<CommunicationId, (ParticipantId, Purpose, bool)>,
    pub ended: bool,
    /// Whether every close is accepted and none is ever done.
    pub stuck: bool,
    /// Whether no event of it ever arrives.
    pub unheard: bool,
    /// When each leg that is over ended, and the whole.
    pub over: BTreeMap<CommunicationId, Time>,
    pub ended_at: Option<Time>,
    pub calls: Vec<Request>,
    pub wrapper_asked_while_guest_was_there: u32,
    pub asked_since_read: Vec<Request>,
    pub repeated: u32,
    pub webhooks: VecDeque<Heard>,
}

/// How many conversations are read with one request.
#[derive(Debug, Clone)]
pub struct Together {
    pub lag: Duration,
    /// What it is answered with instead.
    pub instead: Option<Reply>,
    /// Whether it leaves out every other conversation, and shows one that nobody asked for.
    pub partial: bool,
}

/// The remote side of one organisation.
pub struct SimRemote {
    pub truth: Mutex<BTreeMap<ConversationId, Truth>>,
    faults: Mutex<BTreeMap<u64, Fault>>,
    calls: AtomicU64,
    pub lookups: AtomicU64,
    pub lookups_forbidden: AtomicBool,
    pub lookup_takes: Mutex<Duration>,
    permits: Mutex<Option<u32>>,
    /// How late it tells what is over in many conversations; `None` where it cannot.
    pub together: Mutex<Option<Together>>,
    /// How often it was asked for many.
    pub asked_for_many: AtomicU64,
    pub max_open: AtomicUsize,
    changed: Notify,
    pub webhooks: AtomicBool,
    /// Whether it closes whole conversations only, and nobody alone.
    pub whole_only: AtomicBool,
    pub webhook_after: Mutex<Duration>,
    pub listener: Mutex<Option<Orchestrator>>,
    pub clock: Arc<VirtualClock>,
}

impl SimRemote {
    /// A remote side without conversations, at the beginning of time.
    pub fn begin() -> Arc<Self> {
        Arc::new(Self {
            truth: Mutex::default(),
            faults: Mutex::default(),
            calls: AtomicU64::new(0),
            lookups: AtomicU64::new(0),
            lookups_forbidden: AtomicBool::new(false),
            lookup_takes: Mutex::new(Duration::from_millis(5)),
            permits: Mutex::new(None),
            together: Mutex::new(None),
            asked_for_many: AtomicU64::new(0),
            max_open: AtomicUsize::new(1_000),
            changed: Notify::new(),
            webhooks: AtomicBool::new(true),
            whole_only: AtomicBool::new(false),
            webhook_after: Mutex::new(Duration::from_millis(20)),
            listener: Mutex::default(),
            clock: Arc::new(VirtualClock(Instant::now())),
        })
    }

    pub fn lock(&self) -> MutexGuard<'_, BTreeMap<ConversationId, Truth>> {
        self.truth.lock().unwrap()
    }

    /// Lets the call number `n` (from 1, over all conversations) go wrong.
    pub fn fault(&self, n: u64, fault: Fault) {
        self.faults.lock().unwrap().insert(n, fault);
    }

    /// Takes back that the call number `n` goes wrong.
    pub fn unfault(&self, n: u64) {
        self.faults.lock().unwrap().remove(&n);
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
        if ignored || (truth.stuck && request.is_write()) {
            return if request.is_write() {
                Reply::Accepted(None)
            } else {
                Reply::Saw(Self::snapshot(truth, now))
            };
        }
        match request {
            Request::LookUp => panic!("a lookup is asked of no conversation"),
            Request::Read => {
                truth.asked_since_read.clear();
                Reply::Saw(Self::snapshot(truth, now))
            }
            Request::CloseParticipant(participant) => {
                for (communication, leg) in &mut truth.legs {
                    if leg.0 == participant && leg.2 {
                        leg.2 = false;
                        truth.over.insert(*communication, now);
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
                for (communication, leg) in &mut truth.legs {
                    leg.2 = false;
                    truth.over.entry(*communication).or_insert(now);
                }
                truth.ended = true;
                truth.ended_at.get_or_insert(now);
                Reply::Accepted(Some(Self::snapshot(truth, now)))
            }
            Request::GiveWrapUp { .. } => Reply::Accepted(None),
        }
    }

    /// What was over so long ago.
    fn over(&self, conversation: ConversationId, lag: Duration) -> Option<Over> {
        let until = self.clock.now() - Span::from(lag);
        let all = self.lock();
        let truth = all.get(&conversation)?;
        let legs = truth.over.iter().filter(|(_, at)| **at <= until).map(|(communication, at)| OverLeg {
            participant: truth.legs[communication].0,
            communication: *communication,
            ended_at: *at,
        });
        let ended_at = truth.ended_at.filter(|at| *at <= until);
        let there = |(_, purpose, there): &(_, Purpose, bool)| *purpose == Purpose::Customer && *there;
        let guest_is_there = truth.legs.values().any(there);
        Some(Over { conversation, ended_at, guest_is_there, legs: legs.collect() })
    }

    /// Another conversation of the organisation, shown as over though its guest is there.
    fn never_asked(&self, asked: &[ConversationId]) -> Option<Over> {
        let all = self.lock();
        let (id, truth) = all.iter().find(|(id, truth)| !asked.contains(id) && !truth.ended)?;
        let now = self.clock.now();
        let leg = |(communication, leg): (&CommunicationId, &(ParticipantId, Purpose, bool))| OverLeg {
            participant: leg.0,
            communication: *communication,
            ended_at: now,
        };
        let legs = truth.legs.iter().map(leg).collect();
        Some(Over { conversation: *id, ended_at: Some(now), guest_is_there: false, legs })
    }

    fn fitting(&self, target: &Target) -> Reply {
        let Target::ExternalId(wanted) = target else { return Reply::LookedUp(Findings::Open(Vec::new())) };
        let all = self.lock();
        let fitting = all.iter().filter(|(_, truth)| truth.external_id == Some(wanted) && !truth.ended);
        let candidate = |(conversation, _): (&ConversationId, &Truth)| Candidate {
            conversation: *conversation,
            started_at: None,
            queue: None,
        };
        Reply::LookedUp(Findings::Open(fitting.map(candidate).collect()))
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
            let unheard = self.lock().get(&conversation).is_some_and(|truth| truth.unheard);
            if unheard || !self.webhooks.load(Ordering::SeqCst) {
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
pub struct Connection {
    pub remote: Arc<SimRemote>,
    pub alive: Arc<AtomicBool>,
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

    fn reads_together(&self) -> usize {
        if self.remote.together.lock().unwrap().is_some() { 25 } else { 0 }
    }

    async fn read_together(&self, _: Permit, asked: &[ConversationId]) -> Result<ReadTogether, Outcome> {
        let remote = &self.remote;
        if !self.alive.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!((10..=25).contains(&asked.len()), "{} were asked for", asked.len());
        remote.asked_for_many.fetch_add(1, Ordering::SeqCst);
        let together = remote.together.lock().unwrap().clone().unwrap();
        let facts = CallFacts { status: Some(200), ..CallFacts::default() };
        match together.instead {
            Some(reply) => Err(Outcome { reply, facts }),
            None => {
                let told = asked.iter().step_by(if together.partial { 2 } else { 1 });
                let mut over: Vec<_> = told.filter_map(|id| remote.over(*id, together.lag)).collect();
                if together.partial
                    && let Some(other) = remote.never_asked(asked)
                {
                    over.push(other);
                }
                Ok(ReadTogether { over, facts })
            }
        }
    }

    fn closes_guest_alone(&self) -> bool {
        !self.remote.whole_only.load(Ordering::SeqCst)
    }

    fn shows(&self, conversation: ConversationId, request: Request) -> Option<String> {
        let whole = self.remote.whole_only.load(Ordering::SeqCst) && request.is_write();
        whole.then(|| format!("POST /whole/{conversation}"))
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

    async fn look_up(&self, _: Permit, target: &Target) -> Outcome {
        let remote = &self.remote;
        if !self.alive.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let takes = *remote.lookup_takes.lock().unwrap();
        tokio::time::sleep(takes).await;
        let number = remote.calls.fetch_add(1, Ordering::SeqCst) + 1;
        remote.lookups.fetch_add(1, Ordering::SeqCst);
        let fault = remote.faults.lock().unwrap().remove(&number);
        let reply = match fault {
            Some(Fault::Instead(reply)) => reply,
            Some(Fault::AnswerLost) => Reply::Unknown,
            Some(Fault::Ignored) => Reply::LookedUp(Findings::Open(Vec::new())),
            None => remote.fitting(target),
        };
        let forbidden = remote.lookups_forbidden.load(Ordering::SeqCst);
        let reply = if forbidden {
            Reply::Forbidden(Some("analytics:conversationDetail:view".into()))
        } else {
            reply
        };
        tokio::time::sleep(Duration::from_millis(5)).await;
        let requests = if takes > Duration::from_secs(1) { 40 } else { 1 };
        Outcome { reply, facts: CallFacts { status: Some(200), requests, ..CallFacts::default() } }
    }
}
