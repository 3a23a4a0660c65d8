//! What closures cost that only wait, and how they come back after SIGKILL.

use std::time::{Duration, Instant};

use anyhow::ensure;
use serde::Serialize;
use tokio::time::sleep;

use crate::driver::{Completion, Load, LoadPlan};
use crate::measure::{Proof, measure_load, prove, wait_until};
use crate::service::{Scene, Service, Setup, Subject};

/// Longer than any run: nothing that waits is looked at again before the webhooks are released.
pub const PATIENCE: Duration = Duration::from_secs(3_600);

/// The pause between two readings of memory that should agree.
const READING_PAUSE: Duration = Duration::from_millis(200);

/// How long connections may take to be gone: the service keeps one to Genesys for four seconds without a call.
const ALONE_WITHIN: Duration = Duration::from_secs(30);

/// The pause between two looks at the connections.
const LOOK: Duration = Duration::from_millis(100);

/// For how long a service with nothing to do is watched.
const IDLE: Duration = Duration::from_secs(20);

/// How many readings in a row must agree, within one part in two hundred.
const AGREEING_READINGS: u32 = 3;

/// The most readings.
const MOST_READINGS: u32 = 50;

/// What N waiting closures cost, and how fast they were back.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitingFigures {
    /// How many closures waited for their webhook.
    pub waiting: u64,
    /// Closures accepted per second while none could finish.
    pub accepted_per_second: f64,
    /// Resident memory of a new process on an empty store, in bytes.
    pub resident_idle: u64,
    /// Resident memory after the warm-up, once nobody is connected any more, in bytes.
    pub resident_before: u64,
    /// Resident memory of the process that accepted them, as soon as all of them wait, in bytes: with it the connections of the calls that
    /// were in flight, and their buffers.
    pub resident_accepted: u64,
    /// The same once nobody is connected any more, some five seconds later.
    pub resident_waiting: u64,
    /// What it grew by, for one closure.
    pub grown_per_closure: f64,
    /// Resident memory of a new process that has read all of them, in bytes.
    pub resident_recovered: u64,
    /// What that is above an idle process, for one closure: the closure itself, and its share of filled caches.
    pub bytes_per_closure: f64,
    /// The share of one core, in per cent, that it takes while all of them wait.
    pub idle_cpu_percent: f64,
    /// From SIGKILL to a ready new process, in seconds.
    pub ready_after_seconds: f64,
    /// From SIGKILL to the close of the last wrapper, in seconds.
    pub closed_after_seconds: f64,
    /// What the stub and the store say in the end.
    pub proof: Proof,
}

/// How large a waiting measurement is.
#[derive(Debug, Clone, Copy)]
pub struct WaitingPlan {
    /// How many closures wait.
    pub waiting: u64,
    /// How many closures are closed before, so that pools and caches are not counted as waiting closures.
    pub warm_up: u64,
    /// How many submits are under way at once.
    pub submitting: usize,
    /// The bound for each step: all accepted, all closed.
    pub limit: Duration,
}

/// Lets closures wait for webhooks that are withheld, kills the service, releases the webhooks, and waits for the end.
pub async fn measure_waiting(
    program: &Subject,
    setup: &Setup,
    size: WaitingPlan,
) -> anyhow::Result<WaitingFigures> {
    let setup = Setup { patience: Some(PATIENCE), ..setup.clone() };
    let mut scene = Scene::open(program, &setup).await?;
    let plan = |seed, count, completion| LoadPlan {
        seed,
        count,
        unfinished: size.submitting,
        completion,
        patience: size.limit,
        limit: size.limit,
    };
    let resident_idle = settled_memory(&scene.service).await?;
    let alone = scene.service.sockets()?;
    let warm_up = plan(1, size.warm_up, Completion::WrapperClosed);
    let warmed = measure_load(&mut scene, warm_up.clone()).await?.outcome;
    ensure!(warmed.finished == size.warm_up, "the warm-up did not finish: {warmed:?}");
    wait_until_alone(&scene, alone).await?;
    let resident_before = settled_memory(&scene.service).await?;

    scene.stub.hold_webhooks();
    let held = plan(2, size.waiting, Completion::Accepted);
    let ledger = scene.stub.ledger();
    let load = Load::begin(scene.service.address(), scene.service.token(), scene.stub.ledger(), held.clone());
    let accepted = load.outcome().await?;
    ensure!(accepted.accepted == size.waiting, "not every closure was accepted: {accepted:?}");
    let all = size.warm_up + size.waiting;
    let asked = || ledger.participants_asked() == all;
    wait_until(&mut scene.service, "every participant was asked to leave", size.limit, asked).await?;
    let resident_accepted = settled_memory(&scene.service).await?;
    wait_until_alone(&scene, alone).await?;
    let resident_waiting = settled_memory(&scene.service).await?;

    let service = &mut scene.service;
    service.kill().await?;
    service.restart().await?;
    let resident_recovered = settled_memory(service).await?;
    let idle_cpu_percent = idle_cpu(service).await?;

    let killed = Instant::now();
    service.kill().await?;
    service.restart().await?;
    let ready_after = killed.elapsed();
    scene.stub.release_webhooks();
    let closed = || ledger.wrappers_closed() == all;
    wait_until(service, "every wrapper is closed", size.limit, closed).await?;
    let closed_after = killed.elapsed();

    let proof = prove(&scene, &[(&warm_up, size.warm_up), (&held, size.waiting)], size.limit).await?;
    let per_closure = |more: u64, than: u64| (more as f64 - than as f64) / size.waiting as f64;
    Ok(WaitingFigures {
        waiting: size.waiting,
        accepted_per_second: accepted.per_second,
        resident_idle,
        resident_before,
        resident_accepted,
        resident_waiting,
        grown_per_closure: per_closure(resident_waiting, resident_before),
        resident_recovered,
        bytes_per_closure: per_closure(resident_recovered, resident_idle),
        idle_cpu_percent,
        ready_after_seconds: ready_after.as_secs_f64(),
        closed_after_seconds: closed_after.as_secs_f64(),
        proof,
    })
}

/// Watches a service that has nothing to do.
async fn idle_cpu(service: &Service) -> anyhow::Result<f64> {
    let (begun, before) = (Instant::now(), service.usage()?.cpu_seconds);
    sleep(IDLE).await;
    Ok(100.0 * (service.usage()?.cpu_seconds - before) / begun.elapsed().as_secs_f64())
}

/// Waits until the service has no more sockets than before anybody connected: what connections take is none of what is measured.
pub async fn wait_until_alone(scene: &Scene, alone: usize) -> anyhow::Result<()> {
    scene.stub.close_idle();
    let begun = Instant::now();
    while scene.service.sockets()? > alone {
        ensure!(
            begun.elapsed() < ALONE_WITHIN,
            "connections are still open {ALONE_WITHIN:?} after the last closure"
        );
        sleep(LOOK).await;
    }
    Ok(())
}

/// Reads the resident memory until it no longer moves.
pub async fn settled_memory(service: &Service) -> anyhow::Result<u64> {
    let mut last = service.usage()?.resident;
    let mut agreeing = 0;
    for _ in 0..MOST_READINGS {
        sleep(READING_PAUSE).await;
        let resident = service.usage()?.resident;
        agreeing = if resident.abs_diff(last) <= last / 200 { agreeing + 1 } else { 0 };
        last = resident;
        if agreeing == AGREEING_READINGS {
            break;
        }
    }
    Ok(last)
}
