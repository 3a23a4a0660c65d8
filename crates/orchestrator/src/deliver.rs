//! Events in: evidence for the closure that waits, remembered for every other.

use closure_machine::{Event, Heard};
use genesys_types::{ConversationId, Organisation, Time};
use store::{ClosureKey, Commit, CommitRefused, InboxEntry, StoreUnavailable};

use crate::{
    advance::{NotAdvanced, Orchestrator, Trigger},
    journal::{AdapterFacts, Cause},
    metrics,
    to_the_end::ToTheEnd,
};

/// How often an event goes on to a closure that another process has opened meanwhile.
const TRIES_ELSEWHERE: u32 = 3;

/// An event whose sender is proven and whose meaning is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The organisation that the adapter belongs to. An event never matches a closure of another one.
    pub organisation: Organisation,
    /// The adapter, for example the hook's name.
    pub adapter: String,
    /// The type of the event, for example the topic with `{id}` in place of the id.
    pub event_type: String,
    /// The id of the event, or the digest of its body where it has none.
    pub event_id: String,
    /// SHA-256 of the body.
    pub digest: [u8; 32],
    /// When it was received.
    pub received_at: Time,
    /// The conversation, when it names one.
    pub conversation: Option<ConversationId>,
    /// What it says of the guest; `None` for an event that ends nothing, as a transfer.
    pub heard: Option<Heard>,
}

/// What became of an event. In every case it is durable, and the sender may forget it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    /// It moved this closure.
    Taken(ClosureKey),
    /// A closure is open for the conversation, and the event tells it nothing new.
    NothingNew(ClosureKey),
    /// No closure is open for the conversation.
    Unmatched,
    /// It ends nothing.
    NotAnEnding,
    /// The same event was taken before.
    Duplicate,
    /// Another body was taken before under its id; the first one stands.
    Conflict,
}

impl Delivered {
    /// The name in metrics and listings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Taken(_) => "taken",
            Self::NothingNew(_) => "nothing_new",
            Self::Unmatched => "unmatched",
            Self::NotAnEnding => "not_an_ending",
            Self::Duplicate => "duplicate",
            Self::Conflict => "conflict",
        }
    }
}

impl Orchestrator {
    /// Takes an event. When this returns `Ok`, the event and its effect survive whatever happens next.
    ///
    /// # Errors
    ///
    /// [`StoreUnavailable`] when nothing could be written: the sender has to repeat it.
    pub async fn deliver(&self, delivery: Delivery) -> Result<Delivered, StoreUnavailable> {
        let adapter = delivery.adapter.clone();
        let at = delivery.received_at;
        let occurred_at = delivery.heard.as_ref().map(|heard| heard.occurred_at);
        self.inner.adapters.heard(&delivery.organisation, &adapter, self.now(), occurred_at);
        let this = self.clone();
        let taken = async move {
            let delivered = this.hear(delivery).await?;
            let seconds = f64::from(u32::try_from(at.millis() / 1_000).unwrap_or(u32::MAX));
            metrics::confirmation(&adapter, delivered.name(), seconds);
            Ok(delivered)
        };
        ToTheEnd::new(taken, &self.inner.tasks)
            .await
            .unwrap_or_else(|| Err(StoreUnavailable { why: "taking the event ended in a panic".to_owned() }))
    }

