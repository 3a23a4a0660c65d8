//! One commit inside the writer's transaction: first all checks, then all writes.
//!
//! A refused commit has written nothing, so the transaction goes on without it.

use rusqlite::{CachedStatement, Connection, OptionalExtension, ToSql, params};
use store::{Commit, CommitRefused, InboxEntry, KeyEntry, Line, Row};
use uuid::Uuid;

use crate::record::{self, ENDED, OPEN, SET_ASIDE, signed, unsigned};

/// What a commit came to, or the failure that spoils the whole transaction.
pub(crate) type Outcome = rusqlite::Result<Result<(), CommitRefused>>;

/// Checks a commit and writes it. `last_position` is the position of the journal's last line.
pub(crate) fn commit(connection: &Connection, commit: &Commit, last_position: &mut u64) -> Outcome {
    if let Some(flaw) = commit.flaw() {
        return Ok(Err(CommitRefused::malformed(flaw)));
    }
    if let Some(refused) = refused_key(connection, commit.key.as_ref())? {
        return Ok(Err(refused));
    }
    if let Some(refused) = refused_attachment(connection, commit)? {
        return Ok(Err(refused));
    }
    if let Some(refused) = refused_event(connection, commit.inbox.as_ref())? {
        return Ok(Err(refused));
    }
    if let Some((row, expected)) = &commit.closure {
        let change = Change::of(connection, row)?;
        if let Some(refused) = refused_row(connection, row, *expected, &change)? {
            return Ok(Err(refused));
        }
        write_row(connection, row, &change)?;
        for line in &commit.lines {
            *last_position += 1;
            write_line(connection, row.key, line, *last_position)?;
        }
    }
    if let Some(entry) = &commit.inbox {
        write_event(connection, entry)?;
    }
    if let Some(entry) = &commit.key {
        write_key(connection, entry)?;
    }
    Ok(Ok(()))
}

fn refused_key(connection: &Connection, entry: Option<&KeyEntry>) -> rusqlite::Result<Option<CommitRefused>> {
    let Some(entry) = entry else { return Ok(None) };
    let used = crate::read::key(connection, &entry.scope, &entry.key)?;
    Ok(used.map(CommitRefused::KeyUsed))
}

fn refused_attachment(connection: &Connection, commit: &Commit) -> rusqlite::Result<Option<CommitRefused>> {
    let Some(closure) = commit.attaches_to() else { return Ok(None) };
    let mut standing = connection.prepare_cached("SELECT standing FROM closures WHERE key = ?")?;
    let standing: Option<i64> = standing.query_row([closure.as_bytes()], |row| row.get(0)).optional()?;
    Ok((standing != Some(OPEN)).then_some(CommitRefused::NotOpen))
}

fn refused_event(
    connection: &Connection,
    entry: Option<&InboxEntry>,
) -> rusqlite::Result<Option<CommitRefused>> {
    let Some(entry) = entry else { return Ok(None) };
    let mut taken = connection.prepare_cached("SELECT digest FROM inbox WHERE adapter = ? AND event = ?")?;
    let digest: Option<[u8; 32]> =
        taken.query_row((&entry.adapter, &entry.event), |row| row.get(0)).optional()?;
    Ok(digest.map(|digest| match digest == entry.digest {
        true => CommitRefused::SameEvent,
        false => CommitRefused::OtherBody,
    }))
}

/// How a new row differs from the stored one, as far as it decides what is checked and what is written.
struct Change {
    stored_version: u64,
    was_set_aside: bool,
    keeps_conversation_open: bool,
    keeps_fixed_columns: bool,
    keeps_standing: bool,
    keeps_participant: bool,
    keeps_labels: bool,
}

impl Change {
    fn of(connection: &Connection, row: &Row) -> rusqlite::Result<Self> {
        let mut stored = connection.prepare_cached(
            "SELECT version, standing, organisation, conversation, participant, source, created_at, labels
             FROM closures WHERE key = ?",
        )?;
        let labels = record::labels_to_text(&row.labels);
        let change = stored.query_row([row.key.as_bytes()], |stored| {
            let standing: i64 = stored.get(1)?;
            let same_standing = standing == record::standing(row);
            let same_created_at = stored.get::<_, i64>(6)? == row.created_at;
            let same_conversation = stored.get_ref(2)?.as_str()? == row.organisation
                && stored.get_ref(3)?.as_blob_or_null()? == row.conversation.as_ref().map(as_blob);
            Ok(Self {
                stored_version: unsigned(stored.get(0)?),
                was_set_aside: standing == SET_ASIDE,
                keeps_conversation_open: standing == OPEN && same_standing && same_conversation,
                keeps_fixed_columns: same_conversation
                    && same_created_at
                    && stored.get_ref(5)?.as_str()? == row.source,
                keeps_standing: same_standing,
                keeps_participant: stored.get_ref(4)?.as_blob_or_null()?
                    == row.participant.as_ref().map(as_blob),
                keeps_labels: same_created_at && stored.get_ref(7)?.as_str_or_null()? == labels.as_deref(),
            })
        });
        Ok(change.optional()?.unwrap_or(Self {
            stored_version: 0,
            was_set_aside: false,
            keeps_conversation_open: false,
            keeps_fixed_columns: false,
            keeps_standing: false,
            keeps_participant: false,
            keeps_labels: labels.is_none(),
        }))
    }
}

/// The statement of [`move_row`], with the columns that it names beside those of every step.
macro_rules! moving {
    ($rarely:literal) => {
        concat!(
            "UPDATE closures SET version = ?1, state = ?2, reason = ?3, wake_at = ?4, updated_at = ?5, body = ?6",
            $rarely,
            " WHERE key = ?7"
        )
    };
}

