//! `closeout serve`: the service in one process.
//!
//! ```text
//!  settings ─► store ─► orchestrator ─┬─► API + webhooks ─► one listener
//!                                     └─► queues, callbacks
//!  SIGTERM ─► not ready, no intake ─► calls, requests and messages in hand finish (grace) ─► exit 0
//!  SIGHUP ──► credentials and keys are read again
//! ```

mod adapters;
mod counters;
#[cfg(debug_assertions)]
mod crash_points;
mod herald;
mod hooks;
mod notify;
mod queues;
mod reload;
mod sign_on;
mod signals;
pub mod sources;
mod standing;
mod telemetry;

use std::{collections::HashMap, net::SocketAddr, path::Path, sync::Arc};

use batches::Batches;
use callbacks::{Callbacks, HttpPost, Post};
use genesys_client::{Client, Dialect, DialectClient};
use genesys_types::Organisation;
use http_api::{
    AccessKey, ApiState, CommandReader, GhostAdvice, Keys, MetricsPage, Role, RowReader, ShownConfiguration,
    Version,
};
use http_listener::Limits;
use intake::Sources;
use orchestrator::{
    Config, DialectRemote, GenesysRemote, Orchestrator, OrganisationSetup, Remote, SystemClock,
};
use store::{MemoryStore, Store};
use store_postgres::PostgresStore;
use store_sqlite::SqliteStore;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use traces::Traces;

use self::herald::Herald;
pub use self::signals::Signals;
use self::{adapters::Adapters, notify::Manager, queues::Queues, reload::Reloadable, signals::HangUp};
use crate::{
    config::{
        self, FromCommandLine, Layers, Settings, Variables,
        fingerprints::Fingerprints,
        settings::{OrganisationSettings, Server, StorePlace, StoreSettings},
        tokens::Token,
    },
    exit::{Exit, Failure},
};

/// Runs the service until a signal asks for its end.
///
/// # Errors
///
/// One sentence when it cannot start.
pub async fn run(from: &FromCommandLine) -> Result<Exit, Failure> {
    let variables = Variables::of_this_process();
    let (layers, settings) =
        config::load(from, &variables).map_err(|problems| Failure::of_problems(&problems))?;
    for (variable, path) in layers.aliases() {
        tracing::info!(variable, setting = path, "an older variable was taken; better use GENESYSCLOUD_…");
    }
    let mut held = Fingerprints::of(&layers, &variables);
    let (mut signals, mut hang_up) = (Signals::take()?, HangUp::take()?);
    let manager = Manager::of_environment(&variables);
    manager.status("opening the store");
    let service = manager.while_it_goes_on(Box::pin(Service::start(settings, shown(&layers)))).await;
    let service = service.inspect_err(|failure| manager.status(&failure.message))?;
    println!("{}", service.greeting());
    manager.ready();
    let mut watched = std::pin::pin!(service.watched_by(manager.clone()));
    let signal = loop {
        tokio::select! {
            signal = signals.next() => break signal,
            () = hang_up.next() => {
                manager.reloading();
                service.reloadable.reload(from, &variables, &mut held);
                manager.ready();
            }
            () = &mut watched => {}
            failure = service.broken() => return Err(failure),
        }
    };
    tracing::info!(signal, "stopping: no more work is taken, what is under way may finish");
    manager.stopping();
    tokio::select! {
        finished = manager.while_it_goes_on(service.stop()) => {
            if finished {
                tracing::info!("stopped");
            } else {
                tracing::warn!("stopped; calls that were still in flight are settled at the next start");
            }
            Ok(Exit::Done)
        }
        _ = signals.end_at_once() => Ok(Exit::Interrupted),
    }
}

/// A service that runs in this process.
#[derive(Debug)]
pub struct Service {
    address: SocketAddr,
    server: Server,
    orchestrator: Orchestrator,
    stop: CancellationToken,
    listening: JoinHandle<std::io::Result<()>>,
    queues: Queues,
    callbacks: Callbacks,
    traces: Traces,
    batches: Batches,
    sources: Sources,
    broken: CancellationToken,
    adapters: Adapters,
    hooks: usize,
    place: StorePlace,
    reloadable: Reloadable,
}

