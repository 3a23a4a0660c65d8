//! Lists that are kept for all who ask, each fetched once however many wait for it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use genesys_types::QueueId;
use tokio::time::Instant;

use super::codes::WrapUpCodes;
use crate::{Fault, Permit};

/// How long a list is kept. Codes change a few times a month, and one that is missed is looked for in a new list anyway.
const KEEP: Duration = Duration::from_secs(600);

/// How long a name, or a code that was refused, is not looked for in yet another list: a thousand closures with one
/// wrong name cost a few lists, not a thousand.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(15);

/// So many lists are kept; the one that was not asked for longest goes first.
const MOST_LISTS: usize = 256;

/// So many names are remembered as looked for in a new list. Of more no new list is asked for until the first is forgotten.
const MOST_LOOKED_FOR: usize = 32;

/// The lists of one organisation, by queue; under `None` that of the whole organisation.
#[derive(Default)]
pub(crate) struct Lists(Mutex<HashMap<Option<QueueId>, Slot>>);

struct Slot {
    asked_at: Instant,
    /// Held by whoever fetches.
    state: Arc<tokio::sync::Mutex<State>>,
}

#[derive(Default)]
struct State {
    list: Option<Arc<WrapUpCodes>>,
    /// How the latest fetch failed, and when; for those who were waiting for it.
    failed: Option<(Fault, Instant)>,
    looked_for: Vec<(Box<str>, Instant)>,
}

/// Which list will do.
#[derive(Clone, Copy)]
pub(super) enum Wanted<'a> {
    /// The one that is kept.
    Kept,
    /// A newer one than this, unless it was fetched for the same reason a moment ago.
    NewerThan { list: &'a WrapUpCodes, because: &'a str },
}

/// A list, and the permit if it was not spent on it.
pub(super) struct Listed {
    pub(super) codes: Arc<WrapUpCodes>,
    pub(super) permit: Option<Permit>,
    /// Whether it was fetched since it was asked for: then no newer one can say more.
    pub(super) is_new: bool,
}

impl Lists {
    /// The list of a queue. Of those who want one that is not there, the first fetches; the others hold no permit, and
    /// take what it brings, be it a fault. Cancelling the one who fetches lets the next one fetch.
    pub(super) async fn listed<F: Future<Output = Result<WrapUpCodes, Fault>>>(
        &self,
        mut permit: Option<Permit>,
        queue: Option<QueueId>,
        wanted: Wanted<'_>,
        fetch: impl FnOnce(Option<Permit>) -> F,
    ) -> Result<Listed, Fault> {
        let asked_at = Instant::now();
        let slot = self.slot(queue, asked_at);
        let mut state = match slot.try_lock() {
            Ok(state) => state,
            Err(_) => {
                drop(permit.take());
                slot.lock().await
            }
        };
        if let Some(codes) = state.usable(wanted, Instant::now()) {
            let is_new = codes.at >= asked_at;
            return Ok(Listed { codes, permit, is_new });
        }
        if let Some((fault, _)) = state.failed.as_ref().filter(|(_, at)| *at > asked_at) {
            return Err(fault.clone());
        }
        match fetch(permit).await {
            Ok(list) => {
                let codes = Arc::new(list);
                state.keep(&codes, wanted);
                Ok(Listed { codes, permit: None, is_new: true })
            }
            Err(fault) => {
                state.failed = Some((fault.clone(), Instant::now()));
                Err(fault)
            }
        }
    }

    fn slot(&self, queue: Option<QueueId>, now: Instant) -> Arc<tokio::sync::Mutex<State>> {
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !lists.contains_key(&queue) && lists.len() >= MOST_LISTS {
            let oldest = lists.iter().min_by_key(|(_, slot)| slot.asked_at).map(|(queue, _)| *queue);
            oldest.and_then(|oldest| lists.remove(&oldest));
        }
        let slot = lists.entry(queue).or_insert_with(|| Slot { asked_at: now, state: Arc::default() });
        slot.asked_at = now;
        Arc::clone(&slot.state)
    }
}

impl State {
    fn usable(&mut self, wanted: Wanted<'_>, now: Instant) -> Option<Arc<WrapUpCodes>> {
        self.looked_for.retain(|(_, at)| now.duration_since(*at) < LOOK_AGAIN_AFTER);
        let list = self.list.as_ref().filter(|list| now.duration_since(list.at) < KEEP)?;
        let will_do = match wanted {
            Wanted::Kept => true,
            Wanted::NewerThan { list: old, because } => {
                let looked_for = self.looked_for.iter().any(|(known, _)| **known == *because);
                list.at > old.at || looked_for || self.looked_for.len() >= MOST_LOOKED_FOR
            }
        };
        will_do.then(|| Arc::clone(list))
    }

