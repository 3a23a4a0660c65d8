//! How the adapters do that events come in by, and what is told when one goes silent (ADR 16).

mod judge;
mod rate;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use closure_machine::{Announcement, Closure, Evidence, Policy, ProofSource, Step};
use genesys_types::{Organisation, Span, Time};
use store::ClosureKey;
use tracing::{info, warn};

use self::{
    judge::{Change, change, is_silent},
    rate::Rate,
};
use crate::{advance::Orchestrator, id::closure_id, made::Made, metrics, record::Record, resting::Glance};

/// How often is looked, at most.
const LOOK_EVERY: Span = Span::from_secs(10);

/// How many notices are kept.
const NOTICES: usize = 256;

/// How an adapter does.
#[derive(Debug, Clone, PartialEq)]
pub struct AdapterHealth {
    /// Its name.
    pub name: String,
    /// The organisation that its events belong to.
    pub organisation: Organisation,
    /// When an event was last heard, since the start.
    pub last_event_at: Option<Time>,
    /// Events a minute, over the last five minutes.
    pub events_per_minute: f64,
    /// How long after it happened the last event that told an end came in; `None` before the first.
    pub lag: Option<Span>,
    /// Since when it is silent, while that is an incident.
    pub silent_since: Option<Time>,
}

/// That an adapter went silent, or is heard again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdapterNotice {
    /// Its number, from 1, without gaps, since the start.
    pub sequence: u64,
    /// When it was noticed.
    pub at: Time,
    /// The adapter.
    pub adapter: String,
    /// The organisation that its events belong to.
    pub organisation: Organisation,
    /// Since when it was silent: the last event, or when the first closure began to wait after it.
    pub since: Time,
    /// Whether it went silent; otherwise it is heard again.
    pub silent: bool,
    /// The sessions without proof of their end that nobody was told of, because no adapter of the organisation was heard, and
    /// that still have none. Each is told of now.
    pub untold_ghosts: Vec<ClosureKey>,
}

impl AdapterNotice {
    /// The type as an event (interfaces §7).
    pub const fn kind(&self) -> &'static str {
        if self.silent { "closeout.adapter.silent.v1" } else { "closeout.adapter.recovered.v1" }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Adapters {
    /// Whether silence is looked for.
    watched: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    known: BTreeMap<(Organisation, String), Known>,
    notices: VecDeque<AdapterNotice>,
    told: u64,
    /// For how long an adapter that is waited for may be quiet.
    after: Option<Span>,
    /// The ghosts of each organisation that were not told of yet.
    untold: BTreeMap<Organisation, BTreeSet<ClosureKey>>,
}

#[derive(Debug, Default)]
struct Known {
    /// Whether its silence is looked for: it stands in the configuration.
    expected: bool,
    last_event_at: Option<Time>,
    rate: Rate,
    lag: Option<Span>,
    /// When a closure first began to wait for an event since the last one.
    waiting_since: Option<Time>,
    /// Since when it is silent.
    incident: Option<Time>,
}

impl Known {
    /// Since when it is silent now. That events arrive again is told at the next look, and seen here at once.
    fn silent_since(&self, after: Option<Span>, now: Time) -> Option<Time> {
        let silent = after.is_none_or(|after| is_silent(self.last_event_at, self.waiting_since, after, now));
        self.incident.filter(|since| change(Some(*since), self.last_event_at, silent) == Change::None)
    }
}

impl Adapters {
    /// An event came in, whatever becomes of it; `occurred_at` where it tells that.
    pub(crate) fn heard(
        &self,
        organisation: &Organisation,
        adapter: &str,
        at: Time,
        occurred_at: Option<Time>,
    ) {
        let mut state = self.lock();
        let known = state.known.entry((organisation.clone(), adapter.to_owned())).or_default();
        known.last_event_at = known.last_event_at.max(Some(at));
        known.rate.count(at);
        known.waiting_since = None;
        if let Some(occurred_at) = occurred_at {
            let lag = at.since(occurred_at);
            known.lag = Some(lag);
            drop(state);
            metrics::adapter_lag(adapter, lag);
        }
    }

