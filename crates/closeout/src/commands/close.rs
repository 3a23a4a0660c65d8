//! `closeout close`: requests closures, and waits for them when asked to.

use std::{
    io::{IsTerminal as _, Read as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clap::{Args, ValueHint};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    agree, close_several, look, plan, target,
    wait::{WAIT_AT_ONCE, exit_of, wait_query, wait_until},
};
use crate::{
    cli::{duration_flag, label},
    client::Api,
    exit::{Exit, Failure},
    output::{self, Voice},
};

/// From how many closures on a progress bar is shown.
const BAR_FROM: usize = 5;

/// What to close, and how.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  closeout close 2f7bf00a-0fc2-4d6a-9b56-92238191433e --wait 30s
  closeout close 2f7bf00a-0fc2-4d6a-9b56-92238191433e --dry-run
  closeout close --external-id customer-4711 --wait 30s
  closeout close --attribute orderId=8812 --dry-run
  closeout close 2f7bf00a-0fc2-4d6a-9b56-92238191433e --wrap-up 'Closed by backend' --wait 30s
  closeout close --file ids.txt --reason cleanup --label team=ops --yes --wait 10m -o csv
  mysql -Ne 'select conversation from done' | closeout close - --yes

Without --wait the command ends when the requests are durable. With it, the exit code tells: \
0 closed or already closed, 6 still in flight, 7 ghost, 8 failed or cancelled, 9 some of each. \
With --dry-run it is 8 when the plan ends as failed, because a guard does not hold, else 0.

What no flag says holds as configured under [closing]. Asking twice for the same conversation is harmless: the second \
request joins the first. With --external-id or --attribute the conversation is looked up among the open ones; when several \
fit, they are listed and none is closed.")]
pub struct CloseArgs {
    /// Conversation ids; `-` reads them from stdin, one a line
    #[arg(value_name = "ID", required_unless_present_any = ["file", "external_id", "attribute", "attribute_name"])]
    ids: Vec<String>,
    /// File with conversation ids, one a line; empty lines and lines with # are passed over
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// Close the one open conversation with this external id; the server's lookup.external_id_dimension says which id
    /// that is
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["ids", "file"])]
    external_id: Option<String>,
    /// Close the one open conversation in which a participant has this attribute; the name ends at the first =
    #[arg(long, value_name = "NAME=VALUE", value_parser = attribute, conflicts_with_all = ["ids", "file", "external_id"])]
    attribute: Option<(String, String)>,
    /// The same with the name apart, for one that itself contains =
    #[arg(long, value_name = "NAME", requires = "attribute_value",
          conflicts_with_all = ["ids", "file", "external_id", "attribute"])]
    attribute_name: Option<String>,
    /// The value that goes with --attribute-name
    #[arg(long, value_name = "VALUE", requires = "attribute_name")]
    attribute_value: Option<String>,
    /// Why, in your own words; shown in lists and timelines
    #[arg(long)]
    reason: Option<String>,
    /// Wait so long for the end, as 30s
    #[arg(long, value_name = "DURATION", value_parser = duration_flag)]
    pub(super) wait: Option<Duration>,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Do not ask before closing more than one
    #[arg(long, short)]
    yes: bool,
    /// Organisation, where the key has several
    #[arg(long, value_name = "NAME")]
    organisation: Option<String>,
    /// The guest's participant: where it is another one, or no guest, nothing is asked. Every leg of a guest is closed all
    /// the same
    #[arg(long, value_name = "ID")]
    participant: Option<String>,
    /// Label; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = label)]
    label: Vec<(String, String)>,
    /// Idempotency key of the one request
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// When an agent is connected: refuse, wait or allow
    #[arg(long, value_parser = ["refuse", "wait", "allow"])]
    agent_connected: Option<String>,
    /// When the guest comes back after the end, close again: never, once or up_to_3 times
    #[arg(long, value_parser = ["never", "once", "up_to_3"])]
    guest_returns: Option<String>,
    /// What proves the end: webhook_or_read_back or webhook_only
    #[arg(long, value_parser = ["webhook_or_read_back", "webhook_only"])]
    evidence: Option<String>,
    /// Who is closed first: guest_first or conversation_first
    #[arg(long, value_parser = ["guest_first", "conversation_first"])]
    order: Option<String>,
    /// The call that closes the conversation: patch or delete (which deletes nothing)
    #[arg(long, value_parser = ["patch", "delete"])]
    wrapper_close: Option<String>,
    /// When Genesys demands a wrap-up: the name of a code of the agent's queue, or skip, or none. A code that is itself
    /// named skip or none is given by --wrap-up-id
    #[arg(long, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new(),
          conflicts_with = "wrap_up_id")]
    wrap_up: Option<String>,
    /// The same by the id of the wrap-up code
    #[arg(long, value_name = "ID", value_parser = code_id)]
    wrap_up_id: Option<Uuid>,
    /// When a closure without proof becomes a ghost, as 2m
    #[arg(long, value_name = "DURATION", value_parser = duration_flag)]
    deadline: Option<Duration>,
    /// Close no earlier than at this time, as 2026-11-21T18:00:00Z
    #[arg(long, value_name = "TIME")]
    not_before: Option<String>,
}

