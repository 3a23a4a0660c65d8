//! `closeout outgoing`: how the calls to Genesys stand, and the switch that stops all of an organisation.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::agree;
use crate::{
    client::Api,
    exit::{Exit, Failure},
    output::{self, Column, Listing, Voice},
};

const STATUS: [Column; 7] = [
    Column::text("ORGANISATION", "name"),
    Column::text("OPEN", "open"),
    Column::text("QUEUED", "queued"),
    Column::text("PAUSED", "paused"),
    Column::time("BLOCKED UNTIL", "blockedUntil"),
    Column::text("BLOCKED BY", "blockedBy"),
    Column::text("MISSING PERMISSION", "missingPermission"),
];

const SWITCHED: [Column; 2] =
    [Column::text("ORGANISATION", "organisation"), Column::text("PAUSED", "paused")];

/// What to do with the calls to Genesys.
#[derive(Debug, Clone, Subcommand)]
pub enum OutgoingCommand {
    /// Show what is open and queued, and whether calls are paused or refused
    #[command(
        after_help = "Examples:\n  closeout outgoing status\n  closeout outgoing status --organisation main -o json"
    )]
    Status(StatusArgs),
    /// Stop all calls of an organisation, reads too
    #[command(after_help = "Examples:
  closeout outgoing pause --reason \"Genesys maintenance until 14:00\"
  closeout outgoing pause --organisation main --reason \"wrong client id\"

Commands and events are still taken. It holds over a restart, until `closeout outgoing resume`; what waits \
meanwhile is shown by `closeout list` as waiting for organisation_paused.")]
    Pause(SwitchArgs),
    /// Let the calls of an organisation go on
    #[command(after_help = "Example:\n  closeout outgoing resume --organisation main")]
    Resume(SwitchArgs),
}

/// Whose calls to show.
#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    /// Of this organisation alone
    #[arg(long, value_name = "NAME")]
    organisation: Option<String>,
}

/// Whose calls, and why.
#[derive(Debug, Clone, Args)]
pub struct SwitchArgs {
    /// Organisation, where the key has several
    #[arg(long, value_name = "NAME")]
    organisation: Option<String>,
    /// Why; kept in the audit. pause needs it, and asks for it at a terminal
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl SwitchArgs {
    fn body(&self) -> Value {
        let mut body = Map::new();
        body.extend(self.organisation.iter().map(|name| ("organisation".to_owned(), json!(name))));
        body.extend(self.reason.iter().map(|reason| ("reason".to_owned(), json!(reason))));
        Value::Object(body)
    }
}

/// Runs the command.
///
/// # Errors
///
/// When the server refuses or does not answer.
pub async fn run(command: &OutgoingCommand, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    match command {
        OutgoingCommand::Status(args) => status(args, api, voice).await,
        OutgoingCommand::Pause(args) => pause(args, api, voice).await,
        OutgoingCommand::Resume(args) => switch("resume", args, api, voice).await,
    }
}

async fn status(args: &StatusArgs, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    let body = api.get("/readyz", &[("verbose".to_owned(), "true".to_owned())]).await?.body;
    let Some(items) = body["organisations"].as_array() else {
        return Err(Failure::new(Exit::NotAllowed, "this needs a key of the role read")
            .fix("give a key with --token-file or CLOSEOUT_TOKEN"));
    };
    let items = of(items, args.organisation.as_deref())?;
    output::write(&Listing { columns: &STATUS, items: &items, id: "name" }.write(voice.form, voice.style))?;
    Ok(Exit::Done)
}

/// The organisations, or the one that is named.
fn of(items: &[Value], organisation: Option<&str>) -> Result<Vec<Value>, Failure> {
    let Some(name) = organisation else { return Ok(items.to_vec()) };
    let found: Vec<_> = items.iter().filter(|item| item["name"] == name).cloned().collect();
    if found.is_empty() {
        return Err(Failure::new(
            Exit::NotFound,
            format!("there is no organisation \"{name}\" for this key"),
        )
        .fix("`closeout outgoing status` shows those that there are for it"));
    }
    Ok(found)
}

async fn pause(args: &SwitchArgs, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    let reason = agree::reason(args.reason.as_deref(), "outgoing pause", voice).await?;
    switch("pause", &SwitchArgs { reason: Some(reason), ..args.clone() }, api, voice).await
}

async fn switch(act: &str, args: &SwitchArgs, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    let path = format!("/v1/outgoing/{act}");
    let answer = api.post(&path, &[], &args.body(), None, Duration::ZERO).await?;
    let items = [answer.body];
    output::write(
        &Listing { columns: &SWITCHED, items: &items, id: "organisation" }.write(voice.form, voice.style),
    )?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_organisation_is_shown_alone() {
        let items = [json!({ "name": "main" }), json!({ "name": "other" })];
        assert_eq!(of(&items, None).unwrap().len(), 2);
        assert_eq!(of(&items, Some("other")).unwrap(), [json!({ "name": "other" })]);
        assert_eq!(of(&items, Some("nope")).unwrap_err().exit, Exit::NotFound);
    }

    #[test]
    fn the_body_holds_what_was_said_and_nothing_else() {
        let args = SwitchArgs { organisation: None, reason: None };
        assert_eq!(args.body(), json!({}));
        let args =
            SwitchArgs { organisation: Some("main".to_owned()), reason: Some("maintenance".to_owned()) };
        assert_eq!(args.body(), json!({ "organisation": "main", "reason": "maintenance" }));
    }
}
