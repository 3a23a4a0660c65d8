//! The configuration as types: what `serve` is started with.

use std::{net::SocketAddr, path::PathBuf, str::FromStr as _, sync::Arc, time::Duration};

use batches::Schedule;
use closure_machine::{AgentConnected, Evidence, GuestReturns, Order, Policy, WrapUpPolicy, WrapperClose};
use genesys_client::{
    ClientConfig, Credentials, Dialect, ExternalIdDimension, LookupConfig, QuotaConfig, Region,
};
use genesys_types::{Organisation, Span, WrapUpCodeId};
use store_postgres::Address;

use super::{
    confirm::{self, Confirm},
    dialect,
    environment::Variables,
    file::in_words,
    hooks::Hook,
    keys::Form,
    layers::{Layers, Reader},
    notifications::Notifications,
    origin::{Given, Problem},
    sign_on::{self, SignOn},
    source::{self, CommandSource},
    sqs::Queue,
    tokens::{self, Token},
};

/// A call in flight counts as lost after this long (`Policy::call_timeout`); a client must give up before.
const CALL_LOST_AFTER: Duration = Duration::from_secs(20);

/// EventBridge repeats an event for 24 hours; one more for clocks that differ.
const INBOX_AT_LEAST: Duration = Duration::from_secs(25 * 3_600);

/// Everything that `serve` needs to know.
#[derive(Debug)]
pub struct Settings {
    /// Where to listen.
    pub server: Server,
    /// Where state is kept.
    pub store: StoreSettings,
    /// The organisations, in order of name.
    pub organisations: Vec<OrganisationSettings>,
    /// How sessions are closed.
    pub policy: Policy,
    /// Whether closures whose events did not come may be read together, by analytics.
    pub reads_together: bool,
    /// After which silence of an adapter, while closures wait, that is an incident.
    pub silent_adapter_after: Duration,
    /// The webhooks.
    pub hooks: Vec<Hook>,
    /// The queues.
    pub queues: Vec<Queue>,
    /// What listens to the notification WebSocket.
    pub notifications: Vec<Notifications>,
    /// The queues that commands come by.
    pub sources: Vec<CommandSource>,
    /// Who is told of closures.
    pub callbacks: callbacks::Setup,
    /// Where traces of closures are sent.
    pub traces: traces::Setup,
    /// When stuck sessions are looked for by itself.
    pub scans: Vec<Schedule>,
    /// The keys.
    pub tokens: Vec<Token>,
    /// Log-in to the console by a provider.
    pub sign_on: Option<SignOn>,
}

impl Settings {
    /// The receivers that are told of ghosts and not why none come while no adapter is heard. Where an organisation has no
    /// adapter, none can fall silent.
    pub fn receivers_that_miss_silence(&self) -> impl Iterator<Item = &str> {
        let listens = |organisation: &Organisation| {
            self.hooks.iter().any(|hook| hook.organisation == *organisation)
                || self.queues.iter().any(|queue| queue.setup.organisation == *organisation)
                || self.notifications.iter().any(|socket| socket.organisation == *organisation)
        };
        let receivers = self.callbacks.receivers.iter();
        let deaf = receivers.filter(move |one| one.misses_silence() && listens(&one.organisation));
        deaf.map(|receiver| receiver.name.as_str())
    }
}

/// Where to listen.
#[derive(Debug, Clone, Copy)]
pub struct Server {
    /// Address and port.
    pub listen: SocketAddr,
    /// How long a stop may take.
    pub shutdown_grace: Duration,
    /// Connections at once.
    pub max_connections: usize,
    /// The page for operators; `None` where it is off.
    pub console: Option<operator_console::Options>,
}

/// Where state is kept, and how long.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// Where.
    pub place: StorePlace,
    /// Whether several services work on it.
    pub replicas: bool,
    /// How long ended closures are kept.
    pub retention: Span,
    /// How long events and keys are remembered.
    pub inbox_retention: Span,
}

