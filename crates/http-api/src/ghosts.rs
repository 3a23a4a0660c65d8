//! The operators' view: closures that are held without proof.

use std::collections::BTreeMap;

use closure_machine::{Ghost, Step};
use genesys_types::Time;
use http::StatusCode;
use orchestrator::{Orchestrator, Page, Record, closure_id, names};
use serde::Serialize;
use store::Filter;
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
    /// The queue of the agent's leg, where a read or an event named it.
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
        states: vec!["ghost".to_owned()],
        reasons: listing::known_names(query, "reason", &names::GHOST_REASONS)?,
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
        now: orchestrator.present(),
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
            queue_id: record.closure.agent_queue.map(|queue| queue.to_string()),
            genesys_page: orchestrator.page_of(record),
        },
    })
}

/// `GET /v1/ghosts/summary`
pub(crate) async fn summary(call: Call) -> Answer {
    let mut query = call.query()?;
    let organisations = listing::organisations(&call, &mut query)?;
    query.finish()?;
    let mut groups = Vec::new();
    if !organisations.is_empty() {
        let filter = Filter { states: vec!["ghost".to_owned()], organisations, ..Filter::default() };
        for tally in call.shared.api.orchestrator.tally(&filter).await? {
            groups.push(GhostGroup {
                organisation: tally.organisation,
                reason: tally.reason.unwrap_or_default(),
                count: tally.rows,
                oldest_accepted_at: Stamp(Time::from_millis(tally.oldest)),
            });
        }
    }
    let mut by_reason = BTreeMap::new();
    for group in &groups {
        *by_reason.entry(group.reason.clone()).or_default() += group.count;
    }
    let total = groups.iter().map(|group| group.count).sum();
    Ok(json_answer(StatusCode::OK, &GhostSummary { total, by_reason, groups }))
}
