//! A stand-in for Genesys Cloud that serves only the four routes of a clean closure and keeps count.
//!
//! It was written apart from the simulator and shares nothing with the service, so that a misreading in one of them
//! shows. Every UUID names a conversation with one guest; state is kept only for those that were asked about.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use uuid::Uuid;

pub mod bodies;
mod delay_line;
mod ledger;
mod relay;

pub use ledger::{Ledger, StubReport};
pub use relay::HookTarget;

use crate::listen::listen;
use ledger::{Standing, Tally};
use relay::Relay;

/// The only access token that the stub issues.
const ACCESS_TOKEN: &str = "stub-access-token";

/// The longest body that the stub reads; a close takes 24 bytes.
const LONGEST_BODY: usize = 16 * 1024;

/// A running stub. Dropping it closes the listening socket.
pub struct Stub {
    address: SocketAddr,
    remote: Arc<Remote>,
    accepting: AbortHandle,
}

/// What the routes share.
struct Remote {
    ledger: Arc<Ledger>,
    relay: Arc<Relay>,
    started: String,
}

impl Stub {
    /// Starts the stub on `address` (port 0 takes a free one); webhooks go to `hook`.
    ///
    /// Must be called inside a Tokio runtime.
    pub fn start(address: SocketAddr, hook: &HookTarget) -> anyhow::Result<Self> {
        let ledger = Arc::new(Ledger::default());
        let relay = Relay::start(hook, Arc::clone(&ledger))?;
        let remote = Arc::new(Remote { ledger, relay, started: bodies::time_of_day() });
        let listener = listen(address)?;
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(accept(listener, Arc::clone(&remote))).abort_handle();
        Ok(Self { address, remote, accepting })
    }

    /// The address that the stub listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the stub has seen.
    pub fn ledger(&self) -> Arc<Ledger> {
        Arc::clone(&self.remote.ledger)
    }

    /// Withholds every webhook that is owed from here on.
    pub fn hold_webhooks(&self) {
        self.remote.relay.hold();
    }

    /// Sends the webhooks that were withheld; returns how many.
    pub fn release_webhooks(&self) -> usize {
        self.remote.relay.release()
    }

    /// Closes the connections to the service that no webhook is on.
    pub fn close_idle(&self) {
        self.remote.relay.close_idle();
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, remote: Arc<Remote>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, mostly: let some connections end first.
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            continue;
        };
        // A socket without it still works, only slower.
        let _ = stream.set_nodelay(true);
        let remote = Arc::clone(&remote);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let remote = Arc::clone(&remote);
                async move { Ok::<_, Infallible>(remote.answer(request).await) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .auto_date_header(false)
                .serve_connection(TokioIo::new(stream), service);
            // The client sees its own connection fail.
            let _ = connection.await;
        });
    }
}

/// A request that the stub understands.
enum Route {
    Token,
    Read(Uuid),
    CloseParticipant(Uuid),
    CloseWrapper(Uuid),
    Report,
    Reset,
    Hold,
    Release,
}

fn route(method: &Method, path: &str) -> Option<Route> {
    match path {
        "/oauth/token" => return (method == Method::POST).then_some(Route::Token),
        "/_stub/report" => return (method == Method::GET).then_some(Route::Report),
        "/_stub/reset" => return (method == Method::POST).then_some(Route::Reset),
        "/_stub/hold" => return (method == Method::POST).then_some(Route::Hold),
        "/_stub/release" => return (method == Method::POST).then_some(Route::Release),
        _ => {}
    }
    let rest = path.strip_prefix("/api/v2/conversations/")?;
    let Some(rest) = rest.strip_prefix("messages/") else {
        return (method == Method::GET).then(|| uuid(rest).map(Route::Read)).flatten();
    };
    if method != Method::PATCH {
        return None;
    }
    match rest.split_once("/participants/") {
        None => uuid(rest).map(Route::CloseWrapper),
        Some((conversation, participant)) => {
            let (conversation, participant) = (uuid(conversation)?, uuid(participant)?);
            (participant == bodies::participant_of(conversation))
                .then_some(Route::CloseParticipant(conversation))
        }
    }
}

