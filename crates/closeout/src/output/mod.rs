//! What goes to stdout: data, in the form that was asked for. Everything else goes to stderr.

mod listing;
mod style;

use std::io::Write as _;

use clap::ValueEnum;
use serde_json::Value;
pub use shown_text::{on_one_line, spelt_out};

pub use self::{
    listing::{Column, Listing, pairs},
    style::{Style, length},
};
use crate::exit::{Exit, Failure};

/// The forms of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Form {
    /// Aligned columns for people.
    #[default]
    Table,
    /// More columns.
    Wide,
    /// One JSON document.
    Json,
    /// One JSON document a line.
    Ndjson,
    /// Comma-separated values with a header.
    Csv,
    /// Ids only, one a line.
    Id,
}

/// What `-o` takes: a form, or a page for a browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// A form that every list has.
    Form(Form),
    /// `html`, which only a report has; it is also what a report is without `-o`.
    Html,
}

impl ValueEnum for Wanted {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [Wanted; 7] = [
            Wanted::Form(Form::Table),
            Wanted::Form(Form::Wide),
            Wanted::Form(Form::Json),
            Wanted::Form(Form::Ndjson),
            Wanted::Form(Form::Csv),
            Wanted::Form(Form::Id),
            Wanted::Html,
        ];
        &ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        match self {
            Self::Form(form) => form.to_possible_value(),
            Self::Html => Some(clap::builder::PossibleValue::new("html")),
        }
    }
}

impl Default for Wanted {
    fn default() -> Self {
        Self::Form(Form::default())
    }
}

/// How to speak: form, colours, and how much on stderr.
#[derive(Debug, Clone, Copy, Default)]
pub struct Voice {
    /// `-o`
    pub form: Form,
    /// How values look.
    pub style: Style,
    /// `-q`: no notes on stderr.
    pub quiet: bool,
    /// `--no-input`, or no terminal to ask at.
    pub asks: bool,
}

impl Voice {
    /// Tells a person something that is no data.
    pub fn note(&self, text: impl std::fmt::Display) {
        if !self.quiet {
            eprintln!("{}", spelt_out(&text.to_string()));
        }
    }
}

/// Writes text to stdout.
///
/// # Errors
///
/// When stdout cannot be written. A reader that has gone (`| head`) is no error: then the program ends quietly.
pub fn write(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            std::process::exit(i32::from(Exit::Done.code()))
        }
        Err(error) => Err(Failure::new(Exit::Unexpected, format!("stdout cannot be written: {error}"))),
    }
}

/// Writes a value as indented JSON with a final line break.
pub fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

/// Writes items: a `single` one by its `details` where a person looks, several as a list, none as nothing.
///
/// # Errors
///
/// When stdout cannot be written.
pub fn write_items(
    columns: &[Column],
    items: &[Value],
    single: bool,
    voice: &Voice,
    details: impl FnOnce(&Value, &Voice) -> String,
) -> Result<(), Failure> {
    if let ([one], true) = (items, single) {
        match voice.form {
            Form::Table | Form::Wide => return write(&details(one, voice)),
            Form::Json => return write(&pretty(one)),
            Form::Ndjson | Form::Csv | Form::Id => {}
        }
    }
    if items.is_empty() && matches!(voice.form, Form::Table | Form::Wide) {
        return Ok(());
    }
    write(&Listing { columns, items, id: "id" }.write(voice.form, voice.style))
}

/// Refuses the forms that a command has no rows for.
///
/// # Errors
///
/// For `-o csv` and `-o id`.
pub fn no_rows(voice: &Voice, what: &str) -> Result<(), Failure> {
    match voice.form {
        Form::Csv | Form::Id => Err(Failure::usage(format!("{what} has no rows, and so no form csv or id"))
            .fix("leave -o out, or take -o json")),
        Form::Table | Form::Wide | Form::Json | Form::Ndjson => Ok(()),
    }
}

/// Refuses every form but the usual one.
///
/// # Errors
///
/// For `-o json`, `ndjson`, `csv` and `id`.
pub fn only_as_text(voice: &Voice, why: &str) -> Result<(), Failure> {
    match voice.form {
        Form::Json | Form::Ndjson | Form::Csv | Form::Id => {
            Err(Failure::usage(format!("{why} and has no other form")).fix("leave -o out"))
        }
        Form::Table | Form::Wide => Ok(()),
    }
}
