//! One operation from permit to answer: token, request, one repeat where it is harmless, and the reading of refusals.
//!
//! ```text
//! permit ─► token ─► send ─► 401? one new token, once more ─► 2xx: capped body ─► Reply
//!                      │                                          else ─► Fault
//!                      └─ a read that broke off: once more at once
//! ```

use std::{error::Error, time::Duration};

use bytes::Bytes;
use genesys_types::Organisation;
use http::{HeaderValue, Method, StatusCode, header};
use tokio::time::Instant;
use url::Url;

use crate::{
    answer::{self, BodyFault},
    error_body::{self, Refusal},
    fault::{Fault, FaultKind},
    metrics,
    quota::{Permit, Sent},
    token::{Bearer, Tokens},
    watch::{Moment, Watch},
};

/// A request as an operation asks for it.
pub(crate) struct Request {
    /// The operation's name in metrics and logs.
    pub(crate) operation: &'static str,
    pub(crate) method: Method,
    /// Below the base address, without a leading slash; with its query, where it has one. Made of constants, ids and numbers
    /// only.
    pub(crate) path: String,
    pub(crate) body: Option<Bytes>,
}

/// A successful answer.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) correlation_id: Option<Box<str>>,
    pub(crate) body: Bytes,
    pub(crate) took: Duration,
}

impl Reply {
    /// The fault that says that the request was taken and its answer cannot be understood.
    pub(crate) fn unreadable(&self, message: &str) -> Fault {
        unreadable(self.status, self.correlation_id.clone(), message)
    }
}

/// What all operations of an organisation share.
pub(crate) struct Caller {
    pub(crate) organisation: Organisation,
    pub(crate) http: reqwest::Client,
    pub(crate) api: Url,
    pub(crate) tokens: Tokens,
    pub(crate) timeout: Duration,
    pub(crate) watch: Watch,
}

/// An answer, successful or not, before it is judged.
struct Raw {
    status: StatusCode,
    correlation_id: Option<Box<str>>,
    retry_after: Option<Duration>,
    body: Result<Bytes, BodyFault>,
}

/// A request that brought no answer.
enum Broken {
    NotSent(String),
    TimedOut(String),
    /// Cut after it was sent, or while it was, as on a pooled connection that the host has closed meanwhile.
    Cut(String),
}

impl Caller {
    /// Runs one operation. It takes no longer than the request time-out, whatever happens.
    pub(crate) async fn run(&self, mut permit: Permit, request: Request) -> Result<Reply, Fault> {
        let started = Instant::now();
        let operation = request.operation;
        self.watch.tell(operation, Moment::Before);
        let outcome = self.exchange(&mut permit, &request, started + self.timeout).await;
        self.watch.tell(operation, Moment::After);
        let took = started.elapsed();
        match &outcome {
            Ok(raw) => tracing::debug!(
                organisation = %self.organisation, operation, status = raw.status.as_u16(), ?took,
                correlation_id = raw.correlation_id.as_deref(), "genesys answered"
            ),
            Err(fault) => tracing::debug!(
                organisation = %self.organisation, operation, ?took, %fault, "no answer from genesys"
            ),
        }
        self.judge(outcome?, &request, took)
    }

    async fn exchange(
        &self,
        permit: &mut Permit,
        request: &Request,
        deadline: Instant,
    ) -> Result<Raw, Fault> {
        let mut bearer = self.token(permit, deadline, None).await?;
        let mut renewed = false;
        let mut may_repeat = request.method == Method::GET;
        loop {
            match self.send(permit, request, &bearer, deadline).await {
                Ok(raw)
                    if raw.status == StatusCode::UNAUTHORIZED
                        && !renewed
                        && self.tokens.can_replace(&bearer) =>
                {
                    renewed = true;
                    bearer = self.token(permit, deadline, Some(&bearer)).await?;
                }
                Ok(raw) => return Ok(raw),
                Err(Broken::Cut(_)) if may_repeat => may_repeat = false,
                Err(Broken::NotSent(message)) => return Err(Fault::local(FaultKind::NotSent, message)),
                Err(Broken::TimedOut(message) | Broken::Cut(message)) => {
                    return Err(Fault::local(FaultKind::OutcomeUnknown, message));
                }
            }
        }
    }

