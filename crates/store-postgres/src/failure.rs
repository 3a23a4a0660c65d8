//! What can go wrong with the database, in words for an operator.

use std::{error::Error, fmt, io};

use store::StoreUnavailable;
use tokio_postgres::types::{WasNull, WrongType};

/// Why a database cannot be opened as a store. Each prints one sentence that says what to do.
#[derive(Debug)]
pub enum OpenError {
    /// Another service has the store open.
    InUse,
    /// The tables were written by a later release that this program cannot work beside.
    Newer {
        /// The schema version of the tables.
        found: i32,
        /// The latest schema version that this program knows.
        known: i32,
    },
    /// Another store was to be copied into it, and that has not come to its end.
    HalfCopied,
    /// The schema holds tables of another program.
    NotOurs {
        /// The schema's name.
        schema: String,
    },
    /// The server is older than [`OLDEST_SERVER`](crate::OLDEST_SERVER).
    TooOld {
        /// What the server says of itself.
        server: String,
    },
    /// The certificates that a connection is to be checked against cannot be used.
    Certificates(String),
    /// The database cannot be reached, or refuses.
    Database(StoreUnavailable),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse => f.write_str(
                "another service has the store open; stop it, or name another database or another ?schema=",
            ),
            Self::Newer { found, known } => write!(
                f,
                "the store has schema version {found} and this program knows versions up to {known}; use the \
                 release that wrote it, or a later one"
            ),
            Self::HalfCopied => f.write_str(
                "a copy into it has not come to its end; run closeout store migrate again, it begins anew",
            ),
            Self::NotOurs { schema } => write!(
                f,
                "the schema {schema} holds tables of another program and was left as it is; name another with ?schema="
            ),
            Self::TooOld { server } => write!(
                f,
                "the server is PostgreSQL {server}, and {} is the oldest that is known to work",
                crate::OLDEST_SERVER
            ),
            Self::Certificates(why) => f.write_str(why),
            Self::Database(why) => f.write_str(&why.why),
        }
    }
}

impl Error for OpenError {}

impl From<Trouble> for OpenError {
    fn from(trouble: Trouble) -> Self {
        Self::Database(trouble.unavailable())
    }
}

/// How far a failure reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// One write is at fault; its neighbours may go on.
    Write,
    /// Another transaction stood in the way. Nothing was written, and the same may be tried again at once.
    Again,
    /// The server has ended a session that stood still between two statements. Nothing was written, and the same may be tried again
    /// with another one.
    Ended,
    /// The store cannot write now; the connection stays good.
    Store,
    /// The connection can no longer be trusted: the server says so, or says nothing in time.
    Connection,
    /// The connection is lost, without a word of why.
    Lost,
}

/// A failure of a statement or of the connection.
#[derive(Debug, Clone)]
pub(crate) struct Trouble {
    pub(crate) reach: Reach,
    why: String,
}

impl Trouble {
    /// A stored value that no release writes.
    pub(crate) fn unreadable(what: &str) -> Self {
        Self { reach: Reach::Write, why: format!("the database holds {what}") }
    }

    /// No answer within the time that is given for it.
    pub(crate) fn late(what: &str) -> Self {
        let why = format!("the database did not answer in time ({what})");
        Self { reach: Reach::Connection, why }
    }

    /// The session has not the right to write that a sole owner needs.
    pub(crate) fn not_owner() -> Self {
        let why = "another service has taken the store meanwhile; stop one of the two".to_owned();
        Self { reach: Reach::Connection, why }
    }

    /// The same at the moment of a commit: what became of it is not known.
    pub(crate) fn at_commit(self) -> Self {
        match self.reach {
            Reach::Connection | Reach::Lost => {
                Self { why: format!("{}; whether the last write is durable is not known", self.why), ..self }
            }
            Reach::Write | Reach::Again | Reach::Ended | Reach::Store => self,
        }
    }

    pub(crate) fn unavailable(&self) -> StoreUnavailable {
        StoreUnavailable { why: self.why.clone() }
    }
}

