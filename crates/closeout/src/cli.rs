//! The command line: names, flags and the words of `--help`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueHint};

use crate::{
    commands::{
        act::ActArgs,
        adapters::AdaptersArgs,
        audit::AuditArgs,
        batch::BatchCommand,
        bundle::BundleArgs,
        close::CloseArgs,
        config::ConfigCommand,
        dead::DeadCommand,
        deliveries::DeliveriesCommand,
        ghosts::GhostsCommand,
        hooks::HooksCommand,
        look::{ListArgs, OneArgs},
        outgoing::OutgoingCommand,
        ready::ReadyArgs,
        say::{ClaimArgs, CommentArgs, SnoozeArgs},
        sources::SourcesCommand,
        store::StoreCommand,
        watch::WatchArgs,
    },
    config::duration,
    demo::DemoArgs,
    dev::DevArgs,
    doctor::DoctorArgs,
    init::InitCommand,
    log,
    man::ManArgs,
    output::Wanted,
    sim::SimCommand,
    top::TopArgs,
};

const EXIT_CODES: &str = "Exit codes:
  0 done (with --wait: closed or already closed)   1 unexpected        2 usage or configuration
  3 not found    4 not allowed    5 conflict       6 still in flight   7 ghost
  8 failed or cancelled           9 partly failed  10 unreachable      130 interrupted

First steps:
  closeout demo                     watch 240 sessions being closed under attack; needs nothing
  closeout dev                      simulator and service on this machine, with a key to try
  closeout config init              write a configuration for a real organisation";

/// Closes Genesys Cloud messaging sessions and proves that they closed.
#[derive(Debug, Parser)]
#[command(name = "closeout", version, after_help = EXIT_CODES, propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Form of the data on stdout: table, wide, json, ndjson, csv or id; html for a report
    #[arg(
        short,
        long = "output",
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORM",
        hide_possible_values = true
    )]
    pub output: Wanted,
    /// URL of the server [env: CLOSEOUT_SERVER] [default: http://127.0.0.1:8080]
    #[arg(long, global = true, value_name = "URL", value_hint = ValueHint::Url)]
    pub server: Option<String>,
    /// File with the key [env: CLOSEOUT_TOKEN_FILE; the key itself: CLOSEOUT_TOKEN]
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub token_file: Option<PathBuf>,
    /// Profile: a table [NAME] with `server` and `token` in ~/.config/closeout/profiles.toml; [default] is taken
    /// when none is named [env: CLOSEOUT_PROFILE]
    #[arg(short, long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// No colours [env: NO_COLOR]
    #[arg(long, global = true)]
    pub no_color: bool,
    /// Never ask; what would ask is refused
    #[arg(long, global = true)]
    pub no_input: bool,
    /// Nothing on stderr but errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// More on stderr (-vv: everything)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Simulator, service and a scripted run with faults; prints what happened
    Demo(DemoArgs),
    /// Simulator and service on this machine, to try things out
    Dev(DevArgs),
    /// The service
    Serve(ServeArgs),
    /// Those that are clients of a server
    #[command(flatten)]
    Client(ClientCommand),
    /// Sign, check and replay webhooks; show what a server has received
    #[command(subcommand)]
    Hooks(HooksCommand),
    /// The simulator of Genesys Cloud
    #[command(subcommand)]
    Sim(SimCommand),
    /// The configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Set up other systems: Terraform for Genesys Cloud
    #[command(subcommand)]
    Init(InitCommand),
    /// Check that the service can work, with --online against Genesys too, and say how to fix what is wrong
    Doctor(DoctorArgs),
    /// The file in which the service keeps its state
    #[command(subcommand)]
    Store(StoreCommand),
    /// Completions for a shell
    #[command(
        after_help = "Example:\n  closeout completions bash > ~/.local/share/bash-completion/completions/closeout"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Manual pages: of the program, or of every command into a folder
    Man(ManArgs),
}

