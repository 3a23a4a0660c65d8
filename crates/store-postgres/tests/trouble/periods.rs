//! Tables that are divided by time: what is old goes as a whole, and what is kept of its time stays.

use std::time::Duration;

use bytes::Bytes;
use store::{ClosureKey, Commit, InboxEntry, KeyEntry, Row, Store, conformance::samples};
use store_postgres::{Periods, PostgresStore};
use tokio::time::Instant;
use uuid::Uuid;

use crate::server;

const SHORT: Periods = Periods { closures: Duration::from_secs(1), events: Duration::from_secs(1) };

fn now() -> i64 {
    let (seconds, nanos) = Uuid::now_v7().get_timestamp().expect("it begins with one").to_unix();
    i64::try_from(seconds).expect("it is a time of now") * 1_000 + i64::from(nanos) / 1_000_000
}

/// Writes a closure with a line, an event and a key, all of now; it ends with `ended`.
async fn close(store: &dyn Store, number: u64, ended: bool) -> ClosureKey {
    let (key, now) = (Uuid::now_v7(), now());
    let row = Row { key, created_at: now, updated_at: now, ..samples::row(number) };
    let first = Commit {
        key: Some(KeyEntry {
            closure: key,
            used_at: now,
            ..samples::idempotency_key(&format!("key {number}"))
        }),
        inbox: Some(InboxEntry { received_at: now, ..samples::event(&format!("event {number}")) }),
        lines: vec![samples::line(1, Some("closure.accepted"))],
        ..samples::bare(&row)
    };
    store.commit(first).await.expect("it is in order");
    if ended {
        let last = Row { updated_at: now, ..samples::ended(&row) };
        store
            .commit(Commit { lines: vec![samples::line(2, None)], ..samples::bare(&last) })
            .await
            .expect("too");
    }
    key
}

async fn parts(schema: &str, table: &str) -> Vec<String> {
    let sql = "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
               WHERE i.inhparent = ($1::text || '.' || $2::text)::regclass ORDER BY 1";
    let rows = server::session().await.query(sql, &[&schema, &table]).await.expect("it can be asked");
    rows.iter().map(|row| row.get(0)).collect()
}

async fn count(schema: &str, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {schema}.{table}");
    server::session().await.query_one(&sql, &[]).await.expect("it can be asked").get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_old_goes_as_a_whole_and_what_is_kept_of_its_time_stays() {
    let schema = server::schema();
    let store = PostgresStore::open_with(&server::address(&schema), true, SHORT).await.expect("it answers");
    let (kept, gone) = (close(&store, 2, false).await, close(&store, 1, true).await);
    let lines = store.journal(kept).await.expect("it answers");
    assert_eq!((lines.len(), count(&schema, "journal").await), (1, 3));
    assert_eq!(count(&schema, "journal_rest").await, 0, "there is a part for now");

    let begun = Instant::now();
    while count(&schema, "journal_rest").await == 0 {
        assert!(begun.elapsed() < Duration::from_secs(20), "the part of the time stays");
        tokio::time::sleep(Duration::from_millis(200)).await;
        let old = now() - 1_000;
        while store.prune(old, old, 10).await.expect("it answers") > 0 {}
    }
    assert_eq!(store.load(gone).await.expect("it answers"), None);
    assert_eq!(store.journal(gone).await.expect("it answers"), []);
    assert_eq!(store.journal(kept).await.expect("it answers"), lines, "with their positions");
    assert_eq!(store.announcements(0, 10).await.expect("it answers"), lines);
    for table in ["journal", "inbox", "idempotency_keys"] {
        assert_eq!(count(&schema, table).await, i64::from(table == "journal"), "{table}");
        assert!(parts(&schema, table).await.len() > 2, "there are parts for what comes");
    }
    // A key and an event that are gone are new again, and positions go on.
    let again = close(&store, 1, false).await;
    let next = store.journal(again).await.expect("it answers")[0].position;
    assert!(next > lines[0].position + 2, "{next} comes after all that were given out");

    // What is left ends at last, and its lines go with it.
    let row = store.load(kept).await.expect("it answers").expect("it is kept");
    let last = Row { updated_at: now(), ..samples::ended(&row) };
    store.commit(samples::insert(&last)).await.expect("it is in order");
    tokio::time::sleep(Duration::from_millis(20)).await;
    while store.prune(now(), 0, 10).await.expect("it answers") > 0 {}
    assert_eq!(store.journal(kept).await.expect("it answers"), []);
    // On a slow machine the line of the other one may have outlived its part by now.
    assert_eq!(count(&schema, "journal").await, 1, "that of the one that is open");
}

/// A closure may have ended long ago while the key that answers with it is still in a part that stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_key_outlives_its_closure() {
    let schema = server::schema();
    let store = PostgresStore::open(&server::address(&schema), true).await.expect("it answers");
    let key = close(&store, 1, true).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    store.prune(now(), now(), 10).await.expect("it answers");
    let used = samples::idempotency_key("key 1");
    assert!(store.key(&used.scope, &used.key).await.expect("it answers").is_some());
    assert!(store.load(key).await.expect("it answers").is_some());
}

