//! How the program ends: exit codes, and the one sentence that goes with a failure.

use std::{fmt, process::ExitCode};

use crate::{config::Problem, output::spelt_out};

/// The exit codes. Scripts rely on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done; with `--wait`: closed or already closed.
    Done,
    /// Something that should not happen.
    Unexpected,
    /// The command line or the configuration cannot be used.
    Usage,
    /// There is no such closure or conversation.
    NotFound,
    /// No key, a wrong one, or one of too small a role.
    NotAllowed,
    /// It contradicts what is under way or done.
    Conflict,
    /// Still in flight after `--wait`.
    InFlight,
    /// Held as a ghost: no proof.
    Ghost,
    /// Ended as failed or cancelled.
    Failed,
    /// Some of several failed.
    PartlyFailed,
    /// The server or Genesys cannot be reached.
    Unreachable,
    /// Interrupted by a signal.
    Interrupted,
}

impl Exit {
    /// Every code.
    pub const ALL: [Self; 12] = [
        Self::Done,
        Self::Unexpected,
        Self::Usage,
        Self::NotFound,
        Self::NotAllowed,
        Self::Conflict,
        Self::InFlight,
        Self::Ghost,
        Self::Failed,
        Self::PartlyFailed,
        Self::Unreachable,
        Self::Interrupted,
    ];

    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Unexpected => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::NotAllowed => 4,
            Self::Conflict => 5,
            Self::InFlight => 6,
            Self::Ghost => 7,
            Self::Failed => 8,
            Self::PartlyFailed => 9,
            Self::Unreachable => 10,
            Self::Interrupted => 130,
        }
    }

    /// What a refusal with this HTTP status means.
    pub const fn of_status(status: u16) -> Self {
        match status {
            200..=299 => Self::Done,
            400 | 405 | 413 | 415 | 422 => Self::Usage,
            401 | 403 => Self::NotAllowed,
            404 | 410 => Self::NotFound,
            409 | 412 | 428 => Self::Conflict,
            429 | 502 | 503 | 504 => Self::Unreachable,
            _ => Self::Unexpected,
        }
    }

    /// What a closure in this state means to somebody who waited for it.
    pub fn of_state(state: &str) -> Self {
        match state {
            "closed" | "already_closed" | "resolved" => Self::Done,
            "ghost" => Self::Ghost,
            "failed" | "cancelled" => Self::Failed,
            _ => Self::InFlight,
        }
    }

    /// The exit of several: that of all where they agree, else partly failed.
    pub fn of_several(exits: impl IntoIterator<Item = Self>) -> Self {
        let mut exits = exits.into_iter();
        let Some(first) = exits.next() else { return Self::Done };
        if exits.all(|exit| exit == first) { first } else { Self::PartlyFailed }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command failed: one sentence, what can be done, and the exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What is wrong.
    pub message: String,
    /// What can be done.
    pub fix: Option<String>,
}

impl Failure {
    /// A failure with its sentence.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), fix: None }
    }

    /// A command line or configuration that cannot be used.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Adds what can be done.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// The same with what it is about in front, where there are several.
    #[must_use]
    pub fn about(mut self, what: impl fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// A configuration with these problems; all of them are told.
    pub fn of_problems(problems: &[Problem]) -> Self {
        let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
        Self::usage(told.join("\n       "))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", spelt_out(&self.message))?;
        match &self.fix {
            Some(fix) => write!(f, "\n  fix: {}", spelt_out(fix)),
            None => Ok(()),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(Exit::Unexpected, format!("{error:#}"))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(Exit::Unexpected, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_those_that_scripts_rely_on() {
        let codes: Vec<u8> = Exit::ALL.iter().map(|exit| exit.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 130]);
    }

    #[test]
    fn refusals_become_their_codes() {
        for (status, code) in [
            (202, 0),
            (400, 2),
            (401, 4),
            (403, 4),
            (404, 3),
            (409, 5),
            (412, 5),
            (413, 2),
            (422, 2),
            (429, 10),
            (500, 1),
            (503, 10),
        ] {
            assert_eq!(Exit::of_status(status).code(), code, "{status}");
        }
    }

    #[test]
    fn every_state_has_an_exit_for_those_who_waited() {
        for state in orchestrator::names::STATES {
            let expected = match state {
                "closed" | "already_closed" | "resolved" => Exit::Done,
                "ghost" => Exit::Ghost,
                "failed" | "cancelled" => Exit::Failed,
                _ => Exit::InFlight,
            };
            assert_eq!(Exit::of_state(state), expected, "{state}");
        }
    }

    #[test]
    fn several_that_disagree_have_partly_failed() {
        assert_eq!(Exit::of_several([]), Exit::Done);
        assert_eq!(Exit::of_several([Exit::Done, Exit::Done]), Exit::Done);
        assert_eq!(Exit::of_several([Exit::Ghost, Exit::Ghost]), Exit::Ghost);
        assert_eq!(Exit::of_several([Exit::Done, Exit::Ghost]), Exit::PartlyFailed);
    }
}
