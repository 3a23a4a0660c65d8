//! What the writer asks and writes, prepared once for each of its sessions.

use std::borrow::Cow;

use deadpool_postgres::ClientWrapper;
use tokio_postgres::{
    Statement,
    types::{ToSql, Type},
};
use uuid::Uuid;

use crate::{
    failure::Trouble,
    judge::{Change, Known, Order, Questions, Stored, Writes},
    record::{self, ENDED, moves, signed, standing, unsigned},
    text::{fingerprint, written},
};

/// The statements of one session.
#[derive(Debug)]
pub(crate) struct Statements {
    lock: Statement,
    last_position: Statement,
    closures: Statement,
    slots: Statement,
    keys: Statement,
    events: Statement,
    put_closures: Statement,
    drop_labels: Statement,
    put_labels: Statement,
    unset_aside: Statement,
    put_lines: Statement,
    put_events: Statement,
    put_keys: Statement,
    owner: Uuid,
}

/// Whoever holds this row is the only writer of closures, lines, keys and events until its commit. Positions are given under it,
/// so that no line appears below one that a reader has passed.
const LOCK: &str = "SELECT value FROM marks WHERE name = 'journal' FOR UPDATE";

/// The largest position ever given out, also when its line was pruned; and the transaction's number, which the lock has given it.
const LAST_POSITION: &str = "SELECT greatest((SELECT max(position) FROM journal),
    (SELECT value FROM marks WHERE name = 'journal')), txid_current()";

const CLOSURES: &str =
    "SELECT key, version, standing, organisation, conversation, last_sequence, created_at, labels
    FROM closures WHERE key = ANY ($1)";

const SLOTS: &str = "SELECT c.organisation, c.conversation, c.key
    FROM unnest($1::text[], $2::uuid[]) AS w (organisation, conversation)
    JOIN closures c ON c.organisation = w.organisation AND c.conversation = w.conversation AND c.standing = 0";

const KEYS: &str = "SELECT scope, key, digest, closure, attached, used_at FROM idempotency_keys
    WHERE fingerprint = ANY ($1)";

const EVENTS: &str = "SELECT fingerprint, digest FROM inbox WHERE fingerprint = ANY ($1)";

// The rows are written in the order of the arrays.
const PUT_CLOSURES: &str = "INSERT INTO closures (key, version, standing, organisation, conversation, participant, source,
        created_at, labels, state, reason, wake_at, updated_at, last_sequence, moving, body,
        queue, rest_state, rest_reason, rest_wake_at, ended_at, owner)
    SELECT w.*,
        CASE WHEN NOT w.moving THEN w.state END, CASE WHEN NOT w.moving THEN w.reason END,
        CASE WHEN NOT w.moving THEN w.wake_at END, CASE WHEN w.standing = 1 THEN w.updated_at END, $18::uuid
    FROM unnest($1::uuid[], $2::bigint[], $3::smallint[], $4::text[], $5::uuid[], $6::uuid[], $7::text[], $8::bigint[],
        $9::text[], $10::text[], $11::text[], $12::bigint[], $13::bigint[], $14::bigint[], $15::boolean[], $16::bytea[],
        $17::uuid[])
        AS w (key, version, standing, organisation, conversation, participant, source, created_at, labels, state, reason,
              wake_at, updated_at, last_sequence, moving, body, queue)
    ON CONFLICT (key) DO UPDATE SET
        version = excluded.version, standing = excluded.standing, organisation = excluded.organisation,
        conversation = excluded.conversation, participant = excluded.participant, source = excluded.source,
        created_at = excluded.created_at, labels = excluded.labels, state = excluded.state, reason = excluded.reason,
        wake_at = excluded.wake_at, updated_at = excluded.updated_at, last_sequence = excluded.last_sequence,
        moving = excluded.moving, body = excluded.body, rest_state = excluded.rest_state,
        rest_reason = excluded.rest_reason, rest_wake_at = excluded.rest_wake_at, ended_at = excluded.ended_at,
        owner = excluded.owner, queue = excluded.queue";

const DROP_LABELS: &str = "DELETE FROM labels WHERE closure = ANY ($1)";

const PUT_LABELS: &str = "INSERT INTO labels (name, value, created_at, closure)
    SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::uuid[]) ON CONFLICT DO NOTHING";

