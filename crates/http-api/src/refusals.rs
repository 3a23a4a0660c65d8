//! The pace at which commands are refused while more of them come than can be taken.
//!
//! A refusal costs some tens of microseconds of the processor, on both sides of the connection. Whoever is refused at once and heeds no
//! `Retry-After` asks at once again, and the processor is soon busy with nothing but saying no. So a refusal waits for its turn; who
//! waits asks nothing meanwhile (docs/adr/0041).

use std::{num::NonZeroUsize, sync::Mutex, thread, time::Duration};

use tokio::{
    sync::Semaphore,
    time::{Instant, sleep_until},
};

/// How many refusals a second one core may spend on: a twentieth of its time.
const A_SECOND_FOR_EACH_CORE: u32 = 1_000;

/// For how much time refusals may come at once, so that a burst is told at once.
const BURST: Duration = Duration::from_millis(100);

/// The longest that a refusal waits: as long as `Retry-After` asks for, and far shorter than any producer waits for an answer.
const LONGEST: Duration = Duration::from_secs(1);

/// Gives each refusal its turn.
#[derive(Debug)]
pub(crate) struct Refusals {
    /// The time between two refusals.
    apart: Duration,
    /// When the refusals that were given a turn so far have had theirs, one after the other.
    had_by: Mutex<Option<Instant>>,
    /// How many more may wait: whoever waits holds a connection, and others need some, too.
    room: Semaphore,
}

impl Refusals {
    /// The pace of this machine, for a server with so many connections at once: half of them may wait.
    pub(crate) fn of_this_machine(connections: usize) -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self::of(u32::try_from(cores).unwrap_or(u32::MAX), connections / 2)
    }

    fn of(cores: u32, room: usize) -> Self {
        let a_second = A_SECOND_FOR_EACH_CORE.saturating_mul(cores);
        let room = Semaphore::new(room.min(Semaphore::MAX_PERMITS));
        Self { apart: Duration::from_secs(1) / a_second, had_by: Mutex::new(None), room }
    }

    /// Waits until it is this one's turn, at most [`LONGEST`], and not at all where as many wait as may.
    pub(crate) async fn turn(&self) {
        let Ok(_place) = self.room.try_acquire() else { return };
        let now = Instant::now();
        let turn = self.next(now);
        if turn > now {
            sleep_until(turn).await;
        }
    }

    /// When the next one has its turn, which is taken by asking.
    fn next(&self, now: Instant) -> Instant {
        let Ok(mut had_by) = self.had_by.lock() else { return now };
        let begin = had_by.map_or(now, |had_by| had_by.max(now));
        // Those that come when all turns of the next second are taken have the last of them, and take none of another second.
        let end = (begin + self.apart).min(now + BURST + LONGEST);
        *had_by = Some(end);
        end.checked_sub(BURST).map_or(now, |turn| turn.max(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// How long each of so many waits that are refused at the same time.
    fn waits(refusals: &Refusals, now: Instant, number: usize) -> Vec<Duration> {
        (0..number).map(|_| refusals.next(now) - now).collect()
    }

    #[test]
    fn a_burst_is_told_at_once_and_what_comes_behind_it_in_turn() {
        let (refusals, now) = (Refusals::of(2, 0), Instant::now());
        let waits = waits(&refusals, now, 1_200);
        assert!(waits[..200].iter().all(Duration::is_zero), "a tenth of a second's worth");
        assert_eq!(waits[201], MS);
        assert_eq!(waits[1_199], 500 * MS, "two in a millisecond");
    }

    #[test]
    fn none_waits_longer_than_a_second_however_many_there_are() {
        let (refusals, now) = (Refusals::of(1, 0), Instant::now());
        let many = waits(&refusals, now, 100_000);
        assert_eq!(many.iter().max(), Some(&LONGEST));
        // They were told a second later, and with them ends what they took.
        let later = now + LONGEST + BURST;
        assert_eq!(waits(&refusals, later, 1), [Duration::ZERO]);
    }

    #[test]
    fn who_is_refused_now_and_then_does_not_wait() {
        let (refusals, begin) = (Refusals::of(1, 0), Instant::now());
        for number in 0..1_000 {
            let now = begin + MS * number;
            assert_eq!(refusals.next(now), now, "{number}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn as_many_wait_as_may_and_all_others_are_told_at_once() {
        let refusals = Refusals::of(1, 500);
        let begin = Instant::now();
        let waits = futures_util::future::join_all((0..2_000).map(|_| async {
            refusals.turn().await;
            begin.elapsed()
        }));
        let waits = waits.await;
        let waited = waits.iter().filter(|wait| !wait.is_zero()).count();
        // A hundred had their turn at once, and gave their places back.
        assert_eq!(waited, 500);
        assert!(waits.iter().all(|wait| *wait <= LONGEST), "{:?}", waits.iter().max());
        refusals.turn().await;
        assert!(begin.elapsed() > Duration::from_millis(500), "places come back, and turns go on");
    }
}
