//! What becomes of a row and of a batch: decisions alone.

use orchestrator::{SubmitError, Submitted};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::stored::Narrowing;

macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$said:meta])* $word:ident = $text:literal,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$said])* $word,)* }

        impl $name {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$word),*];

            /// The name in the store and in answers. It never changes.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$word => $text,)* }
            }

            /// The one of a name.
            pub fn of(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|word| word.name() == name)
            }
        }
    };
}

words! {
    /// How a batch stands.
    BatchState {
        /// Stuck sessions are looked for; nothing is done.
        Scanning = "scanning",
        /// Shown, and nothing done.
        Preview = "preview",
        /// Its rows are being submitted, or what they set off is followed.
        Running = "running",
        /// No further row is submitted; what was set off is followed.
        Paused = "paused",
        /// No row will be submitted any more; what was set off is followed.
        Cancelled = "cancelled",
        /// Every row is settled.
        Finished = "finished",
        /// What was looked for could not be listed; nothing was done.
        Failed = "failed",
    }
}

words! {
    /// How a row stands.
    RowState {
        /// It would be, or will be, submitted.
        Queued = "queued",
        /// A closure answers for it, and has not ended.
        Submitted = "submitted",
        /// Its closure ended as it should: closed, closed already, or settled by an operator.
        Closed = "closed",
        /// Its closure is held without proof.
        Ghost = "ghost",
        /// Its closure failed or was called off, or none could be opened.
        Failed = "failed",
        /// Nothing was done for it.
        Skipped = "skipped",
    }
}

words! {
    /// Why nothing is done for a row.
    Skip {
        /// It cannot be read as a command.
        Malformed = "malformed",
        /// The batch has a row for the same conversation, or with the same key, before it.
        Duplicate = "duplicate",
        /// Its idempotency key was used before.
        Repeated = "repeated",
        /// Its conversation has an open closure.
        OpenClosure = "open_closure",
        /// Its conversation was closed before, and nobody came back since.
        ClosedAlready = "closed_already",
        /// The batch was called off before its turn.
        Cancelled = "cancelled",
        /// Of acts: the act does not fit how the closure stands.
        Unfit = "unfit",
        /// Of a scan: it has ended by now.
        Ended = "ended",
        /// There is no such closure; of a scan, no such conversation any more.
        NotFound = "not_found",
        /// Of a scan: it is none of messaging.
        NotMessaging = "not_messaging",
        /// Of a scan: it has no guest whose session could be closed.
        NoGuest = "no_guest",
        /// Of a scan: a human agent is connected.
        AgentConnected = "agent_connected",
        /// Of a scan: the guest is gone, and an agent still owes the wrap-up.
        WrapUpPending = "wrapup_pending",
        /// Of a scan: it has not been open for so long.
        TooYoung = "too_young",
        /// Of a scan: somebody came or left lately.
        ActiveLately = "active_lately",
        /// Of a scan: it was in another queue.
        OtherQueue = "other_queue",
        /// Of a scan: it has another message type.
        OtherMessageType = "other_message_type",
        /// Of a scan: Genesys did not show it.
        NotShown = "not_shown",
    }
}

/// How things stand for a row's conversation, as far as this service knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing stands in the way.
    Free,
    /// Its key stands for this closure; for the same command, or for another.
    KeyUsed { closure: Uuid, same: bool },
    /// This closure is open.
    Open(Uuid),
    /// This closure has ended, and the guest was gone.
    Closed(Uuid),
}

/// What a row becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) state: RowState,
    pub(crate) closure: Option<Uuid>,
    pub(crate) reason: Option<String>,
    /// The reason in words, where it has some.
    pub(crate) detail: Option<String>,
}

impl Fate {
    pub(crate) fn skipped(why: Skip, closure: Option<Uuid>) -> Self {
        Self { state: RowState::Skipped, closure, reason: Some(why.name().to_owned()), detail: None }
    }

    /// Of an act that does not fit how the closure stands, which is said in words.
    pub(crate) fn unfit(detail: String) -> Self {
        Self { detail: Some(detail), ..Self::skipped(Skip::Unfit, None) }
    }

