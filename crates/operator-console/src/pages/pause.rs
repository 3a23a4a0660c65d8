//! Who paused something, when and why.

use askama::{Template, filters::HtmlSafe};
use serde_json::Value;

use crate::{
    frame::Visitor,
    parts::{Moment, items, query, some},
};

/// How many acts are read at once for the pause that holds, and how often: acts that were refused may have come after it.
const ACTS: &str = "100";
const PAGES: usize = 50;

/// A pause.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(
    ext = "html",
    source = "Paused by {{ by }} {{ at }}{% if let Some(why) = why %}: {{ why }}{% endif %}"
)]
pub(crate) struct Pause {
    by: String,
    at: Moment,
    why: Option<String>,
}

impl HtmlSafe for Pause {}

impl Pause {
    /// The latest one, by this act on this subject; nothing where the audit does not tell, or may not be seen.
    pub(crate) async fn find(visitor: &Visitor, action: &str, subject: &str) -> Option<Self> {
        let mut cursor = None::<String>;
        for _ in 0..PAGES {
            let after = cursor.as_deref().unwrap_or_default();
            let asked = query([("action", action), ("subject", subject), ("limit", ACTS), ("cursor", after)]);
            let lines = visitor.look(&format!("/v1/audit?{asked}")).await;
            let found = Self::latest(&lines);
            if found.is_some() {
                return found;
            }
            cursor = Some(some(&lines["nextCursor"])?);
        }
        None
    }

    /// As a line of the audit has it, or the `pausedBy` of a source; nothing for `null`.
    pub(crate) fn of(one: &Value) -> Option<Self> {
        Some(Self { by: some(&one["by"])?, at: Moment::of(&one["at"]), why: some(&one["why"]) })
    }

    /// The latest that was done: one that was refused paused nothing.
    fn latest(lines: &Value) -> Option<Self> {
        Self::of(items(lines).iter().find(|line| line["outcome"] == "done")?)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pause_is_told_with_who_when_and_why_and_one_that_was_refused_is_none() {
        let line = |by: &str, outcome: &str, why: Value| json!({ "by": by, "outcome": outcome, "at": "2026-11-28T10:00:00Z", "why": why });
        let told = |lines: &[Value]| Pause::latest(&json!({ "items": lines })).map(|pause| pause.to_string());
        let time = "<time datetime=\"2026-11-28T10:00:00Z\">2026-11-28 10:00:00 UTC</time>";
        assert_eq!(
            told(&[line("eve", "refused", Value::Null), line("ann", "done", json!("<b>"))]),
            Some(format!("Paused by ann {time}: &#60;b&#62;"))
        );
        assert_eq!(told(&[line("ann", "done", Value::Null)]), Some(format!("Paused by ann {time}")));
        assert_eq!(told(&[]), None);
    }
}
