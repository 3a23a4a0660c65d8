//! What is counted of connections: slow clients, not idle ones.

#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{Router, routing::get};
use http_listener::{Limits, bind, serve};
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// Far more than any limit of this test.
const BOUND: Duration = Duration::from_secs(10);

/// Keeps the counters of one thread.
#[derive(Default)]
struct Kept(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

impl Recorder for Kept {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let labels: Vec<_> = key.labels().map(metrics::Label::value).collect();
        let counter = self.0.lock().unwrap().entry(labels.concat()).or_default().clone();
        Counter::from_arc(counter)
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

impl Kept {
    fn count(&self, reason: &str) -> Option<u64> {
        self.0.lock().unwrap().get(reason).map(|counter| counter.load(Ordering::Relaxed))
    }
}

/// Sends these one after the other, each but the first when something was answered to the one before, and reads until the
/// server closes.
async fn told(address: SocketAddr, texts: &[&str]) {
    let mut client = TcpStream::connect(address).await.unwrap();
    let mut some = [0; 4_096];
    for (index, text) in texts.iter().enumerate() {
        if index > 0 {
            assert!(timeout(BOUND, client.read(&mut some)).await.unwrap().unwrap() > 0, "no answer");
        }
        client.write_all(text.as_bytes()).await.unwrap();
    }
    let mut rest = Vec::new();
    timeout(BOUND, client.read_to_end(&mut rest)).await.expect("the connection was never closed").ok();
}

#[tokio::test]
async fn a_head_that_does_not_end_is_counted_and_an_idle_connection_is_not() {
    let kept = Kept::default();
    let _here = metrics::set_default_local_recorder(&kept);
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let limits = Limits { head_within: Duration::from_millis(100), ..Limits::default() };
    let router = Router::new().route("/", get(|| async { "here" }));
    tokio::spawn(serve(listener, router, limits, CancellationToken::new()));
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for idle in [&[""][..], &[request], &[request, request]] {
        told(address, idle).await;
        assert_eq!(kept.count("head_too_slow"), Some(0), "{idle:?}");
    }
    for (count, slow) in (1..).zip([&["GET / HT"][..], &[request, "G"]]) {
        told(address, slow).await;
        assert_eq!(kept.count("head_too_slow"), Some(count), "{slow:?}");
    }
    for reason in ["body_too_slow", "answer_not_read", "stopped"] {
        assert_eq!(kept.count(reason), Some(0), "{reason}");
    }
}
