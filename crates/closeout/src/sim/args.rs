//! The flags of `closeout sim`.

use std::{net::SocketAddr, time::Duration};

use clap::{
    Args, Subcommand,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser as _},
};
use genesys_simulator::{Dialect, Preset};

use crate::{
    cli::{duration_flag, label},
    dev::preset,
};

/// What to do with the simulator.
#[derive(Debug, Clone, Subcommand)]
pub enum SimCommand {
    /// Serve it
    #[command(after_help = "Examples:
  closeout sim serve
  closeout sim serve --listen 127.0.0.1:0 --chaos lost-webhook --seed 7
  closeout sim serve --dialect webchat-participants
  closeout sim serve --webhook http://127.0.0.1:8080/hooks/relay --webhook-secret env:HOOK_SECRET

Its OAuth client is simulator-client with the secret simulator-secret; give the service \
region = \"http://127.0.0.1:8081\". Webhooks are signed as hub-sha256-base64.")]
    Serve(ServeArgs),
    /// Make conversations and print their ids
    #[command(
        after_help = "Examples:\n  closeout sim conversation\n  closeout sim conversation de12379c-3c79-4826-8ed2-99625e071552\n  closeout sim conversation --count 20 --chaos lost-webhook | closeout close - --yes --wait 1m"
    )]
    Conversation(ConversationArgs),
    /// Send an event on demand: genuine, forged, replayed
    #[command(
        after_help = "Examples:\n  closeout sim trigger 2f7bf00a-0fc2-4d6a-9b56-92238191433e\n  closeout sim trigger 2f7bf00a-0fc2-4d6a-9b56-92238191433e --kind forged\n  closeout sim trigger --kind foreign"
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
    /// Show the simulator's verdict: whether anything was closed before its proof, or twice
    #[command(after_help = "Examples:
  closeout sim verdict
  closeout sim verdict -o json

Exit code 0 for a verdict that is clean, 8 for one that is not.")]
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
    pub(super) sim: String,
}

/// How it is served.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// Address and port; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8081", value_name = "ADDRESS")]
    pub(super) listen: SocketAddr,
    /// A fault that strikes every conversation; may be given several times
    #[arg(long, value_name = "PRESET", value_parser = preset)]
    pub(super) chaos: Vec<Preset>,
    /// Seed of all draws
    #[arg(long, default_value_t = 0)]
    pub(super) seed: u64,
    /// Requests a minute and token; 0 for no limit
    #[arg(long, default_value_t = 300, value_name = "NUMBER")]
    pub(super) requests_per_minute: u32,
    /// A recipe to speak beside the platform's API, for those whose gateway or mock speaks it
    #[arg(long, value_name = "NAME", value_parser = dialects())]
    pub(super) dialect: Option<Dialect>,
    /// How far analytics and the search by attribute lag behind
    #[arg(long, default_value = "3s", value_name = "DURATION", value_parser = duration_flag)]
    pub(super) analytics_lag: Duration,
    /// Where to post events
    #[arg(long, value_name = "URL", requires = "webhook_secret")]
    pub(super) webhook: Option<String>,
    /// Secret of the webhook, at least 16 characters: env:NAME, file:PATH, or the text itself
    #[arg(long, value_name = "SECRET", requires = "webhook")]
    pub(super) webhook_secret: Option<String>,
}

