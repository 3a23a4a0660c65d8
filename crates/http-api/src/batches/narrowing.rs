//! What the closures behind a batch were narrowed by, told as it can be asked for again.

use std::collections::BTreeMap;

use batches::Narrowing;
use genesys_types::Time;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{listing::NO_QUEUE, spans::Stamp};

/// What the closures behind a batch were narrowed by. Only what restricts is there, and moments stand in place of lengths of time.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = BatchNarrowing)]
pub(super) struct NarrowingView {
    /// In one of these states.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    state: Vec<String>,
    /// With one of these reasons.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    closure_reason: Vec<String>,
    /// Of conversations of one of these queues; `none` for those whose queue is not known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    queue_id: Vec<String>,
    /// Where the command came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    /// With all of these labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    /// Accepted at or after this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Stamp>,
    /// Accepted before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Stamp>,
}

impl NarrowingView {
    pub(super) fn of(narrowing: Narrowing) -> Self {
        let Narrowing { states, reasons, queues, source, labels, since, until } = narrowing;
        let stamp = |millis| Stamp(Time::from_millis(millis));
        let queue = |id: Option<_>| id.map_or_else(|| NO_QUEUE.to_owned(), |id: uuid::Uuid| id.to_string());
        Self {
            state: states,
            closure_reason: reasons,
            queue_id: queues.into_iter().map(queue).collect(),
            source,
            labels: labels.into_iter().collect(),
            since: since.map(stamp),
            until: until.map(stamp),
        }
    }
}
