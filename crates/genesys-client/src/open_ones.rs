//! Listing messaging conversations that are shown without an end, for whoever looks for sessions that are stuck.
//!
//! Analytics lag, and pages shift while data flows in (API.md §6): what is listed here is a hint to read the conversation, and
//! nothing else. A page is one request.

use bytes::Bytes;
use genesys_types::{ConversationId, QueueId, Time};
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Answer, Client, Fault, FaultKind, Permit,
    client::answer,
    json::{Flexible, Object, Text, parse},
    lookup::{ANALYTICS, ANALYTICS_PERMISSION, matches},
};

/// The rows of one page: the documented default. A record can have tens of kilobytes, and an answer has 1 MiB at most.
pub const OPEN_PAGE: usize = 25;

/// Which conversations are listed: those of messaging without an end that began in a range of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenQuery {
    /// The earliest beginning.
    pub from: Time,
    /// Before which they began.
    pub until: Time,
    /// Only those with a segment in this queue.
    pub queue: Option<QueueId>,
    /// Only those with a session of this `messageType`, for example `webmessaging`.
    pub message_type: Option<Box<str>>,
}

/// One page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OpenPage {
    /// How many rows it has; fewer than [`OPEN_PAGE`] on the last one.
    pub rows: usize,
    /// How many rows all pages have together, where the page says so.
    pub promised: Option<u64>,
    /// Those whose id can be read.
    pub shown: Vec<OpenOne>,
}

/// A conversation as it was shown some time ago.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenOne {
    /// The conversation.
    pub conversation: ConversationId,
    /// When it began.
    pub started_at: Option<Time>,
    /// Whether it is shown with an end after all.
    pub ended: bool,
    /// When a segment of anybody began or ended last.
    pub moved_at: Option<Time>,
    /// The queues of its segments, each once.
    pub queues: Vec<QueueId>,
    /// The `messageType` of its messaging sessions, each once. Empty where it has no such session.
    pub message_types: Vec<Box<str>>,
}

impl Client {
    /// Lists messaging conversations without an end with one `POST /api/v2/analytics/conversations/details/query`, the earliest
    /// begun first; pages count from 1. Whether the filter was honoured is for the caller to see from what is shown.
    ///
    /// # Errors
    /// As every operation; a 403 names the missing permission.
    pub async fn open_conversations(
        &self,
        permit: Permit,
        query: &OpenQuery,
        page: usize,
    ) -> Result<Answer<OpenPage>, Fault> {
        let body = Some(Bytes::from(details_query(query, page).to_string()));
        let asked = self.run(permit, "open_conversations", Method::POST, ANALYTICS.to_owned(), body).await;
        let reply = asked.map_err(|mut fault| {
            if let FaultKind::Forbidden { missing: missing @ None } = &mut fault.kind {
                *missing = Some(ANALYTICS_PERMISSION.into());
            }
            fault
        })?;
        match read(&reply.body) {
            Some(page) => Ok(answer(reply, page)),
            None => Err(reply.unreadable("the body is no answer of analytics")),
        }
    }
}

/// `ConversationQuery`, as API.md §6 has it for finding ghosts. All predicates hold for one and the same segment, and the one that
/// is open need not name the queue; so where a queue is asked for, a segment that has ended counts too.
fn details_query(query: &OpenQuery, page: usize) -> Value {
    let absent =
        |dimension: &str| json!({ "type": "dimension", "dimension": dimension, "operator": "notExists" });
    let mut of_segment = vec![matches("mediaType", "message")];
    of_segment.extend(query.message_type.as_deref().map(|kind| matches("messageType", kind)));
    of_segment.push(match query.queue {
        Some(queue) => matches("queueId", &queue.to_string()),
        None => absent("segmentEnd"),
    });
    json!({
        "interval": format!("{:.3}/{:.3}", moment(query.from), moment(query.until)),
        "order": "asc",
        "orderBy": "conversationStart",
        "paging": { "pageSize": OPEN_PAGE, "pageNumber": page },
        "conversationFilters": [{ "type": "and", "predicates": [absent("conversationEnd")] }],
        "segmentFilters": [{ "type": "and", "predicates": of_segment }],
    })
}

