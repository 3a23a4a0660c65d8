//! The adapters that fetch events by themselves: started with the service, stopped before the driver.

use std::{collections::HashMap, sync::Arc};

use evidence_log::ReceivedLog;
use genesys_client::Client;
use genesys_types::Organisation;
use http_api::{AdapterStanding, RefusedTopic};
use notification_socket::{Adapter, Limits, Settings, Standing, StandingBoard};
use orchestrator::Orchestrator;
use tokio_util::sync::CancellationToken;

use crate::config::notifications::{KIND, Notifications};

/// The adapters at work.
#[derive(Debug, Default)]
pub struct Adapters {
    sockets: Vec<Adapter>,
}

impl Adapters {
    /// Starts every adapter. Each waits for its remote side by itself.
    pub fn start(
        notifications: Vec<Notifications>,
        clients: &HashMap<Organisation, Client>,
        orchestrator: &Orchestrator,
        stop: &CancellationToken,
    ) -> Self {
        let start = |one: Notifications| {
            // The configuration lets no other organisation through.
            let client = clients.get(&one.organisation)?.clone();
            let settings = Settings {
                name: one.name,
                organisation: one.organisation,
                topics: one.topics,
                limits: Limits::default(),
            };
            Some(Adapter::start(settings, client, orchestrator.clone(), stop.clone()))
        };
        Self { sockets: notifications.into_iter().filter_map(start).collect() }
    }

    /// What came in by each.
    pub fn logs(&self) -> impl Iterator<Item = ReceivedLog> {
        self.sockets.iter().map(Adapter::log)
    }

    /// What tells how each stands, for the API.
    pub fn standings(&self) -> Arc<dyn Fn() -> Vec<AdapterStanding> + Send + Sync> {
        let boards: Vec<StandingBoard> = self.sockets.iter().map(Adapter::board).collect();
        Arc::new(move || boards.iter().map(|board| shown(board.standing())).collect())
    }

    /// Completes after the stop, when what was heard is delivered or had its time.
    pub async fn stopped(self) {
        for socket in self.sockets {
            socket.stopped().await;
        }
    }
}

fn shown(standing: Standing) -> AdapterStanding {
    let refused = |topic: notification_socket::RefusedTopic| RefusedTopic {
        topic: topic.topic,
        reason: topic.reason,
        missing_permissions: topic.missing_permissions,
    };
    AdapterStanding {
        name: standing.name,
        kind: KIND,
        organisation: standing.organisation,
        connected_since: standing.connected_since,
        last_event_at: standing.last_event_at,
        refused: standing.refused.into_iter().map(refused).collect(),
        gaps: standing.gaps,
        read_back: standing.read_back,
    }
}
