//! What the client library reports, as faults of the port.

use std::error::Error;

use async_nats::jetstream::{
    ErrorCode,
    context::GetStreamErrorKind,
    stream::{ConsumerError, ConsumerErrorKind},
};
use queue::{Action, Fault, FaultKind};

/// The stream or the consumer is not there.
const NO_STREAM: &str = "make the stream, for example with `nats stream add`: with file storage, and the subject that commands come by";

/// JetStream does not answer.
const NO_JETSTREAM: &str =
    "switch JetStream on in the server (`-js`), and allow this client to publish to $JS.API.> and $JS.ACK.>";

/// Anything else.
const SEE: &str = "see the cause";

pub(crate) fn timed_out(action: Action) -> Fault {
    Fault {
        action,
        kind: FaultKind::Unreachable,
        cause: "the server did not answer in time".to_owned(),
        fix: NO_JETSTREAM,
    }
}

pub(crate) fn closed(action: Action) -> Fault {
    Fault { action, kind: FaultKind::Unreachable, cause: "the source is closed".to_owned(), fix: SEE }
}

pub(crate) fn other(action: Action, error: &(dyn Error + 'static)) -> Fault {
    Fault { action, kind: FaultKind::Other, cause: chain(error), fix: SEE }
}

pub(crate) fn undeliverable(cause: String) -> Fault {
    Fault {
        action: Action::Publish,
        kind: FaultKind::Undeliverable,
        cause,
        fix: "name a subject that can be published to",
    }
}

/// Why there is no consumer.
pub(crate) fn of_consumer(action: Action, error: &ConsumerError) -> Fault {
    let cause = chain(error);
    match error.kind() {
        ConsumerErrorKind::TimedOut => timed_out(action),
        ConsumerErrorKind::JetStream(answer) if is_missing(answer.error_code()) => {
            Fault { action, kind: FaultKind::Missing, cause, fix: NO_STREAM }
        }
        ConsumerErrorKind::Request => {
            Fault { action, kind: FaultKind::Unreachable, cause, fix: NO_JETSTREAM }
        }
        ConsumerErrorKind::InvalidConsumerType => {
            let fix = "name another consumer: this one is there already, and pushes its messages";
            Fault { action, kind: FaultKind::Other, cause, fix }
        }
        ConsumerErrorKind::JetStream(_) | ConsumerErrorKind::InvalidName | ConsumerErrorKind::Other => {
            Fault { action, kind: FaultKind::Other, cause, fix: SEE }
        }
    }
}

/// Why nothing is known of a stream.
pub(crate) fn of_stream(error: &async_nats::jetstream::context::GetStreamError) -> Fault {
    let (kind, fix) = match error.kind() {
        GetStreamErrorKind::JetStream(answer) if is_missing(answer.error_code()) => {
            (FaultKind::Missing, NO_STREAM)
        }
        GetStreamErrorKind::Request => (FaultKind::Unreachable, NO_JETSTREAM),
        GetStreamErrorKind::JetStream(_)
        | GetStreamErrorKind::EmptyName
        | GetStreamErrorKind::InvalidStreamName => (FaultKind::Other, SEE),
    };
    Fault { action: Action::Look, kind, cause: chain(error), fix }
}

fn is_missing(code: ErrorCode) -> bool {
    code == ErrorCode::STREAM_NOT_FOUND || code == ErrorCode::CONSUMER_NOT_FOUND
}

/// An error with what caused it, where that says more.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(further) = cause {
        let further_text = further.to_string();
        if !text.contains(&further_text) {
            text = format!("{text}: {further_text}");
        }
        cause = further.source();
    }
    text
}
