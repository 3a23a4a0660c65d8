//! What is measured of sources (interfaces §6). What became of a command that was submitted, the driver counts.

use ::metrics::{counter, gauge};

/// A message held no command that could be submitted.
pub(crate) fn refused(source: &str, result: &'static str) {
    counter!("closeout_commands_received_total", "source" => source.to_owned(), "result" => result)
        .increment(1);
}

/// A request to the broker failed.
pub(crate) fn fault(source: &str, action: &'static str, kind: &'static str) {
    counter!("closeout_source_faults_total", "source" => source.to_owned(), "action" => action, "kind" => kind)
        .increment(1);
}

/// So many messages wait at the broker.
pub(crate) fn lag(source: &str, messages: u64) {
    gauge!("closeout_source_lag_messages", "source" => source.to_owned()).set(float(messages));
}

/// Whether an operator paused the source.
pub(crate) fn paused(source: &str, paused: bool) {
    gauge!("closeout_source_paused", "source" => source.to_owned()).set(f64::from(u8::from(paused)));
}

/// The source stood still and was opened anew.
pub(crate) fn reopened(source: &str) {
    counter!("closeout_source_reopened_total", "source" => source.to_owned()).increment(1);
}

/// So many dead letters wait for somebody.
pub(crate) fn dead_letters(source: &str, letters: u64) {
    gauge!("closeout_dead_letters", "source" => source.to_owned()).set(float(letters));
}

/// An ending was published, or could not be.
pub(crate) fn ending(source: &str, result: &'static str) {
    counter!("closeout_source_endings_total", "source" => source.to_owned(), "result" => result).increment(1);
}

fn float(number: u64) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}
