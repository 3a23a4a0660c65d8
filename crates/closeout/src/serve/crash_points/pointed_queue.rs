//! A queue of evidence that passes points after it has received messages, and before and after it deletes or hides them.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use evidence_sqs::{Fault, Message, Queue, Standing};

use super::{OF_NONE, Points};

pub(super) struct PointedQueue {
    pub(super) inner: Arc<dyn Queue>,
    pub(super) points: Arc<Points>,
}

#[async_trait]
impl Queue for PointedQueue {
    /// Empty answers come all the time and change nothing: they are no point.
    async fn receive(&self, most: u8, wait: Duration, hidden: Duration) -> Result<Vec<Message>, Fault> {
        let received = self.inner.receive(most, wait, hidden).await?;
        if !received.is_empty() {
            self.points.pass(OF_NONE, "receive evidence", "after");
        }
        Ok(received)
    }

    async fn delete(&self, receipts: &[String]) -> Result<usize, Fault> {
        self.points.pass(OF_NONE, "delete evidence", "before");
        let deleted = self.inner.delete(receipts).await;
        self.points.pass(OF_NONE, "delete evidence", "after");
        deleted
    }

    async fn hide(&self, receipts: &[(String, Duration)]) -> Result<usize, Fault> {
        self.points.pass(OF_NONE, "hide evidence", "before");
        let hidden = self.inner.hide(receipts).await;
        self.points.pass(OF_NONE, "hide evidence", "after");
        hidden
    }

    async fn standing(&self) -> Result<Standing, Fault> {
        self.inner.standing().await
    }
}
