//! What an operator can do about a closure. An act is only offered when the machine would take it.

use closure_machine::{Act, End, Event, Evidence, FailReason, GhostReason, Moment, Step, step};
use orchestrator::{closure_id, names};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Case,
    hold::{self, Hold, Standing},
    standing, words,
};

/// Something that can be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Advice {
    /// The act; null for something that is done elsewhere, as in Genesys.
    act: Option<&'static str>,
    /// What it does, and when to choose it.
    what: String,
    /// The exact command.
    command: Option<String>,
    /// The same by HTTP.
    http: Option<String>,
}

impl Advice {
    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    pub(crate) fn command(&self) -> Option<&str> {
        self.command.as_deref()
    }

    /// All in one sentence or two.
    pub(crate) fn into_words(self) -> String {
        match self.command {
            Some(command) => format!("{} `{command}`", self.what),
            None => self.what,
        }
    }

    fn elsewhere(what: impl Into<String>) -> Self {
        Self { act: None, what: what.into(), command: None, http: None }
    }
}

/// What can be done, the best first.
pub(super) fn advice(case: &Case<'_>) -> Vec<Advice> {
    let id = closure_id(case.record.key);
    let hold =
        if case.record.closure.has_ended() { None } else { case.organisation.and_then(Standing::hold) };
    let mut advice = hold.map(|hold| against(case, hold)).unwrap_or_default();
    let others: Vec<_> =
        elsewhere(case).into_iter().filter(|other| advice.iter().all(|one| one.what != other.what)).collect();
    advice.extend(others);
    let offered = acts(case).into_iter().filter(|(act, _)| fits(case, *act) && can_work(*act, hold));
    advice.extend(offered.map(|(act, what)| {
        let name = names::act(act);
        // The words of a blocked closure's acts say so themselves.
        let tells_itself = matches!(case.record.closure.step, Step::Blocked(_));
        let what = if matches!(hold, Some(Hold::Blocked { .. })) && calls_genesys(act) && !tells_itself {
            format!("Once that is done: {what}")
        } else {
            what.to_owned()
        };
        let needs_reason = needs_reason(act);
        Advice {
            act: Some(name),
            what,
            command: Some(if needs_reason {
                format!("closeout {name} {id} --reason \"…\"")
            } else {
                format!("closeout {name} {id}")
            }),
            http: Some(if needs_reason {
                format!("POST /v1/closures/{id}/{name} {{\"reason\":\"…\"}}")
            } else {
                format!("POST /v1/closures/{id}/{name}")
            }),
        }
    }));
    advice
}

/// What has to be done first about what keeps the organisation from calling.
fn against(case: &Case<'_>, hold: Hold<'_>) -> Vec<Advice> {
    let organisation = &case.record.organisation;
    match hold {
        Hold::Paused => vec![Advice {
            act: None,
            what: format!(
                "Let the calls of the organisation {organisation} go on: an operator has paused them, and nothing is asked of \
                 Genesys before."
            ),
            command: Some(format!("closeout outgoing resume --organisation {organisation}")),
            http: Some(format!("POST /v1/outgoing/resume {{\"organisation\":\"{organisation}\"}}")),
        }],
        Hold::Blocked { until, why } => {
            let watch = Advice {
                act: None,
                what: format!(
                    "Genesys refuses the organisation {organisation}: {}. See whether it still does; the next probe is at {}.",
                    hold::refusal(why),
                    words::moment(until, case.now)
                ),
                command: Some(format!("closeout outgoing status --organisation {organisation}")),
                http: Some("GET /readyz?verbose".to_owned()),
            };
            vec![Advice::elsewhere(hold::remedy(why)), watch]
        }
    }
}

/// Whether the act leads to a call.
const fn calls_genesys(act: Act) -> bool {
    match act {
        Act::Retry | Act::Verify | Act::Force => true,
        Act::Cancel | Act::Resolve => false,
    }
}

/// Whether the act can have an effect now. While all calls are paused, what calls Genesys has none; while Genesys refuses,
/// an operator's act is the next probe.
const fn can_work(act: Act, hold: Option<Hold<'_>>) -> bool {
    !(calls_genesys(act) && matches!(hold, Some(Hold::Paused)))
}

/// Whether an operator has to say why.
pub(crate) const fn needs_reason(act: Act) -> bool {
    match act {
        Act::Force | Act::Resolve => true,
        Act::Retry | Act::Cancel | Act::Verify => false,
    }
}

/// Whether the machine would take the act now.
fn fits(case: &Case<'_>, act: Act) -> bool {
    let moment = Moment { now: case.now, may_call: true };
    step(&case.record.closure, &Event::Act(act), case.policy, moment).is_ok()
}

const LOOK: (Act, &str) =
    (Act::Verify, "Read the conversation now instead of later; it changes nothing at Genesys.");
const LOOK_WITHOUT_PROOF: (Act, &str) = (
    Act::Verify,
    "Read the conversation now, to see whether the guest is still there. The policy takes no read for proof: it wants an event.",
);
const AGAIN: (Act, &str) = (Act::Retry, "Begin again with a read, with fresh rounds and attempts.");
const FORCE: (Act, &str) =
    (Act::Force, "Tear the conversation down with everybody in it, an agent included. The reason is kept.");
