//! The program under test: the service with its own store on disk, or a bare one.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::bare::HOOK_PATH;
use crate::database::Database;
use crate::http_pool::HttpPool;
use crate::listen::free_loopback_port;
use crate::process::{Launch, Process, Usage};
use crate::stub::{HookTarget, Stub};

/// How long a program may take to become ready; a start must take well under a second.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// The pause between two looks at the readiness.
const READY_PAUSE: Duration = Duration::from_millis(5);

/// `f_type` of a file system in memory (`man 2 statfs`).
const TMPFS_MAGIC: u64 = 0x0102_1994;

/// Which program is measured.
#[derive(Debug, Clone)]
pub enum Subject {
    /// The service: the path of its program.
    Closeout(PathBuf),
    /// The bare exchanges: the path of a closeout-bench.
    Bare(PathBuf),
    /// The same with four durable writes a closure, which share transactions.
    Ceiling(PathBuf),
}

impl Subject {
    /// The bare exchanges out of this very program.
    pub fn bare() -> anyhow::Result<Self> {
        Ok(Self::Bare(std::env::current_exe().context("cannot find this program")?))
    }

    /// The ceiling out of this very program.
    pub fn ceiling() -> anyhow::Result<Self> {
        Ok(Self::Ceiling(std::env::current_exe().context("cannot find this program")?))
    }
}

/// How the service is set up for a measurement.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The folder in which the temporary folder with configuration, store and log is made.
    pub folder: PathBuf,
    /// The stub's delay between the participant's close and the webhook.
    pub webhook_delay: Duration,
    /// `closing.confirm_within` and `closing.deadline` of the service, when not its defaults.
    pub patience: Option<Duration>,
    /// Where the service keeps its state; a file in the folder when there is none.
    pub database: Option<Database>,
}

/// A stub and, beside it, the program under test in a process of its own.
pub struct Scene {
    /// The remote side.
    pub stub: Stub,
    /// Where it sends its webhooks, and how it signs them.
    pub hook: HookTarget,
    /// The program under test.
    pub service: Service,
    /// What keeps the service's state, when that is not the service itself.
    pub database: Option<Database>,
}

/// The program under test, running.
pub struct Service {
    launch: Launch,
    process: Process,
    address: SocketAddr,
    token: String,
    keeps_state: bool,
    _folder: TempDir,
}

impl Scene {
    /// Starts a stub and the subject, each knowing the other's address, and waits until the subject is ready.
    pub async fn open(subject: &Subject, setup: &Setup) -> anyhow::Result<Self> {
        let address = free_loopback_port()?;
        let secret = format!("hook-{}", uuid::Uuid::new_v4());
        let hook = HookTarget {
            url: format!("http://{address}{HOOK_PATH}").parse().context("the hook URL is not valid")?,
            secret: secret.clone(),
            delay: setup.webhook_delay,
        };
        let stub = Stub::start(SocketAddr::from(([127, 0, 0, 1], 0)), &hook)?;
        let service = Service::start(subject, setup, address, stub.address(), &secret).await?;
        let database = setup.database.clone().filter(|_| service.keeps_state());
        Ok(Self { stub, hook, service, database })
    }
}

impl Service {
    async fn start(
        subject: &Subject,
        setup: &Setup,
        address: SocketAddr,
        genesys: SocketAddr,
        secret: &str,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("closeout-bench-")
            .tempdir_in(&setup.folder)
            .with_context(|| format!("cannot make a folder in {}", setup.folder.display()))?;
        let token = format!("bench-{}", uuid::Uuid::new_v4());
        let log = folder.path().join("log.txt");
        let launch = match subject {
            Subject::Bare(program) | Subject::Ceiling(program) => {
                let mut arguments =
                    ["bare", "--listen", &address.to_string(), "--genesys", &format!("http://{genesys}")]
                        .map(Into::into)
                        .to_vec();
                if matches!(subject, Subject::Ceiling(_)) {
                    ensure_on_disk(folder.path())?;
                    arguments.extend(["--store".into(), folder.path().join("bare.db").into()]);
                }
                Launch {
                    program: program.clone(),
                    arguments,
                    environment: vec![("BENCH_HOOK_SECRET".to_owned(), secret.to_owned())],
                    log,
                }
            }
            Subject::Closeout(program) => {
                ensure_on_disk(folder.path())?;
                let config = folder.path().join("closeout.toml");
                let tokens = folder.path().join("tokens.toml");
                std::fs::write(&config, configuration(folder.path(), address, genesys, setup))?;
                std::fs::write(&tokens, tokens_file(&token))?;
                Launch {
                    program: program.clone(),
                    arguments: vec!["serve".into(), "--config".into(), config.into()],
                    environment: [
                        ("BENCH_HOOK_SECRET", secret),
                        ("GENESYSCLOUD_OAUTHCLIENT_ID", "0f0e0d0c-0b0a-4908-8706-050403020100"),
                        ("GENESYSCLOUD_OAUTHCLIENT_SECRET", "bench-client-secret"),
                        ("RUST_LOG", "warn"),
                    ]
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .to_vec(),
                    log,
                }
            }
        };
        let keeps_state = matches!(subject, Subject::Closeout(_));
        let process = Process::start(&launch)?;
        let mut service = Self { launch, process, address, token, keeps_state, _folder: folder };
        service.wait_until_ready().await?;
        Ok(service)
    }

