//! The open closures in memory. Truth is in the store; what is here was read from it or committed to it.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use dashmap::{DashMap, DashSet};
use genesys_types::{ConversationId, Organisation};
use store::ClosureKey;
use tokio::sync::{Mutex, MutexGuard, watch};

use crate::{
    due::DueIndex,
    record::Record,
    resting::{Glance, Kept},
    shared::Shared,
};

/// How many locks all closures share. Two closures that fall on one lock merely wait for each other's commit.
const STRIPES: usize = 4_096;

#[derive(Debug)]
pub(crate) struct Registry {
    open: DashMap<ClosureKey, Kept>,
    /// The open closure of each conversation, beside the number of the organisation's name.
    conversations: DashMap<(u32, ConversationId), ClosureKey>,
    watched: DashMap<ClosureKey, watch::Sender<u64>>,
    stripes: Box<[Mutex<()>]>,
    open_of: HashMap<Organisation, AtomicUsize>,
    reloading: DashSet<ClosureKey>,
    names: Shared,
    pub(crate) due: DueIndex,
}

impl Registry {
    /// An empty registry for these organisations. Closures of others are held too, and counted nowhere.
    pub(crate) fn new(organisations: impl IntoIterator<Item = Organisation>) -> Self {
        Self {
            open: DashMap::new(),
            conversations: DashMap::new(),
            watched: DashMap::new(),
            stripes: (0..STRIPES).map(|_| Mutex::new(())).collect(),
            open_of: organisations.into_iter().map(|name| (name, AtomicUsize::new(0))).collect(),
            reloading: DashSet::new(),
            names: Shared::default(),
            due: DueIndex::default(),
        }
    }

