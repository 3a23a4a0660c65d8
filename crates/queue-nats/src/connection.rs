//! The connection: made in the background, made again by itself, and watched.

use std::{
    future::ready,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_nats::{Client, ConnectOptions, Event, Server};
use queue::{Action, Fault, FaultKind};
use secrecy::ExposeSecret;
use tokio::sync::watch;

use crate::setup::{Auth, OpenError, Setup};

/// How long a connection may take to stand.
pub(crate) const CONNECT: Duration = Duration::from_secs(3);

/// How long a request may take: half of what the port allows, so that two in a row fit.
pub(crate) const REQUEST: Duration = Duration::from_secs(4);

/// How often a silent connection is tried: one that broke without a word is noticed after two of them.
const PING: Duration = Duration::from_secs(10);

/// The longest pause between two tries to connect: a server that is back is used within a second.
const RECONNECT_MOST: Duration = Duration::from_secs(1);

/// How the connection stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It stands, for the so manieth time: one that was made again is another one, however soon.
    Connected(u64),
    /// It does not: what was heard last of that.
    Away { refused: bool, cause: String },
}

/// A connection, and how it stands.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) standing: watch::Receiver<Standing>,
}

impl Connection {
    /// Begins to connect; waits for nobody.
    pub(crate) async fn begin(setup: &Setup) -> Result<Self, OpenError> {
        let first = Standing::Away { refused: false, cause: "the server has not answered yet".to_owned() };
        let (noted, standing) = watch::channel(first);
        let tries = Tries::default();
        let (of_tries, noted_by_tries) = (tries.clone(), noted.clone());
        let mut options = ConnectOptions::new()
            .name("closeout")
            .retry_on_initial_connect()
            .connection_timeout(CONNECT)
            .request_timeout(Some(REQUEST))
            .ping_interval(PING)
            .max_reconnects(None)
            .reconnect_delay_callback(delay)
            // It chooses no server; it is the one place where the library says what became of the last try at each.
            .reconnect_to_server_callback(move |servers, _| {
                of_tries.note(&servers, &noted_by_tries);
                ready(None)
            })
            .event_callback(move |event| {
                let (noted, tries) = (noted.clone(), tries.clone());
                async move { note(&noted, &tries, event) }
            });
        options = match &setup.auth {
            Auth::Nothing => options,
            Auth::Token(token) => options.token(token.expose_secret().to_owned()),
            Auth::Password { user, password } => {
                options.user_and_password(user.clone(), password.expose_secret().to_owned())
            }
            Auth::Credentials(path) => options.credentials_file(path).await.map_err(|error| OpenError {
                what: "the file of credentials cannot be read",
                source: error.into(),
            })?,
        };
        if let Some(path) = &setup.ca_file {
            options = options.add_root_certificates(path.clone());
        }
        if let Some((certificate, key)) = &setup.client_certificate {
            options = options.add_client_certificate(certificate.clone(), key.clone());
        }
        let client = options
            .connect(setup.servers.clone())
            .await
            .map_err(|error| OpenError { what: "no connection can be made", source: Box::new(error) })?;
        Ok(Self { client, standing })
    }

    /// Fails unless the connection stands.
    pub(crate) fn check(&self, action: Action) -> Result<(), Fault> {
        match &*self.standing.borrow() {
            Standing::Connected(_) => Ok(()),
            Standing::Away { refused, cause } => Err(away(action, *refused, cause)),
        }
    }
}

fn away(action: Action, refused: bool, cause: &str) -> Fault {
    let (kind, fix) = if refused {
        (
            FaultKind::Credentials,
            "check token, user and password, or credentials_file: the server refuses them",
        )
    } else {
        (FaultKind::Unreachable, "check url, and that the server runs and can be reached from here")
    };
    Fault { action, kind, cause: cause.to_owned(), fix }
}

/// What became of the tries to connect. Copies share it.
#[derive(Debug, Clone, Default)]
struct Tries(Arc<Told>);

