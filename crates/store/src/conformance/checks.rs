//! Keys and events are taken once, checks come in their order, and a refused commit changes nothing.

use super::{Place, put, put_row, read, refused, samples};
use crate::{Commit, CommitRefused, InboxEntry, KeyEntry, Row, Store};

/// A key that was used before is refused with its entry; keys of other scopes are other keys.
pub async fn a_used_key_is_answered_with_what_it_stands_for(place: impl Place) {
    let store = place.open().await;
    let entry = KeyEntry { attached: true, ..samples::idempotency_key("k") };
    put(&*store, Commit { key: Some(entry.clone()), ..samples::insert(&samples::row(1)) }).await;
    let again = KeyEntry { digest: [1; 32], closure: samples::key(2), attached: false, ..entry.clone() };
    let commit = Commit { key: Some(again.clone()), ..samples::insert(&samples::row(2)) };
    assert_eq!(refused(&*store, commit).await, CommitRefused::KeyUsed(entry.clone()));
    let elsewhere = KeyEntry { scope: "another producer".to_owned(), ..again };
    put(&*store, Commit { key: Some(elsewhere.clone()), ..Commit::default() }).await;
    assert_eq!(read(store.key("producer", "k")).await, Some(entry));
    assert_eq!(read(store.key("another producer", "k")).await, Some(elsewhere));
    assert_eq!(read(store.key("producer", "other")).await, None);
}

/// A key without a closure of its own attaches to a closure that is open, and to no other.
pub async fn a_command_is_attached_only_to_an_open_closure(place: impl Place) {
    let store = place.open().await;
    let attaching = |name: &str| Commit {
        key: Some(KeyEntry { attached: true, ..samples::idempotency_key(name) }),
        ..Commit::default()
    };
    assert_eq!(refused(&*store, attaching("early")).await, CommitRefused::NotOpen);
    let row = samples::row(1);
    put_row(&*store, &row).await;
    put(&*store, attaching("in time")).await;
    put_row(&*store, &samples::ended(&row)).await;
    assert_eq!(refused(&*store, attaching("late")).await, CommitRefused::NotOpen);
    assert_eq!(read(store.key("producer", "late")).await, None);
    let used = refused(&*store, attaching("in time")).await;
    assert!(matches!(used, CommitRefused::KeyUsed(_)), "the key is checked first: {used}");
}

/// A second copy of an event is refused, and so is another body under its id; ids of other adapters are other ids.
pub async fn the_same_event_is_told_from_another_body_under_its_id(place: impl Place) {
    let store = place.open().await;
    let taking = |entry: &InboxEntry| Commit { inbox: Some(entry.clone()), ..Commit::default() };
    let event = samples::event("e");
    put(&*store, taking(&event)).await;
    assert_eq!(refused(&*store, taking(&event)).await, CommitRefused::SameEvent);
    let other_body = InboxEntry { digest: [8; 32], ..event.clone() };
    assert_eq!(refused(&*store, taking(&other_body)).await, CommitRefused::OtherBody);
    let elsewhere = InboxEntry { adapter: "relay".to_owned(), ..other_body };
    put(&*store, taking(&elsewhere)).await;
    assert_eq!(read(store.inbox(10)).await, [elsewhere, event], "the first body stands");
}

/// Key before inbox, inbox before open closure, open closure before version.
pub async fn the_checks_come_in_their_stated_order(place: impl Place) {
    let store = place.open().await;
    let first = samples::row(1);
    let wrong = wrong_in_every_way(&*store, &first).await;
    assert_eq!(refused(&*store, wrong.clone()).await, CommitRefused::KeyUsed(samples::idempotency_key("k")));
    let wrong = Commit { key: None, ..wrong };
    assert_eq!(refused(&*store, wrong.clone()).await, CommitRefused::SameEvent);
    let wrong = Commit { inbox: None, ..wrong };
    assert_eq!(refused(&*store, wrong.clone()).await, CommitRefused::OpenClosure(first.key));
    put_row(&*store, &samples::ended(&first)).await;
    assert_eq!(refused(&*store, wrong).await, CommitRefused::Version(0));
}

/// Fills the store so that the returned commit fails all four checks.
async fn wrong_in_every_way(store: &dyn Store, first: &Row) -> Commit {
    let taken = Commit {
        inbox: Some(samples::event("e")),
        key: Some(samples::idempotency_key("k")),
        ..samples::insert(first)
    };
    put(store, taken.clone()).await;
    let missing = samples::next(&Row { conversation: first.conversation, ..samples::row(2) });
    Commit { inbox: taken.inbox, key: taken.key, ..samples::insert(&missing) }
}

