//! Flag over environment over file over default: one setting for each path, and where it came from.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::{
    environment::{self, Variables},
    file::{self, Flat, unknown_key},
    keys::{self, KEYS},
    origin::{Given, Origin, Problem, Setting, without_credentials},
};

/// How alike (Jaro-Winkler) a word is to one that was mistyped. A part of another word is none: `close` is not `close_what_is_found`.
const LIKE_A_SLIP: f64 = 0.9;

/// The name of an organisation when the configuration names none.
pub const DEFAULT_ORGANISATION: &str = "main";

/// The file that is taken when it is there and no other is named.
pub const DEFAULT_FILE: &str = "closeout.toml";

/// What the command line says about the configuration.
#[derive(Debug, Clone, Default)]
pub struct FromCommandLine {
    /// `--config`
    pub file: Option<PathBuf>,
    /// Settings by flags of their own and by `--set`, with the flag's name: flag, path, value. In place of a flag's name
    /// stands that of the command which brings the setting by itself.
    pub flags: Vec<(&'static str, String, String)>,
}

/// All settings, each with the origin that won.
#[derive(Debug, Clone)]
pub struct Layers {
    /// The settings by path.
    pub settings: Flat,
    /// The names of the organisations, in order.
    pub organisations: Vec<String>,
    /// The file that was read.
    pub file: Option<PathBuf>,
}

/// Puts the layers together.
///
/// # Errors
///
/// Every unknown key and every unreadable file, in plain sentences.
pub fn gather(cli: &FromCommandLine, variables: &Variables) -> Result<Layers, Vec<Problem>> {
    let (layers, problems) = gather_what_can_be_read(cli, variables)?;
    if problems.is_empty() { Ok(layers) } else { Err(problems) }
}

/// As [`gather`], with what can be read beside what is wrong, so that the settings can be looked at too.
///
/// # Errors
///
/// A file that cannot be read, or is no TOML: without it every setting would seem to be missing.
pub fn gather_what_can_be_read(
    cli: &FromCommandLine,
    variables: &Variables,
) -> Result<(Layers, Vec<Problem>), Vec<Problem>> {
    let named = cli.file.clone().or_else(|| variables.value("CLOSEOUT_CONFIG").map(PathBuf::from));
    let file = named.or_else(|| Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.exists()));
    let read = file.as_deref().map(file::read).transpose().map_err(|problem| vec![problem])?;
    Ok(lay(file, read, cli, variables))
}

/// As [`gather_what_can_be_read`], with this text in place of the file at `path`, which need not be there.
///
/// # Errors
///
/// A text that is no TOML.
pub fn gather_text(
    path: &Path,
    text: &str,
    variables: &Variables,
) -> Result<(Layers, Vec<Problem>), Vec<Problem>> {
    let read = file::flatten(path, text).map_err(|problem| vec![problem])?;
    Ok(lay(Some(path.to_owned()), Some(read), &FromCommandLine::default(), variables))
}

/// Lays everything over what was read of a file.
fn lay(
    file: Option<PathBuf>,
    read: Option<(Flat, Vec<Problem>)>,
    cli: &FromCommandLine,
    variables: &Variables,
) -> (Layers, Vec<Problem>) {
    let (mut layers, mut problems) = read.map_or_else(Default::default, |(flat, found)| (vec![flat], found));
    let of_file: Vec<String> = organisations(layers.first().unwrap_or(&Flat::new())).into_iter().collect();
    let (own, found) = environment::own(variables, &of_file);
    layers.push(own);
    problems.extend(found);
    layers.push(flags(cli, &mut problems));

    let mut merged = merge(Flat::new(), layers);
    let mut names: BTreeSet<String> = organisations(&merged);
    if names.is_empty() {
        names.insert(DEFAULT_ORGANISATION.to_owned());
    }
    let owner = shared_for(&names);
    if let Some(organisation) = &owner {
        let (shared, found) = environment::shared(variables, organisation);
        problems.extend(found);
        merged = merge(merged, [shared]);
    }
    for organisation in &names {
        let wanted = merged.get(&format!("genesys.{organisation}.profile")).and_then(|s| s.given.as_text());
        if let Some(wanted) = wanted {
            match environment::profile(variables, organisation, &wanted) {
                Ok(profile) => merged = merge(merged, [profile]),
                Err(problem) => problems.push(problem),
            }
        }
    }
    let defaults = defaults(&merged, &names);
    merged = merge(merged, [defaults]);
    (Layers { settings: merged, organisations: names.into_iter().collect(), file }, problems)
}

/// Puts together what the command line alone says, without file and environment.
///
/// # Errors
///
/// Every unknown key.
pub fn gather_flags(cli: &FromCommandLine) -> Result<Layers, Vec<Problem>> {
    let mut problems = Vec::new();
    let given = flags(cli, &mut problems);
    let names = BTreeSet::from([DEFAULT_ORGANISATION.to_owned()]);
    let defaults = defaults(&given, &names);
    let settings = merge(given, [defaults]);
    if problems.is_empty() {
        Ok(Layers { settings, organisations: names.into_iter().collect(), file: None })
    } else {
        Err(problems)
    }
}

