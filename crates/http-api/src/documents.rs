//! The documents beside `/openapi.json`: the schemas of the events that are told, and AsyncAPI for queues and callbacks.

use std::sync::OnceLock;

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Map, Value};

use crate::{
    call::{Answer, Call, bytes_answer},
    openapi,
    reference::Page,
};

/// The schemas of every event, as they are served.
pub(crate) const EVENTS: &str = include_str!("../documents/events.schema.json");

/// AsyncAPI 3.0 without version and schemas.
const ASYNCAPI: &str = include_str!("../documents/asyncapi.json");

/// The schema of a command's body, as `/openapi.json` has it.
const COMMAND: &str = "ClosureRequest";

/// What describes this API, each written when it is asked for the first time: most processes never are.
pub(crate) struct Documents {
    version: &'static str,
    description: OnceLock<Bytes>,
    asyncapi: OnceLock<Bytes>,
    reference: OnceLock<Page>,
}

impl Documents {
    /// Those of this version of the program.
    pub(crate) fn of(version: &'static str) -> Self {
        let (description, asyncapi, reference) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Self { version, description, asyncapi, reference }
    }

    /// `/openapi.json`.
    pub(crate) fn description(&self) -> &Bytes {
        self.description.get_or_init(|| openapi::description(self.version))
    }

    /// `/asyncapi.json`.
    pub(crate) fn asyncapi(&self) -> &Bytes {
        self.asyncapi.get_or_init(|| written(self.version, self.description()))
    }

    /// `/docs`.
    pub(crate) fn reference(&self) -> &Page {
        self.reference.get_or_init(|| Page::of(self.description(), EVENTS))
    }
}

/// `GET /schemas/events.json`.
pub(crate) async fn events(call: Call) -> Answer {
    call.query()?.finish()?;
    Ok(bytes_answer(StatusCode::OK, Bytes::from_static(EVENTS.as_bytes())))
}

/// `GET /asyncapi.json`.
pub(crate) async fn asyncapi(call: Call) -> Answer {
    call.query()?.finish()?;
    Ok(bytes_answer(StatusCode::OK, call.shared.documents.asyncapi().clone()))
}

/// Writes the AsyncAPI document: with the schemas of the events, and of a command with all that it refers to in the description
/// of HTTP.
fn written(version: &str, description: &[u8]) -> Bytes {
    let mut document: Value = read(ASYNCAPI);
    document["info"]["version"] = Value::from(version);
    let schemas = document["components"]["schemas"].as_object_mut();
    let schemas = schemas.expect("the document has schemas");
    let mut events: Value = read(EVENTS);
    moved(&mut events);
    let events = events["$defs"].as_object().cloned().unwrap_or_default();
    schemas.extend(events);
    let described: Value = read(&String::from_utf8_lossy(description));
    let described = described["components"]["schemas"].as_object().cloned().unwrap_or_default();
    take(COMMAND, &described, schemas);
    Bytes::from(serde_json::to_vec_pretty(&document).expect("a document has no key that is not a text"))
}

fn read(text: &str) -> Value {
    serde_json::from_str(text).expect("the documents are JSON, as a test has seen")
}

/// Lets the references of the events' schemas lead to where these stand in AsyncAPI.
fn moved(node: &mut Value) {
    match node {
        Value::Object(members) => members.iter_mut().for_each(|(name, value)| match value {
            Value::String(reference) if name == "$ref" => {
                *reference = reference.replacen("#/$defs/", "#/components/schemas/", 1);
            }
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_) => moved(value),
        }),
        Value::Array(items) => items.iter_mut().for_each(moved),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Takes a schema, and those that it refers to, from the description of HTTP.
fn take(name: &str, described: &Map<String, Value>, schemas: &mut Map<String, Value>) {
    let Some(schema) = described.get(name).filter(|_| !schemas.contains_key(name)) else { return };
    schemas.insert(name.to_owned(), schema.clone());
    for part in schema.to_string().split("\"#/components/schemas/").skip(1) {
        take(part.split('"').next().unwrap_or_default(), described, schemas);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn types() -> BTreeSet<String> {
        let events = read(EVENTS);
        let types = events["$defs"].as_object().unwrap().values();
        types.filter_map(|one| one["properties"]["type"]["const"].as_str()).map(str::to_owned).collect()
    }

    #[test]
    fn every_word_of_a_callback_has_an_event_with_a_schema_and_no_other_event_has_one() {
        let types = types();
        for word in callbacks::table_words() {
            assert!(types.iter().any(|event| callbacks::wants(&[word], event)), "{word}");
        }
        let words: Vec<_> = callbacks::table_words().collect();
        let mut others = types.iter().filter(|event| !callbacks::wants(&words, event));
        assert_eq!(others.next().map(String::as_str), Some("closeout.command.answered.v1"));
        assert_eq!(others.next(), None);
    }

    #[test]
    fn an_ending_is_what_those_who_say_nothing_are_told() {
        let events = read(EVENTS);
        let name = |one: &Value| one["$ref"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        let endings: BTreeSet<_> =
            events["$defs"]["Ending"]["oneOf"].as_array().unwrap().iter().map(name).collect();
        for (name, one) in events["$defs"].as_object().unwrap() {
            let Some(event) = one["properties"]["type"]["const"].as_str() else { continue };
            assert_eq!(endings.contains(name), callbacks::wants(callbacks::USUAL, event), "{event}");
        }
    }

    #[test]
    fn every_reference_of_the_asyncapi_document_leads_somewhere() {
        let document: Value = serde_json::from_slice(Documents::of("1.2.3").asyncapi()).unwrap();
        assert_eq!(document["info"]["version"], "1.2.3");
        let text = document.to_string();
        let mut references = 0;
        for part in text.split("\"$ref\":\"").skip(1) {
            let reference = part.split('"').next().unwrap();
            let place = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} leads elsewhere"));
            assert!(document.pointer(place).is_some(), "{reference}");
            references += 1;
        }
        assert!(references > 100, "{references}");
        for event in types() {
            let named = |message: &Value| message["name"] == event.as_str();
            assert!(document["components"]["messages"].as_object().unwrap().values().any(named), "{event}");
        }
    }
}
