//! `closeout sim`: the simulator of Genesys Cloud, and small clients of its control under `/_sim`.

mod args;
mod show;

use std::time::Duration;

use genesys_simulator::{BodyFormat, Preset, Signing, Simulator, WebhookAdapter};
use reqwest::Url;
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use self::args::{ChaosArgs, ClockArgs, ConversationArgs, JournalArgs, Place, ServeArgs, TriggerArgs};
pub use self::args::{SimCommand, dialects};
use crate::{
    client::{Api, refusal},
    commands::target,
    config::{Variables, secret},
    dev::{chaos, quota},
    exit::{Exit, Failure},
    output::{self, Voice},
    serve::Signals,
};

/// Runs the command.
///
/// # Errors
///
/// When the port is taken, or the simulator refuses or does not answer.
pub async fn run(command: &SimCommand, voice: &Voice) -> Result<Exit, Failure> {
    let told = match command {
        SimCommand::Serve(args) => return serve(args, voice).await,
        SimCommand::Trigger(args) => return trigger(args, voice).await,
        SimCommand::Conversation(args) => conversation(args, voice).await?,
        SimCommand::Chaos(args) => show::chaos(&faults(args).await?, voice),
        SimCommand::Clock(args) => show::clock(&clock(args).await?, voice),
        SimCommand::Journal(args) => journal(args, voice).await?,
        SimCommand::Verdict(place) => {
            let shown = get(place, "/_sim/verdict").await?;
            output::write(&show::verdict(&shown, voice))?;
            return Ok(of_verdict(&shown));
        }
    };
    output::write(&told)?;
    Ok(Exit::Done)
}

/// A verdict that is not clean fails, so that a script need not read it.
fn of_verdict(shown: &Value) -> Exit {
    match shown["clean"].as_bool() {
        Some(true) => Exit::Done,
        Some(false) => Exit::Failed,
        None => Exit::Unexpected,
    }
}

fn at(place: &Place) -> Result<Api, Failure> {
    Api::at(&place.sim, None)
}

/// The advice of a simulator that cannot be reached.
fn named(failure: Failure) -> Failure {
    if failure.exit == Exit::Unreachable {
        let fix = "start it with `closeout sim serve` or `closeout dev`, or name another with --sim or CLOSEOUT_SIM";
        return failure.fix(fix);
    }
    let of_the_service = failure.message.ends_with("no_such_route)");
    if of_the_service || failure.fix.as_deref() == Some(refusal::ANOTHER_PROGRAM) {
        let fix = "this seems to be the address of another program, such as the service; name the simulator's with \
                   --sim or CLOSEOUT_SIM";
        return failure.fix(fix);
    }
    failure
}

async fn get(place: &Place, path: &str) -> Result<Value, Failure> {
    at(place)?.get(path, &[]).await.map(|answer| answer.body).map_err(named)
}

async fn post(place: &Place, path: &str, body: &Value) -> Result<Value, Failure> {
    let answer = at(place)?.post(path, &[], body, None, Duration::ZERO).await;
    answer.map(|answer| answer.body).map_err(named)
}

async fn serve(args: &ServeArgs, voice: &Voice) -> Result<Exit, Failure> {
    let mut signals = Signals::take()?;
    let mut builder = Simulator::builder()
        .seed(args.seed)
        .quota(quota(args.requests_per_minute))
        .analytics_lag(args.analytics_lag)
        .chaos(chaos(&args.chaos));
    if let Some(dialect) = args.dialect {
        builder = builder.dialect(dialect);
    }
    if let (Some(url), Some(secret)) = (&args.webhook, &args.webhook_secret) {
        if !Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
            return Err(Failure::usage(format!("--webhook {url:?} is no http or https URL"))
                .fix("closeout sim serve --webhook http://127.0.0.1:8080/hooks/relay --webhook-secret env:HOOK_SECRET"));
        }
        let secret = secret::resolve(&SecretString::from(secret.clone()), &Variables::of_this_process())
            .map_err(|why| Failure::usage(format!("--webhook-secret {why}")))?;
        let signing = Signing::HubSha256Base64 { secret };
        builder = builder
            .webhook(WebhookAdapter::new("webhook", url.clone(), signing).format(BodyFormat::Eventbridge));
    }
    let simulator = builder
        .build()
        .map_err(|error| Failure::usage(format!("the secret of --webhook-secret cannot be used: {error}")))?;
    let listener = http_listener::bind(args.listen).map_err(|error| Failure::usage(error.to_string()))?;
    let base = format!("http://{}", listener.local_addr()?);
    println!("the simulated Genesys Cloud listens on {base}");
    voice.note(format!(
        "  closeout sim conversation --sim {base}    makes a guest; Ctrl-C ends the simulator"
    ));
    if let Some(dialect) = args.dialect {
        voice.note(format!("  it speaks {} beside the platform's API", dialect.name()));
    }
    let stop = CancellationToken::new();
    let serving = tokio::spawn({
        let stop = stop.clone();
        async move { simulator.serve(listener, stop).await }
    });
    signals.next().await;
    stop.cancel();
    tokio::select! {
        served = serving => served.map_err(|error| Failure::new(Exit::Unexpected, error.to_string()))??,
        _ = signals.end_at_once() => {}
    }
    Ok(Exit::Done)
}

