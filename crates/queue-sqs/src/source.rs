//! The port, by the client library of Amazon SQS.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_sqs::{
    Client,
    types::{
        ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message as Received,
        MessageSystemAttributeName, QueueAttributeName,
    },
};
use futures_util::future::{join, join_all};
use queue::{Action, Fault, GRACE, Message, Outgoing, Receipt, Settlement, Source, Standing, Warning};
use tokio::time::timeout;

use crate::{
    check::{Found, warnings},
    fault,
    message::{group, message, sent},
    setup::Setup,
};

/// Messages of one receive: the most that SQS gives, and the most that one batch deletes or hides.
const BATCH: usize = 10;

/// Receives at once while messages pile up.
const SIDE_BY_SIDE: usize = 10;

/// The longest wait of a receive that SQS allows.
const LONGEST_POLL: Duration = Duration::from_secs(20);

/// How much longer than its wait the first receive may take, and how long the further ones, which do not wait. Together, and
/// with a wait that is rounded up, they stay within [`GRACE`].
const FIRST: Duration = Duration::from_secs(5);
const FURTHER: Duration = Duration::from_secs(3);

/// How long any other request may take.
const REQUEST: Duration = GRACE.saturating_sub(Duration::from_secs(1));

/// How long what is in hand may take to be given back.
const GIVE_BACK: Duration = Duration::from_secs(2);

/// A queue of Amazon SQS.
pub struct SqsSource {
    setup: Setup,
    config: SdkConfig,
    client: Mutex<Client>,
    /// The receipt of each message that was received and not settled, by its place.
    in_hand: Mutex<HashMap<String, String>>,
    /// Whether the last full batch was of one message group.
    one_group: AtomicBool,
    closed: AtomicBool,
}

impl fmt::Debug for SqsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqsSource").field("queue", &self.setup.queue_url).finish_non_exhaustive()
    }
}

impl SqsSource {
    /// Opens a source. Nothing is asked of AWS yet.
    pub async fn open(setup: Setup) -> Self {
        let config = setup.config().await;
        Self {
            client: Mutex::new(Client::new(&config)),
            setup,
            config,
            in_hand: Mutex::default(),
            one_group: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        }
    }

