//! `/v1/audit`: what operators did, the latest first.

use genesys_types::Time;
use http::StatusCode;
use orchestrator::{audit_id, parse_audit_id, parse_closure_id};
use serde::Serialize;
use serde_json::Value;
use store::{AuditFilter, AuditRow};
use utoipa::ToSchema;

use super::{ACTIONS, Stored};
use crate::{
    call::{Answer, Call, json_answer},
    listing::{known_names, moment, organisations},
    problem::Problem,
    spans::Stamp,
};

/// How many acts are shown, unless the caller says, and at most.
const USUAL: usize = 50;
const MOST: usize = 500;

/// Of so many closures among the subjects of one question the batches are looked up.
const MOST_FOLLOWED: usize = 50;

/// A page of acts.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditList {
    items: Vec<AuditView>,
    /// Where the next page begins; null on the last one.
    next_cursor: Option<String>,
}

/// An operator's act.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditEntry)]
pub(crate) struct AuditView {
    /// Its id; ids sort by the time of the act.
    #[schema(example = "au_01jd5w3k9m2q8r7tb4x0y6z1ne")]
    id: String,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    at: Stamp,
    /// The name of the key that asked.
    by: String,
    /// The role of that key.
    role: String,
    /// What was asked.
    #[schema(example = "closure.retry")]
    action: String,
    /// What it was asked of: the id of a closure, batch, delivery or dead letter, the name of a source or an organisation.
    #[schema(example = "cl_01jd5w3k9m2q8r7tb4x0y6z1ne")]
    subject: String,
    /// Whose it is; null where nothing was found that the key may see.
    organisation: Option<String>,
    /// The operator's words.
    why: Option<String>,
    /// How it stood before, in a few fields.
    #[schema(value_type = Option<Object>)]
    before: Option<Value>,
    /// How it stood right afterwards.
    #[schema(value_type = Option<Object>)]
    after: Option<Value>,
    /// done, refused, or unknown: it is under way, or the service died meanwhile; the evidence of its closure tells which.
    outcome: &'static str,
    /// The status that was answered.
    status: Option<u16>,
    /// The code of the problem that was answered.
    code: Option<String>,
}

impl AuditView {
    fn of(row: AuditRow) -> Self {
        let stored: Stored = serde_json::from_slice(&row.body).unwrap_or_default();
        let outcome = match stored.status {
            None => "unknown",
            Some(200..300) => "done",
            Some(_) => "refused",
        };
        Self {
            id: audit_id(row.key),
            at: Stamp(Time::from_millis(row.at)),
            by: row.actor,
            role: stored.role,
            action: row.action,
            subject: row.subject,
            organisation: Some(row.organisation).filter(|name| !name.is_empty()),
            why: stored.why,
            before: stored.before,
            after: stored.after,
            outcome,
            status: stored.status,
            code: stored.code,
        }
    }
}

/// The subjects, and the batches of which acts on the closures among them were rows: the audit has such an act under its batch.
async fn with_their_batches(call: &Call, mut subjects: Vec<String>) -> Result<Vec<String>, Problem> {
    let closures: Vec<_> = subjects.iter().filter_map(|subject| parse_closure_id(subject).ok()).collect();
    for key in closures.into_iter().take(MOST_FOLLOWED) {
        let lines = call.shared.api.orchestrator.timeline(key).await?;
        let batches = lines.into_iter().filter_map(|line| line.entry.operator?.batch);
        for batch in batches {
            if !subjects.contains(&batch) {
                subjects.push(batch);
            }
        }
    }
    Ok(subjects)
}

/// `GET /v1/audit`
pub(crate) async fn list(call: Call) -> Answer {
    let mut query = call.query()?;
    let named = query.named("organisation");
    let mut filter = AuditFilter {
        organisations: organisations(&call, &mut query)?,
        actors: query.several("by"),
        actions: known_names(&mut query, "action", &ACTIONS)?,
        subjects: with_their_batches(&call, query.several("subject")).await?,
        since: moment(&call, &mut query, "since")?,
        until: moment(&call, &mut query, "until")?,
    };
    let limit = query.limit(USUAL, MOST)?;
    let before = query.one("cursor")?.map(|text| {
        let invalid = || {
            let detail =
                format!("\"{text}\" is not the id of an act, such as au_01jd5w3k9m2q8r7tb4x0y6z1ne.");
            Problem::invalid("cursor", detail)
        };
        parse_audit_id(&text).ok_or_else(invalid)
    });
    let before = before.transpose()?;
    query.finish()?;
    // What was found nowhere belongs to no organisation, and is shown to whoever sees them all.
    if !named && filter.organisations.len() == call.shared.organisations.len() {
        filter.organisations.push(String::new());
    }
    // To the store an empty list is no restriction; here it is a key for no organisation.
    let mut found = if filter.organisations.is_empty() {
        Vec::new()
    } else {
        call.shared.api.store.audit(&filter, before, limit + 1).await?
    };
    let more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found.last().filter(|_| more).map(|last| audit_id(last.key));
    let items = found.into_iter().map(AuditView::of).collect();
    Ok(json_answer(StatusCode::OK, &AuditList { items, next_cursor }))
}
