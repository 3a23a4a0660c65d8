//! Whether a setting has changed, also where its value never shows.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{BuildHasher as _, RandomState},
};

use secrecy::{ExposeSecret as _, SecretString};

use super::{environment::Variables, layers::Layers, origin::Given, secret};

/// What tells one value of a setting from another, by path.
///
/// A fingerprint is keyed with a number of this process, and compares with those of the same process alone: nothing about a secret
/// can be learned from it. A secret that stands in a file or in the environment is followed to what it holds.
#[derive(Debug, Clone)]
pub struct Fingerprints {
    seed: RandomState,
    by_path: BTreeMap<String, u64>,
}

impl Fingerprints {
    /// Takes the fingerprint of every setting.
    pub fn of(layers: &Layers, variables: &Variables) -> Self {
        Self::with(RandomState::new(), layers, variables)
    }

    /// Takes them of a later reading, to be compared with these.
    pub fn again(&self, layers: &Layers, variables: &Variables) -> Self {
        Self::with(self.seed.clone(), layers, variables)
    }

    fn with(seed: RandomState, layers: &Layers, variables: &Variables) -> Self {
        let of = |given: &Given| match given {
            Given::Secret(secret) => seed.hash_one([followed(secret, variables)]),
            Given::Secrets(secrets) => {
                seed.hash_one(secrets.iter().map(|secret| followed(secret, variables)).collect::<Vec<_>>())
            }
            Given::Text(text) => seed.hash_one(text),
            Given::Number(number) => seed.hash_one(number),
            Given::Flag(flag) => seed.hash_one(flag),
            Given::List(texts) => seed.hash_one(texts),
            Given::Table(table) => seed.hash_one(table),
        };
        let by_path =
            layers.settings.iter().map(|(path, setting)| (path.clone(), of(&setting.given))).collect();
        Self { seed, by_path }
    }

    /// The paths whose value is another in `later`, or is there in one of the two alone.
    pub fn changed(&self, later: &Self) -> BTreeSet<String> {
        let paths: BTreeSet<_> = self.by_path.keys().chain(later.by_path.keys()).collect();
        paths
            .into_iter()
            .filter(|path| self.by_path.get(*path) != later.by_path.get(*path))
            .cloned()
            .collect()
    }

    /// Takes one setting over from a later reading.
    pub fn take(&mut self, path: &str, later: &Self) {
        match later.by_path.get(path) {
            Some(value) => self.by_path.insert(path.to_owned(), *value),
            None => self.by_path.remove(path),
        };
    }
}

/// The secret itself, or nothing where it is not there now.
fn followed(given: &SecretString, variables: &Variables) -> Option<String> {
    secret::resolve(given, variables).ok().map(|secret| secret.expose_secret().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::layers::gather_text;

    #[test]
    fn a_secret_that_was_changed_where_it_stands_is_told_though_it_is_written_as_before() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        std::fs::write(&file, "first").unwrap();
        let text = format!(
            "[[confirm]]\nsecrets = [\"file:{}\", \"env:SECOND\"]\n[[source]]\nurl = \"nats://me:old@queue\"\n",
            file.display()
        );
        let mut variables = Variables::default();
        variables.0.insert("SECOND".to_owned(), "second".to_owned());
        let read = |text: &str, variables: &Variables| {
            gather_text("closeout.toml".as_ref(), text, variables).unwrap().0
        };
        let held = Fingerprints::of(&read(&text, &variables), &variables);
        let changed = |text: &str, variables: &Variables| {
            held.changed(&held.again(&read(text, variables), variables)).into_iter().collect::<Vec<_>>()
        };
        assert_eq!(changed(&text, &variables), [""; 0]);
        assert_eq!(changed(&text.replace("old", "new"), &variables), ["source.0.url"]);
        variables.0.insert("SECOND".to_owned(), "another".to_owned());
        assert_eq!(changed(&text, &variables), ["confirm.0.secrets"]);
        variables.0.insert("SECOND".to_owned(), "second".to_owned());
        std::fs::write(&file, "third").unwrap();
        assert_eq!(changed(&text, &variables), ["confirm.0.secrets"]);
    }
}
