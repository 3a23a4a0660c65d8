//! The bodies that are taken, as `/openapi.json` describes them. They are read by `command` and `acts`, field by field, so
//! that a refusal can name the field.

#![expect(dead_code, reason = "these types describe what is read elsewhere; a test compares the fields")]

use std::collections::BTreeMap;

use utoipa::ToSchema;

/// What to close, and how.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct ClosureRequest {
    /// The organisation; not needed with a key for one organisation, or for one called `main`.
    #[schema(example = "main")]
    organisation: Option<String>,
    /// The conversation to close.
    #[schema(example = "2f7bf00a-0fc2-4d6a-9b56-92238191433e")]
    conversation_id: String,
    /// The guest, if the caller knows it; else it is found by a read.
    participant_id: Option<String>,
    /// Not available in this version.
    #[schema(value_type = Option<Object>)]
    target: Option<()>,
    /// Why, in the caller's words; at most 200 characters.
    #[schema(example = "order_completed")]
    reason: Option<String>,
    /// What is to be done otherwise than the organisation's configuration says.
    policy: Option<PolicyRequest>,
    /// Nothing is done before this time, at most 30 days ahead.
    #[schema(format = DateTime)]
    not_before: Option<String>,
    /// Only says what would be done, after one read.
    dry_run: Option<bool>,
    /// Not available in this version.
    #[schema(value_type = Option<Object>)]
    callback: Option<()>,
    /// At most 16 labels to find the closure by.
    labels: Option<BTreeMap<String, String>>,
}

/// What one command decides about closing.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct PolicyRequest {
    /// `webhook_or_read_back` or `webhook_only`: what counts as proof.
    evidence: Option<String>,
    /// `guest_first` or `conversation_first`.
    order: Option<String>,
    /// `refuse`, `wait` or `allow`.
    agent_connected: Option<String>,
    /// `patch` or `delete`.
    wrapper_close: Option<String>,
    /// `none`, `skip`, or an object with the `id` of a wrap-up code and `notes`.
    #[schema(value_type = Option<Object>)]
    wrap_up: Option<()>,
    /// When a closure without proof becomes a ghost: an ISO 8601 duration from PT1S to PT72H.
    #[schema(example = "PT2M")]
    deadline: Option<String>,
}

/// Why an operator acts.
#[derive(ToSchema)]
pub(crate) struct ActRequest {
    /// Required for force and resolve; at most 1,000 characters.
    reason: Option<String>,
}

/// Whose calls to stop or let go on.
#[derive(ToSchema)]
pub(crate) struct OutgoingRequest {
    /// The organisation; chosen as for a closure when it is left out.
    organisation: Option<String>,
    /// Why. It is logged.
    reason: Option<String>,
}
