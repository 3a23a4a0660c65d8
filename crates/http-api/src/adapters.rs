//! How the adapters stand that fetch events by themselves, as health pages show it.

use genesys_types::{Organisation, Time};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{access::Caller, spans::Stamp};

/// How an adapter stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdapterStanding {
    /// Its name.
    pub name: String,
    /// Its kind, as in the configuration.
    pub kind: &'static str,
    /// The organisation that its events belong to.
    pub organisation: Organisation,
    /// Since when it listens without a gap; `None` while it does not.
    pub connected_since: Option<Time>,
    /// When an event was last heard, since the start of the service.
    pub last_event_at: Option<Time>,
    /// The topics that it is refused.
    pub refused: Vec<RefusedTopic>,
    /// How often nobody listened for a while, the start included.
    pub gaps: u64,
    /// How many closures were read back for that.
    pub read_back: u64,
}

/// A topic that an adapter is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefusedTopic {
    /// The topic.
    pub topic: String,
    /// Why, in Genesys' words.
    pub reason: Option<String>,
    /// The permissions that the client's role lacks.
    pub missing_permissions: Vec<String>,
}

/// How an adapter is doing.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AdapterStatus)]
pub(crate) struct AdapterView {
    name: String,
    /// notifications.
    kind: &'static str,
    organisation: String,
    /// Since when it listens without a gap; null while it does not.
    #[schema(value_type = Option<String>, format = DateTime)]
    connected_since: Option<Stamp>,
    /// When an event was last heard, since the start of the service.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_event_at: Option<Stamp>,
    /// The topics whose events are not heard.
    refused_topics: Vec<RefusedTopic>,
    /// How often nobody listened for a while, the start included.
    gaps: u64,
    /// How many closures were read back for that.
    read_back: u64,
}

/// Those of the organisations that the caller sees.
pub(crate) fn shown(all: Vec<AdapterStanding>, caller: &Caller) -> Vec<AdapterView> {
    let view = |one: AdapterStanding| AdapterView {
        name: one.name,
        kind: one.kind,
        organisation: one.organisation.as_str().to_owned(),
        connected_since: one.connected_since.map(Stamp),
        last_event_at: one.last_event_at.map(Stamp),
        refused_topics: one.refused,
        gaps: one.gaps,
        read_back: one.read_back,
    };
    all.into_iter().filter(|one| caller.sees(&one.organisation)).map(view).collect()
}
