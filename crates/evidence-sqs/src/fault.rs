//! What goes wrong with a queue, and what to do about it.

use std::fmt;

/// What is asked of a queue. Each is a permission of its own in IAM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// To receive messages.
    Receive,
    /// To delete messages.
    Delete,
    /// To hide messages, or to show them again.
    Hide,
    /// To tell how the queue stands.
    Look,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 4] = [Self::Receive, Self::Delete, Self::Hide, Self::Look];

    /// The name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Receive => "receive",
            Self::Delete => "delete",
            Self::Hide => "hide",
            Self::Look => "look",
        }
    }

    /// The permission in IAM. SQS checks batches by the permission of the single act.
    pub const fn permission(self) -> &'static str {
        match self {
            Self::Receive => "sqs:ReceiveMessage",
            Self::Delete => "sqs:DeleteMessage",
            Self::Hide => "sqs:ChangeMessageVisibility",
            Self::Look => "sqs:GetQueueAttributes",
        }
    }
}

/// Why a queue did not do what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// There is no such queue.
    NoQueue,
    /// The permission is missing.
    Denied,
    /// The credentials are missing, or are not believed.
    Credentials,
    /// Too much was asked at once.
    Throttled,
    /// No answer came.
    Unreachable,
    /// Something else.
    Other,
}

impl FaultKind {
    /// The name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoQueue => "no_queue",
            Self::Denied => "denied",
            Self::Credentials => "credentials",
            Self::Throttled => "throttled",
            Self::Unreachable => "unreachable",
            Self::Other => "other",
        }
    }

    /// The kind by the code of an answer of SQS, in the old or the new spelling.
    pub(crate) fn of_code(code: &str) -> Self {
        // Codes come as `AWS.SimpleQueueService.NonExistentQueue` and as `com.amazonaws.sqs#QueueDoesNotExist`.
        match code.rsplit(['#', '.']).next().unwrap_or(code) {
            "QueueDoesNotExist" | "NonExistentQueue" | "InvalidAddress" => Self::NoQueue,
            "AccessDenied" | "AccessDeniedException" | "KmsAccessDenied" => Self::Denied,
            "InvalidClientTokenId"
            | "UnrecognizedClientException"
            | "SignatureDoesNotMatch"
            | "InvalidSecurity"
            | "MissingAuthenticationToken"
            | "ExpiredToken"
            | "ExpiredTokenException"
            | "InvalidAccessKeyId" => Self::Credentials,
            "RequestThrottled" | "ThrottlingException" | "Throttling" | "OverLimit" | "KmsThrottled" => {
                Self::Throttled
            }
            "ServiceUnavailable" | "InternalFailure" | "InternalError" => Self::Unreachable,
            _ => Self::Other,
        }
    }
}

/// Why a queue did not do what was asked, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What was asked.
    pub action: Action,
    /// The kind.
    pub kind: FaultKind,
    /// What the queue, or the way to it, said. It holds no secret.
    pub cause: String,
}

impl Fault {
    /// What puts it right.
    pub fn fix(&self) -> String {
        match self.kind {
            FaultKind::NoQueue => "check queue_url, region and account: the queue is not there".to_owned(),
            FaultKind::Denied => {
                let permission = self.action.permission();
                format!("allow {permission} on the queue to this identity (and kms:Decrypt if its key is your own)")
            }
            FaultKind::Credentials => {
                "give credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or a role of the machine, \
                 container or web identity; check this machine's clock too"
                    .to_owned()
            }
            FaultKind::Throttled => "nothing, if it passes; else ask for less elsewhere with this account".to_owned(),
            FaultKind::Unreachable => {
                "check region and endpoint, and allow port 443 outwards; through a proxy, set HTTPS_PROXY".to_owned()
            }
            FaultKind::Other => "see the cause".to_owned(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_understood_in_both_spellings() {
        for (code, kind) in [
            ("AWS.SimpleQueueService.NonExistentQueue", FaultKind::NoQueue),
            ("com.amazonaws.sqs#QueueDoesNotExist", FaultKind::NoQueue),
            ("QueueDoesNotExist", FaultKind::NoQueue),
            ("AccessDenied", FaultKind::Denied),
            ("com.amazon.coral.service#AccessDeniedException", FaultKind::Denied),
            ("InvalidClientTokenId", FaultKind::Credentials),
            ("RequestThrottled", FaultKind::Throttled),
            ("ServiceUnavailable", FaultKind::Unreachable),
            ("SomethingNew", FaultKind::Other),
            ("", FaultKind::Other),
        ] {
            assert_eq!(FaultKind::of_code(code), kind, "{code}");
        }
    }

    #[test]
    fn a_missing_permission_is_named() {
        for action in Action::ALL {
            let fault = Fault { action, kind: FaultKind::Denied, cause: "denied".to_owned() };
            assert!(fault.fix().contains(action.permission()), "{action:?}");
        }
    }
}
