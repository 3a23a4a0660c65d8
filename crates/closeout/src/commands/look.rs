//! Commands that only look: `get`, `list`, `timeline`, `explain`.

use clap::Args;
use serde_json::Value;

use super::{target, wait::exit_of};
use crate::{
    cli::label,
    client::{Api, plain},
    exit::{Exit, Failure},
    output::{self, Column, Form, Listing, Voice, pairs},
};

/// The most items that one page of the server has.
const PAGE: usize = 500;

/// The columns of closures.
const CLOSURES: [Column; 14] = [
    Column::text("ID", "id"),
    Column::text("CONVERSATION", "conversationId"),
    Column::state("STATE", "state"),
    Column::text("REASON", "reason"),
    Column::text("PROOF", "confirmedBy.kind"),
    Column::text("CALLS", "apiCalls"),
    Column::time("ACCEPTED", "timings.acceptedAt"),
    Column::time("NEXT", "nextWakeAt"),
    Column::text("WAITS FOR", "waitingFor"),
    Column::text("ORGANISATION", "organisation").when_wide(),
    Column::text("PARTICIPANT", "participantId").when_wide(),
    Column::time("ENDED", "timings.endedAt").when_wide(),
    Column::text("SOURCE", "source").when_wide(),
    Column::text("LABELS", "labels").when_wide(),
];

const TIMELINE: [Column; 7] = [
    Column::text("#", "sequence"),
    Column::time("AT", "at"),
    Column::text("WHAT", "kind"),
    Column::state("STATE", "to"),
    Column::text("IN WORDS", "says"),
    Column::text("ANSWER", "answered.status").when_wide(),
    Column::text("CORRELATION", "answered.correlationId").when_wide(),
];

/// One or several closures.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  closeout get cl_01jd5w3k9m2q8r7tb4x0y6z1ne
  closeout timeline 2f7bf00a-0fc2-4d6a-9b56-92238191433e -o wide
  closeout explain 2f7bf00a-0fc2-4d6a-9b56-92238191433e

An id is that of a closure (cl_…) or of a conversation, which stands for its latest closure.")]
pub struct OneArgs {
    /// Ids of closures or conversations
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
}

/// Which closures to list.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  closeout list --state ghost,blocked
  closeout list --since 1h --label team=checkout -o csv > closures.csv
  closeout list --state ghost -o id | xargs closeout explain")]
pub struct ListArgs {
    /// In these states; several with commas
    #[arg(long, value_delimiter = ',', value_parser = clap::builder::PossibleValuesParser::new(orchestrator::names::STATES))]
    state: Vec<String>,
    /// With these reasons; several with commas
    #[arg(long, value_delimiter = ',')]
    reason: Vec<String>,
    /// Asked for by this: http, batch, guest-returned, or the name of a [[source]] table
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// With this label; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = label)]
    label: Vec<(String, String)>,
    /// Accepted since then: 1h, or 2026-11-21T09:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Accepted before then
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Of this organisation
    #[arg(long, value_name = "NAME")]
    organisation: Option<String>,
    /// Whose id this is: a closure, conversation or guest (participant), an event that was told (ev_…) or its delivery (dv_…), or the idempotency key of a command; of what was ever stuck also a session (communication), an agent, a call
    /// (correlation id), or the id of another system by which it was asked for
    #[arg(long, value_name = "ID")]
    find: Option<String>,
    /// The earliest first
    #[arg(long)]
    oldest_first: bool,
    /// At most so many; 0 for all
    #[arg(long, default_value_t = 50, value_name = "NUMBER")]
    limit: usize,
}

