//! How a closure stands, what it waits for, and which proof is missing.

use closure_machine::{
    BlockReason, Closure, End, Evidence, FailReason, GhostReason, Request, Step, Turn, WrapUpPolicy,
    WrapperStage,
};
use genesys_types::WrapUp;
use orchestrator::{Answered, TimelineLine, closure_id, names};
use shown_text::quoted;

use super::{
    Case,
    hold::{self, Hold, Standing},
    story::{answered, reads_in_place},
    words,
};
use crate::target;

/// How the closure stands.
pub(super) fn headline(case: &Case<'_>, lines: &[TimelineLine]) -> String {
    let closure = &case.record.closure;
    match &closure.step {
        Step::Scheduled => "The command wants nothing done before its time, which has not come.".to_owned(),
        Step::Resolving => resolving(case),
        Step::Verifying => verifying(case),
        Step::ClosingParticipant => match closure.turn {
            Turn::InFlight { .. } => "Genesys is being asked to disconnect the guest.".to_owned(),
            Turn::Due { .. } | Turn::Over => "Genesys is to be asked to disconnect the guest.".to_owned(),
        },
        Step::AwaitingConfirmation => awaiting(case),
        Step::ClosingWrapper(stage) => closing_wrapper(case, *stage),
        Step::Forcing => {
            "An operator ordered the teardown: Genesys is asked to disconnect everybody.".to_owned()
        }
        Step::Blocked(block) => blocked(&block.why),
        Step::Ghost(ghost) => {
            let mut said = ghost_words(case, ghost.reason, lines);
            if let Some(failure) = failed_look(lines) {
                said.push_str(" The latest look showed nothing. ");
                said.push_str(&failure);
            }
            said
        }
        Step::Ended(ending) => ended(case, ending.end, lines),
    }
}

/// What became of the latest call, where it was a read that showed nothing.
fn failed_look(lines: &[TimelineLine]) -> Option<String> {
    let latest = lines.iter().rev().find_map(|line| line.entry.answered.as_ref())?;
    let showed_nothing = latest.request == "read" && latest.saw.is_none() && latest.reply != "not_found";
    showed_nothing.then(|| answered(latest))
}

/// What the closure looks for, in words.
fn sought(case: &Case<'_>) -> String {
    let sought = case.record.closure.sought.as_ref();
    sought.map_or_else(|| "its target".to_owned(), |sought| target::words(&sought.target))
}

fn resolving(case: &Case<'_>) -> String {
    let closure = &case.record.closure;
    let what = sought(case);
    let in_flight = matches!(closure.turn, Turn::InFlight { .. });
    match (closure.missed_at, closure.calls) {
        (_, 0) => format!("The command is accepted; {what} has not been looked up yet."),
        (None, _) if in_flight => format!("The conversation is being looked up by {what}."),
        (None, _) => format!("The conversation is to be looked up again by {what}."),
        (Some(since), _) => format!(
            "No open conversation with {what} was found yet. What Genesys finds lags behind, so it is looked for until {}; \
             then the closure fails.",
            words::moment(since + case.policy.lookup_grace, case.now)
        ),
    }
}

fn verifying(case: &Case<'_>) -> String {
    let closure = &case.record.closure;
    let in_flight = matches!(closure.turn, Turn::InFlight { .. });
    match (closure.missed_at, closure.calls) {
        (_, 0) => "The command is accepted; the conversation has not been read yet.".to_owned(),
        (None, _) if in_flight => "The conversation is being read.".to_owned(),
        (None, _) => "The conversation is to be read again, to see how it stands.".to_owned(),
        (Some(since), _) if closure.agent.is_some() && !closure.guests.is_empty() => format!(
            "An agent is connected{}, and the closure waits for the agent to leave, at most until {}.",
            agent_words(closure),
            words::moment(since + case.policy.deadline, case.now)
        ),
        (Some(since), _) => format!(
            "{} was not found yet. It is looked for until {}; then the closure fails.",
            if closure.guests.is_empty() && closure.named.is_none() {
                "The conversation, or a guest in it,"
            } else {
                "The guest"
            },
            words::moment(since + case.policy.participant_grace, case.now)
        ),
    }
}

