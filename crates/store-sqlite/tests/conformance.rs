//! The store in a file, and the one in memory, keep every guarantee of the port.

use std::sync::{Arc, Mutex};

use store::{Store, conformance::Place};
use store_sqlite::SqliteStore;
use tempfile::TempDir;

/// A store in a folder of its own.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("the test has a folder that can be written"))
    }
}

impl Place for Folder {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(
            SqliteStore::open(self.0.path().join("closeout.db"))
                .expect("the test has a folder that can be written"),
        )
    }
}

mod in_a_file {
    use super::Folder;

    store::conformance_tests!(Folder::new());
}

/// A store that forgets when it is dropped, so it is kept: opening it again finds the same one.
#[derive(Default)]
struct Memory(Mutex<Option<Arc<dyn Store>>>);

impl Place for Memory {
    async fn open(&self) -> Arc<dyn Store> {
        let mut kept = self.0.lock().expect("no other thread panicked");
        Arc::clone(
            kept.get_or_insert_with(|| Arc::new(SqliteStore::open_in_memory().expect("there is memory"))),
        )
    }
}

mod in_memory {
    use super::Memory;

    store::conformance_tests!(Memory::default());
}
