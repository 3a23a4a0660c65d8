//! What an operator can do about a closure. An act is only offered when the machine would take it.

use closure_machine::{
    Act, Candidate, Closure, End, Event, Evidence, FailReason, GhostReason, Moment, Step, step,
};
use orchestrator::{closure_id, names};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Case,
    hold::{self, Hold, Standing},
    standing, words,
};
use crate::target;

/// So many candidates are offered one by one; more than that nobody chooses from.
const MOST_CANDIDATES: usize = 5;

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
    pub(super) http: Option<String>,
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
        Act::Cancel | Act::Resolve | Act::Note => false,
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
        Act::Retry | Act::Cancel | Act::Verify | Act::Note => false,
    }
}

/// Whether the machine would take the act now.
fn fits(case: &Case<'_>, act: Act) -> bool {
    let moment = Moment { now: case.now, may_call: true };
    step(&case.record.closure, &Event::Act(act), case.policy, moment).is_ok()
}

const LOOK_UP: (Act, &str) =
    (Act::Verify, "Look the conversation up now instead of later; it changes nothing at Genesys.");
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
    "A read shows the guest gone, but the policy wants an event: settle it by your word. Nothing is asked of Genesys, so the \
     conversation itself stays there as it is. The reason is kept.",
);
const CALL_OFF: (Act, &str) = (Act::Cancel, "Call it off and leave the conversation as it is.");

/// The acts that make sense, the best first.
fn acts(case: &Case<'_>) -> Vec<(Act, &'static str)> {
    match &case.record.closure.step {
        Step::Resolving => vec![LOOK_UP, CALL_OFF],
        Step::Ghost(_) if case.record.closure.conversation.is_none() => vec![LOOK_UP, SETTLE, CALL_OFF],
        Step::Ghost(ghost) => match ghost.reason {
            GhostReason::NoConfirmation if standing::read_shows_the_end(case) => {
                vec![SETTLE_WITHOUT_EVENT, FORCE, LOOK_WITHOUT_PROOF, CALL_OFF]
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
    match &case.record.closure.step {
        Step::Blocked(block) => vec![Advice::elsewhere(hold::remedy(Some(&block.why)))],
        Step::Ghost(ghost) => match ghost.reason {
            GhostReason::WrapUpPending => vec![Advice::elsewhere(
                "Let the agent give the wrap-up, or set `wrap_up` under [closing] to a code of the queue, by name or id, or to skip.",
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
            End::Failed(reason) => after_failure(case, reason),
            End::Cancelled => vec![close_anew("It can be requested anew.", case, &case.record.closure)],
            End::Closed | End::AlreadyClosed => after_return(case),
            End::Resolved => Vec::new(),
        },
        Step::Scheduled
        | Step::Resolving
        | Step::Verifying
        | Step::ClosingParticipant
        | Step::AwaitingConfirmation
        | Step::ClosingWrapper(_)
        | Step::Forcing => Vec::new(),
    }
}

/// What can be done about a guest who came back after the end.
fn after_return(case: &Case<'_>) -> Vec<Advice> {
    let closure = &case.record.closure;
    match (closure.returned, case.record.followed_by) {
        (None, _) => Vec::new(),
        (Some(_), Some(next)) => {
            let next = closure_id(next);
            vec![Advice {
                act: None,
                what: "Follow the closure that was opened for it.".to_owned(),
                command: Some(format!("closeout watch {next}")),
                http: Some(format!("GET /v1/closures/{next}?wait=30s")),
            }]
        }
        (Some(_), None) => {
            vec![close_anew("If the guest is to be closed again, request it anew.", case, closure)]
        }
    }
}

fn after_failure(case: &Case<'_>, reason: FailReason) -> Vec<Advice> {
    let closure = &case.record.closure;
    match reason {
        FailReason::NotFound if closure.conversation.is_none() => vec![
            Advice::elsewhere(
                "Check the value letter by letter, that the conversation is open, and that it began within `within` of \
                 [lookup]. For an external id, check that `external_id_dimension` of [lookup] is where Genesys keeps it.",
            ),
            close_anew("If it appears later, request it anew.", case, closure),
        ],
        FailReason::AmbiguousTarget => {
            let candidates = closure.sought.iter().flat_map(|sought| &sought.candidates);
            let one = |candidate: &Candidate| {
                let what = format!("If it is {}: close it by its id.", target::candidate_words(candidate));
                let closure = Closure { conversation: Some(candidate.conversation), ..closure.clone() };
                close_anew(&what, case, &closure)
            };
            candidates.take(MOST_CANDIDATES).map(one).collect()
        }
        FailReason::OpenElsewhere => {
            let other = closure.sought.as_deref().and_then(target::other).unwrap_or_default();
            vec![Advice {
                act: None,
                what: "Follow the closure that closes it.".to_owned(),
                command: Some(format!("closeout watch {other}")),
                http: Some(format!("GET /v1/closures/{other}?wait=30s")),
            }]
        }
        FailReason::NotFound => vec![Advice::elsewhere(
            "Check the conversation's id, and that the organisation and its region are the right ones.",
        )],
        FailReason::ParticipantNotFound => vec![
            Advice::elsewhere("Check that the conversation is a messaging session with a guest in it."),
            close_anew("If the guest comes in later, request it anew.", case, closure),
        ],
        FailReason::ParticipantNotGuest => {
            vec![close_anew("Name no participant: the guest is then found by itself.", case, closure)]
        }
        FailReason::AgentConnected => vec![
            close_anew("Request it anew once the agent has left.", case, closure),
            Advice {
                act: None,
                what: "Or request it so that it waits for the agent to leave; allow in place of wait ends the agent's leg too."
                    .to_owned(),
                command: Some(format!("closeout close {} --agent-connected wait", subject(case, closure).0)),
                http: Some(format!(
                    "POST /v1/closures {{{},\"policy\":{{\"agentConnected\":\"wait\"}}}}",
                    subject(case, closure).1
                )),
            },
        ],
        FailReason::Abandoned => vec![close_anew(
            "Look in Genesys whether the conversation is over; if it is not, request it anew.",
            case,
            closure,
        )],
    }
}

/// How a closure's conversation is named in a new command, on the command line and by HTTP; with its organisation where there are others,
/// as a command without one would be refused or be for another.
fn subject(case: &Case<'_>, closure: &Closure) -> (String, String) {
    let (mut arguments, mut fields) = match (closure.conversation, &closure.sought) {
        (Some(conversation), _) => {
            (conversation.to_string(), format!("\"conversationId\":\"{conversation}\""))
        }
        (None, Some(sought)) => target::again(&sought.target),
        (None, None) => (String::new(), String::new()),
    };
    if case.organisation.is_some_and(|standing| standing.has_others) {
        let organisation = &case.record.organisation;
        arguments.push_str(&format!(" --organisation {organisation}"));
        fields.push_str(&format!(",\"organisation\":\"{organisation}\""));
    }
    (arguments, fields)
}

fn close_anew(what: &str, case: &Case<'_>, closure: &Closure) -> Advice {
    let (arguments, field) = subject(case, closure);
    Advice {
        act: None,
        what: what.to_owned(),
        command: Some(format!("closeout close {arguments}")),
        http: Some(format!("POST /v1/closures {{{field}}}")),
    }
}
