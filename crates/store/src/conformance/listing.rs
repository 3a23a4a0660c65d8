//! Lists and tallies answer exactly what their filter asks for.

use std::collections::BTreeMap;

use super::{Place, put_row, read, samples};
use crate::{ClosureKey, Filter, HELD, Millis, Order, Quarantined, QueueTally, Row, Store, Tally};

/// Each filter, in both orders and with pages of several sizes, finds the rows that match and no other.
pub async fn every_filter_finds_what_it_asks_for_in_both_orders(place: impl Place) {
    let store = place.open().await;
    let world = fill(&*store).await;
    for filter in filters() {
        let mut expected: Vec<&Row> = world.iter().filter(|row| filter.matches(row)).collect();
        expected.sort_by_key(|row| (row.created_at, row.key));
        assert_eq!(keys(&walk(&*store, &filter, Order::OldestFirst, 7).await), keys(&expected), "{filter:?}");
        expected.reverse();
        for size in [1, 100] {
            let listed = walk(&*store, &filter, Order::NewestFirst, size).await;
            assert_eq!(listed.iter().collect::<Vec<_>>(), expected, "{filter:?}");
        }
    }
    assert_eq!(read(store.list(&Filter::default(), Order::NewestFirst, None, 0)).await, []);
}

/// Each filter is counted by organisation, state and reason, in that order.
pub async fn every_tally_counts_what_its_filter_asks_for(place: impl Place) {
    let store = place.open().await;
    let world = fill(&*store).await;
    for filter in filters() {
        let mut groups = BTreeMap::new();
        for row in world.iter().filter(|row| filter.matches(row)) {
            let group = (row.organisation.clone(), row.state.clone(), row.reason.clone());
            let (rows, oldest) = groups.entry(group).or_insert((0, Millis::MAX));
            *rows += 1;
            *oldest = row.created_at.min(*oldest);
        }
        let expected: Vec<Tally> = groups
            .into_iter()
            .map(|((organisation, state, reason), (rows, oldest))| Tally {
                organisation,
                state,
                reason,
                rows,
                oldest,
            })
            .collect();
        assert_eq!(read(store.tally(&filter)).await, expected, "{filter:?}");
    }
}

/// What is held is counted by organisation, queue and reason, in that order; what is not held, ended or set aside is not counted.
pub async fn what_is_held_is_counted_by_queue(place: impl Place) {
    let store = place.open().await;
    let mut world = fill(&*store).await;
    assert_eq!(read(store.tally_by_queue(&["nobody".to_owned()])).await, []);
    let both = ["acme".to_owned(), "other".to_owned()];
    for organisations in [&[][..], &both[..], &both[1..]] {
        let tallies = read(store.tally_by_queue(organisations)).await;
        assert_eq!(tallies, held_by_queue(&world, organisations), "{organisations:?}");
    }
    // Each way into and out of what is counted, and from one queue to another.
    let changes: [fn(&mut Row); 6] = [
        |row| row.queue = Some(samples::conversation(300)),
        |row| row.reason = Some("rejected".to_owned()),
        |row| row.queue = None,
        |row| (row.state, row.queue) = ("ghost".to_owned(), Some(samples::conversation(301))),
        |row| (row.state, row.reason, row.queue) = ("verifying".to_owned(), None, None),
        |row| {
            (row.state, row.queue, row.ended, row.wake_at) =
                ("closed".to_owned(), Some(samples::conversation(302)), true, None);
        },
    ];
    for (number, change) in changes.into_iter().enumerate() {
        for row in world.iter_mut().filter(|row| !row.ended).skip(number).step_by(2) {
            *row = samples::next(row);
            change(row);
            put_row(&*store, row).await;
        }
        assert_eq!(read(store.tally_by_queue(&[])).await, held_by_queue(&world, &[]), "change {number}");
    }
    let ghost =
        world.iter().position(|row| row.state == "ghost" && row.queue.is_some()).expect("one is left");
    let aside = world.remove(ghost);
    let (queue, closure) = (aside.queue, aside.key);
    read(store.quarantine(Quarantined { closure, reason: "unreadable".to_owned(), at: 1 })).await;
    assert_eq!(read(store.tally_by_queue(&[])).await, held_by_queue(&world, &[]));
    let again = samples::next(&aside);
    put_row(&*store, &again).await;
    world.push(again);
    let tallies = read(store.tally_by_queue(&[])).await;
    assert_eq!(tallies, held_by_queue(&world, &[]));
    assert!(tallies.iter().any(|tally| tally.queue == queue), "{tallies:?}");
}

