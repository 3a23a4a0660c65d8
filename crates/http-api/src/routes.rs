//! The table of routes: what is served, who may call it, and how it is described. Router and description are both built
//! from it, so neither can have what the other lacks.

use std::{future::Future, pin::Pin};

use crate::{
    access::Need,
    acts,
    call::{Answer, Call},
    closures, explain, ghosts, health, hooks, listing, submit, timeline,
};

/// One route.
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) need: Need,
    pub(crate) run: Handler,
    pub(crate) doc: Doc,
}

/// The methods in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Post,
}

/// What answers a request.
pub(crate) type Handler = fn(Call) -> Pin<Box<dyn Future<Output = Answer> + Send>>;

/// What `/openapi.json` says of a route.
pub(crate) struct Doc {
    pub(crate) summary: &'static str,
    pub(crate) parameters: &'static [Parameter],
    /// The schema of the body.
    pub(crate) body: Option<Body>,
    pub(crate) answers: &'static [Reply],
    /// The refusals beside those that every route has.
    pub(crate) refusals: &'static [u16],
}

/// A parameter of a query, or a header.
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) place: Place,
    pub(crate) about: &'static str,
}

/// Where a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Query,
    Header,
}

/// A body.
pub(crate) struct Body {
    pub(crate) schema: &'static str,
    pub(crate) required: bool,
}

/// A good answer.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) about: &'static str,
    pub(crate) shape: Shape,
}

