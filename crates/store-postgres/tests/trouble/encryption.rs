//! Connections that are encrypted, to servers that prove who they are, or do not.

use std::io::Write as _;

use store::{Store as _, conformance::samples};
use store_postgres::{Address, PostgresStore};

use crate::server;

fn address(host: &str, more: &str) -> Address {
    let base = server::url().replace("127.0.0.1", host);
    Address::parse(&format!("{base}?schema={}&{more}", server::schema())).expect("it is an address")
}

fn authority() -> String {
    std::env::var("CLOSEOUT_TEST_PG_AUTHORITY").expect("tests/postgres/run names the authority")
}

#[tokio::test]
async fn a_server_that_proves_its_name_is_spoken_to_in_secret() {
    // The last sessions of another test may still be ending, and one that has not got its name yet may get it meanwhile.
    let session = server::session().await;
    let others = "SELECT array_agg(pid) FROM pg_stat_activity";
    let others: Vec<i32> = session.query_one(others, &[]).await.expect("it can be asked").get(0);
    let address = address("localhost", &format!("sslmode=verify-full&sslrootcert={}", authority()));
    let store = PostgresStore::open(&address, true).await.expect("the server has a certificate for its name");
    store.commit(samples::insert(&samples::row(1))).await.expect("it is in order");
    assert_eq!(store.load(samples::key(1)).await, Ok(Some(samples::row(1))));
    let sql =
        "SELECT count(*), count(*) FILTER (WHERE ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
               WHERE application_name LIKE 'closeout %' AND pid <> ALL ($1)";
    let sessions = session.query_one(sql, &[&others]).await.expect("it can be asked");
    let (all, encrypted): (i64, i64) = (sessions.get(0), sessions.get(1));
    assert!(all >= 2 && all == encrypted, "{encrypted} of {all} sessions are encrypted");
}

#[tokio::test]
async fn whoever_answers_is_believed_only_where_that_is_spelt_out() {
    let store = PostgresStore::open(&address("127.0.0.1", "sslmode=require"), true).await;
    store.expect("no certificate is asked for").check().await.expect("it can write");

    let mut empty = tempfile::NamedTempFile::new().expect("there is room");
    writeln!(empty, "no certificate").expect("there is room");
    for (host, more, said) in [
        // The name in the certificate is another one.
        ("127.0.0.1", format!("sslmode=verify-full&sslrootcert={}", authority()), "certificate"),
        // The authority is none of this machine's.
        ("localhost", "sslmode=verify-full".to_owned(), "certificate"),
        ("localhost", "sslrootcert=/nowhere/at/all.pem".to_owned(), "cannot be read"),
        ("localhost", format!("sslrootcert={}", empty.path().display()), "holds no certificate"),
    ] {
        let refused = PostgresStore::open(&address(host, &more), true).await.expect_err("it proves nothing");
        println!("{refused}");
        assert!(refused.to_string().contains(said), "{refused}");
    }
}
