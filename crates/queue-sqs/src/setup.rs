//! What a source is made of.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};

/// How long a connection may take to stand: as for calls to Genesys.
const CONNECT: Duration = Duration::from_secs(3);

/// Tries of one request. What fails still is asked again later by whoever takes messages, with pauses.
const ATTEMPTS: u32 = 2;

/// The behaviour of the client library that this was written for; a newer one may change defaults.
fn behaviour() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

/// Where commands stand, and how long one is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setup {
    /// The queue's URL, as `https://sqs.eu-central-1.amazonaws.com/123456789012/closures`.
    pub queue_url: String,
    /// The region.
    pub region: String,
    /// Another address of SQS: a VPC endpoint, or a double in tests.
    pub endpoint: Option<String>,
    /// How long a message is hidden for whoever received it; nothing for as long as the queue says.
    pub visibility_timeout: Option<Duration>,
}

impl Setup {
    /// The configuration of the client library, with the credentials of this process's surroundings: environment, profile, web
    /// identity, container, machine. Nothing is asked of AWS yet.
    pub(crate) async fn config(&self) -> SdkConfig {
        let mut loader = aws_config::defaults(behaviour())
            .region(Region::new(self.region.clone()))
            .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT).build())
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS));
        if let Some(endpoint) = &self.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        loader.load().await
    }

    /// The queue's name: what stands last in its URL.
    pub(crate) fn queue_name(&self) -> &str {
        self.queue_url.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
    }
}
