//! The ghost report: what is stuck, since when, what it waits for, which evidence is missing, and what to do.
//!
//! ```text
//! /v1/ghosts, explain, timeline ─► Report (pure) ─► one HTML file · JSON · CSV
//! ```

mod csv;
mod strip;

use std::collections::BTreeMap;

use askama::Template;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use shown_text::{on_one_line, quoted, spelt_out};

use self::strip::Happening;
pub use self::{
    csv::{as_csv, csv_field},
    strip::Strip,
};

/// A ghost as the server tells of it: the item of the list, its explanation, its timeline.
#[derive(Debug, Clone)]
pub struct Told {
    /// The item of `/v1/ghosts`.
    pub ghost: Value,
    /// `/v1/closures/{id}/explain`
    pub explanation: Value,
    /// The items of `/v1/closures/{id}/timeline`.
    pub timeline: Vec<Value>,
}

/// What is said of the report itself.
#[derive(Debug, Clone, Copy)]
pub struct Making<'a> {
    /// The server that told of the ghosts.
    pub server: &'a str,
    /// When it was made.
    pub at: Timestamp,
    /// That there are more ghosts than the report holds, in a sentence, where there are.
    pub cut: Option<&'a str>,
}

/// The report, ready to be written.
#[derive(Debug, Template)]
#[template(path = "ghosts.html")]
pub struct Report {
    made_at: String,
    server: String,
    cut: Option<String>,
    version: &'static str,
    groups: Vec<Group>,
    oldest: Option<String>,
    ghosts: Vec<Ghost>,
}

/// The ghosts of one organisation and reason.
#[derive(Debug, PartialEq)]
struct Group {
    organisation: String,
    reason: String,
    count: usize,
    oldest: String,
}

/// One ghost.
#[derive(Debug)]
struct Ghost {
    id: String,
    conversation: String,
    organisation: String,
    queue: Option<String>,
    reason: String,
    since: String,
    age: String,
    headline: String,
    waits_for: String,
    missing: Vec<String>,
    handling: Vec<String>,
    next: Vec<(String, String)>,
    page: Option<String>,
    strip: Strip,
    story: Vec<(String, String)>,
}

impl Report {
    /// Makes the report of what was told, the oldest ghost first.
    pub fn of(told: &[Told], making: &Making<'_>) -> Self {
        let now = making.at;
        let mut ghosts: Vec<_> = told.iter().map(|one| (since(&one.ghost), Ghost::of(one, now))).collect();
        ghosts.sort_by_key(|(since, ghost)| (*since, ghost.id.clone()));
        let mut groups: BTreeMap<(String, String), (usize, Timestamp)> = BTreeMap::new();
        for (since, ghost) in &ghosts {
            let since = since.unwrap_or(now);
            let group =
                groups.entry((ghost.organisation.clone(), ghost.reason.clone())).or_insert((0, since));
            *group = (group.0 + 1, group.1.min(since));
        }
        let groups = groups.into_iter().map(|((organisation, reason), (count, oldest))| Group {
            organisation,
            reason,
            count,
            oldest: age(oldest, now),
        });
        Self {
            made_at: shown(now),
            server: making.server.to_owned(),
            cut: making.cut.map(str::to_owned),
            version: env!("CARGO_PKG_VERSION"),
            groups: groups.collect(),
            oldest: ghosts.first().map(|(_, ghost)| ghost.age.clone()),
            ghosts: ghosts.into_iter().map(|(_, ghost)| ghost).collect(),
        }
    }

    /// The page.
    pub fn page(&self) -> String {
        self.render().expect("writing a text cannot fail")
    }
}

/// The same as data. What was cut off is said in `cut`, which is left out otherwise.
pub fn as_json(told: &[Told], making: &Making<'_>) -> Value {
    let ghosts = told
        .iter()
        .map(|one| json!({ "ghost": one.ghost, "explanation": one.explanation, "timeline": one.timeline }));
    let ghosts: Vec<_> = ghosts.collect();
    let mut report = json!({
        "madeAt": shown(making.at), "server": making.server, "total": told.len(), "ghosts": ghosts,
    });
    if let Some(cut) = making.cut {
        report["cut"] = cut.into();
    }
    report
}

