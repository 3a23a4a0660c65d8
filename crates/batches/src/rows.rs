//! From a file to its rows: each a JSON object as text, or why it is none.

use std::fmt;

use serde_json::{Map, Value, value::RawValue};
use store::{Filter, Millis};

use crate::stored::Narrowing;

/// The most rows of one batch: at the rate of [`crate::Batches`] they are submitted in some minutes.
pub const MOST_ROWS: usize = 10_000;

/// The largest file, in bytes: [`MOST_ROWS`] rows of 400 bytes.
pub const LARGEST_FILE: usize = 4_000_000;

/// The largest row, in bytes. A row with every field at its longest, but for labels, has less than half of it.
pub const LARGEST_ROW: usize = 8_192;

/// How rows are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A JSON list of objects.
    Json,
    /// A JSON object on each line.
    Ndjson,
    /// Comma-separated values with a line of headings.
    Csv,
}

impl Format {
    /// The format behind a content type, without its parameters; nothing for any other type.
    pub fn of_content_type(essence: &str) -> Option<Self> {
        match essence.to_ascii_lowercase().as_str() {
            "application/json" => Some(Self::Json),
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Some(Self::Ndjson),
            "text/csv" => Some(Self::Csv),
            _ => None,
        }
    }
}

/// A filter with which at most [`MOST_ROWS`] closures match, where there is one: the same, up to the moment at which the first of them
/// that is too many was accepted, in milliseconds since 1970. Nothing where all of them were accepted in the same millisecond.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Narrower(pub Option<Box<Narrowing>>);

impl Narrower {
    /// By when the closures that match were accepted, the earliest first, one more than there may be.
    pub(crate) fn of(filter: &Filter, accepted: impl IntoIterator<Item = Millis>) -> Self {
        let mut accepted = accepted.into_iter();
        let first = accepted.next();
        let too_many = accepted.nth(MOST_ROWS - 1);
        let until = too_many.filter(|until| first.is_some_and(|first| first < *until));
        Self(until.map(|until| Box::new(Narrowing { until: Some(until), ..Narrowing::of(filter) })))
    }
}

/// Why a file as a whole cannot be read. A single row that cannot be read is none of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreadable {
    /// It has more bytes than [`LARGEST_FILE`].
    TooLarge,
    /// It has more rows than [`MOST_ROWS`].
    TooMany,
    /// More closures than [`MOST_ROWS`] match a filter.
    TooManyMatch(Narrower),
    /// It has no row.
    Empty,
    /// It is not of the format; half a sentence.
    Broken(String),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => write!(f, "it has more than {LARGEST_FILE} bytes"),
            Self::TooMany => write!(f, "it has more than {MOST_ROWS} rows"),
            Self::TooManyMatch(_) => write!(f, "more than {MOST_ROWS} closures match"),
            Self::Empty => f.write_str("it has no row"),
            Self::Broken(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Unreadable {}

/// One row: the text of a JSON value, or why there is none.
pub(crate) type Row = Result<String, String>;

/// Reads the rows of a file, in their order.
pub(crate) fn read(format: Format, file: &[u8]) -> Result<Vec<Row>, Unreadable> {
    if file.len() > LARGEST_FILE {
        return Err(Unreadable::TooLarge);
    }
    let text = std::str::from_utf8(file)
        .map_err(|error| Unreadable::Broken(format!("it is not UTF-8 after byte {}", error.valid_up_to())))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let rows = match format {
        Format::Json => json(text)?,
        Format::Ndjson => ndjson(text),
        Format::Csv => csv(text)?,
    };
    match rows.len() {
        0 => Err(Unreadable::Empty),
        count if count > MOST_ROWS => Err(Unreadable::TooMany),
        _ => Ok(rows.into_iter().map(bounded).collect()),
    }
}

fn bounded(row: Row) -> Row {
    let row = row?;
    if row.len() > LARGEST_ROW { Err(format!("the row has more than {LARGEST_ROW} bytes")) } else { Ok(row) }
}

fn json(text: &str) -> Result<Vec<Row>, Unreadable> {
    let rows: Vec<&RawValue> = serde_json::from_str(text)
        .map_err(|error| Unreadable::Broken(format!("it is not a JSON list: {error}")))?;
    Ok(rows.into_iter().map(|row| Ok(row.get().to_owned())).collect())
}

fn ndjson(text: &str) -> Vec<Row> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| Ok(line.to_owned())).take(MOST_ROWS + 1).collect()
}

fn csv(text: &str) -> Result<Vec<Row>, Unreadable> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let broken = |error: csv::Error| Unreadable::Broken(format!("it is not CSV: {error}"));
    let headings = reader.headers().map_err(broken)?.clone();
    let mut seen = Vec::new();
    for heading in &headings {
        if !known(heading) {
            return Err(Unreadable::Broken(format!(
                "the heading \"{heading}\" is none of conversationId, participantId, idempotencyKey, label.NAME and \
                 policy.NAME"
            )));
        }
        if seen.contains(&heading) {
            return Err(Unreadable::Broken(format!("the heading \"{heading}\" is there twice")));
        }
        seen.push(heading);
    }
    let records = reader.records().take(MOST_ROWS + 1);
    Ok(records
        .map(|record| record.map_err(|error| error.to_string()).map(|record| object(&headings, &record)))
        .collect())
}

fn known(heading: &str) -> bool {
    matches!(heading, "conversationId" | "participantId" | "idempotencyKey")
        || ["label.", "policy."]
            .iter()
            .any(|prefix| heading.len() > prefix.len() && heading.starts_with(prefix))
}

