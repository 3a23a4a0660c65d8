//! The terminal while it shows a picture, and as it was afterwards: at every way out, a panic included.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyEventKind},
};
use tokio::sync::mpsc::UnboundedSender;

use super::Happening;

/// How long the thread that reads keys goes on after the end, at most.
const POLL: Duration = Duration::from_millis(100);

/// The terminal, in raw mode and on its other screen until this is dropped. A panic puts it back before it is told.
pub(super) struct Screen {
    terminal: DefaultTerminal,
    over: Arc<AtomicBool>,
}

impl Screen {
    /// Takes the terminal, and has its keys and changes of size sent on.
    ///
    /// # Errors
    ///
    /// When the terminal cannot be put into raw mode.
    pub(super) fn take(happenings: UnboundedSender<Happening>) -> io::Result<Self> {
        let terminal = ratatui::try_init().inspect_err(|_| ratatui::restore())?;
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        std::thread::Builder::new().name("keys".to_owned()).spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                match event::poll(POLL)
                    .and_then(|there| if there { event::read().map(Some) } else { Ok(None) })
                {
                    Ok(Some(Event::Key(key))) if key.kind != KeyEventKind::Release => {
                        drop(happenings.send(Happening::Key(key)));
                    }
                    Ok(Some(Event::Resize(..))) => drop(happenings.send(Happening::Resized)),
                    Ok(Some(_) | None) => {}
                    // The terminal has gone.
                    Err(_) => {
                        drop(happenings.send(Happening::Ended));
                        return;
                    }
                }
            }
        })?;
        Ok(Self { terminal, over })
    }

    /// The terminal to draw to.
    pub(super) fn terminal(&mut self) -> &mut DefaultTerminal {
        &mut self.terminal
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        ratatui::restore();
    }
}
