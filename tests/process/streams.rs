//! Events as a stream: whoever follows by `Last-Event-ID` is told each once, whatever becomes of the service meanwhile.

use std::{collections::BTreeSet, time::Duration};

use closeout_tests::{Scene, SceneOptions};
use genesys_simulator::NewConversation;
use reqwest::Response;
use serde_json::Value;
use tokio::time::timeout;

/// Longer than anything here takes; whoever waits so long waits for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// Everything that there is to tell.
const BEGIN: &str = "ev_0000000000000000";

async fn open(scene: &Scene, path: &str, last: &str) -> Response {
    let [(_, base), (_, key)] = scene.environment();
    let request = reqwest::Client::new().get(format!("{base}{path}")).bearer_auth(key);
    let response = request.header("last-event-id", last).send().await.unwrap();
    assert_eq!(response.status(), 200);
    response
}

/// What a client has that follows.
#[derive(Default)]
struct Followed {
    /// The ids and the events, as they came.
    told: Vec<(String, Value)>,
}

impl Followed {
    fn last(&self) -> &str {
        self.told.last().map_or(BEGIN, |(id, _)| id)
    }

    fn ids(&self) -> Vec<&str> {
        self.told.iter().map(|(id, _)| id.as_str()).collect()
    }

    /// Opens a stream behind what it has, and takes events until it has enough. What is under way then is not taken.
    async fn follow(&mut self, scene: &Scene, path: &str, enough: impl Fn(&Self) -> bool) {
        let mut response = open(scene, path, self.last()).await;
        let mut text = String::new();
        while !enough(self) {
            let chunk = timeout(PATIENCE, response.chunk()).await;
            let chunk = chunk.unwrap_or_else(|_| panic!("no news: {}", scene.log())).unwrap();
            text.push_str(std::str::from_utf8(&chunk.expect("the stream goes on")).unwrap());
            while !enough(self)
                && let Some((block, rest)) = text.split_once("\n\n")
            {
                let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
                if let (Some(id), Some(data)) = (field("id: "), field("data: ")) {
                    let event: Value = serde_json::from_str(data).unwrap();
                    assert_eq!((event["id"].as_str(), event["type"].as_str()), (Some(id), field("event: ")));
                    self.told.push((id.to_owned(), event));
                }
                text = rest.to_owned();
            }
        }
    }

    fn ends(&self) -> usize {
        self.told.iter().filter(|(_, event)| event["type"] == "closeout.closure.closed.v1").count()
    }
}

#[tokio::test]
async fn whoever_follows_is_told_each_event_once_and_in_order_although_the_service_is_killed() {
    let mut scene = Scene::begin(SceneOptions { requests: Some(60), ..SceneOptions::default() }).await;
    let made = scene.simulator.create(&NewConversation::default().count(40)).unwrap();
    let mut followed = Followed::default();
    for made in &made {
        scene.close(made.conversation_id, "0s").await;
    }
    for many in [15, 60, 110] {
        followed.follow(&scene, "/v1/events", |followed| followed.told.len() >= many).await;
        scene.kill();
        scene.start().await;
    }
    followed.follow(&scene, "/v1/events", |followed| followed.ends() == made.len()).await;

    // What the timelines say was announced is what was told, and nothing else.
    let mut announced = BTreeSet::new();
    for closure in scene.closures().await {
        let id = closure["id"].as_str().unwrap();
        let (_, timeline) = scene.ask("GET", &format!("/v1/closures/{id}/timeline"), None).await;
        for line in timeline["items"].as_array().unwrap() {
            for event in line["announces"].as_array().unwrap() {
                announced.insert((id.to_owned(), line["sequence"].as_u64().unwrap(), event.to_string()));
            }
        }
        let mut alone = Followed::default();
        let own: Vec<_> = followed.told.iter().filter(|(_, event)| event["data"]["id"] == id).collect();
        alone
            .follow(&scene, &format!("/v1/closures/{id}/events"), |alone| alone.told.len() == own.len())
            .await;
        assert_eq!(alone.ids(), own.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>());
    }
    let told: Vec<_> = followed
        .told
        .iter()
        .map(|(_, event)| {
            let data = &event["data"];
            let closure = data["id"].as_str().unwrap().to_owned();
            (closure, data["sequence"].as_u64().unwrap(), event["type"].to_string())
        })
        .collect();
    assert_eq!(told.len(), announced.len(), "each once");
    assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), announced);
    // In the order in which it happened, which is that of a client that has never been cut off.
    let mut whole = Followed::default();
    whole.follow(&scene, "/v1/events", |whole| whole.told.len() == followed.told.len()).await;
    assert_eq!(whole.ids(), followed.ids());
}

#[tokio::test]
async fn a_stream_ends_well_with_the_closure_and_with_the_service() {
    let mut scene = Scene::begin(SceneOptions::default()).await;
    let made = scene.simulator.create(&NewConversation::default()).unwrap()[0];
    let id = scene.close(made.conversation_id, "0s").await["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/closures/{id}/events");
    let whole = timeout(PATIENCE, async { open(&scene, &path, BEGIN).await.text().await.unwrap() });
    let whole = whole.await.expect("it ends by itself");
    let last = whole.lines().rfind(|line| line.starts_with("event: ")).unwrap();
    assert_eq!(last, "event: closeout.closure.closed.v1", "{whole}");
    let mut all = open(&scene, "/v1/events", BEGIN).await;
    all.chunk().await.unwrap().unwrap();
    assert_eq!(scene.terminate(), 0);
    let rest = timeout(PATIENCE, async {
        while all.chunk().await?.is_some() {}
        Ok::<_, reqwest::Error>(())
    });
    // An answer that was cut would be an error.
    rest.await.expect("it ends").unwrap();
    assert!(!scene.log().contains("cut"), "{}", scene.log());
}
