//! What is looked at before the signature: type and size.

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use crate::answer::Refusal;

/// Longest body that is taken: the largest event of EventBridge (256 KiB).
pub const MAX_BODY_BYTES: usize = 256 * 1_024;

/// Refuses a body that is encoded, or that says to be something else than JSON in UTF-8. A body that does not say what
/// it is may pass.
pub(crate) fn check_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let plain = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .all(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity"));
    let json = headers.get_all(header::CONTENT_TYPE).iter().all(is_json);
    if plain && json { Ok(()) } else { Err(Refusal::WrongType) }
}

fn is_json(value: &HeaderValue) -> bool {
    let Ok(text) = value.to_str() else { return false };
    let mut parts = text.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let named_json = matches!(essence.as_str(), "application/json" | "text/json")
        || essence.strip_prefix("application/").is_some_and(|subtype| subtype.ends_with("+json"));
    let in_utf8 = parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        Some(_) | None => true,
    });
    named_json && in_utf8
}

/// Reads the whole body. A body that says to be too large is refused before a byte of it is read.
pub(crate) async fn read_body(headers: &HeaderMap, body: Body) -> Result<Bytes, Refusal> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|bytes: u64| bytes > MAX_BODY_BYTES as u64) {
        return Err(Refusal::TooLarge);
    }
    match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Refusal::TooLarge),
        Err(_) => Err(Refusal::Incomplete),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(name: header::HeaderName, value: &'static str) -> Result<(), Refusal> {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(value));
        check_type(&headers)
    }

    #[test]
    fn only_json_in_utf8_passes() {
        for taken in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\"",
            "application/cloudevents+json",
            "text/json",
        ] {
            assert_eq!(typed(header::CONTENT_TYPE, taken), Ok(()), "{taken}");
        }
        for refused in [
            "",
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/jsonp",
            "image/x+json",
            "application/json; charset=utf-16",
            "application/xml; a=application/json",
        ] {
            assert_eq!(typed(header::CONTENT_TYPE, refused), Err(Refusal::WrongType), "{refused}");
        }
        assert_eq!(check_type(&HeaderMap::new()), Ok(()));
    }

    #[test]
    fn an_encoded_body_does_not_pass() {
        assert_eq!(typed(header::CONTENT_ENCODING, "identity"), Ok(()));
        for refused in ["gzip", "br", "identity, gzip", ""] {
            assert_eq!(typed(header::CONTENT_ENCODING, refused), Err(Refusal::WrongType), "{refused}");
        }
    }
}