/// What one request is about.
pub(super) enum Wanted {
    /// A conversation, by its id.
    Conversation(Uuid),
    /// One that is to be looked up.
    Target(Value),
}

impl CloseArgs {
    fn body(&self, wanted: &Wanted) -> Value {
        let mut body = Map::new();
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                body.insert(key.to_owned(), value);
            }
        };
        let text = |text: &Option<String>| text.clone().map(Value::String);
        match wanted {
            Wanted::Conversation(id) => put("conversationId", Some(Value::String(id.to_string()))),
            Wanted::Target(target) => put("target", Some(target.clone())),
        }
        put("organisation", text(&self.organisation));
        put("participantId", text(&self.participant));
        put("reason", text(&self.reason));
        let labels: Map<_, _> =
            self.label.iter().map(|(name, value)| (name.clone(), Value::String(value.clone()))).collect();
        put("labels", (!labels.is_empty()).then_some(Value::Object(labels)));
        let mut policy = Map::new();
        let deadline = self.deadline.map(|deadline| format!("PT{}S", deadline.as_secs_f64()));
        for (name, value) in [
            ("agentConnected", &self.agent_connected),
            ("guestReturns", &self.guest_returns),
            ("evidence", &self.evidence),
            ("order", &self.order),
            ("wrapperClose", &self.wrapper_close),
            ("deadline", &deadline),
        ] {
            if let Some(value) = text(value) {
                policy.insert(name.to_owned(), value);
            }
        }
        if let Some(wrap_up) = self.wrap_up() {
            policy.insert("wrapUp".to_owned(), wrap_up);
        }
        put("policy", (!policy.is_empty()).then_some(Value::Object(policy)));
        put("notBefore", text(&self.not_before));
        put("dryRun", self.dry_run.then_some(Value::Bool(true)));
        Value::Object(body)
    }

    /// What a demanded wrap-up means.
    fn wrap_up(&self) -> Option<Value> {
        match (self.wrap_up.as_deref(), self.wrap_up_id) {
            (Some(word @ ("none" | "skip")), _) => Some(json!(word)),
            (Some(name), _) => Some(json!({ "name": name })),
            (None, Some(id)) => Some(json!({ "id": id })),
            (None, None) => None,
        }
    }

    /// What is to be looked up, where no id is named.
    fn target(&self) -> Option<Value> {
        let apart = self.attribute_name.as_ref().zip(self.attribute_value.as_ref());
        let attribute = self.attribute.as_ref().map(|(name, value)| (name, value)).or(apart);
        match (&self.external_id, attribute) {
            (Some(id), _) => Some(json!({ "externalId": id })),
            (None, Some((name, value))) => Some(json!({ "attribute": { "name": name, "value": value } })),
            (None, None) => None,
        }
    }

    /// Every conversation, in the order given, each once. All of them are looked at before the first is asked for.
    fn conversations(&self) -> Result<Vec<Uuid>, Failure> {
        let mut texts = Vec::new();
        for id in &self.ids {
            if id == "-" {
                let mut text = String::new();
                std::io::stdin()
                    .read_to_string(&mut text)
                    .map_err(|error| Failure::usage(format!("stdin cannot be read: {error}")))?;
                texts.extend(lines(&text));
            } else {
                texts.push((None, id.clone()));
            }
        }
        if let Some(path) = &self.file {
            let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
            texts.extend(lines(&text));
        }
        let mut found: Vec<Uuid> = Vec::with_capacity(texts.len());
        let mut seen = std::collections::HashSet::new();
        for (line, text) in texts {
            let id = target::conversation(&text).map_err(|failure| match line {
                Some(line) => Failure::usage(format!("line {line}: {}", failure.message)),
                None => failure,
            })?;
            if seen.insert(id) {
                found.push(id);
            }
        }
        if found.is_empty() {
            return Err(Failure::usage("there is no conversation to close: the input holds no id"));
        }
        Ok(found)
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("{} cannot be read: {error}", path.display()))
        .fix("name a file with one conversation id a line, or `closeout close -` to read them from stdin")
}

