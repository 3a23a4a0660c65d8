//! The commands that talk to a server, and those that need none.

pub mod act;
pub mod act_filter;
pub mod adapters;
pub mod agree;
pub mod audit;
pub mod batch;
mod batch_words;
pub mod bundle;
pub mod close;
mod close_several;
pub mod config;
pub mod dead;
pub mod deliveries;
pub mod ghosts;
pub mod heard;
pub mod hooks;
pub mod look;
mod migrate;
pub mod outgoing;
mod plan;
pub mod ready;
mod replay;
mod rows;
pub mod say;
mod scan;
pub mod sources;
pub mod store;
pub mod target;
mod wait;
pub mod watch;

use serde_json::json;

use crate::{
    client::Api,
    exit::{Exit, Failure},
    output::{self, Form, Voice},
};

/// Writes the completions of a shell.
///
/// # Errors
///
/// When stdout cannot be written.
pub fn completions(shell: clap_complete::Shell) -> Result<Exit, Failure> {
    use clap::CommandFactory as _;
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut crate::cli::Cli::command(), "closeout", &mut text);
    output::write(&String::from_utf8_lossy(&text))?;
    Ok(Exit::Done)
}

/// Writes the server's OpenAPI description.
///
/// # Errors
///
/// When the server does not answer.
pub async fn openapi(api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    output::no_rows(voice, "a description")?;
    let answer = api.get("/openapi.json", &[]).await?;
    output::write(&match voice.form {
        Form::Ndjson => format!("{}\n", answer.body),
        Form::Table | Form::Wide | Form::Json | Form::Csv | Form::Id => output::pretty(&answer.body),
    })?;
    Ok(Exit::Done)
}

/// Writes the version of this program, and of the server if one answers.
///
/// # Errors
///
/// When stdout cannot be written.
pub async fn version(api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    output::no_rows(voice, "a version")?;
    let own = env!("CARGO_PKG_VERSION");
    let server = api.get("/version", &[]).await.ok().map(|answer| answer.body);
    let text = match voice.form {
        Form::Json => output::pretty(&json!({ "version": own, "server": server })),
        Form::Ndjson => format!("{}\n", json!({ "version": own, "server": server })),
        Form::Table | Form::Wide | Form::Csv | Form::Id => {
            let theirs = server.as_ref().and_then(|server| server["version"].as_str());
            let theirs = theirs.map_or_else(
                || format!("{} does not answer", api.server()),
                |version| format!("{} at {}", output::on_one_line(version), api.server()),
            );
            format!("closeout {own}\nserver   {theirs}\n")
        }
    };
    output::write(&text)?;
    Ok(Exit::Done)
}
