//! The remote side as the driver needs it, and the real one behind it.

use std::{any::Any, fmt, time::Duration};

use async_trait::async_trait;
use closure_machine::{Reply, Request, Target};
use genesys_client::{Class, OpenPage, OpenQuery, Over, Quota, Requests, WrapUpCode};
use genesys_types::{ConversationId, QueueId, WrapUpCodeId};
use tokio::time::Instant;

/// Leave to make one call. Dropping it unused gives it back.
pub struct Permit {
    inner: Box<dyn Any + Send>,
    requests: Option<Requests>,
    taken: Instant,
}

impl Permit {
    /// Wraps what the remote side hands out.
    pub fn new(inner: impl Any + Send) -> Self {
        Self { inner: Box::new(inner), requests: None, taken: Instant::now() }
    }

    /// The same, where the requests that leave with it are counted.
    pub fn counted(inner: impl Any + Send, requests: Requests) -> Self {
        Self { inner: Box::new(inner), requests: Some(requests), taken: Instant::now() }
    }

    /// Where the requests that leave with it are counted.
    pub(crate) fn requests(&self) -> Option<Requests> {
        self.requests.clone()
    }

    /// How long ago it was taken.
    pub(crate) fn age(&self) -> Duration {
        self.taken.elapsed()
    }

    /// Takes the inner permit out again; `None` when it is of another type.
    pub fn into_inner<T: Any>(self) -> Option<T> {
        self.inner.downcast::<T>().ok().map(|inner| *inner)
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Permit")
    }
}

/// What came of a call, with the facts that an operator needs beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What the machine is told.
    pub reply: Reply,
    /// What the journal keeps.
    pub facts: CallFacts,
}

/// What is kept of a call as evidence.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallFacts {
    /// The HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// Genesys' error code, if it gave one.
    pub code: Option<String>,
    /// Genesys' words, or what went wrong on the way.
    pub message: Option<String>,
    /// `ININ-Correlation-Id`: what Genesys' support asks for.
    pub correlation_id: Option<String>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// How many requests left for it: 0 where none did, more than one for the pages of a lookup and the like.
    pub requests: u32,
}

/// What many conversations, read with one request, showed as over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadTogether {
    /// Of a conversation that is not told of nothing is known.
    pub over: Vec<Over>,
    /// What is kept of the request.
    pub facts: CallFacts,
}

/// What a call needs beyond its request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallDetails {
    /// The wrap-up code to set; without it and without a name the wrap-up is skipped.
    pub wrap_up_code: Option<WrapUpCodeId>,
    /// The name of the wrap-up code to set.
    pub wrap_up_name: Option<Box<str>>,
    /// The agent's queue, in which the name is looked for; `None` where it is not known.
    pub wrap_up_queue: Option<QueueId>,
    /// Notes for the wrap-up.
    pub wrap_up_notes: Option<String>,
}

/// One organisation at Genesys.
#[async_trait]
pub trait Remote: Send + Sync + 'static {
    /// Takes leave for one call of this class, or says after what time to ask again (at the latest).
    ///
    /// # Errors
    ///
    /// The time to wait.
    fn try_permit(&self, class: Class) -> Result<Permit, Duration>;

    /// The quota behind its permits, where several processes can share it.
    fn quota(&self) -> Option<&Quota> {
        None
    }

    /// Completes when asking for a permit may have a better answer than before.
    async fn changed(&self);

    /// Whether it can close a guest alone. Where it cannot, the conversation is closed first, whatever the policy says.
    fn closes_guest_alone(&self) -> bool {
        true
    }

    /// The verb and path by which it makes a call, for people; `None` where they are those of the published API.
    fn shows(&self, _conversation: ConversationId, _request: Request) -> Option<String> {
        None
    }

    /// The same for a lookup.
    fn shows_look_up(&self, _target: &Target) -> Option<String> {
        None
    }

    /// Makes one call. Never takes longer than the client's time-out.
    async fn call(
        &self,
        permit: Permit,
        conversation: ConversationId,
        request: Request,
        details: CallDetails,
    ) -> Outcome;

    /// Looks for the open conversations that fit a target. It changes nothing. It may make many calls, one after the
    /// other, and ends before `Policy::lookup_timeout` does.
    async fn look_up(&self, permit: Permit, target: &Target) -> Outcome;

    /// Where a person sees a conversation in the remote side's own pages, if it has some.
    fn page_of(&self, _conversation: ConversationId) -> Option<String> {
        None
    }

    /// How many conversations it reads with one request; 0 where it has no such request.
    fn reads_together(&self) -> usize {
        0
    }

    /// Reads up to [`Remote::reads_together`] conversations with one request, for what is over in them. It may be late, and
    /// tells of no end that is none. It changes nothing, and takes no longer than a call.
    ///
    /// # Errors
    ///
    /// What came of it instead.
    async fn read_together(&self, _: Permit, _: &[ConversationId]) -> Result<ReadTogether, Outcome> {
        let message = Some("many conversations cannot be read with one request here".to_owned());
        Err(Outcome { reply: Reply::NotSent, facts: CallFacts { message, ..CallFacts::default() } })
    }

    /// One page of the messaging conversations that are shown without an end, with one request; pages count from 1. It may be
    /// late. It changes nothing, and takes no longer than a call.
    ///
    /// # Errors
    ///
    /// What came of it instead.
    async fn open_conversations(&self, _: Permit, _: &OpenQuery, _page: usize) -> Result<OpenPage, Outcome> {
        let message = Some("conversations cannot be listed here".to_owned());
        Err(Outcome { reply: Reply::Rejected, facts: CallFacts { message, ..CallFacts::default() } })
    }

    /// Says which wrap-up code a name means in a queue, or in the organisation where none is named. It changes nothing,
    /// and takes no longer than a call. A remote side that lists no codes
    /// answers so.
    ///
    /// # Errors
    ///
    /// What came of it instead; [`Reply::NoWrapUpCode`] where the name means no code, or several.
    async fn wrap_up_code(&self, _: Permit, _: Option<QueueId>, name: &str) -> Result<WrapUpCode, Outcome> {
        let message =
            Some(format!("wrap-up codes are not listed here, so that \"{name}\" means none; give an id"));
        Err(Outcome { reply: Reply::NoWrapUpCode, facts: CallFacts { message, ..CallFacts::default() } })
    }
}
