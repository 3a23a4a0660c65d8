//! A broker that asks who is there. The broker itself knows no SASL PLAIN, so a gate stands in front of it: it answers what belongs to
//! the exchange, lets nobody else through, and is what the broker tells everybody to come to.

use std::{
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use closeout_tests::{free_port, wait_until};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Mutex,
};

use crate::shop::PATIENCE;

/// Who is let through.
pub const USER: &str = "closeout";
pub const PASSWORD: &str = "a password of the test";

/// The numbers of requests in Kafka's protocol.
const SASL_HANDSHAKE: i16 = 17;
const API_VERSIONS: i16 = 18;
const SASL_AUTHENTICATE: i16 = 36;

/// The numbers of its errors.
const UNSUPPORTED_SASL_MECHANISM: i16 = 33;
const SASL_AUTHENTICATION_FAILED: i16 = 58;

/// A broker and its gate; both end with their test.
pub struct Gated {
    /// The address of the gate.
    pub address: String,
    /// How often somebody was turned away.
    pub turned_away: Arc<AtomicUsize>,
    broker: Child,
}

impl Drop for Gated {
    fn drop(&mut self) {
        let _ = self.broker.kill();
        let _ = self.broker.wait();
    }
}

impl Gated {
    pub async fn begin() -> Self {
        let program =
            std::env::var("CLOSEOUT_TEST_TANSU").expect("tests/kafka/run names the broker's program");
        let inner = format!("127.0.0.1:{}", free_port());
        let gate = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = gate.local_addr().unwrap().to_string();
        let broker = Command::new(program)
            .args(["broker", "--storage-engine", "memory://tansu/", "--listener-url"])
            .arg(format!("tcp://{inner}"))
            .args(["--advertised-listener-url", &format!("tcp://{address}")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let listens = wait_until(PATIENCE, || async { TcpStream::connect(&inner).await.ok() });
        assert!(listens.await.is_some(), "the broker does not listen");
        let turned_away = Arc::new(AtomicUsize::new(0));
        tokio::spawn({
            let turned_away = Arc::clone(&turned_away);
            async move {
                while let Ok((client, _)) = gate.accept().await {
                    let Ok(broker) = TcpStream::connect(&inner).await else { continue };
                    tokio::spawn(pass(client, broker, Arc::clone(&turned_away)));
                }
            }
        });
        Self { address, turned_away, broker }
    }
}

/// One connection, until either side ends it.
async fn pass(client: TcpStream, broker: TcpStream, turned_away: Arc<AtomicUsize>) {
    let (mut from_client, to_client) = client.into_split();
    let (from_broker, mut to_broker) = broker.into_split();
    let to_client = Arc::new(Mutex::new(to_client));
    let back = tokio::spawn(pass_back(from_broker, Arc::clone(&to_client)));
    let mut is_let_through = false;
    while let Some(request) = frame(&mut from_client).await {
        let key = number(&request[..2]);
        let answer = match key {
            SASL_HANDSHAKE => handshake(&request),
            SASL_AUTHENTICATE => {
                is_let_through = request.ends_with(format!("\0{USER}\0{PASSWORD}").as_bytes());
                if !is_let_through {
                    turned_away.fetch_add(1, Ordering::SeqCst);
                }
                authenticated(&request, is_let_through)
            }
            API_VERSIONS => Vec::new(),
            _ if is_let_through => Vec::new(),
            _ => break,
        };
        let sent = if answer.is_empty() {
            send(&mut to_broker, &request).await
        } else {
            send(&mut *to_client.lock().await, &[&request[4..8], &answer].concat()).await
        };
        if sent.is_none() {
            break;
        }
    }
    back.abort();
}

async fn pass_back(mut from: OwnedReadHalf, to: Arc<Mutex<OwnedWriteHalf>>) {
    while let Some(answer) = frame(&mut from).await {
        if send(&mut *to.lock().await, &answer).await.is_none() {
            return;
        }
    }
    let _ = to.lock().await.shutdown().await;
}

/// What the gate understands is told, and whether the client asked for that.
fn handshake(request: &[u8]) -> Vec<u8> {
    let error = if request.ends_with(b"PLAIN") { 0 } else { UNSUPPORTED_SASL_MECHANISM };
    [&error.to_be_bytes()[..], &1_i32.to_be_bytes(), &5_i16.to_be_bytes(), b"PLAIN"].concat()
}

fn authenticated(request: &[u8], is_let_through: bool) -> Vec<u8> {
    let error = if is_let_through { 0 } else { SASL_AUTHENTICATION_FAILED };
    let no_message = (-1_i16).to_be_bytes();
    let answer = [&error.to_be_bytes()[..], &no_message, &0_i32.to_be_bytes()].concat();
    // Since version 1 the answer says for how long it holds; 0 is for ever.
    if number(&request[2..4]) == 0 { answer } else { [&answer[..], &0_i64.to_be_bytes()].concat() }
}

fn number(bytes: &[u8]) -> i16 {
    i16::from_be_bytes(bytes.try_into().unwrap())
}

async fn frame(from: &mut OwnedReadHalf) -> Option<Vec<u8>> {
    let length = from.read_i32().await.ok()?;
    let mut frame = vec![0; usize::try_from(length).ok()?];
    from.read_exact(&mut frame).await.ok()?;
    Some(frame)
}

async fn send(to: &mut OwnedWriteHalf, frame: &[u8]) -> Option<()> {
    to.write_i32(i32::try_from(frame.len()).ok()?).await.ok()?;
    to.write_all(frame).await.ok()
}
