//! The report as comma-separated values: one line for each ghost, for spreadsheets and scripts.

use serde_json::Value;

use crate::{Told, plain};

/// The columns, and where their values stand in what is told of a ghost. Names and order are what scripts rely on; new ones come last.
const COLUMNS: [(&str, &str); 16] = [
    ("id", "/ghost/id"),
    ("conversation", "/ghost/conversationId"),
    ("reason", "/ghost/ghost/reason"),
    ("since", "/ghost/ghost/since"),
    ("next_look", "/ghost/ghost/nextLook"),
    ("looks", "/ghost/ghost/looks"),
    ("given_up_at", "/ghost/ghost/givenUpAt"),
    ("organisation", "/ghost/organisation"),
    ("command", "/ghost/ghost/suggested/0/command"),
    ("what_can_be_done", "/ghost/ghost/suggested/0/what"),
    ("waits_for", "/explanation/waitsFor"),
    ("missing", "/ghost/ghost/missing"),
    ("claimed_by", "/ghost/ghost/handling/claimed/by"),
    ("snoozed_until", "/ghost/ghost/handling/snoozedUntil"),
    ("comment", "/ghost/ghost/handling/comment/text"),
    ("genesys_page", "/ghost/ghost/genesysPage"),
];

/// A field of CSV (RFC 4180). What a spreadsheet would take for a formula is kept from being one.
pub fn csv_field(field: &str) -> String {
    let field =
        if field.starts_with(['=', '+', '-', '@', '\t']) { format!("'{field}") } else { field.to_owned() };
    if field.contains([',', '"', '\n', '\r']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field }
}

/// The ghosts in their order, below a line with the names of the columns. What was cut off is said in a last line, in its first field.
pub fn as_csv(told: &[Told], cut: Option<&str>) -> String {
    let names = COLUMNS.map(|(name, _)| name.to_owned());
    let values = |one: &Told| COLUMNS.map(|(_, place)| value(one, place));
    let cut = cut.map(|cut| {
        let mut line = COLUMNS.map(|_| String::new());
        cut.clone_into(&mut line[0]);
        line
    });
    std::iter::once(names)
        .chain(told.iter().map(values))
        .chain(cut)
        .map(|line| format!("{}\n", line.map(|field| csv_field(&field)).join(",")))
        .collect()
}

fn value(told: &Told, place: &str) -> String {
    let found = match place.strip_prefix("/explanation") {
        Some(rest) => told.explanation.pointer(rest),
        None => told.ghost.pointer(place.strip_prefix("/ghost").unwrap_or(place)),
    };
    match found {
        Some(Value::Array(several)) => several.iter().map(plain).collect::<Vec<_>>().join("; "),
        Some(one) => plain(one),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_is_never_a_formula() {
        assert_eq!(csv_field("=1+1"), "'=1+1");
        assert_eq!(csv_field("a \"b\""), "\"a \"\"b\"\"\"");
    }

    fn told(ghost: Value) -> Told {
        Told { ghost, explanation: json!({ "waitsFor": "a webhook" }), timeline: Vec::new() }
    }

    #[test]
    fn every_line_has_every_column_and_the_last_one_says_what_is_missing() {
        let ghost = json!({ "id": "cl_1", "conversationId": "2f7b", "organisation": "main", "ghost": {
            "reason": "no_confirmation", "since": "2026-11-21T09:02:00Z", "nextLook": null, "looks": 3,
            "givenUpAt": "2026-11-24T09:02:00Z", "missing": ["an event", "a read"],
            "handling": { "claimed": { "by": "ann" }, "snoozedUntil": null, "comment": { "text": "=asked" } },
            "genesysPage": "https://apps.mypurecloud.de/directory/#/x",
            "suggested": [{ "what": "Look, now", "command": "closeout verify cl_1" }] } });
        let bare = json!({ "id": "cl_2", "ghost": { "suggested": [] } });
        let lines = "id,conversation,reason,since,next_look,looks,given_up_at,organisation,command,what_can_be_done,waits_for,missing,\
            claimed_by,snoozed_until,comment,genesys_page\n\
            cl_1,2f7b,no_confirmation,2026-11-21T09:02:00Z,,3,2026-11-24T09:02:00Z,main,closeout verify cl_1,\"Look, now\",a webhook,\
            an event; a read,ann,,'=asked,https://apps.mypurecloud.de/directory/#/x\n\
            cl_2,,,,,,,,,,a webhook,,,,,\n";
        let ghosts = [told(ghost), told(bare)];
        assert_eq!(as_csv(&ghosts, None), lines);
        let cut = as_csv(&ghosts, Some("more, narrow it"));
        assert_eq!(cut, format!("{lines}\"more, narrow it\",,,,,,,,,,,,,,,\n"));
    }
}
