//! `closeout ghosts`: closures that lack a proof.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueHint};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use ghost_report::{Making, Report, Told, as_csv, as_json};
use jiff::Timestamp;
use serde_json::Value;

use super::{close, look, scan};
use crate::{
    client::Api,
    exit::{Exit, Failure},
    output::{self, Column, Form, Listing, Voice},
};

/// So many blocked closures are counted where there is no ghost; more are told as so many and more.
const BLOCKED_COUNTED: usize = 100;

/// How many ghosts are asked about at once.
const ASKED_AT_ONCE: usize = 8;

const GHOSTS: [Column; 15] = [
    Column::text("ID", "id"),
    Column::text("CONVERSATION", "conversationId"),
    Column::text("REASON", "ghost.reason"),
    Column::time("SINCE", "ghost.since"),
    Column::time("NEXT LOOK", "ghost.nextLook"),
    Column::text("CLAIMED BY", "ghost.handling.claimed.by"),
    Column::time("SNOOZED UNTIL", "ghost.handling.snoozedUntil").when_wide(),
    Column::text("COMMENT", "ghost.handling.comment.text").when_wide(),
    Column::text("LOOKS", "ghost.looks").when_wide(),
    Column::time("GIVEN UP AT", "ghost.givenUpAt").when_wide(),
    Column::text("ORGANISATION", "organisation").when_wide(),
    Column::text("QUEUE", "ghost.queueId").when_wide(),
    Column::text("COMMAND", "ghost.suggested.0.command").when_wide(),
    Column::text("PAGE", "ghost.genesysPage").when_wide(),
    Column::text("WHAT CAN BE DONE", "ghost.suggested.0.what"),
];

const QUEUES: [Column; 4] = [
    Column::text("ORGANISATION", "organisation"),
    Column::text("QUEUE", "queueId"),
    Column::text("GHOSTS", "count"),
    Column::time("OLDEST ACCEPTED", "oldestAcceptedAt"),
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
    /// List them, the oldest first, with what can be done
    #[command(
        after_help = "Examples:\n  closeout ghosts list\n  closeout ghosts list --reason wrapup_pending -o wide\n  closeout ghosts list -o id | xargs closeout verify --yes"
    )]
    List(GhostArgs),
    /// Count them by organisation, reason and queue
    #[command(
        after_help = "By reason first, then by the queue of the conversation, the most ghosts first. -o json has both; -o csv and -o \
ndjson have those by reason.

Examples:
  closeout ghosts summary
  closeout ghosts summary -o json | jq '.byQueue[0]'
  closeout ghosts list --queue 9bfb36aa-cde3-4706-9744-70f0645754cf"
    )]
    Summary,
    /// Look for sessions that are stuck and that nobody asked to close
    #[command(after_help = "Examples:
  closeout ghosts scan
  closeout ghosts scan --older-than 72h --queue 9bfb36aa-cde3-4706-9744-70f0645754cf
  closeout ghosts scan --message-type webmessaging --limit 200 -o json

The server lists conversations without an end by analytics, reads each, and says of every one why it is left out: ended \
by now, an agent is connected, somebody came or left lately, and so on. What is left is shown as a batch, and nothing is \
done until it is executed. It takes what closures leave of the quota, and overtakes none that waits.")]
    Scan(scan::ScanArgs),
    /// Write a report: what is stuck, since when, what it waits for, what is missing, what to do
    #[command(after_help = "Examples:
  closeout ghosts report -o html --file ghosts.html
  closeout ghosts report -o csv --file ghosts.csv
  closeout ghosts report -o json | jq .total

-o html, which holds without -o too, is one file with everything in it, to be opened, mailed or printed; -o csv and -o json are data, \
the latter with the whole timeline of each ghost.")]
    Report(ReportArgs),
}

/// Which ghosts, and how many.
#[derive(Debug, Clone, Args)]
pub struct GhostArgs {
    #[command(flatten)]
    ghosts: GhostFilter,
    /// At most so many; 0 for all
    #[arg(long, default_value_t = 50, value_name = "NUMBER")]
    limit: usize,
}

/// Which ghosts.
#[derive(Debug, Clone, Args)]
pub struct GhostFilter {
    /// With these reasons; several with commas
    #[arg(long, value_delimiter = ',', value_parser = clap::builder::PossibleValuesParser::new(orchestrator::names::GHOST_REASONS))]
    reason: Vec<String>,
    /// Of conversations of these queues; several with commas; none for ghosts whose queue is not known
    #[arg(long, value_delimiter = ',', value_name = "ID|none")]
    queue: Vec<String>,
    /// Of this organisation
    #[arg(long, value_name = "NAME")]
    organisation: Option<String>,
}

impl GhostFilter {
    /// Whether only some of the ghosts are meant.
    fn narrows(&self) -> bool {
        !self.query().is_empty()
    }

