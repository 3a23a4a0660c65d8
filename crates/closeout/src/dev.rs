//! `closeout dev`: the simulator and the service in one process, with a key to try.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;
use closure_machine::Policy;
use genesys_client::{ClientConfig, Credentials, QuotaConfig, Region};
use genesys_simulator::{
    BodyFormat, ChaosSpec, DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET, FaultRule, Preset, Quota, Signing,
    Simulator, WebhookAdapter,
};
use genesys_types::{Organisation, Span};
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use webhook_signature::{Scheme, WebhookSignature};

use crate::{
    cli::Global,
    config::{
        Settings,
        hooks::Hook,
        layers::DEFAULT_ORGANISATION,
        settings::{OrganisationSettings, Server, StorePlace, StoreSettings},
        tokens,
    },
    exit::{Exit, Failure},
    serve::{Service, Signals},
};

/// The port of the service, and of the simulator, when nobody says and they are free.
const USUAL_PORTS: (u16, u16) = (8080, 8081);

/// The hook that the simulator posts to.
const HOOK: &str = "simulator";

/// How the two are started.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  closeout dev
  closeout dev --chaos lost-webhook --chaos duplicate-webhook --seed 7
  closeout dev --db dev.db          keeps the state over a restart

Waits are shorter than in production, so that ghosts and read-backs are seen within seconds.
Presets: lost-webhook, late-webhook, duplicate-webhook, reordered, bad-signature, early-webhook,
200-but-open, 409-storm, 429-storm, 5xx-storm, token-expiry, guest-reloads, agent-connected,
wrapup-required.")]
pub struct DevArgs {
    /// Port of the service; 8080, or a free one if that is taken
    #[arg(long)]
    port: Option<u16>,
    /// Port of the simulator; 8081, or a free one if that is taken
    #[arg(long)]
    sim_port: Option<u16>,
    /// Keep the state in this file instead of in memory
    #[arg(long, value_name = "FILE")]
    db: Option<PathBuf>,
    /// A fault that strikes every conversation; may be given several times
    #[arg(long, value_name = "PRESET", value_parser = preset)]
    chaos: Vec<Preset>,
    /// Seed of all faults
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Requests a minute that the simulated Genesys allows; 0 for no limit
    #[arg(long, default_value_t = 300, value_name = "NUMBER")]
    requests_per_minute: u32,
}

/// Reads the name of a preset.
///
/// # Errors
///
/// Lists the names.
pub fn preset(name: &str) -> Result<Preset, String> {
    Preset::named(name).ok_or_else(|| {
        let names: Vec<_> = Preset::ALL.iter().map(|preset| preset.name()).collect();
        format!("there is no such preset; choose one of {}", names.join(", "))
    })
}

/// Faults that strike every conversation.
pub fn chaos(presets: &[Preset]) -> ChaosSpec {
    presets.iter().fold(ChaosSpec::none(), |chaos, preset| chaos.with(FaultRule::new(*preset)))
}

/// The quota of a number of requests a minute; 0 is none.
pub fn quota(requests_per_minute: u32) -> Quota {
    if requests_per_minute == 0 { Quota::unlimited() } else { Quota::per_minute(requests_per_minute) }
}

/// Runs both until a signal asks for the end.
///
/// # Errors
///
/// One sentence when a port or the file cannot be used.
pub async fn run(args: &DevArgs, global: &Global) -> Result<Exit, Failure> {
    let mut signals = Signals::take()?;
    let listen = port(args.port, USUAL_PORTS.0)?;
    let simulator_port = http_listener::bind(port(args.sim_port, USUAL_PORTS.1)?)
        .map_err(|error| Failure::usage(error.to_string().replace("--listen", "--sim-port")))?;
    let simulated = format!("http://{}", simulator_port.local_addr()?);

    let key = tokens::fresh_key();
    let secret = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    let settings = settings(args, listen, &simulated, &secret, &key)?;
    let service = Service::start(settings, serde_json::json!({ "mode": "dev" }))
        .await
        .map_err(|failure| Failure { message: failure.message.replace("--listen", "--port"), ..failure })?;
    let stop = CancellationToken::new();
    let simulating = simulate(args, &service, &secret, simulator_port, stop.clone())?;

    println!("{}", service.greeting());
    println!("the simulated Genesys Cloud is {simulated}");
    if !global.quiet {
        eprintln!("{}", first_steps(service.address(), &simulated, &key));
    }
    tokio::select! {
        _ = signals.next() => {}
        failure = service.broken() => return Err(failure),
    }
    tokio::select! {
        _ = service.stop() => {}
        _ = signals.end_at_once() => {}
    }
    stop.cancel();
    simulating.await.map_err(|error| Failure::new(Exit::Unexpected, error.to_string()))??;
    Ok(Exit::Done)
}

