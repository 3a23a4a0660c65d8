//! What an operator has to see to beside the ghosts: what keeps closures from going on, or waits for somebody's word.

use jiff::Timestamp;
use serde_json::Value;

use crate::parts::{Moment, items, query, some, text};

/// Something that an operator has to see to, beside the ghosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Need {
    /// `alarm` where closures stand still because of it, `held` where somebody wanted it so or it can wait.
    pub(crate) look: &'static str,
    pub(crate) what: String,
    /// A moment that belongs to it, and the words before it.
    pub(crate) when: Option<(&'static str, Moment)>,
    /// What somebody gave as the reason.
    pub(crate) why: Option<String>,
    pub(crate) todo: String,
    pub(crate) address: String,
    /// What else there is to look at, and what a link to it says.
    pub(crate) also: Option<(String, &'static str)>,
}

/// What the service tells of itself.
pub(crate) struct Standing<'a> {
    pub(crate) organisations: &'a Value,
    pub(crate) adapters: &'a Value,
    pub(crate) letters: &'a Value,
    pub(crate) sources: &'a Value,
    /// Batches that are paused.
    pub(crate) paused: &'a Value,
    /// Batches that are shown and wait for somebody's word.
    pub(crate) previews: &'a Value,
    /// Who paused what, the latest first, from the audit.
    pub(crate) pauses: &'a Value,
    /// When all of this was asked for.
    pub(crate) now: Timestamp,
}

impl Standing<'_> {
    /// Whether something is paused, so that it is worth asking who did it.
    pub(crate) fn is_paused(organisations: &Value, sources: &Value, batches: &Value) -> bool {
        let mut all = list(organisations).iter().chain(items(sources));
        all.any(|one| one["paused"] == true) || !items(batches).is_empty()
    }
}

/// All that stands in the way, and what to do about it.
pub(crate) fn needs(standing: &Standing<'_>) -> Vec<Need> {
    let mut needs: Vec<_> =
        list(standing.organisations).iter().flat_map(|one| of_organisation(one, standing.pauses)).collect();
    needs.extend(of_reload(&standing.organisations["lastReload"]));
    needs.extend(items(standing.adapters).iter().filter_map(of_adapter));
    needs.extend(items(standing.sources).iter().filter_map(|one| of_source(one, standing.pauses)));
    needs.extend(of_letters(standing.letters));
    needs.extend(items(standing.previews).iter().filter_map(|one| of_scan(one, standing.now)));
    needs.extend(items(standing.paused).iter().map(|one| of_paused(one, standing.pauses)));
    needs
}

fn list(standing: &Value) -> &[Value] {
    standing["organisations"].as_array().map_or(&[], Vec::as_slice)
}

fn of_organisation(one: &Value, pauses: &Value) -> Vec<Need> {
    let name = text(&one["name"]);
    let address = "/console/settings".to_owned();
    let refused = refusal(one, &name).map(|(what, todo)| Need {
        look: "alarm",
        what,
        when: Some(("Next try:", Moment::of(&one["blockedUntil"])))
            .filter(|_| one["blockedUntil"].is_string()),
        why: None,
        todo: todo.to_owned(),
        address: address.clone(),
        also: Some((
            format!("/console/closures?{}", query([("state", "blocked"), ("organisation", name.as_str())])),
            "The closures that are held by it",
        )),
    });
    let paused = (one["paused"] == true).then(|| Need {
        todo: "Let them go on when the reason is over: they do not by themselves.".to_owned(),
        ..paused(&format!("Calls of {name} are paused"), "outgoing.pause", &name, pauses, address)
    });
    refused.into_iter().chain(paused).collect()
}

/// What Genesys refuses, and what to check.
fn refusal(one: &Value, name: &str) -> Option<(String, &'static str)> {
    let refuses = format!("Genesys refuses calls of {name}");
    match (some(&one["missingPermission"]), one["blockedBy"].as_str()) {
        (Some(permission), _) => Some((
            format!("{refuses}: the permission {permission} is missing."),
            "Add it to a role of the OAuth client, for the division of the queue; what waits then goes on with the next try.",
        )),
        (None, Some("permission")) => Some((
            format!("{refuses}: a permission is missing that the answer does not name."),
            "Compare the roles of the OAuth client with the list in the README; what waits then goes on with the next try.",
        )),
        (None, Some("credential")) => Some((
            format!(
                "Genesys does not accept the credential of {name}: none of its closures goes on before that is mended."
            ),
            "Check the client id, its secret and the region with `closeout doctor --online`, and that the OAuth client is neither disabled nor expired in Genesys.",
        )),
        (None, Some(_)) | (None, None) if one["blockedUntil"].is_string() => Some((
            format!("{refuses}: the credential or a permission is not accepted."),
            "Check the OAuth client with `closeout doctor --online`, and its roles in Genesys.",
        )),
        (None, Some(_) | None) => None,
    }
}

