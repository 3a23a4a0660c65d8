//! Everything the simulator keeps, and what happens when time passes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use dashmap::DashMap;
use dashmap::mapref::one::RefMut;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::chaos::ChaosSpec;
use crate::clock::{Clock, Millis};
use crate::config::{Config, DelayRange};
use crate::conversation::{Conversation, Disconnect, Participant};
use crate::credentials::Credentials;
use crate::events::Event;
use crate::journal::{Journal, JournalKind, Note};
use crate::ledger::{Tally, Verdict};
use crate::notifying::Notification;
use crate::random::Draw;
use crate::relay::{Delivery, Outcome, Relay};
use crate::schedule::Schedule;
use crate::signing::{Authenticity, SigningUnusable};
use crate::sockets::Sockets;
use crate::wrap_up_codes::WrapUpCodes;

/// Something that is done later.
#[derive(Debug)]
pub(crate) enum Task {
    EndParticipant { conversation: Uuid, participant: Uuid, how: Disconnect },
    TearDown { conversation: Uuid },
    TimeOutWrapUp { conversation: Uuid, participant: Uuid },
    Deliver(Delivery),
    Notify(Notification),
    Heartbeat(Uuid, u64),
    CutSocket(Uuid, u64),
    EndChannel(Uuid),
}

/// The simulated remote side.
#[derive(Debug)]
pub(crate) struct World {
    pub config: Config,
    pub clock: Clock,
    pub conversations: DashMap<Uuid, Conversation>,
    /// What a client had purged: gone for the platform's API, remembered for the guest's page and the control.
    pub purged: DashMap<Uuid, Conversation>,
    pub wrap_up_codes: WrapUpCodes,
    pub credentials: Credentials,
    pub journal: Journal,
    pub relay: Relay,
    pub sockets: Sockets,
    pub schedule: Schedule<Task>,
    seed: AtomicU64,
    pub created: AtomicU64,
    pub answers: AtomicU64,
    chaos: RwLock<Arc<ChaosSpec>>,
    tally: Mutex<Tally>,
}

impl World {
    pub(crate) fn new(config: Config) -> Result<Self, SigningUnusable> {
        Ok(Self {
            clock: Clock::new(),
            conversations: DashMap::new(),
            purged: DashMap::new(),
            wrap_up_codes: WrapUpCodes::default(),
            credentials: Credentials::new(config.clients.clone(), config.token_lifetime, config.quota)
                .sharing(config.quota_of_clients),
            journal: Journal::new(config.journal_capacity),
            relay: Relay::new(config.webhooks.clone())?,
            sockets: Sockets::default(),
            schedule: Schedule::new(),
            seed: AtomicU64::new(config.seed),
            created: AtomicU64::new(0),
            answers: AtomicU64::new(0),
            chaos: RwLock::new(Arc::new(config.chaos.clone())),
            tally: Mutex::default(),
            config,
        })
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed.load(Ordering::Relaxed)
    }

    pub(crate) fn set_seed(&self, seed: u64) {
        self.seed.store(seed, Ordering::Relaxed);
    }