const SETTLE: (Act, &str) = (
    Act::Resolve,
    "Settle it by your word, once you have seen elsewhere that it is over. Nothing is asked of Genesys. The reason is kept.",
);
const SETTLE_WITHOUT_EVENT: (Act, &str) = (
    Act::Resolve,
    "A read shows the guest gone, but the policy wants an event: settle it by your word. Nothing is asked of Genesys. The \
     reason is kept.",
);
const CALL_OFF: (Act, &str) = (Act::Cancel, "Call it off and leave the conversation as it is.");

/// The acts that make sense, the best first.
fn acts(case: &Case<'_>) -> Vec<(Act, &'static str)> {
    match &case.record.closure.step {
        Step::Ghost(ghost) => match ghost.reason {
            GhostReason::NoConfirmation if standing::read_shows_the_end(case) => {
                vec![SETTLE_WITHOUT_EVENT, FORCE, CALL_OFF]
            }
            GhostReason::NoConfirmation if case.policy.evidence == Evidence::WebhookOnly => {
                vec![LOOK_WITHOUT_PROOF, AGAIN, FORCE, SETTLE, CALL_OFF]
            }
            GhostReason::NoConfirmation | GhostReason::ConfirmationMismatch | GhostReason::Unreachable => {
                vec![LOOK, AGAIN, FORCE, SETTLE, CALL_OFF]
            }
            GhostReason::ConversationOpen | GhostReason::ReopenedByGuest | GhostReason::Rejected => {
                vec![AGAIN, FORCE, SETTLE, CALL_OFF]
            }
            GhostReason::AgentStillConnected => vec![LOOK, FORCE, CALL_OFF, SETTLE],
            GhostReason::WrapUpPending => vec![LOOK, AGAIN, FORCE, SETTLE, CALL_OFF],
        },
        Step::Blocked(_) => {
            vec![
                (Act::Retry, "Once that is done, begin again at once instead of at the next probe."),
                CALL_OFF,
            ]
        }
        Step::AwaitingConfirmation | Step::Verifying => vec![LOOK, CALL_OFF],
        Step::Scheduled => {
            vec![(Act::Retry, "Begin now instead of at the time that the command names."), CALL_OFF]
        }
        Step::ClosingParticipant | Step::ClosingWrapper(_) | Step::Forcing => vec![CALL_OFF],
        Step::Ended(_) => Vec::new(),
    }
}

/// What is to be done elsewhere first.
fn elsewhere(case: &Case<'_>) -> Vec<Advice> {
    let conversation = case.record.closure.conversation;
    match &case.record.closure.step {
        Step::Blocked(block) => vec![Advice::elsewhere(hold::remedy(Some(&block.why)))],
        Step::Ghost(ghost) => match ghost.reason {
            GhostReason::WrapUpPending => vec![Advice::elsewhere(
                "Let the agent give the wrap-up, or set `wrap_up` under [closing] to a code of the queue, or to skip.",
            )],
            GhostReason::AgentStillConnected => {
                vec![Advice::elsewhere("Ask the agent to leave; the next look then goes on by itself.")]
            }
            GhostReason::Rejected => vec![Advice::elsewhere(
                "Look at Genesys' refusal in the story below; its support asks for the correlation id.",
            )],
            GhostReason::NoConfirmation
            | GhostReason::ConversationOpen
            | GhostReason::ConfirmationMismatch
            | GhostReason::ReopenedByGuest
            | GhostReason::Unreachable => Vec::new(),
        },
        Step::Ended(ending) => match ending.end {
            End::Failed(reason) => after_failure(reason, &conversation.to_string()),
            End::Cancelled => vec![close_anew("It can be requested anew.", &conversation.to_string())],
            End::Closed | End::AlreadyClosed | End::Resolved => Vec::new(),
        },
        Step::Scheduled
        | Step::Verifying
        | Step::ClosingParticipant
        | Step::AwaitingConfirmation
        | Step::ClosingWrapper(_)
        | Step::Forcing => Vec::new(),
    }
}

fn after_failure(reason: FailReason, conversation: &str) -> Vec<Advice> {
    match reason {
        FailReason::NotFound => vec![Advice::elsewhere(
            "Check the conversation's id, and that the organisation and its region are the right ones.",
        )],
        FailReason::ParticipantNotFound => vec![
            Advice::elsewhere("Check that the conversation is a messaging session with a guest in it."),
            close_anew("If the guest comes in later, request it anew.", conversation),
        ],
        FailReason::ParticipantNotGuest => {
            vec![close_anew("Name no participant: the guest is then found by itself.", conversation)]
        }
        FailReason::AgentConnected => vec![
            close_anew("Request it anew once the agent has left.", conversation),
            Advice {
                act: None,
                what: "Or request it so that it waits for the agent to leave; allow in place of wait ends the agent's leg too."
                    .to_owned(),
                command: Some(format!("closeout close {conversation} --agent-connected wait")),
                http: Some(format!(
                    "POST /v1/closures {{\"conversationId\":\"{conversation}\",\"policy\":{{\"agentConnected\":\"wait\"}}}}"
                )),
            },
        ],
        FailReason::Abandoned => vec![close_anew(
            "Look in Genesys whether the conversation is over; if it is not, request it anew.",
            conversation,
        )],
    }
}

fn close_anew(what: &str, conversation: &str) -> Advice {
    Advice {
        act: None,
        what: what.to_owned(),
        command: Some(format!("closeout close {conversation}")),
        http: Some(format!("POST /v1/closures {{\"conversationId\":\"{conversation}\"}}")),
    }
}
