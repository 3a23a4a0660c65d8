//! What operators say about a ghost: `claim`, `snooze`, `comment`.

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::{look, target};
use crate::{
    cli::duration_up_to,
    client::Api,
    exit::{Exit, Failure},
    output::Voice,
};

/// Which ghost is claimed.
#[derive(Debug, Clone, Args)]
pub struct ClaimArgs {
    /// Id of a closure or a conversation
    id: String,
    /// Why; kept in the timeline
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Claim it also where somebody else has
    #[arg(long)]
    take_over: bool,
}

/// Which ghost is snoozed, and until when.
#[derive(Debug, Clone, Args)]
pub struct SnoozeArgs {
    /// Id of a closure or a conversation
    id: String,
    /// Until then: 2026-11-21T09:00:00Z
    #[arg(long, value_name = "TIME", required_unless_present = "length", conflicts_with = "length",
          value_parser = time)]
    until: Option<String>,
    /// For so long: 4h
    #[arg(long = "for", id = "length", value_name = "TIME", value_parser = duration_up_to(30))]
    length: Option<Duration>,
    /// Why; kept in the timeline
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// What is said about which ghost.
#[derive(Debug, Clone, Args)]
pub struct CommentArgs {
    /// Id of a closure or a conversation
    id: String,
    /// What others should know; kept in the timeline
    text: String,
}

/// A time as a flag has it; a length of time is told where it belongs.
fn time(text: &str) -> Result<String, String> {
    match text.parse::<jiff::Timestamp>() {
        Ok(_) => Ok(text.to_owned()),
        Err(_) if duration_up_to(30)(text).is_ok() => Err(format!("that is a length of time: --for {text}")),
        Err(_) => Err("that is no time, such as 2026-11-21T09:00:00Z".to_owned()),
    }
}

/// Says who sees to a ghost.
///
/// # Errors
///
/// When it is no ghost, somebody else sees to it, or the server does not answer.
pub async fn claim(args: &ClaimArgs, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    say(&args.id, "claim", &json!({ "reason": args.reason, "takeOver": args.take_over }), api, voice).await
}

/// Says until when a ghost need not be announced again.
///
/// # Errors
///
/// As [`claim`].
pub async fn snooze(args: &SnoozeArgs, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    let until = match (&args.until, args.length) {
        (Some(until), _) => until.clone(),
        (None, Some(length)) => (jiff::Timestamp::now() + length).to_string(),
        (None, None) => return Err(Failure::usage("snooze needs --until or --for")),
    };
    say(&args.id, "snooze", &json!({ "until": until, "reason": args.reason }), api, voice).await
}

/// Says something about a ghost.
///
/// # Errors
///
/// As [`claim`].
pub async fn comment(args: &CommentArgs, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    say(&args.id, "comment", &json!({ "comment": args.text }), api, voice).await
}

async fn say(id: &str, what: &str, body: &Value, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    let id = target::closure_to_act_on(api, id).await?;
    let said = api.post(&format!("/v1/ghosts/{id}/{what}"), &[], body, None, Duration::ZERO).await?.body;
    let said = look::with_what_is_said(said, api, voice).await?;
    look::show(&[said], true, voice)?;
    Ok(Exit::Done)
}
