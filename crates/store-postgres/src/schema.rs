//! The tables, and how older ones are brought up to them while services of the release before still run.
//!
//! A change is made in two releases: the first adds what it needs and still fills what the release before reads (it expands), the
//! next one takes away what nobody reads any more (it contracts). Each version says which programs can work beside it.

use deadpool_postgres::ClientWrapper;

use crate::{
    address::Address,
    failure::{OpenError, Trouble},
    import::COPYING,
    session::{Connector, Role},
};

/// The oldest server that is known to work.
pub const OLDEST_SERVER: u32 = 13;

/// One step from a version to the next.
struct Migration {
    sql: &'static str,
    /// The oldest program, by the schema version that it was made for, that can read and write the tables afterwards.
    oldest_program: i32,
}

/// What was changed from one version to the next; version `n` is reached after the `n`th of them. They are kept as they were
/// released.
const MIGRATIONS: &[Migration] = &[
    Migration { sql: include_str!("migrations/0001_begin.sql"), oldest_program: 1 },
    Migration { sql: include_str!("migrations/0002_audit.sql"), oldest_program: 1 },
    Migration { sql: include_str!("migrations/0003_periods.sql"), oldest_program: 1 },
    Migration { sql: include_str!("migrations/0004_queues.sql"), oldest_program: 1 },
    Migration { sql: include_str!("migrations/0005_sources_and_reasons.sql"), oldest_program: 1 },
];

/// The schema version that this program was made for.
#[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "migrations are few")]
const VERSION: i32 = MIGRATIONS.len() as i32;

/// How the tables stand.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Empty,
    Ours { version: i32, oldest_program: i32 },
    NotOurs,
}

/// What is to be done about it.
#[derive(Debug, PartialEq, Eq)]
enum Due {
    Nothing,
    MigrateFrom(i32),
}

/// Looks at the server and the tables, and makes or migrates them where needed. Services that do so at once wait for one another.
pub(crate) async fn bring_up(client: &ClientWrapper, connector: &Connector) -> Result<(), OpenError> {
    let (_, durable) = check_server(client).await?;
    if !durable {
        tracing::warn!(
            "the database runs with fsync = off: a loss of power loses closures that were accepted"
        );
    }
    let found = inspect(client, connector.schema()).await?;
    if due(&found, VERSION, connector.schema())? == Due::Nothing {
        return Ok(());
    }
    let migrated = migrate(client, connector).await;
    if migrated.is_err() {
        // When this fails too, the connection is gone, and the transaction with it.
        let _ = client.batch_execute("ROLLBACK").await;
    }
    migrated
}

fn due(found: &Found, known: i32, schema: &str) -> Result<Due, OpenError> {
    match *found {
        Found::Empty => Ok(Due::MigrateFrom(0)),
        Found::NotOurs => Err(OpenError::NotOurs { schema: schema.to_owned() }),
        Found::Ours { version, oldest_program } if version > known => {
            if oldest_program <= known {
                Ok(Due::Nothing)
            } else {
                Err(OpenError::Newer { found: version, known })
            }
        }
        Found::Ours { version, .. } if version == known => Ok(Due::Nothing),
        Found::Ours { version, .. } => Ok(Due::MigrateFrom(version)),
    }
}

/// What a database is found to be, by [`look`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// What the server says of itself, for example `15.4`.
    pub server: String,
    /// The version of the tables; nothing where there are none yet.
    pub version: Option<i32>,
    /// Whether what the server calls durable survives a loss of power (`fsync`).
    pub durable: bool,
}

/// Looks whether a store could be opened there: connects, and reads what server and tables say of themselves. Nothing is changed, and
/// a service that has the store open is not disturbed.
///
/// # Errors
///
/// See [`OpenError`]; never [`OpenError::InUse`].
pub async fn look(address: &Address) -> Result<Looked, OpenError> {
    let connector = Connector::new(address)?.of(Role::Reader);
    let client = connector.session().await?;
    let (server, durable) = check_server(&client).await?;
    let found = inspect(&client, connector.schema()).await?;
    due(&found, VERSION, connector.schema())?;
    let version = match found {
        Found::Ours { version, .. } => Some(version),
        Found::Empty | Found::NotOurs => None,
    };
    Ok(Looked { server, version, durable })
}

