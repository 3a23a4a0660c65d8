//! A refusal of the server, in the words of the command line: its fields become flags, its advice commands.

use std::time::Duration;

use serde_json::Value;

use super::plain;
use crate::{
    exit::{Exit, Failure},
    output::on_one_line,
};

/// What can be done about an answer that the service never gives.
pub const ANOTHER_PROGRAM: &str =
    "this seems to be the address of another program; name the service's with --server or CLOSEOUT_SERVER";

/// The fields and parameters of the HTTP interface that have a flag.
const FLAGS: [(&str, &str); 38] = [
    ("since", "--since"),
    ("until", "--until"),
    ("state", "--state"),
    ("action", "--action"),
    ("by", "--by"),
    ("subject", "--subject"),
    ("source", "--source"),
    ("limit", "--limit"),
    ("q", "--find"),
    ("hook", "--hook"),
    ("result", "--result"),
    ("queueId", "--queue"),
    ("closure", "--closure"),
    ("wait", "--wait"),
    ("organisation", "--organisation"),
    ("participantId", "--participant"),
    ("reason", "--reason"),
    ("labels", "--label"),
    ("target.externalId", "--external-id"),
    ("target.attribute.name", "--attribute"),
    ("target.attribute.value", "--attribute"),
    ("policy.evidence", "--evidence"),
    ("policy.agentConnected", "--agent-connected"),
    ("policy.order", "--order"),
    ("policy.wrapperClose", "--wrapper-close"),
    ("policy.deadline", "--deadline"),
    ("notBefore", "--not-before"),
    ("Idempotency-Key", "--key"),
    ("confirmToken", "--token"),
    ("filter.state", "--state"),
    ("filter.closureReason", "--reason"),
    ("filter.labels", "--label"),
    ("filter.since", "--since"),
    ("scan.olderThan", "--older-than"),
    ("scan.within", "--within"),
    ("scan.queueId", "--queue"),
    ("scan.messageType", "--message-type"),
    ("scan.limit", "--limit"),
];

/// What a refusal means: its words, what can be done, and the exit code of its status.
pub fn failure(server: &str, status: u16, problem: &Value, retry_after: Option<Duration>) -> Failure {
    let problem = &on_lines_of_ours(problem);
    let text = |key: &str| problem.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let flag = text("field").and_then(flag_of);
    let detail = text("detail").or_else(|| text("title")).or_else(|| text("error"));
    let of_another = detail.is_none() && (400..500).contains(&status);
    let mut message = detail.map_or_else(
        || format!("{server} answered {status}"),
        |detail| with_flag(detail.trim_end_matches('.'), text("field"), flag),
    );
    if let Some(code) = text("code") {
        message = format!("{message} ({status} {code})");
    }
    message.push_str(&candidates(problem));
    message.push_str(&of_genesys(problem));
    let closure = text("closure").unwrap_or("ID");
    let fix = text("code").and_then(|code| fix(code, flag, closure, retry_after));
    let mut failure = Failure::new(Exit::of_status(status), message);
    failure.fix = narrower(problem).or(fix).or_else(|| text("fix").map(str::to_owned));
    if of_another {
        failure.fix = Some(ANOTHER_PROGRAM.to_owned());
    }
    failure
}

/// The same answer with each text on one line: only this program begins a line of what is told.
fn on_lines_of_ours(problem: &Value) -> Value {
    match problem {
        Value::String(text) => on_one_line(text).into(),
        Value::Array(parts) => parts.iter().map(on_lines_of_ours).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), on_lines_of_ours(value))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => problem.clone(),
    }
}

/// The flag that a field comes from; that of a label or of a part of the policy is that of the whole.
fn flag_of(field: &str) -> Option<&'static str> {
    let whole = if field.starts_with("label.") || field.starts_with("labels.") { "labels" } else { field };
    FLAGS.iter().find(|(name, _)| *name == whole).map(|(_, flag)| *flag)
}

/// The sentence with the flag in place of the field's name. A name that is an English word too is only taken for one at
/// the beginning.
fn with_flag(detail: &str, field: Option<&str>, flag: Option<&str>) -> String {
    let (Some(field), Some(flag)) = (field, flag) else { return detail.to_owned() };
    if field.contains(|sign: char| !sign.is_ascii_lowercase()) {
        return detail.replace(field, flag);
    }
    match detail.strip_prefix(field) {
        Some(rest) if rest.starts_with(' ') => format!("{flag}{rest}"),
        Some(_) | None => detail.to_owned(),
    }
}

