//! Genesys Cloud behind the driver's [`Remote`]: client errors become what the machine understands, in one place.

use std::time::Duration;

use async_trait::async_trait;
use closure_machine::{Candidate, Findings, Reply, Request, Target, WrapperClose};
use genesys_client::{
    AgentLeg, Answer, Class, Client, Fault, FaultKind, Hit, MOST_READ_TOGETHER, NotGiven, OpenPage,
    OpenQuery, Quota, Requests, WrapUpCode,
};
use genesys_types::{ConversationId, QueueId, Span};

use crate::remote::{CallDetails, CallFacts, Outcome, Permit, ReadTogether, Remote};

/// How long to wait where only the end of another call can change the answer; its end is told by [`Remote::changed`].
const UNTIL_A_CALL_ENDS: Duration = Duration::from_millis(500);

/// One organisation at Genesys Cloud.
#[derive(Clone)]
pub struct GenesysRemote {
    client: Client,
    together: bool,
}

impl GenesysRemote {
    /// Takes a client.
    pub const fn new(client: Client) -> Self {
        Self { client, together: false }
    }

    /// Whether many conversations may be read with one request to analytics, whose lag nobody has told (ADR 16); at first
    /// they may not.
    #[must_use]
    pub const fn reading_together(mut self, yes: bool) -> Self {
        self.together = yes;
        self
    }
}

impl GenesysRemote {
    async fn ask(
        &self,
        permit: genesys_client::Permit,
        conversation: ConversationId,
        request: Request,
        details: CallDetails,
    ) -> Outcome {
        let client = &self.client;
        match request {
            Request::LookUp => not_sent("a lookup is asked of no conversation"),
            Request::Read => told(client.conversation(permit, conversation).await, Reply::Saw),
            Request::CloseParticipant(participant) => {
                let answer = client.disconnect_participant(permit, conversation, participant).await;
                told(answer, |()| Reply::Accepted(None))
            }
            Request::CloseWrapper(WrapperClose::Patch) => {
                told(client.disconnect_conversation(permit, conversation).await, Reply::Accepted)
            }
            Request::CloseWrapper(WrapperClose::Delete) => {
                told(client.delete_conversation(permit, conversation).await, |()| Reply::Accepted(None))
            }
            Request::GiveWrapUp { participant, communication } => {
                if let Some(name) = &details.wrap_up_name {
                    let Some(communication) = communication else {
                        return no_wrap_up("the agent's communication is not known");
                    };
                    let leg = AgentLeg { participant, communication, queue: details.wrap_up_queue };
                    let notes = details.wrap_up_notes.as_deref();
                    return named(client.give_wrap_up_named(permit, conversation, leg, name, notes).await);
                }
                let answer = match (details.wrap_up_code, communication) {
                    (Some(code), Some(communication)) => {
                        let notes = details.wrap_up_notes.as_deref();
                        client
                            .set_wrap_up(permit, conversation, participant, communication, code, notes)
                            .await
                    }
                    (Some(_), None) | (None, _) => {
                        client.skip_wrap_up(permit, conversation, participant).await
                    }
                };
                told(answer, |()| Reply::Accepted(None))
            }
            Request::Disconnect => {
                told(client.force_disconnect(permit, conversation).await, |()| Reply::Accepted(None))
            }
        }
    }
}

#[async_trait]
impl Remote for GenesysRemote {
    fn try_permit(&self, class: Class) -> Result<Permit, Duration> {
        match self.client.quota().try_take(class) {
            Ok(permit) => {
                let requests = permit.requests();
                Ok(Permit::counted(permit, requests))
            }
            Err(wait) => Err(wait.at_most.unwrap_or(UNTIL_A_CALL_ENDS)),
        }
    }

    fn quota(&self) -> Option<&Quota> {
        Some(self.client.quota())
    }

    async fn changed(&self) {
        self.client.quota().changed().await;
    }

    async fn call(
        &self,
        permit: Permit,
        conversation: ConversationId,
        request: Request,
        details: CallDetails,
    ) -> Outcome {
        let Some(permit) = permit.into_inner::<genesys_client::Permit>() else {
            return not_sent("the permit is of another client");
        };
        let requests = permit.requests();
        self.ask(permit, conversation, request, details).await.counting(&requests)
    }

    async fn look_up(&self, permit: Permit, target: &Target) -> Outcome {
        let Some(permit) = permit.into_inner::<genesys_client::Permit>() else {
            return not_sent("the permit is of another client");
        };
        let requests = permit.requests();
        let answer = match target {
            Target::ExternalId(id) => self.client.find_by_external_id(permit, id).await,
            Target::Attribute { name, value } => self.client.find_by_attribute(permit, name, value).await,
        };
        told(answer, found).counting(&requests)
    }

    fn page_of(&self, conversation: ConversationId) -> Option<String> {
        self.client.page_of(conversation)
    }

    fn reads_together(&self) -> usize {
        if self.together { MOST_READ_TOGETHER } else { 0 }
    }

    async fn read_together(
        &self,
        permit: Permit,
        conversations: &[ConversationId],
    ) -> Result<ReadTogether, Outcome> {
        let Some(permit) = permit.into_inner::<genesys_client::Permit>() else {
            return Err(not_sent("the permit is of another client"));
        };
        let mut over = None;
        let answer = self.client.read_many(permit, conversations).await;
        let outcome = told(answer, |shown| {
            over = Some(shown);
            Reply::Accepted(None)
        });
        match over {
            Some(over) => Ok(ReadTogether { over, facts: outcome.facts }),
            None => Err(outcome),
        }
    }

