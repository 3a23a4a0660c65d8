//! `/v1/sources`: where commands come from beside HTTP, how each source stands, and pausing it.

use genesys_types::Time;
use http::StatusCode;
use intake::{ActError, SourceStanding};
use serde::Serialize;
use serde_json::json;
use store::{AuditFilter, AuditRow};
use tracing::info;
use utoipa::ToSchema;

use crate::{
    acts,
    audit::Stored,
    call::{Answer, Call, json_answer},
    metrics,
    outcome::stopping,
    problem::{Problem, kinds},
    spans::Stamp,
};

/// The sources.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SourceList {
    items: Vec<SourceView>,
}

/// A queue that commands come by.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Source)]
pub(crate) struct SourceView {
    #[schema(example = "orders")]
    name: String,
    /// The kind of broker.
    #[schema(example = "nats")]
    kind: String,
    organisation: String,
    /// starting (the broker has not answered yet), running, paused, unreachable (the broker), store_away, no_room (as many closures are open as
    /// may be), stopped.
    state: String,
    /// Whether an operator paused it. It holds over a restart.
    paused: bool,
    /// Who paused it last; null while it is not paused, and where the audit does not tell any more.
    paused_by: Option<PauseView>,
    /// Messages that wait at the broker; null until it said so.
    waiting: Option<u64>,
    /// Messages that were given to somebody and are not settled.
    in_hand: Option<u64>,
    /// When something came last, since the start of the service.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_received_at: Option<Stamp>,
    /// Dead letters that wait for somebody.
    dead_letters: u64,
    /// Why the broker cannot be reached.
    fault: Option<String>,
    /// What of the broker's settings is unsafe for commands.
    warnings: Vec<WarningView>,
}

/// Who paused a source, when and why.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SourcePause)]
struct PauseView {
    /// The name of the key.
    #[schema(example = "ann")]
    by: String,
    #[schema(value_type = String, format = DateTime)]
    at: Stamp,
    /// The operator's words.
    why: Option<String>,
}

/// A setting of a broker that is unsafe for commands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SourceWarning)]
struct WarningView {
    /// The setting, in the broker's own words.
    #[schema(example = "max_deliver")]
    setting: String,
    detail: String,
    fix: String,
}

/// How many acts are read at once for the pause that holds, and how often: acts that were refused may have come after it.
const ACTS: usize = 100;
const PAGES: usize = 50;

/// Who paused a source, as far as the audit tells.
async fn paused_by(call: &Call, standing: &SourceStanding) -> Result<Option<PauseView>, Problem> {
    if !standing.paused {
        return Ok(None);
    }
    let filter = AuditFilter {
        organisations: vec![standing.organisation.as_str().to_owned()],
        actions: vec!["source.pause".to_owned()],
        subjects: vec![standing.name.clone()],
        ..AuditFilter::default()
    };
    let pause = |act: AuditRow| {
        let stored: Stored = serde_json::from_slice(&act.body).unwrap_or_default();
        // One without a status is under way, or its service died after it: the pause holds.
        let refused = stored.status.is_some_and(|status| !(200..300).contains(&status));
        (!refused).then(|| PauseView { by: act.actor, at: Stamp(Time::from_millis(act.at)), why: stored.why })
    };
    let mut before = None;
    for _ in 0..PAGES {
        let acts = call.shared.api.store.audit(&filter, before, ACTS).await?;
        before = acts.last().filter(|_| acts.len() == ACTS).map(|last| last.key);
        let found = acts.into_iter().find_map(pause);
        if found.is_some() || before.is_none() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// A source as it is shown, with who paused it.
async fn view(call: &Call, standing: SourceStanding) -> Result<SourceView, Problem> {
    let paused_by = paused_by(call, &standing).await?;
    Ok(SourceView { paused_by, ..SourceView::of(standing) })
}

impl SourceView {
    fn of(standing: SourceStanding) -> Self {
        let warnings = standing.warnings.into_iter().map(|warning| WarningView {
            setting: warning.setting.to_owned(),
            detail: warning.detail,
            fix: warning.fix,
        });
        Self {
            name: standing.name,
            kind: standing.kind.to_owned(),
            organisation: standing.organisation.as_str().to_owned(),
            state: standing.state.name().to_owned(),
            paused: standing.paused,
            paused_by: None,
            waiting: standing.standing.map(|standing| standing.waiting),
            in_hand: standing.standing.map(|standing| standing.in_hand),
            last_received_at: standing.last_received_at.map(|at: Time| Stamp(at)),
            dead_letters: standing.dead_letters,
            fault: standing.fault,
            warnings: warnings.collect(),
        }
    }
}

/// `GET /v1/sources`
pub(crate) async fn list(call: Call) -> Answer {
    call.query()?.finish()?;
    let standings = call.shared.api.sources.standings().await?;
    let mut items = Vec::with_capacity(standings.len());
    for standing in standings.into_iter().filter(|standing| call.caller().sees(&standing.organisation)) {
        items.push(view(&call, standing).await?);
    }
    Ok(json_answer(StatusCode::OK, &SourceList { items }))
}

/// `POST /v1/sources/{name}/pause` and `resume`
pub(crate) async fn pause(mut call: Call, paused: bool) -> Answer {
    call.query()?.finish()?;
    let reason = acts::optional_reason(&mut call)?;
    let sources = &call.shared.api.sources;
    seen(&call).await?;
    let standing = sources.pause(&call.id, paused).await.map_err(|error| refused(error, &call.id))?;
    call.trail.after(json!({ "paused": standing.paused }));
    let caller = call.caller();
    let action = if paused { "pause_source" } else { "resume_source" };
    metrics::operator_action(action, caller.role.name());
    info!(source = call.id, by = &*caller.name, reason, action, "an operator acted on a source");
    Ok(json_answer(StatusCode::OK, &view(&call, standing).await?))
}

/// The source that the path names, where the caller sees its organisation.
pub(crate) async fn seen(call: &Call) -> Result<SourceStanding, Problem> {
    let all = call.shared.api.sources.standings().await?;
    let found = all
        .into_iter()
        .find(|standing| standing.name == call.id && call.caller().sees(&standing.organisation))
        .ok_or_else(|| none(&call.id))?;
    call.trail.found(found.organisation.as_str(), json!({ "paused": found.paused }));
    Ok(found)
}

fn none(name: &str) -> Problem {
    Problem::new(&kinds::NO_SOURCE, format!("There is no source \"{name}\" here."))
}

fn refused(error: ActError, name: &str) -> Problem {
    match error {
        ActError::Missing => none(name),
        ActError::Unavailable(unavailable) => unavailable.into(),
        ActError::Stopping => stopping(),
        // These are about dead letters; a pause never meets them.
        ActError::SeenTo(_)
        | ActError::NoSource(_)
        | ActError::NotWhole
        | ActError::Refused { .. }
        | ActError::Full(_) => Problem::new(&kinds::NO_SOURCE, "The source cannot be paused."),
    }
}
