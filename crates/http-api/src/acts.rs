//! What operators do to one closure, and to all calls of an organisation.

use closure_machine::Act;
use genesys_types::Organisation;
use http::{HeaderMap, StatusCode, header};
use orchestrator::{Operation, Record, names};
use serde::Serialize;
use serde_json::{Value, json};
use tracing::info;
use utoipa::ToSchema;

use crate::{
    call::{Answer, Call, json_answer},
    closures,
    command::{self, check_text},
    explain::needs_reason,
    json::Fields,
    metrics,
    outcome::act_refused,
    problem::{Problem, kinds},
    spans::Stamp,
};

/// The longest reason of an act.
pub(crate) const LONGEST_REASON: usize = 1_000;

/// `POST /v1/closures/{id}/retry`, `cancel`, `verify`, `force`, `resolve`
pub(crate) async fn act(mut call: Call, act: Act) -> Answer {
    call.query()?.finish()?;
    let key = call.closure_key()?;
    let reason = reason(&mut call, act)?;
    let if_version = expected_version(&call.headers)?;
    let found = call.closure().await?;
    call.trail.found(found.organisation.as_str(), standing(&found));
    let caller = call.caller();
    let operation = Operation {
        act,
        by: caller.name.as_ref().to_owned(),
        role: caller.role.name(),
        reason,
        batch: None,
        note: None,
        if_version,
    };
    let record = call
        .shared
        .api
        .orchestrator
        .act(key, operation)
        .await
        .map_err(|error| act_refused(error, &call.id))?;
    call.trail.after(standing(&record));
    closures::answer(&call, &record, StatusCode::ACCEPTED, false, None).await
}

/// How a closure stands, for those who want to know later what an act did.
pub(crate) fn standing(record: &Record) -> Value {
    let mut standing = json!({ "state": names::state(&record.closure), "version": record.closure.sequence });
    if let Some(reason) = names::reason(&record.closure) {
        standing["reason"] = reason.into();
    }
    if let Some(said) = record.handling.as_deref() {
        if let Some(claimed) = &said.claimed {
            standing["claimedBy"] = claimed.by.as_str().into();
        }
        if let Some((until, _)) = &said.snoozed {
            standing["snoozedUntil"] = json!(Stamp(*until));
        }
    }
    standing
}

/// The operator's reason, where one is given.
pub(crate) fn optional_reason(call: &mut Call) -> Result<Option<String>, Problem> {
    let reason = match call.body.take() {
        Some(body) => Fields::of(body, "", &["reason"])?.text("reason")?,
        None => None,
    };
    check_text("reason", reason.as_deref(), LONGEST_REASON)?;
    Ok(reason.filter(|reason| !reason.trim().is_empty()))
}

/// The operator's reason, which some acts require.
fn reason(call: &mut Call, act: Act) -> Result<Option<String>, Problem> {
    let reason = optional_reason(call)?;
    if reason.is_none() && needs_reason(act) {
        let name = names::act(act);
        return Err(Problem::invalid(
            "reason",
            format!("reason is missing: {name} is kept together with why."),
        )
        .fix(
            "Send a sentence that will still be understood next month, such as {\"reason\": \"the guest's window is gone; \
             seen with the agent\"}.",
        ));
    }
    Ok(reason)
}

/// The version of `If-Match`. A tag that no version ever had matches none.
pub(crate) fn expected_version(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let version = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        // `parse` alone would take a plus sign.
        .filter(|tag| tag.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|tag| tag.parse().ok());
    version.map(Some).ok_or_else(|| {
        Problem::new(&kinds::OTHER_VERSION, "If-Match names no version of the closure.").field("If-Match")
    })
}

/// Refuses what means all that there is of an organisation, where the key is for several and none is named: whoever asks would believe
/// that it was of all. `what` is of one, in half a sentence.
pub(crate) fn one_organisation(call: &Call, what: &str) -> Result<(), Problem> {
    let seen: Vec<_> = call.caller().seen(&call.shared.organisations).map(Organisation::as_str).collect();
    if seen.len() < 2 {
        return Ok(());
    }
    let detail = format!("{what}; this key is for {}: name one.", seen.join(", "));
    Err(Problem::new(&kinds::UNKNOWN_ORGANISATION, detail).field("organisation"))
}

/// How an organisation's calls stand.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Outgoing {
    organisation: String,
    /// Whether all calls are paused. It holds over a restart.
    paused: bool,
}

/// `POST /v1/outgoing/pause` and `resume`
pub(crate) async fn set_outgoing(mut call: Call, paused: bool) -> Answer {
    call.query()?.finish()?;
    let (named, reason) = match call.body.take() {
        Some(body) => {
            let mut fields = Fields::of(body, "", &["organisation", "reason"])?;
            (fields.text("organisation")?, fields.text("reason")?)
        }
        None => (None, None),
    };
    check_text("reason", reason.as_deref(), LONGEST_REASON)?;
    if named.is_none() {
        one_organisation(&call, "Calls are stopped and let go on for one organisation")?;
    }
    let caller = call.caller();
    let organisation = command::organisation(named, caller, &call.shared.organisations)?;
    let orchestrator = &call.shared.api.orchestrator;
    call.trail.about(organisation.as_str(), organisation.as_str().to_owned());
    let paused_before = orchestrator.outgoing_paused(&organisation);
    call.trail.found(organisation.as_str(), json!({ "paused": paused_before }));
    orchestrator.pause_outgoing(&organisation, paused).await?;
    call.trail.after(json!({ "paused": paused }));
    let action = if paused { "pause_outgoing" } else { "resume_outgoing" };
    metrics::operator_action(action, caller.role.name());
    info!(%organisation, by = &*caller.name, reason, action, "an operator acted on all calls of an organisation");
    Ok(json_answer(StatusCode::OK, &Outgoing { organisation: organisation.as_str().to_owned(), paused }))
}
