//! The producer's side of the demo, as a real producer would write it.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use tokio::{sync::Semaphore, task::JoinSet};
use uuid::Uuid;

/// How many commands are under way at once.
const AT_ONCE: usize = 16;

/// How long one command is repeated, with the same key, until it is answered.
const PATIENCE: Duration = Duration::from_secs(40);

/// The service, as a client sees it.
#[derive(Clone)]
pub struct Api {
    pub client: reqwest::Client,
    pub base: String,
    pub key: String,
}

/// Submits every session; returns the closure that answers for each conversation.
pub async fn submit_all(
    api: Api,
    sessions: Vec<(Uuid, usize)>,
    accepted: Arc<AtomicUsize>,
) -> Result<HashMap<Uuid, String>> {
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    for (number, (conversation, _)) in sessions.into_iter().enumerate() {
        let turn = Arc::clone(&turns).acquire_owned().await?;
        let (api, accepted) = (api.clone(), Arc::clone(&accepted));
        tasks.spawn(async move {
            let id = api.submit(conversation, number).await?;
            accepted.fetch_add(1, Ordering::Relaxed);
            drop(turn);
            Ok::<_, anyhow::Error>((conversation, id))
        });
    }
    let mut ids = HashMap::new();
    while let Some(done) = tasks.join_next().await {
        let (conversation, id) = done??;
        ids.insert(conversation, id);
    }
    Ok(ids)
}

impl Api {
    /// Asks until there is an answer. The key makes repeating harmless.
    async fn submit(&self, conversation: Uuid, number: usize) -> Result<String> {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let answer = self
                .client
                .post(format!("{}/v1/closures", self.base))
                .bearer_auth(&self.key)
                .header("Idempotency-Key", format!("demo-{number}"))
                .json(&json!({ "conversationId": conversation, "labels": { "run": "demo" } }))
                .send()
                .await;
            match answer {
                Ok(answer) if answer.status().is_success() => {
                    let closure: Value = answer.json().await?;
                    let id = closure["id"].as_str().context("an answer without an id")?;
                    return Ok(id.to_owned());
                }
                Ok(answer) if answer.status().is_client_error() && answer.status().as_u16() != 429 => {
                    bail!("a command was refused with {}: {}", answer.status(), answer.text().await?);
                }
                Ok(_) | Err(_) if Instant::now() > give_up => {
                    bail!("a command was not answered in {PATIENCE:?}")
                }
                Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// Every closure.
    pub async fn closures(&self) -> Result<Vec<Value>> {
        self.items("/v1/closures?limit=500").await
    }

    /// Every ghost, with the acts that are suggested for it.
    pub async fn ghosts(&self) -> Result<Vec<Value>> {
        self.items("/v1/ghosts?limit=500").await
    }

    async fn items(&self, path: &str) -> Result<Vec<Value>> {
        let answer: Value = serde_json::from_str(&self.text(path).await?)?;
        Ok(answer["items"].as_array().context("a listing without items")?.clone())
    }

    /// The body of an answer.
    pub async fn text(&self, path: &str) -> Result<String> {
        let answer = self.client.get(format!("{}{path}", self.base)).bearer_auth(&self.key).send().await?;
        Ok(answer.error_for_status()?.text().await?)
    }
}
