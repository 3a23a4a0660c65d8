//! Signals: the first asks for a stop, the second ends the program at once; SIGHUP asks to read again what rotates.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Exit;

/// The signal of a write beyond a limit on the size of files, which would end the program. Linux and macOS have the same number.
const SIGXFSZ: i32 = 25;

/// The signals that ask for a stop: SIGTERM and SIGINT.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// Taken from its default alone: a limit on the size of files is then an error of the write, like a full disk.
    _file_too_large: Signal,
}

impl Signals {
    /// Takes the signals from their default, which would end the program.
    ///
    /// # Errors
    ///
    /// When the operating system refuses.
    pub fn take() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            _file_too_large: signal(SignalKind::from_raw(SIGXFSZ))?,
        })
    }

    /// Completes with the name of the next signal.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    /// Ends the program at once at the next signal.
    pub async fn end_at_once(mut self) -> ! {
        let name = self.next().await;
        tracing::warn!(signal = name, "a second signal: ending at once; nothing that was answered is lost");
        std::process::exit(i32::from(Exit::Interrupted.code()))
    }
}

/// The signal that asks to read again what rotates: SIGHUP.
#[derive(Debug)]
pub struct HangUp(Signal);

impl HangUp {
    /// Takes the signal from its default, which would end the program.
    ///
    /// # Errors
    ///
    /// When the operating system refuses.
    pub fn take() -> std::io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }

    /// Completes at the next one.
    pub async fn next(&mut self) {
        self.0.recv().await;
    }
}
