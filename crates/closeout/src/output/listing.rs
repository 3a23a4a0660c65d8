//! A list of JSON objects as table, CSV, JSON, lines of JSON, or ids.

use std::fmt::Write as _;

use comfy_table::{Cell, ContentArrangement, Table, presets};
use ghost_report::csv_field;
use serde_json::Value;

use super::{Form, Style, on_one_line, spelt_out};
use crate::client::plain;

/// One column: its heading, and where its value stands in an item (`timings.acceptedAt`).
#[derive(Debug, Clone, Copy)]
pub struct Column {
    heading: &'static str,
    path: &'static str,
    kind: Kind,
    wide: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Lines,
    Time,
    State,
}

impl Column {
    /// A plain column.
    pub const fn text(heading: &'static str, path: &'static str) -> Self {
        Self { heading, path, kind: Kind::Text, wide: false }
    }

    /// A column with texts that have lines.
    pub const fn lines(heading: &'static str, path: &'static str) -> Self {
        Self { heading, path, kind: Kind::Lines, wide: false }
    }

    /// A column with times.
    pub const fn time(heading: &'static str, path: &'static str) -> Self {
        Self { heading, path, kind: Kind::Time, wide: false }
    }

    /// A column with words that may have colours.
    pub const fn state(heading: &'static str, path: &'static str) -> Self {
        Self { heading, path, kind: Kind::State, wide: false }
    }

    /// The same column, for wide tables only.
    #[must_use]
    pub const fn when_wide(mut self) -> Self {
        self.wide = true;
        self
    }

    /// The same column under another heading.
    #[must_use]
    pub const fn called(mut self, heading: &'static str) -> Self {
        self.heading = heading;
        self
    }

    /// Its heading.
    pub const fn heading(&self) -> &'static str {
        self.heading
    }

    /// The value as it can be shown: others wrote it, so what would act in a terminal is spelt out.
    fn value(&self, item: &Value) -> String {
        let found = self.path.split('.').try_fold(item, |value, part| match (value, part.parse::<usize>()) {
            (Value::Array(values), Ok(index)) => values.get(index),
            (_, Ok(_) | Err(_)) => value.get(part),
        });
        let value = match found {
            Some(Value::Object(fields)) => fields
                .iter()
                .map(|(key, value)| format!("{key}={}", plain(value)))
                .collect::<Vec<_>>()
                .join(" "),
            Some(Value::Array(values)) => values.iter().map(plain).collect::<Vec<_>>().join(" "),
            Some(other) => plain(other),
            None => String::new(),
        };
        match self.kind {
            Kind::Lines => spelt_out(&value).into_owned(),
            Kind::Text | Kind::Time | Kind::State => on_one_line(&value).into_owned(),
        }
    }

    fn cell(&self, item: &Value, style: Style) -> Cell {
        let value = self.value(item);
        match self.kind {
            Kind::Text | Kind::Lines => Cell::new(value),
            Kind::Time => Cell::new(if value.is_empty() { value } else { style.time(&value) }),
            Kind::State => match style.colour_of(&value) {
                Some(colour) => Cell::new(value).fg(colour),
                None => Cell::new(value),
            },
        }
    }
}

/// A list and its columns.
#[derive(Debug)]
pub struct Listing<'a> {
    /// The columns of tables and of CSV.
    pub columns: &'a [Column],
    /// The items.
    pub items: &'a [Value],
    /// Where an item's id stands.
    pub id: &'static str,
}

impl Listing<'_> {
    /// The list in a form, each line ended.
    pub fn write(&self, form: Form, style: Style) -> String {
        match form {
            Form::Table => self.table(style, false),
            Form::Wide => self.table(style, true),
            Form::Json => super::pretty(&Value::Array(self.items.to_vec())),
            Form::Ndjson => self.items.iter().map(|item| format!("{item}\n")).collect(),
            Form::Csv => self.csv(),
            Form::Id => {
                let id = Column::text("", self.id);
                self.items.iter().map(|item| format!("{}\n", id.value(item))).collect()
            }
        }
    }

    fn table(&self, style: Style, wide: bool) -> String {
        let columns: Vec<_> = self.columns.iter().filter(|column| wide || !column.wide).collect();
        let mut table = bare_table(style);
        table.set_header(columns.iter().map(|column| column.heading));
        for item in self.items {
            table.add_row(columns.iter().map(|column| column.cell(item, style)));
        }
        trimmed(table)
    }

    fn csv(&self) -> String {
        let mut text = String::new();
        let mut line = |fields: Vec<String>| {
            let fields: Vec<_> = fields.iter().map(|field| csv_field(field)).collect();
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}", fields.join(","));
        };
        line(self.columns.iter().map(|column| column.heading.to_lowercase().replace(' ', "_")).collect());
        for item in self.items {
            line(self.columns.iter().map(|column| column.value(item)).collect());
        }
        text
    }
}

