//! The operators' view: closures that are held without proof.

use std::{cmp::Reverse, collections::BTreeMap};

use closure_machine::{Ghost, Step};
use genesys_types::Time;
use http::StatusCode;
use orchestrator::{Orchestrator, Page, Record, closure_id, names};
use serde::Serialize;
use store::{Filter, HELD, QueueTally};
use utoipa::ToSchema;

use crate::{
    call::{Answer, Call, json_answer},
    explain::{self, Advice, Case, Standing},
    handling::HandlingView,
    listing::{self, Listing},
    problem::Problem,
    query::Query,
    spans::Stamp,
    view::{Circumstances, ClosureView},
};

/// One ghost.
#[derive(Serialize, ToSchema)]
#[schema(as = Ghost)]
pub(crate) struct GhostView<'a> {
    #[serde(flatten)]
    closure: ClosureView<'a>,
    ghost: Haunting,
}

/// What makes it a ghost.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Haunting {
    /// What is missing, in one word.
    reason: &'static str,
    /// Since when it is held.
    #[schema(value_type = String, format = DateTime)]
    since: Stamp,
    /// How often it was looked at since.
    looks: u16,
    /// When it is looked at next.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_look: Option<Stamp>,
    /// When it is given up, if nothing heals it before.
    #[schema(value_type = String, format = DateTime)]
    given_up_at: Stamp,
    /// The proof that is missing.
    missing: Vec<String>,
    /// What operators say about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    handling: Option<HandlingView>,
    /// What can be done, the best first.
    suggested: Vec<Advice>,
    /// The queue of the conversation, where a read or an event named it: of the agent's leg, else the one that it was last shown in.
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_id: Option<String>,
    /// The conversation in Genesys Cloud's own pages; null where the organisation is not at Genesys.
    genesys_page: Option<String>,
}

/// A page of ghosts.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = GhostList)]
pub(crate) struct GhostList<'a> {
    items: Vec<GhostView<'a>>,
    next_cursor: Option<String>,
}

/// How many ghosts there are, and why.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GhostSummary {
    total: u64,
    /// By reason, over all organisations; a reason without ghosts is left out.
    by_reason: BTreeMap<String, u64>,
    /// By organisation and reason.
    groups: Vec<GhostGroup>,
    /// By organisation and queue of the conversation, the most ghosts first.
    by_queue: Vec<GhostQueue>,
}

/// The ghosts of one organisation and reason.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GhostGroup {
    organisation: String,
    reason: String,
    count: u64,
    /// When the oldest of them was accepted.
    #[schema(value_type = String, format = DateTime)]
    oldest_accepted_at: Stamp,
}

/// The ghosts of one organisation and queue.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GhostQueue {
    organisation: String,
    /// The queue of the conversation; null for ghosts of which no read and no event named it.
    queue_id: Option<String>,
    count: u64,
    /// By reason; a reason without ghosts is left out.
    by_reason: BTreeMap<String, u64>,
    /// When the oldest of them was accepted.
    #[schema(value_type = String, format = DateTime)]
    oldest_accepted_at: Stamp,
}

/// `GET /v1/ghosts`
pub(crate) async fn list(call: Call) -> Answer {
    let mut query = call.query()?;
    let filter = filter(&call, &mut query)?;
    let wanted = query.one("q")?;
    let Listing { page, next_cursor } = listing::page(&call, query, filter, wanted).await?;
    let Page { records, .. } = page;
    let ids: Vec<_> = records.iter().map(|record| closure_id(record.key)).collect();
    let organisations = Standing::of_all(&call.shared.api.orchestrator);
    let items = records
        .iter()
        .zip(&ids)
        .filter_map(|(record, id)| ghost(&call.shared.api.orchestrator, record, id, &organisations))
        .collect();
    Ok(json_answer(StatusCode::OK, &GhostList { items, next_cursor }))
}