fn lines(text: &str) -> Vec<(Option<usize>, String)> {
    text.trim_start_matches('\u{feff}')
        .lines()
        .map(str::trim)
        .enumerate()
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(index, line)| (Some(index + 1), line.to_owned()))
        .collect()
}

/// Runs the command.
///
/// # Errors
///
/// When the input cannot be used; when the one request is refused. Of several, each refusal is told and the rest goes on.
pub async fn run(args: &CloseArgs, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    if let Some(target) = args.target() {
        let closed = close_one(args, api, &Wanted::Target(target)).await?;
        return show_one(args, &closed, voice);
    }
    let conversations = args.conversations()?;
    if args.key.is_some() && conversations.len() > 1 {
        return Err(Failure::usage("--key belongs to one request; with several conversations leave it out"));
    }
    if let [only] = conversations.as_slice() {
        let closed = close_one(args, api, &Wanted::Conversation(*only)).await?;
        return show_one(args, &closed, voice);
    }
    if !args.yes && !args.dry_run {
        agree::or_nothing(&format!("closing {} conversations", conversations.len()), voice).await?;
    }
    close_several::run(args, api, voice, &conversations).await
}

fn show_one(args: &CloseArgs, closed: &Value, voice: &Voice) -> Result<Exit, Failure> {
    if args.dry_run {
        output::write(&plan::all(std::slice::from_ref(closed), true, voice))?;
        return Ok(plan::exit_of(closed));
    }
    look::show(std::slice::from_ref(closed), true, voice)?;
    if args.wait.is_none() {
        return Ok(Exit::Done);
    }
    look::tell_problem(closed, true, voice);
    Ok(exit_of(closed))
}

/// A bar on stderr for so many steps; none for few, or where nobody looks.
pub(super) fn progress(number: usize, voice: &Voice) -> ProgressBar {
    if number < BAR_FROM || voice.quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(number as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} {elapsed} (about {eta} to go)") {
        bar.set_style(style);
    }
    bar
}

/// Requests one closure, and waits for its end when asked to.
pub(super) async fn close_one(args: &CloseArgs, api: &Api, wanted: &Wanted) -> Result<Value, Failure> {
    let until = args.wait.filter(|_| !args.dry_run).map(|wait| Instant::now() + wait);
    let first = until.map(|_| args.wait.unwrap_or_default().min(WAIT_AT_ONCE));
    let closure = request(args, api, wanted, first).await?;
    match until {
        Some(until) => wait_until(api, closure, until).await,
        None => Ok(closure),
    }
}

/// Requests one closure, and lets the server wait so long for its end.
pub(super) async fn request(
    args: &CloseArgs,
    api: &Api,
    wanted: &Wanted,
    wait: Option<Duration>,
) -> Result<Value, Failure> {
    let (body, query) = (args.body(wanted), wait_query(wait));
    let key = args.key.as_deref();
    Ok(api.post("/v1/closures", &query, &body, key, wait.unwrap_or_default()).await?.body)
}

/// Reads `--wrap-up-id`.
fn code_id(text: &str) -> Result<Uuid, String> {
    text.parse().map_err(|_| {
        "it is no id of a wrap-up code, such as 6e2d4c3b-1a09-4f8e-9d7c-5b4a3f2e1d06; a name is given by --wrap-up"
            .to_owned()
    })
}

