//! Verifies HMAC signatures of every layout.

use hmac::Mac as _;

use crate::encoding::Tag;
use crate::headers::{Line, pick, read_message_id, read_timestamp};
use crate::secret::{Mac, Secret};
use crate::{Encoding, HmacScheme, Refused, SignatureLayout, SignedContent, Verified};

/// Most signatures in one header: enough for two versions during several rotations at once, few enough that a header
/// of forgeries costs little.
const MAX_SIGNATURES: usize = 16;

/// What a signature header holds.
pub(crate) struct Presented<'a> {
    pub(crate) tags: Vec<Tag>,
    /// The time, when it is a field of this header.
    pub(crate) time: Option<&'a [u8]>,
}

/// The parts of the signed content other than the body, as they were sent.
#[derive(Clone, Copy, Default)]
pub(crate) struct Envelope<'a> {
    pub(crate) id: Option<&'a [u8]>,
    pub(crate) time: Option<&'a [u8]>,
}

pub(crate) fn verify<'a>(
    scheme: &HmacScheme,
    secrets: &[Secret],
    headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    body: &[u8],
    now_unix_seconds: i64,
) -> Result<Verified, Refused> {
    let [signature, time, id] = find_lines(scheme, headers);
    let presented = scheme.layout.read(signature.required()?, scheme.encoding)?;
    let time = match presented.time {
        Some(field) => Some(field),
        None if scheme.content.has_time() => Some(time.required()?),
        None => None,
    };
    let signed_at = time.map(read_timestamp).transpose()?;
    let id = match scheme.content {
        SignedContent::IdTimestampBody => Some(id.required()?),
        SignedContent::Body | SignedContent::TimestampBody => id.optional()?,
    };
    let read_id = id.map(read_message_id).transpose()?;
    if scheme.content == SignedContent::IdTimestampBody
        && read_id.is_some_and(|id| id.contains(&scheme.separator))
    {
        return Err(Refused::MalformedMessageId);
    }
    let secret_index = fitting_secret(scheme, secrets, Envelope { id, time }, body, &presented.tags)
        .ok_or(Refused::WrongSignature)?;
    let tolerance = u64::from(scheme.tolerance_seconds);
    if signed_at.is_some_and(|signed_at| signed_at.abs_diff(now_unix_seconds) > tolerance) {
        return Err(Refused::OutsideWindow);
    }
    let id = read_id.map(str::to_owned);
    let (message_id, claimed_id) = match scheme.content {
        SignedContent::IdTimestampBody => (id, None),
        SignedContent::Body | SignedContent::TimestampBody => (None, id),
    };
    Ok(Verified { message_id, claimed_id, signed_at, secret_index: Some(secret_index) })
}

/// Finds the lines of the signature, the time and the id, in this order.
pub(crate) fn find_lines<'a>(
    scheme: &HmacScheme,
    headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
) -> [Line<'a>; 3] {
    let names = [
        Some(scheme.signature_header.as_str()),
        scheme.timestamp_header.as_deref(),
        scheme.id_header.as_deref(),
    ];
    pick(headers, names)
}

impl HmacScheme {
    /// The names of the headers that are required.
    pub(crate) fn needed_headers(&self) -> Vec<&str> {
        // A header with the time is configured only where the time is signed and stands nowhere else.
        let id = self.id_header.as_deref().filter(|_| self.content == SignedContent::IdTimestampBody);
        let signature = std::iter::once(self.signature_header.as_str());
        signature.chain(self.timestamp_header.as_deref()).chain(id).collect()
    }
}

