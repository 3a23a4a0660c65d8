//! The one door: load, step, commit by version, effects.

use std::{collections::BTreeMap, sync::Arc};

use closure_machine::{
    Act, Announcement, Call, CallId, Event, Evidence, Moment, Policy, Rejected, Reply, Step, Turn,
};
use genesys_client::{Class, Requests};
use genesys_types::{ConversationId, Organisation, Span, Time};
use store::{ClosureKey, Commit, CommitRefused, InboxEntry, Store, StoreUnavailable};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument, debug, error, info, info_span, warn};

use crate::{
    adapters::{Adapters, begins_to_wait},
    clock::Onward,
    closure_id, fleet,
    handling::Word,
    held::{Held, HeldReplies},
    journal::Cause,
    lookup::{Question, is_looking_up, left_to},
    made::Made,
    metrics, names,
    organisation::{Org, class_of_ordered, waits_for_permit},
    processor::Processor,
    record::Record,
    registry::Registry,
    remote::{Outcome, Permit, Remote},
    under_way::UnderWay,
    wrap_up,
    writing::Writing,
};

/// How often a transition is worked out anew because somebody else wrote first.
const TRIES_AGAINST_OTHERS: u32 = 16;

/// How long a reply waits before it is offered again to a store that is away.
pub(crate) const STORE_AWAY: Span = Span::from_millis(250);

/// The driver. Cheap to clone.
#[derive(Clone)]
pub struct Orchestrator {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Onward,
    pub(crate) registry: Registry,
    pub(crate) organisations: BTreeMap<Organisation, Arc<Org>>,
    pub(crate) held: HeldReplies,
    pub(crate) under_way: UnderWay,
    pub(crate) writing: Writing,
    pub(crate) processor: Processor,
    pub(crate) adapters: Adapters,
    pub(crate) tasks: TaskTracker,
    pub(crate) stopping: CancellationToken,
    /// Whether other processes work on the same store.
    pub(crate) shared: bool,
    pub(crate) retention: Span,
    pub(crate) inbox_retention: Span,
}

/// What is to happen to a closure, and what is to be committed with it.
pub(crate) struct Trigger {
    pub(crate) event: Event,
    pub(crate) cause: Cause,
    pub(crate) inbox: Option<InboxEntry>,
    pub(crate) permit: Option<Permit>,
    pub(crate) if_version: Option<u64>,
    /// When it happened, where that was before now.
    pub(crate) at: Option<Time>,
}

impl Trigger {
    pub(crate) fn new(event: Event) -> Self {
        Self { event, cause: Cause::default(), inbox: None, permit: None, if_version: None, at: None }
    }
}

/// Why a closure did not advance.
#[derive(Debug)]
pub(crate) enum NotAdvanced {
    /// The event changes nothing.
    Rejected(Rejected, Arc<Record>),
    /// There is no such closure.
    Missing,
    /// It is at another version than the caller expects.
    OtherVersion(u64),
    /// Somebody else sees to the ghost.
    Claimed(Box<Word>),
    /// The event was taken before.
    SameEvent,
    /// Another event was taken before under its id.
    OtherBody,
    /// Nothing could be written.
    Unavailable(StoreUnavailable),
}

impl std::fmt::Debug for Orchestrator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Orchestrator").field("open", &self.inner.registry.open()).finish_non_exhaustive()
    }
}

impl Orchestrator {
    /// The policy that holds for a record: the organisation's, with what the command sets differently.
    pub(crate) fn policy(&self, record: &Record) -> Arc<Policy> {
        match (self.inner.organisations.get(&record.organisation), record.overrides()) {
            (Some(org), None) => Arc::clone(&org.policy),
            (Some(org), Some(overrides)) => Arc::new(org.policy_with(overrides)),
            (None, None) => Arc::default(),
            (None, Some(overrides)) => Arc::new(overrides.applied_to(&Policy::default())),
        }
    }

