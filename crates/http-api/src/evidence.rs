//! How events come in, by whatever adapter, as health pages show it.

use http::StatusCode;
use orchestrator::AdapterHealth;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    access::Caller,
    call::{Answer, Call, json_answer},
    spans::Stamp,
};

/// How events come in by an adapter: a hook, a queue, a socket.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EvidenceStatus)]
pub(crate) struct EvidenceView {
    /// The adapter's name in the configuration.
    adapter: String,
    organisation: String,
    /// When an event was last heard, since the start of the service.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_event_at: Option<Stamp>,
    /// Events a minute, over the last five minutes.
    events_per_minute: f64,
    /// How long after it happened the last event that told an end came in, in milliseconds.
    lag_ms: Option<u64>,
    /// Since when no event is heard although closures wait for one; null while that is no incident.
    #[schema(value_type = Option<String>, format = DateTime)]
    silent_since: Option<Stamp>,
}

/// The adapters.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AdapterList {
    items: Vec<EvidenceView>,
}

/// `GET /v1/adapters`: how events come in by each adapter.
pub(crate) async fn adapters(call: Call) -> Answer {
    call.query()?.finish()?;
    let items = shown(call.shared.api.orchestrator.adapters(), call.caller());
    Ok(json_answer(StatusCode::OK, &AdapterList { items }))
}

/// Those of the organisations that the caller sees.
pub(crate) fn shown(all: Vec<AdapterHealth>, caller: &Caller) -> Vec<EvidenceView> {
    let view = |one: AdapterHealth| EvidenceView {
        adapter: one.name,
        organisation: one.organisation.as_str().to_owned(),
        last_event_at: one.last_event_at.map(Stamp),
        events_per_minute: one.events_per_minute,
        lag_ms: one.lag.and_then(|lag| u64::try_from(lag.duration().as_millis()).ok()),
        silent_since: one.silent_since.map(Stamp),
    };
    all.into_iter().filter(|one| caller.sees(&one.organisation)).map(view).collect()
}
