//! The queues of the configuration as adapters that run.

use std::{sync::Arc, time::Duration};

use evidence_log::ReceivedLog;
use evidence_sqs::{Adapter, SqsQueue};
use futures_util::future::join_all;
use genesys_types::Organisation;
use orchestrator::Orchestrator;
use tokio_util::sync::CancellationToken;

use crate::config::sqs::Queue;

/// The adapters, each with its name and whose it is.
#[derive(Debug)]
pub struct Queues(Vec<(String, Organisation, Adapter)>);

/// The names of these queues.
pub fn names(queues: &[Queue]) -> Vec<String> {
    queues.iter().map(|queue| queue.setup.name.clone()).collect()
}

impl Queues {
    /// Starts an adapter for each queue, until the stop. A queue that is away is no reason not to start.
    pub async fn start(queues: Vec<Queue>, orchestrator: &Orchestrator, stop: &CancellationToken) -> Self {
        let mut running = Vec::new();
        for Queue { setup, place } in queues {
            let (name, organisation) = (setup.name.clone(), setup.organisation.clone());
            let queue: Arc<dyn evidence_sqs::Queue> = Arc::new(SqsQueue::at(place).await);
            #[cfg(debug_assertions)]
            let queue = super::crash_points::queue(queue);
            let adapter = Adapter::start(orchestrator.clone(), queue, setup, stop.clone());
            running.push((name, organisation, adapter));
        }
        Self(running)
    }

    /// What came in by each.
    pub fn logs(&self) -> impl Iterator<Item = ReceivedLog> {
        self.0.iter().map(|(_, _, adapter)| adapter.log())
    }

    /// Whose each is.
    pub fn owners(&self) -> impl Iterator<Item = (String, Organisation)> {
        self.0.iter().map(|(name, organisation, _)| (name.clone(), organisation.clone()))
    }

    /// The end of the greeting's half sentence on hooks; empty where there is no queue.
    pub fn greeting(&self) -> String {
        match self.0.len() {
            0 => String::new(),
            1 => " and 1 queue".to_owned(),
            more => format!(" and {more} queues"),
        }
    }

    /// Completes when all have stopped, or after `grace`: what is not deleted by then comes again.
    pub async fn stopped(self, grace: Duration) {
        let all = join_all(self.0.into_iter().map(|(_, _, adapter)| adapter.stopped()));
        if tokio::time::timeout(grace, all).await.is_err() {
            tracing::warn!(
                "a queue did not answer in time; messages that were taken come again and are known then"
            );
        }
    }
}
