//! What a token tells of itself.

use serde_json::json;

use crate::clock::timestamp;
use crate::credentials::Admission;
use crate::platform::Reply;
use crate::world::World;

/// Answers the `TokenInfo` of the caller's token.
pub(crate) fn token(world: &World, admission: &Admission) -> Reply {
    let organisation = json!({ "id": world.config.organisation, "name": "Simulated organisation" });
    Reply::ok(json!({
        "organization": organisation,
        "homeOrganization": organisation,
        "authorizedScope": [],
        "dateTokenIdles": timestamp(admission.expires_at),
        "OAuthClient": {
            "id": admission.client.id,
            "name": admission.client.id,
            "state": "active",
            "organization": organisation,
        },
    }))
}
