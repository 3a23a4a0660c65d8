//! All sources of a service, and the handle by which the API looks at them and acts on them and on dead letters.

use std::{fmt, sync::Arc, time::Duration};

use genesys_types::{Organisation, Time};
use orchestrator::{Orchestrator, Submitted};
use queue::{Source, Standing, Warning};
use store::{DeadLetterFilter, Store, StoreUnavailable};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use crate::{
    commands::Commands,
    decode::Decoder,
    endings,
    letter::{DISCARDED, Letter, REDRIVEN, SeenTo},
    metrics,
    replies::Replies,
    run::{Line, Shared},
    take::NotTaken,
};

/// What a source is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setup {
    /// Its name: in metrics and listings, and as the `source` of the closures that it asks for.
    pub name: String,
    /// The kind of broker, for example `nats`.
    pub kind: &'static str,
    /// The organisation whose closures its commands ask for. A command may name no other.
    pub organisation: Organisation,
    /// How its messages are read.
    pub decoder: Decoder,
    /// Where endings are published.
    pub replies: Replies,
}

/// What a source is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceState {
    /// Its broker has not answered yet.
    Starting,
    /// It receives: its broker has answered.
    Running,
    /// An operator paused it.
    Paused,
    /// Its broker cannot be reached.
    Unreachable,
    /// It waits for the store.
    StoreAway,
    /// It waits until there is room for more closures.
    NoRoom,
    /// The service is stopping.
    Stopped,
}

impl SourceState {
    /// The name in listings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Unreachable => "unreachable",
            Self::StoreAway => "store_away",
            Self::NoRoom => "no_room",
            Self::Stopped => "stopped",
        }
    }
}

/// How a source stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceStanding {
    /// Its name.
    pub name: String,
    /// The kind of broker.
    pub kind: &'static str,
    /// Its organisation.
    pub organisation: Organisation,
    /// What it is doing.
    pub state: SourceState,
    /// Whether an operator paused it; a pause is kept over a restart.
    pub paused: bool,
    /// How its queue stood some seconds ago; nothing until the broker said so.
    pub standing: Option<Standing>,
    /// When it last brought something, since the start of the service.
    pub last_received_at: Option<Time>,
    /// Dead letters that wait for somebody.
    pub dead_letters: u64,
    /// Why it cannot be reached.
    pub fault: Option<String>,
    /// What of the broker's settings is unsafe.
    pub warnings: Vec<Warning>,
}

/// Why an act was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActError {
    /// There is no such source, or no such dead letter.
    Missing,
    /// Somebody saw to the letter before.
    SeenTo(String),
    /// Its source is not configured any more.
    NoSource(String),
    /// The body was longer than what is kept of one.
    NotWhole,
    /// It cannot be taken now either: the reason, the field and a sentence. The letter says so too.
    Refused {
        /// The reason as a constant name.
        reason: String,
        /// The field that is wrong.
        field: Option<String>,
        /// Why, in a sentence.
        detail: String,
    },
    /// There may be room after this time.
    Full(Duration),
    /// The service is stopping.
    Stopping,
    /// Nothing could be written.
    Unavailable(StoreUnavailable),
}

impl From<StoreUnavailable> for ActError {
    fn from(unavailable: StoreUnavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}

/// The sources of a service. A copy is the same service.
#[derive(Clone)]
pub struct Sources(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    lines: Vec<Arc<Line>>,
    tasks: TaskTracker,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.lines.iter().map(|line| &*line.name).collect();
        f.debug_struct("Sources").field("names", &names).finish_non_exhaustive()
    }
}

impl Sources {
    /// Starts to take what comes by these sources, until `stop`. Links in endings begin with `public_url`, where it is known.
    pub fn start(
        store: Arc<dyn Store>,
        orchestrator: Orchestrator,
        commands: Arc<dyn Commands>,
        sources: Vec<(Setup, Arc<dyn Source>)>,
        public_url: Option<String>,
        stop: &CancellationToken,
    ) -> Self {
        let shared = Arc::new(Shared { store, orchestrator, commands, public_url });
        let line = |(setup, source)| Arc::new(Line::new(setup, source, Arc::clone(&shared), stop.clone()));
        let lines: Vec<_> = sources.into_iter().map(line).collect();
        let tasks = TaskTracker::new();
        for line in &lines {
            tasks.spawn(Arc::clone(line).run());
            if line.setup.replies.is_on() {
                tasks.spawn(endings::publish(Arc::clone(line)));
            }
        }
        tasks.close();
        Self(Arc::new(Inner { shared, lines, tasks }))
    }

    /// What each source is, in the order of the configuration.
    pub fn setups(&self) -> impl Iterator<Item = &Setup> {
        self.0.lines.iter().map(|line| &line.setup)
    }

    /// How each source stands, in the order of the configuration.
    ///
    /// # Errors
    ///
    /// Fails when the store cannot be reached.
    pub async fn standings(&self) -> Result<Vec<SourceStanding>, StoreUnavailable> {
        if self.0.lines.is_empty() {
            return Ok(Vec::new());
        }
        let tally = self.0.shared.store.dead_letter_tally().await?;
        let held = |name: &str| tally.iter().find(|(source, _)| source == name).map_or(0, |(_, held)| *held);
        Ok(self.0.lines.iter().map(|line| line.shown(held(&line.name))).collect())
    }

