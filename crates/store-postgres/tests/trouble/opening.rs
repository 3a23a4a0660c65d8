//! Opening: by one service at a time, on tables that fit.

use store::{Store as _, conformance::samples};
use store_postgres::{OpenError, PostgresStore};
use tokio::task::JoinSet;

use crate::server;

#[tokio::test]
async fn a_second_sole_owner_is_refused_until_the_first_has_gone() {
    let address = server::address(&server::schema());
    let first = PostgresStore::open(&address, true).await.expect("nobody has it");
    let refused = PostgresStore::open(&address, true).await.expect_err("somebody has it");
    assert!(matches!(refused, OpenError::InUse), "{refused}");
    let elsewhere = server::address(&server::schema());
    PostgresStore::open(&elsewhere, true).await.expect("another schema is another store");
    drop(first);
    PostgresStore::open(&address, true).await.expect("it was let go of");
}

#[tokio::test]
async fn an_owner_whose_session_was_ended_writes_nothing_beside_the_next_one() {
    let address = server::address(&server::schema());
    let first = PostgresStore::open(&address, true).await.expect("nobody has it");
    first.commit(samples::insert(&samples::row(1))).await.expect("it owns the store");
    let second = tokio::spawn({
        let address = address.clone();
        async move { PostgresStore::open(&address, true).await }
    });
    // The second one asks for the lock again and again, and gets it with the end of the session that had it.
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted
                   AND pid <> pg_backend_pid()";
    server::session().await.execute(sql, &[]).await.expect("it can be asked");
    let second = second.await.expect("it does not panic").expect("the lock is free");
    let refused =
        first.commit(samples::insert(&samples::row(2))).await.expect_err("it owns nothing any more");
    println!("{refused}");
    assert_eq!(first.load(samples::key(2)).await.expect("it may read"), None);
    second.commit(samples::insert(&samples::row(2))).await.expect("it owns the store");
    drop(second);
}

#[tokio::test]
async fn stores_that_open_an_empty_schema_at_once_make_its_tables_once() {
    let address = server::address(&server::schema());
    let mut opening = JoinSet::new();
    for _ in 0..8 {
        let address = address.clone();
        opening.spawn(async move { PostgresStore::open(&address, false).await });
    }
    for opened in opening.join_all().await {
        opened.expect("each finds the tables made").check().await.expect("and can write");
    }
}

#[tokio::test]
async fn tables_of_a_later_release_and_of_another_program_are_left_alone() {
    let schema = server::schema();
    drop(PostgresStore::open(&server::address(&schema), false).await.expect("it is empty"));
    let session = server::session().await;
    let expanded = format!("INSERT INTO {schema}.schema_versions (version, oldest_program) VALUES (99, 1)");
    session.batch_execute(&expanded).await.expect("it is our table");
    let beside = PostgresStore::open(&server::address(&schema), false).await;
    beside.expect("the later release works beside this one").check().await.expect("it can write");
    let contracted = format!("UPDATE {schema}.schema_versions SET oldest_program = 99 WHERE version = 99");
    session.batch_execute(&contracted).await.expect("it is our table");
    let refused = PostgresStore::open(&server::address(&schema), false).await.expect_err("it is too new");
    assert!(matches!(refused, OpenError::Newer { found: 99, .. }), "{refused}");

    let foreign = server::schema();
    session
        .batch_execute(&format!("CREATE SCHEMA {foreign}; CREATE TABLE {foreign}.recipes (name text)"))
        .await
        .expect("it may make tables");
    let refused = PostgresStore::open(&server::address(&foreign), false).await.expect_err("it is not ours");
    assert!(refused.to_string().contains(&foreign), "{refused}");
}

#[tokio::test]
async fn what_keeps_a_database_from_being_opened_is_said_in_one_sentence() {
    let base = server::url();
    let nobody = base.replace("closeout@", "nobody_here@");
    let nowhere = format!("{}/nowhere", base.rsplit_once('/').expect("it names a database").0);
    for (url, said) in [
        (nobody, "refuses the login"),
        (nowhere, "no such database"),
        ("postgres://c@127.0.0.1:1/d".to_owned(), "nothing listens"),
        (format!("{base}?sslmode=verify-full"), "certificate"),
    ] {
        let address = store_postgres::Address::parse(&url).expect("it is an address");
        let why = PostgresStore::open(&address, true).await.expect_err("it cannot be opened").to_string();
        println!("{why}");
        assert!(why.contains(said) && !why.contains('\n'), "{why}");
    }
}
