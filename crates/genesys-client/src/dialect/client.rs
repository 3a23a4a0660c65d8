//! A client that makes its calls as a dialect has them.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::join_all;
use genesys_types::{ConversationId, ParticipantId, Purpose, QueueId, Snapshot, Time, WrapUpCodeId};
use http::Method;
use tokio::time::{Instant, timeout_at};

use super::{
    Dialect,
    memory::Memory,
    table::{GuestClose, Operation},
    template::{Filling, Gap, Missing},
};
use crate::{
    Answer, Class, Client, Fault, FaultKind, Hit, Permit,
    answer::is_plausible_acknowledgement,
    call::{Reply, Request},
    lookup::Found,
};

/// How long a session waits for its request where only the end of another call can change the quota's answer.
const UNTIL_A_CALL_ENDS: Duration = Duration::from_millis(500);

/// A client that speaks a dialect. Cheap to clone; all clones share what the latest reads showed.
///
/// What holds for every operation of [`Client`] holds here too. A close that needs something which only a read tells, a
/// version or the sessions, takes it from the latest read of that conversation and uses it once. Where it is not known,
/// as after a restart, the read is made in place of the close, and the answer is a conflict: read, then ask again.
#[derive(Debug, Clone)]
pub struct DialectClient {
    client: Client,
    dialect: Arc<Dialect>,
    memory: Arc<Memory>,
}

/// What came of a close that was taken, or had been done already. It proves nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The conversation, where a read was made because the dialect has no call for this.
    pub snapshot: Option<Snapshot>,
}

/// The wrap-up code of a close, for a dialect whose close carries one; others pay no attention to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseCode<'a> {
    /// None is configured.
    None,
    /// This one.
    Id(WrapUpCodeId),
    /// The one of this name among the codes that the published API lists.
    Named {
        /// The name.
        name: &'a str,
        /// The queue whose codes they are; where it is not known, all codes of the organisation.
        queue: Option<QueueId>,
    },
}

/// What came of one request whose status the dialect explains.
struct Taken {
    status: u16,
    correlation_id: Option<Box<str>>,
    body: Bytes,
    took: Duration,
}

impl DialectClient {
    /// Lets a client speak a dialect.
    pub fn new(client: Client, dialect: Arc<Dialect>) -> Self {
        Self { client, dialect, memory: Arc::default() }
    }

    /// The client behind it, for the calls that the dialect does not say.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// What is spoken.
    pub fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    /// The verb and path by which a guest is closed, for people. Sessions are named as far as the latest read showed them.
    pub fn shows_guest_close(&self, conversation: ConversationId, guest: ParticipantId) -> Option<String> {
        let sessions = self.memory.sessions(conversation, guest);
        self.dialect.shows_guest_close(conversation, guest, &sessions)
    }

    /// Reads a conversation, by the dialect's read or, where it has none, by the published one.
    ///
    /// # Errors
    /// A body that does not tell surely who takes part is [`FaultKind::OutcomeUnknown`].
    pub async fn conversation(&self, permit: Permit, id: ConversationId) -> Result<Answer<Snapshot>, Fault> {
        let Some((read, shape)) = &self.dialect.read else {
            return self.client.conversation(permit, id).await;
        };
        let filling = Filling { conversation: Some(id), ..Filling::default() };
        let taken = self.ask(permit, read, &filling).await?;
        let now = Time::from_millis(jiff::Timestamp::now().as_millisecond());
        match shape.shown(&taken.body, id, now) {
            Ok(shown) => {
                if shape.shows_version() || shape.shows_sessions() {
                    self.memory.learn(id, &shown);
                }
                Ok(taken.with(shown.snapshot))
            }
            Err(unreadable) => Err(taken.unreadable(unreadable.0)),
        }
    }

    /// Finds the open conversations of a guest by its external id, in the order of the answer. It is no read of them.
    ///
    /// # Errors
    /// As every operation; [`FaultKind::Rejected`] where the dialect has no search.
    pub async fn find(&self, permit: Permit, external_id: &str) -> Result<Answer<Vec<Hit>>, Fault> {
        let Some((find, shape)) = &self.dialect.find else {
            let why = format!("the dialect {} has no [find]", self.dialect.name());
            return Err(Fault::local(FaultKind::Rejected, why));
        };
        let filling = Filling { external_id: Some(external_id), ..Filling::default() };
        let taken = self.ask(permit, find, &filling).await?;
        match shape.found(&taken.body) {
            Ok(found) => {
                let hit = |conversation| Hit { conversation, started_at: None, queue: None };
                let mut all = Found::default();
                all.add(found.into_iter().map(hit).collect());
                Ok(taken.with(all.0))
            }
            Err(unreadable) => Err(taken.unreadable(unreadable.0)),
        }
    }