impl Ghost {
    fn of(told: &Told, now: Timestamp) -> Self {
        let Told { ghost, explanation, timeline } = told;
        let begun = time(&ghost["timings"]["acceptedAt"]).unwrap_or(now);
        let since = since(ghost).unwrap_or(now);
        let texts = |value: &Value| value.as_array().into_iter().flatten().map(plain).collect::<Vec<_>>();
        let next = ghost["ghost"]["suggested"].as_array().into_iter().flatten();
        Self {
            id: plain(&ghost["id"]),
            conversation: plain(&ghost["conversationId"]),
            organisation: plain(&ghost["organisation"]),
            queue: ghost["ghost"]["queueId"].as_str().map(|queue| on_one_line(queue).into_owned()),
            reason: plain(&ghost["ghost"]["reason"]).replace('_', " "),
            since: shown(since),
            age: age(since, now),
            headline: plain(&explanation["headline"]),
            waits_for: plain(&explanation["waitsFor"]),
            missing: texts(&ghost["ghost"]["missing"]),
            handling: handling(&ghost["ghost"]["handling"]),
            next: next.map(|advice| (plain(&advice["what"]), plain(&advice["command"]))).collect(),
            // The server makes the address; nothing else is a link.
            page: ghost["ghost"]["genesysPage"]
                .as_str()
                .filter(|page| page.starts_with("https://"))
                .map(str::to_owned),
            strip: Strip::of(&happenings(timeline, begun), seconds(now.duration_since(begun)), None),
            story: timeline
                .iter()
                .map(|line| (time(&line["at"]).map(shown).unwrap_or_default(), plain(&line["says"])))
                .collect(),
        }
    }
}

/// What operators say about a ghost, in sentences with their words quoted; `said` is the `handling` of the interface.
pub fn handling(said: &Value) -> Vec<String> {
    let told = |word: &Value, what: &str, until: &str| {
        let at = time(&word["at"]).map(shown).unwrap_or_default();
        let text = word["text"].as_str().map(|text| format!(": {}", quoted(text))).unwrap_or_default();
        word["by"].as_str().map(|by| format!("{by} {what} at {at}{until}{text}"))
    };
    let until = time(&said["snoozedUntil"]).map(shown).unwrap_or_default();
    let claimed = told(&said["claimed"], "claimed it", "");
    let snoozed = told(&said["snoozed"], "snoozed it", &format!(", until {until}"));
    let said = [claimed, snoozed, told(&said["comment"], "commented", "")];
    said.into_iter().flatten().map(|said| on_one_line(&said).into_owned()).collect()
}

/// A JSON value as a person writes it; a text keeps its lines, and what acts in it is spelt out.
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => spelt_out(text).into_owned(),
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(_) | Value::Object(_) => spelt_out(&value.to_string()).into_owned(),
    }
}

fn happenings(timeline: &[Value], begun: Timestamp) -> Vec<Happening> {
    let happening = |line: &Value| {
        let at = time(&line["at"])?;
        let correlation = line["answered"]["correlationId"].as_str();
        let correlation = correlation.map(|id| format!(" (correlation id {id})")).unwrap_or_default();
        let says = format!("{}  {}{correlation}", shown(at), plain(&line["says"]));
        Some(Happening { after: seconds(at.duration_since(begun)), kind: plain(&line["kind"]), says })
    };
    timeline.iter().filter_map(happening).collect()
}

