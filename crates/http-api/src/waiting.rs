//! Why a closure that is due stands still: it waits for its organisation, not for evidence.

use closure_machine::Turn;
use genesys_types::Time;
use orchestrator::{Orchestrator, OrganisationStatus, Record};

/// What a closure waits for whose next call is due; `None` where it waits for evidence or for its time, calls, or has
/// ended.
pub(crate) fn waiting_for(orchestrator: &Orchestrator, record: &Record) -> Option<&'static str> {
    if !is_due(record, orchestrator.now()) {
        return None;
    }
    let all = orchestrator.status();
    let status = all.iter().find(|status| status.name == record.organisation)?;
    match status {
        OrganisationStatus { paused: true, .. } => Some("organisation_paused"),
        OrganisationStatus { blocked_until: Some(_), .. } => Some("organisation_blocked"),
        // Nobody queues: it is on its way to its call.
        OrganisationStatus { ready: 0, .. } => None,
        OrganisationStatus { .. } => Some("quota"),
    }
}

fn is_due(record: &Record, now: Time) -> bool {
    match record.closure.turn {
        Turn::Due { at } => at <= now,
        Turn::InFlight { .. } | Turn::Over => false,
    }
}
