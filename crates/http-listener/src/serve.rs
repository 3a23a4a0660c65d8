//! Accepts connections until told to stop.

use std::{io, sync::Arc, time::Duration};

use axum::Router;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, sleep_until, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, info, warn};

use crate::{
    Limits,
    connection::{self, Stop},
    metrics::{self, Cut},
    newcomers::Newcomers,
};

/// How long accepting rests when the process has no file descriptor left: connections that end give some back.
const REST_WITHOUT_DESCRIPTORS: Duration = Duration::from_millis(100);

/// How long a connection that was cut may take to give its place back.
const FREE_WITHIN: Duration = Duration::from_millis(100);

/// Serves a router under these limits until `stop` is cancelled, and then until the last request is answered.
///
/// Every request carries `axum::extract::ConnectInfo<SocketAddr>` with the peer's address in its extensions.
///
/// After `stop` the port is closed, idle connections are closed, and requests under way are answered with
/// `connection: close`. What still runs after [`Limits::grace`] is cut. Dropping the future instead closes the port and
/// lets the connections run on.
///
/// # Errors
///
/// Fails when the listener is of no use any more; that a single connection cannot be accepted is no error.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    stop: CancellationToken,
) -> io::Result<()> {
    metrics::begin();
    let newcomers = Newcomers::default();
    let room = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));
    let protocol = connection::protocol(&limits);
    let connections = TaskTracker::new();
    let at_once = CancellationToken::new();
    let router: Router = router.with_state(());
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if concerns_one_connection(&error) => continue,
            Err(error) if lacks_resources(&error) => {
                warn!(%error, "no connection can be accepted for the moment");
                sleep(REST_WITHOUT_DESCRIPTORS).await;
                continue;
            }
            Err(error) => return Err(error),
        };
        let Some(place) = place(&room, &newcomers, &stop).await else {
            refuse(stream);
            continue;
        };
        let newcomer = newcomers.begin();
        let mark = newcomer.mark();
        let stop = Stop { gently: stop.clone(), at_once: at_once.clone() };
        let driven =
            connection::drive(stream, peer, router.clone(), limits, protocol.clone(), stop, newcomer);
        let task = connections.spawn(async move {
            driven.await;
            drop(place);
        });
        newcomers.note(&mark, task.abort_handle());
    }
    drop(listener);
    finish(&connections, &at_once, limits.grace).await;
    Ok(())
}

/// A place for the next connection: a free one, or that of the earliest connection that has not asked for anything. Nothing where each
/// has asked, and at a stop. Whoever comes meanwhile waits in the kernel's queue.
async fn place(
    room: &Arc<Semaphore>,
    newcomers: &Newcomers,
    stop: &CancellationToken,
) -> Option<OwnedSemaphorePermit> {
    loop {
        if let Ok(free) = Arc::clone(room).try_acquire_owned() {
            return Some(free);
        }
        let at = newcomers.earliest_may_be_cut_at()?;
        tokio::select! {
            biased;
            () = stop.cancelled() => return None,
            free = Arc::clone(room).acquire_owned() => return free.ok(),
            () = sleep_until(at) => {}
        }
        if newcomers.cut_earliest() {
            metrics::connection_cut(Cut::GaveWay);
            // Its place is free within moments; were it not, the next one would be cut.
            if let Ok(free) = timeout(FREE_WITHIN, Arc::clone(room).acquire_owned()).await {
                return free.ok();
            }
        }
    }
}

/// Closes a connection for which there is no room.
fn refuse(stream: TcpStream) {
    metrics::connection_refused();
    debug!("a connection was closed at once: there are as many as may be");
    drop(stream);
}

async fn finish(connections: &TaskTracker, at_once: &CancellationToken, grace: Duration) {
    connections.close();
    if timeout(grace, connections.wait()).await.is_err() {
        info!(connections = connections.len(), "the grace is over: what still runs is cut");
        at_once.cancel();
        connections.wait().await;
    }
}

/// The peer went away between its SYN and our accept.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// `ENFILE` (23), `EMFILE` (24), `ENOBUFS` (105) and `ENOMEM` (12) of Linux: they pass.
fn lacks_resources(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(12 | 23 | 24 | 105))
}
