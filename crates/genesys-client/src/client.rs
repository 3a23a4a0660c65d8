//! The operations, one method each.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use genesys_types::{CommunicationId, ConversationId, Organisation, ParticipantId, Snapshot, WrapUpCodeId};
use http::Method;
use serde::{Deserialize, Serialize};

use crate::{
    Class, ClientConfig, ConfigError, Credentials, Fault, FaultKind, LookupConfig, Permit, Quota, Region,
    answer::is_plausible_acknowledgement,
    call::{Caller, Reply, Request},
    conversation,
    json::{Object, Text, parse},
    monotonic_clock,
    token::Tokens,
    watch::{Moment, Watch},
    wrap_up::Lists,
};

/// Who calls, as Genesys sees it.
const USER_AGENT: &str = concat!("closeout/", env!("CARGO_PKG_VERSION"));

/// How long an idle connection is kept. Shorter than the 5 s after which common servers (Node's default) close one: a
/// write on a connection that was just closed has an unknown outcome and costs a read, a new connection costs less.
const IDLE_CONNECTION: Duration = Duration::from_secs(4);

const DISCONNECT: &[u8] = br#"{"state":"disconnected"}"#;
const SKIP_WRAP_UP: &[u8] = br#"{"wrapupSkipped":true}"#;

/// A client for one organisation. Cheap to clone; all clones share connections, token and quota.
///
/// Every operation takes a [`Permit`] of [`Client::quota`], ends within the configured request time-out, follows no
/// redirect, reads at most 1 MiB, and repeats by itself in two cases only: once with a new token after a 401, and, for
/// a read, once at once when the connection breaks. Below it `reqwest` sends a request anew, twice at most, that an HTTP/2 server
/// has handed back unprocessed (`REFUSED_STREAM`, `GOAWAY` without an error: RFC 9113, section 8.7), whatever it asks for: nobody has
/// acted on it. Cancelling an operation leaves its outcome unknown.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    caller: Caller,
    quota: Quota,
    lookup: LookupConfig,
    lists: Lists,
    region: Region,
}

/// A successful answer.
///
/// A status of 2xx to a write means that the service has taken it, never that it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<T> {
    /// What the body said.
    pub value: T,
    /// The HTTP status.
    pub status: u16,
    /// The service's correlation id, to be quoted to Genesys' support.
    pub correlation_id: Option<Box<str>>,
    /// How long the operation took, with token and repeat.
    pub took: Duration,
}

/// What `GET /api/v2/tokens/me` says about the token.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// The organisation's id.
    pub organisation_id: Option<Box<str>>,
    /// The organisation's name.
    pub organisation_name: Option<Box<str>>,
    /// The OAuth client's id.
    pub oauth_client_id: Option<Box<str>>,
    /// The OAuth client's name.
    pub oauth_client_name: Option<Box<str>>,
}

impl Client {
    /// Makes a client. Nothing is sent before the first operation.
    ///
    /// # Errors
    /// When the credentials cannot be sent, a setting is zero, or the HTTP client cannot be built.
    pub fn new(config: ClientConfig) -> Result<Self, ConfigError> {
        let zero = |setting| Err(ConfigError::Zero { setting });
        if config.connect_timeout.is_zero() {
            return zero("connect_timeout");
        }
        if config.request_timeout.is_zero() {
            return zero("request_timeout");
        }
        if config.quota.window.is_zero() {
            return zero("quota_window");
        }
        if config.quota.max_in_flight == 0 {
            return zero("max_in_flight");
        }
        let http = http_client(&config)?;
        let watch = Watch::default();
        let (login, timeout) = (config.region.login(), config.request_timeout);
        let tokens = Tokens::new(http.clone(), login, &config.credentials, timeout, watch.clone())?;
        let seed =
            u64::from_le_bytes(uuid::Uuid::new_v4().as_bytes()[..8].try_into().expect("8 of 16 bytes"));
        let quota = Quota::new(config.quota, monotonic_clock(), seed);
        let region = config.region.clone();
        let caller = Caller {
            organisation: config.organisation,
            http,
            api: config.region.api().clone(),
            tokens,
            timeout,
            watch,
        };
        Ok(Self {
            inner: Arc::new(Inner { caller, quota, lookup: config.lookup, lists: Lists::default(), region }),
        })
    }

    /// Returns the organisation that the client calls for.
    pub fn organisation(&self) -> &Organisation {
        &self.inner.caller.organisation
    }

    /// Where a person sees a conversation in Genesys Cloud's own pages: [`Region::page_of`].
    pub fn page_of(&self, conversation: ConversationId) -> Option<String> {
        self.inner.region.page_of(conversation)
    }

    /// Returns the quota that gives the permits.
    pub fn quota(&self) -> &Quota {
        &self.inner.quota
    }

    /// Puts other credentials in place, as after a rotation. Calls under way end well: whichever is refused for its old
    /// token repeats with a new one.
    ///
    /// # Errors
    /// When the credentials cannot be sent; the old ones then stay.
    pub fn replace_credentials(&self, credentials: &Credentials) -> Result<(), ConfigError> {
        self.inner.caller.tokens.replace(credentials)
    }

