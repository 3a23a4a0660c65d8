//! The suite of every source, against a double of AWS. Each case has queues of its own. The way to the double leads through a
//! relay that can be cut: that is how SQS dies.

#![expect(clippy::unwrap_used, reason = "a test may end where it stands")]

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_config::{BehaviorVersion, Region};
use aws_sdk_sqs::{
    Client,
    types::{MessageAttributeValue, QueueAttributeName},
};
use queue::{
    Action, FaultKind, Headers, Outgoing, Source,
    conformance::{Manners, Place},
};
use queue_sqs::{Setup, SqsSource};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

const REGION: &str = "eu-central-1";
const HELD: Duration = Duration::from_secs(5);
const BOUND: Duration = Duration::from_secs(20);

fn double() -> String {
    std::env::var("CLOSEOUT_TEST_AWS").expect("tests/sqs/run starts a double of AWS and runs these tests")
}

/// A relay to the double. Aborted, it cuts every connection and its port is closed.
async fn relay(port: u16) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let double = double().trim_start_matches("http://").to_owned();
    let serving = tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut near, _)) = listener.accept().await {
            let double = double.clone();
            connections.spawn(async move {
                let mut far = TcpStream::connect(double).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    (port, serving)
}

/// A queue, and one for endings.
struct Sqs {
    client: Client,
    queue_url: String,
    replies_url: String,
    is_fifo: bool,
    port: u16,
    relay: Mutex<JoinHandle<()>>,
}

impl Drop for Sqs {
    fn drop(&mut self) {
        self.relay.get_mut().unwrap().abort();
    }
}

impl Sqs {
    async fn standard() -> Self {
        Self::begin(false).await
    }

    async fn fifo() -> Self {
        Self::begin(true).await
    }

    async fn begin(is_fifo: bool) -> Self {
        let config = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .region(Region::new(REGION))
            .endpoint_url(double())
            .load()
            .await;
        let client = Client::new(&config);
        let queue_url = make(&client, "closures", is_fifo, &[]).await;
        let replies_url = make(&client, "ended", is_fifo, &[]).await;
        let (port, relay) = relay(0).await;
        Self { client, queue_url, replies_url, is_fifo, port, relay: Mutex::new(relay) }
    }

    fn setup(&self) -> Setup {
        Setup {
            queue_url: self.queue_url.clone(),
            region: REGION.to_owned(),
            endpoint: Some(format!("http://127.0.0.1:{}", self.port)),
            visibility_timeout: None,
        }
    }

    async fn source(&self) -> SqsSource {
        SqsSource::open(self.setup()).await
    }
}

/// Makes a queue with these attributes and answers its URL.
async fn make(client: &Client, name: &str, is_fifo: bool, more: &[(QueueAttributeName, &str)]) -> String {
    let end = if is_fifo { ".fifo" } else { "" };
    let name = format!("{name}-{}{end}", uuid::Uuid::new_v4().simple());
    let held = HELD.as_secs().to_string();
    let mut request =
        client.create_queue().queue_name(name).attributes(QueueAttributeName::VisibilityTimeout, held);
    if is_fifo {
        request = request
            .attributes(QueueAttributeName::FifoQueue, "true")
            .attributes(QueueAttributeName::ContentBasedDeduplication, "true");
    }
    for (name, value) in more {
        request = request.attributes(name.clone(), *value);
    }
    request.send().await.unwrap().queue_url.unwrap()
}

fn attribute(value: &str) -> MessageAttributeValue {
    MessageAttributeValue::builder().data_type("String").string_value(value).build().unwrap()
}

impl Place for Sqs {
    fn manners(&self) -> Manners {
        Manners { held: HELD, lanes: false, dies: true }
    }

    async fn open(&self) -> Arc<dyn Source> {
        Arc::new(self.source().await)
    }

    /// As a producer does it, by no code of the adapter: text as it is, anything else as base64.
    async fn publish(&self, outgoing: Outgoing) {
        let mut attributes: HashMap<String, MessageAttributeValue> = HashMap::new();
        for (name, value) in outgoing.headers.iter() {
            attributes.insert(name.to_owned(), attribute(value));
        }
        if let Some(reply_to) = &outgoing.reply_to {
            attributes.insert("ReplyTo".to_owned(), attribute(reply_to));
        }
        let body = String::from_utf8(outgoing.body.to_vec()).unwrap_or_else(|_| {
            use base64::{Engine, prelude::BASE64_STANDARD};
            attributes.insert("Content-Transfer-Encoding".to_owned(), attribute("base64"));
            BASE64_STANDARD.encode(&outgoing.body)
        });
        let mut request = self.client.send_message().queue_url(&self.queue_url).message_body(body);
        if self.is_fifo {
            let group = uuid::Uuid::new_v4().to_string();
            request = request.message_group_id(group).set_message_deduplication_id(outgoing.id);
        } else if let Some(id) = &outgoing.id {
            attributes.insert("Idempotency-Key".to_owned(), attribute(id));
        }
        request.set_message_attributes(Some(attributes)).send().await.unwrap();
    }

    fn address(&self) -> String {
        self.replies_url.clone()
    }

    async fn published_back(&self, most: usize) -> Vec<Outgoing> {
        let until = tokio::time::Instant::now() + BOUND;
        let mut all = Vec::new();
        while all.len() < most && tokio::time::Instant::now() < until {
            let request = self.client.receive_message().queue_url(&self.replies_url).wait_time_seconds(1);
            let answer = request.max_number_of_messages(10).message_attribute_names("All").send().await;
            for message in answer.unwrap().messages.unwrap_or_default() {
                let deletion = self.client.delete_message().queue_url(&self.replies_url);
                deletion.receipt_handle(message.receipt_handle.unwrap()).send().await.unwrap();
                let attributes = message.message_attributes.unwrap_or_default();
                let headers: Headers =
                    attributes.iter().map(|(name, value)| (name, value.string_value().unwrap())).collect();
                let body = message.body.unwrap().into();
                all.push(Outgoing { id: None, headers, reply_to: None, body });
            }
        }
        all
    }

    async fn kill(&self) {
        let relay = {
            let mut relay = self.relay.lock().unwrap();
            relay.abort();
            std::mem::replace(&mut *relay, tokio::spawn(async {}))
        };
        let _ = relay.await;
    }

    async fn restart(&self) {
        let (_, relay) = relay(self.port).await;
        *self.relay.lock().unwrap() = relay;
    }
}

mod standard {
    use super::Sqs;

    queue::conformance_tests!(Sqs::standard().await);
}

/// Those cases of the suite in which a FIFO queue may differ.
mod fifo {
    use queue::conformance::{arriving, outages, replies, settling, sharing, standing};

    use super::Sqs;

    macro_rules! cases {
        ($($group:ident::$case:ident)*) => {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    $group::$case(Sqs::fifo().await).await;
                }
            )*
        };
    }

    cases! {
        arriving::a_message_arrives_as_it_was_published
        outages::a_broker_that_dies_loses_nothing
        replies::what_is_published_back_reaches_its_address
        settling::a_taken_message_does_not_come_again
        settling::an_unsettled_message_comes_again_as_the_same_message
        settling::a_message_for_later_comes_later_and_not_before
        settling::a_message_for_later_does_not_hold_up_others
        sharing::a_reopened_source_goes_on
        standing::what_waits_is_counted
        standing::a_safe_queue_has_no_warning
    }
}