/// Where state is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorePlace {
    /// In an SQLite file.
    Sqlite(PathBuf),
    /// In a PostgreSQL database, with the password for it.
    Postgres(Box<Address>),
    /// In memory: gone with the process.
    Memory,
}

/// One organisation.
#[derive(Debug, Clone)]
pub struct OrganisationSettings {
    /// Where, as whom, how much at once.
    pub client: ClientConfig,
    /// How its calls are written; `None` for the published API.
    pub dialect: Option<Arc<Dialect>>,
    /// How many closures may be open.
    pub max_open: usize,
}

/// Reads every setting.
///
/// # Errors
///
/// Everything that is wrong, one sentence each.
pub fn read(layers: &Layers, variables: &Variables) -> Result<Settings, Vec<Problem>> {
    read_with(layers, variables, None)
}

/// Reads every setting; the keys are these where there are some, in place of those of `auth.tokens_file`.
///
/// # Errors
///
/// Everything that is wrong, one sentence each.
pub fn read_with(
    layers: &Layers,
    variables: &Variables,
    tokens: Option<Vec<Token>>,
) -> Result<Settings, Vec<Problem>> {
    let mut reader = Reader::new(layers);
    let server = server(&mut reader);
    let store = store(&mut reader, variables);
    let mut organisations: Vec<OrganisationSettings> = Vec::new();
    let mut names = Vec::new();
    for name in &layers.organisations {
        match Organisation::from_str(name) {
            Ok(organisation) => {
                names.push(organisation.clone());
                organisations.extend(one_organisation(&mut reader, &organisation, variables));
            }
            Err(error) => reader.problems.push(Problem(format!("[genesys.{name}]: {error}"))),
        }
    }
    let lookup = lookup(&mut reader);
    organisations.iter_mut().for_each(|one| one.client.lookup = lookup.clone());
    let policy = policy(&mut reader);
    let reads_together = reader.choice("closing.read_back").as_deref() == Some("together");
    let silent_adapter_after = reader.duration("ghosts.silent_adapter_after").unwrap_or_default();
    let Confirm { hooks, queues, notifications } = confirm::read(&mut reader, variables, &names);
    let callbacks = super::callbacks::read(&mut reader, variables, &names);
    let places = organisations.iter().map(|one| &one.client);
    let traces = super::traces::read(&mut reader, variables, places);
    let scans = super::scans::read(&mut reader, &names);
    let sources = source::read(&mut reader, variables, &names);
    let tokens = tokens.unwrap_or_else(|| keys(&mut reader, &names));
    let sign_on = sign_on::read(&mut reader, variables, &names, &tokens);
    match (server, store) {
        (Some(server), Some(store)) if reader.problems.is_empty() => Ok(Settings {
            server,
            store,
            organisations,
            policy,
            reads_together,
            silent_adapter_after,
            hooks,
            queues,
            notifications,
            sources,
            callbacks,
            traces,
            scans,
            tokens,
            sign_on,
        }),
        (Some(_) | None, Some(_) | None) => Err(reader.problems),
    }
}

fn server(reader: &mut Reader<'_>) -> Option<Server> {
    let listen = listen(reader);
    let shutdown_grace = reader.duration("server.shutdown_grace");
    let max_connections = as_usize(reader.count("server.max_connections"));
    let console = match reader.choice("server.console")?.as_str() {
        "off" => None,
        how => Some(operator_console::Options { read_only: how == "read_only" }),
    };
    Some(Server { listen: listen?, shutdown_grace: shutdown_grace?, max_connections, console })
}

fn listen(reader: &mut Reader<'_>) -> Option<SocketAddr> {
    reader.parsed("server.listen", |text| {
        let text =
            text.strip_prefix("localhost:").map_or(text.to_owned(), |port| format!("127.0.0.1:{port}"));
        text.parse::<SocketAddr>()
            .map_err(|_| "is not an address and port, such as 127.0.0.1:8080".to_owned())
    })
}