    /// The remote side of a record's organisation.
    pub(crate) fn remote(&self, record: &Record) -> Option<&dyn Remote> {
        self.inner.organisations.get(&record.organisation).map(|org| org.setup.remote.as_ref())
    }

    /// The record of a closure, from memory or from the store.
    pub(crate) async fn load(&self, key: ClosureKey) -> Result<Option<Arc<Record>>, StoreUnavailable> {
        if let Some(record) = self.inner.registry.record(key) {
            return Ok(Some(record));
        }
        self.read(key).await
    }

    /// The record of a closure as it is in the store, where others may have written it meanwhile; else from memory.
    pub(crate) async fn latest(&self, key: ClosureKey) -> Result<Option<Arc<Record>>, StoreUnavailable> {
        if self.inner.shared { self.read(key).await } else { self.load(key).await }
    }

    /// The open closure of a conversation, as far as this process can know: of a shared store others may have opened it.
    pub(crate) async fn open_of(
        &self,
        organisation: &Organisation,
        conversation: ConversationId,
    ) -> Result<Option<ClosureKey>, StoreUnavailable> {
        let known = self.inner.registry.of_conversation(organisation, conversation);
        if known.is_some() || !self.inner.shared {
            return Ok(known);
        }
        let found = self.inner.store.open_of(organisation.as_str(), conversation.uuid()).await?;
        Ok(found.map(|row| row.key))
    }

    async fn read(&self, key: ClosureKey) -> Result<Option<Arc<Record>>, StoreUnavailable> {
        let Some(row) = self.inner.store.load(key).await? else { return Ok(None) };
        match Record::from_row(&row) {
            Ok(mut record) => {
                self.inner.registry.share_names(&mut record);
                Ok(Some(Arc::new(record)))
            }
            Err(why) => {
                self.set_aside(key, why).await?;
                Ok(None)
            }
        }
    }

    pub(crate) async fn set_aside(&self, key: ClosureKey, why: String) -> Result<(), StoreUnavailable> {
        error!(closure.id = %closure_id(key), why, "a stored closure cannot be read and was set aside");
        let at = self.now().millis();
        self.inner.store.quarantine(store::Quarantined { closure: key, reason: why, at }).await
    }

    /// Advances one closure by one event. A reply that was held is committed together with it, or before it.
    pub(crate) async fn advance(
        &self,
        key: ClosureKey,
        trigger: Trigger,
    ) -> Result<Arc<Record>, NotAdvanced> {
        let _guard = self.inner.registry.lock(key).await;
        let Some(held) = self.inner.held.take(key) else {
            return self.advance_locked(key, None, trigger).await;
        };
        // Whoever brings evidence does not mind what else is true; everybody else looks at what is committed.
        if !matches!(trigger.event, Event::Heard(_)) {
            self.let_go(key, held).await.map_err(NotAdvanced::Unavailable)?;
            return self.advance_locked(key, None, trigger).await;
        }
        let advanced = self.advance_locked(key, Some(&held), trigger).await;
        match &advanced {
            Ok(_) => {}
            Err(NotAdvanced::Unavailable(_)) => self.keep_holding(key, held),
            Err(
                NotAdvanced::Rejected(..)
                | NotAdvanced::Missing
                | NotAdvanced::OtherVersion(_)
                | NotAdvanced::Claimed(_)
                | NotAdvanced::SameEvent
                | NotAdvanced::OtherBody,
            ) => self.let_go(key, held).await.map_err(NotAdvanced::Unavailable)?,
        }
        advanced
    }

    /// Does the work of [`Orchestrator::advance`] for whoever holds the closure's lock.
    pub(crate) async fn advance_locked(
        &self,
        key: ClosureKey,
        held: Option<&Held>,
        mut trigger: Trigger,
    ) -> Result<Arc<Record>, NotAdvanced> {
        for _ in 0..TRIES_AGAINST_OTHERS {
            if let Some(next) = self.advance_once(key, held, &mut trigger).await? {
                return Ok(next);
            }
        }
        let why = "others kept writing the same closure first".to_owned();
        Err(NotAdvanced::Unavailable(StoreUnavailable { why }))
    }

