//! Lists and tallies: a filter turned into SQL, so that an index answers it.

use std::collections::BTreeMap;

use deadpool_postgres::ClientWrapper;
use store::{ClosureKey, Filter, HELD, Millis, Order, Part, QueueTally, Row, Tally, page, parts};
use tokio_postgres::Row as Columns;
use uuid::Uuid;

use crate::{
    failure::Trouble,
    query::Query,
    read::all,
    record::{self, ENDED, OPEN, ROW_COLUMNS, rows, unsigned},
    text::written,
};

/// One page of matching rows. All parts are one statement, so that they are of one moment.
pub(crate) async fn list(
    client: &ClientWrapper,
    filter: &Filter,
    order: Order,
    after: Option<(Millis, ClosureKey)>,
    limit: usize,
) -> Result<Vec<Row>, Trouble> {
    let mut query = Query::default();
    let selects: Vec<String> = parts(filter)
        .iter()
        .map(|(one, part)| list_part(&mut query, one, *part, order, after, limit))
        .collect();
    let found = all(client, &selects.join(" UNION ALL "), &query.values(), record::row).await?;
    Ok(page(found, order, limit))
}

fn list_part(
    query: &mut Query,
    filter: &Filter,
    part: Part,
    order: Order,
    after: Option<(Millis, ClosureKey)>,
    limit: usize,
) -> String {
    let mut some = Matching::of(filter, part, query);
    let (created_at, key) = some.place;
    let (comparison, direction) = match order {
        Order::NewestFirst => ("<", "DESC"),
        Order::OldestFirst => (">", "ASC"),
    };
    if let Some((moment, row)) = after {
        let (moment, row) = (query.place(moment), query.place(row));
        some.and(&format!("({created_at}, {key}) {comparison} ({moment}, {row})"));
    }
    format!(
        "(SELECT {ROW_COLUMNS} FROM {} WHERE {} ORDER BY {created_at} {direction}, {key} {direction} LIMIT {})",
        some.tables,
        some.condition,
        rows(limit)
    )
}

/// Counts of matching rows, all of one moment.
pub(crate) async fn tally(client: &ClientWrapper, filter: &Filter) -> Result<Vec<Tally>, Trouble> {
    let mut query = Query::default();
    let selects = [Part::AtRest, Part::Moving].map(|part| {
        let some = Matching::of(filter, part, &mut query);
        // At rest the copies in the index are counted.
        let (state, reason) = match part {
            Part::AtRest => ("c.rest_state", "c.rest_reason"),
            Part::Moving | Part::All | Part::Held | Part::Reasoned | Part::Sourced => ("c.state", "c.reason"),
        };
        format!(
            "SELECT c.organisation, {state}, {reason}, count(*), min(c.created_at) FROM {} WHERE {} GROUP BY 1, 2, 3",
            some.tables, some.condition
        )
    });
    let read = |columns: &Columns| {
        let group =
            (record::name(columns, 0)?, record::name(columns, 1)?, record::optional_name(columns, 2)?);
        Ok((group, unsigned(columns.try_get(3)?), columns.try_get::<_, i64>(4)?))
    };
    let mut tallies: BTreeMap<(String, String, Option<String>), (u64, Millis)> = BTreeMap::new();
    for (group, rows, oldest) in all(client, &selects.join(" UNION ALL "), &query.values(), read).await? {
        let sum = tallies.entry(group).or_insert((0, oldest));
        *sum = (sum.0 + rows, sum.1.min(oldest));
    }
    let tallies = tallies.into_iter().map(|((organisation, state, reason), (rows, oldest))| Tally {
        organisation,
        state,
        reason,
        rows,
        oldest,
    });
    Ok(tallies.collect())
}

/// What the index by queue demands of a row, in the same letters.
const IS_HELD: &str = "c.rest_state = 'ghost'";

const _: () = assert!(matches!(HELD.as_bytes(), b"ghost"), "the index names this state");

/// Counts of what is held, by queue.
pub(crate) async fn tally_by_queue(
    client: &ClientWrapper,
    organisations: &[String],
) -> Result<Vec<QueueTally>, Trouble> {
    let held = Filter { organisations: organisations.to_vec(), ended: Some(false), ..Filter::default() };
    let mut query = Query::default();
    let some = Matching::of(&held, Part::Held, &mut query);
    let sql = format!(
        "SELECT c.organisation, c.queue, c.rest_reason, count(*), min(c.created_at) FROM {} WHERE {} GROUP BY 1, 2, 3",
        some.tables, some.condition
    );
    let read = |columns: &Columns| {
        Ok(QueueTally {
            organisation: record::name(columns, 0)?,
            queue: columns.try_get(1)?,
            reason: record::optional_name(columns, 2)?,
            rows: unsigned(columns.try_get(3)?),
            oldest: columns.try_get(4)?,
        })
    };
    let mut tallies = all(client, &sql, &query.values(), read).await?;
    tallies.sort_unstable();
    Ok(tallies)
}

