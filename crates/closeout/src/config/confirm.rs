//! The `[[confirm]]` tables: by which ways evidence comes. What each kind needs is read in a file of its own.

use genesys_types::Organisation;

use super::{
    environment::Variables,
    hooks::{self, Hook},
    keys::kind_refused,
    layers::{Layers, Reader, numbers},
    notifications::{self, Notifications},
    origin::Problem,
    sqs::{self, Queue},
};

/// The adapters, by kind.
#[derive(Debug, Default)]
pub struct Confirm {
    /// The webhooks.
    pub hooks: Vec<Hook>,
    /// The queues.
    pub queues: Vec<Queue>,
    /// What listens to the notification WebSocket.
    pub notifications: Vec<Notifications>,
}

/// The keys that only one kind has. In a table of another they would be believed to do something.
const KEYS_OF_ONE_KIND: [(&str, &[&str]); 3] = [
    (
        "webhook",
        &[
            "verify",
            "secrets",
            "header",
            "prefix",
            "encoding",
            "signed_content",
            "timestamp_header",
            "id_header",
            "tolerance",
        ],
    ),
    ("sqs", &["queue_url", "region", "endpoint", "event_source"]),
    (notifications::KIND, &["queues", "topics"]),
];

/// Reads every table.
pub fn read(reader: &mut Reader<'_>, variables: &Variables, known: &[Organisation]) -> Confirm {
    let mut found = Confirm::default();
    let mut names = Vec::new();
    for number in numbers(&reader.layers.settings, "confirm") {
        let path = format!("confirm.{number}.kind");
        let Some(kind) = reader.text(&path) else { continue };
        if let Some(why) = kind_refused("confirm", &kind) {
            reader.refuse(&path, why);
            continue;
        }
        refuse_keys_of_other_kinds(reader, number, &kind);
        let name = match kind.as_str() {
            "sqs" => sqs::one(reader, number, known).map(|queue| {
                let name = queue.setup.name.clone();
                found.queues.push(queue);
                name
            }),
            notifications::KIND => notifications::one(reader, number, known).map(|one| {
                let name = one.name.clone();
                found.notifications.push(one);
                name
            }),
            _ => hooks::one(reader, number, variables, known).map(|hook| {
                let name = hook.name.clone();
                found.hooks.push(hook);
                name
            }),
        };
        let Some(name) = name else { continue };
        if names.contains(&name) {
            reader.refuse(&format!("confirm.{number}.name"), format_args!("{name:?} stands there twice"));
        }
        names.push(name);
    }
    found
}

fn refuse_keys_of_other_kinds(reader: &mut Reader<'_>, number: usize, kind: &str) {
    for (other, keys) in KEYS_OF_ONE_KIND.into_iter().filter(|(other, _)| *other != kind) {
        for key in keys {
            let path = format!("confirm.{number}.{key}");
            let given = reader.layers.setting(&path).is_some_and(|setting| setting.origin.rank() > 0);
            if given {
                reader.refuse(
                    &path,
                    format_args!("has a use with kind = {other:?} only, and this table is of kind {kind:?}"),
                );
            }
        }
    }
}

/// The problems with adapters told by the adapter's name, in place of the number of its table: `secrets of [[confirm]] "relay"`.
pub fn by_name(problems: Vec<Problem>, layers: &Layers) -> Vec<Problem> {
    let tables: Vec<_> = numbers(&layers.settings, "confirm")
        .into_iter()
        .map(|number| {
            let table = format!("confirm.{number}");
            let name = layers.setting(&format!("{table}.name")).and_then(|setting| setting.given.as_text());
            let called = name.map_or_else(
                || format!("table {} of [[confirm]]", number + 1),
                |name| format!("[[confirm]] {name:?}"),
            );
            (format!("{table}."), called)
        })
        .collect();
    let told = |Problem(text): Problem| {
        let found =
            tables.iter().find_map(|(table, called)| Some((text.split_once(table.as_str())?, called)));
        let Some(((before, after), called)) = found else { return Problem(text) };
        let end = after.find(|sign: char| !(sign.is_ascii_lowercase() || sign == '_')).unwrap_or(after.len());
        let (key, rest) = after.split_at(end);
        Problem(format!("{before}{key} of {called}{rest}"))
    };
    problems.into_iter().map(told).collect()
}

/// The name of a table.
pub(super) fn name(reader: &mut Reader<'_>, number: usize) -> Option<String> {
    let path = &format!("confirm.{number}.name");
    if reader.layers.setting(path).is_none() {
        reader.missing(
            path,
            "is missing: listings, metrics and evidence call the adapter by it, and /hooks/{name} a webhook",
        );
        return None;
    }
    reader.parsed(path, |text| {
        let allowed =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
        if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(text.to_owned())
        } else {
            Err("must have 1 to 64 characters, each of a-z, 0-9, - and _".to_owned())
        }
    })
}

/// The organisation that a table belongs to.
pub(super) fn organisation(
    reader: &mut Reader<'_>,
    number: usize,
    known: &[Organisation],
) -> Option<Organisation> {
    let path = &format!("confirm.{number}.organisation");
    // The default is `main`; the only organisation that there is is meant too.
    let by_default = reader.layers.setting(path).is_some_and(|setting| setting.origin.rank() == 0);
    if let ([only], true) = (known, by_default) {
        return Some(only.clone());
    }
    reader.parsed(path, |text| {
        known
            .iter()
            .find(|organisation| organisation.as_str() == text)
            .cloned()
            .ok_or_else(|| format!("is not an organisation of this configuration; {}", super::it_has(known)))
    })
}
