//! A closure as it is answered (interfaces §1).

use std::fmt::Display;

use closure_machine::{End, Policy, Step};
use genesys_types::{ConversationId, ParticipantId, WrapUp};
use orchestrator::{ConfirmedBy, Orchestrator, Record, closure_id, names};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::{
    explain::Trouble,
    policy_texts::{option_texts, policy_texts},
    spans::Stamp,
    target::TargetView,
    waiting::waiting_for,
};

/// What is known beside the record when it is answered.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Circumstances {
    /// Whether the request joined a closure that was open already.
    pub(crate) attached: bool,
    /// Whether the awaited end came; `None` when nobody waited.
    pub(crate) wait_satisfied: Option<bool>,
    /// What holds up a closure whose next call is due.
    pub(crate) waiting_for: Option<&'static str>,
}

impl Circumstances {
    /// Those of a record that nobody asked for by itself.
    pub(crate) fn in_a_list(orchestrator: &Orchestrator, record: &Record) -> Self {
        Self { waiting_for: waiting_for(orchestrator, record), ..Self::default() }
    }
}

/// One request to close one session, and how it stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Closure)]
pub(crate) struct ClosureView<'a> {
    /// The closure's id; ids sort by the time of acceptance.
    #[schema(example = "cl_01jd5w3k9m2q8r7tb4x0y6z1ne")]
    id: &'a str,
    /// The organisation, as the configuration names it.
    #[schema(example = "main")]
    organisation: &'a str,
    /// The conversation to close; null while it is looked up.
    #[serde(serialize_with = "as_optional_text")]
    #[schema(value_type = Option<String>)]
    conversation_id: Option<ConversationId>,
    /// What the command named in place of the conversation, where it did, and what became of looking for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<TargetView>,
    /// The guest; null until it is known.
    #[serde(serialize_with = "as_optional_text")]
    #[schema(value_type = Option<String>)]
    participant_id: Option<ParticipantId>,
    /// How it stands: accepted, scheduled, resolving, verifying, closing_participant, awaiting_confirmation, closing_wrapper,
    /// blocked, ghost; or one of the ends closed, already_closed, failed, cancelled, resolved.
    #[schema(example = "closed")]
    state: &'static str,
    /// The end, once it is reached.
    outcome: Option<&'static str>,
    /// Why the path is not the happy one.
    #[schema(example = "no_confirmation")]
    reason: Option<&'static str>,
    /// Whether this request joined a closure that was open already; false on every later look.
    attached: bool,
    /// Whether the end came within the wait that was asked for; false too where it became a ghost or blocked before; null
    /// when none was asked for.
    wait_satisfied: Option<bool>,
    /// What proved that the guest is gone.
    confirmed_by: Option<ConfirmedByView<'a>>,
    /// The guest who was seen again after the end, if one was.
    #[serde(skip_serializing_if = "Option::is_none")]
    guest_returned: Option<GuestReturnedView>,
    /// The closure that this one follows because the guest came back after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "cl_01jd5w3k9m2q8r7tb4x0y6z1ne")]
    follows: Option<String>,
    /// Whether everything is over but an agent's wrap-up, as the last read or event showed it: not_required, pending or
    /// done. A guest who is gone, a conversation that has ended and a wrap-up that is pending are three facts.
    #[schema(example = "not_required")]
    wrap_up: &'static str,
    /// The agent's leg that owes a wrap-up, or was last seen connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<AgentView>,
    /// How often the guest's close was asked.
    attempts: u32,
    /// How many requests were made of Genesys: of a lookup each page counts, and of a close each session.
    api_calls: u32,
    /// When something happens next by itself.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_wake_at: Option<Stamp>,
    /// What holds it up although its next call is due: organisation_blocked (Genesys refuses the credential or a
    /// permission), organisation_paused (an operator stopped all calls), or quota; null in every other case.
    #[schema(example = "organisation_paused")]
    waiting_for: Option<&'static str>,
    timings: Timings,
    /// The version; it is the ETag too.
    version: u64,
    /// Where the command came from.
    #[schema(example = "http")]
    source: &'a str,
    /// The reason that the command gave.
    request_reason: Option<&'a str>,
    /// What the command sets differently from the organisation's configuration.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    policy: Pairs<'a>,
    /// The policy that holds for it: the organisation's configuration with what the command sets. Lists leave it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    effective_policy: Option<Pairs<'a>>,
    /// The labels of the command.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    labels: Pairs<'a>,
    /// The conversation in Genesys Cloud's own pages; left out where there is no such place, and in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    genesys_page: Option<String>,
    links: Links<'a>,
    /// What is wrong and what can be done, where `reason` is set. Lists leave it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Trouble>,
}

