//! One message: decode, read, submit; or keep it as a dead letter.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use genesys_types::Time;
use orchestrator::{ProducerKey, ReplyTo, Submission, SubmitError, Submitted, TraceParent, closure_id};
use queue::Message;
use sha2::{Digest, Sha256};

use crate::{
    LARGEST_COMMAND, LARGEST_MESSAGE,
    answer::Answer,
    commands::{Asked, Refusal},
    decode::{Undecodable, decode},
    fate::Met,
    letter::{Letter, Why, mark},
    metrics,
    run::Line,
};

/// Dead letters of one source that wait for somebody, at most: beyond it there is a mistake in the configuration and not in a
/// command, and the messages are safer at the broker. At their largest they are 1 GB.
pub(crate) const MOST_HELD: u64 = 10_000;

/// The longest idempotency key, as by HTTP.
const LONGEST_KEY: usize = 255;

/// The longest correlation that is repeated in an ending.
const LONGEST_CORRELATION: usize = 255;

/// Why a message was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// It is no command, or one that cannot be done.
    Refused(Why),
    /// There may be room after this time.
    Full(Duration),
    /// The store could not take it.
    StoreAway,
    /// The service is stopping.
    Stopping,
}

impl Line {
    /// Takes a message, or keeps it as a dead letter. Whatever this answers is durable, where it says so.
    pub(crate) async fn take(&self, message: &Message) -> Met {
        match self.submit(message).await {
            Ok(submitted) => {
                self.answer(message, Answer::of_submitted(&submitted)).await;
                Met::Durable
            }
            Err(NotTaken::Refused(why)) => self.bury(message, why).await,
            Err(NotTaken::Full(after)) => Met::Full(after),
            Err(NotTaken::StoreAway) => Met::StoreAway,
            Err(NotTaken::Stopping) => Met::NotBegun,
        }
    }

    /// Submits the command in a message.
    pub(crate) async fn submit(&self, message: &Message) -> Result<Submitted, NotTaken> {
        let now = self.shared.orchestrator.now();
        let submission = match self.submission(message, now) {
            Ok(submission) => submission,
            Err(why) => {
                metrics::refused(&self.name, "unreadable");
                return Err(NotTaken::Refused(why));
            }
        };
        self.shared.orchestrator.submit(submission).await.map_err(not_taken)
    }

    fn submission(&self, message: &Message, now: Time) -> Result<Submission, Why> {
        if message.body.len() > LARGEST_MESSAGE {
            return Err(too_large("message", LARGEST_MESSAGE));
        }
        let decoded = decode(&self.setup.decoder, &message.headers, &message.body, now)?;
        if decoded.command.len() > LARGEST_COMMAND {
            return Err(too_large("command", LARGEST_COMMAND));
        }
        let asked = self.shared.commands.read(&self.setup.organisation, &decoded.command, now)?;
        let Asked { command, mut said, digest, dry_run } = asked;
        if dry_run {
            let detail = "dryRun asks for an answer at once, which a queue does not give.";
            return Err(Why::new("invalid_field", Some("dryRun"), detail));
        }
        let key = key(message, decoded.id.as_deref());
        said.trace = trace(message);
        said.reply = self.setup.replies.granted(message.reply_to.as_deref()).map(|address| ReplyTo {
            address: address.to_owned(),
            correlation: Some(correlation(message).unwrap_or_else(|| key.clone())),
            trace: said.trace.map(|trace| trace.to_string()),
        });
        Ok(Submission {
            organisation: self.setup.organisation.clone(),
            command,
            said,
            source: Arc::clone(&self.name),
            key: Some(ProducerKey { scope: self.scope(), key, digest }),
            follows: None,
        })
    }

    /// The scope of the keys of this source's messages. No holder of a key of the API has a name with a colon in it.
    fn scope(&self) -> String {
        format!("source:{}", self.name)
    }

    async fn bury(&self, message: &Message, why: Why) -> Met {
        let store = &self.shared.store;
        let known = match store.dead_letter_marked(mark(&self.name, message)).await {
            Ok(known) => known.is_some(),
            Err(_) => return Met::StoreAway,
        };
        if known {
            return Met::Buried;
        }
        let Ok(held) = self.held_letters().await else { return Met::StoreAway };
        if held >= MOST_HELD {
            tracing::error!(
                source = &*self.name,
                held,
                "the source has as many dead letters as it may have; what cannot be taken stays in its queue. Look at them \
                 with `closeout dead list`, and redrive or discard them"
            );
            return Met::Overfull;
        }
        let now = self.shared.orchestrator.now();
        let refusal = Answer::of_refusal(&why);
        let key = self.shared.orchestrator.fresh_key();
        let letter = Letter::of(key, self.setup.organisation.as_str(), &self.name, message, why, now);
        if store.bury(letter.row()).await.is_err() {
            return Met::StoreAway;
        }
        metrics::dead_letters(&self.name, held + 1);
        tracing::warn!(
            source = &*self.name,
            place = letter.place,
            reason = letter.reason,
            letter = orchestrator::dead_letter_id(letter.key),
            "a message cannot be taken: it is kept as a dead letter"
        );
        self.answer(message, Some(refusal)).await;
        Met::Buried
    }

