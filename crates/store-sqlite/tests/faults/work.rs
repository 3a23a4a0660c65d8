//! What the tests ask of a store, and where they find it afterwards.

use std::{
    fs,
    path::{Path, PathBuf},
};

use store::{
    Store,
    conformance::{
        samples,
        witness::{Told, Work},
    },
};
use store_sqlite::SqliteStore;
use tempfile::TempDir;

use crate::disk::Disk;

const FILE: &str = "closeout.db";

/// A new store to copy: making one takes longer than what most tests do with it.
pub(crate) struct EmptyStore(TempDir);

impl EmptyStore {
    /// Made on the disk of the test, which is sound.
    pub(crate) fn made() -> Self {
        let folder = tempfile::tempdir().expect("the disk is sound");
        drop(SqliteStore::open(folder.path().join(FILE)).expect("the disk is sound"));
        Self(folder)
    }

    /// A copy in a folder of its own.
    pub(crate) fn copied(&self) -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("the disk is sound");
        let path = folder.path().join(FILE);
        fs::copy(self.0.path().join(FILE), &path).expect("the disk is sound");
        (folder, path)
    }
}

/// Asks for the work of the witness; `gives_up` ends it with the first refusal.
pub(crate) async fn work(store: &SqliteStore, disk: &Disk, gives_up: bool) -> Told {
    Work { gives_up, ..Work::default() }.ask(store, &|| disk.is_sound()).await
}

/// Opens the store again, and looks whether it holds what was answered and nothing by halves.
pub(crate) async fn is_found_in(told: &Told, path: &Path, case: &str) {
    let store = SqliteStore::open(path).unwrap_or_else(|why| panic!("{case}: {why}"));
    is_found(told, &store, case).await;
    assert_eq!(store.check_integrity().await.expect("the disk is sound"), Vec::<String>::new(), "{case}");
    store.commit(samples::insert(&samples::row(99))).await.unwrap_or_else(|why| panic!("{case}: {why}"));
}

/// The same of a store that is open.
pub(crate) async fn is_found(told: &Told, store: &SqliteStore, case: &str) {
    told.is_found(store, case).await.expect("the disk is sound");
}
