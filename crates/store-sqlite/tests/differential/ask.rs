//! One act, asked of one store.

use super::*;

/// What is asked of both stores.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "there are few at a time")]
pub(super) enum Act {
    Commit(Commit),
    Quarantine(Quarantined),
    Prune(Millis, Millis, usize),
    Cursor(String, u64),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Taken(u64),
    Refused(String),
    Unavailable,
}

/// Whether an act builds upon the damaged row: SQLite refuses it after its checks of key and event.
pub(super) fn is_hopeless(act: &Act) -> bool {
    matches!(act, Act::Commit(Commit { closure: Some((row, _)), .. }) if row.key == samples::key(DAMAGED))
}

pub(super) type Asked<'store> = Pin<Box<dyn Future<Output = Answer> + Send + 'store>>;

pub(super) fn ask(store: &dyn Store, act: Act) -> Asked<'_> {
    match act {
        // Outside of the future: a commit is in line when the call returns.
        Act::Commit(commit) => {
            let commit = store.commit(commit);
            Box::pin(async { told(commit.await.map(|()| 0)) })
        }
        Act::Quarantine(record) => Box::pin(async {
            told(store.quarantine(record).await.map(|()| 0).map_err(CommitRefused::Unavailable))
        }),
        Act::Prune(rows, inbox, limit) => Box::pin(async move {
            told(store.prune(rows, inbox, limit).await.map_err(CommitRefused::Unavailable))
        }),
        Act::Cursor(name, position) => Box::pin(async move {
            told(store.move_cursor(&name, position).await.map(|()| 0).map_err(CommitRefused::Unavailable))
        }),
    }
}

pub(super) fn told(answer: Result<u64, CommitRefused>) -> Answer {
    match answer {
        Ok(count) => Answer::Taken(count),
        Err(CommitRefused::Unavailable(_)) => Answer::Unavailable,
        Err(refused) => Answer::Refused(format!("{refused:?}")),
    }
}
