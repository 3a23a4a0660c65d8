//! A server of NATS of one test's own, and the service before it. `tests/nats/run` brings the program.

use std::{
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant, UNIX_EPOCH},
};

use async_nats::{HeaderMap, jetstream};
use serde_json::Value;
use tempfile::TempDir;

use crate::scene::{Scene, SceneOptions, wait_until};

/// Far longer than anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(150);

/// The subject that commands come by, and the one that endings go to.
const COMMANDS: &str = "closures.v1.close";
const ENDED: &str = "closures.ended";

/// A server that ends with its test.
pub struct Nats {
    port: u16,
    data: TempDir,
    server: Child,
    /// A client of it.
    pub client: async_nats::Client,
}

impl Drop for Nats {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Nats {
    /// Starts a server with a stream for commands and one for endings.
    pub async fn begin() -> Self {
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let data = TempDir::new().unwrap();
        let server = serve(port, &data);
        let client = async_nats::connect(format!("127.0.0.1:{port}")).await.unwrap();
        let context = jetstream::new(client.clone());
        for (name, subject, retention) in [
            ("CLOSURES", COMMANDS, jetstream::stream::RetentionPolicy::WorkQueue),
            ("ENDED", ENDED, jetstream::stream::RetentionPolicy::Limits),
        ] {
            let subjects = vec![subject.to_owned()];
            let config = jetstream::stream::Config {
                name: name.to_owned(),
                subjects,
                retention,
                ..Default::default()
            };
            context.create_stream(config).await.unwrap();
        }
        Self { port, data, server, client }
    }

    /// Makes the consumer before the service does, with a time of its own after which what nobody acknowledged is given out again.
    pub async fn give_again_after(&self, time: Duration) {
        let stream = jetstream::new(self.client.clone()).get_stream("CLOSURES").await.unwrap();
        let consumer = jetstream::consumer::pull::Config {
            durable_name: Some("closeout".to_owned()),
            ack_wait: time,
            ..Default::default()
        };
        stream.create_consumer(consumer).await.unwrap();
    }

    /// The table that makes these streams the source `orders` of a service.
    pub fn source(&self) -> String {
        format!(
            "[[source]]\nname = \"orders\"\nkind = \"nats\"\nurl = \"nats://127.0.0.1:{}\"\nstream = \"CLOSURES\"\n\
             subject = \"{COMMANDS}\"\nresults = \"{ENDED}\"\nreplies = [\"closures.replies.*\"]\n",
            self.port
        )
    }

    /// The service with these streams as its source.
    pub async fn scene(&self) -> Scene {
        Scene::begin(SceneOptions { callbacks: self.source(), ..SceneOptions::default() }).await
    }

    /// Kills the server as loss of its process does, and starts it again on its data.
    pub async fn die_and_come_back(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        self.server = serve(self.port, &self.data);
    }

    /// Publishes a command as a careful producer does: again, under the same id, until the stream has acknowledged it.
    pub async fn publish(&self, id: &str, reply_to: Option<&str>, command: &Value) {
        publish(&self.client, id, reply_to, command).await;
    }

    /// How many messages a stream holds; nothing while the server is away.
    pub async fn held(&self, stream: &str) -> Option<u64> {
        let stream = jetstream::new(self.client.clone()).get_stream(stream).await.ok()?;
        Some(stream.cached_info().state.messages)
    }

    /// How many commands nobody has taken; nothing while the server is away. After a server died, its stream may hold what its
    /// consumer knows to be taken, and its consumer may wait for ever for what its stream has removed (mended in 2026 by
    /// nats-io/nats-server#7984): what is left stands in both.
    pub async fn left(&self) -> Option<u64> {
        let stream = jetstream::new(self.client.clone()).get_stream("CLOSURES").await.ok()?;
        let consumer = stream.consumer_info("closeout").await.ok()?;
        // Where both have some, they are not the same ones if nothing is given out: what is unsettled would come again to whoever asks
        // once the time for an acknowledgement is over, and somebody has asked for twice as long.
        let given_last = consumer.delivered.last_active.map_or(0, |at| at.unix_timestamp());
        let silent = i64::try_from(UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap() - given_last;
        let again_within = i64::try_from(consumer.config.ack_wait.as_secs()).unwrap();
        if consumer.num_pending == 0 && consumer.num_waiting > 0 && silent > 2 * again_within {
            return Some(0);
        }
        let unsettled = consumer.num_pending + u64::try_from(consumer.num_ack_pending).unwrap();
        Some(unsettled.min(stream.cached_info().state.messages))
    }

    /// How stream and consumer stand, for a message of a failure.
    pub async fn state(&self) -> String {
        let stream = jetstream::new(self.client.clone()).get_stream("CLOSURES").await.unwrap();
        let consumer = stream.consumer_info("closeout").await;
        format!("{:?}, {consumer:?}", stream.cached_info().state)
    }

    /// The endings that are in their stream.
    pub async fn endings(&self) -> Vec<Value> {
        let stream = jetstream::new(self.client.clone()).get_stream("ENDED").await.unwrap();
        let mut endings = Vec::new();
        for sequence in 1..=stream.cached_info().state.last_sequence {
            let message = stream.get_raw_message(sequence).await.unwrap();
            endings.push(serde_json::from_slice(&message.payload).unwrap());
        }
        endings
    }
}

/// As [`Nats::publish`], for a task of its own.
pub async fn publish(client: &async_nats::Client, id: &str, reply_to: Option<&str>, command: &Value) {
    let context = jetstream::new(client.clone());
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Msg-Id", id);
    if let Some(reply_to) = reply_to {
        headers.insert("Reply-To", reply_to);
    }
    let sent = wait_until(PATIENCE, || async {
        let body = command.to_string().into();
        let sent = context.publish_with_headers(COMMANDS, headers.clone(), body).await.ok()?;
        sent.await.ok()
    });
    assert!(sent.await.is_some(), "{id} was not acknowledged");
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
    let until = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < until, "the server does not listen");
        std::thread::sleep(Duration::from_millis(10));
    }
    server
}
