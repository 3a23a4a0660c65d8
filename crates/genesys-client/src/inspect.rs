//! A look at an organisation from outside the work: is it reachable, is the client let in, what may it do.
//!
//! ```text
//! reach (no credentials) ─► log_in ─► token, grants, may_view, limits, deployments
//! ```
//!
//! Everything here reads. It neither takes permits nor repeats anything, so that what comes back is what one call met.

mod bodies;

use std::{
    error::Error,
    time::{Duration, Instant},
};

use genesys_types::ConversationId;
use http::{HeaderMap, Method, StatusCode, header};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use url::Url;

pub use self::bodies::{Deployment, Disconnect, Grant, Grants, Limit, TokenFacts};
use crate::{
    ClientConfig, ConfigError, Fault, FaultKind, RateHeaders, Region,
    answer::{self, BodyFault},
    call,
    client::http_client,
    error_body::{self, Refusal},
    json::{Object, parse},
    token::Tokens,
    watch::Watch,
};

/// The namespace that holds the limits of API calls (API.md §1).
const PLATFORM_LIMITS: &str = "platform.api";

/// Looks at one organisation.
///
/// It has a token of its own. Every call ends within the configured request time-out.
pub struct Inspector {
    http: reqwest::Client,
    region: Region,
    tokens: Tokens,
    timeout: Duration,
}

/// One of the two hosts of a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// Where tokens come from.
    Login,
    /// Where calls go to.
    Api,
}

/// Why a host did not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreached {
    /// What is in the way.
    pub obstacle: Obstacle,
    /// The cause in the words of the library that met it, without the URL.
    pub cause: Box<str>,
}

/// What can be in the way of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// The host's name is not resolved.
    Name,
    /// TLS did not come about: the certificate is not trusted, or the other side does not speak it.
    Tls,
    /// There is no connection.
    Connection,
    /// It took too long.
    Time,
    /// The connection broke off.
    Broken,
}

/// How the two clocks stood when an answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clocks {
    /// The `Date` header, which has whole seconds.
    pub theirs: Timestamp,
    /// This machine's time, in the middle of the exchange.
    pub ours: Timestamp,
}

impl Clocks {
    /// By how many seconds this machine is ahead; less than nothing when it is behind.
    pub fn ahead_seconds(&self) -> i64 {
        self.ours.as_second() - self.theirs.as_second()
    }
}

/// An answer, with what its headers tell beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard<T> {
    /// What the body said.
    pub value: T,
    /// How the clocks stood; nothing when the answer had no date.
    pub clocks: Option<Clocks>,
    /// Where the token stands in its quota.
    pub rate: RateHeaders,
}

impl Inspector {
    /// Makes an inspector. Nothing is sent before the first call.
    ///
    /// # Errors
    /// When the credentials cannot be sent, or the HTTP client cannot be built.
    pub fn new(config: &ClientConfig) -> Result<Self, ConfigError> {
        let http = http_client(config)?;
        let (login, timeout) = (config.region.login(), config.request_timeout);
        let tokens = Tokens::new(http.clone(), login, &config.credentials, timeout, Watch::default())?;
        Ok(Self { http, region: config.region.clone(), tokens, timeout })
    }

    /// Knocks at a host's base address by `HEAD`, without credentials. Any answer will do.
    ///
    /// # Errors
    /// What was in the way.
    pub async fn reach(&self, host: Host) -> Result<Heard<()>, Unreached> {
        let url = match host {
            Host::Login => self.region.login(),
            Host::Api => self.region.api(),
        };
        let begun = Instant::now();
        let sent = self.http.request(Method::HEAD, url.clone()).timeout(self.timeout).send().await;
        let response = sent.map_err(|error| unreached(&error))?;
        Ok(heard((), response.headers(), begun))
    }

    /// Gets a token: `POST /oauth/token`. A ready access token is taken as it is, and nothing is sent.
    ///
    /// # Errors
    /// [`FaultKind::Unauthenticated`] with the login service's status: 400 for a client that it does not know, 401 for
    /// a wrong secret (API.md §3). [`FaultKind::NotSent`] when there is no answer, or one of 5xx.
    pub async fn log_in(&self) -> Result<(), Fault> {
        self.tokens.bearer().await.map(drop)
    }

    /// Asks to whom the token belongs: `GET /api/v2/tokens/me`.
    ///
    /// # Errors
    /// As every call; 401 after a login says that the client was disabled or deleted since.
    pub async fn token(&self) -> Result<Heard<TokenFacts>, Fault> {
        self.get("api/v2/tokens/me", None).await
    }

    /// Asks for the roles and their permissions:
    /// `GET /api/v2/authorization/subjects/me?includeFullRoles=true`, for which no permission is needed.
    ///
    /// # Errors
    /// As every call.
    pub async fn grants(&self) -> Result<Grants, Fault> {
        let path = "api/v2/authorization/subjects/me";
        Ok(self.get(path, Some("includeFullRoles=true")).await?.value)
    }

    /// Reads a conversation that need not exist, `GET /api/v2/conversations/{conversationId}`, to learn whether the
    /// client may: without `conversation:communication:view` it is refused before it is looked for.
    ///
    /// # Errors
    /// [`FaultKind::NotFound`] says that the client may and that there is no such conversation.
    pub async fn read_conversation(&self, id: ConversationId) -> Result<(), Fault> {
        self.get::<serde::de::IgnoredAny>(&format!("api/v2/conversations/{id}"), None).await.map(drop)
    }