    /// Tells `watcher` of every login (`login`) and of every operation by its name from now on, and of what [`Client::tell`] is told, for a
    /// test that ends the process there. It must not wait. The first one that is given stays.
    pub fn watch(&self, watcher: impl Fn(&'static str, Moment) + Send + Sync + 'static) {
        self.inner.caller.watch.begin(Box::new(watcher));
    }

    /// Tells whoever watches of something that is asked of the organisation by other means, as a socket that is opened.
    pub fn tell(&self, what: &'static str, moment: Moment) {
        self.inner.caller.watch.tell(what, moment);
    }

    /// Reads a conversation: `GET /api/v2/conversations/{conversationId}`.
    ///
    /// # Errors
    /// A body that does not tell surely who takes part is [`FaultKind::OutcomeUnknown`].
    pub async fn conversation(&self, permit: Permit, id: ConversationId) -> Result<Answer<Snapshot>, Fault> {
        let reply = self.run(permit, "get_conversation", Method::GET, conversation_path(id), None).await?;
        match conversation::snapshot(&reply.body, id) {
            Ok(snapshot) => Ok(answer(reply, snapshot)),
            Err(unreadable) => Err(reply.unreadable(unreadable.0)),
        }
    }

    /// Asks to disconnect a participant:
    /// `PATCH /api/v2/conversations/messages/{conversationId}/participants/{participantId}`, answered by an empty 202.
    ///
    /// # Errors
    /// As every operation.
    pub async fn disconnect_participant(
        &self,
        permit: Permit,
        conversation: ConversationId,
        participant: ParticipantId,
    ) -> Result<Answer<()>, Fault> {
        let path = participant_path(conversation, participant);
        self.write(permit, "disconnect_participant", Method::PATCH, path, body(DISCONNECT)).await
    }

    /// Asks to disconnect one communication of a participant:
    /// `PATCH …/participants/{participantId}/communications/{communicationId}`, answered by 200 `{}`.
    ///
    /// # Errors
    /// As every operation.
    pub async fn disconnect_communication(
        &self,
        permit: Permit,
        conversation: ConversationId,
        participant: ParticipantId,
        communication: CommunicationId,
    ) -> Result<Answer<()>, Fault> {
        let path = format!("{}/communications/{communication}", participant_path(conversation, participant));
        self.write(permit, "disconnect_communication", Method::PATCH, path, body(DISCONNECT)).await
    }

    /// Asks to disconnect all participants: `PATCH /api/v2/conversations/messages/{conversationId}`. The answer carries
    /// the conversation as it is at that moment, or `None` when its body says nothing about participants.
    ///
    /// # Errors
    /// A body that is neither is [`FaultKind::OutcomeUnknown`].
    pub async fn disconnect_conversation(
        &self,
        permit: Permit,
        id: ConversationId,
    ) -> Result<Answer<Option<Snapshot>>, Fault> {
        let path = format!("api/v2/conversations/messages/{id}");
        let reply =
            self.run(permit, "disconnect_conversation", Method::PATCH, path, body(DISCONNECT)).await?;
        match conversation::snapshot_if_told(&reply.body, id) {
            Ok(snapshot) => Ok(answer(reply, snapshot)),
            Err(_) if !reply.body.starts_with(b"{") && is_plausible_acknowledgement(&reply.body) => {
                Ok(answer(reply, None))
            }
            Err(unreadable) => Err(reply.unreadable(unreadable.0)),
        }
    }

    /// Asks the same by `DELETE /api/v2/conversations/{conversationId}`, answered by an empty 204. Nothing is deleted.
    ///
    /// # Errors
    /// As every operation.
    pub async fn delete_conversation(&self, permit: Permit, id: ConversationId) -> Result<Answer<()>, Fault> {
        self.write(permit, "delete_conversation", Method::DELETE, conversation_path(id), None).await
    }

    /// Tears a conversation down: `POST /api/v2/conversations/{conversationId}/disconnect`, answered by 202.
    ///
    /// For emergencies: it gives system wrap-up codes and destroys scheduled callbacks (API.md §0).
    ///
    /// # Errors
    /// As every operation.
    pub async fn force_disconnect(&self, permit: Permit, id: ConversationId) -> Result<Answer<()>, Fault> {
        let path = format!("{}/disconnect", conversation_path(id));
        self.write(permit, "force_disconnect", Method::POST, path, None).await
    }

    /// Gives a wrap-up code: `POST …/communications/{communicationId}/wrapup`, answered by an empty 202.
    ///
    /// # Errors
    /// As every operation; with client credentials the service may refuse, since a wrap-up belongs to the agent.
    pub async fn set_wrap_up(
        &self,
        permit: Permit,
        conversation: ConversationId,
        participant: ParticipantId,
        communication: CommunicationId,
        code: WrapUpCodeId,
        notes: Option<&str>,
    ) -> Result<Answer<()>, Fault> {
        let path =
            format!("{}/communications/{communication}/wrapup", participant_path(conversation, participant));
        let wrap_up = WrapUpInput { code: code.to_string(), notes };
        let body = serde_json::to_vec(&wrap_up).expect("strings become JSON");
        self.write(permit, "set_wrap_up", Method::POST, path, Some(body.into())).await
    }

    /// Skips the wrap-up that an agent owes: `PATCH …/participants/{participantId}` with `wrapupSkipped`.
    ///
    /// # Errors
    /// As every operation; with client credentials the service may refuse, since a wrap-up belongs to the agent.
    pub async fn skip_wrap_up(
        &self,
        permit: Permit,
        conversation: ConversationId,
        participant: ParticipantId,
    ) -> Result<Answer<()>, Fault> {
        let path = participant_path(conversation, participant);
        self.write(permit, "skip_wrap_up", Method::PATCH, path, body(SKIP_WRAP_UP)).await
    }

    /// Asks to whom the token belongs: `GET /api/v2/tokens/me`. A cheap check of address and credentials. It takes its
    /// own permit and waits for one no longer than the request time-out.
    ///
    /// # Errors
    /// As every operation; [`FaultKind::NotSent`] when no permit is to be had in time.
    pub async fn whoami(&self) -> Result<Answer<Identity>, Fault> {
        let permit = self.inner.quota.take(Class::Verify);
        let permit = tokio::time::timeout(self.inner.caller.timeout, permit)
            .await
            .map_err(|_| Fault::local(FaultKind::NotSent, "the quota gave no permit in time"))?;
        let reply = self.run(permit, "whoami", Method::GET, "api/v2/tokens/me".to_owned(), None).await?;
        match parse::<Object<TokenInfo>>(&reply.body) {
            Ok(Object(info)) => Ok(answer(reply, info.into())),
            Err(_) => Err(reply.unreadable("the body does not describe a token")),
        }
    }

    async fn write(
        &self,
        permit: Permit,
        operation: &'static str,
        method: Method,
        path: String,
        body: Option<Bytes>,
    ) -> Result<Answer<()>, Fault> {
        let reply = self.run(permit, operation, method, path, body).await?;
        if is_plausible_acknowledgement(&reply.body) {
            Ok(answer(reply, ()))
        } else {
            Err(reply.unreadable("the body is not one that Genesys sends"))
        }
    }

    /// How conversations are looked up.
    pub(crate) fn lookup(&self) -> &LookupConfig {
        &self.inner.lookup
    }

    /// Where the organisation is.
    pub(crate) fn region(&self) -> &Region {
        &self.inner.region
    }

    /// The wrap-up codes that were listed.
    pub(crate) fn lists(&self) -> &Lists {
        &self.inner.lists
    }

    /// How long one operation may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.inner.caller.timeout
    }

