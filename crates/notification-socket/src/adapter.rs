//! The shell around [`Life`]: connections as tasks, time, and what is shown.

use std::{
    collections::{BTreeSet, HashMap},
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
    time::Duration,
};

use evidence_log::ReceivedLog;
use genesys_client::{Client, Subscribed};
use genesys_types::Organisation;
use orchestrator::Orchestrator;
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    life::{Act, Input, Life, Limits, LinkId},
    link::{self, Command, Told},
    standing::{RefusedTopic, StandingBoard},
};

/// The longest sleep, so that a clock that was moved is noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// How long events that were heard may take to be delivered at a stop.
const LAST_DELIVERIES: Duration = Duration::from_secs(5);

/// What an adapter listens to.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its name, in metrics and as evidence.
    pub name: String,
    /// The organisation that its events belong to.
    pub organisation: Organisation,
    /// The topics, at most [`genesys_client::MOST_TOPICS`].
    pub topics: Vec<Box<str>>,
    /// How patient it is.
    pub limits: Limits,
}

/// What an adapter and its connections share.
pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) organisation: Organisation,
    pub(crate) topics: Vec<Box<str>>,
    pub(crate) client: Client,
    pub(crate) orchestrator: Orchestrator,
    pub(crate) board: StandingBoard,
    pub(crate) log: ReceivedLog,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

/// An adapter at work.
#[derive(Debug)]
pub struct Adapter {
    board: StandingBoard,
    log: ReceivedLog,
    running: JoinHandle<()>,
}

impl Adapter {
    /// Starts to listen, until `stop`. It opens connections for as long as it takes; nothing that goes wrong ends it.
    pub fn start(
        settings: Settings,
        client: Client,
        orchestrator: Orchestrator,
        stop: CancellationToken,
    ) -> Self {
        let board = StandingBoard::new(settings.name.clone(), settings.organisation.clone());
        let log = ReceivedLog::new([Arc::from(settings.name.as_str())]);
        let shared = Arc::new(Shared {
            name: settings.name,
            organisation: settings.organisation,
            topics: settings.topics,
            client,
            orchestrator,
            board: board.clone(),
            log: log.clone(),
            tasks: TaskTracker::new(),
            stop,
        });
        let running = tokio::spawn(Running::new(shared).run(settings.limits));
        Self { board, log, running }
    }

    /// Where its standing can be seen.
    pub fn board(&self) -> StandingBoard {
        self.board.clone()
    }

    /// What came in by it lately, and why it was not taken.
    pub fn log(&self) -> ReceivedLog {
        self.log.clone()
    }

    /// Completes after the stop, when what was heard is delivered or had its time.
    pub async fn stopped(self) {
        if self.running.await.is_err() {
            tracing::error!("an adapter ended in a panic");
        }
    }
}

struct Running {
    shared: Arc<Shared>,
    links: HashMap<LinkId, mpsc::UnboundedSender<Command>>,
    tells: mpsc::UnboundedSender<(LinkId, Told)>,
    told: mpsc::UnboundedReceiver<(LinkId, Told)>,
    last_fault: Option<String>,
    refused: BTreeSet<String>,
}

impl Running {
    fn new(shared: Arc<Shared>) -> Self {
        let (tells, told) = mpsc::unbounded_channel();
        Self { shared, links: HashMap::new(), tells, told, last_fault: None, refused: BTreeSet::new() }
    }

    async fn run(mut self, limits: Limits) {
        let stop = self.shared.stop.clone();
        let (mut life, acts) = Life::begin(limits, RandomState::new().hash_one(0));
        self.act(acts);
        loop {
            let now = self.shared.orchestrator.now();
            let sleep =
                life.wake_at().map_or(LONGEST_SLEEP, |at| at.since(now).duration().min(LONGEST_SLEEP));
            let input = tokio::select! {
                told = self.told.recv() => match told {
                    Some((link, told)) => self.input(link, told),
                    None => break,
                },
                () = tokio::time::sleep(sleep) => Input::Passed,
                () = stop.cancelled() => break,
            };
            let listened = life.listens();
            let acts = life.step(input, self.shared.orchestrator.now());
            self.show(listened, &life);
            self.act(acts);
        }
        self.links.clear();
        self.shared.tasks.close();
        drop(tokio::time::timeout(LAST_DELIVERIES, self.shared.tasks.wait()).await);
    }