/// What the server says of itself, and whether it syncs.
async fn check_server(client: &ClientWrapper) -> Result<(String, bool), OpenError> {
    let asked = client
        .query_one(
            "SELECT current_setting('server_version_num'), current_setting('server_version'), current_setting('fsync')",
            &[],
        )
        .await
        .map_err(Trouble::from)?;
    let text = |number| asked.try_get::<_, String>(number).map_err(Trouble::from);
    let server = text(1)?;
    if text(0)?.parse::<u32>().is_ok_and(|number| number / 10_000 < OLDEST_SERVER) {
        return Err(OpenError::TooOld { server });
    }
    Ok((server, text(2)? != "off"))
}

async fn inspect(client: &ClientWrapper, schema: &str) -> Result<Found, Trouble> {
    let tables = client
        .query("SELECT table_name::text FROM information_schema.tables WHERE table_schema = $1", &[&schema])
        .await?;
    let names: Vec<String> = tables.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    if names.is_empty() {
        return Ok(Found::Empty);
    }
    if !names.iter().any(|name| name == "schema_versions") {
        return Ok(Found::NotOurs);
    }
    let row = client.query_one("SELECT max(version), max(oldest_program) FROM schema_versions", &[]).await?;
    Ok(match (row.try_get(0)?, row.try_get(1)?) {
        (Some(version), Some(oldest_program)) => Found::Ours { version, oldest_program },
        (None, _) | (_, None) => Found::NotOurs,
    })
}

/// Whether another store was to be copied into this one, and that has not come to its end.
pub(crate) async fn is_half_copied(client: &ClientWrapper) -> Result<bool, Trouble> {
    let sql = "SELECT EXISTS (SELECT 1 FROM marks WHERE name = $1)";
    Ok(client.query_one(sql, &[&COPYING]).await?.try_get(0)?)
}

async fn migrate(client: &ClientWrapper, connector: &Connector) -> Result<(), OpenError> {
    let (class, key) = connector.lock("schema");
    let schema = connector.schema();
    let begin = format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = 0;
         SELECT pg_advisory_xact_lock({class}, {key}); CREATE SCHEMA IF NOT EXISTS {schema}"
    );
    client.batch_execute(&begin).await.map_err(Trouble::from)?;
    // Another service may have done it while this one waited.
    let found = inspect(client, schema).await?;
    if let Due::MigrateFrom(from) = due(&found, VERSION, schema)? {
        if from > 0 {
            tracing::info!(
                from,
                to = VERSION,
                "the store is brought up to this version; a large one takes minutes"
            );
        } else {
            let versions =
                "CREATE TABLE schema_versions (version int PRIMARY KEY, oldest_program int NOT NULL,
                                made_at timestamptz NOT NULL DEFAULT now())";
            client.batch_execute(versions).await.map_err(Trouble::from)?;
        }
        for (version, migration) in (1..).zip(MIGRATIONS).skip(usize::try_from(from).unwrap_or(0)) {
            client.batch_execute(migration.sql).await.map_err(Trouble::from)?;
            let oldest = migration.oldest_program;
            let note = "INSERT INTO schema_versions (version, oldest_program) VALUES ($1, $2)";
            client.execute(note, &[&version, &oldest]).await.map_err(Trouble::from)?;
        }
    }
    client.batch_execute("COMMIT").await.map_err(Trouble::from)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_follows_from_what_is_found() {
        let ours = |version, oldest_program| Found::Ours { version, oldest_program };
        let due = |found| due(&found, 3, "closeout");
        assert_eq!(due(Found::Empty).unwrap(), Due::MigrateFrom(0));
        assert_eq!(due(ours(1, 1)).unwrap(), Due::MigrateFrom(1));
        assert_eq!(due(ours(3, 2)).unwrap(), Due::Nothing);
        assert_eq!(due(ours(4, 3)).unwrap(), Due::Nothing, "a newer service has expanded the tables");
        assert!(matches!(due(ours(4, 4)), Err(OpenError::Newer { found: 4, known: 3 })));
        assert!(matches!(due(Found::NotOurs), Err(OpenError::NotOurs { .. })));
    }

    #[test]
    fn no_version_shuts_out_the_release_that_made_it() {
        for (version, migration) in (1..).zip(MIGRATIONS) {
            assert!(migration.oldest_program <= version, "version {version}");
        }
    }
}