impl ListArgs {
    fn query(&self) -> Vec<(String, String)> {
        let mut query = Vec::new();
        let mut put = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                query.push((name.to_owned(), value.to_owned()));
            }
        };
        for state in &self.state {
            put("state", Some(state));
        }
        for reason in &self.reason {
            put("reason", Some(reason));
        }
        for (name, value) in &self.label {
            put(&format!("label.{name}"), Some(value));
        }
        put("source", self.source.as_deref());
        put("since", self.since.as_deref());
        put("until", self.until.as_deref());
        put("organisation", self.organisation.as_deref());
        put("q", self.find.as_deref());
        put("sort", self.oldest_first.then_some("acceptedAt"));
        query
    }
}

/// Shows closures.
///
/// # Errors
///
/// When one is not there, or the server does not answer.
pub async fn get(args: &OneArgs, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    let mut items = Vec::new();
    for text in &args.ids {
        let id = target::closure_id(api, text).await?;
        let closure = api.get(&format!("/v1/closures/{id}"), &[]).await?.body;
        let closure =
            if args.ids.len() == 1 { with_what_is_said(closure, api, voice).await? } else { closure };
        items.push(closure);
    }
    show(&items, args.ids.len() == 1, voice)?;
    Ok(Exit::Done)
}

/// A ghost with what operators say about it and its page at Genesys, where a person looks: the list of ghosts has both.
///
/// # Errors
///
/// When the server does not answer.
pub async fn with_what_is_said(mut closure: Value, api: &Api, voice: &Voice) -> Result<Value, Failure> {
    if closure["state"] == "ghost" && matches!(voice.form, Form::Table | Form::Wide) {
        let query = [("q".to_owned(), plain(&closure["id"])), ("limit".to_owned(), "1".to_owned())];
        let mut found = api.get("/v1/ghosts", &query).await?.body;
        closure["ghost"] = found["items"][0]["ghost"].take();
    }
    Ok(closure)
}

/// Lists closures.
///
/// # Errors
///
/// When the filter is refused, or the server does not answer.
pub async fn list(args: &ListArgs, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    let (items, more) = pages(api, "/v1/closures", &args.query(), args.limit).await?;
    show(&items, false, voice)?;
    if items.is_empty() {
        voice.note("no closure matches");
    } else if more {
        voice.note(format_args!(
            "there are more; --limit 0 shows all, or narrow with --state, --since, --label"
        ));
    }
    Ok(Exit::Done)
}

/// Reads pages until `limit` items are there (0: all); answers also whether there are more.
///
/// # Errors
///
/// When the server refuses or does not answer.
pub async fn pages(
    api: &Api,
    path: &str,
    query: &[(String, String)],
    limit: usize,
) -> Result<(Vec<Value>, bool), Failure> {
    let mut items: Vec<Value> = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let wanted = if limit == 0 { PAGE } else { (limit - items.len()).min(PAGE) };
        let mut query = query.to_vec();
        query.push(("limit".to_owned(), wanted.to_string()));
        query.extend(cursor.take().map(|cursor| ("cursor".to_owned(), cursor)));
        let mut page = api.get(path, &query).await?.body;
        if let Some(found) = page.get_mut("items").and_then(Value::as_array_mut) {
            items.append(found);
        }
        cursor = page.get("nextCursor").and_then(Value::as_str).map(str::to_owned);
        if cursor.is_none() || (limit > 0 && items.len() >= limit) {
            return Ok((items, cursor.is_some()));
        }
    }
}

/// Shows the evidence.
///
/// # Errors
///
/// When a closure is not there, or the server does not answer.
pub async fn timeline(args: &OneArgs, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    for text in &args.ids {
        let id = target::closure_id(api, text).await?;
        let body = api.get(&format!("/v1/closures/{id}/timeline"), &[]).await?.body;
        let items = body["items"].as_array().cloned().unwrap_or_default();
        if voice.form == Form::Json {
            output::write(&output::pretty(&body))?;
            continue;
        }
        if args.ids.len() > 1 {
            voice.note(format_args!("{id}"));
        }
        let listing = Listing { columns: &TIMELINE, items: &items, id: "id" };
        output::write(&listing.write(voice.form, voice.style))?;
    }
    Ok(Exit::Done)
}

