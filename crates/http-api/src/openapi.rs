//! `/openapi.json`, built from the table of routes.

mod examples;

use bytes::Bytes;
use utoipa::{
    ToSchema,
    openapi::{
        Components, ComponentsBuilder, Content, Info, OpenApi, PathItem, Paths, Ref, RefOr, Required,
        Response, ResponseBuilder, Schema,
        path::{HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn, ParameterStyle},
        request_body::{RequestBody, RequestBodyBuilder},
        schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Type},
        security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
    },
};

use self::examples::Examples;
use crate::{
    access::{Need, Role},
    acts::Outgoing,
    audit::list::AuditList,
    batches::{BatchItemList, BatchList},
    dead_letters::DeadLetterList,
    deliveries::DeliveryList,
    dry_run::PlanView,
    evidence::AdapterList,
    explain::Explanation,
    form::{self, Form},
    ghosts::{GhostList, GhostSummary},
    health::{CallerView, Readiness, VersionView},
    hooks::ReceivedList,
    listing::ListView,
    problem::{ProblemView, kinds},
    report::GhostReport,
    requests::{
        ActRequest, BatchExecution, BatchRow, BatchWanted, ClaimRequest, ClosureRequest, CommentRequest,
        OutgoingRequest, SnoozeRequest,
    },
    route::{Body, Method, Place, Reply, Route, Shape},
    routes::ROUTES,
    sources::SourceList,
    timeline::Timeline,
    view::ClosureView,
};

/// What the description says of itself.
const ABOUT: &str = "Closeout closes Genesys Cloud messaging conversations from a backend and proves that they closed. \
    Every 2xx to a command or an act is durable. Errors are RFC 9457 problem details with `code`, `retryable` and `fix`.";

/// The media type of most bodies.
const JSON: &str = "application/json";

/// Where events come in.
const HOOKS: &str = "/hooks/{name}";

/// How a sender proves itself, and where it says why one did not.
const HOOK_PROOF: &str = "Needs no key: the sender proves itself as `verify` of its [[confirm]] says. Why one was refused is told to operators alone, by \
    `closeout hooks received` and the console. `closeout hooks verify` finds why the signature of a delivery in a file does not hold, and \
    `closeout hooks sign` makes one to try with.";

/// The operation by which they do.
const HOOK: &str = "post_hooks_name";

/// Writes the description.
pub(crate) fn description(version: &str) -> Bytes {
    Bytes::from(
        serde_json::to_vec_pretty(&document(version)).expect("a description has no key that is not a text"),
    )
}

/// The description.
pub(crate) fn document(version: &str) -> OpenApi {
    let mut info = Info::new("Closeout", version);
    info.description = Some(ABOUT.to_owned());
    let mut paths = Paths::new();
    for route in ROUTES {
        let method = match route.method {
            Method::Get => HttpMethod::Get,
            Method::Post => HttpMethod::Post,
        };
        let item = PathItem::new(method, operation(route));
        paths.paths.entry(route.path.to_owned()).or_default().merge_operations(item);
    }
    let item = PathItem::new(HttpMethod::Post, hook());
    paths.paths.entry(HOOKS.to_owned()).or_default().merge_operations(item);
    let mut document = OpenApi::new(info, paths);
    document.components = Some(components());
    document
}

/// The refusals of a hook, as the receiver gives them.
const HOOK_REFUSALS: &[(u16, &str)] = &[
    (400, "`incomplete_body`, or the name of what cannot be read in a body that was signed."),
    (401, "`signature_refused`: the request does not prove that it comes from the hook's sender."),
    (404, "`hook_not_found`: no hook has this name."),
    (405, "`method_not_allowed`: a hook takes POST only."),
    (413, "`body_too_large`: the body has more than 256 KiB."),
    (415, "`unsupported_media_type`: the body is not JSON in UTF-8, or has a Content-Encoding."),
    (503, "`store_unavailable`: the event could not be stored; send it again after Retry-After."),
];

/// The hooks, which are served beside the table of routes and prove themselves by what their configuration says.
fn hook() -> OperationBuilder {
    let examples = Examples::of(HOOK, HOOKS);
    let event = Content::new(Some(ObjectBuilder::new().schema_type(Type::Object)));
    let body =
        RequestBodyBuilder::new().required(Some(Required::True)).content(JSON, examples.request(JSON, event));
    let taken = ResponseBuilder::new().description("The event is stored, or it says nothing new.");
    let operation = OperationBuilder::new()
        .summary(Some("An event of Genesys or of a relay comes in. It is stored before it is answered."))
        .description(Some(HOOK_PROOF))
        .operation_id(Some(HOOK))
        .parameter(
            ParameterBuilder::new()
                .name("name")
                .parameter_in(ParameterIn::Path)
                .required(Required::True)
                .description(Some("The `name` of a [[confirm]] in the configuration."))
                .schema(Some(text())),
        )
        .request_body(Some(body.build()))
        .response("204", taken.build());
    HOOK_REFUSALS.iter().fold(operation, |operation, (status, about)| {
        operation.response(status.to_string(), problem(&examples, *status, *about))
    })
}

