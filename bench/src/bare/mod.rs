//! The bare program: the exchanges of a closure on axum and reqwest, with nothing else, or, as the ceiling, with the writes that
//! durability asks for.
//!
//! It answers 202 to a submit, reads the conversation, closes the participant, takes the signed webhook and closes the
//! wrapper: the same five exchanges and one HMAC that a closure costs the service. With a file it makes four steps of each
//! durable on the way, as the service must, and decides nothing by them. It proves nothing; it only shows how fast this machine
//! can exchange, and write down, these messages.

mod writes;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use uuid::Uuid;

use crate::listen::listen;
use crate::signature::{HubKey, SIGNATURE_HEADER};

use writes::{Step, Writes};

/// The path that takes webhooks.
pub const HOOK_PATH: &str = "/hooks/stub";

/// The longest time for one call, as the service allows itself.
const CALL_WITHIN: Duration = Duration::from_secs(10);

/// What every request needs.
struct Bare {
    genesys: String,
    client: reqwest::Client,
    token: String,
    key: HubKey,
    writes: Option<Writes>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    conversation_id: Uuid,
}

#[derive(Deserialize)]
struct Conversation {
    participants: Vec<Participant>,
}

#[derive(Deserialize)]
struct Participant {
    id: Uuid,
    purpose: String,
}

/// Serves until the process ends. `genesys` is the base URL of the stub; `store` is a new file for durable writes.
pub async fn serve(
    address: SocketAddr,
    genesys: String,
    secret: &str,
    store: Option<&Path>,
) -> anyhow::Result<()> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .tcp_nodelay(true)
        .redirect(reqwest::redirect::Policy::none())
        .timeout(CALL_WITHIN)
        .build()
        .context("cannot prepare the HTTP client")?;
    let token = log_in(&client, &genesys).await.context("cannot log in")?;
    let writes = store.map(Writes::open).transpose()?;
    let bare = Arc::new(Bare { genesys, client, token, key: HubKey::new(secret), writes });
    let router = Router::new()
        .route("/readyz", get(StatusCode::OK))
        .route("/v1/closures", post(submit))
        .route(HOOK_PATH, post(confirm))
        .with_state(bare);
    let listener = listen(address)?.tap_io(|stream| {
        // A socket without it still works, only slower.
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, router).await.context("cannot serve")
}

async fn log_in(client: &reqwest::Client, genesys: &str) -> anyhow::Result<String> {
    #[derive(Deserialize)]
    struct Token {
        access_token: String,
    }
    let answer = client
        .post(format!("{genesys}/oauth/token"))
        .basic_auth("bench-client", Some("bench-secret"))
        .form(&[("grant_type", "client_credentials")])
        .send()
        .await?
        .error_for_status()?;
    Ok(answer.json::<Token>().await?.access_token)
}

async fn submit(State(bare): State<Arc<Bare>>, body: Bytes) -> StatusCode {
    let Ok(named) = serde_json::from_slice::<Named>(&body) else {
        return StatusCode::UNPROCESSABLE_ENTITY;
    };
    if !bare.keeps(named.conversation_id, Step::Accepted).await {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    tokio::spawn(async move {
        if let Err(error) = bare.close_participant(named.conversation_id).await {
            eprintln!("the participant was not closed: {error:#}");
        }
    });
    StatusCode::ACCEPTED
}

async fn confirm(State(bare): State<Arc<Bare>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let signature = headers.get(SIGNATURE_HEADER).map(|value| value.as_bytes()).unwrap_or_default();
    if !bare.key.verifies(signature, &body) {
        return StatusCode::UNAUTHORIZED;
    }
    let Ok(named) = serde_json::from_slice::<Named>(&body) else {
        return StatusCode::BAD_REQUEST;
    };
    if !bare.keeps(named.conversation_id, Step::ClosingWrapper).await {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    tokio::spawn(async move {
        if let Err(error) = bare.close_wrapper(named.conversation_id).await {
            eprintln!("the wrapper was not closed: {error:#}");
        }
    });
    StatusCode::NO_CONTENT
}

impl Bare {
    /// Makes a step durable where there is a file; false when that failed.
    async fn keeps(&self, conversation: Uuid, step: Step) -> bool {
        let Some(writes) = &self.writes else { return true };
        let written = writes.write(conversation, step).await;
        written.inspect_err(|error| eprintln!("not written: {error:#}")).is_ok()
    }

    async fn close_participant(&self, conversation: Uuid) -> anyhow::Result<()> {
        let url = format!("{}/api/v2/conversations/{conversation}", self.genesys);
        let answer = self.client.get(url).bearer_auth(&self.token).send().await?.error_for_status()?;
        let read: Conversation = serde_json::from_slice(&answer.bytes().await?)?;
        let Some(guest) = read.participants.iter().find(|participant| participant.purpose == "customer")
        else {
            bail!("the conversation has no guest");
        };
        let guest = guest.id;
        if !self.keeps(conversation, Step::ClosingParticipant).await {
            bail!("the intent was not written");
        }
        self.disconnect(format!(
            "{}/api/v2/conversations/messages/{conversation}/participants/{guest}",
            self.genesys
        ))
        .await
    }

    async fn close_wrapper(&self, conversation: Uuid) -> anyhow::Result<()> {
        self.disconnect(format!("{}/api/v2/conversations/messages/{conversation}", self.genesys)).await?;
        if !self.keeps(conversation, Step::Closed).await {
            bail!("the end was not written");
        }
        Ok(())
    }

    async fn disconnect(&self, url: String) -> anyhow::Result<()> {
        let request = self.client.patch(url).bearer_auth(&self.token);
        let answer = request
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(r#"{"state":"disconnected"}"#)
            .send()
            .await?
            .error_for_status()?;
        answer.bytes().await?;
        Ok(())
    }
}