/// Reads where the service listens, and nothing else: whatever else is wrong, the port can be looked at.
///
/// # Errors
///
/// What is wrong with `server.listen`.
pub fn listen_address(layers: &Layers) -> Result<SocketAddr, Vec<Problem>> {
    let mut reader = Reader::new(layers);
    listen(&mut reader).ok_or(reader.problems)
}

/// Reads where state is kept, and nothing else: what copies a store needs no organisation.
///
/// # Errors
///
/// What is wrong with `store.url` or `store.password`.
pub fn store_place(layers: &Layers, variables: &Variables) -> Result<StorePlace, Vec<Problem>> {
    let mut reader = Reader::new(layers);
    match place(&mut reader, variables) {
        Some(place) if reader.problems.is_empty() => Ok(place),
        Some(_) | None => Err(reader.problems),
    }
}

fn place(reader: &mut Reader<'_>, variables: &Variables) -> Option<StorePlace> {
    let layers = reader.layers;
    let password = reader.secrets("store.password", variables).into_iter().next();
    // As PostgreSQL's own programs take it.
    let password = password.or_else(|| variables.value("PGPASSWORD").map(|value| value.to_owned().into()));
    reader.parsed("store.url", |text| {
        if text == "memory:" {
            return Ok(StorePlace::Memory);
        }
        match text.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => {
                let path = path.strip_prefix("//").unwrap_or(path);
                let place = layers.setting("store.url").map(|setting| layers.path_of(setting, path));
                Ok(StorePlace::Sqlite(place.unwrap_or_else(|| path.into())))
            }
            Some(("postgres" | "postgresql", _)) => {
                let address = Address::parse(text)?;
                let address = match &password {
                    Some(password) => address.with_password(password),
                    None => address,
                };
                Ok(StorePlace::Postgres(Box::new(address)))
            }
            Some(_) | None => {
                Err("is not a store; use sqlite:FILE, postgres://USER@HOST/DATABASE or memory:".to_owned())
            }
        }
    })
}

fn store(reader: &mut Reader<'_>, variables: &Variables) -> Option<StoreSettings> {
    let place = place(reader, variables);
    let retention = reader.duration("store.retention");
    let inbox = reader.duration("store.inbox_retention");
    if inbox.is_some_and(|inbox| inbox < INBOX_AT_LEAST) {
        reader.refuse("store.inbox_retention", "must be at least 25h: events are repeated for 24h");
    }
    let replicas = reader.flag("store.replicas");
    if replicas && !matches!(place, Some(StorePlace::Postgres(_)) | None) {
        reader.refuse(
            "store.replicas",
            "needs PostgreSQL: only such a store can be written by several services",
        );
    }
    Some(StoreSettings {
        place: place?,
        replicas,
        retention: Span::from(retention?),
        inbox_retention: Span::from(inbox?),
    })
}

fn one_organisation(
    reader: &mut Reader<'_>,
    organisation: &Organisation,
    variables: &Variables,
) -> Option<OrganisationSettings> {
    let path = |key: &str| format!("genesys.{organisation}.{key}");
    let region = region(reader, organisation);
    let dialect = dialect::read(reader, organisation, region.as_ref());
    let credentials = credentials(reader, organisation, variables);
    let requests_per_window = as_u32(reader.count(&path("requests_per_minute")));
    let window = reader.duration(&path("quota_window"));
    let max_in_flight = as_u32(reader.count(&path("max_in_flight")));
    let max_open = as_usize(reader.count(&path("max_open")));
    let connect_timeout = reader.duration(&path("connect_timeout"));
    let request_timeout = reader.duration(&path("request_timeout"));
    if request_timeout.is_some_and(|timeout| timeout >= CALL_LOST_AFTER) {
        reader.refuse(&path("request_timeout"), "must be less than 20s");
    }
    if connect_timeout.zip(request_timeout).is_some_and(|(connect, request)| connect > request) {
        reader.refuse(&path("connect_timeout"), "must not be longer than request_timeout");
    }
    let mut client = ClientConfig::new(organisation.clone(), region?, credentials?);
    client.quota = QuotaConfig { requests_per_window, window: window?, max_in_flight };
    client.connect_timeout = connect_timeout?;
    client.request_timeout = request_timeout?;
    Some(OrganisationSettings { client, dialect, max_open })
}