const UNSET_ASIDE: &str = "DELETE FROM quarantine WHERE closure = ANY ($1)";

const PUT_LINES: &str = "INSERT INTO journal (position, closure, sequence, at, kind, announcement, body)
    SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::bytea[])";

const PUT_EVENTS: &str = "INSERT INTO inbox (fingerprint, adapter, event, digest, organisation, conversation, received_at, result)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[], $5::text[], $6::uuid[], $7::bigint[], $8::text[])";

const PUT_KEYS: &str = "INSERT INTO idempotency_keys (fingerprint, scope, key, digest, closure, attached, used_at)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[], $5::uuid[], $6::boolean[], $7::bigint[])";

impl Statements {
    /// Prepares them, in one round trip; `owner` is the service that writes.
    pub(crate) async fn prepare(client: &ClientWrapper, owner: Uuid) -> Result<Self, Trouble> {
        let uuids = &[Type::UUID_ARRAY][..];
        let prepare = |sql| client.prepare_typed(sql, &[]);
        // All of them together are more than callers should hold.
        let all = Box::pin(async {
            tokio::try_join!(
                biased;
                prepare(LOCK),
                prepare(LAST_POSITION),
                client.prepare_typed(CLOSURES, uuids),
                prepare(SLOTS),
                client.prepare_typed(KEYS, uuids),
                client.prepare_typed(EVENTS, uuids),
                prepare(PUT_CLOSURES),
                client.prepare_typed(DROP_LABELS, uuids),
                prepare(PUT_LABELS),
                client.prepare_typed(UNSET_ASIDE, uuids),
                prepare(PUT_LINES),
                prepare(PUT_EVENTS),
                prepare(PUT_KEYS),
            )
        });
        let (
            lock,
            last_position,
            closures,
            slots,
            keys,
            events,
            put_closures,
            drop_labels,
            put_labels,
            unset_aside,
            put_lines,
            put_events,
            put_keys,
        ) = all.await?;
        Ok(Self {
            lock,
            last_position,
            closures,
            slots,
            keys,
            events,
            put_closures,
            drop_labels,
            put_labels,
            unset_aside,
            put_lines,
            put_events,
            put_keys,
            owner,
        })
    }

    /// Begins a transaction, takes the lock, and reads what the checks need: one round trip in all.
    pub(crate) async fn begin(&self, client: &ClientWrapper, asked: &Questions) -> Result<Known, Trouble> {
        let organisations: Vec<_> =
            asked.slots.iter().map(|(organisation, _)| written(organisation)).collect();
        let conversations: Vec<_> = asked.slots.iter().map(|(_, conversation)| *conversation).collect();
        // Each is sent when it is first polled, which `biased` does in this order; the answers come in the same.
        let (began, locked, last, closures, slots, keys, events) = tokio::join!(
            biased;
            client.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED"),
            client.query_one(&self.lock, &[]),
            client.query_one(&self.last_position, &[]),
            async { client.query(&self.closures, &[&asked.closures]).await },
            async { client.query(&self.slots, &[&organisations, &conversations]).await },
            async { client.query(&self.keys, &[&asked.keys]).await },
            async { client.query(&self.events, &[&asked.events]).await },
        );
        began?;
        locked?;
        let last = last?;
        let mut known = Known {
            transaction: last.try_get(1)?,
            last_position: unsigned(last.try_get(0)?),
            ..Known::default()
        };
        for row in closures? {
            let stored = Stored {
                version: unsigned(row.try_get(1)?),
                standing: row.try_get(2)?,
                organisation: record::name(&row, 3)?,
                conversation: row.try_get(4)?,
                last_sequence: unsigned(row.try_get(5)?),
                created_at: row.try_get(6)?,
                labels: row.try_get(7)?,
            };
            known.closures.insert(row.try_get(0)?, stored);
        }
        for row in slots? {
            known.open.insert((record::name(&row, 0)?, row.try_get(1)?), row.try_get(2)?);
        }
        for row in keys? {
            let entry = record::key_entry(&row)?;
            known.keys.insert(fingerprint(&entry.scope, &entry.key), entry);
        }
        for row in events? {
            known.events.insert(row.try_get(0)?, record::digest(&row, 1)?);
        }
        Ok(known)
    }

