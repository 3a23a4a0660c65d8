//! The suite that every source must pass: each guarantee of the port as a case.
//!
//! An adapter says where its brokers live and has one test for each case:
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use queue::{MemoryQueue, Outgoing, Source, conformance::{Manners, Place}};
//!
//! struct Memory(MemoryQueue);
//!
//! impl Place for Memory {
//!     fn manners(&self) -> Manners {
//!         Manners { held: Duration::from_secs(1), lanes: false, dies: true }
//!     }
//!     async fn open(&self) -> Arc<dyn Source> {
//!         Arc::new(self.0.source())
//!     }
//!     async fn publish(&self, outgoing: Outgoing) {
//!         self.0.publish(outgoing);
//!     }
//!     fn address(&self) -> String {
//!         "endings".to_owned()
//!     }
//!     async fn published_back(&self, most: usize) -> Vec<Outgoing> {
//!         self.0.replies().into_iter().map(|(_, reply)| reply).take(most).collect()
//!     }
//!     async fn kill(&self) {
//!         self.0.kill();
//!     }
//!     async fn restart(&self) {
//!         self.0.restart();
//!     }
//! }
//!
//! queue::conformance_tests!(Memory(MemoryQueue::new(Duration::from_secs(1))));
//! ```
//!
//! The cases panic where a guarantee is broken. They need a Tokio runtime with time, and run in real time: a broker has a
//! clock of its own. Every wait has a bound.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tokio::time::Instant;

use crate::{Headers, Message, Outgoing, Receipt, Settlement, Source};

pub mod arriving;
pub mod outages;
pub mod replies;
pub mod settling;
pub mod sharing;
pub mod standing;

/// No broker takes longer than this for anything in the suite. The first join of a group of Kafka takes 23 s.
const BOUND: Duration = Duration::from_secs(90);

/// How long one `receive` waits.
const WAIT: Duration = Duration::from_millis(200);

/// How a broker behaves where brokers differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manners {
    /// How long a message is held for whoever received it. The shorter, the faster the suite; a second or two.
    pub held: Duration,
    /// Whether it settles lanes and not messages: what stands behind a message that is for later waits with it.
    pub lanes: bool,
    /// Whether the place can kill its broker. What it cannot is left out, and said so on the error output.
    pub dies: bool,
}

/// Where one queue under test lives. It is empty at first, safely set, and no other test's.
pub trait Place: Send + Sync + 'static {
    /// How the broker behaves.
    fn manners(&self) -> Manners;

    /// Opens a source on the queue; several can be open at once. It answers whether the broker is there or not.
    fn open(&self) -> impl Future<Output = Arc<dyn Source>> + Send;

    /// Puts a message into the queue as a producer does: durable when this returns, with id, headers and address.
    fn publish(&self, outgoing: Outgoing) -> impl Future<Output = ()> + Send;

    /// An address for endings of which the place keeps what is published there.
    fn address(&self) -> String;

    /// What was published to [`address`](Self::address) so far, in order, at least as soon as it is `most` or some seconds
    /// passed.
    fn published_back(&self, most: usize) -> impl Future<Output = Vec<Outgoing>> + Send;

    /// Kills the broker without a warning, as loss of its process does.
    fn kill(&self) -> impl Future<Output = ()> + Send;

    /// Starts it again on the same data and at the same address, and returns when it answers.
    fn restart(&self) -> impl Future<Output = ()> + Send;
}

/// Writes one test for each case. The expression makes a new [`Place`] with an empty queue.
#[macro_export]
macro_rules! conformance_tests {
    ($place:expr) => {
        $crate::conformance_tests! { @cases $place;
            arriving {
                a_message_arrives_as_it_was_published
                bytes_that_are_no_text_arrive_unchanged
                an_empty_queue_answers_within_the_wait
                a_receive_brings_no_more_than_was_asked
                many_messages_arrive_each_at_least_once
                a_dropped_receive_loses_nothing
            }
            outages {
                a_broker_that_dies_loses_nothing
                a_source_goes_on_by_itself_when_its_broker_is_back
                a_source_that_is_opened_before_its_broker_goes_on_when_it_is_there
                a_request_to_a_broker_that_is_away_ends_within_its_bound
            }
            replies {
                what_is_published_back_reaches_its_address
                an_address_that_is_none_is_undeliverable
            }
            settling {
                a_taken_message_does_not_come_again
                a_poisonous_message_does_not_come_again
                an_unsettled_message_comes_again_as_the_same_message
                a_message_for_later_comes_later_and_not_before
                a_message_for_later_does_not_hold_up_others
                settling_twice_is_harmless
                a_receipt_of_before_is_harmless
            }
            sharing {
                two_sources_share_a_queue
                a_closed_source_gives_back_what_it_had
                a_closed_source_answers_nothing_more
                a_reopened_source_goes_on
                a_rest_loses_nothing_and_leaves_the_queue_to_others
            }
            standing {
                what_waits_is_counted
                a_safe_queue_has_no_warning
            }
        }
    };
    (@cases $place:expr; $($group:ident { $($case:ident)* })*) => {
        $(mod $group {
            #[allow(unused_imports, reason = "the expression may be made of nothing but paths")]
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    $crate::conformance::$group::$case($place).await;
                }
            )*
        })*
    };
}

