//! `closeout sim`: the simulator of Genesys Cloud, and small clients of its control under `/_sim`.

use std::{net::SocketAddr, time::Duration};

use clap::{Args, Subcommand};
use genesys_simulator::{BodyFormat, Preset, Signing, Simulator, WebhookAdapter};
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    client::{Api, plain},
    config::{Variables, secret},
    dev::{chaos, preset, quota},
    exit::{Exit, Failure},
    output::{self, Column, Form, Listing, Voice, pairs},
    serve::Signals,
};

/// What to do with the simulator.
#[derive(Debug, Clone, Subcommand)]
pub enum SimCommand {
    /// Serve it
    #[command(after_help = "Examples:
  closeout sim serve
  closeout sim serve --listen 127.0.0.1:0 --chaos lost-webhook --seed 7
  closeout sim serve --webhook http://127.0.0.1:8080/hooks/relay --webhook-secret env:HOOK_SECRET

Its OAuth client is simulator-client with the secret simulator-secret; give the service
region = \"http://127.0.0.1:8081\". Webhooks are signed as hub-sha256-base64.")]
    Serve(ServeArgs),
    /// Make conversations and print their ids
    #[command(
        after_help = "Examples:\n  closeout sim conversation\n  closeout sim conversation --count 20 --chaos lost-webhook | closeout close - --yes --wait 1m"
    )]
    Conversation(ConversationArgs),
    /// Send an event on demand: genuine, forged, replayed
    #[command(
        after_help = "Examples:\n  closeout sim trigger 2f7bf00a-0fc2-4d6a-9b56-92238191433e\n  closeout sim trigger 2f7bf00a-0fc2-4d6a-9b56-92238191433e --kind forged"
    )]
    Trigger(TriggerArgs),
    /// Show or replace the faults
    #[command(
        after_help = "Examples:\n  closeout sim chaos                      shows them\n  closeout sim chaos lost-webhook --rate 0.3\n  closeout sim chaos --off"
    )]
    Chaos(ChaosArgs),
    /// Show the clock, or push it forward
    #[command(after_help = "Examples:\n  closeout sim clock\n  closeout sim clock --advance 10m")]
    Clock(ClockArgs),
    /// Show what the simulator saw and did
    #[command(
        after_help = "Examples:\n  closeout sim journal --kind call\n  closeout sim journal --conversation 2f7bf00a-0fc2-4d6a-9b56-92238191433e -o wide"
    )]
    Journal(JournalArgs),
    /// Show the simulator's verdict: whether anything was closed before its proof, or lost
    Verdict(Place),
}

/// Where the simulator is.
#[derive(Debug, Clone, Args)]
pub struct Place {
    /// URL of the simulator
    #[arg(
        long,
        env = "CLOSEOUT_SIM",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8081",
        value_name = "URL"
    )]
    sim: String,
}

/// How it is served.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// Address and port; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8081", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// A fault that strikes every conversation; may be given several times
    #[arg(long, value_name = "PRESET", value_parser = preset)]
    chaos: Vec<Preset>,
    /// Seed of all draws
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Requests a minute and token; 0 for no limit
    #[arg(long, default_value_t = 300, value_name = "NUMBER")]
    requests_per_minute: u32,
    /// Where to post events
    #[arg(long, value_name = "URL", requires = "webhook_secret")]
    webhook: Option<String>,
    /// Secret of the webhook: env:NAME, file:PATH, or the text itself
    #[arg(long, value_name = "SECRET")]
    webhook_secret: Option<String>,
}

/// What conversations to make.
#[derive(Debug, Clone, Args)]
pub struct ConversationArgs {
    #[command(flatten)]
    place: Place,
    /// Show this one instead of making one
    #[arg(value_name = "ID")]
    show: Option<String>,
    /// How many
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    count: u32,
    /// Whether somebody answers the guest
    #[arg(long, value_parser = ["none", "connected", "wrap-up", "left"])]
    agent: Option<String>,
    /// External tag
    #[arg(long, value_name = "TEXT")]
    external_id: Option<String>,
    /// A fault for these alone; may be given several times
    #[arg(long, value_name = "PRESET", value_parser = preset)]
    chaos: Vec<Preset>,
    /// It has ended already
    #[arg(long)]
    ended: bool,
}

/// What event to send.
#[derive(Debug, Clone, Args)]
pub struct TriggerArgs {
    #[command(flatten)]
    place: Place,
    /// The conversation; every kind but foreign needs it
    #[arg(value_name = "CONVERSATION")]
    conversation: Option<String>,
    /// What kind of event
    #[arg(long, default_value = "genuine",
          value_parser = ["genuine", "forged", "unsigned", "altered", "replayed", "foreign"])]
    kind: String,
    /// Last part of the topic, as customer.end
    #[arg(long, value_name = "NAME")]
    event: Option<String>,
    /// The one adapter to use
    #[arg(long, value_name = "NAME")]
    adapter: Option<String>,
}

