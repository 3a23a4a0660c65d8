//! The service dies before and after whatever it tells Kafka.

use std::time::{Duration, Instant};

use closeout_tests::{Scene, die_around_calls};
use serde_json::Value;

use crate::shop::{Shop, TOPICS};

/// Those that a group of consumers has to do with, in which a member that died is missed only after six seconds. Endings are told by
/// the same code before every broker, and it dies around that before the others.
const POINTS: [&str; 3] = ["receive messages, after", "settle messages, before", "settle messages, after"];

/// How long a look at a topic takes.
const LOOK: Duration = Duration::from_secs(1);

impl closeout_tests::Shop for Shop {
    async fn send(&mut self, id: &str, command: &Value) {
        Self::send(self, &[("idempotency-key", id)], &command.to_string()).await;
    }

    async fn told(&mut self) -> Vec<Value> {
        let until = Instant::now() + LOOK;
        let all = Self::told(self, TOPICS[1], move |_| Instant::now() >= until).await;
        all.into_iter().map(|told| told.event).collect()
    }

    async fn has_no_command_left(&self, _: &Scene) -> bool {
        Self::has_no_command_left(self).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_death_before_or_after_messages_are_settled_loses_no_command_and_doubles_none() {
    let mut shop = Shop::of("deaths").await;
    let options = shop.options("auto");
    die_around_calls(&mut shop, options, |point| POINTS.contains(&point)).await;
}