async fn conversation(args: &ConversationArgs, voice: &Voice) -> Result<String, Failure> {
    let page = |id: &str| format!("{}/_sim/guest/{id}", args.place.sim.trim_end_matches('/'));
    if let Some(id) = &args.show {
        let id = target::conversation(id)?;
        let shown = get(&args.place, &format!("/_sim/conversations/{id}")).await?;
        return Ok(show::conversation(&shown, &page(&id.to_string()), voice));
    }
    let mut body = Map::new();
    body.insert("count".to_owned(), json!(args.count));
    body.extend(args.agent.iter().map(|agent| ("agent".to_owned(), json!(agent))));
    body.extend(args.external_id.iter().map(|id| ("externalId".to_owned(), json!(id))));
    body.extend(args.guest_legs.iter().map(|legs| ("guestLegs".to_owned(), json!(legs))));
    if !args.attribute.is_empty() {
        let attributes: Map<_, _> =
            args.attribute.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        body.insert("attributes".to_owned(), Value::Object(attributes));
    }
    if args.ended {
        body.insert("ended".to_owned(), json!(true));
    }
    let millis = args.open_for.map(|ago| u64::try_from(ago.as_millis()).unwrap_or(u64::MAX));
    body.extend(millis.map(|millis| ("openForMs".to_owned(), json!(millis))));
    if !args.chaos.is_empty() {
        body.insert("presets".to_owned(), names(&args.chaos));
    }
    let made = post(&args.place, "/_sim/conversations", &Value::Object(body)).await?;
    if let (true, Some(id)) = (voice.style.terminal, made["conversationId"].as_str()) {
        voice.note(format!("what its guest sees: {}", page(id)));
    }
    Ok(show::made(made["conversations"].as_array().map_or(&[], Vec::as_slice), voice))
}

fn names(presets: &[Preset]) -> Value {
    presets.iter().map(|preset| preset.name()).collect()
}

async fn trigger(args: &TriggerArgs, voice: &Voice) -> Result<Exit, Failure> {
    let mut body = asked_event(args)?;
    body.extend(args.event.iter().map(|event| ("event".to_owned(), json!(event))));
    body.extend(args.adapter.iter().map(|adapter| ("adapter".to_owned(), json!(adapter))));
    let sent = post(&args.place, "/_sim/trigger", &Value::Object(body)).await?;
    let deliveries = sent["deliveries"].as_array().cloned().unwrap_or_default();
    if deliveries.is_empty() {
        let (message, fix) = match &args.adapter {
            Some(name) => (
                format!("the simulator has no webhook named {name:?}, so nothing was sent"),
                "leave --adapter out to send to every webhook",
            ),
            None => (
                "the simulator has no webhook, so nothing was sent".to_owned(),
                "`closeout dev` has one; `closeout sim serve --webhook URL --webhook-secret SECRET` takes one",
            ),
        };
        return Err(Failure::new(Exit::NotFound, message).fix(fix));
    }
    output::write(&show::deliveries(&deliveries, voice))?;
    let answered = deliveries.iter().any(|delivery| !delivery["status"].is_null());
    Ok(if answered { Exit::Done } else { Exit::Unreachable })
}

/// The kind of event and the conversation that it needs.
fn asked_event(args: &TriggerArgs) -> Result<Map<String, Value>, Failure> {
    let mut body = Map::new();
    body.insert("kind".to_owned(), json!(args.kind));
    match (&args.conversation, args.kind.as_str()) {
        (None, "foreign") => {}
        (Some(_), "foreign") => {
            return Err(Failure::usage("a foreign event is about a conversation that does not exist")
                .fix("leave the id out: closeout sim trigger --kind foreign"));
        }
        (Some(id), _) => {
            body.insert("conversationId".to_owned(), json!(target::conversation(id)?));
        }
        (None, kind) => {
            return Err(Failure::usage(format!("a {kind} event needs the id of a conversation")).fix(
                "closeout sim trigger \"$(closeout sim conversation)\", or --kind foreign, which needs none",
            ));
        }
    }
    Ok(body)
}

async fn faults(args: &ChaosArgs) -> Result<Value, Failure> {
    let path = "/_sim/chaos";
    let mut body = Map::new();
    if args.off || !args.presets.is_empty() {
        body.insert("presets".to_owned(), names(&args.presets));
        body.extend(args.rate.iter().map(|rate| ("rate".to_owned(), json!(rate))));
    } else if args.seed.is_some() {
        // A request replaces all faults, so a new seed takes the present ones along.
        let present = get(&args.place, path).await?;
        body.extend(present["chaos"].as_object().cloned().unwrap_or_default());
    } else {
        return get(&args.place, path).await;
    }
    body.extend(args.seed.iter().map(|seed| ("seed".to_owned(), json!(seed))));
    post(&args.place, path, &Value::Object(body)).await
}

