//! The service dies before and after whatever it tells Amazon SQS.

use std::time::Duration;

use closeout_tests::{Scene, Shop, die_around_each_call};
use serde_json::Value;

use crate::{aws::address, orders::Orders};

impl Shop for Orders {
    async fn send(&mut self, id: &str, command: &Value) {
        Self::send(self, id, None, command).await;
    }

    async fn told(&mut self) -> Vec<Value> {
        self.told_within("ended", Duration::ZERO).await.into_iter().map(|(event, _)| event).collect()
    }

    async fn has_no_command_left(&self, _: &Scene) -> bool {
        self.is_empty("orders").await
    }
}

#[tokio::test]
async fn a_death_before_or_after_whatever_the_queue_is_told_loses_no_command_and_doubles_none() {
    let mut orders = Orders::begin().await;
    let options = orders.options(&address(), "sns");
    die_around_each_call(&mut orders, options).await;
}
