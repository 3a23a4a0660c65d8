//! What the API counts beyond what the driver counts (interfaces §6).

use metrics::counter;

/// An operator acted on a whole organisation.
pub(crate) fn operator_action(action: &'static str, role: &'static str) {
    counter!("closeout_operator_actions_total", "action" => action, "role" => role).increment(1);
}
