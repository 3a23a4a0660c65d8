//! `GET /v1/closures/{id}`: one closure.

use http::{HeaderMap, HeaderValue, StatusCode, header};
use orchestrator::{Record, closure_id};

use crate::{
    call::{Answer, Call, json_answer},
    explain::trouble,
    submit::{await_end, etag},
    view::{Circumstances, ClosureView},
};

/// One closure. With `wait` it answers when the closure has ended, or, with `If-None-Match`, as
/// soon as it has another version.
pub(crate) async fn one(call: Call) -> Answer {
    let mut query = call.query()?;
    let wait = query.wait()?;
    query.finish(&["wait"])?;
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
        (wait, _) => await_end(&call, record, wait).await?,
    };
    if known_version(&call.headers, &record) {
        let mut response = axum::response::Response::default();
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().insert(header::ETAG, etag(&record));
        return Ok(response);
    }
    let id = closure_id(record.key);
    let problem = trouble(&call, &record).await?;
    let view = ClosureView::of(&record, &id, Circumstances { attached: false, wait_satisfied })
        .with_problem(problem);
    let mut response = json_answer(StatusCode::OK, &view);
    response.headers_mut().insert(header::ETAG, etag(&record));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
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
