//! The services as processes, and what is done to them.

use std::{
    fs::File,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use closeout_tests::{Scene, free_port};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long a stopped service stands still: past every time-out after which the others take it for gone.
const STANDS_STILL: Duration = Duration::from_millis(4_500);

/// After how many strikes one is a stop again; the others kill. Seldom two stand still at once.
const STOPS_EVERY: usize = 6;

/// Strikes that are made however soon the work ends: one of them is a stop.
const FEWEST: usize = 3;

/// One service.
pub struct Replica {
    pub number: usize,
    pub port: u16,
    child: Mutex<Option<Child>>,
    stands_still: AtomicBool,
    environment: Vec<(String, String)>,
    program: Mutex<PathBuf>,
}

/// What was done to a service, and from when until when.
#[derive(Debug, Clone, Copy)]
pub struct Strike {
    pub replica: usize,
    pub stopped: bool,
    pub from: Instant,
    pub to: Instant,
}

impl Replica {
    /// One with a port of its own; `environment` differs from what its configuration says.
    pub fn new(number: usize, program: PathBuf, environment: Vec<(String, String)>) -> Self {
        let port = free_port();
        let (child, stands_still, program) = (Mutex::default(), AtomicBool::default(), Mutex::new(program));
        Self { number, port, child, stands_still, environment, program }
    }

    /// Starts it with the configuration of the scene.
    pub fn start(&self, scene: &Scene) {
        let log = File::options().append(true).open(scene.folder.path().join("service.log")).unwrap();
        let child = Command::new(&*self.program.lock().unwrap())
            .args(["serve", "--config"])
            .arg(scene.configuration())
            .env("GENESYSCLOUD_OAUTHCLIENT_ID", genesys_simulator::DEFAULT_CLIENT_ID)
            .env("GENESYSCLOUD_OAUTHCLIENT_SECRET_FILE", scene.client_secret())
            .env("CLOSEOUT_SERVER__LISTEN", format!("127.0.0.1:{}", self.port))
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        *self.child.lock().unwrap() = Some(child.unwrap());
    }

    /// Asks it to stop, as an init system does, waits for its end, and starts another program in its place.
    pub fn becomes(&self, program: PathBuf, scene: &Scene) {
        self.signal("-TERM");
        let ended = self.child.lock().unwrap().take().unwrap().wait().unwrap();
        assert_eq!(ended.code(), Some(0), "the service stopped with {ended}");
        *self.program.lock().unwrap() = program;
        self.start(scene);
    }

    /// Ends it at once, as `kill -9` does.
    pub fn kill(&self) {
        if let Some(mut child) = self.child.lock().unwrap().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn signal(&self, signal: &str) {
        if let Some(child) = &*self.child.lock().unwrap() {
            let _ = Command::new("kill").args([signal, &child.id().to_string()]).status();
        }
    }

    /// Lets it stand still for a while.
    fn stop(self: &Arc<Self>) -> JoinHandle<Strike> {
        let this = Arc::clone(self);
        this.stands_still.store(true, Ordering::Relaxed);
        let from = Instant::now();
        this.signal("-STOP");
        tokio::spawn(async move {
            tokio::time::sleep(STANDS_STILL).await;
            this.signal("-CONT");
            this.stands_still.store(false, Ordering::Relaxed);
            Strike { replica: this.number, stopped: true, from, to: Instant::now() }
        })
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.signal("-CONT");
        self.kill();
    }
}

/// Kills one, or lets one stand still, every second until told to end.
pub async fn strike(replicas: &[Arc<Replica>], scene: &Scene, end: &CancellationToken) -> Vec<Strike> {
    let (mut strikes, mut stops, mut next) = (Vec::new(), Vec::new(), 0);
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    seconds.tick().await;
    for turn in 0.. {
        seconds.tick().await;
        if end.is_cancelled() && turn >= FEWEST {
            break;
        }
        while replicas[next % replicas.len()].stands_still.load(Ordering::Relaxed) {
            next += 1;
        }
        let replica = &replicas[next % replicas.len()];
        next += 1;
        if turn % STOPS_EVERY == 1 {
            stops.push(replica.stop());
        } else {
            let from = Instant::now();
            replica.kill();
            tokio::time::sleep(Duration::from_millis(300)).await;
            replica.start(scene);
            strikes.push(Strike { replica: replica.number, stopped: false, from, to: Instant::now() });
        }
    }
    for stop in stops {
        strikes.push(stop.await.unwrap());
    }
    strikes.sort_by_key(|strike| strike.from);
    strikes
}
