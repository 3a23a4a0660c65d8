//! Whether the client holds the permissions that the configured policy needs.
//!
//! Two sources: a harmless read that is refused without `conversation:communication:view`, and the list of roles. The
//! list counts only where every role tells its policies and where it agrees with what the read has shown.

use genesys_client::{Fault as Refused, FaultKind, Grant, Grants};

use super::super::{
    findings::Organisation,
    report::{Check, Fault},
};
use crate::permissions::{ANALYTICS, ATTRIBUTES, DISCONNECT, LIST_CODES, VIEW, WRAP_UP};

/// What lookups need, any of each, and what for. Who always names the conversation needs none of them.
const FOR_LOOKUPS: [(&[&str], &str); 2] = [
    (&[ANALYTICS, "analytics:agentConversationDetail:view"], "closing by external id"),
    (&[ATTRIBUTES], "closing by attribute"),
];

/// Judges each permission; nothing where there is no token.
pub(super) fn judge(organisation: &Organisation) -> Vec<Check> {
    let Some(read) = &organisation.view else { return Vec::new() };
    let (list, client) = (list(organisation.grants.as_ref(), read), client_name(organisation));
    let needed = organisation.needs.iter();
    let mut checks: Vec<_> =
        needed.map(|permission| one(permission, read, &list, client).about(*permission)).collect();
    if let List::Good(grants) = list {
        checks
            .extend(FOR_LOOKUPS.iter().filter_map(|(any, purpose)| of_lookups(grants, any, purpose, client)));
    }
    checks
}

/// What a lookup needs and the client does not hold.
fn of_lookups(grants: &Grants, any: &[&str], purpose: &str, client: &str) -> Option<Check> {
    let first = *any.first().filter(|_| any.iter().all(|one| covering(grants, one).is_empty()))?;
    let what = format!(
        "It is not held: {purpose} (a lookup) is refused; closing by conversation id does not need it."
    );
    let fix =
        format!("leave it so where sessions are named by conversation id; else {}", give(first, client));
    Some(Check::warning("permission", what, fix).about(first))
}

/// What the list of roles is worth.
enum List<'a> {
    /// It can be relied on.
    Good(&'a Grants),
    /// It cannot, and why.
    Useless(String),
}

fn list<'a>(grants: Option<&'a Result<Grants, Refused>>, read: &Result<(), Refused>) -> List<'a> {
    match grants {
        None => List::Useless("the roles were not asked for".to_owned()),
        Some(Err(refused)) => List::Useless(format!("the roles could not be read: {refused}")),
        Some(Ok(grants)) if !grants.complete => {
            List::Useless("Genesys did not tell what the client's roles hold".to_owned())
        }
        Some(Ok(grants)) if may_read(read) == Some(true) && covering(grants, VIEW).is_empty() => {
            List::Useless(format!("the list of roles lacks {VIEW}, which the client has been seen to hold"))
        }
        Some(Ok(grants)) => List::Good(grants),
    }
}

/// Whether the read was let through; nothing where it says neither.
fn may_read(read: &Result<(), Refused>) -> Option<bool> {
    match read {
        Ok(()) => Some(true),
        Err(refused) => match refused.kind {
            FaultKind::NotFound => Some(true),
            FaultKind::Forbidden { .. } => Some(false),
            FaultKind::NotSent
            | FaultKind::OutcomeUnknown
            | FaultKind::RateLimited { .. }
            | FaultKind::Unauthenticated
            | FaultKind::Conflict
            | FaultKind::WrapUpRequired
            | FaultKind::Server
            | FaultKind::Rejected => None,
        },
    }
}

fn covering<'a>(grants: &'a Grants, permission: &str) -> Vec<&'a Grant> {
    grants.granted.iter().filter(|grant| grant.covers(permission)).collect()
}

fn one(permission: &str, read: &Result<(), Refused>, list: &List<'_>, client: &str) -> Check {
    let seen = if permission == VIEW { may_read(read) } else { None };
    let missing = |how: &str| {
        let what = format!("The client lacks {permission}, {}: {how}.", purpose(permission));
        Check::wrong("permission", Fault::Access, what, give(permission, client))
    };
    match (seen, list) {
        (Some(false), _) => missing("reading a conversation that does not exist is refused with 403"),
        (Some(true), List::Useless(_)) => Check::ok(
            "permission",
            "It is held: reading a conversation that does not exist is answered with 404, and not with 403.",
        ),
        (None, List::Useless(why)) => {
            Check::not_checked("permission", not_told(permission, why), look(client))
        }
        (_, List::Good(grants)) => {
            let covering = covering(grants, permission);
            if covering.is_empty() {
                missing("none of its roles holds it")
            } else {
                held(&covering, permission, client)
            }
        }
    }
}

fn held(covering: &[&Grant], permission: &str, client: &str) -> Check {
    let lasting: Vec<_> = covering.iter().filter(|grant| !grant.conditional).collect();
    if lasting.is_empty() {
        return Check::warning(
            "permission",
            "It is held under a condition of the role only, which may not fit every conversation.",
            give(permission, client),
        );
    }
    if lasting.iter().any(|grant| grant.division.is_none()) {
        return Check::ok("permission", "It is held in all divisions.");
    }
    let mut divisions: Vec<_> = lasting.iter().filter_map(|grant| grant.division.as_deref()).collect();
    divisions.sort_unstable();
    divisions.dedup();
    Check::ok(
        "permission",
        format!(
            "It is held in these divisions, and conversations of others are refused: {}.",
            divisions.join(", ")
        ),
    )
}

fn not_told(permission: &str, why: &str) -> String {
    if permission == VIEW {
        return format!("It could not be checked: {why}.");
    }
    format!("It could not be checked: {why}, and it cannot be tried without changing something.")
}

fn purpose(permission: &str) -> &'static str {
    match permission {
        VIEW => "without which no conversation can be read",
        DISCONNECT => "without which nothing can be closed",
        WRAP_UP => "without which the configured wrap-up code cannot be given",
        LIST_CODES => "without which the name of the configured wrap-up code cannot be looked up",
        _ => "which the configuration needs",
    }
}

fn give(permission: &str, client: &str) -> String {
    let path = permission.split(':').collect::<Vec<_>>().join(" > ");
    format!(
        "in Admin > People & Permissions > Roles / Permissions, add {path} to the client's role; in Admin > Integrations > \
         OAuth > {client} > Roles, give it that role in every division whose conversations are to be closed"
    )
}

fn look(client: &str) -> String {
    format!(
        "look by hand: Admin > Integrations > OAuth > {client} > Roles, and what these roles hold in Admin > People & \
         Permissions > Roles / Permissions"
    )
}

fn client_name(organisation: &Organisation) -> &str {
    let facts = organisation.token.as_ref().and_then(|token| token.as_ref().ok());
    facts.and_then(|facts| facts.client.as_deref()).unwrap_or("the client")
}
