//! From a refusal's status, headers and body to a fault (API.md §4).

use std::{collections::BTreeMap, time::Duration};

use http::StatusCode;
use serde::Deserialize;

use crate::{
    fault::{Fault, FaultKind, bounded_message, bounded_word},
    json::{Flexible, Object, Text, parse},
};

/// The wait after a 429 that does not say one (the Java SDK's value, API.md §4).
pub(crate) const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(3);

/// The code with which a wrap-up is asked for.
const WRAP_UP_REQUIRED: &str = "conversation.error.wrapup.code.required";

/// The platform's `ErrorBody`, as far as it is used. Every field may be missing.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ErrorBody {
    code: Text,
    message: Text,
    context_id: Text,
    message_params: Flexible<BTreeMap<String, Text>>,
}

/// A refusal as it came.
pub(crate) struct Refusal<'a> {
    pub(crate) status: StatusCode,
    pub(crate) correlation_id: Option<Box<str>>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: &'a [u8],
    /// Whether the request could have changed something.
    pub(crate) is_write: bool,
}

/// Reads a refusal. A body that cannot be read takes nothing away from what the status says.
pub(crate) fn fault(refusal: Refusal<'_>) -> Fault {
    let body = parse::<Object<ErrorBody>>(refusal.body).map(|object| object.0).unwrap_or_default();
    let code = body.code.0.as_deref();
    let kind = match refusal.status.as_u16() {
        400 | 409 if code == Some(WRAP_UP_REQUIRED) => FaultKind::WrapUpRequired,
        401 => FaultKind::Unauthenticated,
        403 => FaultKind::Forbidden { missing: missing_permissions(&body) },
        404 => FaultKind::NotFound,
        409 => FaultKind::Conflict,
        429 => FaultKind::RateLimited { retry_after: refusal.retry_after.unwrap_or(DEFAULT_RETRY_AFTER) },
        // A gateway that gave up, or lost the service, cannot know whether the write was done.
        502 | 504 if refusal.is_write => FaultKind::OutcomeUnknown,
        408 | 500.. => FaultKind::Server,
        _ => FaultKind::Rejected,
    };
    let message = match &body.message.0 {
        Some(message) => bounded_message(message),
        None if refusal.status.is_redirection() => "redirects are not followed".into(),
        None => refusal.status.canonical_reason().unwrap_or("no reason given").into(),
    };
    Fault {
        kind,
        status: Some(refusal.status.as_u16()),
        code: code.map(bounded_word),
        message,
        correlation_id: refusal.correlation_id.or_else(|| body.context_id.0.as_deref().map(bounded_word)),
    }
}

/// The permissions that a 403 names, from its parameters or else from its text.
fn missing_permissions(body: &ErrorBody) -> Option<Box<str>> {
    let parameters = body.message_params.0.iter().flat_map(BTreeMap::values);
    let texts = parameters.chain([&body.message]).filter_map(|text| text.0.as_deref());
    for text in texts {
        let named: Vec<&str> = text
            .split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, ':' | '*' | '_' | '-')))
            .map(|word| word.trim_matches(':'))
            .filter(|word| word.split(':').count() == 3 && word.split(':').all(|part| !part.is_empty()))
            .collect();
        if !named.is_empty() {
            return Some(bounded_message(&named.join(", ")));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/genesys/samples/rest/");
        std::fs::read(format!("{folder}{name}")).unwrap()
    }

    fn of(status: u16, body: &[u8]) -> Fault {
        let status = StatusCode::from_u16(status).unwrap();
        fault(Refusal { status, correlation_id: None, retry_after: None, body, is_write: true })
    }

    #[test]
    fn each_sample_becomes_the_fact_that_it_states() {
        let forbidden =
            FaultKind::Forbidden { missing: Some("conversation:communication:disconnect".into()) };
        for (status, name, kind) in [
            (400, "error-400-wrapup-code-required.json", FaultKind::WrapUpRequired),
            (400, "error-400-no-active-conversations.json", FaultKind::Rejected),
            (400, "error-400-communication-state-required.json", FaultKind::Rejected),
            (401, "error-401-bad-credentials.json", FaultKind::Unauthenticated),
            (403, "error-403-missing-any-permissions.json", forbidden),
            (404, "error-404-conversation-not-found.json", FaultKind::NotFound),
            (409, "error-409-conflict.json", FaultKind::Conflict),
            (503, "error-503-service-unavailable.json", FaultKind::Server),
        ] {
            let fault = of(status, &sample(name));
            assert_eq!(fault.kind, kind, "{name}");
            assert_eq!(
                fault.correlation_id.as_deref(),
                Some("7272d362-23b2-4c14-9d40-dc7b7683153a"),
                "{name}"
            );
            assert!(fault.code.is_some() && !fault.message.is_empty(), "{name}");
        }
    }

    #[test]
    fn what_genesys_says_steers_nothing_where_it_is_shown() {
        let body = "{\"message\": \"no\\u001b[2J\u{202e}\u{2028}\u{61c}so\", \"code\": \"a\u{200f}b\"}";
        let fault = of(409, body.as_bytes());
        assert_eq!((&*fault.message, fault.code.as_deref()), ("no [2J   so", Some("a b")));
    }

    #[test]
    fn a_missing_permission_is_found_in_the_text_too() {
        let body = br#"{"message": "You are missing the following permission(s): conversation:participant:wrapup, conversation:communication:view."}"#;
        assert_eq!(
            of(403, body).kind,
            FaultKind::Forbidden {
                missing: Some("conversation:participant:wrapup, conversation:communication:view".into())
            }
        );
        assert_eq!(of(403, b"{}").kind, FaultKind::Forbidden { missing: None });
    }

    #[test]
    fn hostile_bodies_take_nothing_from_the_status() {
        let long = format!(r#"{{"message": "{}", "code": 7}}"#, "x".repeat(5_000));
        let bodies: [&[u8]; 6] = [b"", b"<html>", b"[]", br#"["a","b"]"#, b"\xff\xfe", long.as_bytes()];
        for body in bodies {
            let fault = of(404, body);
            assert_eq!(fault.kind, FaultKind::NotFound);
            assert!(fault.message.chars().count() <= 300 && !fault.message.is_empty());
            assert_eq!(fault.code, None);
        }
        let with_newline = of(400, br#"{"message": "one\ntwo\u0000"}"#);
        assert_eq!(&*with_newline.message, "one two ");
    }

    #[test]
    fn a_gateway_that_lost_a_write_does_not_know_its_outcome() {
        for status in [502, 504] {
            assert_eq!(of(status, b"").kind, FaultKind::OutcomeUnknown);
            let status = StatusCode::from_u16(status).unwrap();
            let read =
                Refusal { status, correlation_id: None, retry_after: None, body: b"", is_write: false };
            assert_eq!(fault(read).kind, FaultKind::Server);
        }
    }

    #[test]
    fn every_other_refusal_is_final() {
        for status in [300, 302, 307, 400, 405, 410, 413, 415, 422] {
            assert_eq!(of(status, b"").kind, FaultKind::Rejected, "{status}");
        }
        for status in [408, 500, 501, 503, 599] {
            assert_eq!(of(status, b"").kind, FaultKind::Server, "{status}");
        }
    }
}