/// Which ghosts a list or a report is about, but for `q`.
pub(crate) fn filter(call: &Call, query: &mut Query) -> Result<Filter, Problem> {
    Ok(Filter {
        states: vec![HELD.to_owned()],
        reasons: listing::known_names(query, "reason", &names::GHOST_REASONS)?,
        queues: listing::queues("queueId", &query.several("queueId"))?,
        ..listing::common_filter(call, query)?
    })
}

/// A record as a ghost; `None` where it is none.
pub(crate) fn ghost<'a>(
    orchestrator: &Orchestrator,
    record: &'a Record,
    id: &'a str,
    organisations: &[Standing],
) -> Option<GhostView<'a>> {
    let Step::Ghost(Ghost { reason, since, looks }) = record.closure.step else { return None };
    let policy = orchestrator.policy_of(record);
    let case = Case {
        record,
        policy: &policy,
        organisation: Standing::named(organisations, &record.organisation),
        before: None,
        now: orchestrator.now(),
    };
    Some(GhostView {
        closure: ClosureView::of(record, id, Circumstances::in_a_list(orchestrator, record)),
        ghost: Haunting {
            reason: names::ghost_reason(reason),
            since: Stamp(since),
            looks,
            next_look: record.closure.wake_at().map(Stamp),
            given_up_at: Stamp(since + policy.give_up_after),
            missing: explain::missing(&case),
            handling: HandlingView::of(record),
            suggested: explain::suggestions(&case),
            queue_id: record.queue().map(|queue| queue.to_string()),
            genesys_page: orchestrator.page_of(record),
        },
    })
}

/// `GET /v1/ghosts/summary`
pub(crate) async fn summary(call: Call) -> Answer {
    let mut query = call.query()?;
    let organisations = listing::organisations(&call, &mut query)?;
    query.finish()?;
    // Of no organisation there are none; without a name it would be all.
    let tallies = match organisations.is_empty() {
        true => Vec::new(),
        false => call.shared.api.orchestrator.ghosts_by_queue(&organisations).await?,
    };
    Ok(json_answer(StatusCode::OK, &GhostSummary::of(&tallies)))
}

impl GhostSummary {
    fn of(tallies: &[QueueTally]) -> Self {
        let mut by_reason = BTreeMap::new();
        let mut groups = BTreeMap::new();
        let mut queues = BTreeMap::new();
        for QueueTally { organisation, queue, reason, rows, oldest } in tallies {
            let reason = reason.as_deref().unwrap_or_default();
            *by_reason.entry(reason.to_owned()).or_default() += rows;
            let (count, first) = groups.entry((organisation, reason)).or_insert((0, *oldest));
            (*count, *first) = (*count + rows, *oldest.min(first));
            let of_queue = queues.entry((organisation, *queue)).or_insert_with(|| GhostQueue {
                organisation: organisation.clone(),
                queue_id: queue.map(|queue| queue.to_string()),
                count: 0,
                by_reason: BTreeMap::new(),
                oldest_accepted_at: Stamp(Time::from_millis(*oldest)),
            });
            of_queue.count += rows;
            *of_queue.by_reason.entry(reason.to_owned()).or_default() += rows;
            of_queue.oldest_accepted_at.0 = of_queue.oldest_accepted_at.0.min(Time::from_millis(*oldest));
        }
        let mut by_queue: Vec<_> = queues.into_values().collect();
        // Among as many, by name: the sort is stable.
        by_queue.sort_by_key(|queue| Reverse(queue.count));
        let groups = groups.into_iter().map(|((organisation, reason), (count, oldest))| GhostGroup {
            organisation: organisation.clone(),
            reason: reason.to_owned(),
            count,
            oldest_accepted_at: Stamp(Time::from_millis(oldest)),
        });
        let total = tallies.iter().map(|tally| tally.rows).sum();
        Self { total, by_reason, groups: groups.collect(), by_queue }
    }
}
