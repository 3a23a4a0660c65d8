//! Reading back many closures with one request, where their webhooks were lost (ADR 16).
//!
//! What is shown as over is evidence, offered through the one door. What is not is read alone, as ever: this way may be
//! late, refused or broken, and then costs a moment and nothing else.

mod decide;
mod waiting;

use std::sync::Arc;

use closure_machine::{Closure, Event, Evidence, Heard, Policy, ProofSource, Reply, Step, What};
use genesys_client::{Over, OverLeg};
use genesys_types::{Leg, LegState, Purpose, Snapshot, Span, Time, WrapUp};
use store::ClosureKey;
use tokio::task::JoinSet;
use tracing::{info, warn};

pub(crate) use self::{decide::Standing, waiting::Together};
use self::{
    decide::{Decision, FEWEST, decide},
    waiting::Asked,
};
use crate::{
    advance::{NotAdvanced, Orchestrator, STORE_AWAY, Trigger},
    journal::{AdapterFacts, Cause},
    organisation::{Org, class_of, waits_for_permit},
    record::Record,
    remote::{Outcome, Permit, ReadTogether},
};

/// How long closures are read alone after a request for many failed.
const AFTER_A_FAULT: Span = Span::from_secs(30);

/// How long ago a close must have been asked. What happened within the lag of analytics is not shown, a guest who reloaded the
/// page among it. The lag is not documented; this is meant to be several times as long.
const SETTLED: Span = Span::from_secs(15);

/// How often is looked whether a request for many may be made that had to wait. Only while closures wait for it.
pub(crate) const LOOK_AGAIN: Span = Span::from_millis(100);

/// By what name the evidence came, in timelines and metrics.
const ADAPTER: &str = "analytics";

/// The same, as the type of an event.
const ROUTE: &str = "analytics/conversations/details/query";

impl Orchestrator {
    /// Lets a closure that is due wait for company, where a read together with others can prove its end. Answers whether it
    /// does.
    pub(crate) fn joins_others(&self, org: &Org, record: &Record) -> bool {
        let possible = self.pays_together(org)
            && !org.is_queueing(record.key)
            && !org.is_blocked()
            && !org.together.is_off(self.now())
            && may_be_read_together(&record.closure, &self.policy(record), self.now());
        possible && org.together.join(record.key, self.now())
    }

    /// Whether the organisation's closures can be many enough, and its remote side able, to read them together.
    pub(crate) fn pays_together(&self, org: &Org) -> bool {
        org.setup.remote.reads_together() >= FEWEST && self.inner.registry.open_of(&org.setup.name) >= FEWEST
    }

