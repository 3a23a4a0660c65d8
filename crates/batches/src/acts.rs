//! Batches of an operator's act on many closures: shown first, then done for exactly those.

use std::{collections::HashSet, sync::Arc};

use closure_machine::{Act, Turn};
use genesys_types::{ConversationId, Organisation};
use orchestrator::{ActError, Operation, QueryError, Record, TimelineLine, batch_id, closure_id, names};
use store::{ClosureKey, Filter, Millis, Order, StoreUnavailable};
use uuid::Uuid;

use crate::{
    plan::{self, BatchState, Fate, RowState, Skip, Stands},
    rows::{MOST_ROWS, Narrower, Unreadable},
    service::{Batch, Batches, CLOSURES_AT_ONCE, Inner, TOKEN_LASTS_MILLIS},
    stored::{Kept, Narrowing, Plan},
};

/// The role under which a batch acts: whoever executes one has it, or more.
const ROLE: &str = "operate";

/// The acts that a batch can be of.
pub const ACTS: [Act; 5] = [Act::Retry, Act::Verify, Act::Cancel, Act::Resolve, Act::Force];

/// On which closures is acted.
#[derive(Debug, Clone, PartialEq)]
pub enum Chosen {
    /// Those that match, the earliest accepted first.
    Matching(Box<Filter>),
    /// These.
    These(Vec<ClosureKey>),
}

/// The act of a batch, where it is one of acts.
pub(crate) fn act_of(batch: &Batch) -> Option<Act> {
    let name = batch.plan.act.as_deref()?;
    ACTS.into_iter().find(|act| names::act(*act) == name)
}

impl Batches {
    /// Judges for every chosen closure whether the act fits it now, and keeps the result. Nothing is done. `Ok(Err(_))` where none or
    /// too many are chosen.
    ///
    /// # Errors
    ///
    /// Fails when the store cannot be reached.
    pub async fn preview_acts(
        &self,
        organisation: &Organisation,
        by: &str,
        act: Act,
        chosen: Chosen,
    ) -> Result<Result<Batch, Unreadable>, StoreUnavailable> {
        let (keys, filter) = match chosen {
            Chosen::These(keys) => (keys, None),
            Chosen::Matching(filter) => {
                let (accepted, keys): (Vec<_>, Vec<_>) =
                    self.0.matching(organisation, &filter).await?.into_iter().unzip();
                if keys.len() > MOST_ROWS {
                    return Ok(Err(Unreadable::TooManyMatch(Narrower::of(&filter, accepted))));
                }
                (keys, Some(Narrowing::of(&filter)))
            }
        };
        if keys.is_empty() {
            return Ok(Err(Unreadable::Empty));
        }
        if keys.len() > MOST_ROWS {
            return Ok(Err(Unreadable::TooMany));
        }
        let mut seen = HashSet::new();
        let mut items = Vec::with_capacity(keys.len());
        for (number, key) in (1u32..).zip(keys) {
            let kept = Kept { row: closure_id(key), closure: Some(key), ..Kept::default() };
            let (state, kept) = match self.0.record(key).await? {
                Some(record) if record.organisation == *organisation => {
                    let shown = Some(names::state(&record.closure).to_owned());
                    let kept = Kept { conversation: conversation(&record), shown, ..kept };
                    if !seen.insert(key) {
                        kept.with(Fate::skipped(Skip::Duplicate, None))
                    } else if self.0.orchestrator.fits(&record, act) {
                        (RowState::Queued, kept)
                    } else {
                        kept.with(unfit(&record))
                    }
                }
                // Whose it is stays untold where it is not of this organisation.
                Some(_) | None => kept.with(Fate::skipped(Skip::NotFound, None)),
            };
            items.push((number, state, kept));
        }
        let key = Uuid::now_v7();
        let accepted = items.iter().filter(|(_, state, _)| *state == RowState::Queued);
        let rows = accepted.map(|(number, _, kept)| (*number, &*kept.row));
        let name = names::act(act);
        // The act is part of what is confirmed.
        let token = plan::token(key, &format!("{}/{name}", organisation.as_str()), rows);
        let now = self.0.now();
        let plan = Plan {
            token,
            expires_at: now.saturating_add(TOKEN_LASTS_MILLIS),
            act: Some(name.to_owned()),
            filter,
            ..Plan::new(by, now)
        };
        let organisation = organisation.as_str().to_owned();
        let batch = Batch { key, organisation, state: BatchState::Preview, plan, updated_at: now };
        let items = items.iter().map(|(number, state, kept)| kept.item(*number, *state)).collect();
        self.0.store.put_batch(batch.row(false), items).await?;
        Ok(Ok(batch))
    }
}

