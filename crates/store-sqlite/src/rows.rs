//! One closure's row: how a new one differs from the stored one, what stands against it, and how it is written.

use rusqlite::{CachedStatement, Connection, OptionalExtension, ToSql, params};
use store::{CommitRefused, Row};
use uuid::Uuid;

use crate::{
    finder::{Gathered, Name, Place},
    record::{self, OPEN, SET_ASIDE, signed, unsigned},
};

/// States that a closure leaves within moments. Only speed depends on it: a row in one of them is kept out of the indexes by
/// state and by wake-up, which would be written with every step; those in them are looked through instead.
const PASSING: [&str; 4] = ["resolving", "verifying", "closing_participant", "closing_wrapper"];

/// How a new row differs from the stored one, as far as it decides what is checked and what is written.
pub(crate) struct Change {
    stored_version: u64,
    conversation: Option<Uuid>,
    participant: Option<Uuid>,
    queue: Option<Uuid>,
    was_set_aside: bool,
    keeps_conversation_open: bool,
    keeps_fixed_columns: bool,
    keeps_standing: bool,
    keeps_moving: bool,
    keeps_labels: bool,
    /// The end of the closure's chain of lines: the position, and the sequence.
    last_line: Option<i64>,
    last_sequence: u64,
}

impl Change {
    /// Compares `row` with what is stored under its key.
    pub(crate) fn of(connection: &Connection, row: &Row) -> rusqlite::Result<Self> {
        let mut stored = connection.prepare_cached(
            "SELECT version, standing, moving, organisation, conversation, participant, source, created_at,
                 labels, last_line, last_sequence, queue
             FROM closures WHERE key = ?",
        )?;
        let labels = record::labels_to_text(&row.labels);
        let change = stored.query_row([row.key.as_bytes()], |stored| {
            let standing: i64 = stored.get(1)?;
            let same_standing = standing == record::standing(row);
            let same_created_at = stored.get::<_, i64>(7)? == row.created_at;
            let conversation = stored.get::<_, Option<[u8; 16]>>(4)?.map(Uuid::from_bytes);
            let same_conversation =
                stored.get_ref(3)?.as_str()? == row.organisation && conversation == row.conversation;
            Ok(Self {
                stored_version: unsigned(stored.get(0)?),
                conversation,
                participant: stored.get::<_, Option<[u8; 16]>>(5)?.map(Uuid::from_bytes),
                queue: stored.get::<_, Option<[u8; 16]>>(11)?.map(Uuid::from_bytes),
                was_set_aside: standing == SET_ASIDE,
                keeps_conversation_open: standing == OPEN && same_standing && same_conversation,
                keeps_fixed_columns: same_conversation
                    && same_created_at
                    && stored.get_ref(6)?.as_str()? == row.source,
                keeps_standing: same_standing,
                keeps_moving: stored.get::<_, bool>(2)? == moves(row),
                keeps_labels: same_created_at && stored.get_ref(8)?.as_str_or_null()? == labels.as_deref(),
                last_line: stored.get(9)?,
                last_sequence: unsigned(stored.get(10)?),
            })
        });
        Ok(change.optional()?.unwrap_or(Self {
            stored_version: 0,
            conversation: None,
            participant: None,
            queue: None,
            was_set_aside: false,
            keeps_conversation_open: false,
            keeps_fixed_columns: false,
            keeps_standing: false,
            keeps_moving: false,
            keeps_labels: labels.is_none(),
            last_line: None,
            last_sequence: 0,
        }))
    }

    /// The position of the closure's last line so far.
    pub(crate) const fn last_line(&self) -> Option<i64> {
        self.last_line
    }

    /// The sequence of the closure's last line so far; 0 before the first.
    pub(crate) const fn last_sequence(&self) -> u64 {
        self.last_sequence
    }

    /// Makes `position` and `sequence` those of the last line.
    pub(crate) const fn end_lines_at(&mut self, position: i64, sequence: u64) {
        self.last_line = Some(position);
        self.last_sequence = sequence;
    }
}

/// Whether the closure is on its way through a state.
fn moves(row: &Row) -> bool {
    !row.ended && PASSING.contains(&row.state.as_str())
}

