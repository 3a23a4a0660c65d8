//! A copy of the database while it is written, and the check that a database is sound.

use std::{
    error::Error,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use rusqlite::{
    Connection,
    backup::{Backup, StepResult},
};

use crate::{
    failure::OpenError,
    file::{beside, open_reader},
    schema::{self, Found},
};

/// Pages that are copied between two reports of progress: 4 MiB.
const PAGES_PER_STEP: i32 = 1_024;

/// How far a backup has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupProgress {
    /// Pages copied so far.
    pub copied_pages: u64,
    /// Pages in all.
    pub pages: u64,
}

/// Why there is no backup. What was copied so far has been removed.
#[derive(Debug)]
pub enum BackupError {
    /// What is to be copied is no store; nothing was written.
    NoStore(OpenError),
    /// There is a file of that name already; it was left as it is.
    Exists(PathBuf),
    /// The copy cannot be put in its place.
    File(io::Error),
    /// The store cannot be read, or the copy cannot be written.
    Sqlite(rusqlite::Error),
    /// The store is gone or stopped.
    Unavailable(store::StoreUnavailable),
}

impl fmt::Display for BackupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoStore(why) => why.fmt(f),
            Self::Exists(path) => write!(f, "{} is there already; name another file", path.display()),
            Self::File(_) => f.write_str("the copy cannot be put in its place"),
            Self::Sqlite(_) => f.write_str("the store cannot be copied"),
            Self::Unavailable(_) => f.write_str("the store cannot be read"),
        }
    }
}

impl Error for BackupError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NoStore(why) => why.source(),
            Self::Exists(_) => None,
            Self::File(source) => Some(source),
            Self::Sqlite(source) => Some(source),
            Self::Unavailable(source) => Some(source),
        }
    }
}

impl From<rusqlite::Error> for BackupError {
    fn from(failure: rusqlite::Error) -> Self {
        Self::Sqlite(failure)
    }
}

/// Copies the database file `database` to the new file `to`, also while another process serves from it.
///
/// The copy is the store at one moment: everything committed before the call, and nothing half done. It appears
/// under its name only when it is whole. Commits go on meanwhile; the write-ahead log grows until the copy is done.
///
/// # Errors
///
/// See [`BackupError`].
pub fn backup_file(
    database: &Path,
    to: &Path,
    progress: impl FnMut(BackupProgress),
) -> Result<(), BackupError> {
    let from = open_store(database).map_err(BackupError::NoStore)?;
    copy(&from, to, progress)
}

/// Opens what is to be copied, if it is a store. One of a later release is copied too: a copy reads no table.
fn open_store(database: &Path) -> Result<Connection, OpenError> {
    let connection = open_reader(database)?;
    match schema::inspect(&connection)? {
        Found::Ours(_) => Ok(connection),
        Found::Empty => Err(OpenError::Empty),
        Found::NotOurs => Err(OpenError::NotOurs),
    }
}

pub(crate) fn copy(
    from: &Connection,
    to: &Path,
    progress: impl FnMut(BackupProgress),
) -> Result<(), BackupError> {
    if to.exists() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    let partial = beside(to, ".partial");
    let copied =
        copy_to(from, &partial, progress).and_then(|()| fs::rename(&partial, to).map_err(BackupError::File));
    if copied.is_err() {
        // It may never have been made; the first failure is the one to tell.
        let _ = fs::remove_file(&partial);
    }
    copied
}

fn copy_to(
    from: &Connection,
    partial: &Path,
    mut progress: impl FnMut(BackupProgress),
) -> Result<(), BackupError> {
    if partial.exists() {
        fs::remove_file(partial).map_err(BackupError::File)?;
    }
    let mut copy = Connection::open(partial)?;
    // One read transaction around all steps: otherwise every commit in between would begin the copy anew.
    let moment = from.unchecked_transaction()?;
    moment.query_row("SELECT count(*) FROM sqlite_schema", (), |_| Ok(()))?;
    let backup = Backup::new(from, &mut copy)?;
    while backup.step(PAGES_PER_STEP)? != StepResult::Done {
        report(&backup, &mut progress);
    }
    report(&backup, &mut progress);
    drop(backup);
    moment.rollback()?;
    // Leaves one file, without a log beside it.
    copy.pragma_update(None, "journal_mode", "DELETE")?;
    copy.close().map_err(|(_, failure)| failure)?;
    Ok(())
}

fn report(backup: &Backup<'_, '_>, progress: &mut impl FnMut(BackupProgress)) {
    let step = backup.progress();
    let pages = u64::try_from(step.pagecount).unwrap_or(0);
    let left = u64::try_from(step.remaining).unwrap_or(0);
    progress(BackupProgress { copied_pages: pages.saturating_sub(left), pages });
}

/// What is wrong with the database, one sentence each; nothing when it is sound.
pub(crate) fn problems(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut check = connection.prepare("PRAGMA integrity_check")?;
    let lines: Vec<String> = check.query_map((), |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(lines.into_iter().filter(|line| line != "ok").collect())
}