/// Tells in plain words.
///
/// # Errors
///
/// When a closure is not there, or the server does not answer.
pub async fn explain(args: &OneArgs, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    if voice.form == Form::Csv {
        return Err(Failure::usage("an explanation is prose and has no form csv")
            .fix("leave -o out for the text, take -o json, or the lines of `closeout timeline ID -o csv`"));
    }
    for (index, text) in args.ids.iter().enumerate() {
        let id = target::closure_id(api, text).await?;
        let body = api.get(&format!("/v1/closures/{id}/explain"), &[]).await?.body;
        let told = match voice.form {
            Form::Json => output::pretty(&body),
            Form::Ndjson => format!("{body}\n"),
            Form::Id => format!("{id}\n"),
            // Csv was refused before.
            Form::Table | Form::Wide | Form::Csv => {
                let apart = if index > 0 { "\n" } else { "" };
                format!("{apart}{}\n", plain(&body["text"]).trim_end())
            }
        };
        output::write(&told)?;
    }
    Ok(Exit::Done)
}

/// Writes closures: one as names and values where a person looks, several as a list.
///
/// # Errors
///
/// When stdout cannot be written.
pub fn show(items: &[Value], single: bool, voice: &Voice) -> Result<(), Failure> {
    output::write_items(&CLOSURES, items, single, voice, details)
}

/// Tells on stderr what is wrong with a closure, and what can be done, where the form on stdout has no room for it.
/// Whoever asked for several is told which one is meant.
pub fn tell_problem(closure: &Value, single: bool, voice: &Voice) {
    if let Some(told) = problem(closure, single).filter(|_| !matches!(voice.form, Form::Json | Form::Ndjson))
    {
        eprintln!("{told}");
    }
}

fn problem(closure: &Value, single: bool) -> Option<String> {
    let problem = closure.get("problem").filter(|problem| problem.is_object())?;
    let mut failure = Failure::new(exit_of(closure), plain(&problem["detail"]));
    failure.fix = problem["fix"].as_str().map(str::to_owned);
    let failure = if single { failure } else { failure.about(plain(&closure["conversationId"])) };
    Some(failure.to_string())
}

/// One closure as names and values.
fn details(closure: &Value, voice: &Voice) -> String {
    let value = |path: &str| {
        let found = path.split('.').try_fold(closure, |value, part| value.get(part));
        found.map(plain).unwrap_or_default()
    };
    let time = |path: &str| match value(path) {
        text if text.is_empty() => text,
        text => voice.style.time(&text),
    };
    let mut proof = [value("confirmedBy.kind"), value("confirmedBy.adapter"), value("confirmedBy.eventType")]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(", ");
    if !proof.is_empty() {
        proof = format!("{proof} ({})", time("confirmedBy.receivedAt"));
    }
    let labels = closure["labels"].as_object().into_iter().flatten();
    let labels: Vec<_> = labels.map(|(name, value)| format!("{name}={}", plain(value))).collect();
    let mut rows = vec![
        ("closure", value("id")),
        ("conversation", value("conversationId")),
        ("found by", target_words(closure)),
        ("participant", value("participantId")),
        ("organisation", value("organisation")),
        ("state", value("state")),
        ("reason", value("reason")),
        ("proof", proof),
        ("calls", value("apiCalls")),
        ("accepted", time("timings.acceptedAt")),
        ("close taken", time("timings.participantClosedAt")),
        ("confirmed", time("timings.confirmedAt")),
        ("ended", time("timings.endedAt")),
        ("next look", time("nextWakeAt")),
        ("waits for", value("waitingFor")),
        ("claimed by", value("ghost.handling.claimed.by")),
        ("snoozed until", time("ghost.handling.snoozedUntil")),
        ("comment", value("ghost.handling.comment.text")),
        ("page", value("genesysPage")),
        ("asked because", value("requestReason")),
        ("labels", labels.join(" ")),
        ("policy", policy_words(closure)),
    ];
    if closure["attached"] == Value::Bool(true) {
        rows.push(("joined", "a closure that was open already".to_owned()));
    }
    pairs(&rows, voice.style)
}

