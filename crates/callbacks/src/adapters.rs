//! What is told of adapters that fall silent and are heard again, and to whom.

use std::collections::BTreeSet;

use genesys_types::{Organisation, Time};
use orchestrator::Clock;
use serde_json::{Value, json};
use store::{Store, StoreUnavailable};
use uuid::Uuid;

use crate::{
    delivery::{Occasion, Owed, To},
    event::stamp,
    outbox::READER,
    setup::{Format, Setup},
    silence::{Adapter, Ears, Turn, switch, turns},
    wish::wants,
};

pub(crate) const SILENT: &str = "closeout.adapter.silent.v1";
const RECOVERED: &str = "closeout.adapter.recovered.v1";

/// The adapters that were told to be silent. It is in the store: a silence that outlasts a restart is one incident.
#[derive(Debug, Default)]
pub(crate) struct ToldSilent(BTreeSet<Adapter>);

impl ToldSilent {
    /// Reads it, for the adapters that there are.
    pub(crate) async fn read(store: &dyn Store, ears: &dyn Ears) -> Result<Self, StoreUnavailable> {
        let mut told = BTreeSet::new();
        for one in ears.adapters() {
            let adapter = (one.organisation, one.name);
            if store.switch(&switch(&adapter)).await? {
                told.insert(adapter);
            }
        }
        Ok(Self(told))
    }

    /// Notes what is owed because of adapters that turned. Answers how many deliveries these are.
    pub(crate) async fn look(
        &mut self,
        store: &dyn Store,
        setup: &Setup,
        ears: &dyn Ears,
        clock: &dyn Clock,
    ) -> Result<usize, StoreUnavailable> {
        let mut noted = 0;
        for turn in turns(&self.0, &ears.adapters()) {
            let owed = owed_by(&turn, setup, clock);
            let concerns = owed.len() + usize::from(cares(setup, &turn.adapter.0));
            if !owed.is_empty() {
                // No line of the journal is passed by it.
                store.owe(READER, 0, owed.iter().map(Owed::row).collect()).await?;
            }
            let silent = turn.silent_since.is_some();
            if concerns > 0 || !silent {
                store.set_switch(&switch(&turn.adapter), silent).await?;
            }
            if silent {
                self.0.insert(turn.adapter);
            } else {
                self.0.remove(&turn.adapter);
            }
            noted += owed.len();
        }
        Ok(noted)
    }
}

/// Whether anybody wants to be told how the adapters of an organisation do.
fn cares(setup: &Setup, organisation: &Organisation) -> bool {
    let wanted = |on: &[String]| wants(on, SILENT) || wants(on, RECOVERED);
    setup.receivers.iter().any(|receiver| receiver.organisation == *organisation && wanted(&receiver.on))
}

fn owed_by(turn: &Turn, setup: &Setup, clock: &dyn Clock) -> Vec<Owed> {
    let now = clock.now();
    let (organisation, _) = &turn.adapter;
    let event_type = if turn.silent_since.is_some() { SILENT } else { RECOVERED };
    let id = format!("ev_adapter_{}", clock.fresh_key().simple());
    let wanted = setup
        .receivers
        .iter()
        .filter(|receiver| receiver.organisation == *organisation && wants(&receiver.on, event_type));
    wanted
        .map(|receiver| {
            let payload = match receiver.format {
                Format::CloudEvents => cloud_event(turn, &id, event_type, setup, now),
                Format::Chat => chat(turn, setup),
            };
            let occasion = Occasion { closure: Uuid::nil(), organisation, id: id.clone(), event_type };
            Owed::new(clock.fresh_key(), occasion, To::receiver(receiver), &payload, now)
        })
        .collect()
}

fn cloud_event(turn: &Turn, id: &str, event_type: &str, setup: &Setup, now: Time) -> Value {
    let (organisation, name) = &turn.adapter;
    let at = |time: Option<Time>| time.map(|time| stamp(time.millis()));
    json!({
        "specversion": "1.0",
        "id": id,
        "source": format!("/closeout/{organisation}"),
        "type": event_type,
        "subject": name,
        "time": stamp(now.millis()),
        "datacontenttype": "application/json",
        "data": {
            "organisation": organisation.as_str(),
            "adapter": name,
            "silentSince": at(turn.silent_since),
            "lastEventAt": at(turn.last_event_at),
            "links": { "adapters": link(setup) },
        },
    })
}

/// One line in plain words.
fn chat(turn: &Turn, setup: &Setup) -> Value {
    let (organisation, name) = &turn.adapter;
    // A path alone leads nowhere from a chat.
    let link = if setup.public_url.is_some() { link(setup) } else { "`closeout adapters`".to_owned() };
    let text = match turn.silent_since {
        Some(since) => format!(
            "No event arrives by {name} of {organisation} since {} although sessions were closed. While no adapter is heard, \
             ghosts are not told one by one. {link}",
            stamp(since.millis())
        ),
        None => format!("Events arrive again by {name} of {organisation}. {link}"),
    };
    json!({ "text": text })
}

fn link(setup: &Setup) -> String {
    format!("{}/v1/adapters", setup.public_url.as_deref().unwrap_or_default())
}
