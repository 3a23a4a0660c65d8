//! A broker in memory: for tests, and as the plainest statement of what the port means.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};

use crate::{
    fault::{Action, Fault, FaultKind},
    message::{Message, Outgoing, Receipt, Settlement},
    port::{Source, Standing, Warning},
};

/// A broker in memory with one queue, whose sources share its messages. Cheap to clone. Its clock is Tokio's, so paused
/// time moves it, unless it is [given another one](MemoryQueue::by_clock).
#[derive(Clone)]
pub struct MemoryQueue {
    shared: Arc<Shared>,
}

struct Shared {
    held: Duration,
    /// The time since the broker began.
    elapsed: Box<dyn Fn() -> Duration + Send + Sync>,
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    up: bool,
    stalled: bool,
    published: u64,
    messages: Vec<Held>,
    replies: Vec<(String, Outgoing)>,
    /// Faults that the next requests meet.
    faults: HashMap<Action, u32>,
}

struct Held {
    number: u64,
    outgoing: Outgoing,
    deliveries: u32,
    /// When it may be given out.
    visible: Duration,
    /// To whom it is given at present: the source and its opening.
    holder: Option<Holder>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Holder {
    source: u64,
    opening: u64,
}

impl fmt::Debug for MemoryQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryQueue").field("held", &self.shared.held).finish_non_exhaustive()
    }
}

impl MemoryQueue {
    /// An empty queue that holds a message for whoever received it for `held`, then gives it out again.
    pub fn new(held: Duration) -> Self {
        let began = Instant::now();
        Self::by_clock(held, move || began.elapsed())
    }

    /// The same by a clock of its own, which tells the time since the broker began: for sources on several runtimes, whose
    /// paused clocks have nothing in common.
    pub fn by_clock(held: Duration, elapsed: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        let state = State {
            up: true,
            stalled: false,
            published: 0,
            messages: Vec::new(),
            replies: Vec::new(),
            faults: HashMap::new(),
        };
        let elapsed = Box::new(elapsed);
        Self { shared: Arc::new(Shared { held, elapsed, state: Mutex::new(state), changed: Notify::new() }) }
    }

    /// Opens a source.
    pub fn source(&self) -> MemorySource {
        static SOURCES: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
        let number = SOURCES.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        MemorySource {
            shared: Arc::clone(&self.shared),
            number,
            life: Mutex::new(Life { opening: 0, closed: false }),
        }
    }

    /// Puts a message into the queue.
    pub fn publish(&self, outgoing: Outgoing) {
        let mut state = self.shared.lock();
        state.published += 1;
        let number = state.published;
        let visible = self.shared.now();
        state.messages.push(Held { number, outgoing, deliveries: 0, visible, holder: None });
        drop(state);
        self.shared.changed.notify_waiters();
    }

    /// What was published back, with its address.
    pub fn replies(&self) -> Vec<(String, Outgoing)> {
        self.shared.lock().replies.clone()
    }

    /// Messages that are neither taken nor poison.
    pub fn remaining(&self) -> usize {
        self.shared.lock().messages.len()
    }

    /// The broker dies: every request fails, and what was given out comes again at once when it is back.
    pub fn kill(&self) {
        let mut state = self.shared.lock();
        state.up = false;
        let now = self.shared.now();
        for held in &mut state.messages {
            if held.holder.take().is_some() {
                held.visible = now;
            }
        }
        drop(state);
        self.shared.changed.notify_waiters();
    }

    /// The broker is back.
    pub fn restart(&self) {
        self.shared.lock().up = true;
        self.shared.changed.notify_waiters();
    }

    /// Sources are given nothing any more, although their connections stand, until one is reopened.
    pub fn stall(&self) {
        self.shared.lock().stalled = true;
    }

    /// The next `times` requests of this kind fail.
    pub fn fail(&self, action: Action, times: u32) {
        self.shared.lock().faults.insert(action, times);
    }
}

impl Shared {
    fn now(&self) -> Duration {
        (self.elapsed)()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, action: Action) -> Result<MutexGuard<'_, State>, Fault> {
        let mut state = self.lock();
        if !state.up {
            return Err(unreachable(action, "the broker is away"));
        }
        if let Some(left) = state.faults.get_mut(&action).filter(|left| **left > 0) {
            *left -= 1;
            return Err(unreachable(action, "the broker did not answer"));
        }
        Ok(state)
    }
}

fn unreachable(action: Action, cause: &str) -> Fault {
    Fault {
        action,
        kind: FaultKind::Unreachable,
        cause: cause.to_owned(),
        fix: "nothing: this broker is a double in memory",
    }
}

/// A source of a [`MemoryQueue`].
pub struct MemorySource {
    shared: Arc<Shared>,
    number: u64,
    life: Mutex<Life>,
}

#[derive(Clone, Copy)]
struct Life {
    opening: u64,
    closed: bool,
}

impl fmt::Debug for MemorySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySource").field("number", &self.number).finish_non_exhaustive()
    }
}

