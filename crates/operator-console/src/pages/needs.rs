//! What an operator has to see to beside the ghosts: what keeps closures from going on, or waits for somebody's word.

use serde_json::Value;

use crate::parts::{items, query, some, text};

/// Something that an operator has to see to, beside the ghosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Need {
    /// `alarm` where closures stand still because of it, `held` where somebody wanted it so or it can wait.
    pub(crate) look: &'static str,
    pub(crate) what: String,
    pub(crate) todo: String,
    pub(crate) address: String,
}

/// What the service tells of itself.
pub(crate) struct Standing<'a> {
    pub(crate) organisations: &'a Value,
    pub(crate) adapters: &'a Value,
    pub(crate) letters: &'a Value,
    pub(crate) sources: &'a Value,
    pub(crate) batches: &'a Value,
}

/// All that stands in the way, and what to do about it.
pub(crate) fn needs(standing: &Standing<'_>) -> Vec<Need> {
    let mut needs = Vec::new();
    for one in standing.organisations["organisations"].as_array().into_iter().flatten() {
        let name = text(&one["name"]);
        if let Some(permission) = some(&one["missingPermission"]) {
            needs.push(Need {
                look: "alarm",
                what: format!("Genesys refuses calls of {name}: the permission {permission} is missing."),
                todo: "Add it to the role of the OAuth client; what waits goes on by itself.".to_owned(),
                address: "/console/settings".to_owned(),
            });
        } else if let Some(by) = some(&one["blockedBy"]) {
            needs.push(Need {
                look: "alarm",
                what: format!("Calls of {name} are held until {} by {by}.", text(&one["blockedUntil"])),
                todo: "Nothing is lost; they go on by themselves.".to_owned(),
                address: "/console/settings".to_owned(),
            });
        }
        if one["paused"] == true {
            needs.push(Need {
                look: "held",
                what: format!("Calls of {name} are paused by an operator."),
                todo: "Let them go on when the reason is over.".to_owned(),
                address: "/console/settings".to_owned(),
            });
        }
    }
    for one in items(standing.adapters).iter().filter(|one| one["silentSince"].is_string()) {
        needs.push(Need {
            look: "alarm",
            what: format!("No event arrives by {} since {}.", text(&one["adapter"]), text(&one["silentSince"])),
            todo: "Look whether its sender reaches the service. Ghosts of this time are told one by one afterwards.".to_owned(),
            address: format!("/console/received?{}", query([("hook", text(&one["adapter"]).as_str())])),
        });
    }
    for one in items(standing.sources) {
        let name = text(&one["name"]);
        if let Some(fault) = some(&one["fault"]) {
            needs.push(Need {
                look: "alarm",
                what: format!("No commands come from {name}: {fault}."),
                todo: "It tries again by itself; look at the broker.".to_owned(),
                address: "/console/sources".to_owned(),
            });
        } else if one["paused"] == true {
            needs.push(Need {
                look: "held",
                what: format!("The source {name} is paused by an operator."),
                todo: "What producers send waits in the queue.".to_owned(),
                address: "/console/sources".to_owned(),
            });
        }
    }
    let letters = items(standing.letters).len();
    if letters > 0 {
        needs.push(Need {
            look: "alarm",
            what: format!("{letters} command{} could not be taken.", if letters == 1 { "" } else { "s" }),
            todo: "Look why; give it again or let it go.".to_owned(),
            address: "/console/sources#letters".to_owned(),
        });
    }
    for one in items(standing.batches) {
        let id = text(&one["id"]);
        let queued = one["progress"]["queued"].as_u64().unwrap_or_default();
        let (what, todo) = match one["state"].as_str() {
            Some("preview") if one["scan"].is_object() && one["confirmToken"].is_string() && queued > 0 => (
                format!("A scan found {queued} stuck sessions that nobody asked to close."),
                "Look at them and close them.",
            ),
            Some("paused") => {
                (format!("The batch {id} is paused with {queued} rows to go."), "Resume it or call it off.")
            }
            Some(_) | None => continue,
        };
        needs.push(Need {
            look: "held",
            what,
            todo: todo.to_owned(),
            address: format!("/console/batches/{id}"),
        });
    }
    needs
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn needs_of(
        organisation: &Value,
        adapters: &Value,
        letters: &Value,
        sources: &Value,
        batches: &Value,
    ) -> Vec<Need> {
        let list =
            |one: &Value| if one.is_null() { json!({ "items": [] }) } else { json!({ "items": [one] }) };
        needs(&Standing {
            organisations: &json!({ "organisations": [organisation] }),
            adapters: &list(adapters),
            letters: &list(letters),
            sources: &list(sources),
            batches: &list(batches),
        })
    }

    #[test]
    fn what_keeps_closures_from_going_on_is_said_with_what_to_do() {
        let none = Value::Null;
        let well = json!({ "name": "main", "paused": false, "blockedBy": null, "missingPermission": null });
        assert_eq!(needs_of(&well, &none, &none, &none, &none), []);
        let lacks = json!({ "name": "main", "missingPermission": "conversation:communication:disconnect", "blockedBy": "403" });
        let paused = json!({ "name": "main", "paused": true });
        let silent = json!({ "adapter": "relay <b>", "silentSince": "2026-11-28T10:00:00Z" });
        let away = json!({ "name": "orders", "fault": "the broker is away", "paused": false });
        let found = json!({ "id": "bt_1", "state": "preview", "scan": {}, "confirmToken": "t", "progress": { "queued": 3 } });
        for (needs, said, address) in [
            (
                needs_of(&lacks, &none, &none, &none, &none),
                "conversation:communication:disconnect",
                "/console/settings",
            ),
            (needs_of(&paused, &none, &none, &none, &none), "paused", "/console/settings"),
            (
                needs_of(&well, &silent, &none, &none, &none),
                "relay <b>",
                "/console/received?hook=relay+%3Cb%3E",
            ),
            (needs_of(&well, &none, &json!({}), &none, &none), "1 command could", "/console/sources#letters"),
            (needs_of(&well, &none, &none, &away, &none), "the broker is away", "/console/sources"),
            (needs_of(&well, &none, &none, &none, &found), "3 stuck sessions", "/console/batches/bt_1"),
        ] {
            let [need] = &needs[..] else { panic!("{needs:?}") };
            assert!(need.what.contains(said) && need.address == address && !need.todo.is_empty(), "{need:?}");
        }
    }
}
