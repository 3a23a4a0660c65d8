//! One replica: a process of the true program, on a runtime of its own that can be stopped, held and dropped at any await.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use axum::{Router, body::Body};
use callbacks::{Callbacks, NoAdvice};
use closure_machine::{Policy, Reply, Request, Target};
use genesys_client::{Class, Quota, QuotaConfig};
use genesys_types::{ConversationId, Span};
use http::{Method, StatusCode};
use intake::{Decoder, Replies, Setup, Sources};
use orchestrator::{
    CallDetails, CallFacts, Clock as _, Config, Delivery, Operation, Orchestrator, OrganisationSetup,
    Outcome, Permit, Remote, StartError, Submission, SubmitError, Submitted,
};
use queue::{MemoryQueue, Source};
use store::{ClosureKey, MemoryStore, Millis, Store};
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use webhook_receiver::{Hook, Receiver};
use webhook_signature::{Scheme, WebhookSignature};

use crate::{
    Mistake,
    broker::{Ids, ShakySource},
    clock::ReplicaClock,
    hooks::{self, HOOK, Letter, OTHER_HOOK},
    people::{News, organisation, other_organisation},
    port::Port,
    reports::{self, Reporter},
    shaky::ShakyStore,
    trace::Told,
    world::{Shared, Standing},
};

/// After how long a start that failed is tried again, as by a supervisor.
const START_AGAIN: Duration = Duration::from_millis(300);

/// What runs when a replica has started.
#[derive(Clone)]
struct Service {
    driver: Orchestrator,
    hooks: Router,
    _sources: Sources,
    _callbacks: Callbacks,
}

/// What outlasts every life of a replica.
#[derive(Clone)]
pub(crate) struct Outside {
    pub(crate) world: Shared,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) queue: MemoryQueue,
}

/// One replica.
pub(crate) struct Replica {
    number: usize,
    outside: Outside,
    running: Option<Running>,
    /// Until when it stands still.
    still_until: Option<Millis>,
    lives: u32,
}

/// One life of a replica.
struct Running {
    runtime: Runtime,
    clock: Arc<ReplicaClock>,
    service: Arc<Mutex<Option<Service>>>,
}

impl Replica {
    pub(crate) fn new(number: usize, outside: Outside) -> Self {
        Self { number, outside, running: None, still_until: None, lives: 0 }
    }

    /// Begins a life.
    pub(crate) fn start(&mut self, at: Millis) {
        if self.running.is_some() {
            return;
        }
        self.lives += 1;
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime without sockets or threads needs nothing");
        let entered = runtime.enter();
        let clock = Arc::new(ReplicaClock::new(self.number, self.lives, at));
        drop(entered);
        let service = Arc::default();
        let running = Running { runtime, clock, service };
        running.runtime.spawn(serve(
            self.number,
            self.lives,
            self.outside.clone(),
            Arc::clone(&running.clock),
            Arc::clone(&running.service),
        ));
        self.running = Some(running);
        let mut world = self.outside.world.lock();
        let life = self.lives;
        world.standings[self.number] = Standing { life, last_beat: at, ..Standing::default() };
        world.note(at, Told::Started { replica: self.number, life });
    }