/// A message with a number as its body and `order-{number}` as its id.
pub(crate) fn numbered(number: usize) -> Outgoing {
    Outgoing {
        id: Some(format!("order-{number}")),
        headers: Headers::default(),
        reply_to: None,
        body: Bytes::from(number.to_string()),
    }
}

/// The number that a message was published with.
pub(crate) fn number(message: &Message) -> usize {
    std::str::from_utf8(&message.body).ok().and_then(|text| text.parse().ok()).expect("the body is a number")
}

/// Publishes the messages 0 to `count`, without the last.
pub(crate) async fn publish_numbered(place: &impl Place, count: usize) {
    for n in 0..count {
        place.publish(numbered(n)).await;
    }
}

/// Opens a source and waits until its broker has answered it: opening itself waits for nobody.
pub(crate) async fn opened(place: &impl Place) -> Arc<dyn Source> {
    let source = place.open().await;
    let until = Instant::now() + BOUND;
    while let Err(fault) = source.standing().await {
        assert!(Instant::now() < until, "the broker does not answer: {fault}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    source
}

/// Receives until something comes; a fault is waited out.
pub(crate) async fn some(source: &dyn Source, most: usize) -> Vec<Message> {
    let until = Instant::now() + BOUND;
    let (mut empty, mut faults, mut last) = (0, 0, None);
    while Instant::now() < until {
        match source.receive(most, WAIT).await {
            Ok(messages) if !messages.is_empty() => return messages,
            Ok(_) => empty += 1,
            Err(fault) => {
                (faults, last) = (faults + 1, Some(fault));
                tokio::time::sleep(WAIT).await;
            }
        }
    }
    let standing = source.standing().await;
    panic!(
        "nothing came within {BOUND:?}: {empty} empty answers, {faults} faults, the last {last:?}; {standing:?}"
    );
}

/// Receives one message.
pub(crate) async fn one(source: &dyn Source) -> Message {
    some(source, 1).await.swap_remove(0)
}

/// Settles messages all alike, and insists that the broker confirms it.
pub(crate) async fn settle_all(source: &dyn Source, messages: &[Message], settlement: Settlement) {
    let settlements = messages.iter().map(|message| (message.receipt.clone(), settlement)).collect();
    assert_eq!(source.settle(settlements).await, Ok(0), "every settlement is confirmed");
}

/// Takes messages until each number below `count` has come, through faults and restarts, and tells how often each came.
pub(crate) async fn take_all(source: &dyn Source, count: usize) -> BTreeMap<usize, u32> {
    let mut came = BTreeMap::new();
    take_until(source, &mut came, count).await;
    came
}

/// As [`take_all`], adding to what has come before.
pub(crate) async fn take_until(source: &dyn Source, came: &mut BTreeMap<usize, u32>, count: usize) {
    let until = Instant::now() + BOUND;
    while came.len() < count {
        assert!(Instant::now() < until, "only {} of {count} came", came.len());
        let Ok(messages) = source.receive(100, WAIT).await else {
            tokio::time::sleep(WAIT).await;
            continue;
        };
        let receipts: Vec<(Receipt, Settlement)> =
            messages.iter().map(|message| (message.receipt.clone(), Settlement::Taken)).collect();
        // What could not be settled comes again, which counts as well.
        let _ = source.settle(receipts).await;
        messages.iter().for_each(|message| *came.entry(number(message)).or_default() += 1);
    }
}

/// Insists that nothing comes for `time`.
pub(crate) async fn nothing_for(source: &dyn Source, time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        let came = source.receive(10, WAIT).await.expect("the broker is there");
        assert_eq!(came, [], "nothing comes any more");
    }
}

/// All numbers below `count`.
pub(crate) fn numbers(count: usize) -> BTreeSet<usize> {
    (0..count).collect()
}

/// Whether the place can do without what this case is about.
pub(crate) fn left_out(place: &impl Place, why: &str, is_able: impl Fn(Manners) -> bool) -> bool {
    let left_out = !is_able(place.manners());
    if left_out {
        eprintln!("left out: {why}");
    }
    left_out
}
