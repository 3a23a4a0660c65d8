//! What is counted of webhooks (interfaces §6).

use std::sync::Arc;

use metrics::counter;

/// The label of requests to names that no hook has. No hook can have it, and what a stranger writes is no label.
const UNKNOWN: &str = "(unknown)";

/// A request came in, and this became of it.
pub(crate) fn received(hook: Option<&Arc<str>>, result: &'static str) {
    match hook {
        Some(name) => {
            counter!("closeout_hooks_received_total", "name" => Arc::clone(name), "result" => result)
                .increment(1);
        }
        None => {
            counter!("closeout_hooks_received_total", "name" => UNKNOWN, "result" => result).increment(1);
        }
    }
}
