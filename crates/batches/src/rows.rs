//! From a file to its rows: each a JSON object as text, or why it is none, and where it stands.

use std::{collections::HashSet, fmt, mem};

use serde_json::{Map, Value, json, value::RawValue};
use store::{Filter, Millis};

use crate::stored::Narrowing;

/// The most rows of one batch: at the rate of [`crate::Batches`] they are submitted in some minutes.
pub const MOST_ROWS: usize = 10_000;

/// The largest file, in bytes: [`MOST_ROWS`] rows of 400 bytes.
pub const LARGEST_FILE: usize = 4_000_000;

/// The largest row, in bytes. A row with every field at its longest, but for labels, has less than half of it.
pub const LARGEST_ROW: usize = 8_192;

/// The most headings of a table: three of a row itself, seven of a policy, and as many labels as one row may have, sixteen.
const MOST_HEADINGS: usize = 3 + 7 + 16;

/// How many signs of a row are shown where it cannot be read: an id and what is wrong beside it.
const SHOWN: usize = 100;

/// How rows are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A JSON list of objects.
    Json,
    /// A JSON object on each line.
    Ndjson,
    /// Comma-separated values with a line of headings.
    Csv,
    /// Ids of conversations, one a line or between commas, semicolons, quotes and blanks, as they come out of a mail.
    Ids,
}

impl Format {
    /// The format behind a content type, without its parameters; nothing for any other type.
    pub fn of_content_type(essence: &str) -> Option<Self> {
        match essence.to_ascii_lowercase().as_str() {
            "application/json" => Some(Self::Json),
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Some(Self::Ndjson),
            "text/csv" => Some(Self::Csv),
            "text/plain" => Some(Self::Ids),
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

/// One row, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// The line of the file in which it begins, from 1, all lines counted; nothing where there is no file.
    pub(crate) line: Option<u32>,
    /// What stands there, as [`excerpt`] shows it; empty where there is no file.
    pub(crate) given: String,
    /// The text of a JSON value, or why there is none.
    pub(crate) value: Result<String, String>,
}

impl Row {
    /// One that stands in no file.
    pub(crate) fn made(value: String) -> Self {
        Self { line: None, given: String::new(), value: Ok(value) }
    }

    fn of(line: u32, given: &str, value: Result<String, String>) -> Self {
        let value = value.and_then(|row| match row.len() > LARGEST_ROW {
            true => Err(format!("the row has more than {LARGEST_ROW} bytes")),
            false => Ok(row),
        });
        Self { line: Some(line), given: excerpt(given), value }
    }
}

/// The beginning of a text on one line. What steers a terminal, or the direction of writing, is spelt out.
fn excerpt(text: &str) -> String {
    let text = text.trim();
    let beginning: String = text.chars().take(SHOWN).collect();
    let mut shown = shown_text::on_one_line(&beginning).into_owned();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// Whether a line of a file is passed over: a blank one, or a comment.
fn says_nothing(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

/// Numbers the lines of a text, for places that come in their order.
struct Lines<'a> {
    text: &'a str,
    at: usize,
    line: u32,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        Self { text, at: 0, line: 1 }
    }

    /// The line of the byte at this place, which is not before the last one.
    fn line_at(&mut self, place: usize) -> u32 {
        let passed = self.text.as_bytes().get(self.at..place).unwrap_or_default();
        let breaks = passed.iter().filter(|byte| **byte == b'\n').count();
        self.line = self.line.saturating_add(u32::try_from(breaks).unwrap_or(u32::MAX));
        self.at = place;
        self.line
    }
}

/// The lines that say something, with their numbers.
fn lines(text: &str) -> impl Iterator<Item = (u32, &str)> {
    (1u32..)
        .zip(text.lines())
        .filter(|(_, line)| !says_nothing(line))
        .map(|(number, line)| (number, line.trim()))
}

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
        Format::Csv => csv(&without_comments(text))?,
        Format::Ids => ids(text)?,
    };
    match rows.len() {
        0 => Err(Unreadable::Empty),
        count if count > MOST_ROWS => Err(Unreadable::TooMany),
        _ => Ok(rows),
    }
}

