//! `closeout dead`: commands that came by a queue and could not be taken.

use clap::{Args, Subcommand, builder::PossibleValuesParser};
use serde_json::{Value, json};

use super::{agree, look};
use crate::{
    client::{Api, plain},
    exit::{Exit, Failure},
    output::{self, Column, Voice, pairs},
};

const LETTERS: [Column; 12] = [
    Column::text("ID", "id"),
    Column::text("SOURCE", "source"),
    Column::text("REASON", "reason"),
    Column::state("STATE", "state"),
    Column::text("MESSAGE", "messageId"),
    Column::time("KEPT", "at"),
    Column::text("CLOSURE", "closure"),
    Column::text("PLACE", "place").when_wide(),
    Column::text("BYTES", "length").when_wide(),
    Column::text("ORGANISATION", "organisation").when_wide(),
    Column::text("BY", "by").when_wide(),
    Column::text("WHY", "seenToReason").when_wide(),
];

/// What to do with dead letters.
#[derive(Debug, Clone, Subcommand)]
pub enum DeadCommand {
    /// List them, the latest first
    #[command(after_help = "Examples:
  closeout dead list
  closeout dead list --state held --source orders --limit 0 -o id | xargs closeout dead redrive --yes

States:
  held       it waits for somebody
  redriven   it was taken after all
  discarded  somebody gave it up")]
    List(ListArgs),
    /// Show one, or several, with what stands in it: it may be personal data
    #[command(after_help = "Example:\n  closeout dead show dl_01jd5w3k9m2q8r7tb4x0y6z1ne")]
    Show(IdsArgs),
    /// Take it as if its message came now
    ///
    /// It is read as its source is configured by now, and submitted under the key of its message, so that trying twice closes
    /// once. One that cannot be taken now either stays held, and says why.
    #[command(after_help = "Examples:
  closeout dead redrive dl_01jd5w3k9m2q8r7tb4x0y6z1ne
  closeout dead list --state held --limit 0 -o id | xargs closeout dead redrive --yes")]
    Redrive(RedriveArgs),
    /// Give it up; needs a reason
    #[command(after_help = "Example:
  closeout dead discard dl_01jd5w3k9m2q8r7tb4x0y6z1ne --reason \"a test message of the staging system\"")]
    Discard(DiscardArgs),
}

/// Which dead letters.
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// In these states; several with commas
    #[arg(long, value_delimiter = ',', value_parser = PossibleValuesParser::new(intake::STATES))]
    state: Vec<String>,
    /// From these sources; several with commas
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    source: Vec<String>,
    /// Of this organisation
    #[arg(long, value_name = "NAME")]
    organisation: Option<String>,
    /// At most so many; 0 for all
    #[arg(long, default_value_t = 50, value_name = "NUMBER")]
    limit: usize,
}

/// The dead letters to show.
#[derive(Debug, Clone, Args)]
pub struct IdsArgs {
    /// Ids of dead letters (dl_…)
    #[arg(value_name = "ID", required = true, value_parser = letter)]
    ids: Vec<String>,
}

/// The dead letters to take after all.
#[derive(Debug, Clone, Args)]
pub struct RedriveArgs {
    #[command(flatten)]
    which: IdsArgs,
    /// Why; it is kept
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Do not ask before acting on more than one
    #[arg(short, long)]
    yes: bool,
}

/// The dead letters to give up.
#[derive(Debug, Clone, Args)]
pub struct DiscardArgs {
    #[command(flatten)]
    which: IdsArgs,
    /// Why; it is kept
    #[arg(long, value_name = "TEXT", required = true)]
    reason: String,
    /// Do not ask before acting on more than one
    #[arg(short, long)]
    yes: bool,
}

fn letter(text: &str) -> Result<String, String> {
    match orchestrator::parse_dead_letter_id(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err("the id of a dead letter looks like dl_01jd5w3k9m2q8r7tb4x0y6z1ne; `closeout dead list` shows those that there are".to_owned()),
    }
}

/// Runs the command.
///
/// # Errors
///
/// When the server refuses or does not answer.
pub async fn run(command: &DeadCommand, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    match command {
        DeadCommand::List(args) => list(args, api, voice).await,
        DeadCommand::Show(args) => show_each(&args.ids, api, voice).await,
        DeadCommand::Redrive(args) => {
            act("redrive", &args.which.ids, args.reason.as_deref(), args.yes, api, voice).await
        }
        DeadCommand::Discard(args) => {
            act("discard", &args.which.ids, Some(&args.reason), args.yes, api, voice).await
        }
    }
}

async fn list(args: &ListArgs, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    let mut query: Vec<_> = args.state.iter().map(|state| ("state".to_owned(), state.clone())).collect();
    query.extend(args.source.iter().map(|source| ("source".to_owned(), source.clone())));
    query.extend(args.organisation.iter().map(|name| ("organisation".to_owned(), name.clone())));
    let (items, more) = look::pages(api, "/v1/dead-letters", &query, args.limit).await?;
    if items.is_empty() {
        voice.note("no dead letter matches");
    }
    show(&items, false, voice)?;
    if more {
        voice.note("there are more; --limit 0 shows all, or narrow with --state, --source");
    }
    Ok(Exit::Done)
}

async fn show_each(ids: &[String], api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    let mut items = Vec::new();
    for id in ids {
        items.push(api.get(&format!("/v1/dead-letters/{id}"), &[]).await?.body);
    }
    show(&items, ids.len() == 1, voice)?;
    Ok(Exit::Done)
}

async fn act(
    name: &str,
    ids: &[String],
    reason: Option<&str>,
    yes: bool,
    api: &Api,
    voice: &Voice,
) -> Result<Exit, Failure> {
    let one = async |id: &str| {
        let (path, body) = (format!("/v1/dead-letters/{id}/{name}"), json!({ "reason": reason }));
        Ok::<_, Failure>(api.post(&path, &[], &body, None, std::time::Duration::ZERO).await?.body)
    };
    if let [only] = ids {
        show(&[one(only).await?], true, voice)?;
        return Ok(Exit::Done);
    }
    if !yes {
        agree::or_nothing(&format!("{name} of {} dead letters", ids.len()), voice).await?;
    }
    let (mut items, mut exits) = (Vec::new(), Vec::new());
    for id in ids {
        match one(id).await {
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
    output::write_items(&LETTERS, items, single, voice, details)
}

/// One dead letter as names and values.
fn details(one: &Value, voice: &Voice) -> String {
    let time = |name: &str| match plain(&one[name]) {
        text if text.is_empty() => text,
        text => voice.style.time(&text),
    };
    let content = &one["content"];
    let body = match plain(&content["body"]) {
        text if text.is_empty() => plain(&content["bodyBase64"]),
        text => text,
    };
    let rows = [
        ("dead letter", plain(&one["id"])),
        ("source", plain(&one["source"])),
        ("organisation", plain(&one["organisation"])),
        ("state", plain(&one["state"])),
        ("reason", plain(&one["reason"])),
        ("field", plain(&content["field"])),
        ("detail", plain(&content["detail"])),
        ("place", plain(&one["place"])),
        ("message", plain(&one["messageId"])),
        ("deliveries", plain(&one["deliveries"])),
        ("kept", time("at")),
        ("by", plain(&one["by"])),
        ("why", plain(&one["seenToReason"])),
        ("closure", plain(&one["closure"])),
        ("body", body),
    ];
    pairs(&rows, voice.style)
}
