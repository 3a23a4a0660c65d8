//! `GET /v1/events`: the events of all closures that a key may see.

use std::sync::Arc;

use callbacks::EventPlace;
use orchestrator::names;
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

use super::{
    BEAT, Leave, Pieces, STORE_AWAY, answer, frame,
    outbox::{Outbox, Page},
    resume,
};
use crate::{
    access::Caller,
    call::{Answer, Call, Shared},
    listing::{known_names, organisations},
};

/// The events of all closures, from now on or from behind the last one that the client has.
pub(crate) async fn every(call: Call) -> Answer {
    let mut query = call.query()?;
    let wanted = Wanted {
        organisations: organisations(&call, &mut query)?,
        types: known_names(&mut query, "type", &names::EVENTS)?,
    };
    let seen = resume::last_seen(&call.headers, &mut query)?;
    query.finish()?;
    let leave = Leave::take(&call)?;
    let api = &call.shared.api;
    let (after, first) = match seen {
        None => {
            let now = resume::now(api).await?;
            (now, Some(frame::from_now(now)))
        }
        Some(seen) => {
            let resumed = resume::resume(api, seen).await?;
            (resumed.after, resumed.gap.then(|| frame::gap(seen)))
        }
    };
    let news = Outbox::follow(&call.shared);
    let shared = Arc::clone(&call.shared);
    Ok(answer(Every { shared, leave, wanted, after, first, news }))
}

/// What a client wants to be told.
struct Wanted {
    organisations: Vec<String>,
    /// All where it names none.
    types: Vec<String>,
}

struct Every {
    shared: Arc<Shared>,
    leave: Leave,
    wanted: Wanted,
    /// What was told up to here, or passed over.
    after: EventPlace,
    /// What is said before all else.
    first: Option<String>,
    news: watch::Receiver<u64>,
}

impl Pieces for Every {
    fn leave(&self) -> &Leave {
        &self.leave
    }

    async fn next(&mut self) -> Option<String> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        let beat = Instant::now() + BEAT;
        loop {
            let holder = self.leave.holder()?;
            self.news.mark_unchanged();
            match self.shared.outbox.page(&self.shared.api, self.after.read_after()).await {
                Ok(Some(page)) => {
                    let text = self.pass(&page, &holder);
                    if !text.is_empty() {
                        return Some(text);
                    }
                }
                Ok(None) => tokio::select! {
                    _ = self.news.changed() => {}
                    () = sleep_until(beat) => {}
                },
                Err(error) => {
                    tracing::debug!(%error, "a stream of events waits for the store");
                    sleep(STORE_AWAY).await;
                }
            }
            if Instant::now() >= beat {
                // Whose key is gone is not told that the stream is still there.
                return self.leave.holder().map(|_| frame::beat(Some(self.after)));
            }
        }
    }
}

impl Every {
    /// Passes a page: what of it is wanted and may be seen.
    fn pass(&mut self, page: &Page, holder: &Caller) -> String {
        let Wanted { organisations, types } = &self.wanted;
        let told = page.events.iter().filter(|told| {
            told.place > self.after
                && (types.is_empty() || types.contains(&told.event_type))
                && organisations.iter().any(|name| name == told.organisation.as_str())
                && holder.sees(&told.organisation)
        });
        let text = told.map(|told| told.text.as_str()).collect();
        self.after = EventPlace::end_of(page.last);
        text
    }
}
