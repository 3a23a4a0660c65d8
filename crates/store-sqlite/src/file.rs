//! The file: its lock, its connections and their settings.

use std::{
    ffi::OsString,
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Write},
    path::{Path, PathBuf},
    process,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};

use crate::{
    failure::OpenError,
    home::Identity,
    schema::{self, Found},
};

/// How long a connection waits for a lock that a checkpoint or a backup of another process holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes in a page of a new file. A row with a body of up to 1.9 KiB then stays in one page; with SQLite's 4 KiB it
/// spills over at half of that, and a commit costs a third more.
const PAGE_SIZE: i64 = 8_192;

/// Pages in the write-ahead log at which they are moved into the database: 128 MiB. A page that changes often is then
/// moved once for many commits; a quarter of it costs a twentieth of the throughput under full load.
const CHECKPOINT_PAGES: i64 = 16_384;

/// The size to which the write-ahead log is cut after a long reader let it grow: 256 MiB.
const LOG_LIMIT: i64 = 256 << 20;

/// Memory for pages on the writing connection, in KiB (negative is how SQLite tells KiB from pages).
const WRITER_CACHE: i64 = -3_072;

/// Memory for pages on each reading connection, in KiB.
const READER_CACHE: i64 = -512;

/// The statements that a connection keeps prepared; more than the store has.
const STATEMENTS: usize = 96;

/// Holds the right to be the only process that writes. The operating system lets go of it when the process ends,
/// however it ends.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    path: PathBuf,
    /// Whether the file was not there before.
    made: bool,
}

/// How often a lock is taken anew whose file was removed meanwhile. Each time somebody else was refused the store.
const TRIES_TO_LOCK: u32 = 16;

impl Lock {
    pub(crate) fn take(database: &Path) -> Result<Self, OpenError> {
        Self::take_once_opened(database, || {})
    }

    /// `opened` runs between the opening and the locking of the file, each time.
    fn take_once_opened(database: &Path, mut opened: impl FnMut()) -> Result<Self, OpenError> {
        let path = beside(database, ".lock");
        for _ in 0..TRIES_TO_LOCK {
            let made = !path.exists();
            let lock = Self { file: Self::lock(&path, &mut opened)?, path: path.clone(), made };
            // Whoever was refused the store may have removed the file between its opening and its locking.
            if lock.is_in_place() {
                lock.sign()?;
                return Ok(lock);
            }
        }
        Err(OpenError::LockGone)
    }

    fn lock(path: &Path, opened: &mut impl FnMut()) -> Result<File, OpenError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path).map_err(OpenError::File)?;
        opened();
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                let by = file.read_to_string(&mut owner).ok().and_then(|_| owner.trim().parse().ok());
                Err(OpenError::InUse { by })
            }
            Err(TryLockError::Error(failure)) => Err(OpenError::File(failure)),
        }
    }

    /// Whether the path leads to the file that is locked.
    fn is_in_place(&self) -> bool {
        Identity::of(&self.path).is_some_and(|found| Identity::of_file(&self.file) == Some(found))
    }

    /// Says in the file who holds it.
    fn sign(&self) -> Result<(), OpenError> {
        let mut file = &self.file;
        self.file.set_len(0).and_then(|()| writeln!(file, "{}", process::id())).map_err(OpenError::File)
    }

    /// Lets go, and leaves nothing behind that was not there before. The file is removed while it is locked: who has
    /// opened it meanwhile finds that it is not in place any more, and takes the lock anew. Where files have no identity
    /// that could be compared, it stays.
    pub(crate) fn withdraw(self) {
        if cfg!(unix) && self.made && self.is_in_place() {
            // What cannot be removed is empty of meaning once it is let go of.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// The path of a file that belongs to the database and lies beside it.
pub(crate) fn beside(database: &Path, ending: &str) -> PathBuf {
    let mut path = OsString::from(database);
    path.push(ending);
    path.into()
}

/// Whether a database may be made where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    Create,
    Refuse,
}

/// Opens the connection that writes. A file that is refused is left as it was.
pub(crate) fn open_writer(database: &Path, missing: Missing) -> Result<Connection, OpenError> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    match missing {
        Missing::Create if is_empty(database) && !is_empty(&beside(database, "-wal")) => {
            return Err(OpenError::LogWithoutDatabase);
        }
        Missing::Create => flags |= OpenFlags::SQLITE_OPEN_CREATE,
        Missing::Refuse if !database.exists() => return Err(OpenError::Gone),
        Missing::Refuse => {}
    }
    let mut connection = Connection::open_with_flags(database, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let version = match schema::inspect(&connection)? {
        Found::Ours(version) if version > schema::VERSION => {
            return Err(OpenError::Newer { found: version, known: schema::VERSION });
        }
        Found::Ours(version) => version,
        Found::Empty => 0,
        Found::NotOurs => return Err(OpenError::NotOurs),
    };
    connection.pragma_update(None, "page_size", PAGE_SIZE)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", LOG_LIMIT)?;
    connection.pragma_update(None, "cache_size", WRITER_CACHE)?;
    settle(&connection)?;
    schema::migrate(&mut connection, version)?;
    Ok(connection)
}

/// Whether there is nothing in a file, or no such file.
fn is_empty(path: &Path) -> bool {
    path.metadata().map_or(true, |file| file.len() == 0)
}

/// Opens a database in memory: no file, no durability, gone with the connection.
pub(crate) fn open_in_memory() -> Result<Connection, OpenError> {
    let mut connection = Connection::open_in_memory()?;
    settle(&connection)?;
    schema::migrate(&mut connection, 0)?;
    Ok(connection)
}

/// Opens a connection that only reads; it sees every transaction that is durable, and never makes the writer wait.
pub(crate) fn open_reader(database: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(database, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "cache_size", READER_CACHE)?;
    settle(&connection)?;
    Ok(connection)
}

fn settle(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "temp_store", "MEMORY")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_writer_syncs_the_log_with_every_commit() {
        let folder = tempfile::tempdir().unwrap();
        let connection = open_writer(&folder.path().join("closeout.db"), Missing::Create).unwrap();
        let setting = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        // 2 is FULL; tests/faults cuts the power.
        assert_eq!(setting("synchronous").unwrap(), 2);
        let journal: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        assert_eq!(journal, "wal");
    }

    #[cfg(unix)]
    #[test]
    fn a_lock_on_a_file_that_was_withdrawn_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("closeout.db");
        let first = Lock::take(&database).unwrap();
        let path = beside(&database, ".lock");
        let opened = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        first.withdraw();
        assert!(!path.exists());
        opened.try_lock().unwrap();
        let too_late = Lock { file: opened, path: path.clone(), made: false };
        assert!(!too_late.is_in_place());
        let second = Lock::take(&database).unwrap();
        assert!(second.is_in_place() && !too_late.is_in_place());
        too_late.withdraw();
        drop(second);
        Lock::take(&database).unwrap().withdraw();
        assert!(path.exists(), "what was there before stays");
    }

    #[cfg(unix)]
    #[test]
    fn a_lock_whose_file_is_withdrawn_while_it_is_taken_is_taken_anew() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("closeout.db");
        let (mut refused, mut times) = (Some(Lock::take(&database).unwrap()), 0);
        let withdrawn = || {
            times += 1;
            refused.take().into_iter().for_each(Lock::withdraw);
        };
        let lock = Lock::take_once_opened(&database, withdrawn).unwrap();
        assert_eq!(times, 2);
        assert!(lock.is_in_place(), "nobody else can take another one");
        assert!(matches!(Lock::take(&database), Err(OpenError::InUse { .. })));
    }
}
