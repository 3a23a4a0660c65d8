//! JSON as it was sent: strict about repeated names, unknown fields and wrong types, and helpful about all three.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};

use crate::{
    problem::{Problem, kinds},
    suggest,
};

/// Any JSON value. Unlike `serde_json::Value` it keeps the order of names and refuses a name that is given twice.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Null,
    Bool(bool),
    /// A number; its value where it is a whole one that is not negative.
    Number(Option<u64>),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Node {
    /// Reads a body.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Problem> {
        serde_json::from_slice(body)
            .map_err(|error| Problem::new(&kinds::INVALID_JSON, format!("The body is not JSON: {error}.")))
    }

    /// The text, where it is one.
    pub(crate) fn into_text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::List(_) | Self::Object(_) => None,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Node, E> {
        Ok(Node::Number(u64::try_from(number).ok()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Node, E> {
        Ok(Node::Number(Some(number)))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Number(None))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Node, E> {
        Ok(Node::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut object: Vec<(String, Node)> = Vec::with_capacity(8);
        while let Some(name) = entries.next_key::<String>()? {
            // An object of 64 KiB has a few thousand names at most; all that a command knows are twelve.
            if object.len() >= MOST_NAMES {
                return Err(Error::custom(format_args!("an object has more than {MOST_NAMES} names")));
            }
            if object.iter().any(|(known, _)| *known == name) {
                return Err(Error::custom(format_args!("the name \"{name}\" is given twice")));
            }
            object.push((name, entries.next_value()?));
        }
        Ok(Node::Object(object))
    }
}

/// How many names one object may have; comparing each with all stays cheap below it.
const MOST_NAMES: usize = 128;

/// The fields of an object that are still to be read. Unknown ones are refused at the start.
#[derive(Debug)]
pub(crate) struct Fields {
    path: &'static str,
    left: Vec<(String, Node)>,
}

impl Fields {
    /// The fields of the object at `path` (empty for the body itself, else with a dot at its end).
    pub(crate) fn of(node: Node, path: &'static str, known: &[&'static str]) -> Result<Self, Problem> {
        let left = match node {
            Node::Object(left) => left,
            Node::Null | Node::Bool(_) | Node::Number(_) | Node::Text(_) | Node::List(_) => {
                let what = if path.is_empty() { "The body" } else { path.trim_end_matches('.') };
                return Err(Problem::invalid(
                    path.trim_end_matches('.'),
                    format!("{what} is {}; it has to be an object.", node.kind()),
                ));
            }
        };
        match left.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            None => Ok(Self { path, left }),
            Some((unknown, _)) => {
                let field = format!("{path}{unknown}");
                let detail = format!("There is no field \"{field}\". {}", suggest::advice(unknown, known));
                Err(Problem::invalid(field, detail))
            }
        }
    }

    /// A field of any type; `None` when it is missing or null.
    pub(crate) fn any(&mut self, name: &str) -> Option<Node> {
        let index = self.left.iter().position(|(given, _)| given == name)?;
        let (_, node) = self.left.swap_remove(index);
        (node != Node::Null).then_some(node)
    }

    /// A text.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, Problem> {
        match self.any(name) {
            None => Ok(None),
            Some(Node::Text(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong_type(name, &other, "a text")),
        }
    }

    /// A boolean.
    pub(crate) fn boolean(&mut self, name: &str) -> Result<Option<bool>, Problem> {
        match self.any(name) {
            None => Ok(None),
            Some(Node::Bool(value)) => Ok(Some(value)),
            Some(other) => Err(self.wrong_type(name, &other, "true or false")),
        }
    }

    /// A text that `read` understands.
    pub(crate) fn read<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&str) -> Option<T>,
        shape: impl FnOnce() -> String,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        match read(&text) {
            Some(value) => Ok(Some(value)),
            None => Err(self.invalid(name, format!("{}{name} is {}", self.path, shape()))),
        }
    }

    /// A refusal that names a field of this object.
    pub(crate) fn invalid(&self, name: &str, detail: String) -> Problem {
        Problem::invalid(format!("{}{name}", self.path), detail)
    }

    /// A refusal of a value of the wrong type.
    pub(crate) fn wrong_type(&self, name: &str, given: &Node, wanted: &str) -> Problem {
        self.invalid(name, format!("{}{name} is {}; it has to be {wanted}.", self.path, given.kind()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_given_twice_is_refused_at_any_depth() {
        for body in [r#"{"a":1,"a":2}"#, r#"{"b":{"a":1,"a":2}}"#, r#"{"b":[{"a":1,"a":2}]}"#] {
            let problem = Node::parse(body.as_bytes()).unwrap_err();
            assert_eq!(problem.status(), 400);
            assert!(problem.detail().contains("\"a\" is given twice"), "{}", problem.detail());
        }
    }

    #[test]
    fn what_is_not_json_is_refused_with_its_place() {
        for body in ["", "{", "{\"a\":}", "nul", "{} {}", "\u{feff}{}", "{\"a\":NaN}"] {
            let problem = Node::parse(body.as_bytes()).unwrap_err();
            assert_eq!(problem.status(), 400, "{body}");
            assert!(problem.detail().contains("line"), "{}", problem.detail());
        }
        let deep = "[".repeat(10_000);
        assert_eq!(Node::parse(deep.as_bytes()).unwrap_err().status(), 400);
    }

    #[test]
    fn an_object_with_very_many_names_is_refused_before_it_costs_anything() {
        let names: Vec<String> = (0..1_000).map(|number| format!("\"n{number}\":0")).collect();
        let body = format!("{{{}}}", names.join(","));
        assert_eq!(Node::parse(body.as_bytes()).unwrap_err().status(), 400);
    }

    #[test]
    fn an_unknown_field_is_refused_with_the_nearest_known_one() {
        let node = Node::parse(br#"{"evidense":"x"}"#).unwrap();
        let problem = Fields::of(node, "policy.", &["evidence", "order"]).unwrap_err();
        assert_eq!(problem.status(), 422);
        assert_eq!(problem.detail(), "There is no field \"policy.evidense\". Did you mean \"evidence\"?");
    }

    #[test]
    fn a_name_that_steers_a_terminal_is_quoted_spelt_out() {
        let name = "\\u001b]0;PWNED\\u0007\u{9b}2J\u{202e}\\nerror";
        let spelt = r"\u{1b}]0;PWNED\u{7}\u{9b}2J\u{202e}\nerror";
        let unknown = Node::parse(format!("{{\"{name}\":1}}").as_bytes()).unwrap();
        let problem = Fields::of(unknown, "", &["reason"]).unwrap_err();
        assert_eq!(problem.detail(), format!("There is no field \"{spelt}\". Known are reason."));
        assert_eq!(problem.field_name(), Some(spelt));
        let twice = Node::parse(format!("{{\"{name}\":1,\"{name}\":2}}").as_bytes()).unwrap_err();
        assert!(twice.detail().contains(&format!("\"{spelt}\" is given twice")), "{}", twice.detail());
    }
}
