//! A remote that counts requests in windows, and processes with a backlog of closures, as one queue of events.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use genesys_client::{Class, Clock, Permit, Quota, QuotaConfig, RateHeaders, Sent};

const WINDOW: u64 = 60_000;
const ALLOWED: u32 = 300;

/// A clock that goes where it is told.
#[derive(Clone, Default)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    pub fn clock(&self) -> Clock {
        let now = Arc::clone(&self.0);
        Arc::new(move || now.load(Ordering::Relaxed))
    }

    pub fn advance(&self, millis: u64) {
        self.0.fetch_add(millis, Ordering::Relaxed);
    }
}

/// When the remote's windows begin.
#[derive(Debug, Clone, Copy)]
pub enum Windows {
    Fixed { phase: u64 },
    FromFirstRequest,
}

/// How the remote writes the seconds that are left.
#[derive(Debug, Clone, Copy)]
pub enum Rounding {
    Down,
    Up,
    Nearest,
    NoHeaders,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrives { call: u64 },
    Answered { call: u64 },
    Ready { process: usize, class: u8 },
    Wake { process: usize },
}

struct Call {
    process: usize,
    class: Class,
    permit: Option<Permit>,
    verdict: Option<Sent>,
}

struct Process {
    quota: Option<Quota>,
    /// Calls that are ready, by class in the order of urgency: confirmations, closes, verifies.
    ready: [u64; 3],
    finished: u64,
    wake_at: Option<u64>,
}

pub struct World {
    clock: ManualClock,
    windows: Windows,
    rounding: Rounding,
    latency: u64,
    random: u64,
    now: u64,
    events: BinaryHeap<Reverse<(u64, Event)>>,
    calls: BTreeMap<u64, Call>,
    next_call: u64,
    processes: Vec<Process>,
    window_end: u64,
    count: u32,
    /// The beginning of each window that has ended, and the requests that were accepted in it.
    ended: Vec<(u64, u64)>,
    refused: usize,
}

const CLASSES: [Class; 3] = [Class::Confirmation, Class::Close, Class::Verify];

impl World {
    pub fn new(windows: Windows, rounding: Rounding, latency: u64, seed: u64) -> Self {
        let window_end = match windows {
            Windows::Fixed { phase } => phase,
            Windows::FromFirstRequest => 0,
        };
        Self {
            clock: ManualClock::default(),
            windows,
            rounding,
            latency,
            random: seed,
            now: 0,
            events: BinaryHeap::new(),
            calls: BTreeMap::new(),
            next_call: 0,
            processes: Vec::new(),
            window_end,
            count: 0,
            ended: Vec::new(),
            refused: 0,
        }
    }

    /// Starts a process with a backlog of closures, each a verify, a close and, after its evidence, a confirmation.
    pub fn add_process(&mut self, max_in_flight: u32, backlog: u64) -> usize {
        let config = QuotaConfig {
            requests_per_window: ALLOWED,
            window: Duration::from_millis(WINDOW),
            max_in_flight,
        };
        let quota = Quota::new(config, self.clock.clock(), self.random);
        self.processes.push(Process {
            quota: Some(quota),
            ready: [0, 0, backlog],
            finished: 0,
            wake_at: None,
        });
        let process = self.processes.len() - 1;
        self.dispatch(process);
        process
    }

    /// Ends a process; what it has sent stays sent.
    pub fn kill(&mut self, process: usize) {
        self.processes[process].quota = None;
        for call in self.calls.values_mut().filter(|call| call.process == process) {
            call.permit = None;
        }
    }

    pub fn run_until(&mut self, until: u64) {
        while let Some(Reverse((at, _))) = self.events.peek()
            && *at <= until
        {
            let Reverse((at, event)) = self.events.pop().unwrap();
            self.move_to(at);
            self.happen(event);
        }
        self.move_to(until);
    }

    pub fn refused(&self) -> usize {
        self.refused
    }

    pub fn finished(&self, process: usize) -> u64 {
        self.processes[process].finished
    }

    /// The share of the quota that was used from the beginning of the second window to the beginning of the last.
    pub fn used_percent(&self) -> f64 {
        let whole = &self.ended[1..];
        let ((first, _), (last, _)) = (whole[0], whole[whole.len() - 1]);
        let used: u64 = whole[..whole.len() - 1].iter().map(|(_, accepted)| accepted).sum();
        let possible = (last - first) * u64::from(ALLOWED) / WINDOW;
        100.0 * f64::from(u32::try_from(used).unwrap()) / f64::from(u32::try_from(possible).unwrap())
    }