fn operation(route: &Route) -> OperationBuilder {
    let id = operation_id(route);
    let examples = Examples::of(&id, route.path);
    let mut operation = OperationBuilder::new().summary(Some(route.doc.summary)).operation_id(Some(id));
    if let Some(name) = path_parameter(route.path) {
        operation = operation.parameter(
            ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Path)
                .required(Required::True)
                .schema(Some(form_of_id(route.path).schema())),
        );
    }
    for parameter in route.doc.parameters {
        let place = match parameter.place {
            Place::Query => ParameterIn::Query,
            Place::Header => ParameterIn::Header,
        };
        let mut described = ParameterBuilder::new()
            .name(parameter.name)
            .parameter_in(place)
            .required(Required::False)
            .description(Some(parameter.about))
            .schema(Some(parameter.form.schema()));
        if parameter.form.is_list() {
            described = described.style(Some(ParameterStyle::Form)).explode(Some(false));
        }
        operation = operation.parameter(described);
    }
    if let Some(body) = &route.doc.body {
        operation = operation.request_body(Some(wanted(body, &examples)));
    }
    for reply in route.doc.answers {
        operation = operation.response(reply.status.to_string(), good(reply, &examples));
    }
    for status in refusals(route) {
        operation = operation.response(status.to_string(), refusal(status, &examples));
    }
    if route.need == Need::Nothing {
        return operation;
    }
    let roles: Vec<_> =
        Role::ALL.into_iter().filter(|role| role.suffices(route.need)).map(Role::name).collect();
    operation
        .description(Some(format!("For keys of the roles: {}.", roles.join(", "))))
        .security(SecurityRequirement::new("key", Vec::<String>::new()))
}

fn wanted(body: &Body, examples: &Examples) -> RequestBody {
    let required = if body.required { Required::True } else { Required::False };
    let request = RequestBodyBuilder::new().required(Some(required));
    let one = Ref::from_schema_name(body.schema);
    if !body.file {
        return request.content(JSON, examples.request(JSON, Content::new(Some(one)))).build();
    }
    let rows = ArrayBuilder::new().items(one);
    let either = OneOfBuilder::new().item(rows).item(Ref::from_schema_name("BatchWanted"));
    let request = request.content(JSON, examples.request(JSON, Content::new(Some(either))));
    let texts = ["application/x-ndjson", "text/csv", "text/plain"].into_iter();
    let text_of = |kind| examples.request(kind, Content::new(Some(text())));
    texts.fold(request, |request, kind| request.content(kind, text_of(kind))).build()
}

fn good(reply: &Reply, examples: &Examples) -> Response {
    let named = |schema: &str| Some(Content::new(Some(Ref::from_schema_name(schema))));
    let (json, texts): (Option<Content>, &[&str]) = match reply.shape {
        Shape::Json(schema) => (named(schema), &[]),
        Shape::JsonOrText(schema) => (named(schema), &["text/plain"]),
        Shape::Report(schema) => (named(schema), &["text/csv", "text/html"]),
        Shape::AnyJson => (Some(Content::new(None::<RefOr<Schema>>)), &[]),
        Shape::Text => (None, &["text/plain"]),
        Shape::Page => (None, &["text/html"]),
        Shape::Events => (None, &["text/event-stream"]),
        Shape::Empty => (None, &[]),
    };
    let json = json.map(|content| (JSON, content));
    let contents = json.into_iter().chain(texts.iter().map(|kind| (*kind, Content::new(Some(text())))));
    contents
        .fold(ResponseBuilder::new().description(reply.about), |response, (kind, content)| {
            response.content(kind, examples.answer(reply.status, kind, content))
        })
        .build()
}

/// The refusals of a route: its own, and those that come with keys.
pub(crate) fn refusals(route: &Route) -> Vec<u16> {
    let mut all = route.doc.refusals.to_vec();
    match route.need {
        Need::Nothing => {}
        Need::AnyKey | Need::Follow => all.push(401),
        Need::Submit | Need::Read | Need::Metrics | Need::Operate | Need::Admin => all.extend([401, 403]),
    }
    all.sort_unstable();
    all
}