/// The shape of an answer.
pub(crate) enum Shape {
    /// A schema by name.
    Json(&'static str),
    /// Any JSON.
    AnyJson,
    /// Text.
    Text,
    /// No body.
    Empty,
}

const fn query(name: &'static str, about: &'static str) -> Parameter {
    Parameter { name, place: Place::Query, about }
}

const fn header(name: &'static str, about: &'static str) -> Parameter {
    Parameter { name, place: Place::Header, about }
}

const fn ok(schema: &'static str, about: &'static str) -> Reply {
    Reply { status: 200, about, shape: Shape::Json(schema) }
}

macro_rules! run {
    ($handler:path) => {
        |call| Box::pin($handler(call))
    };
}

const WAIT: Parameter = query("wait", "How long to wait for the end, at most `5m`, such as `30s`.");
const LIMIT: Parameter = query("limit", "How many items, at most 500.");
const CURSOR: Parameter = query("cursor", "The `nextCursor` of the page before.");
const SORT: Parameter = query("sort", "`-acceptedAt` for the latest first (usual), or `acceptedAt`.");
const ORGANISATION: Parameter = query("organisation", "Of these organisations only; several with commas.");

const SOURCE: Parameter = query("source", "From this source only.");
const LABEL: Parameter = query("label.NAME", "With this label; several labels must all be there.");
const Q: Parameter = query("q", "The id of a closure, a conversation or a participant.");
const SINCE: Parameter = query("since", "Accepted at or after this time, or this long ago (`1h`).");
const UNTIL: Parameter = query("until", "Accepted before this time, or this long ago.");
const IF_MATCH: Parameter = header("If-Match", "The ETag of the version that the operator saw.");
const ACT_TAKEN: Reply =
    Reply { status: 202, about: "Stored; what it set off goes on.", shape: Shape::Json("Closure") };
const ACT_REFUSALS: &[u16] = &[400, 404, 409, 412, 413, 415, 422, 500, 503];

/// Every route.
pub(crate) static ROUTES: &[Route] = &[
    Route {
        method: Method::Post,
        path: "/v1/closures",
        need: Need::Submit,
        run: run!(submit::submit),
        doc: Doc {
            summary: "Request a closure. What is answered with 2xx is durable.",
            parameters: &[
                WAIT,
                header("Prefer", "`wait=30`: the same in seconds, as a wish (RFC 7240)."),
                header(
                    "Idempotency-Key",
                    "1 to 255 visible ASCII characters. The same key with the same command is answered with the same \
                     closure; with another command it is refused.",
                ),
            ],
            body: Some(Body { schema: "ClosureRequest", required: true }),
            answers: &[
                ok("ClosureAnswer", "Ended within the wait, or repeated; with `dryRun` the plan."),
                Reply { status: 202, about: "Accepted.", shape: Shape::Json("Closure") },
            ],
            refusals: &[400, 409, 413, 415, 422, 429, 502, 503],
        },
    },
    Route {
        method: Method::Get,
        path: "/v1/closures",
        need: Need::Read,
        run: run!(listing::list),
        doc: Doc {
            summary: "List closures.",
            parameters: &[
                query("state", "In these states only; several with commas."),
                query("reason", "With these reasons only; several with commas."),
                SOURCE,
                LABEL,
                Q,
                ORGANISATION,
                SINCE,
                UNTIL,
                SORT,
                LIMIT,
                CURSOR,
            ],
            body: None,
            answers: &[ok("ClosureList", "A page.")],
            refusals: &[422, 503],
        },
    },
    Route {
        method: Method::Get,
        path: "/v1/closures/{id}",
        need: Need::Follow,
        run: run!(closures::one),
        doc: Doc {
            summary: "One closure. With `wait` the answer comes when it ends; with `If-None-Match`, when it changes.",
            parameters: &[WAIT, header("If-None-Match", "The ETag of the version that is known.")],
            body: None,
            answers: &[
                ok("Closure", "The closure."),
                Reply { status: 304, about: "It is as it was.", shape: Shape::Empty },
            ],
            refusals: &[404, 422, 500, 503],
        },
    },
    Route {
        method: Method::Get,
        path: "/v1/closures/{id}/timeline",
        need: Need::Read,
        run: run!(timeline::timeline),
        doc: Doc {
            summary: "The evidence of a closure, in order.",
            parameters: &[],
            body: None,
            answers: &[ok("Timeline", "The timeline.")],
            refusals: &[404, 422, 500, 503],
        },
    },
    Route {
        method: Method::Get,
        path: "/v1/closures/{id}/explain",
        need: Need::Read,
        run: run!(explain::explain),
        doc: Doc {
            summary: "A closure in plain words, with what can be done; as text for `Accept: text/plain`.",
            parameters: &[header("Accept", "`text/plain` for the text alone.")],
            body: None,
            answers: &[ok("Explanation", "The explanation.")],
            refusals: &[404, 422, 500, 503],
        },
    },
    Route {
        method: Method::Post,
        path: "/v1/closures/{id}/retry",
        need: Need::Operate,
        run: run!(acts::retry),
        doc: Doc {
            summary: "Begin again, with fresh rounds and attempts.",
            parameters: &[IF_MATCH],
            body: Some(Body { schema: "ActRequest", required: false }),
            answers: &[ACT_TAKEN],
            refusals: ACT_REFUSALS,
        },
    },
    Route {
        method: Method::Post,
        path: "/v1/closures/{id}/cancel",
        need: Need::Operate,
        run: run!(acts::cancel),
        doc: Doc {
            summary: "Call a closure off. What was asked of Genesys stays done.",
            parameters: &[IF_MATCH],
            body: Some(Body { schema: "ActRequest", required: false }),
            answers: &[ACT_TAKEN],
            refusals: ACT_REFUSALS,
        },
    },
    Route {
        method: Method::Post,
        path: "/v1/closures/{id}/verify",
        need: Need::Operate,
        run: run!(acts::verify),
        doc: Doc {
            summary: "Read the conversation now instead of later.",
            parameters: &[IF_MATCH],
            body: Some(Body { schema: "ActRequest", required: false }),
            answers: &[ACT_TAKEN],
            refusals: ACT_REFUSALS,
        },
    },
    Route {
        method: Method::Post,
        path: "/v1/closures/{id}/force",
        need: Need::Operate,
        run: run!(acts::force),
        doc: Doc {
            summary: "Tear the conversation down with everybody in it. A reason is required.",
            parameters: &[IF_MATCH],
            body: Some(Body { schema: "ActRequest", required: true }),
            answers: &[ACT_TAKEN],
            refusals: ACT_REFUSALS,
        },
    },
    Route {
        method: Method::Post,
        path: "/v1/closures/{id}/resolve",
        need: Need::Operate,
        run: run!(acts::resolve),
        doc: Doc {
            summary: "Settle a closure by the operator's word. A reason is required.",
            parameters: &[IF_MATCH],
            body: Some(Body { schema: "ActRequest", required: true }),
            answers: &[ACT_TAKEN],
            refusals: ACT_REFUSALS,
        },
    },
    Route {
        method: Method::Get,
        path: "/v1/conversations/{conversationId}/closures",
        need: Need::Read,
        run: run!(listing::of_conversation),
        doc: Doc {
            summary: "The closures of a conversation.",
            parameters: &[ORGANISATION, SORT, LIMIT, CURSOR],
            body: None,
            answers: &[ok("ClosureList", "A page.")],
            refusals: &[422, 503],
        },
    },
    Route {
        method: Method::Get,
        path: "/v1/ghosts",
        need: Need::Read,
        run: run!(ghosts::list),
        doc: Doc {
            summary: "Closures that are held without proof, with what is missing and what can be done.",
            parameters: &[
                query("reason", "With these reasons only; several with commas."),
                SOURCE,
                LABEL,
                Q,
                ORGANISATION,
                SINCE,
                UNTIL,
                SORT,
                LIMIT,
                CURSOR,
            ],
            body: None,
            answers: &[ok("GhostList", "A page.")],
            refusals: &[422, 503],
        },
    },
    Route {
        method: Method::Get,
        path: "/v1/ghosts/summary",
        need: Need::Read,
        run: run!(ghosts::summary),
        doc: Doc {
            summary: "How many ghosts there are, by organisation and reason.",
            parameters: &[ORGANISATION],
            body: None,
            answers: &[ok("GhostSummary", "The summary.")],
            refusals: &[422, 503],
        },
    },
    Route {
        method: Method::Post,
        path: "/v1/outgoing/pause",
        need: Need::Operate,
        run: run!(acts::pause),
        doc: Doc {
            summary: "Stop all calls to Genesys of an organisation, until they are resumed or the service restarts.",
            parameters: &[],
            body: Some(Body { schema: "OutgoingRequest", required: false }),
            answers: &[ok("Outgoing", "They are stopped.")],
            refusals: &[400, 413, 415, 422],
        },
    },
    Route {
        method: Method::Post,
        path: "/v1/outgoing/resume",
        need: Need::Operate,
        run: run!(acts::resume),
        doc: Doc {
            summary: "Let the calls of an organisation go on.",
            parameters: &[],
            body: Some(Body { schema: "OutgoingRequest", required: false }),
            answers: &[ok("Outgoing", "They go on.")],
            refusals: &[400, 413, 415, 422],
        },
    },
    Route {
        method: Method::Get,
        path: "/v1/hooks/received",
        need: Need::Read,
        run: run!(hooks::received),
        doc: Doc {
            summary: "What came in by webhooks lately, and why it was not taken.",
            parameters: &[
                query("result", "With these results only; several with commas."),
                query("hook", "Of this hook only."),
                LIMIT,
            ],
            body: None,
            answers: &[ok("ReceivedList", "The latest first.")],
            refusals: &[422],
        },
    },
    Route {
        method: Method::Get,
        path: "/v1/whoami",
        need: Need::AnyKey,
        run: run!(health::whoami),
        doc: Doc {
            summary: "Whose key this is, its role, and its organisations.",
            parameters: &[],
            body: None,
            answers: &[ok("Caller", "The caller.")],
            refusals: &[],
        },
    },
    Route {
        method: Method::Get,
        path: "/v1/config",
        need: Need::Admin,
        run: run!(health::configuration),
        doc: Doc {
            summary: "The configuration that is in force, secrets masked.",
            parameters: &[],
            body: None,
            answers: &[Reply { status: 200, about: "The configuration.", shape: Shape::AnyJson }],
            refusals: &[],
        },
    },
    Route {
        method: Method::Get,
        path: "/livez",
        need: Need::Nothing,
        run: run!(health::live),
        doc: Doc {
            summary: "Whether the process answers.",
            parameters: &[],
            body: None,
            answers: &[Reply { status: 200, about: "It does.", shape: Shape::AnyJson }],
            refusals: &[],
        },
    },
    Route {
        method: Method::Get,
        path: "/readyz",
        need: Need::Nothing,
        run: run!(health::ready),
        doc: Doc {
            summary: "Whether to send work here. It does not depend on Genesys.",
            parameters: &[query("verbose", "With a key of role read: how the organisations are doing.")],
            body: None,
            answers: &[
                ok("Readiness", "Ready."),
                Reply {
                    status: 503,
                    about: "Stopping, or the store cannot commit.",
                    shape: Shape::Json("Readiness"),
                },
            ],
            refusals: &[422],
        },
    },
    Route {
        method: Method::Get,
        path: "/metrics",
        need: Need::Metrics,
        run: run!(health::metrics),
        doc: Doc {
            summary: "Metrics in Prometheus' text format.",
            parameters: &[],
            body: None,
            answers: &[Reply { status: 200, about: "The metrics.", shape: Shape::Text }],
            refusals: &[],
        },
    },
    Route {
        method: Method::Get,
        path: "/version",
        need: Need::Nothing,
        run: run!(health::version),
        doc: Doc {
            summary: "What is running.",
            parameters: &[],
            body: None,
            answers: &[ok("Version", "The version.")],
            refusals: &[],
        },
    },
    Route {
        method: Method::Get,
        path: "/openapi.json",
        need: Need::Nothing,
        run: run!(health::description),
        doc: Doc {
            summary: "This description.",
            parameters: &[],
            body: None,
            answers: &[Reply { status: 200, about: "OpenAPI 3.1.", shape: Shape::AnyJson }],
            refusals: &[],
        },
    },
];
