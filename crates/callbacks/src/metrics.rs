//! What is counted.

use metrics::{counter, describe_counter};

const TRIES: &str = "closeout_callbacks_total";

pub(crate) fn describe() {
    describe_counter!(TRIES, "Tries to tell a receiver of an event, by what came of them.");
}

pub(crate) fn tried(result: &'static str) {
    counter!(TRIES, "result" => result).increment(1);
}
