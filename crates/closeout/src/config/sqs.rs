//! The `[[confirm]]` tables of queues: Amazon SQS, filled by EventBridge.

use std::net::IpAddr;

use evidence_sqs::{Decoder, EventSource, Place, Setup};
use genesys_types::Organisation;
use url::{Host, Url};

use super::{confirm, layers::Reader};

/// One queue.
#[derive(Debug, Clone)]
pub struct Queue {
    /// What its messages are taken for.
    pub setup: Setup,
    /// Where it is.
    pub place: Place,
}

/// Reads the table of this number.
pub(super) fn one(reader: &mut Reader<'_>, number: usize, known: &[Organisation]) -> Option<Queue> {
    let name = confirm::name(reader, number);
    let organisation = confirm::organisation(reader, number, known);
    let decoder = decoder(reader, number);
    let source = source(reader, number);
    let place = place(reader, &format!("confirm.{number}"));
    Some(Queue {
        setup: Setup { name: name?, organisation: organisation?, decoder: decoder?, source: source? },
        place: place?,
    })
}

/// What EventBridge puts into a queue is its own form; the default of webhooks is not meant here.
fn decoder(reader: &mut Reader<'_>, number: usize) -> Option<Decoder> {
    let path = format!("confirm.{number}.decoder");
    if reader.layers.setting(&path).is_none_or(|setting| setting.origin.rank() == 0) {
        return Some(Decoder::EventBridge);
    }
    reader
        .choice(&path)?
        .parse()
        .map_err(|error: evidence_sqs::UnknownDecoder| reader.refuse(&path, error))
        .ok()
}

/// `Some(None)` where none is set, nothing where it is wrong.
#[expect(
    clippy::option_option,
    reason = "the outer one says whether the setting is good, as for every other"
)]
fn source(reader: &mut Reader<'_>, number: usize) -> Option<Option<EventSource>> {
    let path = format!("confirm.{number}.event_source");
    if reader.layers.setting(&path).is_none() {
        return Some(None);
    }
    reader.parsed(&path, |text| text.parse::<EventSource>().map_err(|error| error.to_string())).map(Some)
}

/// Where the queue of a table, such as `confirm.0`, is.
pub(super) fn place(reader: &mut Reader<'_>, table: &str) -> Option<Place> {
    let path = |key: &str| format!("{table}.{key}");
    if reader.layers.setting(&path("queue_url")).is_none() {
        reader.missing(&path("queue_url"), "is missing: copy the URL of the queue from the console of AWS");
        return None;
    }
    let url = reader.parsed(&path("queue_url"), queue_url);
    let endpoint = match reader.layers.setting(&path("endpoint")) {
        Some(_) => Some(reader.parsed(&path("endpoint"), safe_url)?),
        None => None,
    };
    let url = url?;
    let told = region_of(&url);
    let region = match (reader.text(&path("region")), told) {
        (Some(region), Some(told)) if region != told => {
            reader.refuse(&path("region"), format_args!("is {region:?}, and queue_url is in {told}"));
            return None;
        }
        (Some(region), _) => reader.parsed(&path("region"), |_| checked_region(region))?,
        (None, Some(told)) => told,
        (None, None) => {
            reader.missing(&path("region"), "is missing: queue_url does not tell the region of the queue");
            return None;
        }
    };
    if endpoint.is_none() && region_of(&url).is_none() {
        let why = "names another host than Amazon's: name it as endpoint too";
        reader.refuse(&path("queue_url"), why);
        return None;
    }
    // The client library puts paths behind an endpoint; the slash that a URL without a path ends in would be doubled.
    let endpoint = endpoint.map(|endpoint| endpoint.as_str().trim_end_matches('/').to_owned());
    Some(Place { queue_url: url.into(), region, endpoint })
}

fn queue_url(text: &str) -> Result<Url, String> {
    let url = safe_url(text)?;
    let parts = url.path_segments().map_or(0, |parts| parts.filter(|part| !part.is_empty()).count());
    if parts >= 2 {
        return Ok(url);
    }
    Err("is no URL of a queue, such as https://sqs.eu-central-1.amazonaws.com/123456789012/genesys-events"
        .to_owned())
}

/// A URL by which credentials may go: https, or loopback.
fn safe_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("is no URL: {error}"))?;
    let loopback = match url.host() {
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => return Err("is no URL with a host".to_owned()),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must hold no user and password".to_owned());
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if loopback => Ok(url),
        "http" => Err("must begin with https:// unless it is on loopback".to_owned()),
        _ => Err("must begin with https://".to_owned()),
    }
}

/// The region in Amazon's own names: `sqs.REGION.amazonaws.com`, the older `REGION.queue.amazonaws.com`, and those of China.
fn region_of(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    let host = host.strip_suffix(".amazonaws.com").or_else(|| host.strip_suffix(".amazonaws.com.cn"))?;
    let region = host.strip_prefix("sqs.").or_else(|| host.strip_suffix(".queue"))?;
    checked_region(region.to_owned()).ok()
}

fn checked_region(region: String) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fits = (1..=64).contains(&region.len()) && region.bytes().all(allowed);
    if fits { Ok(region) } else { Err("is no region, such as eu-central-1".to_owned()) }
}