    /// Loads, works out, commits, and acts; `None` where it has to be worked out anew.
    async fn advance_once(
        &self,
        key: ClosureKey,
        held: Option<&Held>,
        trigger: &mut Trigger,
    ) -> Result<Option<Arc<Record>>, NotAdvanced> {
        let stored = self.load(key).await.map_err(NotAdvanced::Unavailable)?.ok_or(NotAdvanced::Missing)?;
        let expected = stored.closure.sequence;
        if trigger.if_version.is_some_and(|wanted| wanted != expected) {
            if self.is_outdated(&stored).await.map_err(NotAdvanced::Unavailable)? {
                return Ok(None);
            }
            return Err(NotAdvanced::OtherVersion(expected));
        }
        if let Some(word) = trigger.cause.hindering_claim(&stored) {
            return Err(NotAdvanced::Claimed(Box::new(word.clone())));
        }
        let policy = self.policy(&stored);
        let (first, mut last) = match self.work_out(&stored, held, trigger, &policy) {
            Ok(moves) => moves,
            Err(rejected) => {
                if self.is_outdated(&stored).await.map_err(NotAdvanced::Unavailable)? {
                    return self.start_anew(trigger);
                }
                return Err(rejected);
            }
        };
        self.take_up_ids(&stored, first.as_ref(), &mut last).await.map_err(NotAdvanced::Unavailable)?;
        let moves = first.iter().chain([&last]);
        let commit = Commit {
            closure: Some((last.next.row(), expected)),
            lines: moves.clone().map(|made| made.line.clone()).collect(),
            inbox: trigger.inbox.clone(),
            key: None,
        };
        match self.commit(commit).await {
            Ok(()) => {
                if moves.clone().any(|made| begins_to_wait(&made.before.closure, &made.next.closure)) {
                    // What the reply was held for is here.
                    let here = trigger.cause.adapter.as_ref().map(|facts| facts.adapter.as_str());
                    self.inner.adapters.is_waited_for(&stored.organisation, here, self.now());
                }
                moves.for_each(|made| self.committed(made));
                let next = last.next;
                match (last.call, trigger.permit.take()) {
                    (Some(call), Some(permit)) => self.make_call(&next, call, permit, &policy),
                    (_, unused) => self.give_back(&next, unused),
                }
                Ok(Some(next))
            }
            Err(refused) => self.answer_refusal(key, refused, trigger).await.map(|()| None),
        }
    }

    /// Whether another process has written the closure since; what is in memory is forgotten then.
    async fn is_outdated(&self, record: &Record) -> Result<bool, StoreUnavailable> {
        if !self.inner.shared || self.inner.registry.record(record.key).is_none() {
            return Ok(false);
        }
        let stored = self.inner.store.load(record.key).await?;
        let outdated = stored.is_none_or(|row| row.version != record.closure.sequence);
        if outdated {
            self.inner.registry.remove(record.key);
        }
        Ok(outdated)
    }

    /// Works it out anew on what another process has written. A wake-up is that one's affair now.
    fn start_anew(&self, trigger: &Trigger) -> Result<Option<Arc<Record>>, NotAdvanced> {
        if matches!(trigger.event, Event::Woke) { Err(NotAdvanced::Missing) } else { Ok(None) }
    }