fn json(text: &str) -> Result<Vec<Row>, Unreadable> {
    let rows: Vec<&RawValue> = serde_json::from_str(text)
        .map_err(|error| Unreadable::Broken(format!("it is not a JSON list: {error}")))?;
    if rows.len() > MOST_ROWS {
        return Err(Unreadable::TooMany);
    }
    let mut lines = Lines::of(text);
    let row = |row: &RawValue| {
        // The value is a part of the text.
        let place = row.get().as_ptr().addr().saturating_sub(text.as_ptr().addr());
        Row::of(lines.line_at(place), row.get(), Ok(row.get().to_owned()))
    };
    Ok(rows.into_iter().map(row).collect())
}

fn ndjson(text: &str) -> Vec<Row> {
    let row = |(number, line): (u32, &str)| Row::of(number, line, Ok(line.to_owned()));
    lines(text).map(row).take(MOST_ROWS + 1).collect()
}

fn ids(text: &str) -> Result<Vec<Row>, Unreadable> {
    if lines(text).next().is_some_and(|(_, first)| first.starts_with(['[', '{'])) {
        let why = "it begins as JSON does, and not with an id: its type is application/json or application/x-ndjson";
        return Err(Unreadable::Broken(why.to_owned()));
    }
    let row = |number, id: &str| Row::of(number, id, Ok(json!({ "conversationId": id }).to_string()));
    let rows = lines(text).flat_map(|(number, line)| words(line).map(move |id| row(number, id)));
    Ok(rows.take(MOST_ROWS + 1).collect())
}

/// The words of a line, one at a time: a line can be the whole file.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let parts = line.split(|sign: char| sign.is_whitespace() || matches!(sign, ',' | ';' | '"'));
    parts.filter(|word| !word.is_empty())
}

fn csv(text: &str) -> Result<Vec<Row>, Unreadable> {
    if let Some(line) = never_closed(text) {
        return Err(Unreadable::Broken(format!(
            "a quote opens in line {line} and never closes, so all that follows would be one cell: close it, or write it twice where it \
             belongs to the text"
        )));
    }
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let broken = |error: csv::Error| Unreadable::Broken(format!("it is not CSV: {error}"));
    let headings = reader.headers().map_err(broken)?.clone();
    if headings.len() > MOST_HEADINGS {
        return Err(Unreadable::Broken(format!(
            "it has {} headings, and no row can mean more than {MOST_HEADINGS}: leave out the columns that the service does not \
             need, a row has 16 labels at most",
            headings.len()
        )));
    }
    let mut seen = HashSet::new();
    for heading in &headings {
        if !known(heading) {
            return Err(Unreadable::Broken(format!(
                "the heading \"{heading}\" is none of conversationId, participantId, idempotencyKey, label.NAME and \
                 policy.NAME"
            )));
        }
        if !seen.insert(heading) {
            return Err(Unreadable::Broken(format!("the heading \"{heading}\" is there twice")));
        }
    }
    let place = |reader: &csv::Reader<&[u8]>| usize::try_from(reader.position().byte()).unwrap_or(usize::MAX);
    let (mut rows, mut record, mut lines) = (Vec::new(), csv::StringRecord::new(), Lines::of(text));
    while rows.len() <= MOST_ROWS {
        let begin = place(&reader);
        let value = match reader.read_record(&mut record) {
            Ok(false) => break,
            Ok(true) => Ok(object(&headings, &record)),
            Err(error) => Err(no_record(&error)),
        };
        // The lines before it that are empty are read with it.
        let given = text.get(begin..place(&reader)).unwrap_or_default();
        let empty = given.len() - given.trim_start_matches(['\r', '\n']).len();
        rows.push(Row::of(lines.line_at(begin + empty), given, value));
    }
    Ok(rows)
}

/// Why a line of CSV is none. Where it stands is told beside it.
fn no_record(error: &csv::Error) -> String {
    if let csv::ErrorKind::UnequalLengths { len, expected_len, .. } = error.kind() {
        return format!(
            "the row has another number of cells ({len}) than there are headings ({expected_len})"
        );
    }
    error.to_string()
}

/// The same text, with the lines left empty that say nothing. What stands between quotes is left as it is.
fn without_comments(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut quoted = false;
    for line in text.split_inclusive('\n') {
        if !quoted && says_nothing(line) {
            let end = line.trim_end_matches(['\r', '\n']).len();
            kept.push_str(&line[end..]);
        } else {
            kept.push_str(line);
            quoted = ends_quoted(line, quoted);
        }
    }
    kept
}

