//! One request to one receiver.

use std::{
    collections::BTreeMap,
    error::Error,
    fmt, io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use reqwest::{
    Client, Response, StatusCode,
    dns::{Addrs, Name, Resolve, Resolving},
    header,
    redirect::Policy,
};
use url::Url;

use crate::{allowed::AllowedHosts, fate::Outcome};

/// What is read of an answer at most, in bytes, so that the connection can be used again. Nothing is done with it.
const MOST_READ: usize = 16 * 1024;

/// What is posted.
#[derive(Debug)]
pub struct Letter {
    /// Where to: a host that is allowed.
    pub url: Url,
    /// The type of the body.
    pub content_type: &'static str,
    /// The headers of the signature.
    pub signature: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

/// What posts.
#[async_trait]
pub trait Post: Send + Sync + 'static {
    /// Posts once, and answers what came of it. It ends within the time-out.
    async fn post(&self, letter: Letter) -> Outcome;
}

/// Posts by HTTP: no redirects, no proxy, no address that is not allowed. A client for each port, because whoever looks a name
/// up is not told for which port.
#[derive(Debug)]
pub struct HttpPost(BTreeMap<u16, Client>);

impl HttpPost {
    /// Posts to these hosts, each time within `timeout`.
    ///
    /// # Errors
    ///
    /// Fails when there are no certificates to trust, or no client can be made.
    pub fn new(allowed: AllowedHosts, timeout: Duration) -> Result<Self, reqwest::Error> {
        let (ports, allowed) = (allowed.ports(), Arc::new(allowed));
        let client = |port| {
            let client = Client::builder()
                .timeout(timeout)
                .redirect(Policy::none())
                // A proxy would look the name up itself, and the address could not be checked.
                .no_proxy()
                .referer(false)
                .dns_resolver(Arc::new(AllowedAddresses { allowed: Arc::clone(&allowed), port }))
                .user_agent(concat!("closeout/", env!("CARGO_PKG_VERSION")));
            Ok((port, client.build()?))
        };
        ports.into_iter().map(client).collect::<Result<_, _>>().map(Self)
    }
}

#[async_trait]
impl Post for HttpPost {
    async fn post(&self, letter: Letter) -> Outcome {
        let client = letter.url.port_or_known_default().and_then(|port| self.0.get(&port));
        let Some(client) = client else { return Outcome::NotSent("its port is not listed".to_owned()) };
        let mut request = client.post(letter.url).header(header::CONTENT_TYPE, letter.content_type);
        for (name, value) in letter.signature {
            request = request.header(name, value);
        }
        match request.body(letter.body).send().await {
            Ok(answer) => read(answer).await,
            Err(error) => Outcome::NoAnswer(in_words(&error)),
        }
    }
}

async fn read(mut answer: Response) -> Outcome {
    let status = answer.status();
    let retry_after = retry_after(&answer);
    let mut left = MOST_READ;
    // The status is the answer; a body that breaks off changes nothing.
    while let Ok(Some(chunk)) = answer.chunk().await {
        match left.checked_sub(chunk.len()) {
            Some(rest) => left = rest,
            None => break,
        }
    }
    Outcome::Answered { status: status.as_u16(), retry_after }
}

/// What `Retry-After` asks for, in seconds or as a date.
fn retry_after(answer: &Response) -> Option<Duration> {
    let limited = matches!(answer.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    let text = answer.headers().get(header::RETRY_AFTER).filter(|_| limited)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(SystemTime::from(at).duration_since(SystemTime::now()).unwrap_or_default())
}

fn in_words(error: &reqwest::Error) -> &'static str {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<NoAllowedAddress>() {
            return "its name leads to no public address, nor to one that is listed";
        }
        cause = error.source();
    }
    if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection broke off"
    }
}

/// Looks names up for one port, and lets only those addresses through that may be connected to.
struct AllowedAddresses {
    allowed: Arc<AllowedHosts>,
    port: u16,
}

#[derive(Debug)]
pub(crate) struct NoAllowedAddress;

impl fmt::Display for NoAllowedAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name leads to no address that is allowed")
    }
}

impl Error for NoAllowedAddress {}

impl Resolve for AllowedAddresses {
    fn resolve(&self, name: Name) -> Resolving {
        let (allowed, port) = (Arc::clone(&self.allowed), self.port);
        Box::pin(async move {
            let host = name.as_str();
            let found = tokio::net::lookup_host((host, port)).await.map_err(Box::<io::Error>::new)?;
            let may = that_may_be_connected_to(&allowed, host, found)?;
            Ok(Box::new(may.into_iter()) as Addrs)
        })
    }
}

/// Those of the addresses that may be connected to; an error where there is none.
pub(crate) fn that_may_be_connected_to(
    allowed: &AllowedHosts,
    host: &str,
    found: impl IntoIterator<Item = SocketAddr>,
) -> Result<Vec<SocketAddr>, NoAllowedAddress> {
    let may: Vec<_> =
        found.into_iter().filter(|address| allowed.may_connect(host, address.ip(), address.port())).collect();
    if may.is_empty() { Err(NoAllowedAddress) } else { Ok(may) }
}
