//! `--filter` of acts: an act on all closures that match, shown first, and done by the server.

use std::time::Duration;

use orchestrator::names::STATES;
use serde_json::{Map, Value, json};

use super::{agree, batch};
use crate::{
    client::{Api, plain},
    exit::{Exit, Failure},
    output::Voice,
};

/// How long the rows are followed. The server goes on with what is left.
const FOLLOWED: Duration = Duration::from_secs(600);

/// What a filter can name, as the command line and as the interface calls it.
const NAMES: [(&str, &str); 6] = [
    ("state", "state"),
    ("reason", "closureReason"),
    ("queue", "queueId"),
    ("source", "source"),
    ("since", "since"),
    ("until", "until"),
];

/// Reads `state=ghost,reason=no_confirmation,label.site=berlin,since=8h`.
///
/// # Errors
///
/// What cannot be read, in one sentence.
pub fn parse(text: &str) -> Result<Value, String> {
    let (mut filter, mut labels) = (Map::new(), Map::new());
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (name, value) =
            part.split_once('=').ok_or_else(|| format!("\"{part}\" is not of the form NAME=VALUE"))?;
        if let Some(label) = name.strip_prefix("label.") {
            labels.insert(label.to_owned(), json!(value));
            continue;
        }
        let Some((_, field)) = NAMES.iter().find(|(known, _)| *known == name) else {
            return Err(format!(
                "a filter names state, reason, queue, source, since, until or label.NAME, not \"{name}\""
            ));
        };
        if *field == "state" && !STATES.contains(&value) {
            return Err(format!("there is no state \"{value}\"; it is one of {}", STATES.join(", ")));
        }
        match (*field, filter.get_mut(*field)) {
            ("state" | "closureReason" | "queueId", Some(Value::Array(several))) => {
                several.push(json!(value));
            }
            ("state" | "closureReason" | "queueId", _) => {
                filter.insert((*field).to_owned(), json!([value]));
            }
            ("since" | "until", None) => {
                filter.insert((*field).to_owned(), json!(ago(value)));
            }
            (_, None) => {
                filter.insert((*field).to_owned(), json!(value));
            }
            (_, Some(_)) => return Err(format!("{name} is given twice")),
        }
    }
    if !labels.is_empty() {
        filter.insert("labels".to_owned(), Value::Object(labels));
    }
    if filter.is_empty() {
        return Err("a filter that names nothing would be every closure".to_owned());
    }
    Ok(Value::Object(filter))
}

/// Writes a filter of the interface as [`parse`] reads it; nothing where there is none.
pub(super) fn written(filter: &Value) -> Option<String> {
    let several = |name: &str, value: &Value| -> Vec<String> {
        let all = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        all.iter().map(|one| format!("{name}={}", plain(one))).collect()
    };
    let mut parts: Vec<_> = NAMES
        .iter()
        .filter(|(_, field)| !filter[field].is_null())
        .flat_map(|(name, field)| several(name, &filter[field]))
        .collect();
    let labels = filter["labels"].as_object();
    parts.extend(labels.into_iter().flatten().map(|(name, value)| format!("label.{name}={}", plain(value))));
    (!parts.is_empty()).then(|| parts.join(","))
}

/// A length of time as the interface takes it; anything else as it is.
fn ago(value: &str) -> String {
    match crate::cli::duration_flag(value) {
        Ok(duration) => batch::iso(duration),
        Err(_) => value.to_owned(),
    }
}

/// Shows on how many the act would be done, asks, and has it done.
///
/// # Errors
///
/// When nobody agrees, or the server refuses or does not answer.
pub async fn run(
    act: &str,
    (filter, organisation): (&Value, Option<&str>),
    reason: &str,
    yes: bool,
    api: &Api,
    voice: &Voice,
) -> Result<Exit, Failure> {
    let query: Vec<_> =
        organisation.map(|name| ("organisation".to_owned(), name.to_owned())).into_iter().collect();
    let body = json!({ "act": act, "filter": filter });
    let preview = api.post("/v1/batches", &query, &body, None, Duration::ZERO).await?.body;
    let (number, total) = (&preview["progress"]["queued"], &preview["progress"]["total"]);
    if *number == json!(0) {
        voice.note(format_args!("{act} fits none of the {total} closures that match; nothing was done"));
        return Ok(Exit::Done);
    }
    if !yes {
        agree(act, &format!("{number} of {total} closures that match"), &preview, voice).await?;
    }
    let id = preview["id"].as_str().unwrap_or_default();
    let body = json!({ "confirmToken": preview["confirmToken"], "reason": reason });
    let begun = api.post(&format!("/v1/batches/{id}/execute"), &[], &body, None, Duration::ZERO).await?.body;
    let done = batch::follow(begun, FOLLOWED, api, voice).await?;
    batch::write(&done, voice)?;
    Ok(batch::exit_of(&done))
}

async fn agree(act: &str, on: &str, preview: &Value, voice: &Voice) -> Result<(), Failure> {
    let id = preview["id"].as_str().unwrap_or_default();
    agree::or_nothing(&format!("{act} on {on}"), voice)
        .await
        .map_err(|failure| failure.fix(format!("look at them with closeout batch show {id} --rows")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{parse, written};

    #[test]
    fn a_filter_is_read_as_the_interface_takes_it() {
        let read =
            parse("state=ghost, state=blocked,reason=no_confirmation,label.site=berlin,since=8h").unwrap();
        assert_eq!(
            read,
            json!({
                "state": ["ghost", "blocked"], "closureReason": ["no_confirmation"],
                "labels": { "site": "berlin" }, "since": "PT28800S",
            })
        );
        let queue = "9bfb36aa-cde3-4706-9744-70f0645754cf";
        assert_eq!(
            parse(&format!("state=ghost,queue={queue},queue=none")).unwrap(),
            json!({ "state": ["ghost"], "queueId": [queue, "none"] })
        );
        assert_eq!(parse("until=2026-11-21T09:15:00Z").unwrap(), json!({ "until": "2026-11-21T09:15:00Z" }));
    }

    #[test]
    fn a_filter_is_written_as_it_is_read() {
        let text = "state=ghost,state=blocked,reason=rejected,since=2026-11-21T09:15:00Z,label.site=berlin";
        assert_eq!(written(&parse(text).unwrap()).as_deref(), Some(text));
        assert_eq!(written(&json!(null)), None);
    }

    #[test]
    fn what_is_no_filter_is_refused_in_words() {
        for (text, words) in [
            ("", "every closure"),
            ("ghost", "NAME=VALUE"),
            ("status=ghost", "not \"status\""),
            ("state=gohst", "no state \"gohst\""),
            ("source=http,source=batch", "twice"),
        ] {
            let refused = parse(text).unwrap_err();
            assert!(refused.contains(words), "{text}: {refused}");
        }
    }
}