/// What is paused, by whom, since when and why, as far as the audit tells.
fn paused(what: &str, action: &str, subject: &str, pauses: &Value, address: String) -> Need {
    let is_it =
        |line: &&Value| line["action"] == action && line["subject"] == subject && line["outcome"] == "done";
    let line = items(pauses).iter().find(is_it).unwrap_or(&Value::Null);
    let by = some(&line["by"]).unwrap_or_else(|| "an operator".to_owned());
    Need {
        look: "held",
        what: format!("{what} by {by}."),
        when: line["at"].is_string().then(|| ("Since", Moment::of(&line["at"]))),
        why: some(&line["why"]),
        todo: String::new(),
        address,
        also: None,
    }
}

/// A reload that was refused, as long as none was taken after it.
fn of_reload(one: &Value) -> Option<Need> {
    (one["accepted"] == false).then(|| Need {
        look: "held",
        what: "The configuration was read again and refused: what was before holds.".to_owned(),
        when: Some(("Asked for", Moment::of(&one["at"]))),
        why: some(&one["why"]),
        todo: "Mend it and reload again: the service would not start with it.".to_owned(),
        address: "/console/settings#about".to_owned(),
        also: None,
    })
}

fn of_adapter(one: &Value) -> Option<Need> {
    let name = text(&one["adapter"]);
    one["silentSince"].is_string().then(|| Need {
        look: "alarm",
        what: format!("No event arrives by {name}."),
        when: Some(("Since", Moment::of(&one["silentSince"]))),
        why: None,
        todo:
            "Look whether its sender reaches the service. Ghosts of this time are told one by one afterwards."
                .to_owned(),
        address: format!("/console/received?{}", query([("hook", name.as_str())])),
        also: None,
    })
}

fn of_source(one: &Value, pauses: &Value) -> Option<Need> {
    let name = text(&one["name"]);
    let address = "/console/sources".to_owned();
    match some(&one["fault"]) {
        Some(fault) => Some(Need {
            look: "alarm",
            what: format!("No commands come from {name}: {fault}."),
            when: None,
            why: None,
            todo: "It tries again by itself; look at the broker.".to_owned(),
            address,
            also: None,
        }),
        None => (one["paused"] == true).then(|| Need {
            todo: "What producers send waits in the queue.".to_owned(),
            ..paused(&format!("The source {name} is paused"), "source.pause", &name, pauses, address)
        }),
    }
}

fn of_letters(letters: &Value) -> Option<Need> {
    let count = items(letters).len();
    let many = if some(&letters["nextCursor"]).is_some() { "More than " } else { "" };
    (count > 0).then(|| Need {
        look: "alarm",
        what: format!("{many}{count} command{} could not be taken.", if count == 1 { "" } else { "s" }),
        when: None,
        why: None,
        todo: "Look why; give it again or let it go.".to_owned(),
        address: "/console/sources#letters".to_owned(),
        also: None,
    })
}

/// What a scan has found, as long as it can be executed.
fn of_scan(one: &Value, now: Timestamp) -> Option<Need> {
    let queued = queued(one);
    let until: Timestamp = one["confirmUntil"].as_str()?.parse().ok()?;
    let sessions = if queued == 1 { "session" } else { "sessions" };
    (one["scan"].is_object() && queued > 0 && now < until).then(|| {
        let what = format!("A scan found {queued} stuck {sessions} that nobody asked to close.");
        of_batch(one, what, "Look at them and close them.")
    })
}

fn of_paused(one: &Value, pauses: &Value) -> Need {
    let id = text(&one["id"]);
    let address = format!("/console/batches/{id}");
    let what = format!("The batch {id} is paused with {} rows to go,", queued(one));
    let todo = "Resume it or call it off.".to_owned();
    Need { todo, ..paused(&what, "batch.pause", &id, pauses, address) }
}

fn queued(batch: &Value) -> u64 {
    batch["progress"]["queued"].as_u64().unwrap_or_default()
}

