//! Who called the simulator: each service comes by a door of its own, so that a call that was made twice can be traced to what was
//! done to its callers.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    extract::Request,
    http::Method,
    middleware::{self, Next},
};
use genesys_simulator::{Offence, Simulator};
use tokio::net::TcpListener;

use super::replicas::Strike;

/// How long a call may be under way from a process that was just killed until it is seen here.
const ON_ITS_WAY: Duration = Duration::from_secs(1);

/// A close that arrived.
#[derive(Debug, Clone, Copy)]
struct Call {
    replica: usize,
    at: Instant,
}

/// All closes, by their paths, and when wrappers were closed.
#[derive(Debug, Default)]
pub struct Calls {
    closes: Mutex<BTreeMap<String, Vec<Call>>>,
    endings: Mutex<Vec<Instant>>,
}

impl Calls {
    /// Opens a door to the simulator for one service, and says where it is.
    pub async fn door(self: &Arc<Self>, simulator: &Simulator, replica: usize) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let this = Arc::clone(self);
        let noted = middleware::from_fn(move |request: Request, next: Next| {
            let this = Arc::clone(&this);
            async move {
                let close = (request.method() == Method::PATCH).then(|| request.uri().path().to_owned());
                if let Some(path) = &close {
                    let call = Call { replica, at: Instant::now() };
                    this.closes.lock().unwrap().entry(path.clone()).or_default().push(call);
                }
                let answer = next.run(request).await;
                let of_wrapper = close.is_some_and(|path| !path.contains("/participants/"));
                if of_wrapper && answer.status().is_success() {
                    this.endings.lock().unwrap().push(Instant::now());
                }
                answer
            }
        });
        let router = simulator.router().layer(noted);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        address
    }

    /// When wrappers were closed, in order.
    pub fn endings(&self) -> Vec<Instant> {
        let mut endings = self.endings.lock().unwrap().clone();
        endings.sort_unstable();
        endings
    }

    /// How many closes were asked more than once, reads in between or not.
    pub fn asked_again(&self) -> usize {
        self.closes.lock().unwrap().values().map(|calls| calls.len() - 1).sum()
    }

    /// The repeated calls that no strike explains: none of the two callers was killed or stood still between them.
    pub fn unexplained(&self, offences: &[Offence], strikes: &[Strike]) -> Vec<String> {
        let closes = self.closes.lock().unwrap();
        let explained = |one: &Call, other: &Call| {
            strikes.iter().any(|strike| {
                let concerned = [one.replica, other.replica].contains(&strike.replica);
                concerned && strike.from <= other.at && strike.to + ON_ITS_WAY >= one.at
            })
        };
        let mut left = Vec::new();
        for offence in offences.iter().filter(|offence| offence.what.starts_with("repeated")) {
            let of_guest = offence.what == "repeated-close";
            let conversation = offence.conversation_id.to_string();
            let mut pairs = closes
                .iter()
                .filter(|(path, _)| {
                    path.contains(&conversation) && path.contains("/participants/") == of_guest
                })
                .flat_map(|(_, calls)| calls.windows(2));
            if !pairs.any(|pair| explained(&pair[0], &pair[1])) {
                left.push(format!("{offence:?}"));
            }
        }
        left
    }
}