    async fn open_conversations(
        &self,
        permit: Permit,
        query: &OpenQuery,
        page: usize,
    ) -> Result<OpenPage, Outcome> {
        let Some(permit) = permit.into_inner::<genesys_client::Permit>() else {
            return Err(not_sent("the permit is of another client"));
        };
        let mut shown = None;
        let outcome = told(self.client.open_conversations(permit, query, page).await, |page| {
            shown = Some(page);
            Reply::Accepted(None)
        });
        shown.ok_or(outcome)
    }

    async fn wrap_up_code(
        &self,
        permit: Permit,
        queue: Option<QueueId>,
        name: &str,
    ) -> Result<WrapUpCode, Outcome> {
        let Some(permit) = permit.into_inner::<genesys_client::Permit>() else {
            return Err(not_sent("the permit is of another client"));
        };
        let found = self.client.wrap_up_code_named(permit, queue, name).await;
        found.map_err(|fault| named(Err(NotGiven { fault, asked: false })))
    }
}

impl Outcome {
    /// The same with the number of requests that left for it.
    pub(crate) fn counting(mut self, requests: &Requests) -> Self {
        self.facts.requests = requests.made();
        self
    }
}

/// What the driver is told of a lookup.
pub(crate) fn found(hits: Vec<Hit>) -> Reply {
    let candidate =
        |hit: Hit| Candidate { conversation: hit.conversation, started_at: hit.started_at, queue: hit.queue };
    Reply::LookedUp(Findings::Open(hits.into_iter().map(candidate).collect()))
}

/// What came of a wrap-up by name. Where no code was asked to be set, what went wrong is about the list or the name: it
/// keeps nobody else from calling, and leaves no outcome open.
fn named(answer: Result<Answer<()>, NotGiven>) -> Outcome {
    let (asked, answer) = match answer {
        Ok(answer) => (true, Ok(answer)),
        Err(NotGiven { fault, asked }) => (asked, Err(fault)),
    };
    let outcome = told(answer, |()| Reply::Accepted(None));
    let about_the_name = match &outcome.reply {
        Reply::Rejected
        | Reply::NotFound
        | Reply::Conflict
        | Reply::WrapUpRequired
        | Reply::NoWrapUpCode
        | Reply::Forbidden(_) => !asked,
        Reply::LookedUp(_)
        | Reply::Saw(_)
        | Reply::Accepted(_)
        | Reply::Unauthenticated
        | Reply::RateLimited(_)
        | Reply::NotSent
        | Reply::Failed
        | Reply::Unknown => false,
    };
    match (about_the_name, asked) {
        (true, _) => Outcome { reply: Reply::NoWrapUpCode, ..outcome },
        (false, true) => outcome,
        // The status is one of the list, and the call that the journal tells of is the wrap-up.
        (false, false) => Outcome { facts: CallFacts { status: None, ..outcome.facts }, ..outcome },
    }
}

fn no_wrap_up(why: &str) -> Outcome {
    let facts = CallFacts { message: Some(why.to_owned()), ..CallFacts::default() };
    Outcome { reply: Reply::NoWrapUpCode, facts }
}

/// What comes of a call that was never made.
pub(crate) fn not_sent(why: &str) -> Outcome {
    let facts = CallFacts { message: Some(why.to_owned()), ..CallFacts::default() };
    Outcome { reply: Reply::NotSent, facts }
}

/// What the driver is told of an answer or a fault.
pub(crate) fn told<T>(answer: Result<Answer<T>, Fault>, reply: impl FnOnce(T) -> Reply) -> Outcome {
    match answer {
        Ok(answer) => Outcome {
            facts: CallFacts {
                status: Some(answer.status),
                code: None,
                message: None,
                correlation_id: answer.correlation_id.map(String::from),
                took_ms: u64::try_from(answer.took.as_millis()).unwrap_or(u64::MAX),
                requests: 0,
            },
            reply: reply(answer.value),
        },
        Err(fault) => Outcome {
            reply: refused(&fault.kind),
            facts: CallFacts {
                status: fault.status,
                code: fault.code.map(String::from),
                message: Some(fault.message.into()).filter(|message: &String| !message.is_empty()),
                correlation_id: fault.correlation_id.map(String::from),
                took_ms: 0,
                requests: 0,
            },
        },
    }
}

fn refused(kind: &FaultKind) -> Reply {
    match kind {
        FaultKind::NotSent => Reply::NotSent,
        FaultKind::OutcomeUnknown => Reply::Unknown,
        FaultKind::RateLimited { retry_after } => Reply::RateLimited(Span::from(*retry_after)),
        FaultKind::Unauthenticated => Reply::Unauthenticated,
        FaultKind::Forbidden { missing } => Reply::Forbidden(missing.clone()),
        FaultKind::NotFound => Reply::NotFound,
        FaultKind::Conflict => Reply::Conflict,
        FaultKind::WrapUpRequired => Reply::WrapUpRequired,
        FaultKind::Server => Reply::Failed,
        FaultKind::Rejected => Reply::Rejected,
    }
}
