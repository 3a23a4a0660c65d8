//! Judged commits: what becomes one row, in which order rows are written, what a refusal leaves.

use store::{Commit, CommitRefused, Row, conformance::samples};

use super::*;

fn stored(row: &Row) -> Stored {
    Stored {
        version: row.version,
        standing: standing(row),
        organisation: row.organisation.clone(),
        conversation: row.conversation,
        last_sequence: row.version,
        created_at: row.created_at,
        labels: labels_to_text(&row.labels),
    }
}

fn knowing(rows: &[&Row]) -> Known {
    let mut known = Known { last_position: 10, ..Known::default() };
    for row in rows {
        let stored = stored(row);
        known.open.extend(stored.slot().map(|slot| (slot, row.key)));
        known.closures.insert(row.key, stored);
    }
    known
}

fn order(writes: &Writes<'_>, row: &Row) -> Order {
    writes.changes[&row.key].order
}

#[test]
fn many_versions_of_a_closure_become_one_row_and_all_of_their_lines() {
    let first = samples::row(1);
    let second = samples::next(&first);
    let commits =
        [samples::insert(&first), samples::insert(&second), samples::insert(&samples::ended(&second))];
    let (mut known, mut writes) = (knowing(&[]), Writes::default());
    for commit in &commits {
        judge(commit, &mut known, &mut writes).unwrap();
    }
    assert_eq!(writes.changes.len(), 1);
    assert_eq!(writes.changes[&first.key].row.version, 3);
    assert_eq!(order(&writes, &first), Order::New, "there is no row yet that could be replaced");
    let positions: Vec<_> =
        writes.lines.iter().map(|(position, _, line)| (*position, line.sequence)).collect();
    assert_eq!(positions, [(11, 1), (12, 2), (13, 3)]);
    assert!(known.open.is_empty());
}

#[test]
fn a_conversation_is_let_go_of_before_another_closure_takes_it() {
    let (first, lookup) = (samples::row(1), Row { conversation: None, ..samples::row(2) });
    let found = Row { conversation: first.conversation, ..samples::next(&lookup) };
    let end = samples::ended(&first);
    let early = samples::insert(&found);
    let commits = [samples::insert(&end), samples::insert(&found)];
    let (mut known, mut writes) = (knowing(&[&first, &lookup]), Writes::default());
    assert_eq!(judge(&early, &mut known, &mut writes), Err(CommitRefused::OpenClosure(first.key)));
    assert!(writes.changes.is_empty() && writes.lines.is_empty());
    for commit in &commits {
        judge(commit, &mut known, &mut writes).unwrap();
    }
    assert!(order(&writes, &first) < order(&writes, &lookup));
}

#[test]
fn labels_that_a_commit_between_has_changed_are_written() {
    let first = samples::row(1);
    let labelled = Row { labels: vec![("a".to_owned(), "1".to_owned())], ..samples::next(&first) };
    let bare = Row { labels: Vec::new(), ..samples::next(&labelled) };
    let same = samples::next(&first);
    let commits = [samples::insert(&labelled), samples::insert(&bare)];
    let (mut known, mut writes) = (knowing(&[&first]), Writes::default());
    for commit in &commits {
        judge(commit, &mut known, &mut writes).unwrap();
    }
    assert!(!writes.changes[&first.key].keeps_labels);
    let commit = samples::insert(&same);
    let (mut known, mut writes) = (knowing(&[&first]), Writes::default());
    judge(&commit, &mut known, &mut writes).unwrap();
    assert!(writes.changes[&first.key].keeps_labels);
}

#[test]
fn keys_and_events_of_the_same_transaction_are_known() {
    let commit = |n| Commit {
        key: Some(samples::idempotency_key("k")),
        inbox: Some(samples::event("e")),
        ..samples::insert(&samples::row(n))
    };
    let (first, second) = (commit(1), commit(2));
    let third = Commit { key: None, ..commit(3) };
    let (mut known, mut writes) = (knowing(&[]), Writes::default());
    judge(&first, &mut known, &mut writes).unwrap();
    let used = CommitRefused::KeyUsed(samples::idempotency_key("k"));
    assert_eq!(judge(&second, &mut known, &mut writes), Err(used));
    assert_eq!(judge(&third, &mut known, &mut writes), Err(CommitRefused::SameEvent));
    assert_eq!((writes.changes.len(), writes.keys.len(), writes.events.len()), (1, 1, 1));
}

#[test]
fn what_is_asked_is_what_the_checks_need() {
    let row = samples::row(1);
    let attached = KeyEntry { attached: true, closure: samples::key(9), ..samples::idempotency_key("k") };
    let commits = [
        samples::insert(&row),
        samples::insert(&samples::ended(&row)),
        Commit { key: Some(attached), ..Commit::default() },
    ];
    let questions = Questions::of(commits.iter());
    assert_eq!(questions.closures, [row.key, samples::key(9)]);
    assert_eq!(questions.slots, [("acme".to_owned(), samples::conversation(1))]);
    assert_eq!((questions.keys.len(), questions.events.len()), (1, 0));
}