    /// How many ghosts match, as the summary counts them; nothing where it does not count so.
    fn counted(&self, summary: &Value) -> Option<u64> {
        let (groups, field, wanted) = match (self.reason.as_slice(), self.queue.as_slice()) {
            (reasons, []) => ("groups", "reason", reasons),
            ([], queues) => ("byQueue", "queueId", queues),
            (_, _) => return None,
        };
        let matches = |group: &&Value| {
            let value = group[field].as_str().unwrap_or("none");
            (wanted.is_empty() || wanted.iter().any(|one| one.eq_ignore_ascii_case(value)))
                && self.organisation.as_ref().is_none_or(|name| group["organisation"] == **name)
        };
        let counts = summary[groups].as_array()?.iter().filter(matches).map(|group| group["count"].as_u64());
        counts.sum()
    }

    fn query(&self) -> Vec<(String, String)> {
        let reasons = self.reason.iter().map(|reason| ("reason".to_owned(), reason.clone()));
        reasons
            .chain(self.queue.iter().map(|queue| ("queueId".to_owned(), queue.clone())))
            .chain(self.organisation.iter().map(|name| ("organisation".to_owned(), name.clone())))
            .collect()
    }
}

/// What to report, and where to.
#[derive(Debug, Clone, Args)]
pub struct ReportArgs {
    #[command(flatten)]
    ghosts: GhostFilter,
    /// File to write; what is there already is replaced once the report is whole [default: stdout]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: Option<PathBuf>,
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
        GhostsCommand::Scan(args) => scan::run(args, api, voice).await,
        GhostsCommand::Report(args) => report(args, api, voice).await,
    }
}

async fn list(args: &GhostArgs, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    let mut query = args.ghosts.query();
    query.push(("sort".to_owned(), "acceptedAt".to_owned()));
    let (items, more) = look::pages(api, "/v1/ghosts", &query, args.limit).await?;
    if items.is_empty() {
        say_none(args.ghosts.narrows(), api, voice).await?;
    }
    show(&GHOSTS, &items, voice)?;
    if more {
        let summary = api.get("/v1/ghosts/summary", &[]).await?.body;
        voice.note(more_words(args.ghosts.counted(&summary), items.len()));
    }
    Ok(Exit::Done)
}

/// That there are more ghosts than are shown, and how many where that is known.
fn more_words(counted: Option<u64>, shown: usize) -> String {
    let left = counted.and_then(|all| all.checked_sub(shown as u64)).filter(|left| *left > 0);
    let how_many = match left {
        Some(1) => "there is 1 more, accepted later".to_owned(),
        Some(left) => format!("there are {left} more, accepted later"),
        None => "there are more, accepted later".to_owned(),
    };
    format!("{how_many}; --limit 0 shows all")
}

/// Says that there is no ghost, and what is stuck all the same.
async fn say_none(narrowed: bool, api: &Api, voice: &Voice) -> Result<(), Failure> {
    if narrowed {
        voice.note("no ghost matches");
        return Ok(());
    }
    let blocked = [("state".to_owned(), "blocked".to_owned())];
    let (blocked, more) = look::pages(api, "/v1/closures", &blocked, BLOCKED_COUNTED).await?;
    voice.note(none_words(blocked.len(), more));
    Ok(())
}

/// That there is no ghost, where so many closures are blocked, or more.
fn none_words(blocked: usize, more: bool) -> String {
    let blocked = match (blocked, more) {
        (0, _) => return "no ghosts: every closure is under way or proven".to_owned(),
        (1, false) => "1 closure is blocked".to_owned(),
        (count, false) => format!("{count} closures are blocked"),
        (count, true) => format!("{count} closures and more are blocked"),
    };
    format!("no ghosts, but {blocked}, as Genesys refuses what they need: closeout list --state blocked")
}

async fn summary(api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    let body = api.get("/v1/ghosts/summary", &[]).await?.body;
    let items = body.get("groups").and_then(Value::as_array).cloned().unwrap_or_default();
    if voice.form == Form::Json {
        output::write(&output::pretty(&body))?;
        return Ok(Exit::Done);
    }
    if items.is_empty() {
        say_none(false, api, voice).await?;
    }
    show(&SUMMARY, &items, voice)?;
    if matches!(voice.form, Form::Table | Form::Wide) && !items.is_empty() {
        let mut queues = body.get("byQueue").and_then(Value::as_array).cloned().unwrap_or_default();
        for queue in queues.iter_mut().filter(|queue| queue["queueId"].is_null()) {
            queue["queueId"] = "not known".into();
        }
        output::write("\n")?;
        show(&QUEUES, &queues, voice)?;
    }
    Ok(Exit::Done)
}