/// The conversations among which the server does not choose.
fn candidates(problem: &Value) -> String {
    let candidates =
        problem.get("candidates").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let one = |candidate: &Value| {
        let facts = [("began at", "startTime"), ("queue", "queueId")];
        let facts: Vec<_> = facts
            .into_iter()
            .filter_map(|(word, key)| candidate[key].as_str().map(|value| format!("{word} {value}")))
            .collect();
        let facts = if facts.is_empty() { String::new() } else { format!("  {}", facts.join(", ")) };
        format!("\n  {}{facts}", plain(&candidate["conversationId"]))
    };
    candidates.iter().map(one).collect()
}

fn of_genesys(problem: &Value) -> String {
    let Some(genesys) = problem.get("genesys").filter(|genesys| genesys.is_object()) else {
        return String::new();
    };
    let part = |key: &str| genesys.get(key).filter(|part| !part.is_null());
    let parts: Vec<_> = ["status", "code", "correlationId"]
        .into_iter()
        .filter_map(|key| part(key).map(|part| format!("{key} {}", plain(part))))
        .collect();
    if parts.is_empty() { String::new() } else { format!("; Genesys: {}", parts.join(", ")) }
}

/// How to go on where a filter matches more closures than a batch has rows.
fn narrower(problem: &Value) -> Option<String> {
    let until = problem.get("filter")?.get("until")?.as_str()?;
    Some(format!(
        "take the earliest first, by the same command with `--until {until}` (in --filter: `until={until}`); what is left comes after \
         them, with `--since {until}`"
    ))
}

/// What can be done at a command line, where that is another thing than by HTTP.
fn fix(code: &str, flag: Option<&str>, closure: &str, retry_after: Option<Duration>) -> Option<String> {
    let again = || {
        retry_after.map_or_else(
            || "run the command again in a while".to_owned(),
            |wait| format!("run the command again in {} s", wait.as_secs()),
        )
    };
    Some(match code {
        "unauthenticated" => {
            "give a key that the server knows with --token-file or CLOSEOUT_TOKEN".to_owned()
        }
        "role_too_small" => "use a key with that role: --token-file or CLOSEOUT_TOKEN".to_owned(),
        "act_does_not_fit" => format!("`closeout explain {closure}` says what can be done"),
        "version_changed" => format!("look again with `closeout get {closure}`, and repeat the act"),
        "contradicting_options" => {
            let option = flag.unwrap_or("the option");
            format!("leave {option} out to join it, or look at it with `closeout get {closure}`")
        }
        "ambiguous_target" => "close the one that is meant by its id: `closeout close ID`".to_owned(),
        "no_such_closure" => listed("list", "ended ones are kept for a time"),
        "no_such_batch" => listed("batch list", "what is done is kept for a time"),
        "no_such_delivery" => listed("deliveries list", "settled ones are kept for a time"),
        "no_such_dead_letter" => listed("dead list", "what was seen to is kept for a time"),
        "no_such_source" => {
            "`closeout sources list` shows those that there are; HTTP is none that could be paused".to_owned()
        }
        "idempotency_key_reused" => "use another --key, or repeat the command unchanged".to_owned(),
        "unknown_organisation" => "name another with --organisation, or use a key that is for it".to_owned(),
        "invalid_field" => format!("correct {}", flag?),
        "too_many_open" | "no_quota" | "stopping" | "overloaded" | "store_unavailable" => again(),
        "no_such_route" | "method_not_allowed" => {
            "this program and the server may differ in version: `closeout version` shows both".to_owned()
        }
        _ => return None,
    })
}

