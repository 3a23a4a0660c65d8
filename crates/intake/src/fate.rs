//! What is done with a message: a pure function of what became of it.

use std::time::Duration;

use queue::Settlement;

use crate::pace::growing;

/// The first time after which a message comes again when the store is away, doubled at every further delivery.
const STORE_AWAY_FIRST: Duration = Duration::from_secs(2);

/// The longest: a store that is back is used within half a minute for what was in hand, and at once for the rest.
const STORE_AWAY_MOST: Duration = Duration::from_secs(30);

/// The longest time after which a message comes again for which there was no room.
const FULL_MOST: Duration = Duration::from_secs(60);

/// How long a message waits that cannot be taken while its source has as many dead letters as it may have.
const OVERFULL: Duration = Duration::from_secs(300);

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Met {
    /// What it asks is durable: a new closure, one that it joined, or the one that it had asked for before.
    Durable,
    /// It cannot be taken, and is kept as a dead letter.
    Buried,
    /// It cannot be taken, and its source has as many dead letters as it may have.
    Overfull,
    /// The organisation has as many open closures as it may have; there may be room after this time.
    Full(Duration),
    /// The store could not take it.
    StoreAway,
    /// Nobody looked at it, since the service is stopping or the source was paused.
    NotBegun,
}

/// What is done with a message, and then with its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fate {
    /// What the source is told of the message.
    pub settlement: Settlement,
    /// What holds up the source; nothing where it goes on at once.
    pub hold: Option<Hold>,
}

/// What holds up a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hold {
    /// Nothing is received for this time: there is no room.
    For(Duration),
    /// Nothing is received until the store answers.
    UntilTheStoreIsBack,
}

/// Decides what is done with a message that was delivered for the `deliveries`th time, this one included.
pub fn fate(met: Met, deliveries: u32) -> Fate {
    let go_on = |settlement| Fate { settlement, hold: None };
    match met {
        Met::Durable => go_on(Settlement::Taken),
        Met::Buried => go_on(Settlement::Poison),
        Met::Overfull => go_on(Settlement::Later(OVERFULL)),
        Met::Full(room_after) => Fate {
            settlement: Settlement::Later(growing(room_after, deliveries, FULL_MOST.max(room_after))),
            hold: Some(Hold::For(room_after)),
        },
        Met::StoreAway => Fate {
            settlement: Settlement::Later(growing(STORE_AWAY_FIRST, deliveries, STORE_AWAY_MOST)),
            hold: Some(Hold::UntilTheStoreIsBack),
        },
        Met::NotBegun => go_on(Settlement::Later(Duration::ZERO)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn everything_that_can_become_of_a_message_has_one_fate() {
        let later = |after| Settlement::Later(seconds(after));
        let room = Some(Hold::For(seconds(5)));
        let back = Some(Hold::UntilTheStoreIsBack);
        let table = [
            // What is durable goes, however often it came.
            (Met::Durable, 1, Settlement::Taken, None),
            (Met::Durable, 9, Settlement::Taken, None),
            // What is kept elsewhere goes too.
            (Met::Buried, 1, Settlement::Poison, None),
            (Met::Buried, 9, Settlement::Poison, None),
            // Where it can be kept nowhere it stays, and others go on.
            (Met::Overfull, 1, later(300), None),
            (Met::Overfull, u32::MAX, later(300), None),
            // No room is for the whole source.
            (Met::Full(seconds(5)), 1, later(5), room),
            (Met::Full(seconds(5)), 3, later(20), room),
            (Met::Full(seconds(5)), u32::MAX, later(60), room),
            (Met::Full(seconds(90)), 2, later(90), Some(Hold::For(seconds(90)))),
            // What could not be stored is never gone.
            (Met::StoreAway, 1, later(2), back),
            (Met::StoreAway, 3, later(8), back),
            (Met::StoreAway, u32::MAX, later(30), back),
            // What nobody looked at is for somebody else, at once.
            (Met::NotBegun, 1, later(0), None),
            (Met::NotBegun, 7, later(0), None),
        ];
        for (met, deliveries, settlement, hold) in table {
            assert_eq!(fate(met, deliveries), Fate { settlement, hold }, "{met:?}, {deliveries}");
        }
    }

    #[test]
    fn a_message_that_is_neither_durable_nor_kept_never_goes() {
        for deliveries in [0, 1, 2, 30, 1_000, u32::MAX] {
            for met in [
                Met::Overfull,
                Met::Full(Duration::ZERO),
                Met::Full(seconds(9)),
                Met::StoreAway,
                Met::NotBegun,
            ] {
                assert!(matches!(fate(met, deliveries).settlement, Settlement::Later(_)), "{met:?}");
            }
        }
    }

    #[test]
    fn a_store_that_is_away_holds_up_more_than_anything_else() {
        assert!(Hold::UntilTheStoreIsBack > Hold::For(Duration::MAX));
    }
}
