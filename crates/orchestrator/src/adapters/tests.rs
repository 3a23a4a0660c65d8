//! Several adapters and organisations, looked at together.

use uuid::Uuid;

use super::*;

const AFTER: Span = Span::from_secs(180);

const fn at(seconds: i64) -> Time {
    Time::from_millis(1_000_000 + seconds * 1_000)
}

fn organisation(name: &str) -> Organisation {
    name.parse().unwrap()
}

/// Two adapters of one organisation, and one of another.
fn adapters() -> Adapters {
    let adapters = Adapters::default();
    let all = [("hook", "one"), ("queue", "one"), ("hook", "two")];
    adapters.expect(all.map(|(name, of)| (name.to_owned(), organisation(of))).into());
    adapters
}

fn told(adapters: &Adapters, seconds: i64) -> Vec<(String, String, bool)> {
    let (notices, ghosts) = adapters.look(at(seconds), AFTER, |_| true);
    assert!(ghosts.is_empty(), "{ghosts:?}");
    let line = |one: AdapterNotice| (one.organisation.as_str().to_owned(), one.adapter, one.silent);
    notices.into_iter().map(line).collect()
}

fn line(of: &str, name: &str, silent: bool) -> (String, String, bool) {
    (of.to_owned(), name.to_owned(), silent)
}

#[test]
fn an_organisation_whose_closures_wait_for_nothing_has_no_incident_by_another_one() {
    let adapters = adapters();
    adapters.is_waited_for(&organisation("one"), None, at(0));
    assert!(told(&adapters, 179).is_empty());
    assert_eq!(told(&adapters, 180), [line("one", "hook", true), line("one", "queue", true)]);
    assert!(told(&adapters, 10_000).is_empty(), "once");
    adapters.heard(&organisation("two"), "hook", at(10_001), None);
    assert!(told(&adapters, 10_002).is_empty(), "it has the name, and is of the other organisation");
    adapters.heard(&organisation("one"), "queue", at(10_003), None);
    assert_eq!(told(&adapters, 10_004), [line("one", "queue", false)]);
    assert!(told(&adapters, 20_000).is_empty());
}

#[test]
fn an_event_ends_a_silence_where_it_is_looked_at_before_that_is_told() {
    let adapters = adapters();
    let (one, name) = (organisation("one"), "hook".to_owned());
    adapters.is_waited_for(&one, None, at(0));
    assert_eq!(told(&adapters, 180).len(), 2);
    let shown = |now| adapters.lock().known[&(one.clone(), name.clone())].silent_since(Some(AFTER), at(now));
    assert!(shown(181).is_some());
    adapters.heard(&one, &name, at(190), None);
    assert_eq!(shown(191), None);
    adapters.is_waited_for(&one, None, at(192));
    assert!(shown(10_000).is_some(), "silent again before anybody looked: it is one incident still");
}

#[test]
fn an_adapter_that_is_not_in_the_configuration_is_no_incident() {
    let adapters = adapters();
    adapters.heard(&organisation("one"), "old", at(0), None);
    adapters.is_waited_for(&organisation("one"), None, at(1));
    for name in ["hook", "queue"] {
        adapters.heard(&organisation("one"), name, at(2), None);
    }
    assert!(told(&adapters, 10_000).is_empty());
}

#[test]
fn a_ghost_is_kept_while_nobody_is_heard_and_told_once_by_the_first_who_is() {
    let adapters = adapters();
    let (one, key) = (organisation("one"), Uuid::from_u128(1));
    let read_back = Evidence::WebhookOrReadBack;
    adapters.is_waited_for(&one, None, at(0));
    assert!(adapters.tells_ghost(&one, key, read_back), "there is no incident");
    assert!(!adapters.tells_ghost(&one, key, Evidence::WebhookOnly), "one may come");
    assert_eq!(told(&adapters, 180).len(), 2);
    assert!(!adapters.tells_ghost(&one, key, read_back));
    assert!(adapters.tells_ghost(&organisation("two"), key, read_back));
    adapters.heard(&one, "queue", at(200), None);
    let (notices, ghosts) = adapters.look(at(201), AFTER, |_| true);
    assert_eq!((notices.len(), notices[0].untold_ghosts.as_slice(), ghosts.len()), (1, &[key][..], 0));
    adapters.heard(&one, "hook", at(202), None);
    assert!(adapters.look(at(203), AFTER, |_| true).0[0].untold_ghosts.is_empty());
    assert!(adapters.tells_ghost(&one, key, read_back), "it is heard");
}

#[test]
fn a_ghost_that_was_kept_for_no_incident_is_told_once_an_event_comes() {
    for stays in [true, false] {
        let adapters = adapters();
        let (one, key) = (organisation("one"), Uuid::from_u128(1));
        adapters.is_waited_for(&one, None, at(0));
        assert!(!adapters.tells_ghost(&one, key, Evidence::WebhookOnly));
        assert_eq!(adapters.look(at(100), AFTER, |_| stays), (Vec::new(), Vec::new()));
        adapters.heard(&one, "hook", at(101), None);
        let (notices, ghosts) = adapters.look(at(102), AFTER, |_| stays);
        assert_eq!((notices.len(), ghosts.len()), (0, usize::from(stays)));
        assert!(adapters.look(at(103), AFTER, |_| stays).1.is_empty());
    }
}

#[test]
fn who_kept_a_ghost_waits_for_an_event_by_an_adapter_that_is_no_incident() {
    let adapters = adapters();
    let one = organisation("one");
    assert_eq!(adapters.lock().heard_at(&organisation("unknown")), Some(Time::from_millis(i64::MAX)));
    adapters.is_waited_for(&one, None, at(0));
    assert_eq!(adapters.lock().heard_at(&one), None);
    assert_eq!(told(&adapters, 180).len(), 2);
    adapters.heard(&one, "queue", at(200), None);
    assert_eq!(adapters.lock().heard_at(&one), None, "it is an incident until that is looked at");
    assert_eq!(told(&adapters, 201).len(), 1);
    assert_eq!(adapters.lock().heard_at(&one), Some(at(200)));
    adapters.heard(&one, "other", at(300), None);
    assert_eq!(adapters.lock().heard_at(&one), Some(at(200)), "nobody waits for it");
}
