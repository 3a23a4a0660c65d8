//! Waiting for a closure, and what its state means to somebody who waited.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{
    client::Api,
    exit::{Exit, Failure},
};

/// The longest wait of one request; longer ones are asked again. Proxies cut silent requests after a minute.
pub const WAIT_AT_ONCE: Duration = Duration::from_secs(30);

/// Asks again until the closure is settled or the time is over.
///
/// # Errors
///
/// When the server refuses or does not answer.
pub async fn wait_until(api: &Api, mut closure: Value, until: Instant) -> Result<Value, Failure> {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let Some(id) = closure["id"].as_str().map(str::to_owned) else { return Ok(closure) };
        if exit_of(&closure) != Exit::InFlight || left.is_zero() {
            return Ok(closure);
        }
        let wait = left.min(WAIT_AT_ONCE);
        closure = api.get_within(&format!("/v1/closures/{id}"), &wait_query(Some(wait)), wait).await?.body;
    }
}

/// Looks once more at a closure that was not settled when it was last seen.
///
/// # Errors
///
/// When the server refuses or does not answer.
pub async fn look_again(api: &Api, closure: Value) -> Result<Value, Failure> {
    match closure["id"].as_str() {
        Some(id) if exit_of(&closure) == Exit::InFlight => {
            Ok(api.get(&format!("/v1/closures/{id}"), &[]).await?.body)
        }
        Some(_) | None => Ok(closure),
    }
}

/// The parameter that asks the server to wait.
pub fn wait_query(wait: Option<Duration>) -> Vec<(String, String)> {
    wait.map(|wait| ("wait".to_owned(), format!("{}ms", wait.as_millis()))).into_iter().collect()
}

/// What a closure's state means to somebody who waited.
pub fn exit_of(closure: &Value) -> Exit {
    Exit::of_state(closure["state"].as_str().unwrap_or_default())
}
