//! `dryRun`: the plan instead of the closure.

use std::{collections::BTreeMap, time::Duration};

use closure_machine::{End, FailReason};
use genesys_types::{Organisation, ParticipantId};
use http::StatusCode;
use orchestrator::{Asks, CallFacts, Plan, PlanError, Seen, Submission, SubmitError, closure_id, names};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    call::{Answer, Call, json_answer},
    explain::{Hold, Standing, moment, refusal, remedy, words},
    outcome,
    policy_texts::{option_texts, policy_texts},
    problem::{Genesys, Problem, kinds},
    spans::Stamp,
    target::{self, TargetView},
};

/// What a command would do, if everything went well from here on. Nothing was kept of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Plan)]
pub(crate) struct PlanView {
    /// Always true.
    dry_run: bool,
    organisation: String,
    /// Null where no open conversation fits the target.
    conversation_id: Option<String>,
    /// What the command names in place of the conversation, where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<TargetView>,
    /// The guest's participants.
    participant_ids: Vec<String>,
    /// What the read showed.
    saw: Option<SawView>,
    /// What has to hold for a clean close, and whether it does.
    guards: Vec<GuardView>,
    /// Every call, in order; the read, and the lookup before it, were made for this plan.
    calls: Vec<CallView>,
    /// The state that the closure would reach: with a guard that does not hold, the end it would come to.
    #[schema(example = "closed")]
    state: &'static str,
    /// Why that is not the happy end.
    reason: Option<&'static str>,
    /// When it would begin; null for at once.
    #[schema(value_type = Option<String>, format = DateTime)]
    not_before: Option<Stamp>,
    /// The open closure of the conversation, which the command would join.
    joins: Option<String>,
    /// What the command sets differently from the organisation's configuration.
    policy: BTreeMap<&'static str, String>,
    /// The policy that would hold: the organisation's configuration with what the command sets.
    effective_policy: BTreeMap<&'static str, String>,
}

/// The conversation as the read showed it.
#[derive(Debug, Serialize, ToSchema)]
struct SawView {
    /// Whether it has ended.
    ended: bool,
    /// Its legs, as `purpose state`.
    legs: Vec<String>,
}

/// Something that has to hold for a clean close.
#[derive(Debug, Serialize, ToSchema)]
struct GuardView {
    /// no_open_closure, conversation_found, guest_found, agent or wrap_up.
    name: &'static str,
    holds: bool,
    /// What was found.
    found: String,
}

/// A call to Genesys.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CallView {
    /// look_up, read, close_participant, close_wrapper, give_wrap_up or disconnect.
    request: String,
    participant_id: Option<String>,
    /// Verb and path.
    http: String,
}

/// Answers with the plan of a command.
pub(crate) async fn plan(call: &Call, submission: &Submission) -> Answer {
    let orchestrator = &call.shared.api.orchestrator;
    let plan = orchestrator.plan(submission).await.map_err(|error| refused(call, submission, error))?;
    let set = &submission.said.overrides;
    let policy = orchestrator.policy_with(&submission.organisation, set).unwrap_or_default();
    let mut view = PlanView::of(plan, submission);
    view.effective_policy = policy_texts(&policy, Some(set)).into_iter().collect();
    Ok(json_answer(StatusCode::OK, &view))
}

impl PlanView {
    fn of(plan: Plan, submission: &Submission) -> Self {
        let (state, reason) = end(&plan);
        let call =
            |Asks { request, participant, http, .. }| CallView { request, participant_id: participant, http };
        Self {
            dry_run: true,
            organisation: submission.organisation.as_str().to_owned(),
            conversation_id: plan.conversation.map(|conversation| conversation.to_string()),
            target: submission.command.subject.target().map(TargetView::of_target),
            participant_ids: plan.participants.iter().map(ParticipantId::to_string).collect(),
            saw: plan.saw.map(|Seen { ended, legs }| SawView { ended, legs }),
            guards: plan
                .guards
                .into_iter()
                .map(|guard| GuardView { name: guard.name, holds: guard.holds, found: guard.found })
                .collect(),
            calls: plan.calls.into_iter().map(call).collect(),
            state,
            reason,
            not_before: submission.command.not_before.map(Stamp),
            joins: plan.joins.map(closure_id),
            policy: option_texts(&submission.said.overrides).into_iter().collect(),
            effective_policy: BTreeMap::new(),
        }
    }
}

