//! All measurements, one after the other, and what they say together.

use std::time::Duration;

use serde::Serialize;

use crate::driver::{Completion, LoadPlan};
use crate::growth::median;
use crate::machine::Machine;
use crate::measure::{KillFigures, LoadFigures, Proof, measure_kills, measure_load, prove};
use crate::service::{Scene, Setup, Subject};
use crate::turns::{Turn, TurnPlan, Turns, take_turn};
use crate::waiting::{WaitingFigures, WaitingPlan, measure_waiting};

/// The number of unfinished closures that the main figures are measured at.
pub const UNFINISHED: usize = 256;

/// The sizes of all measurements.
#[derive(Debug, Clone)]
pub struct Sizes {
    /// Closures before the first measured one.
    pub warm_up: u64,
    /// Loads at 256 unfinished on each program, in turn.
    pub turns: u32,
    /// Closures of each of them.
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
    /// The sizes of a published measurement: about six minutes.
    pub fn full() -> Self {
        Self {
            warm_up: 2_000,
            turns: 7,
            many: 30_000,
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
            turns: 1,
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
    /// 256 unfinished, to the close of the wrapper: several times, each by a new process, in turn with the other programs.
    pub at_256: Turns,
    /// One unfinished, to the close of the wrapper.
    pub at_1: LoadFigures,
    /// 256 unfinished, to the answer of the long poll; only for a program that knows its closures.
    pub at_256_long_poll: Option<LoadFigures>,
    /// One unfinished, to the answer of the long poll.
    pub at_1_long_poll: Option<LoadFigures>,
    /// What the stub and the store say in the end of all but the turns, each of which has its own.
    pub proof: Proof,
}

impl SubjectFigures {
    /// What was proven of this program, process by process.
    pub fn proofs(&self) -> impl Iterator<Item = &Proof> {
        self.at_256.0.iter().map(|turn| &turn.proof).chain([&self.proof])
    }
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
    /// A ceiling that was built in another way, in the same turns.
    pub other_ceiling: Option<Turns>,
    /// Closures per second of the service, as shares of the ceiling, turn by turn; empty without the service.
    pub shares_of_ceiling: Vec<f64>,
    /// Their median.
    pub share_of_ceiling: Option<f64>,
    /// The same, as a share of the exchanges alone.
    pub share_of_exchanges: Option<f64>,
    /// The same, as a share of the other ceiling.
    pub share_of_other_ceiling: Option<f64>,
    /// Waiting closures.
    pub waiting: Vec<WaitingFigures>,
    /// The run with kills.
    pub kills: Option<KillFigures>,
    /// Every promise that was not kept.
    pub broken_promises: Vec<String>,
}

/// What is measured beside the bare exchanges and the ceiling.
#[derive(Debug, Clone)]
pub struct Others {
    /// The service.
    pub service: Option<Subject>,
    /// A ceiling that was built in another way.
    pub ceiling: Option<Subject>,
}

/// Measures the exchanges alone, the ceiling, and what else there is: in turn at 256 unfinished, then each by itself. `say` is told what
/// begins.
pub async fn run(
    others: &Others,
    setup: &Setup,
    sizes: &Sizes,
    say: &dyn Fn(&str),
) -> anyhow::Result<Report> {
    let machine = Machine::read();
    let (bare, ceiling) = (Subject::bare()?, Subject::ceiling()?);
    let mut loads = Loads::default();
    for turn in 1..=sizes.turns {
        say(&format!("{UNFINISHED} unfinished, turn {turn} of {}", sizes.turns));
        let mut programs = [
            (Some(&bare), &mut loads.bare),
            (others.ceiling.as_ref(), &mut loads.other_ceiling),
            (Some(&ceiling), &mut loads.ceiling),
            (others.service.as_ref(), &mut loads.service),
        ];
        // So that none always comes behind the same other one.
        if turn % 2 == 0 {
            programs.reverse();
        }
        for (subject, turns) in programs {
            if let Some(subject) = subject {
                turns.0.push(take_turn(subject, setup, &sizes.turn()).await?);
            }
        }
    }
    let share_of =
        |turns: &Turns| Some(loads.service.shares_of(turns)).filter(|shares| !shares.is_empty()).map(median);
    let mut report = Report {
        machine,
        webhook_delay_ms: setup.webhook_delay.as_secs_f64() * 1_000.0,
        shares_of_ceiling: loads.service.shares_of(&loads.ceiling),
        share_of_ceiling: share_of(&loads.ceiling),
        share_of_exchanges: share_of(&loads.bare),
        share_of_other_ceiling: share_of(&loads.other_ceiling),
        other_ceiling: others.ceiling.is_some().then_some(loads.other_ceiling),
        bare: measure_alone(&bare, setup, sizes, loads.bare).await?,
        bare_durable: measure_alone(&ceiling, setup, sizes, loads.ceiling).await?,
        service: None,
        waiting: Vec::new(),
        kills: None,
        broken_promises: Vec::new(),
    };
    if let Some(program) = &others.service {
        report.service = Some(measure_alone(program, setup, sizes, loads.service).await?);
    }
    let measured = [
        ("bare", Some(&report.bare)),
        ("ceiling", Some(&report.bare_durable)),
        ("service", report.service.as_ref()),
    ];
    let broken =
        measured.into_iter().flat_map(|(name, figures)| figures.map(|figures| broken_of(name, figures)));
    report.broken_promises = broken.flatten().collect();
    if let Some(turns) = &report.other_ceiling {
        let broken = turns.0.iter().flat_map(broken_in_turn);
        report.broken_promises.extend(broken.map(|text| format!("other ceiling: {text}")));
    }
    let turns = [Some(&report.bare.at_256), Some(&report.bare_durable.at_256), report.other_ceiling.as_ref()];
    let service = report.service.as_ref().map(|figures| &figures.at_256);
    let loads = turns.into_iter().chain([service]).flatten().flat_map(|turns| &turns.0);
    let cut = loads.filter(|turn| turn.load.outcome.requested < sizes.many).count();
    if cut > 0 {
        report.broken_promises.push(format!("turns cut at {:?}: {cut}", sizes.limit));
    }
    if let Some(program) = &others.service {
        report.measure_restarts(program, setup, sizes, say).await?;
    }
    Ok(report)
}

/// The turns of each program.
#[derive(Default)]
struct Loads {
    bare: Turns,
    other_ceiling: Turns,
    ceiling: Turns,
    service: Turns,
}

impl Sizes {
    fn turn(&self) -> TurnPlan {
        let plan = |seed, count| plan(seed, count, UNFINISHED, Completion::WrapperClosed, self.limit);
        TurnPlan { warm_up: plan(1, self.warm_up), load: plan(2, self.many) }
    }
}

impl Report {
    /// What closures that wait cost, and what kills do.
    async fn measure_restarts(
        &mut self,
        program: &Subject,
        setup: &Setup,
        sizes: &Sizes,
        say: &dyn Fn(&str),
    ) -> anyhow::Result<()> {
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

/// One unfinished, and the long polls, by one more process; its turns are those that were taken before.
async fn measure_alone(
    subject: &Subject,
    setup: &Setup,
    sizes: &Sizes,
    at_256: Turns,
) -> anyhow::Result<SubjectFigures> {
    use Completion::{LongPoll, WrapperClosed};
    let mut scene = Scene::open(subject, setup).await?;
    let limit = sizes.limit;
    let warm_up = plan(1, sizes.warm_up, UNFINISHED, WrapperClosed, limit);
    let single = plan(3, sizes.single, 1, WrapperClosed, limit);
    let mut plans = vec![warm_up.clone(), single.clone()];
    let warmed = measure_load(&mut scene, warm_up).await?;
    let at_1 = measure_load(&mut scene, single).await?;
    let mut requested = vec![warmed.outcome.requested, at_1.outcome.requested];
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
    let turns = figures.at_256.0.iter().flat_map(broken_in_turn);
    let polled = [figures.at_256_long_poll.as_ref(), figures.at_1_long_poll.as_ref()];
    let alone = [Some(&figures.at_1)].into_iter().chain(polled).flatten();
    let alone = figures.proof.broken_promises(false).into_iter().chain(alone.flat_map(broken_in_load));
    turns.chain(alone).map(|text| format!("{name}: {text}")).collect()
}

fn broken_in_turn(turn: &Turn) -> Vec<String> {
    let loads = [&turn.warm_up, &turn.load].into_iter().flat_map(broken_in_load);
    turn.proof.broken_promises(false).into_iter().chain(loads).collect()
}

fn broken_in_load(load: &LoadFigures) -> Vec<String> {
    let outcome = &load.outcome;
    let mut broken = Vec::new();
    if outcome.errors > 0 {
        broken.push(errors_of(outcome));
    }
    if outcome.finished + outcome.errors < outcome.requested {
        broken.push(format!("finished in time: {} of {}", outcome.finished, outcome.requested));
    }
    broken
}

fn errors_of(outcome: &crate::driver::LoadOutcome) -> String {
    let first = outcome.first_error.as_deref().unwrap_or_default();
    format!("requests refused: {}, the first with: {first}", outcome.errors)
}