fn held_by_queue(world: &[Row], organisations: &[String]) -> Vec<QueueTally> {
    let mut groups = BTreeMap::new();
    let held = world.iter().filter(|row| row.state == HELD && !row.ended);
    for row in held.filter(|row| organisations.is_empty() || organisations.contains(&row.organisation)) {
        let group = (row.organisation.clone(), row.queue, row.reason.clone());
        let (rows, oldest) = groups.entry(group).or_insert((0, Millis::MAX));
        *rows += 1;
        *oldest = row.created_at.min(*oldest);
    }
    let tally = groups.into_iter().map(|((organisation, queue, reason), (rows, oldest))| QueueTally {
        organisation,
        queue,
        reason,
        rows,
        oldest,
    });
    tally.collect()
}

/// A walk meets every row that stood still exactly once, while others are added at both ends.
pub async fn pages_neither_repeat_nor_skip_while_rows_are_added(place: impl Place) {
    let store = place.open().await;
    let at_once = |n| Row { created_at: samples::START, ..samples::row(n) };
    for n in 100..130 {
        put_row(&*store, &at_once(n)).await;
    }
    for order in [Order::NewestFirst, Order::OldestFirst] {
        let mut met = Vec::new();
        let mut after = None;
        let mut added = if order == Order::NewestFirst { 0 } else { 50 };
        loop {
            let page = read(store.list(&Filter::default(), order, after, 4)).await;
            let Some(last) = page.last() else { break };
            after = Some((last.created_at, last.key));
            met.extend(page.iter().map(|row| row.key));
            if added % 50 < 5 {
                let early = Row { created_at: 0, ..samples::row(added) };
                let late = Row { created_at: Millis::MAX, ..samples::row(1_000 + added) };
                put_row(&*store, &early).await;
                put_row(&*store, &late).await;
                added += 1;
            }
        }
        let stood_still: Vec<ClosureKey> =
            met.iter().copied().filter(|key| (samples::key(100)..samples::key(130)).contains(key)).collect();
        let mut expected: Vec<ClosureKey> = (100..130).map(samples::key).collect();
        if order == Order::NewestFirst {
            expected.reverse();
        }
        assert_eq!(stood_still, expected);
    }
}

/// A label that a new version drops is no longer found, and one that it gains is; their order is kept.
pub async fn labels_follow_their_row(place: impl Place) {
    let store = place.open().await;
    let labelled = |row: Row, labels: &[(&str, &str)]| Row {
        labels: labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        ..row
    };
    let with = |name: &str, value: &str| Filter {
        labels: vec![(name.to_owned(), value.to_owned())],
        ..Filter::default()
    };
    let first = labelled(samples::row(1), &[("team", "b"), ("campaign", "spring"), ("team", "a")]);
    put_row(&*store, &first).await;
    assert_eq!(walk(&*store, &with("team", "a"), Order::NewestFirst, 10).await, std::slice::from_ref(&first));
    assert_eq!(walk(&*store, &with("team", "spring"), Order::NewestFirst, 10).await, []);
    let second = labelled(samples::next(&first), &[("team", "c")]);
    put_row(&*store, &second).await;
    assert_eq!(walk(&*store, &with("campaign", "spring"), Order::NewestFirst, 10).await, []);
    assert_eq!(
        walk(&*store, &with("team", "c"), Order::NewestFirst, 10).await,
        std::slice::from_ref(&second)
    );
    let third = labelled(samples::next(&second), &[]);
    put_row(&*store, &third).await;
    assert_eq!(walk(&*store, &with("team", "c"), Order::NewestFirst, 10).await, []);
    assert_eq!(walk(&*store, &Filter::default(), Order::NewestFirst, 10).await, [third]);
}

