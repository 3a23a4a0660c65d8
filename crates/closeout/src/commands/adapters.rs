//! `closeout adapters`: how events come in.

use clap::{Args, Subcommand};
use serde_json::Value;

use crate::{
    client::Api,
    exit::{Exit, Failure},
    output::{self, Column, Form, Listing, Voice},
};

const ADAPTERS: [Column; 6] = [
    Column::text("ADAPTER", "adapter"),
    Column::text("ORGANISATION", "organisation"),
    Column::time("LAST EVENT", "lastEventAt"),
    Column::text("EVENTS PER MINUTE", "eventsPerMinute"),
    Column::text("LAG MS", "lagMs"),
    Column::time("SILENT SINCE", "silentSince"),
];

/// Lists the adapters, with or without the word.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  closeout adapters list
  closeout adapters list -o json

SILENT SINCE is set while no event arrives although sessions were closed (ghosts.silent_adapter_after). While no \
adapter of an organisation is heard, its ghosts are not told one by one.")]
pub struct AdaptersArgs {
    /// What to do with them; without it, they are listed
    #[command(subcommand)]
    pub command: Option<AdaptersCommand>,
}

/// What to do with adapters.
#[derive(Debug, Clone, Subcommand)]
pub enum AdaptersCommand {
    /// List them, and which of them is silent
    #[command(after_help = "Example:\n  closeout adapters list -o json")]
    List,
}

/// Lists the adapters.
///
/// # Errors
///
/// When the server refuses or does not answer.
pub async fn run(api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    let body = api.get("/v1/adapters", &[]).await?.body;
    let items = body.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    if items.is_empty() {
        voice.note("no adapters: every closure is proven by reading");
    }
    let silent = items.iter().filter(|one| one["silentSince"].is_string()).count();
    if !items.is_empty() || !matches!(voice.form, Form::Table | Form::Wide) {
        output::write(
            &Listing { columns: &ADAPTERS, items: &items, id: "adapter" }.write(voice.form, voice.style),
        )?;
    }
    if silent > 0 {
        voice.note(format_args!(
            "{silent} silent: no event arrives although sessions were closed; check that the sender reaches it"
        ));
    }
    Ok(Exit::Done)
}
