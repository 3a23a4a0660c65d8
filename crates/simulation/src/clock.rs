//! The clock of one life of a replica.

use std::sync::atomic::{AtomicU64, Ordering};

use genesys_types::Time;
use orchestrator::Clock;
use store::Millis;
use tokio::time::Instant;
use uuid::Uuid;

/// When every story begins: 2026-11-21T10:00:00Z. The simulation counts from there.
pub(crate) const BEGINNING: Millis = 1_795_255_200_000;

/// Time as the replica's own paused runtime tells it, and keys that are the same whenever the story is told.
pub(crate) struct ReplicaClock {
    began: Instant,
    began_at: Millis,
    lives: u64,
    keys: AtomicU64,
}

impl ReplicaClock {
    /// A clock for the life number `life` of a replica that starts at `at`. Made within its runtime.
    pub(crate) fn new(replica: usize, life: u32, at: Millis) -> Self {
        let lives = u64::from(life) << 8 | u64::try_from(replica).unwrap_or_default();
        Self { began: Instant::now(), began_at: at, lives, keys: AtomicU64::new(0) }
    }

    /// Milliseconds since the story began.
    pub(crate) fn at(&self) -> Millis {
        self.began_at + i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// The moment of the runtime's clock at which the story is at `at`.
    pub(crate) fn instant(&self, at: Millis) -> Instant {
        self.began + std::time::Duration::from_millis(u64::try_from(at - self.began_at).unwrap_or_default())
    }
}

impl Clock for ReplicaClock {
    fn now(&self) -> Time {
        Time::from_millis(BEGINNING + self.at())
    }

    fn fresh_key(&self) -> Uuid {
        let millis = u64::try_from(BEGINNING + self.at()).unwrap_or_default();
        let number = self.keys.fetch_add(1, Ordering::Relaxed);
        let mut random = [0; 10];
        // The first two bytes count, so that keys of one millisecond stand in their order.
        random[..2].copy_from_slice(&u16::try_from(number & 0x0fff).unwrap_or_default().to_be_bytes());
        random[2..].copy_from_slice(&(self.lives << 40 | number).to_be_bytes());
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }
}