impl From<tokio_postgres::Error> for Trouble {
    fn from(failure: tokio_postgres::Error) -> Self {
        if let Some(said) = failure.as_db_error() {
            let code = said.code().code();
            let words = in_words(code).map_or_else(String::new, |words| format!("{words} "));
            let why = format!("{words}(PostgreSQL {code}: {})", said.message());
            return Self { reach: reach(code), why };
        }
        let (reach, why) = without_answer(&failure);
        Self { reach, why }
    }
}

/// What an SQLSTATE means for the writer (PostgreSQL's manual, appendix A). The first two characters are the class.
fn reach(code: &str) -> Reach {
    match code {
        // serialization_failure, deadlock_detected, lock_not_available.
        "40001" | "40P01" | "55P03" => Reach::Again,
        // idle_in_transaction_session_timeout.
        "25P03" => Reach::Ended,
        // transaction_timeout, read_only_sql_transaction (a server that is a stand-by now),
        // admin_shutdown, crash_shutdown, cannot_connect_now, database_dropped.
        "25P04" | "25006" | "57P01" | "57P02" | "57P03" | "57P04" | "57P05" => Reach::Connection,
        _ => match code.get(..2) {
            // data_exception, integrity_constraint_violation, program_limit_exceeded.
            Some("22" | "23" | "54") => Reach::Write,
            // connection_exception, invalid_transaction_state, system_error, internal_error.
            Some("08" | "25" | "58" | "XX") => Reach::Connection,
            _ => Reach::Store,
        },
    }
}

fn in_words(code: &str) -> Option<&'static str> {
    Some(match code {
        "28P01" | "28000" => {
            "the database refuses the login; check the user, and the password in store.password"
        }
        "3D000" => "there is no such database; create it, or name another in store.url",
        "42501" => "the database user may not do this; give it CREATE on the database, or the schema to own",
        "25006" => "the server takes no writes: it is a stand-by",
        "53100" => "the database's disk is full; free space and it goes on by itself",
        "53300" => "the database has no connection to spare; raise max_connections",
        "57P01" | "57P02" | "57P03" => "the database is being stopped or started",
        "57014" => "the database took too long",
        "25P03" => {
            "this service stood still in the midst of a write again and again; the machine is too slow, or was stopped"
        }
        "40001" | "40P01" | "55P03" => "other writers stood in the way again and again",
        _ => return None,
    })
}

/// A failure that the server has not told of.
fn without_answer(failure: &tokio_postgres::Error) -> (Reach, String) {
    let source = failure.source();
    if source.is_some_and(|source| source.is::<WasNull>() || source.is::<WrongType>()) {
        return (Reach::Write, "a column of the database is not as this program made it".to_owned());
    }
    let mut cause = failure.to_string();
    if let Some(source) = source {
        cause = format!("{cause}: {source}");
    }
    let lost = || (Reach::Lost, "the connection to the database was lost".to_owned());
    match source.and_then(|source| source.downcast_ref::<io::Error>()).map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => {
            (Reach::Connection, "nothing listens where the database should be".to_owned())
        }
        Some(
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::TimedOut,
        ) => lost(),
        Some(_) | None if failure.is_closed() => lost(),
        Some(_) | None => (Reach::Connection, format!("the database cannot be reached ({cause})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_says_how_far_a_failure_reaches() {
        for (code, expected) in [
            ("23505", Reach::Write),
            ("22021", Reach::Write),
            ("54000", Reach::Write),
            ("40001", Reach::Again),
            ("40P01", Reach::Again),
            ("53100", Reach::Store),
            ("57014", Reach::Store),
            ("42501", Reach::Store),
            ("25006", Reach::Connection),
            ("25P02", Reach::Connection),
            ("25P03", Reach::Ended),
            ("57P01", Reach::Connection),
            ("08006", Reach::Connection),
            ("XX000", Reach::Connection),
        ] {
            assert_eq!(reach(code), expected, "{code}");
        }
    }

    #[test]
    fn only_a_lost_connection_leaves_a_commit_in_doubt() {
        let lost = Trouble::late("a commit").at_commit();
        assert!(lost.unavailable().why.ends_with("is not known"), "{lost:?}");
        let full = Trouble { reach: Reach::Store, why: "the disk is full".to_owned() };
        assert_eq!(full.at_commit().unavailable().why, "the disk is full");
    }
}
