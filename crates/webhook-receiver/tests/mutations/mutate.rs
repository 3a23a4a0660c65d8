//! The changes: each makes of a delivery what a forger, a careless relay or a broken sender could make of it.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use fastrand::Rng;
use webhook_signature::SignatureLayout;

use crate::genuine::{Genuine, NOW, Sent, Stage, hook_of, signed};

/// A kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    FlipBodyBit,
    EditBody,
    TruncateBody,
    RespellBody,
    FlipHeaderBit,
    EditValue,
    TruncateValue,
    CaseOfValue,
    BlankInValue,
    RespellTag,
    ShortTag,
    RenameHeader,
    RepeatLine,
    DropLine,
    SwapValues,
    Splice,
    SpliceSignatures,
    OtherSecret,
    OtherScheme,
    OtherTime,
    OtherId,
    MoveBoundary,
}

impl Kind {
    pub const ALL: [Self; 22] = [
        Self::FlipBodyBit,
        Self::EditBody,
        Self::TruncateBody,
        Self::RespellBody,
        Self::FlipHeaderBit,
        Self::EditValue,
        Self::TruncateValue,
        Self::CaseOfValue,
        Self::BlankInValue,
        Self::RespellTag,
        Self::ShortTag,
        Self::RenameHeader,
        Self::RepeatLine,
        Self::DropLine,
        Self::SwapValues,
        Self::Splice,
        Self::SpliceSignatures,
        Self::OtherSecret,
        Self::OtherScheme,
        Self::OtherTime,
        Self::OtherId,
        Self::MoveBoundary,
    ];

    /// Whether it changes the body, or makes sense for a signature only.
    pub const fn is_of_the_body(self) -> bool {
        matches!(
            self,
            Self::FlipBodyBit
                | Self::EditBody
                | Self::TruncateBody
                | Self::RespellBody
                | Self::Splice
                | Self::SpliceSignatures
                | Self::OtherTime
                | Self::OtherId
                | Self::MoveBoundary
        )
    }
}

/// Changes a delivery.
pub fn apply(
    kind: Kind,
    dice: &mut Rng,
    stage: &Stage,
    stages: &[Stage],
    original: &Genuine,
    sent: &mut Sent,
) {
    if sent.headers.is_empty() {
        return;
    }
    let line = dice.usize(..sent.headers.len());
    match kind {
        Kind::FlipBodyBit => flip_bit(dice, &mut sent.body),
        Kind::EditBody => edit(dice, &mut sent.body),
        Kind::TruncateBody => truncate(dice, &mut sent.body),
        Kind::RespellBody => respell_body(dice, &mut sent.body),
        Kind::FlipHeaderBit => flip_bit(dice, &mut sent.headers[line].1),
        Kind::EditValue => edit(dice, &mut sent.headers[line].1),
        Kind::TruncateValue => truncate(dice, &mut sent.headers[line].1),
        Kind::CaseOfValue => change_case(dice, &mut sent.headers[line].1),
        Kind::BlankInValue => put_blank(dice, &mut sent.headers[line].1),
        Kind::RespellTag => respell_tag(dice, &mut last(sent).1),
        Kind::ShortTag => shorten_tag(dice, &mut last(sent).1),
        Kind::RenameHeader => rename(dice, &mut sent.headers[line].0),
        Kind::RepeatLine => repeat_line(dice, line, stage, sent),
        Kind::DropLine => drop(sent.headers.remove(line)),
        Kind::SwapValues => swap_values(dice, line, sent),
        Kind::Splice => splice(dice, stage, sent),
        Kind::SpliceSignatures => splice_signatures(dice, stage, sent),
        Kind::OtherSecret => sign_with_other_secret(dice, stage, original, sent),
        Kind::OtherScheme => sign_with_other_scheme(dice, stage, stages, original, sent),
        Kind::OtherTime => change_time(dice, stage, original, sent),
        Kind::OtherId => change_id(dice, stage, sent),
        Kind::MoveBoundary => move_boundary(dice, stage, sent),
    }
}

/// The line of the signature or the key: senders write it last.
fn last(sent: &mut Sent) -> &mut (String, Vec<u8>) {
    sent.headers.last_mut().unwrap()
}

fn value_of<'a>(sent: &'a mut Sent, name: Option<&String>) -> Option<&'a mut Vec<u8>> {
    sent.headers
        .iter_mut()
        .find(|(line, _)| Some(&**line) == name.map(String::as_str))
        .map(|(_, value)| value)
}

