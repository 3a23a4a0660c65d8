//! The way of a webhook, from its head to its answer.

use std::{
    collections::HashMap,
    fmt,
    hint::black_box,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{Router, extract::State, response::Response, routing::any};
use bytes::Bytes;
use closure_machine::{Heard, ProofSource};
use event_bodies::Reading;
use evidence_log::{DeadLetter, HookResult, Received, ReceivedLog};
use genesys_types::Time;
use http::{HeaderMap, Method, Request};
use orchestrator::{Delivery, Orchestrator};
use sha2::{Digest as _, Sha256};
use tracing::{debug, warn};
use webhook_signature::{Refused, Scheme, Verified};

use crate::{
    answer::{self, Refusal},
    hook::{self, Hook, InvalidHook},
    metrics, request,
};

/// Tells the wall clock in seconds since 1970; signatures are bound to it.
type WallClock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Serves `POST /hooks/{name}` for every hook.
pub struct Receiver {
    orchestrator: Orchestrator,
    hooks: Vec<(Arc<str>, Hook)>,
    by_name: HashMap<Arc<str>, usize>,
    received: ReceivedLog,
    wall_clock: WallClock,
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("hooks", &self.hooks).finish_non_exhaustive()
    }
}

/// Serves `POST /hooks/{name}` for these hooks on the machine's clock, and gives the log of what comes in.
///
/// # Errors
///
/// As [`Receiver::new`].
pub fn router(orchestrator: Orchestrator, hooks: Vec<Hook>) -> Result<(Router, ReceivedLog), InvalidHook> {
    let receiver = Receiver::new(orchestrator, hooks)?;
    let received = receiver.received();
    Ok((receiver.router(), received))
}

/// What became of a request, and what was learnt of its event on the way.
struct Outcome {
    result: HookResult,
    reason: Option<&'static str>,
    event: Option<(String, String, Option<genesys_types::ConversationId>)>,
    response: Response,
}

impl Outcome {
    fn refused(result: HookResult, reason: Option<&'static str>, refusal: Refusal) -> Self {
        Self { result, reason, event: None, response: refusal.answer() }
    }
}

impl Receiver {
    /// Checks the hooks, and warns of every one that believes anybody.
    ///
    /// # Errors
    ///
    /// [`InvalidHook`] when a name cannot stand in a path or stands twice, or an organisation is not configured.
    pub fn new(orchestrator: Orchestrator, hooks: Vec<Hook>) -> Result<Self, InvalidHook> {
        hook::check(&hooks, &orchestrator.organisations())?;
        for hook in &hooks {
            if matches!(hook.signature.scheme(), Scheme::Unsigned) {
                warn!(
                    hook = hook.name,
                    "this hook checks no signature: anybody who reaches it can have closures confirmed"
                );
            }
        }
        let hooks: Vec<(Arc<str>, Hook)> =
            hooks.into_iter().map(|hook| (Arc::from(hook.name.as_str()), hook)).collect();
        let names = || hooks.iter().map(|(name, _)| Arc::clone(name));
        let by_name = names().zip(0..).collect();
        let received = ReceivedLog::new(names());
        Ok(Self { orchestrator, hooks, by_name, received, wall_clock: Arc::new(machine_clock) })
    }

    /// Replaces the machine's clock, which time windows of signatures are held against: for tests.
    #[must_use]
    pub fn with_wall_clock(self, unix_seconds: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self { wall_clock: Arc::new(unix_seconds), ..self }
    }

    /// The log of what comes in.
    pub fn received(&self) -> ReceivedLog {
        self.received.clone()
    }

    /// The router; it needs nothing from the routers beside it.
    pub fn router(self) -> Router {
        Router::new().route("/hooks/{name}", any(receive)).with_state(Arc::new(self))
    }

    async fn answer(&self, at: Time, index: Option<usize>, request: Request<axum::body::Body>) -> Outcome {
        let (head, body) = request.into_parts();
        if head.method != Method::POST {
            return Outcome::refused(HookResult::WrongMethod, None, Refusal::WrongMethod);
        }
        if let Err(refusal) = request::check_type(&head.headers) {
            return Outcome::refused(HookResult::WrongType, None, refusal);
        }
        let body = match request::read_body(&head.headers, body).await {
            Ok(body) => body,
            Err(refusal) => {
                let too_large = refusal == Refusal::TooLarge;
                let result = if too_large { HookResult::TooLarge } else { HookResult::Incomplete };
                return Outcome::refused(result, None, refusal);
            }
        };
        let Some((index, (name, hook))) = index.and_then(|index| Some((index, self.hooks.get(index)?)))
        else {
            self.spend_what_a_signature_costs(&head.headers, &body);
            return Outcome::refused(HookResult::UnknownHook, None, Refusal::UnknownHook);
        };
        match self.verify(hook, &head.headers, &body) {
            Ok(verified) => self.take(at, index, name, hook, verified, &body).await,
            Err(refused) => Outcome::refused(HookResult::Refused, Some(refused.reason()), Refusal::Signature),
        }
    }

    fn verify(&self, hook: &Hook, headers: &HeaderMap, body: &[u8]) -> Result<Verified, Refused> {
        let lines = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        hook.signature.verify(lines, body, (self.wall_clock)())
    }

    /// Verifies against a hook that was not asked for, so that the time of an answer does not tell which hooks exist.
    fn spend_what_a_signature_costs(&self, headers: &HeaderMap, body: &[u8]) {
        let signed = |(_, hook): &&(Arc<str>, Hook)| !matches!(hook.signature.scheme(), Scheme::Unsigned);
        if let Some((_, hook)) = self.hooks.iter().find(signed) {
            black_box(self.verify(hook, headers, body)).ok();
        }
    }

