//! The remote side as one replica reaches it: the driver's port, with the true quota before it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use closure_machine::{Findings, Reply, Request, Target};
use genesys_client::{Class, Over, Quota, Sent};
use genesys_types::ConversationId;
use orchestrator::{CallDetails, CallFacts, Outcome, Permit, ReadTogether, Remote};
use tokio::{sync::oneshot, time::timeout};

use crate::{
    clock::ReplicaClock, conversation::Conversation, happening::Answered, plan::CLIENT_WAITS, world::Shared,
};

/// How many conversations one request reads: few enough that some stories need two for all of theirs.
const AT_MOST: usize = 15;

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
        let unanswered = Answered { reply: Reply::Unknown, sent: Sent::Unanswered };
        let Answered { reply, sent } = in_time(answer).await.unwrap_or(unanswered);
        permit.settle(sent);
        reply
    }
}

/// What comes while the client waits.
async fn in_time<T>(answer: oneshot::Receiver<T>) -> Option<T> {
    let patience = Duration::from_millis(CLIENT_WAITS.unsigned_abs());
    match timeout(patience, answer).await {
        Ok(Ok(answered)) => Some(answered),
        Ok(Err(_)) => {
            // Lost: nobody will answer, and the client does not know.
            tokio::time::sleep(patience).await;
            None
        }
        Err(_) => None,
    }
}

/// What a lookup has found, and another one should have been answered.
fn of_another(reply: Reply) -> Reply {
    let Reply::LookedUp(Findings::Open(mut found)) = reply else { return reply };
    for candidate in &mut found {
        candidate.conversation = Conversation::id_of(0);
    }
    Reply::LookedUp(Findings::Open(found))
}

impl Port {
    async fn ask_for_many(
        &self,
        permit: &mut genesys_client::Permit,
        conversations: &[ConversationId],
    ) -> Result<Vec<Over>, Reply> {
        let (tell, answer) = oneshot::channel();
        permit.sent();
        if !self.world.lock().many_leave(self.clock.at(), self.replica, conversations, tell) {
            permit.settle(Sent::NotSent);
            return Err(Reply::NotSent);
        }
        let (shown, sent) = in_time(answer).await.unwrap_or((Err(Reply::Unknown), Sent::Unanswered));
        permit.settle(sent);
        shown
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

    async fn look_up(&self, permit: Permit, target: &Target) -> Outcome {
        let (Target::ExternalId(id) | Target::Attribute { value: id, .. }) = target;
        let Some(conversation) = Conversation::known_by(id) else {
            return Outcome { reply: Reply::Rejected, facts: CallFacts::default() };
        };
        let mut permit = permit.into_inner::<genesys_client::Permit>().expect("the permit is of this port");
        let mut reply = self.ask(&mut permit, conversation, Request::LookUp).await;
        if self.world.lock().plan.mistake == Some(crate::Mistake::LookupsMixedUp) {
            reply = of_another(reply);
        }
        Outcome { reply, facts: CallFacts { requests: permit.requests().made(), ..CallFacts::default() } }
    }

    fn reads_together(&self) -> usize {
        if self.world.lock().plan.reads_together { AT_MOST } else { 0 }
    }

    async fn read_together(
        &self,
        permit: Permit,
        conversations: &[ConversationId],
    ) -> Result<ReadTogether, Outcome> {
        let mut permit = permit.into_inner::<genesys_client::Permit>().expect("the permit is of this port");
        let shown = self.ask_for_many(&mut permit, conversations).await;
        let facts = CallFacts { requests: permit.requests().made(), ..CallFacts::default() };
        let overlooks = self.world.lock().plan.mistake == Some(crate::Mistake::GuestOverlooked);
        match shown {
            Ok(mut over) => {
                over.iter_mut().for_each(|over| over.guest_is_there &= !overlooks);
                Ok(ReadTogether { over, facts })
            }
            Err(reply) => Err(Outcome { reply, facts }),
        }
    }
}
