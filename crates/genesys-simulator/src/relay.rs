//! Posts events to the webhooks, as a relay between Genesys and a receiver would.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, oneshot};
use uuid::Uuid;

use crate::clock::wall_time;
use crate::config::WebhookAdapter;
use crate::events::{Event, content_type};
use crate::signing::{Authenticity, Signer, SigningUnusable};

/// How long a receiver may take to answer. Open Messaging allows ten seconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How many sendings are under way at once.
const IN_FLIGHT: usize = 256;

/// How many sendings are remembered, so that one of them can be replayed byte for byte.
const REMEMBERED: usize = 2_000;

/// A webhook with what it takes to sign for it.
#[derive(Debug)]
pub(crate) struct Adapter {
    pub config: WebhookAdapter,
    signer: Signer,
}

impl Adapter {
    /// Answers the name of the scheme that signs.
    pub(crate) fn scheme(&self) -> &'static str {
        self.signer.scheme()
    }
}

/// One event on its way to one webhook.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub event: Arc<Event>,
    pub adapter: Arc<Adapter>,
    pub authenticity: Authenticity,
    /// The number of this try, from 1.
    pub attempt: u32,
    pub fault: Option<&'static str>,
    /// Told of the outcome of the first try.
    pub done: Option<oneshot::Sender<Outcome>>,
    /// Sent once the first try of this one is over, whatever came of it.
    pub followed_by: Option<Box<Delivery>>,
}

/// What came of a sending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered(u16),
    NoAnswer(String),
    /// The body's form cannot tell this event, so nothing was sent.
    NotExpressible,
}

impl Outcome {
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Answered(status) => Some(*status),
            Self::NoAnswer(_) | Self::NotExpressible => None,
        }
    }

    pub(crate) fn is_taken(&self) -> bool {
        self.status().is_some_and(|status| (200..300).contains(&status))
    }

    /// Answers whether a relay tries again: no answer, 408, 429, or a fault of the receiver.
    pub(crate) fn is_worth_repeating(&self) -> bool {
        match self {
            Self::Answered(status) => matches!(status, 408 | 429 | 500..=599),
            Self::NoAnswer(_) => true,
            Self::NotExpressible => false,
        }
    }
}

/// A request as it was sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub conversation: Uuid,
    pub adapter: Arc<Adapter>,
    headers: Vec<(String, String)>,
    body: Bytes,
}

/// Holds the webhooks and the connections to them.
#[derive(Debug)]
pub(crate) struct Relay {
    http: reqwest::Client,
    adapters: RwLock<Arc<[Arc<Adapter>]>>,
    places: Semaphore,
    sent: Mutex<VecDeque<Sent>>,
}

impl Relay {
    pub(crate) fn new(webhooks: Vec<WebhookAdapter>) -> Result<Self, SigningUnusable> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(ANSWER_WITHIN)
            .build()
            .expect("a client without certificates or proxies of its own can be built");
        let relay = Self {
            http,
            adapters: RwLock::new(Arc::from([])),
            places: Semaphore::new(IN_FLIGHT),
            sent: Mutex::default(),
        };
        relay.replace_adapters(webhooks)?;
        Ok(relay)
    }

    /// Answers the webhooks as they are configured now.
    pub(crate) fn adapters(&self) -> Arc<[Arc<Adapter>]> {
        Arc::clone(&self.adapters.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts other webhooks in place of the present ones; sendings under way are not touched.
    pub(crate) fn replace_adapters(&self, webhooks: Vec<WebhookAdapter>) -> Result<(), SigningUnusable> {
        let adapters = webhooks
            .into_iter()
            .map(|config| Signer::new(&config.signing).map(|signer| Arc::new(Adapter { config, signer })))
            .collect::<Result<Vec<_>, _>>()?;
        *self.adapters.write().unwrap_or_else(PoisonError::into_inner) = adapters.into();
        Ok(())
    }

    /// Writes, signs and posts one event, once.
    pub(crate) async fn send(&self, delivery: &Delivery, organisation: Uuid) -> Outcome {
        let Delivery { event, adapter, authenticity, .. } = delivery;
        let Some(body) = event.written(adapter.config.format, organisation) else {
            return Outcome::NotExpressible;
        };
        let id = event.id.to_string();
        let seconds = wall_time() / 1_000;
        let mut headers = match adapter.signer.headers(*authenticity, &id, seconds, &body) {
            Ok(headers) => headers,
            Err(error) => return Outcome::NoAnswer(error.to_string()),
        };
        headers.push(("content-type".into(), content_type(adapter.config.format).into()));
        headers.extend(adapter.config.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        let sent = Sent {
            conversation: event.conversation,
            adapter: Arc::clone(adapter),
            headers,
            body: Bytes::from(body),
        };
        if *authenticity == Authenticity::Genuine {
            let mut remembered = self.remembered();
            if remembered.len() == REMEMBERED {
                remembered.pop_front();
            }
            remembered.push_back(sent.clone());
        }
        self.post(sent).await
    }

    /// Posts once more what was sent before, byte for byte.
    pub(crate) async fn post(&self, sent: Sent) -> Outcome {
        let Ok(_place) = self.places.acquire().await else {
            return Outcome::NoAnswer("the relay is shut".into());
        };
        let mut request = self.http.post(&sent.adapter.config.url).body(sent.body);
        for (name, value) in sent.headers {
            request = request.header(name, value);
        }
        match request.send().await {
            Ok(answer) => Outcome::Answered(answer.status().as_u16()),
            Err(error) => Outcome::NoAnswer(error.without_url().to_string()),
        }
    }

    /// Finds the newest genuine sending for a conversation, on one adapter or on any.
    pub(crate) fn newest_sent(&self, conversation: Uuid, adapter: Option<&str>) -> Option<Sent> {
        let remembered = self.remembered();
        let fits = |sent: &&Sent| {
            sent.conversation == conversation && adapter.is_none_or(|name| sent.adapter.config.name == name)
        };
        remembered.iter().rev().find(fits).cloned()
    }

    pub(crate) fn forget_sent(&self) {
        self.remembered().clear();
    }

    fn remembered(&self) -> MutexGuard<'_, VecDeque<Sent>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
