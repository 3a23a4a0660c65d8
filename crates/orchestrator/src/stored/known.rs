//! What is known and what was said, as stored.

use closure_machine::{
    AgentConnected, Evidence, GuestLeg, GuestReturn, GuestReturns, Order, Proof, ProofSource, WrapUpPolicy,
    WrapperClose,
};
use genesys_types::{CommunicationId, ParticipantId, Span, Time, WrapUp, WrapUpCodeId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{is_default, same_names};
use crate::record::{ConfirmedBy, Overrides};

#[derive(Serialize, Deserialize)]
pub(super) struct StoredLeg {
    pub(super) participant: Uuid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) communication: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) asked_at: Option<i64>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) accepted: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) gone: Option<StoredProof>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct StoredProof {
    pub(super) by: StoredSource,
    pub(super) at: i64,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) before_asking: bool,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(super) enum StoredSource {
    Webhook,
    Notification,
    QueueEvent,
    ReadBack,
    Operator,
}

#[derive(Serialize, Deserialize, Default, PartialEq, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(super) enum StoredWrapUp {
    #[default]
    NotRequired,
    Pending,
    Done,
}

#[derive(Serialize, Deserialize)]
pub(super) struct StoredConfirmedBy {
    pub(super) kind: StoredSource,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) adapter: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) event_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) event_id: Option<String>,
    pub(super) at: i64,
}

