//! Connections, and what is said at the beginning of each.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, OnceLock},
    time::Duration,
};

use deadpool_postgres::{ClientWrapper, Connect};
use tokio::{task::JoinHandle, time::timeout};
use tokio_postgres::{Client, Config, Connection, NoTls, Socket, tls::TlsStream};
use tokio_postgres_rustls::MakeRustlsConnect;
use uuid::Uuid;

use crate::{
    address::Address,
    failure::{OpenError, Trouble},
    patience::Patience,
    text, tls,
};

/// How long a connection may take to stand, greeting and login included. A database that is back is found within this time
/// and one try more.
pub(crate) const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// How long nobody tries to connect after a try that failed.
pub(crate) const PAUSE: Duration = Duration::from_millis(100);

/// How long a statement of the writer may take, and the wait for the writers of other services before it.
const WRITE_WITHIN: &str = "10s";

/// How long a read may take at most.
pub(crate) const READ_WITHIN: Duration = Duration::from_secs(30);

/// The server's setting for how long a session may stand still in the middle of a transaction, in milliseconds.
pub(crate) const STANDING: &str = "idle_in_transaction_session_timeout";

/// How long what was sent may stay unacknowledged before the connection is given up.
const UNACKNOWLEDGED: Duration = Duration::from_secs(4);

/// The first half of all advisory locks of this program: the letters `Clos`.
const LOCKS: i32 = 0x436c_6f73;

/// What a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Reader,
    /// The only one that holds a lock from one statement to the next, so the server ends it where it stands still for too long.
    Writer(Patience),
    /// Looks after what services that share the schema know of each other: short statements, each a transaction of its own.
    Clerk,
}

/// Makes connections.
#[derive(Clone)]
pub(crate) struct Connector {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    schema: String,
    /// Tells this store's sessions from those of every other service.
    instance: Uuid,
    role: Role,
}

impl Connector {
    pub(crate) fn new(address: &Address) -> Result<Self, OpenError> {
        let mut config = address.config.clone();
        config
            .connect_timeout(CONNECT_WITHIN)
            .tcp_user_timeout(UNACKNOWLEDGED)
            .keepalives_idle(Duration::from_secs(5))
            .keepalives_interval(Duration::from_secs(1))
            .keepalives_retries(4);
        let tls = tls::of(&address.encryption)?;
        Ok(Self {
            config,
            tls,
            schema: address.schema.clone(),
            instance: Uuid::new_v4(),
            role: Role::Writer(Patience::new()),
        })
    }

    /// The same for another role.
    pub(crate) fn of(&self, role: Role) -> Self {
        Self { role, ..self.clone() }
    }

    /// This store, among all that share the schema.
    pub(crate) fn instance(&self) -> Uuid {
        self.instance
    }

    pub(crate) fn schema(&self) -> &str {
        &self.schema
    }

    /// Connects, within its time, and tells the server how the session wants to be treated.
    pub(crate) async fn session(&self) -> Result<ClientWrapper, Trouble> {
        Ok(self.session_and_ending().await?.0)
    }

    /// The same, with what is known of its end once it has come.
    pub(crate) async fn session_and_ending(&self) -> Result<(ClientWrapper, Ending), Trouble> {
        let made = timeout(CONNECT_WITHIN, self.made()).await.map_err(|_| Trouble::late("a connection"))?;
        let (client, task, ending) = made?;
        Ok((ClientWrapper::new(client, task), ending))
    }

    async fn made(&self) -> Result<(Client, JoinHandle<()>, Ending), tokio_postgres::Error> {
        let ending = Ending::default();
        let (client, task) = match &self.tls {
            None => {
                let (client, connection) = self.config.connect(NoTls).await?;
                (client, spawned(connection, ending.clone()))
            }
            Some(tls) => {
                let (client, connection) = self.config.connect(tls.clone()).await?;
                (client, spawned(connection, ending.clone()))
            }
        };
        if let Err(failure) = client.batch_execute(&self.greeting()).await {
            task.abort();
            return Err(failure);
        }
        Ok((client, task, ending))
    }

