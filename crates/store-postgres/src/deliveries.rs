//! What is owed to the outside: questions and writes of one table.

use std::collections::BTreeMap;

use deadpool_postgres::ClientWrapper;
use store::{DeliveryFilter, DeliveryRow, Millis};
use tokio_postgres::Row as Columns;
use uuid::Uuid;

use crate::{
    failure::Trouble,
    query::Query,
    read::{all, optional},
    record::{self, rows},
    text::written,
    upkeep::run,
};

const COLUMNS: &str = "key, closure, organisation, lane, result, due_at, updated_at, body";

pub(crate) async fn put_all(client: &ClientWrapper, deliveries: &[DeliveryRow]) -> Result<(), Trouble> {
    if deliveries.is_empty() {
        return Ok(());
    }
    // One statement may not write a row twice; the last one stands.
    let by_key: BTreeMap<Uuid, &DeliveryRow> = deliveries.iter().map(|row| (row.key, row)).collect();
    let all = || by_key.values().copied();
    let sql = "INSERT INTO deliveries (key, closure, organisation, lane, result, due_at, updated_at, body)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[],
             $8::bytea[])
         ON CONFLICT (key) DO UPDATE SET closure = excluded.closure, organisation = excluded.organisation,
             lane = excluded.lane, result = excluded.result, due_at = excluded.due_at,
             updated_at = excluded.updated_at, body = excluded.body";
    let values = [
        &all().map(|row| row.key).collect::<Vec<_>>() as _,
        &all().map(|row| row.closure).collect::<Vec<_>>() as _,
        &all().map(|row| written(&row.organisation)).collect::<Vec<_>>() as _,
        &all().map(|row| written(&row.lane)).collect::<Vec<_>>() as _,
        &all().map(|row| written(&row.result)).collect::<Vec<_>>() as _,
        &all().map(|row| row.due_at).collect::<Vec<_>>() as _,
        &all().map(|row| row.updated_at).collect::<Vec<_>>() as _,
        &all().map(|row| &row.body[..]).collect::<Vec<_>>() as _,
    ];
    run(client, sql, &values).await.map(drop)
}

pub(crate) async fn put(client: &ClientWrapper, row: &DeliveryRow) -> Result<u64, Trouble> {
    let sql = "UPDATE deliveries SET closure = $1, organisation = $2, lane = $3, result = $4, due_at = $5,
                   updated_at = $6, body = $7
               WHERE key = $8";
    run(
        client,
        sql,
        &[
            &row.closure,
            &written(&row.organisation),
            &written(&row.lane),
            &written(&row.result),
            &row.due_at,
            &row.updated_at,
            &&row.body[..],
            &row.key,
        ],
    )
    .await?;
    Ok(0)
}

pub(crate) async fn one(client: &ClientWrapper, key: Uuid) -> Result<Option<DeliveryRow>, Trouble> {
    optional(client, &format!("SELECT {COLUMNS} FROM deliveries WHERE key = $1"), &[&key], delivery).await
}

/// The lanes in which anything is due at some time, one step in the index for each; and of each the first that are due.
fn due_query() -> String {
    format!(
        "WITH RECURSIVE lanes (lane) AS (
             (SELECT lane FROM deliveries WHERE due_at IS NOT NULL ORDER BY lane LIMIT 1)
             UNION ALL
             SELECT (SELECT d.lane FROM deliveries d WHERE d.due_at IS NOT NULL AND d.lane > lanes.lane
                     ORDER BY d.lane LIMIT 1)
             FROM lanes WHERE lanes.lane IS NOT NULL
         )
         SELECT d.* FROM lanes CROSS JOIN LATERAL (
             SELECT {COLUMNS} FROM deliveries
             WHERE due_at IS NOT NULL AND deliveries.lane = lanes.lane AND due_at <= $1
             ORDER BY due_at, key LIMIT $2
         ) d"
    )
}

pub(crate) async fn due(
    client: &ClientWrapper,
    now: Millis,
    per_lane: usize,
) -> Result<Vec<DeliveryRow>, Trouble> {
    let mut due = all(client, &due_query(), &[&now, &rows(per_lane)], delivery).await?;
    due.sort_by(|one, other| (&one.lane, one.due_at, one.key).cmp(&(&other.lane, other.due_at, other.key)));
    Ok(due)
}

pub(crate) async fn list(
    client: &ClientWrapper,
    filter: &DeliveryFilter,
    before: Option<Uuid>,
    limit: usize,
) -> Result<Vec<DeliveryRow>, Trouble> {
    let mut query = Query::default();
    query.and_value("closure =", filter.closure);
    query.and_value("key <", before);
    query.and_one_of("organisation", &filter.organisations);
    query.and_one_of("result", &filter.results);
    let sql = format!(
        "SELECT {COLUMNS} FROM deliveries WHERE {} ORDER BY key DESC LIMIT {}",
        query.condition(),
        rows(limit)
    );
    all(client, &sql, &query.values(), delivery).await
}

pub(crate) async fn prune(client: &ClientWrapper, before: Millis, limit: usize) -> Result<u64, Trouble> {
    let sql = "DELETE FROM deliveries WHERE key IN (
                   SELECT key FROM deliveries WHERE due_at IS NULL AND updated_at < $1 ORDER BY updated_at, key LIMIT $2)";
    run(client, sql, &[&before, &rows(limit)]).await
}

fn delivery(columns: &Columns) -> Result<DeliveryRow, Trouble> {
    Ok(DeliveryRow {
        key: columns.try_get(0)?,
        closure: columns.try_get(1)?,
        organisation: record::name(columns, 2)?,
        lane: record::name(columns, 3)?,
        result: record::name(columns, 4)?,
        due_at: columns.try_get(5)?,
        updated_at: columns.try_get(6)?,
        body: record::bytes(columns, 7)?,
    })
}
