//! What is remembered of messages over connections, by their places: how often they came, and when they may come again. Pure.

use std::collections::HashMap;

use tokio::time::Instant;

/// How many places are remembered. Beyond it the older half is forgotten, which costs a count, or a delay.
const MOST: usize = 20_000;

/// How often messages came that are not settled for good, and when they may come again.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    places: HashMap<String, Past>,
}

#[derive(Debug)]
struct Past {
    deliveries: u32,
    not_before: Option<Instant>,
    at: Instant,
}

/// How a message arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It may be handed out, for so many times with this one.
    Now(u32),
    /// A connection broke and gave back what was for later: it may be handed out then.
    Early(Instant),
}

impl Seen {
    /// A message arrives. `again` is whether the broker says that it was delivered before, `counted` how often it counts
    /// earlier deliveries, 0 where it does not count.
    pub(crate) fn arrives(&mut self, place: &str, again: bool, counted: u32, now: Instant) -> Arrival {
        let past = self.places.get(place).filter(|_| again);
        if let Some(until) = past.and_then(|past| past.not_before).filter(|until| *until > now) {
            return Arrival::Early(until);
        }
        let known = past.map_or(u32::from(again), |past| past.deliveries);
        let deliveries = known.max(counted).saturating_add(1);
        if self.places.len() >= MOST && !self.places.contains_key(place) {
            self.forget_the_older_half();
        }
        self.places.insert(place.to_owned(), Past { deliveries, not_before: None, at: now });
        Arrival::Now(deliveries)
    }

    /// A message is not to come before this.
    pub(crate) fn put_off(&mut self, place: &str, until: Instant) {
        if let Some(past) = self.places.get_mut(place) {
            past.not_before = Some(until);
        }
    }

    /// A message need not come again.
    pub(crate) fn forget(&mut self, place: &str) {
        self.places.remove(place);
    }

    fn forget_the_older_half(&mut self) {
        let mut times: Vec<Instant> = self.places.values().map(|past| past.at).collect();
        times.sort_unstable();
        let middle = times[times.len() / 2];
        self.places.retain(|_, past| past.at > middle);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn deliveries_are_counted_by_whoever_counts_more() {
        let now = Instant::now();
        let mut seen = Seen::default();
        assert_eq!(seen.arrives("a", false, 0, now), Arrival::Now(1));
        assert_eq!(seen.arrives("a", true, 0, now), Arrival::Now(2));
        assert_eq!(seen.arrives("a", true, 5, now), Arrival::Now(6));
        assert_eq!(seen.arrives("a", true, 1, now), Arrival::Now(7));
        assert_eq!(
            seen.arrives("a", false, 0, now),
            Arrival::Now(1),
            "another one that agrees in everything"
        );
        assert_eq!(seen.arrives("b", true, 0, now), Arrival::Now(2), "somebody else had it before");
        assert_eq!(
            seen.arrives("c", false, 3, now),
            Arrival::Now(4),
            "it went round by a dead-letter exchange"
        );
        seen.forget("a");
        assert_eq!(seen.arrives("a", true, 0, now), Arrival::Now(2));
    }

    #[test]
    fn what_is_for_later_is_early_until_then() {
        let now = Instant::now();
        let until = now + Duration::from_secs(5);
        let mut seen = Seen::default();
        seen.arrives("a", false, 0, now);
        seen.put_off("a", until);
        seen.put_off("unknown", until);
        assert_eq!(seen.arrives("a", true, 0, now), Arrival::Early(until));
        assert_eq!(seen.arrives("unknown", true, 0, now), Arrival::Now(2));
        assert_eq!(seen.arrives("a", true, 0, until), Arrival::Now(2));
        assert_eq!(seen.arrives("a", true, 0, now), Arrival::Now(3), "its time had come");
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let now = Instant::now();
        let mut seen = Seen::default();
        for n in 0..=MOST {
            let at = now + Duration::from_millis(u64::try_from(n).expect("it is small"));
            seen.arrives(&n.to_string(), false, 0, at);
        }
        assert!(seen.places.len() <= MOST / 2 + 1, "{}", seen.places.len());
        assert!(seen.places.contains_key(&MOST.to_string()));
        assert!(!seen.places.contains_key("0"));
    }
}
