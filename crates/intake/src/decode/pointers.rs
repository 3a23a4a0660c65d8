//! Any JSON, with pointers that say where the fields of the command stand.

use std::{borrow::Cow, error::Error, fmt};

use serde_json::{Map, Value};

use super::{Decoded, Undecodable, strict};

/// The most fields: those of a command, with sixteen labels, are fewer.
const MOST_FIELDS: usize = 40;

/// The fields of a command that a pointer can fill; below `labels.` any name.
const FIELDS: [&str; 14] = [
    "organisation",
    "conversationId",
    "participantId",
    "reason",
    "notBefore",
    "target.externalId",
    "target.attribute.name",
    "target.attribute.value",
    "policy.evidence",
    "policy.order",
    "policy.agentConnected",
    "policy.wrapperClose",
    "policy.guestReturns",
    "policy.deadline",
];

/// Where the id of a message stands, which is no field of the command.
const ID: &str = "id";

/// Which field of the command stands where in the message: a name as `conversationId` or `labels.order`, and a JSON pointer (RFC
/// 6901) as `/detail/session/id`. What a pointer finds nothing for, or null, is left out. The name `id` is that of the message's id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PointerMap(Vec<(String, String)>);

/// Why pointers cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidFields(String);

impl fmt::Display for InvalidFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for InvalidFields {}

impl PointerMap {
    /// Reads pairs of a field and a pointer.
    ///
    /// # Errors
    ///
    /// A field that no command has, a pointer that is none, or neither `conversationId` nor a target among them.
    pub fn new(fields: Vec<(String, String)>) -> Result<Self, InvalidFields> {
        if fields.len() > MOST_FIELDS {
            return Err(InvalidFields(format!("there are more than {MOST_FIELDS} fields")));
        }
        for (name, pointer) in &fields {
            let known = name == ID
                || FIELDS.contains(&name.as_str())
                || name.strip_prefix("labels.").is_some_and(|label| !label.is_empty());
            if !known {
                let known = FIELDS.join(", ");
                return Err(InvalidFields(format!(
                    "there is no field {name:?}; there are id, labels.NAME, {known}"
                )));
            }
            if !pointer.starts_with('/') {
                let why = format!("{pointer:?} is no JSON pointer, such as /detail/conversationId");
                return Err(InvalidFields(why));
            }
            if fields.iter().filter(|(other, _)| other == name).count() > 1 {
                return Err(InvalidFields(format!("{name:?} is given twice")));
            }
        }
        let names_one = |name: &str| fields.iter().any(|(field, _)| field == name);
        if !["conversationId", "target.externalId", "target.attribute.value"].into_iter().any(names_one) {
            return Err(InvalidFields("conversationId, or a field of target, is missing".to_owned()));
        }
        Ok(Self(fields))
    }

    pub(super) fn decode<'a>(&self, body: &[u8]) -> Result<Decoded<'a>, Undecodable> {
        let message = Value::Object(strict::object(body)?);
        let mut command = Map::new();
        let mut id = None;
        for (name, pointer) in &self.0 {
            let found = match message.pointer(pointer) {
                None | Some(Value::Null) => continue,
                Some(Value::String(text)) => text.clone(),
                Some(Value::Number(number)) => number.to_string(),
                Some(Value::Bool(value)) => value.to_string(),
                Some(Value::Array(_) | Value::Object(_)) => {
                    let detail = format!("What stands at {pointer} is no text, so it cannot be {name}.");
                    return Err(Undecodable::new("invalid_field", detail));
                }
            };
            if name == ID {
                id = Some(found);
            } else {
                put(&mut command, name, found);
            }
        }
        Ok(Decoded { command: Cow::Owned(Value::Object(command).to_string().into_bytes()), id })
    }
}

/// Puts a text where a name with dots points. The name of a label may hold dots itself.
fn put(command: &mut Map<String, Value>, name: &str, text: String) {
    let mut place = command;
    let mut rest = name;
    while let Some((outer, inner)) = rest.split_once('.') {
        let object = place.entry(outer).or_insert_with(|| Value::Object(Map::new()));
        let Value::Object(fields) = object else { return };
        (place, rest) = (fields, inner);
        if outer == "labels" {
            break;
        }
    }
    place.insert(rest.to_owned(), Value::String(text));
}
