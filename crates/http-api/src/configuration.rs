//! What a key sees of the configuration: what belongs to no organisation, and the tables of its own.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::access::Caller;

/// The sections whose tables belong to one organisation each.
const OF_ONE: [&str; 4] = ["confirm", "callback", "scan", "source"];

/// The sections whose tables give their name to metrics, as adapter, hook or source.
const NAMED: [&str; 2] = ["confirm", "source"];

/// The tables of those who are let in by another's word, each for several organisations.
const GRANT: [&str; 3] = ["console", "oidc", "grant"];

/// The values by path, without the tables of organisations that the caller does not see.
pub(crate) fn seen_by(all: &Value, caller: &Caller) -> Value {
    let Value::Object(entries) = all else { return all.clone() };
    let seen = entries.iter().filter(|(path, _)| sees_table(entries, path, caller));
    let seen = seen.map(|(path, entry)| (path.clone(), own_organisations(path, entry, caller)));
    Value::Object(seen.collect())
}

/// The names of adapters, hooks and sources of organisations that the caller does not see.
pub(crate) fn hidden_names(all: &Value, caller: &Caller) -> BTreeSet<String> {
    let Value::Object(entries) = all else { return BTreeSet::new() };
    let names = |seen: bool| {
        let named = entries.iter().filter(move |(path, _)| {
            let parts: Vec<_> = path.split('.').collect();
            matches!(parts[..], [section, _, "name"] if NAMED.contains(&section))
                && sees_table(entries, path, caller) == seen
        });
        named.filter_map(|(_, entry)| entry["value"].as_str().map(str::to_owned)).collect::<BTreeSet<_>>()
    };
    names(false).difference(&names(true)).cloned().collect()
}

/// Whether the table that a path is in is of an organisation that the caller sees, or of none.
fn sees_table(entries: &Map<String, Value>, path: &str, caller: &Caller) -> bool {
    let parts: Vec<_> = path.split('.').collect();
    match parts[..] {
        ["genesys", organisation, ..] => sees(caller, organisation),
        [section, number, ..] if OF_ONE.contains(&section) => {
            let organisation = entries.get(&format!("{section}.{number}.organisation"));
            organisation.and_then(|entry| entry["value"].as_str()).is_some_and(|name| sees(caller, name))
        }
        [console, oidc, grant, number, ..] if [console, oidc, grant] == GRANT => {
            let organisations = entries.get(&format!("{}.{number}.organisations", GRANT.join(".")));
            // Without a list it is for the only one that there is.
            organisations
                .and_then(|entry| entry["value"].as_array())
                .is_none_or(|several| several.iter().filter_map(Value::as_str).any(|name| sees(caller, name)))
        }
        _ => true,
    }
}

/// The entry, with those of the caller's organisations alone where it lists some.
fn own_organisations(path: &str, entry: &Value, caller: &Caller) -> Value {
    let mut entry = entry.clone();
    if path.ends_with(".organisations")
        && let Some(several) = entry["value"].as_array_mut()
    {
        several.retain(|name| name.as_str().is_some_and(|name| sees(caller, name)));
    }
    entry
}

fn sees(caller: &Caller, organisation: &str) -> bool {
    organisation.parse().is_ok_and(|organisation| caller.sees(&organisation))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::access::{Role, Sight};

    fn of(organisations: &[&str]) -> Caller {
        let these = organisations.iter().map(|name| name.parse().unwrap()).collect();
        Caller { name: Arc::from("ann"), role: Role::Admin, sight: Sight::These(these) }
    }

    fn all() -> Value {
        let entries = [
            ("server.listen", json!("127.0.0.1:8080")),
            ("genesys.main.region", json!("eu-central-1")),
            ("genesys.other.region", json!("us-east-1")),
            ("confirm.0.name", json!("relay")),
            ("confirm.0.organisation", json!("main")),
            ("confirm.1.name", json!("relay-of-other")),
            ("confirm.1.organisation", json!("other")),
            ("source.0.name", json!("orders-of-other")),
            ("source.0.organisation", json!("other")),
            ("source.0.url", json!("nats://other.example")),
            ("source.1.name", json!("orders")),
            ("source.1.organisation", json!("main")),
            ("callback.0.organisation", json!("other")),
            ("scan.0.organisation", json!("other")),
            ("console.oidc.grant.0.organisations", json!(["main", "other"])),
            ("console.oidc.grant.1.organisations", json!(["other"])),
            ("console.oidc.grant.1.value", json!("others-staff")),
        ];
        let entry =
            |(path, value): (&str, Value)| (path.to_owned(), json!({ "value": value, "origin": "x" }));
        entries.map(entry).into_iter().collect()
    }

    #[test]
    fn a_key_sees_the_tables_of_its_organisations_and_what_belongs_to_none() {
        let seen = seen_by(&all(), &of(&["main"]));
        assert!(!seen.to_string().contains("other"), "{seen}");
        let paths: Vec<_> = seen.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            paths,
            [
                "confirm.0.name",
                "confirm.0.organisation",
                "console.oidc.grant.0.organisations",
                "genesys.main.region",
                "server.listen",
                "source.1.name",
                "source.1.organisation",
            ]
        );
        assert_eq!(seen_by(&all(), &of(&["main", "other"])), all());
        let everybody = Caller { sight: Sight::All, ..of(&[]) };
        assert_eq!(seen_by(&all(), &everybody), all());
    }

    #[test]
    fn the_names_of_others_adapters_and_sources_are_known_to_be_theirs() {
        let hidden = hidden_names(&all(), &of(&["main"]));
        assert_eq!(
            hidden.iter().map(String::as_str).collect::<Vec<_>>(),
            ["orders-of-other", "relay-of-other"]
        );
        assert!(hidden_names(&all(), &of(&["main", "other"])).is_empty());
    }
}
