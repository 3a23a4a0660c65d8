//! A remote side that passes points before and after each call.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use closure_machine::{Request, Target};
use genesys_client::{Class, OpenPage, OpenQuery, Quota, WrapUpCode};
use genesys_types::{ConversationId, QueueId};
use orchestrator::{CallDetails, Outcome, Permit, ReadTogether, Remote};

use super::{OF_NONE, Points};

pub(super) struct PointedRemote {
    pub(super) inner: Arc<dyn Remote>,
    pub(super) points: Arc<Points>,
}

#[async_trait]
impl Remote for PointedRemote {
    fn try_permit(&self, class: Class) -> Result<Permit, Duration> {
        self.inner.try_permit(class)
    }

    fn quota(&self) -> Option<&Quota> {
        self.inner.quota()
    }

    async fn changed(&self) {
        self.inner.changed().await;
    }

    fn closes_guest_alone(&self) -> bool {
        self.inner.closes_guest_alone()
    }

    fn shows(&self, conversation: ConversationId, request: Request) -> Option<String> {
        self.inner.shows(conversation, request)
    }

    fn shows_look_up(&self, target: &Target) -> Option<String> {
        self.inner.shows_look_up(target)
    }

    async fn call(
        &self,
        permit: Permit,
        conversation: ConversationId,
        request: Request,
        details: CallDetails,
    ) -> Outcome {
        let what = match request {
            Request::LookUp => "call look_up",
            Request::Read => "call read",
            Request::CloseParticipant(_) => "call close_participant",
            Request::CloseWrapper(_) => "call close_wrapper",
            Request::GiveWrapUp { .. } => "call give_wrap_up",
            Request::Disconnect => "call disconnect",
        };
        self.points.pass(conversation.uuid(), what, "before");
        let outcome = self.inner.call(permit, conversation, request, details).await;
        self.points.pass(conversation.uuid(), what, "after");
        outcome
    }

    async fn look_up(&self, permit: Permit, target: &Target) -> Outcome {
        self.points.pass(OF_NONE, "call look_up", "before");
        let answer = self.inner.look_up(permit, target).await;
        self.points.pass(OF_NONE, "call look_up", "after");
        answer
    }

    fn page_of(&self, conversation: ConversationId) -> Option<String> {
        self.inner.page_of(conversation)
    }

    fn reads_together(&self) -> usize {
        self.inner.reads_together()
    }

    async fn read_together(
        &self,
        permit: Permit,
        conversations: &[ConversationId],
    ) -> Result<ReadTogether, Outcome> {
        let pass = |when| {
            for conversation in conversations {
                self.points.pass(conversation.uuid(), "call read_together", when);
            }
        };
        pass("before");
        let read = self.inner.read_together(permit, conversations).await;
        pass("after");
        read
    }

    async fn open_conversations(
        &self,
        permit: Permit,
        query: &OpenQuery,
        page: usize,
    ) -> Result<OpenPage, Outcome> {
        self.points.pass(OF_NONE, "call open_conversations", "before");
        let answer = self.inner.open_conversations(permit, query, page).await;
        self.points.pass(OF_NONE, "call open_conversations", "after");
        answer
    }

    async fn wrap_up_code(
        &self,
        permit: Permit,
        queue: Option<QueueId>,
        name: &str,
    ) -> Result<WrapUpCode, Outcome> {
        self.points.pass(OF_NONE, "call wrap_up_code", "before");
        let answer = self.inner.wrap_up_code(permit, queue, name).await;
        self.points.pass(OF_NONE, "call wrap_up_code", "after");
        answer
    }
}
