//! What a chat is told of a ghost beside its line of the journal: what to do, and where to look.

use orchestrator::Record;

/// What can be said of a ghost to whoever is to act on it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hint {
    /// What to do first, in plain words with its command.
    pub first: Option<String>,
    /// The conversation in Genesys Cloud's own pages.
    pub page: Option<String>,
}

/// Who knows what can be done about a ghost.
pub trait Advisor: Send + Sync + 'static {
    /// What can be said of it now.
    fn hint(&self, ghost: &Record) -> Hint;
}

/// Nobody knows.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoAdvice;

impl Advisor for NoAdvice {
    fn hint(&self, _: &Record) -> Hint {
        Hint::default()
    }
}
