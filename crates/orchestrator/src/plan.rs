//! What a command would do, found out by one read and without keeping anything.
//!
//! The read is real. From there on the machine itself runs against a remote side that is imagined to do what it is asked,
//! so that a plan cannot differ from what the machine would do.

use std::{error::Error, fmt, sync::Arc};

use closure_machine::{
    Candidate, Closure, Effect, Event, Findings, Heard, Moment, Policy, ProofSource, Reply, Request, Step,
    Turn, What, accept, step,
};
use genesys_client::Class;
use genesys_types::{ConversationId, ParticipantId, Snapshot, Span, Time};
use store::ClosureKey;

use crate::{
    advance::Orchestrator,
    journal::{Asks, Seen, asks, seen},
    lookup::candidates,
    names,
    organisation::Org,
    record::Record,
    remote::{CallDetails, CallFacts, Permit, Remote},
    submit::Submission,
    wrap_up::{self, Foreseen},
};

/// No closure takes more steps than this when everything goes well: a few for each leg of the guest.
const MOST_STEPS: usize = 64;

/// When to ask again for a plan that no call was free for.
const ASK_AGAIN: Span = Span::from_secs(5);

/// What a command would do if everything went well from here on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The conversation; `None` where nothing fits the target.
    pub conversation: Option<ConversationId>,
    /// The guest's participants, as far as the read showed them.
    pub participants: Vec<ParticipantId>,
    /// What the read showed; `None` when there is no such conversation.
    pub saw: Option<Seen>,
    /// What has to hold, and whether it does.
    pub guards: Vec<Guard>,
    /// Every call, in order; the lookup and the read that were made for this plan are the first.
    pub calls: Vec<Asks>,
    /// The state that the closure would reach, and stay in.
    pub state: &'static str,
    /// Why that is not the happy end.
    pub reason: Option<&'static str>,
    /// The open closure of the conversation, which the command would join.
    pub joins: Option<ClosureKey>,
}

/// Something that has to hold for a clean close.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// Its name. It never changes.
    pub name: &'static str,
    /// Whether it holds.
    pub holds: bool,
    /// One sentence on what was found.
    pub found: String,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanError {
    /// No such organisation is configured.
    UnknownOrganisation,
    /// The program is stopping.
    Stopping,
    /// No call is free: the quota is used up, or the organisation is paused or blocked.
    Busy {
        /// When to try again.
        retry_after: Span,
    },
    /// The conversation has an open closure that does something else.
    Contradicts {
        /// That closure.
        closure: ClosureKey,
        /// What differs.
        what: &'static str,
    },
    /// Several open conversations fit the target.
    Ambiguous {
        /// Those conversations; of very many not all.
        candidates: Vec<Candidate>,
    },
    /// Genesys did not show the conversation.
    NotShown {
        /// What was asked, `look_up` or `read`.
        asked: &'static str,
        /// The name of what came of it.
        reply: &'static str,
        /// What it answered.
        facts: CallFacts,
    },
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownOrganisation => f.write_str("no such organisation is configured"),
            Self::Stopping => f.write_str("the service is stopping"),
            Self::Busy { .. } => f.write_str("no call to Genesys is free"),
            Self::Contradicts { what, .. } => {
                write!(f, "the conversation has an open closure with another {what}")
            }
            Self::Ambiguous { candidates } => {
                write!(f, "{} open conversations fit the target", candidates.len())
            }
            Self::NotShown { reply, .. } => write!(f, "Genesys did not show the conversation ({reply})"),
        }
    }
}

impl Error for PlanError {}

impl Orchestrator {
    /// The policy that holds for a closure: the organisation's, with what its command sets differently.
    pub fn policy_of(&self, record: &Record) -> Arc<Policy> {
        self.policy(record)
    }

