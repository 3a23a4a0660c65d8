//! A proxy that reads along: it counts the messages of the client, and breaks the connection at those it was told.

use std::{
    collections::BTreeSet,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use store_postgres::Address;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// How long the server may take over what it was asked.
const WORKED_OFF_WITHIN: Duration = Duration::from_secs(5);

/// How a connection breaks at a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// The server never sees the message.
    Lost,
    /// The server sees it and does what it says, and the client never hears of it.
    Unanswered,
}

pub const BREAKS: [Break; 2] = [Break::Lost, Break::Unanswered];

#[derive(Debug)]
struct Plan {
    at: BTreeSet<u64>,
    how: Break,
    /// Messages of all connections since the plan was made.
    seen: u64,
}

/// The proxy. It ends with the runtime of its test.
pub struct Breaker {
    address: SocketAddr,
    plan: Arc<Mutex<Plan>>,
}

impl Breaker {
    /// Stands between a free port and a server, `host:port`, and passes everything.
    pub async fn begin(server: &str) -> Self {
        let server = server.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let address = listener.local_addr().expect("it is bound");
        let plan = Arc::new(Mutex::new(Plan { at: BTreeSet::new(), how: Break::Lost, seen: 0 }));
        let plan_of_all = Arc::clone(&plan);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, plan) = (server.clone(), Arc::clone(&plan_of_all));
                // It ends with one of the two sides, or as it was planned.
                tokio::spawn(async move { pass(client, &server, plan).await.ok() });
            }
        });
        Self { address, plan }
    }

    /// The address of a schema by way of this.
    pub fn address_of(&self, schema: &str) -> Address {
        let url = format!("postgres://closeout@{}/closeout?schema={schema}", self.address);
        Address::parse(&url).expect("it is an address")
    }

    /// Breaks connections at these messages, counted from 0 and from here on; at none of them: passes everything.
    pub fn plan(&self, at: impl IntoIterator<Item = u64>, how: Break) {
        *locked(&self.plan) = Plan { at: at.into_iter().collect(), how, seen: 0 };
    }

    /// How many messages came since then.
    pub fn seen(&self) -> u64 {
        locked(&self.plan).seen
    }

    /// Whether all that was to break has broken.
    pub fn is_sound(&self) -> bool {
        let plan = locked(&self.plan);
        plan.at.last().is_none_or(|last| plan.seen > *last)
    }
}

fn locked(plan: &Mutex<Plan>) -> MutexGuard<'_, Plan> {
    plan.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What one direction of a connection knows of the other.
#[derive(Default)]
struct Line {
    /// From here on the client hears nothing.
    is_dumb: AtomicBool,
    /// How often the server has said that it is ready for the next question.
    ready: watch::Sender<u64>,
}

impl Line {
    /// Waits until it has said so this often.
    async fn answered(&self, expected: u64) {
        let mut ready = self.ready.subscribe();
        let worked_off = ready.wait_for(|ready| *ready >= expected);
        let in_time = tokio::time::timeout(WORKED_OFF_WITHIN, worked_off).await;
        in_time.expect("the server works it off").expect("the other direction is still there");
    }
}

async fn pass(client: TcpStream, server: &str, plan: Arc<Mutex<Plan>>) -> io::Result<()> {
    let server = TcpStream::connect(server).await?;
    for side in [&client, &server] {
        side.set_nodelay(true)?;
    }
    let (mut from_client, mut to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let line = Line::default();
    tokio::select! {
        asked = ask(&mut from_client, to_server, &line, &plan) => asked,
        answered = answer(from_server, &mut to_client, &line) => answered,
    }?;
    // Closed with something unread the client would lose what it was told before.
    to_client.shutdown().await?;
    tokio::io::copy(&mut from_client, &mut tokio::io::sink()).await.map(drop)
}

/// Passes on what the client says, until it is to break; what came before is answered then.
async fn ask(
    from: &mut OwnedReadHalf,
    mut to: OwnedWriteHalf,
    line: &Line,
    plan: &Mutex<Plan>,
) -> io::Result<()> {
    let (mut from, mut message, mut expected) = (BufReader::new(from), Vec::new(), 0);
    loop {
        // The first one has no kind: it says who is there.
        let kind = read(&mut from, &mut message, expected == 0).await?;
        let Some(how) = broken(plan, kind) else {
            to.write_all(&message).await?;
            expected += answers_to(kind);
            continue;
        };
        line.answered(expected).await;
        if how == Break::Unanswered {
            line.is_dumb.store(true, Ordering::SeqCst);
            to.write_all(&message).await?;
            line.answered(expected + answers_to(kind)).await;
        }
        return Ok(());
    }
}

/// Counts a message, and says whether the connection breaks at it.
fn broken(plan: &Mutex<Plan>, kind: Option<u8>) -> Option<Break> {
    // A client that takes its leave has nothing to lose.
    if kind == Some(b'X') {
        return None;
    }
    let mut plan = locked(plan);
    let number = plan.seen;
    plan.seen += 1;
    plan.at.contains(&number).then_some(plan.how)
}

/// How often the server says that it is ready because of a message: after the first one, a simple query, and a sync.
fn answers_to(kind: Option<u8>) -> u64 {
    u64::from(matches!(kind, None | Some(b'Q' | b'S')))
}

/// Passes on what the server says.
async fn answer(from: OwnedReadHalf, to: &mut OwnedWriteHalf, line: &Line) -> io::Result<()> {
    let (mut from, mut message) = (BufReader::new(from), Vec::new());
    loop {
        let kind = read(&mut from, &mut message, false).await?;
        if !line.is_dumb.load(Ordering::SeqCst) {
            to.write_all(&message).await?;
        }
        if kind == Some(b'Z') {
            line.ready.send_modify(|ready| *ready += 1);
        }
    }
}

/// Reads one message with its head, and answers its kind.
async fn read(
    from: &mut (impl AsyncRead + Unpin),
    message: &mut Vec<u8>,
    without_kind: bool,
) -> io::Result<Option<u8>> {
    message.clear();
    let kind = if without_kind { None } else { Some(from.read_u8().await?) };
    message.extend(kind);
    let length = from.read_u32().await?;
    message.extend(length.to_be_bytes());
    let head = message.len();
    let rest = usize::try_from(length).expect("it fits").checked_sub(4).expect("it counts itself");
    message.resize(head + rest, 0);
    from.read_exact(&mut message[head..]).await?;
    Ok(kind)
}