/// The commands that are clients of a server.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Request closures
    Close(Box<CloseArgs>),
    /// Show closures
    #[command(visible_alias = "show")]
    Get(OneArgs),
    /// List closures
    List(ListArgs),
    /// Follow a closure until it is settled
    Watch(WatchArgs),
    /// Show the evidence, in order
    Timeline(OneArgs),
    /// Tell in plain words what happened and what can be done
    Explain(OneArgs),
    /// Everything about a closure in one file that can be handed on, with what Genesys' support asks for
    Bundle(BundleArgs),
    /// Closures that lack a proof
    #[command(subcommand)]
    Ghosts(GhostsCommand),
    /// What was told to receivers of callbacks, and telling it again
    #[command(subcommand)]
    Deliveries(DeliveriesCommand),
    /// What operators did: who, what, to what, why, and what came of it
    Audit(AuditArgs),
    /// The queues that commands come by; pause and resume them
    #[command(subcommand)]
    Sources(SourcesCommand),
    /// Commands that came by a queue and could not be taken
    #[command(subcommand)]
    Dead(DeadCommand),
    /// What the service is doing, live: ghosts, open closures, rates, quota, adapters, sources
    Top(TopArgs),
    /// How events come in by each adapter, and which of them is silent
    Adapters(AdaptersArgs),
    /// Close many conversations: shown first, then run
    #[command(subcommand)]
    Batch(BatchCommand),
    /// Look at ghosts or blocked closures again now
    #[command(
        after_help = "Examples:\n  closeout retry cl_01jd5w3k9m2q8r7tb4x0y6z1ne\n  closeout ghosts list -o id | xargs closeout retry --yes\n  closeout retry --filter state=ghost,reason=no_confirmation --reason \"the outage is over\""
    )]
    Retry(ActArgs),
    /// Call closures off
    #[command(
        after_help = "Example:\n  closeout cancel cl_01jd5w3k9m2q8r7tb4x0y6z1ne --reason \"customer came back\""
    )]
    Cancel(ActArgs),
    /// Read the conversation now, and go on by what it shows
    #[command(after_help = "Example:\n  closeout verify 2f7bf00a-0fc2-4d6a-9b56-92238191433e")]
    Verify(ActArgs),
    /// Tear the conversation down without waiting for proof; needs a reason
    #[command(
        after_help = "Example:\n  closeout force cl_01jd5w3k9m2q8r7tb4x0y6z1ne --reason \"agreed with the floor manager\""
    )]
    Force(ActArgs),
    /// Settle a closure by your own word; needs a reason
    #[command(
        after_help = "Example:\n  closeout resolve cl_01jd5w3k9m2q8r7tb4x0y6z1ne --reason \"checked in the admin page: gone\""
    )]
    Resolve(ActArgs),
    /// Say that you see to a ghost
    #[command(after_help = "Example:\n  closeout claim cl_01jd5w3k9m2q8r7tb4x0y6z1ne")]
    Claim(ClaimArgs),
    /// Say until when a ghost need not be announced again
    #[command(
        after_help = "Example:\n  closeout snooze cl_01jd5w3k9m2q8r7tb4x0y6z1ne --for 4h --reason \"the agent is at lunch\""
    )]
    Snooze(SnoozeArgs),
    /// Say something about a ghost that others should know
    #[command(
        after_help = "Example:\n  closeout comment cl_01jd5w3k9m2q8r7tb4x0y6z1ne \"asked the floor manager\""
    )]
    Comment(CommentArgs),
    /// Calls to Genesys: how they stand; stop them, let them go on
    #[command(subcommand)]
    Outgoing(OutgoingCommand),
    /// Whether the server takes work: for health checks and scripts; needs no key
    Ready(ReadyArgs),
    /// The server's description of its interface (OpenAPI)
    Openapi,
    /// The version of this program, and of the server if one answers
    Version,
}

/// How the service is started.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  closeout serve --config closeout.toml
  CLOSEOUT_SERVER__LISTEN=0.0.0.0:8080 closeout serve
  closeout serve --set closing.deadline=5m --log json

