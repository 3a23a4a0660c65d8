//! What operators did: questions and writes of one table.

use deadpool_postgres::ClientWrapper;
use store::{AuditFilter, AuditRow, Millis};
use tokio_postgres::Row as Columns;
use uuid::Uuid;

use crate::{
    failure::Trouble,
    query::Query,
    read::all,
    record::{self, rows},
    text::written,
    upkeep::run,
};

const COLUMNS: &str = "key, organisation, actor, action, subject, at, body";

pub(crate) async fn put(client: &ClientWrapper, row: &AuditRow) -> Result<u64, Trouble> {
    let sql = "INSERT INTO audit (key, organisation, actor, action, subject, at, body)
               VALUES ($1, $2, $3, $4, $5, $6, $7)
               ON CONFLICT (key) DO UPDATE SET organisation = excluded.organisation, actor = excluded.actor,
                   action = excluded.action, subject = excluded.subject, at = excluded.at, body = excluded.body";
    run(
        client,
        sql,
        &[
            &row.key,
            &written(&row.organisation),
            &written(&row.actor),
            &written(&row.action),
            &written(&row.subject),
            &row.at,
            &&row.body[..],
        ],
    )
    .await?;
    Ok(0)
}

pub(crate) async fn list(
    client: &ClientWrapper,
    filter: &AuditFilter,
    before: Option<Uuid>,
    limit: usize,
) -> Result<Vec<AuditRow>, Trouble> {
    let mut query = Query::default();
    query.and_value("key <", before);
    query.and_value("at >=", filter.since);
    query.and_value("at <", filter.until);
    query.and_one_of("organisation", &filter.organisations);
    query.and_one_of("actor", &filter.actors);
    query.and_one_of("action", &filter.actions);
    query.and_one_of("subject", &filter.subjects);
    let sql = format!(
        "SELECT {COLUMNS} FROM audit WHERE {} ORDER BY key DESC LIMIT {}",
        query.condition(),
        rows(limit)
    );
    all(client, &sql, &query.values(), act).await
}

pub(crate) async fn prune(client: &ClientWrapper, before: Millis, limit: usize) -> Result<u64, Trouble> {
    let sql =
        "DELETE FROM audit WHERE key IN (SELECT key FROM audit WHERE at < $1 ORDER BY at, key LIMIT $2)";
    run(client, sql, &[&before, &rows(limit)]).await
}

fn act(columns: &Columns) -> Result<AuditRow, Trouble> {
    Ok(AuditRow {
        key: columns.try_get(0)?,
        organisation: record::name(columns, 1)?,
        actor: record::name(columns, 2)?,
        action: record::name(columns, 3)?,
        subject: record::name(columns, 4)?,
        at: columns.try_get(5)?,
        body: record::bytes(columns, 6)?,
    })
}
