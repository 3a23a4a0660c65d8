//! Reading many conversations with one request, for what is over in them.
//!
//! Analytics lag and invent no end: a leg that they show with its end has ended, and what they show without one may have
//! ended meanwhile. So only ends are told, and none that stays in doubt.

use std::time::Duration;

use bytes::Bytes;
use genesys_types::{CommunicationId, ConversationId, DisconnectType, ParticipantId, Time};
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Answer, Client, Fault, FaultKind, Permit,
    client::answer,
    json::{Flexible, Object, Text, parse},
    lookup::{ANALYTICS, ANALYTICS_PERMISSION, matches, range},
};

/// The most conversations that one request asks for: the documented default of a page. A record can have tens of
/// kilobytes, and an answer has 1 MiB at most.
pub const MOST_READ_TOGETHER: usize = 25;

/// How far back the query looks. A conversation with any activity in that time is found, and a close that was asked is
/// one; 72 h is the life of a guest's session.
const WITHIN: Duration = Duration::from_secs(72 * 3_600);

/// What is over in a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Over {
    /// The conversation.
    pub conversation: ConversationId,
    /// When all of it ended; `None` where that is not shown, or any session is shown without an end.
    pub ended_at: Option<Time>,
    /// Whether a session is shown without an end that is the guest's, or of nobody known, or such a participant without any
    /// session: a guest who reloads the page has a new one.
    pub guest_is_there: bool,
    /// The messaging sessions, of whomever, that have ended.
    pub legs: Vec<OverLeg>,
}

/// A session that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverLeg {
    /// The participant.
    pub participant: ParticipantId,
    /// The communication: in analytics, `sessionId`.
    pub communication: CommunicationId,
    /// When it ended.
    pub ended_at: Time,
}

impl Client {
    /// Reads many conversations with one `POST /api/v2/analytics/conversations/details/query`, and tells what is over in
    /// them. A conversation that is not told of may be in any state. No more than [`MOST_READ_TOGETHER`] are asked for;
    /// the rest of `conversations` is left out.
    ///
    /// # Errors
    /// As every operation; a 403 names the missing permission.
    pub async fn read_many(
        &self,
        permit: Permit,
        conversations: &[ConversationId],
    ) -> Result<Answer<Vec<Over>>, Fault> {
        let asked = &conversations[..conversations.len().min(MOST_READ_TOGETHER)];
        let (from, until) = range(WITHIN);
        let query = query(asked, &format!("{from:.3}/{until:.3}"));
        let body = Some(Bytes::from(query.to_string()));
        let reply = self
            .run(permit, "read_many", Method::POST, ANALYTICS.to_owned(), body)
            .await
            .map_err(naming_the_permission)?;
        match over(&reply.body) {
            Some(mut over) => {
                over.retain(|one| asked.contains(&one.conversation));
                Ok(answer(reply, over))
            }
            None => Err(reply.unreadable("the body is no answer of analytics")),
        }
    }
}

fn naming_the_permission(mut fault: Fault) -> Fault {
    if let FaultKind::Forbidden { missing: missing @ None } = &mut fault.kind {
        *missing = Some(ANALYTICS_PERMISSION.into());
    }
    fault
}

/// `ConversationQuery`: these conversations, on one page.
fn query(conversations: &[ConversationId], interval: &str) -> Value {
    let ids: Vec<_> = conversations.iter().map(|id| matches("conversationId", &id.to_string())).collect();
    json!({
        "interval": interval,
        "paging": { "pageSize": MOST_READ_TOGETHER, "pageNumber": 1 },
        "conversationFilters": [{ "type": "or", "predicates": ids }],
    })
}

