//! Closures by filter; the filter is the address, so a list can be handed on.

use askama::Template;
use axum::response::{IntoResponse as _, Redirect};
use serde_json::Value;

use crate::{
    frame::{self, Frame, Page, Visitor},
    pages::{
        advice::{capital, in_short},
        asked::{self, Choice},
        filter::{Filter, batch_of_event, is_delivery, line_of_event},
        typed,
    },
    parts::{Moment, State, address_of, items, query, segment, some, text, words},
    prose::Prose,
};

/// Rows of a page.
const ROWS: &str = "50";

/// Said of an event that has no closure.
const OF_ADAPTER: &str =
    "This event tells of an adapter, and of no closure. Who was told of it stands under Deliveries.";

/// The states in the order in which an operator cares.
const STATES: [&str; 14] = [
    "ghost",
    "blocked",
    "failed",
    "accepted",
    "scheduled",
    "verifying",
    "closing_participant",
    "awaiting_confirmation",
    "closing_wrapper",
    "closed",
    "already_closed",
    "resolved",
    "cancelled",
    "resolving",
];

/// Why a closure is a ghost.
const GHOST_REASONS: [&str; 8] = [
    "no_confirmation",
    "conversation_open",
    "agent_still_connected",
    "wrapup_pending",
    "confirmation_mismatch",
    "reopened_by_guest",
    "rejected",
    "unreachable",
];

/// Why it is blocked or failed, or what is odd about its end.
const OTHER_REASONS: [&str; 11] = [
    "permission",
    "credential",
    "not_found",
    "ambiguous_target",
    "open_elsewhere",
    "participant_not_found",
    "participant_not_guest",
    "agent_connected",
    "abandoned",
    "forced",
    "guest_returned",
];

#[derive(Debug, Template)]
#[template(path = "list.html")]
struct List {
    frame: Frame,
    filter: Filter,
    /// The states to choose from, in words, and whether they are chosen.
    states: Vec<Choice>,
    /// The same of reasons: of ghosts alone, theirs.
    reasons: Vec<Choice>,
    /// Why the filter cannot be used.
    wrong: Option<String>,
    rows: Vec<Row>,
    /// Whether all of them are ghosts: their queues are shown in place of the proofs that they lack, and of how many calls were made.
    of_ghosts: bool,
    /// The next page.
    next: Option<String>,
    /// Whether this is a later page.
    is_later: bool,
    first: String,
    /// The organisation that a batch of chosen rows is of; nothing where several are shown.
    organisation: String,
    /// Those of the key.
    organisations: Vec<String>,
    /// A filter that only the batches of it can run, where it has one.
    batch: Option<Vec<(String, String)>>,
}

#[derive(Debug)]
struct Row {
    id: String,
    organisation: String,
    conversation: String,
    state: State,
    reason: String,
    proof: String,
    queue: Option<String>,
    accepted: Moment,
    next: Moment,
    calls: String,
}

impl List {
    /// Whether each row says which organisation it is of: where rows of several can stand there.
    fn says_organisation(&self) -> bool {
        self.organisation.is_empty()
    }

    /// The same list, of one organisation.
    fn of_organisation(&self, name: &str) -> String {
        let others = self.filter.pairs().filter(|(given, _)| *given != "organisation");
        format!("/console/closures?{}", query(others.chain([("organisation", name)])))
    }

    /// What was looked for, where that may be a conversation of which nobody has asked for the end.
    fn unknown(&self) -> Option<&str> {
        let id = Some(self.filter.value("q")).filter(|id| typed::is_genesys_id(id))?;
        (self.frame.acts && self.rows.is_empty() && self.filter.is_only("q")).then_some(id)
    }

