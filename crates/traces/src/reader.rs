//! Reads which parts of closures are over, and makes batches of their spans.

use std::collections::VecDeque;

use genesys_types::Time;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::InstrumentationScope,
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use orchestrator::{Record, TimelineLine, closure_id};
use store::{PlacedLine, Store, StoreUnavailable};

use crate::{
    part::{may_end, parts},
    sample,
    setup::Setup,
    spans::spans,
    values::text,
};

/// The name of the cursor.
pub(crate) const READER: &str = "traces";

/// Lines in one page.
pub(crate) const PAGE: usize = 200;

/// Spans in one request at least, where there are so many: what exporters of OpenTelemetry send at once. One part more may
/// be in it, so that it stays below the 4 MiB that collectors take.
const BATCH: usize = 512;

/// What is sent with one request.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) spans: Vec<Span>,
    /// How many parts of closures.
    pub(crate) parts: usize,
    /// Up to where the journal is told with it.
    pub(crate) position: u64,
    /// When the first of its parts ended.
    pub(crate) oldest: Option<Time>,
}

/// What a page of the journal comes to.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) batches: VecDeque<Batch>,
    /// Parts that ended too long ago.
    pub(crate) late: usize,
    /// Its last line; `None` where there was none.
    pub(crate) position: Option<u64>,
    pub(crate) is_full: bool,
}

/// Reads one page after the line at `position`.
pub(crate) async fn page(
    store: &dyn Store,
    setup: &Setup,
    position: u64,
    now: Time,
) -> Result<Page, StoreUnavailable> {
    let lines = store.announcements(position, PAGE).await?;
    let mut page = Page {
        position: lines.last().map(|last| last.position),
        is_full: lines.len() == PAGE,
        ..Page::default()
    };
    let mut batch = Batch::default();
    for placed in lines {
        if !placed.line.announcement.as_deref().is_some_and(may_end) {
            continue;
        }
        let (at, position) = (Time::from_millis(placed.line.at), placed.position);
        if now.since(at).duration() > setup.keep {
            page.late += usize::from(is_end(placed));
            continue;
        }
        let Some(told) = part_at(store, setup, placed).await? else { continue };
        batch.spans.extend(told);
        batch.parts += 1;
        batch.position = position;
        batch.oldest = Some(batch.oldest.map_or(at, |oldest| oldest.min(at)));
        if batch.spans.len() >= BATCH {
            page.batches.push_back(std::mem::take(&mut batch));
        }
    }
    if batch.parts > 0 {
        page.batches.push_back(batch);
    }
    Ok(page)
}

fn is_end(placed: PlacedLine) -> bool {
    TimelineLine::of(placed).is_ok_and(|line| crate::part::ends(&line))
}

/// The spans of the part that a line ends; `None` where it ends none, or one that is not told.
async fn part_at(
    store: &dyn Store,
    setup: &Setup,
    placed: PlacedLine,
) -> Result<Option<Vec<Span>>, StoreUnavailable> {
    let key = placed.closure;
    let line = match TimelineLine::of(placed) {
        Ok(line) if crate::part::ends(&line) => line,
        Ok(_) | Err(_) => return Ok(None),
    };
    // One that was pruned, or set aside, is told to nobody.
    let Some(row) = store.load(key).await? else { return Ok(None) };
    let Ok(record) = Record::from_row(&row) else { return Ok(None) };
    let journal = store.journal(key).await?.into_iter().map(TimelineLine::of).collect::<Result<Vec<_>, _>>();
    let journal = match journal {
        Ok(journal) => journal,
        Err(error) => {
            tracing::debug!(closure = closure_id(key), %error, "a closure is not told as a trace");
            return Ok(None);
        }
    };
    let parts = parts(&journal);
    let Some(part) = parts.iter().find(|part| part.last().sequence == line.sequence) else { return Ok(None) };
    let trouble = part.before.is_some() || matches!(line.entry.to.as_str(), "ghost" | "failed");
    if !sample::is_told(setup, &record, trouble) {
        return Ok(None);
    }
    Ok(Some(spans(&record, part, setup.places.get(&record.organisation))))
}

/// The request that tells a batch.
pub(crate) fn request(setup: &Setup, spans: Vec<Span>) -> ExportTraceServiceRequest {
    let version = env!("CARGO_PKG_VERSION");
    let attributes = vec![text("service.name", setup.service.as_str()), text("service.version", version)];
    let scope = InstrumentationScope {
        name: "closeout".to_owned(),
        version: version.to_owned(),
        ..InstrumentationScope::default()
    };
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }];
    let resource = Some(Resource { attributes, ..Resource::default() });
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }],
    }
}
