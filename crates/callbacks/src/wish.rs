//! What a receiver wants to be told of: the words of `on`, and the events that each stands for.

/// The words of `on` and the types of event (interfaces §7) that each stands for.
const WORDS: &[(&str, &[&str])] = &[
    ("accepted", &["closeout.closure.accepted.v1"]),
    ("participant_closed", &["closeout.closure.participant-closed.v1"]),
    ("confirmed", &["closeout.closure.confirmed.v1"]),
    // Whoever waits for the end is told of it whoever brought it about.
    ("closed", &["closeout.closure.closed.v1", "closeout.closure.already-closed.v1"]),
    ("already_closed", &["closeout.closure.already-closed.v1"]),
    ("blocked", &["closeout.closure.blocked.v1"]),
    ("ghost", &["closeout.closure.ghost-detected.v1"]),
    ("ghost_cleared", &["closeout.closure.ghost-cleared.v1"]),
    ("failed", &["closeout.closure.failed.v1"]),
    ("cancelled", &["closeout.closure.cancelled.v1"]),
    ("resolved", &["closeout.closure.resolved.v1"]),
    ("guest_returned", &["closeout.closure.guest-returned.v1"]),
];

/// The words that are about adapters and batches, and so for tables alone: they belong to no closure.
const TABLE_WORDS: &[(&str, &[&str])] = &[
    ("adapter_silent", &["closeout.adapter.silent.v1"]),
    ("adapter_recovered", &["closeout.adapter.recovered.v1"]),
    ("batch_finished", &["closeout.batch.finished.v1"]),
    ("batch_found", &["closeout.batch.found.v1"]),
];

/// What is told to whoever does not say: every end, and the ghost, which is no end but wants to be seen.
pub const USUAL: &[&str] = &["closed", "ghost", "failed", "cancelled", "resolved"];

/// Every word that the callback of a command may name.
pub fn words() -> impl Iterator<Item = &'static str> {
    WORDS.iter().map(|(word, _)| *word)
}

/// Every word that a `[[callback]]` table may name.
pub fn table_words() -> impl Iterator<Item = &'static str> {
    all().map(|(word, _)| *word)
}

fn all() -> impl Iterator<Item = &'static (&'static str, &'static [&'static str])> {
    WORDS.iter().chain(TABLE_WORDS)
}

/// Whether a receiver with these words wants to be told of an event of this type. Words that are not known tell nothing.
pub fn wants<T: AsRef<str>>(on: &[T], event: &str) -> bool {
    on.iter().any(|wanted| all().any(|(word, events)| *word == wanted.as_ref() && events.contains(&event)))
}

#[cfg(test)]
mod tests {
    use closure_machine::Announcement;
    use orchestrator::names;

    use super::*;

    #[test]
    fn every_event_has_a_word_and_every_word_an_event() {
        let all = [
            Announcement::Accepted,
            Announcement::ParticipantClosed,
            Announcement::Confirmed,
            Announcement::Closed,
            Announcement::AlreadyClosed,
            Announcement::Blocked,
            Announcement::GhostDetected,
            Announcement::GhostCleared,
            Announcement::Failed,
            Announcement::Cancelled,
            Announcement::Resolved,
            Announcement::GuestReturned,
        ]
        .map(names::announcement);
        for event in all {
            assert!(words().any(|word| wants(&[word], event)), "{event}");
        }
        for (word, events) in WORDS {
            assert!(events.iter().all(|event| all.contains(event)), "{word}");
        }
    }

    #[test]
    fn a_receiver_is_told_of_what_it_names_and_of_nothing_else() {
        assert!(wants(&["closed"], "closeout.closure.already-closed.v1"));
        assert!(!wants(&["already_closed"], "closeout.closure.closed.v1"));
        assert!(!wants(USUAL, "closeout.closure.accepted.v1"));
        assert!(wants(&["adapter_silent"], "closeout.adapter.silent.v1"));
        assert!(!wants(&["adapter_silent"], "closeout.adapter.recovered.v1"));
        assert!(
            !words().any(|word| wants(&[word], "closeout.adapter.silent.v1")),
            "it belongs to no closure"
        );
        assert!(!wants::<&str>(&[], "closeout.closure.closed.v1"));
    }
}
