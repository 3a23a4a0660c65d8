//! What the driver counts (interfaces §6). No ids in labels.

use closure_machine::{Announcement, Step};
use genesys_types::Span;
use metrics::{counter, gauge, histogram};

use crate::{names, record::Record};

/// A command was received and this became of it.
pub(crate) fn command(source: &str, result: &'static str) {
    counter!("closeout_commands_received_total", "source" => source.to_owned(), "result" => result)
        .increment(1);
}

/// A transition is durable.
pub(crate) fn transition(before: &Record, next: &Record, told: &[Announcement]) {
    let org = || next.organisation.as_str().to_owned();
    if next.closure.has_ended() && !before.closure.has_ended() {
        counter!("closeout_closures_total", "org" => org(), "outcome" => names::state(&next.closure))
            .increment(1);
    }
    for announcement in told {
        match (announcement, &next.closure.step) {
            (Announcement::GhostDetected, Step::Ghost(ghost)) => {
                let reason = names::ghost_reason(ghost.reason);
                counter!("closeout_ghosts_total", "org" => org(), "reason" => reason).increment(1);
            }
            (Announcement::Confirmed, _) => confirmed(next),
            (Announcement::GuestReturned, _) => {
                let followed = if next.followed_by.is_some() { "yes" } else { "no" };
                counter!("closeout_guest_returns_total", "org" => org(), "followed" => followed).increment(1);
            }
            _ => {}
        }
    }
}

fn confirmed(next: &Record) {
    let (Some(by), Some(asked)) = (&next.confirmed_by, next.closure.first_asked_at) else { return };
    let adapter = by.adapter.clone().unwrap_or_else(|| names::proof_source(by.kind).to_owned());
    let org = next.organisation.as_str().to_owned();
    let seconds = f64::from(by.at.since(asked).millis()) / 1_000.0;
    histogram!("closeout_time_to_confirm_seconds", "org" => org, "adapter" => adapter).record(seconds);
}

/// An event came in by an adapter and this became of it.
pub(crate) fn confirmation(adapter: &str, result: &'static str, at_seconds: f64) {
    counter!("closeout_confirmations_total", "adapter" => adapter.to_owned(), "result" => result)
        .increment(1);
    gauge!("closeout_adapter_last_event_timestamp_seconds", "adapter" => adapter.to_owned()).set(at_seconds);
}

/// The end of a guest was read back, after the time in which this adapter should have told of it.
pub(crate) fn event_lost(adapter: &str) {
    let result = names::WEBHOOK_LOST;
    counter!("closeout_confirmations_total", "adapter" => adapter.to_owned(), "result" => result)
        .increment(1);
}

/// How long after it happened an event came in by an adapter.
pub(crate) fn adapter_lag(adapter: &str, lag: Span) {
    let seconds = lag.duration().as_secs_f64();
    gauge!("closeout_adapter_lag_seconds", "adapter" => adapter.to_owned()).set(seconds);
}

/// Whether an adapter is silent although closures wait.
pub(crate) fn adapter_silent(adapter: &str, silent: bool) {
    gauge!("closeout_adapter_silent", "adapter" => adapter.to_owned()).set(f64::from(u8::from(silent)));
}

/// An operator acted.
pub(crate) fn operator_action(action: &'static str, role: &str) {
    counter!("closeout_operator_actions_total", "action" => action, "role" => role.to_owned()).increment(1);
}

/// How many closures are open in a state, and how old the oldest is.
pub(crate) fn open(org: &str, state: &'static str, number: u32, oldest_age_seconds: f64) {
    gauge!("closeout_closures_open", "org" => org.to_owned(), "state" => state).set(f64::from(number));
    gauge!("closeout_oldest_open_age_seconds", "org" => org.to_owned(), "state" => state)
        .set(oldest_age_seconds);
}

/// How many ghosts there are for a reason.
pub(crate) fn ghosts_open(org: &str, reason: &'static str, number: u32) {
    gauge!("closeout_ghosts_open", "org" => org.to_owned(), "reason" => reason).set(f64::from(number));
}
