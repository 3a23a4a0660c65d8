//! What the program gives to the API.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use batches::Batches;
use callbacks::Callbacks;
use genesys_types::{Organisation, Time};
use intake::Sources;
use orchestrator::Orchestrator;
use store::Store;
use tokio_util::sync::CancellationToken;

use crate::{access::Keys, adapters::AdapterStanding};

/// Everything that the API answers from.
pub struct ApiState {
    /// The driver.
    pub orchestrator: Orchestrator,
    /// Where the acts of operators are written down.
    pub store: Arc<dyn Store>,
    /// Who may call.
    pub keys: Keys,
    /// What `/version` says.
    pub version: Version,
    /// What `/v1/config` says.
    pub configuration: ShownConfiguration,
    /// What `/v1/hooks/received` says.
    pub received: Arc<dyn ReceivedHooks>,
    /// How the adapters stand that fetch events by themselves.
    pub adapters: Arc<dyn Fn() -> Vec<AdapterStanding> + Send + Sync>,
    /// What is told to the outside, and what became of it.
    pub callbacks: Callbacks,
    /// Many commands that are given together.
    pub batches: Batches,
    /// Where commands come from beside HTTP, and what could not be taken.
    pub sources: Sources,
    /// What `/metrics` says.
    pub metrics: MetricsPage,
    /// How many connections the server takes at once: a part of them may wait to be refused.
    pub connections: usize,
    /// Ends the streams of events, which would else hold up a stop for as long as it may take.
    pub stop: CancellationToken,
}

/// The configuration with its secrets masked, and how it was last read again; all clones show the same. An object of paths (`confirm.0.name`) with
/// `value` and `origin`; a key is answered what belongs to its organisations, or to none.
#[derive(Debug, Clone, Default)]
pub struct ShownConfiguration(Arc<RwLock<Shown>>);

#[derive(Debug, Default)]
struct Shown {
    configuration: Arc<serde_json::Value>,
    last_reload: Option<Reload>,
}

/// One reload of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reload {
    /// When.
    pub at: Time,
    /// Why it was refused, without secrets; then all is as it was. Nothing where it was accepted.
    pub refused: Option<String>,
}

impl ShownConfiguration {
    /// Shows this.
    pub fn new(configuration: serde_json::Value) -> Self {
        Self(Arc::new(RwLock::new(Shown { configuration: Arc::new(configuration), last_reload: None })))
    }

    /// Shows another from now on.
    pub fn replace(&self, configuration: serde_json::Value) {
        self.write().configuration = Arc::new(configuration);
    }

    /// What is shown.
    pub fn shown(&self) -> Arc<serde_json::Value> {
        Arc::clone(&self.read().configuration)
    }

    /// Notes a reload, whatever came of it.
    pub fn reloaded(&self, reload: Reload) {
        self.write().last_reload = Some(reload);
    }

    /// The latest reload since the start.
    pub fn last_reload(&self) -> Option<Reload> {
        self.read().last_reload.clone()
    }

    fn read(&self) -> RwLockReadGuard<'_, Shown> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Shown> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is running.
#[derive(Debug, Clone, Copy)]
pub struct Version {
    /// The version of the program.
    pub version: &'static str,
    /// The commit that it was built from, where the build knew it.
    pub commit: Option<&'static str>,
}

/// The metrics in Prometheus' text format.
pub struct MetricsPage {
    /// Writes the page; gauges that are worked out on demand are set before it is called.
    pub render: Arc<dyn Fn() -> String + Send + Sync>,
    /// Whether the page needs no key. It holds no ids and no secrets.
    pub open: bool,
}

/// What stands in place of the name that a request to a hook that does not exist gave.
pub const UNKNOWN_HOOK: &str = "(unknown)";

/// One request to a hook, as it was judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedHook {
    /// When.
    pub at: Time,
    /// The hook's name, or [`UNKNOWN_HOOK`].
    pub hook: String,
    /// The organisation that the hook belongs to; `None` for a request to a hook that does not exist. Those are shown to
    /// every key that may look.
    pub organisation: Option<Organisation>,
    /// What became of it, as in the metrics, for example `taken` or `bad_signature`.
    pub result: String,
    /// Why it was not taken, in one sentence without secrets.
    pub why: Option<String>,
    /// The type of the event, where it could be read.
    pub event_type: Option<String>,
    /// The id of the event, where it could be read.
    pub event_id: Option<String>,
    /// The conversation that it names.
    pub conversation: Option<String>,
}

/// How one hook stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookStanding {
    /// The hook's name.
    pub name: String,
    /// The organisation that the hook belongs to.
    pub organisation: Organisation,
    /// When a sender that had proven itself was last heard, since the start of the service.
    pub last_event_at: Option<Time>,
    /// When a request was last refused for its signature, since the start of the service.
    pub last_refused_at: Option<Time>,
}

/// What came in by webhooks lately.
pub trait ReceivedHooks: Send + Sync + 'static {
    /// Every word that can stand as a result.
    fn results(&self) -> Vec<&'static str>;

    /// How every configured hook stands.
    fn standings(&self) -> Vec<HookStanding>;

    /// The requests that `wanted` accepts, the latest first, at most `limit`.
    fn latest(&self, wanted: &dyn Fn(&ReceivedHook) -> bool, limit: usize) -> Vec<ReceivedHook>;
}

/// A service without hooks.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHooks;

impl ReceivedHooks for NoHooks {
    fn results(&self) -> Vec<&'static str> {
        Vec::new()
    }

    fn standings(&self) -> Vec<HookStanding> {
        Vec::new()
    }

    fn latest(&self, _: &dyn Fn(&ReceivedHook) -> bool, _: usize) -> Vec<ReceivedHook> {
        Vec::new()
    }
}

impl fmt::Debug for ApiState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiState").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl fmt::Debug for MetricsPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsPage").field("open", &self.open).finish_non_exhaustive()
    }
}
