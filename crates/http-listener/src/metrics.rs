//! What is counted of connections.

use metrics::counter;

/// A connection was closed at once because there was no room for it.
pub(crate) fn connection_refused() {
    counter!("closeout_http_connections_refused_total").increment(1);
}

/// A connection was cut because its client took too long.
pub(crate) fn connection_cut(reason: &'static str) {
    counter!("closeout_http_connections_cut_total", "reason" => reason).increment(1);
}
