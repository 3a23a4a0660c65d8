//! A store that is asked for one work after the other while something fails, and another store that looks on.

use std::time::{Duration, Instant};

use store::{
    Store as _,
    conformance::witness::{Told, Work},
};
use store_postgres::{Address, PostgresStore};

use crate::server;

/// Within what the store has to work again, here with all that it was asked.
pub const BACK_WITHIN: Duration = Duration::from_secs(5);

/// Closures of each work; the next work begins with the number after them.
const CLOSURES: u64 = 2;

pub struct Scene {
    store: PostgresStore,
    witness: PostgresStore,
    works: Vec<Told>,
}

impl Scene {
    /// Opens both stores; `address` leads to the schema, past what fails or not.
    pub async fn begin(address: &Address, schema: &str) -> Self {
        let store = PostgresStore::open(address, true).await.expect("nothing fails yet");
        let witness = PostgresStore::open(&server::address(schema), false).await.expect("it answers");
        let mut scene = Self { store, witness, works: Vec::new() };
        // What is prepared when it is first needed is behind it after this.
        scene.works(&|| true, "before").await;
        scene
    }

    /// Asks for a work while something fails, until `is_sound` says otherwise, and looks at what is there.
    pub async fn works(&mut self, is_sound: &(dyn Fn() -> bool + Sync), case: &str) -> &Told {
        let work = Work {
            from: self.works.len() as u64 * CLOSURES,
            pairs: CLOSURES / 2,
            pause: Duration::from_millis(5),
            gives_up: false,
        };
        let begun = Instant::now();
        let told = work.ask(&self.store, is_sound).await;
        let took = begun.elapsed();
        assert_eq!(told.answers(), 3 * CLOSURES, "{case}: all was answered in the end");
        assert!(took < BACK_WITHIN, "{case}: {took:?}, and {} refusals: {}", told.refused, told.why);
        told.is_found(&self.witness, case).await.expect("nothing is between it and the server");
        self.works.push(told);
        self.works.last().expect("it was just put there")
    }

    /// Looks once more for all of it, by way of the store itself.
    pub async fn end(self) {
        for told in &self.works {
            told.is_found(&self.store, "in the end").await.expect("nothing fails any more");
        }
        self.store.close().await.expect("nothing fails any more");
    }
}
