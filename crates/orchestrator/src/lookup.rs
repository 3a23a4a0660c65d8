//! Commands that name no conversation.
//!
//! While the producer waits, it is looked up: what is found is closed as if it had been named, several that fit are told
//! to the producer, and nothing is kept of that command. Whatever else comes of the lookup, or where none can be made
//! now, the command is accepted and goes on looking. So it is when the lookup asks for more pages than a producer waits
//! for: the same one goes on then. A lookup is a read, so that what a crash loses of it is nothing.

use std::{pin::Pin, sync::Arc, time::Duration};

use closure_machine::{
    Call, CallId, Candidate, Closure, End, Event, FailReason, Findings, Moment, OtherClosure, Reply, Request,
    Step, Subject, Target, Turn, accept,
};
use genesys_client::{Class, Requests};
use genesys_types::{ConversationId, Time};
use store::{ClosureKey, Commit, CommitRefused, Line, StoreUnavailable};
use tokio::time::timeout;

use crate::{
    advance::Orchestrator,
    further_ids,
    journal::{Cause, Happening},
    made::Made,
    organisation::Org,
    record::Record,
    remote::{CallDetails, CallFacts, Outcome, Permit, Remote},
    submit::{Submission, SubmitError, Submitted, TRIES_AGAINST_ENDS, key_entry, opened},
};

/// How long a producer waits for a lookup: as long as for one call by default.
const LOOKED_FOR_AT_ONCE: Duration = Duration::from_secs(10);

/// What is asked of Genesys: something about a conversation, or which conversation it is.
pub(crate) enum Question {
    /// A request that concerns a conversation.
    Of(ConversationId, Request),
    /// A lookup.
    Which(Target),
}

impl Question {
    /// What a closure's call asks; `None` for a call that its closure cannot make.
    pub(crate) fn of(closure: &Closure, request: Request) -> Option<Self> {
        match (request, closure.conversation) {
            (Request::LookUp, _) => closure.sought.as_ref().map(|sought| Self::Which(sought.target.clone())),
            (
                Request::Read
                | Request::CloseParticipant(_)
                | Request::CloseWrapper(_)
                | Request::GiveWrapUp { .. }
                | Request::Disconnect,
                conversation,
            ) => conversation.map(|conversation| Self::Of(conversation, request)),
        }
    }

    pub(crate) async fn ask(self, remote: &dyn Remote, permit: Permit, details: CallDetails) -> Outcome {
        match self {
            Self::Of(conversation, request) => remote.call(permit, conversation, request, details).await,
            Self::Which(target) => remote.look_up(permit, &target).await,
        }
    }
}

/// Whether a closure's next call is a lookup.
pub(crate) fn looks_up(closure: &Closure) -> bool {
    looks_up_for(&closure.step, closure.conversation)
}

/// The same of a closure of which only these are known.
pub(crate) fn looks_up_for(step: &Step, conversation: Option<ConversationId>) -> bool {
    match step {
        Step::Resolving | Step::Blocked(_) | Step::Ghost(_) => conversation.is_none(),
        Step::Scheduled
        | Step::Verifying
        | Step::ClosingParticipant
        | Step::AwaitingConfirmation
        | Step::ClosingWrapper(_)
        | Step::Forcing
        | Step::Ended(_) => false,
    }
}

/// Whether the call that is in flight is a lookup.
pub(crate) fn is_looking_up(closure: &Closure) -> bool {
    matches!(closure.turn, Turn::InFlight { request: Request::LookUp, .. })
}

/// What happened instead, when the conversation that a lookup found has the open closure `other`: I4 is kept by leaving
/// it to that one. `None` for any other event.
pub(crate) fn left_to(event: &Event, other: ClosureKey) -> Option<Event> {
    let Event::Replied { call, reply: Reply::LookedUp(Findings::Open(found)) } = event else { return None };
    let [only] = found.as_slice() else { return None };
    let reply = Reply::LookedUp(Findings::Taken(*only, OtherClosure(other.as_u128())));
    Some(Event::Replied { call: *call, reply })
}

/// A command whose conversation was looked up, ready to be committed: its acceptance, and what the answer made of it.
struct LookedUp {
    accepted: Line,
    made: Made,
    permit: Option<Permit>,
}

/// A command whose lookup has not ended, ready to be committed: its acceptance, and the lookup that goes on.
struct Looking {
    accepted: Line,
    record: Arc<Record>,
    call: CallId,
    requests: Option<Requests>,
    asking: Pin<Box<dyn Future<Output = Outcome> + Send>>,
}

