//! What posts callbacks, passing points before and after each post.

use std::sync::Arc;

use async_trait::async_trait;
use callbacks::{Letter, Outcome, Post};

use super::{OF_NONE, Points};

pub(super) struct PointedPost {
    pub(super) inner: Arc<dyn Post>,
    pub(super) points: Arc<Points>,
}

#[async_trait]
impl Post for PointedPost {
    async fn post(&self, letter: Letter) -> Outcome {
        self.points.pass(OF_NONE, "post callback", "before");
        let outcome = self.inner.post(letter).await;
        self.points.pass(OF_NONE, "post callback", "after");
        outcome
    }
}