    /// Looks the conversation up where it is not named, reads it once, and says what the command would do. Nothing is kept, and nothing is written anywhere.
    ///
    /// # Errors
    ///
    /// [`PlanError`].
    pub async fn plan(&self, submission: &Submission) -> Result<Plan, PlanError> {
        let org =
            self.inner.organisations.get(&submission.organisation).ok_or(PlanError::UnknownOrganisation)?;
        if self.inner.stopping.is_cancelled() {
            return Err(PlanError::Stopping);
        }
        let permit = || org.permit_at_once(Class::Verify).ok_or(PlanError::Busy { retry_after: ASK_AGAIN });
        let found =
            match submission.command.subject.target() {
                None => Vec::new(),
                Some(_) => candidates(org, &submission.command.subject, permit()?).await.map_err(
                    |(reply, facts)| PlanError::NotShown {
                        asked: names::request(&Request::LookUp),
                        reply: names::reply(&reply),
                        facts,
                    },
                )?,
            };
        if found.len() > 1 {
            return Err(PlanError::Ambiguous { candidates: found });
        }
        let named = submission.command.subject.conversation();
        let conversation = named.or_else(|| found.first().map(|candidate| candidate.conversation));
        let snapshot = match conversation {
            Some(conversation) => read(org, permit()?, conversation).await?,
            None => None,
        };
        let policy = org.policy_with(&submission.said.overrides);
        let code = wrap_up::foreseen(org, &policy, snapshot.as_ref()).await;
        let joins = match conversation {
            // A store that is away leaves only what this process knows, and a plan promises nothing.
            Some(conversation) => {
                self.open_of(&submission.organisation, conversation).await.unwrap_or_default()
            }
            None => None,
        };
        if let Some(open) = joins
            && let Some(record) = self.load(open).await.ok().flatten()
            && let Some(what) = self.contradiction(submission, &record)
        {
            return Err(PlanError::Contradicts { closure: open, what });
        }
        let shown = Shown { found, snapshot, code, remote: org.setup.remote.as_ref() };
        Ok(imagine(submission, &shown, &policy, self.now(), joins))
    }
}

/// What Genesys showed for a plan.
struct Shown<'a> {
    /// What the lookup found, where one was made.
    found: Vec<Candidate>,
    /// What the read showed; `None` where there is no such conversation.
    snapshot: Option<Snapshot>,
    /// What the name of a wrap-up code means, where one may be given by its name.
    code: Option<Foreseen>,
    /// Who showed it.
    remote: &'a dyn Remote,
}

/// Reads the conversation.
async fn read(
    org: &Org,
    permit: Permit,
    conversation: ConversationId,
) -> Result<Option<Snapshot>, PlanError> {
    let outcome = org.setup.remote.call(permit, conversation, Request::Read, CallDetails::default()).await;
    org.nudge();
    match outcome.reply {
        Reply::Saw(snapshot) => Ok(Some(snapshot)),
        Reply::NotFound => Ok(None),
        reply @ (Reply::Accepted(_)
        | Reply::LookedUp(_)
        | Reply::Conflict
        | Reply::WrapUpRequired
        | Reply::NoWrapUpCode
        | Reply::Rejected
        | Reply::Forbidden(_)
        | Reply::Unauthenticated
        | Reply::RateLimited(_)
        | Reply::NotSent
        | Reply::Failed
        | Reply::Unknown) => Err(PlanError::NotShown {
            asked: names::request(&Request::Read),
            reply: names::reply(&reply),
            facts: outcome.facts,
        }),
    }
}

/// Runs the machine against a remote side that does what it is asked.
fn imagine(
    submission: &Submission,
    shown: &Shown<'_>,
    policy: &Policy,
    now: Time,
    joins: Option<ClosureKey>,
) -> Plan {
    let mut moment = Moment { now, may_call: true };
    let command = closure_machine::Command { not_before: None, ..submission.command.clone() };
    let mut transition = accept(&command, policy, moment);
    let mut calls = Vec::new();
    let mut read = false;
    for _ in 0..MOST_STEPS {
        let called = transition.effects.iter().find_map(|effect| match effect {
            Effect::Call(call) => Some(*call),
            Effect::Announce(_) | Effect::Follow => None,
        });
        calls.extend(called.map(|call| asks(call, &transition.next, Some(shown.remote))));
        let Some(event) = next_event(&transition.next, shown, &mut read, &mut moment) else { break };
        match step(&transition.next, &event, policy, moment) {
            Ok(next) => transition = next,
            Err(_) => break,
        }
    }
    let reached = transition.next;
    let mut participants: Vec<_> = reached.guests.iter().map(|leg| leg.participant).collect();
    participants.dedup();
    Plan {
        participants,
        conversation: reached.conversation,
        saw: shown.snapshot.as_ref().map(seen),
        guards: guards(submission, shown, policy, &reached, joins.is_some()),
        calls,
        state: names::state(&reached),
        reason: names::reason(&reached),
        joins,
    }
}

