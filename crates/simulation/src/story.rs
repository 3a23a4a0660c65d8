//! One story: drawn from a seed, told to its end.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    fmt,
    panic::catch_unwind,
    sync::{
        Arc, Once,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use closure_machine::{Evidence, Step, Subject, Target};
use fastrand::Rng;
use queue::MemoryQueue;
use store::{MemoryStore, Millis};

use crate::{
    Mistake,
    conversation::{Agent, Conversation},
    happening::Happening,
    people::{self, Command, MESSAGES, key_of},
    plan::{ALL_ENDS_WITHIN, FAULTS_LAST, Plan, REPLICAS},
    replica::{Outside, Replica},
    trace::Told,
    world::{Shared, Strike, World},
};

/// How long the broker holds a message for whoever received it.
const HELD: Duration = Duration::from_secs(8);

/// For how long replicas run at least and at most, while things fail, before they see what the others did.
const SHORTEST_SLICE: Millis = 3;
pub(crate) const LONGEST_SLICE: Millis = 80;

/// Within which time all commands are given where conversations can be read together.
const ALL_AT_ONCE: Millis = 1_500;

/// How a story ended in which everything held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// Another telling of the same story has the same number.
    pub hash: u64,
    /// How much happened.
    pub told: u64,
    /// How many closures there were.
    pub closures: usize,
    /// How long it took, in virtual milliseconds.
    pub took: Millis,
    /// What was in it, of what stories are to have in them.
    pub seen: BTreeSet<&'static str>,
}

/// What did not hold, and what is needed to understand it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// The invariant: its number in the design, or a word.
    pub invariant: &'static str,
    /// What was found.
    pub found: String,
    /// What happened last.
    pub trace: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.trace {
            writeln!(f, "{line}")?;
        }
        let Self { seed, invariant, found, .. } = self;
        writeln!(f, "\n{invariant} is broken: {found}")?;
        writeln!(f, "seed {seed}. Tell it again:")?;
        write!(
            f,
            "  SIMULATION_SEED={seed} cargo test -p simulation --test stories the_story_of_one_seed -- --nocapture"
        )
    }
}

/// Tells the story of a seed, in a world with or without a mistake.
///
/// # Errors
///
/// The first invariant that did not hold.
pub fn tell(seed: u64, mistake: Option<Mistake>) -> Result<Ending, Failure> {
    listen_for_panics();
    let told = catch_unwind(|| Story::begin(seed, mistake).tell(seed));
    LISTENS.set(false);
    told.unwrap_or_else(|_| {
        let found = PANICKED.take().unwrap_or_default();
        Err(Failure { seed, invariant: "panic", found, trace: Vec::new() })
    })
}

struct Story {
    outside: Outside,
    replicas: Vec<Replica>,
    /// The broker's clock.
    broker_time: Arc<AtomicI64>,
    faults_end: Millis,
}

impl Story {
    fn begin(seed: u64, mistake: Option<Mistake>) -> Self {
        // The pauses of the intake are drawn from the generator of the thread.
        fastrand::seed(seed);
        let mut dice = Rng::with_seed(seed);
        let plan = Plan::draw(&mut dice, mistake);
        let mut world = World::new(plan, dice);
        populate(&mut world);
        let broker_time = Arc::new(AtomicI64::new(0));
        let time = Arc::clone(&broker_time);
        let elapsed = move || Duration::from_millis(time.load(Ordering::Relaxed).unsigned_abs());
        let outside = Outside {
            world: Shared::new(world),
            store: Arc::new(MemoryStore::new()),
            queue: MemoryQueue::by_clock(HELD, elapsed),
        };
        let replicas = (0..REPLICAS).map(|number| Replica::new(number, outside.clone())).collect();
        Self { outside, replicas, broker_time, faults_end: FAULTS_LAST }
    }

    fn tell(mut self, seed: u64) -> Result<Ending, Failure> {
        (0..REPLICAS).for_each(|number| self.replicas[number].start(0));
        loop {
            let due = || self.outside.world.lock().next_due();
            if let Some(happening) = due() {
                self.happens(happening);
                continue;
            }
            if self.outside.world.lock().faults && self.outside.world.lock().now >= self.faults_end {
                self.faults_end();
            }
            if self.is_over() {
                break;
            }
            self.runs_on();
        }
        let mut world = self.outside.world.lock();
        if let Some(broken) = world.witness.broken.take() {
            return Err(Failure {
                seed,
                invariant: broken.invariant,
                found: broken.found,
                trace: world.trace.lines(),
            });
        }
        Ok(Ending {
            hash: world.trace.hash(),
            told: world.trace.told(),
            closures: world.witness.rows.len(),
            took: world.now,
            seen: world.trace.seen(),
        })
    }

