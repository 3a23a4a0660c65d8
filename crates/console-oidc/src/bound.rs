//! How many codes are exchanged: anybody can begin a log-in and come back with a code of their own making, and each has this service ask
//! the provider.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::Instant,
};

/// So many codes are exchanged at once; others wait, each for as long as one before it may take.
const AT_ONCE: usize = 4;

/// So many log-ins come back in one go: all operators of a large house, after a restart.
const AT_A_STRETCH: u32 = 30;

/// Over time one comes back in so long.
const ONE_IN: Duration = Duration::from_secs(1);

/// Leaves to exchange a code.
#[derive(Debug)]
pub(crate) struct Bound {
    at_once: Semaphore,
    bucket: Mutex<Bucket>,
}

impl Default for Bound {
    fn default() -> Self {
        Self { at_once: Semaphore::new(AT_ONCE), bucket: Mutex::default() }
    }
}

impl Bound {
    /// Leave for one exchange, for as long as it is held; nothing where too many came before. Whoever gives up waiting takes no leave.
    pub(crate) async fn leave(&self) -> Option<SemaphorePermit<'_>> {
        let now = Instant::now();
        if !self.bucket.lock().unwrap_or_else(PoisonError::into_inner).takes(now) {
            return None;
        }
        self.at_once.acquire().await.ok()
    }
}

/// When the next one would be in its turn if they came evenly: the later that is, the fuller.
#[derive(Debug, Default)]
struct Bucket {
    next: Option<Instant>,
}

impl Bucket {
    /// Whether there is room for one more at this moment; then it is taken.
    fn takes(&mut self, now: Instant) -> bool {
        let next = self.next.map_or(now, |next| next.max(now));
        let has_room = next - now <= ONE_IN * (AT_A_STRETCH - 1);
        if has_room {
            self.next = Some(next + ONE_IN);
        }
        has_room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_come_in_one_go_and_then_one_after_another() {
        let (mut bucket, begin) = (Bucket::default(), Instant::now());
        let mut taken = |at: Duration| (0..100).filter(|_| bucket.takes(begin + at)).count();
        assert_eq!(taken(Duration::ZERO), 30);
        assert_eq!(taken(Duration::from_millis(999)), 0);
        assert_eq!(taken(Duration::from_secs(1)), 1);
        assert_eq!(taken(Duration::from_secs(11)), 10);
        assert_eq!(taken(Duration::from_secs(3_600)), 30, "and no more for having waited");
    }

    #[tokio::test]
    async fn a_few_are_exchanged_at_once_and_others_wait() {
        let bound = Bound::default();
        let mut held = Vec::new();
        for _ in 0..AT_ONCE {
            held.push(bound.leave().await.unwrap());
        }
        let mut waits = if_at_once(&bound);
        assert!(waits.as_mut().await.is_none(), "it waits");
        held.pop();
        assert!(bound.leave().await.is_some());
    }

    /// Leave, if it is given at once.
    fn if_at_once(
        bound: &Bound,
    ) -> std::pin::Pin<Box<dyn Future<Output = Option<SemaphorePermit<'_>>> + '_>> {
        Box::pin(async {
            tokio::select! { biased; leave = bound.leave() => leave, () = tokio::task::yield_now() => None }
        })
    }
}
