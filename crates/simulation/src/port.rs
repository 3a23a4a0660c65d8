//! The remote side as one replica reaches it: the driver's port, with the true quota before it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use closure_machine::{Reply, Request, Target};
use genesys_client::{Class, Quota, Sent};
use genesys_types::ConversationId;
use orchestrator::{CallDetails, CallFacts, Outcome, Permit, Remote};
use tokio::{sync::oneshot, time::timeout};

use crate::{clock::ReplicaClock, happening::Answered, plan::CLIENT_WAITS, world::Shared};

/// How long to wait for a permit where only the end of a call can change the answer.
const UNTIL_A_CALL_ENDS: Duration = Duration::from_millis(500);

/// The way of one replica to Genesys.
pub(crate) struct Port {
    pub(crate) world: Shared,
    pub(crate) clock: Arc<ReplicaClock>,
    pub(crate) replica: usize,
    pub(crate) quota: Quota,
}

impl Port {
    async fn ask(
        &self,
        permit: &mut genesys_client::Permit,
        conversation: ConversationId,
        request: Request,
    ) -> Reply {
        let (tell, answer) = oneshot::channel();
        permit.sent();
        let left = self.world.lock().call_leaves(self.clock.at(), self.replica, conversation, request, tell);
        if !left {
            permit.settle(Sent::NotSent);
            return Reply::NotSent;
        }
        let patience = Duration::from_millis(CLIENT_WAITS.unsigned_abs());
        match timeout(patience, answer).await {
            Ok(Ok(Answered { reply, sent })) => {
                permit.settle(sent);
                reply
            }
            Ok(Err(_)) => {
                // Lost: nobody will answer, and the client does not know.
                tokio::time::sleep(patience).await;
                permit.settle(Sent::Unanswered);
                Reply::Unknown
            }
            Err(_) => {
                permit.settle(Sent::Unanswered);
                Reply::Unknown
            }
        }
    }
}

#[async_trait]
impl Remote for Port {
    fn try_permit(&self, class: Class) -> Result<Permit, Duration> {
        match self.quota.try_take(class) {
            Ok(permit) => {
                let requests = permit.requests();
                Ok(Permit::counted(permit, requests))
            }
            Err(wait) => Err(wait.at_most.unwrap_or(UNTIL_A_CALL_ENDS)),
        }
    }

    fn quota(&self) -> Option<&Quota> {
        Some(&self.quota)
    }

    async fn changed(&self) {
        self.quota.changed().await;
    }

    async fn call(
        &self,
        permit: Permit,
        conversation: ConversationId,
        request: Request,
        _: CallDetails,
    ) -> Outcome {
        let mut permit = permit.into_inner::<genesys_client::Permit>().expect("the permit is of this port");
        let mut reply = self.ask(&mut permit, conversation, request).await;
        let mistake = self.world.lock().plan.mistake;
        if reply == Reply::Unknown && mistake == Some(crate::Mistake::CallMadeTwice) {
            reply = self.ask(&mut permit, conversation, request).await;
        }
        Outcome { reply, facts: CallFacts { requests: permit.requests().made(), ..CallFacts::default() } }
    }

    async fn look_up(&self, _: Permit, _: &Target) -> Outcome {
        Outcome { reply: Reply::Rejected, facts: CallFacts::default() }
    }
}