/// What stands against writing `row` in place of version `expected`.
pub(crate) fn refused(
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

/// Writes the row, and gathers the names by which it is found.
pub(crate) fn write(
    connection: &Connection,
    row: &Row,
    change: &Change,
    gathered: &mut Gathered<'_>,
) -> rusqlite::Result<()> {
    if change.stored_version > 0 && !change.was_set_aside && change.keeps_fixed_columns && change.keeps_labels
    {
        move_on(connection, row, change)?;
    } else {
        put(connection, row, change)?;
    }
    let place = Place::Closure(row.key);
    let names = [
        (
            change.conversation.as_ref().map(Name::Conversation),
            row.conversation.as_ref().map(Name::Conversation),
        ),
        (change.participant.as_ref().map(Name::Participant), row.participant.as_ref().map(Name::Participant)),
    ];
    for (old, new) in names {
        if old == new {
            continue;
        }
        if let Some(old) = old {
            gathered.remove(connection, &old, place)?;
        }
        if let Some(new) = new {
            gathered.add(&new, place);
        }
    }
    Ok(())
}

/// The statement of [`move_on`], with the columns that it names beside those of every step.
macro_rules! moving {
    ($rarely:literal) => {
        concat!(
            "UPDATE closures SET version = ?1, state = ?2, reason = ?3, wake_at = ?4, updated_at = ?5, body = ?6,
                 last_line = ?7, last_sequence = ?8",
            $rarely,
            " WHERE key = ?9"
        )
    };
}

/// Writes the columns that a step changes. SQLite writes anew every index over a column that a statement names, also
/// where its value stays; the rarely changed columns are therefore named only when they change.
fn move_on(connection: &Connection, row: &Row, change: &Change) -> rusqlite::Result<()> {
    if change.queue != row.queue {
        // On the way into being a ghost and out of it, and no index holds the row of another closure by its queue.
        let mut set = connection.prepare_cached("UPDATE closures SET queue = ? WHERE key = ?")?;
        set.execute(params![row.queue.as_ref().map(as_blob), row.key.as_bytes()])?;
    }
    let participant = row.participant.as_ref().map(as_blob);
    let (standing, moves) = (record::standing(row), moves(row));
    let (version, last_sequence) = (signed(row.version), signed(change.last_sequence));
    let always: &[&dyn ToSql] = params![
        version,
        row.state,
        row.reason,
        row.wake_at,
        row.updated_at,
        &row.body[..],
        change.last_line,
        last_sequence,
        row.key.as_bytes(),
    ];
    let keeps_participant = change.participant == row.participant;
    let (sql, rarely): (_, &[&dyn ToSql]) =
        match (change.keeps_standing, change.keeps_moving, keeps_participant) {
            (true, true, true) => (moving!(""), &[]),
            (true, false, true) => (moving!(", moving = ?10"), &[&moves]),
            (false, _, true) => (moving!(", moving = ?10, standing = ?11"), &[&moves, &standing]),
            (true, true, false) => (moving!(", participant = ?10"), &[&participant]),
            (true, false, false) => (moving!(", moving = ?10, participant = ?11"), &[&moves, &participant]),
            (false, _, false) => (
                moving!(", moving = ?10, standing = ?11, participant = ?12"),
                &[&moves, &standing, &participant],
            ),
        };
    connection.prepare_cached(sql)?.execute(&*[always, rarely].concat())?;
    Ok(())
}

fn put(connection: &Connection, row: &Row, change: &Change) -> rusqlite::Result<()> {
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
        moves(row),
        change.last_line,
        signed(change.last_sequence),
        row.queue.as_ref().map(as_blob),
    ])?;
    if !change.keeps_labels {
        write_labels(connection, row)?;
    }
    if change.was_set_aside {
        connection
            .prepare_cached("DELETE FROM quarantine WHERE closure = ?")?
            .execute([row.key.as_bytes()])?;
    }
    Ok(())
}

fn put_statement(connection: &Connection) -> rusqlite::Result<CachedStatement<'_>> {
    connection.prepare_cached(
        "INSERT INTO closures (key, version, standing, organisation, conversation, participant, source,
             created_at, labels, state, reason, wake_at, updated_at, body, moving, last_line, last_sequence,
             queue)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (key) DO UPDATE SET
             version = excluded.version, standing = excluded.standing, organisation = excluded.organisation,
             conversation = excluded.conversation, participant = excluded.participant,
             source = excluded.source, created_at = excluded.created_at, labels = excluded.labels,
             state = excluded.state, reason = excluded.reason, wake_at = excluded.wake_at,
             updated_at = excluded.updated_at, body = excluded.body, moving = excluded.moving,
             last_line = excluded.last_line, last_sequence = excluded.last_sequence,
             queue = excluded.queue",
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

fn as_blob(id: &Uuid) -> &[u8] {
    id.as_bytes()
}
