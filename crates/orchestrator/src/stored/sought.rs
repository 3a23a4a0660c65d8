//! What a command named in place of the conversation, as stored.

use closure_machine::{Candidate, OtherClosure, Sought, Target};
use genesys_types::{ConversationId, QueueId, Time};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Serialize, Deserialize)]
pub(super) struct StoredSought {
    target: StoredTarget,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    candidates: Vec<StoredCandidate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    other: Option<Uuid>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredTarget {
    ExternalId(Box<str>),
    Attribute(Box<str>, Box<str>),
}

#[derive(Serialize, Deserialize)]
struct StoredCandidate {
    conversation: Uuid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    queue: Option<Uuid>,
}

impl From<&Sought> for StoredSought {
    fn from(sought: &Sought) -> Self {
        let candidate = |candidate: &Candidate| StoredCandidate {
            conversation: candidate.conversation.uuid(),
            started_at: candidate.started_at.map(Time::millis),
            queue: candidate.queue.map(QueueId::uuid),
        };
        Self {
            target: match &sought.target {
                Target::ExternalId(id) => StoredTarget::ExternalId(id.clone()),
                Target::Attribute { name, value } => StoredTarget::Attribute(name.clone(), value.clone()),
            },
            candidates: sought.candidates.iter().map(candidate).collect(),
            other: sought.other.map(|other| Uuid::from_u128(other.0)),
        }
    }
}

impl From<StoredSought> for Sought {
    fn from(stored: StoredSought) -> Self {
        let candidate = |stored: StoredCandidate| Candidate {
            conversation: ConversationId::from_uuid(stored.conversation),
            started_at: stored.started_at.map(Time::from_millis),
            queue: stored.queue.map(QueueId::from_uuid),
        };
        Self {
            target: match stored.target {
                StoredTarget::ExternalId(id) => Target::ExternalId(id),
                StoredTarget::Attribute(name, value) => Target::Attribute { name, value },
            },
            candidates: stored.candidates.into_iter().map(candidate).collect(),
            other: stored.other.map(|other| OtherClosure(other.as_u128())),
        }
    }
}
