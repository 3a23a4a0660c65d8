//! What holds up all calls of an organisation: an operator's pause, or Genesys' refusal.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::snapshot::{items, time};
use crate::{
    client::{Api, plain},
    exit::{Exit, Failure},
    output::length,
};

/// How many acts are looked through for the pause that holds: more than anybody is refused in a row.
const ACTS: &str = "20";

/// What holds up all calls of an organisation.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Hold {
    pub organisation: String,
    pub why: Why,
}

/// Why nothing is called.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Why {
    /// An operator has paused all calls; who is not known where the audit does not go back so far.
    Paused(Option<Pause>),
    /// Genesys refuses the credential; the next probe is then.
    Credential(Option<Timestamp>),
    /// Genesys refuses a permission, which it may have named; the next probe is then.
    Permission(Option<String>, Option<Timestamp>),
}

/// Who paused calls, when and why.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pause {
    pub by: String,
    pub at: Option<Timestamp>,
    pub why: String,
}

/// Asks the server what holds up calls.
///
/// # Errors
///
/// When the server refuses. One that is not ready tells nothing of it.
pub(super) async fn take(api: &Api) -> Result<Vec<Hold>, Failure> {
    let readiness = match api.get("/readyz", &[("verbose".to_owned(), "true".to_owned())]).await {
        Ok(answer) => answer.body,
        Err(failure) if failure.exit == Exit::Unreachable => return Ok(Vec::new()),
        Err(failure) => return Err(failure),
    };
    let mut held = of_readiness(&readiness);
    for hold in &mut held {
        if let Why::Paused(pause) = &mut hold.why {
            let query = [("action", "outgoing.pause"), ("subject", &hold.organisation), ("limit", ACTS)];
            let query = query.map(|(name, value)| (name.to_owned(), value.to_owned()));
            *pause = latest_pause(&api.get("/v1/audit", &query).await?.body);
        }
    }
    Ok(held)
}

fn of_readiness(readiness: &Value) -> Vec<Hold> {
    let organisations = readiness["organisations"].as_array().into_iter().flatten();
    let hold = |item: &Value| {
        let until = time(&item["blockedUntil"]);
        let refused = match item["blockedBy"].as_str() {
            Some("credential") => Some(Why::Credential(until)),
            Some(_) => Some(Why::Permission(item["missingPermission"].as_str().map(str::to_owned), until)),
            None => None,
        };
        let paused = (item["paused"] == Value::Bool(true)).then_some(Why::Paused(None));
        let organisation = plain(&item["name"]);
        let holds = paused.into_iter().chain(refused);
        holds.map(|why| Hold { organisation: organisation.clone(), why }).collect::<Vec<_>>()
    };
    organisations.flat_map(hold).collect()
}

/// The latest pause that was not refused.
fn latest_pause(audit: &Value) -> Option<Pause> {
    let act = items(audit).iter().find(|act| act["outcome"] != "refused")?;
    Some(Pause { by: plain(&act["by"]), at: time(&act["at"]), why: plain(&act["why"]) })
}

impl Hold {
    /// What holds, whose doing it is, and what can be done.
    pub(super) fn words(&self, now: Timestamp) -> String {
        let organisation = &self.organisation;
        let probe = |until: Option<Timestamp>| match until {
            Some(until) if until > now => {
                format!(" The next probe is in {}.", length(until.duration_since(now)))
            }
            Some(_) | None => String::new(),
        };
        match &self.why {
            Why::Paused(pause) => {
                let by = pause.as_ref().map_or_else(String::new, |pause| {
                    let ago = pause.at.map(|at| format!(" {} ago", length(now.duration_since(at))));
                    let why = if pause.why.is_empty() { String::new() } else { format!(": {}", pause.why) };
                    format!(" by {}{}{why}", pause.by, ago.unwrap_or_default())
                });
                format!(
                    "Calls of {organisation} are paused{by}. To go on: closeout outgoing resume --organisation {organisation}"
                )
            }
            Why::Credential(until) => format!(
                "Genesys refuses the credential of {organisation}: check client id, secret and region with closeout doctor \
                 --online.{}",
                probe(*until)
            ),
            Why::Permission(Some(named), until) => format!(
                "Genesys refuses {organisation} the permission {named}: give it to a role of the OAuth client.{}",
                probe(*until)
            ),
            Why::Permission(None, until) => format!(
                "Genesys refuses {organisation} a permission: closeout doctor --online says which the OAuth client lacks.{}",
                probe(*until)
            ),
        }
    }

    /// The same as JSON.
    pub(super) fn as_json(&self) -> Value {
        let (what, pause, permission, until) = match &self.why {
            Why::Paused(pause) => ("paused", pause.as_ref(), None, None),
            Why::Credential(until) => ("credential", None, None, *until),
            Why::Permission(named, until) => ("permission", None, named.as_deref(), *until),
        };
        json!({
            "organisation": self.organisation,
            "by": what,
            "pausedBy": pause.map(|pause| json!({
                "by": pause.by, "at": pause.at.map(|at| at.to_string()), "why": pause.why
            })),
            "missingPermission": permission,
            "blockedUntil": until.map(|at| at.to_string()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("2026-11-28T{text}Z").parse().unwrap()
    }

    #[test]
    fn what_holds_up_calls_is_told_with_its_cause_and_what_can_be_done() {
        let readiness = json!({ "organisations": [
            { "name": "main", "paused": true, "blockedUntil": null, "blockedBy": null, "missingPermission": null },
            { "name": "other", "paused": false, "blockedUntil": "2026-11-28T12:00:30Z", "blockedBy": "credential",
              "missingPermission": null },
            { "name": "third", "paused": false, "blockedUntil": null, "blockedBy": "permission",
              "missingPermission": "conversation:message:view" },
            { "name": "well", "paused": false, "blockedUntil": null, "blockedBy": null, "missingPermission": null },
        ] });
        let mut held = of_readiness(&readiness);
        held[0].why = Why::Paused(latest_pause(&json!({ "items": [
            { "by": "eve", "at": "2026-11-28T11:59:00Z", "why": "no", "outcome": "refused" },
            { "by": "dev", "at": "2026-11-28T11:40:00Z", "why": "maintenance", "outcome": "done" },
        ] })));
        let told: Vec<_> = held.iter().map(|hold| hold.words(at("12:00:00"))).collect();
        assert_eq!(
            told,
            [
                "Calls of main are paused by dev 20m ago: maintenance. To go on: closeout outgoing resume --organisation main",
                "Genesys refuses the credential of other: check client id, secret and region with closeout doctor --online. \
                 The next probe is in 30s.",
                "Genesys refuses third the permission conversation:message:view: give it to a role of the OAuth client.",
            ]
        );
        let unknown = Hold { organisation: "main".to_owned(), why: Why::Paused(None) };
        assert!(unknown.words(at("12:00:00")).starts_with("Calls of main are paused. To go on"));
        assert_eq!(held[0].as_json()["pausedBy"]["why"], "maintenance");
        assert_eq!(held[1].as_json()["by"], "credential");
    }

    #[test]
    fn a_server_that_tells_nothing_of_it_holds_up_nothing() {
        assert_eq!(of_readiness(&json!({ "ready": true, "note": "a key is needed" })), []);
    }
}
