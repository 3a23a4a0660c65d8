//! Whether one process that closes many closures takes as much memory at the end as at the beginning.

use std::time::Duration;

use anyhow::ensure;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Request, StatusCode};
use http_body_util::Full;
use serde::Serialize;
use tokio::task::JoinSet;

use crate::driver::LoadPlan;
use crate::growth::{close_more, median};
use crate::http_pool::HttpPool;
use crate::measure::{Proof, prove};
use crate::service::{Scene, Setup, Subject};
use crate::waiting::{settled_memory, wait_until_alone};

/// By how much the readings may rise from one end to the other, of their median.
const FLAT: f64 = 0.01;

/// How many reads of the store are asked for at once, far more than it has connections to read with.
const READS: u64 = 32;

/// How long one of them may take.
const READ_WITHIN: Duration = Duration::from_secs(30);

/// How much is closed.
#[derive(Debug, Clone, Copy)]
pub struct SoakPlan {
    /// Closures in all.
    pub count: u64,
    /// In how many parts.
    pub parts: u32,
    /// How many of them are unfinished at once.
    pub unfinished: usize,
    /// How long each part may take.
    pub limit: Duration,
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SoakFigures {
    /// The memory after each part.
    pub readings: Vec<Reading>,
    /// By how much the readings after the first tenth rise, of their median: the first closures fill pools and caches.
    pub slope: f64,
    /// What the stub and the store say in the end.
    pub proof: Proof,
}

/// The process at rest: nothing is closed, and nobody is connected. A connection takes 18 KiB, and how many there are by the end of a
/// part is how many were needed at once by chance.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reading {
    /// Closures that it has closed.
    pub closed: u64,
    /// Resident memory, in bytes, once it stood still.
    pub resident: u64,
    /// Closures a second in the part before.
    pub per_second: f64,
}

impl SoakFigures {
    /// What was not kept of: memory that does not rise, and every closure closed once.
    pub fn broken_promises(&self) -> Vec<String> {
        let mut broken = self.proof.broken_promises(true);
        if self.slope >= FLAT {
            broken.push(format!(
                "memory rises by {:.1} % from one end to the other, must be less than {:.0} %",
                self.slope * 100.0,
                FLAT * 100.0
            ));
        }
        broken
    }
}

/// Closes so many in one process, part by part.
pub async fn measure_soak(subject: &Subject, setup: &Setup, plan: SoakPlan) -> anyhow::Result<SoakFigures> {
    let mut scene = Scene::open(subject, setup).await?;
    let (mut plans, mut readings, mut closed) = (Vec::new(), Vec::new(), 0);
    let alone = scene.service.sockets()?;
    for part in 1..=u64::from(plan.parts) {
        let count = plan.count * part / u64::from(plan.parts) - closed;
        let load = close_more(&mut scene, &mut plans, count, plan.unfinished, plan.limit).await?;
        closed += count;
        if part == 1 {
            fill_caches(&scene, &plans[0]).await?;
        }
        wait_until_alone(&scene, alone).await?;
        let resident = settled_memory(&scene.service).await?;
        let per_second = load.outcome.per_second;
        eprintln!("{closed} closed: {} KiB, {per_second:.0} closures a second", resident / 1024);
        readings.push(Reading { closed, resident, per_second });
    }
    let all: Vec<_> = plans.iter().map(|plan| (plan, plan.count)).collect();
    let proof = prove(&scene, &all, plan.limit).await?;
    let filled = readings
        .iter()
        .skip(1)
        .filter(|reading| reading.closed * 10 > plan.count)
        .copied()
        .collect::<Vec<_>>();
    Ok(SoakFigures { slope: slope(&filled), readings, proof })
}

/// Has every connection with which the store reads opened, and its cache filled: while closures are closed that comes when a few reads
/// happen to fall together, after a hundred thousand of them or never.
async fn fill_caches(scene: &Scene, load: &LoadPlan) -> anyhow::Result<()> {
    let pool = HttpPool::new(scene.service.address(), READ_WITHIN);
    let mut reads = JoinSet::new();
    for number in 0..READS {
        let history = format!("/v1/conversations/{}/closures", load.conversation(number + 1));
        for address in ["/v1/closures?limit=500".to_owned(), history] {
            let request = Request::get(&address)
                .header(AUTHORIZATION, format!("Bearer {}", scene.service.token()))
                .body(Full::new(Bytes::new()))?;
            let pool = pool.clone();
            reads.spawn(async move { (address, pool.send(request).await.map(|answer| answer.status)) });
        }
    }
    while let Some(read) = reads.join_next().await {
        let (address, status) = read?;
        ensure!(status.as_ref().is_ok_and(StatusCode::is_success), "{address} was answered with {status:?}");
    }
    Ok(())
}

/// By how much the readings rise from the first to the last one, of their median: the median of the slopes between every two of them
/// (Theil and Sen). A reading taken when the allocator has just given back what it held may lie by a fifth below its neighbours, and
/// would draw a line of least squares wherever it comes.
fn slope(readings: &[Reading]) -> f64 {
    let (Some(first), Some(last)) = (readings.first(), readings.last()) else { return 0.0 };
    let slopes = readings.iter().enumerate().flat_map(|(place, one)| {
        let behind = &readings[place + 1..];
        let rise = |later: &Reading| later.resident as f64 - one.resident as f64;
        behind.iter().map(move |later| rise(later) / (later.closed - one.closed) as f64)
    });
    let slopes: Vec<_> = slopes.collect();
    if slopes.is_empty() {
        return 0.0;
    }
    let resident = median(readings.iter().map(|one| one.resident as f64).collect());
    median(slopes) * (last.closed - first.closed) as f64 / resident
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(resident: &[u64]) -> Vec<Reading> {
        (1..)
            .zip(resident)
            .map(|(part, &resident)| Reading { closed: part * 50, resident, per_second: 1.0 })
            .collect()
    }

    #[test]
    fn a_slope_is_that_of_most_readings() {
        let about =
            |slope: f64, wanted: f64| assert!((slope - wanted).abs() < 1e-6, "{slope} and not {wanted}");
        about(slope(&readings(&[100, 100, 100])), 0.0);
        about(slope(&readings(&[100, 110, 120])), 20.0 / 110.0);
        about(slope(&readings(&[100, 110, 60, 130, 140])), 40.0 / 110.0);
        about(slope(&readings(&[100, 100, 100, 100, 60])), 0.0);
        about(slope(&readings(&[100])), 0.0);
    }
}
