//! From the answers to lookups to the conversations that fit.
//!
//! What is not shown to fit does not fit; a row that fits and cannot be read makes the whole body unreadable, as it must
//! not be taken for nothing.

use genesys_types::{ConversationId, QueueId, Time};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    json::{Flexible, Object, Text, parse},
    lookup::{ExternalIdDimension, Hit},
};

/// A body that does not tell what fits, and why not.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unreadable(pub(crate) &'static str);

/// What one page shows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// How many rows there are.
    pub(crate) rows: usize,
    /// How many rows all pages have together, where the page says so.
    pub(crate) promised: Option<usize>,
    /// Those that fit.
    pub(crate) hits: Vec<Hit>,
    /// Where the next page begins.
    pub(crate) cursor: Option<Box<str>>,
}

/// `AnalyticsConversationQueryResponse`, as far as it is used.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Records {
    conversations: Flexible<Vec<Object<Record>>>,
    #[serde(rename = "totalHits")]
    total_hits: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Record {
    conversation_id: Text,
    conversation_start: Text,
    conversation_end: Text,
    external_tag: Text,
    participants: Flexible<Vec<Object<Participant>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Participant {
    external_contact_id: Text,
    sessions: Flexible<Vec<Object<Session>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Session {
    media_type: Text,
    journey_customer_id: Text,
    address_from: Text,
    segments: Flexible<Vec<Object<Segment>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Segment {
    queue_id: Text,
}

/// Reads a page of analytics: the open messaging conversations that show `id` as their `dimension`.
pub(crate) fn records(body: &[u8], dimension: ExternalIdDimension, id: &str) -> Result<Page, Unreadable> {
    let Object(page) =
        parse::<Object<Records>>(body).map_err(|_| Unreadable("the body is no answer of analytics"))?;
    let records = page.conversations.0.unwrap_or_default();
    let mut hits = Vec::new();
    for Object(record) in &records {
        if record.is_open() && record.has_messages() && record.shows(dimension, id) {
            hits.push(record.hit().ok_or(Unreadable("the id of a conversation that fits cannot be read"))?);
        }
    }
    Ok(Page {
        rows: records.len(),
        promised: page.total_hits.as_u64().and_then(|hits| usize::try_from(hits).ok()),
        hits,
        cursor: None,
    })
}

impl Record {
    fn is_open(&self) -> bool {
        self.conversation_end.0.is_none()
    }

    fn participants(&self) -> impl Iterator<Item = &Participant> {
        self.participants.0.iter().flatten().map(|Object(participant)| participant)
    }

    fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.participants().flat_map(|participant| participant.sessions.0.iter().flatten()).map(|one| &one.0)
    }

    fn has_messages(&self) -> bool {
        self.sessions().any(|session| session.media_type.0.as_deref() == Some("message"))
    }

    fn shows(&self, dimension: ExternalIdDimension, id: &str) -> bool {
        let is = |text: &Text| text.0.as_deref() == Some(id);
        match dimension {
            ExternalIdDimension::ExternalTag => is(&self.external_tag),
            ExternalIdDimension::ExternalContactId => {
                self.participants().any(|participant| is(&participant.external_contact_id))
            }
            ExternalIdDimension::JourneyCustomerId => {
                self.sessions().any(|session| is(&session.journey_customer_id))
            }
            ExternalIdDimension::AddressFrom => self.sessions().any(|session| is(&session.address_from)),
        }
    }

    fn hit(&self) -> Option<Hit> {
        let segments = self.sessions().flat_map(|session| session.segments.0.iter().flatten());
        let queues = segments.filter_map(|Object(segment)| segment.queue_id.0.as_deref()?.parse().ok());
        hit(&self.conversation_id, &self.conversation_start, queues.last())
    }
}

/// `JsonCursorSearchResponse`. What stands in `results` is not documented; reported are rows with `conversationId`,
/// `startTime`, `endTime` once it has ended, and the attributes of each participant.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Results {
    results: Option<Vec<Value>>,
    cursor: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Row {
    conversation_id: Text,
    start_time: Text,
    end_time: Text,
}

/// Reads a page of the search: the open conversations in whose row an attribute stands with this value.
pub(crate) fn participants(body: &[u8], name: &str, value: &str) -> Result<Page, Unreadable> {
    let Object(page) =
        parse::<Object<Results>>(body).map_err(|_| Unreadable("the body is no answer of the search"))?;
    let rows = page.results.unwrap_or_default();
    let mut hits = Vec::new();
    for row in rows.iter().filter(|row| holds(row, name, value)) {
        let unreadable = Unreadable("a row that fits cannot be read");
        let Object(row) = Object::<Row>::deserialize(row).map_err(|_| unreadable)?;
        if row.end_time.0.is_none() {
            let unreadable = Unreadable("the id of a conversation that fits cannot be read");
            hits.push(hit(&row.conversation_id, &row.start_time, None).ok_or(unreadable)?);
        }
    }
    let cursor = page.cursor.0.filter(|cursor| !cursor.is_empty());
    Ok(Page { rows: rows.len(), promised: None, hits, cursor })
}

/// Whether attributes anywhere in `row` have `name` with exactly this text. What else stands in a row is no attribute: by what it
/// reports, Genesys keeps attributes in members whose names end so.
fn holds(row: &Value, name: &str, value: &str) -> bool {
    match row {
        Value::Object(members) => members.iter().any(|(member, inside)| {
            let attributes = member.to_ascii_lowercase().ends_with("attributes");
            (attributes && inside.get(name).and_then(Value::as_str) == Some(value))
                || holds(inside, name, value)
        }),
        Value::Array(items) => items.iter().any(|item| holds(item, name, value)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn hit(id: &Text, start: &Text, queue: Option<QueueId>) -> Option<Hit> {
    let conversation: ConversationId = id.0.as_deref()?.parse().ok()?;
    let started = start.0.as_deref().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    let started_at = started.map(|moment| Time::from_millis(moment.as_millisecond()));
    Some(Hit { conversation, started_at, queue })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "7d1b5a44-3f0e-4d0c-9f4e-0a6c2b7e9a11";

    fn sample(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/genesys/samples/rest/");
        std::fs::read(format!("{folder}{name}")).unwrap()
    }

    fn found(page: &Value, id: &str) -> Vec<String> {
        let page = records(page.to_string().as_bytes(), ExternalIdDimension::ExternalTag, id).unwrap();
        page.hits.iter().map(|hit| hit.conversation.to_string()).collect()
    }

    fn record(tag: &str) -> Value {
        json!({ "conversationId": ID, "externalTag": tag,
                "participants": [{ "sessions": [{ "mediaType": "message" }] }] })
    }

    #[test]
    fn the_sample_of_analytics_is_found_by_what_it_shows() {
        let body = sample("analytics-ghost-session.json");
        let contact = "0c8f7b6a-5d4e-4c3b-8a29-1f0e9d8c7b07";
        let page = records(&body, ExternalIdDimension::ExternalContactId, contact).unwrap();
        assert_eq!((page.rows, page.hits.len()), (1, 1));
        assert_eq!(page.hits[0].conversation.to_string(), ID);
        assert_eq!(page.hits[0].queue.unwrap().to_string(), "9bfb36aa-cde3-4706-9744-70f0645754cf");
        assert_eq!(page.hits[0].started_at.unwrap().millis(), 1_794_988_800_000);
        for dimension in ExternalIdDimension::ALL {
            let page = records(&body, dimension, "another").unwrap();
            assert_eq!((page.rows, page.hits.len()), (1, 0), "{dimension:?}");
        }
    }

    #[test]
    fn only_what_shows_the_id_letter_by_letter_and_is_open_fits() {
        let page = |record: Value| json!({ "conversations": [record], "totalHits": 1 });
        assert_eq!(found(&page(record("order-7")), "order-7"), [ID]);
        for other in ["order-70", "ORDER-7", "order-", ""] {
            assert!(found(&page(record("order-7")), other).is_empty(), "{other}");
        }
        let mut ended = record("order-7");
        ended["conversationEnd"] = json!("2026-11-18T08:00:00.000Z");
        assert!(found(&page(ended), "order-7").is_empty());
        let mut call = record("order-7");
        call["participants"][0]["sessions"][0]["mediaType"] = json!("voice");
        assert!(found(&page(call), "order-7").is_empty());
        assert!(found(&json!({ "totalHits": 0 }), "order-7").is_empty());
    }

    #[test]
    fn a_conversation_that_fits_and_has_no_id_is_not_taken_for_nothing() {
        let mut nameless = record("order-7");
        nameless["conversationId"] = json!("x");
        let body = json!({ "conversations": [nameless] }).to_string();
        assert!(records(body.as_bytes(), ExternalIdDimension::ExternalTag, "order-7").is_err());
        let row = json!({ "results": [{ "attributes": { "order": "7" } }] }).to_string();
        assert!(participants(row.as_bytes(), "order", "7").is_err());
        assert_eq!(participants(row.as_bytes(), "order", "8").unwrap().hits, []);
        for body in ["", "[]", "<html>", "7", "{\"results\":7}"] {
            assert!(participants(body.as_bytes(), "order", "7").is_err(), "{body}");
        }
    }

    #[test]
    fn an_attribute_is_found_wherever_the_row_keeps_it() {
        let flat = json!({ "conversationId": ID, "attributes": { "order": "7" } });
        let deep = json!({ "conversationId": ID, "startTime": "2026-11-18T08:00:00.000Z",
            "participantData": [{ "participantAttributes": {} }, { "participantAttributes": { "order": "7" } }] });
        let over =
            json!({ "conversationId": ID, "endTime": "2026-11-18T08:00:00.000Z", "x": { "order": "7" } });
        let others =
            [json!({ "order": 7 }), json!({ "order": "70" }), json!({ "Order": "7" }), json!("order")];
        for (row, fits) in
            [(flat, true), (deep, true), (over, false)].into_iter().chain(others.map(|row| (row, false)))
        {
            let body = json!({ "results": [row], "cursor": "" }).to_string();
            let page = participants(body.as_bytes(), "order", "7").unwrap();
            assert_eq!((page.hits.len() == 1, page.cursor), (fits, None), "{body}");
        }
        let body = json!({ "results": [], "cursor": "next" }).to_string();
        assert_eq!(participants(body.as_bytes(), "order", "7").unwrap().cursor.as_deref(), Some("next"));
    }

    /// What stands in a row beside the attributes is no attribute of anybody.
    #[test]
    fn a_field_of_the_row_is_no_attribute() {
        let row = json!({ "conversationId": ID, "startTime": "2026-11-18T08:00:00.000Z", "mediaType": "message",
            "participantData": [{ "participantPurpose": "customer", "participantAttributes": { "order": "7" } }] });
        let body = json!({ "results": [row] }).to_string();
        for (name, value) in
            [("participantPurpose", "customer"), ("mediaType", "message"), ("conversationId", ID)]
        {
            let page = participants(body.as_bytes(), name, value).unwrap();
            assert_eq!(page.hits.len(), 0, "{name} = {value}");
        }
    }
}
