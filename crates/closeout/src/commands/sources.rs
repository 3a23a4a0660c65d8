//! `closeout sources`: the queues that commands come by, and pausing them.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::agree;
use crate::{
    client::{Api, plain},
    exit::{Exit, Failure},
    output::{self, Column, Form, Voice, pairs},
};

const SOURCES: [Column; 12] = [
    Column::text("SOURCE", "name"),
    Column::text("KIND", "kind"),
    Column::text("ORGANISATION", "organisation"),
    Column::state("STATE", "state"),
    Column::text("WAITING", "waiting"),
    Column::text("IN HAND", "inHand"),
    Column::text("DEAD LETTERS", "deadLetters"),
    Column::time("LAST RECEIVED", "lastReceivedAt"),
    Column::text("FAULT", "fault").when_wide(),
    Column::text("PAUSED BY", "pausedBy.by").when_wide(),
    Column::time("PAUSED AT", "pausedBy.at").when_wide(),
    Column::text("WHY", "pausedBy.why").when_wide(),
];

/// What to do with sources.
#[derive(Debug, Clone, Subcommand)]
pub enum SourcesCommand {
    /// List them, and what of their brokers' settings is unsafe
    #[command(after_help = "Examples:
  closeout sources list
  closeout sources list -o json

States:
  starting     its broker has not answered yet
  running      it receives
  paused       an operator paused it; its messages wait at the broker
  unreachable  its broker cannot be reached; it is tried again by itself
  store_away   it waits for the store
  no_room      as many closures are open as may be; it goes on by itself")]
    List,
    /// Take nothing more from a source until it is resumed, also over a restart
    #[command(after_help = "Example:\n  closeout sources pause orders --reason \"the shop sends nonsense\"")]
    Pause(NameArgs),
    /// Go on with a source
    #[command(after_help = "Example:\n  closeout sources resume orders")]
    Resume(NameArgs),
}

/// Which source, and why.
#[derive(Debug, Clone, Args)]
pub struct NameArgs {
    /// The name of the source
    #[arg(value_name = "NAME", value_parser = name)]
    name: String,
    /// Why; kept in the audit. pause needs it, and asks for it at a terminal
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

fn name(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    match !text.is_empty() && text.bytes().all(allowed) {
        true => Ok(text.to_owned()),
        false => Err("the name of a source has letters, digits, - and _ only".to_owned()),
    }
}

/// Runs the command.
///
/// # Errors
///
/// When the server refuses or does not answer.
pub async fn run(command: &SourcesCommand, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    match command {
        SourcesCommand::List => list(api, voice).await,
        SourcesCommand::Pause(args) => pause(args, api, voice).await,
        SourcesCommand::Resume(args) => act("resume", args, api, voice).await,
    }
}

async fn list(api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    let body = api.get("/v1/sources", &[]).await?.body;
    let items = body.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    if items.is_empty() {
        voice.note("no sources: commands come by HTTP, which is always there");
    }
    if !items.is_empty() || !matches!(voice.form, Form::Table | Form::Wide) {
        show(&items, false, voice)?;
    }
    for item in &items {
        if let Some(pause) = pause_of(item, voice) {
            voice.note(pause);
        }
        for warning in item["warnings"].as_array().into_iter().flatten() {
            let text = |name: &str| plain(&warning[name]);
            let (name, detail, fix) = (plain(&item["name"]), text("detail"), text("fix"));
            voice.note(format_args!("{name}: {}: {detail} {fix}", text("setting")));
        }
    }
    Ok(Exit::Done)
}

async fn pause(args: &NameArgs, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    let reason = agree::reason(args.reason.as_deref(), "sources pause", voice).await?;
    act("pause", &NameArgs { reason: Some(reason), ..args.clone() }, api, voice).await
}

async fn act(act: &str, args: &NameArgs, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    let path = format!("/v1/sources/{}/{act}", args.name);
    let body = json!({ "reason": args.reason });
    let item = api.post(&path, &[], &body, None, std::time::Duration::ZERO).await?.body;
    show(&[item], true, voice)?;
    Ok(Exit::Done)
}

fn show(items: &[Value], single: bool, voice: &Voice) -> Result<(), Failure> {
    output::write_items(&SOURCES, items, single, voice, details)
}

/// Who paused a source, when and why, where somebody did.
fn pause_of(source: &Value, voice: &Voice) -> Option<String> {
    let pause = source.get("pausedBy").filter(|pause| pause.is_object())?;
    let text = |name: &str| plain(&pause[name]);
    let why =
        Some(text("why")).filter(|why| !why.is_empty()).map(|why| format!(": {why}")).unwrap_or_default();
    let (name, by, at) = (plain(&source["name"]), text("by"), voice.style.time(&text("at")));
    Some(format!("{name}: paused by {by} {at}{why}"))
}

/// One source as names and values.
fn details(one: &Value, voice: &Voice) -> String {
    let time = |value: &Value| match plain(value) {
        text if text.is_empty() => text,
        text => voice.style.time(&text),
    };
    let (last, paused_at) = (time(&one["lastReceivedAt"]), time(&one["pausedBy"]["at"]));
    let rows = [
        ("source", plain(&one["name"])),
        ("kind", plain(&one["kind"])),
        ("organisation", plain(&one["organisation"])),
        ("state", plain(&one["state"])),
        ("paused by", plain(&one["pausedBy"]["by"])),
        ("paused at", paused_at),
        ("why", plain(&one["pausedBy"]["why"])),
        ("waiting", plain(&one["waiting"])),
        ("in hand", plain(&one["inHand"])),
        ("dead letters", plain(&one["deadLetters"])),
        ("last received", last),
        ("fault", plain(&one["fault"])),
    ];
    pairs(&rows, voice.style)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_told_with_who_when_and_why() {
        let voice = Voice::default();
        let paused = json!({ "name": "orders", "pausedBy": { "by": "ann", "at": "2026-11-28T10:00:00Z", "why": "a look" } });
        let told = pause_of(&paused, &voice);
        assert_eq!(told.as_deref(), Some("orders: paused by ann 2026-11-28T10:00:00Z: a look"));
        assert!(details(&paused, &voice).contains("paused by  ann\n"), "{}", details(&paused, &voice));
        for running in [json!({ "name": "orders", "pausedBy": null }), json!({ "name": "orders" })] {
            assert_eq!(pause_of(&running, &voice), None);
            assert!(!details(&running, &voice).contains("paused"));
        }
    }
}