fn moment(time: Time) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(time.millis()).unwrap_or_default()
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
    participants: Flexible<Vec<Object<Participant>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Participant {
    sessions: Flexible<Vec<Object<Session>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Session {
    media_type: Text,
    message_type: Text,
    segments: Flexible<Vec<Object<Segment>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Segment {
    segment_start: Text,
    segment_end: Text,
    queue_id: Text,
}

fn read(body: &[u8]) -> Option<OpenPage> {
    let Object(page) = parse::<Object<Records>>(body).ok()?;
    let records = page.conversations.0.unwrap_or_default();
    Some(OpenPage {
        rows: records.len(),
        promised: page.total_hits.as_u64(),
        shown: records.iter().filter_map(|Object(record)| record.shown()).collect(),
    })
}

impl Record {
    fn shown(&self) -> Option<OpenOne> {
        let participants = || self.participants.0.iter().flatten();
        let sessions = || participants().flat_map(|Object(one)| one.sessions.0.iter().flatten());
        let segments = || sessions().flat_map(|Object(one)| one.segments.0.iter().flatten());
        let moved = segments().flat_map(|Object(one)| [time(&one.segment_start), time(&one.segment_end)]);
        let mut one = OpenOne {
            conversation: self.conversation_id.0.as_deref()?.parse().ok()?,
            started_at: time(&self.conversation_start),
            ended: self.conversation_end.0.is_some(),
            moved_at: moved.flatten().max(),
            queues: Vec::new(),
            message_types: Vec::new(),
        };
        for queue in segments().filter_map(|Object(one)| one.queue_id.0.as_deref()?.parse().ok()) {
            if !one.queues.contains(&queue) {
                one.queues.push(queue);
            }
        }
        for Object(session) in sessions().filter(|Object(one)| one.media_type.0.as_deref() == Some("message"))
        {
            let kind = session.message_type.0.clone().unwrap_or_default();
            if !one.message_types.contains(&kind) {
                one.message_types.push(kind);
            }
        }
        Some(one)
    }
}

fn time(text: &Text) -> Option<Time> {
    let moment: jiff::Timestamp = text.0.as_deref()?.parse().ok()?;
    Some(Time::from_millis(moment.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Value {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/genesys/samples/rest/");
        serde_json::from_slice(&std::fs::read(format!("{folder}analytics-ghost-session.json")).unwrap())
            .unwrap()
    }

    #[test]
    fn the_sample_of_a_ghost_session_is_read_whole() {
        let page = read(sample().to_string().as_bytes()).unwrap();
        assert_eq!((page.rows, page.promised), (1, Some(1)));
        let one = &page.shown[0];
        assert_eq!(one.conversation.to_string(), "7d1b5a44-3f0e-4d0c-9f4e-0a6c2b7e9a11");
        assert_eq!(one.started_at.unwrap().millis(), 1_794_988_800_000);
        // The wrap-up of the agent ended 30 min 40 s after the beginning.
        assert_eq!(one.moved_at.unwrap().millis(), 1_794_988_800_000 + 1_840_000);
        assert_eq!(
            one.queues.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["9bfb36aa-cde3-4706-9744-70f0645754cf"]
        );
        assert_eq!((&*one.message_types, one.ended), (&["webmessaging".into()][..], false));
    }

    #[test]
    fn a_row_without_an_id_counts_and_is_not_shown() {
        let mut body = sample();
        body["conversations"][0]["conversationId"] = json!("x");
        let page = read(body.to_string().as_bytes()).unwrap();
        assert_eq!((page.rows, page.shown.len()), (1, 0));
        for empty in ["{}", r#"{"totalHits":0}"#] {
            assert_eq!(read(empty.as_bytes()).unwrap().rows, 0);
        }
        for other in ["[]", "", "<html>", r#"{"conversations":[7]}"#] {
            assert_eq!(read(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn a_conversation_that_is_none_of_messaging_has_no_message_type() {
        let mut body = sample();
        for participant in 0..2 {
            body["conversations"][0]["participants"][participant]["sessions"][0]["mediaType"] =
                json!("voice");
        }
        let page = read(body.to_string().as_bytes()).unwrap();
        assert_eq!(page.shown[0].message_types.len(), 0);
    }

    #[test]
    fn the_query_asks_for_open_messaging_conversations_the_earliest_first() {
        let mut query = OpenQuery {
            from: Time::from_millis(0),
            until: Time::from_millis(86_400_000),
            queue: None,
            message_type: None,
        };
        let plain = details_query(&query, 3);
        assert_eq!(plain["interval"], "1970-01-01T00:00:00.000Z/1970-01-02T00:00:00.000Z");
        assert_eq!(plain["paging"], json!({ "pageSize": OPEN_PAGE, "pageNumber": 3 }));
        assert_eq!(plain["conversationFilters"][0]["predicates"][0]["dimension"], "conversationEnd");
        let predicates = |query: &Value| query["segmentFilters"][0]["predicates"].clone();
        assert_eq!(predicates(&plain)[1]["dimension"], "segmentEnd");
        query.queue = Some("9bfb36aa-cde3-4706-9744-70f0645754cf".parse().unwrap());
        query.message_type = Some("webmessaging".into());
        let queue = matches("queueId", "9bfb36aa-cde3-4706-9744-70f0645754cf");
        let wanted = json!([matches("mediaType", "message"), matches("messageType", "webmessaging"), queue]);
        assert_eq!(predicates(&details_query(&query, 1)), wanted);
    }
}
