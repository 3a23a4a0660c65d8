//! How far a batch is: on its page, and told to that page as the batch goes on.

use askama::{Template, filters::HtmlSafe};
use serde_json::Value;

use crate::{
    pages::batch::settled_well,
    parts::{State, some},
};

/// How far a batch is.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "progress.html")]
pub(crate) struct Progress {
    id: String,
    pub(crate) state: State,
    total: u64,
    settled: u64,
    /// How many rows would be done, as long as nothing has run.
    would: Option<u64>,
    /// What the rows in a state are called, the name of the state, and how many they are.
    counts: Vec<(&'static str, &'static str, u64)>,
}

impl HtmlSafe for Progress {}

impl Progress {
    /// Reads a batch as the interface tells of it; nothing of anything else.
    pub(crate) fn of(batch: &Value) -> Option<Self> {
        let id = some(&batch["id"]).filter(|id| id.starts_with("bt_"))?;
        let count = |name: &str| batch["progress"][name].as_u64().unwrap_or_default();
        let counts = [
            (if batch["act"].is_string() { "to do" } else { "to close" }, "queued"),
            ("under way", "submitted"),
            (settled_well(batch["act"].as_str()), "closed"),
            ("ghosts", "ghost"),
            ("failed", "failed"),
            ("left out", "skipped"),
        ];
        Some(Self {
            id,
            state: State::of(&batch["state"]),
            total: count("total"),
            settled: count("closed") + count("ghost") + count("failed") + count("skipped"),
            would: matches!(batch["state"].as_str(), Some("preview" | "scanning")).then(|| count("queued")),
            counts: counts.map(|(name, field)| (name, field, count(field))).into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_settled_is_whatever_came_of_a_row() {
        let batch = json!({ "id": "bt_1", "state": "running", "act": "retry",
            "progress": { "total": 9, "queued": 2, "submitted": 1, "closed": 3, "ghost": 1, "failed": 1, "skipped": 1 } });
        let shown = Progress::of(&batch).unwrap().to_string();
        for part in [
            "6 of 9 rows are settled",
            "max=\"9\" value=\"6\"",
            "<a href=\"/console/batches/bt_1?state=queued\"><strong>2</strong> to do</a>",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        let preview = json!({ "id": "bt_1", "state": "preview", "progress": { "total": 4, "queued": 1, "skipped": 3 } });
        let shown = Progress::of(&preview).unwrap().to_string();
        assert!(
            shown.contains("Nothing has run: 1 of 4 rows would be done.") && !shown.contains("settled"),
            "{shown}"
        );
        assert_eq!(Progress::of(&json!({ "id": "cl_1", "progress": { "total": 9 } })), None);
        assert_eq!(Progress::of(&json!({ "items": [batch] })), None);
    }
}
