//! How the service is set, without its secrets; and the switch of all calls of an organisation.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use serde_json::Value;

use crate::{
    form::Sent,
    frame::{self, Frame, Page, Visitor},
    pages::{asked, pause::Pause},
    parts::{Moment, some, text},
    prose::Prose,
    refusal::Refusal,
};

#[derive(Debug, Template)]
#[template(path = "settings.html")]
struct Settings {
    frame: Frame,
    organisations: Vec<Organisation>,
    sockets: Vec<Socket>,
    version: String,
    quarantined: String,
    /// How the configuration was last read again, where it was since the start.
    reload: Option<Reload>,
    /// Empty for a key that may not see them.
    keys: Vec<Key>,
}

/// A key of the configuration.
#[derive(Debug, PartialEq, Eq)]
struct Key {
    name: String,
    value: String,
    origin: String,
    /// What a reload has read for it, and a restart takes up.
    after_restart: Option<String>,
}

/// A reload of the configuration.
#[derive(Debug)]
struct Reload {
    at: Moment,
    accepted: bool,
    /// Why it was refused, where the key may know.
    why: Option<String>,
}

#[derive(Debug)]
struct Organisation {
    name: String,
    open: String,
    queued: String,
    paused: bool,
    /// Who paused it, as far as the audit tells.
    paused_by: Option<Pause>,
    blocked_until: Moment,
    blocked_by: Option<String>,
    missing: Option<String>,
}

#[derive(Debug)]
struct Socket {
    name: String,
    connected_since: Moment,
    gaps: String,
    refused: Vec<String>,
}

/// `GET /console/settings`
pub(crate) async fn page(visitor: Visitor) -> Page {
    if let Some(refused) = asked::nothing(&visitor) {
        return Err(refused);
    }
    let standing = visitor.get("/readyz?verbose=true").await?;
    let configuration = visitor.look("/v1/config").await;
    let list = |name: &str| standing[name].as_array().map_or(&[][..], Vec::as_slice);
    let mut organisations: Vec<_> = list("organisations").iter().map(Organisation::of).collect();
    for organisation in organisations.iter_mut().filter(|organisation| organisation.paused) {
        organisation.paused_by = Pause::find(&visitor, "outgoing.pause", &organisation.name).await;
    }
    let shown = Settings {
        frame: visitor.frame("settings", "Settings", "/v1/config").await.showing(["/readyz?verbose=true"]),
        organisations,
        sockets: list("adapters").iter().map(Socket::of).collect(),
        version: text(&visitor.look("/version").await["version"]),
        quarantined: text(&standing["quarantined"]),
        reload: Reload::of(&standing["lastReload"]),
        keys: keys(&configuration),
    };
    Ok(frame::show(&shown))
}

/// The settings as a flat list.
fn keys(configuration: &Value) -> Vec<Key> {
    configuration.as_object().into_iter().flatten().map(|(name, one)| Key::of(name, one)).collect()
}

impl Settings {
    /// Whether a reload has read what waits for a restart.
    fn waits_for_restart(&self) -> bool {
        self.keys.iter().any(|key| key.after_restart.is_some())
    }
}

impl Key {
    fn of(name: &str, one: &Value) -> Self {
        let after = &one["afterRestart"];
        Self {
            name: name.to_owned(),
            value: text(&one["value"]),
            origin: text(&one["origin"]),
            after_restart: after.is_object().then(|| waiting(&one["value"], &after["value"])),
        }
    }
}

impl Reload {
    fn of(one: &Value) -> Option<Self> {
        one.is_object().then(|| Self {
            at: Moment::of(&one["at"]),
            accepted: one["accepted"] == true,
            why: some(&one["why"]),
        })
    }
}

/// What waits for a restart, in place of what holds. A secret that was changed shows like the one before it.
fn waiting(holds: &Value, waits: &Value) -> String {
    if waits.is_null() {
        "nothing".to_owned()
    } else if waits == holds {
        "another value".to_owned()
    } else {
        text(waits)
    }
}

impl Organisation {
    fn of(one: &Value) -> Self {
        Self {
            name: text(&one["name"]),
            open: text(&one["open"]),
            queued: text(&one["queued"]),
            paused: one["paused"] == true,
            paused_by: None,
            blocked_until: Moment::of(&one["blockedUntil"]),
            blocked_by: some(&one["blockedBy"]),
            missing: some(&one["missingPermission"]),
        }
    }
}

impl Socket {
    fn of(one: &Value) -> Self {
        let refused = |topic: &Value| format!("{}: {}", text(&topic["topic"]), text(&topic["reason"]));
        Self {
            name: text(&one["name"]),
            connected_since: Moment::of(&one["connectedSince"]),
            gaps: text(&one["gaps"]),
            refused: one["refusedTopics"].as_array().into_iter().flatten().map(refused).collect(),
        }
    }
}

/// `POST /console/outgoing/act`
pub(crate) async fn outgoing(sent: Sent) -> Response {
    let path = format!("/v1/outgoing/{}", sent.field("act"));
    let body = sent.body(&["organisation", "reason"]);
    match sent.field("act") {
        "pause" if sent.field("reason").is_empty() => {
            let why = "Nothing was done. Say why all calls are to stop: whoever finds them stopped will want to know.";
            sent.visitor.session.tell(false, why);
            sent.back()
        }
        "pause" => {
            sent.act(&path, &body, "No call is made for it any more; commands and events are still taken.")
                .await
        }
        "resume" => sent.act(&path, &body, "Its calls go on.").await,
        _ => sent.visitor.stumble(Refusal::of(StatusCode::UNPROCESSABLE_ENTITY, "There is no such act.")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_waits_for_a_restart_stands_beside_what_holds() {
        let shown = keys(&json!({
            "a": { "value": "holds", "origin": "file" },
            "b": { "value": "holds", "origin": "file", "afterRestart": { "value": "waits", "origin": "file" } },
            "c": { "value": "holds", "origin": "file", "afterRestart": { "value": null, "origin": null } },
            "d": { "value": "********", "origin": "file", "afterRestart": { "value": "********", "origin": "file" } },
        }));
        let after: Vec<_> =
            shown.iter().map(|key| (key.value.as_str(), key.after_restart.as_deref())).collect();
        assert_eq!(
            after,
            [
                ("holds", None),
                ("holds", Some("waits")),
                ("holds", Some("nothing")),
                ("********", Some("another value"))
            ]
        );
    }
}
