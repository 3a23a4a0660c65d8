//! Commands that name no conversation.

use std::{sync::atomic::Ordering, time::Duration};

use closure_machine::{Act, Policy, Reply};
use genesys_types::Span;
use orchestrator::{Operation, PlanError, ProducerKey, Submission, SubmitError, Submitted, names};
use store::Store as _;

use crate::world::{Fault, World, seeking, submission};

fn accepted(submitted: Result<Submitted, SubmitError>) -> std::sync::Arc<orchestrator::Record> {
    match submitted {
        Ok(Submitted::Accepted(record)) => record,
        other => panic!("{other:?}"),
    }
}

fn keyed(key: &str) -> Option<ProducerKey> {
    Some(ProducerKey { scope: "shop".to_owned(), key: key.to_owned(), digest: [1; 32] })
}

#[tokio::test(start_paused = true)]
async fn what_is_found_is_known_when_the_command_is_answered_and_is_closed() {
    let world = World::begin().await;
    let conversation = world.known_guest("seven");
    let record = accepted(world.driver.submit(seeking("seven")).await);
    assert_eq!(record.closure.conversation, Some(conversation));
    assert_eq!(names::state(&record.closure), "verifying");
    let closed = world.closed(record.key).await;
    assert_eq!((names::state(&closed.closure), closed.closure.calls), ("closed", 4));
    world.assert_sound(conversation);
    let lines = world.driver.timeline(record.key).await.unwrap();
    assert_eq!((lines[0].entry.to.as_str(), lines[1].entry.to.as_str()), ("resolving", "verifying"));
    let answered = lines[1].entry.answered.as_ref().unwrap();
    assert_eq!((answered.request.as_str(), answered.reply.as_str()), ("look_up", "found"));
    assert_eq!(answered.found.as_ref().unwrap()[0].conversation, conversation.to_string());
    assert!(lines[0].entry.asks.as_ref().unwrap().http.ends_with("/analytics/conversations/details/query"));
}

#[tokio::test(start_paused = true)]
async fn several_that_fit_are_told_and_nothing_is_kept() {
    let world = World::begin().await;
    let both = [world.known_guest("seven"), world.known_guest("seven")];
    let refused = world.driver.submit(Submission { key: keyed("k"), ..seeking("seven") }).await;
    let Err(SubmitError::Ambiguous { candidates }) = refused else { panic!("{refused:?}") };
    let mut told: Vec<_> = candidates.iter().map(|candidate| candidate.conversation).collect();
    let mut both = both.to_vec();
    told.sort();
    both.sort();
    assert_eq!(told, both);
    assert_eq!(world.driver.open_closures(), 0);
    assert!(world.store.key("shop", "k").await.unwrap().is_none());
    let planned = world.driver.plan(&seeking("seven")).await;
    assert!(matches!(planned, Err(PlanError::Ambiguous { candidates }) if candidates.len() == 2));
    // One of them ends: the same command is taken.
    world.truth(both[0], |truth| truth.ended = true);
    let record = accepted(world.driver.submit(Submission { key: keyed("k"), ..seeking("seven") }).await);
    assert_eq!(record.closure.conversation, Some(both[1]));
}

/// The producer is answered in time, nothing is asked twice, and the same lookup goes on to its end.
#[tokio::test(start_paused = true)]
async fn a_lookup_of_many_pages_outlasts_the_producers_wait_and_is_made_once() {
    let world = World::begin().await;
    let conversation = world.known_guest("seven");
    *world.remote.lookup_takes.lock().unwrap() = Duration::from_secs(240);
    let begun = world.driver.now();
    let record = accepted(world.driver.submit(Submission { key: keyed("k"), ..seeking("seven") }).await);
    let waited = world.driver.now().since(begun);
    assert!(waited < Span::from_secs(11), "{waited}");
    assert_eq!((names::state(&record.closure), record.closure.calls), ("resolving", 1));
    let again = world.driver.submit(Submission { key: keyed("k"), ..seeking("seven") }).await;
    assert!(matches!(again, Ok(Submitted::Repeated { record: same, .. }) if same.key == record.key));
    let closed = world.closed(record.key).await;
    assert_eq!((names::state(&closed.closure), closed.closure.conversation), ("closed", Some(conversation)));
    assert_eq!((world.remote.lookups.load(Ordering::SeqCst), closed.closure.calls), (1, 4));
    world.assert_sound(conversation);
    assert_eq!(closed.requests(), 4 + 39, "the lookup made forty");
    let planned = world.driver.plan(&seeking("seven")).await;
    let Err(PlanError::NotShown { asked: "look_up", facts, .. }) = planned else { panic!("{planned:?}") };
    assert!(facts.message.unwrap().contains("10 s"));
}