impl Inner {
    /// When the closures that match were accepted and their keys, the earliest first, and one more than a batch may have where there are more.
    async fn matching(
        &self,
        organisation: &Organisation,
        filter: &Filter,
    ) -> Result<Vec<(Millis, ClosureKey)>, StoreUnavailable> {
        let filter = Filter { organisations: vec![organisation.as_str().to_owned()], ..filter.clone() };
        let (mut found, mut after) = (Vec::new(), None);
        while found.len() <= MOST_ROWS {
            let page = self.store.list(&filter, Order::OldestFirst, after, CLOSURES_AT_ONCE).await?;
            let Some(last) = page.last() else { break };
            after = Some((last.created_at, last.key));
            found.extend(page.iter().map(|row| (row.created_at, row.key)));
        }
        Ok(found)
    }

    async fn record(&self, key: ClosureKey) -> Result<Option<Arc<Record>>, StoreUnavailable> {
        match self.orchestrator.closure(key).await {
            Ok(found) => Ok(found),
            Err(QueryError::Unreadable(_)) => Ok(None),
            Err(QueryError::Unavailable(unavailable)) => Err(unavailable),
        }
    }

    /// Does the act for one row, where its closure stands as it did in the preview; nothing where it is to be tried again later. A
    /// service that died between the act and its note finds it in the timeline, or does it again: a second look or beginning changes
    /// nothing that the first has not, and what has ended stays so.
    pub(crate) async fn perform(&self, batch: &Batch, act: Act, kept: &Kept) -> Option<Fate> {
        let missing = Some(Fate::skipped(Skip::NotFound, None));
        let Some(key) = kept.closure else { return missing };
        let Ok(found) = self.record(key).await else { return None };
        let Some(record) = found else { return missing };
        let stands = kept.shown.as_deref().map(|shown| Stands {
            shown,
            state: names::state(&record.closure),
            reason: names::reason(&record.closure),
        });
        if let Some(why) = stands.and_then(|stands| plan::changed(stands, batch.plan.filter.as_ref())) {
            return match self.orchestrator.timeline(key).await {
                Ok(lines) if is_of_batch(batch, &lines) => Some(followed(&record, Some(act))),
                Ok(_) | Err(QueryError::Unreadable(_)) => Some(Fate::unfit(why)),
                Err(QueryError::Unavailable(_)) => None,
            };
        }
        let operation = Operation {
            act,
            by: batch.plan.executed_by.clone().unwrap_or_else(|| batch.plan.by.clone()),
            role: ROLE,
            reason: batch.plan.reason.clone(),
            batch: Some(batch.key),
            note: None,
            // The act is for the closure as it was just looked at.
            if_version: Some(record.closure.sequence),
        };
        match self.orchestrator.act(key, operation).await {
            Ok(record) => Some(followed(&record, Some(act))),
            Err(ActError::Unfit(_, record)) if matches!(record.closure.turn, Turn::InFlight { .. }) => None,
            Err(ActError::Unfit(_, record)) if is_done(act, names::state(&record.closure)) => {
                Some(followed(&record, Some(act)))
            }
            Err(ActError::Unfit(_, record)) => Some(unfit(&record)),
            Err(ActError::Missing) => missing,
            Err(ActError::Claimed(_)) => Some(unfit(&record)),
            // Somebody was faster; it is looked at once more.
            Err(ActError::OtherVersion(_) | ActError::Unavailable(_)) => None,
        }
    }
}

/// Whether a closure's timeline tells that this batch did its act already, and died before it noted that.
fn is_of_batch(batch: &Batch, lines: &[TimelineLine]) -> bool {
    let of = batch_id(batch.key);
    lines.iter().any(|line| line.entry.operator.as_ref().is_some_and(|done| done.batch.as_ref() == Some(&of)))
}

fn unfit(record: &Record) -> Fate {
    Fate::unfit(format!("it is {}", names::state(&record.closure).replace('_', " ")))
}

/// Whether a closure that has ended stands as the act would have left it: then a service that died before it noted that had done it.
fn is_done(act: Act, state: &str) -> bool {
    match act {
        Act::Cancel => state == "cancelled",
        Act::Resolve => state == "resolved",
        Act::Retry | Act::Verify | Act::Force => plan::followed(state) == RowState::Closed,
        Act::Note => false,
    }
}

/// How the row of a closure stands. What was called off as it was asked is settled well.
pub(crate) fn followed(record: &Record, act: Option<Act>) -> Fate {
    let state = names::state(&record.closure);
    let state = match (act, state) {
        (Some(Act::Cancel), "cancelled") => RowState::Closed,
        _ => plan::followed(state),
    };
    let reason = names::reason(&record.closure).map(str::to_owned);
    Fate { state, closure: Some(record.key), reason, detail: None }
}

fn conversation(record: &Record) -> Option<Uuid> {
    record.closure.conversation.map(ConversationId::uuid)
}