    /// Takes what a verified sender sent.
    async fn take(
        &self,
        at: Time,
        index: usize,
        name: &Arc<str>,
        hook: &Hook,
        verified: Verified,
        body: &Bytes,
    ) -> Outcome {
        let digest: [u8; 32] = Sha256::digest(body).into();
        let reading = match read(hook, body) {
            Ok(reading) => reading,
            Err((reason, detail)) => {
                warn!(
                    hook = hook.name,
                    reason, "a signed webhook cannot be read; closeout hooks received shows it"
                );
                let response = answer::undecodable(reason, &detail);
                self.received.bury(
                    index,
                    DeadLetter {
                        at,
                        hook: Arc::clone(name),
                        reason,
                        detail,
                        digest,
                        length: body.len(),
                        body: DeadLetter::first_bytes(body),
                    },
                );
                return Outcome {
                    result: HookResult::Undecodable,
                    reason: Some(reason),
                    event: None,
                    response,
                };
            }
        };
        let delivery = delivery(hook, verified, reading, digest, at);
        let event = Some((delivery.event_type.clone(), delivery.event_id.clone(), delivery.conversation));
        match self.orchestrator.deliver(delivery).await {
            Ok(delivered) => {
                Outcome { result: delivered.into(), reason: None, event, response: answer::taken() }
            }
            Err(unavailable) => {
                warn!(hook = hook.name, %unavailable, "a webhook could not be stored: its sender has to repeat it");
                Outcome {
                    result: HookResult::Unavailable,
                    reason: Some("store_unavailable"),
                    event,
                    response: Refusal::Unavailable.answer(),
                }
            }
        }
    }

    fn note(&self, at: Time, index: Option<usize>, outcome: Outcome) -> Response {
        let name = index.and_then(|index| self.hooks.get(index)).map(|(name, _)| name);
        metrics::received(name, outcome.result.name());
        let (event_type, event_id, conversation) = match outcome.event {
            Some((event_type, event_id, conversation)) => (Some(event_type), Some(event_id), conversation),
            None => (None, None, None),
        };
        debug!(
            hook = name.map(|name| &**name),
            result = outcome.result.name(),
            reason = outcome.reason,
            conversation.id = conversation.map(tracing::field::display),
            "a webhook came in"
        );
        let received = Received {
            at,
            hook: name.cloned(),
            result: outcome.result,
            reason: outcome.reason,
            event_type,
            event_id,
            conversation,
        };
        self.received.note(index, received);
        outcome.response
    }
}

async fn receive(State(receiver): State<Arc<Receiver>>, request: Request<axum::body::Body>) -> Response {
    let at = receiver.orchestrator.now();
    let name = request.uri().path().rsplit('/').next().unwrap_or_default();
    let index = receiver.by_name.get(name).copied();
    let outcome = receiver.answer(at, index, request).await;
    receiver.note(at, index, outcome)
}

/// Reads the meaning of a body, or says why not: as a short constant name, and as a sentence.
fn read(hook: &Hook, body: &[u8]) -> Result<Reading, (&'static str, String)> {
    event_bodies::read(hook.decoder, body).map_err(|why| (why.reason(), why.to_string()))
}

/// Ties a reading to its hook. What the signature covers outranks what the body says of itself only for the id: it is
/// what a sender repeats when it repeats a delivery.
fn delivery(hook: &Hook, verified: Verified, reading: Reading, digest: [u8; 32], at: Time) -> Delivery {
    let signed_at = verified.signed_at.map(|seconds| Time::from_millis(seconds.saturating_mul(1_000)));
    let occurred_at = reading.happened_at.or(signed_at).unwrap_or(at);
    Delivery {
        organisation: hook.organisation.clone(),
        adapter: hook.name.clone(),
        event_type: reading.event_type,
        event_id: verified.message_id.or(reading.event_id).unwrap_or_else(|| hex(&digest)),
        digest,
        received_at: at,
        conversation: reading.conversation,
        heard: reading.what.map(|what| Heard { source: ProofSource::Webhook, occurred_at, what }),
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn machine_clock() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use webhook_signature::WebhookSignature;

    use super::*;
    use crate::Decoder;

    const CONVERSATION: &str = "7d1b5a44-3f0e-4d0c-9f4e-0a6c2b7e9a11";

    fn heard_at(occurred_at: &str, signed_at: Option<i64>) -> i64 {
        let hook = Hook {
            name: "hook".into(),
            organisation: "main".parse().unwrap(),
            signature: WebhookSignature::new(Scheme::Unsigned, Vec::new()).unwrap(),
            decoder: Decoder::Closeout,
        };
        let body = format!(
            r#"{{"conversationId": "{CONVERSATION}", "state": "disconnected", "occurredAt": {occurred_at}}}"#
        );
        let reading = read(&hook, body.as_bytes()).unwrap();
        let verified = Verified { signed_at, ..Verified::default() };
        let delivery = delivery(&hook, verified, reading, [0xa5; 32], Time::from_millis(3_000));
        assert_eq!(delivery.event_id, "a5".repeat(32));
        assert_eq!(delivery.received_at, Time::from_millis(3_000));
        delivery.heard.unwrap().occurred_at.millis()
    }

    #[test]
    fn an_event_happened_when_it_says_else_when_it_was_signed_else_when_it_came() {
        assert_eq!(heard_at("1000", Some(2)), 1_000);
        assert_eq!(heard_at("null", Some(2)), 2_000);
        assert_eq!(heard_at("null", None), 3_000);
    }
}
