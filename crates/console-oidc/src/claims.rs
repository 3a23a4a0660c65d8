//! Claims: found by name or pointer.

use serde_json::{Map, Value};

/// What a provider says of a person.
pub(crate) type Claims = Map<String, Value>;

/// A claim by its name, or by a JSON pointer (RFC 6901) such as `/realm_access/roles`. An address that nobody has proven to be the
/// person's own is none: whoever may type one in at the provider could type in another's.
pub(crate) fn find<'a>(claims: &'a Claims, path: &str) -> Option<&'a Value> {
    let mut parts = path.strip_prefix('/').unwrap_or_default().split('/');
    let name = if path.starts_with('/') { parts.next()? } else { path };
    let name = name.replace("~1", "/").replace("~0", "~");
    if name == "email" && claims.get("email_verified") != Some(&Value::Bool(true)) {
        return None;
    }
    let found = claims.get(&name)?;
    match path.strip_prefix('/').and_then(|path| path.find('/').map(|end| &path[end..])) {
        Some(rest) => found.pointer(rest),
        None => Some(found),
    }
}

/// The texts of a claim: one, or a list.
pub(crate) fn texts<'a>(claims: &'a Claims, path: &str) -> Vec<&'a str> {
    match find(claims, path) {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(value: &Value) -> Claims {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_claim_is_found_by_its_whole_name_or_by_a_pointer() {
        let claims =
            claims(&json!({ "groups": ["a", 1, "b"], "role": "c", "https://ex.example/roles": ["d"],
            "realm_access": { "roles": ["e"] }, "flag": true }));
        for (path, expected) in [
            ("groups", vec!["a", "b"]),
            ("role", vec!["c"]),
            ("https://ex.example/roles", vec!["d"]),
            ("/realm_access/roles", vec!["e"]),
            ("/https:~1~1ex.example~1roles", vec!["d"]),
            ("/groups/0", vec!["a"]),
            ("realm_access.roles", vec![]),
            ("realm_access", vec![]),
            ("flag", vec![]),
            ("/", vec![]),
            ("none", vec![]),
        ] {
            assert_eq!(texts(&claims, path), expected, "{path}");
        }
    }

    #[test]
    fn an_address_counts_once_it_is_proven() {
        for (verified, counts) in
            [(json!(true), true), (json!(false), false), (json!("true"), false), (json!(null), false)]
        {
            let claims = claims(&json!({ "email": "ann@ex.example", "email_verified": verified }));
            for path in ["email", "/email"] {
                assert_eq!(texts(&claims, path).len(), usize::from(counts), "{path} {verified}");
            }
        }
        assert_eq!(texts(&claims(&json!({ "email": "ann@ex.example" })), "email"), [""; 0]);
    }
}
