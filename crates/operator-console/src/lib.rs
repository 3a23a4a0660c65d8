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
mod session;

use std::sync::Arc;

use axum::{
    Router,
    extract::Request,
    middleware::{self, Next},
    response::Response,
    routing::{get, post},
};
use http::{HeaderValue, header};

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
}

/// What a page may do: load its own style, scripts and pictures, and send its forms home.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Builds the pages before this HTTP interface: `/`, and all below `/console`. The router has no fallback, so it can be merged.
pub fn router(api: Router, options: Options) -> Router {
    let console = Console { api: Api::of(api), sessions: Arc::default(), options };
    Router::new()
        .route("/", get(pages::home::page))
        .route("/console", get(pages::home::moved))
        .route("/console/login", get(login::page).post(login::enter))
        .route("/console/logout", post(login::leave))
        .route("/console/closures", get(pages::list::page))
        .route("/console/closures/{id}", get(pages::closure::page))
        .route("/console/closures/{id}/act", post(pages::closure::act))
        .route("/console/batches", get(pages::batches::page).post(pages::batches::preview))
        .route("/console/batches/{id}", get(pages::batch::page))
        .route("/console/batches/{id}/act", post(pages::batch::act))
        .route("/console/sources", get(pages::sources::page))
        .route("/console/sources/{name}/act", post(pages::sources::act))
        .route("/console/dead-letters/{id}/act", post(pages::sources::letter))
        .route("/console/received", get(pages::received::page))
        .route("/console/deliveries", get(pages::deliveries::page))
        .route("/console/deliveries/{id}/act", post(pages::deliveries::act))
        .route("/console/settings", get(pages::settings::page))
        .route("/console/outgoing/act", post(pages::settings::outgoing))
        .route("/console/live", get(live::stream))
        .route("/console/assets/{name}", get(assets::serve))
        .layer(middleware::from_fn(guarded))
        .with_state(console)
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
