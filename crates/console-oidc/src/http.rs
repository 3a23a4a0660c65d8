//! Asking the provider: bounded in time and size, and never led elsewhere.

use std::time::Duration;

use reqwest::{Client, RequestBuilder, StatusCode, redirect::Policy};
use url::Url;

use crate::settings::is_loopback;

/// How long a connection to the provider may take to stand.
const CONNECT: Duration = Duration::from_secs(3);

/// How long one request may take in all; a browser waits for it.
const WITHIN: Duration = Duration::from_secs(10);

/// The largest answer: documents, keys and tokens have a few thousand bytes.
const LARGEST: usize = 512 * 1_024;

/// A client that follows no redirection: a secret goes to the address that it is meant for.
pub(crate) fn client(issuer: &str) -> Result<Client, reqwest::Error> {
    let mut builder = Client::builder()
        .user_agent(concat!("closeout/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .connect_timeout(CONNECT)
        .timeout(WITHIN);
    if let Ok(issuer) = Url::parse(issuer)
        && is_loopback(&issuer)
    {
        // No proxy reaches this machine's own loopback.
        builder = builder.no_proxy();
        if issuer.scheme() == "http" {
            // A machine without root certificates can try it out.
            builder = builder.tls_certs_only([]);
        }
    }
    builder.build()
}

/// Sends a request and reads the answer, or says what went wrong without what was sent.
pub(crate) async fn send(request: RequestBuilder, what: &str) -> Result<(StatusCode, Vec<u8>), String> {
    let failed = |error: reqwest::Error| {
        let error = error.without_url();
        let mut told = format!("{what}: {error}");
        let mut cause = std::error::Error::source(&error);
        while let Some(deeper) = cause {
            told = format!("{told}: {deeper}");
            cause = deeper.source();
        }
        told
    };
    let mut response = request.send().await.map_err(failed)?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > LARGEST {
            return Err(format!("{what}: the answer has more than {LARGEST} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok((status, body))
}

/// Reads a document that has to be there.
pub(crate) async fn fetch(request: RequestBuilder, what: &str) -> Result<Vec<u8>, String> {
    let (status, body) = send(request, what).await?;
    if status == StatusCode::OK { Ok(body) } else { Err(format!("{what}: the provider answered {status}")) }
}