fn flip_bit(dice: &mut Rng, bytes: &mut [u8]) {
    if !bytes.is_empty() {
        bytes[dice.usize(..bytes.len())] ^= 1 << dice.u8(..8);
    }
}

fn edit(dice: &mut Rng, bytes: &mut Vec<u8>) {
    let at = dice.usize(..=bytes.len());
    let some = at.min(dice.usize(..24));
    match dice.u8(..5) {
        0 => bytes.insert(at, dice.u8(..)),
        1 if at < bytes.len() => drop(bytes.remove(at)),
        2 => bytes.extend_from_within(at - some..at),
        3 if at < bytes.len() => bytes[at] = b"0aA=+/-_,. \0\xff"[dice.usize(..13)],
        _ => bytes.extend_from_slice(&bytes.clone()),
    }
}

fn truncate(dice: &mut Rng, bytes: &mut Vec<u8>) {
    let cut = dice.usize(..=bytes.len());
    if dice.bool() { bytes.truncate(cut) } else { drop(bytes.drain(..cut)) }
}

/// The same JSON to a careless reader, in other bytes.
fn respell_body(dice: &mut Rng, body: &mut Vec<u8>) {
    let text = String::from_utf8_lossy(body).into_owned();
    *body = match dice.u8(..10) {
        0 => format!("{text}\n"),
        1 => format!(" {text}"),
        2 => format!("\u{feff}{text}"),
        3 => text.replacen(':', ": ", 1),
        4 => text.replacen("conversationId", "conversation\\u0049d", 1),
        5 => text.replace("\u{e9}", "e\u{301}"),
        6 => text.replace("\\u00e9", "\u{e9}"),
        7 => text.replacen('{', "{\"state\":\"disconnected\",", 1),
        8 => text.to_uppercase(),
        _ => serde_json::from_str(&text).map_or(text, |value: serde_json::Value| format!("{value:#}")),
    }
    .into_bytes();
}

fn change_case(dice: &mut Rng, value: &mut [u8]) {
    match dice.u8(..3) {
        0 => value.make_ascii_uppercase(),
        1 => value.make_ascii_lowercase(),
        _ => {
            let letters = (0..value.len()).filter(|at| value[*at].is_ascii_alphabetic());
            if let Some(at) = dice.choice(letters.collect::<Vec<_>>()) {
                value[at] ^= 0x20;
            }
        }
    }
}

fn put_blank(dice: &mut Rng, value: &mut Vec<u8>) {
    let blank = [" ", "\t", "\r\n ", "\0", "\u{a0}", "\u{200b}", "\u{feff}", "  "][dice.usize(..8)];
    let at = [0, value.len(), dice.usize(..=value.len())][dice.usize(..3)];
    value.splice(at..at, blank.bytes());
}

/// Where the tag begins: after the last `=`, `,` or blank that is not its padding.
fn tag_of(value: &[u8]) -> usize {
    let end = value.iter().rposition(|byte| *byte != b'=').map_or(0, |at| at + 1);
    value[..end].iter().rposition(|byte| b"=, ".contains(byte)).map_or(0, |at| at + 1)
}

