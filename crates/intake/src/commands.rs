//! What the intake needs of the one reader of commands.

use closure_machine::Command;
use genesys_types::{Organisation, Time};
use orchestrator::Said;

/// A command as it is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// What to close.
    pub command: Command,
    /// What else it says.
    pub said: Said,
    /// SHA-256 over what it means.
    pub digest: [u8; 32],
    /// Whether it only asks what would be done, which has no use in a queue.
    pub dry_run: bool,
}

/// Why a command cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The reason as a constant name, for example `invalid_field`.
    pub reason: &'static str,
    /// The field that is wrong.
    pub field: Option<String>,
    /// What is wrong, in a sentence. It may repeat parts of the command.
    pub detail: String,
}

/// Reads commands: their fields are those of `POST /v1/closures`, and only the API knows them.
pub trait Commands: Send + Sync + 'static {
    /// Reads the JSON of a command for an organisation.
    ///
    /// # Errors
    ///
    /// Why it is no command that this service could take.
    fn read(&self, organisation: &Organisation, body: &[u8], now: Time) -> Result<Asked, Refusal>;
}
