//! What is measured of a queue (interfaces §6).

use metrics::{counter, gauge};

/// A message came in, and this became of it.
pub(crate) fn message(adapter: &str, result: &'static str) {
    counter!("closeout_queue_messages_total", "adapter" => adapter.to_owned(), "result" => result)
        .increment(1);
}

/// A request to the queue failed.
pub(crate) fn fault(adapter: &str, action: &'static str, kind: &'static str) {
    counter!("closeout_queue_faults_total", "adapter" => adapter.to_owned(), "action" => action, "kind" => kind)
        .increment(1);
}

/// So many messages wait in the queue.
pub(crate) fn waiting(adapter: &str, messages: u64) {
    let messages = f64::from(u32::try_from(messages).unwrap_or(u32::MAX));
    gauge!("closeout_source_lag_messages", "source" => adapter.to_owned()).set(messages);
}
