//! Explains a refusal: which usual mistake would make the signature fit.

use std::fmt;

use hmac::Mac as _;
use secrecy::SecretString;
use subtle::ConstantTimeEq as _;

use crate::headers::{Line, pick, read_timestamp};
use crate::misreading::{readings_of_body, readings_of_key, readings_of_tags};
use crate::scheme::{Method, Place};
use crate::secret::{MinimumLength, Secret, digest, keyed};
use crate::verify::{Envelope, feed, find_lines};
use crate::{
    BodyChange, HmacScheme, KeyReading, Refused, Scheme, SignedContent, Verified, WebhookSignature, ordinal,
};

/// A verdict and, for a refusal, what explains it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// What [`WebhookSignature::verify`] says of the delivery.
    pub verdict: Result<Verified, Refused>,
    /// The explanations, the plainest first; empty for a delivery that is taken, never empty for a refusal.
    pub findings: Vec<Finding>,
}

/// One explanation of a refusal. Its `Display` is a sentence for the operator; it holds no secret and no body.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// A header that the scheme needs did not come.
    HeaderMissing {
        /// The header's configured name.
        name: String,
    },
    /// A header of the scheme came more than once.
    HeaderRepeated {
        /// The header's configured name.
        name: String,
    },
    /// The delivery carries the signature header of another scheme.
    OtherScheme {
        /// The other scheme's name in settings, or `slack` or `stripe`, which are layouts of `hmac`.
        scheme: &'static str,
        /// Whether the delivery verifies under it with the configured secrets.
        fits: bool,
    },
    /// The tag is right and written in another encoding than the scheme's.
    OtherEncoding {
        /// The encoding that was found.
        found: &'static str,
    },
    /// The tag or key is right, and what stands around it in the header is not what the scheme writes.
    OtherLayout,
    /// The tag was made over other parts than the scheme signs.
    OtherContent {
        /// What it covers.
        signed: SignedContent,
    },
    /// The tag was made over another text than the body that came.
    OtherBody {
        /// What was signed.
        change: BodyChange,
    },
    /// The tag or key fits when a secret is read in another way.
    OtherKey {
        /// Which secret, counted from 0.
        secret_index: usize,
        /// How it must be read.
        reading: KeyReading,
    },
    /// The signature is right and the clocks differ by more than the tolerance.
    ClockOff {
        /// The signed time minus the receiver's clock in seconds; negative for a delivery from the past.
        seconds: i64,
    },
    /// The time is given in milliseconds and must be in seconds.
    TimeInMilliseconds,
    /// The time is not written as plain decimal seconds.
    TimeUnreadable,
    /// The message id has a form that the scheme does not take.
    MessageIdUnfit,
    /// The header holds more signatures than are looked at.
    TooManySignatures,
    /// No usual mistake makes the signature fit.
    NothingFits,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeaderMissing { name } => write!(f, "The header `{name}` did not come."),
            Self::HeaderRepeated { name } => write!(f, "The header `{name}` came more than once."),
            Self::OtherScheme { scheme, fits: true } => {
                write!(f, "The delivery verifies as `{scheme}` with the configured secret.")
            }
            Self::OtherScheme { scheme, fits: false } => {
                write!(f, "The delivery carries the signature header of `{scheme}`, which does not fit either.")
            }
            Self::OtherEncoding { found } => write!(f, "The signature matches if it is read as {found}."),
            Self::OtherLayout => f.write_str(
                "The signature or key is right, but what stands around it in its header is not what the scheme writes.",
            ),
            Self::OtherContent { signed } => {
                write!(f, "The signature matches if it covers `{}`.", signed.name())
            }
            Self::OtherBody { change } => write!(
                f,
                "The signature matches {change}: the body was changed on its way, or the sender signs another text \
                 than it sends."
            ),
            Self::OtherKey { secret_index, reading } => {
                write!(f, "The signature or key matches the {} secret if {reading}.", ordinal(*secret_index))
            }
            Self::ClockOff { seconds } if *seconds < 0 => write!(
                f,
                "The signature is right, but was made {} s before the receiver's time: a clock is off, or the \
                 delivery is late or repeated.",
                seconds.unsigned_abs()
            ),
            Self::ClockOff { seconds } => {
                write!(f, "The signature is right, but was made {seconds} s after the receiver's time: a clock is off.")
            }
            Self::TimeInMilliseconds => f.write_str("The time is given in milliseconds; seconds are expected."),
            Self::TimeUnreadable => f.write_str("The time is not written as plain decimal seconds."),
            Self::MessageIdUnfit => {
                f.write_str("The message id is not 1 to 256 visible ASCII characters without a full stop.")
            }
            Self::TooManySignatures => f.write_str("The header holds more than 16 signatures."),
            Self::NothingFits => {
                f.write_str("No usual mistake explains the refusal: the key or the body is most likely another one.")
            }
        }
    }
}

