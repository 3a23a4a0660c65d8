//! Strict JSON: whatever two readers could understand differently is refused, also in fields that nobody looks at.
//!
//! The grammar is serde_json's. What is added: no nesting beyond [`MAX_DEPTH`], and no key twice in one object,
//! however it is escaped. Numbers beyond `f64` and lone surrogates are refused by serde_json.

use std::{borrow::Cow, cell::Cell, collections::HashSet, fmt};

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};

/// Objects and lists within one another (design: "depth > 64").
pub(crate) const MAX_DEPTH: u8 = 64;

/// Up to so many keys, comparing each with each costs less than hashing them.
const FEW_KEYS: usize = 24;

/// The mark that some editors put before UTF-8. RFC 8259 §8.1 forbids it in what is sent.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A JSON value that borrows from the body where nothing is escaped.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json<'a> {
    Null,
    Bool(bool),
    /// A number without a fraction that fits.
    Integer(i64),
    /// Any other number; nothing here needs its value.
    OtherNumber,
    Text(Cow<'a, str>),
    List(Vec<Json<'a>>),
    Object(Object<'a>),
}

/// The fields of an object in their order, each key once.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Object<'a>(Vec<(Cow<'a, str>, Json<'a>)>);

/// Why a body is not JSON that can be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    ByteOrderMark,
    NotUtf8,
    TooDeep,
    DuplicateKey,
    NotJson { line: usize, column: usize },
    NotAnObject,
}

impl Flaw {
    /// The short constant name in listings.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::ByteOrderMark => "byte_order_mark",
            Self::NotUtf8 => "not_utf8",
            Self::TooDeep => "too_deep",
            Self::DuplicateKey => "duplicate_key",
            Self::NotJson { .. } => "not_json",
            Self::NotAnObject => "not_an_object",
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByteOrderMark => f.write_str("The body begins with a byte order mark."),
            Self::NotUtf8 => f.write_str("The body is not UTF-8."),
            Self::TooDeep => {
                write!(f, "Objects and lists are nested more than {MAX_DEPTH} deep.")
            }
            Self::DuplicateKey => f.write_str("An object has the same key twice."),
            Self::NotJson { line, column } => {
                write!(f, "The body is no JSON: line {line}, column {column}.")
            }
            Self::NotAnObject => f.write_str("The body is JSON, but no object."),
        }
    }
}

/// Reads a body whose top is an object.
pub(crate) fn parse_object(body: &[u8]) -> Result<Object<'_>, Flaw> {
    match parse(body)? {
        Json::Object(object) => Ok(object),
        Json::Null | Json::Bool(_) | Json::Integer(_) | Json::OtherNumber | Json::Text(_) | Json::List(_) => {
            Err(Flaw::NotAnObject)
        }
    }
}

/// Reads any JSON value.
pub(crate) fn parse(body: &[u8]) -> Result<Json<'_>, Flaw> {
    if body.starts_with(BYTE_ORDER_MARK) {
        return Err(Flaw::ByteOrderMark);
    }
    let text = str::from_utf8(body).map_err(|_| Flaw::NotUtf8)?;
    let flaw = Cell::new(None);
    let mut reader = serde_json::Deserializer::from_str(text);
    Value { depth: 0, flaw: &flaw }
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|error| flaw.get().unwrap_or(Flaw::NotJson { line: error.line(), column: error.column() }))
}

