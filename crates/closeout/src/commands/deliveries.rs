//! `closeout deliveries`: what was told to receivers of callbacks, and telling it again.

use clap::{Args, Subcommand, builder::PossibleValuesParser};
use serde_json::{Value, json};

use super::{agree, look, target};
use crate::{
    client::{Api, plain},
    exit::{Exit, Failure},
    output::{self, Column, Voice, pairs},
};

const DELIVERIES: [Column; 13] = [
    Column::text("ID", "id"),
    Column::text("EVENT", "event"),
    Column::text("CLOSURE", "closure"),
    Column::text("RECEIVER", "receiver"),
    Column::state("RESULT", "result"),
    Column::text("TRIES", "attempt"),
    Column::text("STATUS", "status"),
    Column::time("NOTED", "at"),
    Column::time("NEXT TRY", "nextTryAt"),
    Column::text("URL", "url").when_wide(),
    Column::text("WHY", "why").when_wide(),
    Column::text("EVENT ID", "eventId").when_wide(),
    Column::text("ORGANISATION", "organisation").when_wide(),
];

/// What to do with deliveries.
#[derive(Debug, Clone, Subcommand)]
pub enum DeliveriesCommand {
    /// List them, the latest first
    #[command(after_help = "Examples:
  closeout deliveries list --result failed,given_up,refused -o wide
  closeout deliveries list --closure cl_01jd5w3k9m2q8r7tb4x0y6z1ne
  closeout deliveries list --result given_up --limit 0 -o id | xargs closeout deliveries redeliver --yes

Results:
  waiting    not taken yet; it is tried again
  delivered  the receiver has it
  gone       the receiver answered 410 and wants no more of it
  failed     the receiver answered three times in a row that it does not take it as it is; WHY says how
  given_up   tried for as long as is allowed
  refused    it may not be sent: see callbacks.allowed_hosts
  held       a ghost, kept while no adapter is heard; told when one is, if it stays
  withdrawn  it was a ghost no more when an adapter was heard")]
    List(ListArgs),
    /// Show one, or several
    #[command(after_help = "Example:\n  closeout deliveries show dv_01jd5w3k9m2q8r7tb4x0y6z1ne")]
    Show(IdsArgs),
    /// Tell a receiver again, also of what it has taken
    ///
    /// The tries begin anew, at once, under the same webhook-id, so that a receiver which has the event already can tell.
    #[command(after_help = "Examples:
  closeout deliveries redeliver dv_01jd5w3k9m2q8r7tb4x0y6z1ne
  closeout deliveries list --result given_up --limit 0 -o id | xargs closeout deliveries redeliver --yes")]
    Redeliver(RedeliverArgs),
}

/// Which deliveries.
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// With these results; several with commas
    #[arg(long, value_delimiter = ',', value_parser = PossibleValuesParser::new(callbacks::RESULTS))]
    result: Vec<String>,
    /// Of this closure, or of the latest of this conversation
    #[arg(long, value_name = "ID")]
    closure: Option<String>,
    /// Of this organisation
    #[arg(long, value_name = "NAME")]
    organisation: Option<String>,
    /// At most so many; 0 for all
    #[arg(long, default_value_t = 50, value_name = "NUMBER")]
    limit: usize,
}

/// The deliveries to show.
#[derive(Debug, Clone, Args)]
pub struct IdsArgs {
    /// Ids of deliveries (dv_…)
    #[arg(value_name = "ID", required = true, value_parser = delivery)]
    ids: Vec<String>,
}

/// The deliveries to tell again.
#[derive(Debug, Clone, Args)]
pub struct RedeliverArgs {
    /// Ids of deliveries (dv_…)
    #[arg(value_name = "ID", required = true, value_parser = delivery)]
    ids: Vec<String>,
    /// Why; it is kept in the audit
    #[arg(long)]
    reason: Option<String>,
    /// Do not ask before acting on more than one
    #[arg(short, long)]
    yes: bool,
}

fn delivery(text: &str) -> Result<String, String> {
    match orchestrator::parse_delivery_id(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err("the id of a delivery looks like dv_01jd5w3k9m2q8r7tb4x0y6z1ne; `closeout deliveries list` shows those that there are".to_owned()),
    }
}

/// Runs the command.
///
/// # Errors
///
/// When the server refuses or does not answer.
pub async fn run(command: &DeliveriesCommand, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    match command {
        DeliveriesCommand::List(args) => list(args, api, voice).await,
        DeliveriesCommand::Show(args) => show_each(&args.ids, api, voice).await,
        DeliveriesCommand::Redeliver(args) => redeliver(args, api, voice).await,
    }
}

async fn list(args: &ListArgs, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    let mut query: Vec<_> = args.result.iter().map(|result| ("result".to_owned(), result.clone())).collect();
    if let Some(text) = &args.closure {
        query.push(("closure".to_owned(), target::closure_id(api, text).await?));
    }
    query.extend(args.organisation.iter().map(|name| ("organisation".to_owned(), name.clone())));
    let (items, more) = look::pages(api, "/v1/deliveries", &query, args.limit).await?;
    if items.is_empty() {
        voice.note("no delivery matches");
    }
    show(&items, false, voice)?;
    if more {
        voice.note("there are more; --limit 0 shows all, or narrow with --result, --closure");
    }
    Ok(Exit::Done)
}

async fn show_each(ids: &[String], api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    let mut items = Vec::new();
    for id in ids {
        items.push(api.get(&format!("/v1/deliveries/{id}"), &[]).await?.body);
    }
    show(&items, ids.len() == 1, voice)?;
    Ok(Exit::Done)
}

async fn redeliver(args: &RedeliverArgs, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    let again = async |id: &str| {
        let path = format!("/v1/deliveries/{id}/redeliver");
        let body = json!({ "reason": args.reason });
        Ok::<_, Failure>(api.post(&path, &[], &body, None, std::time::Duration::ZERO).await?.body)
    };
    if let [only] = args.ids.as_slice() {
        show(&[again(only).await?], true, voice)?;
        return Ok(Exit::Done);
    }
    if !args.yes {
        agree::or_nothing(&format!("redeliver of {} deliveries", args.ids.len()), voice).await?;
    }
    let (mut items, mut exits) = (Vec::new(), Vec::new());
    for id in &args.ids {
        match again(id).await {
            Ok(item) => {
                items.push(item);
                exits.push(Exit::Done);
            }
            Err(failure) => {
                exits.push(failure.exit);
                eprintln!("{}", failure.about(id));
            }
        }
    }
    show(&items, false, voice)?;
    Ok(Exit::of_several(exits))
}

fn show(items: &[Value], single: bool, voice: &Voice) -> Result<(), Failure> {
    output::write_items(&DELIVERIES, items, single, voice, details)
}

/// One delivery as names and values.
fn details(one: &Value, voice: &Voice) -> String {
    let time = |name: &str| match plain(&one[name]) {
        text if text.is_empty() => text,
        text => voice.style.time(&text),
    };
    let rows = [
        ("delivery", plain(&one["id"])),
        ("event", plain(&one["event"])),
        ("event id", plain(&one["eventId"])),
        ("closure", plain(&one["closure"])),
        ("organisation", plain(&one["organisation"])),
        ("receiver", plain(&one["receiver"])),
        ("url", plain(&one["url"])),
        ("result", plain(&one["result"])),
        ("tries", plain(&one["attempt"])),
        ("status", plain(&one["status"])),
        ("why", plain(&one["why"])),
        ("noted", time("at")),
        ("tried", time("triedAt")),
        ("next try", time("nextTryAt")),
    ];
    pairs(&rows, voice.style)
}
