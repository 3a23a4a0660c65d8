//! The closures of one organisation that are due and wait for a permit: a queue for each class, and none of them twice.

use std::collections::{HashMap, VecDeque, hash_map::Entry};

use genesys_client::Class;
use store::ClosureKey;

/// The largest room that is kept for the next closures when the last one has left.
const ROOM: usize = 1_024;

#[derive(Debug, Default)]
pub(crate) struct Ready {
    queues: [VecDeque<ClosureKey>; Class::ALL.len()],
    /// In which queue each one stands.
    members: HashMap<ClosureKey, usize>,
}

impl Ready {
    /// Queues a closure behind the others of its class. One that is queued already keeps its place, unless it has become
    /// more urgent meanwhile. Answers whether it is new.
    pub(crate) fn push(&mut self, key: ClosureKey, class: Class) -> bool {
        let rank = rank(class);
        match self.members.entry(key) {
            Entry::Vacant(place) => {
                place.insert(rank);
                self.queues[rank].push_back(key);
                true
            }
            Entry::Occupied(mut place) => {
                let old = *place.get();
                if rank < old {
                    place.insert(rank);
                    let at = self.queues[old].iter().position(|queued| *queued == key);
                    at.and_then(|at| self.queues[old].remove(at));
                    self.queues[rank].push_back(key);
                }
                false
            }
        }
    }

    /// The most urgent closure of which `wanted` holds.
    pub(crate) fn find(&self, wanted: impl Fn(ClosureKey) -> bool) -> Option<Place> {
        self.queues.iter().enumerate().find_map(|(rank, queue)| {
            let index = queue.iter().position(|key| wanted(*key))?;
            Some(Place { rank, index })
        })
    }

    /// Takes out the closure at a place that was just found.
    pub(crate) fn take(&mut self, place: Place) -> Option<ClosureKey> {
        let key = self.queues[place.rank].remove(place.index)?;
        self.members.remove(&key);
        if self.members.is_empty() && self.members.capacity() > ROOM {
            // A backlog leaves nothing behind.
            *self = Self::default();
        }
        Some(key)
    }

    /// Whether anybody of this class, or of a more urgent one, is queueing.
    pub(crate) fn is_ahead_of(&self, class: Class) -> bool {
        self.queues.iter().take(rank(class) + 1).any(|queue| !queue.is_empty())
    }

    pub(crate) fn contains(&self, key: ClosureKey) -> bool {
        self.members.contains_key(&key)
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }
}

/// Where a queued closure stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    rank: usize,
    index: usize,
}

impl Place {
    pub(crate) fn class(self) -> Class {
        Class::ALL[self.rank]
    }
}

fn rank(class: Class) -> usize {
    Class::ALL.iter().position(|other| *other == class).unwrap_or(Class::ALL.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closure_is_queued_once_and_may_come_again_when_it_was_taken() {
        let key = ClosureKey::now_v7();
        let mut ready = Ready::default();
        assert!(ready.push(key, Class::Verify));
        assert!(!ready.push(key, Class::Verify));
        assert_eq!(ready.len(), 1);
        let place = ready.find(|_| true).unwrap();
        assert_eq!((place.class(), ready.take(place)), (Class::Verify, Some(key)));
        assert!(ready.find(|_| true).is_none() && ready.push(key, Class::Close));
    }

    #[test]
    fn a_closure_that_becomes_more_urgent_while_it_queues_moves_up_and_never_down() {
        let keys = [1, 2].map(ClosureKey::from_u128);
        let mut ready = Ready::default();
        for key in keys {
            ready.push(key, Class::Read);
        }
        assert!(!ready.push(keys[1], Class::Confirmation) && !ready.push(keys[1], Class::Background));
        assert_eq!(ready.len(), 2);
        let place = ready.find(|_| true).unwrap();
        assert_eq!((place.class(), ready.take(place)), (Class::Confirmation, Some(keys[1])));
        assert_eq!(ready.find(|_| true).and_then(|place| ready.take(place)), Some(keys[0]));
        assert!(ready.find(|_| true).is_none());
    }

    #[test]
    fn a_backlog_leaves_nothing_behind() {
        let mut ready = Ready::default();
        for key in 0..10_000 {
            ready.push(ClosureKey::from_u128(key), Class::Verify);
        }
        while let Some(place) = ready.find(|_| true) {
            ready.take(place);
        }
        let room: usize = ready.queues.iter().map(VecDeque::capacity).sum();
        assert!(ready.members.capacity() + room <= 2 * ROOM, "room for {}", ready.members.capacity() + room);
        assert!(ready.push(ClosureKey::from_u128(1), Class::Close));
    }

    #[test]
    fn the_most_urgent_comes_first_and_within_a_class_the_first() {
        let keys = [1, 2, 3].map(ClosureKey::from_u128);
        let mut ready = Ready::default();
        for (key, class) in keys.into_iter().zip([Class::Verify, Class::Close, Class::Close]) {
            ready.push(key, class);
        }
        assert!(ready.is_ahead_of(Class::Verify) && ready.is_ahead_of(Class::Close));
        assert!(!ready.is_ahead_of(Class::Confirmation));
        let order: Vec<_> =
            std::iter::from_fn(|| ready.find(|_| true).and_then(|place| ready.take(place))).collect();
        assert_eq!(order, [keys[1], keys[2], keys[0]]);
    }
}
