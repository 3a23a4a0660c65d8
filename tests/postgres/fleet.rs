//! Three services on one database behind a balancer, while one of them is killed or stopped every second.

use std::{
    fs::File,
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::Response,
};
use closeout_tests::{Scene, SceneOptions, program, wait_until};
use genesys_simulator::{NewConversation, Quota, SimulatorBuilder};
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::setting::store;

/// How many closures; more of them by `CLOSEOUT_FLEET_CLOSURES`.
const CLOSURES: u32 = 500;

/// How long a stopped service stands still: past every time-out after which the others take it for gone.
const STANDS_STILL: Duration = Duration::from_millis(4_500);

/// One service of the fleet.
struct Replica {
    port: u16,
    child: Mutex<Option<Child>>,
}

/// What was done to services.
#[derive(Debug, Default)]
struct Strikes {
    killed: u64,
    stood_still: u64,
}

/// Three services, and a balancer that asks one after the other and goes on to the next where one does not answer.
struct Fleet {
    scene: Scene,
    replicas: Vec<Arc<Replica>>,
    environment: Vec<(String, String)>,
}

#[derive(Clone)]
struct Balancer {
    replicas: Vec<Arc<Replica>>,
    turn: Arc<AtomicUsize>,
    client: reqwest::Client,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
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

impl Balancer {
    async fn pass_on(
        State(this): State<Self>,
        method: Method,
        uri: Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> Response {
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        for _ in 0..this.replicas.len() {
            let turn = this.turn.fetch_add(1, Ordering::Relaxed);
            let replica = &this.replicas[turn % this.replicas.len()];
            let url = format!("http://127.0.0.1:{}{path}", replica.port);
            let asked = this.client.request(method.clone(), url).headers(headers.clone()).body(body.clone());
            let Ok(answer) = asked.send().await else { continue };
            let mut response = Response::builder().status(answer.status());
            for (name, value) in answer.headers().iter().filter(|(name, _)| *name != "transfer-encoding") {
                response = response.header(name, value);
            }
            let Ok(bytes) = answer.bytes().await else { continue };
            return response.body(Body::from(bytes)).unwrap();
        }
        Response::builder().status(StatusCode::SERVICE_UNAVAILABLE).body(Body::empty()).unwrap()
    }
}

impl Fleet {
    /// Begins; with a quota all services use one client, whose tokens share it.
    async fn begin(quota: Option<Quota>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let front = format!("http://{}", listener.local_addr().unwrap());
        let options = SceneOptions {
            closing: "confirm_within = \"2s\"\ndeadline = \"90s\"\nstale_read_gap = \"500ms\"\n".to_owned(),
            store: Some(store()),
            environment: environment(quota),
            relay_to: Some(format!("{front}/hooks/relay")),
            ..SceneOptions::default()
        };
        let environment = options.environment.clone();
        let limit = |builder: SimulatorBuilder| match quota {
            Some(quota) => builder.quota(quota).quota_of_clients(true),
            None => builder,
        };
        let mut scene = Scene::begin_with(options, limit).await;
        // The tables are there now; the services of the fleet have ports of their own.
        scene.kill();
        scene.base = front;
        let replicas: Vec<_> =
            (0..3).map(|_| Arc::new(Replica { port: free_port(), child: Mutex::default() })).collect();
        let client = reqwest::Client::builder().timeout(Duration::from_secs(3)).build().unwrap();
        let balancer = Balancer { replicas: replicas.clone(), turn: Arc::default(), client };
        let router = Router::new().fallback(Balancer::pass_on).with_state(balancer);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let fleet = Self { scene, replicas, environment };
        for replica in &fleet.replicas {
            fleet.start(replica);
        }
        let ready = wait_until(Duration::from_secs(30), || async {
            for replica in &fleet.replicas {
                let url = format!("http://127.0.0.1:{}/readyz", replica.port);
                reqwest::get(url).await.ok().filter(|answer| answer.status().is_success())?;
            }
            Some(())
        });
        assert!(ready.await.is_some(), "the services are not ready: {}", fleet.scene.log());
        fleet
    }

    fn start(&self, replica: &Replica) {
        let log = self.scene.folder.path().join("service.log");
        let log = File::options().append(true).open(log).unwrap();
        let child = Command::new(program())
            .args(["serve", "--config"])
            .arg(self.scene.configuration())
            .env("GENESYSCLOUD_OAUTHCLIENT_ID", genesys_simulator::DEFAULT_CLIENT_ID)
            .env("GENESYSCLOUD_OAUTHCLIENT_SECRET_FILE", self.scene.client_secret())
            .env("CLOSEOUT_SERVER__LISTEN", format!("127.0.0.1:{}", replica.port))
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        *replica.child.lock().unwrap() = Some(child.unwrap());
    }

