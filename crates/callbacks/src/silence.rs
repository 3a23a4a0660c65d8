//! What silence changes: ghosts are kept while no adapter is heard, and adapters that fall silent are told of (ADR 16).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use genesys_types::{Organisation, Time};
use orchestrator::{AdapterHealth, Orchestrator, Record};
use uuid::Uuid;

/// What is known of the adapters that events come in by.
pub trait Ears: Send + Sync + 'static {
    /// Whether a ghost that is found now is a matter of silence, and not one of its own.
    fn keeps_ghost(&self, record: &Record) -> bool;

    /// When an event of the organisation was last heard, since the start, by an adapter that is no incident; the end of time
    /// where nobody waits for one.
    fn heard_at(&self, organisation: &Organisation) -> Option<Time>;

    /// How every adapter does.
    fn adapters(&self) -> Vec<AdapterHealth>;
}

/// Ears for a service without adapters: nobody is silent.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoAdapters;

impl Ears for NoAdapters {
    fn keeps_ghost(&self, _: &Record) -> bool {
        false
    }

    fn heard_at(&self, _: &Organisation) -> Option<Time> {
        Some(Time::from_millis(i64::MAX))
    }

    fn adapters(&self) -> Vec<AdapterHealth> {
        Vec::new()
    }
}

impl Ears for Orchestrator {
    fn keeps_ghost(&self, record: &Record) -> bool {
        self.keeps_ghost(record)
    }

    fn heard_at(&self, organisation: &Organisation) -> Option<Time> {
        self.heard_at(organisation)
    }

    fn adapters(&self) -> Vec<AdapterHealth> {
        self.adapters()
    }
}

/// Deliveries of ghosts that are kept: those of the store that are `held`, by organisation. That there are any is what a
/// restart leaves of a silence.
#[derive(Debug, Default)]
pub(crate) struct Held(HashMap<Organisation, BTreeMap<Uuid, Time>>);

impl Held {
    /// A delivery is kept since then.
    pub(crate) fn add(&mut self, organisation: &str, key: Uuid, since: Time) {
        // What was noted has the name of a record, which is one.
        if let Ok(organisation) = organisation.parse() {
            self.0.entry(organisation).or_default().insert(key, since);
        }
    }

    /// Those are kept no more.
    pub(crate) fn remove(&mut self, keys: &[Uuid]) {
        for of in self.0.values_mut() {
            of.retain(|key, _| !keys.contains(key));
        }
        self.0.retain(|_, of| !of.is_empty());
    }

    /// Whether any is kept of an organisation.
    pub(crate) fn has(&self, organisation: &Organisation) -> bool {
        self.0.contains_key(organisation)
    }

    /// Whether a ghost that is found now is kept: for silence, or because others are kept for one that did not end yet.
    pub(crate) fn keeps(&self, ears: &dyn Ears, record: &Record) -> bool {
        let latest = || self.0.get(&record.organisation).and_then(|of| of.values().max());
        ears.keeps_ghost(record)
            || latest().is_some_and(|latest| ears.heard_at(&record.organisation) <= Some(*latest))
    }

    /// Those whose silence is over, as an event was heard after they were kept; at most `limit`.
    pub(crate) fn let_go(&self, ears: &dyn Ears, limit: usize) -> Vec<Uuid> {
        let over = |(organisation, of): (&Organisation, &BTreeMap<Uuid, Time>)| {
            let heard = ears.heard_at(organisation);
            let over = of.iter().filter(|(_, since)| heard > Some(**since)).map(|(key, _)| *key);
            over.collect::<Vec<_>>()
        };
        self.0.iter().flat_map(over).take(limit).collect()
    }
}

/// An adapter, by the organisation of its events and its name.
pub(crate) type Adapter = (Organisation, String);

/// That an adapter fell silent, or is heard again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) adapter: Adapter,
    /// Since when it is silent; nothing when it is heard again.
    pub(crate) silent_since: Option<Time>,
    /// When it was last heard, since the start.
    pub(crate) last_event_at: Option<Time>,
}

/// What is to be told of adapters, when it was told of `told` that they are silent. One that is silent still since before a
/// restart is not told again, and one that was not heard since is not told as heard.
pub(crate) fn turns(told: &BTreeSet<Adapter>, now: &[AdapterHealth]) -> Vec<Turn> {
    now.iter()
        .filter_map(|one| {
            let adapter = (one.organisation.clone(), one.name.clone());
            let recovered = one.silent_since.is_none() && one.last_event_at.is_some();
            let turned = if told.contains(&adapter) { recovered } else { one.silent_since.is_some() };
            turned.then_some(Turn {
                adapter,
                silent_since: one.silent_since,
                last_event_at: one.last_event_at,
            })
        })
        .collect()
}