    fn failed(why: &str, closure: Option<Uuid>) -> Self {
        Self { state: RowState::Failed, closure, reason: Some(why.to_owned()), detail: None }
    }

    fn submitted(closure: Uuid) -> Self {
        Self { state: RowState::Submitted, closure: Some(closure), reason: None, detail: None }
    }
}

/// How a closure stood for whoever was shown it, and how it stands now: its state, and the reason of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stands<'a> {
    pub(crate) shown: &'a str,
    pub(crate) state: &'a str,
    pub(crate) reason: Option<&'a str>,
}

/// Why an act is not done any more to a closure that was shown for it, in words; nothing where it stands as it did. It is still the
/// same ghost after a further look or a comment; one that somebody retries is none. What is under way goes on by itself, unless the
/// filter names the states that it may have. What has ended the act itself judges.
pub(crate) fn changed(stands: Stands<'_>, filter: Option<&Narrowing>) -> Option<String> {
    let Stands { shown, state, reason } = stands;
    if standing(state) == "ended" {
        return None;
    }
    let words = |text: &str| text.replace('_', " ");
    let one_of = |wanted: &[String], is: Option<&str>| {
        wanted.is_empty() || is.is_some_and(|is| wanted.iter().any(|wanted| wanted == is))
    };
    let matches =
        filter.is_none_or(|filter| one_of(&filter.states, Some(state)) && one_of(&filter.reasons, reason));
    if standing(shown) != standing(state) || (!matches && shown != state) {
        return Some(format!("it was {} in the preview, and is {} now", words(shown), words(state)));
    }
    let why = || words(reason.unwrap_or("without a reason"));
    (!matches).then(|| format!("it is {} now, which the filter does not match", why()))
}

/// What of a closure's state an act goes by: that it has ended, that it is under way, or what it waits in.
fn standing(closure_state: &str) -> &str {
    match closure_state {
        "accepted"
        | "resolving"
        | "verifying"
        | "closing_participant"
        | "awaiting_confirmation"
        | "closing_wrapper" => "under way",
        "closed" | "already_closed" | "failed" | "cancelled" | "resolved" => "ended",
        waits => waits,
    }
}

/// What a preview says of a row that can be read and is no duplicate; nothing where it would be closed.
pub(crate) fn shown(standing: Standing) -> Option<Fate> {
    match standing {
        Standing::Free => None,
        Standing::KeyUsed { closure, same: _ } => Some(Fate::skipped(Skip::Repeated, Some(closure))),
        Standing::Open(closure) => Some(Fate::skipped(Skip::OpenClosure, Some(closure))),
        Standing::Closed(closure) => Some(Fate::skipped(Skip::ClosedAlready, Some(closure))),
    }
}

/// What is done with a row whose turn has come; nothing where it is submitted. A key that stands for the same command was used by
/// this row before a crash, or by the producer itself: either way that closure answers for it.
pub(crate) fn before_acting(standing: Standing) -> Option<Fate> {
    match standing {
        Standing::Free => None,
        Standing::KeyUsed { closure, same: true } => Some(Fate::submitted(closure)),
        Standing::KeyUsed { closure, same: false } => Some(Fate::skipped(Skip::Repeated, Some(closure))),
        Standing::Open(closure) => Some(Fate::skipped(Skip::OpenClosure, Some(closure))),
        Standing::Closed(closure) => Some(Fate::skipped(Skip::ClosedAlready, Some(closure))),
    }
}

/// What a row becomes by its submission; nothing where it is tried again later.
pub(crate) fn after_submission(result: &Result<Submitted, SubmitError>) -> Option<Fate> {
    match result {
        Ok(
            Submitted::Accepted(record) | Submitted::Attached(record) | Submitted::Repeated { record, .. },
        ) => Some(Fate::submitted(record.key)),
        Err(SubmitError::Full { .. } | SubmitError::Stopping | SubmitError::Unavailable(_)) => None,
        Err(SubmitError::Contradicts { closure, what: _ }) => {
            Some(Fate::skipped(Skip::OpenClosure, Some(*closure)))
        }
        Err(SubmitError::KeyReused) => Some(Fate::failed("idempotency_key_reused", None)),
        Err(SubmitError::SetAside(closure)) => Some(Fate::failed("unreadable_record", Some(*closure))),
        Err(SubmitError::UnknownOrganisation) => Some(Fate::failed("unknown_organisation", None)),
        Err(SubmitError::Ambiguous { candidates: _ }) => Some(Fate::failed("ambiguous_target", None)),
    }
}

