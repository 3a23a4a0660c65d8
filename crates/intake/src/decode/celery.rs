//! Task messages of Celery, protocol 2: `task` and `id` in the headers, `[args, kwargs, embed]` as the body.
//!
//! Brokers with headers of their own (AMQP) carry it so; the others (SQS, Redis) carry one JSON object with `headers` and a `body`
//! that is base64, and Amazon SQS base64 of that object.

use std::borrow::Cow;

use base64::{Engine, prelude::BASE64_STANDARD};
use genesys_types::Time;
use queue::Headers;
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use super::{Decoded, Undecodable, strict};

/// What Celery says of a task beside its arguments.
#[derive(Debug, Default, PartialEq, Eq)]
struct Task {
    name: Option<String>,
    id: Option<String>,
    eta: Option<String>,
    expires: Option<String>,
}

/// What a broker without headers carries.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    body: Cow<'a, str>,
    headers: Map<String, Value>,
    #[serde(rename = "content-type")]
    content_type: Option<Cow<'a, str>>,
    properties: Option<Properties>,
}

#[derive(Deserialize)]
struct Properties {
    body_encoding: Option<String>,
}

/// What Celery runs after a task. Nobody would run it here.
#[derive(Deserialize, Default)]
struct Embed {
    callbacks: Option<Value>,
    errbacks: Option<Value>,
    chain: Option<Value>,
    chord: Option<Value>,
}

pub(super) fn decode<'a>(headers: &Headers, body: &'a [u8], now: Time) -> Result<Decoded<'a>, Undecodable> {
    if headers.first("task").is_some() {
        let own = |name| headers.first(name).map(str::to_owned);
        let task = Task { name: own("task"), id: own("id"), eta: own("eta"), expires: own("expires") };
        return read(task, headers.first("content-type"), body, now);
    }
    let unwrapped = BASE64_STANDARD.decode(body).map_or(Cow::Borrowed(body), Cow::Owned);
    let envelope: Envelope<'_> = serde_json::from_slice(&unwrapped).map_err(|error| {
        Undecodable::json("a task of Celery: it has no headers, and is none in an envelope", &error)
    })?;
    let text = |name: &str| envelope.headers.get(name).and_then(Value::as_str).map(str::to_owned);
    let task = Task { name: text("task"), id: text("id"), eta: text("eta"), expires: text("expires") };
    if task.name.is_none() {
        return Err(Undecodable::new("invalid_task", "The task of Celery has no name in its headers."));
    }
    let encoding = envelope.properties.and_then(|properties| properties.body_encoding);
    let arguments = match encoding.as_deref() {
        Some("base64") => BASE64_STANDARD
            .decode(envelope.body.as_bytes())
            .map_err(|_| Undecodable::new("invalid_task", "The body of the task is not base64."))?,
        Some(_) | None => envelope.body.into_owned().into_bytes(),
    };
    read(task, envelope.content_type.as_deref(), &arguments, now)
}

fn read<'a>(
    task: Task,
    content_type: Option<&str>,
    body: &[u8],
    now: Time,
) -> Result<Decoded<'a>, Undecodable> {
    if content_type.is_some_and(|kind| !kind.starts_with("application/json")) {
        let detail = "The task is serialised otherwise than as JSON: set task_serializer to \"json\".";
        return Err(Undecodable::new("invalid_task", detail));
    }
    if task.expires.as_deref().and_then(time).is_some_and(|expires| expires <= now) {
        return Err(Undecodable::new("expired", "The task had expired when it came."));
    }
    let (args, kwargs, embed): (&RawValue, &RawValue, Option<Embed>) = serde_json::from_slice(body)
        .map_err(|error| Undecodable::json("the arguments of a task, [args, kwargs, embed]", &error))?;
    let something = |value: &Option<Value>| value.as_ref().is_some_and(|value| !is_empty(value));
    let embed = embed.unwrap_or_default();
    if [&embed.callbacks, &embed.errbacks, &embed.chain, &embed.chord].into_iter().any(something) {
        let detail = "The task names others that are to run after it (link, chain, chord), and nobody would run them: \
                      let the ending start them.";
        return Err(Undecodable::new("invalid_task", detail));
    }
    let command = command(args, kwargs)?;
    let command = match task.eta.as_deref() {
        Some(eta) => not_before(&command, eta)?,
        None => command,
    };
    Ok(Decoded { command: Cow::Owned(command), id: task.id })
}

/// The keyword arguments; without any the only argument, which is an object or the id of a conversation.
fn command(args: &RawValue, kwargs: &RawValue) -> Result<Vec<u8>, Undecodable> {
    let shape = || {
        Undecodable::new(
            "invalid_task",
            "The arguments of the task are no command: give its fields by name, or one object, or the id of the conversation.",
        )
    };
    let positional: Vec<&RawValue> = serde_json::from_str(args.get()).map_err(|_| shape())?;
    let named: Value = serde_json::from_str(kwargs.get()).map_err(|_| shape())?;
    match (positional.as_slice(), is_empty(&named)) {
        ([], false) => Ok(kwargs.get().as_bytes().to_vec()),
        ([only], true) => match serde_json::from_str::<Value>(only.get()).map_err(|_| shape())? {
            Value::Object(_) => Ok(only.get().as_bytes().to_vec()),
            Value::String(id) => {
                let command = Map::from_iter([("conversationId".to_owned(), Value::String(id))]);
                Ok(Value::Object(command).to_string().into_bytes())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => Err(shape()),
        },
        (_, _) => Err(shape()),
    }
}

/// A task with an `eta` is a command with a `notBefore`, unless it has one of its own.
fn not_before(command: &[u8], eta: &str) -> Result<Vec<u8>, Undecodable> {
    let Some(at) = time(eta) else {
        return Err(Undecodable::new("invalid_task", "The eta of the task is no time."));
    };
    let mut fields = strict::object(command)?;
    let at = jiff::Timestamp::from_millisecond(at.millis()).unwrap_or(jiff::Timestamp::MAX);
    fields.entry("notBefore").or_insert_with(|| Value::from(format!("{at:.3}")));
    Ok(Value::Object(fields).to_string().into_bytes())
}

/// Celery writes times as Python's `isoformat`: with an offset, or in UTC without one.
fn time(text: &str) -> Option<Time> {
    let stamp = text.parse::<jiff::Timestamp>().or_else(|_| format!("{text}Z").parse());
    stamp.ok().map(|stamp| Time::from_millis(stamp.as_millisecond()))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
