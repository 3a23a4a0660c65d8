//! One load on one scene, with what it cost and what it proves.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde::Serialize;
use tokio::time::sleep;
use uuid::Uuid;

use crate::database::Database;
use crate::driver::{Load, LoadOutcome, LoadPlan, StoreVerdict, closures_in_store};
use crate::service::{Scene, Service};
use crate::stub::StubReport;

/// How often a condition is looked at while waiting for it.
const LOOK: Duration = Duration::from_millis(2);

/// How long the service may take to write down the last ends after the stub has seen them.
const WRITTEN_WITHIN: Duration = Duration::from_secs(30);

/// A load and its price.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadFigures {
    /// What the driver saw.
    #[serde(flatten)]
    pub outcome: LoadOutcome,
    /// CPU seconds of the program under test for 1,000 closures, user and system.
    pub cpu_seconds_per_1000: f64,
    /// CPU seconds of the database's processes for 1,000 closures, where it keeps the state and runs on this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database_cpu_seconds_per_1000: Option<f64>,
    /// The share of all cores that they had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database_cpu_share: Option<f64>,
    /// The most memory that the program under test had resident since its start, in bytes.
    pub peak_resident: u64,
}

/// How the program under test was killed, and came back.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KillFigures {
    /// How often it was killed.
    pub kills: u32,
    /// The longest time from a start to readiness, in seconds.
    pub slowest_start_seconds: f64,
    /// From the end of the load to the close of the last wrapper, in seconds.
    pub drained_after_seconds: f64,
    /// What the driver saw.
    pub outcome: LoadOutcome,
    /// What the stub and the store say.
    pub proof: Proof,
}

/// What the two sides say in the end of all closures of a scene.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Proof {
    /// The closures requested.
    pub requested: u64,
    /// The stub's counts.
    pub stub: StubReport,
    /// The service's durable state; nothing for a program that keeps none.
    pub store: Option<StoreVerdict>,
}

impl Proof {
    /// Every promise that was not kept, in words. After kills, calls may be repeated; nothing else may differ.
    pub fn broken_promises(&self, after_kills: bool) -> Vec<String> {
        let mut broken = Vec::new();
        let mut must_be = |count: u64, expected: u64, what: &str| {
            if count != expected {
                broken.push(format!("{what}: {count}, must be {expected}"));
            }
        };
        let stub = &self.stub;
        must_be(stub.wrapper_closes_before_webhook, 0, "wrappers closed before their webhook was sent");
        must_be(stub.ended, self.requested, "conversations closed at the remote side");
        must_be(stub.refused_requests, 0, "requests refused by the remote side");
        must_be(stub.webhooks_given_up, 0, "webhooks never taken");
        if !after_kills {
            must_be(stub.repeated_participant_closes, 0, "participants closed again");
            must_be(stub.repeated_wrapper_closes, 0, "wrappers closed again");
            must_be(stub.reads, self.requested, "reads of conversations");
            must_be(stub.webhooks_refused + stub.webhooks_without_answer, 0, "webhooks not taken at once");
        }
        if let Some(store) = &self.store {
            must_be(store.lost, 0, "closures lost");
            must_be(store.doubled, 0, "conversations with two closures");
            must_be(store.closed + store.already_closed, store.expected, "closures closed in the store");
            if !after_kills {
                must_be(store.already_closed, 0, "closures of conversations that had ended before");
            }
        }
        broken
    }
}

/// Runs one load and reads what it cost.
pub async fn measure_load(scene: &mut Scene, plan: LoadPlan) -> anyhow::Result<LoadFigures> {
    let database = || scene.database.as_ref().map_or(Ok(None), Database::cpu_seconds);
    let (before, database_before) = (scene.service.usage()?, database()?);
    let load = Load::begin(scene.service.address(), scene.service.token(), scene.stub.ledger(), plan);
    let outcome = load.outcome().await?;
    let (after, database_after) = (scene.service.usage()?, database()?);
    scene.service.check_alive()?;
    let per_1000 = |seconds: f64| seconds * 1_000.0 / outcome.finished.max(1) as f64;
    let database = database_after.zip(database_before).map(|(after, before)| after - before);
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    Ok(LoadFigures {
        cpu_seconds_per_1000: per_1000(after.cpu_seconds - before.cpu_seconds),
        database_cpu_seconds_per_1000: database.map(per_1000),
        database_cpu_share: database.map(|seconds| seconds / (outcome.seconds * cores)),
        peak_resident: after.peak_resident,
        outcome,
    })
}

