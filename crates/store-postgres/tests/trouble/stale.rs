//! Ownership is taken away by force, from services that live and know nothing of it, and that go on writing what they hold.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use store::{Commit, CommitRefused, KeyEntry, Line, Row, Store, conformance::samples};
use store_postgres::PostgresStore;
use tokio_postgres::Client;

use crate::server;

/// How often ownership is taken away.
const TAKE_OVERS: u64 = 1_000;

/// How often the owner before and the one after write at the same moment.
const RACES: u64 = 200;

/// How long a take-over may take, with a service that has to be heard for four seconds first.
const TAKEN_WITHIN: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_thousand_forced_take_overs_no_owner_of_before_has_written_anything() {
    let mut fleet = Fleet::begin().await;
    let begun = Instant::now();
    for round in 0..TAKE_OVERS {
        let (before, held) = (fleet.owner, fleet.row.clone());
        fleet.take_over(round).await;
        // The first act of the new owner.
        let acted = samples::next(&held);
        fleet.store(fleet.owner).commit(by(fleet.owner, &acted)).await.expect("it is the owner's");
        fleet.row = acted.clone();
        // The one before writes what it would have written: a next step, an end, a step with an event and a key of its own.
        let steps = [samples::next(&held), samples::ended(&held), samples::next(&held)];
        let mut late = steps.map(|row| by(before, &row));
        late[2].key = Some(KeyEntry { closure: held.key, ..samples::idempotency_key("late") });
        late[2].inbox = Some(samples::event("late"));
        let asked = late.map(|commit| fleet.store(before).commit(commit));
        for answer in asked {
            let refused = answer.await.expect_err("a stale owner writes nothing");
            assert_eq!(refused, CommitRefused::Version(acted.version), "round {round}");
        }
        let works_on = fleet.store(before).due(i64::MAX, None, 10).await.expect("it answers");
        assert_eq!(works_on, [], "round {round}: it is not its closure any more");
    }
    println!("{TAKE_OVERS} take-overs in {:?}", begun.elapsed());
    fleet.holds_what_was_written(TAKE_OVERS).await;
}

/// Whoever writes first wins, and it is one alone: also the one before, as nothing hangs on who is taken for gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_that_hold_a_closure_for_theirs_one_writes() {
    let mut fleet = Fleet::begin().await;
    let mut won = [0, 0];
    for round in 0..RACES {
        let (before, held) = (fleet.owner, fleet.row.clone());
        fleet.take_over(round).await;
        let after = fleet.owner;
        let next = samples::next(&held);
        let [one, other] = [before, after].map(|service| {
            let (store, commit) = (Arc::clone(fleet.store(service)), by(service, &next));
            tokio::spawn(async move { store.commit(commit).await })
        });
        let outcomes = [one.await, other.await].map(|outcome| outcome.expect("it does not panic"));
        let winner = usize::from(outcomes[1].is_ok());
        assert_eq!(outcomes[winner], Ok(()), "round {round}: {outcomes:?}");
        assert_eq!(outcomes[1 - winner], Err(CommitRefused::Version(next.version)), "round {round}");
        won[winner] += 1;
        fleet.owner = [before, after][winner];
        fleet.row = next;
        fleet.writers.insert(fleet.row.version, fleet.owner);
    }
    println!("{} times the one before was first, {} times the one after", won[0], won[1]);
    fleet.holds_what_was_written(RACES).await;
}

/// Three services that live, and one closure.
struct Fleet {
    stores: [Arc<dyn Store>; 3],
    session: Client,
    schema: String,
    /// Who wrote the closure last, and what.
    owner: usize,
    row: Row,
    /// Who wrote each version.
    writers: BTreeMap<u64, usize>,
}

impl Fleet {
    async fn begin() -> Self {
        let schema = server::schema();
        let address = server::address(&schema);
        let open = || async {
            let store = PostgresStore::open(&address, false).await.expect("the server of the test answers");
            Arc::new(store) as Arc<dyn Store>
        };
        let stores = [open().await, open().await, open().await];
        let row = samples::row(1);
        stores[0].commit(by(0, &row)).await.expect("it is the first");
        let writers = BTreeMap::from([(row.version, 0)]);
        Self { stores, session: server::session().await, schema, owner: 0, row, writers }
    }

    fn store(&self, service: usize) -> &Arc<dyn Store> {
        &self.stores[service]
    }

    /// Lets the owner count as gone, as a standstill of a minute would, until one of the others has taken over from it. One that was not
    /// heard for much longer could be forgotten meanwhile, as it owns nothing after the take-over.
    async fn take_over(&mut self, round: u64) {
        let next = (self.owner + if round.is_multiple_of(3) { 2 } else { 1 }) % self.stores.len();
        let sql = format!(
            "UPDATE {0}.replicas SET seen_at = now() - interval '1 minute' WHERE id = (SELECT owner FROM {0}.closures WHERE key = $1)",
            self.schema
        );
        let begun = Instant::now();
        loop {
            let changed =
                self.session.execute(&sql, &[&self.row.key]).await.expect("the test owns the server");
            assert_eq!(changed, 1, "round {round}: the closure has an owner");
            // A beat of the owner may come between.
            let taken = self.store(next).take_over(8).await.expect("it answers");
            if !taken.is_empty() {
                assert_eq!(taken, std::slice::from_ref(&self.row), "round {round}: as it was written last");
                self.owner = next;
                self.writers.insert(self.row.version + 1, next);
                return;
            }
            assert!(begun.elapsed() < TAKEN_WITHIN, "round {round}: nobody takes over");
        }
    }

    /// Looks for each version, by its owner, and for nothing else.
    async fn holds_what_was_written(&self, rounds: u64) {
        let store = &self.stores[self.owner];
        assert_eq!(store.load(self.row.key).await.expect("it answers"), Some(self.row.clone()));
        assert_eq!(self.row.version, rounds + 1);
        let journal = store.journal(self.row.key).await.expect("it answers");
        let written: Vec<_> =
            journal.iter().map(|placed| (placed.line.sequence, placed.line.body.clone())).collect();
        let owners: Vec<_> = self.writers.iter().map(|(version, owner)| (*version, name(*owner))).collect();
        assert_eq!(written, owners, "one line for each version, by who owned the closure then");
        assert_eq!(store.inbox(10).await.expect("it answers"), []);
        assert_eq!(store.key("producer", "late").await.expect("it answers"), None);
    }
}

/// A commit of a version whose line says who wrote it.
fn by(service: usize, row: &Row) -> Commit {
    let line = Line { body: name(service), ..samples::line(row.version, None) };
    Commit { lines: vec![line], ..samples::bare(row) }
}

fn name(service: usize) -> Bytes {
    Bytes::from(format!("service {service}"))
}
