//! Quarantine, pruning, the inbox and the check.

use super::{Place, put, put_row, read, refused, samples};
use crate::{Commit, CommitRefused, Filter, InboxEntry, KeyEntry, Millis, Order, Quarantined, Row};

fn unreadable(n: u64) -> Quarantined {
    Quarantined { closure: samples::key(n), reason: "the body is cut off".to_owned(), at: samples::START }
}

/// A row that was set aside is out of the way of everything, but its bytes and its journal can still be loaded.
pub async fn a_row_set_aside_is_kept_but_neither_open_nor_due_nor_listed(place: impl Place) {
    let store = place.open().await;
    let row = samples::row(1);
    put_row(&*store, &row).await;
    put_row(&*store, &samples::row(2)).await;
    read(store.quarantine(unreadable(1))).await;
    let again = Quarantined { at: samples::START + 1, ..unreadable(2) };
    read(store.quarantine(again.clone())).await;
    read(store.quarantine(unreadable(9))).await;

    assert_eq!(read(store.open_of("acme", samples::conversation(1))).await, None);
    assert_eq!(read(store.due(Millis::MAX, None, 10)).await, []);
    assert_eq!(read(store.open_after(None, 10)).await, []);
    assert_eq!(read(store.list(&Filter::default(), Order::NewestFirst, None, 10)).await, []);
    assert_eq!(read(store.tally(&Filter::default())).await, []);
    let aside = read(store.quarantined()).await;
    assert_eq!(aside, [again, unreadable(1)], "the latest first, and none that there is not");
    assert_eq!(read(store.load(row.key)).await.as_ref(), Some(&row));
    assert_eq!(read(store.journal(row.key)).await.len(), 1);
    assert_eq!(refused(&*store, samples::insert(&row)).await, CommitRefused::Version(1));
    let instead = Row { conversation: row.conversation, ..samples::row(3) };
    put_row(&*store, &instead).await;
    assert_eq!(read(store.prune(Millis::MAX, 0, 10)).await, 0, "what is set aside is kept");
}

/// A new version of a row that was set aside is an ordinary row again.
pub async fn a_commit_takes_a_row_back_from_quarantine(place: impl Place) {
    let store = place.open().await;
    let row = samples::row(1);
    put_row(&*store, &row).await;
    read(store.quarantine(unreadable(1))).await;
    let repaired = samples::next(&row);
    put_row(&*store, &repaired).await;
    assert_eq!(read(store.quarantined()).await, []);
    assert_eq!(read(store.open_of("acme", samples::conversation(1))).await, Some(repaired.clone()));
    assert_eq!(read(store.due(Millis::MAX, None, 10)).await, std::slice::from_ref(&repaired));
    assert_eq!(read(store.list(&Filter::default(), Order::NewestFirst, None, 10)).await, [repaired]);
}

/// Rows that ended before the moment go with their journals; later ends and open rows stay, however old.
pub async fn pruning_removes_what_ended_long_ago_and_nothing_that_is_open(place: impl Place) {
    let store = place.open().await;
    let label = ("team".to_owned(), "a".to_owned());
    for n in 0..4 {
        let row = Row { updated_at: 0, labels: vec![label.clone()], ..samples::row(n) };
        put_row(&*store, &row).await;
        if n > 0 {
            let end = i64::try_from(n).expect("it is small") * 100;
            put_row(&*store, &Row { updated_at: end, ..samples::ended(&row) }).await;
        }
    }
    assert_eq!(read(store.prune(300, 0, 100)).await, 2);
    for (n, lines) in [(0, 1), (1, 0), (2, 0), (3, 2)] {
        assert_eq!(read(store.load(samples::key(n))).await.is_some(), lines > 0, "row {n}");
        assert_eq!(read(store.journal(samples::key(n))).await.len(), lines, "row {n}");
    }
    let labelled = Filter { labels: vec![label], ..Filter::default() };
    assert_eq!(read(store.list(&labelled, Order::NewestFirst, None, 10)).await.len(), 2);
    assert_eq!(read(store.prune(300, 0, 100)).await, 0, "there is nothing left to prune");
}

