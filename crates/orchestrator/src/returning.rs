//! Guests who come back after the end: the closure that ended is marked, and where the policy says so a closure is opened
//! that follows it.
//!
//! That closure is opened first and the mark is committed after it (ADR 12). Its key is that of the closure it follows, so
//! however often the event comes, one is opened; an event that comes again after a crash between the two finds the
//! open closure, and marks the one that it follows.

use std::sync::Arc;

use closure_machine::{Command, Event, Heard, Moment, Rejected, Subject};
use genesys_types::{ConversationId, Organisation};
use store::{ClosureKey, Filter, Order, StoreUnavailable};

use crate::{
    advance::{NotAdvanced, Orchestrator, Trigger},
    closure_id,
    deliver::{Delivered, Delivery, cause, entry},
    made::Made,
    record::{Record, Said},
    submit::{ProducerKey, Submission, SubmitError, Submitted},
};

/// The source of closures that were opened because a guest came back.
const SOURCE: &str = "guest-returned";

impl Orchestrator {
    /// Takes an event for whose conversation no closure is open.
    pub(crate) async fn hear_after_the_end(
        &self,
        delivery: &Delivery,
        heard: Heard,
    ) -> Result<Delivered, StoreUnavailable> {
        let latest = match delivery.conversation {
            Some(conversation) if heard.shows_a_guest() => {
                self.latest_of(&delivery.organisation, conversation).await?
            }
            Some(_) | None => None,
        };
        let Some(record) = latest else { return self.remember(delivery, Delivered::Unmatched).await };
        self.mark_parent(&record, delivery, &heard).await?;
        let followed_by = self.follow(&record, delivery, &heard).await?;
        let cause = crate::journal::Cause { followed_by, ..cause(delivery) };
        let inbox = Some(entry(delivery, Delivered::Taken(record.key)));
        let trigger = Trigger { cause, inbox, ..Trigger::new(Event::Heard(heard)) };
        match self.advance(record.key, trigger).await {
            Ok(_) => Ok(Delivered::Taken(record.key)),
            Err(NotAdvanced::SameEvent) => Ok(Delivered::Duplicate),
            Err(NotAdvanced::OtherBody) => Ok(Delivered::Conflict),
            Err(NotAdvanced::Rejected(Rejected::NothingNew, _)) => {
                self.remember(delivery, Delivered::NothingNew(record.key)).await
            }
            Err(NotAdvanced::Rejected(..) | NotAdvanced::Missing | NotAdvanced::OtherVersion(_)) => {
                self.remember(delivery, Delivered::Unmatched).await
            }
            Err(NotAdvanced::Unavailable(unavailable)) => Err(unavailable),
        }
    }

    /// Marks the closure that the open closure `key` follows, if that is still to be done.
    pub(crate) async fn mark_whom_it_follows(
        &self,
        key: ClosureKey,
        delivery: &Delivery,
        heard: &Heard,
    ) -> Result<(), StoreUnavailable> {
        match self.load(key).await? {
            Some(record) => self.mark_parent(&record, delivery, heard).await,
            None => Ok(()),
        }
    }

    async fn mark_parent(
        &self,
        record: &Record,
        delivery: &Delivery,
        heard: &Heard,
    ) -> Result<(), StoreUnavailable> {
        let Some(parent) = record.follows else { return Ok(()) };
        let cause = crate::journal::Cause { followed_by: Some(record.key), ..cause(delivery) };
        let trigger = Trigger { cause, ..Trigger::new(Event::Heard(heard.clone())) };
        match self.advance(parent, trigger).await {
            Err(NotAdvanced::Unavailable(unavailable)) => Err(unavailable),
            Ok(_)
            | Err(
                NotAdvanced::Rejected(..)
                | NotAdvanced::Missing
                | NotAdvanced::OtherVersion(_)
                | NotAdvanced::SameEvent
                | NotAdvanced::OtherBody,
            ) => Ok(()),
        }
    }

    /// The latest closure of a conversation.
    async fn latest_of(
        &self,
        organisation: &Organisation,
        conversation: ConversationId,
    ) -> Result<Option<Arc<Record>>, StoreUnavailable> {
        let filter = Filter {
            organisations: vec![organisation.as_str().to_owned()],
            conversation: Some(conversation.uuid()),
            ..Filter::default()
        };
        let rows = self.inner.store.list(&filter, Order::NewestFirst, None, 1).await?;
        match rows.first() {
            Some(row) => self.load(row.key).await,
            None => Ok(None),
        }
    }

    /// Opens the closure that follows `record`, if the event leads to one.
    async fn follow(
        &self,
        record: &Arc<Record>,
        delivery: &Delivery,
        heard: &Heard,
    ) -> Result<Option<ClosureKey>, StoreUnavailable> {
        let event = Event::Heard(heard.clone());
        let moment = Moment { now: self.now(), may_call: false };
        let policy = self.policy(record);
        let made = Made::of(record, &event, &cause(delivery), &policy, moment, self.remote(record));
        let (Ok(Made { follow: true, .. }), Some(conversation)) = (made, record.closure.conversation) else {
            return Ok(None);
        };
        match self.submit(following(record, conversation)).await {
            Ok(
                Submitted::Accepted(next)
                | Submitted::Attached(next)
                | Submitted::Repeated { record: next, .. },
            ) => Ok(Some(next.key)),
            Err(SubmitError::Contradicts { closure, .. }) => Ok(Some(closure)),
            Err(SubmitError::Unavailable(unavailable)) => Err(unavailable),
            Err(
                refused @ (SubmitError::UnknownOrganisation
                | SubmitError::KeyReused
                | SubmitError::SetAside(_)
                | SubmitError::Ambiguous { .. }
                | SubmitError::Full { .. }
                | SubmitError::Stopping),
            ) => Err(StoreUnavailable {
                why: format!("the closure that follows {} was not opened: {refused}", closure_id(record.key)),
            }),
        }
    }
}

/// The command for the closure that follows `record`: as its producer asked, for whoever is there.
fn following(record: &Record, conversation: ConversationId) -> Submission {
    let mut digest = [0; 32];
    digest[..16].copy_from_slice(record.key.as_bytes());
    Submission {
        organisation: record.organisation.clone(),
        command: Command {
            subject: Subject::Conversation(conversation),
            participant: None,
            not_before: None,
            follows: record.closure.follows.saturating_add(1),
        },
        said: record.said.as_deref().map_or_else(Said::default, Said::clone),
        source: Arc::from(SOURCE),
        key: Some(ProducerKey { scope: SOURCE.to_owned(), key: closure_id(record.key), digest }),
        follows: Some(record.key),
    }
}