/// The tables of the second version, as its release left them.
async fn second_version(schema: &str, from: &str) {
    let session = server::session().await;
    let [begin, audit] = [
        include_str!("../../src/migrations/0001_begin.sql"),
        include_str!("../../src/migrations/0002_audit.sql"),
    ];
    let versions = "CREATE TABLE schema_versions (version int PRIMARY KEY, oldest_program int NOT NULL,
                        made_at timestamptz NOT NULL DEFAULT now());
                    INSERT INTO schema_versions VALUES (1, 1), (2, 1)";
    session
        .batch_execute(&format!(
            "CREATE SCHEMA {schema}; SET search_path TO {schema}; {begin}; {audit}; {versions}"
        ))
        .await
        .expect("the release before made them so");
    // Columns that came later are left out.
    let columns = "SELECT string_agg(column_name, ', ') FROM information_schema.columns
                   WHERE table_schema = $1 AND table_name = $2";
    for table in ["closures", "labels", "journal", "inbox", "idempotency_keys"] {
        let columns = session.query_one(columns, &[&schema, &table]).await.expect("it answers");
        let columns: String = columns.get(0);
        session
            .batch_execute(&format!(
                "INSERT INTO {schema}.{table} ({columns}) SELECT {columns} FROM {from}.{table}"
            ))
            .await
            .expect("the release before had them so");
    }
}