    /// Lets every replica run for a while, one after the other.
    fn runs_on(&mut self) {
        let (from, until, first) = {
            let mut world = self.outside.world.lock();
            let slice = if world.faults { world.dice.i64(5..LONGEST_SLICE) } else { world.dice.i64(50..500) };
            let from = world.now;
            let until = world.next_at().unwrap_or(Millis::MAX).min(from + slice).max(from + SHORTEST_SLICE);
            (from, until, world.dice.usize(..REPLICAS))
        };
        for turn in 0..REPLICAS {
            self.replicas[(first + turn) % REPLICAS].run_until(from, until);
        }
        self.broker_time.store(until, Ordering::Relaxed);
        let mut world = self.outside.world.lock();
        world.now = until;
        world.hear_the_news();
        if let Some(panicked) = PANICKED.take() {
            world.witness.breaks("panic", panicked);
        }
    }

    /// Whether nothing is left to happen, or something must not have happened.
    fn is_over(&mut self) -> bool {
        let mut world = self.outside.world.lock();
        if world.witness.broken.is_some() {
            return true;
        }
        if world.faults {
            return false;
        }
        let left = what_is_left(&world, &self.outside.queue);
        match left {
            None => true,
            Some(left) if world.now > self.faults_end + ALL_ENDS_WITHIN => {
                world.witness.breaks("liveness", left);
                true
            }
            Some(_) => false,
        }
    }

    /// From here on nothing fails.
    fn faults_end(&mut self) {
        let at = {
            let mut world = self.outside.world.lock();
            world.faults = false;
            world.store_away_until = 0;
            world.standings.iter_mut().for_each(|standing| standing.cut_off_until = 0);
            let at = world.now;
            world.note(at, Told::FaultsEnd);
            at
        };
        self.outside.queue.restart();
        self.replicas.iter_mut().for_each(|replica| replica.start(at));
    }

    /// A replica that can be asked, if there is one.
    fn somebody(&self) -> Option<usize> {
        let first = self.outside.world.lock().dice.usize(..REPLICAS);
        (0..REPLICAS).map(|turn| (first + turn) % REPLICAS).find(|number| self.replicas[*number].serves())
    }

    fn happens(&mut self, happening: Happening) {
        let shared = self.outside.world.clone();
        let world = || shared.lock();
        match happening {
            Happening::Arrives(call) => world().call_arrives(call),
            Happening::Answers(call, answered) => world().answer_arrives(call, answered),
            Happening::Effect(call) => world().takes_effect(&call),
            Happening::ManyArrive(many) => world().many_arrive(many),
            Happening::ManyAnswered(many, answered) => world().many_answered(many, answered),
            Happening::GuestLeaves(conversation) => world().guest_leaves(conversation, None),
            Happening::GuestComes(conversation) => world().guest_comes(conversation),
            Happening::AgentLeaves(conversation) => {
                if let Some(truth) = world().conversations.get_mut(&conversation) {
                    truth.agent_changes(|agent| agent.connected = false);
                }
            }
            Happening::Ends(conversation) => world().conversation_ends(conversation),
            Happening::Notifies(conversation) => world().notifies(conversation),
            Happening::Forges(conversation) => world().forge(conversation),
            Happening::Posts(post) => match self.somebody() {
                Some(replica) => {
                    let letter = world().posts(replica, post);
                    if let Some(letter) = letter {
                        self.replicas[replica].post(post.event, letter);
                    }
                }
                None => self.later(Happening::Posts(post)),
            },
            Happening::Notified { conversation, snapshot, at } => {
                if let Some(replica) = self.somebody() {
                    let delivery = world().notified(conversation, snapshot, at);
                    self.replicas[replica].deliver(delivery);
                }
            }
            Happening::Commands(command) => match self.somebody() {
                Some(replica) => {
                    let submission = world().asks(replica, command);
                    if let Some(submission) = submission {
                        self.replicas[replica].submit(command, submission);
                    }
                }
                None => self.later(Happening::Commands(command)),
            },
            Happening::Publishes(command) => {
                let mut world = world();
                let known = usize::try_from(command).ok().and_then(|at| world.commands.get(at));
                if let Some(message) = known.map(|known| people::message(command, &known.subject)) {
                    let at = world.now;
                    world.note(at, Told::Published { command });
                    self.outside.queue.publish(message);
                }
            }
            Happening::Operates => {
                let Some(replica) = self.somebody() else { return };
                let wanted = world().operates(replica);
                if let Some((closure, operation)) = wanted {
                    self.replicas[replica].act(closure, operation);
                }
            }
            Happening::Strikes(_)
            | Happening::IsStruck(..)
            | Happening::Start(_)
            | Happening::CutOff
            | Happening::StoreAway
            | Happening::BrokerDies
            | Happening::BrokerBack => self.breaks_down(&happening),
        }
    }

