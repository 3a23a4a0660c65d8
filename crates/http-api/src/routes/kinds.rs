//! The kinds of routes: what all of one kind have in common.

use closure_machine::Act;

use crate::{
    access::Need,
    explain::needs_reason,
    parameters::IF_MATCH,
    route::{Body, Doc, Handler, Method, Parameter, Reply, Route, Shape, ok},
};

/// A route that only looks.
pub(super) const fn look(
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
pub(super) const fn act(act: Act, path: &'static str, run: Handler, summary: &'static str) -> Route {
    let body = Some(Body { schema: "ActRequest", required: needs_reason(act), file: false });
    let doc = Doc { summary, parameters: &[IF_MATCH], body, answers: &[ACT_TAKEN], refusals: ACT_REFUSALS };
    Route { method: Method::Post, path, need: Need::Operate, run, doc }
}

/// What an operator says about a ghost.
pub(super) const fn say(path: &'static str, run: Handler, summary: &'static str, body: Body) -> Route {
    let doc =
        Doc { summary, parameters: &[IF_MATCH], body: Some(body), answers: &[SAID], refusals: ACT_REFUSALS };
    Route { method: Method::Post, path, need: Need::Operate, run, doc }
}

/// The switch of all calls of an organisation.
pub(super) const fn outgoing(
    path: &'static str,
    run: Handler,
    summary: &'static str,
    answers: &'static [Reply],
) -> Route {
    let body = Some(Body { schema: "OutgoingRequest", required: false, file: false });
    let doc = Doc { summary, parameters: &[], body, answers, refusals: &[400, 413, 415, 422, 503] };
    Route { method: Method::Post, path, need: Need::Operate, run, doc }
}

/// The body of an act that may say why, and needs no body at all.
pub(super) const STEERED: Option<Body> = Some(Body { schema: "ActRequest", required: false, file: false });

/// An operator's act on a batch.
pub(super) const fn on_batch(
    path: &'static str,
    body: Option<Body>,
    run: Handler,
    summary: &'static str,
) -> Route {
    let refusals = &[400, 404, 409, 413, 415, 422, 503];
    let doc = Doc { summary, parameters: &[], body, answers: &[BATCH_TAKEN], refusals };
    Route { method: Method::Post, path, need: Need::Operate, run, doc }
}

/// An operator's act on a source.
pub(super) const fn on_source(path: &'static str, run: Handler, summary: &'static str) -> Route {
    let refusals = &[400, 404, 413, 415, 422, 503];
    let doc = Doc { summary, parameters: &[], body: STEERED, answers: &[SOURCE_ACT_TAKEN], refusals };
    Route { method: Method::Post, path, need: Need::Operate, run, doc }
}

/// An operator's act on a dead letter.
pub(super) const fn on_letter(
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

pub(super) const SOURCE_ACT_TAKEN: Reply = ok("Source", "Durable; the source stands so within a moment.");
pub(super) const LETTER_ACT_TAKEN: Reply =
    Reply { status: 202, about: "Stored.", shape: Shape::Json("DeadLetter") };
pub(super) const ACT_TAKEN: Reply =
    Reply { status: 202, about: "Stored; what it set off goes on.", shape: Shape::Json("Closure") };
pub(super) const SAID: Reply = ok("Closure", "Stored, or it was said already.");
pub(super) const ACT_REFUSALS: &[u16] = &[400, 404, 409, 412, 413, 415, 422, 500, 503];

pub(super) const BATCH_TAKEN: Reply =
    Reply { status: 202, about: "Stored; it goes on by itself.", shape: Shape::Json("Batch") };
