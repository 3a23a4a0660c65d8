//! What all replicas have in common: the time, the dice, the outside, and who watches.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use fastrand::Rng;
use genesys_types::ConversationId;
use store::{Budget, ClosureKey, Millis};

use crate::{
    conversation::Conversation,
    happening::Happening,
    hooks::HookEvent,
    people::{Command, News},
    plan::{Plan, REPLICAS},
    trace::{Told, Trace},
    witness::Witness,
};

/// After how long without a beat a replica is taken for gone: that of `store-postgres` (ADR 24).
const GONE_AFTER: Millis = 3_000;

/// How long one that was cut off waits before it takes others for gone (ADR 24).
const WAITS_AFTER_A_CUT: Millis = 4_000;

/// What strikes a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strike {
    /// It is killed.
    Crash,
    /// It stands still.
    StandStill,
}

/// One life of a replica.
pub(crate) type Life = (usize, u32);

/// How a replica stands with the store.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Standing {
    pub(crate) life: u32,
    pub(crate) last_beat: Millis,
    /// Until when it is cut off from the store.
    pub(crate) cut_off_until: Millis,
    /// When it last could not be heard for a while.
    pub(crate) unheard_until: Millis,
}

/// Everything but the replicas themselves.
pub(crate) struct World {
    /// Everything that was to happen until then has happened.
    pub(crate) now: Millis,
    pub(crate) plan: Plan,
    pub(crate) dice: Rng,
    /// Whether things fail.
    pub(crate) faults: bool,
    pub(crate) trace: Trace,
    pub(crate) witness: Witness,
    pub(crate) conversations: BTreeMap<ConversationId, Conversation>,
    pub(crate) commands: Vec<Command>,
    pub(crate) events: Vec<HookEvent>,
    /// What came of what was asked of replicas.
    pub(crate) news: VecDeque<News>,
    pub(crate) standings: [Standing; REPLICAS],
    pub(crate) owners: BTreeMap<ClosureKey, Life>,
    /// When the earlier lives of replicas ended.
    pub(crate) deaths: BTreeMap<Life, Millis>,
    pub(crate) offices: BTreeMap<String, Life>,
    pub(crate) budgets: BTreeMap<String, Budget>,
    pub(crate) store_away_until: Millis,
    /// Which command each message is about that a replica was given.
    pub(crate) in_hand: Vec<(queue::Receipt, u32)>,
    /// Calls that Genesys has counted: in the window of this minute.
    pub(crate) window: (Millis, u32),
    /// What strikes the next replica that has written down a call and not made it yet.
    pub(crate) lurking: Vec<Strike>,
    agenda: BTreeMap<(Millis, u64), Happening>,
    planned: u64,
}

/// The world as everything shares it.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<World>>);

impl Shared {
    pub(crate) fn new(world: World) -> Self {
        Self(Arc::new(Mutex::new(world)))
    }

    /// The world. Nothing waits while it is held.
    pub(crate) fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    pub(crate) fn new(plan: Plan, dice: Rng) -> Self {
        Self {
            now: 0,
            witness: Witness::new(plan.policy.clone()),
            plan,
            dice,
            faults: true,
            trace: Trace::default(),
            conversations: BTreeMap::new(),
            commands: Vec::new(),
            events: Vec::new(),
            news: VecDeque::new(),
            standings: [Standing::default(); REPLICAS],
            owners: BTreeMap::new(),
            deaths: BTreeMap::new(),
            offices: BTreeMap::new(),
            budgets: BTreeMap::new(),
            store_away_until: 0,
            in_hand: Vec::new(),
            window: (0, 0),
            lurking: Vec::new(),
            agenda: BTreeMap::new(),
            planned: 0,
        }
    }

    pub(crate) fn note(&mut self, at: Millis, told: Told) {
        self.trace.note(at, told);
    }

    /// Lets something happen at this moment, or as soon as the world is there.
    pub(crate) fn plan(&mut self, at: Millis, happening: Happening) {
        self.planned += 1;
        self.agenda.insert((at.max(self.now), self.planned), happening);
    }

    /// When the next thing happens.
    pub(crate) fn next_at(&self) -> Option<Millis> {
        self.agenda.keys().next().map(|(at, _)| *at)
    }

    /// The next thing that happens until now.
    pub(crate) fn next_due(&mut self) -> Option<Happening> {
        let entry = self.agenda.first_entry()?;
        if entry.key().0 <= self.now { Some(entry.remove()) } else { None }
    }

    /// Whether a chance in a thousand comes true, while things fail.
    pub(crate) fn fails(&mut self, chance: u32) -> bool {
        self.faults && crate::chances::happens(&mut self.dice, chance)
    }

    /// Some milliseconds, mostly few.
    pub(crate) fn some(&mut self, most: Millis) -> Millis {
        let most = if self.dice.u8(..4) == 0 { most } else { 1.max(most / 8) };
        self.dice.i64(0..=most)
    }

    /// Whether the process that works on a closure is gone, as the store sees it from `me` at `at`.
    pub(crate) fn is_orphan(&self, closure: ClosureKey, me: usize, at: Millis) -> bool {
        self.owners.get(&closure).is_none_or(|owner| self.is_gone(*owner, me, at))
    }

    fn is_gone(&self, (owner, life): Life, me: usize, at: Millis) -> bool {
        if owner == me {
            return self.standings[me].life != life;
        }
        let Standing { last_beat, life: present, .. } = self.standings[owner];
        let heard = if present == life { last_beat } else { last_beat.min(self.died_at(owner, life)) };
        at - heard > GONE_AFTER
    }

    /// When an earlier life ended: the witness of the store is the last beat of it.
    fn died_at(&self, replica: usize, life: u32) -> Millis {
        self.deaths.get(&(replica, life)).copied().unwrap_or_default()
    }

    /// Whether a process holds an office, which it takes where whoever held it is gone.
    pub(crate) fn holds(&mut self, me: Life, office: &str, at: Millis) -> bool {
        let held = self.offices.get(office).copied().filter(|holder| !self.is_gone(*holder, me.0, at));
        let holder = held.unwrap_or(me);
        self.offices.insert(office.to_owned(), holder);
        holder == me
    }

    /// Whether a replica may judge who is gone: it was not cut off itself a moment ago.
    pub(crate) fn may_take_over(&self, me: usize, at: Millis) -> bool {
        let unheard_until = self.standings[me].unheard_until;
        unheard_until == 0 || at - unheard_until > WAITS_AFTER_A_CUT
    }

    pub(crate) fn is_cut_off(&self, replica: usize, at: Millis) -> bool {
        at < self.standings[replica].cut_off_until || at < self.store_away_until
    }
}