/// Writes rows that differ in every column that a filter names, and sets one of them aside.
async fn fill(store: &dyn Store) -> Vec<Row> {
    let states = ["accepted", "ghost", "closed"];
    let mut world = Vec::new();
    for n in 0..48_u64 {
        let pick = |choices: u64| usize::try_from(n % choices).expect("it is small");
        let ended = pick(3) == 2;
        let row = Row {
            organisation: ["acme", "other"][pick(2)].to_owned(),
            conversation: (n % 7 != 0).then(|| samples::conversation(n / 4 * 4 + n % 2)).filter(|_| ended),
            participant: n.is_multiple_of(5).then(|| samples::conversation(n % 10)),
            // Some are on their way through once more, with the reason that they had before.
            state: if pick(6) == 0 { "verifying" } else { states[pick(3)] }.to_owned(),
            reason: (pick(3) == 1 || pick(6) == 0)
                .then(|| ["no_confirmation", "rejected"][pick(4) / 2].to_owned()),
            source: ["http", "queue", "operator"][pick(9) / 3].to_owned(),
            ended,
            wake_at: (!ended).then_some(0),
            // Several are accepted at one moment, and some later keys earlier.
            created_at: samples::START + i64::try_from(n * 11 % 17).expect("it is small") * 1_000,
            labels: [("campaign", "spring", 2), ("campaign", "autumn", 3), ("team", "a", 4)]
                .iter()
                .filter(|(_, _, every)| n.is_multiple_of(*every))
                .map(|(name, value, _)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            queue: (pick(3) == 1 && pick(5) != 0).then(|| samples::conversation(200 + n % 4)),
            ..samples::row(n)
        };
        put_row(store, &row).await;
        world.push(row);
    }
    let record =
        Quarantined { closure: world.remove(13).key, reason: "unreadable".to_owned(), at: samples::START };
    read(store.quarantine(record)).await;
    world
}

fn filters() -> Vec<Filter> {
    let all = Filter::default;
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let queue = |number| Some(samples::conversation(number));
    let at = |seconds: i64| Some(samples::START + seconds * 1_000);
    let one = vec![
        all(),
        Filter { organisations: texts(&["acme"]), ..all() },
        Filter { organisations: texts(&["acme", "other"]), ..all() },
        Filter { organisations: texts(&["nobody"]), ..all() },
        Filter { states: texts(&["ghost"]), ..all() },
        Filter { states: texts(&["ghost", "closed", "ghost"]), ..all() },
        Filter { reasons: texts(&["rejected"]), ..all() },
        Filter { reasons: texts(&["rejected", "no_confirmation"]), ..all() },
        Filter { reasons: texts(&["rejected", "rejected"]), states: texts(&["verifying", "ghost"]), ..all() },
        Filter { reasons: texts(&["no_confirmation"]), source: Some("http".to_owned()), ..all() },
        Filter { source: Some("queue".to_owned()), ..all() },
        Filter { source: Some("nobody".to_owned()), ..all() },
        Filter { conversation: Some(samples::conversation(9)), ..all() },
        Filter { conversation: Some(samples::conversation(8)), ..all() },
        Filter { participant: Some(samples::conversation(5)), ..all() },
        Filter { labels: vec![label("campaign", "spring")], ..all() },
        Filter { labels: vec![label("campaign", "spring"), label("campaign", "autumn")], ..all() },
        Filter { labels: vec![label("team", "a"), label("campaign", "winter")], ..all() },
        Filter { states: texts(&["ghost"]), queues: vec![queue(200)], ..all() },
        Filter { states: texts(&["ghost"]), queues: vec![queue(203), queue(201), queue(203)], ..all() },
        Filter { states: texts(&["ghost"]), queues: vec![None], ..all() },
        Filter { states: texts(&["ghost"]), queues: vec![None, queue(202)], ..all() },
        Filter { states: texts(&["ghost"]), queues: vec![queue(7)], ..all() },
        Filter { states: texts(&["ghost", "closed"]), queues: vec![queue(200), None], ..all() },
        Filter { queues: vec![queue(201)], ..all() },
        Filter { queues: vec![queue(201)], conversation: Some(samples::conversation(9)), ..all() },
        Filter { queues: vec![None], labels: vec![label("campaign", "autumn")], ..all() },
        Filter { since: at(5), ..all() },
        Filter { until: at(5), ..all() },
        Filter { since: at(3), until: at(9), ..all() },
        Filter { ended: Some(true), ..all() },
        Filter { ended: Some(false), ..all() },
    ];
    let narrowed = one.iter().flat_map(|filter| {
        [
            Filter { organisations: texts(&["other"]), since: at(2), ..filter.clone() },
            Filter {
                states: texts(&["accepted", "ghost"]),
                labels: vec![label("team", "a")],
                ..filter.clone()
            },
            Filter { states: texts(&["accepted", "closed"]), ended: Some(true), ..filter.clone() },
        ]
    });
    one.iter().cloned().chain(narrowed).collect()
}

async fn walk(store: &dyn Store, filter: &Filter, order: Order, size: usize) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    loop {
        let after = rows.last().map(|row| (row.created_at, row.key));
        let page = read(store.list(filter, order, after, size)).await;
        assert!(page.len() <= size, "a page is within its limit");
        if page.is_empty() {
            return rows;
        }
        rows.extend(page);
    }
}

fn keys<R: std::borrow::Borrow<Row>>(rows: &[R]) -> Vec<ClosureKey> {
    rows.iter().map(|row| row.borrow().key).collect()
}