/// What only SQS has.
mod sqs {
    use super::*;

    const WAIT: Duration = Duration::from_secs(1);

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_queue_that_is_not_there_is_said_to_be_missing() {
        let place = Sqs::standard().await;
        let nowhere = Setup { queue_url: format!("{}-nowhere", place.queue_url), ..place.setup() };
        let source = SqsSource::open(nowhere).await;
        let fault = source.receive(1, WAIT).await.unwrap_err();
        assert_eq!((fault.action, fault.kind), (Action::Receive, FaultKind::Missing), "{fault:?}");
        assert_eq!(source.check().await.unwrap_err().kind, FaultKind::Missing);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_ending_for_a_queue_that_is_not_there_is_undeliverable() {
        let place = Sqs::standard().await;
        let source = place.source().await;
        let ending = Outgoing { id: None, headers: Headers::default(), reply_to: None, body: "{}".into() };
        let nowhere = format!("{}-nowhere", place.replies_url);
        let fault = source.publish(&nowhere, ending).await.unwrap_err();
        assert_eq!((fault.action, fault.kind), (Action::Publish, FaultKind::Undeliverable), "{fault:?}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_unsafe_queue_is_warned_of() {
        let place = Sqs::standard().await;
        let dead = make(&place.client, "dead", false, &[]).await;
        let dead = dead.rsplit('/').next().unwrap();
        let policy = format!(
            r#"{{"deadLetterTargetArn": "arn:aws:sqs:{REGION}:123456789012:{dead}", "maxReceiveCount": 3}}"#
        );
        let unsafe_settings = [
            (QueueAttributeName::MessageRetentionPeriod, "3600"),
            (QueueAttributeName::RedrivePolicy, policy.as_str()),
        ];
        let queue_url = make(&place.client, "loose", false, &unsafe_settings).await;
        let setup = Setup { queue_url, visibility_timeout: Some(Duration::from_secs(1)), ..place.setup() };
        let warnings = SqsSource::open(setup).await.check().await.unwrap();
        let settings: Vec<_> = warnings.iter().map(|warning| warning.setting).collect();
        assert_eq!(settings, ["VisibilityTimeout", "MessageRetentionPeriod", "RedrivePolicy"]);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_backlog_comes_in_more_than_tens_and_is_settled_at_once() {
        let place = Sqs::standard().await;
        for n in 0..40 {
            let body = n.to_string().into();
            place.publish(Outgoing { id: None, headers: Headers::default(), reply_to: None, body }).await;
        }
        let source = place.source().await;
        let came = source.receive(35, WAIT).await.unwrap();
        assert!((11..=35).contains(&came.len()), "{}", came.len());
        let taken = came.into_iter().map(|message| (message.receipt, queue::Settlement::Taken)).collect();
        assert_eq!(source.settle(taken).await, Ok(0));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_ending_for_a_fifo_queue_is_kept_there_once() {
        let place = Sqs::fifo().await;
        let source = place.source().await;
        let ending = Outgoing {
            id: Some("ev_1".to_owned()),
            headers: [("correlation-id", "order-1")].into_iter().collect(),
            reply_to: None,
            body: "{}".into(),
        };
        for _ in 0..3 {
            assert_eq!(source.publish(&place.replies_url, ending.clone()).await, Ok(()));
        }
        assert_eq!(place.published_back(1).await.len(), 1);
        let answer = place.client.receive_message().queue_url(&place.replies_url).send().await.unwrap();
        assert_eq!(answer.messages.unwrap_or_default().len(), 0);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn one_message_group_for_all_is_warned_of() {
        let place = Sqs::fifo().await;
        for n in 0..10 {
            let request = place.client.send_message().queue_url(&place.queue_url).message_group_id("all");
            request.message_body(n.to_string()).send().await.unwrap();
        }
        let source = place.source().await;
        assert_eq!(source.check().await.unwrap(), []);
        assert_eq!(source.receive(10, WAIT).await.unwrap().len(), 10);
        let warnings = source.check().await.unwrap();
        assert_eq!(warnings.iter().map(|warning| warning.setting).collect::<Vec<_>>(), ["MessageGroupId"]);
    }
}
