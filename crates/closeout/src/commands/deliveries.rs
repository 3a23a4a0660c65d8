//! `closeout deliveries`: what was told to the outside, what became of it, and telling it again.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{look, target};
use crate::{
    client::Api,
    exit::{Exit, Failure},
    output::{self, Column, Form, Listing, Voice},
};

const DELIVERIES: [Column; 12] = [
    Column::text("ID", "id"),
    Column::time("AT", "at"),
    Column::text("EVENT", "event"),
    Column::text("CLOSURE", "closure"),
    Column::text("TO", "url"),
    Column::state("RESULT", "result"),
    Column::text("TRIES", "attempt"),
    Column::text("ANSWER", "status"),
    Column::text("WHY", "why"),
    Column::time("NEXT TRY", "nextTryAt"),
    Column::text("RECEIVER", "receiver").when_wide(),
    Column::text("EVENT ID", "eventId").when_wide(),
];

/// What to do with deliveries.
#[derive(Debug, Clone, Subcommand)]
pub enum DeliveriesCommand {
    /// List what was told to receivers, the latest first
    #[command(after_help = "Examples:
  closeout deliveries list
  closeout deliveries list --result given_up,gone
  closeout deliveries list --closure cl_01jd5w3k9m2q8r7tb4x0y6z1ne -o wide")]
    List(ListArgs),
    /// Tell something again: its tries begin anew, with the same webhook-id
    #[command(after_help = "Examples:
  closeout deliveries redeliver dv_01jd5w3k9m2q8r7tb4x0y6z1ne
  closeout deliveries list --result given_up -o id | xargs closeout deliveries redeliver

Receivers that keep the webhook-id of what they have taken take nothing twice.")]
    Redeliver(RedeliverArgs),
}

/// Which deliveries.
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// With these results; several with commas
    #[arg(long, value_delimiter = ',', value_parser = clap::builder::PossibleValuesParser::new(callbacks::RESULTS))]
    result: Vec<String>,
    /// About this closure, or the latest of this conversation
    #[arg(long, value_name = "ID")]
    closure: Option<String>,
    /// Of this organisation
    #[arg(long, value_name = "NAME")]
    organisation: Option<String>,
    /// At most so many; 0 for all
    #[arg(long, default_value_t = 50, value_name = "NUMBER")]
    limit: usize,
}

/// What to tell again.
#[derive(Debug, Clone, Args)]
pub struct RedeliverArgs {
    /// Ids of deliveries
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
}

/// Runs the command.
///
/// # Errors
///
/// When the server refuses or does not answer.
pub async fn run(command: &DeliveriesCommand, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    match command {
        DeliveriesCommand::List(args) => list(args, api, voice).await,
        DeliveriesCommand::Redeliver(args) => redeliver(args, api, voice).await,
    }
}

async fn list(args: &ListArgs, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    let mut query: Vec<_> = args.result.iter().map(|result| ("result".to_owned(), result.clone())).collect();
    query.extend(args.organisation.iter().map(|name| ("organisation".to_owned(), name.clone())));
    if let Some(closure) = &args.closure {
        query.push(("closure".to_owned(), target::closure_id(api, closure).await?));
    }
    let (items, more) = look::pages(api, "/v1/deliveries", &query, args.limit).await?;
    if items.is_empty() {
        voice.note("nothing was told; receivers are a command's callback, and the [[callback]] tables");
    }
    show(&items, voice)?;
    if more {
        voice.note("there are more; --limit 0 shows all");
    }
    Ok(Exit::Done)
}

async fn redeliver(args: &RedeliverArgs, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    let mut items = Vec::with_capacity(args.ids.len());
    for id in &args.ids {
        if orchestrator::parse_delivery_id(id).is_none() {
            return Err(Failure::usage(format!("{id:?} is not the id of a delivery"))
                .fix("an id begins with dv_; `closeout deliveries list` shows them"));
        }
        let path = format!("/v1/deliveries/{id}/redeliver");
        match api.post(&path, &[], &json!({}), None, Duration::ZERO).await {
            Ok(answer) => items.push(answer.body),
            Err(failure) => {
                show(&items, voice)?;
                return Err(failure);
            }
        }
    }
    show(&items, voice)?;
    Ok(Exit::Done)
}

fn show(items: &[Value], voice: &Voice) -> Result<(), Failure> {
    if items.is_empty() && matches!(voice.form, Form::Table | Form::Wide) {
        return Ok(());
    }
    output::write(&Listing { columns: &DELIVERIES, items, id: "id" }.write(voice.form, voice.style))
}
