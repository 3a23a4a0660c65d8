//! A clean closure, as it comes to the store.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use store::{Commit, InboxEntry, KeyEntry, Line, Millis, Row, Store, conformance::samples};
use uuid::Uuid;

/// The states of a clean closure, and whether the line that leads there is announced.
pub const STATES: [(&str, bool); 5] = [
    ("verifying", false),
    ("closing_participant", false),
    ("awaiting_confirmation", false),
    ("closing_wrapper", true),
    ("closed", true),
];

/// Takes a new closure through five commits, and notes how long each took.
pub async fn close_one(store: &dyn Store, body: &Bytes, waits: &mut Vec<Duration>) {
    let id = Uuid::now_v7();
    let now = now();
    let mut row = Row {
        key: id,
        conversation: Some(Uuid::new_v4()),
        participant: Some(Uuid::new_v4()),
        created_at: now,
        updated_at: now,
        body: body.clone(),
        ..samples::row(0)
    };
    for (step, (state, announced)) in (1..).zip(STATES) {
        row.version = step;
        row.state = state.to_owned();
        row.ended = state == "closed";
        row.wake_at = (!row.ended).then_some(now + 30_000);
        row.updated_at += 1;
        let line = Line {
            body: body.slice(..body.len() / 2),
            ..samples::line(step, announced.then_some("closure.moved"))
        };
        let commit = Commit {
            lines: vec![line],
            key: (step == 1).then(|| KeyEntry {
                closure: id,
                used_at: now,
                ..samples::idempotency_key(&id.to_string())
            }),
            inbox: (state == "closing_wrapper").then(|| InboxEntry {
                conversation: row.conversation,
                received_at: now,
                ..samples::event(&id.to_string())
            }),
            closure: Some((row.clone(), step - 1)),
        };
        let asked = Instant::now();
        store.commit(commit).await.expect("a clean closure is taken");
        waits.push(asked.elapsed());
    }
}

/// The present moment, as rows have it.
pub fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    Millis::try_from(since.as_millis()).expect("the clock is before the year 292 million")
}