/// Names and values beneath each other; a value keeps its lines.
pub fn pairs(rows: &[(&str, String)], style: Style) -> String {
    let mut table = bare_table(style);
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        let cell = match style.colour_of(value) {
            Some(colour) => Cell::new(value).fg(colour),
            None => Cell::new(spelt_out(value)),
        };
        table.add_row([Cell::new(name), cell]);
    }
    trimmed(table)
}

fn bare_table(style: Style) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    if style.colour {
        table.enforce_styling();
        table.style_text_only();
    } else {
        table.force_no_tty();
    }
    table
}

/// The table with two blanks between its columns and none at the ends of its lines.
fn trimmed(mut table: Table) -> String {
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COLUMNS: [Column; 4] = [
        Column::text("ID", "id"),
        Column::state("STATE", "state"),
        Column::time("ACCEPTED", "timings.acceptedAt"),
        Column::text("LABELS", "labels").when_wide(),
    ];

    fn written(form: Form) -> String {
        let items = [
            json!({ "id": "cl_1", "state": "closed", "timings": { "acceptedAt": "2026-11-21T10:00:00Z" },
                    "labels": { "team": "a,b" } }),
            json!({ "id": "cl_22", "state": "ghost", "timings": {}, "labels": {} }),
        ];
        Listing { columns: &COLUMNS, items: &items, id: "id" }.write(form, Style::default())
    }

    #[test]
    fn a_table_is_aligned_and_without_decoration() {
        assert_eq!(
            written(Form::Table),
            "ID     STATE   ACCEPTED\ncl_1   closed  2026-11-21T10:00:00Z\ncl_22  ghost\n"
        );
        assert!(written(Form::Wide).contains("LABELS"));
    }

    #[test]
    fn machines_get_csv_json_lines_and_ids() {
        assert_eq!(
            written(Form::Csv),
            "id,state,accepted,labels\ncl_1,closed,2026-11-21T10:00:00Z,\"team=a,b\"\ncl_22,ghost,,\n"
        );
        assert_eq!(written(Form::Id), "cl_1\ncl_22\n");
        let lines = written(Form::Ndjson);
        assert_eq!(lines.lines().count(), 2);
        let array: Value = serde_json::from_str(&written(Form::Json)).unwrap();
        assert_eq!(array[1]["id"], "cl_22");
    }

    #[test]
    fn a_path_leads_into_objects_and_lists() {
        let item = json!({ "a": [{ "b": "first" }, { "b": "second" }], "0": "named" });
        assert_eq!(Column::text("", "a.0.b").value(&item), "first");
        assert_eq!(Column::text("", "a.2.b").value(&item), "");
        assert_eq!(Column::text("", "0").value(&item), "named");
    }

    #[test]
    fn what_others_wrote_steers_no_terminal_in_any_form_for_people() {
        const HOSTILE: &str = "\u{1b}]0;PWNED\u{7}\u{1b}[2J\u{9b}31mall good\u{202e}\nerror: forged\u{2028}";
        let steers = |text: &str| {
            text.chars().any(|sign| sign != '\n' && (sign.is_control() || "\u{202e}\u{2028}".contains(sign)))
        };
        let item = json!({ "id": HOSTILE, "state": HOSTILE, "labels": { (HOSTILE): HOSTILE }, "timings": { "acceptedAt": HOSTILE } });
        for form in [Form::Table, Form::Wide, Form::Csv, Form::Id] {
            for terminal in [false, true] {
                let style = Style { terminal, colour: false };
                let listing = Listing { columns: &COLUMNS, items: std::slice::from_ref(&item), id: "id" };
                let told = listing.write(form, style);
                assert!(!steers(&told) && told.contains("\\u{1b}]0;PWNED"), "{told:?}");
                let lines = if form == Form::Id { 1 } else { 2 };
                assert_eq!(told.lines().count(), lines, "nobody makes up a row: {told}");
            }
        }
        let told = pairs(&[("body", HOSTILE.to_owned())], Style::default());
        assert!(!steers(&told) && told.contains("all good\\u{202e}\n      error: forged"), "{told:?}");
        let json = Listing { columns: &COLUMNS, items: std::slice::from_ref(&item), id: "id" }
            .write(Form::Json, Style::default());
        assert_eq!(
            serde_json::from_str::<Value>(&json).unwrap()[0]["id"],
            HOSTILE,
            "programs get it as it is"
        );
    }

    #[test]
    fn colours_stand_beside_the_word_and_only_on_request() {
        let style = Style { terminal: true, colour: true };
        let items = [json!({ "state": "ghost" })];
        let columns = [Column::state("STATE", "state")];
        let listing = Listing { columns: &columns, items: &items, id: "id" };
        assert!(
            listing.write(Form::Table, style).contains("\u{1b}[")
                && listing.write(Form::Table, style).contains("ghost")
        );
        assert!(!listing.write(Form::Table, Style::default()).contains('\u{1b}'));
    }
}
