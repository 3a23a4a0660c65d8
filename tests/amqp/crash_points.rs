//! The service dies before and after whatever it tells RabbitMQ.

use closeout_tests::{Scene, Shop, die_around_each_call};
use lapin::{BasicProperties, Channel};
use serde_json::Value;

use crate::rabbit::{Queues, Sent, channel, publish_all, take_all};

/// A shop that hears of its closures by a channel of its own.
struct Orders {
    queues: Queues,
    channel: Channel,
}

impl Shop for Orders {
    async fn send(&mut self, id: &str, command: &Value) {
        let properties = BasicProperties::default()
            .with_message_id(id.into())
            .with_reply_to(self.queues.endings.as_str().into());
        let (queue, body) = (self.queues.orders.clone(), command.to_string().into_bytes());
        publish_all(vec![Sent { queue, properties, body }]).await;
    }

    async fn told(&mut self) -> Vec<Value> {
        let taken = take_all(&self.channel, &self.queues.endings).await;
        taken.iter().map(|(_, body)| serde_json::from_slice(body).unwrap()).collect()
    }

    async fn has_no_command_left(&self, scene: &Scene) -> bool {
        let none_waits = self.queues.waiting(&self.queues.orders).await == Some(0);
        // What is in the service's hands does not count as waiting.
        none_waits && scene.source("orders").await.is_some_and(|source| source["inHand"] == 0)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_death_before_or_after_whatever_the_broker_is_told_loses_no_command_and_doubles_none() {
    let queues = Queues::declare("deaths").await;
    let options = queues.options();
    let channel = channel().await.unwrap();
    die_around_each_call(&mut Orders { queues, channel }, options).await;
}
