//! The answers: one short constant body for each refusal (RFC 9457).

use std::fmt::Display;

use axum::{body::Body, response::Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

/// Seconds after which a sender tries again while the store is away: it is back within 5 s of its return (design §3).
const RETRY_AFTER_SECONDS: &str = "5";

/// Why a request is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    WrongMethod,
    WrongType,
    TooLarge,
    Incomplete,
    UnknownHook,
    Signature,
    Unavailable,
}

impl Refusal {
    const fn status(self) -> StatusCode {
        match self {
            Self::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::WrongType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Incomplete => StatusCode::BAD_REQUEST,
            Self::UnknownHook => StatusCode::NOT_FOUND,
            Self::Signature => StatusCode::UNAUTHORIZED,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What is wrong with a signature is told to operators only: a forger would learn from it.
    const fn body(self) -> &'static str {
        match self {
            Self::WrongMethod => {
                r#"{"type":"urn:closeout:problem:method_not_allowed","title":"Method not allowed","status":405,"detail":"A hook takes POST only.","code":"method_not_allowed","retryable":false,"fix":"Use POST."}"#
            }
            Self::WrongType => {
                r#"{"type":"urn:closeout:problem:unsupported_media_type","title":"Unsupported media type","status":415,"detail":"The body is not JSON in UTF-8, or it has a Content-Encoding.","code":"unsupported_media_type","retryable":false,"fix":"Send JSON in UTF-8, without Content-Encoding."}"#
            }
            Self::TooLarge => {
                r#"{"type":"urn:closeout:problem:body_too_large","title":"Body too large","status":413,"detail":"The body has more than 262144 bytes.","code":"body_too_large","retryable":false,"fix":"Send at most 262144 bytes."}"#
            }
            Self::Incomplete => {
                r#"{"type":"urn:closeout:problem:incomplete_body","title":"Incomplete body","status":400,"detail":"The body ended before it was whole.","code":"incomplete_body","retryable":true,"fix":"Send the whole body."}"#
            }
            Self::UnknownHook => {
                r#"{"type":"urn:closeout:problem:hook_not_found","title":"Not found","status":404,"detail":"No hook of this name receives anything here.","code":"hook_not_found","retryable":false,"fix":"Check the URL."}"#
            }
            Self::Signature => {
                r#"{"type":"urn:closeout:problem:signature_refused","title":"Unauthorized","status":401,"detail":"The request does not prove that it comes from the hook's sender. Operators see why under GET /v1/hooks/received.","code":"signature_refused","retryable":false,"fix":"Check the secret."}"#
            }
            Self::Unavailable => {
                r#"{"type":"urn:closeout:problem:store_unavailable","title":"Service unavailable","status":503,"detail":"The event could not be stored, so it was not taken.","code":"store_unavailable","retryable":true,"fix":"Send it again later."}"#
            }
        }
    }

    pub(crate) fn answer(self) -> Response {
        let mut response = problem(self.status(), Body::from(self.body()));
        match self {
            Self::WrongMethod => {
                response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
            }
            Self::Unavailable => {
                let seconds = HeaderValue::from_static(RETRY_AFTER_SECONDS);
                response.headers_mut().insert(header::RETRY_AFTER, seconds);
            }
            Self::WrongType | Self::TooLarge | Self::Incomplete | Self::UnknownHook | Self::Signature => {}
        }
        response
    }
}

/// The answer to an event that is durable.
pub(crate) fn taken() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

#[derive(Serialize)]
struct UndecodableProblem<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    code: &'a str,
    detail: String,
    retryable: bool,
    fix: &'static str,
}

/// The answer to a body that was signed and cannot be read. Its sender is trusted, so it is told why.
pub(crate) fn undecodable(reason: &str, detail: &impl Display) -> Response {
    let told = UndecodableProblem {
        r#type: format!("urn:closeout:problem:{reason}"),
        title: "The body cannot be read",
        status: StatusCode::BAD_REQUEST.as_u16(),
        code: reason,
        detail: detail.to_string(),
        retryable: false,
        fix: "Send an event in a form that the hook's decoder understands.",
    };
    let body = serde_json::to_vec(&told).expect("texts and numbers can be written as JSON");
    problem(StatusCode::BAD_REQUEST, Body::from(body))
}

fn problem(status: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        // The rest of the body is not read, so the connection cannot carry another request.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MAX_BODY_BYTES;

    const ALL: [Refusal; 7] = [
        Refusal::WrongMethod,
        Refusal::WrongType,
        Refusal::TooLarge,
        Refusal::Incomplete,
        Refusal::UnknownHook,
        Refusal::Signature,
        Refusal::Unavailable,
    ];

    #[test]
    fn every_constant_body_is_json_and_agrees_with_its_status() {
        for refusal in ALL {
            let body: serde_json::Value = serde_json::from_str(refusal.body()).unwrap();
            assert_eq!(body["status"], refusal.status().as_u16(), "{refusal:?}");
            for field in ["title", "detail", "code", "fix"] {
                assert!(body[field].is_string(), "{refusal:?} {field}");
            }
            let code = body["code"].as_str().unwrap();
            assert_eq!(body["type"], format!("urn:closeout:problem:{code}"));
            assert!(body["retryable"].is_boolean());
        }
        assert!(Refusal::TooLarge.body().contains(&MAX_BODY_BYTES.to_string()));
    }
}