fn awaiting(case: &Case<'_>) -> String {
    let closure = &case.record.closure;
    if closure.guest_is_proven_gone(case.policy) {
        return format!(
            "The guest is gone{}. Before the conversation itself is closed, a read is to show that no other session of the guest \
             is open.",
            proof_words(case)
        );
    }
    let accepted = closure.guests.iter().any(|leg| leg.accepted && leg.gone.is_none());
    let doubt = if closure.doubtful {
        " An event spoke of the guest's end without naming this leg, so a read has to confirm it."
    } else {
        ""
    };
    match (accepted, case.record.participant_closed_at) {
        (true, Some(at)) => format!(
            "Genesys accepted the guest's close at {}. That is no proof: what shows that the guest is gone is still \
             awaited.{doubt}",
            words::moment(at, case.now)
        ),
        (true, None) => {
            format!("Genesys accepted the close; what shows that the guest is gone is still awaited.{doubt}")
        }
        (false, _) => format!(
            "The close was asked and its outcome is not known; an event, or a read, will show it. It is not asked again \
             before.{doubt}"
        ),
    }
}

fn closing_wrapper(case: &Case<'_>, stage: WrapperStage) -> String {
    let proven = case.record.closure.guest_is_proven_gone(case.policy);
    let first = if proven { format!("The guest is gone{}. ", proof_words(case)) } else { String::new() };
    let then = match stage {
        WrapperStage::Ask => "The conversation itself is being closed.",
        WrapperStage::Look => "The conversation's close was asked; a read is to show what became of it.",
        WrapperStage::WrapUp => "The conversation cannot close before its wrap-up; that is being given.",
    };
    format!("{first}{then}")
}

fn blocked(why: &BlockReason) -> String {
    match why {
        BlockReason::Permission(Some(missing)) => format!(
            "Genesys refuses: the OAuth client's role lacks the permission {missing}. Nothing is lost; the closure goes on \
             by itself once the permission is granted."
        ),
        BlockReason::Permission(None) => {
            "Genesys refuses: the OAuth client's role lacks a permission that the answer does not name. Nothing is lost; \
             the closure goes on by itself once it is granted."
                .to_owned()
        }
        BlockReason::Credential => {
            "Genesys does not accept the organisation's credential. Nothing is lost; the closure goes on by itself once \
             the credential is accepted."
                .to_owned()
        }
    }
}

fn ghost_words(case: &Case<'_>, reason: GhostReason, lines: &[TimelineLine]) -> String {
    let closure = &case.record.closure;
    match reason {
        GhostReason::NoConfirmation if read_shows_the_end(case) => {
            "A ghost: a read shows the guest gone, but the policy wants an event (webhook_only), and none came.".to_owned()
        }
        GhostReason::NoConfirmation => {
            "A ghost: the guest's close was asked, and nothing shows that the guest is gone.".to_owned()
        }
        GhostReason::ConversationOpen if cannot_be_asked(lines) => format!(
            "A ghost: the guest is gone{}, and the conversation stays open. There is no call here that closes it: it ends \
             once everybody has left.",
            proof_words(case)
        ),
        GhostReason::ConversationOpen => format!(
            "A ghost: the guest is gone{}, and the conversation stays open although its close was asked {}.",
            proof_words(case),
            times(u32::from(closure.wrapper_asks))
        ),
        GhostReason::AgentStillConnected => {
            let agent = agent_words(&case.record.closure);
            format!("A ghost: an agent is still connected{agent}, and the policy does not allow to cut in.")
        }
        GhostReason::WrapUpPending => wrap_up_words(case, lines),
        GhostReason::ConfirmationMismatch => {
            "A ghost: an event says that the guest left, and reads show the guest connected.".to_owned()
        }
        GhostReason::ReopenedByGuest => format!(
            "A ghost: the guest came back, or stayed, through all {} rounds of closing that the policy allows.",
            case.policy.max_rounds
        ),
        GhostReason::Rejected if closure.conversation.is_none() => {
            format!(
                "A ghost: the conversation cannot be looked up by {}. Genesys refuses the question, or too many conversations \
                 would have to be looked through; the story below says which.",
                sought(case)
            )
        }
        GhostReason::Unreachable if closure.conversation.is_none() => format!(
            "A ghost: Genesys failed, or could not be reached, too often to look the conversation up by {}.",
            sought(case)
        ),
        GhostReason::Rejected => "A ghost: Genesys refuses the close.".to_owned(),
        GhostReason::Unreachable => {
            "A ghost: Genesys failed, or could not be reached, too often to find out how the conversation stands."
                .to_owned()
        }
    }
}

