//! What goes to stdout: data, in the form that was asked for. Everything else goes to stderr.

mod listing;
mod style;

use std::io::Write as _;

use clap::ValueEnum;
use serde_json::Value;

pub use self::{
    listing::{Column, Listing, pairs},
    style::Style,
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
            eprintln!("{text}");
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