/// Where what there is is shown, when what was named is not there.
fn listed(command: &str, kept: &str) -> String {
    format!("`closeout {command}` shows those that there are for this key; {kept}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(status: u16, problem: &Value) -> String {
        failure("http://127.0.0.1:1", status, problem, Some(Duration::from_secs(30))).to_string()
    }

    #[test]
    fn a_refusal_keeps_the_words_the_fix_and_what_genesys_said() {
        let problem = json!({
            "detail": "Genesys did not show the conversation.", "code": "genesys_refused", "fix": "Look there.",
            "genesys": { "status": 409, "code": "general.conflict", "correlationId": null },
        });
        assert_eq!(
            told(502, &problem),
            "error: Genesys did not show the conversation (502 genesys_refused); Genesys: status 409, code \
             general.conflict\n  fix: Look there."
        );
        assert_eq!(told(500, &json!(null)), "error: http://127.0.0.1:1 answered 500");
        // As Genesys Cloud and the simulator refuse a key that is none of theirs.
        let of_genesys =
            json!({ "message": "Invalid login credentials.", "code": "bad.credentials", "status": 401 });
        assert_eq!(
            told(401, &of_genesys),
            format!("error: http://127.0.0.1:1 answered 401 (401 bad.credentials)\n  fix: {ANOTHER_PROGRAM}")
        );
    }

    #[test]
    fn a_refusal_steers_no_terminal_and_begins_no_line_of_its_own() {
        let hostile = "\u{1b}]0;x\u{7}\u{9b}2Jgood\u{202e}\nerror: forged";
        let spelt = r"\u{1b}]0;x\u{7}\u{9b}2Jgood\u{202e}\nerror: forged";
        let problem = json!({
            "detail": hostile, "code": hostile, "fix": hostile, "genesys": { "code": hostile },
            "candidates": [{ "conversationId": hostile, "queueId": hostile }],
        });
        assert_eq!(
            told(422, &problem),
            format!(
                "error: {spelt} (422 {spelt})\n  {spelt}  queue {spelt}; Genesys: code {spelt}\n  fix: {spelt}"
            )
        );
        // What is put together elsewhere is cleaned where it is told.
        let failure = Failure::usage("a\u{1b}[2J").fix("b\u{202e}").about("c\u{7}");
        assert_eq!(failure.to_string(), "error: c\\u{7}: a\\u{1b}[2J\n  fix: b\\u{202e}");
    }

    #[test]
    fn the_advice_for_a_hook_that_is_not_there_is_the_flag() {
        let problem = json!({ "code": "invalid_field", "field": "hook", "fix": "GET /openapi.json describes all fields.",
                              "detail": "There is no hook \"nope\". There are: relay." });
        assert_eq!(
            told(422, &problem),
            "error: There is no hook \"nope\". There are: relay (422 invalid_field)\n  fix: correct --hook"
        );
    }

    #[test]
    fn fields_and_advice_are_told_in_the_words_of_the_command_line() {
        let http = "GET /openapi.json describes all fields.";
        for (problem, status, says) in [
            (
                json!({ "code": "invalid_field", "field": "since", "fix": http,
                        "detail": "since is a time such as 2026-11-21T09:15:00Z; it was \"x\"." }),
                422,
                "error: --since is a time such as 2026-11-21T09:15:00Z; it was \"x\" (422 invalid_field)\n  fix: correct --since",
            ),
            (
                json!({ "code": "unreadable_batch", "field": "filter", "fix": "Take the earliest first.",
                        "detail": "At least 10001 closures match.", "filter": { "until": "2026-11-21T09:15:00.000Z" } }),
                422,
                "error: At least 10001 closures match (422 unreadable_batch)\n  fix: take the earliest first, by the same command \
                 with `--until 2026-11-21T09:15:00.000Z` (in --filter: `until=2026-11-21T09:15:00.000Z`); what is left comes after \
                 them, with `--since 2026-11-21T09:15:00.000Z`",
            ),
            (
                json!({ "code": "act_does_not_fit", "closure": "cl_1", "fix": "GET the closure's /explain.",
                        "detail": "The closure has ended as closed and stays so." }),
                409,
                "error: The closure has ended as closed and stays so (409 act_does_not_fit)\n  fix: `closeout explain cl_1` \
                 says what can be done",
            ),
            (
                json!({ "code": "contradicting_options", "closure": "cl_1", "field": "policy.evidence", "fix": "Leave it.",
                        "detail": "The conversation has an open closure with another policy.evidence." }),
                409,
                "error: The conversation has an open closure with another --evidence (409 contradicting_options)\n  fix: \
                 leave --evidence out to join it, or look at it with `closeout get cl_1`",
            ),
            (
                json!({ "code": "ambiguous_target", "field": "target", "detail": "2 open conversations fit.", "fix": "Look.",
                        "candidates": [
                            { "conversationId": "c-1", "startTime": "2026-11-21T09:15:00Z", "queueId": "q-1" },
                            { "conversationId": "c-2", "startTime": null, "queueId": null },
                        ] }),
                422,
                "error: 2 open conversations fit (422 ambiguous_target)\n  c-1  began at 2026-11-21T09:15:00Z, queue q-1\n  c-2\n  \
                 fix: close the one that is meant by its id: `closeout close ID`",
            ),
            (
                json!({ "code": "no_such_batch", "detail": "There is no batch bt_1 here.", "fix": "GET /v1/batches lists them." }),
                404,
                "error: There is no batch bt_1 here (404 no_such_batch)\n  fix: `closeout batch list` shows those that there \
                 are for this key; what is done is kept for a time",
            ),
            (
                json!({ "code": "too_many_open", "detail": "Full.", "fix": "Send it after Retry-After." }),
                429,
                "error: Full (429 too_many_open)\n  fix: run the command again in 30 s",
            ),
            (
                json!({ "code": "invalid_field", "field": "labels.a b", "fix": http, "detail": "A label's name." }),
                422,
                "error: A label's name (422 invalid_field)\n  fix: correct --label",
            ),
        ] {
            assert_eq!(told(status, &problem), says);
        }
    }
}
