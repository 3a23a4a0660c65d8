//! Wrap-up codes by name: what a name means in the agent's queue, and a wrap-up given by it.
//!
//! ```text
//! name ─► kept list of the queue ─► code ─► POST …/wrapup ─► 202
//!             │ not there, or 400                  │
//!             └────────── listed anew, once ◄──────┘
//! ```
//!
//! A list is a read with a permit of its own, kept for all who ask. Nothing is given by a name that means no code, or
//! several.

mod cache;
mod codes;

use std::{error::Error, fmt, sync::Arc};

use genesys_types::{CommunicationId, ConversationId, ParticipantId, QueueId, WrapUpCodeId};
use http::Method;
use tokio::time::{Instant, timeout, timeout_at};

pub(crate) use self::cache::Lists;
pub use self::codes::WrapUpCode;
use self::{
    cache::{Listed, Wanted},
    codes::{PAGE_SIZE, WrapUpCodes},
};
use crate::{Answer, Class, Client, Fault, FaultKind, Permit, Requests};

/// The most pages of one list. A queue offers its agents a few dozen codes; an organisation can have some hundreds.
const MOST_PAGES: usize = 10;

/// What a role needs for the lists (API.md §1), told where a 403 does not.
const QUEUE_PERMISSION: &str = "routing:queue:view";
const ALL_PERMISSION: &str = "routing:wrapupCode:view";

/// The agent's leg that owes a wrap-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgentLeg {
    /// The agent's participant.
    pub participant: ParticipantId,
    /// Its communication.
    pub communication: CommunicationId,
    /// Its queue; `None` where it is not known, and then the name is looked for among all codes of the organisation.
    pub queue: Option<QueueId>,
}

/// Why no wrap-up was given by a name, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotGiven {
    /// What happened. Where the name is at fault, the message says what is wrong with it and which codes there are.
    pub fault: Fault,
    /// Whether Genesys was asked to set a code. If not, nothing was done, and the fault is that of the list or the name.
    pub asked: bool,
}

impl fmt::Display for NotGiven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fault.fmt(f)
    }
}

impl Error for NotGiven {}

impl NotGiven {
    const fn unasked(fault: Fault) -> Self {
        Self { fault, asked: false }
    }
}

/// A code, the list that it was found in, and the permit if none had to be spent.
struct Resolved {
    code: WrapUpCode,
    list: Arc<WrapUpCodes>,
    permit: Option<Permit>,
    /// Whether the list is as new as can be.
    is_new: bool,
}

impl Client {
    /// Finds the wrap-up code that a name means in a queue, or in the organisation where no queue is named:
    /// `GET /api/v2/routing/queues/{queueId}/wrapupcodes`, `GET /api/v2/routing/wrapupcodes`. Names are compared letter by
    /// letter, then without regard to case if only one fits. The list is kept for ten minutes for all who ask, fetched
    /// once however many wait, and fetched anew once where the name is not in a kept one.
    ///
    /// # Errors
    /// As every operation. [`FaultKind::Rejected`] for a name that means no code, or several; the message lists the codes.
    pub async fn wrap_up_code_named(
        &self,
        permit: Permit,
        queue: Option<QueueId>,
        name: &str,
    ) -> Result<WrapUpCode, Fault> {
        let found = timeout(self.timeout(), self.resolve(permit, queue, name)).await;
        found.unwrap_or_else(|_| Err(late())).map(|resolved| resolved.code)
    }

