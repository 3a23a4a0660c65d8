//! A crowd of connections that send too little or too slowly, and what an honest client has of it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

use crate::honest::{Honest, HonestFigures};
use crate::service::{Scene, Setup, Subject};

/// How long a connection of the crowd may stay, from before it was opened. The service's own limits are 9 s for a head,
/// from when it was accepted, and 8 s for a body behind it.
const CUT_WITHIN: Duration = Duration::from_secs(10);

/// How long a connection of the crowd is watched.
const WATCHED: Duration = Duration::from_secs(30);

/// The pause between two honest requests, each on a connection of its own.
const HONEST_PAUSE: Duration = Duration::from_millis(10);

/// The pause between two bytes of a body that is dribbled.
const DRIBBLE: Duration = Duration::from_secs(1);

/// What a connection of the crowd does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// It sends nothing.
    Silent,
    /// It sends one byte.
    OneByte,
    /// It sends half a head.
    HalfHead,
    /// It sends a whole head, and a byte of its body every second.
    DribbledBody,
}

const KINDS: [Kind; 4] = [Kind::Silent, Kind::OneByte, Kind::HalfHead, Kind::DribbledBody];

/// What became of a crowd of one kind, and of an honest client beside it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CrowdFigures {
    /// What the crowd did.
    pub kind: Kind,
    /// How many connections it was.
    pub connections: u64,
    /// How many were not cut while they were watched.
    pub never_cut: u64,
    /// The longest that one was there, in seconds.
    pub longest_seconds: f64,
    /// What an honest client had of it.
    pub honest: HonestFigures,
}

impl CrowdFigures {
    /// What was not kept of: each is cut within 10 s, and every honest request is answered, 99 of 100 within half a second.
    pub fn broken_promises(&self) -> Vec<String> {
        let mut broken = Vec::new();
        if self.never_cut > 0 || self.longest_seconds > CUT_WITHIN.as_secs_f64() {
            let (never, longest) = (self.never_cut, self.longest_seconds);
            broken.push(format!("{:?}: {never} were never cut, one stayed {longest:.1} s", self.kind));
        }
        let honest = self.honest.broken_promises();
        broken.extend(honest.into_iter().map(|text| format!("{:?}: {text}", self.kind)));
        broken
    }
}

/// Opens a crowd of each kind in turn, all of it at once.
pub async fn measure_slow(
    subject: &Subject,
    setup: &Setup,
    connections: u64,
) -> anyhow::Result<Vec<CrowdFigures>> {
    let mut scene = Scene::open(subject, setup).await?;
    let (address, token) = (scene.service.address(), scene.service.token().to_owned());
    let mut figures = Vec::new();
    for kind in KINDS {
        figures.push(crowd(kind, connections, address, &token).await?);
        scene.service.check_alive()?;
    }
    Ok(figures)
}

async fn crowd(
    kind: Kind,
    connections: u64,
    address: SocketAddr,
    token: &str,
) -> anyhow::Result<CrowdFigures> {
    let honest = Honest::begin(address, token, HONEST_PAUSE);
    let begun = begun(kind, token);
    let mut crowd = JoinSet::new();
    for _ in 0..connections {
        crowd.spawn(stay(kind, begun.clone(), address));
    }
    let (mut never_cut, mut longest) = (0, Duration::ZERO);
    while let Some(stayed) = crowd.join_next().await {
        match stayed? {
            Some(stayed) => longest = longest.max(stayed),
            None => never_cut += 1,
        }
    }
    Ok(CrowdFigures {
        kind,
        connections,
        never_cut,
        longest_seconds: longest.as_secs_f64(),
        honest: honest.end().await?,
    })
}

/// What a connection sends at once.
fn begun(kind: Kind, token: &str) -> String {
    let head = format!(
        "POST /v1/closures HTTP/1.1\r\nhost: closeout\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n"
    );
    match kind {
        Kind::Silent => String::new(),
        Kind::OneByte => "P".to_owned(),
        Kind::HalfHead => head,
        Kind::DribbledBody => head + "content-length: 1000\r\n\r\n",
    }
}

/// Stays until it is cut; how long that was, or nothing.
async fn stay(kind: Kind, begun: String, address: SocketAddr) -> Option<Duration> {
    let started = Instant::now();
    let staying = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(begun.as_bytes()).await?;
        let mut pace = interval(DRIBBLE);
        let mut some = [0; 1_024];
        loop {
            tokio::select! {
                read = stream.read(&mut some) => if read? == 0 { return Ok(()) },
                _ = pace.tick(), if kind == Kind::DribbledBody => stream.write_all(b" ").await?,
            }
        }
    };
    let staying: Result<std::io::Result<()>, _> = timeout(WATCHED, staying).await;
    // A reset is what a cut looks like with bytes unread.
    staying.ok().map(|_| started.elapsed())
}