    async fn hear(&self, mut delivery: Delivery) -> Result<Delivered, StoreUnavailable> {
        let Some(heard) = delivery.heard.take() else {
            return self.remember(&delivery, Delivered::NotAnEnding).await;
        };
        let open = match delivery.conversation {
            Some(conversation) => self.open_of(&delivery.organisation, conversation).await?,
            None => None,
        };
        let Some(mut key) = open else { return self.hear_after_the_end(&delivery, heard, None).await };
        let shows_a_guest = heard.shows_a_guest().then(|| heard.clone());
        // The closure may end before it hears this.
        let followed_by = shows_a_guest.as_ref().map(|_| self.fresh_key());
        let cause = Cause { followed_by, ..cause(&delivery) };
        let mut tries = TRIES_ELSEWHERE;
        let advanced = loop {
            let inbox = Some(entry(&delivery, Delivered::Taken(key)));
            let event = Event::Heard(heard.clone());
            let trigger = Trigger { cause: cause.clone(), inbox, ..Trigger::new(event) };
            let advanced = self.advance(key, trigger).await;
            if let Err(NotAdvanced::Rejected(..) | NotAdvanced::Missing) = &advanced
                && tries > 0
                && let Some(other) = self.opened_elsewhere(&delivery, key).await?
            {
                (key, tries) = (other, tries - 1);
                continue;
            }
            break advanced;
        };
        match advanced {
            Ok(record) if record.closure.returned.is_some() => {
                self.open_what_follows(key).await.map(|()| Delivered::Taken(key))
            }
            Ok(_) => Ok(Delivered::Taken(key)),
            Err(NotAdvanced::SameEvent) => Ok(Delivered::Duplicate),
            Err(NotAdvanced::OtherBody) => Ok(Delivered::Conflict),
            Err(NotAdvanced::Rejected(..)) => match shows_a_guest {
                Some(heard) => self.hear_after_the_end(&delivery, heard, Some(key)).await,
                None => self.remember(&delivery, Delivered::NothingNew(key)).await,
            },
            Err(NotAdvanced::Missing | NotAdvanced::OtherVersion(_) | NotAdvanced::Claimed(_)) => {
                self.remember(&delivery, Delivered::Unmatched).await
            }
            Err(NotAdvanced::Unavailable(unavailable)) => Err(unavailable),
        }
    }

    /// The open closure of the event's conversation, where another process has opened it since `known` ended: what is in memory
    /// may be of a closure that is over.
    async fn opened_elsewhere(
        &self,
        delivery: &Delivery,
        known: ClosureKey,
    ) -> Result<Option<ClosureKey>, StoreUnavailable> {
        let Some(conversation) = delivery.conversation.filter(|_| self.inner.shared) else { return Ok(None) };
        let open = self.inner.store.open_of(delivery.organisation.as_str(), conversation.uuid()).await?;
        Ok(open.map(|row| row.key).filter(|key| *key != known))
    }

    pub(crate) async fn remember(
        &self,
        delivery: &Delivery,
        result: Delivered,
    ) -> Result<Delivered, StoreUnavailable> {
        let commit = Commit { inbox: Some(entry(delivery, result)), ..Commit::default() };
        match self.commit(commit).await {
            Ok(()) => Ok(result),
            Err(CommitRefused::SameEvent) => Ok(Delivered::Duplicate),
            Err(CommitRefused::OtherBody) => Ok(Delivered::Conflict),
            Err(CommitRefused::Unavailable(unavailable)) => Err(unavailable),
            Err(
                refused @ (CommitRefused::Version(_)
                | CommitRefused::OpenClosure(_)
                | CommitRefused::KeyUsed(_)
                | CommitRefused::NotOpen),
            ) => Err(StoreUnavailable { why: refused.to_string() }),
        }
    }
}

/// What a line says of where the event came from.
pub(crate) fn cause(delivery: &Delivery) -> Cause {
    Cause {
        adapter: Some(AdapterFacts {
            adapter: delivery.adapter.clone(),
            event_type: delivery.event_type.clone(),
            event_id: delivery.event_id.clone(),
        }),
        ..Cause::default()
    }
}

pub(crate) fn entry(delivery: &Delivery, result: Delivered) -> InboxEntry {
    InboxEntry {
        adapter: delivery.adapter.clone(),
        event: delivery.event_id.clone(),
        digest: delivery.digest,
        organisation: delivery.organisation.as_str().to_owned(),
        conversation: delivery.conversation.map(ConversationId::uuid),
        received_at: delivery.received_at.millis(),
        result: result.name().to_owned(),
    }
}