/// The port that was asked for, else the usual one if it is free, else any.
fn port(wanted: Option<u16>, usual: u16) -> Result<SocketAddr, Failure> {
    let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
    if let Some(wanted) = wanted {
        return Ok(at(wanted));
    }
    match std::net::TcpListener::bind(at(usual)) {
        Ok(_) => Ok(at(usual)),
        Err(_) => Ok(std::net::TcpListener::bind(at(0))?.local_addr()?),
    }
}

fn simulate(
    args: &DevArgs,
    service: &Service,
    secret: &str,
    listener: TcpListener,
    stop: CancellationToken,
) -> Result<tokio::task::JoinHandle<std::io::Result<()>>, Failure> {
    let signing = Signing::HubSha256Base64 { secret: SecretString::from(secret.to_owned()) };
    let url = format!("http://{}/hooks/{HOOK}", service.address());
    let simulator = Simulator::builder()
        .seed(args.seed)
        .quota(quota(args.requests_per_minute))
        .chaos(chaos(&args.chaos))
        .webhook(WebhookAdapter::new(HOOK, url, signing).format(BodyFormat::Eventbridge))
        .build()
        .map_err(|error| Failure::new(Exit::Unexpected, error.to_string()))?;
    Ok(tokio::spawn(async move { simulator.serve(listener, stop).await }))
}

fn settings(
    args: &DevArgs,
    listen: SocketAddr,
    simulated: &str,
    secret: &str,
    key: &str,
) -> Result<Settings, Failure> {
    let unexpected = |error: &dyn std::fmt::Display| Failure::new(Exit::Unexpected, error.to_string());
    let organisation: Organisation = DEFAULT_ORGANISATION.parse().map_err(|error| unexpected(&error))?;
    let region = Region::parse(simulated).map_err(|error| unexpected(&error))?;
    let credentials = Credentials::Client {
        id: DEFAULT_CLIENT_ID.into(),
        secret: SecretString::from(DEFAULT_CLIENT_SECRET.to_owned()),
    };
    let mut client = ClientConfig::new(organisation.clone(), region, credentials);
    client.quota = QuotaConfig { requests_per_window: args.requests_per_minute, ..QuotaConfig::default() };
    let signature =
        WebhookSignature::new(Scheme::HubSha256Base64, vec![SecretString::from(secret.to_owned())])
            .map_err(|error| unexpected(&error))?;
    Ok(Settings {
        server: Server { listen, shutdown_grace: std::time::Duration::from_secs(5), max_connections: 1_024 },
        store: StoreSettings {
            place: args.db.clone().map_or(StorePlace::Memory, StorePlace::Sqlite),
            retention: Span::from_secs(7 * 86_400),
            inbox_retention: Span::from_secs(26 * 3_600),
        },
        organisations: vec![OrganisationSettings { client, max_open: 1_000_000 }],
        policy: Policy {
            confirm_within: Span::from_secs(4),
            deadline: Span::from_secs(30),
            stale_read_gap: Span::from_secs(2),
            participant_grace: Span::from_secs(5),
            look_again: Span::from_secs(30),
            ..Policy::default()
        },
        silent_adapter_after: std::time::Duration::from_secs(60),
        hooks: vec![Hook {
            name: HOOK.to_owned(),
            organisation: organisation.clone(),
            signature,
            decoder: "auto".to_owned(),
        }],
        tokens: vec![tokens::Token {
            name: "dev".to_owned(),
            sha256: Sha256::digest(key.as_bytes()).into(),
            role: "admin".to_owned(),
            organisations: vec![organisation],
        }],
    })
}

fn first_steps(service: SocketAddr, simulated: &str, key: &str) -> String {
    format!(
        "\nIn another terminal:\n\n  \
         export CLOSEOUT_SERVER=http://{service} CLOSEOUT_TOKEN={key} CLOSEOUT_SIM={simulated}\n  \
         closeout close \"$(closeout sim conversation)\" --wait 30s\n  \
         closeout list\n\nCtrl-C ends both."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_asked_for_is_taken_and_a_usual_one_only_if_free() {
        assert_eq!(port(Some(1), 2).unwrap().port(), 1);
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let usual = taken.local_addr().unwrap().port();
        assert_ne!(port(None, usual).unwrap().port(), usual);
        drop(taken);
        assert_eq!(port(None, usual).unwrap().port(), usual);
    }

    #[test]
    fn an_unknown_preset_lists_the_known_ones() {
        assert_eq!(preset("lost-webhook"), Ok(Preset::LostWebhook));
        assert!(preset("lost").unwrap_err().contains("wrapup-required"));
    }
}