fn decoded(text: &[u8]) -> Vec<u8> {
    let hex: Option<Vec<u8>> = text
        .len()
        .is_multiple_of(2)
        .then(|| text.chunks(2).map(|two| u8::from_str_radix(str::from_utf8(two).ok()?, 16).ok()).collect())
        .flatten();
    hex.or_else(|| STANDARD.decode(text).ok())
        .or_else(|| URL_SAFE.decode(text).ok())
        .or_else(|| URL_SAFE_NO_PAD.decode(text).ok())
        .unwrap_or_else(|| text.to_vec())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The same tag in another spelling, or behind another prefix.
fn respell_tag(dice: &mut Rng, value: &mut Vec<u8>) {
    let at = tag_of(value);
    let (before, text) = (value[..at].to_vec(), value[at..].to_vec());
    let tag = decoded(&text);
    let spelt = match dice.u8(..12) {
        0 => hex(&tag),
        1 => hex(&tag).to_uppercase(),
        2 => STANDARD.encode(&tag),
        3 => STANDARD_NO_PAD.encode(&tag),
        4 => URL_SAFE.encode(&tag),
        5 => URL_SAFE_NO_PAD.encode(&tag),
        6 => STANDARD.encode(hex(&tag)),
        7 => format!("0x{}", hex(&tag)),
        8 => format!("{}=", String::from_utf8_lossy(&text)),
        9 => {
            // The last character of base64 without padding has bits that carry nothing.
            let mut loose = text;
            let end = loose.iter().rposition(|byte| *byte != b'=').unwrap_or_default();
            if let Some(byte) = loose.get_mut(end) {
                *byte = byte.wrapping_add(1 + dice.u8(..3));
            }
            String::from_utf8_lossy(&loose).into_owned()
        }
        10 => String::from_utf8_lossy(&text).chars().map(full_width).collect(),
        _ => {
            let prefix =
                ["sha256=", "SHA256=", "sha1=", "sha256:", "v1,", "v1a,", "v0=", "v2,", ""][dice.usize(..9)];
            *value = [prefix.as_bytes(), &text].concat();
            return;
        }
    };
    *value = [before, spelt.into_bytes()].concat();
}

/// The character of double width that some software takes for the ASCII one.
fn full_width(character: char) -> char {
    match character {
        '!'..='~' => char::from_u32(u32::from(character) + 0xfee0).unwrap(),
        other => other,
    }
}

/// A tag of which only a part is right, or nothing is there at all.
fn shorten_tag(dice: &mut Rng, value: &mut Vec<u8>) {
    let at = tag_of(value);
    let was_hex = value[at..].len() == 64;
    let mut tag = decoded(&value[at..]);
    match dice.u8(..4) {
        0 => tag.truncate(dice.usize(..32)),
        1 => tag = vec![dice.u8(..); 32],
        2 => tag.iter_mut().skip(dice.usize(..32)).for_each(|byte| *byte = 0),
        _ => tag.extend([0; 32]),
    }
    let text = if was_hex { hex(&tag) } else { STANDARD.encode(&tag) };
    value.splice(at.., text.bytes());
}

fn rename(dice: &mut Rng, name: &mut String) {
    *name = match dice.u8(..8) {
        0 => name.to_uppercase(),
        1 => name.to_lowercase(),
        2 => name.replace('-', "_"),
        3 => format!("{name} "),
        4 => format!("X-Forwarded-{name}"),
        5 => name.replacen(['i', 'I'], "\u{131}", 1),
        6 => name.chars().map(full_width).collect(),
        _ => name.replacen(['-', 'e', 'a'], "", 1),
    };
}

fn repeat_line(dice: &mut Rng, line: usize, stage: &Stage, sent: &mut Sent) {
    let (name, value) = match dice.bool() {
        true => sent.headers[line].clone(),
        false => {
            let other = dice.choice(&stage.genuine).unwrap();
            other.headers[line.min(other.headers.len() - 1)].clone()
        }
    };
    let name = if dice.bool() { name.to_lowercase() } else { name };
    sent.headers.insert(dice.usize(..=sent.headers.len()), (name, value));
}

fn swap_values(dice: &mut Rng, line: usize, sent: &mut Sent) {
    let other = dice.usize(..sent.headers.len());
    if other == line {
        sent.headers[line].1.reverse();
        return;
    }
    let value = sent.headers[line].1.clone();
    sent.headers[line].1 = std::mem::replace(&mut sent.headers[other].1, value);
}

/// Parts of two genuine deliveries in one.
fn splice(dice: &mut Rng, stage: &Stage, sent: &mut Sent) {
    let other = dice.choice(&stage.genuine).unwrap();
    let line = dice.usize(..=other.headers.len());
    match other.headers.get(line) {
        None => sent.body.clone_from(&other.body),
        Some((name, value)) => {
            if let Some(place) = value_of(sent, Some(name)) {
                place.clone_from(value);
            }
        }
    }
}

/// Several signatures in one header, some of them genuine for something else.
fn splice_signatures(dice: &mut Rng, stage: &Stage, sent: &mut Sent) {
    let other = &dice.choice(&stage.genuine).unwrap().headers.last().unwrap().1;
    let between = [" ", ",", ", ", ";", ""][dice.usize(..5)].as_bytes();
    let value = &mut last(sent).1;
    *value = match dice.u8(..5) {
        0 => [other, between, value].concat(),
        1 => [value, between, other].concat(),
        2 => [other, between, other].concat(),
        3 => [other.as_slice(); 17].join(between),
        _ => {
            let tag = tag_of(value);
            [&other[..tag_of(other)], &value[tag..]].concat()
        }
    };
}

/// A signature that is right in all but the key.
fn sign_with_other_secret(dice: &mut Rng, stage: &Stage, original: &Genuine, sent: &mut Sent) {
    let secret = &stage.secrets[dice.usize(..2)];
    let other = match dice.u8(..6) {
        0 => secret.replace("whsec_", ""),
        1 => secret.to_lowercase(),
        2 => format!("{secret}="),
        3 => secret[..secret.len() - 4].to_owned(),
        4 => secret.replace("whsec_", "whsec_whsec_"),
        _ => {
            let at = secret.len() - 1 - dice.usize(..24);
            format!("{}{}{}", &secret[..at], dice.alphanumeric(), &secret[at + 1..])
        }
    };
    match hook_of(&stage.scheme, &other) {
        Some(hook) => sent.headers = signed(&hook, &original.id, original.time, &original.body),
        None => flip_bit(dice, &mut last(sent).1),
    }
}

/// A signature that is right for another scheme, with the same secret; in place of the own headers, or beside them.
fn sign_with_other_scheme(
    dice: &mut Rng,
    stage: &Stage,
    stages: &[Stage],
    original: &Genuine,
    sent: &mut Sent,
) {
    let other = dice.choice(stages).unwrap();
    let Some(hook) = hook_of(&other.scheme, &stage.secrets[dice.usize(..2)]) else { return };
    let foreign = signed(&hook, &original.id, original.time, &original.body);
    match dice.u8(..3) {
        0 => sent.headers = foreign,
        1 => sent.headers.extend(foreign),
        _ => last(sent).1.clone_from(&foreign.last().unwrap().1),
    }
}

/// The time of a delivery, or of its receiver, moved; written as others write times.
fn change_time(dice: &mut Rng, stage: &Stage, original: &Genuine, sent: &mut Sent) {
    let hmac = stage.hmac().unwrap();
    let away = [1, 299, 300, 301, 330, 3_600, 86_401, i64::from(u32::MAX)][dice.usize(..8)];
    let away = if dice.bool() { away } else { -away };
    if dice.bool() {
        // Most of the schemes without a time take a delivery at any time: that is what "signed" alone can promise.
        sent.now = NOW + away;
        return;
    }
    let time = original.time;
    let written = match dice.u8(..9) {
        0 => format!("{time}000"),
        1 => format!("+{time}"),
        2 => format!("0{time}"),
        3 => format!("{time}.0"),
        4 => format!("-{time}"),
        5 => format!("{time:#x}"),
        6 => format!("{time} "),
        7 => time.to_string().chars().map(full_width).collect(),
        _ => (time + away).to_string(),
    };
    if let Some(value) = value_of(sent, hmac.timestamp_header.as_ref()) {
        *value = written.into_bytes();
    } else if let SignatureLayout::Fields { time: name, .. } = &hmac.layout {
        let value = &mut last(sent).1;
        let text = String::from_utf8_lossy(value).into_owned();
        let (old, new) = (format!("{name}={time}"), format!("{name}={written}"));
        *value = match dice.u8(..3) {
            0 => text.replacen(&old, &new, 1),
            1 => format!("{new},{text}"),
            _ => format!("{text},{new}"),
        }
        .into_bytes();
    } else {
        sent.headers.push(("X-Time".to_owned(), written.into_bytes()));
        flip_bit(dice, &mut sent.body);
    }
}

fn change_id(dice: &mut Rng, stage: &Stage, sent: &mut Sent) {
    let hmac = stage.hmac().unwrap();
    let id = [".", "", "msg_other", "a.1", "msg_\u{e9}", "../x", "a b"][dice.usize(..7)];
    match value_of(sent, hmac.id_header.as_ref()) {
        Some(value) if dice.bool() => *value = id.as_bytes().to_vec(),
        Some(value) => value.extend_from_slice(id.as_bytes()),
        None => sent.headers.push(("webhook-id".to_owned(), id.as_bytes().to_vec())),
    }
}

/// The same bytes under the signature, cut at other places into id, time and body.
fn move_boundary(dice: &mut Rng, stage: &Stage, sent: &mut Sent) {
    let hmac = stage.hmac().unwrap();
    let separator = hmac.separator.into_bytes();
    let cut = dice.usize(..12);
    let body = sent.body.clone();
    match (dice.u8(..3), value_of(sent, hmac.timestamp_header.as_ref())) {
        (0, Some(time)) => {
            let rest = time.split_off(cut.min(time.len()));
            sent.body = [rest, separator, body].concat();
        }
        (1, Some(time)) => {
            let cut = cut.min(body.len());
            time.extend_from_slice(&[&separator, &body[..cut]].concat());
            sent.body.drain(..cut);
        }
        (_, Some(time)) => {
            let moved = [&separator, time.as_slice()].concat();
            time.clear();
            if let Some(id) = value_of(sent, hmac.id_header.as_ref()) {
                id.extend_from_slice(&moved);
            }
        }
        (_, None) => {
            let time = NOW.to_string().into_bytes();
            sent.body = [time, separator, body].concat();
        }
    }
}
