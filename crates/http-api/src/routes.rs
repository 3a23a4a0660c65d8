//! The table of routes: what is served, who may call it, and how it is described. Router and description are both built
//! from it, so neither can have what the other lacks.

use closure_machine::Act;

use crate::{
    access::Need,
    acts, audit, batches, closures, dead_letters, deliveries, evidence, explain,
    explain::needs_reason,
    form::Form,
    ghosts, handling, health, hooks, listing,
    parameters::{
        CURSOR, GHOST_REASON, IF_MATCH, LABEL, LIMIT, ORGANISATION, Q, REASON, SINCE, SORT, SOURCE, STATE,
        UNTIL, WAIT,
    },
    report,
    route::{Body, Doc, Handler, Method, Parameter, Reply, Route, Shape, header, ok, query},
    sources, submit, timeline,
};

/// A route that only looks.
const fn look(
    path: &'static str,
    need: Need,
    run: Handler,
    summary: &'static str,
    parameters: &'static [Parameter],
    answers: &'static [Reply],
    refusals: &'static [u16],
) -> Route {
    Route {
        method: Method::Get,
        path,
        need,
        run,
        doc: Doc { summary, parameters, body: None, answers, refusals },
    }
}

/// An operator's act on one closure.
const fn act(act: Act, path: &'static str, run: Handler, summary: &'static str) -> Route {
    let body = Some(Body { schema: "ActRequest", required: needs_reason(act), file: false });
    let doc = Doc { summary, parameters: &[IF_MATCH], body, answers: &[ACT_TAKEN], refusals: ACT_REFUSALS };
    Route { method: Method::Post, path, need: Need::Operate, run, doc }
}

/// What an operator says about a ghost.
const fn say(path: &'static str, run: Handler, summary: &'static str, body: Body) -> Route {
    let doc =
        Doc { summary, parameters: &[IF_MATCH], body: Some(body), answers: &[SAID], refusals: ACT_REFUSALS };
    Route { method: Method::Post, path, need: Need::Operate, run, doc }
}

/// The switch of all calls of an organisation.
const fn outgoing(
    path: &'static str,
    run: Handler,
    summary: &'static str,
    answers: &'static [Reply],
) -> Route {
    let body = Some(Body { schema: "OutgoingRequest", required: false, file: false });
    let doc = Doc { summary, parameters: &[], body, answers, refusals: &[400, 413, 415, 422, 503] };
    Route { method: Method::Post, path, need: Need::Operate, run, doc }
}

/// An operator's act on a batch.
const fn on_batch(path: &'static str, body: Option<Body>, run: Handler, summary: &'static str) -> Route {
    let refusals: &[u16] =
        if body.is_some() { &[400, 404, 409, 413, 415, 422, 503] } else { &[404, 409, 422, 503] };
    let doc = Doc { summary, parameters: &[], body, answers: &[BATCH_TAKEN], refusals };
    Route { method: Method::Post, path, need: Need::Operate, run, doc }
}

/// An operator's act on a source.
const fn on_source(path: &'static str, run: Handler, summary: &'static str) -> Route {
    let body = Some(Body { schema: "ActRequest", required: false, file: false });
    let refusals = &[400, 404, 413, 415, 422, 503];
    let doc = Doc { summary, parameters: &[], body, answers: &[SOURCE_ACT_TAKEN], refusals };
    Route { method: Method::Post, path, need: Need::Operate, run, doc }
}

/// An operator's act on a dead letter.
const fn on_letter(
    path: &'static str,
    reason: bool,
    run: Handler,
    summary: &'static str,
    refusals: &'static [u16],
) -> Route {
    let body = Some(Body { schema: "ActRequest", required: reason, file: false });
    let doc = Doc { summary, parameters: &[], body, answers: &[LETTER_ACT_TAKEN], refusals };
    Route { method: Method::Post, path, need: Need::Operate, run, doc }
}

macro_rules! run {
    ($handler:path $(, $argument:expr)?) => {
        |call| Box::pin($handler(call $(, $argument)?))
    };
}

