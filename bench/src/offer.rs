//! Offers the service so many commands a second, whatever becomes of them. Driver and service share the machine, so a request costs
//! as little as can be here: its bytes are written as they are, and of the answer only what it was is read.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use bytes::BytesMut;
use http::header::{CONTENT_LENGTH, RETRY_AFTER};
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use uuid::Uuid;

/// How long a request may go without an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// The pause between two handfuls of requests.
const PACE: Duration = Duration::from_millis(5);

/// The most headers of an answer.
const HEADERS: usize = 32;

/// What is offered.
#[derive(Debug, Clone, Copy)]
pub struct OfferPlan {
    /// How many requests a second.
    pub per_second: f64,
    /// For how long.
    pub lasts: Duration,
    /// The most requests without an answer at once: so many senders are there.
    pub on_their_way: usize,
    /// Whether a sender that is refused sends nothing for as long as `Retry-After` says.
    pub heed: bool,
}

/// What was answered to the requests.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answers {
    /// 202 or 200.
    pub accepted: u64,
    /// 503 with `Retry-After`.
    pub shed: u64,
    /// Any other refusal.
    pub refused_otherwise: u64,
    /// What the first of these said.
    pub first_otherwise: Option<String>,
    /// No whole answer.
    pub without_answer: u64,
}

/// What the requests came to.
#[derive(Default)]
pub struct Offered {
    /// What was answered.
    pub answers: Answers,
    /// The conversations of those that were accepted.
    pub accepted: HashSet<Uuid>,
    /// From each request to its answer, of those that were accepted, in microseconds.
    pub accepted_us: Vec<u32>,
    /// The same of those that were refused.
    pub refused_us: Vec<u32>,
}

/// Requests of which some may be without an answer yet.
pub struct Offering {
    /// How many were sent.
    pub sent: u64,
    /// How many were due and not sent, because too many were without an answer, or as their senders heeded one.
    pub not_sent: u64,
    due: Arc<Due>,
    connections: JoinSet<Offered>,
}

/// Requests that are due, for whichever connection is free.
struct Due {
    address: SocketAddr,
    token: Box<str>,
    now: Semaphore,
    /// Senders without an answer, and those that wait as they were told.
    on_their_way: AtomicUsize,
    /// The latter alone.
    waiting: AtomicUsize,
    heed: bool,
}

/// What one request came to.
enum Fate {
    Accepted,
    /// Refused, for so long.
    Shed(Duration),
    Otherwise(String),
}

impl Offering {
    /// Sends so many requests a second for so long.
    pub async fn made(address: SocketAddr, token: &str, plan: OfferPlan) -> Self {
        let now = Semaphore::new(0);
        let (on_their_way, waiting) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let due = Arc::new(Due { address, token: token.into(), now, on_their_way, waiting, heed: plan.heed });
        let mut connections = JoinSet::new();
        for _ in 0..plan.on_their_way {
            connections.spawn(Arc::clone(&due).ask_by_one_connection());
        }
        let (mut sent, mut not_sent) = (0, 0);
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let begun = Instant::now();
        while begun.elapsed() < plan.lasts {
            pace.tick().await;
            let by_now = begun.elapsed().min(plan.lasts).as_secs_f64() * plan.per_second;
            while ((sent + not_sent) as f64) < by_now {
                if due.on_their_way.load(Ordering::Relaxed) < plan.on_their_way {
                    due.on_their_way.fetch_add(1, Ordering::Relaxed);
                    due.now.add_permits(1);
                    sent += 1;
                } else {
                    not_sent += 1;
                }
            }
        }
        Self { sent, not_sent, due, connections }
    }

