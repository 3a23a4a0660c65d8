//! Wrap-up codes: those of the organisation, and those of queues that have their own.

use dashmap::DashMap;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::platform::Reply;

/// The wrap-up codes of every queue that has none of its own: id and name.
const CODES: [(Uuid, &str); 3] = [
    (Uuid::from_u128(0x6e2d_4c3b_1a09_4f8e_9d7c_5b4a_3f2e_1d06), "Closed by backend"),
    (Uuid::from_u128(0x0b9c_8d7e_6f5a_4b3c_8d2e_1f0a_9b8c_7d6e), "Resolved"),
    (Uuid::from_u128(0xa1b2_c3d4_e5f6_4a7b_8c9d_0e1f_2a3b_4c5d), "Abandoned"),
];

/// A wrap-up code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrapUpCode {
    /// Its id.
    pub id: Uuid,
    /// Its name. Several codes may share one.
    pub name: String,
}

/// The wrap-up codes of the simulated organisation.
#[derive(Debug, Default)]
pub(crate) struct WrapUpCodes {
    own: DashMap<Uuid, Vec<WrapUpCode>>,
}

impl WrapUpCodes {
    /// Gives a queue codes of its own, in place of whichever it had.
    pub(crate) fn set(&self, queue: Uuid, codes: Vec<WrapUpCode>) {
        self.own.insert(queue, codes);
    }

    /// Takes all queues' own codes away.
    pub(crate) fn clear(&self) {
        self.own.clear();
    }

    /// Answers the codes that hold for a queue.
    pub(crate) fn of(&self, queue: Uuid) -> Vec<WrapUpCode> {
        self.own.get(&queue).map_or_else(everywhere, |own| own.clone())
    }

    /// Answers the codes of the organisation: those that hold everywhere, and every queue's own.
    pub(crate) fn all(&self) -> Vec<WrapUpCode> {
        let mut all = everywhere();
        let mut own: Vec<WrapUpCode> = self.own.iter().flat_map(|own| own.value().clone()).collect();
        own.sort_by_key(|code| code.id);
        for code in own {
            if !all.iter().any(|known| known.id == code.id) {
                all.push(code);
            }
        }
        all
    }

    /// Finds a code of a queue by its id.
    pub(crate) fn by_id(&self, queue: Uuid, id: &str) -> Option<WrapUpCode> {
        self.of(queue).into_iter().find(|code| code.id.to_string() == id)
    }

    /// Finds the first code of a queue that has a name.
    pub(crate) fn by_name(&self, queue: Uuid, name: &str) -> Option<WrapUpCode> {
        self.of(queue).into_iter().find(|code| code.name == name)
    }
}

fn everywhere() -> Vec<WrapUpCode> {
    CODES.iter().map(|(id, name)| WrapUpCode { id: *id, name: (*name).to_owned() }).collect()
}

/// Answers codes as `WrapupCode`.
pub(crate) fn shown(codes: &[WrapUpCode]) -> Vec<Value> {
    let one = |WrapUpCode { id, name }: &WrapUpCode| json!({ "id": id, "name": name, "selfUri": format!("/api/v2/routing/wrapupcodes/{id}") });
    codes.iter().map(one).collect()
}

/// Answers one page of codes as an entity listing.
pub(crate) fn page(codes: &[WrapUpCode], query: &str) -> Reply {
    let number = |name: &str, otherwise: usize| {
        query_value(query, name)
            .and_then(|value| value.parse().ok())
            .filter(|number| *number > 0)
            .unwrap_or(otherwise)
    };
    let (size, page) = (number("pageSize", 25).min(100), number("pageNumber", 1));
    let wanted = query_value(query, "name");
    let codes: Vec<Value> = shown(codes)
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
