//! `/v1/dead-letters`: commands that came by a queue and could not be taken, and what is done about them.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use http::StatusCode;
use intake::{ActError, Letter, STATES};
use orchestrator::{closure_id, dead_letter_id, parse_dead_letter_id};
use serde::Serialize;
use serde_json::{Value, json};
use store::DeadLetterFilter;
use tracing::info;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    acts,
    call::{Answer, Call, json_answer},
    listing::{known_names, organisations},
    metrics,
    outcome::stopping,
    problem::{Problem, kinds},
    spans::Stamp,
};

/// How many dead letters are shown, unless the caller says, and at most.
const USUAL: usize = 50;
const MOST: usize = 500;

/// A page of dead letters.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeadLetterList {
    items: Vec<DeadLetterView>,
    /// Where the next page begins; null on the last one.
    next_cursor: Option<String>,
}

/// A command that came by a queue and could not be taken.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeadLetter)]
pub(crate) struct DeadLetterView {
    /// Its id; ids sort by the time at which it was kept.
    #[schema(example = "dl_01jd5w3k9m2q8r7tb4x0y6z1ne")]
    id: String,
    /// When it was kept.
    #[schema(value_type = String, format = DateTime)]
    at: Stamp,
    /// The source that it came by.
    source: String,
    organisation: String,
    /// held (it waits for somebody), redriven (it was taken after all), or discarded.
    state: String,
    /// Why it was not taken: a code of this API, or `other_event`, `invalid_event`, `invalid_task`, `expired`.
    #[schema(example = "invalid_field")]
    reason: String,
    /// Where it stood at its broker.
    #[schema(example = "CLOSURES/42")]
    place: String,
    /// The id that its producer gave it.
    message_id: Option<String>,
    /// How often it had been delivered.
    deliveries: u32,
    /// How long the body was, in bytes.
    length: usize,
    /// Whether more was sent than the 64 KiB that are kept. Such a one cannot be taken after all.
    truncated: bool,
    /// Who saw to it, when, and why.
    by: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    seen_to_at: Option<Stamp>,
    seen_to_reason: Option<String>,
    /// The closure that answers for it, once it was taken after all.
    closure: Option<String>,
    /// What stands in the message; null in lists and answers to acts.
    content: Option<ContentView>,
}

/// What stands in a message. It may be personal data.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeadLetterContent)]
pub(crate) struct ContentView {
    /// The field that was wrong.
    field: Option<String>,
    /// Why it was not taken, in a sentence.
    detail: String,
    /// What stood beside the body; of a name that was given more than once the last value.
    headers: BTreeMap<String, String>,
    /// The body, where it is text.
    body: Option<String>,
    /// The body, where it is no text.
    body_base64: Option<String>,
}

impl DeadLetterView {
    fn of(letter: &Letter) -> Self {
        let seen_to = letter.seen_to.as_ref();
        Self {
            id: dead_letter_id(letter.key),
            at: Stamp(letter.kept_at),
            source: letter.source.clone(),
            organisation: letter.organisation.clone(),
            state: letter.state.clone(),
            reason: letter.reason.clone(),
            place: letter.place.clone(),
            message_id: letter.message_id.as_deref().map(|id| shown_text::on_one_line(id).into_owned()),
            deliveries: letter.deliveries,
            length: letter.length,
            truncated: !letter.is_whole(),
            by: seen_to.map(|seen_to| seen_to.by.clone()),
            seen_to_at: seen_to.map(|seen_to| Stamp(genesys_types::Time::from_millis(seen_to.at))),
            seen_to_reason: seen_to.and_then(|seen_to| seen_to.reason.clone()),
            closure: letter.closure.map(closure_id),
            content: None,
        }
    }

    fn opened(letter: &Letter) -> Self {
        Self { content: Some(ContentView::of(letter)), ..Self::of(letter) }
    }
}

impl ContentView {
    fn of(letter: &Letter) -> Self {
        let text = std::str::from_utf8(&letter.body).ok().map(str::to_owned);
        let headers = letter.headers.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self {
            field: letter.field.clone(),
            detail: letter.detail.clone(),
            headers: headers.collect(),
            body_base64: text.is_none().then(|| BASE64_STANDARD.encode(&letter.body)),
            body: text,
        }
    }
}

/// `GET /v1/dead-letters`
pub(crate) async fn list(call: Call) -> Answer {
    let mut query = call.query()?;
    let filter = DeadLetterFilter {
        organisations: organisations(&call, &mut query)?,
        sources: query.several("source"),
        states: known_names(&mut query, "state", &STATES)?,
    };
    let limit = query.limit(USUAL, MOST)?;
    let before = query.one("cursor")?.map(|text| key("cursor", &text)).transpose()?;
    query.finish()?;
    // To the store an empty list is no restriction; here it is a key for no organisation.
    let mut found = if filter.organisations.is_empty() {
        Vec::new()
    } else {
        call.shared.api.sources.letters(&filter, before, limit + 1).await?
    };
    let more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found.last().filter(|_| more).map(|last| dead_letter_id(last.key));
    let items = found.iter().map(DeadLetterView::of).collect();
    Ok(json_answer(StatusCode::OK, &DeadLetterList { items, next_cursor }))
}

