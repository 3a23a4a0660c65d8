//! Writes beside commits: cursors, switches, quarantine, pruning, what is owed, batches, the check.

use deadpool_postgres::ClientWrapper;
use store::{AuditRow, BatchItem, BatchRow, DeadLetterRow, DeliveryRow, Millis, Quarantined};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::{
    audit, batches, dead_letters, deliveries,
    failure::Trouble,
    record::{rows, signed, unsigned},
    text::written,
};

/// A write that is not a commit. It may be run again when its transaction was spoilt by a neighbour.
#[derive(Debug)]
pub(crate) enum Write {
    MoveCursor {
        name: String,
        position: u64,
    },
    Owe {
        reader: String,
        position: u64,
        deliveries: Vec<DeliveryRow>,
    },
    PutDelivery(DeliveryRow),
    Bury(DeadLetterRow),
    PutDeadLetter(DeadLetterRow),
    PutAudit(AuditRow),
    PutBatch {
        batch: BatchRow,
        items: Vec<BatchItem>,
    },
    ChangeBatch {
        from: String,
        batch: BatchRow,
        items: Vec<BatchItem>,
    },
    SetSwitch {
        name: String,
        on: bool,
    },
    Quarantine(Quarantined),
    Prune {
        rows_before: Millis,
        inbox_before: Millis,
        limit: usize,
    },
    Check,
    /// Nothing: what was put in line before it is durable when it is answered.
    Settle,
}

impl Write {
    /// Runs it inside the writer's transaction; answers with a count where it has one.
    pub(crate) async fn apply(&self, client: &ClientWrapper) -> Result<u64, Trouble> {
        match self {
            Self::MoveCursor { name, position } => move_cursor(client, name, *position).await,
            Self::Owe { reader, position, deliveries } => {
                deliveries::put_all(client, deliveries).await?;
                move_cursor(client, reader, *position).await
            }
            Self::PutDelivery(row) => deliveries::put(client, row).await,
            Self::Bury(row) => dead_letters::bury(client, row).await,
            Self::PutDeadLetter(row) => dead_letters::put(client, row).await,
            Self::PutAudit(row) => audit::put(client, row).await,
            Self::PutBatch { batch, items } => batches::put(client, batch, items).await,
            Self::ChangeBatch { from, batch, items } => batches::change(client, from, batch, items).await,
            Self::SetSwitch { name, on } => set_switch(client, name, *on).await,
            Self::Quarantine(record) => quarantine(client, record).await,
            Self::Prune { rows_before, inbox_before, limit } => {
                prune(client, *rows_before, *inbox_before, *limit).await
            }
            Self::Check => check(client).await,
            Self::Settle => Ok(0),
        }
    }
}

/// Runs a statement and answers how many rows it changed.
pub(crate) async fn run(
    client: &ClientWrapper,
    sql: &str,
    values: &[&(dyn ToSql + Sync)],
) -> Result<u64, Trouble> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.execute(&statement, values).await?)
}

async fn move_cursor(client: &ClientWrapper, name: &str, position: u64) -> Result<u64, Trouble> {
    let sql = "INSERT INTO cursors (name, position) VALUES ($1, $2)
               ON CONFLICT (name) DO UPDATE SET position = greatest(cursors.position, excluded.position)";
    run(client, sql, &[&written(name), &signed(position)]).await?;
    Ok(0)
}

async fn set_switch(client: &ClientWrapper, name: &str, on: bool) -> Result<u64, Trouble> {
    let sql = "INSERT INTO marks (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    run(client, sql, &[&switch(name), &i64::from(on)]).await?;
    Ok(0)
}

/// Under which name a switch stands among the marks.
pub(crate) fn switch(name: &str) -> String {
    written(&format!("switch:{name}")).into_owned()
}

async fn quarantine(client: &ClientWrapper, record: &Quarantined) -> Result<u64, Trouble> {
    let sql = "UPDATE closures SET standing = 2, moving = false, rest_state = NULL, rest_reason = NULL,
                   rest_wake_at = NULL, ended_at = NULL
               WHERE key = $1";
    if run(client, sql, &[&record.closure]).await? > 0 {
        let sql = "INSERT INTO quarantine (closure, reason, at) VALUES ($1, $2, $3)
                   ON CONFLICT (closure) DO UPDATE SET reason = excluded.reason, at = excluded.at";
        run(client, sql, &[&record.closure, &written(&record.reason), &record.at]).await?;
    }
    Ok(0)
}

/// Removes old rows with all that belongs to them, and everything else that is old and not in a part that goes as a whole; returns
/// how many of all kinds went.
async fn prune(
    client: &ClientWrapper,
    rows_before: Millis,
    inbox_before: Millis,
    limit: usize,
) -> Result<u64, Trouble> {
    let closures = prune_closures(client, rows_before, limit).await?;
    let events = "DELETE FROM inbox_rest WHERE fingerprint IN (
                      SELECT fingerprint FROM inbox_rest WHERE received_at < $1 ORDER BY received_at, arrival LIMIT $2)";
    let events = run(client, events, &[&inbox_before, &rows(limit)]).await?;
    let keys = "DELETE FROM idempotency_keys_rest WHERE fingerprint IN (
                    SELECT fingerprint FROM idempotency_keys_rest WHERE used_at < $1 ORDER BY used_at, fingerprint LIMIT $2)";
    let keys = run(client, keys, &[&inbox_before, &rows(limit)]).await?;
    let deliveries = deliveries::prune(client, rows_before, limit).await?;
    let batches = batches::prune(client, rows_before, limit).await?;
    let letters = dead_letters::prune(client, rows_before, limit).await?;
    let acts = audit::prune(client, rows_before, limit).await?;
    Ok(closures + events + keys + deliveries + batches + letters + acts)
}

async fn prune_closures(client: &ClientWrapper, before: Millis, limit: usize) -> Result<u64, Trouble> {
    let sql = "SELECT key FROM closures WHERE ended_at < $1 ORDER BY ended_at, key LIMIT $2";
    let statement = client.prepare_cached(sql).await?;
    let old = client.query(&statement, &[&before, &rows(limit)]).await?;
    let old: Vec<Uuid> = old.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    if old.is_empty() {
        return Ok(0);
    }
    // Lines that have a part for their time go with it; the others one by one. The last line may be among those, and its position
    // must not be given out again.
    let mark =
        "UPDATE marks SET value = greatest(value, (SELECT max(position) FROM journal)) WHERE name = 'journal'
                    AND EXISTS (SELECT 1 FROM journal_rest WHERE closure = ANY ($1))";
    run(client, mark, &[&old]).await?;
    for sql in [
        "DELETE FROM journal_rest WHERE closure = ANY ($1)",
        "DELETE FROM labels WHERE closure = ANY ($1)",
        "DELETE FROM closures WHERE key = ANY ($1)",
    ] {
        run(client, sql, &[&old]).await?;
    }
    Ok(old.len() as u64)
}

/// Writes a number and reads it back.
async fn check(client: &ClientWrapper) -> Result<u64, Trouble> {
    let sql = "INSERT INTO marks (name, value) VALUES ('checks', 1)
               ON CONFLICT (name) DO UPDATE SET value = marks.value + 1 RETURNING value";
    let statement = client.prepare_cached(sql).await?;
    Ok(unsigned(client.query_one(&statement, &[]).await?.try_get(0)?))
}
