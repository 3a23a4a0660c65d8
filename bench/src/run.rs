//! All measurements, one after the other, and what they say together.

use std::time::Duration;

use serde::Serialize;

use crate::driver::{Completion, LoadPlan};
use crate::machine::Machine;
use crate::measure::{KillFigures, LoadFigures, Proof, measure_kills, measure_load, prove};
use crate::service::{Scene, Setup, Subject};
use crate::waiting::{WaitingFigures, WaitingPlan, measure_waiting};

/// The number of unfinished closures that the main figures are measured at.
pub const UNFINISHED: usize = 256;

/// The sizes of all measurements.
#[derive(Debug, Clone)]
pub struct Sizes {
    /// Closures before the first measured one.
    pub warm_up: u64,
    /// Closures at 256 unfinished.
    pub many: u64,
    /// Closures at 1 unfinished.
    pub single: u64,
    /// Numbers of waiting closures.
    pub waiting: Vec<u64>,
    /// Fewest closures of the run with kills.
    pub under_kills: u64,
    /// Number of kills.
    pub kills: u32,
    /// Time between two kills.
    pub kill_every: Duration,
    /// The bound of each measurement.
    pub limit: Duration,
}

impl Sizes {
    /// The sizes of a published measurement: about four minutes.
    pub fn full() -> Self {
        Self {
            warm_up: 2_000,
            many: 50_000,
            single: 1_000,
            waiting: vec![20_000, 200_000],
            under_kills: 10_000,
            kills: 5,
            kill_every: Duration::from_secs(2),
            limit: Duration::from_secs(180),
        }
    }

    /// Sizes that show in under a minute that everything works; their figures mean little.
    pub fn quick() -> Self {
        Self {
            warm_up: 100,
            many: 2_000,
            single: 50,
            waiting: vec![1_000],
            under_kills: 500,
            kills: 2,
            kill_every: Duration::from_millis(500),
            limit: Duration::from_secs(60),
        }
    }
}

/// The figures of one program.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SubjectFigures {
    /// 256 unfinished, to the close of the wrapper.
    pub at_256: LoadFigures,
    /// One unfinished, to the close of the wrapper.
    pub at_1: LoadFigures,
    /// 256 unfinished, to the answer of the long poll; only for a program that knows its closures.
    pub at_256_long_poll: Option<LoadFigures>,
    /// One unfinished, to the answer of the long poll.
    pub at_1_long_poll: Option<LoadFigures>,
    /// What the stub and the store say in the end.
    pub proof: Proof,
}

/// Everything that `closeout-bench run` found out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The machine.
    pub machine: Machine,
    /// The stub's delay before a webhook, in milliseconds.
    pub webhook_delay_ms: f64,
    /// The exchanges alone.
    pub bare: SubjectFigures,
    /// The ceiling: the exchanges, and four durable writes a closure that share transactions.
    pub bare_durable: SubjectFigures,
    /// The service.
    pub service: Option<SubjectFigures>,
    /// Closures per second of the service, as a share of the ceiling.
    pub share_of_ceiling: Option<f64>,
    /// The same, as a share of the exchanges alone.
    pub share_of_exchanges: Option<f64>,
    /// Waiting closures.
    pub waiting: Vec<WaitingFigures>,
    /// The run with kills.
    pub kills: Option<KillFigures>,
    /// Every promise that was not kept.
    pub broken_promises: Vec<String>,
}

/// Measures the exchanges alone, the ceiling, then the service if there is one. `say` is told what begins.
pub async fn run(
    service: Option<&Subject>,
    setup: &Setup,
    sizes: &Sizes,
    say: &dyn Fn(&str),
) -> anyhow::Result<Report> {
    let machine = Machine::read();
    say("the bare exchanges");
    let bare = measure_subject(&Subject::Bare, setup, sizes).await?;
    say("the ceiling: exchanges and durable writes");
    let bare_durable = measure_subject(&Subject::BareDurable, setup, sizes).await?;
    let mut broken_promises = broken_of("bare", &bare);
    broken_promises.extend(broken_of("ceiling", &bare_durable));
    let mut report = Report {
        machine,
        webhook_delay_ms: setup.webhook_delay.as_secs_f64() * 1_000.0,
        broken_promises,
        bare,
        bare_durable,
        service: None,
        share_of_ceiling: None,
        share_of_exchanges: None,
        waiting: Vec::new(),
        kills: None,
    };
    if let Some(program) = service {
        report.measure_service(program, setup, sizes, say).await?;
    }
    Ok(report)
}

