//! What this service knows of a row's conversation, and under which key a row is submitted.

use std::collections::HashSet;

use closure_machine::Subject;
use genesys_types::Organisation;
use store::{Filter, Order, StoreUnavailable};
use uuid::Uuid;

use crate::{
    plan::Standing,
    service::{Asked, Inner},
};

impl Inner {
    /// How things stand for a row's conversation.
    pub(crate) async fn standing(
        &self,
        organisation: &Organisation,
        by: &str,
        batch: Uuid,
        number: u32,
        asked: &Asked,
    ) -> Result<Standing, StoreUnavailable> {
        let (scope, key) = scope_and_key(by, batch, number, asked);
        if let Some(entry) = self.store.key(&scope, &key).await? {
            return Ok(Standing::KeyUsed { closure: entry.closure, same: entry.digest == asked.digest });
        }
        match conversation(asked) {
            Some(conversation) => self.standing_by_closures(organisation, conversation).await,
            None => Ok(Standing::Free),
        }
    }

    /// The same as far as closures tell.
    pub(crate) async fn standing_by_closures(
        &self,
        organisation: &Organisation,
        conversation: Uuid,
    ) -> Result<Standing, StoreUnavailable> {
        if let Some(open) = self.store.open_of(organisation.as_str(), conversation).await? {
            return Ok(Standing::Open(open.key));
        }
        let filter = Filter {
            organisations: vec![organisation.as_str().to_owned()],
            conversation: Some(conversation),
            ..Filter::default()
        };
        let latest = self.store.list(&filter, Order::NewestFirst, None, 1).await?;
        Ok(match latest.first() {
            Some(row)
                if matches!(row.state.as_str(), "closed" | "already_closed")
                    && row.reason.as_deref() != Some("guest_returned") =>
            {
                Standing::Closed(row.key)
            }
            Some(_) | None => Standing::Free,
        })
    }
}

/// The idempotency key under which a row is submitted: its own, in the scope of whoever made the batch, else one that is made of
/// batch and number.
pub(crate) fn scope_and_key(by: &str, batch: Uuid, number: u32, asked: &Asked) -> (String, String) {
    match &asked.key {
        Some(key) => (by.to_owned(), key.clone()),
        None => ("batch".to_owned(), format!("batch:{}:{number}", orchestrator::batch_id(batch))),
    }
}

pub(crate) fn conversation(asked: &Asked) -> Option<Uuid> {
    match &asked.command.subject {
        Subject::Conversation(conversation) => Some(conversation.uuid()),
        Subject::Sought(_) => None,
    }
}

/// What rows before were about.
#[derive(Default)]
pub(crate) struct Seen {
    conversations: HashSet<Option<Uuid>>,
    keys: HashSet<String>,
}

impl Seen {
    pub(crate) fn before(&mut self, asked: &Asked, conversation: Option<Uuid>) -> bool {
        let known_key = asked.key.as_ref().is_some_and(|key| self.keys.contains(key));
        if known_key || !self.conversations.insert(conversation) {
            return true;
        }
        self.keys.extend(asked.key.clone());
        false
    }
}
