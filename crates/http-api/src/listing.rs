//! Lists of closures: filters, order, pages.

use std::collections::{BTreeMap, BTreeSet};

use axum::response::Response;
use callbacks::EventPlace;
use genesys_types::{ConversationId, Organisation, QueueId};
use http::StatusCode;
use orchestrator::{Page, Record, names, parse_closure_id, parse_delivery_id};
use serde::Serialize;
use store::{ClosureKey, Filter, HELD, ID_LABEL, Order};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    call::{Answer, Call, json_answer},
    command,
    cursor::{self, Cursor},
    problem::Problem,
    query::Query,
    spans,
    submit::SOURCE,
    suggest,
    view::{ClosureView, Views},
};

/// How many items a page has, unless the caller says, and at most.
const USUAL_PAGE: usize = 50;
pub(crate) const LARGEST_PAGE: usize = 500;

/// In place of a queue: none is known.
pub(crate) const NO_QUEUE: &str = "none";

/// A page of a list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ClosureList)]
pub(crate) struct ListView<'a> {
    #[schema(value_type = Vec<ClosureView<'static>>)]
    items: Views<'a>,
    next_cursor: Option<&'a str>,
}

/// A page, and where the next begins.
pub(crate) struct Listing {
    pub(crate) page: Page,
    pub(crate) next_cursor: Option<String>,
}

/// `GET /v1/closures`: a list.
pub(crate) async fn list(call: Call) -> Answer {
    let mut query = call.query()?;
    let mut filter = Filter {
        states: known_names(&mut query, "state", &names::STATES)?,
        reasons: known_names(&mut query, "reason", REASONS)?,
        queues: queues("queueId", &query.several("queueId"))?,
        ..common_filter(&call, &mut query)?
    };
    if !filter.queues.is_empty() {
        // Ghosts alone are found by a queue, or by having none.
        if !filter.states.is_empty() && !filter.states.iter().any(|state| state == HELD) {
            filter.organisations.clear();
        }
        filter.states = vec![HELD.to_owned()];
    }
    let wanted = query.one("q")?;
    page(&call, query, filter, wanted).await.map(|listing| listing.answer(&call))
}

/// What every list can be narrowed by.
pub(crate) fn common_filter(call: &Call, query: &mut Query) -> Result<Filter, Problem> {
    Ok(Filter {
        source: source(call, query)?,
        labels: query.prefixed("label."),
        since: moment(call, query, "since")?,
        until: moment(call, query, "until")?,
        organisations: organisations(call, query)?,
        ..Filter::default()
    })
}

/// `GET /v1/conversations/{conversationId}/closures`: the history of a conversation.
pub(crate) async fn of_conversation(call: Call) -> Answer {
    let conversation: ConversationId = call
        .id
        .parse()
        .map_err(|error| Problem::invalid("conversationId", format!("\"{}\" is none: {error}.", call.id)))?;
    let mut query = call.query()?;
    let organisations = organisations(&call, &mut query)?;
    let filter = Filter { conversation: Some(conversation.uuid()), organisations, ..Filter::default() };
    page(&call, query, filter, None).await.map(|listing| listing.answer(&call))
}

/// Answers a page of what matches, in the order and from the place that the query names.
pub(crate) async fn page(
    call: &Call,
    mut query: Query,
    filter: Filter,
    wanted: Option<String>,
) -> Result<Listing, Problem> {
    let order = match query.one("sort")?.as_deref() {
        None | Some("-acceptedAt") => Order::NewestFirst,
        Some("acceptedAt") => Order::OldestFirst,
        Some(other) => {
            let detail =
                format!("sort is acceptedAt, or -acceptedAt for the latest first; it was \"{other}\".");
            return Err(Problem::invalid("sort", detail));
        }
    };
    let limit = query.limit(USUAL_PAGE, LARGEST_PAGE)?;
    let cursor = query.one("cursor")?;
    query.finish()?;
    let digest = cursor::digest(&filter, wanted.as_deref());
    let after = match cursor {
        Some(text) => Some(Cursor::read(&text, order, digest)?.after),
        None => None,
    };
    let page = find(call, filter, wanted, order, after, limit).await?;
    let next_cursor = page.next.map(|after| Cursor { after }.write(order, digest));
    Ok(Listing { page, next_cursor })
}

