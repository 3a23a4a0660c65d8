//! Lists and tallies: a filter turned into SQL, so that an index answers it.

use std::collections::BTreeMap;

use rusqlite::{Connection, params_from_iter, types::Value};
use store::{ClosureKey, Filter, HELD, Millis, Order, Part, QueueTally, Row, Tally, page, parts};
use uuid::Uuid;

use crate::{
    finder::Name,
    read::{moment, rows},
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
    let moment = moment(connection)?;
    let mut found = Vec::new();
    for (one, part) in parts(filter) {
        let (sql, values) = list_query(&one, part, order, after, limit);
        let mut rows = connection.prepare_cached(&sql)?;
        for row in rows.query_map(params_from_iter(&values), record::row)? {
            found.push(row?);
        }
    }
    moment.end()?;
    Ok(page(found, order, limit))
}

pub(crate) fn list_query(
    filter: &Filter,
    part: Part,
    order: Order,
    after: Option<(Millis, ClosureKey)>,
    limit: usize,
) -> (String, Vec<Value>) {
    let mut query = Query::matching(filter, part);
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
    let mut tallies: BTreeMap<(String, String, Option<String>), (u64, Millis)> = BTreeMap::new();
    let moment = moment(connection)?;
    for part in [Part::AtRest, Part::Moving] {
        let (sql, values) = tally_query(filter, part);
        let mut tally = connection.prepare_cached(&sql)?;
        let mut groups = tally.query(params_from_iter(&values))?;
        while let Some(group) = groups.next()? {
            let (rows, oldest) = (unsigned(group.get(3)?), group.get(4)?);
            let sum = tallies.entry((group.get(0)?, group.get(1)?, group.get(2)?)).or_insert((0, oldest));
            *sum = (sum.0 + rows, sum.1.min(oldest));
        }
    }
    moment.end()?;
    let tallies = tallies.into_iter().map(|((organisation, state, reason), (rows, oldest))| Tally {
        organisation,
        state,
        reason,
        rows,
        oldest,
    });
    Ok(tallies.collect())
}

pub(crate) fn tally_query(filter: &Filter, part: Part) -> (String, Vec<Value>) {
    let query = Query::matching(filter, part);
    let sql = format!(
        "SELECT c.organisation, c.state, c.reason, count(*), min(c.created_at) FROM {} WHERE {}
         GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        query.tables, query.condition
    );
    (sql, query.values)
}

/// What the index by queue demands of a row, in the same letters.
const IS_HELD: &str = "c.state = 'ghost'";

const _: () = assert!(matches!(HELD.as_bytes(), b"ghost"), "the index names this state");

/// Counts of what is held, by queue.
pub(crate) fn tally_by_queue(
    connection: &Connection,
    organisations: &[String],
) -> rusqlite::Result<Vec<QueueTally>> {
    let (sql, values) = tally_by_queue_query(organisations);
    let mut tally = connection.prepare_cached(&sql)?;
    let read = |group: &rusqlite::Row<'_>| {
        Ok(QueueTally {
            organisation: group.get(0)?,
            queue: group.get::<_, Option<[u8; 16]>>(1)?.map(Uuid::from_bytes),
            reason: group.get(2)?,
            rows: unsigned(group.get(3)?),
            oldest: group.get(4)?,
        })
    };
    tally.query_map(params_from_iter(&values), read)?.collect()
}

pub(crate) fn tally_by_queue_query(organisations: &[String]) -> (String, Vec<Value>) {
    let held = Filter { organisations: organisations.to_vec(), ended: Some(false), ..Filter::default() };
    let query = Query::matching(&held, Part::Held);
    let sql = format!(
        "SELECT c.organisation, c.queue, c.reason, count(*), min(c.created_at) FROM {} WHERE {}
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
    fn matching(filter: &Filter, part: Part) -> Self {
        let id = filter.conversation.as_ref().map(Name::Conversation);
        let id = id.or_else(|| filter.participant.as_ref().map(Name::Participant));
        let accepted = Place { created_at: "c.created_at", key: "c.key" };
        let (tables, place) = match (id, filter.labels.is_empty(), part) {
            (Some(_), ..) => ("finder f CROSS JOIN closures c ON c.key = f.place", accepted),
            // A label's rows are found in order of acceptance, so the first label leads and the rest are looked up.
            (None, false, _) => (
                "labels l CROSS JOIN closures c ON c.key = l.closure",
                Place { created_at: "l.created_at", key: "l.closure" },
            ),
            (None, true, Part::Moving) => ("closures c INDEXED BY closures_open", accepted),
            (None, true, Part::Held) => ("closures c INDEXED BY closures_queue", accepted),
            (None, true, Part::Reasoned) => ("closures c INDEXED BY closures_reason", accepted),
            (None, true, Part::Sourced) => ("closures c INDEXED BY closures_source", accepted),
            // Left to itself SQLite looks through the whole table for the first page of one organisation.
            (None, true, Part::All) => ("closures c INDEXED BY closures_created_at", accepted),
            (None, true, Part::AtRest) => ("closures c INDEXED BY closures_state", accepted),
        };
        let standing = match (part, filter.ended) {
            (Part::Moving, _) => format!("c.standing = {OPEN}"),
            (_, None) => format!("c.standing IN ({OPEN}, {ENDED})"),
            (_, Some(false)) => format!("c.standing = {OPEN}"),
            (_, Some(true)) => format!("c.standing = {ENDED}"),
        };
        let mut query = Self { tables, place, condition: standing, values: Vec::new() };
        match (part, filter.ended) {
            (Part::Moving, Some(true)) => query.and("FALSE AND c.moving = 1"),
            (Part::Moving, _) => query.and("c.moving = 1"),
            (Part::AtRest | Part::Reasoned, _) => query.and("c.moving = 0"),
            (Part::Held, _) => query.and(IS_HELD),
            (Part::All | Part::Sourced, _) => {}
        }
        if let Some(id) = id {
            query.and_value("f.fingerprint = ?", Some(id.fingerprint().into()));
            query.and_labels_of_closure(&filter.labels);
        } else {
            query.and_labels(&filter.labels);
        }
        query.and_one_of("c.organisation", &filter.organisations);
        query.and_one_of("c.state", &filter.states);
        query.and_one_of("c.reason", &filter.reasons);
        query.and_queues(&filter.queues);
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

    fn and_queues(&mut self, queues: &[Option<Uuid>]) {
        let named: Vec<Value> = queues.iter().flatten().copied().map(blob).collect();
        let places = vec!["?"; named.len()].join(", ");
        match (queues.len() > named.len(), named.is_empty()) {
            (false, true) => {}
            (true, true) => self.and("c.queue IS NULL"),
            (false, false) if named.len() == 1 => self.and("c.queue = ?"),
            (false, false) => self.and(&format!("c.queue IN ({places})")),
            (true, false) => self.and(&format!("(c.queue IS NULL OR c.queue IN ({places}))")),
        }
        self.values.extend(named);
    }

    /// The same where the closure is found otherwise.
    fn and_labels_of_closure(&mut self, labels: &[(String, String)]) {
        for (name, value) in labels {
            self.and(
                "EXISTS (SELECT 1 FROM labels o WHERE o.name = ? AND o.value = ?
                     AND o.created_at = c.created_at AND o.closure = c.key)",
            );
            self.values.extend([name.clone().into(), value.clone().into()]);
        }
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
