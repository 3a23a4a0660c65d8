//! Events that belong to no closure: whoever brings them about says what happened, and the tables that want it are told.

use genesys_types::{Organisation, Time};
use orchestrator::Clock;
use serde_json::{Value, json};
use store::StoreUnavailable;
use uuid::Uuid;

use crate::{
    delivery::{Occasion, Owed, To},
    event::stamp,
    outbox::READER,
    service::Callbacks,
    setup::{Format, Setup},
    wish::wants,
};

/// Something that happened, and is told to the tables of its organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// Whose tables are told.
    pub organisation: Organisation,
    /// The event's id. Whoever tells of the same again gives the same id, so that receivers see it is the same.
    pub id: String,
    /// Its type, as interfaces §7 has it.
    pub event_type: &'static str,
    /// What it is about.
    pub subject: String,
    /// `data` of the event.
    pub data: Value,
    /// The same as one line for a chat.
    pub line: String,
}

impl Callbacks {
    /// Where people reach this service, without a slash at its end; empty where that is not configured.
    pub fn public_url(&self) -> &str {
        self.setup().public_url.as_deref().unwrap_or_default()
    }

    /// Notes what is owed because of this. What is noted is told, also over a restart.
    ///
    /// # Errors
    ///
    /// Fails when the store cannot be reached; nothing is noted then.
    pub async fn tell(&self, news: &News) -> Result<(), StoreUnavailable> {
        let owed = owed_by(news, self.setup(), self.clock());
        if owed.is_empty() {
            return Ok(());
        }
        // No line of the journal is passed by it.
        self.store().owe(READER, 0, owed.iter().map(Owed::row).collect()).await?;
        self.nudge();
        Ok(())
    }
}

fn owed_by(news: &News, setup: &Setup, clock: &dyn Clock) -> Vec<Owed> {
    let now = clock.now();
    if !setup.is_on() {
        return Vec::new();
    }
    let wanted = setup.receivers.iter().filter(|receiver| {
        receiver.organisation == news.organisation && wants(&receiver.on, news.event_type)
    });
    wanted
        .map(|receiver| {
            let payload = match receiver.format {
                Format::CloudEvents => cloud_event(news, now),
                Format::Chat => json!({ "text": news.line }),
            };
            let occasion = Occasion {
                closure: Uuid::nil(),
                organisation: &news.organisation,
                id: news.id.clone(),
                event_type: news.event_type,
            };
            Owed::new(clock.fresh_key(), occasion, To::receiver(receiver), &payload, now)
        })
        .collect()
}

fn cloud_event(news: &News, now: Time) -> Value {
    json!({
        "specversion": "1.0",
        "id": news.id,
        "source": format!("/closeout/{}", news.organisation),
        "type": news.event_type,
        "subject": news.subject,
        "time": stamp(now.millis()),
        "datacontenttype": "application/json",
        "data": news.data,
    })
}
