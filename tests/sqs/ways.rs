//! The three ways by which evidence comes, each with a service of its own.

use std::time::Duration;

use closeout_tests::{Scene, SceneOptions, run, wait_until};
use genesys_simulator::{CreatedConversation, DEFAULT_QUEUE};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    aws::{Aws, address},
    bridge::By,
    setting::{OURS, scene_with},
};

/// Events have their time, and a closure that gets none ends as a ghost while the test looks on.
const CLOSING: &str = "confirm_within = \"8s\"\ndeadline = \"60s\"\nstale_read_gap = \"500ms\"\n";

pub const CUSTOMER_END: &str = "v2.detail.events.conversation.{id}.customer.end";
pub const USER_END: &str = "v2.detail.events.conversation.{id}.user.end";

/// Long before any close here was asked, in milliseconds since 1970.
pub const LONG_AGO: i64 = 1_700_000_000_000;

/// A way by which evidence comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Webhook,
    Socket,
    Queue,
}

impl Way {
    /// The kind of evidence, as a closure names it.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Socket => "notification",
            Self::Queue => "queue event",
        }
    }
}

/// What an event says that is made up.
#[derive(Debug, Clone, Copy)]
pub enum Tale {
    /// That a guest of a conversation left which nobody here knows.
    Foreign,
    /// That an agent left by a transfer.
    Transfer,
    /// That a leg of the guest ended which was there before this one.
    OldLeg,
}

/// A service that hears by one way only.
pub struct Stage {
    pub way: Way,
    pub scene: Scene,
    aws: Option<Aws>,
}

impl Stage {
    pub async fn of(way: Way) -> Self {
        let closing = CLOSING.to_owned();
        match way {
            Way::Webhook => {
                let options = SceneOptions { closing, ..SceneOptions::default() };
                Self { way, scene: Scene::begin(options).await, aws: None }
            }
            Way::Socket => {
                let confirm = format!(
                    "[[confirm]]\nname = \"socket\"\nkind = \"notifications\"\nqueues = [\"{DEFAULT_QUEUE}\"]\n"
                );
                let options = SceneOptions { closing, confirm: Some(confirm), ..SceneOptions::default() };
                let scene = Scene::begin(options).await;
                scene.simulator.set_webhooks(Vec::new()).unwrap();
                let listens = wait_until(Duration::from_secs(20), || async {
                    let (_, ready) = scene.ask("GET", "/readyz?verbose", None).await;
                    ready["adapters"][0]["connectedSince"].is_string().then_some(())
                });
                assert!(listens.await.is_some(), "the socket does not listen: {}", scene.log());
                Self { way, scene, aws: None }
            }
            Way::Queue => {
                let aws = Aws::begin().await;
                let scene = scene_with(&aws, By::EventBridge, &address(), &closing).await;
                Self { way, scene, aws: Some(aws) }
            }
        }
    }

    /// Lets an event come that tells such a tale of a conversation.
    pub async fn tell(&self, tale: Tale, about: &CreatedConversation) {
        match self.way {
            Way::Socket => {
                let topic = format!("v2.routing.queues.{DEFAULT_QUEUE}.conversations");
                let frame = json!({ "topicName": topic, "version": "2", "eventBody": shown(tale, about),
                    "metadata": { "CorrelationId": Uuid::new_v4() } });
                assert_eq!(self.scene.simulator.tell_sockets(&topic, &frame), 1);
            }
            Way::Webhook => {
                let (topic, detail) = detail(tale, about);
                let event = json!({ "version": "0", "id": Uuid::new_v4(), "detail-type": topic,
                    "source": format!("{OURS}/suffix"), "account": "123456789012", "time": "2026-11-21T09:15:04Z",
                    "region": "eu-central-1", "resources": [], "detail": detail });
                self.post(&event.to_string()).await;
            }
            Way::Queue => {
                let (topic, detail) = detail(tale, about);
                let source = match tale {
                    Tale::Foreign => {
                        "aws.partner/genesys.com/cloud/11111111-2222-4333-8444-555555555555/suffix".to_owned()
                    }
                    Tale::Transfer | Tale::OldLeg => format!("{OURS}/suffix"),
                };
                self.aws.as_ref().unwrap().put_event(&source, topic, &detail).await;
            }
        }
    }

