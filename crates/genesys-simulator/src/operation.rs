//! Which call of the platform's API a request is.

use http::Method;
use uuid::Uuid;

use crate::administration;
use crate::dialect::{self, Dialect};
use crate::refusal::Refusal;
use crate::sockets::channel_id;

/// A call of the platform's API, with the ids of its path; or one that the platform does not have, in the dialect
/// that is spoken beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    ReadConversation(Uuid),
    ReadMessageConversation(Uuid),
    UpdateParticipant { conversation: Uuid, participant: Uuid },
    UpdateCommunication { conversation: Uuid, participant: Uuid, communication: Uuid },
    GiveWrapUp { conversation: Uuid, participant: Uuid, communication: Uuid },
    ReadWrapUp { conversation: Uuid, participant: Uuid, communication: Uuid },
    ListParticipantWrapUpCodes { conversation: Uuid, participant: Uuid },
    UpdateConversation(Uuid),
    DeleteConversation(Uuid),
    ForceDisconnect(Uuid),
    ReadAnalytics(Uuid),
    QueryAnalytics,
    SearchAttributes,
    ListWrapUpCodes,
    ListQueueWrapUpCodes(Uuid),
    ReadToken,
    ReadGrants,
    ReadLimits,
    ListDeployments,
    ReadActiveConfiguration(Uuid),
    CreateChannel,
    CheckChannel(Uuid),
    Subscribe { channel: Uuid, replaces: bool },
    Dialect(dialect::Call),
}

/// Whether a request brings a JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestBody {
    /// What it may bring is not looked at.
    None,
    /// It may leave it out.
    Optional,
    /// Without one it is refused.
    Needed,
    /// It brings a list in place of an object.
    List,
}

pub(crate) const VIEW: &[&str] = &["conversation:communication:view"];
pub(crate) const DISCONNECT: &[&str] = &["conversation:communication:disconnect"];
pub(crate) const PARTICIPANT: &[&str] =
    &["conversation:communication:disconnect", "conversation:participant:wrapup", "conversation:call:record"];
pub(crate) const CLOSE: &[&str] = &["conversation:communication:disconnect", "conversation:message:park"];
const ANALYTICS: &[&str] = &["analytics:conversationDetail:view", "analytics:agentConversationDetail:view"];

impl Operation {
    /// Reads a method and a path. What the platform does not have is looked for in the dialect.
    pub(crate) fn of(method: &Method, path: &str, dialect: Option<Dialect>) -> Result<Self, Refusal> {
        match (Self::of_platform(method, path), dialect) {
            (Err(unknown), Some(dialect)) => dialect::find(dialect, method, path, unknown).map(Self::Dialect),
            (found, _) => found,
        }
    }

    fn of_platform(method: &Method, path: &str) -> Result<Self, Refusal> {
        let rest = path.strip_prefix("/api/v2/").ok_or_else(Refusal::not_found)?;
        let parts: Vec<&str> = rest.split('/').collect();
        let found = match parts.as_slice() {
            ["conversations", rest @ ..] => Self::of_conversations(method, rest)?,
            ["analytics", "conversations", "details", "query"] => {
                only(method, &Method::POST, Self::QueryAnalytics)?
            }
            ["analytics", "conversations", id, "details"] => {
                only(method, &Method::GET, Self::ReadAnalytics(uuid(id)?))?
            }
            ["routing", "wrapupcodes"] => only(method, &Method::GET, Self::ListWrapUpCodes)?,
            ["routing", "queues", queue, "wrapupcodes"] => {
                only(method, &Method::GET, Self::ListQueueWrapUpCodes(uuid(queue)?))?
            }
            ["notifications", "channels", rest @ ..] => Self::of_channels(method, rest)?,
            ["tokens", "me"] => only(method, &Method::GET, Self::ReadToken)?,
            ["authorization", "subjects", "me"] => only(method, &Method::GET, Self::ReadGrants)?,
            ["organizations", "limits", "namespaces", name] if administration::has_namespace(name) => {
                only(method, &Method::GET, Self::ReadLimits)?
            }
            ["webdeployments", "deployments"] => only(method, &Method::GET, Self::ListDeployments)?,
            ["webdeployments", "deployments", id, "configurations"] => {
                only(method, &Method::GET, Self::ReadActiveConfiguration(uuid(id)?))?
            }
            _ => return Err(Refusal::not_found()),
        };
        Ok(found)
    }

