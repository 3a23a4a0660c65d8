//! From the table of routes to a router.

use std::sync::Arc;

use axum::{
    Router,
    extract::{RawPathParams, Request, rejection::RawPathParamsRejection},
    middleware,
    response::{IntoResponse, Response},
    routing::{MethodFilter, on},
};
use bytes::Bytes;
use http::{HeaderValue, header};
use tracing::Instrument as _;

use crate::{
    access::Need,
    audit::{self, Trail, UnderWay},
    call::{Answer, Call, Shared, read_file, read_json, read_rest},
    documents::Documents,
    events::Outbox,
    health::{self, StoreCheck},
    outcome::{overloaded, stopping},
    problem::{Problem, kinds},
    refusals::Refusals,
    route::{Method, Route},
    routes::ROUTES,
    state::ApiState,
    submit,
};

/// Builds the API. Its router has a fallback of its own, which answers every other path with a problem; whatever is merged
/// with it must have none.
pub fn router(state: ApiState) -> Router {
    let mut organisations = state.orchestrator.organisations();
    organisations.sort();
    let documents = Documents::of(state.version.version);
    let store_check = StoreCheck::default();
    let outbox = Outbox::default();
    let refusals = Refusals::of_this_machine(state.connections);
    let shared = Arc::new(Shared { api: state, organisations, documents, store_check, outbox, refusals });
    let mut router = Router::new();
    for route in ROUTES {
        let filter = match route.method {
            Method::Get => MethodFilter::GET,
            Method::Post => MethodFilter::POST,
        };
        let shared = Arc::clone(&shared);
        let handler = move |params: Result<RawPathParams, RawPathParamsRejection>, request: Request| {
            serve(Arc::clone(&shared), route, params, request)
        };
        router = router.route(route.path, on(filter, handler));
    }
    router
        .method_not_allowed_fallback(wrong_method)
        .fallback(no_route)
        .layer(middleware::map_response(kept_and_guessed_by_nobody))
}

/// Says of every answer that it is what its type says, and that nobody on the way keeps it unless it says so itself.
async fn kept_and_guessed_by_nobody(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn serve(
    shared: Arc<Shared>,
    route: &'static Route,
    params: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let needs_key = match route.need {
        Need::Nothing => false,
        Need::Metrics => !shared.api.metrics.open,
        Need::AnyKey | Need::Submit | Need::Follow | Need::Read | Need::Operate | Need::Admin => true,
    };
    let caller = if needs_key {
        match shared.api.keys.admit(&head.headers, route.need) {
            Ok(caller) => Some(caller),
            Err(problem) => return problem.into_response(),
        }
    } else {
        None
    };
    let Ok(params) = params else {
        return Problem::invalid("id", "The path is not UTF-8.").into_response();
    };
    let id = params.iter().next().map(|(_, value)| value.to_owned()).unwrap_or_default();
    if route.may_be_shed()
        && let Err(again) = shared.api.orchestrator.takes_commands(submit::SOURCE)
    {
        // Unread, it would cost the connection. Whatever is wrong with it is not looked at.
        read_rest(body).await;
        shared.refusals.turn().await;
        return overloaded(again).into_response();
    }
    let body = match &route.doc.body {
        None => Ok((None, Bytes::new())),
        Some(kind) if kind.file => read_file(body).await.map(|file| (None, file)),
        Some(_) => read_json(&head.headers, body).await.map(|body| (body, Bytes::new())),
    };
    let answer = match body {
        Ok((body, file)) => {
            let trail = Trail::default();
            let call = Call { shared, caller, id, uri: head.uri, headers: head.headers, trail, body, file };
            match audit::action(route, &call) {
                None => (route.run)(call).await,
                Some(action) => act(route, action, call).await,
            }
        }
        Err(problem) => Err(problem),
    };
    answer.unwrap_or_else(IntoResponse::into_response)
}

/// Does what an operator asks, and writes it down. It is a task of its own, so that an operator who goes away meanwhile cannot cut
/// the line short.
async fn act(route: &'static Route, action: &'static str, call: Call) -> Answer {
    let done = async move {
        let under_way = UnderWay::begin(&call, action).await?;
        let trail = call.trail.clone();
        let answer = (route.run)(call).await;
        let outcome = audit::outcome(&answer);
        under_way.end(&trail, outcome).await;
        answer
    };
    match tokio::spawn(done.in_current_span()).await {
        Ok(answer) => answer,
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(stopping()),
        },
    }
}

async fn wrong_method(request: Request) -> Problem {
    let detail = format!("{} does not take {}.", request.uri().path(), request.method());
    Problem::new(&kinds::METHOD, detail)
}

async fn no_route(request: Request) -> Problem {
    health::nothing_here(request.uri().path())
}
