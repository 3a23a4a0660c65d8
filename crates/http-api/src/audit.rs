//! What operators do is written down: before it is done, and once more with what came of it.
//!
//! No act without its line: where the line cannot be written, nothing is done. A line without an outcome is that of an act
//! during which the service died, or that is still under way; the evidence of its closure tells which.

pub(crate) mod list;

use std::sync::{Arc, Mutex, PoisonError};

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{AuditRow, Store, StoreUnavailable};
use uuid::Uuid;

use crate::{
    access::Need,
    acts::{self, LONGEST_REASON},
    batches,
    call::{Answer, Call},
    dead_letters, deliveries,
    json::Node,
    problem::Problem,
    route::{Method, Route},
    sources,
};

/// What a handler tells of the act that it does. Copies share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trail(Arc<Mutex<Noted>>);

#[derive(Debug, Clone, Default)]
struct Noted {
    organisation: Option<String>,
    subject: Option<String>,
    before: Option<Value>,
    after: Option<Value>,
    /// The line as it was written before the act.
    begun: Option<AuditRow>,
}

impl Trail {
    /// What the act is done to, once it is found, and how it stands before.
    pub(crate) fn found(&self, organisation: &str, before: Value) {
        self.note(|noted| {
            noted.organisation = Some(organisation.to_owned());
            noted.before = Some(before);
        });
    }

    /// What the act made or was done to, where the path does not name it.
    pub(crate) fn about(&self, organisation: &str, subject: String) {
        self.note(|noted| {
            noted.organisation = Some(organisation.to_owned());
            noted.subject = Some(subject);
        });
    }

    /// Whose it will be, where it is still to be made.
    pub(crate) fn of(&self, organisation: &str) {
        self.note(|noted| noted.organisation = Some(organisation.to_owned()));
    }

    /// Writes the line of an act that is under way once more, with what it is about by now.
    pub(crate) async fn tell(&self, store: &dyn Store) -> Result<(), StoreUnavailable> {
        let noted = self.noted();
        let Some(begun) = noted.begun else { return Ok(()) };
        let organisation = noted.organisation.unwrap_or(begun.organisation);
        let subject = noted.subject.map_or(begun.subject, |subject| clean(&subject, LONGEST_SUBJECT));
        store.put_audit(AuditRow { organisation, subject, ..begun }).await
    }

    /// How it stands afterwards.
    pub(crate) fn after(&self, after: Value) {
        self.note(|noted| noted.after = Some(after));
    }

