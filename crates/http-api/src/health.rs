//! Health, version and metrics.

use std::time::Duration;

use axum::{body::Body, response::Response};
use closure_machine::BlockReason;
use http::{HeaderValue, StatusCode, header};
use orchestrator::{Orchestrator, OrganisationStatus};
use serde::Serialize;
use tokio::{sync::Mutex, time::Instant};
use utoipa::ToSchema;

use crate::{
    access::{Caller, Need},
    adapters::{self, AdapterView},
    call::{Answer, Call, Shared, bytes_answer, json_answer},
    configuration,
    evidence::{self, EvidenceView},
    problem::Problem,
    spans::Stamp,
    state::{Reload, Version},
};

/// A store that does not answer a check within this time counts as down.
const STORE_CHECK: Duration = Duration::from_secs(2);

/// A check is a write to the disk, and `/readyz` needs no key: its result holds for this long, whoever asks.
const CHECK_HOLDS: Duration = Duration::from_secs(1);

/// The latest check of the store, shared by all who ask.
#[derive(Debug, Default)]
pub(crate) struct StoreCheck(Mutex<Option<StoreChecked>>);

/// What a check of the store showed.
#[derive(Debug, Clone, Copy)]
struct StoreChecked {
    at: Instant,
    good: bool,
    took: Duration,
}

impl StoreCheck {
    /// The latest check, or a new one where that is too old. Callers that come meanwhile wait for the same check.
    async fn latest(&self, orchestrator: &Orchestrator) -> StoreChecked {
        let mut latest = self.0.lock().await;
        if let Some(checked) = latest.filter(|checked| checked.at.elapsed() < CHECK_HOLDS) {
            return checked;
        }
        let begun = Instant::now();
        let good = matches!(tokio::time::timeout(STORE_CHECK, orchestrator.check_store()).await, Ok(Ok(())));
        *latest.insert(StoreChecked { at: Instant::now(), good, took: begun.elapsed() })
    }
}

/// Whether the service can take work.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Readiness {
    ready: bool,
    /// Whether the store can commit.
    store: bool,
    /// Whether the service is stopping.
    stopping: bool,
    /// With `verbose` and a key: how the organisations are doing. That Genesys is away makes nothing unready.
    #[serde(skip_serializing_if = "Option::is_none")]
    organisations: Option<Vec<OrganisationView>>,
    /// With `verbose` and a key: how the hooks are doing.
    #[serde(skip_serializing_if = "Option::is_none")]
    hooks: Option<Vec<HookView>>,
    /// With `verbose` and a key: how the adapters are doing that fetch events by themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    adapters: Option<Vec<AdapterView>>,
    /// With `verbose` and a key: how events come in, by whatever adapter.
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<Vec<EvidenceView>>,
    /// With `verbose` and a key: how long the store took to answer, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    store_took_ms: Option<u64>,
    /// With `verbose` and a key: how many stored records cannot be read and were set aside.
    #[serde(skip_serializing_if = "Option::is_none")]
    quarantined: Option<usize>,
    /// With `verbose` and a key: how the configuration was last read again, where it was since the start of the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_reload: Option<ReloadView>,
    /// With `verbose` and without a key that may look: why nothing more is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
}

/// A reload of the configuration.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Reload)]
pub(crate) struct ReloadView {
    #[schema(value_type = String, format = DateTime)]
    at: Stamp,
    /// Whether it was taken. One that is refused changes nothing; the service would not start with what it has read.
    accepted: bool,
    /// Why it was refused; only to a key that may see the configuration.
    why: Option<String>,
}

/// How the configuration was last read again, as the caller may know it.
fn last_reload(call: &Call, caller: &Caller) -> Option<ReloadView> {
    let Reload { at, refused } = call.shared.api.configuration.last_reload()?;
    let may_know = caller.role.suffices(Need::Admin);
    Some(ReloadView { at: Stamp(at), accepted: refused.is_none(), why: refused.filter(|_| may_know) })
}

/// How a hook is doing.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = HookStatus)]
pub(crate) struct HookView {
    name: String,
    organisation: String,
    /// When a sender that had proven itself was last heard, since the start of the service.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_event_at: Option<Stamp>,
    /// When a request was last refused for its signature, since the start of the service.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_refused_at: Option<Stamp>,
}

/// How an organisation is doing.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OrganisationStatus)]
pub(crate) struct OrganisationView {
    name: String,
    /// How many closures are open.
    open: usize,
    /// How many are ready to call and wait: for their share of the quota, or for the end of a block or a pause.
    queued: usize,
    /// How many requests Genesys takes of it still in this minute; null where no limit is set.
    quota_left: Option<u64>,
    /// When the next probe is due, while Genesys refuses the credential or a permission.
    #[schema(value_type = Option<String>, format = DateTime)]
    blocked_until: Option<Stamp>,
    /// What is refused meanwhile: credential, or permission.
    blocked_by: Option<&'static str>,
    /// The permission that is missing, where Genesys names it.
    missing_permission: Option<String>,
    /// Whether an operator has paused all calls.
    paused: bool,
    /// When it is next tried to read many closures with one request, while `analytics:conversationDetail:view` is missing
    /// and each is read alone.
    #[schema(value_type = Option<String>, format = DateTime)]
    reads_alone_until: Option<Stamp>,
}

/// Whose key was sent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Caller)]
pub(crate) struct CallerView<'a> {
    /// The name of the key.
    name: &'a str,
    /// submit, read, operate or admin.
    role: &'static str,
    /// The organisations that the key sees.
    organisations: Vec<&'a str>,
}

/// What is running.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Version)]
pub(crate) struct VersionView {
    version: &'static str,
    /// The commit that it was built from; null where the build did not know it.
    commit: Option<&'static str>,
}

