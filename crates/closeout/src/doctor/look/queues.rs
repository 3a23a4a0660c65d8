//! The queues: each is asked how it stands, which takes no message and changes nothing.

use evidence_sqs::{Queue as _, SqsQueue};

use super::super::findings::Queue;
use crate::config;

/// Asks every queue, one after another; none where calls are not wanted.
pub(super) async fn ask_all(queues: &[config::sqs::Queue], online: bool) -> Vec<Queue> {
    let mut found = Vec::with_capacity(queues.len());
    for config::sqs::Queue { setup, place } in queues {
        let standing = match online {
            true => Some(SqsQueue::at(place.clone()).await.standing().await),
            false => None,
        };
        found.push(Queue { name: setup.name.clone(), url: place.queue_url.clone(), standing });
    }
    found
}
