//! What the closures behind a batch were narrowed by, told as it can be asked for again.

use std::collections::BTreeMap;

use batches::{MOST_ROWS, Narrower, Narrowing};
use genesys_types::Time;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    listing::NO_QUEUE,
    problem::{Problem, kinds},
    spans::Stamp,
};

/// What the closures behind a batch were narrowed by. Only what restricts is there, and moments stand in place of lengths of time.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = BatchNarrowing)]
pub(crate) struct NarrowingView {
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

/// Refuses a filter that more closures match than a batch has rows, with the one by which the first of them can be taken.
pub(super) fn too_many(Narrower(narrower): Narrower) -> Problem {
    let least = MOST_ROWS + 1;
    let view = narrower.map(|narrowing| NarrowingView::of(*narrowing));
    let until = view.as_ref().and_then(|view| view.until);
    let detail = format!("At least {least} closures match, and a batch has {MOST_ROWS} rows at most.");
    let problem = Problem::new(&kinds::UNREADABLE_BATCH, detail).field("filter");
    match (view, until) {
        (Some(view), Some(until)) => problem
            .fix(format!(
                "Take the earliest first: with the filter's until {until} there are no more than {MOST_ROWS}. What is left \
                 comes after them, with since {until}."
            ))
            .filter(view),
        (None, _) | (_, None) => {
            problem.fix("Narrow the filter, by a label for example: too many came in at the same moment.")
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;
    use http_body_util::BodyExt as _;
    use serde_json::{Value, json};

    use super::*;

    async fn told(narrower: Option<Narrowing>) -> Value {
        let body = too_many(Narrower(narrower.map(Box::new))).into_response().into_body();
        serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap()
    }

    #[tokio::test]
    async fn too_many_are_refused_with_a_filter_that_can_be_taken() {
        let narrowing = Narrowing {
            states: vec!["ghost".to_owned()],
            until: Some(1_795_252_504_712),
            ..Narrowing::default()
        };
        let problem = told(Some(narrowing)).await;
        assert_eq!(problem["filter"], json!({ "state": ["ghost"], "until": "2026-11-21T09:15:04.712Z" }));
        assert!(
            problem["detail"].as_str().unwrap().starts_with("At least 10001 closures match"),
            "{problem}"
        );
        assert!(problem["fix"].as_str().unwrap().contains("since 2026-11-21T09:15:04.712Z"), "{problem}");
        let none = told(None).await;
        assert!(none["filter"].is_null() && none["fix"].as_str().unwrap().contains("label"), "{none}");
    }
}
