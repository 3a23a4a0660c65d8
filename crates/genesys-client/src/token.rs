//! The access token: fetched once for all who need it, renewed early, replaced when it is refused.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderValue, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use crate::{
    answer,
    config::{ConfigError, Credentials},
    error_body::DEFAULT_RETRY_AFTER,
    fault::{Fault, FaultKind, bounded_word},
    json::{Object, Text, parse},
    watch::{Moment, Watch},
};

/// A token is renewed this long before it ends, or a tenth of its life before, whichever is shorter.
const RENEWED_BEFORE: Duration = Duration::from_secs(300);

/// The life of a token that does not say its own: the shortest that can be configured (API.md §3).
const DEFAULT_LIFE: u64 = 300;

/// How long an early renewal that failed is put off while the old token still holds.
const RENEWAL_PUT_OFF: Duration = Duration::from_secs(10);

/// The first time for which refused credentials are not tried again; it doubles up to the longest.
const FIRST_HOLD: Duration = Duration::from_secs(1);

/// The longest time for which refused credentials are not tried again.
const LONGEST_HOLD: Duration = Duration::from_secs(60);

/// The token in the form in which it is sent, and which of all tokens it is.
#[derive(Clone)]
pub(crate) struct Bearer {
    pub(crate) header: HeaderValue,
    generation: u64,
}

/// Keeps the token of one organisation.
pub(crate) struct Tokens {
    http: reqwest::Client,
    url: Url,
    timeout: Duration,
    watch: Watch,
    /// Held by the one who refreshes.
    refreshing: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

struct State {
    credentials: Arc<Checked>,
    /// Grows with every token and every replacement of the credentials.
    generation: u64,
    token: Option<Token>,
    /// Grows with every attempt to refresh, so that waiters learn of one that failed while they waited.
    attempts: u64,
    last_failure: Option<Fault>,
    hold: Option<Hold>,
}

struct Token {
    header: HeaderValue,
    renew_at: Instant,
    ends_at: Instant,
}

struct Hold {
    until: Instant,
    length: Duration,
    fault: Fault,
}

/// Credentials that can be sent.
enum Checked {
    Client { basic: HeaderValue },
    AccessToken { bearer: HeaderValue },
}

impl Tokens {
    pub(crate) fn new(
        http: reqwest::Client,
        login: &Url,
        credentials: &Credentials,
        timeout: Duration,
        watch: Watch,
    ) -> Result<Self, ConfigError> {
        let url = login.join("oauth/token").expect("a base address takes a relative path");
        let state = State {
            credentials: Arc::new(check(credentials)?),
            generation: 0,
            token: None,
            attempts: 0,
            last_failure: None,
            hold: None,
        };
        let refreshing = tokio::sync::Mutex::new(());
        Ok(Self { http, url, timeout, watch, refreshing, state: Mutex::new(state) })
    }

    /// Puts other credentials in place. Calls that are under way with the old token repeat with the new one.
    pub(crate) fn replace(&self, credentials: &Credentials) -> Result<(), ConfigError> {
        let checked = Arc::new(check(credentials)?);
        let mut state = self.lock();
        state.credentials = checked;
        state.generation += 1;
        state.token = None;
        state.hold = None;
        Ok(())
    }

    /// Returns the token, fetching it first when there is none. Nobody waits for an early renewal but the one who
    /// does it.
    pub(crate) async fn bearer(&self) -> Result<Bearer, Fault> {
        let now = Instant::now();
        let attempts = {
            let state = self.lock();
            if let Checked::AccessToken { bearer } = &*state.credentials {
                return Ok(Bearer { header: bearer.clone(), generation: state.generation });
            }
            match &state.token {
                Some(token) if now < token.renew_at => return Ok(state.bearer(token)),
                Some(token) if now < token.ends_at && self.refreshing.try_lock().is_err() => {
                    return Ok(state.bearer(token));
                }
                Some(_) | None => state.attempts,
            }
        };
        self.refresh(attempts).await
    }

    /// Whether there is, or can be, another token than this one.
    pub(crate) fn can_replace(&self, refused: &Bearer) -> bool {
        let state = self.lock();
        state.generation != refused.generation || matches!(*state.credentials, Checked::Client { .. })
    }

    /// Returns another token than the one that was refused.
    pub(crate) async fn replacing(&self, refused: &Bearer) -> Result<Bearer, Fault> {
        let attempts = {
            let mut state = self.lock();
            if state.generation == refused.generation {
                state.token = None;
            }
            state.attempts
        };
        self.refresh(attempts).await
    }