/// Which faults.
#[derive(Debug, Clone, Args)]
pub struct ChaosArgs {
    #[command(flatten)]
    place: Place,
    /// Presets that strike from now on, in place of the present ones
    #[arg(value_name = "PRESET", value_parser = preset)]
    presets: Vec<Preset>,
    /// The share of conversations that are touched, from 0 to 1
    #[arg(long)]
    rate: Option<f64>,
    /// Seed of all draws from now on
    #[arg(long)]
    seed: Option<u64>,
    /// No faults from now on
    #[arg(long, conflicts_with = "presets")]
    off: bool,
}

/// By how much to push the clock.
#[derive(Debug, Clone, Args)]
pub struct ClockArgs {
    #[command(flatten)]
    place: Place,
    /// By how much, as 10m
    #[arg(long, value_name = "DURATION", value_parser = crate::cli::duration_flag)]
    advance: Option<Duration>,
}

/// What part of the journal.
#[derive(Debug, Clone, Args)]
pub struct JournalArgs {
    #[command(flatten)]
    place: Place,
    /// Of this conversation
    #[arg(long, value_name = "ID")]
    conversation: Option<String>,
    /// Of this kind
    #[arg(long, value_parser = ["call", "event", "delivery", "change", "control"])]
    kind: Option<String>,
    /// Above this number
    #[arg(long, value_name = "NUMBER")]
    since: Option<u64>,
    /// At most so many
    #[arg(long, default_value_t = 1_000, value_name = "NUMBER")]
    limit: usize,
}

/// Runs the command.
///
/// # Errors
///
/// When the port is taken, or the simulator refuses or does not answer.
pub async fn run(command: &SimCommand, voice: &Voice) -> Result<Exit, Failure> {
    match command {
        SimCommand::Serve(args) => serve(args).await,
        SimCommand::Conversation(args) => conversation(args, voice).await,
        SimCommand::Trigger(args) => trigger(args, voice).await,
        SimCommand::Chaos(args) => faults(args).await,
        SimCommand::Clock(args) => clock(args).await,
        SimCommand::Journal(args) => journal(args, voice).await,
        SimCommand::Verdict(place) => {
            output::write(&output::pretty(&at(place)?.get("/_sim/verdict", &[]).await.map_err(named)?.body))?;
            Ok(Exit::Done)
        }
    }
}

fn at(place: &Place) -> Result<Api, Failure> {
    Api::at(&place.sim, None)
}

/// The advice of a simulator that cannot be reached.
fn named(failure: Failure) -> Failure {
    if failure.exit == Exit::Unreachable {
        let fix = "start it with `closeout sim serve` or `closeout dev`, or name another with --sim or CLOSEOUT_SIM";
        return failure.fix(fix);
    }
    failure
}

async fn post(place: &Place, path: &str, body: &Value) -> Result<Value, Failure> {
    let answer = at(place)?.post(path, &[], body, None, Duration::ZERO).await;
    answer.map(|answer| answer.body).map_err(named)
}

async fn serve(args: &ServeArgs) -> Result<Exit, Failure> {
    let mut signals = Signals::take()?;
    let mut builder =
        Simulator::builder().seed(args.seed).quota(quota(args.requests_per_minute)).chaos(chaos(&args.chaos));
    if let (Some(url), Some(secret)) = (&args.webhook, &args.webhook_secret) {
        let secret = secret::resolve(&SecretString::from(secret.clone()), &Variables::of_this_process())
            .map_err(|why| Failure::usage(format!("--webhook-secret {why}")))?;
        let signing = Signing::HubSha256Base64 { secret };
        builder = builder
            .webhook(WebhookAdapter::new("webhook", url.clone(), signing).format(BodyFormat::Eventbridge));
    }
    let simulator = builder.build().map_err(|error| Failure::usage(error.to_string()))?;
    let listener = http_listener::bind(args.listen).map_err(|error| Failure::usage(error.to_string()))?;
    println!("the simulated Genesys Cloud listens on http://{}", listener.local_addr()?);
    let stop = CancellationToken::new();
    let serving = tokio::spawn({
        let stop = stop.clone();
        async move { simulator.serve(listener, stop).await }
    });
    signals.next().await;
    stop.cancel();
    tokio::select! {
        served = serving => served.map_err(|error| Failure::new(Exit::Unexpected, error.to_string()))??,
        _ = signals.end_at_once() => {}
    }
    Ok(Exit::Done)
}