/// What the command named in place of the conversation.
pub fn target_words(item: &Value) -> String {
    let target = &item["target"];
    match (target["externalId"].as_str(), &target["attribute"]) {
        (Some(id), _) => format!("external id {id}"),
        (None, Value::Object(attribute)) => {
            let part = |key: &str| attribute.get(key).map(plain).unwrap_or_default();
            format!("attribute {}={}", part("name"), part("value"))
        }
        (None, _) => String::new(),
    }
}

/// The policy that holds, as `name=value`; what the command itself sets is marked.
pub fn policy_words(item: &Value) -> String {
    let policy = item["effectivePolicy"].as_object().into_iter().flatten();
    let word = |(name, value): (&String, &Value)| {
        let mark = if item["policy"].get(name).is_some() { "*" } else { "" };
        format!("{name}={}{mark}", plain(value))
    };
    let words: Vec<_> = policy.map(word).collect();
    let legend = if words.iter().any(|word| word.ends_with('*')) { "  (* set by the command)" } else { "" };
    format!("{}{legend}", words.join(" "))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: ListArgs,
    }

    #[test]
    fn a_filter_becomes_a_query() {
        let line =
            ["list", "--state", "ghost,blocked", "--label", "team=a", "--since", "1h", "--oldest-first"];
        let query = Line::try_parse_from(line).unwrap().args.query();
        let text: Vec<_> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(text, ["state=ghost", "state=blocked", "label.team=a", "since=1h", "sort=acceptedAt"]);
        assert!(Line::try_parse_from(["list", "--state", "gost"]).is_err());
    }

    #[test]
    fn the_policy_that_holds_is_shown_and_what_the_command_sets_is_marked() {
        let closure = json!({ "effectivePolicy": { "deadline": "PT3M", "order": "guest_first" }, "policy": { "deadline": "PT3M" } });
        assert_eq!(policy_words(&closure), "deadline=PT3M* order=guest_first  (* set by the command)");
        assert_eq!(policy_words(&json!({})), "");
    }

    #[test]
    fn what_is_wrong_is_told_with_what_can_be_done() {
        let closure = json!({
            "conversationId": "2f7b", "state": "failed", "problem": { "detail": "An agent.", "fix": "Wait." }
        });
        assert_eq!(problem(&closure, true).unwrap(), "error: An agent.\n  fix: Wait.");
        assert_eq!(problem(&closure, false).unwrap(), "error: 2f7b: An agent.\n  fix: Wait.");
        assert_eq!(problem(&json!({ "state": "closed" }), true), None);
    }

    #[test]
    fn a_closure_that_waits_for_its_organisation_says_so() {
        let closure = json!({ "id": "cl_1", "state": "accepted", "waitingFor": "organisation_paused" });
        assert!(details(&closure, &Voice::default()).contains("waits for  organisation_paused\n"));
        let list = Listing { columns: &CLOSURES, items: &[closure], id: "id" };
        let text = list.write(Form::Table, output::Style::default());
        assert!(text.contains("WAITS FOR") && text.contains("organisation_paused"), "{text}");
    }

    #[test]
    fn a_closure_is_shown_with_what_is_known_and_nothing_empty() {
        let closure = json!({ "id": "cl_1", "state": "ghost", "reason": "no_confirmation", "participantId": null,
                              "labels": { "team": "a" }, "timings": { "acceptedAt": "2026-11-21T10:00:00Z" } });
        let text = details(&closure, &Voice::default());
        assert!(text.starts_with("closure   cl_1\n") || text.contains("closure"), "{text}");
        assert!(text.contains("no_confirmation") && text.contains("team=a"), "{text}");
        assert!(!text.contains("participant") && !text.contains("null"), "{text}");
    }
}
