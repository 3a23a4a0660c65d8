//! Stops calls to a host that is down, and finds out when it is back with one call at a time.

/// Failures in a row after which the breaker opens. More than one restart of the host cuts at a small load, fewer
/// than a retry storm needs.
const OPENS_AFTER: u32 = 10;

/// The first interval between probes in milliseconds; it doubles with every probe that fails.
const FIRST_INTERVAL: u64 = 500;

/// The longest interval between probes in milliseconds.
const LONGEST_INTERVAL: u64 = 60_000;

/// A circuit breaker, pure over a clock in milliseconds.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    interval: u64,
    next_probe_at: u64,
    probing: bool,
}

/// The way through an open breaker is shut.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shut {
    /// How long until a probe may go; `None` while one is under way.
    pub(super) for_ms: Option<u64>,
}

impl Breaker {
    /// Lets a call through, or says how long it has to wait. `Ok(true)`: the call is the probe.
    pub(super) fn pass(&mut self, now: u64) -> Result<bool, Shut> {
        match &mut self.open {
            None => Ok(false),
            Some(open) if open.probing => Err(Shut { for_ms: None }),
            Some(open) if now < open.next_probe_at => Err(Shut { for_ms: Some(open.next_probe_at - now) }),
            Some(open) => {
                open.probing = true;
                Ok(true)
            }
        }
    }

    /// The probe was not sent after all.
    pub(super) fn probe_returned(&mut self) {
        if let Some(open) = &mut self.open {
            open.probing = false;
        }
    }

    /// The host answered something other than a failure. Returns whether this closed the breaker.
    pub(super) fn succeeded(&mut self) -> bool {
        self.failures = 0;
        self.open.take().is_some()
    }

    /// The host was not reached, did not answer, or failed. Returns whether this opened the breaker. `jitter` is
    /// between 0 and 1 and shortens the interval by up to a fifth, so that replicas do not probe in step.
    pub(super) fn failed(&mut self, now: u64, was_probe: bool, jitter: f64) -> bool {
        self.failures = self.failures.saturating_add(1);
        match &mut self.open {
            None if self.failures < OPENS_AFTER => false,
            None => {
                self.open = Some(Open {
                    interval: FIRST_INTERVAL,
                    next_probe_at: now + shortened(FIRST_INTERVAL, jitter),
                    probing: false,
                });
                true
            }
            Some(open) if was_probe => {
                open.interval = (open.interval * 2).min(LONGEST_INTERVAL);
                open.next_probe_at = now + shortened(open.interval, jitter);
                open.probing = false;
                false
            }
            Some(_) => false,
        }
    }

    /// Whether calls are held back.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }
}

fn shortened(interval: u64, jitter: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "at most a fifth of a minute"
    )]
    let off = (interval as f64 * 0.2 * jitter) as u64;
    interval - off
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened() -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 1..OPENS_AFTER {
            assert!(!breaker.failed(0, false, 0.0));
        }
        assert!(breaker.failed(0, false, 0.0));
        breaker
    }

    #[test]
    fn a_success_between_failures_keeps_it_closed() {
        let mut breaker = Breaker::default();
        for _ in 0..OPENS_AFTER * 3 {
            breaker.failed(0, false, 0.0);
            breaker.succeeded();
        }
        assert_eq!(breaker.pass(0), Ok(false));
    }

    #[test]
    fn one_probe_at_a_time_at_growing_intervals() {
        let mut breaker = opened();
        assert_eq!(breaker.pass(0), Err(Shut { for_ms: Some(500) }));
        let mut now = 500;
        let mut expected = 1_000;
        for _ in 0..10 {
            assert_eq!(breaker.pass(now), Ok(true));
            assert_eq!(breaker.pass(now), Err(Shut { for_ms: None }));
            breaker.failed(now, true, 0.0);
            assert_eq!(breaker.pass(now), Err(Shut { for_ms: Some(expected) }));
            now += expected;
            expected = (expected * 2).min(LONGEST_INTERVAL);
        }
        assert_eq!(breaker.pass(now), Ok(true));
        assert!(breaker.succeeded());
        assert_eq!(breaker.pass(now), Ok(false));
    }

    #[test]
    fn a_probe_that_was_not_sent_leaves_the_way_for_the_next() {
        let mut breaker = opened();
        assert_eq!(breaker.pass(500), Ok(true));
        breaker.probe_returned();
        assert_eq!(breaker.pass(500), Ok(true));
    }

    #[test]
    fn a_late_failure_of_an_older_call_is_not_the_probes() {
        let mut breaker = opened();
        assert_eq!(breaker.pass(500), Ok(true));
        breaker.failed(501, false, 0.0);
        assert_eq!(breaker.pass(600), Err(Shut { for_ms: None }));
    }
}