    fn of_channels(method: &Method, parts: &[&str]) -> Result<Self, Refusal> {
        let id = |segment: &str| channel_id(segment).ok_or_else(Refusal::not_found);
        match parts {
            [] => only(method, &Method::POST, Self::CreateChannel),
            [channel] => only(method, &Method::HEAD, Self::CheckChannel(id(channel)?)),
            [channel, "subscriptions"] => {
                let channel = id(channel)?;
                match *method {
                    Method::PUT => Ok(Self::Subscribe { channel, replaces: true }),
                    Method::POST => Ok(Self::Subscribe { channel, replaces: false }),
                    _ => Err(Refusal::method_not_allowed()),
                }
            }
            _ => Err(Refusal::not_found()),
        }
    }

    fn of_conversations(method: &Method, parts: &[&str]) -> Result<Self, Refusal> {
        match parts {
            ["participants", "attributes", "search"] => only(method, &Method::POST, Self::SearchAttributes),
            ["messages", id] => match *method {
                Method::GET => Ok(Self::ReadMessageConversation(uuid(id)?)),
                Method::PATCH => Ok(Self::UpdateConversation(uuid(id)?)),
                _ => Err(Refusal::method_not_allowed()),
            },
            ["messages", id, "participants", participant, rest @ ..] => {
                Self::of_participant(method, uuid(id)?, uuid(participant)?, rest)
            }
            [id] => match *method {
                Method::GET => Ok(Self::ReadConversation(uuid(id)?)),
                Method::DELETE => Ok(Self::DeleteConversation(uuid(id)?)),
                _ => Err(Refusal::method_not_allowed()),
            },
            [id, "disconnect"] => only(method, &Method::POST, Self::ForceDisconnect(uuid(id)?)),
            [id, "participants", participant] => {
                let (conversation, participant) = (uuid(id)?, uuid(participant)?);
                only(method, &Method::PATCH, Self::UpdateParticipant { conversation, participant })
            }
            _ => Err(Refusal::not_found()),
        }
    }

    fn of_participant(
        method: &Method,
        conversation: Uuid,
        participant: Uuid,
        parts: &[&str],
    ) -> Result<Self, Refusal> {
        match parts {
            [] => only(method, &Method::PATCH, Self::UpdateParticipant { conversation, participant }),
            ["wrapupcodes"] => {
                only(method, &Method::GET, Self::ListParticipantWrapUpCodes { conversation, participant })
            }
            ["communications", communication] => {
                let communication = uuid(communication)?;
                let update = Self::UpdateCommunication { conversation, participant, communication };
                only(method, &Method::PATCH, update)
            }
            ["communications", communication, "wrapup"] => {
                let communication = uuid(communication)?;
                match *method {
                    Method::POST => Ok(Self::GiveWrapUp { conversation, participant, communication }),
                    Method::GET => Ok(Self::ReadWrapUp { conversation, participant, communication }),
                    _ => Err(Refusal::method_not_allowed()),
                }
            }
            _ => Err(Refusal::not_found()),
        }
    }

    /// Answers the conversation that the path names.
    pub(crate) fn conversation(&self) -> Option<Uuid> {
        match *self {
            Self::ReadConversation(id)
            | Self::ReadMessageConversation(id)
            | Self::UpdateConversation(id)
            | Self::DeleteConversation(id)
            | Self::ForceDisconnect(id)
            | Self::ReadAnalytics(id) => Some(id),
            Self::UpdateParticipant { conversation, .. }
            | Self::UpdateCommunication { conversation, .. }
            | Self::GiveWrapUp { conversation, .. }
            | Self::ReadWrapUp { conversation, .. }
            | Self::ListParticipantWrapUpCodes { conversation, .. } => Some(conversation),
            Self::QueryAnalytics
            | Self::SearchAttributes
            | Self::ListWrapUpCodes
            | Self::ListQueueWrapUpCodes(_)
            | Self::ReadToken
            | Self::ReadGrants
            | Self::ReadLimits
            | Self::ListDeployments
            | Self::ReadActiveConfiguration(_)
            | Self::CreateChannel
            | Self::CheckChannel(_)
            | Self::Subscribe { .. } => None,
            Self::Dialect(call) => call.conversation(),
        }
    }

