//! Whoever takes messages: receives, settles, and remembers what came.

use std::{collections::BTreeMap, time::Duration};

use queue::{Message, Settlement, Source};
use tokio::time::Instant;

use crate::place::BOUND;

/// How long one receive waits.
pub const WAIT: Duration = Duration::from_millis(200);

/// Receives until something comes, through faults.
pub async fn some(source: &dyn Source, most: usize) -> Vec<Message> {
    let until = Instant::now() + BOUND;
    loop {
        match source.receive(most, WAIT).await {
            Ok(messages) if !messages.is_empty() => return messages,
            Ok(_) => assert!(Instant::now() < until, "nothing comes"),
            Err(fault) => {
                assert!(Instant::now() < until, "nothing comes: {fault}");
                tokio::time::sleep(WAIT).await;
            }
        }
    }
}

/// Receives one message.
pub async fn one(source: &dyn Source) -> Message {
    some(source, 1).await.swap_remove(0)
}

/// Settles messages all alike; answers whether the broker confirmed it of all.
pub async fn settle(source: &dyn Source, messages: &[Message], settlement: Settlement) -> bool {
    let settlements = messages.iter().map(|message| (message.receipt.clone(), settlement)).collect();
    source.settle(settlements).await == Ok(0)
}

/// What came of each message, by its id.
#[derive(Debug, Default)]
pub struct Came {
    /// How often each was taken, with a confirmation and without.
    pub taken: BTreeMap<String, (u32, u32)>,
}

impl Came {
    /// Takes what comes until `count` different messages were taken with a confirmation.
    pub async fn take(&mut self, source: &dyn Source, count: usize) {
        let until = Instant::now() + BOUND;
        let mut fault = None;
        while self.confirmed() < count {
            if Instant::now() >= until {
                let standing = source.standing().await;
                panic!("only {} of {count} are taken; {standing:?}, and last {fault:?}", self.confirmed());
            }
            let messages = match source.receive(20, WAIT).await {
                Ok(messages) => messages,
                Err(refused) => {
                    fault = Some(refused);
                    tokio::time::sleep(WAIT).await;
                    continue;
                }
            };
            let is_confirmed = settle(source, &messages, Settlement::Taken).await;
            for message in messages {
                let (confirmed, unconfirmed) = self.taken.entry(message.id.unwrap()).or_default();
                *(if is_confirmed { confirmed } else { unconfirmed }) += 1;
            }
        }
    }

    pub fn confirmed(&self) -> usize {
        self.taken.values().filter(|(confirmed, _)| *confirmed > 0).count()
    }
}