impl Report {
    async fn measure_service(
        &mut self,
        program: &Subject,
        setup: &Setup,
        sizes: &Sizes,
        say: &dyn Fn(&str),
    ) -> anyhow::Result<()> {
        say("the service");
        let figures = measure_subject(program, setup, sizes).await?;
        self.broken_promises.extend(broken_of("service", &figures));
        let share_of = |other: &SubjectFigures| {
            Some(figures.at_256.outcome.per_second / other.at_256.outcome.per_second)
        };
        self.share_of_ceiling = share_of(&self.bare_durable);
        self.share_of_exchanges = share_of(&self.bare);
        self.service = Some(figures);

        for waiting in &sizes.waiting {
            say(&format!("{waiting} waiting closures"));
            let size = WaitingPlan {
                waiting: *waiting,
                warm_up: sizes.warm_up,
                submitting: UNFINISHED,
                limit: sizes.limit,
            };
            let figures = measure_waiting(program, setup, size).await?;
            let broken = figures.proof.broken_promises(true);
            self.broken_promises.extend(broken.into_iter().map(|text| format!("{waiting} waiting: {text}")));
            self.waiting.push(figures);
        }

        if sizes.kills > 0 {
            say(&format!("{} kills, one every {:?}", sizes.kills, sizes.kill_every));
            let mut scene = Scene::open(program, setup).await?;
            let plan = LoadPlan {
                // A closure that was cut by a kill is looked at again later; the load does not wait for it.
                patience: sizes.kill_every,
                ..plan(7, sizes.under_kills, UNFINISHED, Completion::WrapperClosed, sizes.limit)
            };
            let figures = measure_kills(&mut scene, plan, sizes.kill_every, sizes.kills, sizes.limit).await?;
            let broken = figures.proof.broken_promises(true);
            self.broken_promises.extend(broken.into_iter().map(|text| format!("kills: {text}")));
            if figures.outcome.errors > 0 {
                self.broken_promises.push(format!("kills: {}", errors_of(&figures.outcome)));
            }
            self.kills = Some(figures);
        }
        Ok(())
    }
}

async fn measure_subject(subject: &Subject, setup: &Setup, sizes: &Sizes) -> anyhow::Result<SubjectFigures> {
    use Completion::{LongPoll, WrapperClosed};
    let mut scene = Scene::open(subject, setup).await?;
    let limit = sizes.limit;
    let warm_up = plan(1, sizes.warm_up, UNFINISHED, WrapperClosed, limit);
    let many = plan(2, sizes.many, UNFINISHED, WrapperClosed, limit);
    let single = plan(3, sizes.single, 1, WrapperClosed, limit);
    let mut plans = vec![warm_up.clone(), many.clone(), single.clone()];
    let warmed = measure_load(&mut scene, warm_up).await?;
    let at_256 = measure_load(&mut scene, many).await?;
    let at_1 = measure_load(&mut scene, single).await?;
    let mut requested = vec![warmed.outcome.requested, at_256.outcome.requested, at_1.outcome.requested];
    let (mut at_256_long_poll, mut at_1_long_poll) = (None, None);
    if scene.service.keeps_state() {
        for (seed, count, unfinished, figures) in [
            (4, sizes.many / 5, UNFINISHED, &mut at_256_long_poll),
            (5, sizes.single, 1, &mut at_1_long_poll),
        ] {
            let polled = plan(seed, count, unfinished, LongPoll, limit);
            plans.push(polled.clone());
            let measured = measure_load(&mut scene, polled).await?;
            requested.push(measured.outcome.requested);
            *figures = Some(measured);
        }
    }
    let requested: Vec<_> = plans.iter().zip(requested).collect();
    let proof = prove(&scene, &requested, Duration::ZERO).await?;
    Ok(SubjectFigures { at_256, at_1, at_256_long_poll, at_1_long_poll, proof })
}

/// A plan whose patience with one closure is its bound.
pub fn plan(seed: u64, count: u64, unfinished: usize, completion: Completion, limit: Duration) -> LoadPlan {
    LoadPlan { seed, count, unfinished, completion, patience: limit.min(Duration::from_secs(60)), limit }
}

fn broken_of(name: &str, figures: &SubjectFigures) -> Vec<String> {
    let loads = [Some(&figures.at_256), Some(&figures.at_1)];
    let polled = [figures.at_256_long_poll.as_ref(), figures.at_1_long_poll.as_ref()];
    let mut broken = figures.proof.broken_promises(false);
    for outcome in loads.into_iter().chain(polled).flatten().map(|load| &load.outcome) {
        if outcome.errors > 0 {
            broken.push(errors_of(outcome));
        }
        if outcome.finished + outcome.errors < outcome.requested {
            broken.push(format!("finished in time: {} of {}", outcome.finished, outcome.requested));
        }
    }
    broken.into_iter().map(|text| format!("{name}: {text}")).collect()
}

fn errors_of(outcome: &crate::driver::LoadOutcome) -> String {
    let first = outcome.first_error.as_deref().unwrap_or_default();
    format!("requests refused: {}, the first with: {first}", outcome.errors)
}
