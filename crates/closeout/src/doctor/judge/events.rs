//! Each hook as the running service sees it: has it heard anybody, and whom did it refuse.

use jiff::Timestamp;

use super::super::{
    findings::{Configuration, Heard, Hook, Says, Service},
    report::Check,
};

/// A conversation that does not exist, for a test event: it closes nothing.
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

/// Judges every hook of the configuration.
pub(super) fn judge(service: &Service, configuration: &Configuration) -> Vec<Check> {
    configuration.hooks.iter().map(|hook| one(hook, service, configuration)).collect()
}

fn one(hook: &Hook, service: &Service, configuration: &Configuration) -> Check {
    let (server, name) = (&service.server, &hook.name);
    let test = test(hook, server, &configuration.flag);
    let check = match &service.says {
        Says::Nothing => Check::not_checked(
            "events",
            format!("No service answers at {server}, so nobody knows whether events arrive."),
            format!("start it with `closeout serve{}`, then send a test:\n{test}", configuration.flag),
        ),
        Says::Nonsense => Check::not_checked(
            "events",
            format!("Another program answers at {server}."),
            "name the service with --server",
        ),
        Says::Closed(why) => Check::not_checked(
            "events",
            format!(
                "The service at {server} tells of its hooks to a key of the role read only, and none that it takes was \
                 given{}.",
                why.as_ref().map(|why| format!(": {why}")).unwrap_or_default()
            ),
            "give a key with CLOSEOUT_TOKEN or --token-file; `closeout config new-key --name doctor --role read` makes one",
        ),
        Says::Hooks(heard) => match heard.iter().find(|heard| heard.name == *name) {
            Some(heard) => of_heard(heard, name, &configuration.flag, &test),
            None => Check::warning(
                "events",
                format!(
                    "The service at {server} has no such hook: it was started with another configuration."
                ),
                "restart the service; it reads its configuration when it starts",
            ),
        },
    };
    check.about(name)
}

fn of_heard(heard: &Heard, name: &str, flag: &str, test: &str) -> Check {
    let why = heard.refused_why.as_deref().unwrap_or("for its signature");
    let fix = format!(
        "compare secret and scheme with the sender's; with a delivery as it came, `closeout hooks verify --hook \
         {name}{flag} --body FILE --header 'NAME: VALUE'` says what differs"
    );
    match (heard.event_at, heard.refused_at) {
        (Some(event), Some(refused)) if refused > event => Check::warning(
            "events",
            format!(
                "Last heard a proven sender at {}, but refused one since, at {}: {why}.",
                at(event),
                at(refused)
            ),
            fix,
        ),
        (Some(event), _) => Check::ok("events", format!("Last heard a proven sender at {}.", at(event))),
        (None, Some(refused)) => Check::warning(
            "events",
            format!("Nobody was believed since the service began; last refused at {}: {why}.", at(refused)),
            fix,
        ),
        (None, None) => Check::not_checked(
            "events",
            "Nothing has come in since the service began.",
            format!("send a test:\n{test}"),
        ),
    }
}

/// The commands that send a signed event about nobody.
fn test(hook: &Hook, server: &str, flag: &str) -> String {
    let name = &hook.name;
    let body = if hook.reads_plain {
        format!(
            "echo '{{\"conversationId\":\"{NOBODY}\",\"participantId\":\"{NOBODY}\",\"state\":\"disconnected\"}}' > event.json"
        )
    } else {
        "put an event as your relay sends it into event.json".to_owned()
    };
    format!(
        "{body}\ncloseout hooks sign --hook {name}{flag} --body event.json | curl -i -X POST {server}/hooks/{name} -H @- -H \
         'content-type: application/json' --data-binary @event.json"
    )
}

fn at(moment: Timestamp) -> String {
    format!("{moment:.0}")
}