    /// Asks for the closures of an organisation that wait for company, until the stop.
    pub(crate) async fn read_together(&self, org: &Arc<Org>) {
        if org.setup.remote.reads_together() < FEWEST {
            return;
        }
        while !self.inner.stopping.is_cancelled() {
            let situation =
                org.together.situation(self.now(), org.setup.remote.reads_together(), org.standing());
            let decision = decide(situation);
            org.together.want_permit(decision.wants_permit());
            let wait = match decision {
                Decision::Idle => None,
                Decision::Hold(span) => Some(span),
                Decision::Later | Decision::Behind => Some(LOOK_AGAIN),
                Decision::Alone => {
                    let all = org.together.let_go();
                    all.into_iter().for_each(|key| self.read_alone(org, key));
                    continue;
                }
                Decision::Ask => match org.permit_for_many() {
                    Some(permit) => {
                        self.ask_for_many(org, permit);
                        continue;
                    }
                    None => Some(LOOK_AGAIN),
                },
            };
            let sleep = async {
                match wait {
                    Some(span) => tokio::time::sleep(span.duration()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.inner.stopping.cancelled() => return,
                () = sleep => {}
                () = org.together.changed() => {}
            }
        }
    }

    fn ask_for_many(&self, org: &Arc<Org>, permit: Permit) {
        let asked = Together::ask(org, org.setup.remote.reads_together());
        let (this, org) = (self.clone(), Arc::clone(org));
        self.inner.tasks.spawn(async move {
            let registry = &this.inner.registry;
            // What has been proven meanwhile is not asked for.
            let waits = |key: &ClosureKey| {
                let glance = registry.glance(*key).filter(|glance| glance.step == Step::AwaitingConfirmation);
                glance?.conversation
            };
            let conversations: Vec<_> = asked.keys().iter().filter_map(waits).collect();
            if conversations.len() < FEWEST {
                drop(permit);
                org.nudge();
                return asked.keys().iter().for_each(|key| this.read_alone(&org, *key));
            }
            let answer = org.setup.remote.read_together(permit, &conversations).await;
            org.nudge();
            match answer {
                Ok(shown) => this.take_over(&org, asked, shown).await,
                Err(outcome) => this.go_on_alone(&org, &asked, &outcome),
            }
        });
    }

    /// Offers to each closure what was shown of it; those that it does not lead on are read alone.
    async fn take_over(&self, org: &Arc<Org>, asked: Asked, shown: ReadTogether) {
        if org.together.was_answered() {
            info!(organisation = %org.setup.name, "many conversations can be read with one request again");
        }
        let shown = Arc::new(shown);
        let mut tasks = JoinSet::new();
        for key in asked.keys().iter().copied() {
            let (this, org, shown) = (self.clone(), Arc::clone(org), Arc::clone(&shown));
            tasks.spawn(async move {
                this.offer(key, &shown).await;
                this.read_alone(&org, key);
            });
        }
        while tasks.join_next().await.is_some() {}
        drop(asked);
    }

    async fn offer(&self, key: ClosureKey, shown: &ReadTogether) {
        let Some(record) = self.inner.registry.record(key) else { return };
        let over = shown.over.iter().find(|over| Some(over.conversation) == record.closure.conversation);
        let Some(over) = over else { return };
        for heard in proofs(&record.closure, over) {
            let facts = AdapterFacts {
                adapter: ADAPTER.to_owned(),
                event_type: ROUTE.to_owned(),
                event_id: shown.facts.correlation_id.clone().unwrap_or_default(),
            };
            let cause = Cause { adapter: Some(facts), ..Cause::default() };
            let trigger = Trigger { cause, ..Trigger::new(Event::Heard(heard)) };
            match self.advance(key, trigger).await {
                Ok(_) => {}
                Err(NotAdvanced::Unavailable(unavailable)) => {
                    warn!(%unavailable, "what was read together waits for the store");
                    tokio::time::sleep(STORE_AWAY.duration()).await;
                }
                Err(
                    NotAdvanced::Rejected(..)
                    | NotAdvanced::Missing
                    | NotAdvanced::OtherVersion(_)
                    | NotAdvanced::Claimed(_)
                    | NotAdvanced::SameEvent
                    | NotAdvanced::OtherBody,
                ) => return,
            }
        }
    }

    /// Queues a closure for a read of its own, if it still waits for one.
    fn read_alone(&self, org: &Org, key: ClosureKey) {
        let Some(record) = self.inner.registry.record(key) else { return };
        let is_due = waits_for_permit(&record.closure)
            && record.closure.wake_at().is_some_and(|at| at <= self.now())
            && record.closure.step == Step::AwaitingConfirmation;
        if is_due {
            org.make_ready(key, class_of(&record.closure, &self.policy(&record)));
        }
    }

    fn go_on_alone(&self, org: &Org, asked: &Asked, outcome: &Outcome) {
        let organisation = &org.setup.name;
        match &outcome.reply {
            Reply::Forbidden(missing) => {
                if org.together.refuse(self.now() + org.policy.probe_blocked) {
                    let permission = missing.as_deref().unwrap_or("analytics:conversationDetail:view");
                    warn!(
                        %organisation, permission,
                        "many conversations may not be read with one request: each is read alone, which takes more of the quota"
                    );
                }
            }
            Reply::RateLimited(pause) => org.together.switch_off(self.now() + AFTER_A_FAULT.max(*pause)),
            Reply::LookedUp(_)
            | Reply::Saw(_)
            | Reply::Accepted(_)
            | Reply::NotFound
            | Reply::Conflict
            | Reply::WrapUpRequired
            | Reply::NoWrapUpCode
            | Reply::Rejected
            | Reply::Unauthenticated
            | Reply::NotSent
            | Reply::Failed
            | Reply::Unknown => {
                let message = outcome.facts.message.as_deref().unwrap_or_default();
                info!(%organisation, status = outcome.facts.status, message, "many conversations could not be read with one request: each is read alone for a while");
                org.together.switch_off(self.now() + AFTER_A_FAULT);
            }
        }
        asked.keys().iter().for_each(|key| self.read_alone(org, *key));
    }
}

/// Whether a read together with others can lead a closure on: it waits for proof of a leg that such a read names, takes a
/// read as proof, and was not read since its close was asked. A second look is taken alone: it has to show that the guest
/// is there.
fn may_be_read_together(closure: &Closure, policy: &Policy, now: Time) -> bool {
    closure.step == Step::AwaitingConfirmation
        && policy.evidence == Evidence::WebhookOrReadBack
        && closure.still_there_at.is_none()
        && !closure.doubtful
        && closure.conversation.is_some()
        && closure.guests.iter().any(|leg| leg.gone.is_none() && leg.communication.is_some())
        && closure.guests.iter().filter(|leg| leg.gone.is_none()).all(|leg| leg.asked_before(now - SETTLED))
}

/// What was shown as over and is waited for, as the effect of our own close. A leg proves by participant and communication,
/// where it ended no earlier than its close was asked; one that ended before was left by the guest, who may be there again.
/// Nothing proves while the guest is shown there on any leg.
/// The end of the whole proves where it is no older than our asking: a conversation can be taken up again after its end.
fn proofs(closure: &Closure, over: &Over) -> Vec<Heard> {
    if over.guest_is_there {
        return Vec::new();
    }
    let is_effect_of_ours = |leg: &&OverLeg| {
        closure.guests.iter().any(|known| {
            known.gone.is_none()
                && known.participant == leg.participant
                && known.communication == Some(leg.communication)
                && known.asked_before(leg.ended_at)
        })
    };
    let legs = over.legs.iter().filter(is_effect_of_ours);
    let heard = |occurred_at, what| Heard { source: ProofSource::ReadBack, occurred_at, what };
    match over.ended_at.filter(|at| closure.first_asked_at.is_some_and(|asked| asked <= *at)) {
        Some(at) => {
            let legs = legs.map(|leg| Leg {
                participant: leg.participant,
                communication: Some(leg.communication),
                purpose: Purpose::Customer,
                state: LegState::Disconnected,
                disconnect_type: None,
                disconnected_at: Some(leg.ended_at),
                wrap_up: WrapUp::NotRequired,
                user: None,
                queue: None,
            });
            let snapshot = Snapshot { ended_at: Some(at), legs: legs.collect() };
            vec![heard(at, What::Conversation(snapshot))]
        }
        None => legs
            .map(|leg| {
                let (participant, communication) = (Some(leg.participant), Some(leg.communication));
                heard(leg.ended_at, What::GuestLeft { participant, communication })
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests;