/// The switch of the store that is on from the moment at which an adapter is told to be silent until it is told to be heard.
pub(crate) fn switch((organisation, name): &Adapter) -> String {
    format!("callbacks-silent/{organisation}/{name}")
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::{Mutex, MutexGuard};

    use genesys_types::Span;

    use super::*;

    /// Adapters that are heard or not as a test says.
    #[derive(Debug, Default)]
    pub(crate) struct Scripted(Mutex<Script>);

    #[derive(Debug, Default)]
    pub(crate) struct Script {
        pub(crate) keeps: bool,
        pub(crate) heard_at: Option<Time>,
        pub(crate) adapters: Vec<AdapterHealth>,
    }

    impl Scripted {
        pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
            self.0.lock().unwrap()
        }

        /// No adapter of `main` is heard from now on.
        pub(crate) fn fall_silent(&self, since: Time) {
            let mut script = self.script();
            (script.keeps, script.heard_at) = (true, None);
            script.adapters = vec![health(Some(since), None)];
        }

        /// The adapter of `main` is heard.
        pub(crate) fn hear(&self, at: Time) {
            let mut script = self.script();
            (script.keeps, script.heard_at) = (false, Some(at));
            script.adapters = vec![health(None, Some(at))];
        }

        /// The process is another one: what was in memory is gone.
        pub(crate) fn restart(&self) {
            let mut script = self.script();
            (script.keeps, script.heard_at) = (false, None);
            script.adapters = vec![health(None, None)];
        }
    }

    impl Ears for Scripted {
        fn keeps_ghost(&self, _: &Record) -> bool {
            self.script().keeps
        }

        fn heard_at(&self, _: &Organisation) -> Option<Time> {
            self.script().heard_at
        }

        fn adapters(&self) -> Vec<AdapterHealth> {
            self.script().adapters.clone()
        }
    }

    fn health(silent_since: Option<Time>, last_event_at: Option<Time>) -> AdapterHealth {
        AdapterHealth {
            name: "relay".to_owned(),
            organisation: "main".parse().unwrap(),
            last_event_at,
            events_per_minute: 0.0,
            lag: None,
            silent_since,
        }
    }

    const AT: Time = Time::from_millis(1_795_252_504_712);

    #[test]
    fn an_adapter_is_told_of_when_it_turns_and_only_then() {
        let adapter: Adapter = ("main".parse().unwrap(), "relay".to_owned());
        let table = [
            // Told as silent, silent since, last event: whether it is told, and how.
            (false, None, None, None),
            (false, None, Some(AT), None),
            (false, Some(AT), None, Some(Some(AT))),
            (false, Some(AT), Some(AT), Some(Some(AT))),
            (true, Some(AT), Some(AT), None),
            // After a restart it is no incident yet, and was not heard either.
            (true, None, None, None),
            (true, None, Some(AT), Some(None)),
        ];
        for (told, silent, last, expected) in table {
            let told = told.then(|| adapter.clone()).into_iter().collect();
            let turned = turns(&told, &[health(silent, last)]);
            let expected = expected
                .map(|silent_since| Turn { adapter: adapter.clone(), silent_since, last_event_at: last })
                .into_iter()
                .collect::<Vec<_>>();
            assert_eq!(turned, expected, "{told:?} {silent:?} {last:?}");
        }
    }

    #[test]
    fn what_is_kept_is_let_go_by_an_event_that_comes_after_it() {
        let ears = Scripted::default();
        let mut held = Held::default();
        let [first, second] = [1, 2].map(Uuid::from_u128);
        held.add("main", first, AT);
        held.add("main", second, AT + Span::from_secs(10));
        assert!(held.let_go(&ears, 9).is_empty(), "nothing was heard since the start");
        ears.hear(AT);
        assert!(held.let_go(&ears, 9).is_empty());
        ears.hear(AT + Span::from_secs(10));
        assert_eq!(held.let_go(&ears, 9), [first]);
        ears.hear(AT + Span::from_secs(11));
        assert_eq!(held.let_go(&ears, 9), [first, second]);
        assert_eq!(held.let_go(&ears, 1).len(), 1);
        held.remove(&[first, second]);
        assert!(held.let_go(&ears, 9).is_empty() && held.0.is_empty());
    }
}
