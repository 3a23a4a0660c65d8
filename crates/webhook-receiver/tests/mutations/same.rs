//! Whether a changed delivery is a forgery at all: a second reading of the schemes, by comparing texts and never by computing.
//!
//! A delivery is the same as a genuine one when its body, its signed id and its signed time are, byte for byte, the signature
//! is there once in the one spelling that the scheme has for it, and it is in time. What may differ is what proves nothing:
//! other headers, an id that is not signed, the case of a header's name or of the word `Bearer`, further signatures of a list.

use webhook_signature::{HmacScheme, Scheme, SignatureLayout, SignedContent};

use crate::genuine::{Genuine, Sent, Stage};

/// Whether all that the scheme of the stage protects is as in this genuine delivery.
pub fn is_same(stage: &Stage, genuine: &Genuine, sent: &Sent) -> bool {
    let protected = match stage.hmac() {
        Some(hmac) => is_signed_alike(&hmac, genuine, sent),
        None => holds_the_key(stage, sent),
    };
    protected && sent.body == genuine.body
}

fn is_signed_alike(hmac: &HmacScheme, genuine: &Genuine, sent: &Sent) -> bool {
    let alike = |name: &Option<String>| {
        let name = name.as_deref().unwrap_or_default();
        let value = once(&sent.headers, name);
        value.is_some() && value == once(&genuine.headers, name)
    };
    let has_time = hmac.content != SignedContent::Body;
    let in_time = !has_time || genuine.time.abs_diff(sent.now) <= u64::from(hmac.tolerance_seconds);
    let time = hmac.timestamp_header.is_none() || alike(&hmac.timestamp_header);
    let id = hmac.content != SignedContent::IdTimestampBody || alike(&hmac.id_header);
    let (Some(now), Some(then)) =
        (once(&sent.headers, &hmac.signature_header), once(&genuine.headers, &hmac.signature_header))
    else {
        return false;
    };
    let signature = match &hmac.layout {
        SignatureLayout::Single { .. } => now == then,
        SignatureLayout::SpaceSeparated { .. } => now.split(|byte| *byte == b' ').any(|entry| entry == then),
        SignatureLayout::Fields { time, .. } => {
            let fields = |value: &[u8]| -> Vec<Vec<u8>> {
                value.split(|byte| *byte == b',').map(<[u8]>::to_vec).collect()
            };
            let time = format!("{time}=");
            let times = fields(now).iter().filter(|field| field.starts_with(time.as_bytes())).count();
            times == 1 && fields(then).iter().all(|field| fields(now).contains(field))
        }
    };
    in_time && time && id && signature
}

fn holds_the_key(stage: &Stage, sent: &Sent) -> bool {
    let (header, word) = if let Scheme::Header(name) = &stage.scheme {
        (name.as_str(), "")
    } else if stage.scheme == Scheme::Bearer {
        ("Authorization", "Bearer ")
    } else {
        ("Authorization", "Basic ")
    };
    let keys = stage.genuine.iter().filter_map(|genuine| once(&genuine.headers, header));
    let Some((said, key)) = once(&sent.headers, header).and_then(|value| value.split_at_checked(word.len()))
    else {
        return false;
    };
    said.eq_ignore_ascii_case(word.as_bytes()) && keys.into_iter().any(|held| &held[word.len()..] == key)
}

/// The value of the one line of this name.
fn once<'a>(headers: &'a [(String, Vec<u8>)], name: &str) -> Option<&'a [u8]> {
    let mut lines = headers.iter().filter(|(line, _)| line.eq_ignore_ascii_case(name));
    let (_, value) = lines.next()?;
    lines.next().is_none().then_some(value.as_slice())
}