    fn later(&self, happening: Happening) {
        let mut world = self.outside.world.lock();
        let at = world.now + 500;
        world.plan(at, happening);
    }

    /// What happens to replicas, store and broker; nothing any more once the faults have ended.
    fn breaks_down(&mut self, happening: &Happening) {
        let (now, which, long, faults) = {
            let mut world = self.outside.world.lock();
            let (which, long) = (world.dice.usize(..REPLICAS), world.dice.i64(100..9_000));
            (world.now, which, long, world.faults)
        };
        if let Happening::Start(replica) = happening {
            return self.replicas[*replica].start(now);
        }
        if let Happening::BrokerBack = happening {
            return self.outside.queue.restart();
        }
        if !faults {
            return;
        }
        let mut world = self.outside.world.lock();
        match happening {
            Happening::Strikes(strike) => match world.dice.bool() {
                true => world.lurking.push(*strike),
                false => world.plan(now, Happening::IsStruck(which, *strike)),
            },
            Happening::IsStruck(replica, Strike::Crash) => {
                world.plan(now + long / 3, Happening::Start(*replica));
                drop(world);
                if self.replicas[*replica].is_running() {
                    self.replicas[*replica].crash(now);
                }
            }
            Happening::IsStruck(replica, Strike::StandStill) => {
                let long = if world.dice.bool() { long } else { long / 6 };
                drop(world);
                self.replicas[*replica].stands_still(now, (now + long).min(self.faults_end));
            }
            Happening::CutOff => {
                world.standings[which].cut_off_until = now + long;
                world.note(now, Told::CutOff { replica: which, until: now + long });
            }
            Happening::StoreAway => {
                world.store_away_until = now + long;
                world.note(now, Told::StoreAway { until: now + long });
            }
            Happening::BrokerDies => {
                world.note(now, Told::Broker { what: "dies" });
                world.plan(now + long / 2, Happening::BrokerBack);
                drop(world);
                self.outside.queue.kill();
            }
            Happening::Arrives(_)
            | Happening::Answers(..)
            | Happening::Effect(_)
            | Happening::ManyArrive(_)
            | Happening::ManyAnswered(..)
            | Happening::GuestLeaves(_)
            | Happening::GuestComes(_)
            | Happening::AgentLeaves(_)
            | Happening::Ends(_)
            | Happening::Posts(_)
            | Happening::Notifies(_)
            | Happening::Notified { .. }
            | Happening::Forges(_)
            | Happening::Commands(_)
            | Happening::Publishes(_)
            | Happening::Operates
            | Happening::Start(_)
            | Happening::BrokerBack => {}
        }
    }
}