    /// Asks to close a guest: its participant, or each of its open sessions, or, in a dialect that closes nobody alone, the
    /// whole conversation. Several sessions are asked at once, each with a permit of its own; those for which there is none
    /// are left for the next call, which [`FaultKind::RateLimited`] asks for. Of several answers the gravest is told.
    ///
    /// # Errors
    /// As every operation; [`FaultKind::Conflict`] where a read was made in its place.
    pub async fn close_guest(
        &self,
        permit: Permit,
        conversation: ConversationId,
        guest: ParticipantId,
        code: CloseCode<'_>,
    ) -> Result<Answer<Closed>, Fault> {
        let filling =
            Filling { conversation: Some(conversation), participant: Some(guest), ..Filling::default() };
        match &self.dialect.guest {
            GuestClose::Participant(close) => self.close(permit, close, conversation, filling, code).await,
            GuestClose::Sessions(close) => {
                self.close_sessions(permit, close, conversation, guest, filling).await
            }
            GuestClose::WithTheWhole => self.close_conversation(permit, conversation, false, code).await,
        }
    }

    /// Asks to close the conversation, or to purge it where that is wanted and the dialect can. Where it has no call for
    /// this, the conversation is read, and over once all people have gone: nothing can be asked of queues and flows.
    ///
    /// # Errors
    /// As every operation; [`FaultKind::WrapUpRequired`] where the call carries a wrap-up code and none is given, or its name
    /// means none, and
    /// [`FaultKind::Conflict`] where a read was made in its place.
    pub async fn close_conversation(
        &self,
        permit: Permit,
        conversation: ConversationId,
        purge: bool,
        code: CloseCode<'_>,
    ) -> Result<Answer<Closed>, Fault> {
        match self.dialect.whole_close(purge) {
            Some(close) => {
                let filling = Filling { conversation: Some(conversation), ..Filling::default() };
                self.close(permit, close, conversation, filling, code).await
            }
            None => {
                let answer = self.conversation(permit, conversation).await?;
                Ok(answer.map(|snapshot| Closed { snapshot: Some(people_of(snapshot)) }))
            }
        }
    }

    /// Finds the code, where the call carries one, and makes the call. Both together end within the request time-out.
    async fn close(
        &self,
        permit: Permit,
        close: &Operation,
        conversation: ConversationId,
        filling: Filling<'_>,
        code: CloseCode<'_>,
    ) -> Result<Answer<Closed>, Fault> {
        let until = Instant::now() + self.client.timeout();
        let with = |wrap_up_code| Filling { wrap_up_code, ..filling };
        match (close.gaps().contains(&Gap::WrapUpCode), code) {
            (false, _) => self.close_filled(permit, close, conversation, filling).await,
            (true, CloseCode::None) => Err(no_wrap_up_code()),
            (true, CloseCode::Id(id)) => self.close_filled(permit, close, conversation, with(Some(id))).await,
            (true, CloseCode::Named { name, queue }) => {
                let found = self.client.code_for_call(permit, queue, name).await;
                let (id, permit) = found.map_err(not_found_out)?;
                let closing = self.close_filled(permit, close, conversation, with(Some(id)));
                let late = |_| Fault::local(FaultKind::OutcomeUnknown, "the close was not answered in time");
                timeout_at(until, closing).await.map_err(late)?
            }
        }
    }

    async fn close_filled(
        &self,
        permit: Permit,
        close: &Operation,
        conversation: ConversationId,
        filling: Filling<'_>,
    ) -> Result<Answer<Closed>, Fault> {
        if !close.gaps().contains(&Gap::Version) {
            return self.ask_to_close(permit, close, &filling).await;
        }
        let Some(version) = self.memory.take_version(conversation) else {
            return Err(self.read_in_place(permit, conversation, "the version").await);
        };
        let outcome = self.ask_to_close(permit, close, &Filling { version: Some(&version), ..filling }).await;
        if outcome.as_ref().is_err_and(was_not_looked_at) {
            self.memory.put_version_back(conversation, version);
        }
        outcome
    }

