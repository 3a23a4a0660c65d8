//! `closeout ready`: whether a server takes work, for health checks and scripts. No key is needed.

use std::time::Duration;

use clap::Args;
use tokio::time::Instant;

use crate::{
    cli::duration_flag,
    client::Api,
    exit::{Exit, Failure},
    output::{self, Form, Voice},
};

/// How long to wait between two looks: a look may cost the server a write to its disk, but at most one a second.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// For how long to look.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  closeout ready
  closeout ready --wait 2m && closeout batch preview night.csv

Ready is a service that can commit to its store and is not stopping; that Genesys is away makes nothing unready.
Exit code 0: ready. 10: not ready, or not to be reached.")]
pub struct ReadyArgs {
    /// Look again until it is ready, for so long at most
    #[arg(long, value_name = "DURATION", value_parser = duration_flag)]
    wait: Option<Duration>,
}

/// Runs the command.
///
/// # Errors
///
/// When the server is not ready, or does not answer, for the whole time.
pub async fn run(args: &ReadyArgs, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    output::no_rows(voice, "readiness")?;
    let until = Instant::now() + args.wait.unwrap_or_default();
    loop {
        match api.get("/readyz", &[]).await {
            Ok(answer) => {
                output::write(&match voice.form {
                    Form::Json => output::pretty(&answer.body),
                    Form::Ndjson => format!("{}\n", answer.body),
                    Form::Table | Form::Wide | Form::Csv | Form::Id => format!("{} is ready\n", api.server()),
                })?;
                return Ok(Exit::Done);
            }
            Err(failure) if failure.exit == Exit::Unreachable && Instant::now() < until => {
                tokio::time::sleep_until(until.min(Instant::now() + LOOK_EVERY)).await;
            }
            Err(mut failure) => {
                failure.message = format!("not ready: {}", failure.message);
                failure.fix = failure.fix.or_else(|| {
                    Some("look at `systemctl status` or the log: the store cannot commit, or the service is stopping".to_owned())
                });
                return Err(failure);
            }
        }
    }
}