impl Service {
    /// Opens the store, goes on with what is open in it, and listens. `configuration` is what `/v1/config` answers.
    ///
    /// # Errors
    ///
    /// One sentence: the store cannot be opened, the port is taken, a client cannot be made.
    pub async fn start(settings: Settings, configuration: serde_json::Value) -> Result<Self, Failure> {
        // The port comes first: with it taken, another service most likely has the store too.
        let listener = bind(settings.server.listen)?;
        let address = listener.local_addr()?;
        let metrics = telemetry::recorder();
        let store = open_store(&settings.store).await?;
        #[cfg(debug_assertions)]
        let store = crash_points::store(store);
        let clients = clients(&settings)?;
        let orchestrator = orchestrate(&settings, &clients, Arc::clone(&store)).await?;
        let keys = Keys::new(access_keys(settings.tokens));
        let configuration = ShownConfiguration::new(configuration);
        let watched: Vec<_> =
            settings.hooks.iter().map(|hook| (hook.name.clone(), hook.organisation.clone())).collect();
        let headers = hooks::needed_headers(&settings.hooks);
        let (webhooks, log) =
            webhook_receiver::router(orchestrator.clone(), hooks::of_settings(settings.hooks)?)
                .map_err(|error| Failure::usage(error.to_string()))?;
        let names: Vec<_> = watched.iter().map(|(name, _)| name.clone()).collect();
        let sockets: Vec<_> = settings.notifications.iter().map(|one| one.name.clone()).collect();
        let commands: Vec<_> = settings.sources.iter().map(|one| one.setup.name.clone()).collect();
        counters::begin(&orchestrator.organisations(), &names, &queues::names(&settings.queues), &sockets);
        counters::begin_sources(&commands);
        let stop = CancellationToken::new();
        let hooks = watched.len();
        let queues = Queues::start(settings.queues, &orchestrator, &stop).await;
        let sockets = settings.notifications.iter().map(|one| (one.name.clone(), one.organisation.clone()));
        let owners: Vec<_> = watched.into_iter().chain(queues.owners()).chain(sockets).collect();
        orchestrator.watch_adapters(owners.clone(), settings.silent_adapter_after);
        let adapters = Adapters::start(settings.notifications, &clients, &orchestrator, &stop);
        let logs = std::iter::once(log).chain(queues.logs()).chain(adapters.logs()).collect();
        let (clock, ears) = (Arc::new(orchestrator.clone()), Arc::new(orchestrator.clone()));
        let (rows, reader) = (Arc::clone(&store), Arc::new(RowReader));
        let advisor = Arc::new(GhostAdvice(orchestrator.clone()));
        let public_url = settings.callbacks.public_url.clone();
        let (kept, acts) = (Arc::clone(&store), Arc::clone(&store));
        let traces = trace(settings.traces, &store, &orchestrator)?;
        let post = poster(&settings.callbacks)?;
        let callbacks = Callbacks::start(settings.callbacks, store, clock, ears, advisor, post, stop.clone());
        let herald = Arc::new(Herald(callbacks.clone()));
        let batches =
            Batches::start(rows, orchestrator.clone(), reader, herald, settings.scans, stop.clone());
        let commands = Arc::new(CommandReader::new(callbacks.clone()));
        let opened = sources::open(settings.sources).await?;
        #[cfg(debug_assertions)]
        let opened = crash_points::sources(opened);
        let sources = Sources::start(kept, orchestrator.clone(), commands, opened, public_url, &stop);
        let api = http_api::router(ApiState {
            orchestrator: orchestrator.clone(),
            store: acts,
            keys: keys.clone(),
            version: Version { version: env!("CARGO_PKG_VERSION"), commit: option_env!("CLOSEOUT_COMMIT") },
            configuration: configuration.clone(),
            received: Arc::new(hooks::CameIn { logs, owners, headers }),
            adapters: adapters.standings(),
            callbacks: callbacks.clone(),
            batches: batches.clone(),
            sources: sources.clone(),
            metrics: MetricsPage { render: Arc::new(move || metrics.render()), open: false },
            connections: settings.server.max_connections,
            stop: stop.clone(),
        });
        let sign_on = settings.sign_on.map(|settings| sign_on::lender(settings, &keys)).transpose()?;
        let console = settings
            .server
            .console
            .map(|options| operator_console::router(api.clone(), options, sign_on, stop.clone()));
        let routes = api.merge(webhooks).merge(console.unwrap_or_default());
        let limits = Limits {
            connections: settings.server.max_connections,
            grace: settings.server.shutdown_grace,
            ..Limits::default()
        };
        let broken = CancellationToken::new();
        let listening = tokio::spawn({
            let (stop, broken) = (stop.clone(), broken.clone());
            async move {
                let served = http_listener::serve(listener, routes, limits, stop).await;
                if served.is_err() {
                    broken.cancel();
                }
                served
            }
        });
        Ok(Self {
            address,
            server: settings.server,
            reloadable: Reloadable { clients, keys, orchestrator: orchestrator.clone(), configuration },
            orchestrator,
            stop,
            listening,
            queues,
            callbacks,
            traces,
            batches,
            sources,
            broken,
            adapters,
            hooks,
            place: settings.store.place,
        })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The one line that says that it is ready.
    pub fn greeting(&self) -> String {
        let organisations: Vec<_> = self
            .orchestrator
            .organisations()
            .iter()
            .map(|organisation| organisation.as_str().to_owned())
            .collect();
        let place = match &self.place {
            StorePlace::Sqlite(path) => path.display().to_string(),
            StorePlace::Postgres(address) => address.to_string(),
            StorePlace::Memory => "memory (nothing outlives the process)".to_owned(),
        };
        format!(
            "closeout listens on http://{} for {}; store {place}; {} hook{}{}{}; {} open closure{}",
            self.address,
            organisations.join(", "),
            self.hooks,
            if self.hooks == 1 { "" } else { "s" },
            self.queues.greeting(),
            greeting(self.sources.setups().count()),
            self.orchestrator.open_closures(),
            if self.orchestrator.open_closures() == 1 { "" } else { "s" },
        )
    }

    /// Tells the service manager how it stands, for as long as it is polled. It borrows nothing of the service.
    fn watched_by(&self, manager: Manager) -> impl Future<Output = ()> + use<> {
        let orchestrator = self.orchestrator.clone();
        async move {
            let line = |checked| standing::line(&orchestrator.status(), checked);
            manager.watched(async || orchestrator.check_store().await, line).await;
        }
    }

    /// Completes when the listener is of no use any more.
    pub async fn broken(&self) -> Failure {
        self.broken.cancelled().await;
        Failure::new(Exit::Unexpected, format!("listening on {} failed; see the log", self.address))
    }

    /// Stops: not ready at once, no intake, and calls and requests under way get their grace. Answers whether all came
    /// home; what did not is found again at the next start.
    pub async fn stop(self) -> bool {
        let grace = self.server.shutdown_grace;
        self.stop.cancel();
        // What was heard is delivered while there is a driver.
        self.adapters.stopped().await;
        // What was received is submitted while there is a driver.
        self.sources.stopped(grace).await;
        let queues = self.queues.stopped(grace);
        // A row that is under way is submitted while there is a driver.
        self.batches.stopped(grace).await;
        let told = self.callbacks.stopped(grace);
        let (finished, listened, (), ()) =
            tokio::join!(self.orchestrator.stop(grace), self.listening, queues, told);
        if let Ok(Err(error)) = listened {
            tracing::error!(%error, "listening failed");
        }
        // What ended last has ended by now.
        self.traces.stop(grace).await;
        if let Err(error) = self.orchestrator.close_store().await {
            tracing::warn!(%error, "the store could not be brought to rest; copy all of its files, not one alone");
        }
        finished
    }
}

/// The part of the greeting that tells of sources; empty where there is none.
fn greeting(sources: usize) -> String {
    match sources {
        0 => String::new(),
        1 => "; commands by 1 queue".to_owned(),
        more => format!("; commands by {more} queues"),
    }
}

fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    http_listener::bind(address).map_err(|error| Failure::usage(error.to_string()))
}

