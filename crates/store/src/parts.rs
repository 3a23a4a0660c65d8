//! How a store with indexes answers a listing: as few questions as there are, each along one index in order of acceptance.

use crate::{Filter, HELD, Order, Row};

/// Which closures one question looks at, and along which index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All that match: by an id, by a label, or by nothing but their time.
    All,
    /// Those that the index by state holds.
    AtRest,
    /// The few others, which are on their way through.
    Moving,
    /// Those that the index by queue holds.
    Held,
    /// Those that the index by reason holds.
    Reasoned,
    /// All, found by their source.
    Sourced,
}

/// The questions that together answer a filter: a page of each holds the page of all ([`page`]). Where a filter names several things, the
/// index leads that leaves the least to look through: an id, a label, the queue of what is held, a reason (which nearly tells the state),
/// a state, a source.
pub fn parts(filter: &Filter) -> Vec<(Filter, Part)> {
    let by_id = filter.conversation.is_some() || filter.participant.is_some();
    if by_id || !filter.labels.is_empty() {
        return vec![(filter.clone(), Part::All)];
    }
    let of_queues = !filter.queues.is_empty()
        && !filter.states.is_empty()
        && filter.states.iter().all(|state| state == HELD);
    if of_queues {
        let of_queue = |queue| (Filter { queues: vec![queue], ..filter.clone() }, Part::Held);
        return each(&filter.queues).map(of_queue).collect();
    }
    let moving = (filter.clone(), Part::Moving);
    if !filter.reasons.is_empty() {
        let of_reason = |reason| (Filter { reasons: vec![reason], ..filter.clone() }, Part::Reasoned);
        return each(&filter.reasons).map(of_reason).chain([moving]).collect();
    }
    if !filter.states.is_empty() {
        let of_state = |state| (Filter { states: vec![state], ..filter.clone() }, Part::AtRest);
        return each(&filter.states).map(of_state).chain([moving]).collect();
    }
    let part = if filter.source.is_some() { Part::Sourced } else { Part::All };
    vec![(filter.clone(), part)]
}

/// Every one once, however often it was named.
fn each<T: Clone + Ord>(named: &[T]) -> impl Iterator<Item = T> {
    let mut named = named.to_vec();
    named.sort_unstable();
    named.dedup();
    named.into_iter()
}

/// One page of what the questions found together.
pub fn page(mut found: Vec<Row>, order: Order, limit: usize) -> Vec<Row> {
    found.sort_by_key(|row| (row.created_at, row.key));
    if order == Order::NewestFirst {
        found.reverse();
    }
    found.truncate(limit);
    found
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_index_leads_that_leaves_the_least_to_look_through() {
        let all = Filter::default;
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let (states, reasons) = (texts(&["ghost"]), texts(&["rejected", "unreachable", "rejected"]));
        let (queues, source) = (vec![None, Some(Uuid::nil())], Some("http".to_owned()));
        let label = vec![("team".to_owned(), "a".to_owned())];
        let of = |filter: &Filter| parts(filter).into_iter().map(|(_, part)| part).collect::<Vec<_>>();
        let mut filter = Filter { source, ..all() };
        assert_eq!(of(&all()), [Part::All]);
        assert_eq!(of(&filter), [Part::Sourced]);
        filter.states = texts(&["ghost", "closed"]);
        assert_eq!(of(&filter), [Part::AtRest, Part::AtRest, Part::Moving]);
        filter.reasons = reasons;
        assert_eq!(of(&filter), [Part::Reasoned, Part::Reasoned, Part::Moving], "each reason once");
        filter.queues = queues;
        assert_eq!(of(&filter), [Part::Reasoned, Part::Reasoned, Part::Moving], "not only what is held");
        filter.states = states;
        assert_eq!(of(&filter), [Part::Held, Part::Held]);
        assert_eq!(of(&Filter { labels: label, ..filter.clone() }), [Part::All]);
        assert_eq!(of(&Filter { conversation: Some(Uuid::nil()), ..filter.clone() }), [Part::All]);
        filter.states.clear();
        filter.reasons.clear();
        assert_eq!(of(&filter), [Part::Sourced], "a queue alone says nothing of a state");
    }
}
