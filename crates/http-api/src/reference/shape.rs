//! A schema in a few words of HTML, and texts as HTML.

use serde_json::Value;

use super::{members, plain, text};

/// What a value looks like, in words. A schema that has a name is linked, not repeated.
pub(super) fn shape(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        return format!("<a href=\"#schema-{0}\">{0}</a>", escaped(name));
    }
    for several in ["oneOf", "anyOf", "allOf"] {
        if let Some(shapes) = schema[several].as_array() {
            let word = if several == "allOf" { " and " } else { " or " };
            return shapes.iter().map(shape).collect::<Vec<_>>().join(word);
        }
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<_> =
            values.iter().map(|value| format!("<code>{}</code>", escaped(&quoted(value)))).collect();
        return values.join(", ");
    }
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().map(text).collect(),
        Value::String(kind) => vec![kind.as_str()],
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    };
    if kinds.is_empty() {
        return "anything".to_owned();
    }
    kinds.into_iter().map(|kind| of_kind(kind, schema)).collect::<Vec<_>>().join(" or ")
}

/// A value of one type.
fn of_kind(kind: &str, schema: &Value) -> String {
    match kind {
        "array" => format!("list of {}", shape(&schema["items"])),
        "object" if members(&schema["properties"]).next().is_some() => {
            let names: Vec<_> = members(&schema["properties"])
                .map(|(name, one)| format!("<code>{}</code>: {}", escaped(name), shape(one)))
                .collect();
            format!("object of {}", names.join(", "))
        }
        "object" if schema["additionalProperties"].is_object() => {
            format!("object of any names, each {}", shape(&schema["additionalProperties"]))
        }
        "string" => with_bounds("text", schema),
        "integer" => with_bounds("whole number", schema),
        other => escaped(other),
    }
}

/// The word, and what is said of it beside the type.
fn with_bounds(word: &str, schema: &Value) -> String {
    let mut said = vec![schema["format"].as_str().map_or_else(|| word.to_owned(), escaped)];
    let bounds = [
        ("minimum", "from "),
        ("maximum", "to "),
        ("minLength", "of at least "),
        ("maxLength", "of at most "),
    ];
    for (bound, words) in bounds {
        let letters = if bound.ends_with("Length") { " characters" } else { "" };
        if !schema[bound].is_null() {
            said.push(format!("{words}{}{letters}", escaped(&plain(&schema[bound]))));
        }
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        said.push(format!("like <code class=\"long\">{}</code>", escaped(pattern)));
    }
    said.join(" ")
}

/// A value of an enumeration; the empty text is seen.
fn quoted(value: &Value) -> String {
    if value == "" { "\"\"".to_owned() } else { plain(value) }
}

/// A text in which what stands between backticks is code.
pub(super) fn prose(words: &str) -> String {
    let parts = words.split('`').enumerate().map(|(index, part)| {
        if index % 2 == 1 { format!("<code>{}</code>", escaped(part)) } else { escaped(part) }
    });
    parts.collect()
}

/// A text in which no letter means anything to HTML.
pub(super) fn escaped(words: &str) -> String {
    words
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_shape_is_said_in_words() {
        for (schema, words) in [
            (json!({ "type": "integer", "minimum": 1, "maximum": 500 }), "whole number from 1 to 500"),
            (json!({ "type": ["string", "null"], "format": "uuid" }), "uuid or null"),
            (json!({ "type": "array", "items": { "$ref": "#/x/Y" } }), "list of <a href=\"#schema-Y\">Y</a>"),
            (
                json!({ "type": "string", "maxLength": 3, "pattern": "^<" }),
                "text of at most 3 characters like <code class=\"long\">^&lt;</code>",
            ),
            (json!({ "enum": ["a", ""] }), "<code>a</code>, <code>&quot;&quot;</code>"),
            (json!({ "oneOf": [{ "type": "boolean" }, { "type": "null" }] }), "boolean or null"),
            (
                json!({ "type": "object", "additionalProperties": { "type": "string" } }),
                "object of any names, each text",
            ),
            (json!({}), "anything"),
        ] {
            assert_eq!(shape(&schema), words);
        }
    }
}
