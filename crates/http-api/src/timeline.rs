//! `GET /v1/closures/{id}/timeline`: the evidence, in order.

use genesys_types::Time;
use http::StatusCode;
use orchestrator::{
    Answered, Asks, Entry, HeardLine, OperatorLine, Seen, TimelineLine, closure_id, event_id,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    call::{Answer, Call, json_answer},
    explain,
    spans::Stamp,
    target::CandidateView,
};

/// The evidence of a closure, in order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Timeline {
    id: String,
    /// Null while it is looked up.
    conversation_id: Option<String>,
    items: Vec<TimelineItem>,
}

/// One transition, and what caused it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TimelineItem {
    /// The id of the event that announces it.
    #[schema(example = "ev_0000000000000012")]
    id: String,
    /// Counts per closure, from 1; it is the version that the closure had from then on.
    sequence: u64,
    #[schema(value_type = String, format = DateTime)]
    at: Stamp,
    /// accepted, woke, replied, heard, missed, acted or snooze_over.
    kind: String,
    /// The same in plain words.
    says: String,
    /// The state before; null at acceptance.
    from: Option<String>,
    /// The state after.
    to: String,
    /// Why the path is not the happy one.
    reason: Option<String>,
    /// The call that was answered.
    answered: Option<AnsweredView>,
    /// The event that arrived.
    heard: Option<HeardView>,
    /// What an operator did.
    operator: Option<OperatorView>,
    /// The call that was made because of this.
    asks: Option<AsksView>,
    /// What was told to the outside because of this.
    announces: Vec<String>,
    /// The closure that was opened because the guest came back.
    #[serde(skip_serializing_if = "Option::is_none")]
    followed_by: Option<String>,
    /// When the closure was to wake next.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_wake_at: Option<Stamp>,
}

/// The answer to a call.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TimelineAnswer)]
struct AnsweredView {
    /// The call's number within the closure.
    call: u32,
    /// look_up, read, close_participant, close_wrapper, give_wrap_up or disconnect.
    request: String,
    /// What came of it.
    reply: String,
    status: Option<u16>,
    /// Genesys' error code.
    code: Option<String>,
    /// Genesys' words.
    message: Option<String>,
    /// What Genesys' support asks for.
    correlation_id: Option<String>,
    missing_permission: Option<String>,
    /// How long it took, in milliseconds.
    took_ms: u64,
    saw: Option<SawView>,
    /// The open conversations that a lookup found; of very many not all.
    found: Option<Vec<CandidateView>>,
}

/// What a read or an event showed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TimelineSaw)]
struct SawView {
    /// Whether the conversation has ended.
    ended: bool,
    /// Its legs, as `purpose state`.
    legs: Vec<String>,
}

/// An event that arrived.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TimelineEvent)]
struct HeardView {
    /// webhook, notification or queue event.
    kind: String,
    adapter: String,
    event_type: String,
    event_id: String,
    /// When it happened, in the event's own words.
    #[schema(value_type = String, format = DateTime)]
    occurred_at: Stamp,
    participant_id: Option<String>,
    communication_id: Option<String>,
    saw: Option<SawView>,
}

/// What an operator did.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TimelineAct)]
pub(crate) struct OperatorView {
    /// retry, cancel, verify, force or resolve; of a ghost also claim, snooze or comment.
    act: String,
    /// The name of the key.
    by: String,
    reason: Option<String>,
    /// Until when a snooze lasts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Stamp>,
    /// Whose claim it took over.
    #[serde(skip_serializing_if = "Option::is_none")]
    taken_over_from: Option<String>,
    /// The batch that the act was a row of; the batch's own acts stand in the audit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "bt_01jd5w3k9m2q8r7tb4x0y6z1ne")]
    batch: Option<String>,
}

/// A call that was made.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TimelineCall)]
struct AsksView {
    call: u32,
    request: String,
    participant_id: Option<String>,
    /// Verb and path.
    http: String,
}

/// Answers with the timeline.
pub(crate) async fn timeline(call: Call) -> Answer {
    call.query()?.finish()?;
    let record = call.closure().await?;
    let lines = call.shared.api.orchestrator.timeline(record.key).await?;
    let view = Timeline {
        id: closure_id(record.key),
        conversation_id: record.closure.conversation.map(|conversation| conversation.to_string()),
        items: items(lines),
    };
    Ok(json_answer(StatusCode::OK, &view))
}

/// The lines of a journal as they are answered, in their order.
pub(crate) fn items(lines: Vec<TimelineLine>) -> Vec<TimelineItem> {
    let says = explain::sentences(&lines);
    lines.into_iter().zip(says).map(|(line, says)| TimelineItem::of(line, says)).collect()
}

impl TimelineItem {
    fn of(line: TimelineLine, says: String) -> Self {
        let TimelineLine { position, sequence, at, kind, entry } = line;
        let Entry { from, to, reason, answered, heard, operator, asks, announces, followed_by, wake_at } =
            entry;
        Self {
            id: event_id(position),
            sequence,
            at: Stamp(at),
            kind,
            says,
            from,
            to,
            reason,
            answered: answered.map(AnsweredView::of),
            heard: heard.map(HeardView::of),
            operator: operator.map(OperatorView::of),
            asks: asks.map(|Asks { call, request, participant, http }| AsksView {
                call,
                request,
                participant_id: participant,
                http,
            }),
            announces,
            followed_by,
            next_wake_at: wake_at.map(|at| Stamp(Time::from_millis(at))),
        }
    }
}

impl OperatorView {
    fn of(line: OperatorLine) -> Self {
        let OperatorLine { act, by, reason, until, taken_over_from, batch } = line;
        Self { act, by, reason, until: until.map(|at| Stamp(Time::from_millis(at))), taken_over_from, batch }
    }
}

impl AnsweredView {
    fn of(answered: Answered) -> Self {
        let Answered {
            call,
            request,
            reply,
            status,
            code,
            message,
            correlation_id,
            missing_permission,
            took_ms,
            saw,
            found,
        } = answered;
        let saw = saw.map(SawView::of);
        let found = found.map(|found| found.into_iter().map(CandidateView::of_line).collect());
        Self {
            call,
            request,
            reply,
            status,
            code,
            message,
            correlation_id,
            missing_permission,
            took_ms,
            saw,
            found,
        }
    }
}

impl SawView {
    fn of(Seen { ended, legs }: Seen) -> Self {
        Self { ended, legs }
    }
}

impl HeardView {
    fn of(heard: HeardLine) -> Self {
        let HeardLine { kind, adapter, event_type, event_id, occurred_at, participant, communication, saw } =
            heard;
        Self {
            kind,
            adapter,
            event_type,
            event_id,
            occurred_at: Stamp(Time::from_millis(occurred_at)),
            participant_id: participant,
            communication_id: communication,
            saw: saw.map(SawView::of),
        }
    }
}
