//! One load several times on each program, in turn: the machine is faster in one minute than in the next, so what is compared has to
//! lie within a minute, and more than once.

use serde::Serialize;

use crate::driver::{Completion, LoadPlan};
use crate::growth::median;
use crate::measure::{LoadFigures, Proof, measure_load, prove};
use crate::service::{Scene, Setup, Subject};

/// One load on a new process with a new store.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Turn {
    /// What the unmeasured closures before it were like.
    pub warm_up: LoadFigures,
    /// What it was like.
    #[serde(flatten)]
    pub load: LoadFigures,
    /// What the two sides say of all closures, the warm-up's too.
    pub proof: Proof,
}

/// The loads on one program, in the order in which they were made.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(transparent)]
pub struct Turns(pub Vec<Turn>);

impl Turns {
    /// The median of one figure.
    pub fn median(&self, figure: impl Fn(&LoadFigures) -> f64) -> f64 {
        median(self.each(figure))
    }

    /// The mean of what the stub delayed its webhooks by, in milliseconds; nothing without a load.
    pub fn mean_webhook_delay_ms(&self) -> Option<f64> {
        let each = self.0.iter().map(|turn| turn.proof.stub.mean_webhook_delay_us as f64 / 1_000.0);
        (!self.0.is_empty()).then(|| each.sum::<f64>() / self.0.len() as f64)
    }

    /// The smallest and the largest of one figure; nothing without a load.
    pub fn range(&self, figure: impl Fn(&LoadFigures) -> f64) -> Option<(f64, f64)> {
        let each = self.each(figure);
        let smallest = each.iter().copied().min_by(f64::total_cmp)?;
        Some((smallest, each.into_iter().max_by(f64::total_cmp)?))
    }

    /// How fast these were as a share of others, turn by turn.
    pub fn shares_of(&self, others: &Self) -> Vec<f64> {
        let both = self.0.iter().zip(&others.0);
        both.map(|(own, other)| own.load.outcome.per_second / other.load.outcome.per_second).collect()
    }

    fn each(&self, figure: impl Fn(&LoadFigures) -> f64) -> Vec<f64> {
        self.0.iter().map(|turn| figure(&turn.load)).collect()
    }
}

/// How large a turn is.
#[derive(Debug, Clone)]
pub struct TurnPlan {
    /// What is closed before, unmeasured.
    pub warm_up: LoadPlan,
    /// What is measured.
    pub load: LoadPlan,
}

/// Starts the program, warms it up, loads it, asks both sides what became of every closure, and ends it.
pub async fn take_turn(subject: &Subject, setup: &Setup, plan: &TurnPlan) -> anyhow::Result<Turn> {
    debug_assert_eq!(plan.load.completion, Completion::WrapperClosed, "a long poll is another measurement");
    let mut scene = Scene::open(subject, setup).await?;
    let warm_up = measure_load(&mut scene, plan.warm_up.clone()).await?;
    let load = measure_load(&mut scene, plan.load.clone()).await?;
    let requested = [(&plan.warm_up, warm_up.outcome.requested), (&plan.load, load.outcome.requested)];
    let proof = prove(&scene, &requested, std::time::Duration::ZERO).await?;
    // Before the next one begins, which is not to pay for what this one leaves behind.
    scene.service.kill().await?;
    Ok(Turn { warm_up, load, proof })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::{Latency, LoadOutcome, StoreVerdict};
    use crate::stub::StubReport;

    fn turns(per_second: &[f64]) -> Turns {
        let load = |per_second: f64| LoadFigures {
            outcome: LoadOutcome {
                requested: 1,
                accepted: 1,
                finished: 1,
                repeated_requests: 0,
                errors: 0,
                first_error: None,
                seconds: 1.0,
                per_second,
                latency: Latency::default(),
            },
            cpu_seconds_per_1000: 0.0,
            database_cpu_seconds_per_1000: None,
            database_cpu_share: None,
            peak_resident: 0,
        };
        let turn = |per_second: &f64| Turn {
            warm_up: load(1.0),
            load: load(*per_second),
            proof: Proof { requested: 2, stub: StubReport::default(), store: Some(StoreVerdict::default()) },
        };
        Turns(per_second.iter().map(turn).collect())
    }

    #[test]
    fn a_share_is_one_of_the_same_turn() {
        // Both are half as fast in the second turn: of the medians of each the share would be another one.
        let (service, ceiling) = (turns(&[800.0, 300.0, 500.0]), turns(&[1_000.0, 500.0, 1_000.0]));
        assert_eq!(service.shares_of(&ceiling), [0.8, 0.6, 0.5]);
    }

    #[test]
    fn the_median_stands_between_the_slowest_and_the_fastest() {
        let turns = turns(&[5.0, 1.0, 3.0]);
        assert_eq!(turns.median(|load| load.outcome.per_second), 3.0);
        assert_eq!(turns.range(|load| load.outcome.per_second), Some((1.0, 5.0)));
        assert_eq!(Turns::default().range(|load| load.outcome.per_second), None);
    }
}
