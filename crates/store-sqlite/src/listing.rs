//! Lists and tallies: a filter turned into SQL, so that an index answers it.

use rusqlite::{Connection, params_from_iter, types::Value};
use store::{ClosureKey, Filter, Millis, Order, Row, Tally};
use uuid::Uuid;

use crate::{
    read::rows,
    record::{self, ENDED, OPEN, ROW_COLUMNS, unsigned},
};

/// One page of matching rows.
pub(crate) fn list(
    connection: &Connection,
    filter: &Filter,
    order: Order,
    after: Option<(Millis, ClosureKey)>,
    limit: usize,
) -> rusqlite::Result<Vec<Row>> {
    let narrowed = filter.conversation.is_some() || filter.participant.is_some() || !filter.labels.is_empty();
    if narrowed || filter.states.len() < 2 {
        return list_one(connection, filter, order, after, limit);
    }
    // The index by state is in order of acceptance within one state: a page of each holds the page of all.
    let mut page = Vec::new();
    let mut states: Vec<&String> = filter.states.iter().collect();
    states.sort_unstable();
    states.dedup();
    for state in states {
        let one = Filter { states: vec![state.clone()], ..filter.clone() };
        page.extend(list_one(connection, &one, order, after, limit)?);
    }
    page.sort_by_key(|row| (row.created_at, row.key));
    if order == Order::NewestFirst {
        page.reverse();
    }
    page.truncate(limit);
    Ok(page)
}

fn list_one(
    connection: &Connection,
    filter: &Filter,
    order: Order,
    after: Option<(Millis, ClosureKey)>,
    limit: usize,
) -> rusqlite::Result<Vec<Row>> {
    let (sql, values) = list_query(filter, order, after, limit);
    connection.prepare_cached(&sql)?.query_map(params_from_iter(&values), record::row)?.collect()
}

pub(crate) fn list_query(
    filter: &Filter,
    order: Order,
    after: Option<(Millis, ClosureKey)>,
    limit: usize,
) -> (String, Vec<Value>) {
    let mut query = Query::matching(filter);
    let place = query.place;
    let (comparison, direction) = match order {
        Order::NewestFirst => ("<", "DESC"),
        Order::OldestFirst => (">", "ASC"),
    };
    if let Some((created_at, key)) = after {
        query.and(&format!("({}, {}) {comparison} (?, ?)", place.created_at, place.key));
        query.values.push(created_at.into());
        query.values.push(blob(key));
    }
    query.values.push(rows(limit).into());
    let sql = format!(
        "SELECT {ROW_COLUMNS} FROM {} WHERE {} ORDER BY {} {direction}, {} {direction} LIMIT ?",
        query.tables, query.condition, place.created_at, place.key
    );
    (sql, query.values)
}

/// Counts of matching rows.
pub(crate) fn tally(connection: &Connection, filter: &Filter) -> rusqlite::Result<Vec<Tally>> {
    let (sql, values) = tally_query(filter);
    let mut tally = connection.prepare_cached(&sql)?;
    let tally = tally.query_map(params_from_iter(&values), |columns| {
        Ok(Tally {
            organisation: columns.get(0)?,
            state: columns.get(1)?,
            reason: columns.get(2)?,
            rows: unsigned(columns.get(3)?),
            oldest: columns.get(4)?,
        })
    })?;
    tally.collect()
}

pub(crate) fn tally_query(filter: &Filter) -> (String, Vec<Value>) {
    let query = Query::matching(filter);
    let sql = format!(
        "SELECT c.organisation, c.state, c.reason, count(*), min(c.created_at) FROM {} WHERE {}
         GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        query.tables, query.condition
    );
    (sql, query.values)
}

/// Where a row's place in the order is read from, so that the index that is walked is also the order.
#[derive(Clone, Copy)]
struct Place {
    created_at: &'static str,
    key: &'static str,
}

struct Query {
    tables: &'static str,
    place: Place,
    condition: String,
    values: Vec<Value>,
}

impl Query {
    fn matching(filter: &Filter) -> Self {
        // A label's rows are found in order of acceptance, so the first label leads and the rest are looked up.
        let (tables, place) = match filter.labels.is_empty() {
            true => ("closures c", Place { created_at: "c.created_at", key: "c.key" }),
            false => (
                "labels l CROSS JOIN closures c ON c.key = l.closure",
                Place { created_at: "l.created_at", key: "l.closure" },
            ),
        };
        let standing = match filter.ended {
            None => format!("c.standing IN ({OPEN}, {ENDED})"),
            Some(false) => format!("c.standing = {OPEN}"),
            Some(true) => format!("c.standing = {ENDED}"),
        };
        let mut query = Self { tables, place, condition: standing, values: Vec::new() };
        query.and_labels(&filter.labels);
        query.and_one_of("c.organisation", &filter.organisations);
        query.and_one_of("c.state", &filter.states);
        query.and_one_of("c.reason", &filter.reasons);
        query.and_value("c.source = ?", filter.source.clone().map(Value::from));
        query.and_value("c.conversation = ?", filter.conversation.map(blob));
        query.and_value("c.participant = ?", filter.participant.map(blob));
        query.and_value(&format!("{} >= ?", place.created_at), filter.since.map(Value::from));
        query.and_value(&format!("{} < ?", place.created_at), filter.until.map(Value::from));
        query
    }

    fn and(&mut self, condition: &str) {
        self.condition.push_str(" AND ");
        self.condition.push_str(condition);
    }

    fn and_value(&mut self, condition: &str, value: Option<Value>) {
        if let Some(value) = value {
            self.and(condition);
            self.values.push(value);
        }
    }

    fn and_one_of(&mut self, column: &str, values: &[String]) {
        if values.is_empty() {
            return;
        }
        let places = vec!["?"; values.len()].join(", ");
        self.and(&format!("{column} IN ({places})"));
        self.values.extend(values.iter().cloned().map(Value::from));
    }

    fn and_labels(&mut self, labels: &[(String, String)]) {
        for (number, (name, value)) in labels.iter().enumerate() {
            self.and(match number {
                0 => "l.name = ? AND l.value = ?",
                _ => {
                    "EXISTS (SELECT 1 FROM labels o WHERE o.name = ? AND o.value = ?
                         AND o.created_at = l.created_at AND o.closure = l.closure)"
                }
            });
            self.values.extend([name.clone().into(), value.clone().into()]);
        }
    }
}

fn blob(id: Uuid) -> Value {
    Value::Blob(id.as_bytes().to_vec())
}
