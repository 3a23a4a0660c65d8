//! The configuration file: TOML, flattened to paths, with the line of each value.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue},
};

use super::{
    keys::{self, Form},
    origin::{Given, Origin, Problem, Setting},
};

/// Settings by path.
pub type Flat = BTreeMap<String, Setting>;

/// Reads a file: what it sets, and one problem for each key that is unknown or has a value of the wrong kind.
///
/// # Errors
///
/// One problem for a file that cannot be read or is no TOML.
pub fn read(path: &Path) -> Result<(Flat, Vec<Problem>), Problem> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let hint = if error.kind() == std::io::ErrorKind::NotFound {
            "; `closeout config init` writes one"
        } else {
            ""
        };
        Problem(format!("the configuration {} cannot be read: {error}{hint}", path.display()))
    })?;
    flatten(path, &text)
}

/// Flattens the text of a file.
///
/// # Errors
///
/// As [`read`].
pub fn flatten(path: &Path, text: &str) -> Result<(Flat, Vec<Problem>), Problem> {
    let document = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        Problem(format!("{}, line {line}: {}", path.display(), error.message().replace('\n', "; ")))
    })?;
    let mut walk = Walk { file: path.to_owned(), text, found: Flat::new(), problems: Vec::new() };
    walk.table("", document.get_ref());
    Ok((walk.found, walk.problems))
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

struct Walk<'a> {
    file: PathBuf,
    text: &'a str,
    found: Flat,
    problems: Vec<Problem>,
}

impl Walk<'_> {
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let part = name.get_ref();
            let path = if prefix.is_empty() { part.to_string() } else { format!("{prefix}.{part}") };
            let line = line_of(self.text, name.span().start);
            self.value(&path, line, value);
        }
    }

    fn value(&mut self, path: &str, line: usize, value: &Spanned<DeValue<'_>>) {
        let origin = Origin::File { path: self.file.clone(), line };
        if let Some(key) = keys::key_of(path) {
            match given(key.form, value.get_ref()) {
                Some(given) => {
                    let given = if key.is_secret() { given.into_secret() } else { given };
                    self.found.insert(path.to_owned(), Setting { given, origin });
                }
                None => {
                    let wanted = in_words(key.form);
                    self.problems.push(Problem::with(path, &origin, format_args!("must be {wanted}")));
                }
            }
            return;
        }
        match (value.get_ref().as_table(), value.get_ref().as_array()) {
            (Some(table), _) if is_section(path) => {
                self.found.insert(path.to_owned(), present(origin));
                self.table(path, table);
            }
            (_, Some(tables)) if is_list_of_tables(path) => self.list(path, tables, &origin),
            (Some(_), _) if is_list_of_tables(path) => {
                let what = format_args!("is a list of tables: write [[{path}]]");
                self.problems.push(Problem::with(path, &origin, what));
            }
            (_, _) => self.problems.push(unknown_key(path, &origin)),
        }
    }

    fn list(&mut self, path: &str, entries: &DeArray<'_>, origin: &Origin) {
        for (index, entry) in entries.iter().enumerate() {
            let Some(table) = entry.get_ref().as_table() else {
                let what = format_args!("must be tables: write [[{path}]]");
                self.problems.push(Problem::with(path, origin, what));
                continue;
            };
            let path = format!("{path}.{index}");
            let line = line_of(self.text, entry.span().start);
            let origin = Origin::File { path: self.file.clone(), line };
            // The keys of a kind that there is not are unknown too; the kind is what has to be told.
            if let Some(problem) = self.refused_kind(&path, table) {
                self.problems.push(problem);
                continue;
            }
            self.found.insert(path.clone(), present(origin));
            self.table(&path, table);
        }
    }

    fn refused_kind(&self, path: &str, table: &DeTable<'_>) -> Option<Problem> {
        let (name, kind) = table.iter().find(|(name, _)| name.get_ref() == "kind")?;
        let section = path.split('.').next().unwrap_or(path);
        let why = keys::kind_refused(section, kind.get_ref().as_str()?)?;
        let origin = Origin::File { path: self.file.clone(), line: line_of(self.text, name.span().start) };
        Some(Problem::with(&format!("{path}.kind"), &origin, why))
    }
}

/// The problem with a key that nobody knows.
pub fn unknown_key(path: &str, origin: &Origin) -> Problem {
    Problem(format!("{origin}: unknown key `{path}`{}", keys::suggestion(path)))
}

/// Marks that a section is there, even when it is empty.
fn present(origin: Origin) -> Setting {
    Setting { given: Given::Table(BTreeMap::new()), origin }
}

