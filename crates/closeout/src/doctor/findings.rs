//! What was found, before anybody judges it. Nothing here holds a secret.

use std::{io, path::PathBuf, time::Duration};

use evidence_sqs::{Fault as QueueFault, Standing};
use genesys_client::{
    Clocks, Deployment, Fault, Grants, Limit, Subscribed, TokenFacts, Unreached, WrapUpCode,
};
use jiff::Timestamp;
use webhook_signature::Strength;

/// Everything that was found.
#[derive(Debug)]
pub struct Findings {
    /// What the configuration says.
    pub configuration: Configuration,
    /// Where state is to be kept; nothing where the configuration does not say.
    pub store: Option<Store>,
    /// Where the service is to listen; nothing where the configuration does not say.
    pub port: Option<Port>,
    /// This machine's time.
    pub clock: Clock,
    /// The service that should be running.
    pub service: Service,
    /// The queues by which events come.
    pub queues: Vec<Queue>,
    /// The queues by which commands come.
    pub sources: Vec<Source>,
    /// The provider by which people log in to the console; nothing where there is none.
    pub sign_on: Option<SignOn>,
    /// What Genesys said.
    pub online: Online,
}

/// The provider by which people log in to the console.
#[derive(Debug)]
pub struct SignOn {
    /// Its issuer.
    pub issuer: String,
    /// Where it sends browsers back to.
    pub back: String,
    /// How many signs the client's secret has.
    pub secret_length: usize,
    /// How it stands; nothing where it was not asked.
    pub standing: Option<Result<console_oidc::Standing, String>>,
}

/// A queue by which events come.
#[derive(Debug)]
pub struct Queue {
    /// Its name in the configuration.
    pub name: String,
    /// Its URL.
    pub url: String,
    /// How it stands; nothing where it was not asked.
    pub standing: Option<Result<Standing, QueueFault>>,
}

/// A queue by which commands come.
#[derive(Debug)]
pub struct Source {
    /// Its name in the configuration.
    pub name: String,
    /// Where it is, without credentials.
    pub place: String,
    /// What its broker says; nothing where it was not asked.
    pub says: Option<Result<Broker, queue::Fault>>,
}

/// What a broker says.
#[derive(Debug)]
pub struct Broker {
    /// How the queue stands.
    pub standing: queue::Standing,
    /// What of its settings is unsafe.
    pub warnings: Vec<queue::Warning>,
}

