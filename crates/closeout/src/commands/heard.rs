//! What came in: `closeout hooks received`, and how each adapter stands: `closeout adapters`.

use clap::Args;
use serde_json::Value;

use crate::{
    client::Api,
    exit::{Exit, Failure},
    output::{self, Column, Form, Listing, Voice},
};

const RECEIVED: [Column; 8] = [
    Column::time("AT", "at"),
    Column::text("HOOK", "hook"),
    Column::state("RESULT", "result"),
    Column::text("WHY", "why"),
    Column::text("CONVERSATION", "conversationId"),
    Column::text("EVENT TYPE", "eventType").when_wide(),
    Column::text("EVENT", "eventId").when_wide(),
    Column::text("ORGANISATION", "organisation").when_wide(),
];

const ADAPTERS: [Column; 6] = [
    Column::text("ADAPTER", "adapter"),
    Column::text("ORGANISATION", "organisation"),
    Column::time("LAST EVENT", "lastEventAt"),
    Column::text("EVENTS A MINUTE", "eventsPerMinute"),
    Column::text("LAG MS", "lagMs"),
    Column::time("SILENT SINCE", "silentSince"),
];

/// Which events to show.
#[derive(Debug, Clone, Args)]
pub struct ReceivedArgs {
    /// Of this [[confirm]] table; `?` for requests to a hook that is not configured
    #[arg(long, value_name = "NAME")]
    hook: Option<String>,
    /// With these results, as taken, duplicate, refused; several with commas
    #[arg(long, value_delimiter = ',', value_name = "RESULT")]
    result: Vec<String>,
    /// At most so many, the latest first
    #[arg(long, default_value_t = 50, value_name = "NUMBER")]
    limit: usize,
}

/// Shows what came in by the hooks, and why something was not taken.
///
/// # Errors
///
/// When the server refuses or does not answer.
pub async fn received(args: &ReceivedArgs, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    let mut query = vec![("limit".to_owned(), args.limit.to_string())];
    query.extend(args.hook.iter().map(|hook| ("hook".to_owned(), hook.clone())));
    query.extend(args.result.iter().map(|result| ("result".to_owned(), result.clone())));
    let body = api.get("/v1/hooks/received", &query).await?.body;
    show(&RECEIVED, "eventId", &body, "nothing came in since the service began", voice)
}

/// Shows how events come in by each adapter.
///
/// # Errors
///
/// When the server refuses or does not answer.
pub async fn adapters(api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    let body = api.get("/v1/adapters", &[]).await?.body;
    show(&ADAPTERS, "adapter", &body, "no [[confirm]] table is configured", voice)
}

fn show(
    columns: &[Column],
    id: &'static str,
    body: &Value,
    nothing: &str,
    voice: &Voice,
) -> Result<Exit, Failure> {
    let items = body["items"].as_array().cloned().unwrap_or_default();
    if items.is_empty() {
        voice.note(nothing);
        if matches!(voice.form, Form::Table | Form::Wide) {
            return Ok(Exit::Done);
        }
    }
    output::write(&Listing { columns, items: &items, id }.write(voice.form, voice.style))?;
    Ok(Exit::Done)
}
