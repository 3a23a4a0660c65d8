//! `/v1/deliveries`: what was told to the outside, what became of it, and telling it again.

use callbacks::{Owed, RESULTS};
use http::StatusCode;
use orchestrator::{closure_id, delivery_id, parse_closure_id, parse_delivery_id};
use serde::Serialize;
use serde_json::json;
use store::{ClosureKey, DeliveryFilter};
use tracing::info;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    acts,
    call::{Answer, Call, json_answer},
    listing::{known_names, organisations},
    metrics,
    problem::{Problem, kinds},
    spans::Stamp,
};

/// How many deliveries are shown, unless the caller says, and at most.
const USUAL: usize = 50;
const MOST: usize = 500;

/// A page of deliveries.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeliveryList {
    items: Vec<DeliveryView>,
    /// Where the next page begins; null on the last one.
    next_cursor: Option<String>,
}

/// One event for one receiver.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Delivery)]
pub(crate) struct DeliveryView {
    /// The delivery's id; ids sort by the time at which it was noted.
    #[schema(example = "dv_01jd5w3k9m2q8r7tb4x0y6z1ne")]
    id: String,
    /// When it was noted.
    #[schema(value_type = String, format = DateTime)]
    at: Stamp,
    /// The closure that the event is about; null for an event of an adapter.
    closure: Option<String>,
    organisation: String,
    /// The type of event.
    #[schema(example = "closeout.closure.closed.v1")]
    event: String,
    /// The event's id, which is the `webhook-id` of every try.
    event_id: String,
    /// The `[[callback]]` that is told; null for the callback of the command.
    receiver: Option<String>,
    /// Where to, without a query; of a configured receiver the host alone.
    url: String,
    /// waiting, delivered, gone (the receiver answered 410), failed (it answered three times that it does not take this as it is), given_up, refused (it may not be sent), held (a ghost, kept while
    /// no adapter is heard), or withdrawn (it was a ghost no more when one was heard).
    result: String,
    /// How often it was tried, since it was noted or since an operator asked for it again.
    attempt: u32,
    /// When it was tried last.
    #[schema(value_type = Option<String>, format = DateTime)]
    tried_at: Option<Stamp>,
    /// What the receiver answered last.
    status: Option<u16>,
    /// Why the last try failed, where there was no answer.
    why: Option<String>,
    /// When it is tried next; null while it is held, and once it is settled.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_try_at: Option<Stamp>,
}

impl DeliveryView {
    fn of(owed: Owed) -> Self {
        let stamp = |millis| Stamp(genesys_types::Time::from_millis(millis));
        Self {
            id: delivery_id(owed.key),
            at: stamp(owed.body.noted_at),
            closure: (!owed.closure.is_nil()).then(|| closure_id(owed.closure)),
            next_try_at: owed.next_try_at().map(Stamp),
            url: owed.shown_url(),
            organisation: owed.organisation,
            event: owed.body.event_type,
            event_id: owed.body.event_id,
            receiver: owed.body.receiver,
            result: owed.result,
            attempt: owed.body.attempts,
            tried_at: owed.body.tried_at.map(stamp),
            status: owed.body.status,
            why: owed.body.why,
        }
    }
}

/// `GET /v1/deliveries`
pub(crate) async fn list(call: Call) -> Answer {
    let mut query = call.query()?;
    let filter = DeliveryFilter {
        organisations: organisations(&call, &mut query)?,
        results: known_names(&mut query, "result", &RESULTS)?,
        closure: query.one("closure")?.map(|text| closure(&text)).transpose()?,
    };
    let limit = query.limit(USUAL, MOST)?;
    let before = query.one("cursor")?.map(|text| key("cursor", &text)).transpose()?;
    query.finish()?;
    // To the store an empty list is no restriction; here it is a key for no organisation.
    let mut found = if filter.organisations.is_empty() {
        Vec::new()
    } else {
        call.shared.api.callbacks.list(&filter, before, limit + 1).await?
    };
    let more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found.last().filter(|_| more).map(|last| delivery_id(last.key));
    let items = found.into_iter().map(DeliveryView::of).collect();
    Ok(json_answer(StatusCode::OK, &DeliveryList { items, next_cursor }))
}

/// `GET /v1/deliveries/{id}`
pub(crate) async fn one(call: Call) -> Answer {
    call.query()?.finish()?;
    let owed = seen(&call).await?;
    Ok(json_answer(StatusCode::OK, &DeliveryView::of(owed)))
}

/// `POST /v1/deliveries/{id}/redeliver`
pub(crate) async fn redeliver(mut call: Call) -> Answer {
    call.query()?.finish()?;
    acts::optional_reason(&mut call)?;
    let key = key("id", &call.id)?;
    let callbacks = &call.shared.api.callbacks;
    seen(&call).await?;
    let owed = callbacks.redeliver(key).await?.ok_or_else(|| none(&call))?;
    call.trail.after(json!({ "result": owed.result }));
    let caller = call.caller();
    metrics::operator_action("redeliver", caller.role.name());
    info!(
        delivery = call.id,
        event = owed.body.event_id,
        by = &*caller.name,
        "an operator asked for a delivery again"
    );
    Ok(json_answer(StatusCode::ACCEPTED, &DeliveryView::of(owed)))
}

/// The delivery that the path names, where the caller sees its organisation.
pub(crate) async fn seen(call: &Call) -> Result<Owed, Problem> {
    let found = call.shared.api.callbacks.one(key("id", &call.id)?).await?;
    let owed = found.filter(|owed| sees(call, owed)).ok_or_else(|| none(call))?;
    call.trail.found(&owed.organisation, json!({ "result": owed.result }));
    Ok(owed)
}

fn sees(call: &Call, owed: &Owed) -> bool {
    owed.organisation.parse().is_ok_and(|organisation| call.caller().sees(&organisation))
}

fn none(call: &Call) -> Problem {
    Problem::new(&kinds::NO_DELIVERY, format!("There is no delivery {} here.", call.id))
}

fn closure(text: &str) -> Result<ClosureKey, Problem> {
    parse_closure_id(text).map_err(|error| {
        Problem::invalid("closure", format!("\"{text}\" is not the id of a closure: {error}."))
    })
}

fn key(field: &str, text: &str) -> Result<Uuid, Problem> {
    parse_delivery_id(text).ok_or_else(|| {
        let detail =
            format!("\"{text}\" is not the id of a delivery, such as dv_01jd5w3k9m2q8r7tb4x0y6z1ne.");
        Problem::invalid(field, detail).ids_at("/v1/deliveries")
    })
}