/// What there is when a producer has waited for a lookup.
enum Looked {
    /// The machine would not ask, or nothing can be made of the answer.
    Not,
    Up(Box<LookedUp>),
    GoesOn(Looking),
}

impl Orchestrator {
    /// Takes a command that names no conversation.
    pub(crate) async fn take_sought(
        &self,
        submission: &Submission,
        org: &Arc<Org>,
    ) -> Result<Submitted, SubmitError> {
        // What was answered before is answered again, whatever would be found by now.
        if let Some(entry) = self.known(submission).await? {
            return self.repeat(submission, entry).await;
        }
        let opening = org.begin_opening(self.inner.registry.open_of(&org.setup.name))?;
        let now = self.now();
        let later = submission.command.not_before.is_some_and(|at| at > now);
        // Also where lookups are refused: two kinds of them need two permissions, and the producer is told which one is missing.
        let permit = if later { None } else { org.permit_at_once(Class::Verify) };
        let looked = match permit {
            Some(permit) => self.look_up(submission, org, permit, now).await,
            None => Looked::Not,
        };
        let looked_up = match looked {
            Looked::Up(looked_up) => *looked_up,
            Looked::GoesOn(looking) => return self.commit_looking(submission, looking).await,
            Looked::Not => {
                drop(opening);
                return self.accept_unfound(submission, org).await;
            }
        };
        let reached = &looked_up.made.next.closure;
        if let (Step::Ended(ending), Some(sought)) = (&reached.step, &reached.sought)
            && ending.end == End::Failed(FailReason::AmbiguousTarget)
        {
            self.give_back(&looked_up.made.next, looked_up.permit);
            return Err(SubmitError::Ambiguous { candidates: sought.candidates.clone() });
        }
        self.commit_found(submission, looked_up).await
    }

    /// Accepts a command whose conversation is to be looked up later.
    async fn accept_unfound(
        &self,
        submission: &Submission,
        org: &Arc<Org>,
    ) -> Result<Submitted, SubmitError> {
        let submitted = self.open(submission, org).await?;
        submitted.ok_or_else(|| {
            let why = "a closure without a conversation was in the way of another".to_owned();
            SubmitError::Unavailable(StoreUnavailable { why })
        })
    }

    /// Looks the conversation up, and works out what follows.
    async fn look_up(&self, submission: &Submission, org: &Arc<Org>, permit: Permit, now: Time) -> Looked {
        let policy = Arc::new(org.policy_with(&submission.said.overrides));
        let remote = org.setup.remote.as_ref();
        let first = accept(&submission.command, &policy, Moment { now, may_call: true });
        let (mut record, call, announces) = opened(submission, first, now, self.fresh_key());
        self.inner.registry.share_names(&mut record);
        let Some(Call { id, request }) = call else { return Looked::Not };
        let Some(question) = Question::of(&record.closure, request) else { return Looked::Not };
        let accepted = Happening {
            before: None,
            event: None,
            next: &record.closure,
            asks: call,
            announces: &announces,
            cause: &Cause::default(),
            followed_by: None,
            taken_over_from: None,
            now,
            remote: Some(remote),
        }
        .line();
        let record = Arc::new(record);
        let (asked, requests) = (Arc::clone(org), permit.requests());
        let mut asking = Box::pin(async move {
            let outcome = question.ask(asked.setup.remote.as_ref(), permit, CallDetails::default()).await;
            asked.nudge();
            outcome
        });
        let Ok(outcome) = timeout(LOOKED_FOR_AT_ONCE, &mut asking).await else {
            return Looked::GoesOn(Looking { accepted, record, call: id, requests, asking });
        };
        let event = Event::Replied { call: id, reply: outcome.reply };
        let cause = Cause { facts: Some(outcome.facts), ..Cause::default() };
        let permit = org.permit_at_once(Class::Verify);
        let moment = Moment { now: self.now(), may_call: permit.is_some() };
        match Made::of(&record, &event, &cause, &policy, moment, Some(remote)) {
            Ok(made) => Looked::Up(Box::new(LookedUp { accepted, made, permit })),
            Err(_) => Looked::Not,
        }
    }

