//! The dialects: recipes for closing a session that the platform never had, spoken beside its real API.
//!
//! Some people stand behind a gateway or a mock that speaks such a recipe. Each dialect is a table of routes in a file
//! of its own, with exactly the pitfalls that the recipe is known for. All of them act on the same conversations as
//! the platform's calls do, so events, journal, verdict and the guest's page tell who really sees the end.
//!
//! The platform's routes come first and stay as they are; a dialect answers what they do not. What stands before a
//! call (token, quota, permissions, faults) and behind it (correlation id, journal, verdict) is the platform's own
//! door, so a handler here only says what its route does.

mod conversation_post;
mod messaging_versioned_put;
mod route;
mod shown;
mod webchat_participants;
mod webmessaging_participant_end;
mod webmessaging_sessions;

use dashmap::mapref::one::RefMut;
use uuid::Uuid;

use crate::conversation::Conversation;
use crate::refusal::Refusal;
use crate::world::World;

pub(crate) use route::{Call, Route, find};

/// A recipe that a simulator can speak beside the platform's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// The participant is ended by a route of its own; a PATCH of the conversation does nothing; DELETE purges.
    WebmessagingParticipantEnd,
    /// The participant is closed by its status; the wrapper can be closed around a guest who stays.
    WebchatParticipants,
    /// Conversations are found by external id, and each session is closed by itself.
    WebmessagingSessions,
    /// The whole is closed by one PUT that must bring a wrap-up code and the current version.
    MessagingVersionedPut,
    /// The whole is ended by one POST with an empty body.
    ConversationPost,
}

impl Dialect {
    /// Every dialect, in the order of the documentation.
    pub const ALL: [Self; 5] = [
        Self::WebmessagingParticipantEnd,
        Self::WebchatParticipants,
        Self::WebmessagingSessions,
        Self::MessagingVersionedPut,
        Self::ConversationPost,
    ];

    /// Answers the dialect's name, such as `webchat-participants`.
    pub fn name(self) -> &'static str {
        match self {
            Self::WebmessagingParticipantEnd => "webmessaging-participant-end",
            Self::WebchatParticipants => "webchat-participants",
            Self::WebmessagingSessions => "webmessaging-sessions",
            Self::MessagingVersionedPut => "messaging-versioned-put",
            Self::ConversationPost => "conversation-post",
        }
    }

    /// Answers one line on how it closes, and where it fails.
    pub fn summary(self) -> &'static str {
        match self {
            Self::WebmessagingParticipantEnd => "POST …/participants/{id}/end; 409 on an early DELETE",
            Self::WebchatParticipants => "POST …/participants/{id}; PATCH first leaves a ghost",
            Self::WebmessagingSessions => "POST …/query by external id; PATCH of each session",
            Self::MessagingVersionedPut => "PUT with wrap-up code and version, else 400 or 409",
            Self::ConversationPost => "POST with an empty body ends it for everybody",
        }
    }

    /// Finds a dialect by its name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.name() == name)
    }

    fn routes(self) -> &'static [Route] {
        match self {
            Self::WebmessagingParticipantEnd => webmessaging_participant_end::ROUTES,
            Self::WebchatParticipants => webchat_participants::ROUTES,
            Self::WebmessagingSessions => webmessaging_sessions::ROUTES,
            Self::MessagingVersionedPut => messaging_versioned_put::ROUTES,
            Self::ConversationPost => conversation_post::ROUTES,
        }
    }
}

/// Finds the conversation that a path names.
fn conversation(world: &World, id: Uuid) -> Result<RefMut<'_, Uuid, Conversation>, Refusal> {
    world.find(id).ok_or_else(|| Refusal::conversation_not_found(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dialect_is_found_by_its_name() {
        for dialect in Dialect::ALL {
            assert_eq!(Dialect::named(dialect.name()), Some(dialect));
        }
        assert_eq!(Dialect::named("platform"), None);
    }
}
