//! Closing several conversations by one command: requested a few at a time, and awaited together.

use std::{sync::Arc, time::Instant};

use futures_util::{StreamExt as _, stream};
use serde_json::Value;
use uuid::Uuid;

use super::{
    close::{CloseArgs, Wanted, close_one, progress, request},
    look, plan,
    wait::{exit_of, look_again, wait_until},
};
use crate::{
    client::Api,
    exit::{Exit, Failure},
    output::{self, Voice},
};

/// Requests under way at once. The server commits many at a time, so a few in parallel make it fast.
const AT_ONCE: usize = 16;

/// Ends that are awaited at once. Those behind are looked at when one of these has ended, and all of them when the time is over.
const AWAITED_AT_ONCE: usize = 64;

/// Requests all of them, and waits for their ends together. Each refusal is told, and the rest goes on.
///
/// # Errors
///
/// When the server is not there, or stdout cannot be written.
pub(super) async fn run(
    args: &CloseArgs,
    api: &Api,
    voice: &Voice,
    conversations: &[Uuid],
) -> Result<Exit, Failure> {
    let until = args.wait.filter(|_| !args.dry_run).map(|wait| Instant::now() + wait);
    let bar = Arc::new(progress(conversations.len(), voice));
    let mut work = stream::iter(conversations.iter().copied().enumerate().map(|(index, conversation)| {
        let bar = Arc::clone(&bar);
        async move {
            let wanted = Wanted::Conversation(conversation);
            let closed = match until {
                // Each is asked for before the end of any is awaited.
                Some(_) => request(args, api, &wanted, None).await,
                None => close_one(args, api, &wanted).await,
            };
            bar.inc(1);
            (index, conversation, closed)
        }
    }))
    .buffer_unordered(AT_ONCE);
    let mut results = Vec::with_capacity(conversations.len());
    while let Some(result) = work.next().await {
        // Without a server every further request would wait in vain too.
        if let (_, _, Err(failure)) = &result
            && failure.exit == Exit::Unreachable
            && results.is_empty()
        {
            bar.finish_and_clear();
            return Err(failure.clone());
        }
        results.push(result);
    }
    drop(work);
    bar.finish_and_clear();
    if let Some(until) = until {
        results = awaited(api, results, until).await;
    }
    results.sort_by_key(|(index, _, _)| *index);
    let mut exits = Vec::with_capacity(results.len());
    let mut items = Vec::with_capacity(results.len());
    for (_, conversation, result) in results {
        match result {
            Ok(closed) => {
                exits.push(match (args.dry_run, args.wait) {
                    (true, _) => plan::exit_of(&closed),
                    (false, Some(_)) => exit_of(&closed),
                    (false, None) => Exit::Done,
                });
                items.push(closed);
            }
            Err(failure) => {
                exits.push(failure.exit);
                eprintln!("{}", failure.about(conversation));
            }
        }
    }
    if args.dry_run {
        output::write(&plan::all(&items, false, voice))?;
    } else {
        look::show(&items, false, voice)?;
        items.iter().filter(|_| args.wait.is_some()).for_each(|item| look::tell_problem(item, false, voice));
    }
    Ok(Exit::of_several(exits))
}

/// What became of a conversation: its place in the input, its id, and its closure.
type Closed = (usize, Uuid, Result<Value, Failure>);

/// Waits for the ends of what was requested, together for as long as one command may wait.
async fn awaited(api: &Api, requested: Vec<Closed>, until: Instant) -> Vec<Closed> {
    stream::iter(requested.into_iter().map(|(index, conversation, requested)| async move {
        let closed = match requested {
            // Those before it have used up the time; it may have ended meanwhile.
            Ok(closure) if until <= Instant::now() => look_again(api, closure).await,
            Ok(closure) => wait_until(api, closure, until).await,
            Err(failure) => Err(failure),
        };
        (index, conversation, closed)
    }))
    .buffer_unordered(AWAITED_AT_ONCE)
    .collect()
    .await
}