    async fn close_sessions(
        &self,
        permit: Permit,
        close: &Operation,
        conversation: ConversationId,
        guest: ParticipantId,
        filling: Filling<'_>,
    ) -> Result<Answer<Closed>, Fault> {
        let sessions = self.memory.take_sessions(conversation, guest);
        if sessions.is_empty() {
            return Err(self.read_in_place(permit, conversation, "which sessions are open").await);
        }
        let counted = permit.requests();
        let mut permits = vec![Ok(permit)];
        permits.extend((1..sessions.len()).map(|_| {
            let taken = self.client.quota().try_take(Class::Close);
            taken.map(|permit| permit.counted_with(&counted)).map_err(|wait| {
                let retry_after = wait.at_most.unwrap_or(UNTIL_A_CALL_ENDS);
                Fault::local(FaultKind::RateLimited { retry_after }, "a further session waits for the quota")
            })
        }));
        let asked = sessions.iter().zip(permits).map(|(session, permit)| async move {
            self.ask_to_close(permit?, close, &Filling { session: Some(*session), ..filling }).await
        });
        let outcomes = join_all(asked).await;
        for (session, outcome) in sessions.iter().zip(&outcomes) {
            if outcome.as_ref().is_err_and(was_not_looked_at) {
                self.memory.put_session_back(conversation, guest, *session);
            }
        }
        gravest(outcomes)
    }

    async fn ask_to_close(
        &self,
        permit: Permit,
        close: &Operation,
        filling: &Filling<'_>,
    ) -> Result<Answer<Closed>, Fault> {
        let taken = self.ask(permit, close, filling).await?;
        if !is_plausible_acknowledgement(&taken.body) {
            return Err(taken.unreadable("the body is neither empty nor JSON"));
        }
        Ok(taken.with(Closed { snapshot: None }))
    }

    /// Reads in place of a close that cannot be written yet. The close was not asked, whatever came of the read.
    async fn read_in_place(&self, permit: Permit, conversation: ConversationId, what: &str) -> Fault {
        match self.conversation(permit, conversation).await {
            Err(fault) => fault,
            Ok(answer) => Fault {
                correlation_id: answer.correlation_id,
                ..Fault::local(
                    FaultKind::Conflict,
                    format!("{what} was not known here, so the conversation was read in place of the close"),
                )
            },
        }
    }

    /// Makes one request and explains its status.
    async fn ask(
        &self,
        permit: Permit,
        operation: &Operation,
        filling: &Filling<'_>,
    ) -> Result<Taken, Fault> {
        let path = operation.path.filled(filling).map_err(cannot_be_written)?;
        let body = operation.body.as_ref().map(|body| body.filled(filling)).transpose();
        let body = body.map_err(cannot_be_written)?;
        let request =
            Request { operation: operation.operation, method: operation.method.clone(), path, body };
        match self.client.run_request(permit, request).await {
            Ok(reply) if operation.accepted.contains(&reply.status.as_u16()) => Ok(reply.into()),
            Ok(reply) => {
                Err(reply
                    .unreadable("the dialect does not list this status as accepted, so it is read again"))
            }
            Err(fault) => explained(operation, fault),
        }
    }
}

/// A conversation without its queues and flows.
fn people_of(mut snapshot: Snapshot) -> Snapshot {
    snapshot.legs.retain(|leg| match leg.purpose {
        Purpose::Customer | Purpose::Agent | Purpose::Other => true,
        Purpose::Acd | Purpose::Flow => false,
    });
    snapshot
}

/// What a refusal means in the dialect. One that it does not list keeps the meaning that it has on the published API.
fn explained(operation: &Operation, fault: Fault) -> Result<Taken, Fault> {
    match fault.status {
        Some(status) if operation.already_done.contains(&status) => Ok(Taken {
            status,
            correlation_id: fault.correlation_id,
            body: Bytes::new(),
            took: Duration::ZERO,
        }),
        Some(status) if operation.read_again.contains(&status) && operation.method != Method::GET => {
            Err(Fault { kind: FaultKind::Conflict, ..fault })
        }
        Some(_) | None => Err(fault),
    }
}

/// Whether nothing was asked, so that the same may be asked again without a read.
const fn was_not_looked_at(fault: &Fault) -> bool {
    match fault.kind {
        FaultKind::NotSent
        | FaultKind::RateLimited { .. }
        | FaultKind::Unauthenticated
        | FaultKind::Forbidden { .. } => true,
        FaultKind::OutcomeUnknown
        | FaultKind::NotFound
        | FaultKind::Conflict
        | FaultKind::WrapUpRequired
        | FaultKind::Server
        | FaultKind::Rejected => false,
    }
}