fn since(ghost: &Value) -> Option<Timestamp> {
    time(&ghost["ghost"]["since"])
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

fn seconds(length: SignedDuration) -> f64 {
    length.as_secs_f64()
}

fn shown(at: Timestamp) -> String {
    format!("{at:.0}")
}

/// How long ago, in the largest unit that tells enough.
fn age(since: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(since).as_secs().max(0);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn making() -> Making<'static> {
        Making { server: "http://here", at: at("2026-11-21T10:00:00Z"), cut: None }
    }

    fn told(id: &str, since: &str, hostile: &str) -> Told {
        Told {
            ghost: json!({
                "id": id, "conversationId": "2f7bf00a-0fc2-4d6a-9b56-92238191433e", "organisation": "main",
                "timings": { "acceptedAt": "2026-11-21T09:00:00Z" },
                "ghost": { "reason": "no_confirmation", "since": since, "missing": [hostile],
                    "suggested": [{ "what": "Look now", "command": format!("closeout verify {id}") }],
                    "genesysPage": "javascript:alert(1)" },
            }),
            explanation: json!({ "headline": hostile, "waitsFor": hostile }),
            timeline: vec![json!({ "at": "2026-11-21T09:00:01Z", "kind": "replied", "says": hostile })],
        }
    }

    #[test]
    fn what_the_remote_side_wrote_is_shown_as_text_whatever_it_is() {
        let hostile = "<script>alert(1)</script>\" onload=\"x' &amp; </title>";
        let making = Making { server: "http://<b>", ..making() };
        let report = Report::of(&[told("cl_1", "2026-11-21T09:02:00Z", hostile)], &making);
        let page = report.page();
        assert!(
            !page.contains("<script") && !page.contains("\" onload=\"") && !page.contains("<b>"),
            "{page}"
        );
        assert!(!page.contains("javascript:"), "an address that the server did not make is no link");
        assert!(page.contains("alert(1)"), "it is shown all the same");
    }

    #[test]
    fn the_oldest_comes_first_and_the_groups_count() {
        let all =
            [told("cl_2", "2026-11-21T09:30:00Z", "later"), told("cl_1", "2026-11-20T09:30:00Z", "earlier")];
        let report = Report::of(&all, &making());
        let ids: Vec<_> = report.ghosts.iter().map(|ghost| ghost.id.as_str()).collect();
        assert_eq!(ids, ["cl_1", "cl_2"]);
        let expected = Group {
            organisation: "main".to_owned(),
            reason: "no confirmation".to_owned(),
            count: 2,
            oldest: "24 h".to_owned(),
        };
        assert_eq!(report.groups, [expected]);
        assert!(report.page().contains("closeout verify cl_1"));
        let data = as_json(&all, &making());
        assert_eq!((&data["total"], data.get("cut")), (&json!(2), None));
    }

    #[test]
    fn a_report_that_is_not_whole_says_so_in_every_form() {
        let all = [told("cl_1", "2026-11-21T09:30:00Z", "text")];
        let cut = "There are more: <narrow> it.";
        let making = Making { cut: Some(cut), ..making() };
        assert_eq!(as_json(&all, &making)["cut"], cut);
        assert!(Report::of(&all, &making).page().contains("There are more: &#60;narrow&#62; it."));
    }

    #[test]
    fn the_queue_is_shown_where_it_is_known() {
        let mut one = told("cl_1", "2026-11-21T09:30:00Z", "text");
        assert!(!Report::of(std::slice::from_ref(&one), &making()).page().contains("queue <code>"));
        one.ghost["ghost"]["queueId"] = json!("7d1f3f0a");
        assert!(Report::of(&[one], &making()).page().contains("queue <code>7d1f3f0a</code>"));
    }

    #[test]
    fn what_operators_say_is_on_the_card() {
        let mut one = told("cl_1", "2026-11-21T09:30:00Z", "text");
        assert!(!Report::of(std::slice::from_ref(&one), &making()).page().contains("Who sees to it"));
        let word = |by: &str, text: Value| json!({ "by": by, "at": "2026-11-21T09:40:00Z", "text": text });
        one.ghost["ghost"]["handling"] = json!({ "claimed": word("ann", Value::Null), "snoozedUntil": "2026-11-21T12:00:00Z",
            "snoozed": word("ann", Value::Null), "comment": word("bob", json!("<i>ask</i> her")) });
        let page = Report::of(&[one], &making()).page();
        for said in [
            "Who sees to it",
            "ann claimed it at 2026-11-21T09:40:00Z<",
            "ann snoozed it at 2026-11-21T09:40:00Z, until 2026-11-21T12:00:00Z<",
            "bob commented at 2026-11-21T09:40:00Z: &#34;&#60;i&#62;ask&#60;/i&#62; her&#34;",
        ] {
            assert!(page.contains(said), "{said}: {page}");
        }
    }

    #[test]
    fn no_ghosts_are_good_news() {
        let page = Report::of(&[], &making()).page();
        assert!(page.contains("No ghosts"), "{page}");
    }
}
