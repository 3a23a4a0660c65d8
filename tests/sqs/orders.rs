//! The queues of a shop that asks for closures: one that it sends to, one that EventBridge fills, one that SNS fills, and two for
//! what it is told.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use closeout_tests::{Scene, SceneOptions, wait_until};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::aws::{Api, REGION, arn, url};

/// Far longer than anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(150);

/// The source of the shop's events.
const SHOP: &str = "shop.orders";

/// When what a service that died had received shows again: the shortest time that is not warned of.
const HIDDEN: &str = "5s";

/// The shop's queues, and what fills them.
pub struct Orders {
    api: Api,
    name: String,
}

impl Orders {
    /// Makes them, with names of their own.
    pub async fn begin() -> Self {
        let name = format!("shop-{}", Uuid::new_v4().simple());
        let orders = Self { api: Api::default(), name };
        for of in ["orders", "events", "notices", "ended", "reply-7"] {
            orders.api.sqs("CreateQueue", json!({ "QueueName": orders.queue(of) })).await;
        }
        let bus = &orders.name;
        orders.api.events("CreateEventBus", json!({ "Name": bus })).await;
        let pattern = json!({ "source": [SHOP] }).to_string();
        let rule = json!({ "Name": "closures", "EventBusName": bus, "EventPattern": pattern });
        orders.api.events("PutRule", rule).await;
        let targets = json!([{ "Id": "queue", "Arn": arn("sqs", &orders.queue("events")) }]);
        let asked = json!({ "Rule": "closures", "EventBusName": bus, "Targets": targets });
        let answer = orders.api.events("PutTargets", asked).await;
        assert_eq!(answer["FailedEntryCount"], 0, "{answer}");
        orders.api.sns("CreateTopic", &[("Name", bus)]).await;
        let (topic, endpoint) = (arn("sns", bus), arn("sqs", &orders.queue("notices")));
        let subscription = [("TopicArn", topic.as_str()), ("Protocol", "sqs"), ("Endpoint", &endpoint)];
        orders.api.sns("Subscribe", &subscription).await;
        orders
    }

    fn queue(&self, of: &str) -> String {
        format!("{}-{of}", self.name)
    }

    /// The URL of one of the queues.
    pub fn url(&self, of: &str) -> String {
        url(&self.queue(of))
    }

    /// A service that takes commands out of the three queues, with SQS at this address. `notices` is how it reads what SNS sends.
    pub async fn scene(&self, endpoint: &str, notices: &str) -> Scene {
        Scene::begin(self.options(endpoint, notices)).await
    }

    /// The options of such a service.
    pub fn options(&self, endpoint: &str, notices: &str) -> SceneOptions {
        let table = |of: &str, decoder: &str| {
            format!(
                "[[source]]\nname = \"{of}\"\nkind = \"sqs\"\nqueue_url = \"{}\"\nregion = \"{REGION}\"\n\
                 endpoint = \"{endpoint}\"\nvisibility_timeout = \"{HIDDEN}\"\ndecoder = \"{decoder}\"\n\
                 results = \"{}\"\nreplies = [\"{}*\"]\n",
                self.url(of),
                self.url("ended"),
                self.url("reply-"),
            )
        };
        let tables = [table("orders", "auto"), table("events", "eventbridge"), table("notices", notices)];
        let environment = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];
        SceneOptions {
            closing: "confirm_within = \"2s\"\ndeadline = \"5m\"\nstale_read_gap = \"500ms\"\n".to_owned(),
            callbacks: tables.concat(),
            environment: environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            ..SceneOptions::default()
        }
    }

    /// Sends a command to the queue of orders, under an id of the shop's.
    pub async fn send(&self, id: &str, reply_to: Option<&str>, command: &Value) {
        let text = |value: &str| json!({ "DataType": "String", "StringValue": value });
        let mut attributes = BTreeMap::from([("Idempotency-Key", text(id))]);
        attributes.extend(reply_to.map(|reply_to| ("ReplyTo", text(reply_to))));
        let asked = json!({ "QueueUrl": self.url("orders"), "MessageBody": command.to_string(),
            "MessageAttributes": attributes });
        self.api.sqs("SendMessage", asked).await;
    }

    /// Tells EventBridge of something that asks for a closure.
    pub async fn put(&self, command: &Value) {
        let entry = json!({ "EventBusName": self.name, "Source": SHOP, "DetailType": "Order completed",
            "Detail": command.to_string() });
        let answer = self.api.events("PutEvents", json!({ "Entries": [entry] })).await;
        assert_eq!(answer["FailedEntryCount"], 0, "{answer}");
    }

    /// Tells SNS.
    pub async fn notify(&self, command: &Value) {
        let message = command.to_string();
        self.api.sns("Publish", &[("TopicArn", &arn("sns", &self.name)), ("Message", &message)]).await;
    }

    /// Waits until none of the queues of commands holds anything.
    pub async fn emptied(&self, scene: &Scene) {
        for of in ["orders", "events", "notices"] {
            let queue = self.url(of);
            let emptied =
                wait_until(PATIENCE, || async { (self.api.number_in(&queue).await == 0).then_some(()) });
            assert!(emptied.await.is_some(), "{of} still holds commands: {}", scene.log());
        }
    }

    /// Whether a queue holds nothing, visible or hidden.
    pub async fn is_empty(&self, of: &str) -> bool {
        self.api.number_in(&self.url(of)).await == 0
    }

    /// Takes out of a queue what comes, bodies and attributes, until it is enough.
    pub async fn told(&self, of: &str, is_enough: impl Fn(&[(Value, Value)]) -> bool) -> Vec<(Value, Value)> {
        let (mut all, until) = (Vec::new(), Instant::now() + PATIENCE);
        while !is_enough(&all) {
            assert!(Instant::now() < until, "{} in {of} are not enough", all.len());
            all.extend(self.told_within(of, Duration::from_secs(1)).await);
        }
        all
    }

    /// Takes out of a queue some of what is there, or comes within this time, of whole seconds.
    pub async fn told_within(&self, of: &str, time: Duration) -> Vec<(Value, Value)> {
        let asked = json!({ "QueueUrl": self.url(of), "MaxNumberOfMessages": 10, "WaitTimeSeconds": time.as_secs(),
            "VisibilityTimeout": 3600, "MessageAttributeNames": ["All"] });
        let answer = self.api.sqs("ReceiveMessage", asked).await;
        let messages = answer["Messages"].as_array().into_iter().flatten();
        messages
            .map(|one| {
                let body = one["Body"].as_str().unwrap();
                (serde_json::from_str(body).unwrap(), one["MessageAttributes"].clone())
            })
            .collect()
    }
}