/// What proved that the guest is gone.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ConfirmedBy)]
struct ConfirmedByView<'a> {
    /// webhook, notification, queue event, read-back or operator.
    #[schema(example = "webhook")]
    kind: &'static str,
    /// The adapter that brought the event.
    adapter: Option<&'a str>,
    /// The event's type.
    event_type: Option<&'a str>,
    /// The event's id.
    event_id: Option<&'a str>,
    /// When the proof was received or read.
    #[schema(value_type = String, format = DateTime)]
    received_at: Stamp,
}

/// A leg of an agent.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AgentLeg)]
struct AgentView {
    /// The agent's participant.
    participant_id: String,
    /// The leg, where it was shown.
    communication_id: Option<String>,
    /// The agent, where it was shown.
    user_id: Option<String>,
}

/// A guest who was seen again after the end.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = GuestReturned)]
struct GuestReturnedView {
    /// When, in the event's own words.
    #[schema(value_type = String, format = DateTime)]
    at: Stamp,
    /// The participant, where the event named it.
    #[schema(value_type = Option<String>)]
    participant_id: Option<String>,
    /// The communication, where the event named it.
    #[schema(value_type = Option<String>)]
    communication_id: Option<String>,
    /// The closure that was opened for it; null where `guestReturns` allows none, or no more.
    #[schema(example = "cl_01jd5w3k9m2q8r7tb4x0y6z1ne")]
    followed_by: Option<String>,
}

impl GuestReturnedView {
    fn of(record: &Record) -> Option<Self> {
        let back = record.closure.returned?;
        Some(Self {
            at: Stamp(back.at),
            participant_id: back.participant.map(|id| id.to_string()),
            communication_id: back.communication.map(|id| id.to_string()),
            followed_by: record.followed_by.map(closure_id),
        })
    }
}

/// When it got how far.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Timings {
    /// When the command was accepted.
    #[schema(value_type = String, format = DateTime)]
    accepted_at: Stamp,
    /// When Genesys first accepted the guest's close. That is no proof.
    #[schema(value_type = Option<String>, format = DateTime)]
    participant_closed_at: Option<Stamp>,
    /// When the proof was complete that the guest is gone.
    #[schema(value_type = Option<String>, format = DateTime)]
    confirmed_at: Option<Stamp>,
    /// When it was closed, or found closed.
    #[schema(value_type = Option<String>, format = DateTime)]
    closed_at: Option<Stamp>,
    /// When it ended, whatever the end.
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Stamp>,
}

/// Where to look next.
#[derive(Debug, Serialize, ToSchema)]
struct Links<'a> {
    #[serde(rename = "self", serialize_with = "as_self_link")]
    #[schema(value_type = String)]
    own: &'a str,
    #[serde(serialize_with = "as_timeline_link")]
    #[schema(value_type = String)]
    timeline: &'a str,
    #[serde(serialize_with = "as_explain_link")]
    #[schema(value_type = String)]
    explain: &'a str,
}

/// Names and values, in their order.
#[derive(Debug)]
enum Pairs<'a> {
    Labels(&'a [(String, String)]),
    Options(Vec<(&'static str, String)>),
}

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Labels(labels) => serializer.collect_map(labels.iter().map(|(name, value)| (name, value))),
            Self::Options(options) => {
                serializer.collect_map(options.iter().map(|(name, value)| (name, value)))
            }
        }
    }
}

