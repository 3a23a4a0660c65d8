//! Batches and their rows: questions and writes of two tables.

use std::collections::BTreeMap;

use deadpool_postgres::ClientWrapper;
use store::{BatchFilter, BatchItem, BatchRow, Millis};
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

const COLUMNS: &str = "key, organisation, state, active, updated_at, body";

/// Batches that go in one transaction at most: with the thousands of rows of each it has to stay within its time.
const MOST_PRUNED: usize = 20;

pub(crate) async fn put(
    client: &ClientWrapper,
    batch: &BatchRow,
    items: &[BatchItem],
) -> Result<u64, Trouble> {
    let sql = "INSERT INTO batches (key, organisation, state, active, updated_at, body) VALUES ($1, $2, $3, $4, $5, $6)
               ON CONFLICT (key) DO UPDATE SET organisation = excluded.organisation, state = excluded.state,
                   active = excluded.active, updated_at = excluded.updated_at, body = excluded.body";
    let (organisation, state) = (written(&batch.organisation), written(&batch.state));
    run(
        client,
        sql,
        &[&batch.key, &organisation, &state, &batch.active, &batch.updated_at, &&batch.body[..]],
    )
    .await?;
    // One statement may not write a row twice; the last one stands.
    let by_number: BTreeMap<u32, &BatchItem> = items.iter().map(|item| (item.number, item)).collect();
    put_items(client, by_number.into_values().map(|item| (batch.key, item))).await?;
    Ok(0)
}

/// Puts a batch that stands in the state `from`. Answers how many there are: one, or none.
pub(crate) async fn change(
    client: &ClientWrapper,
    from: &str,
    batch: &BatchRow,
    items: &[BatchItem],
) -> Result<u64, Trouble> {
    let sql = "SELECT key FROM batches WHERE key = $1 AND state = $2 FOR UPDATE";
    let read = |row: &Columns| Ok(row.try_get::<_, Uuid>(0)?);
    if optional(client, sql, &[&batch.key, &written(from)], read).await?.is_none() {
        return Ok(0);
    }
    put(client, batch, items).await?;
    Ok(1)
}

/// Writes rows of batches, none of them twice.
pub(crate) async fn put_items<'a>(
    client: &ClientWrapper,
    items: impl IntoIterator<Item = (Uuid, &'a BatchItem)>,
) -> Result<(), Trouble> {
    let items: Vec<(Uuid, &BatchItem)> = items.into_iter().collect();
    if items.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO batch_items (batch, number, state, body)
               SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::bytea[])
               ON CONFLICT (batch, number) DO UPDATE SET state = excluded.state, body = excluded.body";
    let batches: Vec<Uuid> = items.iter().map(|(batch, _)| *batch).collect();
    let numbers: Vec<i64> = items.iter().map(|(_, item)| i64::from(item.number)).collect();
    let states: Vec<_> = items.iter().map(|(_, item)| written(&item.state)).collect();
    let bodies: Vec<_> = items.iter().map(|(_, item)| &item.body[..]).collect();
    run(client, sql, &[&batches, &numbers, &states, &bodies]).await.map(drop)
}

pub(crate) async fn one(client: &ClientWrapper, key: Uuid) -> Result<Option<BatchRow>, Trouble> {
    optional(client, &format!("SELECT {COLUMNS} FROM batches WHERE key = $1"), &[&key], batch).await
}

pub(crate) async fn list(
    client: &ClientWrapper,
    filter: &BatchFilter,
    before: Option<Uuid>,
    limit: usize,
) -> Result<Vec<BatchRow>, Trouble> {
    let mut query = Query::default();
    if filter.active {
        query.and("active");
    }
    query.and_value("key <", before);
    query.and_one_of("organisation", &filter.organisations);
    query.and_one_of("state", &filter.states);
    let sql = format!(
        "SELECT {COLUMNS} FROM batches WHERE {} ORDER BY key DESC LIMIT {}",
        query.condition(),
        rows(limit)
    );
    all(client, &sql, &query.values(), batch).await
}

pub(crate) async fn items(
    client: &ClientWrapper,
    batch: Uuid,
    state: Option<&str>,
    after: Option<u32>,
    limit: usize,
) -> Result<Vec<BatchItem>, Trouble> {
    let mut query = Query::default();
    query.and_value("batch =", Some(batch));
    query.and_value("number >", Some(after.map_or(-1, i64::from)));
    query.and_value("state =", state.map(|state| written(state).into_owned()));
    let sql = format!(
        "SELECT number, state, body FROM batch_items WHERE {} ORDER BY number LIMIT {}",
        query.condition(),
        rows(limit)
    );
    all(client, &sql, &query.values(), item).await
}

pub(crate) async fn tally(client: &ClientWrapper, batch: Uuid) -> Result<Vec<(String, u64)>, Trouble> {
    let sql = "SELECT state, count(*) FROM batch_items WHERE batch = $1 GROUP BY state";
    let read = |columns: &Columns| Ok((record::name(columns, 0)?, unsigned(columns.try_get(1)?)));
    let mut tally = all(client, sql, &[&batch], read).await?;
    tally.sort_unstable();
    Ok(tally)
}

pub(crate) async fn prune(client: &ClientWrapper, before: Millis, limit: usize) -> Result<u64, Trouble> {
    let sql =
        "SELECT key FROM batches WHERE NOT active AND updated_at < $1 ORDER BY updated_at, key LIMIT $2";
    let most = rows(limit.min(MOST_PRUNED));
    let old: Vec<Uuid> = all(client, sql, &[&before, &most], |row| Ok(row.try_get(0)?)).await?;
    if old.is_empty() {
        return Ok(0);
    }
    run(client, "DELETE FROM batch_items WHERE batch = ANY ($1)", &[&old]).await?;
    run(client, "DELETE FROM batches WHERE key = ANY ($1)", &[&old]).await
}

fn batch(columns: &Columns) -> Result<BatchRow, Trouble> {
    Ok(BatchRow {
        key: columns.try_get(0)?,
        organisation: record::name(columns, 1)?,
        state: record::name(columns, 2)?,
        active: columns.try_get(3)?,
        updated_at: columns.try_get(4)?,
        body: record::bytes(columns, 5)?,
    })
}

fn item(columns: &Columns) -> Result<BatchItem, Trouble> {
    let number: i64 = columns.try_get(0)?;
    Ok(BatchItem {
        number: u32::try_from(number)
            .map_err(|_| Trouble::unreadable("a row of a batch with a number beyond all"))?,
        state: record::name(columns, 1)?,
        body: record::bytes(columns, 2)?,
    })
}
