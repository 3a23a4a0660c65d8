//! The stored form of what operators say about a ghost.

use genesys_types::Time;
use serde::{Deserialize, Serialize};

use crate::handling::{Handling, Word};

#[derive(Serialize, Deserialize)]
struct StoredWord {
    by: String,
    at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct StoredHandling {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claimed: Option<StoredWord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    snoozed: Option<(i64, StoredWord)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    comment: Option<StoredWord>,
}

impl From<&Word> for StoredWord {
    fn from(word: &Word) -> Self {
        Self { by: word.by.clone(), at: word.at.millis(), text: word.text.clone() }
    }
}

impl From<StoredWord> for Word {
    fn from(stored: StoredWord) -> Self {
        Self { by: stored.by, at: Time::from_millis(stored.at), text: stored.text }
    }
}

impl From<&Handling> for StoredHandling {
    fn from(handling: &Handling) -> Self {
        Self {
            claimed: handling.claimed.as_ref().map(StoredWord::from),
            snoozed: handling.snoozed.as_ref().map(|(until, word)| (until.millis(), word.into())),
            comment: handling.comment.as_ref().map(StoredWord::from),
        }
    }
}

impl From<StoredHandling> for Handling {
    fn from(stored: StoredHandling) -> Self {
        Self {
            claimed: stored.claimed.map(Word::from),
            snoozed: stored.snoozed.map(|(until, word)| (Time::from_millis(until), word.into())),
            comment: stored.comment.map(Word::from),
        }
    }
}
