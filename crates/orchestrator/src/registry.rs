//! The open closures in memory. Truth is in the store; what is here was read from it or committed to it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use dashmap::DashMap;
use genesys_types::{ConversationId, Organisation};
use store::ClosureKey;
use tokio::sync::{Mutex, MutexGuard, watch};

use crate::{due::DueIndex, record::Record};

/// How many locks all closures share. Two closures that fall on one lock merely wait for each other's commit.
const STRIPES: usize = 4_096;

#[derive(Debug)]
pub(crate) struct Registry {
    open: DashMap<ClosureKey, Arc<Record>>,
    conversations: DashMap<(Organisation, ConversationId), ClosureKey>,
    watched: DashMap<ClosureKey, watch::Sender<u64>>,
    stripes: Box<[Mutex<()>]>,
    ended: AtomicU64,
    pub(crate) due: DueIndex,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            open: DashMap::new(),
            conversations: DashMap::new(),
            watched: DashMap::new(),
            stripes: (0..STRIPES).map(|_| Mutex::new(())).collect(),
            ended: AtomicU64::new(0),
            due: DueIndex::default(),
        }
    }
}

impl Registry {
    /// Holds off every other change of this closure in this process. Other processes are held off by the version.
    pub(crate) async fn lock(&self, key: ClosureKey) -> MutexGuard<'_, ()> {
        let spread = key.as_u128() ^ (key.as_u128() >> 64);
        let stripe = usize::try_from(spread % STRIPES as u128).unwrap_or_default();
        self.stripes[stripe].lock().await
    }

    pub(crate) fn record(&self, key: ClosureKey) -> Option<Arc<Record>> {
        self.open.get(&key).map(|entry| Arc::clone(entry.value()))
    }

    pub(crate) fn of_conversation(
        &self,
        organisation: &Organisation,
        conversation: ConversationId,
    ) -> Option<ClosureKey> {
        self.conversations.get(&(organisation.clone(), conversation)).map(|entry| *entry.value())
    }

    /// Takes over a record that is durable, or was just read.
    pub(crate) fn put(&self, record: Arc<Record>) {
        let key = record.key;
        let conversation = (record.organisation.clone(), record.closure.conversation);
        let wake_at = record.closure.wake_at();
        let version = record.closure.sequence;
        if record.closure.has_ended() {
            let old = self.open.remove(&key);
            self.conversations.remove_if(&conversation, |_, open| *open == key);
            self.due.reset(key, old.and_then(|(_, old)| old.closure.wake_at()), None);
            self.ended.fetch_add(1, Ordering::Relaxed);
        } else {
            self.conversations.insert(conversation, key);
            let old = self.open.insert(key, record);
            self.due.reset(key, old.and_then(|old| old.closure.wake_at()), wake_at);
        }
        if let Some(watcher) = self.watched.get(&key) {
            watcher.send_replace(version);
        }
    }

    /// Forgets what is in memory, so that the next look reads the store.
    pub(crate) fn forget(&self, key: ClosureKey) {
        if let Some((_, old)) = self.open.remove(&key) {
            self.due.reset(key, old.closure.wake_at(), None);
        }
    }

    /// Puts a closure back into the due index after a wake-up that could not be used.
    pub(crate) fn due_again(&self, key: ClosureKey) {
        if let Some(record) = self.record(key) {
            self.due.reset(key, None, record.closure.wake_at());
        }
    }

    /// Tells of every version of a closure from now on.
    pub(crate) fn watch(&self, key: ClosureKey) -> watch::Receiver<u64> {
        self.watched.entry(key).or_insert_with(|| watch::Sender::new(0)).subscribe()
    }

    /// Lets go of a watch that nobody holds any more.
    pub(crate) fn unwatch(&self, key: ClosureKey) {
        self.watched.remove_if(&key, |_, watcher| watcher.receiver_count() == 0);
    }

    pub(crate) fn open(&self) -> usize {
        self.open.len()
    }

    /// Every open record, in no order.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(&Record)) {
        for entry in &self.open {
            visit(entry.value());
        }
    }
}
