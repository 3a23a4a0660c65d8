//! A scene: a simulated Genesys in this process, the service as a child, and a client for it.

use std::{
    fs::{self, File},
    future::Future,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use genesys_simulator::{
    BodyFormat, DelayRange, Quota, Signing, Simulator, SimulatorBuilder, WebhookAdapter,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    port::free_port,
    program::{Ended, program, run},
};

/// The key of an administrator in every scene, and its SHA-256.
const KEY: &str = "ck_scene_administrator_0123456789abcdef";

/// The secret of the relay in every scene.
const SECRET: &str = "a secret of the scene, 32 bytes long";

/// What differs from scene to scene.
pub struct SceneOptions {
    /// Lines for `[closing]`.
    pub closing: String,
    /// Lines for `[lookup]`.
    pub lookup: String,
    /// Lines for `[genesys.main]`.
    pub genesys: String,
    /// The `[[confirm]]` tables; `None` for the webhook of the relay.
    pub confirm: Option<String>,
    /// The tables of callbacks.
    pub callbacks: String,
    /// Where the relay posts to; `None` for that webhook.
    pub relay_to: Option<String>,
    /// Where the service keeps its state; `None` for an SQLite file in the folder.
    pub store: Option<String>,
    /// Variables of the service's environment.
    pub environment: Vec<(String, String)>,
    /// The program that is the service; `None` for the one under test.
    pub program: Option<PathBuf>,
    /// How the relay writes its bodies.
    pub format: BodyFormat,
    /// Whether the relay is told of every change of a conversation, as subscribers of its queue are.
    pub queue_topic: bool,
    /// Requests that Genesys allows in two seconds; `None` for no limit.
    pub requests: Option<u32>,
    /// The seed of all faults.
    pub seed: u64,
}

impl Default for SceneOptions {
    fn default() -> Self {
        Self {
            closing: "confirm_within = \"1s\"\ndeadline = \"15s\"\nstale_read_gap = \"500ms\"\n".to_owned(),
            lookup: String::new(),
            genesys: String::new(),
            confirm: None,
            callbacks: String::new(),
            relay_to: None,
            store: None,
            environment: Vec::new(),
            program: None,
            format: BodyFormat::Eventbridge,
            queue_topic: false,
            requests: None,
            seed: 1,
        }
    }
}

/// A simulated Genesys, the service, and a client.
pub struct Scene {
    /// The folder with configuration, database and log.
    pub folder: TempDir,
    /// The simulator.
    pub simulator: Simulator,
    /// The relay that posts to the service.
    pub relay: WebhookAdapter,
    /// The address of the simulator, as `http://127.0.0.1:port`.
    pub genesys: String,
    /// The address of the service, as `http://127.0.0.1:port`.
    pub base: String,
    client: reqwest::Client,
    service: Option<Child>,
    stop: CancellationToken,
    environment: Vec<(String, String)>,
    program: PathBuf,
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(mut service) = self.service.take() {
            let _ = service.kill();
            let _ = service.wait();
        }
    }
}

impl Scene {
    /// Sets the scene and starts the service.
    pub async fn begin(options: SceneOptions) -> Self {
        Self::begin_with(options, |builder| builder).await
    }

    /// The same, with a say in the simulator.
    pub async fn begin_with(
        options: SceneOptions,
        adjust: impl FnOnce(SimulatorBuilder) -> SimulatorBuilder,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let base = format!("http://127.0.0.1:{port}");
        let signing = Signing::HubSha256Base64 { secret: SECRET.to_owned().into() };
        let relay_to = options.relay_to.clone().unwrap_or_else(|| format!("{base}/hooks/relay"));
        let mut webhook = WebhookAdapter::new("relay", relay_to, signing).format(options.format);
        webhook.queue_topic = options.queue_topic;
        let builder = Simulator::builder()
            .seed(options.seed)
            .quota(Quota { requests: options.requests, window: Duration::from_secs(2) })
            .effect_delay(DelayRange::millis(1, 20))
            .event_delay(DelayRange::millis(1, 30))
            .delivery_retries(Duration::from_millis(200), 20)
            .webhook(webhook.clone());
        let simulator = adjust(builder).build().unwrap();
        let stop = CancellationToken::new();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let region = format!("http://{}", listener.local_addr().unwrap());
        let (serving, stopping) = (simulator.clone(), stop.clone());
        tokio::spawn(async move { serving.serve(listener, stopping).await });
        write_configuration(folder.path(), port, &region, &options);
        fs::write(folder.path().join("client-secret"), genesys_simulator::DEFAULT_CLIENT_SECRET).unwrap();
        let client = reqwest::Client::builder().timeout(Duration::from_secs(60)).build().unwrap();
        let mut scene = Self {
            folder,
            simulator,
            relay: webhook,
            genesys: region,
            base,
            client,
            service: None,
            stop,
            environment: options.environment,
            program: options.program.unwrap_or_else(|| program().to_owned()),
        };
        scene.start().await;
        scene
    }

