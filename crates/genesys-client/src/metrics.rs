//! What is counted of the calls to Genesys. Labels hold the organisation and the operation, never a conversation.

use std::time::Duration;

use genesys_types::Organisation;

use crate::Quota;

/// One request was sent, or could not be. `status` is `None` without an answer.
pub(crate) fn request(org: &Organisation, operation: &'static str, status: Option<u16>, took: Duration) {
    let class = match status {
        None => "none",
        Some(200..=299) => "2xx",
        Some(300..=399) => "3xx",
        Some(400..=499) => "4xx",
        Some(_) => "5xx",
    };
    let org = org.as_str().to_owned();
    metrics::counter!("closeout_genesys_requests_total", "org" => org.clone(), "operation" => operation, "status_class" => class)
        .increment(1);
    metrics::histogram!("closeout_genesys_request_duration_seconds", "org" => org, "operation" => operation)
        .record(took.as_secs_f64());
}

/// What is left of the quota, and for how long work was held back.
pub(crate) fn quota(org: &Organisation, quota: &Quota) {
    if let Some(remaining) = quota.remaining() {
        let remaining = u32::try_from(remaining).unwrap_or(u32::MAX);
        metrics::gauge!("closeout_genesys_ratelimit_remaining", "org" => org.as_str().to_owned())
            .set(f64::from(remaining));
    }
    let seconds = quota.drain_throttled_seconds();
    if seconds > 0 {
        metrics::counter!("closeout_genesys_throttled_seconds_total", "org" => org.as_str().to_owned())
            .increment(seconds);
    }
}
