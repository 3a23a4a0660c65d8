//! What a route is: how it is reached, who may use it, and how it is described.

use std::{future::Future, pin::Pin};

use crate::{
    access::Need,
    call::{Answer, Call},
    form::Form,
};

/// One route.
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) need: Need,
    pub(crate) run: Handler,
    pub(crate) doc: Doc,
}

impl Route {
    /// Whether it opens closures as fast as somebody asks. What operators do, and look at, is done however busy it is.
    pub(crate) fn may_be_shed(&self) -> bool {
        self.need == Need::Submit && self.doc.body.as_ref().is_some_and(|body| !body.file)
    }
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
    pub(crate) form: Form,
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
    /// Whether it is a file of rows, and not one JSON object.
    pub(crate) file: bool,
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
    /// A schema by name, or text, as `Accept` says.
    JsonOrText(&'static str),
    /// A schema by name, comma-separated values, or a page.
    Report(&'static str),
    /// Any JSON.
    AnyJson,
    /// Text.
    Text,
    /// A page of HTML.
    Page,
    /// Server-sent events, for as long as it goes on.
    Events,
    /// No body.
    Empty,
}

pub(crate) const fn query(name: &'static str, form: Form, about: &'static str) -> Parameter {
    Parameter { name, place: Place::Query, form, about }
}

pub(crate) const fn header(name: &'static str, form: Form, about: &'static str) -> Parameter {
    Parameter { name, place: Place::Header, form, about }
}

pub(crate) const fn ok(schema: &'static str, about: &'static str) -> Reply {
    Reply { status: 200, about, shape: Shape::Json(schema) }
}
