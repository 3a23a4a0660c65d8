//! Commands that cannot be taken: questions and writes of one table.

use deadpool_postgres::ClientWrapper;
use store::{DeadLetterFilter, DeadLetterRow, Millis};
use tokio_postgres::Row as Columns;
use uuid::Uuid;

use crate::{
    failure::Trouble,
    query::Query,
    read::{all, optional},
    record::{self, rows, unsigned},
    text::written,
    upkeep::run,
};

const COLUMNS: &str = "key, organisation, source, mark, state, open, updated_at, body";

pub(crate) async fn bury(client: &ClientWrapper, row: &DeadLetterRow) -> Result<u64, Trouble> {
    let sql = "INSERT INTO dead_letters (key, organisation, source, mark, state, open, updated_at, body)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING";
    run(
        client,
        sql,
        &[
            &row.key,
            &written(&row.organisation),
            &written(&row.source),
            &&row.mark[..],
            &written(&row.state),
            &row.open,
            &row.updated_at,
            &&row.body[..],
        ],
    )
    .await?;
    Ok(0)
}

pub(crate) async fn put(client: &ClientWrapper, row: &DeadLetterRow) -> Result<u64, Trouble> {
    let sql = "UPDATE dead_letters SET organisation = $1, source = $2, state = $3, open = $4, updated_at = $5, body = $6
               WHERE key = $7";
    run(
        client,
        sql,
        &[
            &written(&row.organisation),
            &written(&row.source),
            &written(&row.state),
            &row.open,
            &row.updated_at,
            &&row.body[..],
            &row.key,
        ],
    )
    .await?;
    Ok(0)
}

pub(crate) async fn one(client: &ClientWrapper, key: Uuid) -> Result<Option<DeadLetterRow>, Trouble> {
    optional(client, &format!("SELECT {COLUMNS} FROM dead_letters WHERE key = $1"), &[&key], letter).await
}

pub(crate) async fn marked(
    client: &ClientWrapper,
    mark: &[u8; 32],
) -> Result<Option<DeadLetterRow>, Trouble> {
    let sql = format!("SELECT {COLUMNS} FROM dead_letters WHERE mark = $1");
    optional(client, &sql, &[&&mark[..]], letter).await
}

pub(crate) async fn list(
    client: &ClientWrapper,
    filter: &DeadLetterFilter,
    before: Option<Uuid>,
    limit: usize,
) -> Result<Vec<DeadLetterRow>, Trouble> {
    let mut query = Query::default();
    query.and_value("key <", before);
    query.and_one_of("organisation", &filter.organisations);
    query.and_one_of("source", &filter.sources);
    query.and_one_of("state", &filter.states);
    let sql = format!(
        "SELECT {COLUMNS} FROM dead_letters WHERE {} ORDER BY key DESC LIMIT {}",
        query.condition(),
        rows(limit)
    );
    all(client, &sql, &query.values(), letter).await
}

pub(crate) async fn tally(client: &ClientWrapper) -> Result<Vec<(String, u64)>, Trouble> {
    let sql = "SELECT source, count(*) FROM dead_letters WHERE open GROUP BY source";
    let read = |columns: &Columns| Ok((record::name(columns, 0)?, unsigned(columns.try_get(1)?)));
    let mut tally = all(client, sql, &[], read).await?;
    tally.sort_unstable();
    Ok(tally)
}

pub(crate) async fn prune(client: &ClientWrapper, before: Millis, limit: usize) -> Result<u64, Trouble> {
    let sql = "DELETE FROM dead_letters WHERE key IN (
                   SELECT key FROM dead_letters WHERE NOT open AND updated_at < $1 ORDER BY updated_at, key LIMIT $2)";
    run(client, sql, &[&before, &rows(limit)]).await
}

fn letter(columns: &Columns) -> Result<DeadLetterRow, Trouble> {
    Ok(DeadLetterRow {
        key: columns.try_get(0)?,
        organisation: record::name(columns, 1)?,
        source: record::name(columns, 2)?,
        mark: record::digest(columns, 3)?,
        state: record::name(columns, 4)?,
        open: columns.try_get(5)?,
        updated_at: columns.try_get(6)?,
        body: record::bytes(columns, 7)?,
    })
}
