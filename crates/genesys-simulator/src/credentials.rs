//! OAuth clients, the tokens they were given, and the quota of each token.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use secrecy::ExposeSecret as _;
use uuid::Uuid;

use crate::clock::{Millis, in_millis};
use crate::config::{OauthClient, Quota};
use crate::random::Draw;

/// How far apart two early expiries lie, in milliseconds.
const EARLY_EXPIRY_APART: Millis = 1_000;

/// Knows every client and every token.
#[derive(Debug)]
pub(crate) struct Credentials {
    quota: Quota,
    /// Whether all tokens of a client share one quota.
    of_clients: bool,
    lifetime: std::time::Duration,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    clients: HashMap<String, OauthClient>,
    tokens: HashMap<String, Token>,
    /// The windows of clients, where their tokens share one quota.
    windows: HashMap<String, Window>,
    issued: u64,
    expired_early_at: Option<Millis>,
}

#[derive(Debug)]
struct Token {
    client: String,
    expires_at: Millis,
    window: Window,
}

/// What was counted in the present window.
#[derive(Clone, Copy, Debug)]
struct Window {
    from: Millis,
    requests: u32,
}

/// Why no token was issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoginRefused {
    UnknownClient,
    WrongSecret,
}

/// Why a request was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenRefused {
    Unknown,
    Expired,
}

/// Where a token stands in its quota; the values of the `inin-ratelimit-*` headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QuotaState {
    pub count: u32,
    pub allowed: u32,
    pub reset_seconds: u64,
}

impl QuotaState {
    pub(crate) fn is_exceeded(&self) -> bool {
        self.count > self.allowed
    }
}

/// A request that was let in.
#[derive(Clone, Debug)]
pub(crate) struct Admission {
    pub client: OauthClient,
    pub expires_at: Millis,
    pub quota: Option<QuotaState>,
}

impl Credentials {
    pub(crate) fn new(clients: Vec<OauthClient>, lifetime: std::time::Duration, quota: Quota) -> Self {
        let clients = clients.into_iter().map(|client| (client.id.clone(), client)).collect();
        let inner = Mutex::new(Inner { clients, ..Inner::default() });
        Self { quota, of_clients: false, lifetime, inner }
    }

    /// Lets all tokens of a client share one quota.
    pub(crate) fn sharing(self, of_clients: bool) -> Self {
        Self { of_clients, ..self }
    }

    /// Issues a token; answers it with its life in seconds.
    pub(crate) fn log_in(
        &self,
        id: &str,
        secret: &str,
        seed: u64,
        now: Millis,
    ) -> Result<(String, u64), LoginRefused> {
        let mut inner = self.locked();
        let client = inner.clients.get(id).ok_or(LoginRefused::UnknownClient)?;
        if client.secret.expose_secret() != secret {
            return Err(LoginRefused::WrongSecret);
        }
        inner.issued += 1;
        let mut draw = Draw::new(seed, Uuid::nil(), "token", inner.issued);
        let token = format!("sim-{:016x}{:016x}", draw.next(), draw.next());
        let record = Token {
            client: id.to_owned(),
            expires_at: now.saturating_add(in_millis(self.lifetime)),
            window: Window { from: now, requests: 0 },
        };
        inner.tokens.insert(token.clone(), record);
        Ok((token, self.lifetime.as_secs()))
    }

    /// Lets a request in, or not, and counts it in the token's window.
    pub(crate) fn admit(&self, token: &str, now: Millis) -> Result<Admission, TokenRefused> {
        let quota = self.quota;
        let mut inner = self.locked();
        let Inner { clients, tokens, windows, .. } = &mut *inner;
        let record = tokens.get_mut(token).ok_or(TokenRefused::Unknown)?;
        if record.expires_at <= now {
            return Err(TokenRefused::Expired);
        }
        let client = clients.get(&record.client).ok_or(TokenRefused::Unknown)?.clone();
        let quota = quota.requests.map(|allowed| {
            let length = in_millis(quota.window).max(1);
            let window = match self.of_clients {
                true => windows.entry(record.client.clone()).or_insert(Window { from: now, requests: 0 }),
                false => &mut record.window,
            };
            if now - window.from >= length {
                *window = Window { from: now, requests: 0 };
            }
            window.requests = window.requests.saturating_add(1);
            let left = u64::try_from(window.from + length - now).unwrap_or(0);
            QuotaState { count: window.requests, allowed, reset_seconds: left.div_ceil(1_000) }
        });
        Ok(Admission { client, expires_at: record.expires_at, quota })
    }

