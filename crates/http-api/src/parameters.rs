//! The parameters that several routes take.

use orchestrator::names;

use crate::{
    form::Form,
    listing::{LARGEST_PAGE, REASONS},
    route::{Parameter, header, query},
};

pub(crate) const WAIT: Parameter =
    query("wait", Form::Wait, "How long to wait for the end, at most `5m`, such as `30s`.");
pub(crate) const LIMIT: Parameter = query("limit", Form::Count(LARGEST_PAGE), "How many items, at most 500.");
pub(crate) const CURSOR: Parameter = query("cursor", Form::Text, "The `nextCursor` of the page before.");
pub(crate) const SORT: Parameter = query(
    "sort",
    Form::One(&["-acceptedAt", "acceptedAt"]),
    "`-acceptedAt` for the latest first (usual), or `acceptedAt`.",
);
pub(crate) const ORGANISATION: Parameter =
    query("organisation", Form::Texts, "Of these organisations only; several with commas.");
pub(crate) const STATE: Parameter =
    query("state", Form::Several(&names::STATES), "In these states only; several with commas.");
pub(crate) const REASON: Parameter =
    query("reason", Form::Several(REASONS), "With these reasons only; several with commas.");
pub(crate) const GHOST_REASON: Parameter =
    query("reason", Form::Several(&names::GHOST_REASONS), "With these reasons only; several with commas.");
pub(crate) const QUEUE: Parameter = query(
    "queueId",
    Form::UuidsOrNone,
    "Ghosts of conversations of these queues only; several with commas, `none` for those whose queue is not known. Closures that \
     are no ghosts have no queue and are left out.",
);
pub(crate) const SOURCE: Parameter = query(
    "source",
    Form::Text,
    "From this source only: http, batch, guest-returned, or the name of a queue.",
);
pub(crate) const LABEL: Parameter =
    query("label.NAME", Form::Text, "With this label; several labels must all be there.");
pub(crate) const Q: Parameter = query(
    "q",
    Form::AnyId,
    "The id of a closure, a conversation or a guest's participant, of an event that was told of it or of a delivery, or the idempotency key of a command. Closures that were ever a ghost, blocked or failed are also found by \
     the ids of the guest's sessions and the agent's (communications, participants), of the latest calls (`ININ-Correlation-Id`), and \
     of the other system that the command named (`target`).",
);
pub(crate) const SINCE: Parameter =
    query("since", Form::Moment, "Accepted at or after this time, or this long ago (`1h`).");
pub(crate) const UNTIL: Parameter =
    query("until", Form::Moment, "Accepted before this time, or this long ago.");
pub(crate) const LAST_EVENT_ID: Parameter = header(
    "Last-Event-ID",
    Form::EventId,
    "The id of the last event that the client has; the stream goes on behind it. Browsers send it when they come again.",
);
pub(crate) const LAST_EVENT: Parameter = query(
    "lastEventId",
    Form::EventId,
    "The same for clients that cannot set headers. The header counts where both are there.",
);
pub(crate) const IF_MATCH: Parameter =
    header("If-Match", Form::Text, "The ETag of the version that the operator saw.");
