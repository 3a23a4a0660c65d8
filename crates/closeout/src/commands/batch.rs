//! `closeout batch`: many commands that are given together, shown before anything is done.

use std::{
    io::IsTerminal as _,
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::{Args, Subcommand, ValueHint};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};

use super::{
    act_filter,
    batch_words::{left_out_as, row_state, say_settled_well, settled_well},
    look, rows,
};
use crate::{
    cli::{duration_flag, moment_flag},
    client::Api,
    exit::{Exit, Failure},
    output::{self, Column, Form, Listing, Voice},
};

/// How often a batch that is waited for is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// How many rows that are left out are told of by a preview.
const TOLD: usize = 20;

const BATCHES: [Column; 16] = [
    Column::text("ID", "id"),
    Column::state("STATE", "state"),
    Column::text("ACT", "act"),
    Column::text("TOTAL", "progress.total"),
    Column::text("QUEUED", "progress.queued"),
    Column::text("SUBMITTED", "progress.submitted"),
    Column::text("CLOSED", "progress.closed"),
    Column::text("GHOST", "progress.ghost"),
    Column::text("FAILED", "progress.failed"),
    Column::text("SKIPPED", "progress.skipped"),
    Column::time("MADE", "createdAt"),
    Column::text("ORGANISATION", "organisation").when_wide(),
    Column::text("BY", "by").when_wide(),
    Column::text("EXECUTED BY", "executedBy").when_wide(),
    Column::text("REASON", "reason").when_wide(),
    Column::text("FILTER", "filter").when_wide(),
];

const ROWS: [Column; 8] = [
    Column::text("ROW", "row"),
    Column::state("STATE", "state"),
    Column::text("CONVERSATION", "conversationId"),
    Column::text("CLOSURE", "closure"),
    Column::text("REASON", "reason"),
    Column::text("DETAIL", "detail"),
    Column::text("LINE", "line"),
    Column::text("TEXT", "text"),
];

/// The columns of these batches: in a table their rows are counted by a word that fits their act, or all their acts. Programs
/// find the interface's.
fn columns(batches: &[Value], form: Form) -> [Column; 16] {
    let mut words = batches.iter().map(settled_well);
    let heading = match words.next() {
        Some(first) if words.any(|other| other != first) => "DONE",
        Some("resolved") => "RESOLVED",
        Some("cancelled") => "CANCELLED",
        Some(_) | None => "CLOSED",
    };
    match form {
        Form::Table | Form::Wide => {
            BATCHES.map(|column| if column.heading() == "CLOSED" { column.called(heading) } else { column })
        }
        Form::Json | Form::Ndjson | Form::Csv | Form::Id => BATCHES,
    }
}

/// What to do with batches.
#[derive(Debug, Clone, Subcommand)]
pub enum BatchCommand {
    /// Show what closing many conversations would do, and do nothing
    #[command(after_help = "Examples:
  closeout batch preview stuck.csv
  mysql -Ne 'select id from stuck' | closeout batch preview -
  closeout batch preview rows.ndjson -o json
  closeout batch preview --state failed --reason agent_connected --since 8h
  closeout batch preview --act retry --state ghost --reason no_confirmation

Rows come from a file, or are the conversations of closures that match. A file is a JSON list, a JSON object on each line, the id of a conversation on each line, or CSV with the headings \
conversationId, participantId, idempotencyKey, label.NAME and policy.NAME; which of them is seen from how it begins. Blank lines and those \
that begin with # are passed over. It has 10,000 rows and 4,000,000 bytes at most. The token is for exactly the rows that would be closed, and lasts 15 minutes.")]
    Preview(PreviewArgs),
    /// Run a batch that was previewed
    #[command(
        visible_alias = "run",
        after_help = "Examples:
  closeout batch execute bt_01jd5w3k9m2q8r7tb4x0y6z1ne --token 5f1c… --reason \"stuck since the outage\"
  closeout batch execute bt_01jd5w3k9m2q8r7tb4x0y6z1ne --token 5f1c… --reason cleanup --wait 10m

The server runs it, also when this command is interrupted; the same command again goes on waiting. With --wait the \
exit code tells: 0 what was asked is done for every row or it was skipped, 6 still under way, 9 some failed or are ghosts."
    )]
    Execute(ExecuteArgs),
    /// List batches, the latest first
    #[command(after_help = "Examples:
  closeout batch list
  closeout batch list --state running,paused
  closeout batch list --limit 0 -o csv")]
    List(ListArgs),
    /// Show a batch, or with --rows each of its rows
    #[command(
        visible_alias = "status",
        after_help = "Examples:\n  closeout batch show bt_01jd5w3k9m2q8r7tb4x0y6z1ne\n  closeout batch show bt_01jd5w3k9m2q8r7tb4x0y6z1ne --rows --state skipped -o csv"
    )]
    Show(ShowArgs),
    /// Submit no further row until it is resumed
    #[command(after_help = "Example:\n  closeout batch pause bt_01jd5w3k9m2q8r7tb4x0y6z1ne")]
    Pause(OneBatch),
    /// Go on with a batch that was paused
    #[command(after_help = "Example:\n  closeout batch resume bt_01jd5w3k9m2q8r7tb4x0y6z1ne")]
    Resume(OneBatch),
    /// Submit no row any more; what was submitted goes on
    #[command(after_help = "Example:\n  closeout batch cancel bt_01jd5w3k9m2q8r7tb4x0y6z1ne")]
    Cancel(OneBatch),
}