fn trace(
    setup: traces::Setup,
    store: &Arc<dyn Store>,
    orchestrator: &Orchestrator,
) -> Result<Traces, Failure> {
    Traces::start(setup, Arc::clone(store), Arc::new(orchestrator.clone()))
        .map_err(|error| Failure::new(Exit::Unexpected, format!("traces cannot be sent: {error}")))
}

async fn open_store(settings: &StoreSettings) -> Result<Arc<dyn Store>, Failure> {
    match &settings.place {
        StorePlace::Memory => Ok(Arc::new(MemoryStore::new())),
        StorePlace::Postgres(address) => match PostgresStore::open(address, !settings.replicas).await {
            Ok(store) => Ok(Arc::new(store)),
            Err(error) => Err(Failure::usage(format!("the store {address} cannot be opened: {error}"))),
        },
        StorePlace::Sqlite(path) => {
            let opened = {
                let path = path.clone();
                tokio::task::spawn_blocking(move || SqliteStore::open(path)).await
            };
            let opened = opened.map_err(|error| Failure::new(Exit::Unexpected, error.to_string()))?;
            opened.map(|store| Arc::new(store) as Arc<dyn Store>).map_err(|error| store_failure(path, &error))
        }
    }
}

fn store_failure(path: &Path, error: &store_sqlite::OpenError) -> Failure {
    let cause = std::error::Error::source(error).map(|cause| format!(" ({cause})")).unwrap_or_default();
    Failure::usage(format!("the store {} cannot be opened: {error}{cause}", path.display()))
}