    /// Keeps a command while its lookup goes on, and lets that come home as any call does.
    async fn commit_looking(
        &self,
        submission: &Submission,
        looking: Looking,
    ) -> Result<Submitted, SubmitError> {
        let Looking { accepted, record, call, requests, asking } = looking;
        let key = submission.key.as_ref();
        let commit = Commit {
            closure: Some((record.row(), 0)),
            lines: vec![accepted],
            inbox: None,
            key: key.map(|key| key_entry(key, record.key, false, record.updated_at.millis())),
        };
        match self.commit(commit).await {
            Ok(()) => {
                self.inner.registry.put(Arc::clone(&record));
                self.bring_back_later(&record, call, requests, asking);
                Ok(Submitted::Accepted(record))
            }
            Err(CommitRefused::KeyUsed(entry)) => self.repeat(submission, entry).await,
            Err(CommitRefused::Unavailable(unavailable)) => Err(SubmitError::Unavailable(unavailable)),
            Err(
                refused @ (CommitRefused::Version(_)
                | CommitRefused::OpenClosure(_)
                | CommitRefused::SameEvent
                | CommitRefused::OtherBody
                | CommitRefused::NotOpen),
            ) => Err(SubmitError::Unavailable(StoreUnavailable { why: refused.to_string() })),
        }
    }

    /// Keeps a command whose conversation was looked up, or attaches it to the open closure of what was found.
    async fn commit_found(
        &self,
        submission: &Submission,
        looked_up: LookedUp,
    ) -> Result<Submitted, SubmitError> {
        let LookedUp { accepted, mut made, mut permit } = looked_up;
        if further_ids::are_wanted(&made.before, &made.next) {
            let lines = [&accepted, &made.line].into_iter();
            Arc::make_mut(&mut made.next).correlations = Some(further_ids::correlations(&[], lines));
        }
        for _ in 0..TRIES_AGAINST_ENDS {
            let open = made.next.closure.conversation.and_then(|conversation| {
                self.inner.registry.of_conversation(&submission.organisation, conversation)
            });
            if let Some(open) = open
                && let Some(submitted) = self.attach(submission, open).await?
            {
                self.give_back(&made.next, permit);
                return Ok(submitted);
            }
            let key = submission.key.as_ref();
            let commit = Commit {
                closure: Some((made.next.row(), 0)),
                lines: vec![accepted.clone(), made.line.clone()],
                inbox: None,
                key: key.map(|key| key_entry(key, made.next.key, false, made.next.updated_at.millis())),
            };
            match self.commit(commit).await {
                Ok(()) => {
                    self.committed(&made);
                    self.go_on(&made, permit.take());
                    return Ok(Submitted::Accepted(made.next));
                }
                Err(CommitRefused::KeyUsed(entry)) => return self.repeat(submission, entry).await,
                Err(CommitRefused::OpenClosure(open)) => {
                    if let Some(submitted) = self.attach(submission, open).await? {
                        return Ok(submitted);
                    }
                }
                Err(CommitRefused::Unavailable(unavailable)) => {
                    return Err(SubmitError::Unavailable(unavailable));
                }
                Err(
                    refused @ (CommitRefused::Version(_)
                    | CommitRefused::SameEvent
                    | CommitRefused::OtherBody
                    | CommitRefused::NotOpen),
                ) => {
                    return Err(SubmitError::Unavailable(StoreUnavailable { why: refused.to_string() }));
                }
            }
        }
        let why = "closures of the conversation kept opening and ending".to_owned();
        Err(SubmitError::Unavailable(StoreUnavailable { why }))
    }

    /// Makes the call that a transition asks for, with the permit that was held for it, or gives the permit back.
    fn go_on(&self, made: &Made, permit: Option<Permit>) {
        match (made.call, permit) {
            (Some(call), Some(permit)) => {
                self.make_call(&made.next, call, permit, &self.policy(&made.next));
            }
            (_, unused) => self.give_back(&made.next, unused),
        }
    }
}

/// What a dry run is told of a target; it waits no longer than any producer.
pub(crate) async fn candidates(
    org: &Org,
    subject: &Subject,
    permit: Permit,
) -> Result<Vec<Candidate>, (Reply, CallFacts)> {
    let Some(target) = subject.target() else { return Ok(Vec::new()) };
    let looking = org.setup.remote.look_up(permit, target);
    let outcome = timeout(LOOKED_FOR_AT_ONCE, looking).await.unwrap_or_else(|_| {
        let message = format!(
            "the lookup did not end within {} s; a command without dryRun goes on looking",
            LOOKED_FOR_AT_ONCE.as_secs()
        );
        Outcome { reply: Reply::Unknown, facts: CallFacts { message: Some(message), ..CallFacts::default() } }
    });
    org.nudge();
    let Reply::LookedUp(Findings::Open(candidates)) = outcome.reply else {
        return Err((outcome.reply, outcome.facts));
    };
    Ok(candidates)
}

impl Record {
    /// The conversation, for logs; empty while it is looked up.
    pub(crate) fn conversation_text(&self) -> String {
        self.closure.conversation.map(|conversation| conversation.to_string()).unwrap_or_default()
    }
}
