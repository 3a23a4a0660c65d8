//! Amazon SQS by its own client library.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_sqs::{
    Client,
    error::{DisplayErrorContext, ProvideErrorMetadata, SdkError},
    types::{
        ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, MessageSystemAttributeName,
        QueueAttributeName,
    },
};
use serde::Deserialize;

use crate::{
    fault::{Action, Fault, FaultKind},
    queue::{Message, Queue, Redrive, Standing},
};

/// How long a connection may take to stand: as for calls to Genesys.
const CONNECT: Duration = Duration::from_secs(3);

/// How long one try may take: the longest long poll of SQS is 20 s.
const ATTEMPT: Duration = Duration::from_secs(30);

/// Tries of one request. What fails still is asked again later, with pauses of the adapter's own.
const ATTEMPTS: u32 = 2;

/// The behaviour of the client library that this was written for; a newer one may change defaults.
fn behaviour() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

/// Where a queue is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The queue's URL, as `https://sqs.eu-central-1.amazonaws.com/123456789012/events`.
    pub queue_url: String,
    /// The region.
    pub region: String,
    /// Another address of SQS: a VPC endpoint, or a double in tests.
    pub endpoint: Option<String>,
}

/// A queue of Amazon SQS. Cheap to clone.
#[derive(Clone)]
pub struct SqsQueue {
    client: Client,
    url: String,
}

impl fmt::Debug for SqsQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqsQueue").field("url", &self.url).finish_non_exhaustive()
    }
}

impl SqsQueue {
    /// Makes a client with the credentials of this process's surroundings: environment, profile, web identity, container,
    /// machine. Nothing is asked of AWS yet.
    pub async fn at(place: Place) -> Self {
        let timeouts =
            TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(ATTEMPT).build();
        let mut loader = aws_config::defaults(behaviour())
            .region(Region::new(place.region))
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS));
        if let Some(endpoint) = place.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        Self { client: Client::new(&loader.load().await), url: place.queue_url }
    }
}

#[async_trait]
impl Queue for SqsQueue {
    async fn receive(&self, most: u8, wait: Duration, hidden: Duration) -> Result<Vec<Message>, Fault> {
        let answer = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(i32::from(most))
            .wait_time_seconds(seconds(wait))
            .visibility_timeout(seconds(hidden))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .send()
            .await
            .map_err(|error| fault(Action::Receive, &error))?;
        Ok(answer.messages.unwrap_or_default().into_iter().filter_map(message).collect())
    }

    async fn delete(&self, receipts: &[String]) -> Result<usize, Fault> {
        let entry = |(id, receipt): (usize, &String)| {
            DeleteMessageBatchRequestEntry::builder().id(id.to_string()).receipt_handle(receipt).build().ok()
        };
        let entries = receipts.iter().enumerate().filter_map(entry).collect();
        let request = self.client.delete_message_batch().queue_url(&self.url).set_entries(Some(entries));
        let answer = request.send().await.map_err(|error| fault(Action::Delete, &error))?;
        Ok(answer.failed.len())
    }

    async fn hide(&self, receipts: &[(String, Duration)]) -> Result<usize, Fault> {
        let entry = |(id, (receipt, hidden)): (usize, &(String, Duration))| {
            ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(id.to_string())
                .receipt_handle(receipt)
                .visibility_timeout(seconds(*hidden))
                .build()
                .ok()
        };
        let entries = receipts.iter().enumerate().filter_map(entry).collect();
        let request =
            self.client.change_message_visibility_batch().queue_url(&self.url).set_entries(Some(entries));
        let answer = request.send().await.map_err(|error| fault(Action::Hide, &error))?;
        Ok(answer.failed.len())
    }

    async fn standing(&self) -> Result<Standing, Fault> {
        let answer = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .attribute_names(QueueAttributeName::ApproximateNumberOfMessages)
            .attribute_names(QueueAttributeName::ApproximateNumberOfMessagesNotVisible)
            .attribute_names(QueueAttributeName::RedrivePolicy)
            .send()
            .await
            .map_err(|error| fault(Action::Look, &error))?;
        let attributes = answer.attributes.unwrap_or_default();
        let number = |name| attributes.get(&name).and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok(Standing {
            waiting: number(QueueAttributeName::ApproximateNumberOfMessages),
            in_flight: number(QueueAttributeName::ApproximateNumberOfMessagesNotVisible),
            redrive: redrive(attributes.get(&QueueAttributeName::RedrivePolicy).map(String::as_str)),
        })
    }
}

/// Whole seconds, rounded up, up to the 12 hours that SQS allows.
fn seconds(duration: Duration) -> i32 {
    const MOST: i32 = 43_200;
    i32::try_from(duration.as_millis().div_ceil(1_000)).unwrap_or(MOST).min(MOST)
}

/// A message without a receipt could neither be deleted nor hidden; SQS sends none.
fn message(message: aws_sdk_sqs::types::Message) -> Option<Message> {
    let count = MessageSystemAttributeName::ApproximateReceiveCount;
    let receives = message.attributes.as_ref().and_then(|attributes| attributes.get(&count)?.parse().ok());
    Some(Message {
        id: message.message_id?,
        receipt: message.receipt_handle?,
        body: message.body.unwrap_or_default(),
        receives: receives.unwrap_or(1),
    })
}

/// The policy as JSON text; the count stands there as a number or as a text.
fn redrive(policy: Option<&str>) -> Redrive {
    #[derive(Deserialize)]
    struct Policy {
        #[serde(rename = "maxReceiveCount")]
        count: serde_json::Value,
    }
    let Some(text) = policy.filter(|text| !text.trim().is_empty()) else { return Redrive::Never };
    let count = serde_json::from_str::<Policy>(text).ok().and_then(|policy| match policy.count {
        serde_json::Value::Number(number) => number.as_u64(),
        serde_json::Value::String(text) => text.parse().ok(),
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Array(_)
        | serde_json::Value::Object(_) => None,
    });
    // A policy that cannot be read is one: the queue keeps dead letters.
    Redrive::After(count.and_then(|count| u32::try_from(count).ok()).unwrap_or(u32::MAX))
}

fn fault<E>(action: Action, error: &SdkError<E>) -> Fault
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    if let Some(code) = error.code() {
        let said = error.message().map(|message| format!(": {message}")).unwrap_or_default();
        return Fault { action, kind: FaultKind::of_code(code), cause: format!("{code}{said}") };
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
    Fault { action, kind, cause: shortened(&cause) }
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
    fn a_redrive_policy_is_found_however_its_count_is_written() {
        assert_eq!(redrive(None), Redrive::Never);
        assert_eq!(redrive(Some("")), Redrive::Never);
        assert_eq!(redrive(Some(r#"{"deadLetterTargetArn": "a", "maxReceiveCount": 3}"#)), Redrive::After(3));
        assert_eq!(redrive(Some(r#"{"maxReceiveCount": "5"}"#)), Redrive::After(5));
        assert_eq!(redrive(Some("nonsense")), Redrive::After(u32::MAX));
    }

    #[test]
    fn waits_are_rounded_up_and_bounded() {
        for (millis, whole) in [(0, 0), (1, 1), (1_000, 1), (1_001, 2), (u64::MAX, 43_200)] {
            assert_eq!(seconds(Duration::from_millis(millis)), whole);
        }
    }
}