#[derive(Debug, Default)]
struct Told {
    /// What became of the last try at each server: its address, and the error of the operating system or of the server.
    failed: Mutex<Option<String>>,
    /// How many came to stand.
    stood: AtomicU64,
}

impl Tries {
    fn note(&self, servers: &[Server], noted: &watch::Sender<Standing>) {
        let failed = servers.iter().filter_map(|server| {
            let error = server.last_error.as_deref()?;
            let error = error.strip_prefix("IO error: ").unwrap_or(error);
            // The URL may hold a password.
            Some(format!("{} port {}: {error}", server.addr.host(), server.addr.port()))
        });
        let failed: Vec<_> = failed.collect();
        if failed.is_empty() {
            return;
        }
        let told = failed.join("; ");
        self.set(Some(told.clone()));
        noted.send_if_modified(|standing| match standing {
            Standing::Away { refused: false, cause } if *cause != told => {
                *cause = told;
                true
            }
            Standing::Away { .. } | Standing::Connected(_) => false,
        });
    }

    fn set(&self, told: Option<String>) {
        *self.0.failed.lock().unwrap_or_else(PoisonError::into_inner) = told;
    }

    /// One came to stand: which in number.
    fn connected(&self) -> u64 {
        self.set(None);
        self.0.stood.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn told(&self) -> Option<String> {
        self.0.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn note(noted: &watch::Sender<Standing>, tries: &Tries, event: Event) {
    match event {
        Event::Connected => {
            noted.send_replace(Standing::Connected(tries.connected()));
        }
        Event::Disconnected | Event::Closed => {
            let cause = "the connection broke".to_owned();
            noted.send_replace(Standing::Away { refused: false, cause });
        }
        // Why a try to connect failed; the connection does not stand before and after it.
        Event::ClientError(error) => {
            let cause = error.to_string();
            let refused = cause.contains("authorization violation") || cause.contains("signing nonce");
            // The event has the kind of the error alone, such as "IO error".
            let cause = tries.told().filter(|_| !refused).unwrap_or(cause);
            noted.send_if_modified(|standing| match standing {
                Standing::Away { .. } => {
                    *standing = Standing::Away { refused, cause };
                    true
                }
                Standing::Connected(_) => false,
            });
        }
        Event::ServerError(error) => tracing::debug!(%error, "the server of NATS reports an error"),
        Event::SlowConsumer(subscription) => {
            tracing::debug!(
                subscription,
                "messages of NATS came faster than they were taken, and come again"
            );
        }
        Event::LameDuckMode | Event::Draining => {}
    }
}

/// The pause before a try: none before the first, then growing.
fn delay(attempts: usize) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX).min(10);
    if attempts <= 1 { Duration::ZERO } else { Duration::from_millis(1 << doublings).min(RECONNECT_MOST) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup(server: &str) -> Setup {
        Setup {
            servers: vec![server.to_owned()],
            stream: "CLOSURES".to_owned(),
            subject: None,
            consumer: "closeout".to_owned(),
            ack_wait: Duration::from_secs(30),
            auth: Auth::Nothing,
            ca_file: None,
            client_certificate: None,
        }
    }

    #[tokio::test]
    async fn a_server_that_is_away_is_told_by_its_address_and_the_error_of_the_system() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        drop(taken);
        let connection =
            Connection::begin(&setup(&format!("nats://ann:planted@127.0.0.1:{port}"))).await.unwrap();
        let mut standing = connection.standing.clone();
        let told = |standing: &Standing| match standing {
            Standing::Away { cause, .. } => cause.contains("refused"),
            Standing::Connected(_) => false,
        };
        tokio::time::timeout(Duration::from_secs(20), standing.wait_for(told)).await.unwrap().unwrap();
        let fault = connection.check(Action::Receive).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Unreachable);
        assert!(
            fault.cause.starts_with(&format!("127.0.0.1 port {port}: Connection refused")),
            "{}",
            fault.cause
        );
        assert!(!fault.cause.contains("planted"));
    }
}
