//! Where a stream begins.

use std::cmp::min;

use callbacks::EventPlace;
use genesys_types::Time;
use http::HeaderMap;
use store::StoreUnavailable;

use crate::{
    problem::{Problem, kinds},
    query::Query,
    state::ApiState,
};

/// The header, as the HTML standard has it.
const HEADER: &str = "Last-Event-ID";

/// The same as a parameter, for who cannot set headers.
pub(super) const PARAMETER: &str = "lastEventId";

/// The place of the last event that the client has. The header counts where both are there: a browser that comes again sets it, and
/// has the address of its first time.
pub(super) fn last_seen(headers: &HeaderMap, query: &mut Query) -> Result<Option<EventPlace>, Problem> {
    let parameter = query.one(PARAMETER)?.filter(|text| !text.is_empty());
    let parameter = match parameter {
        None => None,
        Some(text) => Some(text.parse().map_err(|error| {
            Problem::invalid(PARAMETER, format!("{PARAMETER} cannot be used: {error}; it was \"{text}\"."))
        })?),
    };
    let Some(header) = headers.get(HEADER).filter(|value| !value.is_empty()) else { return Ok(parameter) };
    let read = header.to_str().ok().and_then(|text| text.parse().ok());
    let place = read.ok_or_else(|| {
        let text = String::from_utf8_lossy(header.as_bytes());
        let detail =
            format!("{HEADER} is the id of an event, such as ev_00000000000001f4; it was \"{text}\".");
        Problem::new(&kinds::INVALID_HEADER, detail).field(HEADER)
    })?;
    Ok(Some(place))
}

/// Where a stream goes on.
pub(super) struct Resumed {
    /// Behind this place.
    pub(super) after: EventPlace,
    /// Whether events behind it may be missing.
    pub(super) gap: bool,
}

/// Goes on behind the last event that a client has seen. What is pruned are closures that ended long ago, with all of their lines. So
/// nothing is missing behind a line that is there and young; behind any other, something may be. A place that this store has not
/// reached is of another one, such as it was before a backup was brought back: what comes from now on is behind it.
pub(super) async fn resume(api: &ApiState, seen: EventPlace) -> Result<Resumed, StoreUnavailable> {
    // The beginning of all: whoever asks for it wants what there is.
    if seen.position() == 0 {
        return Ok(Resumed { after: EventPlace::end_of(0), gap: false });
    }
    let at = api.store.last_line(seen.position()).await?;
    let keeps = api.orchestrator.keeps_ended_for();
    let is_young = |at| api.orchestrator.now().since(Time::from_millis(at)) < keeps;
    match at {
        Some((position, at)) if position == seen.position() && is_young(at) => {
            Ok(Resumed { after: seen, gap: false })
        }
        Some(_) | None => {
            let last = api.store.last_line(u64::MAX).await?.map_or(0, |(position, _)| position);
            Ok(Resumed { after: min(seen, EventPlace::end_of(last)), gap: true })
        }
    }
}

/// The place behind which everything is that happens from now on.
pub(super) async fn now(api: &ApiState) -> Result<EventPlace, StoreUnavailable> {
    let last = api.store.last_line(u64::MAX).await?;
    Ok(EventPlace::end_of(last.map_or(0, |(position, _)| position)))
}
