//! The bodies that are taken, as `/openapi.json` describes them. They are read by `command` and `acts`, field by field, so
//! that a refusal can name the field.

#![expect(dead_code, reason = "these types describe what is read elsewhere; a test compares the fields")]

use std::collections::BTreeMap;

use utoipa::ToSchema;

/// What to close, and how.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ClosureRequest {
    /// The organisation; not needed with a key for one organisation, or for one called `main`.
    #[schema(example = "main")]
    organisation: Option<String>,
    /// The conversation to close; required unless `target` stands in its place.
    #[schema(example = "2f7bf00a-0fc2-4d6a-9b56-92238191433e", format = "uuid")]
    conversation_id: Option<String>,
    /// The guest, if the caller knows it; else it is found by a read.
    #[schema(format = "uuid")]
    participant_id: Option<String>,
    /// How to find the conversation to close: it is looked up among the open ones. More than one that fits is refused,
    /// never guessed.
    target: Option<TargetRequest>,
    /// Why, in the caller's words; at most 200 characters.
    #[schema(
        example = "order_completed",
        max_length = 200,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]*$"
    )]
    reason: Option<String>,
    /// What is to be done otherwise than the organisation's configuration says.
    policy: Option<PolicyRequest>,
    /// Nothing is done before this time, at most 30 days ahead.
    #[schema(format = "date-time")]
    not_before: Option<String>,
    /// Only says what would be done, after one read, and a lookup where `target` is given.
    dry_run: Option<bool>,
    /// Where to tell of the closure. The service's operator says which hosts are allowed.
    callback: Option<CallbackRequest>,
    /// At most 16 labels to find the closure by.
    labels: Option<BTreeMap<String, String>>,
}

/// Where to tell of a closure, and of what.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallbackRequest {
    /// CloudEvents are posted there, signed as Standard Webhooks: https, an allowed host, no credentials.
    #[schema(example = "https://shop.example/hooks/closed")]
    url: String,
    /// Of what: accepted, participant_closed, confirmed, closed (already_closed included), already_closed, blocked, ghost,
    /// ghost_cleared, failed, cancelled, resolved, guest_returned. Without it: closed, ghost, failed, cancelled, resolved.
    #[schema(min_items = 1)]
    on: Option<Vec<String>>,
}

/// How to find a conversation: by one of both.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TargetRequest {
    /// The id under which another system knows the guest or the conversation; at most 256 characters, compared letter
    /// by letter. Where Genesys keeps it is configured as lookup.external_id_dimension.
    #[schema(
        example = "customer-4711",
        min_length = 1,
        max_length = 256,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]*$"
    )]
    external_id: Option<String>,
    /// An attribute of a participant.
    attribute: Option<AttributeRequest>,
}

/// An attribute of a participant, both compared letter by letter.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AttributeRequest {
    /// Its name, at most 128 characters.
    #[schema(
        example = "orderId",
        min_length = 1,
        max_length = 128,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]*$"
    )]
    name: String,
    /// Its whole value, at most 1,024 characters.
    #[schema(
        example = "8812",
        min_length = 1,
        max_length = 1024,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]*$"
    )]
    value: String,
}

/// What one command decides about closing.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PolicyRequest {
    /// `webhook_or_read_back` or `webhook_only`: what counts as proof.
    #[schema(pattern = "^(?:webhook_or_read_back|webhook_only)$")]
    evidence: Option<String>,
    /// `guest_first` or `conversation_first`.
    #[schema(pattern = "^(?:guest_first|conversation_first)$")]
    order: Option<String>,
    /// `refuse`, `wait` or `allow`.
    #[schema(pattern = "^(?:refuse|wait|allow)$")]
    agent_connected: Option<String>,
    /// `patch` or `delete`.
    #[schema(pattern = "^(?:patch|delete)$")]
    wrapper_close: Option<String>,
    /// `never`, `once` or `up_to_3`: whether a closure is opened that follows this one when the guest comes back.
    #[schema(pattern = "^(?:never|once|up_to_3)$")]
    guest_returns: Option<String>,
    /// `none`, `skip`, or an object with the `id` of a wrap-up code, or its `name` in the agent's queue, and `notes`.
    #[schema(value_type = Option<Object>)]
    wrap_up: Option<()>,
    /// When a closure without proof becomes a ghost: an ISO 8601 duration from PT1S to PT72H.
    #[schema(example = "PT2M", pattern = "^PT(?=[0-9])(?:[0-9]{1,6}H)?(?:[0-9]{1,7}M)?(?:[0-9]{1,8}S)?$")]
    deadline: Option<String>,
}

/// Why an operator acts.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ActRequest {
    /// Required for force, resolve and discard; at most 1,000 characters.
    #[schema(
        max_length = 1000,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]*$"
    )]
    reason: Option<String>,
}

/// Who sees to a ghost is the key that says so.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ClaimRequest {
    /// At most 1,000 characters.
    #[schema(
        max_length = 1000,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]*$"
    )]
    reason: Option<String>,
    /// Whether to claim it also where somebody else has; without it that is refused.
    take_over: Option<bool>,
}