/// Which rows.
#[derive(Debug, Clone, Args)]
pub struct PreviewArgs {
    /// File with the rows; `-` for stdin
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath, required_unless_present_any = ["filter", "file"],
          conflicts_with_all = ["filter", "file"])]
    rows: Option<PathBuf>,
    /// The same
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: Option<PathBuf>,
    #[command(flatten)]
    filter: ClosureFilter,
    /// Do this to the closures that match, in place of closing their conversations
    #[arg(long, value_name = "ACT", requires = "filter", conflicts_with_all = ["file", "rows"],
          value_parser = ["retry", "verify", "cancel", "resolve", "force"])]
    act: Option<String>,
    /// Organisation, where the key has several
    #[arg(long, value_name = "NAME")]
    organisation: Option<String>,
}

/// Whose closures' conversations.
#[derive(Debug, Clone, Args)]
#[group(id = "filter", multiple = true, conflicts_with = "file")]
pub struct ClosureFilter {
    /// Of closures in these states; several with commas
    #[arg(long, value_delimiter = ',', value_parser = clap::builder::PossibleValuesParser::new(orchestrator::names::STATES))]
    state: Vec<String>,
    /// Of closures with these reasons; several with commas
    #[arg(long, value_name = "REASON", value_delimiter = ',')]
    reason: Vec<String>,
    /// Of closures with this label
    #[arg(long, value_name = "NAME=VALUE", value_parser = crate::cli::label)]
    label: Vec<(String, String)>,
    /// Of closures accepted since then, as 8h or 2026-11-21T09:15:00Z
    #[arg(long, value_name = "MOMENT", value_parser = moment_flag)]
    since: Option<String>,
    /// Of closures accepted before then, as 1h or 2026-11-21T09:15:00Z
    #[arg(long, value_name = "MOMENT", value_parser = moment_flag)]
    until: Option<String>,
    /// Of closures that came from here: http, or a source's name
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Of ghosts whose session was last seen in these queues; several with commas
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    queue: Vec<String>,
}

impl ClosureFilter {
    fn body(&self) -> Value {
        let mut filter = Map::new();
        if !self.state.is_empty() {
            filter.insert("state".to_owned(), json!(self.state));
        }
        if !self.reason.is_empty() {
            filter.insert("closureReason".to_owned(), json!(self.reason));
        }
        if !self.label.is_empty() {
            let labels: Map<_, _> =
                self.label.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
            filter.insert("labels".to_owned(), json!(labels));
        }
        for (name, moment) in [("since", &self.since), ("until", &self.until)] {
            if let Some(moment) = moment {
                filter.insert(name.to_owned(), json!(moment));
            }
        }
        if let Some(source) = &self.source {
            filter.insert("source".to_owned(), json!(source));
        }
        if !self.queue.is_empty() {
            filter.insert("queueId".to_owned(), json!(self.queue));
        }
        json!({ "filter": filter })
    }
}

/// A duration as the API takes it.
pub(super) fn iso(duration: Duration) -> String {
    format!("PT{}S", duration.as_secs())
}

/// Which batch to run, and why.
#[derive(Debug, Clone, Args)]
pub struct ExecuteArgs {
    /// The batch
    #[arg(value_name = "ID", value_parser = batch_id)]
    id: String,
    /// The token of its preview
    #[arg(long, value_name = "TOKEN")]
    token: String,
    /// Why; it becomes the reason of every closure
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Wait so long until every row is settled, as 10m
    #[arg(long, value_name = "DURATION", value_parser = duration_flag)]
    wait: Option<Duration>,
}

