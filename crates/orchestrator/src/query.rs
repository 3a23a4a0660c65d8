//! What is asked of the driver, and answered without changing anything.

use std::{collections::BTreeMap, error::Error, fmt, sync::Arc, time::Duration};

use closure_machine::{BlockReason, Policy, Step};
use genesys_types::{Organisation, Time};
use store::{
    ClosureKey, Filter, InboxEntry, Millis, Order, PlacedLine, Quarantined, QueueTally, StoreUnavailable,
    Tally,
};

use crate::{
    advance::Orchestrator,
    journal::Entry,
    metrics, names,
    organisation::OrganisationStatus,
    record::{Overrides, Record},
};

/// How often a closure that somebody waits for is looked at, where another process may settle it.
const LOOK_AT_OTHERS: Duration = Duration::from_millis(250);

/// One page of a listing.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The records.
    pub records: Vec<Record>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<(Millis, ClosureKey)>,
}

/// One line of a closure's journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineLine {
    /// The line's place in the whole journal.
    pub position: u64,
    /// Counts per closure.
    pub sequence: u64,
    /// When it happened.
    pub at: Time,
    /// A short name of what happened.
    pub kind: String,
    /// The evidence.
    pub entry: Entry,
}

impl TimelineLine {
    /// Reads a line as the store keeps it.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn of(placed: PlacedLine) -> Result<Self, QueryError> {
        let entry = serde_json::from_slice(&placed.line.body)
            .map_err(|error| QueryError::Unreadable(error.to_string()))?;
        Ok(Self {
            position: placed.position,
            sequence: placed.line.sequence,
            at: Time::from_millis(placed.line.at),
            kind: placed.line.kind,
            entry,
        })
    }
}

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueryError {
    /// The store cannot be read.
    Unavailable(StoreUnavailable),
    /// A journal line cannot be read.
    Unreadable(String),
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(unavailable) => unavailable.fmt(f),
            Self::Unreadable(why) => write!(f, "a journal line cannot be read: {why}"),
        }
    }
}

impl Error for QueryError {}

impl From<StoreUnavailable> for QueryError {
    fn from(unavailable: StoreUnavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}

impl Orchestrator {
    /// One closure.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn closure(&self, key: ClosureKey) -> Result<Option<Arc<Record>>, QueryError> {
        Ok(self.latest(key).await?)
    }