fn region(reader: &mut Reader<'_>, organisation: &Organisation) -> Option<Region> {
    let path = |key: &str| format!("genesys.{organisation}.{key}");
    let said = |error: genesys_client::InvalidRegion| format!("cannot be used: {error}");
    let api = reader.text(&path("api_base_url"));
    let login = reader.text(&path("login_base_url"));
    if reader.layers.setting(&path("region")).is_some() {
        let text = reader.text(&path("region"))?;
        let region =
            Region::parse(&text).map_err(|error| reader.refuse(&path("region"), said(error))).ok()?;
        let region = match api {
            Some(api) => region.with_api_base_url(&api).map_err(|error| (path("api_base_url"), error)),
            None => Ok(region),
        };
        let region = match login {
            Some(login) => region.and_then(|region| {
                region.with_login_base_url(&login).map_err(|error| (path("login_base_url"), error))
            }),
            None => region,
        };
        return region.map_err(|(path, error)| reader.refuse(&path, said(error))).ok();
    }
    let Some(api) = api else {
        let why = "is not set: write it into the configuration, or set GENESYSCLOUD_REGION (for example eu-central-1)";
        reader.missing(&path("region"), why);
        return None;
    };
    let login = login.unwrap_or_else(|| api.clone());
    Region::from_base_urls(&api, &login)
        .map_err(|error| reader.refuse(&path("api_base_url"), said(error)))
        .ok()
}

fn credentials(
    reader: &mut Reader<'_>,
    organisation: &Organisation,
    variables: &Variables,
) -> Option<Credentials> {
    let path = |key: &str| format!("genesys.{organisation}.{key}");
    let rank = |key: &str| reader.layers.setting(&path(key)).map(|setting| setting.origin.rank());
    let (id, secret, token) = (rank("client_id"), rank("client_secret"), rank("access_token"));
    // A ready token cannot be renewed, so a client of the same rank is preferred.
    let prefers_token = token.is_some_and(|token| id.min(secret).is_none_or(|client| token > client));
    if prefers_token {
        return reader.secrets(&path("access_token"), variables).pop().map(Credentials::AccessToken);
    }
    let missing = match (id, secret) {
        (Some(_), Some(_)) => None,
        (None, Some(_)) => Some("client id (GENESYSCLOUD_OAUTHCLIENT_ID)"),
        (Some(_), None) => Some("client secret (GENESYSCLOUD_OAUTHCLIENT_SECRET)"),
        (None, None) => {
            Some("client id and secret (GENESYSCLOUD_OAUTHCLIENT_ID and GENESYSCLOUD_OAUTHCLIENT_SECRET)")
        }
    };
    if let Some(missing) = missing {
        let upper = organisation.as_str().to_uppercase().replace('-', "_");
        reader.problems.push(Problem(format!(
            "the organisation {organisation} has no OAuth {missing}: set the variables, or \
             CLOSEOUT_GENESYS__{upper}__CLIENT_ID and CLOSEOUT_GENESYS__{upper}__CLIENT_SECRET"
        )));
        return None;
    }
    let id = reader.text(&path("client_id"))?;
    let secret = reader.secrets(&path("client_secret"), variables).pop()?;
    Some(Credentials::Client { id: id.into(), secret })
}

fn lookup(reader: &mut Reader<'_>) -> LookupConfig {
    let default = LookupConfig::default();
    let wanted = reader.choice("lookup.external_id_dimension");
    let external_id =
        ExternalIdDimension::ALL.into_iter().find(|dimension| wanted.as_deref() == Some(dimension.name()));
    LookupConfig {
        external_id: external_id.unwrap_or(default.external_id),
        within: reader.duration("lookup.within").unwrap_or(default.within),
        ..default
    }
}

