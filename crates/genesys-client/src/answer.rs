//! Reading answers: headers that matter, and bodies that are capped while they stream.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, header};
use reqwest::Response;
use serde::de::IgnoredAny;

use crate::{fault::bounded_word, json::parse, quota::RateHeaders};

/// The largest success body that is read (design.md §3).
pub(crate) const LARGEST_BODY: usize = 1024 * 1024;

/// The largest error body that is read; facts of an error fit in far less.
pub(crate) const LARGEST_ERROR: usize = 64 * 1024;

/// The longest plain text that passes as the body of an accepted write: a bare reason phrase, as `Accepted`.
const LONGEST_PHRASE: usize = 64;

const CORRELATION_ID: HeaderName = HeaderName::from_static("inin-correlation-id");
const COUNT: HeaderName = HeaderName::from_static("inin-ratelimit-count");
const ALLOWED: HeaderName = HeaderName::from_static("inin-ratelimit-allowed");
const RESET: HeaderName = HeaderName::from_static("inin-ratelimit-reset");

/// Why a body could not be read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyFault {
    TooLarge,
    TimedOut,
    Cut,
}

impl BodyFault {
    pub(crate) const fn message(self) -> &'static str {
        match self {
            Self::TooLarge => "the answer is larger than 1 MiB",
            Self::TimedOut => "the answer did not end in time",
            Self::Cut => "the connection was cut in the middle of the answer",
        }
    }
}

/// Reads a body of at most `largest` bytes.
pub(crate) async fn body(mut response: Response, largest: usize) -> Result<Bytes, BodyFault> {
    if response.content_length().is_some_and(|length| length > largest as u64) {
        return Err(BodyFault::TooLarge);
    }
    let failed =
        |error: reqwest::Error| if error.is_timeout() { BodyFault::TimedOut } else { BodyFault::Cut };
    let Some(first) = response.chunk().await.map_err(failed)? else { return Ok(Bytes::new()) };
    let mut whole: Option<BytesMut> = None;
    let mut length = first.len();
    while length <= largest {
        match response.chunk().await.map_err(failed)? {
            Some(chunk) => {
                length += chunk.len();
                whole.get_or_insert_with(|| BytesMut::from(first.as_ref())).extend_from_slice(&chunk);
            }
            None => return Ok(whole.map_or(first, BytesMut::freeze)),
        }
    }
    Err(BodyFault::TooLarge)
}

/// Whether the body of an accepted write, which carries no information, is one that the service or a plain stub can
/// have sent: nothing, JSON, or a bare reason phrase. A page of HTML is none, but a sign that somebody else answered.
pub(crate) fn is_plausible_acknowledgement(body: &[u8]) -> bool {
    body.iter().all(u8::is_ascii_whitespace)
        || parse::<IgnoredAny>(body).is_ok()
        || body.len() <= LONGEST_PHRASE
            && body
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'.' | b'\r' | b'\n'))
}

pub(crate) fn correlation_id(headers: &HeaderMap) -> Option<Box<str>> {
    let value = headers.get(CORRELATION_ID)?.to_str().ok()?;
    (!value.is_empty()).then(|| bounded_word(value))
}

pub(crate) fn rate(headers: &HeaderMap) -> RateHeaders {
    let number = |name| headers.get(name)?.to_str().ok()?.trim().parse().ok();
    RateHeaders { count: number(COUNT), allowed: number(ALLOWED), reset_seconds: number(RESET) }
}

/// How long a 429 asks to wait: `Retry-After` in seconds or as a date, else the end of the window.
pub(crate) fn retry_after(headers: &HeaderMap, now: jiff::Timestamp) -> Option<Duration> {
    let said = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::trim);
    let seconds = said.and_then(|text| text.parse::<u64>().ok()).map(Duration::from_secs);
    seconds
        .or_else(|| said.and_then(|text| until_date(text, now)))
        .or_else(|| rate(headers).reset_seconds.map(|seconds| Duration::from_secs(u64::from(seconds))))
}

fn until_date(text: &str, now: jiff::Timestamp) -> Option<Duration> {
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    let millis = date.as_millisecond().saturating_sub(now.as_millisecond());
    Some(Duration::from_millis(u64::try_from(millis).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_wait_is_given_in_seconds_as_a_date_or_by_the_windows_end() {
        let now: jiff::Timestamp = "2026-11-21T09:00:00Z".parse().unwrap();
        let wait = |pairs: &[(&'static str, &str)]| retry_after(&headers(pairs), now);
        assert_eq!(wait(&[("retry-after", "12")]), Some(Duration::from_secs(12)));
        assert_eq!(wait(&[("retry-after", "Sat, 21 Nov 2026 09:01:30 GMT")]), Some(Duration::from_secs(90)));
        assert_eq!(wait(&[("retry-after", "Sat, 21 Nov 2026 08:00:00 GMT")]), Some(Duration::ZERO));
        assert_eq!(wait(&[("inin-ratelimit-reset", "7")]), Some(Duration::from_secs(7)));
        assert_eq!(
            wait(&[("retry-after", "soon"), ("inin-ratelimit-reset", "7")]),
            Some(Duration::from_secs(7))
        );
        assert_eq!(wait(&[("retry-after", "-5")]), None);
        assert_eq!(wait(&[]), None);
    }

    #[test]
    fn rate_headers_that_are_no_numbers_are_missing() {
        let read = rate(&headers(&[
            ("inin-ratelimit-count", " 17 "),
            ("inin-ratelimit-allowed", "many"),
            ("inin-ratelimit-reset", "-1"),
        ]));
        assert_eq!(read, RateHeaders { count: Some(17), allowed: None, reset_seconds: None });
    }

    #[test]
    fn a_page_is_no_acknowledgement() {
        for good in ["", " \n", "{}", "\"accepted\"", "null", "Accepted", "OK\r\n"] {
            assert!(is_plausible_acknowledgement(good.as_bytes()), "{good:?}");
        }
        for bad in ["<html></html>", "{", "\u{feff}{}", &"a".repeat(65)] {
            assert!(!is_plausible_acknowledgement(bad.as_bytes()), "{bad:?}");
        }
    }
}