/// Conversations, commands, and what goes wrong by itself.
fn populate(world: &mut World) {
    for number in 0..u32::try_from(world.plan.conversations).unwrap_or_default() {
        let mut truth = Conversation::new(number);
        if world.dice.u8(..5) == 0 {
            let _ = truth.guest_comes(world.dice.bool());
        }
        let agent = Agent { connected: world.dice.bool(), owes_a_wrap_up: world.dice.bool() };
        truth.agent = (world.dice.u8(..5) == 0).then_some(agent);
        truth.stuck = world.dice.u8(..20) == 0;
        let (conversation, guest) = (truth.id, truth.external_id());
        world.conversations.insert(conversation, truth);
        let perhaps = |world: &mut World, one_in: u8, happening: Happening| {
            let at = world.dice.i64(0..FAULTS_LAST);
            if world.dice.u8(..one_in) == 0 {
                world.plan(at, happening);
            }
        };
        perhaps(world, 2, Happening::AgentLeaves(conversation));
        perhaps(world, 8, Happening::GuestLeaves(conversation));
        perhaps(world, 6, Happening::GuestComes(conversation));
        perhaps(world, 12, Happening::GuestComes(conversation));
        perhaps(world, 10, Happening::Ends(conversation));
        perhaps(world, 4, Happening::Notifies(conversation));
        let commands = if world.dice.u8(..5) == 0 { 2 } else { 1 };
        for _ in 0..commands {
            let by_guest = world.plan.by_guest;
            let subject = match crate::chances::happens(&mut world.dice, by_guest) {
                true => Subject::Sought(Target::ExternalId(guest.as_str().into())),
                false => Subject::Conversation(conversation),
            };
            command(world, subject);
        }
    }
    let conversations: Vec<_> = world.conversations.keys().copied().collect();
    for _ in 0..world.plan.crashes {
        at_some_time(world, Happening::Strikes(Strike::Crash));
    }
    for _ in 0..world.plan.standstills {
        at_some_time(world, Happening::Strikes(Strike::StandStill));
    }
    for _ in 0..world.plan.cuts {
        at_some_time(world, Happening::CutOff);
    }
    for _ in 0..world.plan.outages {
        at_some_time(world, Happening::StoreAway);
        at_some_time(world, Happening::BrokerDies);
    }
    for _ in 0..world.plan.acts {
        at_some_time(world, Happening::Operates);
    }
    for _ in 0..world.plan.forgeries {
        let conversation = conversations[world.dice.usize(..conversations.len())];
        at_some_time(world, Happening::Forges(conversation));
    }
}

fn at_some_time(world: &mut World, happening: Happening) {
    let at = world.dice.i64(500..FAULTS_LAST);
    world.plan(at, happening);
}

fn command(world: &mut World, subject: Subject) {
    let number = u32::try_from(world.commands.len()).unwrap_or_default();
    let by_queue = world.dice.bool();
    world.commands.push(Command { subject, by_queue, acknowledged: None });
    let within = if world.plan.reads_together { ALL_AT_ONCE } else { FAULTS_LAST * 2 / 3 };
    let at = world.dice.i64(0..within);
    if !by_queue {
        return world.plan(at, Happening::Commands(number));
    }
    world.plan(at, Happening::Publishes(number));
    if world.dice.u8(..3) == 0 {
        // Its producer did not hear that it was taken.
        let again = at + world.dice.i64(0..10_000);
        world.plan(again, Happening::Publishes(number));
    }
}

/// What is not over that has to be; `None` where all is.
fn what_is_left(world: &World, queue: &MemoryQueue) -> Option<String> {
    for (number, command) in (0..).zip(&world.commands) {
        let known = match command.by_queue {
            true => world.witness.key(MESSAGES, &key_of(number)),
            false => command.acknowledged,
        };
        if known.is_none() {
            return Some(format!("the command {number} was never taken"));
        }
    }
    if queue.remaining() > 0 {
        return Some(format!("{} messages are left in the queue", queue.remaining()));
    }
    if let Some(position) = world.witness.untold() {
        return Some(format!("nobody was told of the end in the line {position}"));
    }
    for (key, row) in world.witness.open_closures() {
        let truth = row.closure.conversation.and_then(|conversation| world.conversations.get(&conversation));
        let rightful = match row.closure.step {
            // Held without proof, and there is something to hold it for.
            Step::Ghost(_) => {
                world.plan.policy.evidence == Evidence::WebhookOnly
                    || truth.is_none_or(|truth| !truth.is_over())
            }
            Step::Scheduled
            | Step::Resolving
            | Step::Verifying
            | Step::ClosingParticipant
            | Step::AwaitingConfirmation
            | Step::ClosingWrapper(_)
            | Step::Forcing
            | Step::Blocked(_)
            | Step::Ended(_) => false,
        };
        if !rightful {
            return Some(format!("{key} has not ended: {:?}, {:?}", row.closure.step, row.closure.turn));
        }
    }
    None
}

thread_local! {
    static PANICKED: RefCell<Option<String>> = const { RefCell::new(None) };
    static LISTENS: Cell<bool> = const { Cell::new(false) };
}

/// A task that panics ends without a word: from here on it is heard of.
fn listen_for_panics() {
    static ONCE: Once = Once::new();
    LISTENS.set(true);
    PANICKED.set(None);
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| match LISTENS.get() {
            true => PANICKED.with_borrow_mut(|told| {
                told.get_or_insert(panic.to_string());
            }),
            false => before(panic),
        }));
    });
}