    /// Gives the wrap-up code of a name: finds it as [`Client::wrap_up_code_named`] does, and sets it as
    /// [`Client::set_wrap_up`] does. Where Genesys refuses the code (400), a kept list is fetched anew; if the name means
    /// another code by now, that one is set instead. Ends within the request time-out.
    ///
    /// # Errors
    /// [`NotGiven`].
    pub async fn give_wrap_up_named(
        &self,
        permit: Permit,
        conversation: ConversationId,
        leg: AgentLeg,
        name: &str,
        notes: Option<&str>,
    ) -> Result<Answer<()>, NotGiven> {
        let until = Instant::now() + self.timeout();
        let (class, requests) = (permit.class(), permit.requests());
        // The other half of the time is the wrap-up's own.
        let resolving = timeout(self.timeout() / 2, self.resolve(permit, leg.queue, name)).await;
        let mut first = resolving.unwrap_or_else(|_| Err(late())).map_err(NotGiven::unasked)?;
        let permit = self.permit_until(until, class, &requests, first.permit.take()).await?;
        let refusal = match self.set_until(until, permit, conversation, leg, first.code.clone(), notes).await
        {
            Err(fault) if fault.kind == FaultKind::Rejected => fault,
            answered => return answered.map_err(|fault| NotGiven { fault, asked: true }),
        };
        let Some(second) = self.means_another(until, class, &requests, &first, leg.queue, name).await else {
            return Err(NotGiven { fault: first.list.refused(&first.code, refusal), asked: true });
        };
        let permit = self.permit_until(until, class, &requests, second.permit).await?;
        let answered = self.set_until(until, permit, conversation, leg, second.code.clone(), notes).await;
        answered.map_err(|fault| NotGiven {
            fault: match fault.kind {
                FaultKind::Rejected => second.list.refused(&second.code, fault),
                FaultKind::NotSent
                | FaultKind::OutcomeUnknown
                | FaultKind::RateLimited { .. }
                | FaultKind::Unauthenticated
                | FaultKind::Forbidden { .. }
                | FaultKind::NotFound
                | FaultKind::Conflict
                | FaultKind::WrapUpRequired
                | FaultKind::Server => fault,
            },
            asked: true,
        })
    }

    /// Finds the code of a name for a call that carries it, and a permit for that call. Takes half of the request time-out
    /// at most. Nothing was asked but the list: what went wrong with that leaves no outcome open.
    pub(crate) async fn code_for_call(
        &self,
        permit: Permit,
        queue: Option<QueueId>,
        name: &str,
    ) -> Result<(WrapUpCodeId, Permit), Fault> {
        let until = Instant::now() + self.timeout() / 2;
        let (class, requests) = (permit.class(), permit.requests());
        let resolved = timeout_at(until, self.resolve(permit, queue, name)).await;
        let resolved = resolved.unwrap_or_else(|_| Err(late()))?;
        let permit = self.permit_until(until, class, &requests, resolved.permit).await;
        Ok((resolved.code.id, permit.map_err(|not_given| not_given.fault)?))
    }

    /// The code that the name means in the kept list, or in a new one where it is not in the kept one.
    async fn resolve(&self, permit: Permit, queue: Option<QueueId>, name: &str) -> Result<Resolved, Fault> {
        let (class, requests) = (permit.class(), permit.requests());
        let kept = self.listed(Some(permit), class, &requests, queue, Wanted::Kept).await?;
        if kept.is_new || kept.codes.named(name).is_ok() {
            return resolved(kept, name);
        }
        let wanted = Wanted::NewerThan { list: &kept.codes, because: name };
        let fresh = self.listed(kept.permit, class, &requests, queue, wanted).await?;
        resolved(fresh, name)
    }

    /// What the name means now that Genesys has refused the code which it meant; `None` where that is the same, or not
    /// to be found out.
    async fn means_another(
        &self,
        until: Instant,
        class: Class,
        requests: &Requests,
        refused: &Resolved,
        queue: Option<QueueId>,
        name: &str,
    ) -> Option<Resolved> {
        if refused.is_new {
            return None;
        }
        let because = refused.code.id.to_string();
        let wanted = Wanted::NewerThan { list: &refused.list, because: &because };
        let fresh = timeout_at(until, self.listed(None, class, requests, queue, wanted)).await.ok()?.ok()?;
        resolved(fresh, name).ok().filter(|second| second.code.id != refused.code.id)
    }

    async fn permit_until(
        &self,
        until: Instant,
        class: Class,
        requests: &Requests,
        permit: Option<Permit>,
    ) -> Result<Permit, NotGiven> {
        if let Some(permit) = permit {
            return Ok(permit);
        }
        let taken = timeout_at(until, self.quota().take(class)).await;
        let none = |_| Fault::local(FaultKind::NotSent, "the quota gave no permit for the wrap-up in time");
        let taken = taken.map_err(none).map_err(NotGiven::unasked)?;
        Ok(taken.counted_with(requests))
    }

