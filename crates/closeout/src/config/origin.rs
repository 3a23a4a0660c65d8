//! Values together with the place that they came from.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::keys::Form;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It was built in.
    Default,
    /// An environment variable of other tools, taken because nothing else was given.
    Alias(&'static str),
    /// A profile of the Genesys Cloud command line.
    Profile {
        /// The file.
        path: PathBuf,
        /// The profile in it.
        name: String,
    },
    /// The configuration file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// An environment variable that the Genesys Cloud tools share.
    GenesysVariable(String),
    /// An environment variable of this program.
    Variable(String),
    /// A command that brings its own configuration, as `closeout dev`.
    Command(&'static str),
    /// A flag of the command line.
    Flag(&'static str),
}

impl Origin {
    /// The rank: whatever has the higher one wins.
    pub const fn rank(&self) -> u8 {
        match self {
            Self::Default => 0,
            Self::Alias(_) => 1,
            Self::Profile { .. } => 2,
            Self::File { .. } => 3,
            Self::GenesysVariable(_) => 4,
            Self::Variable(_) => 5,
            Self::Command(_) | Self::Flag(_) => 6,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Alias(name) => write!(f, "environment {name} (alias)"),
            Self::Profile { path, name } => write!(f, "profile {name} of {}", path.display()),
            Self::File { path, line } => write!(f, "{}, line {line}", path.display()),
            Self::GenesysVariable(name) | Self::Variable(name) => write!(f, "environment {name}"),
            Self::Command(name) => write!(f, "set by {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// A value as it was given.
#[derive(Clone)]
pub enum Given {
    /// A text, also a number or a duration that came as text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// `true` or `false`.
    Flag(bool),
    /// A list of texts.
    List(Vec<String>),
    /// A small table of texts, as `{ id = "…" }`.
    Table(BTreeMap<String, String>),
    /// A secret as text; it never shows.
    Secret(SecretString),
    /// Secrets as text; they never show.
    Secrets(Vec<SecretString>),
}

impl Given {
    /// The value as one text, where it is one.
    pub fn as_text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Number(number) => Some(number.to_string()),
            Self::Flag(flag) => Some(flag.to_string()),
            Self::List(_) | Self::Table(_) | Self::Secret(_) | Self::Secrets(_) => None,
        }
    }

    /// The value as JSON, with its secrets masked, for a key of this form.
    pub fn as_json(&self, form: Form) -> Value {
        let text = |text: &String| Value::String(without_credentials(text));
        match self {
            Self::Text(given) if matches!(form, Form::Count(..)) => {
                given.parse::<i64>().map_or_else(|_| text(given), Value::from)
            }
            Self::Text(given) => text(given),
            Self::Number(number) => Value::from(*number),
            Self::Flag(flag) => Value::from(*flag),
            Self::List(texts) => texts.iter().map(text).collect(),
            Self::Table(table) => table.iter().map(|(key, given)| (key.clone(), text(given))).collect(),
            Self::Secret(secret) => Value::from(masked(secret)),
            Self::Secrets(secrets) => secrets.iter().map(masked).collect(),
        }
    }

    /// The same value, kept from showing.
    pub fn into_secret(self) -> Self {
        match self {
            Self::Text(text) => Self::Secret(text.into()),
            Self::Number(number) => Self::Secret(number.to_string().into()),
            Self::Flag(flag) => Self::Secret(flag.to_string().into()),
            Self::List(texts) => Self::Secrets(texts.into_iter().map(Into::into).collect()),
            other @ (Self::Table(_) | Self::Secret(_) | Self::Secrets(_)) => other,
        }
    }
}

/// Shows where a secret is to be found, and hides it where it stands in the open.
fn masked(secret: &SecretString) -> &str {
    let text = secret.expose_secret();
    if text.starts_with("env:") || text.starts_with("file:") { text } else { "********" }
}

/// A text in which the credentials of a URL are hidden: `postgres://********@host/db`.
pub fn without_credentials(text: &str) -> String {
    let Some(scheme) = text.find("://") else { return text.to_owned() };
    let mut shown = match text.rfind('@') {
        Some(at) if scheme < at => format!("{}://********{}", &text[..scheme], &text[at..]),
        Some(_) | None => text.to_owned(),
    };
    // As `?password=…` of a database.
    if let Some(begin) = shown.find("password=").map(|begin| begin + "password=".len()) {
        let end = shown[begin..].find('&').map_or(shown.len(), |length| begin + length);
        shown.replace_range(begin..end, "********");
    }
    shown
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: &String| toml::Value::String(without_credentials(text)).to_string();
        match self {
            Self::Text(text) => f.write_str(&quoted(text)),
            Self::Number(number) => number.fmt(f),
            Self::Flag(flag) => flag.fmt(f),
            Self::List(texts) => write!(f, "[{}]", texts.iter().map(quoted).collect::<Vec<_>>().join(", ")),
            Self::Table(table) => {
                let fields: Vec<_> =
                    table.iter().map(|(key, text)| format!("{key} = {}", quoted(text))).collect();
                write!(f, "{{ {} }}", fields.join(", "))
            }
            Self::Secret(secret) => write!(f, "\"{}\"", masked(secret)),
            Self::Secrets(secrets) => {
                let secrets: Vec<_> =
                    secrets.iter().map(|secret| format!("\"{}\"", masked(secret))).collect();
                write!(f, "[{}]", secrets.join(", "))
            }
        }
    }
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A value and its origin.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The value.
    pub given: Given,
    /// Where it came from.
    pub origin: Origin,
}

/// One sentence about a configuration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem(pub String);

impl Problem {
    /// A problem with a setting, told with its place and name.
    pub fn with(path: &str, origin: &Origin, what: impl fmt::Display) -> Self {
        Self(format!("{origin}: {path} {what}"))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_neither_in_debug_nor_in_display() {
        let given =
            Given::List(vec!["hunter2-hunter2-hunter2".to_owned(), "env:HOOK".to_owned()]).into_secret();
        for shown in [format!("{given}"), format!("{given:?}")] {
            assert_eq!(shown, "[\"********\", \"env:HOOK\"]");
        }
        assert_eq!(Given::Text("hunter2".to_owned()).into_secret().to_string(), "\"********\"");
    }

    #[test]
    fn as_json_a_value_is_plain_and_a_secret_masked() {
        use serde_json::json;
        let count = Form::Count(0, 10);
        for (given, form, plain) in [
            (Given::Text("20s".to_owned()), Form::Duration, json!("20s")),
            (Given::Text("7".to_owned()), count, json!(7)),
            (Given::Number(7), count, json!(7)),
            (Given::Text("many".to_owned()), count, json!("many")),
            (Given::Text("hunter2".to_owned()).into_secret(), Form::Secret, json!("********")),
            (
                Given::List(vec!["hunter2".to_owned(), "env:HOOK".to_owned()]).into_secret(),
                Form::Secrets,
                json!(["********", "env:HOOK"]),
            ),
            (
                Given::Text("postgres://user:hunter2@host/db".to_owned()),
                Form::Text,
                json!("postgres://********@host/db"),
            ),
        ] {
            assert_eq!(given.as_json(form), plain);
        }
    }

    #[test]
    fn the_credentials_of_a_url_do_not_show() {
        let given = Given::Text("postgres://user:hunter2@host/db".to_owned());
        assert_eq!(given.to_string(), "\"postgres://********@host/db\"");
        assert_eq!(without_credentials("a@b"), "a@b");
        assert_eq!(
            without_credentials("postgres://u@h/d?password=geheim&sslmode=require"),
            "postgres://********@h/d?password=********&sslmode=require"
        );
    }
}
