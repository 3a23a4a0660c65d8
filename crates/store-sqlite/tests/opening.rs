//! Which files are opened, and what is said about those that are not.

use std::{error::Error, fs, path::Path};

use rusqlite::Connection;
use store_sqlite::{OpenError, SqliteStore};

/// Opens what must be refused, checks that it is left as it was, and returns what is said.
fn refusal(path: &Path) -> String {
    let names = || {
        let entries = fs::read_dir(path.parent().expect("it is in a folder")).into_iter().flatten();
        entries
            .map(|entry| entry.expect("the folder can be read").file_name())
            .collect::<std::collections::BTreeSet<_>>()
    };
    let (before, beside) = (fs::read(path).ok(), names());
    let refused = SqliteStore::open(path).expect_err("the file must be refused");
    assert_eq!(fs::read(path).ok(), before, "a refused file is left as it was");
    assert_eq!(names(), beside, "and nothing is left beside it");
    refused.to_string()
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    fs::write(&path, "Remember the milk. ".repeat(100)).unwrap();
    assert!(refusal(&path).contains("is not a database"));
}

#[test]
fn the_database_of_another_program_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("recipes.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE recipes (name TEXT)").unwrap();
    assert!(refusal(&path).contains("another program"));
}

#[test]
fn a_store_of_a_later_release_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("closeout.db");
    drop(SqliteStore::open(&path).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 9_999).unwrap();
    let said = refusal(&path);
    assert!(said.contains("schema version 9999") && said.contains("later"), "{said}");
}

#[test]
fn a_store_that_is_open_is_not_opened_a_second_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("closeout.db");
    let first = SqliteStore::open(&path).unwrap();
    let said = refusal(&path);
    assert!(said.contains(&format!("process {} has the store open", std::process::id())), "{said}");
    drop(first);
    SqliteStore::open(&path).unwrap();
}

#[cfg(unix)]
#[test]
fn another_name_of_the_file_does_not_go_around_the_lock() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("closeout.db");
    let link = folder.path().join("link.db");
    let _first = SqliteStore::open(&path).unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(refusal(&link).contains("has the store open"));
}

#[test]
fn a_folder_that_is_missing_is_named_as_the_cause() {
    let folder = tempfile::tempdir().unwrap();
    let refused = SqliteStore::open(folder.path().join("missing/closeout.db")).unwrap_err();
    assert!(matches!(refused, OpenError::File(_)), "{refused}");
    assert!(refused.source().unwrap().to_string().contains("No such file"), "{refused}");
}

#[test]
fn a_log_without_its_database_is_refused_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("closeout.db");
    let log = folder.path().join("closeout.db-wal");
    fs::write(&log, "what was committed last").unwrap();
    let said = refusal(&path);
    assert!(said.contains("a log") && said.contains("database has gone"), "{said}");
    assert_eq!(fs::read_to_string(&log).unwrap(), "what was committed last");
}

#[cfg(unix)]
#[test]
fn a_link_to_a_file_that_is_not_there_yet_has_the_lock_of_that_file() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink("closeout.db", &link).unwrap();
    let _first = SqliteStore::open(&link).unwrap();
    assert!(refusal(&folder.path().join("closeout.db")).contains("has the store open"));
}
