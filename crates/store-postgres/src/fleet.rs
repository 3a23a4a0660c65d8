//! What services that share a schema know of each other: which of them live, what the dead have left, who holds an office, and
//! what is leased of a quota. All of it is told by the server's clock.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use deadpool_postgres::ClientWrapper;
use store::{Ask, Budget, Lease, Row, StoreUnavailable};
use tokio_postgres::Row as Columns;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use crate::{
    failure::Trouble,
    read::{all, optional},
    readers::{Readers, reading},
    record::{self, ROW_COLUMNS, rows, signed, unsigned},
    text::written,
    upkeep::run,
};

/// How often a service tells that it lives.
const BEAT: Duration = Duration::from_secs(1);

/// How long a service has not been heard of when it counts as gone.
const GONE_AFTER: &str = "interval '3 seconds'";

/// How long this service must have been heard before it takes others for gone: while the server was away nobody could be heard.
const STEADY: Duration = Duration::from_secs(4);

/// How long nothing was heard of a service that has left nothing, when it is forgotten.
const FORGOTTEN_AFTER: &str = "interval '1 hour'";

/// How long it is believed who holds an office.
const BELIEVED: Duration = Duration::from_secs(1);

/// How often a lease is worked out anew because another service leased at the same moment.
const TRIES: usize = 32;

/// Open closures of the dead (`$2`), in the order in which they are taken over: what waits at rest and is due, by the time at which
/// it was to be woken; then the others, of each of the dead the newest first, as what is on its way is among those. Others who take
/// over at the same moment pass over what is locked here. Each part follows an index, however much the dead have left.
const LEFT_BEHIND: [&str; 2] = [
    "SELECT key FROM closures
     WHERE standing = 0 AND owner = ANY ($2) AND rest_wake_at <= (extract(epoch FROM now()) * 1000)::bigint
     ORDER BY rest_wake_at, key LIMIT $3 FOR UPDATE SKIP LOCKED",
    "SELECT l.key FROM unnest($2::uuid[]) AS dead (id), LATERAL (
         SELECT key FROM closures WHERE standing = 0 AND owner = dead.id ORDER BY key DESC LIMIT $3
         FOR UPDATE SKIP LOCKED) l
     LIMIT $3",
];

/// This service among those that share the schema.
pub(crate) struct Fleet {
    me: Uuid,
    clerks: Arc<Readers>,
    offices: Mutex<HashMap<String, (bool, Instant)>>,
    /// Since when every beat was heard; `None` for since the beginning.
    steady_since: Arc<Mutex<Option<Instant>>>,
    _beats: DropGuard,
}

impl Fleet {
    /// Joins the others, and tells from now on that this one lives.
    pub(crate) async fn join(me: Uuid, clerks: Readers) -> Result<Self, StoreUnavailable> {
        let clerks = Arc::new(clerks);
        beat(&clerks, me).await?;
        adopt_unknown(&clerks).await?;
        let steady_since = Arc::default();
        let stop = CancellationToken::new();
        tokio::spawn(beats(Arc::clone(&clerks), me, Arc::clone(&steady_since), stop.clone()));
        Ok(Self { me, clerks, offices: Mutex::default(), steady_since, _beats: stop.drop_guard() })
    }

    pub(crate) const fn me(&self) -> Uuid {
        self.me
    }

    /// Takes over open rows whose service is gone, at most `limit`.
    pub(crate) async fn take_over(&self, limit: usize) -> Result<Vec<Row>, StoreUnavailable> {
        if !self.is_steady() {
            return Ok(Vec::new());
        }
        reading!(self.clerks, client => take_over(&client, self.me, limit))
    }

    /// Whether this service holds an office; it takes one that nobody living holds.
    pub(crate) async fn holds(&self, office: &str) -> Result<bool, StoreUnavailable> {
        if let Some((held, when)) = self.offices().get(office)
            && when.elapsed() < BELIEVED
        {
            return Ok(*held);
        }
        let asked = Instant::now();
        let may_take = self.is_steady();
        let held = reading!(self.clerks, client => holds(&client, self.me, office, may_take))?;
        self.offices().insert(office.to_owned(), (held, asked));
        Ok(held)
    }