/// Whether a read was all that could be made in place of the conversation's close.
fn cannot_be_asked(lines: &[TimelineLine]) -> bool {
    let mut asked = lines.iter().rev().filter_map(|line| line.entry.asks.as_ref());
    asked.find(|asks| asks.request == "close_wrapper").is_some_and(reads_in_place)
}

/// What is wrong with the wrap-up, as the last answer to it says.
fn wrap_up_words(case: &Case<'_>, lines: &[TimelineLine]) -> String {
    let first = "A ghost: Genesys demands a wrap-up before the conversation closes, and";
    let mut answers = lines.iter().rev().filter_map(|line| line.entry.answered.as_ref());
    // A close that carries the code was not even sent where none was found for its name.
    let about_it = |answered: &&Answered| {
        answered.request == "give_wrap_up"
            || (answered.reply == "wrapup_required" && answered.status.is_none())
    };
    let why = answers.find(about_it).and_then(|answer| {
        let told = matches!(answer.reply.as_str(), "no_wrap_up_code" | "rejected" | "wrapup_required");
        answer.message.as_deref().filter(|_| told)
    });
    let why = why.map(|why| why.strip_prefix("not sent: ").unwrap_or(why));
    match (&case.policy.wrap_up, why) {
        (WrapUpPolicy::None, None) => format!("{first} none is configured."),
        (_, Some(why)) => format!("{first} none was given: {why}."),
        (WrapUpPolicy::Skip | WrapUpPolicy::Code(_) | WrapUpPolicy::Named(_), None) => {
            format!("{first} what is configured was not taken, or no agent who owes it was shown.")
        }
    }
}

fn ended(case: &Case<'_>, end: End, lines: &[TimelineLine]) -> String {
    let how = ended_how(case, end, lines);
    match came_back(case) {
        Some(back) => format!("{how} {back}"),
        None => how,
    }
}

/// What became of a guest who came back after the end.
fn came_back(case: &Case<'_>) -> Option<String> {
    let closure = &case.record.closure;
    let back = closure.returned?;
    let seen = words::moment(back.at, case.now);
    let leg = back.communication.map(|leg| format!(" on the leg {leg}")).unwrap_or_default();
    let most = case.policy.guest_returns.most();
    let then = match case.record.followed_by {
        Some(next) => format!("{} was opened to close them again.", closure_id(next)),
        None if most == 0 => "Nothing was opened for that: guestReturns is never.".to_owned(),
        None => format!(
            "Nothing more was opened for that: {} of the {most} closures that guestReturns allows came before.",
            closure.follows
        ),
    };
    Some(format!("After that, at {seen}, the guest came back{leg}. This closure stays as it ended. {then}"))
}

fn ended_how(case: &Case<'_>, end: End, lines: &[TimelineLine]) -> String {
    let ordered = || {
        let line = lines.iter().rev().find_map(|line| line.entry.operator.as_ref());
        match line {
            Some(line) => match &line.reason {
                Some(reason) => format!(" by {}: {}", line.by, quoted(reason)),
                None => format!(" by {}", line.by),
            },
            None => String::new(),
        }
    };
    match end {
        End::Closed => {
            let how = if case.record.closure.forced { "Closed by force" } else { "Closed" };
            format!("{how}: the guest is gone{} and {}.", proof_words(case), conversation_words(&case.record.closure))
        }
        End::AlreadyClosed if owes_wrap_up(&case.record.closure) => {
            "It was closed already: a read showed that everybody had left, and nothing was asked. An agent still owes a \
             wrap-up; Genesys keeps the conversation open until it is done."
                .to_owned()
        }
        End::AlreadyClosed => {
            "It was closed already: a read showed the end, and nothing was asked.".to_owned()
        }
        End::Failed(reason) => failed(case, reason),
        End::Cancelled => format!("Cancelled{}. Whatever was asked of Genesys before stays done.", ordered()),
        End::Resolved => {
            let shown_closed = case.record.closure.wrapper_accepted || case.record.closure.ended.is_some();
            let open = if shown_closed {
                ""
            } else {
                " Nothing shows that the conversation itself is closed at Genesys."
            };
            format!("Settled{}. That is an operator's word; there is no other proof.{open}", ordered())
        }
    }
}