/// Old events and keys are forgotten, so that their ids may be used again; later ones are not.
pub async fn pruning_forgets_old_events_and_keys(place: impl Place) {
    let store = place.open().await;
    let at = |name: &str, moment: Millis| Commit {
        inbox: Some(InboxEntry { received_at: moment, ..samples::event(name) }),
        key: Some(KeyEntry { used_at: moment, ..samples::idempotency_key(name) }),
        ..Commit::default()
    };
    put(&*store, at("old", 99)).await;
    put(&*store, at("young", 100)).await;
    assert_eq!(read(store.prune(0, 100, 10)).await, 2);
    assert_eq!(read(store.key("producer", "old")).await, None);
    put(&*store, at("old", 200)).await;
    let young = Commit { key: None, ..at("young", 100) };
    assert_eq!(refused(&*store, young).await, CommitRefused::SameEvent);
    assert!(read(store.key("producer", "young")).await.is_some());
}

/// No more than the limit of each kind goes at once, the oldest first.
pub async fn pruning_keeps_to_its_limit(place: impl Place) {
    let store = place.open().await;
    for n in (1..=5).rev() {
        let moment = i64::try_from(n).expect("it is small");
        let ended = Row { ended: true, wake_at: None, updated_at: moment, ..samples::row(n) };
        let name = n.to_string();
        let commit = Commit {
            inbox: Some(InboxEntry { received_at: moment, ..samples::event(&name) }),
            key: Some(KeyEntry { used_at: moment, ..samples::idempotency_key(&name) }),
            ..samples::insert(&ended)
        };
        put(&*store, commit).await;
    }
    assert_eq!(read(store.prune(100, 100, 2)).await, 6, "two rows, two entries, two keys");
    let left: Vec<_> = read(store.list(&Filter::default(), Order::OldestFirst, None, 10))
        .await
        .into_iter()
        .map(|row| row.key)
        .collect();
    assert_eq!(left, [3, 4, 5].map(samples::key));
    let events: Vec<_> = read(store.inbox(10)).await.into_iter().map(|entry| entry.event).collect();
    assert_eq!(events, ["5", "4", "3"]);
    for (name, kept) in [("1", false), ("2", false), ("3", true), ("5", true)] {
        assert_eq!(read(store.key("producer", name)).await.is_some(), kept, "key {name}");
    }
}

/// The inbox is read latest first and within the limit.
pub async fn the_inbox_is_read_latest_first(place: impl Place) {
    let store = place.open().await;
    let event = |name: &str, moment, conversation: Option<u64>| InboxEntry {
        received_at: moment,
        conversation: conversation.map(samples::conversation),
        ..samples::event(name)
    };
    let entries =
        [event("a", 1, Some(1)), event("b", 3, None), event("c", 2, Some(1)), event("d", 3, Some(2))];
    for entry in &entries {
        put(&*store, Commit { inbox: Some(entry.clone()), ..Commit::default() }).await;
    }
    let [a, b, c, d] = entries;
    assert_eq!(read(store.inbox(10)).await, [d.clone(), b.clone(), c, a]);
    assert_eq!(read(store.inbox(2)).await, [d, b]);
}

/// A switch is off until it is set on, and each has a name of its own.
pub async fn a_switch_stays_as_it_was_set(place: impl Place) {
    let store = place.open().await;
    assert!(!read(store.switch("pause:acme")).await);
    for on in [true, true, false, true] {
        read(store.set_switch("pause:acme", on)).await;
        assert_eq!(read(store.switch("pause:acme")).await, on);
    }
    assert!(!read(store.switch("pause:other")).await);
}

/// The check passes, again and again, and is no part of what is stored.
pub async fn a_store_that_works_passes_its_check(place: impl Place) {
    let store = place.open().await;
    read(store.check()).await;
    read(store.check()).await;
    assert_eq!(read(store.list(&Filter::default(), Order::NewestFirst, None, 10)).await, []);
    assert_eq!(read(store.announcements(0, 10)).await, []);
}
