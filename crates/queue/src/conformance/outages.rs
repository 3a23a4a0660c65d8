//! Brokers that die, and come back.

use std::collections::BTreeMap;

use tokio::time::{Instant, timeout};

use super::{BOUND, Place, WAIT, left_out, numbered, opened, publish_numbered, settle_all, some, take_until};
use crate::{Action, FaultKind, GRACE, Settlement};

const WHY: &str = "the place cannot kill its broker";

/// What was not settled comes again after a broker's death, also when it was in somebody's hand, and a source that stayed
/// open brings it.
pub async fn a_broker_that_dies_loses_nothing(place: impl Place) {
    if left_out(&place, WHY, |manners| manners.dies) {
        return;
    }
    let source = opened(&place).await;
    publish_numbered(&place, 60).await;
    let mut came = BTreeMap::new();
    while came.len() < 20 {
        let messages = some(&*source, 5).await;
        settle_all(&*source, &messages, Settlement::Taken).await;
        messages.iter().for_each(|message| *came.entry(super::number(message)).or_default() += 1);
    }
    let in_hand = some(&*source, 10).await;
    let told = some(&*source, 10).await;
    place.kill().await;
    let receipts = told.iter().map(|message| (message.receipt.clone(), Settlement::Taken)).collect();
    let settled = timeout(GRACE + WAIT, source.settle(receipts)).await.expect("it answers in time");
    assert_ne!(settled, Ok(0), "nothing is confirmed by a broker that is dead");
    // What was told to the dead may have been on its way, and reach it after all.
    told.iter().for_each(|message| *came.entry(super::number(message)).or_default() += 1);
    assert!(in_hand.iter().all(|message| !came.contains_key(&super::number(message))));
    place.restart().await;
    take_until(&*source, &mut came, 60).await;
    assert_eq!(came.len(), 60);
}

/// Without being opened again, through several deaths, also while it waits in a receive.
pub async fn a_source_goes_on_by_itself_when_its_broker_is_back(place: impl Place) {
    if left_out(&place, WHY, |manners| manners.dies) {
        return;
    }
    let source = opened(&place).await;
    for round in 0..3 {
        let waiting = tokio::spawn({
            let source = std::sync::Arc::clone(&source);
            async move { source.receive(10, WAIT).await }
        });
        place.kill().await;
        let _ = timeout(GRACE + WAIT, waiting).await.expect("a receive ends when its broker dies");
        place.restart().await;
        place.publish(numbered(round)).await;
        // What was settled just before a death may come again, and before what is new.
        let mut has_come = false;
        while !has_come {
            let messages = some(&*source, 10).await;
            settle_all(&*source, &messages, Settlement::Taken).await;
            has_come = messages.iter().any(|message| super::number(message) == round);
        }
    }
}

/// Opening waits for nobody.
pub async fn a_source_that_is_opened_before_its_broker_goes_on_when_it_is_there(place: impl Place) {
    if left_out(&place, WHY, |manners| manners.dies) {
        return;
    }
    place.publish(numbered(7)).await;
    place.kill().await;
    let source = timeout(GRACE, place.open()).await.expect("opening waits for nobody");
    let refused = source.receive(1, WAIT).await.expect_err("the broker is away");
    assert_eq!((refused.action, refused.kind), (Action::Receive, FaultKind::Unreachable));
    place.restart().await;
    assert_eq!(super::number(&super::one(&*source).await), 7);
}

/// Every request answers with a fault, and soon.
pub async fn a_request_to_a_broker_that_is_away_ends_within_its_bound(place: impl Place) {
    if left_out(&place, WHY, |manners| manners.dies) {
        return;
    }
    let source = opened(&place).await;
    publish_numbered(&place, 1).await;
    let message = super::one(&*source).await;
    place.kill().await;
    let bound = WAIT + GRACE + WAIT;
    let asked = Instant::now();
    assert!(timeout(bound, source.receive(1, WAIT)).await.expect("it answers").is_err());
    assert!(timeout(bound, source.standing()).await.expect("it answers").is_err());
    assert!(timeout(bound, source.check()).await.expect("it answers").is_err());
    let address = place.address();
    let publish = source.publish(&address, numbered(1));
    assert!(timeout(bound, publish).await.expect("it answers").is_err());
    let settle = source.settle(vec![(message.receipt, Settlement::Taken)]);
    assert_ne!(timeout(bound, settle).await.expect("it answers"), Ok(0));
    timeout(bound, source.rest()).await.expect("it answers");
    timeout(bound, source.reopen()).await.expect("it answers");
    timeout(bound, source.close()).await.expect("it answers");
    assert!(asked.elapsed() < BOUND);
}