impl<'a> Object<'a> {
    /// The value under a key; JSON's `null` counts as absent.
    pub(crate) fn field(&self, key: &str) -> Option<&Json<'a>> {
        let (_, value) = self.0.iter().find(|(name, _)| name == key)?;
        (*value != Json::Null).then_some(value)
    }

    /// The text under a key; absent when there is none or it is something else.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        match self.field(key)? {
            Json::Text(text) => Some(text),
            Json::Null
            | Json::Bool(_)
            | Json::Integer(_)
            | Json::OtherNumber
            | Json::List(_)
            | Json::Object(_) => None,
        }
    }

    /// The object under a key; absent when there is none or it is something else.
    pub(crate) fn object(&self, key: &str) -> Option<&Self> {
        self.field(key)?.as_object()
    }

    /// The list under a key; absent when there is none or it is something else.
    pub(crate) fn list(&self, key: &str) -> Option<&[Json<'a>]> {
        match self.field(key)? {
            Json::List(items) => Some(items),
            Json::Null
            | Json::Bool(_)
            | Json::Integer(_)
            | Json::OtherNumber
            | Json::Text(_)
            | Json::Object(_) => None,
        }
    }

    /// Whether `true` stands under a key.
    pub(crate) fn is_true(&self, key: &str) -> bool {
        self.field(key) == Some(&Json::Bool(true))
    }

    fn holds_a_key_twice(&self) -> bool {
        let keys = self.0.iter().map(|(key, _)| key.as_ref());
        if self.0.len() <= FEW_KEYS {
            let mut rest = keys;
            while let Some(key) = rest.next() {
                if rest.clone().any(|other| other == key) {
                    return true;
                }
            }
            return false;
        }
        let mut seen = HashSet::with_capacity(self.0.len());
        !keys.into_iter().all(|key| seen.insert(key))
    }
}

impl<'a> Json<'a> {
    /// The object that this is, if it is one.
    pub(crate) fn as_object(&self) -> Option<&Object<'a>> {
        match self {
            Self::Object(object) => Some(object),
            Self::Null
            | Self::Bool(_)
            | Self::Integer(_)
            | Self::OtherNumber
            | Self::Text(_)
            | Self::List(_) => None,
        }
    }
}

/// Builds a value at a depth; notes in `flaw` what serde's errors cannot carry.
#[derive(Clone, Copy)]
struct Value<'f> {
    depth: u8,
    flaw: &'f Cell<Option<Flaw>>,
}

impl Value<'_> {
    fn refuse<E: de::Error>(self, flaw: Flaw) -> E {
        self.flaw.set(Some(flaw));
        E::custom(flaw.reason())
    }

    /// The seed of what stands within this container.
    fn within<E: de::Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(self.refuse(Flaw::TooDeep));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = Json<'de>;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Json<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json<'de>, E> {
        Ok(Json::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json<'de>, E> {
        Ok(i64::try_from(value).map_or(Json::OtherNumber, Json::Integer))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json<'de>, E> {
        Ok(Json::OtherNumber)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json<'de>, A::Error> {
        let within = self.within()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(within)? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Json<'de>, A::Error> {
        let within = self.within()?;
        let mut object = Object::default();
        while let Some(key) = fields.next_key_seed(Key)? {
            object.0.push((key, fields.next_value_seed(within)?));
        }
        if object.holds_a_key_twice() {
            return Err(self.refuse(Flaw::DuplicateKey));
        }
        Ok(Json::Object(object))
    }
}

struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::*;

    fn nested(depth: usize) -> String {
        format!("{}{}", "[".repeat(depth), "]".repeat(depth))
    }

    #[test]
    fn the_parsing_suite_is_agreed_with_but_for_duplicate_keys() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/webhook-vectors/");
        let suite = std::fs::read(format!("{folder}json-parsing-suite.json")).unwrap();
        let suite: serde_json::Value = serde_json::from_slice(&suite).unwrap();
        let cases = suite["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 318);
        let mut duplicates = 0;
        for case in cases {
            let name = case["name"].as_str().unwrap();
            let body = match case["repeat_utf8"].as_str() {
                Some(text) => {
                    let count = usize::try_from(case["count"].as_u64().unwrap()).unwrap();
                    [text.repeat(count).as_bytes(), case["suffix_utf8"].as_str().unwrap().as_bytes()].concat()
                }
                None => STANDARD.decode(case["body_base64"].as_str().unwrap()).unwrap(),
            };
            let read = parse(&body);
            match case["expect"].as_str().unwrap() {
                "accept" if name.contains("duplicated_key") => {
                    assert_eq!(read, Err(Flaw::DuplicateKey), "{name}");
                    duplicates += 1;
                }
                "accept" => assert!(read.is_ok(), "{name}: {read:?}"),
                "reject" => assert!(read.is_err(), "{name}: {read:?}"),
                // Either answer is right; that it is an answer and no panic is what counts.
                "either" => drop(read),
                other => panic!("{other}"),
            }
        }
        assert_eq!(duplicates, 2);
    }

    #[test]
    fn the_signature_vectors_agree_on_what_is_json() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/webhook-vectors/");
        let mut seen = 0;
        for file in ["genesys-open-messaging.json", "standard-webhooks.json"] {
            let vectors = std::fs::read(format!("{folder}{file}")).unwrap();
            let vectors: serde_json::Value = serde_json::from_slice(&vectors).unwrap();
            for vector in vectors["vectors"].as_array().unwrap() {
                let Some(expected) = vector["json_expect"].as_str() else { continue };
                let body = match vector["body_base64"].as_str() {
                    Some(encoded) => STANDARD.decode(encoded).unwrap(),
                    None => vector["body_utf8"].as_str().unwrap().as_bytes().to_vec(),
                };
                assert_eq!(parse_object(&body).is_ok(), expected == "accept", "{}", vector["id"]);
                seen += 1;
            }
        }
        assert_eq!(seen, 18);
    }

    #[test]
    fn only_an_object_is_a_body() {
        for body in ["[]", "null", "1", "\"text\"", "true", "1.5"] {
            assert!(parse(body.as_bytes()).is_ok(), "{body}");
            assert_eq!(parse_object(body.as_bytes()), Err(Flaw::NotAnObject), "{body}");
        }
        assert_eq!(parse_object(b"{}"), Ok(Object::default()));
    }

    #[test]
    fn nesting_is_taken_up_to_the_limit_and_refused_beyond() {
        assert!(parse(nested(64).as_bytes()).is_ok());
        assert_eq!(parse(nested(65).as_bytes()), Err(Flaw::TooDeep));
        assert_eq!(parse(nested(100_000).as_bytes()), Err(Flaw::TooDeep));
        assert!(parse_object(format!(r#"{{"ignored": {}}}"#, nested(63)).as_bytes()).is_ok());
        let ignored = format!(r#"{{"ignored": {}}}"#, nested(64));
        assert_eq!(parse_object(ignored.as_bytes()), Err(Flaw::TooDeep));
    }

    #[test]
    fn a_key_twice_is_refused_wherever_it_stands_and_however_it_is_escaped() {
        let many: String = (0..100).map(|n| format!(r#""{n}": 0, "#)).collect();
        for body in [
            r#"{"a": 1, "a": 1}"#,
            r#"{"a": 1, "\u0061": 2}"#,
            r#"{"ignored": [{"b": {"": 1, "": 2}}]}"#,
            &format!(r#"{{{many} "7": 0}}"#),
        ] {
            assert_eq!(parse_object(body.as_bytes()), Err(Flaw::DuplicateKey), "{body}");
        }
        assert!(parse_object(format!(r#"{{{many} "last": {{"7": 0}}}}"#).as_bytes()).is_ok());
    }

    #[test]
    fn what_is_not_plain_utf8_is_refused() {
        assert_eq!(parse_object(b"\xef\xbb\xbf{}"), Err(Flaw::ByteOrderMark));
        assert_eq!(parse_object(b"{\"a\": \"\xff\"}"), Err(Flaw::NotUtf8));
        assert_eq!(parse_object(b"{\"a\": \"\\ud800\"}"), Err(Flaw::NotJson { line: 1, column: 14 }));
        assert_eq!(parse_object(b""), Err(Flaw::NotJson { line: 1, column: 0 }));
        assert_eq!(parse_object(b"{} {}"), Err(Flaw::NotJson { line: 1, column: 4 }));
    }

    #[test]
    fn fields_are_read_by_their_kind() {
        let body = r#"{"n": null, "t": "a\nb", "i": 7, "f": 7.5, "b": true, "o": {"x": "y"}, "l": [1]}"#;
        let object = parse_object(body.as_bytes()).unwrap();
        assert_eq!(object.field("n"), None);
        assert_eq!(object.text("t"), Some("a\nb"));
        assert_eq!(object.text("i"), None);
        assert_eq!(object.field("i"), Some(&Json::Integer(7)));
        assert_eq!(object.field("f"), Some(&Json::OtherNumber));
        assert!(object.is_true("b") && !object.is_true("i"));
        assert_eq!(object.object("o").unwrap().text("x"), Some("y"));
        assert_eq!(object.list("l"), Some([Json::Integer(1)].as_slice()));
    }
}
