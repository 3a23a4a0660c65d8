//! What `closeout close --dry-run` writes: plans, and what they mean to a script.

use serde_json::{Value, json};

use super::{look, wait};
use crate::{
    exit::Exit,
    output::{self, Column, Form, Listing, Voice, on_one_line},
};

/// What a plan means to a script: a closure that would fail, as a guard does not hold, counts as failed; every other plan
/// was made, and that is all that was asked for.
pub fn exit_of(plan: &Value) -> Exit {
    if wait::exit_of(plan) == Exit::Failed { Exit::Failed } else { Exit::Done }
}

/// The columns of plans as CSV.
const PLANS: [Column; 6] = [
    Column::text("CONVERSATION", "conversationId"),
    Column::text("STATE", "state"),
    Column::text("REASON", "reason"),
    Column::text("FAILING GUARDS", "failing"),
    Column::text("CALLS", "calls"),
    Column::text("JOINS", "joins"),
];

/// Plans in the form that was asked for.
pub fn all(plans: &[Value], single: bool, voice: &Voice) -> String {
    match (voice.form, plans) {
        (Form::Table | Form::Wide, _) => plans.iter().map(lines).collect(),
        (Form::Json, [only]) if single => output::pretty(only),
        (Form::Csv, _) => {
            let rows: Vec<_> = plans.iter().map(row).collect();
            Listing { columns: &PLANS, items: &rows, id: "conversationId" }.write(voice.form, voice.style)
        }
        (Form::Json | Form::Ndjson | Form::Id, _) => {
            Listing { columns: &PLANS, items: plans, id: "conversationId" }.write(voice.form, voice.style)
        }
    }
}

/// A plan in one row: the guards that fail by name, and the calls by number.
fn row(plan: &Value) -> Value {
    let guards = plan["guards"].as_array().map(Vec::as_slice).unwrap_or_default();
    let failing: Vec<_> = guards
        .iter()
        .filter(|guard| guard["holds"] == Value::Bool(false))
        .map(|guard| &guard["name"])
        .collect();
    let calls = plan["calls"].as_array().map_or(0, Vec::len);
    json!({
        "conversationId": plan["conversationId"], "state": plan["state"], "reason": plan["reason"],
        "failing": failing, "calls": calls, "joins": plan["joins"],
    })
}

/// A plan, as people read it.
fn lines(plan: &Value) -> String {
    let list = |key: &str| plan[key].as_array().cloned().unwrap_or_default();
    let text = |value: &Value, key: &str| crate::client::plain(&value[key]);
    let subject = match (text(plan, "conversationId"), look::target_words(plan)) {
        (id, target) if target.is_empty() => id,
        (id, target) if id.is_empty() => format!("the {target}"),
        (id, target) => format!("{id}, found by {target}"),
    };
    let mut lines = vec![format!("Plan for {subject}; nothing was done.")];
    for guard in list("guards") {
        let holds = if guard["holds"] == Value::Bool(true) { "holds" } else { "FAILS" };
        lines.push(format!("  guard   {holds}  {}: {}", text(&guard, "name"), text(&guard, "found")));
    }
    for (index, call) in list("calls").iter().enumerate() {
        lines.push(format!("  call {}  {}  {}", index + 1, text(call, "request"), text(call, "http")));
    }
    if let Some(joins) = plan["joins"].as_str() {
        lines.push(format!("  joins   {joins}, which is open already"));
    }
    lines.push(format!("  policy  {}", look::policy_words(plan)));
    let reason = plan["reason"].as_str().map(|reason| format!(" ({reason})")).unwrap_or_default();
    lines.push(format!("  end     {}{reason}", text(plan, "state")));
    lines.iter().map(|line| format!("{}\n", on_one_line(line))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "2f7bf00a-0fc2-4d6a-9b56-92238191433e";

    fn one_plan() -> Value {
        json!({ "conversationId": ID,
                "guards": [{ "name": "agent", "holds": false, "found": "an agent is connected" }],
                "calls": [{ "request": "read", "http": "GET /x" }], "state": "failed",
                "reason": "agent_connected" })
    }

    #[test]
    fn plans_have_every_form() {
        let written =
            |form, number| all(&vec![one_plan(); number], number == 1, &Voice { form, ..Voice::default() });
        assert_eq!(
            written(Form::Csv, 1),
            format!(
                "conversation,state,reason,failing_guards,calls,joins\n{ID},failed,agent_connected,agent,1,\n"
            )
        );
        assert_eq!(written(Form::Id, 2), format!("{ID}\n{ID}\n"));
        assert_eq!(written(Form::Ndjson, 2).lines().count(), 2);
        assert!(serde_json::from_str::<Value>(&written(Form::Json, 1)).unwrap().is_object());
        assert_eq!(
            serde_json::from_str::<Value>(&written(Form::Json, 2)).unwrap().as_array().unwrap().len(),
            2
        );
    }

    #[test]
    fn a_plan_that_would_fail_has_the_exit_code_of_a_failure() {
        for (state, exit) in [
            ("failed", Exit::Failed),
            ("closed", Exit::Done),
            ("already_closed", Exit::Done),
            ("ghost", Exit::Done),
        ] {
            assert_eq!(exit_of(&json!({ "state": state })), exit, "{state}");
        }
    }

    #[test]
    fn only_this_program_begins_a_line_of_a_plan() {
        let mut plan = one_plan();
        plan["guards"][0]["found"] = json!("\u{1b}[2J\n  guard   holds  agent: nobody is connected");
        let text = all(&[plan], true, &Voice::default());
        assert_eq!(text.lines().count(), 5, "{text}");
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }

    #[test]
    fn a_plan_reads_as_lines() {
        let text = all(&[one_plan()], true, &Voice::default());
        assert!(text.contains("guard   FAILS  agent: an agent is connected"), "{text}");
        assert!(
            text.contains("call 1  read  GET /x") && text.ends_with("failed (agent_connected)\n"),
            "{text}"
        );
    }
}