    /// What can be done with several at once, by its name and what it says.
    fn acts() -> [(&'static str, String); 5] {
        let says = |act| (act, format!("{}: {}", capital(act), in_short(act)));
        ["retry", "verify", "cancel", "resolve", "force"].map(says)
    }

    /// Whether rows can be chosen: by somebody who may act, and of one organisation, as a batch is.
    fn can_choose(&self) -> bool {
        self.frame.acts && !self.organisation.is_empty()
    }
}

/// `GET /console/closures`
pub(crate) async fn page(visitor: Visitor) -> Page {
    let mut filter = Filter::read(visitor.uri.query().unwrap_or_default());
    if let Some(address) = elsewhere(filter.value("q")) {
        return Ok(Redirect::to(&address).into_response());
    }
    if filter.value("q").starts_with("ev_adapter_") {
        filter.wrong.get_or_insert(OF_ADAPTER.to_owned());
    }
    let of_ghosts = filter.value("state") == "ghost";
    let page_of = [("limit", ROWS), ("cursor", filter.cursor())];
    // Of a ghost its own list tells more.
    let of_their_own = || filter.pairs().filter(|(name, _)| *name != "state");
    let data = match of_ghosts {
        true => format!("/v1/ghosts?{}", query(of_their_own().chain(page_of))),
        false => format!("/v1/closures?{}", query(filter.pairs().chain(page_of))),
    };
    let (found, wrong) = asked::look(&visitor, &data, filter.wrong.as_deref()).await?;
    let line = line_of_event(filter.value("q"));
    if let ([only], true) = (items(&found), filter.is_only("q"))
        && (only["id"] == filter.value("q") || line.is_some())
    {
        return Ok(Redirect::to(&address_of(&text(&only["id"]), line)).into_response());
    }
    let next = some(&found["nextCursor"]).map(|cursor| {
        format!("/console/closures?{}", query(filter.pairs().chain([("cursor", cursor.as_str())])))
    });
    let is_later = !filter.cursor().is_empty();
    let organisation = one_organisation(&visitor, &filter);
    let frame = visitor.frame("closures", "Closures", &data).await;
    let status = asked::status(wrong.as_ref());
    let list = List {
        frame: if is_later || wrong.is_some() { frame } else { frame.watching(&data, &found) },
        states: asked::choices(filter.value("state"), &STATES),
        reasons: match of_ghosts {
            true => asked::choices(filter.value("reason"), &GHOST_REASONS),
            false => asked::choices(filter.value("reason"), &[&GHOST_REASONS[..], &OTHER_REASONS].concat()),
        },
        rows: items(&found).iter().map(Row::of).collect(),
        next,
        is_later,
        first: format!("/console/closures?{}", query(filter.pairs())),
        batch: batch(&filter, &organisation).filter(|_| wrong.is_none()),
        wrong,
        of_ghosts,
        organisation,
        organisations: visitor.session.organisations.clone(),
        filter,
    };
    Ok((status, frame::show(&list)).into_response())
}

/// The page of what this id names, where that is no closure.
fn elsewhere(id: &str) -> Option<String> {
    let batch = Some(id).filter(|id| id.starts_with("bt_")).or_else(|| batch_of_event(id));
    let delivery = || is_delivery(id).then(|| format!("/console/deliveries?{}#{id}", query([("id", id)])));
    batch.map(|batch| format!("/console/batches/{}", segment(batch))).or_else(delivery)
}

/// The organisation that a batch is of: that of the filter, or the only one of the key; empty where there are several.
fn one_organisation(visitor: &Visitor, filter: &Filter) -> String {
    match (filter.value("organisation"), visitor.session.organisations.as_slice()) {
        ("", [only]) => only.clone(),
        (several, _) if several.contains(',') => String::new(),
        (named, _) => named.to_owned(),
    }
}

/// The fields of a batch of all that match, where there can be one.
fn batch(filter: &Filter, organisation: &str) -> Option<Vec<(String, String)>> {
    let mut fields = filter.of_batch().filter(|_| !organisation.is_empty())?;
    fields.push(("organisation".to_owned(), organisation.to_owned()));
    Some(fields)
}

impl Row {
    fn of(item: &Value) -> Self {
        let proof = some(&item["confirmedBy"]["kind"]);
        Self {
            id: text(&item["id"]),
            organisation: text(&item["organisation"]),
            conversation: text(&item["conversationId"]),
            state: State::of(&item["state"]),
            reason: some(&item["reason"]).map(|reason| reason.replace('_', " ")).unwrap_or_default(),
            proof: proof.unwrap_or_else(|| match item["waitingFor"].as_str() {
                Some(_) => format!("waits: {}", words(&item["waitingFor"])),
                None => String::new(),
            }),
            queue: some(&item["ghost"]["queueId"]),
            accepted: Moment::of(&item["timings"]["acceptedAt"]),
            next: Moment::of(&item["nextWakeAt"]),
            calls: text(&item["apiCalls"]),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_state_has_a_sign_of_its_own() {
        for name in STATES {
            let shown = State::of(&json!(name)).to_string();
            assert!(!shown.contains('?'), "{shown}");
        }
    }
}
