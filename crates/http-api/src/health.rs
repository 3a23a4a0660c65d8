//! Health, version and metrics.

use std::time::Duration;

use axum::{body::Body, response::Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    access::{Caller, Need},
    call::{Answer, Call, bytes_answer, json_answer},
    problem::Problem,
    spans::Stamp,
    state::Version,
};

/// A store that does not answer a check within this time counts as down.
const STORE_CHECK: Duration = Duration::from_secs(2);

/// Whether the service can take work.
#[derive(Debug, Serialize, ToSchema)]
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
    /// With `verbose` and a key: how many stored records cannot be read and were set aside.
    #[serde(skip_serializing_if = "Option::is_none")]
    quarantined: Option<usize>,
}

/// How an organisation is doing.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OrganisationStatus)]
pub(crate) struct OrganisationView {
    name: String,
    /// How many closures are open.
    open: usize,
    /// How many are ready to call and wait for their share of the quota.
    waiting_for_quota: usize,
    /// When the next probe is due, while Genesys refuses the credential or a permission.
    #[schema(value_type = Option<String>, format = DateTime)]
    blocked_until: Option<Stamp>,
    /// Whether an operator has paused all calls.
    paused: bool,
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

/// `GET /livez`: the process answers.
pub(crate) async fn live(_: Call) -> Answer {
    Ok(json_answer(StatusCode::OK, &serde_json::json!({ "live": true })))
}

/// `GET /readyz`: whether to send work here.
pub(crate) async fn ready(call: Call) -> Answer {
    let mut query = call.query()?;
    let verbose = query.one("verbose")?.is_some_and(|value| value != "false");
    query.finish(&["verbose"])?;
    let orchestrator = &call.shared.api.orchestrator;
    let stopping = orchestrator.is_stopping();
    let store = matches!(tokio::time::timeout(STORE_CHECK, orchestrator.check_store()).await, Ok(Ok(())));
    let ready = store && !stopping;
    let mut readiness = Readiness { ready, store, stopping, organisations: None, quarantined: None };
    if let (true, Some(caller)) = (verbose, onlooker(&call)) {
        readiness.organisations = Some(organisations(&call, &caller));
        readiness.quarantined = orchestrator.quarantined().await.ok().map(|records| records.len());
    }
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut response = json_answer(status, &readiness);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Whoever sent a key that may look; health itself needs none.
fn onlooker(call: &Call) -> Option<Caller> {
    call.shared.api.keys.admit(&call.headers, Need::Read).ok()
}

/// How the organisations are doing that the caller sees.
fn organisations(call: &Call, caller: &Caller) -> Vec<OrganisationView> {
    let all = call.shared.api.orchestrator.status();
    all.into_iter()
        .filter(|status| caller.sees(&status.name))
        .map(|status| OrganisationView {
            name: status.name.as_str().to_owned(),
            open: status.open,
            waiting_for_quota: status.ready,
            blocked_until: status.blocked_until.map(Stamp),
            paused: status.paused,
        })
        .collect()
}

/// `GET /version`.
pub(crate) async fn version(call: Call) -> Answer {
    let Version { version, commit } = call.shared.api.version;
    Ok(json_answer(StatusCode::OK, &VersionView { version, commit }))
}

/// `GET /openapi.json`.
pub(crate) async fn description(call: Call) -> Answer {
    Ok(bytes_answer(StatusCode::OK, call.shared.description.clone()))
}

/// `GET /metrics`.
pub(crate) async fn metrics(call: Call) -> Answer {
    let orchestrator = &call.shared.api.orchestrator;
    orchestrator.observe();
    // A store that is away keeps the figure as it was; the rest of the page is worth having all the same.
    if let Ok(records) = orchestrator.quarantined().await {
        crate::metrics::quarantined(records.len());
    }
    let mut response = Response::new(Body::from((call.shared.api.metrics.render)()));
    let text = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    Ok(response)
}

/// `GET /v1/whoami`.
pub(crate) async fn whoami(call: Call) -> Answer {
    let caller = call.caller();
    let organisations: Vec<_> = caller.seen(&call.shared.organisations).map(|name| name.as_str()).collect();
    let view = CallerView { name: &caller.name, role: caller.role.name(), organisations };
    Ok(json_answer(StatusCode::OK, &view))
}

/// `GET /v1/config`.
pub(crate) async fn configuration(call: Call) -> Answer {
    Ok(json_answer(StatusCode::OK, &call.shared.api.configuration))
}

/// Answers every path that there is none under.
pub(crate) fn nothing_here(path: &str) -> Problem {
    Problem::new(&crate::problem::kinds::NO_ROUTE, format!("There is nothing under {path}."))
}