/// The records that match, or the one that `q` names. Of no organisation there are none.
pub(crate) async fn find(
    call: &Call,
    filter: Filter,
    wanted: Option<String>,
    order: Order,
    after: Option<(i64, Uuid)>,
    limit: usize,
) -> Result<Page, Problem> {
    if filter.organisations.is_empty() {
        return Ok(Page { records: Vec::new(), next: None });
    }
    let orchestrator = &call.shared.api.orchestrator;
    match wanted.as_deref().map(str::trim).map(Wanted::read).transpose()? {
        None => Ok(orchestrator.list(&filter, order, after, limit).await?),
        Some(Wanted::Closure(key)) => only(call, Some(key), &filter).await,
        Some(Wanted::Delivery(key)) => {
            let delivery = call.shared.api.callbacks.one(key).await?;
            only(call, delivery.map(|delivery| delivery.closure), &filter).await
        }
        Some(Wanted::Event(position)) => only(call, closure_of_event(call, position).await?, &filter).await,
        Some(Wanted::Other(id)) => {
            let mut page = Page { records: Vec::new(), next: None };
            for narrowed in Wanted::narrowed(&id, &filter) {
                page = orchestrator.list(&narrowed, order, after, limit).await?;
                if !page.records.is_empty() {
                    return Ok(page);
                }
            }
            page.records = of_producers_key(call, &id, &filter).await?;
            Ok(page)
        }
    }
}

/// This closure alone, where there is one and it matches.
async fn only(call: &Call, closure: Option<ClosureKey>, filter: &Filter) -> Result<Page, Problem> {
    let found = match closure {
        Some(key) => call.shared.api.orchestrator.closure(key).await?,
        None => None,
    };
    let found = found.filter(|record| filter.matches(&record.row()));
    Ok(Page { records: found.map(|record| (*record).clone()).into_iter().collect(), next: None })
}

/// The closure that the line at this position of the outbox tells of.
async fn closure_of_event(call: &Call, position: u64) -> Result<Option<ClosureKey>, Problem> {
    let Some(before) = position.checked_sub(1) else { return Ok(None) };
    let lines = call.shared.api.store.announcements(before, 1).await?;
    Ok(lines.first().filter(|placed| placed.position == position).map(|placed| placed.closure))
}

/// The closures that answer for an idempotency key, whoever used it. Each asks an index, and there are as many as keys and queues.
async fn of_producers_key(call: &Call, key: &str, filter: &Filter) -> Result<Vec<Record>, Problem> {
    let api = &call.shared.api;
    let queues = api.sources.setups().map(|setup| format!("source:{}", setup.name));
    let scopes: BTreeSet<_> = api.keys.names().iter().map(ToString::to_string).chain(queues).collect();
    let mut found: BTreeMap<Uuid, Record> = BTreeMap::new();
    for scope in scopes {
        if let Some(record) = api.orchestrator.closure_of_key(&scope, key).await?
            && filter.matches(&record.row())
        {
            found.insert(record.key, record.as_ref().clone());
        }
    }
    Ok(found.into_values().collect())
}

impl Listing {
    fn answer(&self, call: &Call) -> Response {
        let items = Views { records: &self.page.records, orchestrator: &call.shared.api.orchestrator };
        let view = ListView { items, next_cursor: self.next_cursor.as_deref() };
        json_answer(StatusCode::OK, &view)
    }
}

/// What `q` names.
enum Wanted {
    Closure(ClosureKey),
    /// What a receiver was told of a closure.
    Delivery(Uuid),
    /// An event of a closure, by the position of its line.
    Event(u64),
    /// The id of anything else.
    Other(String),
}

impl Wanted {
    fn read(text: &str) -> Result<Self, Problem> {
        let refuse = |detail| Err(Problem::invalid("q", detail));
        if let Ok(key) = parse_closure_id(text) {
            return Ok(Self::Closure(key));
        }
        if text.starts_with("cl_") {
            return refuse(format!("\"{text}\" is no id of a closure: cl_ and 26 letters and digits."));
        }
        if let Some(key) = parse_delivery_id(text) {
            return Ok(Self::Delivery(key));
        }
        if let Ok(place) = text.parse::<EventPlace>() {
            return Ok(Self::Event(place.position()));
        }
        if text.is_empty() {
            return refuse("q is an id, of a closure, a conversation or a guest, for example.".to_owned());
        }
        command::check_text("q", Some(text), command::LONGEST_LABEL)?;
        Ok(Self::Other(text.to_owned()))
    }