fn policy(reader: &mut Reader<'_>) -> Policy {
    let mut policy = Policy::default();
    if reader.choice("closing.evidence").as_deref() == Some("webhook_only") {
        policy.evidence = Evidence::WebhookOnly;
    }
    if reader.choice("closing.order").as_deref() == Some("conversation_first") {
        policy.order = Order::ConversationFirst;
    }
    if reader.choice("closing.wrapper_close").as_deref() == Some("delete") {
        policy.wrapper_close = WrapperClose::Delete;
    }
    policy.agent_connected = match reader.choice("closing.agent_connected").as_deref() {
        Some("wait") => AgentConnected::Wait,
        Some("allow") => AgentConnected::Allow,
        Some(_) | None => AgentConnected::Refuse,
    };
    policy.guest_returns = match reader.choice("closing.guest_returns").as_deref() {
        Some("once") => GuestReturns::Once,
        Some("up_to_3") => GuestReturns::UpToThree,
        Some(_) | None => GuestReturns::Never,
    };
    policy.wrap_up = wrap_up(reader);
    policy.max_rounds = as_u8(reader.count("closing.max_rounds"));
    policy.max_attempts = as_u8(reader.count("closing.max_attempts"));
    let before = reader.problems.len();
    for (path, span) in [
        ("closing.confirm_within", &mut policy.confirm_within),
        ("closing.deadline", &mut policy.deadline),
        ("closing.stale_read_gap", &mut policy.stale_read_gap),
        ("closing.participant_grace", &mut policy.participant_grace),
        ("lookup.look_for", &mut policy.lookup_grace),
        ("ghosts.look_again", &mut policy.look_again),
        ("ghosts.look_again_most", &mut policy.look_again_most),
        ("ghosts.give_up_after", &mut policy.give_up_after),
    ] {
        *span = reader.duration(path).map_or(*span, Span::from);
    }
    if reader.problems.len() == before && policy.deadline < policy.confirm_within {
        reader.refuse("closing.deadline", "must not be shorter than closing.confirm_within");
    }
    policy.look_again_most = policy.look_again_most.max(policy.look_again);
    policy
}

fn wrap_up(reader: &mut Reader<'_>) -> WrapUpPolicy {
    let path = "closing.wrap_up";
    let shape = || format!("must be {}", in_words(Form::WrapUp));
    let read = match reader.layers.setting(path).map(|setting| &setting.given) {
        Some(Given::Table(table)) => match (table.len(), table.get("id"), table.get("name")) {
            (1, Some(id), None) => {
                id.parse::<WrapUpCodeId>().map(WrapUpPolicy::Code).map_err(|e| e.to_string())
            }
            (1, None, Some(name)) if !name.trim().is_empty() => Ok(WrapUpPolicy::Named(name.as_str().into())),
            (_, _, _) => Err(shape()),
        },
        Some(Given::Text(text)) if text == "none" => Ok(WrapUpPolicy::None),
        Some(Given::Text(text)) if text == "skip" => Ok(WrapUpPolicy::Skip),
        Some(_) => Err(shape()),
        None => Ok(WrapUpPolicy::None),
    };
    read.unwrap_or_else(|why| {
        reader.refuse(path, why);
        WrapUpPolicy::None
    })
}

fn keys(reader: &mut Reader<'_>, known: &[Organisation]) -> Vec<Token> {
    let Some(text) = reader.text("auth.tokens_file") else { return Vec::new() };
    let Some(setting) = reader.layers.setting("auth.tokens_file") else { return Vec::new() };
    tokens::read(&reader.layers.path_of(setting, &text), known).unwrap_or_else(|problems| {
        reader.problems.extend(problems);
        Vec::new()
    })
}

fn as_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn as_u32(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn as_u8(number: u64) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}