    /// The closure that answers for a producer's idempotency key.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn closure_of_key(&self, scope: &str, key: &str) -> Result<Option<Arc<Record>>, QueryError> {
        match self.inner.store.key(scope, key).await? {
            Some(entry) => self.closure(entry.closure).await,
            None => Ok(None),
        }
    }

    /// One closure, as soon as it is settled as `settled` says, else as it is after `wait`.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn wait_for(
        &self,
        key: ClosureKey,
        wait: Duration,
        settled: impl Fn(&Record) -> bool + Send,
    ) -> Result<Option<Arc<Record>>, QueryError> {
        let mut watch = self.inner.registry.watch(key);
        let patience = tokio::time::sleep(wait);
        tokio::pin!(patience);
        loop {
            watch.mark_seen();
            let found = self.latest(key).await?;
            if found.as_deref().is_none_or(&settled) {
                return Ok(found);
            }
            tokio::select! {
                biased;
                () = self.inner.stopping.cancelled() => return Ok(found),
                () = watch.changed() => {}
                () = tokio::time::sleep(LOOK_AT_OTHERS), if self.inner.shared => {}
                () = &mut patience => return Ok(found),
            }
        }
    }

    /// Where a person sees the conversation of a closure in Genesys Cloud's own pages, if there is such a place.
    pub fn page_of(&self, record: &Record) -> Option<String> {
        self.remote(record)?.page_of(record.closure.conversation?)
    }

    /// How many requests are left to an organisation in the present window; `None` where it has no limit, or is not known.
    pub fn quota_left(&self, organisation: &Organisation) -> Option<u64> {
        self.inner.organisations.get(organisation)?.setup.remote.quota()?.remaining()
    }

    /// One page of closures.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn list(
        &self,
        filter: &Filter,
        order: Order,
        after: Option<(Millis, ClosureKey)>,
        limit: usize,
    ) -> Result<Page, QueryError> {
        let mut rows = self.inner.store.list(filter, order, after, limit + 1).await?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = if more { rows.last().map(|row| (row.created_at, row.key)) } else { None };
        let mut records = Vec::with_capacity(rows.len());
        for row in rows {
            match Record::from_row(&row) {
                Ok(record) => records.push(record),
                Err(why) => self.set_aside(row.key, why).await?,
            }
        }
        Ok(Page { records, next })
    }

    /// Counts closures by organisation, state and reason.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn tally(&self, filter: &Filter) -> Result<Vec<Tally>, QueryError> {
        Ok(self.inner.store.tally(filter).await?)
    }

    /// Counts the ghosts of these organisations by organisation, queue and reason.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn ghosts_by_queue(&self, organisations: &[String]) -> Result<Vec<QueueTally>, QueryError> {
        Ok(self.inner.store.tally_by_queue(organisations).await?)
    }

    /// The journal of a closure, in order.
    ///
    /// # Errors
    ///
    /// When the store, or a line, cannot be read.
    pub async fn timeline(&self, key: ClosureKey) -> Result<Vec<TimelineLine>, QueryError> {
        let lines = self.inner.store.journal(key).await?;
        lines.into_iter().map(TimelineLine::of).collect()
    }

    /// What came in lately, the latest first.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn inbox(&self, limit: usize) -> Result<Vec<InboxEntry>, QueryError> {
        Ok(self.inner.store.inbox(limit).await?)
    }

    /// The records that could not be read.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn quarantined(&self) -> Result<Vec<Quarantined>, QueryError> {
        Ok(self.inner.store.quarantined().await?)
    }

    /// The organisation of a record that was set aside because it cannot be read; `None` when the closure is not set
    /// aside.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn set_aside_of(&self, key: ClosureKey) -> Result<Option<String>, QueryError> {
        if !self.inner.store.quarantined().await?.iter().any(|record| record.closure == key) {
            return Ok(None);
        }
        Ok(self.inner.store.load(key).await?.map(|row| row.organisation))
    }

    /// Why Genesys refuses an organisation, as one of its blocked closures tells; `None` when no closure is blocked.
    pub fn blocked_why(&self, organisation: &Organisation) -> Option<BlockReason> {
        let mut why = None;
        self.inner.registry.for_each(|_, glance| {
            let lookups_only = glance.conversation.is_none();
            if let Step::Blocked(block) = &glance.step
                && !(lookups_only && matches!(block.why, BlockReason::Permission(_)))
                && glance.organisation == *organisation
            {
                why = Some(block.why.clone());
            }
        });
        why
    }

    /// Whether the store can commit now.
    ///
    /// # Errors
    ///
    /// When it cannot.
    pub async fn check_store(&self) -> Result<(), StoreUnavailable> {
        self.inner.store.check().await
    }

    /// Whether the program is stopping.
    pub fn is_stopping(&self) -> bool {
        self.inner.stopping.is_cancelled()
    }

    /// The names of the organisations.
    pub fn organisations(&self) -> Vec<Organisation> {
        let mut names: Vec<_> = self.inner.organisations.keys().cloned().collect();
        names.sort();
        names
    }

    /// How the organisations are doing.
    pub fn status(&self) -> Vec<OrganisationStatus> {
        let mut all: Vec<_> = self
            .inner
            .organisations
            .values()
            .map(|org| org.status(self.inner.registry.open_of(&org.setup.name)))
            .collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    /// The policy under which a command of an organisation with these differences would be carried out; `None` when there
    /// is no such organisation.
    pub fn policy_with(&self, organisation: &Organisation, overrides: &Overrides) -> Option<Policy> {
        self.inner.organisations.get(organisation).map(|org| org.policy_with(overrides))
    }

    /// How many closures are open.
    pub fn open_closures(&self) -> usize {
        self.inner.registry.open()
    }

    /// Sets the gauges that are worked out when somebody asks.
    pub fn observe(&self) {
        let now = self.now();
        let mut states: BTreeMap<(Organisation, &'static str), (u32, Time)> = BTreeMap::new();
        let mut ghosts: BTreeMap<(Organisation, &'static str), u32> = BTreeMap::new();
        for organisation in self.inner.organisations.keys() {
            for state in names::STATES.into_iter().take_while(|state| *state != "closed") {
                states.insert((organisation.clone(), state), (0, now));
            }
            for reason in names::GHOST_REASONS {
                ghosts.insert((organisation.clone(), reason), 0);
            }
        }
        self.inner.registry.for_each(|_, glance| {
            let state = glance.state();
            let (number, oldest) = states.entry((glance.organisation.clone(), state)).or_insert((0, now));
            *number += 1;
            *oldest = glance.accepted_at.min(*oldest);
            if let Step::Ghost(ghost) = glance.step {
                let reason = names::ghost_reason(ghost.reason);
                *ghosts.entry((glance.organisation.clone(), reason)).or_default() += 1;
            }
        });
        for ((organisation, state), (number, oldest)) in states {
            let age = f64::from(now.since(oldest).millis()) / 1_000.0;
            metrics::open(organisation.as_str(), state, number, age);
        }
        for ((organisation, reason), number) in ghosts {
            metrics::ghosts_open(organisation.as_str(), reason, number);
        }
    }
}
