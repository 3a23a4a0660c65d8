//! What `POST /v1/batches` is asked for: rows that are given, closures that match a filter, or stuck sessions to look for; shown, or
//! executed at once.

use batches::{ACTS, Chosen, Criteria, Format, Scan};
use closure_machine::Act;
use genesys_types::{QueueId, Span};
use orchestrator::{names, parse_closure_id};
use serde::Serialize;
use store::{Filter, HELD};
use utoipa::ToSchema;
use uuid::Uuid;

use super::LONGEST_REASON;
use crate::{
    access::{Caller, Role},
    call::Call,
    command::{check_text, read_labels},
    json::{Fields, Node},
    listing,
    problem::{Problem, kinds},
    spans,
};

/// The fields of a body that is an object.
pub(crate) const ASKED: &[&str] = &["filter", "scan", "act", "closures", "mode", "reason"];

/// The fields of its `filter`.
pub(crate) const FILTER: &[&str] =
    &["state", "closureReason", "queueId", "source", "labels", "since", "until"];

/// The fields of its `scan`.
pub(crate) const SCAN: &[&str] = &["olderThan", "within", "queueId", "messageType", "limit"];

/// Where rows come from.
pub(super) enum Rows {
    /// They are the body.
    Given(Format),
    /// They are the conversations of closures.
    OfClosures(Box<Filter>),
    /// They are looked for.
    Stuck(Criteria),
    /// They are closures, and an act is done to them.
    Acts(Act, Chosen),
}

/// Mode and reason, as one place says them.
pub(super) type ModeAndReason = (Option<String>, Option<String>);

/// What is done with them.
pub(super) enum How {
    /// They are shown.
    Preview,
    /// They are executed at once, for this reason.
    Execute(String),
}

impl How {
    /// By mode and reason of the query and of the body, which do not contradict each other.
    pub(super) fn of(in_query: ModeAndReason, in_body: ModeAndReason) -> Result<Self, Problem> {
        let one = |name: &'static str, first: Option<String>, second: Option<String>| match (first, second) {
            (Some(first), Some(second)) if first != second => Err(Problem::invalid(
                name,
                format!("{name} is one thing in the query and another in the body."),
            )),
            (first, second) => Ok(first.or(second)),
        };
        let mode = one("mode", in_query.0, in_body.0)?;
        Self::read(mode.as_deref(), one("reason", in_query.1, in_body.1)?)
    }

    fn read(mode: Option<&str>, reason: Option<String>) -> Result<Self, Problem> {
        check_text("reason", reason.as_deref(), LONGEST_REASON)?;
        let reason = reason.filter(|reason| !reason.trim().is_empty());
        match (mode, reason) {
            (None | Some("preview"), None) => Ok(Self::Preview),
            (Some("execute"), Some(reason)) => Ok(Self::Execute(reason)),
            (Some("execute"), None) => Err(Problem::invalid(
                "reason",
                "reason is missing: with mode execute it becomes the reason of every closure.",
            )),
            (None | Some("preview"), Some(_)) => Err(Problem::invalid(
                "reason",
                "reason goes with mode execute; a preview needs none until it is executed.",
            )),
            (Some(_), _) => Err(Problem::invalid("mode", "mode is preview or execute.")),
        }
    }

    /// Whether the caller may have that done, and it is anything that is done unseen.
    pub(super) fn check(&self, caller: &Caller, rows: &Rows) -> Result<(), Problem> {
        let operates = matches!(caller.role, Role::Operate | Role::Admin);
        if !operates && matches!(rows, Rows::OfClosures(_) | Rows::Acts(..)) {
            let detail = "To choose among closures takes a key of role operate: whoever may not list them may not preview them.";
            return Err(Problem::new(&kinds::FORBIDDEN, detail));
        }
        let Self::Execute(_) = self else { return Ok(()) };
        if !operates {
            let detail = "To execute a batch takes a key of role operate; its preview does not.";
            return Err(Problem::new(&kinds::FORBIDDEN, detail).field("mode"));
        }
        match rows {
            Rows::Given(_) | Rows::OfClosures(_) | Rows::Acts(..) => Ok(()),
            Rows::Stuck(_) => Err(Problem::invalid(
                "mode",
                "What a scan finds is shown before it is closed: give no mode, look at its rows, and execute the batch then.",
            )),
        }
    }
}