    pub(crate) async fn run(
        &self,
        permit: Permit,
        operation: &'static str,
        method: Method,
        path: String,
        body: Option<Bytes>,
    ) -> Result<Reply, Fault> {
        self.run_request(permit, Request { operation, method, path, body }).await
    }

    /// Makes one request, written by whoever calls this.
    pub(crate) async fn run_request(&self, permit: Permit, request: Request) -> Result<Reply, Fault> {
        self.inner.caller.run(permit, request).await
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("organisation", self.organisation()).finish_non_exhaustive()
    }
}

pub(crate) fn http_client(config: &ClientConfig) -> Result<reqwest::Client, ConfigError> {
    let mut builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(config.connect_timeout)
        .tcp_nodelay(true)
        .pool_idle_timeout(IDLE_CONNECTION)
        .pool_max_idle_per_host(usize::try_from(config.quota.max_in_flight).unwrap_or(usize::MAX));
    if config.region.is_loopback() {
        // No proxy reaches this machine's own loopback, and a machine without root certificates can run a demo.
        builder = builder.no_proxy();
        if [config.region.api(), config.region.login()].iter().all(|url| url.scheme() == "http") {
            builder = builder.tls_certs_only([]);
        }
    }
    builder.build().map_err(ConfigError::Http)
}

fn conversation_path(id: ConversationId) -> String {
    format!("api/v2/conversations/{id}")
}

fn participant_path(conversation: ConversationId, participant: ParticipantId) -> String {
    format!("api/v2/conversations/messages/{conversation}/participants/{participant}")
}

fn body(json: &'static [u8]) -> Option<Bytes> {
    Some(Bytes::from_static(json))
}

pub(crate) fn answer<T>(reply: Reply, value: T) -> Answer<T> {
    Answer { value, status: reply.status.as_u16(), correlation_id: reply.correlation_id, took: reply.took }
}

#[derive(Serialize)]
struct WrapUpInput<'a> {
    code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    notes: Option<&'a str>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TokenInfo {
    organization: Option<Object<Named>>,
    #[serde(rename = "OAuthClient")]
    oauth_client: Option<Object<Named>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Named {
    id: Text,
    name: Text,
}

impl From<TokenInfo> for Identity {
    fn from(info: TokenInfo) -> Self {
        let (organisation, client) =
            (info.organization.unwrap_or_default().0, info.oauth_client.unwrap_or_default().0);
        Self {
            organisation_id: organisation.id.0,
            organisation_name: organisation.name.0,
            oauth_client_id: client.id.0,
            oauth_client_name: client.name.0,
        }
    }
}
