//! What the answers of a look say, as far as it is used: every field may be missing.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::json::{Flag, Flexible, Object, Text};

/// The name of every action, entity or division.
const ALL: &str = "*";

/// What `GET /api/v2/tokens/me` says about a token.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TokenFacts {
    /// The organisation's name.
    pub organisation: Option<Box<str>>,
    /// The organisation's id.
    pub organisation_id: Option<Box<str>>,
    /// The OAuth client's name.
    pub client: Option<Box<str>>,
    /// The OAuth client's state: `active`, `inactive` or `disabled`.
    pub client_state: Option<Box<str>>,
}

/// The permissions of a subject, from its roles.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grants {
    /// One for each policy of each role in each division.
    pub granted: Vec<Grant>,
    /// The names of the roles.
    pub roles: BTreeSet<Box<str>>,
    /// Whether every role told its policies. Without, a permission that is not listed may be held all the same.
    pub complete: bool,
}

/// One policy of a role in one division.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    domain: Box<str>,
    entity: Box<str>,
    actions: Vec<Box<str>>,
    /// The division's name, or nothing for all divisions.
    pub division: Option<Box<str>>,
    /// Whether it holds under a condition only.
    pub conditional: bool,
}

impl Grant {
    /// Whether it covers a permission, as `conversation:communication:view`.
    pub fn covers(&self, permission: &str) -> bool {
        let fits = |held: &str, wanted: &str| held == ALL || held.eq_ignore_ascii_case(wanted);
        let mut parts = permission.split(':');
        let (Some(domain), Some(entity), Some(action), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return false;
        };
        fits(&self.domain, domain)
            && fits(&self.entity, entity)
            && self.actions.iter().any(|held| fits(held, action))
    }
}

/// A limit of the organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// Its name, for example `client.credentials.token.rate.per.minute`.
    pub key: Box<str>,
    /// Its value.
    pub value: u64,
}

/// A Messenger deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// Its id.
    pub id: Box<str>,
    /// Its name; the id where there is none.
    pub name: Box<str>,
    /// Its status: `Active`, `Inactive`, `Pending`, `Error`, `Deleting`.
    pub status: Option<Box<str>>,
    /// What it tells guests at the end.
    pub disconnect: Disconnect,
}

/// The setting Conversation Disconnect of a Messenger configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Disconnect {
    /// The configuration was not told.
    #[default]
    Untold,
    /// The guest is told nothing: the default of Genesys Cloud.
    Off,
    /// The guest is told, and may go on writing.
    Send,
    /// The guest is told, and can write no more.
    ReadOnly,
}

