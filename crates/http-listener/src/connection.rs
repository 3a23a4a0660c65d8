//! One connection, from its first byte to its last.

use std::{convert::Infallible, error::Error as _, io, net::SocketAddr, pin::pin, sync::Arc};

use axum::{Router, body::Body, extract::ConnectInfo};
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::{
    body::{Body as _, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use tracing::debug;

use crate::{
    Limits,
    body_deadline::BodyWithDeadline,
    metrics::{self, Cut},
    newcomers::Newcomer,
    write_stall::{Heard, WriteStall},
};

/// Room for a body's bytes beside the head. hyper demands at least 8 KiB.
const READ_BUFFER_BYTES: usize = 64 * 1_024;

/// The two moments of a shutdown.
#[derive(Clone)]
pub(crate) struct Stop {
    /// No further request on a connection.
    pub(crate) gently: CancellationToken,
    /// Now.
    pub(crate) at_once: CancellationToken,
}

/// How hyper reads and writes a connection under these limits.
///
/// A request with both `Transfer-Encoding` and `Content-Length` is not refused: hyper drops the length before anybody
/// here can see it, reads the body by its chunks, and closes the connection behind the answer, which is the other way
/// that RFC 9112 §6.1 leaves open. What follows on the connection is never read as a request.
pub(crate) fn protocol(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_within)
        .max_headers(limits.headers)
        .max_header_size(limits.head_bytes)
        .max_buf_size(READ_BUFFER_BYTES.max(limits.head_bytes));
    builder
}

/// Serves a connection until the client leaves, is cut, or the stop is over.
pub(crate) async fn drive(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    limits: Limits,
    protocol: http1::Builder,
    stop: Stop,
    newcomer: Newcomer,
) {
    // A small answer would otherwise wait for the peer's acknowledgement of the one before it.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%peer, %error, "the connection was gone before it began");
        return;
    }
    let newcomer = Arc::new(newcomer);
    let heard = Heard::default();
    let io = TokioIo::new(WriteStall::new(stream, limits.write_stalls_for, heard.clone()));
    let service = service_fn(|request| {
        heard.forget();
        let answer = answer(router.clone(), request, peer, limits, Arc::clone(&newcomer));
        let heard = heard.clone();
        async move {
            let answered = answer.await;
            heard.forget();
            answered
        }
    });
    let mut connection = pin!(protocol.serve_connection(io, service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.gently.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection.as_mut() => ended,
                () = stop.at_once.cancelled() => {
                    metrics::connection_cut(Cut::Stopped);
                    return;
                }
            }
        }
    };
    if let Err(error) = ended {
        if let Some(cut) = slowness(&error, heard.something()) {
            metrics::connection_cut(cut);
        }
        debug!(%peer, %error, "a connection ended early");
    }
}

/// How the client was too slow. A connection on which no head has begun was only idle.
fn slowness(error: &hyper::Error, begun: bool) -> Option<Cut> {
    if error.is_timeout() {
        return begun.then_some(Cut::HeadTooSlow);
    }
    let io = error.source()?.downcast_ref::<io::Error>()?;
    (io.kind() == io::ErrorKind::TimedOut).then_some(Cut::AnswerNotRead)
}

async fn answer(
    router: Router,
    request: Request<Incoming>,
    peer: SocketAddr,
    limits: Limits,
    newcomer: Arc<Newcomer>,
) -> Result<Response<Body>, Infallible> {
    let (mut head, body) = request.into_parts();
    head.extensions.insert(ConnectInfo(peer));
    if body.is_end_stream() {
        newcomer.has_asked();
        return router.oneshot(Request::from_parts(head, Body::empty())).await;
    }
    let (body, was_cut) = BodyWithDeadline::new(body, limits.body_within, newcomer);
    let answer = router.oneshot(Request::from_parts(head, Body::new(body))).await?;
    if was_cut.get() {
        metrics::connection_cut(Cut::BodyTooSlow);
        return Ok(body_too_slow());
    }
    Ok(answer)
}

fn body_too_slow() -> Response<Body> {
    let problem = r#"{"type":"urn:closeout:problem:body_too_slow","title":"The body did not arrive in time","status":408,"detail":"The body was not there as a whole within the time that a body has.","code":"body_too_slow","retryable":true,"fix":"Send the whole body at once."}"#;
    let mut response = Response::new(Body::from(problem));
    *response.status_mut() = StatusCode::REQUEST_TIMEOUT;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