fn uuid(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok()
}

impl Remote {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let arrived = Instant::now();
        let Some(route) = route(request.method(), request.uri().path()) else {
            return self.refuse(StatusCode::NOT_FOUND, "not.found");
        };
        match route {
            Route::Token => self.issue_token(request).await,
            Route::Report => json(StatusCode::OK, to_json(&self.ledger.report())),
            Route::Reset => {
                self.ledger.reset();
                empty(StatusCode::NO_CONTENT)
            }
            Route::Hold => {
                self.relay.hold();
                empty(StatusCode::NO_CONTENT)
            }
            Route::Release => json(StatusCode::OK, format!(r#"{{"released":{}}}"#, self.relay.release())),
            Route::Read(_) | Route::CloseParticipant(_) | Route::CloseWrapper(_) if !authorized(&request) => {
                self.refuse(StatusCode::UNAUTHORIZED, "bad.credentials")
            }
            Route::Read(id) => self.show(id, &self.ledger.read(id)),
            Route::CloseParticipant(id) => match asks_to_disconnect(request).await {
                false => self.refuse(StatusCode::BAD_REQUEST, "bad.request"),
                true => {
                    if self.ledger.close_participant(id) {
                        self.relay.schedule(id);
                    }
                    empty(StatusCode::ACCEPTED)
                }
            },
            Route::CloseWrapper(id) => match asks_to_disconnect(request).await {
                false => self.refuse(StatusCode::BAD_REQUEST, "bad.request"),
                true => self.show(id, &self.ledger.close_wrapper(id, arrived, &bodies::time_of_day())),
            },
        }
    }

    async fn issue_token(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let basic = has_scheme(&request, "Basic ");
        let body = read(request).await.unwrap_or_default();
        let grant = body.split(|byte| *byte == b'&').any(|pair| pair == b"grant_type=client_credentials");
        if !basic || !grant {
            return self.refuse(StatusCode::BAD_REQUEST, "invalid_request");
        }
        self.ledger.count(Tally::Token);
        let body = format!(r#"{{"access_token":"{ACCESS_TOKEN}","token_type":"bearer","expires_in":86399}}"#);
        json(StatusCode::OK, body)
    }

    fn show(&self, id: Uuid, standing: &Standing) -> Response<Full<Bytes>> {
        let ended = standing.ended_at.as_deref();
        json(StatusCode::OK, bodies::conversation(id, &self.started, standing.guest_gone, ended))
    }

    fn refuse(&self, status: StatusCode, code: &str) -> Response<Full<Bytes>> {
        self.ledger.count(Tally::RefusedRequest);
        let status_number = status.as_u16();
        json(status, format!(r#"{{"message":"{code}","code":"{code}","status":{status_number}}}"#))
    }
}

fn has_scheme(request: &Request<Incoming>, scheme: &str) -> bool {
    let value = request.headers().get(AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
    value.starts_with(scheme.as_bytes())
}

fn authorized(request: &Request<Incoming>) -> bool {
    let value = request.headers().get(AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
    value.strip_prefix(b"Bearer ").or_else(|| value.strip_prefix(b"bearer ")) == Some(ACCESS_TOKEN.as_bytes())
}

async fn read(request: Request<Incoming>) -> Option<Bytes> {
    let body = Limited::new(request.into_body(), LONGEST_BODY).collect().await.ok()?;
    Some(body.to_bytes())
}

/// Tells whether the body is an object whose `state` is `disconnected`, the only close that there is.
async fn asks_to_disconnect(request: Request<Incoming>) -> bool {
    #[derive(serde::Deserialize)]
    struct Asked<'a> {
        state: &'a str,
    }
    let Some(body) = read(request).await else { return false };
    serde_json::from_slice::<Asked<'_>>(&body).is_ok_and(|asked| asked.state == "disconnected")
}

fn to_json(report: &StubReport) -> String {
    serde_json::to_string(report).expect("a report holds only numbers under text keys")
}

fn json(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests;
