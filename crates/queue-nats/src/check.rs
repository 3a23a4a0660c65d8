//! Which settings of a stream and its consumer are unsafe for commands: pure.

use std::time::Duration;

use async_nats::jetstream::{
    consumer::{self, AckPolicy},
    stream::{DiscardPolicy, Info, RetentionPolicy, StorageType},
};
use queue::Warning;

/// A commit takes milliseconds, and a store that stalls some seconds; a message that is held for less comes again meanwhile.
const SHORTEST_ACK_WAIT: Duration = Duration::from_secs(5);

/// How long commands should survive a service that stands still: a weekend.
const SHORTEST_AGE: Duration = Duration::from_secs(72 * 3_600);

/// What was found.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    in_memory: bool,
    no_ack: bool,
    drops_the_oldest: Option<&'static str>,
    max_age: Duration,
    replicas: usize,
    clustered: bool,
    interest_only: bool,
    consumer: Option<FoundConsumer>,
}

#[derive(Debug, Clone)]
struct FoundConsumer {
    explicit: bool,
    ack_wait: Duration,
    max_deliver: i64,
    in_memory: bool,
    subject: String,
}

impl Found {
    pub(crate) fn of(info: &Info, consumer: Option<consumer::Config>) -> Self {
        let config = &info.config;
        let bounded = [
            (config.max_messages > 0, "max_msgs"),
            (config.max_bytes > 0, "max_bytes"),
            (config.max_messages_per_subject > 0, "max_msgs_per_subject"),
        ];
        let bound = bounded.into_iter().find(|(is, _)| *is).map(|(_, name)| name);
        Self {
            in_memory: config.storage == StorageType::Memory,
            no_ack: config.no_ack,
            drops_the_oldest: bound.filter(|_| config.discard == DiscardPolicy::Old),
            max_age: config.max_age,
            replicas: config.num_replicas,
            clustered: info.cluster.as_ref().is_some_and(|cluster| !cluster.replicas.is_empty()),
            interest_only: config.retention == RetentionPolicy::Interest,
            consumer: consumer.map(|consumer| FoundConsumer {
                explicit: consumer.ack_policy == AckPolicy::Explicit,
                ack_wait: consumer.backoff.first().copied().unwrap_or(consumer.ack_wait),
                max_deliver: consumer.max_deliver,
                in_memory: consumer.memory_storage,
                subject: consumer.filter_subject,
            }),
        }
    }
}

/// What is unsafe. `subject` is the one that commands are to come by.
pub(crate) fn warnings(found: &Found, subject: Option<&str>) -> Vec<Warning> {
    let mut all = Vec::new();
    let mut warn = |setting, detail: String, fix: &str| {
        all.push(Warning { setting, detail, fix: fix.to_owned() });
    };
    if found.in_memory {
        let detail = "The stream is kept in memory: commands are lost when the server ends.";
        warn("storage", detail.to_owned(), "Make the stream anew with --storage file.");
    }
    if found.no_ack {
        let detail =
            "The stream acknowledges nothing to producers: they do not learn whether a command was kept.";
        warn("no_ack", detail.to_owned(), "Switch no_ack off.");
    }
    if let Some(bound) = found.drops_the_oldest {
        let detail =
            format!("At its {bound} the stream drops the oldest commands, whether they were taken or not.");
        warn("discard", detail, "Set discard to new: then producers are refused, and know it.");
    }
    if !found.max_age.is_zero() && found.max_age < SHORTEST_AGE {
        let detail = format!(
            "The stream drops commands after {} h, whether they were taken or not.",
            found.max_age.as_secs() / 3_600
        );
        warn("max_age", detail, "Set max_age to 72h or more, or to none with the retention workqueue.");
    }
    if found.clustered && found.replicas < 3 {
        let detail = format!(
            "The stream has {} of the cluster's servers: with it commands stand still.",
            found.replicas
        );
        warn("num_replicas", detail, "Give the stream three replicas.");
    }
    if found.interest_only && found.consumer.is_none() {
        let detail = "The stream keeps nothing as long as it has no consumer, and this one is not there yet.";
        warn("retention", detail.to_owned(), "Use the retention workqueue or limits.");
    }
    if let Some(consumer) = &found.consumer {
        consumer_warnings(consumer, subject, &mut warn);
    }
    all
}

