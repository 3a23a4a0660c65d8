//! Paths and bodies with gaps: what stands in braces is filled in for each call.

use bytes::Bytes;
use genesys_types::{CommunicationId, ConversationId, ParticipantId, WrapUpCodeId};
use serde_json::Value;

use super::InvalidDialect;

/// What may stand in braces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gap {
    Conversation,
    Participant,
    Session,
    Version,
    WrapUpCode,
    ExternalId,
}

impl Gap {
    const ALL: [Self; 6] = [
        Self::Conversation,
        Self::Participant,
        Self::Session,
        Self::Version,
        Self::WrapUpCode,
        Self::ExternalId,
    ];

    /// Its name between the braces.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Conversation => "conversationId",
            Self::Participant => "participantId",
            Self::Session => "sessionId",
            Self::Version => "version",
            Self::WrapUpCode => "wrapUpCodeId",
            Self::ExternalId => "externalId",
        }
    }

    /// Whether it is an id of which a path can be made.
    const fn fits_a_path(self) -> bool {
        match self {
            Self::Conversation | Self::Participant | Self::Session => true,
            Self::Version | Self::WrapUpCode | Self::ExternalId => false,
        }
    }

    fn named(name: &str) -> Result<Self, InvalidDialect> {
        Self::ALL.into_iter().find(|gap| gap.name() == name).ok_or_else(|| {
            let meant = super::section::suggestion(name, &Self::ALL.map(Self::name));
            InvalidDialect::new(format!("has the unknown placeholder {{{name}}}; {meant}"))
        })
    }
}

/// What the gaps of one call are filled with.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Filling<'a> {
    pub(crate) conversation: Option<ConversationId>,
    pub(crate) participant: Option<ParticipantId>,
    pub(crate) session: Option<CommunicationId>,
    pub(crate) version: Option<&'a Value>,
    pub(crate) wrap_up_code: Option<WrapUpCodeId>,
    pub(crate) external_id: Option<&'a str>,
}

impl Filling<'_> {
    fn value(&self, gap: Gap) -> Result<Value, Missing> {
        let value = match gap {
            Gap::Conversation => self.conversation.map(|id| Value::from(id.to_string())),
            Gap::Participant => self.participant.map(|id| Value::from(id.to_string())),
            Gap::Session => self.session.map(|id| Value::from(id.to_string())),
            Gap::Version => self.version.cloned(),
            Gap::WrapUpCode => self.wrap_up_code.map(|id| Value::from(id.to_string())),
            Gap::ExternalId => self.external_id.map(Value::from),
        };
        value.ok_or(Missing(gap))
    }

    fn text(&self, gap: Gap) -> Result<String, Missing> {
        Ok(match self.value(gap)? {
            Value::String(text) => text,
            other
            @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                other.to_string()
            }
        })
    }
}

/// A gap for which there is nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Missing(pub(crate) Gap);

/// A piece of a text with gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    Gap(Gap),
}

/// Cuts a text at its gaps.
fn pieces(text: &str) -> Result<Vec<Piece>, InvalidDialect> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(open);
        let close = from.find('}').filter(|_| from.starts_with('{'));
        let Some(close) = close else {
            return Err(InvalidDialect::new(
                "has a brace that belongs to no placeholder such as {conversationId}",
            ));
        };
        if !before.is_empty() {
            pieces.push(Piece::Text(before.into()));
        }
        pieces.push(Piece::Gap(Gap::named(&from[1..close])?));
        rest = &from[close + 1..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.into()));
    }
    Ok(pieces)
}

/// A path below the API's address, of which whole parts can be gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PathTemplate(Vec<Piece>);

impl PathTemplate {
    /// Reads a path such as `/api/v2/conversations/webchat/{conversationId}`.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidDialect> {
        let refuse = |why: &str| Err(InvalidDialect::new(why));
        let Some(path) = text.strip_prefix('/') else {
            return refuse("must begin with a slash, as \"/api/v2/conversations/{conversationId}\"");
        };
        let mut parts = Vec::new();
        for part in path.split('/') {
            match pieces(part)?.as_slice() {
                [] => return refuse("has an empty part: two slashes in a row, or one at its end"),
                [Piece::Gap(gap)] if gap.fits_a_path() => parts.push(Piece::Gap(*gap)),
                [Piece::Gap(gap)] => {
                    return refuse(&format!("has {{{}}} in it, which belongs into a body", gap.name()));
                }
                [Piece::Text(text)] if matches!(&**text, "." | "..") => {
                    return refuse("must have neither . nor .. as a part");
                }
                [Piece::Text(text)] if text.bytes().all(is_plain) => parts.push(Piece::Text(text.clone())),
                [Piece::Text(_)] => {
                    return refuse(
                        "may hold letters, digits, - . _ ~ and slashes only; a query is not possible",
                    );
                }
                [..] => return refuse("has a placeholder that is not a whole part between two slashes"),
            }
        }
        Ok(Self(parts))
    }

    pub(crate) fn gaps(&self) -> impl Iterator<Item = Gap> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Gap(gap) => Some(*gap),
            Piece::Text(_) => None,
        })
    }

    /// The path of one call, without its leading slash.
    pub(crate) fn filled(&self, filling: &Filling<'_>) -> Result<String, Missing> {
        let part = |piece: &Piece| match piece {
            Piece::Text(text) => Ok(text.to_string()),
            Piece::Gap(gap) => filling.text(*gap),
        };
        Ok(self.0.iter().map(part).collect::<Result<Vec<_>, _>>()?.join("/"))
    }

    /// The path for people, with its leading slash; what is not known yet is an ellipsis.
    pub(crate) fn shown(&self, filling: &Filling<'_>) -> String {
        let part = |piece: &Piece| match piece {
            Piece::Text(text) => text.to_string(),
            Piece::Gap(gap) => filling.text(*gap).unwrap_or_else(|_| "…".to_owned()),
        };
        self.0.iter().map(|piece| format!("/{}", part(piece))).collect()
    }
}

