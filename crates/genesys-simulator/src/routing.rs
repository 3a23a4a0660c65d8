//! Wrap-up codes, and what a token tells of itself.

use serde_json::{Value, json};

use crate::clock::timestamp;
use crate::credentials::Admission;
use crate::platform::Reply;
use crate::world::World;

/// The wrap-up codes of the simulated organisation: id and name.
const CODES: [(&str, &str); 3] = [
    ("6e2d4c3b-1a09-4f8e-9d7c-5b4a3f2e1d06", "Closed by backend"),
    ("0b9c8d7e-6f5a-4b3c-8d2e-1f0a9b8c7d6e", "Resolved"),
    ("a1b2c3d4-e5f6-4a7b-8c9d-0e1f2a3b4c5d", "Abandoned"),
];

/// Answers whether a wrap-up code exists.
pub(crate) fn is_wrap_up_code(id: &str) -> bool {
    wrap_up_code(id).is_some()
}

/// Finds a wrap-up code's id by the id itself.
pub(crate) fn wrap_up_code(id: &str) -> Option<&'static str> {
    CODES.iter().find(|(known, _)| *known == id).map(|(known, _)| *known)
}

/// Finds a wrap-up code's id by its name.
pub(crate) fn wrap_up_code_named(name: &str) -> Option<&'static str> {
    CODES.iter().find(|(_, known)| *known == name).map(|(id, _)| *id)
}

/// Finds a wrap-up code's name by its id.
pub(crate) fn wrap_up_code_name(id: &str) -> Option<&'static str> {
    CODES.iter().find(|(known, _)| *known == id).map(|(_, name)| *name)
}

/// Answers every wrap-up code as `WrapupCode`.
pub(crate) fn wrap_up_codes() -> Vec<Value> {
    CODES
        .iter()
        .map(|(id, name)| json!({ "id": id, "name": name, "selfUri": format!("/api/v2/routing/wrapupcodes/{id}") }))
        .collect()
}

/// Answers one page of wrap-up codes as an entity listing.
pub(crate) fn list_wrap_up_codes(query: &str) -> Reply {
    let number = |name: &str, otherwise: usize| {
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(key, _)| key == name)
            .and_then(|(_, value)| value.parse().ok())
            .filter(|number| *number > 0)
            .unwrap_or(otherwise)
    };
    let (size, page) = (number("pageSize", 25).min(100), number("pageNumber", 1));
    let wanted = query_value(query, "name");
    let codes: Vec<Value> = wrap_up_codes()
        .into_iter()
        .filter(|code| wanted.as_deref().is_none_or(|name| code["name"].as_str() == Some(name)))
        .collect();
    let total = codes.len();
    let entities: Vec<Value> = codes.into_iter().skip((page - 1).saturating_mul(size)).take(size).collect();
    Reply::ok(json!({
        "entities": entities,
        "pageSize": size,
        "pageNumber": page,
        "total": total,
        "pageCount": total.div_ceil(size),
    }))
}

fn query_value(query: &str, name: &str) -> Option<String> {
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

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
