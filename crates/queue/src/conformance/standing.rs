//! What can be known of a queue.

use tokio::time::Instant;

use super::{BOUND, Place, WAIT, one, opened, publish_numbered, settle_all, take_all};
use crate::{Settlement, Source, Standing};

/// Polls until the queue stands as it should: brokers count with a delay.
async fn stands(source: &dyn Source, what: &str, is_right: impl Fn(Standing) -> bool) {
    let until = Instant::now() + BOUND;
    loop {
        match source.standing().await {
            Ok(standing) if is_right(standing) => return,
            Ok(standing) => assert!(Instant::now() < until, "{what}: it stays {standing:?}"),
            Err(fault) => assert!(Instant::now() < until, "{what}: {fault}"),
        }
        tokio::time::sleep(WAIT).await;
    }
}

/// Also before anything was received, while something is in hand, and down to none.
pub async fn what_waits_is_counted(place: impl Place) {
    let source = opened(&place).await;
    stands(&*source, "an empty queue", |standing| standing == Standing::default()).await;
    publish_numbered(&place, 6).await;
    stands(&*source, "six are published", |standing| standing.waiting + standing.in_hand == 6).await;
    let message = one(&*source).await;
    settle_all(&*source, &[message], Settlement::Taken).await;
    stands(&*source, "one is taken", |standing| standing.waiting + standing.in_hand == 5).await;
    take_all(&*source, 5).await;
    stands(&*source, "all are taken", |standing| standing == Standing::default()).await;
}

/// The place is safely set, and the check finds nothing.
pub async fn a_safe_queue_has_no_warning(place: impl Place) {
    let source = opened(&place).await;
    assert_eq!(source.check().await, Ok(Vec::new()));
}
