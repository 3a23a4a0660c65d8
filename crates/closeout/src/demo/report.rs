//! What is said at the beginning and at the end, and whether every promise held.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use genesys_simulator::{JournalKind, JournalQuery, Simulator, Verdict};
use serde_json::Value;
use uuid::Uuid;

use super::{
    REQUESTS, WINDOW,
    cast::{Cast, Expected},
};

/// The crash in the middle.
#[derive(Debug, Clone, Copy)]
pub struct Crash {
    /// How many closures were open.
    pub open: usize,
    /// How long it took until the service was ready again.
    pub back_after: Duration,
}

/// Everything that is known at the end.
pub struct Outcome<'a> {
    pub cast: &'a Cast,
    pub submitted: &'a HashMap<Uuid, String>,
    pub closures: &'a [Value],
    pub ghosts: &'a [Value],
    pub simulator: &'a Simulator,
    pub crash: Option<Crash>,
    pub took: Duration,
}

/// What is about to happen, line by line.
pub fn opening(sessions: u32, cast: &Cast, service: &str, simulator: &str) -> String {
    let window = WINDOW.as_secs();
    let mut text = format!(
        "Closeout demo: {sessions} guest sessions are closed, and the end of each is proven.\n\
         \n\
         One closure is four steps: read the conversation; close the guest; wait for proof\n\
         that the guest is gone (a signed webhook, or else a read); and only then close the\n\
         conversation around the guest, its wrapper. All of it runs on this machine, within\n\
         a minute.\n\
         \n\
         \x20 simulated Genesys  {simulator}  takes {REQUESTS} calls in {window} s, then answers 429\n\
         \x20 service            {service}  is killed once in the middle\n\
         \n\
         Sessions, and what goes wrong with them\n"
    );
    for part in &cast.parts {
        text.push_str(&format!("  {:>4}  {:<17}  {}\n", part.sessions, part.name, part.story));
    }
    text.push_str("\nProgress (settled: ended, or held for an operator)\n");
    text
}

/// Says what happened; `true` if every promise held.
pub fn closing(outcome: &Outcome<'_>) -> bool {
    what_became(outcome);
    ghosts(outcome);
    figures(outcome);
    let promises = promises(outcome);
    println!("\nPromises, checked against what the simulator saw");
    let broken = promises.iter().filter(|(kept, _)| !kept).count();
    for (kept, text) in &promises {
        println!("  {}  {text}", if *kept { "kept  " } else { "BROKEN" });
    }
    if broken == 0 {
        println!("\nEvery promise held. Try next:");
        println!("  closeout dev                       service and simulator to play with, and a key");
        println!("  closeout dev --chaos lost-webhook  the same, with every event lost");
        println!("  closeout config init               a configuration for your own organisation");
    } else {
        println!(
            "\n{broken} of {} promises did not hold, and the exit code says so. Run again with --keep\n\
             and look at service.log in the folder.",
            promises.len()
        );
    }
    broken == 0
}

fn what_became(outcome: &Outcome<'_>) {
    let mut rows: BTreeMap<(u8, String), usize> = BTreeMap::new();
    for closure in outcome.closures {
        let text = |field: &str| closure[field].as_str().unwrap_or_default().to_owned();
        let row = match text("state").as_str() {
            "closed" => match closure["confirmedBy"]["kind"].as_str() {
                Some("webhook") => (0, "closed, proven by a signed webhook".to_owned()),
                Some("read-back") => (1, "closed, proven by a read, as no webhook came in time".to_owned()),
                Some(other) => (2, format!("closed, proven by {other}")),
                None => (3, "closed, proven by its state when found".to_owned()),
            },
            "already_closed" => (4, "found closed already; nothing was asked".to_owned()),
            "failed" => (5, format!("refused: {}", in_words(&text("reason")))),
            "ghost" => (6, format!("held as a ghost: {}", in_words(&text("reason")))),
            other => (7, format!("still {other}")),
        };
        *rows.entry(row).or_default() += 1;
    }
    println!("\nWhat became of {} sessions in {:.1} s", outcome.closures.len(), outcome.took.as_secs_f64());
    for ((_, what), number) in rows {
        println!("  {number:>4}  {what}");
    }
}

