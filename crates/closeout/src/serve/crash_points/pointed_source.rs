//! A source of commands that passes points after it has received messages, and before and after it settles them or publishes an
//! ending.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use queue::{Fault, Message, Outgoing, Receipt, Settlement, Source, Standing, Warning};

use super::{OF_NONE, Points};

pub(super) struct PointedSource {
    pub(super) inner: Arc<dyn Source>,
    pub(super) points: Arc<Points>,
}

#[async_trait]
impl Source for PointedSource {
    /// Empty answers come all the time and change nothing: they are no point.
    async fn receive(&self, most: usize, wait: Duration) -> Result<Vec<Message>, Fault> {
        let received = self.inner.receive(most, wait).await?;
        if !received.is_empty() {
            self.points.pass(OF_NONE, "receive messages", "after");
        }
        Ok(received)
    }

    async fn settle(&self, settlements: Vec<(Receipt, Settlement)>) -> Result<usize, Fault> {
        self.points.pass(OF_NONE, "settle messages", "before");
        let settled = self.inner.settle(settlements).await;
        self.points.pass(OF_NONE, "settle messages", "after");
        settled
    }

    async fn publish(&self, to: &str, outgoing: Outgoing) -> Result<(), Fault> {
        self.points.pass(OF_NONE, "publish ending", "before");
        let published = self.inner.publish(to, outgoing).await;
        self.points.pass(OF_NONE, "publish ending", "after");
        published
    }

    async fn standing(&self) -> Result<Standing, Fault> {
        self.inner.standing().await
    }

    async fn check(&self) -> Result<Vec<Warning>, Fault> {
        self.inner.check().await
    }

    async fn rest(&self) {
        self.inner.rest().await;
    }

    async fn reopen(&self) {
        self.inner.reopen().await;
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
