//! How soon the console's pages and the interface's lists are answered with many closures in the store, and what they take in memory.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, SET_COOKIE};
use http::{Request, StatusCode};
use http_body_util::Full;
use serde::Serialize;
use serde_json::Value;

use crate::driver::{Completion, Latency, LoadPlan};
use crate::http_pool::{Answer, HttpPool};
use crate::measure::{Proof, measure_load, prove};
use crate::service::{Scene, Setup, Subject};
use crate::waiting::settled_memory;

/// How long one page may take in all.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// What the first page of each list may take, in milliseconds.
const SOON_MS: f64 = 100.0;

/// How much the process may grow while pages are looked at, against what it held before.
const FLAT: f64 = 0.1;

/// How often each page is asked for before the memory is read: whichever connection the store reads a page with, its cache is filled by then.
const UNMEASURED: u32 = 5;

/// How much is in the store, and how often each page is looked at.
#[derive(Debug, Clone, Copy)]
pub struct PagesPlan {
    /// Closures in the store.
    pub count: u64,
    /// How many of them are unfinished at once while they are closed.
    pub unfinished: usize,
    /// How often each page is asked for.
    pub times: u32,
    /// How long closing them may take.
    pub limit: Duration,
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PagesFigures {
    /// Closures in the store.
    pub closures: u64,
    /// Each page, in the order in which they were asked for.
    pub pages: Vec<PageFigures>,
    /// Resident memory of a new process once each page was asked for some times and it stood still, in bytes.
    pub resident_before: u64,
    /// The same when each was asked for so many times.
    pub resident_after: u64,
    /// What the stub and the store say of the closures.
    pub proof: Proof,
}

/// One page.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PageFigures {
    /// Its address, with `…` for ids.
    pub address: String,
    /// Bytes of the page.
    pub bytes: usize,
    /// From before the request to the whole answer.
    #[serde(flatten)]
    pub latency: Latency,
}

impl PagesFigures {
    /// What was not kept of: every page soon in the median, memory flat, every closure closed once.
    pub fn broken_promises(&self) -> Vec<String> {
        let mut broken = self.proof.broken_promises(true);
        for page in self.pages.iter().filter(|page| page.latency.p50_ms > SOON_MS) {
            broken.push(format!(
                "{}: {:.0} ms in the median, must be {SOON_MS} at most",
                page.address, page.latency.p50_ms
            ));
        }
        let grown = self.resident_after as f64 / self.resident_before as f64;
        if grown > 1.0 + FLAT {
            broken.push(format!("memory grew to {grown:.2} times what it was while pages were looked at"));
        }
        broken
    }
}

/// Somebody who looks at pages.
struct Visitor {
    pool: HttpPool,
    authorization: String,
    cookie: String,
}

/// Fills a store, starts a new process on it, and looks at each page so often.
pub async fn measure_pages(
    subject: &Subject,
    setup: &Setup,
    plan: PagesPlan,
) -> anyhow::Result<PagesFigures> {
    let mut scene = Scene::open(subject, setup).await?;
    let load = LoadPlan {
        seed: 1,
        count: plan.count,
        unfinished: plan.unfinished,
        completion: Completion::WrapperClosed,
        patience: plan.limit,
        limit: plan.limit,
    };
    let figures = measure_load(&mut scene, load.clone()).await?;
    ensure!(figures.outcome.finished == plan.count, "not every closure was closed: {:?}", figures.outcome);
    scene.service.kill().await?;
    scene.service.restart().await?;

    let visitor = Visitor::log_in(&scene).await?;
    let addresses = visitor.addresses(&load.conversation(plan.count / 2).to_string()).await?;
    for _ in 0..UNMEASURED {
        for (_, address) in &addresses {
            visitor.look(address).await?;
        }
    }
    let resident_before = settled_memory(&scene.service).await?;
    let mut pages = Vec::new();
    for (shown, address) in addresses {
        let (mut took_us, mut bytes) = (Vec::new(), 0);
        for _ in 0..plan.times {
            let begun = Instant::now();
            bytes = visitor.look(&address).await?.body.len();
            took_us.push(u32::try_from(begun.elapsed().as_micros()).unwrap_or(u32::MAX));
        }
        pages.push(PageFigures { address: shown, bytes, latency: Latency::of(took_us) });
    }
    let resident_after = settled_memory(&scene.service).await?;
    let proof = prove(&scene, &[(&load, plan.count)], plan.limit).await?;
    Ok(PagesFigures { closures: plan.count, pages, resident_before, resident_after, proof })
}

impl Visitor {
    async fn log_in(scene: &Scene) -> anyhow::Result<Self> {
        let pool = HttpPool::new(scene.service.address(), ANSWER_WITHIN);
        let token = scene.service.token();
        let request = Request::post("/console/login")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(format!("key={token}&next=%2F"))))?;
        let answer = pool.send(request).await?;
        ensure!(answer.status == StatusCode::SEE_OTHER, "the log-in was answered with {}", answer.status);
        let cookie = answer.headers.get(SET_COOKIE).context("the log-in gives no session")?.to_str()?;
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        Ok(Self { pool, authorization: format!("Bearer {token}"), cookie })
    }

    async fn look(&self, address: &str) -> anyhow::Result<Answer> {
        let request = Request::get(address)
            .header(AUTHORIZATION, &self.authorization)
            .header(COOKIE, &self.cookie)
            .body(Full::new(Bytes::new()))?;
        let answer = self.pool.send(request).await?;
        ensure!(answer.status == StatusCode::OK, "{address} was answered with {}", answer.status);
        Ok(answer)
    }

    /// What is looked at: how it is told, and its address.
    async fn addresses(&self, conversation: &str) -> anyhow::Result<Vec<(String, String)>> {
        let list: Value = serde_json::from_slice(&self.look("/v1/closures?limit=50").await?.body)?;
        let closure = list["items"][0]["id"].as_str().context("the list has no closure")?.to_owned();
        let cursor = list["nextCursor"].as_str().context("the list has no second page")?.to_owned();
        let told = |address: &str| {
            let filled = address
                .replace("{conversation}", conversation)
                .replace("{closure}", &closure)
                .replace("{cursor}", &cursor);
            let shown = ["{conversation}", "{closure}", "{cursor}"]
                .iter()
                .fold(address.to_owned(), |shown, id| shown.replace(id, "…"));
            (shown, filled)
        };
        Ok([
            "/",
            "/console/closures",
            "/console/closures?state=closed",
            "/console/closures?state=ghost",
            "/console/closures?q={conversation}",
            "/console/closures?label.team=nobody",
            "/console/closures?source=batch",
            "/console/closures?reason=no_confirmation",
            "/console/closures?since=2026-01-01T00:00:00Z",
            "/console/closures/{closure}",
            "/console/batches",
            "/console/sources",
            "/console/received",
            "/console/deliveries",
            "/console/audit",
            "/console/settings",
            "/v1/closures?limit=500",
            "/v1/closures?limit=50&cursor={cursor}",
            "/v1/closures?q={conversation}",
            "/v1/ghosts/summary",
            "/metrics",
        ]
        .map(told)
        .to_vec())
    }
}
