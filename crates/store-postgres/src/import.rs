//! Everything that another store keeps, taken into an empty one.

use std::{error::Error, fmt};

use deadpool_postgres::ClientWrapper;
use store::{Counts, Parcel, StoreUnavailable};

use crate::{
    address::Address,
    batches, deliveries,
    failure::{OpenError, Trouble},
    judge::{Change, Order, Questions, Writes},
    periods,
    record::{labels_to_text, signed, unsigned},
    schema,
    session::{Connector, STANDING},
    statements::Statements,
    text::fingerprint,
    upkeep::{Write, run},
};

/// The tables that are filled, in the order of [`Counts`].
const TABLES: [&str; 10] = [
    "closures",
    "journal",
    "inbox",
    "idempotency_keys",
    "deliveries",
    "batches",
    "batch_items",
    "dead_letters",
    "audit",
    "quarantine",
];

/// Under this name among the marks stands a copy that has not ended; no store is opened while it is there.
pub(crate) const COPYING: &str = "copying";

/// Why everything cannot be taken.
#[derive(Debug)]
pub enum ImportError {
    /// The database cannot be opened, or is in use.
    Open(OpenError),
    /// There is something in the database already; it was left as it is.
    NotEmpty,
    /// The database went away. What is in it now is of no use, and goes when it is begun again.
    Unavailable(StoreUnavailable),
    /// Something is missing or too much after the last piece.
    Differs {
        /// What was taken.
        taken: Counts,
        /// What is there.
        found: Counts,
    },
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(error) => write!(f, "the database cannot be opened: {error}"),
            Self::NotEmpty => f.write_str("the database holds a store already, which was left as it is"),
            Self::Unavailable(why) => {
                write!(f, "{}; run it again, it begins anew", why.why)
            }
            Self::Differs { taken, found } => {
                write!(f, "the database holds {} records and {} were copied", found.all(), taken.all())
            }
        }
    }
}

impl Error for ImportError {}

impl From<OpenError> for ImportError {
    fn from(error: OpenError) -> Self {
        Self::Open(error)
    }
}

impl From<Trouble> for ImportError {
    fn from(trouble: Trouble) -> Self {
        Self::Unavailable(trouble.unavailable())
    }
}

/// A store that is being filled. Until [`finish`](Self::finish) nobody can open it.
#[derive(Debug)]
pub struct Import {
    client: ClientWrapper,
    statements: Statements,
    taken: Counts,
}

impl Import {
    /// Opens the database, alone, and begins. A copy that did not come to its end is removed first.
    ///
    /// # Errors
    ///
    /// See [`ImportError`].
    pub async fn begin(address: &Address) -> Result<Self, ImportError> {
        let connector = Connector::new(address)?;
        let client = connector.session().await?;
        if !connector.own(&client).await? {
            return Err(OpenError::InUse.into());
        }
        schema::bring_up(&client, &connector).await?;
        // Counting a large table takes its time, and reads all of it; and nobody waits for this writer.
        let patient = format!("SET statement_timeout = 0; SET enable_seqscan = on; SET {STANDING} = 0");
        client.batch_execute(&patient).await.map_err(Trouble::from)?;
        if schema::is_half_copied(&client).await? {
            let tables = TABLES.join(", ");
            client
                .batch_execute(&format!(
                    "TRUNCATE {tables}, labels, cursors; DELETE FROM marks WHERE name LIKE 'switch:%'"
                ))
                .await
                .map_err(Trouble::from)?;
        } else if counts(&client).await? != Counts::default() {
            return Err(ImportError::NotEmpty);
        }
        periods::prepare_for_the_past(&client).await?;
        run(
            &client,
            "INSERT INTO marks (name, value) VALUES ($1, 1) ON CONFLICT (name) DO NOTHING",
            &[&COPYING],
        )
        .await?;
        let statements = Statements::prepare(&client, connector.instance()).await?;
        Ok(Self { client, statements, taken: Counts::default() })
    }

    /// Takes one piece, in one transaction.
    ///
    /// # Errors
    ///
    /// [`ImportError::Unavailable`]: begin again.
    pub async fn take(&mut self, parcel: &Parcel) -> Result<(), ImportError> {
        let Self { client, statements, .. } = self;
        let mut writes = Writes::default();
        for (row, last_sequence) in &parcel.rows {
            let labels = labels_to_text(&row.labels);
            let keeps_labels = labels.is_none();
            let (order, last_sequence) = (Order::New, *last_sequence);
            let change = Change { row, last_sequence, order, labels, keeps_labels, was_set_aside: false };
            writes.changes.insert(row.key, change);
        }
        writes.lines =
            parcel.lines.iter().map(|placed| (placed.position, placed.closure, &placed.line)).collect();
        writes.events =
            parcel.inbox.iter().map(|entry| (fingerprint(&entry.adapter, &entry.event), entry)).collect();
        writes.keys =
            parcel.keys.iter().map(|entry| (fingerprint(&entry.scope, &entry.key), entry)).collect();
        statements.begin(client, &Questions::default()).await?;
        statements.write(client, &writes, false).await?;
        deliveries::put_all(client, &parcel.deliveries).await?;
        for batch in &parcel.batches {
            batches::put(client, batch, &[]).await?;
        }
        batches::put_items(client, parcel.items.iter().map(|(batch, item)| (*batch, item))).await?;
        for write in beside(parcel) {
            write.apply(client).await?;
        }
        let mark = "UPDATE marks SET value = greatest(value, $1) WHERE name = 'journal'";
        run(client, mark, &[&signed(parcel.last_position)]).await?;
        client.batch_execute("COMMIT").await.map_err(Trouble::from)?;
        self.taken += parcel.counts();
        Ok(())
    }

    /// Compares what is there with what was taken, and lets others open the store.
    ///
    /// # Errors
    ///
    /// See [`ImportError`]. The store then stays closed to others.
    pub async fn finish(self) -> Result<Counts, ImportError> {
        let found = counts(&self.client).await?;
        if found != self.taken {
            return Err(ImportError::Differs { taken: self.taken, found });
        }
        run(&self.client, "DELETE FROM marks WHERE name = $1", &[&COPYING]).await?;
        // So that the first questions are planned for what is there.
        self.client
            .batch_execute(&format!("ANALYZE {}, labels", TABLES.join(", ")))
            .await
            .map_err(Trouble::from)?;
        Ok(found)
    }
}

/// What is written as a store writes it.
fn beside(parcel: &Parcel) -> impl Iterator<Item = Write> {
    let aside = parcel.quarantined.iter().cloned().map(Write::Quarantine);
    let cursors = parcel.cursors.iter().cloned().map(|(name, position)| Write::MoveCursor { name, position });
    let switches = parcel.switches.iter().cloned().map(|(name, on)| Write::SetSwitch { name, on });
    let letters = parcel.dead_letters.iter().cloned().map(Write::Bury);
    let acts = parcel.audit.iter().cloned().map(Write::PutAudit);
    aside.chain(cursors).chain(switches).chain(letters).chain(acts)
}

async fn counts(client: &ClientWrapper) -> Result<Counts, Trouble> {
    let mut counted = [0; TABLES.len()];
    for (count, table) in counted.iter_mut().zip(TABLES) {
        let row = client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await?;
        *count = unsigned(row.try_get(0)?);
    }
    let [rows, lines, inbox, keys, deliveries, batches, items, dead_letters, audit, quarantined] = counted;
    Ok(Counts { rows, lines, inbox, keys, deliveries, batches, items, dead_letters, audit, quarantined })
}
