//! Three processes under one quota: the remote side counts in windows and refuses what is beyond.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use genesys_client::{Class, Quota, QuotaConfig, RateHeaders, Sent, monotonic_clock};
use store::MemoryStore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    lifeline::{Fleet, Lifeline},
    remote::VirtualClock,
};

const ALLOWED: u32 = 300;
const WINDOW: Duration = Duration::from_secs(60);

/// A remote side with windows of its own phase; with `tells`, its answers say how it counts.
struct Windows {
    began: Instant,
    /// The number of the window, what it has counted, and what it has refused in all.
    state: Mutex<(u64, u32)>,
    refused: AtomicU32,
    served: AtomicU32,
    tells: bool,
}

impl Windows {
    fn new(tells: bool) -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            state: Mutex::default(),
            refused: AtomicU32::new(0),
            served: AtomicU32::new(0),
            tells,
        })
    }

    fn take(&self) -> Sent {
        let since = self.began.elapsed() + Duration::from_secs(17);
        let window = u64::try_from(since.as_millis() / WINDOW.as_millis()).unwrap();
        let left = WINDOW.as_secs() - since.as_secs() % WINDOW.as_secs();
        let mut state = self.state.lock().unwrap();
        if state.0 != window {
            *state = (window, 0);
        }
        if state.1 >= ALLOWED {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return Sent::Throttled { retry_after: Duration::from_secs(left) };
        }
        state.1 += 1;
        self.served.fetch_add(1, Ordering::SeqCst);
        let told = RateHeaders {
            count: Some(state.1),
            allowed: Some(ALLOWED),
            reset_seconds: Some(u32::try_from(left).unwrap()),
        };
        Sent::Answered(if self.tells { told } else { RateHeaders::default() })
    }
}

/// A process with a backlog that never ends, until the stop.
fn process(
    number: u64,
    store: Arc<Lifeline>,
    remote: &Arc<Windows>,
    class: Class,
    stop: &CancellationToken,
) -> Quota {
    let config = QuotaConfig { requests_per_window: ALLOWED, window: WINDOW, max_in_flight: 32 };
    let quota = Quota::new(config, monotonic_clock(), number);
    tokio::spawn(orchestrator::lease_from(store, "main".to_owned(), quota.clone(), stop.clone()));
    for worker in 0..8 {
        let (quota, remote, stop) = (quota.clone(), Arc::clone(remote), stop.clone());
        tokio::spawn(async move {
            while !stop.is_cancelled() {
                let mut permit = quota.take(class).await;
                permit.sent();
                tokio::time::sleep(Duration::from_millis(20 + (worker * 7 + number * 3) % 60)).await;
                let sent = remote.take();
                tokio::time::sleep(Duration::from_millis(15)).await;
                permit.settle(sent);
            }
        });
    }
    quota
}

fn stores(number: usize) -> Vec<Arc<Lifeline>> {
    let (inner, fleet) = (Arc::new(MemoryStore::new()), Arc::new(Fleet::default()));
    let clock = Arc::new(VirtualClock::default());
    (0..number).map(|_| Arc::new(Lifeline::in_fleet(&inner, &fleet, &clock))).collect()
}

async fn three_for(minutes: u64, tells: bool, class: Class) -> (u32, u32) {
    let (remote, stop) = (Windows::new(tells), CancellationToken::new());
    for (number, store) in (0..).zip(stores(3)) {
        process(number, store, &remote, class, &stop);
    }
    tokio::time::sleep(Duration::from_secs(60 * minutes)).await;
    stop.cancel();
    (remote.served.load(Ordering::SeqCst), remote.refused.load(Ordering::SeqCst))
}

#[tokio::test(start_paused = true)]
async fn three_processes_use_one_quota_to_the_last_twentieth_and_are_never_refused() {
    let (served, refused) = three_for(20, true, Class::Confirmation).await;
    assert_eq!(refused, 0);
    // 17 s of the first window are over when it begins, and the last one is not over when it ends.
    assert!(served >= 20 * ALLOWED * 95 / 100, "{served} of {}", 20 * ALLOWED);
}

#[tokio::test(start_paused = true)]
async fn work_of_the_lowest_class_uses_it_too() {
    let (served, refused) = three_for(20, true, Class::Verify).await;
    assert_eq!(refused, 0);
    assert!(served >= 20 * ALLOWED * 95 / 100, "{served} of {}", 20 * ALLOWED);
}

#[tokio::test(start_paused = true)]
async fn without_headers_half_of_it_is_used_and_nothing_refused() {
    let (served, refused) = three_for(20, false, Class::Confirmation).await;
    assert_eq!(refused, 0);
    assert!((20 * ALLOWED * 45 / 100..=20 * ALLOWED / 2 + ALLOWED).contains(&served), "{served}");
}

#[tokio::test(start_paused = true)]
async fn what_one_process_is_told_to_wait_holds_for_all() {
    let (remote, stop) = (Windows::new(true), CancellationToken::new());
    let stores = stores(2);
    let one = process(0, Arc::clone(&stores[0]), &remote, Class::Confirmation, &stop);
    let config = QuotaConfig { requests_per_window: ALLOWED, window: WINDOW, max_in_flight: 32 };
    let other = Quota::new(config, monotonic_clock(), 9);
    tokio::spawn(orchestrator::lease_from(
        Arc::clone(&stores[1]) as _,
        "main".to_owned(),
        other.clone(),
        stop.clone(),
    ));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut permit = one.take(Class::Confirmation).await;
    permit.sent();
    permit.settle(Sent::Throttled { retry_after: Duration::from_secs(90) });
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(other.paused().is_some_and(|left| left > Duration::from_secs(80)), "{:?}", other.paused());
    stop.cancel();
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_with_a_lease_costs_the_others_that_lease_and_no_more() {
    let (remote, stop) = (Windows::new(true), CancellationToken::new());
    let stores = stores(3);
    let dying = CancellationToken::new();
    process(0, Arc::clone(&stores[0]), &remote, Class::Confirmation, &stop);
    process(1, Arc::clone(&stores[1]), &remote, Class::Confirmation, &stop);
    process(2, Arc::clone(&stores[2]), &remote, Class::Confirmation, &dying);
    tokio::time::sleep(Duration::from_secs(90)).await;
    dying.cancel();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let before = remote.served.load(Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(600)).await;
    let served = remote.served.load(Ordering::SeqCst) - before;
    assert_eq!(remote.refused.load(Ordering::SeqCst), 0);
    assert!(served >= 10 * ALLOWED * 95 / 100, "{served}");
    stop.cancel();
}
