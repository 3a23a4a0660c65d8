//! The search over the attributes of participants.
//!
//! What it takes beyond its models is not documented. This follows what somebody who tried it on the real service has
//! reported (2026-07): it is asked for a time and nothing else, compares no attribute, and shows every conversation that
//! has attributes at all, with all of them. It lags as analytics do.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::analytics::{as_of, moment};
use crate::clock::{Millis, timestamp};
use crate::conversation::{Conversation, Participant};
use crate::platform::Reply;
use crate::refusal::Refusal;
use crate::views;
use crate::world::World;

/// So many conversations stand on one page, as reported.
const PAGE: usize = 50;

/// The longest range that is searched, as reported: a day.
const LONGEST_RANGE: Millis = 24 * 3_600 * 1_000;

/// The part of `ConversationParticipantSearchRequest` that has an effect here.
#[derive(Debug, Deserialize)]
struct Search {
    #[serde(default)]
    query: Vec<Criterion>,
    cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Criterion {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    fields: Vec<String>,
    value: Option<String>,
    #[serde(default)]
    values: Vec<String>,
    start_value: Option<String>,
    end_value: Option<String>,
}

/// Answers a page of the conversations that fit a search.
pub(crate) fn search(world: &World, body: &Value) -> Result<Reply, Refusal> {
    let search = Search::deserialize(body).map_err(|_| Refusal::bad_request())?;
    if search.query.is_empty() {
        return Err(Refusal::invalid_value("query"));
    }
    let from = match search.cursor.as_deref() {
        None => 0,
        Some(cursor) => cursor.parse().map_err(|_| Refusal::invalid_value("cursor"))?,
    };
    let as_of = as_of(world);
    let mut found: Vec<(Millis, Value)> = Vec::new();
    for talk in world.conversations.iter().filter(|talk| talk.started_at <= as_of) {
        let mut fits = talk.participants.iter().any(|participant| !participant.attributes.is_empty());
        for criterion in &search.query {
            fits &= criterion.holds(&talk)?;
        }
        if fits {
            found.push((talk.started_at, row(&talk, as_of)));
        }
    }
    let place = |found: &(Millis, Value)| (found.0, found.1["conversationId"].as_str().map(str::to_owned));
    found.sort_by_cached_key(place);
    let more = found.len() > from + PAGE;
    let results: Vec<Value> = found.into_iter().skip(from).take(PAGE).map(|(_, row)| row).collect();
    let mut answer = json!({ "types": ["conversationParticipantAttributes"], "results": results });
    if more {
        answer["cursor"] = json!((from + PAGE).to_string());
    }
    Ok(Reply::ok(answer))
}

fn row(talk: &Conversation, as_of: Millis) -> Value {
    let here = talk.participants.iter().filter(|participant| participant.started_at <= as_of);
    let mut row = json!({
        "conversationId": talk.id,
        "startTime": timestamp(talk.started_at),
        "divisionIds": [views::division()],
        "participantData": here.map(participant).collect::<Vec<_>>(),
        "truncatedData": false,
    });
    if let Some(at) = talk.ended_at.filter(|at| *at <= as_of) {
        row["endTime"] = json!(timestamp(at));
    }
    row
}

fn participant(participant: &Participant) -> Value {
    json!({
        "participantPurpose": participant.purpose.name(),
        "participantAttributes": participant.attributes,
        "participantId": participant.id,
        "sessionIds": participant.legs.iter().map(|leg| leg.id).collect::<Vec<_>>(),
    })
}

impl Criterion {
    /// Whether a conversation fits.
    fn holds(&self, talk: &Conversation) -> Result<bool, Refusal> {
        let [field] = self.fields.as_slice() else { return Err(Refusal::search_not_supported()) };
        match (self.kind.as_deref(), field.as_str()) {
            (Some("EXACT"), "conversationId") => Ok(self.names(&talk.id.to_string())),
            (Some("EXACT"), "divisionId") => Ok(self.names(&views::division().to_string())),
            (Some("DATE_RANGE"), "startTime") => self.spans(Some(talk.started_at)),
            (Some("DATE_RANGE"), "endTime") => self.spans(talk.ended_at),
            _ => Err(Refusal::search_not_supported()),
        }
    }

    fn names(&self, value: &str) -> bool {
        self.value.as_deref() == Some(value) || self.values.iter().any(|wanted| wanted == value)
    }

    fn spans(&self, at: Option<Millis>) -> Result<bool, Refusal> {
        let from = moment(self.start_value.as_deref().ok_or_else(|| Refusal::invalid_value("startValue"))?)?;
        let until = moment(self.end_value.as_deref().ok_or_else(|| Refusal::invalid_value("endValue"))?)?;
        if until - from > LONGEST_RANGE {
            return Err(Refusal::invalid_value("endValue"));
        }
        Ok(at.is_some_and(|at| (from..=until).contains(&at)))
    }
}