/// Until when a ghost need not be announced again.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SnoozeRequest {
    /// Ahead, by at most 30 days.
    #[schema(format = "date-time")]
    until: String,
    /// At most 1,000 characters.
    #[schema(
        max_length = 1000,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]*$"
    )]
    reason: Option<String>,
}

/// Something about a ghost that others should know.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CommentRequest {
    /// At most 1,000 characters.
    #[schema(
        max_length = 1000,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]*[^\\s\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069][^\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]*$"
    )]
    comment: String,
}

/// Whose calls to stop or let go on.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OutgoingRequest {
    /// The organisation; a key for several has to name it.
    organisation: Option<String>,
    /// Why. It is logged.
    #[schema(
        max_length = 1000,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]*$"
    )]
    reason: Option<String>,
}

/// One row of a batch. In CSV `labels` and `policy` are columns: `label.NAME`, `policy.NAME`.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct BatchRow {
    /// The conversation to close.
    #[schema(format = "uuid")]
    conversation_id: String,
    /// The guest's participant, where it is known.
    #[schema(format = "uuid")]
    participant_id: Option<String>,
    /// The producer's own key for this row; in the same scope as the header of a command.
    #[schema(pattern = "^[!-~]{1,255}$")]
    idempotency_key: Option<String>,
    /// As of a command.
    labels: Option<BTreeMap<String, String>>,
    /// As of a command.
    policy: Option<PolicyRequest>,
}

/// Rows that nobody gives: those of a filter or of a scan.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct BatchWanted {
    /// The conversations of closures that match. Open closures are acted on, not closed again: their rows are left out.
    filter: Option<BatchFilter>,
    /// Conversations that nobody asked to be closed and that are stuck. They are looked for; the answer comes at once.
    scan: Option<BatchScanRequest>,
    /// An act that is done to closures, in place of closing their conversations: retry, verify, cancel, resolve or force. It goes with
    /// a filter or with `closures`.
    #[schema(pattern = "^(?:retry|verify|cancel|resolve|force)$")]
    act: Option<String>,
    /// The ids of the closures that the act is done to.
    #[schema(min_items = 1, max_items = 10_000)]
    closures: Option<Vec<String>>,
    /// `preview` (usual), or `execute` to run what a filter finds at once, with a key of role operate. Never with a scan.
    #[schema(pattern = "^(?:preview|execute)$")]
    mode: Option<String>,
    /// With `execute`: why. At most 200 characters.
    #[schema(
        max_length = 200,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]*$"
    )]
    reason: Option<String>,
}

/// Which closures. At least one field is given.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct BatchFilter {
    /// In these states; one, or a list.
    #[schema(value_type = Option<Vec<String>>, min_items = 1)]
    state: Option<()>,
    /// With these reasons; one, or a list.
    #[schema(value_type = Option<Vec<String>>, min_items = 1)]
    closure_reason: Option<()>,
    /// Of conversations of these queues; one, or a list; `none` for those whose queue is not known. It goes with the state ghost,
    /// and no other.
    #[schema(value_type = Option<Vec<String>>, min_items = 1)]
    queue_id: Option<()>,
    /// Where the command came from.
    source: Option<String>,
    /// With all of these labels.
    labels: Option<BTreeMap<String, String>>,
    /// Accepted at or after this time, or this long ago.
    #[schema(example = "PT8H")]
    since: Option<String>,
    /// Accepted before this time, or this long ago.
    until: Option<String>,
}

/// Which conversations are stuck. A human agent who is connected, or somebody who came or left lately, makes one none.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct BatchScanRequest {
    /// For how long it has been open, and nobody came or left: PT24H unless it is said, at least PT5M.
    #[schema(example = "PT24H", pattern = "^PT(?=[0-9])(?:[0-9]{1,6}H)?(?:[0-9]{1,7}M)?(?:[0-9]{1,8}S)?$")]
    older_than: Option<String>,
    /// How long ago it may have begun: P7D unless it is said, at most P31D.
    #[schema(pattern = "^PT(?=[0-9])(?:[0-9]{1,6}H)?(?:[0-9]{1,7}M)?(?:[0-9]{1,8}S)?$")]
    within: Option<String>,
    /// Only conversations that were in this queue.
    #[schema(format = "uuid")]
    queue_id: Option<String>,
    /// Only this message type.
    #[schema(example = "webmessaging", pattern = "^[0-9A-Za-z]{1,40}$")]
    message_type: Option<String>,
    /// At most so many are looked at: 1,000 unless it is said, 10,000 at most. Each costs one read.
    #[schema(minimum = 1, maximum = 10_000)]
    limit: Option<u32>,
}

/// What executes a batch.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct BatchExecution {
    /// The token of the preview.
    confirm_token: String,
    /// Why; it becomes the reason of every closure. At most 200 characters.
    #[schema(
        max_length = 200,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]*[^\\s\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069][^\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]*$"
    )]
    reason: String,
}
