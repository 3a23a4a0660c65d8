//! What a chat is told to do about a ghost: the words of `explain`.

use callbacks::{Advisor, Hint};
use orchestrator::{Orchestrator, Record};

use crate::explain::{self, Advice, Case, Standing};

/// Knows of each ghost what `explain` says can be done about it.
#[derive(Debug, Clone)]
pub struct GhostAdvice(pub Orchestrator);

impl Advisor for GhostAdvice {
    fn hint(&self, ghost: &Record) -> Hint {
        let Self(orchestrator) = self;
        let organisations = Standing::of_all(orchestrator);
        let case = Case {
            record: ghost,
            policy: &orchestrator.policy_of(ghost),
            organisation: Standing::named(&organisations, &ghost.organisation),
            before: None,
            now: orchestrator.now(),
        };
        let first = explain::suggestions(&case).into_iter().next().map(Advice::into_words);
        Hint { first, page: orchestrator.page_of(ghost) }
    }
}
