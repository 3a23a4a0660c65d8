//! What came in by an adapter lately, and why it was not taken: in memory and bounded.
//!
//! Every adapter of evidence keeps such a log. Bodies stand in it only where they could not be read ([`DeadLetter`]).

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use genesys_types::{ConversationId, Time};
use orchestrator::Delivered;

/// Entries kept for each hook, of verified and of other requests each: some minutes of a busy hook, about 100 KiB.
const KEPT_ENTRIES: usize = 500;

/// Dead letters kept for each hook.
const KEPT_DEAD_LETTERS: usize = 100;

/// Bytes kept of a body that could not be read: enough for any event of a few participants.
const KEPT_BODY_BYTES: usize = 8 * 1_024;

/// What became of a request to a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HookResult {
    /// It moved a closure.
    Taken,
    /// A closure is open for the conversation, and the event tells it nothing new.
    NothingNew,
    /// No closure is open for the conversation.
    Unmatched,
    /// It ends nothing.
    NotAnEnding,
    /// The same event was taken before.
    Duplicate,
    /// Another body was taken before under its id.
    Conflict,
    /// The signature holds, and the body cannot be read.
    Undecodable,
    /// It is of another organisation than the adapter's, as it says itself. Only queues carry such.
    Foreign,
    /// The store could not take it; the sender was asked to repeat it.
    Unavailable,
    /// The signature does not hold.
    Refused,
    /// No hook has this name.
    UnknownHook,
    /// The body is too large.
    TooLarge,
    /// The body is encoded, or of another type than JSON.
    WrongType,
    /// The method is not `POST`.
    WrongMethod,
    /// The body broke off, or did not arrive in time.
    Incomplete,
}

impl HookResult {
    /// Every result.
    pub const ALL: [Self; 15] = [
        Self::Taken,
        Self::NothingNew,
        Self::Unmatched,
        Self::NotAnEnding,
        Self::Duplicate,
        Self::Conflict,
        Self::Undecodable,
        Self::Foreign,
        Self::Unavailable,
        Self::Refused,
        Self::UnknownHook,
        Self::TooLarge,
        Self::WrongType,
        Self::WrongMethod,
        Self::Incomplete,
    ];

    /// The name in metrics, listings and queries.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::NothingNew => "nothing_new",
            Self::Unmatched => "unmatched",
            Self::NotAnEnding => "not_an_ending",
            Self::Duplicate => "duplicate",
            Self::Conflict => "conflict",
            Self::Undecodable => "undecodable",
            Self::Foreign => "foreign",
            Self::Unavailable => "unavailable",
            Self::Refused => "refused",
            Self::UnknownHook => "unknown_hook",
            Self::TooLarge => "too_large",
            Self::WrongType => "wrong_type",
            Self::WrongMethod => "wrong_method",
            Self::Incomplete => "incomplete",
        }
    }

    /// What the result means, where it says more than its name and no reason beside it does.
    pub const fn meaning(self) -> Option<&'static str> {
        match self {
            Self::NothingNew => Some("its closure knew this already, or waits for something else"),
            Self::Unmatched => Some("no closure is open for this conversation"),
            Self::NotAnEnding => Some("it does not show that a guest or a conversation has ended"),
            Self::Duplicate => Some("the same event was taken before"),
            Self::Conflict => Some("another body was taken before under the same event id, and stands"),
            Self::UnknownHook => Some("no [[confirm]] table has this name"),
            Self::TooLarge => Some("the body is larger than is taken"),
            Self::WrongType => Some("the body is encoded, or its Content-Type is not JSON"),
            Self::WrongMethod => Some("events are posted"),
            Self::Incomplete => Some("the body broke off, or did not come in time"),
            Self::Taken | Self::Undecodable | Self::Foreign | Self::Unavailable | Self::Refused => None,
        }
    }

    /// Finds a result by its name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|result| result.name() == name)
    }

    /// Whether the sender had proven itself.
    const fn is_of_a_verified_sender(self) -> bool {
        match self {
            Self::Taken
            | Self::NothingNew
            | Self::Unmatched
            | Self::NotAnEnding
            | Self::Duplicate
            | Self::Conflict
            | Self::Undecodable
            | Self::Foreign
            | Self::Unavailable => true,
            Self::Refused
            | Self::UnknownHook
            | Self::TooLarge
            | Self::WrongType
            | Self::WrongMethod
            | Self::Incomplete => false,
        }
    }
}

impl From<Delivered> for HookResult {
    fn from(delivered: Delivered) -> Self {
        match delivered {
            Delivered::Taken(_) => Self::Taken,
            Delivered::NothingNew(_) => Self::NothingNew,
            Delivered::Unmatched => Self::Unmatched,
            Delivered::NotAnEnding => Self::NotAnEnding,
            Delivered::Duplicate => Self::Duplicate,
            Delivered::Conflict => Self::Conflict,
        }
    }
}