/// Of several outcomes, the one that leaves most open.
fn gravest(outcomes: Vec<Result<Answer<Closed>, Fault>>) -> Result<Answer<Closed>, Fault> {
    let gravity = |outcome: &Result<Answer<Closed>, Fault>| match outcome {
        Ok(_) => 0,
        Err(fault) => match fault.kind {
            FaultKind::NotSent => 1,
            FaultKind::RateLimited { .. } => 2,
            FaultKind::NotFound | FaultKind::Conflict | FaultKind::WrapUpRequired | FaultKind::Rejected => 3,
            FaultKind::Forbidden { .. } => 4,
            FaultKind::Unauthenticated => 5,
            FaultKind::Server => 6,
            FaultKind::OutcomeUnknown => 7,
        },
    };
    let gravest = outcomes.into_iter().max_by_key(gravity);
    gravest.unwrap_or_else(|| Err(Fault::local(FaultKind::Rejected, "there was nothing to ask")))
}

fn no_wrap_up_code() -> Fault {
    Fault::local(
        FaultKind::WrapUpRequired,
        "not sent: this dialect closes with a wrap-up code, and none is configured; set wrap_up = { id = \"…\" } or \
         { name = \"…\" } under [closing], or wrapUp in the command",
    )
}

/// The close was not sent, as the code of a name was not found out. A passing fault stays one; what is about the list or
/// the name asks for another configuration.
fn not_found_out(fault: Fault) -> Fault {
    let message = crate::fault::bounded_message(&format!("not sent: {}", fault.message));
    let kind = match fault.kind {
        FaultKind::NotSent | FaultKind::OutcomeUnknown | FaultKind::Server => FaultKind::NotSent,
        kind @ (FaultKind::RateLimited { .. } | FaultKind::Unauthenticated) => kind,
        FaultKind::Forbidden { .. }
        | FaultKind::NotFound
        | FaultKind::Conflict
        | FaultKind::WrapUpRequired
        | FaultKind::Rejected => FaultKind::WrapUpRequired,
    };
    Fault { kind, message, ..fault }
}

/// Checks of the dialect's file and of the calls leave no gap without its value.
fn cannot_be_written(missing: Missing) -> Fault {
    Fault::local(FaultKind::Rejected, format!("not sent: there is no {} for it", missing.0.name()))
}

impl From<Reply> for Taken {
    fn from(reply: Reply) -> Self {
        let Reply { status, correlation_id, body, took } = reply;
        Self { status: status.as_u16(), correlation_id, body, took }
    }
}

impl Taken {
    fn with<T>(self, value: T) -> Answer<T> {
        Answer { value, status: self.status, correlation_id: self.correlation_id, took: self.took }
    }

    fn unreadable(self, message: &str) -> Fault {
        Fault {
            status: Some(self.status),
            correlation_id: self.correlation_id,
            ..Fault::local(FaultKind::OutcomeUnknown, message)
        }
    }
}

impl<T> Answer<T> {
    fn map<U>(self, into: impl FnOnce(T) -> U) -> Answer<U> {
        Answer {
            value: into(self.value),
            status: self.status,
            correlation_id: self.correlation_id,
            took: self.took,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(kind: FaultKind) -> Result<Answer<Closed>, Fault> {
        Err(Fault::local(kind, ""))
    }

    fn taken() -> Result<Answer<Closed>, Fault> {
        let value = Closed { snapshot: None };
        Ok(Answer { value, status: 204, correlation_id: None, took: Duration::ZERO })
    }

    #[test]
    fn of_several_sessions_the_one_that_leaves_most_open_is_told() {
        let rate_limited = FaultKind::RateLimited { retry_after: Duration::from_secs(1) };
        assert!(gravest(vec![taken(), taken()]).is_ok());
        for (outcomes, told) in [
            (vec![taken(), refused(rate_limited.clone())], rate_limited.clone()),
            (vec![refused(FaultKind::NotSent), taken()], FaultKind::NotSent),
            (vec![refused(FaultKind::Conflict), refused(rate_limited)], FaultKind::Conflict),
            (
                vec![refused(FaultKind::OutcomeUnknown), refused(FaultKind::Server), taken()],
                FaultKind::OutcomeUnknown,
            ),
        ] {
            assert_eq!(gravest(outcomes).unwrap_err().kind, told);
        }
    }
}
