//! What the service closes while it is offered several times what it can close, and how it refuses the rest.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde::Serialize;
use uuid::Uuid;

use crate::driver::{Completion, Latency, Load, LoadPlan};
use crate::honest::{Honest, HonestFigures};
use crate::measure::{Proof, prove_each, wait_until};
use crate::offer::{Answers, OfferPlan, Offering};
use crate::process::own_cpu_seconds;
use crate::service::{Scene, Setup, Subject};

/// The closures before the peak is measured.
const WARM_UP: u64 = 2_000;

/// The share of the peak that must still be closed.
const LEAST_SHARE: f64 = 0.8;

/// How the service is overloaded.
#[derive(Debug, Clone, Copy)]
pub struct OverloadPlan {
    /// How many closures are unfinished at once while the peak is measured.
    pub unfinished: usize,
    /// For how long the peak is measured.
    pub peak_for: Duration,
    /// How many times the peak is offered.
    pub times: u32,
    /// For how long.
    pub lasts: Duration,
    /// The most requests without an answer at once.
    pub on_their_way: usize,
    /// Whether whoever is refused sends nothing for as long as `Retry-After` says.
    pub heed: bool,
    /// The pause between two looks of an honest client at the list of closures, each on a connection of its own.
    pub look_every: Duration,
    /// How long all that was accepted may take to end.
    pub limit: Duration,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OverloadFigures {
    /// Closures closed a second at the peak: 256 unfinished, each followed by the next.
    pub peak_per_second: f64,
    /// CPU seconds of the service a second meanwhile.
    pub peak_service_cores: f64,
    /// CPU seconds of driver and stub a second meanwhile.
    pub peak_driver_cores: f64,
    /// The most memory of the service until then, in bytes.
    pub peak_resident_before: u64,
    /// Requests sent a second under overload, whatever came of those before.
    pub offered_per_second: f64,
    /// Requests that were due and not sent, because too many were without an answer, or as their senders waited as they were told.
    pub not_sent: u64,
    /// Wrappers closed a second under overload.
    pub closed_per_second: f64,
    /// What that is of the peak.
    pub share_of_peak: f64,
    /// CPU seconds of the service a second under overload.
    pub service_cores: f64,
    /// CPU seconds of driver and stub a second under overload.
    pub driver_cores: f64,
    /// What was answered.
    pub answers: Answers,
    /// From a request to its answer, of those that were accepted.
    pub accepted_latency: Latency,
    /// The same of those that were refused.
    pub refused_latency: Latency,
    /// What an honest client had of it, that only looks.
    pub honest: HonestFigures,
    /// The most memory of the service until the end of the overload, in bytes.
    pub peak_resident: u64,
    /// Closures that were accepted and had not ended when the last request was sent.
    pub left_open: u64,
    /// From then until the last one of them was closed.
    pub drained_after_seconds: f64,
    /// What the stub and the store say in the end.
    pub proof: Proof,
}

impl OverloadFigures {
    /// What was not kept of: goodput, refusals that say when to come again, and an end for all that was accepted.
    pub fn broken_promises(&self) -> Vec<String> {
        let mut broken = self.proof.broken_promises(false);
        broken.extend(self.honest.broken_promises());
        let answers = &self.answers;
        if self.share_of_peak < LEAST_SHARE {
            let percent = self.share_of_peak * 100.0;
            broken.push(format!("closed a second under overload: {percent:.0} % of the peak, must be 80 %"));
        }
        if answers.refused_otherwise > 0 {
            let first = answers.first_otherwise.as_deref().unwrap_or_default();
            let count = answers.refused_otherwise;
            broken
                .push(format!("refused, but not with 503 and Retry-After: {count}, the first with {first}"));
        }
        if answers.without_answer > 0 {
            broken.push(format!("requests without an answer: {}", answers.without_answer));
        }
        broken
    }
}

/// CPU time at one moment, of the service and of driver and stub.
struct CpuTime {
    at: Instant,
    service: f64,
    driver: f64,
}

/// Measures the peak, offers several times that, and waits for the end of all that was accepted.
pub async fn measure_overload(
    subject: &Subject,
    setup: &Setup,
    plan: OverloadPlan,
) -> anyhow::Result<OverloadFigures> {
    let mut scene = Scene::open(subject, setup).await?;
    let (mut closed, _) = closed_loop(&mut scene, 1, WARM_UP, &plan, plan.limit).await?;
    let before = CpuTime::of(&scene)?;
    let (at_peak, peak_per_second) = closed_loop(&mut scene, 2, u64::MAX, &plan, plan.peak_for).await?;
    let (peak_service_cores, peak_driver_cores) = CpuTime::of(&scene)?.cores_since(&before);
    closed.extend(at_peak);
    let peak_resident_before = scene.service.usage()?.peak_resident;

    let ledger = scene.stub.ledger();
    let closed_before = ledger.wrappers_closed();
    let before = CpuTime::of(&scene)?;
    let offer = OfferPlan {
        per_second: peak_per_second * f64::from(plan.times),
        lasts: plan.lasts,
        on_their_way: plan.on_their_way,
        heed: plan.heed,
    };
    let honest = Honest::begin(scene.service.address(), scene.service.token(), plan.look_every);
    let offering = Offering::made(scene.service.address(), scene.service.token(), offer).await;
    let after = CpuTime::of(&scene)?;
    let (service_cores, driver_cores) = after.cores_since(&before);
    let seconds = (after.at - before.at).as_secs_f64();
    let closed_meanwhile = ledger.wrappers_closed() - closed_before;
    let honest = honest.end().await?;
    let (sent, not_sent) = (offering.sent, offering.not_sent);
    let offered = offering.answered().await?;
    scene.service.check_alive()?;
    let left_open = offered.answers.accepted.saturating_sub(closed_meanwhile);
    closed.extend(&offered.accepted);
    let all = closed.len() as u64;
    wait_until(&mut scene.service, "all that was accepted is closed", plan.limit, || {
        ledger.wrappers_closed() >= all
    })
    .await?;
    let drained_after_seconds = after.at.elapsed().as_secs_f64();
    let peak_resident = scene.service.usage()?.peak_resident;
    let closed_per_second = closed_meanwhile as f64 / seconds;
    Ok(OverloadFigures {
        peak_per_second,
        peak_service_cores,
        peak_driver_cores,
        peak_resident_before,
        offered_per_second: sent as f64 / seconds,
        not_sent,
        closed_per_second,
        share_of_peak: closed_per_second / peak_per_second,
        service_cores,
        driver_cores,
        answers: offered.answers,
        accepted_latency: Latency::of(offered.accepted_us),
        refused_latency: Latency::of(offered.refused_us),
        honest,
        peak_resident,
        left_open,
        drained_after_seconds,
        proof: prove_each(&scene, &closed, plan.limit).await?,
    })
}

/// Closes as many as it can, up to `count` and for so long; which ones, and how many a second.
async fn closed_loop(
    scene: &mut Scene,
    seed: u64,
    count: u64,
    plan: &OverloadPlan,
    lasts: Duration,
) -> anyhow::Result<(HashSet<Uuid>, f64)> {
    let load_plan = LoadPlan {
        seed,
        count,
        unfinished: plan.unfinished,
        completion: Completion::WrapperClosed,
        patience: plan.limit,
        limit: lasts,
    };
    let (address, token) = (scene.service.address(), scene.service.token());
    let outcome = Load::begin(address, token, scene.stub.ledger(), load_plan.clone()).outcome().await?;
    scene.service.check_alive()?;
    ensure!(outcome.finished == outcome.requested, "not every closure was closed: {outcome:?}");
    let closed = (0..outcome.requested).map(|number| load_plan.conversation(number)).collect();
    Ok((closed, outcome.per_second))
}

impl CpuTime {
    fn of(scene: &Scene) -> anyhow::Result<Self> {
        let service = scene.service.usage()?.cpu_seconds;
        Ok(Self { at: Instant::now(), service, driver: own_cpu_seconds()? })
    }

    /// How many cores each had since then.
    fn cores_since(&self, before: &Self) -> (f64, f64) {
        let seconds = (self.at - before.at).as_secs_f64();
        ((self.service - before.service) / seconds, (self.driver - before.driver) / seconds)
    }
}