/// Tries every tag against every secret without stopping early, and names the first secret that fits.
fn fitting_secret(
    scheme: &HmacScheme,
    secrets: &[Secret],
    envelope: Envelope<'_>,
    body: &[u8],
    tags: &[Tag],
) -> Option<usize> {
    let mut fitting = None;
    for (index, secret) in secrets.iter().enumerate() {
        let Some(mut mac) = secret.mac() else { continue };
        feed(&mut mac, scheme, scheme.content, envelope, body);
        for tag in tags {
            let fits = mac.clone().verify_slice(tag).is_ok();
            fitting = fitting.or(fits.then_some(index));
        }
    }
    fitting
}

/// Feeds the signed content to a keyed hash.
pub(crate) fn feed(
    mac: &mut Mac,
    scheme: &HmacScheme,
    content: SignedContent,
    envelope: Envelope<'_>,
    body: &[u8],
) {
    mac.update(scheme.content_prefix.as_bytes());
    let id = envelope.id.filter(|_| content == SignedContent::IdTimestampBody);
    let time = envelope.time.filter(|_| content.has_time());
    for part in [id, time].into_iter().flatten() {
        mac.update(part);
        mac.update(scheme.separator.as_bytes());
    }
    mac.update(body);
}

impl SignatureLayout {
    /// Reads the signature header. At least one readable tag of the scheme's version is needed.
    pub(crate) fn read<'a>(&self, value: &'a [u8], encoding: Encoding) -> Result<Presented<'a>, Refused> {
        match self {
            Self::Single { prefix } => {
                let tag = value
                    .strip_prefix(prefix.as_bytes())
                    .and_then(|text| encoding.decode(text))
                    .ok_or(Refused::MalformedSignature)?;
                Ok(Presented { tags: vec![tag], time: None })
            }
            Self::SpaceSeparated { prefix } => {
                let mut list = List::new(encoding);
                for entry in value.split(|byte| *byte == b' ') {
                    list.take(entry.strip_prefix(prefix.as_bytes()), entry.is_empty())?;
                }
                Ok(Presented { tags: list.tags()?, time: None })
            }
            Self::Fields { time, signature } => {
                let mut list = List::new(encoding);
                let mut found = None;
                for field in value.split(|byte| *byte == b',') {
                    let (name, text) = split_field(field).ok_or(Refused::MalformedSignature)?;
                    if name != time.as_bytes() {
                        list.take((name == signature.as_bytes()).then_some(text), name.is_empty())?;
                    } else if found.replace(text).is_some() {
                        return Err(Refused::MalformedSignature);
                    }
                }
                let time = found.ok_or(Refused::MalformedTimestamp)?;
                Ok(Presented { tags: list.tags()?, time: Some(time) })
            }
        }
    }
}

fn split_field(field: &[u8]) -> Option<(&[u8], &[u8])> {
    let middle = field.iter().position(|byte| *byte == b'=')?;
    Some((&field[..middle], &field[middle + 1..]))
}

/// Collects the tags of a list. Entries of other versions and unreadable tags count, but do not spoil the rest.
struct List {
    encoding: Encoding,
    entries: usize,
    of_our_version: usize,
    tags: Vec<Tag>,
}

impl List {
    const fn new(encoding: Encoding) -> Self {
        Self { encoding, entries: 0, of_our_version: 0, tags: Vec::new() }
    }

    /// Takes one entry: `text` is the written tag when the entry is of the version wanted.
    fn take(&mut self, text: Option<&[u8]>, empty: bool) -> Result<(), Refused> {
        if empty {
            return Err(Refused::MalformedSignature);
        }
        self.entries += 1;
        if self.entries > MAX_SIGNATURES {
            return Err(Refused::TooManySignatures);
        }
        if let Some(text) = text {
            self.of_our_version += 1;
            self.tags.extend(self.encoding.decode(text));
        }
        Ok(())
    }

    fn tags(self) -> Result<Vec<Tag>, Refused> {
        match (self.of_our_version, self.tags.is_empty()) {
            (0, _) => Err(Refused::OtherSignatureVersion),
            (_, true) => Err(Refused::MalformedSignature),
            (_, false) => Ok(self.tags),
        }
    }
}
