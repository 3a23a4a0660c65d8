//! What needs me: ghosts by reason, the oldest of them, and everything that keeps closures from going on.

use askama::Template;
use axum::response::Redirect;
use serde_json::Value;

use crate::{
    frame::{self, Frame, Page, Visitor},
    parts::{Moment, items, query, some, text, words},
};

/// How many ghosts are shown here; the list has all.
const SHOWN: usize = 10;

/// How many queues are shown here, those with the most ghosts.
const QUEUES_SHOWN: usize = 12;

#[derive(Debug, Template)]
#[template(path = "home.html")]
struct Home {
    frame: Frame,
    needs: Vec<Need>,
    groups: Vec<Group>,
    queues: Vec<Queue>,
    /// Queues with ghosts that are not shown.
    more_queues: usize,
    ghosts: Vec<Ghost>,
    organisations: Vec<Organisation>,
    adapters: Vec<Adapter>,
    open: u64,
}

/// Something that an operator has to see to, beside the ghosts.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Need {
    /// `alarm` where closures stand still because of it, `held` where somebody wanted it so or it can wait.
    look: &'static str,
    what: String,
    todo: String,
    address: String,
}

#[derive(Debug)]
struct Group {
    organisation: String,
    reason: String,
    count: String,
    oldest: Moment,
    address: String,
}

#[derive(Debug)]
struct Queue {
    organisation: String,
    name: String,
    count: String,
    reasons: String,
    oldest: Moment,
    address: String,
}

#[derive(Debug)]
struct Ghost {
    id: String,
    conversation: String,
    reason: String,
    since: Moment,
    next_look: Moment,
    claimed_by: Option<String>,
    todo: String,
}

#[derive(Debug)]
struct Organisation {
    name: String,
    open: String,
    queued: String,
    how: &'static str,
}

#[derive(Debug)]
struct Adapter {
    name: String,
    last_event: Moment,
    rate: String,
    lag: String,
    silent_since: Option<Moment>,
}

/// `GET /console`
pub(crate) async fn moved() -> Redirect {
    Redirect::permanent("/")
}

/// `GET /`
pub(crate) async fn page(visitor: Visitor) -> Page {
    let standing = visitor.get("/readyz?verbose=true").await?;
    let summary = visitor.get("/v1/ghosts/summary").await?;
    let ghosts = visitor.get(&format!("/v1/ghosts?sort=acceptedAt&limit={SHOWN}")).await?;
    let adapters = visitor.look("/v1/adapters").await;
    let needs = needs(&Standing {
        organisations: &standing,
        adapters: &adapters,
        letters: &visitor.look("/v1/dead-letters?state=held&limit=500").await,
        sources: &visitor.look("/v1/sources").await,
        batches: &visitor.look("/v1/batches?limit=50").await,
    });
    let queues = summary["byQueue"].as_array().map_or(&[][..], Vec::as_slice);
    let all = standing["organisations"].as_array().map_or(&[][..], Vec::as_slice);
    let home = Home {
        needs,
        groups: summary["groups"].as_array().into_iter().flatten().map(Group::of).collect(),
        queues: queues.iter().take(QUEUES_SHOWN).map(Queue::of).collect(),
        more_queues: queues.len().saturating_sub(QUEUES_SHOWN),
        ghosts: items(&ghosts).iter().map(Ghost::of).collect(),
        organisations: all.iter().map(Organisation::of).collect(),
        adapters: items(&adapters).iter().map(Adapter::of).collect(),
        open: all.iter().filter_map(|one| one["open"].as_u64()).sum(),
        frame: visitor.frame("home", "What needs me", "/v1/ghosts").await.watching("/v1/ghosts?limit=50"),
    };
    Ok(frame::show(&home))
}

/// What the service tells of itself.
struct Standing<'a> {
    organisations: &'a Value,
    adapters: &'a Value,
    letters: &'a Value,
    sources: &'a Value,
    batches: &'a Value,
}

fn needs(standing: &Standing<'_>) -> Vec<Need> {
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

impl Group {
    fn of(group: &Value) -> Self {
        let (organisation, reason) = (text(&group["organisation"]), text(&group["reason"]));
        Self {
            address: format!(
                "/console/closures?{}",
                query([("state", "ghost"), ("reason", &reason), ("organisation", &organisation)])
            ),
            reason: words(&group["reason"]),
            count: text(&group["count"]),
            oldest: Moment::of(&group["oldestAcceptedAt"]),
            organisation,
        }
    }
}

impl Queue {
    fn of(one: &Value) -> Self {
        let (organisation, queue) = (text(&one["organisation"]), some(&one["queueId"]));
        let reasons = one["byReason"].as_object().into_iter().flatten();
        let reasons: Vec<_> =
            reasons.map(|(reason, count)| format!("{} {}", text(count), reason.replace('_', " "))).collect();
        let wanted = queue.as_deref().unwrap_or("none");
        Self {
            address: format!(
                "/console/closures?{}",
                query([("state", "ghost"), ("queueId", wanted), ("organisation", &organisation)])
            ),
            name: queue.unwrap_or_else(|| "not known".to_owned()),
            count: text(&one["count"]),
            reasons: reasons.join(", "),
            oldest: Moment::of(&one["oldestAcceptedAt"]),
            organisation,
        }
    }
}

impl Ghost {
    fn of(item: &Value) -> Self {
        let ghost = &item["ghost"];
        Self {
            id: text(&item["id"]),
            conversation: text(&item["conversationId"]),
            reason: words(&ghost["reason"]),
            since: Moment::of(&ghost["since"]),
            next_look: Moment::of(&ghost["nextLook"]),
            claimed_by: some(&ghost["handling"]["claimed"]["by"]),
            todo: text(&ghost["suggested"][0]["what"]),
        }
    }
}

impl Organisation {
    fn of(one: &Value) -> Self {
        let how = if some(&one["missingPermission"]).is_some() {
            "refused by Genesys"
        } else if one["blockedBy"].is_string() {
            "held"
        } else if one["paused"] == true {
            "paused"
        } else {
            "calls go out"
        };
        Self { name: text(&one["name"]), open: text(&one["open"]), queued: text(&one["queued"]), how }
    }
}

impl Adapter {
    fn of(one: &Value) -> Self {
        Self {
            name: text(&one["adapter"]),
            last_event: Moment::of(&one["lastEventAt"]),
            rate: format!("{:.1}", one["eventsPerMinute"].as_f64().unwrap_or_default()),
            lag: one["lagMs"].as_u64().map_or_else(|| "–".to_owned(), |lag| format!("{lag} ms")),
            silent_since: one["silentSince"].is_string().then(|| Moment::of(&one["silentSince"])),
        }
    }
}

/// Where nothing needs anybody.
impl Home {
    fn is_quiet(&self) -> bool {
        self.needs.is_empty() && self.groups.is_empty()
    }
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
