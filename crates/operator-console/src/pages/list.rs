//! Closures by filter; the filter is the address, so a list can be handed on.

use askama::Template;
use serde_json::Value;

use crate::{
    form,
    frame::{self, Frame, Page, Visitor},
    parts::{Moment, State, items, query, some, text, words},
};

/// Rows of a page.
const ROWS: &str = "50";

/// What the filter takes, as the interface names it.
const FILTER: [&str; 8] = ["q", "state", "reason", "queueId", "organisation", "source", "since", "until"];

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

#[derive(Debug, Template)]
#[template(path = "list.html")]
struct List {
    frame: Frame,
    /// What is in the fields of the filter.
    given: Vec<(&'static str, String)>,
    states: Vec<(&'static str, String, bool)>,
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
    /// A filter that only the batches of it can run, where it has one.
    batch: Option<Vec<(&'static str, String)>>,
}

#[derive(Debug)]
struct Row {
    id: String,
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
    /// Whether rows can be chosen: by somebody who may act, and of one organisation, as a batch is.
    fn can_choose(&self) -> bool {
        self.frame.acts && !self.organisation.is_empty()
    }

    fn field(&self, name: &str) -> &str {
        self.given.iter().find(|(given, _)| *given == name).map_or("", |(_, value)| value)
    }
}

/// `GET /console/closures`
pub(crate) async fn page(visitor: Visitor) -> Page {
    let asked = form::fields(visitor.uri.query().unwrap_or_default().as_bytes());
    let said =
        |name: &str| asked.iter().find(|(given, _)| given == name).map_or("", |(_, value)| value.trim());
    // Closures are found by their queue while they are ghosts, so whoever names one means ghosts.
    let value = |name: &str| match (name, said(name)) {
        ("state", "") if !said("queueId").is_empty() => "ghost",
        (_, said) => said,
    };
    let given = FILTER.map(|name| (name, value(name).to_owned()));
    let of_ghosts = value("state") == "ghost";
    let filter = || given.iter().map(|(name, value)| (*name, value.as_str()));
    let page_of = || [("limit", ROWS), ("cursor", value("cursor"))];
    // Of a ghost its own list tells more.
    let of_their_own = || filter().filter(|(name, _)| *name != "state");
    let data = match of_ghosts {
        true => format!("/v1/ghosts?{}", query(of_their_own().chain(page_of()))),
        false => format!("/v1/closures?{}", query(filter().chain(page_of()))),
    };
    let found = visitor.get(&data).await?;
    let cursor = some(&found["nextCursor"]);
    let next = cursor.as_deref().map(|cursor| {
        let pairs = given.iter().map(|(name, value)| (*name, value.as_str()));
        format!("/console/closures?{}", query(pairs.chain([("cursor", cursor)])))
    });
    let is_later = !value("cursor").is_empty();
    let chosen: Vec<_> = value("state").split(',').collect();
    let words_of = |state: &str| state.replace('_', " ");
    // A batch is of a filter that it can take: these fields, and not every closure that there is.
    let batch = [
        ("state", "state"),
        ("reason", "closureReason"),
        ("queueId", "queueId"),
        ("source", "source"),
        ("since", "since"),
        ("until", "until"),
    ];
    let batch: Vec<_> = batch
        .into_iter()
        .map(|(name, field)| (field, value(name).to_owned()))
        .filter(|(_, value)| !value.is_empty())
        .collect();
    let chosen_one = ("organisation", value("organisation").to_owned());
    let organisation = match (chosen_one.1.as_str(), visitor.session.organisations.as_slice()) {
        ("", [only]) => only.clone(),
        (named, _) => named.to_owned(),
    };
    let batch = Some(batch)
        .filter(|batch| !batch.is_empty() && value("q").is_empty())
        // A batch is of one organisation: that of the filter, or the only one of the key.
        .filter(|_| !organisation.is_empty())
        .map(|mut batch| {
            batch.push(chosen_one);
            batch
        });
    let frame = visitor.frame("closures", "Closures", &data).await;
    let list = List {
        frame: if is_later { frame } else { frame.watching(&data) },
        states: STATES.map(|state| (state, words_of(state), chosen.contains(&state))).into(),
        rows: items(&found).iter().map(Row::of).collect(),
        next,
        is_later,
        first: format!("/console/closures?{}", query(filter())),
        batch,
        of_ghosts,
        organisation,
        given: given.into(),
    };
    Ok(frame::show(&list))
}

impl Row {
    fn of(item: &Value) -> Self {
        let proof = some(&item["confirmedBy"]["kind"]);
        Self {
            id: text(&item["id"]),
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