/// What conversations to make.
#[derive(Debug, Clone, Args)]
pub struct ConversationArgs {
    #[command(flatten)]
    pub(super) place: Place,
    /// Show this one instead of making one
    #[arg(value_name = "ID", conflicts_with_all = ["count", "agent", "external_id", "guest_legs", "attribute", "chaos", "ended", "open_for"])]
    pub(super) show: Option<String>,
    /// How many, from 1 to 100,000
    #[arg(long, default_value_t = 1, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) count: u32,
    /// Whether somebody answers the guest
    #[arg(long, value_parser = ["none", "connected", "wrap-up", "left"])]
    pub(super) agent: Option<String>,
    /// The guest's external id; the conversation bears it as its external tag
    #[arg(long, value_name = "TEXT")]
    pub(super) external_id: Option<String>,
    /// How many pages the guest has open, each a leg of its own; 0 for no guest
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(0..=100))]
    pub(super) guest_legs: Option<u32>,
    /// Attribute of the guest; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = label)]
    pub(super) attribute: Vec<(String, String)>,
    /// A fault for these alone; may be given several times
    #[arg(long, value_name = "PRESET", value_parser = preset)]
    pub(super) chaos: Vec<Preset>,
    /// It has ended already
    #[arg(long)]
    pub(super) ended: bool,
    /// It began so long ago, as 48h
    #[arg(long, value_name = "DURATION", value_parser = duration_flag)]
    pub(super) open_for: Option<Duration>,
}

/// What event to send.
#[derive(Debug, Clone, Args)]
pub struct TriggerArgs {
    #[command(flatten)]
    pub(super) place: Place,
    /// The conversation; needed for every kind but foreign, which takes none
    #[arg(value_name = "CONVERSATION")]
    pub(super) conversation: Option<String>,
    /// What kind of event
    #[arg(long, default_value = "genuine",
          value_parser = ["genuine", "forged", "unsigned", "altered", "replayed", "foreign"])]
    pub(super) kind: String,
    /// What the event tells: the last part of its topic [default: customer.end]
    #[arg(long, value_name = "NAME",
          value_parser = ["customer.end", "user.end", "acd.end", "wrapup", "acw", "conversations.messages"])]
    pub(super) event: Option<String>,
    /// The one adapter to use
    #[arg(long, value_name = "NAME")]
    pub(super) adapter: Option<String>,
}

/// Which faults.
#[derive(Debug, Clone, Args)]
pub struct ChaosArgs {
    #[command(flatten)]
    pub(super) place: Place,
    /// Presets that strike from now on, in place of the present ones
    #[arg(value_name = "PRESET", value_parser = preset)]
    pub(super) presets: Vec<Preset>,
    /// The share of conversations that are touched, from 0 to 1
    #[arg(long, requires = "presets", value_name = "SHARE", value_parser = share)]
    pub(super) rate: Option<f64>,
    /// Seed of all draws from now on
    #[arg(long)]
    pub(super) seed: Option<u64>,
    /// No faults from now on
    #[arg(long, conflicts_with = "presets")]
    pub(super) off: bool,
}

/// By how much to push the clock.
#[derive(Debug, Clone, Args)]
pub struct ClockArgs {
    #[command(flatten)]
    pub(super) place: Place,
    /// By how much, as 10m
    #[arg(long, value_name = "DURATION", value_parser = duration_flag)]
    pub(super) advance: Option<Duration>,
}

/// What part of the journal.
#[derive(Debug, Clone, Args)]
pub struct JournalArgs {
    #[command(flatten)]
    pub(super) place: Place,
    /// Of this conversation
    #[arg(long, value_name = "ID")]
    pub(super) conversation: Option<String>,
    /// Of this kind
    #[arg(long, value_parser = ["call", "event", "delivery", "change", "control"])]
    pub(super) kind: Option<String>,
    /// Above this number
    #[arg(long, value_name = "NUMBER")]
    pub(super) since: Option<u64>,
    /// At most so many
    #[arg(long, default_value_t = 1_000, value_name = "NUMBER")]
    pub(super) limit: usize,
}

/// Reads the name of a dialect; a wrong one is answered with all of them.
pub fn dialects() -> impl clap::builder::TypedValueParser<Value = Dialect> {
    let names = Dialect::ALL.map(|dialect| PossibleValue::new(dialect.name()).help(dialect.summary()));
    PossibleValuesParser::new(names)
        .try_map(|name| Dialect::named(&name).ok_or_else(|| format!("there is no dialect {name:?}")))
}

fn share(text: &str) -> Result<f64, String> {
    let share: Option<f64> = text.parse().ok();
    share.filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| "it is no share from 0 to 1".to_owned())
}
