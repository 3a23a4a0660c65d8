//! What is counted.

use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, gauge};

const TRACES: &str = "closeout_traces_total";
const BEHIND: &str = "closeout_traces_behind_seconds";

pub(crate) fn describe() {
    describe_counter!(TRACES, "Parts of closures that were to be told as traces, by what came of them.");
    describe_gauge!(BEHIND, "How old the latest end is that the collector of traces has not been told of.");
}

/// So many were `sent`, came too `late`, or were `refused`.
pub(crate) fn told(result: &'static str, many: usize) {
    counter!(TRACES, "result" => result).increment(u64::try_from(many).unwrap_or(u64::MAX));
}

pub(crate) fn behind(age: Duration) {
    gauge!(BEHIND).set(age.as_secs_f64());
}
