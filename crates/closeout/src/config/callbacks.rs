//! `[callbacks]` and the `[[callback]]` tables: who is told of closures, and where may be posted to.

use std::sync::Arc;

use callbacks::{AllowedHosts, Format, Receiver, Setup};
use genesys_types::Organisation;
use secrecy::ExposeSecret as _;
use url::Url;
use webhook_signature::{Scheme, WebhookSignature};

use super::{
    environment::Variables,
    layers::{Reader, numbers},
};

/// Reads both.
pub(super) fn read(reader: &mut Reader<'_>, variables: &Variables, known: &[Organisation]) -> Setup {
    let hosts = reader.texts("callbacks.allowed_hosts");
    let allowed = AllowedHosts::read(&hosts).unwrap_or_else(|error| {
        reader.refuse("callbacks.allowed_hosts", format_args!("cannot be used: {error}"));
        AllowedHosts::default()
    });
    let mut setup = Setup {
        signature: signature(reader, "callbacks.secret", variables),
        public_url: reader.parsed("callbacks.public_url", public_url),
        timeout: reader.duration("callbacks.timeout").unwrap_or_default(),
        receivers: Vec::new(),
        allowed,
    };
    for number in numbers(&reader.layers.settings, "callback") {
        let Some(receiver) = receiver(reader, number, variables, known, &setup.allowed) else { continue };
        if setup.receivers.iter().any(|other| other.name == receiver.name) {
            reader.refuse(
                &format!("callback.{number}.name"),
                format_args!("{:?} stands there twice", receiver.name),
            );
        }
        setup.receivers.push(receiver);
    }
    setup
}

fn receiver(
    reader: &mut Reader<'_>,
    number: usize,
    variables: &Variables,
    known: &[Organisation],
    allowed: &AllowedHosts,
) -> Option<Receiver> {
    let path = |key: &str| format!("callback.{number}.{key}");
    let name = reader.text(&path("name"));
    if name.is_none() {
        reader.missing(&path("name"), "is missing: the log of deliveries calls the receiver by it");
    }
    let organisation = organisation(reader, &path("organisation"), known);
    let url = url(reader, &path("url"), variables, allowed);
    let on = reader.texts(&path("on"));
    if let Some(word) = on.iter().find(|word| !callbacks::table_words().any(|known| known == word.as_str())) {
        let words: Vec<_> = callbacks::table_words().collect();
        reader.refuse(
            &path("on"),
            format_args!("names {word:?}, which is no event; there are {}", words.join(", ")),
        );
    }
    let format = match reader.choice(&path("format"))?.as_str() {
        "chat" => Format::Chat,
        _ => Format::CloudEvents,
    };
    let signature = signature(reader, &path("secret"), variables);
    if format == Format::CloudEvents && signature.is_none() {
        reader.missing(
            &path("secret"),
            "is missing: events are signed, so that their receiver can tell them from forged ones",
        );
    }
    Some(Receiver { name: name?, organisation: organisation?, url: url?, on, format, signature })
}

/// The organisation that a table is about.
pub(super) fn organisation(
    reader: &mut Reader<'_>,
    path: &str,
    known: &[Organisation],
) -> Option<Organisation> {
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

/// The URL of a receiver. What is wrong with it is told without it.
fn url(reader: &mut Reader<'_>, path: &str, variables: &Variables, allowed: &AllowedHosts) -> Option<Url> {
    if reader.layers.setting(path).is_none() {
        reader.missing(path, "is missing: say where to post to");
        return None;
    }
    let given = reader.secrets(path, variables).into_iter().next()?;
    allowed
        .check(given.expose_secret())
        .map_err(|why| reader.refuse(path, format_args!("cannot be used: {why}")))
        .ok()
}

fn signature(reader: &mut Reader<'_>, path: &str, variables: &Variables) -> Option<Arc<WebhookSignature>> {
    reader.layers.setting(path)?;
    let secrets = reader.secrets(path, variables);
    if secrets.is_empty() {
        return None;
    }
    WebhookSignature::new(Scheme::StandardWebhooks, secrets)
        .map(Arc::new)
        .map_err(|error| reader.refuse(path, format_args!("cannot be used: {error}")))
        .ok()
}

fn public_url(text: &str) -> Result<String, String> {
    match Url::parse(text) {
        Ok(url)
            if matches!(url.scheme(), "https" | "http")
                && url.query().is_none()
                && url.username().is_empty() =>
        {
            Ok(url.as_str().trim_end_matches('/').to_owned())
        }
        Ok(_) | Err(_) => Err("is not an address such as https://closeout.example".to_owned()),
    }
}