fn refusal(status: u16, examples: &Examples) -> Response {
    let about = kinds::ALL
        .iter()
        .filter(|kind| kind.status.as_u16() == status)
        .map(|kind| format!("`{}`: {}.", kind.code, kind.title))
        .collect::<Vec<_>>()
        .join(" ");
    problem(examples, status, about)
}

fn problem(examples: &Examples, status: u16, about: impl Into<String>) -> Response {
    let content = examples.refusal(status, Content::new(Some(Ref::from_schema_name("Problem"))));
    ResponseBuilder::new().description(about).content("application/problem+json", content).build()
}

/// The name of the variable part of a path.
pub(crate) fn path_parameter(path: &str) -> Option<&str> {
    path.split_once('{')?.1.split_once('}').map(|(name, _)| name)
}

/// What the variable part of a path looks like.
fn form_of_id(path: &str) -> Form {
    let ids = [
        ("/v1/closures/", Form::Id("cl_")),
        ("/v1/ghosts/", Form::Id("cl_")),
        ("/v1/batches/", Form::Id("bt_")),
        ("/v1/deliveries/", Form::Id("dv_")),
        ("/v1/dead-letters/", Form::Id("dl_")),
        ("/v1/conversations/", Form::Uuid),
    ];
    ids.into_iter().find(|(begin, _)| path.starts_with(begin)).map_or(Form::Text, |(_, form)| form)
}