/// Reads `--attribute`, of which neither half may be empty.
fn attribute(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some(("", _)) => Err("there is no name before the =".to_owned()),
        Some((_, "")) => Err("there is no value behind the =".to_owned()),
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err("an attribute is NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: CloseArgs,
    }

    const ID: &str = "2f7bf00a-0fc2-4d6a-9b56-92238191433e";

    fn args(line: &[&str]) -> CloseArgs {
        Line::try_parse_from(std::iter::once("close").chain(line.iter().copied())).unwrap().args
    }

    #[test]
    fn the_body_holds_what_was_said_and_nothing_else() {
        let by_id = || Wanted::Conversation(ID.parse().unwrap());
        assert_eq!(args(&[ID]).body(&by_id()), json!({ "conversationId": ID }));
        let body =
            args(&[ID, "--reason", "done", "--label", "team=a=b", "--agent-connected", "wait", "--dry-run"])
                .body(&by_id());
        let expected = json!({
            "conversationId": ID, "reason": "done", "labels": { "team": "a=b" },
            "policy": { "agentConnected": "wait" }, "dryRun": true,
        });
        assert_eq!(body, expected);
        let line = [ID, "--order", "conversation_first", "--wrapper-close", "delete", "--deadline", "1500ms"];
        let later = ["--not-before", "2026-11-21T18:00:00Z"];
        let body = args(&[&line[..], &later[..]].concat()).body(&by_id());
        let expected = json!({
            "conversationId": ID, "notBefore": "2026-11-21T18:00:00Z",
            "policy": { "order": "conversation_first", "wrapperClose": "delete", "deadline": "PT1.5S" },
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn a_file_is_looked_through_before_anything_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ids");
        std::fs::write(&path, format!("\u{feff}{ID}\n\n# done\n {ID} \nnot-an-id\n")).unwrap();
        let failure = args(&["--file", path.to_str().unwrap()]).conversations().unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.message.starts_with("line 5: \"not-an-id\""), "{}", failure.message);
        std::fs::write(&path, format!("{ID}\n{ID}\n")).unwrap();
        assert_eq!(args(&["--file", path.to_str().unwrap()]).conversations().unwrap().len(), 1);
        std::fs::write(&path, "# nothing\n").unwrap();
        assert!(args(&["--file", path.to_str().unwrap()]).conversations().is_err());
        let absent = args(&["--file", "/nowhere/ids"]).conversations().unwrap_err();
        assert!(absent.fix.as_ref().is_some_and(|fix| fix.contains("closeout close -")), "{absent}");
    }

    #[test]
    fn what_is_looked_up_is_one_request() {
        let body = |line: &[&str]| {
            let args = args(line);
            args.body(&Wanted::Target(args.target().unwrap()))
        };
        let by_id = json!({ "target": { "externalId": "customer-7" }, "dryRun": true });
        assert_eq!(body(&["--external-id", "customer-7", "--dry-run"]), by_id);
        let attribute = json!({ "target": { "attribute": { "name": "order", "value": "a=b" } } });
        assert_eq!(body(&["--attribute", "order=a=b"]), attribute);
        let apart = json!({ "target": { "attribute": { "name": "order=a", "value": "-b" } } });
        assert_eq!(body(&["--attribute-name=order=a", "--attribute-value=-b"]), apart);
        assert!(args(&[ID]).target().is_none());
    }

    #[test]
    fn a_wrap_up_is_named_or_skipped_or_given_by_its_id() {
        let wrap_up = |line: &[&str]| {
            let args = args(&[&[ID], line].concat());
            args.body(&Wanted::Conversation(Uuid::nil()))["policy"]["wrapUp"].clone()
        };
        assert_eq!(wrap_up(&[]), Value::Null);
        assert_eq!(wrap_up(&["--wrap-up", "Closed by backend"]), json!({ "name": "Closed by backend" }));
        assert_eq!(wrap_up(&["--wrap-up", "skip"]), json!("skip"));
        assert_eq!(wrap_up(&["--wrap-up-id", ID]), json!({ "id": ID }));
        for wrong in [&["--wrap-up", ""][..], &["--wrap-up-id", "x"], &["--wrap-up", "a", "--wrap-up-id", ID]]
        {
            assert!(Line::try_parse_from([&["close", ID], wrong].concat()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn something_must_be_named() {
        assert!(Line::try_parse_from(["close"]).is_err());
        for wrong in [
            &["close", ID, "--external-id", "x"][..],
            &["close", "--external-id", "x", "--attribute", "a=b"],
            &["close", "--attribute", "a"],
            &["close", "--attribute", "=a"],
            &["close", "--attribute", "a="],
            &["close", "--attribute-name", "a"],
            &["close", "--attribute-value", "a"],
            &["close", "--attribute", "a=b", "--attribute-name", "a", "--attribute-value", "b"],
        ] {
            assert!(Line::try_parse_from(wrong).is_err(), "{wrong:?}");
        }
    }
}
