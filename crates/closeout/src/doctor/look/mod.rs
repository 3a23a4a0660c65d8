//! The looking itself: files, port, service, Genesys. It decides nothing.

mod genesys;
mod queues;
mod service;
mod sign_on;
mod sources;
mod store;

use std::path::PathBuf;

use jiff::Timestamp;

use super::findings::{Clock, Configuration, Findings, Hook, Online, Speaks, Store};
use crate::{
    client::Place,
    config::{
        self, FromCommandLine, Layers, Settings, Variables, layers,
        settings::{self, OrganisationSettings, StorePlace},
    },
};

/// The roles whose keys may request closures.
const SUBMITTERS: [&str; 3] = ["submit", "operate", "admin"];

/// The decoders that read the plain form.
const READ_PLAIN: [&str; 2] = ["auto", "closeout"];

/// Looks at everything; at Genesys only where that is wanted.
pub(super) async fn at_everything(
    from: &FromCommandLine,
    online: bool,
    place: &Place,
    variables: &Variables,
) -> Findings {
    let layers = layers::gather_what_can_be_read(from, variables).ok().map(|(layers, _)| layers);
    let loaded = config::load(from, variables);
    let place_of_store = layers.as_ref().and_then(|layers| settings::store_place(layers, variables).ok());
    let store = match place_of_store {
        Some(StorePlace::Memory) => Some(Store::Memory),
        Some(StorePlace::Sqlite(path)) => Some(store::look(path)),
        Some(StorePlace::Postgres(address)) => Some(store::look_at_database(&address).await),
        None => None,
    };
    let listen = layers.as_ref().and_then(|layers| settings::listen_address(layers).ok());
    let port = match listen {
        Some(address) => Some(service::port(address).await),
        None => None,
    };
    let hooks = loaded.as_ref().map(|(_, settings)| settings.hooks.as_slice()).unwrap_or_default();
    let service = service::ask(listen, place, variables, hooks).await;
    let queues = loaded.as_ref().map(|(_, settings)| settings.queues.as_slice()).unwrap_or_default();
    let queues = queues::ask_all(queues, online).await;
    let sources = loaded.as_ref().map(|(_, settings)| settings.sources.as_slice()).unwrap_or_default();
    let sources = sources::ask_all(sources, online).await;
    let sign_on = match loaded.as_ref().ok().and_then(|(_, settings)| settings.sign_on.as_ref()) {
        Some(settings) => Some(sign_on::ask(settings, online).await),
        None => None,
    };
    let organisations = match &loaded {
        _ if !online => Online::NotWanted,
        Err(_) => Online::NotPossible,
        Ok((layers, settings)) => Online::Asked(genesys::ask_all(layers, settings).await),
    };
    let configuration = match &loaded {
        Ok((layers, settings)) => configuration(layers, settings, from),
        Err(problems) => Configuration {
            problems: problems.iter().map(ToString::to_string).collect(),
            flag: flag(from),
            keys: (layers.as_ref().map(tokens_file).unwrap_or_default(), 0, 0),
            ..Configuration::default()
        },
    };
    let clock = clock(layers.as_ref(), &configuration, store.as_ref());
    Findings { configuration, store, port, clock, service, queues, sources, sign_on, online: organisations }
}

fn flag(from: &FromCommandLine) -> String {
    from.file.as_ref().map_or_else(String::new, |file| format!(" --config {}", file.display()))
}

fn configuration(layers: &Layers, settings: &Settings, from: &FromCommandLine) -> Configuration {
    let hook = |hook: &config::hooks::Hook| Hook {
        name: hook.name.clone(),
        scheme: hook.signature.scheme().name(),
        strength: hook.signature.scheme().strength(),
        secrets: hook.signature.secrets_held(),
        reads_plain: READ_PLAIN.contains(&hook.decoder.as_str()),
    };
    let submitters = settings.tokens.iter().filter(|token| SUBMITTERS.contains(&token.role.as_str())).count();
    Configuration {
        source: layers
            .file
            .as_ref()
            .map_or_else(|| "the environment".to_owned(), |path| path.display().to_string()),
        flag: flag(from),
        problems: Vec::new(),
        organisations: layers.organisations.clone(),
        speaks: settings.organisations.iter().filter_map(speaks).collect(),
        hooks: settings.hooks.iter().map(hook).collect(),
        fetching: settings.notifications.len(),
        miss_silence: settings.receivers_that_miss_silence().map(str::to_owned).collect(),
        reads_together: settings.reads_together,
        needs_events: settings.policy.evidence == closure_machine::Evidence::WebhookOnly,
        keys: (tokens_file(layers), settings.tokens.len(), submitters),
        aliases: layers.aliases().into_iter().map(|(variable, path)| (variable, path.to_owned())).collect(),
    }
}

/// The file with the keys; empty where none is named.
fn tokens_file(layers: &Layers) -> PathBuf {
    let setting = layers.setting("auth.tokens_file");
    setting.and_then(|setting| Some(layers.path_of(setting, &setting.given.as_text()?))).unwrap_or_default()
}

/// What an organisation's dialect can; nothing where it speaks the published API.
fn speaks(settings: &OrganisationSettings) -> Option<Speaks> {
    let dialect = settings.dialect.as_ref()?;
    Some(Speaks {
        organisation: settings.client.organisation.as_str().to_owned(),
        dialect: dialect.name().to_owned(),
        finds: dialect.finds(),
        closes_guest_alone: dialect.closes_guest_alone(),
        purges: dialect.purges(),
    })
}

/// The time, and the newest of the files that the service lives with.
fn clock(layers: Option<&Layers>, configuration: &Configuration, store: Option<&Store>) -> Clock {
    let of_store = store.and_then(|store| match store {
        Store::File { path, .. } => Some(path.clone()),
        Store::Memory | Store::Database { .. } => None,
    });
    let files =
        layers.and_then(|layers| layers.file.clone()).into_iter().chain([configuration.keys.0.clone()]);
    let written = |path: PathBuf| {
        let written = path.metadata().ok()?.modified().ok()?;
        Some((path, Timestamp::try_from(written).ok()?))
    };
    let newest_file = files.chain(of_store).filter_map(written).max_by_key(|(_, written)| *written);
    Clock { now: Timestamp::now(), newest_file }
}
