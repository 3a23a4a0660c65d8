//! The door of the platform's API: lets a request in, lets faults strike, has it carried out, and writes the answer.
//!
//! ```text
//!  path ─► size ─► token ─► quota ─► permission ─► media type, JSON ─► fault ─► call ─► headers, journal
//! ```

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HOST, HeaderMap, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde_json::Value;
use uuid::Uuid;

use crate::calls::{self, Asked};
use crate::clock::{Millis, http_date};
use crate::credentials::{Admission, QuotaState, TokenRefused};
use crate::journal::{JournalKind, Note};
use crate::ledger::CloseTarget;
use crate::operation::{Operation, RequestBody};
use crate::random::Draw;
use crate::refusal::Refusal;
use crate::storms::{self, Strike};
use crate::world::World;

/// The most bytes of a request's body; the platform's `request.bytes.max`.
pub(crate) const BODY_LIMIT: usize = 512_000;

/// What a call answers when it is not refused.
#[derive(Debug)]
pub(crate) struct Reply {
    pub status: u16,
    pub body: Option<Value>,
    pub fault: Option<&'static str>,
}

impl Reply {
    pub(crate) fn ok(body: Value) -> Self {
        Self { status: 200, body: Some(body), fault: None }
    }

    /// An answer without a body.
    pub(crate) fn empty(status: u16) -> Self {
        Self { status, body: None, fault: None }
    }

    pub(crate) fn fault(mut self, fault: Option<&'static str>) -> Self {
        self.fault = fault.or(self.fault);
        self
    }
}

/// Answers one request of the platform's API.
pub(crate) async fn answer(State(world): State<Arc<World>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let nth = world.answers.fetch_add(1, Ordering::Relaxed);
    let correlation = Draw::new(world.seed(), Uuid::nil(), "correlation", nth).uuid().to_string();
    let operation = Operation::of(&parts.method, parts.uri.path(), world.config.dialect);
    let mut visit = Visit {
        world: &world,
        headers: &parts.headers,
        query: parts.uri.query().unwrap_or(""),
        quota: None,
        fault: None,
        closes: None,
    };
    let outcome = match read(body).await {
        Ok(body) => visit.carry_out(operation.clone(), &body).await,
        Err(refusal) => Err(refusal),
    };
    let Visit { quota, fault, closes, .. } = visit;
    let (status, fault) = match &outcome {
        Ok(reply) => (reply.status, reply.fault.or(fault)),
        Err(refusal) => (refusal.status, fault),
    };
    let conversation = operation.as_ref().ok().and_then(Operation::conversation);
    account_for(&world, conversation, closes, status);
    let what = format!("{} {}", parts.method, parts.uri.path());
    world.note(Note::new(JournalKind::Call, conversation, what).status(status).fault(fault));
    written(outcome, quota, &correlation, world.clock.now())
}

async fn read(body: Body) -> Result<Bytes, Refusal> {
    axum::body::to_bytes(body, BODY_LIMIT).await.map_err(|_| Refusal::too_large())
}

/// A request that is being answered, with what is learnt on the way.
struct Visit<'a> {
    world: &'a Arc<World>,
    headers: &'a HeaderMap,
    query: &'a str,
    quota: Option<QuotaState>,
    fault: Option<&'static str>,
    /// What the request asks to close, once it was understood.
    closes: Option<CloseTarget>,
}

impl Visit<'_> {
    async fn carry_out(
        &mut self,
        operation: Result<Operation, Refusal>,
        body: &[u8],
    ) -> Result<Reply, Refusal> {
        let token = bearer(self.headers).ok_or_else(Refusal::authentication_required)?;
        let now = self.world.clock.now();
        let admission = self.world.credentials.admit(token, now).map_err(|refused| match refused {
            TokenRefused::Unknown => Refusal::bad_credentials(),
            TokenRefused::Expired => Refusal::credentials_expired(),
        })?;
        self.quota = admission.quota;
        if let Some(state) = admission.quota.filter(QuotaState::is_exceeded) {
            return Err(Refusal::too_many_requests(state.reset_seconds.max(1), state.allowed));
        }
        let operation = operation?;
        permit(&admission, &operation)?;
        let body = self.json(&operation, body)?;
        self.closes = close_target(&operation, &body);
        match storms::strike(self.world, &operation, token) {
            Strike::None => calls::perform(self.world, &operation, &body, self.asked(), &admission).await,
            Strike::Refuse(refusal, name) => {
                self.fault = Some(name);
                Err(refusal)
            }
            Strike::PerformThenRefuse(refusal, name) => {
                self.fault = Some(name);
                calls::perform(self.world, &operation, &body, self.asked(), &admission).await?;
                Err(refusal)
            }
        }
    }

    fn asked(&self) -> Asked<'_> {
        let host = self.headers.get(HOST).and_then(|value| value.to_str().ok());
        Asked { query: self.query, host: host.unwrap_or("127.0.0.1") }
    }

    fn json(&self, operation: &Operation, body: &[u8]) -> Result<Value, Refusal> {
        match operation.body() {
            RequestBody::None => return Ok(Value::Null),
            RequestBody::Optional if body.is_empty() => return Ok(Value::Null),
            RequestBody::Optional | RequestBody::Needed | RequestBody::List => {}
        }
        let media_type = self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
        let media_type = media_type.split(';').next().unwrap_or("").trim();
        if !media_type.eq_ignore_ascii_case("application/json") {
            return Err(Refusal::unsupported_media_type());
        }
        let value: Value = serde_json::from_slice(body).map_err(|_| Refusal::bad_request())?;
        let fits = if operation.body() == RequestBody::List { value.is_array() } else { value.is_object() };
        if fits { Ok(value) } else { Err(Refusal::bad_request()) }
    }
}