    /// A closure waits from now on for an event by every adapter but the one by which it is here already.
    pub(crate) fn is_waited_for(&self, organisation: &Organisation, here: Option<&str>, now: Time) {
        if !self.watched.load(Ordering::Relaxed) {
            return;
        }
        for ((of, name), known) in &mut self.lock().known {
            if of == organisation && known.expected && here != Some(name.as_str()) {
                known.waiting_since.get_or_insert(now);
            }
        }
    }

    /// Whether a ghost is told of at once. While no adapter of the organisation is heard it is kept instead, and told of
    /// when one is heard again, if it is a ghost still. Where only events prove, it is kept already while none came since
    /// one was first waited for: that is no incident yet, and may become one.
    pub(crate) fn tells_ghost(
        &self,
        organisation: &Organisation,
        key: ClosureKey,
        evidence: Evidence,
    ) -> bool {
        let mut state = self.lock();
        if !state.keeps_ghosts(organisation, evidence) {
            return true;
        }
        state.untold.entry(organisation.clone()).or_default().insert(key);
        false
    }

    /// Takes note of what the adapters of the organisation should have told: a guest's end that was read back after the time
    /// in which an event was awaited is counted. Each such end, and a ghost where only events prove, is waited for by every
    /// adapter: one that fell silent after an event for another closure is found by it. A ghost that is told of again, as when
    /// it was snoozed, waits for nothing new.
    pub(crate) fn missed(&self, made: &Made, policy: &Policy, now: Time) {
        let (next, told) = (&made.next, &made.announces);
        let lost = told.contains(&Announcement::Confirmed) && is_lost(next, policy);
        let unproven = told.contains(&Announcement::GhostDetected)
            && policy.evidence == Evidence::WebhookOnly
            && !matches!(made.before.closure.step, Step::Ghost(_));
        if !lost && !unproven {
            return;
        }
        for ((of, name), known) in &mut self.lock().known {
            if *of == next.organisation && known.expected {
                known.waiting_since.get_or_insert(now);
                if lost {
                    metrics::event_lost(name);
                }
            }
        }
    }

    fn expect(&self, adapters: Vec<(String, Organisation)>) {
        let mut state = self.lock();
        for (name, organisation) in adapters {
            metrics::adapter_silent(&name, false);
            state.known.entry((organisation, name)).or_default().expected = true;
        }
        drop(state);
        self.watched.store(true, Ordering::Relaxed);
    }

