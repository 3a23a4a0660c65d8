//! What the client library reports, as faults of the port.

use aws_sdk_sqs::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use queue::{Action, Fault, FaultKind};

pub(crate) fn timed_out(action: Action) -> Fault {
    of_kind(action, FaultKind::Unreachable, "SQS did not answer in time".to_owned())
}

pub(crate) fn closed(action: Action) -> Fault {
    of_kind(action, FaultKind::Unreachable, "the source is closed".to_owned())
}

pub(crate) fn undeliverable(cause: impl Into<String>) -> Fault {
    of_kind(Action::Publish, FaultKind::Undeliverable, cause.into())
}

fn of_kind(action: Action, kind: FaultKind, cause: String) -> Fault {
    Fault { action, kind, cause, fix: fix(action, kind) }
}

/// What puts it right. SQS checks batches by the permission of the single act.
const fn fix(action: Action, kind: FaultKind) -> &'static str {
    match (kind, action) {
        (FaultKind::Missing, _) => "check queue_url, region and account: the queue is not there",
        (FaultKind::Denied, Action::Receive) => {
            "allow sqs:ReceiveMessage on the queue to this identity (and kms:Decrypt if its key is your own)"
        }
        (FaultKind::Denied, Action::Settle) => {
            "allow sqs:DeleteMessage and sqs:ChangeMessageVisibility on the queue to this identity"
        }
        (FaultKind::Denied, Action::Publish) => {
            "allow sqs:SendMessage on the queue for endings to this identity (and kms:GenerateDataKey if its key is your own)"
        }
        (FaultKind::Denied, Action::Look) => "allow sqs:GetQueueAttributes on the queue to this identity",
        (FaultKind::Credentials, _) => {
            "give credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or a role of the machine, container \
             or web identity; check this machine's clock too"
        }
        (FaultKind::Throttled, _) => "nothing, if it passes; else ask for less elsewhere with this account",
        (FaultKind::Unreachable, _) => {
            "check region and endpoint, and allow port 443 outwards; through a proxy, set HTTPS_PROXY"
        }
        (FaultKind::Undeliverable, _) => "name the URL of a queue of this region in ReplyTo",
        (FaultKind::Other, _) => "see the cause",
    }
}

/// An error of a request.
pub(crate) fn of<E>(action: Action, error: &SdkError<E>) -> Fault
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    if let Some(code) = error.code() {
        let said = error.message().map(|message| format!(": {message}")).unwrap_or_default();
        return of_kind(action, kind_of_code(action, code), shortened(&format!("{code}{said}")));
    }
    let cause = DisplayErrorContext(error).to_string();
    let kind = match error {
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => FaultKind::Unreachable,
        // The library tells missing credentials and a missing connection by their words alone.
        SdkError::ConstructionFailure(_) | SdkError::DispatchFailure(_) if cause.contains("redentials") => {
            FaultKind::Credentials
        }
        SdkError::DispatchFailure(_) => FaultKind::Unreachable,
        SdkError::ServiceError(answer) if answer.raw().status().is_server_error() => FaultKind::Unreachable,
        SdkError::ServiceError(answer) if matches!(answer.raw().status().as_u16(), 401 | 403) => {
            FaultKind::Denied
        }
        // The last arm is for what a later version of the library adds.
        SdkError::ConstructionFailure(_) | SdkError::ServiceError(_) | _ => FaultKind::Other,
    };
    of_kind(action, kind, shortened(&cause))
}

/// The kind by the code of an answer, in the old or the new spelling: `AWS.SimpleQueueService.NonExistentQueue` and
/// `com.amazonaws.sqs#QueueDoesNotExist`. To whom nothing can be published, it is of no use to try again.
fn kind_of_code(action: Action, code: &str) -> FaultKind {
    let publishes = action == Action::Publish;
    match code.rsplit(['#', '.']).next().unwrap_or(code) {
        "QueueDoesNotExist" | "NonExistentQueue" | "InvalidAddress" if publishes => FaultKind::Undeliverable,
        "InvalidParameterValue"
        | "InvalidParameterValueException"
        | "MissingParameter"
        | "InvalidMessageContents"
        | "UnsupportedOperation"
            if publishes =>
        {
            FaultKind::Undeliverable
        }
        "QueueDoesNotExist" | "NonExistentQueue" | "InvalidAddress" => FaultKind::Missing,
        "AccessDenied" | "AccessDeniedException" | "KmsAccessDenied" => FaultKind::Denied,
        "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "InvalidSecurity"
        | "MissingAuthenticationToken"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidAccessKeyId" => FaultKind::Credentials,
        "RequestThrottled" | "ThrottlingException" | "Throttling" | "OverLimit" | "KmsThrottled" => {
            FaultKind::Throttled
        }
        "ServiceUnavailable" | "InternalFailure" | "InternalError" => FaultKind::Unreachable,
        _ => FaultKind::Other,
    }
}

/// The library prints whole chains of causes with their debug forms.
fn shortened(cause: &str) -> String {
    const MOST: usize = 300;
    let line = cause.split(" (").next().unwrap_or(cause);
    line.chars().take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_understood_in_both_spellings() {
        for (code, receiving, publishing) in [
            ("AWS.SimpleQueueService.NonExistentQueue", FaultKind::Missing, FaultKind::Undeliverable),
            ("com.amazonaws.sqs#QueueDoesNotExist", FaultKind::Missing, FaultKind::Undeliverable),
            ("InvalidParameterValue", FaultKind::Other, FaultKind::Undeliverable),
            ("InvalidMessageContents", FaultKind::Other, FaultKind::Undeliverable),
            ("AccessDenied", FaultKind::Denied, FaultKind::Denied),
            ("com.amazon.coral.service#AccessDeniedException", FaultKind::Denied, FaultKind::Denied),
            ("InvalidClientTokenId", FaultKind::Credentials, FaultKind::Credentials),
            ("RequestThrottled", FaultKind::Throttled, FaultKind::Throttled),
            ("ServiceUnavailable", FaultKind::Unreachable, FaultKind::Unreachable),
            ("SomethingNew", FaultKind::Other, FaultKind::Other),
            ("", FaultKind::Other, FaultKind::Other),
        ] {
            let found = (kind_of_code(Action::Receive, code), kind_of_code(Action::Publish, code));
            assert_eq!(found, (receiving, publishing), "{code}");
        }
    }

    #[test]
    fn a_missing_permission_is_named() {
        for action in Action::ALL {
            assert!(fix(action, FaultKind::Denied).contains("sqs:"), "{action:?}");
        }
    }
}