    pub(crate) async fn held_letters(&self) -> Result<u64, store::StoreUnavailable> {
        let tally = self.shared.store.dead_letter_tally().await?;
        let own = tally.into_iter().find(|(source, _)| **source == *self.name);
        Ok(own.map_or(0, |(_, held)| held))
    }
}

impl Why {
    fn new(reason: &str, field: Option<&str>, detail: impl Into<String>) -> Self {
        Self { reason: reason.to_owned(), field: field.map(str::to_owned), detail: detail.into() }
    }
}

impl From<Undecodable> for Why {
    fn from(undecodable: Undecodable) -> Self {
        Self::new(undecodable.reason, None, undecodable.detail)
    }
}

impl From<Refusal> for Why {
    fn from(refusal: Refusal) -> Self {
        Self { reason: refusal.reason.to_owned(), field: refusal.field, detail: refusal.detail }
    }
}

fn too_large(what: &str, most: usize) -> Why {
    Why::new("body_too_large", None, format!("The {what} has more than {} KiB.", most / 1_024))
}

/// The codes are those by which the API refuses the same command.
fn not_taken(error: SubmitError) -> NotTaken {
    let refused = |reason, field, detail: String| NotTaken::Refused(Why::new(reason, field, detail));
    match error {
        SubmitError::UnknownOrganisation => {
            let detail = "The organisation of the source is not configured here.";
            refused("unknown_organisation", Some("organisation"), detail.to_owned())
        }
        SubmitError::KeyReused => {
            let detail = "Another command came before under the same message id.";
            refused("idempotency_key_reused", None, detail.to_owned())
        }
        SubmitError::SetAside(closure) => {
            let detail = format!(
                "The message came before, and the stored record of its closure {} cannot be read any more.",
                closure_id(closure)
            );
            refused("unreadable_record", None, detail)
        }
        SubmitError::Contradicts { closure, what } => {
            let closure = closure_id(closure);
            let detail = format!("The conversation has the open closure {closure} with another {what}.");
            refused("contradicting_options", Some(what), detail)
        }
        SubmitError::Ambiguous { candidates } => {
            let detail = format!("{} open conversations fit the target.", candidates.len());
            refused("ambiguous_target", Some("target"), detail)
        }
        SubmitError::Full { retry_after } => NotTaken::Full(retry_after.duration()),
        SubmitError::Stopping => NotTaken::Stopping,
        SubmitError::Unavailable(unavailable) => {
            tracing::warn!(%unavailable, "a command could not be stored: it stays in its queue");
            NotTaken::StoreAway
        }
    }
}

/// What makes a message the same command when it comes again: what its producer called it, else the id of the event, else where
/// it stands. A place is given out anew when a broker loses its data, so there what the message says belongs to it.
pub(crate) fn key(message: &Message, event_id: Option<&str>) -> String {
    match message.id.as_deref().or(event_id).filter(|id| !id.is_empty()) {
        Some(given) if is_key(given) => given.to_owned(),
        Some(given) => format!("sha256:{}", hex(&Sha256::digest(given))),
        None => {
            let digest = hex(&Sha256::digest(&message.body)[..8]);
            let place = format!("{}:{digest}", message.place);
            if is_key(&place) { place } else { format!("sha256:{}", hex(&Sha256::digest(&place))) }
        }
    }
}

fn is_key(text: &str) -> bool {
    (1..=LONGEST_KEY).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// What the producer recognises its answer by, where it says so itself.
pub(crate) fn correlation(message: &Message) -> Option<String> {
    let fits = |text: &&str| text.len() <= LONGEST_CORRELATION && !text.chars().any(char::is_control);
    message.headers.first("correlation-id").filter(fits).map(str::to_owned)
}

/// The trace that the message belongs to, where it names a valid one.
pub(crate) fn trace(message: &Message) -> Option<TraceParent> {
    TraceParent::parse(message.headers.first("traceparent")?)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
