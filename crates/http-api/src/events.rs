//! `GET /v1/events` and `GET /v1/closures/{id}/events`: what callbacks are told, as a stream of server-sent events.
//!
//! ```text
//! journal (outbox) ─► pages, each read once for all streams ─► what this key may see and wants ─► the body's next piece
//!                       ▲ looked at while somebody follows        ▲ key asked again                ▲ when the client takes it
//! ```
//!
//! - **Nothing lost, nothing twice.** An event's id is its place in the outbox, and a stream goes on behind any place.
//! - **Nothing piles up.** A piece is read when the one before it was taken; a client that takes nothing is cut by the listener.
//! - **A stream is not for ever.** It ends with the service, and with its key.

mod every;
mod frame;
mod of_closure;
mod outbox;
mod resume;

use std::{convert::Infallible, time::Duration};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use tokio_util::sync::CancellationToken;

use self::outbox::{Full, Room};
pub(crate) use self::{every::every, of_closure::of_closure, outbox::Outbox};
use crate::{
    access::{Caller, Keys, Need},
    call::Call,
    outcome,
    problem::{Problem, kinds},
};

/// How long a stream is silent at most. Proxies cut what is silent for a minute, some after half of that.
const BEAT: Duration = Duration::from_secs(15);

/// After so long whoever found no room may ask again.
const NO_ROOM: Duration = Duration::from_secs(10);

/// The pause after the store could not be read.
const STORE_AWAY: Duration = Duration::from_secs(1);

/// The leave to hold a stream: room for it, and a key that is asked again before every piece.
struct Leave {
    keys: Keys,
    /// The key, and nothing else of the request.
    headers: HeaderMap,
    stop: CancellationToken,
    _room: Room,
}

impl Leave {
    /// Takes room for a stream.
    fn take(call: &Call) -> Result<Self, Problem> {
        let api = &call.shared.api;
        if api.stop.is_cancelled() {
            return Err(outcome::stopping());
        }
        let name = &call.caller().name;
        let room = call.shared.outbox.room(name).map_err(|full| {
            let detail = match full {
                Full::Key => format!(
                    "The key \"{name}\" has {} streams of events open, and may have no more.",
                    outbox::STREAMS_OF_KEY
                ),
                Full::All => {
                    format!("{} streams of events are open, and there may be no more.", outbox::STREAMS)
                }
            };
            Problem::new(&kinds::NO_ROOM, detail).retry_after(NO_ROOM)
        })?;
        let key = call.headers.get(header::AUTHORIZATION).cloned();
        Ok(Self {
            keys: api.keys.clone(),
            headers: key.into_iter().map(|key| (header::AUTHORIZATION, key)).collect(),
            stop: api.stop.clone(),
            _room: room,
        })
    }

    /// Who holds the stream, as the key is by now; nobody once it is no key any more, or too small a one.
    fn holder(&self) -> Option<Caller> {
        self.keys.admit(&self.headers, Need::Read).ok()
    }
}

/// What brings the pieces of a stream.
trait Pieces: Send + 'static {
    fn leave(&self) -> &Leave;

    /// The next piece: whole events, or a comment after [`BEAT`]. `None` where the stream is over.
    fn next(&mut self) -> impl Future<Output = Option<String>> + Send;
}

/// Answers with a stream. A piece is asked for when the connection has room for it, and not before.
fn answer(pieces: impl Pieces) -> Response {
    let body = stream::unfold(pieces, |mut pieces| async move {
        let stop = pieces.leave().stop.clone();
        let piece = tokio::select! {
            biased;
            () = stop.cancelled() => None,
            piece = pieces.next() => piece,
        };
        Some((Ok::<_, Infallible>(Bytes::from(piece?)), pieces))
    });
    let mut response = Response::new(Body::from_stream(body));
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // nginx would keep events back until it has a buffer full of them.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The answer that tells a browser not to come again: there is nothing more to tell.
fn nothing_more() -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
