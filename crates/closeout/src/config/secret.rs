//! Secrets: the text itself, `env:NAME`, or `file:PATH`.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};

use super::environment::{Variables, secret_file};

/// Why a secret is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotThere {
    /// The environment variable is not set, or empty.
    Variable(String),
    /// The file cannot be read; says why.
    File(String),
    /// Nothing at all stands there.
    Empty,
}

impl fmt::Display for NotThere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "names the environment variable {name}, which is not set"),
            Self::File(why) => write!(f, "names a file: {why}"),
            Self::Empty => f.write_str("is empty"),
        }
    }
}

/// Follows a reference to the secret; a text that is no reference is the secret itself.
///
/// # Errors
///
/// [`NotThere`].
pub fn resolve(given: &SecretString, variables: &Variables) -> Result<SecretString, NotThere> {
    let text = given.expose_secret();
    if let Some(name) = text.strip_prefix("env:") {
        return variables
            .value(name)
            .map(|value| SecretString::from(value.to_owned()))
            .ok_or_else(|| NotThere::Variable(name.to_owned()));
    }
    if let Some(path) = text.strip_prefix("file:") {
        let read = secret_file(path).map_err(NotThere::File)?;
        return if read.is_empty() { Err(NotThere::Empty) } else { Ok(read.into()) };
    }
    if text.is_empty() { Err(NotThere::Empty) } else { Ok(given.clone()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_followed_and_a_missing_one_named() {
        let mut variables = Variables::default();
        variables.0.insert("HOOK".to_owned(), "planted".to_owned());
        let read = |text: &str| resolve(&SecretString::from(text.to_owned()), &variables);
        assert_eq!(read("env:HOOK").unwrap().expose_secret(), "planted");
        assert_eq!(read("as it is").unwrap().expose_secret(), "as it is");
        assert_eq!(read("env:NONE").unwrap_err(), NotThere::Variable("NONE".to_owned()));
        assert_eq!(read("").unwrap_err(), NotThere::Empty);
        assert!(matches!(read("file:/nowhere/at/all").unwrap_err(), NotThere::File(_)));
    }
}
