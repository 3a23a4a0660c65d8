//! The login service: tokens for client credentials.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use http::{HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use crate::credentials::LoginRefused;
use crate::journal::{JournalKind, Note};
use crate::world::World;

/// The most bytes of a login form.
const FORM_LIMIT: usize = 16_384;

/// Answers `POST /oauth/token`.
pub(crate) async fn answer(State(world): State<Arc<World>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let (status, body) = if parts.method == Method::POST {
        match axum::body::to_bytes(body, FORM_LIMIT).await {
            Ok(form) => log_in(&world, &parts.headers, &form),
            Err(_) => refused(413, "invalid_request", "the form is too large"),
        }
    } else {
        refused(405, "invalid_request", "the method is not allowed")
    };
    let what = format!("{} /oauth/token", parts.method);
    world.note(Note::new(JournalKind::Call, None, what).status(status));
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn log_in(world: &World, headers: &HeaderMap, form: &[u8]) -> (u16, Value) {
    let grant =
        url::form_urlencoded::parse(form).find(|(name, _)| name == "grant_type").map(|(_, value)| value);
    if grant.as_deref() != Some("client_credentials") {
        return refused(400, "unsupported_grant_type", "the grant type must be client_credentials");
    }
    let Some((id, secret)) = basic(headers) else {
        return refused(400, "invalid_client", "client not found");
    };
    match world.credentials.log_in(&id, &secret, world.seed(), world.clock.now()) {
        Ok((token, seconds)) => {
            (200, json!({ "access_token": token, "token_type": "bearer", "expires_in": seconds }))
        }
        Err(LoginRefused::UnknownClient) => refused(400, "invalid_client", "client not found"),
        Err(LoginRefused::WrongSecret) => refused(401, "invalid_client", "authentication failed"),
    }
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let (scheme, text) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(text.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

fn refused(status: u16, error: &str, description: &str) -> (u16, Value) {
    (status, json!({ "error": error, "description": description, "error_description": description }))
}
