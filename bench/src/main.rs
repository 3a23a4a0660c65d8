//! The load driver, its stub of the remote side, and the benchmarks.
//!
//! ```text
//!            ┌── POST /v1/closures ──► program under test ── GET, PATCH, PATCH ──►┐
//!  driver ───┤                              ▲                                      stub
//!            └── "the wrapper is closed" ◄──┼────── signed webhook ◄──────────────┘
//! ```
//!
//! Driver and stub live in this process, so that the close of a wrapper is seen and timed with one clock; the program
//! under test is a child process. Everything talks over loopback; every run is bounded in number and time.

use anyhow::Context;
use clap::Parser;

mod bare;
mod database;
mod driver;
mod growth;
mod honest;
mod http_pool;
mod listen;
mod machine;
mod measure;
mod offer;
mod options;
mod overload;
mod pages;
mod process;
mod report;
mod run;
mod service;
mod signature;
mod slow;
mod soak;
mod stub;
mod turns;
mod waiting;
mod webhooks;

use database::Database;
use driver::Completion;
use growth::{GrowthPlan, measure_growth};
use measure::{Proof, measure_kills, measure_load, prove};
use options::{
    Act, GrowthOptions, LoadOptions, Options, Output, OverloadOptions, PagesOptions, RunOptions,
    SceneOptions, SlowOptions, SoakOptions, StubOptions, Until, WaitingOptions, WebhooksOptions,
};
use overload::{OverloadPlan, measure_overload};
use pages::{PagesPlan, measure_pages};
use run::{Others, Sizes, plan};
use service::{Scene, Setup, Subject};
use soak::{SoakPlan, measure_soak};
use stub::{HookTarget, Stub};
use waiting::{WaitingPlan, measure_waiting};

/// The exit code when a measurement was made but a promise was broken.
const PROMISE_BROKEN: u8 = 1;

/// The exit code when nothing could be measured.
const NOT_MEASURED: u8 = 2;

fn main() -> std::process::ExitCode {
    let options = Options::parse();
    if let Act::Child { parent, command } = &options.act {
        // Returns only when it failed.
        return finish(process::become_child(*parent, command).map(|()| true));
    }
    let threads = options.threads.unwrap_or_else(half_of_the_cores);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    finish(runtime.context("cannot start the runtime").and_then(|runtime| {
        runtime.block_on(async {
            tokio::select! {
                done = act(options.act) => done,
                _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
            }
        })
    }))
}

/// The other half is for the program under test; threads that fight for a core make both sides slower.
fn half_of_the_cores() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2))
}

fn finish(done: anyhow::Result<bool>) -> std::process::ExitCode {
    match done {
        Ok(true) => std::process::ExitCode::SUCCESS,
        Ok(false) => PROMISE_BROKEN.into(),
        Err(error) => {
            eprintln!("closeout-bench: {error:#}");
            NOT_MEASURED.into()
        }
    }
}

/// Does what was asked for; true when every promise was kept.
async fn act(act: Act) -> anyhow::Result<bool> {
    match act {
        Act::Run(options) => run_all(options).await,
        Act::Load(options) => load(options).await,
        Act::Waiting(options) => wait(options).await,
        Act::Slow(options) => crowd(options).await,
        Act::Webhooks(options) => webhooks(options).await,
        Act::Overload(options) => overload(options).await,
        Act::Growth(options) => growth(options).await,
        Act::Soak(options) => soak(options).await,
        Act::Pages(options) => pages(options).await,
        Act::Stub(options) => serve_stub(options).await,
        Act::Bare(options) => {
            bare::serve(options.listen, options.genesys, &options.hook_secret, options.store.as_deref())
                .await?;
            Ok(true)
        }
        Act::Child { .. } => anyhow::bail!("a child is started before the runtime"),
    }
}

async fn run_all(options: RunOptions) -> anyhow::Result<bool> {
    let mut sizes = if options.quick { Sizes::quick() } else { Sizes::full() };
    sizes.turns = options.turns.unwrap_or(sizes.turns);
    sizes.many = options.count.unwrap_or(sizes.many);
    sizes.single = options.single.unwrap_or(sizes.single);
    sizes.kills = options.kills.unwrap_or(sizes.kills);
    sizes.waiting = options.waiting.unwrap_or(sizes.waiting);
    let (service, setup) = scene(options.scene);
    let others = Others {
        service: (!options.only_bare).then_some(service),
        ceiling: options.other_ceiling.map(Subject::Ceiling),
    };
    let report = run::run(&others, &setup, &sizes, &|what| eprintln!("measuring {what} …")).await?;
    match options.output {
        Output::Table => print!("{}", report::table(&report)),
        Output::Json => println!("{}", serde_json::to_string_pretty(&report)?),
    }
    Ok(report.broken_promises.is_empty())
}