    /// Looks at every adapter, and answers with what is to be told.
    fn look(
        &self,
        now: Time,
        after: Span,
        is_ghost: impl Fn(ClosureKey) -> bool,
    ) -> (Vec<AdapterNotice>, Vec<(Organisation, ClosureKey)>) {
        let mut state = self.lock();
        state.after = Some(after);
        let mut changed = Vec::new();
        for ((organisation, name), known) in state.known.iter_mut().filter(|(_, known)| known.expected) {
            let silent = is_silent(known.last_event_at, known.waiting_since, after, now);
            match change(known.incident, known.last_event_at, silent) {
                Change::None => {}
                Change::FellSilent => {
                    let since = known.last_event_at.or(known.waiting_since).unwrap_or(now);
                    known.incident = Some(since);
                    changed.push((organisation.clone(), name.clone(), since, true));
                }
                Change::Recovered => {
                    let since = known.incident.take().unwrap_or(now);
                    changed.push((organisation.clone(), name.clone(), since, false));
                }
            }
        }
        let notices = changed.into_iter().map(|one| state.notice(now, one, &is_ghost)).collect();
        let mut ghosts = state.let_go();
        ghosts.retain(|(_, key)| is_ghost(*key));
        (notices, ghosts)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether there are adapters of the organisation, and none of them is heard.
    fn is_deaf(&self, organisation: &Organisation) -> bool {
        let mut of =
            self.known.iter().filter(|((of, _), known)| of == organisation && known.expected).peekable();
        of.peek().is_some() && of.all(|(_, known)| known.incident.is_some())
    }

    /// Whether there are adapters of the organisation, and each was waited for without an event since, an incident or not.
    fn hears_nothing(&self, organisation: &Organisation) -> bool {
        let mut of =
            self.known.iter().filter(|((of, _), known)| of == organisation && known.expected).peekable();
        of.peek().is_some() && of.all(|(_, known)| known.incident.is_some() || known.waiting_since.is_some())
    }

    /// Whether ghosts of closures with this rule of evidence are kept, and not told of one by one.
    fn keeps_ghosts(&self, organisation: &Organisation, evidence: Evidence) -> bool {
        match evidence {
            Evidence::WebhookOnly => self.hears_nothing(organisation),
            Evidence::WebhookOrReadBack => self.is_deaf(organisation),
        }
    }

    /// When an adapter of the organisation that is not silent was last heard; always, where none is watched.
    fn heard_at(&self, organisation: &Organisation) -> Option<Time> {
        let of = || self.known.iter().filter(|((of, _), known)| of == organisation && known.expected);
        if of().next().is_none() {
            return Some(Time::from_millis(i64::MAX));
        }
        of().filter(|(_, known)| known.incident.is_none()).filter_map(|(_, known)| known.last_event_at).max()
    }

    /// Takes out the ghosts that were kept for a silence that never became an incident.
    fn let_go(&mut self) -> Vec<(Organisation, ClosureKey)> {
        let heard: Vec<_> = self.untold.keys().filter(|one| !self.hears_nothing(one)).cloned().collect();
        let kept = heard.into_iter().filter_map(|one| self.untold.remove_entry(&one));
        kept.flat_map(|(one, keys)| keys.into_iter().map(move |key| (one.clone(), key))).collect()
    }

    fn notice(
        &mut self,
        at: Time,
        (organisation, adapter, since, silent): (Organisation, String, Time, bool),
        is_ghost: impl Fn(ClosureKey) -> bool,
    ) -> AdapterNotice {
        self.told += 1;
        let untold = if silent { None } else { self.untold.remove(&organisation) };
        let untold_ghosts = untold.into_iter().flatten().filter(|key| is_ghost(*key)).collect();
        let notice =
            AdapterNotice { sequence: self.told, at, adapter, organisation, since, silent, untold_ghosts };
        if self.notices.len() == NOTICES {
            self.notices.pop_front();
        }
        self.notices.push_back(notice.clone());
        notice
    }
}

impl Orchestrator {
    /// Looks from now on whether these adapters, each with the organisation of its events, are heard: one that is not heard
    /// for `after` although a closure waits for an event is an incident, told once, and once more when it is heard again.
    pub fn watch_adapters(&self, adapters: Vec<(String, Organisation)>, after: Duration) {
        self.inner.adapters.expect(adapters);
        let mut waiting = Vec::new();
        let mut ghosts = BTreeMap::<_, u64>::new();
        self.inner.registry.for_each(|_, glance| {
            if matches!(glance.step, Step::Ghost(_)) {
                *ghosts.entry(glance.organisation.clone()).or_default() += 1;
            }
            if glance.step == Step::AwaitingConfirmation && !waiting.contains(&glance.organisation) {
                waiting.push(glance.organisation.clone());
            }
        });
        waiting
            .iter()
            .for_each(|organisation| self.inner.adapters.is_waited_for(organisation, None, self.now()));
        // Whether each was told of before the stop is not known.
        for (organisation, ghosts) in ghosts {
            warn!(%organisation, ghosts, "sessions have no proof of their end since before the start");
        }
        let (this, after) = (self.clone(), Span::from(after));
        self.inner.tasks.spawn(async move {
            loop {
                tokio::select! {
                    biased;
                    () = this.inner.stopping.cancelled() => return,
                    () = tokio::time::sleep(LOOK_EVERY.min(after).duration()) => {}
                }
                let registry = &this.inner.registry;
                let now = this.now();
                // The end of a snooze tells of it anew.
                let is_told = |one: Glance| {
                    matches!(one.step, Step::Ghost(_)) && one.snooze_ends.is_none_or(|until| until <= now)
                };
                let (notices, ghosts) =
                    this.inner.adapters.look(now, after, |key| registry.glance(key).is_some_and(is_told));
                notices.iter().for_each(tell);
                ghosts.iter().for_each(|(organisation, key)| tell_ghost(organisation, *key));
            }
        });
    }

