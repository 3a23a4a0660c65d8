//! What a service is doing at one moment, as its HTTP interface tells.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use orchestrator::names::STATES;
use serde_json::{Value, json};

use super::{
    exposition::Samples,
    hold::{self, Hold},
};
use crate::{
    client::{Api, plain},
    exit::Failure,
    output::{on_one_line, spelt_out},
};

/// How many ghosts are shown, the oldest first.
const GHOSTS: &str = "100";

/// Over how long rates are taken.
const WINDOW: Duration = Duration::from_secs(60);

/// What a service is doing.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Snapshot {
    /// The server's URL.
    pub server: String,
    /// When it was asked.
    pub at: Timestamp,
    /// Open closures by state; states without one are left out.
    pub open: Vec<(String, u64)>,
    /// The state with the oldest open closure, and its age in seconds.
    pub oldest: Option<(String, u64)>,
    /// How many closures have ended since the start, by outcome.
    pub ended: Vec<(String, u64)>,
    /// Ghosts by reason, the most first.
    pub reasons: Vec<(String, u64)>,
    /// Each organisation with the calls that its quota has left, and the calls made since the start.
    pub quota: Vec<Quota>,
    /// The adapters by which events come.
    pub adapters: Vec<Adapter>,
    /// The queues by which commands come.
    pub sources: Vec<Source>,
    /// The oldest ghosts.
    pub ghosts: Vec<Ghost>,
    /// What holds up all calls of an organisation.
    pub held: Vec<Hold>,
    /// Records that cannot be read.
    pub quarantined: u64,
}

/// The quota of an organisation.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Quota {
    pub organisation: String,
    pub left: Option<u64>,
    pub calls: u64,
}

/// How an adapter stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Adapter {
    pub name: String,
    pub lag_ms: Option<u64>,
    pub per_minute: f64,
    pub last_event: Option<Timestamp>,
    pub silent: bool,
}

/// How a source stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Source {
    pub name: String,
    pub state: String,
    pub waiting: Option<u64>,
}

/// A ghost.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Ghost {
    pub id: String,
    pub conversation: String,
    pub reason: String,
    pub since: Option<Timestamp>,
    pub next_look: Option<Timestamp>,
}

/// Asks the server for everything at once.
///
/// # Errors
///
/// The first refusal, or that the server does not answer.
pub(super) async fn take(api: &Api) -> Result<Snapshot, Failure> {
    let oldest_first =
        [("limit".to_owned(), GHOSTS.to_owned()), ("sort".to_owned(), "acceptedAt".to_owned())];
    let (caller, metrics, ghosts, summary, adapters, sources, held) = tokio::try_join!(
        api.get("/v1/whoami", &[]),
        api.get("/metrics", &[]),
        api.get("/v1/ghosts", &oldest_first),
        api.get("/v1/ghosts/summary", &[]),
        api.get("/v1/adapters", &[]),
        api.get("/v1/sources", &[]),
        hold::take(api),
    )?;
    let organisations = caller.body["organisations"].as_array();
    let seen: Vec<_> = organisations.into_iter().flatten().map(plain).collect();
    let metrics = Samples::read(&spelt_out(metrics.body.as_str().unwrap_or_default())).of(&seen);
    Ok(Snapshot {
        server: api.server().to_owned(),
        at: Timestamp::now(),
        adapters: items(&adapters.body).iter().map(adapter).collect(),
        sources: items(&sources.body).iter().map(source).collect(),
        ghosts: items(&ghosts.body).iter().map(ghost).collect(),
        reasons: reasons(&summary.body),
        held,
        ..counted(&metrics)
    })
}

