//! What becomes of a message that was settled, or was not.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    Place, left_out, nothing_for, number, numbered, one, opened, publish_numbered, settle_all, some, take_all,
};
use crate::Settlement;

/// Neither to this source, nor to one that is opened after it.
pub async fn a_taken_message_does_not_come_again(place: impl Place) {
    gone(&place, Settlement::Taken).await;
}

/// As one that was taken: it is kept elsewhere.
pub async fn a_poisonous_message_does_not_come_again(place: impl Place) {
    gone(&place, Settlement::Poison).await;
}

async fn gone(place: &impl Place, settlement: Settlement) {
    let source = opened(place).await;
    publish_numbered(place, 1).await;
    let message = one(&*source).await;
    settle_all(&*source, &[message], settlement).await;
    nothing_for(&*source, place.manners().held * 2).await;
    source.close().await;
    let source = opened(place).await;
    nothing_for(&*source, place.manners().held).await;
}

/// By itself, after the time for which it was held; place and id are the same.
pub async fn an_unsettled_message_comes_again_as_the_same_message(place: impl Place) {
    let source = opened(&place).await;
    publish_numbered(&place, 1).await;
    let first = one(&*source).await;
    if place.manners().lanes {
        // A lane is held as long as its reader lives.
        source.reopen().await;
    }
    let second = one(&*source).await;
    assert_eq!((&first.place, &first.id, &first.body), (&second.place, &second.id, &second.body));
    assert!(place.manners().lanes || second.deliveries == 2, "it says that it came before: {second:?}");
    settle_all(&*source, &[second], Settlement::Taken).await;
}

/// A second later, and said to be the second delivery.
pub async fn a_message_for_later_comes_later_and_not_before(place: impl Place) {
    const DELAY: Duration = Duration::from_millis(1_500);
    let source = opened(&place).await;
    publish_numbered(&place, 1).await;
    let first = one(&*source).await;
    let settled = Instant::now();
    settle_all(&*source, std::slice::from_ref(&first), Settlement::Later(DELAY)).await;
    let second = one(&*source).await;
    let passed = settled.elapsed();
    assert!(passed >= DELAY - Duration::from_millis(100), "it came after {passed:?} already");
    assert_eq!((&first.place, &first.id), (&second.place, &second.id));
    assert_eq!(second.deliveries, 2);
    settle_all(&*source, &[second], Settlement::Later(Duration::ZERO)).await;
    let third = one(&*source).await;
    assert_eq!(third.deliveries, 3);
    settle_all(&*source, &[third], Settlement::Taken).await;
}

/// What comes after it is given out meanwhile.
pub async fn a_message_for_later_does_not_hold_up_others(place: impl Place) {
    if left_out(&place, "the broker settles lanes", |manners| !manners.lanes) {
        return;
    }
    let source = opened(&place).await;
    place.publish(numbered(0)).await;
    let held_up = one(&*source).await;
    settle_all(&*source, &[held_up], Settlement::Later(Duration::from_secs(5))).await;
    for n in 1..4 {
        place.publish(numbered(n)).await;
    }
    let began = Instant::now();
    let mut came = Vec::new();
    while came.len() < 3 {
        let messages = some(&*source, 10).await;
        settle_all(&*source, &messages, Settlement::Taken).await;
        came.extend(messages.iter().map(number));
    }
    assert!(began.elapsed() < Duration::from_secs(4), "the others did not wait");
    came.sort_unstable();
    assert_eq!(came, [1, 2, 3]);
    assert_eq!(number(&one(&*source).await), 0);
}

/// A second settlement of a message changes nothing and breaks nothing.
pub async fn settling_twice_is_harmless(place: impl Place) {
    let source = opened(&place).await;
    publish_numbered(&place, 2).await;
    let first = one(&*source).await;
    settle_all(&*source, std::slice::from_ref(&first), Settlement::Taken).await;
    let again = source.settle(vec![(first.receipt, Settlement::Taken)]).await;
    assert!(again.is_ok(), "{again:?}");
    // The other message is as it was.
    let second = one(&*source).await;
    assert_eq!(number(&second), 1);
    settle_all(&*source, &[second], Settlement::Taken).await;
}

/// A receipt of an earlier delivery, of another time or of no time at all spoils nothing.
pub async fn a_receipt_of_before_is_harmless(place: impl Place) {
    let source = opened(&place).await;
    publish_numbered(&place, 3).await;
    let before = one(&*source).await;
    source.reopen().await;
    let _ = source
        .settle(vec![
            (before.receipt, Settlement::Later(Duration::ZERO)),
            (crate::Receipt("nonsense".to_owned()), Settlement::Taken),
        ])
        .await;
    assert_eq!(take_all(&*source, 3).await.len(), 3);
}
