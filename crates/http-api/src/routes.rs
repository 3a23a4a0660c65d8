//! The table of routes: what is served, who may call it, and how it is described. Router and description are both built
//! from it, so neither can have what the other lacks.

use std::{future::Future, pin::Pin};

use crate::{
    access::Need,
    call::{Answer, Call},
    closures, health, submit,
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
        run: run!(closures::list),
        doc: Doc {
            summary: "List closures.",
            parameters: &[
                query("state", "In these states only; several with commas."),
                query("reason", "With these reasons only; several with commas."),
                query("source", "From this source only."),
                query("label.NAME", "With this label; several labels must all be there."),
                query("q", "The id of a closure, a conversation or a participant."),
                ORGANISATION,
                query("since", "Accepted at or after this time, or this long ago (`1h`)."),
                query("until", "Accepted before this time, or this long ago."),
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
            refusals: &[404, 422, 503],
        },
    },
    Route {
        method: Method::Get,
        path: "/v1/conversations/{conversationId}/closures",
        need: Need::Read,
        run: run!(closures::of_conversation),
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
