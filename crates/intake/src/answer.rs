//! What is answered at once to a message that names where: only where no ending of its own will follow. Best effort: what became
//! of the message is durable whether its producer hears of it or not.

use orchestrator::{Record, Submitted, closure_id, names};
use queue::{Headers, Message, Outgoing};
use serde_json::{Value, json};

use crate::{
    letter::{Why, mark},
    metrics,
    run::Line,
    take::{correlation, hex, trace},
};

/// The type of the CloudEvent.
pub(crate) const ANSWER_TYPE: &str = "closeout.command.answered.v1";

/// The media type of a CloudEvent in structured mode.
pub(crate) const CLOUD_EVENT: &str = "application/cloudevents+json; charset=utf-8";

/// What became of a command.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer(Value);

impl Answer {
    /// That a command joined a closure which is told to whoever had it opened, or asks again for one. A new closure is answered
    /// by its ending.
    pub(crate) fn of_submitted(submitted: &Submitted) -> Option<Self> {
        match submitted {
            Submitted::Accepted(_) => None,
            Submitted::Attached(record) => Some(Self::of_closure("attached", record)),
            Submitted::Repeated { record, attached: _ } => Some(Self::of_closure("repeated", record)),
        }
    }

    fn of_closure(result: &str, record: &Record) -> Self {
        let closure = &record.closure;
        Self(json!({
            "result": result,
            "closure": closure_id(record.key),
            "conversationId": closure.conversation.map(|id| id.to_string()),
            "state": names::state(closure),
            "reason": names::reason(closure),
            "ended": closure.has_ended(),
        }))
    }

    /// That a command was refused.
    pub(crate) fn of_refusal(why: &Why) -> Self {
        let Why { reason, field, detail } = why;
        Self(json!({ "result": "refused", "reason": reason, "field": field, "detail": detail }))
    }
}

impl Line {
    /// Answers a message, where there is something to say and it names an address that is allowed.
    pub(crate) async fn answer(&self, message: &Message, answer: Option<Answer>) {
        let Some(address) = self.setup.replies.granted(message.reply_to.as_deref()) else { return };
        let Some(Answer(data)) = answer else { return };
        let id = format!("an_{}", hex(&mark(&self.name, message)[..16]));
        let now = self.shared.orchestrator.now();
        let at = jiff::Timestamp::from_millisecond(now.millis()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let event = json!({
            "specversion": "1.0",
            "id": id,
            "source": format!("/closeout/{}", self.setup.organisation),
            "type": ANSWER_TYPE,
            "time": format!("{at:.3}"),
            "datacontenttype": "application/json",
            "data": data,
        });
        let correlation = correlation(message).or_else(|| message.id.clone());
        let outgoing =
            outgoing(id, correlation, trace(message).map(|trace| trace.to_string()), event.to_string());
        match self.source.publish(address, outgoing).await {
            Ok(()) => metrics::ending(&self.name, "answered"),
            Err(fault) => {
                metrics::ending(&self.name, "unanswered");
                tracing::debug!(source = &*self.name, cause = %fault, "an answer could not be published");
            }
        }
    }
}

/// A CloudEvent that is published.
pub(crate) fn outgoing(
    id: String,
    correlation: Option<String>,
    trace: Option<String>,
    event: String,
) -> Outgoing {
    let mut headers = Headers::default();
    headers.push("content-type", CLOUD_EVENT);
    if let Some(correlation) = correlation {
        headers.push("correlation-id", correlation);
    }
    if let Some(trace) = trace {
        headers.push("traceparent", trace);
    }
    Outgoing { id: Some(id), headers, reply_to: None, body: event.into() }
}