fn permit(admission: &Admission, operation: &Operation) -> Result<(), Refusal> {
    let needed = operation.permissions();
    let held = admission.client.permissions.as_ref();
    if needed.is_empty() || held.is_none_or(|held| needed.iter().any(|one| held.contains(*one))) {
        Ok(())
    } else {
        Err(Refusal::missing_permissions(needed))
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}

/// Counts the call for its conversation, and notices when a close is asked twice without a read in between.
fn account_for(world: &World, conversation: Option<Uuid>, closes: Option<CloseTarget>, status: u16) {
    let mut repeated = None;
    if let Some(mut talk) = conversation.and_then(|id| world.remembered(id)) {
        talk.ledger.calls += 1;
        if let Some(target) = closes
            && talk.ledger.note_close(target, status)
        {
            repeated = Some((target, talk.id));
        }
    }
    let now = world.clock.now();
    let mut tally = world.tally();
    tally.calls += 1;
    tally.rate_limited += u64::from(status == 429);
    match repeated {
        Some((CloseTarget::Wrapper | CloseTarget::Purge, id)) => {
            tally.repeated_wrapper_closes += 1;
            tally.offend("repeated-wrapper-close", id, now);
        }
        Some((CloseTarget::Participant(_) | CloseTarget::Communication(_), id)) => {
            tally.repeated_closes += 1;
            tally.offend("repeated-close", id, now);
        }
        None => {}
    }
}

/// Answers what a request asks to close; a participant may also be asked for something else, such as a wrap-up.
fn close_target(operation: &Operation, body: &Value) -> Option<CloseTarget> {
    let disconnects = || body["state"] == "disconnected";
    match *operation {
        Operation::UpdateParticipant { participant, .. } => {
            disconnects().then_some(CloseTarget::Participant(participant))
        }
        Operation::UpdateCommunication { communication, .. } => {
            disconnects().then_some(CloseTarget::Communication(communication))
        }
        Operation::UpdateConversation(_) => disconnects().then_some(CloseTarget::Wrapper),
        Operation::DeleteConversation(_) => Some(CloseTarget::Wrapper),
        Operation::ReadConversation(_)
        | Operation::ReadMessageConversation(_)
        | Operation::GiveWrapUp { .. }
        | Operation::ReadWrapUp { .. }
        | Operation::ListParticipantWrapUpCodes { .. }
        | Operation::ForceDisconnect(_)
        | Operation::ReadAnalytics(_)
        | Operation::QueryAnalytics
        | Operation::SearchAttributes
        | Operation::ListWrapUpCodes
        | Operation::ListQueueWrapUpCodes(_)
        | Operation::ReadToken
        | Operation::ReadGrants
        | Operation::ReadLimits
        | Operation::ListDeployments
        | Operation::ReadActiveConfiguration(_)
        | Operation::CreateChannel
        | Operation::CheckChannel(_)
        | Operation::Subscribe { .. } => None,
        Operation::Dialect(call) => call.closes(body),
    }
}

fn written(
    outcome: Result<Reply, Refusal>,
    quota: Option<QuotaState>,
    correlation: &str,
    now: Millis,
) -> Response {
    let (status, body, retry_after) = match outcome {
        Ok(reply) => (reply.status, reply.body, None),
        Err(refusal) => (refusal.status, Some(refusal.body(correlation)), refusal.retry_after),
    };
    let has_body = body.is_some();
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if has_body {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    // In the simulator's time, which may be ahead of that of the machine.
    if let Some(date) = http_date(now) {
        headers.insert(DATE, date);
    }
    if let Ok(value) = HeaderValue::from_str(correlation) {
        headers.insert("inin-correlation-id", value);
    }
    if let Some(quota) = quota {
        headers.insert("inin-ratelimit-count", HeaderValue::from(quota.count));
        headers.insert("inin-ratelimit-allowed", HeaderValue::from(quota.allowed));
        headers.insert("inin-ratelimit-reset", HeaderValue::from(quota.reset_seconds));
    }
    if let Some(seconds) = retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
