//! What operators say about a ghost: who sees to it, until when it is known, and why. It is no evidence and moves nothing.
//!
//! It lasts as long as the ghost; the journal keeps it for good.

use closure_machine::{Announcement, Closure};
use genesys_types::Time;

/// What an operator says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// I see to it; `take_over`: also where somebody else has said so.
    Claim {
        /// Whether what somebody else said is no hindrance.
        take_over: bool,
    },
    /// It is known; it need not be told again before this time.
    Snooze(Time),
    /// Something that others should know.
    Comment,
}

/// Who said it, when, and in what words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The name of the key.
    pub by: String,
    /// When.
    pub at: Time,
    /// The reason or the comment.
    pub text: Option<String>,
}

/// What stands about a ghost, of each kind the latest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Handling {
    /// Who sees to it.
    pub claimed: Option<Word>,
    /// Until when it is not told again.
    pub snoozed: Option<(Time, Word)>,
    /// The latest comment.
    pub comment: Option<Word>,
}

impl Note {
    /// The name, as of an act.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Claim { .. } => "claim",
            Self::Snooze(_) => "snooze",
            Self::Comment => "comment",
        }
    }

    pub(crate) const fn until(&self) -> Option<Time> {
        match self {
            Self::Snooze(until) => Some(*until),
            Self::Claim { .. } | Self::Comment => None,
        }
    }
}

impl Handling {
    /// The same with what is said now.
    pub(crate) fn with(mut self, note: &Note, word: Word) -> Self {
        match note {
            Note::Claim { .. } => self.claimed = Some(word),
            Note::Snooze(until) => self.snoozed = Some((*until, word)),
            Note::Comment => self.comment = Some(word),
        }
        self
    }

    /// Whether the same operator has said the same last, so that saying it again changes nothing.
    pub(crate) fn has(&self, note: &Note, by: &str, text: Option<&str>) -> bool {
        let same = |word: &Word| word.by == by && word.text.as_deref() == text;
        match note {
            // To claim it again without a word keeps the word that stands.
            Note::Claim { .. } => {
                self.claimed.as_ref().is_some_and(|word| same(word) || (word.by == by && text.is_none()))
            }
            Note::Snooze(until) => {
                self.snoozed.as_ref().is_some_and(|(stands, word)| stands == until && same(word))
            }
            Note::Comment => self.comment.as_ref().is_some_and(same),
        }
    }

    /// Who else claims it.
    pub(crate) fn held_by_another(&self, by: &str) -> Option<&Word> {
        self.claimed.as_ref().filter(|word| word.by != by)
    }

    /// When a snooze is over.
    pub(crate) fn snooze_ends(&self) -> Option<Time> {
        self.snoozed.as_ref().map(|(until, _)| *until)
    }

    /// What stands after a transition, and what is told of it. A snoozed ghost is not told again; once its time is over, the
    /// next transition tells it, and a wake-up at that time makes one. A ghost that is over takes what was said with it.
    pub(crate) fn after(
        mut self,
        next: &Closure,
        announces: &mut Vec<Announcement>,
        now: Time,
    ) -> Option<Self> {
        next.haunted?;
        match self.snooze_ends() {
            Some(until) if now < until => announces.retain(|told| *told != Announcement::GhostDetected),
            Some(_) => {
                self.snoozed = None;
                if !announces.contains(&Announcement::GhostDetected) {
                    announces.push(Announcement::GhostDetected);
                }
            }
            None => {}
        }
        (self != Self::default()).then_some(self)
    }
}

#[cfg(test)]
mod tests {
    use closure_machine::{Command, Ghost, GhostReason, Moment, Policy, Subject, accept};
    use genesys_types::ConversationId;
    use uuid::Uuid;

    use super::*;

    const CLAIM: Note = Note::Claim { take_over: false };

    fn at(millis: i64) -> Time {
        Time::from_millis(millis)
    }

    fn word(by: &str) -> Word {
        Word { by: by.to_owned(), at: at(1), text: Some("seen".to_owned()) }
    }

    fn closure(haunted: bool) -> Closure {
        let command = Command {
            subject: Subject::Conversation(ConversationId::from_uuid(Uuid::from_u128(1))),
            participant: None,
            not_before: None,
            follows: 0,
        };
        let mut closure = accept(&command, &Policy::default(), Moment { now: at(1), may_call: false }).next;
        closure.haunted =
            haunted.then_some(Ghost { reason: GhostReason::NoConfirmation, since: at(1), looks: 0 });
        closure
    }

    #[test]
    fn a_snoozed_ghost_is_told_again_once_its_time_is_over_and_only_once() {
        let snoozed = Handling::default().with(&Note::Snooze(at(100)), word("a"));
        let mut told = vec![Announcement::GhostDetected];
        let stands = snoozed.after(&closure(true), &mut told, at(99)).unwrap();
        assert_eq!((told.len(), stands.snoozed.is_some()), (0, true));
        let stands = stands.with(&CLAIM, word("a")).after(&closure(true), &mut told, at(100)).unwrap();
        assert_eq!((told.as_slice(), stands.snoozed.is_none()), (&[Announcement::GhostDetected][..], true));
        told.clear();
        assert!(stands.after(&closure(true), &mut told, at(200)).is_some() && told.is_empty());
    }

    #[test]
    fn a_claim_is_another_s_for_everybody_else() {
        let claimed = Handling::default().with(&CLAIM, word("a"));
        assert_eq!(claimed.held_by_another("b"), Some(&word("a")));
        assert_eq!((claimed.held_by_another("a"), Handling::default().held_by_another("b")), (None, None));
        let taken = claimed.with(&Note::Claim { take_over: true }, word("b"));
        assert_eq!(taken.held_by_another("a"), Some(&word("b")));
    }

    #[test]
    fn what_was_said_goes_with_the_ghost() {
        let mut told = vec![Announcement::GhostCleared];
        let claimed = Handling::default().with(&CLAIM, word("a"));
        assert_eq!(claimed.after(&closure(false), &mut told, at(5)), None);
        assert_eq!(told, [Announcement::GhostCleared]);
    }

    #[test]
    fn the_same_word_of_the_same_operator_is_no_news() {
        for note in [CLAIM, Note::Snooze(at(100)), Note::Comment] {
            let handling = Handling::default().with(&note, word("a"));
            assert!(handling.has(&note, "a", Some("seen")), "{note:?}");
            assert!(!handling.has(&note, "b", Some("seen")) && !handling.has(&note, "b", None), "{note:?}");
            assert!(!handling.has(&note, "a", Some("another")), "{note:?}");
            // Who claims it once more, and says nothing, means what was said.
            assert_eq!(handling.has(&note, "a", None), note == CLAIM, "{note:?}");
        }
        let snoozed = Handling::default().with(&Note::Snooze(at(100)), word("a"));
        assert!(!snoozed.has(&Note::Snooze(at(101)), "a", Some("seen")));
    }
}