    /// Writes all of it, in one round trip. With `commit` the transaction is made durable in the same.
    pub(crate) async fn write(
        &self,
        client: &ClientWrapper,
        writes: &Writes<'_>,
        commit: bool,
    ) -> Result<(), Trouble> {
        let (closures, labels, no_labels, set_back) = self.of_closures(client, writes);
        let (closures, set_back, no_labels, labels, lines, events, keys, done) = tokio::join!(
            biased;
            closures,
            set_back,
            no_labels,
            labels,
            self.lines(client, writes),
            self.events(client, writes),
            self.keys(client, writes),
            async {
                match commit {
                    true => client.batch_execute("COMMIT").await,
                    false => Ok(()),
                }
            },
        );
        // The first failure is the cause of those after it. A COMMIT after a failure says nothing: it rolls back.
        for written in [closures, set_back, no_labels, labels, lines, events, keys] {
            written.map_err(|failure| Trouble::from(failure).at_commit())?;
        }
        done.map_err(|failure| Trouble::from(failure).at_commit())
    }

    fn of_closures<'a>(
        &'a self,
        client: &'a ClientWrapper,
        writes: &'a Writes<'_>,
    ) -> (
        impl Future<Output = Written> + 'a,
        impl Future<Output = Written> + 'a,
        impl Future<Output = Written> + 'a,
        impl Future<Output = Written> + 'a,
    ) {
        let mut changes: Vec<&Change<'_>> = writes.changes.values().collect();
        changes.sort_unstable_by_key(|change| (change.order, change.row.key));
        let relabelled: Vec<Uuid> = changes
            .iter()
            .filter(|change| !change.keeps_labels && change.order != Order::New)
            .map(|change| change.row.key)
            .collect();
        let set_back: Vec<Uuid> =
            changes.iter().filter(|change| change.was_set_aside).map(|change| change.row.key).collect();
        let labels = Labels::of(&changes);
        let rows = changes;
        (
            async move { self.put_closures(client, &rows).await },
            async move { self.put_labels(client, &labels).await },
            async move {
                if relabelled.is_empty() {
                    return Ok(());
                }
                client.execute(&self.drop_labels, &[&relabelled]).await.map(drop)
            },
            async move {
                if set_back.is_empty() {
                    return Ok(());
                }
                client.execute(&self.unset_aside, &[&set_back]).await.map(drop)
            },
        )
    }

    async fn put_closures(&self, client: &ClientWrapper, changes: &[&Change<'_>]) -> Written {
        if changes.is_empty() {
            return Ok(());
        }
        let rows = || changes.iter().map(|change| change.row);
        let standings: Vec<i16> = rows().map(standing).collect();
        debug_assert!(standings.iter().all(|standing| *standing <= ENDED), "a commit sets nothing aside");
        client
            .execute(
                &self.put_closures,
                &[
                    &rows().map(|row| row.key).collect::<Vec<_>>(),
                    &rows().map(|row| signed(row.version)).collect::<Vec<_>>(),
                    &standings,
                    &rows().map(|row| written(&row.organisation)).collect::<Vec<_>>(),
                    &rows().map(|row| row.conversation).collect::<Vec<_>>(),
                    &rows().map(|row| row.participant).collect::<Vec<_>>(),
                    &rows().map(|row| written(&row.source)).collect::<Vec<_>>(),
                    &rows().map(|row| row.created_at).collect::<Vec<_>>(),
                    &changes.iter().map(|change| change.labels.as_deref()).collect::<Vec<_>>(),
                    &rows().map(|row| written(&row.state)).collect::<Vec<_>>(),
                    &rows().map(|row| row.reason.as_deref().map(written)).collect::<Vec<_>>(),
                    &rows().map(|row| row.wake_at).collect::<Vec<_>>(),
                    &rows().map(|row| row.updated_at).collect::<Vec<_>>(),
                    &changes.iter().map(|change| signed(change.last_sequence)).collect::<Vec<_>>(),
                    &rows().map(moves).collect::<Vec<_>>(),
                    &rows().map(|row| &row.body[..]).collect::<Vec<_>>(),
                    &rows().map(|row| row.queue).collect::<Vec<_>>(),
                    &self.owner,
                ],
            )
            .await
            .map(drop)
    }

    async fn put_labels(&self, client: &ClientWrapper, labels: &Labels<'_>) -> Written {
        if labels.closures.is_empty() {
            return Ok(());
        }
        let values: [&(dyn ToSql + Sync); 4] =
            [&labels.names, &labels.values, &labels.created_at, &labels.closures];
        client.execute(&self.put_labels, &values).await.map(drop)
    }

    async fn lines(&self, client: &ClientWrapper, writes: &Writes<'_>) -> Written {
        if writes.lines.is_empty() {
            return Ok(());
        }
        let lines = || writes.lines.iter().map(|(_, _, line)| *line);
        client
            .execute(
                &self.put_lines,
                &[
                    &writes.lines.iter().map(|(position, _, _)| signed(*position)).collect::<Vec<_>>(),
                    &writes.lines.iter().map(|(_, closure, _)| *closure).collect::<Vec<_>>(),
                    &lines().map(|line| signed(line.sequence)).collect::<Vec<_>>(),
                    &lines().map(|line| line.at).collect::<Vec<_>>(),
                    &lines().map(|line| written(&line.kind)).collect::<Vec<_>>(),
                    &lines().map(|line| line.announcement.as_deref().map(written)).collect::<Vec<_>>(),
                    &lines().map(|line| &line.body[..]).collect::<Vec<_>>(),
                ],
            )
            .await
            .map(drop)
    }

    async fn events(&self, client: &ClientWrapper, writes: &Writes<'_>) -> Written {
        if writes.events.is_empty() {
            return Ok(());
        }
        let events = || writes.events.iter().map(|(_, entry)| *entry);
        client
            .execute(
                &self.put_events,
                &[
                    &writes.events.iter().map(|(fingerprint, _)| *fingerprint).collect::<Vec<_>>(),
                    &events().map(|entry| written(&entry.adapter)).collect::<Vec<_>>(),
                    &events().map(|entry| written(&entry.event)).collect::<Vec<_>>(),
                    &events().map(|entry| &entry.digest[..]).collect::<Vec<_>>(),
                    &events().map(|entry| written(&entry.organisation)).collect::<Vec<_>>(),
                    &events().map(|entry| entry.conversation).collect::<Vec<_>>(),
                    &events().map(|entry| entry.received_at).collect::<Vec<_>>(),
                    &events().map(|entry| written(&entry.result)).collect::<Vec<_>>(),
                ],
            )
            .await
            .map(drop)
    }

    async fn keys(&self, client: &ClientWrapper, writes: &Writes<'_>) -> Written {
        if writes.keys.is_empty() {
            return Ok(());
        }
        let keys = || writes.keys.iter().map(|(_, entry)| *entry);
        client
            .execute(
                &self.put_keys,
                &[
                    &writes.keys.iter().map(|(fingerprint, _)| *fingerprint).collect::<Vec<_>>(),
                    &keys().map(|entry| written(&entry.scope)).collect::<Vec<_>>(),
                    &keys().map(|entry| written(&entry.key)).collect::<Vec<_>>(),
                    &keys().map(|entry| &entry.digest[..]).collect::<Vec<_>>(),
                    &keys().map(|entry| entry.closure).collect::<Vec<_>>(),
                    &keys().map(|entry| entry.attached).collect::<Vec<_>>(),
                    &keys().map(|entry| entry.used_at).collect::<Vec<_>>(),
                ],
            )
            .await
            .map(drop)
    }
}

type Written = Result<(), tokio_postgres::Error>;

/// The labels of rows whose labels are written.
#[derive(Default)]
struct Labels<'a> {
    names: Vec<Cow<'a, str>>,
    values: Vec<Cow<'a, str>>,
    created_at: Vec<i64>,
    closures: Vec<Uuid>,
}

impl<'a> Labels<'a> {
    fn of(changes: &[&Change<'a>]) -> Self {
        let mut labels = Self::default();
        for change in changes.iter().filter(|change| !change.keeps_labels) {
            for (name, value) in &change.row.labels {
                labels.names.push(written(name));
                labels.values.push(written(value));
                labels.created_at.push(change.row.created_at);
                labels.closures.push(change.row.key);
            }
        }
        labels
    }
}