    /// What the event does to the closure, after the reply that was held for it.
    fn work_out(
        &self,
        stored: &Arc<Record>,
        held: Option<&Held>,
        trigger: &mut Trigger,
        policy: &Policy,
    ) -> Result<(Option<Made>, Made), NotAdvanced> {
        let remote = self.remote(stored);
        let first = held.and_then(|held| {
            let moment = Moment { now: held.at, may_call: false };
            Made::of(stored, &held.event, &held.cause, policy, moment, remote).ok()
        });
        let record = first.as_ref().map_or(stored, |first| &first.next);
        if trigger.permit.is_none() {
            trigger.permit = self.permit_for(record, &trigger.event);
        }
        let now = trigger.at.unwrap_or_else(|| self.now());
        let moment = Moment { now, may_call: trigger.permit.is_some() };
        match Made::of(record, &trigger.event, &trigger.cause, policy, moment, remote) {
            Ok(mut last) => {
                let under_way = &self.inner.under_way;
                let further =
                    under_way.overtaken(stored.key, &record.closure, &trigger.event, &last.next.closure);
                if further > 0 {
                    Arc::make_mut(&mut last.next).further_requests += further;
                }
                Ok((first, last))
            }
            Err(rejected) => {
                self.give_back(record, trigger.permit.take());
                Err(NotAdvanced::Rejected(rejected, Arc::clone(stored)))
            }
        }
    }

    /// Prepares for working it out anew after a refused commit, or says why that is of no use.
    async fn answer_refusal(
        &self,
        key: ClosureKey,
        refused: CommitRefused,
        trigger: &mut Trigger,
    ) -> Result<(), NotAdvanced> {
        match refused {
            CommitRefused::Version(version) => {
                debug!(closure.id = %closure_id(key), version, "somebody else wrote first");
                if self.inner.shared {
                    self.inner.registry.remove(key);
                    return self.start_anew(trigger).map(|_| ());
                }
                self.inner.registry.forget(key);
                if let Some(fresh) = self.read(key).await.map_err(NotAdvanced::Unavailable)? {
                    self.inner.registry.put(fresh);
                }
                Ok(())
            }
            CommitRefused::OpenClosure(other) if left_to(&trigger.event, other).is_some() => {
                trigger.event = left_to(&trigger.event, other).unwrap_or_else(|| trigger.event.clone());
                Ok(())
            }
            CommitRefused::OpenClosure(_)
                if self.inner.shared && self.inner.registry.record(key).is_some() =>
            {
                // Another process has ended it, and the conversation has another one: what is in memory is old.
                self.inner.registry.remove(key);
                self.start_anew(trigger).map(|_| ())
            }
            CommitRefused::SameEvent => Err(NotAdvanced::SameEvent),
            CommitRefused::OtherBody => Err(NotAdvanced::OtherBody),
            CommitRefused::Unavailable(unavailable) => {
                self.reload_later(key);
                Err(NotAdvanced::Unavailable(unavailable))
            }
            refused
            @ (CommitRefused::OpenClosure(_) | CommitRefused::KeyUsed(_) | CommitRefused::NotOpen) => {
                let why = format!("the commit of a transition was refused: {refused}");
                Err(NotAdvanced::Unavailable(StoreUnavailable { why }))
            }
        }
    }

    /// A permit for the call that the event may lead to right away. A wake-up brings its own.
    fn permit_for(&self, record: &Record, event: &Event) -> Option<Permit> {
        let org = self.inner.organisations.get(&record.organisation)?;
        if record.closure.has_ended() {
            return None;
        }
        let class = match (event, &record.closure.step) {
            (Event::Woke | Event::Act(Act::Note), _) => return None,
            // It is woken, and read together with others.
            (Event::Missed, Step::AwaitingConfirmation) if self.pays_together(org) => return None,
            (Event::Missed, Step::AwaitingConfirmation) => Class::Read,
            (Event::Missed, _) => Class::Background,
            (Event::Heard(_), _) => Class::Confirmation,
            (Event::Replied { .. }, Step::ClosingParticipant)
                if record.closure.guests.len() < 2 && record.closure.proof().is_none() =>
            {
                return None;
            }
            (Event::Replied { .. }, Step::Resolving) => Class::Verify,
            (Event::Replied { .. }, Step::Verifying) | (Event::Act(_), _) => Class::Close,
            (Event::Replied { .. }, _) => Class::Confirmation,
        };
        org.permit_at_once(class)
    }