/// How the row of a closure in this state stands.
pub(crate) fn followed(closure_state: &str) -> RowState {
    match closure_state {
        "closed" | "already_closed" | "resolved" => RowState::Closed,
        "failed" | "cancelled" => RowState::Failed,
        "ghost" => RowState::Ghost,
        _ => RowState::Submitted,
    }
}

/// The token of a batch: SHA-256 over its key, its organisation, and the number and text of every row that would be closed.
pub(crate) fn token<'a>(
    batch: Uuid,
    organisation: &str,
    rows: impl Iterator<Item = (u32, &'a str)>,
) -> String {
    let mut digest = Sha256::new();
    digest.update(batch.as_bytes());
    digest.update(organisation);
    digest.update([0]);
    for (number, text) in rows {
        digest.update(number.to_be_bytes());
        digest.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(text);
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What an operator or a producer asks of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    Execute,
    Pause,
    Resume,
    Cancel,
}

/// How a batch stands after an act; nothing where the act does not fit. An act that is repeated changes nothing: whoever lost the first
/// answer gets the same again, however late. To execute is no way back from a pause.
pub(crate) fn acted(state: BatchState, ask: Ask) -> Option<BatchState> {
    use BatchState::{Cancelled, Failed, Finished, Paused, Preview, Running, Scanning};
    match (state, ask) {
        (Preview, Ask::Execute) => Some(Running),
        (Running | Finished, Ask::Execute) => Some(state),
        (Running | Paused, Ask::Pause) => Some(Paused),
        (Running | Paused, Ask::Resume) => Some(Running),
        (Scanning | Preview | Running | Paused | Cancelled, Ask::Cancel) => Some(Cancelled),
        (Scanning | Paused | Cancelled | Failed, Ask::Execute)
        | (Scanning | Preview | Cancelled | Finished | Failed, Ask::Pause | Ask::Resume)
        | (Finished | Failed, Ask::Cancel) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const C: Uuid = Uuid::from_u128(7);

    #[test]
    fn a_row_is_submitted_only_where_nothing_stands_in_the_way() {
        assert_eq!((shown(Standing::Free), before_acting(Standing::Free)), (None, None));
        for (standing, why) in
            [(Standing::Open(C), Skip::OpenClosure), (Standing::Closed(C), Skip::ClosedAlready)]
        {
            assert_eq!(shown(standing), Some(Fate::skipped(why, Some(C))));
            assert_eq!(before_acting(standing), Some(Fate::skipped(why, Some(C))));
        }
    }

    #[test]
    fn the_closure_behind_a_rows_own_key_answers_for_it_after_a_crash() {
        let same = Standing::KeyUsed { closure: C, same: true };
        assert_eq!(before_acting(same), Some(Fate::submitted(C)));
        assert_eq!(shown(same), Some(Fate::skipped(Skip::Repeated, Some(C))));
        let other = Standing::KeyUsed { closure: C, same: false };
        assert_eq!(before_acting(other), Some(Fate::skipped(Skip::Repeated, Some(C))));
    }

    #[test]
    fn what_may_pass_is_tried_again_and_everything_else_is_settled() {
        let unavailable = store::StoreUnavailable { why: "gone".to_owned() };
        for later in [
            SubmitError::Full { retry_after: genesys_types::Span::from_secs(1) },
            SubmitError::Stopping,
            SubmitError::Unavailable(unavailable),
        ] {
            assert_eq!(after_submission(&Err(later)), None);
        }
        let settled = |error| after_submission(&Err(error)).unwrap().state;
        assert_eq!(settled(SubmitError::Contradicts { closure: C, what: "order" }), RowState::Skipped);
        for error in [SubmitError::KeyReused, SubmitError::SetAside(C), SubmitError::UnknownOrganisation] {
            assert_eq!(settled(error), RowState::Failed);
        }
    }

    #[test]
    fn every_state_of_a_closure_is_one_of_its_row() {
        let of = |wanted: RowState| {
            orchestrator::names::STATES
                .into_iter()
                .filter(|state| followed(state) == wanted)
                .collect::<Vec<_>>()
        };
        assert_eq!(of(RowState::Closed), ["closed", "already_closed", "resolved"]);
        assert_eq!(of(RowState::Failed), ["failed", "cancelled"]);
        assert_eq!(of(RowState::Ghost), ["ghost"]);
        assert_eq!(of(RowState::Submitted).len(), 8);
    }

    #[test]
    fn an_act_is_for_a_closure_that_stands_as_it_was_shown() {
        fn change(shown: &str, state: &str, filter: Option<&Narrowing>) -> Option<String> {
            changed(Stands { shown, state, reason: None }, filter)
        }
        for shown in orchestrator::names::STATES {
            for state in orchestrator::names::STATES {
                let same = standing(state) == "ended" || standing(shown) == standing(state);
                assert_eq!(change(shown, state, None).is_none(), same, "{shown} {state}");
            }
        }
        assert_eq!(
            change("ghost", "awaiting_confirmation", None).unwrap(),
            "it was ghost in the preview, and is awaiting confirmation now"
        );
        let states = |states: &[&str]| Narrowing {
            states: states.iter().map(|&state| state.to_owned()).collect(),
            ..Narrowing::default()
        };
        assert_eq!(change("verifying", "closing_participant", None), None);
        assert!(change("verifying", "closing_participant", Some(&states(&["verifying"]))).is_some());
        assert_eq!(
            change("verifying", "closing_participant", Some(&states(&["verifying", "closing_participant"]))),
            None
        );
        let reasons = Narrowing { reasons: vec!["no_confirmation".to_owned()], ..states(&["ghost"]) };
        let ghost = |reason| Stands { shown: "ghost", state: "ghost", reason: Some(reason) };
        assert_eq!(changed(ghost("no_confirmation"), Some(&reasons)), None);
        assert_eq!(
            changed(ghost("wrapper_open"), Some(&reasons)).unwrap(),
            "it is wrapper open now, which the filter does not match"
        );
    }

    #[test]
    fn a_token_is_bound_to_the_batch_the_organisation_and_every_row() {
        let one = token(C, "main", [(1, "a"), (2, "b")].into_iter());
        assert_eq!(one.len(), 64);
        assert_eq!(one, token(C, "main", [(1, "a"), (2, "b")].into_iter()));
        for other in [
            token(Uuid::nil(), "main", [(1, "a"), (2, "b")].into_iter()),
            token(C, "other", [(1, "a"), (2, "b")].into_iter()),
            token(C, "main", [(1, "a"), (3, "b")].into_iter()),
            token(C, "main", [(1, "a"), (2, "c")].into_iter()),
            token(C, "main", std::iter::once((1, "a"))),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn the_acts_that_fit_each_state() {
        let fits = |state: BatchState| {
            [Ask::Execute, Ask::Pause, Ask::Resume, Ask::Cancel]
                .map(|ask| acted(state, ask).map(BatchState::name))
        };
        let table = [
            (BatchState::Scanning, [None, None, None, Some("cancelled")]),
            (BatchState::Preview, [Some("running"), None, None, Some("cancelled")]),
            (BatchState::Running, [Some("running"), Some("paused"), Some("running"), Some("cancelled")]),
            (BatchState::Paused, [None, Some("paused"), Some("running"), Some("cancelled")]),
            (BatchState::Cancelled, [None, None, None, Some("cancelled")]),
            (BatchState::Finished, [Some("finished"), None, None, None]),
            (BatchState::Failed, [None, None, None, None]),
        ];
        for (state, wanted) in table {
            assert_eq!(fits(state), wanted, "{state:?}");
        }
    }

    #[test]
    fn a_word_is_read_as_it_is_written() {
        BatchState::ALL.iter().for_each(|word| assert_eq!(BatchState::of(word.name()), Some(*word)));
        RowState::ALL.iter().for_each(|word| assert_eq!(RowState::of(word.name()), Some(*word)));
        Skip::ALL.iter().for_each(|word| assert_eq!(Skip::of(word.name()), Some(*word)));
    }
}
