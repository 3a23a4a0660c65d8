//! Which settings of a queue are unsafe for commands: pure.

use std::{collections::HashMap, time::Duration};

use aws_sdk_sqs::types::QueueAttributeName;
use queue::Warning;

/// A commit takes milliseconds, and a store that stalls some seconds; a message that is hidden for less comes again meanwhile.
const SHORTEST_VISIBILITY: Duration = Duration::from_secs(5);

/// How long commands should survive a service that stands still: a weekend.
const SHORTEST_RETENTION: Duration = Duration::from_secs(72 * 3_600);

/// What waits for a store or for room is received again and again, up to some times a minute.
const FEWEST_RECEIVES: u64 = 10;

/// What SQS has where nothing was set, by its documentation of `SetQueueAttributes`.
const DEFAULT_VISIBILITY: Duration = Duration::from_secs(30);
const DEFAULT_RETENTION: Duration = Duration::from_secs(345_600);

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    visibility: Duration,
    retention: Duration,
    /// After how many receives the queue moves a message to its dead-letter queue; nothing where it has none.
    moves_after: Option<u64>,
    one_group: bool,
}

impl Found {
    /// `visibility` is what this source asks for; `one_group` whether whole batches were of one message group.
    pub(crate) fn of(
        attributes: &HashMap<QueueAttributeName, String>,
        visibility: Option<Duration>,
        one_group: bool,
    ) -> Self {
        let seconds = |name| attributes.get(&name)?.parse().ok().map(Duration::from_secs);
        let has = seconds(QueueAttributeName::VisibilityTimeout).unwrap_or(DEFAULT_VISIBILITY);
        Self {
            visibility: visibility.unwrap_or(has),
            retention: seconds(QueueAttributeName::MessageRetentionPeriod).unwrap_or(DEFAULT_RETENTION),
            moves_after: attributes
                .get(&QueueAttributeName::RedrivePolicy)
                .and_then(|text| moves_after(text)),
            one_group,
        }
    }
}

/// The policy is JSON as text; the count stands there as a number or as a text.
fn moves_after(policy: &str) -> Option<u64> {
    let policy: serde_json::Value = serde_json::from_str(policy).ok()?;
    let count = policy.get("maxReceiveCount")?;
    count.as_u64().or_else(|| count.as_str()?.parse().ok())
}

/// What is unsafe. No redrive policy is as it should be: what can never be taken is a dead letter of the service.
pub(crate) fn warnings(found: &Found) -> Vec<Warning> {
    let mut all = Vec::new();
    let mut warn = |setting, detail: String, fix: &str| {
        all.push(Warning { setting, detail, fix: fix.to_owned() });
    };
    if found.visibility < SHORTEST_VISIBILITY {
        let detail = format!(
            "A message is hidden for {} s only, and comes again while it is taken.",
            found.visibility.as_secs()
        );
        warn("VisibilityTimeout", detail, "Set the queue's visibility timeout to 30 s.");
    }
    if found.retention < SHORTEST_RETENTION {
        let detail = format!(
            "The queue drops commands after {} h, whether they were taken or not.",
            found.retention.as_secs() / 3_600
        );
        warn("MessageRetentionPeriod", detail, "Set the retention period to 4 days or more.");
    }
    if let Some(count) = found.moves_after.filter(|count| *count < FEWEST_RECEIVES) {
        let detail = format!(
            "After {count} receives the queue moves a command to its dead-letter queue, also when it was the store that was away."
        );
        let fix = "Take the redrive policy away, or set maxReceiveCount to 100: what cannot be taken is a dead letter here.";
        warn("RedrivePolicy", detail, fix);
    }
    if found.one_group {
        let detail =
            "Whole batches are of one message group: a command that waits holds up all that stand behind it.";
        let fix = "Let producers give each conversation a message group of its own, or use a standard queue.";
        warn("MessageGroupId", detail.to_owned(), fix);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(
        attributes: &[(QueueAttributeName, &str)],
        visibility: Option<u64>,
        one_group: bool,
    ) -> Vec<&'static str> {
        let attributes = attributes.iter().map(|(name, value)| (name.clone(), (*value).to_owned())).collect();
        let found = Found::of(&attributes, visibility.map(Duration::from_secs), one_group);
        let warnings = warnings(&found);
        assert!(warnings.iter().all(|warning| warning.fix.ends_with('.') && warning.detail.ends_with('.')));
        warnings.iter().map(|warning| warning.setting).collect()
    }

    #[test]
    fn every_unsafe_setting_is_warned_of_and_a_safe_one_is_not() {
        use QueueAttributeName::{MessageRetentionPeriod, RedrivePolicy, VisibilityTimeout};
        assert_eq!(settings(&[], None, false), [""; 0], "a queue as SQS makes it");
        assert_eq!(settings(&[(VisibilityTimeout, "4")], None, false), ["VisibilityTimeout"]);
        assert_eq!(settings(&[(VisibilityTimeout, "5")], None, false), [""; 0]);
        assert_eq!(
            settings(&[(VisibilityTimeout, "1")], Some(60), false),
            [""; 0],
            "this source asks for more"
        );
        assert_eq!(settings(&[(VisibilityTimeout, "60")], Some(1), false), ["VisibilityTimeout"]);
        assert_eq!(settings(&[(MessageRetentionPeriod, "259199")], None, false), ["MessageRetentionPeriod"]);
        assert_eq!(settings(&[(MessageRetentionPeriod, "259200")], None, false), [""; 0]);
        let policy = |count: &str| format!(r#"{{"deadLetterTargetArn": "a", "maxReceiveCount": {count}}}"#);
        for count in ["3", "\"9\""] {
            assert_eq!(settings(&[(RedrivePolicy, &policy(count))], None, false), ["RedrivePolicy"]);
        }
        for policy in [policy("10"), policy("\"100\""), String::new(), "nonsense".to_owned()] {
            assert_eq!(settings(&[(RedrivePolicy, &policy)], None, false), [""; 0], "{policy}");
        }
        assert_eq!(settings(&[], None, true), ["MessageGroupId"]);
    }
}