    /// Takes over what is durable now, and tells whoever listens.
    pub(crate) fn committed(&self, made: &Made) {
        let next = &made.next;
        if let Some(org) = self.inner.organisations.get(&next.organisation) {
            match &made.event {
                // A permission that only lookups need keeps nobody else from calling.
                Event::Replied { reply: Reply::Forbidden(_), .. } if is_looking_up(&made.before.closure) => {
                    org.refuse_lookups(self.now());
                }
                Event::Replied { reply: Reply::Forbidden(_) | Reply::Unauthenticated, .. } => {
                    org.block(self.now());
                }
                // Not looked at, or unclear: tells nothing of what the organisation may do.
                Event::Replied {
                    reply: Reply::RateLimited(_) | Reply::NotSent | Reply::Failed | Reply::Unknown,
                    ..
                } => {}
                Event::Replied { .. } if org.went_through(next.key) => self.wake_blocked(org),
                Event::Replied { .. } if is_looking_up(&made.before.closure) && org.takes_lookups() => {
                    self.wake_blocked(org);
                }
                Event::Replied { .. } => {}
                // What is said of a ghost wants nothing tried.
                Event::Act(Act::Note) => {}
                Event::Act(_) if !next.closure.has_ended() => {
                    org.want(next.key);
                    self.hurry(org, next);
                }
                Event::Woke | Event::Heard(_) | Event::Act(_) | Event::Missed => {}
            }
        }
        self.inner.registry.put(Arc::clone(next));
        metrics::transition(&made.before, next, &made.announces);
        let policy = self.policy(next);
        self.inner.adapters.missed(made, &policy, self.now());
        tell(next, &made.announces, &self.inner.adapters, policy.evidence);
    }

    /// Lets what an operator has ordered queue before what nobody waits for, where it could not be called at once. It is forgotten with the
    /// process; the closure then queues as any other of its state.
    fn hurry(&self, org: &Org, record: &Record) {
        let closure = &record.closure;
        let is_due = waits_for_permit(closure) && closure.wake_at().is_some_and(|at| at <= self.now());
        if is_due && matches!(closure.step, Step::Ghost(_) | Step::Verifying) {
            org.make_ready(record.key, class_of_ordered(closure, &self.policy(record)));
        }
    }

    /// Gives a permit back that was not used, for whoever queues.
    pub(crate) fn give_back(&self, record: &Record, unused: Option<Permit>) {
        if unused.is_some()
            && let Some(org) = self.inner.organisations.get(&record.organisation)
        {
            drop(unused);
            org.nudge();
        }
    }

    pub(crate) fn make_call(&self, record: &Record, call: Call, permit: Permit, policy: &Policy) {
        let Some(org) = self.inner.organisations.get(&record.organisation) else { return };
        let org = Arc::clone(org);
        let Some(question) = Question::of(&record.closure, call.request) else { return };
        let (details, requests) = (wrap_up::details(record, policy), permit.requests());
        let shared = self.inner.shared;
        let asking = async move {
            let outcome = match shared && fleet::stood_still(&permit) {
                true => fleet::not_sent(),
                false => question.ask(org.setup.remote.as_ref(), permit, details).await,
            };
            org.nudge();
            outcome
        };
        self.bring_back_later(record, call.id, requests, asking);
    }

    /// Lets a call that is being made come home.
    pub(crate) fn bring_back_later(
        &self,
        record: &Record,
        call: CallId,
        requests: Option<Requests>,
        asking: impl Future<Output = Outcome> + Send + 'static,
    ) {
        let orchestrator = self.clone();
        if let Some(requests) = requests {
            self.inner.under_way.begin(record.key, call, requests);
        }
        let (key, conversation) = (record.key, record.conversation_text());
        let span = info_span!("call", closure.id = %closure_id(key), conversation.id = conversation);
        let task = async move {
            let outcome = asking.await;
            let event = Event::Replied { call, reply: outcome.reply };
            orchestrator
                .bring_back(key, event, Cause { facts: Some(outcome.facts), ..Cause::default() })
                .await;
            orchestrator.inner.under_way.end(key, call);
        };
        // A task holds its future twice over while it is spawned and ends; this one is of several KiB.
        self.inner.tasks.spawn(Box::pin(task.instrument(span)));
    }