/// What needs no escape in a path.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// A JSON body whose texts can have gaps. It is filled as JSON, so no value can break out of its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BodyTemplate(Value);

impl BodyTemplate {
    /// Reads a body such as `{"state": "closed", "version": "{version}"}`. A text that is one placeholder and nothing
    /// else becomes the value itself, so that a number stays a number.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidDialect> {
        let body: Value = serde_json::from_str(text)
            .map_err(|error| InvalidDialect::new(format!("is not JSON: {error}")))?;
        gaps_of(&body, &mut Vec::new())?;
        Ok(Self(body))
    }

    pub(crate) fn gaps(&self) -> Vec<Gap> {
        let mut gaps = Vec::new();
        gaps_of(&self.0, &mut gaps).expect("checked when it was read");
        gaps
    }

    /// The body of one call.
    pub(crate) fn filled(&self, filling: &Filling<'_>) -> Result<Bytes, Missing> {
        Ok(Bytes::from(filled(&self.0, filling)?.to_string()))
    }
}

fn gaps_of(body: &Value, gaps: &mut Vec<Gap>) -> Result<(), InvalidDialect> {
    match body {
        Value::String(text) => gaps.extend(pieces(text)?.into_iter().filter_map(|piece| match piece {
            Piece::Gap(gap) => Some(gap),
            Piece::Text(_) => None,
        })),
        Value::Array(values) => values.iter().try_for_each(|value| gaps_of(value, gaps))?,
        Value::Object(fields) => fields.values().try_for_each(|value| gaps_of(value, gaps))?,
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    Ok(())
}

fn filled(body: &Value, filling: &Filling<'_>) -> Result<Value, Missing> {
    Ok(match body {
        Value::String(text) => match pieces(text).expect("checked when it was read").as_slice() {
            [Piece::Gap(gap)] => filling.value(*gap)?,
            pieces => {
                let text = |piece: &Piece| match piece {
                    Piece::Text(text) => Ok(text.to_string()),
                    Piece::Gap(gap) => filling.text(*gap),
                };
                Value::from(pieces.iter().map(text).collect::<Result<String, _>>()?)
            }
        },
        Value::Array(values) => {
            values.iter().map(|value| filled(value, filling)).collect::<Result<_, _>>()?
        }
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| Ok((name.clone(), filled(value, filling)?)))
            .collect::<Result<serde_json::Map<_, _>, _>>()?
            .into(),
        Value::Null | Value::Bool(_) | Value::Number(_) => body.clone(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "7d1b5a44-3f0e-4d0c-9f4e-0a6c2b7e9a11";

    #[test]
    fn a_path_is_filled_with_ids_and_shown_without_those_that_are_not_known() {
        let path = PathTemplate::parse("/api/v2/x/{conversationId}/sessions/{sessionId}").unwrap();
        let conversation = Some(ID.parse().unwrap());
        let half = Filling { conversation, ..Filling::default() };
        assert_eq!(path.filled(&half), Err(Missing(Gap::Session)));
        assert_eq!(path.shown(&half), format!("/api/v2/x/{ID}/sessions/…"));
        let whole = Filling { session: Some(ID.parse().unwrap()), ..half };
        assert_eq!(path.filled(&whole).unwrap(), format!("api/v2/x/{ID}/sessions/{ID}"));
    }

    #[test]
    fn a_bad_path_is_refused_with_what_is_wrong() {
        for (text, why) in [
            ("api/v2", "must begin with a slash"),
            ("/api//v2", "empty part"),
            ("/api/", "empty part"),
            ("/api/../login", "neither . nor .."),
            ("/api?x=y", "a query is not possible"),
            ("/api/%2e%2e", "letters, digits"),
            ("/api/{version}", "belongs into a body"),
            ("/api/c-{conversationId}", "not a whole part"),
            ("/api/{conversation}", "unknown placeholder {conversation}; did you mean conversationId?"),
            ("/api/{conversationId", "a brace that belongs to no placeholder"),
            ("/api/conversationId}", "a brace that belongs to no placeholder"),
        ] {
            let said = PathTemplate::parse(text).unwrap_err().to_string();
            assert!(said.contains(why), "{text}: {said}");
        }
    }

    #[test]
    fn a_body_is_filled_as_json() {
        let body = BodyTemplate::parse(
            r#"{"version": "{version}", "who": [{"externalId": "{externalId}"}], "note": "v{version}", "n": 1}"#,
        )
        .unwrap();
        let version = json!(7);
        let hostile = "\"}, {\"x\": \"{version}\\";
        let filling = Filling { version: Some(&version), external_id: Some(hostile), ..Filling::default() };
        let filled: Value = serde_json::from_slice(&body.filled(&filling).unwrap()).unwrap();
        assert_eq!(filled, json!({ "version": 7, "who": [{ "externalId": hostile }], "note": "v7", "n": 1 }));
        let without = Filling { version: None, ..filling };
        assert_eq!(body.filled(&without), Err(Missing(Gap::Version)));
    }

    #[test]
    fn a_bad_body_is_refused_with_what_is_wrong() {
        for (text, why) in [
            ("{state: closed}", "is not JSON"),
            (r#"{"a": ["{wrapUpCode}"]}"#, "unknown placeholder {wrapUpCode}; did you mean wrapUpCodeId?"),
            (r#"{"a": "{"}"#, "a brace"),
        ] {
            let said = BodyTemplate::parse(text).unwrap_err().to_string();
            assert!(said.contains(why), "{text}: {said}");
        }
    }
}