    /// How every adapter does that is in the configuration or was heard.
    pub fn adapters(&self) -> Vec<AdapterHealth> {
        let now = self.now();
        let state = self.inner.adapters.lock();
        let health = |((organisation, name), known): (&(Organisation, String), &Known)| AdapterHealth {
            name: name.clone(),
            organisation: organisation.clone(),
            last_event_at: known.last_event_at,
            events_per_minute: known.rate.per_minute(now),
            lag: known.lag,
            silent_since: known.silent_since(state.after, now),
        };
        state.known.iter().map(health).collect()
    }

    /// What was told of adapters after the notice number `after`, the oldest first. The latest 256 are kept, and none
    /// outlives the process: a silence that outlasts a restart is told again.
    pub fn adapter_notices(&self, after: u64) -> Vec<AdapterNotice> {
        let state = self.inner.adapters.lock();
        state.notices.iter().filter(|notice| notice.sequence > after).cloned().collect()
    }

    /// Whether no adapter of an organisation is heard: what closures want is then one incident, and no affair of each.
    pub fn is_deaf(&self, organisation: &Organisation) -> bool {
        self.inner.adapters.lock().is_deaf(organisation)
    }

    /// Whether a ghost is no matter of its own now, but one of silence: whoever sends notices keeps it until an event was
    /// [heard](Self::heard_at). The rule by which ghosts are logged.
    pub fn keeps_ghost(&self, record: &Record) -> bool {
        let evidence = self.policy(record).evidence;
        self.inner.adapters.lock().keeps_ghosts(&record.organisation, evidence)
    }

    /// When an event of an organisation was last heard, since the start, by an adapter that is no incident; the end of time
    /// where no adapter of it is watched, so that nobody waits for one.
    pub fn heard_at(&self, organisation: &Organisation) -> Option<Time> {
        self.inner.adapters.lock().heard_at(organisation)
    }
}

/// Whether a closure began to wait for an event.
pub(crate) fn begins_to_wait(before: &Closure, next: &Closure) -> bool {
    next.step == Step::AwaitingConfirmation && before.step != Step::AwaitingConfirmation
}

/// Whether a closure was proven by reading although an event had its time to come. The read that follows a gap of a
/// WebSocket comes before that time, and counts as none.
fn is_lost(next: &Record, policy: &Policy) -> bool {
    let (Some(by), Some(asked)) = (&next.confirmed_by, next.closure.first_asked_at) else { return false };
    by.kind == ProofSource::ReadBack && by.at >= asked + policy.confirm_within
}

fn tell(notice: &AdapterNotice) {
    let AdapterNotice { adapter, organisation, untold_ghosts, .. } = notice;
    metrics::adapter_silent(adapter, notice.silent);
    let silent_for_s = notice.at.since(notice.since).duration().as_secs();
    if notice.silent {
        warn!(
            adapter, %organisation, silent_for_s,
            "no event arrives although sessions were closed: check that the sender reaches this adapter"
        );
    } else {
        info!(adapter, %organisation, silent_for_s, "events arrive again");
    }
    if !untold_ghosts.is_empty() {
        warn!(
            %organisation, ghosts = untold_ghosts.len(),
            "sessions without proof of their end were found while no event arrived, and still have none"
        );
    }
    untold_ghosts.iter().for_each(|key| tell_ghost(organisation, *key));
}

fn tell_ghost(organisation: &Organisation, key: ClosureKey) {
    warn!(closure.id = %closure_id(key), %organisation, "a session has no proof of its end");
}

#[cfg(test)]
mod tests;
