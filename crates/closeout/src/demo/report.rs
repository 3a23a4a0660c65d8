//! What is said at the beginning and at the end, and whether every promise held.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use genesys_simulator::Simulator;
use serde_json::Value;
use uuid::Uuid;

use super::cast::{Cast, Expected};

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

/// Says what is about to happen.
pub fn opening(sessions: u32, cast: &Cast, service: &str, simulator: &str) {
    println!("Closeout demo: {sessions} guest sessions are closed, and the end of each is proven.\n");
    println!("  simulated Genesys   {simulator}   300 requests a window, events signed with HMAC-SHA256");
    println!("  service             {service}   SQLite with full sync, killed once in the middle");
    let parts: Vec<String> =
        cast.parts.iter().map(|part| format!("{} {}", part.sessions, part.name)).collect();
    println!("  sessions            {}\n", wrap(&parts.join(" · "), 88, 22));
}

/// Says what happened; `true` if every promise held.
pub fn closing(outcome: &Outcome<'_>) -> bool {
    what_became(outcome);
    ghosts(outcome);
    figures(outcome);
    let promises = promises(outcome);
    println!("\nPromises");
    let mut held = true;
    for (kept, text) in &promises {
        held &= *kept;
        println!("  {}  {text}", if *kept { "kept  " } else { "BROKEN" });
    }
    if held {
        println!("\nEvery promise held. Try next:");
        println!("  closeout dev                           service and simulator to play with, and a key");
        println!("  closeout dev --chaos lost-webhook      the same, with every event lost");
        println!("  closeout config init                   a configuration for your own organisation");
    } else {
        println!("\nA promise was broken. Run again with --keep and look at service.log in the folder.");
    }
    held
}

fn what_became(outcome: &Outcome<'_>) {
    let mut rows: BTreeMap<(u8, String), usize> = BTreeMap::new();
    for closure in outcome.closures {
        let text = |field: &str| closure[field].as_str().unwrap_or_default().to_owned();
        let by = closure["confirmedBy"]["kind"].as_str().unwrap_or("its state when found").to_owned();
        let row = match text("state").as_str() {
            "closed" => (0, format!("closed, proven by {by}")),
            "already_closed" => (1, "already closed, nothing asked".to_owned()),
            "failed" => (2, format!("refused: {}", text("reason"))),
            "ghost" => (3, format!("held as a ghost: {}", text("reason"))),
            other => (4, format!("still {other}")),
        };
        *rows.entry(row).or_default() += 1;
    }
    println!("What became of {} sessions in {:.1} s", outcome.closures.len(), outcome.took.as_secs_f64());
    for ((_, what), number) in rows {
        println!("  {number:>4}  {what}");
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
    println!("\nGhosts, and what an operator would do");
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
    let calls: u64 = outcome.closures.iter().filter_map(|closure| closure["apiCalls"].as_u64()).sum();
    let verdict = outcome.simulator.verdict();
    let number = outcome.closures.len().max(1);
    println!("\nFigures");
    println!(
        "  from command to closed     p50 {:.2} s   p99 {:.2} s",
        percentile(&taken, 50),
        percentile(&taken, 99)
    );
    let per_closure =
        f64::from(u32::try_from(calls).unwrap_or(u32::MAX)) / f64::from(u32::try_from(number).unwrap_or(1));
    println!(
        "  calls per closure          {per_closure:.2}   (3 when nothing goes wrong, 1 when it was closed already)"
    );
    println!("  calls refused by the quota {}   (storms of the simulator)", verdict.rate_limited);
    println!("  forged webhooks            {} sent, {} taken", verdict.forged_sent, verdict.forged_accepted);
    if let Some(crash) = outcome.crash {
        println!(
            "  kill -9                    with {} closures open; ready again after {:.2} s",
            crash.open,
            crash.back_after.as_secs_f64()
        );
    }
}

fn promises(outcome: &Outcome<'_>) -> Vec<(bool, String)> {
    let verdict = outcome.simulator.verdict();
    let early = verdict.wrapper_closes_before_guest_gone + verdict.wrapper_closes_before_proof;
    let repeated = verdict.repeated_closes + verdict.repeated_wrapper_closes;
    let known: HashMap<&str, &Value> = outcome
        .closures
        .iter()
        .filter_map(|closure| Some((closure["conversationId"].as_str()?, closure)))
        .collect();
    let lost = outcome.cast.sessions.len()
        - outcome.submitted.keys().filter(|id| known.contains_key(id.to_string().as_str())).count();
    let unexpected = unexpected(outcome);
    let false_claims =
        outcome.closures.iter().filter(|closure| contradicts_truth(outcome.simulator, closure)).count();
    vec![
        (early == 0, format!("wrapper closed before the guest was proven gone: {early}")),
        (
            verdict.forced == 0,
            format!("torn down by force, which no operator asked for here: {}", verdict.forced),
        ),
        (lost == 0, format!("commands lost: {lost}")),
        (repeated == 0, format!("the same close asked twice without a read in between: {repeated}")),
        (verdict.forged_accepted == 0, format!("forged webhooks taken: {}", verdict.forged_accepted)),
        (false_claims == 0, format!("closures that say other than the simulator knows: {false_claims}")),
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
    ]
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

fn wrap(text: &str, width: usize, indent: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(" · ") {
        let last = lines.len() - 1;
        if !lines[last].is_empty() && lines[last].chars().count() + word.chars().count() > width {
            lines.push(String::new());
        }
        let last = lines.len() - 1;
        if !lines[last].is_empty() {
            lines[last].push_str(" · ");
        }
        lines[last].push_str(word);
    }
    lines.join(&format!("\n{}", " ".repeat(indent)))
}
