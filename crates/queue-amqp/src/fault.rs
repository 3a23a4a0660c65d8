//! What goes wrong with RabbitMQ, and what to do about it.

use lapin::{Error, ErrorKind, protocol::AMQPErrorKind};
use queue::{Action, Fault, FaultKind};

/// Codes of AMQP 0-9-1, section 1.1 "Constants", and of RabbitMQ.
mod code {
    pub(super) const CONTENT_TOO_LARGE: u16 = 311;
    pub(super) const CONNECTION_FORCED: u16 = 320;
    pub(super) const INVALID_PATH: u16 = 402;
    pub(super) const ACCESS_REFUSED: u16 = 403;
    pub(super) const NOT_FOUND: u16 = 404;
    pub(super) const PRECONDITION_FAILED: u16 = 406;
    pub(super) const RESOURCE_ERROR: u16 = 506;
    pub(super) const NOT_ALLOWED: u16 = 530;
    pub(super) const INTERNAL_ERROR: u16 = 541;
}

/// What was under way when something went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum During {
    /// The connection was being opened, where a refusal concerns the credentials.
    Connecting,
    /// Something was asked of a queue.
    Asking,
    /// Something was published.
    Publishing,
}

/// What an error of the client means.
#[expect(clippy::wildcard_enum_match_arm, reason = "the client's kinds of errors are not a closed list")]
pub(crate) fn fault(action: Action, during: During, error: &Error) -> Fault {
    let kind = match error.kind() {
        ErrorKind::ProtocolError(said) => {
            kind(during, said.get_id(), matches!(said.kind(), AMQPErrorKind::Hard(_)))
        }
        _ if error.is_io_error() => FaultKind::Unreachable,
        ErrorKind::InvalidConnectionState(_)
        | ErrorKind::InvalidChannelState(..)
        | ErrorKind::InvalidChannel(_)
        | ErrorKind::MissingHeartbeatError => FaultKind::Unreachable,
        _ => FaultKind::Other,
    };
    of(action, kind, error.to_string())
}

/// The kind by the code of RabbitMQ.
fn kind(during: During, code: u16, ends_the_connection: bool) -> FaultKind {
    match code {
        code::ACCESS_REFUSED if during == During::Connecting => FaultKind::Credentials,
        code::ACCESS_REFUSED => FaultKind::Denied,
        // The virtual host is not there, or not for this user.
        code::NOT_ALLOWED | code::INVALID_PATH => FaultKind::Denied,
        code::NOT_FOUND => FaultKind::Missing,
        code::CONTENT_TOO_LARGE | code::PRECONDITION_FAILED if during == During::Publishing => {
            FaultKind::Undeliverable
        }
        code::RESOURCE_ERROR => FaultKind::Throttled,
        code::CONNECTION_FORCED | code::INTERNAL_ERROR => FaultKind::Unreachable,
        _ if ends_the_connection && during == During::Connecting => FaultKind::Unreachable,
        _ => FaultKind::Other,
    }
}

/// A fault of a kind, with the words for it.
pub(crate) fn of(action: Action, kind: FaultKind, cause: impl Into<String>) -> Fault {
    Fault { action, kind, cause: cause.into(), fix: fix(action, kind) }
}

/// No answer came.
pub(crate) fn unreachable(action: Action, cause: &str) -> Fault {
    of(action, FaultKind::Unreachable, cause)
}

fn fix(action: Action, kind: FaultKind) -> &'static str {
    match (kind, action) {
        (FaultKind::Missing, Action::Publish) => "declare the queue or exchange for endings",
        (FaultKind::Missing, Action::Receive | Action::Settle | Action::Look) => {
            "declare the queue, durable and with a dead-letter exchange; check queue and virtual host"
        }
        (FaultKind::Denied, Action::Publish) => {
            "give the user the permission to write to the default exchange (amq.default)"
        }
        (FaultKind::Denied, Action::Receive | Action::Settle | Action::Look) => {
            "give the user this virtual host, and in it the permission to read the queue"
        }
        (FaultKind::Credentials, _) => {
            "check user and password in the address; the user guest is allowed from localhost only"
        }
        (FaultKind::Throttled, _) => "look at the broker's alarms, and whether the queue for endings is full",
        (FaultKind::Unreachable, _) => {
            "check host and port (5672, with amqps 5671), and that the broker runs; memory and disk alarms hold up publishing"
        }
        (FaultKind::Undeliverable, _) => "check the address of whoever waits for the ending",
        (FaultKind::Other, _) => "see the cause",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_the_broker_have_their_kinds() {
        use During::{Asking, Connecting, Publishing};
        for (during, code, expected) in [
            (Connecting, 403, FaultKind::Credentials),
            (Asking, 403, FaultKind::Denied),
            (Publishing, 403, FaultKind::Denied),
            (Connecting, 530, FaultKind::Denied),
            (Asking, 404, FaultKind::Missing),
            (Publishing, 404, FaultKind::Missing),
            (Publishing, 406, FaultKind::Undeliverable),
            (Publishing, 311, FaultKind::Undeliverable),
            (Asking, 406, FaultKind::Other),
            (Asking, 405, FaultKind::Other),
            (Asking, 506, FaultKind::Throttled),
            (Asking, 320, FaultKind::Unreachable),
            (Connecting, 541, FaultKind::Unreachable),
        ] {
            assert_eq!(kind(during, code, code >= 500 || code == 320), expected, "{during:?} {code}");
        }
        assert_eq!(kind(Connecting, 501, true), FaultKind::Unreachable);
        assert_eq!(kind(Asking, 501, true), FaultKind::Other);
    }

    #[test]
    fn a_connection_that_is_gone_is_unreachable() {
        let gone = [
            Error::from(std::io::Error::from(std::io::ErrorKind::ConnectionReset)),
            ErrorKind::InvalidConnectionState(lapin::ConnectionState::Closed).into(),
            ErrorKind::MissingHeartbeatError.into(),
        ];
        for error in gone {
            let fault = fault(Action::Receive, During::Asking, &error);
            assert_eq!(fault.kind, FaultKind::Unreachable, "{error}");
        }
        let other = fault(Action::Look, During::Asking, &ErrorKind::ChannelsLimitReached.into());
        assert_eq!(other.kind, FaultKind::Other);
    }
}
