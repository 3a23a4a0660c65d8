//! A backup is the store at one moment, taken while the store goes on.

use std::{
    fs,
    sync::{Arc, Mutex},
};

use store::{Store, conformance::samples};
use store_sqlite::{BackupError, BackupProgress, OpenError, SqliteStore, backup_file};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_taken_while_commits_go_on_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(folder.path().join("closeout.db")).unwrap());
    for commit in (0..3_000).map(|n| store.commit(samples::insert(&samples::row(n)))).collect::<Vec<_>>() {
        commit.await.unwrap();
    }
    let copy = folder.path().join("copy.db");
    let seen: Arc<Mutex<Vec<BackupProgress>>> = Arc::default();
    let saw = Arc::clone(&seen);
    let backup = store.backup(&copy, move |progress| saw.lock().unwrap().push(progress));
    let writing = async {
        for n in 3_000..3_200 {
            store.commit(samples::insert(&samples::row(n))).await.unwrap();
        }
    };
    let (done, ()) = tokio::join!(backup, writing);
    done.unwrap();

    let last = *seen.lock().unwrap().last().expect("progress is told");
    assert!(last.pages > 0 && last.copied_pages == last.pages, "{last:?}");
    let copied = SqliteStore::open(&copy).unwrap();
    assert_eq!(copied.check_integrity().await.unwrap(), Vec::<String>::new());
    let rows = copied.open_after(None, 10_000).await.unwrap();
    assert!(rows.len() >= 3_000, "{} rows were copied", rows.len());
    for row in &rows {
        assert_eq!(copied.journal(row.key).await.unwrap().len(), 1, "row and line are one unit");
    }
    copied.commit(samples::insert(&samples::row(9_999))).await.unwrap();
    assert_eq!(store.open_after(None, 10_000).await.unwrap().len(), 3_200);
}

#[tokio::test]
async fn a_file_that_another_store_serves_can_be_backed_up() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("closeout.db"), folder.path().join("copy.db"));
    let store = SqliteStore::open(&path).unwrap();
    store.commit(samples::insert(&samples::row(1))).await.unwrap();
    backup_file(&path, &copy, |_| {}).unwrap();
    let copied = SqliteStore::open(&copy).unwrap();
    assert_eq!(copied.load(samples::key(1)).await.unwrap(), Some(samples::row(1)));
}

#[test]
fn what_is_no_store_is_refused_and_not_copied() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("other.db"), folder.path().join("copy.db"));
    let refused = || match backup_file(&path, &copy, |_| {}) {
        Err(BackupError::NoStore(why)) => why,
        other => panic!("{other:?}"),
    };
    fs::write(&path, "").unwrap();
    assert!(matches!(refused(), OpenError::Empty));
    fs::write(
        &path,
        "no database, though it is long enough to be taken for the header of one by its length alone",
    )
    .unwrap();
    assert!(matches!(refused(), OpenError::NotADatabase));
    fs::remove_file(&path).unwrap();
    let foreign = rusqlite::Connection::open(&path).unwrap();
    foreign.execute_batch("PRAGMA application_id = 7; CREATE TABLE recipes (name TEXT)").unwrap();
    drop(foreign);
    assert!(matches!(refused(), OpenError::NotOurs));
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["other.db"]);
}

#[tokio::test]
async fn a_store_in_memory_can_be_backed_up() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open_in_memory().unwrap();
    store.commit(samples::insert(&samples::row(1))).await.unwrap();
    store.backup(&folder.path().join("copy.db"), |_| {}).await.unwrap();
    let copied = SqliteStore::open(folder.path().join("copy.db")).unwrap();
    assert_eq!(copied.load(samples::key(1)).await.unwrap(), Some(samples::row(1)));
}

#[tokio::test]
async fn a_backup_never_replaces_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open_in_memory().unwrap();
    let precious = folder.path().join("precious.db");
    fs::write(&precious, "precious").unwrap();
    let refused = store.backup(&precious, |_| {}).await.unwrap_err();
    assert!(matches!(refused, BackupError::Exists(_)), "{refused}");
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
}

#[tokio::test]
async fn a_backup_that_cannot_be_written_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open_in_memory().unwrap();
    let refused = store.backup(&folder.path().join("missing/copy.db"), |_| {}).await.unwrap_err();
    assert!(matches!(refused, BackupError::Sqlite(_)), "{refused}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
