//! How many webhooks a second are verified, made durable and answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde::Serialize;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::driver::Latency;
use crate::http_pool::HttpPool;
use crate::service::{Scene, Setup, Subject};
use crate::signature::{HubKey, SIGNATURE_HEADER};
use crate::stub::bodies;

/// How long a webhook may go without an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// How many are sent once more after a kill, to see that they are known.
const REPEATED: usize = 1_000;

/// What was measured.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookFigures {
    /// How many were sent, each of an event and a conversation of its own.
    pub webhooks: u64,
    /// How many were on their way at once.
    pub at_once: usize,
    /// Answered with 204.
    pub taken: u64,
    /// Taken a second.
    pub per_second: f64,
    /// From before it was sent to the whole answer.
    pub latency: Latency,
    /// User and system time of the service for a thousand.
    pub cpu_seconds_per_1000: f64,
    /// How many of them were sent once more after SIGKILL and a new start.
    pub repeated: u64,
    /// How many of those the new process knew already.
    pub known: u64,
}

impl WebhookFigures {
    /// What was not kept of: each is taken, and what was answered is still known after a kill.
    pub fn broken_promises(&self) -> Vec<String> {
        let mut broken = Vec::new();
        if self.taken < self.webhooks {
            broken.push(format!(
                "{} of {} webhooks were not taken",
                self.webhooks - self.taken,
                self.webhooks
            ));
        }
        if self.known < self.repeated {
            let forgotten = self.repeated - self.known;
            broken.push(format!("{forgotten} of {} webhooks were forgotten after SIGKILL", self.repeated));
        }
        broken
    }
}

/// Sends signed webhooks of conversations that nobody asked to close: nothing but the receiver and the store has work.
pub async fn measure_webhooks(
    subject: &Subject,
    setup: &Setup,
    webhooks: u64,
    at_once: usize,
) -> anyhow::Result<WebhookFigures> {
    let mut scene = Scene::open(subject, setup).await?;
    let warm_up = events(&scene, 2_000.min(webhooks));
    ensure!(send(&scene, &warm_up, at_once).await?.0.len() == warm_up.len(), "the warm-up was not taken");
    let sent = events(&scene, webhooks);
    let before = scene.service.usage()?.cpu_seconds;
    let begun = Instant::now();
    let (took, taken) = send(&scene, &sent, at_once).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let cpu = scene.service.usage()?.cpu_seconds - before;

    scene.service.kill().await?;
    scene.service.restart().await?;
    let again = &sent[sent.len().saturating_sub(REPEATED)..];
    send(&scene, again, at_once).await?;
    let known = duplicates(&scene).await?;
    Ok(WebhookFigures {
        webhooks,
        at_once,
        taken,
        per_second: taken as f64 / seconds,
        latency: Latency::of(took),
        cpu_seconds_per_1000: cpu * 1_000.0 / webhooks.max(1) as f64,
        repeated: again.len() as u64,
        known,
    })
}

/// Bodies and their signatures, made before the time is taken.
fn events(scene: &Scene, number: u64) -> Arc<[(Bytes, String)]> {
    let (key, now) = (HubKey::new(&scene.hook.secret), bodies::time_of_day());
    let event = |_| {
        let body = Bytes::from(bodies::webhook(Uuid::new_v4(), &now));
        let signature = key.sign(&body);
        (body, signature)
    };
    (0..number).map(event).collect()
}

/// How long each took in microseconds, and how many were answered with 204.
async fn send(scene: &Scene, events: &[(Bytes, String)], at_once: usize) -> anyhow::Result<(Vec<u32>, u64)> {
    let pool = HttpPool::new(scene.service.address(), ANSWER_WITHIN);
    let next = Arc::new(AtomicU64::new(0));
    let events: Arc<[(Bytes, String)]> = events.into();
    let mut senders = JoinSet::new();
    for _ in 0..at_once {
        let (pool, next, events) = (pool.clone(), Arc::clone(&next), Arc::clone(&events));
        let uri = scene.hook.url.path().to_owned();
        senders.spawn(async move {
            let (mut took, mut taken) = (Vec::new(), 0);
            while let Some((body, signature)) =
                events.get(usize::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap_or(usize::MAX))
            {
                let request = Request::post(&uri)
                    .header("content-type", "application/json")
                    .header(SIGNATURE_HEADER, signature)
                    .body(Full::new(body.clone()))
                    .expect("every header is ASCII");
                let started = Instant::now();
                taken += u64::from(pool.send(request).await.is_ok_and(|answer| answer.status == 204));
                took.push(u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX));
            }
            (took, taken)
        });
    }
    let (mut took, mut taken) = (Vec::with_capacity(events.len()), 0);
    while let Some(sender) = senders.join_next().await {
        let (of_one, taken_of_one) = sender?;
        took.extend(of_one);
        taken += taken_of_one;
    }
    Ok((took, taken))
}

/// How many webhooks the running process knew already, by its own count.
async fn duplicates(scene: &Scene) -> anyhow::Result<u64> {
    let pool = HttpPool::new(scene.service.address(), ANSWER_WITHIN);
    let request = Request::get("/metrics")
        .header("authorization", format!("Bearer {}", scene.service.token()))
        .body(Full::new(Bytes::new()))
        .expect("every header is ASCII");
    let answer = pool.send(request).await.map_err(|why| anyhow::anyhow!("{why}"))?;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let counted = text
        .lines()
        .filter(|line| {
            line.starts_with("closeout_hooks_received_total{") && line.contains("result=\"duplicate\"")
        })
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
    Ok(counted.sum())
}