impl<'a> ClosureView<'a> {
    /// The view of a record whose id is written already.
    pub(crate) fn of(record: &'a Record, id: &'a str, circumstances: Circumstances) -> Self {
        let closure = &record.closure;
        let said = record.said.as_deref();
        let ending = match closure.step {
            Step::Ended(ending) => Some(ending),
            Step::Scheduled
            | Step::Resolving
            | Step::Verifying
            | Step::ClosingParticipant
            | Step::AwaitingConfirmation
            | Step::ClosingWrapper(_)
            | Step::Forcing
            | Step::Blocked(_)
            | Step::Ghost(_) => None,
        };
        let closed = ending.filter(|ending| matches!(ending.end, End::Closed | End::AlreadyClosed));
        Self {
            id,
            organisation: record.organisation.as_str(),
            conversation_id: closure.conversation,
            target: closure.sought.as_deref().map(TargetView::of),
            participant_id: record.participant(),
            state: names::state(closure),
            outcome: ending.map(|ending| names::end(ending.end)),
            reason: names::reason(closure),
            attached: circumstances.attached,
            wait_satisfied: circumstances.wait_satisfied,
            confirmed_by: record.confirmed_by.as_deref().map(ConfirmedByView::of),
            guest_returned: GuestReturnedView::of(record),
            follows: record.follows.map(closure_id),
            wrap_up: match closure.wrap_up {
                WrapUp::NotRequired => "not_required",
                WrapUp::Pending => "pending",
                WrapUp::Done => "done",
            },
            agent: closure.agent.map(|(participant, communication, user)| AgentView {
                participant_id: participant.to_string(),
                communication_id: communication.map(|id| id.to_string()),
                user_id: user.map(|id| id.to_string()),
            }),
            attempts: u32::from(closure.rounds) + u32::from(closure.refused),
            api_calls: record.requests(),
            next_wake_at: closure.wake_at().map(Stamp),
            waiting_for: circumstances.waiting_for,
            timings: Timings {
                accepted_at: Stamp(closure.accepted_at),
                participant_closed_at: record.participant_closed_at.map(Stamp),
                confirmed_at: record.confirmed_by.as_ref().map(|by| Stamp(by.at)),
                closed_at: closed.map(|ending| Stamp(ending.at)),
                ended_at: ending.map(|ending| Stamp(ending.at)),
            },
            version: closure.sequence,
            source: &record.source,
            request_reason: said.and_then(|said| said.reason.as_deref()),
            policy: Pairs::Options(record.overrides().map(option_texts).unwrap_or_default()),
            effective_policy: None,
            labels: Pairs::Labels(said.map_or(&[], |said| &said.labels)),
            genesys_page: None,
            links: Links { own: id, timeline: id, explain: id },
            problem: None,
        }
    }

    /// The same with the policy that holds for it.
    pub(crate) fn with_policy(mut self, record: &Record, policy: &Policy) -> Self {
        self.effective_policy = Some(Pairs::Options(policy_texts(policy, record.overrides())));
        self
    }

    /// The same with where a person sees the conversation.
    pub(crate) fn with_page(mut self, page: Option<String>) -> Self {
        self.genesys_page = page;
        self
    }

    /// The same with what is wrong.
    pub(crate) fn with_problem(mut self, problem: Option<Trouble>) -> Self {
        self.problem = problem;
        self
    }
}

impl<'a> ConfirmedByView<'a> {
    fn of(by: &'a ConfirmedBy) -> Self {
        Self {
            kind: names::proof_source(by.kind),
            adapter: by.adapter.as_deref(),
            event_type: by.event_type.as_deref(),
            event_id: by.event_id.as_deref(),
            received_at: Stamp(by.at),
        }
    }
}

/// The records of a list as views, each with its id.
pub(crate) struct Views<'a> {
    pub(crate) records: &'a [Record],
    pub(crate) orchestrator: &'a Orchestrator,
}

impl Serialize for Views<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.records.iter().map(|record| OwnedView(record, self.orchestrator)))
    }
}

struct OwnedView<'a>(&'a Record, &'a Orchestrator);

impl Serialize for OwnedView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(record, orchestrator) = self;
        let id = closure_id(record.key);
        ClosureView::of(record, &id, Circumstances::in_a_list(orchestrator, record)).serialize(serializer)
    }
}

#[expect(clippy::ref_option, reason = "serde calls it with a reference to the field")]
fn as_optional_text<T: Display, S: Serializer>(id: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    match id {
        Some(id) => serializer.collect_str(id),
        None => serializer.serialize_none(),
    }
}

fn as_self_link<S: Serializer>(id: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("/v1/closures/{id}"))
}

fn as_timeline_link<S: Serializer>(id: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("/v1/closures/{id}/timeline"))
}

fn as_explain_link<S: Serializer>(id: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("/v1/closures/{id}/explain"))
}
