//! `closeout bundle`: everything about one closure in one file, for whoever has to find out what happened. What people wrote
//! is left out, so that it can be handed on.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{ghosts::replace, target};
use crate::{
    client::Api,
    exit::{Exit, Failure},
    output::{self, Form, Voice},
};

/// Fields with words or names that people chose. They help nobody to find out what happened and may name a customer.
const WRITTEN_BY_PEOPLE: [&str; 4] = ["labels", "requestReason", "by", "takenOverFrom"];

/// The field with what an operator did. Its `reason` holds words; elsewhere that name holds one of a few fixed ones.
const OPERATORS_LINE: &str = "operator";

/// The field with what operators say of a ghost.
const HANDLING: &str = "handling";

/// What stands in place of what is left out.
const LEFT_OUT: &str = "[left out]";

/// Which closure, and where to.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  closeout bundle cl_01jd5w3k9m2q8r7tb4x0y6z1ne --file bundle.json
  closeout bundle 2f7bf00a-0fc2-4d6a-9b56-92238191433e | jq .correlationIds

The correlation ids are what Genesys' support asks for. Left out are reasons that producers and operators wrote, labels, \
and the names of keys. Secrets and message text are in no answer of the server. What the key may not see, as the \
configuration without the role admin, is said to be missing.")]
pub struct BundleArgs {
    /// The id of a closure, or of a conversation, which stands for its latest closure
    #[arg(value_name = "ID")]
    id: String,
    /// File to write [default: stdout]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
///
/// When the closure is not there, the server does not answer, or the file cannot be written.
pub async fn run(args: &BundleArgs, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    output::no_rows(voice, "a bundle")?;
    let id = target::closure_id(api, &args.id).await?;
    let closure = api.get(&format!("/v1/closures/{id}"), &[]).await?.body;
    let timeline = api.get(&format!("/v1/closures/{id}/timeline"), &[]).await?.body;
    let explanation = api.get(&format!("/v1/closures/{id}/explain"), &[]).await?.body;
    let explanation = without_quotes(explanation, &timeline);
    let mut bundle = Map::new();
    bundle.insert("madeAt".to_owned(), json!(format!("{:.0}", Timestamp::now())));
    bundle.insert("madeBy".to_owned(), json!(concat!("closeout ", env!("CARGO_PKG_VERSION"))));
    bundle.insert("correlationIds".to_owned(), json!(correlation_ids(&timeline)));
    bundle.insert("explanation".to_owned(), explanation);
    let received =
        about(&ask(api, "/v1/hooks/received", &[("limit", "500")]).await, &closure["conversationId"]);
    bundle.insert("closure".to_owned(), closure);
    bundle.insert("timeline".to_owned(), timeline["items"].clone());
    bundle.insert("received".to_owned(), received);
    for (name, path, query) in [
        ("deliveries", "/v1/deliveries", &[("closure", id.as_str())][..]),
        ("adapters", "/v1/adapters", &[]),
        ("readiness", "/readyz", &[("verbose", "true")]),
        ("server", "/version", &[]),
        ("configuration", "/v1/config", &[]),
    ] {
        bundle.insert(name.to_owned(), ask(api, path, query).await);
    }
    let bundle = redacted(Value::Object(bundle), false);
    let text = if voice.form == Form::Ndjson { format!("{bundle}\n") } else { output::pretty(&bundle) };
    match &args.file {
        None => output::write(&text)?,
        Some(file) => {
            replace(file, &text)
                .map_err(|error| Failure::usage(format!("{} cannot be written: {error}", file.display())))?;
            voice.note(format_args!("written to {}", file.display()));
        }
    }
    Ok(Exit::Done)
}

/// An answer, or why there is none: a bundle is worth having without it.
async fn ask(api: &Api, path: &str, query: &[(&str, &str)]) -> Value {
    let query: Vec<_> = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    match api.get(path, &query).await {
        Ok(answer) => answer.body,
        Err(failure) => json!({ "missing": failure.message }),
    }
}

/// What was received about a conversation.
fn about(received: &Value, conversation: &Value) -> Value {
    let Some(items) = received["items"].as_array() else { return received.clone() };
    Value::Array(items.iter().filter(|item| item["conversationId"] == *conversation).cloned().collect())
}

/// The explanation without its story, which the timeline tells, and without a headline that quotes an operator.
fn without_quotes(mut explanation: Value, timeline: &Value) -> Value {
    let lines = timeline["items"].as_array().into_iter().flatten();
    let quoted = lines.filter_map(|line| line["operator"]["reason"].as_str()).collect::<Vec<_>>();
    if let Some(fields) = explanation.as_object_mut() {
        fields.remove("story");
        fields.remove("text");
        let headline = fields.get("headline").and_then(Value::as_str).unwrap_or_default();
        let said_in =
            |reason: &str| headline.contains(reason) || headline.contains(&shown_text::quoted(reason));
        if quoted.iter().any(|reason| said_in(reason)) {
            fields.insert("headline".to_owned(), json!(LEFT_OUT));
        }
    }
    explanation
}

/// Every correlation id with its call, in order.
fn correlation_ids(timeline: &Value) -> Vec<Value> {
    let lines = timeline["items"].as_array().into_iter().flatten();
    let told = lines.filter_map(|line| {
        let answered = &line["answered"];
        let id = answered["correlationId"].as_str()?;
        Some(json!({ "at": line["at"], "request": answered["request"], "status": answered["status"], "id": id }))
    });
    told.collect()
}

/// The value without what people wrote; `in_operators_line` where it is part of what an operator did.
fn redacted(value: Value, in_operators_line: bool) -> Value {
    match value {
        Value::Object(fields) => {
            // A line about an operator quotes what they wrote.
            let quotes = fields.get(OPERATORS_LINE).is_some_and(Value::is_object);
            let fields = fields.into_iter().map(|(name, value)| {
                let written = WRITTEN_BY_PEOPLE.contains(&name.as_str())
                    || (in_operators_line && matches!(name.as_str(), "reason" | "text"))
                    || (quotes && name == "says");
                let value = match (written, value) {
                    (_, Value::Null) => Value::Null,
                    (true, Value::Object(fields)) if fields.is_empty() => Value::Object(fields),
                    (true, _) => Value::String(LEFT_OUT.to_owned()),
                    (false, value) => {
                        redacted(value, in_operators_line || name == OPERATORS_LINE || name == HANDLING)
                    }
                };
                (name, value)
            });
            Value::Object(fields.collect())
        }
        Value::Array(values) => {
            Value::Array(values.into_iter().map(|value| redacted(value, in_operators_line)).collect())
        }
        value @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_wrote_is_left_out_and_fixed_words_stay() {
        let value = json!({
            "closure": { "reason": "no_confirmation", "requestReason": "Mr Canary", "labels": { "who": "canary" } },
            "timeline": [{ "says": "canary ordered force: called Mr Canary", "operator": { "act": "force", "by": "canary", "takenOverFrom": "canary", "reason": "called Mr Canary" }, "reason": null }],
            "explanation": { "handling": { "comment": { "by": "canary", "text": "ask Mr Canary" } } },
            "empty": { "labels": {} },
        });
        let redacted = redacted(value, false);
        assert!(!redacted.to_string().to_lowercase().contains("canary"), "{redacted}");
        assert_eq!(redacted["closure"]["reason"], "no_confirmation");
        assert_eq!(redacted["timeline"][0]["operator"]["act"], "force");
        assert_eq!(redacted["timeline"][0]["reason"], Value::Null);
        assert_eq!(redacted["empty"]["labels"], json!({}));
    }

    #[test]
    fn a_headline_that_quotes_an_operator_is_left_out_and_another_one_stays() {
        let timeline = json!({ "items": [{ "operator": { "reason": "called Mr Canary" } }] });
        let explanation =
            |headline: &str| json!({ "headline": headline, "story": ["canary"], "text": "canary" });
        let quoting = without_quotes(explanation("Settled by ann: \"called Mr Canary\"."), &timeline);
        assert_eq!(quoting, json!({ "headline": LEFT_OUT }));
        assert_eq!(without_quotes(explanation("Closed."), &timeline), json!({ "headline": "Closed." }));
        let timeline = json!({ "items": [{ "operator": { "reason": "called \"Mr Canary\"" } }] });
        let quoting = without_quotes(explanation(r#"Settled by ann: "called \"Mr Canary\"". "#), &timeline);
        assert_eq!(quoting, json!({ "headline": LEFT_OUT }), "also where the quotation escapes its quotes");
    }

    #[test]
    fn the_correlation_ids_come_in_order_with_their_calls() {
        let timeline = json!({ "items": [
            { "at": "t0", "kind": "accepted" },
            { "at": "t1", "answered": { "request": "read", "status": 200, "correlationId": "a" } },
            { "at": "t2", "answered": { "request": "close_participant", "status": 202, "correlationId": "b" } },
        ] });
        let ids = correlation_ids(&timeline);
        assert_eq!(ids.iter().map(|one| one["id"].as_str().unwrap()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((&ids[1]["request"], &ids[1]["status"]), (&json!("close_participant"), &json!(202)));
    }

    #[test]
    fn only_what_is_about_the_conversation_is_taken() {
        let received = json!({ "items": [{ "conversationId": "c" }, { "conversationId": "d" }] });
        assert_eq!(about(&received, &json!("c")), json!([{ "conversationId": "c" }]));
        assert_eq!(about(&json!({ "missing": "why" }), &json!("c")), json!({ "missing": "why" }));
    }
}
