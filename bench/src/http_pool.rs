//! A small HTTP/1.1 client for one address: keep-alive connections, the most recently used first.
//!
//! It never repeats a request that may have reached the other side: who asks decides that.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, HeaderValue};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Sends requests to one address over pooled connections.
#[derive(Clone)]
pub struct HttpPool {
    shared: Arc<Shared>,
}

struct Shared {
    address: SocketAddr,
    host: HeaderValue,
    limit: Duration,
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
}

/// A complete answer.
pub struct Answer {
    /// The status code of the answer.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// The other side gave no complete answer: refused, cut, or slower than the limit of the pool.
#[derive(Debug)]
pub struct NoAnswer(String);

impl std::fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "no answer: {}", self.0)
    }
}

impl std::error::Error for NoAnswer {}

impl HttpPool {
    /// Prepares a pool for `address`; nothing is opened yet. Each request may take `limit` in all.
    pub fn new(address: SocketAddr, limit: Duration) -> Self {
        let host =
            HeaderValue::from_str(&address.to_string()).expect("an address has only header characters");
        Self { shared: Arc::new(Shared { address, host, limit, idle: Mutex::new(Vec::new()) }) }
    }

    /// Sends one request and reads the whole answer.
    ///
    /// The `Host` header is set here. Dropping the future closes its connection.
    pub async fn send(&self, mut request: Request<Full<Bytes>>) -> Result<Answer, NoAnswer> {
        request.headers_mut().insert(HOST, self.shared.host.clone());
        match tokio::time::timeout(self.shared.limit, self.exchange(request)).await {
            Ok(answered) => answered,
            Err(_) => Err(NoAnswer(format!("nothing within {:?}", self.shared.limit))),
        }
    }

    /// Closes the connections that nobody uses at this moment.
    pub fn close_idle(&self) {
        self.idle().clear();
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answer, NoAnswer> {
        let mut connection = match self.idle_connection().await {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let response = match connection.try_send_request(request).await {
            Ok(response) => response,
            Err(mut failed) => match failed.take_message() {
                // The request never left: an idle connection was closed under us.
                Some(request) => {
                    connection = self.connect().await?;
                    connection.send_request(request).await.map_err(cut)?
                }
                None => return Err(cut(failed.into_error())),
            },
        };
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(cut)?.to_bytes();
        if !connection.is_closed() {
            self.idle().push(connection);
        }
        Ok(Answer { status: head.status, headers: head.headers, body })
    }

    async fn idle_connection(&self) -> Option<SendRequest<Full<Bytes>>> {
        loop {
            let mut connection = self.idle().pop()?;
            if connection.ready().await.is_ok() {
                return Some(connection);
            }
        }
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, NoAnswer> {
        let stream = TcpStream::connect(self.shared.address).await.map_err(refused)?;
        stream.set_nodelay(true).map_err(refused)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(cut)?;
        tokio::spawn(async move {
            // A failed connection shows as a failed request; there is nobody else to tell.
            let _ = connection.await;
        });
        Ok(sender)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<SendRequest<Full<Bytes>>>> {
        self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "used as the argument of map_err")]
fn cut(error: hyper::Error) -> NoAnswer {
    NoAnswer(error.to_string())
}

#[expect(clippy::needless_pass_by_value, reason = "used as the argument of map_err")]
fn refused(error: std::io::Error) -> NoAnswer {
    NoAnswer(error.to_string())
}