async fn report(args: &ReportArgs, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    let (items, _) = look::pages(api, "/v1/ghosts", &args.ghosts.query(), 0).await?;
    let making = Making { server: api.server(), at: Timestamp::now(), cut: None };
    let text = match voice.form {
        Form::Csv => as_csv(&told(items, api, voice).await?, None),
        Form::Id => Listing { columns: &GHOSTS, items: &items, id: "id" }.write(voice.form, voice.style),
        Form::Table | Form::Wide => Report::of(&told(items, api, voice).await?, &making).page(),
        Form::Json => output::pretty(&as_json(&told(items, api, voice).await?, &making)),
        Form::Ndjson => format!("{}\n", as_json(&told(items, api, voice).await?, &making)),
    };
    let Some(file) = &args.file else {
        output::write(&text)?;
        return Ok(Exit::Done);
    };
    replace(file, &text).map_err(|error| unwritable(file, &error))?;
    voice.note(format_args!("written to {}", file.display()));
    Ok(Exit::Done)
}

/// Asks what the report tells of each ghost. One that is no ghost any more by then is told as it was.
async fn told(items: Vec<Value>, api: &Api, voice: &Voice) -> Result<Vec<Told>, Failure> {
    let bar = &close::progress(items.len(), voice);
    let asked = stream::iter(items.into_iter().map(|ghost| async move {
        let id = ghost["id"].as_str().unwrap_or_default().to_owned();
        let explanation = api.get(&format!("/v1/closures/{id}/explain"), &[]).await?.body;
        let mut timeline = api.get(&format!("/v1/closures/{id}/timeline"), &[]).await?.body;
        bar.inc(1);
        let timeline = match timeline["items"].take() {
            Value::Array(lines) => lines,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
                Vec::new()
            }
        };
        Ok(Told { ghost, explanation, timeline })
    }));
    let told = asked.buffered(ASKED_AT_ONCE).try_collect().await;
    bar.finish_and_clear();
    told
}

fn unwritable(file: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("{} cannot be written: {error}", file.display())).fix(
        "name a file in a folder that is there and that you may write to, or leave --file out for stdout",
    )
}

/// Writes a file so that it is the old one or the new one, never half of it.
pub(super) fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = folder.join(name);
    let written = std::fs::write(&part, text).and_then(|()| std::fs::rename(&part, file));
    if written.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    written
}

fn show(columns: &[Column], items: &[Value], voice: &Voice) -> Result<(), Failure> {
    if items.is_empty() && matches!(voice.form, Form::Table | Form::Wide) {
        return Ok(());
    }
    output::write(&Listing { columns, items, id: "id" }.write(voice.form, voice.style))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        ghosts: GhostFilter,
    }

    fn filter(line: &[&str]) -> GhostFilter {
        Line::try_parse_from(std::iter::once("list").chain(line.iter().copied())).unwrap().ghosts
    }

    #[test]
    fn that_no_ghost_matches_is_not_told_as_that_there_is_none() {
        assert!(!filter(&[]).narrows());
        for line in [["--queue", "none"], ["--reason", "unreachable"], ["--organisation", "main"]] {
            assert!(filter(&line).narrows(), "{line:?}");
        }
    }

    #[test]
    fn where_there_is_no_ghost_blocked_closures_are_named() {
        assert_eq!(none_words(0, false), "no ghosts: every closure is under way or proven");
        let told = none_words(2, false);
        assert!(told.contains("2 closures are blocked") && told.contains("--state blocked"), "{told}");
        assert!(none_words(1, false).contains("1 closure is blocked"));
        assert!(none_words(100, true).contains("100 closures and more are blocked"));
    }

    #[test]
    fn a_report_that_cannot_be_written_says_what_to_do() {
        let file = Path::new("/nowhere/ghosts.html");
        let failure = unwritable(file, &replace(file, "").unwrap_err());
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.fix.as_ref().is_some_and(|fix| fix.contains("--file")), "{failure}");
    }

    #[test]
    fn how_many_more_there_are_is_told_as_far_as_it_is_counted() {
        let summary = json!({
            "groups": [
                { "organisation": "main", "reason": "unreachable", "count": 7 },
                { "organisation": "main", "reason": "rejected", "count": 2 },
                { "organisation": "other", "reason": "unreachable", "count": 4 },
            ],
            "byQueue": [
                { "organisation": "main", "queueId": "a1", "count": 8 },
                { "organisation": "main", "queueId": null, "count": 1 },
                { "organisation": "other", "queueId": "b1", "count": 4 },
            ],
        });
        for (line, count) in [
            (&[][..], Some(13)),
            (&["--organisation", "main"], Some(9)),
            (&["--reason", "unreachable"], Some(11)),
            (&["--reason", "unreachable,rejected", "--organisation", "main"], Some(9)),
            (&["--queue", "none"], Some(1)),
            (&["--queue", "A1,b1"], Some(12)),
            (&["--queue", "a1", "--reason", "rejected"], None),
        ] {
            assert_eq!(filter(line).counted(&summary), count, "{line:?}");
        }
        assert_eq!(more_words(Some(51), 50), "there is 1 more, accepted later; --limit 0 shows all");
        assert_eq!(more_words(Some(63), 50), "there are 13 more, accepted later; --limit 0 shows all");
        // Some were settled between the two questions.
        for counted in [None, Some(50), Some(49)] {
            assert_eq!(more_words(counted, 50), "there are more, accepted later; --limit 0 shows all");
        }
    }
}