/// What the configuration says.
#[derive(Debug, Default)]
pub struct Configuration {
    /// The file, or the words for the environment alone.
    pub source: String,
    /// `--config FILE`, for commands that are to find the same configuration; empty where they find it by themselves.
    pub flag: String,
    /// Everything that is wrong with it; the rest is empty then, but for the file with the keys.
    pub problems: Vec<String>,
    /// The organisations' names.
    pub organisations: Vec<String>,
    /// Those of them that speak a dialect.
    pub speaks: Vec<Speaks>,
    /// The hooks.
    pub hooks: Vec<Hook>,
    /// How many adapters fetch events by themselves.
    pub fetching: usize,
    /// The receivers of callbacks that are told of ghosts and not of silent adapters.
    pub miss_silence: Vec<String>,
    /// Whether only an event proves that a guest is gone.
    pub needs_events: bool,
    /// Whether closures whose events did not come may be read together, by analytics.
    pub reads_together: bool,
    /// The file with the keys, how many there are, and how many of them may request closures.
    pub keys: (PathBuf, usize, usize),
    /// Older variables that were taken, with their settings.
    pub aliases: Vec<(&'static str, String)>,
}

/// An organisation that speaks a dialect, and what the dialect can.
#[derive(Debug)]
pub struct Speaks {
    /// The organisation's name.
    pub organisation: String,
    /// The dialect's.
    pub dialect: String,
    /// Whether it has a search of its own.
    pub finds: bool,
    /// Whether it can close a guest alone.
    pub closes_guest_alone: bool,
    /// Whether it can purge a conversation.
    pub purges: bool,
}

/// A hook of the configuration.
#[derive(Debug, Clone)]
pub struct Hook {
    /// Its name.
    pub name: String,
    /// The scheme's name.
    pub scheme: &'static str,
    /// What the scheme proves.
    pub strength: Strength,
    /// How many secrets it has.
    pub secrets: usize,
    /// Whether it reads the plain form, which a test can send.
    pub reads_plain: bool,
}

/// Where state is to be kept.
#[derive(Debug)]
pub enum Store {
    /// In memory.
    Memory,
    /// In a database.
    Database {
        /// Where it is.
        address: String,
        /// Whether the server is not asked to prove who it is, though it is elsewhere.
        trusts_anybody: bool,
        /// What was found, or why it cannot be used.
        looked: Result<store_postgres::Looked, String>,
    },
    /// In a file.
    File {
        /// The file.
        path: PathBuf,
        /// The first thing that is wrong with it; nothing when it can be used.
        obstacle: Option<StoreObstacle>,
        /// Its size; nothing where it is not there yet.
        bytes: Option<u64>,
    },
}

/// Why a store cannot be used.
#[derive(Debug)]
pub enum StoreObstacle {
    /// There is no such folder.
    NoFolder(PathBuf),
    /// Files cannot be made in the folder.
    FolderNotWritable(PathBuf),
    /// A file of the store cannot be read or written.
    NotWritable(PathBuf),
    /// The path leads to something that is no file.
    NotAFile,
    /// The file is no SQLite database.
    Foreign,
    /// The file cannot be read.
    Unreadable(io::Error),
}

/// Who has the port.
#[derive(Debug)]
pub struct Port {
    /// Address and port, as configured.
    pub address: String,
    /// Who has it.
    pub holder: Holder,
}

/// Who has the port.
#[derive(Debug)]
pub enum Holder {
    /// Nobody, or it is chosen at the start.
    Nobody,
    /// A Closeout, and whether it says that it is ready.
    Closeout {
        /// Whether it is ready.
        ready: bool,
    },
    /// Another program.
    Other,
    /// This machine does not let it be taken.
    Refused {
        /// Why, in plain words.
        why: String,
    },
}

/// This machine's time.
#[derive(Debug)]
pub struct Clock {
    /// The time.
    pub now: Timestamp,
    /// The file of this installation that was written last, and when.
    pub newest_file: Option<(PathBuf, Timestamp)>,
}

/// The service that should be running.
#[derive(Debug)]
pub struct Service {
    /// Where.
    pub server: String,
    /// What it says.
    pub says: Says,
}

/// What a service says of its hooks.
#[derive(Debug)]
pub enum Says {
    /// Nobody answers.
    Nothing,
    /// Another program answers.
    Nonsense,
    /// It tells nothing without a key of the role `read`; says what is wrong with the key that there is.
    Closed(Option<String>),
    /// When each hook last heard something.
    Hooks(Vec<Heard>),
}

/// When a hook of a running service last heard something.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    /// The hook's name.
    pub name: String,
    /// When a proven sender was last heard.
    pub event_at: Option<Timestamp>,
    /// When a sender was last refused.
    pub refused_at: Option<Timestamp>,
    /// Why.
    pub refused_why: Option<String>,
}

/// What Genesys said.
#[derive(Debug)]
pub enum Online {
    /// It was not asked for.
    NotWanted,
    /// The configuration cannot be used.
    NotPossible,
    /// What each organisation said.
    Asked(Vec<Organisation>),
}

/// What an organisation said. What was not asked, since something before it failed, is nothing.
#[derive(Debug)]
pub struct Organisation {
    /// Its name in the configuration.
    pub name: String,
    /// Its hosts, and what was in the way of an answer.
    pub hosts: Vec<(String, Option<Unreached>)>,
    /// The setting that names the hosts, and where it comes from.
    pub region_from: String,
    /// How the clocks stood.
    pub clocks: Option<Clocks>,
    /// Where the client's id and secret come from; nothing for a ready access token.
    pub client_from: Option<(String, String)>,
    /// Whether there is a client that can be made.
    pub client: Result<(), String>,
    /// Whether a token was given.
    pub login: Option<Result<(), Fault>>,
    /// Whose token it is.
    pub token: Option<Result<TokenFacts, Fault>>,
    /// The permissions that the configured policy needs.
    pub needs: Vec<&'static str>,
    /// What came of reading a conversation that does not exist.
    pub view: Option<Result<(), Fault>>,
    /// The roles' permissions.
    pub grants: Option<Result<Grants, Fault>>,
    /// The limits.
    pub limits: Option<Result<Vec<Limit>, Fault>>,
    /// Requests in a window and its length, as configured; 0 for no limit.
    pub requests: (u32, Duration),
    /// Requests in a window as the answers' headers say.
    pub allowed: Option<u32>,
    /// The configured name of a wrap-up code, and what it means.
    pub wrap_up: Option<(String, Result<WrapUpCode, Fault>)>,
    /// Each notification socket, and what became of its topics.
    pub sockets: Vec<(String, Result<Subscribed, Fault>)>,
    /// The Messenger deployments.
    pub deployments: Option<Result<Vec<Deployment>, Fault>>,
}
