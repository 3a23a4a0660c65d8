//! The command line of the benchmark.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Load driver, stub of the remote side, and benchmarks.
#[derive(Debug, Parser)]
#[command(name = "closeout-bench", version, max_term_width = 100)]
pub struct Options {
    /// Threads of driver and stub, or of a bare program; half of the cores by default.
    #[arg(long, global = true, value_name = "N", value_parser = at_least_one)]
    pub threads: Option<usize>,
    /// What to do.
    #[command(subcommand)]
    pub act: Act,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Act {
    /// Measures everything and prints one table.
    Run(RunOptions),
    /// Runs one load and prints what came of it as JSON.
    Load(LoadOptions),
    /// Lets closures wait, kills the service, and prints what that cost as JSON.
    Waiting(WaitingOptions),
    /// Opens connections that send too little or too slowly, and prints what an honest client had of it as JSON.
    Slow(SlowOptions),
    /// Sends signed webhooks, and prints how many a second were verified, durable and answered as JSON.
    Webhooks(WebhooksOptions),
    /// Offers several times what the service can close, and prints what it closed meanwhile and how it refused the rest as JSON.
    Overload(OverloadOptions),
    /// Lets a store grow, and prints whether closing stays as fast and as small as JSON.
    Growth(GrowthOptions),
    /// Closes many closures in one process, and prints whether its memory stays as it was as JSON.
    Soak(SoakOptions),
    /// Fills a store, and times the console's pages and the lists of the interface on it.
    Pages(PagesOptions),
    /// Serves the stub of the remote side until it is interrupted.
    Stub(StubOptions),
    /// Serves a bare program until it is interrupted.
    Bare(BareOptions),
    /// Becomes a program that ends with its parent.
    #[command(hide = true)]
    Child {
        /// The process that must be the parent.
        #[arg(long)]
        parent: u32,
        /// The program and its arguments.
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
}

/// What every measurement needs.
#[derive(Debug, Args)]
pub struct SceneOptions {
    /// The service's program; without it the one beside this program.
    #[arg(long, value_name = "FILE", default_value_os_t = beside())]
    pub closeout: PathBuf,
    /// A folder on disk for the store, the configuration and the log, in a temporary folder.
    #[arg(long, value_name = "FOLDER", default_value_os_t = std::env::temp_dir())]
    pub folder: PathBuf,
    /// The time from the participant's close to the webhook.
    #[arg(long, value_name = "TIME", default_value = "2.5ms", value_parser = duration)]
    pub webhook_delay: Duration,
    /// A PostgreSQL server that keeps the service's state, as `store.url` names it but without a schema: each measurement makes one,
    /// and leaves it.
    #[arg(long, value_name = "URL", env = "CLOSEOUT_TEST_POSTGRES")]
    pub store: Option<String>,
    /// The first process of that server, where it runs on this machine: what all of its processes use is counted.
    #[arg(long, value_name = "PID", env = "CLOSEOUT_TEST_PG_PID", requires = "store")]
    pub database: Option<u32>,
}

/// The options of `run`.
#[derive(Debug, Args)]
pub struct RunOptions {
    #[command(flatten)]
    pub scene: SceneOptions,
    /// Small sizes: shows that everything works, in under a minute.
    #[arg(long)]
    pub quick: bool,
    /// Measures only the bare programs.
    #[arg(long)]
    pub only_bare: bool,
    /// A closeout-bench that was built in another way: its ceiling is loaded in the same turns (see bench/guided-ceiling).
    #[arg(long, value_name = "FILE")]
    pub other_ceiling: Option<PathBuf>,
    /// How often each program is loaded at 256 unfinished, in turn; medians count.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub turns: Option<u32>,
    /// Closures at 256 unfinished, each time.
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
    /// Closures at 1 unfinished.
    #[arg(long, value_name = "N")]
    pub single: Option<u64>,
    /// Numbers of waiting closures.
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    pub waiting: Option<Vec<u64>>,
    /// Number of kills; 0 leaves them out.
    #[arg(long, value_name = "N")]
    pub kills: Option<u32>,
    /// How the report is printed.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

/// The options of `load`.
#[derive(Debug, Args)]
pub struct LoadOptions {
    #[command(flatten)]
    pub scene: SceneOptions,
    /// Loads the bare exchanges in place of the service: no state, no store.
    #[arg(long)]
    pub bare: bool,
    /// Loads the ceiling in place of the service: the bare exchanges, and four durable writes a closure.
    #[arg(long, conflicts_with = "bare")]
    pub bare_durable: bool,
    /// The same out of a closeout-bench that was built in another way.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["bare", "bare_durable"])]
    pub other_ceiling: Option<PathBuf>,
    /// How many closures to request.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub count: u64,
    /// How many may be unfinished at once.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = at_least_one)]
    pub unfinished: usize,
    /// When a closure is finished.
    #[arg(long, value_enum, default_value_t = Until::Wrapper)]
    pub until: Until,
    /// Kills the service this often and starts it again.
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with_all = ["bare", "bare_durable", "other_ceiling"])]
    pub kill_every: Option<Duration>,
    /// Number of kills; the load goes on past its count until the last one.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub kills: u32,
    /// How long the load may take.
    #[arg(long, value_name = "TIME", default_value = "180s", value_parser = duration)]
    pub limit: Duration,
}

/// The options of `waiting`.
#[derive(Debug, Args)]
pub struct WaitingOptions {
    #[command(flatten)]
    pub scene: SceneOptions,
    /// How many closures wait.
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    pub count: u64,
    /// How many closures are closed before.
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    pub warm_up: u64,
    /// The bound for each step.
    #[arg(long, value_name = "TIME", default_value = "180s", value_parser = duration)]
    pub limit: Duration,
}

/// The options of `slow`.
#[derive(Debug, Args)]
pub struct SlowOptions {
    #[command(flatten)]
    pub scene: SceneOptions,
    /// How many connections of each kind, all at once.
    #[arg(long, value_name = "N", default_value_t = 5_000)]
    pub connections: u64,
}

/// The options of `webhooks`.
#[derive(Debug, Args)]
pub struct WebhooksOptions {
    #[command(flatten)]
    pub scene: SceneOptions,
    /// How many webhooks.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub count: u64,
    /// How many are on their way at once.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = at_least_one)]
    pub at_once: usize,
}

/// The options of `overload`.
#[derive(Debug, Args)]
pub struct OverloadOptions {
    #[command(flatten)]
    pub scene: SceneOptions,
    /// For how long the peak is measured: 256 unfinished, each followed by the next.
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = duration)]
    pub peak_for: Duration,
    /// How many times the peak is offered.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub times: u32,
    /// For how long it is offered.
    #[arg(long = "for", value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub lasts: Duration,
    /// How many requests may be without an answer at once; what would be more is counted, and not sent.
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = at_least_one)]
    pub on_their_way: usize,
    /// Whoever is refused sends nothing for as long as Retry-After says, as producers are asked to; without it nobody heeds it.
    #[arg(long)]
    pub heed: bool,
    /// The pause between two looks of an honest client at the list of closures.
    #[arg(long, value_name = "TIME", default_value = "50ms", value_parser = duration)]
    pub look_every: Duration,
    /// How long all that was accepted may take to end.
    #[arg(long, value_name = "TIME", default_value = "180s", value_parser = duration)]
    pub limit: Duration,
}

