//! One sentence, or a few, for each line of the journal.

use std::collections::BTreeSet;

use genesys_types::Time;
use orchestrator::{Answered, Asks, Entry, Fitting, HeardLine, OperatorLine, Seen, TimelineLine};
use shown_text::quoted;

use super::words;
use crate::spans::Stamp;

/// What is announced when the guest was seen again after the end.
const GUEST_RETURNED: &str = orchestrator::names::announcement(closure_machine::Announcement::GuestReturned);

/// What the whole journal tells of its calls.
pub(super) struct Calls {
    /// Those whose answers show that they were sent.
    sent: BTreeSet<u32>,
    /// Those in whose place a read was made, as where a dialect has no such call.
    read_in_place: BTreeSet<u32>,
}

impl Calls {
    pub(super) fn of(lines: &[TimelineLine]) -> Self {
        let answers = lines.iter().filter_map(|line| line.entry.answered.as_ref());
        // A login that was refused comes before its call.
        let reached = |answered: &&Answered| {
            answered.status.is_some()
                && !matches!(answered.reply.as_str(), "not_sent" | "unauthenticated" | "no_wrap_up_code")
        };
        let asked = lines.iter().filter_map(|line| line.entry.asks.as_ref());
        Self {
            sent: answers.filter(reached).map(|answered| answered.call).collect(),
            read_in_place: asked.filter(|asks| reads_in_place(asks)).map(|asks| asks.call).collect(),
        }
    }
}

/// Whether a read is made where a close was wanted.
pub(super) fn reads_in_place(asks: &Asks) -> bool {
    asks.request.starts_with("close_") && asks.http.starts_with("GET ")
}

/// A line in plain words.
pub(super) fn sentence(line: &TimelineLine, calls: &Calls) -> String {
    let entry = &line.entry;
    let mut said = match line.kind.as_str() {
        "accepted" => "The command was accepted and stored.".to_owned(),
        "replied" => entry.answered.as_ref().map_or_else(
            || "A call was answered.".to_owned(),
            |answer| match calls.read_in_place.contains(&answer.call) {
                true => answered_in_place(answer),
                false => answered(answer),
            },
        ),
        "heard" if entry.announces.iter().any(|told| told == GUEST_RETURNED) => {
            entry.heard.as_ref().map_or_else(|| "The guest came back.".to_owned(), came_back)
        }
        "heard" => entry.heard.as_ref().map_or_else(|| "An event arrived.".to_owned(), heard),
        "acted" => entry.operator.as_ref().map_or_else(|| "An operator acted.".to_owned(), acted),
        "missed" => "Events may have been lost on their way; a read looks for itself.".to_owned(),
        "woke" if entry.asks.is_some() => "Its time came.".to_owned(),
        "woke" => "The call in flight brought no answer in time and counts as lost.".to_owned(),
        "snooze_over" => "The snooze is over: the ghost is told again.".to_owned(),
        other => format!("{other}."),
    };
    said.push_str(&what_followed(entry, calls));
    said
}

/// The change of state, and the call that was made.
fn what_followed(entry: &Entry, calls: &Calls) -> String {
    let mut said = String::new();
    if entry.from.is_some() && entry.from.as_ref() != Some(&entry.to) {
        said.push_str(" Now: ");
        said.push_str(&words::plain(&entry.to));
        if let Some(reason) = &entry.reason {
            said.push_str(&format!(" ({})", words::plain(reason)));
        }
        said.push('.');
    }
    if let Some(next) = &entry.followed_by {
        said.push_str(&format!(" Opened: {next}, which follows this closure."));
    }
    if let Some(asks) = &entry.asks {
        let verb = if calls.sent.contains(&asks.call) { "Sent" } else { "Asked" };
        said.push_str(&format!(" {verb}: {}.", asks.http));
    }
    said
}

/// The answer to a read in place of a close that cannot be asked here.
fn answered_in_place(answered: &Answered) -> String {
    let (what, facts) = (words::request(&answered.request), facts(answered));
    match &answered.saw {
        Some(saw) => {
            format!("There is no call for {what} here. A read in its place showed {}{facts}.", seen(saw))
        }
        None => format!("There is no call for {what} here, and the read in its place showed nothing{facts}."),
    }
}

