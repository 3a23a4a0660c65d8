//! The stored forms of a batch and of its rows.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use store::{BatchItem, Filter};
use uuid::Uuid;

use crate::{
    criteria::Criteria,
    plan::{Fate, RowState},
};

/// What is kept of a batch beside its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Who made it: the scope of its rows' own idempotency keys.
    pub by: String,
    /// When it was made, in milliseconds since 1970.
    pub created_at: i64,
    /// What has to be given to run it.
    pub token: String,
    /// Until when it can be run.
    pub expires_at: i64,
    /// Why it was run, as the operator said.
    #[serde(default)]
    pub reason: Option<String>,
    /// Who ran it.
    #[serde(default)]
    pub executed_by: Option<String>,
    /// How its rows were looked for, where nobody gave them.
    #[serde(default)]
    pub scan: Option<Scan>,
    /// The operator's act that is done to closures, such as `retry`; nothing where conversations are closed.
    #[serde(default)]
    pub act: Option<String>,
    /// What the closures behind its rows were narrowed by; nothing where rows were given, chosen or looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Narrowing>,
}

impl Plan {
    /// One that was made now, and has no token yet.
    pub(crate) fn new(by: &str, now: i64) -> Self {
        Self {
            by: by.to_owned(),
            created_at: now,
            token: String::new(),
            expires_at: now,
            reason: None,
            executed_by: None,
            scan: None,
            act: None,
            filter: None,
        }
    }
}

/// What the closures behind a batch were narrowed by, as it was when the batch was made. Empty parts do not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Narrowing {
    /// One of these states.
    #[serde(default)]
    pub states: Vec<String>,
    /// One of these reasons.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// One of these queues; null for those whose queue is not known.
    #[serde(default)]
    pub queues: Vec<Option<Uuid>>,
    /// This source.
    #[serde(default)]
    pub source: Option<String>,
    /// All of these labels.
    #[serde(default)]
    pub labels: Vec<(String, String)>,
    /// Accepted at or after this moment, in milliseconds since 1970.
    #[serde(default)]
    pub since: Option<i64>,
    /// Accepted before this moment, in milliseconds since 1970.
    #[serde(default)]
    pub until: Option<i64>,
}

impl Narrowing {
    pub(crate) fn of(filter: &Filter) -> Self {
        let Filter {
            organisations: _,
            states,
            reasons,
            source,
            conversation: _,
            participant: _,
            labels,
            queues,
            since,
            until,
            ended: _,
        } = filter.clone();
        Self { states, reasons, queues, source, labels, since, until }
    }
}

/// How the rows of a batch were looked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scan {
    /// What was looked for.
    pub criteria: Criteria,
    /// The name of the schedule that asked for it.
    #[serde(default)]
    pub schedule: Option<String>,
    /// How long its preview can be executed, in milliseconds.
    pub lasts: i64,
    /// Whether what is found is closed without anybody's look.
    #[serde(default)]
    pub closes: bool,
    /// How many conversations the list promised when it was asked last.
    #[serde(default)]
    pub listed: Option<u64>,
    /// Whether the limit left some out that were not looked at.
    #[serde(default)]
    pub more: bool,
    /// Why it could not be done.
    #[serde(default)]
    pub problem: Option<String>,
}

/// What is kept of a row beside its number and state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// The row as it was given; empty where it could not be read, as nothing is done with it.
    #[serde(default)]
    pub(crate) row: String,
    #[serde(default)]
    pub(crate) conversation: Option<Uuid>,
    #[serde(default)]
    pub(crate) closure: Option<Uuid>,
    #[serde(default)]
    pub(crate) reason: Option<String>,
    #[serde(default)]
    pub(crate) detail: Option<String>,
    /// Of an act: the state of the closure when it was shown; nothing in rows of before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) shown: Option<String>,
    /// The line of the file in which it begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<u32>,
    /// The beginning of what was given, where it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
}

impl Kept {
    /// Reads a row back. One that cannot be read is empty.
    pub(crate) fn of(item: &BatchItem) -> Self {
        serde_json::from_slice(&item.body).unwrap_or_default()
    }

    /// The row with what became of it.
    pub(crate) fn with(self, fate: Fate) -> (RowState, Self) {
        let closure = fate.closure.or(self.closure);
        let detail = fate.detail.or(self.detail);
        (fate.state, Self { closure, reason: fate.reason, detail, ..self })
    }

    pub(crate) fn item(&self, number: u32, state: RowState) -> BatchItem {
        BatchItem { number, state: state.name().to_owned(), body: bytes(self) }
    }
}

pub(crate) fn bytes(value: &impl Serialize) -> Bytes {
    Bytes::from(serde_json::to_vec(value).expect("texts and numbers are JSON"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_plan_of_before_there_were_filters_is_read_and_one_without_is_written_as_then() {
        let before = json!({
            "by": "ann", "created_at": 1, "token": "t", "expires_at": 2, "reason": null, "executed_by": null,
            "scan": null, "act": "retry",
        });
        let plan: Plan = serde_json::from_value(before.clone()).unwrap();
        assert_eq!((plan.act.as_deref(), &plan.filter), (Some("retry"), &None));
        assert_eq!(serde_json::to_value(plan).unwrap(), before);
    }

    #[test]
    fn a_row_of_before_its_closures_state_was_kept_is_read_and_one_without_is_written_as_then() {
        let before =
            json!({ "row": "cl_1", "conversation": null, "closure": null, "reason": null, "detail": null });
        let row: Kept = serde_json::from_value(before.clone()).unwrap();
        assert_eq!((&*row.row, &row.shown), ("cl_1", &None));
        assert_eq!(serde_json::to_value(row).unwrap(), before);
    }

    #[test]
    fn what_a_batch_was_narrowed_by_is_read_as_it_was_written() {
        let filter = Filter {
            organisations: vec!["main".to_owned()],
            states: vec!["ghost".to_owned()],
            queues: vec![Some(Uuid::from_u128(7)), None],
            labels: vec![("team".to_owned(), "checkout".to_owned())],
            since: Some(5),
            ..Filter::default()
        };
        let plan = Plan { filter: Some(Narrowing::of(&filter)), ..Plan::new("ann", 1) };
        let read: Plan = serde_json::from_slice(&bytes(&plan)).unwrap();
        assert_eq!(read, plan);
        assert_eq!(read.filter.unwrap().queues, filter.queues);
    }
}
