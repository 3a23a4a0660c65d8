//! Guests who come back after the end: the closure that ended is marked, and where the policy says so a closure is opened
//! that follows it.
//!
//! The mark is one commit with the event, and carries the key under which the closure that follows is opened right after it
//! (ADR 12). The event is answered once both are durable: after a crash between the two it comes again, is found to be
//! known, and what was promised is opened then.

use std::sync::Arc;

use closure_machine::{Command, Event, Heard, Rejected, Subject};
use genesys_types::{ConversationId, Organisation};
use store::{ClosureKey, Filter, Order, StoreUnavailable};

use crate::{
    advance::{NotAdvanced, Orchestrator, Trigger},
    closure_id,
    deliver::{Delivered, Delivery, cause, entry},
    journal::Cause,
    record::{Record, Said},
    submit::{Follows, Submission, SubmitError},
};

/// The source of closures that were opened because a guest came back.
pub const SOURCE: &str = "guest-returned";

/// So many ended closures of a conversation are looked through for the one that claims its end.
const LOOKED_THROUGH: usize = 20;

impl Orchestrator {
    /// Takes an event that tells the conversation's open closure nothing, or for which none is `open`: it may contradict
    /// the end of an earlier one.
    pub(crate) async fn hear_after_the_end(
        &self,
        delivery: &Delivery,
        heard: Heard,
        open: Option<ClosureKey>,
    ) -> Result<Delivered, StoreUnavailable> {
        let otherwise = open.map_or(Delivered::Unmatched, Delivered::NothingNew);
        let ended = match delivery.conversation {
            Some(conversation) if heard.shows_a_guest() => {
                self.claims_an_end(&delivery.organisation, conversation).await?
            }
            Some(_) | None => None,
        };
        let Some(key) = ended else { return self.remember(delivery, otherwise).await };
        let followed_by = open.or_else(|| Some(self.fresh_key()));
        let cause = Cause { followed_by, ..cause(delivery) };
        let inbox = Some(entry(delivery, Delivered::Taken(key)));
        let trigger = Trigger { cause, inbox, ..Trigger::new(Event::Heard(heard)) };
        match self.advance(key, trigger).await {
            Ok(_) => self.open_what_follows(key).await.map(|()| Delivered::Taken(key)),
            Err(NotAdvanced::SameEvent) => self.open_what_follows(key).await.map(|()| Delivered::Duplicate),
            Err(NotAdvanced::OtherBody) => Ok(Delivered::Conflict),
            Err(NotAdvanced::Rejected(Rejected::NothingNew, _)) => {
                self.open_what_follows(key).await?;
                self.remember(delivery, Delivered::NothingNew(key)).await
            }
            Err(
                NotAdvanced::Rejected(..)
                | NotAdvanced::Missing
                | NotAdvanced::OtherVersion(_)
                | NotAdvanced::Claimed(_),
            ) => self.remember(delivery, otherwise).await,
            Err(NotAdvanced::Unavailable(unavailable)) => Err(unavailable),
        }
    }

    /// The latest closure of a conversation that claims its end.
    async fn claims_an_end(
        &self,
        organisation: &Organisation,
        conversation: ConversationId,
    ) -> Result<Option<ClosureKey>, StoreUnavailable> {
        let filter = Filter {
            organisations: vec![organisation.as_str().to_owned()],
            conversation: Some(conversation.uuid()),
            ended: Some(true),
            ..Filter::default()
        };
        let rows = self.inner.store.list(&filter, Order::NewestFirst, None, LOOKED_THROUGH).await?;
        let records = rows.iter().filter_map(|row| Record::from_row(row).ok());
        let claims = |record: &Record| record.closure.claims_an_end().is_some();
        Ok(records.into_iter().find(claims).map(|record| record.key))
    }

    /// Opens the closure that a mark promises, unless it is there.
    pub(crate) async fn open_what_follows(&self, ended: ClosureKey) -> Result<(), StoreUnavailable> {
        let Some(record) = self.load(ended).await? else { return Ok(()) };
        let promised = record.closure.returned.is_some_and(|back| back.reopens);
        let (true, Some(key), Some(conversation)) =
            (promised, record.followed_by, record.closure.conversation)
        else {
            return Ok(());
        };
        if self.inner.store.load(key).await?.is_some() {
            return Ok(());
        }
        let Some(org) = self.inner.organisations.get(&record.organisation) else { return Ok(()) };
        match self.open(&following(&record, key, conversation), org).await {
            // Opened, or somebody else has opened one meanwhile, which closes the guest as well.
            Ok(_) | Err(SubmitError::Contradicts { .. }) => Ok(()),
            // Opened by another replica, or not at all.
            Err(refused) => match self.inner.store.load(key).await? {
                Some(_) => Ok(()),
                None => Err(StoreUnavailable {
                    why: format!("the closure that follows {} was not opened: {refused}", closure_id(ended)),
                }),
            },
        }
    }
}

/// The command for the closure that follows `record`: as its producer asked, for whoever is there.
fn following(record: &Record, key: ClosureKey, conversation: ConversationId) -> Submission {
    let came_back = record.closure.returned.and_then(|back| back.participant);
    Submission {
        organisation: record.organisation.clone(),
        command: Command {
            subject: Subject::Conversation(conversation),
            participant: record.closure.named.filter(|named| came_back.is_none_or(|who| who == *named)),
            not_before: None,
            follows: record.closure.follows.saturating_add(1),
        },
        said: record.said.as_deref().map_or_else(Said::default, Said::clone),
        source: Arc::from(SOURCE),
        key: None,
        follows: Some(Follows { closure: record.key, key }),
    }
}