/// Tables and condition of the rows that match a filter.
struct Matching {
    tables: &'static str,
    /// Where a row's place in the order is read from, so that the index that is walked is also the order.
    place: (&'static str, &'static str),
    condition: String,
}

impl Matching {
    fn of(filter: &Filter, part: Part, query: &mut Query) -> Self {
        let by_id = filter.conversation.is_some() || filter.participant.is_some();
        // A label's rows are found in order of acceptance, so the first label leads and the rest are looked up.
        let leads = !filter.labels.is_empty() && !by_id;
        let (tables, place) = if leads {
            ("labels l JOIN closures c ON c.key = l.closure", ("l.created_at", "l.closure"))
        } else {
            ("closures c", ("c.created_at", "c.key"))
        };
        let standing = match filter.ended {
            None => format!("c.standing IN ({OPEN}, {ENDED})"),
            Some(false) => format!("c.standing = {OPEN}"),
            Some(true) => format!("c.standing = {ENDED}"),
        };
        let mut some = Self { tables, place, condition: standing };
        let state = match part {
            Part::All | Part::Sourced => "c.state",
            Part::AtRest | Part::Reasoned => {
                some.and("c.rest_state IS NOT NULL");
                "c.rest_state"
            }
            Part::Held => {
                some.and(IS_HELD);
                "c.rest_state"
            }
            Part::Moving => {
                some.and(&format!("c.standing = {OPEN} AND c.moving"));
                "c.state"
            }
        };
        let reason = match part {
            Part::AtRest | Part::Held | Part::Reasoned => "c.rest_reason",
            Part::Moving | Part::All | Part::Sourced => "c.reason",
        };
        some.and_labels(&filter.labels, leads, query);
        some.and_one_of("c.organisation", &filter.organisations, query);
        some.and_one_of(state, &filter.states, query);
        some.and_one_of(reason, &filter.reasons, query);
        some.and_queues(&filter.queues, query);
        let source = filter.source.as_deref().map(|source| written(source).into_owned());
        let conditions = [
            ("c.source =", source.map(|source| query.place(source))),
            ("c.conversation =", filter.conversation.map(|id| query.place(id))),
            ("c.participant =", filter.participant.map(|id| query.place(id))),
            (&*format!("{} >=", place.0), filter.since.map(|moment| query.place(moment))),
            (&*format!("{} <", place.0), filter.until.map(|moment| query.place(moment))),
        ];
        for (condition, value) in conditions {
            if let Some(value) = value {
                some.and(&format!("{condition} {value}"));
            }
        }
        some
    }

    fn and(&mut self, condition: &str) {
        self.condition.push_str(" AND ");
        self.condition.push_str(condition);
    }

    fn and_one_of(&mut self, column: &str, names: &[String], query: &mut Query) {
        match names {
            [] => {}
            [name] => {
                let name = query.place(written(name).into_owned());
                self.and(&format!("{column} = {name}"));
            }
            names => {
                let names: Vec<String> = names.iter().map(|name| written(name).into_owned()).collect();
                let names = query.place(names);
                self.and(&format!("{column} = ANY ({names})"));
            }
        }
    }

    fn and_queues(&mut self, queues: &[Option<Uuid>], query: &mut Query) {
        let named: Vec<Uuid> = queues.iter().flatten().copied().collect();
        match (queues.len() > named.len(), &named[..]) {
            (false, []) => {}
            (true, []) => self.and("c.queue IS NULL"),
            (false, [only]) => {
                let only = query.place(*only);
                self.and(&format!("c.queue = {only}"));
            }
            (some_have_none, [..]) => {
                let named = query.place(named);
                let none = if some_have_none { "c.queue IS NULL OR " } else { "" };
                self.and(&format!("({none}c.queue = ANY ({named}))"));
            }
        }
    }

    fn and_labels(&mut self, labels: &[(String, String)], leads: bool, query: &mut Query) {
        for (number, (name, value)) in labels.iter().enumerate() {
            let (name, value) =
                (query.place(written(name).into_owned()), query.place(written(value).into_owned()));
            if leads && number == 0 {
                self.and(&format!("l.name = {name} AND l.value = {value}"));
            } else {
                let (created_at, key) = self.place;
                self.and(&format!(
                    "EXISTS (SELECT 1 FROM labels o WHERE o.name = {name} AND o.value = {value}
                         AND o.created_at = {created_at} AND o.closure = {key})"
                ));
            }
        }
    }
}
