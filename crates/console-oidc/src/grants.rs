//! Who gets which role: nobody whom no grant names.

use std::collections::BTreeSet;

use crate::claims::{self, Claims};

/// What somebody may do, from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Looks.
    Read,
    /// Looks and acts.
    Operate,
    /// Everything.
    Admin,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Read, Self::Operate, Self::Admin];

    /// Its name, as keys have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }
}

/// A role for everybody whose claim has a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The value, letter by letter.
    pub value: String,
    /// The role.
    pub role: Role,
    /// The organisations that it holds for.
    pub organisations: Vec<String>,
}

/// Who somebody is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The name that is shown beside what the person does: `oidc:` and the configured claim, or the subject where that has none.
    pub name: String,
    /// The subject: what the provider knows the person by, whatever its name becomes.
    pub subject: String,
    /// The highest role that is granted.
    pub role: Role,
    /// The organisations for which that role is granted.
    pub organisations: Vec<String>,
}

/// The longest name that is shown.
const LONGEST_NAME: usize = 100;

/// What is granted to somebody; nothing where no grant fits. Of several grants the highest role holds, for the organisations that have
/// it: what is granted for one of them is never stretched over another.
pub(crate) fn person(
    claims: &Claims,
    roles_claim: &str,
    name_claim: &str,
    grants: &[Grant],
) -> Option<Person> {
    let values = claims::texts(claims, roles_claim);
    let fitting = || grants.iter().filter(|grant| values.contains(&grant.value.as_str()));
    let role = fitting().map(|grant| grant.role).max()?;
    let organisations: BTreeSet<_> = fitting()
        .filter(|grant| grant.role == role)
        .flat_map(|grant| &grant.organisations)
        .cloned()
        .collect();
    Some(Person {
        name: name(claims, name_claim),
        subject: shown(subject(claims)),
        role,
        organisations: organisations.into_iter().collect(),
    })
}

fn name(claims: &Claims, name_claim: &str) -> String {
    let given = claims::find(claims, name_claim).and_then(|name| name.as_str()).map(str::trim);
    format!("oidc:{}", shown(given.filter(|name| !name.is_empty()).unwrap_or_else(|| subject(claims))))
}

fn subject(claims: &Claims) -> &str {
    claims.get("sub").and_then(|subject| subject.as_str()).unwrap_or_default()
}

/// A text of the provider as it is shown in terminals, tables and the log: nothing in it may steer them.
fn shown(text: &str) -> String {
    // Those that take no room let two names look like one.
    let takes_no_room = |sign: char| matches!(sign, '\u{200b}'..='\u{200d}' | '\u{feff}');
    let shown = |sign| {
        if shown_text::steers(sign) || takes_no_room(sign) { char::REPLACEMENT_CHARACTER } else { sign }
    };
    text.chars().take(LONGEST_NAME).map(shown).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn grant(value: &str, role: Role, organisations: &[&str]) -> Grant {
        let organisations = organisations.iter().map(|name| (*name).to_owned()).collect();
        Grant { value: value.to_owned(), role, organisations }
    }

    fn granted(groups: &[&str]) -> Option<(Role, Vec<String>)> {
        let grants = [
            grant("viewers", Role::Read, &["a", "b", "c"]),
            grant("operators", Role::Operate, &["a"]),
            grant("night", Role::Operate, &["b", "a"]),
            grant("admins", Role::Admin, &["c"]),
        ];
        let claims = json!({ "sub": "1", "groups": groups });
        person(claims.as_object().unwrap(), "groups", "name", &grants)
            .map(|one| (one.role, one.organisations))
    }

    #[test]
    fn nobody_gets_a_role_whom_no_grant_names() {
        for groups in [&[][..], &["others"], &["Admins"], &["admins "], &["oper"]] {
            assert_eq!(granted(groups), None, "{groups:?}");
        }
    }

    #[test]
    fn the_highest_role_holds_where_it_is_granted_and_nowhere_else() {
        let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(granted(&["viewers"]), Some((Role::Read, of(&["a", "b", "c"]))));
        assert_eq!(granted(&["viewers", "operators"]), Some((Role::Operate, of(&["a"]))));
        assert_eq!(granted(&["operators", "night", "x"]), Some((Role::Operate, of(&["a", "b"]))));
        assert_eq!(granted(&["admins", "night"]), Some((Role::Admin, of(&["c"]))));
    }

    #[test]
    fn a_name_is_shown_that_steers_nothing_and_the_subject_where_there_is_none() {
        let named = |claims: serde_json::Value| name(claims.as_object().unwrap(), "name");
        assert_eq!(named(json!({ "sub": "1", "name": "Ann" })), "oidc:Ann");
        assert_eq!(named(json!({ "sub": "1", "name": " " })), "oidc:1");
        assert_eq!(named(json!({ "sub": "1", "name": ["Ann"] })), "oidc:1");
        assert_eq!(
            named(json!({ "sub": "1", "name": "A\u{1b}[31m\n\u{202e}b" })),
            "oidc:A\u{fffd}[31m\u{fffd}\u{fffd}b"
        );
        assert_eq!(named(json!({ "sub": "1", "name": "x".repeat(500) })).len(), 105);
    }

    #[test]
    fn a_person_keeps_the_subject_beside_the_name() {
        let grants = [grant("operators", Role::Operate, &["a"])];
        let claims = json!({ "sub": "248289761001\n", "name": "Ann", "groups": ["operators"] });
        let person = person(claims.as_object().unwrap(), "groups", "name", &grants).unwrap();
        assert_eq!((person.name.as_str(), person.subject.as_str()), ("oidc:Ann", "248289761001\u{fffd}"));
    }
}