    /// Waits for the answers that are still to come, at most 30 s.
    pub async fn answered(mut self) -> anyhow::Result<Offered> {
        let waiting = || self.due.waiting.load(Ordering::Relaxed);
        while self.due.on_their_way.load(Ordering::Relaxed) > waiting() {
            sleep(PACE).await;
        }
        self.due.now.close();
        let mut all = Offered::default();
        while let Some(of_one) = self.connections.join_next().await {
            all.add(of_one?);
        }
        let answers = &all.answers;
        let counted = answers.accepted + answers.shed + answers.refused_otherwise + answers.without_answer;
        ensure!(
            counted == self.sent,
            "{} requests were sent, and {counted} have come to something",
            self.sent
        );
        Ok(all)
    }
}

impl Due {
    /// Sends one request after the other, as they become due, until nothing is due any more.
    async fn ask_by_one_connection(self: Arc<Self>) -> Offered {
        let mut offered = Offered::default();
        let mut connection = None;
        while let Ok(one) = self.now.acquire().await {
            one.forget();
            let conversation = Uuid::new_v4();
            let begun = Instant::now();
            let asked = timeout(ANSWER_WITHIN, self.ask(&mut connection, conversation)).await;
            let fate = asked.ok().and_then(Result::ok);
            if fate.is_none() {
                connection = None;
            }
            let took_us = u32::try_from(begun.elapsed().as_micros()).unwrap_or(u32::MAX);
            let pause = match fate {
                // As clients do that are many, each waits somewhat longer than it is told to.
                Some(Fate::Shed(time)) if self.heed => Some(time.mul_f64(1.0 + fastrand::f64())),
                _ => None,
            };
            offered.note(fate, conversation, took_us);
            // A sender that waits is not there for what is due meanwhile.
            if let Some(pause) = pause {
                self.waiting.fetch_add(1, Ordering::Relaxed);
                sleep(pause).await;
                self.waiting.fetch_sub(1, Ordering::Relaxed);
            }
            self.on_their_way.fetch_sub(1, Ordering::Relaxed);
        }
        offered
    }