/// The end that the closure would come to. A plan stops where the closure looks again for what it misses; if that does not
/// appear, the closure fails.
fn end(plan: &Plan) -> (&'static str, Option<&'static str>) {
    let fails = |name: &str| plan.guards.iter().any(|guard| guard.name == name && !guard.holds);
    let missed =
        [("conversation_found", FailReason::NotFound), ("guest_found", FailReason::ParticipantNotFound)];
    let still_looks = matches!(plan.state, "resolving" | "verifying");
    match missed.into_iter().find(|(guard, _)| still_looks && fails(guard)) {
        Some((_, reason)) => (names::end(End::Failed(reason)), Some(names::fail_reason(reason))),
        None => (plan.state, plan.reason),
    }
}

fn refused(call: &Call, submission: &Submission, error: PlanError) -> Problem {
    match error {
        PlanError::UnknownOrganisation => {
            Problem::new(&kinds::UNKNOWN_ORGANISATION, "The organisation is not configured here.")
                .field("organisation")
        }
        PlanError::Stopping => outcome::stopping(),
        PlanError::Busy { retry_after } => {
            no_call_is_free(call, &submission.organisation, retry_after.duration())
        }
        PlanError::Contradicts { closure, what } => SubmitError::Contradicts { closure, what }.into(),
        PlanError::Ambiguous { candidates } => target::ambiguous(&candidates),
        PlanError::NotShown { asked, reply, facts } => not_shown(words::request(asked), reply, facts),
    }
}

/// Which of pause, block and quota is in the way, and until when.
fn no_call_is_free(call: &Call, organisation: &Organisation, again: Duration) -> Problem {
    let orchestrator = &call.shared.api.orchestrator;
    let now = orchestrator.now();
    let all = Standing::of_all(orchestrator);
    let standing = Standing::named(&all, organisation);
    let queue = standing.map_or(0, |standing| standing.status.ready);
    match standing.and_then(Standing::hold) {
        Some(Hold::Paused) => Problem::new(
            &kinds::PAUSED,
            format!(
                "A plan needs one read, and an operator has paused all calls of the organisation {organisation} until \
                 they are resumed."
            ),
        ),
        Some(Hold::Blocked { until, why }) => {
            let fix = format!("{} Then send the same request again.", remedy(why));
            let detail = format!(
                "A plan needs one read, and Genesys refuses the organisation {organisation}: {}. The next probe is at {}.",
                refusal(why),
                moment(until, now)
            );
            let wait = u64::try_from(until.millis() - now.millis()).unwrap_or_default();
            Problem::new(&kinds::BLOCKED, detail).fix(fix).retry_after(Duration::from_millis(wait).max(again))
        }
        None => Problem::new(
            &kinds::BUSY,
            format!(
                "A plan needs one read, and the quota of the organisation {organisation} leaves no call for it now; {queue} \
                 closures wait for theirs."
            ),
        )
        .retry_after(again),
    }
}

/// Why the read showed nothing.
fn not_shown(asked: &str, reply: &str, facts: CallFacts) -> Problem {
    let CallFacts { status, code, message, correlation_id, .. } = facts;
    let why = message.map(|message| format!(": {message}")).unwrap_or_default();
    let problem = match reply {
        "not_sent" => Problem::new(&kinds::UNREACHABLE, format!("Genesys could not be reached{why}.")),
        "unknown" => Problem::new(
            &kinds::UNREACHABLE,
            format!("Genesys gave no answer to {asked} that can be read{why}."),
        ),
        "unauthenticated" => Problem::new(
            &kinds::CREDENTIAL,
            format!("Genesys does not accept the organisation's credential{why}."),
        ),
        "forbidden" => Problem::new(
            &kinds::PERMISSION,
            format!("Genesys does not allow {asked} of the conversation{why}."),
        ),
        "rate_limited" => {
            Problem::new(&kinds::BUSY, format!("Genesys put {asked} off, because the quota is used up{why}."))
        }
        _ => Problem::new(
            &kinds::GENESYS,
            format!("For {asked} of the conversation Genesys answered {reply}{why}."),
        ),
    };
    if status.is_none() && code.is_none() && correlation_id.is_none() {
        return problem;
    }
    problem.genesys(Genesys { status, code, correlation_id })
}
