//! Profiles: `~/.config/closeout/profiles.toml`, one table for each server.
//!
//! ```toml
//! [prod]
//! server = "https://closeout.example"
//! token = "env:PROD_KEY"
//! ```

use std::{collections::BTreeMap, path::PathBuf};

use secrecy::SecretString;
use serde::Deserialize;

use crate::{
    config::{Variables, secret},
    exit::Failure,
};

/// One server and the key for it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The server's URL.
    pub server: Option<String>,
    /// The key: `env:NAME`, `file:PATH`, or the key itself.
    token: Option<SecretString>,
}

impl Profile {
    /// The key, wherever it is kept.
    ///
    /// # Errors
    ///
    /// When the variable or the file that it names is not there.
    pub fn key(&self, variables: &Variables) -> Result<Option<SecretString>, Failure> {
        let Some(given) = &self.token else { return Ok(None) };
        let key = secret::resolve(given, variables)
            .map_err(|why| Failure::usage(format!("the token of the profile {why}")))?;
        Ok(Some(key))
    }
}

/// Finds the profile that is named by the flag or by `CLOSEOUT_PROFILE`, else `default` where there is one.
///
/// # Errors
///
/// When the file cannot be read, or has no profile of that name.
pub fn find(name: Option<&str>, variables: &Variables) -> Result<Profile, Failure> {
    let name = name.or_else(|| variables.value("CLOSEOUT_PROFILE"));
    let Some(path) = path(variables) else { return Ok(Profile::default()) };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && name.is_none() => {
            return Ok(Profile::default());
        }
        Err(error) => {
            let failure = Failure::usage(format!("the profiles {} cannot be read: {error}", path.display()));
            return Err(failure.fix(form_of(name)));
        }
    };
    let mut profiles: BTreeMap<String, Profile> = toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        // The parser's own words could show a key; the line is enough to find the mistake.
        Failure::usage(format!("{}, line {line} is no profile", path.display())).fix(form_of(name))
    })?;
    match (name, profiles.remove(name.unwrap_or("default"))) {
        (_, Some(profile)) => Ok(profile),
        (None, None) => Ok(Profile::default()),
        (Some(name), None) => {
            let known: Vec<_> = profiles.into_keys().collect();
            let message = format!("{} has no profile {name:?}; it has {}", path.display(), known.join(", "));
            Err(Failure::usage(message).fix(form_of(Some(name))))
        }
    }
}

/// What a profile looks like.
fn form_of(name: Option<&str>) -> String {
    let name = name.unwrap_or("default");
    format!(
        "write there a table [{name}] with server = \"http://…\" and token = \"env:NAME\", \"file:PATH\" or the key"
    )
}

fn path(variables: &Variables) -> Option<PathBuf> {
    let folder = variables.value("XDG_CONFIG_HOME").map(PathBuf::from);
    let folder = folder.or_else(|| variables.home().map(|home| home.join(".config")))?;
    Some(folder.join("closeout").join("profiles.toml"))
}