/// `GET /v1/dead-letters/{id}`
pub(crate) async fn one(call: Call) -> Answer {
    call.query()?.finish()?;
    let letter = seen(&call).await?;
    Ok(json_answer(StatusCode::OK, &DeadLetterView::opened(&letter)))
}

/// `POST /v1/dead-letters/{id}/redrive`
pub(crate) async fn redrive(mut call: Call) -> Answer {
    call.query()?.finish()?;
    let reason = acts::optional_reason(&mut call)?;
    let key = seen(&call).await?.key;
    let done = call.shared.api.sources.redrive(key, &call.caller().name, reason.clone()).await;
    answer(&call, "redrive", reason.as_deref(), done)
}

/// `POST /v1/dead-letters/{id}/discard`
pub(crate) async fn discard(mut call: Call) -> Answer {
    call.query()?.finish()?;
    let Some(reason) = acts::optional_reason(&mut call)? else {
        return Err(Problem::invalid("reason", "reason is missing: discard is kept together with why.")
            .fix("Send a sentence such as {\"reason\": \"a test message of the staging system\"}."));
    };
    let key = seen(&call).await?.key;
    let done = call.shared.api.sources.discard(key, &call.caller().name, Some(reason.clone())).await;
    answer(&call, "discard", Some(&reason), done)
}

fn answer(call: &Call, action: &'static str, reason: Option<&str>, done: Result<Letter, ActError>) -> Answer {
    let letter = done.map_err(|error| refused(error, &call.id))?;
    call.trail.after(standing(&letter));
    let caller = call.caller();
    metrics::operator_action(action, caller.role.name());
    info!(letter = call.id, by = &*caller.name, reason, action, "an operator saw to a dead letter");
    Ok(json_answer(StatusCode::ACCEPTED, &DeadLetterView::of(&letter)))
}

/// The letter that the path names, where the caller sees its organisation.
pub(crate) async fn seen(call: &Call) -> Result<Letter, Problem> {
    let found = call.shared.api.sources.letter(key("id", &call.id)?).await?;
    let sees = |letter: &Letter| {
        letter.organisation.parse().is_ok_and(|organisation| call.caller().sees(&organisation))
    };
    let letter = found.filter(sees).ok_or_else(|| none(&call.id))?;
    call.trail.found(&letter.organisation, standing(&letter));
    Ok(letter)
}

fn standing(letter: &Letter) -> Value {
    let mut standing = json!({ "state": letter.state });
    if let Some(closure) = letter.closure {
        standing["closure"] = closure_id(closure).into();
    }
    standing
}

fn none(id: &str) -> Problem {
    Problem::new(&kinds::NO_LETTER, format!("There is no dead letter {id} here."))
}

fn refused(error: ActError, id: &str) -> Problem {
    match error {
        ActError::Missing => none(id),
        ActError::SeenTo(state) => {
            Problem::new(&kinds::LETTER_UNFIT, format!("The dead letter {id} is {state} already."))
        }
        ActError::NoSource(source) => {
            let detail = format!(
                "Its source \"{source}\" is not configured any more, so nothing says how it is read."
            );
            Problem::new(&kinds::LETTER_UNFIT, detail)
                .fix("Configure the source again, or have its producer send the command again.")
        }
        ActError::NotWhole => {
            Problem::new(&kinds::LETTER_UNFIT, "The message was longer than what is kept of one.")
                .fix("Have its producer send the command again, in less than 64 KiB.")
        }
        ActError::Refused { reason, field, detail } => {
            let problem = Problem::new(&kinds::LETTER_REFUSED, format!("{reason}: {detail}"));
            match field {
                Some(field) => problem.field(field),
                None => problem,
            }
        }
        ActError::Full(after) => {
            Problem::new(&kinds::FULL, "The organisation has as many open closures as it may have.")
                .retry_after(after)
        }
        ActError::Stopping => stopping(),
        ActError::Unavailable(unavailable) => unavailable.into(),
    }
}

fn key(field: &str, text: &str) -> Result<Uuid, Problem> {
    parse_dead_letter_id(text).ok_or_else(|| {
        let detail =
            format!("\"{text}\" is not the id of a dead letter, such as dl_01jd5w3k9m2q8r7tb4x0y6z1ne.");
        Problem::invalid(field, detail).ids_at("/v1/dead-letters")
    })
}
