//! Reads the commands that come by queues, as those that come by HTTP.

use callbacks::Callbacks;
use genesys_types::{Organisation, Time};
use intake::{Asked, Commands, Refusal};

use crate::{
    access::{Caller, Role, Sight},
    callback,
    command::Wanted,
    json::Node,
    problem::Problem,
};

/// Reads commands as the API does.
#[derive(Debug, Clone)]
pub struct CommandReader {
    callbacks: Callbacks,
}

impl CommandReader {
    /// A reader that lets through the callbacks which this service may post.
    pub const fn new(callbacks: Callbacks) -> Self {
        Self { callbacks }
    }

    fn asked(&self, organisation: &Organisation, body: &[u8], now: Time) -> Result<Asked, Problem> {
        // Whoever may write into the queue of an organisation may ask for closures in it, and in no other.
        let one = [organisation.clone()];
        let caller =
            Caller { name: "queue".into(), role: Role::Submit, sight: Sight::These(one.clone().into()) };
        let wanted = Wanted::read(Node::parse(body)?, &caller, &one, now)?;
        callback::check(&self.callbacks, wanted.said.callback.as_ref())?;
        let digest = wanted.digest();
        let Wanted { command, said, dry_run, .. } = wanted;
        Ok(Asked { command, said, digest, dry_run })
    }
}

impl Commands for CommandReader {
    fn read(&self, organisation: &Organisation, body: &[u8], now: Time) -> Result<Asked, Refusal> {
        self.asked(organisation, body, now).map_err(|problem| {
            let (reason, field, detail) = problem.into_parts();
            Refusal { reason, field, detail }
        })
    }
}
