//! `closeout ghosts`: closures that lack a proof.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::look;
use crate::{
    client::Api,
    exit::{Exit, Failure},
    output::{self, Column, Form, Listing, Voice},
};

const GHOSTS: [Column; 10] = [
    Column::text("ID", "id"),
    Column::text("CONVERSATION", "conversationId"),
    Column::text("REASON", "ghost.reason"),
    Column::time("SINCE", "ghost.since"),
    Column::time("NEXT LOOK", "ghost.nextLook"),
    Column::text("LOOKS", "ghost.looks").when_wide(),
    Column::time("GIVEN UP AT", "ghost.givenUpAt").when_wide(),
    Column::text("ORGANISATION", "organisation").when_wide(),
    Column::text("COMMAND", "ghost.suggested.0.command").when_wide(),
    Column::text("WHAT CAN BE DONE", "ghost.suggested.0.what"),
];

const SUMMARY: [Column; 4] = [
    Column::text("ORGANISATION", "organisation"),
    Column::text("REASON", "reason"),
    Column::text("GHOSTS", "count"),
    Column::time("OLDEST ACCEPTED", "oldestAcceptedAt"),
];

/// What to see of the ghosts.
#[derive(Debug, Clone, Subcommand)]
pub enum GhostsCommand {
    /// List them, with what can be done
    #[command(
        after_help = "Examples:\n  closeout ghosts list\n  closeout ghosts list --reason wrapup_pending -o wide\n  closeout ghosts list -o id | xargs closeout verify --yes"
    )]
    List(GhostArgs),
    /// Count them by organisation and reason
    Summary,
}

/// Which ghosts.
#[derive(Debug, Clone, Args)]
pub struct GhostArgs {
    /// With these reasons; several with commas
    #[arg(long, value_delimiter = ',', value_parser = clap::builder::PossibleValuesParser::new(orchestrator::names::GHOST_REASONS))]
    reason: Vec<String>,
    /// Of this organisation
    #[arg(long, value_name = "NAME")]
    organisation: Option<String>,
    /// At most so many; 0 for all
    #[arg(long, default_value_t = 50, value_name = "NUMBER")]
    limit: usize,
}

/// Runs the command.
///
/// # Errors
///
/// When the server refuses or does not answer.
pub async fn run(command: &GhostsCommand, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    match command {
        GhostsCommand::List(args) => list(args, api, voice).await,
        GhostsCommand::Summary => summary(api, voice).await,
    }
}

async fn list(args: &GhostArgs, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    let mut query: Vec<_> = args.reason.iter().map(|reason| ("reason".to_owned(), reason.clone())).collect();
    query.extend(args.organisation.iter().map(|name| ("organisation".to_owned(), name.clone())));
    let (items, more) = look::pages(api, "/v1/ghosts", &query, args.limit).await?;
    if items.is_empty() {
        voice.note("no ghosts: every closure is under way or proven");
    }
    show(&GHOSTS, &items, voice)?;
    if more {
        voice.note("there are more; --limit 0 shows all");
    }
    Ok(Exit::Done)
}

async fn summary(api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    let body = api.get("/v1/ghosts/summary", &[]).await?.body;
    let items = body.get("groups").and_then(Value::as_array).cloned().unwrap_or_default();
    if voice.form == Form::Json {
        output::write(&output::pretty(&body))?;
        return Ok(Exit::Done);
    }
    if items.is_empty() {
        voice.note("no ghosts: every closure is under way or proven");
    }
    show(&SUMMARY, &items, voice)?;
    Ok(Exit::Done)
}

fn show(columns: &[Column], items: &[Value], voice: &Voice) -> Result<(), Failure> {
    if items.is_empty() && matches!(voice.form, Form::Table | Form::Wide) {
        return Ok(());
    }
    output::write(&Listing { columns, items, id: "id" }.write(voice.form, voice.style))
}
