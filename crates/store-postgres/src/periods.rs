//! Tables that are divided by time, so that what is old goes as a whole.
//!
//! A row that is deleted stays on its page, and in every index, until the server comes round to cleaning: a database that removes as
//! much as it takes in spends most of its time on that. A part that is dropped costs nothing. So the lines of closures lie in parts
//! by the time at which their closure was made, which its key begins with; events and idempotency keys by their own time. What is
//! in none of the parts (keys of another kind, clocks that are far off, a part that could not be made in time) lies in a
//! last one, from which single rows are removed.

use std::time::Duration;

use deadpool_postgres::ClientWrapper;
use store::{ClosureKey, Millis};
use uuid::Uuid;

use crate::{failure::Trouble, read::all, record::rows};

/// How long the times are by which tables are divided. Only parts that are made from now on are of another length when it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Periods {
    /// For the lines of closures: a tenth of the time for which they are kept by default.
    pub closures: Duration,
    /// For events and idempotency keys: a fifth of the time for which they are kept by default.
    pub events: Duration,
}

impl Default for Periods {
    fn default() -> Self {
        Self { closures: Duration::from_secs(3 * 24 * 3_600), events: Duration::from_secs(6 * 3_600) }
    }
}

/// So many closures, and lines of theirs, may be left of a time whose lines are dropped; they are kept. Of more than that the whole
/// part is kept, as they are copied while writers wait.
const LEFT_MOST: usize = 10_000;
const LINES_MOST: usize = 50_000;

/// How long a part is waited for; while it is, others wait behind. It is tried again at the next sweep.
const LOCK_WITHIN: &str = "500ms";

/// A table that is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Divided {
    Journal,
    Inbox,
    Keys,
}

const ALL: [Divided; 3] = [Divided::Journal, Divided::Inbox, Divided::Keys];

impl Divided {
    const fn table(self) -> &'static str {
        match self {
            Self::Journal => "journal",
            Self::Inbox => "inbox",
            Self::Keys => "idempotency_keys",
        }
    }

    /// A column of which no part holds a value twice, and by which it is searched. The table as a whole cannot have an index for
    /// that: it would have to begin with the time.
    const fn unique(self) -> &'static str {
        match self {
            Self::Journal => "position",
            Self::Inbox | Self::Keys => "fingerprint",
        }
    }

    fn bound(self, at: Millis) -> String {
        match self {
            Self::Journal => format!("'{}'", first_key(at)),
            Self::Inbox | Self::Keys => at.to_string(),
        }
    }
}

/// The least key that a closure made at this moment can have (RFC 9562, version 7: a key begins with 48 bits of milliseconds).
fn first_key(at: Millis) -> ClosureKey {
    let millis = u128::try_from(at).unwrap_or_default() & ((1 << 48) - 1);
    Uuid::from_u128(millis << 80)
}

/// From a moment to before another one, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Period {
    from: Millis,
    to: Millis,
}

impl Period {
    /// The name of its part.
    fn part(self, divided: Divided) -> String {
        format!("{}_{}_{}", divided.table(), self.from, self.to)
    }

    /// The period of a part of this name; nothing for the part that takes the rest.
    fn of(divided: Divided, part: &str) -> Option<Self> {
        let (from, to) = part.strip_prefix(divided.table())?.strip_prefix('_')?.split_once('_')?;
        Some(Self { from: from.parse().ok()?, to: to.parse().ok()? })
    }
}

/// The periods that have no part yet, up to two lengths from now. A period begins where the one before it ends, and where there is
/// none, at a multiple of the length.
fn missing(there: &[Period], now: Millis, length: Duration) -> Vec<Period> {
    let length = millis(length);
    let mut from = now - now.rem_euclid(length);
    // One that lies far ahead was made by a clock that was wrong.
    let near = there.iter().filter(|period| period.from <= now + 2 * length);
    if let Some(end) = near.map(|period| period.to).max() {
        from = from.max(end);
    }
    let mut missing = Vec::new();
    while from < now + 2 * length {
        let to = from - from.rem_euclid(length) + length;
        missing.push(Period { from, to });
        from = to;
    }
    missing
}

/// Makes the parts for now and what comes next. What cannot be made is left: its rows go to the rest.
pub(crate) async fn prepare(client: &ClientWrapper, periods: Periods) -> Result<(), Trouble> {
    let now = now(client).await?;
    for divided in ALL {
        let length = match divided {
            Divided::Journal => periods.closures,
            Divided::Inbox | Divided::Keys => periods.events,
        };
        for period in missing(&parts(client, divided).await?, now, length) {
            if !made(client, divided, period).await {
                break;
            }
        }
    }
    Ok(())
}