/// What would happen next if everything went well; `None` where the closure has ended or would wait for somebody.
fn next_event(closure: &Closure, shown: &Shown<'_>, read: &mut bool, moment: &mut Moment) -> Option<Event> {
    match (closure.turn, &closure.step) {
        (Turn::InFlight { call, request: Request::Read, .. }, _) => {
            // A second read would show what the imagined remote side has become, and nothing there needs one.
            if std::mem::replace(read, true) {
                return None;
            }
            let reply = shown.snapshot.clone().map_or(Reply::NotFound, Reply::Saw);
            Some(Event::Replied { call, reply })
        }
        (Turn::InFlight { call, request: Request::LookUp, .. }, _) => {
            let reply = Reply::LookedUp(Findings::Open(shown.found.clone()));
            Some(Event::Replied { call, reply })
        }
        (Turn::InFlight { call, .. }, _) => Some(Event::Replied { call, reply: Reply::Accepted(None) }),
        (Turn::Due { .. }, Step::AwaitingConfirmation) => {
            let leg = closure.guests.iter().find(|leg| leg.gone.is_none())?;
            let what =
                What::GuestLeft { participant: Some(leg.participant), communication: leg.communication };
            Some(Event::Heard(Heard { source: ProofSource::Webhook, occurred_at: moment.now, what }))
        }
        (Turn::Due { at }, Step::ClosingParticipant | Step::ClosingWrapper(_) | Step::Forcing) => {
            moment.now = moment.now.max(at);
            Some(Event::Woke)
        }
        (
            Turn::Due { .. },
            Step::Scheduled
            | Step::Resolving
            | Step::Verifying
            | Step::Blocked(_)
            | Step::Ghost(_)
            | Step::Ended(_),
        )
        | (Turn::Over, _) => None,
    }
}

fn guards(
    submission: &Submission,
    shown: &Shown<'_>,
    policy: &Policy,
    reached: &Closure,
    joins: bool,
) -> Vec<Guard> {
    let guard = |name, holds, found: &str| Guard { name, holds, found: found.to_owned() };
    let mut guards = vec![match joins {
        true => guard(
            "no_open_closure",
            false,
            "The conversation has an open closure; the command would join it.",
        ),
        false => guard("no_open_closure", true, "The conversation has no open closure."),
    }];
    let Some(snapshot) = &shown.snapshot else {
        guards.push(match reached.conversation {
            Some(_) => guard("conversation_found", false, "Genesys knows no such conversation."),
            None => guard("conversation_found", false, "No open conversation fits the target."),
        });
        return guards;
    };
    guards.push(match snapshot.ended_at {
        Some(_) => {
            guard("conversation_found", true, "The conversation has ended already; nothing is to be asked.")
        }
        None => guard("conversation_found", true, "The conversation is there."),
    });
    let named_is_there = submission.command.participant.is_none_or(|named| snapshot.names(named));
    guards.push(match (reached.guests.len(), named_is_there) {
        (_, false) => guard("guest_found", false, "The participant that the command names is not in it."),
        (0, true) => guard("guest_found", false, "It has no guest."),
        (1, true) => guard("guest_found", true, "It has one leg of a guest."),
        (legs, true) => {
            Guard { name: "guest_found", holds: true, found: format!("It has {legs} legs of a guest.") }
        }
    });
    guards.push(agent_guard(snapshot, reached));
    guards.push(wrap_up::guard(snapshot, policy, shown.code.as_ref()));
    guards
}

fn agent_guard(snapshot: &Snapshot, reached: &Closure) -> Guard {
    let Some(agent) = snapshot.connected_agent() else {
        return Guard { name: "agent", holds: true, found: "No agent is connected.".to_owned() };
    };
    let (holds, then) = match (names::reason(reached), &reached.step) {
        (Some("agent_connected"), _) => (false, "agentConnected is refuse: the closure would fail"),
        (_, Step::Verifying) => (false, "agentConnected is wait: the closure would wait"),
        _ => (true, "agentConnected is allow"),
    };
    let leg = agent.communication.map(|leg| format!(", leg {leg}")).unwrap_or_default();
    let found = format!("An agent is connected (participant {}{leg}), and {then}.", agent.participant);
    Guard { name: "agent", holds, found }
}