type Headers<'a> = [(&'a str, &'a [u8])];

pub(crate) fn diagnose(hook: &WebhookSignature, headers: &Headers<'_>, body: &[u8], now: i64) -> Diagnosis {
    let verdict = hook.verify(headers.iter().copied(), body, now);
    let Err(refused) = verdict else {
        return Diagnosis { verdict, findings: Vec::new() };
    };
    let mut findings = match &hook.method {
        Method::Hmac(scheme) => explain_signature(scheme, &hook.secrets, headers, body, now, refused),
        Method::Credential(place) => explain_credential(place, &hook.secrets, headers),
        Method::Unsigned => Vec::new(),
    };
    findings.extend(other_schemes(hook, headers, body, now));
    if findings.is_empty() {
        findings.push(Finding::NothingFits);
    }
    Diagnosis { verdict, findings }
}

fn explain_signature(
    scheme: &HmacScheme,
    secrets: &[Secret],
    headers: &Headers<'_>,
    body: &[u8],
    now: i64,
    refused: Refused,
) -> Vec<Finding> {
    let lines = find_lines(scheme, headers.iter().copied());
    let names = [
        Some(scheme.signature_header.as_str()),
        scheme.timestamp_header.as_deref(),
        scheme.id_header.as_deref().filter(|_| scheme.content == SignedContent::IdTimestampBody),
    ];
    let mut findings: Vec<Finding> =
        lines.into_iter().zip(names).filter_map(|(line, name)| explain_line(line, name?)).collect();
    match refused {
        Refused::MalformedTimestamp => findings.push(Finding::TimeUnreadable),
        Refused::MalformedMessageId => findings.push(Finding::MessageIdUnfit),
        Refused::TooManySignatures => findings.push(Finding::TooManySignatures),
        Refused::OutsideWindow => findings.extend(explain_time(scheme, lines, now)),
        Refused::MissingHeader
        | Refused::RepeatedHeader
        | Refused::MalformedSignature
        | Refused::OtherSignatureVersion
        | Refused::WrongSignature
        | Refused::WrongKey => {}
    }
    if let (Line::Once(value), true) = (lines[0], refused != Refused::OutsideWindow) {
        findings.extend(search(scheme, secrets, value, lines, body));
    }
    findings
}

fn explain_line(line: Line<'_>, name: &str) -> Option<Finding> {
    let name = name.to_owned();
    match line {
        Line::Absent => Some(Finding::HeaderMissing { name }),
        Line::Repeated => Some(Finding::HeaderRepeated { name }),
        Line::Once(_) => None,
    }
}

fn explain_time(scheme: &HmacScheme, lines: [Line<'_>; 3], now: i64) -> Option<Finding> {
    let time = read_timestamp(sent_time(scheme, lines)?).ok()?;
    let tolerance = u64::from(scheme.tolerance_seconds);
    if (time / 1000).abs_diff(now) <= tolerance {
        return Some(Finding::TimeInMilliseconds);
    }
    Some(Finding::ClockOff { seconds: time.saturating_sub(now) })
}

/// The time as it was sent, in its header or in a field of the signature header.
fn sent_time<'a>(scheme: &HmacScheme, lines: [Line<'a>; 3]) -> Option<&'a [u8]> {
    let [signature, time, _] = lines;
    let field = signature
        .optional()
        .ok()
        .flatten()
        .and_then(|value| scheme.layout.read(value, scheme.encoding).ok())
        .and_then(|presented| presented.time);
    field.or_else(|| time.optional().ok().flatten())
}

