//! SIGHUP: what rotates is read again, and nothing else.
//!
//! The credential of every organisation and the keys of `tokens.toml` are put in place of the old ones while the service runs:
//! calls that are under way repeat with the new credential, and what Genesys refused meanwhile is tried again at once. What is
//! wrong with the new configuration is logged, and the old one stays.

use std::collections::{BTreeSet, HashMap};

use genesys_client::Client;
use genesys_types::Organisation;
use http_api::{Keys, Reload, ShownConfiguration};
use orchestrator::Orchestrator;
use serde_json::{Map, Value, json};

use crate::{
    config::{self, FromCommandLine, Settings, Variables, fingerprints::Fingerprints},
    exit::Failure,
};

/// What can be replaced while the service runs.
#[derive(Debug)]
pub(super) struct Reloadable {
    pub(super) clients: HashMap<Organisation, Client>,
    pub(super) keys: Keys,
    pub(super) orchestrator: Orchestrator,
    pub(super) configuration: ShownConfiguration,
}

/// What an organisation logs in with, below its table.
const CREDENTIAL: [&str; 3] = ["client_id", "client_secret", "access_token"];

impl Reloadable {
    /// Reads the configuration again and puts what rotates in place. `held` is what is in force, before and after.
    pub(super) fn reload(&self, from: &FromCommandLine, variables: &Variables, held: &mut Fingerprints) {
        let settings = config::load(from, variables).map_err(|problems| Failure::of_problems(&problems));
        match settings {
            Ok((layers, settings)) => {
                let taken = rotated(&self.replace(settings));
                let read = held.again(&layers, variables);
                for path in &taken {
                    held.take(path, &read);
                }
                let before = self.configuration.shown();
                let shown = in_force(&before, &super::shown(&layers), &taken, &held.changed(&read));
                self.configuration.replace(shown);
                self.note(None);
            }
            Err(failure) => {
                self.note(Some(&failure.message));
                tracing::error!(
                    why = failure.message,
                    "SIGHUP: the configuration is wrong; the old one stays"
                );
            }
        }
    }

    /// Notes that the configuration was read again, and why it was refused, where it was, for those who do not read the log.
    fn note(&self, refused: Option<&str>) {
        let one_line = |why: &str| why.lines().map(str::trim).collect::<Vec<_>>().join("; ");
        self.configuration.reloaded(Reload { at: self.orchestrator.now(), refused: refused.map(one_line) });
    }

    /// Answers whose credential was taken over.
    fn replace(&self, settings: Settings) -> Vec<Organisation> {
        let mut taken = Vec::new();
        let keys = settings.tokens.len();
        self.keys.replace(super::access_keys(settings.tokens));
        for organisation in &settings.organisations {
            let name = &organisation.client.organisation;
            let Some(client) = self.clients.get(name) else {
                tracing::warn!(organisation = %name, "SIGHUP: a new organisation is taken up at the next start");
                continue;
            };
            match client.replace_credentials(&organisation.client.credentials) {
                Ok(()) => {
                    self.orchestrator.credential_replaced(name);
                    taken.push(name.clone());
                }
                Err(error) => {
                    tracing::error!(organisation = %name, %error, "SIGHUP: the old credential stays");
                }
            }
        }
        tracing::info!(
            keys,
            "SIGHUP: credentials and keys were read again; other settings wait for a restart"
        );
        taken
    }
}

/// The keys of the credentials of these organisations.
fn rotated(organisations: &[Organisation]) -> BTreeSet<String> {
    let keys = |name| CREDENTIAL.map(|field| format!("genesys.{name}.{field}"));
    organisations.iter().flat_map(keys).collect()
}

/// What holds after a reload, by key: what was taken over as it was read, and all else as it was, with what was read for
/// it and waits for a restart as its `afterRestart`, which has no value where the key is gone. `changed` has the keys whose value is
/// another one, as a changed secret shows like the one before it.
fn in_force(before: &Value, read: &Value, taken: &BTreeSet<String>, changed: &BTreeSet<String>) -> Value {
    let keys: BTreeSet<_> =
        [before, read].into_iter().filter_map(Value::as_object).flat_map(Map::keys).collect();
    let holds = |key: &String| {
        let (old, new) = (&before[key], &read[key]);
        if taken.contains(key) {
            return (!new.is_null()).then(|| (key.clone(), new.clone()));
        }
        // Read once, taken back before a restart: it never held.
        if old["value"].is_null() && new.is_null() {
            return None;
        }
        let mut one = json!({ "value": old["value"], "origin": old["origin"] });
        if old["value"] != new["value"] || changed.contains(key) {
            one["afterRestart"] = json!({ "value": new["value"], "origin": new["origin"] });
        }
        Some((key.clone(), one))
    };
    keys.into_iter().filter_map(holds).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_that_was_taken_over_is_shown_and_what_waits_for_a_restart_beside_what_holds() {
        let value = |value: Value| json!({ "value": value, "origin": "closeout.toml" });
        let before = json!({
            "genesys.main.client_id": value(json!("old")),
            "genesys.other.client_id": value(json!("old")),
            "genesys.main.access_token": value(json!("***")),
            "server.listen": value(json!("127.0.0.1:8080")),
            "server.max_connections": value(json!(64)),
        });
        let read = json!({
            "genesys.main.client_id": value(json!("new")),
            "genesys.other.client_id": value(json!("new")),
            "server.listen": value(json!("127.0.0.1:9090")),
            "server.max_connections": value(json!(64)),
            "closing.order": value(json!("guest_first")),
        });
        let taken = rotated(&["main".parse().unwrap()]);
        let shown = in_force(&before, &read, &taken, &BTreeSet::new());
        let waits = |holds: Value, waits: Value| json!({ "value": holds, "origin": "closeout.toml", "afterRestart": value(waits) });
        assert_eq!(
            shown,
            json!({
                "genesys.main.client_id": value(json!("new")),
                "genesys.other.client_id": waits(json!("old"), json!("new")),
                "server.listen": waits(json!("127.0.0.1:8080"), json!("127.0.0.1:9090")),
                "server.max_connections": value(json!(64)),
                "closing.order": { "value": null, "origin": null, "afterRestart": value(json!("guest_first")) },
            })
        );
        let back = in_force(&shown, &before, &taken, &BTreeSet::new());
        assert_eq!(
            back["server.listen"],
            value(json!("127.0.0.1:8080")),
            "what was taken back waits no more"
        );
        assert!(in_force(&back, &before, &BTreeSet::new(), &BTreeSet::new()).get("closing.order").is_none());
    }

    #[test]
    fn a_secret_that_waits_for_a_restart_is_told_though_it_shows_like_the_one_that_holds() {
        let hidden = json!({ "value": "********", "origin": "closeout.toml" });
        let settings = json!({ "confirm.0.secrets": hidden, "callbacks.secrets": hidden });
        let changed = BTreeSet::from(["confirm.0.secrets".to_owned()]);
        let shown = in_force(&settings, &settings, &BTreeSet::new(), &changed);
        assert_eq!(shown["confirm.0.secrets"]["afterRestart"], hidden);
        assert_eq!(shown["callbacks.secrets"], hidden);
    }
}
