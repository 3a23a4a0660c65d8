//! A log-in from its first step to its last.

use std::{
    collections::{HashSet, VecDeque},
    fmt,
    sync::{Arc, Mutex as Lock, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use reqwest::{Client, RequestBuilder, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::{sync::Mutex, time::Instant};
use url::form_urlencoded;

use crate::{
    bound::Bound,
    claims::{self, Claims},
    discovery::{self, Metadata, Proof},
    flow::{self, Flow, Seal},
    grants::{self, Person},
    http,
    keys::Keys,
    refused::{Refused, plain},
    settings::Settings,
    token::{self, Expected, Flaw},
};

/// How long what a provider publishes is used before it is fetched anew. A key that it withdraws is believed no longer than this.
const FRESH: Duration = Duration::from_secs(5 * 60);

/// For a key that is not known keys are fetched anew, at most so often: tokens come from the provider itself, so it is a new key or a mistake.
const BETWEEN_KEYS: Duration = Duration::from_secs(5);

/// After a failure nobody is asked for so long, so that those who wait do not wait one after another.
const AFTER_FAILURE: Duration = Duration::from_secs(2);

/// So many log-ins that were finished are remembered, far more than people finish within [`flow::LONGEST`].
const MOST_FINISHED: usize = 10_000;

/// A log-in that has begun.
#[derive(Debug)]
pub struct Begun {
    /// Where the browser goes.
    pub to: String,
    /// What the browser has to keep and bring back: letters, digits, `-`, `_` and `.`.
    pub kept: String,
}

/// Somebody who is let in.
#[derive(Debug)]
pub struct Welcome {
    /// Who.
    pub person: Person,
    /// Where the log-in was to lead.
    pub next: String,
    /// The address at which the provider ends its own session too, where it has one. It holds the ID token.
    pub leave: Option<SecretString>,
}

/// A provider. A log-in may begin with one of these and finish with another of the same settings, in another process.
pub struct Provider {
    settings: Settings,
    seal: Seal,
    http: Client,
    published: Mutex<Published>,
    finished: Lock<Finished>,
    bound: Bound,
}

/// What was fetched of what the provider publishes.
#[derive(Default)]
struct Published {
    metadata: Option<(Arc<Metadata>, Instant)>,
    keys: Option<(Arc<Keys>, Instant)>,
    failed: Option<(String, Instant)>,
}

/// The states of log-ins that were finished, so that none is finished twice here. At another process, the provider gives no tokens for a
/// code that was used.
#[derive(Default)]
struct Finished {
    states: HashSet<String>,
    order: VecDeque<(String, i64)>,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: Option<String>,
    access_token: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Told {
    error: String,
    error_description: String,
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Provider {
    /// Makes ready; nobody is asked yet, so a service starts also while its provider is away.
    ///
    /// # Errors
    ///
    /// When this machine's TLS cannot be used.
    pub fn new(settings: Settings) -> Result<Self, reqwest::Error> {
        let http = http::client(&settings.issuer)?;
        let seal = Seal::of(&settings.client_secret);
        Ok(Self {
            settings,
            seal,
            http,
            published: Mutex::default(),
            finished: Lock::default(),
            bound: Bound::default(),
        })
    }

    /// Where browsers reach this service.
    pub fn home(&self) -> &str {
        &self.settings.home
    }

    /// Begins a log-in that leads to `next`, an address of this service that its caller has checked.
    ///
    /// # Errors
    ///
    /// When what the provider publishes cannot be had.
    pub async fn begin(&self, next: &str) -> Result<Begun, Refused> {
        let metadata = self.metadata().await?;
        let flow = Flow::begin(next, now());
        let mut to = metadata.authorization_endpoint.clone();
        to.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", &self.settings.redirect_url())
            .append_pair("scope", &self.settings.scopes.join(" "))
            .append_pair("state", &flow.state)
            .append_pair("nonce", &flow.nonce)
            .append_pair("code_challenge", &flow.challenge())
            .append_pair("code_challenge_method", "S256");
        Ok(Begun { to: to.into(), kept: self.seal.close(&flow) })
    }

    /// Finishes a log-in with what the provider sent the browser back with, and with what the browser kept, of which there may be several
    /// where somebody else sets cookies for this host too.
    ///
    /// # Errors
    ///
    /// [`Refused`], whatever is wrong.
    pub async fn finish(&self, query: &str, kept: &[String]) -> Result<Welcome, Refused> {
        let mut given: Vec<_> = form_urlencoded::parse(query.as_bytes()).take(16).collect();
        given.sort();
        if given.windows(2).any(|two| two[0].0 == two[1].0) {
            return Err(Refused::browser("the provider's answer says something twice"));
        }
        let field = |name: &str| given.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_ref());
        let (state, now) = (field("state").unwrap_or_default(), now());
        let mut flows = kept.iter().filter_map(|kept| self.seal.open(kept, now));
        let flow = flows.find(|flow| flow.is_of(state)).ok_or_else(|| {
            Refused::browser("no log-in of this browser has the state that the provider gave back")
        })?;
        if !self.finishes(&flow, now) {
            return Err(Refused::browser("a log-in was to be finished a second time"));
        }
        let metadata = self.metadata().await?;
        if !metadata.gave(field("iss")) {
            return Err(Refused::unproven("the code is of another provider (iss)"));
        }
        if let Some(error) = field("error") {
            return Err(Refused::by_provider(error, field("error_description").unwrap_or_default()));
        }
        let code =
            field("code").ok_or_else(|| Refused::browser("the provider gave neither a code nor an error"))?;
        let leave = self.bound.leave().await.ok_or_else(Refused::busy)?;
        let tokens = self.tokens(&metadata, code, &flow).await?;
        drop(leave);
        let id_token = tokens.id_token.ok_or_else(|| {
            Refused::unproven("the provider gave no ID token; is the scope openid asked for?")
        })?;
        let mut claims = self.proven(&metadata, &id_token, &flow).await?;
        self.complete(&metadata, &mut claims, tokens.access_token.as_deref()).await?;
        let Settings { roles_claim, name_claim, grants, .. } = &self.settings;
        let person = grants::person(&claims, roles_claim, name_claim, grants).ok_or_else(|| {
            let values = claims::texts(&claims, roles_claim).len();
            Refused::nobody(format!(
                "no [[console.oidc.grant]] names one of the {values} values of the claim {roles_claim:?}"
            ))
        })?;
        Ok(Welcome { person, next: flow.next, leave: self.leave(&metadata, &id_token) })
    }

    /// Whether this log-in may be finished: once, and whatever comes of it.
    fn finishes(&self, flow: &Flow, now: i64) -> bool {
        let mut finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        let Finished { states, order } = &mut *finished;
        while order.front().is_some_and(|(_, begun)| now - begun > flow::LONGEST)
            || order.len() >= MOST_FINISHED
        {
            if let Some((state, _)) = order.pop_front() {
                states.remove(&state);
            }
        }
        let first = states.insert(flow.state.clone());
        if first {
            order.push_back((flow.state.clone(), flow.begun));
        }
        first
    }

    async fn tokens(&self, metadata: &Metadata, code: &str, flow: &Flow) -> Result<Tokens, Refused> {
        let request = self.exchange(metadata, code, &flow.verifier).ok_or_else(|| {
            Refused::unreachable("the provider takes no client secret where it gives tokens")
        })?;
        let (status, body) = http::send(request, "a code could not be exchanged for tokens")
            .await
            .map_err(Refused::unreachable)?;
        if status == StatusCode::OK {
            // The words of the parser could show a token.
            return serde_json::from_slice(&body)
                .map_err(|_| Refused::unreachable("the provider's tokens cannot be read"));
        }
        let told: Told = serde_json::from_slice(&body).unwrap_or_default();
        let detail = format!(
            "the provider gave no tokens for a code: {status} {} {}",
            plain(&told.error, 60),
            plain(&told.error_description, 300)
        );
        Err(match told.error.as_str() {
            // It was used before, or took too long.
            "invalid_grant" => Refused::browser(detail),
            "invalid_client" | "unauthorized_client" => {
                Refused::unproven(format!("{detail}; look at console.oidc.client_id and client_secret"))
            }
            _ => Refused::unreachable(detail),
        })
    }

    /// The request that exchanges a code for tokens; nothing where the provider takes no secret.
    fn exchange(&self, metadata: &Metadata, code: &str, verifier: &str) -> Option<RequestBuilder> {
        let Settings { client_id, client_secret, .. } = &self.settings;
        let (redirect, secret) = (self.settings.redirect_url(), client_secret.expose_secret());
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &redirect),
            ("code_verifier", verifier),
        ];
        let mut request = self.http.post(metadata.token_endpoint.clone());
        match metadata.proof()? {
            Proof::Header => request = request.basic_auth(escaped(client_id), Some(escaped(secret))),
            Proof::Form => form.extend([("client_id", client_id.as_str()), ("client_secret", secret)]),
        }
        Some(request.form(&form))
    }

    async fn proven(&self, metadata: &Metadata, id_token: &str, flow: &Flow) -> Result<Claims, Refused> {
        let Settings { issuer, client_id, .. } = &self.settings;
        let expected = Expected { issuer, client_id, nonce: &flow.nonce };
        let keys = self.keys(metadata, FRESH).await?;
        let verified = match token::verify(id_token, &keys, expected, now()) {
            // Providers change their keys.
            Err(Flaw::UnknownKey) => {
                let keys = self.keys(metadata, BETWEEN_KEYS).await?;
                token::verify(id_token, &keys, expected, now())
            }
            verified => verified,
        };
        verified.map_err(|flaw| Refused::unproven(flaw.to_string()))
    }

    /// Asks for what the ID token does not say, where the provider tells it elsewhere.
    async fn complete(
        &self,
        metadata: &Metadata,
        claims: &mut Claims,
        access: Option<&str>,
    ) -> Result<(), Refused> {
        let Settings { roles_claim, name_claim, .. } = &self.settings;
        let all = [roles_claim, name_claim].iter().all(|claim| claims::find(claims, claim).is_some());
        let (false, Some(address), Some(access)) = (all, &metadata.userinfo_endpoint, access) else {
            return Ok(());
        };
        let request = self.http.get(address.clone()).bearer_auth(access);
        let body =
            http::fetch(request, "what the provider says of a person").await.map_err(Refused::unreachable)?;
        let more: Claims = serde_json::from_slice(&body)
            .map_err(|_| Refused::unreachable("what the provider says of a person is no JSON object"))?;
        if more.get("sub") != claims.get("sub") {
            return Err(Refused::unproven("what the provider says of a person is of somebody else (sub)"));
        }
        for (name, value) in more {
            claims.entry(name).or_insert(value);
        }
        Ok(())
    }

    fn leave(&self, metadata: &Metadata, id_token: &str) -> Option<SecretString> {
        let mut address = metadata.end_session_endpoint.clone()?;
        address
            .query_pairs_mut()
            .append_pair("id_token_hint", id_token)
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("post_logout_redirect_uri", &format!("{}/console/login", self.settings.home));
        Some(String::from(address).into())
    }

    async fn metadata(&self) -> Result<Arc<Metadata>, Refused> {
        let mut published = self.published.lock().await;
        if let Some((metadata, at)) = &published.metadata
            && at.elapsed() < FRESH
        {
            return Ok(Arc::clone(metadata));
        }
        published.still_failing()?;
        let address = discovery::address(&self.settings.issuer);
        let read = http::fetch(self.http.get(&address), &address)
            .await
            .and_then(|text| Metadata::read(&text, &self.settings.issuer));
        let metadata = Arc::new(published.note(read)?);
        published.metadata = Some((Arc::clone(&metadata), Instant::now()));
        Ok(metadata)
    }

    /// The keys of the provider, which were fetched this long ago at most.
    async fn keys(&self, metadata: &Metadata, within: Duration) -> Result<Arc<Keys>, Refused> {
        let mut published = self.published.lock().await;
        if let Some((keys, at)) = &published.keys
            && at.elapsed() < within
        {
            return Ok(Arc::clone(keys));
        }
        published.still_failing()?;
        let what = "the keys of the provider";
        let read = http::fetch(self.http.get(metadata.jwks_uri.clone()), what)
            .await
            .and_then(|text| Keys::read(&text));
        let keys = Arc::new(published.note(read)?);
        published.keys = Some((Arc::clone(&keys), Instant::now()));
        Ok(keys)
    }
}

impl Published {
    fn still_failing(&self) -> Result<(), Refused> {
        match &self.failed {
            Some((why, at)) if at.elapsed() < AFTER_FAILURE => Err(Refused::unreachable(why.as_str())),
            Some(_) | None => Ok(()),
        }
    }

    fn note<T>(&mut self, read: Result<T, String>) -> Result<T, Refused> {
        self.failed = read.as_ref().err().map(|why| (why.clone(), Instant::now()));
        read.map_err(Refused::unreachable)
    }
}

/// As RFC 6749, 2.3.1, wants ids and secrets in a header.
fn escaped(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// This moment in Unix seconds.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

mod standing;
pub use standing::{Believed, Standing};

#[cfg(test)]
mod tests;
