//! Operators' acts: `retry`, `cancel`, `verify`, `force`, `resolve`.

use clap::Args;
use serde_json::{Value, json};

use super::{act_filter, agree, look, target};
use crate::{
    client::Api,
    exit::{Exit, Failure},
    output::Voice,
};

/// On what to act, and why.
#[derive(Debug, Clone, Args)]
pub struct ActArgs {
    /// Ids of closures or conversations
    #[arg(value_name = "ID", required_unless_present = "filter", conflicts_with = "filter")]
    ids: Vec<String>,
    /// All closures that match, as state=ghost,reason=no_confirmation,label.site=berlin,since=8h; shown and asked before anything
    /// is done. It needs --reason
    #[arg(long, value_name = "NAME=VALUE,…", value_parser = act_filter::parse, requires = "reason")]
    filter: Option<Value>,
    /// Organisation of --filter, where the key has several
    #[arg(long, value_name = "NAME", requires = "filter")]
    organisation: Option<String>,
    /// Why; kept in the timeline. force and resolve need it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Do not ask before acting on more than one
    #[arg(long, short)]
    yes: bool,
}

/// The acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Look at it again now.
    Retry,
    /// Call it off.
    Cancel,
    /// Read the conversation now.
    Verify,
    /// Tear the conversation down.
    Force,
    /// Settle it by the operator's word.
    Resolve,
}

impl Act {
    const fn name(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Cancel => "cancel",
            Self::Verify => "verify",
            Self::Force => "force",
            Self::Resolve => "resolve",
        }
    }

    const fn needs_reason(self) -> bool {
        match self {
            Self::Force | Self::Resolve => true,
            Self::Retry | Self::Cancel | Self::Verify => false,
        }
    }
}

/// Runs an act on every closure that is named.
///
/// # Errors
///
/// When the reason is missing or an id is none, before anything is done; when the act on the only closure is refused.
pub async fn run(act: Act, args: &ActArgs, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    let reason = args.reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty());
    if act.needs_reason() && reason.is_none() {
        return Err(Failure::usage(format!("{} needs --reason: it is kept in the timeline", act.name())));
    }
    if let (Some(filter), Some(reason)) = (&args.filter, reason) {
        let which = (filter, args.organisation.as_deref());
        return act_filter::run(act.name(), which, reason, args.yes, api, voice).await;
    }
    if args.filter.is_some() {
        return Err(Failure::usage(format!("{} with --filter needs --reason", act.name())));
    }
    for text in &args.ids {
        target::parse(text)?;
    }
    if args.ids.len() > 1 && !args.yes {
        agree::or_nothing(&format!("{} on {} closures", act.name(), args.ids.len()), voice).await?;
    }
    let body = reason.map_or_else(|| json!({}), |reason| json!({ "reason": reason }));
    if let [only] = args.ids.as_slice() {
        let done = one(act, only, &body, api).await?;
        look::show(&[done], true, voice)?;
        return Ok(Exit::Done);
    }
    let mut items = Vec::new();
    let mut exits = Vec::new();
    for text in &args.ids {
        match one(act, text, &body, api).await {
            Ok(done) => {
                items.push(done);
                exits.push(Exit::Done);
            }
            Err(failure) => {
                exits.push(failure.exit);
                eprintln!("{}", failure.about(text));
            }
        }
    }
    look::show(&items, false, voice)?;
    Ok(Exit::of_several(exits))
}

async fn one(act: Act, text: &str, body: &Value, api: &Api) -> Result<Value, Failure> {
    let id = target::closure_to_act_on(api, text).await?;
    let path = format!("/v1/closures/{id}/{}", act.name());
    Ok(api.post(&path, &[], body, None, std::time::Duration::ZERO).await?.body)
}
