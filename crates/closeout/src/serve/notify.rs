//! Tells the service manager how the service stands (`NOTIFY_SOCKET`, sd_notify(3)).
//!
//! ```text
//!  opening ─► STATUS, EXTEND_TIMEOUT_USEC every 10 s ─► READY=1 ─┬─► STATUS, WATCHDOG=1 while the store answers
//!                                                                ├─► SIGHUP: RELOADING=1 … READY=1
//!                                                                └─► STOPPING=1, EXTEND_TIMEOUT_USEC every 10 s
//! ```
//!
//! Without a service manager nothing is told and nothing is checked. That it cannot be reached is no reason to stop.

#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt as _;
use std::{
    ffi::OsStr,
    fmt::Write as _,
    os::unix::net::{SocketAddr, UnixDatagram},
    sync::Arc,
    time::Duration,
};

use tokio::time::{Instant, MissedTickBehavior};

use crate::config::Variables;

/// How often a start or a stop that takes long is said to go on.
const GOES_ON: Duration = Duration::from_secs(10);

/// How much longer the service manager is asked to wait each time: three times as long, so that two may be late.
const WAIT_LONGER: Duration = Duration::from_secs(30);

/// For how long a start or a stop is said to go on; then the time-out of the service manager holds. At 15 s for 200,000
/// closures, a store of some 40 million is brought up to date meanwhile.
const GOES_ON_MOST: Duration = Duration::from_secs(3_600);

/// How often the status line is looked at, where no watchdog asks for more.
const STATUS_EVERY: Duration = Duration::from_secs(10);

/// The service manager, if there is one.
#[derive(Debug, Clone)]
pub(super) struct Manager {
    socket: Option<Arc<UnixDatagram>>,
    /// After which silence it takes the service for dead.
    watchdog: Option<Duration>,
}

impl Manager {
    /// The one that started this process, as its environment says.
    pub(super) fn of_environment(variables: &Variables) -> Self {
        let place = variables.value("NOTIFY_SOCKET").filter(|place| !place.is_empty());
        let socket = place.and_then(|place| match connected(OsStr::new(place)) {
            Ok(socket) => Some(Arc::new(socket)),
            Err(error) => {
                tracing::debug!(%error, "the service manager cannot be told");
                None
            }
        });
        let number = |name| variables.value(name).and_then(|text| text.parse::<u64>().ok());
        // The variables are inherited: with another process's id they are not meant for this one.
        let ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|usec| *usec > 0 && ours).map(Duration::from_micros);
        Self { socket, watchdog }
    }

    /// Requests are taken.
    pub(super) fn ready(&self) {
        self.tell("READY=1");
    }

    /// What rotates is read again; [`ready`](Self::ready) says that it was.
    pub(super) fn reloading(&self) {
        // Demanded since systemd 253, which tells by it whether a later READY=1 answers this one.
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic_usec()));
    }

    /// The stop has begun.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=stopping: what is under way may finish");
    }

    /// One line for people.
    pub(super) fn status(&self, line: &str) {
        self.tell(&format!("STATUS={}", line.replace(['\n', '\r'], " ")));
    }

    /// Waits for a start or a stop, and says meanwhile that it goes on.
    pub(super) async fn while_it_goes_on<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        if self.socket.is_none() {
            return work.await;
        }
        let end = Instant::now() + GOES_ON_MOST;
        let mut again = ticks(GOES_ON);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                _ = again.tick() => {
                    if Instant::now() < end {
                        self.tell(&format!("EXTEND_TIMEOUT_USEC={}", WAIT_LONGER.as_micros()));
                    }
                }
            }
        }
    }

    /// Tells, for as long as it is polled, how the service stands, and that it lives while `check` is answered: that the
    /// store cannot commit is an answer too, as a new process could not either; what is taken for dead is a service that
    /// does not run or a store that does not answer. `line` is the status line for what the check showed.
    pub(super) async fn watched<E>(
        &self,
        check: impl AsyncFn() -> Result<(), E>,
        line: impl Fn(Checked) -> String,
    ) {
        if self.socket.is_none() {
            return std::future::pending().await;
        }
        // Half of the time, as sd_watchdog_enabled(3) advises, and a check that may take a quarter.
        let (every, most) = match self.watchdog {
            Some(watchdog) => (STATUS_EVERY.min(watchdog / 2), STATUS_EVERY.min(watchdog / 4)),
            None => (STATUS_EVERY, STATUS_EVERY),
        };
        let (mut again, mut told) = (ticks(every), String::new());
        loop {
            again.tick().await;
            let checked = match tokio::time::timeout(most, check()).await {
                Ok(Ok(())) => Checked::Good,
                Ok(Err(_)) => Checked::Refused,
                Err(_) => Checked::NoAnswer,
            };
            let mut text = String::new();
            if self.watchdog.is_some() && checked != Checked::NoAnswer {
                text.push_str("WATCHDOG=1\n");
            }
            let line = line(checked);
            if line != told {
                let _ = writeln!(text, "STATUS={line}");
                told = line;
            }
            if !text.is_empty() {
                self.tell(text.trim_end());
            }
        }
    }

    fn tell(&self, text: &str) {
        let Some(socket) = &self.socket else { return };
        if let Err(error) = socket.send(text.as_bytes()) {
            tracing::debug!(%error, "the service manager cannot be told");
        }
    }
}

/// What a check of the store showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checked {
    /// It can commit.
    Good,
    /// It answers that it cannot.
    Refused,
    /// It does not answer.
    NoAnswer,
}

fn ticks(every: Duration) -> tokio::time::Interval {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

fn connected(place: &OsStr) -> std::io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address(place)?)?;
    // A service manager that does not read must not hold up the service.
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn address(place: &OsStr) -> std::io::Result<SocketAddr> {
    use std::os::unix::ffi::OsStrExt as _;
    match place.as_bytes().strip_prefix(b"@") {
        #[cfg(target_os = "linux")]
        Some(name) => SocketAddr::from_abstract_name(name),
        #[cfg(not(target_os = "linux"))]
        Some(_) => Err(std::io::Error::from(std::io::ErrorKind::Unsupported)),
        None => SocketAddr::from_pathname(place),
    }
}

/// The clock by which the service manager orders what it is told.
fn monotonic_usec() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1_000
}

#[cfg(test)]
mod tests;