async fn load(options: LoadOptions) -> anyhow::Result<bool> {
    let (service, setup) = scene(options.scene);
    let subject = match (options.bare, options.bare_durable, options.other_ceiling) {
        (true, _, _) => Subject::bare()?,
        (_, true, _) => Subject::ceiling()?,
        (_, _, Some(program)) => Subject::Ceiling(program),
        _ => service,
    };
    let completion = match options.until {
        Until::Wrapper => Completion::WrapperClosed,
        Until::Wait => Completion::LongPoll,
    };
    let mut plan = plan(1, options.count, options.unfinished, completion, options.limit);
    let mut scene = Scene::open(&subject, &setup).await?;
    if let Some(every) = options.kill_every {
        plan.patience = every;
        let figures = measure_kills(&mut scene, plan, every, options.kills, options.limit).await?;
        println!("{}", serde_json::to_string_pretty(&figures)?);
        return Ok(kept(&figures.proof, true) && figures.outcome.errors == 0);
    }
    let figures = measure_load(&mut scene, plan.clone()).await?;
    let requested = figures.outcome.requested;
    let proof = prove(&scene, &[(&plan, requested)], std::time::Duration::ZERO).await?;
    println!("{}", serde_json::to_string_pretty(&serde_json::json!({ "load": figures, "proof": proof }))?);
    // A program that watches itself writes down what it saw when it is asked to end, and not when it is killed.
    scene.service.end().await?;
    Ok(kept(&proof, false) && figures.outcome.finished == requested)
}

async fn wait(options: WaitingOptions) -> anyhow::Result<bool> {
    let (service, setup) = scene(options.scene);
    let size = WaitingPlan {
        waiting: options.count,
        warm_up: options.warm_up,
        submitting: run::UNFINISHED,
        limit: options.limit,
    };
    let figures = measure_waiting(&service, &setup, size).await?;
    println!("{}", serde_json::to_string_pretty(&figures)?);
    Ok(kept(&figures.proof, true))
}

async fn crowd(options: SlowOptions) -> anyhow::Result<bool> {
    let (service, setup) = scene(options.scene);
    let figures = slow::measure_slow(&service, &setup, options.connections).await?;
    println!("{}", serde_json::to_string_pretty(&figures)?);
    Ok(none_broken(&figures.iter().flat_map(slow::CrowdFigures::broken_promises).collect::<Vec<_>>()))
}

async fn webhooks(options: WebhooksOptions) -> anyhow::Result<bool> {
    let (service, setup) = scene(options.scene);
    let figures = webhooks::measure_webhooks(&service, &setup, options.count, options.at_once).await?;
    println!("{}", serde_json::to_string_pretty(&figures)?);
    Ok(none_broken(&figures.broken_promises()))
}

async fn overload(options: OverloadOptions) -> anyhow::Result<bool> {
    let (service, setup) = scene(options.scene);
    let plan = OverloadPlan {
        unfinished: run::UNFINISHED,
        peak_for: options.peak_for,
        times: options.times,
        lasts: options.lasts,
        on_their_way: options.on_their_way,
        heed: options.heed,
        look_every: options.look_every,
        limit: options.limit,
    };
    let figures = measure_overload(&service, &setup, plan).await?;
    println!("{}", serde_json::to_string_pretty(&figures)?);
    Ok(none_broken(&figures.broken_promises()))
}

async fn growth(options: GrowthOptions) -> anyhow::Result<bool> {
    let (service, setup) = scene(options.scene);
    let plan = GrowthPlan {
        up_to: options.up_to,
        rounds: options.rounds,
        count: options.count,
        unfinished: run::UNFINISHED,
        limit: options.limit,
    };
    let figures = measure_growth(&service, &setup, plan).await?;
    println!("{}", serde_json::to_string_pretty(&figures)?);
    Ok(none_broken(&figures.broken_promises()))
}

async fn soak(options: SoakOptions) -> anyhow::Result<bool> {
    let (service, setup) = scene(options.scene);
    let plan = SoakPlan {
        count: options.count,
        parts: options.parts,
        unfinished: run::UNFINISHED,
        limit: options.limit,
    };
    let figures = measure_soak(&service, &setup, plan).await?;
    println!("{}", serde_json::to_string_pretty(&figures)?);
    Ok(none_broken(&figures.broken_promises()))
}

async fn pages(options: PagesOptions) -> anyhow::Result<bool> {
    let (service, setup) = scene(options.scene);
    let plan = PagesPlan {
        count: options.count,
        unfinished: run::UNFINISHED,
        times: options.times,
        limit: options.limit,
    };
    let figures = measure_pages(&service, &setup, plan).await?;
    println!("{}", serde_json::to_string_pretty(&figures)?);
    Ok(none_broken(&figures.broken_promises()))
}

async fn serve_stub(options: StubOptions) -> anyhow::Result<bool> {
    let hook = HookTarget { url: options.hook, secret: options.hook_secret, delay: options.webhook_delay };
    let stub = Stub::start(options.listen, &hook)?;
    eprintln!("the stub listens on http://{}", stub.address());
    std::future::pending::<()>().await;
    Ok(true)
}

fn scene(options: SceneOptions) -> (Subject, Setup) {
    let database = options.store.map(|url| Database { url, process: options.database });
    let (folder, webhook_delay) = (options.folder, options.webhook_delay);
    let setup = Setup { folder, webhook_delay, patience: None, database };
    (Subject::Closeout(options.closeout), setup)
}

/// Tells every broken promise; true when there is none.
fn kept(proof: &Proof, after_kills: bool) -> bool {
    none_broken(&proof.broken_promises(after_kills))
}

/// Tells each of them; true when there is none.
fn none_broken(broken: &[String]) -> bool {
    for promise in broken {
        eprintln!("BROKEN  {promise}");
    }
    broken.is_empty()
}
