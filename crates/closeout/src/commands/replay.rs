//! `closeout hooks replay`: posts the body of an event again, signed as its hook wants it, and says what came of it.

use std::{path::PathBuf, time::SystemTime};

use clap::{Args, ValueHint};
use evidence_log::HookResult;
use serde_json::{Value, json};

use super::hooks;
use crate::{
    cli::ConfigArgs,
    client::Api,
    config::Variables,
    exit::{Exit, Failure},
    output::{self, Form, Voice},
};

/// What to post again.
#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// Name of a [[confirm]] table of the configuration, whose first secret signs
    #[arg(long, value_name = "NAME")]
    hook: String,
    #[command(flatten)]
    config: ConfigArgs,
    /// File with the body, byte for byte; `-` for stdin
    #[arg(long, value_name = "FILE", default_value = "-", value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// Id of the message, for schemes that have one: with the id that it came with, it is known as a copy
    #[arg(long, value_name = "ID")]
    id: Option<String>,
}

/// Posts it.
///
/// # Errors
///
/// When the hook is not known, the body cannot be read or signed, or the service does not take it.
pub async fn run(args: &ReplayArgs, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    output::no_rows(voice, "a delivery")?;
    let hook = hooks::configured(&args.hook, &args.config, &Variables::of_this_process())?.hook;
    let body = hooks::read_body(&args.file)?;
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX);
    let fresh = hooks::fresh_id();
    let headers = hook
        .signature
        .sign(Some(args.id.as_deref().unwrap_or(&fresh)), now, &body)
        .map_err(|why| Failure::usage(format!("the body cannot be signed: {why}")))?;
    api.deliver(&format!("/hooks/{}", args.hook), &headers, body)
        .await
        .map_err(|failure| not_taken(failure, &args.hook))?;
    show(&args.hook, latest(api, &args.hook).await.as_ref(), voice)
}

/// The refusal, with what can be done about it here.
fn not_taken(mut failure: Failure, hook: &str) -> Failure {
    match failure.exit {
        Exit::NotAllowed => {
            failure.fix = Some(format!(
                "the service has another secret or scheme for the hook than this configuration; `closeout hooks received \
                 --hook {hook}` says why it was refused. It reads its configuration when it starts"
            ));
        }
        Exit::NotFound => {
            failure.fix = Some("the service was started with a configuration without this hook".to_owned());
        }
        Exit::Done
        | Exit::Unexpected
        | Exit::Usage
        | Exit::Conflict
        | Exit::InFlight
        | Exit::Ghost
        | Exit::Failed
        | Exit::PartlyFailed
        | Exit::Unreachable
        | Exit::Interrupted => {}
    }
    failure
}

/// What the service noted of the hook last. A sender needs no key, and whoever has none is not told.
async fn latest(api: &Api, hook: &str) -> Option<Value> {
    let query = [("hook".to_owned(), hook.to_owned()), ("limit".to_owned(), "1".to_owned())];
    let mut page = api.get("/v1/hooks/received", &query).await.ok()?.body;
    page["items"].as_array_mut()?.pop()
}

fn show(hook: &str, noted: Option<&Value>, voice: &Voice) -> Result<Exit, Failure> {
    let result = noted.and_then(|noted| HookResult::named(noted["result"].as_str()?));
    let says = result.map_or("What it came to is told to a key of the role read.", means);
    let taken = "The service took it: it is durable, or says nothing new.";
    let text = match voice.form {
        Form::Json => output::pretty(&json!({ "hook": hook, "taken": true, "noted": noted, "says": says })),
        Form::Ndjson => {
            format!("{}\n", json!({ "hook": hook, "taken": true, "noted": noted, "says": says }))
        }
        Form::Table | Form::Wide | Form::Csv | Form::Id => {
            let about = noted.and_then(|noted| noted["conversationId"].as_str());
            let about =
                about.map(|id| format!("  conversation {}\n", output::on_one_line(id))).unwrap_or_default();
            format!("{taken}\n  {says}\n{about}")
        }
    };
    output::write(&text)?;
    Ok(Exit::Done)
}

/// What a result means to whoever sent it.
const fn means(result: HookResult) -> &'static str {
    match result {
        HookResult::Taken => "It moved the closure of its conversation.",
        HookResult::NothingNew => {
            "A closure is open for the conversation, and the event tells it nothing new."
        }
        HookResult::Unmatched => {
            "No closure is open for the conversation. It is remembered for one that is requested soon."
        }
        HookResult::NotAnEnding => "It says of nobody that they left, so it ends nothing.",
        HookResult::Duplicate => "The same event was taken before; a second copy has no effect.",
        HookResult::Conflict => "Another body was taken before under its id, and this one has no effect.",
        HookResult::Undecodable
        | HookResult::Foreign
        | HookResult::Unavailable
        | HookResult::Refused
        | HookResult::UnknownHook
        | HookResult::TooLarge
        | HookResult::WrongType
        | HookResult::WrongMethod
        | HookResult::Incomplete => "Another request came in since; `closeout hooks received` lists both.",
    }
}
