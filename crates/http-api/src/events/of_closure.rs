//! `GET /v1/closures/{id}/events`: the events of one closure, to its end.

use std::sync::Arc;

use callbacks::{EventPlace, every_event};
use orchestrator::Record;
use store::{ClosureKey, StoreUnavailable};
use tokio::time::{Instant, sleep};

use super::{BEAT, Leave, Pieces, STORE_AWAY, answer, frame, nothing_more, outbox::public_url, resume};
use crate::{
    call::{Answer, Call, Shared},
    state::ApiState,
};

/// The events of one closure, from its first or from behind the last one that the client has. Where it has ended and the client has
/// all, there is nothing to answer with.
pub(crate) async fn of_closure(call: Call) -> Answer {
    let mut query = call.query()?;
    let seen = resume::last_seen(&call.headers, &mut query)?;
    query.finish()?;
    let record = call.closure().await?;
    let api = &call.shared.api;
    let after = match seen {
        None => EventPlace::end_of(0),
        Some(seen) => resume::resume(api, seen).await?.after,
    };
    if seen.is_some() && record.closure.has_ended() && told(api, &record, after).await?.is_none() {
        return Ok(nothing_more());
    }
    let leave = Leave::take(&call)?;
    let shared = Arc::clone(&call.shared);
    Ok(answer(OfClosure { shared, leave, key: record.key, after, known: None, over: false }))
}

struct OfClosure {
    shared: Arc<Shared>,
    leave: Leave,
    key: ClosureKey,
    /// What was told up to here.
    after: EventPlace,
    /// The version of the closure of which all was told.
    known: Option<u64>,
    /// Its end was told.
    over: bool,
}

impl Pieces for OfClosure {
    fn leave(&self) -> &Leave {
        &self.leave
    }

    async fn next(&mut self) -> Option<String> {
        let beat = Instant::now() + BEAT;
        let orchestrator = self.shared.api.orchestrator.clone();
        while !self.over {
            let known = self.known;
            let patience = beat.saturating_duration_since(Instant::now());
            let is_news = |record: &Record| Some(record.closure.sequence) != known;
            let found = orchestrator.wait_for(self.key, patience, is_news).await;
            // Asked after the wait: the key may have gone meanwhile.
            let holder = self.leave.holder()?;
            match found {
                Ok(record) => {
                    let record = record.filter(|record| holder.sees(&record.organisation))?;
                    if is_news(&record) {
                        match self.pass(&record).await {
                            Ok(Some(text)) => return Some(text),
                            Ok(None) => {}
                            Err(error) => self.wait_for_store(&error).await,
                        }
                    }
                }
                Err(error) => self.wait_for_store(&error).await,
            }
            if Instant::now() >= beat {
                return Some(frame::beat(None));
            }
            if orchestrator.is_stopping() {
                return None;
            }
        }
        None
    }
}

impl OfClosure {
    /// Passes all that there is to tell of this version.
    async fn pass(&mut self, record: &Record) -> Result<Option<String>, StoreUnavailable> {
        let told = told(&self.shared.api, record, self.after).await?;
        self.known = Some(record.closure.sequence);
        self.over = record.closure.has_ended();
        Ok(told.map(|(text, last)| {
            self.after = last;
            text
        }))
    }

    async fn wait_for_store(&self, error: &impl std::fmt::Display) {
        tracing::debug!(%error, "a stream of events waits for the store");
        sleep(STORE_AWAY).await;
    }
}

/// The events of a closure behind a place, and the place of the last of them; `None` where there are none.
async fn told(
    api: &ApiState,
    record: &Record,
    after: EventPlace,
) -> Result<Option<(String, EventPlace)>, StoreUnavailable> {
    let lines = api.store.journal(record.key).await?;
    let later = lines.iter().filter(|placed| placed.position > after.read_after());
    let events: Vec<_> = later
        .flat_map(|placed| every_event(record, placed, public_url(api)))
        .filter(|announced| announced.place > after)
        .collect();
    let last = events.last().map(|last| last.place);
    Ok(last.map(|last| (events.iter().map(frame::event).collect(), last)))
}