fn as_blob(id: &Uuid) -> &[u8] {
    id.as_bytes()
}

fn refused_row(
    connection: &Connection,
    row: &Row,
    expected: u64,
    change: &Change,
) -> rusqlite::Result<Option<CommitRefused>> {
    if let Some(conversation) = row.conversation
        && !row.ended
        && !change.keeps_conversation_open
    {
        let mut open = connection.prepare_cached(
            "SELECT key FROM closures WHERE organisation = ? AND conversation = ? AND standing = 0",
        )?;
        let open: Option<[u8; 16]> =
            open.query_row((&row.organisation, conversation.as_bytes()), |row| row.get(0)).optional()?;
        if let Some(open) = open.map(Uuid::from_bytes).filter(|open| *open != row.key) {
            return Ok(Some(CommitRefused::OpenClosure(open)));
        }
    }
    if change.stored_version != expected {
        return Ok(Some(CommitRefused::Version(change.stored_version)));
    }
    Ok(None)
}

fn write_row(connection: &Connection, row: &Row, change: &Change) -> rusqlite::Result<()> {
    if change.stored_version > 0 && !change.was_set_aside && change.keeps_fixed_columns && change.keeps_labels
    {
        return move_row(connection, row, change);
    }
    let mut put = put_statement(connection)?;
    put.execute(params![
        row.key.as_bytes(),
        signed(row.version),
        record::standing(row),
        row.organisation,
        row.conversation.as_ref().map(as_blob),
        row.participant.as_ref().map(as_blob),
        row.source,
        row.created_at,
        record::labels_to_text(&row.labels),
        row.state,
        row.reason,
        row.wake_at,
        row.updated_at,
        &row.body[..],
    ])?;
    if !change.keeps_labels {
        write_labels(connection, row)?;
    }
    if change.was_set_aside || change.stored_version == 0 {
        connection
            .prepare_cached("DELETE FROM quarantine WHERE closure = ?")?
            .execute([row.key.as_bytes()])?;
    }
    Ok(())
}

/// Writes the columns that a step changes. SQLite writes anew every index over a column that a statement names, also
/// where its value stays; the rarely changed columns are therefore named only when they change.
fn move_row(connection: &Connection, row: &Row, change: &Change) -> rusqlite::Result<()> {
    let participant = row.participant.as_ref().map(as_blob);
    let standing = record::standing(row);
    let always = params![
        signed(row.version),
        row.state,
        row.reason,
        row.wake_at,
        row.updated_at,
        &row.body[..],
        row.key.as_bytes(),
    ];
    let (sql, rarely): (_, &[&dyn ToSql]) = match (change.keeps_standing, change.keeps_participant) {
        (true, true) => (moving!(""), &[]),
        (false, true) => (moving!(", standing = ?8"), &[&standing]),
        (true, false) => (moving!(", participant = ?8"), &[&participant]),
        (false, false) => (moving!(", standing = ?8, participant = ?9"), &[&standing, &participant]),
    };
    connection.prepare_cached(sql)?.execute(&*[always, rarely].concat())?;
    Ok(())
}

fn put_statement(connection: &Connection) -> rusqlite::Result<CachedStatement<'_>> {
    connection.prepare_cached(
        "INSERT INTO closures (key, version, standing, organisation, conversation, participant, source,
             created_at, labels, state, reason, wake_at, updated_at, body)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (key) DO UPDATE SET
             version = excluded.version, standing = excluded.standing, organisation = excluded.organisation,
             conversation = excluded.conversation, participant = excluded.participant,
             source = excluded.source, created_at = excluded.created_at, labels = excluded.labels,
             state = excluded.state, reason = excluded.reason, wake_at = excluded.wake_at,
             updated_at = excluded.updated_at, body = excluded.body",
    )
}

fn write_labels(connection: &Connection, row: &Row) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM labels WHERE closure = ?")?.execute([row.key.as_bytes()])?;
    let mut label = connection.prepare_cached(
        "INSERT OR IGNORE INTO labels (name, value, created_at, closure) VALUES (?, ?, ?, ?)",
    )?;
    for (name, value) in &row.labels {
        label.execute(params![name, value, row.created_at, row.key.as_bytes()])?;
    }
    Ok(())
}

fn write_line(connection: &Connection, closure: Uuid, line: &Line, position: u64) -> rusqlite::Result<()> {
    let mut append = connection.prepare_cached(
        "INSERT INTO journal (position, closure, sequence, at, kind, announcement, body)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )?;
    append.execute(params![
        signed(position),
        closure.as_bytes(),
        signed(line.sequence),
        line.at,
        line.kind,
        line.announcement,
        &line.body[..],
    ])?;
    Ok(())
}

fn write_event(connection: &Connection, entry: &InboxEntry) -> rusqlite::Result<()> {
    let mut take = connection.prepare_cached(
        "INSERT INTO inbox (adapter, event, digest, organisation, conversation, received_at, result)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )?;
    take.execute(params![
        entry.adapter,
        entry.event,
        entry.digest,
        entry.organisation,
        entry.conversation.as_ref().map(as_blob),
        entry.received_at,
        entry.result,
    ])?;
    Ok(())
}

fn write_key(connection: &Connection, entry: &KeyEntry) -> rusqlite::Result<()> {
    let mut keep = connection.prepare_cached(
        "INSERT INTO idempotency_keys (scope, key, digest, closure, attached, used_at)
         VALUES (?, ?, ?, ?, ?, ?)",
    )?;
    keep.execute(params![
        entry.scope,
        entry.key,
        entry.digest,
        entry.closure.as_bytes(),
        entry.attached,
        entry.used_at,
    ])?;
    Ok(())
}

const _: () = assert!(OPEN == 0 && ENDED == 1 && SET_ASIDE == 2, "the indexes name these figures");
