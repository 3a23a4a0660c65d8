//! How busy the processor is, as the runtime's threads feel it: where they have no time to spare, each command that is taken
//! costs the time in which one that was taken before would be closed.
//!
//! The number of open closures does not tell of it, as a backlog that waits for the quota, or for Genesys to come back, is to be
//! taken. The time for which threads had something to do does, and says the same on a machine that others share.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::runtime::Handle;

/// Over which time at least it is measured: far above what one commit or one burst of events takes.
const WINDOW: Duration = Duration::from_millis(100);

/// Nine tenths of the time of all threads: what is left is what they need to fall asleep and wake up.
const BUSY_IN_TENTHS: u32 = 9;

/// Measures while it is asked. The clock is the machine's, also where a test stops Tokio's: threads are busy by that one.
#[derive(Debug, Default)]
pub(crate) struct Processor {
    latest: Mutex<Option<Sample>>,
    has_none_to_spare: AtomicBool,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Instant,
    busy: Duration,
}

impl Processor {
    /// Whether all threads of the runtime that asks had hardly a moment without work in the latest window.
    pub(crate) fn has_none_to_spare(&self) -> bool {
        // Whoever measures at this moment leaves the answer for the next one.
        if let Ok(mut latest) = self.latest.try_lock() {
            let now = Instant::now();
            let is_due = latest.is_none_or(|before| now.duration_since(before.at) >= WINDOW);
            if is_due {
                let sample = Sample { at: now, busy: busy() };
                let before = latest.replace(sample);
                let answer = before.is_some_and(|before| before.leads_to(sample));
                self.has_none_to_spare.store(answer, Ordering::Relaxed);
            }
        }
        self.has_none_to_spare.load(Ordering::Relaxed)
    }
}

impl Sample {
    /// Whether threads were busy nearly all the time between the two.
    fn leads_to(self, next: Self) -> bool {
        let threads = u32::try_from(Handle::current().metrics().num_workers()).unwrap_or(u32::MAX);
        let there_was = next.at.duration_since(self.at).saturating_mul(threads);
        next.busy.saturating_sub(self.busy) >= there_was / 10 * BUSY_IN_TENTHS
    }
}

/// The time for which the runtime's threads were busy since it began.
fn busy() -> Duration {
    let metrics = Handle::current().metrics();
    (0..metrics.num_workers()).map(|worker| metrics.worker_total_busy_duration(worker)).sum()
}

#[cfg(test)]
mod tests {
    use tokio::{task::yield_now, time::sleep};

    use super::*;

    /// Works for so long, and lets the runtime count it now and then.
    async fn work(time: Duration) {
        let begun = Instant::now();
        while begun.elapsed() < time {
            let piece = Instant::now();
            while piece.elapsed() < Duration::from_millis(1) {
                std::hint::spin_loop();
            }
            yield_now().await;
        }
    }

    #[tokio::test]
    async fn threads_that_only_work_have_none_to_spare_and_those_that_rest_have() {
        let processor = Processor::default();
        assert!(!processor.has_none_to_spare(), "nothing was measured");
        work(WINDOW * 2).await;
        assert!(processor.has_none_to_spare(), "it worked all the time");
        assert!(processor.has_none_to_spare(), "the answer stays for the window");
        sleep(WINDOW * 2).await;
        assert!(!processor.has_none_to_spare(), "it rested");
    }
}