    /// Whether a token may expire early now: not again within a second, since a token that was just issued lives on in
    /// the real service too (300 s at least, API.md §3).
    pub(crate) fn may_expire_early(&self, now: Millis) -> bool {
        self.locked().expired_early_at.is_none_or(|before| now - before >= EARLY_EXPIRY_APART)
    }

    /// Makes a token expire at once.
    pub(crate) fn expire(&self, token: &str, now: Millis) {
        let mut inner = self.locked();
        inner.expired_early_at = Some(now);
        if let Some(record) = inner.tokens.get_mut(token) {
            record.expires_at = record.expires_at.min(now);
        }
    }

    /// Adds a client, or replaces the one of the same id.
    pub(crate) fn admit_client(&self, client: OauthClient) {
        self.locked().clients.insert(client.id.clone(), client);
    }

    /// Forgets every token.
    pub(crate) fn forget_tokens(&self) {
        self.locked().tokens.clear();
    }

    fn locked(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_window_starts_anew_when_it_has_run_out() {
        let credentials = with_quota(Quota { requests: Some(2), window: Duration::from_secs(10) });
        let (token, _) = credentials.log_in("c", "s", 0, 0).unwrap();
        let state = |now| credentials.admit(&token, now).unwrap().quota.unwrap();
        assert_eq!(state(0), QuotaState { count: 1, allowed: 2, reset_seconds: 10 });
        assert!(!state(1).is_exceeded());
        assert!(state(9_999).is_exceeded());
        assert_eq!(state(10_000), QuotaState { count: 1, allowed: 2, reset_seconds: 10 });
    }

    #[test]
    fn tokens_of_a_client_share_a_window_where_that_is_wanted() {
        let credentials =
            with_quota(Quota { requests: Some(2), window: Duration::from_secs(10) }).sharing(true);
        let [one, other] = [1, 2].map(|seed| credentials.log_in("c", "s", seed, 0).unwrap().0);
        let count = |token: &str, now| credentials.admit(token, now).unwrap().quota.unwrap().count;
        assert_eq!([count(&one, 0), count(&other, 5_000), count(&one, 10_000)], [1, 2, 1]);
    }

    #[test]
    fn a_token_expires_with_time_and_on_demand() {
        let credentials = with_quota(Quota::unlimited());
        let (first, seconds) = credentials.log_in("c", "s", 0, 0).unwrap();
        assert_eq!(seconds, 60);
        assert!(credentials.admit(&first, 59_999).is_ok());
        assert_eq!(credentials.admit(&first, 60_000).unwrap_err(), TokenRefused::Expired);
        let (second, _) = credentials.log_in("c", "s", 0, 0).unwrap();
        assert_ne!(first, second);
        credentials.expire(&second, 5);
        assert_eq!(credentials.admit(&second, 5).unwrap_err(), TokenRefused::Expired);
        assert_eq!(credentials.admit("other", 5).unwrap_err(), TokenRefused::Unknown);
    }

    #[test]
    fn an_unknown_client_and_a_wrong_secret_are_told_apart() {
        let credentials = with_quota(Quota::unlimited());
        assert_eq!(credentials.log_in("x", "s", 0, 0), Err(LoginRefused::UnknownClient));
        assert_eq!(credentials.log_in("c", "x", 0, 0), Err(LoginRefused::WrongSecret));
    }

    fn with_quota(quota: Quota) -> Credentials {
        Credentials::new(vec![OauthClient::new("c", "s")], Duration::from_secs(60), quota)
    }
}
