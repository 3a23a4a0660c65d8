//! The connection: made in the background, made again by itself, and watched.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_nats::{Client, ConnectOptions, Event};
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
        let times = Arc::new(AtomicU64::new(0));
        let mut options = ConnectOptions::new()
            .name("closeout")
            .retry_on_initial_connect()
            .connection_timeout(CONNECT)
            .request_timeout(Some(REQUEST))
            .ping_interval(PING)
            .max_reconnects(None)
            .reconnect_delay_callback(delay)
            .event_callback(move |event| {
                let (noted, times) = (noted.clone(), Arc::clone(&times));
                async move { note(&noted, &times, event) }
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

fn note(noted: &watch::Sender<Standing>, times: &AtomicU64, event: Event) {
    match event {
        Event::Connected => {
            noted.send_replace(Standing::Connected(times.fetch_add(1, Ordering::Relaxed) + 1));
        }
        Event::Disconnected | Event::Closed => {
            let cause = "the connection broke".to_owned();
            noted.send_replace(Standing::Away { refused: false, cause });
        }
        // Why a try to connect failed; the connection does not stand before and after it.
        Event::ClientError(error) => {
            let cause = error.to_string();
            let refused = cause.contains("authorization violation") || cause.contains("signing nonce");
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
