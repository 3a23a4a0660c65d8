//! One request on its way to its handler: who calls, and what was sent.

use std::sync::Arc;

use axum::{
    body::{Body, HttpBody},
    response::Response,
};
use bytes::Bytes;
use genesys_types::Organisation;
use http::{HeaderMap, StatusCode, Uri, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use orchestrator::{Record, parse_closure_id};
use serde::Serialize;
use store::ClosureKey;

use crate::{
    access::Caller,
    audit::Trail,
    batches,
    documents::Documents,
    events::Outbox,
    health::StoreCheck,
    json::Node,
    problem::{Problem, kinds},
    query::Query,
    refusals::Refusals,
    state::ApiState,
};

/// The largest body: a command with every field at its longest has less than a quarter of it.
pub(crate) const LARGEST_BODY: usize = 64 * 1024;

/// What a handler answers.
pub(crate) type Answer = Result<Response, Problem>;

/// The state that all requests share.
pub(crate) struct Shared {
    pub(crate) api: ApiState,
    /// The configured organisations, sorted.
    pub(crate) organisations: Vec<Organisation>,
    /// What describes this API.
    pub(crate) documents: Documents,
    /// The latest check of the store.
    pub(crate) store_check: StoreCheck,
    /// What streams of events share.
    pub(crate) outbox: Outbox,
    /// The turns of commands that cannot be taken.
    pub(crate) refusals: Refusals,
}

/// One request.
pub(crate) struct Call {
    pub(crate) shared: Arc<Shared>,
    /// Who calls; `None` on the routes that need nothing.
    pub(crate) caller: Option<Caller>,
    /// The variable part of the path; empty where the route has none.
    pub(crate) id: String,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    /// What is told of an act, for those who want to know later.
    pub(crate) trail: Trail,
    /// The body, where the route takes JSON and some was sent.
    pub(crate) body: Option<Node>,
    /// The body, where the route takes a file.
    pub(crate) file: Bytes,
}

impl Call {
    /// Who calls.
    pub(crate) fn caller(&self) -> &Caller {
        self.caller
            .as_ref()
            .expect("the route table admits a caller before it runs a handler that asks for it")
    }

    /// The parameters of the query.
    pub(crate) fn query(&self) -> Result<Query, Problem> {
        Query::of(&self.uri)
    }

    /// The closure that the path names, and whose organisation the caller sees.
    pub(crate) async fn closure(&self) -> Result<Arc<Record>, Problem> {
        let key = self.closure_key()?;
        let record = self.shared.api.orchestrator.closure(key).await?;
        if record.is_none() {
            self.check_not_set_aside(key).await?;
        }
        self.visible(record)
    }

    /// Refuses a closure that is there and cannot be read, where the caller sees its organisation.
    async fn check_not_set_aside(&self, key: ClosureKey) -> Result<(), Problem> {
        let organisation = self.shared.api.orchestrator.set_aside_of(key).await?;
        let seen = organisation
            .and_then(|name| name.parse().ok())
            .is_some_and(|organisation| self.caller().sees(&organisation));
        if !seen {
            return Ok(());
        }
        let detail = format!(
            "The stored record of the closure {} cannot be read. It was set aside with its journal, and nothing is done for \
             it.",
            self.id
        );
        Err(Problem::new(&kinds::UNREADABLE, detail).closure(self.id.clone()).fix(
            "Look at the conversation in Genesys. To have it closed, request a new closure. The service's log says what \
             cannot be read; a newer version of the service may be able to.",
        ))
    }

    /// The key of the closure that the path names.
    pub(crate) fn closure_key(&self) -> Result<ClosureKey, Problem> {
        parse_closure_id(&self.id).map_err(|error| {
            Problem::invalid("id", format!("\"{}\" is not the id of a closure: {error}.", self.id))
                .ids_at("/v1/closures")
        })
    }

    /// What was found, unless the caller may not see it: then there is no such closure.
    pub(crate) fn visible(&self, record: Option<Arc<Record>>) -> Result<Arc<Record>, Problem> {
        record
            .filter(|record| self.caller().sees(&record.organisation))
            .ok_or_else(|| Problem::new(&kinds::NO_CLOSURE, format!("There is no closure {} here.", self.id)))
    }
}

/// Reads a body as JSON; nothing where none was sent. What a missing body lacks, its handler knows.
pub(crate) async fn read_json(headers: &HeaderMap, body: Body) -> Result<Option<Node>, Problem> {
    if body.is_end_stream() {
        return Ok(None);
    }
    check_type(headers)?;
    let too_large = || Problem::new(&kinds::TOO_LARGE, "The body has more than 64 KiB.");
    if body.size_hint().lower() > LARGEST_BODY as u64 {
        return Err(too_large());
    }
    match Limited::new(body, LARGEST_BODY).collect().await {
        Ok(collected) => Node::parse(&collected.to_bytes()).map(Some),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(error) => {
            Err(Problem::new(&kinds::BROKEN_BODY, format!("The body could not be read to its end: {error}.")))
        }
    }
}

/// Reads what is left of a request that is not looked at, up to the length of a command.
pub(crate) async fn read_rest(body: Body) {
    // Where it cannot be read the connection ends behind the answer.
    let _ = Limited::new(body, LARGEST_BODY).collect().await;
}

/// Reads a body as it is.
pub(crate) async fn read_file(body: Body) -> Result<Bytes, Problem> {
    if body.size_hint().lower() > batches::LARGEST_BODY as u64 {
        return Err(batches::too_large());
    }
    match Limited::new(body, batches::LARGEST_BODY).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(batches::too_large()),
        Err(error) => {
            Err(Problem::new(&kinds::BROKEN_BODY, format!("The body could not be read to its end: {error}.")))
        }
    }
}

fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Err(Problem::new(&kinds::NOT_JSON, "The body has a Content-Encoding; none is understood."));
    }
    let Some(given) = headers.get(header::CONTENT_TYPE) else {
        return Err(Problem::new(&kinds::NOT_JSON, "The body has no Content-Type."));
    };
    if given.to_str().is_ok_and(is_json_in_utf8) {
        return Ok(());
    }
    let given = String::from_utf8_lossy(given.as_bytes());
    Err(Problem::new(
        &kinds::NOT_JSON,
        format!("The body's type is {given}; it has to be application/json in UTF-8."),
    ))
}

fn is_json_in_utf8(given: &str) -> bool {
    let mut parts = given.split(';').map(str::trim);
    parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"))
        && parts.filter_map(|parameter| parameter.split_once('=')).all(|(name, value)| {
            !name.trim().eq_ignore_ascii_case("charset")
                || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
}

/// An answer of JSON.
pub(crate) fn json_answer(status: StatusCode, value: &impl Serialize) -> Response {
    let mut bytes = Vec::with_capacity(1_024);
    serde_json::to_writer(&mut bytes, value).expect("an answer has no key that is not a text");
    bytes_answer(status, Bytes::from(bytes))
}

/// An answer of JSON that is written already.
pub(crate) fn bytes_answer(status: StatusCode, json: Bytes) -> Response {
    let mut response = Response::new(Body::from(json));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}