/// The organisation that the shared variables are meant for: the only one, or `main` among several.
fn shared_for(names: &BTreeSet<String>) -> Option<String> {
    if names.len() == 1 {
        return names.first().cloned();
    }
    names.contains(DEFAULT_ORGANISATION).then(|| DEFAULT_ORGANISATION.to_owned())
}

fn organisations(flat: &Flat) -> BTreeSet<String> {
    let name = |path: &String| path.strip_prefix("genesys.")?.split('.').next().map(str::to_owned);
    flat.keys().filter_map(name).collect()
}

fn flags(cli: &FromCommandLine, problems: &mut Vec<Problem>) -> Flat {
    let mut found = Flat::new();
    for (flag, path, value) in &cli.flags {
        let origin = if flag.starts_with('-') { Origin::Flag(flag) } else { Origin::Command(flag) };
        match keys::key_of(path) {
            Some(key) => {
                let given = environment::read(key.form, value.clone());
                found.insert(path.clone(), Setting { given, origin });
            }
            None => problems.push(unknown_key(path, &origin)),
        }
    }
    found
}

/// Lays settings over others; what has the higher rank stays.
fn merge(mut base: Flat, layers: impl IntoIterator<Item = Flat>) -> Flat {
    for layer in layers {
        for (path, setting) in layer {
            let outranked =
                base.get(&path).is_some_and(|present| present.origin.rank() > setting.origin.rank());
            if !outranked {
                base.insert(path, setting);
            }
        }
    }
    base
}

/// The defaults of every key, for every organisation and every table that is there.
fn defaults(given: &Flat, organisations: &BTreeSet<String>) -> Flat {
    let mut found = Flat::new();
    for key in KEYS {
        let Some(default) = key.default else { continue };
        let parts: Vec<&str> = key.path.split('.').collect();
        let names: Vec<String> = match parts.as_slice() {
            ["genesys", "*", _] => organisations.iter().cloned().collect(),
            [section, "*", _] => numbers(given, section).into_iter().map(|n| n.to_string()).collect(),
            _ => vec![String::new()],
        };
        for name in names {
            let path = key.path.replacen('*', &name, 1);
            let setting =
                Setting { given: environment::read(key.form, default.to_owned()), origin: Origin::Default };
            found.insert(path, setting);
        }
    }
    found
}

/// The numbers of the tables of a list.
pub fn numbers(settings: &Flat, section: &str) -> BTreeSet<usize> {
    let number =
        |path: &String| path.strip_prefix(section)?.strip_prefix('.')?.split('.').next()?.parse().ok();
    settings.keys().filter_map(number).collect()
}

impl Layers {
    /// A setting; nothing where nobody said anything and there is no default.
    pub fn setting(&self, path: &str) -> Option<&Setting> {
        self.settings.get(path).filter(|_| keys::key_of(path).is_some())
    }

    /// Every setting in order of its path: key, value and origin, secrets masked.
    pub fn shown(&self) -> Vec<serde_json::Value> {
        let shown = |path: &String| {
            let setting = self.setting(path)?;
            let value = setting.given.as_json(keys::key_of(path)?.form);
            Some(serde_json::json!({ "key": path, "value": value, "origin": setting.origin.to_string() }))
        };
        self.settings.keys().filter_map(shown).collect()
    }

    /// The aliases that were used, as variable and path.
    pub fn aliases(&self) -> Vec<(&'static str, &str)> {
        self.settings
            .iter()
            .filter_map(|(path, setting)| match setting.origin {
                Origin::Alias(name) => Some((name, path.as_str())),
                Origin::Default
                | Origin::Profile { .. }
                | Origin::File { .. }
                | Origin::GenesysVariable(_)
                | Origin::Variable(_)
                | Origin::Command(_)
                | Origin::Flag(_) => None,
            })
            .collect()
    }

    /// A path of a setting. A relative one from the file is meant from the file's folder, every other from the folder
    /// in which the program runs.
    pub fn path_of(&self, setting: &Setting, text: &str) -> PathBuf {
        let folder = match &setting.origin {
            Origin::File { path, .. } => path.parent(),
            Origin::Default
            | Origin::Alias(_)
            | Origin::Profile { .. }
            | Origin::GenesysVariable(_)
            | Origin::Variable(_)
            | Origin::Command(_)
            | Origin::Flag(_) => None,
        };
        folder.unwrap_or(Path::new("")).join(text)
    }
}