    /// The address that takes closures.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The bearer token of a producer and operator.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Whether the program can be asked afterwards what became of each closure.
    pub fn keeps_state(&self) -> bool {
        self.keeps_state
    }

    /// What the current process has used; a restart begins again at zero.
    pub fn usage(&self) -> anyhow::Result<Usage> {
        self.process.usage()
    }

    /// How many sockets the current process holds open, those that it listens on too.
    pub fn sockets(&self) -> anyhow::Result<usize> {
        self.process.sockets()
    }

    /// Fails with the end of the log when the process has ended by itself.
    pub fn check_alive(&mut self) -> anyhow::Result<()> {
        self.process.check_alive()
    }

    /// Kills the process with SIGKILL.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill().await
    }

    /// Asks the process to end, and waits until it has. Fails when the service does not end well; a bare program is just interrupted.
    pub async fn end(&mut self) -> anyhow::Result<()> {
        let ended = self.process.end().await?;
        ensure!(ended.success() || !self.keeps_state, "the service ended with {ended}");
        Ok(())
    }

    /// Starts the program again on the same store; returns the time until it was ready.
    pub async fn restart(&mut self) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        self.process = Process::start(&self.launch)?;
        self.wait_until_ready().await?;
        Ok(begun.elapsed())
    }

    async fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let pool = HttpPool::new(self.address, Duration::from_secs(2));
        let begun = Instant::now();
        loop {
            self.process.check_alive()?;
            let request = Request::get("/readyz").body(Full::new(Bytes::new())).context("a fixed request")?;
            if pool.send(request).await.is_ok_and(|answer| answer.status.is_success()) {
                return Ok(());
            }
            ensure!(begun.elapsed() < READY_WITHIN, "not ready within {READY_WITHIN:?}");
            tokio::time::sleep(READY_PAUSE).await;
        }
    }
}

/// Refuses a folder in memory: a synchronous commit there costs nothing and measures nothing.
fn ensure_on_disk(folder: &Path) -> anyhow::Result<()> {
    let system = rustix::fs::statfs(folder).context("cannot ask for the file system")?;
    let in_memory = u64::try_from(system.f_type).is_ok_and(|kind| kind == TMPFS_MAGIC);
    ensure!(!in_memory, "{} is in memory; name a folder on disk with --folder", folder.display());
    Ok(())
}

fn configuration(folder: &Path, address: SocketAddr, genesys: SocketAddr, setup: &Setup) -> String {
    let folder = folder.display();
    let store = match &setup.database {
        Some(database) => database.schema(),
        None => format!("sqlite:{folder}/bench.db"),
    };
    let mut text = format!(
        r#"[server]
listen = "{address}"

[store]
url = "{store}"

[genesys.main]
region = "http://{genesys}"
requests_per_minute = 0
max_in_flight = 1024

[[confirm]]
name = "stub"
kind = "webhook"
verify = "hub-sha256-hex"
secrets = ["env:BENCH_HOOK_SECRET"]

[auth]
tokens_file = "{folder}/tokens.toml"
"#
    );
    if let Some(patience) = setup.patience {
        let seconds = patience.as_secs();
        // Writing to a string cannot fail.
        let _ =
            write!(text, "\n[closing]\nconfirm_within = \"{seconds}s\"\ndeadline = \"{}s\"\n", seconds * 2);
    }
    text
}

fn tokens_file(token: &str) -> String {
    let digest = Sha256::digest(token.as_bytes());
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "[[token]]\nname = \"bench\"\nsha256 = \"{digest}\"\nrole = \"admin\"\norganisations = [\"main\"]\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tokens_file_holds_the_digest_and_not_the_token() {
        // SHA-256 of "abc", FIPS 180-2, appendix B.1.
        let text = tokens_file("abc");
        assert!(text.contains("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
        assert!(!text.contains("\"abc\""));
    }

    #[test]
    fn patience_is_written_only_when_asked_for() {
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let written = |patience| {
            let setup = Setup {
                folder: PathBuf::from("/d"),
                webhook_delay: Duration::ZERO,
                patience,
                database: None,
            };
            configuration(Path::new("/d"), address, address, &setup)
        };
        let hasty = written(None);
        assert!(hasty.contains("url = \"sqlite:/d/bench.db\""), "{hasty}");
        assert!(!hasty.contains("[closing]"));
        let patient = written(Some(Duration::from_secs(60)));
        assert!(patient.contains("confirm_within = \"60s\"\ndeadline = \"120s\""));
    }
}
