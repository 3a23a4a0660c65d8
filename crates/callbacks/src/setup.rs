//! Who is told, as the configuration says.

use std::{fmt, sync::Arc, time::Duration};

use genesys_types::Organisation;
use url::Url;
use webhook_signature::WebhookSignature;

use crate::{adapters::SILENT, allowed::AllowedHosts, outbox::GHOST, wish::wants};

/// How an event is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A CloudEvent.
    CloudEvents,
    /// One line for a chat.
    Chat,
}

/// Somebody who is told of every closure of an organisation: a `[[callback]]` table.
#[derive(Clone)]
pub struct Receiver {
    /// The name, unique among receivers.
    pub name: String,
    /// Whose closures are told.
    pub organisation: Organisation,
    /// Where to. It may hold a secret, as the URLs of chats do, and is never shown but for its host.
    pub url: Url,
    /// Of what: words of [`table_words`](crate::table_words).
    pub on: Vec<String>,
    /// How.
    pub format: Format,
    /// Signs; a chat needs no signature.
    pub signature: Option<Arc<WebhookSignature>>,
}

impl Receiver {
    /// Whether it is told of ghosts and not of silent adapters: while none is heard it is told nothing, and not why.
    pub fn misses_silence(&self) -> bool {
        wants(&self.on, GHOST) && !wants(&self.on, SILENT)
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("name", &self.name)
            .field("organisation", &self.organisation)
            .field("host", &self.url.host_str())
            .field("on", &self.on)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

/// All that is configured.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Where may be posted to.
    pub allowed: AllowedHosts,
    /// Signs what the callbacks of single closures are told. Without it commands may name none.
    pub signature: Option<Arc<WebhookSignature>>,
    /// Who is told of every closure.
    pub receivers: Vec<Receiver>,
    /// How long one try may take in all.
    pub timeout: Duration,
    /// Where people reach this service, for links; without it links are paths.
    pub public_url: Option<String>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            allowed: AllowedHosts::default(),
            signature: None,
            receivers: Vec::new(),
            timeout: Duration::from_secs(10),
            public_url: None,
        }
    }
}

impl Setup {
    /// Whether anybody can be told anything.
    pub const fn is_on(&self) -> bool {
        !self.allowed.is_empty()
    }

    pub(crate) fn receiver(&self, name: &str) -> Option<&Receiver> {
        self.receivers.iter().find(|receiver| receiver.name == name)
    }
}
