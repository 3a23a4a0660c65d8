//! Refusals as RFC 9457 problem details.

use std::{borrow::Cow, time::Duration};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{batches::narrowing::NarrowingView, target::CandidateView};

/// A kind of refusal: everything about it that does not depend on the request. The kinds stand in [`kinds`].
#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) title: &'static str,
    /// Whether the same request can succeed later.
    pub(crate) retryable: bool,
    /// What the caller can do.
    pub(crate) fix: &'static str,
}

/// What Genesys answered, where that caused the refusal or the state that is told of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = GenesysAnswer)]
pub(crate) struct Genesys {
    /// The HTTP status; null when no answer came.
    pub(crate) status: Option<u16>,
    /// Genesys' error code.
    pub(crate) code: Option<String>,
    /// What Genesys' support asks for.
    pub(crate) correlation_id: Option<String>,
}

/// A refusal of one request.
#[derive(Debug)]
pub(crate) struct Problem(Box<Facts>);

#[derive(Debug)]
struct Facts {
    kind: &'static Kind,
    detail: Cow<'static, str>,
    fix: Cow<'static, str>,
    field: Option<String>,
    closure: Option<String>,
    genesys: Option<Genesys>,
    candidates: Option<Vec<CandidateView>>,
    filter: Option<NarrowingView>,
    retry_after: Option<Duration>,
}

/// RFC 9457 problem details.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub(crate) struct ProblemView<'a> {
    /// `urn:closeout:problem:` and the code.
    #[schema(example = "urn:closeout:problem:invalid_field")]
    r#type: String,
    /// The kind of problem in a few words.
    title: &'a str,
    /// The HTTP status.
    #[schema(example = 422)]
    status: u16,
    /// What is wrong with this request.
    detail: &'a str,
    /// The kind of problem for programs. It never changes.
    code: &'a str,
    /// Whether the same request can succeed later.
    retryable: bool,
    /// What the caller can do.
    fix: &'a str,
    /// The field, header or parameter that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    /// The closure that stands in the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    closure: Option<&'a str>,
    /// What Genesys answered, where that is the cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    genesys: Option<&'a Genesys>,
    /// The open conversations that fit the target, where there are several; of very many not all.
    #[serde(skip_serializing_if = "Option::is_none")]
    candidates: Option<&'a [CandidateView]>,
    /// A filter that can be taken, where more match the given one than a batch has rows: it has the earliest of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<&'a NarrowingView>,
}