    fn move_to(&mut self, at: u64) {
        self.clock.advance(at - self.now);
        self.now = at;
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrives { call } => {
                let verdict = self.count_request();
                self.calls.get_mut(&call).unwrap().verdict = Some(verdict);
                self.after_latency(Event::Answered { call });
            }
            Event::Answered { call } => {
                let Call { process, class, permit, verdict } = self.calls.remove(&call).unwrap();
                if let Some(mut permit) = permit {
                    let verdict = verdict.unwrap();
                    permit.settle(verdict);
                    drop(permit);
                    self.follow_up(process, class, verdict);
                    self.dispatch(process);
                }
            }
            Event::Ready { process, class } => {
                self.processes[process].ready[usize::from(class)] += 1;
                self.dispatch(process);
            }
            Event::Wake { process } => {
                if self.processes[process].wake_at == Some(self.now) {
                    self.processes[process].wake_at = None;
                    self.dispatch(process);
                }
            }
        }
    }

    fn follow_up(&mut self, process: usize, class: Class, verdict: Sent) {
        let rank = CLASSES.iter().position(|known| *known == class).unwrap();
        let answered = matches!(verdict, Sent::Answered(_));
        match (answered, class) {
            (false, _) => self.processes[process].ready[rank] += 1,
            (true, Class::Verify) => self.processes[process].ready[1] += 1,
            (true, Class::Close) => {
                let evidence_in = 50 + self.below(3_000);
                self.events.push(Reverse((self.now + evidence_in, Event::Ready { process, class: 0 })));
            }
            (true, _) => self.processes[process].finished += 1,
        }
    }

    /// What a dispatcher does: the most urgent first, and when all are refused, sleep for the shortest wait.
    fn dispatch(&mut self, process: usize) {
        let Some(quota) = self.processes[process].quota.clone() else { return };
        let mut sleep: Option<u64> = None;
        for (rank, class) in CLASSES.into_iter().enumerate() {
            while self.processes[process].ready[rank] > 0 {
                match quota.try_take(class) {
                    Ok(mut permit) => {
                        self.processes[process].ready[rank] -= 1;
                        permit.sent();
                        let call = self.next_call;
                        self.next_call += 1;
                        self.calls.insert(call, Call { process, class, permit: Some(permit), verdict: None });
                        self.after_latency(Event::Arrives { call });
                    }
                    Err(wait) => {
                        let millis = wait.at_most.map(|most| u64::try_from(most.as_millis()).unwrap());
                        sleep = sleep.into_iter().chain(millis).min();
                        break;
                    }
                }
            }
        }
        if let Some(millis) = sleep {
            assert!(millis > 0, "a wait of nothing would be a busy loop");
            let at = self.now + millis;
            let earlier = self.processes[process].wake_at.is_none_or(|planned| at < planned);
            if earlier {
                self.processes[process].wake_at = Some(at);
                self.events.push(Reverse((at, Event::Wake { process })));
            }
        }
    }

    fn count_request(&mut self) -> Sent {
        if self.now >= self.window_end {
            let began = (self.window_end + WINDOW).saturating_sub(2 * WINDOW);
            self.ended.push((began, u64::from(self.count.min(ALLOWED))));
            self.count = 0;
            self.window_end = match self.windows {
                Windows::Fixed { phase } => phase + (self.now.saturating_sub(phase) / WINDOW + 1) * WINDOW,
                Windows::FromFirstRequest => self.now + WINDOW,
            };
        }
        self.count += 1;
        let left = self.window_end - self.now;
        if self.count > ALLOWED {
            self.refused += 1;
            return Sent::Throttled { retry_after: Duration::from_millis(left.div_ceil(1_000) * 1_000) };
        }
        let seconds = match self.rounding {
            Rounding::Down => left / 1_000,
            Rounding::Up => left.div_ceil(1_000),
            Rounding::Nearest => (left + 500) / 1_000,
            Rounding::NoHeaders => return Sent::Answered(RateHeaders::default()),
        };
        Sent::Answered(RateHeaders {
            count: Some(self.count),
            allowed: Some(ALLOWED),
            reset_seconds: Some(u32::try_from(seconds).unwrap()),
        })
    }

    fn after_latency(&mut self, event: Event) {
        let latency = 1 + self.below(self.latency);
        self.events.push(Reverse((self.now + latency, event)));
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % bound
    }
}
