//! One batch: how far it is, each of its rows, and what can be done with it.

use askama::Template;
use axum::{
    extract::Path,
    response::{IntoResponse as _, Response},
};
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    form::Sent,
    frame::{self, Frame, Page, Visitor},
    pages::{
        asked::{self, Asked, Known},
        pause::Pause,
        scope::Scope,
    },
    parts::{Moment, State, items, query, segment, some, text, words},
    progress::Progress,
    prose::Prose,
    refusal::Refusal,
};

/// Rows of a page.
const ROWS: &str = "200";

#[derive(Debug, Template)]
#[template(path = "batch.html")]
struct Batch {
    frame: Frame,
    id: String,
    organisation: String,
    /// The closures that it is of, where those of a filter are.
    scope: Option<Scope>,
    state: State,
    by: String,
    made: Moment,
    executed_by: Option<String>,
    reason: Option<String>,
    /// The token of what is shown, as long as it can be executed.
    token: Option<String>,
    until: Moment,
    is_scan: bool,
    /// What executing it does, such as `Retry 3 closures`.
    deed: String,
    is_act: bool,
    /// What is to be known before it is executed, where that is grave.
    consequence: Option<&'static str>,
    problem: Option<String>,
    to_close: u64,
    progress: Option<Progress>,
    acts: Vec<(&'static str, &'static str)>,
    rows: Vec<Row>,
    /// Whether the rows stand in a file, or were pasted: then each has a line.
    has_lines: bool,
    next: Option<String>,
    /// Who paused it, as far as the audit tells.
    paused_by: Option<Pause>,
    /// The states that the rows are narrowed to, in words; empty for all.
    narrowed: String,
    wrong: Option<String>,
}

#[derive(Debug)]
struct Row {
    number: String,
    /// The line in which it begins; a dash where it stands in none.
    line: String,
    state: State,
    conversation: String,
    closure: Option<String>,
    reason: String,
    detail: String,
    /// What it says, where it cannot be read.
    says: Option<String>,
}

/// What the rows can be narrowed by.
const KNOWN: Known = Known { one: &[], several: &["state"], has_pages: true };

/// `GET /console/batches/{id}`
pub(crate) async fn page(Path(id): Path<String>, visitor: Visitor) -> Page {
    let path = format!("/v1/batches/{}", segment(&id));
    let batch = visitor.get(&path).await?;
    let asked = Asked::of(&visitor, KNOWN);
    let wanted = query([("limit", ROWS), ("state", asked.value("state")), ("cursor", asked.cursor())]);
    let items_path = format!("{path}/items?{wanted}");
    let (rows, wrong) = asked::look(&visitor, &items_path, asked.wrong.as_deref()).await?;
    let status = asked::status(wrong.as_ref());
    let paused_by = match batch["state"].as_str() {
        Some("paused") => Pause::find(&visitor, "batch.pause", &id).await,
        Some(_) | None => None,
    };
    let queued = batch["progress"]["queued"].as_u64().unwrap_or_default();
    let settled_well = settled_well(batch["act"].as_str());
    let token = some(&batch["confirmToken"]);
    let next = some(&rows["nextCursor"]);
    let frame = visitor.frame("batches", &format!("Batch {id}"), &path).await.watching(&path, &batch);
    let shown = Batch {
        frame: frame.showing([&items_path]),
        organisation: text(&batch["organisation"]),
        scope: Scope::of(&batch),
        state: State::of(&batch["state"]),
        by: text(&batch["by"]),
        made: Moment::of(&batch["createdAt"]),
        executed_by: some(&batch["executedBy"]),
        reason: some(&batch["reason"]),
        token,
        until: Moment::of(&batch["confirmUntil"]),
        is_scan: batch["scan"].is_object(),
        deed: deed(batch["act"].as_str(), queued),
        is_act: batch["act"].is_string(),
        consequence: consequence(batch["act"].as_str()),
        problem: some(&batch["scan"]["problem"]),
        to_close: queued,
        progress: Progress::of(&batch),
        acts: match batch["state"].as_str() {
            Some("running") => vec![("pause", "Pause"), ("cancel", "Call off")],
            Some("paused") => vec![("resume", "Resume"), ("cancel", "Call off")],
            Some("preview" | "scanning") => vec![("cancel", "Call off")],
            Some(_) | None => Vec::new(),
        },
        has_lines: items(&rows).iter().any(|item| item["line"].is_u64()),
        rows: items(&rows).iter().map(|item| Row::of(item, settled_well)).collect(),
        next: next.map(|cursor| {
            format!(
                "/console/batches/{}?{}",
                segment(&id),
                query([("state", asked.value("state")), ("cursor", cursor.as_str())])
            )
        }),
        paused_by,
        narrowed: narrowed(asked.value("state"), settled_well),
        wrong,
        id,
    };
    Ok((status, frame::show(&shown)).into_response())
}

/// What executing a batch does, as its button says.
fn deed(act: Option<&str>, number: u64) -> String {
    let (verb, what) = match act {
        Some("retry") => ("Retry", "closure"),
        Some("verify") => ("Verify", "closure"),
        Some("cancel") => ("Cancel", "closure"),
        Some("resolve") => ("Resolve", "closure"),
        Some("force") => ("Force", "closure"),
        Some(_) | None => ("Close", "session"),
    };
    format!("{verb} {number} {what}{}", if number == 1 { "" } else { "s" })
}