async fn conversation(args: &ConversationArgs, voice: &Voice) -> Result<Exit, Failure> {
    if let Some(id) = &args.show {
        let id = crate::commands::target::conversation(id)?;
        let path = format!("/_sim/conversations/{id}");
        output::write(&output::pretty(&at(&args.place)?.get(&path, &[]).await.map_err(named)?.body))?;
        return Ok(Exit::Done);
    }
    let mut body = Map::new();
    body.insert("count".to_owned(), json!(args.count));
    body.extend(args.agent.iter().map(|agent| ("agent".to_owned(), json!(agent))));
    body.extend(args.external_id.iter().map(|id| ("externalId".to_owned(), json!(id))));
    if args.ended {
        body.insert("ended".to_owned(), json!(true));
    }
    if !args.chaos.is_empty() {
        body.insert("presets".to_owned(), names(&args.chaos));
    }
    let made = post(&args.place, "/_sim/conversations", &Value::Object(body)).await?;
    let items = made["conversations"].as_array().cloned().unwrap_or_default();
    let columns = [
        Column::text("CONVERSATION", "conversationId"),
        Column::text("PARTICIPANT", "participantId"),
        Column::text("COMMUNICATION", "communicationId"),
    ];
    // Ids alone are what the next command takes.
    let form = if voice.form == Form::Table { Form::Id } else { voice.form };
    output::write(
        &Listing { columns: &columns, items: &items, id: "conversationId" }.write(form, voice.style),
    )?;
    Ok(Exit::Done)
}

fn names(presets: &[Preset]) -> Value {
    presets.iter().map(|preset| preset.name()).collect()
}

async fn trigger(args: &TriggerArgs, voice: &Voice) -> Result<Exit, Failure> {
    let mut body = Map::new();
    body.insert("kind".to_owned(), json!(args.kind));
    body.extend(args.conversation.iter().map(|id| ("conversationId".to_owned(), json!(id))));
    body.extend(args.event.iter().map(|event| ("event".to_owned(), json!(event))));
    body.extend(args.adapter.iter().map(|adapter| ("adapter".to_owned(), json!(adapter))));
    let sent = post(&args.place, "/_sim/trigger", &Value::Object(body)).await?;
    let items = sent["deliveries"].as_array().cloned().unwrap_or_default();
    let columns = [
        Column::text("ADAPTER", "adapter"),
        Column::text("ANSWER", "status"),
        Column::text("ERROR", "error"),
    ];
    if items.is_empty() {
        voice.note("the simulator has no adapter to send to");
    }
    output::write(
        &Listing { columns: &columns, items: &items, id: "adapter" }.write(voice.form, voice.style),
    )?;
    Ok(Exit::Done)
}

async fn faults(args: &ChaosArgs) -> Result<Exit, Failure> {
    let changes = args.off || !args.presets.is_empty() || args.rate.is_some() || args.seed.is_some();
    let shown = if changes {
        if args.rate.is_some() && args.presets.is_empty() {
            return Err(Failure::usage(
                "--rate belongs to presets: closeout sim chaos lost-webhook --rate 0.3",
            ));
        }
        let mut body = Map::new();
        body.insert("presets".to_owned(), names(&args.presets));
        body.extend(args.rate.iter().map(|rate| ("rate".to_owned(), json!(rate))));
        body.extend(args.seed.iter().map(|seed| ("seed".to_owned(), json!(seed))));
        post(&args.place, "/_sim/chaos", &Value::Object(body)).await?
    } else {
        at(&args.place)?.get("/_sim/chaos", &[]).await.map_err(named)?.body
    };
    output::write(&output::pretty(&shown))?;
    Ok(Exit::Done)
}

async fn clock(args: &ClockArgs) -> Result<Exit, Failure> {
    let shown = match args.advance {
        Some(by) => {
            let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
            post(&args.place, "/_sim/clock", &json!({ "advanceMs": millis })).await?
        }
        None => at(&args.place)?.get("/_sim/clock", &[]).await.map_err(named)?.body,
    };
    let rows = [("now", plain(&shown["now"])), ("ahead by", format!("{} ms", plain(&shown["offsetMs"])))];
    output::write(&pairs(&rows, output::Style::default()))?;
    Ok(Exit::Done)
}

async fn journal(args: &JournalArgs, voice: &Voice) -> Result<Exit, Failure> {
    let mut query = vec![("limit".to_owned(), args.limit.to_string())];
    query.extend(args.conversation.iter().map(|id| ("conversationId".to_owned(), id.clone())));
    query.extend(args.kind.iter().map(|kind| ("kind".to_owned(), kind.clone())));
    query.extend(args.since.iter().map(|since| ("since".to_owned(), since.to_string())));
    let page = at(&args.place)?.get("/_sim/journal", &query).await.map_err(named)?.body;
    let items = page["entries"].as_array().cloned().unwrap_or_default();
    let columns = [
        Column::text("#", "seq"),
        Column::text("KIND", "kind"),
        Column::text("WHAT", "what"),
        Column::text("STATUS", "status"),
        Column::text("FAULT", "fault"),
        Column::text("CONVERSATION", "conversationId").when_wide(),
        Column::text("DETAIL", "detail").when_wide(),
    ];
    output::write(&Listing { columns: &columns, items: &items, id: "seq" }.write(voice.form, voice.style))?;
    Ok(Exit::Done)
}
