//! A queue whose entries come out a fixed time after they went in.
//!
//! Tokio's timers are rounded up to whole milliseconds; half a millisecond matters when a closure takes six. One
//! thread sleeps until the oldest entry is due, which is exact to about a tenth of a millisecond.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The shortest sleep of the thread, so that a full line is emptied in batches and not entry by entry.
const SHORTEST_SLEEP: Duration = Duration::from_micros(100);

/// The entering end of the line. Dropping it ends the thread; entries still inside are lost.
pub struct DelayLine<T> {
    delay: Duration,
    line: Arc<Line<T>>,
}

struct Line<T> {
    waiting: Mutex<Waiting<T>>,
    changed: Condvar,
}

struct Waiting<T> {
    entries: VecDeque<(Instant, T)>,
    open: bool,
}

impl<T: Send + 'static> DelayLine<T> {
    /// Starts a line whose entries are given to `deliver` after `delay`, in the order of their coming.
    pub fn start(delay: Duration, deliver: impl FnMut(T) + Send + 'static) -> anyhow::Result<Self> {
        let line = Arc::new(Line {
            waiting: Mutex::new(Waiting { entries: VecDeque::new(), open: true }),
            changed: Condvar::new(),
        });
        let inside = Arc::clone(&line);
        thread::Builder::new().name("delay-line".to_owned()).spawn(move || inside.run(deliver))?;
        Ok(Self { delay, line })
    }

    /// Puts an entry into the line.
    pub fn push(&self, entry: T) {
        let mut waiting = self.line.lock();
        let was_empty = waiting.entries.is_empty();
        waiting.entries.push_back((Instant::now() + self.delay, entry));
        drop(waiting);
        if was_empty {
            self.line.changed.notify_one();
        }
    }
}

impl<T> Drop for DelayLine<T> {
    fn drop(&mut self) {
        self.line.lock().open = false;
        self.line.changed.notify_one();
    }
}

impl<T> Line<T> {
    fn lock(&self) -> MutexGuard<'_, Waiting<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, mut deliver: impl FnMut(T)) {
        let mut due_now = Vec::new();
        while let Some(first_due) = self.wait_for_entry() {
            let wait = first_due.saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                thread::sleep(wait.max(SHORTEST_SLEEP));
            }
            let now = Instant::now();
            let mut waiting = self.lock();
            while let Some((_, entry)) = waiting.entries.pop_front_if(|(due, _)| *due <= now) {
                due_now.push(entry);
            }
            drop(waiting);
            due_now.drain(..).for_each(&mut deliver);
        }
    }

    /// Waits until there is an entry, and tells when it is due; nothing once the line is closed.
    fn wait_for_entry(&self) -> Option<Instant> {
        let mut waiting = self.lock();
        loop {
            if !waiting.open {
                return None;
            }
            if let Some((due, _)) = waiting.entries.front() {
                return Some(*due);
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const BOUND: Duration = Duration::from_secs(10);

    #[test]
    fn entries_come_out_in_order_and_never_early() {
        let (out, came) = mpsc::channel();
        let delay = Duration::from_millis(2);
        let line = DelayLine::start(delay, move |entry| {
            let _ = out.send((entry, Instant::now()));
        })
        .unwrap();
        let pushed: Vec<Instant> = (0..50)
            .map(|entry| {
                let at = Instant::now();
                line.push(entry);
                at
            })
            .collect();
        for (expected, at) in pushed.iter().enumerate() {
            let (entry, came_at) = came.recv_timeout(BOUND).unwrap();
            assert_eq!(entry, expected);
            assert!(came_at - *at >= delay);
        }
    }

    #[test]
    fn a_dropped_line_ends_its_thread() {
        let (out, came) = mpsc::channel::<u8>();
        let line = DelayLine::start(Duration::ZERO, move |entry| {
            let _ = out.send(entry);
        })
        .unwrap();
        drop(line);
        assert_eq!(came.recv_timeout(BOUND), Err(mpsc::RecvTimeoutError::Disconnected));
    }
}