/// A sentence that may quote what somebody sent: it can be shown anywhere.
fn spelt(sentence: Cow<'static, str>) -> Cow<'static, str> {
    match shown_text::on_one_line(&sentence) {
        Cow::Owned(spelt) => spelt.into(),
        Cow::Borrowed(_) => sentence,
    }
}

impl Problem {
    pub(crate) fn new(kind: &'static Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Facts {
            kind,
            detail: spelt(detail.into()),
            fix: Cow::Borrowed(kind.fix),
            field: None,
            closure: None,
            genesys: None,
            candidates: None,
            filter: None,
            retry_after: None,
        }))
    }

    /// A field, header or parameter of the request that cannot be used.
    pub(crate) fn invalid(field: impl Into<String>, detail: impl Into<Cow<'static, str>>) -> Self {
        let problem = Self::new(&kinds::INVALID, detail);
        problem.field(field)
    }

    /// The HTTP status.
    pub(crate) fn status_code(&self) -> StatusCode {
        self.0.kind.status
    }

    /// The kind of problem for programs.
    pub(crate) fn code(&self) -> &'static str {
        self.0.kind.code
    }

    pub(crate) fn fix(mut self, fix: impl Into<Cow<'static, str>>) -> Self {
        self.0.fix = spelt(fix.into());
        self
    }

    /// Says where ids are listed, if it is about the one in the path. A cursor is what a list was answered with.
    pub(crate) fn ids_at(self, list: &str) -> Self {
        if self.0.field.as_deref() == Some("id") {
            self.fix(format!("Give one of the ids that GET {list} lists."))
        } else {
            self
        }
    }

    pub(crate) fn field(mut self, field: impl Into<String>) -> Self {
        self.0.field = Some(spelt(Cow::Owned(field.into())).into_owned());
        self
    }

    pub(crate) fn closure(mut self, id: String) -> Self {
        self.0.closure = Some(id);
        self
    }

    pub(crate) fn genesys(mut self, genesys: Genesys) -> Self {
        self.0.genesys = Some(genesys);
        self
    }

    pub(crate) fn candidates(mut self, candidates: Vec<CandidateView>) -> Self {
        self.0.candidates = Some(candidates);
        self
    }

    pub(crate) fn filter(mut self, filter: NarrowingView) -> Self {
        self.0.filter = Some(filter);
        self
    }

    pub(crate) fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// Code, field and sentence.
    pub(crate) fn into_parts(self) -> (&'static str, Option<String>, String) {
        (self.0.kind.code, self.0.field, self.0.detail.into_owned())
    }

    /// The sentence about this request, alone.
    pub(crate) fn into_detail(self) -> String {
        self.0.detail.into_owned()
    }

    /// The HTTP status.
    #[cfg(test)]
    pub(crate) fn status(&self) -> u16 {
        self.0.kind.status.as_u16()
    }

    /// The sentence about this request.
    #[cfg(test)]
    pub(crate) fn detail(&self) -> &str {
        &self.0.detail
    }
}

#[cfg(test)]
impl Problem {
    /// The name of the field that is wrong.
    pub(crate) fn field_name(&self) -> Option<&str> {
        self.0.field.as_deref()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Facts { kind, detail, fix, field, closure, genesys, candidates, filter, retry_after } = *self.0;
        let view = ProblemView {
            r#type: format!("urn:closeout:problem:{}", kind.code),
            title: kind.title,
            status: kind.status.as_u16(),
            detail: &detail,
            code: kind.code,
            retryable: kind.retryable,
            fix: &fix,
            field: field.as_deref(),
            closure: closure.as_deref(),
            genesys: genesys.as_ref(),
            candidates: candidates.as_deref(),
            filter: filter.as_ref(),
        };
        let body = serde_json::to_vec(&view).expect("a problem has no key that is not a text");
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = kind.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if kind.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"closeout\""));
        }
        if kind.status == StatusCode::PAYLOAD_TOO_LARGE {
            // The rest of the body is not read, so the connection cannot carry another request.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(wait) = retry_after {
            let seconds = wait.as_millis().div_ceil(1_000).max(1);
            let value = HeaderValue::try_from(seconds.to_string()).expect("digits are a header value");
            headers.insert(header::RETRY_AFTER, value);
        }
        response
    }
}

/// Every kind of refusal: the one table from outcome to HTTP status.
pub(crate) mod kinds {
    use super::Kind;
    use http::StatusCode;

    macro_rules! kinds {
        ($($name:ident = $status:ident, $code:literal, $title:literal, retryable: $retryable:literal, $fix:literal;)*) => {
            $(pub(crate) static $name: Kind = Kind {
                status: StatusCode::$status, code: $code, title: $title, retryable: $retryable, fix: $fix,
            };)*

            /// All of them, for descriptions.
            pub(crate) static ALL: &[&Kind] = &[$(&$name),*];
        };
    }

