//! Which closures a batch is of, where it is of all that matched a filter: in words, and as the list that shows how they stand now.

use askama::{Template, filters::HtmlSafe};
use serde_json::Value;

use crate::parts::{Moment, query, some, text};

/// The closures that a batch is of.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(
    ext = "html",
    source = "{% for part in parts %}{% if !loop.first %}, {% endif %}{{ part.words }} {% if let Some(at) = part.at %}{{ at }}{% else %}<strong>{{ part.value }}</strong>{% endif %}{% endfor %}"
)]
pub(crate) struct Scope {
    parts: Vec<Part>,
    /// The list of those that match by now.
    pub(crate) address: String,
}

impl HtmlSafe for Scope {}

/// One thing that they were narrowed by.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    words: String,
    value: String,
    at: Option<Moment>,
}

/// How a batch names what can be several, how the list does, and the words for it.
const SEVERAL: [(&str, &str, &str); 3] = [
    ("state", "state", "in the state"),
    ("closureReason", "reason", "with the reason"),
    ("queueId", "queueId", "in the queue"),
];

/// Moments that they were accepted from or before.
const MOMENTS: [(&str, &str); 2] = [("since", "accepted since"), ("until", "accepted before")];

impl Scope {
    /// Reads the `filter` of a batch; nothing where it has none, as its rows were given, chosen or looked for.
    pub(crate) fn of(batch: &Value) -> Option<Self> {
        let filter = &batch["filter"];
        let (mut parts, mut address) = (Vec::new(), Vec::new());
        let mut add = |words: String, name: String, value: String, shown: String, at: Option<Moment>| {
            address.push((name, value));
            parts.push(Part { words, value: shown, at });
        };
        for (field, name, words) in SEVERAL {
            let several: Vec<_> = filter[field].as_array().into_iter().flatten().map(text).collect();
            if !several.is_empty() {
                let shown = match field {
                    "queueId" => several.join(" or ").replace("none", "that is not known"),
                    _ => several.join(" or ").replace('_', " "),
                };
                add(words.to_owned(), name.to_owned(), several.join(","), shown, None);
            }
        }
        if !filter["source"].is_null() {
            let source = text(&filter["source"]);
            add("asked by".to_owned(), "source".to_owned(), source.clone(), source, None);
        }
        for (name, value) in filter["labels"].as_object().into_iter().flatten() {
            let value = text(value);
            add(format!("with the label {name}"), format!("label.{name}"), value.clone(), value, None);
        }
        for (name, words) in MOMENTS {
            if !filter[name].is_null() {
                let at = Moment::of(&filter[name]);
                add(words.to_owned(), name.to_owned(), text(&filter[name]), String::new(), Some(at));
            }
        }
        if let Some(organisation) = some(&batch["organisation"]) {
            address.push(("organisation".to_owned(), organisation));
        }
        let pairs = address.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let address = format!("/console/closures?{}", query(pairs));
        (!parts.is_empty()).then_some(Self { parts, address })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_batch_was_narrowed_by_is_told_in_words_and_leads_to_the_list() {
        let scope = Scope::of(&json!({ "organisation": "main", "filter": {
            "state": ["ghost"], "closureReason": ["no_confirmation", "rejected"], "queueId": ["none"],
            "labels": { "team": "<b>" }, "since": "2026-11-28T10:00:00.000Z",
        } }))
        .unwrap();
        let shown = scope.to_string();
        for part in [
            "in the state <strong>ghost</strong>, with the reason <strong>no confirmation or rejected</strong>",
            "in the queue <strong>that is not known</strong>",
            "accepted since <time datetime=\"2026-11-28T10:00:00.000Z\">2026-11-28 10:00:00 UTC</time>",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert!(shown.contains("with the label team ") && !shown.contains("<b>"), "{shown}");
        assert_eq!(
            scope.address,
            "/console/closures?state=ghost&reason=no_confirmation%2Crejected&queueId=none&label.team=%3Cb%3E\
             &since=2026-11-28T10%3A00%3A00.000Z&organisation=main"
        );
    }

    #[test]
    fn rows_that_were_given_have_no_scope() {
        for filter in [json!(null), json!({})] {
            assert_eq!(Scope::of(&json!({ "organisation": "main", "filter": filter })), None);
        }
        assert_eq!(Scope::of(&json!({ "organisation": "main" })), None);
    }
}