    /// Starts the service and waits until it is ready.
    pub async fn start(&mut self) {
        assert!(self.start_or_die().await, "the service has died: {}", self.log());
    }

    /// Starts the service and waits until it is ready, or has ended by itself before; answers whether it is ready.
    pub async fn start_or_die(&mut self) -> bool {
        let log =
            File::options().create(true).append(true).open(self.folder.path().join("service.log")).unwrap();
        let child = Command::new(&self.program)
            .args(["serve", "--config"])
            .arg(self.configuration())
            .env("GENESYSCLOUD_OAUTHCLIENT_ID", genesys_simulator::DEFAULT_CLIENT_ID)
            .env("GENESYSCLOUD_OAUTHCLIENT_SECRET_FILE", self.client_secret())
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.service = Some(child);
        let give_up = Instant::now() + Duration::from_secs(20);
        while !self.has_died() {
            let answer = self.client.get(format!("{}/readyz", self.base)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return true;
            }
            assert!(Instant::now() < give_up, "the service is not ready: {}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }

    /// The service's process.
    pub fn process(&self) -> u32 {
        self.service.as_ref().expect("the service runs").id()
    }

    /// Whether the service has ended by itself.
    pub fn has_died(&mut self) -> bool {
        let Some(service) = &mut self.service else { return true };
        let died = service.try_wait().unwrap().is_some();
        if died {
            self.service = None;
        }
        died
    }

    /// Ends the service at once, as `kill -9` does.
    pub fn kill(&mut self) {
        let mut service = self.service.take().unwrap();
        service.kill().unwrap();
        service.wait().unwrap();
    }

    /// Asks the service to stop, as an init system does, and waits for its exit code.
    pub fn terminate(&mut self) -> i32 {
        let mut service = self.service.take().unwrap();
        let asked = Command::new("kill").args(["-TERM", &service.id().to_string()]).status().unwrap();
        assert!(asked.success());
        service.wait().unwrap().code().unwrap_or(-1)
    }

    /// Asks the service to read its credentials and keys again.
    pub fn reload(&self) {
        let service = self.service.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args(["-HUP", &service]).status().unwrap().success());
    }

    /// The file that holds the secret of the OAuth client.
    pub fn client_secret(&self) -> PathBuf {
        self.folder.path().join("client-secret")
    }

    /// The configuration file.
    pub fn configuration(&self) -> PathBuf {
        self.folder.path().join("closeout.toml")
    }

    /// What the service has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("service.log")).unwrap_or_default()
    }

    /// The environment with which the command line reaches the service.
    pub fn environment(&self) -> [(&str, &str); 2] {
        [("CLOSEOUT_SERVER", &self.base), ("CLOSEOUT_TOKEN", KEY)]
    }

    /// Runs the program as its operator does, against the service.
    pub async fn closeout(&self, arguments: &[&str]) -> Ended {
        let folder = self.folder.path().to_path_buf();
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let environment: Vec<(String, String)> = self.environment().into_iter().map(own).collect();
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let work = move || {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let environment: Vec<(&str, &str)> =
                environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            run(&folder, &arguments, &environment)
        };
        tokio::task::spawn_blocking(work).await.expect("running a program does not panic")
    }

    /// Sends a request; answers with status and body (`null` where there is none).
    pub async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        self.try_ask(method, path, body).await.unwrap()
    }