    /// Gets a token, or one in place of a refused one. Without one nothing is sent.
    async fn token(
        &self,
        permit: &mut Permit,
        deadline: Instant,
        refused: Option<&Bearer>,
    ) -> Result<Bearer, Fault> {
        let token = async {
            match refused {
                None => self.tokens.bearer().await,
                Some(refused) => self.tokens.replacing(refused).await,
            }
        };
        let token = tokio::time::timeout_at(deadline, token).await;
        let fault = match token {
            Ok(Ok(bearer)) => return Ok(bearer),
            Ok(Err(fault)) => fault,
            Err(_) => Fault::local(FaultKind::NotSent, "no token in time"),
        };
        match fault.kind {
            FaultKind::RateLimited { retry_after } => {
                permit.sent();
                permit.settle(Sent::Throttled { retry_after });
            }
            FaultKind::NotSent => permit.settle(Sent::NotSent),
            FaultKind::OutcomeUnknown
            | FaultKind::Unauthenticated
            | FaultKind::Forbidden { .. }
            | FaultKind::NotFound
            | FaultKind::Conflict
            | FaultKind::WrapUpRequired
            | FaultKind::Server
            | FaultKind::Rejected => {}
        }
        Err(fault)
    }

    async fn send(
        &self,
        permit: &mut Permit,
        request: &Request,
        bearer: &Bearer,
        deadline: Instant,
    ) -> Result<Raw, Broken> {
        let started = Instant::now();
        let mut url = self.api.clone();
        // The address ends with a slash (see `Region`); joining would parse the whole of it anew for every request.
        let (path, query) = match request.path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (request.path.as_str(), None),
        };
        url.set_path(&[self.api.path(), path].concat());
        url.set_query(query);
        let mut builder = self
            .http
            .request(request.method.clone(), url)
            .timeout(deadline.saturating_duration_since(started))
            .header(header::AUTHORIZATION, bearer.header.clone())
            .header(header::ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(body) = &request.body {
            builder = builder
                .header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
                .body(body.clone());
        }
        permit.sent();
        let sent = builder.send().await;
        let status = sent.as_ref().ok().map(|response| response.status().as_u16());
        metrics::request(&self.organisation, request.operation, status, started.elapsed());
        let response = sent.map_err(|error| broken(permit, &error))?;
        let status = response.status();
        let rate = answer::rate(response.headers());
        let retry_after = answer::retry_after(response.headers(), jiff::Timestamp::now());
        permit.settle(match status.as_u16() {
            429 => Sent::Throttled { retry_after: retry_after.unwrap_or(error_body::DEFAULT_RETRY_AFTER) },
            500.. => Sent::Failed(rate),
            _ => Sent::Answered(rate),
        });
        metrics::quota(&self.organisation, permit.quota());
        let correlation_id = answer::correlation_id(response.headers());
        let largest = if status.is_success() { answer::LARGEST_BODY } else { answer::LARGEST_ERROR };
        let body = answer::body(response, largest).await;
        Ok(Raw { status, correlation_id, retry_after, body })
    }

    fn judge(&self, raw: Raw, request: &Request, took: Duration) -> Result<Reply, Fault> {
        let Raw { status, correlation_id, retry_after, body } = raw;
        if !status.is_success() {
            return Err(error_body::fault(Refusal {
                status,
                correlation_id,
                retry_after,
                body: &body.unwrap_or_default(),
                is_write: request.method != Method::GET,
            }));
        }
        match body {
            Ok(body) => Ok(Reply { status, correlation_id, body, took }),
            Err(fault) => Err(unreadable(status, correlation_id, fault.message())),
        }
    }
}

fn unreadable(status: StatusCode, correlation_id: Option<Box<str>>, message: &str) -> Fault {
    let fault = Fault::local(FaultKind::OutcomeUnknown, message);
    Fault { status: Some(status.as_u16()), correlation_id, ..fault }
}

fn broken(permit: &mut Permit, error: &reqwest::Error) -> Broken {
    let message = describe(error);
    if error.is_connect() || error.is_builder() {
        permit.settle(Sent::NotSent);
        return Broken::NotSent(message);
    }
    permit.settle(Sent::Unanswered);
    if error.is_timeout() { Broken::TimedOut(message) } else { Broken::Cut(message) }
}

/// Says what went wrong with the connection, in plain words and without the URL.
pub(crate) fn describe(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    match (error.is_connect(), error.is_timeout()) {
        _ if error.is_dns() => format!("the host's name was not resolved: {cause}"),
        (true, true) => "no connection in time".to_owned(),
        (true, false) => format!("no connection: {cause}"),
        (false, true) => "no answer in time".to_owned(),
        (false, false) => format!("the connection broke: {cause}"),
    }
}
