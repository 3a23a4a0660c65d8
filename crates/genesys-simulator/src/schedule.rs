//! One queue for everything that happens later, so that waiting costs an entry and no task.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::clock::Millis;

/// Items ordered by when they are due; equal times keep the order of arrival.
#[derive(Debug)]
pub(crate) struct Schedule<T> {
    inner: Mutex<Inner<T>>,
    changed: Notify,
}

#[derive(Debug)]
struct Inner<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    arrivals: u64,
}

#[derive(Debug)]
struct Entry<T> {
    due: Millis,
    arrival: u64,
    item: T,
}

impl<T> Schedule<T> {
    pub(crate) fn new() -> Self {
        Self { inner: Mutex::new(Inner { heap: BinaryHeap::new(), arrivals: 0 }), changed: Notify::new() }
    }

    /// Adds an item and wakes the driver when it is the next one.
    pub(crate) fn add(&self, due: Millis, item: T) {
        let mut inner = self.locked();
        inner.arrivals += 1;
        let earliest = inner.heap.peek().is_none_or(|Reverse(first)| due < first.due);
        let arrival = inner.arrivals;
        inner.heap.push(Reverse(Entry { due, arrival, item }));
        drop(inner);
        if earliest {
            self.changed.notify_one();
        }
    }

    /// Takes out everything that is due, in order, and tells when the next item is.
    pub(crate) fn take_due(&self, now: Millis) -> (Vec<T>, Option<Millis>) {
        let mut inner = self.locked();
        let mut due = Vec::new();
        loop {
            match inner.heap.peek() {
                Some(Reverse(first)) if first.due > now => return (due, Some(first.due)),
                None => return (due, None),
                Some(_) => due.extend(inner.heap.pop().map(|Reverse(entry)| entry.item)),
            }
        }
    }

    /// Waits until an earlier item has arrived, or the clock was moved.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Makes the driver look again, for instance after the clock was moved.
    pub(crate) fn nudge(&self) {
        self.changed.notify_one();
    }

    pub(crate) fn clear(&self) {
        self.locked().heap.clear();
    }

    fn locked(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.due, self.arrival).cmp(&(other.due, other.arrival))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_out_when_due_and_in_order() {
        let schedule = Schedule::new();
        for (due, item) in [(30, "c"), (10, "a"), (20, "b1"), (20, "b2")] {
            schedule.add(due, item);
        }
        assert_eq!(schedule.take_due(5), (vec![], Some(10)));
        assert_eq!(schedule.take_due(20), (vec!["a", "b1", "b2"], Some(30)));
        assert_eq!(schedule.take_due(99), (vec!["c"], None));
    }
}
