//! What the API counts beyond what the driver counts (interfaces §6).

use metrics::{counter, gauge};

/// An operator acted on a whole organisation.
pub(crate) fn operator_action(action: &'static str, role: &'static str) {
    counter!("closeout_operator_actions_total", "action" => action, "role" => role).increment(1);
}

/// So many stored records cannot be read and were set aside.
#[expect(clippy::cast_precision_loss, reason = "there are never 2^52 records")]
pub(crate) fn quarantined(number: usize) {
    gauge!("closeout_quarantined").set(number as f64);
}