    /// Asks once for a closure, and reads the whole answer.
    async fn ask(
        &self,
        connection: &mut Option<(TcpStream, BytesMut)>,
        conversation: Uuid,
    ) -> io::Result<Fate> {
        let (stream, read) = match connection {
            Some(open) => open,
            None => {
                let stream = TcpStream::connect(self.address).await?;
                stream.set_nodelay(true)?;
                connection.insert((stream, BytesMut::with_capacity(2_048)))
            }
        };
        let body = format!(r#"{{"conversationId":"{conversation}"}}"#);
        let request = format!(
            "POST /v1/closures HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
             idempotency-key: {conversation}\r\ncontent-length: {}\r\n\r\n{body}",
            self.address,
            self.token,
            body.len()
        );
        stream.write_all(request.as_bytes()).await?;
        loop {
            if let Some((fate, length)) = first_answer(read)? {
                let _ = read.split_to(length);
                return Ok(fate);
            }
            if stream.read_buf(read).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// What the first answer says, once all of it is there, and how many bytes it has.
fn first_answer(read: &[u8]) -> io::Result<Option<(Fate, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut answer = httparse::Response::new(&mut headers);
    let parsed = answer.parse(read).map_err(|wrong| io::Error::new(io::ErrorKind::InvalidData, wrong))?;
    let httparse::Status::Complete(head) = parsed else { return Ok(None) };
    let header = |name: &str| answer.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
    let body = header(CONTENT_LENGTH.as_str())
        .and_then(|header| str::from_utf8(header.value).ok()?.parse::<usize>().ok());
    let body =
        body.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "an answer without a length"))?;
    if read.len() < head + body {
        return Ok(None);
    }
    let fate = match answer.code {
        Some(200 | 202) => Fate::Accepted,
        code => {
            let seconds = header(RETRY_AFTER.as_str())
                .and_then(|header| str::from_utf8(header.value).ok()?.parse::<u64>().ok());
            match (code, seconds) {
                (Some(503), Some(seconds)) => Fate::Shed(Duration::from_secs(seconds)),
                (code, _) => Fate::Otherwise(format!(
                    "{} {}",
                    code.unwrap_or_default(),
                    answer.reason.unwrap_or_default()
                )),
            }
        }
    };
    Ok(Some((fate, head + body)))
}

impl Offered {
    fn note(&mut self, fate: Option<Fate>, conversation: Uuid, took_us: u32) {
        let answers = &mut self.answers;
        match fate {
            Some(Fate::Accepted) => {
                answers.accepted += 1;
                self.accepted.insert(conversation);
                self.accepted_us.push(took_us);
            }
            Some(Fate::Shed(_)) => {
                answers.shed += 1;
                self.refused_us.push(took_us);
            }
            Some(Fate::Otherwise(what)) => {
                answers.refused_otherwise += 1;
                answers.first_otherwise.get_or_insert(what);
                self.refused_us.push(took_us);
            }
            None => answers.without_answer += 1,
        }
    }

    /// What another connection has heard.
    fn add(&mut self, other: Self) {
        let answers = &mut self.answers;
        answers.accepted += other.answers.accepted;
        answers.shed += other.answers.shed;
        answers.refused_otherwise += other.answers.refused_otherwise;
        answers.without_answer += other.answers.without_answer;
        answers.first_otherwise = answers.first_otherwise.take().or(other.answers.first_otherwise);
        self.accepted.extend(other.accepted);
        self.accepted_us.extend(other.accepted_us);
        self.refused_us.extend(other.refused_us);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fate(read: &str) -> Option<(&'static str, usize)> {
        let (fate, length) = first_answer(read.as_bytes()).unwrap()?;
        let name = match fate {
            Fate::Accepted => "accepted",
            Fate::Shed(time) => {
                assert_eq!(time, Duration::from_secs(1));
                "shed"
            }
            Fate::Otherwise(_) => "otherwise",
        };
        Some((name, length))
    }

    #[test]
    fn an_answer_is_read_as_what_it_is_once_all_of_it_is_there() {
        let taken = "HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(fate(taken), Some(("accepted", taken.len())));
        assert_eq!(fate(&taken[..taken.len() - 1]), None, "its body is on the way");
        assert_eq!(fate(&taken[..30]), None, "so is its head");
        assert_eq!(fate(&format!("{taken}HTTP/1.1")), Some(("accepted", taken.len())));
        let shed = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(fate(shed), Some(("shed", shed.len())));
        assert_eq!(
            fate(&shed.replace("retry-after", "x")).unwrap().0,
            "otherwise",
            "it says not when to come again"
        );
        assert_eq!(
            fate("HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n").unwrap().0,
            "otherwise"
        );
        assert!(first_answer(b"HTTP/1.1 200 OK\r\n\r\n").is_err(), "where it ends nobody knows");
        assert!(first_answer(b"SMTP").is_err());
    }

    #[test]
    fn each_answer_is_counted_as_what_it_is_and_those_of_all_connections_together() {
        let mut all = Offered::default();
        for (number, fate) in [
            Some(Fate::Accepted),
            Some(Fate::Shed(Duration::from_secs(1))),
            Some(Fate::Otherwise("429 Too Many Requests".to_owned())),
            Some(Fate::Otherwise("500".to_owned())),
            None,
        ]
        .into_iter()
        .enumerate()
        {
            let mut one = Offered::default();
            one.note(fate, Uuid::from_u128(number as u128), 1_000);
            all.add(one);
        }
        let answers = all.answers;
        assert_eq!((answers.accepted, answers.shed, answers.refused_otherwise), (1, 1, 2));
        assert_eq!(
            (answers.without_answer, answers.first_otherwise.as_deref()),
            (1, Some("429 Too Many Requests"))
        );
        assert_eq!((all.accepted_us.len(), all.refused_us.len()), (1, 3));
        assert!(all.accepted.contains(&Uuid::from_u128(0)));
    }
}
