//! `closeout ghosts scan`: sessions that are stuck and that nobody asked to close.

use std::{collections::BTreeMap, io::IsTerminal as _, time::Duration};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};

use super::{
    batch::{self, iso},
    look,
};
use crate::{
    cli::duration_up_to,
    client::Api,
    exit::{Exit, Failure},
    output::Voice,
};

/// How often a scan is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// After how many looks at a scan that does not get on its reason is looked for.
const STANDS: u32 = 6;

/// How many stuck sessions are told of; the batch has all.
const TOLD: usize = 20;

/// What to look for.
#[derive(Debug, Clone, Args)]
pub struct ScanArgs {
    /// Open for so long, and nobody came or left since [default: 24h]
    #[arg(long, value_name = "DURATION", value_parser = duration_up_to(31))]
    older_than: Option<Duration>,
    /// Begun at most so long ago [default: 7d]
    #[arg(long, value_name = "DURATION", value_parser = duration_up_to(31))]
    within: Option<Duration>,
    /// Only sessions that were in this queue
    #[arg(long, value_name = "ID")]
    queue: Option<String>,
    /// Only this message type, as webmessaging
    #[arg(long, value_name = "TYPE")]
    message_type: Option<String>,
    /// Look at so many at most [default: 1000]
    #[arg(long, value_name = "NUMBER")]
    limit: Option<u32>,
    /// Organisation, where the key has several
    #[arg(long, value_name = "NAME")]
    organisation: Option<String>,
    /// Do not wait for the result; closeout batch show tells it later
    #[arg(long)]
    detach: bool,
}

impl ScanArgs {
    fn body(&self) -> Value {
        let mut scan = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                scan.insert(name.to_owned(), value);
            }
        };
        put("olderThan", self.older_than.map(|age| json!(iso(age))));
        put("within", self.within.map(|reach| json!(iso(reach))));
        put("queueId", self.queue.as_ref().map(|queue| json!(queue)));
        put("messageType", self.message_type.as_ref().map(|kind| json!(kind)));
        put("limit", self.limit.map(|limit| json!(limit)));
        json!({ "scan": scan })
    }
}

/// Runs the command.
///
/// # Errors
///
/// When the server refuses or does not answer, or the scan cannot be done.
pub async fn run(args: &ScanArgs, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    let query: Vec<_> =
        args.organisation.iter().map(|name| ("organisation".to_owned(), name.clone())).collect();
    let begun = api.post("/v1/batches", &query, &args.body(), None, Duration::ZERO).await?.body;
    let id = begun["id"].as_str().unwrap_or_default().to_owned();
    if args.detach {
        batch::write(&begun, voice)?;
        voice.note(format_args!("it is looked for; closeout batch show {id} tells how far it is"));
        return Ok(Exit::Done);
    }
    let batch = follow(begun, &id, api, voice).await?;
    match batch["state"].as_str() {
        Some("failed") => {
            let problem = batch["scan"]["problem"].as_str().unwrap_or("no reason was kept");
            let fix = "closeout doctor --online says what the client may do; then scan again";
            return Err(Failure::new(Exit::Failed, format!("the scan could not be done: {problem}")).fix(fix));
        }
        Some("cancelled") => {
            return Err(Failure::new(Exit::Failed, format!("the scan {id} was called off")));
        }
        Some(_) | None => {}
    }
    batch::write(&batch, voice)?;
    tell(&batch, &id, api, voice).await?;
    Ok(Exit::Done)
}

/// Looks at a scan until it is over. It goes on without this command too.
async fn follow(mut batch: Value, id: &str, api: &Api, voice: &Voice) -> Result<Value, Failure> {
    let bar = bar(voice);
    let (mut stood, mut before) = (0, 0);
    while batch["state"] == "scanning" {
        let looked_at = batch["progress"]["total"].as_u64().unwrap_or_default();
        let limit = batch["scan"]["limit"].as_u64().unwrap_or_default();
        let listed = batch["scan"]["listed"].as_u64().map_or(0, |listed| listed.min(limit));
        bar.set_length(listed.max(looked_at));
        bar.set_position(looked_at);
        stood = if looked_at == before { stood + 1 } else { 0 };
        before = looked_at;
        if stood == STANDS
            && let Some(why) = why_it_stands(&batch, api).await
        {
            bar.suspend(|| voice.note(format_args!("the scan waits: {why}")));
        }
        tokio::time::sleep(LOOK).await;
        batch = api.get(&format!("/v1/batches/{id}"), &[]).await?.body;
    }
    bar.finish_and_clear();
    Ok(batch)
}

/// Why no call is made for the organisation of a scan, where that is known.
async fn why_it_stands(batch: &Value, api: &Api) -> Option<String> {
    let standing = api.get("/readyz", &[("verbose".to_owned(), "true".to_owned())]).await.ok()?.body;
    let all = standing["organisations"].as_array()?;
    let one = all.iter().find(|one| one["name"] == batch["organisation"])?;
    let name = one["name"].as_str()?;
    if one["paused"] == json!(true) {
        return Some(format!(
            "calls of {name} are paused; closeout outgoing resume --organisation {name} lets them go on"
        ));
    }
    let until = one["blockedUntil"].as_str()?;
    let by = one["blockedBy"].as_str().unwrap_or("Genesys");
    Some(format!("calls of {name} are held until {until} by {by}; closeout outgoing status shows more"))
}

fn bar(voice: &Voice) -> ProgressBar {
    if voice.quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    if let Ok(style) =
        ProgressStyle::with_template("{bar:30} {pos}/{len} conversations looked at, {eta} left")
    {
        bar.set_style(style);
    }
    bar
}

/// Says what was found, why the others were left out, and what to do next.
async fn tell(batch: &Value, id: &str, api: &Api, voice: &Voice) -> Result<(), Failure> {
    let (items, _) = look::pages(api, &format!("/v1/batches/{id}/items"), &[], 0).await?;
    let text = |item: &Value, name: &str| item[name].as_str().unwrap_or_default().to_owned();
    let stuck: Vec<_> = items.iter().filter(|item| item["state"] == "will_close").collect();
    for item in stuck.iter().take(TOLD) {
        voice.note(format_args!("stuck: {} {}", text(item, "conversationId"), text(item, "detail")));
    }
    if stuck.len() > TOLD {
        voice
            .note(format_args!("and {} more; closeout batch show {id} --rows shows all", stuck.len() - TOLD));
    }
    let mut left_out: BTreeMap<String, usize> = BTreeMap::new();
    for item in items.iter().filter(|item| item["state"] == "skipped") {
        *left_out.entry(text(item, "reason")).or_default() += 1;
    }
    let said: Vec<_> = left_out.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    if !said.is_empty() {
        voice.note(format_args!(
            "left out: {}; closeout batch show {id} --rows --state skipped says which",
            said.join(", ")
        ));
    }
    if batch["scan"]["more"] == json!(true) {
        voice.note(format_args!(
            "there are more than the {} that were looked at; close these and scan again, or give a larger --limit",
            batch["scan"]["limit"]
        ));
    }
    if items.is_empty() {
        voice.note("no open conversation fits; check --queue, --message-type, --older-than and --within");
    } else if stuck.is_empty() {
        voice.note("nothing is stuck");
    } else {
        voice.note(format_args!(
            "{} of {} are stuck, and nothing is done yet; {}",
            stuck.len(),
            items.len(),
            batch::how_to_execute(batch)
        ));
    }
    Ok(())
}