/// What the metrics tell.
fn counted(metrics: &Samples) -> Snapshot {
    let open = metrics.by("closeout_closures_open", "state");
    let in_order = STATES.iter().filter_map(|state| Some(((*state).to_owned(), whole(*open.get(*state)?))));
    let ages = metrics.greatest_by("closeout_oldest_open_age_seconds", "state");
    let oldest =
        ages.into_iter().filter(|(_, age)| *age > 0.0).max_by(|(_, one), (_, other)| one.total_cmp(other));
    let left = metrics.by("closeout_genesys_ratelimit_remaining", "org");
    let calls = metrics.by("closeout_genesys_requests_total", "org");
    let mut organisations: Vec<&String> = left.keys().chain(calls.keys()).collect();
    organisations.sort();
    organisations.dedup();
    let quota = organisations.into_iter().map(|organisation| Quota {
        organisation: organisation.clone(),
        left: left.get(organisation).copied().map(whole),
        calls: calls.get(organisation).copied().map(whole).unwrap_or_default(),
    });
    let ended = metrics.by("closeout_closures_total", "outcome").into_iter();
    Snapshot {
        open: in_order.filter(|(_, count)| *count > 0).collect(),
        oldest: oldest.map(|(state, age)| (state, whole(age))),
        ended: ended
            .map(|(outcome, count)| (outcome, whole(count)))
            .filter(|(_, count)| *count > 0)
            .collect(),
        quota: quota.collect(),
        quarantined: whole(metrics.sum("closeout_quarantined")),
        ..Snapshot::default()
    }
}

/// A count of the text format, which has floating point only.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts are whole and far below 2^53"
)]
fn whole(value: f64) -> u64 {
    value.max(0.0).round() as u64
}

pub(super) fn items(body: &Value) -> &[Value] {
    body["items"].as_array().map(Vec::as_slice).unwrap_or_default()
}

pub(super) fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

fn adapter(item: &Value) -> Adapter {
    Adapter {
        name: plain(&item["adapter"]),
        lag_ms: item["lagMs"].as_u64(),
        per_minute: item["eventsPerMinute"].as_f64().unwrap_or_default(),
        last_event: time(&item["lastEventAt"]),
        silent: item["silentSince"].is_string(),
    }
}

fn source(item: &Value) -> Source {
    Source { name: plain(&item["name"]), state: plain(&item["state"]), waiting: item["waiting"].as_u64() }
}

fn ghost(item: &Value) -> Ghost {
    Ghost {
        id: plain(&item["id"]),
        conversation: plain(&item["conversationId"]),
        reason: plain(&item["ghost"]["reason"]),
        since: time(&item["ghost"]["since"]),
        next_look: time(&item["ghost"]["nextLook"]),
    }
}

fn reasons(summary: &Value) -> Vec<(String, u64)> {
    let by_reason = summary["byReason"].as_object().into_iter().flatten();
    let mut reasons: Vec<_> = by_reason
        .map(|(reason, count)| (on_one_line(reason).into_owned(), count.as_u64().unwrap_or_default()))
        .collect();
    reasons.sort_by(|(one, few), (other, many)| many.cmp(few).then_with(|| one.cmp(other)));
    reasons
}

impl Snapshot {
    /// How many closures are open.
    pub(super) fn open_total(&self) -> u64 {
        self.open.iter().map(|(_, count)| count).sum()
    }

    /// How many ghosts there are.
    pub(super) fn ghost_total(&self) -> u64 {
        self.reasons.iter().map(|(_, count)| count).sum()
    }

    fn endings(&self) -> u64 {
        self.ended.iter().map(|(_, count)| count).sum()
    }

    fn calls(&self) -> u64 {
        self.quota.iter().map(|quota| quota.calls).sum()
    }

    /// The same as JSON.
    pub(super) fn as_json(&self) -> Value {
        let counts = |pairs: &[(String, u64)]| {
            Value::Object(pairs.iter().map(|(name, count)| (name.clone(), json!(count))).collect())
        };
        json!({
            "server": self.server,
            "at": self.at.to_string(),
            "open": counts(&self.open),
            "oldest": self.oldest.as_ref().map(|(state, age)| json!({ "state": state, "ageSeconds": age })),
            "ended": counts(&self.ended),
            "ghosts": counts(&self.reasons),
            "quota": self.quota.iter().map(|one| json!({
                "organisation": one.organisation, "left": one.left, "calls": one.calls
            })).collect::<Vec<_>>(),
            "adapters": self.adapters.iter().map(|one| json!({
                "adapter": one.name, "lagMs": one.lag_ms, "eventsPerMinute": one.per_minute,
                "lastEventAt": one.last_event.map(|at| at.to_string()), "silent": one.silent
            })).collect::<Vec<_>>(),
            "sources": self.sources.iter().map(|one| json!({
                "name": one.name, "state": one.state, "waiting": one.waiting
            })).collect::<Vec<_>>(),
            "oldestGhosts": self.ghosts.iter().map(|one| json!({
                "id": one.id, "conversationId": one.conversation, "reason": one.reason,
                "since": one.since.map(|at| at.to_string())
            })).collect::<Vec<_>>(),
            "held": self.held.iter().map(Hold::as_json).collect::<Vec<_>>(),
            "quarantined": self.quarantined,
        })
    }
}

