//! The service as a process of its own, with a configuration of its own.

use std::{
    fs::{self, File},
    io,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};
use tokio::process::{Child, Command};

/// How long the service may take until it is ready.
const READY_WITHIN: Duration = Duration::from_secs(15);

/// What the service of the demo is started with.
#[derive(Debug, Clone)]
pub struct Settings {
    pub folder: PathBuf,
    pub address: SocketAddr,
    pub region: String,
    pub secret: String,
    pub key: String,
    pub window: Duration,
    pub requests: u32,
}

/// A free port on loopback.
pub fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

impl Settings {
    /// Writes configuration and keys into the folder.
    pub fn write(&self) -> Result<()> {
        let database = self.folder.join("closeout.db");
        let tokens = self.folder.join("tokens.toml");
        let config = format!(
            r#"# The configuration of one demo. Waits are shortened: a real organisation keeps the defaults.
[server]
listen = "{listen}"

[store]
url = "sqlite:{database}"

[genesys.main]
region = "{region}"
requests_per_minute = {requests}
quota_window = "{window}s"

[closing]
confirm_within = "2s"
deadline = "20s"
stale_read_gap = "1s"

[ghosts]
look_again = "20s"

[[confirm]]
name = "relay"
kind = "webhook"
verify = "hub-sha256-base64"
secrets = ["{secret}"]

[auth]
tokens_file = "{tokens}"
"#,
            listen = self.address,
            database = database.display(),
            region = self.region,
            requests = self.requests,
            window = self.window.as_secs(),
            secret = self.secret,
            tokens = tokens.display(),
        );
        fs::write(self.folder.join("closeout.toml"), config)?;
        let digest: String =
            Sha256::digest(self.key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        let token = format!(
            "[[token]]\nname = \"demo\"\nsha256 = \"{digest}\"\nrole = \"admin\"\norganisations = [\"main\"]\n"
        );
        fs::write(tokens, token)?;
        Ok(())
    }
}

/// The running service.
pub struct Service {
    child: Child,
}

impl Service {
    /// Starts it and waits until it is ready.
    pub async fn start(settings: &Settings) -> Result<Self> {
        let program = std::env::current_exe().context("this program cannot find itself")?;
        let log = File::options().create(true).append(true).open(settings.folder.join("service.log"))?;
        let child = Command::new(program)
            .args(["serve", "--config"])
            .arg(settings.folder.join("closeout.toml"))
            .env("GENESYSCLOUD_OAUTHCLIENT_ID", genesys_simulator::DEFAULT_CLIENT_ID)
            .env("GENESYSCLOUD_OAUTHCLIENT_SECRET", genesys_simulator::DEFAULT_CLIENT_SECRET)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("the service cannot be started")?;
        let mut service = Self { child };
        service.wait_until_ready(settings).await?;
        Ok(service)
    }

    async fn wait_until_ready(&mut self, settings: &Settings) -> Result<()> {
        let client = reqwest::Client::builder().timeout(Duration::from_millis(500)).build()?;
        let give_up = Instant::now() + READY_WITHIN;
        loop {
            if let Some(status) = self.child.try_wait()? {
                let log = fs::read_to_string(settings.folder.join("service.log")).unwrap_or_default();
                let last: Vec<&str> = log.lines().rev().take(3).collect();
                bail!(
                    "the service ended with {status}: {}",
                    last.into_iter().rev().collect::<Vec<_>>().join(" / ")
                );
            }
            let answer = client.get(format!("http://{}/readyz", settings.address)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if Instant::now() > give_up {
                bail!("the service was not ready within {READY_WITHIN:?}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends it at once, as `kill -9` does.
    pub async fn kill(&mut self) -> Result<()> {
        self.child.kill().await.context("the service cannot be killed")
    }
}