/// Runs one load while the program is killed every `every`, `kills` times, and started again each time.
///
/// The load goes on past its count until the last kill. Afterwards everything must close within `drain_within`.
pub async fn measure_kills(
    scene: &mut Scene,
    plan: LoadPlan,
    every: Duration,
    kills: u32,
    drain_within: Duration,
) -> anyhow::Result<KillFigures> {
    let load = Load::begin(scene.service.address(), scene.service.token(), scene.stub.ledger(), plan.clone());
    load.go_on_until_ended();
    let mut slowest_start = Duration::ZERO;
    for _ in 0..kills {
        sleep(every).await;
        scene.service.check_alive()?;
        scene.service.kill().await?;
        slowest_start = slowest_start.max(scene.service.restart().await?);
    }
    load.end();
    let outcome = load.outcome().await?;
    let loaded = Instant::now();
    let ledger = scene.stub.ledger();
    let drained = || ledger.wrappers_closed() >= outcome.requested;
    // What has not closed by then is named in the proof.
    let _ = wait_until(&mut scene.service, "every wrapper is closed", drain_within, drained).await;
    let drained_after = loaded.elapsed();
    let proof = prove(scene, &[(&plan, outcome.requested)], drain_within).await?;
    Ok(KillFigures {
        kills,
        slowest_start_seconds: slowest_start.as_secs_f64(),
        drained_after_seconds: drained_after.as_secs_f64(),
        outcome,
        proof,
    })
}

/// Asks both sides what became of every closure of the scene: each plan with how many it requested.
pub async fn prove(
    scene: &Scene,
    plans: &[(&LoadPlan, u64)],
    written_within: Duration,
) -> anyhow::Result<Proof> {
    let conversations = plans
        .iter()
        .flat_map(|(plan, requested)| (0..*requested).map(|number| plan.conversation(number)))
        .collect();
    prove_each(scene, &conversations, written_within).await
}

/// The same of these conversations.
pub async fn prove_each(
    scene: &Scene,
    conversations: &HashSet<Uuid>,
    written_within: Duration,
) -> anyhow::Result<Proof> {
    let store = if scene.service.keeps_state() {
        let within = written_within.max(WRITTEN_WITHIN);
        let (address, token) = (scene.service.address(), scene.service.token());
        Some(closures_in_store(address, token, conversations, within).await?)
    } else {
        None
    };
    Ok(Proof { requested: conversations.len() as u64, stub: settled_report(scene).await, store })
}

/// Waits until a condition holds; fails when it does not within `bound`, or when the program ends.
pub async fn wait_until(
    service: &mut Service,
    what: &str,
    bound: Duration,
    holds: impl Fn() -> bool,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    while !holds() {
        service.check_alive()?;
        ensure!(begun.elapsed() < bound, "not within {bound:?}: {what}");
        sleep(LOOK).await;
    }
    Ok(())
}

/// The stub's counts once every webhook that was sent has its answer, or two seconds later: the last wrapper close comes
/// before the answer to the webhook that led to it.
async fn settled_report(scene: &Scene) -> StubReport {
    let give_up = Instant::now() + Duration::from_secs(2);
    loop {
        let report = scene.stub.ledger().report();
        let settled = report.webhooks_answered + report.webhooks_refused + report.webhooks_given_up;
        if settled >= report.webhooks_sent || Instant::now() > give_up {
            return report;
        }
        sleep(Duration::from_millis(10)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(requested: u64) -> Proof {
        Proof {
            requested,
            stub: StubReport { ended: requested, reads: requested, ..StubReport::default() },
            store: Some(StoreVerdict { expected: requested, closed: requested, ..StoreVerdict::default() }),
        }
    }

    #[test]
    fn a_clean_proof_breaks_no_promise() {
        assert!(clean(5).broken_promises(false).is_empty());
    }

    #[test]
    fn a_repeated_call_is_allowed_only_after_kills() {
        let mut proof = clean(5);
        proof.stub.repeated_participant_closes = 1;
        proof.stub.reads = 6;
        assert_eq!(proof.broken_promises(false).len(), 2);
        assert!(proof.broken_promises(true).is_empty());
    }

    #[test]
    fn an_early_or_lost_close_is_never_allowed() {
        let mut proof = clean(5);
        proof.stub.wrapper_closes_before_webhook = 1;
        proof.stub.ended = 4;
        let store = proof.store.as_mut().unwrap();
        store.closed = 4;
        store.lost = 1;
        assert_eq!(proof.broken_promises(true).len(), 4);
    }
}