    /// Kills one, or lets one stand still, every second.
    async fn strike(&self, stop: &CancellationToken) -> Strikes {
        let mut strikes = Strikes::default();
        for turn in 0.. {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
                () = stop.cancelled() => break,
            }
            let replica = &self.replicas[turn % 3];
            if turn % 4 == 3 {
                signal(replica, "-STOP");
                tokio::time::sleep(STANDS_STILL).await;
                signal(replica, "-CONT");
                strikes.stood_still += 1;
            } else {
                strikes.killed += 1;
                kill(replica);
                tokio::time::sleep(Duration::from_millis(300)).await;
                self.start(replica);
            }
        }
        strikes
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

    async fn submit_all(&self, number: u32) {
        let made = self.scene.simulator.create(&NewConversation::default().count(number)).unwrap();
        let client = reqwest::Client::builder().timeout(Duration::from_secs(15)).build().unwrap();
        let token = self.scene.environment()[1].1.to_owned();
        let mut producers = JoinSet::new();
        for one in made {
            while producers.len() >= 24 {
                producers.join_next().await.unwrap().unwrap();
            }
            let conversation = one.conversation_id.to_string();
            let front = self.scene.base.clone();
            producers.spawn(Self::submit(client.clone(), front, token.clone(), conversation));
        }
        while let Some(done) = producers.join_next().await {
            done.unwrap();
        }
    }

    async fn all_closed(&self) {
        let done = wait_until(Duration::from_secs(120), || async {
            let verdict = self.scene.simulator.verdict();
            let open = "accepted,scheduled,verifying,closing_participant,awaiting_confirmation,closing_wrapper,blocked,ghost";
            let (status, page) =
                self.scene.ask("GET", &format!("/v1/closures?limit=1&state={open}"), None).await;
            let none = status == 200 && page["items"].as_array()?.is_empty();
            (none && verdict.conversations_open == 0).then_some(())
        });
        if done.await.is_none() {
            let (_, page) =
                self.scene.ask("GET", "/v1/closures?limit=20&state=ghost,blocked,failed", None).await;
            panic!("{:?} {page:#} {}", self.scene.simulator.verdict(), self.scene.log());
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for replica in &self.replicas {
            signal(replica, "-CONT");
            kill(replica);
        }
    }
}

fn kill(replica: &Replica) {
    if let Some(mut child) = replica.child.lock().unwrap().take() {
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn signal(replica: &Replica, signal: &str) {
    if let Some(child) = &*replica.child.lock().unwrap() {
        let _ = Command::new("kill").args([signal, &child.id().to_string()]).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_three_dies_or_stands_still_every_second_and_nothing_is_lost() {
    let number = std::env::var("CLOSEOUT_FLEET_CLOSURES").ok().map_or(CLOSURES, |text| text.parse().unwrap());
    let fleet = Fleet::begin(None).await;
    let stop = CancellationToken::new();
    let begun = Instant::now();
    let (strikes, ()) = tokio::join!(fleet.strike(&stop), async {
        fleet.submit_all(number).await;
        stop.cancel();
    });
    assert!(
        strikes.killed > 0 && strikes.stood_still > 0,
        "{strikes:?}: too few closures for so fast a machine"
    );
    fleet.all_closed().await;
    let verdict = fleet.scene.simulator.verdict();
    println!("{number} closures in {:?}, {strikes:?}: {verdict:?}", begun.elapsed());
    assert_eq!(
        verdict.wrapper_closes_before_guest_gone + verdict.wrapper_closes_before_proof,
        0,
        "{verdict:?}"
    );
    // A call that had left, or was about to, when its service stopped may arrive once more when it wakes.
    let repeated = verdict.repeated_closes + verdict.repeated_wrapper_closes;
    assert!(repeated <= strikes.stood_still, "{strikes:?} {verdict:?}");
    assert_eq!(verdict.conversations, u64::from(number));
    assert_eq!(fleet.scene.count(&["closed", "already_closed"]).await, usize::try_from(number).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_services_share_one_quota() {
    let fleet = Fleet::begin(Some(Quota { requests: Some(150), window: Duration::from_secs(10) })).await;
    fleet.submit_all(90).await;
    fleet.all_closed().await;
    let verdict = fleet.scene.simulator.verdict();
    assert!(verdict.calls > 180, "{verdict:?}");
    // In virtual time it is exactly none (`orchestrator/tests/driver`). Here a call that a busy machine holds back for longer than the
    // quarter of a second before a window's end arrives in the next; three that did not share would hear it a hundred times.
    assert!(verdict.rate_limited <= 6 && verdict.clean, "{verdict:?}");
}