fn failed(case: &Case<'_>, reason: FailReason) -> String {
    let closure = &case.record.closure;
    let sought_for = closure.sought.as_deref();
    let fixed = match reason {
        FailReason::NotFound if closure.conversation.is_none() => {
            return format!(
                "Failed: no open conversation with {} was found, although it was looked for {}. Nothing was closed.",
                sought(case),
                words::length(i64::from(case.policy.lookup_grace.millis()))
            );
        }
        FailReason::AmbiguousTarget => {
            let candidates = sought_for.map_or(&[][..], |sought| sought.candidates.as_slice());
            let fitting: Vec<_> = candidates.iter().map(target::candidate_words).collect();
            return format!(
                "Failed: {} open conversations fit {}, and none was guessed. Nothing was closed. They are: {}.",
                fitting.len(),
                sought(case),
                fitting.join("; ")
            );
        }
        FailReason::OpenElsewhere => {
            let found = sought_for.and_then(|sought| sought.candidates.first());
            let other = sought_for.and_then(target::other);
            return format!(
                "Failed: the conversation {} was found for {}, and the closure {} closes it. This one did nothing, and ends \
                 so that no two close the same.",
                found.map(|found| found.conversation.to_string()).unwrap_or_default(),
                sought(case),
                other.unwrap_or_default()
            );
        }
        FailReason::AgentConnected => {
            return format!(
                "Failed: an agent is connected{}, and the policy is to refuse then. Nothing was closed.",
                agent_words(closure)
            );
        }
        FailReason::ParticipantNotFound if closure.named.is_none() => {
            "Failed: the conversation has no guest. Nothing was closed."
        }
        FailReason::NotFound => {
            let known = "Genesys knows no conversation with this id in this organisation";
            return match case.before {
                None => format!("Failed: {known}."),
                Some(before) => format!("Failed: {known} any more. {}", before.words(case.now)),
            };
        }
        FailReason::ParticipantNotFound => {
            "Failed: the conversation has not the guest that the command names. Nothing was closed."
        }
        FailReason::ParticipantNotGuest => {
            "Failed: the participant that the command names is an agent, a queue or a flow. Nothing was closed."
        }
        FailReason::Abandoned => "Failed: it was held as a ghost until its time was over, and no proof came.",
    };
    fixed.to_owned()
}

/// The agent's leg, as far as it was shown, in parentheses.
fn agent_words(closure: &Closure) -> String {
    let Some((participant, communication, user)) = closure.agent else { return String::new() };
    let leg = communication.map(|leg| format!(", leg {leg}")).unwrap_or_default();
    let user = user.map(|user| format!(", user {user}")).unwrap_or_default();
    format!(" (participant {participant}{leg}{user})")
}

/// Whether an agent owes a wrap-up, and no proof shows that the conversation itself has ended.
fn owes_wrap_up(closure: &Closure) -> bool {
    closure.wrap_up == WrapUp::Pending && closure.ended.is_none()
}

/// What is known of the end of the conversation itself, once the closure is closed.
fn conversation_words(closure: &Closure) -> &'static str {
    match (owes_wrap_up(closure), closure.wrapper_accepted) {
        (false, _) => "the conversation is closed",
        (true, true) => {
            "the close of the conversation was accepted; an agent still owes a wrap-up, and Genesys may keep the \
             conversation open until it is done"
        }
        (true, false) => {
            "everybody has left; an agent still owes a wrap-up, and Genesys keeps the conversation open until it is done"
        }
    }
}

/// Whether reads show what the policy wants an event for.
pub(super) fn read_shows_the_end(case: &Case<'_>) -> bool {
    let closure = &case.record.closure;
    case.policy.evidence == Evidence::WebhookOnly
        && !closure.guest_is_proven_gone(case.policy)
        && !closure.guests.is_empty()
        && closure.guests.iter().all(|leg| leg.gone.is_some())
}

/// By what the guest is known to be gone.
fn proof_words(case: &Case<'_>) -> String {
    let closure = &case.record.closure;
    let kind =
        case.record.confirmed_by.as_ref().map(|by| by.kind).or(closure.proof().map(|proof| proof.source));
    match kind {
        None => String::new(),
        Some(kind) => {
            let adapter = case.record.confirmed_by.as_ref().and_then(|by| by.adapter.as_deref());
            let by = words::with_article(names::proof_source(kind));
            match adapter {
                Some(adapter) => format!(" (proven by {by} of \"{adapter}\")"),
                None => format!(" (proven by {by})"),
            }
        }
    }
}