/// `GET /livez`: the process answers, whatever parameters a probe sends with it.
pub(crate) async fn live(_: Call) -> Answer {
    Ok(json_answer(StatusCode::OK, &serde_json::json!({ "live": true })))
}

/// `GET /readyz`: whether to send work here.
pub(crate) async fn ready(call: Call) -> Answer {
    let mut query = call.query()?;
    let verbose = query.switch("verbose")?;
    query.finish()?;
    let orchestrator = &call.shared.api.orchestrator;
    let stopping = orchestrator.is_stopping();
    let StoreChecked { good: store, took, .. } = call.shared.store_check.latest(orchestrator).await;
    let mut readiness = Readiness { ready: store && !stopping, store, stopping, ..Readiness::default() };
    if verbose {
        readiness.tell_more(&call, took).await;
    }
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut response = json_answer(status, &readiness);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

impl Readiness {
    /// Adds what is for keys that may look; health itself needs none.
    async fn tell_more(&mut self, call: &Call, store_took: Duration) {
        let Shared { api, .. } = &*call.shared;
        let Ok(caller) = api.keys.admit(&call.headers, Need::Read) else {
            self.note = Some(
                "Organisations, hooks, adapters and records set aside are shown to a key of the role read.",
            );
            return;
        };
        self.organisations = Some(organisations(call, &caller));
        self.hooks = Some(hooks(call, &caller));
        self.adapters = Some(adapters::shown((api.adapters)(), &caller));
        self.evidence = Some(evidence::shown(api.orchestrator.adapters(), &caller));
        self.store_took_ms = u64::try_from(store_took.as_millis()).ok();
        self.last_reload = last_reload(call, &caller);
        self.quarantined = api.orchestrator.quarantined().await.ok().map(|records| records.len());
    }
}

/// How the hooks are doing that belong to organisations that the caller sees.
fn hooks(call: &Call, caller: &Caller) -> Vec<HookView> {
    let all = call.shared.api.received.standings().into_iter();
    all.filter(|hook| caller.sees(&hook.organisation))
        .map(|hook| HookView {
            name: hook.name,
            organisation: hook.organisation.as_str().to_owned(),
            last_event_at: hook.last_event_at.map(Stamp),
            last_refused_at: hook.last_refused_at.map(Stamp),
        })
        .collect()
}

/// How the organisations are doing that the caller sees.
fn organisations(call: &Call, caller: &Caller) -> Vec<OrganisationView> {
    let orchestrator = &call.shared.api.orchestrator;
    let view = |status: OrganisationStatus| {
        let why = status.blocked_until.and_then(|_| orchestrator.blocked_why(&status.name));
        let (blocked_by, missing_permission) = match why {
            Some(BlockReason::Credential) => (Some("credential"), None),
            Some(BlockReason::Permission(named)) => (Some("permission"), named.map(String::from)),
            None => (None, None),
        };
        OrganisationView {
            name: status.name.as_str().to_owned(),
            open: status.open,
            queued: status.ready,
            quota_left: orchestrator.quota_left(&status.name),
            blocked_until: status.blocked_until.map(Stamp),
            blocked_by,
            missing_permission,
            paused: status.paused,
            reads_alone_until: status.reads_alone_until.map(Stamp),
        }
    };
    orchestrator.status().into_iter().filter(|status| caller.sees(&status.name)).map(view).collect()
}

/// `GET /version`.
pub(crate) async fn version(call: Call) -> Answer {
    call.query()?.finish()?;
    let Version { version, commit } = call.shared.api.version;
    Ok(json_answer(StatusCode::OK, &VersionView { version, commit }))
}

/// `GET /openapi.json`.
pub(crate) async fn description(call: Call) -> Answer {
    call.query()?.finish()?;
    Ok(bytes_answer(StatusCode::OK, call.shared.documents.description().clone()))
}

/// `GET /metrics`: of a key that does not see all organisations, without the series of the others.
pub(crate) async fn metrics(call: Call) -> Answer {
    let orchestrator = &call.shared.api.orchestrator;
    orchestrator.observe();
    // A store that is away keeps the figure as it was; the rest of the page is worth having all the same.
    if let Ok(records) = orchestrator.quarantined().await {
        crate::metrics::quarantined(records.len());
    }
    let mut text = (call.shared.api.metrics.render)();
    // Where the program has opened them to everybody, there is nobody to ask what he sees.
    if let Some(caller) = &call.caller {
        let hidden = configuration::hidden_names(&call.shared.api.configuration.shown(), caller);
        let sees = |name: &str| name.parse().is_ok_and(|organisation| caller.sees(&organisation));
        text = crate::metrics::seen(&text, sees, &hidden);
    }
    let mut response = Response::new(Body::from(text));
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

/// `GET /v1/whoami`.
pub(crate) async fn whoami(call: Call) -> Answer {
    call.query()?.finish()?;
    let caller = call.caller();
    let organisations: Vec<_> = caller.seen(&call.shared.organisations).map(|name| name.as_str()).collect();
    let view = CallerView { name: &caller.name, role: caller.role.name(), organisations };
    Ok(json_answer(StatusCode::OK, &view))
}

/// `GET /v1/config`: without the tables of organisations that the key does not see.
pub(crate) async fn configuration(call: Call) -> Answer {
    call.query()?.finish()?;
    let seen = configuration::seen_by(&call.shared.api.configuration.shown(), call.caller());
    Ok(json_answer(StatusCode::OK, &seen))
}

/// Answers every path that there is none under.
pub(crate) fn nothing_here(path: &str) -> Problem {
    Problem::new(&crate::problem::kinds::NO_ROUTE, format!("There is nothing under {path}."))
}
