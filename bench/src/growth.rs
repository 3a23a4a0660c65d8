//! Whether a store that holds many closures that have ended is as fast, and takes as little memory, as one that holds few.

use std::time::Duration;

use anyhow::ensure;
use serde::Serialize;

use crate::driver::{Completion, LoadPlan};
use crate::measure::{LoadFigures, Proof, measure_load, prove};
use crate::service::{Scene, Setup, Subject};

/// How far a figure may be from that of a small store.
const FLAT: f64 = 0.1;

/// The ended closures of a small store.
const SMALL: u64 = 1_000;

/// How far a store grows.
#[derive(Debug, Clone, Copy)]
pub struct GrowthPlan {
    /// The largest number of ended closures: from 10,000 on it is ten times as many each time.
    pub up_to: u64,
    /// How often each size is measured, each time in turn with a small store.
    pub rounds: u32,
    /// How many closures are measured each time.
    pub count: u64,
    /// How many of them are unfinished at once.
    pub unfinished: usize,
    /// How long each load may take.
    pub limit: Duration,
}

/// What was measured at each size, and what became of all closures of the store that grew.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GrowthFigures {
    /// The smallest first.
    pub sizes: Vec<AtSize>,
    /// What the stub and the store say in the end.
    pub proof: Proof,
}

/// One size of the store. A machine of which others take their share is faster in one minute than in the next, by more than what is
/// looked for: so each figure is one of the same minute, of the large store against a small one.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AtSize {
    /// Closures in the store, all ended, before the first round.
    pub ended: u64,
    /// Closures a second against a small store: the median of the rounds.
    pub speed_ratio: f64,
    /// The most memory against a small store, likewise.
    pub memory_ratio: f64,
    /// CPU time of a closure against a small store, likewise.
    pub cpu_ratio: f64,
    /// Each measurement.
    pub rounds: Vec<Round>,
}

/// The store that grows and a small one, one after the other.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Round {
    /// The one that grows.
    pub large: InNewProcess,
    /// One that has held [`SMALL`] closures.
    pub small: InNewProcess,
}

/// A load on a process that was started for it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InNewProcess {
    /// Resident memory of that process when it was ready, in bytes.
    pub resident_ready: u64,
    /// The load, and the most memory that the process has had until its end.
    #[serde(flatten)]
    pub load: LoadFigures,
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

/// Fills one store with real closures, and measures each size in turn with a small store, each time in a process of its own.
pub async fn measure_growth(
    subject: &Subject,
    setup: &Setup,
    plan: GrowthPlan,
) -> anyhow::Result<GrowthFigures> {
    let mut scene = Scene::open(subject, setup).await?;
    let (mut plans, mut sizes) = (Vec::new(), Vec::<AtSize>::new());
    let mut in_store = 0;
    for ended in sizes_up_to(plan.up_to) {
        close_more(&mut scene, &mut plans, ended.saturating_sub(in_store), plan.unfinished, plan.limit)
            .await?;
        in_store = in_store.max(ended);
        let mut rounds = Vec::new();
        for round in 0..plan.rounds {
            // Whichever comes first may find the machine otherwise than the second does.
            let (large, small) = if round % 2 == 0 {
                let large = in_new_process(&mut scene, &mut plans, &plan).await?;
                (large, in_small_store(subject, setup, &plan).await?)
            } else {
                let small = in_small_store(subject, setup, &plan).await?;
                (in_new_process(&mut scene, &mut plans, &plan).await?, small)
            };
            in_store += plan.warm_up() + plan.count;
            let per_second = [&large, &small].map(|one| one.load.outcome.per_second);
            eprintln!(
                "{ended} in the store: {:.0} closures a second, and {:.0} with a small one",
                per_second[0], per_second[1]
            );
            rounds.push(Round { large, small });
        }
        sizes.push(AtSize::of(ended, rounds));
    }
    let all: Vec<_> = plans.iter().map(|plan| (plan, plan.count)).collect();
    Ok(GrowthFigures { sizes, proof: prove(&scene, &all, plan.limit).await? })
}

impl GrowthPlan {
    /// The first closures of a process open connections and fill caches.
    fn warm_up(&self) -> u64 {
        self.count / 8
    }
}

impl AtSize {
    fn of(ended: u64, rounds: Vec<Round>) -> Self {
        let ratio = |figure: fn(&LoadFigures) -> f64| {
            median(rounds.iter().map(|round| figure(&round.large.load) / figure(&round.small.load)).collect())
        };
        Self {
            ended,
            speed_ratio: ratio(|load| load.outcome.per_second),
            memory_ratio: ratio(|load| load.peak_resident as f64),
            cpu_ratio: ratio(|load| load.cpu_seconds_per_1000),
            rounds,
        }
    }
}

/// A store of its own that has held [`SMALL`] closures.
async fn in_small_store(subject: &Subject, setup: &Setup, plan: &GrowthPlan) -> anyhow::Result<InNewProcess> {
    let mut scene = Scene::open(subject, setup).await?;
    let mut plans = Vec::new();
    close_more(&mut scene, &mut plans, SMALL, plan.unfinished, plan.limit).await?;
    let measured = in_new_process(&mut scene, &mut plans, plan).await?;
    let all: Vec<_> = plans.iter().map(|plan| (plan, plan.count)).collect();
    let broken = prove(&scene, &all, plan.limit).await?.broken_promises(true);
    ensure!(broken.is_empty(), "a small store has not kept its promises: {broken:?}");
    Ok(measured)
}

/// Starts a new process on the store, and measures it once it is warm.
async fn in_new_process(
    scene: &mut Scene,
    plans: &mut Vec<LoadPlan>,
    plan: &GrowthPlan,
) -> anyhow::Result<InNewProcess> {
    scene.service.kill().await?;
    scene.service.restart().await?;
    let resident_ready = scene.service.usage()?.resident;
    close_more(scene, plans, plan.warm_up(), plan.unfinished, plan.limit).await?;
    let load = close_more(scene, plans, plan.count, plan.unfinished, plan.limit).await?;
    Ok(InNewProcess { resident_ready, load })
}

/// The middle one, or the mean of the two in the middle.
pub fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    match (of.get((of.len().saturating_sub(1)) / 2), of.get(of.len() / 2)) {
        (Some(below), Some(above)) => f64::midpoint(*below, *above),
        _ => f64::NAN,
    }
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

/// 10,000, 100,000 and so on, and the last one itself.
fn sizes_up_to(last: u64) -> Vec<u64> {
    let mut sizes: Vec<u64> = std::iter::successors(Some(10 * SMALL), |size| size.checked_mul(10))
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
        assert_eq!(sizes_up_to(1_000_000), [10_000, 100_000, 1_000_000]);
        assert_eq!(sizes_up_to(50_000), [10_000, 50_000]);
        assert_eq!(sizes_up_to(10_000), [10_000]);
        assert_eq!(sizes_up_to(200), [200]);
    }

    #[test]
    fn one_round_that_the_machine_has_spoilt_does_not_count() {
        assert_eq!(median(vec![0.4, 1.0, 0.98]), 0.98);
        assert_eq!(median(vec![1.0, 0.5, 0.9, 0.7]), 0.8);
        assert!(median(Vec::new()).is_nan());
    }
}