    /// The same of a service that may die meanwhile.
    pub async fn try_ask(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> reqwest::Result<(u16, Value)> {
        let method = method.parse().unwrap();
        let mut request = self.client.request(method, format!("{}{path}", self.base)).bearer_auth(KEY);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let text = answer.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    /// Asks for the close of a conversation and waits until the closure has ended or `wait` has passed.
    pub async fn close(&self, conversation: Uuid, wait: &str) -> Value {
        let body = json!({ "conversationId": conversation });
        let (status, closure) = self.ask("POST", &format!("/v1/closures?wait={wait}"), Some(body)).await;
        assert!(matches!(status, 200 | 202), "{status} {closure}");
        closure
    }

    /// Every closure, in pages.
    pub async fn closures(&self) -> Vec<Value> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let (status, page) = self.ask("GET", &format!("/v1/closures?limit=500{cursor}"), None).await;
            assert_eq!(status, 200, "{page}");
            all.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
    }

    /// Waits until there are so many closures, or more.
    pub async fn grown_to(&self, number: usize, patience: Duration) {
        let grown = wait_until(patience, || async { (self.closures().await.len() >= number).then_some(()) });
        assert!(grown.await.is_some(), "only {}: {}", self.closures().await.len(), self.log());
    }

    /// A source as the service shows it; nothing when there is nobody to do so.
    pub async fn source(&self, name: &str) -> Option<Value> {
        let (_, sources) = self.try_ask("GET", "/v1/sources", None).await.ok()?;
        sources["items"].as_array()?.iter().find(|source| source["name"] == name).cloned()
    }

    /// How many closures are in one of these states.
    pub async fn count(&self, states: &[&str]) -> usize {
        let mut number = 0;
        let mut cursor = String::new();
        loop {
            let path = format!("/v1/closures?state={}&limit=200{cursor}", states.join(","));
            let (status, page) = self.ask("GET", &path, None).await;
            assert_eq!(status, 200, "{page}");
            number += page["items"].as_array().unwrap().len();
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return number,
            }
        }
    }

    /// The closure once it is in one of these states.
    pub async fn settled(&self, id: &str, states: &[&str]) -> Value {
        let found = wait_until(Duration::from_secs(60), || async {
            let (_, closure) = self.ask("GET", &format!("/v1/closures/{id}"), None).await;
            states.contains(&closure["state"].as_str()?).then_some(closure)
        });
        found.await.unwrap_or_else(|| panic!("{id} is none of {states:?}: {}", self.log()))
    }
}

fn write_configuration(folder: &Path, port: u16, region: &str, options: &SceneOptions) {
    let digest = sha256_of_key();
    let requests = options.requests.unwrap_or(0);
    let (closing, lookup, genesys) = (&options.closing, &options.lookup, &options.genesys);
    let webhook = format!(
        "[[confirm]]\nname = \"relay\"\nkind = \"webhook\"\nverify = \"hub-sha256-base64\"\nsecrets = [\"{SECRET}\"]\n"
    );
    let confirm = options.confirm.as_ref().unwrap_or(&webhook);
    let file = format!("sqlite:{}", folder.join("closeout.db").display());
    let store = options.store.as_ref().unwrap_or(&file);
    let tokens = folder.join("tokens.toml");
    let configuration = format!(
        r#"[server]
listen = "127.0.0.1:{port}"

[store]
url = "{store}"

[genesys.main]
region = "{region}"
requests_per_minute = {requests}
quota_window = "2s"
{genesys}

[closing]
{closing}

[lookup]
{lookup}

{confirm}

{callbacks}

[auth]
tokens_file = "{tokens}"
"#,
        tokens = tokens.display(),
        callbacks = options.callbacks,
    );
    fs::write(folder.join("closeout.toml"), configuration).unwrap();
    let token = format!(
        "[[token]]\nname = \"scene\"\nsha256 = \"{digest}\"\nrole = \"admin\"\norganisations = [\"main\"]\n"
    );
    fs::write(tokens, token).unwrap();
}

/// The SHA-256 of [`KEY`], as `printf %s KEY | sha256sum` prints it.
fn sha256_of_key() -> String {
    use std::io::Write as _;
    let mut child = Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(KEY.as_bytes()).unwrap();
    let printed = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    printed.split_whitespace().next().unwrap().to_owned()
}

/// Looks again and again until `look` finds something, for at most `patience`.
pub async fn wait_until<T, F: Future<Output = Option<T>>>(
    patience: Duration,
    look: impl Fn() -> F,
) -> Option<T> {
    let give_up = Instant::now() + patience;
    loop {
        if let Some(found) = look().await {
            return Some(found);
        }
        if Instant::now() > give_up {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
