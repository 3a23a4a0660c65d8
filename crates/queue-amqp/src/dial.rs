//! Opens connections, one attempt at a time.

use std::time::Duration;

use lapin::{Connect as _, Connection, ConnectionProperties, Error, runtime::default_runtime};
use queue::{Action, Fault};
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout},
};

use crate::{
    fault::{During, fault, unreachable},
    settings::Settings,
};

/// How long is waited for a connection. Two of these fit into the grace of the port, as two may have to be waited for.
const CONNECT_WITHIN: Duration = Duration::from_secs(4);

/// After this, an attempt that has brought nothing is given up and another one begun. A broker itself gives up a handshake after 10 s.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(20);

/// Opens connections. An attempt that takes long goes on while nobody waits for it, so that a broker which accepts and says
/// nothing is not asked by ever more attempts.
#[derive(Debug)]
pub(crate) struct Dial {
    settings: Settings,
    /// What the connection is for, as RabbitMQ shows it.
    purpose: &'static str,
    attempt: Option<Attempt>,
}

#[derive(Debug)]
struct Attempt {
    since: Instant,
    task: JoinHandle<Result<Connection, Error>>,
}

impl Dial {
    pub(crate) fn new(settings: Settings, purpose: &'static str) -> Self {
        Self { settings, purpose, attempt: None }
    }

    /// Waits for a connection, for at most 4 seconds.
    pub(crate) async fn connect(&mut self, action: Action) -> Result<Connection, Fault> {
        if self.attempt.as_ref().is_some_and(|attempt| attempt.since.elapsed() >= GIVEN_UP_AFTER) {
            self.give_up();
        }
        let attempt = self.attempt.get_or_insert_with(|| Attempt {
            since: Instant::now(),
            task: tokio::spawn(connect(self.settings.clone(), self.purpose)),
        });
        let Ok(ended) = timeout(CONNECT_WITHIN, &mut attempt.task).await else {
            return Err(unreachable(action, "the broker does not answer"));
        };
        self.attempt = None;
        match ended {
            Ok(connected) => connected.map_err(|error| {
                let fault = fault(action, During::Connecting, &error);
                Fault { cause: self.with_address(&fault.cause), ..fault }
            }),
            Err(_) => Err(unreachable(action, "the attempt to connect broke off")),
        }
    }

    /// What went wrong, with where: the error of the operating system names no address.
    fn with_address(&self, cause: &str) -> String {
        let to = &self.settings.uri.authority;
        format!("{} port {}: {cause}", to.host, to.port)
    }

    /// Ends an attempt that is under way.
    pub(crate) fn give_up(&mut self) {
        if let Some(attempt) = self.attempt.take() {
            attempt.task.abort();
        }
    }
}

impl Drop for Dial {
    fn drop(&mut self) {
        self.give_up();
    }
}

async fn connect(settings: Settings, purpose: &str) -> Result<Connection, Error> {
    let name = format!("closeout: {purpose} {}", settings.queue);
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let tls = settings.tls();
    settings.uri.connect_with_config(properties, tls, default_runtime()?).await
}
