//! Sends the signed webhook after a participant was asked to leave, as a relay in front of Genesys would.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use http::Request;
use http::header::CONTENT_TYPE;
use http_body_util::Full;
use tokio::sync::{Semaphore, mpsc};
use uuid::Uuid;

use super::bodies;
use super::delay_line::DelayLine;
use super::ledger::{Ledger, Tally};
use crate::http_pool::HttpPool;
use crate::signature::{HubKey, SIGNATURE_HEADER};

/// Where webhooks go, and when.
#[derive(Debug, Clone)]
pub struct HookTarget {
    /// The URL that takes them: `http://127.0.0.1:PORT/hooks/NAME`.
    pub url: http::Uri,
    /// The secret shared with the receiver.
    pub secret: String,
    /// The time from the answer to the participant's `PATCH` to the webhook.
    pub delay: Duration,
}

/// How many webhooks may be under way at once.
const WORKERS: usize = 256;

/// The wait between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// The number of attempts; with the pause between them, a receiver may be away for a minute.
const ATTEMPTS: u32 = 600;

/// The longest wait for the answer to one attempt: senders of webhooks give up after 5 to 10 s.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A webhook that is owed, and when it became so.
type Owed = (Uuid, Instant);

/// Takes conversations whose guest is leaving, and reports each to the receiver until it answers 2xx.
pub struct Relay {
    line: DelayLine<Owed>,
    held: Mutex<Option<Vec<Owed>>>,
    dispatch: mpsc::UnboundedSender<Owed>,
    pool: HttpPool,
}

impl Relay {
    /// Starts the relay. It ends when it is dropped; webhooks under way are finished.
    pub fn start(target: &HookTarget, ledger: Arc<Ledger>) -> anyhow::Result<Arc<Self>> {
        let sender = Arc::new(Sender::new(target, ledger)?);
        let pool = sender.pool.clone();
        let (dispatch, queue) = mpsc::unbounded_channel();
        let due = dispatch.clone();
        let line = DelayLine::start(target.delay, move |owed| {
            // The queue closes only when the runtime ends.
            let _ = due.send(owed);
        })?;
        tokio::spawn(sender.run(queue));
        Ok(Arc::new(Self { line, held: Mutex::new(None), dispatch, pool }))
    }

    /// Owes the webhook for a conversation.
    pub fn schedule(&self, conversation: Uuid) {
        let owed = (conversation, Instant::now());
        match self.held.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(held) => held.push(owed),
            None => self.line.push(owed),
        }
    }

    /// Withholds every webhook that is owed from here on.
    pub fn hold(&self) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default();
    }

    /// Sends everything that was withheld, without delay, and withholds no more; returns how many.
    pub fn release(&self) -> usize {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
        let count = held.len();
        for owed in held {
            let _ = self.dispatch.send(owed);
        }
        count
    }

    /// Closes the connections to the receiver that no webhook is on.
    pub fn close_idle(&self) {
        self.pool.close_idle();
    }
}

struct Sender {
    pool: HttpPool,
    path: http::Uri,
    key: HubKey,
    ledger: Arc<Ledger>,
}

impl Sender {
    fn new(target: &HookTarget, ledger: Arc<Ledger>) -> anyhow::Result<Self> {
        let authority = target.url.authority().context("the hook URL names no host")?;
        let address =
            authority.as_str().parse().context("the hook URL must name an IP address and a port")?;
        let path = target.url.path().parse().context("the hook URL has no usable path")?;
        Ok(Self {
            pool: HttpPool::new(address, ANSWER_WITHIN),
            path,
            key: HubKey::new(&target.secret),
            ledger,
        })
    }

    async fn run(self: Arc<Self>, mut queue: mpsc::UnboundedReceiver<Owed>) {
        let workers = Arc::new(Semaphore::new(WORKERS));
        while let Some((conversation, since)) = queue.recv().await {
            let permit = Arc::clone(&workers).acquire_owned().await.expect("the semaphore is never closed");
            let sender = Arc::clone(&self);
            tokio::spawn(async move {
                sender.deliver(conversation, since).await;
                drop(permit);
            });
        }
    }

    async fn deliver(&self, conversation: Uuid, since: Instant) {
        let body = Bytes::from(bodies::webhook(conversation, &bodies::time_of_day()));
        let signature = self.key.sign(&body);
        let waited = since.elapsed().as_micros();
        self.ledger.webhook_sent(conversation, u64::try_from(waited).unwrap_or(u64::MAX));
        for _ in 0..ATTEMPTS {
            let request = Request::post(self.path.clone())
                .header(CONTENT_TYPE, "application/json")
                .header(SIGNATURE_HEADER, &signature)
                .body(Full::new(body.clone()))
                .expect("the path was parsed and the headers are ASCII");
            match self.pool.send(request).await {
                Ok(answer) if answer.status.is_success() => return self.ledger.count(Tally::WebhookAnswered),
                Ok(_) => self.ledger.count(Tally::WebhookRefused),
                Err(_) => self.ledger.count(Tally::WebhookWithoutAnswer),
            }
            tokio::time::sleep(PAUSE).await;
        }
        self.ledger.count(Tally::WebhookGivenUp);
    }
}
