//! The store keeps every guarantee of the port on a real server, which `tests/postgres/run` starts.

use std::sync::Arc;

use store::{Store, conformance::Place};
use store_postgres::{Address, PostgresStore};
use uuid::Uuid;

/// A schema of its own in the server's database.
struct Schema(Address);

impl Schema {
    fn new() -> Self {
        let server = std::env::var("CLOSEOUT_TEST_POSTGRES").expect("tests/postgres/run names a server");
        let schema = Uuid::new_v4().simple();
        let address = Address::parse(&format!("{server}?schema=case_{schema}"));
        Self(address.expect("tests/postgres/run names a server"))
    }
}

impl Place for Schema {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(PostgresStore::open(&self.0, true).await.expect("the server of the test answers"))
    }
}

store::conformance_tests!(Schema::new());
