//! The server fails at each row that it writes in turn, when it writes it and when it makes it durable: with an error of its disk, a
//! full one, a conflict, or the end of the session.

use tokio_postgres::Client;

use super::scene::Scene;
use crate::server;

/// `SQLSTATE`s, and whether the store refuses what met them. What stood in another's way is tried again by itself; what cannot be
/// written is found by halving the batch, and only refused where it fails alone.
const FAILURES: [(&str, Option<bool>); 5] = [
    ("58030", Some(true)),  // io_error
    ("53100", Some(true)),  // disk_full
    ("57P01", Some(true)),  // admin_shutdown: the session ends
    ("40001", Some(false)), // serialization_failure
    ("22000", None),        // data_exception
];

#[tokio::test]
async fn the_server_fails_at_one_row_and_all_that_was_answered_is_there() {
    let (saboteur, mut scene, rows) = begin().await;
    for (code, is_told) in FAILURES {
        let mut refused = 0;
        for row in 0..rows {
            let case = format!("{code} at row {row} of {rows}");
            saboteur.plan(row, row + 1, code).await;
            let told = scene.works(&|| false, &case).await;
            assert!(is_told.is_none_or(|is_told| is_told == (told.refused > 0)), "{case}: {}", told.why);
            refused += told.refused;
        }
        println!("{code} at each of {rows} rows: {refused} refusals, nothing lost");
    }
    scene.end().await;
}

#[tokio::test]
async fn the_server_fails_for_a_while_and_the_store_goes_on_by_itself() {
    let (saboteur, mut scene, rows) = begin().await;
    for (code, _) in FAILURES {
        for first in (0..rows).step_by(5) {
            let case = format!("{code} from row {first} on");
            saboteur.plan(first, first + 20, code).await;
            let told = scene.works(&|| false, &case).await;
            assert!(told.refused > 0, "{case}: a server that fails for long is noticed");
        }
    }
    scene.end().await;
}

/// A scene whose server fails when it is told to, and how many rows a work writes where nothing fails, each counted twice.
async fn begin() -> (Saboteur, Scene, i64) {
    let schema = server::schema();
    let mut scene = Scene::begin(&server::address(&schema), &schema).await;
    let saboteur = Saboteur::begin(&schema).await;
    saboteur.plan(-1, -1, "").await;
    scene.works(&|| true, "nothing fails").await;
    let rows = saboteur.seen().await;
    assert!(rows > 30, "the work writes rows: {rows}");
    (saboteur, scene, rows)
}

/// What makes the server fail: triggers at all tables that the work writes to.
struct Saboteur {
    session: Client,
    schema: String,
}

impl Saboteur {
    async fn begin(schema: &str) -> Self {
        let session = server::session().await;
        // What a sequence gave out stays so when a transaction is rolled back: every try counts.
        let mut sql = format!(
            "CREATE SCHEMA {schema}_fails;
             SET search_path TO {schema}_fails;
             CREATE SEQUENCE seen MINVALUE 0;
             CREATE TABLE plan (first bigint NOT NULL, beyond bigint NOT NULL, code text NOT NULL);
             INSERT INTO plan VALUES (-1, -1, '');
             CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
             DECLARE
                 number bigint := nextval('{schema}_fails.seen');
                 planned {schema}_fails.plan;
             BEGIN
                 SELECT * INTO planned FROM {schema}_fails.plan;
                 IF number >= planned.first AND number < planned.beyond THEN
                     IF planned.code = '57P01' THEN
                         PERFORM pg_terminate_backend(pg_backend_pid());
                         PERFORM pg_sleep(10);
                     END IF;
                     RAISE EXCEPTION 'as it was planned' USING ERRCODE = planned.code;
                 END IF;
                 RETURN NEW;
             END $$;"
        );
        for table in ["closures", "labels", "journal", "inbox", "idempotency_keys", "deliveries", "cursors"] {
            sql.push_str(&format!(
                "CREATE TRIGGER a_row BEFORE INSERT OR UPDATE ON {schema}.{table} FOR EACH ROW EXECUTE FUNCTION fail();
                 CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT OR UPDATE ON {schema}.{table}
                     DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail();"
            ));
        }
        session.batch_execute(&sql).await.expect("the test owns the server");
        Self { session, schema: schema.to_owned() }
    }

    /// Fails at these rows, counted from 0 and from here on.
    async fn plan(&self, first: i64, beyond: i64, code: &str) {
        let schema = &self.schema;
        let sql = format!(
            "UPDATE {schema}_fails.plan SET first = {first}, beyond = {beyond}, code = '{code}';
             SELECT setval('{schema}_fails.seen', 0, false)"
        );
        self.session.batch_execute(&sql).await.expect("the test owns the server");
    }

    /// How many rows were written, or tried to, since then; each counts when it is written and at its commit.
    async fn seen(&self) -> i64 {
        let sql = format!("SELECT nextval('{}_fails.seen')", self.schema);
        self.session.query_one(&sql, &[]).await.expect("it answers").get(0)
    }
}