    /// Ends a life: every task of it is dropped where it stands.
    pub(crate) fn crash(&mut self, at: Millis) {
        let Some(running) = self.running.take() else { return };
        drop(running);
        self.still_until = None;
        let mut world = self.outside.world.lock();
        world.trace.saw("a crash");
        world.deaths.insert((self.number, self.lives), at);
        world.note(at, Told::Crashed { replica: self.number });
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Whether it can be asked anything.
    pub(crate) fn serves(&self) -> bool {
        self.still_until.is_none() && self.service().is_some()
    }

    /// Lets it stand still until then.
    pub(crate) fn stands_still(&mut self, at: Millis, until: Millis) {
        if self.running.is_some() && self.still_until.is_none() {
            self.still_until = Some(until);
            let told = Told::StandsStill { replica: self.number, until };
            self.outside.world.lock().note(at, told);
        }
    }

    /// Lets it run until then, if it does not stand still.
    pub(crate) fn run_until(&mut self, from: Millis, until: Millis) {
        let Some(running) = &self.running else { return };
        if let Some(still_until) = self.still_until {
            if still_until > from {
                return;
            }
            self.still_until = None;
            let clock = Arc::clone(&running.clock);
            let mistake = self.outside.world.lock().plan.mistake;
            running.runtime.block_on(async move {
                if mistake == Some(Mistake::ClockStandsToo) {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                let slept = u64::try_from(from - clock.at()).unwrap_or_default();
                tokio::time::advance(Duration::from_millis(slept)).await;
            });
            let mut world = self.outside.world.lock();
            world.trace.saw("a standstill");
            world.note(from, Told::GoesOn { replica: self.number });
            drop(world);
        }
        let end = running.clock.instant(until);
        running.runtime.block_on(async move { tokio::time::sleep_until(end).await });
        let mut world = self.outside.world.lock();
        let replica = self.number;
        if !world.is_cut_off(replica, until) {
            let standing = &mut world.standings[replica];
            if until - standing.last_beat > 1_000 {
                // It could not beat, and hears only now who did meanwhile.
                standing.unheard_until = until;
            }
            standing.last_beat = until;
        }
    }

    fn service(&self) -> Option<Service> {
        let running = self.running.as_ref()?;
        running.service.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(running) = &self.running {
            running.runtime.spawn(task);
        }
    }

    /// A webhook arrives.
    pub(crate) fn post(&self, event: u32, letter: Letter) {
        let Some(service) = self.service() else { return };
        let world = self.outside.world.clone();
        self.spawn(async move {
            let mut request = http::Request::builder()
                .method(Method::POST)
                .uri(format!("/hooks/{}", letter.hook))
                .header("content-type", "application/json");
            for (name, value) in letter.headers {
                request = request.header(name, value);
            }
            let request = request.body(Body::from(letter.body)).expect("the head is sound");
            let status = match service.hooks.oneshot(request).await {
                Ok(response) => response.status(),
                Err(never) => match never {},
            };
            world.lock().news.push_back(News::Hook { event, status: StatusCode::as_u16(&status) });
        });
    }

    /// An event arrives by the other adapter.
    pub(crate) fn deliver(&self, delivery: Delivery) {
        let Some(service) = self.service() else { return };
        let world = self.outside.world.clone();
        self.spawn(async move {
            let id = delivery.event_id.clone();
            let taken = service.driver.deliver(delivery).await.is_ok();
            world.lock().news.push_back(News::Notified { id, taken });
        });
    }

    /// A command arrives.
    pub(crate) fn submit(&self, command: u32, submission: Submission) {
        let Some(service) = self.service() else { return };
        let world = self.outside.world.clone();
        self.spawn(async move {
            let answer = match service.driver.submit(submission).await {
                Ok(Submitted::Accepted(record) | Submitted::Attached(record)) => Ok(record.key),
                Ok(Submitted::Repeated { record, .. }) => Ok(record.key),
                Err(SubmitError::Full { .. }) => Err("full"),
                Err(SubmitError::Unavailable(_)) => Err("unavailable"),
                Err(_) => Err("refused"),
            };
            world.lock().news.push_back(News::Command { command, answer });
        });
    }

    /// An operator acts.
    pub(crate) fn act(&self, closure: ClosureKey, operation: Operation) {
        let Some(service) = self.service() else { return };
        let world = self.outside.world.clone();
        self.spawn(async move {
            let done = service.driver.act(closure, operation).await;
            let version = done.ok().map(|record| record.closure.sequence);
            world.lock().news.push_back(News::Act { closure, version });
        });
    }
}

/// Starts the program, again where that fails, and serves from then on.
async fn serve(
    replica: usize,
    life: u32,
    outside: Outside,
    clock: Arc<ReplicaClock>,
    service: Arc<Mutex<Option<Service>>>,
) {
    let store: Arc<dyn Store> = Arc::new(ShakyStore {
        world: outside.world.clone(),
        clock: Arc::clone(&clock),
        inner: Arc::clone(&outside.store),
        life: (replica, life),
    });
    let driver = loop {
        match begin(replica, &outside, &clock, &store).await {
            Ok(driver) => break driver,
            Err(_) => tokio::time::sleep(START_AGAIN).await,
        }
    };
    let open = outside.world.lock().plan.mistake == Some(Mistake::HookBelievesAnybody);
    let signature = match open {
        true => WebhookSignature::new(Scheme::Unsigned, Vec::new()).expect("it needs no secret"),
        false => hooks::signature("the secret of the organisation's hook"),
    };
    let hook = |name: &str, organisation, signature| Hook {
        name: name.to_owned(),
        organisation,
        signature,
        decoder: webhook_receiver::Decoder::Closeout,
    };
    let others = hooks::signature("the secret of the other organisation's hook");
    let known = vec![hook(HOOK, organisation(), signature), hook(OTHER_HOOK, other_organisation(), others)];
    let wall_clock = Arc::clone(&clock);
    let receiver = Receiver::new(driver.clone(), known).expect("the hooks are sound");
    let hooks = receiver.with_wall_clock(move || wall_clock.now().millis() / 1_000).router();
    let source = ShakySource {
        world: outside.world.clone(),
        clock: Arc::clone(&clock),
        inner: outside.queue.source(),
    };
    let setup = Setup {
        name: "orders".to_owned(),
        kind: "memory",
        organisation: organisation(),
        decoder: Decoder::Plain,
        replies: Replies::default(),
    };
    let sources = Sources::start(
        Arc::clone(&store),
        driver.clone(),
        Arc::new(Ids),
        vec![(setup, Arc::new(source) as Arc<dyn Source>)],
        None,
        &CancellationToken::new(),
    );
    let reporter = Reporter { world: outside.world.clone(), clock: Arc::clone(&clock) };
    let callbacks = Callbacks::start(
        reports::setup(),
        store,
        clock,
        Arc::new(driver.clone()),
        Arc::new(NoAdvice),
        Arc::new(reporter),
        CancellationToken::new(),
    );
    let running = Service { driver, hooks, _sources: sources, _callbacks: callbacks };
    *service.lock().unwrap_or_else(PoisonError::into_inner) = Some(running);
}

async fn begin(
    replica: usize,
    outside: &Outside,
    clock: &Arc<ReplicaClock>,
    store: &Arc<dyn Store>,
) -> Result<Orchestrator, StartError> {
    let (policy, max_open, seed) = {
        let mut world = outside.world.lock();
        (world.plan.policy.clone(), world.plan.max_open, world.dice.u64(..))
    };
    let ticks = Arc::clone(clock);
    let now = Arc::new(move || u64::try_from(ticks.at()).unwrap_or_default());
    let quota = Quota::new(QuotaConfig::default(), now, seed);
    let port = Port { world: outside.world.clone(), clock: Arc::clone(clock), replica, quota };
    let other = OrganisationSetup {
        name: other_organisation(),
        policy: Policy::default(),
        remote: Arc::new(Nowhere),
        max_open: 1,
    };
    let main = OrganisationSetup { name: organisation(), policy, remote: Arc::new(port), max_open };
    Orchestrator::start(Config {
        store: Arc::clone(store),
        clock: Arc::clone(clock) as Arc<dyn orchestrator::Clock>,
        organisations: vec![main, other],
        sole_owner: false,
        retention: Span::from_secs(30 * 24 * 3_600),
        inbox_retention: Span::from_secs(48 * 3_600),
    })
    .await
}

/// The remote side of an organisation that closes nothing.
struct Nowhere;

#[async_trait]
impl Remote for Nowhere {
    fn try_permit(&self, _: Class) -> Result<Permit, Duration> {
        Err(Duration::from_secs(60))
    }

    async fn changed(&self) {
        std::future::pending::<()>().await;
    }

    async fn call(&self, _: Permit, _: ConversationId, _: Request, _: CallDetails) -> Outcome {
        Outcome { reply: Reply::NotSent, facts: CallFacts::default() }
    }

    async fn look_up(&self, _: Permit, _: &Target) -> Outcome {
        Outcome { reply: Reply::NotSent, facts: CallFacts::default() }
    }
}
