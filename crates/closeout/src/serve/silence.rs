//! Notices when a webhook has gone silent although closures wait for its events: one warning per silence.

use std::time::Duration;

use genesys_types::{Organisation, Span, Time};
use orchestrator::Orchestrator;
use store::{Filter, Order};
use tokio_util::sync::CancellationToken;
use webhook_receiver::{HookResult, ReceivedFilter, ReceivedLog};

/// How often is looked, at most.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// How many closures are looked through for one that waited.
const LOOK_THROUGH: usize = 50;

/// Looks at every hook until the stop.
pub async fn watch(
    orchestrator: Orchestrator,
    log: ReceivedLog,
    hooks: Vec<(String, Organisation)>,
    after: Duration,
    stop: CancellationToken,
) {
    let begun = orchestrator.present();
    let mut silent = vec![false; hooks.len()];
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY.min(after)) => {}
            () = stop.cancelled() => return,
        }
        for ((name, organisation), silent) in hooks.iter().zip(&mut silent) {
            let heard = last_heard(&log, name).unwrap_or(begun);
            let quiet = orchestrator.present().since(heard);
            let waited =
                quiet > Span::from(after) && someone_waited(&orchestrator, organisation, heard).await;
            if waited && !*silent {
                tracing::warn!(
                    hook = name,
                    silent_for_s = quiet.duration().as_secs(),
                    "no event arrives although sessions were closed: check that the sender reaches this hook"
                );
            }
            if *silent && heard > begun && quiet <= Span::from(after) {
                tracing::info!(hook = name, "events arrive again");
                *silent = false;
            }
            *silent |= waited;
        }
    }
}

/// When a verified sender was last heard on this hook.
pub(super) fn last_heard(log: &ReceivedLog, hook: &str) -> Option<Time> {
    let genuine = [
        HookResult::Taken,
        HookResult::NothingNew,
        HookResult::Unmatched,
        HookResult::NotAnEnding,
        HookResult::Duplicate,
        HookResult::Conflict,
    ];
    genuine.into_iter().filter_map(|result| last_with(log, hook, result)).max()
}

/// When a request to this hook last came to this.
pub(super) fn last_with(log: &ReceivedLog, hook: &str, result: HookResult) -> Option<Time> {
    let filter = ReceivedFilter { hook: Some(hook.to_owned()), result: Some(result), limit: 1 };
    log.recent(&filter).first().map(|received| received.at)
}

/// Whether a guest was closed since, so that an event should have come.
async fn someone_waited(orchestrator: &Orchestrator, organisation: &Organisation, since: Time) -> bool {
    let filter = Filter {
        organisations: vec![organisation.as_str().to_owned()],
        since: Some(since.millis()),
        ..Filter::default()
    };
    let page = orchestrator.list(&filter, Order::OldestFirst, None, LOOK_THROUGH).await;
    page.is_ok_and(|page| page.records.iter().any(|record| record.participant_closed_at.is_some()))
}
