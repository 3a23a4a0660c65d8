//! The server of the test: its address, and what is done to it.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use store_postgres::Address;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

/// The server's address, without a schema.
pub fn url() -> String {
    std::env::var("CLOSEOUT_TEST_POSTGRES").expect("tests/postgres/run names a server")
}

/// Where it listens, as `host:port`.
pub fn host() -> String {
    let url = url();
    let host = url.rsplit('@').next().and_then(|rest| rest.split('/').next());
    host.expect("it has a host").to_owned()
}

/// A name for a schema of a test's own.
pub fn schema() -> String {
    format!("case_{}", Uuid::new_v4().simple())
}

/// The address of a schema.
pub fn address(schema: &str) -> Address {
    Address::parse(&format!("{}?schema={schema}", url())).expect("tests/postgres/run names a server")
}

/// Stops or restarts the server, and waits until that is done.
pub async fn control(arguments: &[&str]) {
    let command = std::env::var("CLOSEOUT_TEST_PG_CTL").expect("tests/postgres/run says how");
    let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    let ran = tokio::task::spawn_blocking(move || {
        let mut words = command.split_whitespace();
        let program = words.next().expect("it names a program");
        Command::new(program).args(words).args(arguments).status()
    });
    assert!(ran.await.expect("it does not panic").expect("it can be run").success());
}

/// A session beside the store's. Its server may still be starting.
pub async fn session() -> Client {
    let give_up = Instant::now() + Duration::from_secs(60);
    loop {
        match tokio_postgres::connect(&url(), NoTls).await {
            Ok((client, connection)) => {
                // It ends with its client, or with the server.
                tokio::spawn(async move { connection.await.ok() });
                return client;
            }
            Err(failure) => assert!(Instant::now() < give_up, "no session: {failure}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Kills the processes of the server that serve writers, and waits until it has ended all others and recovered.
pub async fn kill_writers() {
    let sql = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'closeout writer %'";
    let session = session().await;
    let killed: Vec<i32> =
        session.query(sql, &[]).await.expect("it can be asked").iter().map(|row| row.get(0)).collect();
    assert!(!killed.is_empty(), "there is a writer");
    for process in killed {
        // It may have gone since.
        let _ = Command::new("kill").args(["-KILL", &process.to_string()]).status().expect("kill can be run");
    }
    let give_up = Instant::now() + Duration::from_secs(60);
    while session.simple_query("SELECT 1").await.is_ok() {
        assert!(Instant::now() < give_up, "the server goes on as if nothing had happened");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(self::session().await);
}
