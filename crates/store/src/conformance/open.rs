//! One open closure for an organisation and conversation.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::{Place, put_row, read, refused, samples};
use crate::{CommitRefused, Filter, Order, Row};

/// A second open closure of a conversation is refused and told the first; other organisations do not matter.
pub async fn a_conversation_has_one_open_closure(place: impl Place) {
    let store = place.open().await;
    let first = samples::row(1);
    put_row(&*store, &first).await;
    let second = Row { conversation: first.conversation, ..samples::row(2) };
    assert_eq!(refused(&*store, samples::insert(&second)).await, CommitRefused::OpenClosure(first.key));
    let elsewhere = Row { organisation: "other".to_owned(), ..second };
    put_row(&*store, &elsewhere).await;

    let conversation = samples::conversation(1);
    assert_eq!(read(store.open_of("acme", conversation)).await, Some(first));
    assert_eq!(read(store.open_of("other", conversation)).await, Some(elsewhere));
    assert_eq!(read(store.open_of("third", conversation)).await, None);
    assert_eq!(read(store.open_of("acme", samples::conversation(2))).await, None);
}

/// An ended closure does not stand in the way, nor does a new row that has ended already.
pub async fn an_end_makes_room_for_another_closure(place: impl Place) {
    let store = place.open().await;
    let first = samples::row(1);
    put_row(&*store, &first).await;
    let born_ended = Row { ended: true, wake_at: None, conversation: first.conversation, ..samples::row(3) };
    put_row(&*store, &born_ended).await;
    put_row(&*store, &samples::ended(&first)).await;
    assert_eq!(read(store.open_of("acme", samples::conversation(1))).await, None);
    let second = Row { conversation: first.conversation, ..samples::row(2) };
    put_row(&*store, &second).await;
    assert_eq!(read(store.open_of("acme", samples::conversation(1))).await, Some(second.clone()));
    let again = Row { ended: false, wake_at: Some(5), ..samples::next(&samples::ended(&first)) };
    assert_eq!(refused(&*store, samples::insert(&again)).await, CommitRefused::OpenClosure(second.key));
}

/// An ended row can be written once more, as when its guest comes back, whether or not its conversation has an open
/// closure by then: that one stays the open one, and nothing of the ended row becomes due.
pub async fn an_end_is_written_again_beside_an_open_closure(place: impl Place) {
    let store = place.open().await;
    let first = samples::row(1);
    put_row(&*store, &first).await;
    let ended = samples::ended(&first);
    put_row(&*store, &ended).await;
    let second = Row { conversation: first.conversation, ..samples::row(2) };
    put_row(&*store, &second).await;
    let marked = Row { reason: Some("guest_returned".to_owned()), ..samples::next(&ended) };
    put_row(&*store, &marked).await;
    assert_eq!(read(store.load(first.key)).await, Some(marked.clone()));
    assert_eq!(read(store.open_of("acme", samples::conversation(1))).await, Some(second.clone()));
    assert_eq!(read(store.due(i64::MAX, None, 10)).await, std::slice::from_ref(&second));
    let of_reason = Filter { reasons: vec!["guest_returned".to_owned()], ..Filter::default() };
    assert_eq!(
        read(store.list(&of_reason, Order::NewestFirst, None, 10)).await,
        std::slice::from_ref(&marked)
    );
    let of_conversation = Filter { conversation: first.conversation, ..Filter::default() };
    assert_eq!(read(store.list(&of_conversation, Order::NewestFirst, None, 10)).await, [second, marked]);
    assert_eq!(read(store.tally(&of_reason)).await.len(), 1);
}

/// Lookups without a conversation never collide; one that finds a conversation that is taken is told so.
pub async fn a_lookup_cannot_move_onto_a_conversation_that_is_taken(place: impl Place) {
    let store = place.open().await;
    let taken = samples::row(1);
    put_row(&*store, &taken).await;
    let lookups = [2, 3].map(|n| Row { conversation: None, ..samples::row(n) });
    for lookup in &lookups {
        put_row(&*store, lookup).await;
    }
    let onto = |lookup: &Row, conversation| Row { conversation: Some(conversation), ..samples::next(lookup) };
    let found_taken = onto(&lookups[0], samples::conversation(1));
    assert_eq!(refused(&*store, samples::insert(&found_taken)).await, CommitRefused::OpenClosure(taken.key));
    let found_free = onto(&lookups[1], samples::conversation(9));
    put_row(&*store, &found_free).await;
    assert_eq!(read(store.open_of("acme", samples::conversation(9))).await, Some(found_free));
}

/// However many writers race to open a closure for one conversation, one wins and the others are told it.
pub async fn of_racing_openers_exactly_one_wins(place: impl Place) {
    let store = place.open().await;
    for round in 0..10 {
        let mut openers = JoinSet::new();
        for opener in 0..8 {
            let store = Arc::clone(&store);
            let row =
                Row { conversation: Some(samples::conversation(round)), ..samples::row(round * 8 + opener) };
            openers.spawn(async move { (row.key, store.commit(samples::insert(&row)).await) });
        }
        let outcomes = openers.join_all().await;
        let open = read(store.open_of("acme", samples::conversation(round))).await;
        let winner = open.expect("one of the openers wins").key;
        for (key, outcome) in outcomes {
            let expected = if key == winner { Ok(()) } else { Err(CommitRefused::OpenClosure(winner)) };
            assert_eq!(outcome, expected);
        }
    }
}

/// The scan of a start meets every open row once, in order of key, page by page.
pub async fn open_rows_are_walked_in_order_of_key(place: impl Place) {
    let store = place.open().await;
    for n in (0..20).rev() {
        put_row(&*store, &samples::row(n)).await;
    }
    for n in [0, 7, 19] {
        put_row(&*store, &samples::ended(&samples::row(n))).await;
    }
    let mut walked = Vec::new();
    loop {
        let page = read(store.open_after(walked.last().copied(), 5)).await;
        assert!(page.len() <= 5, "a page is within its limit");
        if page.is_empty() {
            break;
        }
        walked.extend(page.iter().map(|row| row.key));
    }
    let open = (0..20).filter(|n| ![0, 7, 19].contains(n)).map(samples::key);
    assert_eq!(walked, open.collect::<Vec<_>>());
}
