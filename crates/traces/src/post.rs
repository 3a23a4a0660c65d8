//! One request to the collector.

use std::time::{Duration, SystemTime};

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message as _;
use reqwest::{Client, Response, header, redirect::Policy};
use url::Url;

use crate::{fate::Outcome, setup::Setup};

/// What is read of an answer at most, in bytes: it says little.
const MOST_READ: usize = 64 * 1024;

/// What of the collector's own words is repeated in the log, in letters.
const MOST_WORDS: usize = 200;

/// Posts batches by OTLP/HTTP, as protobuf. Redirects are not followed, as the headers may hold a secret.
#[derive(Debug)]
pub(crate) struct Collector {
    client: Client,
    endpoint: Url,
}

impl Collector {
    pub(crate) fn new(endpoint: Url, setup: &Setup) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .timeout(setup.timeout)
            .redirect(Policy::none())
            .referer(false)
            .default_headers(setup.headers.clone())
            .user_agent(concat!("closeout/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client, endpoint })
    }

    /// Posts once, and ends within the time-out.
    pub(crate) async fn post(&self, batch: &ExportTraceServiceRequest) -> Outcome {
        let request = self
            .client
            .post(self.endpoint.clone())
            .header(header::CONTENT_TYPE, "application/x-protobuf")
            .body(batch.encode_to_vec());
        match request.send().await {
            Ok(answer) => read(answer).await,
            Err(error) if error.is_timeout() => Outcome::NoAnswer("no answer in time"),
            Err(error) if error.is_connect() => Outcome::NoAnswer("no connection"),
            Err(_) => Outcome::NoAnswer("the connection broke off"),
        }
    }
}

async fn read(mut answer: Response) -> Outcome {
    let status = answer.status();
    let retry_after = retry_after(&answer);
    let mut body = Vec::new();
    // The status is the answer; a body that breaks off changes nothing.
    while let Ok(Some(chunk)) = answer.chunk().await {
        if body.len() + chunk.len() > MOST_READ {
            body.clear();
            break;
        }
        body.extend_from_slice(&chunk);
    }
    let said = ExportTraceServiceResponse::decode(body.as_slice()).ok().filter(|_| status.is_success());
    let partly = said.and_then(|said| said.partial_success).unwrap_or_default();
    Outcome::Answered {
        status: status.as_u16(),
        retry_after,
        rejected: u64::try_from(partly.rejected_spans).unwrap_or_default(),
        why: partly.error_message.chars().filter(|letter| !letter.is_control()).take(MOST_WORDS).collect(),
    }
}

/// What `Retry-After` asks for, in seconds or as a date.
fn retry_after(answer: &Response) -> Option<Duration> {
    let text = answer.headers().get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(SystemTime::from(at).duration_since(SystemTime::now()).unwrap_or_default())
}