/// The line from which on everything stands between quotes.
fn never_closed(text: &str) -> Option<usize> {
    let mut opened = None;
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        opened = ends_quoted(line, opened.is_some()).then(|| opened.unwrap_or(number));
    }
    opened
}

/// Whether the quotes of a cell are open at the end of a line, at whose beginning they were so or not.
fn ends_quoted(line: &str, mut quoted: bool) -> bool {
    // Quotes open at the beginning of a cell; those that follow at once on quotes that close are doubled.
    let mut opens = !quoted;
    for sign in line.chars() {
        match sign {
            '"' if quoted => (quoted, opens) = (false, true),
            '"' => quoted = mem::take(&mut opens),
            ',' => opens = true,
            _ => opens = false,
        }
    }
    quoted
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
        let json = format!("[{},{}]", wanted[0], wanted[1]);
        let ndjson = format!("{}\r\n\n{}", wanted[0], wanted[1]);
        let csv = "\u{feff}conversationId,label.team,policy.order\na,\"x, y\",\nb,,\n".to_owned();
        for (format, text) in [(Format::Json, json), (Format::Ndjson, ndjson), (Format::Csv, csv)] {
            let rows = read(format, text.as_bytes()).unwrap();
            let values: Vec<_> = rows.iter().map(|row| row.value.as_deref().unwrap()).collect();
            assert_eq!(values, wanted, "{format:?}");
        }
    }

    /// Each row's line, what is shown of it, and whether it is a value.
    fn places(format: Format, text: &str) -> Vec<(u32, String, bool)> {
        let rows = read(format, text.as_bytes()).unwrap();
        rows.into_iter().map(|row| (row.line.unwrap(), row.given, row.value.is_ok())).collect()
    }

    #[test]
    fn comments_and_blank_lines_are_passed_over_and_a_row_has_the_line_of_the_file() {
        let row = |line, given: &str| (line, given.to_owned(), true);
        let ids = "\u{feff}# stuck, \"since\" noon\r\n\r\n  # and later\r\na\r\n \t\r\n#b\r\nc\r\n";
        assert_eq!(places(Format::Ids, ids), [row(4, "a"), row(7, "c")]);
        let lines = "# rows\n{\"a\":1}\n\n  #{}\n{}\n";
        assert_eq!(places(Format::Ndjson, lines), [row(2, "{\"a\":1}"), row(5, "{}")]);
        assert_eq!(places(Format::Json, "[\n{},\n\n {\n}]"), [row(2, "{}"), row(4, "{\\n}")]);
        for end in ["\n", "\r\n"] {
            let table = [
                "# stuck",
                "",
                "conversationId,label.team",
                "# a, \"b",
                "  ",
                "  # c",
                "a,x",
                "b",
                "",
                "c,y",
            ];
            let mut bad = row(8, "b");
            bad.2 = false;
            assert_eq!(places(Format::Csv, &table.join(end)), [row(7, "a,x"), bad, row(10, "c,y")]);
        }
    }

    #[test]
    fn a_quote_that_never_closes_swallows_no_rows_unseen() {
        let heading = "conversationId,label.team";
        for (rows, line) in
            [("a,\"x\nb,y\nc,z\n", 2), ("a,x\nb,y\n\"c,z", 4), ("a,\"x \"\" y\"\nb,\"\"\"\nc,z\n", 3)]
        {
            let refused = read(Format::Csv, format!("{heading}\n{rows}").as_bytes()).unwrap_err();
            let Unreadable::Broken(why) = refused else { panic!("{refused:?}") };
            assert!(why.contains(&format!("a quote opens in line {line} and never closes")), "{why}");
        }
        let closed = "a,\"x\ny\"\nb,5\"\n";
        assert_eq!(read(Format::Csv, format!("{heading}\n{closed}").as_bytes()).unwrap().len(), 2);
    }

    #[test]
    fn what_stands_between_quotes_is_no_comment() {
        let table = "conversationId,label.team\na,\"x\n# y \"\"z\"\"\n\n# w\"\n# \"gone\nb,5\"\n# gone\nc,\"\"\n#gone";
        let rows = read(Format::Csv, table.as_bytes()).unwrap();
        let values: Vec<Value> =
            rows.iter().map(|row| serde_json::from_str(row.value.as_ref().unwrap()).unwrap()).collect();
        assert_eq!(values[0]["labels"]["team"], "x\n# y \"z\"\n\n# w");
        assert_eq!(
            (&values[1]["labels"]["team"], &values[2]["conversationId"]),
            (&json!("5\""), &json!("c"))
        );
        let lines: Vec<_> = rows.iter().map(|row| row.line.unwrap()).collect();
        assert_eq!(lines, [2, 7, 9]);
        assert_eq!(rows[0].given, "a,\"x\\n# y \"\"z\"\"\\n\\n# w\"");
    }

    #[test]
    fn ids_are_taken_as_they_come_out_of_a_mail() {
        let ids = places(Format::Ids, "a1, b2;\n\"c3\"\r\n\n d4\u{1b}[2J\u{202e}\u{61c}\n");
        let wanted = [(1, "a1"), (1, "b2"), (2, "c3"), (4, "d4\\u{1b}[2J\\u{202e}\\u{61c}")];
        assert_eq!(ids, wanted.map(|(line, id)| (line, id.to_owned(), true)));
        let long = "ä".repeat(SHOWN + 1);
        assert_eq!(places(Format::Ids, &long)[0].1, format!("{}…", "ä".repeat(SHOWN)));
        for json in ["[]", "# rows\n {\"conversationId\": \"a\"}"] {
            assert!(matches!(read(Format::Ids, json.as_bytes()), Err(Unreadable::Broken(_))), "{json}");
        }
    }

    #[test]
    fn a_line_with_other_cells_than_headings_is_one_bad_row() {
        let rows = read(Format::Csv, b"conversationId,participantId\na,b\nc\nd,e\n").unwrap();
        let good: Vec<_> = rows.iter().map(|row| row.value.is_ok()).collect();
        assert_eq!(good, [true, false, true], "{rows:?}");
    }

    #[test]
    fn a_table_of_more_headings_than_a_row_can_mean_is_refused_before_any_of_them_is_looked_at() {
        let table = |headings: usize| {
            let labels: String = (1..headings).map(|number| format!(",label.a{number}")).collect();
            read(Format::Csv, format!("conversationId{labels}\nx{}\n", ",".repeat(headings - 1)).as_bytes())
        };
        assert_eq!(table(MOST_HEADINGS).unwrap().len(), 1);
        for headings in [MOST_HEADINGS + 1, 100_000] {
            let Err(Unreadable::Broken(why)) = table(headings) else { panic!("{headings} are taken") };
            assert!(why.starts_with(&format!("it has {headings} headings")), "{why}");
        }
        // What is wrong with one of them is not said: none was compared.
        let known_nowhere = "x,".repeat(MOST_HEADINGS + 1);
        let Err(Unreadable::Broken(why)) = read(Format::Csv, known_nowhere.as_bytes()) else { panic!() };
        assert!(why.contains("leave out the columns"), "{why}");
    }

    #[test]
    fn one_line_of_very_many_words_or_values_is_refused_for_their_number() {
        let half = LARGEST_FILE / 2;
        assert_eq!(read(Format::Ids, "x ".repeat(half).as_bytes()), Err(Unreadable::TooMany));
        let list = format!("[{}1]", "1,".repeat(half - 2));
        assert_eq!(read(Format::Json, list.as_bytes()), Err(Unreadable::TooMany));
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
        for (format, text) in [
            (Format::Json, "[]"),
            (Format::Ndjson, "\n \n# x\n"),
            (Format::Csv, "conversationId\n# x\n"),
            (Format::Ids, "# x\n"),
        ] {
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
        let words = |count: usize| "x ".repeat(count);
        assert_eq!(read(Format::Ids, words(MOST_ROWS).as_bytes()).unwrap().len(), MOST_ROWS);
        assert_eq!(read(Format::Ids, words(MOST_ROWS + 1).as_bytes()), Err(Unreadable::TooMany));
        let padded = |bytes: usize| format!("{{}}{}", " ".repeat(bytes - 2));
        assert_eq!(read(Format::Ndjson, padded(LARGEST_FILE).as_bytes()).unwrap().len(), 1);
        assert_eq!(read(Format::Ndjson, padded(LARGEST_FILE + 1).as_bytes()), Err(Unreadable::TooLarge));
        let row = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
        assert!(read(Format::Ndjson, row(LARGEST_ROW).as_bytes()).unwrap()[0].value.is_ok());
        assert!(read(Format::Ndjson, row(LARGEST_ROW + 1).as_bytes()).unwrap()[0].value.is_err());
    }
}