/// Reads a body that is an object; nothing where the body is the rows themselves.
pub(super) fn read(call: &Call, format: Format) -> Result<Option<(Rows, ModeAndReason)>, Problem> {
    match format {
        Format::Json if super::is_object(call) => {}
        Format::Json | Format::Ndjson | Format::Csv | Format::Ids => return Ok(None),
    }
    let mut fields = Fields::of(Node::parse(&call.file)?, "", ASKED)?;
    let how = (fields.text("mode")?, fields.text("reason")?);
    if let Some(act) = fields.text("act")? {
        return Ok(Some((Rows::Acts(known_act(&act)?, chosen(call, &mut fields)?), how)));
    }
    if fields.any("closures").is_some() {
        let detail = "closures go with act: what is done to them. To close conversations, give rows.";
        return Err(Problem::invalid("act", detail));
    }
    let rows = match (fields.any("filter"), fields.any("scan")) {
        (Some(filter), None) => Rows::OfClosures(Box::new(of_closures(call, filter)?)),
        (None, Some(scan)) => Rows::Stuck(criteria(scan)?),
        (None, None) | (Some(_), Some(_)) => {
            let detail =
                "A body that is an object has a filter or a scan, and not both; rows are a list of objects.";
            return Err(Problem::invalid("filter", detail));
        }
    };
    Ok(Some((rows, how)))
}

fn known_act(name: &str) -> Result<Act, Problem> {
    let known = ACTS.map(names::act);
    listing::check_known("act", name, &known)?;
    ACTS.into_iter()
        .find(|act| names::act(*act) == name)
        .ok_or_else(|| Problem::invalid("act", format!("There is no act \"{name}\".")))
}

/// On which closures is acted: those that are named, or those that match.
fn chosen(call: &Call, fields: &mut Fields) -> Result<Chosen, Problem> {
    match (fields.any("filter"), fields.any("closures"), fields.any("scan")) {
        (Some(filter), None, None) => Ok(Chosen::Matching(Box::new(of_closures(call, filter)?))),
        (None, Some(Node::List(list)), None) => {
            let key = |node| match node {
                Node::Text(id) => parse_closure_id(&id).map_err(|error| {
                    Problem::invalid("closures", format!("\"{id}\" is not the id of a closure: {error}."))
                }),
                other @ (Node::Null | Node::Bool(_) | Node::Number(_) | Node::List(_) | Node::Object(_)) => {
                    Err(fields.wrong_type("closures", &other, "a list of ids"))
                }
            };
            Ok(Chosen::These(list.into_iter().map(key).collect::<Result<_, _>>()?))
        }
        (None, Some(other), None) => Err(fields.wrong_type("closures", &other, "a list of ids")),
        _ => Err(Problem::invalid(
            "closures",
            "An act is done to the closures of a filter, or to a list of them, and not both.",
        )),
    }
}

fn of_closures(call: &Call, filter: Node) -> Result<Filter, Problem> {
    let mut fields = Fields::of(filter, "filter.", FILTER)?;
    let labels = match fields.any("labels") {
        None => Vec::new(),
        Some(labels) => read_labels(&fields, labels)?,
    };
    let filter = Filter {
        states: known(&mut fields, "state", &names::STATES)?,
        reasons: known(&mut fields, "closureReason", listing::REASONS)?,
        queues: queues(&mut fields)?,
        source: fields.text("source")?,
        labels,
        since: moment(call, &mut fields, "since")?,
        until: moment(call, &mut fields, "until")?,
        ..Filter::default()
    };
    if filter == Filter::default() {
        let detail =
            format!("filter names none of {}; a batch of every closure is not taken.", FILTER.join(", "));
        return Err(Problem::invalid("filter", detail));
    }
    if !filter.queues.is_empty() && filter.states != [HELD] {
        // Read as it is, it would find less than whoever wrote it believes, and that is then done.
        let detail = "filter.queueId goes with filter.state ghost and no other: closures are found by their queue while they are ghosts.";
        return Err(Problem::invalid("filter.queueId", detail));
    }
    Ok(filter)
}

/// A queue, or a list of queues, or none.
fn queues(fields: &mut Fields) -> Result<Vec<Option<Uuid>>, Problem> {
    listing::queues("filter.queueId", &texts(fields, "queueId")?)
}

/// A name, or a list of names, of which each has to be known.
fn known(fields: &mut Fields, name: &str, known: &[&str]) -> Result<Vec<String>, Problem> {
    let given = texts(fields, name)?;
    given.iter().try_for_each(|one| listing::check_known(&format!("filter.{name}"), one, known))?;
    Ok(given)
}