    fn keep(&mut self, list: &Arc<WrapUpCodes>, wanted: Wanted<'_>) {
        self.list = Some(Arc::clone(list));
        self.failed = None;
        if let Wanted::NewerThan { because, .. } = wanted {
            self.looked_for.push((because.into(), Instant::now()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use uuid::Uuid;

    use super::*;
    use crate::FaultKind;

    #[derive(Default)]
    struct World {
        lists: Lists,
        fetched: AtomicUsize,
        fails: bool,
    }

    impl World {
        async fn ask(&self, queue: u128, wanted: Wanted<'_>) -> Result<Arc<WrapUpCodes>, Fault> {
            let queue = Some(QueueId::from_uuid(Uuid::from_u128(queue)));
            let fetch = |_| async move {
                self.fetched.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(100)).await;
                let fault = || Fault::local(FaultKind::Server, "down");
                if self.fails { Err(fault()) } else { Ok(WrapUpCodes::of(queue)) }
            };
            self.lists.listed(None, queue, wanted, fetch).await.map(|listed| listed.codes)
        }

        fn fetched(&self) -> usize {
            self.fetched.swap(0, Ordering::Relaxed)
        }
    }

    async fn later(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn one_fetch_serves_all_who_wait_and_all_who_come_within_ten_minutes() {
        let world = World::default();
        let asked = (0..500).map(|_| world.ask(1, Wanted::Kept));
        assert!(futures_util::future::join_all(asked).await.iter().all(Result::is_ok));
        assert_eq!(world.fetched(), 1);
        later(590).await;
        assert!(world.ask(1, Wanted::Kept).await.is_ok());
        assert_eq!(world.fetched(), 0);
        later(11).await;
        assert!(world.ask(1, Wanted::Kept).await.is_ok());
        assert_eq!(world.fetched(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_shared_by_those_who_waited_and_kept_from_nobody_else() {
        let world = World { fails: true, ..World::default() };
        let asked = (0..500).map(|_| world.ask(1, Wanted::Kept));
        assert!(futures_util::future::join_all(asked).await.iter().all(Result::is_err));
        assert_eq!(world.fetched(), 1);
        assert!(world.ask(1, Wanted::Kept).await.is_err());
        assert_eq!(world.fetched(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_that_is_missed_costs_one_new_list_however_many_miss_it() {
        let world = World::default();
        let old = world.ask(1, Wanted::Kept).await.unwrap();
        assert_eq!(world.fetched(), 1);
        later(1).await;
        let missed = |because| Wanted::NewerThan { list: &old, because };
        let asked = (0..500).map(|_| world.ask(1, missed("Won")));
        assert!(futures_util::future::join_all(asked).await.iter().all(Result::is_ok));
        assert_eq!(world.fetched(), 1);
        let fresh = world.ask(1, Wanted::Kept).await.unwrap();
        let again = |because| Wanted::NewerThan { list: &fresh, because };
        later(1).await;
        assert!(world.ask(1, again("Won")).await.is_ok());
        assert_eq!(world.fetched(), 0, "it was looked for a moment ago");
        assert!(world.ask(1, again("Lost")).await.is_ok());
        assert_eq!(world.fetched(), 1, "another name is not answered for by it");
        later(16).await;
        let fresh = world.ask(1, Wanted::Kept).await.unwrap();
        assert!(world.ask(1, Wanted::NewerThan { list: &fresh, because: "Won" }).await.is_ok());
        assert_eq!(world.fetched(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_list_that_was_not_asked_for_longest_makes_room() {
        let world = World::default();
        for queue in 0..=MOST_LISTS as u128 {
            assert!(world.ask(queue, Wanted::Kept).await.is_ok());
            later(1).await;
            assert!(world.ask(1, Wanted::Kept).await.is_ok());
        }
        world.fetched();
        assert!(world.ask(1, Wanted::Kept).await.is_ok());
        assert_eq!(world.fetched(), 0);
        assert!(world.ask(0, Wanted::Kept).await.is_ok());
        assert_eq!(world.fetched(), 1);
        assert_eq!(world.lists.0.lock().unwrap().len(), MOST_LISTS);
    }
}