/// Which batches.
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// Of this organisation
    #[arg(long, value_name = "NAME")]
    organisation: Option<String>,
    /// In these states; several with commas
    #[arg(long, value_name = "STATE", value_delimiter = ',',
          value_parser = ["scanning", "preview", "running", "paused", "cancelled", "finished", "failed"])]
    state: Vec<String>,
    /// At most so many; 0 for all
    #[arg(long, default_value_t = 50, value_name = "NUMBER")]
    limit: usize,
}

/// What to see of a batch.
#[derive(Debug, Clone, Args)]
pub struct ShowArgs {
    /// The batch
    #[arg(value_name = "ID", value_parser = batch_id)]
    id: String,
    /// Show its rows
    #[arg(long)]
    rows: bool,
    /// Rows in this state only; closed is what was asked is done, so resolved and cancelled mean the same
    #[arg(long, requires = "rows", value_name = "STATE",
          value_parser = ["will_close", "will_act", "queued", "submitted", "closed", "resolved", "cancelled", "ghost", "failed",
                          "skipped"])]
    state: Option<String>,
    /// At most so many rows; 0 for all
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    limit: usize,
}

/// One batch.
#[derive(Debug, Clone, Args)]
pub struct OneBatch {
    /// The batch
    #[arg(value_name = "ID", value_parser = batch_id)]
    id: String,
    /// Why; it is kept in the audit
    #[arg(long)]
    reason: Option<String>,
}

fn batch_id(text: &str) -> Result<String, String> {
    match orchestrator::parse_batch_id(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err("the id of a batch looks like bt_01jd5w3k9m2q8r7tb4x0y6z1ne; `closeout batch list` shows those that there are".to_owned()),
    }
}

/// Runs the command.
///
/// # Errors
///
/// When the file cannot be read, or the server refuses or does not answer.
pub async fn run(command: &BatchCommand, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    match command {
        BatchCommand::Preview(args) => preview(args, api, voice).await,
        BatchCommand::Execute(args) => execute(args, api, voice).await,
        BatchCommand::List(args) => list(args, api, voice).await,
        BatchCommand::Show(args) => show(args, api, voice).await,
        BatchCommand::Pause(args) => act(args, "pause", api, voice).await,
        BatchCommand::Resume(args) => act(args, "resume", api, voice).await,
        BatchCommand::Cancel(args) => act(args, "cancel", api, voice).await,
    }
}

async fn preview(args: &PreviewArgs, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    let query: Vec<_> =
        args.organisation.iter().map(|name| ("organisation".to_owned(), name.clone())).collect();
    let batch = match args.rows.as_ref().or(args.file.as_ref()) {
        Some(file) => {
            let rows = rows::read(file)?;
            api.post_file("/v1/batches", &query, rows::form_of(&rows), rows).await?.body
        }
        None => {
            let mut body = args.filter.body();
            if let Some(act) = &args.act {
                body["act"] = json!(act);
            }
            api.post("/v1/batches", &query, &body, None, Duration::ZERO).await?.body
        }
    };
    write(&batch, voice)?;
    tell_filter(&batch, voice);
    let id = batch["id"].as_str().unwrap_or_default();
    let skipped = batch["progress"]["skipped"].as_u64().unwrap_or_default();
    if skipped > 0 {
        let only = [("state".to_owned(), "skipped".to_owned())];
        let (items, more) = look::pages(api, &format!("/v1/batches/{id}/items"), &only, TOLD).await?;
        for item in &items {
            voice.note(left_out_as(item));
        }
        if more {
            voice.note(format_args!(
                "there are more; closeout batch show {id} --rows --state skipped shows all"
            ));
        }
    }
    let done = batch["act"].as_str().map_or("would be closed".to_owned(), |act| format!("would get {act}"));
    if batch["progress"]["queued"] == json!(0) {
        voice.note("nothing is left to do");
    } else {
        voice.note(format_args!(
            "{} of {} {done}, and nothing is done yet; {}",
            batch["progress"]["queued"],
            batch["progress"]["total"],
            how_to_execute(&batch)
        ));
    }
    Ok(Exit::Done)
}

async fn execute(args: &ExecuteArgs, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    let path = format!("/v1/batches/{}/execute", args.id);
    let body = json!({ "confirmToken": args.token, "reason": args.reason });
    let begun = api.post(&path, &[], &body, None, Duration::ZERO).await?.body;
    let Some(wait) = args.wait else {
        write(&begun, voice)?;
        return Ok(Exit::Done);
    };
    let batch = follow(begun, wait, api, voice).await?;
    write(&batch, voice)?;
    Ok(exit_of(&batch))
}