    /// Asks for the limits of API calls: `GET /api/v2/organizations/limits/namespaces/platform.api`.
    ///
    /// # Errors
    /// As every call.
    pub async fn limits(&self) -> Result<Vec<Limit>, Fault> {
        let path = format!("api/v2/organizations/limits/namespaces/{PLATFORM_LIMITS}");
        Ok(self.get::<bodies::Limits>(&path, None).await?.value.0)
    }

    /// Asks for the Messenger deployments with their configurations:
    /// `GET /api/v2/webdeployments/deployments?expand=configuration`, for which `webDeployments:deployment:view` is
    /// needed. Only the first page is read, which holds 300.
    ///
    /// # Errors
    /// As every call.
    pub async fn deployments(&self) -> Result<Vec<Deployment>, Fault> {
        let path = "api/v2/webdeployments/deployments";
        Ok(self.get::<bodies::Deployments>(path, Some("expand=configuration")).await?.value.0)
    }

    /// Asks for the active configuration of a deployment:
    /// `GET /api/v2/webdeployments/deployments/{deploymentId}/configurations`.
    ///
    /// # Errors
    /// As every call.
    pub async fn disconnect_of(&self, deployment: &Deployment) -> Result<Disconnect, Fault> {
        let mut url = self.api_url("api/v2/webdeployments/deployments", None);
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.push(&deployment.id).push("configurations");
        }
        Ok(self.fetch::<bodies::ActiveConfiguration>(url).await?.value.0)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str, query: Option<&str>) -> Result<Heard<T>, Fault> {
        self.fetch(self.api_url(path, query)).await
    }

    fn api_url(&self, path: &str, query: Option<&str>) -> Url {
        let mut url = self.region.api().clone();
        url.set_path(&[self.region.api().path(), path].concat());
        url.set_query(query);
        url
    }

    async fn fetch<T: DeserializeOwned>(&self, url: Url) -> Result<Heard<T>, Fault> {
        let bearer = self.tokens.bearer().await?;
        let begun = Instant::now();
        let request = self
            .http
            .get(url)
            .timeout(self.timeout)
            .header(header::AUTHORIZATION, bearer.header)
            .header(header::ACCEPT, "application/json");
        let response =
            request.send().await.map_err(|error| Fault::local(FaultKind::NotSent, call::describe(&error)))?;
        let (status, told) = (response.status(), heard((), response.headers(), begun));
        let correlation_id = answer::correlation_id(response.headers());
        let retry_after = answer::retry_after(response.headers(), Timestamp::now());
        let largest = if status.is_success() { answer::LARGEST_BODY } else { answer::LARGEST_ERROR };
        let body = answer::body(response, largest).await;
        if !status.is_success() {
            let body = body.unwrap_or_default();
            let refusal = Refusal { status, correlation_id, retry_after, body: &body, is_write: false };
            return Err(error_body::fault(refusal));
        }
        let unreadable = |message: &str| Fault {
            status: Some(status.as_u16()),
            correlation_id: correlation_id.clone(),
            ..Fault::local(FaultKind::OutcomeUnknown, message)
        };
        let body = body.map_err(|fault: BodyFault| unreadable(fault.message()))?;
        match parse::<Object<T>>(&body) {
            Ok(Object(value)) => Ok(Heard { value, clocks: told.clocks, rate: told.rate }),
            Err(_) => Err(unreadable("the body is not what this call answers")),
        }
    }
}

impl std::fmt::Debug for Inspector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inspector").field("region", &self.region).finish_non_exhaustive()
    }
}

fn heard<T>(value: T, headers: &HeaderMap, begun: Instant) -> Heard<T> {
    let half = jiff::SignedDuration::try_from(begun.elapsed() / 2).unwrap_or_default();
    let ours = Timestamp::now().checked_sub(half);
    let clocks = date(headers).zip(ours.ok()).map(|(theirs, ours)| Clocks { theirs, ours });
    Heard { value, clocks, rate: answer::rate(headers) }
}

fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let text = headers.get(header::DATE)?.to_str().ok()?;
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

fn unreached(error: &reqwest::Error) -> Unreached {
    let mut cause: &dyn Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let cause = cause.to_string();
    // The TLS library's errors are not part of the HTTP client's interface; their words are all that is left of them.
    let speaks_of_tls =
        ["certificate", "corrupt message", "tls", "TLS", "handshake"].iter().any(|word| cause.contains(word));
    let obstacle = match (error.is_connect(), error.is_timeout()) {
        _ if error.is_dns() => Obstacle::Name,
        (_, true) => Obstacle::Time,
        (_, false) if speaks_of_tls => Obstacle::Tls,
        (true, false) => Obstacle::Connection,
        (false, false) => Obstacle::Broken,
    };
    Unreached { obstacle, cause: crate::fault::bounded_message(&cause) }
}

/// Whether a fault says that somebody else answers at this address: the login service or the API would not.
pub fn is_another_address(fault: &Fault) -> bool {
    fault.status.is_some_and(|status| {
        status == StatusCode::NOT_FOUND.as_u16()
            || status == StatusCode::METHOD_NOT_ALLOWED.as_u16()
            || (300..400).contains(&status)
    })
}
