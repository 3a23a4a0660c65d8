//! Clients that send too little, too slowly, or too much are cut in bounded time, and honest ones are not.

#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use std::{
    future::pending,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{ConnectInfo, State},
    http::HeaderMap,
    routing::{get, post},
};
use futures_util::stream;
use http_listener::{Limits, bind, serve};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Notify,
    task::JoinHandle,
    time::{interval, timeout},
};
use tokio_util::sync::CancellationToken;

/// Far more than any limit of these tests, so that only a connection that is never cut reaches it.
const BOUND: Duration = Duration::from_secs(10);

/// Every time limit of these tests.
const SHORT: Duration = Duration::from_millis(200);

struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    served: JoinHandle<std::io::Result<()>>,
    let_go: Arc<Notify>,
    dropped: Arc<Notify>,
}

fn short() -> Limits {
    Limits {
        head_within: SHORT,
        body_within: SHORT,
        write_stalls_for: SHORT,
        grace: SHORT,
        ..Limits::default()
    }
}

fn start(limits: Limits) -> Server {
    let let_go = Arc::new(Notify::new());
    let dropped = Arc::new(Notify::new());
    let router = Router::new()
        .route("/", get(|| async { "here" }))
        .route("/peer", get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() }))
        .route("/echo", post(|body: Bytes| async move { body }))
        .route(
            "/lengths",
            post(|headers: HeaderMap, _: Bytes| async move {
                let of = |name| headers.get_all(name).iter().count();
                let (length, encoding) = (of("content-length"), of("transfer-encoding"));
                format!("content-length {length}, transfer-encoding {encoding}")
            }),
        )
        .route(
            "/wait",
            get(|State((let_go, _)): State<(Arc<Notify>, Arc<Notify>)>| async move {
                let_go.notified().await;
                "waited"
            }),
        )
        .route("/never", get(|| async { pending::<&'static str>().await }))
        .route(
            "/endless",
            get(|State((_, dropped)): State<(Arc<Notify>, Arc<Notify>)>| async move {
                let guard = TellsWhenDropped(dropped);
                Body::from_stream(stream::repeat_with(move || {
                    let _held = &guard;
                    Ok::<_, std::io::Error>(Bytes::from_static(&[0; 65_536]))
                }))
            }),
        )
        .with_state((Arc::clone(&let_go), Arc::clone(&dropped)));
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let served = tokio::spawn(serve(listener, router, limits, stop.clone()));
    Server { address, stop, served, let_go, dropped }
}

struct TellsWhenDropped(Arc<Notify>);

impl Drop for TellsWhenDropped {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Server {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn told(&self, request: &str) -> String {
        let mut client = self.connect().await;
        client.write_all(request.as_bytes()).await.unwrap();
        until_closed(&mut client).await
    }
}

/// All that comes until the server closes. A reset counts as closed: it is what a cut looks like with bytes unread.
async fn until_closed(client: &mut TcpStream) -> String {
    let mut all = Vec::new();
    timeout(BOUND, client.read_to_end(&mut all)).await.expect("the connection was never cut").ok();
    String::from_utf8_lossy(&all).into_owned()
}

/// Reads one answer whose body is known.
async fn answer_ending_in(client: &mut TcpStream, end: &str) -> String {
    let mut all = Vec::new();
    while !all.ends_with(end.as_bytes()) {
        let mut some = [0; 1_024];
        let n = timeout(BOUND, client.read(&mut some)).await.expect("an answer in time").unwrap();
        assert!(n > 0, "closed after {:?}", String::from_utf8_lossy(&all));
        all.extend_from_slice(&some[..n]);
    }
    String::from_utf8(all).unwrap()
}

/// Sends a text byte by byte, each well within the limits, until the server closes or all is sent.
async fn dribble(client: &mut TcpStream, text: &str) -> String {
    let mut pace = interval(SHORT / 10);
    let mut answer = Vec::new();
    for byte in text.bytes() {
        let mut some = [0; 1_024];
        tokio::select! {
            biased;
            read = client.read(&mut some) => match read {
                Ok(0) | Err(_) => break,
                Ok(n) => answer.extend_from_slice(&some[..n]),
            },
            _ = pace.tick() => if client.write_all(&[byte]).await.is_err() { break },
        }
    }
    String::from_utf8_lossy(&answer).into_owned() + &until_closed(client).await
}

#[tokio::test]
async fn clients_that_do_not_finish_a_head_are_cut() {
    let server = start(short());
    for sent in ["", "G", "GET / HTTP/1.1\r\nHost: a\r\n"] {
        let started = Instant::now();
        let answer = server.told(sent).await;
        assert!(started.elapsed() >= SHORT, "{sent:?} was cut before its time");
        assert!(!answer.contains("here"), "{sent:?} got {answer:?}");
    }
}

#[tokio::test]
async fn a_dribbled_head_is_cut() {
    let server = start(short());
    let mut client = server.connect().await;
    let started = Instant::now();
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n", "x".repeat(1_000));
    let answer = dribble(&mut client, &long).await;
    assert!(!answer.contains("here"), "{answer:?}");
    assert!(started.elapsed() < SHORT * 10, "1,000 bytes at this pace take 20 s: {:?}", started.elapsed());
}

#[tokio::test]
async fn a_dribbled_body_is_answered_with_408_and_cut() {
    let server = start(short());
    let mut client = server.connect().await;
    client.write_all(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n").await.unwrap();
    let answer = dribble(&mut client, &"x".repeat(1_000)).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer:?}");
    assert!(answer.contains("connection: close"), "{answer:?}");
    assert!(answer.contains("urn:closeout:problem:body_too_slow"), "{answer:?}");
}

/// Whichever of the two headers comes first: the chunks are the body, nobody sees the length, and the second request,
/// which the length would hide or show, is not answered.
#[tokio::test]
async fn a_request_with_two_lengths_is_read_by_its_chunks_and_is_the_last_one() {
    let server = start(short());
    let both = [
        "Content-Length: 3\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 3",
    ];
    for (path, shown) in [("/echo", "hello"), ("/lengths", "content-length 0, transfer-encoding 1")] {
        for headers in both {
            let answer = server
                .told(&format!(
                    "POST {path} HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"
                ))
                .await;
            assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(shown), "{headers}: {answer:?}");
            assert!(answer.contains("connection: close"), "{headers}: {answer:?}");
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{headers}: {answer:?}");
        }
    }
    let two = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 3\r\n\r\nhello";
    assert!(server.told(two).await.starts_with("HTTP/1.1 400 "), "two lengths that differ are refused");
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let server = start(short());
    let answer = server.told("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(answer.ends_with("here"), "{answer:?}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "nothing follows the answer: {answer:?}");
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_is_cut() {
    let server = start(short());
    let mut client = server.connect().await;
    client.write_all(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    timeout(BOUND, server.dropped.notified()).await.expect("the answer is given up");
}

#[tokio::test]
async fn headers_are_taken_up_to_the_limit_and_refused_beyond() {
    let server = start(short());
    let with_headers = |n: usize| {
        let more: String = (2..=n).map(|i| format!("X-{i}: 1\r\n")).collect();
        format!("GET / HTTP/1.1\r\nHost: a\r\n{more}\r\n")
    };
    assert!(server.told(&with_headers(64)).await.starts_with("HTTP/1.1 200 "));
    assert!(server.told(&with_headers(65)).await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn a_head_is_taken_up_to_16_kib_and_refused_beyond() {
    let server = start(short());
    let of_bytes = |n: usize| {
        let bare = "GET / HTTP/1.1\r\nHost: a\r\nX-Long: \r\n\r\n".len();
        format!("GET / HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n", "x".repeat(n - bare))
    };
    assert!(server.told(&of_bytes(16_384)).await.starts_with("HTTP/1.1 200 "));
    assert!(server.told(&of_bytes(16_385)).await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn a_connection_beyond_the_cap_is_closed_and_its_place_is_given_back() {
    let server = start(Limits { connections: 2, head_within: BOUND, ..short() });
    let hello = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut first = server.connect().await;
    let mut second = server.connect().await;
    for client in [&mut first, &mut second] {
        client.write_all(hello).await.unwrap();
        answer_ending_in(client, "here").await;
    }
    let mut third = server.connect().await;
    assert_eq!(until_closed(&mut third).await, "");
    drop(first);
    let started = Instant::now();
    loop {
        let mut again = server.connect().await;
        again.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.ok();
        if until_closed(&mut again).await.ends_with("here") {
            break;
        }
        assert!(started.elapsed() < BOUND, "the place is never given back");
    }
}

/// A crowd that fills the house and asks for nothing keeps nobody out, not even for as long as a head has.
#[tokio::test]
async fn who_asks_takes_the_place_of_who_does_not() {
    let server = start(Limits { connections: 8, head_within: BOUND * 6, body_within: BOUND * 6, ..short() });
    let post = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n";
    let mut patient = server.connect().await;
    patient.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    answer_ending_in(&mut patient, "here").await;
    for begun in ["", "G", "GET / HTTP/1.1\r\nHost: a\r\n", post, &format!("{post}some")] {
        let mut crowd = Vec::new();
        for _ in 0..20 {
            let mut client = server.connect().await;
            client.write_all(begun.as_bytes()).await.ok();
            crowd.push(client);
        }
        let answer = server.told("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        assert!(answer.ends_with("here"), "{begun:?}: {answer:?}");
        assert_eq!(until_closed(&mut crowd[0]).await, "", "{begun:?}: the earliest gave way");
        patient.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        answer_ending_in(&mut patient, "here").await;
    }
}

#[tokio::test]
async fn a_body_that_is_read_late_costs_nobody_the_place() {
    let server = start(Limits { connections: 1, body_within: BOUND, ..short() });
    let mut client = server.connect().await;
    client.write_all(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nover").await.unwrap();
    answer_ending_in(&mut client, "over").await;
    assert_eq!(
        server.told("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await,
        "",
        "it has asked, and keeps its place"
    );
    client.write_all(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nagai").await.unwrap();
    answer_ending_in(&mut client, "agai").await;
}

#[tokio::test]
async fn a_long_poll_outlives_every_time_limit() {
    let server = start(short());
    let mut client = server.connect().await;
    client.write_all(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let early = timeout(SHORT * 5, client.read_u8()).await;
    assert!(early.is_err(), "nothing comes and nothing is closed: {early:?}");
    server.let_go.notify_one();
    assert!(answer_ending_in(&mut client, "waited").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_handler_sees_the_address_of_its_peer() {
    let server = start(short());
    let mut client = server.connect().await;
    client.write_all(b"GET /peer HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let address = client.local_addr().unwrap().to_string();
    assert!(until_closed(&mut client).await.ends_with(&address));
}

#[tokio::test]
async fn a_stop_closes_idle_connections_and_finishes_requests() {
    let server = start(Limits { head_within: BOUND * 2, grace: BOUND, ..short() });
    let mut silent = server.connect().await;
    let mut idle = server.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    answer_ending_in(&mut idle, "here").await;
    let mut busy = server.connect().await;
    busy.write_all(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    // A second answer on another connection shows that the first request was taken before the stop.
    idle.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    answer_ending_in(&mut idle, "here").await;
    server.stop.cancel();
    assert_eq!(until_closed(&mut silent).await, "");
    assert_eq!(until_closed(&mut idle).await, "");
    server.let_go.notify_one();
    let answer = until_closed(&mut busy).await;
    assert!(answer.contains("connection: close") && answer.ends_with("waited"), "{answer:?}");
    timeout(BOUND, server.served).await.expect("serving ends").unwrap().unwrap();
    assert!(TcpStream::connect(server.address).await.is_err(), "the port is closed");
}

#[tokio::test]
async fn what_still_runs_after_the_grace_is_cut() {
    let server = start(short());
    let mut client = server.connect().await;
    client.write_all(b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut other = server.connect().await;
    other.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    answer_ending_in(&mut other, "here").await;
    server.stop.cancel();
    timeout(BOUND, server.served).await.expect("serving ends").unwrap().unwrap();
    assert_eq!(until_closed(&mut client).await, "");
}

/// With the limits that the service has unless it is told otherwise. That they are shorter than ten seconds is looked at, not timed.
#[tokio::test]
async fn by_default_whoever_sends_too_little_is_cut() {
    let limits = Limits::default();
    assert!(limits.head_within.max(limits.body_within) < BOUND, "{limits:?}");
    let server = start(limits);
    let cut = async |begins: &str, goes_on: Option<&str>| {
        let mut client = server.connect().await;
        let begun = Instant::now();
        client.write_all(begins.as_bytes()).await.unwrap();
        let mut pace = interval(SHORT);
        let mut some = [0; 1_024];
        loop {
            assert!(begun.elapsed() < 6 * BOUND, "never cut after {begins:?}");
            tokio::select! {
                read = client.read(&mut some) => if matches!(read, Ok(0) | Err(_)) { break },
                _ = pace.tick() => if let Some(more) = goes_on { let _ = client.write_all(more.as_bytes()).await; },
            }
        }
        begun.elapsed()
    };
    let body = "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n";
    let (silent, one_byte, half_a_head, head, slow_body) = tokio::join!(
        cut("", None),
        cut("G", None),
        cut("GET / HTTP/1.1\r\nhost: a", None),
        cut("GET / HTTP/1.1\r\n", Some("a: b\r\n")),
        cut(body, Some("b")),
    );
    for (who, after) in
        [("silent", silent), ("one byte", one_byte), ("half a head", half_a_head), ("head", head)]
    {
        assert!(after >= limits.head_within, "{who} was cut after {after:?}");
    }
    assert!(slow_body >= limits.body_within, "cut after {slow_body:?}");
}
