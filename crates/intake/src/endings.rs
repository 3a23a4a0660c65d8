//! Publishes the endings of a source's commands to whoever waits for them, from the journal and behind a cursor: at least once,
//! in order, and after a restart from where it stood.

use std::{sync::Arc, time::Duration};

use callbacks::{Announced, usual_events};
use genesys_types::{Span, Time};
use orchestrator::{Record, ReplyTo};
use queue::{Fault, FaultKind};
use store::{PlacedLine, StoreUnavailable};

use crate::{answer::outgoing, metrics, pace::pause, run::Line};

/// How often the journal is looked at.
const TICK: Duration = Duration::from_millis(500);

/// Lines in one page.
const PAGE: usize = 200;

/// What is older is passed over, as by callbacks: a source that was switched on today wants no history.
const TOLD_WITHIN: Span = Span::from_secs(72 * 3_600);

/// How many lines that owe nothing are passed before that is written.
const WRITTEN_EVERY: u64 = 5_000;

/// Why a page could not be passed.
enum Held {
    Store,
    Broker(Fault),
}

impl From<StoreUnavailable> for Held {
    fn from(_: StoreUnavailable) -> Self {
        Self::Store
    }
}

/// Publishes until the stop.
pub(crate) async fn publish(line: Arc<Line>) {
    let mut faults = 0;
    let mut place = None;
    while !line.stop.is_cancelled() {
        match line.pass(&mut place).await {
            Ok(more) => {
                if faults > 0 {
                    line.telling.done(queue::Action::Publish);
                }
                faults = 0;
                if !more && !line.slept(TICK).await {
                    return;
                }
            }
            Err(held) => {
                faults += 1;
                if let Held::Broker(fault) = held {
                    line.telling.failed(&fault);
                }
                // What was written is not known.
                place = None;
                if !line.slept(pause(faults, fastrand::f64())).await {
                    return;
                }
            }
        }
    }
}

/// Up to where the journal was passed, and up to where that is written.
#[derive(Debug, Clone, Copy)]
struct Place {
    position: u64,
    written: u64,
}

impl Line {
    fn cursor(&self) -> String {
        format!("endings:{}", self.name)
    }

    /// Passes one page; answers whether there may be more at once.
    async fn pass(&self, place: &mut Option<Place>) -> Result<bool, Held> {
        let store = &self.shared.store;
        let mut at = match *place {
            Some(at) => at,
            None => {
                let position = store.cursor(&self.cursor()).await?;
                Place { position, written: position }
            }
        };
        let lines = store.announcements(at.position, PAGE).await?;
        for placed in &lines {
            let published = self.pass_line(placed).await?;
            at.position = placed.position;
            if published || at.position - at.written >= WRITTEN_EVERY {
                store.move_cursor(&self.cursor(), at.position).await?;
                at.written = at.position;
            }
            *place = Some(at);
        }
        *place = Some(at);
        Ok(lines.len() == PAGE)
    }

    /// Publishes what a line owes; answers whether it owed anything.
    async fn pass_line(&self, placed: &PlacedLine) -> Result<bool, Held> {
        let now = self.shared.orchestrator.now();
        if now.since(Time::from_millis(placed.line.at)) > TOLD_WITHIN {
            return Ok(false);
        }
        let Some(row) = self.shared.store.load(placed.closure).await? else { return Ok(false) };
        if row.source != *self.name {
            return Ok(false);
        }
        // One that cannot be read is told of by the driver.
        let Ok(record) = Record::from_row(&row) else { return Ok(false) };
        let reply = record.said.as_ref().and_then(|said| said.reply.clone());
        let results = self.setup.replies.results.as_deref();
        let events = usual_events(&record, placed, self.shared.public_url.as_deref());
        let mut published = false;
        for event in events {
            if let Some(reply) = &reply {
                // What was allowed when the command came need not be any more.
                if self.setup.replies.granted(Some(&reply.address)).is_some() {
                    self.tell(&reply.address, Some(reply), &event).await?;
                    published = true;
                }
            }
            if let Some(results) =
                results.filter(|to| reply.as_ref().is_none_or(|reply| reply.address != *to))
            {
                self.tell(results, reply.as_ref(), &event).await?;
                published = true;
            }
        }
        Ok(published)
    }

    async fn tell(&self, to: &str, reply: Option<&ReplyTo>, event: &Announced) -> Result<(), Held> {
        let correlation = reply.and_then(|reply| reply.correlation.clone());
        let trace = reply.and_then(|reply| reply.trace.clone());
        let outgoing = outgoing(event.id.clone(), correlation, trace, event.event.clone());
        let fault = match self.source.publish(to, outgoing).await {
            Ok(()) => {
                metrics::ending(&self.name, "published");
                return Ok(());
            }
            Err(fault) => fault,
        };
        match fault.kind {
            // Trying it again would hold up every other ending for ever.
            FaultKind::Undeliverable | FaultKind::Denied => {
                metrics::ending(&self.name, "undeliverable");
                tracing::warn!(
                    source = &*self.name,
                    event = event.id,
                    cause = %fault,
                    fix = fault.fix,
                    "an ending cannot be published to its address"
                );
                Ok(())
            }
            FaultKind::Missing
            | FaultKind::Credentials
            | FaultKind::Throttled
            | FaultKind::Unreachable
            | FaultKind::Other => {
                metrics::ending(&self.name, "failed");
                Err(Held::Broker(fault))
            }
        }
    }
}