/// What happens next by itself.
pub(super) fn waits_for(case: &Case<'_>) -> Option<String> {
    let closure = &case.record.closure;
    match closure.turn {
        Turn::Over => None,
        Turn::InFlight { request, until, .. } => Some(format!(
            "It waits for the answer to {}, which counts as lost at {}.",
            words::request(names::request(&request)),
            words::moment(until, case.now)
        )),
        Turn::Due { at } if at.millis() <= case.now.millis() => Some(due(case)),
        Turn::Due { .. } if matches!(case.organisation.and_then(Standing::hold), Some(Hold::Paused)) => {
            Some(format!(
                "Nothing is called: an operator has paused all calls of the organisation {}. {}",
                case.record.organisation, "Evidence that arrives counts all the same."
            ))
        }
        Turn::Due { at } => Some(format!(
            "Next by itself: {} at {}{}",
            closure.request(case.policy).map_or("a look", next_request),
            words::moment(at, case.now),
            if awaits_event(closure) { "; evidence that arrives earlier moves it on at once." } else { "." }
        )),
    }
}

fn awaits_event(closure: &Closure) -> bool {
    match closure.step {
        Step::AwaitingConfirmation | Step::Ghost(_) | Step::ClosingWrapper(_) => true,
        Step::Scheduled
        | Step::Resolving
        | Step::Verifying
        | Step::ClosingParticipant
        | Step::Forcing
        | Step::Blocked(_)
        | Step::Ended(_) => false,
    }
}

/// Why a closure that is due has not called.
fn due(case: &Case<'_>) -> String {
    let organisation = &case.record.organisation;
    match case.organisation {
        None => format!("Its next call is due, but the organisation {organisation} is not configured."),
        Some(standing) => match standing.hold() {
            Some(Hold::Paused) => format!(
                "Its next call is due, but an operator has paused all calls of the organisation {organisation}."
            ),
            Some(Hold::Blocked { until, why }) => format!(
                "Its next call is due, but Genesys refuses the organisation {organisation} at present: {}. The next probe is \
                 at {}.",
                hold::refusal(why),
                words::moment(until, case.now)
            ),
            None => format!(
                "Its next call is due and waits for its share of the quota, with {} others of the organisation {organisation}.",
                standing.status.ready.saturating_sub(1)
            ),
        },
    }
}

const fn next_request(request: Request) -> &'static str {
    match request {
        Request::LookUp => "the conversation is looked up",
        Request::Read => "the conversation is read",
        Request::CloseParticipant(_) => "the guest's close is asked",
        Request::CloseWrapper(_) => "the conversation's close is asked",
        Request::GiveWrapUp { .. } => "the wrap-up is given",
        Request::Disconnect => "the forced teardown is asked",
    }
}

/// The proof that is missing.
pub(super) fn missing(case: &Case<'_>) -> Vec<String> {
    let closure = &case.record.closure;
    if closure.has_ended() {
        return Vec::new();
    }
    if closure.conversation.is_none() {
        return vec![format!(
            "A lookup that finds one open conversation with {}, and a read of it.",
            sought(case)
        )];
    }
    if closure.guests.is_empty() && closure.ended.is_none() {
        return vec!["A read that shows the conversation and its guest.".to_owned()];
    }
    let kind = match case.policy.evidence {
        Evidence::WebhookOrReadBack => "an event that names it, or a read that shows it disconnected",
        Evidence::WebhookOnly => "an event that names it (the policy takes no read for it)",
    };
    let guest_is_gone = closure.guest_is_proven_gone(case.policy);
    let mut missing: Vec<String> = closure
        .guests
        .iter()
        .filter(|leg| !guest_is_gone && !leg.proven(case.policy))
        .map(|leg| match leg.communication {
            Some(communication) => {
                format!("That the guest {} left its session {communication}: {kind}.", leg.participant)
            }
            None => format!("That the guest {} left: {kind}.", leg.participant),
        })
        .collect();
    if !closure.wrapper_accepted && closure.ended.is_none() {
        missing.push(
            "That the conversation itself is closed: an accepted close that nothing contradicts, or a read that shows its \
             end."
            .to_owned(),
        );
    }
    missing
}

fn times(number: u32) -> String {
    match number {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        more => format!("{more} times"),
    }
}