    /// Brings a reply home, also while the store is away for a while: until then no one else repeats the call.
    async fn bring_back(&self, key: ClosureKey, event: Event, cause: Cause) {
        if self.hold(key, &event, &cause).await {
            return;
        }
        loop {
            let trigger = Trigger { cause: cause.clone(), ..Trigger::new(event.clone()) };
            match self.advance(key, trigger).await {
                Ok(_) => return,
                Err(NotAdvanced::Unavailable(unavailable)) => {
                    warn!(%unavailable, "a reply waits for the store");
                    tokio::select! {
                        biased;
                        () = self.inner.stopping.cancelled() => return,
                        () = tokio::time::sleep(STORE_AWAY.duration()) => {}
                    }
                }
                Err(NotAdvanced::Rejected(rejected, _)) => {
                    debug!(%rejected, "a reply changed nothing");
                    return;
                }
                Err(
                    NotAdvanced::Missing
                    | NotAdvanced::OtherVersion(_)
                    | NotAdvanced::Claimed(_)
                    | NotAdvanced::SameEvent
                    | NotAdvanced::OtherBody,
                ) => return,
            }
        }
    }

    /// The fate of a commit is unknown: what is in memory may be old, so it is read again before the next use.
    fn reload_later(&self, key: ClosureKey) {
        if !self.inner.registry.claim_reload(key) {
            return;
        }
        let orchestrator = self.clone();
        self.inner.tasks.spawn(async move {
            while !orchestrator.inner.stopping.is_cancelled() && orchestrator.reload(key).await.is_err() {
                tokio::time::sleep(STORE_AWAY.duration()).await;
            }
            orchestrator.inner.registry.end_reload(key);
        });
    }

    /// Puts what the store has in place of what is in memory.
    pub(crate) async fn reload(&self, key: ClosureKey) -> Result<(), StoreUnavailable> {
        let _guard = self.inner.registry.lock(key).await;
        match self.read(key).await? {
            Some(fresh) => self.inner.registry.put(fresh),
            None => self.inner.registry.remove(key),
        }
        Ok(())
    }
}

fn tell(record: &Record, told: &[Announcement], adapters: &Adapters, evidence: Evidence) {
    let id = closure_id(record.key);
    let conversation = record.conversation_text();
    let reason = names::reason(&record.closure).unwrap_or_default();
    for announcement in told {
        match announcement {
            Announcement::GhostDetected
                if !adapters.tells_ghost(&record.organisation, record.key, evidence) =>
            {
                debug!(closure.id = %id, conversation.id = conversation, reason, "a session has no proof of its end");
            }
            Announcement::GhostDetected => {
                warn!(closure.id = %id, conversation.id = conversation, reason, "a session has no proof of its end");
            }
            Announcement::Blocked => {
                let organisation = &record.organisation;
                warn!(
                    %organisation, reason, closure.id = %id, conversation.id = conversation,
                    "Genesys refuses the organisation's calls; check its credential and the role of its client"
                );
            }
            Announcement::GuestReturned => {
                let followed_by = record.followed_by.map(|key| tracing::field::display(closure_id(key)));
                warn!(closure.id = %id, conversation.id = conversation, followed_by, "the guest came back after the end");
            }
            Announcement::GhostCleared
            | Announcement::Failed
            | Announcement::Cancelled
            | Announcement::Resolved => {
                info!(closure.id = %id, conversation.id = conversation, reason, state = names::state(&record.closure));
            }
            Announcement::Accepted
            | Announcement::ParticipantClosed
            | Announcement::Confirmed
            | Announcement::Closed
            | Announcement::AlreadyClosed => {
                debug!(closure.id = %id, conversation.id = conversation, state = names::state(&record.closure));
            }
        }
    }
    if let (true, Turn::InFlight { .. }) = (told.is_empty(), record.closure.turn) {
        debug!(closure.id = %id, conversation.id = conversation, state = names::state(&record.closure), "asks");
    }
}
