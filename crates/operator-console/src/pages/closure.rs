//! One closure: its story in plain words, its timeline, what is missing, and what can be pressed.

use askama::Template;
use axum::{
    extract::Path,
    response::{IntoResponse as _, Redirect, Response},
};
use ghost_report::Strip;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    form::Sent,
    frame::{self, Frame, Page, Visitor},
    pages::{
        advice::{Advice, Request},
        asked,
        timeline::Step,
    },
    parts::{Moment, State, items, segment, some, text, words},
    prose::Prose,
    refusal::Refusal,
};

/// For how long a ghost can be let sleep by one press, in hours, and in words.
const SNOOZES: [(u32, &str); 4] = [(1, "1 hour"), (4, "4 hours"), (24, "a day"), (168, "a week")];

#[derive(Debug, Template)]
#[template(path = "closure.html")]
struct Closure {
    frame: Frame,
    id: String,
    conversation: String,
    version: String,
    state: State,
    is_ghost: bool,
    headline: String,
    /// Since when it stands as it does.
    since: Option<String>,
    waits_for: Option<String>,
    missing: Vec<String>,
    advice: Vec<Advice>,
    said: Vec<String>,
    /// Who else has claimed it.
    claimed_by: Option<String>,
    snoozes: [(u32, &'static str); 4],
    page: Option<String>,
    strip: Strip,
    steps: Vec<Step>,
    facts: Vec<(&'static str, String)>,
    moments: Vec<(&'static str, Moment)>,
    others: Vec<(String, State, Moment)>,
}

/// `GET /console/closures/{id}`; the id of a conversation leads to its latest closure.
pub(crate) async fn page(Path(id): Path<String>, visitor: Visitor) -> Page {
    if let Some(refused) = asked::nothing(&visitor) {
        return Err(refused);
    }
    if !id.starts_with("cl_") {
        // Ids of ours are written in small letters, whatever a mail has made of them.
        return match id.to_ascii_lowercase() {
            small if small.starts_with("cl_") => {
                Ok(Redirect::to(&format!("/console/closures/{}", segment(&small))).into_response())
            }
            _ => of_conversation(&visitor, &id).await,
        };
    }
    let path = format!("/v1/closures/{}", segment(&id));
    let closure = visitor.get(&path).await?;
    let (explain_path, timeline_path) = (format!("{path}/explain"), format!("{path}/timeline"));
    let explanation = visitor.get(&explain_path).await?;
    let timeline = visitor.get(&timeline_path).await?;
    let is_ghost = closure["state"] == "ghost";
    let ghost = if is_ghost {
        visitor.look(&format!("/v1/ghosts?q={}&limit=1", segment(&id))).await
    } else {
        Value::Null
    };
    let ghost = items(&ghost).first().unwrap_or(&Value::Null)["ghost"].clone();
    let conversation = text(&closure["conversationId"]);
    let same = visitor.look(&format!("/v1/conversations/{}/closures", segment(&conversation))).await;
    let title = format!("{} · {}", text(&closure["state"]).replace('_', " "), conversation);
    let frame = visitor.frame("closures", &title, &path).await.watching(&path, &closure);
    let shown = Closure {
        frame: frame.showing([&explain_path, &timeline_path]),
        version: text(&closure["version"]),
        state: State::of(&closure["state"]),
        is_ghost,
        headline: text(&explanation["headline"]),
        since: since(&closure, &explanation, Timestamp::now()),
        waits_for: some(&explanation["waitsFor"]),
        missing: explanation["missing"].as_array().into_iter().flatten().map(text).collect(),
        advice: Advice::all(&explanation),
        said: ghost_report::handling(&explanation["handling"]),
        claimed_by: some(&ghost["handling"]["claimed"]["by"]).filter(|by| *by != visitor.session.name),
        snoozes: SNOOZES,
        page: some(&closure["genesysPage"]).filter(|page| page.starts_with("https://")),
        strip: Strip::of_timeline(items(&timeline), end(&closure), moment(&closure["nextWakeAt"])),
        steps: Step::all(items(&timeline)),
        facts: facts(&closure, &ghost, items(&timeline)),
        moments: moments(&closure),
        others: items(&same)
            .iter()
            .filter(|other| other["id"] != closure["id"])
            .map(|other| {
                (text(&other["id"]), State::of(&other["state"]), Moment::of(&other["timings"]["acceptedAt"]))
            })
            .collect(),
        conversation,
        id,
    };
    Ok(frame::show(&shown))
}

/// Leads from the id of a conversation to its latest closure.
async fn of_conversation(visitor: &Visitor, id: &str) -> Page {
    let found = visitor.get(&format!("/v1/conversations/{}/closures", segment(id))).await?;
    match items(&found).first() {
        Some(closure) => {
            Ok(Redirect::to(&format!("/console/closures/{}", segment(&text(&closure["id"])))).into_response())
        }
        None => Err(visitor.stumble(Refusal::of(
            StatusCode::NOT_FOUND,
            "No closure was asked for with this conversation, or it is older than what is kept.",
        ))),
    }
}

/// Since when it stands as it does, as a sentence.
fn since(closure: &Value, explanation: &Value, now: Timestamp) -> Option<String> {
    let at = moment(&explanation["since"])?;
    let words = match closure["state"].as_str()? {
        "ghost" => "It became a ghost",
        "blocked" => "It was blocked",
        "closed" | "already_closed" | "failed" | "cancelled" | "resolved" => "It ended",
        _ => "It came to this",
    };
    Some(format!("{words} at {at:.3} ({} ago).", length(now.duration_since(at))))
}

/// How long that is, roughly.
fn length(time: SignedDuration) -> String {
    let seconds = time.as_secs().max(0);
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// When it ended, if it has.
fn end(closure: &Value) -> Option<Timestamp> {
    moment(&closure["timings"]["endedAt"])
}

fn moment(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

/// What proves the end, or what ended it where nothing does.
fn proof(closure: &Value, timeline: &[Value]) -> (&'static str, String) {
    let proof: Vec<_> = ["kind", "adapter", "eventType", "eventId"]
        .into_iter()
        .filter_map(|name| some(&closure["confirmedBy"][name]))
        .collect();
    if !proof.is_empty() {
        return ("Proof", proof.join(", "));
    }
    let operator = |act: &str| {
        let line = timeline.iter().rfind(|line| line["operator"]["act"] == act);
        line.and_then(|line| some(&line["operator"]["by"])).unwrap_or_else(|| "an operator".to_owned())
    };
    match closure["state"].as_str() {
        Some("resolved") => {
            ("Ended by", format!("the word of {}; there is no other proof", operator("resolve")))
        }
        Some("cancelled") => ("Ended by", format!("{}, who called it off", operator("cancel"))),
        Some("already_closed") => ("Ended by", "a read that showed it closed already".to_owned()),
        Some("failed") => ("Ended by", format!("a failure: {}", words(&closure["reason"]))),
        Some("closed") => ("Proof", "none is kept".to_owned()),
        Some(_) | None => ("Proof", "none yet".to_owned()),
    }
}

fn facts(closure: &Value, ghost: &Value, timeline: &[Value]) -> Vec<(&'static str, String)> {
    let labels = closure["labels"].as_object().into_iter().flatten();
    let labels: Vec<_> = labels.map(|(name, value)| format!("{name}={}", text(value))).collect();
    let policy = closure["effectivePolicy"].as_object().into_iter().flatten();
    let policy: Vec<_> = policy.map(|(name, value)| format!("{name}={}", text(value))).collect();
    let facts = [
        ("Organisation", text(&closure["organisation"])),
        ("Participant", text(&closure["participantId"])),
        ("Queue", some(&ghost["queueId"]).unwrap_or_default()),
        proof(closure, timeline),
        ("Calls to Genesys", text(&closure["apiCalls"])),
        ("Rounds", text(&closure["attempts"])),
        ("Asked by", text(&closure["source"])),
        ("Asked because", some(&closure["requestReason"]).unwrap_or_default()),
        ("Wrap-up", text(&closure["wrapUp"]).replace('_', " ")),
        ("Labels", labels.join(" ")),
        ("Policy", policy.join(" ")),
    ];
    facts.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

fn moments(closure: &Value) -> Vec<(&'static str, Moment)> {
    let timings = &closure["timings"];
    let moments = [
        ("Accepted", &timings["acceptedAt"]),
        ("Close taken", &timings["participantClosedAt"]),
        ("Confirmed", &timings["confirmedAt"]),
        ("Ended", &timings["endedAt"]),
        ("Looks next", &closure["nextWakeAt"]),
    ];
    moments.into_iter().filter(|(_, at)| at.is_string()).map(|(name, at)| (name, Moment::of(at))).collect()
}

/// `POST /console/closures/{id}/act`
pub(crate) async fn act(Path(id): Path<String>, sent: Sent) -> Response {
    let id = segment(&id);
    let name = sent.field("act");
    let closure = |act: &str| format!("/v1/closures/{id}/{act}");
    let ghost = |act: &str| format!("/v1/ghosts/{id}/{act}");
    match name {
        // Its own page says first what it does.
        "force" if sent.field("sure") != "yes" => {
            Redirect::to(&format!("/console/closures/{id}/force")).into_response()
        }
        "retry" | "cancel" | "verify" | "force" | "resolve" => {
            let done = match name {
                "retry" => "It begins again.",
                "cancel" => "It is called off.",
                "verify" => "The conversation is being read; what that shows comes into the timeline.",
                "force" => {
                    "The conversation is torn down, as you said; that the guest is gone is shown by an event or a read."
                }
                _ => "It is resolved by your word.",
            };
            sent.act(&closure(name), &sent.body(&["reason"]), done).await
        }
        "advised" => advised(&id, &sent).await,
        "claim" => {
            let mut body = sent.body(&["reason"]);
            body["takeOver"] = (sent.field("takeOver") == "yes").into();
            sent.act(&ghost(name), &body, "You see to it; the others are told.").await
        }
        "comment" => sent.act(&ghost(name), &sent.body(&["comment"]), "Your comment is kept.").await,
        "snooze" => {
            let given = sent.field("hours");
            let Some((hours, _)) = SNOOZES.into_iter().find(|(hours, _)| hours.to_string() == given) else {
                let detail = "A ghost is let sleep for one of the lengths that stand there.";
                return sent.visitor.stumble(Refusal::of(StatusCode::UNPROCESSABLE_ENTITY, detail));
            };
            let until = Timestamp::now() + SignedDuration::from_hours(hours.into());
            let mut body = sent.body(&["reason"]);
            body["until"] = json!(format!("{until:.0}"));
            sent.act(&ghost(name), &body, "It is not announced until then.").await
        }
        _ => sent.visitor.stumble(Refusal::of(StatusCode::UNPROCESSABLE_ENTITY, "There is no such act.")),
    }
}

/// Makes a request that is advised beside the acts of the closure.
async fn advised(id: &str, sent: &Sent) -> Response {
    let visitor = &sent.visitor;
    let path = format!("/v1/closures/{id}");
    let (closure, explanation) =
        match (visitor.get(&path).await, visitor.get(&format!("{path}/explain")).await) {
            (Ok(closure), Ok(explanation)) => (closure, explanation),
            (Err(stumble), _) | (_, Err(stumble)) => return stumble,
        };
    let Some(request) = Request::advised(&explanation, sent.field("request")) else {
        visitor
            .session
            .tell(false, "Nothing was done. It is not advised any more; look at how it stands now.");
        return sent.back();
    };
    let is_new = matches!(request, Request::Close(_));
    let (path, body) = request.with(&text(&closure["organisation"]), sent.field("reason"));
    if !is_new {
        return sent.act(path, &body, "Its calls go on.").await;
    }
    match sent.post(path, &body).await {
        Ok(new) => {
            let attached = new["attached"] == true;
            let done = if attached {
                "It is being closed already: this is that closure."
            } else {
                "It is asked for anew: this is its closure."
            };
            visitor.session.tell(true, done);
            Redirect::to(&format!("/console/closures/{}", segment(&text(&new["id"])))).into_response()
        }
        Err(refused) => refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_it_stands_so_is_told_with_what_it_came_to() {
        let explanation = json!({ "since": "2026-11-28T10:00:00.000Z" });
        let now = "2026-11-28T10:10:30.000Z".parse().unwrap();
        for (state, said) in [
            ("ghost", "It became a ghost at 2026-11-28T10:00:00.000Z (10 min ago)."),
            ("blocked", "It was blocked at 2026-11-28T10:00:00.000Z (10 min ago)."),
            ("resolved", "It ended at 2026-11-28T10:00:00.000Z (10 min ago)."),
            ("verifying", "It came to this at 2026-11-28T10:00:00.000Z (10 min ago)."),
        ] {
            assert_eq!(since(&json!({ "state": state }), &explanation, now).as_deref(), Some(said));
        }
        assert_eq!(since(&json!({ "state": "ghost" }), &Value::Null, now), None);
        for (seconds, said) in [(-1, "0 s"), (59, "59 s"), (7_200, "2 h"), (172_800, "2 d")] {
            assert_eq!(length(SignedDuration::from_secs(seconds)), said);
        }
    }

    #[test]
    fn what_ended_it_is_told_where_nothing_proves_the_end() {
        let timeline =
            [json!({ "operator": { "act": "resolve", "by": "ann" } }), json!({ "operator": null })];
        for (closure, fact) in [
            (
                json!({ "state": "closed", "confirmedBy": { "kind": "webhook", "adapter": "relay" } }),
                ("Proof", "webhook, relay"),
            ),
            (json!({ "state": "resolved" }), ("Ended by", "the word of ann; there is no other proof")),
            (json!({ "state": "cancelled" }), ("Ended by", "an operator, who called it off")),
            (
                json!({ "state": "failed", "reason": "agent_connected" }),
                ("Ended by", "a failure: agent connected"),
            ),
            (json!({ "state": "already_closed" }), ("Ended by", "a read that showed it closed already")),
            (json!({ "state": "ghost" }), ("Proof", "none yet")),
        ] {
            let (name, value) = proof(&closure, &timeline);
            assert_eq!((name, value.as_str()), fact, "{closure}");
        }
    }
}
