//! A queue in memory, on tokio's time: hides, shows again, moves to its dead letters, and fails on demand.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use evidence_sqs::{Fault, Message, Queue, Redrive, Standing};
use tokio::{sync::Notify, time::Instant};

struct Stored {
    id: String,
    body: String,
    receives: u32,
    visible_at: Instant,
}

#[derive(Default)]
struct State {
    messages: Vec<Stored>,
    sent: u32,
    dead: Vec<String>,
    deleted: Vec<String>,
    hidden: Vec<Duration>,
    receives: u32,
    under_way: usize,
    most_under_way: usize,
    faults: VecDeque<Fault>,
}

pub struct MemoryQueue {
    state: Mutex<State>,
    redrive: Redrive,
    news: Notify,
}

impl MemoryQueue {
    pub fn new(redrive: Redrive) -> Self {
        Self { state: Mutex::default(), redrive, news: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn send(&self, body: impl Into<String>) {
        let mut state = self.lock();
        state.sent += 1;
        let id = state.sent.to_string();
        state.messages.push(Stored { id, body: body.into(), receives: 0, visible_at: Instant::now() });
        drop(state);
        self.news.notify_waiters();
    }

    /// The next requests end so, one each.
    pub fn fail_with(&self, fault: &Fault, times: usize) {
        self.lock().faults.extend(std::iter::repeat_n(fault.clone(), times));
    }

    pub fn faults_left(&self) -> usize {
        self.lock().faults.len()
    }

    pub fn left(&self) -> usize {
        self.lock().messages.len()
    }

    pub fn visible(&self) -> usize {
        self.lock().messages.iter().filter(|message| message.visible_at <= Instant::now()).count()
    }

    pub fn dead(&self) -> Vec<String> {
        self.lock().dead.clone()
    }

    pub fn deleted(&self) -> Vec<String> {
        self.lock().deleted.clone()
    }

    pub fn hidden(&self) -> Vec<Duration> {
        self.lock().hidden.clone()
    }

    /// How many receives were begun.
    pub fn receives(&self) -> u32 {
        self.lock().receives
    }

    /// The most receives that were under way at once.
    pub fn most_under_way(&self) -> usize {
        self.lock().most_under_way
    }

    fn take(&self, most: u8, hidden: Duration) -> Result<Vec<Message>, Fault> {
        let mut state = self.lock();
        if let Some(fault) = state.faults.pop_front() {
            return Err(fault);
        }
        let (now, redrive) = (Instant::now(), self.redrive);
        let State { messages, dead, .. } = &mut *state;
        messages.retain(|message| {
            let moves = message.visible_at <= now
                && matches!(redrive, Redrive::After(times) if message.receives >= times);
            if moves {
                dead.push(message.id.clone());
            }
            !moves
        });
        let visible = messages.iter_mut().filter(|message| message.visible_at <= now);
        Ok(visible
            .take(usize::from(most))
            .map(|message| {
                message.receives += 1;
                message.visible_at = now + hidden;
                Message {
                    id: message.id.clone(),
                    receipt: format!("{}/{}", message.id, message.receives),
                    body: message.body.clone(),
                    receives: message.receives,
                }
            })
            .collect())
    }

    fn next_visible(&self, by: Instant) -> Instant {
        self.lock().messages.iter().map(|message| message.visible_at).min().map_or(by, |next| next.min(by))
    }
}

/// Counts a receive as under way, also when it is dropped.
struct UnderWay<'a>(&'a MemoryQueue);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.lock().under_way -= 1;
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn receive(&self, most: u8, wait: Duration, hidden: Duration) -> Result<Vec<Message>, Fault> {
        {
            let mut state = self.lock();
            state.receives += 1;
            state.under_way += 1;
            state.most_under_way = state.most_under_way.max(state.under_way);
        }
        let _under_way = UnderWay(self);
        let by = Instant::now() + wait;
        loop {
            let news = self.news.notified();
            let taken = self.take(most, hidden)?;
            if !taken.is_empty() || Instant::now() >= by {
                // As the true queue, it takes its time to answer.
                tokio::time::sleep(Duration::from_millis(5)).await;
                return Ok(taken);
            }
            let next = self.next_visible(by);
            tokio::select! {
                () = news => {}
                () = tokio::time::sleep_until(next) => {}
            }
        }
    }

    async fn delete(&self, receipts: &[String]) -> Result<usize, Fault> {
        assert!((1..=10).contains(&receipts.len()));
        let mut state = self.lock();
        for receipt in receipts {
            let id = receipt.split('/').next().unwrap();
            state.messages.retain(|message| message.id != id);
            state.deleted.push(id.to_owned());
        }
        Ok(0)
    }

    async fn hide(&self, receipts: &[(String, Duration)]) -> Result<usize, Fault> {
        assert!((1..=10).contains(&receipts.len()));
        let mut state = self.lock();
        for (receipt, hidden) in receipts {
            let id = receipt.split('/').next().unwrap();
            if let Some(message) = state.messages.iter_mut().find(|message| message.id == id) {
                message.visible_at = Instant::now() + *hidden;
            }
            state.hidden.push(*hidden);
        }
        drop(state);
        self.news.notify_waiters();
        Ok(0)
    }

    async fn standing(&self) -> Result<Standing, Fault> {
        let waiting = u64::try_from(self.visible()).unwrap();
        Ok(Standing { waiting, in_flight: 0, redrive: self.redrive })
    }
}