async fn clock(args: &ClockArgs) -> Result<Value, Failure> {
    match args.advance {
        Some(by) => {
            let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
            post(&args.place, "/_sim/clock", &json!({ "advanceMs": millis })).await
        }
        None => get(&args.place, "/_sim/clock").await,
    }
}

async fn journal(args: &JournalArgs, voice: &Voice) -> Result<String, Failure> {
    let mut query = vec![("limit".to_owned(), args.limit.to_string())];
    if let Some(id) = &args.conversation {
        query.push(("conversationId".to_owned(), target::conversation(id)?.to_string()));
    }
    query.extend(args.kind.iter().map(|kind| ("kind".to_owned(), kind.clone())));
    query.extend(args.since.iter().map(|since| ("since".to_owned(), since.to_string())));
    let page = at(&args.place)?.get("/_sim/journal", &query).await.map_err(named)?.body;
    let entries = page["entries"].as_array().cloned().unwrap_or_default();
    if let Some(dropped) = page["dropped"].as_u64().filter(|dropped| *dropped > args.since.unwrap_or(0)) {
        voice.note(format!("the simulator keeps the newest entries only; those up to #{dropped} are gone"));
    }
    let last = entries.last().and_then(|entry| entry["seq"].as_u64());
    if let Some(last) = last.filter(|last| entries.len() == args.limit && page["newest"] != json!(last)) {
        voice.note(format!("{} entries are shown; go on with --since {last}", args.limit));
    }
    Ok(show::journal(&entries, voice))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use genesys_simulator::Dialect;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(subcommand)]
        command: SimCommand,
    }

    fn parsed(line: &str) -> Result<SimCommand, clap::Error> {
        Line::try_parse_from(std::iter::once("sim").chain(line.split(' '))).map(|line| line.command)
    }

    fn asked(line: &str) -> Result<Map<String, Value>, Failure> {
        let SimCommand::Trigger(args) = parsed(line).unwrap() else { panic!("{line}") };
        asked_event(&args)
    }

    #[test]
    fn a_verdict_that_is_not_clean_fails() {
        let simulator = Simulator::builder().build().unwrap();
        let mut shown = serde_json::to_value(simulator.verdict()).unwrap();
        assert_eq!(of_verdict(&shown).code(), 0);
        shown["clean"] = json!(false);
        assert_eq!(of_verdict(&shown).code(), 8);
        assert_eq!(of_verdict(&json!({})).code(), 1);
    }

    #[test]
    fn what_makes_no_sense_is_refused_before_anything_is_asked() {
        for line in [
            "conversation --count 0",
            "conversation --count 100001",
            "conversation de12379c-3c79-4826-8ed2-99625e071552 --count 2",
            "chaos lost-webhook --rate 1.5",
            "chaos --rate 0.5",
            "chaos lost-webhook --off",
            "trigger --kind odd",
            "trigger --event customer.gone",
            "serve --webhook http://127.0.0.1:1/",
            "serve --webhook-secret a-secret-token",
            "conversation --guest-legs 101",
            "conversation de12379c-3c79-4826-8ed2-99625e071552 --guest-legs 2",
        ] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_dialect_is_chosen_by_name_and_a_wrong_one_is_answered_with_all_of_them() {
        for dialect in Dialect::ALL {
            let SimCommand::Serve(args) = parsed(&format!("serve --dialect {}", dialect.name())).unwrap()
            else {
                panic!("{dialect:?}")
            };
            assert_eq!(args.dialect, Some(dialect));
        }
        let SimCommand::Serve(args) = parsed("serve").unwrap() else { panic!("serve") };
        assert_eq!(args.dialect, None);
        let wrong = parsed("serve --dialect webchat").unwrap_err();
        assert_eq!(wrong.exit_code(), 2);
        let help = parsed("serve --help").unwrap_err().to_string();
        for dialect in Dialect::ALL {
            assert!(wrong.to_string().contains(dialect.name()), "{wrong}");
            assert!(help.contains(&format!("- {}:", dialect.name())), "{help}");
        }
    }

    #[test]
    fn an_event_on_demand_needs_a_conversation_unless_it_is_foreign() {
        let missing = asked("trigger").unwrap_err();
        assert_eq!(missing.exit, Exit::Usage);
        assert!(missing.message.contains("a genuine event needs the id"), "{missing}");
        assert!(missing.fix.unwrap().contains("closeout sim conversation"));
        assert!(asked("trigger no-id").unwrap_err().message.contains("is not the id"));
        let id = "de12379c-3c79-4826-8ed2-99625e071552";
        assert_eq!(asked(&format!("trigger {id} --kind forged")).unwrap()["conversationId"], id);
        assert_eq!(asked("trigger --kind foreign").unwrap().get("conversationId"), None);
        assert_eq!(asked(&format!("trigger {id} --kind foreign")).unwrap_err().exit, Exit::Usage);
    }
}
