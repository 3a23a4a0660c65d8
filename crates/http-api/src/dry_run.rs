//! `dryRun`: the plan instead of the closure.

use std::collections::BTreeMap;

use genesys_types::ParticipantId;
use http::StatusCode;
use orchestrator::{Asks, Plan, PlanError, Seen, Submission, closure_id};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    call::{Answer, Call, json_answer},
    command::{option_texts, policy_texts},
    outcome,
    problem::{Genesys, Problem, kinds},
    spans::Stamp,
};

/// What a command would do, if everything went well from here on. Nothing was kept of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Plan)]
pub(crate) struct PlanView {
    /// Always true.
    dry_run: bool,
    organisation: String,
    conversation_id: String,
    /// The guest's participants.
    participant_ids: Vec<String>,
    /// What the read showed.
    saw: Option<SawView>,
    /// What has to hold for a clean close, and whether it does.
    guards: Vec<GuardView>,
    /// Every call, in order; the first, the read, was made for this plan.
    calls: Vec<CallView>,
    /// The state that the closure would reach.
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
    /// read, close_participant, close_wrapper, give_wrap_up or disconnect.
    request: String,
    participant_id: Option<String>,
    /// Verb and path.
    http: String,
}

/// Answers with the plan of a command.
pub(crate) async fn plan(call: &Call, submission: &Submission) -> Answer {
    let orchestrator = &call.shared.api.orchestrator;
    let plan = orchestrator.plan(submission).await.map_err(refused)?;
    let set = &submission.said.overrides;
    let policy = orchestrator.policy_with(&submission.organisation, set).unwrap_or_default();
    let mut view = PlanView::of(plan, submission);
    view.effective_policy = policy_texts(&policy, Some(set)).into_iter().collect();
    Ok(json_answer(StatusCode::OK, &view))
}

impl PlanView {
    fn of(plan: Plan, submission: &Submission) -> Self {
        let call =
            |Asks { request, participant, http, .. }| CallView { request, participant_id: participant, http };
        Self {
            dry_run: true,
            organisation: submission.organisation.as_str().to_owned(),
            conversation_id: submission.command.conversation.to_string(),
            participant_ids: plan.participants.iter().map(ParticipantId::to_string).collect(),
            saw: plan.saw.map(|Seen { ended, legs }| SawView { ended, legs }),
            guards: plan
                .guards
                .into_iter()
                .map(|guard| GuardView { name: guard.name, holds: guard.holds, found: guard.found })
                .collect(),
            calls: plan.calls.into_iter().map(call).collect(),
            state: plan.state,
            reason: plan.reason,
            not_before: submission.command.not_before.map(Stamp),
            joins: plan.joins.map(closure_id),
            policy: option_texts(&submission.said.overrides).into_iter().collect(),
            effective_policy: BTreeMap::new(),
        }
    }
}

fn refused(error: PlanError) -> Problem {
    match error {
        PlanError::UnknownOrganisation => {
            Problem::new(&kinds::UNKNOWN_ORGANISATION, "The organisation is not configured here.")
                .field("organisation")
        }
        PlanError::Stopping => outcome::stopping(),
        PlanError::Busy { retry_after } => Problem::new(
            &kinds::BUSY,
            "A plan needs one read, and no call to Genesys is free: the quota is used up, or the organisation is \
             paused or blocked.",
        )
        .retry_after(retry_after.duration()),
        PlanError::NotShown { reply, facts } => {
            let said = facts.message.map(|message| format!(": {message}")).unwrap_or_default();
            Problem::new(&kinds::GENESYS, format!("The read of the conversation came to {reply}{said}.")).genesys(
                Genesys { status: facts.status, code: facts.code, correlation_id: facts.correlation_id },
            )
        }
    }
}
