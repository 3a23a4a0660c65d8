//! `closeout dev`: the simulator and the service in one process, with a key to try.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;
use genesys_simulator::{
    BodyFormat, ChaosSpec, DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET, Dialect, FaultRule, Preset, Quota,
    Signing, Simulator, WebhookAdapter,
};
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    cli::Global,
    config::{FromCommandLine, Layers, Settings, Variables, layers, settings, tokens},
    exit::{Exit, Failure},
    serve::{Service, Signals, shown},
    sim::dialects,
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
  closeout dev --dialect webchat-participants
  closeout dev --dialect webchat-participants --literal     the service speaks it too

Waits are shorter than in production, so that ghosts and read-backs are seen within seconds.

Presets: lost-webhook, late-webhook, duplicate-webhook, reordered, bad-signature, early-webhook,
200-but-open, 409-storm, 429-storm, 5xx-storm, token-expiry, guest-reloads, agent-connected, \
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
    /// A recipe that the simulator speaks beside the platform's API: see `docs/recipes`
    #[arg(long, value_name = "NAME", value_parser = dialects())]
    dialect: Option<Dialect>,
    /// The service speaks that dialect too, in place of the platform's API
    #[arg(long, requires = "dialect")]
    literal: bool,
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
    let layers = layers(args, listen, &simulated, &secret)?;
    let service = Service::start(settings(&layers, &key)?, shown(&layers))
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
    if let Some(wanted) = wanted {
        return Ok(at_port(wanted));
    }
    match std::net::TcpListener::bind(at_port(usual)) {
        Ok(_) => Ok(at_port(usual)),
        Err(_) => Ok(std::net::TcpListener::bind(at_port(0))?.local_addr()?),
    }
}

fn at_port(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
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
    let mut builder = Simulator::builder();
    if let Some(dialect) = args.dialect {
        builder = builder.dialect(dialect);
    }
    let simulator = builder
        .seed(args.seed)
        .quota(quota(args.requests_per_minute))
        .chaos(chaos(&args.chaos))
        // As a rule on all topics of the conversation sends them: that a guest is back is told by the queue's only.
        .webhook(WebhookAdapter::new(HOOK, url, signing).format(BodyFormat::Eventbridge).of_the_queue_too())
        .build()
        .map_err(|error| Failure::new(Exit::Unexpected, error.to_string()))?;
    Ok(tokio::spawn(async move { simulator.serve(listener, stop).await }))
}

/// The configuration that this command brings: everything that it does not say is as in the table of keys.
fn layers(args: &DevArgs, listen: SocketAddr, simulated: &str, secret: &str) -> Result<Layers, Failure> {
    const DEV: &str = "closeout dev";
    let port = if args.port.is_some() { "--port" } else { DEV };
    let (db, store) = match &args.db {
        Some(path) => ("--db", format!("sqlite:{}", path.display())),
        None => (DEV, "memory:".to_owned()),
    };
    let (listen, requests) = (listen.to_string(), args.requests_per_minute.to_string());
    let flags = [
        (port, "server.listen", listen.as_str()),
        (DEV, "server.shutdown_grace", "5s"),
        (DEV, "server.max_connections", "1024"),
        (db, "store.url", &store),
        (DEV, "store.retention", "7d"),
        (DEV, "genesys.main.region", simulated),
        (DEV, "genesys.main.client_id", DEFAULT_CLIENT_ID),
        (DEV, "genesys.main.client_secret", DEFAULT_CLIENT_SECRET),
        ("--requests-per-minute", "genesys.main.requests_per_minute", &requests),
        (DEV, "closing.confirm_within", "4s"),
        (DEV, "closing.deadline", "30s"),
        (DEV, "closing.stale_read_gap", "2s"),
        (DEV, "closing.participant_grace", "5s"),
        (DEV, "lookup.look_for", "15s"),
        (DEV, "ghosts.look_again", "30s"),
        (DEV, "ghosts.silent_adapter_after", "1m"),
        (DEV, "confirm.0.name", HOOK),
        (DEV, "confirm.0.verify", "hub-sha256-base64"),
        (DEV, "confirm.0.secrets", secret),
    ];
    let mut flags: Vec<_> = flags.map(|(flag, path, value)| (flag, path.to_owned(), value.to_owned())).into();
    if let (true, Some(dialect)) = (args.literal, args.dialect) {
        flags.push(("--literal", "genesys.main.dialect".to_owned(), dialect.name().to_owned()));
    }
    let gathered = layers::gather_flags(&FromCommandLine { file: None, flags });
    let mut layers = gathered.map_err(|problems| Failure::of_problems(&problems))?;
    // The only key is made at every start and stands in no file.
    layers.settings.remove("auth.tokens_file");
    Ok(layers)
}

fn settings(layers: &Layers, key: &str) -> Result<Settings, Failure> {
    let organisations = layers.organisations.iter().filter_map(|name| name.parse().ok()).collect();
    let token = tokens::Token {
        name: "dev".to_owned(),
        sha256: Sha256::digest(key.as_bytes()).into(),
        role: "admin".to_owned(),
        organisations,
    };
    settings::read_with(layers, &Variables::default(), Some(vec![token]))
        .map_err(|problems| Failure::of_problems(&problems))
}

fn first_steps(service: SocketAddr, simulated: &str, key: &str) -> String {
    format!(
        "\nIn another terminal:\n\n  \
         export CLOSEOUT_SERVER=http://{service} CLOSEOUT_TOKEN={key} CLOSEOUT_SIM={simulated}\n  \
         closeout close \"$(closeout sim conversation)\" --wait 30s\n  \
         closeout list\n\nIn a browser, with the same key: http://{service}/\n\nCtrl-C ends both."
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
    fn the_configuration_is_complete_and_shows_where_each_value_came_from() {
        use clap::Parser;
        #[derive(Debug, Parser)]
        struct Line {
            #[command(flatten)]
            args: DevArgs,
        }
        let args = Line::try_parse_from(["dev", "--db", "dev.db"]).unwrap().args;
        let layers =
            layers(&args, at_port(1), "http://127.0.0.1:2", "a secret of 32 characters or more").unwrap();
        let read = settings(&layers, "a key").unwrap();
        assert_eq!((read.hooks.len(), read.tokens.len(), read.organisations.len()), (1, 1, 1));
        let shown = shown(&layers);
        assert_eq!(
            shown["store.url"],
            serde_json::json!({ "value": "sqlite:dev.db", "origin": "flag --db" })
        );
        assert_eq!(
            shown["closing.deadline"],
            serde_json::json!({ "value": "30s", "origin": "set by closeout dev" })
        );
        assert_eq!(
            shown["closing.order"],
            serde_json::json!({ "value": "guest_first", "origin": "default" })
        );
        assert_eq!(shown["confirm.0.secrets"]["value"], serde_json::json!(["********"]));
    }

    #[test]
    fn an_unknown_preset_lists_the_known_ones() {
        assert_eq!(preset("lost-webhook"), Ok(Preset::LostWebhook));
        assert!(preset("lost").unwrap_err().contains("wrapup-required"));
    }
}