    /// Lets the sockets hear once more how the conversation stands, the guest gone.
    pub fn tell_again(&self, about: &CreatedConversation) {
        let topic = format!("v2.routing.queues.{DEFAULT_QUEUE}.conversations");
        let left = json!({ "id": about.communication_id, "state": "disconnected", "type": "webmessaging",
            "disconnectedTime": "2030-01-01T00:00:00.000Z", "disconnectType": "system" });
        let guest = json!({ "id": about.participant_id, "purpose": "customer", "messages": [left] });
        let frame = json!({ "topicName": topic, "version": "2", "metadata": { "CorrelationId": Uuid::new_v4() },
            "eventBody": { "id": about.conversation_id, "participants": [guest] } });
        for _ in 0..2 {
            assert_eq!(self.scene.simulator.tell_sockets(&topic, &frame), 1);
        }
    }

    /// Posts a body to the hook, signed as `closeout hooks sign` does it.
    async fn post(&self, body: &str) {
        let file = format!("{}.json", Uuid::new_v4());
        std::fs::write(self.scene.folder.path().join(&file), body).unwrap();
        let arguments = ["hooks", "sign", "--hook", "relay", "--body", &file, "--config", "closeout.toml"];
        let variables = [
            ("GENESYSCLOUD_OAUTHCLIENT_ID", genesys_simulator::DEFAULT_CLIENT_ID),
            ("GENESYSCLOUD_OAUTHCLIENT_SECRET", genesys_simulator::DEFAULT_CLIENT_SECRET),
        ];
        let signed = run(self.scene.folder.path(), &arguments, &variables);
        assert_eq!(signed.code, 0, "{signed:?}");
        let mut request = reqwest::Client::new().post(format!("{}/hooks/relay", self.scene.base));
        for (name, value) in signed.stdout.lines().filter_map(|line| line.split_once(": ")) {
            request = request.header(name, value);
        }
        let answer =
            request.header("content-type", "application/json").body(body.to_owned()).send().await.unwrap();
        assert!(answer.status().is_success(), "{}: {body}", answer.status());
    }
}

/// The tale as an event of analytics.
fn detail(tale: Tale, about: &CreatedConversation) -> (&'static str, Value) {
    let (conversation, participant, session) =
        (about.conversation_id, about.participant_id, about.communication_id);
    let (topic, conversation, participant, session, how) = match tale {
        Tale::Foreign => (CUSTOMER_END, Uuid::new_v4(), participant, session, "CLIENT"),
        Tale::Transfer => (USER_END, conversation, Uuid::new_v4(), Uuid::new_v4(), "TRANSFER"),
        Tale::OldLeg => (CUSTOMER_END, conversation, participant, Uuid::new_v4(), "CLIENT"),
    };
    let body = json!({ "eventTime": LONG_AGO, "conversationId": conversation, "participantId": participant,
        "sessionId": session, "mediaType": "MESSAGE", "disconnectType": how });
    let detail = json!({ "topicName": topic.replace("{id}", &conversation.to_string()), "version": "2",
        "eventBody": body, "metadata": {} });
    (topic, detail)
}

/// The tale as a queue's topic tells it: the whole conversation.
fn shown(tale: Tale, about: &CreatedConversation) -> Value {
    let leg = |id: Uuid, state: &str| {
        json!({ "id": id, "state": state, "direction": "inbound", "type": "webmessaging",
            "connectedTime": "2023-11-14T22:00:00.000Z",
            "disconnectedTime": (state == "disconnected").then_some("2023-11-14T22:13:20.000Z"),
            "disconnectType": (state == "disconnected").then_some("transfer") })
    };
    let person =
        |id: Uuid, purpose: &str, legs: Vec<Value>| json!({ "id": id, "purpose": purpose, "messages": legs });
    let guest = |id: Uuid, legs| person(id, "customer", legs);
    let (id, participants) = match tale {
        Tale::Foreign => {
            (Uuid::new_v4(), vec![guest(Uuid::new_v4(), vec![leg(Uuid::new_v4(), "disconnected")])])
        }
        Tale::Transfer => (
            about.conversation_id,
            vec![
                guest(about.participant_id, vec![leg(about.communication_id, "connected")]),
                person(Uuid::new_v4(), "agent", vec![leg(Uuid::new_v4(), "disconnected")]),
            ],
        ),
        Tale::OldLeg => (
            about.conversation_id,
            vec![guest(
                about.participant_id,
                vec![leg(Uuid::new_v4(), "disconnected"), leg(about.communication_id, "connected")],
            )],
        ),
    };
    json!({ "id": id, "participants": participants })
}
