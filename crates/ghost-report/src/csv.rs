//! The report as comma-separated values: one line for each ghost, for spreadsheets and scripts.

use serde_json::Value;

use crate::plain;

/// The columns, and where their values stand in an item of `/v1/ghosts`. Names and order are what scripts rely on.
const COLUMNS: [(&str, &str); 10] = [
    ("id", "/id"),
    ("conversation", "/conversationId"),
    ("reason", "/ghost/reason"),
    ("since", "/ghost/since"),
    ("next_look", "/ghost/nextLook"),
    ("looks", "/ghost/looks"),
    ("given_up_at", "/ghost/givenUpAt"),
    ("organisation", "/organisation"),
    ("command", "/ghost/suggested/0/command"),
    ("what_can_be_done", "/ghost/suggested/0/what"),
];

/// A field of CSV (RFC 4180). What a spreadsheet would take for a formula is kept from being one.
pub fn csv_field(field: &str) -> String {
    let field =
        if field.starts_with(['=', '+', '-', '@', '\t']) { format!("'{field}") } else { field.to_owned() };
    if field.contains([',', '"', '\n', '\r']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field }
}

/// The items of `/v1/ghosts` in their order, below a line with the names of the columns. What was cut off is said in a last
/// line, in its first field.
pub fn as_csv(ghosts: &[Value], cut: Option<&str>) -> String {
    let names = COLUMNS.map(|(name, _)| name.to_owned());
    let values =
        |ghost: &Value| COLUMNS.map(|(_, place)| ghost.pointer(place).map(plain).unwrap_or_default());
    let cut = cut.map(|cut| {
        let mut line = COLUMNS.map(|_| String::new());
        cut.clone_into(&mut line[0]);
        line
    });
    std::iter::once(names)
        .chain(ghosts.iter().map(values))
        .chain(cut)
        .map(|line| format!("{}\n", line.map(|field| csv_field(&field)).join(",")))
        .collect()
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

    #[test]
    fn every_line_has_every_column_and_the_last_one_says_what_is_missing() {
        let ghost = json!({ "id": "cl_1", "conversationId": "2f7b", "organisation": "main", "ghost": {
            "reason": "no_confirmation", "since": "2026-11-21T09:02:00Z", "nextLook": null, "looks": 3,
            "givenUpAt": "2026-11-24T09:02:00Z",
            "suggested": [{ "what": "Look, now", "command": "closeout verify cl_1" }] } });
        let bare = json!({ "id": "cl_2", "ghost": { "suggested": [] } });
        let lines = "id,conversation,reason,since,next_look,looks,given_up_at,organisation,command,what_can_be_done\n\
            cl_1,2f7b,no_confirmation,2026-11-21T09:02:00Z,,3,2026-11-24T09:02:00Z,main,closeout verify cl_1,\"Look, now\"\n\
            cl_2,,,,,,,,,\n";
        let ghosts = [ghost, bare];
        assert_eq!(as_csv(&ghosts, None), lines);
        assert_eq!(
            as_csv(&ghosts, Some("more, narrow it")),
            format!("{lines}\"more, narrow it\",,,,,,,,,\n")
        );
    }
}