/// Whether tables stand under this path: `server`, `genesys`, `genesys.main`, `console`.
fn is_section(path: &str) -> bool {
    keys::SECTIONS.iter().any(|(section, _)| {
        let begins = || section.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
        !is_list_of_tables(section.trim_end_matches(".*")) && (keys::matches(section, path) || begins())
    })
}

fn is_list_of_tables(path: &str) -> bool {
    matches!(path, "callback" | "confirm" | "console.oidc.grant" | "scan" | "source")
}

fn given(form: Form, value: &DeValue<'_>) -> Option<Given> {
    match value {
        DeValue::Boolean(flag) if form == Form::Flag => Some(Given::Flag(*flag)),
        DeValue::String(text) => Some(Given::Text(text.to_string())),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok().map(Given::Number)
        }
        DeValue::Array(values) => values
            .iter()
            .map(|value| value.get_ref().as_str().map(str::to_owned))
            .collect::<Option<Vec<_>>>()
            .map(Given::List),
        DeValue::Table(table) => table
            .iter()
            .map(|(key, value)| Some((key.get_ref().to_string(), value.get_ref().as_str()?.to_owned())))
            .collect::<Option<BTreeMap<_, _>>>()
            .map(Given::Table),
        DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => None,
    }
}

/// What a form looks like, in words.
pub fn in_words(form: Form) -> String {
    match form {
        Form::Text => "a text in quotes".to_owned(),
        Form::Duration => "a duration in quotes, as \"20s\"".to_owned(),
        Form::Count(least, most) => format!("a whole number from {least} to {most}"),
        Form::Choice(words) => format!("one of {}", words.join(", ")),
        Form::Flag => "true or false".to_owned(),
        Form::WrapUp => "\"none\", \"skip\", { name = \"…\" } or { id = \"…\" }".to_owned(),
        Form::Secret => "a text in quotes, as \"env:NAME\"".to_owned(),
        Form::Texts => "a list of texts, as [\"…\"]".to_owned(),
        Form::Secrets => "a list of texts, as [\"env:NAME\"]".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let problems = flatten(Path::new("closeout.toml"), text)
            .map_or_else(|problem| vec![problem], |(_, problems)| problems);
        problems.into_iter().map(|problem| problem.0).collect()
    }

    #[test]
    fn values_are_found_with_their_lines() {
        let text = "[server]\nlisten = \"[::]:1\"\n\n[[confirm]]\nname = \"a\"\n[[confirm]]\nname = \"b\"\n";
        let (flat, _) = flatten(Path::new("closeout.toml"), text).unwrap();
        let listen = &flat["server.listen"];
        assert_eq!(listen.given.as_text().as_deref(), Some("[::]:1"));
        assert_eq!(listen.origin.to_string(), "closeout.toml, line 2");
        assert_eq!(flat["confirm.1.name"].origin.to_string(), "closeout.toml, line 7");
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line_and_a_suggestion() {
        assert_eq!(
            problems("[server]\n\nlisten = \"a\"\nshutdown_grce = \"1s\"\n"),
            ["closeout.toml, line 4: unknown key `server.shutdown_grce`; did you mean `shutdown_grace`?"]
        );
        assert!(problems("[sevrer]\nx = 1")[0].contains("did you mean the section `server`?"));
        assert!(problems("listen = \"a\"")[0].contains("it belongs to [server]"));
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let said = problems("[server]\na = 1\nb = 2\nlisten = true\n");
        assert_eq!(said.len(), 3);
        assert_eq!(said[2], "closeout.toml, line 4: server.listen must be a text in quotes");
    }

    #[test]
    fn text_that_is_no_toml_is_refused_with_its_line() {
        let said = problems("[server]\nlisten = \n");
        assert!(said[0].starts_with("closeout.toml, line 2: "), "{}", said[0]);
        let twice = problems("[server]\nlisten = \"a\"\nlisten = \"b\"\n");
        assert!(twice[0].starts_with("closeout.toml, line 3: "), "{}", twice[0]);
    }

    #[test]
    fn a_kind_that_there_is_not_is_told_before_its_keys() {
        let said = problems(
            "[[source]]\nname = \"n\"\nkind = \"redis\"\nurl = \"redis://127.0.0.1:6379\"\ntopic = \"S\"\n",
        );
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(
            said[0].starts_with("closeout.toml, line 3: source.0.kind = \"redis\" is not known"),
            "{}",
            said[0]
        );
        let said =
            problems("[server]\na = 1\n[[confirm]]\nname = \"n\"\nkind = \"notifications\"\nurl = \"x\"\n");
        assert_eq!(said.len(), 2, "{said:?}");
    }

    #[test]
    fn a_single_table_where_a_list_is_meant_says_so() {
        assert_eq!(
            problems("[confirm]\nname = \"a\"\n"),
            ["closeout.toml, line 1: confirm is a list of tables: write [[confirm]]"]
        );
    }
}