fn operation_id(route: &Route) -> String {
    let verb = match route.method {
        Method::Get => "get",
        Method::Post => "post",
    };
    let words = route.path.split(|sign: char| !sign.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.filter(|word| *word != "v1").fold(verb.to_owned(), |id, word| format!("{id}_{word}"))
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn components() -> Components {
    let either =
        OneOfBuilder::new().item(Ref::from_schema_name("Closure")).item(Ref::from_schema_name("Plan"));
    let components = ComponentsBuilder::new()
        .schema("ClosureAnswer", either)
        .security_scheme("key", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    let components = with::<ClosureRequest>(components);
    let components = with::<ActRequest>(components);
    let components = with::<ClaimRequest>(components);
    let components = with::<SnoozeRequest>(components);
    let components = with::<CommentRequest>(components);
    let components = with::<OutgoingRequest>(components);
    let components = with::<BatchRow>(components);
    let components = with::<BatchWanted>(components);
    let components = with::<BatchExecution>(components);
    let components = with::<BatchList>(components);
    let components = with::<BatchItemList>(components);
    let components = with::<ClosureView<'_>>(components);
    let components = with::<PlanView>(components);
    let components = with::<ListView<'_>>(components);
    let components = with::<Timeline>(components);
    let components = with::<Explanation>(components);
    let components = with::<GhostList<'_>>(components);
    let components = with::<GhostSummary>(components);
    let components = with::<GhostReport<'_>>(components);
    let components = with::<Outgoing>(components);
    let components = with::<ReceivedList>(components);
    let components = with::<DeliveryList>(components);
    let components = with::<SourceList>(components);
    let components = with::<DeadLetterList>(components);
    let components = with::<AuditList>(components);
    let components = with::<AdapterList>(components);
    let components = with::<CallerView<'_>>(components);
    let components = with::<Readiness>(components);
    let components = with::<VersionView>(components);
    let mut components = with::<ProblemView<'_>>(components).build();
    for body in ["ClosureRequest", "BatchRow", "BatchFilter"] {
        describe_labels(&mut components, body);
    }
    if let Some(RefOr::T(Schema::Object(policy))) = components.schemas.get_mut("PolicyRequest") {
        let about = "`none`, `skip`, or the `id` of a wrap-up code, or its `name` in the agent's queue, with `notes`.";
        policy.properties.insert("wrapUp".to_owned(), form::wrap_up().description(Some(about)).into());
    }
    components
}

/// Says of a body's labels what a derived schema cannot: how their names look, and how many there are.
fn describe_labels(components: &mut Components, body: &str) {
    let Some(RefOr::T(Schema::Object(body))) = components.schemas.get_mut(body) else { return };
    let Some(RefOr::T(Schema::Object(labels))) = body.properties.get_mut("labels") else { return };
    let about = labels.description.take();
    *labels = form::labels().description(about).build();
}

/// Adds a schema and all that it refers to.
fn with<T: ToSchema>(components: ComponentsBuilder) -> ComponentsBuilder {
    let mut referred = Vec::new();
    T::schemas(&mut referred);
    components.schema(T::name(), T::schema()).schemas_from_iter(referred)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::command;

    fn written() -> Value {
        serde_json::from_slice(&description("1.2.3")).unwrap()
    }

    #[test]
    fn every_route_that_is_served_is_described_and_no_other() {
        let described: BTreeSet<String> = written()["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, item)| {
                item.as_object().unwrap().keys().map(move |method| format!("{method} {path}"))
            })
            .collect();
        let served: BTreeSet<String> = ROUTES
            .iter()
            .map(|route| format!("{:?} {}", route.method, route.path).to_lowercase())
            .map(|route| route.replace("conversationid", "conversationId"))
            .chain([format!("post {HOOKS}")])
            .collect();
        assert_eq!(described, served);
        assert_eq!(served.len(), ROUTES.len() + 1, "a route stands in the table twice");
    }

    #[test]
    fn every_reference_leads_to_a_schema() {
        let document = written();
        let text = document.to_string();
        let mut references = 0;
        for part in text.split("\"$ref\":\"#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(document["components"]["schemas"][name].is_object(), "there is no schema {name}");
            references += 1;
        }
        assert!(references > ROUTES.len());
    }

    #[test]
    fn both_forms_of_an_explanation_are_described() {
        let content = &written()["paths"]["/v1/closures/{id}/explain"]["get"]["responses"]["200"]["content"];
        assert_eq!(content["application/json"]["schema"]["$ref"], "#/components/schemas/Explanation");
        assert_eq!(content["text/plain"]["schema"]["type"], "string");
    }

    #[test]
    fn ids_of_operations_are_different() {
        let ids: BTreeSet<_> = ROUTES.iter().map(operation_id).collect();
        assert_eq!(ids.len(), ROUTES.len());
    }

    #[test]
    fn bodies_are_described_with_the_fields_that_are_read() {
        let document = written();
        let fields = |schema: &str| -> BTreeSet<String> {
            document["components"]["schemas"][schema]["properties"]
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect()
        };
        let known =
            |names: &[&str]| -> BTreeSet<String> { names.iter().map(|&name| name.to_owned()).collect() };
        assert_eq!(fields("ClosureRequest"), known(command::FIELDS));
        assert_eq!(fields("BatchRow"), known(crate::batches::ROW));
        assert_eq!(fields("BatchWanted"), known(crate::batches::ASKED));
        assert_eq!(fields("BatchFilter"), known(crate::batches::FILTER));
        assert_eq!(fields("BatchScanRequest"), known(crate::batches::SCAN));
        assert_eq!(fields("PolicyRequest"), known(command::POLICY));
        assert_eq!(fields("CallbackRequest"), known(crate::callback::CALLBACK));
    }

    #[test]
    fn the_names_that_are_described_are_those_that_are_read() {
        fn pattern<T>(names: crate::options::Names<T>) -> String {
            let names: Vec<_> = names.iter().map(|(name, _)| *name).collect();
            format!("^(?:{})$", names.join("|"))
        }
        let document = written();
        let policy = &document["components"]["schemas"]["PolicyRequest"]["properties"];
        assert_eq!(policy["evidence"]["pattern"], pattern(crate::options::EVIDENCE));
        assert_eq!(policy["order"]["pattern"], pattern(crate::options::ORDER));
        assert_eq!(policy["agentConnected"]["pattern"], pattern(crate::options::AGENT_CONNECTED));
        assert_eq!(policy["wrapperClose"]["pattern"], pattern(crate::options::WRAPPER_CLOSE));
        assert_eq!(policy["guestReturns"]["pattern"], pattern(crate::options::GUEST_RETURNS));
        let states = ::batches::RowState::ALL.iter().map(|state| state.name());
        let known: BTreeSet<_> = ["will_close", "will_act"].into_iter().chain(states).collect();
        assert_eq!(crate::batches::ROW_STATES.iter().copied().collect::<BTreeSet<_>>(), known);
        let states: Vec<_> = ::batches::BatchState::ALL.iter().map(|state| state.name()).collect();
        assert_eq!(crate::batches::STATES, states);
    }

    #[test]
    fn bodies_take_no_field_that_is_not_described() {
        let document = written();
        let bodies = ROUTES.iter().filter_map(|route| route.doc.body.as_ref()).map(|body| body.schema);
        for body in bodies.chain(["BatchWanted", "PolicyRequest", "CallbackRequest", "TargetRequest"]) {
            assert_eq!(document["components"]["schemas"][body]["additionalProperties"], false, "{body}");
        }
        let labels = &document["components"]["schemas"]["ClosureRequest"]["properties"]["labels"];
        assert_eq!(labels["maxProperties"], 16);
        assert!(labels["description"].is_string());
    }

    #[test]
    fn every_refusal_that_is_described_has_a_kind() {
        for route in ROUTES {
            for status in refusals(route) {
                assert!(
                    kinds::ALL.iter().any(|kind| kind.status.as_u16() == status),
                    "{} {status}",
                    route.path
                );
            }
        }
    }
}