/// The options of `growth`.
#[derive(Debug, Args)]
pub struct GrowthOptions {
    #[command(flatten)]
    pub scene: SceneOptions,
    /// The largest number of closures in the store: 10,000, ten times as many, and so on up to it.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub up_to: u64,
    /// How often each size is measured, in turn with a store of 1,000; the median counts.
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,
    /// How many closures are measured each time.
    #[arg(long, value_name = "N", default_value_t = 4_000, value_parser = clap::value_parser!(u64).range(8..))]
    pub count: u64,
    /// How long each load may take.
    #[arg(long, value_name = "TIME", default_value = "1200s", value_parser = duration)]
    pub limit: Duration,
}

/// The options of `soak`.
#[derive(Debug, Args)]
pub struct SoakOptions {
    #[command(flatten)]
    pub scene: SceneOptions,
    /// How many closures are closed.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1_000..))]
    pub count: u64,
    /// In how many parts; after each the process is left alone until its memory stands still.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(4..=1_000))]
    pub parts: u32,
    /// How long each part may take.
    #[arg(long, value_name = "TIME", default_value = "1200s", value_parser = duration)]
    pub limit: Duration,
}

/// The options of `pages`.
#[derive(Debug, Args)]
pub struct PagesOptions {
    #[command(flatten)]
    pub scene: SceneOptions,
    /// How many closures are in the store.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(101..))]
    pub count: u64,
    /// How often each page is looked at.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub times: u32,
    /// How long closing them may take.
    #[arg(long, value_name = "TIME", default_value = "600s", value_parser = duration)]
    pub limit: Duration,
}

/// The options of `stub`.
#[derive(Debug, Args)]
pub struct StubOptions {
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1:8081")]
    pub listen: SocketAddr,
    /// The URL that takes webhooks; its host must be an IP address with a port.
    #[arg(long, default_value = "http://127.0.0.1:8080/hooks/stub")]
    pub hook: http::Uri,
    /// The secret that webhooks are signed with.
    #[arg(long, env = "BENCH_HOOK_SECRET", hide_env_values = true)]
    pub hook_secret: String,
    /// The time from the participant's close to the webhook.
    #[arg(long, value_name = "TIME", default_value = "2.5ms", value_parser = duration)]
    pub webhook_delay: Duration,
}

/// The options of `bare`.
#[derive(Debug, Args)]
pub struct BareOptions {
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// The base URL of the stub.
    #[arg(long, default_value = "http://127.0.0.1:8081")]
    pub genesys: String,
    /// The secret that webhooks are signed with.
    #[arg(long, env = "BENCH_HOOK_SECRET", hide_env_values = true)]
    pub hook_secret: String,
    /// A new file in which four steps of each closure are made durable; without it nothing is kept.
    #[arg(long, value_name = "FILE")]
    pub store: Option<PathBuf>,
}

/// How a report is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// When a closure is finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Until {
    /// When the stub has received the close of the wrapper.
    Wrapper,
    /// When `POST /v1/closures?wait=30s` has answered that it ended.
    Wait,
}

/// The service's program as it is built along with this one.
fn beside() -> PathBuf {
    std::env::current_exe().unwrap_or_default().with_file_name("closeout")
}

/// Reads `2.5ms`, `2s` or `1m`.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let seconds_in_unit = match &text[digits.len()..] {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        _ => return Err("a number with ms, s or m, such as 2.5ms".to_owned()),
    };
    let number: f64 = digits.parse().map_err(|_| format!("{digits:?} is not a number"))?;
    Duration::try_from_secs_f64(number * seconds_in_unit).map_err(|error| error.to_string())
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("a whole number, at least 1".to_owned()),
        Ok(number) => Ok(number),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn durations_are_read_with_their_unit() {
        assert_eq!(duration("2.5ms"), Ok(Duration::from_micros(2_500)));
        assert_eq!(duration("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(duration("1m"), Ok(Duration::from_secs(60)));
        for wrong in ["2", "s", "-1s", "1h", ""] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