const SOURCE_ACT_TAKEN: Reply = ok("Source", "Durable; the source stands so within a moment.");
const LETTER_ACT_TAKEN: Reply = Reply { status: 202, about: "Stored.", shape: Shape::Json("DeadLetter") };
const ACT_TAKEN: Reply =
    Reply { status: 202, about: "Stored; what it set off goes on.", shape: Shape::Json("Closure") };
const SAID: Reply = ok("Closure", "Stored, or it was said already.");
const ACT_REFUSALS: &[u16] = &[400, 404, 409, 412, 413, 415, 422, 500, 503];

const BATCH_TAKEN: Reply =
    Reply { status: 202, about: "Stored; it goes on by itself.", shape: Shape::Json("Batch") };

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
                header("Prefer", Form::Text, "`wait=30`: the same in seconds, as a wish (RFC 7240)."),
                header(
                    "Idempotency-Key",
                    Form::Key,
                    "1 to 255 visible ASCII characters. The same key with the same command is answered with the same \
                     closure; with another command it is refused.",
                ),
            ],
            body: Some(Body { schema: "ClosureRequest", required: true, file: false }),
            answers: &[
                ok("ClosureAnswer", "Ended within the wait, or repeated; with `dryRun` the plan."),
                Reply { status: 202, about: "Accepted.", shape: Shape::Json("Closure") },
            ],
            refusals: &[400, 409, 413, 415, 422, 429, 502, 503],
        },
    },
    look(
        "/v1/closures",
        Need::Read,
        run!(listing::list),
        "List closures.",
        &[STATE, REASON, SOURCE, LABEL, Q, ORGANISATION, SINCE, UNTIL, SORT, LIMIT, CURSOR],
        &[ok("ClosureList", "A page.")],
        &[422, 503],
    ),
    look(
        "/v1/closures/{id}",
        Need::Follow,
        run!(closures::one),
        "One closure. With `wait` the answer comes when it ends; with `If-None-Match`, when it changes.",
        &[WAIT, header("If-None-Match", Form::Text, "The ETag of the version that is known.")],
        &[
            ok("Closure", "The closure."),
            Reply { status: 304, about: "It is as it was.", shape: Shape::Empty },
        ],
        &[404, 422, 500, 503],
    ),
    look(
        "/v1/closures/{id}/timeline",
        Need::Read,
        run!(timeline::timeline),
        "The evidence of a closure, in order.",
        &[],
        &[ok("Timeline", "The timeline.")],
        &[404, 422, 500, 503],
    ),
    look(
        "/v1/closures/{id}/explain",
        Need::Read,
        run!(explain::explain),
        "A closure in plain words, with what can be done; as text for `Accept: text/plain`.",
        &[header("Accept", Form::Text, "`text/plain` for the text alone.")],
        &[Reply { status: 200, about: "The explanation.", shape: Shape::JsonOrText("Explanation") }],
        &[404, 422, 500, 503],
    ),
    act(
        Act::Retry,
        "/v1/closures/{id}/retry",
        run!(acts::act, Act::Retry),
        "Begin again, with fresh rounds and attempts.",
    ),
    act(
        Act::Cancel,
        "/v1/closures/{id}/cancel",
        run!(acts::act, Act::Cancel),
        "Call a closure off. What was asked of Genesys stays done.",
    ),
    act(
        Act::Verify,
        "/v1/closures/{id}/verify",
        run!(acts::act, Act::Verify),
        "Read the conversation now instead of later.",
    ),
    act(
        Act::Force,
        "/v1/closures/{id}/force",
        run!(acts::act, Act::Force),
        "Tear the conversation down with everybody in it. A reason is required.",
    ),
    act(
        Act::Resolve,
        "/v1/closures/{id}/resolve",
        run!(acts::act, Act::Resolve),
        "Settle a closure by the operator's word. A reason is required.",
    ),
    look(
        "/v1/conversations/{conversationId}/closures",
        Need::Read,
        run!(listing::of_conversation),
        "The closures of a conversation.",
        &[ORGANISATION, SORT, LIMIT, CURSOR],
        &[ok("ClosureList", "A page.")],
        &[422, 503],
    ),
    Route {
        method: Method::Post,
        path: "/v1/batches",
        need: Need::Submit,
        run: run!(batches::preview),
        doc: Doc {
            summary: "Show what closing many conversations would do: rows that are given, those of closures that match a \
                      filter, or stuck sessions that a scan looks for. Nothing is done before its token is given.",
            parameters: &[
                query(
                    "organisation",
                    Form::Text,
                    "Whose conversations; chosen as for a closure when it is left out.",
                ),
                query(
                    "mode",
                    Form::One(&["preview", "execute"]),
                    "`preview` (usual), or `execute` to run given rows at once, with a key of role operate.",
                ),
                query(
                    "reason",
                    Form::Words(200),
                    "With `mode=execute`: why; it becomes the reason of every closure.",
                ),
            ],
            body: Some(Body { schema: "BatchRow", required: true, file: true }),
            answers: &[
                Reply { status: 201, about: "The preview.", shape: Shape::Json("Batch") },
                Reply {
                    status: 202,
                    about: "It runs, or a scan has begun: what it finds is a preview once its state is that.",
                    shape: Shape::Json("Batch"),
                },
            ],
            refusals: &[400, 404, 409, 413, 415, 422, 503],
        },
    },
    look(
        "/v1/batches",
        Need::Read,
        run!(batches::list),
        "Batches, the latest first, without their tokens.",
        &[ORGANISATION, LIMIT, CURSOR],
        &[ok("BatchList", "A page.")],
        &[422, 503],
    ),
    look(
        "/v1/batches/{id}",
        Need::Follow,
        run!(batches::one),
        "A batch and how far it is.",
        &[],
        &[ok("Batch", "The batch.")],
        &[404, 422, 503],
    ),
    look(
        "/v1/batches/{id}/items",
        Need::Follow,
        run!(batches::items),
        "The rows of a batch, in their order, each with what becomes of it.",
        &[query("state", Form::One(batches::ROW_STATES), "In this state only."), LIMIT, CURSOR],
        &[ok("BatchItemList", "A page.")],
        &[404, 422, 503],
    ),
    on_batch(
        "/v1/batches/{id}/execute",
        Some(Body { schema: "BatchExecution", required: true, file: false }),
        run!(batches::execute),
        "Run a batch that was previewed. Each row is looked at once more before it is submitted.",
    ),
    on_batch(
        "/v1/batches/{id}/pause",
        None,
        run!(batches::pause),
        "Submit no further row until it is resumed, also over a restart.",
    ),
    on_batch("/v1/batches/{id}/resume", None, run!(batches::resume), "Go on with a batch that was paused."),
    on_batch(
        "/v1/batches/{id}/cancel",
        None,
        run!(batches::cancel),
        "Submit no row any more. What was submitted goes on.",
    ),
    look(
        "/v1/ghosts",
        Need::Read,
        run!(ghosts::list),
        "Closures that are held without proof, with what is missing and what can be done.",
        &[GHOST_REASON, SOURCE, LABEL, Q, ORGANISATION, SINCE, UNTIL, SORT, LIMIT, CURSOR],
        &[ok("GhostList", "A page.")],
        &[422, 503],
    ),
    look(
        "/v1/ghosts/summary",
        Need::Read,
        run!(ghosts::summary),
        "How many ghosts there are, by organisation and reason.",
        &[ORGANISATION],
        &[ok("GhostSummary", "The summary.")],
        &[422, 503],
    ),
    look(
        "/v1/ghosts/report",
        Need::Read,
        run!(report::report),
        "The ghosts with their timelines as one document, the oldest first. One that does not hold all says so.",
        &[
            query(
                "format",
                Form::One(&["json", "csv", "html"]),
                "`json` (usual), `csv`, or `html`: one file that needs nothing else.",
            ),
            GHOST_REASON,
            SOURCE,
            LABEL,
            Q,
            ORGANISATION,
            SINCE,
            UNTIL,
            query(
                "limit",
                Form::Count(500),
                "At most so many ghosts, those that were accepted first; 500 at most.",
            ),
        ],
        &[Reply { status: 200, about: "The report.", shape: Shape::Report("GhostReport") }],
        &[422, 503],
    ),
    say(
        "/v1/ghosts/{id}/claim",
        run!(handling::say, handling::Kind::Claim),
        "Say that you see to a ghost.",
        Body { schema: "ClaimRequest", required: false, file: false },
    ),
    say(
        "/v1/ghosts/{id}/snooze",
        run!(handling::say, handling::Kind::Snooze),
        "Say until when a ghost need not be announced again. It is looked at as before.",
        Body { schema: "SnoozeRequest", required: true, file: false },
    ),
    say(
        "/v1/ghosts/{id}/comment",
        run!(handling::say, handling::Kind::Comment),
        "Say something about a ghost that others should know.",
        Body { schema: "CommentRequest", required: true, file: false },
    ),
    outgoing(
        "/v1/outgoing/pause",
        run!(acts::set_outgoing, true),
        "Stop all calls to Genesys of an organisation until they are resumed, also over a restart.",
        &[ok("Outgoing", "They are stopped.")],
    ),
    outgoing(
        "/v1/outgoing/resume",
        run!(acts::set_outgoing, false),
        "Let the calls of an organisation go on.",
        &[ok("Outgoing", "They go on.")],
    ),
    look(
        "/v1/adapters",
        Need::Read,
        run!(evidence::adapters),
        "How events come in by each adapter, and which is silent.",
        &[],
        &[ok("AdapterList", "In order of organisation and name.")],
        &[422],
    ),
    look(
        "/v1/hooks/received",
        Need::Read,
        run!(hooks::received),
        "What came in by webhooks, queues and sockets lately, and why it was not taken.",
        &[
            query("result", Form::Texts, "With these results only; several with commas."),
            query("hook", Form::Text, "Of this hook, queue or socket only."),
            LIMIT,
        ],
        &[ok("ReceivedList", "The latest first.")],
        &[422],
    ),
    look(
        "/v1/deliveries",
        Need::Read,
        run!(deliveries::list),
        "What was told to receivers of callbacks, and what became of it, the latest first.",
        &[
            query(
                "result",
                Form::Several(&callbacks::RESULTS),
                "With these results only: waiting, delivered, gone, failed, given_up, refused, held, withdrawn; several with commas.",
            ),
            query("closure", Form::Id("cl_"), "Of this closure only."),
            ORGANISATION,
            LIMIT,
            CURSOR,
        ],
        &[ok("DeliveryList", "A page.")],
        &[422, 503],
    ),
    look(
        "/v1/deliveries/{id}",
        Need::Read,
        run!(deliveries::one),
        "One delivery.",
        &[],
        &[ok("Delivery", "The delivery.")],
        &[404, 422, 503],
    ),
    Route {
        method: Method::Post,
        path: "/v1/deliveries/{id}/redeliver",
        need: Need::Operate,
        run: run!(deliveries::redeliver),
        doc: Doc {
            summary: "Tell a receiver again, also of what it has taken.",
            parameters: &[],
            body: None,
            answers: &[Reply {
                status: 202,
                about: "Stored; it is posted at once.",
                shape: Shape::Json("Delivery"),
            }],
            refusals: &[404, 422, 503],
        },
    },
    look(
        "/v1/sources",
        Need::Read,
        run!(sources::list),
        "The queues that commands come by, and how each stands.",
        &[],
        &[ok("SourceList", "All of them, in the order of the configuration.")],
        &[422, 503],
    ),
    on_source(
        "/v1/sources/{name}/pause",
        run!(sources::pause, true),
        "Take nothing more from a source, until it is resumed, also over a restart. Its messages wait at the broker.",
    ),
    on_source("/v1/sources/{name}/resume", run!(sources::pause, false), "Go on with a source."),
    look(
        "/v1/dead-letters",
        Need::Read,
        run!(dead_letters::list),
        "Commands that came by a queue and could not be taken, the latest first, without what stands in them.",
        &[
            query(
                "state",
                Form::Several(&intake::STATES),
                "With these states only: held, redriven, discarded; several with commas.",
            ),
            query("source", Form::Texts, "From these sources only; several with commas."),
            ORGANISATION,
            LIMIT,
            CURSOR,
        ],
        &[ok("DeadLetterList", "A page.")],
        &[422, 503],
    ),
    look(
        "/v1/dead-letters/{id}",
        Need::Operate,
        run!(dead_letters::one),
        "One dead letter with what stands in it, which may be personal data.",
        &[],
        &[ok("DeadLetter", "The dead letter.")],
        &[404, 422, 503],
    ),
    on_letter(
        "/v1/dead-letters/{id}/redrive",
        false,
        run!(dead_letters::redrive),
        "Take a dead letter as if its message came now, under the same key.",
        &[400, 404, 409, 413, 415, 422, 429, 503],
    ),
    on_letter(
        "/v1/dead-letters/{id}/discard",
        true,
        run!(dead_letters::discard),
        "Give a dead letter up. It is kept, as something that was seen to, for the time of [store] retention.",
        &[400, 404, 409, 413, 415, 422, 503],
    ),
    look(
        "/v1/audit",
        Need::Read,
        run!(audit::list::list),
        "What operators did, the latest first: who, what, to what, why, and how it stood before and afterwards.",
        &[
            query("by", "By these keys only, by name; several with commas."),
            query("action", "These acts only, such as `closure.force`; several with commas."),
            query("subject", "To these only: ids or names; several with commas."),
            ORGANISATION,
            query("since", "Asked for at or after this time, or this long ago (`1h`)."),
            query("until", "Asked for before this time, or this long ago."),
            LIMIT,
            CURSOR,
        ],
        &[ok("AuditList", "A page.")],
        &[422, 503],
    ),
    look(
        "/v1/whoami",
        Need::AnyKey,
        run!(health::whoami),
        "Whose key this is, its role, and its organisations.",
        &[],
        &[ok("Caller", "The caller.")],
        &[422],
    ),
    look(
        "/v1/config",
        Need::Admin,
        run!(health::configuration),
        "The configuration that is in force, secrets masked.",
        &[],
        &[Reply { status: 200, about: "The configuration.", shape: Shape::AnyJson }],
        &[422],
    ),
    look(
        "/livez",
        Need::Nothing,
        run!(health::live),
        "Whether the process answers. Parameters that probes send are ignored.",
        &[],
        &[Reply { status: 200, about: "It does.", shape: Shape::AnyJson }],
        &[],
    ),
    look(
        "/readyz",
        Need::Nothing,
        run!(health::ready),
        "Whether to send work here. It does not depend on Genesys.",
        &[query("verbose", Form::Switch, "With a key of role read: how the organisations are doing.")],
        &[
            ok("Readiness", "Ready."),
            Reply {
                status: 503,
                about: "Stopping, or the store cannot commit.",
                shape: Shape::Json("Readiness"),
            },
        ],
        &[422],
    ),
    look(
        "/metrics",
        Need::Metrics,
        run!(health::metrics),
        "Metrics in Prometheus' text format.",
        &[],
        &[Reply { status: 200, about: "The metrics.", shape: Shape::Text }],
        &[],
    ),
    look(
        "/version",
        Need::Nothing,
        run!(health::version),
        "What is running.",
        &[],
        &[ok("Version", "The version.")],
        &[422],
    ),
    look(
        "/openapi.json",
        Need::Nothing,
        run!(health::description),
        "This description.",
        &[],
        &[Reply { status: 200, about: "OpenAPI 3.1.", shape: Shape::AnyJson }],
        &[422],
    ),
];
