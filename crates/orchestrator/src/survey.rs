//! Looks at conversations that no closure is about, for whoever searches for sessions that are stuck. Reads alone, of the lowest
//! class: every closure that queues goes first, and they take what closures leave of the quota.

use std::time::Duration;

use closure_machine::{Reply, Request};
use genesys_client::{Class, OpenPage, OpenQuery};
use genesys_types::{ConversationId, Organisation, Snapshot};

use crate::{
    advance::Orchestrator,
    names,
    organisation::Org,
    remote::{CallDetails, CallFacts, Outcome, Permit},
};

/// How often leave for a read is asked for, where it is refused.
const ASK_AGAIN: Duration = Duration::from_millis(250);

/// The pauses before a read that failed is tried again; after the last it is given up.
const PAUSES: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_secs(30),
];

/// Why something could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SurveyError {
    /// No such organisation is configured.
    UnknownOrganisation,
    /// The service is stopping.
    Stopping,
    /// Genesys did not show it, also when it was asked again.
    NotShown {
        /// What it answered, as timelines name it.
        reply: &'static str,
        /// Whether it would answer so of every other conversation too.
        of_all: bool,
        /// The missing permission, where that is why.
        permission: Option<String>,
        /// What is known of the last request.
        facts: Box<CallFacts>,
    },
}

impl Orchestrator {
    /// One page of the messaging conversations that are shown without an end. Waits for its turn, for as long as that takes.
    ///
    /// # Errors
    ///
    /// [`SurveyError`].
    pub async fn open_conversations(
        &self,
        organisation: &Organisation,
        query: &OpenQuery,
        page: usize,
    ) -> Result<OpenPage, SurveyError> {
        let org = self.surveyed(organisation)?;
        let mut pauses = PAUSES.iter();
        loop {
            let permit = self.turn(org).await?;
            let answer = org.setup.remote.open_conversations(permit, query, page).await;
            org.nudge();
            match answer {
                Ok(page) => return Ok(page),
                Err(outcome) => self.ask_again(outcome, &mut pauses).await?,
            }
        }
    }

    /// Reads a conversation; `None` where there is none. Waits for its turn, for as long as that takes.
    ///
    /// # Errors
    ///
    /// [`SurveyError`].
    pub async fn conversation(
        &self,
        organisation: &Organisation,
        conversation: ConversationId,
    ) -> Result<Option<Snapshot>, SurveyError> {
        let org = self.surveyed(organisation)?;
        let mut pauses = PAUSES.iter();
        loop {
            let permit = self.turn(org).await?;
            let read = org.setup.remote.call(permit, conversation, Request::Read, CallDetails::default());
            let outcome = read.await;
            org.nudge();
            match outcome.reply {
                Reply::Saw(snapshot) => return Ok(Some(snapshot)),
                Reply::NotFound => return Ok(None),
                Reply::LookedUp(_)
                | Reply::Accepted(_)
                | Reply::Conflict
                | Reply::WrapUpRequired
                | Reply::NoWrapUpCode
                | Reply::Rejected
                | Reply::Forbidden(_)
                | Reply::Unauthenticated
                | Reply::RateLimited(_)
                | Reply::NotSent
                | Reply::Failed
                | Reply::Unknown => self.ask_again(outcome, &mut pauses).await?,
            }
        }
    }

    fn surveyed(&self, organisation: &Organisation) -> Result<&Org, SurveyError> {
        let org = self.inner.organisations.get(organisation).ok_or(SurveyError::UnknownOrganisation)?;
        Ok(org.as_ref())
    }

    /// Waits before it is asked again; fails where that would not help, or was done often enough.
    async fn ask_again(
        &self,
        outcome: Outcome,
        pauses: &mut std::slice::Iter<'_, Duration>,
    ) -> Result<(), SurveyError> {
        let pause = if passes(&outcome.reply) { pauses.next() } else { None };
        let Some(pause) = pause else { return Err(not_shown(outcome)) };
        tokio::select! {
            biased;
            () = self.inner.stopping.cancelled() => Err(SurveyError::Stopping),
            () = tokio::time::sleep(*pause) => Ok(()),
        }
    }

    async fn turn(&self, org: &Org) -> Result<Permit, SurveyError> {
        loop {
            if self.inner.stopping.is_cancelled() {
                return Err(SurveyError::Stopping);
            }
            if let Some(permit) = org.permit_at_once(Class::Background) {
                return Ok(permit);
            }
            tokio::select! {
                biased;
                () = self.inner.stopping.cancelled() => {}
                () = tokio::time::sleep(ASK_AGAIN) => {}
            }
        }
    }
}

/// Whether what stands in the way may pass by itself.
fn passes(reply: &Reply) -> bool {
    match reply {
        Reply::RateLimited(_) | Reply::NotSent | Reply::Failed | Reply::Unknown => true,
        Reply::LookedUp(_)
        | Reply::Saw(_)
        | Reply::Accepted(_)
        | Reply::NotFound
        | Reply::Conflict
        | Reply::WrapUpRequired
        | Reply::NoWrapUpCode
        | Reply::Rejected
        | Reply::Forbidden(_)
        | Reply::Unauthenticated => false,
    }
}

fn not_shown(outcome: Outcome) -> SurveyError {
    let permission = match &outcome.reply {
        Reply::Forbidden(missing) => missing.as_deref().map(str::to_owned),
        Reply::LookedUp(_)
        | Reply::Saw(_)
        | Reply::Accepted(_)
        | Reply::NotFound
        | Reply::Conflict
        | Reply::WrapUpRequired
        | Reply::NoWrapUpCode
        | Reply::Rejected
        | Reply::Unauthenticated
        | Reply::RateLimited(_)
        | Reply::NotSent
        | Reply::Failed
        | Reply::Unknown => None,
    };
    let of_all = matches!(outcome.reply, Reply::Forbidden(_) | Reply::Unauthenticated);
    let reply = names::reply(&outcome.reply);
    SurveyError::NotShown { reply, of_all, permission, facts: Box::new(outcome.facts) }
}
