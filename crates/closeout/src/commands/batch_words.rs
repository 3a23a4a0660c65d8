//! Batches in words: what their rows are called, and why one is left out.

use serde_json::Value;

/// What a row is called for which was done what was asked. The interface says `closed`, whatever the act was.
pub(super) fn settled_well(batch: &Value) -> &'static str {
    match batch["act"].as_str() {
        Some("resolve") => "resolved",
        Some("cancel") => "cancelled",
        // These go on with a closure until its conversation is closed.
        Some(_) | None => "closed",
    }
}

/// A state of rows as the interface names it.
pub(super) fn row_state(word: &str) -> String {
    if matches!(word, "resolved" | "cancelled") { "closed".to_owned() } else { word.to_owned() }
}

/// Says `word` of the rows for which was done what was asked.
pub(super) fn say_settled_well(rows: &mut [Value], word: &str) {
    for row in rows.iter_mut().filter(|row| row["state"] == "closed") {
        row["state"] = word.into();
    }
}

/// Which row is left out, and why; of one that cannot be read also what it says.
pub(super) fn left_out_as(item: &Value) -> String {
    let text = |name: &str| item[name].as_str().unwrap_or_default();
    let line = item["line"].as_u64().map(|line| format!(" (line {line})")).unwrap_or_default();
    let says = item["text"].as_str().map(|text| format!("it says: {text}")).unwrap_or_default();
    let why = [text("reason"), text("conversationId"), text("closure"), text("detail"), &says];
    let why: Vec<_> = why.into_iter().filter(|part| !part.is_empty()).collect();
    format!("row {}{line} is left out: {}", item["row"], why.join(" "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_for_which_was_done_what_was_asked_are_called_as_the_act_says() {
        let of = |act: Value| settled_well(&json!({ "act": act }));
        assert_eq!(of(Value::Null), "closed");
        let words = ["retry", "verify", "force", "resolve", "cancel"].map(|act| of(json!(act)));
        assert_eq!(words, ["closed", "closed", "closed", "resolved", "cancelled"]);
        let mut rows = [json!({ "state": "closed" }), json!({ "state": "ghost" })];
        say_settled_well(&mut rows, "resolved");
        assert_eq!(rows, [json!({ "state": "resolved" }), json!({ "state": "ghost" })]);
        assert_eq!(["resolved", "cancelled", "ghost"].map(row_state), ["closed", "closed", "ghost"]);
    }

    #[test]
    fn a_row_that_is_left_out_is_found_by_its_line_and_what_it_says() {
        for (item, told) in [
            (
                json!({ "row": 2, "line": 5, "reason": "malformed", "detail": "It is no id.", "text": "stuck\\u{1b}" }),
                "row 2 (line 5) is left out: malformed It is no id. it says: stuck\\u{1b}",
            ),
            (
                json!({ "row": 3, "line": null, "reason": "unfit", "closure": "cl_1", "detail": "it is closed", "text": null }),
                "row 3 is left out: unfit cl_1 it is closed",
            ),
        ] {
            assert_eq!(left_out_as(&item), told);
        }
    }
}
