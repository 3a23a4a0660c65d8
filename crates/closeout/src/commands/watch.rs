//! `closeout watch`: follows one closure until it is settled.

use std::{
    io::{IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use clap::Args;
use serde_json::Value;

use super::{
    look, target,
    wait::{exit_of, wait_query},
};
use crate::{
    cli::duration_flag,
    client::{Api, plain},
    exit::{Exit, Failure},
    output::{Form, Voice, on_one_line},
};

/// How long one look waits: short, because every change of state is shown.
const LOOK: Duration = Duration::from_millis(700);

/// Which closure to follow.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  closeout watch 2f7bf00a-0fc2-4d6a-9b56-92238191433e
  closeout watch cl_01jd5w3k9m2q8r7tb4x0y6z1ne --for 5m -o json

Ends when the closure has ended or is held as a ghost; the exit code is that of `close --wait`.")]
pub struct WatchArgs {
    /// Id of a closure or a conversation
    #[arg(value_name = "ID")]
    id: String,
    /// Give up after so long, as 5m (exit code 6)
    #[arg(long = "for", value_name = "DURATION", value_parser = duration_flag)]
    patience: Option<Duration>,
}

/// Runs the command.
///
/// # Errors
///
/// When there is no such closure, or the server does not answer.
pub async fn run(args: &WatchArgs, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    let id = target::closure_id(api, &args.id).await?;
    let path = format!("/v1/closures/{id}");
    let begun = Instant::now();
    let mut line = Line::new(voice);
    let mut closure = api.get(&path, &[]).await?.body;
    loop {
        line.show(&closure, begun.elapsed());
        let over = args.patience.is_some_and(|patience| begun.elapsed() >= patience);
        if exit_of(&closure) != Exit::InFlight || over {
            line.clear();
            look::show(std::slice::from_ref(&closure), true, voice)?;
            look::tell_problem(&closure, true, voice);
            return Ok(exit_of(&closure));
        }
        closure = api.get_within(&path, &wait_query(Some(LOOK)), LOOK).await?.body;
    }
}

/// The line on stderr: one that is written over on a terminal, a new one for every change elsewhere.
struct Line {
    live: bool,
    silent: bool,
    last: String,
}

impl Line {
    fn new(voice: &Voice) -> Self {
        let for_people = matches!(voice.form, Form::Table | Form::Wide);
        Self {
            live: std::io::stderr().is_terminal(),
            silent: voice.quiet || !for_people,
            last: String::new(),
        }
    }

    fn show(&mut self, closure: &Value, passed: Duration) {
        if self.silent {
            return;
        }
        let state = plain(&closure["state"]);
        let reason = closure["reason"].as_str().map(|reason| format!(" ({reason})")).unwrap_or_default();
        let held =
            closure["waitingFor"].as_str().map(|what| format!(", waits for {what}")).unwrap_or_default();
        let text = format!("{state}{reason}, {} calls{held}", plain(&closure["apiCalls"]));
        let text = on_one_line(&text).into_owned();
        if self.live {
            eprint!("\r\u{1b}[2K{:>5}s  {text}", passed.as_secs());
            // A line that is not seen at once is seen with the next one.
            let _ = std::io::stderr().flush();
        } else if text != self.last {
            eprintln!("{:>5}s  {text}", passed.as_secs());
        }
        self.last = text;
    }

    fn clear(&self) {
        if self.live && !self.silent {
            eprint!("\r\u{1b}[2K");
        }
    }
}
