//! The suite of every source, against a server of NATS of its own for each case, which is killed and started again.

#![expect(clippy::unwrap_used, reason = "a test may end where it stands")]

use std::{
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_nats::{HeaderMap, jetstream};
use futures_util::StreamExt;
use queue::{
    Outgoing, Source,
    conformance::{Manners, Place},
};
use queue_nats::{Auth, NatsSource, Setup};
use tempfile::TempDir;

const HELD: Duration = Duration::from_secs(5);
const BOUND: Duration = Duration::from_secs(20);

/// A server that ends with its test.
struct Nats {
    port: u16,
    data: TempDir,
    server: Mutex<Child>,
    client: async_nats::Client,
    replies: tokio::sync::Mutex<async_nats::Subscriber>,
}

impl Drop for Nats {
    fn drop(&mut self) {
        let server = self.server.get_mut().unwrap();
        let _ = server.kill();
        let _ = server.wait();
    }
}

fn serve(port: u16, data: &TempDir) -> Child {
    let program = std::env::var("CLOSEOUT_TEST_NATS").expect("tests/nats/run names the server");
    let server = Command::new(program)
        .args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd"])
        .arg(data.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let until = std::time::Instant::now() + BOUND;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(std::time::Instant::now() < until, "the server does not listen");
        std::thread::sleep(Duration::from_millis(10));
    }
    server
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

impl Nats {
    async fn begin() -> Self {
        let (port, data) = (free_port(), TempDir::new().unwrap());
        let server = Mutex::new(serve(port, &data));
        let client = async_nats::connect(format!("127.0.0.1:{port}")).await.unwrap();
        let config = jetstream::stream::Config {
            name: "CLOSURES".to_owned(),
            subjects: vec!["closures.v1.close".to_owned()],
            retention: jetstream::stream::RetentionPolicy::WorkQueue,
            ..Default::default()
        };
        jetstream::new(client.clone()).create_stream(config).await.unwrap();
        let replies = tokio::sync::Mutex::new(client.subscribe("closures.replies.1").await.unwrap());
        client.flush().await.unwrap();
        Self { port, data, server, client, replies }
    }

    fn setup(&self) -> Setup {
        Setup {
            servers: vec![format!("nats://127.0.0.1:{}", self.port)],
            stream: "CLOSURES".to_owned(),
            subject: Some("closures.v1.close".to_owned()),
            consumer: "closeout".to_owned(),
            ack_wait: HELD,
            auth: Auth::Nothing,
            ca_file: None,
            client_certificate: None,
        }
    }
}

impl Place for Nats {
    fn manners(&self) -> Manners {
        Manners { held: HELD, lanes: false, dies: true }
    }

    async fn open(&self) -> Arc<dyn Source> {
        let source = NatsSource::open(self.setup()).await.unwrap();
        // As in the service, the first requests may come before the connection stands.
        Arc::new(source)
    }

    async fn publish(&self, outgoing: Outgoing) {
        let mut headers = HeaderMap::new();
        outgoing.headers.iter().for_each(|(name, value)| headers.append(name, value));
        if let Some(id) = &outgoing.id {
            headers.insert("Nats-Msg-Id", id.as_str());
        }
        if let Some(reply_to) = &outgoing.reply_to {
            headers.insert("Reply-To", reply_to.as_str());
        }
        let until = tokio::time::Instant::now() + BOUND;
        let context = jetstream::new(self.client.clone());
        loop {
            let sent = context
                .publish_with_headers("closures.v1.close", headers.clone(), outgoing.body.clone())
                .await;
            match sent.unwrap().await {
                Ok(_) => return,
                // After a restart of the server this client may not have noticed yet.
                Err(error) => assert!(tokio::time::Instant::now() < until, "{error}"),
            }
        }
    }

    fn address(&self) -> String {
        "closures.replies.1".to_owned()
    }

    async fn published_back(&self, most: usize) -> Vec<Outgoing> {
        let mut replies = self.replies.lock().await;
        let mut all = Vec::new();
        while all.len() < most {
            let Ok(Some(message)) = tokio::time::timeout(BOUND, replies.next()).await else { break };
            let headers = message.headers.iter().flat_map(HeaderMap::iter).flat_map(|(name, values)| {
                values.iter().map(move |value| (name.to_string(), value.as_str().to_owned()))
            });
            all.push(Outgoing {
                id: None,
                headers: headers.collect(),
                reply_to: None,
                body: message.payload,
            });
        }
        all
    }

    async fn kill(&self) {
        let mut server = self.server.lock().unwrap();
        server.kill().unwrap();
        server.wait().unwrap();
    }

    async fn restart(&self) {
        *self.server.lock().unwrap() = serve(self.port, &self.data);
        // The port is open before JetStream has read its data.
        let until = tokio::time::Instant::now() + BOUND;
        loop {
            let client = async_nats::connect(format!("127.0.0.1:{}", self.port)).await.unwrap();
            if jetstream::new(client).get_stream("CLOSURES").await.is_ok() {
                return;
            }
            assert!(tokio::time::Instant::now() < until, "JetStream is not back");
        }
    }
}

mod conformance {
    use super::Nats;

    queue::conformance_tests!(Nats::begin().await);
}

/// What only NATS has.
mod nats {
    use super::*;
    use queue::{Action, FaultKind};

    async fn fault(setup: Setup) -> queue::Fault {
        let source = NatsSource::open(setup).await.unwrap();
        let until = tokio::time::Instant::now() + BOUND;
        loop {
            if let Err(fault) = source.receive(1, Duration::from_millis(100)).await
                && !fault.cause.contains("not answered yet")
            {
                return fault;
            }
            assert!(tokio::time::Instant::now() < until, "there is no fault");
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_stream_that_is_not_there_is_said_to_be_missing() {
        let place = Nats::begin().await;
        let fault = fault(Setup { stream: "NOWHERE".to_owned(), ..place.setup() }).await;
        assert_eq!((fault.action, fault.kind), (Action::Receive, FaultKind::Missing), "{fault:?}");
    }

    /// Publishes by its own bytes what no client library would.
    async fn publish_raw(port: u16, headers: &[u8], body: &[u8]) {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut server = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let (length, all) = (headers.len(), headers.len() + body.len());
        let mut bytes = b"CONNECT {\"verbose\":false,\"headers\":true}\r\n".to_vec();
        bytes.extend_from_slice(format!("HPUB closures.v1.close {length} {all}\r\n").as_bytes());
        bytes.extend_from_slice(&[headers, body, b"\r\nPING\r\n"].concat());
        server.write_all(&bytes).await.unwrap();
        let mut said = Vec::new();
        while !String::from_utf8_lossy(&said).contains("PONG") {
            assert!(server.read_buf(&mut said).await.unwrap() > 0, "{}", String::from_utf8_lossy(&said));
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn messages_with_headers_that_cannot_be_read_are_handed_out_and_keep_no_other_back() {
        let place = Nats::begin().await;
        let broken = [
            &b"NATS/1.0\r\nX-Evil\x1b: a\r\nNats-Msg-Id: o-1\r\n\r\n"[..],
            b"NATS/1.0\r\nno colon\r\n\r\n",
            b"NATS/1.0\r\nX: \xff\r\n\r\n",
            b"NATS/1.0\r\n X: begins as the rest of none\r\n\r\n",
        ];
        for headers in broken {
            publish_raw(place.port, headers, b"broken").await;
        }
        let sound = || Outgoing {
            id: None,
            headers: queue::Headers::default(),
            reply_to: None,
            body: "sound".into(),
        };
        place.publish(sound()).await;
        let source = place.open().await;
        let until = tokio::time::Instant::now() + BOUND;
        let mut bodies = Vec::new();
        while bodies.len() < broken.len() + 1 {
            assert!(tokio::time::Instant::now() < until, "only {bodies:?} came");
            let Ok(messages) = source.receive(10, Duration::from_millis(500)).await else { continue };
            for message in messages {
                bodies.push(String::from_utf8_lossy(&message.body).into_owned());
                if message.place == "CLOSURES/1" {
                    assert_eq!(message.id.as_deref(), Some("o-1"), "what can be read is there");
                }
                let settled = source.settle(vec![(message.receipt, queue::Settlement::Taken)]).await;
                assert_eq!(settled, Ok(0), "the server has confirmed it");
            }
        }
        bodies.sort_unstable();
        assert_eq!(bodies, ["broken", "broken", "broken", "broken", "sound"]);
        let standing = source.standing().await.unwrap();
        assert_eq!((standing.waiting, standing.in_hand), (0, 0), "nothing comes again");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_unsafe_consumer_and_stream_are_warned_of() {
        let place = Nats::begin().await;
        let context = jetstream::new(place.client.clone());
        let config = jetstream::stream::Config {
            name: "LOOSE".to_owned(),
            subjects: vec!["loose".to_owned()],
            storage: jetstream::stream::StorageType::Memory,
            max_messages: 10,
            max_age: Duration::from_secs(3_600),
            ..Default::default()
        };
        let stream = context.create_stream(config).await.unwrap();
        let consumer = jetstream::consumer::pull::Config {
            durable_name: Some("closeout".to_owned()),
            ack_wait: Duration::from_secs(1),
            max_deliver: 3,
            ..Default::default()
        };
        stream.create_consumer(consumer).await.unwrap();
        let setup = Setup { stream: "LOOSE".to_owned(), subject: None, ..place.setup() };
        let source = NatsSource::open(setup).await.unwrap();
        let until = tokio::time::Instant::now() + BOUND;
        let warnings = loop {
            match source.check().await {
                Ok(warnings) => break warnings,
                Err(fault) => assert!(tokio::time::Instant::now() < until, "{fault}"),
            }
            tokio::task::yield_now().await;
        };
        let settings: Vec<_> = warnings.iter().map(|warning| warning.setting).collect();
        assert_eq!(settings, ["storage", "discard", "max_age", "ack_wait", "max_deliver"]);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_ending_that_goes_into_a_stream_is_kept_there_once() {
        let place = Nats::begin().await;
        let context = jetstream::new(place.client.clone());
        let config = jetstream::stream::Config {
            name: "ENDED".to_owned(),
            subjects: vec!["closures.ended".to_owned()],
            ..Default::default()
        };
        let mut stream = context.create_stream(config).await.unwrap();
        let source = place.open().await;
        for _ in 0..3 {
            let ending = Outgoing {
                id: Some("ev_1".to_owned()),
                headers: queue::Headers::default(),
                reply_to: None,
                body: "{}".into(),
            };
            let until = tokio::time::Instant::now() + BOUND;
            while let Err(fault) = source.publish("closures.ended", ending.clone()).await {
                assert!(tokio::time::Instant::now() < until, "{fault}");
            }
        }
        assert_eq!(stream.info().await.unwrap().state.messages, 1);
    }
}
