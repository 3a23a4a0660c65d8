//! One commit inside the writer's transaction: first all checks, then all writes.
//!
//! A refused commit has written nothing, so the transaction goes on without it.

use rusqlite::{Connection, OptionalExtension, params};
use store::{Commit, CommitRefused, InboxEntry, KeyEntry, Line};
use uuid::Uuid;

use crate::{
    finder::{Fill, Gathered, Name, Place},
    read,
    record::{ENDED, OPEN, SET_ASIDE, signed},
    rows::{self, Change},
};

/// What a commit came to, or the failure that spoils the whole transaction.
pub(crate) type Outcome = rusqlite::Result<Result<(), CommitRefused>>;

/// What the writer knows of the tables without asking; it grows with a transaction and is forgotten with it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    /// The position of the journal's last line.
    pub(crate) last_position: u64,
    /// How full the finder's levels are.
    pub(crate) fill: Fill,
}

impl Known {
    /// Reads it from the tables.
    pub(crate) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        Ok(Self { last_position: read::last_position(connection)?, fill: Fill::read(connection)? })
    }
}

/// Checks a commit and writes it. What it adds to the finder is gathered.
pub(crate) fn commit(
    connection: &Connection,
    commit: &Commit,
    last_position: &mut u64,
    gathered: &mut Gathered<'_>,
) -> Outcome {
    if let Some(flaw) = commit.flaw() {
        return Ok(Err(CommitRefused::malformed(flaw)));
    }
    if let Some(refused) = refused_key(connection, commit.key.as_ref(), gathered)? {
        return Ok(Err(refused));
    }
    if let Some(refused) = refused_attachment(connection, commit)? {
        return Ok(Err(refused));
    }
    if let Some(refused) = refused_event(connection, commit.inbox.as_ref(), gathered)? {
        return Ok(Err(refused));
    }
    if let Some((row, expected)) = &commit.closure {
        let mut change = Change::of(connection, row)?;
        if let Some(refused) = rows::refused(connection, row, *expected, &change)? {
            return Ok(Err(refused));
        }
        if commit.lines.first().is_some_and(|first| first.sequence <= change.last_sequence()) {
            return Ok(Err(CommitRefused::malformed("the journal has a line of this sequence already")));
        }
        for line in &commit.lines {
            *last_position += 1;
            let position = signed(*last_position);
            write_line(connection, row.key, line, position, change.last_line())?;
            change.end_lines_at(position, line.sequence);
        }
        rows::write(connection, row, &change, gathered)?;
    }
    if let Some(entry) = &commit.inbox {
        write_event(connection, entry, gathered)?;
    }
    if let Some(entry) = &commit.key {
        write_key(connection, entry, gathered)?;
    }
    Ok(Ok(()))
}

fn refused_key(
    connection: &Connection,
    entry: Option<&KeyEntry>,
    gathered: &Gathered<'_>,
) -> rusqlite::Result<Option<CommitRefused>> {
    let Some(entry) = entry else { return Ok(None) };
    let numbers = gathered.numbered(connection, &Name::Key { scope: &entry.scope, key: &entry.key })?;
    let used = read::key(connection, &numbers, &entry.scope, &entry.key)?;
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
    gathered: &Gathered<'_>,
) -> rusqlite::Result<Option<CommitRefused>> {
    let Some(entry) = entry else { return Ok(None) };
    let name = Name::Event { adapter: &entry.adapter, event: &entry.event };
    let numbers = gathered.numbered(connection, &name)?;
    let digest = read::digest_of_event(connection, &numbers, &entry.adapter, &entry.event)?;
    Ok(digest.map(|digest| match digest == entry.digest {
        true => CommitRefused::SameEvent,
        false => CommitRefused::OtherBody,
    }))
}

fn write_line(
    connection: &Connection,
    closure: Uuid,
    line: &Line,
    position: i64,
    previous: Option<i64>,
) -> rusqlite::Result<()> {
    let mut append = connection.prepare_cached(
        "INSERT INTO journal (position, closure, sequence, at, kind, announcement, body, previous)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    append.execute(params![
        position,
        closure.as_bytes(),
        signed(line.sequence),
        line.at,
        line.kind,
        line.announcement,
        &line.body[..],
        previous,
    ])?;
    Ok(())
}

fn write_event(
    connection: &Connection,
    entry: &InboxEntry,
    gathered: &mut Gathered<'_>,
) -> rusqlite::Result<()> {
    let mut take = connection.prepare_cached(
        "INSERT INTO inbox (adapter, event, digest, organisation, conversation, received_at, result)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )?;
    let arrival = take.insert(params![
        entry.adapter,
        entry.event,
        entry.digest,
        entry.organisation,
        entry.conversation.as_ref().map(|id| &id.as_bytes()[..]),
        entry.received_at,
        entry.result,
    ])?;
    let name = Name::Event { adapter: &entry.adapter, event: &entry.event };
    gathered.add(&name, Place::Numbered(arrival));
    Ok(())
}

fn write_key(connection: &Connection, entry: &KeyEntry, gathered: &mut Gathered<'_>) -> rusqlite::Result<()> {
    let mut keep = connection.prepare_cached(
        "INSERT INTO idempotency_keys (scope, key, digest, closure, attached, used_at)
         VALUES (?, ?, ?, ?, ?, ?)",
    )?;
    let number = keep.insert(params![
        entry.scope,
        entry.key,
        entry.digest,
        entry.closure.as_bytes(),
        entry.attached,
        entry.used_at,
    ])?;
    let name = Name::Key { scope: &entry.scope, key: &entry.key };
    gathered.add(&name, Place::Numbered(number));
    Ok(())
}

const _: () = assert!(OPEN == 0 && ENDED == 1 && SET_ASIDE == 2, "the indexes name these figures");
