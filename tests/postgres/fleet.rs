//! Three services on one database behind a balancer, while one of them is killed or stopped every second.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use closeout_tests::{Nats, Scene, SceneOptions, program, publish, wait_until};
use genesys_simulator::{NewConversation, Quota, SimulatorBuilder};
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::setting::store;

mod balancer;
mod calls;
mod pace;
mod replicas;
mod upgrade;

use calls::Calls;
use pace::Pace;
use replicas::{Replica, Strike};

/// How many closures; more of them by `CLOSEOUT_FLEET_CLOSURES`.
const CLOSURES: u32 = 250;

/// When the queue gives out again what a dead service had in hand.
const GIVEN_AGAIN: Duration = Duration::from_secs(5);

/// The states of a closure that has not ended, and of one that ended otherwise than it should.
const OPEN: &[&str] = &[
    "accepted",
    "scheduled",
    "verifying",
    "closing_participant",
    "awaiting_confirmation",
    "closing_wrapper",
    "blocked",
    "ghost",
];
const AMISS: &[&str] = &["failed", "cancelled", "resolved"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_three_dies_or_stands_still_every_second_and_nothing_is_lost() {
    let number = std::env::var("CLOSEOUT_FLEET_CLOSURES").ok().map_or(CLOSURES, |text| text.parse().unwrap());
    let nats = Nats::begin().await;
    nats.give_again_after(GIVEN_AGAIN).await;
    let fleet = Fleet::begin(None, Some(&nats)).await;
    let made = fleet.conversations(number);
    let (by_queue, by_request) = made.split_at(made.len() / 2);
    let (stop, begun) = (CancellationToken::new(), Instant::now());
    let (strikes, ()) = tokio::join!(replicas::strike(&fleet.replicas, &fleet.scene, &stop), async {
        tokio::join!(fleet.submit_all(by_request), async {
            for conversation in by_queue {
                publish(&nats.client, conversation, None, &json!({ "conversationId": conversation })).await;
            }
        });
        fleet.ended(made.len() * 9 / 10).await;
        stop.cancel();
    });
    fleet.all_closed().await;
    fleet.tell(number, &strikes, begun);
    let verdict = fleet.scene.simulator.verdict();
    let early = verdict.wrapper_closes_before_guest_gone + verdict.wrapper_closes_before_proof;
    assert_eq!(early, 0, "{verdict:?}");
    assert_eq!(fleet.calls.unexplained(&verdict.offences, &strikes), <[&str; 0]>::default(), "{strikes:?}");
    assert_eq!(verdict.conversations, u64::from(number));
    assert_eq!(fleet.scene.count(&["closed", "already_closed"]).await, made.len());
    assert_eq!(fleet.scene.count(AMISS).await, 0);
    let emptied = wait_until(Duration::from_secs(60), || async { (nats.left().await? == 0).then_some(()) });
    assert!(emptied.await.is_some(), "{:?} commands are left", nats.left().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_services_share_one_quota() {
    let quota = Quota { requests: Some(150), window: Duration::from_secs(10) };
    let fleet = Fleet::begin(Some(quota), None).await;
    fleet.submit_all(&fleet.conversations(90)).await;
    fleet.all_closed().await;
    let verdict = fleet.scene.simulator.verdict();
    assert!(verdict.calls > 180, "{verdict:?}");
    // In virtual time it is exactly none (`orchestrator/tests/driver`). Here a call that a busy machine holds back for longer than the
    // quarter of a second before a window's end arrives in the next; three that did not share would hear it a hundred times.
    assert!(verdict.rate_limited <= 6 && verdict.clean, "{verdict:?}");
}

/// Three services and what stands around them.
struct Fleet {
    scene: Scene,
    replicas: Vec<Arc<Replica>>,
    calls: Arc<Calls>,
}

impl Fleet {
    /// Begins; with a quota all services use one client, whose tokens share it.
    async fn begin(quota: Option<Quota>, nats: Option<&Nats>) -> Self {
        Self::begin_as(program().to_owned(), quota, nats).await
    }

    /// The same with another program, which also makes the tables.
    async fn begin_as(program: PathBuf, quota: Option<Quota>, nats: Option<&Nats>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let front = format!("http://{}", listener.local_addr().unwrap());
        let options = SceneOptions {
            closing: "confirm_within = \"2s\"\ndeadline = \"90s\"\nstale_read_gap = \"500ms\"\n".to_owned(),
            store: Some(store()),
            callbacks: nats.map(Nats::source).unwrap_or_default(),
            environment: environment(quota),
            program: Some(program.clone()),
            relay_to: Some(format!("{front}/hooks/relay")),
            ..SceneOptions::default()
        };
        let limit = |builder: SimulatorBuilder| match quota {
            Some(quota) => builder.quota(quota).quota_of_clients(true),
            None => builder,
        };
        let mut scene = Scene::begin_with(options, limit).await;
        // The tables are there now; the services of the fleet have ports of their own.
        scene.kill();
        scene.base = front;
        let (calls, mut replicas) = (Arc::new(Calls::default()), Vec::new());
        for number in 0..3 {
            let mut environment = environment(quota);
            let door = calls.door(&scene.simulator, number).await;
            environment.push(("CLOSEOUT_GENESYS__MAIN__REGION".to_owned(), door));
            replicas.push(Arc::new(Replica::new(number, program.clone(), environment)));
        }
        balancer::serve(listener, replicas.clone());
        let fleet = Self { scene, replicas, calls };
        for replica in &fleet.replicas {
            replica.start(&fleet.scene);
        }
        fleet.ready().await;
        fleet
    }

    async fn ready(&self) {
        let ready = wait_until(Duration::from_secs(30), || async {
            for replica in &self.replicas {
                let url = format!("http://127.0.0.1:{}/readyz", replica.port);
                reqwest::get(url).await.ok().filter(|answer| answer.status().is_success())?;
            }
            Some(())
        });
        assert!(ready.await.is_some(), "the services are not ready: {}", self.scene.log());
    }

    fn conversations(&self, number: u32) -> Vec<String> {
        let made = self.scene.simulator.create(&NewConversation::default().count(number)).unwrap();
        made.iter().map(|one| one.conversation_id.to_string()).collect()
    }

    /// Asks for a closure until it is accepted, as a producer does that keeps its key.
    async fn submit(client: reqwest::Client, front: String, token: String, conversation: String) {
        let body = json!({ "conversationId": conversation });
        let accepted = wait_until(Duration::from_secs(60), || async {
            let asked = client.post(format!("{front}/v1/closures")).bearer_auth(&token);
            let asked = asked.header("idempotency-key", &conversation).json(&body).send().await.ok()?;
            asked.status().is_success().then_some(())
        });
        assert!(accepted.await.is_some(), "{conversation} is not accepted");
    }

    async fn submit_all(&self, conversations: &[String]) {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(15)).build().unwrap();
        let token = self.scene.environment()[1].1.to_owned();
        let mut producers = JoinSet::new();
        for conversation in conversations {
            while producers.len() >= 24 {
                producers.join_next().await.unwrap().unwrap();
            }
            let front = self.scene.base.clone();
            producers.spawn(Self::submit(client.clone(), front, token.clone(), conversation.clone()));
        }
        while let Some(done) = producers.join_next().await {
            done.unwrap();
        }
    }

    /// Waits until so many wrappers are closed.
    async fn ended(&self, number: usize) {
        let ended = wait_until(Duration::from_secs(600), || async {
            // Counting all of them is work.
            tokio::time::sleep(Duration::from_millis(100)).await;
            (self.calls.endings().len() >= number).then_some(())
        });
        assert!(ended.await.is_some(), "{} have ended: {}", self.calls.endings().len(), self.scene.log());
    }

    async fn all_closed(&self) {
        let done = wait_until(Duration::from_secs(180), || async {
            let verdict = self.scene.simulator.verdict();
            let path = format!("/v1/closures?limit=1&state={}", OPEN.join(","));
            let (status, page) = self.scene.ask("GET", &path, None).await;
            let none = status == 200 && page["items"].as_array()?.is_empty();
            (none && verdict.conversations_open == 0).then_some(())
        });
        if done.await.is_none() {
            let path = format!("/v1/closures?limit=20&state={}", OPEN.join(","));
            let (_, page) = self.scene.ask("GET", &path, None).await;
            panic!("{:?} {page:#} {}", self.scene.simulator.verdict(), self.scene.log());
        }
    }

    /// Prints what a run came to.
    fn tell(&self, number: u32, strikes: &[Strike], begun: Instant) {
        let pace = Pace { begun, endings: self.calls.endings() };
        let (stops, kills): (Vec<&Strike>, Vec<&Strike>) = strikes.iter().partition(|strike| strike.stopped);
        println!("{number} closures in {:?}; {} kills, {} stops", begun.elapsed(), kills.len(), stops.len());
        println!("ended in each second: {:?}", pace.each_second());
        let at = |strike: &&Strike| (strike.from - begun).as_secs();
        println!("stops began at these seconds: {:?}", stops.iter().map(at).collect::<Vec<_>>());
        let last = strikes.iter().map(|strike| strike.from).max().unwrap();
        let alone = |kill: &&Strike| !stops.iter().any(|stop| stop.from < kill.to && kill.from < stop.to);
        let alone = kills.into_iter().filter(alone);
        for (what, (silence, slow)) in [
            ("a kill while no other stood still", pace.worst_after(alone, last)),
            ("any strike", pace.worst_after(strikes.iter(), last)),
        ] {
            println!(
                "after {what}, at worst: {silence:.1?} without an ending, {slow:.1?} below half of the mean"
            );
        }
        let verdict = self.scene.simulator.verdict();
        let repeated = verdict.repeated_closes + verdict.repeated_wrapper_closes;
        println!(
            "asked again after a read {}, without one {repeated}",
            self.calls.asked_again() - usize::try_from(repeated).unwrap()
        );
        println!("{verdict:?}");
    }
}

fn environment(quota: Option<Quota>) -> Vec<(String, String)> {
    let mut variables =
        vec![("CLOSEOUT_STORE__REPLICAS", "true".to_owned()), ("RUST_LOG", "warn".to_owned())];
    if let Some(Quota { requests: Some(requests), window }) = quota {
        variables.push(("CLOSEOUT_GENESYS__MAIN__REQUESTS_PER_MINUTE", requests.to_string()));
        variables.push(("CLOSEOUT_GENESYS__MAIN__QUOTA_WINDOW", format!("{}s", window.as_secs())));
    }
    variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
