//! What is done with a message: a pure function of what became of it.

use std::time::Duration;

use orchestrator::Delivered;

use crate::queue::Redrive;

/// The first time for which a message is hidden when the store is away, doubled at every further receive.
const STORE_AWAY_FIRST: Duration = Duration::from_secs(2);

/// The longest: a store that is back is used within five minutes at the latest.
const STORE_AWAY_MOST: Duration = Duration::from_secs(300);

/// The first time for which an unreadable message is hidden while it is on its way to the dead-letter queue.
const REDRIVE_FIRST: Duration = Duration::from_secs(1);

/// The longest. With the usual 3 to 10 receives, a message is in the dead-letter queue within 4 minutes.
const REDRIVE_MOST: Duration = Duration::from_secs(60);

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Met {
    /// Its event is durable.
    Committed(Delivered),
    /// It is of another organisation than the adapter's.
    Foreign,
    /// It cannot be read.
    Unreadable,
    /// The store could not take it.
    StoreAway,
    /// Nobody looked at it, since the adapter is stopping.
    NotBegun,
}

/// What is done with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is deleted.
    Delete,
    /// It stays in the queue and is hidden for so long; 0 makes it visible at once.
    Hide(Duration),
}

/// Decides what is done with a message that was received for the `receives`th time, this one included. `redrive` is nothing
/// while it is not known what the queue does by itself.
///
/// An unreadable message is deleted only where the queue is known to keep no dead letters: then it would come again for days.
/// Elsewhere it is left to the queue, with growing pauses.
pub fn fate(met: Met, receives: u32, redrive: Option<Redrive>) -> Fate {
    match met {
        Met::Committed(
            Delivered::Taken(_)
            | Delivered::NothingNew(_)
            | Delivered::Unmatched
            | Delivered::NotAnEnding
            | Delivered::Duplicate
            | Delivered::Conflict,
        )
        | Met::Foreign => Fate::Delete,
        Met::Unreadable => match redrive {
            Some(Redrive::Never) => Fate::Delete,
            Some(Redrive::After(_)) | None => Fate::Hide(growing(REDRIVE_FIRST, receives, REDRIVE_MOST)),
        },
        Met::StoreAway => Fate::Hide(growing(STORE_AWAY_FIRST, receives, STORE_AWAY_MOST)),
        Met::NotBegun => Fate::Hide(Duration::ZERO),
    }
}

/// `first`, doubled for each time after the first, at most `most`.
pub(crate) fn growing(first: Duration, times: u32, most: Duration) -> Duration {
    let doublings = times.saturating_sub(1).min(31);
    first.saturating_mul(1 << doublings).min(most)
}

#[cfg(test)]
mod tests {
    use store::ClosureKey;

    use super::*;

    #[test]
    fn every_outcome_has_one_fate() {
        let key = ClosureKey::from_u128(1);
        let hide = |seconds| Fate::Hide(Duration::from_secs(seconds));
        let never = Some(Redrive::Never);
        let after = Some(Redrive::After(3));
        let table = [
            // What is durable goes, whatever it was and however often it came.
            (Met::Committed(Delivered::Taken(key)), 1, never, Fate::Delete),
            (Met::Committed(Delivered::Taken(key)), 9, after, Fate::Delete),
            (Met::Committed(Delivered::NothingNew(key)), 1, None, Fate::Delete),
            (Met::Committed(Delivered::Unmatched), 1, after, Fate::Delete),
            (Met::Committed(Delivered::NotAnEnding), 1, after, Fate::Delete),
            (Met::Committed(Delivered::Duplicate), 2, after, Fate::Delete),
            (Met::Committed(Delivered::Conflict), 2, never, Fate::Delete),
            // Another organisation's is no evidence here and no fault of the queue's.
            (Met::Foreign, 1, never, Fate::Delete),
            (Met::Foreign, 1, after, Fate::Delete),
            (Met::Foreign, 1, None, Fate::Delete),
            // What cannot be read is left to a queue that keeps dead letters, or that may keep them.
            (Met::Unreadable, 1, never, Fate::Delete),
            (Met::Unreadable, 1, after, hide(1)),
            (Met::Unreadable, 2, after, hide(2)),
            (Met::Unreadable, 3, after, hide(4)),
            (Met::Unreadable, 100, after, hide(60)),
            (Met::Unreadable, 1, None, hide(1)),
            (Met::Unreadable, 50, None, hide(60)),
            // What could not be stored is never deleted.
            (Met::StoreAway, 1, never, hide(2)),
            (Met::StoreAway, 2, after, hide(4)),
            (Met::StoreAway, 4, None, hide(16)),
            (Met::StoreAway, u32::MAX, never, hide(300)),
            // What nobody looked at is for somebody else, at once.
            (Met::NotBegun, 1, never, hide(0)),
            (Met::NotBegun, 7, after, hide(0)),
        ];
        for (met, receives, redrive, expected) in table {
            assert_eq!(fate(met, receives, redrive), expected, "{met:?}, {receives}, {redrive:?}");
        }
    }

    #[test]
    fn a_message_that_is_not_durable_is_never_deleted() {
        for receives in [0, 1, 2, 30, 1_000, u32::MAX] {
            for redrive in [None, Some(Redrive::Never), Some(Redrive::After(1)), Some(Redrive::After(1_000))]
            {
                for met in [Met::StoreAway, Met::NotBegun] {
                    assert_ne!(fate(met, receives, redrive), Fate::Delete, "{met:?}");
                }
            }
        }
    }
}