    /// Leases of a budget.
    pub(crate) async fn lease(&self, budget: &str, ask: &Ask) -> Result<Lease, StoreUnavailable> {
        let begun = Instant::now();
        reading!(self.clerks, client => lease(&client, budget, ask, begun))
    }

    /// Tells that this service goes, so that nobody waits for it.
    pub(crate) async fn leave(&self) -> Result<(), StoreUnavailable> {
        let sql = "UPDATE replicas SET seen_at = 'epoch' WHERE id = $1";
        let left = reading!(self.clerks, client => run(&client, sql, &[&self.me]));
        self.clerks.close();
        left.map(drop)
    }

    fn offices(&self) -> MutexGuard<'_, HashMap<String, (bool, Instant)>> {
        self.offices.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it can be told who is gone: this service was heard for long enough to hear the others too.
    fn is_steady(&self) -> bool {
        let since = *self.steady_since.lock().unwrap_or_else(PoisonError::into_inner);
        since.is_none_or(|since| since.elapsed() >= STEADY)
    }
}

impl std::fmt::Debug for Fleet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fleet").field("me", &self.me).finish_non_exhaustive()
    }
}

async fn beats(clerks: Arc<Readers>, me: Uuid, steady: Arc<Mutex<Option<Instant>>>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(BEAT) => {}
            () = stop.cancelled() => return,
        }
        let began = Instant::now();
        let heard = beat(&clerks, me).await;
        if heard.is_err() || began.elapsed() > BEAT * 2 {
            *steady.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
    }
}

async fn beat(clerks: &Readers, me: Uuid) -> Result<(), StoreUnavailable> {
    let sql = "INSERT INTO replicas (id, seen_at) VALUES ($1, now()) ON CONFLICT (id) DO UPDATE SET seen_at = now()";
    reading!(clerks, client => run(&client, sql, &[&me])).map(drop)
}

/// Makes known as gone whoever has left closures and was never heard of in this schema: a sole owner, or a copy of another store.
async fn adopt_unknown(clerks: &Readers) -> Result<(), StoreUnavailable> {
    let sql = "INSERT INTO replicas (id, seen_at)
               SELECT DISTINCT owner, timestamptz 'epoch' FROM closures WHERE standing = 0 ON CONFLICT DO NOTHING";
    reading!(clerks, client => run(&client, sql, &[])).map(drop)
}

async fn take_over(client: &ClientWrapper, me: Uuid, limit: usize) -> Result<Vec<Row>, Trouble> {
    let gone = format!("SELECT id FROM replicas WHERE seen_at <= now() - {GONE_AFTER} AND id <> $1");
    let gone: Vec<Uuid> = all(client, &gone, &[&me], |row| Ok(row.try_get(0)?)).await?;
    if gone.is_empty() {
        return Ok(Vec::new());
    }
    let mut taken = Vec::new();
    for part in LEFT_BEHIND {
        let sql = format!(
            "WITH left_behind AS ({part})
             UPDATE closures c SET owner = $1 FROM left_behind l WHERE c.key = l.key RETURNING {ROW_COLUMNS}"
        );
        let room = rows(limit - taken.len());
        taken.extend(all(client, &sql, &[&me, &gone, &room], record::row).await?);
        if taken.len() >= limit {
            return Ok(taken);
        }
    }
    if taken.is_empty() {
        let forget = format!(
            "DELETE FROM replicas r WHERE r.seen_at <= now() - {FORGOTTEN_AFTER} AND r.id = ANY ($1)
                 AND NOT EXISTS (SELECT 1 FROM closures c WHERE c.owner = r.id AND c.standing = 0)"
        );
        run(client, &forget, &[&gone]).await?;
    }
    Ok(taken)
}

