//! The service dies before and after whatever else it makes durable or asks, around the closures themselves: logins, sockets of notifications, look-ups, lists
//! of wrap-up codes, scans, batches, what is owed to a callback and its post, acts of operators. Nothing is lost by it, and nothing is done twice.
//!
//! A round does one of each. A first one without a death tells which points it passes; then there is a round for each of them in
//! which the process dies there (`crates/closeout/src/serve/crash_points`).

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use genesys_simulator::{AgentPresence, ChaosSpec, DEFAULT_QUEUE, NewConversation, Preset};
use serde_json::{Value, json};

use super::points::CrashPoints;
use crate::{
    receiver::Receiver,
    scene::{Scene, SceneOptions},
};

/// How long a round may take, a death and a start included.
const WITHIN: Duration = Duration::from_secs(60);

/// Two days: long enough for a scan to look at a conversation.
const STUCK_MS: u64 = 48 * 3_600_000;

/// What a round passes whatever it does, or the test says too little.
const AT_LEAST: [&str; 20] = [
    "call look_up, before",
    "call look_up, after",
    "call wrap_up_code, after",
    "call open_conversations, after",
    "login, before",
    "login, after",
    "create channel, before",
    "create channel, after",
    "open socket, after",
    "subscribe, before",
    "subscribe, after",
    "owe, before",
    "post callback, before",
    "post callback, after",
    "put delivery, before",
    "put batch, after",
    "put audit, before",
    "put audit, after, 2",
    "put batch, before, 2",
    "set switch, after",
];

/// Where a service that shares its store has taken over what another has left.
const TAKEN_OVER: &str = "take over, after";

/// What services pass beside that share a store.
const AT_LEAST_SHARED: [&str; 2] = ["lease, before", "lease, after"];

struct Stage {
    scene: Scene,
    receiver: Receiver,
    points: CrashPoints,
    client: reqwest::Client,
    /// How many conversations were to be closed so far.
    closing: usize,
}

/// What a round has begun.
struct Round {
    sought: String,
    wrapped_up: String,
    batch: String,
    scan: String,
}