    /// Answers the permissions of which one is needed; empty when none is.
    pub(crate) fn permissions(&self) -> &'static [&'static str] {
        match self {
            Self::ReadConversation(_) => VIEW,
            Self::UpdateParticipant { .. } => PARTICIPANT,
            Self::GiveWrapUp { .. } => &["conversation:participant:wrapup"],
            Self::UpdateConversation(_) => CLOSE,
            Self::DeleteConversation(_) | Self::ForceDisconnect(_) => DISCONNECT,
            Self::ReadAnalytics(_) | Self::QueryAnalytics => ANALYTICS,
            Self::SearchAttributes => &["conversation:participant:attributesview"],
            Self::ListWrapUpCodes => &["routing:wrapupCode:view"],
            Self::ListQueueWrapUpCodes(_) => &["routing:queue:view"],
            Self::ListDeployments => &["webDeployments:deployment:view"],
            Self::ReadMessageConversation(_)
            | Self::UpdateCommunication { .. }
            | Self::ReadWrapUp { .. }
            | Self::ListParticipantWrapUpCodes { .. }
            | Self::ReadToken
            | Self::ReadGrants
            | Self::ReadLimits
            | Self::ReadActiveConfiguration(_)
            | Self::CreateChannel
            | Self::CheckChannel(_)
            | Self::Subscribe { .. } => &[],
            Self::Dialect(call) => call.permissions(),
        }
    }

    /// Answers whether the call brings a JSON body.
    pub(crate) fn body(&self) -> RequestBody {
        match self {
            Self::UpdateParticipant { .. }
            | Self::UpdateCommunication { .. }
            | Self::GiveWrapUp { .. }
            | Self::UpdateConversation(_)
            | Self::QueryAnalytics
            | Self::SearchAttributes => RequestBody::Needed,
            Self::ReadConversation(_)
            | Self::ReadMessageConversation(_)
            | Self::ReadWrapUp { .. }
            | Self::ListParticipantWrapUpCodes { .. }
            | Self::DeleteConversation(_)
            | Self::ForceDisconnect(_)
            | Self::ReadAnalytics(_)
            | Self::ListWrapUpCodes
            | Self::ListQueueWrapUpCodes(_)
            | Self::ReadToken
            | Self::ReadGrants
            | Self::ReadLimits
            | Self::ListDeployments
            | Self::ReadActiveConfiguration(_)
            | Self::CreateChannel
            | Self::CheckChannel(_) => RequestBody::None,
            Self::Subscribe { .. } => RequestBody::List,
            Self::Dialect(call) => call.body(),
        }
    }

    /// Answers whether the call changes a conversation.
    pub(crate) fn is_write(&self) -> bool {
        match self {
            Self::UpdateParticipant { .. }
            | Self::UpdateCommunication { .. }
            | Self::GiveWrapUp { .. }
            | Self::UpdateConversation(_)
            | Self::DeleteConversation(_)
            | Self::ForceDisconnect(_) => true,
            Self::ReadConversation(_)
            | Self::ReadMessageConversation(_)
            | Self::ReadWrapUp { .. }
            | Self::ListParticipantWrapUpCodes { .. }
            | Self::ReadAnalytics(_)
            | Self::QueryAnalytics
            | Self::SearchAttributes
            | Self::ListWrapUpCodes
            | Self::ListQueueWrapUpCodes(_)
            | Self::ReadToken
            | Self::ReadGrants
            | Self::ReadLimits
            | Self::ListDeployments
            | Self::ReadActiveConfiguration(_)
            | Self::CreateChannel
            | Self::CheckChannel(_)
            | Self::Subscribe { .. } => false,
            Self::Dialect(call) => call.is_write(),
        }
    }
}

