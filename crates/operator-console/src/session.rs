//! Who is logged in: sessions in memory, each with the key that its operator entered.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::time::Instant;
use uuid::Uuid;

/// After so long without a page a session ends: a night shift's.
const IDLE: Duration = Duration::from_secs(8 * 3_600);

/// However busy, a session ends after a day, so that a forgotten one does not outlast its operator.
pub(crate) const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// At most so many at once; the one that was used least lately makes room.
const MOST: usize = 1_000;

/// At most so many of one key: one that logs in again and again takes nobody else's place.
const MOST_OF_ONE_KEY: usize = 20;

/// At most so many streams of one session at once, of all sessions of one key, and of all: each holds a connection.
const MOST_STREAMS: [usize; 3] = [16, 32, 256];

/// What was done or refused, to be told on the next page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) well: bool,
    pub(crate) text: String,
    /// Where to go on, and what the link says.
    pub(crate) link: Option<(String, &'static str)>,
}

/// What a session begins with beside its key.
pub(crate) struct Beginning {
    /// How long it may last at most.
    pub(crate) longest: Duration,
    /// What makes its key open, where that is lent: dropped with the session.
    pub(crate) held: Option<Box<dyn Send + Sync>>,
    /// Where else a session of the same person is ended with it.
    pub(crate) leave: Option<SecretString>,
}

/// One operator's session.
pub(crate) struct Session {
    /// The key that every request is made with.
    pub(crate) key: SecretString,
    /// The name of the key.
    pub(crate) name: String,
    /// Its role.
    pub(crate) role: String,
    /// The organisations that it sees.
    pub(crate) organisations: Vec<String>,
    /// What every form must say, so that no other site can send one.
    pub(crate) csrf: String,
    /// Where else a session of the same person is ended with it.
    pub(crate) leave: Option<SecretString>,
    /// What makes the key open, where that is lent.
    held: Option<Box<dyn Send + Sync>>,
    longest: Duration,
    begun: Instant,
    used: Mutex<Instant>,
    told: Mutex<Option<Told>>,
    ended: AtomicBool,
    streams: Arc<AtomicUsize>,
    /// Those of all sessions of its key.
    streams_of_key: Arc<AtomicUsize>,
}

/// Leave to keep one stream open, for as long as it is held.
#[derive(Debug)]
pub(crate) struct Leave([Arc<AtomicUsize>; 3]);

impl Drop for Leave {
    fn drop(&mut self) {
        for counter in &self.0 {
            counter.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("name", &self.name).field("role", &self.role).finish_non_exhaustive()
    }
}

impl Session {
    /// Keeps a sentence for the next page.
    pub(crate) fn tell(&self, well: bool, text: impl Into<String>) {
        *lock(&self.told) = Some(Told { well, text: text.into(), link: None });
    }

    /// Keeps a sentence that something was refused, and where to go on.
    pub(crate) fn tell_way(&self, text: impl Into<String>, address: String, says: &'static str) {
        *lock(&self.told) = Some(Told { well: false, text: text.into(), link: Some((address, says)) });
    }

    /// Takes the sentence that was kept.
    pub(crate) fn take_told(&self) -> Option<Told> {
        lock(&self.told).take()
    }

    /// Whether a form says what only a page of this session could know.
    pub(crate) fn is_of_its_page(&self, csrf: &str) -> bool {
        bool::from(self.csrf.as_bytes().ct_eq(csrf.as_bytes()))
    }

    /// Whether its key is lent for as long as it lasts, and stands in no file.
    pub(crate) fn is_lent(&self) -> bool {
        self.held.is_some()
    }

    /// Whether its pages are still somebody's. To ask is no use of it.
    pub(crate) fn is_alive(&self) -> bool {
        !self.is_over(Instant::now())
    }

    fn is_over(&self, now: Instant) -> bool {
        self.ended.load(Ordering::Relaxed)
            || now - self.begun >= self.longest
            || now - *lock(&self.used) >= IDLE
    }
}

/// Every session. What is kept is the hash of its id: whoever reads the memory of a dump finds no id to use.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    all: Mutex<HashMap<[u8; 32], Arc<Session>>>,
    streams: Arc<AtomicUsize>,
    /// The streams of each key by its name, for as long as a session or a stream of it is there: a stream can outlast its session.
    streams_of_keys: Mutex<HashMap<String, Weak<AtomicUsize>>>,
}

impl Sessions {
    /// Begins a session, and answers its id: 244 random bits.
    pub(crate) fn begin(
        &self,
        key: SecretString,
        name: &str,
        role: &str,
        organisations: Vec<String>,
        Beginning { longest, held, leave }: Beginning,
    ) -> String {
        let now = Instant::now();
        let session = Session {
            key,
            name: name.to_owned(),
            role: role.to_owned(),
            organisations,
            csrf: random(),
            leave,
            held,
            longest,
            begun: now,
            used: Mutex::new(now),
            told: Mutex::default(),
            ended: AtomicBool::new(false),
            streams: Arc::default(),
            streams_of_key: self.streams_of_key(name),
        };
        let id = random();
        let mut all = lock(&self.all);
        all.retain(|_, session| !session.is_over(now));
        let of_this_key = || all.iter().filter(|(_, session)| session.name == name);
        let room_is_made_by = if of_this_key().count() >= MOST_OF_ONE_KEY {
            of_this_key().min_by_key(|(_, session)| *lock(&session.used)).map(|(id, _)| *id)
        } else if all.len() >= MOST {
            all.iter().min_by_key(|(_, session)| *lock(&session.used)).map(|(id, _)| *id)
        } else {
            None
        };
        if let Some(session) = room_is_made_by.and_then(|id| all.remove(&id)) {
            session.ended.store(true, Ordering::Relaxed);
        }
        all.insert(hash(&id), Arc::new(session));
        id
    }