/// `AnalyticsConversationQueryResponse`, as far as it is used.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Records {
    conversations: Flexible<Vec<Object<Record>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Record {
    conversation_id: Text,
    conversation_end: Text,
    participants: Flexible<Vec<Object<Participant>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Participant {
    participant_id: Text,
    purpose: Text,
    sessions: Flexible<Vec<Object<Session>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Session {
    session_id: Text,
    media_type: Text,
    segments: Flexible<Vec<Object<Segment>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Segment {
    segment_end: Text,
    segment_type: Text,
    disconnect_type: Text,
}

/// What is over by an answer; `None` where it is none of analytics.
fn over(body: &[u8]) -> Option<Vec<Over>> {
    let Object(page) = parse::<Object<Records>>(body).ok()?;
    let records = page.conversations.0.unwrap_or_default();
    let mut all: Vec<_> = records.iter().filter_map(|Object(record)| record.over()).collect();
    // A conversation that is shown twice, as pages do that shift, is shown at two moments: which is the later is not said.
    let shown: Vec<_> = all.iter().map(|one| one.conversation).collect();
    all.retain(|one| shown.iter().filter(|other| **other == one.conversation).count() == 1);
    Some(all)
}

impl Record {
    fn over(&self) -> Option<Over> {
        let conversation = self.conversation_id.0.as_deref()?.parse().ok()?;
        let participants = || self.participants.0.iter().flatten().map(|Object(one)| one);
        let sessions =
            || participants().flat_map(|one| one.sessions.0.iter().flatten().map(move |Object(s)| (one, s)));
        let legs = sessions().filter_map(|(who, session)| {
            Some(OverLeg {
                participant: who.participant_id.0.as_deref()?.parse().ok()?,
                communication: session.session_id.0.as_deref()?.parse().ok()?,
                ended_at: session.ended_at()?,
            })
        });
        let nobody_is_there =
            sessions().next().is_some() && sessions().all(|(_, session)| session.has_only_ends());
        let ended_at = moment(&self.conversation_end).filter(|_| nobody_is_there);
        let guest_is_there = participants().any(|who| who.may_be_the_guest() && who.may_be_there());
        Some(Over { conversation, ended_at, guest_is_there, legs: legs.collect() })
    }
}

impl Participant {
    /// Whether it is none of those on the other side (API: `purpose`).
    fn may_be_the_guest(&self) -> bool {
        !matches!(self.purpose.0.as_deref(), Some("agent" | "user" | "acd" | "workflow" | "ivr"))
    }

    /// Whether a session has no end, or none is shown.
    fn may_be_there(&self) -> bool {
        let mut sessions = self.sessions.0.iter().flatten().map(|Object(session)| session).peekable();
        sessions.peek().is_none() || sessions.any(|session| session.ended_at().is_none())
    }
}

impl Session {
    /// When it ended, where every segment has its end, and the last one in which somebody spoke was neither the first half
    /// of a transfer nor left without a reason: between two segments of a session that goes on all have an end too.
    fn ended_at(&self) -> Option<Time> {
        if self.media_type.0.as_deref() != Some("message") || !self.has_only_ends() {
            return None;
        }
        let segments = self.segments.0.iter().flatten().map(|Object(segment)| segment);
        let spoken = segments.filter(|segment| segment.segment_type.0.as_deref() != Some("wrapup"));
        let (at, last) = spoken
            .filter_map(|segment| Some((moment(&segment.segment_end)?, segment)))
            .max_by_key(|(at, _)| *at)?;
        let how = DisconnectType::parse(last.disconnect_type.0.as_deref()?);
        (how != DisconnectType::Transfer).then_some(at)
    }

    fn has_only_ends(&self) -> bool {
        let segments = || self.segments.0.iter().flatten();
        segments().next().is_some()
            && segments().all(|Object(segment)| moment(&segment.segment_end).is_some())
    }
}

fn moment(text: &Text) -> Option<Time> {
    let moment: jiff::Timestamp = text.0.as_deref()?.parse().ok()?;
    Some(Time::from_millis(moment.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDED: &str = "analytics-ended-after-transfer.json";
    const GHOST: &str = "analytics-ghost-session.json";
    const GUEST: &str = "11111111-aaaa-4aaa-8aaa-000000000001";

    fn sample(name: &str) -> Value {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/genesys/samples/rest/");
        serde_json::from_slice(&std::fs::read(format!("{folder}{name}")).unwrap()).unwrap()
    }

    fn ended() -> Value {
        json!({ "conversations": [sample(ENDED)], "totalHits": 1 })
    }

    fn read(body: &Value) -> Vec<Over> {
        over(body.to_string().as_bytes()).unwrap()
    }

    fn guest_is_over(body: &Value) -> bool {
        read(body)[0].legs.iter().any(|leg| leg.communication.to_string() == GUEST)
    }

    #[test]
    fn an_ended_conversation_is_over_with_the_guest_and_no_transfer_is() {
        let all = read(&ended());
        assert_eq!(all[0].ended_at.unwrap().millis(), 1_795_256_094_144);
        let legs: Vec<_> = all[0].legs.iter().map(|leg| leg.communication.to_string()).collect();
        assert_eq!(legs, [GUEST, "11111111-aaaa-4aaa-8aaa-000000000002"]);
        assert_eq!(all[0].legs[0].ended_at.millis(), 1_795_256_093_205);
    }

    #[test]
    fn a_guest_without_an_end_is_not_over_though_the_agent_is() {
        let all = read(&sample(GHOST));
        assert_eq!((all.len(), all[0].ended_at, all[0].legs.len()), (1, None, 1));
        assert!(!guest_is_over(&sample(GHOST)) && all[0].guest_is_there);
        assert!(!read(&ended())[0].guest_is_there);
    }

    #[test]
    fn what_leaves_a_doubt_is_no_end() {
        let guest = "/conversations/0/participants/0/sessions/0";
        let segment = format!("{guest}/segments/0");
        for (at, value) in [
            (format!("{segment}/segmentEnd"), json!(null)),
            (format!("{segment}/segmentEnd"), json!("soon")),
            (format!("{segment}/disconnectType"), json!("transfer")),
            (format!("{segment}/disconnectType"), json!(null)),
            (format!("{guest}/segments"), json!([])),
            (format!("{guest}/mediaType"), json!("voice")),
            (format!("{guest}/sessionId"), json!("none")),
        ] {
            let mut body = ended();
            *body.pointer_mut(&at).unwrap() = value.clone();
            assert!(!guest_is_over(&body), "{at} = {value}");
        }
    }

    #[test]
    fn an_end_of_the_whole_is_not_believed_while_anybody_is_shown_there() {
        let mut body = ended();
        body["conversations"][0]["participants"][3]["sessions"][1]["segments"][0]["segmentEnd"] = json!(null);
        assert_eq!(read(&body)[0].ended_at, None);
        assert!(guest_is_over(&body));
        body["conversations"][0]["participants"] = json!([]);
        assert_eq!(read(&body)[0].ended_at, None);
    }

    #[test]
    fn a_guest_who_reloaded_is_there_though_the_old_session_is_over() {
        for purpose in [json!("customer"), json!("external"), json!(null)] {
            let mut body = ended();
            let participants = &mut body["conversations"][0]["participants"];
            let mut reloaded = participants[0].clone();
            reloaded["purpose"] = purpose;
            reloaded["sessions"][0]["sessionId"] = json!("11111111-aaaa-4aaa-8aaa-000000000077");
            reloaded["sessions"][0]["segments"][0]["segmentEnd"] = json!(null);
            participants.as_array_mut().unwrap().push(reloaded);
            let all = read(&body);
            assert!(guest_is_over(&body) && all[0].guest_is_there && all[0].ended_at.is_none());
        }
    }

    #[test]
    fn a_guest_of_whom_no_session_can_be_read_is_there() {
        for sessions in [json!([]), json!(null), json!("none"), json!(7)] {
            let mut body = ended();
            let participants = body["conversations"][0]["participants"].as_array_mut().unwrap();
            let came = json!({ "participantId": GUEST, "purpose": "customer", "sessions": sessions });
            participants.push(came);
            assert!(read(&body)[0].guest_is_there, "{sessions}");
        }
    }

    #[test]
    fn a_conversation_that_is_shown_twice_is_not_told_of() {
        let mut other = sample(ENDED);
        other["conversationId"] = json!("7d1b5a44-3f0e-4d0c-9f4e-0a6c2b7e9a12");
        let body = json!({ "conversations": [sample(ENDED), other.clone(), sample(ENDED)] });
        let ids: Vec<_> = read(&body).iter().map(|one| one.conversation.to_string()).collect();
        assert_eq!(ids, [other["conversationId"].as_str().unwrap()]);
    }

    #[test]
    fn a_record_whose_id_is_none_is_left_out_and_the_others_are_told() {
        for id in [json!("x"), json!(null), json!(["7d1b5a44-3f0e-4d0c-9f4e-0a6c2b7e9a11"])] {
            let mut bad = sample(ENDED);
            bad["conversationId"] = id;
            assert_eq!(read(&json!({ "conversations": [bad, sample(ENDED)] })).len(), 1);
        }
    }

    #[test]
    fn an_answer_of_another_kind_is_none() {
        assert_eq!(over(b"[]"), None);
        assert_eq!(over(b"<html>"), None);
        assert_eq!(over(br#"{"totalHits": 0}"#), Some(Vec::new()));
    }
}
