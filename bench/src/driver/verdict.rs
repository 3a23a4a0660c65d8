//! What the service's own durable state says of the closures of a run, through `GET /v1/closures`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use http::Request;
use http::header::AUTHORIZATION;
use http_body_util::Full;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::http_pool::HttpPool;

/// The longest wait for one page.
const PAGE_WITHIN: Duration = Duration::from_secs(10);

/// The page size asked for.
const PAGE: u32 = 200;

/// The pause before the list is walked again, when some closures had not ended.
const PAUSE: Duration = Duration::from_millis(500);

/// Where the closures of a run stand in the service's own list.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreVerdict {
    /// Closures asked for.
    pub expected: u64,
    /// In state `closed`.
    pub closed: u64,
    /// In state `already_closed`: the conversation had ended when it was read, as after a crash behind the last call.
    pub already_closed: u64,
    /// In any other state, by its name.
    pub elsewhere: BTreeMap<String, u64>,
    /// Not in the list at all.
    pub lost: u64,
    /// Conversations with more than one closure.
    pub doubled: u64,
}

impl StoreVerdict {
    /// Whether every closure asked for has ended as closed, once.
    pub fn all_closed(&self) -> bool {
        self.closed + self.already_closed == self.expected && self.doubled == 0
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    items: Vec<Item>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    conversation_id: Uuid,
    state: String,
}

/// Walks the list until every closure of `expected` has closed, or `within` has passed; tells how they stand then.
pub async fn closures_in_store(
    address: SocketAddr,
    token: &str,
    expected: &HashSet<Uuid>,
    within: Duration,
) -> anyhow::Result<StoreVerdict> {
    let pool = HttpPool::new(address, PAGE_WITHIN);
    let begun = Instant::now();
    loop {
        let verdict = walk(&pool, token, expected).await?;
        if verdict.all_closed() || begun.elapsed() >= within {
            return Ok(verdict);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn walk(pool: &HttpPool, token: &str, expected: &HashSet<Uuid>) -> anyhow::Result<StoreVerdict> {
    let mut found: HashMap<Uuid, u32> = HashMap::with_capacity(expected.len());
    let mut verdict = StoreVerdict { expected: expected.len() as u64, ..StoreVerdict::default() };
    let mut cursor: Option<String> = None;
    loop {
        let page = page(pool, token, cursor.as_deref()).await?;
        for item in page.items.iter().filter(|item| expected.contains(&item.conversation_id)) {
            *found.entry(item.conversation_id).or_default() += 1;
            match item.state.as_str() {
                "closed" => verdict.closed += 1,
                "already_closed" => verdict.already_closed += 1,
                other => *verdict.elsewhere.entry(other.to_owned()).or_default() += 1,
            }
        }
        match page.next_cursor {
            Some(next) if !page.items.is_empty() => cursor = Some(next),
            Some(_) | None => break,
        }
    }
    verdict.lost = verdict.expected - found.len() as u64;
    verdict.doubled = found.values().filter(|times| **times > 1).count() as u64;
    Ok(verdict)
}

async fn page(pool: &HttpPool, token: &str, cursor: Option<&str>) -> anyhow::Result<Page> {
    let mut uri = format!("/v1/closures?limit={PAGE}");
    if let Some(cursor) = cursor {
        uri.push_str("&cursor=");
        uri.extend(cursor.bytes().map(percent_encoded));
    }
    let request = Request::get(uri)
        .header(AUTHORIZATION, format!("Bearer {token}"))
        .body(Full::new(Bytes::new()))
        .context("the cursor makes no URI")?;
    let answer = pool.send(request).await.context("the list of closures")?;
    let text = String::from_utf8_lossy(&answer.body[..answer.body.len().min(500)]);
    ensure!(answer.status.is_success(), "the list of closures was answered with {}: {text}", answer.status);
    serde_json::from_slice(&answer.body)
        .with_context(|| format!("the list of closures is not understood: {text}"))
}

/// One byte of a query value, written so that no server can take it for syntax.
fn percent_encoded(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::Router;
    use axum::extract::{Query, State};
    use axum::routing::get;

    use super::*;
    use crate::listen::listen;

    /// A service whose list has two pages: the second is asked for by its cursor.
    async fn listing(pages: [String; 2]) -> SocketAddr {
        async fn answer(
            State(pages): State<Arc<[String; 2]>>,
            Query(query): Query<HashMap<String, String>>,
        ) -> String {
            match query.get("cursor").map(String::as_str) {
                None => pages[0].clone(),
                Some("a+b") => pages[1].clone(),
                Some(other) => panic!("unknown cursor {other}"),
            }
        }
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/v1/closures", get(answer)).with_state(Arc::new(pages));
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }

    fn item(number: u128, state: &str) -> String {
        format!(r#"{{"conversationId":"{}","state":"{state}"}}"#, Uuid::from_u128(number))
    }

    #[tokio::test]
    async fn every_page_is_read_and_every_closure_is_placed() {
        let first = format!(
            r#"{{"items":[{},{},{}],"nextCursor":"a+b"}}"#,
            item(1, "closed"),
            item(2, "ghost"),
            item(9, "closed")
        );
        let second = format!(
            r#"{{"items":[{},{},{}],"nextCursor":null}}"#,
            item(3, "already_closed"),
            item(4, "closed"),
            item(4, "closed")
        );
        let address = listing([first, second]).await;
        let expected = (1..=5).map(Uuid::from_u128).collect();
        let verdict = closures_in_store(address, "token", &expected, Duration::ZERO).await.unwrap();
        assert_eq!((verdict.expected, verdict.closed, verdict.already_closed), (5, 3, 1));
        assert_eq!((verdict.elsewhere.get("ghost"), verdict.lost, verdict.doubled), (Some(&1), 1, 1));
        assert!(!verdict.all_closed());
    }

    #[tokio::test]
    async fn closures_that_all_closed_are_said_to_be() {
        let first = format!(r#"{{"items":[{}],"nextCursor":"a+b"}}"#, item(1, "closed"));
        let second = format!(r#"{{"items":[{}]}}"#, item(2, "already_closed"));
        let address = listing([first, second]).await;
        let expected = (1..=2).map(Uuid::from_u128).collect();
        let verdict = closures_in_store(address, "token", &expected, Duration::from_secs(5)).await.unwrap();
        assert!(verdict.all_closed());
    }
}