    fn input(&mut self, link: LinkId, told: Told) -> Input {
        match told {
            Told::Opened(ends, subscribed) => {
                self.last_fault = None;
                self.note_refused(subscribed);
                Input::Opened(link, ends)
            }
            Told::NotOpened(why) => {
                let why = why.to_string();
                if self.last_fault.as_ref() != Some(&why) {
                    tracing::warn!(
                        adapter = self.shared.name,
                        why,
                        "notifications cannot be listened to; it is tried again"
                    );
                    self.last_fault = Some(why);
                }
                self.links.remove(&link);
                Input::NotOpened(link)
            }
            Told::Heard => Input::Heard(link),
            Told::Closing => Input::Closing(link),
            Told::Unsubscribed => Input::Unsubscribed(link),
            Told::Ended => {
                self.links.remove(&link);
                Input::Ended(link)
            }
        }
    }

    /// Every topic that is refused is told once, with what it lacks.
    fn note_refused(&mut self, subscribed: Subscribed) {
        let permitted = subscribed.permitted;
        let refused: Vec<RefusedTopic> = subscribed.refused.into_iter().map(RefusedTopic::from).collect();
        for topic in &refused {
            if self.refused.insert(topic.topic.clone()) {
                tracing::warn!(
                    adapter = self.shared.name,
                    topic = topic.topic,
                    permitted,
                    reason = topic.reason,
                    missing_permissions = topic.missing_permissions.join(", "),
                    "a topic is refused: its events are not heard"
                );
            }
        }
        self.refused.retain(|known| refused.iter().any(|topic| topic.topic == *known));
        self.shared.board.change(|standing| standing.refused = refused);
    }

    fn show(&self, listened: bool, life: &Life) {
        match (listened, life.listens()) {
            (false, true) => {
                let now = self.shared.orchestrator.now();
                tracing::info!(adapter = self.shared.name, "listens to notifications");
                self.shared.board.change(|standing| standing.connected_since = Some(now));
            }
            (true, false) => {
                tracing::warn!(
                    adapter = self.shared.name,
                    "notifications are not heard: events may be lost until they are again"
                );
                self.shared.board.change(|standing| standing.connected_since = None);
            }
            (true, true) | (false, false) => {}
        }
    }

    fn act(&mut self, acts: Vec<Act>) {
        for act in acts {
            match act {
                Act::Open(link) => {
                    let (commands, commanded) = mpsc::unbounded_channel();
                    self.links.insert(link, commands);
                    let run = link::run(link, Arc::clone(&self.shared), self.tells.clone(), commanded);
                    self.shared.tasks.spawn(run);
                }
                Act::Ping(link) => self.command(link, Command::Ping),
                Act::Close(link) => self.command(link, Command::Close),
                Act::LookBack => self.look_back(),
            }
        }
    }

    fn command(&self, link: LinkId, command: Command) {
        if let Some(commands) = self.links.get(&link) {
            // A link that has ended tells so itself.
            let _ = commands.send(command);
        }
    }

    fn look_back(&self) {
        let shared = Arc::clone(&self.shared);
        let until = shared.orchestrator.now();
        shared.board.change(|standing| standing.gaps += 1);
        self.shared.tasks.spawn(async move {
            let read = tokio::select! {
                read = shared.orchestrator.look_back(&shared.organisation, until) => read,
                () = shared.stop.cancelled() => return,
            };
            shared.board.change(|standing| standing.read_back += read as u64);
        });
    }
}
