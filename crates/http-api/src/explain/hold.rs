//! What keeps a whole organisation from calling Genesys.

use closure_machine::BlockReason;
use genesys_types::{Organisation, Time};
use orchestrator::{Orchestrator, OrganisationStatus};

/// How an organisation stands, with why it is refused where it is.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    pub(crate) status: OrganisationStatus,
    /// Why Genesys refuses the organisation, where a blocked closure tells.
    pub(crate) refused: Option<BlockReason>,
    /// Whether there are other organisations: a command then says which one it is for.
    pub(crate) has_others: bool,
}

/// What keeps an organisation from calling.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Hold<'a> {
    /// An operator has paused all calls.
    Paused,
    /// Genesys refuses; the next probe is at that time.
    Blocked { until: Time, why: Option<&'a BlockReason> },
}

impl Standing {
    /// How every organisation stands.
    pub(crate) fn of_all(orchestrator: &Orchestrator) -> Vec<Self> {
        let all = orchestrator.status();
        let has_others = all.len() > 1;
        let standing = |status: OrganisationStatus| {
            let refused = status.blocked_until.and_then(|_| orchestrator.blocked_why(&status.name));
            Self { status, refused, has_others }
        };
        all.into_iter().map(standing).collect()
    }

    /// The one of this name.
    pub(crate) fn named<'a>(all: &'a [Self], name: &Organisation) -> Option<&'a Self> {
        all.iter().find(|standing| standing.status.name == *name)
    }

    /// What keeps it from calling. A pause outranks a block: while it lasts not even a probe is sent.
    pub(crate) fn hold(&self) -> Option<Hold<'_>> {
        if self.status.paused {
            return Some(Hold::Paused);
        }
        self.status.blocked_until.map(|until| Hold::Blocked { until, why: self.refused.as_ref() })
    }
}

/// What Genesys refuses, as the end of a sentence.
pub(crate) fn refusal(why: Option<&BlockReason>) -> String {
    match why {
        Some(BlockReason::Credential) => "it does not accept the credential".to_owned(),
        Some(BlockReason::Permission(Some(missing))) => {
            format!("the OAuth client's role lacks the permission {missing}")
        }
        Some(BlockReason::Permission(None)) => {
            "the OAuth client's role lacks a permission that the answer does not name".to_owned()
        }
        None => "the credential or a permission is not accepted".to_owned(),
    }
}

/// What to do about the refusal.
pub(crate) fn remedy(why: Option<&BlockReason>) -> String {
    match why {
        Some(BlockReason::Permission(Some(missing))) => format!(
            "In Genesys, give the permission {missing} to a role of the OAuth client (Admin, Roles / Permissions, then \
             the client's Roles), for the division of the queue."
        ),
        Some(BlockReason::Permission(None)) => {
            "In Genesys, compare the roles of the OAuth client with the list in the README.".to_owned()
        }
        Some(BlockReason::Credential) => {
            "Check the client id, its secret and the region with `closeout doctor --online`, and \
             that the OAuth client is not disabled or expired in Genesys."
                .to_owned()
        }
        None => {
            "Check the OAuth client's credential with `closeout doctor --online`, and its roles in Genesys."
                .to_owned()
        }
    }
}
