//! Which closures are told.

use orchestrator::Record;

use crate::{ids, setup::Setup};

/// Whether a closure is told. One with `trouble` has become a ghost, or failed.
///
/// A producer's trace that is recorded has its closure beside it, and one that is not has none. Where the producer names no
/// trace, lots are drawn.
pub(crate) fn is_told(setup: &Setup, record: &Record, trouble: bool) -> bool {
    if trouble && setup.trouble_always {
        return true;
    }
    match record.said.as_ref().and_then(|said| said.trace) {
        Some(trace) => trace.is_sampled(),
        None => ids::lot(record.key) < setup.percent,
    }
}