    fn client(&self, action: Action) -> Result<Client, Fault> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(fault::closed(action));
        }
        Ok(self.client.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn in_hand(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One receive of up to ten.
    async fn poll(&self, client: &Client, most: usize, wait: Duration) -> Result<Vec<Message>, Fault> {
        let request = client
            .receive_message()
            .queue_url(&self.setup.queue_url)
            .max_number_of_messages(i32::try_from(most.min(BATCH)).unwrap_or(1))
            .wait_time_seconds(seconds(wait))
            .set_visibility_timeout(self.setup.visibility_timeout.map(seconds))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .message_system_attribute_names(MessageSystemAttributeName::MessageDeduplicationId)
            .message_system_attribute_names(MessageSystemAttributeName::MessageGroupId)
            .message_attribute_names("All");
        let answer = request.send().await.map_err(|error| fault::of(Action::Receive, &error))?;
        let received = answer.messages.unwrap_or_default();
        if received.len() == BATCH {
            self.one_group.store(are_of_one_group(&received), Ordering::Relaxed);
        }
        let queue = self.setup.queue_name();
        let messages: Vec<_> = received.into_iter().filter_map(|received| message(received, queue)).collect();
        let receipts = messages.iter().map(|message| (message.place.clone(), message.receipt.0.clone()));
        self.in_hand().extend(receipts);
        Ok(messages)
    }

    /// A long poll; and what is there beside it where it came back full.
    async fn receive_now(&self, client: &Client, most: usize, wait: Duration) -> Result<Vec<Message>, Fault> {
        let wait = Duration::from_secs(u64::from(seconds(wait.min(LONGEST_POLL)).unsigned_abs()));
        let first = bounded(Action::Receive, wait + FIRST, self.poll(client, most, wait));
        let mut messages = first.await?;
        let left = most - messages.len().min(most);
        if messages.len() < BATCH || left == 0 {
            return Ok(messages);
        }
        let shares = (0..left).step_by(BATCH).take(SIDE_BY_SIDE - 1).map(|done| BATCH.min(left - done));
        let further =
            shares.map(|share| bounded(Action::Receive, FURTHER, self.poll(client, share, Duration::ZERO)));
        for came in join_all(further).await {
            match came {
                Ok(came) => messages.extend(came),
                // What came is handed out; what is wrong is said by the next receive.
                Err(fault) => tracing::debug!(%fault, "a further receive brought nothing"),
            }
        }
        Ok(each_once(messages, &self.in_hand()))
    }

    /// Deletes ten at most; answers for how many that failed.
    async fn delete(&self, client: &Client, receipts: &[&str]) -> Result<usize, Fault> {
        let entry = |(id, receipt): (usize, &&str)| {
            DeleteMessageBatchRequestEntry::builder().id(id.to_string()).receipt_handle(*receipt).build().ok()
        };
        let entries = receipts.iter().enumerate().filter_map(entry).collect();
        let request =
            client.delete_message_batch().queue_url(&self.setup.queue_url).set_entries(Some(entries));
        let answer = request.send().await.map_err(|error| fault::of(Action::Settle, &error))?;
        Ok(answer.failed.len())
    }

    /// Hides ten at most for a time from now; answers for how many that failed.
    async fn hide(&self, client: &Client, receipts: &[(&str, Duration)]) -> Result<usize, Fault> {
        let entry = |(id, (receipt, delay)): (usize, &(&str, Duration))| {
            ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(id.to_string())
                .receipt_handle(*receipt)
                .visibility_timeout(seconds(*delay))
                .build()
                .ok()
        };
        let entries = receipts.iter().enumerate().filter_map(entry).collect();
        let request = client
            .change_message_visibility_batch()
            .queue_url(&self.setup.queue_url)
            .set_entries(Some(entries));
        let answer = request.send().await.map_err(|error| fault::of(Action::Settle, &error))?;
        Ok(answer.failed.len())
    }

    /// All batches side by side. A fault only where every one of them met one.
    async fn settle_now(
        &self,
        client: &Client,
        gone: &[&str],
        later: &[(&str, Duration)],
    ) -> Result<usize, Fault> {
        let deletions =
            join_all(gone.chunks(BATCH).map(async |batch| match self.delete(client, batch).await {
                Ok(failed) => (failed, None),
                Err(fault) => (batch.len(), Some(fault)),
            }));
        let hidings = join_all(later.chunks(BATCH).map(async |batch| match self.hide(client, batch).await {
            Ok(failed) => (failed, None),
            Err(fault) => (batch.len(), Some(fault)),
        }));
        let (mut settled, hidden) = join(deletions, hidings).await;
        settled.extend(hidden);
        let unconfirmed = settled.iter().map(|(failed, _)| failed).sum();
        let all_failed = settled.iter().all(|(_, fault)| fault.is_some());
        match settled.into_iter().find_map(|(_, fault)| fault).filter(|_| all_failed) {
            Some(fault) => Err(fault),
            None => Ok(unconfirmed),
        }
    }

    /// Shows what is in hand to everybody again, as far as SQS hears of it.
    async fn give_back(&self) {
        let in_hand = std::mem::take(&mut *self.in_hand());
        let Ok(client) = self.client(Action::Settle) else { return };
        let later: Vec<_> = in_hand.values().map(|receipt| (receipt.as_str(), Duration::ZERO)).collect();
        match timeout(GIVE_BACK, self.settle_now(&client, &[], &later)).await {
            Ok(Ok(0)) => {}
            Ok(Ok(_) | Err(_)) | Err(_) => {
                tracing::debug!("what was in hand comes again after the time for which it is hidden");
            }
        }
    }

    async fn attributes(
        &self,
        names: &[QueueAttributeName],
    ) -> Result<HashMap<QueueAttributeName, String>, Fault> {
        let client = self.client(Action::Look)?;
        let request = client.get_queue_attributes().queue_url(&self.setup.queue_url);
        // Boxed, as requests of the library are large futures.
        let request = Box::pin(request.set_attribute_names(Some(names.to_vec())).send());
        let asked = async { request.await.map_err(|error| fault::of(Action::Look, &error)) };
        Ok(bounded(Action::Look, REQUEST, asked).await?.attributes.unwrap_or_default())
    }

    async fn publish_now(&self, client: &Client, to: &str, outgoing: &Outgoing) -> Result<(), Fault> {
        let sent = sent(outgoing).map_err(fault::undeliverable)?;
        let mut request = client
            .send_message()
            .queue_url(to)
            .message_body(sent.body)
            .set_message_attributes(Some(sent.attributes));
        if to.ends_with(".fifo") {
            // What belongs together stays in order: the endings of one command.
            let group = outgoing.headers.first("correlation-id").or(outgoing.id.as_deref());
            let group = group.filter(|group| is_a_token(group)).unwrap_or("closeout");
            let id = outgoing.id.clone().filter(|id| is_a_token(id));
            request = request.message_group_id(group).set_message_deduplication_id(id);
        }
        request.send().await.map(drop).map_err(|error| fault::of(Action::Publish, &error))
    }
}

/// Receives side by side may bring a message twice: it is handed out once, with the receipt that came last.
fn each_once(messages: Vec<Message>, receipts: &HashMap<String, String>) -> Vec<Message> {
    let mut seen = HashSet::new();
    let new = messages.into_iter().filter(|message| seen.insert(message.place.clone()));
    new.map(|message| match receipts.get(&message.place) {
        Some(latest) => Message { receipt: Receipt(latest.clone()), ..message },
        None => message,
    })
    .collect()
}

/// Whole seconds, rounded up, up to the 12 hours that SQS allows.
fn seconds(duration: Duration) -> i32 {
    const MOST: i32 = 43_200;
    i32::try_from(duration.as_millis().div_ceil(1_000)).unwrap_or(MOST).min(MOST)
}

fn are_of_one_group(received: &[Received]) -> bool {
    let first = received.first().and_then(group);
    first.is_some() && received.iter().all(|one| group(one) == first)
}

/// What SQS takes as a message group or a deduplication id: 1 to 128 letters, digits and punctuation.
fn is_a_token(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Whether a text can be the URL of a queue. SQS itself is asked at the source's own address, whatever host the text names.
fn is_a_queue_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.and_then(|rest| rest.split_once('/'))
        .is_some_and(|(host, path)| !host.is_empty() && !path.is_empty())
}

/// Ends a request that takes longer than the port allows.
async fn bounded<T>(
    action: Action,
    bound: Duration,
    request: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    timeout(bound, request).await.unwrap_or_else(|_| Err(fault::timed_out(action)))
}

#[async_trait]
impl Source for SqsSource {
    async fn receive(&self, most: usize, wait: Duration) -> Result<Vec<Message>, Fault> {
        let client = self.client(Action::Receive)?;
        if most == 0 {
            return Ok(Vec::new());
        }
        self.receive_now(&client, most, wait).await
    }

    async fn settle(&self, settlements: Vec<(Receipt, Settlement)>) -> Result<usize, Fault> {
        let client = self.client(Action::Settle)?;
        let (mut gone, mut later) = (Vec::new(), Vec::new());
        for (Receipt(receipt), settlement) in &settlements {
            match settlement {
                Settlement::Taken | Settlement::Poison => gone.push(receipt.as_str()),
                Settlement::Later(delay) => later.push((receipt.as_str(), *delay)),
            }
        }
        if gone.is_empty() && later.is_empty() {
            return Ok(0);
        }
        let settled: HashSet<&str> =
            settlements.iter().map(|(Receipt(receipt), _)| receipt.as_str()).collect();
        self.in_hand().retain(|_, receipt| !settled.contains(receipt.as_str()));
        bounded(Action::Settle, REQUEST, self.settle_now(&client, &gone, &later)).await
    }

    async fn publish(&self, to: &str, outgoing: Outgoing) -> Result<(), Fault> {
        if !is_a_queue_url(to) {
            return Err(fault::undeliverable("the address is no URL of a queue"));
        }
        let client = self.client(Action::Publish)?;
        bounded(Action::Publish, REQUEST, self.publish_now(&client, to, &outgoing)).await
    }

    async fn standing(&self) -> Result<Standing, Fault> {
        use QueueAttributeName::{
            ApproximateNumberOfMessages as Visible, ApproximateNumberOfMessagesDelayed as Delayed,
            ApproximateNumberOfMessagesNotVisible as Hidden,
        };
        let attributes = self.attributes(&[Visible, Delayed, Hidden]).await?;
        let number = |name| attributes.get(&name).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        Ok(Standing { waiting: number(Visible).saturating_add(number(Delayed)), in_hand: number(Hidden) })
    }

    async fn check(&self) -> Result<Vec<Warning>, Fault> {
        use QueueAttributeName::{MessageRetentionPeriod, RedrivePolicy, VisibilityTimeout};
        let attributes = self.attributes(&[VisibilityTimeout, MessageRetentionPeriod, RedrivePolicy]).await?;
        let one_group = self.one_group.load(Ordering::Relaxed);
        Ok(warnings(&Found::of(&attributes, self.setup.visibility_timeout, one_group)))
    }

    /// Nothing is received ahead.
    async fn rest(&self) {}

    async fn reopen(&self) {
        self.give_back().await;
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = Client::new(&self.config);
    }

    async fn close(&self) {
        self.give_back().await;
        self.closed.store(true, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_rounded_up_and_bounded() {
        for (millis, whole) in [(0, 0), (1, 1), (1_000, 1), (1_001, 2), (u64::MAX, 43_200)] {
            assert_eq!(seconds(Duration::from_millis(millis)), whole);
        }
    }

    #[test]
    fn a_message_that_came_twice_at_once_is_handed_out_once() {
        let message = |place: &str, receipt: &str| Message {
            receipt: Receipt(receipt.to_owned()),
            place: place.to_owned(),
            id: None,
            deliveries: 1,
            headers: queue::Headers::default(),
            reply_to: None,
            body: "{}".into(),
        };
        let latest = [("q/1", "r-3"), ("q/2", "r-2")].map(|(place, it)| (place.to_owned(), it.to_owned()));
        let came = vec![message("q/1", "r-1"), message("q/2", "r-2"), message("q/1", "r-3")];
        let once = each_once(came, &HashMap::from(latest));
        assert_eq!(once, [message("q/1", "r-3"), message("q/2", "r-2")]);
    }

    #[test]
    fn an_address_is_the_url_of_a_queue() {
        for url in ["https://sqs.eu-central-1.amazonaws.com/1/ended", "http://127.0.0.1:5000/1/ended.fifo"] {
            assert!(is_a_queue_url(url), "{url}");
        }
        for wrong in ["", "ended", "https://", "https:///ended", "https://host/", "arn:aws:sqs:r:1:ended"] {
            assert!(!is_a_queue_url(wrong), "{wrong}");
        }
    }

    #[test]
    fn one_group_is_seen_and_none_is_no_group() {
        let of = |group: &str| {
            Received::builder().attributes(MessageSystemAttributeName::MessageGroupId, group).build()
        };
        assert!(are_of_one_group(&[of("a"), of("a")]));
        assert!(!are_of_one_group(&[of("a"), of("b")]));
        assert!(!are_of_one_group(&[Received::builder().build(), Received::builder().build()]));
        assert!(!are_of_one_group(&[]));
    }
}