#[derive(Serialize, Deserialize, Default)]
pub(super) struct StoredOverrides {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) webhook_only: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) conversation_first: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) delete_wrapper: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) agent_connected: Option<StoredAgent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) wrap_up: Option<StoredWrapUpPolicy>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) guest_returns: Option<StoredGuestReturns>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) wrap_up_notes: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) deadline: Option<u32>,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(super) enum StoredAgent {
    Refuse,
    Wait,
    Allow,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(super) enum StoredGuestReturns {
    Never,
    Once,
    #[serde(rename = "up_to_3")]
    UpTo3,
}

#[derive(Serialize, Deserialize)]
pub(super) struct StoredReturn {
    at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    participant: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    communication: Option<Uuid>,
    reopens: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StoredWrapUpPolicy {
    None,
    Skip,
    Code(Uuid),
    Named(Box<str>),
}

same_names!(WrapUp, StoredWrapUp { NotRequired => NotRequired, Pending => Pending, Done => Done });

same_names!(AgentConnected, StoredAgent { Refuse => Refuse, Wait => Wait, Allow => Allow });

same_names!(GuestReturns, StoredGuestReturns { Never => Never, Once => Once, UpToThree => UpTo3 });

impl From<GuestReturn> for StoredReturn {
    fn from(back: GuestReturn) -> Self {
        Self {
            at: back.at.millis(),
            participant: back.participant.map(ParticipantId::uuid),
            communication: back.communication.map(CommunicationId::uuid),
            reopens: back.reopens,
        }
    }
}

impl From<StoredReturn> for GuestReturn {
    fn from(stored: StoredReturn) -> Self {
        Self {
            at: Time::from_millis(stored.at),
            participant: stored.participant.map(ParticipantId::from_uuid),
            communication: stored.communication.map(CommunicationId::from_uuid),
            reopens: stored.reopens,
        }
    }
}

same_names!(ProofSource, StoredSource {
    Webhook => Webhook,
    Notification => Notification,
    QueueEvent => QueueEvent,
    ReadBack => ReadBack,
    Operator => Operator,
});

impl From<&GuestLeg> for StoredLeg {
    fn from(leg: &GuestLeg) -> Self {
        Self {
            participant: leg.participant.uuid(),
            communication: leg.communication.map(CommunicationId::uuid),
            asked_at: leg.asked_at.map(Time::millis),
            accepted: leg.accepted,
            gone: leg.gone.map(StoredProof::from),
        }
    }
}

impl From<StoredLeg> for GuestLeg {
    fn from(stored: StoredLeg) -> Self {
        Self {
            participant: ParticipantId::from_uuid(stored.participant),
            communication: stored.communication.map(CommunicationId::from_uuid),
            asked_at: stored.asked_at.map(Time::from_millis),
            accepted: stored.accepted,
            gone: stored.gone.map(Proof::from),
        }
    }
}

impl From<Proof> for StoredProof {
    fn from(proof: Proof) -> Self {
        Self { by: proof.source.into(), at: proof.at.millis(), before_asking: proof.before_asking }
    }
}

impl From<StoredProof> for Proof {
    fn from(stored: StoredProof) -> Self {
        Self {
            source: stored.by.into(),
            at: Time::from_millis(stored.at),
            before_asking: stored.before_asking,
        }
    }
}

impl From<&ConfirmedBy> for StoredConfirmedBy {
    fn from(confirmed: &ConfirmedBy) -> Self {
        Self {
            kind: confirmed.kind.into(),
            adapter: confirmed.adapter.clone(),
            event_type: confirmed.event_type.clone(),
            event_id: confirmed.event_id.clone(),
            at: confirmed.at.millis(),
        }
    }
}

impl From<StoredConfirmedBy> for ConfirmedBy {
    fn from(stored: StoredConfirmedBy) -> Self {
        Self {
            kind: stored.kind.into(),
            adapter: stored.adapter,
            event_type: stored.event_type,
            event_id: stored.event_id,
            at: Time::from_millis(stored.at),
        }
    }
}

impl From<&Overrides> for StoredOverrides {
    fn from(overrides: &Overrides) -> Self {
        Self {
            webhook_only: overrides.evidence.map(|evidence| evidence == Evidence::WebhookOnly),
            conversation_first: overrides.order.map(|order| order == Order::ConversationFirst),
            delete_wrapper: overrides.wrapper_close.map(|close| close == WrapperClose::Delete),
            agent_connected: overrides.agent_connected.map(StoredAgent::from),
            wrap_up: overrides.wrap_up.as_ref().map(|wrap_up| match wrap_up {
                WrapUpPolicy::None => StoredWrapUpPolicy::None,
                WrapUpPolicy::Skip => StoredWrapUpPolicy::Skip,
                WrapUpPolicy::Code(code) => StoredWrapUpPolicy::Code(code.uuid()),
                WrapUpPolicy::Named(name) => StoredWrapUpPolicy::Named(name.clone()),
            }),
            guest_returns: overrides.guest_returns.map(StoredGuestReturns::from),
            wrap_up_notes: overrides.wrap_up_notes.clone(),
            deadline: overrides.deadline.map(Span::millis),
        }
    }
}

impl From<StoredOverrides> for Overrides {
    fn from(stored: StoredOverrides) -> Self {
        let either = |flag: bool, yes, no| if flag { yes } else { no };
        Self {
            evidence: stored
                .webhook_only
                .map(|flag| either(flag, Evidence::WebhookOnly, Evidence::WebhookOrReadBack)),
            order: stored.conversation_first.map(|flag| match flag {
                true => Order::ConversationFirst,
                false => Order::GuestFirst,
            }),
            wrapper_close: stored.delete_wrapper.map(|flag| match flag {
                true => WrapperClose::Delete,
                false => WrapperClose::Patch,
            }),
            agent_connected: stored.agent_connected.map(AgentConnected::from),
            wrap_up: stored.wrap_up.map(|wrap_up| match wrap_up {
                StoredWrapUpPolicy::None => WrapUpPolicy::None,
                StoredWrapUpPolicy::Skip => WrapUpPolicy::Skip,
                StoredWrapUpPolicy::Code(code) => WrapUpPolicy::Code(WrapUpCodeId::from_uuid(code)),
                StoredWrapUpPolicy::Named(name) => WrapUpPolicy::Named(name),
            }),
            guest_returns: stored.guest_returns.map(GuestReturns::from),
            wrap_up_notes: stored.wrap_up_notes,
            deadline: stored.deadline.map(Span::from_millis),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrap_up_is_kept_as_it_was_said() {
        let code = WrapUpCodeId::from_uuid(Uuid::from_u128(7));
        for (said, kept) in [
            (WrapUpPolicy::None, r#""none""#.to_owned()),
            (WrapUpPolicy::Skip, r#""skip""#.to_owned()),
            (WrapUpPolicy::Code(code), format!(r#"{{"code":"{code}"}}"#)),
            (WrapUpPolicy::Named("Closed by backend".into()), r#"{"named":"Closed by backend"}"#.to_owned()),
        ] {
            let overrides = Overrides { wrap_up: Some(said), ..Overrides::default() };
            let text = serde_json::to_string(&StoredOverrides::from(&overrides)).unwrap();
            assert_eq!(text, format!(r#"{{"wrap_up":{kept}}}"#));
            let read: StoredOverrides = serde_json::from_str(&text).unwrap();
            assert_eq!(Overrides::from(read), overrides);
        }
    }
}