/// Reads settings as types, and collects what is wrong with them.
#[derive(Debug)]
pub struct Reader<'a> {
    /// The settings.
    pub layers: &'a Layers,
    /// What is wrong so far.
    pub problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    /// Begins to read.
    pub const fn new(layers: &'a Layers) -> Self {
        Self { layers, problems: Vec::new() }
    }

    /// Notes a problem with a setting.
    pub fn refuse(&mut self, path: &str, what: impl std::fmt::Display) {
        let problem = match self.layers.setting(path) {
            Some(setting) => Problem::with(path, &setting.origin, what),
            None => Problem(format!("{path} {what}")),
        };
        self.problems.push(problem);
    }

    /// Notes that a key is missing from a table, with the line where the table begins.
    pub fn missing(&mut self, path: &str, what: &str) {
        let table = path.rsplit_once('.').and_then(|(table, _)| self.layers.settings.get(table));
        let problem = match table.map(|table| &table.origin) {
            Some(origin @ Origin::File { .. }) => Problem::with(path, origin, what),
            Some(_) | None => Problem(format!("{path} {what}")),
        };
        self.problems.push(problem);
    }

    /// A text, where there is one.
    pub fn text(&mut self, path: &str) -> Option<String> {
        let setting = self.layers.setting(path)?;
        let text = setting.given.as_text();
        if text.is_none() {
            self.refuse(path, "must be a text");
        }
        text
    }

    /// Reads a text with a function that answers half a sentence when it is wrong.
    pub fn parsed<T>(&mut self, path: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let text = self.text(path)?;
        match read(&text) {
            Ok(value) => Some(value),
            Err(why) => {
                self.refuse(path, format_args!("{:?} {why}", without_credentials(&text)));
                None
            }
        }
    }

    /// A duration of more than nothing; nothing where it is wrong, which is noted.
    pub fn duration(&mut self, path: &str) -> Option<std::time::Duration> {
        self.parsed(path, |text| match super::duration::parse(text) {
            Ok(duration) if duration.is_zero() => Err("must be more than nothing".to_owned()),
            read => read,
        })
    }

    /// A number within the bounds of its key; the least one where it is wrong, which is noted.
    pub fn count(&mut self, path: &str) -> u64 {
        let (least, most) = match keys::key_of(path).map(|key| key.form) {
            Some(keys::Form::Count(least, most)) => (least, most),
            Some(_) | None => (0, i64::MAX),
        };
        let read = |text: &str| {
            let number = text.parse::<i64>().ok().filter(|number| (least..=most).contains(number));
            number.ok_or_else(|| format!("is not a whole number from {least} to {most}"))
        };
        let number = self.parsed(path, read).unwrap_or(least);
        u64::try_from(number).unwrap_or_default()
    }

    /// Whether a flag is set; `false` where it is wrong, which is noted.
    pub fn flag(&mut self, path: &str) -> bool {
        match self.layers.setting(path).map(|setting| &setting.given) {
            Some(Given::Flag(flag)) => *flag,
            Some(_) => {
                self.refuse(path, "must be true or false");
                false
            }
            None => false,
        }
    }

    /// A word out of the key's list; nothing where it is wrong, which is noted.
    pub fn choice(&mut self, path: &str) -> Option<String> {
        let words = match keys::key_of(path).map(|key| key.form) {
            Some(keys::Form::Choice(words)) => words,
            Some(_) | None => &[],
        };
        self.parsed(path, |text| {
            if words.contains(&text) {
                return Ok(text.to_owned());
            }
            let near = words
                .iter()
                .map(|word| (strsim::jaro_winkler(text, word), *word))
                .filter(|(alike, _)| *alike >= LIKE_A_SLIP)
                .max_by(|left, right| left.0.total_cmp(&right.0));
            Err(match near {
                Some((_, word)) => format!("is not known; did you mean \"{word}\"?"),
                None => format!("is not known; choose one of {}", words.join(", ")),
            })
        })
    }

    /// A list of texts; one text alone is a list of one.
    pub fn texts(&mut self, path: &str) -> Vec<String> {
        match self.layers.setting(path).map(|setting| &setting.given) {
            None => Vec::new(),
            Some(Given::List(texts)) => texts.clone(),
            Some(Given::Text(text)) => vec![text.clone()],
            Some(
                Given::Number(_) | Given::Flag(_) | Given::Table(_) | Given::Secret(_) | Given::Secrets(_),
            ) => {
                self.refuse(path, "must be a list of texts");
                Vec::new()
            }
        }
    }

    /// Secrets, wherever they are kept.
    pub fn secrets(&mut self, path: &str, variables: &Variables) -> Vec<secrecy::SecretString> {
        let given: Vec<_> = match self.layers.setting(path).map(|setting| &setting.given) {
            None => return Vec::new(),
            Some(Given::Secret(secret)) => vec![secret.clone()],
            Some(Given::Secrets(secrets)) => secrets.clone(),
            Some(Given::Text(_) | Given::Number(_) | Given::Flag(_) | Given::List(_) | Given::Table(_)) => {
                self.refuse(path, "must be a secret");
                return Vec::new();
            }
        };
        let mut read = Vec::with_capacity(given.len());
        for (index, secret) in given.iter().enumerate() {
            match super::secret::resolve(secret, variables) {
                Ok(secret) => read.push(secret),
                // While a secret is being replaced, the old one may be gone already.
                Err(super::secret::NotThere::Variable(name)) if index > 0 => {
                    tracing::debug!(variable = %name, setting = path, "a further secret is not set and left out");
                }
                Err(why) => self.refuse(path, why),
            }
        }
        read
    }
}
