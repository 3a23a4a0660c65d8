//! Analytics. They lag: they show the world as it was some seconds ago.

use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::clock::{Millis, in_millis};
use crate::conversation::Conversation;
use crate::dimensions::{OF_CONVERSATIONS, OF_SEGMENTS};
use crate::platform::Reply;
use crate::refusal::Refusal;
use crate::views;
use crate::world::World;

/// The largest page that may be asked for.
const LARGEST_PAGE: usize = 100;
/// The size of a page when none is asked for, as documented.
const USUAL_PAGE: usize = 25;

/// The part of `ConversationQuery` that has an effect here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Query {
    interval: Option<String>,
    order: Option<String>,
    order_by: Option<String>,
    paging: Option<Paging>,
    #[serde(default)]
    segment_filters: Vec<Filter>,
    #[serde(default)]
    conversation_filters: Vec<Filter>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Paging {
    page_size: Option<usize>,
    page_number: Option<usize>,
}

/// A filter, or a clause of one.
#[derive(Debug, Deserialize)]
struct Filter {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    clauses: Vec<Filter>,
    #[serde(default)]
    predicates: Vec<Predicate>,
}

#[derive(Debug, Deserialize)]
struct Predicate {
    dimension: Option<String>,
    operator: Option<String>,
    value: Option<String>,
}

/// Answers one conversation's record.
pub(crate) fn read_one(world: &World, id: Uuid) -> Result<Reply, Refusal> {
    let as_of = as_of(world);
    let mut talk = world.find(id).ok_or_else(|| Refusal::conversation_not_found(id))?;
    let record = views::analytics(&talk, as_of).ok_or_else(|| Refusal::conversation_not_found(id))?;
    mark_shown(&mut talk, as_of);
    Ok(Reply::ok(record))
}

/// Answers a page of the conversations that fit a query.
pub(crate) fn query(world: &World, body: &Value) -> Result<Reply, Refusal> {
    let query = Query::deserialize(body).map_err(|_| Refusal::bad_request())?;
    let (from, until) = interval(query.interval.as_deref())?;
    query.conversation_filters.iter().try_for_each(|filter| filter.names_only(OF_CONVERSATIONS))?;
    query.segment_filters.iter().try_for_each(|filter| filter.names_only(OF_SEGMENTS))?;
    let as_of = as_of(world);
    let mut found: Vec<(String, Uuid, Value)> = Vec::new();
    let named = query.conversation_filters.iter().find_map(Filter::named_conversations);
    let candidates: Vec<Uuid> = match named {
        Some(ids) => ids,
        None => world.conversations.iter().map(|talk| talk.id).collect(),
    };
    for id in candidates {
        let Some(talk) = world.conversations.get(&id) else { continue };
        if talk.started_at < from || talk.started_at >= until {
            continue;
        }
        let Some(record) = views::analytics(&talk, as_of) else { continue };
        if fits(&record, &query)? {
            found.push((sort_key(&record, query.order_by.as_deref()), talk.id, record));
        }
    }
    found.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    if query.order.as_deref() == Some("desc") {
        found.reverse();
    }
    let size = query.paging.as_ref().and_then(|paging| paging.page_size).unwrap_or(USUAL_PAGE);
    let number = query.paging.as_ref().and_then(|paging| paging.page_number).unwrap_or(1);
    if size == 0 || size > LARGEST_PAGE || number == 0 {
        return Err(Refusal::invalid_value("paging"));
    }
    let total = found.len();
    let page: Vec<(String, Uuid, Value)> =
        found.into_iter().skip((number - 1).saturating_mul(size)).take(size).collect();
    for (_, id, _) in &page {
        if let Some(mut talk) = world.find(*id) {
            mark_shown(&mut talk, as_of);
        }
    }
    let records: Vec<Value> = page.into_iter().map(|(_, _, record)| record).collect();
    let mut answer = json!({ "totalHits": total });
    if !records.is_empty() {
        answer["conversations"] = Value::Array(records);
    }
    Ok(Reply::ok(answer))
}

pub(crate) fn as_of(world: &World) -> Millis {
    world.clock.now() - in_millis(world.config.analytics_lag)
}

fn mark_shown(talk: &mut Conversation, as_of: Millis) {
    talk.ledger.reads += 1;
    for leg in talk.participants.iter_mut().flat_map(|p| p.legs.iter_mut()) {
        leg.known |= leg.connected_at <= as_of;
        leg.proven |= leg.ended.is_some_and(|(at, _)| at <= as_of);
    }
}

fn interval(text: Option<&str>) -> Result<(Millis, Millis), Refusal> {
    let (from, until) =
        text.and_then(|text| text.split_once('/')).ok_or_else(|| Refusal::invalid_value("interval"))?;
    Ok((moment(from)?, moment(until)?))
}

