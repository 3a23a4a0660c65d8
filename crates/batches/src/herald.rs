//! Telling of batches: what, and to whom that falls.

use async_trait::async_trait;
use store::StoreUnavailable;

use crate::service::{Batch, Progress};

/// What is told of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// A scan that a schedule asked for has found stuck sessions.
    Found,
    /// Every row is settled, or nothing more is done for it.
    Finished,
}

/// Tells of batches. What it has answered for is told; until then it is asked again, also after a restart.
#[async_trait]
pub trait Herald: Send + Sync + 'static {
    /// Takes it on to tell of a batch.
    ///
    /// # Errors
    ///
    /// Fails when the store cannot be reached.
    async fn tell(&self, news: News, batch: &Batch, progress: Progress) -> Result<(), StoreUnavailable>;
}

/// A herald that tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHerald;

#[async_trait]
impl Herald for NoHerald {
    async fn tell(&self, _: News, _: &Batch, _: Progress) -> Result<(), StoreUnavailable> {
        Ok(())
    }
}
