//! Whether a store that holds many closures that have ended is as fast, and takes as little memory, as one that holds few.

use std::time::Duration;

use anyhow::ensure;
use serde::Serialize;

use crate::driver::{Completion, LoadPlan};
use crate::measure::{LoadFigures, Proof, measure_load, prove};
use crate::service::{Scene, Setup, Subject};

/// How far a figure may be from that of the smallest store.
const FLAT: f64 = 0.1;

/// How far a store grows.
#[derive(Debug, Clone, Copy)]
pub struct GrowthPlan {
    /// The largest number of ended closures: from 1,000 on it is ten times as many each time.
    pub up_to: u64,
    /// How many closures are measured at each size.
    pub count: u64,
    /// How many of them are unfinished at once.
    pub unfinished: usize,
    /// How long each load may take.
    pub limit: Duration,
}

/// What was measured at each size, and what became of all closures.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GrowthFigures {
    /// The smallest store first.
    pub sizes: Vec<AtSize>,
    /// What the stub and the store say in the end.
    pub proof: Proof,
}

/// One size of the store.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AtSize {
    /// Closures in the store, all ended, when a new process was started on it.
    pub ended: u64,
    /// Resident memory of that process when it was ready, in bytes.
    pub resident_ready: u64,
    /// The load that was measured, and the most memory that the process has had until its end.
    #[serde(flatten)]
    pub load: LoadFigures,
    /// Closures a second against the smallest store.
    pub speed_ratio: f64,
    /// The most memory against the smallest store.
    pub memory_ratio: f64,
    /// CPU time of a closure against the smallest store.
    pub cpu_ratio: f64,
}

impl GrowthFigures {
    /// What was not kept of: nowhere slower or larger by more than a tenth, and every closure closed once.
    pub fn broken_promises(&self) -> Vec<String> {
        let mut broken = self.proof.broken_promises(true);
        for size in &self.sizes {
            let percent = |ratio: f64| (ratio - 1.0) * 100.0;
            if size.speed_ratio < 1.0 - FLAT {
                let (ended, by) = (size.ended, percent(size.speed_ratio));
                broken.push(format!("{ended} in the store: closures a second differ by {by:.0} %"));
            }
            if size.memory_ratio > 1.0 + FLAT {
                let (ended, by) = (size.ended, percent(size.memory_ratio));
                broken.push(format!("{ended} in the store: memory differs by {by:.0} %"));
            }
        }
        broken
    }
}

/// Fills one store with real closures, and measures each size in a process of its own.
pub async fn measure_growth(
    subject: &Subject,
    setup: &Setup,
    plan: GrowthPlan,
) -> anyhow::Result<GrowthFigures> {
    let mut scene = Scene::open(subject, setup).await?;
    let (mut plans, mut sizes) = (Vec::new(), Vec::<AtSize>::new());
    let GrowthPlan { unfinished, limit, .. } = plan;
    let mut ended = 0;
    for size in sizes_up_to(plan.up_to) {
        close_more(&mut scene, &mut plans, size.saturating_sub(ended), unfinished, limit).await?;
        ended = ended.max(size);
        scene.service.kill().await?;
        scene.service.restart().await?;
        let resident_ready = scene.service.usage()?.resident;
        // The first closures of a process open connections and fill caches.
        let warm_up = plan.count / 8;
        close_more(&mut scene, &mut plans, warm_up, unfinished, limit).await?;
        let load = close_more(&mut scene, &mut plans, plan.count, unfinished, limit).await?;
        eprintln!("{ended} in the store: {:.0} closures a second", load.outcome.per_second);
        let first = sizes.first().map_or(&load, |first| &first.load);
        sizes.push(AtSize {
            ended,
            resident_ready,
            speed_ratio: load.outcome.per_second / first.outcome.per_second,
            memory_ratio: load.peak_resident as f64 / first.peak_resident as f64,
            cpu_ratio: load.cpu_seconds_per_1000 / first.cpu_seconds_per_1000,
            load,
        });
        ended += warm_up + plan.count;
    }
    let all: Vec<_> = plans.iter().map(|plan| (plan, plan.count)).collect();
    Ok(GrowthFigures { sizes, proof: prove(&scene, &all, plan.limit).await? })
}

/// Closes so many that were not closed before, and notes with which plan.
pub async fn close_more(
    scene: &mut Scene,
    plans: &mut Vec<LoadPlan>,
    count: u64,
    unfinished: usize,
    limit: Duration,
) -> anyhow::Result<LoadFigures> {
    let load = LoadPlan {
        seed: plans.len() as u64 + 1,
        count,
        unfinished,
        completion: Completion::WrapperClosed,
        patience: limit,
        limit,
    };
    plans.push(load.clone());
    let figures = measure_load(scene, load).await?;
    ensure!(figures.outcome.finished == count, "not every closure was closed: {:?}", figures.outcome);
    Ok(figures)
}

/// 1,000, 10,000 and so on, and the last one itself.
fn sizes_up_to(last: u64) -> Vec<u64> {
    let mut sizes: Vec<u64> = std::iter::successors(Some(1_000_u64), |size| size.checked_mul(10))
        .take_while(|size| *size < last)
        .collect();
    sizes.push(last);
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_is_looked_at_each_time_it_has_grown_tenfold_and_at_its_end() {
        assert_eq!(sizes_up_to(1_000_000), [1_000, 10_000, 100_000, 1_000_000]);
        assert_eq!(sizes_up_to(50_000), [1_000, 10_000, 50_000]);
        assert_eq!(sizes_up_to(1_000), [1_000]);
        assert_eq!(sizes_up_to(200), [200]);
    }
}
