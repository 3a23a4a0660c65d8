//! A gateway or a mock that speaks a dialect behind the driver's [`Remote`]: the machine's calls become the dialect's, and
//! what the dialect does not say is asked as the published API has it.
//!
//! A dialect that closes nobody alone fixes the order: the conversation is closed with everybody in it, and then the
//! guest's end is proven. That is `conversation_first`, so no answer is taken for evidence here either.

use std::time::Duration;

use async_trait::async_trait;
use closure_machine::{Reply, Request, Target, WrapperClose};
use genesys_client::{
    Answer, Class, CloseCode, Closed, DialectClient, Fault, OpenPage, OpenQuery, Quota, Requests, WrapUpCode,
};
use genesys_types::{ConversationId, QueueId};

use crate::{
    remote::{CallDetails, Outcome, Permit, Remote},
    remote_genesys::{GenesysRemote, found, not_sent, told},
};

/// One organisation behind a gateway or a mock.
#[derive(Clone)]
pub struct DialectRemote {
    client: DialectClient,
    published: GenesysRemote,
}

impl DialectRemote {
    /// Takes a client.
    pub fn new(client: DialectClient) -> Self {
        let published = GenesysRemote::new(client.client().clone());
        Self { client, published }
    }
}

#[async_trait]
impl Remote for DialectRemote {
    fn try_permit(&self, class: Class) -> Result<Permit, Duration> {
        self.published.try_permit(class)
    }

    fn quota(&self) -> Option<&Quota> {
        self.published.quota()
    }

    async fn changed(&self) {
        self.published.changed().await;
    }

    fn page_of(&self, conversation: ConversationId) -> Option<String> {
        self.published.page_of(conversation)
    }

    fn closes_guest_alone(&self) -> bool {
        self.client.dialect().closes_guest_alone()
    }

    fn shows(&self, conversation: ConversationId, request: Request) -> Option<String> {
        let dialect = self.client.dialect();
        match request {
            Request::Read => dialect.shows_read(conversation),
            Request::CloseParticipant(participant) => {
                self.client.shows_guest_close(conversation, participant)
            }
            Request::CloseWrapper(how) => {
                let shown = dialect.shows_close(conversation, how == WrapperClose::Delete);
                // Without a close and a read of its own, the end is read back as the published API has it.
                shown.or_else(|| Some(format!("GET /api/v2/conversations/{conversation}")))
            }
            Request::LookUp | Request::GiveWrapUp { .. } | Request::Disconnect => None,
        }
    }

    fn shows_look_up(&self, target: &Target) -> Option<String> {
        match target {
            Target::ExternalId(_) => self.client.dialect().shows_find(),
            Target::Attribute { .. } => None,
        }
    }

    async fn call(
        &self,
        permit: Permit,
        conversation: ConversationId,
        request: Request,
        details: CallDetails,
    ) -> Outcome {
        if let Request::LookUp | Request::GiveWrapUp { .. } | Request::Disconnect = request {
            return self.published.call(permit, conversation, request, details).await;
        }
        let Some(permit) = permit.into_inner::<genesys_client::Permit>() else {
            return not_sent("the permit is of another client");
        };
        let requests = permit.requests();
        let code = match (details.wrap_up_code, &details.wrap_up_name) {
            (Some(id), _) => CloseCode::Id(id),
            (None, Some(name)) => CloseCode::Named { name, queue: details.wrap_up_queue },
            (None, None) => CloseCode::None,
        };
        let outcome = match request {
            Request::CloseParticipant(participant) => {
                let answer = self.client.close_guest(permit, conversation, participant, code).await;
                closed(answer, &requests)
            }
            Request::CloseWrapper(how) => {
                let purge = how == WrapperClose::Delete;
                let answer = self.client.close_conversation(permit, conversation, purge, code).await;
                closed(answer, &requests)
            }
            Request::Read | Request::LookUp | Request::GiveWrapUp { .. } | Request::Disconnect => {
                told(self.client.conversation(permit, conversation).await, Reply::Saw)
            }
        };
        outcome.counting(&requests)
    }

    async fn open_conversations(
        &self,
        permit: Permit,
        query: &OpenQuery,
        page: usize,
    ) -> Result<OpenPage, Outcome> {
        self.published.open_conversations(permit, query, page).await
    }

    async fn wrap_up_code(
        &self,
        permit: Permit,
        queue: Option<QueueId>,
        name: &str,
    ) -> Result<WrapUpCode, Outcome> {
        self.published.wrap_up_code(permit, queue, name).await
    }

    async fn look_up(&self, permit: Permit, target: &Target) -> Outcome {
        let id = match target {
            Target::ExternalId(id) if self.client.dialect().finds() => id,
            Target::ExternalId(_) | Target::Attribute { .. } => {
                return self.published.look_up(permit, target).await;
            }
        };
        let Some(permit) = permit.into_inner::<genesys_client::Permit>() else {
            return not_sent("the permit is of another client");
        };
        let requests = permit.requests();
        told(self.client.find(permit, id).await, found).counting(&requests)
    }
}

fn closed(answer: Result<Answer<Closed>, Fault>, requests: &Requests) -> Outcome {
    let taken = answer.is_ok();
    let mut outcome = told(answer, |closed| Reply::Accepted(closed.snapshot));
    if taken && requests.made() > 1 {
        outcome.facts.message = Some(format!("{} requests, one for each session", requests.made()));
    }
    outcome
}