impl<'de> Deserialize<'de> for TokenFacts {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let body = TokenBody::deserialize(deserializer)?;
        let organisation = body.organization.0.unwrap_or_default().0;
        let client = body.oauth_client.0.unwrap_or_default().0;
        Ok(Self {
            organisation: organisation.name.0,
            organisation_id: organisation.id.0,
            client: client.name.0,
            client_state: client.state.0,
        })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TokenBody {
    organization: Flexible<Object<Named>>,
    #[serde(rename = "OAuthClient")]
    oauth_client: Flexible<Object<Named>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Named {
    id: Text,
    name: Text,
    state: Text,
}

impl<'de> Deserialize<'de> for Grants {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let body = SubjectBody::deserialize(deserializer)?;
        let mut grants = Self { complete: body.grants.0.is_some(), ..Self::default() };
        for Object(grant) in body.grants.0.unwrap_or_default() {
            grants.add(grant);
        }
        Ok(grants)
    }
}

impl Grants {
    fn add(&mut self, grant: GrantBody) {
        let division = grant.division.0.unwrap_or_default().0;
        let division =
            if division.id.0.as_deref() == Some(ALL) { None } else { division.name.0.or(division.id.0) };
        let role = grant.role.0.unwrap_or_default().0;
        self.roles.extend(role.name.0);
        let Some(policies) = role.policies.0.filter(|policies| !policies.is_empty()) else {
            self.complete = false;
            return;
        };
        for Object(policy) in policies {
            let actions: Vec<_> =
                policy.actions.0.unwrap_or_default().into_iter().filter_map(|Text(action)| action).collect();
            let (Some(domain), Some(entity)) = (policy.domain.0, policy.entity_name.0) else {
                self.complete = false;
                continue;
            };
            let conditional = policy.condition.0.is_some_and(|condition| !condition.trim().is_empty());
            self.granted.push(Grant { domain, entity, actions, division: division.clone(), conditional });
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SubjectBody {
    grants: Flexible<Vec<Object<GrantBody>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct GrantBody {
    division: Flexible<Object<Named>>,
    role: Flexible<Object<RoleBody>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RoleBody {
    name: Text,
    policies: Flexible<Vec<Object<PolicyBody>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PolicyBody {
    domain: Text,
    entity_name: Text,
    actions: Flexible<Vec<Text>>,
    condition: Text,
}

/// `LimitsEntityListing`.
pub(super) struct Limits(pub(super) Vec<Limit>);

impl<'de> Deserialize<'de> for Limits {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entities = Listing::<LimitBody>::deserialize(deserializer)?.entities.0.unwrap_or_default();
        let limit = |Object(limit): Object<LimitBody>| {
            Some(Limit { key: limit.key.0?, value: limit.value.as_u64()? })
        };
        Ok(Self(entities.into_iter().filter_map(limit).collect()))
    }
}

#[derive(Debug, Deserialize)]
#[serde(default, bound(deserialize = "T: Deserialize<'de>"))]
struct Listing<T> {
    entities: Flexible<Vec<Object<T>>>,
}

impl<T> Default for Listing<T> {
    fn default() -> Self {
        Self { entities: Flexible(None) }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LimitBody {
    key: Text,
    value: serde_json::Value,
}

/// `ExpandableWebDeploymentEntityListing`.
pub(super) struct Deployments(pub(super) Vec<Deployment>);

impl<'de> Deserialize<'de> for Deployments {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entities = Listing::<DeploymentBody>::deserialize(deserializer)?.entities.0.unwrap_or_default();
        let deployment = |Object(body): Object<DeploymentBody>| {
            let id = body.id.0?;
            Some(Deployment {
                name: body.name.0.unwrap_or_else(|| id.clone()),
                id,
                status: body.status.0,
                disconnect: body.configuration.0.map_or(Disconnect::Untold, |Object(body)| body.disconnect()),
            })
        };
        Ok(Self(entities.into_iter().filter_map(deployment).collect()))
    }
}

/// `WebDeploymentActiveConfigurationOnDeployment`.
pub(super) struct ActiveConfiguration(pub(super) Disconnect);

impl<'de> Deserialize<'de> for ActiveConfiguration {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let version = ActiveBody::deserialize(deserializer)?.configuration_version.0;
        Ok(Self(version.map_or(Disconnect::Untold, |Object(body)| body.disconnect())))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ActiveBody {
    configuration_version: Flexible<Object<ConfigurationBody>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DeploymentBody {
    id: Text,
    name: Text,
    status: Text,
    configuration: Flexible<Object<ConfigurationBody>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ConfigurationBody {
    messenger: Flexible<Object<MessengerBody>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct MessengerBody {
    apps: Flexible<Object<AppsBody>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AppsBody {
    conversations: Flexible<Object<ConversationsBody>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ConversationsBody {
    conversation_disconnect: Flexible<Object<DisconnectBody>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DisconnectBody {
    enabled: Flag,
    r#type: Text,
}

impl ConfigurationBody {
    /// A configuration whose conversations say nothing about it has it off, as by default.
    fn disconnect(self) -> Disconnect {
        let conversations = self
            .messenger
            .0
            .and_then(|Object(messenger)| messenger.apps.0)
            .and_then(|Object(apps)| apps.conversations.0);
        let Some(Object(conversations)) = conversations else { return Disconnect::Untold };
        let Object(setting) = conversations.conversation_disconnect.0.unwrap_or_default();
        match (setting.enabled.0, setting.r#type.0.as_deref()) {
            (false, _) => Disconnect::Off,
            (true, Some("ReadOnly")) => Disconnect::ReadOnly,
            (true, Some(_) | None) => Disconnect::Send,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;

    fn read<T: serde::de::DeserializeOwned>(json: &str) -> T {
        parse::<Object<T>>(json.as_bytes()).unwrap().0
    }

    #[test]
    fn a_policy_covers_what_it_names_and_a_star_everything() {
        let grants: Grants = read(
            r#"{"id": "s", "grants": [
                {"division": {"id": "*", "name": "All"}, "role": {"name": "Closer", "policies": [
                    {"domain": "conversation", "entityName": "communication", "actions": ["view", "disconnect"]}]}},
                {"division": {"id": "d", "name": "Sales"}, "role": {"name": "Router", "policies": [
                    {"domain": "routing", "entityName": "*", "actions": ["*"], "condition": "{}"}]}}]}"#,
        );
        assert!(grants.complete);
        assert_eq!(grants.roles.iter().map(|role| &**role).collect::<Vec<_>>(), ["Closer", "Router"]);
        let held = |permission| grants.granted.iter().find(|grant| grant.covers(permission));
        let disconnect = held("conversation:communication:disconnect").unwrap();
        assert_eq!((disconnect.division.as_deref(), disconnect.conditional), (None, false));
        let queue = held("routing:queue:view").unwrap();
        assert_eq!((queue.division.as_deref(), queue.conditional), (Some("Sales"), true));
        for missing in ["conversation:participant:wrapup", "conversation:communication", "a:b:c:d", ""] {
            assert!(held(missing).is_none(), "{missing}");
        }
    }

    #[test]
    fn roles_without_policies_leave_open_what_they_hold() {
        for partial in [
            "{}",
            r#"{"grants": [{"role": {"name": "R"}}]}"#,
            r#"{"grants": [{"role": {"policies": []}}]}"#,
            r#"{"grants": [{"role": {"policies": [{"domain": "conversation"}]}}]}"#,
        ] {
            assert!(!read::<Grants>(partial).complete, "{partial}");
        }
        assert!(read::<Grants>(r#"{"grants": []}"#).complete);
    }

    #[test]
    fn the_messenger_setting_is_found_and_a_missing_one_is_off() {
        let with = |conversations: &str| {
            let body = format!(
                r#"{{"entities": [{{"id": "d", "name": "Web", "status": "Active", "configuration":
                    {{"messenger": {{"apps": {{"conversations": {conversations}}}}}}}}}]}}"#
            );
            read::<Deployments>(&body).0[0].disconnect
        };
        assert_eq!(
            with(r#"{"conversationDisconnect": {"enabled": true, "type": "Send"}}"#),
            Disconnect::Send
        );
        assert_eq!(
            with(r#"{"conversationDisconnect": {"enabled": true, "type": "ReadOnly"}}"#),
            Disconnect::ReadOnly
        );
        assert_eq!(
            with(r#"{"conversationDisconnect": {"enabled": false, "type": "Send"}}"#),
            Disconnect::Off
        );
        assert_eq!(with("{}"), Disconnect::Off);
        assert_eq!(with("null"), Disconnect::Untold);
        let reference = r#"{"entities": [{"id": "d", "configuration": {"id": "c", "version": "3"}}]}"#;
        let deployment = &read::<Deployments>(reference).0[0];
        assert_eq!((&*deployment.name, deployment.disconnect), ("d", Disconnect::Untold));
        let active = r#"{"configurationVersion": {"messenger": {"apps": {"conversations": {}}}}}"#;
        assert_eq!(read::<ActiveConfiguration>(active).0, Disconnect::Off);
    }

    #[test]
    fn limits_and_tokens_take_what_is_there() {
        let limits = read::<Limits>(
            r#"{"entities": [{"key": "client.credentials.token.rate.per.minute", "namespace": "platform.api",
                "value": 300}, {"key": "odd", "value": "x"}, {"value": 1}]}"#,
        );
        assert_eq!(limits.0.len(), 1);
        assert_eq!(limits.0[0].value, 300);
        let token = read::<TokenFacts>(
            r#"{"organization": {"id": "o", "name": "Acme"}, "OAuthClient": {"name": "closer", "state": "active"}}"#,
        );
        assert_eq!((token.organisation.as_deref(), token.client.as_deref()), (Some("Acme"), Some("closer")));
        assert_eq!(read::<TokenFacts>("{}"), TokenFacts::default());
    }
}