fn only(method: &Method, wanted: &Method, operation: Operation) -> Result<Operation, Refusal> {
    if method == wanted { Ok(operation) } else { Err(Refusal::method_not_allowed()) }
}

/// Reads an id of a path.
pub(crate) fn uuid(text: &str) -> Result<Uuid, Refusal> {
    // Genesys writes ids hyphenated; the other spellings that a parser of UUIDs takes are not its own.
    (text.len() == 36).then(|| Uuid::parse_str(text).ok()).flatten().ok_or_else(Refusal::bad_request)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "7d1b5a44-3f0e-4d0c-9f4e-0a6c2b7e9a11";

    #[test]
    fn each_documented_path_is_known() {
        let messages = format!("/api/v2/conversations/messages/{ID}");
        let communication = format!("{messages}/participants/{ID}/communications/{ID}");
        let known = [
            (Method::GET, format!("/api/v2/conversations/{ID}")),
            (Method::DELETE, format!("/api/v2/conversations/{ID}")),
            (Method::POST, format!("/api/v2/conversations/{ID}/disconnect")),
            (Method::PATCH, format!("/api/v2/conversations/{ID}/participants/{ID}")),
            (Method::GET, messages.clone()),
            (Method::PATCH, messages.clone()),
            (Method::PATCH, format!("{messages}/participants/{ID}")),
            (Method::GET, format!("{messages}/participants/{ID}/wrapupcodes")),
            (Method::PATCH, communication.clone()),
            (Method::POST, format!("{communication}/wrapup")),
            (Method::GET, format!("{communication}/wrapup")),
            (Method::POST, "/api/v2/analytics/conversations/details/query".into()),
            (Method::GET, format!("/api/v2/analytics/conversations/{ID}/details")),
            (Method::POST, "/api/v2/conversations/participants/attributes/search".into()),
            (Method::GET, "/api/v2/routing/wrapupcodes".into()),
            (Method::GET, format!("/api/v2/routing/queues/{ID}/wrapupcodes")),
            (Method::POST, "/api/v2/notifications/channels".into()),
            (Method::HEAD, format!("/api/v2/notifications/channels/streaming-{ID}")),
            (Method::PUT, format!("/api/v2/notifications/channels/streaming-{ID}/subscriptions")),
            (Method::POST, format!("/api/v2/notifications/channels/streaming-{ID}/subscriptions")),
            (Method::GET, "/api/v2/tokens/me".into()),
            (Method::GET, "/api/v2/authorization/subjects/me".into()),
            (Method::GET, "/api/v2/organizations/limits/namespaces/platform.api".into()),
            (Method::GET, "/api/v2/webdeployments/deployments".into()),
            (Method::GET, format!("/api/v2/webdeployments/deployments/{ID}/configurations")),
        ];
        for (method, path) in known {
            assert!(Operation::of(&method, &path, None).is_ok(), "{method} {path}");
        }
    }

    #[test]
    fn what_forums_invent_is_not_found() {
        for path in [
            format!("/api/v2/conversations/webmessaging/{ID}"),
            format!("/api/v2/conversations/messaging/{ID}"),
            format!("/api/v2/conversations/messages/{ID}/sessions/{ID}"),
            "/elsewhere".to_owned(),
        ] {
            assert_eq!(Operation::of(&Method::PATCH, &path, None).unwrap_err().status, 404, "{path}");
        }
    }

    #[test]
    fn a_wrong_method_and_a_malformed_id_are_told_apart() {
        let path = format!("/api/v2/conversations/{ID}");
        assert_eq!(Operation::of(&Method::PUT, &path, None).unwrap_err().status, 405);
        assert_eq!(Operation::of(&Method::GET, "/api/v2/conversations/abc", None).unwrap_err().status, 400);
    }
}
