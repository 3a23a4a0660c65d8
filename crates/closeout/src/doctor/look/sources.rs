//! The sources of commands: each broker is asked how the queue stands and how it is set, which takes no message and changes
//! nothing.

use std::{sync::Arc, time::Duration};

use queue::{Action, Fault, FaultKind};
use tokio::time::{Instant, sleep};

use super::super::findings::{Broker, Source};
use crate::{config::source::CommandSource, serve::sources::open_one};

/// How long a broker may take to answer: a connection that has to be tried twice stands by then.
const PATIENCE: Duration = Duration::from_secs(8);

/// Asks every broker, one after another; none where calls are not wanted.
pub(super) async fn ask_all(sources: &[CommandSource], online: bool) -> Vec<Source> {
    let mut found = Vec::with_capacity(sources.len());
    for source in sources {
        let says = match online {
            true => Some(ask(source).await),
            false => None,
        };
        found.push(Source { name: source.setup.name.clone(), place: source.broker.place(), says });
    }
    found
}

async fn ask(source: &CommandSource) -> Result<Broker, Fault> {
    let opened: Arc<dyn queue::Source> = match open_one(&source.setup.name, source.broker.clone()).await {
        Ok(opened) => opened,
        Err(failure) => {
            return Err(Fault {
                action: Action::Look,
                kind: FaultKind::Other,
                cause: failure.to_string(),
                fix: "correct the files that the configuration names",
            });
        }
    };
    let until = Instant::now() + PATIENCE;
    let says = loop {
        let asked = match opened.standing().await {
            Ok(standing) => opened.check().await.map(|warnings| Broker { standing, warnings }),
            Err(fault) => Err(fault),
        };
        match asked {
            Err(fault) if fault.kind == FaultKind::Unreachable && Instant::now() < until => {
                sleep(Duration::from_millis(100)).await;
            }
            answer => break answer,
        }
    };
    opened.close().await;
    says
}
