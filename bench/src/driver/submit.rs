//! The producer's side: `POST /v1/closures`, repeated with the same key until it is answered.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Request, StatusCode, Uri};
use http_body_util::Full;
use uuid::Uuid;

use crate::http_pool::HttpPool;

/// The longest wait for one answer: the longest `wait` that the driver asks for, and a margin.
const ANSWER_WITHIN: Duration = Duration::from_secs(40);

/// How long an unanswered request is repeated; a restart of the service must take well under that.
const REPEAT_FOR: Duration = Duration::from_secs(30);

/// The pause before a repetition.
const PAUSE: Duration = Duration::from_millis(20);

/// How a submit was answered.
pub enum Submitted {
    /// 202: accepted and durable.
    Accepted,
    /// 200: the closure has ended, or repeats an earlier request.
    Ended,
    /// Anything else, or no answer in time.
    Refused(String),
}

/// Submits closures to one address.
pub struct Producer {
    pool: HttpPool,
    uri: Uri,
    authorization: HeaderValue,
}

impl Producer {
    /// Prepares submits; `wait` becomes the query parameter of that name.
    pub fn new(address: SocketAddr, token: &str, wait: Option<&str>) -> Self {
        let path = wait.map_or_else(|| "/v1/closures".to_owned(), |wait| format!("/v1/closures?wait={wait}"));
        Self {
            pool: HttpPool::new(address, ANSWER_WITHIN),
            uri: path.parse().expect("a fixed path and a short duration make a URI"),
            authorization: HeaderValue::from_str(&format!("Bearer {token}")).expect("tokens are ASCII"),
        }
    }

    /// Requests a closure; raises `repeated` for each repetition.
    ///
    /// The idempotency key is the conversation's id, so that a repetition after a lost answer is harmless.
    pub async fn submit(&self, conversation: Uuid, repeated: &mut u64) -> Submitted {
        let body = Bytes::from(format!(r#"{{"conversationId":"{conversation}"}}"#));
        let begun = Instant::now();
        loop {
            let request = Request::post(self.uri.clone())
                .header(AUTHORIZATION, self.authorization.clone())
                .header(CONTENT_TYPE, "application/json")
                .header("idempotency-key", conversation.to_string())
                .body(Full::new(body.clone()))
                .expect("every header is ASCII");
            let reason = match self.pool.send(request).await {
                Ok(answer) => match answer.status {
                    StatusCode::ACCEPTED => return Submitted::Accepted,
                    StatusCode::OK => return Submitted::Ended,
                    StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                        answer.status.to_string()
                    }
                    status => return Submitted::Refused(refusal(status, &answer.body)),
                },
                Err(no_answer) => no_answer.to_string(),
            };
            if begun.elapsed() >= REPEAT_FOR {
                return Submitted::Refused(format!("{reason}, for {REPEAT_FOR:?}"));
            }
            *repeated += 1;
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn refusal(status: StatusCode, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(500)]);
    format!("{status}: {text}")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::Router;
    use axum::extract::State;
    use axum::routing::post;
    use http::HeaderMap;

    use super::*;
    use crate::listen::listen;

    /// The statuses still to be answered, and the idempotency keys that came.
    struct Script {
        statuses: Vec<StatusCode>,
        keys: Vec<String>,
    }

    async fn answer(State(script): State<Arc<Mutex<Script>>>, headers: HeaderMap) -> StatusCode {
        let mut script = script.lock().unwrap();
        script.keys.push(headers["idempotency-key"].to_str().unwrap().to_owned());
        script.statuses.remove(0)
    }

    /// Submits once against a service that answers by a script; tells the verdict, the repetitions and the keys.
    async fn submitted_against(statuses: &[StatusCode]) -> (Submitted, u64, Vec<String>) {
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(Mutex::new(Script { statuses: statuses.to_vec(), keys: Vec::new() }));
        let router = Router::new().route("/v1/closures", post(answer)).with_state(Arc::clone(&script));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let mut repeated = 0;
        let producer = Producer::new(address, "token", Some("30s"));
        let submitted = producer.submit(Uuid::from_u128(1), &mut repeated).await;
        let keys = std::mem::take(&mut script.lock().unwrap().keys);
        (submitted, repeated, keys)
    }

    #[tokio::test]
    async fn a_busy_service_is_asked_again_with_the_same_key() {
        use StatusCode as Status;
        let script = [Status::SERVICE_UNAVAILABLE, Status::TOO_MANY_REQUESTS, Status::ACCEPTED];
        let (submitted, repeated, keys) = submitted_against(&script).await;
        assert!(matches!(submitted, Submitted::Accepted));
        assert_eq!(repeated, 2);
        assert_eq!(keys.len(), 3);
        assert!(keys.iter().all(|key| *key == keys[0]));
    }

    #[tokio::test]
    async fn a_refusal_is_final_and_an_ended_closure_is_told_apart() {
        let (refused, repeated, _) = submitted_against(&[StatusCode::UNPROCESSABLE_ENTITY]).await;
        assert!(matches!(refused, Submitted::Refused(text) if text.starts_with("422")));
        assert_eq!(repeated, 0);
        let (ended, _, _) = submitted_against(&[StatusCode::OK]).await;
        assert!(matches!(ended, Submitted::Ended));
    }
}
