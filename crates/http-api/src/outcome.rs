//! What the driver answers, as HTTP: the one place where outcomes become refusals.

use std::time::Duration;

use closure_machine::{Step, Turn};
use genesys_types::Span;
use orchestrator::{ActError, QueryError, Record, SubmitError, closure_id, names};
use store::StoreUnavailable;

use crate::{
    problem::{Problem, kinds},
    spans::Stamp,
    target,
};

/// A store that is away is tried again after this long; it is back by itself at most 5 s after its cause is gone.
const STORE_AWAY: Duration = Duration::from_secs(5);

/// A service that is stopping is replaced, or back, after about this long.
const STOPPING: Duration = Duration::from_secs(10);

pub(crate) fn stopping() -> Problem {
    Problem::new(&kinds::STOPPING, "The service is stopping and takes no more work.").retry_after(STOPPING)
}

/// A command that would keep what was taken before from its end.
pub(crate) fn overloaded(again: Span) -> Problem {
    Problem::new(&kinds::OVERLOADED, "So much is being written that new commands have to wait.")
        .retry_after(again.duration())
}

impl From<StoreUnavailable> for Problem {
    fn from(unavailable: StoreUnavailable) -> Self {
        // What the store says of itself is for the log; it may name files.
        tracing::warn!(%unavailable, "a request was refused");
        Self::new(&kinds::STORE, "The store cannot be read or written at present.").retry_after(STORE_AWAY)
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Unavailable(unavailable) => unavailable.into(),
            QueryError::Unreadable(why) => {
                tracing::error!(why, "a journal line cannot be read");
                Self::new(&kinds::UNREADABLE, "A line of the closure's journal cannot be read.")
            }
        }
    }
}

impl From<SubmitError> for Problem {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::UnknownOrganisation => {
                Self::new(&kinds::UNKNOWN_ORGANISATION, "The organisation is not configured here.")
                    .field("organisation")
            }
            SubmitError::KeyReused => {
                Self::new(&kinds::KEY_REUSED, "The Idempotency-Key was used before, for another command.")
                    .field("Idempotency-Key")
            }
            SubmitError::SetAside(closure) => Self::new(
                &kinds::UNREADABLE,
                "The Idempotency-Key was used before, for a closure whose stored record cannot be read any more.",
            )
            .field("Idempotency-Key")
            .closure(closure_id(closure))
            .fix("Look at the conversation in Genesys. To have it closed, send the command with a new key."),
            SubmitError::Contradicts { closure, what } => {
                let field = match what {
                    "participant" => "participantId".to_owned(),
                    option => format!("policy.{option}"),
                };
                let detail = format!("The conversation has an open closure with another {field}.");
                Self::new(&kinds::CONTRADICTS, detail).field(field).closure(closure_id(closure))
            }
            SubmitError::Ambiguous { candidates } => target::ambiguous(&candidates),
            SubmitError::Full { retry_after } => {
                Self::new(&kinds::FULL, "The organisation has as many open closures as it may have.")
                    .retry_after(retry_after.duration())
            }
            SubmitError::Stopping => stopping(),
            SubmitError::Unavailable(unavailable) => unavailable.into(),
        }
    }
}

/// Why an act was not done.
pub(crate) fn act_refused(error: ActError, id: &str) -> Problem {
    match error {
        ActError::Missing => Problem::new(&kinds::NO_CLOSURE, format!("There is no closure {id} here.")),
        ActError::Unfit(rejected, record) => {
            let in_flight = matches!(record.closure.turn, Turn::InFlight { .. });
            let ended = end(&record);
            let detail = sentence(&ActError::Unfit(rejected, record).to_string());
            let problem = if let Some(ended) = ended {
                Problem::new(&kinds::UNFIT, detail).fix(ended)
            } else if in_flight {
                let waits = "A call to Genesys is in flight, and its answer decides.";
                Problem::new(&kinds::UNFIT, format!("{detail} {waits}"))
                    .fix("Wait for the answer, which takes seconds, and look again.")
            } else {
                Problem::new(&kinds::UNFIT, detail)
            };
            problem.closure(id.to_owned())
        }
        ActError::OtherVersion(version) => {
            Problem::new(&kinds::OTHER_VERSION, format!("The closure is at version {version} by now."))
                .field("If-Match")
                .closure(id.to_owned())
        }
        ActError::Claimed(word) => {
            let why =
                word.text.as_ref().map(|text| format!(": {}", shown_text::quoted(text))).unwrap_or_default();
            let detail = format!("{} sees to it since {}{why}.", word.by, Stamp(word.at));
            Problem::new(&kinds::CLAIMED, detail).closure(id.to_owned()).fix(format!(
                "Speak with {}, or take it over with {{\"takeOver\": true}}, or `closeout claim {id} --take-over`.",
                word.by
            ))
        }
        ActError::Unavailable(unavailable) => unavailable.into(),
    }
}

/// What is left to do about a closure that has ended: nothing.
fn end(record: &Record) -> Option<String> {
    let Step::Ended(ending) = record.closure.step else { return None };
    let reason = names::reason(&record.closure).map(|reason| format!(" ({reason})")).unwrap_or_default();
    let end = names::state(&record.closure);
    Some(format!(
        "Nothing can be done about it any more: it ended as {end}{reason} at {}. If the conversation is to be closed all \
         the same, request a new closure.",
        Stamp(ending.at)
    ))
}

/// Makes a clause a sentence.
fn sentence(clause: &str) -> String {
    let mut letters = clause.chars();
    match letters.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), letters.as_str()),
        None => String::new(),
    }
}
