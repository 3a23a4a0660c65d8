//! One table of a dialect's file: its keys read by name, and what is wrong told in one sentence.

use toml::{Table, Value};

use super::InvalidDialect;

/// How alike two names must be for one to be suggested in place of the other (Jaro-Winkler, found by trying slips).
const ALIKE: f64 = 0.8;

/// Half a sentence that names what was probably meant, or all that is known.
pub(crate) fn suggestion(name: &str, known: &[&str]) -> String {
    let near = known
        .iter()
        .map(|known| (strsim::jaro_winkler(name, known), *known))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|left, right| left.0.total_cmp(&right.0));
    match near {
        Some((_, meant)) => format!("did you mean {meant}?"),
        None => format!("known here are {}", known.join(", ")),
    }
}

/// One table, with the name that sentences give it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Section<'a> {
    name: &'a str,
    table: &'a Table,
}

impl<'a> Section<'a> {
    /// Takes a table that has no other keys than these.
    pub(crate) fn new(name: &'a str, table: &'a Table, known: &[&str]) -> Result<Self, InvalidDialect> {
        let section = Self { name, table };
        match table.keys().find(|key| !known.contains(&key.as_str())) {
            None => Ok(section),
            Some(key) => Err(section.wrong(key, format!("is not known; {}", suggestion(key, known)))),
        }
    }

    /// The sentence that says what is wrong with a key.
    pub(crate) fn wrong(&self, key: &str, what: impl std::fmt::Display) -> InvalidDialect {
        let dot = if self.name.is_empty() { "" } else { "." };
        InvalidDialect::new(format!("{}{dot}{key} {what}", self.name))
    }

    /// The table under a key, if it is there.
    pub(crate) fn table(&self, key: &str) -> Result<Option<&'a Table>, InvalidDialect> {
        match self.table.get(key) {
            None => Ok(None),
            Some(Value::Table(table)) => Ok(Some(table)),
            Some(_) => {
                let dot = if self.name.is_empty() { "" } else { "." };
                Err(self.wrong(key, format_args!("must be a table: write [{}{dot}{key}]", self.name)))
            }
        }
    }

    /// A text, if it is there.
    pub(crate) fn text(&self, key: &str) -> Result<Option<&'a str>, InvalidDialect> {
        match self.table.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(key, "must be a text in quotes")),
        }
    }

    /// A text that must be there; `example` is what could stand there.
    pub(crate) fn needed(&self, key: &str, example: &str) -> Result<&'a str, InvalidDialect> {
        self.text(key)?.ok_or_else(|| self.wrong(key, format_args!("is missing; write {key} = {example}")))
    }

    /// A place in an answer, if it is given: `a.b`, or a JSON pointer `/a/b`. It is kept as a JSON pointer.
    pub(crate) fn place(&self, key: &str) -> Result<Option<Box<str>>, InvalidDialect> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        let pointer = match text.strip_prefix('/') {
            Some(_) => text.to_owned(),
            None => {
                let part = |part: &str| format!("/{}", part.replace('~', "~0").replace('/', "~1"));
                text.split('.').map(part).collect()
            }
        };
        if pointer.split('/').skip(1).any(str::is_empty) {
            return Err(
                self.wrong(key, "must be a place in the answer such as \"state\", \"a.b\" or \"/a/b\"")
            );
        }
        Ok(Some(pointer.into()))
    }

    /// A place that must be given.
    pub(crate) fn needed_place(&self, key: &str, example: &str) -> Result<Box<str>, InvalidDialect> {
        self.needed(key, example)?;
        Ok(self.place(key)?.unwrap_or_default())
    }

    /// A list of words; `None` where the key is not there.
    pub(crate) fn words(&self, key: &str) -> Result<Option<Vec<Box<str>>>, InvalidDialect> {
        let Some(value) = self.table.get(key) else { return Ok(None) };
        let words: Option<Vec<Box<str>>> = value
            .as_array()
            .and_then(|list| list.iter().map(|word| Some(word.as_str()?.to_lowercase().into())).collect());
        match words {
            Some(words) if !words.is_empty() => Ok(Some(words)),
            Some(_) | None => {
                Err(self.wrong(key, format_args!("must be a list of words, as {key} = [\"closed\"]")))
            }
        }
    }

    /// A list of HTTP statuses between these two, empty where the key is not there.
    pub(crate) fn statuses(&self, key: &str, least: u16, most: u16) -> Result<Vec<u16>, InvalidDialect> {
        let Some(value) = self.table.get(key) else { return Ok(Vec::new()) };
        let status = |value: &Value| {
            let status = u16::try_from(value.as_integer()?).ok()?;
            (least..=most).contains(&status).then_some(status)
        };
        let statuses = value.as_array().and_then(|list| list.iter().map(status).collect::<Option<Vec<_>>>());
        statuses.ok_or_else(|| {
            self.wrong(
                key,
                format_args!("must be a list of statuses from {least} to {most}, as {key} = [{least}]"),
            )
        })
    }
}