/// Tries every reading of key, content and body against every tag in the header, and returns the differences of the
/// reading that needs the fewest.
fn search(
    scheme: &HmacScheme,
    secrets: &[Secret],
    value: &[u8],
    lines: [Line<'_>; 3],
    body: &[u8],
) -> Vec<Finding> {
    let tags = readings_of_tags(value, scheme.encoding);
    let envelope = Envelope { id: lines[2].optional().ok().flatten(), time: sent_time(scheme, lines) };
    let layout_fits = scheme.layout.read(value, scheme.encoding).is_ok();
    let bodies = readings_of_body(body);
    let contents = contents(scheme, envelope);
    let mut plainest: Option<Vec<Finding>> = None;
    for (secret_index, secret) in secrets.iter().enumerate() {
        for (reading, key) in readings_of_key(secret.text(), scheme.key) {
            let key = keyed(&key);
            let trials = contents.iter().flat_map(|content| bodies.iter().map(move |body| (content, body)));
            let fitting = trials.filter_map(|(content, (change, bytes))| {
                let mut mac = key.clone();
                feed(&mut mac, scheme, *content, envelope, bytes);
                let (_, spelling) = tags.iter().find(|(tag, _)| mac.clone().verify_slice(tag).is_ok())?;
                let other_encoding = *spelling != scheme.encoding.name();
                let differences = [
                    other_encoding.then_some(Finding::OtherEncoding { found: spelling }),
                    (!other_encoding && !layout_fits).then_some(Finding::OtherLayout),
                    (*content != scheme.content).then_some(Finding::OtherContent { signed: *content }),
                    change.map(|change| Finding::OtherBody { change }),
                    reading.map(|reading| Finding::OtherKey { secret_index, reading }),
                ];
                Some(differences.into_iter().flatten().collect::<Vec<_>>())
            });
            plainest = plainest.into_iter().chain(fitting).min_by_key(Vec::len);
        }
    }
    plainest.unwrap_or_default()
}

/// The contents that can be formed of what came, the scheme's own first.
fn contents(scheme: &HmacScheme, envelope: Envelope<'_>) -> Vec<SignedContent> {
    let possible = |content: SignedContent| match content {
        SignedContent::Body => true,
        SignedContent::TimestampBody => envelope.time.is_some(),
        SignedContent::IdTimestampBody => envelope.time.is_some() && envelope.id.is_some(),
    };
    let others = SignedContent::ALL.into_iter().filter(|content| *content != scheme.content);
    std::iter::once(scheme.content).chain(others).filter(|content| possible(*content)).collect()
}

fn explain_credential(place: &Place, secrets: &[Secret], headers: &Headers<'_>) -> Vec<Finding> {
    let [line] = pick(headers.iter().copied(), [Some(place.header())]);
    let Line::Once(value) = line else {
        return explain_line(line, place.header()).into_iter().collect();
    };
    let held = |presented: &[u8]| {
        let presented = digest(presented);
        secrets.iter().filter_map(Secret::credential_digest).any(|held| bool::from(held.ct_eq(&*presented)))
    };
    let last_word = value.trim_ascii().rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    if held(last_word) || held(value) {
        return vec![Finding::OtherLayout];
    }
    Vec::new()
}

/// Looks for the signature headers of the schemes that are not configured, and tries them.
fn other_schemes(hook: &WebhookSignature, headers: &Headers<'_>, body: &[u8], now: i64) -> Vec<Finding> {
    let known = [
        ("standard-webhooks", Scheme::StandardWebhooks),
        ("hub-sha256-base64", Scheme::HubSha256Base64),
        ("hub-sha256-hex", Scheme::HubSha256Hex),
        ("slack", Scheme::Hmac(HmacScheme::slack())),
        ("stripe", Scheme::Hmac(HmacScheme::stripe())),
    ];
    let mut findings = Vec::new();
    for (name, scheme) in known {
        let Ok(Method::Hmac(layout)) = scheme.method() else {
            continue;
        };
        let same_header = match &hook.method {
            Method::Hmac(own) => own.signature_header.eq_ignore_ascii_case(&layout.signature_header),
            Method::Credential(_) | Method::Unsigned => false,
        };
        let [line] = pick(headers.iter().copied(), [Some(layout.signature_header.as_str())]);
        if same_header || line == Line::Absent {
            continue;
        }
        let fits = hook.secrets.iter().any(|secret| {
            let texts = vec![SecretString::from(secret.text())];
            WebhookSignature::assemble(scheme.clone(), texts, MinimumLength::OneByte)
                .is_ok_and(|other| other.verify(headers.iter().copied(), body, now).is_ok())
        });
        findings.push(Finding::OtherScheme { scheme: name, fits });
    }
    // Both hub schemes share a header: when one of them fits, the other is no news.
    if findings.iter().any(|finding| matches!(finding, Finding::OtherScheme { fits: true, .. })) {
        findings.retain(|finding| matches!(finding, Finding::OtherScheme { fits: true, .. }));
    }
    findings
}
