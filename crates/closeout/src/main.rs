//! Closes Genesys Cloud messaging sessions and proves that they closed: the program.
//!
//! ```text
//!  command line ─┬─► serve, dev, demo   the service (and the simulator) in this process or beside it
//!                ├─► close, list, …     a client of the HTTP interface
//!                └─► config, hooks, …   work on this machine alone
//! ```
//!
//! Data goes to stdout, everything else to stderr, and the exit code tells how it went.

mod cli;
mod client;
mod commands;
mod demo;
mod dev;
mod doctor;
mod exit;
#[cfg(test)]
mod handed_out;
mod init;
mod log;
mod man;
mod output;
mod permissions;
mod serve;
mod sim;
mod top;
mod unknown;

use std::{
    io::IsTerminal as _,
    process::{ExitCode, Termination},
};

use clap::{CommandFactory as _, Parser as _};
use closeout::config;

use crate::{
    cli::{Cli, ClientCommand, Command, Global, ServeArgs},
    client::{Api, Place},
    commands::{act::Act, ghosts::GhostsCommand},
    config::{FromCommandLine, Variables},
    exit::{Exit, Failure},
    output::{Form, Style, Voice, Wanted},
};

/// Closures are many small allocations of threads that hand them on to each other.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = parse();
    if matches!(cli.command, Command::Serve(_)) {
        do_without_huge_pages();
    }
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the runtime cannot be started: {error}");
            return Exit::Unexpected.into();
        }
    };
    let code = match runtime.block_on(run(cli)) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("{failure}");
            failure.exit.into()
        }
    };
    // Nothing that is durable hangs on a task that is still asleep.
    runtime.shutdown_background();
    code
}

/// A process that runs for months is not to take memory that it does not need. A kernel may give every process pages of 2 MiB of
/// which a part is used: at 256 unfinished closures this one was a quarter larger by them, and no faster (ADR 38). The allocator
/// is built not to ask for them.
fn do_without_huge_pages() {
    // A kernel that knows no such pages needs not be told.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

/// One core is left to the thread that writes the store: on two cores, two workers beside it took 6 % more time for each
/// closure. `TOKIO_WORKER_THREADS` says otherwise.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if std::env::var_os("TOKIO_WORKER_THREADS").is_none() {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        builder.worker_threads(cores.saturating_sub(1).max(1));
    }
    builder.enable_all().build()
}

/// Reads the command line. What is wrong with it, or its help, is written here, and the program ends.
fn parse() -> Cli {
    Cli::try_parse().unwrap_or_else(|error| {
        let arguments: Vec<String> =
            std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
        unknown::explain(error, &Cli::command(), &arguments).exit()
    })
}

async fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let Cli { global, command } = cli;
    let voice = voice(&global);
    let is_report = matches!(&command, Command::Client(ClientCommand::Ghosts(GhostsCommand::Report(_))));
    if global.output == Wanted::Html && !is_report {
        return Err(Failure::usage("-o html is the form of `closeout ghosts report` alone")
            .fix("take -o table, wide, json, ndjson, csv or id"));
    }
    start_log(&global, &command, voice.style.colour);
    let exit = match &command {
        Command::Demo(args) => return Ok(Box::pin(demo::run(args)).await?.report()),
        Command::Serve(args) => Box::pin(serve::run(&of_serve(args))).await,
        Command::Dev(args) => Box::pin(dev::run(args, &global)).await,
        Command::Sim(command) => Box::pin(sim::run(command, &voice)).await,
        Command::Config(command) => commands::config::run(command, &voice),
        Command::Init(command) => init::run(command, &voice),
        Command::Doctor(args) => Box::pin(interruptible(doctor::run(args, &place(&global), &voice))).await,
        Command::Hooks(command) => {
            let api = || Api::find(&place(&global), &Variables::of_this_process());
            Box::pin(interruptible(commands::hooks::run(command, api, &voice))).await
        }
        Command::Store(command) => commands::store::run(command, &voice).await,
        Command::Completions { shell } => commands::completions(*shell),
        Command::Man(args) => man::run(args, Cli::command(), &voice),
        Command::Client(command) => Box::pin(interruptible(ask(command, &global, &voice))).await,
    }?;
    Ok(exit.into())
}