/// A reason as a newcomer reads it, with the word that the interface uses.
fn in_words(reason: &str) -> String {
    match reason {
        "agent_connected" => "an agent is talking to the guest (agent_connected)".to_owned(),
        "no_confirmation" => "no proof came that the guest is gone (no_confirmation)".to_owned(),
        "wrapup_pending" => "the guest is gone, a wrap-up is owed (wrapup_pending)".to_owned(),
        other => other.to_owned(),
    }
}

fn ghosts(outcome: &Outcome<'_>) {
    let mut reasons: BTreeMap<&str, (usize, &Value)> = BTreeMap::new();
    for ghost in outcome.ghosts {
        let reason = ghost["reason"].as_str().unwrap_or("unknown");
        reasons.entry(reason).or_insert((0, ghost)).0 += 1;
    }
    if reasons.is_empty() {
        return;
    }
    println!("\nGhosts: sessions that cannot be proven closed, and so are never called closed. They");
    println!("are looked at again by themselves, and heal when proof comes. What an operator can do");
    println!("(the service of this demo ends with it; `closeout dev` keeps one to try this on):");
    for (reason, (number, ghost)) in reasons {
        println!("  {number:>4}  {reason}");
        for advice in ghost["ghost"]["suggested"].as_array().into_iter().flatten().take(2) {
            println!("        {}", advice["what"].as_str().unwrap_or_default());
            if let Some(command) = advice["command"].as_str() {
                println!("          {command}");
            }
        }
    }
}

fn figures(outcome: &Outcome<'_>) {
    let mut taken: Vec<f64> = outcome.closures.iter().filter_map(seconds_to_close).collect();
    taken.sort_by(f64::total_cmp);
    let verdict = outcome.simulator.verdict();
    let refused = refused_calls(outcome.simulator);
    println!("\nFigures");
    println!(
        "  time to close     half within {:.1} s, 99 of 100 within {:.1} s; the quota sets the pace",
        percentile(&taken, 50),
        percentile(&taken, 99)
    );
    println!(
        "  calls to Genesys  {}, {:.2} a session (3 if nothing goes wrong, 1 if closed already)",
        verdict.calls, verdict.calls_per_conversation
    );
    println!("  answered with 401 {} after a token had expired; asked again with a new one", refused.expired);
    println!("  answered with 429 {} by the 429-storm, {} by the quota itself", refused.storm, refused.quota);
    println!("  forged webhooks   {} sent, {} taken", verdict.forged_sent, verdict.forged_accepted);
    if let Some(crash) = outcome.crash {
        println!(
            "  kill -9           with {} closures under way; ready again after {:.2} s",
            crash.open,
            crash.back_after.as_secs_f64()
        );
    }
}

/// Calls that were refused before they were looked at.
#[derive(Debug, Default)]
struct Refused {
    expired: usize,
    storm: usize,
    quota: usize,
}

fn refused_calls(simulator: &Simulator) -> Refused {
    let calls =
        JournalQuery { kind: Some(JournalKind::Call), limit: Some(usize::MAX), ..JournalQuery::default() };
    let mut refused = Refused::default();
    for call in simulator.journal(&calls).entries {
        match (call.status, call.fault) {
            (Some(401), _) => refused.expired += 1,
            (Some(429), Some(_)) => refused.storm += 1,
            (Some(429), None) => refused.quota += 1,
            (Some(_) | None, _) => {}
        }
    }
    refused
}

fn promises(outcome: &Outcome<'_>) -> Vec<(bool, String)> {
    let known: HashSet<&str> =
        outcome.closures.iter().filter_map(|closure| closure["conversationId"].as_str()).collect();
    let lost = outcome.cast.sessions.len()
        - outcome.submitted.keys().filter(|id| known.contains(id.to_string().as_str())).count();
    let unexpected = unexpected(outcome);
    let false_claims =
        outcome.closures.iter().filter(|closure| contradicts_truth(outcome.simulator, closure)).count();
    let mut promises = promises_of_calls(&outcome.simulator.verdict());
    promises.extend([
        none("commands lost", lost as u64),
        none("closures that say other than the simulator knows", false_claims as u64),
        (outcome.crash.is_some(), "the service was killed in the middle and went on".to_owned()),
        (
            unexpected.is_empty(),
            match unexpected.first() {
                None => "every session became what its story demands".to_owned(),
                Some(first) => {
                    format!("{} sessions did not become what their story demands: {first}", unexpected.len())
                }
            },
        ),
    ]);
    promises
}