/// Reads a moment with or without seconds and zone; without a zone it is UTC.
pub(crate) fn moment(text: &str) -> Result<Millis, Refusal> {
    let zoned = text.parse::<jiff::Timestamp>().ok();
    let plain = || text.parse::<jiff::civil::DateTime>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok();
    let moment = zoned.or_else(|| plain().map(|zoned| zoned.timestamp()));
    moment.map(jiff::Timestamp::as_millisecond).ok_or_else(|| Refusal::invalid_value("interval"))
}

fn sort_key(record: &Value, order_by: Option<&str>) -> String {
    let field = if order_by == Some("conversationEnd") { "conversationEnd" } else { "conversationStart" };
    record[field].as_str().unwrap_or("").to_owned()
}

fn fits(record: &Value, query: &Query) -> Result<bool, Refusal> {
    for filter in &query.conversation_filters {
        if !filter.holds(&|dimension| values_of(record, dimension))? {
            return Ok(false);
        }
    }
    if query.segment_filters.is_empty() {
        return Ok(true);
    }
    // All segment filters must hold for one and the same segment.
    for (participant, session, segment) in segments(record) {
        let values = |dimension: &str| {
            let places = [segment, session, participant];
            places
                .iter()
                .find_map(|place| place.get(dimension))
                .and_then(Value::as_str)
                .map(str::to_owned)
                .into_iter()
                .collect()
        };
        let mut all = true;
        for filter in &query.segment_filters {
            all &= filter.holds(&values)?;
        }
        if all {
            return Ok(true);
        }
    }
    Ok(false)
}

fn segments(record: &Value) -> Vec<(&Value, &Value, &Value)> {
    let list = |value: &'static str| move |of: &'_ Value| of[value].as_array().map_or(0, Vec::len);
    let mut all = Vec::new();
    for p in 0..list("participants")(record) {
        let participant = &record["participants"][p];
        for s in 0..list("sessions")(participant) {
            let session = &participant["sessions"][s];
            for g in 0..list("segments")(session) {
                all.push((participant, session, &session["segments"][g]));
            }
        }
    }
    all
}

fn values_of(record: &Value, dimension: &str) -> Vec<String> {
    record.get(dimension).and_then(Value::as_str).map(str::to_owned).into_iter().collect()
}

impl Filter {
    /// Answers the conversations that can fit at all, when the filter names them one by one. It spares looking at
    /// every other conversation when a client asks about a few.
    fn named_conversations(&self) -> Option<Vec<Uuid>> {
        let alternatives = self.kind.as_deref() == Some("or") || self.predicates.len() == 1;
        if !alternatives || !self.clauses.is_empty() || self.predicates.is_empty() {
            return None;
        }
        let mut ids: Vec<Uuid> = Vec::new();
        for predicate in &self.predicates {
            let by_id = predicate.dimension.as_deref() == Some("conversationId")
                && predicate.operator.as_deref().is_none_or(|operator| operator == "matches");
            let value = predicate.value.as_deref().filter(|_| by_id)?;
            ids.extend(Uuid::parse_str(value).ok());
        }
        ids.sort_unstable();
        ids.dedup();
        Some(ids)
    }

    /// Refuses a dimension that is not documented for this kind of filter.
    fn names_only(&self, known: &[&str]) -> Result<(), Refusal> {
        self.clauses.iter().try_for_each(|clause| clause.names_only(known))?;
        let unknown = |predicate: &&Predicate| {
            predicate.dimension.as_deref().is_none_or(|dimension| !known.contains(&dimension))
        };
        match self.predicates.iter().find(unknown) {
            Some(_) => Err(Refusal::invalid_value("dimension")),
            None => Ok(()),
        }
    }

    fn holds(&self, values: &dyn Fn(&str) -> Vec<String>) -> Result<bool, Refusal> {
        let mut verdicts = Vec::new();
        for clause in &self.clauses {
            verdicts.push(clause.holds(values)?);
        }
        for predicate in &self.predicates {
            verdicts.push(predicate.holds(values)?);
        }
        match self.kind.as_deref() {
            Some("or") => Ok(verdicts.into_iter().any(|held| held)),
            Some("and") => Ok(verdicts.into_iter().all(|held| held)),
            Some(_) | None => Err(Refusal::invalid_value("type")),
        }
    }
}

impl Predicate {
    fn holds(&self, values: &dyn Fn(&str) -> Vec<String>) -> Result<bool, Refusal> {
        let dimension = self.dimension.as_deref().ok_or_else(|| Refusal::invalid_value("dimension"))?;
        let held = values(dimension);
        match self.operator.as_deref().unwrap_or("matches") {
            "exists" => Ok(!held.is_empty()),
            "notExists" => Ok(held.is_empty()),
            "matches" => {
                let wanted = self.value.as_deref().ok_or_else(|| Refusal::invalid_value("value"))?;
                Ok(held.iter().any(|value| value == wanted))
            }
            _ => Err(Refusal::invalid_value("operator")),
        }
    }
}
