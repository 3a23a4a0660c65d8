//! What the tests ask of AWS: a queue with its dead-letter queue, and a rule by which EventBridge fills it.

use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

/// The region and the account of everything here; the double knows no other account.
pub const REGION: &str = "eu-central-1";
const ACCOUNT: &str = "123456789012";

/// Receives before the queue moves a message to its dead-letter queue.
const RECEIVES: u32 = 3;

/// The address of the double.
pub fn address() -> String {
    std::env::var("CLOSEOUT_TEST_AWS").expect("tests/sqs/run starts a double of AWS and runs these tests")
}

/// The double's interfaces.
#[derive(Clone, Default)]
pub struct Api(reqwest::Client);

/// An event bus whose rule sends to a queue.
#[derive(Clone)]
pub struct Aws {
    api: Api,
    name: String,
}

impl Aws {
    /// Makes bus, rule, queue and dead-letter queue, all with a name of their own.
    pub async fn begin() -> Self {
        let aws = Self { api: Api::default(), name: format!("genesys-{}", Uuid::new_v4().simple()) };
        let dead = aws.dead_name();
        aws.api.sqs("CreateQueue", json!({ "QueueName": dead })).await;
        let redrive =
            json!({ "deadLetterTargetArn": arn("sqs", &dead), "maxReceiveCount": RECEIVES }).to_string();
        aws.api
            .sqs("CreateQueue", json!({ "QueueName": aws.name, "Attributes": { "RedrivePolicy": redrive } }))
            .await;
        aws.api.events("CreateEventBus", json!({ "Name": aws.name })).await;
        // What EventBridge is told in docs/evidence-sqs.md.
        let pattern = json!({
            "source": [{ "prefix": "aws.partner/genesys.com/cloud/" }],
            "detail-type": [
                "v2.detail.events.conversation.{id}.customer.end",
                "v2.detail.events.conversation.{id}.user.end",
            ],
        });
        let rule = json!({ "Name": "ends", "EventBusName": aws.name, "EventPattern": pattern.to_string() });
        aws.api.events("PutRule", rule).await;
        let targets = json!([{ "Id": "queue", "Arn": arn("sqs", &aws.name) }]);
        let answer = aws
            .api
            .events("PutTargets", json!({ "Rule": "ends", "EventBusName": aws.name, "Targets": targets }))
            .await;
        assert_eq!(answer["FailedEntryCount"], 0, "{answer}");
        aws
    }

    fn dead_name(&self) -> String {
        format!("{}-dead", self.name)
    }

    /// The URL of the queue.
    pub fn queue_url(&self) -> String {
        url(&self.name)
    }

    /// Puts an event on the bus; EventBridge gives it an id of its own.
    pub async fn put_event(&self, source: &str, detail_type: &str, detail: &Value) {
        let entry = json!({
            "EventBusName": self.name, "Source": source, "DetailType": detail_type, "Detail": detail.to_string(),
        });
        let answer = self.api.events("PutEvents", json!({ "Entries": [entry] })).await;
        assert_eq!(answer["FailedEntryCount"], 0, "{answer}");
    }

    /// Puts a body into the queue, past EventBridge.
    pub async fn send(&self, body: &str) {
        self.api.sqs("SendMessage", json!({ "QueueUrl": self.queue_url(), "MessageBody": body })).await;
    }

    /// How many messages are in the queue, visible and hidden.
    pub async fn left(&self) -> usize {
        self.api.number_in(&self.queue_url()).await
    }

    /// How many messages are in the dead-letter queue.
    pub async fn dead(&self) -> usize {
        self.api.number_in(&url(&self.dead_name())).await
    }

    /// Makes a received message visible at once, as when the time for which it is hidden has passed.
    pub async fn show(&self, receipt: &str) {
        assert!(self.show_if_hidden(receipt).await, "{receipt} is not the receipt of a hidden message");
    }

    /// The same, if it is hidden; whether it was.
    pub async fn show_if_hidden(&self, receipt: &str) -> bool {
        let body = json!({ "QueueUrl": self.queue_url(), "ReceiptHandle": receipt, "VisibilityTimeout": 0 });
        let (status, _) = self.api.ask("sqs", "AmazonSQS.ChangeMessageVisibility", "1.0", body).await;
        status.is_success()
    }
}

impl Api {
    /// How many messages are in a queue, visible and hidden.
    pub async fn number_in(&self, queue_url: &str) -> usize {
        let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
        let answer =
            self.sqs("GetQueueAttributes", json!({ "QueueUrl": queue_url, "AttributeNames": names })).await;
        names.iter().map(|name| answer["Attributes"][name].as_str().unwrap().parse::<usize>().unwrap()).sum()
    }

    /// Asks Amazon SQS.
    pub async fn sqs(&self, action: &str, body: Value) -> Value {
        self.call("sqs", &format!("AmazonSQS.{action}"), "1.0", body).await
    }

    /// Asks EventBridge.
    pub async fn events(&self, action: &str, body: Value) -> Value {
        self.call("events", &format!("AWSEvents.{action}"), "1.1", body).await
    }

    /// Asks SNS, whose interface is of forms.
    pub async fn sns(&self, action: &str, fields: &[(&str, &str)]) {
        let form = [&[("Action", action), ("Version", "2010-03-31")], fields].concat();
        let asked = self.0.post(format!("{}/", address())).header("authorization", signature("sns"));
        let answer = asked.form(&form).send().await.unwrap();
        let status = answer.status();
        assert!(status.is_success(), "{action}: {status} {}", answer.text().await.unwrap());
    }

    async fn call(&self, service: &str, target: &str, version: &str, body: Value) -> Value {
        let (status, text) = self.ask(service, target, version, body).await;
        assert!(status.is_success(), "{target}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    async fn ask(&self, service: &str, target: &str, version: &str, body: Value) -> (StatusCode, String) {
        let answer = self
            .0
            .post(format!("{}/", address()))
            .header("content-type", format!("application/x-amz-json-{version}"))
            .header("x-amz-target", target)
            .header("authorization", signature(service))
            .body(body.to_string())
            .send()
            .await
            .unwrap();
        (answer.status(), answer.text().await.unwrap())
    }
}

/// The double checks no signature; it takes service and region from where the signature says them.
fn signature(service: &str) -> String {
    let scope = format!("test/20261121/{REGION}/{service}/aws4_request");
    format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0")
}

/// The URL of a queue.
pub fn url(queue: &str) -> String {
    format!("{}/{ACCOUNT}/{queue}", address())
}

/// How AWS names a thing everywhere.
pub fn arn(service: &str, name: &str) -> String {
    format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{name}")
}