/// A text, or a list of texts. A list of none is refused: whoever made it from what was found means none, and taken as no
/// restriction it would be all.
fn texts(fields: &mut Fields, name: &str) -> Result<Vec<String>, Problem> {
    match fields.any(name) {
        None => Ok(Vec::new()),
        Some(Node::Text(one)) => Ok(vec![one]),
        Some(Node::List(list)) if list.is_empty() => {
            let detail = format!("filter.{name} is an empty list; leave it out where it may be any.");
            Err(fields.invalid(name, detail))
        }
        Some(Node::List(list)) => list
            .into_iter()
            .map(|item| match item {
                Node::Text(one) => Ok(one),
                other @ (Node::Null | Node::Bool(_) | Node::Number(_) | Node::List(_) | Node::Object(_)) => {
                    Err(fields.wrong_type(name, &other, "a text"))
                }
            })
            .collect(),
        Some(other @ (Node::Null | Node::Bool(_) | Node::Number(_) | Node::Object(_))) => {
            Err(fields.wrong_type(name, &other, "a text or a list of texts"))
        }
    }
}

fn moment(call: &Call, fields: &mut Fields, name: &str) -> Result<Option<i64>, Problem> {
    let Some(text) = fields.text(name)? else { return Ok(None) };
    if let Some(time) = spans::parse_time(&text) {
        return Ok(Some(time.millis()));
    }
    let now = call.shared.api.orchestrator.now().millis();
    match spans::parse_iso(&text) {
        Some(ago) => Ok(Some(now.saturating_sub(i64::from(ago.millis())))),
        None => Err(fields.invalid(
            name,
            format!("filter.{name} is a time such as 2026-11-21T09:15:00Z, or how long ago, such as PT8H."),
        )),
    }
}

fn criteria(scan: Node) -> Result<Criteria, Problem> {
    let mut fields = Fields::of(scan, "scan.", SCAN)?;
    let mut span = |name, usual| {
        let shape = || "an ISO 8601 duration such as PT24H.".to_owned();
        let given = fields.read(name, spans::parse_iso, shape)?;
        Ok::<_, Problem>(given.map_or(usual, |span: Span| i64::from(span.millis())))
    };
    let (older_than, within) =
        (span("olderThan", Criteria::USUAL_AGE)?, span("within", Criteria::USUAL_REACH)?);
    let shape = || "a UUID in hyphenated form.".to_owned();
    let queue = fields.read("queueId", |text| text.parse::<QueueId>().ok(), shape)?;
    let limit = match fields.any("limit") {
        None => Criteria::USUAL_LIMIT,
        Some(Node::Number(Some(number))) => u32::try_from(number).unwrap_or(u32::MAX),
        Some(other) => return Err(fields.wrong_type("limit", &other, "a whole number")),
    };
    let criteria = Criteria {
        older_than,
        within,
        queue: queue.map(QueueId::uuid),
        message_type: fields.text("messageType")?.map(|text| text.to_ascii_lowercase()),
        limit,
    };
    match criteria.flaw() {
        None => Ok(criteria),
        Some(flaw) => Err(Problem::invalid("scan", format!("scan cannot be taken: {flaw}."))),
    }
}

/// How the rows of a batch were looked for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = BatchScan)]
pub(super) struct ScanView {
    /// For how long a conversation has been open, and nobody came or left: an ISO 8601 duration.
    older_than: String,
    /// How long ago it may have begun.
    within: String,
    queue_id: Option<String>,
    message_type: Option<String>,
    /// At most so many are looked at.
    limit: u32,
    /// The schedule that asked for it; null where somebody did.
    schedule: Option<String>,
    /// How many conversations Genesys lists, as it said last.
    listed: Option<u64>,
    /// Whether the limit left some out that were not looked at.
    more: bool,
    /// Why it failed.
    problem: Option<String>,
}

impl ScanView {
    pub(super) fn of(scan: &Scan) -> Self {
        let iso = |millis: i64| spans::iso(Span::from_millis(u32::try_from(millis).unwrap_or(u32::MAX)));
        Self {
            older_than: iso(scan.criteria.older_than),
            within: iso(scan.criteria.within),
            queue_id: scan.criteria.queue.map(|queue| queue.to_string()),
            message_type: scan.criteria.message_type.clone(),
            limit: scan.criteria.limit,
            schedule: scan.schedule.clone(),
            listed: scan.listed,
            more: scan.more,
            problem: scan.problem.clone(),
        }
    }
}
