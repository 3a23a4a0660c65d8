//! The questions that read one table by one index.

use deadpool_postgres::ClientWrapper;
use store::{ClosureKey, InboxEntry, KeyEntry, Millis, PlacedLine, Quarantined, Row};
use tokio_postgres::{Row as Columns, types::ToSql};
use uuid::Uuid;

use crate::{
    failure::Trouble,
    record::{self, INBOX_COLUMNS, KEY_COLUMNS, LINE_COLUMNS, ROW_COLUMNS, rows, signed, unsigned},
    text::{fingerprint, written},
    upkeep::switch as switch_name,
};

pub(crate) async fn load(client: &ClientWrapper, key: ClosureKey) -> Result<Option<Row>, Trouble> {
    let sql = format!("SELECT {ROW_COLUMNS} FROM closures c WHERE c.key = $1");
    optional(client, &sql, &[&key], record::row).await
}

pub(crate) async fn open_of(
    client: &ClientWrapper,
    organisation: &str,
    conversation: Uuid,
) -> Result<Option<Row>, Trouble> {
    let sql = format!(
        "SELECT {ROW_COLUMNS} FROM closures c
         WHERE c.organisation = $1 AND c.conversation = $2 AND c.standing = 0"
    );
    optional(client, &sql, &[&written(organisation), &conversation], record::row).await
}

/// Rows at rest come from the index by wake-up; those that move are looked through.
/// The rows that are due; of a schema that several services share, those of this `owner`.
pub(crate) async fn due(
    client: &ClientWrapper,
    owner: Option<Uuid>,
    now: Millis,
    after: Option<(Millis, ClosureKey)>,
    limit: usize,
) -> Result<Vec<Row>, Trouble> {
    let (wake_at, key) = after.unwrap_or((Millis::MIN, Uuid::nil()));
    // Before the first of all keys there is none, so a nil key must not leave out one that is due at that moment.
    let from = if after.is_some() { ">" } else { ">=" };
    // Bound in any case, so that there is one statement.
    let mine = "($5::uuid IS NULL OR c.owner = $5)";
    let part = |condition: &str, column: &str| {
        format!(
            "(SELECT {ROW_COLUMNS} FROM closures c
              WHERE {condition} AND {mine} AND {column} <= $1 AND ({column}, c.key) {from} ($2, $3)
              ORDER BY {column}, c.key LIMIT $4)"
        )
    };
    let sql = format!(
        "{} UNION ALL {}",
        part("c.rest_wake_at IS NOT NULL AND c.standing = 0", "c.rest_wake_at"),
        part("c.standing = 0 AND c.moving", "c.wake_at")
    );
    let mut due = all(client, &sql, &[&now, &wake_at, &key, &rows(limit), &owner], record::row).await?;
    due.sort_by_key(|row| (row.wake_at, row.key));
    due.truncate(limit);
    Ok(due)
}

pub(crate) async fn open_after(
    client: &ClientWrapper,
    after: Option<ClosureKey>,
    limit: usize,
) -> Result<Vec<Row>, Trouble> {
    let from = if after.is_some() { ">" } else { ">=" };
    let part = |moving: bool| {
        format!(
            "(SELECT {ROW_COLUMNS} FROM closures c WHERE c.standing = 0 AND c.moving = {moving} AND c.key {from} $1
              ORDER BY c.key LIMIT $2)"
        )
    };
    let sql = format!("{} UNION ALL {}", part(false), part(true));
    let mut open = all(client, &sql, &[&after.unwrap_or(Uuid::nil()), &rows(limit)], record::row).await?;
    open.sort_by_key(|row| row.key);
    open.truncate(limit);
    Ok(open)
}

pub(crate) async fn journal(client: &ClientWrapper, key: ClosureKey) -> Result<Vec<PlacedLine>, Trouble> {
    // Lines of a closure that was pruned may still be there, until all of their period go.
    let sql = format!(
        "SELECT {LINE_COLUMNS} FROM journal
         WHERE closure = $1 AND EXISTS (SELECT 1 FROM closures WHERE key = $1) ORDER BY sequence"
    );
    all(client, &sql, &[&key], record::placed_line).await
}

pub(crate) async fn announcements(
    client: &ClientWrapper,
    after: u64,
    limit: usize,
) -> Result<Vec<PlacedLine>, Trouble> {
    let sql = format!(
        "SELECT {LINE_COLUMNS} FROM journal
         WHERE announcement IS NOT NULL AND position > $1
             AND EXISTS (SELECT 1 FROM closures WHERE key = journal.closure)
         ORDER BY position LIMIT $2"
    );
    all(client, &sql, &[&signed(after), &rows(limit)], record::placed_line).await
}

pub(crate) async fn last_line(client: &ClientWrapper, up_to: u64) -> Result<Option<(u64, Millis)>, Trouble> {
    let sql = "SELECT position, at FROM journal WHERE position <= $1 ORDER BY position DESC LIMIT 1";
    optional(client, sql, &[&signed(up_to)], |row| Ok((unsigned(row.try_get(0)?), row.try_get(1)?))).await
}

pub(crate) async fn switch(client: &ClientWrapper, name: &str) -> Result<bool, Trouble> {
    let sql = "SELECT value FROM marks WHERE name = $1";
    let on: Option<i64> = optional(client, sql, &[&switch_name(name)], |row| Ok(row.try_get(0)?)).await?;
    Ok(on.is_some_and(|on| on != 0))
}

pub(crate) async fn cursor(client: &ClientWrapper, name: &str) -> Result<u64, Trouble> {
    let sql = "SELECT position FROM cursors WHERE name = $1";
    let position = optional(client, sql, &[&written(name)], |row| Ok(row.try_get(0)?)).await?;
    Ok(position.map_or(0, unsigned))
}

pub(crate) async fn key(client: &ClientWrapper, scope: &str, key: &str) -> Result<Option<KeyEntry>, Trouble> {
    let sql = format!("SELECT {KEY_COLUMNS} FROM idempotency_keys WHERE fingerprint = $1");
    optional(client, &sql, &[&fingerprint(scope, key)], record::key_entry).await
}

pub(crate) async fn inbox(client: &ClientWrapper, limit: usize) -> Result<Vec<InboxEntry>, Trouble> {
    let sql = format!("SELECT {INBOX_COLUMNS} FROM inbox ORDER BY received_at DESC, arrival DESC LIMIT $1");
    all(client, &sql, &[&rows(limit)], record::inbox_entry).await
}

pub(crate) async fn quarantined(client: &ClientWrapper) -> Result<Vec<Quarantined>, Trouble> {
    let sql = "SELECT closure, reason, at FROM quarantine ORDER BY at DESC, closure DESC";
    all(client, sql, &[], record::quarantined).await
}

pub(crate) async fn all<T>(
    client: &ClientWrapper,
    sql: &str,
    values: &[&(dyn ToSql + Sync)],
    read: impl Fn(&Columns) -> Result<T, Trouble>,
) -> Result<Vec<T>, Trouble> {
    let statement = client.prepare_cached(sql).await?;
    client.query(&statement, values).await?.iter().map(read).collect()
}

pub(crate) async fn optional<T>(
    client: &ClientWrapper,
    sql: &str,
    values: &[&(dyn ToSql + Sync)],
    read: impl Fn(&Columns) -> Result<T, Trouble>,
) -> Result<Option<T>, Trouble> {
    let statement = client.prepare_cached(sql).await?;
    client.query_opt(&statement, values).await?.as_ref().map(read).transpose()
}