async fn is_as_before(schema: &str, keys: &[ClosureKey], before: &PostgresStore) {
    let store = PostgresStore::open(&server::address(schema), true).await.expect("it is brought up");
    for key in keys {
        let lines = store.journal(*key).await.expect("it answers");
        assert_eq!(lines, before.journal(*key).await.expect("it answers"));
        assert_eq!(store.load(*key).await.expect("it answers"), before.load(*key).await.expect("it answers"));
    }
    assert_eq!(store.inbox(10).await.expect("it answers"), before.inbox(10).await.expect("it answers"));
    let known = InboxEntry { digest: [7; 32], ..samples::event("event 1") };
    let again = Commit { inbox: Some(known), ..Commit::default() };
    assert!(store.commit(again).await.is_err(), "the event is known");
    close(&store, 9, true).await;
    assert_eq!(store.inbox(1).await.expect("it answers")[0].event, "event 9");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_of_the_release_before_is_divided_with_all_it_holds() {
    let (latest, old) = (server::schema(), server::schema());
    let before = PostgresStore::open(&server::address(&latest), true).await.expect("it answers");
    let keys = [close(&before, 1, true).await, close(&before, 2, false).await];
    second_version(&old, &latest).await;
    is_as_before(&old, &keys, &before).await;
    let first = parts(&old, "journal").await;
    let part = first.iter().find(|part| part.starts_with("journal_0_")).expect("what was there is a part");
    assert_eq!(count(&old, "journal_rest").await, 0);

    // Long after, one closure of that time is open still: its lines are kept, and the part goes.
    let (long_ago, session) = (now() - 3_600_000, server::session().await);
    let bound = Uuid::from_u128(u128::try_from(long_ago).expect("it is a time of now") << 80);
    let early = |key: ClosureKey| Uuid::from_u128(key.as_u128() - (7_200_000 << 80));
    let [gone, kept] = keys.map(early);
    let mut sql = format!(
        "SET search_path TO {old};
         DELETE FROM journal WHERE closure NOT IN ('{}', '{}'); DELETE FROM closures WHERE key NOT IN ('{0}', '{1}');",
        keys[0], keys[1]
    );
    for (key, early) in keys.iter().zip([gone, kept]) {
        for (table, column) in [("closures", "key"), ("journal", "closure")] {
            sql.push_str(&format!("UPDATE {table} SET {column} = '{early}' WHERE {column} = '{key}';"));
        }
    }
    sql.push_str(&format!(
        "ALTER TABLE journal DETACH PARTITION {part};
         ALTER TABLE {part} RENAME TO journal_0_{long_ago};
         ALTER TABLE journal ATTACH PARTITION journal_0_{long_ago} FOR VALUES FROM (MINVALUE) TO ('{bound}')"
    ));
    session.batch_execute(&sql).await.expect("the clock is turned");
    let store = PostgresStore::open_with(&server::address(&old), true, SHORT).await.expect("it answers");
    let lines = store.journal(kept).await.expect("it answers");
    while store.prune(now(), 0, 10).await.expect("it answers") > 0 {}
    assert!(!parts(&old, "journal").await.iter().any(|part| part.starts_with("journal_0_")));
    assert_eq!((lines.len(), store.journal(kept).await.expect("it answers")), (1, lines));
    assert_eq!(store.journal(gone).await.expect("it answers"), []);
}

/// Keys that are no times, as other tools may have written them: all that was there becomes the part that takes the rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_with_keys_of_another_kind_is_divided_from_now_on() {
    let (latest, old) = (server::schema(), server::schema());
    let before = PostgresStore::open(&server::address(&latest), true).await.expect("it answers");
    let ordinary = close(&before, 1, true).await;
    let row = Row { key: Uuid::from_u128(u128::MAX - 1), body: Bytes::new(), ..samples::row(2) };
    before.commit(samples::insert(&row)).await.expect("it is in order");
    second_version(&old, &latest).await;
    is_as_before(&old, &[ordinary, row.key], &before).await;
    assert_eq!(count(&old, "journal_rest").await, 5, "what was there, and what is of now still");
}

/// Services of the release before go on beside this one: what they write finds its part.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_of_the_release_before_work_on_the_divided_tables() {
    let schema = server::schema();
    let store = PostgresStore::open(&server::address(&schema), false).await.expect("it answers");
    let key = close(&store, 1, true).await;
    let session = server::session().await;
    let at = now();
    session
        .batch_execute(&format!(
            "SET search_path TO {schema};
             INSERT INTO journal (position, closure, sequence, at, kind, announcement, body)
                 VALUES (100, '{key}', 3, {at}, 'replied', NULL, 'old');
             INSERT INTO inbox (fingerprint, adapter, event, digest, organisation, conversation, received_at, result)
                 VALUES (gen_random_uuid(), 'genesys', 'of before', '', 'acme', NULL, {at}, 'taken');
             INSERT INTO idempotency_keys (fingerprint, scope, key, digest, closure, attached, used_at)
                 VALUES (gen_random_uuid(), 'producer', 'of before', '', '{key}', false, {at})"
        ))
        .await
        .expect("they are as they were");
    assert_eq!(store.journal(key).await.expect("it answers").len(), 3);
    session
        .batch_execute(&format!(
            "DELETE FROM journal WHERE closure = '{key}';
             DELETE FROM inbox WHERE fingerprint IN (
                 SELECT fingerprint FROM inbox WHERE received_at < {at} + 1 ORDER BY received_at, arrival LIMIT 10);
             DELETE FROM closures WHERE key = '{key}'"
        ))
        .await
        .expect("they are as they were");
    assert_eq!((count(&schema, "journal").await, count(&schema, "inbox").await), (0, 0));
}