fn clients(settings: &Settings) -> Result<HashMap<Organisation, Client>, Failure> {
    let client = |organisation: &OrganisationSettings| {
        let name = organisation.client.organisation.clone();
        let client = Client::new(organisation.client.clone())
            .map_err(|error| Failure::usage(format!("the organisation {name} cannot be used: {error}")))?;
        #[cfg(debug_assertions)]
        crash_points::requests(&client);
        Ok((name, client))
    };
    settings.organisations.iter().map(client).collect()
}

async fn orchestrate(
    settings: &Settings,
    clients: &HashMap<Organisation, Client>,
    store: Arc<dyn Store>,
) -> Result<Orchestrator, Failure> {
    let organisations = settings.organisations.iter().map(|organisation| {
        let name = organisation.client.organisation.clone();
        let remote = remote(clients[&name].clone(), organisation.dialect.clone(), settings.reads_together);
        #[cfg(debug_assertions)]
        let remote = crash_points::remote(remote);
        OrganisationSetup { policy: settings.policy.clone(), remote, max_open: organisation.max_open, name }
    });
    let organisations = organisations.collect();
    let sole_owner = !store.is_shared();
    let config = Config {
        store,
        clock: Arc::new(SystemClock::default()),
        organisations,
        sole_owner,
        retention: settings.store.retention,
        inbox_retention: settings.store.inbox_retention,
    };
    Orchestrator::start(config).await.map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        Failure::usage(format!("{error}{cause}"))
    })
}

fn poster(settings: &callbacks::Setup) -> Result<Arc<dyn Post>, Failure> {
    let post = HttpPost::new(settings.allowed.clone(), settings.timeout)
        .map_err(|error| Failure::new(Exit::Unexpected, format!("callbacks cannot be posted: {error}")))?;
    #[cfg(debug_assertions)]
    return Ok(crash_points::post(Arc::new(post)));
    #[cfg(not(debug_assertions))]
    Ok(Arc::new(post))
}

/// The remote side of an organisation. Whatever is not the published API is told at every start.
fn remote(client: Client, dialect: Option<Arc<Dialect>>, together: bool) -> Arc<dyn Remote> {
    let Some(dialect) = dialect else {
        return Arc::new(GenesysRemote::new(client).reading_together(together));
    };
    let order = if dialect.closes_guest_alone() {
        ""
    } else {
        "; it closes nobody alone, so the order is conversation_first for every closure"
    };
    tracing::warn!(
        organisation = %client.organisation(),
        dialect = dialect.name(),
        "the organisation's calls are written in a dialect, which is not the published API{order}"
    );
    Arc::new(DialectRemote::new(DialectClient::new(client, dialect)))
}

fn access_keys(tokens: Vec<Token>) -> Vec<AccessKey> {
    let key = |token: Token| AccessKey {
        name: token.name,
        sha256: token.sha256,
        // The configuration lets no other word through; the least role is the safe reading.
        role: token.role.parse().unwrap_or(Role::Read),
        organisations: token.organisations,
    };
    tokens.into_iter().map(key).collect()
}

/// The configuration with its secrets masked, as `/v1/config` answers it: value and origin by key.
pub fn shown(layers: &Layers) -> serde_json::Value {
    let by_key = |mut item: serde_json::Value| {
        let key = item["key"].as_str().unwrap_or_default().to_owned();
        (key, serde_json::json!({ "value": item["value"].take(), "origin": item["origin"].take() }))
    };
    layers.shown().into_iter().map(by_key).collect()
}
