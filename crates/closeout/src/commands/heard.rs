//! What came in: `closeout hooks received`.

use clap::Args;

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

/// Which events to show.
#[derive(Debug, Clone, Args)]
pub struct ReceivedArgs {
    /// Of this [[confirm]] table; "(unknown)" for requests to a hook that is not configured
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
    let items = body["items"].as_array().cloned().unwrap_or_default();
    if items.is_empty() {
        voice.note("nothing came in since the service began");
        if matches!(voice.form, Form::Table | Form::Wide) {
            return Ok(Exit::Done);
        }
    }
    output::write(
        &Listing { columns: &RECEIVED, items: &items, id: "eventId" }.write(voice.form, voice.style),
    )?;
    Ok(Exit::Done)
}
