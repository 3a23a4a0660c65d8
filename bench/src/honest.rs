//! An honest client beside whatever else the service has to bear: it looks at the list of closures again and again, on a connection of
//! its own each time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde::Serialize;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::driver::Latency;
use crate::http_pool::HttpPool;

/// What 99 of 100 honest requests may take, in milliseconds.
const P99_MS: f64 = 500.0;

/// How long an honest request may take before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// What an honest client had of it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HonestFigures {
    /// Requests, each on a connection of its own.
    pub requests: u64,
    /// Those without an answer of 200.
    pub failed: u64,
    /// How long they took, from before the connection to the whole answer.
    pub latency: Latency,
}

impl HonestFigures {
    /// What was not kept of: every honest request is answered, 99 of 100 within half a second.
    pub fn broken_promises(&self) -> Vec<String> {
        let mut broken = Vec::new();
        if self.failed > 0 || self.requests == 0 {
            broken.push(format!("{} of {} honest requests failed", self.failed, self.requests));
        }
        if self.latency.p99_ms > P99_MS {
            broken.push(format!("p99 of honest requests was {:.0} ms", self.latency.p99_ms));
        }
        broken
    }
}

/// A client that asks until it is told to end.
pub struct Honest {
    is_over: Arc<AtomicBool>,
    asking: JoinHandle<(Vec<u32>, u64)>,
}

impl Honest {
    /// Begins to ask, with such a pause behind each answer.
    pub fn begin(address: SocketAddr, token: &str, pause: Duration) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let asking = tokio::spawn(ask(address, token.to_owned(), pause, Arc::clone(&is_over)));
        Self { is_over, asking }
    }

    /// Ends with the answer to the present request; what came of all of them.
    pub async fn end(self) -> anyhow::Result<HonestFigures> {
        self.is_over.store(true, Ordering::SeqCst);
        let (took, failed) = self.asking.await?;
        Ok(HonestFigures { requests: took.len() as u64, failed, latency: Latency::of(took) })
    }
}

/// How long each took in microseconds, and how many failed.
async fn ask(
    address: SocketAddr,
    token: String,
    pause: Duration,
    is_over: Arc<AtomicBool>,
) -> (Vec<u32>, u64) {
    let (mut took, mut failed) = (Vec::new(), 0);
    while !is_over.load(Ordering::SeqCst) {
        let started = Instant::now();
        let pool = HttpPool::new(address, PATIENCE);
        let request = Request::get("/v1/closures?limit=1")
            .header("authorization", format!("Bearer {token}"))
            .body(Full::new(Bytes::new()))
            .expect("a request of fixed parts");
        if !pool.send(request).await.is_ok_and(|answer| answer.status == 200) {
            failed += 1;
        }
        took.push(u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX));
        sleep(pause).await;
    }
    (took, failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_failed_none_at_all_and_slow_ones_are_promises_broken() {
        let of = |requests, failed, p99_ms| {
            let latency = Latency { p50_ms: 1.0, p99_ms, max_ms: 900.0 };
            HonestFigures { requests, failed, latency }.broken_promises().len()
        };
        assert_eq!([of(10, 0, 499.0), of(10, 1, 499.0), of(0, 0, 0.0), of(10, 0, 501.0)], [0, 1, 1, 1]);
    }
}
