//! The page for operators: what is stuck, why, and what to press.
//!
//! ```text
//! browser ─► session ─► page ─► the HTTP interface, in this process ─► template
//! ```
//!
//! - Every page and every act is a request to the HTTP interface with the operator's own key. So the page can do nothing that a script
//!   cannot, roles are enforced in one place, and what a page shows can be had as data by the command that it names.
//! - Nothing is loaded from elsewhere, no script and no style stands in a page, and all works without scripts but for what moves by itself.

mod api;
mod assets;
mod form;
mod frame;
mod live;
mod login;
mod origin;
mod pages;
mod parts;
mod progress;
mod prose;
mod refusal;
mod session;
mod sign_on;

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    handler::Handler,
    middleware::{self, Next},
    response::Response,
    routing::{MethodRouter, get, post},
};
use http::{HeaderValue, Method, header};
use tokio_util::sync::CancellationToken;

pub use self::sign_on::{Begun, Guest, NotLetIn, SignOn};
use self::{api::Api, session::Sessions};

/// What the pages may do.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Whether they only look, whatever the role of the key.
    pub read_only: bool,
}

/// What every page has.
#[derive(Debug, Clone)]
struct Console {
    api: Api,
    sessions: Arc<Sessions>,
    options: Options,
    /// The way in beside a key.
    sign_on: Option<Arc<dyn SignOn>>,
    /// Ends every stream.
    stop: CancellationToken,
}

/// What a page may do: load its own style, scripts and pictures, and send its forms home.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The largest form of a log-in.
const SMALL: usize = 8 * 1_024;

/// Who may ask for a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    /// Anybody: the log-in, and the files that pages load.
    Anybody,
    /// Whoever has logged in; the interface says what the role may see.
    Looks,
    /// Whoever has logged in with a key that may act, by a form of a page of that session.
    Acts,
}

/// A route: who may ask for it, how, where, and what answers.
type Route = (Who, Method, &'static str, MethodRouter<Console>);

/// Every route. What is not here is not served.
fn routes() -> Vec<Route> {
    fn look<H: Handler<T, Console>, T: 'static>(path: &'static str, page: H) -> Route {
        (Who::Looks, Method::GET, path, get(page))
    }
    fn act<H: Handler<T, Console>, T: 'static>(path: &'static str, form: H) -> Route {
        (Who::Acts, Method::POST, path, post(form))
    }
    vec![
        (Who::Anybody, Method::GET, "/console/login", get(login::page)),
        (
            Who::Anybody,
            Method::POST,
            "/console/login",
            post(login::enter).layer(DefaultBodyLimit::max(SMALL)),
        ),
        (Who::Anybody, Method::GET, "/console/login/oidc", get(sign_on::begin)),
        (Who::Anybody, Method::GET, "/console/login/oidc/back", get(sign_on::back)),
        (Who::Anybody, Method::GET, "/console/assets/{name}", get(assets::serve)),
        (Who::Looks, Method::POST, "/console/logout", post(login::leave).layer(DefaultBodyLimit::max(SMALL))),
        (Who::Anybody, Method::GET, "/console", get(pages::home::moved)),
        (Who::Anybody, Method::GET, "/console/", get(pages::home::moved)),
        look("/console/{*rest}", frame::missing),
        look("/", pages::home::page),
        look("/console/closures", pages::list::page),
        look("/console/closures/{id}", pages::closure::page),
        look("/console/closures/{id}/force", pages::force::page),
        act("/console/closures/{id}/act", pages::closure::act),
        look("/console/batches", pages::batches::page),
        act("/console/batches", pages::batches::preview),
        look("/console/batches/{id}", pages::batch::page),
        act("/console/batches/{id}/act", pages::batch::act),
        look("/console/sources", pages::sources::page),
        act("/console/sources/{name}/act", pages::sources::act),
        act("/console/dead-letters/{id}/act", pages::sources::letter),
        look("/console/received", pages::received::page),
        look("/console/deliveries", pages::deliveries::page),
        act("/console/deliveries/{id}/act", pages::deliveries::act),
        look("/console/audit", pages::audit::page),
        look("/console/settings", pages::settings::page),
        act("/console/outgoing/act", pages::settings::outgoing),
        // Whoever is not logged in is told so in the stream.
        (Who::Anybody, Method::GET, "/console/live", get(live::stream)),
    ]
}

/// Builds the pages before this HTTP interface: `/`, and all below `/console`. The router has no fallback, so it can be merged.
/// Streams end with `stop`. With `sign_on` there is a way in beside a key.
pub fn router(
    api: Router,
    options: Options,
    sign_on: Option<Arc<dyn SignOn>>,
    stop: CancellationToken,
) -> Router {
    let console = Console { api: Api::of(api), sessions: Arc::default(), options, sign_on, stop };
    let served =
        routes().into_iter().fold(Router::new(), |served, (_, _, path, answers)| served.route(path, answers));
    served.layer(middleware::from_fn(guarded)).with_state(console)
}

/// Says with every answer what a browser may do with it.
async fn guarded(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests;