    pub(crate) fn find(&self, id: Uuid) -> Option<RefMut<'_, Uuid, Conversation>> {
        self.conversations.get_mut(&id)
    }

    /// Finds a conversation, also one that was purged.
    pub(crate) fn remembered(&self, id: Uuid) -> Option<RefMut<'_, Uuid, Conversation>> {
        self.find(id).or_else(|| self.purged.get_mut(&id))
    }

    pub(crate) fn general_chaos(&self) -> Arc<ChaosSpec> {
        Arc::clone(&self.chaos.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_general_chaos(&self, chaos: ChaosSpec) {
        *self.chaos.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(chaos);
    }

    /// Gives some conversations faults of their own; an agent whom these ask for comes in at once.
    pub(crate) fn set_chaos_of(&self, conversations: &[Uuid], chaos: &ChaosSpec) {
        for id in conversations {
            if let Some(mut talk) = self.find(*id) {
                talk.chaos = Some(chaos.clone());
                self.impose_presence(&mut talk);
            }
        }
    }

    /// Answers the faults of a conversation: its own, else the general ones.
    pub(crate) fn chaos_of(&self, talk: &Conversation) -> Arc<ChaosSpec> {
        talk.chaos.clone().map_or_else(|| self.general_chaos(), Arc::new)
    }

    pub(crate) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn note(&self, note: Note) {
        self.journal.note(self.clock.now(), note);
    }

    /// Draws a delay for an occasion of a conversation.
    pub(crate) fn delay(&self, range: DelayRange, talk: &mut Conversation, occasion: &'static str) -> Millis {
        let nth = u64::from(talk.arise(occasion));
        let millis = Draw::new(self.seed(), talk.id, occasion, nth).between(range.min_ms, range.max_ms);
        Millis::try_from(millis).unwrap_or(Millis::MAX)
    }

    /// Does what is due, and waits for the next thing, until cancelled.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let (due, next) = self.schedule.take_due(self.clock.now());
            for task in due {
                self.carry_out(task);
            }
            let pause = async {
                match next {
                    Some(at) => {
                        let left = u64::try_from(at - self.clock.now()).unwrap_or(0);
                        tokio::time::sleep(Duration::from_millis(left)).await;
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.schedule.changed() => {}
                () = pause => {}
            }
        }
    }

    fn carry_out(self: &Arc<Self>, task: Task) {
        match task {
            Task::EndParticipant { conversation, participant, how } => {
                if let Some(mut talk) = self.find(conversation) {
                    if talk.is_stranded(participant) {
                        let lost =
                            Note::new(JournalKind::Change, Some(conversation), "close of the guest lost");
                        self.note(lost.detail("the wrapper was closed before it took effect"));
                        return;
                    }
                    let happened = talk.end_participant(participant, how, self.clock.now());
                    self.publish(&mut talk, &happened, &mut Vec::new());
                }
            }
            Task::TearDown { conversation } => {
                if let Some(mut talk) = self.find(conversation) {
                    let happened = talk.tear_down(self.clock.now());
                    self.publish(&mut talk, &happened, &mut Vec::new());
                }
            }
            Task::TimeOutWrapUp { conversation, participant } => {
                if let Some(mut talk) = self.find(conversation) {
                    let happened = talk.time_out_wrap_up(participant, self.clock.now());
                    self.publish(&mut talk, &happened, &mut Vec::new());
                }
            }
            Task::Notify(notification) => self.notify(&notification),
            Task::Heartbeat(channel, socket) => self.beat(channel, socket),
            Task::CutSocket(channel, socket) => self.cut_socket(channel, socket),
            Task::EndChannel(channel) => self.end_channel(channel),
            Task::Deliver(delivery) => {
                tokio::spawn(Arc::clone(self).deliver(delivery));
            }
        }
    }

    /// Sends once; on failure the next try goes back into the schedule.
    pub(crate) async fn deliver(self: Arc<Self>, mut delivery: Delivery) {
        self.mark_proven(&delivery);
        let outcome = self.relay.send(&delivery, self.config.organisation).await;
        if outcome.is_taken() {
            self.mark_shown(&delivery);
        }
        if let Some(follower) = delivery.followed_by.take() {
            self.schedule.add(self.clock.now(), Task::Deliver(*follower));
        }
        if outcome == Outcome::NotExpressible {
            tell(delivery.done.take(), outcome);
            return;
        }
        self.account_for(&delivery, &outcome);
        tell(delivery.done.take(), outcome.clone());
        if !outcome.is_worth_repeating() || delivery.authenticity != Authenticity::Genuine {
            return;
        }
        if delivery.attempt >= self.config.delivery_attempts {
            self.tally().deliveries_given_up += 1;
            return;
        }
        let doubled = self.config.retry_backoff.saturating_mul(1 << (delivery.attempt - 1).min(16));
        delivery.attempt += 1;
        self.schedule.add(self.clock.now() + crate::clock::in_millis(doubled), Task::Deliver(delivery));
    }

    /// A client may act on an event from the moment it is sent, so the proof counts from then on.
    fn mark_proven(&self, delivery: &Delivery) {
        let event = &delivery.event;
        let Some(mut talk) = self.find(event.conversation) else { return };
        let legs = talk.participants.iter_mut().flat_map(|p| p.legs.iter_mut());
        for leg in legs.filter(|leg| leg.id == event.leg && delivery.authenticity == Authenticity::Genuine) {
            leg.proven |= event.disconnected && !leg.is_connected();
        }
    }

    /// What a client has taken it can know of; what was sent to one that is away it cannot.
    fn mark_shown(&self, delivery: &Delivery) {
        if delivery.authenticity == Authenticity::Genuine {
            self.mark_event_shown(&delivery.event);
        }
    }

    pub(crate) fn mark_event_shown(&self, event: &Event) {
        let Some(mut talk) = self.find(event.conversation) else { return };
        let legs = talk.participants.iter_mut().flat_map(|p| p.legs.iter_mut());
        for leg in legs.filter(|leg| leg.id == event.leg) {
            leg.known = true;
            leg.proven |= event.disconnected && !leg.is_connected();
        }
    }

    fn account_for(&self, delivery: &Delivery, outcome: &Outcome) {
        let forged = delivery.authenticity != Authenticity::Genuine;
        {
            let mut tally = self.tally();
            tally.deliveries += 1;
            if forged {
                tally.forged_sent += 1;
                tally.forged_accepted += u64::from(outcome.is_taken());
            }
        }
        let event = &delivery.event;
        let mut detail = format!(
            "to {}, try {}, event {}, {}",
            delivery.adapter.config.name,
            delivery.attempt,
            event.id,
            delivery.authenticity.name()
        );
        if let Outcome::NoAnswer(why) = outcome {
            detail.push_str(": ");
            detail.push_str(why);
        }
        let mut note = Note::new(JournalKind::Delivery, Some(event.conversation), event.topic_name());
        note.status = outcome.status();
        self.note(note.fault(delivery.fault).detail(detail));
    }

    /// Judges everything since the start or the last reset.
    pub(crate) fn verdict(&self) -> Verdict {
        let (mut open, mut connected, mut named, mut calls, mut most) = (0, 0, 0_u64, 0_u64, 0_u64);
        for talk in self.conversations.iter().chain(self.purged.iter()) {
            open += u64::from(talk.ended_at.is_none());
            connected += u64::from(talk.guests().any(Participant::is_connected));
            let its_calls = u64::from(talk.ledger.calls);
            named += u64::from(its_calls > 0);
            calls += its_calls;
            most = most.max(its_calls);
        }
        let tally = self.tally().clone();
        Verdict {
            clean: tally.wrapper_closes_before_guest_gone
                + tally.wrapper_closes_before_proof
                + tally.repeated_closes
                + tally.repeated_wrapper_closes
                == 0,
            conversations: (self.conversations.len() + self.purged.len()) as u64,
            conversations_open: open,
            guests_connected: connected,
            wrapper_closes: tally.wrapper_closes,
            wrapper_closes_before_guest_gone: tally.wrapper_closes_before_guest_gone,
            wrapper_closes_before_proof: tally.wrapper_closes_before_proof,
            wrapper_closes_over_unseen_leg: tally.wrapper_closes_over_unseen_leg,
            wrapper_closes_with_guest: tally.wrapper_closes_with_guest,
            forced: tally.forced,
            forced_before_proof: tally.forced_before_proof,
            repeated_closes: tally.repeated_closes,
            repeated_wrapper_closes: tally.repeated_wrapper_closes,
            forged_sent: tally.forged_sent,
            forged_accepted: tally.forged_accepted,
            rate_limited: tally.rate_limited,
            calls: tally.calls,
            calls_per_conversation: if named == 0 { 0.0 } else { calls as f64 / named as f64 },
            most_calls_for_one_conversation: most,
            events_published: tally.events_published,
            events_lost: tally.events_lost,
            deliveries: tally.deliveries,
            deliveries_given_up: tally.deliveries_given_up,
            offences: tally.offences,
        }
    }

    /// Forgets conversations, tokens, faults, events under way, journal and counts; clients and webhooks stay.
    pub(crate) fn reset(&self, seed: Option<u64>) {
        self.schedule.clear();
        self.conversations.clear();
        self.purged.clear();
        self.wrap_up_codes.clear();
        self.credentials.forget_tokens();
        self.relay.forget_sent();
        self.sockets.clear();
        self.set_general_chaos(ChaosSpec::none());
        self.created.store(0, Ordering::Relaxed);
        *self.tally() = Tally::default();
        self.journal.clear();
        if let Some(seed) = seed {
            self.set_seed(seed);
        }
    }
}

fn tell(done: Option<oneshot::Sender<Outcome>>, outcome: Outcome) {
    if let Some(done) = done {
        // Whoever asked may have stopped waiting; the outcome is in the journal all the same.
        let _ = done.send(outcome);
    }
}