SIGTERM and SIGINT stop it: no more work is taken and what is under way may finish \
(server.shutdown_grace); a second signal ends it at once.")]
pub struct ServeArgs {
    /// Where the configuration is
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Address and port, in place of server.listen
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// sqlite:FILE or memory:, in place of store.url
    #[arg(long, value_name = "URL")]
    pub store: Option<String>,
    /// Form of the log on stderr; RUST_LOG says how much
    #[arg(long, value_enum, default_value_t)]
    pub log: log::Form,
}

/// Where the configuration is.
#[derive(Debug, Clone, Default, Args)]
pub struct ConfigArgs {
    /// Configuration file [env: CLOSEOUT_CONFIG] [default: closeout.toml, if it is there]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Any key, as closing.deadline=5m; may be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_and_value)]
    pub set: Vec<(String, String)>,
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE, as closing.deadline=5m")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

/// Reads a duration flag.
///
/// # Errors
///
/// Half a sentence for clap.
pub fn duration_flag(text: &str) -> Result<Duration, String> {
    duration::parse(text).map_err(|why| format!("it {why}"))
}

/// Reads a moment: how long ago, as 8h, or a time, as 2026-11-21T09:15:00Z. Answers it as a body of the interface has it.
///
/// # Errors
///
/// Half a sentence for clap.
pub fn moment_flag(text: &str) -> Result<String, String> {
    match (duration::parse(text), text.parse::<jiff::Timestamp>()) {
        (Ok(ago), _) => Ok(format!("PT{}S", ago.as_secs())),
        (Err(_), Ok(_)) => Ok(text.to_owned()),
        (Err(_), Err(_)) => Err("write how long ago, as 8h, or a time, as 2026-11-21T09:15:00Z".to_owned()),
    }
}

/// Reads a duration flag of at most so many days.
pub fn duration_up_to(days: u64) -> impl Fn(&str) -> Result<Duration, String> + Clone {
    move |text| duration::parse_up_to(text, days).map_err(|why| format!("it {why}"))
}

/// Reads `name=value`.
///
/// # Errors
///
/// Half a sentence for clap.
pub fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE, as team=checkout")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_has_no_contradictions() {
        Cli::command().debug_assert();
    }

    /// Every command without commands of its own, by its whole name.
    fn leaves(command: &clap::Command, name: &str, found: &mut Vec<(String, String)>) {
        let mut has_leaves = false;
        for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
            has_leaves = true;
            leaves(sub, &format!("{name} {}", sub.get_name()), found);
        }
        if !has_leaves {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            found.push((name.to_owned(), help));
        }
    }

    #[test]
    fn every_command_teaches_by_example() {
        let mut found = Vec::new();
        leaves(&Cli::command(), "closeout", &mut found);
        assert!(found.len() > 40, "{}", found.len());
        // These take nothing that an example could show.
        let bare = ["closeout openapi", "closeout version"];
        let without =
            found.iter().filter(|(name, help)| !help.contains("Example") && !bare.contains(&&**name));
        let without: Vec<_> = without.map(|(name, _)| name).collect();
        assert!(without.is_empty(), "{without:?}");
    }

    #[test]
    fn a_moment_is_how_long_ago_or_a_time() {
        assert_eq!(moment_flag("8h").as_deref(), Ok("PT28800S"));
        assert_eq!(moment_flag("2026-11-21T09:15:00.000Z").as_deref(), Ok("2026-11-21T09:15:00.000Z"));
        assert!(moment_flag("yesterday").is_err());
    }

    #[test]
    fn commands_that_change_something_teach_by_example() {
        let command = Cli::command();
        for name in [
            "serve", "close", "list", "watch", "retry", "cancel", "verify", "force", "resolve", "claim",
            "snooze", "comment", "ready", "demo", "dev", "doctor", "man", "top",
        ] {
            let sub = command.find_subcommand(name).unwrap();
            let help = sub.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example"), "{name}");
        }
    }
}