    async fn refresh(&self, attempts_seen: u64) -> Result<Bearer, Fault> {
        let _refreshing = self.refreshing.lock().await;
        let now = Instant::now();
        let (credentials, generation) = {
            let state = self.lock();
            if let Checked::AccessToken { bearer } = &*state.credentials {
                return Ok(Bearer { header: bearer.clone(), generation: state.generation });
            }
            if let Some(token) = state.token.as_ref().filter(|token| now < token.renew_at) {
                return Ok(state.bearer(token));
            }
            if let Some(hold) = state.hold.as_ref().filter(|hold| now < hold.until) {
                return Err(hold.fault.clone());
            }
            if let Some(failure) = state.last_failure.as_ref().filter(|_| state.attempts > attempts_seen) {
                return Err(failure.clone());
            }
            (Arc::clone(&state.credentials), state.generation)
        };
        self.watch.tell("login", Moment::Before);
        let fetched = self.fetch(&credentials).await;
        self.watch.tell("login", Moment::After);
        self.lock().conclude(generation, fetched)
    }

    async fn fetch(&self, credentials: &Checked) -> Result<(HeaderValue, Duration), Fault> {
        let Checked::Client { basic } = credentials else {
            return Err(Fault::local(FaultKind::Unauthenticated, "an access token cannot be renewed"));
        };
        let request = self
            .http
            .post(self.url.clone())
            .timeout(self.timeout)
            .header(header::AUTHORIZATION, basic.clone())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials");
        let response = request.send().await.map_err(|error| {
            Fault::local(FaultKind::NotSent, format!("no token: {}", crate::call::describe(&error)))
        })?;
        let status = response.status();
        let correlation_id = answer::correlation_id(response.headers());
        let retry_after = answer::retry_after(response.headers(), jiff::Timestamp::now());
        let body = answer::body(response, answer::LARGEST_ERROR).await;
        let fault = |kind, message: String| {
            let bounded = Fault::local(kind, message);
            Fault { status: Some(status.as_u16()), correlation_id: correlation_id.clone(), ..bounded }
        };
        if status.is_success() {
            return body.ok().and_then(|body| token_of(&body)).ok_or_else(|| {
                fault(FaultKind::NotSent, "the login service's token cannot be read".to_owned())
            });
        }
        let (kind, message, code) = refusal(status, retry_after, &body.unwrap_or_default());
        Err(Fault { code, ..fault(kind, message) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change of the state is complete before the lock is released, so a panic leaves nothing half-done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn bearer(&self, token: &Token) -> Bearer {
        Bearer { header: token.header.clone(), generation: self.generation }
    }

    /// Takes in what a refresh has brought, unless the credentials were replaced meanwhile.
    fn conclude(
        &mut self,
        generation: u64,
        fetched: Result<(HeaderValue, Duration), Fault>,
    ) -> Result<Bearer, Fault> {
        let now = Instant::now();
        if self.generation != generation {
            let message = "the credentials were replaced while a token was fetched";
            return match fetched {
                // Good for this one call; a 401 makes it ask again.
                Ok((header, _)) => Ok(Bearer { header, generation }),
                Err(_) => Err(Fault::local(FaultKind::NotSent, message)),
            };
        }
        self.attempts += 1;
        match fetched {
            Ok((header, life)) => {
                let early = RENEWED_BEFORE.min(life / 10);
                let token = Token { header, renew_at: now + (life - early), ends_at: now + life };
                self.generation += 1;
                self.last_failure = None;
                self.hold = None;
                let bearer = self.bearer(&token);
                self.token = Some(token);
                Ok(bearer)
            }
            Err(fault) => self.failed(now, fault),
        }
    }

    fn failed(&mut self, now: Instant, fault: Fault) -> Result<Bearer, Fault> {
        if fault.kind == FaultKind::Unauthenticated {
            let length = self.hold.as_ref().map_or(FIRST_HOLD, |hold| (hold.length * 2).min(LONGEST_HOLD));
            self.hold = Some(Hold { until: now + length, length, fault: fault.clone() });
        }
        self.last_failure = Some(fault.clone());
        match &mut self.token {
            Some(token) if now < token.ends_at => {
                tracing::warn!(fault = %fault, "token not renewed; the old one still holds");
                token.renew_at = (now + RENEWAL_PUT_OFF).min(token.ends_at);
                Ok(Bearer { header: token.header.clone(), generation: self.generation })
            }
            Some(_) | None => Err(fault),
        }
    }
}

fn check(credentials: &Credentials) -> Result<Checked, ConfigError> {
    match credentials {
        Credentials::Client { id, secret } => {
            let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
            if !plain(id) || id.contains(':') {
                return Err(ConfigError::Credentials { what: "the OAuth client's id" });
            }
            if !plain(secret.expose_secret()) {
                return Err(ConfigError::Credentials { what: "the OAuth client's secret" });
            }
            let pair = SecretString::from(STANDARD.encode(format!("{id}:{}", secret.expose_secret())));
            let basic = sensitive("Basic", pair.expose_secret())
                .ok_or(ConfigError::Credentials { what: "the OAuth client's secret" })?;
            Ok(Checked::Client { basic })
        }
        Credentials::AccessToken(token) => {
            let bearer = sensitive("Bearer", token.expose_secret())
                .ok_or(ConfigError::Credentials { what: "the access token" })?;
            Ok(Checked::AccessToken { bearer })
        }
    }
}

/// A header value that neither logs nor HTTP/2's shared compression table keep.
fn sensitive(scheme: &str, secret: &str) -> Option<HeaderValue> {
    if secret.is_empty() || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let mut value = HeaderValue::from_str(&format!("{scheme} {secret}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TokenBody {
    access_token: Text,
    expires_in: Option<serde_json::Number>,
}

fn token_of(body: &[u8]) -> Option<(HeaderValue, Duration)> {
    let Object(token) = parse::<Object<TokenBody>>(body).ok()?;
    let header = sensitive("Bearer", token.access_token.0.as_deref()?)?;
    let seconds = token.expires_in.and_then(|seconds| seconds.as_u64()).unwrap_or(DEFAULT_LIFE);
    // 172 800 s is the longest that can be configured (API.md §3).
    Some((header, Duration::from_secs(seconds.clamp(1, 172_800))))
}

/// The login service's error; it is not the platform's `ErrorBody`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TokenError {
    error: Text,
    description: Text,
    error_description: Text,
}

fn refusal(
    status: StatusCode,
    retry_after: Option<Duration>,
    body: &[u8],
) -> (FaultKind, String, Option<Box<str>>) {
    let body = parse::<Object<TokenError>>(body).map(|object| object.0).unwrap_or_default();
    let code = body.error.0.as_deref().map(bounded_word);
    let description = body.error_description.0.or(body.description.0);
    let (kind, message) = match (status.as_u16(), code.as_deref()) {
        (429, _) => (
            FaultKind::RateLimited { retry_after: retry_after.unwrap_or(DEFAULT_RETRY_AFTER) },
            "the login service limits the rate".to_owned(),
        ),
        (408 | 500.., _) => (FaultKind::NotSent, format!("no token: the login service answered {status}")),
        (400, Some("invalid_client")) => (
            FaultKind::Unauthenticated,
            "the login service does not know this OAuth client: check the client id and the region"
                .to_owned(),
        ),
        (401, Some("invalid_client")) => {
            (FaultKind::Unauthenticated, "the OAuth client's secret is wrong".to_owned())
        }
        (404 | 300..=399, _) => (
            FaultKind::Unauthenticated,
            format!("no token: there is no login service at this address, it answered {status}"),
        ),
        _ => {
            let reason = description.as_deref().unwrap_or("no reason given");
            (FaultKind::Unauthenticated, format!("the login service refused the credentials: {reason}"))
        }
    };
    (kind, message, code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/genesys/samples/rest/");
        std::fs::read(format!("{folder}{name}")).unwrap()
    }

    #[test]
    fn the_samples_of_the_login_service_are_understood() {
        let (header, life) = token_of(&sample("oauth-token-200.json")).unwrap();
        assert!(header.is_sensitive());
        assert_eq!(life, Duration::from_secs(86_399));
        for (status, name, said) in [
            (400, "oauth-token-400-unknown-client.json", "does not know this OAuth client"),
            (401, "oauth-token-401-bad-secret.json", "secret is wrong"),
        ] {
            let (kind, message, code) = refusal(StatusCode::from_u16(status).unwrap(), None, &sample(name));
            assert_eq!(kind, FaultKind::Unauthenticated);
            assert!(message.contains(said), "{message}");
            assert_eq!(code.as_deref(), Some("invalid_client"));
        }
    }

    #[test]
    fn a_token_that_no_header_can_carry_is_none() {
        for body in [
            r#"{"access_token": "a\nb"}"#,
            r#"{"access_token": ""}"#,
            r#"{"access_token": 7}"#,
            r#"["token"]"#,
            "{}",
            "",
        ] {
            assert!(token_of(body.as_bytes()).is_none(), "{body}");
        }
        assert_eq!(token_of(br#"{"access_token": "t"}"#).unwrap().1, Duration::from_secs(300));
        assert_eq!(token_of(br#"{"access_token": "t", "expires_in": 0}"#).unwrap().1, Duration::from_secs(1));
    }

    #[test]
    fn credentials_that_cannot_be_sent_are_refused_and_not_named() {
        for (id, secret) in [("", "s"), ("a", ""), ("a b", "s"), ("a:b", "s"), ("a", "s\n")] {
            let credentials = Credentials::Client { id: id.into(), secret: secret.into() };
            assert!(check(&credentials).is_err(), "{id:?} {secret:?}");
        }
        let credentials = Credentials::AccessToken("canary\r\n".into());
        let error = check(&credentials).err().unwrap();
        assert!(!error.to_string().contains("canary"));
    }
}
