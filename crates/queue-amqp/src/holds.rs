//! What becomes of the messages that one connection has in hand, by their delivery tags: pure.

use std::collections::{BTreeSet, HashMap};

use tokio::time::Instant;

/// Messages that were delivered and are not acknowledged: given to the taker, or held because they are for later.
#[derive(Debug, Default)]
pub(crate) struct Holds {
    entries: HashMap<u64, Entry>,
    /// When each is given back.
    due: BTreeSet<(Instant, u64)>,
    held: usize,
    /// The number of the consumer whose window is in use.
    consumer: u64,
    /// How many of the held ones were delivered within that window, and narrow it.
    narrowing: usize,
}

#[derive(Debug)]
struct Entry {
    place: String,
    until: Instant,
    consumer: u64,
    held: bool,
}

impl Holds {
    /// A message was handed out, and is given back unless it is settled by then.
    pub(crate) fn give(&mut self, tag: u64, place: String, until: Instant) {
        self.insert(tag, place, until, false);
    }

    /// A message came before its time: it is held, and not handed out.
    pub(crate) fn hold(&mut self, tag: u64, place: String, until: Instant) {
        self.insert(tag, place, until, true);
    }

    fn insert(&mut self, tag: u64, place: String, until: Instant, held: bool) {
        self.remove(tag);
        let consumer = self.consumer;
        self.entries.insert(tag, Entry { place, until, consumer, held });
        self.due.insert((until, tag));
        if held {
            self.held += 1;
            self.narrowing += 1;
        }
    }

    /// Its taker settles a message, and it is no longer in hand. Answers its place; nothing where its taker has none of this tag.
    pub(crate) fn settle(&mut self, tag: u64) -> Option<String> {
        self.is_given(tag).then(|| self.remove(tag)).flatten()
    }

    /// Its taker puts a message off, which is held until then. Answers its place, as [`settle`](Self::settle).
    pub(crate) fn put_off(&mut self, tag: u64, until: Instant) -> Option<String> {
        if !self.is_given(tag) {
            return None;
        }
        let consumer = self.entries.get(&tag)?.consumer;
        let place = self.remove(tag)?;
        self.insert(tag, place.clone(), until, true);
        // It narrows the window in which it was delivered, which may be an earlier one.
        if consumer != self.consumer {
            self.narrowing -= 1;
            if let Some(entry) = self.entries.get_mut(&tag) {
                entry.consumer = consumer;
            }
        }
        Some(place)
    }

    fn is_given(&self, tag: u64) -> bool {
        self.entries.get(&tag).is_some_and(|entry| !entry.held)
    }

    fn remove(&mut self, tag: u64) -> Option<String> {
        let entry = self.entries.remove(&tag)?;
        self.due.remove(&(entry.until, tag));
        if entry.held {
            self.held -= 1;
            if entry.consumer == self.consumer {
                self.narrowing -= 1;
            }
        }
        Some(entry.place)
    }

    /// A new consumer has a window of its own, which nothing narrows yet.
    pub(crate) fn begin_window(&mut self) {
        self.consumer += 1;
        self.narrowing = 0;
    }

    /// When the next is to be given back.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(until, _)| *until)
    }

    /// Those that are to be given back now, which are no longer in hand.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<u64> {
        let mut tags = Vec::new();
        while let Some((until, tag)) = self.due.first().copied()
            && until <= now
        {
            self.remove(tag);
            tags.push(tag);
        }
        tags
    }

    /// How many the taker has.
    pub(crate) fn given(&self) -> usize {
        self.entries.len() - self.held
    }

    /// How many are held for later.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// How many of the held ones narrow the present window.
    pub(crate) fn narrowing(&self) -> usize {
        self.narrowing
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(base: Instant, seconds: u64) -> Instant {
        base + Duration::from_secs(seconds)
    }

    fn place() -> String {
        "orders/1".to_owned()
    }

    #[test]
    fn a_message_is_settled_once() {
        let now = Instant::now();
        let mut holds = Holds::default();
        holds.give(1, place(), at(now, 60));
        assert_eq!(holds.given(), 1);
        assert_eq!(holds.settle(1), Some(place()));
        assert_eq!((holds.settle(1), holds.put_off(1, now), holds.settle(7)), (None, None, None));
        assert_eq!((holds.given(), holds.held(), holds.next_due()), (0, 0, None));
    }

    #[test]
    fn what_is_put_off_is_given_back_at_its_time_and_cannot_be_settled() {
        let now = Instant::now();
        let mut holds = Holds::default();
        holds.give(1, place(), at(now, 60));
        holds.give(2, place(), at(now, 60));
        assert_eq!(holds.put_off(1, at(now, 5)), Some(place()));
        assert_eq!((holds.given(), holds.held()), (1, 1));
        assert_eq!(holds.settle(1), None);
        assert_eq!(holds.next_due(), Some(at(now, 5)));
        assert!(holds.take_due(at(now, 4)).is_empty());
        assert_eq!(holds.take_due(at(now, 5)), [1]);
        assert_eq!((holds.given(), holds.held()), (1, 0));
    }

    #[test]
    fn what_is_never_settled_is_given_back() {
        let now = Instant::now();
        let mut holds = Holds::default();
        holds.give(1, place(), at(now, 60));
        holds.hold(2, place(), at(now, 3));
        assert_eq!((holds.given(), holds.held()), (1, 1));
        assert_eq!(holds.take_due(at(now, 60)), [2, 1]);
        assert_eq!((holds.settle(1), holds.given(), holds.held()), (None, 0, 0));
    }

    #[test]
    fn only_what_came_within_a_window_narrows_it() {
        let now = Instant::now();
        let mut holds = Holds::default();
        holds.begin_window();
        for tag in 1..=3 {
            holds.give(tag, place(), at(now, 60));
        }
        holds.put_off(1, at(now, 5));
        holds.put_off(2, at(now, 6));
        assert_eq!(holds.narrowing(), 2);
        holds.take_due(at(now, 5));
        assert_eq!(holds.narrowing(), 1);
        holds.begin_window();
        assert_eq!((holds.narrowing(), holds.held()), (0, 1));
        holds.put_off(3, at(now, 7));
        assert_eq!((holds.narrowing(), holds.held()), (0, 2), "it came within the window before");
        holds.hold(4, place(), at(now, 8));
        assert_eq!((holds.narrowing(), holds.held()), (1, 3));
        assert_eq!(holds.take_due(at(now, 9)), [2, 3, 4]);
        assert_eq!((holds.narrowing(), holds.held()), (0, 0));
    }
}
