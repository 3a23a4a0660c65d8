//! The service dies before and after whatever it tells NATS.

use std::time::Duration;

use closeout_tests::{Nats, Scene, SceneOptions, Shop, die_around_each_call};
use serde_json::Value;

/// A shop that has read so many endings.
struct Orders {
    nats: Nats,
    read: usize,
}

impl Shop for Orders {
    async fn send(&mut self, id: &str, command: &Value) {
        self.nats.publish(id, None, command).await;
    }

    async fn told(&mut self) -> Vec<Value> {
        let new = self.nats.endings().await.split_off(self.read);
        self.read += new.len();
        new
    }

    async fn has_no_command_left(&self, _: &Scene) -> bool {
        self.nats.left().await == Some(0)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_death_before_or_after_whatever_the_broker_is_told_loses_no_command_and_doubles_none() {
    let nats = Nats::begin().await;
    // What was received by a process that died is given out again after this time.
    nats.give_again_after(Duration::from_secs(2)).await;
    let options = SceneOptions { callbacks: nats.source(), ..SceneOptions::default() };
    die_around_each_call(&mut Orders { nats, read: 0 }, options).await;
}