/// One request to a hook, without its body and its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// When it came in.
    pub at: Time,
    /// The hook; absent when no hook has the name that was asked for.
    pub hook: Option<Arc<str>>,
    /// What became of it.
    pub result: HookResult,
    /// Why it was not taken, as a short constant name.
    pub reason: Option<&'static str>,
    /// The type of the event, once it was read.
    pub event_type: Option<String>,
    /// The id under which repeats of the event are found, once it was read.
    pub event_id: Option<String>,
    /// The conversation that it names, once it was read.
    pub conversation: Option<ConversationId>,
}

/// A body whose signature holds and that could not be read.
#[derive(Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// When it came in.
    pub at: Time,
    /// The hook.
    pub hook: Arc<str>,
    /// Why it could not be read, as a short constant name.
    pub reason: &'static str,
    /// Why it could not be read, as a sentence that repeats nothing of the body.
    pub detail: String,
    /// SHA-256 of the whole body.
    pub digest: [u8; 32],
    /// Bytes of the whole body.
    pub length: usize,
    /// The first 8 KiB of the body, as they came. They may hold personal data.
    pub body: Bytes,
}

impl fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("at", &self.at)
            .field("hook", &self.hook)
            .field("reason", &self.reason)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

/// Which requests to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedFilter {
    /// Of this hook only.
    pub hook: Option<String>,
    /// With this result only.
    pub result: Option<HookResult>,
    /// At most so many.
    pub limit: usize,
}

impl Default for ReceivedFilter {
    fn default() -> Self {
        Self { hook: None, result: None, limit: 100 }
    }
}

/// What came in lately, in memory and bounded. Cheap to clone; all clones are the same log.
///
/// Each hook has its own room, and in it what a verified sender sent has its own: whoever floods a hook with forgeries
/// displaces only forgeries.
#[derive(Clone)]
pub struct ReceivedLog(Arc<Log>);

struct Log {
    count: AtomicU64,
    hooks: Vec<HookLog>,
    unknown: Mutex<Ring<Received>>,
}

struct HookLog {
    name: Arc<str>,
    verified: Mutex<Ring<Received>>,
    others: Mutex<Ring<Received>>,
    dead_letters: Mutex<Ring<DeadLetter>>,
}

/// The newest entries, each with its number in the whole log.
struct Ring<T> {
    entries: VecDeque<(u64, T)>,
    capacity: usize,
}

impl fmt::Debug for ReceivedLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceivedLog").field("hooks", &self.0.hooks.len()).finish_non_exhaustive()
    }
}

impl ReceivedLog {
    /// Makes an empty log with room for each of these hooks.
    pub fn new(hooks: impl IntoIterator<Item = Arc<str>>) -> Self {
        let hooks = hooks
            .into_iter()
            .map(|name| HookLog {
                name,
                verified: Ring::new(KEPT_ENTRIES),
                others: Ring::new(KEPT_ENTRIES),
                dead_letters: Ring::new(KEPT_DEAD_LETTERS),
            })
            .collect();
        Self(Arc::new(Log { count: AtomicU64::new(0), hooks, unknown: Ring::new(KEPT_ENTRIES) }))
    }

    /// Lists what came in lately, the latest first.
    pub fn recent(&self, filter: &ReceivedFilter) -> Vec<Received> {
        let mut found = Vec::new();
        let wanted = |received: &Received| filter.result.is_none_or(|result| result == received.result);
        for hook in &self.0.hooks {
            if filter.hook.as_deref().is_none_or(|name| name == &*hook.name) {
                lock(&hook.verified).collect(wanted, filter.limit, &mut found);
                lock(&hook.others).collect(wanted, filter.limit, &mut found);
            }
        }
        if filter.hook.is_none() {
            lock(&self.0.unknown).collect(wanted, filter.limit, &mut found);
        }
        latest_first(found, filter.limit)
    }

    /// Lists the bodies that were signed and could not be read, the latest first.
    pub fn dead_letters(&self, limit: usize) -> Vec<DeadLetter> {
        let mut found = Vec::new();
        for hook in &self.0.hooks {
            lock(&hook.dead_letters).collect(|_| true, limit, &mut found);
        }
        latest_first(found, limit)
    }

    /// Notes a request to the hook of this index, or to a name that no hook has.
    pub fn note(&self, hook: Option<usize>, received: Received) {
        let ring = match hook.and_then(|index| self.0.hooks.get(index)) {
            Some(hook) if received.result.is_of_a_verified_sender() => &hook.verified,
            Some(hook) => &hook.others,
            None => &self.0.unknown,
        };
        let number = self.0.count.fetch_add(1, Ordering::Relaxed);
        lock(ring).push(number, received);
    }