/// Makes one part of all time until now, so that what another store has kept does not go to the rest.
pub(crate) async fn prepare_for_the_past(client: &ClientWrapper) -> Result<(), Trouble> {
    const HOUR: Millis = 3_600_000;
    let to = now(client).await? / HOUR * HOUR + HOUR;
    for divided in ALL {
        if parts(client, divided).await?.is_empty() {
            made(client, divided, Period { from: 0, to }).await;
        }
    }
    Ok(())
}

/// Makes a part; answers whether it is there.
async fn made(client: &ClientWrapper, divided: Divided, period: Period) -> bool {
    let made = make(client, divided, period).await;
    if let Err(trouble) = &made {
        let (why, part) = (trouble.unavailable(), period.part(divided));
        tracing::warn!(%why, part, "a part of a table cannot be made now; what belongs there is removed row by row");
    }
    made.is_ok()
}

async fn make(client: &ClientWrapper, divided: Divided, period: Period) -> Result<(), Trouble> {
    let (table, part, unique) = (divided.table(), period.part(divided), divided.unique());
    let (from, to) = (divided.bound(period.from), divided.bound(period.to));
    alone(
        client,
        &format!(
            "CREATE TABLE IF NOT EXISTS {part} PARTITION OF {table} FOR VALUES FROM ({from}) TO ({to});
             CREATE UNIQUE INDEX IF NOT EXISTS {part}_{unique} ON {part} ({unique})"
        ),
    )
    .await
}

/// What came of [`drop_old`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dropped {
    /// How many parts went.
    pub(crate) parts: u64,
    /// No closure that ended later may go: the key that answers with it may still be there.
    pub(crate) rows_before: Millis,
}

/// Drops the parts of which nothing is kept any more.
pub(crate) async fn drop_old(
    client: &ClientWrapper,
    periods: Periods,
    rows_before: Millis,
    inbox_before: Millis,
) -> Result<Dropped, Trouble> {
    // Whatever is asked for, a time goes when it is over.
    let now = now(client).await?;
    let (rows_before, inbox_before) = (rows_before.min(now), inbox_before.min(now));
    let mut gone = 0;
    for divided in [Divided::Inbox, Divided::Keys] {
        for period in over(client, divided, inbox_before).await? {
            let part = period.part(divided);
            let dropped = alone(client, &format!("DROP TABLE IF EXISTS {part}")).await;
            gone += u64::from(went(&part, dropped.map(|()| true)));
        }
    }
    let kept = parts(client, Divided::Keys).await?;
    let oldest_key = kept.iter().map(|period| period.from).filter(|from| *from < inbox_before).min();
    let rows_before = oldest_key.map_or(rows_before, |at| at.min(rows_before));
    for period in over(client, Divided::Journal, rows_before).await? {
        let grace = (period.to - period.from).min(millis(periods.closures)) / 4;
        let is_soon = rows_before < period.to + grace;
        let dropped = drop_lines(client, period, is_soon).await;
        gone += u64::from(went(&period.part(Divided::Journal), dropped));
    }
    Ok(Dropped { parts: gone, rows_before })
}

/// Whether a part went. One that could not, because somebody reads it, is left for the next sweep, and holds up nothing else.
fn went(part: &str, dropped: Result<bool, Trouble>) -> bool {
    if let Err(trouble) = &dropped {
        let why = trouble.unavailable();
        tracing::warn!(%why, part, "what is past its retention cannot be dropped now");
    }
    dropped.unwrap_or(false)
}

async fn over(client: &ClientWrapper, divided: Divided, before: Millis) -> Result<Vec<Period>, Trouble> {
    let mut parts = parts(client, divided).await?;
    parts.retain(|period| period.to <= before);
    Ok(parts)
}

/// Drops the lines of a period, but for those of the few closures that are left of it; answers whether it did. While it is over only
/// since a little, it waits for closures that end late.
async fn drop_lines(client: &ClientWrapper, period: Period, is_soon: bool) -> Result<bool, Trouble> {
    let (from, to) = (first_key(period.from), first_key(period.to));
    let count = |row: &tokio_postgres::Row| Ok(row.try_get::<_, i64>(0)?);
    let left = "SELECT count(*) FROM (SELECT 1 FROM closures WHERE key >= $1 AND key < $2 LIMIT $3) AS few";
    let left = all(client, left, &[&from, &to, &rows(LEFT_MOST + 1)], count).await?[0];
    if left > rows(LEFT_MOST) || (left > 0 && is_soon) {
        return Ok(false);
    }
    let lines = "SELECT count(*) FROM (
                     SELECT 1 FROM closures c JOIN journal l ON l.closure = c.key
                     WHERE c.key >= $1 AND c.key < $2 AND l.closure >= $1 AND l.closure < $2 LIMIT $3) AS few";
    if left > 0
        && all(client, lines, &[&from, &to, &rows(LINES_MOST + 1)], count).await?[0] > rows(LINES_MOST)
    {
        return Ok(false);
    }
    let part = period.part(Divided::Journal);
    // A position is never given out again, so the last one is noted before its line goes. Lines that stay find no part for their
    // time any more, and go to the rest.
    alone(
        client,
        &format!(
            "UPDATE marks SET value = greatest(value, (SELECT max(position) FROM {part})) WHERE name = 'journal';
             ALTER TABLE journal DETACH PARTITION {part};
             INSERT INTO journal (position, closure, sequence, at, kind, announcement, body)
                 SELECT l.position, l.closure, l.sequence, l.at, l.kind, l.announcement, l.body
                 FROM closures c JOIN {part} l ON l.closure = c.key
                 WHERE c.key >= '{from}' AND c.key < '{to}';
             DROP TABLE {part}"
        ),
    )
    .await?;
    tracing::info!(part, left, "lines past their retention are gone");
    Ok(true)
}