/// Looks at a batch until it is settled, or `wait` is over. A server that does not answer meanwhile is asked again.
pub(super) async fn follow(
    mut batch: Value,
    wait: Duration,
    api: &Api,
    voice: &Voice,
) -> Result<Value, Failure> {
    let until = Instant::now() + wait;
    let path = format!("/v1/batches/{}", batch["id"].as_str().unwrap_or_default());
    let left_out = left_out(&batch);
    let bar = bar(&batch, left_out, voice);
    while under_way(&batch) && Instant::now() < until {
        bar.set_position(progress(&batch, left_out).0);
        tokio::time::sleep(LOOK.min(until.saturating_duration_since(Instant::now()))).await;
        match api.get(&path, &[]).await {
            Ok(answer) => batch = answer.body,
            Err(failure) if failure.exit == Exit::Unreachable && Instant::now() < until => {}
            Err(failure) => return Err(failure),
        }
    }
    bar.finish_and_clear();
    Ok(batch)
}

fn bar(batch: &Value, left_out: u64, voice: &Voice) -> ProgressBar {
    if voice.quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(progress(batch, left_out).1);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} rows settled, {eta} left") {
        bar.set_style(style);
    }
    bar
}

/// How many rows were left out when it was judged, which is no progress. Those that are skipped while it runs are settled by that.
fn left_out(batch: &Value) -> u64 {
    batch["progress"]["skipped"].as_u64().unwrap_or_default()
}

/// How many of the rows that there was something to do for are settled, and how many these are.
fn progress(batch: &Value, left_out: u64) -> (u64, u64) {
    let (settled, total) = settled(batch);
    (settled.saturating_sub(left_out), total.saturating_sub(left_out))
}

/// How many rows are settled, and how many there are.
fn settled(batch: &Value) -> (u64, u64) {
    let count = |name: &str| batch["progress"][name].as_u64().unwrap_or_default();
    let total = count("total");
    (total.saturating_sub(count("queued") + count("submitted")), total)
}

/// Whether anything is still going to happen by itself.
fn under_way(batch: &Value) -> bool {
    let (settled, total) = settled(batch);
    match batch["state"].as_str() {
        Some("running") => true,
        Some("cancelled") => settled < total,
        Some(_) | None => false,
    }
}

pub(super) fn exit_of(batch: &Value) -> Exit {
    let (settled, total) = settled(batch);
    let count = |name: &str| batch["progress"][name].as_u64().unwrap_or_default();
    if settled < total {
        Exit::InFlight
    } else if count("ghost") + count("failed") > 0 {
        Exit::PartlyFailed
    } else {
        Exit::Done
    }
}

async fn list(args: &ListArgs, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    let organisation = args.organisation.iter().map(|name| ("organisation".to_owned(), name.clone()));
    let state = (!args.state.is_empty()).then(|| ("state".to_owned(), args.state.join(",")));
    let query: Vec<_> = organisation.chain(state).collect();
    let (items, more) = look::pages(api, "/v1/batches", &query, args.limit).await?;
    let columns = columns(&items, voice.form);
    output::write(&Listing { columns: &columns, items: &items, id: "id" }.write(voice.form, voice.style))?;
    if more {
        voice.note("there are more; --limit 0 shows all");
    }
    Ok(Exit::Done)
}

async fn show(args: &ShowArgs, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    let path = format!("/v1/batches/{}", args.id);
    if !args.rows {
        let batch = api.get(&path, &[]).await?.body;
        write(&batch, voice)?;
        tell_filter(&batch, voice);
        if batch["confirmToken"].is_string() && batch["progress"]["queued"] != json!(0) {
            match batch["confirmUntil"].as_str().and_then(|until| until.parse::<jiff::Timestamp>().ok()) {
                Some(until) if until < jiff::Timestamp::now() => voice.note(format_args!(
                    "nothing was done, and its token is good no more since {until}: preview the same again"
                )),
                Some(_) | None => {
                    voice.note(format_args!("nothing is done yet; {}", how_to_execute(&batch)));
                }
            }
        }
        return Ok(Exit::Done);
    }
    let query: Vec<_> = args.state.iter().map(|state| ("state".to_owned(), row_state(state))).collect();
    let (mut items, more) = look::pages(api, &format!("{path}/items"), &query, args.limit).await?;
    if matches!(voice.form, Form::Table | Form::Wide) {
        let word = settled_well(&api.get(&path, &[]).await?.body);
        say_settled_well(&mut items, word);
    }
    output::write(
        &Listing { columns: &ROWS, items: &items, id: "conversationId" }.write(voice.form, voice.style),
    )?;
    if more {
        voice.note("there are more; --limit 0 shows all");
    }
    Ok(Exit::Done)
}