fn of_batch(batch: &Value, what: String, todo: &str) -> Need {
    Need {
        look: "held",
        what,
        when: None,
        why: None,
        todo: todo.to_owned(),
        address: format!("/console/batches/{}", text(&batch["id"])),
        also: None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: &str = "2026-11-28T10:00:00Z";

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
            paused: &list(if batches["state"] == "paused" { batches } else { &Value::Null }),
            previews: &list(if batches["state"] == "preview" { batches } else { &Value::Null }),
            now: NOW.parse().unwrap(),
            pauses: &json!({ "items": [
                { "action": "source.pause", "subject": "main", "by": "bob", "outcome": "done" },
                { "action": "outgoing.pause", "subject": "main", "by": "eve", "outcome": "refused" },
                { "action": "outgoing.pause", "subject": "main", "by": "ann", "outcome": "done", "why": "maintenance",
                  "at": "2026-11-28T10:00:00Z" },
            ] }),
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
        let found = json!({ "id": "bt_1", "state": "preview", "scan": {}, "confirmUntil": "2026-11-28T10:15:00Z", "progress": { "queued": 3 } });
        for (needs, said, address) in [
            (
                needs_of(&lacks, &none, &none, &none, &none),
                "conversation:communication:disconnect",
                "/console/settings",
            ),
            (needs_of(&paused, &none, &none, &none, &none), "paused by ann.", "/console/settings"),
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

    #[test]
    fn a_batch_that_waits_for_a_word_is_told_of_as_long_as_the_word_counts() {
        let none = Value::Null;
        let well = json!({ "name": "main" });
        let scan = |until: &str, queued: u64| json!({ "id": "bt_1", "state": "preview", "scan": {}, "confirmUntil": until, "progress": { "queued": queued } });
        let rows = json!({ "id": "bt_1", "state": "preview", "scan": null, "confirmUntil": "2026-11-28T10:15:00Z",
            "progress": { "queued": 2 } });
        let paused = json!({ "id": "bt_2", "state": "paused", "progress": { "queued": 7 } });
        for (batch, said) in [
            (scan("2026-11-28T10:15:00Z", 1), Some("1 stuck session that")),
            (scan("2026-11-28T10:00:00Z", 1), None),
            (scan("2026-11-28T10:15:00Z", 0), None),
            (rows, None),
            (paused, Some("The batch bt_2 is paused with 7 rows to go, by an operator.")),
        ] {
            let needs = needs_of(&well, &none, &none, &none, &batch);
            assert_eq!(needs.len(), usize::from(said.is_some()), "{needs:?}");
            assert!(said.is_none_or(|said| needs[0].what.contains(said)), "{needs:?}");
        }
    }

    #[test]
    fn a_refused_credential_is_to_be_mended_and_does_not_pass_by_itself() {
        let refused =
            |by: Value| json!({ "name": "main", "blockedBy": by, "blockedUntil": "2026-11-28T10:00:00Z" });
        for (by, said, todo) in [
            (
                json!("credential"),
                "does not accept the credential of main",
                "client id, its secret and the region",
            ),
            (json!("permission"), "a permission is missing", "list in the README"),
            (Value::Null, "the credential or a permission", "closeout doctor --online"),
        ] {
            let none = Value::Null;
            let needs = needs_of(&refused(by), &none, &none, &none, &none);
            let [need] = &needs[..] else { panic!("{needs:?}") };
            assert!(need.what.contains(said) && need.todo.contains(todo), "{need:?}");
            assert!(!need.todo.contains("by themselves") && need.when.is_some(), "{need:?}");
            let held = need.also.as_ref().map(|(address, _)| address.as_str());
            assert_eq!(held, Some("/console/closures?state=blocked&organisation=main"));
        }
    }

    #[test]
    fn a_reload_that_was_refused_is_told_until_one_is_taken() {
        let of =
            |accepted: bool, why: Value| of_reload(&json!({ "at": NOW, "accepted": accepted, "why": why }));
        let refused = of(false, json!("closeout.toml, line 3: no")).unwrap();
        assert_eq!((refused.look, refused.why.as_deref()), ("held", Some("closeout.toml, line 3: no")));
        assert_eq!(refused.when, Some(("Asked for", Moment::of(&json!(NOW)))));
        assert_eq!(of(false, Value::Null).unwrap().why, None, "a key that may not know why");
        assert_eq!((of(true, Value::Null), of_reload(&Value::Null)), (None, None));
    }

    #[test]
    fn a_pause_is_told_with_who_when_and_why() {
        let none = Value::Null;
        let needs = needs_of(&json!({ "name": "main", "paused": true }), &none, &none, &none, &none);
        assert_eq!(needs[0].why.as_deref(), Some("maintenance"));
        assert_eq!(needs[0].when, Some(("Since", Moment::of(&json!("2026-11-28T10:00:00Z")))));
        let needs = needs_of(&json!({ "name": "other", "paused": true }), &none, &none, &none, &none);
        assert_eq!(
            (needs[0].what.as_str(), &needs[0].why),
            ("Calls of other are paused by an operator.", &None)
        );
    }
}
