//! What the simulated organisation tells of itself: the roles of the caller, the limits, the Messenger deployments.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::credentials::Admission;
use crate::platform::Reply;
use crate::refusal::Refusal;
use crate::world::World;

/// The ids of the one role, deployment and configuration that there are. They are invented.
const ROLE: &str = "5c1a7b90-2f3e-4d6c-8b1a-90e7d5c3b2a1";
const DEPLOYMENT: Uuid = Uuid::from_u128(0x8f0e_4a51_63c7_4f0b_9a2d_17b6_c5d4_e3f2);
const CONFIGURATION: &str = "d2b1c3a4-9e8f-4c7d-a6b5-0f1e2d3c4b5a";

/// The namespace that holds the limits of API calls.
const PLATFORM_API: &str = "platform.api";

/// The documented limits beside that of the token of client credentials.
const LIMITS: [(&str, u32); 3] =
    [("token.rate.per.minute", 300), ("org.app.user.rate.per.minute", 3_000), ("request.bytes.max", 512_000)];

/// Whether a namespace of limits is known here.
pub(crate) fn has_namespace(name: &str) -> bool {
    name == PLATFORM_API
}

/// Answers the `AuthzSubject` of the caller; its roles show their policies with `includeFullRoles=true` only.
pub(crate) fn subject(query: &str, admission: &Admission) -> Reply {
    let full = query_has(query, "includeFullRoles", "true");
    let mut role = json!({
        "id": ROLE,
        "name": "Simulated role",
        "default": false,
        "selfUri": format!("/api/v2/authorization/roles/{ROLE}"),
    });
    if full {
        role["policies"] = policies(admission.client.permissions.as_ref());
    }
    Reply::ok(json!({
        "id": admission.client.id,
        "name": admission.client.id,
        "grants": [{ "subjectId": admission.client.id, "division": { "id": "*", "name": "All Divisions" }, "role": role }],
        "version": 1,
        "selfUri": "/api/v2/authorization/subjects/me",
    }))
}

/// One policy for each entity, or one for everything.
fn policies(held: Option<&BTreeSet<String>>) -> Value {
    let Some(held) = held else {
        return json!([{ "domain": "*", "entityName": "*", "actions": ["*"] }]);
    };
    let mut entities: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for permission in held {
        if let [domain, entity, action] = permission.split(':').collect::<Vec<_>>()[..] {
            entities.entry((domain, entity)).or_default().push(action);
        }
    }
    let policy =
        |((domain, entity), actions)| json!({ "domain": domain, "entityName": entity, "actions": actions });
    entities.into_iter().map(policy).collect()
}

/// Answers the `LimitsEntityListing` of the platform's API.
pub(crate) fn limits(world: &World) -> Reply {
    let of_client =
        world.config.quota.requests.map(|most| ("client.credentials.token.rate.per.minute", most));
    let entities: Vec<Value> = of_client
        .into_iter()
        .chain(LIMITS)
        .map(|(key, value)| json!({ "key": key, "namespace": PLATFORM_API, "value": value }))
        .collect();
    Reply::ok(json!({ "entities": entities }))
}

/// Answers the one deployment as `ExpandableWebDeploymentEntityListing`; its configuration shows its settings with
/// `expand=configuration` only.
pub(crate) fn deployments(world: &World, query: &str) -> Reply {
    let mut deployment = deployment();
    let expands = url::form_urlencoded::parse(query.as_bytes())
        .any(|(name, value)| name == "expand" && value.split(',').any(|one| one == "configuration"));
    deployment["configuration"] = if expands { configuration(world) } else { reference() };
    Reply::ok(
        json!({ "entities": [deployment], "total": 1, "selfUri": "/api/v2/webdeployments/deployments" }),
    )
}

/// Answers the `WebDeploymentActiveConfigurationOnDeployment` of a deployment.
pub(crate) fn active_configuration(world: &World, id: Uuid) -> Result<Reply, Refusal> {
    if id != DEPLOYMENT {
        return Err(Refusal::not_found());
    }
    let mut deployment = deployment();
    deployment["configuration"] = reference();
    Ok(Reply::ok(json!({ "configurationVersion": configuration(world), "deployment": deployment })))
}

fn deployment() -> Value {
    json!({
        "id": DEPLOYMENT,
        "name": "Simulated messenger",
        "status": "Active",
        "allowAllDomains": true,
        "selfUri": format!("/api/v2/webdeployments/deployments/{DEPLOYMENT}"),
    })
}

fn reference() -> Value {
    json!({ "id": CONFIGURATION, "name": "Simulated configuration", "version": "1" })
}

fn configuration(world: &World) -> Value {
    let mut configuration = reference();
    let disconnect = world.config.messenger.conversation_disconnect;
    configuration["messenger"] = json!({
        "enabled": true,
        "apps": { "conversations": { "enabled": true, "conversationDisconnect": disconnect } },
    });
    configuration
}

fn query_has(query: &str, name: &str, value: &str) -> bool {
    url::form_urlencoded::parse(query.as_bytes()).any(|(key, given)| key == name && given == value)
}