async fn act(args: &OneBatch, act: &str, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    let path = format!("/v1/batches/{}/{act}", args.id);
    let body = json!({ "reason": args.reason });
    let batch = api.post(&path, &[], &body, None, Duration::ZERO).await?.body;
    write(&batch, voice)?;
    Ok(Exit::Done)
}

/// Says which closures a batch is of, as `--filter` of an act takes it.
fn tell_filter(batch: &Value, voice: &Voice) {
    if let Some(filter) = act_filter::written(&batch["filter"]) {
        voice.note(format_args!("it is of the closures that match {filter}"));
    }
}

/// The command that executes a batch that is judged, and until when it may be given.
pub(super) fn how_to_execute(batch: &Value) -> String {
    let text = |name: &str| batch[name].as_str().unwrap_or_default();
    format!(
        "until {}:\n  closeout batch execute {} --reason WHY --token {}",
        text("confirmUntil"),
        text("id"),
        text("confirmToken")
    )
}

pub(super) fn write(batch: &Value, voice: &Voice) -> Result<(), Failure> {
    let items = std::slice::from_ref(batch);
    let columns = columns(items, voice.form);
    output::write(&Listing { columns: &columns, items, id: "id" }.write(voice.form, voice.style))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Style;

    #[test]
    fn people_read_a_word_that_fits_the_act_and_programs_the_one_of_the_interface() {
        let batch = |act: Value| json!({ "id": "bt_1", "state": "finished", "act": act, "progress": { "closed": 2 } });
        let head = |batches: &[Value], form| {
            let columns = columns(batches, form);
            let text = Listing { columns: &columns, items: batches, id: "id" }.write(form, Style::default());
            text.lines().next().unwrap_or_default().to_owned()
        };
        let (closes, resolves) = (batch(Value::Null), batch(json!("resolve")));
        for (batches, word) in [
            (vec![], "CLOSED"),
            (vec![closes.clone(), batch(json!("retry")), batch(json!("force"))], "CLOSED"),
            (vec![resolves.clone()], "RESOLVED"),
            (vec![batch(json!("cancel"))], "CANCELLED"),
            (vec![closes, resolves], "DONE"),
        ] {
            let head_of_table = head(&batches, Form::Table);
            assert!(head_of_table.contains(&format!(" {word} ")), "{head_of_table}");
            assert!(head(&batches, Form::Csv).contains(",closed,"));
        }
    }

    #[test]
    fn an_id_that_is_none_is_answered_with_what_ids_look_like_and_where_they_are_shown() {
        let id = "bt_01jd5w3k9m2q8r7tb4x0y6z1ne";
        assert_eq!(batch_id(id).as_deref(), Ok(id));
        for nope in ["bt_nope", "cl_01jd5w3k9m2q8r7tb4x0y6z1ne", ""] {
            let why = batch_id(nope).unwrap_err();
            assert!(why.contains(id) && why.contains("`closeout batch list`"), "{why}");
        }
    }

    #[test]
    fn rows_that_are_left_out_are_no_progress_and_those_skipped_on_the_way_are() {
        let batch = |queued: u64, closed: u64, skipped: u64| json!({ "progress": { "total": 100, "queued": queued, "closed": closed, "skipped": skipped } });
        let begun = batch(10, 0, 90);
        let left_out = left_out(&begun);
        for (batch, shown) in [(begun, (0, 10)), (batch(6, 3, 91), (4, 10)), (batch(0, 8, 92), (10, 10))] {
            assert_eq!(progress(&batch, left_out), shown, "{batch}");
        }
    }

    #[test]
    fn the_exit_code_tells_how_the_rows_stand() {
        let batch = |state: &str, queued: u64, closed: u64, ghost: u64| {
            let progress = json!({ "total": queued + closed + ghost, "queued": queued, "closed": closed, "ghost": ghost });
            json!({ "state": state, "progress": progress })
        };
        for (batch, exit, waits) in [
            (batch("running", 1, 1, 0), Exit::InFlight, true),
            (batch("paused", 1, 1, 0), Exit::InFlight, false),
            (batch("cancelled", 1, 1, 0), Exit::InFlight, true),
            (batch("finished", 0, 2, 0), Exit::Done, false),
            (batch("finished", 0, 1, 1), Exit::PartlyFailed, false),
        ] {
            assert_eq!((exit_of(&batch), under_way(&batch)), (exit, waits), "{batch}");
        }
    }
}