/// What happens in a minute, taken over the last one.
#[derive(Debug, Default)]
pub(super) struct Rates(VecDeque<(Instant, u64, u64)>);

impl Rates {
    /// Notes what was counted at a moment. Counters that fell are those of a service that was started anew.
    pub(super) fn note(&mut self, at: Instant, snapshot: &Snapshot) {
        let (endings, calls) = (snapshot.endings(), snapshot.calls());
        if self.0.back().is_some_and(|(_, before, calls_before)| endings < *before || calls < *calls_before) {
            self.0.clear();
        }
        self.0.push_back((at, endings, calls));
        while self.0.len() > 2 && self.0.get(1).is_some_and(|(then, ..)| at.duration_since(*then) >= WINDOW) {
            self.0.pop_front();
        }
    }

    /// Endings and calls a minute; nothing before there are two moments.
    pub(super) fn a_minute(&self) -> Option<(f64, f64)> {
        let ((first, endings, calls), (last, endings_now, calls_now)) = (self.0.front()?, self.0.back()?);
        let seconds = last.duration_since(*first).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "what happens in a minute is far below 2^53")]
        let rate = |before: u64, now: u64| (now - before) as f64 * 60.0 / seconds;
        (seconds > 0.0).then(|| (rate(*endings, *endings_now), rate(*calls, *calls_now)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_become_counts() {
        let metrics = Samples::read(
            "closeout_closures_open{org=\"a\",state=\"ghost\"} 3\ncloseout_closures_open{org=\"b\",state=\"ghost\"} 1\n\
             closeout_closures_open{org=\"a\",state=\"verifying\"} 2\ncloseout_closures_open{org=\"a\",state=\"blocked\"} 0\n\
             closeout_oldest_open_age_seconds{org=\"a\",state=\"ghost\"} 61.4\n\
             closeout_oldest_open_age_seconds{org=\"a\",state=\"verifying\"} 2\n\
             closeout_closures_total{org=\"a\",outcome=\"closed\"} 12\n\
             closeout_genesys_ratelimit_remaining{org=\"a\"} 288\n\
             closeout_genesys_requests_total{org=\"a\",operation=\"x\",status_class=\"2xx\"} 7\n\
             closeout_genesys_requests_total{org=\"b\",operation=\"x\",status_class=\"2xx\"} 1\n",
        );
        let counted = counted(&metrics);
        assert_eq!(counted.open, [("verifying".to_owned(), 2), ("ghost".to_owned(), 4)]);
        assert_eq!(counted.oldest, Some(("ghost".to_owned(), 61)));
        assert_eq!(counted.ended, [("closed".to_owned(), 12)]);
        let quota: Vec<_> =
            counted.quota.iter().map(|one| (one.organisation.as_str(), one.left, one.calls)).collect();
        assert_eq!(quota, [("a", Some(288), 7), ("b", None, 1)]);
    }

    #[test]
    fn rates_are_taken_over_a_minute_and_begin_anew_with_the_service() {
        let counted = |endings, calls| Snapshot {
            ended: vec![("closed".to_owned(), endings)],
            quota: vec![Quota { calls, ..Quota::default() }],
            ..Snapshot::default()
        };
        let start = Instant::now();
        let mut rates = Rates::default();
        assert_eq!(rates.a_minute(), None);
        rates.note(start, &counted(0, 0));
        assert_eq!(rates.a_minute(), None);
        rates.note(start + Duration::from_secs(30), &counted(10, 30));
        assert_eq!(rates.a_minute(), Some((20.0, 60.0)));
        rates.note(start + Duration::from_secs(90), &counted(10, 90));
        assert_eq!(rates.a_minute(), Some((0.0, 60.0)), "the first half minute is over");
        rates.note(start + Duration::from_secs(91), &counted(1, 1));
        assert_eq!(rates.a_minute(), None, "another process counts from nothing");
    }
}