/// What the service may never ask of Genesys, nor take from a forger.
fn promises_of_calls(verdict: &Verdict) -> Vec<(bool, String)> {
    let early = verdict.wrapper_closes_before_guest_gone + verdict.wrapper_closes_before_proof;
    let repeated = verdict.repeated_closes + verdict.repeated_wrapper_closes;
    vec![
        none("wrapper closed before the guest was proven gone", early),
        none("torn down by force, which no operator asked for here", verdict.forced),
        none("the same close asked twice without a read in between", repeated),
        none("forged webhooks taken", verdict.forged_accepted),
    ]
}

/// Something that must not happen, with how often it did.
fn none(what: &str, count: u64) -> (bool, String) {
    (count == 0, format!("{what}: {count}"))
}

/// Sessions that became something else than their story demands.
fn unexpected(outcome: &Outcome<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for closure in outcome.closures {
        let Some(conversation) = closure["conversationId"].as_str().and_then(|id| Uuid::try_parse(id).ok())
        else {
            continue;
        };
        let Some(part) = outcome.cast.part_of(conversation) else { continue };
        let (state, reason) = (closure["state"].as_str(), closure["reason"].as_str());
        let as_expected = match part.expected {
            Expected::Closed => state == Some("closed"),
            Expected::AlreadyClosed => state == Some("already_closed"),
            Expected::Refused => (state, reason) == (Some("failed"), Some("agent_connected")),
            Expected::Ghost(expected) => (state, reason) == (Some("ghost"), Some(expected)),
        };
        if !as_expected {
            let id = closure["id"].as_str().unwrap_or_default();
            found.push(format!(
                "{} ({id}) is {} {}",
                part.name,
                state.unwrap_or("without state"),
                reason.unwrap_or_default()
            ));
        }
    }
    found
}

/// Whether a closure claims what the simulator knows to be otherwise.
fn contradicts_truth(simulator: &Simulator, closure: &Value) -> bool {
    let id = closure["conversationId"].as_str().and_then(|id| Uuid::try_parse(id).ok());
    let Some(truth) = id.and_then(|id| simulator.conversation(id)) else { return true };
    let guest_is_there = truth["guestConnected"] == Value::Bool(true);
    let open = truth["open"] == Value::Bool(true);
    match closure["state"].as_str() {
        Some("closed" | "already_closed") => guest_is_there,
        Some("ghost") => !guest_is_there && !open,
        Some(_) | None => false,
    }
}

fn seconds_to_close(closure: &Value) -> Option<f64> {
    let moment = |field: &str| closure["timings"][field].as_str()?.parse::<jiff::Timestamp>().ok();
    let taken = moment("closedAt")?.duration_since(moment("acceptedAt")?);
    (closure["state"] == "closed").then(|| taken.as_secs_f64())
}

fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::cast;
    use super::*;

    #[test]
    fn each_offence_that_the_simulator_counts_breaks_a_promise() {
        let clean = Simulator::builder().build().unwrap().verdict();
        let broken = |verdict: &Verdict| promises_of_calls(verdict).iter().filter(|(kept, _)| !kept).count();
        assert_eq!(broken(&clean), 0);
        let offences: [fn(&mut Verdict); 6] = [
            |verdict| verdict.wrapper_closes_before_guest_gone = 1,
            |verdict| verdict.wrapper_closes_before_proof = 1,
            |verdict| verdict.forced = 1,
            |verdict| verdict.repeated_closes = 1,
            |verdict| verdict.repeated_wrapper_closes = 1,
            |verdict| verdict.forged_accepted = 1,
        ];
        for (number, offend) in offences.into_iter().enumerate() {
            let mut verdict = clean.clone();
            offend(&mut verdict);
            assert_eq!(broken(&verdict), 1, "offence {number}");
        }
    }

    #[test]
    fn the_opening_explains_every_kind_of_session_and_fits_a_terminal() {
        let simulator = Simulator::builder().build().unwrap();
        let cast = cast::cast(&simulator, 240).unwrap();
        let text = opening(240, &cast, "http://127.0.0.1:65535", "http://127.0.0.1:65535");
        for part in &cast.parts {
            assert!(!part.story.is_empty() && text.contains(part.story), "{}", part.name);
        }
        for line in text.lines() {
            assert!(line.chars().count() <= 85, "{line}");
        }
    }
}