/// Whatever check refuses a commit, neither its row, lines, event nor key is kept.
pub async fn a_refused_commit_changes_nothing(place: impl Place) {
    let store = place.open().await;
    let first = samples::row(1);
    wrong_in_every_way(&*store, &first).await;
    let fresh = || Commit {
        lines: vec![samples::line(50, Some("closed"))],
        inbox: Some(samples::event("fresh")),
        key: Some(samples::idempotency_key("fresh")),
        ..samples::bare(&samples::row(2))
    };
    let stale = Row { state: "stale".to_owned(), ..samples::row(1) };
    let second_open = Row { conversation: first.conversation, ..samples::row(2) };
    let other_body = InboxEntry { digest: [0; 32], ..samples::event("e") };
    let wrong = [
        Commit { key: Some(samples::idempotency_key("k")), ..fresh() },
        Commit { inbox: Some(samples::event("e")), ..fresh() },
        Commit { inbox: Some(other_body), ..fresh() },
        Commit { closure: Some((second_open, 0)), ..fresh() },
        Commit { closure: Some((stale, 0)), ..fresh() },
    ];
    for commit in wrong {
        let why = refused(&*store, commit).await;
        assert_eq!(read(store.load(first.key)).await.as_ref(), Some(&first), "{why}");
        assert_eq!(read(store.load(samples::key(2))).await, None, "{why}");
        assert_eq!(read(store.journal(first.key)).await.len(), 1, "{why}");
        assert_eq!(read(store.journal(samples::key(2))).await, [], "{why}");
        assert_eq!(read(store.announcements(0, 10)).await, [], "{why}");
        assert_eq!(read(store.inbox(10)).await, [samples::event("e")], "{why}");
        assert_eq!(read(store.key("producer", "fresh")).await, None, "{why}");
    }
    put(&*store, fresh()).await;
}

/// A commit that breaks a rule only while it is written fails alone, and changes nothing.
pub async fn a_commit_that_cannot_be_written_spares_its_neighbours(place: impl Place) {
    let store = place.open().await;
    let row = samples::row(100);
    put_row(&*store, &row).await;
    let repeats_a_line = Commit {
        lines: vec![samples::line(1, None)],
        inbox: Some(samples::event("e")),
        key: Some(samples::idempotency_key("k")),
        ..samples::bare(&samples::next(&row))
    };
    let before: Vec<_> = (0..20).map(|n| store.commit(samples::insert(&samples::row(n)))).collect();
    let broken = store.commit(repeats_a_line);
    let after: Vec<_> = (20..40).map(|n| store.commit(samples::insert(&samples::row(n)))).collect();
    assert!(matches!(broken.await, Err(CommitRefused::Unavailable(_))), "the line is there already");
    for neighbour in before.into_iter().chain(after) {
        assert_eq!(neighbour.await, Ok(()));
    }
    assert_eq!(read(store.load(row.key)).await.as_ref(), Some(&row));
    assert_eq!(read(store.inbox(10)).await, []);
    assert_eq!(read(store.key("producer", "k")).await, None);
    assert_eq!(read(store.open_after(None, 100)).await.len(), 41);
}

/// A commit that contradicts itself is never taken.
pub async fn a_malformed_commit_changes_nothing(place: impl Place) {
    let store = place.open().await;
    let row = samples::row(1);
    let malformed = [
        Commit { lines: vec![samples::line(1, None)], ..Commit::default() },
        Commit { closure: Some((row.clone(), 3)), ..Commit::default() },
        Commit { closure: Some((Row { version: 0, ..row.clone() }, 0)), ..Commit::default() },
        samples::bare(&Row { wake_at: None, ..row.clone() }),
        samples::bare(&Row { ended: true, ..row.clone() }),
        Commit { lines: vec![samples::line(2, None), samples::line(1, None)], ..samples::bare(&row) },
    ];
    for commit in malformed {
        assert!(commit.flaw().is_some());
        assert!(matches!(refused(&*store, commit).await, CommitRefused::Unavailable(_)));
    }
    assert_eq!(read(store.load(row.key)).await, None);
    assert_eq!(read(store.journal(row.key)).await, []);
}
