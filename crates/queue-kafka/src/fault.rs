//! What the client library reports, as faults of the port.

use queue::{Action, Fault, FaultKind};
use rdkafka::{error::KafkaError, types::RDKafkaErrorCode as Code};

pub(crate) fn timed_out(action: Action) -> Fault {
    of_kind(action, FaultKind::Unreachable, "no broker answered in time".to_owned())
}

pub(crate) fn closed(action: Action) -> Fault {
    of_kind(action, FaultKind::Unreachable, "the source is closed".to_owned())
}

pub(crate) fn missing(action: Action, topic: &str) -> Fault {
    of_kind(action, FaultKind::Missing, format!("there is no topic {topic}"))
}

pub(crate) fn undeliverable(cause: impl Into<String>) -> Fault {
    of_kind(Action::Publish, FaultKind::Undeliverable, cause.into())
}

pub(crate) fn of(action: Action, error: &KafkaError) -> Fault {
    let kind = error.rdkafka_error_code().map_or(FaultKind::Other, |code| kind(action, code));
    of_kind(action, kind, error.to_string())
}

fn of_kind(action: Action, kind: FaultKind, cause: String) -> Fault {
    let fix = match kind {
        FaultKind::Missing => {
            "make the topic, with three replicas and a partition for each replica of the service"
        }
        FaultKind::Denied => {
            "allow this client to read the topic, to read the group, and to write the topic for endings"
        }
        FaultKind::Credentials => {
            "check user, password and sasl of the source, and that the brokers know this user by that mechanism"
        }
        FaultKind::Throttled => "nothing, if it passes",
        FaultKind::Unreachable => {
            "check the brokers' names and ports, and that the names they advertise can be reached from here"
        }
        FaultKind::Undeliverable => "name a topic that is there, and that takes messages of this size",
        FaultKind::Other => "see the cause",
    };
    Fault { action, kind, cause, fix }
}

/// The kind by the library's code. What it means for one who publishes: a topic that is not there is no address.
#[expect(clippy::wildcard_enum_match_arm, reason = "the protocol has more than a hundred codes, and grows")]
fn kind(action: Action, code: Code) -> FaultKind {
    match code {
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition | Code::InvalidTopic
            if action == Action::Publish =>
        {
            FaultKind::Undeliverable
        }
        Code::MessageSizeTooLarge | Code::MessageBatchTooLarge | Code::InvalidMessageSize => {
            FaultKind::Undeliverable
        }
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition => FaultKind::Missing,
        Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed => FaultKind::Denied,
        Code::Authentication | Code::SaslAuthenticationFailed => FaultKind::Credentials,
        Code::ThrottlingQuotaExceeded | Code::QueueFull => FaultKind::Throttled,
        Code::BrokerTransportFailure
        | Code::AllBrokersDown
        | Code::Resolve
        | Code::MessageTimedOut
        | Code::OperationTimedOut
        | Code::TimedOutQueue
        | Code::RequestTimedOut
        | Code::NetworkException
        | Code::WaitingForCoordinator
        | Code::CoordinatorNotAvailable
        | Code::CoordinatorLoadInProgress
        | Code::NotCoordinator
        | Code::LeaderNotAvailable
        | Code::NotLeaderForPartition
        | Code::BrokerNotAvailable
        | Code::NotEnoughReplicas
        | Code::NotEnoughReplicasAfterAppend => FaultKind::Unreachable,
        _ => FaultKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_understood() {
        let cases = [
            (Action::Receive, Code::UnknownTopicOrPartition, FaultKind::Missing),
            (Action::Publish, Code::UnknownTopicOrPartition, FaultKind::Undeliverable),
            (Action::Publish, Code::MessageSizeTooLarge, FaultKind::Undeliverable),
            (Action::Receive, Code::AllBrokersDown, FaultKind::Unreachable),
            (Action::Settle, Code::GroupAuthorizationFailed, FaultKind::Denied),
            (Action::Look, Code::Authentication, FaultKind::Credentials),
            (Action::Look, Code::Fail, FaultKind::Other),
        ];
        for (action, code, expected) in cases {
            assert_eq!(of(action, &KafkaError::Global(code)).kind, expected, "{code:?}");
        }
    }
}
