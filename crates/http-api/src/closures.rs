//! `GET /v1/closures/{id}`: one closure.

use http::{HeaderMap, HeaderValue, StatusCode, header};
use orchestrator::{Record, closure_id};

use crate::{
    call::{Answer, Call, json_answer},
    explain::trouble,
    submit::{Known, await_end, etag},
    view::{Circumstances, ClosureView},
    waiting::waiting_for,
};

/// One closure. With `wait` it answers when the closure has ended, or becomes a ghost or blocked, or, with
/// `If-None-Match`, as soon as it has another version.
pub(crate) async fn one(call: Call) -> Answer {
    let mut query = call.query()?;
    let wait = query.wait()?;
    query.finish()?;
    let record = call.closure().await?;
    let known = known_version(&call.headers, &record);
    let (record, wait_satisfied) = match (wait, known) {
        (Some(wait), true) => {
            let seen = record.closure.sequence;
            let orchestrator = &call.shared.api.orchestrator;
            let changed = |record: &Record| record.closure.sequence != seen;
            let waited = orchestrator.wait_for(record.key, wait, changed).await?.unwrap_or(record);
            let satisfied = waited.closure.has_ended();
            (waited, Some(satisfied))
        }
        (wait, _) => {
            // Another version is known: how it is held is news.
            let told = call.headers.contains_key(header::IF_NONE_MATCH);
            let known = if told { Known::Nothing } else { Known::State };
            await_end(&call, record, wait, known).await?
        }
    };
    if known_version(&call.headers, &record) {
        let mut response = axum::response::Response::default();
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().insert(header::ETAG, etag(&record));
        return Ok(response);
    }
    let mut response = answer(&call, &record, StatusCode::OK, false, wait_satisfied).await?;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Answers with one closure: how it stands, what is wrong with it, and its version as the entity tag.
pub(crate) async fn answer(
    call: &Call,
    record: &Record,
    status: StatusCode,
    attached: bool,
    wait_satisfied: Option<bool>,
) -> Answer {
    let id = closure_id(record.key);
    let orchestrator = &call.shared.api.orchestrator;
    let waiting_for = waiting_for(orchestrator, record);
    let view = ClosureView::of(record, &id, Circumstances { attached, wait_satisfied, waiting_for })
        .with_policy(record, &orchestrator.policy_of(record))
        .with_page(orchestrator.page_of(record))
        .with_problem(trouble(call, record).await?);
    let mut response = json_answer(status, &view);
    response.headers_mut().insert(header::ETAG, etag(record));
    Ok(response)
}

/// Whether the caller says that it knows this version.
fn known_version(headers: &HeaderMap, record: &Record) -> bool {
    let tag = format!("\"{}\"", record.closure.sequence);
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|given| given.trim().trim_start_matches("W/"))
        .any(|given| given == tag || given == "*")
}