fn consumer_warnings(
    consumer: &FoundConsumer,
    subject: Option<&str>,
    warn: &mut impl FnMut(&'static str, String, &str),
) {
    if !consumer.explicit {
        let detail =
            "The consumer does not wait for an acknowledgement of each message: commands can be lost.";
        warn("ack_policy", detail.to_owned(), "Delete the consumer; it is made anew as it should be.");
    }
    if consumer.ack_wait < SHORTEST_ACK_WAIT {
        let detail =
            format!("A message is held for {:?} only, and comes again while it is taken.", consumer.ack_wait);
        warn("ack_wait", detail, "Set ack_wait to 30s, and take backoff away.");
    }
    if consumer.max_deliver > 0 {
        let detail = format!(
            "A message that was delivered {} times is never delivered again, also when it was the store that was away.",
            consumer.max_deliver
        );
        warn("max_deliver", detail, "Set max_deliver to -1: what cannot be taken is a dead letter here.");
    }
    if consumer.in_memory {
        let detail =
            "The consumer's state is kept in memory: after a restart of the server all commands come again.";
        warn("mem_storage", detail.to_owned(), "Keep the consumer's state in files.");
    }
    if let Some(subject) = subject.filter(|subject| *subject != consumer.subject) {
        let has = if consumer.subject.is_empty() { "every subject of the stream" } else { &consumer.subject };
        let detail = format!("The consumer takes {has}, and the configuration names {subject}.");
        warn("filter_subject", detail, "Delete the consumer; it is made anew as it should be.");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn safe() -> Found {
        Found {
            in_memory: false,
            no_ack: false,
            drops_the_oldest: None,
            max_age: Duration::ZERO,
            replicas: 1,
            clustered: false,
            interest_only: false,
            consumer: Some(FoundConsumer {
                explicit: true,
                ack_wait: Duration::from_secs(30),
                max_deliver: -1,
                in_memory: false,
                subject: "closures.v1.close".to_owned(),
            }),
        }
    }

    fn with(change: impl FnOnce(&mut Found)) -> Found {
        let mut found = safe();
        change(&mut found);
        found
    }

    fn of_consumer(change: impl FnOnce(&mut FoundConsumer)) -> Found {
        with(|found| change(found.consumer.as_mut().unwrap()))
    }

    #[test]
    fn every_unsafe_setting_is_warned_of_and_a_safe_one_is_not() {
        let hour = Duration::from_secs(3_600);
        let cases = [
            (safe(), None),
            (with(|found| found.consumer = None), None),
            (with(|found| found.in_memory = true), Some("storage")),
            (with(|found| found.no_ack = true), Some("no_ack")),
            (with(|found| found.drops_the_oldest = Some("max_msgs")), Some("discard")),
            (with(|found| found.max_age = hour * 71), Some("max_age")),
            (with(|found| found.max_age = hour * 72), None),
            (with(|found| found.clustered = true), Some("num_replicas")),
            (with(|found| (found.clustered, found.replicas) = (true, 3)), None),
            (with(|found| (found.interest_only, found.consumer) = (true, None)), Some("retention")),
            (with(|found| found.interest_only = true), None),
            (of_consumer(|consumer| consumer.explicit = false), Some("ack_policy")),
            (of_consumer(|consumer| consumer.ack_wait = Duration::from_secs(4)), Some("ack_wait")),
            (of_consumer(|consumer| consumer.max_deliver = 5), Some("max_deliver")),
            (of_consumer(|consumer| consumer.in_memory = true), Some("mem_storage")),
            (of_consumer(|consumer| consumer.subject = String::new()), Some("filter_subject")),
        ];
        for (found, setting) in cases {
            let warnings = warnings(&found, Some("closures.v1.close"));
            let settings: Vec<_> = warnings.iter().map(|warning| warning.setting).collect();
            assert_eq!(settings, setting.into_iter().collect::<Vec<_>>(), "{found:?}");
            assert!(
                warnings.iter().all(|warning| warning.fix.ends_with('.') && warning.detail.ends_with('.'))
            );
        }
        let other = of_consumer(|consumer| consumer.subject = String::new());
        assert_eq!(warnings(&other, None), [], "all of the stream is meant");
    }
}