    async fn set_until(
        &self,
        until: Instant,
        permit: Permit,
        conversation: ConversationId,
        leg: AgentLeg,
        code: WrapUpCode,
        notes: Option<&str>,
    ) -> Result<Answer<()>, Fault> {
        let setting =
            self.set_wrap_up(permit, conversation, leg.participant, leg.communication, code.id, notes);
        let cut = |_| Fault::local(FaultKind::OutcomeUnknown, "the wrap-up was not answered in time");
        timeout_at(until, setting).await.map_err(cut)?
    }

    /// The list, kept or fetched. Whoever waits for another's fetch holds no permit meanwhile: it would keep the fetch
    /// from its next page.
    async fn listed(
        &self,
        permit: Option<Permit>,
        class: Class,
        requests: &Requests,
        queue: Option<QueueId>,
        wanted: Wanted<'_>,
    ) -> Result<Listed, Fault> {
        self.lists().listed(permit, queue, wanted, |permit| self.fetch(permit, class, requests, queue)).await
    }

    /// Fetches a list page by page. The first page is asked with the permit that was given, each further one waits for its own.
    async fn fetch(
        &self,
        mut permit: Option<Permit>,
        class: Class,
        requests: &Requests,
        queue: Option<QueueId>,
    ) -> Result<WrapUpCodes, Fault> {
        let path = match queue {
            Some(queue) => format!("api/v2/routing/queues/{queue}/wrapupcodes"),
            None => "api/v2/routing/wrapupcodes".to_owned(),
        };
        let mut list = WrapUpCodes::of(queue);
        for number in 1..=MOST_PAGES {
            let permit = match permit.take() {
                Some(permit) => permit,
                None => self.quota().take(class).await.counted_with(requests),
            };
            let page = format!("{path}?pageSize={PAGE_SIZE}&pageNumber={number}");
            let asked = self.run(permit, "list_wrap_up_codes", Method::GET, page, None).await;
            let reply = asked.map_err(|fault| unlisted(fault, queue))?;
            match list.add(&reply.body, number) {
                Ok(true) => return Ok(list),
                Ok(false) => {}
                Err(unreadable) => return Err(unlisted(reply.unreadable(unreadable), queue)),
            }
        }
        list.is_cut();
        Ok(list)
    }
}

fn resolved(listed: Listed, name: &str) -> Result<Resolved, Fault> {
    let code = listed.codes.named(name)?.clone();
    Ok(Resolved { code, list: listed.codes, permit: listed.permit, is_new: listed.is_new })
}

fn late() -> Fault {
    Fault::local(FaultKind::NotSent, "the wrap-up codes could not be listed in time")
}

/// A list that did not come, in words that say so. A read changes nothing: what became of it need not be found out.
fn unlisted(mut fault: Fault, queue: Option<QueueId>) -> Fault {
    let (of, permission) = match queue {
        Some(queue) => (format!("of the queue {queue}"), QUEUE_PERMISSION),
        None => ("of the organisation".to_owned(), ALL_PERMISSION),
    };
    let why = match &mut fault.kind {
        FaultKind::Forbidden { missing } => {
            let missing = missing.get_or_insert_with(|| permission.into());
            format!("the permission {missing} is missing")
        }
        FaultKind::NotFound => "there is no such queue".to_owned(),
        FaultKind::OutcomeUnknown => {
            let why = fault.message.to_string();
            fault.kind = FaultKind::Server;
            why
        }
        FaultKind::NotSent
        | FaultKind::RateLimited { .. }
        | FaultKind::Unauthenticated
        | FaultKind::Conflict
        | FaultKind::WrapUpRequired
        | FaultKind::Server
        | FaultKind::Rejected => fault.message.to_string(),
    };
    fault.message = crate::fault::bounded_message(&format!("the wrap-up codes {of} cannot be listed: {why}"));
    fault
}