    /// Pauses a source, or lets it go on. Durable when this returns.
    ///
    /// # Errors
    ///
    /// [`ActError::Missing`] or [`ActError::Unavailable`].
    pub async fn pause(&self, name: &str, paused: bool) -> Result<SourceStanding, ActError> {
        let line = self.line(name).ok_or(ActError::Missing)?;
        self.0.shared.store.set_switch(&line.switch(), paused).await?;
        metrics::paused(&line.name, paused);
        line.paused.send_replace(Some(paused));
        let held = line.held_letters().await?;
        Ok(line.shown(held))
    }

    /// Dead letters that match, the latest kept first, with keys less than `before`, at most `limit`. One that cannot be read is
    /// left out.
    ///
    /// # Errors
    ///
    /// Fails when the store cannot be reached.
    pub async fn letters(
        &self,
        filter: &DeadLetterFilter,
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Letter>, StoreUnavailable> {
        let rows = self.0.shared.store.dead_letters(filter, before, limit).await?;
        Ok(rows.iter().filter_map(Letter::read).collect())
    }

    /// One dead letter.
    ///
    /// # Errors
    ///
    /// Fails when the store cannot be reached.
    pub async fn letter(&self, key: Uuid) -> Result<Option<Letter>, StoreUnavailable> {
        Ok(self.0.shared.store.dead_letter(key).await?.as_ref().and_then(Letter::read))
    }

    /// Takes a dead letter as if its message came now: read by its source's decoder, under the key of its message. A crash in
    /// between leaves it held, and the next try finds the closure by the key.
    ///
    /// # Errors
    ///
    /// See [`ActError`]. One that is refused again stays held.
    pub async fn redrive(&self, key: Uuid, by: &str, reason: Option<String>) -> Result<Letter, ActError> {
        let mut letter = self.held(key).await?;
        let line = self.line(&letter.source).ok_or_else(|| ActError::NoSource(letter.source.clone()))?;
        if !letter.is_whole() {
            return Err(ActError::NotWhole);
        }
        match line.submit(&letter.message()).await {
            Ok(
                Submitted::Accepted(record)
                | Submitted::Attached(record)
                | Submitted::Repeated { record, attached: _ },
            ) => {
                letter.closure = Some(record.key);
                self.see_to(letter, REDRIVEN, by, reason).await
            }
            Err(NotTaken::Refused(why)) => {
                (letter.reason, letter.field, letter.detail) =
                    (why.reason.clone(), why.field.clone(), why.detail.clone());
                letter.updated_at = self.0.shared.orchestrator.now();
                self.0.shared.store.put_dead_letter(letter.row()).await?;
                Err(ActError::Refused { reason: why.reason, field: why.field, detail: why.detail })
            }
            Err(NotTaken::Full(after)) => Err(ActError::Full(after)),
            Err(NotTaken::Stopping) => Err(ActError::Stopping),
            Err(NotTaken::StoreAway) => {
                let why = "the command could not be stored".to_owned();
                Err(ActError::Unavailable(StoreUnavailable { why }))
            }
        }
    }

    /// Gives a dead letter up. It is kept, as something that was seen to, until it is pruned.
    ///
    /// # Errors
    ///
    /// See [`ActError`].
    pub async fn discard(&self, key: Uuid, by: &str, reason: Option<String>) -> Result<Letter, ActError> {
        let letter = self.held(key).await?;
        self.see_to(letter, DISCARDED, by, reason).await
    }

    /// Waits, after the stop, for what is in hand, at most `grace`. What is not settled by then comes again.
    pub async fn stopped(&self, grace: Duration) {
        if tokio::time::timeout(grace, self.0.tasks.wait()).await.is_err() {
            tracing::warn!(
                "a source did not stop in time; messages that were taken come again and are known then"
            );
        }
    }

    async fn held(&self, key: Uuid) -> Result<Letter, ActError> {
        let letter = self.letter(key).await?.ok_or(ActError::Missing)?;
        if letter.is_held() { Ok(letter) } else { Err(ActError::SeenTo(letter.state)) }
    }

    async fn see_to(
        &self,
        mut letter: Letter,
        state: &str,
        by: &str,
        reason: Option<String>,
    ) -> Result<Letter, ActError> {
        let now = self.0.shared.orchestrator.now();
        state.clone_into(&mut letter.state);
        letter.updated_at = now;
        letter.seen_to = Some(SeenTo { by: by.to_owned(), at: now.millis(), reason });
        self.0.shared.store.put_dead_letter(letter.row()).await?;
        if let Some(line) = self.line(&letter.source)
            && let Ok(held) = line.held_letters().await
        {
            metrics::dead_letters(&line.name, held);
        }
        Ok(letter)
    }

    fn line(&self, name: &str) -> Option<&Arc<Line>> {
        self.0.lines.iter().find(|line| &*line.name == name)
    }
}

impl Line {
    fn shown(&self, dead_letters: u64) -> SourceStanding {
        let facts = self.facts().clone();
        let paused = *self.paused.borrow() == Some(true);
        SourceStanding {
            name: self.setup.name.clone(),
            kind: self.setup.kind,
            organisation: self.setup.organisation.clone(),
            // The loop takes a moment to notice.
            state: if paused && matches!(facts.state, SourceState::Starting | SourceState::Running) {
                SourceState::Paused
            } else {
                facts.state
            },
            paused,
            standing: facts.standing,
            last_received_at: facts.last_received,
            dead_letters,
            fault: self.telling.receiving().map(|(_, cause)| cause),
            warnings: facts.warnings,
        }
    }
}