/// A line as the object that a producer would have written. An empty cell says nothing.
fn object(headings: &csv::StringRecord, record: &csv::StringRecord) -> String {
    let mut row = Map::new();
    for (heading, cell) in headings.iter().zip(record).filter(|(_, cell)| !cell.is_empty()) {
        let (outer, inner) = match heading.split_once('.') {
            Some(("label", name)) => ("labels", Some(name)),
            Some((outer, name)) => (outer, Some(name)),
            None => (heading, None),
        };
        let cell = Value::String(cell.to_owned());
        match inner {
            None => drop(row.insert(outer.to_owned(), cell)),
            Some(name) => {
                let within = row.entry(outer).or_insert_with(|| Value::Object(Map::new()));
                if let Some(within) = within.as_object_mut() {
                    within.insert(name.to_owned(), cell);
                }
            }
        }
    }
    Value::Object(row).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_matches_too_many_is_narrowed_to_the_earliest_that_fit() {
        let filter = Filter { states: vec!["ghost".to_owned()], since: Some(1), ..Filter::default() };
        let most = i64::try_from(MOST_ROWS).unwrap();
        let narrower = |accepted: Vec<Millis>| Narrower::of(&filter, accepted).0;
        let one_a_milli = narrower((10..=10 + most).collect()).unwrap();
        assert_eq!((one_a_milli.since, one_a_milli.until), (Some(1), Some(10 + most)));
        assert_eq!(one_a_milli.states, filter.states);
        // Those of the last millisecond would be too many, and are left for the next part together.
        let crowded = std::iter::once(5).chain(std::iter::repeat_n(9, MOST_ROWS)).collect();
        assert_eq!(narrower(crowded).unwrap().until, Some(9));
        assert_eq!(narrower(vec![7; MOST_ROWS + 1]), None, "no moment parts them");
    }

    #[test]
    fn the_same_rows_are_read_from_every_format() {
        let wanted = [r#"{"conversationId":"a","labels":{"team":"x, y"}}"#, r#"{"conversationId":"b"}"#];
        let wanted: Vec<Row> = wanted.iter().map(|row| Ok((*row).to_owned())).collect();
        let json = format!("[{},{}]", wanted[0].as_ref().unwrap(), wanted[1].as_ref().unwrap());
        let ndjson = format!("{}\r\n\n{}", wanted[0].as_ref().unwrap(), wanted[1].as_ref().unwrap());
        let csv = "\u{feff}conversationId,label.team,policy.order\na,\"x, y\",\nb,,\n";
        assert_eq!(read(Format::Json, json.as_bytes()).unwrap(), wanted);
        assert_eq!(read(Format::Ndjson, ndjson.as_bytes()).unwrap(), wanted);
        assert_eq!(read(Format::Csv, csv.as_bytes()).unwrap(), wanted);
    }

    #[test]
    fn a_line_with_other_cells_than_headings_is_one_bad_row() {
        let rows = read(Format::Csv, b"conversationId,participantId\na,b\nc\nd,e\n").unwrap();
        assert!(rows[0].is_ok() && rows[1].is_err() && rows[2].is_ok(), "{rows:?}");
    }

    #[test]
    fn a_file_that_is_not_of_its_format_is_refused_as_a_whole() {
        let broken = |format, text: &[u8]| matches!(read(format, text), Err(Unreadable::Broken(_)));
        assert!(broken(Format::Json, b"{}") && broken(Format::Json, b"[{}"));
        assert!(
            broken(Format::Csv, b"conversation\nx")
                && broken(Format::Csv, b"conversationId,conversationId\n")
        );
        assert!(broken(Format::Csv, b"label.\nx"));
        assert!(broken(Format::Ndjson, b"\xff"));
        for (format, text) in
            [(Format::Json, "[]"), (Format::Ndjson, "\n \n"), (Format::Csv, "conversationId\n")]
        {
            assert_eq!(read(format, text.as_bytes()), Err(Unreadable::Empty));
        }
    }

    #[test]
    fn every_bound_is_taken_at_its_limit_and_refused_one_beyond() {
        let lines = |count: usize| "{}\n".repeat(count);
        assert_eq!(read(Format::Ndjson, lines(MOST_ROWS).as_bytes()).unwrap().len(), MOST_ROWS);
        assert_eq!(read(Format::Ndjson, lines(MOST_ROWS + 1).as_bytes()), Err(Unreadable::TooMany));
        let list = |count: usize| format!("[{}]", vec!["{}"; count].join(","));
        assert_eq!(read(Format::Json, list(MOST_ROWS).as_bytes()).unwrap().len(), MOST_ROWS);
        assert_eq!(read(Format::Json, list(MOST_ROWS + 1).as_bytes()), Err(Unreadable::TooMany));
        let csv = |count: usize| format!("conversationId\n{}", "x\n".repeat(count));
        assert_eq!(read(Format::Csv, csv(MOST_ROWS).as_bytes()).unwrap().len(), MOST_ROWS);
        assert_eq!(read(Format::Csv, csv(MOST_ROWS + 1).as_bytes()), Err(Unreadable::TooMany));
        let padded = |bytes: usize| format!("{{}}{}", " ".repeat(bytes - 2));
        assert_eq!(read(Format::Ndjson, padded(LARGEST_FILE).as_bytes()).unwrap().len(), 1);
        assert_eq!(read(Format::Ndjson, padded(LARGEST_FILE + 1).as_bytes()), Err(Unreadable::TooLarge));
        let row = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
        assert!(read(Format::Ndjson, row(LARGEST_ROW).as_bytes()).unwrap()[0].is_ok());
        assert!(read(Format::Ndjson, row(LARGEST_ROW + 1).as_bytes()).unwrap()[0].is_err());
    }
}
