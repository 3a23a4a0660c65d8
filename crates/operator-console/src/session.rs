//! Who is logged in: sessions in memory, each with the key that its operator entered.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// At most so many at once; the one that was used least lately makes room.
const MOST: usize = 1_000;

/// What was done or refused, to be told on the next page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) well: bool,
    pub(crate) text: String,
}

/// One operator's session.
#[derive(Debug)]
pub(crate) struct Session {
    /// The key that every request is made with.
    pub(crate) key: SecretString,
    /// The name of the key.
    pub(crate) name: String,
    /// Its role.
    pub(crate) role: String,
    /// What every form must say, so that no other site can send one.
    pub(crate) csrf: String,
    begun: Instant,
    used: Mutex<Instant>,
    told: Mutex<Option<Told>>,
}

impl Session {
    /// Keeps a sentence for the next page.
    pub(crate) fn tell(&self, well: bool, text: impl Into<String>) {
        *lock(&self.told) = Some(Told { well, text: text.into() });
    }

    /// Takes the sentence that was kept.
    pub(crate) fn take_told(&self) -> Option<Told> {
        lock(&self.told).take()
    }

    /// Whether a form says what only a page of this session could know.
    pub(crate) fn is_of_its_page(&self, csrf: &str) -> bool {
        bool::from(self.csrf.as_bytes().ct_eq(csrf.as_bytes()))
    }

    fn is_over(&self, now: Instant) -> bool {
        now - self.begun >= LONGEST || now - *lock(&self.used) >= IDLE
    }
}

/// Every session. What is kept is the hash of its id: whoever reads the memory of a dump finds no id to use.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<HashMap<[u8; 32], Arc<Session>>>);

impl Sessions {
    /// Begins a session, and answers its id: 244 random bits.
    pub(crate) fn begin(&self, key: SecretString, name: &str, role: &str) -> String {
        let now = Instant::now();
        let session = Session {
            key,
            name: name.to_owned(),
            role: role.to_owned(),
            csrf: random(),
            begun: now,
            used: Mutex::new(now),
            told: Mutex::default(),
        };
        let id = random();
        let mut all = lock(&self.0);
        all.retain(|_, session| !session.is_over(now));
        if all.len() >= MOST {
            let oldest = all.iter().min_by_key(|(_, session)| *lock(&session.used)).map(|(id, _)| *id);
            oldest.and_then(|id| all.remove(&id));
        }
        all.insert(hash(&id), Arc::new(session));
        id
    }

    /// The session of this id, unless it is over.
    pub(crate) fn find(&self, id: &str) -> Option<Arc<Session>> {
        let now = Instant::now();
        let session = lock(&self.0).get(&hash(id)).cloned()?;
        if session.is_over(now) {
            self.end(id);
            return None;
        }
        *lock(&session.used) = now;
        Some(session)
    }

    /// Ends a session.
    pub(crate) fn end(&self, id: &str) {
        lock(&self.0).remove(&hash(id));
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

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_when_nobody_uses_it_and_after_a_day_in_any_case() {
        let sessions = Sessions::default();
        let id = sessions.begin("key".into(), "ann", "operate");
        assert!(sessions.find("another").is_none());
        for _ in 0..3 {
            tokio::time::advance(Duration::from_secs(7 * 3_600)).await;
            assert!(sessions.find(&id).is_some());
        }
        tokio::time::advance(Duration::from_secs(3 * 3_600)).await;
        assert!(sessions.find(&id).is_none(), "24 hours");
        let id = sessions.begin("key".into(), "ann", "operate");
        tokio::time::advance(IDLE).await;
        assert!(sessions.find(&id).is_none(), "idle");
    }

    #[tokio::test(start_paused = true)]
    async fn sessions_are_bounded_and_the_one_in_use_stays() {
        let sessions = Sessions::default();
        let first = sessions.begin("key".into(), "first", "read");
        for _ in 0..MOST + 5 {
            tokio::time::advance(Duration::from_millis(1)).await;
            assert!(sessions.find(&first).is_some());
            tokio::time::advance(Duration::from_millis(1)).await;
            sessions.begin("key".into(), "another", "read");
        }
        assert_eq!(lock(&sessions.0).len(), MOST);
    }
}