/// What Genesys answered a call.
pub(super) fn answered(answered: &Answered) -> String {
    let what = words::request(&answered.request);
    let facts = facts(answered);
    if let Some(saw) = &answered.saw {
        return match answered.request.as_str() {
            "read" => format!("The read showed {}{facts}.", seen(saw)),
            _ => format!("Genesys accepted {what} and showed {}{facts}.", seen(saw)),
        };
    }
    if let Some(found) = &answered.found {
        return lookup(&answered.reply, found, &facts);
    }
    match answered.reply.as_str() {
        "accepted" => format!("Genesys accepted {what}{facts}. That is no proof yet."),
        "not_found" => format!("Genesys answered {what} with \"not found\"{facts}."),
        // A dialect may have other statuses stand for it.
        "conflict" if answered.status.is_none_or(|status| status == 409) => {
            format!("Genesys answered {what} with a conflict{facts}.")
        }
        "conflict" => format!("Genesys did not take {what}{facts}; a read shows how it stands."),
        "wrapup_required" => format!("Genesys refused {what}: a wrap-up is owed first{facts}."),
        "no_wrap_up_code" => {
            format!("No code could be given for {what}; Genesys was not asked to take one{facts}.")
        }
        "rejected" => format!("Genesys refused {what}{facts}."),
        "forbidden" => match &answered.missing_permission {
            Some(permission) => {
                format!("Genesys refused {what}: the permission {permission} is missing{facts}.")
            }
            None => format!("Genesys refused {what}: a permission is missing{facts}."),
        },
        "unauthenticated" => format!("Genesys did not accept the credential for {what}{facts}."),
        "rate_limited" => format!("Genesys put {what} off: the quota is used up{facts}."),
        "not_sent" => format!("Genesys could not be reached; {what} never left{facts}."),
        "failed" => format!("Genesys failed at {what}{facts}."),
        _ => format!("What became of {what} is unknown: no answer came that can be read{facts}."),
    }
}

/// What a lookup found.
fn lookup(reply: &str, found: &[Fitting], facts: &str) -> String {
    let ids: Vec<_> = found.iter().map(|fitting| fitting.conversation.as_str()).collect();
    let ids = ids.join(", ");
    match (reply, found) {
        ("open_elsewhere", _) => {
            format!("The lookup found the conversation {ids}, for which another closure is open{facts}.")
        }
        (_, []) => format!("The lookup found no open conversation that fits{facts}."),
        (_, [_]) => format!("The lookup found the conversation {ids}{facts}. A read has to confirm it."),
        (_, several) => {
            format!("The lookup found {} open conversations that fit{facts}: {ids}.", several.len())
        }
    }
}

/// Status, code, words, correlation id and time, as far as they are known.
fn facts(answered: &Answered) -> String {
    let mut facts = Vec::new();
    if let Some(status) = answered.status {
        facts.push(match &answered.code {
            Some(code) => format!("{status} {code}"),
            None => status.to_string(),
        });
    }
    let is_refusal = answered.status.is_none_or(|status| status >= 400);
    if let Some(message) = answered.message.as_ref().filter(|_| is_refusal) {
        facts.push(quoted(message));
    }
    if let Some(id) = answered.correlation_id.as_ref().filter(|_| is_refusal) {
        facts.push(format!("correlation id {id}"));
    }
    if answered.took_ms > 0 {
        facts.push(format!("{} ms", answered.took_ms));
    }
    if facts.is_empty() { String::new() } else { format!(" ({})", facts.join(", ")) }
}

fn heard(heard: &HeardLine) -> String {
    let what = match &heard.saw {
        Some(saw) => format!("showed {}", seen(saw)),
        None => "said that the guest left".to_owned(),
    };
    by_way_of(heard, &what)
}

/// An event after the end that shows the guest there.
fn came_back(heard: &HeardLine) -> String {
    let leg = heard.communication.as_ref().map(|leg| format!(" on the leg {leg}")).unwrap_or_default();
    by_way_of(heard, &format!("showed the guest there again{leg}"))
}

fn by_way_of(heard: &HeardLine, what: &str) -> String {
    let kind = words::with_article(&heard.kind);
    let mut letters = kind.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    format!(
        "{first}{} by way of \"{}\" {what} ({}, event {}).",
        letters.as_str(),
        heard.adapter,
        heard.event_type,
        heard.event_id
    )
}

fn acted(operator: &OperatorLine) -> String {
    let did = match (operator.act.as_str(), operator.until) {
        ("claim", _) => match &operator.taken_over_from {
            Some(other) => format!("took it over from {other}"),
            None => "claimed it".to_owned(),
        },
        ("comment", _) => "commented".to_owned(),
        ("snooze", Some(until)) => format!("snoozed it until {}", Stamp(Time::from_millis(until))),
        (act, _) => format!("ordered {act}"),
    };
    let did = match &operator.batch {
        Some(batch) => format!("{did} by the batch {batch}"),
        None => did,
    };
    match &operator.reason {
        Some(reason) => format!("{} {did}: {}.", operator.by, quoted(reason)),
        None => format!("{} {did}.", operator.by),
    }
}

fn seen(seen: &Seen) -> String {
    let legs = if seen.legs.is_empty() { "no legs".to_owned() } else { seen.legs.join(", ") };
    if seen.ended { format!("that the conversation has ended: {legs}") } else { legs }
}