    fn note(&self, change: impl FnOnce(&mut Noted)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn noted(&self) -> Noted {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The name of the act that a request asks for, such as `closure.retry`; nothing where it only looks or submits.
pub(crate) fn action(route: &Route, call: &Call) -> Option<&'static str> {
    if route.method != Method::Post {
        return None;
    }
    match route.need {
        Need::Operate | Need::Admin => Some(name(route.path)),
        // A preview changes nothing; running one at once does. A role that is too small for it is refused without a line.
        Need::Submit if route.path == "/v1/batches" && call.caller().role.suffices(Need::Operate) => {
            batches::asks_to_execute(call).then_some("batch.execute")
        }
        Need::Nothing | Need::AnyKey | Need::Submit | Need::Follow | Need::Read | Need::Metrics => None,
    }
}

/// Every act, as it is called here, by its path.
const NAMES: &[(&str, &str)] = &[
    ("/v1/closures/{id}/retry", "closure.retry"),
    ("/v1/closures/{id}/cancel", "closure.cancel"),
    ("/v1/closures/{id}/verify", "closure.verify"),
    ("/v1/closures/{id}/force", "closure.force"),
    ("/v1/closures/{id}/resolve", "closure.resolve"),
    ("/v1/ghosts/{id}/claim", "ghost.claim"),
    ("/v1/ghosts/{id}/snooze", "ghost.snooze"),
    ("/v1/ghosts/{id}/comment", "ghost.comment"),
    ("/v1/batches/{id}/execute", "batch.execute"),
    ("/v1/batches/{id}/pause", "batch.pause"),
    ("/v1/batches/{id}/resume", "batch.resume"),
    ("/v1/batches/{id}/cancel", "batch.cancel"),
    ("/v1/outgoing/pause", "outgoing.pause"),
    ("/v1/outgoing/resume", "outgoing.resume"),
    ("/v1/sources/{name}/pause", "source.pause"),
    ("/v1/sources/{name}/resume", "source.resume"),
    ("/v1/dead-letters/{id}/redrive", "dead_letter.redrive"),
    ("/v1/dead-letters/{id}/discard", "dead_letter.discard"),
    ("/v1/deliveries/{id}/redeliver", "delivery.redeliver"),
];

/// The names of all acts.
pub(crate) const ACTIONS: [&str; NAMES.len()] = {
    let mut names = [""; NAMES.len()];
    let mut number = 0;
    while number < NAMES.len() {
        names[number] = NAMES[number].1;
        number += 1;
    }
    names
};

fn name(path: &'static str) -> &'static str {
    // A test holds the table complete; an act that is not in it is still written down.
    NAMES.iter().find(|(known, _)| *known == path).map_or(path, |(_, name)| name)
}

/// The longest name or id of what an act is done to; nothing that is there has a longer one.
const LONGEST_SUBJECT: usize = 255;

/// An act that was written down and is done now.
pub(crate) struct UnderWay {
    store: Arc<dyn Store>,
    row: AuditRow,
    stored: Stored,
}

/// The stored form of what is not searched.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Stored {
    pub(crate) role: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
}

impl Stored {
    fn bytes(&self) -> bytes::Bytes {
        serde_json::to_vec(self).expect("it has no key that is not a text").into()
    }
}

impl UnderWay {
    /// Writes down that an act is asked for, and how what it is done to stands, so that this is known also when nothing is written
    /// afterwards.
    pub(crate) async fn begin(call: &Call, action: &'static str) -> Result<Self, Problem> {
        look_up(call, action).await;
        let (caller, noted) = (call.caller(), call.trail.noted());
        let stored = Stored {
            role: caller.role.name().to_owned(),
            why: why(call),
            before: noted.before,
            ..Stored::default()
        };
        let row = AuditRow {
            key: Uuid::now_v7(),
            organisation: noted.organisation.unwrap_or_default(),
            actor: caller.name.as_ref().to_owned(),
            action: action.to_owned(),
            subject: clean(&noted.subject.unwrap_or_else(|| call.id.clone()), LONGEST_SUBJECT),
            at: call.shared.api.orchestrator.now().millis(),
            body: stored.bytes(),
        };
        let store = Arc::clone(&call.shared.api.store);
        store.put_audit(row.clone()).await?;
        call.trail.note(|noted| noted.begun = Some(row.clone()));
        Ok(Self { store, row, stored })
    }

    /// Writes down what came of it.
    pub(crate) async fn end(mut self, trail: &Trail, (status, code): (StatusCode, Option<&'static str>)) {
        let noted = trail.noted();
        self.row.organisation = noted.organisation.unwrap_or_default();
        if let Some(subject) = noted.subject {
            self.row.subject = clean(&subject, LONGEST_SUBJECT);
        }
        let after = noted.after.filter(|_| status.is_success());
        let (status, code) = (Some(status.as_u16()), code.map(str::to_owned));
        self.stored = Stored { before: noted.before, after, status, code, ..self.stored };
        self.row.body = self.stored.bytes();
        if let Err(unavailable) = self.store.put_audit(self.row).await {
            tracing::error!(
                why = unavailable.why,
                "what came of an operator's act could not be written down"
            );
        }
    }
}

/// Finds what an act is to be done to, where the caller sees it, and notes that. What is not there the handler refuses.
async fn look_up(call: &Call, action: &str) {
    let (kind, _) = action.split_once('.').unwrap_or((action, ""));
    match kind {
        "closure" | "ghost" => {
            if let Ok(found) = call.closure().await {
                call.trail.found(found.organisation.as_str(), acts::standing(&found));
            }
        }
        // Each notes what it finds.
        "batch" if !call.id.is_empty() => drop(batches::visible(call).await),
        "batch" => {
            if let Ok(organisation) = batches::asked_of(call) {
                call.trail.of(organisation.as_str());
            }
        }
        "dead_letter" => drop(dead_letters::seen(call).await),
        "delivery" => drop(deliveries::seen(call).await),
        "source" => drop(sources::seen(call).await),
        _ => {}
    }
}

/// The words that an operator gave: in the body, in the query, or in a body that is read as a file.
fn why(call: &Call) -> Option<String> {
    let said = |node: Node| match node {
        Node::Object(fields) => fields.into_iter().find_map(|(name, given)| {
            matches!(name.as_str(), "reason" | "comment").then(|| given.into_text())?
        }),
        Node::Null | Node::Bool(_) | Node::Number(_) | Node::Text(_) | Node::List(_) => None,
    };
    let in_query = || call.query().ok()?.one("reason").ok()?;
    let in_file = || said(batches::object(call)?);
    let given = call.body.clone().and_then(said).or_else(in_query).or_else(in_file)?;
    Some(clean(&given, LONGEST_REASON)).filter(|text| !text.trim().is_empty())
}

/// A text as it can be shown anywhere: what steers a terminal, or the direction of writing, is a mark that something stood there. An
/// act that is refused for such a text is written down too.
fn clean(text: &str, longest: usize) -> String {
    let shown = |sign| if shown_text::steers(sign) { char::REPLACEMENT_CHARACTER } else { sign };
    text.chars().take(longest).map(shown).collect()
}

/// What is written down of an answer.
pub(crate) fn outcome(answer: &Answer) -> (StatusCode, Option<&'static str>) {
    match answer {
        Ok(response) => (response.status(), None),
        Err(problem) => (problem.status_code(), Some(problem.code())),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use store::{AuditFilter, AuditRow, MemoryStore, Store as _};
    use uuid::Uuid;

    use super::{ACTIONS, NAMES, Stored, Trail, clean};
    use crate::{access::Need, route::Method, routes::ROUTES};

    #[test]
    fn what_steers_a_terminal_is_a_mark() {
        assert_eq!(clean("\u{1b}[31mred\r\nnext\u{202e}", 99), "\u{fffd}[31mred\u{fffd}\u{fffd}next\u{fffd}");
        assert_eq!(clean("the guest’s window", 9), "the guest");
    }

    #[tokio::test]
    async fn an_act_that_is_under_way_is_told_once_more_with_what_it_made() {
        let store = MemoryStore::new();
        let trail = Trail::default();
        trail.tell(&store).await.unwrap();
        assert_eq!(store.audit(&AuditFilter::default(), None, 9).await.unwrap(), []);
        let begun = AuditRow {
            key: Uuid::now_v7(),
            organisation: "main".to_owned(),
            actor: "ann".to_owned(),
            action: "batch.execute".to_owned(),
            subject: String::new(),
            at: 1,
            body: Stored { role: "operate".to_owned(), ..Stored::default() }.bytes(),
        };
        store.put_audit(begun.clone()).await.unwrap();
        trail.note(|noted| noted.begun = Some(begun.clone()));
        trail.about("main", "bt_1".to_owned());
        trail.tell(&store).await.unwrap();
        let told = AuditRow { subject: "bt_1".to_owned(), ..begun };
        assert_eq!(store.audit(&AuditFilter::default(), None, 9).await.unwrap(), [told]);
    }

    #[test]
    fn every_act_has_a_name_of_its_own_and_every_name_an_act() {
        let acts: BTreeSet<_> = ROUTES
            .iter()
            .filter(|route| route.method == Method::Post && matches!(route.need, Need::Operate | Need::Admin))
            .map(|route| route.path)
            .collect();
        assert_eq!(acts, NAMES.iter().map(|(path, _)| *path).collect());
        assert_eq!(ACTIONS.iter().collect::<BTreeSet<_>>().len(), NAMES.len());
    }
}
