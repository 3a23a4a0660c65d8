//! The service dies before and after whatever it tells its broker: that a message is taken, that a closure has ended.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use genesys_simulator::NewConversation;
use serde_json::{Value, json};

use super::points::CrashPoints;
use crate::scene::{Scene, SceneOptions, wait_until};

/// Far longer than a round takes.
const PATIENCE: Duration = Duration::from_secs(150);

/// What a round passes whatever it does, or the test says too little.
const AT_LEAST: [&str; 8] = [
    "receive messages, after",
    "bury, before",
    "bury, after",
    "settle messages, before",
    "settle messages, after",
    "publish ending, before",
    "publish ending, after",
    "publish ending, after, 2",
];

/// How many commands a round sends, one of them malformed.
const COMMANDS: usize = 4;

/// A broker as a shop uses it that asks for closures and hears of them.
#[expect(async_fn_in_trait, reason = "for tests, each of which has one task")]
pub trait Shop {
    /// Sends a command under an id, until the broker has it.
    async fn send(&mut self, id: &str, command: &Value);

    /// The events that came to the shop: at least those since it was last asked.
    async fn told(&mut self) -> Vec<Value>;

    /// Whether no command is left in the hands of the broker; false also as long as nobody can say so.
    async fn has_no_command_left(&self, scene: &Scene) -> bool;
}

/// Has the service die once at each point that it passes before its broker, and sees that no command was lost and none doubled.
pub async fn die_around_each_call(shop: &mut impl Shop, options: SceneOptions) {
    die_around_calls(shop, options, |_| true).await;
}

/// The same at those points alone.
pub async fn die_around_calls(
    shop: &mut impl Shop,
    mut options: SceneOptions,
    is_meant: impl Fn(&str) -> bool,
) {
    let points = CrashPoints::begin();
    options.environment.push(points.environment());
    let scene = Scene::begin(options).await;
    let mut deaths = Deaths { shop, points, scene, rounds: 0, closed: BTreeSet::new() };
    deaths.round().await;
    // What can be seen of a round may be there a moment before its last point is passed.
    let all_of_them = wait_until(PATIENCE, || async {
        let passed = deaths.points.passed();
        AT_LEAST.iter().all(|point| passed.iter().any(|one| one == point)).then_some(passed)
    });
    let passed = all_of_them.await.unwrap_or_else(|| panic!("not passed: {:#?}", deaths.points.passed()));
    let mut died = Vec::new();
    let before_the_broker = passed.iter().filter(|point| AT_LEAST.iter().any(|one| point.starts_with(one)));
    for point in before_the_broker.filter(|point| is_meant(point)) {
        died.extend(deaths.at(point).await);
    }
    println!("died at {died:#?}");
    for point in AT_LEAST.into_iter().filter(|point| is_meant(point)) {
        assert!(died.iter().any(|one| one == point), "no death at {point}: {died:#?}");
    }
    deaths.end().await;
}

/// A service that dies again and again.
struct Deaths<'a, S> {
    shop: &'a mut S,
    points: CrashPoints,
    scene: Scene,
    rounds: usize,
    /// The conversations whose ends the shop was told.
    closed: BTreeSet<String>,
}

impl<S: Shop> Deaths<'_, S> {
    /// A round in which the service dies at this point, if it comes there; where it has died.
    async fn at(&mut self, point: &str) -> Option<String> {
        self.points.die_at(point);
        self.scene.kill();
        self.points.revive(&mut self.scene).await;
        self.round().await;
        if AT_LEAST.contains(&point) {
            let dead = self.points.death(&mut self.scene, PATIENCE).await;
            assert!(dead.is_some(), "{point} was not passed again");
        }
        self.points.died_at()
    }

    /// Sends commands and waits until each came to its end, its ending was told, and the broker has none left.
    async fn round(&mut self) {
        let (round, good) = (self.rounds, COMMANDS - 1);
        let wanted = NewConversation::default().count(good.try_into().unwrap());
        for (place, made) in self.scene.simulator.create(&wanted).unwrap().iter().enumerate() {
            let command = json!({ "conversationId": made.conversation_id });
            self.shop.send(&format!("order-{round}-{place}"), &command).await;
        }
        self.shop.send(&format!("malformed-{round}"), &json!({ "conversationId": "none" })).await;
        self.rounds += 1;
        let give_up = Instant::now() + PATIENCE;
        loop {
            self.points.revive(&mut self.scene).await;
            let closed = self.number_of("/v1/closures?state=closed&limit=500").await;
            let letters = self.number_of("/v1/dead-letters?limit=500").await;
            let endings = self.shop.told().await;
            let endings = endings.iter().filter(|event| event["type"] == "closeout.closure.closed.v1");
            self.closed
                .extend(endings.map(|event| event["data"]["conversationId"].as_str().unwrap().to_owned()));
            let is_empty = self.shop.has_no_command_left(&self.scene).await;
            let standing = (closed, letters, self.closed.len(), is_empty);
            let all = self.rounds * good;
            if standing == (Some(all), Some(self.rounds), all, true) {
                return;
            }
            assert!(
                Instant::now() < give_up,
                "of {all} closed, dead letters, told, empty: {standing:?} {}",
                self.scene.log()
            );
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// How many a list has on its first page, if the service lives to say so.
    async fn number_of(&self, list: &str) -> Option<usize> {
        let (_, page) = self.scene.try_ask("GET", list, None).await.ok()?;
        Some(page["items"].as_array()?.len())
    }

    /// Whether all came to what was to come of it.
    async fn end(mut self) {
        self.points.live_on(&mut self.scene).await;
        let conversation = |one: &Value| one["conversationId"].as_str().unwrap().to_owned();
        let all: Vec<_> = self.scene.closures().await.iter().map(conversation).collect();
        assert_eq!(all.len(), self.rounds * (COMMANDS - 1), "each command is one closure");
        assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), self.closed, "each ending is told");
        let verdict = self.scene.simulator.verdict();
        assert!(verdict.clean, "{verdict:?}");
    }
}
