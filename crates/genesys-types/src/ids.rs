//! Ids, each of a type of its own. All but the organisation's name are UUIDs on the wire.

use std::{error::Error, fmt, str::FromStr, sync::Arc};

use uuid::Uuid;

/// A text that is not the UUID that the Platform API uses for this kind of id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidId {
    /// What the text should have been, for example `conversation id`.
    pub kind: &'static str,
}

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {} is a UUID such as 2f7bf00a-0fc2-4d6a-9b56-92238191433e", self.kind)
    }
}

impl Error for InvalidId {}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// Takes the UUID as it is.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// Returns the UUID.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            /// Parses the hyphenated form only, so that what enters a URL is exactly what was checked.
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                if text.len() != 36 {
                    return Err(InvalidId { kind: $kind });
                }
                Uuid::try_parse(text).map(Self).map_err(|_| InvalidId { kind: $kind })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }
    };
}

uuid_id!(
    /// A conversation: what Genesys calls the whole, and what this project also calls the wrapper.
    ConversationId,
    "conversation id"
);
uuid_id!(
    /// A participant of a conversation. One participant can own several communications.
    ParticipantId,
    "participant id"
);
uuid_id!(
    /// A communication: one session of one participant. Events call it `sessionId` (API.md §5a).
    CommunicationId,
    "communication id"
);
uuid_id!(
    /// A queue.
    QueueId,
    "queue id"
);
uuid_id!(
    /// A user, that is an agent.
    UserId,
    "user id"
);
uuid_id!(
    /// A wrap-up code.
    WrapUpCodeId,
    "wrap-up code id"
);

/// The name under which an organisation stands in the configuration (`[genesys.main]`), not Genesys' own id.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Organisation(Arc<str>);

/// A text that cannot name an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidOrganisation;

impl fmt::Display for InvalidOrganisation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an organisation's name has 1 to 64 characters, each of a-z, 0-9, - and _")
    }
}

impl Error for InvalidOrganisation {}

impl Organisation {
    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Organisation {
    type Err = InvalidOrganisation;

    fn from_str(text: &str) -> Result<Self, InvalidOrganisation> {
        let allowed =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
        if text.is_empty() || text.len() > 64 || !text.bytes().all(allowed) {
            return Err(InvalidOrganisation);
        }
        Ok(Self(Arc::from(text)))
    }
}

impl fmt::Display for Organisation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Organisation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hyphenated_form_of_a_uuid_is_an_id() {
        let id = "2f7bf00a-0fc2-4d6a-9b56-92238191433e";
        assert_eq!(id.parse::<ConversationId>().unwrap().to_string(), id);
        for hostile in [
            "",
            "2f7bf00a0fc24d6a9b5692238191433e",
            "{2f7bf00a-0fc2-4d6a-9b56-92238191433e}",
            "urn:uuid:2f7bf00a-0fc2-4d6a-9b56-92238191433e",
            "../../../../oauth/clients/00000000-0000",
            "2f7bf00a-0fc2-4d6a-9b56-92238191433e/..",
            "2f7bf00a-0fc2-4d6a-9b56-92238191433\u{e9}",
            "2f7bf00a-0fc2-4d6a-9b56-9223819143%2e",
        ] {
            assert!(hostile.parse::<ConversationId>().is_err(), "{hostile}");
        }
    }

    #[test]
    fn an_organisation_has_a_plain_name() {
        assert_eq!("main-2".parse::<Organisation>().unwrap().as_str(), "main-2");
        for refused in ["", "Main", "a b", "a/b", &"x".repeat(65)] {
            assert!(refused.parse::<Organisation>().is_err(), "{refused}");
        }
    }
}
