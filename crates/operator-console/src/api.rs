//! Asking the HTTP interface in this process, with the operator's key.

use axum::{Router, body::Body};
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tower::ServiceExt as _;

use crate::refusal::Refusal;

const JSON: &str = "application/json";
/// Ids as they stand in a mail.
pub(crate) const TEXT: &str = "text/plain";
/// A table with headings.
pub(crate) const CSV: &str = "text/csv";

/// The HTTP interface.
#[derive(Debug, Clone)]
pub(crate) struct Api(Router);

impl Api {
    pub(crate) fn of(router: Router) -> Self {
        Self(router)
    }

    /// Reads what stands at a path.
    pub(crate) async fn get(&self, key: &SecretString, path: &str) -> Result<Value, Refusal> {
        self.ask(key, Method::GET, path, (JSON, String::new()), None).await
    }

    /// Does an act; `version` is the one that the operator saw, where it matters.
    pub(crate) async fn post(
        &self,
        key: &SecretString,
        path: &str,
        body: &Value,
        version: Option<&str>,
    ) -> Result<Value, Refusal> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.ask(key, Method::POST, path, (JSON, body), version).await
    }

    /// Does an act with a text as its body.
    pub(crate) async fn post_text(
        &self,
        key: &SecretString,
        path: &str,
        kind: &'static str,
        text: &str,
    ) -> Result<Value, Refusal> {
        self.ask(key, Method::POST, path, (kind, text.to_owned()), None).await
    }

    async fn ask(
        &self,
        key: &SecretString,
        method: Method,
        path: &str,
        (kind, body): (&'static str, String),
        version: Option<&str>,
    ) -> Result<Value, Refusal> {
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = method;
        *request.uri_mut() =
            path.parse().map_err(|_| Refusal::of(StatusCode::NOT_FOUND, "There is no such page."))?;
        let headers = request.headers_mut();
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", key.expose_secret()))
            .map_err(|_| Refusal::of(StatusCode::UNAUTHORIZED, "A key has visible ASCII characters only."))?;
        bearer.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, bearer);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        if let Some(version) = version {
            let read = version.parse::<u64>().ok();
            let tag = read.and_then(|version| HeaderValue::try_from(format!("\"{version}\"")).ok());
            let unread =
                || Refusal::of(StatusCode::PRECONDITION_FAILED, "The version of this form cannot be read.");
            headers.insert(header::IF_MATCH, tag.ok_or_else(unread)?);
        }
        let Ok(response) = self.0.clone().oneshot(request).await;
        let status = response.status();
        let body =
            response.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        if status.is_success()
            || (status == StatusCode::SERVICE_UNAVAILABLE && body["organisations"].is_array())
        {
            return Ok(body);
        }
        Err(Refusal::read(status, &body))
    }
}