/// The program stops while the lookup goes on: it is made again, and nothing else is lost.
#[tokio::test(start_paused = true)]
async fn a_crash_in_the_middle_of_a_long_lookup_repeats_it() {
    let mut world = World::begin().await;
    let conversation = world.known_guest("seven");
    *world.remote.lookup_takes.lock().unwrap() = Duration::from_secs(240);
    let record = accepted(world.driver.submit(seeking("seven")).await);
    world.restart().await;
    let closed = world.closed(record.key).await;
    assert_eq!((names::state(&closed.closure), closed.closure.conversation), ("closed", Some(conversation)));
    assert!(closed.closure.age(world.driver.now()) < Span::from_secs(300));
}

#[test]
fn the_machine_waits_longer_than_the_client_looks() {
    let client = genesys_client::LookupConfig::default().at_most;
    let policy = Policy::default();
    assert!(client + policy.call_timeout.duration() < policy.lookup_timeout.duration());
}

#[tokio::test(start_paused = true)]
async fn what_nothing_fits_is_looked_for_and_fails() {
    let world = World::begin().await;
    let record = accepted(world.driver.submit(seeking("seven")).await);
    assert_eq!((names::state(&record.closure), record.closure.conversation), ("resolving", None));
    let failed = world.closed(record.key).await;
    assert_eq!(
        (names::state(&failed.closure), names::reason(&failed.closure)),
        ("failed", Some("not_found"))
    );
    let age = failed.closure.age(world.driver.now());
    assert!((120..125).contains(&(age.millis() / 1_000)), "{age}");
    let row = world.store.load(record.key).await.unwrap().unwrap();
    assert_eq!((row.conversation, row.ended), (None, true));
}

#[tokio::test(start_paused = true)]
async fn what_appears_while_it_is_looked_for_is_closed() {
    let mut world = World::begin().await;
    let record = accepted(world.driver.submit(seeking("seven")).await);
    tokio::time::sleep(Duration::from_secs(10)).await;
    world.restart().await;
    let conversation = world.known_guest("seven");
    let closed = world.closed(record.key).await;
    assert_eq!((names::state(&closed.closure), closed.closure.conversation), ("closed", Some(conversation)));
    world.assert_sound(conversation);
}

#[tokio::test(start_paused = true)]
async fn without_quota_the_command_is_accepted_and_looks_later() {
    let world = World::begin().await;
    let conversation = world.known_guest("seven");
    world.remote.limit_permits(0);
    let record = accepted(world.driver.submit(seeking("seven")).await);
    assert_eq!((names::state(&record.closure), record.closure.calls), ("resolving", 0));
    world.remote.limit_permits(100);
    let closed = world.closed(record.key).await;
    assert_eq!((names::state(&closed.closure), closed.closure.conversation), ("closed", Some(conversation)));
}

