//! What is measured: how long a transaction takes, and how many writes share one.

use std::time::Duration;

use metrics::{Unit, describe_histogram, histogram};

const WRITE_DURATION: &str = "closeout_store_write_duration_seconds";
const WRITES_PER_TRANSACTION: &str = "closeout_store_writes_per_transaction";

pub(crate) fn describe() {
    describe_histogram!(
        WRITE_DURATION,
        Unit::Seconds,
        "Time from the start of a transaction until it is durable."
    );
    describe_histogram!(WRITES_PER_TRANSACTION, Unit::Count, "Writes that were made durable together.");
}

#[expect(clippy::cast_precision_loss, reason = "a batch has at most some thousand writes")]
pub(crate) fn transaction_written(writes: usize, took: Duration) {
    histogram!(WRITE_DURATION).record(took.as_secs_f64());
    histogram!(WRITES_PER_TRANSACTION).record(writes as f64);
}
