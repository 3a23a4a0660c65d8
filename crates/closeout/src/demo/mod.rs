//! `closeout demo`: a whole run, with faults, forgers and a crash, and the proof for each session.
//!
//! The simulator runs in this process; the service is a process of its own, so that it can be killed for real. Nothing is
//! reached but loopback, and the temporary folder goes with the end.

mod cast;
mod follow;
mod report;
mod service;
mod submit;

use std::{
    collections::HashMap,
    io::IsTerminal as _,
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use clap::Args;
use genesys_simulator::{BodyFormat, DelayRange, Quota, Signing, Simulator, WebhookAdapter};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::{follow::Follower, service::Service};

/// What the demo can be told.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  closeout demo\n  closeout demo --sessions 400 --seed 9\n  closeout demo --keep    keeps the temporary folder with database, log and configuration"
)]
pub struct DemoArgs {
    /// How many sessions to close (at least 200, at most 450)
    #[arg(long, default_value_t = 240, value_parser = clap::value_parser!(u32).range(200..=450))]
    sessions: u32,
    /// Seed of all faults: the same seed, the same faults
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Keep the temporary folder with database, log and configuration
    #[arg(long)]
    keep: bool,
}

/// Requests that the simulated Genesys allows in one window: the real number, in a shorter window.
const REQUESTS: u32 = 300;

/// The shortened window, so that the run shows the quota at work and still ends within a minute.
const WINDOW: Duration = Duration::from_secs(3);

/// The longest that the demo waits for sessions to settle.
const PATIENCE: Duration = Duration::from_secs(75);

/// How many sessions in a hundred are settled when the service is killed.
const KILL_AT_PERCENT: usize = 40;

/// Runs the demo; success only if every promise held.
///
/// # Errors
///
/// When simulator or service cannot be started or reached.
pub async fn run(args: &DemoArgs) -> Result<ExitCode> {
    let started = Instant::now();
    let folder = tempfile::Builder::new().prefix("closeout-demo-").tempdir()?;
    let secret = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    let key = format!("ck_{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    let address = service::free_address()?;
    let base = format!("http://{address}");

    let stop = CancellationToken::new();
    let (simulator, simulator_base) = simulate(args, &base, &secret, &stop).await?;
    let cast = cast::cast(&simulator, args.sessions)?;
    let settings = service::Settings {
        folder: folder.path().to_path_buf(),
        address,
        region: simulator_base.clone(),
        secret,
        key: key.clone(),
        window: WINDOW,
        requests: REQUESTS,
    };
    settings.write().context("the configuration of the demo cannot be written")?;
    print!("{}", report::opening(args.sessions, &cast, &base, &simulator_base));

    let mut service = Service::start(&settings).await?;
    let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build()?;
    let api = submit::Api { client, base: base.clone(), key };
    let accepted = Arc::new(AtomicUsize::new(0));
    let submitting =
        tokio::spawn(submit::submit_all(api.clone(), cast.sessions.clone(), Arc::clone(&accepted)));

    let mut follower = Follower::new(args.sessions as usize, std::io::stderr().is_terminal());
    let mut killed = None;
    let give_up = started + PATIENCE;
    let closures = loop {
        let closures = api.closures().await.unwrap_or_default();
        let settled = follow::settled(&closures);
        follower.show(&closures, accepted.load(Ordering::Relaxed), killed.is_some());
        if killed.is_none() && settled * 100 >= cast.sessions.len() * KILL_AT_PERCENT {
            follower.say("kill -9: the service is gone in the middle of its work, and is started again");
            let open = closures.len() - settled;
            service.kill().await?;
            let down = Instant::now();
            service = Service::start(&settings).await?;
            killed = Some(report::Crash { open, back_after: down.elapsed() });
        }
        let all_in = submitting.is_finished() && closures.len() == cast.sessions.len();
        if (all_in
            && follow::all_settled(&closures)
            && follower.quiet_for(Duration::from_millis(1_500), &closures))
            || Instant::now() > give_up
        {
            break closures;
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
    };
    follower.finish();
    let submitted: HashMap<Uuid, String> = submitting.await??;
    let ghosts = api.ghosts().await.unwrap_or_default();
    service.kill().await?;
    stop.cancel();

    let outcome = report::Outcome {
        cast: &cast,
        submitted: &submitted,
        closures: &closures,
        ghosts: &ghosts,
        simulator: &simulator,
        crash: killed,
        took: started.elapsed(),
    };
    let held = report::closing(&outcome);
    if args.keep {
        let kept: PathBuf = folder.keep();
        eprintln!("kept: {} (closeout.db, closeout.toml, service.log, tokens.toml)", kept.display());
    }
    Ok(if held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn simulate(
    args: &DemoArgs,
    service: &str,
    secret: &str,
    stop: &CancellationToken,
) -> Result<(Simulator, String)> {
    let signing = Signing::HubSha256Base64 { secret: SecretString::from(secret.to_owned()) };
    let webhook = WebhookAdapter::new("relay", format!("{service}/hooks/relay"), signing)
        .format(BodyFormat::Eventbridge);
    let simulator = Simulator::builder()
        .seed(args.seed)
        .quota(Quota { requests: Some(REQUESTS), window: WINDOW })
        .effect_delay(DelayRange::millis(20, 120))
        .event_delay(DelayRange::millis(20, 150))
        .delivery_retries(Duration::from_millis(300), 12)
        .journal_capacity(200_000)
        .webhook(webhook)
        .build()
        .context("the simulator cannot be built")?;
    let listener = TcpListener::bind("127.0.0.1:0").await.context("no free port on loopback")?;
    let base = format!("http://{}", listener.local_addr()?);
    let (serving, stop) = (simulator.clone(), stop.clone());
    tokio::spawn(async move { serving.serve(listener, stop).await });
    Ok((simulator, base))
}