#[tokio::test(start_paused = true)]
async fn what_is_accepted_without_a_look_and_fits_several_fails_with_the_candidates() {
    let world = World::begin().await;
    world.known_guest("seven");
    world.known_guest("seven");
    world.remote.limit_permits(0);
    let record = accepted(world.driver.submit(seeking("seven")).await);
    world.remote.limit_permits(100);
    let failed = world.closed(record.key).await;
    assert_eq!(names::reason(&failed.closure), Some("ambiguous_target"));
    let row = world.store.load(record.key).await.unwrap().unwrap();
    let kept = orchestrator::Record::from_row(&row).unwrap();
    assert_eq!(kept.closure, failed.closure);
    assert_eq!(kept.closure.sought.unwrap().candidates.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn genesys_out_of_reach_costs_no_command() {
    let world = World::begin().await;
    for fault in [Fault::Instead(Reply::NotSent), Fault::AnswerLost, Fault::Instead(Reply::Failed)] {
        let next = world.remote.calls() + 1;
        world.remote.fault(next, fault.clone());
        let conversation = world.known_guest("seven");
        let record = accepted(world.driver.submit(seeking("seven")).await);
        assert_eq!(names::state(&record.closure), "resolving", "{fault:?}");
        let closed = world.closed(record.key).await;
        assert_eq!(closed.closure.conversation, Some(conversation), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_conversation_with_an_open_closure_is_joined() {
    let world = World::begin().await;
    world.remote.webhooks.store(false, Ordering::SeqCst);
    let conversation = world.known_guest("seven");
    let first = world.submit(conversation).await;
    for key in [None, keyed("k"), keyed("k")] {
        let submitted = world.driver.submit(Submission { key, ..seeking("seven") }).await.unwrap();
        let (Submitted::Attached(record) | Submitted::Repeated { record, attached: true }) = submitted else {
            panic!("{submitted:?}")
        };
        assert_eq!(record.key, first.key);
    }
    assert_eq!(world.driver.open_closures(), 1);
    assert_eq!(world.driver.plan(&seeking("seven")).await.unwrap().joins, Some(first.key));
}

#[tokio::test(start_paused = true)]
async fn two_that_find_the_same_later_leave_it_to_one() {
    let world = World::begin().await;
    let conversation = world.known_guest("seven");
    world.remote.limit_permits(0);
    let first = accepted(world.driver.submit(seeking("seven")).await);
    let second = accepted(world.driver.submit(seeking("seven")).await);
    world.remote.limit_permits(100);
    let [one, other] = [world.closed(first.key).await, world.closed(second.key).await];
    let mut ends = [names::reason(&one.closure), names::reason(&other.closure)];
    ends.sort_unstable();
    assert_eq!(ends, [None, Some("open_elsewhere")]);
    let (closed, left) = if names::state(&one.closure) == "closed" { (one, other) } else { (other, one) };
    let sought = left.closure.sought.as_ref().unwrap();
    assert_eq!(sought.other.unwrap().0, closed.key.as_u128());
    assert_eq!(sought.candidates[0].conversation, conversation);
    assert_eq!(left.closure.conversation, None);
    world.assert_sound(conversation);
}

#[tokio::test(start_paused = true)]
async fn a_key_is_answered_again_without_looking_again() {
    let world = World::begin().await;
    world.known_guest("seven");
    let first = accepted(world.driver.submit(Submission { key: keyed("k"), ..seeking("seven") }).await);
    world.closed(first.key).await;
    let looked = world.remote.lookups.load(Ordering::SeqCst);
    let again = world.driver.submit(Submission { key: keyed("k"), ..seeking("seven") }).await;
    assert!(matches!(again, Ok(Submitted::Repeated { record, attached: false }) if record.key == first.key));
    assert_eq!(world.remote.lookups.load(Ordering::SeqCst), looked);
    let reused = Some(ProducerKey { digest: [9; 32], ..keyed("k").unwrap() });
    let reused = world.driver.submit(Submission { key: reused, ..seeking("eight") }).await;
    assert_eq!(reused.unwrap_err(), SubmitError::KeyReused);
}

#[tokio::test(start_paused = true)]
async fn a_missing_permission_stops_lookups_and_nothing_else() {
    let world = World::begin().await;
    world.remote.lookups_forbidden.store(true, Ordering::SeqCst);
    let conversation = world.known_guest("seven");
    let mut blocked = Vec::new();
    for _ in 0..20 {
        blocked.push(accepted(world.driver.submit(seeking("seven")).await));
    }
    let first = &blocked[0].closure;
    assert_eq!((names::state(first), names::reason(first)), ("blocked", Some("permission")));
    let by_id = world.submit(world.guest()).await;
    assert_eq!(names::state(&world.closed(by_id.key).await.closure), "closed");
    assert_eq!(world.driver.status()[0].blocked_until, None);
    // One lookup in each interval tries for all of them.
    let before = world.remote.lookups.load(Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(1_500)).await;
    let tried = world.remote.lookups.load(Ordering::SeqCst) - before;
    assert!((3..=6).contains(&tried), "{tried}");
    world.remote.lookups_forbidden.store(false, Ordering::SeqCst);
    let mut ends = Vec::new();
    for record in blocked {
        let ended = world.closed(record.key).await;
        ends.push((names::state(&ended.closure), names::reason(&ended.closure)));
    }
    assert_eq!(ends.iter().filter(|end| **end == ("closed", None)).count(), 1, "{ends:?}");
    world.assert_sound(conversation);
}

#[tokio::test(start_paused = true)]
async fn an_operator_calls_a_lookup_off_or_tries_it_at_once() {
    let operation = |act| Operation {
        act,
        by: "alice".to_owned(),
        role: "operate",
        reason: None,
        batch: None,
        note: None,
        if_version: None,
    };
    let world = World::begin().await;
    let record = accepted(world.driver.submit(seeking("seven")).await);
    world.driver.act(record.key, operation(Act::Force)).await.unwrap_err();
    world.driver.act(record.key, operation(Act::Cancel)).await.unwrap();
    assert_eq!(names::state(&world.closed(record.key).await.closure), "cancelled");
    world.remote.lookups_forbidden.store(true, Ordering::SeqCst);
    world.known_guest("seven");
    let record = accepted(world.driver.submit(seeking("seven")).await);
    world.remote.lookups_forbidden.store(false, Ordering::SeqCst);
    world.driver.act(record.key, operation(Act::Retry)).await.unwrap();
    let closed = world.closed(record.key).await;
    assert_eq!(names::state(&closed.closure), "closed");
    assert!(closed.closure.age(world.driver.now()) < Span::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn a_crash_after_any_commit_of_a_lookup_loses_nothing() {
    for commit in 1..=7 {
        let mut world = World::crashing_after(Policy::default(), commit).await;
        let conversation = world.known_guest("seven");
        world.remote.limit_permits(0);
        let submitted = world.driver.submit(Submission { key: keyed("k"), ..seeking("seven") }).await;
        world.remote.limit_permits(1_000);
        tokio::time::sleep(Duration::from_secs(3)).await;
        world.restart().await;
        let again = world.driver.submit(Submission { key: keyed("k"), ..seeking("seven") }).await;
        let record = match again {
            Ok(
                Submitted::Accepted(record)
                | Submitted::Attached(record)
                | Submitted::Repeated { record, .. },
            ) => record,
            Err(error) => panic!("crash after {commit}: {error}"),
        };
        assert!(
            submitted.is_err()
                || submitted.is_ok_and(
                    |first| matches!(first, Submitted::Accepted(first) if first.key == record.key)
                ),
            "crash after {commit}"
        );
        let closed = world.closed(record.key).await;
        assert!(matches!(names::state(&closed.closure), "closed" | "already_closed"), "crash after {commit}");
        world.truth(conversation, |truth| {
            assert_eq!(
                (truth.wrapper_asked_while_guest_was_there, truth.ended),
                (0, true),
                "crash after {commit}"
            );
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_for_later_is_looked_up_when_its_time_comes() {
    let world = World::begin().await;
    let mut later = seeking("seven");
    later.command.not_before = Some(world.driver.now() + Span::from_secs(3_600));
    let record = accepted(world.driver.submit(later).await);
    assert_eq!(
        (names::state(&record.closure), world.remote.lookups.load(Ordering::SeqCst)),
        ("scheduled", 0)
    );
    let conversation = world.known_guest("seven");
    let closed = world.closed(record.key).await;
    assert_eq!(closed.closure.conversation, Some(conversation));
}

#[tokio::test(start_paused = true)]
async fn a_plan_shows_what_is_found_and_keeps_nothing() {
    let world = World::begin().await;
    let conversation = world.known_guest("seven");
    let plan = world.driver.plan(&seeking("seven")).await.unwrap();
    assert_eq!((plan.conversation, plan.state), (Some(conversation), "closed"));
    let calls: Vec<_> = plan.calls.iter().map(|call| call.request.as_str()).collect();
    assert_eq!(calls, ["look_up", "read", "close_participant", "close_wrapper"]);
    let none = world.driver.plan(&seeking("eight")).await.unwrap();
    assert_eq!((none.conversation, none.state), (None, "resolving"));
    let missing = none.guards.iter().find(|guard| guard.name == "conversation_found").unwrap();
    assert!(!missing.holds, "{missing:?}");
    world.remote.lookups_forbidden.store(true, Ordering::SeqCst);
    let refused = world.driver.plan(&seeking("seven")).await;
    assert!(
        matches!(refused, Err(PlanError::NotShown { asked: "look_up", reply: "forbidden", .. })),
        "{refused:?}"
    );
    assert_eq!(world.driver.open_closures(), 0);
    assert!(matches!(world.driver.submit(submission(conversation)).await, Ok(Submitted::Accepted(_))));
}
/// What stands in line when the first lookup is refused is held back too: one tries for all of them.
#[tokio::test(start_paused = true)]
async fn a_backlog_of_lookups_is_not_refused_one_by_one() {
    let world = World::begin().await;
    world.remote.lookups_forbidden.store(true, Ordering::SeqCst);
    world.remote.limit_permits(0);
    for _ in 0..30 {
        accepted(world.driver.submit(seeking("seven")).await);
    }
    // Two are under way when the first refusal comes home; the quota let no more through.
    world.remote.limit_permits(2);
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.remote.limit_permits(1_000);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let tried = world.remote.lookups.load(Ordering::SeqCst);
    assert!(tried <= 2, "{tried} lookups were refused within a minute");
}

/// A new credential that lacks the permission too is found out by one lookup.
#[tokio::test(start_paused = true)]
async fn a_new_credential_is_tried_by_one_lookup_for_all() {
    let world = World::begin().await;
    world.remote.lookups_forbidden.store(true, Ordering::SeqCst);
    for _ in 0..30 {
        accepted(world.driver.submit(seeking("seven")).await);
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    let before = world.remote.lookups.load(Ordering::SeqCst);
    world.driver.credential_replaced(&crate::world::organisation());
    tokio::time::sleep(Duration::from_secs(60)).await;
    let tried = world.remote.lookups.load(Ordering::SeqCst) - before;
    assert!(
        tried <= 3,
        "{before} lookups were refused at intake, and {tried} after the credential was replaced"
    );
}