/// What is to be known before an act is executed that nobody takes back.
fn consequence(act: Option<&str>) -> Option<&'static str> {
    match act {
        Some("force") => Some(
            "Each of these conversations is torn down with everybody in it, an agent included. Genesys gives it a wrap-up code of its \
             own, and callbacks that are scheduled on it are lost. Nothing takes that back.",
        ),
        Some("resolve") => Some(
            "Nothing is asked of Genesys: a session that is open there stays open, and is not looked at any more.",
        ),
        Some("cancel") => Some("Nothing more is asked of Genesys: a session that is open there stays open."),
        Some(_) | None => None,
    }
}

/// What a row is called for which was done what was asked. The interface says `closed`, whatever the act was.
pub(crate) fn settled_well(act: Option<&str>) -> &'static str {
    match act {
        Some("resolve") => "resolved",
        Some("cancel") => "cancelled",
        // These go on with a closure until its conversation is closed.
        Some(_) | None => "closed",
    }
}

/// The states of an address as the rows say them.
fn narrowed(states: &str, settled_well: &str) -> String {
    let word =
        |state: &str| if state == "closed" { settled_well.to_owned() } else { state.replace('_', " ") };
    states.split(',').map(word).collect::<Vec<_>>().join(", ")
}

impl Row {
    fn of(item: &Value, settled_well: &str) -> Self {
        let state = State::of(&item["state"]);
        Self {
            number: text(&item["row"]),
            line: text(&item["line"]),
            state: if item["state"] == "closed" { state.called(settled_well) } else { state },
            conversation: text(&item["conversationId"]),
            closure: some(&item["closure"]),
            reason: some(&item["reason"]).map(|_| words(&item["reason"])).unwrap_or_default(),
            detail: some(&item["detail"]).unwrap_or_default(),
            says: some(&item["text"]),
        }
    }
}

/// What an execution is told as: by the batch as it stands then, which somebody else may have executed before.
fn executed(batch: &Value, reason: &str) -> String {
    let is_of_this = some(&batch["reason"]).is_none_or(|kept| kept == reason);
    match batch["state"].as_str() {
        Some("running") if is_of_this => "It runs, also when you leave this page.".to_owned(),
        Some("running") => {
            format!("It runs already: {} executed it before, for another reason.", text(&batch["executedBy"]))
        }
        Some(_) | None => format!("It is {}.", words(&batch["state"])),
    }
}

/// `POST /console/batches/{id}/act`
pub(crate) async fn act(Path(id): Path<String>, sent: Sent) -> Response {
    let name = sent.field("act");
    let path = format!("/v1/batches/{}/{name}", segment(&id));
    match name {
        "execute" => {
            let body = json!({ "confirmToken": sent.field("token"), "reason": sent.field("reason") });
            match sent.post(&path, &body).await {
                Ok(batch) => {
                    sent.visitor.session.tell(true, executed(&batch, sent.field("reason")));
                    sent.back()
                }
                Err(refused) => refused,
            }
        }
        "pause" => {
            sent.act(&path, &sent.body(&["reason"]), "No further row is submitted until it is resumed.").await
        }
        "resume" => sent.act(&path, &sent.body(&["reason"]), "It goes on.").await,
        "cancel" => {
            sent.act(
                &path,
                &sent.body(&["reason"]),
                "No further row is submitted; what was submitted goes on.",
            )
            .await
        }
        _ => sent.visitor.stumble(Refusal::of(StatusCode::UNPROCESSABLE_ENTITY, "There is no such act.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_execution_is_told_by_how_the_batch_stands_then() {
        let batch = |state: &str| json!({ "state": state, "executedBy": "ann", "reason": "stuck" });
        assert_eq!(executed(&batch("running"), "stuck"), "It runs, also when you leave this page.");
        assert_eq!(
            executed(&batch("running"), "a second look"),
            "It runs already: ann executed it before, for another reason."
        );
        assert_eq!(executed(&batch("paused"), "stuck"), "It is paused.");
    }

    #[test]
    fn what_nobody_takes_back_is_said_before_it_is_executed() {
        for (act, words) in [
            ("force", "torn down with everybody in it, an agent included"),
            ("resolve", "Nothing is asked of Genesys"),
            ("cancel", "stays open"),
        ] {
            assert!(consequence(Some(act)).is_some_and(|said| said.contains(words)), "{act}");
        }
        assert_eq!([consequence(Some("verify")), consequence(Some("retry")), consequence(None)], [None; 3]);
    }

    #[test]
    fn a_row_for_which_was_done_what_was_asked_is_called_as_the_act_says() {
        for (act, word) in [
            (None, "closed"),
            (Some("retry"), "closed"),
            (Some("verify"), "closed"),
            (Some("force"), "closed"),
            (Some("resolve"), "resolved"),
            (Some("cancel"), "cancelled"),
        ] {
            let word_of_rows = settled_well(act);
            assert_eq!(word_of_rows, word, "{act:?}");
            let row = Row::of(&json!({ "row": 1, "state": "closed" }), word_of_rows);
            let shown =
                format!("<span class=\"state good\"><span aria-hidden=\"true\">✓</span> {word}</span>");
            assert_eq!(row.state.to_string(), shown);
            assert_eq!(narrowed("closed,will_act", word_of_rows), format!("{word}, will act"));
        }
        assert_eq!(narrowed("", "closed"), "");
    }
}
