//! What the brokers tell when they are asked. The client library answers such questions by blocking.

use std::{sync::Arc, time::Duration};

use queue::{Action, Fault};
use rdkafka::{
    Offset, TopicPartitionList, consumer::Consumer as _, error::KafkaError, types::RDKafkaErrorCode,
};
use tokio::{sync::oneshot, time::timeout};

use crate::{consumer::Consumer, fault};

/// How long one question may take.
const QUESTION: Duration = Duration::from_secs(3);

/// How long several may take together: below what the port allows.
const QUESTIONS: Duration = Duration::from_secs(8);

/// How a topic is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Topic {
    pub(crate) brokers: usize,
    /// For each partition its number, and how many brokers keep it.
    pub(crate) partitions: Vec<(i32, usize)>,
}

/// Runs something that blocks on a thread of its own: the runtime's own threads would be waited for at the end of the program, and
/// some questions take longer than that may.
pub(crate) fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> oneshot::Receiver<T> {
    let (tell, told) = oneshot::channel();
    // Nobody hears any more after the bound.
    std::thread::spawn(move || drop(tell.send(work())));
    told
}

/// Asks beside the runtime, and gives up after a while: the question ends by itself.
pub(crate) async fn ask<T: Send + 'static>(
    action: Action,
    consumer: Arc<Consumer>,
    question: impl FnOnce(&Consumer) -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let asked = beside(move || question(&consumer));
    match timeout(QUESTIONS, asked).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) | Err(_) => Err(fault::timed_out(action)),
    }
}

/// Looks the topic up. It also shows whether anybody answers.
pub(crate) fn topic(action: Action, consumer: &Consumer, name: &str) -> Result<Topic, Fault> {
    let metadata =
        consumer.fetch_metadata(Some(name), QUESTION).map_err(|error| fault::of(action, &error))?;
    let found = metadata.topics().iter().find(|topic| topic.name() == name);
    let Some(found) = found else { return Err(fault::missing(action, name)) };
    if let Some(error) = found.error() {
        let code = RDKafkaErrorCode::from(error);
        let is_missing = code == RDKafkaErrorCode::UnknownTopicOrPartition;
        let other = || fault::of(action, &KafkaError::MetadataFetch(code));
        return Err(if is_missing { fault::missing(action, name) } else { other() });
    }
    let partitions = found.partitions().iter().map(|one| (one.id(), one.replicas().len())).collect();
    Ok(Topic { brokers: metadata.brokers().len(), partitions })
}

/// How many messages stand in the topic that the group has not committed.
pub(crate) fn uncommitted(consumer: &Consumer, name: &str) -> Result<u64, Fault> {
    let failed = |error: &KafkaError| fault::of(Action::Look, error);
    let topic = topic(Action::Look, consumer, name)?;
    let mut list = TopicPartitionList::new();
    for (number, _) in &topic.partitions {
        list.add_partition(name, *number);
    }
    let committed = consumer.committed_offsets(list, QUESTION).map_err(|error| failed(&error))?;
    let mut all = 0;
    for one in committed.elements() {
        let (low, high) =
            consumer.fetch_watermarks(name, one.partition(), QUESTION).map_err(|error| failed(&error))?;
        all += behind(low, high, one.offset());
    }
    Ok(all)
}

/// A group that has committed nothing begins with the first message that is still there.
fn behind(low: i64, high: i64, committed: Offset) -> u64 {
    let from = match committed {
        Offset::Offset(offset) => offset.max(low),
        Offset::Beginning | Offset::End | Offset::Stored | Offset::Invalid | Offset::OffsetTail(_) => low,
    };
    u64::try_from(high - from).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_group_is_behind_is_counted_from_what_is_there() {
        assert_eq!(behind(0, 10, Offset::Invalid), 10);
        assert_eq!(behind(4, 10, Offset::Invalid), 6);
        assert_eq!(behind(4, 10, Offset::Offset(2)), 6, "what was deleted does not come");
        assert_eq!(behind(4, 10, Offset::Offset(7)), 3);
        assert_eq!(behind(4, 10, Offset::Offset(10)), 0);
        assert_eq!(behind(0, 0, Offset::Offset(5)), 0, "the topic was made anew");
    }
}