    /// Keeps a body of the hook of this index that could not be read.
    pub fn bury(&self, hook: usize, letter: DeadLetter) {
        if let Some(hook) = self.0.hooks.get(hook) {
            let number = self.0.count.fetch_add(1, Ordering::Relaxed);
            lock(&hook.dead_letters).push(number, letter);
        }
    }
}

impl DeadLetter {
    /// Copies as much of the body as is kept, so that the rest of it can go.
    pub fn first_bytes(body: &[u8]) -> Bytes {
        Bytes::copy_from_slice(&body[..body.len().min(KEPT_BODY_BYTES)])
    }
}

impl<T: Clone> Ring<T> {
    fn new(capacity: usize) -> Mutex<Self> {
        Mutex::new(Self { entries: VecDeque::new(), capacity })
    }

    fn push(&mut self, number: u64, entry: T) {
        if self.entries.len() == self.capacity {
            self.entries.pop_front();
        }
        self.entries.push_back((number, entry));
    }

    fn collect(&self, wanted: impl Fn(&T) -> bool, limit: usize, into: &mut Vec<(u64, T)>) {
        into.extend(self.entries.iter().rev().filter(|(_, entry)| wanted(entry)).take(limit).cloned());
    }
}

fn latest_first<T>(mut found: Vec<(u64, T)>, limit: usize) -> Vec<T> {
    found.sort_unstable_by_key(|(number, _)| std::cmp::Reverse(*number));
    found.into_iter().take(limit).map(|(_, entry)| entry).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> ReceivedLog {
        ReceivedLog::new([Arc::from("one"), Arc::from("two")])
    }

    fn entry(hook: Option<&str>, at: i64, result: HookResult) -> Received {
        Received {
            at: Time::from_millis(at),
            hook: hook.map(Arc::from),
            result,
            reason: None,
            event_type: None,
            event_id: None,
            conversation: None,
        }
    }

    fn times(log: &ReceivedLog, filter: &ReceivedFilter) -> Vec<i64> {
        log.recent(filter).iter().map(|received| received.at.millis()).collect()
    }

    #[test]
    fn results_have_names_of_their_own() {
        for result in HookResult::ALL {
            assert_eq!(HookResult::named(result.name()), Some(result));
        }
        assert_eq!(HookResult::named("nothing"), None);
    }

    #[test]
    fn the_latest_come_first_and_can_be_picked() {
        let log = log();
        log.note(Some(0), entry(Some("one"), 1, HookResult::Taken));
        log.note(Some(1), entry(Some("two"), 2, HookResult::Refused));
        log.note(Some(0), entry(Some("one"), 3, HookResult::Refused));
        log.note(None, entry(None, 4, HookResult::UnknownHook));
        let all = ReceivedFilter::default();
        assert_eq!(times(&log, &all), [4, 3, 2, 1]);
        assert_eq!(times(&log, &ReceivedFilter { limit: 2, ..all.clone() }), [4, 3]);
        assert_eq!(times(&log, &ReceivedFilter { hook: Some("one".into()), ..all }), [3, 1]);
        assert!(times(&log, &ReceivedFilter { hook: Some("three".into()), ..all }).is_empty());
        assert_eq!(times(&log, &ReceivedFilter { result: Some(HookResult::Refused), ..all }), [3, 2]);
    }

    #[test]
    fn forgeries_displace_only_forgeries() {
        let log = log();
        log.note(Some(0), entry(Some("one"), 1, HookResult::Taken));
        for at in 2..2_000 {
            log.note(Some(0), entry(Some("one"), at, HookResult::Refused));
            log.note(None, entry(None, at, HookResult::UnknownHook));
        }
        let all = times(&log, &ReceivedFilter { limit: usize::MAX, ..ReceivedFilter::default() });
        assert_eq!(all.len(), 2 * KEPT_ENTRIES + 1);
        assert_eq!(all.last(), Some(&1));
    }

    #[test]
    fn dead_letters_are_bounded_in_number_and_size_and_do_not_print_bodies() {
        let log = log();
        for at in 0..200 {
            let letter = DeadLetter {
                at: Time::from_millis(at),
                hook: Arc::from("one"),
                reason: "not_json",
                detail: "The body is no JSON.".into(),
                digest: [0; 32],
                length: 100_000,
                body: DeadLetter::first_bytes(&[b'x'; 100_000]),
            };
            log.bury(0, letter);
        }
        let letters = log.dead_letters(usize::MAX);
        assert_eq!((letters.len(), letters[0].at.millis()), (KEPT_DEAD_LETTERS, 199));
        assert_eq!(letters[0].body.len(), KEPT_BODY_BYTES);
        assert!(!format!("{letters:?}").contains("xx"));
    }
}
