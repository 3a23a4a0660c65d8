//! Several sources on one queue, and sources that end, begin anew, or rest.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use super::{
    BOUND, Place, WAIT, number, numbered, numbers, one, opened, publish_numbered, settle_all, some, take_all,
    take_until,
};
use crate::{Action, FaultKind, Settlement};

/// Between them they bring every message, and a source that goes away leaves its share to the other.
pub async fn two_sources_share_a_queue(place: impl Place) {
    let (one, other) = (opened(&place).await, opened(&place).await);
    publish_numbered(&place, 100).await;
    let mut came: BTreeMap<usize, u32> = BTreeMap::new();
    let until = Instant::now() + BOUND;
    while came.len() < 50 {
        assert!(Instant::now() < until, "only {} came", came.len());
        for source in [&one, &other] {
            let Ok(messages) = source.receive(5, WAIT).await else { continue };
            // While the queue is shared out anew a broker may keep a source waiting; what is not settled comes again.
            let settlements = messages.iter().map(|message| (message.receipt.clone(), Settlement::Taken));
            let _ = source.settle(settlements.collect()).await;
            messages.iter().for_each(|message| *came.entry(number(message)).or_default() += 1);
        }
    }
    other.close().await;
    take_until(&*one, &mut came, 100).await;
    assert_eq!(came.into_keys().collect::<std::collections::BTreeSet<_>>(), numbers(100));
}

/// At once or after the time for which it was held; it is not lost.
pub async fn a_closed_source_gives_back_what_it_had(place: impl Place) {
    let source = opened(&place).await;
    publish_numbered(&place, 5).await;
    let had = some(&*source, 5).await;
    assert!(!had.is_empty());
    source.close().await;
    drop(source);
    let source = opened(&place).await;
    assert_eq!(take_all(&*source, 5).await.len(), 5);
}

/// It is said, and nothing hangs.
pub async fn a_closed_source_answers_nothing_more(place: impl Place) {
    let source = opened(&place).await;
    publish_numbered(&place, 1).await;
    let message = one(&*source).await;
    settle_all(&*source, &[message], Settlement::Taken).await;
    source.close().await;
    source.close().await;
    let refused = source.receive(1, WAIT).await.expect_err("it is closed");
    assert_eq!((refused.action, refused.kind), (Action::Receive, FaultKind::Unreachable));
}

/// What was in hand comes again, and what is new comes too.
pub async fn a_reopened_source_goes_on(place: impl Place) {
    let source = opened(&place).await;
    publish_numbered(&place, 3).await;
    let had = one(&*source).await;
    source.reopen().await;
    place.publish(numbered(3)).await;
    let came = take_all(&*source, 4).await;
    assert!(came.contains_key(&number(&had)), "what was in hand came again");
    assert_eq!(came.len(), 4);
}

/// Who rests keeps nothing that was not handed out; afterwards it goes on.
pub async fn a_rest_loses_nothing_and_leaves_the_queue_to_others(place: impl Place) {
    let source = opened(&place).await;
    publish_numbered(&place, 30).await;
    let first = some(&*source, 1).await;
    settle_all(&*source, &first, Settlement::Taken).await;
    source.rest().await;
    let mut came: BTreeMap<usize, u32> = first.iter().map(|message| (number(message), 1)).collect();
    if place.manners().lanes {
        // A lane stays with its reader, which goes on when the rest is over.
        take_until(&*source, &mut came, 30).await;
    } else {
        let other = opened(&place).await;
        take_until(&*other, &mut came, 30).await;
        other.close().await;
    }
    place.publish(numbered(30)).await;
    take_until(&*source, &mut came, 31).await;
    assert_eq!(came.len(), 31);
    assert!(source.receive(1, Duration::ZERO).await.is_ok(), "no wait is a wait too");
}