    /// Whom an id of Genesys can name, the likeliest first, each as a filter that is narrowed to it.
    fn narrowed(id: &str, filter: &Filter) -> Vec<Filter> {
        let uuid = id.parse::<Uuid>().ok();
        let written = uuid.map_or_else(|| id.to_owned(), |uuid| uuid.to_string());
        let mut labelled = filter.clone();
        labelled.labels.push((ID_LABEL.to_owned(), written));
        let conversation = uuid.map(|id| Filter { conversation: Some(id), ..filter.clone() });
        let participant = uuid.map(|id| Filter { participant: Some(id), ..filter.clone() });
        conversation.into_iter().chain(participant).chain([labelled]).collect()
    }
}

/// The organisations that a list is about: those named, of those that the caller sees.
pub(crate) fn organisations(call: &Call, query: &mut Query) -> Result<Vec<String>, Problem> {
    let seen: Vec<&str> = call.caller().seen(&call.shared.organisations).map(Organisation::as_str).collect();
    let named = query.several("organisation");
    match named.iter().find(|name| !seen.contains(&name.as_str())) {
        Some(unknown) => Err(Problem::invalid(
            "organisation",
            format!("The organisation \"{unknown}\" is not configured here, or not for this key."),
        )),
        None if named.is_empty() => Ok(seen.into_iter().map(str::to_owned).collect()),
        None => Ok(named),
    }
}

/// Every reason, of a ghost, a block, a failure or an odd end.
pub(crate) const REASONS: &[&str] = &[
    "no_confirmation",
    "conversation_open",
    "agent_still_connected",
    "wrapup_pending",
    "confirmation_mismatch",
    "reopened_by_guest",
    "rejected",
    "unreachable",
    "permission",
    "credential",
    "not_found",
    "ambiguous_target",
    "open_elsewhere",
    "participant_not_found",
    "participant_not_guest",
    "agent_connected",
    "abandoned",
    "forced",
    "guest_returned",
];

/// The source that a list is narrowed to: one of those that everybody has, or a queue of an organisation that the caller sees.
fn source(call: &Call, query: &mut Query) -> Result<Option<String>, Problem> {
    let Some(given) = query.one("source")? else { return Ok(None) };
    let sources = &call.shared.api.sources;
    let queues = sources.setups().filter(|setup| call.caller().sees(&setup.organisation));
    let known: Vec<_> = [SOURCE, batches::SOURCE, orchestrator::GUEST_RETURNED]
        .into_iter()
        .chain(queues.map(|setup| setup.name.as_str()))
        .collect();
    check_known("source", &given, &known)?;
    Ok(Some(given))
}

/// Names of which each has to be known.
pub(crate) fn known_names(
    query: &mut Query,
    parameter: &str,
    known: &[&str],
) -> Result<Vec<String>, Problem> {
    let given = query.several(parameter);
    given.iter().try_for_each(|name| check_known(parameter, name, known))?;
    Ok(given)
}

/// Refuses a name that is not known, with the nearest one that is.
pub(crate) fn check_known(parameter: &str, name: &str, known: &[&str]) -> Result<(), Problem> {
    if known.contains(&name) {
        return Ok(());
    }
    let detail = format!("There is no {parameter} \"{name}\". {}", suggest::advice(name, known));
    Err(Problem::invalid(parameter, detail))
}

/// Queues by their ids, or `none` for what has no queue that is known.
pub(crate) fn queues(name: &str, given: &[String]) -> Result<Vec<Option<Uuid>>, Problem> {
    let queue = |text: &String| match (text.as_str(), text.parse::<QueueId>()) {
        (NO_QUEUE, _) => Ok(None),
        (_, Ok(queue)) => Ok(Some(queue.uuid())),
        (_, Err(_)) => Err(Problem::invalid(
            name,
            format!(
                "{name} is the id of a queue, a UUID in hyphenated form, or {NO_QUEUE} for ghosts whose queue is not known; \
                 it was \"{text}\"."
            ),
        )),
    };
    given.iter().map(queue).collect()
}

/// A moment: RFC 3339, or a length of time before now.
pub(crate) fn moment(call: &Call, query: &mut Query, name: &str) -> Result<Option<i64>, Problem> {
    let Some(text) = query.one(name)? else { return Ok(None) };
    if let Some(time) = spans::parse_time(&text) {
        return Ok(Some(time.millis()));
    }
    let now = call.shared.api.orchestrator.now().millis();
    let ago = spans::parse_short(&text).and_then(|ago| i64::try_from(ago.as_millis()).ok());
    match ago {
        Some(ago) => Ok(Some(now.saturating_sub(ago))),
        None => Err(Problem::invalid(
            name,
            format!(
                "{name} is a time such as 2026-11-21T09:15:00Z, or a length of time such as 1h; it was \"{text}\"."
            ),
        )),
    }
}