    /// The name under which the server shows a session.
    fn name(&self) -> String {
        match self.role {
            Role::Reader => "closeout reader".to_owned(),
            Role::Clerk => "closeout clerk".to_owned(),
            Role::Writer(_) => format!("closeout writer {}", self.instance.simple()),
        }
    }

    fn greeting(&self) -> String {
        let name = self.name();
        let own = match self.role {
            Role::Reader => format!(
                "('default_transaction_read_only', 'on'), ('statement_timeout', '{}s')",
                READ_WITHIN.as_secs()
            ),
            Role::Clerk => format!("('statement_timeout', '{WRITE_WITHIN}')"),
            // All that a writer looks for it finds by an index, however few rows the planner has seen so far.
            Role::Writer(patience) => format!(
                "('statement_timeout', '{WRITE_WITHIN}'), ('{STANDING}', '{}'),
                 ('enable_seqscan', 'off'), ('enable_hashjoin', 'off'), ('enable_mergejoin', 'off')",
                patience.within().as_millis()
            ),
        };
        // A setting that the server does not know is left out. `synchronous_commit` is only ever made stricter.
        format!(
            "SET search_path TO {schema};
             SELECT set_config(s.name, w.value, false)
             FROM (VALUES ('application_name', '{name}'), ('jit', 'off'), {own},
                       ('tcp_keepalives_idle', '5'), ('tcp_keepalives_interval', '1'), ('tcp_keepalives_count', '4'),
                       ('tcp_user_timeout', '{unacknowledged}')) AS w (name, value)
             JOIN pg_settings s ON s.name = w.name;
             SELECT set_config('synchronous_commit', 'on', false)
             WHERE current_setting('synchronous_commit') = 'off'",
            schema = self.schema,
            unacknowledged = UNACKNOWLEDGED.as_millis(),
        )
    }

    /// Ends sessions of this very store that the server still believes in, so that their locks go.
    pub(crate) async fn end_lost_sessions(&self, client: &ClientWrapper) -> Result<(), Trouble> {
        let end = client
            .prepare_cached(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE application_name = $1 AND usename = current_user AND pid <> pg_backend_pid()",
            )
            .await?;
        client.query(&end, &[&self.name()]).await?;
        Ok(())
    }

    /// Takes the lock of a sole owner, which the session keeps until its end. `false`: somebody else has it.
    pub(crate) async fn own(&self, client: &ClientWrapper) -> Result<bool, Trouble> {
        let take = client.prepare_cached("SELECT pg_try_advisory_lock($1, $2)").await?;
        let (class, key) = self.lock("owner");
        Ok(client.query_one(&take, &[&class, &key]).await?.try_get(0)?)
    }

    /// The two halves of the advisory lock for a purpose. Such locks are of one database; the schema is told apart by the second.
    pub(crate) fn lock(&self, purpose: &str) -> (i32, i32) {
        let [.., a, b, c, d] = *text::fingerprint(purpose, &self.schema).as_bytes();
        (LOCKS, i32::from_be_bytes([a, b, c, d]))
    }
}

/// What the server said when it ended a session, which those who waited for an answer are not told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ending(Arc<OnceLock<Trouble>>);

impl Ending {
    /// Why, once the session has ended by a word of the server. It is there before anybody sees that the session is closed.
    pub(crate) fn why(&self) -> Option<&Trouble> {
        self.0.get()
    }
}

/// Runs a connection for as long as its client or its server wants it.
fn spawned<T: TlsStream + Unpin + Send + 'static>(
    mut connection: Connection<Socket, T>,
    ending: Ending,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        // Whoever waits for an answer is told when the connection is dropped, after this.
        if let Err(error) = (&mut connection).await {
            tracing::debug!(%error, "a connection to the database has ended");
            if error.as_db_error().is_some() {
                let _ = ending.0.set(error.into());
            }
        }
    })
}

impl Connect for Connector {
    fn connect(
        &self,
        _: &Config,
    ) -> Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), tokio_postgres::Error>> + Send + '_>>
    {
        Box::pin(async { self.made().await.map(|(client, task, _)| (client, task)) })
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector")
            .field("schema", &self.schema)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}
