//! The forms in which events come, each in a file of its own.

mod closeout;
mod cloudevents;
mod eventbridge;
mod genesys_notification;
mod open_messaging;
mod participants;
#[cfg(test)]
mod samples;
mod topic;

use std::{error::Error, fmt, str::FromStr};

use crate::{
    json::Object,
    reading::{Reading, Undecodable},
};

/// The form of the bodies that a hook receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Decoder {
    /// Tries the others in the order of [`Decoder::ALL`]; also knows messages of Open Messaging, which end nothing.
    #[default]
    Auto,
    /// `topicName` and `eventBody`, as on the notification WebSocket.
    GenesysNotification,
    /// `detail-type` and `detail`, as from Amazon EventBridge.
    EventBridge,
    /// CloudEvents 1.0 in structured mode, with any of the others, or an event's bare body, as `data`.
    CloudEvents,
    /// The plain form of this project: `conversationId` and `state`.
    Closeout,
}

/// A name that no decoder has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownDecoder(String);

impl fmt::Display for UnknownDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Decoder::ALL.map(Decoder::name).join(", ");
        write!(f, "there is no decoder {:?}; there are {names}", self.0)
    }
}

impl Error for UnknownDecoder {}

impl FromStr for Decoder {
    type Err = UnknownDecoder;

    fn from_str(text: &str) -> Result<Self, UnknownDecoder> {
        Self::ALL
            .into_iter()
            .find(|decoder| decoder.name() == text)
            .ok_or_else(|| UnknownDecoder(text.to_owned()))
    }
}

impl Decoder {
    /// Every decoder; `auto` tries those after it in this order.
    pub const ALL: [Self; 5] =
        [Self::Auto, Self::GenesysNotification, Self::EventBridge, Self::CloudEvents, Self::Closeout];

    /// The name used in settings, such as `eventbridge`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::GenesysNotification => "genesys-notification",
            Self::EventBridge => "eventbridge",
            Self::CloudEvents => "cloudevents",
            Self::Closeout => "closeout",
        }
    }

    /// Reads a body in this form.
    pub(crate) fn read(self, body: &Object<'_>) -> Result<Reading, Undecodable> {
        self.read_if_known(body)?.ok_or(Undecodable::UnknownForm)
    }

    /// `None` when the body has another form.
    fn read_if_known(self, body: &Object<'_>) -> Result<Option<Reading>, Undecodable> {
        match self {
            Self::GenesysNotification => genesys_notification::read(body),
            Self::EventBridge => eventbridge::read(body),
            Self::CloudEvents => cloudevents::read(body),
            Self::Closeout => closeout::read(body),
            Self::Auto => {
                for decoder in &Self::ALL[1..] {
                    if let Some(reading) = decoder.read_if_known(body)? {
                        return Ok(Some(reading));
                    }
                }
                Ok(open_messaging::read(body))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decoder_is_found_by_its_name() {
        for decoder in Decoder::ALL {
            assert_eq!(decoder.name().parse(), Ok(decoder));
        }
        let error = "json".parse::<Decoder>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no decoder \"json\"; there are auto, genesys-notification, eventbridge, cloudevents, closeout"
        );
    }
}
