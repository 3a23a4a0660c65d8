//! The suite of every source, against brokers of Kafka.

#![expect(clippy::unwrap_used, reason = "a test may end where it stands")]

mod broker;
#[cfg(feature = "tls")]
mod encrypted;
mod mock;
mod place;

mod cluster {
    use crate::mock::Mock;

    queue::conformance_tests!(Mock::begin());
}

/// A first join takes a broker half a minute, so these are the cases in which a real one may differ.
mod process {
    use queue::conformance::{arriving, replies, settling, sharing, standing};

    use crate::broker::Broker;

    macro_rules! cases {
        ($($group:ident::$case:ident)*) => {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    $group::$case(Broker::begin().await).await;
                }
            )*
        };
    }

    cases! {
        arriving::a_message_arrives_as_it_was_published
        arriving::bytes_that_are_no_text_arrive_unchanged
        arriving::many_messages_arrive_each_at_least_once
        replies::what_is_published_back_reaches_its_address
        settling::a_message_for_later_comes_later_and_not_before
        settling::a_taken_message_does_not_come_again
        sharing::two_sources_share_a_queue
        sharing::a_reopened_source_goes_on
        sharing::a_rest_loses_nothing_and_leaves_the_queue_to_others
        standing::what_waits_is_counted
        standing::a_safe_queue_has_no_warning
    }
}