    fn streams_of_key(&self, name: &str) -> Arc<AtomicUsize> {
        let mut all = lock(&self.streams_of_keys);
        all.retain(|_, streams| streams.strong_count() > 0);
        let known = all.get(name).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let streams = Arc::default();
            all.insert(name.to_owned(), Arc::downgrade(&streams));
            streams
        })
    }

    /// Leave to keep a stream open; none where there are too many.
    pub(crate) fn stream(&self, session: &Session) -> Option<Leave> {
        let counters = [&session.streams, &session.streams_of_key, &self.streams];
        let leave = Leave(counters.map(Arc::clone));
        let mut room = true;
        for (counter, most) in leave.0.iter().zip(MOST_STREAMS) {
            room &= counter.fetch_add(1, Ordering::Relaxed) < most;
        }
        room.then_some(leave)
    }

    /// The session of this id, unless it is over.
    pub(crate) fn find(&self, id: &str) -> Option<Arc<Session>> {
        let now = Instant::now();
        let session = lock(&self.all).get(&hash(id)).cloned()?;
        if session.is_over(now) {
            self.end(id);
            return None;
        }
        *lock(&session.used) = now;
        Some(session)
    }

    /// Ends a session.
    pub(crate) fn end(&self, id: &str) {
        if let Some(session) = lock(&self.all).remove(&hash(id)) {
            session.ended.store(true, Ordering::Relaxed);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hash(id: &str) -> [u8; 32] {
    Sha256::digest(id.as_bytes()).into()
}

fn random() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usual() -> Beginning {
        Beginning { longest: LONGEST, held: None, leave: None }
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_when_nobody_uses_it_and_after_a_day_in_any_case() {
        let sessions = Sessions::default();
        let id = sessions.begin("key".into(), "ann", "operate", Vec::new(), usual());
        assert!(sessions.find("another").is_none());
        for _ in 0..3 {
            tokio::time::advance(Duration::from_secs(7 * 3_600)).await;
            assert!(sessions.find(&id).is_some());
        }
        tokio::time::advance(Duration::from_secs(3 * 3_600)).await;
        assert!(sessions.find(&id).is_none(), "24 hours");
        let id = sessions.begin("key".into(), "ann", "operate", Vec::new(), usual());
        tokio::time::advance(IDLE).await;
        assert!(sessions.find(&id).is_none(), "idle");
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_that_may_last_less_long_takes_its_key_with_it() {
        let sessions = Sessions::default();
        let lent = Arc::new(());
        let held = Some(Box::new(Arc::clone(&lent)) as Box<dyn Send + Sync>);
        let short = Beginning { longest: Duration::from_secs(3_600), held, leave: None };
        let id = sessions.begin("key".into(), "oidc:ann", "operate", Vec::new(), short);
        tokio::time::advance(Duration::from_secs(3_599)).await;
        assert!(sessions.find(&id).is_some() && Arc::strong_count(&lent) == 2);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(sessions.find(&id).is_none(), "however busy");
        assert_eq!(Arc::strong_count(&lent), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn sessions_are_bounded_and_a_key_makes_room_for_itself() {
        let sessions = Sessions::default();
        let first = sessions.begin("key".into(), "first", "read", Vec::new(), usual());
        let mut of_another = Vec::new();
        for _ in 0..=MOST_OF_ONE_KEY {
            tokio::time::advance(Duration::from_millis(1)).await;
            of_another.push(sessions.begin("key".into(), "another", "read", Vec::new(), usual()));
        }
        let alive = |id: &String| sessions.find(id).is_some();
        assert!(alive(&first) && !alive(&of_another[0]) && alive(&of_another[1]));
        for number in 0..MOST {
            tokio::time::advance(Duration::from_millis(1)).await;
            sessions.begin("key".into(), &number.to_string(), "read", Vec::new(), usual());
        }
        assert_eq!(lock(&sessions.all).len(), MOST);
    }

    #[tokio::test(start_paused = true)]
    async fn streams_are_bounded_and_what_ends_makes_room() {
        let sessions = Sessions::default();
        let id = sessions.begin("key".into(), "ann", "read", Vec::new(), usual());
        let session = sessions.find(&id).unwrap();
        let mut held: Vec<_> = (0..MOST_STREAMS[0]).map(|_| sessions.stream(&session).unwrap()).collect();
        assert!(sessions.stream(&session).is_none());
        held.pop();
        assert!(sessions.stream(&session).is_some());
        sessions.end(&id);
        assert!(!session.is_alive());
    }

    #[tokio::test(start_paused = true)]
    async fn one_key_takes_the_streams_of_no_other_however_often_it_logs_in() {
        let sessions = Sessions::default();
        let begun = |name: &str| {
            let id = sessions.begin("key".into(), name, "read", Vec::new(), usual());
            (sessions.find(&id).unwrap(), id)
        };
        let mut held = Vec::new();
        for _ in 0..MOST_OF_ONE_KEY {
            let (session, id) = begun("greedy");
            held.extend((0..MOST_STREAMS[0]).filter_map(|_| sessions.stream(&session)));
            // A stream whose client takes nothing is there for a while after its session.
            sessions.end(&id);
        }
        assert_eq!(held.len(), MOST_STREAMS[1]);
        assert!(sessions.stream(&begun("another").0).is_some());
        drop(held);
        assert!(sessions.stream(&begun("greedy").0).is_some());
        assert_eq!(lock(&sessions.streams_of_keys).len(), 2);
    }
}