async fn holds(client: &ClientWrapper, me: Uuid, office: &str, may_take: bool) -> Result<bool, Trouble> {
    let lives = format!(
        "EXISTS (SELECT 1 FROM replicas r WHERE r.id = o.holder AND r.seen_at > now() - {GONE_AFTER})"
    );
    let office = written(office);
    let ask = format!("SELECT o.holder, {lives} FROM offices o WHERE o.name = $1");
    let read = |row: &Columns| Ok((row.try_get::<_, Uuid>(0)?, row.try_get::<_, bool>(1)?));
    match optional(client, &ask, &[&office], read).await? {
        Some((holder, _)) if holder == me => Ok(true),
        Some((_, true)) => Ok(false),
        Some((_, false)) if !may_take => Ok(false),
        Some((_, false)) | None => {
            let take = format!(
                "INSERT INTO offices AS o (name, holder) VALUES ($1, $2)
                 ON CONFLICT (name) DO UPDATE SET holder = excluded.holder WHERE NOT {lives}"
            );
            Ok(run(client, &take, &[&office, &me]).await? > 0)
        }
    }
}

/// A budget as stored, with the server's time.
struct Stored {
    revision: i64,
    now: i64,
    budget: Budget,
}

/// Lengths of time in the question are of the moment `begun`; what has passed since is taken off.
async fn lease(client: &ClientWrapper, name: &str, ask: &Ask, begun: Instant) -> Result<Lease, Trouble> {
    for _ in 0..TRIES {
        let Stored { revision, now, mut budget } = stored(client, name).await?;
        let before = budget;
        let passed = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
        let lease = budget.lease(now, &ask.later(passed));
        if budget == before || keep(client, name, revision, &budget).await? {
            return Ok(lease);
        }
    }
    Err(Trouble::late("a lease"))
}

async fn stored(client: &ClientWrapper, name: &str) -> Result<Stored, Trouble> {
    let ask = "SELECT b.revision, b.number, b.earliest_end, b.latest_end, b.leased, b.paused_until, b.scout_until, b.blind,
                   (extract(epoch FROM clock_timestamp()) * 1000)::bigint
               FROM budgets b WHERE b.name = $1";
    let read = |row: &Columns| {
        let ends = match (row.try_get(2)?, row.try_get(3)?) {
            (Some(earliest), Some(latest)) => Some((earliest, latest)),
            (None, _) | (_, None) => None,
        };
        let budget = Budget {
            window: unsigned(row.try_get(1)?),
            ends,
            leased: u32::try_from(row.try_get::<_, i64>(4)?).unwrap_or(u32::MAX),
            paused_until: row.try_get(5)?,
            scout_until: row.try_get(6)?,
            blind: row.try_get(7)?,
        };
        Ok(Stored { revision: row.try_get(0)?, now: row.try_get(8)?, budget })
    };
    if let Some(stored) = optional(client, ask, &[&written(name)], read).await? {
        return Ok(stored);
    }
    let begin = "INSERT INTO budgets (name, revision, number, leased, paused_until, scout_until, blind)
                 VALUES ($1, 0, 0, 0, 0, 0, false) ON CONFLICT DO NOTHING";
    run(client, begin, &[&written(name)]).await?;
    optional(client, ask, &[&written(name)], read).await?.ok_or_else(|| Trouble::late("a lease"))
}

/// Writes a budget, unless another service has written it since; answers whether it did.
async fn keep(client: &ClientWrapper, name: &str, revision: i64, budget: &Budget) -> Result<bool, Trouble> {
    let sql = "UPDATE budgets SET revision = revision + 1, number = $3, earliest_end = $4, latest_end = $5, leased = $6,
                   paused_until = $7, scout_until = $8, blind = $9
               WHERE name = $1 AND revision = $2";
    let (earliest, latest) = budget.ends.unzip();
    let changed = run(
        client,
        sql,
        &[
            &written(name),
            &revision,
            &signed(budget.window),
            &earliest,
            &latest,
            &i64::from(budget.leased),
            &budget.paused_until,
            &budget.scout_until,
            &budget.blind,
        ],
    )
    .await?;
    Ok(changed > 0)
}
