//! What the platform answers when it refuses: the documented codes, texts and statuses.

use serde_json::{Value, json};

/// A refusal, to be written as an `ErrorBody`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub status: u16,
    pub code: &'static str,
    pub message: String,
    pub entity: Option<String>,
    /// The parameters of the message, with the message as it reads before they are filled in.
    pub params: Option<Box<(&'static str, &'static str, String)>>,
    /// The quota that was exceeded.
    pub limit: Option<u32>,
    /// Seconds to wait, told in `Retry-After`.
    pub retry_after: Option<u64>,
}

impl Refusal {
    fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { status, code, message, entity: None, params: None, limit: None, retry_after: None }
    }

    pub(crate) fn bad_request() -> Self {
        Self::new(
            400,
            "bad.request",
            "The request could not be understood by the server due to malformed syntax.",
        )
    }

    /// What is answered to a search for something that cannot be searched for; the words are reported, the code is a
    /// guess.
    pub(crate) fn search_not_supported() -> Self {
        Self::new(400, "bad.request", "Search not supported.")
    }

    pub(crate) fn invalid_value(field: &str) -> Self {
        Self::new(400, "invalid.value", format!("Value is missing or not valid for field [{field}]."))
    }

    pub(crate) fn communication_state_required() -> Self {
        Self::new(
            400,
            "communication.state.required",
            "Can only update a communication's state to disconnected.",
        )
    }

    pub(crate) fn no_active_conversations() -> Self {
        let code = "conversation.error.participant.no.active.conversations";
        Self::new(400, code, "Participant has no active conversations")
    }

    pub(crate) fn wrap_up_code_required() -> Self {
        let code = "conversation.error.wrapup.code.required";
        Self::new(400, code, "Wrapup code is a required field and cannot be empty.")
    }

    pub(crate) fn authentication_required() -> Self {
        let message = "No authentication bearer token specified in authorization header.";
        Self::new(401, "authentication.required", message)
    }

    pub(crate) fn bad_credentials() -> Self {
        Self::new(401, "bad.credentials", "Invalid login credentials.")
    }

    pub(crate) fn credentials_expired() -> Self {
        Self::new(401, "credentials.expired", "The supplied credentials are expired and cannot be used.")
    }

    /// Names the permissions of which at least one is needed.
    pub(crate) fn missing_permissions(any_of: &[&str]) -> Self {
        const TEXT: &str = "Unable to perform the requested action. You must have at least one of the following \
                            permissions assigned: {permissions}";
        let permissions = format!("[{}]", any_of.join(", "));
        let message = TEXT.replace("{permissions}", &permissions);
        Self {
            params: Some(Box::new((TEXT, "permissions", permissions))),
            ..Self::new(403, "missing.any.permissions", message)
        }
    }

    pub(crate) fn not_authorized() -> Self {
        Self::new(403, "not.authorized", "You are not authorized to perform the requested action.")
    }

    pub(crate) fn not_found() -> Self {
        Self::new(404, "not.found", "The requested resource was not found.")
    }

    pub(crate) fn conversation_not_found(id: uuid::Uuid) -> Self {
        let code = "conversation.error.conversation.not.found";
        Self { entity: Some(id.to_string()), ..Self::new(404, code, "The conversation does not exist.") }
    }

    pub(crate) fn not_a_participant(id: uuid::Uuid) -> Self {
        let code = "conversation.error.not.conversation.participant";
        let message = "User is not a participant in the conversation.";
        Self { entity: Some(id.to_string()), ..Self::new(404, code, message) }
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(405, "method.not.allowed", "The method is not allowed for the requested resource.")
    }

    pub(crate) fn conflict() -> Self {
        let message = "The request conflicts with the current state of the target resource.";
        Self::new(409, "general.conflict", message)
    }

    /// Names what the request conflicts with.
    pub(crate) fn conflict_because(message: impl Into<String>) -> Self {
        Self::new(409, "general.conflict", message)
    }

    /// Refuses to close without a wrap-up code, in the words of those who met this; the code is invented.
    pub(crate) fn disposition_required() -> Self {
        let message = "Invalid conversation state transition. Current state 'active' cannot transition to 'closed' \
                       without disposition.";
        Self::new(400, "conversation.error.disposition.required", message)
    }

    pub(crate) fn too_large() -> Self {
        Self::new(413, "request.entity.too.large", "The request is over the size limit.")
    }

    pub(crate) fn unsupported_media_type() -> Self {
        let message = "Unsupported Media Type - Unsupported or incorrect media type, such as an incorrect \
                       Content-Type value in the header.";
        Self::new(415, "unsupported.media.type", message)
    }

    /// Asks for a pause; `limit` names the quota that was exceeded.
    pub(crate) fn too_many_requests(retry_after: u64, limit: u32) -> Self {
        let message =
            format!("Rate limit exceeded the maximum. Retry the request in [{retry_after}] seconds");
        Self {
            limit: Some(limit),
            retry_after: Some(retry_after),
            ..Self::new(429, "too.many.requests.retry.after", message)
        }
    }

    /// Answers the refusal that goes with a server error's status.
    pub(crate) fn server_error(status: u16) -> Self {
        match status {
            502 => Self::new(502, "bad.gateway", "Bad Gateway"),
            503 => Self::new(
                503,
                "service.unavailable",
                "Service Unavailable - The server is currently unavailable (because it is overloaded or down for \
                 maintenance).",
            ),
            504 => Self::new(504, "request.timeout", "The request timed out."),
            _ => Self::new(
                500,
                "internal.server.error",
                "The server encountered an unexpected condition which prevented it from fulfilling the request.",
            ),
        }
    }

    /// Writes the `ErrorBody`.
    pub(crate) fn body(&self, correlation_id: &str) -> Value {
        let mut body = json!({
            "message": self.message,
            "code": self.code,
            "status": self.status,
            "contextId": correlation_id,
            "details": [],
            "errors": [],
        });
        if let Some(entity) = &self.entity {
            body["entityId"] = json!(entity);
        }
        if let Some((text, name, value)) = self.params.as_deref() {
            body["messageWithParams"] = json!(text);
            body["messageParams"] = json!({ *name: value });
        }
        if let Some(limit) = self.limit {
            body["limit"] = json!({
                "key": "client.credentials.token.rate.per.minute",
                "namespace": "platform.api",
                "value": limit,
            });
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTEXT: &str = "7272d362-23b2-4c14-9d40-dc7b7683153a";

    #[test]
    fn every_refusal_reads_as_its_sample() {
        let talk = uuid::Uuid::parse_str("7d1b5a44-3f0e-4d0c-9f4e-0a6c2b7e9a11").unwrap();
        let disconnect = ["conversation:communication:disconnect"];
        let pairs = [
            (Refusal::communication_state_required(), "error-400-communication-state-required"),
            (Refusal::no_active_conversations(), "error-400-no-active-conversations"),
            (Refusal::wrap_up_code_required(), "error-400-wrapup-code-required"),
            (Refusal::bad_credentials(), "error-401-bad-credentials"),
            (Refusal::credentials_expired(), "error-401-credentials-expired"),
            (Refusal::missing_permissions(&disconnect), "error-403-missing-any-permissions"),
            (Refusal::conversation_not_found(talk), "error-404-conversation-not-found"),
            (Refusal::conflict(), "error-409-conflict"),
            (Refusal::server_error(503), "error-503-service-unavailable"),
        ];
        for (refusal, name) in pairs {
            assert_eq!(refusal.body(CONTEXT), sample(name), "{name}");
        }
        assert_eq!(
            Refusal::too_many_requests(12, 300).body(CONTEXT),
            sample("error-429-too-many-requests")["body"]
        );
    }

    fn sample(name: &str) -> Value {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/genesys/samples/rest");
        serde_json::from_slice(&std::fs::read(format!("{folder}/{name}.json")).unwrap()).unwrap()
    }
}