async fn parts(client: &ClientWrapper, divided: Divided) -> Result<Vec<Period>, Trouble> {
    let sql = "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
               WHERE i.inhparent = $1::text::regclass
                   AND c.relnamespace = (SELECT p.relnamespace FROM pg_class p WHERE p.oid = i.inhparent)";
    let names: Vec<String> = all(client, sql, &[&divided.table()], |row| Ok(row.try_get(0)?)).await?;
    Ok(names.iter().filter_map(|name| Period::of(divided, name)).collect())
}

/// Runs statements in a transaction of their own, between those of writers.
async fn alone(client: &ClientWrapper, sql: &str) -> Result<(), Trouble> {
    let all = format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '{LOCK_WITHIN}'; SET LOCAL client_min_messages = 'warning';
         SELECT value FROM marks WHERE name = 'journal' FOR UPDATE; {sql}; COMMIT"
    );
    let done = client.batch_execute(&all).await;
    if done.is_err() {
        // When this fails too, the connection is gone, and the transaction with it.
        let _ = client.batch_execute("ROLLBACK").await;
    }
    done.map_err(Trouble::from)
}

/// The server's time, which all services share.
async fn now(client: &ClientWrapper) -> Result<Millis, Trouble> {
    let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";
    Ok(all(client, sql, &[], |row| Ok(row.try_get(0)?)).await?[0])
}

fn millis(length: Duration) -> Millis {
    Millis::try_from(length.as_millis()).unwrap_or(Millis::MAX / 4).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);
    const LENGTH: Millis = 86_400_000;

    fn period(from: Millis, to: Millis) -> Period {
        Period { from: from * LENGTH, to: to * LENGTH }
    }

    #[test]
    fn periods_follow_each_other_without_a_gap_and_reach_beyond_the_next() {
        let noon = 10 * LENGTH + LENGTH / 2;
        assert_eq!(missing(&[], noon, DAY), [period(10, 11), period(11, 12), period(12, 13)]);
        assert_eq!(missing(&[period(10, 11), period(11, 12)], noon, DAY), [period(12, 13)]);
        assert_eq!(missing(&[period(10, 20)], noon, DAY), []);
        assert_eq!(
            missing(&[period(2, 3)], noon, DAY).first(),
            Some(&period(10, 11)),
            "what was missed is over"
        );
    }

    #[test]
    fn a_part_that_a_wrong_clock_made_ends_nothing() {
        let noon = 10 * LENGTH + LENGTH / 2;
        let there = [period(10, 11), period(1_000, 1_001)];
        assert_eq!(missing(&there, noon, DAY), [period(11, 12), period(12, 13)]);
    }

    #[test]
    fn a_period_of_another_length_joins_those_before_it() {
        let noon = 10 * LENGTH + LENGTH / 2;
        let end = 10 * LENGTH + LENGTH * 3 / 4;
        let before = [Period { from: 0, to: end }];
        assert_eq!(missing(&before, noon, DAY)[0], Period { from: end, to: 11 * LENGTH });
    }

    #[test]
    fn a_part_is_known_by_its_name() {
        for divided in ALL {
            let one = period(3, 4);
            assert_eq!(Period::of(divided, &one.part(divided)), Some(one));
            assert_eq!(Period::of(divided, &format!("{}_rest", divided.table())), None);
        }
        assert_eq!(Period::of(Divided::Journal, "journal_before"), None);
    }

    #[test]
    fn a_key_lies_in_the_period_in_which_it_was_made() {
        let (seconds, _) = Uuid::now_v7().get_timestamp().expect("it has one").to_unix();
        let at = Millis::try_from(seconds).expect("it is a time of now") * 1_000;
        let (before, key, after) = (first_key(at - 1), Uuid::now_v7(), first_key(at + 60_000));
        assert!(before < key && key < after);
    }
}
