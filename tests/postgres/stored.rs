//! Schemas that older versions left behind: this one goes on with what is open in them, and leaves alone what is over.
//!
//! A release adds its own, beside its store in SQLite and with the same closures in it:
//!
//! ```sh
//! RECORD_STORED=1 tests/postgres/run each_released_version
//! ```

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use closeout_tests::{database, run, stored};

use crate::setting::{scene, store};

/// The variable that has the schema of this version written down.
const RECORD: &str = "RECORD_STORED";

/// In place of the name of the schema in what is kept.
const NAME: &str = "the_schema_of_a_store";

/// What of a dump is of the server that wrote it, and not of the store.
const OF_THE_SERVER: [&str; 4] = ["SET ", "SELECT pg_catalog.set_config", "\\", "--"];

fn schema(store: &str) -> &str {
    store.rsplit_once("schema=").unwrap().1
}

fn server(store: &str) -> &str {
    store.split_once('?').unwrap().0
}

fn tool(name: &str, store: &str) -> Command {
    let folder = std::env::var("CLOSEOUT_TEST_PG_BIN").expect("tests/postgres/run says where");
    let mut command = Command::new(Path::new(&folder).join(name));
    command.arg(server(store));
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_of_each_released_version_is_gone_on_with() {
    if std::env::var_os(RECORD).is_some() {
        record();
    }
    for (kept_in, kept) in stored::stores_like(".postgres.sql") {
        println!("{}", kept_in.display());
        let to = store();
        let mut scene = scene(&to).await;
        scene.kill();
        let text = fs::read_to_string(kept_in).unwrap().replace(NAME, schema(&to));
        execute(&to, &format!("DROP SCHEMA {} CASCADE;\n{text}", schema(&to)));
        stored::meanwhile(&scene, &kept);
        scene.start().await;
        stored::has_gone_on(&scene, &kept).await;
    }
}

fn execute(store: &str, statements: &str) {
    let mut psql = tool("psql", store);
    psql.env("PGOPTIONS", "-c client_min_messages=warning").args([
        "--quiet",
        "--no-psqlrc",
        "--set",
        "ON_ERROR_STOP=1",
        "--single-transaction",
    ]);
    let mut child = psql.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(statements.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

/// Brings what this version left in SQLite into a schema, and writes that down.
fn record() {
    let version = env!("CARGO_PKG_VERSION");
    let folder = tempfile::tempdir().unwrap();
    let sqlite = fs::read_to_string(stored::stores().join(format!("{version}.sqlite.sql"))).unwrap();
    database::restore(&folder.path().join("closeout.db"), &sqlite);
    let (from, to) = (format!("sqlite:{}", folder.path().join("closeout.db").display()), store());
    let migrated = run(folder.path(), &["store", "migrate", "--from", &from, "--to", &to], &[]);
    assert_eq!(migrated.code, 0, "{migrated:?}");
    let mut dump = tool("pg_dump", &to);
    dump.args(["--schema", schema(&to), "--inserts", "--no-owner", "--no-privileges"]);
    let dumped = dump.output().unwrap();
    assert!(dumped.status.success(), "{dumped:?}");
    let text = String::from_utf8(dumped.stdout).unwrap();
    let lines = text.lines().filter(|line| !OF_THE_SERVER.iter().any(|start| line.starts_with(start)));
    let lines: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
    let text = lines.join("\n").replace(schema(&to), NAME);
    fs::write(stored::stores().join(format!("{version}.postgres.sql")), format!("{text}\n")).unwrap();
}