impl MemorySource {
    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, action: Action) -> Result<Life, Fault> {
        let life = *self.life();
        if life.closed { Err(unreachable(action, "the source is closed")) } else { Ok(life) }
    }

    /// What can be given out now; and else when to look again.
    fn give(&self, most: usize) -> Result<(Vec<Message>, Option<Duration>), Fault> {
        let life = self.open(Action::Receive)?;
        let mut state = self.shared.ask(Action::Receive)?;
        if state.stalled {
            return Ok((Vec::new(), None));
        }
        let now = self.shared.now();
        let holder = Holder { source: self.number, opening: life.opening };
        let mut given = Vec::new();
        let mut next: Option<Duration> = None;
        for held in &mut state.messages {
            if held.visible > now {
                next = Some(next.map_or(held.visible, |next| next.min(held.visible)));
            } else if given.len() < most {
                held.deliveries += 1;
                held.visible = now + self.shared.held;
                held.holder = Some(holder);
                given.push(self.message(held));
            }
        }
        Ok((given, next))
    }

    fn message(&self, held: &Held) -> Message {
        Message {
            receipt: Receipt(format!("{}/{}/{}", self.number, held.number, held.deliveries)),
            place: format!("memory/{}", held.number),
            id: held.outgoing.id.clone(),
            deliveries: held.deliveries,
            headers: held.outgoing.headers.clone(),
            reply_to: held.outgoing.reply_to.clone(),
            body: held.outgoing.body.clone(),
        }
    }

    /// Gives back what this source has in hand.
    fn give_back(&self) {
        let now = self.shared.now();
        for held in &mut self.shared.lock().messages {
            if held.holder.is_some_and(|holder| holder.source == self.number) {
                held.holder = None;
                held.visible = now;
            }
        }
        self.shared.changed.notify_waiters();
    }
}

#[async_trait]
impl Source for MemorySource {
    async fn receive(&self, most: usize, wait: Duration) -> Result<Vec<Message>, Fault> {
        let deadline = self.shared.now() + wait;
        loop {
            let mut changed = std::pin::pin!(self.shared.changed.notified());
            changed.as_mut().enable();
            let (given, next) = self.give(most)?;
            let now = self.shared.now();
            if !given.is_empty() || now >= deadline {
                return Ok(given);
            }
            // Whichever comes first: something changed, something becomes visible, or the time is over.
            let until = next.map_or(deadline, |next| next.min(deadline));
            let _ = timeout(until.saturating_sub(now), changed).await;
        }
    }

    async fn settle(&self, settlements: Vec<(Receipt, Settlement)>) -> Result<usize, Fault> {
        self.open(Action::Settle)?;
        let mut state = self.shared.ask(Action::Settle)?;
        let mut unconfirmed = 0;
        for (Receipt(receipt), settlement) in settlements {
            let found = state.messages.iter().position(|held| {
                held.holder.is_some()
                    && receipt == format!("{}/{}/{}", self.number, held.number, held.deliveries)
            });
            match (found, settlement) {
                (None, _) => unconfirmed += 1,
                (Some(at), Settlement::Taken | Settlement::Poison) => {
                    state.messages.remove(at);
                }
                (Some(at), Settlement::Later(delay)) => {
                    let held = &mut state.messages[at];
                    held.holder = None;
                    held.visible = self.shared.now() + delay;
                }
            }
        }
        drop(state);
        self.shared.changed.notify_waiters();
        Ok(unconfirmed)
    }

    async fn publish(&self, to: &str, outgoing: Outgoing) -> Result<(), Fault> {
        self.open(Action::Publish)?;
        let mut state = self.shared.ask(Action::Publish)?;
        if to.is_empty() {
            let kind = FaultKind::Undeliverable;
            return Err(Fault { kind, ..unreachable(Action::Publish, "the address is empty") });
        }
        let known = outgoing.id.is_some()
            && state.replies.iter().any(|(was, reply)| was == to && reply.id == outgoing.id);
        if !known {
            state.replies.push((to.to_owned(), outgoing));
        }
        Ok(())
    }

    async fn standing(&self) -> Result<Standing, Fault> {
        self.open(Action::Look)?;
        let state = self.shared.ask(Action::Look)?;
        let now = self.shared.now();
        let in_hand = |held: &&Held| held.holder.is_some() && held.visible > now;
        let in_hand = u64::try_from(state.messages.iter().filter(in_hand).count()).unwrap_or(u64::MAX);
        let all = u64::try_from(state.messages.len()).unwrap_or(u64::MAX);
        Ok(Standing { waiting: all - in_hand, in_hand })
    }

    async fn check(&self) -> Result<Vec<Warning>, Fault> {
        self.open(Action::Look)?;
        self.shared.ask(Action::Look).map(|_| Vec::new())
    }

    async fn rest(&self) {}

    async fn reopen(&self) {
        self.life().opening += 1;
        self.shared.lock().stalled = false;
        self.give_back();
    }

    async fn close(&self) {
        self.life().closed = true;
        self.give_back();
    }
}

/// A source that goes away without a word is a connection that breaks.
impl Drop for MemorySource {
    fn drop(&mut self) {
        self.give_back();
    }
}