    /// Holds off every other change of this closure in this process. Other processes are held off by the version.
    pub(crate) async fn lock(&self, key: ClosureKey) -> MutexGuard<'_, ()> {
        let spread = key.as_u128() ^ (key.as_u128() >> 64);
        let stripe = usize::try_from(spread % STRIPES as u128).unwrap_or_default();
        self.stripes[stripe].lock().await
    }

    pub(crate) fn record(&self, key: ClosureKey) -> Option<Arc<Record>> {
        self.open.get(&key).and_then(|kept| kept.record(key, &self.names))
    }

    /// What can be seen of a record at a glance.
    pub(crate) fn glance(&self, key: ClosureKey) -> Option<Glance> {
        self.open.get(&key).and_then(|kept| kept.glance(&self.names))
    }

    pub(crate) fn of_conversation(
        &self,
        organisation: &Organisation,
        conversation: ConversationId,
    ) -> Option<ClosureKey> {
        let organisation = self.names.organisations.find(organisation)?;
        self.conversations.get(&(organisation, conversation)).map(|entry| *entry.value())
    }

    /// Replaces names that a record was read with by the one copy that all records share.
    pub(crate) fn share_names(&self, record: &mut Record) {
        record.organisation = self.names.organisations.share(&record.organisation);
        record.source = self.names.sources.share(&record.source);
    }

    /// Takes over a record that is durable, or was just read.
    pub(crate) fn put(&self, record: Arc<Record>) {
        let key = record.key;
        let conversation = self.conversation_of(&record);
        let wake_at = record.wake_at();
        let version = record.closure.sequence;
        if record.closure.has_ended() {
            self.forget(key);
            self.leave(conversation, key);
        } else {
            if let Some(conversation) = conversation {
                self.conversations.insert(conversation, key);
            }
            let open_of = self.open_of.get(&record.organisation);
            let old = self.open.insert(key, Kept::of(record, &self.names));
            if let (Some(open_of), None) = (open_of, &old) {
                open_of.fetch_add(1, Ordering::Relaxed);
            }
            let old = old.and_then(|old| old.glance(&self.names));
            self.due.reset(key, old.and_then(|old| old.wake_at()), wake_at);
        }
        if let Some(watcher) = self.watched.get(&key) {
            watcher.send_replace(version);
        }
    }

    /// Forgets what is in memory, so that the next look reads the store.
    pub(crate) fn forget(&self, key: ClosureKey) {
        if let Some((_, old)) = self.open.remove(&key)
            && let Some(old) = old.glance(&self.names)
        {
            if let Some(open_of) = self.open_of.get(&old.organisation) {
                open_of.fetch_sub(1, Ordering::Relaxed);
            }
            self.due.reset(key, old.wake_at(), None);
        }
    }

    /// Lets go of a closure that the store does not have, or has set aside.
    pub(crate) fn remove(&self, key: ClosureKey) {
        let Some(record) = self.record(key) else { return };
        self.forget(key);
        self.leave(self.conversation_of(&record), key);
    }

    /// Lets the conversation go of which this closure was the open one, if it was.
    fn leave(&self, conversation: Option<(u32, ConversationId)>, key: ClosureKey) {
        if let Some(conversation) = conversation {
            self.conversations.remove_if(&conversation, |_, open| *open == key);
        }
    }

    /// What a closure is the open one of; `None` while its conversation is looked up.
    fn conversation_of(&self, record: &Record) -> Option<(u32, ConversationId)> {
        let organisation = self.names.organisations.number(&record.organisation);
        record.closure.conversation.map(|conversation| (organisation, conversation))
    }

    /// How many closures of an organisation are open.
    pub(crate) fn open_of(&self, organisation: &Organisation) -> usize {
        self.open_of.get(organisation).map_or(0, |open| open.load(Ordering::Relaxed))
    }

    /// Claims the reading of a closure whose row in the store is uncertain; `false` when somebody is at it already.
    pub(crate) fn claim_reload(&self, key: ClosureKey) -> bool {
        self.reloading.insert(key)
    }

    /// Ends what [`Registry::claim_reload`] began.
    pub(crate) fn end_reload(&self, key: ClosureKey) {
        self.reloading.remove(&key);
    }

    /// Puts a closure back into the due index after a wake-up that could not be used.
    pub(crate) fn due_again(&self, key: ClosureKey) {
        if let Some(wake_at) = self.glance(key).and_then(|glance| glance.wake_at()) {
            self.due.reset(key, None, Some(wake_at));
        }
    }

    /// Tells of every version of a closure from now on, for as long as the watch is held.
    pub(crate) fn watch(&self, key: ClosureKey) -> Watch<'_> {
        let versions = self.watched.entry(key).or_insert_with(|| watch::Sender::new(0)).subscribe();
        Watch { registry: self, key, versions: Some(versions) }
    }

    pub(crate) fn open(&self) -> usize {
        self.open.len()
    }

    /// Every open record at a glance, in no order.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(ClosureKey, &Glance)) {
        for entry in &self.open {
            if let Some(glance) = entry.value().glance(&self.names) {
                visit(*entry.key(), &glance);
            }
        }
    }
}

/// Watches one closure. The last watch of a closure leaves nothing behind, however it ends.
pub(crate) struct Watch<'a> {
    registry: &'a Registry,
    key: ClosureKey,
    versions: Option<watch::Receiver<u64>>,
}

impl Watch<'_> {
    /// Takes what has been told up to now as seen.
    pub(crate) fn mark_seen(&mut self) {
        if let Some(versions) = &mut self.versions {
            versions.mark_unchanged();
        }
    }

    /// Completes when there is a version that was not seen.
    pub(crate) async fn changed(&mut self) {
        let Some(versions) = &mut self.versions else { return std::future::pending().await };
        if versions.changed().await.is_err() {
            // The sender lives for as long as somebody watches.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        drop(self.versions.take());
        self.registry.watched.remove_if(&self.key, |_, watcher| watcher.receiver_count() == 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_watch_that_is_left_leaves_nothing_behind() {
        let registry = Registry::new([]);
        let key = ClosureKey::now_v7();
        let (mut one, two) = (registry.watch(key), registry.watch(key));
        drop(two);
        let left = tokio::time::timeout(std::time::Duration::ZERO, one.changed()).await;
        assert!(left.is_err());
        assert_eq!(registry.watched.len(), 1);
        drop(one);
        assert!(registry.watched.is_empty());
    }
}