/// The commands that are clients of a server.
async fn ask(command: &ClientCommand, global: &Global, voice: &Voice) -> Result<Exit, Failure> {
    let api = Api::find(&place(global), &Variables::of_this_process())?;
    match command {
        ClientCommand::Close(args) => commands::close::run(args, &api, voice).await,
        ClientCommand::Get(args) => commands::look::get(args, &api, voice).await,
        ClientCommand::List(args) => commands::look::list(args, &api, voice).await,
        ClientCommand::Watch(args) => commands::watch::run(args, &api, voice).await,
        ClientCommand::Timeline(args) => commands::look::timeline(args, &api, voice).await,
        ClientCommand::Explain(args) => commands::look::explain(args, &api, voice).await,
        ClientCommand::Bundle(args) => commands::bundle::run(args, &api, voice).await,
        ClientCommand::Ghosts(command) => commands::ghosts::run(command, &api, voice).await,
        ClientCommand::Audit(args) => commands::audit::run(args, &api, voice).await,
        ClientCommand::Deliveries(command) => commands::deliveries::run(command, &api, voice).await,
        ClientCommand::Sources(command) => commands::sources::run(command, &api, voice).await,
        ClientCommand::Dead(command) => commands::dead::run(command, &api, voice).await,
        ClientCommand::Top(args) => Box::pin(top::run(args, &api, voice)).await,
        ClientCommand::Adapters(_) => commands::adapters::run(&api, voice).await,
        ClientCommand::Batch(command) => commands::batch::run(command, &api, voice).await,
        ClientCommand::Retry(args) => commands::act::run(Act::Retry, args, &api, voice).await,
        ClientCommand::Cancel(args) => commands::act::run(Act::Cancel, args, &api, voice).await,
        ClientCommand::Verify(args) => commands::act::run(Act::Verify, args, &api, voice).await,
        ClientCommand::Force(args) => commands::act::run(Act::Force, args, &api, voice).await,
        ClientCommand::Claim(args) => commands::say::claim(args, &api, voice).await,
        ClientCommand::Snooze(args) => commands::say::snooze(args, &api, voice).await,
        ClientCommand::Comment(args) => commands::say::comment(args, &api, voice).await,
        ClientCommand::Resolve(args) => commands::act::run(Act::Resolve, args, &api, voice).await,
        ClientCommand::Outgoing(command) => commands::outgoing::run(command, &api, voice).await,
        ClientCommand::Ready(args) => commands::ready::run(args, &api, voice).await,
        ClientCommand::Openapi => commands::openapi(&api, voice).await,
        ClientCommand::Version => commands::version(&api, voice).await,
    }
}

/// What the command line says about the server.
fn place(global: &Global) -> Place {
    Place {
        server: global.server.clone(),
        token_file: global.token_file.clone(),
        profile: global.profile.clone(),
    }
}

/// Ends a command at Ctrl-C with the exit code that says so. What the server took goes on there.
async fn interruptible(work: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    tokio::select! {
        done = work => done,
        _ = tokio::signal::ctrl_c() => {
            eprintln!();
            Err(Failure::new(Exit::Interrupted, "interrupted; what the server has accepted goes on there"))
        }
    }
}

fn voice(global: &Global) -> Voice {
    let terminal = std::io::stdout().is_terminal();
    let no_colour = global.no_color || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    Voice {
        form: match global.output {
            Wanted::Form(form) => form,
            Wanted::Html => Form::default(),
        },
        style: Style { terminal, colour: terminal && !no_colour },
        quiet: global.quiet,
        asks: !global.no_input && std::io::stdin().is_terminal(),
    }
}

fn start_log(global: &Global, command: &Command, colour: bool) {
    let serves =
        matches!(command, Command::Serve(_) | Command::Dev(_) | Command::Sim(sim::SimCommand::Serve(_)));
    let form = if let Command::Serve(args) = command { args.log } else { log::Form::Text };
    let pictures = matches!(command, Command::Client(ClientCommand::Top(_)));
    let usual = match (global.quiet, global.verbose) {
        // A line of the log would stand in the middle of the picture.
        _ if pictures => "off",
        (true, _) => "error",
        // What its client library says of a broker that is away is said once by the source.
        (false, 0) if serves => "info,async_nats=off",
        (false, 0) => "warn",
        (false, 1) => "debug,async_nats=info,hyper=info,reqwest=info",
        (false, _) => "trace",
    };
    log::start(form, usual, colour);
}

fn of_serve(args: &ServeArgs) -> FromCommandLine {
    let mut from = FromCommandLine::from(&args.config);
    for (flag, path, value) in
        [("--listen", "server.listen", &args.listen), ("--store", "store.url", &args.store)]
    {
        from.flags.extend(value.iter().map(|value| (flag, path.to_owned(), value.clone())));
    }
    from
}