impl Stage {
    async fn begin(store: Option<String>) -> Self {
        let points = CrashPoints::begin();
        let receiver = Receiver::listen().await;
        let mut environment = vec![points.environment()];
        // Far more than are made: without a quota there is nothing to share.
        let requests = store.is_some().then_some(1_000);
        if store.is_some() {
            environment.push(("CLOSEOUT_STORE__REPLICAS".to_owned(), "true".to_owned()));
        }
        // Events come by the relay as well: what a socket misses while its service is dead is read back in any case.
        let socket = format!(
            "[[confirm]]\nname = \"socket\"\nkind = \"notifications\"\nqueues = [\"{DEFAULT_QUEUE}\"]\n"
        );
        let options = SceneOptions {
            closing: "confirm_within = \"1s\"\ndeadline = \"30s\"\n".to_owned(),
            lookup: "look_for = \"20s\"".to_owned(),
            environment,
            store,
            requests,
            ..receiver.tables(&socket)
        };
        let scene = Scene::begin_with(options, |builder| builder.analytics_lag(Duration::ZERO)).await;
        let left = AgentPresence::Left;
        let stuck =
            NewConversation { open_for_ms: Some(STUCK_MS), agent: left, ..NewConversation::default() };
        scene.simulator.create(&stuck).unwrap();
        let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).build().unwrap();
        Self { scene, receiver, points, client, closing: 0 }
    }

    /// A new life, in which the process is to die at this point.
    async fn die_at(&mut self, point: &str) {
        self.points.die_at(point);
        self.scene.kill();
        self.points.revive(&mut self.scene).await;
    }

    /// Asks until there is an answer, as whoever sends a command does. The key makes it the same one each time.
    async fn tell(&mut self, method: &str, path: &str, key: &str, body: &Value) -> (u16, Value) {
        let give_up = Instant::now() + WITHIN;
        loop {
            self.points.revive(&mut self.scene).await;
            let mut request = self
                .client
                .request(method.parse().unwrap(), format!("{}{path}", self.scene.base))
                .bearer_auth(self.scene.environment()[1].1);
            if !key.is_empty() {
                request = request.header("Idempotency-Key", key);
            }
            if !body.is_null() {
                request = request.json(body);
            }
            if let Ok(answer) = request.send().await
                && !answer.status().is_server_error()
            {
                let status = answer.status().as_u16();
                if let Ok(text) = answer.text().await {
                    return (status, serde_json::from_str(&text).unwrap_or(Value::Null));
                }
            }
            assert!(Instant::now() < give_up, "{method} {path}: no answer: {}", self.scene.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The service dies with a closure that is open, and its successor as soon as it has taken that over.
    async fn die_taking_over(&mut self) {
        let lossy =
            NewConversation { chaos: Some(ChaosSpec::of(Preset::LostWebhook)), ..NewConversation::default() };
        let made = self.scene.simulator.create(&lossy).unwrap()[0];
        let command = json!({ "conversationId": made.conversation_id });
        let (status, closure) = self.tell("POST", "/v1/closures", "left-open", &command).await;
        assert!(status < 300, "{closure}");
        self.closing += 1;
        self.die_at(TAKEN_OVER).await;
        let died = self.points.death(&mut self.scene, WITHIN).await;
        assert_eq!(died.as_deref(), Some(TAKEN_OVER), "{}", self.scene.log());
        self.scene.settled(&id(&closure), &["closed"]).await;
    }

    async fn get(&mut self, path: &str) -> Value {
        self.tell("GET", path, "", &Value::Null).await.1
    }

    async fn begin_round(&mut self, number: usize) -> Round {
        let guest = format!("customer-{number}");
        let sought = NewConversation { external_id: Some(guest.clone()), ..NewConversation::default() };
        self.scene.simulator.create(&sought).unwrap();
        let owing =
            NewConversation { wrap_up_required: true, wrap_up_blocks: true, ..NewConversation::default() };
        let owing = self.scene.simulator.create(&owing.agent(AgentPresence::WrapUp)).unwrap()[0];
        let rows = self.scene.simulator.create(&NewConversation::default().count(2)).unwrap();
        self.closing += 4;

        let paused = self.tell("POST", "/v1/outgoing/pause", "", &json!({ "reason": "a test" })).await;
        assert_eq!(paused.0, 200, "{}", paused.1);
        let resumed = self.tell("POST", "/v1/outgoing/resume", "", &json!({ "reason": "a test" })).await;
        assert_eq!(resumed.0, 200, "{}", resumed.1);
        let command = json!({ "target": { "externalId": guest } });
        let (status, sought) = self.tell("POST", "/v1/closures", &guest, &command).await;
        assert!(status < 300, "{sought}");
        let command = json!({
            "conversationId": owing.conversation_id,
            "policy": { "wrapUp": { "name": "Closed by backend" } },
            "callback": { "url": self.receiver.url(), "on": ["closed"] },
        });
        let plan = json!({ "dryRun": true, "conversationId": command["conversationId"], "policy": command["policy"] });
        let (status, plan) = self.tell("POST", "/v1/closures", "", &plan).await;
        assert_eq!(status, 200, "{plan}");
        let (status, wrapped_up) =
            self.tell("POST", "/v1/closures", &format!("owing-{number}"), &command).await;
        assert!(status < 300, "{wrapped_up}");
        let rows: Vec<_> = rows.iter().map(|row| json!({ "conversationId": row.conversation_id })).collect();
        let (status, batch) = self.tell("POST", "/v1/batches", "", &json!(rows)).await;
        assert!(status < 300, "{batch}");
        let execute = format!("/v1/batches/{}/execute", id(&batch));
        let body = json!({ "confirmToken": batch["confirmToken"], "reason": "a test" });
        let (status, executed) = self.tell("POST", &execute, "", &body).await;
        assert_eq!(status, 202, "{executed}");
        let (status, scan) = self.tell("POST", "/v1/batches", "", &json!({ "scan": {} })).await;
        assert_eq!(status, 202, "{scan}");
        Round { sought: id(&sought), wrapped_up: id(&wrapped_up), batch: id(&batch), scan: id(&scan) }
    }

    /// Waits until all that a round has begun came to its end, and says whether that is the right one.
    async fn end(&mut self, round: &Round) {
        let give_up = Instant::now() + WITHIN;
        loop {
            let sought = self.get(&format!("/v1/closures/{}", round.sought)).await;
            let wrapped_up = self.get(&format!("/v1/closures/{}", round.wrapped_up)).await;
            let batch = self.get(&format!("/v1/batches/{}", round.batch)).await;
            let scan = self.get(&format!("/v1/batches/{}", round.scan)).await;
            let told = self.get(&format!("/v1/deliveries?closure={}", round.wrapped_up)).await;
            let states = [&sought["state"], &wrapped_up["state"], &batch["state"], &scan["state"]];
            let delivered = told["items"][0]["result"] == "delivered";
            if states == ["closed", "closed", "finished", "preview"] && delivered {
                assert_eq!(batch["progress"]["closed"], 2, "{batch}");
                assert_eq!(told["items"].as_array().unwrap().len(), 1, "one event is owed once: {told}");
                return;
            }
            assert!(
                Instant::now() < give_up,
                "not there yet: {states:?}, {told}; {sought} {wrapped_up} {batch} {scan} {}",
                self.scene.log()
            );
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    }
}

fn id(answer: &Value) -> String {
    answer["id"].as_str().unwrap_or_else(|| panic!("{answer} has no id")).to_owned()
}

/// Has the service die once at each point that it passes around closures and that `is_meant`, and sees that nothing is lost and nothing
/// done twice. With a store of PostgreSQL it is one of several that share it, and passes what these pass beside.
pub async fn die_around_closures(store: Option<String>, is_meant: impl Fn(&str) -> bool) {
    let is_shared = store.is_some();
    let shared: &[&str] = if is_shared { &AT_LEAST_SHARED } else { &[] };
    let mut stage = Stage::begin(store).await;
    let round = stage.begin_round(0).await;
    stage.end(&round).await;
    let points: Vec<_> = stage.points.passed().into_iter().filter(|point| is_meant(point)).collect();
    for point in AT_LEAST.iter().chain(shared).filter(|point| is_meant(point)) {
        assert!(points.iter().any(|passed| passed == point), "{point} is none of {points:#?}");
    }
    let mut died = Vec::new();
    for (number, point) in (1..).zip(&points) {
        stage.die_at(point).await;
        let round = stage.begin_round(number).await;
        stage.end(&round).await;
        // What can be seen of a round may be there a moment before its last point is passed.
        let dead = stage.points.death(&mut stage.scene, WITHIN).await;
        died.push(dead.unwrap_or_else(|| panic!("{point} was not passed again")));
    }
    println!("{} deaths at {} points: {died:#?}", died.len(), points.len());
    if is_shared {
        stage.die_taking_over().await;
    }
    assert_eq!(died, points, "each point is passed in each round");

    let deliveries: BTreeSet<_> = stage.receiver.verified().into_iter().map(|(event, _)| event).collect();
    assert_eq!(deliveries.len(), points.len() + 1, "one event for each round, however often it was told");
    let all = stage.scene.closures().await;
    assert_eq!(all.len(), stage.closing, "each command is one closure");
    let acts = stage.get("/v1/audit?limit=500").await;
    let acts = acts["items"].as_array().unwrap();
    let executed = acts.iter().filter(|act| act["action"] == "batch.execute").count();
    assert!(executed > points.len(), "each is in the audit: {executed}");
    let verdict = stage.scene.simulator.verdict();
    assert!(verdict.clean, "{verdict:#?}");
}