    kinds! {
        INVALID_JSON = BAD_REQUEST, "invalid_json", "The body is not JSON", retryable: false,
            "Send one JSON object, without repeated names.";
        INVALID_HEADER = BAD_REQUEST, "invalid_header", "A header cannot be used", retryable: false,
            "Correct the header that the detail names.";
        BROKEN_BODY = BAD_REQUEST, "broken_body", "The body broke off", retryable: true,
            "Send the request again, whole.";
        UNAUTHENTICATED = UNAUTHORIZED, "unauthenticated", "A key is needed", retryable: false,
            "Send `Authorization: Bearer <key>` with a key whose SHA-256 stands in tokens.toml.";
        FORBIDDEN = FORBIDDEN, "role_too_small", "The key's role does not allow this", retryable: false,
            "Use a key with the role that the detail names.";
        NO_ROUTE = NOT_FOUND, "no_such_route", "There is nothing under this path", retryable: false,
            "GET /openapi.json lists every path.";
        NO_CLOSURE = NOT_FOUND, "no_such_closure", "There is no such closure", retryable: false,
            "Check the id, and that the key is allowed the closure's organisation. Ended closures are kept for the time of [store] retention.";
        NO_DELIVERY = NOT_FOUND, "no_such_delivery", "There is no such delivery", retryable: false,
            "GET /v1/deliveries lists them. Settled ones are kept for the time of [store] retention.";
        NO_BATCH = NOT_FOUND, "no_such_batch", "There is no such batch", retryable: false,
            "GET /v1/batches lists them. Those that are done are kept for the time of [store] retention.";
        NO_SOURCE = NOT_FOUND, "no_such_source", "There is no such source", retryable: false,
            "GET /v1/sources lists them. HTTP is no source in this sense: it cannot be paused.";
        NO_LETTER = NOT_FOUND, "no_such_dead_letter", "There is no such dead letter", retryable: false,
            "GET /v1/dead-letters lists them. Those that were seen to are kept for the time of [store] retention.";
        METHOD = METHOD_NOT_ALLOWED, "method_not_allowed", "The path does not take this method", retryable: false,
            "The Allow header names the methods that it takes.";
        CONTRADICTS = CONFLICT, "contradicting_options", "An open closure of the conversation does it otherwise", retryable: false,
            "Follow the closure that is open, leave the option out to be content with it, or cancel it first.";
        UNFIT = CONFLICT, "act_does_not_fit", "The act does not fit the closure's state", retryable: false,
            "GET the closure's /explain: it names what can be done.";
        CLAIMED = CONFLICT, "claimed_by_another", "Somebody else sees to the ghost", retryable: false,
            "Speak with whoever claims it, or take it over with {\"takeOver\": true}.";
        BATCH_UNFIT = CONFLICT, "batch_act_does_not_fit", "The act does not fit the batch's state", retryable: false,
            "GET the batch: only a preview is executed, and only what runs is paused, resumed or cancelled.";
        LETTER_UNFIT = CONFLICT, "dead_letter_act_does_not_fit", "The act does not fit the dead letter", retryable: false,
            "GET the dead letter: only one that is held is redriven or discarded.";
        OTHER_TOKEN = CONFLICT, "confirm_token_mismatch", "The token is for other rows", retryable: false,
            "Look at the preview again, and give the confirmToken that it was answered with.";
        TOKEN_EXPIRED = CONFLICT, "confirm_token_expired", "The preview is too old", retryable: false,
            "POST the rows to /v1/batches again, and look at the new preview.";
        OTHER_VERSION = PRECONDITION_FAILED, "version_changed", "The closure has changed", retryable: false,
            "GET the closure, look at what changed, and repeat with its new ETag in If-Match.";
        TOO_LARGE = PAYLOAD_TOO_LARGE, "body_too_large", "The body is too large", retryable: false,
            "A body has 64 KiB at most.";
        NOT_JSON = UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "The body's type is not understood", retryable: false,
            "Send JSON in UTF-8 as `Content-Type: application/json`, without Content-Encoding.";
        INVALID = UNPROCESSABLE_ENTITY, "invalid_field", "A field cannot be used", retryable: false,
            "Correct the field that `field` names. GET /openapi.json describes all fields.";
        AMBIGUOUS = UNPROCESSABLE_ENTITY, "ambiguous_target", "Several open conversations fit the target", retryable: false,
            "Look at `candidates`, and name the one to close by its conversationId.";
        NOT_AVAILABLE = UNPROCESSABLE_ENTITY, "not_available", "This version does not do that", retryable: false,
            "Leave the field out.";
        UNREADABLE_BATCH = UNPROCESSABLE_ENTITY, "unreadable_batch", "The rows cannot be read", retryable: false,
            "Send a JSON list, an object on each line, CSV with headings, or ids as text/plain: 10,000 rows at most.";
        UNKNOWN_ORGANISATION = UNPROCESSABLE_ENTITY, "unknown_organisation", "The organisation is not known", retryable: false,
            "Name one of your organisations. GET /v1/whoami lists them.";
        KEY_REUSED = UNPROCESSABLE_ENTITY, "idempotency_key_reused", "The key stands for another command", retryable: false,
            "Use a new Idempotency-Key for a new command, and repeat a command unchanged.";
        LETTER_REFUSED = UNPROCESSABLE_ENTITY, "dead_letter_refused", "The command cannot be taken now either", retryable: false,
            "Remove the cause that the detail names and redrive it again, or discard it.";
        FULL = TOO_MANY_REQUESTS, "too_many_open", "Too many closures are open", retryable: true,
            "Send the same request again after the time in Retry-After.";
        UNREADABLE = INTERNAL_SERVER_ERROR, "unreadable_record", "A stored record cannot be read", retryable: false,
            "Ask an operator to look at the service's log; the record is kept.";
        GENESYS = BAD_GATEWAY, "genesys_refused", "Genesys did not show the conversation", retryable: true,
            "Look at `genesys`: its status and code say why.";
        CREDENTIAL = BAD_GATEWAY, "genesys_credential", "Genesys does not accept the credential", retryable: false,
            "Check the client id, its secret and the region with `closeout doctor --online`.";
        PERMISSION = BAD_GATEWAY, "genesys_permission", "Genesys does not allow it", retryable: false,
            "In Genesys, compare the roles of the OAuth client with the list in the README.";
        UNREACHABLE = BAD_GATEWAY, "genesys_unreachable", "Genesys could not be reached", retryable: true,
            "Check the way to Genesys (the region, a proxy, the network), and send the same request again.";
        PAUSED = SERVICE_UNAVAILABLE, "organisation_paused", "All calls of the organisation are paused", retryable: true,
            "Resume them with `closeout outgoing resume` (POST /v1/outgoing/resume), and send the same request again.";
        BLOCKED = SERVICE_UNAVAILABLE, "organisation_blocked", "Genesys refuses the organisation", retryable: true,
            "Remove the cause that the detail names, and send the same request again.";
        BUSY = SERVICE_UNAVAILABLE, "no_quota", "No call to Genesys is free at present", retryable: true,
            "Send the same request again after the time in Retry-After.";
        NO_ROOM = SERVICE_UNAVAILABLE, "too_many_streams", "Too many streams of events are open", retryable: true,
            "Close a stream that nobody reads, or ask again after the time in Retry-After. One stream of GET /v1/events tells of every closure.";
        STOPPING = SERVICE_UNAVAILABLE, "stopping", "The service is stopping", retryable: true,
            "Send the same request again after the time in Retry-After.";
        OVERLOADED = SERVICE_UNAVAILABLE, "overloaded", "More commands come than can be taken", retryable: true,
            "Send the same request again after the time in Retry-After, with the same Idempotency-Key.";
        STORE = SERVICE_UNAVAILABLE, "store_unavailable", "Nothing can be stored at present", retryable: true,
            "Send the same request again after the time in Retry-After, with the same Idempotency-Key.";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_code_of_its_own_and_says_what_to_do() {
        let mut codes: Vec<_> = kinds::ALL.iter().map(|kind| kind.code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), kinds::ALL.len());
        for kind in kinds::ALL {
            assert!(kind.fix.ends_with('.'), "{}", kind.code);
            assert!(kind.status.is_client_error() || kind.status.is_server_error(), "{}", kind.code);
        }
    }
}
