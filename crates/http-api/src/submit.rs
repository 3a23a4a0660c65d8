//! `POST /v1/closures`.

use std::{sync::Arc, time::Duration};

use closure_machine::Step;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use orchestrator::{ProducerKey, Record, Said, Submission, Submitted, TraceParent, closure_id, names};

use crate::{
    call::{Answer, Call},
    callback, closures,
    command::Wanted,
    problem::{Problem, kinds},
    query::preferred_wait,
};

/// The longest idempotency key, in bytes.
const LONGEST_KEY: usize = 255;

/// The source of commands that come by this way, in metrics and listings.
pub(crate) const SOURCE: &str = "http";

/// Takes a command; waits until it ends or is held, as long as the caller wants.
pub(crate) async fn submit(mut call: Call) -> Answer {
    let mut query = call.query()?;
    let asked = query.wait()?;
    query.finish()?;
    let wait = asked.or_else(|| preferred_wait(&call.headers)).filter(|wait| !wait.is_zero());
    let body = call.body.take().ok_or_else(no_body)?;
    let orchestrator = &call.shared.api.orchestrator;
    let wanted = Wanted::read(body, call.caller(), &call.shared.organisations, orchestrator.now())?;
    callback::check(&call.shared.api.callbacks, wanted.said.callback.as_ref())?;
    let key = producer_key(&call, &wanted)?;
    let dry_run = wanted.dry_run;
    let traces = call.headers.get_all("traceparent").iter().map(|value| value.to_str().unwrap_or_default());
    let said = Said { trace: TraceParent::only(traces), ..wanted.said };
    let submission = Submission {
        organisation: wanted.organisation,
        command: wanted.command,
        said,
        source: Arc::from(SOURCE),
        key,
        follows: None,
    };
    if dry_run {
        return crate::dry_run::plan(&call, &submission).await;
    }
    let (record, attached, repeated) = match orchestrator.submit(submission).await? {
        Submitted::Accepted(record) => (record, false, false),
        Submitted::Attached(record) => (record, true, false),
        Submitted::Repeated { record, attached } => (record, attached, true),
    };
    // One that is held already is told at once: whoever asks for a closure need not know that there was one.
    let (record, wait_satisfied) = await_end(&call, record, wait, Known::Nothing).await?;
    let ended = wait_satisfied == Some(true);
    let status = if ended || repeated { StatusCode::OK } else { StatusCode::ACCEPTED };
    let mut response = closures::answer(&call, &record, status, attached, wait_satisfied).await?;
    let location = format!("/v1/closures/{}", closure_id(record.key));
    let location = HeaderValue::try_from(location).expect("an id is plain ASCII");
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

fn no_body() -> Problem {
    Problem::new(&kinds::INVALID_JSON, "The request has no body: the command is missing.")
        .fix("Send at least {\"conversationId\": \"2f7bf00a-0fc2-4d6a-9b56-92238191433e\"}, with your conversation's id.")
}

/// What whoever waits knows of the closure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// Nothing, or another version than the present one.
    Nothing,
    /// How it stands: if it is held, that is no news.
    State,
}

/// Waits until the closure ends or is held, as a ghost or blocked, at most `wait`. Tells whether the end came. A closure
/// that is held already, as is known, is waited for until it ends or is held otherwise: else whoever asks in a loop
/// would ask without a pause.
pub(crate) async fn await_end(
    call: &Call,
    record: Arc<Record>,
    wait: Option<Duration>,
    known: Known,
) -> Result<(Arc<Record>, Option<bool>), Problem> {
    let Some(wait) = wait else { return Ok((record, None)) };
    if record.closure.has_ended() {
        return Ok((record, Some(true)));
    }
    let old = match known {
        Known::Nothing => None,
        Known::State => held(&record),
    };
    let is_news = |record: &Record| {
        let held = held(record);
        record.closure.has_ended() || (held.is_some() && held != old)
    };
    let waited = call.shared.api.orchestrator.wait_for(record.key, wait, is_news).await?;
    let record = waited.unwrap_or(record);
    let ended = record.closure.has_ended();
    Ok((record, Some(ended)))
}

/// How a closure is held that goes on only when something outside changes: its state and the reason.
fn held(record: &Record) -> Option<(&'static str, Option<&'static str>)> {
    match &record.closure.step {
        Step::Ghost(_) | Step::Blocked(_) => {
            Some((names::state(&record.closure), names::reason(&record.closure)))
        }
        Step::Scheduled
        | Step::Resolving
        | Step::Verifying
        | Step::ClosingParticipant
        | Step::AwaitingConfirmation
        | Step::ClosingWrapper(_)
        | Step::Forcing
        | Step::Ended(_) => None,
    }
}

/// The version as an entity tag.
pub(crate) fn etag(record: &Record) -> HeaderValue {
    HeaderValue::try_from(format!("\"{}\"", record.closure.sequence)).expect("digits are a header value")
}

fn producer_key(call: &Call, wanted: &Wanted) -> Result<Option<ProducerKey>, Problem> {
    let Some(key) = idempotency_key(&call.headers)? else { return Ok(None) };
    Ok(Some(ProducerKey {
        scope: call.caller().name.as_ref().to_owned(),
        key: key.to_owned(),
        digest: wanted.digest(),
    }))
}

/// The `Idempotency-Key`, as it was sent.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let invalid = |detail| Problem::new(&kinds::INVALID_HEADER, detail).field("Idempotency-Key");
    let mut given = headers.get_all("idempotency-key").iter();
    let Some(value) = given.next() else { return Ok(None) };
    if given.next().is_some() {
        return Err(invalid("Idempotency-Key is given more than once."));
    }
    match value.to_str() {
        Ok(key) if is_key(key) => Ok(Some(key)),
        Ok(_) | Err(_) => Err(invalid("Idempotency-Key has 1 to 255 visible ASCII characters.")),
    }
}

/// Whether a text can be an idempotency key.
pub(crate) fn is_key(text: &str) -> bool {
    (1..=LONGEST_KEY).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}
